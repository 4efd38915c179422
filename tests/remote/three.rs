//! Three nodes in a triangle, each two with a cable of their own, through the real command line: what is wrong with one of the three ways is told of that one, and of no other.

use std::fs;
use std::process::Command;
use std::time::Duration;

use assay_model::journal::{Event, Journal};
use serde_json::Value;

use crate::namespaces::{Namespaces, tool};
use crate::pair::Pair;
use crate::sshd::until;

/// Every way that is measured for itself, and every one that is measured there and back.
const WAYS: [&str; 6] = ["a-b", "a-c", "b-a", "b-c", "c-a", "c-b"];
pub(crate) const ROUND: [&str; 3] = ["a-b", "a-c", "b-c"];
/// What the limits of path-quality ask for, and that hardly a question stays unanswered: nothing here is about time, for this machine may be busy.
const GATE: &str = r#"schema = 1
phase = 2
title = "network"
max_age_hours = 1

[[check]]
id = "path.mtu"
severity = "gate"
title = "9000 bytes pass with DF, 9001 do not"
limit = { metric = "path.mtu.bytes", bound = { exactly = 9000.0 }, basis = { policy = "as the cables are set" } }

[[check]]
id = "path.rtt_idle"
severity = "gate"
title = "questions are answered"
limit = { metric = "net.rtt.idle.lost_share", bound = { at_most = 0.1 }, basis = { policy = "nothing else is sent meanwhile" } }
"#;

pub(crate) struct Triangle {
    // Before the namespace that its sshd is in.
    pub(crate) pair: Pair,
    third: Namespace,
}

struct Namespace(String);

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = Command::new("ip").args(["netns", "delete", &self.0]).output();
    }
}

impl Triangle {
    /// Their namespaces.
    pub(crate) fn ends(&self) -> [&str; 3] {
        [&self.pair.nodes.near, &self.pair.nodes.far, &self.third.0]
    }

    pub(crate) fn new() -> Self {
        let nodes = Namespaces::new();
        let third = Namespace(format!("{}t", nodes.near));
        tool(&["ip", "netns", "add", &third.0]);
        tool(&["ip", "-n", &third.0, "link", "set", "lo", "up"]);
        tool(&["ip", "-n", &nodes.near, "link", "delete", "data"]);
        let ends = [&nodes.near, &nodes.far, &third.0];
        cable("ssh1", ends[0], ends[2]);
        for (end, number) in [(ends[0], 1), (ends[2], 3)] {
            tool(&["ip", "-n", end, "address", "add", &format!("10.76.1.{number}/24"), "dev", "ssh1"]);
        }
        for (number, end) in (1..).zip(ends) {
            tool(&["ip", "-n", end, "address", "add", &format!("10.81.0.{number}/32"), "dev", "lo"]);
        }
        for (name, from, to) in [("ab", 0, 1), ("ac", 0, 2), ("bc", 1, 2)] {
            cable(name, ends[from], ends[to]);
            for (own, other) in [(from, to), (to, from)] {
                tool(&["ip", "-n", ends[own], "link", "set", name, "mtu", "9000"]);
                let (own_address, other_address) = (format!("10.81.0.{}", own + 1), format!("10.81.0.{}/32", other + 1));
                tool(&["ip", "-n", ends[own], "route", "add", &other_address, "dev", name, "src", &own_address]);
            }
        }
        let pair = Pair::among(nodes, Some((third.0.clone(), "10.76.1.3")), "10.81.0", "");
        let gates = pair.path("site/gates");
        fs::create_dir_all(&gates).expect("makes");
        fs::write(gates.join("phase-02.toml"), GATE).expect("writes");
        Self { pair, third }
    }

    /// The scenario of the catalogue, once and shorter, and the tables of its report.
    fn run(&self) -> (Value, String) {
        let path = self.pair.reduced("path-quality", &[("repeats", "1"), ("runtime", "\"3s\""), ("ramp_time", "\"500ms\"")]);
        let run = self.pair.assay(&["run", &path, "--nodes", "a,b,c"]);
        let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        let stored = self.pair.stored("path-quality");
        assert_eq!(stored["nodes"], serde_json::json!(["a", "b", "c"]), "{said}");
        (stored, self.report())
    }

    fn report(&self) -> String {
        self.report_of("path-quality")
    }

    /// The report of the one run of a scenario.
    pub(crate) fn report_of(&self, scenario: &str) -> String {
        let report = self.pair.path("report.html");
        let id = self.pair.run_of(scenario).file_name().expect("a name").to_string_lossy().into_owned();
        let said = self.pair.assay(&["report", &id, "-o", &report.display().to_string()]);
        fs::read_to_string(&report).unwrap_or_else(|error| panic!("{error}: {said:?}"))
    }

    /// The report of the same run as if nothing had disturbed it.
    fn undisturbed(&self) -> String {
        self.forget_disturbances("path-quality");
        self.report()
    }

