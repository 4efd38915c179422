//! Memory of made-up SMBIOS tables: whole, with an empty slot, torn, absent and refused.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::smbios::made_up::{array, module, structure, two_dozen};

fn ended(table: &[u8]) -> Result<Vec<Component>, HostError> {
    let entry = STANDARD.encode(b"_SM3_\x00\x18\x03\x05\x00");
    let snapshot = format!("{TABLE} bytes: {}\n{ENTRY_POINT} bytes: {entry}", STANDARD.encode(table));
    Dimm.probe(&Host::from_snapshot(&snapshot).expect("a fixture"))
}

fn found(table: &[u8]) -> Vec<Component> {
    ended(table).expect("looked")
}

#[test]
fn two_dozen_modules_of_96_gib_are_read() {
    let all = found(&two_dozen());
    let modules: Vec<&Component> = all.iter().filter(|component| component.kind == Kind::Dimm).collect();
    assert_eq!(modules.len(), 24);
    for (attr, expected) in [
        (Attr::Slot, Reading::from("DIMM_07")),
        (Attr::Bank, "P0 CHANNEL 7".into()),
        (Attr::Populated, true.into()),
        (Attr::Capacity, 103_079_215_104_u64.into()),
        (Attr::Vendor, "Samsung".into()),
        (Attr::PartNumber, "M321RYGA0BB0-CQKZJ".into()),
        (Attr::Serial, "80CE00000007".into()),
        (Attr::MemoryType, "DDR5".into()),
        (Attr::FormFactor, "DIMM".into()),
        (Attr::RatedSpeed, 5600_u64.into()),
        (Attr::ConfiguredSpeed, 4800_u64.into()),
        (Attr::TotalWidth, 80_u64.into()),
        (Attr::DataWidth, 64_u64.into()),
        (Attr::Ranks, 2_u64.into()),
    ] {
        assert_eq!(modules[7].reading(attr), &expected, "{attr}");
    }
    assert_eq!(modules[7].locator, "DIMM_07");
    assert_eq!(modules[7].source(Attr::Capacity), "SMBIOS type 17 handle 0x1107, size");
    let array = all.iter().find(|component| component.kind == Kind::MemoryArray).expect("an array");
    assert_eq!((array.reading(Attr::Slots), array.reading(Attr::CapacityMax)), (&24_u64.into(), &(6_u64 << 40).into()));
    assert_eq!(array.reading(Attr::ErrorCorrection), &"Multi-bit ECC".into());
}

#[test]
fn an_empty_slot_is_a_slot_without_a_module() {
    let all = found(&[array(2), module(0, 98_304, 4800), module(1, 0, 0)].concat());
    let empty = all.iter().find(|component| component.locator == "DIMM_01").expect("the slot");
    assert_eq!(empty.reading(Attr::Populated), &false.into());
    for attr in [Attr::Capacity, Attr::PartNumber, Attr::Serial, Attr::MemoryType, Attr::ConfiguredSpeed, Attr::TotalWidth] {
        assert_eq!(empty.reading(attr), &Reading::Absent, "{attr}");
    }
}

#[test]
fn sizes_are_read_in_all_their_spellings() {
    let sized = |size: u16| {
        let mut bytes = module(0, 1024, 4800);
        bytes[0x0c..0x0e].copy_from_slice(&size.to_le_bytes());
        found(&bytes).remove(0)
    };
    assert_eq!(sized(1024).reading(Attr::Capacity), &(1_u64 << 30).into());
    assert_eq!(sized(0x8000 | 512).reading(Attr::Capacity), &(512_u64 << 10).into());
    let unknown = sized(0xffff);
    assert!(matches!(unknown.reading(Attr::Capacity), Reading::Unreadable(_)));
    assert_eq!(unknown.reading(Attr::Populated), &true.into());
}

#[test]
fn slots_of_the_same_name_are_told_apart() {
    let named = |slot: u8, locator: &str, bank: &str| {
        let body = &module(slot, 1024, 4800)[4..0x28];
        structure(17, 0x1100 + u16::from(slot), body, &[locator, bank, "Samsung", "1", "2", "3"])
    };
    let all =
        found(&[named(0, "DIMM 0", "BANK A"), named(1, "DIMM 0", "BANK B"), named(2, "DIMM 1", "BANK C"), named(3, "DIMM 1", "BANK C")].concat());
    let locators: Vec<&str> = all.iter().map(|component| component.locator.as_str()).collect();
    assert_eq!(locators, ["BANK A DIMM 0", "BANK B DIMM 0", "BANK C DIMM 1 0x1102", "BANK C DIMM 1 0x1103"]);
}

#[test]
fn the_flash_of_the_firmware_is_no_memory() {
    let flash = structure(16, 0x2000, &[3, 5, 3, 0, 0, 1, 0, 0xfe, 0xff, 1, 0], &[]);
    let mut chip = module(9, 16, 0);
    chip[4..6].copy_from_slice(&0x2000_u16.to_le_bytes());
    let all = found(&[array(1), module(0, 98_304, 4800), flash, chip].concat());
    assert_eq!(all.iter().map(|component| component.locator.as_str()).collect::<Vec<_>>(), ["DIMM_00", "array 0"]);
}

#[test]
fn a_torn_table_is_a_failure_and_not_half_of_the_modules() {
    let table = two_dozen();
    assert!(matches!(ended(&table[..table.len() / 2]), Err(HostError::Malformed { .. })));
}

#[test]
fn a_guest_without_a_table_or_without_modules_in_it_has_no_source() {
    let guest = Dimm.probe(&Host::from_snapshot("unmentioned: absent").expect("a fixture"));
    assert_eq!(guest, Err(HostError::SourceMissing(TABLE.into())));
    assert!(matches!(ended(&structure(127, 0, &[], &[])), Err(HostError::SourceMissing(_))));
    let refused = Dimm.probe(&Host::from_snapshot(&format!("{TABLE} error: EACCES")).expect("a fixture"));
    assert!(refused.is_err_and(|error| error.chain().contains("Permission denied")));
}
