//! Operations of a scenario, in fio's words, and the job of the bench that they are.

use std::marker::PhantomData;
use std::ops::Range;
use std::time::Duration;

use assay_bench::{Access, Arrivals, BlockSizes, Distribution, Extent as JobExtent, Job, Load, Rw, Span};
use assay_model::knee;
use assay_model::source::FileError;
use serde::de::{self, IntoDeserializer as _, SeqAccess, Visitor};
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
    /// A word that tells its figures from those of the same operations elsewhere in the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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
    /// The highest rate is sought that holds a latency, instead of one that is given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub knee: Option<KneeSpec>,
    /// How a pass of trims purges the drive; by trims without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge: Option<Purge>,
    /// On which of several targets.
    #[serde(default, skip_serializing_if = "Targets::is_each")]
    pub targets: Targets,
    /// How much of it.
    pub extent: Extent,
}

/// A purge that one command does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purge {
    /// Format NVM with erasure of the user data, of the drive's whole namespace.
    Format,
    /// Sanitize by block erase, else by crypto erase, of the whole drive.
    Sanitize,
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

/// The search for the highest rate at which the 99th percentile of the latency keeps a bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct KneeSpec {
    /// The bound, milliseconds.
    pub p99_ms: u64,
    /// The rates between which it is sought.
    pub range: knee::Range,
    /// How operations follow one another.
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
            name: None,
            iodepth,
            numjobs: None,
            fsync: None,
            fua: false,
            buffer_compress_percentage: None,
            hipri: false,
            sqthread_poll: false,
            rate: None,
            knee: None,
            purge: None,
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
        Access { numjobs: self.lanes(), hipri, sqthread_poll, passthrough: self.engine == PASSTHROUGH, image: self.is_on_an_image() }
    }

    /// Whether the target is an image of a Ceph cluster, and not a file or a device.
    pub fn is_on_an_image(&self) -> bool {
        self.engine == IMAGES
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
        // What an image does is no figure of a drive, and held against none of its limits.
        let area = match self.engine.as_str() {
            "null" => "harness.null",
            IMAGES => "rbd",
            _ => "storage",
        };
        let separator = if self.engine == "null" { "_" } else { "." };
        let nominal = Span { start: 0, bytes: u64::MAX >> 1 };
        // What is not a job does not load, and has no family that anyone sees.
        let job = self.job(nominal).map_or_else(|why| why, |job| job.family());
        let job = if self.engine == "null" { job.split_once('_').map_or_else(|| job.clone(), |(_, rest)| rest.to_owned()) } else { job };
        let lanes = self.numjobs.map(|lanes| format!("_j{lanes}")).unwrap_or_default();
        let hipri = if self.hipri { "_hipri" } else { "" };
        let polled = if self.sqthread_poll { "_sqpoll" } else { "" };
        let commands = if self.engine == PASSTHROUGH { "_cmd" } else { "" };
        let purge = match self.purge {
            None => "",
            Some(Purge::Format) => "_format",
            Some(Purge::Sanitize) => "_sanitize",
        };
        let name = self.name.as_ref().map(|name| format!("_{name}")).unwrap_or_default();
        let knee = self.knee.map(|knee| format!("_knee{}ms", knee.p99_ms)).unwrap_or_default();
        format!("{area}{separator}{job}{lanes}{hipri}{polled}{commands}{purge}{knee}{name}")
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
            Extent::Timed { io_size, .. } => {
                let once = io_size.expect("a scenario does not load with a timed write that has no bound");
                once.saturating_mul(self.knee.map_or(1, |_| knee::Search::tries().into()))
            }
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
/// The engine that works on images of a Ceph cluster.
const IMAGES: &str = "rbd";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IoFile {
    engine: String,
    name: Option<String>,
    rw: Rw,
    #[serde(default)]
    bs: Several<Size>,
    bssplit: Option<String>,
    #[serde(default)]
    rwmixread: Several<u8>,
    random_distribution: Option<String>,
    #[serde(default)]
    iodepth: Several<u32>,
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
    knee: Option<KneeFile>,
    arrivals: Option<Arrivals>,
    purge: Option<Purge>,
    #[serde(default)]
    targets: Targets,
    #[serde(default)]
    whole: bool,
    sprandom: Option<Percent>,
    ramp_time: Option<Millis>,
    runtime: Option<Millis>,
    io_size: Option<Size>,
}

/// None, one, or a list of values: a matrix has the work of every combination, in the order of the lists.
#[derive(Debug, Clone)]
struct Several<T>(Vec<T>);

impl<T> Default for Several<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Several<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrMore(PhantomData)).map(Self)
    }
}

