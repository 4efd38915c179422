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
    let Seen { farthest, offset_ns, clear } = Seen::of(&seen).expect("they were looked at once");
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
    outcome.figures.push(figure("offset", offset_ns));
    outcome.notes.insert(both.note("clocks"), format!("{farthest}, at the farthest of {} looks, {clear} of them clear", seen.len()));
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

/// What was seen in several looks. One that tells little says the least that they must have been apart, where others say the most: what it shows is not left out, and what it leaves
/// open accuses nobody.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    farthest: Apart,
    offset_ns: u64,
    clear: usize,
}

impl Seen {
    fn of(looks: &[Apart]) -> Option<Self> {
        let clear = looks.iter().filter(|apart| apart.is_clear()).count();
        let told = |apart: &Apart| if clear == 0 || apart.is_clear() { apart.at_most_ns() } else { apart.at_least_ns() };
        let farthest = *looks.iter().max_by_key(|apart| told(apart))?;
        Some(Self { farthest, offset_ns: told(&farthest), clear })
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

    fn is_clear(self) -> bool {
        self.uncertainty_ns <= UNCERTAIN_NS
    }

    fn at_least_ns(self) -> u64 {
        self.offset_ns.saturating_sub(self.uncertainty_ns)
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
    fn a_look_that_tells_little_says_the_least_and_others_the_most() {
        let apart = |offset_ns, uncertainty_ns| Apart { offset_ns, uncertainty_ns };
        let of = |looks: &[Apart]| Seen::of(looks).map(|Seen { farthest, offset_ns, clear }| (farthest.offset_ns, offset_ns, clear));
        let looks = [apart(10, 100), apart(20_000_000, 300), apart(50, 90_000_000), apart(5, 100)];
        assert_eq!(of(&looks), Some((20_000_000, 20_000_300, 3)));
        // For a moment they were far apart, and that is known well enough.
        assert_eq!(of(&[apart(10, 100), apart(60_000_000, 2_000_000)]), Some((60_000_000, 58_000_000, 1)));
        assert_eq!(of(&looks[2..3]), Some((50, 90_000_050, 0)));
        assert_eq!(of(&[]), None);
    }
}
