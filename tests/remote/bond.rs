//! Scenarios of the catalogue between two nodes, reduced, over what stands in for a bond where the kernel has no bonding driver. What is real: two cables whose counters are the
//! kernel's, and a forwarder of tc filters that sends each flow over the one that layer3+4 says, worked out by hand and not by assay. What is laid there for the agents to
//! read: that `bond0` is a bond, of which members and under which policy. A bond with LACP partners is in ci/lab.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::namespaces::tool;
use crate::pair::Pair;
use crate::sshd::until;

const MEMBERS: [&str; 2] = ["m0", "m1"];
/// What a member carries, unless it is degraded.
const WHOLE: &str = "1gbit";
const TENTH: &str = "100mbit";

struct Bonded(Pair);

impl Bonded {
    fn new() -> Self {
        let bonded = Self(Pair::new());
        let nodes = &bonded.0.nodes;
        tool(&["ip", "-n", &nodes.near, "link", "delete", "data"]);
        for member in MEMBERS {
            tool(&["ip", "link", "add", member, "netns", &nodes.near, "type", "veth", "peer", "name", member, "netns", &nodes.far]);
        }
        for (namespace, number) in [(&nodes.near, 1), (&nodes.far, 2)] {
            bonded.bond(namespace, number);
            MEMBERS.iter().for_each(|member| bonded.shape(namespace, member, WHOLE));
            bonded.show(namespace);
        }
        bonded
    }

    /// `bond0` in one node, with an address; what it sends goes out by a member, and what comes in by any has come in by it.
    fn bond(&self, namespace: &str, number: u32) {
        let (ip, mac) = (|words: &str| run("ip", namespace, words), format!("02:00:00:00:77:0{number}"));
        let tc = |words: &str| run("tc", namespace, words);
        ip("link add bond0 type veth peer name bond0x");
        for interface in ["bond0", "bond0x", MEMBERS[0], MEMBERS[1]] {
            // As of a bond, the address of the link is one, or what comes in is for somebody else.
            if interface != "bond0x" {
                ip(&format!("link set {interface} address {mac}"));
            }
            ip(&format!("link set {interface} mtu 9000 up"));
        }
        for member in MEMBERS {
            tc(&format!("qdisc add dev {member} clsact"));
            tc(&format!("filter add dev {member} ingress protocol all prio 1 u32 match u32 0 0 action mirred ingress redirect dev bond0"));
        }
        tc("qdisc add dev bond0 clsact");
        // The hash folds all bytes of addresses and ports into one; without its lowest bit and modulo two, what is left is bit 1 of them all. The addresses give 1 ^ 2, whose
        // bit 1 is set; so the first member has the ports in which that bit is set in an odd number of bytes.
        for odd in (0_u32..16).filter(|bytes| bytes.count_ones() % 2 == 1) {
            let value: u32 = (0..4).filter(|byte| odd & (1 << byte) != 0).map(|byte| 0x02 << (8 * byte)).sum();
            for protocol in [6, 17] {
                tc(&format!(
                    "filter add dev bond0 egress protocol ip prio 1 u32 match ip protocol {protocol} 0xff match u32 {value:#010x} 0x02020202 at 20 \
                     action mirred egress redirect dev {}",
                    MEMBERS[0]
                ));
            }
        }
        for protocol in [6, 17] {
            let last = MEMBERS[1];
            tc(&format!(
                "filter add dev bond0 egress protocol ip prio 2 u32 match ip protocol {protocol} 0xff action mirred egress redirect dev {last}"
            ));
        }
        tc(&format!("filter add dev bond0 egress protocol all prio 3 u32 match u32 0 0 action mirred egress redirect dev {}", MEMBERS[0]));
        ip(&format!("address add 10.77.0.{number}/24 dev bond0"));
    }

    /// What a member carries in one direction at most.
    fn shape(&self, namespace: &str, member: &str, rate: &str) {
        run("tc", namespace, &format!("qdisc replace dev {member} root tbf rate {rate} burst 256kb latency 20ms"));
    }

