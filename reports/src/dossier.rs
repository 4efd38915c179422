//! Everything that a report speaks of, and what can be said of it in one sentence: the verdict, the gate, the worst check. HTML, text and JSON
//! are three views of the same dossier; none of them judges.

use assay_model::check::Check;
use assay_model::gate::{Decision, Judged, Judgement, Severity};
use assay_model::inventory::Inventory;
use assay_model::outcome::{CheckRow, ContradictionRow, Outcome};
use assay_model::run::{Acceptance, Run};
use assay_model::site::Site;
use assay_model::verdict::{Rank, Verdict};

use crate::grouped::{findings, humane};
use crate::printable::Shown;
use crate::scale;

/// What a report is made from. The caller gives every time and path, so that the same dossier gives the same report byte for byte.
#[derive(Debug, Clone)]
pub struct Dossier<'a> {
    /// The judged gate.
    pub judgement: &'a Judgement,
    /// What was judged, in words: `phase 1 (base OS and hardware identity)`, `the node against its order`.
    pub asked: String,
    /// The site that it was judged by.
    pub site: &'a Site,
    /// The runs that it stands on, oldest first.
    pub runs: &'a [Run],
    /// The node as the probes saw it.
    pub inventory: Option<&'a Inventory>,
    /// Where the inventory comes from, or why there is none.
    pub inventory_note: String,
    /// The acceptance, when one was made.
    pub acceptance: Option<&'a Acceptance>,
    /// Path of the HTML report, when one is written.
    pub report: Option<String>,
    /// When the report is written, RFC 3339.
    pub generated_at: String,
    /// Version and revision of assay.
    pub tool: String,
    /// The command line that repeats it.
    pub repeat_command: String,
}

/// How many checks ended with each rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Not as expected.
    pub fail: usize,
    /// Could not tell.
    pub inconclusive: usize,
    /// As expected.
    pub pass: usize,
    /// The question does not arise.
    pub not_applicable: usize,
}

impl Tally {
    /// Counts ranks.
    pub fn of(ranks: impl IntoIterator<Item = Rank>) -> Self {
        let mut tally = Self::default();
        for rank in ranks {
            match rank {
                Rank::Fail => tally.fail += 1,
                Rank::Inconclusive => tally.inconclusive += 1,
                Rank::Pass => tally.pass += 1,
                Rank::NotApplicable => tally.not_applicable += 1,
            }
        }
        tally
    }

    /// All of them.
    pub fn total(&self) -> usize {
        self.fail + self.inconclusive + self.pass + self.not_applicable
    }
}

