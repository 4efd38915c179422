//! assay on a cluster that is not as it should be: without its key, library or monitors, with an OSD less, and full. Each run and each drill ends in time, with the status and the
//! words that tell what is missing, and leaves no image, object, process or record behind.

use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};

use crate::drills;
use crate::lab::Lab;
use crate::ssh::Ssh;

/// Beyond its own length whatever is asked is over by then: a cluster has 20 s to answer, and fifteen ask at the same time.
const IN_TIME: Duration = Duration::from_secs(45);
/// How long each may take that is not refused, at most: its layout, its second of work, and a cluster that is given time to become well before a drill.
const WORKS: Duration = Duration::from_secs(25);

const QUICK: &str = r#"
[target]
size = "16MiB"

[[step]]
name = "layout"
describe = "writes all of it"
[[step.io]]
engine = "rbd"
rw = "write"
bs = "4MiB"
iodepth = 4
whole = true

[[step]]
name = "random"
describe = "reads and writes"
[[step.io]]
engine = "rbd"
rw = "randrw"
bs = "4KiB"
iodepth = 4
runtime = "1s"
io_size = "1GiB"
"#;

const OBJECTS: &str = r#"
[[step]]
name = "write"
describe = "writes"
[[step.ceph]]
measure = "write"
size = "16MiB"
iodepth = 4
runtime = "1s"
io_size = "1GiB"
"#;

const OSDS: &str = r#"
[[step]]
name = "osds"
describe = "each OSD by itself"
[[step.ceph]]
measure = "osd_bench"
bytes = "64MiB"
osds_max = 3
"#;

/// What is missing, a script that takes it away from one process alone, and what is said then.
const MISSING: &[(&str, &str, &[&str])] = &[
    (
        "key",
        "sed 's/key = .*/key = AQCUvWtpAAAAABAAcV0wDEjVjOMKkGXnWXVXeg==/' /etc/ceph/ceph.client.admin.keyring >/mnt/k && mount --bind /mnt/k /etc/ceph/ceph.client.admin.keyring",
        &["cannot connect to the Ceph cluster", "do not take the key of client.admin"],
    ),
    (
        "keyring",
        "echo >/mnt/k && mount --bind /mnt/k /etc/ceph/ceph.client.admin.keyring",
        &["cannot connect to the Ceph cluster", "or there is none"],
    ),
    (
        "librbd",
        "echo >/mnt/l && for l in /usr/lib/*/librbd.so.1; do mount --bind /mnt/l $(realpath $l); done",
        &["cannot load librbd.so.1", "install the package librbd1"],
    ),
    (
        "librados",
        "echo >/mnt/l && for l in /usr/lib/*/librados.so.2; do mount --bind /mnt/l $(realpath $l); done",
        &["cannot load librados.so.2", "install the package librados2"],
    ),
    (
        "monitors",
        "sed 's/^mon.host.*/mon host = 10.99.0.99/' /etc/ceph/ceph.conf >/mnt/c && mount --bind /mnt/c /etc/ceph/ceph.conf",
        &["cannot connect to the Ceph cluster", "nobody answers in time"],
    ),
    ("cluster", OTHER_CLUSTER, &["the configuration of Ceph leads to the cluster ", "the site declares 0b5c6a62-5f3c-4c4b-9d7a-6e1ea0a6a0a1"]),
];

/// The site declares another cluster than the one that answers.
const OTHER_CLUSTER: &str =
    "sed 's/^fsid = .*/fsid = \"0b5c6a62-5f3c-4c4b-9d7a-6e1ea0a6a0a1\"/' $SITE/declared.toml >/mnt/d && mount --bind /mnt/d $SITE/declared.toml";

