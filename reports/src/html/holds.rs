//! What stands between the node and the phase: every finding that holds the gate, worst first, by what has to be done about it.

use assay_model::gate::Decision;
use assay_model::verdict::Rank;

use crate::dossier::Dossier;
use crate::grouped::{Finding, findings};
use crate::printable::Shown;

use super::mark::Mark;

pub(super) struct Holds {
    pub(super) admitted: bool,
    pub(super) count: usize,
    pub(super) groups: Vec<Group>,
    /// What holds the gate and is no check of it.
    pub(super) besides: Vec<Shown>,
    /// Said by the gate and named nowhere else: it holds without a reason.
    pub(super) unexplained: bool,
}

pub(super) struct Group {
    pub(super) mark: Mark,
    pub(super) heading: &'static str,
    pub(super) explained: &'static str,
    pub(super) findings: Vec<Finding>,
    /// Only names and titles: there is nothing observed to show.
    pub(super) names_only: bool,
}

// In the order in which a person would work: what is wrong, what is undecided, what was disturbed, what was never looked at.
const INCONCLUSIVE: [(&str, &str, &str); 8] = [
    ("blocked", "Blocked", "A contradiction of the order or a missing prerequisite has to be resolved first."),
    ("invalid", "Invalid", "The figure cannot be true: above its physical ceiling, a counter that went backwards, a clock that jumped."),
    ("disturbed", "Disturbed", "Something else interfered with the measurement; repeat it on a quiet machine."),
    ("at_harness_floor", "At the harness floor", "The instrument itself was the bottleneck, so the hardware was not measured."),
    ("interrupted", "Interrupted", "The run ended before it was done; resume it."),
    ("unreadable", "Unreadable", "The source exists and could not be read, or a required source is missing."),
    ("stale", "Stale", "The evidence is too old, or of another inventory."),
    ("not_run", "Not looked at", "No result exists: nothing has run it, or no code implements it yet."),
];

impl Holds {
    pub(super) fn new(dossier: &Dossier<'_>) -> Self {
        let found = findings(dossier.judgement.judged.iter().filter(|judged| judged.holds));
        let mut groups = Vec::new();
        let mut push = |rank: Rank, reason: Option<&str>, heading, explained| {
            let members: Vec<Finding> = found.iter().filter(|f| f.rank == rank && f.reason == reason).cloned().collect();
            if !members.is_empty() {
                groups.push(Group { mark: Mark::of(rank), heading, explained, findings: members, names_only: reason == Some("not_run") });
            }
        };
        push(Rank::Fail, None, "Failed", "Observed, and not as expected.");
        for (reason, heading, explained) in INCONCLUSIVE {
            push(Rank::Inconclusive, Some(reason), heading, explained);
        }
        push(
            Rank::NotApplicable,
            None,
            "Does not apply, unexplained",
            "The gate requires it; a required check that does not apply needs a statement of the site.",
        );
        push(Rank::Pass, None, "Passed, but held", "The check passed and still holds the gate.");
        let besides = dossier.held_besides_checks();
        let (admitted, unexplained) = match &dossier.judgement.decision {
            Decision::Admit { .. } => (true, false),
            Decision::Hold { .. } => (false, groups.is_empty() && besides.is_empty()),
        };
        Self { admitted, count: dossier.holding(), groups, besides, unexplained }
    }
}
