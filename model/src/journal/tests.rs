use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::attr::Attr;
use crate::component::Reading;
use crate::metric::{Direction, Samples};
use crate::run::RUN_SCHEMA;
use crate::unit::Unit;

fn started(steps: &[&str]) -> Event {
    Event::RunStarted {
        run: "20261123T020304Z-storage-quick-0a1b2c".into(),
        schema: RUN_SCHEMA,
        scenario: "storage-quick".into(),
        plan: "p".repeat(64),
        steps: steps.iter().map(|step| (*step).to_owned()).collect(),
        hosts: vec!["node1".into()],
        nodes: vec![],
        environment: Environment::default(),
    }
}

fn step(name: &str) -> Event {
    Event::StepStarted { step: name.into(), hosts: vec!["node1".into()] }
}

fn counters(reading: impl Into<Reading>) -> Vec<CounterSample> {
    vec![CounterSample { component: "0000:41:00.0".into(), counter: Attr::AerCorrectable, source: "aer".into(), reading: reading.into() }]
}

fn before(name: &str, count: u64) -> Event {
    Event::CountersBefore { step: name.into(), counters: counters(count) }
}

fn after(name: &str, count: u64) -> Event {
    Event::CountersAfter { step: name.into(), counters: counters(count) }
}

fn metric(name: &str, samples: Vec<f64>) -> Event {
    Event::Metric {
        step: name.into(),
        metric: Metric {
            name: "storage.randread_4k_qd32.iops".into(),
            unit: Unit::OpsPerSecond,
            direction: Direction::HigherIsBetter,
            dimensions: BTreeMap::from([("engine".into(), "uring \"é\"\n".into())]),
            samples: Samples::new(samples),
        },
    }
}

fn verification(name: &str, corrupt: &[(&str, u64)]) -> Event {
    let corrupt = corrupt.iter().map(|(what, count)| ((*what).to_owned(), *count)).collect();
    Event::Verification { step: name.into(), verification: Verification { operations: 9, verified: 9, failed: BTreeMap::new(), corrupt } }
}

fn ended(name: &str, ended: Ended) -> Event {
    Event::StepEnded { step: name.into(), ended }
}

fn over(ended: Ended) -> Event {
    Event::RunEnded { ended }
}

fn resumed() -> Event {
    Event::Resumed { plan: "p".repeat(64) }
}

/// A healthy step.
fn whole(name: &str) -> Vec<Event> {
    vec![step(name), before(name, 3), metric(name, vec![1.5, 0.1 + 0.2]), verification(name, &[]), after(name, 3), ended(name, Ended::Completed)]
}

fn story(parts: impl IntoIterator<Item = Vec<Event>>) -> Vec<Event> {
    parts.into_iter().flatten().collect()
}

fn text(events: &[Event]) -> String {
    text_of_boots(&events.iter().map(|event| ("boot-1", event.clone())).collect::<Vec<_>>())
}

fn text_of_boots(events: &[(&str, Event)]) -> String {
    let line = |(seq, (boot, event)): (usize, &(&str, Event))| {
        let seq = u64::try_from(seq).expect("few events");
        let entry = Entry { seq, mono_ns: seq * 7, at: format!("2026-11-23T02:03:{:02}Z", seq % 60), boot: (*boot).to_owned(), event: event.clone() };
        entry.encode().expect("encodes")
    };
    events.iter().enumerate().map(line).collect()
}

fn complete() -> Vec<Event> {
    let fault = Event::FaultArmed {
        id: "f1".into(),
        fault: "port_down".into(),
        host: "node1".into(),
        step: "drill".into(),
        armed: serde_json::json!({"port": "eth0"}),
    };
    let drill = vec![
        step("drill"),
        before("drill", 3),
        fault,
        Event::FaultInjected { id: "f1".into() },
        Event::FaultHealed { id: "f1".into() },
        Event::Condition { step: "drill".into(), condition: Condition::NeighbourBusy("cc1 used 80 % of a CPU".into()) },
        Event::Note { step: "drill".into(), name: "fio".into(), text: "fio --rw=randread".into() },
        Event::Latency { step: "drill".into(), curve: LatencyCurve { name: "storage.x".into(), count: 2, points: vec![(0.5, 10), (1.0, 20)] } },
        Event::Series {
            step: "drill".into(),
            series: Series { name: "storage.x.iops".into(), unit: Unit::OpsPerSecond, over: Unit::Seconds, points: vec![(0.1, 7.0)] },
        },
        after("drill", 3),
        ended("drill", Ended::Completed),
    ];
    story([vec![started(&["a", "drill"])], whole("a"), drill, vec![over(Ended::Completed)]])
}

