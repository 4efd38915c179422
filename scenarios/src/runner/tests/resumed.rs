use std::path::PathBuf;

use assay_model::journal::{Entry, Event, Journal};
use assay_model::run::{Ended, Run};

use super::place::{Place, STEPS, Scripted, good};
use crate::error::ScenarioError;
use crate::runner::bench::Trouble;

/// A run of a healthy bench, and its journal.
fn finished(place: &Place) -> (Run, PathBuf, Vec<u8>) {
    let (bench, _) = Scripted::healthy();
    let run = place.run(bench, &place.plan(), &mut |_| {}).expect("runs");
    let journal = place.runs().join(&run.id).join("journal.jsonl");
    let bytes = std::fs::read(&journal).expect("a journal");
    (run, journal, bytes)
}

fn refusal(result: Result<Run, ScenarioError>) -> String {
    let error = result.expect_err("must be refused");
    assert!(
        matches!(error, ScenarioError::Unresumable { .. } | ScenarioError::Plan { .. } | ScenarioError::Held { .. } | ScenarioError::Journal { .. }),
        "{error:?}"
    );
    crate::error::chain(&error)
}

#[test]
fn cut_anywhere_a_run_is_resumed_with_its_completed_steps_untouched_also_after_a_reboot() {
    let mut place = Place::new();
    let (whole, journal, bytes) = finished(&place);
    let first_line = bytes.iter().position(|byte| *byte == b'\n').expect("a line") + 1;
    place.boot = "boot-2".to_owned();
    // Every boundary between events, and a torn tail after each.
    let boundaries: Vec<usize> =
        bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at + 1).filter(|at| *at < bytes.len()).collect();
    for cut in boundaries.iter().flat_map(|at| [*at, *at + 20]) {
        assert!(cut >= first_line);
        std::fs::write(&journal, &bytes[..cut]).expect("cut");
        let before = Journal::read(&bytes[..cut]).expect("reads").run().expect("folds");
        assert_eq!(before.ended, Ended::Interrupted, "cut at {cut}");
        let (bench, calls) = Scripted::healthy();
        let run = place.resume(bench, &whole.id).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));

        assert_eq!(run.ended, Ended::Completed, "cut at {cut}");
        assert_eq!(run.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), STEPS, "cut at {cut}");
        assert_eq!(run.boot_ids, ["boot-1", "boot-2"]);
        for (old, new) in before.steps.iter().zip(&run.steps) {
            if old.ended == Ended::Completed {
                assert_eq!(old, new, "cut at {cut}: a completed step was changed");
            }
        }
        for (new, reference) in run.steps.iter().zip(&whole.steps) {
            assert_eq!(new.metrics.len(), reference.metrics.len(), "cut at {cut}");
            assert!(new.metrics.iter().zip(&reference.metrics).all(|(a, b)| a.fact.samples.values().len() == b.fact.samples.values().len()));
        }
        let calls = calls.lock().expect("calls").clone();
        let kept = before.steps.iter().filter(|step| step.ended == Ended::Completed).count();
        if (2..4).contains(&kept) {
            assert!(calls[0].starts_with("target") && calls[1] == "storage.write_1m_qd2", "cut at {cut}: the new file must be laid out: {calls:?}");
        }
        if kept == 4 {
            assert!(calls.is_empty(), "cut at {cut}: nothing was left to do: {calls:?}");
        }
        assert_eq!(place.leftovers(), 0);
    }
}

#[test]
fn the_scratch_file_of_the_dead_process_is_removed() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let (run, journal, bytes) = finished(&place);
    std::fs::write(&journal, &bytes[..bytes.len() - 1]).expect("cut");
    let leftover = place.scratch().join(format!("assay-scratch-{}", run.id));
    std::fs::write(&leftover, "left by a crash").expect("a leftover");
    std::fs::set_permissions(&leftover, std::fs::Permissions::from_mode(0o600)).expect("permissions");
    let (bench, _) = Scripted::healthy();
    assert_eq!(place.resume(bench, &run.id).expect("resumes").ended, Ended::Completed);
    assert_eq!(place.leftovers(), 0);
}

#[test]
fn a_resumed_run_that_fails_is_failed_and_stays_so() {
    let place = Place::new();
    let (run, journal, bytes) = finished(&place);
    let layout_end = Journal::read(&bytes)
        .expect("reads")
        .entries
        .iter()
        .position(|entry| matches!(&entry.event, Event::StepEnded { step, .. } if step == "layout"))
        .expect("there");
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    std::fs::write(&journal, lines[..=layout_end].concat()).expect("cut");
    let (bench, _) = Scripted::answering(|n, work, _| if n == 2 { Err(Trouble::Failed("gone".into())) } else { Ok(good(work)) });
    let resumed = place.resume(bench, &run.id).expect("resumes");
    assert!(matches!(&resumed.ended, Ended::Failed(why) if why.contains("step random: gone")), "{:?}", resumed.ended);
    let (bench, _) = Scripted::healthy();
    assert!(refusal(place.resume(bench, &run.id)).contains("would hide that"));
}

