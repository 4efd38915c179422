//! What stands between a check and its verdict: an unresolved contradiction, a failed identity, evidence that is stale.

use crate::check::{Check, CheckId};
use crate::contradiction::Contradiction;
use crate::judge::Case;
use crate::phase::Phase;
use crate::verdict::{Rank, Reason, Verdict};

/// Begins the id under which an unresolved contradiction stands among the checks.
pub(super) const CONTRADICTION: &str = "contradiction.";

/// A node that is not the ordered one gets no performance verdict: what tells a part from another, and how many there are.
const IDENTITY_KINDS: &[&str] = &["cpu", "dimm", "nvme", "nic", "gpu"];
const IDENTITY_ATTRS: &[&str] = &[
    "quantity",
    "unexpected",
    "vendor",
    "model",
    "serial",
    "part_number",
    "family",
    "model_number",
    "stepping",
    "memory_type",
    "capacity",
    "pci_id",
    "pci_subsystem",
];

/// The check without its verdict, when there is a reason to withhold it. What was observed stays.
pub(super) fn withhold(mut check: Check, reason: Option<Reason>) -> Check {
    if let Some(reason) = reason {
        check.verdict = Verdict::Inconclusive(reason);
    }
    check
}

/// Why no figure may be judged: the checks of identity that fail, in the order of their ids. One that waits for a contradiction has not failed.
pub(super) fn failed_identity(case: &Case<'_>) -> Option<Reason> {
    let waits = |id: &CheckId| {
        let listed = case.site.gates.iter().chain([case.gate]).flat_map(|gate| &gate.requires).filter(|requirement| requirement.id == *id);
        let blocked_by: Vec<String> = listed.flat_map(|requirement| requirement.blocked_by.clone()).collect();
        contradiction_of(&case.site.contradictions, id, &blocked_by).is_some()
    };
    let failed = case.inventory_checks.iter().filter(|check| check.verdict.rank() == Rank::Fail && is_identity(check.id.as_str()));
    let mut named: Vec<String> = failed.filter(|check| !waits(&check.id)).map(|check| format!("{} of {}", check.id, check.subject)).collect();
    named.sort();
    named.dedup();
    (!named.is_empty()).then(|| Reason::Blocked(format!("identity failed: {}", named.join(", "))))
}

fn is_identity(id: &str) -> bool {
    id.split_once('.').is_some_and(|(kind, attr)| IDENTITY_KINDS.contains(&kind) && IDENTITY_ATTRS.contains(&attr))
}

/// The unresolved contradictions that a check waits for: those that name it, and those that its requirement names.
pub(super) fn contradiction_of(contradictions: &[Contradiction], id: &CheckId, blocked_by: &[String]) -> Option<Reason> {
    let named = |one: &Contradiction| blocked_by.iter().any(|name| *name == one.id || one.derived_by.as_ref() == Some(name));
    let blocks = |one: &&Contradiction| !one.is_resolved() && (one.checks.contains(id) || named(one));
    let mut open: Vec<String> = contradictions.iter().filter(blocks).map(|one| format!("{}: {}", one.id, one.statement)).collect();
    open.sort();
    (!open.is_empty()).then(|| Reason::Blocked(format!("unresolved contradiction {}", open.join("; "))))
}

/// Whether a contradiction holds the gate of a phase by itself.
pub(super) fn holds_phase(contradiction: &Contradiction, phase: Phase) -> bool {
    !contradiction.is_resolved() && contradiction.blocks.contains(&phase)
}
