//! What a job came to: every latency in a histogram (0.1 %, 64 s), throughput per 100 ms, failures by error, corruption by kind.

use std::time::{Duration, Instant};

use assay_model::run::Verification;
use hdrhistogram::Histogram;

use crate::stamp::Corruption;

/// Longest latency that is told apart from longer ones.
const LATENCY_MAX: u64 = 64_000_000_000;
/// Three significant digits: an error of at most 0.1 %.
const DIGITS: u8 = 3;
/// Width of one point of the series.
const TICK: Duration = Duration::from_millis(100);
/// Offsets of wrong content that are kept for people.
const OFFSETS_KEPT: usize = 8;

/// Processor time of the measuring thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cpu {
    /// In user mode, ns.
    pub user_ns: u64,
    /// In the kernel, ns.
    pub system_ns: u64,
}

/// The outcome of one job.
#[derive(Debug, Clone)]
pub struct JobResult {
    /// Operations completed while measuring.
    pub operations: u64,
    /// Bytes that they moved.
    pub bytes: u64,
    /// How long was measured.
    pub elapsed: Duration,
    /// Latency of each of them, ns.
    pub histogram: Histogram<u64>,
    /// `(seconds since measuring began, operations per second)`.
    pub series: Vec<(f64, f64)>,
    /// Operations, verified ones, failures and wrong content, the ramp included.
    pub verification: Verification,
    /// First offsets of wrong content.
    pub corrupt_offsets: Vec<(Corruption, u64)>,
    /// Processor time while measuring.
    pub cpu: Cpu,
    /// Whether it was told to stop before it was over.
    pub stopped: bool,
}

impl JobResult {
    /// Operations per second; NaN when nothing was measured.
    pub fn iops(&self) -> f64 {
        per_second(self.operations, self.elapsed)
    }

    /// Bytes per second; NaN when nothing was measured.
    pub fn bandwidth(&self) -> f64 {
        per_second(self.bytes, self.elapsed)
    }
}

fn per_second(count: u64, elapsed: Duration) -> f64 {
    if count == 0 || elapsed.is_zero() {
        return f64::NAN;
    }
    float(count) / elapsed.as_secs_f64()
}

pub(super) struct Recorder {
    bs: u64,
    histogram: Histogram<u64>,
    // Completions of one batch mostly share their latency: they are recorded together.
    latency: u64,
    repeated: u64,
    measured: u64,
    started: Option<(Instant, Cpu)>,
    elapsed: Duration,
    cpu: Cpu,
    tick_end: Option<Instant>,
    tick_count: u64,
    series: Vec<(f64, f64)>,
    verification: Verification,
    corrupt_offsets: Vec<(Corruption, u64)>,
    stopped: bool,
}

impl Recorder {
    pub(super) fn new(bs: u32) -> Self {
        Self {
            bs: u64::from(bs),
            histogram: Histogram::new_with_bounds(1, LATENCY_MAX, DIGITS).expect("valid bounds"),
            latency: 0,
            repeated: 0,
            measured: 0,
            started: None,
            elapsed: Duration::ZERO,
            cpu: Cpu::default(),
            tick_end: None,
            tick_count: 0,
            series: Vec::new(),
            verification: Verification::default(),
            corrupt_offsets: Vec::new(),
            stopped: false,
        }
    }

    pub(super) fn start(&mut self, now: Instant, cpu: Cpu) {
        self.started = Some((now, cpu));
        self.tick_end = Some(now + TICK);
    }

    pub(super) fn stop(&mut self, now: Instant, cpu: Cpu) {
        if let Some((start, before)) = self.started {
            self.elapsed = now.duration_since(start);
            self.cpu = Cpu { user_ns: cpu.user_ns.saturating_sub(before.user_ns), system_ns: cpu.system_ns.saturating_sub(before.system_ns) };
        }
        self.stopped = true;
    }

    /// The last operations of a pass over the whole span belong to it.
    pub(super) fn extend(&mut self, now: Instant) {
        if let Some((start, _)) = self.started {
            self.elapsed = now.duration_since(start);
        }
        self.stopped = false;
    }

    pub(super) fn operations(&self) -> u64 {
        self.verification.operations
    }

    pub(super) fn operation(&mut self, now: Instant, since: Instant) {
        self.verification.operations += 1;
        if self.started.is_none() || self.stopped {
            return;
        }
        self.measured += 1;
        let latency = u64::try_from(now.duration_since(since).as_nanos()).unwrap_or(LATENCY_MAX);
        if latency == self.latency {
            self.repeated += 1;
        } else {
            self.flush();
            self.latency = latency;
            self.repeated = 1;
        }
        self.tick(now);
    }

    pub(super) fn flush(&mut self) {
        if self.repeated > 0 {
            self.histogram.saturating_record_n(self.latency.max(1), self.repeated);
            self.repeated = 0;
        }
    }

    fn tick(&mut self, now: Instant) {
        let (Some(end), Some((start, _))) = (self.tick_end, self.started) else { return };
        if now < end {
            self.tick_count += 1;
            return;
        }
        // A stall longer than one tick shows as one long low point, not as a gap.
        let begin = end.checked_sub(TICK).unwrap_or(start);
        let width = now.duration_since(begin).as_secs_f64();
        self.series.push((now.duration_since(start).as_secs_f64(), float(self.tick_count) / width));
        self.tick_count = 1;
        self.tick_end = Some(now + TICK);
    }

    pub(super) fn verified(&mut self) {
        self.verification.verified += 1;
    }

    pub(super) fn failed(&mut self, why: String) {
        *self.verification.failed.entry(why).or_insert(0) += 1;
    }

    pub(super) fn corrupt(&mut self, corruption: Corruption, offset: u64) {
        *self.verification.corrupt.entry(corruption.name().to_owned()).or_insert(0) += 1;
        if self.corrupt_offsets.len() < OFFSETS_KEPT {
            self.corrupt_offsets.push((corruption, offset));
        }
    }

    pub(super) fn finish(mut self, stopped: bool) -> JobResult {
        self.flush();
        JobResult {
            operations: self.measured,
            bytes: self.measured * self.bs,
            elapsed: self.elapsed,
            histogram: self.histogram,
            series: self.series,
            verification: std::mem::take(&mut self.verification),
            corrupt_offsets: self.corrupt_offsets,
            cpu: self.cpu,
            stopped,
        }
    }
}

fn float(count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "counts of one job are far below 2^53")]
    let float = count as f64;
    float
}
