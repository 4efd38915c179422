use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use assay_model::attr::Attr;
use assay_model::component::Reading;
use assay_model::journal::fold;
use assay_model::run::{Condition, Ended, Run, Step};

use super::place::{Place, STEPS, Scripted, good};
use crate::error::ScenarioError;
use crate::plan::PlannedWork;
use crate::runner::Progress;
use crate::runner::bench::{Outcome, Trouble};

fn step<'a>(run: &'a Run, name: &str) -> &'a Step {
    run.steps.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("no step {name}"))
}

fn failure(ended: &Ended) -> &str {
    match ended {
        Ended::Failed(why) => why,
        Ended::Completed | Ended::Interrupted | Ended::Cancelled => panic!("{ended:?}"),
    }
}

#[test]
fn a_run_records_every_repeat_the_merged_curve_counters_and_notes_and_leaves_no_scratch_file() {
    let place = Place::new();
    let (bench, calls) = Scripted::healthy();
    let mut seen = Vec::new();
    let run = place.run(bench, &place.plan(), &mut |progress| seen.push(format!("{progress:?}"))).expect("runs");

    assert_eq!((&run.ended, run.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>()), (&Ended::Completed, STEPS.to_vec()));
    let random = step(&run, "random");
    let metrics: BTreeMap<&str, &[f64]> = random.metrics.iter().map(|metric| (metric.fact.name.0.as_str(), metric.fact.samples.values())).collect();
    assert_eq!(metrics["storage.randread_4k_qd8.iops"], [1000.0; 3]);
    assert_eq!(metrics["storage.randwrite_4k_qd8.bandwidth"], [4_096_000.0; 3]);
    assert_eq!(metrics["storage.randread_4k_qd8.p99_9"].len(), 3);
    assert_eq!(metrics.len(), 10);
    assert_eq!(random.metrics[0].fact.dimensions["target"], "scratch_file");
    assert_eq!((random.latencies.len(), random.latencies[0].count), (2, 3000));
    assert_eq!((random.series.len(), random.series[0].points.len()), (2, 6));
    let verified = &random.verification.as_ref().expect("verified").fact;
    assert_eq!((verified.operations, verified.verified), (6 * 1010, 6 * 1010));
    assert_eq!((random.counters.len(), &random.counters[0].before, &random.counters[0].after), (2, &Reading::from(7), &Reading::from(7)));
    assert!(random.notes["fio storage.randread_4k_qd8"].contains("--rw=randread --bs=4096 --iodepth=8"), "{:?}", random.notes);
    assert!(random.notes["target"].contains("8388608 bytes of "), "{:?}", random.notes);
    assert!(step(&run, "layout").metrics.is_empty(), "a layout is no measurement");
    assert!(step(&run, "harness_floor").verification.is_none());

    let rounds: Vec<String> = calls.lock().expect("calls").iter().filter(|call| call.starts_with("storage.rand")).cloned().collect();
    assert_eq!(rounds, ["storage.randread_4k_qd8", "storage.randwrite_4k_qd8"].repeat(3), "rounds are interleaved");
    assert_eq!(place.leftovers(), 0);
    let folder = place.runs().join(&run.id);
    assert_eq!(fold(std::fs::read(folder.join("journal.jsonl")).expect("a journal")).expect("folds"), run);
    assert_eq!(serde_json::from_slice::<Run>(&std::fs::read(folder.join("run.json")).expect("derived")).expect("reads"), run);
    assert!(folder.join("plan.json").exists() && folder.join("artifacts").is_dir() && folder.join("histograms.hlog").exists());
    assert!(seen.first().is_some_and(|first| first.starts_with("RunStarted")) && seen.iter().any(|event| event.contains("StepEnded")));
}

