//! Images of a real Ceph cluster (`ci/lab/ceph`) that the kernel of a virtual node maps: assay makes, maps, measures, unmaps and removes its own, after a death too, and writes to no device
//! over anything else. The node reaches the cluster through QEMU's user-mode network in the namespaces of the cluster's client. `ci/lab/krbd` runs this, as root.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::node::{ASSAY, Node, repository};

/// librbd and librados, which assay loads when it needs them.
const LIBRARIES: [&str; 2] = ["/usr/lib/x86_64-linux-gnu/librados.so.2", "/usr/lib/x86_64-linux-gnu/librbd.so.1"];
const POOL: &str = "rbd-vms";
/// What is mapped in the node.
const DEVICES: &str = "ls /sys/bus/rbd/devices";
/// Nothing is.
const NONE: &str = "! [ -e /sys/bus/rbd ] || [ -z \"$(ls /sys/bus/rbd/devices)\" ]";

#[test]
#[ignore = "starts a Ceph cluster and boots a virtual node; ci/lab/krbd runs it"]
fn mapped_images_are_measured_when_they_are_ours_and_left_alone_when_they_are_not() {
    let _alone = crate::alone();
    let folder = tempfile::Builder::new().prefix("assay-krbd-").tempdir().expect("a folder below /tmp");
    let lab = Lab::start(folder.path());

    without_a_driver(&lab);
    measured(&lab);
    refused(&lab);
    one_that_is_ours(&lab);
    killed(&lab);
    lab.tells_no_key();
}

/// A cluster, and a node that reaches it.
struct Lab {
    node: Node,
    cluster: Cluster,
}

/// Dropped after the node, which is a process of its client.
struct Cluster(PathBuf);

impl Lab {
    fn start(folder: &Path) -> Self {
        let cluster = Cluster(folder.join("ceph"));
        let started = Command::new(repository("ci/lab/ceph/start")).arg(&cluster.0).status().expect("ci/lab/ceph/start starts");
        assert!(started.success(), "no cluster");
        let through = [repository("ci/lab/ceph/exec").into(), cluster.0.clone().into(), "0".into()];
        let mut options = vec!["--sockets", "1", "--drives", "0", "--outside", "--limit", "1800"];
        options.extend(LIBRARIES.iter().flat_map(|library| ["--tool", library]));
        let mut node = Node::boot_through(&through, &folder.join("node"), &options);
        node.wait();
        node.sure("for library in librados.so.2 librbd.so.1; do cp /lab/tools/$library.* /lib64/$library || exit 1; done");
        node.sure("ip link set eth0 up && ip addr add 10.0.2.15/24 dev eth0 && ip route add default via 10.0.2.2");
        // Where the cluster's own programs write their logs is not a place of the node's.
        let conf = std::fs::read_to_string(cluster.0.join("etc/ceph.conf")).expect("a configuration");
        let conf: String =
            conf.lines().filter(|line| !line.starts_with("log file") && !line.starts_with("pid file")).map(|line| format!("{line}\n")).collect();
        std::fs::write(node.share("ceph.conf"), conf).expect("written");
        std::fs::copy(cluster.0.join("etc/ceph.client.admin.keyring"), node.share("keyring")).expect("copied");
        node.sure("mkdir -p /etc/ceph && cp /lab/ceph.conf /etc/ceph/ && cp /lab/keyring /etc/ceph/ceph.client.admin.keyring && rm /lab/keyring");
        for scenario in ["krbd.toml", "long.toml"] {
            std::fs::copy(repository("ci/lab").join(scenario), node.share(scenario)).expect("copied");
        }
        Self { node, cluster }
    }

    /// A command on the client of the cluster, what it printed.
    fn on_client(&self, command: &str) -> String {
        let output = Command::new(repository("ci/lab/ceph/exec"))
            .arg(&self.cluster.0)
            .args(["0", "sh", "-c", command])
            .output()
            .expect("ci/lab/ceph/exec starts");
        let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        assert!(output.status.success(), "`{command}`: {said} {}", String::from_utf8_lossy(&output.stderr));
        said
    }

    fn images(&self, pool: &str) -> Vec<String> {
        self.on_client(&format!("rbd ls {pool}")).lines().map(str::to_owned).collect()
    }

