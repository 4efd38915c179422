//! Runs between nodes: figures of pairs, one of which is missing and one doubtful, a node that gave none, and ports that failed.

use std::collections::BTreeMap;

use assay_model::gate::{Gate, Requirement, Severity};
use assay_model::limit::{Basis, Bound, Limit};
use assay_model::metric::{Direction, Metric, Samples};
use assay_model::outage::{Flow, Gap, Outage, Span, Way};
use assay_model::phase::Phase;
use assay_model::run::{Condition, Ended, Recorded, Run, Step};
use assay_model::unit::Unit;

use crate::specimen::work;

const MS: i64 = 1_000_000;

fn pair(name: &str, unit: Unit, direction: Direction, (from, to): (&str, &str), samples: &[f64], event: u64) -> Recorded<Metric> {
    let dimensions = [("from", from), ("to", to), ("network", "data")].map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    Recorded { event, fact: Metric { name: name.into(), unit, direction, dimensions, samples: Samples::new(samples.to_vec()) } }
}

fn step(name: &str, metrics: Vec<Recorded<Metric>>) -> Step {
    Step { metrics, counters: vec![], notes: BTreeMap::new(), ..work::step(name, 30, 1_000_000) }
}

fn run(id: &str, scenario: &str, nodes: &[&str], steps: Vec<Step>) -> Run {
    let mut run = work::run(id, scenario, "2026-11-23T03:00:00Z", "2026-11-23T03:02:00Z", steps);
    run.nodes = nodes.iter().map(|node| (*node).to_owned()).collect();
    run
}

/// All pairs of three nodes but one, and a fourth node that answered nobody.
pub(crate) fn pairs() -> Run {
    let goodput = |from, to, gbit: f64, event| {
        let samples = [gbit * 0.99e9, gbit * 1e9, gbit * 1.01e9];
        pair("net.tcp_8_streams.goodput", Unit::BitsPerSecond, Direction::HigherIsBetter, (from, to), &samples, event)
    };
    let rtt = |from, to, us: f64, event| pair("net.rtt.idle.p99_9", Unit::Nanoseconds, Direction::LowerIsBetter, (from, to), &[us * 1e3], event);
    let tcp = vec![
        goodput("pve1", "pve2", 188.0, 31),
        goodput("pve2", "pve1", 187.2, 32),
        goodput("pve1", "pve3", 94.1, 33),
        goodput("pve3", "pve1", 186.4, 34),
        goodput("pve3", "pve2", 21.0, 35),
    ];
    let mut loaded = step("loaded", vec![rtt("pve1", "pve2", 900.0, 41)]);
    loaded.conditions = vec![Condition::NeighbourBusy("a backup ran".into())];
    let idle = step("idle", vec![rtt("pve1", "pve2", 62.0, 36), rtt("pve1", "pve3", 71.0, 37), rtt("pve2", "pve3", 64.0, 38)]);
    run("20261123T030000Z-net-pairs-1f2e", "net-pairs", &["pve1", "pve2", "pve3", "pve4"], vec![step("tcp", tcp), idle, loaded])
}

/// Two nodes: there is one pair.
pub(crate) fn two() -> Run {
    let metric = |way, event| pair("path.mtu.bytes", Unit::Bytes, Direction::HigherIsBetter, way, &[9000.0], event);
    run("20261123T031000Z-path-mtu-77aa", "path-mtu", &["a", "b"], vec![step("mtu", vec![metric(("a", "b"), 51), metric(("b", "a"), 52)])])
}

/// A run that reached no pair.
pub(crate) fn nobody() -> Run {
    let mut run = run("20261123T032000Z-net-pairs-9c9c", "net-pairs", &["a", "b"], vec![step("tcp", vec![])]);
    run.ended = Ended::Failed("step tcp: cannot reach node b".into());
    run.steps[0].ended = run.ended.clone();
    run
}

pub(crate) fn gap(last: i64, first: i64) -> Gap {
    let length = u64::try_from((first - last) * MS).expect("positive");
    Gap {
        last_good_ns: Some(last * MS),
        first_good_ns: Some(first * MS),
        at_least_ns: length,
        at_most_ns: Some(length),
        harness_ns: 0,
        lost: Some(length / 1_000_000),
    }
}

