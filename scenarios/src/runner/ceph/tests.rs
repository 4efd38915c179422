//! What several clients have seen, planted: only the time that all measured counts, and what is not theirs together is said.

use assay_model::run::Verification;

use super::*;
use crate::client::{OpenWindow, packed};

const MS: u64 = 1_000_000;

fn objects(measure: ObjectsMeasure) -> ObjectsSpec {
    ObjectsSpec {
        measure,
        pool: None,
        bs: if measure == ObjectsMeasure::Randread { 4096 } else { 4 << 20 },
        object_bytes: 4 << 20,
        size: 1 << 30,
        iodepth: 16,
        clients: 1,
        io_size: None,
        ramp_ms: 0,
        runtime_ms: 1000,
    }
}

/// A second of so many operations, of which each took so long.
fn window(began_ns: u64, operations: u64, latency_ns: u64) -> Window {
    let mut histogram = Histogram::<u64>::new(3).expect("a histogram");
    histogram.record_n(latency_ns, operations).expect("recorded");
    let series = (1..=10).map(|tick| (f64::from(tick) / 10.0, float(operations))).collect();
    Window {
        began_ns,
        elapsed_ns: 1000 * MS,
        operations,
        bytes: operations * 4096,
        series,
        latencies: packed(&Latencies::from(&histogram)),
        open: None,
        cpu_share: 0.1,
        verification: Verification { operations: operations + 5, verified: operations + 5, ..Verification::default() },
        corrupt: Vec::new(),
    }
}

fn seen(node: &str, offset_ns: i64, windows: Vec<Window>) -> Seen {
    let result =
        ClientResult { windows, beside: Verification::default(), ailing: Vec::new(), library: "3.0.0".into(), copies: 3, osd_memory: Ok(1 << 29) };
    Seen { node: node.into(), result, offset_ns, uncertainty_ns: 1000 }
}

fn value(outcome: &Outcome, name: &str, node: Option<&str>) -> f64 {
    let is = |figure: &&Figure| figure.name == name && figure.dimensions.get("node").map(String::as_str) == node;
    outcome.figures.iter().find(is).unwrap_or_else(|| panic!("{name} of {node:?}: {:?}", outcome.figures)).value
}

fn close(found: f64, expected: f64) {
    assert!((found - expected).abs() <= expected.abs() * 1e-9 + 1e-9, "{found} is not {expected}");
}

#[test]
fn only_the_time_in_which_all_measured_counts() {
    // By our clock the second began 100 ms after the first, although its own is an hour ahead.
    let hour = 3_600_000 * MS;
    let parts = [seen("a", 0, vec![window(500 * MS, 100, MS)]), seen("b", 3_600_000_000_000, vec![window(hour + 600 * MS, 200, 2 * MS)])];
    let outcome = merged(&objects(ObjectsMeasure::Write), &parts).expect("merged");
    let mib4 = f64::from(4 << 20);
    close(value(&outcome, "ceph.write.bandwidth", None), 300.0 * mib4);
    close(value(&outcome, "ceph.write.node_bandwidth", Some("a")), 100.0 * mib4);
    close(value(&outcome, "ceph.write.node_bandwidth", Some("b")), 200.0 * mib4);
    assert_eq!((outcome.elapsed, outcome.operations), (Duration::from_millis(900), 270));
    assert_eq!((outcome.all_operations, outcome.verified), (310, 310), "what was compared was compared in the whole time");
    assert!(outcome.doubts.is_empty(), "{:?}", outcome.doubts);
    // 100 of 1 ms and 200 of 2 ms.
    let p50 = value(&outcome, "ceph.write.p50", None);
    assert!((1.9e6..2.1e6).contains(&p50), "{p50}");
    assert_eq!(outcome.latencies.expect("latencies").unpacked().len(), 300);
    assert_eq!(outcome.figures[0].dimensions["nodes"], "2");
}

#[test]
fn clients_that_hardly_measured_together_are_doubted_and_those_that_did_not_are_no_result() {
    let late = |ms: u64| [seen("a", 0, vec![window(0, 100, MS)]), seen("b", 0, vec![window(ms * MS, 100, MS)])];
    let outcome = merged(&objects(ObjectsMeasure::Read), &late(300)).expect("merged");
    assert!(matches!(&outcome.doubts[..], [Condition::NotSteady(what)] if what.contains("0.700 s together")), "{:?}", outcome.doubts);
    close(value(&outcome, "ceph.read.bandwidth", None), 200.0 * f64::from(4 << 20));
    for ms in [1000, 5000] {
        let why = merged(&objects(ObjectsMeasure::Read), &late(ms)).expect_err("apart");
        assert!(matches!(&why, Trouble::Failed(why) if why.contains("at no time together")), "{why:?}");
    }
    assert!(merged(&objects(ObjectsMeasure::Read), &[]).is_err(), "nobody");
    assert!(merged(&objects(ObjectsMeasure::Randread), &late(0)).is_err(), "half of it is missing");
}