fn disorder(events: &[Event]) -> String {
    match fold(text(events)) {
        Err(JournalError::Disorder { why, .. }) => why,
        other => panic!("expected a disorder, got {other:?}"),
    }
}

#[test]
fn a_complete_journal_folds_to_a_completed_run_with_the_events_that_carry_its_facts() {
    let run = fold(text(&complete())).expect("folds");
    assert_eq!(run.ended, Ended::Completed);
    assert_eq!(
        (run.id.as_str(), run.started_at.as_str(), run.ended_at.as_str()),
        ("20261123T020304Z-storage-quick-0a1b2c", "2026-11-23T02:03:00Z", "2026-11-23T02:03:18Z")
    );
    let first = &run.steps[0];
    assert_eq!((first.metrics[0].event, first.verification.as_ref().expect("verified").event, first.counters[0].event), (3, 4, 5));
    assert_eq!(first.metrics[0].fact.samples.values()[1].to_bits(), (0.1_f64 + 0.2).to_bits());
    assert_eq!((&first.counters[0].before, &first.counters[0].after), (&Reading::from(3), &Reading::from(3)));
    assert_eq!(
        (run.steps[1].latencies.len(), run.steps[1].series.len(), run.steps[1].conditions.len(), run.steps[1].notes["fio"].as_str()),
        (1, 1, 1, "fio --rw=randread")
    );
}

#[test]
fn any_prefix_loses_at_most_its_last_event_and_is_never_completed() {
    let events = complete();
    let whole = text(&events);
    let first_line = whole.find('\n').expect("a line") + 1;
    for cut in 0..whole.len() {
        let prefix = &whole.as_bytes()[..cut];
        if cut < first_line {
            assert_eq!(fold(prefix), Err(JournalError::Empty), "cut at {cut}");
            continue;
        }
        let journal = Journal::read(prefix).unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!(journal.entries.len(), prefix.iter().filter(|byte| **byte == b'\n').count(), "cut at {cut}");
        let run = journal.run().unwrap_or_else(|error| panic!("cut at {cut}: {error}"));
        assert_eq!(run.ended, Ended::Interrupted, "cut at {cut}");
    }
}

#[test]
fn any_changed_byte_before_the_last_line_is_an_error_and_in_it_never_a_fact() {
    let events = complete();
    let whole = text(&events);
    let last_line = whole[..whole.len() - 1].rfind('\n').expect("two lines") + 1;
    for at in 0..whole.len() {
        for change in [0x01, 0x20, 0x80, whole.as_bytes()[at] ^ b'\n', whole.as_bytes()[at]] {
            if change == 0 {
                continue;
            }
            let mut bytes = whole.clone().into_bytes();
            bytes[at] ^= change;
            match Journal::read(&bytes) {
                Err(_) => {}
                Ok(journal) => {
                    assert!(at >= last_line, "byte {at} ^ {change:#x} was not noticed");
                    assert_eq!(journal.entries.len(), events.len() - 1, "byte {at} ^ {change:#x}");
                    assert_eq!(journal.run().expect("folds").ended, Ended::Interrupted);
                }
            }
        }
    }
}

#[test]
fn a_tail_of_zeros_or_garbage_is_torn_and_cut_off() {
    let good = text(&complete());
    for tail in [&b"\0\0\0\0\0\0\0\0"[..], b"1234", b"deadbeef {\"seq\":", b"\xff\xfe\n", b"00000000 {}\n"] {
        let journal = Journal::read([good.as_bytes(), tail].concat()).expect("a torn tail");
        assert_eq!((journal.intact, journal.entries.len()), (good.len(), complete().len()));
    }
}

