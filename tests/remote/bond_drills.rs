//! Every drill of the catalogue that a member of a bond fails in, with a shorter fault, on the stand-in for bonds whose LACP state follows the frames that are heard.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;

use crate::namespaces::{inside, tool};
use crate::pair::Pair;
use crate::sshd::{pause, until};
use crate::stand_in::lacp::{follow, partners};
use crate::stand_in::{CABLES, bonded, say, switches};

const SOON: Duration = Duration::from_secs(60);
/// The drills that a test below runs, by what they break.
const DRILLED: [&str; 5] = ["by-hand", "lacp-slow", "link-down", "silent-link", "switch-loss"];
/// What tells the outages of a drill in which each node's members fail, one after the other.
const EACH_MEMBER: [&str; 4] = ["a-b data", "a-b data2", "b-a data", "b-a data2"];

/// Runs a drill of the catalogue while both nodes hear LACP and their switches; its outages, with what tells them apart, in nanoseconds.
#[track_caller]
fn outages(name: &str, family: &str, hold: &str, by_hand: impl FnOnce(&Pair)) -> Vec<(String, f64)> {
    let pair = bonded();
    let _partners = partners(&pair);
    let _switches = switches(&pair, [1, 2], [1, 2]);
    let is_over = AtomicBool::new(false);
    let scenario = pair.reduced(name, &[("hold", hold)]);
    let run = std::thread::scope(|scope| {
        let _over = Over(&is_over);
        scope.spawn(|| follow(&pair, &is_over));
        let run = scope.spawn(|| pair.assay(&["drill", &scenario, "--nodes", "a,b"]));
        by_hand(&pair);
        run.join().expect("it ends")
    });
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    let stored = pair.stored(name);
    // A busy machine makes figures doubtful, and nothing else.
    assert!([0, 3].contains(&run.status.code().expect("a status")) && stored["ended"] == "completed", "{said}{stored}");
    // It ends whole: links, disciplines, agents.
    for namespace in [&pair.nodes.near, &pair.nodes.far] {
        for (cable, _) in CABLES {
            assert!(tool(&["ip", "-n", namespace, "link", "show", cable]).contains("state UP"), "{name}: {cable}");
            assert!(!tool(&["tc", "-n", namespace, "qdisc", "show", "dev", cable]).contains("clsact"), "{name}: {cable}");
        }
    }
    let journal = fs::read_to_string(pair.run_of(name).join("journal.jsonl")).expect("a journal");
    let acts = |act: &str| journal.matches(act).count();
    assert!(acts("\"fault_injected\"") == acts("\"fault_healed\"") && acts("\"fault_armed\"") == acts("\"fault_healed\""), "{journal}");
    until("the agents are gone", SOON, || pair.left().is_empty());
    let metrics = stored["steps"][0]["metrics"].as_array().expect("metrics").iter().map(|metric| &metric["fact"]);
    let which = |dimensions: &Value| {
        let word = |name: &str| dimensions[name].as_str().unwrap_or_default().to_owned();
        format!("{}-{} {}{}", word("from"), word("to"), word("port"), word("chassis"))
    };
    let of_family = metrics.filter(|fact| fact["name"] == format!("{family}.outage"));
    of_family.map(|fact| (which(&fact["dimensions"]), fact["samples"][0].as_f64().expect("a sample"))).collect()
}

fn nobody(_: &Pair) {}

/// Ends who follows, also where the test fails before.
struct Over<'a>(&'a AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// They are these, and each is shorter than the fault: the other member carries on meanwhile.
#[track_caller]
fn are_bridged(outages: &[(String, f64)], expected: &[&str], hold_ns: f64) {
    assert_eq!(outages.iter().map(|(which, _)| which.as_str()).collect::<Vec<_>>(), expected);
    assert!(outages.iter().all(|(_, ns)| *ns < hold_ns), "{outages:?}");
}

#[test]
fn each_drill_of_the_catalogue_for_bonds_is_one_of_those_below() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/catalog");
    let texts = fs::read_dir(folder).expect("the catalogue").map(|entry| fs::read_to_string(entry.expect("an entry").path()).expect("reads"));
    let outages = texts.filter(|text| text.contains("measure = \"outage\""));
    let mut faults: Vec<String> = outages
        .flat_map(|text| text.split("fault = \"").skip(1).map(|rest| rest.split('"').next().expect("ends").to_owned()).collect::<Vec<_>>())
        .collect();
    faults.sort_unstable();
    assert_eq!(faults, DRILLED);
}

#[test]
fn bond_failover_costs_less_than_the_time_for_which_each_member_is_down() {
    are_bridged(&outages("bond-failover", "bond.failover", "\"4s\"", nobody), &EACH_MEMBER, 4e9);
}

#[test]
fn bond_silent_costs_as_long_as_lacp_takes_and_less_than_the_silence() {
    let outages = outages("bond-silent", "bond.silent", "\"8s\"", nobody);
    are_bridged(&outages, &EACH_MEMBER, 8e9);
    // Nothing but the partner's silence shows it: never at once.
    assert!(outages.iter().all(|(_, ns)| *ns > 1e9), "{outages:?}");
}

#[test]
fn bond_lacp_slow_costs_less_than_the_silence_of_the_partner() {
    are_bridged(&outages("bond-lacp-slow", "bond.lacp_slow", "\"6s\"", nobody), &EACH_MEMBER, 6e9);
}

#[test]
fn bond_switch_loss_costs_less_than_the_time_for_which_each_switch_is_dead() {
    let each_switch = ["a-b mac 02:00:00:00:59:01", "a-b mac 02:00:00:00:59:02"];
    are_bridged(&outages("bond-switch-loss", "bond.switch_loss", "\"4s\"", nobody), &each_switch, 4e9);
}

#[test]
fn bond_by_hand_sees_the_cable_that_somebody_pulls_and_puts_back() {
    let pull = |pair: &Pair| {
        let sent = || -> u64 {
            let read = inside(&pair.nodes.near, || fs::read_to_string("/proc/thread-self/net/dev").expect("reads"));
            let line = read.lines().find(|line| line.trim().starts_with("data:")).expect("its counters").to_owned();
            line.split_whitespace().nth(10).and_then(|packets| packets.parse().ok()).expect("a count")
        };
        let before = sent();
        // A packet a millisecond in each flow; LACP and LLDP alone take minutes for as many. Then what it carries is counted for a while, and it watches.
        until("the stream goes", SOON, || sent() > before + 2000);
        pause(6000);
        say(pair, "a", "data", "mii_status", "down");
        tool(&["ip", "-n", &pair.nodes.near, "link", "set", "data", "down"]);
        pause(1500);
        tool(&["ip", "-n", &pair.nodes.near, "link", "set", "data", "up"]);
        say(pair, "a", "data", "mii_status", "up");
    };
    are_bridged(&outages("bond-by-hand", "bond.by_hand", "\"12s\"", pull), &["a-b data"], 12e9);
}
