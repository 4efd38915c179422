//! Identities in the SMBIOS table. Of the structures that are known to say nothing else about whose machine it is, the serial numbers, asset tags
//! and the UUID are replaced; the others (OEM structures, which hold addresses and keys of all sorts) are emptied. Lengths stay.

use crate::smbios::{Layout, structures};

/// Structures that are kept, with the offsets of those of their strings that are identities.
const KEPT: &[(u8, &[usize])] = &[
    (0, &[]),
    (1, &[0x07]),
    (2, &[0x07, 0x08]),
    (3, &[0x07, 0x08]),
    (4, &[0x20, 0x21]),
    (7, &[]),
    (9, &[]),
    (16, &[]),
    (17, &[0x18, 0x19]),
    (19, &[]),
    (20, &[]),
    (127, &[]),
];
const SYSTEM: u8 = 1;
/// The UUID of the system.
const UUID: std::ops::Range<usize> = 0x08..0x18;
const HEADER: usize = 4;

/// Serial numbers and asset tags of the table; none when it cannot be understood.
pub(super) fn identities(table: &[u8]) -> Vec<String> {
    let layouts = structures(table).unwrap_or_default();
    layouts.iter().flat_map(|layout| identity_strings(layout, table)).map(|range| String::from_utf8_lossy(&table[range]).into_owned()).collect()
}

/// What the texts and bytes of a table are replaced by.
pub(super) struct Substitution<'a> {
    /// A text that is an identity as a whole.
    pub(super) identity: &'a dyn Fn(&str) -> String,
    /// A text in which there may be one.
    pub(super) text: &'a dyn Fn(&str) -> String,
    /// As many bytes.
    pub(super) bytes: &'a dyn Fn(&[u8]) -> Vec<u8>,
}

/// The table without identities. None when it cannot be understood: then nothing is known of where they are.
pub(super) fn redacted(mut table: Vec<u8>, by: &Substitution<'_>) -> Option<Vec<u8>> {
    for layout in structures(&table).ok()? {
        let body = layout.formatted.start + HEADER..layout.formatted.end;
        if !KEPT.iter().any(|(kind, _)| *kind == layout.kind) {
            table[body].fill(0);
            layout.strings.into_iter().for_each(|range| table[range].fill(b'x'));
            continue;
        }
        let identities = identity_strings(&layout, &table);
        for range in &layout.strings {
            let text = String::from_utf8_lossy(&table[range.clone()]).into_owned();
            let substitute = if identities.contains(range) { by.identity } else { by.text };
            overwrite(&mut table[range.clone()], &substitute(&text));
        }
        if layout.kind == SYSTEM && layout.formatted.len() >= UUID.end {
            let at = layout.formatted.start;
            let uuid = &mut table[at + UUID.start..at + UUID.end];
            // All zeros and all ones say that there is none.
            if uuid.iter().any(|byte| *byte != 0) && uuid.iter().any(|byte| *byte != 0xff) {
                let pseudonym = (by.bytes)(uuid);
                uuid.copy_from_slice(&pseudonym);
            }
        }
    }
    Some(table)
}

/// Writes a text over another one of the same length. One of another length would move what follows, so it is crossed out.
pub(super) fn overwrite(place: &mut [u8], text: &str) {
    if place.len() == text.len() { place.copy_from_slice(text.as_bytes()) } else { place.fill(b'x') }
}

fn identity_strings(layout: &Layout, table: &[u8]) -> Vec<std::ops::Range<usize>> {
    let offsets = KEPT.iter().find(|(kind, _)| *kind == layout.kind).map_or(&[][..], |(_, offsets)| *offsets);
    offsets.iter().filter_map(|offset| layout.string(table, *offset)).collect()
}