#[test]
fn a_missing_event_a_repeated_event_and_a_stranger_are_errors() {
    let whole = text(&complete());
    let lines: Vec<&str> = whole.split_inclusive('\n').collect();
    let without = [&lines[..4], &lines[5..]].concat().concat();
    assert_eq!(fold(without), Err(JournalError::Sequence { line: 5, expected: 4, found: 5 }));
    let twice = [&lines[..5], &lines[4..]].concat().concat();
    assert_eq!(fold(twice), Err(JournalError::Sequence { line: 6, expected: 5, found: 4 }));
    let json = r#"{"seq":19,"mono_ns":1,"at":"x","boot":"b","event":{"kind":"gate_opened"}}"#;
    let stranger = format!("{whole}{:08x} {json}\n", crc32c::crc32c(json.as_bytes()));
    assert!(matches!(fold(stranger), Err(JournalError::Damaged { line: 20, .. })), "an event of a newer version is no torn tail");
}

#[test]
fn a_figure_that_is_not_a_number_is_refused_when_written_not_when_read() {
    for bad in [f64::NAN, f64::INFINITY] {
        let entry = Entry { seq: 0, mono_ns: 0, at: String::new(), boot: String::new(), event: metric("a", vec![bad]) };
        assert!(matches!(entry.encode(), Err(JournalError::Unwritable { seq: 0, .. })));
    }
}

#[test]
fn impossible_stories_are_errors() {
    let begun = |more: Vec<Event>| story([vec![started(&["a", "b"])], more]);
    let fault = |id: &str| Event::FaultArmed { id: id.into(), fault: "f".into(), host: "h".into(), step: "a".into(), armed: serde_json::Value::Null };
    let cases: Vec<(Vec<Event>, &str)> = vec![
        (vec![step("a")], "first event must be run_started"),
        (vec![started(&[])], "no steps"),
        (vec![started(&["a", "a"])], "same name"),
        (begun(vec![started(&["a"])]), "second time"),
        (begun(vec![step("c")]), "not in the plan"),
        (begun(vec![step("a"), step("b")]), "inside step a"),
        (begun(vec![metric("a", vec![1.0])]), "not running"),
        (begun(vec![step("a"), metric("b", vec![1.0])]), "a is"),
        (begun(vec![step("a"), after("a", 0)]), "without counters_before"),
        (begun(vec![step("a"), before("a", 0), before("a", 0)]), "second time"),
        (begun(vec![step("a"), before("a", 0), after("a", 0), after("a", 0)]), "second time"),
        (begun(vec![step("a"), verification("a", &[]), verification("a", &[])]), "second verification"),
        (story([begun(whole("a")), vec![step("a")]]), "has ended before"),
        (begun(vec![step("a"), over(Ended::Completed)]), "inside a step"),
        (story([begun(vec![over(Ended::Cancelled)]), whole("a")]), "ended before it"),
        (begun(vec![Event::Resumed { plan: "other".into() }]), "begun with plan"),
        (begun(vec![over(Ended::Failed("x".into())), resumed()]), "cannot be resumed"),
        (story([complete(), vec![resumed()]]), "cannot be resumed"),
        (begun(vec![Event::FaultHealed { id: "f".into() }]), "never armed"),
        (begun(vec![step("a"), fault("f"), fault("f")]), "second time"),
    ];
    for (events, expected) in cases {
        let why = disorder(&events);
        assert!(why.contains(expected), "`{why}` does not say `{expected}`");
    }
}