#[test]
#[ignore = "starts a Ceph cluster; ci/test runs it"]
fn runs_and_drills_on_a_cluster_that_is_not_as_it_should_be_end_in_time_say_why_and_leave_nothing() {
    let lab = Lab::start();
    let ssh = Ssh::on(&lab, &[1, 2, 3]);
    let asked = [
        ("run", ssh.scenario("unwell-run", QUICK), vec![]),
        ("plan", ssh.scenario("unwell-plan", QUICK), vec![]),
        ("drill", drills::scenario(&ssh, "unwell-drill", "fault = \"osd-stop\"\nhold = \"4s\""), vec!["--nodes", "pve1-node2"]),
    ];
    let objects = ssh.scenario("unwell-objects", OBJECTS);
    let osds = ssh.scenario("unwell-osds", OSDS);
    let words = |at: usize| {
        let (act, scenario, more) = &asked[at];
        [&[*act, scenario.as_str(), "--target", "rbd:rbd-vms/"], more.as_slice()].concat()
    };

    // All at once: none of them sees what another one lacks.
    let began: Vec<_> = MISSING.iter().flat_map(|missing| [0, 1, 2].map(|at| (missing, at, begin(&ssh, missing.1, &words(at))))).collect();
    for ((what, _, says), at, began) in began {
        refused(&format!("{} without its {what}", asked[at].0), began, &[&["cannot claim rbd:rbd-vms/ for writing"], *says].concat());
    }
    let other = "leads to the cluster ";
    refused("plan of objects of another cluster", begin(&ssh, OTHER_CLUSTER, &["plan", &objects]), &[other]);
    no_run(&ssh);
    let (run, bench) = (begin(&ssh, OTHER_CLUSTER, &["run", &objects]), begin(&ssh, OTHER_CLUSTER, &["run", &osds]));
    for (what, begun) in [("run of objects of another cluster", run), ("bench of another cluster's OSDs", bench)] {
        let (status, said) = ended(what, begun, WORKS);
        assert!(status == Some(3) && said.contains(other), "{what}: {status:?}: {said}");
    }
    nothing_left(&ssh);
    std::fs::remove_dir_all(ssh.path("runs")).expect("removes");

    lab.fault("make", "full");
    lab.until_failed(1, &[("ceph.health", "OSD_FULL"), ("ceph.health", "POOL_FULL")]);
    for at in [0, 1, 2] {
        refused(
            &format!("{} on a full cluster", asked[at].0),
            begin(&ssh, "true", &words(at)),
            &["cannot claim rbd:rbd-vms/ for writing", "the pool rbd-vms is full"],
        );
    }
    refused("plan of objects on a full cluster", begin(&ssh, "true", &["plan", &objects]), &["the pool rbd-vms is full"]);
    no_run(&ssh);
    let (run, bench) = (begin(&ssh, "true", &["run", &objects]), begin(&ssh, "true", &["run", &osds]));
    for (what, begun, says) in [("run of objects on a full cluster", run, "the pool rbd-vms is full"), ("bench of full OSDs", bench, "osd.0 is full")]
    {
        let (status, said) = ended(what, begun, WORKS);
        assert!(status == Some(3) && said.contains(says), "{what}: {status:?}: {said}");
    }
    lab.fault("heal", "full");
    lab.clean();
    nothing_left(&ssh);

    lab.fault("make", "osd-stopped 2");
    lab.until_failed(1, &[("ceph.daemons", "osd.2 is down")]);
    let (status, said) = ended("run with an OSD less", begin(&ssh, "true", &words(0)), WORKS);
    let run = ssh.stored("unwell-run");
    assert!(status == Some(3) && run["ended"] == "completed", "{said}");
    let conditions = run["steps"][2]["conditions"].to_string();
    assert!(
        conditions.contains("the cluster said HEALTH_WARN (") && conditions.contains("OSD_DOWN") && said.contains("OSD_DOWN"),
        "{conditions}: {said}"
    );
    let (status, said) = ended("drill with an OSD less", begin(&ssh, "true", &words(2)), WORKS);
    let journal = std::fs::read_to_string(ssh.run_of("unwell-drill").join("journal.jsonl")).expect("reads");
    assert!(status == Some(3) && said.contains("osd-stop of pve1-node2 is not begun: osd.2 is not up and in"), "{said}");
    assert!(!journal.contains("fault_armed"), "{journal}");
    nothing_left(&ssh);
    lab.fault("heal", "osd-stopped 2");
    lab.clean();
    lacking_on_a_node(&ssh);
}

