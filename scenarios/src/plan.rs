//! What a run will do, decided before anything is touched: target, steps, time and bytes written. The run does what its plan says and nothing else;
//! the plan lies in the run directory, and its digest in the first event of the journal.

use std::path::{Path, PathBuf};

use assay_bench::History;
use assay_bench::engine::uring::Uring;
use assay_model::attr::{Attr, Kind};
use assay_model::component::Value;
use assay_model::inventory::Inventory;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::claim::{self, TargetKind};
use crate::error::ScenarioError;
use crate::printable::Printable;
use crate::scenario::{Extent, FLOOR_STEP, IoSpec, KernelName, KernelSpec, Rw, Scenario, StepSpec, Work};

mod cpus;
#[cfg(test)]
mod tests;

/// The version of the stored form.
pub const PLAN_SCHEMA: u32 = 1;

/// Everything that a run will do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_SCHEMA`].
    pub schema: u32,
    /// Name of the scenario.
    pub scenario: String,
    /// What it is for.
    pub describe: String,
    /// What is written to; nothing when the scenario touches no storage.
    pub target: Option<PlannedTarget>,
    /// Memory that it takes at most, bytes.
    pub memory_bytes: u64,
    /// The CPU that issues operations.
    pub cpu: u32,
    /// What happens, in order.
    pub steps: Vec<PlannedStep>,
    /// About how long it takes, milliseconds.
    pub duration_ms: u64,
    /// Bytes that are written to the target at most.
    pub bytes_written: u64,
}

/// What a run works on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedTarget {
    /// A file that is made in `folder` and removed at the end.
    ScratchFile {
        /// The folder.
        folder: PathBuf,
        /// Size of the file.
        bytes: u64,
    },
    /// A range of a loop device that holds nothing.
    LoopDevice {
        /// Its path.
        path: PathBuf,
        /// Size of the range.
        bytes: u64,
    },
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub describe: String,
    /// Number of rounds.
    pub repeats: u32,
    /// What one round does, in order.
    pub work: Vec<PlannedWork>,
    /// About how long it takes, milliseconds.
    pub duration_ms: u64,
    /// Bytes that it writes at most.
    pub bytes_written: u64,
}

/// One piece of work of a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PlannedWork {
    /// Operations on the target.
    Io(IoSpec),
    /// The STREAM triad on one NUMA node.
    Triad {
        /// The node.
        node: u32,
        /// Its CPUs, one thread on each.
        cpus: Vec<u32>,
        /// Size of each of the three arrays, over all threads.
        array_bytes: u64,
        /// Milliseconds that are not measured.
        ramp_ms: u64,
        /// Milliseconds of one sample.
        runtime_ms: u64,
        /// Number of samples, taken without giving the memory back in between.
        samples: u32,
    },
}

/// What a plan depends on besides its scenario.
#[derive(Debug, Clone, Copy)]
pub struct PlanContext<'a> {
    /// The folder for the scratch file, or the device, and which of both it is.
    pub target: Option<(&'a Path, TargetKind)>,
    /// What the probes saw.
    pub inventory: Option<&'a Inventory>,
    /// CPUs that this process may use, ascending.
    pub cpus: &'a [u32],
    /// Bytes of memory that are free for use.
    pub memory_available: u64,
}

/// Bytes per second with which the duration of a whole pass is guessed; a plan that is too short by a factor harms nobody.
const GUESSED_PASS: u64 = 500 << 20;
/// Counters, claims and syncs around a step.
const AROUND_STEP_MS: u64 = 150;
/// Each array of the triad is this many times the last-level cache that the node can use (STREAM's own rule).
const TIMES_CACHE: u64 = 4;
/// What is taken for the last-level cache where the node does not say.
const UNKNOWN_CACHE: u64 = 256 << 20;
/// Arrays are not smaller than this, whatever the caches are.
const ARRAY_MIN: u64 = 128 << 20;
/// Guessed bytes per second with which fresh memory is touched for the first time.
const GUESSED_TOUCH: u64 = 1 << 30;

impl Plan {
    /// The form in which it is stored and of which [`Plan::digest`] is taken.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a plan holds nothing that JSON cannot carry: its paths were found to be UTF-8 when it was made")
    }

    /// SHA-256 of the stored form, hex.
    pub fn digest(&self) -> String {
        digest(&self.to_json())
    }

    /// Names of the steps, in order.
    pub fn step_names(&self) -> Vec<String> {
        self.steps.iter().map(|step| step.name.clone()).collect()
    }
}

