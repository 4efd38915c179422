//! A scenario as its file says it (`catalog/*.toml`, or one of the operator's). Whatever cannot be meant is an error with line and caret: a typo,
//! a read of what was never written, a write without a bound.

use std::collections::BTreeSet;
use std::ops::Range;

use assay_model::sequential;
use assay_model::source::{self, FileError};
use assay_model::steady::Steady;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::quantity::{Millis, Percent, Size, Times};

mod ceph;
mod drill;
mod io;
mod net;

use ceph::CephFile;
pub use ceph::{CephSpec, ObjectsMeasure, ObjectsSpec, OsdBenchSpec};
use drill::DrillFile;
pub use drill::{ClusterFault, DrillSpec};
pub(crate) use drill::{PEACE_MS, SETTLED_MS};
use io::IoFile;
pub use io::{Extent, IoSpec, KneeSpec, Purge, Rate, Targets};
use net::NetFile;
pub use net::{LinkFault, Measure, NetSpec, Over, Ports, Probing, TcpSpec};
pub(crate) use net::{MEMBERS, QUIET_MS, SPREAD, SUM};

/// The version of the file format.
pub const SCENARIO_SCHEMA: u32 = 1;

/// A valid scenario.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Scenario {
    /// Its permanent name: lower-case words with hyphens.
    pub name: String,
    /// One sentence for people.
    pub describe: String,
    /// How much of the target it works on; none when it touches no storage.
    pub target: Option<TargetSize>,
    /// Whether acknowledged writes are kept in the run directory, for `verify-writes` after a death.
    pub ack_log: bool,
    /// What it does, in order.
    pub steps: Vec<StepSpec>,
}

/// How much of a target a scenario works on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TargetSize {
    /// So many bytes.
    Bytes(u64),
    /// All of a device.
    Whole,
}

/// One step: everything in it is done `repeats` times, round by round, and judged together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepSpec {
    /// Its name within the scenario.
    pub name: String,
    /// One sentence for people.
    pub describe: String,
    /// How many rounds.
    pub rounds: Rounds,
    /// What one round does, in order.
    pub work: Vec<Work>,
}

/// How many rounds a step takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounds {
    /// So many.
    Fixed(u32),
    /// So many, and more while a figure with a limit is not clear of it.
    Sequential {
        /// At least.
        from: u32,
        /// At most.
        to: u32,
    },
    /// Until the figures are steady; those of the last rounds count.
    Steady {
        /// At most.
        to: u32,
        /// What counts as steady.
        steady: Steady,
        /// The family of the figures that are looked at; all without it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        of: Option<String>,
        /// How many times its size must have been written to each target before: a fresh drive keeps its fresh rate until it is full once. 0 asks for nothing.
        #[serde(default, skip_serializing_if = "is_zero")]
        written_min: u32,
    },
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Rounds {
    /// The most that it can take.
    pub fn most(&self) -> u32 {
        match self {
            Rounds::Fixed(count) => *count,
            Rounds::Sequential { to, .. } | Rounds::Steady { to, .. } => *to,
        }
    }
}

impl std::fmt::Display for Rounds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Rounds::Fixed(1) => f.write_str("1 round"),
            Rounds::Fixed(count) => write!(f, "{count} rounds"),
            Rounds::Sequential { from, to } => write!(f, "{from} to {to} rounds"),
            Rounds::Steady { to, written_min: 0, .. } => write!(f, "at most {to} rounds, until steady"),
            Rounds::Steady { to, written_min, .. } => {
                write!(f, "at most {to} rounds, until steady once {written_min} times the target is written")
            }
        }
    }
}

/// A piece of work that can be done on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Single operations.
    Io(IoSpec),
    /// Work without single operations.
    Kernel(KernelSpec),
    /// A measurement between two nodes.
    Net(NetSpec),
    /// A part of a Ceph cluster that fails while a client works.
    Drill(DrillSpec),
    /// A measurement of a Ceph cluster.
    Ceph(CephSpec),
}

/// A kernel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelSpec {
    /// Which.
    pub kernel: KernelName,
    /// Milliseconds that are not measured.
    pub ramp_ms: u64,
    /// Milliseconds that are.
    pub runtime_ms: u64,
}

impl Scenario {
    /// Whether it breaks something on purpose.
    pub fn breaks(&self) -> bool {
        self.steps.iter().flat_map(|step| &step.work).any(|work| match work {
            Work::Net(net) => net.breaks(),
            Work::Drill(_) => true,
            Work::Io(_) | Work::Kernel(_) | Work::Ceph(_) => false,
        })
    }

    /// Whether other nodes take part.
    pub fn needs_nodes(&self) -> bool {
        self.steps.iter().flat_map(|step| &step.work).any(|work| matches!(work, Work::Net(_) | Work::Drill(_)))
    }

