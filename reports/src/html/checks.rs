//! Every check of the gate by phase and verdict, subject by subject, with the evidence.

use std::collections::BTreeMap;

use assay_model::check::Check;
use assay_model::gate::{Judged, Severity};
use assay_model::verdict::{Rank, Reason, Verdict};

use crate::dossier::{Dossier, why};
use crate::grouped::{humane, reason_word};
use crate::printable::Shown;
use crate::scale::Scaled;

use super::mark::Mark;

pub(super) struct Phase {
    pub(super) name: String,
    pub(super) title: &'static str,
    pub(super) total: usize,
    pub(super) groups: Vec<Group>,
}

pub(super) struct Group {
    pub(super) mark: Mark,
    /// Checks with their subjects.
    pub(super) questions: Vec<Question>,
    /// Checks that nothing has run: there is nothing to show but that.
    pub(super) not_run: Vec<Question>,
    pub(super) answers: usize,
    /// Number of checks.
    pub(super) count: usize,
    /// Passes and what does not apply are folded.
    pub(super) folded: bool,
}

pub(super) struct Question {
    pub(super) id: Shown,
    pub(super) title: Shown,
    pub(super) severity: Severity,
    pub(super) answers: Vec<Answer>,
}

pub(super) struct Answer {
    pub(super) subject: Shown,
    pub(super) expected: Scaled,
    pub(super) observed: Scaled,
    pub(super) why: Shown,
    pub(super) source: Shown,
    pub(super) events: String,
    pub(super) excused_by: Option<Shown>,
    pub(super) not_run: bool,
}

pub(super) fn phases(dossier: &Dossier<'_>) -> Vec<Phase> {
    let mut by_phase: BTreeMap<assay_model::phase::Phase, Vec<&Judged>> = BTreeMap::new();
    for judged in &dossier.judgement.judged {
        by_phase.entry(judged.phase).or_default().push(judged);
    }
    by_phase
        .into_iter()
        .map(|(phase, judged)| Phase {
            name: phase.to_string(),
            title: phase.title(),
            total: judged.len(),
            groups: [Rank::Fail, Rank::Inconclusive, Rank::Pass, Rank::NotApplicable].into_iter().filter_map(|rank| group(rank, &judged)).collect(),
        })
        .collect()
}

fn group(rank: Rank, judged: &[&Judged]) -> Option<Group> {
    let mut questions: Vec<Question> = Vec::new();
    for judged in judged.iter().filter(|judged| judged.check.verdict.rank() == rank) {
        let id = Shown::from(judged.check.id.as_str());
        match questions.iter_mut().find(|question| question.id == id && question.severity == judged.severity) {
            Some(question) => question.answers.push(answer(judged)),
            None => questions.push(Question { id, title: Shown::from(&judged.title), severity: judged.severity, answers: vec![answer(judged)] }),
        }
    }
    let answers = questions.iter().map(|question| question.answers.len()).sum();
    let count = questions.len();
    let (not_run, questions) = questions.into_iter().partition(|question| question.answers.iter().all(|answer| answer.not_run));
    let folded = match rank {
        Rank::Fail | Rank::Inconclusive => false,
        Rank::Pass | Rank::NotApplicable => true,
    };
    (answers > 0).then_some(Group { mark: Mark::of(rank), questions, not_run, answers, count, folded })
}

fn answer(judged: &Judged) -> Answer {
    let check = &judged.check;
    Answer {
        subject: Shown::from(&check.subject),
        expected: humane(check, &check.expected),
        observed: humane(check, &check.observed),
        why: Shown::from(grounds(check)),
        source: Shown::from(&check.source),
        events: check.evidence.iter().map(u64::to_string).collect::<Vec<_>>().join(", "),
        excused_by: judged.excused_by.as_ref().map(Shown::from),
        not_run: reason_word(&check.verdict) == Some("not_run"),
    }
}

// For a pass: on how many observations it stands, when it is more than the one that is shown.
fn grounds(check: &Check) -> String {
    match &check.verdict {
        // That it was not run is the heading already.
        Verdict::Inconclusive(Reason::NotRun(detail)) => detail.clone(),
        Verdict::Pass(evidence) if evidence.witnessed().len() > 1 => format!("on {} observations", evidence.witnessed().len()),
        Verdict::Pass(_) | Verdict::Fail(_) | Verdict::NotApplicable(_) | Verdict::Inconclusive(_) => why(check),
    }
}
