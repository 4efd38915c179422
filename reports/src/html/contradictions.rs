//! Statements of the order that cannot hold as written: unresolved ones that block first, resolved ones last.

use assay_model::contradiction::Contradiction;
use assay_model::phase::Phase;

use crate::dossier::Dossier;
use crate::printable::Shown;

use super::mark;

pub(super) struct Contradictions {
    pub(super) blocking: Vec<Row>,
    pub(super) informing: Vec<Row>,
    pub(super) resolved: Vec<Row>,
    /// Phases that unresolved ones block, as `phase 1, phase 5`.
    pub(super) blocked: String,
    pub(super) none: Shown,
}

pub(super) struct Row {
    pub(super) id: Shown,
    pub(super) kind: &'static str,
    pub(super) statement: Shown,
    pub(super) why: Shown,
    /// Id, statement, why, whether it is the chosen one.
    pub(super) candidates: Vec<Candidate>,
    pub(super) resolution: Shown,
    pub(super) blocks: String,
    /// Whether it blocks the phase of this report.
    pub(super) blocks_this: bool,
    pub(super) found_by: Shown,
}

pub(super) struct Candidate {
    pub(super) id: Shown,
    pub(super) statement: Shown,
    pub(super) why: Shown,
    pub(super) chosen: bool,
}

impl Contradictions {
    pub(super) fn new(dossier: &Dossier<'_>) -> Self {
        let (mut blocking, mut informing, mut resolved) = (Vec::new(), Vec::new(), Vec::new());
        let mut blocked: Vec<Phase> = Vec::new();
        for contradiction in &dossier.judgement.contradictions {
            let row = row(contradiction, dossier.judgement.phase);
            if contradiction.is_resolved() {
                resolved.push(row);
            } else if contradiction.blocks.is_empty() && contradiction.checks.is_empty() {
                informing.push(row);
            } else {
                blocked.extend(&contradiction.blocks);
                blocking.push(row);
            }
        }
        // Stable: within each half the order of the site stays.
        blocking.sort_by_key(|row| !row.blocks_this);
        blocked.sort_unstable();
        blocked.dedup();
        let none = match &dossier.site.bom {
            Some(_) => "No rule finds a contradiction in the order, and the site declares none.",
            None => "This site orders nothing, so there is nothing that could contradict itself.",
        };
        Self { blocking, informing, resolved, blocked: phases(&blocked), none: Shown::new(none) }
    }

    pub(super) fn total(&self) -> usize {
        self.blocking.len() + self.informing.len() + self.resolved.len()
    }

    pub(super) fn unresolved(&self) -> usize {
        self.blocking.len() + self.informing.len()
    }
}

fn row(c: &Contradiction, phase: Phase) -> Row {
    let resolution = c.resolution.as_deref().unwrap_or_default().trim();
    Row {
        id: Shown::from(&c.id),
        kind: mark::kind(c.kind),
        statement: Shown::from(&c.statement),
        why: Shown::from(&c.why),
        candidates: c
            .candidates
            .iter()
            .map(|candidate| Candidate {
                id: Shown::from(&candidate.id),
                statement: Shown::from(&candidate.statement),
                why: Shown::from(&candidate.why),
                chosen: candidate.id == resolution,
            })
            .collect(),
        resolution: Shown::new(resolution),
        blocks: blocks(c),
        blocks_this: c.blocks.contains(&phase),
        found_by: match &c.derived_by {
            Some(rule) => Shown::from(format!("found in the order by rule {rule}")),
            None => Shown::new("declared by the site"),
        },
    }
}

fn blocks(c: &Contradiction) -> String {
    let checks = c.checks.iter().map(|check| Shown::from(check.as_str()).to_string()).collect::<Vec<_>>().join(", ");
    match (c.blocks.is_empty(), checks.is_empty()) {
        (_, true) => phases(&c.blocks),
        (true, false) => format!("the checks {checks}"),
        (false, false) => format!("{}, and the checks {checks}", phases(&c.blocks)),
    }
}

fn phases(phases: &[Phase]) -> String {
    match phases {
        [] => String::new(),
        [one] => one.to_string(),
        [first @ .., last] => {
            let first = first.iter().map(|phase| phase.number().to_string()).collect::<Vec<_>>().join(", ");
            format!("phases {first} and {}", last.number())
        }
    }
}