/// What sessions to a node lack, its client has: it is seen when the node is to break something, which it refuses then, whether that is an order to the cluster or a signal.
fn lacking_on_a_node(ssh: &Ssh<'_>) {
    let lacks = [("key", 2, "the monitors do not take the key of this node"), ("librados", 3, "cannot load librados on this node")];
    for (what, host, _) in lacks {
        let (_, take, _) = MISSING.iter().find(|missing| missing.0 == what).expect("one of them");
        ssh.in_sessions(host, &format!("mount -t tmpfs tmpfs /mnt && {take}"));
    }
    let all =
        lacks.iter().flat_map(|(what, host, says)| ["osd-out", "osd-stop"].map(|fault| (format!("lacking-{what}-{fault}"), *host, *says, fault)));
    let begun: Vec<_> = all
        .map(|(name, host, says, fault)| {
            let scenario = drills::scenario(ssh, &name, &format!("fault = \"{fault}\"\nhold = \"4s\""));
            let node = format!("pve1-node{host}");
            let begun = begin(ssh, "true", &["drill", &scenario, "--target", "rbd:rbd-vms/", "--nodes", &node]);
            (name, format!("{fault} of {node}: it is not begun: "), says, begun)
        })
        .collect();
    for (name, not_begun, says, begun) in begun {
        let (status, said) = ended(&name, begun, WORKS);
        assert!(status == Some(3) && said.contains(&not_begun) && said.contains(says), "{name}: {status:?}: {said}");
        let journal = std::fs::read_to_string(ssh.run_of(&name).join("journal.jsonl")).expect("reads");
        assert!(!journal.contains("fault_armed"), "{name}: {journal}");
    }
    ssh.lab().clean();
    nothing_left(ssh);
}

type Begun = (Instant, Child);

fn begin(ssh: &Ssh<'_>, script: &str, words: &[&str]) -> Begun {
    let mut command = ssh.command_after(script, words);
    (Instant::now(), command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("ci/lab/ceph/exec starts"))
}

/// Waits for the end, which must come in time: how, and what was said.
fn ended(what: &str, (began, mut child): Begun, works: Duration) -> (Option<i32>, String) {
    while child.try_wait().expect("a child").is_none() {
        if began.elapsed() > works + IN_TIME {
            child.kill().expect("kills");
            panic!("{what} hangs: {}", said(&child.wait_with_output().expect("ends")));
        }
        #[allow(clippy::disallowed_methods, reason = "several are waited for in turn, each with an end of its own")]
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().expect("ends");
    println!("{what}: {:.1?}, {}", began.elapsed(), output.status);
    (output.status.code(), said(&output))
}

/// Refused as what cannot be asked for.
fn refused(what: &str, begun: Begun, says: &[&str]) {
    let (status, said) = ended(what, begun, Duration::ZERO);
    assert!(status == Some(2) && says.iter().all(|part| said.contains(part)), "{what}: {status:?}: {said}");
}

/// A refusal comes before the run.
fn no_run(ssh: &Ssh<'_>) {
    let runs = std::fs::read_dir(ssh.path("runs")).into_iter().flatten().map(|run| run.expect("an entry").path());
    assert_eq!(runs.collect::<Vec<_>>(), Vec::<std::path::PathBuf>::new());
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// No agent, record or image, no piece of an image that nobody lists, and no assay at all.
fn nothing_left(ssh: &Ssh<'_>) {
    drills::nothing_left(ssh);
    let told = |words: &[&str]| {
        let output = ssh.lab().on(0).args(words).output().expect("asked");
        assert!(output.status.success(), "{words:?}: {}", said(&output));
        said(&output)
    };
    let objects = told(&["rados", "-p", "rbd-vms", "--all", "ls"]);
    let is_of_image = |line: &&str| ["assay", "rbd_data", "rbd_header", "rbd_id", "rbd_object_map"].iter().any(|name| line.contains(name));
    assert_eq!(objects.lines().find(is_of_image), None, "{objects}");
    let processes = told(&["ps", "-eo", "args="]);
    assert_eq!(processes.lines().find(|line| line.starts_with(crate::lab::ASSAY)), None, "{processes}");
}