#[test]
fn a_step_that_fails_ends_the_run_with_its_cause_and_nothing_after_it_is_done() {
    type Answer = fn(usize, &PlannedWork) -> Result<Outcome, String>;
    let cases: Vec<(&str, Answer, &str, &str)> = vec![
        (
            "an engine error",
            |n, work| if n == 5 { Err("cannot wait for completions: Input/output error (os error 5)".into()) } else { Ok(good(work)) },
            "random",
            "Input/output error",
        ),
        (
            "no operation",
            |n, work| {
                if n == 5 {
                    Ok(Outcome { operations: 0, failed: BTreeMap::from([("Input/output error (os error 5)".into(), 9)]), ..good(work) })
                } else {
                    Ok(good(work))
                }
            },
            "random",
            "9 x Input/output error",
        ),
        (
            "a layout with holes",
            |n, work| {
                if n == 3 {
                    Ok(Outcome { failed: BTreeMap::from([("No space left on device (os error 28)".into(), 2)]), ..good(work) })
                } else {
                    Ok(good(work))
                }
            },
            "layout",
            "2 x No space left",
        ),
        (
            "no time",
            |n, work| if n == 5 { Ok(Outcome { elapsed: Duration::ZERO, ..good(work) }) } else { Ok(good(work)) },
            "random",
            "no operation succeeded",
        ),
        (
            "operations that do nothing fail",
            |n, work| {
                if n == 0 {
                    Ok(Outcome { operations: 0, failed: BTreeMap::from([("Out of memory (os error 12)".into(), 1)]), ..good(work) })
                } else {
                    Ok(good(work))
                }
            },
            "harness_floor",
            "1 x Out of memory",
        ),
        ("a panic", |n, work| if n == 4 { panic!("an engine panics") } else { Ok(good(work)) }, "random", "the measuring thread died"),
    ];
    for (what, answer, name, says) in cases {
        let place = Place::new();
        let (bench, _) = Scripted::answering(move |n, work, _| answer(n, work).map_err(Trouble::Failed));
        let run = place.run(bench, &place.plan(), &mut |_| {}).unwrap_or_else(|error| panic!("{what}: {error}"));
        let last = run.steps.last().expect("a step");
        assert_eq!(last.name, name, "{what}");
        assert!(failure(&last.ended).contains(says), "{what}: {:?}", last.ended);
        assert!(failure(&run.ended).contains(name) && failure(&run.ended).contains(says), "{what}: {:?}", run.ended);
        assert!(last.metrics.is_empty(), "{what}: an unfinished step has no figures");
        assert_eq!(last.counters.len(), 2, "{what}: the counters are read after a failure too");
        assert_eq!(place.leftovers(), 0, "{what}");
    }
}

#[test]
fn a_scratch_file_that_cannot_be_removed_is_said_whatever_else_went_wrong() {
    for (fails, says) in [(false, &["another file has its name"][..]), (true, &["step random", "an engine error", "another file has its name"])] {
        let place = Place::new();
        let scratch = place.scratch();
        let (bench, _) =
            Scripted::answering(move |n, work, _| if fails && n == 5 { Err(Trouble::Failed("an engine error".into())) } else { Ok(good(work)) });
        let run = place.run(bench, &place.plan(), &mut |progress| {
            if matches!(progress, Progress::StepStarted { step: "random", .. }) {
                let path = std::fs::read_dir(&scratch).expect("a folder").next().expect("a file").expect("an entry").path();
                std::fs::rename(&path, place.runs().join("away")).and_then(|()| std::fs::write(&path, "another")).expect("another file");
            }
        });
        let run = run.expect("ends");
        assert!(says.iter().all(|word| failure(&run.ended).contains(word)), "{:?}", run.ended);
        assert_eq!(place.leftovers(), 1, "what is not ours is left alone");
    }
}

#[test]
fn a_floor_that_the_machine_has_no_time_for_makes_what_depends_on_it_doubtful_and_fails_nothing() {
    // In any of its rounds: the others say nothing of what the harness could have done then.
    for starved in 0..3 {
        let place = Place::new();
        let (bench, _) = Scripted::answering(move |n, work, _| {
            Ok(if n == starved { Outcome { operations: 0, samples: Vec::new(), ..good(work) } } else { good(work) })
        });
        let run = place.run(bench, &place.plan(), &mut |_| {}).expect("runs");
        assert_eq!((&run.ended, run.steps.len()), (&Ended::Completed, STEPS.len()), "round {starved}");
        let floor = step(&run, "harness_floor");
        assert!(floor.metrics.is_empty() && floor.latencies.is_empty(), "{:?}", floor.metrics);
        let is_named = |one: &Condition| matches!(one, Condition::HostSaturated(why) if why.starts_with("harness.null_4k_qd128: "));
        assert!(floor.conditions.iter().any(is_named), "{:?}", floor.conditions);
        let random = step(&run, "random");
        let doubt = |family: &str| Condition::AtHarnessFloor(format!("{family}: what the harness itself can do was not measured"));
        for family in ["storage.randread_4k_qd8", "storage.randwrite_4k_qd8"] {
            assert!(random.conditions.contains(&doubt(family)), "{:?}", random.conditions);
        }
        let checks = assay_model::judge::checks_of(&run);
        let undisturbed = checks.iter().find(|check| check.id.as_str() == "run.undisturbed").expect("a check");
        assert_eq!(undisturbed.verdict.rank(), assay_model::verdict::Rank::Inconclusive, "{:?}", undisturbed.verdict);
    }
}