#[test]
fn what_cannot_be_the_same_run_is_not_resumed() {
    type Spoil = fn(&mut Place, &PathBuf);
    let cases: Vec<(Spoil, &str)> = vec![
        (|place, _| place.host = "node2".into(), "this is node2"),
        (|place, _| place.environment.tool_version = "1".into(), "version of assay"),
        (|place, _| place.environment.tool_revision = "s".into(), "revision of assay"),
        (
            |place, _| {
                place.environment.facts.insert("kernel".into(), "7".into());
            },
            "kernel was `6` and is `7`",
        ),
        (
            |place, _| {
                place.environment.facts.clear();
            },
            "kernel was `6` and is `absent`",
        ),
        (
            |_, folder| {
                let plan = folder.join("plan.json");
                let text = std::fs::read_to_string(&plan).expect("a plan").replace("\"fixed\": 3", "\"fixed\": 1");
                std::fs::write(plan, text).expect("written");
            },
            "not the plan that the run was begun with",
        ),
        (
            |_, folder| {
                let journal = folder.join("journal.jsonl");
                let mut bytes = std::fs::read(&journal).expect("a journal");
                bytes[40] ^= 1;
                std::fs::write(journal, bytes).expect("written");
            },
            "checksum",
        ),
    ];
    for (spoil, says) in cases {
        let mut place = Place::new();
        let (run, journal, bytes) = finished(&place);
        std::fs::write(&journal, &bytes[..bytes.len() - 1]).expect("cut");
        let folder = place.runs().join(&run.id);
        spoil(&mut place, &folder);
        let before = std::fs::read(&journal).expect("a journal");
        let (bench, calls) = Scripted::healthy();
        let message = refusal(place.resume(bench, &run.id));
        assert!(message.contains(says), "`{message}` does not say `{says}`");
        assert!(calls.lock().expect("calls").is_empty());
        let after = std::fs::read(&journal).expect("a journal");
        assert!(before.starts_with(&after), "{says}: at most the torn tail may be gone");
    }
}

#[test]
fn a_completed_run_and_one_that_another_process_holds_are_not_resumed() {
    let place = Place::new();
    let (run, journal, bytes) = finished(&place);
    let (bench, _) = Scripted::healthy();
    assert!(refusal(place.resume(bench, &run.id)).contains("has completed"));
    std::fs::write(&journal, &bytes[..bytes.len() - 1]).expect("cut");
    let held = crate::directory::RunDirectory::open(&place.runs().join(&run.id)).expect("held");
    let (bench, _) = Scripted::healthy();
    assert!(refusal(place.resume(bench, &run.id)).contains("another process holds it"));
    drop(held);
    let (bench, _) = Scripted::healthy();
    assert_eq!(place.resume(bench, &run.id).expect("free now").ended, Ended::Completed);
}

#[test]
fn a_run_with_a_fault_that_is_not_healed_is_not_resumed() {
    let place = Place::new();
    let (run, journal, bytes) = finished(&place);
    let read = Journal::read(&bytes).expect("reads");
    let at = read.entries.iter().position(|entry| matches!(&entry.event, Event::StepStarted { step, .. } if step == "random")).expect("there");
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let event = Event::FaultArmed {
        id: "f1".into(),
        fault: "port_down".into(),
        host: "node1".into(),
        step: "random".into(),
        armed: serde_json::json!({"port": "eth0"}),
    };
    let entry = Entry { event, seq: read.entries[at].seq + 1, ..read.entries[at].clone() };
    std::fs::write(&journal, [&lines[..=at].concat()[..], entry.encode().expect("encodes").as_bytes()].concat()).expect("written");
    let (bench, _) = Scripted::healthy();
    assert!(refusal(place.resume(bench, &run.id)).contains("is armed, and cannot be healed"));
    // Of one that has failed, too, what it has left is healed before it is refused.
    let failed = Event::RunEnded { ended: Ended::Failed("test".to_owned()) };
    let failed = Entry { event: failed, seq: entry.seq + 1, ..entry.clone() };
    let text = [&lines[..=at].concat()[..], entry.encode().expect("encodes").as_bytes(), failed.encode().expect("encodes").as_bytes()].concat();
    std::fs::write(&journal, text).expect("written");
    let (bench, _) = Scripted::healthy();
    assert!(refusal(place.resume(bench, &run.id)).contains("is armed, and cannot be healed"));
}
