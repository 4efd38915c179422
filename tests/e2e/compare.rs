//! `assay compare` on recordings of this machine in which something was changed.

use assay_model::drift::{Consequence, Drift};

use crate::command::Assay;

/// A snapshot of this machine, and the same with `edit` done to its text.
fn pair(edit: impl FnOnce(String) -> String) -> Assay {
    let assay = Assay::new();
    assert_eq!(assay.run(&["snapshot", "-o", "a.snap"]).code, 0);
    let text = std::fs::read_to_string(assay.folder().join("a.snap")).expect("reads");
    std::fs::write(assay.folder().join("b.snap"), edit(text)).expect("writes");
    assay
}

fn replaced_line(text: &str, start: &str, line: &str) -> String {
    assert!(text.lines().any(|old| old.starts_with(start)), "the machine says nothing of {start}");
    text.lines().map(|old| if old.starts_with(start) { line } else { old }).map(|line| format!("{line}\n")).collect()
}

#[test]
fn a_machine_does_not_differ_from_itself() {
    let assay = pair(|text| text);
    // What this machine lets nobody read is in neither, and said.
    let answer = assay.run(&["compare", "a.snap", "b.snap", "--allow", "unknown", "--format", "json"]);
    assert_eq!(answer.code, 0, "{}", answer.stdout);
    let drift: Drift = serde_json::from_str(&answer.stdout).expect("a drift");
    assert!(drift.changes.iter().all(|change| change.consequence == Consequence::Unknown), "{drift:?}");
    let unallowed = assay.run(&["compare", "a.snap", "b.snap"]);
    assert_eq!(unallowed.code, if drift.changes.is_empty() { 0 } else { 3 }, "{}", unallowed.stdout);
    assert_eq!(unallowed.stdout.contains("no difference"), drift.changes.is_empty(), "{}", unallowed.stdout);
}

#[test]
fn another_kernel_is_firmware_and_may_be_allowed() {
    let assay = pair(|text| replaced_line(&text, "/proc/sys/kernel/osrelease: ", "/proc/sys/kernel/osrelease: 99.1.0-assay"));
    let answer = assay.run(&["compare", "a.snap", "b.snap", "--format", "json"]);
    assert_eq!(answer.code, 1, "{}", answer.stderr);
    let drift: Drift = serde_json::from_str(&answer.stdout).expect("a drift");
    assert!(drift.changes.iter().any(|change| change.consequence == Consequence::Firmware && change.after.starts_with("99.1.0")), "{drift:?}");
    assert_eq!(assay.run(&["compare", "--allow", "firmware,setting,unknown", "a.snap", "b.snap"]).code, 0);
}

#[test]
fn what_cannot_be_read_any_more_is_unclear_and_not_the_same() {
    let assay = pair(|text| replaced_line(&text, "/proc/sys/kernel/osrelease: ", "/proc/sys/kernel/osrelease error: EIO"));
    let answer = assay.run(&["compare", "a.snap", "b.snap"]);
    assert_eq!(answer.code, 3, "{}", answer.stdout);
    assert!(answer.stdout.contains("unreadable"), "{}", answer.stdout);
}

#[test]
fn what_can_be_read_in_neither_is_unclear_and_not_the_same() {
    let blind = |text: &str| replaced_line(text, "/proc/sys/kernel/osrelease: ", "/proc/sys/kernel/osrelease error: EIO");
    let assay = pair(|text| blind(&text));
    std::fs::copy(assay.folder().join("b.snap"), assay.folder().join("a.snap")).expect("copies");
    let answer = assay.run(&["compare", "a.snap", "b.snap"]);
    assert_eq!(answer.code, 3, "{}", answer.stdout);
    assert!(answer.stdout.contains("unknown (") && !answer.stdout.contains("no difference"), "{}", answer.stdout);
}

#[test]
fn pseudonyms_are_not_compared_with_names() {
    let assay = pair(|text| text);
    assert_eq!(assay.run(&["snapshot", "--redact", "-o", "r.snap"]).code, 0);
    for words in [&["compare", "a.snap", "r.snap"][..], &["compare", "r.snap", "a.snap"], &["verify", "--since", "r.snap"]] {
        let answer = assay.run(words);
        assert_eq!(answer.code, 2, "{}", answer.stdout);
        assert!(answer.stderr.contains("cannot compare r.snap with"), "{}", answer.stderr);
    }
}

#[test]
fn a_torn_or_missing_snapshot_is_a_usage_error_that_names_the_file() {
    let assay = pair(|text| text[..text.len() / 2].to_owned());
    for b in ["b.snap", "none.snap"] {
        let answer = assay.run(&["compare", "a.snap", b]);
        assert_eq!(answer.code, 2, "{}", answer.stdout);
        assert!(answer.stderr.contains(b), "{}", answer.stderr);
    }
}