    /// Takes out of a run what had disturbed it: how busy this machine was is not what is judged here.
    pub(crate) fn forget_disturbances(&self, scenario: &str) {
        let path = self.pair.run_of(scenario).join("journal.jsonl");
        let mut journal = Journal::read(fs::read(&path).expect("reads")).expect("a journal");
        for entry in &mut journal.entries {
            if let Event::Condition { step, condition } = &entry.event {
                entry.event = Event::Note { step: step.clone(), name: format!("disturbed {}", entry.seq), text: format!("{condition:?}") };
            }
        }
        let lines: String = journal.entries.iter().map(|entry| entry.encode().expect("a line")).collect();
        fs::write(&path, lines).expect("writes");
    }
}

/// A cable between two namespaces, both ends up.
fn cable(name: &str, from: &str, to: &str) {
    tool(&["ip", "link", "add", name, "netns", from, "type", "veth", "peer", "name", name, "netns", to]);
    for end in [from, to] {
        tool(&["ip", "-n", end, "link", "set", name, "up"]);
    }
    // Without a carrier at both ends nothing gets through.
    let is_up = |end: &str| tool(&["ip", "-n", end, "link", "show", name]).contains("state UP");
    until("both ends of the cable are up", Duration::from_secs(10), || is_up(from) && is_up(to));
}

/// The figures of a name by their way.
pub(crate) fn figures(run: &Value, name: &str) -> Vec<(String, f64)> {
    let metrics = run["steps"].as_array().expect("steps").iter().flat_map(|step| step["metrics"].as_array().expect("metrics").clone());
    let way = |dimensions: &Value| format!("{}-{}", dimensions["from"].as_str().expect("from"), dimensions["to"].as_str().expect("to"));
    let of_name = metrics.map(|metric| metric["fact"].clone()).filter(|fact| fact["name"] == name);
    of_name.map(|fact| (way(&fact["dimensions"]), fact["samples"][0].as_f64().expect("one"))).collect()
}

/// Whether something disturbed a step: then no figure of it passes, nor fails.
fn is_doubtful(run: &Value, step: &str) -> bool {
    let step = run["steps"].as_array().expect("steps").iter().find(|one| one["name"] == step).expect("the step");
    step["conditions"].as_array().is_some_and(|conditions| !conditions.is_empty())
}

/// A cell of the table from node by node: its way, the class that it is drawn with, and the word of its mark.
#[derive(Debug)]
struct Cell {
    way: String,
    class: String,
    mark: Option<String>,
}

/// The nine cells of the table of a figure.
fn table(page: &str, name: &str) -> Vec<Cell> {
    let bare = page.replace("<wbr>", "");
    let figure =
        bare.split("<figure").find(|figure| figure.contains(&format!("<b class=\"id\">{name}</b>"))).unwrap_or_else(|| panic!("no table of {name}"));
    let cell = |(at, text): (usize, &str)| Cell {
        way: format!("{}-{}", ["a", "b", "c"][at / 3], ["a", "b", "c"][at % 3]),
        class: text.split('"').next().expect("a class").to_owned(),
        mark: text.split("</svg>").nth(1).and_then(|rest| rest.split('<').next()).map(str::to_owned),
    };
    let cells: Vec<Cell> = figure.split("<td class=\"").skip(1).enumerate().map(cell).collect();
    assert_eq!(cells.len(), 9, "{name}: {figure}");
    for own in cells.iter().step_by(4) {
        assert!(own.class == "self" && own.mark.is_none(), "{name}: {own:?}");
    }
    cells
}

/// The ways whose cells say this word.
fn said<'c>(cells: &'c [Cell], word: &str) -> Vec<&'c str> {
    cells.iter().filter(|cell| cell.mark.as_deref() == Some(word)).map(|cell| cell.way.as_str()).collect()
}

/// The ways whose cells have this class.
fn drawn<'c>(cells: &'c [Cell], class: &str) -> Vec<&'c str> {
    cells.iter().filter(|cell| cell.class == class).map(|cell| cell.way.as_str()).collect()
}

pub(crate) fn ways(figures: &[(String, f64)]) -> Vec<&str> {
    figures.iter().map(|(way, _)| way.as_str()).collect()
}

