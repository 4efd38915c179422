//! What a run will do, decided before anything is touched: target, steps, time and bytes written. The run does what its plan says and nothing else;
//! the plan lies in the run directory, and its digest in the first event of the journal.

use std::path::{Path, PathBuf};
use std::time::Duration;

use assay_bench::engine::rbd;
use assay_bench::engine::uring::Uring;
use assay_bench::stamp::{UNIT, UNIT_MIN};
use assay_bench::{History, Rw};
use assay_model::attr::{Attr, Kind};
use assay_model::component::Value;
use assay_model::inventory::Inventory;
use assay_model::sequential::Edge;
use assay_model::site::Node;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::claim::{self, ImagePlace, ScratchPools, TargetKind};
use crate::error::ScenarioError;
use crate::scenario::{Extent, FLOOR_STEP, IoSpec, KernelName, KernelSpec, Rounds, Scenario, StepSpec, Work};

pub(crate) mod ceph;
pub(crate) mod cpus;
mod drill;
mod net;
mod seats;
mod target;
#[cfg(test)]
mod tests;

pub use ceph::PlannedCeph;
pub use drill::{PlannedDrill, Victim};
pub use net::{End, PlannedNet};
use seats::Seats;
pub(crate) use target::assumed_life;

/// The version of the stored form.
pub const PLAN_SCHEMA: u32 = 4;

/// Everything that a run will do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// [`PLAN_SCHEMA`].
    pub schema: u32,
    /// Name of the scenario.
    pub scenario: String,
    /// What it is for.
    pub describe: String,
    /// What is written to; nothing when the scenario touches no storage.
    pub targets: Vec<PlannedTarget>,
    /// The nodes that take part over SSH; none when it is about this one alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Node>,
    /// Memory that it takes at most, bytes.
    pub memory_bytes: u64,
    /// The CPU of the measuring thread, where work names none.
    pub cpu: u32,
    /// Whether acknowledged writes are kept in the run directory, for `verify-writes` after a death.
    #[serde(default)]
    pub ack_log: bool,
    /// What happens, in order.
    pub steps: Vec<PlannedStep>,
    /// About how long it takes, milliseconds.
    pub duration_ms: u64,
    /// Bytes that are written or trimmed at most, on all targets together.
    pub bytes_written: u64,
    /// Most of its rated life that the run may take of a drive, percent.
    #[serde(default)]
    pub endurance_percent: u32,
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
    /// An image that is made in a pool of a Ceph cluster and removed at the end.
    ScratchImage {
        /// The pool, `rbd:POOL/`, as a path.
        path: PathBuf,
        /// The pool, and what the image is like.
        place: ImagePlace,
        /// Size of the image.
        bytes: u64,
    },
    /// A range of a device over an image that assay has made, which the kernel has mapped.
    MappedImage {
        /// Its path.
        path: PathBuf,
        /// The pool that its image must be in, `pool` or `pool/namespace`.
        pool: String,
        /// The cluster that is meant, where the site declares it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fsid: Option<String>,
        /// Size of the range.
        bytes: u64,
    },
    /// A range of a loop device that holds nothing.
    LoopDevice {
        /// Its path.
        path: PathBuf,
        /// Size of the range.
        bytes: u64,
    },
    /// A range of a drive that holds nothing, and that the operator has confirmed.
    Drive {
        /// Its path.
        path: PathBuf,
        /// Its serial number.
        serial: String,
        /// Size of the range.
        bytes: u64,
        /// Bytes that it may write in its life.
        rated_bytes: u64,
    },
}

/// One step of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub describe: String,
    /// How many rounds.
    pub rounds: Rounds,
    /// The limits that its figures are held against: they say when enough rounds are done.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edges: Vec<Edge>,
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
#[allow(clippy::large_enum_variant, reason = "a plan has some hundred of them, and nearly all are operations")]
pub enum PlannedWork {
    /// Operations on targets.
    Io(PlannedIo),
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
    /// A measurement between two nodes.
    Net(PlannedNet),
    /// A part of a Ceph cluster that fails while a client works.
    Drill(PlannedDrill),
    /// A measurement of a Ceph cluster.
    Ceph(PlannedCeph),
}

/// Operations on one target, or on several at once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedIo {
    /// What is done on each of them.
    pub spec: IoSpec,
    /// On which, by their places in [`Plan::targets`]; none of the null engine.
    pub on: Vec<usize>,
    /// What tells them from other targets of the plan, where there are any: `nvme0n1`, `all`, `node0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// Serial number of the drive, when it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Serial numbers of several drives at once, in the order of `on`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub serials: Vec<String>,
    /// The CPU of each lane, target by target; a lane without one runs on the plan's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u32>,
}

