//! Phase 4 on a real Ceph cluster (`ci/lab/ceph`): a clean one is accused of nothing that it does not have, each fault is reported by the check that
//! it belongs to, and a cluster that cannot be asked leaves every answer open, in time. `ci/test` runs this; a plain `cargo test` starts no cluster.

mod bench;
mod drills;
mod lab;
mod ssh;
mod unwell;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::lab::{Lab, Verdicts};

/// What the lab cannot have, and what is rightly said of it: its OSDs are on files, which the kernel takes for rotating ones, and its hosts have no ZFS.
const NOT_THERE: &[(&str, &str)] = &[("ceph.osd_identity", "fail"), ("ceph.no_zpool_on_data", "inconclusive")];
/// A fault is seen by the cluster within this.
const SEEN: Duration = Duration::from_secs(60);
/// Of so many commands in a row none dies at its end: with the destructors of exit(3) every seventh did.
const ENDINGS: u32 = 40;
/// However a cluster does not answer, a whole inventory is done by then.
const IN_TIME: Duration = Duration::from_secs(30);

#[test]
#[ignore = "starts a Ceph cluster; ci/test runs it"]
fn a_clean_cluster_is_accused_of_nothing_and_each_fault_is_reported_by_its_check() {
    let lab = Lab::start();
    let healthy = lab.verdicts(1);
    assert!(healthy.len() >= 16, "{healthy:?}");
    accused_of_nothing(&healthy);
    println!("probe: {} ms", lab.probe_ms());
    ends_by_itself(&lab);

    // Settings, all at once: each is told of by its own check.
    let settings = [
        "flag noout",
        "muted OSD_DOWN",
        "pool-size rbd-containers 2",
        "pool-min-size cephfs-metadata 1",
        "pool-rule cephfs-data replicated_rule",
        "nearfull",
    ];
    settings.iter().for_each(|fault| lab.fault("make", fault));
    lab.until_failed(
        1,
        &[
            ("ceph.health", "muted: OSD_DOWN"),
            ("ceph.health", "OSDMAP_FLAGS"),
            ("ceph.daemons", "noout"),
            ("ceph.pools", "number of copies is 2"),
            ("ceph.pools", "min_size is 1"),
            ("ceph.pools", "any class"),
            ("ceph.capacity", "% full already"),
        ],
    );
    settings.iter().rev().for_each(|fault| lab.fault("heal", fault));
    lab.clean();

    // A young cluster says HEALTH_OK for a while when a monitor is lost.
    both(
        &lab,
        &["mon-killed 3", "standby-killed"],
        1,
        &[("ceph.daemons", "monitor pve1-node3 is not in quorum"), ("ceph.daemons", "1 managers run")],
    );
    both(&lab, &["osd-stopped 2"], 1, &[("ceph.daemons", "osd.2 is down"), ("ceph.pgs_clean", "not active and clean")]);
    both(&lab, &["osd-crashed 0"], 1, &[("ceph.crashes", "osd.0 at")]);
    both(&lab, &["class 2 ssd"], 1, &[("ceph.pools", "finds 2 places for 3 copies")]);
    both(&lab, &["object-rotten 1 cephfs-data"], 1, &[("ceph.scrub", "errors"), ("ceph.pgs_clean", "inconsistent")]);
    accused_of_nothing(&lab.verdicts(1));
}

/// Threads of librados are about to leave the cluster when a command is over, and do not bring it down.
fn ends_by_itself(lab: &Lab) {
    for time in 0..ENDINGS {
        let ended = lab.on(1).args([lab::ASSAY, "inventory"]).output().expect("starts");
        assert!(ended.status.code() == Some(0), "time {time}: {}: {}", ended.status, String::from_utf8_lossy(&ended.stderr));
    }
}

