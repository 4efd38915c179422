//! `assay selftest`: how often the checks are wrong. Every planted fault of `probes/corpus` is planted in a reference node, every healthy variation too, and
//! every check is asked; what it should have said stands in the corpus. Nothing here reads the machine.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use assay_model::binomial;
use assay_model::check::{Check, CheckId};
use assay_model::gate::Severity;
use assay_model::inventory::Inventory;
use assay_model::phase::Phase;
use assay_model::selftest::{Answer, Bounds, Confusion, Outcome, Planted, Row};
use assay_model::site::Site;
use assay_model::verdict::Rank;
use jiff::Timestamp;

use crate::check;
use crate::host::patch::Look;
use crate::host::{Host, Snapshot};
use crate::probe::{ProbeOptions, take_inventory};
use crate::reference::{self, BrokenReference, Node, broken};

mod corpus;

#[cfg(test)]
mod tests;

use self::corpus::{Case, Expected};

/// The phases whose checks are tested: those that look at the node and put no load on it.
pub const PHASES: &[u8] = &[1, 2, 4, 5];
/// Nothing that is asked of a snapshot takes long.
const DEADLINE: Duration = Duration::from_secs(60);

/// What every check said of one case: by id and subject, the rank and why.
type Said = BTreeMap<(String, String), (Rank, String)>;

/// Phase and severity of the checks that are tested.
type Severities = BTreeMap<String, (u8, Severity)>;

/// Everything that was asked and answered.
pub struct Answered {
    cases: Vec<(Case, Said)>,
    /// What every check says of the nodes as they are.
    healthy: BTreeMap<String, Said>,
    nodes: BTreeMap<String, Node>,
}

/// Asks every check about every case that `is_wanted` by its id.
pub fn answer(is_wanted: &(dyn Fn(&str) -> bool + Sync)) -> Result<Answered, BrokenReference> {
    let nodes = reference::nodes()?;
    let mut cases = corpus::cases(&nodes)?;
    cases.retain(|case| is_wanted(&case.id));
    let looks = in_parallel(&nodes.values().collect::<Vec<_>>(), |node| {
        let before = look(node.before.clone());
        let said = ask(&look(node.now.clone()), &before, &node.site);
        Ok((node.name.clone(), (before, said)))
    })?;
    let looks: BTreeMap<String, (Inventory, Said)> = looks.into_iter().collect();
    let said = in_parallel(&cases, |case| {
        let (Some(node), Some((before, healthy))) = (nodes.get(&case.node), looks.get(&case.node)) else {
            return Err(broken(&case.file, format!("{}: there is no node `{}`", case.id, case.node)));
        };
        let planted = |snapshot: &Snapshot, which: Look| {
            let mut snapshot = snapshot.clone();
            for patch in case.patch.iter().filter(|patch| patch.look.unwrap_or(Look::Now) == which || patch.look == Some(Look::Both)) {
                snapshot.patch(patch).map_err(|why| broken(&case.file, format!("{}: {why}", case.id)))?;
            }
            Ok(snapshot)
        };
        let (now, earlier) = (planted(&node.now, Look::Now)?, planted(&node.before, Look::Before)?);
        if now == node.now && earlier == node.before {
            return Err(broken(&case.file, format!("{}: the node is as it was", case.id)));
        }
        let now = look(now);
        let is_of_now = case.patch.iter().all(|patch| patch.look.is_none_or(|look| look == Look::Now));
        let said = if is_of_now { ask(&now, before, &node.site) } else { ask(&now, &look(earlier), &node.site) };
        match blinded(&said, healthy) {
            (lost, all) if lost * 2 > all => Err(broken(
                &case.file,
                format!("{}: {lost} of {all} checks say nothing good any more: whatever was planted, any check notices that", case.id),
            )),
            _ => Ok(said),
        }
    })?;
    let healthy = looks.into_iter().map(|(name, (_, said))| (name, said)).collect();
    Ok(Answered { cases: cases.into_iter().zip(said).collect(), healthy, nodes })
}

fn look(snapshot: Snapshot) -> Inventory {
    take_inventory(&Host::of_snapshot(snapshot), &ProbeOptions { deadline: DEADLINE, now: Timestamp::UNIX_EPOCH })
}

fn ask(now: &Inventory, before: &Inventory, site: &Site) -> Said {
    let checks = check::inventory(now, site).into_iter().chain(check::window(Some(before), now, site));
    let mut said = Said::new();
    for Check { id, subject, verdict, .. } in checks {
        let answer = (verdict.rank(), verdict.reason());
        // Of two answers to one question the worse counts.
        let kept = said.entry((id.to_string(), subject)).or_insert_with(|| answer.clone());
        if answer.0 > kept.0 {
            *kept = answer;
        }
    }
    said
}

