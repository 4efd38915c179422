//! A switch that dies for both nodes at one moment, on a stand-in for bonds: what is measured, what is refused, and that both nodes are whole whoever is killed.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::namespaces::tool;
use crate::pair::Pair;
use crate::sshd::{kill, until};
use crate::stand_in::{CABLES, bonded, say, switches};

const SOON: Duration = Duration::from_secs(20);
const LOSS: &str = r#"
[[step]]
name = "loss"
describe = "each switch dies"
[[step.net]]
measure = "outage"
fault = "switch-loss"
hold = "HOLD"
"#;

/// Whether a cable is set up at both nodes, at none of them, or at one.
fn ends_up(pair: &Pair, cable: &str) -> [bool; 2] {
    [&pair.nodes.near, &pair.nodes.far].map(|namespace| tool(&["ip", "-n", namespace, "link", "show", cable]).contains(",UP"))
}

fn all_up(pair: &Pair) -> bool {
    CABLES.iter().all(|(cable, _)| ends_up(pair, cable) == [true; 2])
}

fn journal(pair: &Pair, scenario: &str) -> String {
    std::fs::read_to_string(pair.run_of(scenario).join("journal.jsonl")).expect("a journal")
}

/// How often each act of a fault stands in the journal: armed, injected, healed.
fn acts(pair: &Pair, scenario: &str) -> [usize; 3] {
    let journal = journal(pair, scenario);
    ["\"fault_armed\"", "\"fault_injected\"", "\"fault_healed\""].map(|act| journal.matches(act).count())
}

#[test]
fn each_switch_dies_once_for_both_nodes_at_one_moment_and_the_other_carries_on() {
    let pair = bonded();
    let _switches = switches(&pair, [1, 2], [1, 2]);
    let scenario = pair.scenario("loss", &LOSS.replace("HOLD", "1500ms"));
    let run = pair.assay(&["drill", &scenario, "--nodes", "a,b"]);
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let stored = pair.stored("loss");
    assert!([0, 3].contains(&run.status.code().expect("a status")) && stored["ended"] == "completed", "{said}{stored}");
    let step = &stored["steps"][0];
    let outages: Vec<(String, f64)> = step["metrics"]
        .as_array()
        .expect("metrics")
        .iter()
        .filter(|metric| metric["fact"]["name"] == "bond.switch_loss.outage")
        .map(|metric| (metric["fact"]["dimensions"]["chassis"].to_string(), metric["fact"]["samples"][0].as_f64().expect("a sample")))
        .collect();
    let chassis: Vec<&str> = outages.iter().map(|(chassis, _)| chassis.as_str()).collect();
    assert_eq!(chassis, ["\"mac 02:00:00:00:59:01\"", "\"mac 02:00:00:00:59:02\""], "{said}");
    // The other cable takes over at once, as far as this machine is not busy.
    assert!(outages.iter().all(|(_, ns)| *ns < 1.4e9), "{outages:?}");
    let notes = step["notes"].to_string();
    assert!(notes.contains("switch-loss of leaf-1") && notes.contains("a data, b data: 2 nodes lost it within"), "{notes}");
    assert!(notes.contains("last good") || notes.contains("no gap"), "{notes}");
    assert_eq!(acts(&pair, "loss"), [4, 4, 4]);
    // Both are armed before either is injected.
    let journal = journal(&pair, "loss");
    let second = journal.match_indices("\"fault_armed\"").nth(1).expect("two").0;
    assert!(second < journal.find("\"fault_injected\"").expect("injected"), "{journal}");
    for id in ["a-switch-loss-0", "b-switch-loss-0", "a-switch-loss-1", "b-switch-loss-1"] {
        assert!(journal.contains(id), "{id}");
    }
    assert!(all_up(&pair));
    until("the agents are gone", SOON, || pair.left().is_empty());
}