// By hand, because an untagged enum forgets what its variants have to say about a value that they do not take.
struct OneOrMore<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrMore<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value or a list of values")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
        T::deserialize(text.into_deserializer()).map(|value| vec![value])
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Vec<T>, E> {
        T::deserialize(number.into_deserializer()).map(|value| vec![value])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(values)
    }
}

impl<T: Copy> Several<T> {
    /// Each of them, or once nothing.
    fn each(&self) -> Vec<Option<T>> {
        if self.0.is_empty() { vec![None] } else { self.0.iter().copied().map(Some).collect() }
    }
}

/// One combination of a matrix.
#[derive(Clone, Copy)]
struct Point {
    bs: Option<Size>,
    rwmixread: Option<u8>,
    iodepth: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KneeFile {
    p99: Millis,
    from: u32,
    to: u32,
}

const IODEPTH_MAX: u32 = 1024;
const MATRIX_MAX: usize = 256;
const NUMJOBS_MAX: u32 = 256;
const RATE_MAX: u32 = 10_000_000;
const BS_MAX: u64 = 16 << 20;

impl Check<'_> {
    pub(super) fn io(&self, io: Spanned<IoFile>, target: Option<u64>, repeats: u32, seen: &mut Seen) -> Result<Vec<IoSpec>, FileError> {
        let (span, io) = (io.span(), io.into_inner());
        let mut points = Vec::new();
        for rwmixread in io.rwmixread.each() {
            for bs in io.bs.each() {
                points.extend(io.iodepth.0.iter().map(|iodepth| Point { bs, rwmixread, iodepth: *iodepth }));
            }
        }
        if points.is_empty() || points.len() > MATRIX_MAX {
            return Err(self.error(span, format!("expected an iodepth, and at most {MATRIX_MAX} combinations of bs, rwmixread and iodepth")));
        }
        points.into_iter().map(|point| self.point(&span, &io, point, target, repeats, seen)).collect()
    }