    fn key(&self) -> String {
        self.on_client("sed -n 's/.*key = //p' /etc/ceph/ceph.client.admin.keyring")
    }

    /// Maps an image as somebody else would.
    fn map(&self, what: &str, more: &str) {
        let key = self.key();
        self.node.sure(&format!("modprobe rbd && echo '10.99.0.11:6789 name=admin,secret={key}{more} {what}' >/sys/bus/rbd/add_single_major"));
    }

    fn unmap_all(&self) {
        self.node.sure(&format!("for id in $({DEVICES}); do echo $id >/sys/bus/rbd/remove_single_major || exit 1; done"));
    }

    /// A run; its exit status and what it said.
    fn run(&self, words: &str) -> (i32, String) {
        self.node.request(&format!("{ASSAY} --runs /runs {words}"))
    }

    fn is_refused(&self, words: &str, says: &str) {
        let (status, said) = self.run(words);
        assert!(status == 2 && said.contains(says), "`{words}` does not say `{says}`: {status}: {said}");
    }

    /// The newest run of a scenario.
    fn stored(&self, scenario: &str) -> Value {
        let text = self.node.sure(&format!("cat $(ls -d /runs/*-{scenario}-* | tail -n 1)/run.json"));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The key stands in nothing that assay has written, nor in what the driver says that it was told.
    fn tells_no_key(&self) {
        let key = self.key();
        assert!(key.len() > 20, "{key}");
        self.node.sure(&format!("! grep -rqF '{key}' /runs && ! dmesg | grep -qF '{key}'"));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = Command::new(repository("ci/lab/ceph/stop")).arg(&self.0).status();
        if !std::thread::panicking() {
            assert!(stopped.is_ok_and(|status| status.success()), "the cluster does not stop");
        }
    }
}

/// A kernel that has no driver, a site that names no pool, and a plan that looks only.
fn without_a_driver(lab: &Lab) {
    lab.is_refused("run /lab/krbd.toml --target krbd:rbd-vms/", "scratch_pools");
    let declared = lab.node.share("site/declared.toml");
    let text = std::fs::read_to_string(&declared).expect("the lab's site");
    std::fs::write(&declared, format!("{text}\n[ceph]\nscratch_pools = [\"{POOL}\"]\n")).expect("written");
    lab.node.sure("mv /lib/modules /lib/away");
    lab.is_refused("plan /lab/krbd.toml --target krbd:rbd-vms/", "this kernel has no driver for images of Ceph");
    lab.is_refused("run /lab/krbd.toml --target krbd:rbd-vms/", "this kernel has no driver for images of Ceph: modprobe rbd");
    lab.node.sure("mv /lib/away /lib/modules");
    let (status, said) = lab.run("plan /lab/krbd.toml --target krbd:rbd-vms/");
    assert!(status == 0 && said.contains("mapped by the kernel's driver"), "{status}: {said}");
    lab.node.sure("! [ -e /sys/bus/rbd ]");
    assert!(lab.images(POOL).is_empty());
    lab.is_refused("run /lab/krbd.toml --target krbd:rbd-vms/:features=layering+exclusive-lock+journaling", "does not know the features journaling");
}

fn measured(lab: &Lab) {
    let (status, said) = lab.run("run /lab/krbd.toml --target krbd:rbd-vms/");
    // An emulator's figures are doubtful, and nothing else is.
    assert!([0, 3].contains(&status), "{status}: {said}");
    let run = lab.stored("krbd");
    assert_eq!(run["ended"], "completed");
    let steps = run["steps"].as_array().expect("steps");
    let step = |name: &str| steps.iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("no step {name}"));
    assert_eq!(step("verify")["verification"]["fact"], serde_json::json!({"corrupt": {}, "failed": {}, "operations": 16, "verified": 16}));
    assert_eq!(targets(&run), ["krbd_image"].into());
    let target = step("verify")["notes"]["target"].as_str().expect("a target");
    assert!(target.contains("/dev/rbd0") && target.contains("rbd-vms/assay-scratch-"), "{target}");
    lab.node.sure(NONE);
    assert_eq!(lab.images(POOL), Vec::<String>::new());
}

