//! A lane that spoils what goes through it, on purpose and to a plan: what assay must find is planted here, between the driver and a lane that works.
//! It is for selftests; no scenario can name it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::engine::{Completion, Lane, Op, OpKind};
use crate::error::EngineError;

/// What is done to an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spoil {
    /// One bit of what is written is another.
    FlippedBit,
    /// The write is reported as done, and nothing is written.
    LostWrite,
    /// Only the first half of the write reaches the target.
    TornWrite,
    /// The write lands one block further on, and what was there is lost.
    MisdirectedWrite,
    /// The read is answered with one block further on.
    MisdirectedRead,
    /// One bit of what was read is another; the target is right.
    FlippedBitOnRead,
    /// Half of what was asked for comes back.
    ShortRead,
    /// The operation fails with this error.
    Error(i32),
    /// It takes this much longer, alone.
    Tail(Duration),
    /// Everything takes this much longer, from here on, once.
    Stall(Duration),
}

/// How fast the target is, as time goes by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Operations per second.
    pub iops: f64,
    /// From then on so many instead.
    pub then: Option<(Duration, f64)>,
}

/// A lane with faults.
pub struct Faulty<L> {
    lane: L,
    // One of so many operations that it can be done to.
    plan: Vec<(Spoil, u64)>,
    pace: Option<Pace>,
    counts: Vec<u64>,
    began: Option<Instant>,
    /// When the next operation of a paced target can be done.
    free: Option<Instant>,
    held_until: Option<Instant>,
    // By slot: what was done to the operation that is out.
    out: BTreeMap<u32, (Op, Option<Spoil>)>,
    // Finished, and not to be told before their time.
    finished: VecDeque<(Instant, Completion)>,
    planted: Arc<Mutex<Vec<(Spoil, u64)>>>,
}

impl Spoil {
    fn concerns(self, kind: OpKind) -> bool {
        match self {
            Spoil::FlippedBit | Spoil::LostWrite | Spoil::TornWrite | Spoil::MisdirectedWrite => matches!(kind, OpKind::Write | OpKind::WriteFua),
            Spoil::MisdirectedRead | Spoil::FlippedBitOnRead | Spoil::ShortRead => kind == OpKind::Read,
            Spoil::Error(_) | Spoil::Tail(_) | Spoil::Stall(_) => true,
        }
    }
}

impl<L: Lane> Faulty<L> {
    /// Spoils one of so many operations, of those that it can be done to. Of several that fall on one operation, the first is done.
    pub fn new(lane: L, plan: &[(Spoil, u64)]) -> Self {
        Self {
            lane,
            plan: plan.to_vec(),
            pace: None,
            counts: vec![0; plan.len()],
            began: None,
            free: None,
            held_until: None,
            out: BTreeMap::new(),
            finished: VecDeque::new(),
            planted: Arc::default(),
        }
    }

    /// A target that works and has this pace.
    pub fn paced(lane: L, pace: Pace) -> Self {
        Self { pace: Some(pace), ..Self::new(lane, &[]) }
    }

    /// The lane that works.
    #[cfg(test)]
    pub(crate) fn inner(&mut self) -> &mut L {
        &mut self.lane
    }

    /// What was planted, and where, in the order in which it was; filled while the lane works.
    pub fn planted(&self) -> Arc<Mutex<Vec<(Spoil, u64)>>> {
        Arc::clone(&self.planted)
    }

    fn drawn(&mut self, kind: OpKind) -> Option<Spoil> {
        let mut drawn = None;
        for ((spoil, every), count) in self.plan.iter().zip(&mut self.counts) {
            if spoil.concerns(kind) {
                *count += 1;
                if *count % every == 0 && drawn.is_none() {
                    drawn = Some(*spoil);
                }
            }
        }
        drawn
    }

