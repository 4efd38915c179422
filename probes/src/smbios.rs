//! SMBIOS tables as bytes: their structures and where the strings of each lie (DMTF DSP0134). What the fields mean is for those who read them.

use std::ops::Range;

pub(crate) mod edit;

/// The table as the kernel exports it.
pub(crate) const TABLE: &str = "/sys/firmware/dmi/tables/DMI";
/// The entry point, which gives the version.
pub(crate) const ENTRY_POINT: &str = "/sys/firmware/dmi/tables/smbios_entry_point";

/// Header of a structure: type, length of the formatted area, handle.
const HEADER: usize = 4;

/// Where one structure lies in its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Type of the structure.
    pub(crate) kind: u8,
    /// The formatted area, header included.
    pub(crate) formatted: Range<usize>,
    /// The strings in their order, without the zero that ends each.
    pub(crate) strings: Vec<Range<usize>>,
}

impl Layout {
    /// The string that the byte at `offset` of the formatted area names; string numbers begin at 1.
    pub(crate) fn string(&self, table: &[u8], offset: usize) -> Option<Range<usize>> {
        let number = *table.get(self.formatted.clone())?.get(offset)?;
        self.strings.get(usize::from(number).checked_sub(1)?).cloned()
    }
}

/// Every structure of the table. A table that ends inside of one is refused: what is missing could be the half of the modules.
pub(crate) fn structures(table: &[u8]) -> Result<Vec<Layout>, String> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < table.len() {
        let torn = || format!("the table ends inside of the structure at byte {at}");
        let &[kind, length, ..] = table.get(at..at + HEADER).ok_or_else(torn)? else { return Err(torn()) };
        let length = usize::from(length);
        if length < HEADER {
            return Err(format!("the structure at byte {at} says that it has {length} bytes"));
        }
        let formatted = at..at + length;
        let mut strings = Vec::new();
        let mut next = formatted.end;
        loop {
            let text = table.get(next..).ok_or_else(torn)?;
            let end = next + text.iter().position(|byte| *byte == 0).ok_or_else(torn)?;
            if end == next {
                break;
            }
            strings.push(next..end);
            next = end + 1;
        }
        // A structure without strings ends with two zeros, one with strings with one more than the last of them has.
        at = if strings.is_empty() { next + 2 } else { next + 1 };
        if at > table.len() || (strings.is_empty() && table.get(at - 1) != Some(&0)) {
            return Err(torn_at(formatted.start));
        }
        found.push(Layout { kind, formatted, strings });
    }
    Ok(found)
}

fn torn_at(at: usize) -> String {
    format!("the table ends inside of the structure at byte {at}")
}

/// Tables for tests.
#[cfg(test)]
pub(crate) mod made_up {
    /// A structure of these bytes after its header, and these strings.
    pub(crate) fn structure(kind: u8, handle: u16, body: &[u8], strings: &[&str]) -> Vec<u8> {
        let mut bytes = vec![kind, u8::try_from(4 + body.len()).expect("short")];
        bytes.extend(handle.to_le_bytes());
        bytes.extend(body);
        for string in strings {
            bytes.extend(string.as_bytes());
            bytes.push(0);
        }
        bytes.extend(if strings.is_empty() { &[0, 0][..] } else { &[0][..] });
        bytes
    }

    /// A memory module of SMBIOS 3.2 in slot `slot`; 0 MiB is an empty slot.
    pub(crate) fn module(slot: u8, mebibytes: u32, configured: u16) -> Vec<u8> {
        let (size, extended) = if mebibytes >= 0x7fff { (0x7fff, mebibytes) } else { (u16::try_from(mebibytes).expect("small"), 0) };
        let (total, data) = if mebibytes == 0 { (0xffff_u16, 0xffff_u16) } else { (80, 64) };
        let mut body = Vec::new();
        for word in [0x1000, 0xfffe, total, data, size] {
            body.extend(word.to_le_bytes());
        }
        body.extend([9, 0, 1, 2, 0x22]);
        for word in [0x2080, if mebibytes == 0 { 0 } else { 5600_u16 }] {
            body.extend(word.to_le_bytes());
        }
        body.extend([3, 4, 5, 6, if mebibytes == 0 { 0 } else { 2 }]);
        body.extend(extended.to_le_bytes());
        body.extend(configured.to_le_bytes());
        body.extend([0; 6]);
        let (maker, serial, part) = if mebibytes == 0 {
            ("NO DIMM".into(), "NO DIMM".into(), "NO DIMM")
        } else {
            ("Samsung".to_owned(), format!("80CE{slot:08X}"), "M321RYGA0BB0-CQKZJ")
        };
        let strings = [format!("DIMM_{slot:02}"), format!("P0 CHANNEL {slot}"), maker, serial, format!("ASSET{slot:02}"), part.to_owned()];
        structure(17, 0x1100 + u16::from(slot), &body, &strings.iter().map(String::as_str).collect::<Vec<_>>())
    }

    /// The array that the modules are in: this many slots, multi-bit ECC, 6 TiB.
    pub(crate) fn array(slots: u16) -> Vec<u8> {
        let mut body = vec![3, 3, 6];
        body.extend(0x8000_0000_u32.to_le_bytes());
        body.extend(0xfffe_u16.to_le_bytes());
        body.extend(slots.to_le_bytes());
        body.extend((6_u64 << 40).to_le_bytes());
        structure(16, 0x1000, &body, &[])
    }

    /// 24 modules of 96 GiB at 4800 MT/s, one array, and the end of the table.
    pub(crate) fn two_dozen() -> Vec<u8> {
        let modules = (0..24).flat_map(|slot| module(slot, 98_304, 4800));
        array(24).into_iter().chain(modules).chain(structure(127, 0x7f00, &[], &[])).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn structures_and_strings_are_found() {
        let table = made_up::two_dozen();
        let found = structures(&table).expect("a whole table");
        assert_eq!(found.iter().filter(|layout| layout.kind == 17).count(), 24);
        let second = found.iter().filter(|layout| layout.kind == 17).nth(1).expect("a module");
        assert_eq!(&table[second.string(&table, 0x10).expect("a locator")], b"DIMM_01");
        assert_eq!(second.string(&table, 0x0e), None, "string number 0 is none");
        assert_eq!(found.first().map(|array| array.strings.len()), Some(0));
    }

    #[test]
    fn a_table_cut_off_inside_a_structure_is_refused() {
        let table = made_up::two_dozen();
        let ends: Vec<usize> = structures(&table).expect("a whole table").iter().skip(1).map(|layout| layout.formatted.start).collect();
        for cut in 1..table.len() {
            assert_eq!(structures(&table[..cut]).is_ok(), ends.contains(&cut), "{cut}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(table in proptest::collection::vec(any::<u8>(), 0..300)) {
            let _ = structures(&table);
        }
    }
}