/// Of how many good answers of the healthy node nothing is left, and how many those are: who can see nothing more has not caught anything.
fn blinded(said: &Said, healthy: &Said) -> (usize, usize) {
    let is_good = |rank: Option<&(Rank, String)>| rank.is_some_and(|(rank, _)| *rank == Rank::Pass);
    let good: Vec<_> = healthy.iter().filter(|(_, answer)| is_good(Some(answer))).map(|(key, _)| key).collect();
    (good.iter().filter(|key| !is_good(said.get(**key))).count(), good.len())
}

fn in_parallel<T: Sync, R: Send>(work: &[T], act: impl Fn(&T) -> Result<R, BrokenReference> + Sync) -> Result<Vec<R>, BrokenReference> {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(2, usize::from);
    let act = &act;
    let mut done: Vec<(usize, Result<R, BrokenReference>)> = thread::scope(|scope| {
        let worker = || {
            let mut own = Vec::new();
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(item) = work.get(at) else { return own };
                own.push((at, act(item)));
            }
        };
        let begun: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        begun.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    if done.len() != work.len() {
        return Err(broken("selftest", "a thread of the selftest panicked"));
    }
    let (right, wrong): (Vec<_>, Vec<_>) = done.into_iter().map(|(_, result)| result).partition(Result::is_ok);
    // Whoever writes a corpus wants to see all that is wrong with it.
    let wrong: Vec<String> = wrong.into_iter().filter_map(Result::err).map(|error| error.to_string()).collect();
    if wrong.is_empty() { Ok(right.into_iter().filter_map(Result::ok).collect()) } else { Err(broken("selftest", wrong.join("\n"))) }
}

impl Answered {
    /// Whether no case was asked about.
    pub fn is_empty(&self) -> bool {
        self.cases.is_empty()
    }

    /// The confusion matrix, of one phase or of all. With `without`, as if nobody had written that check: so it is shown that the corpus bites.
    pub fn confusion(&self, without: Option<&str>, phase: Option<u8>) -> Confusion {
        let severities = self.severities();
        // What the order asks and no gate grades decides in the first phase.
        let phase_of = |id: &str| severities.get(id).map_or(Phase::FIRST.number(), |(phase, _)| *phase);
        let is_asked = |id: &str| phase.is_none_or(|phase| phase_of(id) == phase);
        let is_on = |id: &str| Some(id) != without && is_asked(id);
        let mut rows: BTreeMap<(u8, String), Row> = BTreeMap::new();
        let mut confusion = Confusion::default();
        for (case, said) in &self.cases {
            let Some(base) = self.healthy.get(&case.node).filter(|_| case.check().is_none_or(is_asked)) else { continue };
            match &case.expected {
                Expected::Fault { check, answer, subject } => {
                    let planted = Planted {
                        id: case.id.clone(),
                        check: check.clone(),
                        outcome: Outcome::Missed,
                        seen: String::new(),
                        expected: answer.name().into(),
                    };
                    let planted = judge(planted, said, base, *answer, subject.as_deref(), &is_on, &severities);
                    let phase = phase_of(check);
                    let row = rows.entry((phase, check.clone())).or_insert_with(|| Row::of(phase, check.clone()));
                    row.planted += 1;
                    confusion.planted += 1;
                    match planted.outcome {
                        Outcome::Caught => {
                            row.caught += 1;
                            confusion.caught += 1;
                        }
                        Outcome::CaughtByAnother => {
                            row.caught_by_another += 1;
                            confusion.caught_by_another += 1;
                        }
                        Outcome::Missed => {
                            row.missed += 1;
                            confusion.missed += 1;
                        }
                    }
                    if planted.outcome != Outcome::Caught {
                        confusion.not_caught.push(planted);
                    }
                }
                Expected::Healthy => {
                    confusion.healthy += 1;
                    let alarms = worse(said, base, &is_on).filter(|(id, _)| severities.contains_key(id.as_str()));
                    let answers: Vec<Answer> = alarms.map(|(_, answer)| answer).collect();
                    confusion.alarm(case.id.clone(), answers, &mut rows, phase_of);
                }
            }
        }
        for (name, said) in &self.healthy {
            confusion.healthy += 1;
            let listed = said.iter().filter(|((id, _), (rank, _))| is_on(id) && *rank >= Rank::Inconclusive && self.is_asked(name, id));
            let answers = listed
                .map(|((id, subject), (rank, why))| Answer { check: id.clone(), subject: subject.clone(), rank: *rank, why: why.clone() })
                .collect();
            confusion.alarm(format!("node {name}"), answers, &mut rows, phase_of);
        }
        confusion.rows = rows.into_values().collect();
        for row in &mut confusion.rows {
            row.detection = Bounds::from(binomial::exact(row.caught, row.planted));
        }
        confusion.detection = Bounds::from(binomial::exact(confusion.caught, confusion.planted));
        confusion.false_alarm_rate = Bounds::from(binomial::exact(confusion.false_alarms, confusion.healthy));
        confusion.uncovered = self.uncovered(&severities).into_iter().filter(|id| is_on(id)).collect();
        confusion
    }

    /// Phase and severity of every check that a gate of the phases lists.
    fn severities(&self) -> Severities {
        let gates = self.nodes.values().flat_map(|node| &node.site.gates).filter(|gate| PHASES.contains(&gate.phase.number()));
        let mut severities = Severities::new();
        for (gate, requirement) in gates.flat_map(|gate| gate.requires.iter().map(move |requirement| (gate, requirement))) {
            let severity = severities.entry(requirement.id.to_string()).or_insert((gate.phase.number(), requirement.severity));
            // The stricter site decides what must be covered.
            if requirement.severity == Severity::Gate {
                *severity = (gate.phase.number(), Severity::Gate);
            }
        }
        severities
    }

    /// Whether a gate of the node's own site asks that check.
    fn is_asked(&self, node: &str, id: &str) -> bool {
        let gates = self.nodes.get(node).into_iter().flat_map(|node| &node.site.gates).filter(|gate| PHASES.contains(&gate.phase.number()));
        gates.flat_map(|gate| &gate.requires).any(|requirement| requirement.id.as_str() == id && requirement.severity != Severity::Info)
    }

    /// Checks that open or shut a gate, that answer at a reference node and that no planted fault is for.
    fn uncovered(&self, severities: &Severities) -> Vec<String> {
        let implemented: BTreeSet<CheckId> = check::implemented_ids();
        let planted = self.tested_checks();
        let decides = |id: &CheckId| severities.get(id.as_str()).is_some_and(|(_, severity)| *severity == Severity::Gate);
        let answers = |id: &CheckId| self.healthy.values().flat_map(BTreeMap::keys).any(|(asked, _)| asked == id.as_str());
        implemented.iter().filter(|id| decides(id) && answers(id)).map(ToString::to_string).filter(|id| !planted.contains(id)).collect()
    }

    /// Every check that faults are planted for.
    pub fn tested_checks(&self) -> BTreeSet<String> {
        self.cases.iter().filter_map(|(case, _)| case.check()).map(str::to_owned).collect()
    }
}

fn judge(
    planted: Planted,
    said: &Said,
    base: &Said,
    answer: Rank,
    subject: Option<&str>,
    is_on: &dyn Fn(&str) -> bool,
    severities: &Severities,
) -> Planted {
    let is_meant = |(id, of): &(String, String)| *id == planted.check && is_on(id) && subject.is_none_or(|subject| of.contains(subject));
    let did_not_accuse = |key: &(String, String)| base.get(key).is_none_or(|(rank, _)| *rank < Rank::Inconclusive);
    let right = said.iter().find(|(key, (rank, _))| is_meant(key) && *rank == answer && did_not_accuse(key));
    if let Some((key, (_, why))) = right {
        return Planted { outcome: Outcome::Caught, seen: format!("{}: {why}", key.1), ..planted };
    }
    let decides = |id: &str| severities.get(id).is_some_and(|(_, severity)| *severity != Severity::Info);
    let others: Vec<String> = worse(said, base, is_on)
        .filter(|(id, _)| decides(id))
        .map(|(id, answer)| format!("{id} {} is {}: {}", answer.subject, answer.rank.name(), answer.why))
        .collect();
    let own: Vec<String> = said
        .iter()
        .filter(|(key, _)| is_meant(key))
        .map(|(key, (rank, why))| format!("{} {} is {} {why}", key.0, key.1, rank.name()))
        .take(3)
        .collect();
    match (others.is_empty(), own.is_empty()) {
        (false, _) => Planted { outcome: Outcome::CaughtByAnother, seen: others.into_iter().take(3).collect::<Vec<_>>().join("; "), ..planted },
        (true, false) => Planted { outcome: Outcome::Missed, seen: own.join("; "), ..planted },
        (true, true) => Planted { outcome: Outcome::Missed, seen: "nobody asked".into(), ..planted },
    }
}

/// Answers that accuse where those of the healthy node do not.
fn worse<'a>(said: &'a Said, base: &'a Said, is_on: &'a dyn Fn(&str) -> bool) -> impl Iterator<Item = (String, Answer)> + 'a {
    let is_worse =
        |(key, (rank, _)): &(&(String, String), &(Rank, String))| *rank >= Rank::Inconclusive && base.get(*key).is_none_or(|(was, _)| was < rank);
    said.iter()
        .filter(move |(key, _)| is_on(&key.0))
        .filter(is_worse)
        .map(|((id, subject), (rank, why))| (id.clone(), Answer { check: id.clone(), subject: subject.clone(), rank: *rank, why: why.clone() }))
}