#[test]
fn work_that_hangs_is_told_to_stop_and_then_given_up() {
    let place = Place::new();
    let (bench, _) = Scripted::answering(|n, work, stop| {
        while n == 4 && !stop.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        Ok(good(work))
    });
    let run = place.run(bench, &place.plan(), &mut |_| {}).expect("ends");
    assert!(failure(&run.ended).contains("did not end by itself"), "{:?}", run.ended);

    let place = Place::new();
    let (bench, _) = Scripted::answering(|n, work, _| {
        if n == 4 {
            #[allow(clippy::disallowed_methods, reason = "it plays dead")]
            std::thread::sleep(Duration::from_secs(3600));
        }
        Ok(good(work))
    });
    let run = place.run(bench, &place.plan(), &mut |_| {}).expect("ends");
    assert!(failure(&run.ended).contains("hangs in the kernel"), "{:?}", run.ended);
    assert_eq!(place.leftovers(), 0);
}

#[test]
fn wrong_content_and_failed_operations_are_facts_of_a_completed_step_and_of_a_failed_one() {
    let spoiled = |work: &PlannedWork| Outcome {
        corrupt: BTreeMap::from([("stale".into(), 2)]),
        failed: BTreeMap::from([("short: 512 of 4096 bytes".into(), 1)]),
        notes: BTreeMap::from([("corrupt".into(), "stale at byte 4096".into())]),
        ..good(work)
    };
    for fails in [false, true] {
        let place = Place::new();
        let (bench, _) = Scripted::answering(move |n, work, _| {
            if n == 4 {
                Ok(spoiled(work))
            } else if n == 6 && fails {
                Err(Trouble::Failed("gone".into()))
            } else {
                Ok(good(work))
            }
        });
        let run = place.run(bench, &place.plan(), &mut |_| {}).expect("runs");
        let random = step(&run, "random");
        let verification = &random.verification.as_ref().expect("verified").fact;
        assert_eq!(
            (verification.corrupt["stale"], verification.failed["short: 512 of 4096 bytes"], random.notes["corrupt"].as_str()),
            (2, 1, "stale at byte 4096")
        );
        assert_eq!(random.ended == Ended::Completed, !fails);
    }
}

#[test]
fn counters_that_rise_during_a_step_make_conditions_of_that_step_only() {
    let place = Place::new();
    let counts = std::sync::Arc::clone(&place.counts);
    let (bench, _) = Scripted::answering(move |n, work, _| {
        if n == 4 {
            *counts.lock().expect("counts") = vec![(Attr::AerCorrectable, 9), (Attr::CoreThrottles, 3)];
        }
        Ok(good(work))
    });
    let run = place.run(bench, &place.plan(), &mut |_| {}).expect("runs");
    let named = |name: &str| {
        step(&run, name).conditions.iter().filter(|condition| matches!(condition, Condition::DeviceErrors(_) | Condition::Throttled(_))).count()
    };
    assert_eq!([named("layout"), named("random"), named("verify")], [0, 2, 0]);
    assert_eq!(step(&run, "random").counters[0].after, Reading::from(9));
}

#[test]
fn an_open_loop_that_began_late_is_marked_and_one_that_did_not_is_not() {
    let marks = |lag_ns: u64| {
        let place = Place::new();
        let (bench, _) = Scripted::answering(move |_, work, _| {
            let mut lag = hdrhistogram::Histogram::new(3).expect("a histogram");
            lag.record_n(lag_ns, 1000).expect("recorded");
            Ok(Outcome { lag: Some(crate::runner::latencies::Latencies::from(&lag)), ..good(work) })
        });
        let run = place.run(bench, &place.plan(), &mut |_| {}).expect("runs");
        let late = |condition: &&Condition| matches!(condition, Condition::AtHarnessFloor(why) if why.contains("late"));
        step(&run, "random").conditions.iter().filter(late).count()
    };
    // The latency is 50 us.
    assert_eq!((marks(4_900), marks(5_200)), (0, 2));
}

