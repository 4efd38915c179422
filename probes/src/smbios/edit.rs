//! Edits of memory modules (type 17, DMTF DSP0134 7.18) in a table: how the fault corpus plants a missing, smaller or slower one.

use serde::Deserialize;

use super::{Layout, structures};
use crate::host::patch::matches;

/// One field of one module.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DimmEdit {
    /// The device locator as the table says it; `*` stands for any text.
    slot: String,
    field: Field,
    value: Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Field {
    /// MiB; 0 is an empty slot, 4294967295 an unknown size.
    Size,
    /// MT/s that it is rated for.
    Speed,
    /// MT/s that it runs at.
    Configured,
    TotalWidth,
    DataWidth,
    /// Number of the memory type: 34 is DDR5.
    Type,
    Rank,
    Part,
    Serial,
    Manufacturer,
    Locator,
    Bank,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
enum Value {
    Number(u32),
    Text(String),
}

/// Type 17, memory device.
const MEMORY_DEVICE: u8 = 17;
const LOCATOR: usize = 0x10;
/// From this size on, the field says 7FFFh and the size is in the extended one.
const EXTENDED: u32 = 0x7fff;
const UNKNOWN: u32 = u32::MAX;

/// The table with that field changed in every module of that slot or of those slots.
pub(crate) fn dimm(table: &[u8], edit: &DimmEdit) -> Result<Vec<u8>, String> {
    let slots: Vec<Vec<u8>> = structures(table)?.iter().filter_map(|layout| locator(table, layout)).map(<[u8]>::to_vec).collect();
    let mut meant = slots.iter().filter(|slot| std::str::from_utf8(slot).is_ok_and(|slot| matches(&edit.slot, slot))).peekable();
    meant.peek().ok_or_else(|| format!("the table has no memory slot `{}`", edit.slot))?;
    meant.try_fold(table.to_vec(), |table, slot| one(&table, slot, edit))
}

/// The locator of a memory device.
fn locator<'a>(table: &'a [u8], layout: &Layout) -> Option<&'a [u8]> {
    (layout.kind == MEMORY_DEVICE).then(|| layout.string(table, LOCATOR)).flatten().and_then(|place| table.get(place))
}

fn one(table: &[u8], slot: &[u8], edit: &DimmEdit) -> Result<Vec<u8>, String> {
    let layouts = structures(table)?;
    let layout = layouts.iter().find(|layout| locator(table, layout) == Some(slot)).ok_or("the slot is gone")?;
    let start = layout.formatted.start;
    let mut edited = table.to_vec();
    let mut put = |offset: usize, bytes: &[u8]| {
        let end = start + offset + bytes.len();
        let place = edited.get_mut(start + offset..end).filter(|_| end <= layout.formatted.end);
        place.map(|place| place.copy_from_slice(bytes)).ok_or_else(|| format!("the structure of `{}` has no byte {offset:#x}", edit.slot))
    };
    let short = |number: u32| u16::try_from(number).map(u16::to_le_bytes).map_err(|_| format!("{number} does not fit into the field"));
    match (edit.field, &edit.value) {
        (Field::Size, Value::Number(UNKNOWN)) => put(0x0c, &[0xff, 0xff])?,
        (Field::Size, Value::Number(size)) if *size >= EXTENDED => {
            put(0x0c, &short(EXTENDED)?)?;
            put(0x1c, &size.to_le_bytes())?;
        }
        (Field::Size, Value::Number(size)) => put(0x0c, &short(*size)?)?,
        (Field::Speed, Value::Number(speed)) => put(0x15, &short(*speed)?)?,
        (Field::Configured, Value::Number(speed)) => put(0x20, &short(*speed)?)?,
        (Field::TotalWidth, Value::Number(width)) => put(0x08, &short(*width)?)?,
        (Field::DataWidth, Value::Number(width)) => put(0x0a, &short(*width)?)?,
        (Field::Type, Value::Number(kind)) => put(0x12, &short(*kind)?[..1])?,
        (Field::Rank, Value::Number(rank)) => put(0x1b, &short(*rank)?[..1])?,
        (Field::Manufacturer, Value::Text(text)) => return with_string(table, layout, 0x17, text),
        (Field::Serial, Value::Text(text)) => return with_string(table, layout, 0x18, text),
        (Field::Part, Value::Text(text)) => return with_string(table, layout, 0x1a, text),
        (Field::Locator, Value::Text(text)) => return with_string(table, layout, LOCATOR, text),
        (Field::Bank, Value::Text(text)) => return with_string(table, layout, 0x11, text),
        (field, value) => return Err(format!("{field:?} cannot be {value:?}")),
    }
    Ok(edited)
}

fn with_string(table: &[u8], layout: &Layout, offset: usize, text: &str) -> Result<Vec<u8>, String> {
    let place = layout.string(table, offset).ok_or("the structure has no such string")?;
    let (head, tail) = (table.get(..place.start), table.get(place.end..));
    let (Some(head), Some(tail)) = (head, tail) else { return Err("the string lies outside of the table".into()) };
    Ok([head, text.as_bytes(), tail].concat())
}

#[cfg(test)]
mod tests {
    use super::super::made_up::structure;
    use super::*;

    fn table() -> Vec<u8> {
        let mut body = vec![0_u8; 0x54 - 4];
        for (at, bytes) in [(0x0c - 4, &[0xff, 0x7f][..]), (LOCATOR - 4, &[1, 2]), (0x1a - 4, &[3])] {
            body[at..at + bytes.len()].copy_from_slice(bytes);
        }
        [structure(17, 0x1100, &body, &["A1", "bank", "part"]), structure(17, 0x1101, &body, &["B1", "bank", "part"]), structure(127, 1, &[], &[])]
            .concat()
    }

    fn edited(text: &str) -> Result<Vec<u8>, String> {
        dimm(&table(), &toml::from_str(text).expect("an edit"))
    }

    #[test]
    fn one_field_of_one_module_changes() {
        let empty = edited("slot = 'B1'\nfield = 'size'\nvalue = 0").expect("an edit");
        let layouts = structures(&empty).expect("a table");
        let size = |layout: &Layout| empty[layout.formatted.start + 0x0c..layout.formatted.start + 0x0e].to_vec();
        assert_eq!((size(&layouts[0]), size(&layouts[1])), (vec![0xff, 0x7f], vec![0, 0]));
        let both = edited("slot = '*1'\nfield = 'size'\nvalue = 0").expect("an edit");
        assert!(layouts.iter().take(2).all(|layout| both[layout.formatted.start + 0x0c] == 0));
        let renamed = edited("slot = 'A1'\nfield = 'part'\nvalue = 'another part number'").expect("an edit");
        let layouts = structures(&renamed).expect("still a table");
        assert_eq!(layouts.len(), 3);
        assert_eq!(&renamed[layouts[0].string(&renamed, 0x1a).expect("a string")], b"another part number");
        assert_eq!(&renamed[layouts[1].string(&renamed, 0x1a).expect("a string")], b"part");
    }

    #[test]
    fn what_is_not_there_cannot_be_edited() {
        for edit in [
            "slot = 'C1'\nfield = 'size'\nvalue = 0",
            "slot = 'A1'\nfield = 'size'\nvalue = 'x'",
            "slot = 'A1'\nfield = 'serial'\nvalue = 'x'",
            "slot = 'A1'\nfield = 'speed'\nvalue = 70000",
        ] {
            assert!(edited(edit).is_err(), "{edit}");
        }
    }
}
