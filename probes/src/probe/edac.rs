//! Memory controllers known to EDAC and the errors that they counted since boot, from `/sys/devices/system/edac/mc`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::Component;

use super::Probe;
use super::cpu_list::numbered;
use crate::described::Described;
use crate::host::{Host, HostError};

/// The probe of EDAC.
pub(super) struct Edac;

const CONTROLLERS: &str = "/sys/devices/system/edac/mc";

impl Probe for Edac {
    fn name(&self) -> &'static str {
        "edac"
    }

    fn describe(&self) -> &'static str {
        "Memory controllers and the errors they counted since boot, from /sys/devices/system/edac/mc."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Edac]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let names = host.list_or_none(CONTROLLERS)?.unwrap_or_default();
        let names: Vec<String> = names.into_iter().filter(|name| numbered(name, "mc").is_some()).collect();
        // The folder is there with the core of EDAC; without a driver for this processor nothing counts: that is not "no errors".
        if names.is_empty() {
            return Err(HostError::SourceMissing(format!("memory controller in {CONTROLLERS}")));
        }
        let describe = |name: &String| {
            Described::new(host, Kind::Edac, name, format!("{CONTROLLERS}/{name}"))
                .count(Attr::CorrectedErrors, "ce_count")
                .count(Attr::UncorrectedErrors, "ue_count")
                .done()
        };
        Ok(names.iter().map(describe).collect())
    }
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;

    use super::*;

    #[test]
    fn each_controller_has_its_counters() {
        let host = Host::from_snapshot(
            "/sys/devices/system/edac/mc/mc0/ce_count: 0
             /sys/devices/system/edac/mc/mc0/ue_count: 0
             /sys/devices/system/edac/mc/mc1/ce_count: 12
             /sys/devices/system/edac/mc/mc1/ue_count error: EIO
             /sys/devices/system/edac/mc/power/control: auto",
        );
        let found = Edac.probe(&host.expect("a fixture")).expect("looked");
        assert_eq!(found.iter().map(|mc| mc.locator.as_str()).collect::<Vec<_>>(), ["mc0", "mc1"]);
        assert_eq!(found[1].reading(Attr::CorrectedErrors), &12_u64.into());
        assert!(matches!(found[1].reading(Attr::UncorrectedErrors), Reading::Unreadable(_)));
        assert_eq!(found[0].reading(Attr::UncorrectedErrors), &0_u64.into());
    }

    #[test]
    fn without_a_controller_nothing_counts_and_that_is_not_zero() {
        for snapshot in ["unmentioned: absent", "/sys/devices/system/edac/mc/power/control: auto"] {
            let ended = Edac.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
            assert!(matches!(ended, Err(HostError::SourceMissing(_))), "{snapshot}");
        }
        assert!(matches!(
            Edac.probe(&Host::from_snapshot("/sys/devices/system/edac/mc error: EIO").expect("a fixture")),
            Err(HostError::Refused { .. })
        ));
    }
}
