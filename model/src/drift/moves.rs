//! Which part of the one inventory is which part of the other: by what identifies it, where it is found once in either; by the order of the addresses for
//! functions without a serial number; what is named after the place of a part goes with it. The rest is where it was.

use std::collections::{BTreeMap, BTreeSet};

use super::{Relation, meaning};
use crate::attr::{Attr, Kind};
use crate::component::Component;
use crate::inventory::Inventory;

/// Kinds after whose places other things are named: `enp97s0f0np0` of a bond's member, `0000:21:00.0` of a drive's sensor.
const NAME_GIVING: &[Kind] = &[Kind::Nvme, Kind::Nic, Kind::Pci];
/// Kinds of functions that only their address tells apart.
const NAMELESS: &[Kind] = &[Kind::Pci, Kind::Gpu];

/// Where the parts of the first inventory are in the second one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moves {
    /// By kind: places before to places after, where they are not the same.
    parts: BTreeMap<(Kind, String), String>,
    /// The same for the names that are given to other things.
    words: BTreeMap<String, String>,
    /// By kind: places after that a part moved to.
    taken: BTreeSet<(Kind, String)>,
}

impl Moves {
    /// What moved from the one inventory to the other. Nothing moves between two nodes.
    pub fn between(a: &Inventory, b: &Inventory, relation: Relation) -> Self {
        let mut moves = Self::default();
        if relation == Relation::Peers {
            return moves;
        }
        // What only its address tells apart comes last: most functions go where the part went whose function they are.
        let (nameless, named): (Vec<Kind>, Vec<Kind>) = Kind::ALL.iter().partition(|kind| NAMELESS.contains(kind));
        for kind in named.into_iter().chain(nameless) {
            let (before, after): (Vec<_>, Vec<_>) = (a.iter(kind).collect(), b.iter(kind).collect());
            let found = if NAMELESS.contains(&kind) { by_order(&before, &after, &moves.words) } else { by_identity(&before, &after) };
            if NAME_GIVING.contains(&kind) {
                moves.words.extend(found.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())));
            }
            moves.parts.extend(found.into_iter().map(|(old, new)| ((kind, old.to_owned()), new.to_owned())));
        }
        for old in &a.components {
            let renamed = moves.rename(&old.locator);
            let key = (old.kind, old.locator.clone());
            if renamed != old.locator && !moves.parts.contains_key(&key) && b.iter(old.kind).any(|new| new.locator == renamed) {
                moves.parts.insert(key, renamed);
            }
        }
        moves.taken = moves.parts.iter().map(|((kind, _), to)| (*kind, to.clone())).collect();
        moves
    }

    /// The same words with the places of today.
    pub fn rename(&self, words: &str) -> String {
        if self.words.is_empty() {
            return words.to_owned();
        }
        let word = |word: &str| self.words.get(word).cloned().unwrap_or_else(|| word.to_owned());
        words.split(' ').map(word).collect::<Vec<_>>().join(" ")
    }

    /// Where a component of the first inventory is to be looked for in the second one; none when another part moved to its place.
    pub(super) fn place_of<'s>(&'s self, old: &'s Component) -> Option<&'s str> {
        let key = (old.kind, old.locator.clone());
        match self.parts.get(&key) {
            Some(to) => Some(to),
            None if self.taken.contains(&key) => None,
            None => Some(&old.locator),
        }
    }
}

/// Whether most parts with a serial number or a hardware address are in both inventories.
pub(super) fn shares_parts(a: &Inventory, b: &Inventory) -> bool {
    let parts = |inventory: &Inventory| -> BTreeSet<(Kind, String)> {
        let of = |part: &Component| meaning::IDENTITIES.iter().find_map(|&attr| meaning::identity(part, attr));
        inventory.components.iter().filter_map(|part| Some((part.kind, of(part)?))).collect()
    };
    let (a, b) = (parts(a), parts(b));
    a.intersection(&b).count() * 2 > a.len().min(b.len())
}

/// Parts whose identity is found once in either inventory and in different places.
fn by_identity<'a>(before: &[&'a Component], after: &[&'a Component]) -> BTreeMap<&'a str, &'a str> {
    let mut found = BTreeMap::new();
    for &attr in meaning::IDENTITIES {
        let places = |components: &[&'a Component]| {
            let mut places: BTreeMap<String, Vec<&'a str>> = BTreeMap::new();
            for component in components {
                if let Some(identity) = meaning::identity(component, attr) {
                    places.entry(identity).or_default().push(component.locator.as_str());
                }
            }
            places
        };
        let after = places(after);
        for (identity, old) in places(before) {
            let new = after.get(&identity).map(Vec::as_slice).unwrap_or_default();
            if let ([old], [new]) = (old.as_slice(), new)
                && old != new
            {
                found.entry(*old).or_insert(*new);
            }
        }
    }
    found
}

/// Functions that are alike, as many gone as came, besides those that are known to have `moved`: in the order of their addresses, as buses are numbered.
fn by_order<'a>(before: &[&'a Component], after: &[&'a Component], moved: &BTreeMap<String, String>) -> BTreeMap<&'a str, &'a str> {
    let from: BTreeSet<&str> = moved.keys().map(String::as_str).collect();
    let to: BTreeSet<&str> = moved.values().map(String::as_str).collect();
    let gone = alike(before, |place| !from.contains(place) && (to.contains(place) || !after.iter().any(|new| new.locator == place)));
    let came = alike(after, |place| !to.contains(place) && (from.contains(place) || !before.iter().any(|old| old.locator == place)));
    let pairs = gone.into_iter().filter_map(|(looks, gone)| {
        let came = came.get(&looks).filter(|came| came.len() == gone.len())?;
        Some(gone.into_iter().zip(came.iter().copied()).collect::<Vec<_>>())
    });
    pairs.flatten().collect()
}

/// The places that are asked for, by what the functions there look like.
fn alike<'a>(functions: &[&'a Component], is_asked: impl Fn(&str) -> bool) -> BTreeMap<[String; 3], BTreeSet<&'a str>> {
    let mut places: BTreeMap<[String; 3], BTreeSet<&'a str>> = BTreeMap::new();
    for function in functions.iter().filter(|function| is_asked(&function.locator)) {
        let looks = [Attr::PciClass, Attr::PciId, Attr::PciSubsystem].map(|attr| function.reading(attr).to_string());
        places.entry(looks).or_default().insert(function.locator.as_str());
    }
    places
}
