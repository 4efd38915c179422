//! Operations of a scenario, in fio's words, and the job of the bench that they are.

use std::ops::Range;
use std::time::Duration;

use assay_bench::{Access, Arrivals, BlockSizes, Distribution, Extent as JobExtent, Job, Load, Rw, Span};
use assay_model::source::FileError;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{Check, Seen};
use crate::quantity::{Millis, Percent, Size};

/// Operations on the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IoSpec {
    /// Name of the engine.
    pub engine: String,
    /// What the operations do.
    pub rw: Rw,
    /// Bytes of one operation; of the largest, when there are several sizes.
    pub bs: u64,
    /// Several block sizes with their percents, `4k/60:64k/40`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bssplit: Option<String>,
    /// Of 100 operations of a mixed pattern, how many are reads; 50 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rwmixread: Option<u8>,
    /// How random operations are spread: `zipf:1.2`, `pareto:0.2`; evenly without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub random_distribution: Option<String>,
    /// Operations in flight of each lane, at most.
    pub iodepth: u32,
    /// Lanes: threads, each with a ring of its own; 1 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub numjobs: Option<u32>,
    /// A flush after so many writes; never without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fsync: Option<u32>,
    /// Whether each write must be on the medium before it is complete.
    #[serde(default, skip_serializing_if = "is_false")]
    pub fua: bool,
    /// How much of the payload compresses away, percent; nothing without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buffer_compress_percentage: Option<u8>,
    /// Whether completions are polled for at the device (IOPOLL).
    #[serde(default, skip_serializing_if = "is_false")]
    pub hipri: bool,
    /// Whether a thread of the kernel polls for submissions (SQPOLL).
    #[serde(default, skip_serializing_if = "is_false")]
    pub sqthread_poll: bool,
    /// How often operations begin; none when each begins as another is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// On which of several targets.
    #[serde(default, skip_serializing_if = "Targets::is_each")]
    pub targets: Targets,
    /// How much of it.
    pub extent: Extent,
}

/// On which of several targets operations work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Targets {
    /// On one after the other; figures of each.
    #[default]
    Each,
    /// On all at once; figures of all together.
    All,
    /// At once on all of one NUMA node, one node after the other; figures of each node.
    Node,
}

impl Targets {
    fn is_each(&self) -> bool {
        *self == Targets::Each
    }
}

/// An open loop: operations begin by a clock of their own, and their latency counts from when they were due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Operations per second.
    pub per_second: u32,
    /// How they follow one another.
    pub arrivals: Arrivals,
}

/// How much an [`IoSpec`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Extent {
    /// Every block of the target once: layout, purge or verification, not measured.
    Whole,
    /// Pseudo-random preconditioning, not measured: random writes of about one physical capacity.
    Sprandom {
        /// Physical capacity beyond the shown one, percent of the shown one.
        over_provisioning: u32,
    },
    /// For a time, and measured.
    Timed {
        /// Milliseconds that are not measured.
        ramp_ms: u64,
        /// Milliseconds that are.
        runtime_ms: u64,
        /// Most bytes that are moved by a repeat that writes; every write has this bound.
        io_size: Option<u64>,
    },
}

impl Extent {
    /// Whether it is measured.
    pub fn is_measured(self) -> bool {
        match self {
            Extent::Whole | Extent::Sprandom { .. } => false,
            Extent::Timed { .. } => true,
        }
    }
}

fn is_false(flag: &bool) -> bool {
    !*flag
}

impl IoSpec {
    /// Operations without further words.
    pub fn new(engine: &str, rw: Rw, bs: u64, iodepth: u32, extent: Extent) -> Self {
        Self {
            engine: engine.to_owned(),
            rw,
            bs,
            bssplit: None,
            rwmixread: None,
            random_distribution: None,
            iodepth,
            numjobs: None,
            fsync: None,
            fua: false,
            buffer_compress_percentage: None,
            hipri: false,
            sqthread_poll: false,
            rate: None,
            targets: Targets::Each,
            extent,
        }
    }