#[test]
fn random_reads_are_counted_at_the_most_and_their_latency_at_half_of_it() {
    let open = |began_ns, backlog| Window {
        open: Some(OpenWindow { rate: 500, backlog, lag: packed(&Latencies::from(&Histogram::<u64>::new(3).expect("a histogram"))) }),
        ..window(began_ns, 500, 3 * MS)
    };
    let part = |node: &str, backlog| seen(node, 0, vec![window(0, 1000, 20 * MS), open(3000 * MS, backlog)]);
    let outcome = merged(&objects(ObjectsMeasure::Randread), &[part("a", 0), part("b", 0)]).expect("merged");
    close(value(&outcome, "ceph.randread_4k.iops", Some("a")), 1000.0);
    close(value(&outcome, "ceph.randread_4k.iops", Some("b")), 1000.0);
    close(value(&outcome, "ceph.randread_4k.cluster_iops", None), 2000.0);
    let p99 = value(&outcome, "ceph.randread_4k.p99", None);
    assert!((2.9e6..3.1e6).contains(&p99), "{p99}: not that of the most");
    assert!(outcome.lag.is_some() && outcome.doubts.is_empty(), "{:?}", outcome.doubts);
    assert_eq!(outcome.elapsed, Duration::from_secs(2));
    let behind = merged(&objects(ObjectsMeasure::Randread), &[part("a", 0), part("b", 6)]).expect("merged");
    assert!(matches!(&behind.doubts[..], [Condition::NotSteady(what)] if what.contains("6 operations on b")), "{:?}", behind.doubts);
}

#[test]
fn what_a_client_found_wrong_or_had_no_time_for_is_said() {
    let mut part = seen("a", 0, vec![Window { cpu_share: 0.97, corrupt: vec!["stale at byte 4096".into()], ..window(0, 100, MS) }]);
    part.result.windows[0].verification.corrupt.insert("stale".into(), 1);
    part.result.beside = Verification { operations: 7, verified: 6, failed: [("EIO".to_owned(), 1)].into(), ..Verification::default() };
    part.result.ailing = vec!["HEALTH_WARN (OSD_DOWN)".into()];
    let other = seen("b", 0, vec![window(0, 100, MS)]);
    let outcome = merged(&objects(ObjectsMeasure::Write), &[part, other]).expect("merged");
    assert_eq!((outcome.corrupt.get("stale"), outcome.failed.get("EIO"), outcome.all_operations), (Some(&1), Some(&1), 217));
    assert_eq!(outcome.notes["corrupt on a"], "stale at byte 4096");
    let said: Vec<String> = outcome.doubts.iter().map(|doubt| format!("{doubt:?}")).collect();
    assert!(said.len() == 2 && said[0].contains("97 %") && said[1].contains("OSD_DOWN"), "{said:?}");
}

#[test]
fn what_the_osds_may_have_in_memory_is_not_read_from_drives() {
    let doubts = |measure, memories: &[Result<u64, String>]| -> Vec<String> {
        let with = |osd_memory: &Result<u64, String>| {
            let seen = seen("a", 0, vec![window(0, 100, MS)]);
            Seen { result: ClientResult { osd_memory: osd_memory.clone(), ..seen.result }, ..seen }
        };
        let outcome = merged(&objects(measure), &memories.iter().map(with).collect::<Vec<_>>()).expect("merged");
        outcome.doubts.iter().map(|doubt| format!("{doubt:?}")).collect()
    };
    let two = |first: &Result<u64, String>, other: &Result<u64, String>| doubts(ObjectsMeasure::Read, &[first.clone(), other.clone()]);
    let (little, exactly, unknown) = (Ok((2 << 30) - 1), Ok(2 << 30), Err("osd.3 does not answer".to_owned()));
    assert_eq!(two(&little, &little), [] as [&str; 0]);
    for (found, says) in [(two(&little, &exactly), "2.00 GiB were read"), (two(&unknown, &little), "osd.3 does not answer")] {
        assert!(matches!(&found[..], [doubt] if doubt.contains("Cached") && doubt.contains(says)), "{found:?}");
    }
    assert_eq!(doubts(ObjectsMeasure::Write, &[exactly]), [] as [&str; 0]);
}

#[test]
fn latencies_that_are_none_are_no_result() {
    let broken = Window { latencies: "AAAA".into(), ..window(0, 100, MS) };
    assert!(merged(&objects(ObjectsMeasure::Read), &[seen("a", 0, vec![broken])]).is_err());
}

#[test]
fn a_part_of_a_series_is_its_operations() {
    let series = [(0.1, 100.0), (0.2, 300.0)];
    close(within(&series, 0.0, 0.2), 40.0);
    close(within(&series, 0.05, 0.15), 20.0);
    close(within(&series, 0.0, 0.0), 0.0);
    close(within(&series, 0.15, 0.3), 45.0);
    close(within(&[], 0.0, 1.0), 0.0);
}
