//! Reference nodes against commands: what each answers is written down here, so that a change of any verdict is seen.

use std::collections::BTreeSet;

use assay_model::outcome::Outcome;
use assay_model::verdict::Rank;

use crate::command::{Assay, repository};

/// Exit status of `verify`, `gate 1 --reuse-none` and `verify --site sites/pve1`, by node. The gate is held everywhere: nothing was run. By the order
/// of pve1 as written the nodes that are like it fail for the address of corosync alone, which its operators did not declare; the others fail for what they are.
const NODES: &[(&str, [i32; 3])] = &[
    ("pve1-node1", [0, 3, 1]),
    ("pve1-one-socket", [0, 3, 1]),
    ("pve1-burn-in", [0, 3, 1]),
    ("pve1-pinned", [0, 3, 1]),
    ("pve1-draid", [0, 3, 1]),
    ("generic-laptop", [0, 3, 1]),
    ("cloud-vm", [0, 3, 1]),
];

#[test]
fn every_reference_node_answers_every_command_as_written_down() {
    let assay = Assay::new();
    let pve1 = concat!(env!("CARGO_MANIFEST_DIR"), "/sites/pve1");
    let mut seen = Vec::new();
    for (node, _) in NODES {
        let file = format!("{node}.snap");
        assert_eq!(assay.run(&["selftest", "--write-node", node, &file]).code, 0, "{node}");
        for words in [&["inventory"][..], &["bom", "draft"], &["bom", "limits"]] {
            let all: Vec<&str> = ["--snapshot", file.as_str()].into_iter().chain(words.iter().copied()).collect();
            assert_eq!(assay.run(&all).code, 0, "{node} {words:?}");
        }
        let code = |words: &[&str]| assay.run(&[&["--snapshot", file.as_str()], words].concat()).code;
        seen.push((*node, [code(&["verify"]), code(&["gate", "1", "--reuse-none"]), code(&["--site", pve1, "verify"])]));
    }
    assert_eq!(seen, NODES);
    let answer = assay.run(&["--snapshot", "pve1-node1.snap", "--site", pve1, "verify", "--format", "json"]);
    let outcome: Outcome = serde_json::from_str(&answer.stdout).expect("an outcome");
    let failed: Vec<&str> = outcome.checks.iter().filter(|check| check.verdict == Rank::Fail).map(|check| check.id.as_str()).collect();
    assert_eq!(failed, ["vlan.host_addresses"]);
    // What does not apply holds the gate of a site that ordered it: on a healthy node nothing of a gate may.
    let unasked: BTreeSet<&str> = outcome.checks.iter().filter(|check| check.verdict == Rank::NotApplicable).map(|check| check.id.as_str()).collect();
    assert_eq!(unasked, BTreeSet::from(["cpu.numa_nodes", "throttle.none"]));
}

/// What the virtual node of `ci/lab` answered after a clean boot, recorded by `ASSAY_LAB_RECORD=tests/lab/recorded.snap ci/lab/check` and not changed since but for its date:
/// real answers of a kernel to every probe, judged without booting anything. What it is accused of is what QEMU cannot be (`ALWAYS` in tests/lab).
#[test]
fn the_recorded_virtual_node_is_accused_of_what_an_emulator_cannot_be() {
    let assay = Assay::new();
    let recorded = std::fs::read_to_string(repository("tests/lab/recorded.snap")).expect("the snapshot is in the repository");
    let site = &repository("ci/lab/site");
    let file = "recorded.snap";
    let dated = |time: &str| -> String {
        let date = |line: &str| if line.starts_with("time: ") { format!("time: {time}\n") } else { line.to_owned() };
        recorded.split_inclusive('\n').map(date).collect()
    };
    std::fs::write(assay.folder().join(file), dated("2026-11-01T00:00:00Z")).expect("written");
    let stale = assay.run(&["--snapshot", file, "--site", site, "verify"]);
    assert_eq!(stale.code, 3, "what was seen weeks ago proves nothing of today: {}", stale.stdout);
    std::fs::write(assay.folder().join(file), dated(&jiff::Timestamp::now().to_string())).expect("written");
    let answer = assay.run(&["--snapshot", file, "--site", site, "verify", "--format", "json"]);
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    let outcome: Outcome = serde_json::from_str(&answer.stdout).expect("an outcome");
    let ids = |rank: Rank| -> BTreeSet<&str> { outcome.checks.iter().filter(|check| check.verdict == rank).map(|check| check.id.as_str()).collect() };
    assert_eq!(ids(Rank::Fail), BTreeSet::from(["clock.synchronised", "memory.total_plausible", "nvme.firmware_slot", "pcie.payload_size"]));
    let unknown = ids(Rank::Inconclusive);
    assert!(unknown.is_superset(&BTreeSet::from(["nvme.health", "nvme.self_test", "nvme.ocp_health", "bmc.health"])), "{unknown:?}");
    let of = |id: &str| outcome.checks.iter().filter(|check| check.id == id && check.verdict == Rank::Pass).count();
    assert_eq!(
        [of("nvme.capacity"), of("nvme.link_speed"), of("nvme.live"), of("bond.one_aggregator"), of("bond.switch_diversity"), of("dimm.rated_speed")],
        [12, 14, 14, 1, 1, 24]
    );
}
