//! Statements of the order that cannot hold as written. Impossible ones are derived from the BOM by the rules below `contradiction/`, the others are
//! declared by the site (`contradiction/file.rs`); both block phases and checks until the operator writes a resolution (`contradiction/resolution.rs`).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attr::Attr;
use crate::bom::Bom;
use crate::check::CheckId;
use crate::matcher::Matcher;
use crate::parts::Parts;
use crate::phase::Phase;

mod ceph;
mod corosync;
mod cpu;
pub(crate) mod file;
mod gpu;
mod memory;
mod network;
mod pcie;
mod placement;
pub(crate) mod resolution;
mod rule;
mod storage;

pub use file::{Entry, parse};
pub use rule::{Finding, RULES, Rule};

/// The version of the file format.
pub const CONTRADICTIONS_SCHEMA: u32 = 1;

/// Why a statement cannot hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContradictionKind {
    /// Physics or the part forbids it.
    Impossible,
    /// The product does not support it.
    Unsupported,
    /// It can be read in more than one way.
    Ambiguous,
    /// It conflicts with another statement of the order.
    Conflict,
    /// It names something that no longer exists.
    Obsolete,
}

/// One way to resolve a contradiction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Candidate {
    /// Short word that a resolution names.
    pub id: String,
    /// What is chosen.
    pub statement: String,
    /// Why it is plausible.
    #[serde(default)]
    pub why: String,
    /// What choosing it changes in the order; the checks then compare with the changed lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub set: Vec<Override>,
}

/// A change of one BOM line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Override {
    /// Name of the line.
    pub line: String,
    /// The quantity instead of the ordered one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantity: Option<u32>,
    /// The part instead of the ordered one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Expectations added or replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub expect: BTreeMap<Attr, Matcher>,
    /// Facts added or replaced.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, u64>,
}

/// One contradiction of the order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contradiction {
    /// `C-01` and so on; the rule's name when no site gave it an id.
    pub id: String,
    /// Why it cannot hold.
    pub kind: ContradictionKind,
    /// What the order says.
    pub statement: String,
    /// Why that cannot hold.
    pub why: String,
    /// Ways out, most plausible first.
    pub candidates: Vec<Candidate>,
    /// Id of the chosen candidate, or the operator's own words.
    pub resolution: Option<String>,
    /// Phases whose gates it holds while it is unresolved; empty when it only informs.
    pub blocks: Vec<Phase>,
    /// Checks that are Inconclusive (blocked) while it is unresolved: what they would compare with is what is in question.
    #[serde(default)]
    pub checks: Vec<CheckId>,
    /// Name of the rule that found it in the BOM; none when the site declares it.
    pub derived_by: Option<String>,
}

impl Contradiction {
    /// Whether the operator has written a resolution.
    pub fn is_resolved(&self) -> bool {
        self.resolution.as_ref().is_some_and(|resolution| !resolution.trim().is_empty())
    }

    /// Whether it holds a gate or a check: it is unresolved and does not only inform.
    pub fn is_blocking(&self) -> bool {
        let informs_only = self.blocks.is_empty() && self.checks.is_empty();
        !self.is_resolved() && !informs_only
    }

    /// The candidate that the resolution names; none when it is unresolved or resolved in the operator's own words.
    pub fn chosen(&self) -> Option<&Candidate> {
        let resolution = self.resolution.as_ref()?;
        self.candidates.iter().find(|candidate| candidate.id == *resolution)
    }
}

/// Every contradiction of an order: what the site declares, in its order, and what the rules find. An entry that names a rule is there only while
/// that rule fires, and takes its reason from it; a rule that fires without an entry is there under its own name.
pub fn all(bom: &Bom, parts: &Parts, declared: &[Entry]) -> Vec<Contradiction> {
    let found: Vec<(&Rule, Finding)> = RULES.iter().filter_map(|rule| (rule.find)(bom, parts).map(|finding| (rule, finding))).collect();
    let mut contradictions: Vec<Contradiction> = declared
        .iter()
        .filter_map(|entry| match entry.rule() {
            None => Some(entry.declared()),
            Some(name) => found.iter().find(|(rule, _)| rule.name == name).map(|(_, finding)| entry.derived(finding)),
        })
        .collect();
    let named = |rule: &Rule| declared.iter().any(|entry| entry.rule() == Some(rule.name));
    contradictions.extend(found.iter().filter(|(rule, _)| !named(rule)).map(|(rule, finding)| rule.contradiction(finding)));
    contradictions
}

#[cfg(test)]
pub(crate) mod tests;
