//! Evidence to decision: which checks a gate requires, what each is worth here and now, and whether the gate admits. Pure: the same case gives the
//! same judgement, whatever the order of its parts. Single checks come from the inventory (`probes`) and from runs (`judge/run.rs`).

use std::collections::{BTreeMap, BTreeSet};

use crate::attr::{Attr, Kind};
use crate::check::{Absence, Check, CheckId};
use crate::contradiction::Contradiction;
use crate::gate::{Decision, GATE_SCHEMA, Gate, Judged, Judgement, Requirement, Severity};
use crate::inventory::Inventory;
use crate::limit::{Bound, Limit};
use crate::outcome::MetricRow;
use crate::phase::Phase;
use crate::run::Run;
use crate::sequential::Edge;
use crate::site::Site;
use crate::verdict::{Rank, Reason, Verdict, worst};
use crate::waiver::Waiver;

mod block;
mod drive;
mod evidence;
mod figure;
mod fresh;
mod pairs;
mod run;

pub(crate) use drive::SERIAL;
pub use figure::{ceilings, label_in};
pub use run::RUN_CHECKS;

/// What a gate is judged on.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// Order, contradictions, waivers and statements of the site.
    pub site: &'a Site,
    /// The gate.
    pub gate: &'a Gate,
    /// Runs, in any order; the newest of each scenario counts. Of a scenario that the gate does not name counts what it found wrong.
    pub runs: &'a [Run],
    /// The node now.
    pub inventory: Option<&'a Inventory>,
    /// The checks that were made on `inventory`.
    pub inventory_checks: &'a [Check],
    /// Checks that were made of what runs have found, by the id of the run. They answer for the gate whether it names the scenario or not: no other run can.
    pub run_checks: &'a BTreeMap<String, Vec<Check>>,
    /// Ids of the checks that code exists for, those with a limit included, besides [`RUN_CHECKS`].
    pub implemented: &'a BTreeSet<String>,
    /// What the gates of earlier phases decided; one that is missing counts as held.
    pub earlier: &'a [(Phase, Decision)],
    /// The time of the judgement.
    pub now: jiff::Timestamp,
}

/// Judges the gate of a case.
pub fn judge(case: &Case<'_>) -> Judgement {
    let runs = fresh::newest(case.runs, case.inventory);
    let figures = figure::figures(&runs);
    let ceilings = figure::ceilings(case.site, case.inventory);
    let checks = evidence::checks(case, &runs);

    let mut judged: Vec<Judged> = Vec::new();
    for requirement in case.gate.requires.iter().chain(&ungraded(case)) {
        let mut answers: Vec<Check> = match (elsewhere(case, requirement), &requirement.limit) {
            (Some(why), _) => vec![Check::not_applicable(requirement.id.as_str(), "site", requirement.title.clone(), why, "contradictions.toml")],
            (None, None) => checks.iter().filter(|check| check.id == requirement.id).cloned().collect(),
            (None, Some(limit)) => evidence::limited(case, requirement, limit, &figures, &ceilings),
        };
        if answers.is_empty() {
            answers.push(unanswered(case, requirement));
        }
        let blocked = block::contradiction_of(&case.site.contradictions, &requirement.id, &requirement.blocked_by);
        judged.extend(answers.into_iter().map(|check| as_required(case, requirement, block::withhold(check, blocked.clone()))));
    }
    judged.extend(case.site.contradictions.iter().filter(|one| block::holds_phase(one, case.gate.phase)).map(|one| open(one, case.gate.phase)));
    judged.extend(held_phases(case));
    let used = use_waivers(case, &mut judged);
    judged.sort_by_cached_key(order);

    let (decision, verdict) = decide(&judged);
    let metrics: Vec<MetricRow> = figures.iter().map(|figure| figure::row(figure, &ceilings)).collect();
    Judgement {
        phase: case.gate.phase,
        judged,
        decision,
        verdict,
        metrics,
        ceilings,
        waivers: used,
        contradictions: case.site.contradictions.clone(),
    }
}

/// What one run says by itself, whatever the gate: whether it completed, whether its data were right, whether anything disturbed it.
pub fn checks_of(run: &Run) -> Vec<Check> {
    run::checks(run)
}

