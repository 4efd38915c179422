//! Checks from runs, each against planted faults.

use super::*;
use crate::component::Value;

#[test]
fn planted_faults_of_a_run_are_found() {
    holds(&[
        (
            "interrupted",
            |f| f.run("storage-quick").ended = Ended::Interrupted,
            3,
            "run.completed (storage-quick): interrupted: the run was interrupted",
        ),
        ("cancelled", |f| f.run("storage-quick").ended = Ended::Cancelled, 3, "cancelled"),
        ("failed", |f| f.run("storage-quick").ended = Ended::Failed("no space".into()), 3, "no space"),
        ("a step failed", |f| f.step("random").ended = Ended::Failed("EIO".into()), 3, "step random failed: EIO"),
        ("no step", |f| f.run("memory-triad").steps.clear(), 3, "the run has no step"),
        ("a scenario without a run", |f| f.runs.truncate(1), 3, "run.completed (memory-triad): not_run: there is no run of scenario memory-triad"),
        ("a disk scenario without a run", |f| drop(f.runs.remove(0)), 3, "storage.data_verified (storage-quick): not_run"),
        ("no run", |f| f.runs.clear(), 3, "there is no run of scenario"),
        ("corrupt", |f| corrupt(f.verification("verify")), 1, "wrong content: 2 x stale in step verify"),
        ("corrupt during a read", |f| corrupt(f.verification("random")), 1, "wrong content: 2 x stale in step random"),
        (
            "corrupt, then interrupted",
            |f| {
                corrupt(f.verification("random"));
                f.run("storage-quick").ended = Ended::Interrupted;
            },
            1,
            "wrong content",
        ),
        ("reads not compared", |f| f.verification("random").verified = 0, 3, "step random compared nothing"),
        ("reads not counted", |f| f.step("random").verification = None, 3, "step random compared nothing"),
        (
            "nothing compared",
            |f| {
                f.step("random").metrics.clear();
                f.verification("random").verified = 0;
                f.verification("verify").verified = 0;
            },
            3,
            "none of 1512 operations was compared",
        ),
        ("no operation", |f| nothing(f, &["layout", "random", "verify"]), 3, "no operation was counted"),
        ("a wrong element", |f| corrupt(f.verification("triad")), 1, "memory.triad_verified (memory-triad): wrong content"),
        ("triad not compared", |f| f.verification("triad").verified = 0, 3, "memory.triad_verified"),
        ("triad not counted", |f| f.step("triad").verification = None, 3, "memory.triad_verified (memory-triad): not_run: no operation was counted"),
        ("failed operations", |f| f.verification("random").failed = [("EIO".into(), 3)].into(), 1, "3 x EIO in step random"),
        ("throttled", |f| f.step("triad").conditions.push(Condition::Throttled("package 0".into())), 3, "run.undisturbed (memory-triad): disturbed"),
        ("at the floor", |f| f.step("random").conditions.push(Condition::AtHarnessFloor("x".into())), 3, "at_harness_floor"),
    ]);
}

fn corrupt(verification: &mut Verification) {
    verification.corrupt.insert("stale".into(), 2);
}

fn nothing(f: &mut Fixture, steps: &[&str]) {
    for step in steps {
        f.step(step).metrics.clear();
        *f.verification(step) = Verification::default();
    }
}

