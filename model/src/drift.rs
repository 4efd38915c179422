//! Drift: what differs between two inventories, of one node at two times (before and after a firmware update) or of two nodes that should be alike,
//! ranked by what follows from it. What each attribute's change means is in `drift/meaning.rs`, parts that two nodes
//! cannot both have in `drift/duplicate.rs`; reading and printing are the CLI's work.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attr::{Attr, Kind};
use crate::component::{Component, Reading, Value};
use crate::inventory::{Inventory, Observed};
use crate::verdict::Rank;

mod duplicate;
mod meaning;
mod moves;

#[cfg(test)]
mod tests;

pub use moves::Moves;

use meaning::Span;

/// What follows from a difference; the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Consequence {
    /// A serial number or address that one part in the world has is found at both of two nodes.
    Duplicate,
    /// A component is gone.
    Lost,
    /// It does less than it did: a slower or narrower link, less capacity, fewer cores, no carrier.
    Degraded,
    /// A counter of errors is higher, or an event log has a new entry of a fault.
    Errors,
    /// It could be read in one of the two and cannot be read in the other.
    Unreadable,
    /// It could be read in neither: whether it differs, nobody knows.
    Unknown,
    /// A counter is lower where it should go on counting: within one boot, or over the life of a part. Somebody set it back, or it wrapped; or an event log was cleared.
    Reset,
    /// Another part in the same place.
    Replaced,
    /// The same part in another place.
    Moved,
    /// A component that was not there.
    Appeared,
    /// Another firmware, microcode or kernel.
    Firmware,
    /// It is attached elsewhere: NUMA node, port above, CPU list.
    Topology,
    /// A setting or another property differs.
    Setting,
    /// What changes by itself: temperatures, free memory, traffic.
    Volatile,
}

impl Consequence {
    /// Every consequence, the gravest first.
    pub const ALL: &'static [Consequence] = &[
        Consequence::Duplicate,
        Consequence::Lost,
        Consequence::Degraded,
        Consequence::Errors,
        Consequence::Unreadable,
        Consequence::Unknown,
        Consequence::Reset,
        Consequence::Replaced,
        Consequence::Moved,
        Consequence::Appeared,
        Consequence::Firmware,
        Consequence::Topology,
        Consequence::Setting,
        Consequence::Volatile,
    ];

    /// The word used in files and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Consequence::Duplicate => "duplicate",
            Consequence::Lost => "lost",
            Consequence::Degraded => "degraded",
            Consequence::Errors => "errors",
            Consequence::Unreadable => "unreadable",
            Consequence::Unknown => "unknown",
            Consequence::Reset => "reset",
            Consequence::Replaced => "replaced",
            Consequence::Moved => "moved",
            Consequence::Appeared => "appeared",
            Consequence::Firmware => "firmware",
            Consequence::Topology => "topology",
            Consequence::Setting => "setting",
            Consequence::Volatile => "volatile",
        }
    }
}

impl fmt::Display for Consequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What two inventories are to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Relation {
    /// One node at two times: its serial numbers and addresses are to be the same.
    SameNode,
    /// Two nodes that should be alike: everything that names one of them differs.
    Peers,
}

impl Relation {
    /// One node when the serial number of the board says so, or, with another board, most of the parts; where none is known, when the host name does.
    pub fn of(a: &Inventory, b: &Inventory) -> Self {
        let serial = |inventory: &Inventory| {
            let board = inventory.iter(Kind::Board).next()?;
            board.value(Attr::Serial).or_else(|| board.value(Attr::Uuid)).cloned()
        };
        let is_same = match (serial(a), serial(b)) {
            (Some(of_a), Some(of_b)) => of_a == of_b || moves::shares_parts(a, b),
            (None, _) | (_, None) => a.host == b.host,
        };
        if is_same { Relation::SameNode } else { Relation::Peers }
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// What follows from it.
    pub consequence: Consequence,
    /// Of what kind of component.
    pub kind: Kind,
    /// Where that is; in the second inventory, unless it is gone there.
    pub locator: String,
    /// Which attribute; none when the component as a whole came, went or moved.
    pub attr: Option<Attr>,
    /// What the first inventory says.
    pub before: String,
    /// What the second one says.
    pub after: String,
}

/// A check that answers differently.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct VerdictChange {
    /// Its id.
    pub id: String,
    /// What it was asked of.
    pub subject: String,
    /// The first answer; none when it was not asked.
    pub before: Option<Rank>,
    /// The second answer; none when it was not asked.
    pub after: Option<Rank>,
    /// Why, from the worse of the two answers.
    pub why: String,
}