#[test]
fn a_run_that_only_says_that_it_completed_did_not() {
    let armed = Event::FaultArmed { id: "f".into(), fault: "x".into(), host: "h".into(), step: "b".into(), armed: serde_json::Value::Null };
    let cases: Vec<(Vec<Event>, &str)> = vec![
        (story([vec![started(&["a", "b"])], whole("a"), vec![over(Ended::Completed)]]), "step b did not"),
        (story([vec![started(&["a"])], vec![step("a"), ended("a", Ended::Failed("EIO".into())), over(Ended::Completed)]]), "step a did not"),
        (story([vec![started(&["a"])], vec![step("a"), before("a", 1), ended("a", Ended::Completed), over(Ended::Completed)]]), "step a did not"),
        (
            story([
                vec![started(&["b"])],
                vec![step("b"), before("b", 1), armed, after("b", 1), ended("b", Ended::Completed), over(Ended::Completed)],
            ]),
            "f is not healed",
        ),
    ];
    for (events, expected) in cases {
        match fold(text(&events)).expect("folds").ended {
            Ended::Failed(why) => assert!(why.contains(expected), "`{why}` does not say `{expected}`"),
            other @ (Ended::Completed | Ended::Interrupted | Ended::Cancelled) => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_counter_that_vanished_during_the_step_is_unreadable() {
    let gone = Event::CountersAfter { step: "a".into(), counters: Vec::new() };
    let run = fold(text(&story([vec![started(&["a"])], vec![step("a"), before("a", 1), gone, ended("a", Ended::Completed)]]))).expect("folds");
    assert!(matches!(run.steps[0].counters[0].after, Reading::Unreadable(_)));
    let came = Event::CountersBefore { step: "a".into(), counters: Vec::new() };
    let run = fold(text(&story([vec![started(&["a"])], vec![step("a"), came, after("a", 1), ended("a", Ended::Completed)]]))).expect("folds");
    assert!(matches!(run.steps[0].counters[0].before, Reading::Unreadable(_)));
}

#[test]
fn a_resumed_run_keeps_completed_steps_and_drops_the_figures_of_the_unfinished_one() {
    let cut_short = vec![step("b"), before("b", 3), metric("b", vec![9.0])];
    let second_half = story([vec![resumed()], whole("b"), vec![over(Ended::Completed)]]);
    let mut events: Vec<(&str, Event)> =
        story([vec![started(&["a", "b"])], whole("a"), cut_short]).into_iter().map(|event| ("boot-1", event)).collect();
    let interrupted = fold(text_of_boots(&events)).expect("folds");
    assert_eq!((&interrupted.ended, &interrupted.steps[1].ended), (&Ended::Interrupted, &Ended::Interrupted));
    events.extend(second_half.into_iter().map(|event| ("boot-2", event)));
    let run = fold(text_of_boots(&events)).expect("folds");
    assert_eq!((run.ended, run.boot_ids), (Ended::Completed, vec!["boot-1".to_owned(), "boot-2".to_owned()]));
    assert_eq!(run.steps[0].metrics[0].event, 3);
    assert_eq!(run.steps[1].metrics.len(), 1);
    assert_eq!(run.steps[1].metrics[0].fact.samples.values().len(), 2, "the figure is of the second attempt");
    assert!(run.steps[1].conditions.is_empty());
}

#[test]
fn a_cancelled_run_can_be_resumed() {
    let cancelled = vec![step("a"), before("a", 3), metric("a", vec![9.0]), after("a", 3), ended("a", Ended::Cancelled), over(Ended::Cancelled)];
    let first = story([vec![started(&["a"])], cancelled]);
    assert_eq!(fold(text(&first)).expect("folds").ended, Ended::Cancelled);
    let run = fold(text(&story([first, vec![resumed()], whole("a"), vec![over(Ended::Completed)]]))).expect("folds");
    assert_eq!((run.ended, run.steps.len(), run.steps[0].metrics[0].fact.samples.values().len()), (Ended::Completed, 1, 2));
}

#[test]
fn a_second_attempt_does_not_wash_away_the_errors_of_the_first() {
    let cut_short = vec![step("a"), before("a", 3), verification("a", &[("torn", 2)]), after("a", 5)];
    let run = fold(text(&story([vec![started(&["a"])], cut_short, vec![resumed()], whole("a"), vec![over(Ended::Completed)]]))).expect("folds");
    let step = &run.steps[0];
    let verification = &step.verification.as_ref().expect("verified").fact;
    assert_eq!((verification.operations, verification.corrupt["torn"]), (9, 2));
    assert!(matches!(&step.conditions[..], [Condition::DeviceErrors(what)] if what.contains("went from 3 to 5")), "{:?}", step.conditions);
    assert_eq!((&step.counters[0].before, &step.counters[0].after), (&Reading::from(3), &Reading::from(3)));
}

#[test]
fn errors_of_a_cancelled_attempt_show_as_a_rise_too_and_its_wrong_content_stays_without_a_second_try() {
    let cancelled = vec![
        step("a"),
        before("a", 3),
        verification("a", &[("stale", 1)]),
        after("a", 5),
        ended("a", Ended::Cancelled),
        over(Ended::Cancelled),
        resumed(),
    ];
    let first = story([vec![started(&["a"])], cancelled]);
    let waiting = fold(text(&first)).expect("folds");
    assert_eq!(waiting.steps[0].verification.as_ref().expect("kept").fact.corrupt["stale"], 1);
    let again = vec![step("a"), before("a", 5), after("a", 5), ended("a", Ended::Completed), over(Ended::Completed)];
    let run = fold(text(&story([first, again]))).expect("folds");
    assert_eq!((&run.steps[0].counters[0].before, &run.steps[0].counters[0].after), (&Reading::from(3), &Reading::from(5)));
    assert_eq!(run.steps[0].verification.as_ref().expect("kept").fact.corrupt["stale"], 1);
}

#[test]
fn errors_of_an_attempt_that_died_show_as_a_rise_over_the_whole_step_within_one_boot() {
    let again = |boot: &'static str| {
        let first = [started(&["a"]), step("a"), before("a", 3)].map(|event| ("boot-1", event));
        let second = [resumed(), step("a"), before("a", 8), after("a", 8), ended("a", Ended::Completed)].map(|event| (boot, event));
        fold(text_of_boots(&[first.to_vec(), second.to_vec()].concat())).expect("folds").steps[0].counters[0].before.clone()
    };
    assert_eq!(again("boot-1"), Reading::from(3));
    assert_eq!(again("boot-2"), Reading::from(8), "counters begin anew with every boot");
}

#[test]
fn only_faults_that_are_armed_and_not_healed_are_unhealed() {
    let fault = |id: &str| Event::FaultArmed {
        id: id.into(),
        fault: "port_down".into(),
        host: "node1".into(),
        step: "a".into(),
        armed: serde_json::json!({"port": id}),
    };
    let events = vec![
        started(&["a"]),
        step("a"),
        fault("one"),
        fault("two"),
        Event::FaultInjected { id: "two".into() },
        fault("three"),
        Event::FaultInjected { id: "one".into() },
        Event::FaultHealed { id: "one".into() },
    ];
    let journal = Journal::read(text(&events)).expect("reads");
    let open = unhealed(&journal.entries);
    assert_eq!(
        open.iter().map(|fault| (fault.id.as_str(), fault.injected, fault.event)).collect::<Vec<_>>(),
        [("two", true, 3), ("three", false, 5)]
    );
    assert_eq!(open[0].armed, serde_json::json!({"port": "two"}));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = fold(&bytes);
    }

    #[test]
    fn random_events_in_random_order_never_make_a_completed_run_of_an_unfinished_step(order in proptest::collection::vec(0_usize..10, 0..24)) {
        let choice = [
            step("a"), step("b"), before("a", 1), after("a", 1), before("b", 1), after("b", 2),
            ended("a", Ended::Completed), ended("b", Ended::Completed), over(Ended::Completed), resumed(),
        ];
        let events = story([vec![started(&["a", "b"])], order.iter().map(|at| choice[*at].clone()).collect()]);
        if let Ok(run) = fold(text(&events)) && run.ended == Ended::Completed {
            prop_assert_eq!(run.steps.iter().filter(|step| step.ended == Ended::Completed && !step.counters.is_empty()).count(), 2);
        }
    }

    #[test]
    fn cut_and_continued_anywhere_a_run_completes_with_the_same_steps(cut in 0.0_f64..1.0) {
        let steps = ["a", "b", "c"];
        let first = story([vec![started(&steps)], whole("a"), whole("b"), whole("c"), vec![over(Ended::Completed)]]);
        let intact = text(&first);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a random place in a short text")]
        let bytes = (intact.len() as f64 * cut) as usize;
        let Ok(journal) = Journal::read(&intact.as_bytes()[..bytes]) else { return Ok(()) };
        let so_far = journal.run().expect("folds");
        let mut events: Vec<Event> = journal.entries.into_iter().map(|entry| entry.event).collect();
        events.push(resumed());
        for name in steps {
            if !so_far.steps.iter().any(|step| step.name == name && step.ended == Ended::Completed) {
                events.extend(whole(name));
            }
        }
        events.push(over(Ended::Completed));
        let run = fold(text(&events)).expect("folds");
        prop_assert_eq!(run.ended, Ended::Completed);
        prop_assert!(run.steps.iter().all(|step| step.metrics.len() == 1));
        prop_assert_eq!(run.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), steps);
    }
}

