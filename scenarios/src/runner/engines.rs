//! The real bench: hands planned work to the engines and kernels of `assay-bench`, with the write history of the target, so that every read of a run
//! is compared with what the run wrote last.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use assay_bench::engine::null::Null;
use assay_bench::engine::uring::{Uring, WriteLeave};
use assay_bench::kernel::triad::{self, Triad};
use assay_bench::{Access, Arrivals as JobArrivals, Extent as JobExtent, History, Job, JobResult, Lane, Load, Rw as JobRw, Span, Verify, drive};

use crate::claim::{Claim, Leave};
use crate::error::chain;
use crate::plan::PlannedWork;
use crate::scenario::{Arrivals, Extent, IoSpec, Rate, Rw};

use super::bench::{Bench, Outcome};

/// Names of the engines that a scenario may use.
pub(crate) const ENGINES: &[&str] = &["null", "uring"];

/// Nothing coming back for so long is an error: longer than any timeout of the kernel that is followed by a retry.
const STALL: Duration = Duration::from_secs(60);
/// The range that the null engine pretends to have.
const NULL_SPAN: Span = Span { start: 0, bytes: 1 << 30 };

/// Engines and what they know of the target.
#[derive(Debug, Default)]
pub(crate) struct Engines {
    target: Option<(Leave, History)>,
    stamp_seed: u64,
    jobs: u64,
}

impl Bench for Engines {
    fn take_target(&mut self, target: Leave) {
        let history = History::new(target.span());
        self.target = Some((target, history));
        // Stamps of an earlier life of the same blocks must not be taken for ours.
        self.stamp_seed = u64::from_le_bytes(*uuid::Uuid::now_v7().as_bytes().last_chunk().expect("a UUID has sixteen bytes"));
    }

    fn work(&mut self, work: &PlannedWork, stop: &AtomicBool) -> Result<Outcome, String> {
        match work {
            PlannedWork::Io(io) => self.io(io, stop).map(|result| outcome_of_job(io, result)),
            PlannedWork::Triad { node, cpus, array_bytes, ramp_ms, runtime_ms, samples } => {
                let triad = Triad {
                    node: *node,
                    cpus: cpus.iter().map(|cpu| usize::try_from(*cpu).expect("a CPU number fits")).collect(),
                    bytes: 3 * array_bytes,
                    ramp_time: Duration::from_millis(*ramp_ms),
                    runtime: Duration::from_millis(*runtime_ms),
                    repeats: *samples,
                };
                let result = triad::run(&triad, stop).map_err(|error| chain(&error))?;
                outcome_of_triad(&triad, result)
            }
        }
    }
}

impl Engines {
    fn io(&mut self, io: &IoSpec, stop: &AtomicBool) -> Result<JobResult, String> {
        self.jobs += 1;
        let told = |error: assay_bench::EngineError| chain(&error);
        if io.engine == "null" {
            let job = job(io, NULL_SPAN, self.jobs, 0, Verify::Off)?;
            return drive(&job, &mut Null::new(job.bs.largest(), job.iodepth), None, stop, None).map_err(told);
        }
        let (leave, history) = self.target.as_mut().ok_or("no target was claimed")?;
        let job = job(io, leave.span(), self.jobs, self.stamp_seed, Verify::Stamp)?;
        let writable = io.rw.is_write().then_some(&*leave as &dyn WriteLeave);
        let mut lane: Box<dyn Lane> = match io.engine.as_str() {
            "uring" => Box::new(Uring::open(leave.file(), leave.name(), job.bs.largest(), job.iodepth, writable).map_err(told)?),
            other => return Err(format!("there is no engine `{other}`")),
        };
        drive(&job, lane.as_mut(), Some(&*history), stop, None).map_err(told)
    }
}

