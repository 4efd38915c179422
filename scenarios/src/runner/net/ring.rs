//! A link of corosync between two nodes: how long packets take there and back, and how far the clocks of both nodes are apart, which the cluster file system and its
//! certificates rely on.

use assay_model::metric::Direction;
use assay_model::run::Condition;
use assay_model::unit::Unit;

use super::stream::clock_of;
use super::{Both, float, path, unless_told};
use crate::remote::ClockOffset;
use crate::runner::bench::{Outcome, Trouble};
use crate::scenario::CLOCK;

/// Clocks that are not known better than this are not known well enough: a fifth of what is asked of a cluster.
const UNCERTAIN_NS: u64 = 1_000_000;

/// Round trips, and the clocks before and after them.
pub(super) async fn measure(both: &Both<'_>, rate: u32) -> Result<Outcome, Trouble> {
    let before = apart(both).await?;
    let mut outcome = path::rtt(both, rate, 0).await?;
    let after = apart(both).await?;
    // At neither time were they farther apart than this.
    let farther = if before.at_most_ns() > after.at_most_ns() { before } else { after };
    let offset = float(farther.at_most_ns());
    outcome.figures.push(both.figure(format!("{CLOCK}.offset"), Unit::Nanoseconds, Direction::LowerIsBetter, offset));
    outcome.notes.insert(both.note("clocks"), farther.to_string());
    if farther.uncertainty_ns > UNCERTAIN_NS {
        let text = format!("{CLOCK} of {} and {}: known to {:.3} ms only", both.net.from.node, both.net.to.node, float(farther.uncertainty_ns) / 1e6);
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

async fn apart(both: &Both<'_>) -> Result<Apart, Trouble> {
    let (from, to) = unless_told(both.stop, async { tokio::join!(clock_of(both.from), clock_of(both.to)) }).await?;
    Ok(Apart::of(&from?, &to?))
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
}
