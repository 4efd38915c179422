//! Drills on the lab's cluster: each part really fails, the cluster and the client notice, everything is whole again, and every acknowledged write is there. What is planted
//! is found, and whoever is killed in the middle leaves nothing broken.

use std::process::Child;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::lab::Lab;
use crate::ssh::Ssh;

/// A drill as the catalogue has it, on a small image and for the lab's own timers.
pub(crate) fn scenario(ssh: &Ssh<'_>, name: &str, drill: &str) -> String {
    let layout =
        "[[step]]\nname = \"layout\"\ndescribe = \"test\"\n[[step.io]]\nengine = \"rbd\"\nrw = \"write\"\nbs = \"4MiB\"\niodepth = 4\nwhole = true\n";
    let step = format!("[[step]]\nname = \"drill\"\ndescribe = \"test\"\n[[step.drill]]\nrate = 100\nsettle = \"180s\"\n{drill}\n");
    ssh.scenario(name, &format!("[target]\nsize = \"32MiB\"\n{layout}{step}"))
}

fn words<'a>(scenario: &'a str, nodes: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["drill", scenario, "--target", "rbd:rbd-vms/", "--nodes", nodes], more].concat()
}

/// Does one drill, and checks what holds of each.
fn drilled(ssh: &Ssh<'_>, name: &str, drill: &str, nodes: &str, more: &[&str]) -> Value {
    let scenario = scenario(ssh, name, drill);
    let began = Instant::now();
    let output = ssh.assay(&words(&scenario, nodes, more));
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{name}: {:.0?}\n{said}", began.elapsed());
    let run = ssh.stored(name);
    assert_eq!(run["ended"], "completed", "{name}: {said}");
    // Where the cluster shares two processors with its client, a figure may be doubtful; nothing may be wrong.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{name}: {said}");
    let step = &run["steps"][1];
    let family = format!("ceph.{}", fault_of(drill));
    let stalls = step["stalls"].as_array().expect("a timeline of each drill");
    for (number, stall) in stalls.iter().enumerate() {
        let data = &stall["data"];
        assert!(data["blocks"] == 8192 && data["right"] == 8192 && data["acknowledged"].as_u64() > Some(50), "{name}: {data}");
        assert!(data.get("wrong").is_none() && step["verification"]["fact"]["corrupt"] == serde_json::json!({}), "{name}: {step}");
        assert!(stall["clean_ns"].as_i64() > stall["healed"]["from_ns"].as_i64(), "{name}: {stall}");
        // The figure that a gate judges is what the timeline shows.
        let figure = |what: &str| {
            let found = figures(step, &format!("{family}.{what}"));
            seconds(&found.get(number).unwrap_or_else(|| panic!("{family}.{what}: {step}"))["samples"][0])
        };
        assert!((figure("stall") - longest(stall)).abs() < 1e-6 && figure("clean") > 0.0, "{name}: {} and {stall}", figure("stall"));
    }
    nothing_left(ssh);
    stalls.first().expect("one drill at least").clone()
}

fn fault_of(drill: &str) -> String {
    drill.split('"').nth(1).expect("a fault").replace('-', "_")
}

/// Figures of that name, one for each drill of the step.
fn figures(step: &Value, name: &str) -> Vec<Value> {
    let all = step["metrics"].as_array().expect("figures").iter().map(|metric| &metric["fact"]);
    all.filter(|fact| fact["name"] == name).cloned().collect()
}

/// Between which nodes round trips were measured meanwhile: under the name of this kind of drill and of no other, and nearly all were answered.
fn ringed(ssh: &Ssh<'_>, name: &str, family: &str) -> Vec<(String, String)> {
    let step = &ssh.stored(name)["steps"][1];
    let all = step["metrics"].as_array().expect("figures").iter().filter_map(|metric| metric["fact"]["name"].as_str());
    let others: Vec<&str> = all.filter(|figure| figure.contains(".rtt.") && !figure.starts_with(&format!("{family}."))).collect();
    assert_eq!(others, Vec::<&str>::new(), "{name}");
    for lost in figures(step, &format!("{family}.lost_share")) {
        assert!(lost["samples"][0].as_f64().is_some_and(|share| share < 0.5), "{name}: {lost}");
    }
    let ends = |figure: &Value| {
        let end = |which: &str| figure["dimensions"][which].as_str().unwrap_or_else(|| panic!("{figure}")).to_owned();
        assert!(figure["samples"][0].as_f64().is_some_and(|ns| ns > 0.0), "{figure}");
        (end("from"), end("to"))
    };
    figures(step, &format!("{family}.p50")).iter().map(ends).collect()
}

