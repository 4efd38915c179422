//! Whether the system clock follows a reference, by the kernel's own account (`adjtimex`). Offsets between nodes are measured elsewhere.

use assay_model::attr::{Attr, Kind};
use assay_model::check::{Absence, Check};
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::Verdict;

use super::question::{Question, absent};
use super::seen::{Seen, flag, number};

pub(super) const SYNCHRONISED: Question = Question { id: "clock.synchronised", expected: "synchronised, with a maximum error below 2 s" };

/// The kernel adds 500 us per second to the maximum error until the time daemon answers for it again. systemd-timesyncd does so every 2048 s at the
/// latest: 1.02 s and the distance of its server on a healthy node, which 1 s would accuse. Beyond 2 s an update was missed; the kernel itself gives up only at 16 s.
const MAXIMUM_ERROR_NS: f64 = 2e9;

pub(super) fn synchronised(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |clock: &Component| {
        let seen = Seen::of(clock, &[Attr::Synchronised, Attr::ClockError]);
        [SYNCHRONISED.answer(&clock.locator, &seen, verdict(site, clock, &seen))]
    };
    SYNCHRONISED.each(inventory, site, Kind::Clock, "nothing is known of the clock", ask)
}

fn verdict(site: &Site, clock: &Component, seen: &Seen<'_>) -> Verdict {
    let (says, error) = (flag(clock, Attr::Synchronised), number(clock, Attr::ClockError));
    match (says, error) {
        (Ok(Some(false)), _) => Verdict::Fail("the kernel says that its clock is not synchronised".into()),
        (_, Ok(Some(error))) if error >= MAXIMUM_ERROR_NS => Verdict::Fail(format!("the clock may be wrong by {error} ns")),
        (Err(reason), _) | (_, Err(reason)) => Verdict::Inconclusive(reason),
        (Ok(None), _) => absent(site, "the kernel does not say whether its clock is synchronised"),
        (Ok(Some(true)), Ok(Some(_))) => Verdict::pass_on(seen.evidence()),
        (Ok(Some(true)), Ok(None)) => match site.absence {
            Absence::NotApplicable => Verdict::pass_on(seen.evidence()),
            Absence::Inconclusive => absent(site, "the kernel gives no maximum error of its clock"),
        },
    }
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, unreadable};

    #[test]
    fn the_clock_is_judged_as_the_table_says() {
        let yes = || Reading::from(true);
        for (says, error, strictly, generically) in [
            (yes(), Reading::from(25e6), Rank::Pass, Rank::Pass),
            (yes(), 1_999_999_999_u64.into(), Rank::Pass, Rank::Pass),
            (yes(), 2_000_000_000_u64.into(), Rank::Fail, Rank::Fail),
            (yes(), 16e9.into(), Rank::Fail, Rank::Fail),
            (false.into(), 25e6.into(), Rank::Fail, Rank::Fail),
            (false.into(), unreadable(), Rank::Fail, Rank::Fail),
            (unreadable(), 25e6.into(), Rank::Inconclusive, Rank::Inconclusive),
            (unreadable(), 16e9.into(), Rank::Fail, Rank::Fail),
            (yes(), unreadable(), Rank::Inconclusive, Rank::Inconclusive),
            (yes(), f64::NAN.into(), Rank::Inconclusive, Rank::Inconclusive),
            (yes(), Reading::Absent, Rank::Inconclusive, Rank::Pass),
            (Reading::Absent, 25e6.into(), Rank::Inconclusive, Rank::NotApplicable),
        ] {
            let node = Node::healthy().plant(Kind::Clock, "node", Attr::Synchronised, says.clone()).plant(
                Kind::Clock,
                "node",
                Attr::ClockError,
                error.clone(),
            );
            assert_eq!((node.strictly(synchronised), node.generically(synchronised)), (strictly, generically), "{says}, {error}");
        }
    }

    #[test]
    fn a_healthy_timesyncd_just_before_its_next_poll_is_not_accused() {
        let (poll_s, ns_per_s, distance_ns) = (2048.0, 500_000.0, 150e6);
        let node = Node::healthy().plant(Kind::Clock, "node", Attr::ClockError, poll_s * ns_per_s + distance_ns);
        assert_eq!(node.strictly(synchronised), Rank::Pass);
    }
}
