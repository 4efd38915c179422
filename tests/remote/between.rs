//! Scenarios between two nodes, through the real command line: what is measured, what is broken, and what is left when somebody is killed.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::namespaces::{Namespaces, tool};
use crate::pair::Pair;
use crate::sshd::{kill, until};

const SOON: Duration = Duration::from_secs(20);

const MEASURED: &str = r#"
[[step]]
name = "mtu"
describe = "packets of 1500 bytes, and of 1501"
[[step.net]]
measure = "mtu"
bytes = 1500

[[step]]
name = "idle"
describe = "round trips"
[[step.net]]
measure = "rtt"
rate = 500
runtime = "2s"

[[step]]
name = "loaded"
describe = "round trips beside a load"
[[step.net]]
measure = "rtt"
rate = 500
load_streams = 1
ramp_time = "300ms"
runtime = "2s"

[[step]]
name = "requests"
describe = "requests over TCP"
[[step.net]]
measure = "requests"
rate = 1200
bytes = 200
ramp_time = "100ms"
runtime = "1s"

[[step]]
name = "tcp"
describe = "bytes that are compared"
repeats = 2
[[step.net]]
measure = "tcp"
streams = 2
verify = true
ramp_time = "100ms"
runtime = "500ms"
"#;

const BROKEN: &str = r#"
[[step]]
name = "broken"
describe = "the port fails for a second and a half"
[[step.net]]
measure = "outage"
fault = "FAULT"
hold = "1500ms"
"#;

const ASKED: &str = r#"
[[step]]
name = "bidir"
describe = "both ways at once, every byte compared"
[[step.net]]
measure = "tcp"
streams = 4
way = "both"
send = "zero_copy"
threads = 2
mss = 1400
congestion = "reno"
verify = true
ramp_time = "200ms"
runtime = "1200ms"

[[step]]
name = "back"
describe = "from the node that listens, and from the one that connects in shorter segments"
[[step.net]]
measure = "tcp"
way = "reverse"
ramp_time = "100ms"
runtime = "500ms"
[[step.net]]
measure = "tcp"
streams = 2
mss = 1000
ramp_time = "100ms"
runtime = "500ms"
"#;

/// The figures of a name, with what tells them apart and their median.
fn figures(run: &Value, name: &str) -> Vec<(String, f64)> {
    let steps = run["steps"].as_array().expect("steps");
    let metrics = steps.iter().flat_map(|step| step["metrics"].as_array().expect("metrics").clone());
    let named = metrics.filter(|metric| metric["fact"]["name"] == name);
    named
        .map(|metric| {
            let dimensions = &metric["fact"]["dimensions"];
            let which = format!("{}-{}", dimensions["from"].as_str().expect("from"), dimensions["to"].as_str().expect("to"));
            (which, metric["fact"]["samples"][0].as_f64().expect("a sample"))
        })
        .collect()
}

fn step<'a>(run: &'a Value, name: &str) -> &'a Value {
    run["steps"].as_array().expect("steps").iter().find(|step| step["name"] == name).unwrap_or_else(|| panic!("a step {name}"))
}

#[test]
fn paths_and_tcp_are_measured_between_two_nodes_and_every_byte_is_compared() {
    let pair = Pair::new();
    let scenario = pair.scenario("net-measured", MEASURED);
    let plan = pair.assay(&["plan", &scenario, "--nodes", "a,b"]);
    let said = String::from_utf8_lossy(&plan.stdout).into_owned();
    assert!(plan.status.success() && said.contains("net.rtt.idle from a (10.77.0.1) to b (10.77.0.2) in data"), "{said}");
    let run = pair.assay(&["run", &scenario, "--nodes", "a,b"]);
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    // A busy machine makes figures doubtful, and nothing else.
    assert!([0, 3].contains(&run.status.code().expect("a status")), "{said}");
    let stored = pair.stored("net-measured");
    assert_eq!(stored["ended"], "completed", "{said}");
    assert_eq!(figures(&stored, "path.mtu.bytes"), [("a-b".to_owned(), 1500.0), ("b-a".to_owned(), 1500.0)]);
    for name in ["net.rtt.idle.p50", "net.rtt.loaded.p50", "net.requests_200b.p50", "net.requests_200b.p99_9"] {
        let found = figures(&stored, name);
        assert!(matches!(&found[..], [(way, ns)] if way == "a-b" && (1e3..1e9).contains(ns)), "{name}: {found:?}");
    }
    let goodput = figures(&stored, "net.tcp_2_streams_verified.goodput");
    assert!(goodput.len() == 2 && goodput.iter().all(|(_, bits)| (1e7..1e12).contains(bits)), "{goodput:?}");
    let compared = &step(&stored, "tcp")["verification"]["fact"];
    assert!(compared["verified"] == compared["operations"] && compared["verified"].as_u64() > Some(1 << 20), "{compared}");
    assert!(step(&stored, "tcp")["notes"].to_string().contains("iperf3 -c 10.77.0.2"), "{}", step(&stored, "tcp")["notes"]);
    assert!(said.contains("net.data_verified"), "{said}");
    until("the agents are gone", SOON, || pair.left().is_empty());
}

