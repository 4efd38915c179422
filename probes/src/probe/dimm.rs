//! Memory modules and arrays from the SMBIOS table (types 17 and 16, DMTF DSP0134) in `/sys/firmware/dmi/tables`. How much of it the kernel manages
//! is in `memory.rs`, errors are in `edac.rs`.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};
use smbioslib::{SMBiosData, SMBiosVersion, UndefinedStruct};

use super::Probe;
use super::firmware_text::{is_placeholder, stated};
use crate::host::{Host, HostError, malformed};
use crate::smbios::{ENTRY_POINT, TABLE, structures};

mod place;

#[cfg(test)]
mod tests;

use self::place::Place;

/// The probe of memory modules.
pub(super) struct Dimm;

const ARRAY: u8 = 16;
const MODULE: u8 = 17;
/// The use of an array that modules are in; others are flash and caches.
const SYSTEM_MEMORY: u8 = 3;
const MIB: u64 = 1 << 20;

impl Probe for Dimm {
    fn name(&self) -> &'static str {
        "dimm"
    }

    fn describe(&self) -> &'static str {
        "Memory slots, the modules in them and their arrays, from the SMBIOS table."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Dimm, Kind::MemoryArray]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let Some(table) = host.bytes_or_none(TABLE)? else { return Err(HostError::SourceMissing(TABLE.into())) };
        // The crate stops silently where a table is torn; half of the modules must not read as all of them.
        structures(&table).map_err(|reason| HostError::Malformed { path: TABLE.into(), reason })?;
        let table = SMBiosData::from_vec_and_version(table, version(host)?);
        let arrays: Vec<&UndefinedStruct> = of_type(&table, ARRAY).filter(|array| array.get_field_byte(0x05) == Some(SYSTEM_MEMORY)).collect();
        let others: Vec<u16> = of_type(&table, ARRAY).filter(|array| array.get_field_byte(0x05) != Some(SYSTEM_MEMORY)).map(handle).collect();
        let in_memory = |module: &&UndefinedStruct| module.get_field_word(0x04).is_none_or(|array| !others.contains(&array));
        let modules: Vec<&UndefinedStruct> = of_type(&table, MODULE).filter(in_memory).collect();
        if modules.is_empty() {
            // Firmware of a guest that describes no modules: every machine has some, so this is not "none fitted".
            return Err(HostError::SourceMissing(format!("memory module (SMBIOS type 17) in {TABLE}")));
        }
        let labels: Vec<(String, String)> = modules.iter().map(|module| (stated_text(module, 0x10), stated_text(module, 0x11))).collect();
        let named = locators(&modules).into_iter().zip(place::places(&labels));
        let slots = named.zip(&modules).map(|((locator, place), module)| slot(module, locator, place));
        let arrays = arrays.iter().enumerate().map(|(number, array)| memory_array(array, number));
        Ok(slots.chain(arrays).collect())
    }
}

fn of_type(table: &SMBiosData, kind: u8) -> impl Iterator<Item = &UndefinedStruct> {
    table.iter().filter(move |structure| structure.header.struct_type() == kind)
}

fn handle(structure: &UndefinedStruct) -> u16 {
    structure.header.handle().0
}

/// The version of the table: of the 64-bit entry point `_SM3_`, or of the 32-bit one `_SM_`.
fn version(host: &Host) -> Result<Option<SMBiosVersion>, HostError> {
    let Some(bytes) = host.bytes_or_none(ENTRY_POINT)? else { return Ok(None) };
    let at = if bytes.starts_with(b"_SM3_") { 7 } else { 6 };
    Ok(match (bytes.starts_with(b"_SM"), bytes.get(at..at + 2)) {
        (true, Some(&[major, minor])) => Some(SMBiosVersion::new(major, minor, 0)),
        (true | false, _) => None,
    })
}

