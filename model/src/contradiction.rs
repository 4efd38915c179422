//! Statements of the order that cannot hold as written. Physically impossible ones are derived from the BOM by the rules below `contradiction/`,
//! the others are declared by the site; both block their phases until the operator writes a resolution.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::phase::Phase;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Short word that a resolution names.
    pub id: String,
    /// What is chosen.
    pub statement: String,
    /// Why it is plausible.
    #[serde(default)]
    pub why: String,
}

/// One contradiction of the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Contradiction {
    /// `C-01` and so on.
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
    /// Name of the rule that found it in the BOM; none when the site declares it.
    pub derived_by: Option<String>,
}

impl Contradiction {
    /// Whether the operator has written a resolution.
    pub fn is_resolved(&self) -> bool {
        self.resolution.as_ref().is_some_and(|resolution| !resolution.trim().is_empty())
    }
}
