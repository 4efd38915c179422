//! Measurements of the cluster as a whole: clients on three hosts over SSH, what they find and what they leave; and what its OSDs do by themselves.

use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::Lab;
use crate::ssh::Ssh;

/// Long enough that a busy machine measures something, short enough for a test.
const CLUSTER: &str = r#"
[[step]]
name = "write"
describe = "writes"
repeats = 2
[[step.ceph]]
measure = "write"
size = "64MiB"
iodepth = 4
ramp_time = "500ms"
runtime = "2s"
io_size = "1GiB"

[[step]]
name = "read"
describe = "reads"
[[step.ceph]]
measure = "read"
size = "64MiB"
iodepth = 4
ramp_time = "500ms"
runtime = "2s"

[[step]]
name = "random"
describe = "random reads"
[[step.ceph]]
measure = "randread"
size = "32MiB"
clients = 2
iodepth = 8
ramp_time = "500ms"
runtime = "2s"
"#;

const OSDS: &str = r#"
[[step]]
name = "osds"
describe = "each OSD by itself"
repeats = 3
[[step.ceph]]
measure = "osd_bench"
bytes = "64MiB"
osds_max = OSDS
"#;

const LONG: &str = r#"
[[step]]
name = "read"
describe = "reads"
[[step.ceph]]
measure = "read"
size = "64MiB"
iodepth = 4
runtime = "60s"
"#;

const SOON: Duration = Duration::from_secs(60);

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Each figure of a name: what tells it apart by this dimension, and its samples.
fn figures(run: &Value, name: &str, dimension: &str) -> Vec<(String, Vec<f64>)> {
    let steps = run["steps"].as_array().expect("steps");
    let metrics = steps.iter().flat_map(|step| step["metrics"].as_array().expect("metrics"));
    let named = metrics.map(|metric| &metric["fact"]).filter(|fact| fact["name"] == name);
    named
        .map(|fact| {
            let which = fact["dimensions"][dimension].as_str().unwrap_or_default().to_owned();
            (which, fact["samples"].as_array().expect("samples").iter().map(|sample| sample.as_f64().expect("a number")).collect())
        })
        .collect()
}

fn one(run: &Value, name: &str) -> Vec<f64> {
    let found = figures(run, name, "none");
    let [(_, samples)] = found.as_slice() else { panic!("one {name}: {found:?}") };
    samples.clone()
}

fn step<'a>(run: &'a Value, name: &str) -> &'a Value {
    run["steps"].as_array().expect("steps").iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("a step {name}"))
}

