//! What a driver is asked to do, in fio's words: rw, bs, iodepth, ramp_time, runtime, io_size.

use std::time::Duration;

/// The pattern of operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rw {
    /// Sequential reads.
    Read,
    /// Sequential writes.
    Write,
    /// Reads at random places.
    RandRead,
    /// Writes at random places.
    RandWrite,
}

impl Rw {
    /// fio's word.
    pub fn name(self) -> &'static str {
        match self {
            Rw::Read => "read",
            Rw::Write => "write",
            Rw::RandRead => "randread",
            Rw::RandWrite => "randwrite",
        }
    }

    /// Whether it changes the target.
    pub fn writes(self) -> bool {
        match self {
            Rw::Write | Rw::RandWrite => true,
            Rw::Read | Rw::RandRead => false,
        }
    }

    /// Whether offsets are drawn at random.
    pub fn is_random(self) -> bool {
        match self {
            Rw::RandRead | Rw::RandWrite => true,
            Rw::Read | Rw::Write => false,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrivals {
    /// Independently, as those of many users do.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    /// The pattern.
    pub rw: Rw,
    /// Bytes per operation.
    pub bs: u32,
    /// Operations in flight.
    pub iodepth: u32,
    /// Time before recording begins.
    pub ramp_time: Duration,
    /// When operations begin.
    pub load: Load,
    /// When it is over.
    pub extent: Extent,
    /// Bytes after which it is over earlier, the ramp included: bounds what a write job costs in endurance.
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
}

impl Job {
    /// The metric family that it measures: `randread_4k_qd32`, with `_r1000` at a rate of its own.
    pub fn family(&self) -> String {
        let rate = match self.load {
            Load::Closed => String::new(),
            Load::Open { rate, .. } => format!("_r{rate}"),
        };
        format!("{}_{}_qd{}{rate}", self.rw.name(), block_size(self.bs), self.iodepth)
    }

    /// The fio command that repeats it on `target`, with latency accounting and without verification, as fio runs best.
    pub fn fio(&self, target: &str) -> String {
        let extent = match self.extent {
            Extent::Runtime(runtime) => format!("--time_based --ramp_time={}ms --runtime={}ms", self.ramp_time.as_millis(), runtime.as_millis()),
            Extent::WholeSpan => String::new(),
        };
        let random = if self.rw.is_random() { " --norandommap" } else { "" };
        let load = match self.load {
            Load::Closed => String::new(),
            Load::Open { rate, arrivals: Arrivals::Poisson } => format!(" --rate_iops={rate} --rate_process=poisson"),
            Load::Open { rate, arrivals: Arrivals::Constant } => format!(" --rate_iops={rate}"),
        };
        let io_size = self.io_size.map(|bytes| format!(" --io_size={bytes}")).unwrap_or_default();
        format!(
            "fio --name={} --filename={target} --ioengine=io_uring --direct=1 --fixedbufs=1 --registerfiles=1 --rw={} --bs={} --iodepth={} --offset={} --size={}{random}{load} {extent}{io_size}",
            self.family(),
            self.rw.name(),
            self.bs,
            self.iodepth,
            self.span.start,
            self.span.bytes,
        )
        .trim_end()
        .to_owned()
    }
}

fn block_size(bs: u32) -> String {
    match bs {
        _ if bs.is_multiple_of(1 << 20) => format!("{}m", bs >> 20),
        _ if bs.is_multiple_of(1 << 10) => format!("{}k", bs >> 10),
        _ => bs.to_string(),
    }
}
