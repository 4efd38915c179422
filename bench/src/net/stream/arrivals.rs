//! Every arrival of one flow, kept compactly: a bit per packet for an hour of milliseconds is 450 KB, and times are kept of gaps alone. Time is the receiver's
//! own, so no offset of clocks is in a gap.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use serde::{Deserialize, Serialize};

use crate::net::quantiles::Times;

/// As many gaps of a flow are kept with their times, the longest ones.
pub(super) const GAPS_KEPT: usize = 4096;
/// As many ranges of lost packets of a flow are kept, the first ones.
pub(super) const RANGES_KEPT: usize = 4096;

/// A packet that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arrival {
    /// When, nanoseconds since the boot of the receiver.
    pub at_ns: u64,
    /// Which of its flow, from 0.
    pub sequence: u64,
}

/// Time in which nothing of a flow came, between two packets that did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Silence {
    /// The last before.
    pub last: Arrival,
    /// The first after.
    pub next: Arrival,
}

impl Silence {
    /// How long it was.
    pub fn length_ns(&self) -> u64 {
        self.next.at_ns.saturating_sub(self.last.at_ns)
    }
}

/// Packets in a row, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sequences {
    /// The first.
    pub first: u64,
    /// The last.
    pub last: u64,
}

/// What came of one flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowReceived {
    /// The flow.
    pub flow: u16,
    /// Packets that came, each counted once.
    pub received: u64,
    /// Packets that came again.
    pub duplicated: u64,
    /// Packets that came after a later one, first copies only.
    pub reordered: u64,
    /// Packets with a number that this flow never has.
    pub impossible: u64,
    /// Packets below the highest number that came, and did not come themselves.
    pub missing: u64,
    /// Those, as far as ranges were kept.
    pub missing_ranges: Vec<Sequences>,
    /// The first that came.
    pub first: Option<Arrival>,
    /// The last that came for the first time.
    pub last: Option<Arrival>,
    /// The highest number that came.
    pub highest: Option<u64>,
    /// Silences from the threshold on.
    pub silences: u64,
    /// The longest of them, in order of time.
    pub silences_kept: Vec<Silence>,
    /// Times between packets.
    pub between: Times,
}

/// What is kept while packets come.
pub(super) struct Arrivals {
    threshold_ns: u64,
    capacity: u64,
    seen: Vec<u64>,
    kept: BinaryHeap<Reverse<(u64, Arrival, Arrival)>>,
    result: FlowReceived,
}

impl Arrivals {
    /// For packets 0 to `capacity` - 1 of a flow, and silences of at least `threshold_ns`.
    pub(super) fn new(flow: u16, capacity: u64, threshold_ns: u64) -> Self {
        let result = FlowReceived {
            flow,
            received: 0,
            duplicated: 0,
            reordered: 0,
            impossible: 0,
            missing: 0,
            missing_ranges: Vec::new(),
            first: None,
            last: None,
            highest: None,
            silences: 0,
            silences_kept: Vec::new(),
            between: Times::default(),
        };
        Self { threshold_ns, capacity, seen: Vec::new(), kept: BinaryHeap::new(), result }
    }

    /// A packet has come.
    pub(super) fn arrived(&mut self, arrival: Arrival) {
        if arrival.sequence >= self.capacity {
            self.result.impossible += 1;
            return;
        }
        let (word, bit) = (usize::try_from(arrival.sequence / 64).expect("an hour of packets"), 1 << (arrival.sequence % 64));
        if self.seen.len() <= word {
            self.seen.resize(word + 1, 0);
        }
        if self.seen[word] & bit != 0 {
            self.result.duplicated += 1;
            return;
        }
        self.seen[word] |= bit;
        self.result.received += 1;
        self.result.reordered += u64::from(self.result.highest.is_some_and(|highest| arrival.sequence < highest));
        self.result.highest = self.result.highest.max(Some(arrival.sequence));
        self.result.first.get_or_insert(arrival);
        if let Some(last) = self.result.last.replace(arrival) {
            let length = arrival.at_ns.saturating_sub(last.at_ns);
            self.result.between.record(length.max(1));
            if length >= self.threshold_ns {
                self.result.silences += 1;
                self.kept.push(Reverse((length, last, arrival)));
                if self.kept.len() > GAPS_KEPT {
                    self.kept.pop();
                }
            }
        }
    }

