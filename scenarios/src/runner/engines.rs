//! The real bench: hands planned work to the engines and kernels of `assay-bench`, with the write history of each target, so that every read of a run
//! is compared with what the run wrote last.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::thread;
use std::time::Duration;

use assay_bench::engine::format;
use assay_bench::engine::null::Null;
use assay_bench::engine::rbd;
use assay_bench::engine::sanitize::{self, Erasure};
use assay_bench::engine::uring::{Options, Uring, WriteLeave};
use assay_bench::kernel::triad::{self, Triad};
use assay_bench::{EngineError, History, Job, JobResult, Lane, Span, Verify, drive, drive_lanes, merge};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::claim::{Claim, Leave, Target};
use crate::error::chain;
use crate::plan::{PlannedDrill, PlannedIo, PlannedWork};
use crate::printable::Printable;
use crate::scenario::{IoSpec, Purge};

use super::bench::{Bench, Kind, Nodes, Outcome, Targets, Trouble, pin};
use super::latencies::Latencies;
use super::net::{Sessions, Stage};
use super::purge;

/// Names of the engines that a scenario may use.
pub(crate) const ENGINES: &[&str] = &["null", "uring", "uring_cmd", "rbd"];

/// Nothing coming back for so long is an error: longer than any timeout of the kernel that is followed by a retry.
const STALL: Duration = Duration::from_secs(60);
/// The range that the null engine pretends to have.
const NULL_SPAN: Span = Span { start: 0, bytes: 1 << 30 };

/// Engines and what they know of the targets.
#[derive(Default)]
pub(crate) struct Engines {
    targets: Vec<(Leave, History)>,
    stamp_seed: u64,
    jobs: u64,
    folder: PathBuf,
    sessions: Option<Sessions>,
    run: String,
}

impl Bench for Engines {
    fn take_targets(&mut self, Targets { leaves, unit, stamp_seed, acks, folder }: Targets) -> Result<(), Trouble> {
        self.stamp_seed = stamp_seed;
        self.folder = folder;
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

    fn take_run(&mut self, run: &str) {
        run.clone_into(&mut self.run);
    }

    fn take_nodes(&mut self, nodes: Nodes) -> std::io::Result<()> {
        self.sessions = Some(Sessions::new(nodes)?);
        Ok(())
    }

    fn work(&mut self, work: &PlannedWork, stop: &AtomicBool) -> Result<Outcome, Trouble> {
        match work {
            PlannedWork::Io(io) => match io.spec.purge {
                Some(purge) => self.purge(io, purge, stop),
                None => self.io(io, stop).map(|result| outcome_of_job(io, result)),
            },
            PlannedWork::Net(net) => match &mut self.sessions {
                Some(sessions) => sessions.work(net, stop),
                None => Err(Trouble::Failed("the plan names no nodes".to_owned())),
            },
            PlannedWork::Drill(drill) => self.drill(drill, stop),
            PlannedWork::Ceph(ceph) => {
                self.jobs += 1;
                super::ceph::measure(ceph, (&self.run, self.jobs), self.sessions.as_mut(), stop)
            }
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
            let _seat = Pinned::to(io.cpus.first().copied());
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
    fn drill(&mut self, drill: &PlannedDrill, stop: &AtomicBool) -> Result<Outcome, Trouble> {
        self.jobs += 1;
        let (leave, history) = self.targets.first().ok_or_else(|| "no target was claimed".to_owned())?;
        let Target::Image(image) = leave.on() else { return Err(Trouble::Failed(format!("{} is no image of a Ceph cluster", leave.name()))) };
        let sessions = self.sessions.as_mut().ok_or_else(|| "the plan names no nodes".to_owned())?;
        let stage = Stage { image, leave, history, stamp_seed: self.stamp_seed, job: self.jobs, folder: &self.folder };
        sessions.drill(drill, &stage, stop)
    }

    /// Purges each drive by one command, one after the other.
    fn purge(&self, io: &PlannedIo, how: Purge, stop: &AtomicBool) -> Result<Outcome, Trouble> {
        let mut purged = Vec::new();
        for number in &io.on {
            let (leave, history) = self.targets.get(*number).ok_or_else(|| "no target was claimed".to_owned())?;
            let passthrough = leave.passthrough().ok_or_else(|| told(no_commands(leave)))?;
            let mut erase = || match how {
                Purge::Format => format::format(leave.name(), passthrough, leave).map(|took| ("Format NVM with erasure of the user data", took)),
                Purge::Sanitize => sanitize::sanitize(leave.name(), passthrough, leave, stop).map(|(erasure, took)| (sanitized_by(erasure), took)),
            };
            purged.push(purge::purge(leave, history, self.stamp_seed, stop, &mut erase)?);
        }
        Ok(purge::outcome(&purged))
    }
}

/// The calling thread on one CPU, beside the target of its work, for as long as this lives; afterwards on those of before.
struct Pinned(Option<CpuSet>);

impl Pinned {
    fn to(cpu: Option<u32>) -> Self {
        let before = cpu.and_then(|_| sched_getaffinity(None).ok());
        if let (Some(cpu), Some(_)) = (cpu, &before) {
            pin(cpu);
        }
        Self(before)
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // What the kernel does not allow any more is where it was not either.
            let _ = sched_setaffinity(None, before);
        }
    }
}

fn sanitized_by(erasure: Erasure) -> &'static str {
    match erasure {
        Erasure::Blocks => "Sanitize by block erase",
        Erasure::Key => "Sanitize by crypto erase",
    }
}

fn no_commands(leave: &Leave) -> EngineError {
    let why = "the kernel has no character device for it: NVMe commands need a claimed NVMe drive".to_owned();
    EngineError::NotConfigured { what: "NVMe passthrough", target: leave.name().to_owned(), why }
}

fn open(spec: &IoSpec, leave: &Leave, job: &Job) -> Result<Box<dyn Lane>, EngineError> {
    let writable = spec.rw.writes().then_some(leave as &dyn WriteLeave);
    let file = match (leave.on(), spec.is_on_an_image()) {
        (Target::Image(image), true) => return Ok(Box::new(rbd::open(image, job.bs.largest(), job.iodepth, writable)?)),
        (Target::File(file), false) => file,
        // A plan has none of these.
        (Target::Image(_), false) => return Err(unfit(spec, leave, "it is an image, and no file or device")),
        (Target::File(_), true) => return Err(unfit(spec, leave, "it is no image of a Ceph cluster")),
    };
    let passthrough = match (spec.access().passthrough, leave.passthrough()) {
        (true, None) => return Err(no_commands(leave)),
        (true, Some(passthrough)) => Some(passthrough),
        (false, _) => None,
    };
    let options = Options { hipri: spec.hipri, sqthread_poll: spec.sqthread_poll, passthrough };
    Ok(Box::new(Uring::open(file, leave.name(), job.bs.largest(), job.iodepth, writable, options)?))
}

fn unfit(spec: &IoSpec, leave: &Leave, why: &str) -> EngineError {
    EngineError::Job { rw: spec.rw.name(), target: leave.name().to_owned(), why: format!("the engine {} does not work on it: {why}", spec.engine) }
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
        elapsed: result.elapsed,
        cpu_share: Some(result.cpu_share),
        operations: result.operations,
        bytes: result.bytes,
        latencies: Some(Latencies::from(&result.histogram)),
        series: result.series,
        all_operations: result.verification.operations,
        verified: result.verification.verified,
        failed: result.verification.failed,
        corrupt: result.verification.corrupt,
        notes,
        ..Outcome::default()
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
        series: series.collect(),
        samples: result.samples,
        all_operations: result.verified,
        verified: result.verified,
        failed: BTreeMap::new(),
        corrupt: wrong,
        notes: BTreeMap::from([(format!("triad node {}", result.node), loop_used)]),
        ..Outcome::default()
    })
}

