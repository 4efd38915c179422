//! Steps whose number of rounds is found while they run: until clear of a limit, until steady, and the search for a knee.

use assay_bench::Rw;
use assay_model::limit::Bound;
use assay_model::metric::Metric;
use assay_model::run::{Condition, Ended, Run, Step};
use assay_model::sequential::Edge;
use assay_model::unit::Unit;

use super::place::{Place, Scripted, good};
use crate::plan::PlannedWork;
use crate::runner::bench::{Bench, Kind, Outcome, Trouble};
use crate::runner::engines::Engines;
use crate::runner::latencies::Latencies;

const LAYOUT: &str = r#"
schema = 1
name = "tiny"
describe = "d"
[target]
size = "8MiB"
[[step]]
name = "layout"
describe = "d"
[[step.io]]
engine = "uring"
rw = "write"
bs = "1MiB"
iodepth = 2
whole = true
[[step]]
name = "rounds"
describe = "d"
"#;

const READ: &str = "[[step.io]]\nengine = \"uring\"\nrw = \"randread\"\nbs = \"4KiB\"\niodepth = 8\nruntime = \"40ms\"\n";

fn scenario(rounds: &str, io: &str) -> String {
    format!("{LAYOUT}{rounds}\n{io}")
}

fn step<'a>(run: &'a Run, name: &str) -> &'a Step {
    run.steps.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("{name}: {:?}", run.ended))
}

fn metric<'a>(step: &'a Step, name: &str) -> &'a Metric {
    &step.metrics.iter().find(|metric| metric.fact.name.0 == name).unwrap_or_else(|| panic!("{name}: {step:?}")).fact
}

/// Answers reads of the tried step with these operations, one after the other, and the last one from then on.
fn answers(operations: &'static [u64]) -> Box<dyn Bench> {
    let mut round = 0;
    let (bench, _) = Scripted::answering(move |_, work, _| {
        let PlannedWork::Io(io) = work else { return Ok(good(work)) };
        if io.spec.rw != Rw::RandRead || io.spec.engine == "null" {
            return Ok(good(work));
        }
        let operations = operations[round.min(operations.len() - 1)];
        round += 1;
        Ok(Outcome { operations, ..good(work) })
    });
    bench
}

fn edge(bound: Bound) -> Vec<Edge> {
    vec![Edge { metric: "storage.randread_4k_qd8.iops".into(), bound, serial: None }]
}

#[test]
fn a_figure_that_is_clear_of_its_limit_stops_early_and_one_that_is_not_gets_all_rounds() {
    let cases: &[(&[u64], f64, usize, &str)] = &[
        (&[1000, 1001, 999], 500.0, 5, "5 of 5 to 12 rounds: every figure with a limit is clear"),
        (&[1000, 1001, 999], 2000.0, 5, "5 of 5 to 12 rounds: every figure with a limit is clear"),
        (&[1000, 900, 1100, 1000], 990.0, 12, "all 12 rounds, and still too close to the limit"),
        (&[700, 1300, 1000, 1001, 999, 1000], 600.0, 7, "7 of 5 to 12 rounds"),
    ];
    for (operations, limit, rounds, text) in cases {
        let place = Place::new();
        let plan = place.plan_with(&scenario("repeats = 5\nrepeats_max = 12", READ), &edge(Bound::AtLeast(*limit)));
        let run = place.run(answers(operations), &plan, &mut |_| {}).expect("runs");
        let step = step(&run, "rounds");
        let samples = metric(step, "storage.randread_4k_qd8.iops").samples.values().len();
        assert!(samples == *rounds && step.notes["rounds"].contains(text), "{limit}: {samples} rounds, {:?}", step.notes["rounds"]);
    }
}