#[test]
fn new_errors_during_a_run_are_told_from_old_ones_and_from_none() {
    holds(&[
        ("one more", |f| f.step("random").counters[0] = counter(3, 5), 1, "new errors: 0000:41:00.0 aer_correctable during step random: +2 (3 to 5)"),
        (
            "reset",
            |f| f.step("random").counters[0] = counter(3, 0),
            3,
            "invalid: 0000:41:00.0 aer_correctable during step random: went back from 3 to 0",
        ),
        ("unreadable before", |f| f.step("random").counters[0] = counter(Reading::Unreadable("EIO".into()), 3), 3, "EIO"),
        ("unreadable after", |f| f.step("random").counters[0] = counter(3, Reading::Unreadable("EIO".into())), 3, "EIO"),
        ("vanished", |f| f.step("random").counters[0] = counter(3, Reading::Absent), 3, "the counter vanished"),
        ("appeared", |f| f.step("random").counters[0] = counter(Reading::Absent, 0), 3, "the counter appeared"),
        ("no number", |f| f.step("random").counters[0] = counter("none", "none"), 3, "not a whole number"),
        ("not read in one step", |f| f.step("random").counters.clear(), 3, "no counter was read around step random"),
        (
            "an error beats what was not read",
            |f| f.step("random").counters = vec![counter(Reading::Unreadable("EIO".into()), 3), counter(3, 4)],
            1,
            "+1 (3 to 4)",
        ),
        ("no counter at all", |f| no_counters(f), 3, "this host has no error counters"),
    ]);
    admits(&[
        ("one counter that this host lacks", |f| f.step("random").counters.push(counter(Reading::Absent, Reading::Absent)), ""),
        (
            "no counter, and nothing was ordered",
            |f| {
                no_counters(f);
                f.site.absence = Absence::NotApplicable;
            },
            "",
        ),
    ]);
}

#[test]
fn entries_of_an_error_log_are_errors_unless_the_drive_only_did_not_know_a_question() {
    fn entries(f: &mut Fixture, unknown: impl Into<Reading>) {
        let of = |counter, before: Reading, after: Reading| CounterDelta { counter, ..super::counter(before, after) };
        let list = of(Attr::UnknownCommands, Value::List(vec!["7".into()]).into(), unknown.into());
        f.step("random").counters.extend([of(Attr::ErrorLogEntries, 7_u64.into(), 9_u64.into()), list]);
    }
    fn list(numbers: &[&str]) -> Reading {
        Value::List(numbers.iter().map(|number| (*number).to_owned()).collect()).into()
    }
    admits(&[("two questions", |f| entries(f, list(&["9", "8", "7"])), "")]);
    holds(&[
        ("a fault besides", |f| entries(f, list(&["9", "7"])), 1, "error_log_entries during step random: +2 (7 to 9)"),
        ("questions of before", |f| entries(f, list(&["7", "6"])), 1, "error_log_entries"),
        ("a log that cannot be read", |f| entries(f, Reading::Unreadable("EIO".into())), 1, "error_log_entries"),
        (
            "of another drive",
            |f| {
                entries(f, list(&["9", "8"]));
                f.step("random").counters.last_mut().expect("the list").component = "0000:42:00.0".into();
            },
            1,
            "error_log_entries",
        ),
    ]);
}

#[test]
fn throttling_is_a_disturbance_and_no_error() {
    fn throttle(f: &mut Fixture, before: impl Into<Reading>, after: impl Into<Reading>) {
        let delta = CounterDelta { counter: Attr::PackageThrottles, component: "package 0".into(), ..counter(before, after) };
        f.step("triad").counters.push(delta);
    }
    admits(&[("no more than before", |f| throttle(f, 7_u64, 7_u64), ""), ("none there", |f| throttle(f, Reading::Absent, Reading::Absent), "")]);
    holds(&[
        ("throttled", |f| throttle(f, 7_u64, 9_u64), 3, "run.undisturbed (memory-triad): disturbed: throttled: package 0 package_throttles"),
        ("the figure, too", |f| throttle(f, 7_u64, 9_u64), 3, "memory.triad_bandwidth (memory.triad.bandwidth): disturbed"),
        ("cannot be told", |f| throttle(f, 7_u64, Reading::Unreadable("EIO".into())), 3, "throttled: cannot be told: package 0"),
    ]);
    let throttled = Fixture::spoilt(|f| throttle(f, 7_u64, 9_u64)).judge();
    assert!(rows(&throttled, "run.no_new_errors").iter().all(|row| row.check.verdict.rank() == Rank::Pass));
}

