//! The system and its firmware from `/sys/class/dmi/id`, which the kernel fills from SMBIOS types 0 and 1, and AMD's part of the firmware from
//! type 40 of the SMBIOS table. Memory modules are in `dimm.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::Probe;
use super::firmware_text::stated;
use crate::described::Described;
use crate::host::{Host, HostError, unanswered};
use crate::smbios::{TABLE, structures};

/// The probe of the board.
pub(super) struct Board;

const DMI: &str = "/sys/class/dmi/id";
const ADDITIONAL_INFORMATION: u8 = 40;

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
        let board = files.iter().fold(board, |board, (attr, file)| board.understood(*attr, file, |text| Ok(stated(text))));
        let board = board.put(Attr::Agesa, TABLE, agesa(host)).done();
        let says_something = files.iter().any(|(attr, _)| *board.reading(*attr) != Reading::Absent);
        if says_something { Ok(vec![board]) } else { Err(HostError::SourceMissing(format!("identity in {DMI}"))) }
    }
}

/// AMD's firmware names its AGESA in a string of the additional information, as the kernel's own log shows it.
fn agesa(host: &Host) -> Reading {
    let table = match host.bytes(TABLE) {
        Ok(table) => table,
        Err(error) => return unanswered(&error),
    };
    let found = structures(&table).map(|found| {
        let strings = found.iter().filter(|structure| structure.kind == ADDITIONAL_INFORMATION).flat_map(|structure| structure.strings.iter());
        let mut texts = strings.filter_map(|range| table.get(range.clone())).map(String::from_utf8_lossy);
        texts.find(|text| text.starts_with("AGESA")).map(|text| text.replace(char::is_control, "\u{fffd}").trim().to_owned())
    });
    match found {
        Ok(text) => text.map_or(Reading::Absent, Reading::from),
        Err(why) => Reading::Unreadable(why),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;
    use crate::smbios::made_up::structure;

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
    fn agesa_is_found_absent_or_unreadable() {
        let of = |table: &[u8]| format!("/sys/class/dmi/id/sys_vendor: X\n{TABLE} bytes:\n|{}", STANDARD.encode(table));
        let agesa = |snapshot: &str| board(snapshot).expect("a board").reading(Attr::Agesa).clone();
        let told = structure(40, 0x70, &[1, 6, 0, 0, 5, 1, 0], &["AGESA!V9 GenoaPI-SP5 1.0.0.H"]);
        assert_eq!(agesa(&of(&told)), "AGESA!V9 GenoaPI-SP5 1.0.0.H".into());
        assert_eq!(agesa(&of(&structure(11, 0x70, &[1], &["AGESA of another kind"]))), Reading::Absent);
        assert_eq!(agesa("/sys/class/dmi/id/sys_vendor: X"), Reading::Absent);
        assert!(matches!(agesa(&of(&told[..20])), Reading::Unreadable(_)));
        assert!(matches!(agesa(&format!("/sys/class/dmi/id/sys_vendor: X\n{TABLE} error: EACCES")), Reading::Unreadable(_)));
    }

    #[test]
    fn a_serial_that_only_root_may_read_is_unreadable() {
        let found = board("/sys/class/dmi/id/sys_vendor: X\n/sys/class/dmi/id/product_serial error: EACCES").expect("a board");
        assert_eq!(found.reading(Attr::Serial), &Reading::Unreadable("Permission denied (os error 13)".into()));
        assert!(matches!(board("/sys/class/dmi/id error: EIO"), Err(HostError::Refused { .. })));
    }
}