/// What the figures of a run are of.
fn targets(run: &Value) -> BTreeSet<&str> {
    let metrics = run["steps"].as_array().expect("steps").iter().flat_map(|step| step["metrics"].as_array().expect("metrics"));
    metrics.filter_map(|metric| metric["fact"]["dimensions"]["target"].as_str()).collect()
}

/// Devices over what assay did not make, over snapshots, and over what is in use.
fn refused(lab: &Lab) {
    lab.on_client("rbd create rbd-vms/vm-1 --size 32M --image-feature layering,exclusive-lock");
    lab.on_client("head -c 33554432 /dev/urandom >/tmp/content && rbd import --no-progress /tmp/content rbd-vms/vm-2 --image-feature layering,exclusive-lock && rm /tmp/content");
    lab.on_client("rbd create rbd-containers/assay-scratch-far --size 32M --image-feature layering && rbd image-meta set rbd-containers/assay-scratch-far assay.run far");
    for (name, run) in [("ours", Some("ours")), ("unmarked", None), ("other", Some("ours"))] {
        lab.on_client(&format!("rbd create rbd-vms/assay-scratch-{name} --size 32M --image-feature layering,exclusive-lock"));
        if let Some(run) = run {
            lab.on_client(&format!("rbd image-meta set rbd-vms/assay-scratch-{name} assay.run {run}"));
        }
    }
    lab.on_client("rbd snap create rbd-vms/assay-scratch-ours@daily --no-progress || rbd snap create rbd-vms/assay-scratch-ours@daily");
    let before = lab.on_client("for i in $(rbd ls rbd-vms); do rbd export --no-progress rbd-vms/$i - | md5sum; done");
    let run = "run /lab/krbd.toml --target /dev/rbd0";
    for (image, more, says) in [
        ("rbd-vms vm-1", "", "whose name is none of assay's"),
        ("rbd-vms vm-2", "", "whose name is none of assay's"),
        ("rbd-vms assay-scratch-unmarked", "", "has not the mark"),
        ("rbd-vms assay-scratch-other", "", "has not the mark"),
        ("rbd-vms assay-scratch-ours daily", "", "the snapshot daily"),
        ("rbd-vms assay-scratch-ours", ",ro", "read-only"),
        ("rbd-containers assay-scratch-far", "", "scratch_pools"),
    ] {
        lab.map(image, more);
        lab.is_refused(run, says);
        lab.is_refused(&run.replacen("run", "plan", 1), says);
        // By its number it is no drive either.
        lab.is_refused(&format!("{run} --i-own-serial rbd0"), says);
        lab.unmap_all();
    }
    // One of ours that somebody has open, that is mapped twice, or that another client has open.
    lab.map("rbd-vms assay-scratch-ours", "");
    lab.node.sure("sleep 1000 </dev/rbd0 >/dev/null 2>&1 & echo $! >/tmp/sleep");
    lab.is_refused(run, "open elsewhere: process");
    lab.node.sure("kill $(cat /tmp/sleep)");
    lab.node.until("! [ -e /proc/$(cat /tmp/sleep) ]");
    lab.map("rbd-vms assay-scratch-ours", ",noshare");
    lab.is_refused(run, "watched by");
    lab.unmap_all();
    lab.map("rbd-vms assay-scratch-ours", "");
    lab.on_client("(timeout 60 rbd bench --io-type read --io-total 64G rbd-vms/assay-scratch-ours >/dev/null 2>&1 &) ; for i in $(seq 100); do [ $(rbd status rbd-vms/assay-scratch-ours | grep -c watcher=) = 2 ] && exit 0; sleep 0.2; done; exit 1");
    lab.is_refused(run, "watched by");
    lab.on_client("for i in $(seq 300); do [ $(rbd status rbd-vms/assay-scratch-ours | grep -c watcher=) = 1 ] && exit 0; sleep 0.5; done; exit 1");
    lab.unmap_all();
    assert_eq!(lab.on_client("for i in $(rbd ls rbd-vms); do rbd export --no-progress rbd-vms/$i - | md5sum; done"), before, "something was written");
    lab.on_client("rbd snap rm rbd-vms/assay-scratch-ours@daily --no-progress; for i in vm-1 vm-2 assay-scratch-unmarked assay-scratch-other; do rbd rm --no-progress rbd-vms/$i; done; rbd rm --no-progress rbd-containers/assay-scratch-far");
}

