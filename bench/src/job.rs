//! What a driver is asked to do, in fio's words: rw, bs, iodepth, ramp_time, runtime, io_size.

use std::time::Duration;

use serde::{Deserialize, Serialize};

mod blocks;
mod distribution;
mod fault;
mod fio;

pub use blocks::{BS_MAX, BlockSizes};
pub use distribution::Distribution;

/// The pattern of operations, stored as fio's word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rw {
    /// Sequential reads.
    Read,
    /// Sequential writes.
    Write,
    /// Reads at random places.
    RandRead,
    /// Writes at random places.
    RandWrite,
    /// Sequential, reads and writes mixed by `rwmixread`.
    #[serde(rename = "rw", alias = "readwrite")]
    ReadWrite,
    /// Reads and writes mixed by `rwmixread` at random places.
    RandRw,
    /// Sequential trims (discard, deallocate).
    Trim,
    /// Trims at random places.
    RandTrim,
    /// At random places: reads a block, verifies it, and writes the same block.
    #[serde(rename = "rmw")]
    ReadModifyWrite,
}

impl Rw {
    /// All of them.
    pub const ALL: &[Self] =
        &[Rw::Read, Rw::Write, Rw::RandRead, Rw::RandWrite, Rw::ReadWrite, Rw::RandRw, Rw::Trim, Rw::RandTrim, Rw::ReadModifyWrite];

    /// fio's word; `rmw` is ours.
    pub fn name(self) -> &'static str {
        match self {
            Rw::Read => "read",
            Rw::Write => "write",
            Rw::RandRead => "randread",
            Rw::RandWrite => "randwrite",
            Rw::ReadWrite => "rw",
            Rw::RandRw => "randrw",
            Rw::Trim => "trim",
            Rw::RandTrim => "randtrim",
            Rw::ReadModifyWrite => "rmw",
        }
    }

    /// Whether it changes the target.
    pub fn writes(self) -> bool {
        match self {
            Rw::Write | Rw::RandWrite | Rw::ReadWrite | Rw::RandRw | Rw::Trim | Rw::RandTrim | Rw::ReadModifyWrite => true,
            Rw::Read | Rw::RandRead => false,
        }
    }

    /// Whether it reads anything.
    pub fn reads(self) -> bool {
        match self {
            Rw::Read | Rw::RandRead | Rw::ReadWrite | Rw::RandRw | Rw::ReadModifyWrite => true,
            Rw::Write | Rw::RandWrite | Rw::Trim | Rw::RandTrim => false,
        }
    }

    /// Whether it writes blocks, and does not only trim them.
    pub fn fills(self) -> bool {
        match self {
            Rw::Write | Rw::RandWrite | Rw::ReadWrite | Rw::RandRw | Rw::ReadModifyWrite => true,
            Rw::Read | Rw::RandRead | Rw::Trim | Rw::RandTrim => false,
        }
    }

    /// Whether `rwmixread` has a meaning for it.
    pub fn is_mixed(self) -> bool {
        match self {
            Rw::ReadWrite | Rw::RandRw => true,
            Rw::Read | Rw::Write | Rw::RandRead | Rw::RandWrite | Rw::Trim | Rw::RandTrim | Rw::ReadModifyWrite => false,
        }
    }

    /// Whether offsets are drawn at random.
    pub fn is_random(self) -> bool {
        match self {
            Rw::RandRead | Rw::RandWrite | Rw::RandRw | Rw::RandTrim | Rw::ReadModifyWrite => true,
            Rw::Read | Rw::Write | Rw::ReadWrite | Rw::Trim => false,
        }
    }
}

/// The bytes of the target that a job may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// First byte.
    pub start: u64,
    /// Number of bytes.
    pub bytes: u64,
}

/// When a job is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// After the ramp, for this long.
    Runtime(Duration),
    /// One sequential pass over all whole blocks of the span, without ramp.
    WholeSpan,
    /// Pseudo-random preconditioning, once and without ramp: random writes that leave a drive as days of them would (see [`crate::sprandom`]).
    Sprandom {
        /// Physical capacity beyond the shown one, percent of the shown one.
        over_provisioning: u32,
    },
}

impl Extent {
    /// Whether it is over when its blocks are, and every operation of it counts.
    pub fn is_pass(self) -> bool {
        match self {
            Extent::Runtime(_) => false,
            Extent::WholeSpan | Extent::Sprandom { .. } => true,
        }
    }
}

/// When operations begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Load {
    /// When another is over: as many as `iodepth` are out all the time. Says how much the target can do.
    #[default]
    Closed,
    /// By a clock of their own, with at most `iodepth` out. Latency counts from when an operation was due. Says how the target answers at that rate.
    Open {
        /// Operations per second.
        rate: u32,
        /// How they follow one another.
        arrivals: Arrivals,
    },
}