pub(crate) fn way(from: &str, to: &str, gaps: impl Fn(u16) -> Vec<Gap>) -> Way {
    let span = |from, to| Span { from_ns: from * MS, to_ns: to * MS };
    let flow = |number: u16| {
        let gaps = gaps(number);
        let lost = gaps.iter().filter_map(|gap| gap.lost).sum();
        Flow { flow: number, sent: 11_000, lost, duplicated: 0, reordered: 4, gaps_seen: u64::try_from(gaps.len()).expect("few"), gaps }
    };
    Way {
        from: from.into(),
        to: to.into(),
        injected: span(0, 1),
        healed: span(5000, 5001),
        earliest_ns: 0,
        uncertainty_ns: 85_000,
        listened: span(-2000, 9000),
        threshold_ns: 5_000_000,
        flows: (0..16).map(flow).collect(),
    }
}

fn failed(port: &str, family: &str, fault: &str, ways: Vec<Way>) -> Outage {
    Outage { family: family.into(), fault: fault.into(), node: "pve1".into(), port: port.into(), ways }
}

/// Four ports: one whose flows move at once, one that half of the flows miss for too long, one that never comes back, and one that nobody misses.
pub(crate) fn drill() -> Run {
    let quick = |flow: u16| if flow.is_multiple_of(2) { vec![gap(0, 62 + i64::from(flow))] } else { vec![] };
    let late = |flow: u16| if flow < 8 { vec![gap(-1, 1340), gap(5003, 5040)] } else { vec![] };
    let gone = |flow: u16| {
        let gone = Gap { first_good_ns: None, at_most_ns: None, at_least_ns: 7_990_000_000, ..gap(-1, 0) };
        if flow == 3 { vec![gone] } else { vec![gap(-1, 3100 + i64::from(flow))] }
    };
    let outages = vec![
        failed("ens1f0np0", "bond.failover", "link-down", vec![way("pve1", "pve2", quick), way("pve2", "pve1", |_| vec![])]),
        failed("ens1f1np1", "bond.failover", "link-down", vec![way("pve1", "pve2", late), way("pve2", "pve1", quick)]),
        failed("ens1f0np0", "bond.silent", "silent-link", vec![way("pve1", "pve2", gone), way("pve2", "pve1", late)]),
        failed("ens1f1np1", "bond.silent", "silent-link", vec![way("pve1", "pve2", |_| vec![]), way("pve2", "pve1", |_| vec![])]),
    ];
    let figure = |outage: &Outage, event: u64| {
        let worst = outage.ways.iter().filter_map(|way| way.longest()).map(|(_, gap)| gap.length_ns()).max().unwrap_or(5_000_000);
        let mut metric = pair(&format!("{}.outage", outage.family), Unit::Nanoseconds, Direction::LowerIsBetter, ("pve1", "pve2"), &[0.0], event);
        #[allow(clippy::cast_precision_loss, reason = "made up")]
        let worst = worst as f64;
        metric.fact.samples = Samples::new(vec![worst]);
        metric.fact.dimensions.insert("port".into(), outage.port.clone());
        metric
    };
    let metrics = outages.iter().zip(60..).map(|(outage, event)| figure(outage, event)).collect();
    let broken = Step { outages, ..step("broken", metrics) };
    run("20261123T033000Z-bond-drill-5e5e", "bond-drill", &["pve1", "pve2"], vec![broken])
}

