//! The journal of a run, as pure text: events, the line codec and the fold into a [`Run`]. The journal is the only truth; files, syncs and locks
//! are the work of `assay-scenarios`. One line per event: `<crc32c of the rest, 8 hex digits> <json>\n`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::EventSeq;
use crate::inventory::Inventory;
use crate::metric::Metric;
use crate::outage::Outage;
use crate::run::{Condition, CounterSample, Ended, Environment, LatencyCurve, Run, Series, Verification};
use crate::stall::Stall;

mod armed;
mod fold;
mod line;
#[cfg(test)]
mod tests;

pub use armed::{ArmedFault, unhealed};

/// One event with its place in the order of things.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Counts from 0 without a gap, over resumption too.
    pub seq: EventSeq,
    /// Monotonic clock; comparable only within one boot.
    pub mono_ns: u64,
    /// UTC time, RFC 3339.
    pub at: String,
    /// The boot during which it was written.
    pub boot: String,
    /// What happened.
    pub event: Event,
}

/// What can happen in a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// Always the first event, and only once.
    RunStarted {
        /// Id of the run.
        run: String,
        /// [`crate::run::RUN_SCHEMA`] of the writer.
        schema: u32,
        /// Name of the scenario.
        scenario: String,
        /// Digest of the plan.
        plan: String,
        /// Names of all steps of the plan, in order.
        steps: Vec<String>,
        /// Hosts that take part.
        hosts: Vec<String>,
        /// The nodes between which it measures.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        nodes: Vec<String>,
        /// Where and with what it runs.
        environment: Environment,
    },
    /// What the probes saw before the first step.
    Inventory {
        /// All of it.
        inventory: Box<Inventory>,
    },
    /// Another process goes on after the first one died or was stopped.
    Resumed {
        /// Digest of the plan; the same as at the beginning.
        plan: String,
    },
    /// A step begins. Everything up to its end belongs to it.
    StepStarted {
        /// Its name.
        step: String,
        /// Hosts that take part.
        hosts: Vec<String>,
    },
    /// Error counters before the step.
    CountersBefore {
        /// The step.
        step: String,
        /// All of them; none means that this host has none.
        counters: Vec<CounterSample>,
    },
    /// Error counters after the step.
    CountersAfter {
        /// The step.
        step: String,
        /// All of them.
        counters: Vec<CounterSample>,
    },
    /// A figure with all its repeats.
    Metric {
        /// The step.
        step: String,
        /// The figure.
        metric: Metric,
    },
    /// What was verified.
    Verification {
        /// The step.
        step: String,
        /// The counts.
        verification: Verification,
    },
    /// Latency quantiles.
    Latency {
        /// The step.
        step: String,
        /// The curve.
        curve: LatencyCurve,
    },
    /// A figure over time.
    Series {
        /// The step.
        step: String,
        /// The points.
        series: Series,
    },
    /// A port that failed and was healed.
    Outage {
        /// The step.
        step: String,
        /// Its timeline.
        outage: Outage,
    },
    /// A part of a cluster that failed and was healed while a client worked.
    Stall {
        /// The step.
        step: String,
        /// Its timeline.
        stall: Box<Stall>,
    },
    /// Something that makes the step's figures doubtful.
    Condition {
        /// The step.
        step: String,
        /// What.
        condition: Condition,
    },
    /// A fact for people.
    Note {
        /// The step.
        step: String,
        /// What it is about.
        name: String,
        /// The words.
        text: String,
    },
    /// What was found that is no figure; once in a step.
    Findings {
        /// The step.
        step: String,
        /// All of it, in the form that the scenario defines.
        findings: serde_json::Value,
    },
    /// The step is over.
    StepEnded {
        /// Its name.
        step: String,
        /// How it ended.
        ended: Ended,
    },
    /// Something is about to be broken. Synced before it happens.
    FaultArmed {
        /// Names this one fault within the run.
        id: String,
        /// The fault's name in the registry.
        fault: String,
        /// The host on which it is injected and must be healed.
        host: String,
        /// The step that arms it.
        step: String,
        /// Everything that `heal` needs, in the form that the fault defines.
        armed: serde_json::Value,
    },
    /// It is broken now.
    FaultInjected {
        /// The armed fault.
        id: String,
    },
    /// It is whole again.
    FaultHealed {
        /// The armed fault.
        id: String,
    },
    /// The run is over.
    RunEnded {
        /// How it ended.
        ended: Ended,
    },
}

/// A journal that cannot be believed, or an event that cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// Not even the first event is there.
    #[error("cannot fold the journal: it holds no complete event")]
    Empty,
    /// A line before the tail is not what was written.
    #[error("cannot read journal line {line}: {why}")]
    Damaged {
        /// Counted from 1.
        line: usize,
        /// What is wrong with it.
        why: String,
    },
    /// An event is missing, or there twice.
    #[error("cannot read journal line {line}: event {expected} must be here, event {found} is")]
    Sequence {
        /// Counted from 1.
        line: usize,
        /// The number that had to come.
        expected: EventSeq,
        /// The number that came.
        found: EventSeq,
    },
    /// An event stands where it makes no sense.
    #[error("cannot fold journal event {seq}: {why}")]
    Disorder {
        /// The event.
        seq: EventSeq,
        /// What is wrong with it.
        why: String,
    },
    /// The event holds what JSON cannot carry (a figure that is not a number).
    #[error("cannot write journal event {seq}: {why}")]
    Unwritable {
        /// The event.
        seq: EventSeq,
        /// What is wrong with it.
        why: String,
    },
}

/// All events of a journal that can be believed.
#[derive(Debug, Clone, PartialEq)]
pub struct Journal {
    /// In order, numbered from 0 without a gap.
    pub entries: Vec<Entry>,
    /// Bytes that they take; what follows is a torn tail, which a resumed run cuts off.
    pub intact: usize,
}

impl Entry {
    /// The line with its newline. Reads its own work back, so that nothing is ever written that cannot be folded.
    pub fn encode(&self) -> Result<String, JournalError> {
        line::encode(self)
    }
}

impl Journal {
    /// Reads all events. A torn last line (incomplete, or not what its checksum says) is the normal trace of a crash and is left out;
    /// anything wrong before it is an error.
    pub fn read(journal: impl AsRef<[u8]>) -> Result<Self, JournalError> {
        line::read(journal.as_ref())
    }

    /// What these events amount to.
    pub fn run(&self) -> Result<Run, JournalError> {
        fold::run(&self.entries)
    }

    /// The number that the next event must have.
    pub fn next_seq(&self) -> EventSeq {
        self.entries.last().map_or(0, |last| last.seq + 1)
    }

    /// Digest of the plan that this journal belongs to.
    pub fn plan_digest(&self) -> Option<&str> {
        if let Event::RunStarted { plan, .. } = &self.entries.first()?.event { Some(plan) } else { None }
    }
}

/// Folds the text of a journal into the run that it tells of.
///
/// No `run_ended` means [`Ended::Interrupted`]; [`Ended::Completed`] is given only where `run_ended` says so and every planned step has completed.
pub fn fold(journal: impl AsRef<[u8]>) -> Result<Run, JournalError> {
    Journal::read(journal)?.run()
}