pub(crate) fn nothing_left(ssh: &Ssh<'_>) {
    assert_eq!(ssh.left(), Vec::<String>::new());
    for host in 1..=3 {
        let records = ssh.lab().on(host).args(["sh", "-c", "ls /run/assay/faults 2>/dev/null"]).output().expect("asked");
        assert_eq!(String::from_utf8_lossy(&records.stdout), "", "records of host {host}");
    }
    assert_eq!(images(ssh), "", "images");
}

fn images(ssh: &Ssh<'_>) -> String {
    let images = ssh.lab().on(0).args(["rbd", "ls", "rbd-vms"]).output().expect("asked");
    String::from_utf8_lossy(&images.stdout).into_owned()
}

fn seconds(of: &Value) -> f64 {
    of.as_f64().unwrap_or(f64::NAN) / 1e9
}

/// How long the operation waited that waited longest, seconds.
fn longest(stall: &Value) -> f64 {
    let wait = |client: &Value| seconds(&client["longest"]["to_ns"]) - seconds(&client["longest"]["from_ns"]);
    stall["client"].as_array().expect("kinds").iter().map(wait).fold(0.0, f64::max)
}

#[test]
#[ignore = "starts a Ceph cluster; ci/test runs it"]
fn each_drill_breaks_what_it_says_and_loses_nothing() {
    let lab = Lab::start();
    let ssh = Ssh::on(&lab, &[1, 2, 3]);

    // Stopped, an OSD answers nothing until the others have noticed: seconds with the lab's timers.
    let stall = drilled(&ssh, "osd-stop", "fault = \"osd-stop\"\nhold = \"12s\"", "pve1-node2", &[]);
    assert_eq!(stall["on"], serde_json::json!(["osd.1 of pve1-node2"]));
    assert!((2.0..12.0).contains(&seconds(&stall["detected_ns"])), "{stall}");
    assert!((2.0..20.0).contains(&longest(&stall)), "{stall}");

    // Killed, it is missed at once.
    let stall = drilled(&ssh, "osd-kill", "fault = \"osd-kill\"\nhold = \"6s\"", "pve1-node3", &[]);
    assert!(seconds(&stall["detected_ns"]) < 6.0, "{stall}");

    // Round trips go from the node whose monitor leads, whichever that is.
    let stall = drilled(&ssh, "mon-loss", "fault = \"mon-loss\"\nring = \"all\"\nhold = \"10s\"", "all", &[]);
    let leads = stall["on"][0].as_str().and_then(|on| on.strip_prefix("mon.pve1-node")?.split_once(" of ")).unwrap_or_else(|| panic!("{stall}"));
    let ends = ringed(&ssh, "mon-loss", "corosync.rtt.mon_loss");
    // On both links of corosync, each between the same two.
    assert!(matches!(ends.as_slice(), [one, other] if one == other && one.0 == leads.1 && one.1 != one.0), "{ends:?}: {stall}");
    let figures = figures(&ssh.stored("mon-loss")["steps"][1], "corosync.rtt.mon_loss.lost_share");
    let links: Vec<&Value> = figures.iter().map(|figure| &figure["dimensions"]["network"]).collect();
    assert_eq!(links, ["public", "cluster"], "{figures:?}");

    let stall = drilled(&ssh, "host-loss", "fault = \"host-loss\"\nhold = \"12s\"", "pve1-node2", &[]);
    assert!(stall["on"][0].as_str().is_some_and(|on| on.contains("mon.pve1-node2") && on.contains("osd.1")), "{stall}");
    assert!((2.0..25.0).contains(&longest(&stall)), "{stall}");

    // Of a node that is cut off from one network the other still tells.
    let (partition, networks) = ("fault = \"partition\"\nhold = \"12s\"", ["--network", "cluster", "--ring", "public"]);
    let stall = drilled(&ssh, "partition", partition, "pve1-node3,pve1-node1", &networks);
    assert!(stall["on"][0].as_str().is_some_and(|on| on.starts_with("cluster (cluster)")), "{stall}");
    let (one, three) = ("pve1-node1".to_owned(), "pve1-node3".to_owned());
    assert_eq!(ringed(&ssh, "partition", "corosync.rtt.partition"), [(three.clone(), one.clone()), (one, three)]);
    let same = scenario(&ssh, "partition-alone", partition);
    let refused = ssh.assay(&words(&same, "pve1-node3,pve1-node1", &["--network", "cluster", "--ring", "cluster"]));
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(
        refused.status.code() == Some(2) && said.contains("cut off from network `cluster`") && ssh.find_run("partition-alone").is_none(),
        "{said}"
    );

    // Of three copies one is left: writes wait until it is healed.
    let stall = drilled(&ssh, "below-min-size", "fault = \"below-min-size\"\nhold = \"12s\"", "pve1-node1,pve1-node2", &[]);
    let waited = longest(&stall);
    assert!(waited > 9.0 && waited < 40.0, "{waited}: {stall}");
}