/// The limits of the site's gates on a scenario that are numbers on this node: those that its run can be held against while it goes on.
pub fn edges(site: &Site, inventory: Option<&Inventory>, scenario: &str) -> Vec<Edge> {
    let ceilings = figure::ceilings(site, inventory);
    let edge = |limit: &Limit, bound, serial| Edge { metric: limit.metric.clone(), bound, serial };
    let numbers = |limit: &Limit| match limit.bound {
        Bound::AtLeast(_) | Bound::AtMost(_) => vec![edge(limit, limit.bound, None)],
        // A data sheet is of a part: each drive has its own number.
        Bound::Rated { figure, share } => {
            let drives = inventory.map(|inventory| drive::known(site, inventory, figure)).unwrap_or_default();
            drives.into_iter().map(|(serial, rated)| edge(limit, Bound::AtLeast(share * rated), Some(serial))).collect()
        }
        // A run has nothing to gain by going on: one figure that differs has decided.
        Bound::Exactly(_) => Vec::new(),
        Bound::Efficiency(share) => {
            let ceiling = ceilings.iter().find(|ceiling| ceiling.metric == limit.metric).and_then(|ceiling| ceiling.value);
            ceiling.map(|value| edge(limit, Bound::AtLeast(share * value), None)).into_iter().collect()
        }
    };
    let limits = site.gates.iter().flat_map(|gate| &gate.requires).filter_map(|requirement| requirement.limit.as_ref());
    limits.filter(|limit| limit.is_of(scenario)).flat_map(numbers).collect()
}

/// The gate of `assay verify`: every check that the inventory gave, as severe as the site's gates say. It asks for no run.
pub fn verify_gate(site: &Site, checks: &[Check]) -> Gate {
    let ids: BTreeSet<&CheckId> = checks.iter().map(|check| &check.id).collect();
    Gate {
        schema: GATE_SCHEMA,
        phase: Phase::FIRST,
        title: "the node against its order".into(),
        max_age_hours: 24,
        scenarios: Vec::new(),
        requires: ids.into_iter().map(|id| required(site, id)).collect(),
    }
}

/// A check as the site's gates list it; one that none of them lists decides.
fn required(site: &Site, id: &CheckId) -> Requirement {
    let listed = listing(site, id).map(|(_, requirement)| requirement);
    Requirement {
        id: id.clone(),
        reference: listed.and_then(|requirement| requirement.reference.clone()),
        severity: listed.map_or(Severity::Gate, |requirement| requirement.severity),
        title: listed.map_or_else(|| id.to_string(), |requirement| requirement.title.clone()),
        limit: None,
        blocked_by: listed.map_or_else(Vec::new, |requirement| requirement.blocked_by.clone()),
        when: listed.and_then(|requirement| requirement.when.clone()),
    }
}

/// Checks judged by themselves: each decides, with the titles that the site's gates have for them, and nothing else is asked.
pub fn alone(site: &Site, checks: Vec<Check>) -> Judgement {
    let judge = |check: Check| {
        let holds = !suffices(&check.verdict, site.absence);
        let phase = phase_of(site, &check.id).unwrap_or(Phase::FIRST);
        let title = required(site, &check.id).title;
        Judged { check, phase, severity: Severity::Gate, title, excused_by: None, holds }
    };
    let mut judged: Vec<Judged> = checks.into_iter().map(judge).collect();
    judged.sort_by_cached_key(order);
    let (decision, verdict) = decide(&judged);
    Judgement {
        phase: judged.first().map_or(Phase::FIRST, |one| one.phase),
        judged,
        decision,
        verdict,
        metrics: Vec::new(),
        ceilings: Vec::new(),
        waivers: Vec::new(),
        contradictions: site.contradictions.clone(),
    }
}

/// The runs that a gate looks at: the newest of each scenario, by scenario, those of the node of `inventory` before others.
pub fn newest_runs<'a>(runs: &'a [Run], inventory: Option<&Inventory>) -> Vec<&'a Run> {
    fresh::newest(runs, inventory)
}

/// The earliest phase whose gate lists a check.
pub fn phase_of(site: &Site, id: &CheckId) -> Option<Phase> {
    listing(site, id).map(|(phase, _)| phase)
}

fn listing<'s>(site: &'s Site, id: &CheckId) -> Option<(Phase, &'s Requirement)> {
    let listed = site.gates.iter().filter_map(|gate| Some((gate.phase, gate.requires.iter().find(|requirement| requirement.id == *id)?)));
    listed.min_by_key(|(phase, _)| *phase)
}

