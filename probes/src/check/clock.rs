//! Whether the system clock follows a reference, by the kernel's own account (`adjtimex`) and by that of the time daemon. Offsets between nodes are
//! measured elsewhere.

use assay_model::attr::{Attr, Kind};
use assay_model::check::{Absence, Check};
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::site::declared::ClockLimits;
use assay_model::verdict::Verdict;

use super::findings::Findings;
use super::question::{Question, absent};
use super::seen::{Seen, count, flag, number, text};

pub(super) const SYNCHRONISED: Question = Question { id: "clock.synchronised", expected: "synchronised, with a maximum error below 2 s" };

/// The kernel adds 500 us per second to the maximum error until the time daemon answers for it again. systemd-timesyncd does so every 2048 s at the
/// latest: 1.02 s and the distance of its server on a healthy node, which 1 s would accuse. Beyond 2 s an update was missed; the kernel itself gives up only at 16 s.
const MAXIMUM_ERROR_NS: f64 = 2e9;
pub(super) const OFFSET: Question = Question { id: "clock.offset", expected: "stratum and offset within what is declared, measured lately" };

/// chrony's polls come every 1024 s at most unless it is told otherwise. After this long the daemon still gives the figures of its last measurement.
const MEASURED_WITHIN_S: f64 = 6.0 * 3600.0;
/// Strata of a clock that follows something, RFC 5905.
const SYNCHRONISED_STRATA: std::ops::RangeInclusive<u64> = 1..=15;

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

pub(super) fn offset(inventory: &Inventory, site: &Site) -> Vec<Check> {
    const ATTRS: [Attr; 5] = [Attr::Reference, Attr::Stratum, Attr::ReferenceOffset, Attr::ReferenceAge, Attr::LeapStatus];
    let ask = |clock: &Component| {
        let seen = Seen::of(clock, &ATTRS);
        let verdict = match &site.declared.software.clock {
            None => absent(site, "the site does not declare how far the clock may be off"),
            Some(limits) => within(clock, limits).verdict(site, &seen),
        };
        [OFFSET.answer(&clock.locator, &seen, verdict)]
    };
    OFFSET.each(inventory, site, Kind::Clock, "nothing is known of the clock", ask)
}

fn within(clock: &Component, limits: &ClockLimits) -> Findings {
    let mut findings = Findings::default();
    // A clock without a reference tells neither whom it follows nor when it last did.
    let stratum = findings.value(Attr::Stratum, count(clock, Attr::Stratum));
    let leap = findings.value("leap status", text(clock, Attr::LeapStatus));
    if stratum.is_some_and(|stratum| !SYNCHRONISED_STRATA.contains(&stratum)) || leap == Some("Not synchronised") {
        findings.wrong("the time daemon says that it follows nothing");
        return findings;
    }
    if let Some(stratum) = stratum.filter(|stratum| *stratum > limits.stratum_max) {
        findings.wrong(format!("stratum {stratum}, at most {} is declared", limits.stratum_max));
    }
    if text(clock, Attr::Reference) == Ok(Some("local")) {
        findings.wrong("the time daemon follows the machine's own clock");
    }
    // The kernel may still be correcting what the daemon has told it to.
    for attr in [Attr::ReferenceOffset, Attr::ClockOffset] {
        if let Some(offset) = findings.value(attr, number(clock, attr))
            && offset > ns(limits.offset_max_ns)
        {
            findings.wrong(format!("{attr} is {offset} ns, at most {} ns is declared", limits.offset_max_ns));
        }
    }
    if let Some(age) = findings.value("age of the last measurement", number(clock, Attr::ReferenceAge))
        && age > MEASURED_WITHIN_S
    {
        findings.wrong(format!("the last measurement is {age} s old: no source has answered since"));
    }
    findings
}

/// Limits are some milliseconds.
fn ns(limit: u64) -> f64 {
    u32::try_from(limit).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, rank, strict, unreadable};

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

    fn tracking() -> Node {
        [
            (Attr::Reference, Reading::from("169.254.169.123")),
            (Attr::Stratum, 4_u64.into()),
            (Attr::ReferenceOffset, 5e6.into()),
            (Attr::ReferenceAge, 21_600.0.into()),
            (Attr::LeapStatus, "Normal".into()),
            (Attr::ClockOffset, 0_u64.into()),
        ]
        .into_iter()
        .fold(Node::healthy(), |node, (attr, reading)| node.plant(Kind::Clock, "node", attr, reading))
    }

    #[test]
    fn the_reference_is_judged_as_the_table_says() {
        let mut site = strict();
        site.declared.software.clock = Some(ClockLimits { stratum_max: 4, offset_max_ns: 5_000_000 });
        let judged = |node: &Node| rank(&offset(&node.0, &site));
        assert_eq!(judged(&tracking()), Rank::Pass);
        assert_eq!((tracking().strictly(offset), tracking().generically(offset)), (Rank::Inconclusive, Rank::NotApplicable));
        for (attr, reading, expected) in [
            (Attr::Stratum, Reading::from(1_u64), Rank::Pass),
            (Attr::Stratum, 5_u64.into(), Rank::Fail),
            (Attr::Stratum, 0_u64.into(), Rank::Fail),
            (Attr::Stratum, 16_u64.into(), Rank::Fail),
            (Attr::Stratum, Reading::Absent, Rank::Inconclusive),
            (Attr::Stratum, unreadable(), Rank::Inconclusive),
            (Attr::ReferenceOffset, 5_000_001.0.into(), Rank::Fail),
            (Attr::ReferenceOffset, f64::NAN.into(), Rank::Inconclusive),
            (Attr::ReferenceOffset, unreadable(), Rank::Inconclusive),
            (Attr::ClockOffset, 6_000_000_u64.into(), Rank::Fail),
            (Attr::ReferenceAge, 21_601.0.into(), Rank::Fail),
            (Attr::ReferenceAge, Reading::Absent, Rank::Inconclusive),
            (Attr::LeapStatus, "Not synchronised".into(), Rank::Fail),
            (Attr::LeapStatus, "Insert second".into(), Rank::Pass),
            (Attr::LeapStatus, unreadable(), Rank::Inconclusive),
            (Attr::Reference, "local".into(), Rank::Fail),
        ] {
            assert_eq!(judged(&tracking().plant(Kind::Clock, "node", attr, reading.clone())), expected, "{attr} {reading}");
        }
    }

    #[test]
    fn a_healthy_timesyncd_just_before_its_next_poll_is_not_accused() {
        let (poll_s, ns_per_s, distance_ns) = (2048.0, 500_000.0, 150e6);
        let node = Node::healthy().plant(Kind::Clock, "node", Attr::ClockError, poll_s * ns_per_s + distance_ns);
        assert_eq!(node.strictly(synchronised), Rank::Pass);
    }
}