fn outage() -> crate::outage::Outage {
    use crate::outage::{Flow, Gap, Outage, Span, Way};
    let gap =
        Gap { last_good_ns: Some(-200_000), first_good_ns: None, at_least_ns: 1_500_000_000, at_most_ns: None, harness_ns: 0, lost: Some(1500) };
    let flow = Flow { flow: 3, sent: 9000, lost: 1500, duplicated: 1, reordered: 2, gaps_seen: 1, gaps: vec![gap] };
    let span = |from_ns, to_ns| Span { from_ns, to_ns };
    let way = Way {
        from: "a".into(),
        to: "b \"é\"".into(),
        injected: span(0, 70_000),
        healed: span(1_500_000_000, 1_500_080_000),
        earliest_ns: 0,
        uncertainty_ns: 40_000,
        listened: span(-2_000_000_000, 5_000_000_000),
        threshold_ns: 5_000_000,
        flows: vec![flow],
    };
    Outage { family: "bond.failover".into(), fault: "link-down".into(), node: "a".into(), port: "eth0".into(), ways: vec![way] }
}

#[test]
fn a_fault_is_healed_also_when_its_run_has_ended_and_nothing_else_comes_after_that() {
    let armed = Event::FaultArmed { id: "f".into(), fault: "link-down".into(), host: "a".into(), step: "s".into(), armed: serde_json::json!({}) };
    let healed = || Event::FaultHealed { id: "f".into() };
    let cancelled = |more: Vec<Event>| {
        let begun = vec![
            started(&["s"]),
            step("s"),
            before("s", 1),
            armed.clone(),
            ended("s", Ended::Cancelled),
            Event::RunEnded { ended: Ended::Cancelled },
        ];
        fold(text(&[begun, more].concat()))
    };
    assert_eq!(cancelled(vec![healed()]).expect("folds").ended, Ended::Cancelled);
    assert!(cancelled(vec![healed(), resumed()]).is_ok());
    assert!(cancelled(vec![step("s")]).is_err() && cancelled(vec![Event::FaultHealed { id: "g".into() }]).is_err());
}