#[test]
fn a_numa_node_that_was_not_measured_is_not_spoken_for_by_another() {
    fn two_nodes(f: &mut Fixture, cpus: impl Into<Reading>) {
        let node = Component::new(Kind::NumaNode, "node1").with(Attr::CpuList, "sysfs", cpus);
        f.inventory().components.push(node);
        // Each node has half of the channels now.
        f.step("triad").metrics[0].fact.samples = Samples::new(vec![30e9]);
    }
    holds(&[(
        "one of two",
        |f| two_nodes(f, "64-127"),
        3,
        "memory.triad_bandwidth (memory.triad.bandwidth{numa_node=1}): not_run: NUMA node 1 was not measured",
    )]);
    admits(&[
        (
            "both",
            |f| {
                two_nodes(f, "64-127");
                second(f, 30e9);
            },
            "",
        ),
        (
            "a node of memory alone",
            |f| {
                two_nodes(f, "");
                f.step("triad").metrics[0].fact.samples = Samples::new(vec![60e9]);
            },
            "",
        ),
    ]);
}

fn counter(before: impl Into<Reading>, after: impl Into<Reading>) -> CounterDelta {
    super::counter(before, after)
}

fn no_counters(f: &mut Fixture) {
    for step in f.runs.iter_mut().flat_map(|run| &mut run.steps) {
        step.counters = vec![counter(Reading::Absent, Reading::Absent)];
    }
}

#[test]
fn a_figure_is_judged_against_the_ceiling_of_the_node() {
    fn figure(f: &mut Fixture, samples: &[f64]) {
        f.step("triad").metrics[0].fact.samples = Samples::new(samples.to_vec());
    }
    holds(&[
        ("too slow", |f| figure(f, &[50e9]), 1, "memory.triad_bandwidth (memory.triad.bandwidth): the median 50000000000 is below 53760000000"),
        ("above the ceiling", |f| figure(f, &[80e9]), 3, "above the physical ceiling 76800000000"),
        ("no number", |f| figure(f, &[f64::NAN]), 3, "not a finite number"),
        ("no sample", |f| figure(f, &[]), 3, "no sample"),
        ("interrupted", |f| f.run("memory-triad").ended = Ended::Interrupted, 3, "memory.triad_bandwidth (memory.triad.bandwidth): interrupted"),
        ("of a step that failed", |f| f.step("triad").ended = Ended::Failed("x".into()), 3, "its step failed: x"),
        ("a speed that was not read", |f| slow_module(f, Reading::Absent), 3, "configured speed, MT/s is absent"),
        ("one node of two too slow", |f| second(f, 50e9), 1, "memory.triad.bandwidth{numa_node=1}"),
    ]);
    admits(&[
        ("at the limit", |f| figure(f, &[53.76e9]), ""),
        ("two nodes", |f| second(f, 60e9), ""),
        (
            "no ordered speed and none to be read",
            |f| {
                f.site.absence = Absence::NotApplicable;
                slow_module(f, Reading::Absent);
            },
            "",
        ),
    ]);
}

fn second(f: &mut Fixture, figure: f64) {
    let metric = metric("memory.triad.bandwidth", Unit::BytesPerSecond, &[("numa_node", "1")], &[figure]);
    f.step("triad").metrics.push(metric);
}

// The same in both inventories, so that the node stays the one of the run.
fn slow_module(f: &mut Fixture, speed: Reading) {
    for module in &mut f.inventory().components[2..] {
        module.attributes.insert(Attr::ConfiguredSpeed, speed.clone());
    }
}

