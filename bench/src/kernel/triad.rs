//! The STREAM triad `a[i] = b[i] + s * c[i]` (McCalpin), pinned to the processors of one NUMA node, each thread on arrays that it touched first. Bytes are
//! counted as STREAM does, three words per element; every element is compared with the exact answer at the end.

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_setaffinity};

use crate::error::EngineError;
use crate::sys::stream;

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Triad {
    /// The NUMA node, for the result.
    pub node: u32,
    /// Processors of the node; one thread is pinned to each.
    pub cpus: Vec<usize>,
    /// Bytes of the three arrays together; several times the node's caches, or the caches are measured.
    pub bytes: u64,
    /// Time before the first sample.
    pub ramp_time: Duration,
    /// Time of one sample.
    pub runtime: Duration,
    /// Number of samples.
    pub repeats: u32,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq)]
pub struct TriadResult {
    /// The NUMA node.
    pub node: u32,
    /// Bytes per second, one per repeat, by STREAM's count.
    pub samples: Vec<f64>,
    /// Elements compared with the exact answer.
    pub verified: u64,
    /// Elements that were wrong: the memory, the processor or the kernel lies.
    pub wrong: u64,
    /// Threads.
    pub threads: usize,
    /// Which inner loop ran.
    pub kernel: &'static str,
    /// Words moved for three counted; the sample cannot exceed 3 / this of the bus.
    pub words_moved: u32,
    /// Whether it was told to stop before it was over.
    pub stopped: bool,
}

const WORD: u64 = 8;
const ARRAYS: u64 = 3;
/// How long threads work without meeting; a stop waits no longer.
const ROUND: Duration = Duration::from_millis(10);

