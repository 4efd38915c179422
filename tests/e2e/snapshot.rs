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
    let components = |snapshot: &str| inventory(&assay.run(&["--snapshot", snapshot, "inventory", "--format", "json"]).stdout).components.len();
    // Other tests plug and unplug devices: what is there before and afterwards is there in between.
    let alike = (0..20).find_map(|_| {
        assert_eq!(assay.run(&["snapshot", "--redact", "-o", "redacted.snap"]).code, 0);
        assert_eq!(assay.run(&["snapshot", "-o", "after.snap"]).code, 0);
        let (before, between, after) = (components("plain.snap"), components("redacted.snap"), components("after.snap"));
        std::fs::rename(assay.folder().join("after.snap"), assay.folder().join("plain.snap")).expect("renames");
        (before == after).then_some((before, between))
    });
    let (plain, redacted) = alike.expect("a moment at which nothing changes");
    assert_eq!(redacted, plain);
}

#[test]
fn a_hostile_name_does_not_act_on_the_terminal() {
    let assay = Assay::new();
    assert_eq!(assay.run(&["snapshot", "-o", "a.snap"]).code, 0);
    let text = std::fs::read_to_string(assay.folder().join("a.snap")).expect("reads");
    let line = text.lines().find(|line| line.starts_with("/proc/sys/kernel/hostname")).expect("the host has a name");
    let (path, _) = line.split_once(": ").expect("a value");
    let hostile = text.replacen(line, &format!("{path}: \u{202e}evil\u{9b}31m"), 1);
    std::fs::write(assay.folder().join("hostile.snap"), hostile).expect("writes");
    for words in [&["inventory"][..], &["verify"], &["gate", "1"], &["bom", "limits"]] {
        let mut all = vec!["--snapshot", "hostile.snap"];
        all.extend(words);
        let answer = assay.run(&all);
        assert!([0, 1, 2, 3].contains(&answer.code), "{words:?}: {}", answer.stderr);
        let said = format!("{}{}", answer.stdout, answer.stderr);
        assert!(!said.contains(['\u{1b}', '\u{9b}', '\u{202e}']), "{words:?}: {said}");
    }
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

#[test]
fn an_old_snapshot_is_not_judged_as_if_it_were_of_today() {
    let assay = Assay::new();
    assert_eq!(assay.run(&["snapshot", "-o", "a.snap"]).code, 0);
    let text = std::fs::read_to_string(assay.folder().join("a.snap")).expect("reads");
    let line = text.lines().find(|line| line.starts_with("time: ")).expect("a time");
    std::fs::write(assay.folder().join("old.snap"), text.replacen(line, "time: 2020-01-01T00:00:00Z", 1)).expect("writes");
    let old = assay.run(&["--snapshot", "old.snap", "verify", "--format", "json"]);
    assert_ne!(old.json()["verdict"], "pass");
    assert_eq!(inventory(&assay.run(&["--snapshot", "old.snap", "inventory", "--format", "json"]).stdout).taken_at, "2020-01-01T00:00:00Z");
    // A piece of it, without its head, is no snapshot at all.
    let piece: String = text.lines().skip(7).map(|line| format!("{line}\n")).collect();
    std::fs::write(assay.folder().join("piece.snap"), piece).expect("writes");
    assert_eq!(assay.run(&["--snapshot", "piece.snap", "inventory"]).code, 2);
}