    // Begins one operation with its fault; the lane may not take it now.
    fn begin(&mut self, op: Op, spoil: Option<Spoil>, now: Instant) -> Result<bool, EngineError> {
        let mut issued = op;
        match spoil {
            Some(Spoil::LostWrite) => {
                self.finish(now, op, Ok(op.bytes), spoil);
                return Ok(true);
            }
            Some(Spoil::Error(error)) => {
                self.finish(now, op, Err(error), spoil);
                return Ok(true);
            }
            Some(Spoil::FlippedBit) => flip(self.lane.buffer(op.slot), op.offset),
            Some(Spoil::TornWrite | Spoil::ShortRead) => issued.bytes = op.bytes / 2,
            Some(Spoil::MisdirectedWrite | Spoil::MisdirectedRead) => issued.offset = op.offset + u64::from(op.bytes),
            Some(Spoil::Stall(length)) => self.held_until = Some(now + length),
            Some(Spoil::FlippedBitOnRead | Spoil::Tail(_)) | None => {}
        }
        if self.lane.submit(&[issued])? == 0 {
            return Ok(false);
        }
        self.out.insert(op.slot, (op, spoil));
        Ok(true)
    }

    fn finish(&mut self, now: Instant, op: Op, result: Result<u32, i32>, spoil: Option<Spoil>) {
        if let Some(spoil) = spoil {
            self.planted.lock().expect("no holder panics").push((spoil, op.offset));
        }
        let late = if let Some(Spoil::Tail(length)) = spoil { length } else { Duration::ZERO };
        let mut at = now + late;
        if let Some(pace) = self.pace {
            let began = *self.began.get_or_insert(now);
            let iops = pace.then.filter(|(after, _)| now >= began + *after).map_or(pace.iops, |(_, iops)| iops);
            at = self.free.map_or(now, |free| free.max(now - CATCHES_UP)) + Duration::from_secs_f64(1.0 / iops);
            self.free = Some(at);
        }
        if let Some(until) = self.held_until {
            at = at.max(until);
        }
        let place = self.finished.partition_point(|(other, _)| *other <= at);
        self.finished.insert(place, (at, Completion { slot: op.slot, result }));
    }
}

/// A target that was not asked while the host was busy catches up with so much; one that was idle for longer is not faster for it.
const CATCHES_UP: Duration = Duration::from_millis(2);

// Another bit of another byte for every place, so that every part of a block is tried.
fn flip(buffer: &mut [u8], offset: u64) {
    let bits = u64::try_from(buffer.len()).expect("a buffer in memory").min(4096) * 8;
    let bit = offset.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(23) % bits;
    let (byte, bit) = (usize::try_from(bit / 8).expect("within the buffer"), bit % 8);
    buffer[byte] ^= 1 << bit;
}

impl<L: Lane> Lane for Faulty<L> {
    fn target(&self) -> &str {
        self.lane.target()
    }

    fn slots(&self) -> u32 {
        self.lane.slots()
    }

    fn block_size(&self) -> u32 {
        self.lane.block_size()
    }

    fn buffer(&mut self, slot: u32) -> &mut [u8] {
        self.lane.buffer(slot)
    }

    fn submit(&mut self, ops: &[Op]) -> Result<usize, EngineError> {
        let now = Instant::now();
        for (taken, op) in ops.iter().enumerate() {
            let spoil = self.drawn(op.kind);
            if !self.begin(*op, spoil, now)? {
                return Ok(taken);
            }
        }
        Ok(ops.len())
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        self.lane.commit()
    }

    fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
        let deadline = Instant::now() + patience;
        let mut reaped = Vec::new();
        loop {
            // What waits for its time here must not wait for the lane.
            if !self.out.is_empty() {
                let patience = if self.finished.is_empty() { deadline.saturating_duration_since(Instant::now()) } else { Duration::ZERO };
                self.lane.reap(patience, &mut reaped)?;
            }
            let now = Instant::now();
            for completion in reaped.drain(..) {
                let Some((op, spoil)) = self.out.remove(&completion.slot) else { continue };
                let result = match (spoil, completion.result) {
                    (Some(Spoil::TornWrite), Ok(_)) => Ok(op.bytes),
                    (Some(Spoil::FlippedBitOnRead), Ok(moved)) => {
                        // Another one than on the way there, which would be mended by it.
                        flip(self.lane.buffer(op.slot), op.offset + 1);
                        Ok(moved)
                    }
                    (_, result) => result,
                };
                self.finish(now, op, result, spoil);
            }
            let due = self.finished.partition_point(|(at, _)| *at <= now);
            done.extend(self.finished.drain(..due).map(|(_, completion)| completion));
            if due > 0 || now >= deadline || (self.out.is_empty() && self.finished.is_empty()) {
                return Ok(());
            }
            std::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::sync::atomic::AtomicBool;

    use super::*;
    use crate::driver::drive;
    use crate::engine::conformance::{Leave, job};
    use crate::engine::null::Null;
    use crate::engine::uring::{Options, Uring};
    use crate::history::History;
    use crate::job::{Extent, Job, Rw, Span, Verify};
    use crate::stamp::Corruption;

    const BLOCKS: u64 = 24_576;
    const SPAN: Span = Span { start: 0, bytes: BLOCKS * 4096 };

    fn target() -> (tempfile::NamedTempFile, File) {
        use std::os::unix::fs::OpenOptionsExt as _;
        let plain = tempfile::NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).expect("a file in the source tree");
        plain.as_file().set_len(SPAN.bytes + 4096).expect("sizes");
        let direct = File::options().read(true).write(true).custom_flags(libc::O_DIRECT).open(plain.path()).expect("opens");
        (plain, direct)
    }

    fn whole(rw: Rw) -> Job {
        let kept = usize::try_from(BLOCKS).expect("fits");
        Job { span: SPAN, extent: Extent::WholeSpan, verify: Verify::Stamp, offsets_kept: kept, ..job(rw, 4096, 16) }
    }

    fn lane(file: &File) -> Uring {
        // One block more than the job has: a misdirected write of the last block lands there.
        let leave = Leave(Span { start: 0, bytes: SPAN.bytes + 4096 });
        Uring::open(file, "scratch", 4096, 16, Some(&leave), Options::default()).expect("opens")
    }

    fn pass(file: &File, history: &History, rw: Rw, plan: &[(Spoil, u64)]) -> (crate::JobResult, Vec<(Spoil, u64)>) {
        let mut lane = Faulty::new(lane(file), plan);
        let planted = lane.planted();
        let result = drive(&whole(rw), &mut lane, Some(history), &AtomicBool::new(false), None).expect("runs");
        let planted = planted.lock().expect("nobody panics").clone();
        (result, planted)
    }

    #[test]
    fn ten_thousand_corruptions_are_all_found_with_place_and_kind_and_a_clean_target_is_not_accused() {
        let (_plain, file) = target();
        let history = History::new(SPAN);
        pass(&file, &history, Rw::Write, &[]);
        let (clean, _) = pass(&file, &history, Rw::Read, &[]);
        assert!(clean.verification.corrupt.is_empty() && clean.verification.verified == BLOCKS, "{:?}", clean.verification);

        let plan = [(Spoil::FlippedBit, 11), (Spoil::LostWrite, 12), (Spoil::TornWrite, 13), (Spoil::MisdirectedWrite, 14)];
        let (_, planted) = pass(&file, &history, Rw::Write, &plan);
        let (found, on_read) = pass(&file, &history, Rw::Read, &[(Spoil::FlippedBitOnRead, 9), (Spoil::MisdirectedRead, 10)]);
        assert!(planted.len() + on_read.len() >= 10_000, "{} and {}", planted.len(), on_read.len());
        assert_eq!(found.verification.verified, BLOCKS);

        let named: BTreeMap<u64, Corruption> = found.corrupt_offsets.iter().map(|(kind, offset)| (*offset, *kind)).collect();
        let mut spoiled: BTreeMap<u64, Vec<Spoil>> = BTreeMap::new();
        for (spoil, offset) in planted.iter().chain(&on_read) {
            spoiled.entry(*offset).or_default().push(*spoil);
        }
        // A block that was overwritten by its neighbour's is written itself afterwards, in the order of the pass or before it: it may be either.
        let perhaps: Vec<u64> = planted.iter().filter(|(spoil, _)| *spoil == Spoil::MisdirectedWrite).map(|(_, offset)| offset + 4096).collect();
        for (offset, spoils) in &spoiled {
            let kind = named.get(offset).copied();
            let expected: &[Corruption] = match spoils.as_slice() {
                [Spoil::FlippedBit | Spoil::FlippedBitOnRead] => &[
                    Corruption::Damaged,
                    // A bit of a head.
                    Corruption::Torn,
                    Corruption::Stale,
                    Corruption::Unexpected,
                    Corruption::Misdirected,
                    Corruption::Garbage,
                ],
                [Spoil::LostWrite | Spoil::MisdirectedWrite] => &[Corruption::Stale],
                [Spoil::TornWrite] => &[Corruption::Torn],
                [Spoil::MisdirectedRead] => &[Corruption::Misdirected],
                // Spoiled twice, or by a neighbour too: of some kind, but found.
                _ => &[],
            };
            let is_neighbour = perhaps.contains(offset) || spoils.contains(&Spoil::MisdirectedRead);
            // What was written to the neighbour's place and read from there, too, is what was to be read: two faults that cancel each other.
            let is_cancelled = kind.is_none() && *spoils == [Spoil::MisdirectedWrite, Spoil::MisdirectedRead];
            let matches = is_cancelled || kind.is_some_and(|kind| expected.is_empty() || is_neighbour || expected.contains(&kind));
            assert!(matches, "{spoils:?} at {offset} was found as {kind:?}");
        }
        for offset in named.keys() {
            assert!(spoiled.contains_key(offset) || perhaps.contains(offset), "nothing was done at {offset}");
        }
    }

