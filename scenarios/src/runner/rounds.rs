//! When enough rounds of a step are done, and which of them count: a fixed number, until every figure with a limit is clear of it, or until steady.

use std::collections::BTreeMap;

use assay_model::journal::Event;
use assay_model::run::Condition;
use assay_model::sequential::{self, Side};
use assay_model::steady::Steady;

use crate::plan::{PlannedStep, PlannedWork};
use crate::scenario::Rounds;

use super::facts::{self, Repeats, per_second};
use super::together;

/// Whether the step needs no further round. `repeats` hold whole rounds only; each target has `target_bytes`.
pub(super) fn are_enough(planned: &PlannedStep, repeats: &[Repeats<'_>], target_bytes: u64) -> bool {
    // What this host is not set up for, or has no time for, is not tried again, and a round of nothing is never done.
    if repeats.iter().all(|one| one.not_measured.is_some()) {
        return true;
    }
    let done = done(repeats);
    match &planned.rounds {
        Rounds::Fixed(count) => done >= *count,
        Rounds::Sequential { to, .. } if done >= *to => true,
        Rounds::Sequential { from, .. } if done < *from => false,
        Rounds::Sequential { from, to } => open_figures(planned, repeats, to - from + 1).is_empty(),
        Rounds::Steady { to, .. } if done >= *to => true,
        Rounds::Steady { steady, of, written_min, .. } => {
            unwritten(repeats, *written_min, target_bytes).is_none() && unsteady(repeats, *steady, of.as_deref()).is_empty()
        }
    }
}

/// Leaves of the rounds those that count, and says how it came to that: for people, and what makes the figures doubtful.
pub(super) fn settle(planned: &PlannedStep, repeats: &mut [Repeats<'_>], target_bytes: u64) -> (Option<String>, Vec<Condition>) {
    let done = done(repeats);
    if done == 0 {
        return (None, Vec::new());
    }
    match &planned.rounds {
        Rounds::Fixed(_) => (None, Vec::new()),
        Rounds::Sequential { from, .. } if planned.edges.is_empty() => {
            (Some(format!("{from} rounds: no figure of this step has a limit that is a number here")), Vec::new())
        }
        Rounds::Sequential { from, to } => {
            let open = open_figures(planned, repeats, to - from + 1);
            let error = sequential::ERROR_PERCENT;
            let text = if open.is_empty() {
                format!(
                    "{done} of {from} to {to} rounds: every figure with a limit is clear of it; false accepts and rejects at most {error} % each, of figures 5 % or more beyond it"
                )
            } else {
                format!("all {done} rounds, and still too close to the limit to be told from it: {}", open.join(", "))
            };
            (Some(text), Vec::new())
        }
        Rounds::Steady { steady, of, written_min, .. } => {
            let mut faults = unsteady(repeats, *steady, of.as_deref());
            faults.extend(unwritten(repeats, *written_min, target_bytes));
            let window = usize::try_from(steady.window).expect("few rounds");
            for one in repeats.iter_mut() {
                one.counted_from = one.outcomes.len().saturating_sub(window);
            }
            if faults.is_empty() {
                (Some(format!("steady after {done} rounds, of which the last {window} count")), Vec::new())
            } else {
                (None, vec![Condition::NotSteady(format!("after {done} rounds: {}", faults.join("; ")))])
            }
        }
    }
}

fn done(repeats: &[Repeats<'_>]) -> u32 {
    let most = repeats.iter().map(|one| one.outcomes.len()).max().unwrap_or(0);
    u32::try_from(most).expect("few rounds")
}

/// The figures with a limit that are not clear of it.
fn open_figures(planned: &PlannedStep, repeats: &[Repeats<'_>], looks: u32) -> Vec<String> {
    let mut events: Vec<Event> = repeats.iter().flat_map(|one| facts::figures(&planned.name, one, "")).collect();
    events.extend(together::shares(&planned.name, repeats));
    events.extend(together::peers(&planned.name, repeats));
    let mut open = Vec::new();
    for event in &events {
        let Event::Metric { metric, .. } = event else { continue };
        let mut edges = planned.edges.iter().filter(|edge| edge.is_of(metric));
        if edges.any(|edge| sequential::side(metric.samples.values(), edge.bound, looks) == Side::Open) {
            open.push(metric.dimensions.get("drive").map_or_else(|| metric.name.to_string(), |drive| format!("{}@{drive}", metric.name)));
        }
    }
    open
}

/// What is still to be written before steady figures may be believed: a drive that was erased keeps its fresh rate, steadily, until it is full once.
fn unwritten(repeats: &[Repeats<'_>], times: u32, target_bytes: u64) -> Option<String> {
    let needed = target_bytes.saturating_mul(times.into());
    let mut written: BTreeMap<usize, u64> = BTreeMap::new();
    for one in repeats {
        let PlannedWork::Io(io) = one.work else { continue };
        if io.spec.rw.reads() || !io.spec.rw.fills() {
            continue;
        }
        let bytes: u64 = one.outcomes.iter().map(|(_, outcome)| outcome.bytes).sum();
        let each = bytes / u64::try_from(io.on.len().max(1)).expect("few targets");
        io.on.iter().for_each(|target| *written.entry(*target).or_default() += each);
    }
    let least = written.values().copied().min().unwrap_or(0);
    (least < needed)
        .then(|| format!("{least} bytes were written to a target, and it is steady after {needed} at the earliest ({times} times its size)"))
}

/// Why the figures are not steady, each with its reason.
fn unsteady(repeats: &[Repeats<'_>], steady: Steady, of: Option<&str>) -> Vec<String> {
    let looked_at = repeats.iter().filter(|one| match one.work {
        PlannedWork::Io(io) => one.not_measured.is_none() && io.spec.extent.is_measured() && of.is_none_or(|of| io.spec.family() == of),
        PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) | PlannedWork::Drill(_) => false,
    });
    let mut faults = Vec::new();
    let mut seen = false;
    for one in looked_at {
        seen = true;
        // A knee is its own figure; of everything else the operations are.
        let figure = |(_, outcome): &(f64, super::bench::Outcome)| match outcome.samples.as_slice() {
            [] => per_second(outcome.operations, outcome),
            [sample, ..] => *sample,
        };
        let rounds: Vec<f64> = one.outcomes.iter().map(figure).collect();
        if let Some(fault) = steady.fault(&rounds) {
            faults.push(format!("{}: {fault}", one.label().unwrap_or_default()));
        }
    }
    // Where nothing was measured, nothing is steady.
    if !seen {
        faults.push("there is no figure to look at".to_owned());
    }
    faults
}
