//! The driver: draws offsets, keeps `iodepth` operations out, reads the clock once per batch, records every completion, stamps writes and verifies
//! reads. A failed or short operation is never an operation; one that never comes back is an error that names the target.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::engine::{Completion, Lane, Op};
use crate::error::EngineError;
use crate::history::History;
use crate::job::{Extent, Job, Verify};
use crate::sys;

mod offsets;
mod record;
#[cfg(test)]
mod tests;

pub use offsets::Random;
pub use record::{Cpu, JobResult};

use offsets::Offsets;
use record::Recorder;

/// How long one wait for completions lasts at most; the stop flag is looked at in between.
const PATIENCE: Duration = Duration::from_millis(50);

/// How far a job is, for progress bars; written by the driver, read by anybody.
#[derive(Debug, Default)]
pub struct Progress {
    operations: AtomicU64,
}

impl Progress {
    /// Operations completed so far.
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }
}

/// Runs one job on one lane and returns when it is over, stopped, or no longer possible. Operations that are out are always waited for.
pub fn drive(
    job: &Job,
    lane: &mut dyn Lane,
    history: Option<&mut History>,
    stop: &AtomicBool,
    progress: Option<&Progress>,
) -> Result<JobResult, EngineError> {
    Driver::new(job, lane, history)?.run(stop, progress)
}

/// Null operations per second on this thread with all accounting on: a figure near it says more about the harness than about the device.
pub fn floor(runtime: Duration) -> Result<f64, EngineError> {
    let job = Job {
        rw: crate::job::Rw::RandRead,
        bs: 4096,
        iodepth: 128,
        ramp_time: runtime / 4,
        extent: Extent::Runtime(runtime),
        io_size: None,
        span: crate::job::Span { start: 0, bytes: 1 << 30 },
        seed: 1,
        stamp_seed: 1,
        verify: Verify::Off,
        stall: Duration::from_secs(10),
    };
    let result = drive(&job, &mut crate::engine::null::Null::new(job.bs, job.iodepth), None, &AtomicBool::new(false), None)?;
    Ok(result.iops())
}

struct Driver<'a> {
    job: &'a Job,
    lane: &'a mut dyn Lane,
    history: Option<&'a mut History>,
    offsets: Offsets,
    free: Vec<u32>,
    out: Vec<Outstanding>,
    ready: Vec<Op>,
    done: Vec<Completion>,
    recorder: Recorder,
}

#[derive(Clone, Copy)]
struct Outstanding {
    since: Instant,
    offset: u64,
    generation: u32,
}

impl<'a> Driver<'a> {
    fn new(job: &'a Job, lane: &'a mut dyn Lane, history: Option<&'a mut History>) -> Result<Self, EngineError> {
        let refuse = |why: &str| EngineError::Job { rw: job.rw.name(), target: lane.target().to_owned(), why: why.to_owned() };
        if job.bs == 0 || !job.bs.is_multiple_of(512) {
            return Err(refuse("the block size must be a multiple of 512 bytes"));
        }
        if job.iodepth == 0 {
            return Err(refuse("the iodepth must be at least 1"));
        }
        let blocks = job.span.bytes / u64::from(job.bs);
        if blocks < u64::from(job.iodepth) {
            return Err(refuse("the span must hold at least one block per operation in flight"));
        }
        match (job.verify, &history) {
            (Verify::Off, _) => {}
            (Verify::Stamp, None) => return Err(refuse("verification needs a write history")),
            (Verify::Stamp, Some(_)) if !u64::from(job.bs).is_multiple_of(crate::stamp::UNIT) => {
                return Err(refuse("stamped blocks are multiples of 4 KiB"));
            }
            (Verify::Stamp, Some(_)) => {}
        }
        if job.extent == Extent::WholeSpan && job.rw.is_random() {
            return Err(refuse("a pass over the whole span is sequential"));
        }
        let depth = usize::try_from(job.iodepth).expect("an iodepth fits into memory");
        if job.rw.writes() {
            for slot in 0..job.iodepth {
                crate::stamp::fill(lane.buffer(slot), job.seed ^ u64::from(slot).rotate_left(32));
            }
        }
        let now = Instant::now();
        Ok(Self {
            job,
            history,
            offsets: Offsets::new(job, blocks),
            free: (0..job.iodepth).rev().collect(),
            out: vec![Outstanding { since: now, offset: 0, generation: 0 }; depth],
            ready: Vec::with_capacity(depth),
            done: Vec::with_capacity(depth),
            recorder: Recorder::new(job.bs),
            lane,
        })
    }