fn job(io: &IoSpec, span: Span, seed: u64, stamp_seed: u64, verify: Verify) -> Result<Job, String> {
    let (ramp_time, extent, io_size) = match io.extent {
        Extent::Whole => (Duration::ZERO, JobExtent::WholeSpan, None),
        Extent::Timed { ramp_ms, runtime_ms, io_size } => {
            (Duration::from_millis(ramp_ms), JobExtent::Runtime(Duration::from_millis(runtime_ms)), io_size)
        }
    };
    let bs = u32::try_from(io.bs).map_err(|_| format!("blocks of {} bytes are too large", io.bs))?;
    let load = match io.rate {
        None => Load::Closed,
        Some(Rate { per_second: rate, arrivals: Arrivals::Poisson }) => Load::Open { rate, arrivals: JobArrivals::Poisson },
        Some(Rate { per_second: rate, arrivals: Arrivals::Constant }) => Load::Open { rate, arrivals: JobArrivals::Constant },
    };
    let new = Job::new(job_rw(io.rw), bs, io.iodepth, span);
    Ok(Job { ramp_time, load, extent, io_size, seed, stamp_seed, verify, stall: STALL, ..new })
}

fn job_rw(rw: Rw) -> JobRw {
    match rw {
        Rw::Read => JobRw::Read,
        Rw::Write => JobRw::Write,
        Rw::Randread => JobRw::RandRead,
        Rw::Randwrite => JobRw::RandWrite,
    }
}

fn outcome_of_job(io: &IoSpec, result: JobResult) -> Outcome {
    let corrupt: Vec<String> = result.corrupt_offsets.iter().map(|(kind, offset)| format!("{} at byte {offset}", kind.name())).collect();
    let mut notes = BTreeMap::new();
    if !corrupt.is_empty() {
        notes.insert("corrupt".to_owned(), corrupt.join(", "));
    }
    if let Some(open) = result.open.as_ref().filter(|open| open.backlog > 0) {
        notes.insert(format!("backlog {}", io.family()), format!("{} operations were due and had not begun at the end", open.backlog));
    }
    Outcome {
        lag: result.open.map(|open| open.lag),
        elapsed: result.elapsed,
        operations: result.operations,
        bytes: result.bytes,
        latencies: Some(result.histogram),
        samples: Vec::new(),
        series: result.series,
        all_operations: result.verification.operations,
        verified: result.verification.verified,
        failed: result.verification.failed,
        corrupt: result.verification.corrupt,
        notes,
    }
}

fn outcome_of_triad(triad: &Triad, result: triad::TriadResult) -> Result<Outcome, String> {
    let wanted = usize::try_from(triad.repeats).expect("few samples");
    if !result.stopped && result.samples.len() != wanted {
        return Err(format!("the triad gave {} of {wanted} samples", result.samples.len()));
    }
    let mut at = triad.ramp_time.as_secs_f64();
    let series = result.samples.iter().map(|sample| {
        at += triad.runtime.as_secs_f64();
        (at, *sample)
    });
    let wrong = if result.wrong == 0 { BTreeMap::new() } else { BTreeMap::from([("wrong element".to_owned(), result.wrong)]) };
    let loop_used = format!("{} with {} threads; {} words moved for three counted", result.kernel, result.threads, result.words_moved);
    Ok(Outcome {
        elapsed: triad.runtime * triad.repeats,
        operations: 0,
        bytes: 0,
        latencies: None,
        lag: None,
        series: series.collect(),
        samples: result.samples,
        all_operations: result.verified,
        verified: result.verified,
        failed: BTreeMap::new(),
        corrupt: wrong,
        notes: BTreeMap::from([(format!("triad node {}", result.node), loop_used)]),
    })
}

/// The fio command that does the same on `path`.
pub(super) fn fio(io: &IoSpec, claim: &Claim, path: &str) -> String {
    let span = Span { start: claim.start(), bytes: claim.bytes() };
    job(io, span, 1, 0, Verify::Off).map_or_else(|why| why, |job| job.fio(path, &Access::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_engine_that_a_scenario_may_use_is_in_the_registry() {
        for name in ENGINES {
            assert!(assay_bench::ENGINES.iter().any(|entry| entry.name == *name), "{name}");
        }
    }

    #[test]
    fn without_a_claim_nothing_is_read_or_written() {
        let io = IoSpec { engine: "uring".into(), rw: Rw::Read, bs: 4096, iodepth: 1, rate: None, extent: Extent::Whole };
        assert!(Engines::default().io(&io, &AtomicBool::new(false)).expect_err("no claim").contains("claimed"));
    }
}