impl PlannedIo {
    /// The family of its metrics, with what tells its targets from others: `storage.randread_4k_qd32@nvme0n1`.
    pub fn label(&self) -> String {
        let family = self.spec.family();
        self.of.as_ref().map_or(family.clone(), |of| format!("{family}@{of}"))
    }

    /// Bytes that it writes or trims at most.
    fn written(&self, target_bytes: u64) -> u64 {
        self.spec.written(target_bytes).saturating_mul(u64::try_from(self.on.len()).expect("few targets"))
    }
}

/// What a run may work on, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The folder for a scratch file, the pool for a scratch image, or the device.
    pub path: PathBuf,
    /// Which of them it is.
    pub kind: TargetKind,
    /// NUMA node that a device hangs on.
    pub node: Option<u32>,
    /// CPUs beside the device; empty when nothing says which.
    pub near: Vec<u32>,
    /// Size of a device, bytes.
    pub bytes: Option<u64>,
    /// Serial number of a drive; loop devices and folders have none.
    pub serial: Option<String>,
    /// Pool of the image that the kernel has mapped as this device, `pool` or `pool/namespace`; others have none.
    pub image_pool: Option<String>,
    /// Bytes that its warranty lets it write in all, as far as the site knows the part.
    pub rated_bytes: Option<u64>,
}

/// What the operator allows to be done to drives. Loop devices and scratch files need no word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permits {
    /// Serial numbers of drives whose content may be lost.
    pub owned: Vec<String>,
    /// Serial numbers of those that may be purged as a whole, the second key.
    pub purged: Vec<String>,
    /// Pools of Ceph in which the site allows scratch images and objects.
    pub scratch_pools: ScratchPools,
    /// Most of its rated life that a run may take of a drive, percent.
    pub endurance_percent: u32,
}

impl Default for Permits {
    fn default() -> Self {
        Self { owned: Vec::new(), purged: Vec::new(), scratch_pools: ScratchPools::default(), endurance_percent: 1 }
    }
}

/// What a plan depends on besides its scenario.
#[derive(Debug, Clone, Copy)]
pub struct PlanContext<'a> {
    /// What may be worked on.
    pub targets: &'a [Place],
    /// What the probes saw.
    pub inventory: Option<&'a Inventory>,
    /// CPUs that this process may use, ascending.
    pub cpus: &'a [u32],
    /// Bytes of memory that are free for use.
    pub memory_available: u64,
    /// The limits of the site's gates, as far as they are numbers here.
    pub edges: &'a [Edge],
    /// What the operator allows.
    pub permits: &'a Permits,
    /// The nodes that take part in measurements between nodes, as the site knows them.
    pub nodes: &'a [Node],
    /// The networks of the links of corosync.
    pub rings: &'a [String],
}