/// Device locators; where the firmware gives several slots the same, with the bank, and where that is not enough, with the handle.
fn locators(modules: &[&UndefinedStruct]) -> Vec<String> {
    let word = |module: &UndefinedStruct, offset| text(module, offset).map(|text| text.trim().to_owned()).filter(|text| !is_placeholder(text));
    let plain = |module: &UndefinedStruct| word(module, 0x10).unwrap_or_else(|| format!("slot {:#06x}", handle(module)));
    let banked = |module: &UndefinedStruct| word(module, 0x11).map_or_else(|| plain(module), |bank| format!("{bank} {}", plain(module)));
    let handled = |module: &UndefinedStruct| format!("{} {:#06x}", banked(module), handle(module));
    let count = |name: &dyn Fn(&UndefinedStruct) -> String| {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        modules.iter().for_each(|module| *counts.entry(name(module)).or_default() += 1);
        counts
    };
    let (plains, bankeds) = (count(&plain), count(&banked));
    let is_unique = |counts: &BTreeMap<String, usize>, name: &String| counts.get(name) == Some(&1);
    let locator = |module: &&UndefinedStruct| {
        let by_slot = Some(plain(module)).filter(|name| is_unique(&plains, name));
        by_slot.or_else(|| Some(banked(module)).filter(|name| is_unique(&bankeds, name))).unwrap_or_else(|| handled(module))
    };
    modules.iter().map(locator).collect()
}

fn stated_text(module: &UndefinedStruct, offset: usize) -> String {
    text(module, offset).filter(|text| !is_placeholder(text)).unwrap_or_default()
}

fn slot(module: &UndefinedStruct, locator: String, place: Option<Place>) -> Component {
    let source = |field: &str| format!("SMBIOS type 17 handle {:#06x}, {field}", handle(module));
    let size = capacity(module);
    let fitted = size != Reading::Absent;
    let component = Component::new(Kind::Dimm, locator)
        .with(Attr::Slot, source("device locator"), string(module, 0x10))
        .with(Attr::Bank, source("bank locator"), string(module, 0x11))
        .with(Attr::Populated, source("size"), fitted);
    let (socket, channel) = match place {
        Some(Place { socket, channel }) => (socket.into(), channel.into()),
        None => (unplaced(module), unplaced(module)),
    };
    let component =
        component.with(Attr::Socket, source("device and bank locator"), socket).with(Attr::Channel, source("device and bank locator"), channel);
    // What firmware says of a module that is not there is what it says of the slot, if not the last module's.
    let of_module = |reading: Reading| if fitted { reading } else { Reading::Absent };
    let attributes = [
        (Attr::Capacity, "size", size),
        (Attr::Vendor, "manufacturer", string(module, 0x17)),
        (Attr::PartNumber, "part number", string(module, 0x1a)),
        (Attr::Serial, "serial number", string(module, 0x18)),
        (Attr::MemoryType, "memory type", named(module.get_field_byte(0x12), MEMORY_TYPES)),
        (Attr::FormFactor, "form factor", named(module.get_field_byte(0x0e), FORM_FACTORS)),
        (Attr::RatedSpeed, "speed", speed(module, 0x15, 0x54)),
        (Attr::ConfiguredSpeed, "configured memory speed", speed(module, 0x20, 0x58)),
        (Attr::TotalWidth, "total width", width(module.get_field_word(0x08))),
        (Attr::DataWidth, "data width", width(module.get_field_word(0x0a))),
        (Attr::Ranks, "attributes", ranks(module.get_field_byte(0x1b))),
    ];
    attributes.into_iter().fold(component, |component, (attr, field, reading)| component.with(attr, source(field), of_module(reading)))
}

fn unplaced(module: &UndefinedStruct) -> Reading {
    match (stated_text(module, 0x10), stated_text(module, 0x11)) {
        (slot, bank) if slot.is_empty() && bank.is_empty() => Reading::Absent,
        (slot, bank) => malformed(&format!("{slot} {bank}"), "names no memory channel in a form that is known"),
    }
}

/// `Absent` when nothing is fitted; a module of unknown size is fitted.
fn capacity(module: &UndefinedStruct) -> Reading {
    match (module.get_field_word(0x0c), module.get_field_dword(0x1c)) {
        (Some(0), _) => Reading::Absent,
        (None | Some(0xffff), _) => Reading::Unreadable("the firmware does not know it".into()),
        (Some(0x7fff), Some(extended)) => (u64::from(extended & 0x7fff_ffff) * MIB).into(),
        (Some(0x7fff), None) => Reading::Unreadable("the firmware gives no extended size".into()),
        // The top bit says that the unit is KiB.
        (Some(size), _) if size & 0x8000 != 0 => (u64::from(size & 0x7fff) * 1024).into(),
        (Some(size), _) => (u64::from(size) * MIB).into(),
    }
}