#[test]
fn a_figure_of_a_drive_is_held_against_what_its_own_data_sheet_rates() {
    let rated = |serial: &str, limit| Edge { serial: Some(serial.to_owned()), ..edge(Bound::AtLeast(limit)).remove(0) };
    // The drive is S1: what another one is rated at, near or far, does not count.
    let cases: &[(&[u64], f64, f64, usize, &str)] = &[
        (&[1000, 1001, 999], 500.0, 1000.0, 5, "5 of 5 to 12 rounds: every figure with a limit is clear"),
        (&[1000, 900, 1100, 1000], 990.0, 10.0, 12, "all 12 rounds, and still too close to the limit"),
    ];
    for (operations, own, other, rounds, text) in cases {
        let place = Place::new();
        let mut plan = place.plan_with(&scenario("repeats = 5\nrepeats_max = 12", READ), &[]);
        let planned = plan.steps.iter_mut().find(|step| step.name == "rounds").expect("the step");
        planned.edges = vec![rated("S1", *own), rated("S2", *other)];
        for work in &mut planned.work {
            let PlannedWork::Io(io) = work else { panic!("operations") };
            io.serial = Some("S1".to_owned());
        }
        let run = place.run(answers(operations), &plan, &mut |_| {}).expect("runs");
        let step = step(&run, "rounds");
        let samples = metric(step, "storage.randread_4k_qd8.iops").samples.values().len();
        assert!(samples == *rounds && step.notes["rounds"].contains(text), "{own}: {samples} rounds, {:?}", step.notes["rounds"]);
    }
    // A drive that the run does not work on has no say in it.
    let place = Place::new();
    let plan = place.plan_with(&scenario("repeats = 6\nrepeats_max = 12", READ), &[rated("S2", 1000.0)]);
    assert!(plan.steps.iter().all(|step| step.edges.is_empty()), "{plan:?}");
}

#[test]
fn without_a_limit_the_least_rounds_are_enough() {
    let place = Place::new();
    let other = vec![Edge { metric: "storage.randread_4k_qd80.iops".into(), bound: Bound::AtLeast(1.0), serial: None }];
    let plan = place.plan_with(&scenario("repeats = 6\nrepeats_max = 12", READ), &other);
    let run = place.run(answers(&[1000]), &plan, &mut |_| {}).expect("runs");
    let step = step(&run, "rounds");
    assert_eq!(metric(step, "storage.randread_4k_qd8.iops").samples.values().len(), 6);
    assert!(step.notes["rounds"].contains("no figure of this step has a limit"));
}

#[test]
fn only_the_rounds_of_the_steady_window_count() {
    let place = Place::new();
    let plan = place.plan_with(&scenario("[step.steady]", READ), &[]);
    let run = place.run(answers(&[5000, 3000, 1500, 1100, 1000, 1010, 990, 1000, 1005]), &plan, &mut |_| {}).expect("runs");
    let step = step(&run, "rounds");
    assert_eq!(metric(step, "storage.randread_4k_qd8.iops").samples.values(), [1100.0, 1000.0, 1010.0, 990.0, 1000.0]);
    assert!(step.notes["rounds"].contains("steady after 8 rounds, of which the last 5 count"), "{:?}", step.notes);
    assert!(!step.conditions.iter().any(|condition| matches!(condition, Condition::NotSteady(_))));
    // The rounds before are in the series, for people.
    assert_eq!(step.series[0].points.len(), 16);
    // Whatever was wrong in them still counts.
    assert_eq!(step.verification.as_ref().expect("verified").fact.verified, 8 * 1010);
}

