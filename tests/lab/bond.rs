//! A real LACP bond of two links between two virtual nodes, each with an sshd: members measured alone and together, a member that is slow and works, members that fail by
//! their own node, and one whose cable is pulled from outside. The SSH sessions go over the bond that is broken. QEMU proves functions, never speed.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::node::Node;
use crate::program;

const FAR: &str = "10.6.0.12";
/// Both ends agree, on both links.
const SETTLED: &str = "[ $(grep -c 'port state: 63' /proc/net/bonding/bond0) = 4 ]";
/// How often something that the emulator was too busy for is asked for.
const TRIES: u32 = 3;
const ASSAY: &str = "assay --probe-deadline 120 --site /lab/bond --runs /runs";

const MEMBERS: &str = r#"
[[step]]
name = "each"
describe = "over each member alone"
[[step.net]]
measure = "tcp"
over = "each_member"
streams = 2
verify = true
ramp_time = "500ms"
runtime = "2s"

[[step]]
name = "spread"
describe = "as many over each member as over every other"
[[step.net]]
measure = "tcp"
over = "spread"
streams = 8
verify = true
ramp_time = "500ms"
runtime = "3s"
"#;

const OUTAGE: &str = r#"
[[step]]
name = "broken"
describe = "each member fails once"
[[step.net]]
measure = "outage"
fault = "FAULT"
hold = "HOLD"
# As much as an emulated processor can send and hear beside its own work.
interval = "20ms"
load_streams = 0
"#;

/// What a bond passes at an emulator's speed, with the limit of ci/gates.
const GATE: &str = r#"
schema = 1
phase = 2
title = "bond of a virtual node"
max_age_hours = 1

[[check]]
id = "bond.least_share"
severity = "gate"
title = "each member carries its share"
limit = { metric = "bond.spread.least_of_equal", bound = { at_least = 0.7 }, basis = { policy = "as in ci/gates" } }

[[check]]
id = "net.data_verified"
severity = "gate"
title = "what arrives is what was sent"
"#;

#[test]
#[ignore = "boots virtual nodes; ci/lab/check runs it"]
fn members_of_a_real_bond_are_measured_broken_and_whole_again() {
    let _alone = crate::alone();
    let folder = tempfile::Builder::new().prefix("assay-bond-").tempdir().expect("a folder below /tmp");
    let ends = Ends::boot(folder.path());

    let healthy = measured(&ends);
    slow_member(&ends, healthy);
    failing(&ends, "link-down", "bond.failover", "4s");
    failing(&ends, "silent-link", "bond.silent", "8s");
    by_hand(&ends);
    last_member(&ends);
}

struct Ends {
    near: Node,
    far: Node,
}

impl Ends {
    fn boot(folder: &Path) -> Self {
        let tools = [program("tc"), program("iperf3")];
        let links = folder.join("links");
        fs::create_dir(&links).expect("a folder");
        let (wires, ssh) = (links.display().to_string(), folder.join("ssh").display().to_string());
        let boot = |id: &str| {
            let mut options = vec!["--id", id, "--sockets", "1", "--drives", "0", "--links", &wires, "--ssh", &ssh];
            options.extend(tools.iter().flat_map(|tool| ["--tool", tool]));
            Node::boot(&folder.join(id), &options)
        };
        let (mut near, mut far) = (boot("1"), boot("2"));
        near.wait();
        far.wait();
        near.until(SETTLED);
        far.until(SETTLED);
        near.until(&format!("ping -c 1 -W 1 {FAR}"));
        // Nothing is ordered there: an emulated node is none of the ordered ones, and its bond is judged all the same.
        fs::create_dir_all(near.share("bond/gates")).expect("a folder");
        fs::copy(near.share("site/site.toml"), near.share("bond/site.toml")).expect("copied");
        fs::write(near.share("bond/gates/phase-02.toml"), GATE).expect("written");
        Self { near, far }
    }

    /// Runs assay on the near node; what it said and what the run came to.
    fn run(&self, words: &str, scenario: &str) -> (i32, String, Value) {
        let (status, said) = self.near.request(&format!("{ASSAY} {words} --nodes virtual-1,virtual-2"));
        let stored = self.near.sure(&format!("cat $(ls -d /runs/*-{scenario}-* | tail -n 1)/run.json"));
        (status, said, serde_json::from_str(&stored).expect("JSON"))
    }

    /// The same until it is done. An emulator that has too much to do misses a moment that a fault must have, and then assay rightly breaks or tells nothing.
    fn completed(&self, words: &str, scenario: &str) -> Value {
        for attempt in 1..TRIES {
            let (status, _, stored) = self.run(words, scenario);
            if [0, 1, 3].contains(&status) && stored["ended"] == "completed" {
                return stored;
            }
            eprintln!("{words}, attempt {attempt} of {TRIES}: {}", stored["ended"]);
            self.whole();
        }
        let (status, said, stored) = self.run(words, scenario);
        assert!([0, 1, 3].contains(&status) && stored["ended"] == "completed", "{said}\n{}", stored["ended"]);
        stored
    }

