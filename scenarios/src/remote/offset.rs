//! How far the clocks of two nodes are apart. Of many round trips the shortest one says most: the far clock was read at some moment within it, so the offset is
//! known to half of it. Measured again at the end, it says how far the clocks have drifted.

use serde::{Deserialize, Serialize};

use super::task::clock::ClockStamps;

/// Far clock less near clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockOffset {
    /// Of the monotonic clocks, which no one sets: what stamps of measurements are translated by.
    pub monotonic_ns: i64,
    /// Of the wall clocks.
    pub realtime_ns: i64,
    /// Half of the shortest round trip: the true offset is within this of either.
    pub uncertainty_ns: u64,
    /// Round trips that were made.
    pub rounds: u32,
    /// When the shortest one ended, by the near monotonic clock.
    pub at_ns: u64,
}

/// How an offset moved between two measurements.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// Later less earlier offset of the monotonic clocks.
    pub moved_ns: i64,
    /// What both measurements leave open of it.
    pub uncertainty_ns: u64,
    /// Time between them, by the near clock.
    pub over_ns: u64,
    /// How much the offset of the wall clocks moved beside: more than the uncertainty means that a wall clock was set.
    pub realtime_moved_ns: i64,
}

/// One round trip: near stamps before and after, the far stamps between.
#[derive(Debug, Clone, Copy)]
pub(super) struct RoundTrip {
    pub(super) before: ClockStamps,
    pub(super) far: ClockStamps,
    pub(super) after: ClockStamps,
}

impl ClockOffset {
    /// Of round trips in the order in which they were made; an error when their stamps cannot be those of clocks.
    pub(super) fn of(trips: &[RoundTrip]) -> Result<Self, String> {
        if trips.windows(2).any(|pair| pair[1].far.monotonic_ns < pair[0].far.monotonic_ns) {
            return Err("its monotonic clock ran backwards".to_owned());
        }
        let length = |trip: &RoundTrip| trip.after.monotonic_ns.saturating_sub(trip.before.monotonic_ns);
        let best = trips.iter().min_by_key(|trip| length(trip)).ok_or("no round trip was made")?;
        // Between the first and the last trip both monotonic clocks have run as long, to the parts per thousand that oscillators differ by.
        if let [first, .., last] = trips {
            let near = last.after.monotonic_ns.saturating_sub(first.before.monotonic_ns);
            let far = last.far.monotonic_ns - first.far.monotonic_ns;
            if far > near + near / 500 + 1_000_000 {
                return Err(format!("its monotonic clock ran {far} ns within {near} ns of this one"));
            }
        }
        let middle = |before: u64, after: u64| i128::from(before) + (i128::from(after) - i128::from(before)) / 2;
        let offset = |far: u64, middle: i128| i64::try_from(i128::from(far) - middle).map_err(|_| "its clock is centuries away".to_owned());
        Ok(Self {
            monotonic_ns: offset(best.far.monotonic_ns, middle(best.before.monotonic_ns, best.after.monotonic_ns))?,
            realtime_ns: offset(best.far.realtime_ns, middle(best.before.realtime_ns, best.after.realtime_ns))?,
            uncertainty_ns: length(best).div_ceil(2),
            rounds: u32::try_from(trips.len()).map_err(|_| "too many round trips")?,
            at_ns: best.after.monotonic_ns,
        })
    }

    /// A far monotonic stamp by the near clock.
    pub fn near_ns(&self, far_monotonic_ns: u64) -> i128 {
        i128::from(far_monotonic_ns) - i128::from(self.monotonic_ns)
    }

    /// How the offset moved until `later`.
    pub fn drift(&self, later: &ClockOffset) -> Drift {
        Drift {
            moved_ns: later.monotonic_ns.saturating_sub(self.monotonic_ns),
            uncertainty_ns: self.uncertainty_ns.saturating_add(later.uncertainty_ns),
            over_ns: later.at_ns.saturating_sub(self.at_ns),
            realtime_moved_ns: later.realtime_ns.saturating_sub(self.realtime_ns),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamps(ns: u64) -> ClockStamps {
        ClockStamps { monotonic_ns: ns, realtime_ns: ns.saturating_add(7) }
    }

    fn trip(before: u64, far: u64, after: u64) -> RoundTrip {
        RoundTrip { before: stamps(before), far: stamps(far), after: stamps(after) }
    }

    #[test]
    fn the_shortest_round_trip_decides_and_bounds_the_error() {
        // The far clock is 1000 ahead; the way out of the first trip took long.
        let offset = ClockOffset::of(&[trip(0, 1900, 1000), trip(2000, 3060, 2100), trip(3000, 4010, 3500)]).expect("clocks");
        assert_eq!((offset.monotonic_ns, offset.uncertainty_ns, offset.rounds, offset.at_ns), (1010, 50, 3, 2100));
        assert!(offset.monotonic_ns.abs_diff(1000) <= offset.uncertainty_ns);
        assert_eq!(offset.near_ns(1510), 500);
        let later = ClockOffset { monotonic_ns: 1200, at_ns: 1_000_002_100, uncertainty_ns: 60, ..offset };
        assert_eq!(offset.drift(&later), Drift { moved_ns: 190, uncertainty_ns: 110, over_ns: 1_000_000_000, realtime_moved_ns: 0 });
    }

    #[test]
    fn a_far_clock_may_be_behind() {
        let offset = ClockOffset::of(&[trip(5_000, 100, 5_100)]).expect("a clock");
        assert_eq!((offset.monotonic_ns, offset.near_ns(100)), (-4950, 5050));
    }

    #[test]
    fn stamps_that_no_clock_gives_are_refused() {
        let s = 1_000_000_000;
        for (trips, part) in [
            (vec![], "no round trip"),
            (vec![trip(0, 100, 10), trip(20, 99, 30)], "backwards"),
            (vec![trip(0, 100, 10), trip(s, 3 * s, s + 10)], "ran 2999999900 ns within 1000000010 ns"),
            (vec![trip(0, u64::MAX, 10)], "centuries"),
        ] {
            let error = ClockOffset::of(&trips).expect_err(part);
            assert!(error.contains(part), "{error}");
        }
    }
}