#[test]
fn a_fresh_drive_is_not_steady_before_it_is_full() {
    // Each round writes 4 MiB of a target of 8 MiB; the fresh rate holds for four of them, and what follows for all others.
    let answers = |rounds: &'static str| {
        let place = Place::new();
        let write = READ.replace("randread", "randwrite") + "io_size = \"1GiB\"\n";
        let mut round = 0;
        let (bench, _) = Scripted::answering(move |_, work, _| {
            let PlannedWork::Io(io) = work else { return Ok(good(work)) };
            if io.spec.rw != Rw::RandWrite {
                return Ok(good(work));
            }
            round += 1;
            Ok(Outcome { operations: if round <= 5 { 9000 } else { 1000 }, bytes: 4 << 20, ..good(work) })
        });
        let run = place.run(bench, &place.plan_with(&scenario(rounds, &write), &[]), &mut |_| {}).expect("runs");
        let step = step(&run, "rounds").clone();
        (metric(&step, "storage.randwrite_4k_qd8.iops").samples.values().to_vec(), step)
    };
    let (fresh, _) = answers("[step.steady]");
    assert_eq!(fresh, [9000.0; 5], "what was declared steady before, and is not");
    let (steady, step) = answers("[step.steady]\nwritten_min = \"5x\"");
    assert_eq!(steady, [1000.0; 5]);
    assert!(step.notes["rounds"].contains("steady after 10 rounds"), "{:?}", step.notes);
    let (_, step) = answers("[step.steady]\nwritten_min = \"5x\"\nrounds_max = 9");
    let why = step.conditions.iter().find_map(|condition| if let Condition::NotSteady(why) = condition { Some(why.clone()) } else { None });
    assert!(why.as_ref().is_some_and(|why| why.contains("5 times its size")), "{why:?}");
}

#[test]
fn a_step_that_this_host_is_not_set_up_for_ends_without_a_figure() {
    for rounds in ["repeats = 3", "repeats = 5\nrepeats_max = 12", "[step.steady]"] {
        let place = Place::new();
        let (bench, calls) = Scripted::answering(|_, work, _| match work {
            PlannedWork::Io(io) if io.spec.rw == Rw::RandRead && io.spec.engine != "null" => Err(Trouble::NotConfigured("no poll queues".to_owned())),
            PlannedWork::Io(_) | PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) | PlannedWork::Drill(_) => Ok(good(work)),
        });
        let run = place.run(bench, &place.plan_with(&scenario(rounds, READ), &[]), &mut |_| {}).expect("runs");
        let step = step(&run, "rounds");
        assert!(run.ended == Ended::Completed && step.metrics.is_empty(), "{step:?}");
        assert!(step.notes["not configured storage.randread_4k_qd8"].contains("no poll queues"), "{:?}", step.notes);
        assert_eq!(calls.lock().expect("calls").iter().filter(|call| call.starts_with("storage.randread")).count(), 1, "once is enough");
    }
}

#[test]
fn figures_that_do_not_settle_are_marked() {
    let place = Place::new();
    let plan = place.plan_with(&scenario("[step.steady]\nrounds_max = 9", READ), &[]);
    let run = place.run(answers(&[1000, 2000, 1000, 2000, 1000, 2000, 1000, 2000, 1000]), &plan, &mut |_| {}).expect("runs");
    let step = step(&run, "rounds");
    assert!(step.conditions.iter().any(|condition| matches!(condition, Condition::NotSteady(why) if why.contains("after 9 rounds"))), "{step:?}");
    assert_eq!(run.ended, Ended::Completed);
}

const KNEE: &str = "[[step.io]]\nengine = \"uring\"\nrw = \"randread\"\nbs = \"4KiB\"\niodepth = 8\nruntime = \"40ms\"\n\
                    knee = { p99 = \"2ms\", from = 100, to = 100000 }\n";

/// A target that answers within 100 us up to this rate, and in 10 ms above it.
fn bends_at(knee: u32, failing_above: u32) -> Box<dyn Bench> {
    let (bench, _) = Scripted::answering(move |_, work, _| {
        let PlannedWork::Io(io) = work else { return Ok(good(work)) };
        let Some(rate) = io.spec.rate else { return Ok(good(work)) };
        let mut outcome = Outcome { operations: rate.per_second.into(), ..good(work) };
        let mut latencies = hdrhistogram::Histogram::new(3).expect("a histogram");
        latencies.record_n(if rate.per_second <= knee { 100_000 } else { 10_000_000 }, rate.per_second.into()).expect("recorded");
        outcome.latencies = Some(Latencies::from(&latencies));
        if rate.per_second > failing_above {
            outcome.failed.insert("EIO".into(), 1);
        }
        Ok(outcome)
    });
    bench
}