/// How operations of an open loop follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arrivals {
    /// Independently, as those of many users do.
    #[default]
    Poisson,
    /// Evenly.
    Constant,
}

/// What is done with the content of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verify {
    /// Nothing: reads are not looked at, writes carry whatever the buffers hold.
    Off,
    /// Writes are stamped, reads are compared with the stamp and with the write history, every one of them.
    Stamp,
}

/// One measured job.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// The pattern.
    pub rw: Rw,
    /// Bytes per operation.
    pub bs: BlockSizes,
    /// Operations in flight, of each lane.
    pub iodepth: u32,
    /// Time before recording begins.
    pub ramp_time: Duration,
    /// When operations begin.
    pub load: Load,
    /// When it is over.
    pub extent: Extent,
    /// Bytes read, written and trimmed after which it is over earlier, the ramp included: bounds what a write job costs in endurance.
    pub io_size: Option<u64>,
    /// Where it works.
    pub span: Span,
    /// Seed of offsets and payload; the same seed gives the same operations.
    pub seed: u64,
    /// Seed of stamps: jobs of one run share it, so that one reads what another wrote.
    pub stamp_seed: u64,
    /// What is done with the content.
    pub verify: Verify,
    /// Nothing coming back for so long is an error of the target.
    pub stall: Duration,
    /// Of 100 operations of a mixed pattern, how many are reads.
    pub rwmixread: u8,
    /// How random operations are spread over the span.
    pub distribution: Distribution,
    /// A flush after so many writes; 0 never.
    pub fsync: u32,
    /// Whether each write must be on the medium before it is complete.
    pub fua: bool,
    /// How much of the payload compresses away, percent.
    pub compress_percentage: u8,
    /// Offsets of wrong content that are kept for people, of each kind.
    pub offsets_kept: usize,
}

/// How operations reach the target: what an engine is opened with, beside the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Access {
    /// Lanes, each a thread with a ring of its own.
    pub numjobs: u32,
    /// Completions are polled for at the device (IOPOLL).
    pub hipri: bool,
    /// A thread of the kernel takes submissions (SQPOLL).
    pub sqthread_poll: bool,
    /// NVMe commands through the character device `/dev/ngXnY`, past the block layer.
    pub passthrough: bool,
    /// The target is an image of a Ceph cluster, `POOL/IMAGE`.
    pub image: bool,
}

impl Default for Access {
    fn default() -> Self {
        Self { numjobs: 1, hipri: false, sqthread_poll: false, passthrough: false, image: false }
    }
}

impl Job {
    /// A closed loop without end, ramp and verification, uniform and incompressible: the rest is said by its fields.
    pub fn new(rw: Rw, bs: impl Into<BlockSizes>, iodepth: u32, span: Span) -> Self {
        Self {
            rw,
            bs: bs.into(),
            iodepth,
            ramp_time: Duration::ZERO,
            load: Load::Closed,
            extent: Extent::Runtime(Duration::MAX),
            io_size: None,
            span,
            seed: 1,
            stamp_seed: 1,
            verify: Verify::Off,
            stall: Duration::from_secs(60),
            rwmixread: 50,
            distribution: Distribution::Uniform,
            fsync: 0,
            fua: false,
            compress_percentage: 0,
            offsets_kept: 8,
        }
    }

    /// The metric family that it measures: `randread_4k_qd32`, with what else sets it apart, `_r1000` at a rate of its own.
    pub fn family(&self) -> String {
        let mix = if self.rw.is_mixed() { self.rwmixread.to_string() } else { String::new() };
        let rate = match self.load {
            Load::Closed => String::new(),
            Load::Open { rate, .. } => format!("_r{rate}"),
        };
        let fsync = if self.fsync > 0 { format!("_fsync{}", self.fsync) } else { String::new() };
        let fua = if self.fua { "_fua" } else { "" };
        let compressible = if self.compress_percentage > 0 { format!("_compress{}", self.compress_percentage) } else { String::new() };
        let (name, bs, spread) = (self.rw.name(), self.bs.name(), self.distribution.name());
        format!("{name}{mix}_{bs}_qd{}{spread}{fsync}{fua}{compressible}{rate}", self.iodepth)
    }

    /// Whether each of several lanes works on a part of the span of its own: writes, so that none overwrites what another reads back, and sequences.
    pub fn parts_the_span(&self) -> bool {
        self.rw.writes() || !self.rw.is_random()
    }

    /// Bytes of the part of one of `lanes` lanes: whole blocks, and whole 4 KiB.
    pub fn part_of_a_lane(&self, lanes: u32) -> u64 {
        let step = u64::from(self.bs.largest().max(1)).next_multiple_of(crate::stamp::UNIT);
        self.span.bytes / u64::from(lanes.max(1)) / step * step
    }
}