    fn scenario(&self, name: &str, text: &str) -> String {
        fs::write(self.near.share(&format!("{name}.toml")), format!("schema = 1\nname = \"{name}\"\ndescribe = \"lab\"\n{text}")).expect("written");
        format!("/lab/{name}.toml")
    }

    /// Both nodes are as they were.
    fn whole(&self) {
        for node in [&self.near, &self.far] {
            node.until(SETTLED);
            let left = node.sure(
                "cat /sys/class/net/eth0/operstate /sys/class/net/eth1/operstate; /lab/tools/tc qdisc show; ls /run/assay/faults 2>/dev/null; true",
            );
            assert!(left.starts_with("up\nup\n") && !left.contains("clsact") && !left.contains(".json"), "{left}");
        }
    }
}

/// Figures of a name: from, to, port or member, and the first sample.
fn figures(run: &Value, name: &str) -> Vec<(String, f64)> {
    let steps = run["steps"].as_array().expect("steps");
    let metrics = steps.iter().flat_map(|step| step["metrics"].as_array().expect("metrics"));
    let named = metrics.map(|metric| &metric["fact"]).filter(|fact| fact["name"] == name);
    named
        .map(|fact| {
            let told = ["from", "to", "port", "member"].map(|word| fact["dimensions"][word].as_str().unwrap_or_default().to_owned());
            (told.join(" ").trim_end().to_owned(), fact["samples"][0].as_f64().expect("a sample"))
        })
        .collect()
}

/// What the gate says of the least share that a member carries from the near node.
fn gate(ends: &Ends) -> String {
    let (_, said) = ends.near.request(&format!("{ASSAY} --format json gate 2 2>/dev/null"));
    let outcome: Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let is_it =
        |check: &&Value| check["id"] == "bond.least_share" && check["subject"].as_str().is_some_and(|subject| subject.contains("from=virtual-1"));
    let check = outcome["checks"].as_array().expect("checks").iter().find(is_it).unwrap_or_else(|| panic!("not judged: {said}"));
    println!("lab: bond.least_share: {} {}", check["verdict"], check["reason"]);
    check["verdict"].as_str().expect("a verdict").to_owned()
}

/// Each member alone, and all together: the ports that are chosen lead where they should. Bits per second of the slowest member.
fn measured(ends: &Ends) -> f64 {
    let scenario = ends.scenario("members", MEMBERS);
    // The emulator disturbs itself, which makes figures doubtful and nothing else.
    let stored = ends.completed(&format!("run {scenario}"), "members");
    let members = figures(&stored, "nic.port.tcp_goodput");
    println!("lab: members alone: {members:?}");
    assert_eq!(members.len(), 4, "two members, two directions: {members:?}");
    let shares = figures(&stored, "bond.spread.least_share");
    println!("lab: least share of 8 streams: {shares:?}");
    assert!(shares.len() == 2 && shares.iter().all(|(_, share)| (0.35..=0.5).contains(share)), "{shares:?}");
    let compared = |step: &Value| step["verification"]["fact"]["verified"].as_u64() > Some(1 << 20);
    assert!(stored["steps"].as_array().expect("steps").iter().all(compared));
    // Whether the emulator disturbed itself or not, the bond is not accused.
    assert_ne!(gate(ends), "fail");
    iperf3(ends);
    members.iter().map(|(_, bits)| *bits).fold(f64::INFINITY, f64::min)
}

/// What iperf3's own choice of ports does on the same bond: shown, for kernels differ.
fn iperf3(ends: &Ends) {
    ends.far.sure("(/lab/tools/iperf3 -s -1 >/dev/null 2>&1 </dev/null &)");
    let sent = "cat /sys/class/net/eth0/statistics/tx_bytes /sys/class/net/eth1/statistics/tx_bytes";
    let read = || ends.near.sure(sent).split_whitespace().map(|count| count.parse::<f64>().expect("a count")).collect::<Vec<_>>();
    let before = read();
    ends.near.until(&format!("/lab/tools/iperf3 -c {FAR} -P 8 -t 2 >/lab/iperf3.log"));
    let rose: Vec<f64> = read().iter().zip(&before).map(|(after, before)| after - before).collect();
    println!("lab: share of eth0 of iperf3's 8 streams: {:.3}", rose[0] / (rose[0] + rose[1]));
}