/// The limits on outages as the order of the reference cluster has them.
pub(crate) fn limits() -> Gate {
    let limit = |id: &str, severity, metric: &str, ns: f64| Requirement {
        id: id.into(),
        reference: None,
        severity,
        title: "what a port that fails may cost".into(),
        limit: Some(Limit { metric: metric.into(), bound: Bound::AtMost(ns), basis: Basis::Policy("the site's order".into()), scenarios: vec![] }),
        blocked_by: vec![],
        when: None,
    };
    let requires = vec![
        limit("bond.failover", Severity::Gate, "bond.failover.outage", 1e9),
        limit("bond.failover_expected", Severity::Warn, "bond.failover.outage", 200e6),
        limit("bond.silent_failure", Severity::Warn, "bond.silent.outage", 3.5e9),
        limit("ceph.host_loss", Severity::Gate, "ceph.host_loss.stall", 30e9),
    ];
    Gate { schema: 1, phase: Phase::try_from(2).expect("a phase"), title: "network".into(), max_age_hours: 24, scenarios: vec![], requires }
}

/// Drills on a Ceph cluster: a host whose loss clients waited for, with every write there, and one that lost some and waited too long.
pub(crate) fn stalls() -> Run {
    use assay_model::stall::{Client, Data, Recovered, Stall, State, Wait};
    let wait = |from: i64, to: Option<i64>| Wait { from_ns: from * MS, to_ns: to.map(|to| to * MS) };
    let span = |from: i64, to: i64| Span { from_ns: from * MS, to_ns: to * MS };
    let client = |kind: &str, until: i64| Client {
        kind: kind.into(),
        acknowledged: 6200,
        failed: 0,
        unanswered: 0,
        longest: Some(wait(12, Some(until))),
        gaps_seen: 1,
        gaps: vec![wait(20, Some(until))],
        threshold_ns: 500_000_000,
    };
    let state = |what: &str, from: i64, to: Option<i64>| State { what: what.into(), during: wait(from, to) };
    let drill = |node: &str, until: i64, data: Data| Stall {
        family: "ceph.host_loss".into(),
        fault: "host-loss".into(),
        on: vec![format!("mon.{node}, osd.3, osd.4 of {node}")],
        injected: span(0, 9),
        healed: span(60_000, 60_004),
        uncertainty_ns: 120_000,
        watched: span(-4000, 92_000),
        asked_every_ns: 200_000_000,
        client: vec![client("read", until - 40), client("write", until)],
        cluster: vec![
            state(&format!("mon.{node} out of quorum"), 8_100, Some(61_900)),
            state("osd.3 down", 22_400, Some(63_000)),
            state("osd.4 down", 22_400, Some(63_200)),
            state("placement groups inactive", 22_400, Some(22_900)),
            state("placement groups not clean", 22_400, Some(88_000)),
            state("health SLOW_OPS", 31_000, None),
        ],
        detected_ns: Some(22_400 * MS),
        resumed_ns: Some(until * MS),
        clean_ns: Some(88_000 * MS),
        recovered: (node == "pve2").then_some(Recovered { meanwhile: 0, in_all: 2310 }),
        data,
    };
    let whole = Data { blocks: 65_536, right: 65_536, acknowledged: 6_200, ..Data::default() };
    let holed = Data {
        right: 65_530,
        wrong: [("lost".to_owned(), 5), ("torn".to_owned(), 1)].into(),
        first: vec![
            "lost at byte 4096: write 17, asked for at 3.1980 s and acknowledged at 3.2140 s, is not there; write 9, asked for at 1.0020 s and acknowledged at 1.0100 s, is".into(),
            "torn at byte 81920: write 40 is not there; write 31 is".into(),
        ],
        back_to: Some(span(-2000, -1900)),
        ..whole.clone()
    };
    let figure = |node: &str, ns: f64, event: u64| {
        let dimensions = [("node".to_owned(), node.to_owned())].into();
        let metric = Metric {
            name: "ceph.host_loss.stall".into(),
            unit: Unit::Nanoseconds,
            direction: Direction::LowerIsBetter,
            dimensions,
            samples: Samples::new(vec![ns]),
        };
        Recorded { event, fact: metric }
    };
    let stalls = vec![drill("pve2", 23_100, whole), drill("pve3", 41_800, holed)];
    let failed = Step { stalls, ..step("host_loss", vec![figure("pve2", 23.088e9, 80), figure("pve3", 41.788e9, 81)]) };
    run("20261123T040000Z-ceph-host-loss-4d4d", "ceph-host-loss", &["pve2", "pve3"], vec![failed])
}
