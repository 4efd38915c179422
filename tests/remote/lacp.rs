//! A partner that speaks too seldom, on a stand-in for bonds whose state follows the LACP frames that it hears: the member leaves with its link up and comes back, and
//! where nothing changes in the state nothing was broken.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::namespaces::tool;
use crate::pair::Pair;
use crate::sshd::until;
use crate::stand_in::lacp::{follow, partners};
use crate::stand_in::{CABLES, bonded, say};

const SOON: Duration = Duration::from_secs(20);
const SLOW: &str = r#"
[[step]]
name = "slow"
describe = "each partner is silent"
[[step.net]]
measure = "outage"
fault = "lacp-slow"
hold = "6s"
"#;

#[test]
fn a_partner_that_is_silent_too_long_costs_the_member_its_place_and_not_its_link() {
    let pair = bonded();
    let _partners = partners(&pair);
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| follow(&pair, &is_over));
        let scenario = pair.scenario("slow", SLOW);
        let run = pair.assay(&["drill", &scenario, "--nodes", "a,b"]);
        is_over.store(true, Ordering::Relaxed);
        let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
        let stored = pair.stored("slow");
        assert!([0, 3].contains(&run.status.code().expect("a status")) && stored["ended"] == "completed", "{said}{stored}");
        let step = &stored["steps"][0];
        let metrics = step["metrics"].as_array().expect("metrics");
        let outages: Vec<&serde_json::Value> =
            metrics.iter().map(|metric| &metric["fact"]).filter(|fact| fact["name"] == "bond.lacp_slow.outage").collect();
        let of: Vec<String> = outages.iter().map(|fact| format!("{}{}", fact["dimensions"]["from"], fact["dimensions"]["port"])).collect();
        assert_eq!(of, ["\"a\"\"data\"", "\"a\"\"data2\"", "\"b\"\"data\"", "\"b\"\"data2\""], "{said}");
        // Far below the silence of six seconds: frames pass until the member leaves.
        assert!(outages.iter().all(|fact| fact["samples"][0].as_f64().is_some_and(|ns| ns < 2e9)), "{outages:?}");
        let notes = step["notes"].to_string();
        assert!(notes.contains("its partner's state is 55") && notes.contains("every member carried again"), "{notes}");
    });
    for namespace in [&pair.nodes.near, &pair.nodes.far] {
        for (cable, _) in CABLES {
            assert!(!tool(&["tc", "-n", namespace, "qdisc", "show", "dev", cable]).contains("clsact"));
        }
    }
    until("the agents are gone", SOON, || pair.left().is_empty());
}

#[test]
fn a_silence_that_changes_nothing_in_the_state_of_lacp_has_broken_nothing() {
    let pair = bonded();
    let _partners = partners(&pair);
    let refused = |name: &str, part: &str| {
        let scenario = pair.scenario(name, SLOW);
        let run = pair.assay(&["drill", &scenario, "--nodes", "a,b"]);
        let stored = pair.stored(name);
        assert!(run.status.code() == Some(3) && stored["ended"].to_string().contains(part), "{part}: {stored}");
        assert!(!stored.to_string().contains("bond.lacp_slow.outage"), "{stored}");
        std::fs::read_to_string(pair.run_of(name).join("journal.jsonl")).expect("a journal")
    };
    // Nobody follows what is heard here: the state stays.
    let journal = refused("kept", "lacp-slow of a data: the member kept its place in bond0: nothing was broken");
    assert!(journal.contains("fault_injected") && journal.contains("fault_healed"), "{journal}");
    say(&pair, "a", "data", "mii_status", "down");
    assert!(!refused("down", "data of bond0 carries nothing: its link is down").contains("fault_armed"));
    say(&pair, "a", "data", "mii_status", "up");
    std::fs::write(pair.path("fake-a/bond0/bonding/lacp_rate"), "slow 0\n").expect("writes");
    assert!(!refused("asked", "one that speaks every 30 s does as it was asked").contains("fault_armed"));
    let alone = Pair::new();
    let scenario = alone.scenario("alone", SLOW);
    assert_eq!(alone.assay(&["drill", &scenario, "--nodes", "a,b"]).status.code(), Some(3));
    assert!(alone.stored("alone")["ended"].to_string().contains("data is a member of no bond"));
    until("the agents are gone", SOON, || pair.left().is_empty());
}
