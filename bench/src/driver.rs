//! The driver: draws operations, keeps `iodepth` of them out, reads the clock once per batch, records every completion, stamps writes and verifies
//! reads while the next ones are out. A failed or short operation is never an operation; one that never comes back is an error that names the target.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::engine::status::describe_error;
use crate::engine::{Completion, Lane, Op, OpKind, PATIENCE};
use crate::error::EngineError;
use crate::history::History;
use crate::job::{Extent, Job, Rw, Span};
use crate::sys;

mod busy;
mod check;
mod content;
mod distribution;
mod lanes;
mod offsets;
mod record;
pub(crate) mod schedule;
#[cfg(test)]
mod tests;

pub use lanes::{Open, drive_lanes, merge, sum_of_series};
pub(crate) use offsets::Random;
pub use record::{Cpu, Direction, JobResult, OpenLoop};

use content::Content;
use offsets::{Draw, Drawn, Offsets};
use record::Recorder;
use schedule::Schedule;

/// Before an operation of an open loop is due nobody sleeps any more: timers are late by about so much.
const SPIN: Duration = Duration::from_micros(80);

/// How far a job is, for progress bars; written by the driver, read by anybody.
#[derive(Debug, Default)]
pub struct Progress {
    operations: AtomicU64,
}

impl Progress {
    /// Operations completed so far, the ramp included.
    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }
}

/// Runs one job on one lane and returns when it is over, stopped, or no longer possible. Operations that are out are always waited for.
pub fn drive(
    job: &Job,
    lane: &mut dyn Lane,
    history: Option<&History>,
    stop: &AtomicBool,
    progress: Option<&Progress>,
) -> Result<JobResult, EngineError> {
    let mut driver = Driver::new(job, lane, history)?;
    let outcome = driver.run(stop, progress);
    if outcome.is_err() {
        driver.disown();
    }
    outcome?;
    Ok(driver.recorder.finish(stop.load(Ordering::Relaxed)))
}

/// Null operations per second on this thread with all accounting on: a figure near it says more about the harness than about the device.
pub fn floor(runtime: Duration) -> Result<f64, EngineError> {
    let span = Span { start: 0, bytes: 1 << 30 };
    let job = Job { ramp_time: runtime / 4, extent: Extent::Runtime(runtime), ..Job::new(Rw::RandRead, 4096, 128, span) };
    let result = drive(&job, &mut crate::engine::null::Null::new(4096, job.iodepth), None, &AtomicBool::new(false), None)?;
    Ok(result.iops())
}

struct Driver<'a> {
    job: &'a Job,
    lane: &'a mut dyn Lane,
    content: Content<'a>,
    offsets: Offsets,
    // None in a closed loop.
    schedule: Option<Schedule>,
    // Since when the next operation could have begun, but for its time.
    room_since: Instant,
    free: Vec<u32>,
    // What every slot is about, by slot; which of them are out is in `is_out`.
    out: Vec<Outstanding>,
    is_out: Vec<bool>,
    in_flight: usize,
    depth: usize,
    ready: Vec<Op>,
    done: Vec<Completion>,
    // Slots of reads that have come back and were not looked at yet.
    unread: Vec<u32>,
    // Slots whose block was read, and is to be written now.
    modified: Vec<u32>,
    // Writes since the last flush.
    unflushed: u32,
    recorder: Recorder,
}

#[derive(Clone, Copy)]
struct Outstanding {
    since: Instant,
    offset: u64,
    generation: u64,
    bytes: u32,
    kind: OpKind,
    // Whether it has come by the clock of an open loop, which its latency counts from.
    is_due: bool,
}

impl<'a> Driver<'a> {
    fn new(job: &'a Job, lane: &'a mut dyn Lane, history: Option<&'a History>) -> Result<Self, EngineError> {
        check::check(job, lane, history)?;
        let slots = lane.slots();
        let depth = index(job.iodepth);
        let now = Instant::now();
        let nothing = Outstanding { since: now, offset: 0, generation: 0, bytes: 0, kind: OpKind::Flush, is_due: false };
        let usual = match job.rw {
            Rw::Write | Rw::RandWrite => OpKind::Write,
            Rw::Trim | Rw::RandTrim => OpKind::Trim,
            Rw::Read | Rw::RandRead | Rw::ReadWrite | Rw::RandRw | Rw::ReadModifyWrite => OpKind::Read,
        };
        Ok(Self {
            job,
            content: Content::new(job, lane, history),
            offsets: Offsets::new(job),
            schedule: None,
            room_since: now,
            free: (0..slots).rev().collect(),
            out: vec![nothing; index(slots)],
            is_out: vec![false; index(slots)],
            in_flight: 0,
            depth,
            ready: Vec::with_capacity(depth),
            done: Vec::with_capacity(depth),
            unread: Vec::with_capacity(depth),
            modified: Vec::with_capacity(depth),
            unflushed: 0,
            recorder: Recorder::new(usual, job.offsets_kept),
            lane,
        })
    }