/// Bytes per second with which the duration of a whole pass is guessed; a plan that is too short by a factor harms nobody.
const GUESSED_PASS: u64 = 500 << 20;
/// The same of random writes.
const GUESSED_RANDOM: u64 = 200 << 20;
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
    /// Why a site that declares these pools does not allow what it does to a Ceph cluster.
    pub(crate) fn refused_by(&self, allowed: &ScratchPools) -> Option<String> {
        let of_target = |target: &PlannedTarget| match target {
            PlannedTarget::ScratchImage { place, .. } => Some((Some(place.name()), place.fsid().map(str::to_owned))),
            PlannedTarget::MappedImage { pool, fsid, .. } => Some((Some(pool.clone()), fsid.clone())),
            PlannedTarget::ScratchFile { .. } | PlannedTarget::LoopDevice { .. } | PlannedTarget::Drive { .. } => None,
        };
        let of_work = |work: &PlannedWork| match work {
            PlannedWork::Ceph(ceph) => Some((ceph.place.as_ref().map(claim::ObjectPlace::name), ceph.fsid.clone())),
            PlannedWork::Io(_) | PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Drill(_) => None,
        };
        let works = self.steps.iter().flat_map(|step| &step.work);
        self.targets.iter().filter_map(of_target).chain(works.filter_map(of_work)).find_map(|(pool, fsid)| {
            // The OSDs' own bench is in no pool, and is allowed where any is.
            let is_allowed = pool.as_ref().map_or(!allowed.names.is_empty(), |pool| allowed.names.contains(pool));
            if !is_allowed {
                let pool = pool.unwrap_or_else(|| "any".to_owned());
                return Some(format!(
                    "the site does not name {pool} among the `scratch_pools` of [ceph] in declared.toml; name the site that does by --site"
                ));
            }
            let word = |fsid: Option<&str>| fsid.map_or_else(|| "no cluster".to_owned(), |fsid| format!("the cluster {fsid}"));
            let (meant, declared) = (word(fsid.as_deref()), word(allowed.fsid.as_deref()));
            let changed = || format!("it was planned when the site declared {meant}, and it declares {declared} (`fsid` of [ceph] in declared.toml)");
            (meant != declared).then(changed)
        })
    }

    /// About how long it takes.
    pub(crate) fn duration(&self) -> Duration {
        Duration::from_millis(self.duration_ms)
    }

    /// The form in which it is stored and of which [`Plan::digest`] is taken.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self).expect("a plan holds nothing that JSON cannot carry: its paths were found to be UTF-8 when it was made")
    }

    /// SHA-256 of the stored form, hex.
    pub fn digest(&self) -> String {
        digest(&self.to_json())
    }

    /// Bytes that are written to one target at most; trims wear nothing, and are left out.
    pub fn written_to(&self, number: usize) -> u64 {
        self.targets.get(number).map_or(0, |target| target::written_to(number, &self.steps, target.bytes()))
    }

    /// Bytes that are written to a target once more when the run goes on with step `first`: the layouts before it, and all of that step.
    pub(crate) fn written_again(&self, number: usize, first: usize, is_layout: impl Fn(&PlannedWork) -> bool, target_bytes: u64) -> u64 {
        let (before, after) = self.steps.split_at(first);
        let once = |work: &PlannedWork| {
            let work = vec![work.clone()];
            PlannedStep {
                name: String::new(),
                describe: String::new(),
                rounds: Rounds::Fixed(1),
                edges: Vec::new(),
                work,
                duration_ms: 0,
                bytes_written: 0,
            }
        };
        let mut again: Vec<PlannedStep> = before.iter().flat_map(|step| &step.work).filter(|work| is_layout(work)).map(once).collect();
        again.extend(after.first().cloned());
        target::written_to(number, &again, target_bytes)
    }

    /// Whether one target is erased as a whole, whatever part of it is claimed.
    pub fn erases_all_of(&self, number: usize) -> bool {
        let erases = |work: &PlannedWork| matches!(work, PlannedWork::Io(io) if io.spec.purge.is_some() && io.on.contains(&number));
        self.steps.iter().flat_map(|step| &step.work).any(erases)
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
    let (targets, target_bytes) = match scenario.target {
        None => (Vec::new(), 0),
        Some(_) if context.targets.is_empty() => {
            return Err(unplannable(
                "it needs a target: a folder for a scratch file, a pool for a scratch image, or an unlabelled device".to_owned(),
            ));
        }
        Some(size) => {
            let bytes = target::bytes(size, context.targets).map_err(unplannable)?;
            (target::planned(context.targets, bytes, context.permits).map_err(unplannable)?, bytes)
        }
    };
    target::fits(scenario, context.targets).map_err(unplannable)?;
    if scenario.ack_log && target_bytes > crate::acks::TARGET_MAX {
        return Err(unplannable(format!("acknowledged writes are kept of targets of at most {} bytes", crate::acks::TARGET_MAX)));
    }
    let seats = Seats::new(context.targets, context.cpus);
    let cpu = seats.first().ok_or_else(|| unplannable("this process may use no CPU at all".to_owned()))?;

    let mut steps = Vec::new();
    if scenario.steps.iter().any(|step| step.work.iter().any(is_measured_io)) {
        steps.push(floor_step());
    }
    for step in &scenario.steps {
        steps.push(planned_step(step, target_bytes, context, &seats).map_err(unplannable)?);
    }
    // What was written where is remembered for the whole run: a generation for each unit.
    let unit = history_unit(steps.iter().flat_map(|step| &step.work));
    let history = History::footprint(target_bytes, unit).saturating_mul(u64::try_from(targets.len()).expect("few targets"));
    let memory_bytes = history + steps.iter().flat_map(|step| &step.work).map(memory_of).max().unwrap_or(0);
    if memory_bytes > context.memory_available / 2 {
        let available = context.memory_available;
        return Err(unplannable(format!(
            "its arrays or buffers take {memory_bytes} bytes of memory; at most half of the {available} bytes available may be taken"
        )));
    }
    target::may_be_written(&targets, &steps, target_bytes, context.permits).map_err(unplannable)?;
    Ok(Plan {
        schema: PLAN_SCHEMA,
        scenario: scenario.name.clone(),
        describe: scenario.describe.clone(),
        targets,
        nodes: if scenario.takes_nodes() { context.nodes.to_vec() } else { Vec::new() },
        memory_bytes,
        ack_log: scenario.ack_log,
        cpu,
        duration_ms: steps.iter().map(|step| step.duration_ms).sum(),
        bytes_written: steps.iter().map(|step| step.bytes_written).sum(),
        endurance_percent: context.permits.endurance_percent,
        steps,
    })
}