/// Measures one NUMA node.
pub fn run(triad: &Triad, stop: &AtomicBool) -> Result<TriadResult, EngineError> {
    let threads = triad.cpus.len();
    let elements = triad.bytes / WORD / ARRAYS / u64::try_from(threads.max(1)).expect("a number of processors");
    let elements = usize::try_from(elements).expect("arrays fit into memory");
    if threads == 0 || elements == 0 || triad.repeats == 0 {
        let why = format!("{threads} processors, {} bytes and {} repeats leave nothing to measure", triad.bytes, triad.repeats);
        return Err(EngineError::Job { rw: "triad", target: format!("NUMA node {}", triad.node), why });
    }
    let shared = Shared {
        together: Barrier::new(threads),
        over: AtomicBool::new(false),
        round: AtomicU32::new(1),
        verified: AtomicU64::new(0),
        wrong: AtomicU64::new(0),
        stop,
        per_pass: WORD * ARRAYS * u64::try_from(elements * threads).expect("bytes of the arrays"),
    };
    let outcomes: Vec<Result<Vec<f64>, EngineError>> = std::thread::scope(|scope| {
        let workers: Vec<_> = triad
            .cpus
            .iter()
            .enumerate()
            .map(|(number, cpu)| {
                scope.spawn({
                    let shared = &shared;
                    move || work(triad, shared, number == 0, *cpu, elements)
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().expect("a worker does not panic")).collect()
    });
    let mut samples = Vec::new();
    for outcome in outcomes {
        samples.extend(outcome?);
    }
    Ok(TriadResult {
        node: triad.node,
        stopped: stop.load(Ordering::Relaxed),
        samples,
        verified: shared.verified.into_inner(),
        wrong: shared.wrong.into_inner(),
        threads,
        kernel: stream::KERNEL,
        words_moved: stream::WORDS_MOVED,
    })
}

struct Shared<'a> {
    together: Barrier,
    // Decided by the first thread between two barriers, read by all after the second: nobody waits for somebody who has left.
    over: AtomicBool,
    // Passes between two meetings, set likewise: with many threads on small arrays meeting costs percents.
    round: AtomicU32,
    verified: AtomicU64,
    wrong: AtomicU64,
    stop: &'a AtomicBool,
    per_pass: u64,
}

// The first thread keeps time; rounds of all threads begin and end together, so a round lasts as long as its slowest thread.
fn work(triad: &Triad, shared: &Shared<'_>, keeps_time: bool, cpu: usize, elements: usize) -> Result<Vec<f64>, EngineError> {
    let pinned = pin(cpu);
    if pinned.is_err() {
        shared.over.store(true, Ordering::Relaxed);
    }
    // First touch by the pinned thread places the pages on its node.
    let b: Vec<f64> = (0u32..1024).cycle().take(elements).map(f64::from).collect();
    let c: Vec<f64> = (0u32..509).cycle().take(elements).map(f64::from).collect();
    let mut a = vec![-1.0; elements];
    let mut factor = 0.0;
    let mut clock = Clock::new(triad, shared);
    shared.together.wait();
    while !shared.over.load(Ordering::Relaxed) {
        for _ in 0..shared.round.load(Ordering::Relaxed) {
            factor += 1.0;
            stream::triad(&mut a, &b, &c, factor);
        }
        shared.together.wait();
        if keeps_time && clock.is_over() {
            shared.over.store(true, Ordering::Relaxed);
        }
        shared.together.wait();
    }
    pinned?;
    if factor > 0.0 {
        shared.verified.fetch_add(count(a.len()), Ordering::Relaxed);
        shared.wrong.fetch_add(count(wrong(&a, factor)), Ordering::Relaxed);
    }
    Ok(clock.samples)
}

// Elements that are not exactly b + factor * c: all of them are whole numbers below 2^53, so nothing is rounded.
fn wrong(a: &[f64], factor: f64) -> usize {
    let exact = (0u32..1024).cycle().zip((0u32..509).cycle()).map(|(b, c)| f64::from(b) + factor * f64::from(c));
    a.iter().zip(exact).filter(|(is, exact)| is.to_bits() != exact.to_bits()).count()
}

fn count(elements: usize) -> u64 {
    u64::try_from(elements).expect("a count")
}

struct Clock<'a> {
    triad: &'a Triad,
    shared: &'a Shared<'a>,
    begin: Option<Instant>,
    last: Option<Instant>,
    sample: Option<(Instant, u64)>,
    samples: Vec<f64>,
}

impl<'a> Clock<'a> {
    fn new(triad: &'a Triad, shared: &'a Shared<'a>) -> Self {
        Self { triad, shared, begin: None, last: None, sample: None, samples: Vec::new() }
    }

    // Called after every round. The first one faults pages in and belongs to the ramp.
    fn is_over(&mut self) -> bool {
        let now = Instant::now();
        let begin = *self.begin.get_or_insert(now);
        if self.shared.stop.load(Ordering::Relaxed) {
            return true;
        }
        let round = self.shared.round.load(Ordering::Relaxed);
        let lasted = self.last.replace(now).map(|last| now.duration_since(last));
        if now.duration_since(begin) < self.triad.ramp_time {
            if lasted.is_some_and(|lasted| lasted < ROUND / 2) {
                self.shared.round.store(round * 2, Ordering::Relaxed);
            }
            return false;
        }
        let Some((start, before)) = self.sample else {
            self.sample = Some((now, 0));
            return false;
        };
        let passes = before + u64::from(round);
        let elapsed = now.duration_since(start);
        if elapsed < self.triad.runtime {
            self.sample = Some((start, passes));
            return false;
        }
        self.samples.push(float(passes) * float(self.shared.per_pass) / elapsed.as_secs_f64());
        self.sample = Some((now, 0));
        u32::try_from(self.samples.len()).is_ok_and(|taken| taken >= self.triad.repeats)
    }
}

fn float(count: u64) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "passes and bytes of arrays in memory are below 2^53")]
    let float = count as f64;
    float
}

