//! The real bench: hands planned work to the engines and kernels of `assay-bench`, with the write history of each target, so that every read of a run
//! is compared with what the run wrote last.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use assay_bench::engine::format;
use assay_bench::engine::null::Null;
use assay_bench::engine::uring::{Options, Uring, WriteLeave};
use assay_bench::kernel::triad::{self, Triad};
use assay_bench::{EngineError, History, Job, JobResult, Lane, Span, Verify, drive, drive_lanes, merge};

use crate::claim::{Claim, Leave};
use crate::error::chain;
use crate::plan::{PlannedIo, PlannedWork};
use crate::printable::Printable;
use crate::scenario::{IoSpec, Purge};

use super::bench::{Bench, Kind, Outcome, Targets, Trouble};
use super::latencies::Latencies;
use super::purge;

/// Names of the engines that a scenario may use.
pub(crate) const ENGINES: &[&str] = &["null", "uring", "uring_cmd"];

/// Nothing coming back for so long is an error: longer than any timeout of the kernel that is followed by a retry.
const STALL: Duration = Duration::from_secs(60);
/// The range that the null engine pretends to have.
const NULL_SPAN: Span = Span { start: 0, bytes: 1 << 30 };

/// Engines and what they know of the targets.
#[derive(Debug, Default)]
pub(crate) struct Engines {
    targets: Vec<(Leave, History)>,
    stamp_seed: u64,
    jobs: u64,
}

impl Bench for Engines {
    fn take_targets(&mut self, Targets { leaves, unit, stamp_seed, acks }: Targets) -> Result<(), Trouble> {
        self.stamp_seed = stamp_seed;
        self.targets.clear();
        for (number, leave) in leaves.into_iter().enumerate() {
            let history = match acks.get(number) {
                Some(file) => History::in_file(file, leave.span(), unit).map_err(|error| format!("cannot keep acknowledged writes: {error}"))?,
                None => History::with_unit(leave.span(), unit),
            };
            self.targets.push((leave, history));
        }
        Ok(())
    }

    fn work(&mut self, work: &PlannedWork, stop: &AtomicBool) -> Result<Outcome, Trouble> {
        match work {
            PlannedWork::Io(io) if io.spec.purge == Some(Purge::Format) => self.format(io, stop),
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
                Ok(outcome_of_triad(&triad, result)?)
            }
        }
    }
}