/// Bytes of a unit of the write history: what the smallest block of a run needs.
pub(crate) fn history_unit<'a>(work: impl Iterator<Item = &'a PlannedWork>) -> u64 {
    let smallest = work.filter_map(|work| match work {
        PlannedWork::Io(io) if !io.on.is_empty() => Some(io.spec.smallest()),
        PlannedWork::Drill(drill) => Some(drill.spec.bs),
        PlannedWork::Io(_) | PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) => None,
    });
    let is_fine = smallest.min().is_some_and(|bytes| bytes % UNIT != 0);
    if is_fine { UNIT_MIN } else { UNIT }
}

fn is_kernel(work: &Work) -> bool {
    match work {
        Work::Io(_) | Work::Net(_) | Work::Ceph(_) | Work::Drill(_) => false,
        Work::Kernel(_) => true,
    }
}

fn is_measured_io(work: &Work) -> bool {
    match work {
        Work::Io(io) => io.extent.is_measured(),
        Work::Kernel(_) | Work::Net(_) | Work::Ceph(_) | Work::Drill(_) => false,
    }
}

/// The null engine under the same driver: what the harness itself can do at most, printed beside every figure.
fn floor_step() -> PlannedStep {
    let (repeats, ramp_ms, runtime_ms) = (3, 50, 150);
    let spec = IoSpec::new("null", Rw::RandRead, 4096, 128, Extent::Timed { ramp_ms, runtime_ms, io_size: None });
    PlannedStep {
        name: FLOOR_STEP.to_owned(),
        describe: "operations that do nothing: the most that the harness itself can do".to_owned(),
        rounds: Rounds::Fixed(repeats),
        edges: Vec::new(),
        work: vec![PlannedWork::Io(PlannedIo { spec, on: Vec::new(), of: None, serial: None, serials: Vec::new(), cpus: Vec::new() })],
        duration_ms: AROUND_STEP_MS + u64::from(repeats) * (ramp_ms + runtime_ms),
        bytes_written: 0,
    }
}