/// What the order asks and no gate of the site grades: it decides in the first phase, or an expectation would silently count for nothing.
fn ungraded(case: &Case<'_>) -> Vec<Requirement> {
    let Some(bom) = case.site.bom.as_ref().filter(|_| case.gate.phase == Phase::FIRST) else { return Vec::new() };
    let mut ids: BTreeSet<CheckId> = BTreeSet::new();
    for line in &bom.lines {
        ids.extend(line.expect.keys().map(|attr| CheckId(format!("{}.{attr}", line.kind))));
        ids.extend(["quantity", "unexpected"].map(|asked| CheckId(format!("{}.{asked}", line.kind))));
    }
    let graded = |id: &CheckId| case.gate.requires.iter().any(|one| one.id == *id) || listing(case.site, id).is_some();
    ids.into_iter().filter(|id| !graded(id)).map(|id| required(case.site, &id)).collect()
}

/// The answer to a requirement that nothing answers.
fn unanswered(case: &Case<'_>, requirement: &Requirement) -> Check {
    let id = requirement.id.as_str();
    let subject = requirement.limit.as_ref().map_or_else(|| id.to_owned(), |limit| limit.metric.to_string());
    if let Some(not_here) = not_here(case, &requirement.id) {
        return Check::not_applicable(id, subject, requirement.title.clone(), not_here, "site.toml");
    }
    let known = RUN_CHECKS.contains(&id) || case.implemented.contains(id);
    let why = match (known, case.site.bom.is_some() && is_comparison(id)) {
        (false, _) => "no code implements this check yet",
        (true, true) => "the order does not say what to expect",
        (true, false) => "did not run",
    };
    Check::inconclusive(id, subject, requirement.title.clone(), Reason::NotRun(why.into()), "nothing")
}

/// Whether a check compares an attribute with the order: `nvme.model`.
fn is_comparison(id: &str) -> bool {
    id.split_once('.').is_some_and(|(kind, attr)| kind.parse::<Kind>().is_ok() && attr.parse::<Attr>().is_ok())
}

fn not_here<'a>(case: &Case<'a>, id: &CheckId) -> Option<&'a str> {
    case.site.not_here.iter().find(|one| one.check == *id).map(|one| one.why.as_str())
}

/// Why a requirement is of another alternative than the one that the site chose. Its resolution is the site's reason.
fn elsewhere(case: &Case<'_>, requirement: &Requirement) -> Option<String> {
    requirement.when.as_ref()?.not_here(&case.site.contradictions)
}

/// The reason of a check that does not apply and belongs to one of several ways out of a contradiction that the order of this site does not have: what it
/// orders and declares is all that it has.
fn without_choice(case: &Case<'_>, requirement: &Requirement, check: &Check) -> Option<String> {
    let when = requirement.when.as_ref()?;
    let has_choice = case.site.contradictions.iter().any(|contradiction| contradiction.id == when.contradiction);
    (!has_choice).then(|| check.verdict.reason())
}

fn as_required(case: &Case<'_>, requirement: &Requirement, check: Check) -> Judged {
    let own = case.site.gates.iter().any(|gate| gate.phase == case.gate.phase && gate.requires.iter().any(|one| one.id == check.id));
    let phase = if own { case.gate.phase } else { phase_of(case.site, &check.id).unwrap_or(case.gate.phase) };
    let excused_by = match check.verdict.rank() {
        Rank::NotApplicable => {
            let why = not_here(case, &check.id).map(str::to_owned).or_else(|| elsewhere(case, requirement));
            why.or_else(|| without_choice(case, requirement, &check)).map(|why| format!("not here: {why}"))
        }
        Rank::Pass | Rank::Inconclusive | Rank::Fail => None,
    };
    let holds = requirement.severity == Severity::Gate && excused_by.is_none() && !suffices(&check.verdict, case.site.absence);
    Judged { check, phase, severity: requirement.severity, title: requirement.title.clone(), excused_by, holds }
}

/// Whether a verdict lets a `gate` check through.
fn suffices(verdict: &Verdict, absence: Absence) -> bool {
    match (verdict.rank(), absence) {
        (Rank::Pass, _) | (Rank::NotApplicable, Absence::NotApplicable) => true,
        (Rank::NotApplicable, Absence::Inconclusive) | (Rank::Inconclusive | Rank::Fail, _) => false,
    }
}

/// An unresolved contradiction as an entry of the gate that it holds. It is resolved, never waived.
fn open(contradiction: &Contradiction, phase: Phase) -> Judged {
    let check = Check::inconclusive(
        &format!("contradiction.{}", contradiction.id),
        contradiction.id.clone(),
        "a resolution by the operator",
        Reason::Blocked(contradiction.why.clone()),
        "contradictions.toml",
    );
    Judged { check, phase, severity: Severity::Gate, title: contradiction.statement.clone(), excused_by: None, holds: true }
}

