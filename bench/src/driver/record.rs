//! What a job came to: every latency in a histogram (0.1 %, 120 s), throughput per 100 ms, failures by error, corruption by kind. Judges nothing.

use std::time::{Duration, Instant};

use assay_model::run::Verification;
use hdrhistogram::Histogram;

use crate::engine::OpKind;
use crate::stamp::Corruption;

/// Longest latency that is told apart from longer ones.
const LATENCY_MAX: u64 = 120_000_000_000;
/// Three significant digits: an error of at most 0.1 %.
const DIGITS: u8 = 3;
/// Width of one point of the series, at the beginning.
const TICK: Duration = Duration::from_millis(100);
/// Points that are kept at most.
const POINTS: usize = 8192;

/// Processor time of the measuring thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cpu {
    /// In user mode, ns.
    pub user_ns: u64,
    /// In the kernel, ns.
    pub system_ns: u64,
}

/// How an open loop went.
#[derive(Debug, Clone)]
pub struct OpenLoop {
    /// Operations that were due in the measured time and had not begun at its end: the target did not keep up.
    pub backlog: u64,
    /// How long operations that could have begun when they were due began after it, ns: the harness's own share of their latency.
    pub lag: Histogram<u64>,
}

/// What operations of one direction came to.
#[derive(Debug, Clone)]
pub struct Direction {
    /// Operations completed while measuring.
    pub operations: u64,
    /// Bytes that they moved, or trimmed.
    pub bytes: u64,
    /// Latency of each of them, and of those that were still out at the end: a drive that hangs there does not lose its tail. In ns.
    pub histogram: Histogram<u64>,
}

impl Direction {
    fn none() -> Self {
        Self { operations: 0, bytes: 0, histogram: Histogram::new(DIGITS).expect("valid digits") }
    }

    /// Adds what another lane did.
    pub(super) fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        self.bytes += other.bytes;
        self.histogram.add(&other.histogram).expect("histograms of one precision, the target resizes itself");
    }
}

/// The outcome of one job.
#[derive(Debug, Clone)]
pub struct JobResult {
    /// Reads, writes and trims completed while measuring. Flushes are no operations.
    pub operations: u64,
    /// Bytes that they moved, or trimmed.
    pub bytes: u64,
    /// How long was measured.
    pub elapsed: Duration,
    /// Latency of each of them, and of those that were still out at the end: a drive that hangs there does not lose its tail. In ns.
    pub histogram: Histogram<u64>,
    /// Of these the reads.
    pub read: Direction,
    /// Of these the writes, with and without FUA.
    pub write: Direction,
    /// Of these the trims.
    pub trim: Direction,
    /// Flushes, apart.
    pub flush: Direction,
    /// `(seconds since measuring began, operations per second)`.
    pub series: Vec<(f64, f64)>,
    /// Operations, verified ones, failures and wrong content, the ramp included.
    pub verification: Verification,
    /// First offsets of wrong content of each kind.
    pub corrupt_offsets: Vec<(Corruption, u64)>,
    /// Processor time while measuring.
    pub cpu: Cpu,
    /// Share of the measured time for which its thread used a processor; of several lanes that of the busiest.
    pub cpu_share: f64,
    /// What only an open loop has.
    pub open: Option<OpenLoop>,
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

// Of one kind of operation, by number of the kind.
struct Tally {
    operations: u64,
    bytes: u64,
    // Made when it is first needed: most jobs have one kind.
    histogram: Option<Histogram<u64>>,
    // Completions of one batch mostly share their latency: they are recorded together.
    latency: u64,
    repeated: u64,
}

impl Tally {
    const NONE: Self = Self { operations: 0, bytes: 0, histogram: None, latency: 0, repeated: 0 };

    fn record(&mut self) {
        if self.repeated > 0 {
            let repeated = std::mem::take(&mut self.repeated);
            self.histogram.get_or_insert_with(histogram).saturating_record_n(self.latency.max(1), repeated);
        }
    }

