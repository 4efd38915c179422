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
/// What is known of clocks by way of a session in a network of a cluster is half of a round trip to each. A look that knows less, because a session is slow or our own clock, by which
/// both are compared, was set meanwhile, says little of them.
const UNCERTAIN_NS: u64 = 1_000_000;

/// The farthest that they can have been apart.
pub(super) async fn measure(both: &Both<'_>) -> Result<Outcome, Trouble> {
    let end = tokio::time::Instant::now() + Duration::from_millis(both.net.spec.runtime_ms);
    let mut seen = Vec::new();
    loop {
        let due = tokio::time::Instant::now() + EVERY;
        seen.push(unless_told(both.stop, look(both)).await??);
        while tokio::time::Instant::now() < due.min(end) {
            unless_told(both.stop, tokio::time::sleep(LOOK)).await?;
        }
        if tokio::time::Instant::now() >= end {
            break;
        }
    }
    let Seen { farthest, clear } = Seen::of(&seen).expect("they were looked at once");
    let (from, to) = (&both.net.from.node, &both.net.to.node);
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
    outcome.notes.insert(both.note("clocks"), format!("{farthest}, at the farthest of {clear} clear looks of {}", seen.len()));
    if 2 * clear <= seen.len() {
        let text = format!("{}: only {clear} of {} looks tell the clocks to {:.0} ms", both.net.label(), seen.len(), float(UNCERTAIN_NS) / 1e6);
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

/// What was seen in several looks: those that tell little are left out where there is another one.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    farthest: Apart,
    clear: usize,
}

impl Seen {
    fn of(looks: &[Apart]) -> Option<Self> {
        let is_clear = |apart: &&Apart| apart.uncertainty_ns <= UNCERTAIN_NS;
        let clear = looks.iter().filter(is_clear).count();
        let farthest = looks.iter().filter(|apart| clear == 0 || is_clear(apart)).max_by_key(|apart| apart.at_most_ns())?;
        Some(Self { farthest: *farthest, clear })
    }
}

async fn look(both: &Both<'_>) -> Result<Apart, Trouble> {
    let before = ClockStamps::now();
    let (from, to) = (clock_of(both.from).await?, clock_of(both.to).await?);
    Ok(Apart::of(&from, &to, moved(before, ClockStamps::now())))
}

/// By how much a wall clock was set, beside the other one, which nobody sets.
fn moved(before: ClockStamps, after: ClockStamps) -> u64 {
    let passed = |from: u64, to: u64| i128::from(to) - i128::from(from);
    let moved = passed(before.realtime_ns, after.realtime_ns) - passed(before.monotonic_ns, after.monotonic_ns);
    u64::try_from(moved.unsigned_abs()).unwrap_or(u64::MAX)
}

impl Apart {
    /// Where our own clock was set by so much between both.
    fn of(from: &ClockOffset, to: &ClockOffset, set_ns: u64) -> Self {
        let uncertainty_ns = from.uncertainty_ns.saturating_add(to.uncertainty_ns).saturating_add(set_ns);
        Self { offset_ns: from.realtime_ns.abs_diff(to.realtime_ns), uncertainty_ns }
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
            let apart = Apart::of(&clock(from, 100), &clock(to, 200), 0);
            assert_eq!((apart.uncertainty_ns, apart.at_most_ns()), (300, at_most), "{from} {to}");
        }
        assert_eq!(Apart::of(&clock(0, 100_000), &clock(2_500_000, 350_000), 50_000).to_string(), "2.500 ms apart, known to 0.500 ms");
    }

    #[test]
    fn by_what_our_own_clock_was_set_they_are_known_less() {
        let at = |monotonic_ns, realtime_ns| ClockStamps { monotonic_ns, realtime_ns };
        assert_eq!(moved(at(10, 1_000), at(5_000_010, 5_001_000)), 0);
        assert_eq!(moved(at(10, 1_000), at(5_000_010, 5_201_000)), 200_000);
        assert_eq!(moved(at(10, 9_000_000), at(5_000_010, 1_000)), 13_999_000);
    }

    #[test]
    fn the_farthest_is_that_of_the_looks_that_tell_it_and_of_others_only_where_there_are_none() {
        let apart = |offset_ns, uncertainty_ns| Apart { offset_ns, uncertainty_ns };
        let looks = [apart(10, 100), apart(20_000_000, 300), apart(50, 90_000_000), apart(5, 100)];
        assert_eq!(Seen::of(&looks), Some(Seen { farthest: apart(20_000_000, 300), clear: 3 }));
        assert_eq!(Seen::of(&looks[2..3]), Some(Seen { farthest: apart(50, 90_000_000), clear: 0 }));
        assert_eq!(Seen::of(&[]), None);
    }
}
