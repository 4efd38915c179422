//! What was done to the node: the runs in their order, where and with what they ran, and the error counters before and after.

use std::collections::BTreeMap;

use assay_model::component::Reading;
use assay_model::run::{Condition, CounterDelta, Ended, Run, Step, Verification};
use assay_model::unit::Unit;

use crate::dossier::Dossier;
use crate::grouped::listed;
use crate::printable::Shown;
use crate::scale::{self, Bytes, Scaled};

use super::mark::Mark;
use super::seen::safe;

pub(super) struct Runs {
    pub(super) runs: Vec<RunView>,
    /// Planned by the acceptance, without a run.
    pub(super) not_begun: Vec<Shown>,
    pub(super) facts: Vec<(Shown, Vec<FactValue>)>,
    pub(super) commands: Vec<(Shown, Shown)>,
    pub(super) changed: Vec<Counter>,
    pub(super) unchanged: Vec<Counter>,
    pub(super) no_counters: Shown,
    pub(super) none: Shown,
}

pub(super) struct RunView {
    pub(super) id: Shown,
    pub(super) scenario: Shown,
    pub(super) mark: Mark,
    pub(super) failure: Shown,
    pub(super) started: String,
    pub(super) ended: String,
    pub(super) took: String,
    pub(super) hosts: Shown,
    /// Between which it measured, when it is about several.
    pub(super) nodes: Shown,
    pub(super) boots: usize,
    pub(super) steps: Vec<StepView>,
}