    /// Whether nodes can take part in it, beside this one or instead of it.
    pub fn takes_nodes(&self) -> bool {
        self.needs_nodes() || self.measures_ceph()
    }

    /// Whether it measures a Ceph cluster as a whole.
    pub fn measures_ceph(&self) -> bool {
        self.steps.iter().flat_map(|step| &step.work).any(|work| matches!(work, Work::Ceph(_)))
    }

    /// The families of the metrics that it measures: `storage.randread_4k_qd32`.
    pub fn families(&self) -> Vec<String> {
        self.steps.iter().flat_map(|step| &step.work).flat_map(Work::families).collect()
    }
}

impl Work {
    /// The family of its metrics; none when it is not measured.
    pub(crate) fn family(&self) -> Option<String> {
        match self {
            Work::Io(io) => io.extent.is_measured().then(|| io.family()),
            Work::Kernel(kernel) => Some(kernel.kernel.family().to_owned()),
            Work::Net(net) => Some(net.family()),
            Work::Drill(drill) => Some(drill.family()),
            Work::Ceph(ceph) => Some(ceph.family()),
        }
    }

    /// The same with those of what it measures besides.
    pub(crate) fn families(&self) -> Vec<String> {
        let besides = match self {
            Work::Net(net) => net.besides().to_vec(),
            Work::Drill(drill) => vec![drill.fault.ring_family()],
            Work::Io(_) | Work::Kernel(_) | Work::Ceph(_) => Vec::new(),
        };
        self.family().into_iter().chain(besides.into_iter().map(str::to_owned)).collect()
    }
}

impl KernelName {
    /// The family of its metrics.
    pub fn family(self) -> &'static str {
        match self {
            KernelName::Triad => "memory.triad",
        }
    }
}