fn speed(module: &UndefinedStruct, offset: usize, extended: usize) -> Reading {
    match module.get_field_word(offset) {
        None | Some(0) => Reading::Absent,
        Some(0xffff) => {
            module.get_field_dword(extended).filter(|speed| *speed != 0).map_or(Reading::Absent, |speed| u64::from(speed & 0x7fff_ffff).into())
        }
        Some(speed) => u64::from(speed).into(),
    }
}

fn width(bits: Option<u16>) -> Reading {
    bits.filter(|bits| !matches!(bits, 0 | 0xffff)).map_or(Reading::Absent, |bits| u64::from(bits).into())
}

fn ranks(attributes: Option<u8>) -> Reading {
    attributes.map(|attributes| attributes & 0x0f).filter(|ranks| *ranks != 0).map_or(Reading::Absent, |ranks| u64::from(ranks).into())
}

fn memory_array(array: &UndefinedStruct, number: usize) -> Component {
    let source = |field: &str| format!("SMBIOS type 16 handle {:#06x}, {field}", handle(array));
    let most = match array.get_field_dword(0x07) {
        Some(0x8000_0000) => array.get_field_qword(0x0f).map_or(Reading::Absent, Reading::from),
        None | Some(0) => Reading::Absent,
        Some(kib) => (u64::from(kib) * 1024).into(),
    };
    Component::new(Kind::MemoryArray, format!("array {number}"))
        .with(Attr::Slots, source("number of memory devices"), array.get_field_word(0x0d).map_or(Reading::Absent, |slots| u64::from(slots).into()))
        .with(Attr::CapacityMax, source("maximum capacity"), most)
        .with(Attr::ErrorCorrection, source("memory error correction"), named(array.get_field_byte(0x06), CORRECTIONS))
}

fn text(structure: &UndefinedStruct, offset: usize) -> Option<String> {
    structure.get_field_string(offset).to_utf8_lossy()
}

fn string(structure: &UndefinedStruct, offset: usize) -> Reading {
    text(structure, offset).map_or(Reading::Absent, |text| stated(&text.replace(char::is_control, "\u{fffd}")))
}

/// Code 2 is "unknown" in all of these lists. A code that is not listed is newer than this program, and said as it is.
fn named(code: Option<u8>, names: &[(u8, &str)]) -> Reading {
    match code {
        None | Some(2) => Reading::Absent,
        Some(code) => names.iter().find(|(known, _)| *known == code).map_or_else(|| format!("code {code:#04x}").into(), |(_, name)| (*name).into()),
    }
}

const MEMORY_TYPES: &[(u8, &str)] = &[
    (0x01, "other"),
    (0x03, "DRAM"),
    (0x0f, "SDRAM"),
    (0x12, "DDR"),
    (0x13, "DDR2"),
    (0x14, "DDR2 FB-DIMM"),
    (0x18, "DDR3"),
    (0x1a, "DDR4"),
    (0x1b, "LPDDR"),
    (0x1c, "LPDDR2"),
    (0x1d, "LPDDR3"),
    (0x1e, "LPDDR4"),
    (0x1f, "logical non-volatile"),
    (0x20, "HBM"),
    (0x21, "HBM2"),
    (0x22, "DDR5"),
    (0x23, "LPDDR5"),
    (0x24, "HBM3"),
];

const FORM_FACTORS: &[(u8, &str)] = &[
    (0x01, "other"),
    (0x03, "SIMM"),
    (0x05, "chip"),
    (0x08, "proprietary card"),
    (0x09, "DIMM"),
    (0x0b, "row of chips"),
    (0x0c, "RIMM"),
    (0x0d, "SODIMM"),
    (0x0f, "FB-DIMM"),
    (0x10, "die"),
    (0x11, "CAMM"),
];

const CORRECTIONS: &[(u8, &str)] =
    &[(0x01, "other"), (0x03, "none"), (0x04, "parity"), (0x05, "Single-bit ECC"), (0x06, "Multi-bit ECC"), (0x07, "CRC")];