    fn finish(self) -> Direction {
        let none = Direction::none();
        Direction { operations: self.operations, bytes: self.bytes, histogram: self.histogram.unwrap_or(none.histogram) }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_MAX, DIGITS).expect("valid bounds")
}

const READ: usize = 0;
const WRITE: usize = 1;
const TRIM: usize = 2;
const FLUSH: usize = 3;

fn number(kind: OpKind) -> usize {
    match kind {
        OpKind::Read => READ,
        OpKind::Write | OpKind::WriteFua => WRITE,
        OpKind::Trim => TRIM,
        OpKind::Flush => FLUSH,
    }
}

pub(super) struct Recorder {
    tallies: [Tally; 4],
    // What was due in an open loop is of this kind.
    overdue: usize,
    started: Option<(Instant, Cpu)>,
    elapsed: Duration,
    cpu: Cpu,
    tick_begin: Option<Instant>,
    tick: Duration,
    tick_count: u64,
    series: Vec<(f64, f64)>,
    verification: Verification,
    corrupt_offsets: Vec<(Corruption, u64)>,
    offsets_kept: usize,
    open: Option<OpenLoop>,
    stopped: bool,
}

impl Recorder {
    /// Of a job whose operations are, in doubt, of this kind. Of wrong content, so many offsets of each kind are kept.
    pub(super) fn new(usual: OpKind, offsets_kept: usize) -> Self {
        Self {
            tallies: [Tally::NONE; 4],
            overdue: number(usual),
            started: None,
            elapsed: Duration::ZERO,
            cpu: Cpu::default(),
            tick_begin: None,
            tick: TICK,
            tick_count: 0,
            series: Vec::new(),
            verification: Verification::default(),
            corrupt_offsets: Vec::new(),
            offsets_kept,
            open: None,
            stopped: false,
        }
    }

    pub(super) fn start(&mut self, now: Instant, cpu: Cpu) {
        self.started = Some((now, cpu));
        self.tick_begin = Some(now);
    }

    pub(super) fn stop(&mut self, now: Instant, cpu: Cpu) {
        if let Some((start, before)) = self.started {
            self.elapsed = now.duration_since(start);
            self.cpu = Cpu { user_ns: cpu.user_ns.saturating_sub(before.user_ns), system_ns: cpu.system_ns.saturating_sub(before.system_ns) };
        }
        // The rest of the series, unless it is too short to be a rate.
        if self.tick_begin.is_some_and(|begin| now.duration_since(begin) >= TICK / 2) {
            self.point(now);
        }
        self.stopped = true;
    }

    pub(super) fn operations(&self) -> u64 {
        self.verification.operations
    }

    pub(super) fn operation(&mut self, now: Instant, since: Instant, kind: OpKind, bytes: u32) {
        let number = number(kind);
        let counts = number != FLUSH;
        self.verification.operations += u64::from(counts);
        if self.started.is_none() {
            return;
        }
        let tally = &mut self.tallies[number];
        if !self.stopped {
            tally.operations += 1;
            tally.bytes += u64::from(bytes);
            self.tick_count += u64::from(counts);
        }
        let latency = u64::try_from(now.duration_since(since).as_nanos()).unwrap_or(LATENCY_MAX);
        if latency == tally.latency {
            tally.repeated += 1;
        } else {
            tally.record();
            tally.latency = latency;
            tally.repeated = 1;
        }
    }

    /// Ends a batch: everything recorded since the last one came back at `now`.
    pub(super) fn flush(&mut self, now: Instant) {
        self.record();
        if !self.stopped && self.tick_begin.is_some_and(|begin| now.duration_since(begin) >= self.tick) {
            self.point(now);
        }
    }

    fn record(&mut self) {
        self.tallies.iter_mut().for_each(Tally::record);
    }

    // A stall longer than one tick shows as one long low point, not as a gap.
    fn point(&mut self, now: Instant) {
        let (Some(begin), Some((start, _))) = (self.tick_begin, self.started) else { return };
        let width = now.duration_since(begin).as_secs_f64();
        self.series.push((now.duration_since(start).as_secs_f64(), float(self.tick_count) / width));
        self.tick_count = 0;
        self.tick_begin = Some(now);
        if self.series.len() >= POINTS {
            self.halve();
        }
    }

    // A job of days has as many points as one of minutes: each is twice as wide then.
    fn halve(&mut self) {
        let mut begin = 0.0;
        let pairs = self.series.chunks(2).map(|pair| match *pair {
            [(first, rate), (second, other)] => {
                let (from, to) = (begin, second);
                begin = second;
                (to, (rate * (first - from) + other * (second - first)) / (second - from))
            }
            _ => pair[0],
        });
        self.series = pairs.collect();
        self.tick *= 2;
    }