    fn run(&mut self, stop: &AtomicBool, progress: Option<&Progress>) -> Result<(), EngineError> {
        let begin = Instant::now();
        let (ramp_end, end) = match self.job.extent {
            // A runtime beyond what the clock can say never ends by itself.
            Extent::Runtime(runtime) => (begin + self.job.ramp_time, (begin + self.job.ramp_time).checked_add(runtime)),
            Extent::WholeSpan | Extent::Sprandom { .. } => (begin, None),
        };
        self.schedule = Schedule::new(self.job, begin);
        self.room_since = begin;
        let mut now = begin;
        let mut measuring = false;
        let mut last_completion = begin;
        loop {
            if !measuring && now >= ramp_end {
                self.recorder.start(now, sys::usage::thread());
                measuring = true;
            }
            let exhausted = self.offsets.is_exhausted() && !self.owes_writes();
            let over = end.is_some_and(|end| now >= end) || exhausted || stop.load(Ordering::Relaxed);
            if over {
                break;
            }
            self.draw(now);
            now = self.turn(now, &mut last_completion)?;
            if let Some(progress) = progress {
                progress.operations.store(self.recorder.operations(), Ordering::Relaxed);
            }
        }
        // What is still out after a runtime belongs to nobody's second, but its content and its errors count. The last operations of a pass belong to it.
        let whole = self.job.extent.is_pass();
        if !whole {
            self.recorder.stop(now, sys::usage::thread());
        }
        if let Some(mut schedule) = self.schedule.take() {
            self.recorder.open();
            while let Some(due) = schedule.take(end.map_or(now, |end| end.min(now))) {
                self.recorder.overdue(due, now);
            }
        }
        while self.in_flight > 0 {
            now = self.turn(now, &mut last_completion)?;
        }
        self.look();
        if whole {
            self.recorder.stop(now, sys::usage::thread());
        }
        if let Some(progress) = progress {
            progress.operations.store(self.recorder.operations(), Ordering::Relaxed);
        }
        Ok(())
    }

    // Whether blocks were read, or are being read, that are to be written back.
    fn owes_writes(&self) -> bool {
        self.job.rw == Rw::ReadModifyWrite && self.in_flight + self.unread.len() + self.modified.len() > 0
    }

    // Starts what is ready, looks at what came back before, and takes what comes back now.
    fn turn(&mut self, now: Instant, last_completion: &mut Instant) -> Result<Instant, EngineError> {
        self.submit(now)?;
        if !self.unread.is_empty() {
            // The target works while blocks are looked at.
            self.lane.commit()?;
            self.look();
        }
        if self.in_flight == 0 {
            *last_completion = self.pause();
            return Ok(*last_completion);
        }
        self.lane.reap(self.patience(), &mut self.done)?;
        let now = Instant::now();
        if self.done.is_empty() {
            self.notice_stall(*last_completion, now)?;
        } else {
            *last_completion = now;
            self.settle(now)?;
        }
        Ok(now)
    }

    // How long completions may be waited for: no longer than until the next operation is due.
    fn patience(&self) -> Duration {
        match &self.schedule {
            Some(schedule) if self.in_flight < self.depth => {
                schedule.next().saturating_duration_since(Instant::now()).saturating_sub(SPIN).min(PATIENCE)
            }
            Some(_) | None => PATIENCE,
        }
    }

    // Nothing is out and nothing is due: what is left of the time until then, but for its last part.
    fn pause(&self) -> Instant {
        let patience = self.patience();
        if self.schedule.is_some() && !patience.is_zero() && self.modified.is_empty() {
            #[allow(clippy::disallowed_methods, reason = "this is the driver, and nothing can come back")]
            std::thread::sleep(patience);
        }
        Instant::now()
    }

    fn draw(&mut self, now: Instant) {
        while self.in_flight < self.depth {
            if let Some(slot) = self.modified.pop() {
                let Outstanding { offset, bytes, .. } = self.out[index(slot)];
                let kind = if self.job.fua { OpKind::WriteFua } else { OpKind::Write };
                self.begin(slot, Drawn { kind, offset, bytes }, now, false);
                continue;
            }
            let Some(slot) = self.free.last().copied() else { break };
            if self.job.fsync > 0 && self.unflushed >= self.job.fsync {
                self.free.pop();
                self.begin(slot, Drawn { kind: OpKind::Flush, offset: 0, bytes: 0 }, now, false);
                continue;
            }
            let due = self.schedule.as_ref().map_or(now, Schedule::next);
            if due > now {
                break;
            }
            match self.offsets.draw() {
                Draw::Next(drawn) => {
                    if let Some(schedule) = &mut self.schedule {
                        schedule.take(now);
                    }
                    self.free.pop();
                    self.begin(slot, drawn, due, self.schedule.is_some());
                }
                Draw::Busy => {
                    // It is the operations that are out which it waits for, and not the harness.
                    self.room_since = now;
                    break;
                }
                Draw::Exhausted => break,
            }
        }
    }