/// A member that works, at a tenth of its speed.
fn slow_member(ends: &Ends, healthy: f64) {
    // Slower than that, what is queued at the end takes longer to leave than the end is waited for.
    let rate = (healthy / 10.0).max(5e6);
    ends.near.sure(&format!("/lab/tools/tc qdisc replace dev eth1 root tbf rate {rate:.0}bit burst 64k latency 50ms"));
    let stored = ends.completed("run /lab/members.toml", "members");
    ends.near.sure("/lab/tools/tc qdisc del dev eth1 root");
    let of = |member: &str| {
        let found = figures(&stored, "nic.port.tcp_goodput");
        found.iter().find(|(which, _)| which == &format!("virtual-1 virtual-2  {member}")).unwrap_or_else(|| panic!("{member}: {found:?}")).1
    };
    println!("lab: a member shaped to {rate:.0} bit/s brings {:.0}, the other {:.0}", of("eth1"), of("eth0"));
    assert!(of("eth1") < 1.1 * rate && of("eth0") > 4.0 * of("eth1"));
    let least = figures(&stored, "bond.spread.least_share");
    println!("lab: least share with it: {least:?}");
    assert!(least.iter().any(|(which, share)| which == "virtual-1 virtual-2" && *share < 0.35), "{least:?}");
    assert_ne!(gate(ends), "pass");
}

/// Each member of each node fails once, and the other carries on. The sessions go over the bond, too.
fn failing(ends: &Ends, fault: &str, family: &str, hold: &str) {
    let name = family.replace('.', "-");
    let scenario = ends.scenario(&name, &OUTAGE.replace("FAULT", fault).replace("HOLD", hold));
    let stored = ends.completed(&format!("drill {scenario}"), &name);
    let outages = figures(&stored, &format!("{family}.outage"));
    println!("lab: {fault}: {outages:?}\n{:#}", stored["steps"][0]["notes"]);
    let which: Vec<&str> = outages.iter().map(|(which, _)| which.as_str()).collect();
    assert_eq!(which, ["virtual-1 virtual-2 eth0", "virtual-1 virtual-2 eth1", "virtual-2 virtual-1 eth0", "virtual-2 virtual-1 eth1"]);
    ends.whole();
}

/// A link that is taken down outside of the node, by QMP, while assay watches; and a watch in which nothing happens.
fn by_hand(ends: &Ends) {
    let scenario = ends.scenario("by-hand", &OUTAGE.replace("FAULT", "by-hand").replace("HOLD", "12s"));
    let (status, said, stored) = std::thread::scope(|scope| {
        let drill = scope.spawn(|| ends.run(&format!("drill {scenario}"), "by-hand"));
        let output = ends.near.share("output");
        let begun = Instant::now();
        while !fs::read_to_string(&output).unwrap_or_default().contains("broken: each member fails once") {
            assert!(begun.elapsed() < Duration::from_secs(120) && !drill.is_finished(), "the drill does not begin");
            rest(Duration::from_millis(100));
        }
        // Sessions, clocks and the stream come first.
        rest(Duration::from_secs(10));
        ends.near.qmp().set_link(1, false);
        rest(Duration::from_secs(3));
        ends.near.qmp().set_link(1, true);
        drill.join().expect("no panic")
    });
    // A port without a link may count what it could not send.
    assert!([0, 1, 3].contains(&status) && stored["ended"] == "completed", "{said}\n{}", stored["ended"]);
    let outages = figures(&stored, "bond.by_hand.outage");
    println!("lab: a link taken down by QMP: {outages:?}\n{:#}", stored["steps"][0]["notes"]);
    assert!(matches!(&outages[..], [(which, ns)] if which == "virtual-1 virtual-2 eth1" && (1e8..1e10).contains(ns)), "{outages:?}");
    ends.whole();

    let quiet = ends.scenario("quiet", &OUTAGE.replace("FAULT", "by-hand").replace("HOLD", "1s"));
    let (status, said, stored) = ends.run(&format!("drill {quiet}"), "quiet");
    assert!(status == 3 && stored["ended"].to_string().contains("was seen to fail"), "{said}\n{}", stored["ended"]);
}

fn rest(time: Duration) {
    #[allow(clippy::disallowed_methods, reason = "a test that waits for another program")]
    std::thread::sleep(time);
}

/// The last member that works carries the session: it is not broken.
fn last_member(ends: &Ends) {
    ends.near.qmp().set_link(0, false);
    ends.near.until("[ $(cat /sys/class/net/eth0/carrier) = 0 ]");
    let scenario = ends.scenario("last", &OUTAGE.replace("FAULT", "link-down").replace("HOLD", "2s"));
    let (status, said, stored) = ends.run(&format!("drill {scenario}"), "last");
    assert!(status == 3 && stored["ended"].to_string().contains("carries nothing"), "{said}\n{}", stored["ended"]);
    ends.near.qmp().set_link(0, true);
    ends.whole();
}
