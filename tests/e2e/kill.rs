//! `kill -9` of the real binary in the middle of an acceptance and of a run: the gate never passes on it, and `--resume` finishes it. (200 kills of one run
//! at random moments are in `scenarios/tests/kill.rs`.)

use std::process::Stdio;
use std::time::{Duration, Instant};

use assay_model::journal::fold;
use assay_model::run::Ended;

use crate::command::{Assay, alone};

/// About half a second of work on 16 MiB.
pub(crate) const SCENARIO: &str = r#"
schema = 1
name = "short"
describe = "half a second"
[target]
size = "16MiB"
[[step]]
name = "layout"
describe = "writes everything"
[[step.io]]
engine = "uring"
rw = "write"
bs = "64KiB"
iodepth = 4
whole = true
[[step]]
name = "random"
describe = "reads and writes"
repeats = 3
[[step.io]]
engine = "uring"
rw = "randwrite"
bs = "4KiB"
iodepth = 8
runtime = "50ms"
io_size = "1GiB"
[[step.io]]
engine = "uring"
rw = "randread"
bs = "4KiB"
iodepth = 8
runtime = "50ms"
[[step]]
name = "verify"
describe = "reads everything"
[[step.io]]
engine = "uring"
rw = "read"
bs = "64KiB"
iodepth = 4
whole = true
"#;

fn kill_after(assay: &Assay, words: &[&str], wait: Duration) -> bool {
    let mut child = assay.command(words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("starts");
    let begin = Instant::now();
    while begin.elapsed() < wait {
        if child.try_wait().expect("waits").is_some() {
            return false;
        }
        #[allow(clippy::disallowed_methods, reason = "the moment of the kill is what is tested")]
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("kills");
    child.wait().expect("waits");
    true
}

#[test]
fn a_killed_run_is_interrupted_and_resume_finishes_it() {
    let _machine = alone();
    let assay = Assay::new();
    std::fs::write(assay.folder().join("short.toml"), SCENARIO).expect("writes");
    let mut resumed = 0;
    for round in 0u64..12 {
        let before = assay.runs();
        if !kill_after(&assay, &["run", "short.toml"], Duration::from_millis(150 + 97 * round)) {
            continue;
        }
        let Some(name) = assay.runs().into_iter().find(|name| !before.contains(name) && !name.starts_with('.')) else { continue };
        let journal = assay.folder().join("runs").join(&name).join("journal.jsonl");
        let run = fold(std::fs::read(&journal).expect("reads")).expect("a killed journal folds");
        if run.ended == Ended::Completed {
            continue;
        }
        assert_eq!(run.ended, Ended::Interrupted);
        let gate = assay.run(&["gate", "1", "--format", "json"]);
        assert_ne!(gate.json()["verdict"], "pass");
        let answer = assay.run(&["run", "--resume", &name]);
        assert!(answer.code == 0 || answer.code == 3, "{}: {}", answer.code, answer.stderr);
        assert_eq!(fold(std::fs::read(&journal).expect("reads")).expect("folds").ended, Ended::Completed);
        assert!(assay.scratch_files().is_empty(), "{:?}", assay.scratch_files());
        resumed += 1;
    }
    assert!(resumed >= 3, "only {resumed} kills fell into a run: the moments do not fit this machine");
}

#[test]
fn a_killed_acceptance_never_passes_and_resume_finishes_it() {
    let _machine = alone();
    let assay = Assay::new();
    assert!(kill_after(&assay, &["accept"], Duration::from_secs(12)), "an acceptance takes longer than that");
    assert_ne!(assay.run(&["gate", "1", "--format", "json"]).json()["verdict"], "pass");
    let answer = assay.run(&["accept", "--resume", "--format", "json"]);
    assert!([0, 1, 3].contains(&answer.code), "{}: {}", answer.code, answer.stderr);
    let outcome = answer.json();
    let completed: Vec<_> = outcome["checks"].as_array().expect("a list").iter().filter(|check| check["id"] == "run.completed").collect();
    assert!(!completed.is_empty() && completed.iter().all(|check| check["verdict"] == "pass"), "{completed:#?}\n{}", answer.stderr);
    assert!(assay.scratch_files().is_empty());
}