/// The earlier phases whose gate holds, or of which nothing is known. A site that orders nothing has no phases to follow.
fn held_phases(case: &Case<'_>) -> Vec<Judged> {
    let phases = match case.site.absence {
        Absence::Inconclusive => Phase::all().filter(|phase| *phase < case.gate.phase).collect(),
        Absence::NotApplicable => Vec::new(),
    };
    phases.into_iter().filter_map(|phase| Some(held(case, phase, why_held(case, phase)?))).collect()
}

fn why_held(case: &Case<'_>, phase: Phase) -> Option<String> {
    let mut known = false;
    for (_, decision) in case.earlier.iter().filter(|(earlier, _)| *earlier == phase) {
        match decision {
            Decision::Admit { .. } => known = true,
            Decision::Hold { blocking } => {
                return Some(match blocking.first() {
                    Some(first) => format!("the gate of {phase} holds: {first}"),
                    None => format!("the gate of {phase} holds"),
                });
            }
        }
    }
    (!known).then(|| format!("the gate of {phase} was not judged"))
}

fn held(case: &Case<'_>, phase: Phase, why: String) -> Judged {
    let id = format!("phase.{}", phase.number());
    let check = Check::inconclusive(&id, phase.to_string(), "the gate of every earlier phase admits", Reason::Blocked(why), "gates");
    Judged { check, phase: case.gate.phase, severity: Severity::Gate, title: phase.title().into(), excused_by: None, holds: true }
}

/// Lets waivers excuse what does not pass; says which were needed. A verdict stays what it is.
fn use_waivers(case: &Case<'_>, judged: &mut [Judged]) -> Vec<Waiver> {
    let today = case.now.to_zoned(jiff::tz::TimeZone::UTC).date();
    let mut valid: Vec<&Waiver> = case.site.waivers.iter().filter(|waiver| today <= waiver.expires).collect();
    valid.sort_by(|a, b| (&a.check, &a.subject, &a.owner, &a.reason, a.expires).cmp(&(&b.check, &b.subject, &b.owner, &b.reason, b.expires)));
    let mut used: Vec<Waiver> = Vec::new();
    for one in judged.iter_mut().filter(|one| one.severity != Severity::Info && !one.check.id.0.starts_with(block::CONTRADICTION)) {
        let needed = one.excused_by.is_none() && (one.holds || is_warning(one));
        let covers = |waiver: &&&Waiver| waiver.check == one.check.id && waiver.subject.as_ref().is_none_or(|subject| *subject == one.check.subject);
        let Some(waiver) = valid.iter().find(covers).filter(|_| needed) else { continue };
        one.excused_by = Some(format!("waived by {} until {}: {}", waiver.owner, waiver.expires, waiver.reason));
        one.holds = false;
        if !used.contains(waiver) {
            used.push((*waiver).clone());
        }
    }
    used
}

fn is_warning(judged: &Judged) -> bool {
    judged.severity == Severity::Warn && judged.check.verdict.rank() >= Rank::Inconclusive
}

/// Worst first; the rest only so that the order is always the same.
type Order = (std::cmp::Reverse<(Rank, bool, Severity)>, String, String, String, String);

fn order(judged: &Judged) -> Order {
    let check = &judged.check;
    let worth = std::cmp::Reverse((check.verdict.rank(), judged.holds, judged.severity));
    let rest = format!("{}\n{}\n{:?}", check.verdict.reason(), check.observed, check.evidence);
    (worth, check.id.to_string(), check.subject.clone(), check.source.clone(), rest)
}

fn decide(judged: &[Judged]) -> (Decision, Rank) {
    let line = |one: &Judged| format!("{} ({}): {}", one.check.id, one.check.subject, one.check.verdict.reason());
    let holding: Vec<&Judged> = judged.iter().filter(|one| one.holds).collect();
    let passes = judged.iter().any(|one| one.severity == Severity::Gate && one.check.verdict.rank() == Rank::Pass);
    if holding.is_empty() && passes {
        let warnings = judged.iter().filter(|one| one.excused_by.is_none() && is_warning(one)).map(line).collect();
        return (Decision::Admit { warnings }, Rank::Pass);
    }
    let mut blocking: Vec<String> = holding.iter().map(|one| line(one)).collect();
    if !passes {
        blocking.push("no check of severity gate passed: nothing was proved".into());
    }
    // A required check that is NotApplicable holds, but is no verdict on the node.
    let verdict = worst(holding.iter().map(|one| one.check.verdict.rank())).max(Rank::Inconclusive);
    (Decision::Hold { blocking }, verdict)
}

#[cfg(test)]
mod tests;