#[test]
fn the_timeline_of_an_outage_is_part_of_its_step_and_goes_with_an_attempt_that_is_begun_anew() {
    let events =
        |more: Vec<Event>| [vec![started(&["s"]), step("s"), before("s", 1), Event::Outage { step: "s".into(), outage: outage() }], more].concat();
    let whole = fold(text(&events(vec![after("s", 1), ended("s", Ended::Completed), Event::RunEnded { ended: Ended::Completed }]))).expect("folds");
    assert_eq!(whole.steps[0].outages, [outage()]);
    let again = fold(text(&events(vec![resumed()]))).expect("folds");
    assert!(again.steps[0].outages.is_empty());
}

#[test]
fn a_run_that_was_stored_before_there_were_nodes_and_outages_still_reads() {
    let run = fold(text(&[started(&["s"]), step("s"), before("s", 1)])).expect("folds");
    let stored = serde_json::to_value(&run).expect("serialises");
    assert!(stored.get("nodes").is_none() && stored["steps"][0].get("outages").is_none(), "{stored}");
    assert_eq!(serde_json::from_value::<Run>(stored).expect("reads"), run);
    let line = serde_json::to_value(started(&["s"])).expect("serialises");
    assert!(line.get("nodes").is_none() && serde_json::from_value::<Event>(line).is_ok());
}