/// SHA-256, hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Decides what a run of `scenario` does here. Touches nothing.
pub fn plan(scenario: &Scenario, context: &PlanContext<'_>) -> Result<Plan, ScenarioError> {
    let unplannable = |why: String| ScenarioError::Unplannable { scenario: scenario.name.clone(), why };
    let target = match (scenario.target_bytes, context.target) {
        (None, _) => None,
        (Some(_), None) => return Err(unplannable("it needs a target: a folder for a scratch file, or an unlabelled loop device".to_owned())),
        (Some(bytes), Some((path, kind))) => Some(planned_target(path, kind, bytes).map_err(unplannable)?),
    };
    let cpu = *context.cpus.last().ok_or_else(|| unplannable("this process may use no CPU at all".to_owned()))?;

    let mut steps = Vec::new();
    if scenario.steps.iter().any(|step| step.work.iter().any(is_measured_io)) {
        steps.push(floor_step());
    }
    for step in &scenario.steps {
        steps.push(planned_step(step, scenario.target_bytes.unwrap_or(0), context).map_err(unplannable)?);
    }
    // What was written where is remembered for the whole run: a generation for each unit.
    let history = History::footprint(scenario.target_bytes.unwrap_or(0));
    let memory_bytes = history + steps.iter().flat_map(|step| &step.work).map(memory_of).max().unwrap_or(0);
    if memory_bytes > context.memory_available / 2 {
        let available = context.memory_available;
        return Err(unplannable(format!(
            "its arrays or buffers take {memory_bytes} bytes of memory; at most half of the {available} bytes available may be taken"
        )));
    }
    Ok(Plan {
        schema: PLAN_SCHEMA,
        scenario: scenario.name.clone(),
        describe: scenario.describe.clone(),
        target,
        memory_bytes,
        cpu,
        duration_ms: steps.iter().map(|step| step.duration_ms).sum(),
        bytes_written: steps.iter().map(|step| step.bytes_written).sum(),
        steps,
    })
}

fn planned_target(path: &Path, kind: TargetKind, bytes: u64) -> Result<PlannedTarget, String> {
    if path.to_str().is_none() {
        return Err(format!("the target {} is not valid UTF-8, and a plan is a text", Printable::new(path)));
    }
    let path = std::path::absolute(path).map_err(|error| format!("the target {}: {error}", Printable::new(path)))?;
    Ok(match kind {
        TargetKind::Folder => PlannedTarget::ScratchFile { folder: path, bytes },
        TargetKind::BlockDevice => PlannedTarget::LoopDevice { path, bytes },
    })
}

fn is_kernel(work: &Work) -> bool {
    match work {
        Work::Io(_) => false,
        Work::Kernel(_) => true,
    }
}

fn is_measured_io(work: &Work) -> bool {
    match work {
        Work::Io(io) => io.extent != Extent::Whole,
        Work::Kernel(_) => false,
    }
}

/// The null engine under the same driver: what the harness itself can do at most, printed beside every figure.
fn floor_step() -> PlannedStep {
    let (repeats, ramp_ms, runtime_ms) = (3, 50, 150);
    let spec = IoSpec {
        engine: "null".to_owned(),
        rw: Rw::Randread,
        bs: 4096,
        iodepth: 128,
        rate: None,
        extent: Extent::Timed { ramp_ms, runtime_ms, io_size: None },
    };
    PlannedStep {
        name: FLOOR_STEP.to_owned(),
        describe: "operations that do nothing: the most that the harness itself can do".to_owned(),
        repeats,
        work: vec![PlannedWork::Io(spec)],
        duration_ms: AROUND_STEP_MS + u64::from(repeats) * (ramp_ms + runtime_ms),
        bytes_written: 0,
    }
}

fn planned_step(step: &StepSpec, target_bytes: u64, context: &PlanContext<'_>) -> Result<PlannedStep, String> {
    let mut work = Vec::new();
    for spec in &step.work {
        match spec {
            Work::Io(io) => work.push(PlannedWork::Io(io.clone())),
            Work::Kernel(kernel) => work.extend(planned_kernel(kernel, step.repeats, context)?),
        }
    }
    // A kernel takes all its samples in one go.
    let rounds = if step.work.iter().all(is_kernel) { 1 } else { step.repeats };
    let repeats = u64::from(rounds);
    let once = work.iter().map(memory_of).sum::<u64>() * 1000 / GUESSED_TOUCH;
    Ok(PlannedStep {
        name: step.name.clone(),
        describe: step.describe.clone(),
        repeats: rounds,
        duration_ms: AROUND_STEP_MS + once + repeats * work.iter().map(|work| duration_of(work, target_bytes)).sum::<u64>(),
        bytes_written: repeats.saturating_mul(work.iter().map(|work| written_by(work, target_bytes)).sum()),
        work,
    })
}