#[test]
#[ignore = "starts a Ceph cluster; ci/test runs it"]
fn what_an_osd_had_that_is_taken_out_is_recovered_to_the_other_one_of_its_host_and_nothing_is_lost() {
    let lab = Lab::start_of(2, "fast");
    let ssh = Ssh::on(&lab, &[1, 2, 3]);
    let before = lab.up("rbd-vms");
    let (stall, meanwhile) = std::thread::scope(|scope| {
        let seen = scope.spawn(|| {
            until_injected(&ssh, "recovered");
            let up = lab.up("rbd-vms");
            assert!(!journal(&ssh, "recovered").contains("fault_healed"), "it was looked at too late");
            up
        });
        let stall = drilled(&ssh, "recovered", "fault = \"osd-out\"\nhold = \"15s\"", "pve1-node2", &[]);
        (stall, seen.join().expect("it was seen"))
    });
    let on = stall["on"][0].as_str().expect("an OSD");
    let (out, other) = if on.starts_with("osd.1 ") { (1, 4) } else { (4, 1) };
    assert_eq!(on, format!("osd.{out} of pve1-node2"));
    let had: Vec<&String> = before.iter().filter(|(_, osds)| osds.contains(&out)).map(|(group, _)| group).collect();
    assert!(!had.is_empty() && had.len() < before.len(), "{before:?}");
    for (group, osds) in &meanwhile {
        // Which of their OSDs the other two hosts take may change with it.
        let is_moved = osds.len() == 3 && osds.contains(&other) && !osds.contains(&out);
        assert!(if had.contains(&group) { is_moved } else { *osds == before[group] }, "{group}: {:?}, and meanwhile {osds:?}", before[group]);
    }
    let counted = |when: &str| stall["recovered"][when].as_u64().unwrap_or_else(|| panic!("{stall}"));
    println!("recovered: {}", stall["recovered"]);
    // There, and back.
    assert!(counted("meanwhile") > 0 && counted("in_all") > counted("meanwhile"), "{stall}");
    assert!(!ssh.stored("recovered")["steps"][1]["conditions"].to_string().contains("recovered"), "{stall}");
    lab.clean();
    assert_eq!(lab.up("rbd-vms"), before);
}

