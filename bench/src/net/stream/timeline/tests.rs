use proptest::prelude::*;

use super::super::arrivals::Arrivals;
use super::super::pace::Pacer;
use super::super::{Blind, Shape, StreamHalf};
use super::*;

const MS: u64 = 1_000_000;
/// The receiver's clock is another one.
const FAR: u64 = 77_000 * MS;
const WAY: u64 = 200_000;

/// A stream of one flow: `sent` gives when each packet was sent, `way` how long it took or that it was lost.
struct Played {
    sender: StreamHalf,
    receiver: StreamHalf,
}

fn half(ticks: u64) -> StreamHalf {
    StreamHalf {
        shape: Shape { runtime_ns: ticks * MS, ..Shape::drill(MS, MS) },
        addresses: Vec::new(),
        peers: Vec::new(),
        begin_ns: 0,
        listened_from_ns: FAR - 10 * MS,
        listened_until_ns: FAR + (ticks + 1000) * MS,
        stopped: false,
        pace: Pace::default(),
        refused: vec![BTreeMap::new()],
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

use super::super::pace::Pace;

fn play(ticks: u64, sent_at: impl Fn(u64) -> u64, ways: impl Fn(u64) -> Vec<u64>) -> Played {
    let (mut sender, mut receiver) = (half(ticks), half(ticks));
    let mut pacer = Pacer::new(MS);
    let mut arrived = Vec::new();
    for sequence in 0..ticks {
        let at = sent_at(sequence);
        pacer.tick(sequence * MS, at);
        arrived.extend(ways(sequence).iter().map(|way| Arrival { at_ns: FAR + at + way, sequence }));
    }
    arrived.sort();
    let mut arrivals = Arrivals::new(0, ticks, receiver.shape.gap_ns);
    arrived.into_iter().for_each(|arrival| arrivals.arrived(arrival));
    sender.pace = pacer.finish();
    receiver.received = vec![arrivals.finish()];
    Played { sender, receiver }
}

fn on_time(sequence: u64) -> u64 {
    sequence * MS + 60_000
}

fn lossy(ticks: u64, lost: impl Fn(u64) -> bool) -> Played {
    play(ticks, on_time, |sequence| if lost(sequence) { vec![] } else { vec![WAY] })
}

impl Played {
    fn timeline(&self) -> FlowTimeline {
        timelines(&self.sender, &self.receiver).expect("halves that agree").remove(0)
    }
}

#[test]
fn without_loss_there_is_no_gap() {
    let timeline = lossy(1000, |_| false).timeline();
    assert_eq!((timeline.sent, timeline.received, timeline.lost, timeline.gaps.len(), timeline.end), (1000, 1000, 0, 0, End::Resumed));
}

#[test]
fn one_gap_is_as_long_as_it_was_and_ends_with_its_packets() {
    let played = lossy(1000, |sequence| (300..600).contains(&sequence));
    let timeline = played.timeline();
    assert_eq!((timeline.lost, timeline.lost_ranges.clone()), (300, vec![Sequences { first: 300, last: 599 }]));
    let [gap] = &timeline.gaps[..] else { panic!("{:?}", timeline.gaps) };
    assert_eq!((gap.last_good.map(|good| good.sequence), gap.first_good.map(|good| good.sequence), gap.lost), (Some(299), Some(600), Some(300)));
    assert_eq!((gap.at_least_ns, gap.at_most_ns, gap.harness_ns), (301 * MS, Some(301 * MS), 0));
    // The fault was made at packet 290, known within 2 ms.
    let fault = Moment { at_ns: FAR + 290 * MS, uncertainty_ns: 2 * MS };
    let since = gap.since(&fault);
    assert_eq!(since, Since { last_good_ns: Some(9_260_000), first_good_ns: Some(310_260_000), uncertainty_ns: 2 * MS });
    let at = |ms: u64| Moment { at_ns: FAR + ms * MS, uncertainty_ns: 2 * MS };
    assert_eq!(timeline.longest_since(&fault), Some(gap));
    assert_eq!(timeline.longest_since(&at(603)), None, "it was over");
    assert_eq!(timeline.longest_since(&at(602)), Some(gap), "perhaps it was not");
}

#[test]
fn what_was_lost_before_a_fault_is_not_its_own_however_long_it_was() {
    let timeline =
        lossy(2000, |sequence| (100..900).contains(&sequence) || (1200..1300).contains(&sequence) || (1500..1510).contains(&sequence)).timeline();
    let since = |ms: u64| timeline.longest_since(&Moment { at_ns: FAR + ms * MS, uncertainty_ns: 2 * MS }).map(Gap::length_ns);
    assert_eq!((since(50), since(1190), since(1400), since(1600)), (Some(801 * MS), Some(101 * MS), Some(11 * MS), None));
    let unended = lossy(3000, |sequence| (500..2000).contains(&sequence) || sequence >= 2900).timeline();
    let fault = Moment { at_ns: FAR + 490 * MS, uncertainty_ns: 2 * MS };
    assert_eq!(unended.longest_since(&fault).map(Gap::length_ns), Some(1501 * MS), "one without an end may be shorter");
}

#[test]
fn what_never_returns_has_no_end() {
    let timeline = lossy(1000, |sequence| sequence >= 400).timeline();
    assert_eq!((timeline.end, timeline.lost, timeline.unheard), (End::NotResumed, 600, 0));
    let [gap] = &timeline.gaps[..] else { panic!("{:?}", timeline.gaps) };
    assert_eq!((gap.last_good.map(|good| good.sequence), gap.first_good, gap.at_least_ns, gap.at_most_ns), (Some(399), None, 600 * MS, None));
    // An earlier gap that was longer does not hide it.
    let timeline = lossy(3000, |sequence| (100..2000).contains(&sequence) || sequence >= 2900).timeline();
    assert_eq!((timeline.gaps.last().expect("a gap").first_good, timeline.end), (None, End::NotResumed));
}

#[test]
fn nothing_at_all_is_an_outage_without_both_ends() {
    let timeline = lossy(1000, |_| true).timeline();
    assert_eq!((timeline.received, timeline.lost, timeline.end), (0, 1000, End::NotResumed));
    let [gap] = &timeline.gaps[..] else { panic!("{:?}", timeline.gaps) };
    assert_eq!((gap.last_good, gap.first_good, gap.at_least_ns, gap.at_most_ns), (None, None, 1000 * MS, None));
}

#[test]
fn loss_at_the_start_has_no_begin() {
    let timeline = lossy(1000, |sequence| sequence < 50).timeline();
    let [gap] = &timeline.gaps[..] else { panic!("{:?}", timeline.gaps) };
    assert_eq!((gap.last_good, gap.first_good.map(|good| good.sequence), gap.at_least_ns, gap.at_most_ns), (None, Some(50), 50 * MS, None));
    assert_eq!((gap.lost, timeline.lost, timeline.end), (Some(50), 50, End::Resumed));
}

#[test]
fn a_few_packets_less_at_the_end_are_lost_and_no_outage() {
    let timeline = lossy(1000, |sequence| sequence >= 997).timeline();
    assert_eq!((timeline.lost, timeline.end, timeline.gaps.len()), (3, End::Resumed, 0));
    assert_eq!(timeline.lost_ranges, [Sequences { first: 997, last: 999 }]);
}

#[test]
fn what_was_sent_when_nobody_listened_any_more_is_not_lost() {
    let mut played = lossy(1000, |sequence| sequence >= 600);
    played.receiver.listened_until_ns = FAR + 603 * MS;
    let timeline = played.timeline();
    assert_eq!((timeline.lost, timeline.unheard, timeline.end), (3, 397, End::Resumed));
    played.receiver.listened_until_ns = FAR + 700 * MS;
    let timeline = played.timeline();
    assert_eq!((timeline.lost, timeline.unheard, timeline.end), (100, 300, End::NotResumed));
}

#[test]
fn duplicates_and_reordered_packets_are_told_from_loss() {
    let ways = |sequence: u64| match sequence % 10 {
        3 => vec![WAY, WAY + 5000],
        // Overtaken by the next two.
        5 => vec![WAY + 2 * MS + 100],
        _ => vec![WAY],
    };
    let timeline = play(1000, on_time, ways).timeline();
    assert_eq!((timeline.received, timeline.duplicated, timeline.reordered, timeline.lost, timeline.gaps.len()), (1000, 100, 100, 0, 0));
}

#[test]
fn a_harness_that_stalls_is_not_blamed_on_the_network() {
    // Nothing is sent for 40 ms, then all that was due.
    let stalled = |sequence: u64| if (500..540).contains(&sequence) { 540 * MS } else { on_time(sequence) };
    let timeline = play(1000, stalled, |_| vec![WAY]).timeline();
    let [gap] = &timeline.gaps[..] else { panic!("{:?}", timeline.gaps) };
    assert_eq!((timeline.lost, gap.lost), (0, Some(0)));
    assert!(gap.at_least_ns <= MS && gap.at_most_ns == Some(540 * MS - on_time(499)) && gap.harness_ns >= 39 * MS, "{gap:?}");
    assert!(timeline.late > 30 && timeline.latest_ns == 40 * MS);
}

#[test]
fn an_outage_with_a_stall_in_it_is_known_within_the_stall() {
    let stalled = |sequence: u64| if (500..540).contains(&sequence) { 540 * MS } else { on_time(sequence) };
    let ways = |sequence: u64| if (400..700).contains(&sequence) { vec![] } else { vec![WAY] };
    let timeline = play(1000, stalled, ways).timeline();
    let [gap] = &timeline.gaps[..] else { panic!("{:?}", timeline.gaps) };
    assert_eq!(gap.at_most_ns, Some(301 * MS));
    assert!((261 * MS..=262 * MS).contains(&gap.at_least_ns), "{gap:?}");
}

#[test]
fn a_receiver_that_did_not_run_is_not_blamed_on_the_network() {
    let mut played = lossy(1000, |sequence| (300..400).contains(&sequence));
    played.receiver.blind = vec![Blind { from_ns: FAR + 290 * MS, to_ns: FAR + 350 * MS }];
    let gap = played.timeline().gaps.remove(0);
    assert_eq!((gap.at_least_ns, gap.at_most_ns), (101 * MS - (350 * MS - on_time(299) - WAY), Some(101 * MS)));
}

#[test]
fn what_the_own_kernel_refused_is_lost_and_says_why() {
    let mut played = lossy(1000, |sequence| (300..400).contains(&sequence));
    played.sender.refused[0].insert("Network is unreachable".to_owned(), 100);
    let timeline = played.timeline();
    assert_eq!((timeline.lost, timeline.refused["Network is unreachable"]), (100, 100));
}

#[test]
fn halves_that_contradict_each_other_are_not_believed() {
    type Lie = fn(&mut Played);
    let lies: [(&str, Lie); 16] = [
        ("sent nothing", |played| played.sender.pace.ticks = 0),
        ("sent fewer", |played| played.sender.pace.ticks = 900),
        ("another shape", |played| played.sender.shape.period_ns = 2 * MS),
        ("another flow", |played| played.receiver.received[0].flow = 1),
        ("no flow", |played| played.receiver.received.clear()),
        ("more received", |played| played.receiver.received[0].received += 1),
        ("fewer missing", |played| played.receiver.received[0].missing -= 1),
        ("both", |played| {
            played.receiver.received[0].received += 1;
            played.receiver.received[0].missing -= 1;
        }),
        ("ranges cleared", |played| played.receiver.received[0].missing_ranges.clear()),
        ("silence cleared", |played| {
            played.receiver.received[0].silences_kept.clear();
            played.receiver.received[0].silences = 0;
        }),
        ("silence not kept", |played| played.receiver.received[0].silences += 1),
        ("silence shortened", |played| played.receiver.received[0].silences_kept[0].next.at_ns -= 100 * MS),
        ("silence after the end", |played| played.receiver.received[0].silences_kept[0].next.at_ns += 10_000 * MS),
        ("first forgotten", |played| played.receiver.received[0].first = None),
        ("heard before it listened", |played| played.receiver.listened_from_ns = FAR + 10 * MS),
        ("refused and received", |played| {
            played.sender.refused[0].insert("no".to_owned(), 500);
        }),
    ];
    for (lie, tell) in lies {
        let mut played = lossy(1000, |sequence| (300..600).contains(&sequence));
        assert!(timelines(&played.sender, &played.receiver).is_ok());
        tell(&mut played);
        assert!(timelines(&played.sender, &played.receiver).is_err(), "{lie}");
    }
}

proptest! {
    // Against the plain definition, over whatever is lost, doubled, late or stalled.
    #[test]
    fn gaps_and_losses_are_those_of_the_plain_definition(
        fates in prop::collection::vec(prop_oneof![
            8 => Just(vec![WAY]),
            1 => Just(vec![]),
            1 => (0_u64..30).prop_map(|late| vec![WAY + late * MS]),
            1 => (0_u64..30).prop_map(|late| vec![WAY, WAY + late * MS]),
        ], 1..300),
        outage in (0_usize..300, 0_usize..100),
        stall in (0_u64..300, 0_u64..50),
    ) {
        let ticks = u64::try_from(fates.len()).expect("a few");
        let way = |sequence: u64| {
            let at = usize::try_from(sequence).expect("a few");
            if (outage.0..outage.0 + outage.1).contains(&at) { vec![] } else { fates[at].clone() }
        };
        let sent_at = |sequence: u64| if (stall.0..stall.0 + stall.1).contains(&sequence) { (stall.0 + stall.1) * MS } else { on_time(sequence) };
        let timeline = play(ticks, sent_at, way).timeline();

        let mut good: Vec<Arrival> = Vec::new();
        for sequence in 0..ticks {
            good.extend(way(sequence).iter().min().map(|way| Arrival { at_ns: FAR + sent_at(sequence) + way, sequence }));
        }
        good.sort();
        let received = u64::try_from(good.len()).expect("a few");
        prop_assert_eq!(timeline.received, received);
        prop_assert_eq!(timeline.lost + timeline.unheard, ticks - received);
        prop_assert_eq!(timeline.lost_ranges.iter().map(|range| range.last - range.first + 1).sum::<u64>(), timeline.lost);
        let expected: Vec<(Arrival, Arrival)> = good.windows(2).filter(|pair| pair[1].at_ns - pair[0].at_ns >= 5 * MS).map(|pair| (pair[0], pair[1])).collect();
        let found: Vec<(Arrival, Arrival)> = timeline.gaps.iter().filter_map(|gap| gap.last_good.zip(gap.first_good)).collect();
        prop_assert_eq!(found, expected);
        for gap in &timeline.gaps {
            prop_assert!(gap.at_most_ns.is_none_or(|at_most| gap.at_least_ns <= at_most));
            prop_assert_eq!(gap.at_most_ns.is_some(), gap.last_good.is_some() && gap.first_good.is_some());
        }
        // What never came back has a gap without an end.
        let last = good.iter().map(|arrival| arrival.sequence).max();
        let silent = last.map_or(ticks, |last| ticks - last - 1);
        prop_assert_eq!(timeline.end == End::NotResumed, silent >= 5 || received == 0);
        prop_assert_eq!(timeline.gaps.iter().any(|gap| gap.first_good.is_none()), timeline.end == End::NotResumed);
    }
}