    /// Lanes on each target.
    pub fn lanes(&self) -> u32 {
        self.numjobs.unwrap_or(1)
    }

    /// How operations reach the target.
    pub fn access(&self) -> Access {
        let Self { hipri, sqthread_poll, .. } = *self;
        Access { numjobs: self.lanes(), hipri, sqthread_poll, passthrough: self.engine == PASSTHROUGH }
    }

    /// What the bench is asked to do on `span` of one target; the message says which word has no meaning.
    pub fn job(&self, span: Span) -> Result<Job, String> {
        let sizes: BlockSizes = match &self.bssplit {
            Some(split) => split.parse()?,
            None => u32::try_from(self.bs).map_err(|_| format!("blocks of {} bytes are too large", self.bs))?.into(),
        };
        let (ramp_time, extent, io_size) = match self.extent {
            Extent::Whole => (Duration::ZERO, JobExtent::WholeSpan, None),
            Extent::Sprandom { over_provisioning } => (Duration::ZERO, JobExtent::Sprandom { over_provisioning }, None),
            Extent::Timed { ramp_ms, runtime_ms, io_size } => {
                (Duration::from_millis(ramp_ms), JobExtent::Runtime(Duration::from_millis(runtime_ms)), io_size)
            }
        };
        let load = self.rate.map_or(Load::Closed, |Rate { per_second: rate, arrivals }| Load::Open { rate, arrivals });
        let distribution = self.random_distribution.as_deref().map_or(Ok(Distribution::Uniform), str::parse)?;
        let job = Job {
            ramp_time,
            load,
            extent,
            io_size,
            rwmixread: self.rwmixread.unwrap_or(50),
            distribution,
            fsync: self.fsync.unwrap_or(0),
            fua: self.fua,
            compress_percentage: self.buffer_compress_percentage.unwrap_or(0),
            ..Job::new(self.rw, sizes, self.iodepth, span)
        };
        job.fault().map_or(Ok(job), Err)
    }

    /// The metric family: `storage.randread_4k_qd32`, with whatever else sets it apart: `storage.randrw70_4k_qd32_zipf1_2_j4`.
    pub fn family(&self) -> String {
        let area = if self.engine == "null" { "harness.null" } else { "storage" };
        let separator = if self.engine == "null" { "_" } else { "." };
        let nominal = Span { start: 0, bytes: u64::MAX >> 1 };
        // What is not a job does not load, and has no family that anyone sees.
        let job = self.job(nominal).map_or_else(|why| why, |job| job.family());
        let job = if self.engine == "null" { job.split_once('_').map_or_else(|| job.clone(), |(_, rest)| rest.to_owned()) } else { job };
        let lanes = self.numjobs.map(|lanes| format!("_j{lanes}")).unwrap_or_default();
        let hipri = if self.hipri { "_hipri" } else { "" };
        let polled = if self.sqthread_poll { "_sqpoll" } else { "" };
        let commands = if self.engine == PASSTHROUGH { "_cmd" } else { "" };
        format!("{area}{separator}{job}{lanes}{hipri}{polled}{commands}")
    }

    /// Bytes that it writes or trims at most, on one target of `target_bytes`.
    pub fn written(&self, target_bytes: u64) -> u64 {
        if !self.rw.writes() || self.engine == "null" {
            return 0;
        }
        match self.extent {
            Extent::Whole => target_bytes,
            // Of the stream's own count, rounded up: it is a little less than the physical capacity.
            Extent::Sprandom { over_provisioning } => target_bytes.saturating_add(target_bytes / 100 * u64::from(over_provisioning)),
            Extent::Timed { io_size, .. } => io_size.expect("a scenario does not load with a timed write that has no bound"),
        }
    }