    fn run(mut self, stop: &AtomicBool, progress: Option<&Progress>) -> Result<JobResult, EngineError> {
        let begin = Instant::now();
        let (ramp_end, end) = match self.job.extent {
            Extent::Runtime(runtime) => (begin + self.job.ramp_time, Some(begin + self.job.ramp_time + runtime)),
            Extent::WholeSpan => (begin, None),
        };
        let mut now = begin;
        let mut measuring = false;
        let mut last_completion = begin;
        loop {
            if !measuring && now >= ramp_end {
                self.recorder.start(now, sys::usage::thread());
                measuring = true;
            }
            let over = end.is_some_and(|end| now >= end) || self.offsets.is_exhausted() || stop.load(Ordering::Relaxed);
            if over {
                break;
            }
            self.issue(now)?;
            self.lane.reap(PATIENCE, &mut self.done)?;
            now = Instant::now();
            if self.done.is_empty() {
                self.notice_stall(last_completion, now)?;
                continue;
            }
            last_completion = now;
            self.settle(now);
            if let Some(progress) = progress {
                progress.operations.store(self.recorder.operations(), Ordering::Relaxed);
            }
        }
        let cpu = sys::usage::thread();
        self.recorder.stop(now.min(end.unwrap_or(now)), cpu);
        // What is still out belongs to nobody's second, but its content and its errors count.
        let whole = self.job.extent == Extent::WholeSpan;
        while self.free.len() < self.out.len() {
            self.lane.reap(PATIENCE, &mut self.done)?;
            now = Instant::now();
            if self.done.is_empty() {
                self.notice_stall(last_completion, now)?;
                continue;
            }
            last_completion = now;
            if whole {
                self.recorder.extend(now);
            }
            self.settle(now);
        }
        Ok(self.recorder.finish(stop.load(Ordering::Relaxed)))
    }

    fn issue(&mut self, now: Instant) -> Result<(), EngineError> {
        while let Some(slot) = self.free.pop() {
            let Some(offset) = self.offsets.draw() else {
                self.free.push(slot);
                break;
            };
            let mut generation = 0;
            if let (true, Verify::Stamp, Some(history)) = (self.job.rw.writes(), self.job.verify, self.history.as_deref_mut()) {
                generation = history.draw();
                crate::stamp::stamp(self.lane.buffer(slot), self.job.stamp_seed, offset, generation);
            }
            self.out[index(slot)] = Outstanding { since: now, offset, generation };
            self.ready.push(Op { slot, write: self.job.rw.writes(), offset });
        }
        while !self.ready.is_empty() {
            let taken = self.lane.submit(&self.ready)?;
            self.ready.drain(..taken);
            if taken == 0 {
                break;
            }
        }
        Ok(())
    }

    fn settle(&mut self, now: Instant) {
        let mut done = std::mem::take(&mut self.done);
        for completion in done.drain(..) {
            let out = self.out[index(completion.slot)];
            match completion.result {
                Ok(bytes) if bytes == self.job.bs => {
                    self.content(completion.slot, out);
                    self.recorder.operation(now, out.since);
                }
                Ok(bytes) => self.failed(out, || format!("short: {bytes} of {} bytes", self.job.bs)),
                Err(errno) => self.failed(out, || std::io::Error::from_raw_os_error(errno).to_string()),
            }
            self.offsets.give_back(out.offset);
            self.free.push(completion.slot);
        }
        self.done = done;
        self.recorder.flush();
    }

    fn content(&mut self, slot: u32, out: Outstanding) {
        let (Verify::Stamp, Some(history)) = (self.job.verify, self.history.as_deref_mut()) else { return };
        if self.job.rw.writes() {
            history.written(out.offset, u64::from(self.job.bs), out.generation);
            return;
        }
        let seed = self.job.stamp_seed;
        let mut at = out.offset;
        let mut compared = false;
        for unit in self.lane.buffer(slot).chunks_exact(index(u32::try_from(crate::stamp::UNIT).expect("4096"))) {
            let expected = history.expected(at);
            compared |= expected != crate::history::Expected::Unwritten;
            if let Err(corruption) = crate::stamp::check(unit, seed, at, expected) {
                self.recorder.corrupt(corruption, at);
            }
            at += crate::stamp::UNIT;
        }
        if compared {
            self.recorder.verified();
        }
    }

    fn failed(&mut self, out: Outstanding, why: impl FnOnce() -> String) {
        self.recorder.failed(why());
        if let (true, Some(history)) = (self.job.rw.writes() && self.job.verify == Verify::Stamp, self.history.as_deref_mut()) {
            history.uncertain(out.offset, u64::from(self.job.bs));
        }
    }

    fn notice_stall(&self, since: Instant, now: Instant) -> Result<(), EngineError> {
        let waited = now.duration_since(since);
        if waited < self.job.stall {
            return Ok(());
        }
        Err(EngineError::Stalled { target: self.lane.target().to_owned(), in_flight: self.out.len() - self.free.len(), waited })
    }
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).expect("a slot fits")
}