    /// An operation that could have begun at `due` began at `now`.
    pub(super) fn began(&mut self, due: Instant, now: Instant) {
        if self.started.is_some() {
            let lag = u64::try_from(now.saturating_duration_since(due).as_nanos()).unwrap_or(LATENCY_MAX);
            self.open().lag.saturating_record(lag.max(1));
        }
    }

    /// An operation was due and has not begun by the end: it has waited at least so long.
    pub(super) fn overdue(&mut self, due: Instant, end: Instant) {
        self.open().backlog += 1;
        let waited = u64::try_from(end.saturating_duration_since(due).as_nanos()).unwrap_or(LATENCY_MAX);
        self.tallies[self.overdue].histogram.get_or_insert_with(histogram).saturating_record(waited.max(1));
    }

    pub(super) fn open(&mut self) -> &mut OpenLoop {
        self.open.get_or_insert_with(|| OpenLoop { backlog: 0, lag: histogram() })
    }

    pub(super) fn verified(&mut self) {
        self.verification.verified += 1;
    }

    pub(super) fn failed(&mut self, why: String) {
        *self.verification.failed.entry(why).or_insert(0) += 1;
    }

    pub(super) fn corrupt(&mut self, corruption: Corruption, offset: u64) {
        let count = self.verification.corrupt.entry(corruption.name().to_owned()).or_insert(0);
        *count += 1;
        if usize::try_from(*count).is_ok_and(|count| count <= self.offsets_kept) {
            self.corrupt_offsets.push((corruption, offset));
        }
    }