    /// What the agents of a node are shown: the interfaces as they are, and `bond0` with what a bond has.
    fn show(&self, namespace: &str) {
        let pids = tool(&["ip", "netns", "pids", namespace]);
        let is_sshd = |pid: &&str| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("/usr/sbin/sshd"));
        let sshd = pids.lines().find(is_sshd).expect("an sshd");
        let script = "set -e; cd /sys/devices/virtual/net; mount -t tmpfs tmpfs /sys/class/net; mkdir -p /sys/class/net/bond0/bonding\n\
                      for one in *; do [ $one = bond0 ] || ln -s /sys/devices/virtual/net/$one /sys/class/net/$one; done\n\
                      for fact in bond0/*; do ln -s /sys/devices/virtual/net/$fact /sys/class/net/bond0/; done\n\
                      cd /sys/class/net/bond0/bonding; echo 'm0 m1' >slaves; echo 'balance-xor 2' >mode; echo 'layer3+4 1' >xmit_hash_policy; echo 100 >miimon";
        tool(&["nsenter", "-t", sshd, "-m", "-n", "sh", "-c", script]);
    }

    /// A scenario of the catalogue, once and shorter; its figures are those of the whole one.
    fn reduced(&self, name: &str) -> String {
        self.0.reduced(name, &[("repeats", "1"), ("repeats_max", ""), ("runtime", "\"1s\"")])
    }

    /// What the scenario of the catalogue comes to.
    fn run(&self, name: &str) -> Value {
        let run = self.0.assay(&["run", &self.reduced(name), "--nodes", "a,b"]);
        let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        // A busy machine makes figures doubtful, and nothing else.
        assert!([0, 3].contains(&run.status.code().expect("a status")), "{name}: {said}");
        let stored = self.0.stored(name);
        assert_eq!(stored["ended"], "completed", "{name}: {said}");
        for step in stored["steps"].as_array().expect("steps") {
            assert_eq!(step["ended"], "completed", "{name}: {said}");
        }
        stored
    }

    /// The verdict of a check of the gate of phase 2 as it ships, over the runs there are, with its reason.
    fn judged(&self, id: &str) -> Vec<(String, String)> {
        let shipped = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("ci/gates/phase-02.toml")).expect("reads");
        let check = shipped.split("[[check]]").find(|check| check.contains(&format!("id = \"{id}\"\n"))).expect("in the gate");
        let gates = self.0.path("site/gates");
        fs::create_dir_all(&gates).expect("makes");
        // A gate asks for one check that it can be held by.
        let check = check.replace("severity = \"warn\"", "severity = \"gate\"");
        let gate = format!("schema = 1\nphase = 2\ntitle = \"network\"\nmax_age_hours = 1\n\n[[check]]{check}");
        fs::write(gates.join("phase-02.toml"), gate).expect("writes");
        let answer = self.0.assay(&["gate", "2", "--format", "json"]);
        let answer: Value =
            serde_json::from_slice(&answer.stdout).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&answer.stderr)));
        let text = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let rows = answer["checks"].as_array().expect("checks").iter().filter(|row| row["id"] == id);
        rows.map(|row| (text(row, "verdict"), text(row, "reason"))).collect()
    }
}

fn run(tool_name: &str, namespace: &str, words: &str) -> String {
    tool(&[&[tool_name, "-n", namespace], words.split_whitespace().collect::<Vec<_>>().as_slice()].concat())
}

/// The figures of a name with what tells them apart: the way, and the member.
fn figures(run: &Value, name: &str) -> Vec<(String, f64)> {
    let metrics = run["steps"].as_array().expect("steps").iter().flat_map(|step| step["metrics"].as_array().expect("metrics").clone());
    let which = |metric: &Value| {
        let dimensions = &metric["fact"]["dimensions"];
        let words = ["from", "to", "member"].into_iter().filter_map(|word| dimensions[word].as_str());
        words.collect::<Vec<_>>().join("-")
    };
    metrics
        .filter(|metric| metric["fact"]["name"] == name)
        .map(|metric| (which(&metric), metric["fact"]["samples"][0].as_f64().expect("one")))
        .collect()
}

/// The notes whose name begins so.
fn notes(run: &Value, name: &str) -> Vec<String> {
    let notes = run["steps"].as_array().expect("steps").iter().flat_map(|step| step["notes"].as_object().expect("notes").clone());
    notes.filter(|(known, _)| known.starts_with(name)).map(|(_, text)| text.as_str().expect("a text").to_owned()).collect()
}

/// Whether a machine that was busy made the figures of a step doubtful.
fn is_doubtful(run: &Value) -> bool {
    run["steps"].as_array().expect("steps").iter().any(|step| step["conditions"].as_array().is_some_and(|conditions| !conditions.is_empty()))
}