    /// Whether every block of the target has content of ours afterwards.
    pub fn lays_out(&self) -> bool {
        match self.extent {
            Extent::Whole => self.rw == Rw::Write,
            Extent::Sprandom { .. } => true,
            Extent::Timed { .. } => false,
        }
    }

    /// The smallest block.
    pub fn smallest(&self) -> u64 {
        self.bssplit.as_deref().and_then(|split| split.parse::<BlockSizes>().ok()).map_or(self.bs, |sizes| sizes.smallest().into())
    }
}

/// The engine whose operations are NVMe commands.
const PASSTHROUGH: &str = "uring_cmd";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IoFile {
    engine: String,
    rw: Rw,
    bs: Option<Size>,
    bssplit: Option<String>,
    rwmixread: Option<u8>,
    random_distribution: Option<String>,
    iodepth: u32,
    numjobs: Option<u32>,
    fsync: Option<u32>,
    #[serde(default)]
    fua: bool,
    buffer_compress_percentage: Option<u8>,
    #[serde(default)]
    hipri: bool,
    #[serde(default)]
    sqthread_poll: bool,
    rate: Option<u32>,
    arrivals: Option<Arrivals>,
    #[serde(default)]
    targets: Targets,
    #[serde(default)]
    whole: bool,
    sprandom: Option<Percent>,
    ramp_time: Option<Millis>,
    runtime: Option<Millis>,
    io_size: Option<Size>,
}

const IODEPTH_MAX: u32 = 1024;
const NUMJOBS_MAX: u32 = 256;
const RATE_MAX: u32 = 10_000_000;
const BS_MAX: u64 = 16 << 20;

