//! One execution of a scenario as folded from its journal: the facts that every later judgement is a pure function of.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attr::Attr;
use crate::check::{Check, EventSeq};
use crate::component::Reading;
use crate::inventory::Inventory;
use crate::metric::Metric;
use crate::outage::Outage;
use crate::stall::Stall;

/// The version of the stored form.
pub const RUN_SCHEMA: u32 = 1;

/// One run of one scenario on one or more hosts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    /// `<utc>-<scenario>-<short id>`: also the name of its directory.
    pub id: String,
    /// [`RUN_SCHEMA`] of the version that wrote it.
    pub schema: u32,
    /// Host names, or pseudonyms.
    pub hosts: Vec<String>,
    /// The nodes between which it measured, those included that gave no figure; none when it is about one node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<String>,
    /// Every boot during which it ran; more than one when it was resumed after a reboot.
    pub boot_ids: Vec<String>,
    /// Name of the scenario.
    pub scenario: String,
    /// Where and with what it ran.
    pub environment: Environment,
    /// What the probes saw at its beginning, when the scenario probes.
    pub inventory: Option<Recorded<Inventory>>,
    /// Its steps in order, the unfinished one included.
    pub steps: Vec<Step>,
    /// How it ended.
    pub ended: Ended,
    /// UTC time of the first event, RFC 3339.
    pub started_at: String,
    /// UTC time of the last event, RFC 3339.
    pub ended_at: String,
}

/// A fact and the journal event that carries it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recorded<T> {
    /// The journal event.
    pub event: EventSeq,
    /// The fact.
    pub fact: T,
}

/// How a run or a step ended. Status is not result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It did all that its plan says.
    Completed,
    /// No end was recorded: the process died, or the machine.
    Interrupted,
    /// The operator stopped it.
    Cancelled,
    /// The harness or an engine failed; says subject, act and cause.
    Failed(String),
}

/// Where and with what a run was made: what must be equal before two figures may be compared.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Environment {
    /// Version of assay.
    pub tool_version: String,
    /// Git revision that assay was built from, `-dirty` when the tree was changed; `unknown` outside git.
    pub tool_revision: String,
    /// The command line that started it.
    pub command: Vec<String>,
    /// Facts of the machine: kernel, command_line, microcode, governor, clocksource, hypervisor, cpus, memory, ...
    pub facts: BTreeMap<String, String>,
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Step {
    /// Its name within the scenario.
    pub name: String,
    /// Hosts that took part.
    pub hosts: Vec<String>,
    /// How it ended.
    pub ended: Ended,
    /// Figures, each with the event that carries it.
    pub metrics: Vec<Recorded<Metric>>,
    /// Error counters before and after.
    pub counters: Vec<CounterDelta>,
    /// What makes its figures doubtful.
    pub conditions: Vec<Condition>,
    /// What was verified while it ran: operations whose data were compared, and what was wrong.
    pub verification: Option<Recorded<Verification>>,
    /// Latency quantiles over all repeats merged, for the percentile curve.
    pub latencies: Vec<LatencyCurve>,
    /// Throughput over time.
    pub series: Vec<Series>,
    /// Timelines of the ports that it let fail.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outages: Vec<Outage>,
    /// Timelines of the drills on a cluster.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stalls: Vec<Stall>,
    /// The equivalent command of the peer tool (fio), and the facts of the target.
    pub notes: BTreeMap<String, String>,
    /// What was found that is no figure, in the form that the scenario defines.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub findings: Option<Recorded<serde_json::Value>>,
}

/// What a step did to prove that its operations were real.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Verification {
    /// Operations completed.
    pub operations: u64,
    /// Operations whose data were compared with what must be there.
    pub verified: u64,
    /// Operations that failed or came back short, by error; each is no I/O.
    pub failed: BTreeMap<String, u64>,
    /// Blocks with wrong content, by kind (torn, stale, misdirected, garbage), with the first offsets.
    pub corrupt: BTreeMap<String, u64>,
}

/// One error counter of one component at one moment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CounterSample {
    /// Locator of the component.
    pub component: String,
    /// The counter.
    pub counter: Attr,
    /// Where it is read.
    pub source: String,
    /// What it said.
    pub reading: Reading,
}

/// One counter of one component before and after a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CounterDelta {
    /// Locator of the component.
    pub component: String,
    /// The counter.
    pub counter: Attr,
    /// Where it is read.
    pub source: String,
    /// Before the step.
    pub before: Reading,
    /// After the step.
    pub after: Reading,
    /// The event that carries it.
    pub event: EventSeq,
}

/// What makes the figures of a step Inconclusive, however good they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
pub enum Condition {
    /// The processor or a device lowered its speed.
    Throttled(String),
    /// The host had no CPU time left for the load.
    HostSaturated(String),
    /// The figure is close to what the harness itself can do.
    AtHarnessFloor(String),
    /// The wall clock jumped.
    ClockStepped(String),
    /// Other work used the machine.
    NeighbourBusy(String),
    /// Error counters rose.
    DeviceErrors(String),
    /// The figure had not settled when the last round was done.
    NotSteady(String),
    /// What was read may have come from memory, where a drive was meant.
    Cached(String),
    /// The figure is above what the hardware allows: it, or what was read of the hardware, is wrong.
    Impossible(String),
}

/// Latency quantiles of one operation kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencyCurve {
    /// The metric family, `storage.randread_4k_qd32`.
    pub name: String,
    /// Number of operations recorded.
    pub count: u64,
    /// `(quantile 0..1, nanoseconds)`, ascending.
    pub points: Vec<(f64, u64)>,
}

/// A figure over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// The metric, `storage.randread_4k_qd32.iops`.
    pub name: String,
    /// Unit of the values.
    pub unit: crate::unit::Unit,
    /// What the values are drawn over: seconds since the step began, unless it says otherwise.
    #[serde(default = "seconds", skip_serializing_if = "is_seconds")]
    pub over: crate::unit::Unit,
    /// `(place, value)`, places ascending.
    pub points: Vec<(f64, f64)>,
}

fn seconds() -> crate::unit::Unit {
    crate::unit::Unit::Seconds
}

fn is_seconds(unit: &crate::unit::Unit) -> bool {
    *unit == crate::unit::Unit::Seconds
}

/// One `accept`: what a report and a gate speak of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Acceptance {
    /// `<utc>-accept-<short id>`.
    pub id: String,
    /// Digest of the site's files.
    pub site: String,
    /// Digest of the gate's file.
    pub policy: String,
    /// Name of the site.
    pub site_name: String,
    /// The phase whose gate is judged.
    pub phase: crate::phase::Phase,
    /// The runs that it stands on, in order: scenario and run id.
    pub runs: Vec<PlannedRun>,
}

/// A run that an acceptance has planned; its directory exists once it was begun.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PlannedRun {
    /// Name of the scenario.
    pub scenario: String,
    /// Id of the run.
    pub run: String,
}

/// Checks that are judged from a run carry the run's events.
pub fn with_evidence(mut check: Check, events: impl IntoIterator<Item = EventSeq>) -> Check {
    check.evidence.extend(events);
    check
}