    /// What came.
    pub(super) fn finish(mut self) -> FlowReceived {
        let end = self.result.highest.map_or(0, |highest| highest + 1);
        self.result.missing = end - self.result.received;
        let mut open: Option<Sequences> = None;
        for sequence in 0..end {
            let word = usize::try_from(sequence / 64).expect("an hour of packets");
            if self.seen[word] & (1 << (sequence % 64)) != 0 {
                self.result.missing_ranges.extend(open.take());
                if self.result.missing_ranges.len() == RANGES_KEPT {
                    break;
                }
            } else {
                open = Some(open.map_or(Sequences { first: sequence, last: sequence }, |range| Sequences { last: sequence, ..range }));
            }
        }
        let mut silences: Vec<Silence> = self.kept.into_iter().map(|Reverse((_, last, next))| Silence { last, next }).collect();
        silences.sort_unstable_by_key(|silence| silence.last);
        self.result.silences_kept = silences;
        self.result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn received(sequences: impl IntoIterator<Item = u64>) -> FlowReceived {
        let mut arrivals = Arrivals::new(3, 10_000_000, 5 * MS);
        // A packet per millisecond.
        sequences.into_iter().zip(1..).for_each(|(sequence, at)| arrivals.arrived(Arrival { at_ns: at * MS, sequence }));
        arrivals.finish()
    }

    #[test]
    fn every_packet_is_counted_once_as_what_it_is() {
        let result = received([0, 1, 2, 4, 3, 3, 8, 10_000_000, u64::MAX, 8]);
        assert_eq!((result.received, result.duplicated, result.reordered, result.impossible), (6, 2, 1, 2));
        assert_eq!((result.missing, result.missing_ranges), (3, vec![Sequences { first: 5, last: 7 }]));
        assert_eq!((result.highest, result.last.map(|last| last.sequence)), (Some(8), Some(8)));
        let nothing = received([]);
        assert_eq!((nothing.received, nothing.missing, nothing.first, nothing.highest), (0, 0, None, None));
    }

    #[test]
    fn silences_are_kept_with_their_ends() {
        let mut arrivals = Arrivals::new(0, 1000, 5 * MS);
        for (at, sequence) in [(10, 0), (11, 1), (16, 6), (20, 7), (320, 307), (321, 308)] {
            arrivals.arrived(Arrival { at_ns: at * MS, sequence });
        }
        let result = arrivals.finish();
        let ends: Vec<(u64, u64)> = result.silences_kept.iter().map(|silence| (silence.last.sequence, silence.next.sequence)).collect();
        assert_eq!((result.silences, ends), (2, vec![(1, 6), (7, 307)]));
        assert_eq!((result.silences_kept[1].length_ns(), result.between.len()), (300 * MS, 5));
    }

    #[test]
    fn an_hour_with_a_loss_in_every_other_packet_is_short_and_its_longest_silence_is_kept() {
        let mut arrivals = Arrivals::new(0, 3_600_000, 2 * MS);
        for sequence in (0..3_600_000).step_by(2) {
            let late = if sequence > 1_800_000 { 700 * MS } else { 0 };
            arrivals.arrived(Arrival { at_ns: sequence * MS + late, sequence });
        }
        let result = arrivals.finish();
        assert_eq!((result.received, result.missing, result.missing_ranges.len()), (1_800_000, 1_799_999, RANGES_KEPT));
        assert_eq!((result.silences, result.silences_kept.len()), (1_799_999, GAPS_KEPT));
        assert_eq!(result.silences_kept.iter().map(Silence::length_ns).max(), Some(702 * MS));
        assert!(serde_json::to_vec(&result).expect("JSON").len() < 1 << 20);
    }
}