#[test]
fn no_switch_is_lost_where_it_is_not_known_what_leads_to_it_or_a_node_would_be_cut_off() {
    let pair = bonded();
    let refused = |name: &str, part: &str| {
        let scenario = pair.scenario(name, &LOSS.replace("HOLD", "1s"));
        let run = pair.assay(&["drill", &scenario, "--nodes", "a,b"]);
        let stored = pair.stored(name);
        assert!(run.status.code() == Some(3) && stored["ended"].to_string().contains(part), "{part}: {stored}");
        assert_eq!(acts(&pair, name)[1], 0, "{part}: nothing was broken");
        assert!(all_up(&pair), "{part}");
        acts(&pair, name)
    };
    for (name, a, b, part) in [
        ("one-switch", [1, 2], [1, 1], "every member of bond0 on b leads to the chassis mac 02:00:00:00:59:01: the node would be cut off"),
        ("one-node", [1, 2], [1, 3], "no member of bond0 on b leads to the chassis mac 02:00:00:00:59:02, which a is behind"),
    ] {
        let _switches = switches(&pair, a, b);
        assert_eq!(refused(name, part), [0; 3]);
    }
    let _switches = switches(&pair, [1, 2], [1, 2]);
    say(&pair, "b", "data2", "ad_partner_oper_port_state", "55");
    assert_eq!(refused("degraded", "on b data2 of bond0 carries nothing"), [0; 3]);
    say(&pair, "b", "data2", "ad_partner_oper_port_state", "63");
    // What the second node refuses disarms the first.
    pair.nodes.ip(&["route", "add", "default", "via", "10.77.0.1"]);
    assert_eq!(refused("lifeline", "the only IPv4 default route goes over it"), [1, 0, 1]);
    pair.nodes.ip(&["route", "delete", "default"]);
    drop(_switches);
    assert_eq!(refused("silence", "is not known: nobody announced itself by LLDP"), [0; 3]);
    until("the agents are gone", SOON, || pair.left().is_empty());
}

#[test]
fn nodes_without_bonds_lose_no_switch() {
    let pair = Pair::new();
    let scenario = pair.scenario("no-bond", &LOSS.replace("HOLD", "1s"));
    let run = pair.assay(&["drill", &scenario, "--nodes", "a,b"]);
    let stored = pair.stored("no-bond");
    assert!(run.status.code() == Some(3) && stored["ended"].to_string().contains("is carried by no bond"), "{stored}");
    assert_eq!(acts(&pair, "no-bond"), [0; 3]);
}

#[test]
fn a_switch_loss_whose_assay_is_killed_heals_at_both_nodes_and_a_resumed_one_begins_anew() {
    let pair = bonded();
    let _switches = switches(&pair, [1, 2], [1, 2]);
    let scenario = pair.scenario("killed", &LOSS.replace("HOLD", "60s"));
    let mut drill = pair.begin(&["drill", &scenario, "--nodes", "a,b"]);
    let down = || ends_up(&pair, "data") == [false; 2];
    until("the switch is dead for both", SOON, down);
    assert_eq!(ends_up(&pair, "data2"), [true; 2]);
    until("that stands in the journal", SOON, || acts(&pair, "killed")[1] == 2);
    kill(drill.id(), "KILL");
    drill.wait().expect("ends");
    until("both nodes are whole", SOON, || all_up(&pair));
    until("the agents are gone", SOON, || pair.left().is_empty());
    assert_eq!(acts(&pair, "killed"), [2, 2, 0]);
    let mut resumed = pair.begin(&["run", "--resume"]);
    until("what was left is healed", SOON, || acts(&pair, "killed")[2] == 2);
    until("the switch is dead again", SOON, down);
    kill(resumed.id(), "TERM");
    resumed.wait().expect("ends");
    assert!(all_up(&pair), "a drill that is told to stop heals first");
    assert_eq!(acts(&pair, "killed")[2], 4);
    until("the agents are gone", SOON, || pair.left().is_empty());
}

#[test]
fn where_one_node_is_whole_too_early_the_other_is_healed_and_nothing_is_said_of_the_outage() {
    let pair = bonded();
    let _switches = switches(&pair, [1, 2], [1, 2]);
    let scenario = pair.scenario("early", &LOSS.replace("HOLD", "60s"));
    let mut drill = pair.begin(&["drill", &scenario, "--nodes", "a,b"]);
    until("the switch is dead for both", SOON, || ends_up(&pair, "data") == [false; 2]);
    until("that stands in the journal", SOON, || acts(&pair, "early")[1] == 2);
    let watchdogs: Vec<u32> = tool(&["ip", "netns", "pids", &pair.nodes.far])
        .lines()
        .filter_map(|pid| pid.parse().ok())
        .filter(|pid: &u32| std::fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|line| line.contains("--watchdog")))
        .collect();
    assert_eq!(watchdogs.len(), 1, "the watchdog of b");
    let begin = Instant::now();
    kill(watchdogs[0], "KILL");
    drill.wait().expect("ends");
    assert!(begin.elapsed() < Duration::from_secs(30), "it does not wait for the end of a minute: {:?}", begin.elapsed());
    let stored: Value = pair.stored("early");
    assert!(stored["ended"].to_string().contains("its watchdog is gone"), "{stored}");
    assert!(!stored.to_string().contains("bond.switch_loss.outage"), "{stored}");
    assert!(all_up(&pair));
    assert_eq!(acts(&pair, "early"), [2, 2, 2]);
    until("the agents are gone", SOON, || pair.left().is_empty());
}