#[test]
fn the_knee_is_a_figure_with_the_sweep_that_found_it() {
    let place = Place::new();
    let plan = place.plan_with(&scenario("repeats = 2", KNEE), &[]);
    let run = place.run(bends_at(7000, u32::MAX), &plan, &mut |_| {}).expect("runs");
    let step = step(&run, "rounds");
    let knee = metric(step, "storage.randread_4k_qd8_knee2ms.rate");
    assert!(knee.samples.values().len() == 2 && knee.samples.values().iter().all(|rate| (6795.0..=7000.0).contains(rate)), "{knee:?}");
    let sweep = &step.series[0];
    assert_eq!((sweep.over, sweep.unit, sweep.name.as_str()), (Unit::OpsPerSecond, Unit::Nanoseconds, "storage.randread_4k_qd8_knee2ms.p99"));
    assert!(sweep.points.len() > 20 && sweep.points.is_sorted_by(|a, b| a.0 <= b.0), "{sweep:?}");
    let rate = knee.samples.values()[1];
    assert!(step.notes["fio storage.randread_4k_qd8_knee2ms"].contains(&format!("--rate_iops={rate}")), "{:?}", step.notes);
}

#[test]
fn a_knee_outside_of_its_range_and_a_rate_with_errors_are_no_knee() {
    let knee = |bench| {
        let place = Place::new();
        let run = place.run(bench, &place.plan_with(&scenario("", KNEE), &[]), &mut |_| {}).expect("runs");
        let step = step(&run, "rounds");
        let note = step.notes.get("knee storage.randread_4k_qd8_knee2ms").cloned().unwrap_or_default();
        (metric(step, "storage.randread_4k_qd8_knee2ms.rate").samples.values()[0], note, step.verification.clone().expect("verified").fact.failed)
    };
    let (rate, note, _) = knee(bends_at(50, u32::MAX));
    assert!(rate.abs() < 1e-9 && note.contains("100 op/s, the lowest rate of the range, does not hold"), "{rate} {note}");
    let (rate, note, _) = knee(bends_at(u32::MAX, u32::MAX));
    assert!((rate - 100_000.0).abs() < 1e-9 && note.contains("not below it"), "{rate} {note}");
    let (rate, _, failed) = knee(bends_at(u32::MAX, 3000));
    assert!((2912.0..=3000.0).contains(&rate) && failed["EIO"] >= 2, "{rate} {failed:?}");
    // Work that fails altogether fails the step.
    let (bench, _) = Scripted::answering(|_, work, _| match work {
        PlannedWork::Io(io) if io.spec.rate.is_some() => Err(Trouble::Failed("the drive is gone".to_owned())),
        PlannedWork::Io(_) | PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) | PlannedWork::Drill(_) => Ok(good(work)),
    });
    let place = Place::new();
    let run = place.run(bench, &place.plan_with(&scenario("", KNEE), &[]), &mut |_| {}).expect("runs");
    assert!(matches!(&step(&run, "rounds").ended, Ended::Failed(why) if why.contains("the drive is gone")));
}

#[test]
fn real_engines_find_a_knee_and_a_steady_state() {
    let place = Place::new();
    // Whatever this machine can do, it does not hold 2 ms at ten million a second, and it does at 100.
    let knee = KNEE.replace("to = 100000", "to = 10000000");
    let write = "[[step.io]]\nengine = \"uring\"\nrw = \"randwrite\"\nbs = \"4KiB\"\niodepth = 4\nruntime = \"20ms\"\nio_size = \"64MiB\"\n";
    let steady = format!("{knee}[[step]]\nname = \"steady\"\ndescribe = \"d\"\n[step.steady]\nexcursion = \"100%\"\nslope = \"100%\"\n{write}");
    let run = place.run(Box::new(Engines::default()), &place.plan_with(&scenario("", &steady), &[]), &mut |_| {}).expect("runs");
    assert_eq!(run.ended, Ended::Completed, "{run:?}");
    // A busy machine may hold no rate twice: then there is a reason in the figure's place.
    let name = "storage.randread_4k_qd8_knee2ms.rate";
    let rounds = step(&run, "rounds");
    if rounds.metrics.iter().any(|metric| metric.fact.name.0 == name) {
        let rate = metric(rounds, name).samples.values()[0];
        assert!((0.0..10_000_000.0).contains(&rate), "{rate}");
    } else {
        assert!(rounds.notes["knee storage.randread_4k_qd8_knee2ms"].contains("contradict each other"), "{:?}", rounds.notes);
    }
    assert_eq!(metric(step(&run, "steady"), "storage.randwrite_4k_qd4.iops").samples.values().len(), 5);
    for name in ["rounds", "steady"] {
        let verification = &step(&run, name).verification.as_ref().expect("verified").fact;
        assert!(verification.failed.is_empty() && verification.corrupt.is_empty(), "{verification:?}");
    }
}