/// The kernels that a scenario can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KernelName {
    /// STREAM triad.
    Triad,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioFile {
    schema: Spanned<u32>,
    name: Spanned<String>,
    describe: String,
    target: Option<Spanned<TargetFile>>,
    #[serde(default)]
    step: Vec<Spanned<StepFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TargetFile {
    size: Option<Size>,
    #[serde(default)]
    whole: bool,
    #[serde(default)]
    ack_log: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepFile {
    name: Spanned<String>,
    describe: String,
    repeats: Option<u32>,
    repeats_max: Option<u32>,
    steady: Option<Spanned<SteadyFile>>,
    #[serde(default)]
    io: Vec<Spanned<IoFile>>,
    #[serde(default)]
    kernel: Vec<Spanned<KernelFile>>,
    #[serde(default)]
    net: Vec<Spanned<NetFile>>,
    #[serde(default)]
    ceph: Vec<Spanned<CephFile>>,
    #[serde(default)]
    drill: Vec<Spanned<DrillFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SteadyFile {
    rounds_max: Option<u32>,
    window: Option<u32>,
    excursion: Option<Percent>,
    slope: Option<Percent>,
    of: Option<String>,
    written_min: Option<Times>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KernelFile {
    kernel: KernelName,
    #[serde(default)]
    ramp_time: Millis,
    runtime: Millis,
}

const NAME: &str = "lower-case letters, digits and hyphens, at most 48, beginning with a letter";
const STEP_NAME: &str = "lower-case letters, digits and underscores, at most 48, beginning with a letter";
/// The step that measures the harness itself; the plan puts it first.
pub(crate) const FLOOR_STEP: &str = "harness_floor";
const REPEATS_MAX: u32 = 100;
/// The specification's own bound of rounds.
const STEADY_ROUNDS: u32 = 25;
const RUNTIME_MAX_MS: u64 = 24 * 3_600_000;

impl TargetSize {
    /// A size for what must be known before the target is: a whole device is at least as divisible as this.
    fn nominal(self) -> u64 {
        match self {
            TargetSize::Bytes(bytes) => bytes,
            TargetSize::Whole => 1 << 40,
        }
    }
}

impl Scenario {
    /// Reads a scenario file. `engines` are the names that it may use.
    pub fn parse(file: &str, text: &str, engines: &[&str]) -> Result<Self, FileError> {
        let parsed: ScenarioFile = source::parse(file, text)?;
        let check = Check { file, text, engines };
        check.scenario(parsed)
    }
}

struct Check<'a> {
    file: &'a str,
    text: &'a str,
    engines: &'a [&'a str],
}

impl Check<'_> {
    fn error(&self, span: Range<usize>, message: impl Into<String>) -> FileError {
        FileError::at(self.file, self.text, span, message)
    }

    fn scenario(&self, file: ScenarioFile) -> Result<Scenario, FileError> {
        if *file.schema.get_ref() != SCENARIO_SCHEMA {
            return Err(self.error(file.schema.span(), format!("expected `schema = {SCENARIO_SCHEMA}`: this version knows no other")));
        }
        if !is_name(file.name.get_ref(), b'-') {
            return Err(self.error(file.name.span(), format!("expected a name of {NAME}")));
        }
        let mut ack_log = false;
        let target = match file.target {
            Some(target) => {
                let (span, target) = (target.span(), target.into_inner());
                ack_log = target.ack_log;
                let size = match target {
                    TargetFile { size: Some(Size(bytes)), whole: false, .. } if bytes > 0 && bytes % (1 << 20) == 0 => TargetSize::Bytes(bytes),
                    TargetFile { size: None, whole: true, .. } => TargetSize::Whole,
                    TargetFile { .. } => return Err(self.error(span, "expected a size of whole MiB, or `whole = true`")),
                };
                Some((size, span))
            }
            None => None,
        };
        if file.step.is_empty() {
            return Err(self.error(file.name.span(), "expected at least one [[step]]: a scenario that does nothing proves nothing"));
        }
        let mut seen = Seen::default();
        let mut steps = Vec::new();
        for step in file.step {
            steps.push(self.step(step, target.as_ref().map(|(size, _)| size.nominal()), &mut seen)?);
        }
        if let (Some((_, span)), false) = (&target, seen.io) {
            return Err(self.error(span.clone(), "expected a [[step.io]] that uses the target"));
        }
        Ok(Scenario { name: file.name.into_inner(), describe: file.describe, target: target.map(|(size, _)| size), ack_log, steps })
    }

    fn step(&self, step: Spanned<StepFile>, target: Option<u64>, seen: &mut Seen) -> Result<StepSpec, FileError> {
        let span = step.span();
        let step = step.into_inner();
        if !is_name(step.name.get_ref(), b'_') || step.name.get_ref() == FLOOR_STEP {
            return Err(self.error(step.name.span(), format!("expected a name of {STEP_NAME}, other than `{FLOOR_STEP}`")));
        }
        if !seen.steps.insert(step.name.get_ref().clone()) {
            return Err(self.error(step.name.span(), "another step has this name"));
        }
        let rounds = self.rounds(&span, &step)?;
        let repeats = rounds.most();
        let kinds = [step.io.is_empty(), step.kernel.is_empty(), step.net.is_empty(), step.ceph.is_empty(), step.drill.is_empty()];
        if kinds.iter().filter(|empty| !**empty).count() != 1 {
            return Err(self.error(span, "expected either [[step.io]], [[step.kernel]], [[step.net]], [[step.ceph]] or [[step.drill]]"));
        }
        let mut work = Vec::new();
        for io in step.io {
            work.extend(self.io(io, target, repeats, seen)?.into_iter().map(Work::Io));
        }
        for net in step.net {
            let span = net.span();
            let spec = self.net(span.clone(), net.into_inner())?;
            // Of the bond there are figures besides, which all streams spread over it share.
            let besides = spec.besides().iter().map(|family| (*family).to_owned());
            if let Some(twice) = [spec.family()].into_iter().chain(besides).find(|family| !seen.families.insert(family.clone())) {
                return Err(self.error(span, format!("{twice} is measured twice: its figures would be mixed up")));
            }
            if spec.breaks() && rounds != Rounds::Fixed(1) {
                return Err(self.error(span, "a drill breaks something once: expected no `repeats`"));
            }
            work.push(Work::Net(spec));
        }
        for drill in step.drill {
            let span = drill.span();
            let spec = self.drill(span.clone(), drill.into_inner(), target, seen)?;
            if !seen.families.insert(format!("{} {:?}", spec.family(), spec.network)) {
                return Err(self.error(span, format!("{} is measured twice: its figures would be mixed up", spec.family())));
            }
            if rounds != Rounds::Fixed(1) {
                return Err(self.error(span, "a drill breaks something once: expected no `repeats`"));
            }
            work.push(Work::Drill(spec));
        }
        for ceph in &step.ceph {
            let spec = self.ceph(ceph.span(), ceph.get_ref())?;
            if !seen.families.insert(spec.family()) {
                return Err(self.error(ceph.span(), format!("{} is measured twice: its figures would be mixed up", spec.family())));
            }
            work.push(Work::Ceph(spec));
        }
        if let (Rounds::Steady { .. }, Some(Work::Net(_))) = (&rounds, work.first()) {
            return Err(self.error(span, "a network has no state to settle: expected `repeats`"));
        }
        if let (Rounds::Steady { .. }, Some(Work::Ceph(_))) = (&rounds, work.first()) {
            return Err(self.error(span, "objects are new in every round: expected `repeats`"));
        }
        if let Rounds::Steady { of: Some(of), .. } = &rounds
            && !work.iter().any(|work| work.family().is_some_and(|family| family == *of))
        {
            let families: Vec<String> = work.iter().filter_map(Work::family).collect();
            return Err(self.error(span, format!("steady of `{of}`, which is no figure of this step: {}", families.join(", "))));
        }
        let trims = |work: &Work| matches!(work, Work::Io(io) if is_measured(work) && !io.rw.fills() && !io.rw.reads());
        let reads = |work: &Work| matches!(work, Work::Io(io) if io.rw.reads() && io.engine != "null");
        if repeats > 1 && work.iter().any(trims) && work.iter().any(reads) {
            return Err(self.error(span, "what one round trims the next would read: reads and trims need a step each, with a layout between them"));
        }
        let only_writes = |work: &Work| matches!(work, Work::Io(io) if is_measured(work) && io.rw.fills() && !io.rw.reads());
        if let Rounds::Steady { written_min: 1.., .. } = &rounds
            && !work.iter().any(only_writes)
        {
            return Err(self.error(span, "`written_min` counts what is written by work that does nothing else, and this step has none"));
        }
        if rounds != Rounds::Fixed(repeats) && !work.iter().any(is_measured) {
            return Err(self.error(span, "rounds without a figure have nothing to be judged by: expected `repeats` alone"));
        }
        for kernel in step.kernel {
            let (span, kernel) = (kernel.span(), kernel.into_inner());
            self.times(&span, kernel.ramp_time.0, kernel.runtime.0)?;
            let spec = KernelSpec { kernel: kernel.kernel, ramp_ms: kernel.ramp_time.0, runtime_ms: kernel.runtime.0 };
            if !seen.families.insert(format!("{:?}", spec.kernel)) {
                return Err(self.error(span, "the same kernel is measured twice: its figures would be mixed up"));
            }
            work.push(Work::Kernel(spec));
        }
        Ok(StepSpec { name: step.name.into_inner(), describe: step.describe, rounds, work })
    }

    fn rounds(&self, span: &Range<usize>, step: &StepFile) -> Result<Rounds, FileError> {
        let error = |message: String| Err(self.error(span.clone(), message));
        let valid = |count: u32| (1..=REPEATS_MAX).contains(&count);
        match (step.repeats, step.repeats_max, &step.steady) {
            (repeats, None, None) if valid(repeats.unwrap_or(1)) => Ok(Rounds::Fixed(repeats.unwrap_or(1))),
            (Some(from), Some(to), None) if from >= sequential::FEWEST && from <= to && valid(to) => Ok(Rounds::Sequential { from, to }),
            (_, Some(_), None) => {
                error(format!("expected `repeats` of at least {} beside `repeats_max`, and at most {REPEATS_MAX} of both", sequential::FEWEST))
            }
            (None, None, Some(file)) => {
                let (file, usual) = (file.get_ref(), Steady::default());
                let percent = |own: &Option<Percent>, usual| own.as_ref().map_or(usual, |Percent(own)| *own);
                let steady = Steady {
                    window: file.window.unwrap_or(usual.window),
                    excursion_percent: percent(&file.excursion, usual.excursion_percent),
                    slope_percent: percent(&file.slope, usual.slope_percent),
                };
                let to = file.rounds_max.unwrap_or(STEADY_ROUNDS);
                if !valid(to) || steady.window < 3 || steady.window > to {
                    return error(format!("expected a window of at least 3 rounds, within at most {REPEATS_MAX} rounds"));
                }
                Ok(Rounds::Steady { to, steady, of: file.of.clone(), written_min: file.written_min.map_or(0, |Times(times)| times) })
            }
            (_, _, Some(_)) => error("expected either `repeats` or [step.steady]".to_owned()),
            (_, None, None) => error(format!("expected 1 to {REPEATS_MAX} repeats")),
        }
    }

    fn times(&self, span: &Range<usize>, ramp_ms: u64, runtime_ms: u64) -> Result<(), FileError> {
        if runtime_ms == 0 || ramp_ms.saturating_add(runtime_ms) > RUNTIME_MAX_MS {
            return Err(self.error(span.clone(), "expected a runtime of more than nothing and, with ramp_time, at most 24h"));
        }
        Ok(())
    }
}

#[derive(Default)]
struct Seen {
    steps: BTreeSet<String>,
    families: BTreeSet<String>,
    io: bool,
    laid_out: bool,
    purged: bool,
}

fn is_measured(work: &Work) -> bool {
    match work {
        Work::Io(io) => io.extent.is_measured(),
        Work::Net(net) => !net.breaks(),
        Work::Ceph(_) => true,
        Work::Kernel(_) | Work::Drill(_) => false,
    }
}

fn is_name(name: &str, joint: u8) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_lowercase())
        && bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == joint)
        && name.len() <= 48
}

#[cfg(test)]
mod tests;