#[test]
fn every_figure_is_listed_with_its_ceiling_and_its_interval() {
    let judgement = Fixture::healthy().judge();
    let names: Vec<&str> = judgement.metrics.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["harness.null_4k_qd128.iops", "memory.triad.bandwidth", "storage.randread_4k_qd32.iops"]);
    let triad = &judgement.metrics[1];
    assert_eq!((triad.value, triad.ceiling, triad.low, triad.high), (Some(60.1e9), Some(76.8e9), Some(60e9), Some(60.2e9)));
    assert!(triad.efficiency.is_some_and(|share| (share - 0.7826).abs() < 1e-3));
    assert_eq!((judgement.metrics[0].low, judgement.metrics[0].ceiling), (None, None), "one sample has no interval");
    let broken = Fixture::spoilt(|f| f.step("triad").metrics[0].fact.samples = Samples::new(vec![f64::NAN])).judge();
    assert_eq!((broken.metrics[1].value, broken.metrics[1].low), (None, None));
    let two = Fixture::spoilt(|f| second(f, 60e9)).judge();
    let names: Vec<&str> = two.metrics.iter().map(|row| row.name.as_str()).filter(|name| name.starts_with("memory")).collect();
    assert_eq!(names, ["memory.triad.bandwidth{numa_node=0}", "memory.triad.bandwidth{numa_node=1}"]);
}

#[test]
fn a_judged_check_names_the_events_that_carry_it() {
    let judgement = Fixture::healthy().judge();
    assert_eq!(row(&judgement, TRIAD).check.evidence, [30]);
    assert_eq!(row(&judgement, "storage.data_verified").check.evidence, [50, 51, 52]);
    assert_eq!(row(&judgement, "memory.triad_verified").check.evidence, [53]);
    assert_eq!(rows(&judgement, "run.no_new_errors")[0].check.evidence, [40]);
}

#[test]
fn what_came_over_the_network_is_what_was_sent_or_the_gate_holds() {
    fn network(f: &mut Fixture, operations: u64, verified: u64) {
        f.require(requirement("net.data_verified", Severity::Gate));
        let figure = metric("net.tcp_4_streams_verified.goodput", Unit::BitsPerSecond, &[("from", "a"), ("to", "b")], &[1e9]);
        f.runs.push(run("20261120-net", "net-tcp", vec![step("verified", vec![figure], counted(operations, verified), 61)]));
        f.gate.scenarios.push("net-tcp".into());
    }
    admits(&[("all compared", |f| network(f, 1000, 1000), "")]);
    holds(&[
        ("none compared", |f| network(f, 1000, 0), 3, "none of 1000 operations was compared"),
        (
            "not what was sent",
            |f| {
                network(f, 1000, 1000);
                corrupt(f.verification("verified"));
            },
            1,
            "net.data_verified (net-tcp): wrong content",
        ),
        (
            "not measured",
            |f| {
                f.require(requirement("net.data_verified", Severity::Gate));
            },
            3,
            "net.data_verified (net.data_verified): not_run",
        ),
    ]);
}

#[test]
fn what_a_cluster_stored_is_compared_and_osds_by_themselves_are_asked_for_nothing_of_the_kind() {
    let ranks = |scenario: &str, steps: Vec<Step>| -> BTreeMap<String, Rank> {
        checks_of(&run("20261120-ceph", scenario, steps)).into_iter().map(|check| (check.id.to_string(), check.verdict.rank())).collect()
    };
    let figure = |name: &str| vec![metric(name, Unit::BytesPerSecond, &[], &[1e9])];
    let cluster = |read: Option<Verification>| {
        let steps = vec![step("write", figure("ceph.write.bandwidth"), counted(900, 400), 61), step("read", figure("ceph.read.bandwidth"), read, 62)];
        ranks("ceph-cluster", steps)
    };
    const DATA: &str = "ceph.data_verified";
    let healthy = cluster(counted(1000, 1000));
    assert_eq!((healthy[DATA], healthy["ceph.no_failed_operations"]), (Rank::Pass, Rank::Pass));
    // A read that was not looked at is none.
    for read in [counted(1000, 999), counted(1000, 0), None] {
        assert_eq!(cluster(read.clone())[DATA], Rank::Inconclusive, "{read:?}");
    }
    let mut wrong = counted(1000, 1000);
    corrupt(wrong.as_mut().expect("counted"));
    assert_eq!(cluster(wrong)[DATA], Rank::Fail);
    let failed = Verification { failed: [("EIO".to_owned(), 1)].into(), ..counted(1000, 999).expect("counted") };
    assert_eq!(cluster(Some(failed))["ceph.no_failed_operations"], Rank::Fail);
    let osds = ranks("ceph-osd-bench", vec![step("osds", figure("ceph.osd_bench.bandwidth"), None, 61)]);
    assert_eq!(osds.keys().map(String::as_str).collect::<Vec<_>>(), ["run.completed", "run.no_new_errors", "run.undisturbed"]);
}

