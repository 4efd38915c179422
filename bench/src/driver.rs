//! The driver: draws offsets, keeps `iodepth` operations out, reads the clock once per batch, records every completion, stamps writes and verifies
//! reads while the next ones are out. A failed or short operation is never an operation; one that never comes back is an error that names the target.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::engine::{Completion, Lane, Op, PATIENCE};
use crate::error::EngineError;
use crate::history::History;
use crate::job::{Extent, Job, Load, Verify};
use crate::sys;

mod offsets;
mod record;
mod schedule;
#[cfg(test)]
mod tests;

pub(crate) use offsets::Random;
pub use record::{Cpu, JobResult, OpenLoop};

use offsets::Offsets;
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
    history: Option<&mut History>,
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
    let job = Job {
        rw: crate::job::Rw::RandRead,
        bs: 4096,
        iodepth: 128,
        ramp_time: runtime / 4,
        load: Load::Closed,
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
            (Verify::Off, Some(_)) if job.rw.writes() => return Err(refuse("writes without stamps would make the write history untrue")),
            (Verify::Off, _) => {}
            (Verify::Stamp, None) => return Err(refuse("verification needs a write history")),
            (Verify::Stamp, Some(_)) if !u64::from(job.bs).is_multiple_of(crate::stamp::UNIT) => {
                return Err(refuse("stamped blocks are multiples of 4 KiB"));
            }
            (Verify::Stamp, Some(history)) if !history.covers(job.span) => {
                return Err(refuse("the span must lie within the write history, in steps of 4 KiB"));
            }
            (Verify::Stamp, Some(_)) => {}
        }
        if job.extent == Extent::WholeSpan && job.rw.is_random() {
            return Err(refuse("a pass over the whole span is sequential"));
        }
        match job.load {
            Load::Open { rate: 0, .. } => return Err(refuse("an open loop needs a rate of at least one operation per second")),
            Load::Open { .. } if job.extent == Extent::WholeSpan => return Err(refuse("a pass over the whole span has no rate")),
            Load::Open { .. } | Load::Closed => {}
        }
        let slots = lane.slots();
        if slots < job.iodepth {
            return Err(refuse("the lane has fewer buffers than the iodepth"));
        }
        let depth = index(job.iodepth);
        if job.rw.writes() {
            for slot in 0..slots {
                crate::stamp::fill(lane.buffer(slot), job.seed ^ u64::from(slot).rotate_left(32));
            }
        }
        let now = Instant::now();
        Ok(Self {
            job,
            history,
            offsets: Offsets::new(job, blocks),
            schedule: None,
            room_since: now,
            free: (0..slots).rev().collect(),
            out: vec![Outstanding { since: now, offset: 0, generation: 0 }; index(slots)],
            is_out: vec![false; index(slots)],
            in_flight: 0,
            depth,
            ready: Vec::with_capacity(depth),
            done: Vec::with_capacity(depth),
            unread: Vec::with_capacity(depth),
            recorder: Recorder::new(job.bs),
            lane,
        })
    }

    fn run(&mut self, stop: &AtomicBool, progress: Option<&Progress>) -> Result<(), EngineError> {
        let begin = Instant::now();
        let (ramp_end, end) = match self.job.extent {
            Extent::Runtime(runtime) => (begin + self.job.ramp_time, Some(begin + self.job.ramp_time + runtime)),
            Extent::WholeSpan => (begin, None),
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
            let over = end.is_some_and(|end| now >= end) || self.offsets.is_exhausted() || stop.load(Ordering::Relaxed);
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
        let whole = self.job.extent == Extent::WholeSpan;
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

    // Starts what is ready, looks at what came back before, and takes what comes back now.
    fn turn(&mut self, now: Instant, last_completion: &mut Instant) -> Result<Instant, EngineError> {
        self.submit(now)?;
        self.look();
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
        if self.schedule.is_some() && !patience.is_zero() {
            #[allow(clippy::disallowed_methods, reason = "this is the driver, and nothing can come back")]
            std::thread::sleep(patience);
        }
        Instant::now()
    }

    fn draw(&mut self, now: Instant) {
        while self.in_flight < self.depth {
            let Some(slot) = self.free.pop() else { break };
            let due = self.schedule.as_mut().map_or(Some(now), |schedule| schedule.take(now));
            let Some((due, offset)) = due.and_then(|due| Some((due, self.offsets.draw()?))) else {
                self.free.push(slot);
                break;
            };
            let mut generation = 0;
            if let (true, Verify::Stamp, Some(history)) = (self.job.rw.writes(), self.job.verify, self.history.as_deref_mut()) {
                generation = history.draw();
                crate::stamp::stamp(self.lane.buffer(slot), self.job.stamp_seed, offset, generation);
            }
            self.out[index(slot)] = Outstanding { offset, generation, since: due };
            self.is_out[index(slot)] = true;
            self.in_flight += 1;
            self.ready.push(Op { slot, write: self.job.rw.writes(), offset });
        }
    }

    fn submit(&mut self, now: Instant) -> Result<(), EngineError> {
        if self.ready.is_empty() {
            return Ok(());
        }
        // Stamping lasts: the operations begin after it. Without it the reading of this batch is fresh enough.
        let since = if self.schedule.is_some() || self.job.rw.writes() && self.job.verify == Verify::Stamp { Instant::now() } else { now };
        while !self.ready.is_empty() {
            let taken = self.lane.submit(&self.ready)?;
            for op in self.ready.drain(..taken) {
                let out = &mut self.out[index(op.slot)];
                if self.schedule.is_some() {
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
        for completion in done.drain(..) {
            if !self.is_out.get_mut(index(completion.slot)).is_some_and(std::mem::take) {
                return Err(EngineError::Completion { target: self.lane.target().to_owned(), slot: completion.slot });
            }
            let out = self.out[index(completion.slot)];
            if self.in_flight == self.depth {
                self.room_since = now;
            }
            self.in_flight -= 1;
            self.offsets.give_back(out.offset);
            let mut is_free = true;
            match completion.result {
                Ok(bytes) if bytes == self.job.bs => {
                    self.recorder.operation(now, out.since);
                    is_free = !self.content(completion.slot, out);
                }
                Ok(bytes) => self.failed(out, format!("short: {bytes} of {} bytes", self.job.bs)),
                Err(errno) => self.failed(out, std::io::Error::from_raw_os_error(errno).to_string()),
            }
            if is_free {
                self.free.push(completion.slot);
            }
        }
        self.done = done;
        self.recorder.flush(now);
        Ok(())
    }

    // What a completed operation means for the content; true when the slot's buffer must be looked at first.
    fn content(&mut self, slot: u32, out: Outstanding) -> bool {
        let (Verify::Stamp, Some(history)) = (self.job.verify, self.history.as_deref_mut()) else { return false };
        if self.job.rw.writes() {
            history.written(out.offset, u64::from(self.job.bs), out.generation);
            return false;
        }
        self.unread.push(slot);
        true
    }

    // A job reads or writes, never both: what must be there has not changed since the read.
    fn look(&mut self) {
        let Some(history) = self.history.as_deref() else { return };
        for slot in self.unread.drain(..) {
            let mut at = self.out[index(slot)].offset;
            let mut compared = true;
            for unit in self.lane.buffer(slot).chunks_exact(crate::stamp::UNIT_BYTES) {
                let expected = history.expected(at);
                compared &= expected != crate::history::Expected::Unwritten;
                if let Err(corruption) = crate::stamp::check(unit, self.job.stamp_seed, at, expected) {
                    self.recorder.corrupt(corruption, at);
                }
                at += crate::stamp::UNIT;
            }
            if compared {
                self.recorder.verified();
            }
            self.free.push(slot);
        }
    }

    fn failed(&mut self, out: Outstanding, why: String) {
        self.recorder.failed(why);
        self.doubt(out.offset);
    }

    // Whoever reads after a failure of the harness must not hold writes that were out against the device.
    fn disown(&mut self) {
        for slot in 0..self.out.len() {
            if self.is_out[slot] {
                self.doubt(self.out[slot].offset);
            }
        }
    }

    fn doubt(&mut self, offset: u64) {
        if let (true, Some(history)) = (self.job.rw.writes(), self.history.as_deref_mut()) {
            history.uncertain(offset, u64::from(self.job.bs));
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

fn index(slot: u32) -> usize {
    usize::try_from(slot).expect("a slot fits")
}