impl Check<'_> {
    pub(super) fn io(&self, io: Spanned<IoFile>, target: Option<u64>, repeats: u32, seen: &mut Seen) -> Result<IoSpec, FileError> {
        let (span, io) = (io.span(), io.into_inner());
        let error = |message: String| Err(self.error(span.clone(), message));
        let Some(target) = target else { return error("expected a [target] for [[step.io]]".to_owned()) };
        if !self.engines.contains(&io.engine.as_str()) {
            return error(format!("unknown engine `{}`; expected one of: {}", io.engine, self.engines.join(", ")));
        }
        let bs = match (&io.bs, &io.bssplit) {
            (Some(Size(bs)), None) if !bs.is_power_of_two() || !(512..=BS_MAX).contains(bs) || !target.is_multiple_of(*bs) => {
                return error("expected `bs` to be a power of two from 512B to 16MiB that divides the size of the target".to_owned());
            }
            (Some(Size(bs)), None) => *bs,
            (None, Some(split)) => match split.parse::<BlockSizes>() {
                Ok(sizes) => u64::from(sizes.largest()),
                Err(why) => return error(format!("expected `bssplit` as \"4k/60:64k/40\": {why}")),
            },
            (Some(_), Some(_)) | (None, None) => return error("expected either `bs` or `bssplit`".to_owned()),
        };
        if io.iodepth == 0 || io.iodepth > IODEPTH_MAX {
            return error(format!("expected an iodepth from 1 to {IODEPTH_MAX}"));
        }
        if io.numjobs.is_some_and(|lanes| lanes == 0 || lanes > NUMJOBS_MAX) {
            return error(format!("expected 1 to {NUMJOBS_MAX} numjobs"));
        }
        let rate = match (io.rate, io.arrivals) {
            (None, None) => None,
            (None, Some(_)) => return error("expected `rate` beside `arrivals`: the operations per second".to_owned()),
            (Some(per_second), _) if per_second == 0 || per_second > RATE_MAX || io.engine == "null" => {
                return error(format!("expected a rate from 1 to {RATE_MAX} operations per second, of an engine with a target"));
            }
            (Some(per_second), arrivals) => Some(Rate { per_second, arrivals: arrivals.unwrap_or_default() }),
        };
        let extent = self.extent(&span, &io, repeats)?;
        let is_plain = !io.hipri && !io.sqthread_poll && io.numjobs.is_none() && io.targets == Targets::Each;
        if io.engine == "null" && !is_plain {
            return error("the null engine has one lane, no target and nothing to poll".to_owned());
        }
        if io.hipri && io.engine != PASSTHROUGH && (io.fsync.is_some() || io.rw == Rw::Trim || io.rw == Rw::RandTrim) {
            return error("completions of flushes and trims cannot be polled for: no `hipri`, or engine = \"uring_cmd\"".to_owned());
        }
        let mixes = io.rw == Rw::ReadWrite || io.rw == Rw::RandRw;
        if io.rwmixread.is_some() && !mixes {
            return error("`rwmixread` means something for rw and randrw only".to_owned());
        }
        if io.random_distribution.is_some() && !io.rw.is_random() {
            return error("`random_distribution` means something for random operations only".to_owned());
        }
        let spec = IoSpec {
            engine: io.engine,
            rw: io.rw,
            bs,
            bssplit: io.bssplit,
            rwmixread: io.rwmixread,
            random_distribution: io.random_distribution,
            iodepth: io.iodepth,
            numjobs: io.numjobs.filter(|lanes| *lanes > 1),
            fsync: io.fsync.filter(|every| *every > 0),
            fua: io.fua,
            buffer_compress_percentage: io.buffer_compress_percentage.filter(|percent| *percent > 0),
            hipri: io.hipri,
            sqthread_poll: io.sqthread_poll,
            rate,
            targets: io.targets,
            extent,
        };
        let part = if spec.engine == "null" { u64::MAX >> 1 } else { target };
        if let Err(why) = spec.job(Span { start: 0, bytes: part }) {
            return error(why);
        }
        // What was never written has nothing to be compared with, and file systems and drives answer it without reading.
        let purges = spec.rw == Rw::Trim && extent == Extent::Whole;
        let needs_content = spec.engine != "null" && !spec.lays_out() && !purges;
        if needs_content && !seen.laid_out {
            return error("expected the target to be laid out before: a step with `rw = \"write\"` and `whole = true`, or `sprandom`".to_owned());
        }
        seen.io = true;
        if spec.engine != "null" {
            seen.laid_out = !purges;
        }
        if extent.is_measured() && !seen.families.insert(format!("{} on {:?}", spec.family(), spec.targets)) {
            return error(format!("{} is measured twice: its figures would be mixed up", spec.family()));
        }
        Ok(spec)
    }

    fn extent(&self, span: &Range<usize>, io: &IoFile, repeats: u32) -> Result<Extent, FileError> {
        let error = |message: &str| Err(self.error(span.clone(), message));
        let is_bare = io.ramp_time.is_none() && io.io_size.is_none() && io.rate.is_none();
        match (io.whole, io.sprandom, io.runtime) {
            (true, None, None) if is_bare && !io.rw.is_random() && (repeats == 1 || io.rw == Rw::Write) => Ok(Extent::Whole),
            (true, _, _) => {
                error("`whole` is one sequential pass: no ramp_time, runtime, io_size or rate, no random order, and repeats of writes only")
            }
            (false, Some(Percent(over_provisioning)), None) if is_bare => Ok(Extent::Sprandom { over_provisioning }),
            (false, Some(_), _) => error("`sprandom` is one pass of random writes: no ramp_time, runtime, io_size or rate"),
            (false, None, None) => error("expected `runtime`, or `whole = true`, or `sprandom = \"7%\"`"),
            (false, None, Some(runtime)) => {
                let ramp = io.ramp_time.unwrap_or_default().0;
                self.times(span, ramp, runtime.0)?;
                if io.rw.writes() != io.io_size.is_some() {
                    return error("expected `io_size` where anything is written, and only there: the most bytes that one repeat may move");
                }
                Ok(Extent::Timed { ramp_ms: ramp, runtime_ms: runtime.0, io_size: io.io_size.map(|size| size.0) })
            }
        }
    }
}
