//! The top of the report: verdict, gate, the three lines, and what the report speaks of.

use assay_model::gate::Judgement;
use assay_model::verdict::Rank;

use crate::dossier::{Dossier, Tally, why};
use crate::grouped::humane;
use crate::printable::Shown;
use crate::scale::{self, Scaled};

use super::mark::Mark;

pub(super) struct Head {
    pub(super) title: Shown,
    /// `Admitted` or `Held`.
    pub(super) gate: &'static str,
    pub(super) verdict: Mark,
    pub(super) because: &'static str,
    pub(super) exit_code: u8,
    /// What sort of report it is.
    pub(super) kicker: &'static str,
    pub(super) phase: String,
    pub(super) phase_title: &'static str,
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
        let gate = if dossier.gate_word() == "admitted" { "Admitted" } else { "Held" };
        Self {
            title: Shown::from(format!("{gate}: {} of {}", judgement.phase, dossier.host())),
            gate,
            verdict: Mark::of(judgement.verdict),
            because: because(judgement.verdict, gate == "Admitted"),
            exit_code: judgement.exit_code(),
            kicker: if dossier.acceptance.is_some() { "acceptance report" } else { "gate report" },
            phase: judgement.phase.to_string(),
            phase_title: judgement.phase.title(),
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