    fn begin(&mut self, slot: u32, drawn: Drawn, since: Instant, is_due: bool) {
        let Drawn { kind, offset, bytes } = drawn;
        let mut generation = 0;
        match kind {
            OpKind::Read => self.content.lose(slot),
            OpKind::Write | OpKind::WriteFua => {
                generation = self.content.put(&mut self.lane.buffer(slot)[..index(bytes)], slot, offset);
                self.unflushed += 1;
            }
            OpKind::Trim => {}
            OpKind::Flush => self.unflushed = 0,
        }
        self.out[index(slot)] = Outstanding { since, offset, generation, bytes, kind, is_due };
        self.is_out[index(slot)] = true;
        self.in_flight += 1;
        self.ready.push(Op { slot, kind, offset, bytes });
    }

    fn submit(&mut self, now: Instant) -> Result<(), EngineError> {
        if self.ready.is_empty() {
            return Ok(());
        }
        // Stamping lasts: the operations begin after it. Without it the reading of this batch is fresh enough.
        let since = if self.schedule.is_some() || self.job.rw.fills() { Instant::now() } else { now };
        while !self.ready.is_empty() {
            let taken = self.lane.submit(&self.ready)?;
            for op in self.ready.drain(..taken) {
                let out = &mut self.out[index(op.slot)];
                if out.is_due {
                    self.recorder.began(out.since.max(self.room_since), since);
                } else {
                    out.since = since;
                }
            }
            if taken == 0 {
                break;
            }
        }
        Ok(())
    }

    fn settle(&mut self, now: Instant) -> Result<(), EngineError> {
        let mut done = std::mem::take(&mut self.done);
        if self.in_flight == self.depth {
            self.room_since = now;
        }
        for completion in done.drain(..) {
            if !self.is_out.get_mut(index(completion.slot)).is_some_and(std::mem::take) {
                return Err(EngineError::Completion { target: self.lane.target().to_owned(), slot: completion.slot });
            }
            let out = self.out[index(completion.slot)];
            self.in_flight -= 1;
            match completion.result {
                Ok(bytes) if bytes == out.bytes => {
                    self.recorder.operation(now, out.since, out.kind, bytes);
                    self.content.acknowledged(&out);
                    if out.kind == OpKind::Read && (self.content.is_stamped() || self.job.rw == Rw::ReadModifyWrite) {
                        // The place stays taken until it was looked at.
                        self.unread.push(completion.slot);
                        continue;
                    }
                }
                Ok(bytes) => self.failed(&out, format!("short: {bytes} of {} bytes", out.bytes)),
                Err(error) => self.failed(&out, describe_error(error)),
            }
            self.release(completion.slot, &out);
        }
        self.done = done;
        self.recorder.flush(now);
        Ok(())
    }

    fn release(&mut self, slot: u32, out: &Outstanding) {
        if out.kind != OpKind::Flush {
            self.offsets.give_back(out.offset, out.bytes);
        }
        self.free.push(slot);
    }

    fn look(&mut self) {
        let mut unread = std::mem::take(&mut self.unread);
        for slot in unread.drain(..) {
            let out = self.out[index(slot)];
            self.content.look(&self.lane.buffer(slot)[..index(out.bytes)], out.offset, &mut self.recorder);
            if self.job.rw == Rw::ReadModifyWrite {
                self.modified.push(slot);
            } else {
                self.release(slot, &out);
            }
        }
        self.unread = unread;
    }

    fn failed(&mut self, out: &Outstanding, why: String) {
        self.recorder.failed(if out.kind == OpKind::Flush { format!("flush: {why}") } else { why });
        self.content.doubt(out);
    }

    // Whoever reads after a failure of the harness must not hold writes that were out against the device.
    fn disown(&mut self) {
        for (out, is_out) in self.out.iter().zip(&self.is_out) {
            if *is_out {
                self.content.doubt(out);
            }
        }
    }

    fn notice_stall(&self, since: Instant, now: Instant) -> Result<(), EngineError> {
        let waited = now.duration_since(since);
        if waited < self.job.stall {
            return Ok(());
        }
        Err(EngineError::Stalled { target: self.lane.target().to_owned(), in_flight: self.in_flight, waited })
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).expect("a slot or a block fits")
}