fn planned_kernel(kernel: &KernelSpec, samples: u32, context: &PlanContext<'_>) -> Result<Vec<PlannedWork>, String> {
    match kernel.kernel {
        KernelName::Triad => {
            let nodes = cpus::by_node(context.inventory, context.cpus)?;
            let count = u64::try_from(nodes.len()).expect("few nodes");
            let cache = context.inventory.map(last_level_cache).filter(|bytes| *bytes > 0).unwrap_or(UNKNOWN_CACHE);
            let array_bytes = (TIMES_CACHE * cache.div_ceil(count)).max(ARRAY_MIN).next_multiple_of(4096);
            let triad =
                |(node, cpus)| PlannedWork::Triad { node, cpus, array_bytes, ramp_ms: kernel.ramp_ms, runtime_ms: kernel.runtime_ms, samples };
            Ok(nodes.into_iter().map(triad).collect())
        }
    }
}

/// All last-level caches of the node together.
fn last_level_cache(inventory: &Inventory) -> u64 {
    inventory.iter(Kind::Cpu).filter_map(|cpu| cpu.value(Attr::L3Bytes).and_then(Value::as_u64)).sum()
}

fn memory_of(work: &PlannedWork) -> u64 {
    match work {
        PlannedWork::Io(io) => Uring::footprint(io.bs, io.iodepth),
        PlannedWork::Triad { array_bytes, .. } => 3 * array_bytes,
    }
}

pub(crate) fn duration_of(work: &PlannedWork, target_bytes: u64) -> u64 {
    match work {
        PlannedWork::Io(io) => match io.extent {
            Extent::Whole => target_bytes.saturating_mul(1000) / GUESSED_PASS,
            Extent::Timed { ramp_ms, runtime_ms, .. } => ramp_ms + runtime_ms,
        },
        PlannedWork::Triad { ramp_ms, runtime_ms, samples, .. } => ramp_ms + runtime_ms * u64::from(*samples),
    }
}

fn written_by(work: &PlannedWork, target_bytes: u64) -> u64 {
    match work {
        PlannedWork::Io(io) if io.rw.is_write() => match io.extent {
            Extent::Whole => target_bytes,
            Extent::Timed { io_size, .. } => io_size.expect("a scenario does not load with a timed write that has no bound"),
        },
        PlannedWork::Io(_) | PlannedWork::Triad { .. } => 0,
    }
}

impl PlannedTarget {
    /// The folder or device.
    pub fn path(&self) -> &Path {
        match self {
            PlannedTarget::ScratchFile { folder, .. } => folder,
            PlannedTarget::LoopDevice { path, .. } => path,
        }
    }

    /// Makes every check of the claim that can be made without touching anything.
    pub fn examine(&self) -> Result<(), claim::Refusal> {
        match self {
            PlannedTarget::ScratchFile { folder, bytes } => claim::examine_scratch(folder, *bytes),
            PlannedTarget::LoopDevice { path, bytes } => claim::examine_loop_device(path, *bytes),
        }
    }

    /// Claims it for the run.
    pub(crate) fn claim(&self, run: &str) -> Result<claim::Claim, claim::Refusal> {
        match self {
            PlannedTarget::ScratchFile { folder, bytes } => claim::scratch(folder, run, *bytes),
            PlannedTarget::LoopDevice { path, bytes } => claim::loop_device(path, *bytes),
        }
    }
}

/// CPUs that this process may use, and memory that it may take (a control group's limit included). What cannot be read is none: nothing is planned on
/// a guess.
pub fn this_host() -> (Vec<u32>, u64) {
    let memory = sysinfo::System::new().map_or(0, |mut system| {
        system.refresh_memory();
        let group = system.cgroup_limits().map_or(u64::MAX, |limits| limits.free_memory);
        system.available_memory().min(group)
    });
    (cpus::allowed(), memory)
}