/// All cells of both tables with a limit say what they must; where their step was disturbed, only once that is taken out, and neither pass nor fail before.
#[track_caller]
fn are_told(triangle: &Triangle, run: &Value, page: &str, bad: [&[&str]; 2]) {
    let undisturbed = triangle.undisturbed();
    for (name, step, all, bad) in [("path.mtu.bytes", "mtu", &WAYS[..], bad[0]), ("net.rtt.idle.lost_share", "idle", &ROUND, bad[1])] {
        if is_doubtful(run, step) {
            let cells = table(page, name);
            assert_eq!(said(&cells, "inconclusive"), all, "{name}: {cells:?}");
            assert!(said(&cells, "pass").is_empty() && said(&cells, "fail").is_empty(), "{name}: {cells:?}");
        }
        let cells = table(&undisturbed, name);
        let good: Vec<&str> = all.iter().copied().filter(|way| !bad.contains(way)).collect();
        assert_eq!((said(&cells, "fail"), said(&cells, "pass")), (bad.to_vec(), good), "{name}: {cells:?}");
    }
    for name in ["net.rtt.idle.p50", "net.rtt.loaded.p50"] {
        let cells = table(page, name);
        // Asked from one end of a pair, they are known from both: six cells of three figures.
        assert_eq!(drawn(&cells, "mirrored"), ["b-a", "c-a", "c-b"], "{name}: {cells:?}");
        assert!(said(&cells, "fail").is_empty() && drawn(&cells, "unmeasured").is_empty(), "{name}: {cells:?}");
    }
}

#[test]
fn each_of_three_nodes_is_measured_with_each_and_a_way_that_is_narrow_or_slow_is_told_of_itself_alone() {
    let triangle = Triangle::new();
    let (healthy, page) = triangle.run();
    assert_eq!(healthy["ended"], "completed", "{healthy}");
    let mtu = figures(&healthy, "path.mtu.bytes");
    assert!(ways(&mtu) == WAYS && mtu.iter().all(|(_, bytes)| (bytes - 9000.0).abs() < 0.5), "{mtu:?}");
    for name in ["net.rtt.idle.p50", "net.rtt.idle.lost_share", "net.rtt.loaded.p50"] {
        assert_eq!(ways(&figures(&healthy, name)), ROUND, "{name}");
    }
    are_told(&triangle, &healthy, &page, [&[], &[]]);
    fs::remove_dir_all(triangle.pair.path("runs")).expect("removes");

    // Between b and c smaller packets alone pass, in both directions; from c to a two thirds of the answers.
    for end in [&triangle.pair.nodes.far, &triangle.third.0] {
        tool(&["ip", "-n", end, "link", "set", "bc", "mtu", "1500"]);
    }
    tool(&["tc", "-n", &triangle.third.0, "qdisc", "add", "dev", "ac", "root", "tbf", "rate", "700kbit", "burst", "10kb", "limit", "20kb"]);
    let (planted, page) = triangle.run();
    assert_eq!(planted["ended"], "completed", "{planted}");
    for (way, bytes) in figures(&planted, "path.mtu.bytes") {
        let expected = if ["b-c", "c-b"].contains(&way.as_str()) { 1500.0 } else { 9000.0 };
        assert!((bytes - expected).abs() < 0.5, "{way}: {bytes}");
    }
    are_told(&triangle, &planted, &page, [&["b-c", "c-b"], &["a-c"]]);
    let narrow = table(&page, "path.mtu.bytes");
    assert_eq!((drawn(&narrow, "shade4"), drawn(&narrow, "best")), (vec!["b-c", "c-b"], vec!["a-b", "a-c", "b-a", "c-a"]), "{narrow:?}");
    // The queue before what is too slow is full; whatever a busy machine does to the others, it is far behind them.
    let idle = figures(&planted, "net.rtt.idle.p50");
    let of = |which: &str| idle.iter().find(|(way, _)| way == which).expect("a figure").1;
    assert!(of("a-c") > 3.0 * of("a-b").max(of("b-c")), "{idle:?}");
    let slow = table(&page, "net.rtt.idle.p50");
    assert!(drawn(&slow, "shade4").contains(&"a-c"), "{slow:?}");
    until("the agents are gone", Duration::from_secs(20), || triangle.pair.left().is_empty());
}

#[test]
fn a_way_that_is_dead_is_named_and_no_other_one_is_accused() {
    let triangle = Triangle::new();
    tool(&["ip", "-n", &triangle.third.0, "link", "set", "bc", "down"]);
    let (stored, page) = triangle.run();
    let ended = stored["ended"].to_string();
    assert!(ended.contains("path.mtu@b-c: nothing gets there"), "{stored}");
    for other in WAYS.iter().filter(|way| **way != "b-c") {
        assert!(!ended.contains(&format!("@{other}")), "{other}: {ended}");
    }
    // What is not measured is neither good nor bad, and the gate does not pass.
    assert!(page.contains("between a, b, c has no figure: it failed") && !page.contains("<table class=\"heat\">"), "{ended}");
    let gate = triangle.pair.assay(&["gate", "2", "--format", "json"]);
    let gate: Value = serde_json::from_slice(&gate.stdout).unwrap_or_else(|error| panic!("{error}: {gate:?}"));
    let verdicts: Vec<&str> = gate["checks"].as_array().expect("checks").iter().filter_map(|check| check["verdict"].as_str()).collect();
    assert!(!verdicts.is_empty() && verdicts.iter().all(|verdict| *verdict == "inconclusive"), "{gate}");
    until("the agents are gone", Duration::from_secs(20), || triangle.pair.left().is_empty());
}