impl Dossier<'_> {
    /// The node's name as the inventory or the first run has it.
    pub fn host(&self) -> Shown {
        let seen = self.inventory.map(|inventory| inventory.host.as_str());
        let ran = self.runs.iter().flat_map(|run| run.hosts.iter()).map(String::as_str).next();
        match seen.or(ran).map(Shown::new) {
            Some(name) if !name.is_empty() => name,
            Some(_) | None => Shown::new("a node without a name"),
        }
    }

    /// The acceptance's id, or the only run's.
    pub fn run_id(&self) -> Option<&str> {
        match (self.acceptance, self.runs) {
            (Some(acceptance), _) => Some(&acceptance.id),
            (None, [only]) => Some(&only.id),
            (None, _) => None,
        }
    }

    /// Whether a whole phase was judged: a part of one has no gate to be admitted by, however well it ended.
    pub fn is_phase(&self) -> bool {
        let phase = self.judgement.phase;
        self.asked == format!("{phase} ({})", phase.title())
    }

    /// `admitted` or `held`; of a part of a phase `passed` or `not passed`.
    pub fn gate_word(&self) -> &'static str {
        match (&self.judgement.decision, self.is_phase()) {
            (Decision::Admit { .. }, true) => "admitted",
            (Decision::Hold { .. }, true) => "held",
            (Decision::Admit { .. }, false) => "passed",
            (Decision::Hold { .. }, false) => "not passed",
        }
    }

    /// Warnings with which the gate admits, or the `warn` checks that are not as they should be while it holds.
    pub fn warnings(&self) -> Vec<Shown> {
        match &self.judgement.decision {
            Decision::Admit { warnings } => warnings.iter().map(Shown::from).collect(),
            Decision::Hold { .. } => self
                .judgement
                .judged
                .iter()
                .filter(|judged| is_warning(judged))
                .map(|judged| Shown::from(format!("{} of {}: {}", judged.check.id, judged.check.subject, why(&judged.check))))
                .collect(),
        }
    }

    /// The check that a reader must look at first: what holds the gate, else a warning; none when nothing is worse than a pass.
    pub fn worst(&self) -> Option<&Judged> {
        self.first_worst(|judged| judged.holds).or_else(|| self.first_worst(is_warning))
    }

    fn first_worst(&self, wanted: impl Fn(&Judged) -> bool) -> Option<&Judged> {
        let key = |judged: &Judged| (judged.check.verdict.rank(), judged.severity);
        self.judgement.judged.iter().filter(|judged| wanted(judged)).reduce(|best, next| if key(next) > key(best) { next } else { best })
    }

    /// How many findings hold the gate: checks that say the same of several subjects count once.
    pub fn holding(&self) -> usize {
        findings(self.judgement.judged.iter().filter(|judged| judged.holds)).len() + self.held_besides_checks().len()
    }

    /// What holds the gate and is no check of it (the gate of an earlier phase, a blocking contradiction): lines that name no held check.
    pub fn held_besides_checks(&self) -> Vec<Shown> {
        match &self.judgement.decision {
            Decision::Admit { .. } => Vec::new(),
            Decision::Hold { blocking } => blocking
                .iter()
                .filter(|line| !self.judgement.judged.iter().any(|judged| judged.holds && line.contains(judged.check.id.as_str())))
                .map(Shown::from)
                .collect(),
        }
    }

    /// The verdict and the gate in one line.
    pub fn verdict_line(&self) -> Shown {
        Shown::from(format!("{}: {} is {}", self.judgement.verdict, self.asked, self.gate_word()))
    }

    /// The worst check with what was expected and observed, in one line.
    pub fn worst_line(&self) -> Shown {
        match self.worst() {
            Some(judged) => Shown::from(format!("{} of {}: {}", judged.check.id, judged.check.subject, answer(&judged.check))),
            None if self.judgement.judged.is_empty() => Shown::new("nothing was judged: the gate requires no check"),
            None => match &self.judgement.decision {
                Decision::Admit { .. } => Shown::new("none: every check that decides has passed"),
                Decision::Hold { blocking } => match blocking.first() {
                    Some(first) => Shown::from(first),
                    None => Shown::new("none of this phase; the gate is held without a reason given"),
                },
            },
        }
    }

    /// The object that `--format json` prints.
    pub fn outcome(&self) -> Outcome {
        Outcome {
            verdict: self.judgement.verdict,
            exit_code: self.judgement.exit_code(),
            phase: Some(self.judgement.phase),
            run_id: self.run_id().map(str::to_owned),
            report: self.report.clone(),
            checks: self.judgement.judged.iter().map(check_row).collect(),
            metrics: self.judgement.metrics.clone(),
            contradictions: self
                .judgement
                .contradictions
                .iter()
                .map(|c| ContradictionRow { id: c.id.clone(), statement: c.statement.clone(), resolved: c.is_resolved() })
                .collect(),
        }
    }
}

/// The stable JSON object of a dossier.
pub fn outcome(dossier: &Dossier<'_>) -> Outcome {
    dossier.outcome()
}

/// What was expected and observed, and why when that is not the same thing.
pub fn answer(check: &Check) -> String {
    let why = why(check);
    let plain = |text: &str| humane(check, text).text.replace(scale::NARROW_SPACE, " ");
    let seen = format!("expected {}, observed {}", plain(&check.expected), plain(&check.observed));
    let seen = if why.is_empty() { seen } else { format!("{seen}: {why}") };
    if check.source.is_empty() || check.source == check.subject { seen } else { format!("{seen} ({})", check.source) }
}

/// The reason of a verdict where it says more than expected and observed do.
pub fn why(check: &Check) -> String {
    match &check.verdict {
        Verdict::Fail(why) if *why == format!("expected {}, observed {}", check.expected, check.observed) => String::new(),
        // `not_run` is the word for machines.
        Verdict::Inconclusive(reason) => format!("{}: {}", reason.name().replace('_', " "), reason.detail()),
        Verdict::Fail(_) | Verdict::Pass(_) | Verdict::NotApplicable(_) => check.verdict.reason(),
    }
}

/// Whether a check warns: severity `warn`, not excused, failed or inconclusive.
pub fn is_warning(judged: &Judged) -> bool {
    let bad = match judged.check.verdict.rank() {
        Rank::Fail | Rank::Inconclusive => true,
        Rank::Pass | Rank::NotApplicable => false,
    };
    bad && judged.severity == Severity::Warn && judged.excused_by.is_none()
}

fn check_row(judged: &Judged) -> CheckRow {
    let check = &judged.check;
    CheckRow {
        id: check.id.to_string(),
        phase: Some(judged.phase),
        severity: Some(judged.severity),
        subject: check.subject.clone(),
        verdict: check.verdict.rank(),
        reason: check.verdict.reason(),
        expected: check.expected.clone(),
        observed: check.observed.clone(),
        source: check.source.clone(),
    }
}