    #[test]
    fn failures_and_short_reads_are_no_operations() {
        let (_plain, file) = target();
        let history = History::new(SPAN);
        pass(&file, &history, Rw::Write, &[]);
        let (result, planted) = pass(&file, &history, Rw::Read, &[(Spoil::Error(libc::EIO), 100), (Spoil::ShortRead, 99)]);
        let failed: u64 = result.verification.failed.values().sum();
        assert_eq!(failed, u64::try_from(planted.len()).expect("few"));
        assert_eq!(result.operations, BLOCKS - failed);
        assert!(result.verification.failed.keys().any(|error| error.contains("os error 5")), "{:?}", result.verification.failed);
        assert!(result.verification.failed.keys().any(|error| error.contains("short")), "{:?}", result.verification.failed);
    }

    #[test]
    fn tails_and_stalls_are_seen_in_the_latencies_and_a_pace_in_the_rate() {
        let timed = |job: Job| Job { extent: Extent::Runtime(Duration::from_millis(300)), ..job };
        let run = |lane: &mut dyn Lane, job: &Job| drive(job, lane, None, &AtomicBool::new(false), None).expect("runs");
        let reads = timed(job(Rw::RandRead, 4096, 4));
        let tail = Duration::from_millis(5);
        let result = run(&mut Faulty::new(Null::new(4096, 4), &[(Spoil::Tail(tail), 50)]), &reads);
        let slow = result.histogram.count_between(4_990_000, u64::MAX);
        assert!(slow > 0 && slow * 25 < result.histogram.len(), "{slow} of {}", result.histogram.len());
        let stall = Duration::from_millis(60);
        let result = run(&mut Faulty::new(Null::new(4096, 4), &[(Spoil::Stall(stall), 1000)]), &Job { io_size: Some(1500 * 4096), ..reads.clone() });
        assert!(result.histogram.max() >= 59_000_000, "{}", result.histogram.max());

        let result = run(&mut Faulty::paced(Null::new(4096, 4), Pace { iops: 20_000.0, then: None }), &reads);
        // Never faster; how much slower is a matter of what else the machine does.
        assert!(result.iops() <= 20_300.0 && result.iops() > 2_000.0, "{}", result.iops());
        let throttled = Pace { iops: 20_000.0, then: Some((Duration::from_millis(150), 2_000.0)) };
        let result = run(&mut Faulty::paced(Null::new(4096, 4), throttled), &reads);
        assert!(result.iops() <= 12_000.0, "{}", result.iops());
    }
}
