//! The system and its firmware from `/sys/class/dmi/id`, which the kernel fills from SMBIOS types 0 and 1. Memory modules are in `dimm.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::Probe;
use super::firmware_text::stated;
use crate::described::Described;
use crate::host::{Host, HostError};

/// The probe of the board.
pub(super) struct Board;

const DMI: &str = "/sys/class/dmi/id";

impl Probe for Board {
    fn name(&self) -> &'static str {
        "board"
    }

    fn describe(&self) -> &'static str {
        "System vendor, model, serial number and firmware, from /sys/class/dmi/id."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Board]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        if !host.exists(DMI)? {
            return Err(HostError::SourceMissing(DMI.into()));
        }
        let files = [
            (Attr::Vendor, "sys_vendor"),
            (Attr::Model, "product_name"),
            (Attr::Serial, "product_serial"),
            (Attr::Uuid, "product_uuid"),
            (Attr::Firmware, "bios_version"),
            (Attr::FirmwareDate, "bios_date"),
        ];
        let board = Described::new(host, Kind::Board, "node", DMI);
        let board = files.iter().fold(board, |board, (attr, file)| board.understood(*attr, file, |text| Ok(stated(text)))).done();
        let says_something = files.iter().any(|(attr, _)| *board.reading(*attr) != Reading::Absent);
        if says_something { Ok(vec![board]) } else { Err(HostError::SourceMissing(format!("identity in {DMI}"))) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(snapshot: &str) -> Result<Component, HostError> {
        Board.probe(&Host::from_snapshot(snapshot)?).map(|mut found| found.remove(0))
    }

    #[test]
    fn a_board_is_read_and_placeholders_are_absent() {
        let board = board(
            "/sys/class/dmi/id/sys_vendor: Supermicro
             /sys/class/dmi/id/product_name: AS -2125HS-TNR
             /sys/class/dmi/id/product_serial: To Be Filled By O.E.M.
             /sys/class/dmi/id/bios_version: 3.1
             /sys/class/dmi/id/bios_date: 09/12/2025",
        )
        .expect("a board");
        assert_eq!(board.reading(Attr::Model), &"AS -2125HS-TNR".into());
        assert_eq!(board.source(Attr::Firmware), "/sys/class/dmi/id/bios_version");
        assert_eq!(board.reading(Attr::Serial), &Reading::Absent);
    }

    #[test]
    fn a_host_without_dmi_or_without_a_word_in_it_has_no_source() {
        for snapshot in ["unmentioned: absent", "/sys/class/dmi/id/sys_vendor: Default string"] {
            assert!(matches!(board(snapshot), Err(HostError::SourceMissing(_))), "{snapshot}");
        }
    }

    #[test]
    fn a_serial_that_only_root_may_read_is_unreadable() {
        let found = board("/sys/class/dmi/id/sys_vendor: X\n/sys/class/dmi/id/product_serial error: EACCES").expect("a board");
        assert_eq!(found.reading(Attr::Serial), &Reading::Unreadable("Permission denied (os error 13)".into()));
        assert!(matches!(board("/sys/class/dmi/id error: EIO"), Err(HostError::Refused { .. })));
    }
}
