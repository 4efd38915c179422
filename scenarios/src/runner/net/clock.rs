//! How far the wall clocks of two nodes are apart, asked of both again and again for a while: the cluster file system and certificates rely on them.

use std::time::Duration;

use assay_model::between::{FROM, TO};
use assay_model::metric::Direction;
use assay_model::run::Condition;
use assay_model::unit::Unit;

use super::stream::clock_of;
use super::{Both, Figure, LOOK, float, unless_told};
use crate::remote::ClockOffset;
use crate::remote::task::clock::ClockStamps;
use crate::runner::bench::{Outcome, Trouble};

/// How often they are asked.
const EVERY: Duration = Duration::from_secs(1);
/// What is known of clocks by way of a session in a network of a cluster: half of a round trip to each. A session that takes longer says little of them.
const UNCERTAIN_NS: u64 = 1_000_000;
/// Our own clock is what both are compared by, and may not be set between them.
const STEADY_NS: u64 = 100_000;

/// The farthest that they can have been apart.
pub(super) async fn measure(both: &Both<'_>) -> Result<Outcome, Trouble> {
    let end = tokio::time::Instant::now() + Duration::from_millis(both.net.spec.runtime_ms);
    let mut seen = Vec::new();
    let mut set = 0_u32;
    loop {
        let due = tokio::time::Instant::now() + EVERY;
        match unless_told(both.stop, look(both)).await?? {
            Some(apart) => seen.push(apart),
            None => set += 1,
        }
        while tokio::time::Instant::now() < due.min(end) {
            unless_told(both.stop, tokio::time::sleep(LOOK)).await?;
        }
        if tokio::time::Instant::now() >= end {
            break;
        }
    }
    let (from, to) = (&both.net.from.node, &both.net.to.node);
    let farthest = seen.iter().max_by_key(|apart| apart.at_most_ns());
    let farthest =
        *farthest.ok_or_else(|| format!("the clock of this node was set {set} times while those of {from} and {to} were compared by it"))?;
    let dimensions = [(FROM, from), (TO, to)].map(|(name, value)| (name.to_owned(), value.clone())).into();
    let figure = |word: &str, value: u64| Figure {
        name: format!("{}.{word}", both.net.spec.family()),
        unit: Unit::Nanoseconds,
        direction: Direction::LowerIsBetter,
        dimensions,
        value: float(value),
    };
    let mut outcome = Outcome { elapsed: Duration::from_millis(both.net.spec.runtime_ms), ..Outcome::default() };
    outcome.figures.push(figure("offset", farthest.at_most_ns()));
    outcome.notes.insert(both.note("clocks"), format!("{farthest}, at the farthest of {} looks", seen.len()));
    if farthest.uncertainty_ns > UNCERTAIN_NS {
        let text = format!("{}: the clocks are {farthest} only", both.net.label());
        outcome.doubts.push(Condition::AtHarnessFloor(text));
    }
    Ok(outcome)
}

/// How far the wall clocks of two nodes are apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Apart {
    offset_ns: u64,
    uncertainty_ns: u64,
}

/// None when our own clock was set meanwhile.
async fn look(both: &Both<'_>) -> Result<Option<Apart>, Trouble> {
    let before = ClockStamps::now();
    let (from, to) = (clock_of(both.from).await?, clock_of(both.to).await?);
    Ok(is_steady(before, ClockStamps::now()).then(|| Apart::of(&from, &to)))
}

fn is_steady(before: ClockStamps, after: ClockStamps) -> bool {
    let passed = |from: u64, to: u64| i128::from(to) - i128::from(from);
    let moved = passed(before.realtime_ns, after.realtime_ns) - passed(before.monotonic_ns, after.monotonic_ns);
    moved.unsigned_abs() <= u128::from(STEADY_NS)
}

impl Apart {
    fn of(from: &ClockOffset, to: &ClockOffset) -> Self {
        Self { offset_ns: from.realtime_ns.abs_diff(to.realtime_ns), uncertainty_ns: from.uncertainty_ns.saturating_add(to.uncertainty_ns) }
    }

    fn at_most_ns(self) -> u64 {
        self.offset_ns.saturating_add(self.uncertainty_ns)
    }
}

impl std::fmt::Display for Apart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:.3} ms apart, known to {:.3} ms", float(self.offset_ns) / 1e6, float(self.uncertainty_ns) / 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(realtime_ns: i64, uncertainty_ns: u64) -> ClockOffset {
        ClockOffset { monotonic_ns: 77, realtime_ns, uncertainty_ns, rounds: 16, at_ns: 0 }
    }

    #[test]
    fn clocks_are_as_far_apart_as_they_may_be_whichever_is_ahead_and_wherever_they_are_asked_from() {
        for (from, to, at_most) in
            [(0, 0, 300), (-2_000, 3_000, 5_300), (3_000, -2_000, 5_300), (1_000_000, 1_000_500, 800), (i64::MIN, i64::MAX, u64::MAX)]
        {
            let apart = Apart::of(&clock(from, 100), &clock(to, 200));
            assert_eq!((apart.uncertainty_ns, apart.at_most_ns()), (300, at_most), "{from} {to}");
        }
        assert_eq!(Apart::of(&clock(0, 100_000), &clock(2_500_000, 400_000)).to_string(), "2.500 ms apart, known to 0.500 ms");
    }

    #[test]
    fn what_was_asked_while_our_own_clock_was_set_says_nothing() {
        let at = |monotonic_ns, realtime_ns| ClockStamps { monotonic_ns, realtime_ns };
        assert!(is_steady(at(10, 1_000), at(5_000_010, 5_001_000)) && is_steady(at(10, 1_000), at(5_000_010, 5_100_000)));
        assert!(!is_steady(at(10, 1_000), at(5_000_010, 5_201_000)) && !is_steady(at(10, 9_000_000), at(5_000_010, 1_000)));
    }
}