/// The notes of a step whose names begin so, with what follows in the name.
fn notes(step: &Value, name: &str) -> Vec<(String, String)> {
    let all = step["notes"].as_object().expect("notes").iter();
    all.filter_map(|(known, text)| Some((known.strip_prefix(name)?.to_owned(), text.as_str().expect("a text").to_owned()))).collect()
}

#[test]
fn tcp_goes_as_it_is_asked_to_in_both_directions_and_says_what_the_kernel_saw() {
    // The cards of both nodes are virtual; node b shows a card beside one processor all the same.
    let laid = "if [ $(cat /sys/class/dmi/id/product_serial) = BOARD-b ]; then mkdir -p FAKE/card/data; echo 0 >FAKE/card/local_cpulist\n\
                for fact in /sys/devices/virtual/net/data/*; do ln -s $fact FAKE/card/data/; done\n\
                mkdir FAKE/net; for one in /sys/class/net/*; do ln -s $(realpath $one) FAKE/net/; done\n\
                rm FAKE/net/data; ln -s FAKE/card/data FAKE/net/data; mount --bind FAKE/net /sys/class/net; fi";
    let pair = Pair::with(Namespaces::new(), "10.77.0", laid);
    let scenario = pair.scenario("net-asked", ASKED);
    let run = pair.assay(&["run", &scenario, "--nodes", "a,b"]);
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    // A busy machine makes figures doubtful, and nothing else.
    assert!([0, 3].contains(&run.status.code().expect("a status")), "{said}");
    let stored = pair.stored("net-asked");
    assert_eq!(stored["ended"], "completed", "{said}");
    for way in ["forward", "reverse"] {
        let goodput = figures(&stored, &format!("net.tcp_4_streams_bidir_verified.{way}.goodput"));
        assert!(matches!(&goodput[..], [(nodes, bits)] if nodes == "a-b" && (1e6..1e12).contains(bits)), "{way}: {goodput:?}");
        assert_eq!(figures(&stored, &format!("net.tcp_4_streams_bidir_verified.{way}.retransmits")).len(), 1);
    }
    let back = figures(&stored, "net.tcp_1_stream_reverse.goodput");
    assert_eq!(back.iter().map(|(nodes, _)| nodes.as_str()).collect::<Vec<_>>(), ["a-b", "b-a"]);
    let (bidir, back) = (step(&stored, "bidir"), step(&stored, "back"));
    let compared = &bidir["verification"]["fact"];
    assert!(compared["verified"] == compared["operations"] && compared["verified"].as_u64() > Some(1 << 20), "{compared}");
    let names = |notes: &[(String, String)]| notes.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let both_ways = ["net.tcp_4_streams_bidir_verified.forward@a-b", "net.tcp_4_streams_bidir_verified.reverse@a-b"];
    let done = notes(bidir, "TCP net.");
    assert_eq!(names(&done), both_ways.map(|name| name.trim_start_matches("net.").to_owned()));
    for (_, text) in &done {
        // Without the timestamps that every segment carries; a packet that stays on this host is copied.
        for word in
            ["MSS 1388", "SEND_ZC", "some of it copied after all", "threads = 2 as asked", "mss = 1400 as asked", "congestion = reno as asked"]
        {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
    // Two works of one step have notes of their own, as they have figures.
    let apart = ["net.tcp_1_stream_reverse@a-b", "net.tcp_1_stream_reverse@b-a", "net.tcp_2_streams@a-b", "net.tcp_2_streams@b-a"];
    for (name, text) in notes(back, "TCP net.") {
        let segment = if name.starts_with("tcp_2_streams@") { "MSS 988, " } else { "MSS 1448, " };
        assert!(text.starts_with(segment), "{name}: {text}");
    }
    for kind in ["iperf3 ", "threads ", "ceiling of "] {
        assert_eq!(names(&notes(back, kind)), apart, "{kind}");
    }
    for (of, named) in [(bidir, &both_ways[..]), (back, &apart)] {
        let info = notes(of, "TCP_INFO ");
        assert_eq!(names(&info), named);
        for word in ["rtt ", "(least, median, largest)", "cwnd ", "delivery rate ", "segments sent again", "limited by the peer's window and"] {
            assert!(info.iter().all(|(_, text)| text.contains(word) && !text.contains("NaN")), "{word}: {info:?}");
        }
    }
    let threads = notes(bidir, "threads ");
    let [(_, threads)] = threads.as_slice() else { panic!("{threads:?}") };
    assert_eq!(threads, "a: 2 threads not pinned: no processor is known beside data; b: 2 threads on processor 0 beside data");
    assert!(notes(bidir, "iperf3 ")[0].1.contains("-P 4") && notes(bidir, "iperf3 ")[0].1.contains("-C reno -M 1400"), "{bidir}");
    // What the kernel does not grant is no figure under this name.
    for (name, words, why) in [
        ("net-mss", "mss = 8960", "an MSS of 8960 was asked for, and segments had 1448 bytes over a path MTU of 1500"),
        ("net-congestion", "congestion = \"nobodys\"", "cannot set the congestion control for nobodys"),
    ] {
        let text = format!("[[step]]\nname = \"s\"\ndescribe = \"x\"\n[[step.net]]\nmeasure = \"tcp\"\nruntime = \"500ms\"\n{words}\n");
        let refused = pair.assay(&["run", &pair.scenario(name, &text), "--nodes", "a,b"]);
        let stored = pair.stored(name);
        assert!(refused.status.code() != Some(0) && stored.to_string().contains(why), "{name}: {stored}");
        assert!(figures(&stored, "net.tcp_1_stream.goodput").is_empty(), "{stored}");
    }
    until("the agents are gone", SOON, || pair.left().is_empty());
}

#[test]
fn what_cannot_be_measured_is_said_before_anything_is_done() {
    let pair = Pair::new();
    let scenario = pair.scenario("net-measured", MEASURED);
    let drill = pair.scenario("bond-broken", &BROKEN.replace("FAULT", "link-down"));
    for (words, why) in [
        (vec!["run", &scenario], "--nodes"),
        (vec!["run", &scenario, "--nodes", "a"], "two nodes"),
        (vec!["run", &scenario, "--nodes", "a,c"], "no node c"),
        (vec!["run", &scenario, "--nodes", "a,a"], "named twice"),
        (vec!["run", &scenario, "--nodes", "a,b", "--network", "storage"], "no address of a in network `storage`"),
        // What makes no difference to a scenario is not passed over.
        (vec!["run", &scenario, "--nodes", "a,b", "--ring", "storage"], "no drill on a Ceph cluster: --ring does not apply"),
        (vec!["plan", "storage-quick", "--network", "storage"], "--network does not apply"),
        (vec!["drill", "ceph-osd-out", "--nodes", "a,b", "--network", "storage"], "round trips are measured in that of --ring"),
        (vec!["run", "storage-quick", "--nodes", "a,b"], "about one node"),
        (vec!["run", &drill, "--nodes", "a,b"], "assay drill"),
        (vec!["drill", &scenario, "--nodes", "a,b"], "breaks nothing"),
    ] {
        let refused = pair.assay(&words);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(why), "{words:?}: {said}");
    }
    if !cfg!(feature = "rdma") {
        for word in ["plan", "run"] {
            let refused = pair.assay(&[word, "net-rdma", "--nodes", "a,b"]);
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(refused.status.code() == Some(2) && said.contains("built without RDMA") && said.contains("--features rdma"), "{word}: {said}");
        }
    }
    // A port without a bond cannot carry streams on members.
    let spread = pair.scenario(
        "bond-none",
        "[[step]]\nname = \"spread\"\ndescribe = \"x\"\n[[step.net]]\nmeasure = \"tcp\"\nover = \"spread\"\nstreams = 4\nruntime = \"1s\"\n",
    );
    let run = pair.assay(&["run", &spread, "--nodes", "a,b"]);
    let stored = pair.stored("bond-none");
    assert!(run.status.code() != Some(0) && stored.to_string().contains("carried by no bond"), "{stored}");
    assert!(figures(&stored, "bond.spread.least_share").is_empty());
}

#[test]
fn a_port_that_fails_is_an_outage_as_long_as_it_was_down_and_is_whole_afterwards() {
    let pair = Pair::new();
    for (fault, family) in [("link-down", "bond.failover"), ("silent-link", "bond.silent")] {
        let name = format!("bond-{fault}");
        let scenario = pair.scenario(&name, &BROKEN.replace("FAULT", fault));
        let run = pair.assay(&["drill", &scenario, "--nodes", "a,b"]);
        let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        assert!([0, 3].contains(&run.status.code().expect("a status")), "{said}");
        let stored = pair.stored(&name);
        // There is one port: nothing takes over, and the outage is as long as the fault.
        let outages = figures(&stored, &format!("{family}.outage"));
        assert_eq!(outages.iter().map(|(way, _)| way.as_str()).collect::<Vec<_>>(), ["a-b", "b-a"], "{said}");
        assert!(outages.iter().all(|(_, ns)| (1.4e9..6e9).contains(ns)), "{outages:?}");
        assert!(figures(&stored, &format!("{family}.lost")).iter().all(|(_, lost)| *lost > 16.0 * 1000.0), "{said}");
        let journal = std::fs::read_to_string(pair.run_of(&name).join("journal.jsonl")).expect("a journal");
        let places: Vec<usize> = ["fault_armed", "fault_injected", "fault_healed"].map(|event| journal.find(event).expect("in the journal")).into();
        assert!(places.is_sorted() && journal.matches("fault_healed").count() == 2, "{places:?}");
        let notes = step(&stored, "broken")["notes"].to_string();
        assert!(notes.contains("last good") && notes.contains("first good"), "{notes}");
        drawn(&pair, &name, &stored, outages.iter().map(|(_, ns)| *ns).collect());
    }
    for namespace in [&pair.nodes.near, &pair.nodes.far] {
        assert!(tool(&["ip", "-n", namespace, "link", "show", "data"]).contains("state UP"));
        assert!(!tool(&["tc", "-n", namespace, "qdisc", "show", "dev", "data"]).contains("clsact"));
    }
    until("the agents are gone", SOON, || pair.left().is_empty());
}

/// The timeline of each port is stored with its step, says what the figure says, and is drawn in the report.
#[track_caller]
fn drawn(pair: &Pair, name: &str, stored: &Value, figures: Vec<f64>) {
    assert_eq!(stored["nodes"], serde_json::json!(["a", "b"]));
    let outages = step(stored, "broken")["outages"].as_array().expect("outages").clone();
    assert_eq!(
        outages.iter().map(|outage| (outage["node"].as_str(), outage["port"].as_str())).collect::<Vec<_>>(),
        [(Some("a"), Some("data")), (Some("b"), Some("data"))]
    );
    for (outage, figure) in outages.iter().zip(figures) {
        let ways = outage["ways"].as_array().expect("ways");
        let number = |value: &Value| value.as_f64().expect("a number");
        let gaps = |way: &Value| {
            way["flows"].as_array().expect("flows").iter().flat_map(|flow| flow["gaps"].as_array().expect("gaps").clone()).collect::<Vec<_>>()
        };
        let lengths = ways.iter().flat_map(gaps).filter_map(|gap| gap["at_most_ns"].as_f64().or(gap["at_least_ns"].as_f64()));
        assert!((lengths.fold(0.0, f64::max) - figure).abs() < 1.0, "{figure}: {outage}");
        for way in ways {
            let sure = number(&way["uncertainty_ns"]);
            assert!((1.4e9..6e9).contains(&number(&way["healed"]["from_ns"])) && sure < 1e9, "{way}");
            // What the fault made begins at the fault and ends after it was healed, on the clock of either receiver; what a busy machine makes is shorter.
            let longest = gaps(way).into_iter().max_by(|a, b| number(&a["at_least_ns"]).total_cmp(&number(&b["at_least_ns"]))).expect("a gap");
            assert!(longest["last_good_ns"].as_f64().is_some_and(|ns| ns < 1e9 + sure), "{longest} {way}");
            assert!(longest["first_good_ns"].as_f64().is_none_or(|ns| ns > number(&way["healed"]["from_ns"]) - 1e9 - sure), "{longest} {way}");
        }
    }
    let report = pair.path(&format!("{name}.html"));
    let run = pair.run_of(name).file_name().expect("a name").to_string_lossy().into_owned();
    let said = pair.assay(&["report", &run, "-o", &report.display().to_string()]);
    let page = std::fs::read_to_string(&report).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    assert_eq!(page.matches("<figure class=\"chart outage\">").count(), 2);
    // It is the gate of the network that speaks of it, and its limits that are drawn.
    assert!(page.contains("phase 2: ") && page.contains("class=\"limit\" x1="));
    assert!(page.contains(">a to b</text>") && page.contains(">b to a</text>") && page.contains("class=\"gap\" x="));
}

#[test]
fn nothing_is_broken_on_a_board_that_the_site_does_not_list() {
    let pair = Pair::new();
    pair.site("OTHER-");
    let scenario = pair.scenario("bond-broken", &BROKEN.replace("FAULT", "link-down"));
    let run = pair.assay(&["drill", &scenario, "--nodes", "a,b"]);
    let stored = pair.stored("bond-broken");
    assert!(run.status.code() == Some(3) && stored["ended"].to_string().contains("nothing is broken on a"), "{stored}");
    let journal = std::fs::read_to_string(pair.run_of("bond-broken").join("journal.jsonl")).expect("a journal");
    assert!(!journal.contains("fault_armed"), "{journal}");
}

#[test]
fn a_drill_whose_assay_is_killed_heals_and_a_resumed_one_begins_anew() {
    let pair = Pair::new();
    let scenario = pair.scenario("bond-killed", &BROKEN.replace("FAULT", "link-down").replace("1500ms", "60s"));
    let mut drill = pair.begin(&["drill", &scenario, "--nodes", "a,b"]);
    let down = || !tool(&["ip", "-n", &pair.nodes.near, "link", "show", "data"]).contains(",UP");
    until("the port is down", SOON, down);
    // One drill at a time: the other does not wait for its own load of a minute to say so.
    let other = pair.scenario("bond-other", &BROKEN.replace("FAULT", "link-down").replace("1500ms", "60s"));
    let begin = Instant::now();
    let refused = pair.assay(&["drill", &other, "--nodes", "a,b"]);
    let stored = pair.stored("bond-other");
    assert!(refused.status.code() == Some(3) && stored.to_string().contains("armed already") && begin.elapsed() < SOON, "{stored}");
    assert!(down());
    kill(drill.id(), "KILL");
    drill.wait().expect("ends");
    until("the port is up again", SOON, || !down());
    until("the agents are gone", SOON, || pair.left().is_empty());
    let journal = || std::fs::read_to_string(pair.run_of("bond-killed").join("journal.jsonl")).expect("a journal");
    assert!(journal().contains("fault_injected") && !journal().contains("fault_healed"), "{}", journal());
    // The plan says sixty seconds: the resumed drill is only followed until it has healed what was left, and begun anew.
    let mut resumed = pair.begin(&["run", "--resume"]);
    until("what was left is healed", SOON, || journal().contains("fault_healed"));
    until("the port is down", SOON, down);
    kill(resumed.id(), "TERM");
    resumed.wait().expect("ends");
    assert!(!down(), "a drill that is told to stop heals first");
    assert_eq!(journal().matches("fault_healed").count(), 2, "{}", journal());
    until("the agents are gone", SOON, || pair.left().is_empty());
}

#[test]
fn the_ceiling_of_streams_inside_of_vxlan_is_that_of_the_port_below_it() {
    let nodes = Namespaces::new();
    for (namespace, own, other) in [(&nodes.near, 1, 2), (&nodes.far, 2, 1)] {
        let ends = [format!("10.77.0.{own}"), format!("10.77.0.{other}")];
        let [local, remote] = ends.each_ref().map(String::as_str);
        tool(&[
            "ip", "-n", namespace, "link", "add", "vx5", "type", "vxlan", "id", "5", "dev", "data", "local", local, "remote", remote, "dstport",
            "4789",
        ]);
        tool(&["ip", "-n", namespace, "address", "add", &format!("10.82.0.{own}/24"), "dev", "vx5"]);
        tool(&["ip", "-n", namespace, "link", "set", "vx5", "up"]);
    }
    let pair = Pair::with(nodes, "10.82.0", "");
    let text = "[[step]]\nname = \"s\"\ndescribe = \"x\"\n[[step.net]]\nmeasure = \"tcp\"\nramp_time = \"100ms\"\nruntime = \"500ms\"\n";
    let run = pair.assay(&["run", &pair.scenario("net-vxlan", text), "--nodes", "a,b"]);
    let stored = pair.stored("net-vxlan");
    assert!([0, 3].contains(&run.status.code().expect("a status")) && stored["ended"] == "completed", "{stored}");
    // There is no card here; that one is looked for behind the cable shows that the tunnel was seen for what it is.
    let ceilings = notes(step(&stored, "s"), "ceiling of net.tcp_1_stream");
    assert_eq!(ceilings.iter().map(|(way, _)| way.as_str()).collect::<Vec<_>>(), ["@a-b", "@b-a"]);
    assert!(ceilings.iter().all(|(_, text)| text.contains("no network card is behind data")), "{ceilings:?}");
    // 1500 less the 50 of the tunnel.
    assert!(notes(step(&stored, "s"), "TCP net.").iter().all(|(_, text)| text.starts_with("MSS 1398, path MTU 1450")), "{stored}");
}