/// What of ours is in the pools of the cluster, in whatever namespace.
fn left(lab: &Lab) -> String {
    let listed = lab.on(0).args(["rados", "-p", "rbd-vms", "--all", "ls"]).output().expect("starts");
    assert!(listed.status.success(), "{}", said(&listed));
    String::from_utf8_lossy(&listed.stdout).lines().filter(|line| line.contains("assay")).collect::<Vec<_>>().join("\n")
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + SOON;
    while !is_so() {
        assert!(Instant::now() < end, "not within {SOON:?}: {what}");
        #[allow(clippy::disallowed_methods, reason = "other processes are waited for")]
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
#[ignore = "starts a Ceph cluster; ci/test runs it"]
fn clients_on_all_nodes_measure_the_cluster_together_and_leave_nothing() {
    let lab = Lab::start();
    let ssh = Ssh::on(&lab, &[1, 2, 3]);
    refuses(&ssh);
    assert_eq!(left(&lab), "", "a refusal has written nothing");
    measures_together(&lab, &ssh);
    measures_alone(&lab, &ssh);
    benches_osds(&lab, &ssh);
    notes_a_cluster_that_is_not_well(&lab, &ssh);
    leaves_nothing_when_somebody_is_killed(&lab, &ssh);
}

fn refuses(ssh: &Ssh<'_>) {
    let cluster = ssh.scenario("ceph-refused", CLUSTER);
    let many = ssh.scenario("ceph-many", &OSDS.replace("OSDS", "2"));
    for (words, status, why) in [
        (vec!["run", &cluster, "--nodes", "all", "--target", "rados:rbd-containers/"], 2, "scratch_pools"),
        (vec!["run", &cluster, "--nodes", "all", "--target", "rados:rbd-vms/other/"], 2, "scratch_pools"),
        (vec!["run", &cluster, "--nodes", "all", "--target", "rados:rbd-vms"], 2, "names an object"),
        (vec!["run", &cluster, "--nodes", "all", "--target", "rbd:rbd-vms/"], 2, "rados:POOL/"),
        (vec!["run", &cluster, "--nodes", "pve1-node1,pve1-node7"], 2, "no node pve1-node7"),
        (vec!["run", &many, "--nodes", "all"], 3, "3 OSDs are up, and the plan speaks of at most 2"),
    ] {
        let refused = ssh.assay(&words);
        assert!(refused.status.code() == Some(status) && said(&refused).contains(why), "{words:?}: {}", said(&refused));
    }
}

fn measures_together(lab: &Lab, ssh: &Ssh<'_>) {
    let cluster = ssh.scenario("ceph-together", CLUSTER);
    let plan = ssh.assay(&["plan", &cluster, "--nodes", "all"]);
    let shown = said(&plan);
    for part in ["that are made in rados:rbd-vms/ by each of pve1-node1, pve1-node2, pve1-node3 at the same time", "ceph.randread_4k by each of"] {
        assert!(plan.status.success() && shown.contains(part), "{shown}");
    }
    let run = ssh.assay(&["run", &cluster, "--nodes", "all"]);
    let shown = said(&run);
    println!("{shown}");
    let stored = ssh.stored("ceph-together");
    assert_eq!(stored["ended"], "completed", "{shown}");
    for (family, rounds) in [("write", 2), ("read", 1)] {
        let all = one(&stored, &format!("ceph.{family}.bandwidth"));
        let nodes = figures(&stored, &format!("ceph.{family}.node_bandwidth"), "node");
        assert_eq!(nodes.iter().map(|(node, _)| node.as_str()).collect::<Vec<_>>(), ["pve1-node1", "pve1-node2", "pve1-node3"]);
        assert_eq!(all.len(), rounds);
        for (round, all) in all.iter().enumerate() {
            let sum: f64 = nodes.iter().map(|(_, samples)| samples[round]).sum();
            assert!((sum / all - 1.0).abs() < 1e-6 && (1e6..1e11).contains(all), "{family}: {sum} and {all}");
        }
    }
    let nodes = figures(&stored, "ceph.randread_4k.iops", "node");
    let sum: f64 = nodes.iter().map(|(_, samples)| samples[0]).sum();
    assert!(nodes.len() == 3 && (sum / one(&stored, "ceph.randread_4k.cluster_iops")[0] - 1.0).abs() < 1e-6, "{nodes:?}");
    let p99 = one(&stored, "ceph.randread_4k.p99")[0];
    assert!((1e4..1e10).contains(&p99), "{p99}");
    for name in ["read", "random"] {
        let compared = &step(&stored, name)["verification"]["fact"];
        assert!(compared["verified"] == compared["operations"] && compared["verified"].as_u64() > Some(10), "{name}: {compared}");
    }
    for name in ["write", "read", "random"] {
        let step = step(&stored, name);
        let compared = &step["verification"]["fact"];
        assert!(compared["verified"].as_u64() > Some(10) && compared["failed"] == serde_json::json!({}), "{name}: {compared}");
        assert!(compared["corrupt"] == serde_json::json!({}), "{name}: {compared}");
        let notes = step["notes"].to_string();
        assert!(notes.contains("3 clients began within") && notes.contains("rados bench -p rbd-vms"), "{name}: {notes}");
    }
    // So little lies in the memory of any OSD.
    for name in ["read", "random"] {
        let conditions = step(&stored, name)["conditions"].to_string();
        assert!(conditions.contains("the OSDs may hold 2.6"), "{name}: {conditions}");
    }
    assert!(run.status.code() == Some(3) && !step(&stored, "write")["conditions"].to_string().contains("memory"), "{shown}");
    assert!(shown.contains("ceph.data_verified") && shown.contains("ceph.write.bandwidth"), "{shown}");
    // The lab's order has no network whose speed is known: what is missing is said where the ceiling is.
    assert!(shown.contains("nodes x public / ((nodes - 1) / nodes)"), "{shown}");
    assert_eq!(left(lab), "");
    until("the agents are gone", || ssh.left().is_empty());
}

fn measures_alone(lab: &Lab, ssh: &Ssh<'_>) {
    let alone = ssh.scenario("ceph-alone", &CLUSTER[CLUSTER.find("[[step]]\nname = \"read\"").expect("a step")..]);
    let plan = said(&ssh.assay(&["plan", &alone]));
    assert!(plan.contains("rados:rbd-vms/ from this node"), "{plan}");
    let run = ssh.assay(&["run", &alone]);
    assert!([0, 3].contains(&run.status.code().expect("a status")), "{}", said(&run));
    let stored = ssh.stored("ceph-alone");
    assert_eq!(stored["ended"], "completed", "{}", said(&run));
    assert_eq!(figures(&stored, "ceph.read.node_bandwidth", "node").iter().map(|(node, _)| node.as_str()).collect::<Vec<_>>(), ["client"]);
    assert_eq!(left(lab), "");
}

fn benches_osds(lab: &Lab, ssh: &Ssh<'_>) {
    let osds = ssh.scenario("ceph-osds", &OSDS.replace("OSDS", "3"));
    let plan = said(&ssh.assay(&["plan", &osds, "--nodes", "all"]));
    assert!(plan.contains("every OSD that is up, at most 3") && plan.contains("asked for by pve1-node1"), "{plan}");
    let run = ssh.assay(&["run", &osds, "--nodes", "all"]);
    println!("{}", said(&run));
    assert!([0, 3].contains(&run.status.code().expect("a status")), "{}", said(&run));
    let stored = ssh.stored("ceph-osds");
    for word in ["bandwidth", "peer_share", "peer_deviation"] {
        let found = figures(&stored, &format!("ceph.osd_bench.{word}"), "osd");
        assert_eq!(found.iter().map(|(osd, _)| osd.as_str()).collect::<Vec<_>>(), ["0", "1", "2"], "{word}");
        assert!(found.iter().all(|(_, samples)| samples.len() == 3), "{word}: {found:?}");
    }
    let bandwidth = figures(&stored, "ceph.osd_bench.bandwidth", "osd");
    assert!(bandwidth.iter().flat_map(|(_, samples)| samples).all(|rate| (1e7..1e11).contains(rate)), "{bandwidth:?}");
    // The cluster's own program says about the same of the same OSD.
    let told = lab.on(0).args(["ceph", "tell", "osd.0", "bench", "67108864", "4194304", "-f", "json"]).output().expect("starts");
    let told: Value = serde_json::from_slice(&told.stdout).unwrap_or_else(|error| panic!("{error}: {}", said(&told)));
    println!("ceph tell osd.0 bench: {} bytes/s; assay: {:?}", told["bytes_per_sec"], bandwidth[0]);
}

fn notes_a_cluster_that_is_not_well(lab: &Lab, ssh: &Ssh<'_>) {
    lab.fault("make", "flag noout");
    let ailing = ssh.scenario("ceph-ailing", &CLUSTER[..CLUSTER.find("[[step]]\nname = \"read\"").expect("a step")].replace("repeats = 2\n", ""));
    let run = ssh.assay(&["run", &ailing, "--nodes", "pve1-node1,pve1-node3"]);
    assert!(run.status.code() == Some(3) && said(&run).contains("OSDMAP_FLAGS"), "{}", said(&run));
    assert_eq!(figures(&ssh.stored("ceph-ailing"), "ceph.write.node_bandwidth", "node").len(), 2);
    lab.fault("heal", "flag noout");
    lab.clean();
}

fn leaves_nothing_when_somebody_is_killed(lab: &Lab, ssh: &Ssh<'_>) {
    let long = ssh.scenario("ceph-long", LONG);
    // The near end: the agents hear nothing of it any more, and clear up.
    let mut near = ssh.command(&["run", &long, "--nodes", "all"]).spawn().expect("starts");
    until("all have their objects", || ["pve1-node1-0.", "pve1-node2-1.", "pve1-node3-2."].iter().all(|node| left(lab).contains(node)));
    near.kill().expect("is killed");
    near.wait().expect("is gone");
    until("the agents have removed all objects", || left(lab).is_empty());
    until("the agents are gone", || ssh.left().is_empty());
    // It is finished by itself: the same names, and new objects. It is told to stop instead.
    let mut near = ssh.command(&["run", "--resume"]).spawn().expect("starts");
    until("all have their objects", || ["pve1-node1-0.", "pve1-node2-1.", "pve1-node3-2."].iter().all(|node| left(lab).contains(node)));
    let stopped = Command::new("kill").args(["-TERM", &descendant(&near).to_string()]).status().expect("kill starts");
    assert!(stopped.success());
    near.wait().expect("is gone");
    assert_eq!(left(lab), "", "who is told to stop has removed everything before it ends");
    // An agent: its objects stay, with their index, and nobody else's do.
    let longer = ssh.scenario("ceph-longer", LONG);
    let near = ssh.command(&["run", &longer, "--nodes", "all"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("starts");
    until("all have their objects", || ["pve1-node1-0.", "pve1-node2-1.", "pve1-node3-2."].iter().all(|node| left(lab).contains(node)));
    // Process numbers are those of the whole lab, networks are not.
    let agents =
        "for pid in $(pgrep -f 'agent --stdio'); do [ $(readlink /proc/$pid/ns/net) != $(readlink /proc/self/ns/net) ] || kill -KILL $pid; done";
    lab.on(2).args(["sh", "-c", agents]).output().expect("starts");
    let ended = near.wait_with_output().expect("is gone");
    assert_eq!(ended.status.code(), Some(3), "{}", said(&ended));
    until("the others have removed theirs", || {
        let left = left(lab);
        !left.contains("pve1-node1-0.") && !left.contains("pve1-node3-2.")
    });
    let stays = left(lab);
    assert!(stays.contains("pve1-node2-1.") && stays.lines().any(|line| line.trim() == "assay-scratch"), "{stays}");
    // Another run leaves it to its half hour.
    let alone = ssh.scenario("ceph-after", &CLUSTER[CLUSTER.find("[[step]]\nname = \"random\"").expect("a step")..]);
    let run = ssh.assay(&["run", &alone]);
    assert!([0, 3].contains(&run.status.code().expect("a status")), "{}", said(&run));
    assert_eq!(left(lab), stays);
}

/// assay itself behind what runs it on a host.
fn descendant(child: &std::process::Child) -> u32 {
    let mut pid = child.id();
    loop {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
        match children.split_whitespace().next().and_then(|first| first.parse().ok()) {
            Some(next) => pid = next,
            None => return pid,
        }
        let exe = std::fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        if exe == std::path::Path::new(crate::lab::ASSAY) {
            return pid;
        }
    }
}
