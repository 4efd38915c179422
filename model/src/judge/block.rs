//! What stands between a check and its verdict: an unresolved contradiction, a failed identity, evidence that is stale.

use crate::check::Check;
use crate::contradiction::Contradiction;
use crate::gate::Requirement;
use crate::phase::Phase;
use crate::verdict::{Rank, Reason, Verdict};

/// Begins the id under which an unresolved contradiction stands among the checks.
pub(super) const CONTRADICTION: &str = "contradiction.";

/// A node that is not the ordered one gets no performance verdict.
const IDENTITY_KINDS: &[&str] = &["cpu", "dimm", "nvme", "nic", "gpu"];
const IDENTITY_ATTRS: &[&str] = &["quantity", "model", "serial", "part_number", "pci_id", "capacity"];

/// The check without its verdict, when there is a reason to withhold it. What was observed stays.
pub(super) fn withhold(mut check: Check, reason: Option<Reason>) -> Check {
    if let Some(reason) = reason {
        check.verdict = Verdict::Inconclusive(reason);
    }
    check
}

/// Why no figure may be judged: the checks of identity that fail, in the order of their ids.
pub(super) fn failed_identity(checks: &[Check]) -> Option<Reason> {
    let failed = checks.iter().filter(|check| check.verdict.rank() == Rank::Fail && is_identity(check.id.as_str()));
    let mut named: Vec<String> = failed.map(|check| format!("{} of {}", check.id, check.subject)).collect();
    named.sort();
    named.dedup();
    (!named.is_empty()).then(|| Reason::Blocked(format!("identity failed: {}", named.join(", "))))
}

fn is_identity(id: &str) -> bool {
    id.split_once('.').is_some_and(|(kind, attr)| IDENTITY_KINDS.contains(&kind) && IDENTITY_ATTRS.contains(&attr))
}

/// The unresolved contradictions that a check waits for: those that name it, and those that its requirement names.
pub(super) fn contradiction_of(contradictions: &[Contradiction], requirement: &Requirement) -> Option<Reason> {
    let named = |one: &Contradiction| requirement.blocked_by.iter().any(|name| *name == one.id || one.derived_by.as_ref() == Some(name));
    let blocks = |one: &&Contradiction| !one.is_resolved() && (one.checks.contains(&requirement.id) || named(one));
    let mut open: Vec<String> = contradictions.iter().filter(blocks).map(|one| format!("{}: {}", one.id, one.statement)).collect();
    open.sort();
    (!open.is_empty()).then(|| Reason::Blocked(format!("unresolved contradiction {}", open.join("; "))))
}

/// Whether a contradiction holds the gate of a phase by itself.
pub(super) fn holds_phase(contradiction: &Contradiction, phase: Phase) -> bool {
    !contradiction.is_resolved() && contradiction.blocks.contains(&phase)
}
