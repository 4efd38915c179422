//! Processors against the power profile that a site declares: cpufreq driver, governor, boost, idle states. Whether they agree with each other is asked in
//! `cpu.rs`.

use std::collections::BTreeSet;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::site::declared::PowerProfile;

use super::findings::Findings;
use super::question::{Question, absent};
use super::seen::{Seen, flag, text};

pub(super) const POWER_PROFILE: Question = Question { id: "cpu.power_profile", expected: "driver, governor, boost and idle states as declared" };

const ATTRS: [Attr; 6] = [Attr::ScalingDriver, Attr::Governor, Attr::EnergyPreference, Attr::Boost, Attr::IdleStates, Attr::IdleStatesDisabled];

pub(super) fn power_profile(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let declared = site.declared.platform.power_profile.as_ref().filter(|profile| **profile != PowerProfile::default());
    POWER_PROFILE.each(inventory, site, Kind::Cpu, "no processor was found", |package| {
        let seen = Seen::of(package, &ATTRS);
        let verdict = match declared {
            Some(profile) => against(profile, package).verdict(site, &seen),
            None => absent(site, "the site declares no power profile"),
        };
        [POWER_PROFILE.answer(&package.locator, &seen, verdict)]
    })
}

fn against(profile: &PowerProfile, package: &Component) -> Findings {
    let mut findings = Findings::default();
    if let Some(drivers) = &profile.scaling_drivers
        && let Some(driver) = findings.value(Attr::ScalingDriver, text(package, Attr::ScalingDriver))
        && !drivers.iter().any(|allowed| allowed == driver)
    {
        findings.wrong(format!("{} is {driver}, declared is {}", Attr::ScalingDriver, drivers.join(" or ")));
    }
    if let Some(governor) = &profile.governor {
        findings.expect(Attr::Governor, text(package, Attr::Governor), &governor.as_str());
    }
    if let Some(preference) = &profile.energy_preference {
        findings.expect(Attr::EnergyPreference, text(package, Attr::EnergyPreference), &preference.as_str());
    }
    if let Some(boost) = profile.boost {
        findings.expect(Attr::Boost, flag(package, Attr::Boost), &boost);
    }
    if let Some(wanted) = &profile.idle_states_disabled
        && let Some(disabled) = findings.value(Attr::IdleStatesDisabled, text(package, Attr::IdleStatesDisabled))
    {
        let off: BTreeSet<&str> = disabled.split_whitespace().filter(|word| *word != "none").collect();
        if off != wanted.iter().map(String::as_str).collect() {
            let wanted = if wanted.is_empty() { "none".into() } else { wanted.join(" ") };
            findings.wrong(format!("{} is {disabled}, declared is {wanted}", Attr::IdleStatesDisabled));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, generic, rank, strict, unreadable};

    fn node() -> Node {
        let set = |node: Node, package: &str| {
            node.plant(Kind::Cpu, package, Attr::ScalingDriver, "amd-pstate-epp")
                .plant(Kind::Cpu, package, Attr::EnergyPreference, "performance")
                .plant(Kind::Cpu, package, Attr::Boost, true)
                .plant(Kind::Cpu, package, Attr::IdleStates, "POLL C1 C2")
                .plant(Kind::Cpu, package, Attr::IdleStatesDisabled, "none")
        };
        set(set(Node::healthy(), "package 0"), "package 1")
    }

    fn declaring(profile: PowerProfile) -> Site {
        let mut site = strict();
        site.declared.platform.power_profile = Some(profile);
        site
    }

    fn profile() -> PowerProfile {
        PowerProfile {
            scaling_drivers: Some(vec!["amd-pstate-epp".into(), "acpi-cpufreq".into()]),
            governor: Some("performance".into()),
            energy_preference: None,
            boost: Some(true),
            idle_states_disabled: Some(Vec::new()),
        }
    }

    fn judged(node: &Node) -> Rank {
        rank(&power_profile(&node.0, &declaring(profile())))
    }

    #[test]
    fn the_declared_profile_passes_with_either_driver() {
        assert_eq!(judged(&node()), Rank::Pass);
        assert_eq!(judged(&node().plant(Kind::Cpu, "package 1", Attr::ScalingDriver, "acpi-cpufreq")), Rank::Pass);
    }

    #[test]
    fn each_departure_from_it_is_found() {
        for (attr, other) in [
            (Attr::ScalingDriver, Reading::from("intel_pstate")),
            (Attr::Governor, "powersave".into()),
            (Attr::Governor, "mixed".into()),
            (Attr::Boost, false.into()),
            (Attr::IdleStatesDisabled, "C2".into()),
            (Attr::IdleStatesDisabled, "mixed".into()),
        ] {
            let planted = node().plant(Kind::Cpu, "package 1", attr, other.clone());
            let checks = power_profile(&planted.0, &declaring(profile()));
            assert_eq!(checks.iter().map(|check| check.verdict.rank()).collect::<Vec<_>>(), [Rank::Pass, Rank::Fail], "{attr} {other}");
        }
    }

    #[test]
    fn states_that_should_be_off_must_be_off() {
        let wanted = PowerProfile { idle_states_disabled: Some(vec!["C2".into()]), ..PowerProfile::default() };
        let off = node().plant(Kind::Cpu, "package 0", Attr::IdleStatesDisabled, "C2").plant(Kind::Cpu, "package 1", Attr::IdleStatesDisabled, "C2");
        assert_eq!(rank(&power_profile(&off.0, &declaring(wanted.clone()))), Rank::Pass);
        assert_eq!(rank(&power_profile(&node().0, &declaring(wanted))), Rank::Fail);
    }

    #[test]
    fn what_cannot_be_read_or_is_not_there_is_never_a_pass() {
        for attr in [Attr::ScalingDriver, Attr::Governor, Attr::Boost, Attr::IdleStatesDisabled] {
            for reading in [unreadable(), Reading::Absent, 7_u64.into()] {
                assert_eq!(judged(&node().plant(Kind::Cpu, "package 0", attr, reading)), Rank::Inconclusive, "{attr}");
            }
        }
    }

    #[test]
    fn without_a_declaration_nothing_is_judged() {
        for site in [strict(), declaring(PowerProfile::default())] {
            assert_eq!(rank(&power_profile(&node().0, &site)), Rank::Inconclusive);
        }
        assert_eq!(rank(&power_profile(&node().0, &generic())), Rank::NotApplicable);
    }
}