#[test]
#[ignore = "starts a Ceph cluster; ci/test runs it"]
fn a_cluster_that_cannot_be_asked_leaves_every_answer_open_in_time() {
    let lab = Lab::start();
    let asked = |script: &str, why: &str| {
        let began = Instant::now();
        let verdicts = lab.verdicts_after(3, script);
        assert!(began.elapsed() < IN_TIME, "{script}: {:?}", began.elapsed());
        assert!(verdicts.len() >= 16, "{verdicts:?}");
        for (id, answers) in &verdicts {
            assert!(answers.values().all(|answer| answer.0 == "inconclusive"), "{script}: {id}: {answers:?}");
        }
        let said: Vec<&String> = verdicts.values().flat_map(BTreeMap::values).map(|answer| &answer.1).collect();
        assert!(said.iter().any(|said| said.contains(why)), "{script}: {said:?}");
    };
    let key = "sed 's/key = .*/key = AQCUvWtpAAAAABAAcV0wDEjVjOMKkGXnWXVXeg==/' /etc/ceph/ceph.client.admin.keyring >/mnt/k && mount --bind /mnt/k /etc/ceph/ceph.client.admin.keyring";
    asked(key, "do not take the key");
    asked("echo >/mnt/k && mount --bind /mnt/k /etc/ceph/ceph.client.admin.keyring", "ceph:quorum_status");
    asked(
        "sed 's/^mon.host.*/mon host = 10.99.0.99/' /etc/ceph/ceph.conf >/mnt/c && mount --bind /mnt/c /etc/ceph/ceph.conf",
        "nobody answers in time",
    );
    let library = "echo >/mnt/l && for l in /usr/lib/*/librados.so.2; do mount --bind /mnt/l $(realpath $l); done";
    asked(&format!("{library}; mkdir /mnt/none && mount --bind /mnt/none /usr/bin"), "neither librados.so.2");
    // Where assay finds no library the program is asked, which here has one of its own.
    let program = "mkdir -p /mnt/own && cp -L /usr/lib/*/librados.so.2 /mnt/own/ && cp /usr/bin/ceph /mnt/own/ceph \
                   && printf '#!/bin/sh\\nLD_LIBRARY_PATH=/mnt/own exec /usr/bin/python3 /mnt/own/ceph \"$@\"\\n' >/mnt/w && chmod +x /mnt/w && mount --bind /mnt/w /usr/bin/ceph";
    let told = lab.verdicts_after(3, &format!("{program} && {library}"));
    assert!(
        told["ceph.health"].values().all(|answer| answer.0 == "pass") && told["ceph.pgs_clean"].values().all(|answer| answer.0 == "pass"),
        "{told:?}"
    );
    // Managers that have stopped: what monitors say stands, what managers say is open, and a late answer harms nobody.
    let managers = ["mgr-stopped 1", "mgr-stopped 2"];
    managers.iter().for_each(|fault| lab.fault("make", fault));
    let began = Instant::now();
    let told = lab.verdicts(3);
    assert!(began.elapsed() < IN_TIME, "{:?}", began.elapsed());
    for (id, expected) in
        [("ceph.versions", "pass"), ("ceph.pgs_clean", "inconclusive"), ("ceph.capacity", "inconclusive"), ("ceph.crashes", "inconclusive")]
    {
        assert!(told[id].values().all(|answer| answer.0 == expected), "{id}: {:?}", told[id]);
    }
    managers.iter().for_each(|fault| lab.fault("heal", fault));
    lab.clean();
    // A host that is cut off knows nothing; the others know that it is gone.
    lab.fault("make", "cut 3");
    lab.until_failed(1, &[("ceph.daemons", "monitor pve1-node3 is not in quorum"), ("ceph.daemons", "osd.2 is down")]);
    asked("true", "nobody answers in time");
    lab.fault("heal", "cut 3");
    lab.clean();
}

fn accused_of_nothing(verdicts: &Verdicts) {
    for (id, answers) in verdicts {
        let expected = NOT_THERE.iter().find(|(other, _)| other == id).map_or("pass", |(_, expected)| expected);
        assert!(answers.values().all(|answer| answer.0 == expected), "{id}: {answers:?}");
    }
}

/// Makes faults, sees them and heals them.
fn both(lab: &Lab, faults: &[&str], host: u8, expected: &[(&str, &str)]) {
    faults.iter().for_each(|fault| lab.fault("make", fault));
    lab.until_failed(host, expected);
    faults.iter().for_each(|fault| lab.fault("heal", fault));
    lab.clean();
}