impl VerdictChange {
    /// Whether the second answer is the worse one.
    pub fn is_worse(&self) -> bool {
        let badness = |rank: Option<Rank>| match rank {
            None | Some(Rank::NotApplicable | Rank::Pass) => 0,
            Some(Rank::Inconclusive) => 1,
            Some(Rank::Fail) => 2,
        };
        badness(self.after) > badness(self.before)
    }
}

/// One of the two inventories.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Side {
    /// Host name, or its pseudonym.
    pub host: String,
    /// The boot during which it was taken.
    pub boot_id: String,
    /// When.
    pub taken_at: String,
}

impl From<&Inventory> for Side {
    fn from(inventory: &Inventory) -> Self {
        Self { host: inventory.host.clone(), boot_id: inventory.boot_id.clone(), taken_at: inventory.taken_at.clone() }
    }
}

/// What `assay compare` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Drift {
    /// The first inventory.
    pub a: Side,
    /// The second inventory.
    pub b: Side,
    /// What they are to each other.
    pub relation: Relation,
    /// The differences, the gravest first.
    pub changes: Vec<Change>,
    /// Checks that answer differently, those that got worse first.
    pub verdicts: Vec<VerdictChange>,
}

/// Compares two inventories.
pub fn between(a: &Inventory, b: &Inventory, relation: Relation) -> Drift {
    let moves = Moves::between(a, b, relation);
    let span = match relation {
        Relation::Peers => Span::TwoNodes,
        Relation::SameNode if a.boot_id == b.boot_id => Span::OneBoot,
        Relation::SameNode => Span::TwoBoots,
    };
    let mut changes: Vec<Change> = Kind::ALL.iter().flat_map(|&kind| of_kind(kind, a, b, &moves, span)).collect();
    if relation == Relation::Peers {
        changes.extend(duplicate::parts(a, b));
    }
    changes.sort_by_key(|change| change.consequence);
    Drift { a: Side::from(a), b: Side::from(b), relation, changes, verdicts: Vec::new() }
}

fn of_kind(kind: Kind, a: &Inventory, b: &Inventory, moves: &Moves, span: Span) -> Vec<Change> {
    let whole = |consequence, before: String, after: String| vec![Change { consequence, kind, locator: "all".into(), attr: None, before, after }];
    let said = |observed: &Observed<'_>| match observed {
        Observed::Components(found) => format!("{} found", found.len()),
        Observed::SourceMissing(source) => format!("no {source} on this host"),
        Observed::Unknown(reason) => reason.to_string(),
    };
    let (of_a, of_b) = (a.of(kind), b.of(kind));
    match (&of_a, &of_b) {
        (Observed::Components(before), Observed::Components(after)) => compare(before, after, moves, span),
        (Observed::SourceMissing(_), Observed::SourceMissing(_)) => Vec::new(),
        (Observed::Components(before), Observed::SourceMissing(_)) if before.is_empty() => Vec::new(),
        (Observed::SourceMissing(_), Observed::Components(after)) if after.is_empty() => Vec::new(),
        (Observed::Components(_), Observed::SourceMissing(_)) => whole(Consequence::Lost, said(&of_a), said(&of_b)),
        (Observed::SourceMissing(_), Observed::Components(_)) => whole(Consequence::Appeared, said(&of_a), said(&of_b)),
        (Observed::Unknown(_), Observed::Unknown(_)) => whole(Consequence::Unknown, said(&of_a), said(&of_b)),
        (Observed::Unknown(_), _) | (_, Observed::Unknown(_)) => whole(Consequence::Unreadable, said(&of_a), said(&of_b)),
    }
}