#[test]
fn every_scenario_between_nodes_runs_and_gives_every_figure_that_it_names() {
    let bonded = Bonded::new();
    for (name, expected) in [
        (
            "net-tcp",
            &["net.tcp_1_stream.goodput", "net.tcp_4_streams.goodput", "net.tcp_4_streams.retransmits", "net.tcp_4_streams_verified.goodput"][..],
        ),
        ("net-requests", &["net.requests_64b.p50", "net.requests_64b.p99", "net.requests_64b.p99_9", "net.requests_4k.p99_9"]),
        ("path-quality", &["path.mtu.bytes", "net.rtt.idle.p99_9", "net.rtt.loaded.p99_9", "net.rtt.loaded.jitter"]),
        (
            "path-spread",
            &[
                "path.hash_spread.least_share",
                "path.hash_spread.least_of_equal",
                "path.hash_spread.deviation",
                "path.hash_spread_consecutive.least_share",
            ],
        ),
        ("bond-members", &["nic.port.tcp_goodput", "bond.members.peer_share"]),
        (
            "bond-spread",
            &[
                "bond.spread.least_share",
                "bond.spread.least_of_equal",
                "bond.spread.least_received_share",
                "net.tcp_16_streams_spread_verified.goodput",
            ],
        ),
        ("bond-sum", &["bond.spread.least_share", "net.tcp_32_streams_spread.goodput"]),
    ] {
        let stored = bonded.run(name);
        for figure in expected {
            let found = figures(&stored, figure);
            let ways: usize = if figure.starts_with("net.r") { 1 } else { 2 };
            let of_members = ["nic.port.tcp_goodput", "bond.members.peer_share"].contains(figure);
            assert_eq!(found.len(), if of_members { 2 * ways } else { ways }, "{name}: {figure}: {found:?}");
        }
        match name {
            "net-tcp" => {
                let ceilings = notes(&stored, "ceiling of ");
                assert!(ceilings.iter().all(|note| note.contains("unknown") && note.contains("no network card is behind m0")), "{ceilings:?}");
                assert!(!ceilings.is_empty() && !stored.to_string().contains("of_ceiling"), "what cannot be read has no share");
            }
            "net-requests" => {
                let step = &stored["steps"][0];
                assert!(step["verification"]["fact"]["verified"].as_u64() >= Some(1000), "{step}");
                assert!(step["latencies"].to_string().contains("net.requests_64b@a-b"), "{step}");
                for figure in ["net.requests_64b.p50", "net.requests_4k.p50"] {
                    let found = figures(&stored, figure);
                    assert!(found.iter().all(|(way, ns)| way == "a-b" && (1e3..1e9).contains(ns)), "{found:?}");
                }
            }
            "path-quality" => assert!(figures(&stored, "path.mtu.bytes").iter().all(|(_, bytes)| (bytes - 9000.0).abs() < 0.5), "{stored}"),
            "path-spread" => {
                // The counters of the kernel's cables are where assay's copy of the hash says.
                for figure in ["path.hash_spread.deviation", "path.hash_spread_consecutive.deviation"] {
                    let found = figures(&stored, figure);
                    assert!(found.iter().all(|(_, apart)| *apart < 0.03), "{figure}: {found:?}");
                }
                let consecutive = figures(&stored, "path.hash_spread_consecutive.least_share");
                assert!(consecutive.iter().all(|(_, share)| *share > 0.45), "{consecutive:?}");
                let iperf3 = notes(&stored, "iperf3's ports");
                assert!(iperf3.len() == 2 && iperf3.iter().all(|note| note.contains("of 64 runs with 4 streams each")), "{iperf3:?}");
            }
            "bond-members" => {
                for (member, bits) in figures(&stored, "nic.port.tcp_goodput") {
                    assert!((0.4e9..1.05e9).contains(&bits), "{member}: {bits}");
                }
            }
            _ => {
                for figure in ["bond.spread.least_share", "bond.spread.least_received_share"] {
                    let found = figures(&stored, figure);
                    assert!(found.iter().all(|(_, share)| (0.35..=0.5).contains(share)), "{name}: {figure}: {found:?}");
                }
                let sum = if name == "bond-sum" { "net.tcp_32_streams_spread.goodput" } else { "net.tcp_16_streams_spread_verified.goodput" };
                assert!(figures(&stored, sum).iter().all(|(_, bits)| (0.8e9..2.1e9).contains(bits)), "{name}: {:?}", figures(&stored, sum));
            }
        }
    }
    until("the agents are gone", Duration::from_secs(20), || bonded.0.left().is_empty());
}

