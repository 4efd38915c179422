use std::collections::BTreeMap;

use assay_bench::net::stream::timeline::{End, Gap as Seen};
use assay_bench::net::stream::{Arrival, Pace, Shape};

use super::*;
use crate::fault::HealedBy;
use crate::remote::task::clock::ClockStamps;
use crate::remote::task::fault::Injected;

const MS: u64 = 1_000_000;
/// The receiver has been up for longer than the node that breaks its port.
const NEAR: u64 = 40_000 * MS;
const FAR: u64 = 900_000 * MS;

fn arrival(after_fault_ms: i64) -> Arrival {
    let at = i64::try_from(FAR / MS).expect("small") + after_fault_ms;
    Arrival { at_ns: u64::try_from(at).expect("positive") * MS, sequence: 1 }
}

fn gap(last_good: Option<i64>, first_good: Option<i64>, at_least_ms: u64) -> Seen {
    let at_most_ns = last_good.zip(first_good).map(|(last, first)| u64::try_from(first - last).expect("positive") * MS);
    Seen {
        last_good: last_good.map(arrival),
        first_good: first_good.map(arrival),
        at_least_ns: at_least_ms * MS,
        at_most_ns,
        harness_ns: MS,
        lost: Some(9),
    }
}

fn flow(number: u16, gaps: Vec<Seen>) -> FlowTimeline {
    FlowTimeline {
        flow: number,
        sent: 8000,
        refused: BTreeMap::new(),
        received: 7000,
        duplicated: 3,
        reordered: 2,
        lost: 1000,
        lost_ranges: Vec::new(),
        unheard: 0,
        late: 0,
        latest_ns: 0,
        gaps,
        threshold_ns: 5 * MS,
        end: End::Resumed,
    }
}

fn receiving() -> StreamHalf {
    StreamHalf {
        shape: Shape::drill(MS, 8_000 * MS),
        addresses: Vec::new(),
        peers: Vec::new(),
        begin_ns: 0,
        listened_from_ns: FAR - 2_100 * MS,
        listened_until_ns: FAR + 6_900 * MS,
        stopped: false,
        pace: Pace::default(),
        refused: Vec::new(),
        received: Vec::new(),
        damaged: 0,
        foreign: 0,
        overflowed: 0,
        unstamped: 0,
        blind: Vec::new(),
        blind_beyond_ns: 0,
        peer_ticks: None,
    }
}

/// Broken for a second and a half; to break took 3 ms and to heal 5 ms.
fn healed() -> Healed {
    let stamp = |ms: u64| ClockStamps { monotonic_ns: NEAR + ms * MS, realtime_ns: 0 };
    let injected = Injected { from: stamp(0), to: stamp(3) };
    Healed { injected, from: stamp(1500), to: stamp(1505), by: HealedBy::Request }
}

fn told(flows: &[FlowTimeline]) -> Way {
    let moment = Moment { at_ns: FAR, uncertainty_ns: 40_000 };
    way(("a", "b"), flows, &receiving(), (&moment, &moment), &Acts::of(&healed()).expect("in order"))
}

#[test]
fn what_the_receiver_saw_is_told_by_its_own_clock_from_the_fault_on() {
    let told = told(&[flow(0, vec![gap(Some(-2), Some(1510), 1511)]), flow(1, Vec::new())]);
    let ms = |from: i64, to: i64| Span { from_ns: from * 1_000_000, to_ns: to * 1_000_000 };
    assert_eq!((told.injected, told.healed, told.listened), (ms(0, 3), ms(1500, 1505), ms(-2100, 6900)));
    assert_eq!((told.from.as_str(), told.to.as_str(), told.uncertainty_ns, told.threshold_ns), ("a", "b", 40_000, 5 * MS));
    let expected = Gap {
        last_good_ns: Some(-2_000_000),
        first_good_ns: Some(1_510_000_000),
        at_least_ns: 1511 * MS,
        at_most_ns: Some(1512 * MS),
        harness_ns: MS,
        lost: Some(9),
    };
    assert_eq!(told.flows[0].gaps, [expected]);
    let flow = &told.flows[0];
    assert_eq!((flow.sent, flow.lost, flow.duplicated, flow.reordered, flow.gaps_seen), (8000, 1000, 3, 2, 1));
    assert_eq!((told.hit(), told.longest().map(|(flow, gap)| (flow.flow, gap.length_ns()))), (1, Some((0, 1512 * MS))));
}

#[test]
fn a_node_that_healed_before_it_broke_is_not_believed() {
    let stamp = |ns| ClockStamps { monotonic_ns: ns, realtime_ns: 0 };
    for at in [NEAR + 1, u64::MAX] {
        let wrong = Healed { injected: Injected { from: stamp(at), to: stamp(at) }, from: stamp(NEAR), ..healed() };
        assert!(Acts::of(&wrong).expect_err("wrong").contains("cannot have been injected"));
    }
}

#[test]
fn only_what_the_network_was_silent_for_before_the_fault_speaks_against_it() {
    let earliest = Moment { at_ns: FAR, uncertainty_ns: MS };
    let silent = |gaps: Vec<Seen>| silent_before(&[flow(0, Vec::new()), flow(1, gaps)], &earliest);
    assert_eq!(silent(vec![gap(Some(-500), Some(-400), 30), gap(Some(-300), Some(-250), 50)]), 50 * MS, "the rest was the harness");
    assert_eq!(silent(vec![gap(Some(-500), Some(-1), 400)]), 0, "perhaps it was not over");
    assert_eq!(silent(vec![gap(Some(-2), Some(1510), 1511), gap(Some(-3), None, 4000)]), 0);
    assert_eq!(silent_before(&[], &earliest), 0);
}

#[test]
fn a_flow_that_is_never_heard_again_has_a_gap_without_an_end() {
    let told = told(&[flow(0, vec![gap(Some(-1), None, 4000)]), flow(1, vec![gap(None, None, 8000)])]);
    assert_eq!((told.flows[0].gaps[0].last_good_ns, told.flows[0].gaps[0].first_good_ns), (Some(-1_000_000), None));
    assert_eq!((told.flows[1].gaps[0].last_good_ns, told.flows[1].gaps[0].at_most_ns), (None, None));
    assert_eq!(told.silent(), 2);
}

#[test]
fn of_very_many_gaps_the_longest_are_kept_in_order_of_time_and_it_is_said_how_many_there_were() {
    let mut gaps: Vec<Seen> = (0..500).map(|at| gap(Some(at * 10), Some(at * 10 + 6), 6)).collect();
    gaps.insert(100, gap(Some(995), Some(1900), 905));
    gaps.push(gap(Some(6000), None, 5));
    let told = told(&[flow(0, gaps)]);
    let kept = &told.flows[0].gaps;
    assert_eq!((told.flows[0].gaps_seen, kept.len()), (502, GAPS_KEPT));
    assert!(kept.windows(2).all(|pair| pair[0].last_good_ns < pair[1].last_good_ns), "in order of time");
    assert_eq!(kept.last().and_then(|gap| gap.first_good_ns), None, "the one without an end is the shortest, and stays");
    assert_eq!(told.longest().map(|(_, gap)| gap.length_ns()), Some(905 * MS));
}