#[test]
fn checks_that_were_made_of_a_run_answer_whether_the_gate_names_its_scenario_and_only_for_its_node() {
    const ASKED: &str = "vlan.isolation";
    let made = |f: &mut Fixture, check: Check| {
        f.require(requirement(ASKED, Severity::Gate));
        let mut run = f.runs[0].clone();
        (run.id, run.scenario) = ("20261120-vlan-isolation".into(), "vlan-isolation".into());
        f.run_checks.insert(run.id.clone(), vec![check]);
        f.runs.push(run);
    };
    let good = || passed(ASKED, "VLAN 10");
    let rank = |spoil: &dyn Fn(&mut Fixture)| {
        let mut fixture = Fixture::healthy();
        made(&mut fixture, good());
        spoil(&mut fixture);
        let judgement = fixture.judge();
        let row = rows(&judgement, ASKED)[0].clone();
        (row.check.verdict.rank(), row.check.verdict.reason())
    };
    assert_eq!(rank(&|_| {}), (Rank::Pass, String::new()));
    let of_it = |f: &mut Fixture| f.runs.iter_mut().position(|run| run.scenario == "vlan-isolation").expect("it is there");
    let stale = |spoil: &dyn Fn(&mut Run), says: &str| {
        let (rank, reason) = rank(&|f| {
            let at = of_it(f);
            spoil(&mut f.runs[at]);
        });
        assert!(rank == Rank::Inconclusive && reason.contains(says), "{says}: {rank}: {reason}");
    };
    stale(&|run| run.hosts = vec!["other".into()], "the run is of other");
    stale(&|run| run.ended_at = "2026-11-01T12:00:00Z".into(), "more than 24 h ago");
    // Newer, and nothing was made of it: the older one does not speak any more.
    let (rank, reason) = rank(&|f| {
        let at = of_it(f);
        let newer = Run { id: "20261121-vlan-isolation".into(), started_at: "2026-11-20T11:59:00Z".into(), ..f.runs[at].clone() };
        f.runs.push(newer);
    });
    assert!(rank == Rank::Inconclusive && reason.contains("no code implements"), "{reason}");
    let mut fixture = Fixture::healthy();
    let leak = Check::new(ASKED, "VLAN 10", Verdict::Fail("a leak".into()), "", "", "");
    made(&mut fixture, leak);
    assert_eq!(fixture.judge().exit_code(), 1);
}

#[test]
fn checks_judged_alone_admit_when_all_pass_and_name_what_does_not() {
    let site = Fixture::healthy().site;
    let pass = |subject: &str| passed("vlan.isolation", subject);
    let of = |checks: Vec<Check>| {
        let judgement = alone(&site, checks);
        (judgement.verdict, judgement.exit_code())
    };
    assert_eq!(of(vec![pass("VLAN 10"), pass("VLAN 20")]), (Rank::Pass, 0));
    assert_eq!(of(Vec::new()), (Rank::Inconclusive, 3));
    let doubt = Check::inconclusive("vlan.isolation", "VLAN 20", "", Reason::NotRun("no".into()), "");
    assert_eq!(of(vec![pass("VLAN 10"), doubt.clone()]), (Rank::Inconclusive, 3));
    let leak = Check::new("vlan.no_flooding", "VLAN 30", Verdict::Fail("a leak".into()), "", "", "");
    assert_eq!(of(vec![pass("VLAN 10"), doubt, leak.clone()]), (Rank::Fail, 1));
    assert_eq!(alone(&site, vec![pass("VLAN 10"), leak]).judged[0].check.subject, "VLAN 30");
}
