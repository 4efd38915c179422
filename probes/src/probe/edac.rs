//! Memory controllers known to EDAC and their modules or ranks, with the errors counted since boot, from `/sys/devices/system/edac/mc`. Which drivers
//! show modules (`dimm0`) and which ranks (`rank0`), and how many channels one controller has, is theirs.

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
        "Memory controllers, their modules or ranks, and the errors counted since boot, from /sys/devices/system/edac/mc."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Edac, Kind::EdacDimm]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let names = host.list_or_none(CONTROLLERS)?.unwrap_or_default();
        let names: Vec<String> = names.into_iter().filter(|name| numbered(name, "mc").is_some()).collect();
        // The folder is there with the core of EDAC; without a driver for this processor nothing counts: that is not "no errors".
        if names.is_empty() {
            return Err(HostError::SourceMissing(format!("memory controller in {CONTROLLERS}")));
        }
        let mut found = Vec::new();
        for name in &names {
            let folder = format!("{CONTROLLERS}/{name}");
            let controller = Described::new(host, Kind::Edac, name, folder.as_str());
            found.push(controller.count(Attr::CorrectedErrors, "ce_count").count(Attr::UncorrectedErrors, "ue_count").done());
            let is_counted_alone = |entry: &&String| numbered(entry, "dimm").is_some() || numbered(entry, "rank").is_some();
            found.extend(host.list(&folder)?.iter().filter(is_counted_alone).map(|entry| module(host, name, entry)));
        }
        Ok(found)
    }
}

/// A module or one rank of it; the drivers show those that are fitted.
fn module(host: &Host, controller: &str, entry: &str) -> Component {
    Described::new(host, Kind::EdacDimm, format!("{controller} {entry}"), format!("{CONTROLLERS}/{controller}/{entry}"))
        .text(Attr::Slot, "dimm_label")
        .text(Attr::Location, "dimm_location")
        .text(Attr::MemoryType, "dimm_mem_type")
        .scaled(Attr::Capacity, "size", 1 << 20)
        .count(Attr::CorrectedErrors, "dimm_ce_count")
        .count(Attr::UncorrectedErrors, "dimm_ue_count")
        .done()
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
    fn ranks_and_modules_have_label_place_and_counters() {
        let host = Host::from_snapshot(
            "/sys/devices/system/edac/mc/mc0/ce_count: 2
             /sys/devices/system/edac/mc/mc0/rank3/dimm_label: P1-DIMMA1
             /sys/devices/system/edac/mc/mc0/rank3/dimm_location: csrow 0 channel 3
             /sys/devices/system/edac/mc/mc0/rank3/size: 49152
             /sys/devices/system/edac/mc/mc0/rank3/dimm_ce_count: 2
             /sys/devices/system/edac/mc/mc0/rank3/dimm_ue_count error: EIO
             /sys/devices/system/edac/mc/mc0/dimm1/dimm_label:
             /sys/devices/system/edac/mc/mc0/csrow0/ce_count: 2",
        );
        let found = Edac.probe(&host.expect("a fixture")).expect("looked");
        assert_eq!(found.iter().map(|found| found.locator.as_str()).collect::<Vec<_>>(), ["mc0", "mc0 dimm1", "mc0 rank3"]);
        assert_eq!((found[2].reading(Attr::Slot), found[2].reading(Attr::Location)), (&"P1-DIMMA1".into(), &"csrow 0 channel 3".into()));
        assert_eq!((found[2].reading(Attr::Capacity), found[2].reading(Attr::CorrectedErrors)), (&(48_u64 << 30).into(), &2_u64.into()));
        assert!(matches!(found[2].reading(Attr::UncorrectedErrors), Reading::Unreadable(_)));
        assert_eq!(found[1].reading(Attr::Slot), &Reading::Absent);
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