impl Engines {
    fn io(&mut self, io: &PlannedIo, stop: &AtomicBool) -> Result<JobResult, Trouble> {
        self.jobs += 1;
        let spec = &io.spec;
        if spec.engine == "null" {
            let job = Job { seed: self.jobs, stall: STALL, ..spec.job(NULL_SPAN)? };
            return drive(&job, &mut Null::new(job.bs.largest(), job.iodepth), None, stop, None).map_err(told);
        }
        let mut jobs = Vec::new();
        for (at, number) in (0..).zip(&io.on) {
            let (leave, history) = self.targets.get(*number).ok_or_else(|| "no target was claimed".to_owned())?;
            // Each target has places of its own: drives that all work on the same ones do not show what they can do.
            let seed = self.jobs ^ (at << 32);
            let job = Job { seed, stamp_seed: self.stamp_seed, verify: Verify::Stamp, stall: STALL, ..spec.job(leave.span())? };
            jobs.push((job, leave, history));
        }
        let lanes = usize::try_from(spec.lanes()).expect("few lanes");
        if let ([(job, leave, history)], 1) = (jobs.as_slice(), lanes) {
            return drive(job, open(spec, leave, job).map_err(told)?.as_mut(), Some(*history), stop, None).map_err(told);
        }
        let cpu = |target: usize, lane: usize| io.cpus.get(target * lanes + lane).map(|cpu| usize::try_from(*cpu).expect("a CPU number fits"));
        let results: Vec<Result<JobResult, EngineError>> = thread::scope(|scope| {
            let threads: Vec<_> = (0..)
                .zip(&jobs)
                .map(|(target, (job, leave, history))| {
                    let seats: Vec<Vec<usize>> = (0..lanes).map(|lane| cpu(target, lane).into_iter().collect()).collect();
                    scope.spawn(move || drive_lanes(job, &seats, &|_, part| open(spec, leave, part), Some(*history), stop, None))
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().expect("lanes do not panic")).collect()
        });
        Ok(merge(results.into_iter().collect::<Result<Vec<_>, _>>().map_err(told)?))
    }
}

impl Engines {
    /// Purges each drive by Format NVM, one after the other.
    fn format(&self, io: &PlannedIo, stop: &AtomicBool) -> Result<Outcome, Trouble> {
        let mut purged = Vec::new();
        for number in &io.on {
            let (leave, history) = self.targets.get(*number).ok_or_else(|| "no target was claimed".to_owned())?;
            let passthrough = leave.passthrough().ok_or_else(|| told(no_commands(leave)))?;
            let mut erase = || format::format(leave.name(), passthrough, leave);
            purged.push(purge::purge(leave, history, self.stamp_seed, stop, &mut erase)?);
        }
        Ok(purge::outcome(&purged))
    }
}

fn no_commands(leave: &Leave) -> EngineError {
    let why = "the kernel has no character device for it: NVMe commands need a claimed NVMe drive".to_owned();
    EngineError::NotConfigured { what: "NVMe passthrough", target: leave.name().to_owned(), why }
}

fn open(spec: &IoSpec, leave: &Leave, job: &Job) -> Result<Box<dyn Lane>, EngineError> {
    let writable = spec.rw.writes().then_some(leave as &dyn WriteLeave);
    let passthrough = match (spec.access().passthrough, leave.passthrough()) {
        (true, None) => return Err(no_commands(leave)),
        (true, Some(passthrough)) => Some(passthrough),
        (false, _) => None,
    };
    let options = Options { hipri: spec.hipri, sqthread_poll: spec.sqthread_poll, passthrough };
    Ok(Box::new(Uring::open(leave.file(), leave.name(), job.bs.largest(), job.iodepth, writable, options)?))
}

pub(super) fn told(error: EngineError) -> Trouble {
    let mut cause = &error;
    while let EngineError::Lane { source, .. } = cause {
        cause = source;
    }
    if matches!(cause, EngineError::NotConfigured { .. }) { Trouble::NotConfigured(chain(cause)) } else { Trouble::Failed(chain(&error)) }
}

fn outcome_of_job(io: &PlannedIo, result: JobResult) -> Outcome {
    let corrupt: Vec<String> = result.corrupt_offsets.iter().map(|(kind, offset)| format!("{} at byte {offset}", kind.name())).collect();
    let mut notes = BTreeMap::new();
    if !corrupt.is_empty() {
        notes.insert("corrupt".to_owned(), corrupt.join(", "));
    }
    if let Some(open) = result.open.as_ref().filter(|open| open.backlog > 0) {
        notes.insert(format!("backlog {}", io.label()), format!("{} operations were due and had not begun at the end", open.backlog));
    }
    let kinds = [("read", result.read), ("write", result.write), ("trim", result.trim)];
    let mut kinds: Vec<Kind> = kinds
        .into_iter()
        .filter(|(_, direction)| direction.operations > 0)
        .map(|(name, direction)| Kind { name, operations: direction.operations, latencies: Latencies::from(&direction.histogram) })
        .collect();
    if kinds.len() < 2 {
        kinds.clear();
    }
    Outcome {
        kinds,
        backlog: result.open.as_ref().map_or(0, |open| open.backlog),
        lag: result.open.map(|open| Latencies::from(&open.lag)),
        sweep: Vec::new(),
        elapsed: result.elapsed,
        operations: result.operations,
        bytes: result.bytes,
        latencies: Some(Latencies::from(&result.histogram)),
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
        kinds: Vec::new(),
        lag: None,
        backlog: 0,
        sweep: Vec::new(),
        series: series.collect(),
        samples: result.samples,
        all_operations: result.verified,
        verified: result.verified,
        failed: BTreeMap::new(),
        corrupt: wrong,
        notes: BTreeMap::from([(format!("triad node {}", result.node), loop_used)]),
    })
}

/// The command that does the same on the claimed target: of fio, and of nvme-cli what fio cannot do.
pub(super) fn fio(io: &IoSpec, claim: &Claim) -> String {
    let access = io.access();
    let path = claim.commands_path().filter(|_| access.passthrough).unwrap_or_else(|| claim.path());
    let path = Printable::new(path).to_string();
    if io.purge == Some(Purge::Format) {
        return format!("nvme format {path} --ses=1");
    }
    let span = Span { start: claim.start(), bytes: claim.bytes() };
    io.job(span).map_or_else(|why| why, |job| job.fio(&path, &access))
}

#[cfg(test)]
mod tests {
    use assay_bench::Rw;

    use super::*;
    use crate::scenario::Extent;

    #[test]
    fn every_engine_that_a_scenario_may_use_is_in_the_registry() {
        for name in ENGINES {
            assert!(assay_bench::ENGINES.iter().any(|entry| entry.name == *name), "{name}");
        }
    }

    #[test]
    fn without_a_claim_nothing_is_read_or_written() {
        let spec = IoSpec::new("uring", Rw::Read, 4096, 1, Extent::Whole);
        let io = PlannedIo { spec, on: vec![0], of: None, cpus: Vec::new() };
        let trouble = Engines::default().io(&io, &AtomicBool::new(false)).expect_err("no claim");
        assert_eq!(trouble, Trouble::Failed("no target was claimed".to_owned()));
    }
}
