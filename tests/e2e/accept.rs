//! The main job on this machine.

use crate::command::{Assay, alone, repository};
use crate::schema::assert_valid;

#[test]
fn accept_gives_a_verdict_a_report_and_runs_that_can_be_judged_again() {
    let _machine = alone();
    let assay = Assay::new();
    let answer = assay.run(&["accept", "--format", "json"]);
    assert!([0, 1, 3].contains(&answer.code), "{}: {}", answer.code, answer.stderr);
    let outcome = answer.json();
    assert_valid("outcome", &outcome);
    assert_eq!(outcome["exit_code"], answer.code);
    assert_eq!(outcome["phase"], 1);
    let report = assay.folder().join(outcome["report"].as_str().expect("a path"));
    assert!(report.is_file(), "{}", report.display());
    assert!(assay.scratch_files().is_empty(), "{:?}", assay.scratch_files());

    let rank = |id: &str| -> Vec<String> {
        let checks = outcome["checks"].as_array().expect("a list");
        checks.iter().filter(|check| check["id"] == id).map(|check| check["verdict"].as_str().expect("a word").to_owned()).collect()
    };
    assert!(rank("storage.data_verified").iter().all(|verdict| verdict == "pass") && !rank("storage.data_verified").is_empty());
    assert!(rank("storage.no_failed_operations").iter().all(|verdict| verdict == "pass") && !rank("storage.no_failed_operations").is_empty());
    let metrics = outcome["metrics"].as_array().expect("a list");
    for name in ["storage.randread_4k_qd32.iops", "storage.randread_4k_qd32.p99", "memory.triad.bandwidth"] {
        let metric = metrics
            .iter()
            .find(|metric| metric["name"].as_str().expect("a name").starts_with(name))
            .unwrap_or_else(|| panic!("{name} was not measured"));
        let (value, low, high) =
            (metric["value"].as_f64().expect("a figure"), metric["low"].as_f64().expect("a figure"), metric["high"].as_f64().expect("a figure"));
        assert!(low > 0.0 && low <= value && value <= high, "{metric}");
    }

    // The gate judged again from what is stored says the same.
    let again = assay.run(&["gate", "1", "--format", "json"]);
    assert_eq!((again.code, &again.json()["verdict"]), (answer.code, &outcome["verdict"]), "{}", again.stderr);
    // The report can be written again, the history knows the figures.
    let rewritten = assay.run(&["report", "-o", "again.html"]);
    assert_eq!(rewritten.code, answer.code, "{}", rewritten.stderr);
    assert!(std::fs::read_to_string(assay.folder().join("again.html")).expect("reads").contains("storage.randread_4k_qd32.iops"));
    let history = assay.run(&["history", "--format", "json"]);
    assert_eq!(history.code, 0, "{}", history.stderr);
    assert!(history.stdout.contains("storage.randread_4k_qd32.iops"));
    // People get three lines at the end: verdict, worst check, report.
    let text = assay.run(&["gate", "1"]);
    assert_eq!(text.code, answer.code);
    let lines: Vec<&str> = text.stdout.trim_end().lines().rev().take(3).collect();
    for (line, word) in lines.iter().zip(["report:", "worst:", "verdict:"]) {
        assert!(line.starts_with(word), "{lines:?}");
    }

    // An acceptance is not reported on as if it were of another site, and its report stays as it is.
    let report_of_then = std::fs::read(&report).expect("reads");
    let other = assay.run(&["report", "--site", &repository("sites/pve1")]);
    assert_eq!(other.code, 2, "{}", other.stdout);
    assert!(other.stderr.contains("generic") && other.stderr.contains("pve1"), "{}", other.stderr);
    assert_eq!(std::fs::read(&report).expect("reads"), report_of_then);
    // There is nothing to finish.
    assert_eq!(assay.run(&["accept", "--resume"]).code, 2);
    // A newer run that cannot be read does not make room for the older one that passed.
    let damaged = assay.folder().join("runs/29991231T235959Z-storage-quick-00000000");
    std::fs::create_dir(&damaged).expect("makes");
    std::fs::write(damaged.join("journal.jsonl"), "garbage\n").expect("writes");
    let held = assay.run(&["gate", "1", "--format", "json"]);
    assert!([1, 3].contains(&held.code), "a damaged run was passed over: {}", held.stdout);
    assert!(held.stdout.contains("run 29991231T235959Z-storage-quick-00000000: cannot fold"), "{}", held.stdout);
}

#[test]
fn a_plan_touches_nothing() {
    let assay = Assay::new();
    let answer = assay.run(&["plan", "storage-quick"]);
    assert_eq!(answer.code, 0, "{}", answer.stderr);
    for word in ["scratch", "written", "randread_4k_qd32"] {
        assert!(answer.stdout.contains(word), "the plan does not speak of `{word}`: {}", answer.stdout);
    }
    assert!(assay.runs().is_empty() && assay.scratch_files().is_empty());
}