#[test]
fn a_figure_near_what_the_harness_can_do_is_marked_and_one_without_a_floor_too() {
    let fast = |operations: u64| {
        let place = Place::new();
        let (bench, _) = Scripted::answering(move |_, work, _| {
            let mut outcome = good(work);
            if outcome.operations == 1000 {
                outcome.operations = operations;
            }
            Ok(outcome)
        });
        let run = place.run(bench, &place.plan(), &mut |_| {}).expect("runs");
        step(&run, "random").conditions.iter().filter(|condition| matches!(condition, Condition::AtHarnessFloor(_))).count()
    };
    assert_eq!([fast(499_999), fast(500_000), fast(500_001)], [0, 0, 2]);
}

#[test]
fn a_write_that_used_up_its_bytes_before_its_time_is_marked_and_a_read_of_any_length_is_not() {
    // 40 ms are planned, of reads and of writes.
    let marks = |ms: u64| {
        let place = Place::new();
        let (bench, _) = Scripted::answering(move |_, work, _| Ok(Outcome { elapsed: Duration::from_millis(ms), ..good(work) }));
        let run = place.run(bench, &place.plan(), &mut |_| {}).expect("runs");
        let short = |condition: &Condition| if let Condition::NotSteady(why) = condition { Some(why.clone()) } else { None };
        step(&run, "random").conditions.iter().filter_map(short).collect::<Vec<_>>()
    };
    assert_eq!([marks(40), marks(36)], [Vec::<String>::new(), Vec::new()]);
    let short = marks(35);
    assert!(matches!(&short[..], [why] if why.contains("storage.randwrite_4k_qd8: the 1073741824 bytes of io_size")), "{short:?}");
}

#[test]
fn a_refused_target_leaves_no_run_behind() {
    let place = Place::new();
    let mut plan = place.plan();
    plan.targets = vec![crate::plan::PlannedTarget::ScratchFile { folder: place.folder.path().join("missing"), bytes: 8 << 20 }];
    let (bench, calls) = Scripted::healthy();
    let error = place.run(bench, &plan, &mut |_| {}).expect_err("refused");
    assert!(matches!(error, ScenarioError::Refused(_)), "{error}");
    assert!(!place.runs().exists() && calls.lock().expect("calls").is_empty());
}

#[test]
fn a_journal_on_a_full_disk_is_an_error_of_the_harness_and_still_folds() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: nothing can be mounted here, nothing is tested");
        return;
    }
    let mut interrupted = 0;
    for size in ["4k", "8k", "12k", "16k", "20k", "24k"] {
        let place = Place::new();
        std::fs::create_dir(place.runs()).expect("a folder");
        let options = format!("size={size}");
        let mount = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", &options, "assay-test"]).arg(place.runs()).status();
        assert!(mount.is_ok_and(|status| status.success()), "a tmpfs can be mounted");
        let (bench, _) = Scripted::healthy();
        let result = place.run(bench, &place.plan(), &mut |_| {});
        let folders: Vec<_> = std::fs::read_dir(place.runs()).expect("a folder").flatten().map(|entry| entry.path()).collect();
        let folded = folders.first().map(|folder| fold(std::fs::read(folder.join("journal.jsonl")).expect("a run has a journal")));
        let _ = std::process::Command::new("umount").arg(place.runs()).status();

        let message = crate::error::chain(&result.expect_err("no room"));
        assert!(message.contains("No space left on device") && message.contains("runs"), "{size}: {message}");
        match folded.map(|run| run.expect("it folds").ended) {
            // Not even the first event fitted: then there is no run.
            None => {}
            Some(Ended::Interrupted) => interrupted += 1,
            // Only what is derived from the journal did not fit.
            Some(Ended::Completed) => assert!(message.contains("run.json"), "{size}: {message}"),
            Some(ended @ (Ended::Cancelled | Ended::Failed(_))) => panic!("{size}: {ended:?}"),
        }
        assert_eq!(place.leftovers(), 0);
    }
    assert!(interrupted >= 2, "the sizes no longer meet the middle of the run");
}

#[test]
fn progress_never_runs_backwards_and_ends_at_the_total() {
    let place = Place::new();
    let (bench, _) = Scripted::healthy();
    let mut ticks = Vec::new();
    let plan = place.plan();
    place
        .run(bench, &plan, &mut |progress| {
            if let Progress::Tick { done_ms, total_ms } = progress {
                ticks.push((*done_ms, *total_ms));
            }
        })
        .expect("runs");
    assert!(ticks.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{ticks:?}");
    assert!(ticks.iter().all(|(done, total)| done <= total && *total == plan.duration_ms), "{ticks:?}");
}
