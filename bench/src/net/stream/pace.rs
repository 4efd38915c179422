//! When the harness itself was late. All flows of a half are sent by one thread, a packet of each per tick; what is late is sent all the same, at once, so that
//! a network that stalls is not spared the packets that would have shown it. A time in which the harness sent nothing is no outage of the network.

use serde::{Deserialize, Serialize};

/// As many stalls are kept, the longest ones.
const STALLS_KEPT: usize = 4096;

/// How the harness kept its own time.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Packets of each flow that were handed to the kernel, or should have been: numbers 0 to this less 1.
    pub ticks: u64,
    /// Of these, how many more than a period after their time.
    pub late: u64,
    /// How late the latest was.
    pub latest_ns: u64,
    /// Times in which nothing was sent although it was due, by the first packet after each, the longest ones.
    pub stalls: Vec<Stall>,
    /// Stalls that were not kept.
    pub stalls_beyond: u64,
    /// The longest of those.
    pub longest_beyond_ns: u64,
}

/// Time in which the harness sent nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// How long it was beyond the period.
    pub length_ns: u64,
    /// The first packet after it.
    pub before: u64,
}

/// What is kept while packets are sent.
#[derive(Debug, Default)]
pub(super) struct Pacer {
    pace: Pace,
    period_ns: u64,
    sent_ns: Option<u64>,
}

impl Pacer {
    pub(super) fn new(period_ns: u64) -> Self {
        Self { period_ns, ..Self::default() }
    }

    /// A packet of each flow that was due at `due_ns` is sent at `now_ns`.
    pub(super) fn tick(&mut self, due_ns: u64, now_ns: u64) {
        let lag = now_ns.saturating_sub(due_ns);
        self.pace.latest_ns = self.pace.latest_ns.max(lag);
        self.pace.late += u64::from(lag > self.period_ns);
        // The first has none before it: it is as late as the lag says.
        let since = now_ns.saturating_sub(self.sent_ns.unwrap_or(due_ns.saturating_sub(self.period_ns)));
        let length_ns = since.saturating_sub(self.period_ns);
        if length_ns > self.period_ns {
            self.pace.stalls.push(Stall { length_ns, before: self.pace.ticks });
            if self.pace.stalls.len() > 2 * STALLS_KEPT {
                self.shorten();
            }
        }
        self.sent_ns = Some(now_ns);
        self.pace.ticks += 1;
    }

    fn shorten(&mut self) {
        self.pace.stalls.sort_unstable_by(|one, other| other.cmp(one));
        for beyond in self.pace.stalls.drain(STALLS_KEPT.min(self.pace.stalls.len())..) {
            self.pace.stalls_beyond += 1;
            self.pace.longest_beyond_ns = self.pace.longest_beyond_ns.max(beyond.length_ns);
        }
    }

    pub(super) fn finish(mut self) -> Pace {
        self.shorten();
        self.pace.stalls.sort_unstable_by_key(|stall| stall.before);
        self.pace
    }
}

impl Pace {
    /// How much of the time between packet `last` and packet `next` the harness was silent itself, at most.
    pub fn silent_ns(&self, last: u64, next: u64) -> u64 {
        let within = self.stalls.iter().filter(|stall| stall.before > last && stall.before <= next);
        let kept: u64 = within.map(|stall| stall.length_ns).fold(0, u64::saturating_add);
        // What was not kept may have been anywhere.
        kept.saturating_add(self.stalls_beyond.saturating_mul(self.longest_beyond_ns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_harness_on_time_has_no_stall_and_one_that_stops_has_one() {
        let mut pacer = Pacer::new(MS);
        (0..100).for_each(|tick| pacer.tick(tick * MS, tick * MS + 80_000));
        // 40 ms of nothing, then what is due at once.
        (100..140).for_each(|tick| pacer.tick(tick * MS, 140 * MS));
        (140..200).for_each(|tick| pacer.tick(tick * MS, tick * MS + 50_000));
        let pace = pacer.finish();
        assert_eq!((pace.ticks, pace.late, pace.latest_ns), (200, 39, 40 * MS));
        assert_eq!(pace.stalls, [Stall { length_ns: 40 * MS - 80_000, before: 100 }]);
        assert_eq!(
            (pace.silent_ns(98, 99), pace.silent_ns(99, 100), pace.silent_ns(50, 199), pace.silent_ns(100, 199)),
            (0, 39_920_000, 39_920_000, 0)
        );
    }

    #[test]
    fn a_stream_that_begins_late_has_stalled_before_its_first_packet() {
        let mut pacer = Pacer::new(MS);
        pacer.tick(10 * MS, 15 * MS);
        assert_eq!(pacer.finish().stalls, [Stall { length_ns: 5 * MS, before: 0 }]);
    }

    #[test]
    fn of_very_many_stalls_the_longest_are_kept_and_none_is_forgotten() {
        let mut pacer = Pacer::new(MS);
        (0..50_000_u64).for_each(|tick| pacer.tick(tick * MS, tick * 10 * MS + tick));
        let pace = pacer.finish();
        assert_eq!((pace.stalls.len(), pace.stalls_beyond), (STALLS_KEPT, 50_000 - 1 - 4096));
        assert!(pace.silent_ns(0, 1) >= 9 * MS);
    }
}
