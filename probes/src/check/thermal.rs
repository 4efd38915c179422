//! Temperatures against the critical limits that the sensors' own drivers state, and thermal throttling since boot.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::question::{Question, absent};
use super::seen::{Seen, number, text};

pub(super) const BELOW_CRITICAL: Question = Question { id: "thermal.below_critical", expected: "below the sensor's critical limit" };
pub(super) const NO_THROTTLE: Question = Question { id: "throttle.none", expected: "0 thermal throttle events since boot" };

/// Silicon neither works nor reports outside of this: such a temperature is a broken sensor, such a limit one that was never set.
const PLAUSIBLE_CELSIUS: std::ops::RangeInclusive<f64> = -40.0..=150.0;

pub(super) fn below_critical(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |sensor: &Component| {
        let seen = Seen::of(sensor, &[Attr::Temperature, Attr::TemperatureCritical]);
        let verdict = match number(sensor, Attr::TemperatureCritical) {
            // Most sensors of a node have no limit; drivers write 0 or the largest number for one that was never set.
            Ok(None) => return None,
            Ok(Some(critical)) if critical <= 0.0 || !PLAUSIBLE_CELSIUS.contains(&critical) => return None,
            Ok(Some(critical)) => against(site, sensor, critical, &seen),
            Err(reason) => Verdict::Inconclusive(reason),
        };
        Some(BELOW_CRITICAL.answer(&sensor.locator, &seen, verdict))
    };
    BELOW_CRITICAL.each(inventory, site, Kind::Thermal, "no temperature sensor has a critical limit", ask)
}

fn against(site: &Site, sensor: &Component, critical: f64, seen: &Seen<'_>) -> Verdict {
    match number(sensor, Attr::Temperature) {
        Ok(Some(now)) if !PLAUSIBLE_CELSIUS.contains(&now) => {
            Verdict::Inconclusive(Reason::Invalid(format!("{now} °C is no temperature of hardware at work")))
        }
        Ok(Some(now)) if now >= critical => Verdict::Fail(format!("{now} °C is not below the critical {critical} °C")),
        Ok(Some(_)) => Verdict::pass_on(seen.evidence()),
        Ok(None) => absent(site, format!("{} gives no temperature", sensor.locator)),
        Err(reason) => Verdict::Inconclusive(reason),
    }
}

pub(super) fn no_throttle(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let are_amd = || {
        let vendors: Vec<_> = inventory.iter(Kind::Cpu).map(|package| text(package, Attr::Vendor)).collect();
        !vendors.is_empty() && vendors.iter().all(|vendor| *vendor == Ok(Some("AuthenticAMD")))
    };
    if let (Observed::SourceMissing(source), true) = (inventory.of(Kind::Throttle), are_amd()) {
        let why = "the kernel counts throttle events of Intel's processors only: of these, the clock under load tells";
        return vec![Check::not_applicable(NO_THROTTLE.id, Kind::Throttle.name(), NO_THROTTLE.expected, why, source)];
    }
    let ask = |package: &_| [NO_THROTTLE.zero(site, package, &[Attr::CoreThrottles, Attr::PackageThrottles])];
    NO_THROTTLE.each(inventory, site, Kind::Throttle, "this kernel counts no throttle events of these processors", ask)
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::inventory::ProbeEnded;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, component, unreadable};

    const SENSOR: &str = "nvme Composite";

    #[test]
    fn temperatures_are_judged_as_the_table_says() {
        for (now, strictly, generically) in [
            (Reading::from(84.7), Rank::Pass, Rank::Pass),
            (84.8.into(), Rank::Fail, Rank::Fail),
            (84.9.into(), Rank::Fail, Rank::Fail),
            (149_u64.into(), Rank::Fail, Rank::Fail),
            (f64::NAN.into(), Rank::Inconclusive, Rank::Inconclusive),
            (Reading::from(-128.0), Rank::Inconclusive, Rank::Inconclusive),
            (255.0.into(), Rank::Inconclusive, Rank::Inconclusive),
            (Reading::Absent, Rank::Inconclusive, Rank::NotApplicable),
            (unreadable(), Rank::Inconclusive, Rank::Inconclusive),
        ] {
            let node = Node::healthy().plant(Kind::Thermal, SENSOR, Attr::Temperature, now.clone());
            assert_eq!((node.strictly(below_critical), node.generically(below_critical)), (strictly, generically), "{now}");
        }
    }

    #[test]
    fn a_sensor_without_a_limit_is_no_subject_and_one_whose_limit_cannot_be_read_is() {
        for limit in [Reading::Absent, 0.0.into(), 65_261.85.into()] {
            let node = Node::healthy().plant(Kind::Thermal, SENSOR, Attr::TemperatureCritical, limit);
            assert_eq!((node.strictly(below_critical), node.generically(below_critical)), (Rank::Inconclusive, Rank::NotApplicable));
        }
        let unread = Node::healthy().plant(Kind::Thermal, SENSOR, Attr::TemperatureCritical, unreadable());
        assert_eq!(unread.generically(below_critical), Rank::Inconclusive);
    }

    #[test]
    fn one_hot_sensor_among_cool_ones_is_named() {
        let hot = [(Attr::Temperature, 101.0.into()), (Attr::TemperatureCritical, 100.0.into())];
        let node = Node::healthy().with(component(Kind::Thermal, "coretemp Core 3", &hot));
        assert_eq!(node.about("coretemp Core 3", below_critical).verdict.rank(), Rank::Fail);
        assert_eq!(node.about(SENSOR, below_critical).verdict.rank(), Rank::Pass);
    }

    #[test]
    fn throttling_of_a_core_or_of_the_package_is_found() {
        for attr in [Attr::CoreThrottles, Attr::PackageThrottles] {
            let node = Node::healthy().plant(Kind::Throttle, "package 1", attr, 7_u64);
            assert_eq!(node.about("package 1", no_throttle).verdict.rank(), Rank::Fail, "{attr}");
            assert_eq!(node.about("package 0", no_throttle).verdict.rank(), Rank::Pass, "{attr}");
        }
    }

    #[test]
    fn a_throttle_counter_that_cannot_be_read_is_inconclusive() {
        assert_eq!(
            Node::healthy().plant(Kind::Throttle, "package 0", Attr::CoreThrottles, unreadable()).generically(no_throttle),
            Rank::Inconclusive
        );
    }

    #[test]
    fn processors_whose_throttling_nobody_counts_are_no_subjects_and_others_are() {
        let missing = || ProbeEnded::SourceMissing("/sys/devices/system/cpu/cpu*/thermal_throttle".into());
        let amd = Node::healthy().ended(Kind::Throttle, missing());
        assert_eq!((amd.strictly(no_throttle), amd.generically(no_throttle)), (Rank::NotApplicable, Rank::NotApplicable));
        for other in [Reading::from("GenuineIntel"), unreadable(), Reading::Absent] {
            let node = Node::healthy().plant(Kind::Cpu, "package 1", Attr::Vendor, other).ended(Kind::Throttle, missing());
            assert_eq!(node.strictly(no_throttle), Rank::Inconclusive);
        }
        assert_eq!(Node::healthy().without(Kind::Cpu).ended(Kind::Throttle, missing()).strictly(no_throttle), Rank::Inconclusive);
        assert_eq!(Node::healthy().ended(Kind::Throttle, ProbeEnded::Failed("EIO".into())).strictly(no_throttle), Rank::Inconclusive);
    }
}
