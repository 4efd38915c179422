//! A snapshot is the machine: what is probed from it equals what is probed live, and a redacted one names nobody.

use assay_model::inventory::Inventory;

use crate::command::Assay;

fn inventory(text: &str) -> Inventory {
    serde_json::from_str(text).expect("an inventory")
}

#[test]
fn the_inventory_of_a_snapshot_equals_the_live_one() {
    let assay = Assay::new();
    let taken = assay.run(&["snapshot", "-o", "a.snap"]);
    assert_eq!(taken.code, 0, "{}", taken.stderr);
    let live = inventory(&assay.run(&["inventory", "--format", "json"]).stdout);
    let replayed = inventory(&assay.run(&["--snapshot", "a.snap", "inventory", "--format", "json"]).stdout);
    assert!(live.components.len() > 3, "a machine has a CPU, memory and an OS");
    assert_eq!(live.without_volatile(), replayed.without_volatile());
}

#[test]
fn a_redacted_snapshot_names_nobody_and_still_probes() {
    let assay = Assay::new();
    assert_eq!(assay.run(&["snapshot", "-o", "plain.snap"]).code, 0);
    assert_eq!(assay.run(&["snapshot", "--redact", "-o", "redacted.snap"]).code, 0);
    let redacted = std::fs::read_to_string(assay.folder().join("redacted.snap")).expect("reads");
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").expect("reads").trim().to_owned();
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("reads").trim().to_owned();
    assert!(!redacted.contains(&boot), "the boot id survived");
    for entry in std::fs::read_dir("/sys/class/net").expect("lists") {
        let mac = std::fs::read_to_string(entry.expect("an entry").path().join("address")).unwrap_or_default().trim().to_owned();
        assert!(mac.is_empty() || mac == "00:00:00:00:00:00" || !redacted.contains(&mac), "{mac} survived");
    }
    // A host that is called `vm` or `localhost` is in words that are not its name.
    assert!(host.len() < 5 || host == "localhost" || !redacted.contains(&host), "{host} survived");
    let answer = assay.run(&["--snapshot", "redacted.snap", "inventory", "--format", "json"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    let plain = inventory(&assay.run(&["--snapshot", "plain.snap", "inventory", "--format", "json"]).stdout);
    assert_eq!(inventory(&answer.stdout).components.len(), plain.components.len());
}

#[test]
fn a_torn_snapshot_is_refused_with_its_line() {
    let assay = Assay::new();
    assert_eq!(assay.run(&["snapshot", "-o", "a.snap"]).code, 0);
    let text = std::fs::read_to_string(assay.folder().join("a.snap")).expect("reads");
    std::fs::write(assay.folder().join("torn.snap"), &text[..text.len() / 2]).expect("writes");
    let answer = assay.run(&["--snapshot", "torn.snap", "inventory"]);
    assert_eq!(answer.code, 2, "half a snapshot read as a whole one: {}", answer.stdout);
    assert!(answer.stderr.contains("torn.snap") && answer.stderr.contains("line"), "{}", answer.stderr);
}