/// The command that does the same on the claimed target: of fio, and of nvme-cli what fio cannot do.
pub(super) fn fio(io: &IoSpec, claim: &Claim) -> String {
    let access = io.access();
    if let Target::Image(image) = claim.on() {
        let span = Span { start: claim.start(), bytes: claim.bytes() };
        let command = io.job(span).map_or_else(|why| why, |job| job.fio(&Printable::new(image.name()).to_string(), &access));
        let namespace = if image.name().matches('/').count() > 1 { "; fio's engine rbd knows no namespaces" } else { "" };
        return format!("{command} # on an image like it: {}{namespace}", claim.describe());
    }
    let path = claim.commands_path().filter(|_| access.passthrough).unwrap_or_else(|| claim.path());
    let path = Printable::new(path).to_string();
    match io.purge {
        Some(Purge::Format) => return format!("nvme format {path} --ses=1"),
        // A drive that cannot erase its blocks throws its key away: --sanact=start-crypto-erase.
        Some(Purge::Sanitize) => return format!("nvme sanitize {path} --sanact=start-block-erase"),
        None => {}
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
    fn a_lane_sits_on_its_own_cpu_for_as_long_as_it_works() {
        std::thread::spawn(|| {
            let before = sched_getaffinity(None).expect("a set");
            for cpu in (0..CpuSet::MAX_CPU).filter(|cpu| before.is_set(*cpu)) {
                let seat = Pinned::to(u32::try_from(cpu).ok());
                let during = sched_getaffinity(None).expect("a set");
                assert!(during.count() == 1 && during.is_set(cpu), "{during:?}");
                drop(seat);
                assert_eq!(sched_getaffinity(None).expect("a set"), before);
            }
        })
        .join()
        .expect("holds");
    }

    #[test]
    fn without_a_claim_nothing_is_read_or_written() {
        let spec = IoSpec::new("uring", Rw::Read, 4096, 1, Extent::Whole);
        let io = PlannedIo { spec, on: vec![0], of: None, serial: None, serials: Vec::new(), cpus: Vec::new() };
        let trouble = Engines::default().io(&io, &AtomicBool::new(false)).expect_err("no claim");
        assert_eq!(trouble, Trouble::Failed("no target was claimed".to_owned()));
    }
}