#[test]
#[ignore = "starts a Ceph cluster; takes two minutes more than ci/test has, ci/lab/ceph/drills runs it"]
fn orders_to_the_cluster_are_taken_back() {
    let lab = Lab::start();
    let ssh = Ssh::on(&lab, &[1, 2, 3]);
    let stall = drilled(&ssh, "full", "fault = \"full\"\nhold = \"12s\"", "pve1-node1", &[]);
    assert!(longest(&stall) > 5.0, "{stall}");
    let stall = drilled(&ssh, "osd-out", "fault = \"osd-out\"\nhold = \"10s\"", "pve1-node1", &[]);
    assert_eq!(stall["on"], serde_json::json!(["osd.0 of pve1-node1"]));
    // Its host has no other: what recovery costs is not seen, and a gate does not pass by it.
    assert_eq!(stall["recovered"]["meanwhile"], 0, "{stall}");
    let conditions = ssh.stored("osd-out")["steps"][1]["conditions"].to_string();
    assert!(conditions.contains("no object was recovered elsewhere"), "{conditions}");
    // With round trips meanwhile, each node once.
    drilled(&ssh, "osd-out-ring", "fault = \"osd-out\"\nhold = \"6s\"", "pve1-node1,pve1-node3", &["--ring", "public"]);
    let (one, three) = ("pve1-node1".to_owned(), "pve1-node3".to_owned());
    assert_eq!(ringed(&ssh, "osd-out-ring", "corosync.rtt.recovery"), [(one.clone(), three.clone()), (three, one)]);
    // It is taken for down just when it is to be healed: it holds messages up all the same, until it is told.
    std::thread::scope(|scope| {
        scope.spawn(|| taken_for_down(&ssh, "osd-slow", "1"));
        drilled(&ssh, "osd-slow", "fault = \"osd-slow\"\nhold = \"10s\"\ndelay = \"150ms\"", "pve1-node2", &[]);
    });
    let set = lab.on(2).args(["ceph", "daemon", "osd.1", "config", "get", "osd_debug_inject_dispatch_delay_probability"]).output().expect("asked");
    assert!(String::from_utf8_lossy(&set.stdout).contains("\"0.000000\""), "{set:?}");
    let stall = drilled(&ssh, "cut-off", "fault = \"partition\"\nhold = \"16s\"", "pve1-node1", &["--network", "public"]);
    assert!((1.0..30.0).contains(&longest(&stall)), "{stall}");
    // Killed in the middle of an order: it is taken back by the node. Its image stays, as nobody resumes it: last.
    let path = scenario(&ssh, "killed", "fault = \"full\"\nhold = \"60s\"");
    let mut running = ssh.command(&words(&path, "pve1-node3", &[])).spawn().expect("starts");
    until(&ssh, "killed", "fault_injected", &mut running);
    running.kill().expect("kills");
    running.wait().expect("ends");
    let ratio = || {
        let dump = lab.on(0).args(["ceph", "--connect-timeout", "10", "osd", "dump", "--format", "json"]).output().expect("asked");
        serde_json::from_slice::<Value>(&dump.stdout).expect("JSON")["full_ratio"].as_f64().expect("a ratio")
    };
    let end = Instant::now() + Duration::from_secs(60);
    while ratio() < 0.9 {
        assert!(Instant::now() < end, "the ratio stays {}", ratio());
    }
    lab.clean();
}

/// A second before the fault of a drill is healed after ten the cluster is told that its OSD is down, and again.
fn taken_for_down(ssh: &Ssh<'_>, drill: &str, osd: &str) {
    until_injected(ssh, drill);
    for ms in [8_500, 1_000] {
        wait(ms);
        let told = ssh.lab().on(0).args(["ceph", "--connect-timeout", "10", "osd", "down", osd]).output().expect("told");
        assert!(told.status.success(), "{told:?}");
    }
}

fn until_injected(ssh: &Ssh<'_>, drill: &str) {
    let end = Instant::now() + Duration::from_secs(120);
    while !journal(ssh, drill).contains("fault_injected") {
        assert!(Instant::now() < end, "no fault in {drill}");
        wait(50);
    }
}

fn journal(ssh: &Ssh<'_>, scenario: &str) -> String {
    ssh.find_run(scenario).and_then(|run| std::fs::read_to_string(run.join("journal.jsonl")).ok()).unwrap_or_default()
}

fn wait(ms: u64) {
    #[allow(clippy::disallowed_methods, reason = "nothing tells when another process writes")]
    std::thread::sleep(Duration::from_millis(ms));
}