    fn point(
        &self,
        span: &Range<usize>,
        io: &IoFile,
        Point { bs, rwmixread, iodepth }: Point,
        target: Option<u64>,
        repeats: u32,
        seen: &mut Seen,
    ) -> Result<IoSpec, FileError> {
        let error = |message: String| Err(self.error(span.clone(), message));
        let Some(target) = target else { return error("expected a [target] for [[step.io]]".to_owned()) };
        if !self.engines.contains(&io.engine.as_str()) {
            return error(format!("unknown engine `{}`; expected one of: {}", io.engine, self.engines.join(", ")));
        }
        let bs = match (bs, &io.bssplit) {
            (Some(Size(bs)), None) if !bs.is_power_of_two() || !(512..=BS_MAX).contains(&bs) || !target.is_multiple_of(bs) => {
                return error("expected `bs` to be a power of two from 512B to 16MiB that divides the size of the target".to_owned());
            }
            (Some(Size(bs)), None) => bs,
            (None, Some(split)) => match split.parse::<BlockSizes>() {
                Ok(sizes) => u64::from(sizes.largest()),
                Err(why) => return error(format!("expected `bssplit` as \"4k/60:64k/40\": {why}")),
            },
            (Some(_), Some(_)) | (None, None) => return error("expected either `bs` or `bssplit`".to_owned()),
        };
        if iodepth == 0 || iodepth > IODEPTH_MAX {
            return error(format!("expected an iodepth from 1 to {IODEPTH_MAX}"));
        }
        if io.numjobs.is_some_and(|lanes| lanes == 0 || lanes > NUMJOBS_MAX) {
            return error(format!("expected 1 to {NUMJOBS_MAX} numjobs"));
        }
        let knee = match (&io.knee, io.rate) {
            (None, _) => None,
            (Some(KneeFile { p99: Millis(p99_ms), from, to }), None) => {
                if *p99_ms == 0 || *from == 0 || from > to || *to > RATE_MAX || io.engine == "null" {
                    return error(format!("expected `knee` as {{ p99 = \"2ms\", from = 1000, to = 500000 }}, rates of at most {RATE_MAX}"));
                }
                Some(KneeSpec { p99_ms: *p99_ms, range: knee::Range { from: *from, to: *to }, arrivals: io.arrivals.unwrap_or_default() })
            }
            (Some(_), Some(_)) => return error("expected either `rate` or `knee`".to_owned()),
        };
        let rate = match (io.rate, io.arrivals) {
            (None, _) if knee.is_some() => None,
            (None, None) => None,
            (None, Some(_)) => return error("expected `rate` beside `arrivals`: the operations per second".to_owned()),
            (Some(per_second), _) if per_second == 0 || per_second > RATE_MAX || io.engine == "null" => {
                return error(format!("expected a rate from 1 to {RATE_MAX} operations per second, of an engine with a target"));
            }
            (Some(per_second), arrivals) => Some(Rate { per_second, arrivals: arrivals.unwrap_or_default() }),
        };
        if let Some(name) = io.name.as_ref().filter(|name| !super::is_name(name, b'_')) {
            return error(format!("the name `{name}` is none; expected {}", super::STEP_NAME));
        }
        let extent = self.extent(span, io, repeats)?;
        let is_plain = !io.hipri && !io.sqthread_poll && io.numjobs.is_none() && io.targets == Targets::Each;
        if io.engine == "null" && !is_plain {
            return error("the null engine has one lane, no target and nothing to poll".to_owned());
        }
        if io.engine == IMAGES && (io.hipri || io.sqthread_poll) {
            return error("librbd tells of completions by itself: no `hipri` and no `sqthread_poll`".to_owned());
        }
        if io.hipri && io.engine != PASSTHROUGH && (io.fsync.is_some() || io.rw == Rw::Trim || io.rw == Rw::RandTrim) {
            return error("completions of flushes and trims cannot be polled for: no `hipri`, or engine = \"uring_cmd\"".to_owned());
        }
        let mixes = io.rw == Rw::ReadWrite || io.rw == Rw::RandRw;
        if rwmixread.is_some() && !mixes {
            return error("`rwmixread` means something for rw and randrw only".to_owned());
        }
        if io.random_distribution.is_some() && !io.rw.is_random() {
            return error("`random_distribution` means something for random operations only".to_owned());
        }
        let spec = IoSpec {
            engine: io.engine.clone(),
            rw: io.rw,
            bs,
            bssplit: io.bssplit.clone(),
            rwmixread,
            random_distribution: io.random_distribution.clone(),
            name: io.name.clone(),
            iodepth,
            numjobs: io.numjobs.filter(|lanes| *lanes > 1),
            fsync: io.fsync.filter(|every| *every > 0),
            fua: io.fua,
            buffer_compress_percentage: io.buffer_compress_percentage.filter(|percent| *percent > 0),
            hipri: io.hipri,
            sqthread_poll: io.sqthread_poll,
            rate,
            knee,
            purge: io.purge,
            targets: io.targets,
            extent,
        };
        let part = if spec.engine == "null" { u64::MAX >> 1 } else { target };
        if let Err(why) = spec.job(Span { start: 0, bytes: part }) {
            return error(why);
        }
        // What was never written has nothing to be compared with, and file systems and drives answer it without reading.
        let purges = spec.rw == Rw::Trim && extent == Extent::Whole;
        if spec.purge.is_some() && !(purges && spec.engine == PASSTHROUGH && spec.lanes() == 1) {
            return error("`purge` is one NVMe command for the whole drive: rw = \"trim\", whole = true, engine = \"uring_cmd\"".to_owned());
        }
        // A purged drive is written to as it is: that it is empty is what such a test is about. A file has no blocks before it is written.
        let fills_a_purged_one = seen.purged && spec.rw.fills() && !spec.rw.reads();
        let needs_content = spec.engine != "null" && !spec.lays_out() && !purges && !fills_a_purged_one;
        if needs_content && !seen.laid_out {
            return error("expected the target to be laid out before: a step with `rw = \"write\"` and `whole = true`, or `sprandom`".to_owned());
        }
        seen.io = true;
        if spec.engine != "null" {
            seen.purged = purges || (seen.purged && !spec.lays_out());
            // Whatever was trimmed is answered without being read, and can be compared with nothing.
            let trims = !spec.rw.fills() && !spec.rw.reads();
            seen.laid_out = !trims && (seen.laid_out || spec.lays_out());
        }
        if extent.is_measured() && !seen.families.insert(format!("{} on {:?}", spec.family(), spec.targets)) {
            return error(format!("{} is measured twice: its figures would be mixed up", spec.family()));
        }
        Ok(spec)
    }

    fn extent(&self, span: &Range<usize>, io: &IoFile, repeats: u32) -> Result<Extent, FileError> {
        let error = |message: &str| Err(self.error(span.clone(), message));
        let is_bare = io.ramp_time.is_none() && io.io_size.is_none() && io.rate.is_none() && io.knee.is_none();
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
