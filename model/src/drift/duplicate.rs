//! Parts of two nodes with one identity: the serial number of a drive, a memory module or a board, the address of a network port. There is one such part in
//! the world: a clone, a mislabelled refurbished part, or a node that was recorded twice. What makers write where they have no number names nothing.

use std::collections::BTreeMap;

use super::{Change, Consequence};
use crate::attr::{Attr, Kind};
use crate::component::{Component, Value};
use crate::inventory::Inventory;

/// What names one part in the world. Serial numbers of cables do not: both ends of one have the same.
const UNIQUE: &[(Kind, Attr)] = &[
    (Kind::Board, Attr::Serial),
    (Kind::Board, Attr::Uuid),
    (Kind::Dimm, Attr::Serial),
    (Kind::Nvme, Attr::Serial),
    (Kind::Nvme, Attr::IdentifiedSerial),
    (Kind::Nic, Attr::Mac),
    (Kind::BmcPort, Attr::Mac),
];

/// Words that makers leave where a number should be.
const PLACEHOLDERS: &[&str] =
    &["default", "filled", "not specified", "not available", "unknown", "undefined", "none", "n/a", "serial", "no dimm", "1234567"];
/// Shorter ones are no numbers of parts.
const CHARACTERS_MIN: usize = 4;
/// The bit of a hardware address that says that no maker gave it.
const LOCAL: u8 = 0b10;

/// Parts that both inventories have.
pub(super) fn parts(a: &Inventory, b: &Inventory) -> Vec<Change> {
    let mut changes: Vec<Change> = Vec::new();
    for &(kind, attr) in UNIQUE {
        let named = |inventory| -> BTreeMap<String, &Component> {
            Inventory::iter(inventory, kind).filter_map(|component| Some((identity(component, attr)?, component))).collect()
        };
        let of_a = named(a);
        for (identity, after) in named(b) {
            let Some(before) = of_a.get(&identity) else { continue };
            // Driver and controller say the same of a drive: once is enough.
            if changes.iter().any(|change| change.kind == kind && change.locator == after.locator) {
                continue;
            }
            let said = |component: &Component| format!("{} at {}", component.reading(attr), component.locator);
            let locator = after.locator.clone();
            changes.push(Change { consequence: Consequence::Duplicate, kind, locator, attr: Some(attr), before: said(before), after: said(after) });
        }
    }
    changes
}

/// What tells the part from every other one, of whatever node. Numbers are unique within the products of one maker.
fn identity(component: &Component, attr: Attr) -> Option<String> {
    let number = component.value(attr)?.to_string().trim().to_ascii_lowercase();
    let is_alike = number.chars().filter(char::is_ascii_alphanumeric).collect::<std::collections::BTreeSet<_>>().len() < 2;
    if number.len() < CHARACTERS_MIN || is_alike || PLACEHOLDERS.iter().any(|placeholder| number.contains(placeholder)) {
        return None;
    }
    if attr == Attr::Mac && !is_of_a_maker(&number) {
        return None;
    }
    let maker = [Attr::Vendor, Attr::Model, Attr::PartNumber].map(|attr| component.value(attr).map(Value::to_string).unwrap_or_default());
    Some(if attr == Attr::Serial || attr == Attr::IdentifiedSerial { format!("{} {number}", maker.join(" ")) } else { number })
}

fn is_of_a_maker(address: &str) -> bool {
    address.get(..2).and_then(|octet| u8::from_str_radix(octet, 16).ok()).is_some_and(|octet| octet & LOCAL == 0)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{drive, node};
    use super::super::{Relation, between};
    use super::*;

    fn duplicates(a: Component, b: Component, relation: Relation) -> Vec<Option<Attr>> {
        let drift = between(&node("n1", vec![a]), &node("n2", vec![b]), relation);
        let of = |change: &Change| (change.consequence == Consequence::Duplicate).then_some(change.attr);
        drift.changes.iter().filter_map(of).collect()
    }

    fn with(kind: Kind, attr: Attr, value: &str) -> Component {
        Component::new(kind, "place").with(attr, "a", value)
    }

    #[test]
    fn one_part_at_two_nodes_is_the_gravest_difference() {
        let drift =
            between(&node("n1", vec![drive("0000:41:00.0", "63E0A002")]), &node("n2", vec![drive("0000:45:00.0", "63E0A002")]), Relation::Peers);
        let first = &drift.changes[0];
        assert_eq!((first.consequence, first.attr), (Consequence::Duplicate, Some(Attr::Serial)));
        assert_eq!((first.before.as_str(), first.after.as_str()), ("63E0A002 at 0000:41:00.0", "63E0A002 at 0000:45:00.0"));
    }

    #[test]
    fn drives_modules_boards_and_ports_are_known_by_their_numbers() {
        for (kind, attr, value) in [
            (Kind::Nvme, Attr::IdentifiedSerial, "63E0A002"),
            (Kind::Dimm, Attr::Serial, "4A1B2000"),
            (Kind::Board, Attr::Serial, "S452716X3A00001"),
            (Kind::Board, Attr::Uuid, "b45f8eac-2f10-4a46-8c7e-7cc255e1f3a4"),
            (Kind::Nic, Attr::Mac, "b8:3f:d2:6a:10:c2"),
            (Kind::BmcPort, Attr::Mac, "7C:C2:55:E1:F3:A4"),
        ] {
            assert_eq!(duplicates(with(kind, attr, value), with(kind, attr, value), Relation::Peers), [Some(attr)], "{kind} {value}");
        }
        let spelled = |value| with(Kind::Nic, Attr::Mac, value);
        assert_eq!(duplicates(spelled("b8:3f:d2:6a:10:c2"), spelled("B8:3F:D2:6A:10:C2"), Relation::Peers), [Some(Attr::Mac)]);
    }

    #[test]
    fn what_names_no_part_is_no_duplicate() {
        for (kind, attr, value) in [
            (Kind::Board, Attr::Serial, "To be filled by O.E.M."),
            (Kind::Board, Attr::Serial, "Default string"),
            (Kind::Board, Attr::Serial, "0123456789"),
            (Kind::Board, Attr::Uuid, "00000000-0000-0000-0000-000000000000"),
            (Kind::Dimm, Attr::Serial, "00000000"),
            (Kind::Dimm, Attr::Serial, "FFFFFFFF"),
            (Kind::Dimm, Attr::Serial, "Unknown"),
            (Kind::Nvme, Attr::Serial, ""),
            // The USB port to the management controller has the same address in every node.
            (Kind::Nic, Attr::Mac, "be:3a:f2:b6:05:9f"),
            (Kind::Nic, Attr::Mac, "00:00:00:00:00:00"),
            (Kind::Nic, Attr::ModuleSerial, "MT2241VS01871"),
        ] {
            assert_eq!(duplicates(with(kind, attr, value), with(kind, attr, value), Relation::Peers), [], "{kind} {value}");
        }
    }

    #[test]
    fn one_number_of_two_makers_and_one_node_at_two_times_are_no_duplicates() {
        let of = |vendor: &str| with(Kind::Dimm, Attr::Serial, "4A1B2000").with(Attr::Vendor, "a", vendor);
        assert_eq!(duplicates(of("Micron Technology"), of("Samsung"), Relation::Peers), []);
        assert_eq!(duplicates(drive("0000:41:00.0", "63E0A002"), drive("0000:41:00.0", "63E0A002"), Relation::SameNode), []);
    }
}