fn pin(cpu: usize) -> Result<(), EngineError> {
    let refused = |source| EngineError::Thread { act: "pin a thread", cpus: cpu.to_string(), source };
    // CpuSet::set panics above its maximum, and a worker that panics leaves the others at the barrier.
    if cpu >= CpuSet::MAX_CPU {
        return Err(refused(std::io::Error::from_raw_os_error(libc::EINVAL)));
    }
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).map_err(|error| refused(error.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn triad(cpus: Vec<usize>) -> Triad {
        Triad { node: 0, cpus, bytes: 6 << 20, ramp_time: Duration::ZERO, runtime: Duration::from_millis(5), repeats: 3 }
    }

    #[test]
    fn every_repeat_is_a_sample_and_every_element_is_compared() {
        let result = run(&triad(vec![0, 1]), &AtomicBool::new(false)).expect("runs on any machine with two processors");
        assert_eq!(result.samples.len(), 3);
        assert!(result.samples.iter().all(|sample| *sample > 1e6), "{:?}", result.samples);
        assert_eq!((result.verified, result.wrong), ((6 << 20) / 24 / 2 * 2, 0));
    }

    #[test]
    fn a_processor_that_does_not_exist_is_an_error_and_hangs_nobody() {
        for absent in [1000, 100_000] {
            let error = run(&triad(vec![0, absent]), &AtomicBool::new(false)).expect_err("no such processor");
            assert!(error.to_string().contains(&absent.to_string()), "{error}");
        }
    }

    #[test]
    fn nothing_to_measure_is_refused() {
        assert!(run(&triad(vec![]), &AtomicBool::new(false)).is_err());
    }

    #[test]
    fn it_stops_when_told() {
        let long = Triad { runtime: Duration::from_secs(60), ..triad(vec![0]) };
        let result = run(&long, &AtomicBool::new(true)).expect("stops");
        assert!(result.stopped && result.samples.is_empty());
    }

    #[test]
    fn rounds_of_several_passes_are_counted_as_such() {
        // Arrays of 24 KiB take microseconds: without counting the hundreds of passes of a round the figure would be less than a hundredth of the true one.
        let small = |ramp_time| {
            let triad = Triad { bytes: 72 << 10, ramp_time, runtime: Duration::from_millis(30), ..triad(vec![0]) };
            let result = run(&triad, &AtomicBool::new(false)).expect("runs");
            assert_eq!(result.wrong, 0);
            result.samples.iter().copied().fold(0.0, f64::max)
        };
        let (one_pass, many) = (small(Duration::ZERO), small(Duration::from_millis(60)));
        assert!(many > one_pass / 20.0 && many < 1e12, "{many:.3e} against {one_pass:.3e} bytes/s");
    }

    #[test]
    fn a_single_flipped_bit_is_a_wrong_element() {
        let mut a: Vec<f64> = (0u32..1024).cycle().zip((0u32..509).cycle()).take(5000).map(|(b, c)| f64::from(b) + 3.0 * f64::from(c)).collect();
        assert_eq!(wrong(&a, 3.0), 0);
        a[4321] = f64::from_bits(a[4321].to_bits() ^ 1);
        a[7] = f64::NAN;
        assert_eq!(wrong(&a, 3.0), 2);
        assert!(wrong(&a, 4.0) > 4900, "an iteration that did not happen is seen");
    }

    #[test]
    fn the_streaming_loop_computes_what_the_plain_one_does() {
        for length in [0usize, 1, 2, 3, 7, 64, 1001] {
            let b: Vec<f64> = (0u32..).take(length).map(f64::from).collect();
            let c: Vec<f64> = (5u32..).take(length).map(f64::from).collect();
            let mut a = vec![0.0; length];
            stream::triad(&mut a, &b, &c, 2.0);
            let exact: Vec<f64> = b.iter().zip(&c).map(|(b, c)| b + 2.0 * c).collect();
            assert_eq!(a, exact);
        }
    }
}
