//! What depends on how a contradiction of the order was resolved: a declaration, or a requirement of a gate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::contradiction::{Candidate, Contradiction};

/// The answer to a contradiction on which something depends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// Id of the contradiction.
    pub contradiction: String,
    /// Candidates that the resolution may name for it to hold.
    pub candidates: Vec<String>,
}

impl When {
    /// The candidate that was chosen in place of these. None while the contradiction is open, was resolved in the operator's own words, or is not there:
    /// nothing then says that it does not hold.
    pub fn chosen_otherwise<'a>(&self, contradictions: &'a [Contradiction]) -> Option<&'a Candidate> {
        let contradiction = contradictions.iter().find(|contradiction| contradiction.id == self.contradiction)?;
        contradiction.chosen().filter(|chosen| !self.candidates.contains(&chosen.id))
    }

    /// Why it does not hold, for people; none unless [`Self::chosen_otherwise`].
    pub fn not_here(&self, contradictions: &[Contradiction]) -> Option<String> {
        let chosen = self.chosen_otherwise(contradictions)?;
        Some(format!("{} was resolved to `{}`: {}", self.contradiction, chosen.id, chosen.statement))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contradiction::ContradictionKind;

    #[test]
    fn only_another_candidate_says_that_it_does_not_hold() {
        let when = When { contradiction: "C-22".into(), candidates: vec!["draid".into()] };
        let candidate = |id: &str| Candidate { id: id.into(), statement: format!("{id} it is"), why: String::new(), set: Vec::new() };
        let resolved = |resolution: Option<&str>| Contradiction {
            id: "C-22".into(),
            kind: ContradictionKind::Conflict,
            statement: "either".into(),
            why: "or".into(),
            candidates: vec![candidate("ceph"), candidate("draid")],
            resolution: resolution.map(str::to_owned),
            blocks: Vec::new(),
            checks: Vec::new(),
            derived_by: None,
        };
        for (resolution, expected) in [
            (Some("ceph"), Some("C-22 was resolved to `ceph`: ceph it is")),
            (Some("draid"), None),
            (Some("neither, we use tapes"), None),
            (Some(""), None),
            (None, None),
        ] {
            assert_eq!(when.not_here(&[resolved(resolution)]).as_deref(), expected, "{resolution:?}");
        }
        assert_eq!(when.not_here(&[]), None, "a site without that contradiction");
    }
}