#[test]
fn a_member_at_a_tenth_that_still_works_is_caught_and_a_whole_one_is_not_accused() {
    let bonded = Bonded::new();
    let member = |run: &Value, node: &str, member: &str| {
        let found = figures(run, "bond.members.peer_share");
        found.iter().find(|(which, _)| which.starts_with(node) && which.ends_with(member)).unwrap_or_else(|| panic!("{found:?}")).1
    };
    // A busy machine may doubt it, and then it is not passed either.
    let verdicts = |id: &str, run: &Value, expected: [&str; 2]| {
        let judged = bonded.judged(id);
        let found: Vec<&str> = judged.iter().map(|(verdict, _)| verdict.as_str()).collect();
        let wanted = if is_doubtful(run) { ["inconclusive"; 2] } else { expected };
        assert!(found.len() >= 2 && wanted.iter().all(|verdict| found.contains(verdict)), "{id}: {judged:?}");
        assert!(is_doubtful(run) || !expected.contains(&"fail") || found.contains(&"fail"), "{id}: {judged:?}");
    };
    let healthy = bonded.run("bond-members");
    assert!(MEMBERS.iter().all(|name| member(&healthy, "a", name) > 0.8), "{:?}", figures(&healthy, "bond.members.peer_share"));
    verdicts("bond.members_alike", &healthy, ["pass"; 2]);
    verdicts("bond.least_share", &bonded.run("bond-spread"), ["pass"; 2]);
    fs::remove_dir_all(bonded.0.path("runs")).expect("removes");

    bonded.shape(&bonded.0.nodes.near, "m1", TENTH);
    let degraded = bonded.run("bond-members");
    let (worse, better) = (member(&degraded, "a", "m1"), member(&degraded, "a", "m0"));
    assert!((0.05..0.25).contains(&worse) && better > 4.0, "{worse} {better}");
    assert!(member(&degraded, "b", "m1") > 0.8, "the other way it is whole");
    assert!(notes(&degraded, "m1 is degraded nic.port@a-b").len() == 1 && notes(&degraded, "m0 is degraded").is_empty());
    assert!(notes(&degraded, "m1 is degraded nic.port@b-a").is_empty());
    verdicts("bond.members_alike", &degraded, ["fail", "pass"]);
    let spread = bonded.run("bond-spread");
    let shares = figures(&spread, "bond.spread.least_share");
    assert!(shares.iter().all(|(way, share)| (*share < 0.35) == (way == "a-b")), "{shares:?}");
    verdicts("bond.least_share", &spread, ["fail", "pass"]);
}

#[test]
fn counters_that_do_not_follow_the_policy_are_told() {
    let bonded = Bonded::new();
    // What the agents read is one policy, and what the forwarder does another: all goes over one member.
    let near = &bonded.0.nodes.near;
    for prio in ["1", "2"] {
        run("tc", near, &format!("filter delete dev bond0 egress prio {prio}"));
    }
    let stored = bonded.run("path-spread");
    let of = |name: &str, way: &str| figures(&stored, name).iter().find(|(which, _)| which == way).expect("a figure").1;
    assert!(of("path.hash_spread.least_share", "a-b") < 0.01 && of("path.hash_spread.deviation", "a-b") > 0.3);
    assert!(of("path.hash_spread.deviation", "b-a") < 0.03);
    for family in ["path.hash_spread", "path.hash_spread_consecutive"] {
        for (way, told) in [("a-b", "DO NOT FOLLOW"), ("b-a", "the counters follow it")] {
            let members = notes(&stored, &format!("members {family}@{way}"));
            assert!(members.len() == 1 && members[0].contains(told), "{family} {way}: {members:?}");
        }
    }
    let judged = bonded.judged("bond.follows_policy");
    // Doubt about one step is none about the other: it is only never passed over in both.
    let told = |verdict: &str| verdict == "fail" || is_doubtful(&stored) && verdict == "inconclusive";
    assert!(judged.iter().any(|(verdict, _)| told(verdict)), "{judged:?}");
    // Streams that were to go over a member did not: that is no figure of it.
    let members = bonded.0.assay(&["run", &bonded.reduced("bond-members"), "--nodes", "a,b"]);
    let stored = bonded.0.stored("bond-members");
    assert!(members.status.code() != Some(0) && stored.to_string().contains("bytes while"), "{stored}");
    assert!(figures(&stored, "nic.port.tcp_goodput").is_empty());
}