/// A device over an image of ours that somebody has mapped is worked on, and stays as it is.
fn one_that_is_ours(lab: &Lab) {
    lab.map("rbd-vms assay-scratch-ours", "");
    let (status, said) = lab.run("run /lab/krbd.toml --target /dev/rbd0");
    assert!([0, 3].contains(&status), "{status}: {said}");
    assert_eq!(targets(&lab.stored("krbd")), ["krbd_device"].into());
    assert_eq!(lab.node.sure(DEVICES).trim(), "0");
    assert_eq!(lab.images(POOL), ["assay-scratch-ours"]);
    lab.unmap_all();
    lab.on_client("rbd rm --no-progress rbd-vms/assay-scratch-ours");
}

/// What `kill -9` leaves is found by its own run, and by any other later on; never while it lives.
fn killed(lab: &Lab) {
    let begin = "sh -c \"echo \\$\\$ >/tmp/assay; exec assay --probe-deadline 120 --listen 5 --site /lab/site --runs /runs run /lab/long.toml --target krbd:rbd-vms/\" >/tmp/said 2>&1 </dev/null &";
    let begun = |lab: &Lab| {
        lab.node.sure(begin);
        // It is being read.
        lab.node.until("[ \"$(awk '{print $1}' /sys/block/rbd0/stat)\" -gt 100 ]");
    };
    begun(lab);
    lab.node.sure("! grep -q secret /sys/bus/rbd/devices/0/config_info && grep -q 'key=client.admin' /sys/bus/rbd/devices/0/config_info");
    lab.node.sure("! tr '\\0' ' ' </proc/$(cat /tmp/assay)/cmdline | grep -q secret");
    lab.is_refused("run /lab/krbd.toml --target /dev/rbd0", "open elsewhere");
    // Another run beside it.
    let (status, said) = lab.run("run /lab/krbd.toml --target krbd:rbd-vms/");
    assert!([0, 3].contains(&status), "{status}: {said}");
    assert_eq!((lab.node.sure(DEVICES).trim(), lab.images(POOL).len()), ("0", 1));
    let kill = |lab: &Lab, images: usize| {
        lab.node.sure("kill -9 $(cat /tmp/assay)");
        lab.node.until("! [ -e /proc/$(cat /tmp/assay)/exe ]");
        assert_eq!((lab.node.sure(DEVICES).trim(), lab.images(POOL).len()), ("0", images), "a death takes nothing away");
    };
    kill(lab, 1);
    // Its own run takes it, although somebody else's device is there too, and leaves that.
    lab.on_client("rbd create rbd-vms/assay-scratch-foreign --size 32M --image-feature layering,exclusive-lock");
    lab.map("rbd-vms assay-scratch-foreign", "");
    let (status, said) = lab.run("run --resume $(basename $(ls -d /runs/*-long-* | tail -n 1))");
    assert!([0, 3].contains(&status), "{status}: {said}");
    assert_eq!(lab.node.sure(DEVICES).trim(), "1");
    assert_eq!(lab.images(POOL), ["assay-scratch-foreign"]);
    lab.unmap_all();

    begun(lab);
    kill(lab, 2);
    // Held by somebody, it stays, however old it is.
    lab.node.sure("sleep 1000 </dev/rbd0 >/dev/null 2>&1 & echo $! >/tmp/sleep");
    for _ in 0..2 {
        lab.node.sure("sleep 155");
    }
    let (status, said) = lab.run("run /lab/krbd.toml --target krbd:rbd-vms/");
    assert!([0, 3].contains(&status), "{status}: {said}");
    assert_eq!((lab.node.sure(DEVICES).trim(), lab.images(POOL).len()), ("0", 2));
    lab.node.sure("kill $(cat /tmp/sleep)");
    lab.node.until("! [ -e /proc/$(cat /tmp/sleep) ]");
    let (status, said) = lab.run("run /lab/krbd.toml --target krbd:rbd-vms/");
    assert!([0, 3].contains(&status), "{status}: {said}");
    lab.node.sure(NONE);
    assert_eq!(lab.images(POOL), ["assay-scratch-foreign"], "what has no mark stays");
}