/// Drills of a series: name, words of the step for timers that notice in seconds, nodes, network.
const SERIES: &[(&str, &str, &str, &[&str])] = &[
    ("osd-stop", "fault = \"osd-stop\"", "pve1-node1", &[]),
    ("osd-kill", "fault = \"osd-kill\"", "pve1-node2", &[]),
    ("mon-loss", "fault = \"mon-loss\"", "all", &[]),
    ("host-loss", "fault = \"host-loss\"", "pve1-node3", &[]),
    ("partition-cluster", "fault = \"partition\"", "pve1-node1", &["--network", "cluster"]),
    ("partition-public", "fault = \"partition\"", "pve1-node2", &["--network", "public"]),
    ("below-min-size", "fault = \"below-min-size\"", "pve1-node2,pve1-node3", &[]),
    ("full", "fault = \"full\"", "pve1-node1", &[]),
    ("osd-out", "fault = \"osd-out\"", "pve1-node3", &[]),
    ("osd-slow", "fault = \"osd-slow\"\ndelay = \"150ms\"", "pve1-node1", &[]),
];

#[test]
#[ignore = "takes half a minute for each drill; ci/lab/ceph/drills runs it"]
fn a_series_of_drills_loses_nothing() {
    let wanted = |name: &str, usual: &str| std::env::var(name).unwrap_or_else(|_| usual.to_owned());
    let count: usize = wanted("ASSAY_DRILLS", "10").parse().expect("a number");
    let timers = wanted("ASSAY_LAB_TIMERS", "fast");
    let hold = if timers == "fast" { "12s" } else { "60s" };
    let lab = Lab::start_with(&timers);
    let ssh = Ssh::on(&lab, &[1, 2, 3]);
    let mut told = Vec::new();
    for (number, (name, words, nodes, more)) in SERIES.iter().cycle().take(count).enumerate() {
        let stall = drilled(&ssh, &format!("series-{number}-{name}"), &format!("{words}\nhold = \"{hold}\""), nodes, more);
        let clean = seconds(&stall["clean_ns"]) - seconds(&stall["healed"]["from_ns"]);
        told.push(format!(
            "{name:<18} noticed {:>6.2} s  longest wait {:>6.2} s  clean again {clean:>6.2} s after",
            seconds(&stall["detected_ns"]),
            longest(&stall)
        ));
    }
    println!("series of {count}, {timers} timers:\n{}", told.join("\n"));
}

#[test]
#[ignore = "starts a Ceph cluster; ci/test runs it"]
fn what_is_lost_behind_its_back_is_found_who_is_killed_leaves_nothing_broken_and_no_unclean_cluster_is_broken_further() {
    let lab = Lab::start();
    let ssh = Ssh::on(&lab, &[1, 2, 3]);

    // Zeroes over blocks of the image, by another client, when the OSD is whole again. All at once: for each by itself the lock on the image would change hands.
    let path = scenario(&ssh, "planted", "fault = \"osd-kill\"\nhold = \"4s\"");
    let mut running = ssh.command(&words(&path, "pve1-node2", &[])).spawn().expect("starts");
    until(&ssh, "planted", "fault_healed", &mut running);
    let zeroes = "import rados, rbd, sys\ncluster = rados.Rados(conffile='/etc/ceph/ceph.conf')\ncluster.connect()\npool = cluster.open_ioctx('rbd-vms')\n\
                  image = rbd.Image(pool, rbd.RBD().list(pool)[0])\n[image.aio_write(bytes(4096), block * 65536, lambda done: None) for block in range(512)]\nimage.flush()\nimage.close()\npool.close()\ncluster.shutdown()";
    let planted = lab.on(0).args(["/usr/bin/python3", "-c", zeroes]).output().expect("starts");
    assert!(planted.status.success(), "{}", String::from_utf8_lossy(&planted.stderr));
    let ended = running.wait().expect("ends");
    let run = ssh.stored("planted");
    assert_eq!(ended.code(), Some(1), "{run}");
    let data = &run["steps"][1]["stalls"][0]["data"];
    let wrong: u64 = data["wrong"].as_object().expect("kinds").values().filter_map(Value::as_u64).sum();
    // Some of them were written again since, or read and found by the client at once.
    assert!(wrong > 300 && data["first"][0].as_str().is_some_and(|first| first.contains("zeroes are")), "{data}");
    nothing_left(&ssh);

    goes_back(&ssh);

    // Killed in the middle: the watchdog of the node heals.
    let path = scenario(&ssh, "killed", "fault = \"osd-stop\"\nhold = \"60s\"");
    let mut running = ssh.command(&words(&path, "pve1-node3", &[])).spawn().expect("starts");
    until(&ssh, "killed", "fault_injected", &mut running);
    running.kill().expect("kills");
    running.wait().expect("ends");
    lab.clean();
    let end = Instant::now() + Duration::from_secs(20);
    while !ssh.left().is_empty() && Instant::now() < end {}
    assert_eq!(ssh.left(), Vec::<String>::new());
    let state = lab.on(3).args(["sh", "-c", "ls /run/assay/faults; grep State /proc/$(cat /run/ceph/osd.2.pid)/status"]).output().expect("asked");
    let state = String::from_utf8_lossy(&state.stdout).into_owned();
    assert!(state.contains("S (sleeping)") && !state.contains(".json"), "{state}");

    // On a cluster that is not clean nothing is broken.
    lab.fault("make", "osd-out 0");
    let path = scenario(&ssh, "unclean", "fault = \"osd-stop\"\nhold = \"4s\"");
    let refused = ssh.assay(&words(&path, "pve1-node2", &[]));
    let journal = std::fs::read_to_string(ssh.run_of("unclean").join("journal.jsonl")).expect("reads");
    assert!(
        refused.status.code() == Some(3) && journal.contains("is not begun: osd.0 is not up and in") && !journal.contains("fault_armed"),
        "{journal}"
    );
    lab.fault("heal", "osd-out 0");
    lab.clean();
}

