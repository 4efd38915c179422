//! The top of the report: verdict, gate, the three lines, and what the report speaks of.

use assay_model::gate::{Decision, Judgement};
use assay_model::verdict::Rank;

use crate::dossier::{Dossier, Tally, why};
use crate::grouped::humane;
use crate::printable::Shown;
use crate::scale::{self, Scaled};

use super::mark::Mark;

pub(super) struct Head {
    pub(super) title: Shown,
    /// `Admitted` or `Held`; of a part of a phase `Passed` or `Not passed`.
    pub(super) gate: &'static str,
    pub(super) verdict: Mark,
    pub(super) because: &'static str,
    pub(super) exit_code: u8,
    /// What sort of report it is.
    pub(super) kicker: &'static str,
    /// What was judged.
    pub(super) asked: Shown,
    /// Why no gate was judged, when none was.
    pub(super) not_judged: Shown,
    pub(super) host: Shown,
    pub(super) warnings: Vec<Shown>,
    pub(super) worst: Option<Worst>,
    pub(super) worst_line: Shown,
    /// Verdict, how many, and how many of these do not decide.
    pub(super) tally: Vec<(Mark, usize, usize)>,
    pub(super) total: usize,
    pub(super) facts: Vec<Fact>,
}

pub(super) struct Worst {
    pub(super) id: Shown,
    pub(super) subject: Shown,
    pub(super) expected: Scaled,
    pub(super) observed: Scaled,
    pub(super) why: Shown,
}

pub(super) struct Fact {
    pub(super) name: &'static str,
    pub(super) text: Shown,
    /// The whole of a shortened text.
    pub(super) whole: Shown,
}

impl Head {
    pub(super) fn new(dossier: &Dossier<'_>) -> Self {
        let judgement = dossier.judgement;
        let tally = Tally::of(judgement.judged.iter().map(|judged| judged.check.verdict.rank()));
        let (phase, is_phase) = (judgement.phase, dossier.is_phase());
        let admitted = matches!(judgement.decision, Decision::Admit { .. });
        let gate = match (is_phase, admitted) {
            (true, true) => "Admitted",
            (true, false) => "Held",
            (false, true) => "Passed",
            (false, false) => "Not passed",
        };
        let asked = if is_phase { format!("{phase}: {}", phase.title()) } else { dossier.asked.clone() };
        let title = if is_phase { phase.to_string() } else { asked.clone() };
        Self {
            title: Shown::from(format!("{gate}: {title} of {}", dossier.host())),
            gate,
            verdict: Mark::of(judgement.verdict),
            because: because(judgement.verdict, admitted),
            exit_code: judgement.exit_code(),
            kicker: match (dossier.acceptance.is_some(), is_phase) {
                (true, _) => "acceptance report",
                (false, true) => "gate report",
                (false, false) => "report",
            },
            asked: Shown::from(asked),
            not_judged: if is_phase { Shown::default() } else { Shown::from(format!("not judged: this is a part of what it asks ({phase})")) },
            host: dossier.host(),
            warnings: dossier.warnings(),
            worst: dossier.worst().map(|judged| Worst {
                id: Shown::from(judged.check.id.as_str()),
                subject: Shown::from(&judged.check.subject),
                expected: humane(&judged.check, &judged.check.expected),
                observed: humane(&judged.check, &judged.check.observed),
                why: Shown::from(why(&judged.check)),
            }),
            worst_line: dossier.worst_line(),
            tally: [
                (Rank::Fail, tally.fail),
                (Rank::Inconclusive, tally.inconclusive),
                (Rank::Pass, tally.pass),
                (Rank::NotApplicable, tally.not_applicable),
            ]
            .map(|(rank, count)| (Mark::of(rank), count, if rank >= Rank::Inconclusive { idle(judgement, rank) } else { 0 }))
            .into(),
            total: tally.total(),
            facts: facts(dossier),
        }
    }
}

// Checks of that rank that warn, inform or are excused.
fn idle(judgement: &Judgement, rank: Rank) -> usize {
    judgement.judged.iter().filter(|judged| judged.check.verdict.rank() == rank && !judged.holds).count()
}

fn because(verdict: Rank, admitted: bool) -> &'static str {
    match (verdict, admitted) {
        (Rank::Pass, true) => "Every check that decides has passed, each on evidence.",
        (Rank::Fail | Rank::Inconclusive | Rank::NotApplicable, true) => {
            "The gate admits although the verdict is no pass: that is a fault of assay. Do not rely on it."
        }
        (Rank::Fail, false) => "At least one check that decides has failed.",
        (Rank::Inconclusive, false) => "Nothing that decides has failed, but not everything could be told. What cannot be told does not pass.",
        (Rank::NotApplicable, false) => "A required check does not apply here, and the site does not say why.",
        (Rank::Pass, false) => "Every check of this phase has passed; something else holds the gate.",
    }
}

fn facts(dossier: &Dossier<'_>) -> Vec<Fact> {
    let fact = |name, text: String| Fact { name, text: Shown::from(text), whole: Shown::default() };
    let digest = |name, whole: &str| Fact { name, text: Shown::from(whole.chars().take(16).collect::<String>()), whole: Shown::from(whole) };
    let mut facts = vec![fact("Node", dossier.host().to_string()), fact("Site", format!("{}, from {}", dossier.site.name, dossier.site.origin))];
    let mut between: Vec<&str> = Vec::new();
    for node in dossier.runs.iter().flat_map(|run| &run.nodes) {
        if !between.contains(&node.as_str()) {
            between.push(node);
        }
    }
    if !between.is_empty() {
        facts.push(fact("Measured between", between.join(", ")));
    }
    match dossier.run_id() {
        Some(id) => facts.push(fact(if dossier.acceptance.is_some() { "Acceptance" } else { "Run" }, id.to_owned())),
        None => facts.push(fact("Acceptance", "none: the gate was judged from what is stored".into())),
    }
    match dossier.inventory {
        Some(inventory) => facts.push(fact("Inventory", format!("{}, {}", scale::utc(&inventory.taken_at), dossier.inventory_note))),
        None => facts.push(fact("Inventory", format!("none: {}", dossier.inventory_note))),
    }
    facts.push(digest("Site digest", &dossier.site.digest));
    if let Some(acceptance) = dossier.acceptance {
        facts.push(digest("Policy digest", &acceptance.policy));
    }
    facts.push(fact("Written", format!("{} by {}", scale::utc(&dossier.generated_at), dossier.tool)));
    facts
}