fn compare(before: &[&Component], after: &[&Component], moves: &Moves, span: Span) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut left: Vec<&Component> = after.to_vec();
    let mut gone: Vec<&Component> = Vec::new();
    for old in before {
        let to = moves.place_of(old);
        let Some(at) = to.and_then(|to| left.iter().position(|new| new.locator == to)) else {
            gone.push(old);
            continue;
        };
        let new = left.swap_remove(at);
        if new.locator != old.locator {
            changes.push(Change {
                consequence: Consequence::Moved,
                kind: new.kind,
                locator: new.locator.clone(),
                attr: None,
                before: old.locator.clone(),
                after: new.locator.clone(),
            });
        }
        changes.extend(attributes(old, new, span));
    }
    let came = |component: &&Component, consequence, before: &str, after: &str| Change {
        consequence,
        kind: component.kind,
        locator: component.locator.clone(),
        attr: None,
        before: before.into(),
        after: after.into(),
    };
    changes.extend(gone.iter().map(|old| came(old, meaning::of_loss(old.kind, span), &named(old), "gone")));
    changes.extend(left.iter().map(|new| came(new, meaning::of_arrival(new.kind), "not there", &named(new))));
    changes
}

// What a person looks for on the shelf.
fn named(component: &Component) -> String {
    let words: Vec<String> = [Attr::Model, Attr::PartNumber, Attr::Serial, Attr::Severity, Attr::Message]
        .iter()
        .filter_map(|&attr| component.value(attr))
        .map(Value::to_string)
        .collect();
    if words.is_empty() { "there".into() } else { words.join(" ") }
}

fn attributes(old: &Component, new: &Component, span: Span) -> Vec<Change> {
    let all: BTreeSet<Attr> = old.attributes.keys().chain(new.attributes.keys()).copied().collect();
    let differ = all.into_iter().filter_map(|attr| {
        let (before, after) = (old.reading(attr), new.reading(attr));
        if span == Span::TwoNodes && meaning::names_one(attr) && is_unreadable(before) == is_unreadable(after) {
            return None;
        }
        // The place says it already.
        let is_place = |reading: &Reading, component: &Component| reading.value().and_then(Value::as_str) == Some(component.locator.as_str());
        if old.locator != new.locator && is_place(before, old) && is_place(after, new) {
            return None;
        }
        let consequence = consequence(attr, before, after, span)?;
        let consequence = match (meaning::changes_by_itself(new, attr, before, after), meaning::is_another_entry(new.kind, attr)) {
            (true, _) => Consequence::Volatile,
            (false, true) => Consequence::Errors,
            (false, false) => consequence,
        };
        let said = |reading: &Reading| reading.to_string();
        Some(Change { consequence, kind: new.kind, locator: new.locator.clone(), attr: Some(attr), before: said(before), after: said(after) })
    });
    differ.collect()
}

fn is_unreadable(reading: &Reading) -> bool {
    match reading {
        Reading::Unreadable(_) => true,
        Reading::Value(_) | Reading::Absent => false,
    }
}

fn consequence(attr: Attr, before: &Reading, after: &Reading, span: Span) -> Option<Consequence> {
    match (before, after) {
        // Why it cannot be read may be worded in two ways.
        (Reading::Unreadable(_), Reading::Unreadable(_)) => Some(Consequence::Unknown),
        (_, Reading::Unreadable(_)) => Some(Consequence::Unreadable),
        (Reading::Unreadable(_) | Reading::Absent, Reading::Value(after)) if meaning::has_counted(attr, after) => Some(Consequence::Errors),
        (Reading::Absent, Reading::Absent) => None,
        (Reading::Unreadable(_) | Reading::Absent, _) => Some(meaning::of_change(attr)),
        (Reading::Value(_), Reading::Absent) if meaning::is_worse_without(attr) => Some(Consequence::Degraded),
        // Whoever no longer counts errors has none to show.
        (Reading::Value(_), Reading::Absent) if meaning::counts_errors(attr) => Some(Consequence::Unreadable),
        (Reading::Value(_), Reading::Absent) => Some(meaning::of_change(attr)),
        (Reading::Value(before), Reading::Value(after)) => meaning::of_values(attr, before, after, span),
    }
}