pub(super) struct StepView {
    pub(super) name: Shown,
    pub(super) mark: Mark,
    pub(super) failure: Shown,
    pub(super) figures: usize,
    pub(super) verified: Option<Verified>,
    pub(super) conditions: Vec<(&'static str, Shown)>,
    pub(super) notes: Vec<(Shown, Shown)>,
}

pub(super) struct Verified {
    pub(super) text: String,
    pub(super) faults: Vec<Shown>,
    pub(super) event: u64,
}

/// One value of a fact of the environment, with the runs that have it when not all do.
pub(super) struct FactValue {
    pub(super) value: Shown,
    pub(super) runs: Shown,
}

pub(super) struct Counter {
    pub(super) step: Shown,
    pub(super) component: Shown,
    pub(super) counter: &'static str,
    pub(super) source: Shown,
    pub(super) before: Scaled,
    pub(super) after: Scaled,
    pub(super) change: String,
    pub(super) event: u64,
}

impl Runs {
    pub(super) fn new(dossier: &Dossier<'_>) -> Self {
        let runs = dossier.runs;
        let (mut changed, mut unchanged) = (Vec::new(), Vec::new());
        for step in runs.iter().flat_map(|run| &run.steps) {
            for delta in &step.counters {
                let same = delta.before == delta.after && delta.before.value().is_some();
                if same { unchanged.push(counter(step, delta)) } else { changed.push(counter(step, delta)) }
            }
        }
        let no_counters = match (runs.is_empty(), changed.is_empty() && unchanged.is_empty()) {
            (true, _) => "No scenario has run, so no error counter was read before and after.",
            (false, true) => "The runs read no error counter: this host has none, or the steps did not get that far.",
            (false, false) => "",
        };
        let not_begun = dossier.acceptance.map(|acceptance| {
            let missing = acceptance.runs.iter().filter(|planned| !runs.iter().any(|run| run.id == planned.run));
            missing.map(|planned| Shown::from(format!("{} ({})", planned.scenario, planned.run))).collect()
        });
        Self {
            runs: runs.iter().map(run_view).collect(),
            not_begun: not_begun.unwrap_or_default(),
            facts: facts(runs),
            commands: runs.iter().map(|run| (Shown::from(&run.id), Shown::from(run.environment.command.join(" ")))).collect(),
            changed,
            unchanged,
            no_counters: Shown::new(no_counters),
            none: Shown::new(if runs.is_empty() { "No scenario has run: the verdict stands on the inventory alone." } else { "" }),
        }
    }
}

fn run_view(run: &Run) -> RunView {
    RunView {
        id: Shown::from(&run.id),
        scenario: Shown::from(&run.scenario),
        mark: Mark::of_end(&run.ended),
        failure: failure(&run.ended),
        started: Shown::from(scale::utc(&run.started_at)).to_string(),
        ended: Shown::from(scale::utc(&run.ended_at)).to_string(),
        took: scale::between(&run.started_at, &run.ended_at).unwrap_or_else(|| "unknown time".into()),
        hosts: Shown::from(run.hosts.join(", ")),
        nodes: Shown::from(run.nodes.join(", ")),
        boots: run.boot_ids.len(),
        steps: run.steps.iter().map(step_view).collect(),
    }
}

fn step_view(step: &Step) -> StepView {
    StepView {
        name: Shown::from(&step.name),
        mark: Mark::of_end(&step.ended),
        failure: failure(&step.ended),
        figures: step.metrics.len(),
        verified: step.verification.as_ref().map(|recorded| verified(&recorded.fact, recorded.event)),
        conditions: step.conditions.iter().map(condition).collect(),
        notes: notes(step),
    }
}

/// What is said of several (pairs of nodes, drives) in the same words is said once.
fn notes(step: &Step) -> Vec<(Shown, Shown)> {
    let mut by_text: Vec<(Vec<Shown>, &str)> = Vec::new();
    for (name, text) in &step.notes {
        match by_text.iter_mut().find(|(_, known)| known == text) {
            Some((names, _)) => names.push(Shown::from(name)),
            None => by_text.push((vec![Shown::from(name)], text)),
        }
    }
    by_text.into_iter().map(|(names, text)| (Shown::from(listed(&names, 12)), Shown::from(text))).collect()
}

fn failure(ended: &Ended) -> Shown {
    match ended {
        Ended::Failed(why) => Shown::from(why),
        Ended::Completed | Ended::Interrupted | Ended::Cancelled => Shown::default(),
    }
}

fn verified(verification: &Verification, event: u64) -> Verified {
    let faults = |what: &str, counts: &BTreeMap<String, u64>| -> Vec<Shown> {
        counts.iter().map(|(kind, count)| Shown::from(format!("{what} {kind}: {}", scale::grouped(*count)))).collect()
    };
    let text = match verification.operations {
        0 => "no operation had data to compare".to_owned(),
        operations => {
            format!("{} operations, {} of them with their data compared", scale::grouped(operations), scale::grouped(verification.verified))
        }
    };
    Verified { text, faults: [faults("failed", &verification.failed), faults("corrupt", &verification.corrupt)].concat(), event }
}

fn condition(condition: &Condition) -> (&'static str, Shown) {
    match condition {
        Condition::Throttled(why) => ("throttled", Shown::from(why)),
        Condition::HostSaturated(why) => ("host saturated", Shown::from(why)),
        Condition::AtHarnessFloor(why) => ("at the harness floor", Shown::from(why)),
        Condition::ClockStepped(why) => ("clock stepped", Shown::from(why)),
        Condition::NeighbourBusy(why) => ("neighbour busy", Shown::from(why)),
        Condition::DeviceErrors(why) => ("device errors", Shown::from(why)),
        Condition::NotSteady(why) => ("not steady", Shown::from(why)),
        Condition::Cached(why) => ("cached", Shown::from(why)),
        Condition::Impossible(why) => ("impossible", Shown::from(why)),
    }
}

// One row per fact. Where the runs differ, each value names its runs: figures of different environments must not be compared.
fn facts(runs: &[Run]) -> Vec<(Shown, Vec<FactValue>)> {
    let mut by_name: BTreeMap<&str, Vec<(String, Vec<Shown>)>> = BTreeMap::new();
    for run in runs {
        let tool = [("assay", format!("{} ({})", run.environment.tool_version, run.environment.tool_revision))];
        let facts = run.environment.facts.iter().map(|(name, value)| (name.as_str(), value.clone()));
        for (name, value) in tool.into_iter().chain(facts) {
            let values = by_name.entry(name).or_default();
            match values.iter_mut().find(|(known, _)| *known == value) {
                Some((_, of)) => of.push(Shown::from(&run.id)),
                None => values.push((value, vec![Shown::from(&run.id)])),
            }
        }
    }
    let shown = |(value, of): (String, Vec<Shown>)| {
        let everywhere = of.len() == runs.len();
        let of = of.iter().map(Shown::as_str).collect::<Vec<_>>().join(", ");
        FactValue { value: Shown::from(value), runs: if everywhere { Shown::default() } else { Shown::from(of) } }
    };
    by_name.into_iter().map(|(name, values)| (Shown::from(name), values.into_iter().map(shown).collect())).collect()
}

fn counter(step: &Step, delta: &CounterDelta) -> Counter {
    let reading = |reading: &Reading| safe(scale::reading(reading, Unit::Count, Bytes::Decimal));
    let number = |reading: &Reading| reading.value().and_then(assay_model::component::Value::as_u64);
    let change = match (number(&delta.before), number(&delta.after)) {
        (Some(before), Some(after)) if after >= before => format!("+{}", scale::grouped(after - before)),
        (Some(before), Some(after)) => format!("−{}: went backwards", scale::grouped(before - after)),
        (_, _) => "cannot be compared".into(),
    };
    Counter {
        step: Shown::from(&step.name),
        component: Shown::from(&delta.component),
        counter: delta.counter.name(),
        source: Shown::from(&delta.source),
        before: reading(&delta.before),
        after: reading(&delta.after),
        change,
        event: delta.event,
    }
}
