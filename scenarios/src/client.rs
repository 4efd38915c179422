//! One client of a cluster measurement: makes its objects, lays them out, waits for the moment at which all begin, measures, and removes them. It runs in the agent of a node, or here
//! when there are no others. What several of them saw is put together in `runner/ceph.rs`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use assay_bench::engine::rados::{self, Pool};
use assay_bench::engine::uring::WriteLeave as _;
use assay_bench::{Arrivals, ClusterError, EngineError, Extent, History, Job, JobResult, Lane, Load, Rw, Span, Verify, drive_lanes};
use assay_model::run::Verification;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::claim::{ObjectPlace, Objects, Refusal, Wanted, scratch_objects};
use crate::plan::ceph::windows;
use crate::remote::task::clock::ClockStamps;
use crate::runner::Latencies;
use crate::scenario::{ObjectsMeasure, ObjectsSpec};

/// Nothing coming back for so long is an error: longer than an operation may take.
const STALL: Duration = Duration::from_secs(90);
/// Between the end of one window and the ramp of the next: what is out comes back.
pub(crate) const GAP: Duration = Duration::from_millis(1_500);
/// Beyond its windows a client may keep its objects for so long: it lays out, and waits for others.
const AROUND_SECONDS: u64 = 900;
/// Bytes per second below which nobody lays out.
const SLOWEST: u64 = 1 << 20;
/// A window that begins so late is not the common one.
const LATE_MAX: Duration = Duration::from_millis(200);
/// Between two looks at the word to stop.
const LOOK: Duration = Duration::from_millis(20);

/// What a client is asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientSpec {
    /// Where its objects are made.
    pub(crate) place: ObjectPlace,
    /// The run that they belong to.
    pub(crate) run: String,
    /// The node that it is on.
    pub(crate) node: String,
    /// Clients on other nodes and this one.
    pub(crate) nodes: u64,
    /// What is measured.
    pub(crate) objects: ObjectsSpec,
    /// Seed of offsets: another one on each node.
    pub(crate) seed: u64,
}

/// What a client has seen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ClientResult {
    /// What was measured, one after the other.
    pub(crate) windows: Vec<Window>,
    /// What was laid out or read back beside it: only what went wrong of a layout, all of what was read back.
    pub(crate) beside: Verification,
    /// What the cluster said of its health before and afterwards, when it is not well.
    pub(crate) ailing: Vec<String>,
    /// Version of librados' interface.
    pub(crate) library: String,
    /// Copies that the pool keeps of an object.
    pub(crate) copies: u64,
    /// Bytes that the OSDs may hold in memory, all together, or why that is not known.
    pub(crate) osd_memory: Result<u64, String>,
}

/// One measured time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// When it began, by the monotonic clock of the node.
    pub(crate) began_ns: u64,
    /// How long it was.
    pub(crate) elapsed_ns: u64,
    /// Operations in it.
    pub(crate) operations: u64,
    /// Bytes that they moved.
    pub(crate) bytes: u64,
    /// Seconds since it began, and operations per second.
    pub(crate) series: Vec<(f64, f64)>,
    /// Latencies, packed.
    pub(crate) latencies: String,
    /// Of an open loop: its rate, what was due and had not begun, and how late operations were begun.
    pub(crate) open: Option<OpenWindow>,
    /// Share of it for which the busiest thread used a processor.
    pub(crate) cpu_share: f64,
    /// Operations, the ramp included, those that were compared, and what was wrong.
    pub(crate) verification: Verification,
    /// Where content was wrong, in words.
    pub(crate) corrupt: Vec<String>,
}