/// The image goes back to a snapshot from before the drill: what was written since is lost, and some of it had been written or read several times. On an image without an
/// exclusive lock, which its client would have to give away for that.
fn goes_back(ssh: &Ssh<'_>) {
    let rbd = |words: &[&str]| {
        let output = ssh.lab().on(0).arg("rbd").args(words).output().expect("starts");
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    let path = scenario(ssh, "back", "fault = \"osd-kill\"\nhold = \"4s\"");
    let words = ["drill", &path, "--target", "rbd:rbd-vms/:features=layering", "--nodes", "pve1-node2"];
    let mut running = ssh.command(&words).spawn().expect("starts");
    // Sessions are opened before its client begins.
    until(ssh, "back", "\"step\":\"drill\"", &mut running);
    let snapshot = format!("rbd-vms/{}@before", images(ssh).trim());
    rbd(&["snap", "create", "--no-progress", &snapshot]);
    until(ssh, "back", "fault_healed", &mut running);
    rbd(&["snap", "rollback", "--no-progress", &snapshot]);
    // An image with a snapshot cannot be removed.
    rbd(&["snap", "rm", "--no-progress", &snapshot]);
    let ended = running.wait().expect("ends");
    let run = ssh.stored("back");
    assert_eq!(ended.code(), Some(1), "{run}");
    let data = &run["steps"][1]["stalls"][0]["data"];
    println!("gone back: {} of {} blocks: {}, {}; first {}", data["wrong"], data["blocks"], data["acknowledged"], data["back_to"], data["first"][0]);
    let wrong = |kind: &str| data["wrong"][kind].as_u64().unwrap_or(0);
    assert!(wrong("stale") > 0 && wrong("stale") + wrong("lost") > 100, "{data}");
    // All that went back went back to one moment, in which the snapshot was taken: before the fault.
    assert!(data["back_to"]["to_ns"].as_i64().is_some_and(|to| to < 0), "{data}");
    assert!(data["first"].to_string().contains("is not there; write "), "{data}");
    nothing_left(ssh);
}

/// Waits until the journal of a run has such an event.
fn until(ssh: &Ssh<'_>, scenario: &str, event: &str, running: &mut Child) {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let text = journal(ssh, scenario);
        if text.contains(event) {
            return;
        }
        assert!(running.try_wait().expect("a child").is_none() && Instant::now() < end, "no {event} in {text}");
        wait(20);
    }
}