    pub(super) fn finish(mut self, stopped: bool) -> JobResult {
        self.record();
        let [read, write, trim, flush] = self.tallies.map(Tally::finish);
        let mut total = Direction::none();
        [&read, &write, &trim].into_iter().for_each(|direction| total.add(direction));
        let cpu_share = float(self.cpu.user_ns + self.cpu.system_ns) / 1e9 / self.elapsed.as_secs_f64();
        JobResult {
            cpu_share,
            operations: total.operations,
            bytes: total.bytes,
            histogram: total.histogram,
            read,
            write,
            trim,
            flush,
            elapsed: self.elapsed,
            series: self.series,
            verification: std::mem::take(&mut self.verification),
            corrupt_offsets: self.corrupt_offsets,
            cpu: self.cpu,
            open: self.open,
            stopped,
        }
    }
}

fn float(count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "counts of one job are far below 2^53")]
    let float = count as f64;
    float
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Batches of 10 operations, one per millisecond, each 200 us long, of which `measured` fall between start and stop.
    fn recorded(measured: u32) -> JobResult {
        let begin = Instant::now();
        let mut recorder = Recorder::new(OpKind::Read, 8);
        let batch = |recorder: &mut Recorder, at: Instant| {
            (0..10).for_each(|_| recorder.operation(at, at - Duration::from_micros(200), OpKind::Read, 4096));
            recorder.flush(at);
        };
        batch(&mut recorder, begin + Duration::from_millis(1));
        recorder.start(begin + Duration::from_millis(1), Cpu { user_ns: 5, system_ns: 50 });
        for at in 2..measured + 2 {
            batch(&mut recorder, begin + Duration::from_millis(at.into()));
        }
        let end = begin + Duration::from_millis(u64::from(measured) + 1);
        recorder.stop(end, Cpu { user_ns: 7, system_ns: 90 });
        batch(&mut recorder, end + Duration::from_millis(1));
        recorder.finish(false)
    }

    #[test]
    fn only_what_completes_between_start_and_stop_is_an_operation_but_every_latency_counts_to_the_last() {
        let result = recorded(1000);
        assert_eq!((result.operations, result.bytes, result.histogram.len()), (10_000, 10_000 * 4096, 10_010));
        assert_eq!(result.elapsed, Duration::from_secs(1));
        assert!((result.iops() - 10_000.0).abs() < 1e-6, "{}", result.iops());
        assert_eq!(result.verification.operations, 10_020, "ramp and drain included");
        assert_eq!(result.cpu, Cpu { user_ns: 2, system_ns: 40 });
    }

    #[test]
    fn the_series_adds_up_to_the_operations() {
        for measured in [1000, 1060] {
            let result = recorded(measured);
            let mut before = 0.0;
            let mut sum = 0.0;
            for (at, rate) in &result.series {
                sum += (at - before) * rate;
                before = *at;
            }
            assert!((sum - float(result.operations)).abs() < 1e-3, "{sum} of {}", result.operations);
            assert!((before - result.elapsed.as_secs_f64()).abs() < 1e-9, "it ends at {before}");
        }
    }

    #[test]
    fn a_job_of_three_days_has_a_short_series_that_still_adds_up() {
        let begin = Instant::now();
        let mut recorder = Recorder::new(OpKind::Read, 8);
        recorder.start(begin, Cpu::default());
        let seconds = 3 * 86_400;
        for at in (1..=seconds * 2).map(|half| begin + Duration::from_millis(half * 500)) {
            (0..3).for_each(|_| recorder.operation(at, at, OpKind::Read, 4096));
            recorder.flush(at);
        }
        recorder.stop(begin + Duration::from_secs(seconds), Cpu::default());
        let result = recorder.finish(false);
        let sum = result.series.iter().fold((0.0, 0.0), |(at, sum), (end, rate)| (*end, sum + rate * (end - at))).1;
        assert!(result.series.len() <= POINTS && result.series.len() > POINTS / 4, "{}", result.series.len());
        assert!((sum - float(result.operations)).abs() < 10.0, "{sum} of {}", result.operations);
    }

    #[test]
    fn a_stall_is_one_long_low_point() {
        let begin = Instant::now();
        let mut recorder = Recorder::new(OpKind::Read, 8);
        recorder.start(begin, Cpu::default());
        let late = begin + Duration::from_secs(2);
        recorder.operation(late, begin, OpKind::Read, 4096);
        recorder.flush(late);
        recorder.stop(late, Cpu::default());
        assert_eq!(recorder.finish(false).series, [(2.0, 0.5)]);
    }

    #[test]
    fn every_latency_is_recorded_within_a_thousandth_and_none_is_lost_at_the_ends() {
        let begin = Instant::now();
        let mut recorder = Recorder::new(OpKind::Read, 8);
        recorder.start(begin, Cpu::default());
        let latencies = [0, 1, 999, 12_345_678, 100_000_000_000, 200_000_000_000];
        for nanos in latencies {
            let at = begin + Duration::from_nanos(nanos);
            recorder.operation(at, begin, OpKind::Read, 4096);
            recorder.flush(at);
        }
        let histogram = recorder.finish(false).histogram;
        assert_eq!(histogram.len(), 6);
        assert_eq!(histogram.count_at(12_345_678), 1);
        assert!(histogram.min() <= 1 && histogram.max() >= LATENCY_MAX, "{} {}", histogram.min(), histogram.max());
    }

    #[test]
    fn what_hangs_at_the_end_is_in_the_tail() {
        let begin = Instant::now();
        let mut recorder = Recorder::new(OpKind::Read, 8);
        recorder.start(begin, Cpu::default());
        recorder.stop(begin + Duration::from_secs(1), Cpu::default());
        recorder.operation(begin + Duration::from_secs(4), begin, OpKind::Read, 4096);
        let result = recorder.finish(false);
        assert_eq!((result.operations, result.histogram.len()), (0, 1));
        assert!(result.histogram.max() >= 3_990_000_000 && result.iops().is_nan());
    }

    #[test]
    fn the_first_offsets_of_each_kind_are_kept() {
        let mut recorder = Recorder::new(OpKind::Read, 8);
        (0..20).for_each(|unit| recorder.corrupt(Corruption::Stale, unit * 4096));
        recorder.corrupt(Corruption::Torn, 1 << 30);
        let result = recorder.finish(false);
        assert_eq!((result.verification.corrupt["stale"], result.verification.corrupt["torn"]), (20, 1));
        assert_eq!((result.corrupt_offsets.len(), result.corrupt_offsets[8]), (9, (Corruption::Torn, 1 << 30)));
    }

    #[test]
    fn nothing_measured_is_no_figure() {
        let result = Recorder::new(OpKind::Read, 8).finish(true);
        assert!(result.iops().is_nan() && result.bandwidth().is_nan() && result.series.is_empty());
    }
}