/// What only an open loop has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct OpenWindow {
    /// Operations per second that were due.
    pub(crate) rate: u32,
    /// Those that had not begun at the end.
    pub(crate) backlog: u64,
    /// How late others were begun, packed.
    pub(crate) lag: String,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    #[error("{}", crate::error::chain(.0))]
    Refused(#[from] Refusal),
    #[error("{}", crate::error::chain(.0))]
    Engine(#[from] EngineError),
    #[error("{}", crate::error::chain(.0))]
    Cluster(#[from] ClusterError),
    #[error("it was told to stop")]
    Stopped,
    #[error("{0}")]
    Failed(String),
}

/// Histograms as they travel.
pub(crate) fn packed(latencies: &Latencies) -> String {
    STANDARD.encode(latencies.bytes())
}

/// What was packed, elsewhere too.
pub(crate) fn unpacked(text: &str) -> Result<Latencies, String> {
    let bytes = STANDARD.decode(text).map_err(|error| format!("its latencies are not packed as they should be: {error}"))?;
    Latencies::of_bytes(bytes)
}

/// Says that it is ready, and gives the moment at which the first ramp begins, by this node's monotonic clock.
pub(crate) type Ready<'a> = &'a mut dyn FnMut() -> Result<u64, ClientError>;

/// Does it all. Whatever happens, its objects are removed.
pub(crate) fn run(spec: &ClientSpec, stop: &AtomicBool, ready: Ready<'_>) -> Result<ClientResult, ClientError> {
    let objects = &spec.objects;
    let wanted = Wanted {
        run: spec.run.clone(),
        node: spec.node.clone(),
        bytes: objects.size,
        object_bytes: objects.object_bytes,
        nodes: spec.nodes,
        seconds: AROUND_SECONDS + windows(objects) * (objects.ramp_ms + objects.runtime_ms) / 1000 + 2 * objects.size / SLOWEST,
    };
    let claim = scratch_objects(&spec.place, &wanted)?;
    let result = Client::new(spec, &claim, stop).and_then(|client| {
        let (windows, beside, ailing) = client.measure(ready)?;
        let pool = claim.pool();
        let osd_memory = pool.osd_memory().map_err(|error| crate::error::chain(&error));
        Ok(ClientResult { windows, beside, ailing, library: pool.library().to_owned(), copies: pool.copies()?, osd_memory })
    });
    // Objects that cannot be removed are found by the operator only when somebody says so.
    match (result, claim.release()) {
        (result, Ok(())) => result,
        (Ok(_), Err(left)) => Err(left.into()),
        (Err(error), Err(left)) => Err(ClientError::Failed(format!("{error}; and {}", crate::error::chain(&left)))),
    }
}

struct Client<'a> {
    spec: &'a ObjectsSpec,
    claim: &'a Objects,
    /// A connection for each lane.
    pools: Vec<Pool>,
    history: History,
    span: Span,
    seed: u64,
    stamp_seed: u64,
    stop: &'a AtomicBool,
}

impl<'a> Client<'a> {
    fn new(spec: &'a ClientSpec, claim: &'a Objects, stop: &'a AtomicBool) -> Result<Self, ClientError> {
        let mut pools = vec![claim.pool().clone()];
        for _ in 1..spec.objects.clients {
            pools.push(claim.place().connect()?);
        }
        let span = claim.span();
        let stamp_seed = u64::from_le_bytes(*Uuid::now_v7().as_bytes().last_chunk().expect("a UUID has sixteen bytes"));
        Ok(Self { spec: &spec.objects, claim, pools, history: History::new(span), span, seed: spec.seed, stamp_seed, stop })
    }

    fn measure(&self, ready: Ready<'_>) -> Result<(Vec<Window>, Verification, Vec<String>), ClientError> {
        let mut ailing: Vec<String> = self.claim.pool().health()?.ailing().into_iter().collect();
        let (mut beside, mut windows) = (Verification::default(), Vec::new());
        if self.spec.measure != ObjectsMeasure::Write {
            let laid_out = self.pass(Rw::Write)?;
            if !laid_out.verification.failed.is_empty() {
                return Err(ClientError::Failed(format!("the objects could not be laid out: {}", words(&laid_out.verification.failed))));
            }
        }
        let begin = ready()?;
        let first = self.window(Load::Closed, begin, 1)?;
        if self.spec.measure == ObjectsMeasure::Randread {
            let rate = half_of(&first, self.spec.clients)?;
            let length = Duration::from_millis(self.spec.ramp_ms + self.spec.runtime_ms) + GAP;
            let next = begin + u64::try_from(length.as_nanos()).expect("a day fits");
            windows.push(first);
            windows.push(self.window(Load::Open { rate, arrivals: Arrivals::Poisson }, next, 2)?);
        } else {
            windows.push(first);
        }
        if self.spec.measure == ObjectsMeasure::Write {
            let JobResult { verification, corrupt_offsets, .. } = self.pass(Rw::Read)?;
            if let (Some(window), false) = (windows.last_mut(), corrupt_offsets.is_empty()) {
                window.corrupt.extend(corrupt_offsets.iter().map(|(kind, offset)| format!("{} at byte {offset}", kind.name())));
            }
            beside = verification;
        }
        ailing.extend(self.claim.pool().health()?.ailing().filter(|after| !ailing.contains(after)));
        Ok((windows, beside, ailing))
    }

    /// A job as all of this client's are.
    fn job(&self, rw: Rw, number: u64) -> Job {
        let seed = self.seed ^ (number << 48);
        Job { seed, stamp_seed: self.stamp_seed, verify: Verify::Stamp, stall: STALL, ..Job::new(rw, self.spec.bs, self.spec.iodepth, self.span) }
    }

    /// Every byte once, with the largest operations.
    fn pass(&self, rw: Rw) -> Result<JobResult, ClientError> {
        let bs = u32::try_from(self.spec.object_bytes.min(4 << 20)).expect("at most 4 MiB");
        let iodepth = self.spec.iodepth.min(16).min(u32::try_from(self.span.bytes / u64::from(bs)).unwrap_or(u32::MAX));
        let job = Job { bs: bs.into(), iodepth, extent: Extent::WholeSpan, ..self.job(rw, 0) };
        let result = drive_lanes(&job, &[Vec::new()], &|lane, part| self.lane(lane, part), Some(&self.history), self.stop, None)?;
        if result.stopped { Err(ClientError::Stopped) } else { Ok(result) }
    }

    fn lane(&self, lane: usize, part: &Job) -> Result<Box<dyn Lane>, EngineError> {
        let pool = self.pools.get(lane).unwrap_or(self.claim.pool());
        Ok(Box::new(rados::open(pool, &self.claim.set(), part.bs.largest(), part.iodepth, Some(self.claim))?))
    }

    /// Measures from a moment on.
    fn window(&self, load: Load, at_ns: u64, number: u64) -> Result<Window, ClientError> {
        let extent = Extent::Runtime(Duration::from_millis(self.spec.runtime_ms));
        let ramp_time = Duration::from_millis(self.spec.ramp_ms);
        let job = Job { load, extent, ramp_time, io_size: self.spec.io_size, ..self.job(self.spec.measure.rw(), number) };
        let begun = AtomicU64::new(0);
        let open = |lane: usize, part: &Job| {
            let lane = self.lane(lane, part)?;
            // It is there; its first operation waits for the moment.
            begun.fetch_max(wait_until(at_ns, self.stop), Ordering::Relaxed);
            Ok(lane)
        };
        let seats = vec![Vec::new(); self.pools.len()];
        let result = drive_lanes(&job, &seats, &open, Some(&self.history), self.stop, None)?;
        if result.stopped {
            return Err(ClientError::Stopped);
        }
        let begun = begun.into_inner();
        let late = Duration::from_nanos(begun.saturating_sub(at_ns));
        if late > LATE_MAX {
            return Err(ClientError::Failed(format!("it began {late:.0?} after the moment at which all began")));
        }
        Ok(window_of(result, begun.saturating_add(nanos(ramp_time)), load))
    }
}

/// Waits for a moment of the monotonic clock, or for the word to stop; what the clock says then.
fn wait_until(at_ns: u64, stop: &AtomicBool) -> u64 {
    loop {
        let now = ClockStamps::now().monotonic_ns;
        let left = Duration::from_nanos(at_ns.saturating_sub(now));
        if left.is_zero() || stop.load(Ordering::Relaxed) {
            return now;
        }
        #[allow(clippy::disallowed_methods, reason = "there is nothing to wait for but the time")]
        std::thread::sleep(left.min(LOOK));
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn window_of(result: JobResult, began_ns: u64, load: Load) -> Window {
    let open = result.open.as_ref().map(|open| OpenWindow {
        rate: match load {
            Load::Open { rate, .. } => rate,
            Load::Closed => 0,
        },
        backlog: open.backlog,
        lag: packed(&Latencies::from(&open.lag)),
    });
    Window {
        began_ns,
        elapsed_ns: nanos(result.elapsed),
        operations: result.operations,
        bytes: result.bytes,
        series: result.series,
        latencies: packed(&Latencies::from(&result.histogram)),
        open,
        cpu_share: result.cpu_share,
        corrupt: result.corrupt_offsets.iter().map(|(kind, offset)| format!("{} at byte {offset}", kind.name())).collect(),
        verification: result.verification,
    }
}

/// Half of what was reached, for an open loop.
fn half_of(window: &Window, clients: u32) -> Result<u32, ClientError> {
    let rate = window.operations.saturating_mul(500_000_000) / window.elapsed_ns.max(1);
    let rate = u32::try_from(rate).unwrap_or(u32::MAX);
    if rate < clients {
        return Err(ClientError::Failed(format!("half of {} operations in {} ns is no rate", window.operations, window.elapsed_ns)));
    }
    Ok(rate)
}

fn words(counts: &BTreeMap<String, u64>) -> String {
    counts.iter().map(|(what, count)| format!("{count} x {what}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_rate_is_one_that_every_client_has_a_part_of() {
        let window = |operations, elapsed_ns| Window {
            began_ns: 0,
            elapsed_ns,
            operations,
            bytes: 0,
            series: Vec::new(),
            latencies: String::new(),
            open: None,
            cpu_share: 0.0,
            verification: Verification::default(),
            corrupt: Vec::new(),
        };
        assert_eq!(half_of(&window(3001, 1_500_000_000), 4).ok(), Some(1000));
        assert_eq!(half_of(&window(8, 1_000_000_000), 4).ok(), Some(4));
        for (operations, elapsed_ns) in [(7, 1_000_000_000), (0, 1_000_000_000), (0, 0)] {
            assert!(half_of(&window(operations, elapsed_ns), 4).is_err(), "{operations} {elapsed_ns}");
        }
    }

    #[test]
    fn latencies_travel_as_text_and_what_is_none_is_refused() {
        let mut histogram = hdrhistogram::Histogram::<u64>::new(3).expect("a histogram");
        histogram.record_n(1_000_000, 7).expect("recorded");
        let there = unpacked(&packed(&Latencies::from(&histogram))).expect("a histogram");
        assert_eq!(there.unpacked(), histogram);
        for wrong in ["", "!", "AAAA", &STANDARD.encode([0; 200])] {
            assert!(unpacked(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_that_is_over_is_not_waited_for_and_a_stop_ends_the_waiting() {
        let now = ClockStamps::now().monotonic_ns;
        assert!(wait_until(now + 5_000_000, &AtomicBool::new(false)) >= now + 5_000_000);
        assert!(wait_until(0, &AtomicBool::new(false)) >= now);
        assert!(wait_until(now + 3_600_000_000_000, &AtomicBool::new(true)) < now + 60_000_000_000);
    }
}