#[test]
fn a_figure_that_one_repeat_has_not_is_left_out_and_named() {
    let place = Place::new();
    let mut round = 0;
    let (bench, _) = Scripted::answering(move |_, work, _| {
        let PlannedWork::Io(io) = work else { return Ok(good(work)) };
        if io.spec.rw != Rw::RandRead || io.spec.engine == "null" {
            return Ok(good(work));
        }
        round += 1;
        let latencies = Latencies::from(&hdrhistogram::Histogram::new(3).expect("a histogram"));
        let kind = |name, operations| Kind { name, operations, latencies: latencies.clone() };
        let kinds = if round == 2 { vec![kind("read", 1000)] } else { vec![kind("read", 990), kind("write", 10)] };
        Ok(Outcome { kinds, ..good(work) })
    });
    let run = place.run(bench, &place.plan_with(&scenario("repeats = 3", READ), &[]), &mut |_| {}).expect("runs");
    let step = step(&run, "rounds");
    assert_eq!(metric(step, "storage.randread_4k_qd8.read.iops").samples.values().len(), 3);
    assert!(!step.metrics.iter().any(|metric| metric.fact.name.0 == "storage.randread_4k_qd8.write.iops"));
    assert!(step.notes["no figure storage.randread_4k_qd8.write.iops"].contains("1 of 3 repeats"), "{:?}", step.notes);
}

/// Three days of work in a moment: a hundred rounds of four kinds of operations on twelve targets, each with an hour's series and a full histogram.
#[test]
fn a_run_of_three_days_leaves_a_directory_of_bounded_size() {
    let place = Place::new();
    let work: String = ["4KiB", "8KiB", "64KiB", "1MiB"].map(|bs| READ.replace("4KiB", bs)).concat();
    let text = scenario("repeats = 100", &work);
    let folders: Vec<std::path::PathBuf> = (0..12).map(|number| place.scratch().join(format!("drive{number}"))).collect();
    folders.iter().for_each(|folder| std::fs::create_dir_all(folder).expect("a folder"));
    let (bench, _) = Scripted::answering(|n, work, _| {
        let mut latencies = hdrhistogram::Histogram::new_with_bounds(1, 120_000_000_000, 3).expect("a histogram");
        (0..2000_u64).for_each(|at| latencies.record(60_000 + at * at * 7 % 900_000).expect("recorded"));
        let series =
            (1..=8192_u32).map(|at| (f64::from(at) * 0.44, 1000.0 + f64::from(at % 13) + f64::from(u32::try_from(n).expect("few")))).collect();
        Ok(Outcome { latencies: Some(Latencies::from(&latencies)), series, ..good(work) })
    });
    let plan = place.plan_on_folders(&text, &folders);
    let run = place.run(bench, &plan, &mut |_| {}).expect("runs");
    assert_eq!(run.ended, Ended::Completed);
    let directory = std::fs::read_dir(place.runs().join(&run.id)).expect("a run");
    let bytes: u64 = directory.flatten().filter_map(|entry| entry.metadata().ok()).map(|data| data.len()).sum();
    assert!(bytes < 200_000_000, "{bytes} bytes");
    let points: usize = step(&run, "rounds").series.iter().map(|series| series.points.len()).max().expect("series");
    assert!((1000..=4400).contains(&points), "{points}");
}