fn planned_step(step: &StepSpec, target_bytes: u64, context: &PlanContext<'_>, seats: &Seats) -> Result<PlannedStep, String> {
    let mut work = Vec::new();
    for spec in &step.work {
        match spec {
            Work::Io(io) => work.extend(seats.planned(io)?.into_iter().map(PlannedWork::Io)),
            Work::Kernel(kernel) => work.extend(planned_kernel(kernel, step.rounds.most(), context)?),
            Work::Net(spec) => work.extend(net::planned(spec, context.nodes, context.rings)?.into_iter().map(PlannedWork::Net)),
            Work::Drill(spec) => work.extend(drill::planned(spec, context)?.into_iter().map(PlannedWork::Drill)),
            Work::Ceph(spec) => work.push(PlannedWork::Ceph(ceph::planned(spec, context)?)),
        }
    }
    // A kernel takes all its samples in one go.
    let rounds = if step.work.iter().all(is_kernel) { Rounds::Fixed(1) } else { step.rounds.clone() };
    let repeats = u64::from(rounds.most());
    let families: Vec<String> = step.work.iter().flat_map(Work::families).collect();
    let is_own = |edge: &&Edge| families.iter().any(|family| edge.metric.0.strip_prefix(family).is_some_and(|rest| rest.starts_with('.')));
    let is_here = |edge: &&Edge| {
        edge.serial.is_none() || context.targets.iter().any(|target| target.serial.as_deref().map(str::trim) == edge.serial.as_deref())
    };
    let edges = context.edges.iter().filter(is_own).filter(is_here).filter(|_| matches!(rounds, Rounds::Sequential { .. })).cloned().collect();
    let once = work.iter().map(memory_of).sum::<u64>() * 1000 / GUESSED_TOUCH;
    Ok(PlannedStep {
        name: step.name.clone(),
        describe: step.describe.clone(),
        rounds,
        edges,
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
        PlannedWork::Io(io) => {
            let lanes = u64::from(io.spec.lanes()) * u64::try_from(io.on.len().max(1)).expect("few targets");
            let footprint = if io.spec.is_on_an_image() { rbd::footprint } else { Uring::footprint };
            footprint(io.spec.bs, io.spec.iodepth).saturating_mul(lanes)
        }
        PlannedWork::Triad { array_bytes, .. } => 3 * array_bytes,
        PlannedWork::Drill(drill) => rbd::footprint(drill.spec.bs, drill.spec.iodepth),
        // The agents' own.
        PlannedWork::Net(_) => 0,
        PlannedWork::Ceph(ceph) => ceph.memory(),
    }
}

pub(crate) fn duration_of(work: &PlannedWork, target_bytes: u64) -> u64 {
    match work {
        PlannedWork::Io(io) => match io.spec.extent {
            Extent::Whole => target_bytes.saturating_mul(1000) / GUESSED_PASS,
            Extent::Sprandom { .. } => io.spec.written(target_bytes).saturating_mul(1000) / GUESSED_RANDOM,
            Extent::Timed { ramp_ms, runtime_ms, .. } => {
                let tries = io.spec.knee.map_or(1, |knee| knee.range.usual_tries());
                (ramp_ms + runtime_ms).saturating_mul(tries.into())
            }
        },
        PlannedWork::Triad { ramp_ms, runtime_ms, samples, .. } => ramp_ms + runtime_ms * u64::from(*samples),
        PlannedWork::Net(net) => net.duration_ms(),
        PlannedWork::Drill(drill) => drill.duration_ms(),
        PlannedWork::Ceph(ceph) => ceph.duration_ms(),
    }
}

fn written_by(work: &PlannedWork, target_bytes: u64) -> u64 {
    match work {
        PlannedWork::Io(io) => io.written(target_bytes),
        PlannedWork::Drill(drill) => drill.spec.written(),
        PlannedWork::Triad { .. } | PlannedWork::Net(_) => 0,
        PlannedWork::Ceph(ceph) => ceph.written(),
    }
}

impl PlannedTarget {
    /// The folder, pool or device.
    pub fn path(&self) -> &Path {
        match self {
            PlannedTarget::ScratchFile { folder, .. } => folder,
            PlannedTarget::ScratchImage { path, .. }
            | PlannedTarget::MappedImage { path, .. }
            | PlannedTarget::LoopDevice { path, .. }
            | PlannedTarget::Drive { path, .. } => path,
        }
    }

    /// Bytes of it that are worked on.
    pub fn bytes(&self) -> u64 {
        match self {
            PlannedTarget::ScratchFile { bytes, .. }
            | PlannedTarget::ScratchImage { bytes, .. }
            | PlannedTarget::MappedImage { bytes, .. }
            | PlannedTarget::LoopDevice { bytes, .. }
            | PlannedTarget::Drive { bytes, .. } => *bytes,
        }
    }

    /// Makes every check of the claim that can be made without touching anything.
    pub fn examine(&self) -> Result<(), claim::Refusal> {
        match self {
            PlannedTarget::ScratchFile { folder, bytes } => claim::examine_scratch(folder, *bytes),
            PlannedTarget::ScratchImage { place, bytes, .. } => claim::examine_scratch_image(place, *bytes),
            PlannedTarget::MappedImage { path, pool, fsid, bytes } => claim::examine_mapped_image(path, (pool, fsid.as_deref()), *bytes),
            PlannedTarget::LoopDevice { path, bytes } => claim::examine_loop_device(path, *bytes),
            PlannedTarget::Drive { path, serial, bytes, .. } => claim::examine_drive(path, serial, *bytes),
        }
    }

    /// Claims it for a run that is to last so long.
    pub(crate) fn claim(&self, run: &str, lasts: Duration) -> Result<claim::Claim, claim::Refusal> {
        match self {
            PlannedTarget::ScratchFile { folder, bytes } => claim::scratch(folder, run, *bytes),
            PlannedTarget::ScratchImage { place, bytes, .. } => claim::scratch_image(place, run, *bytes, lasts),
            PlannedTarget::MappedImage { path, pool, fsid, bytes } => claim::mapped_image(path, (pool, fsid.as_deref()), *bytes, lasts),
            PlannedTarget::LoopDevice { path, bytes } => claim::loop_device(path, *bytes),
            PlannedTarget::Drive { path, serial, bytes, .. } => claim::drive(path, serial, *bytes),
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
