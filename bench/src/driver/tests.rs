//! The driver against lanes that misbehave, and against content that was changed behind its back.

use std::os::unix::fs::FileExt as _;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::{Progress, drive, floor};
use crate::engine::conformance::{Leave, Scratch, job, pause, scratch};
use crate::engine::null::Null;
use crate::engine::uring::{Options, Uring};
use crate::engine::{Completion, Lane, Op};
use crate::error::EngineError;
use crate::history::{Expected, History};
use crate::job::{Arrivals, Extent, Job, Load, Rw, Span, Verify};
use crate::{JobResult, stamp};

/// What a lane does wrong.
enum Fault {
    FailsEvery(u64, i32),
    Never,
    TakesOneAtATime,
    TakesNothingAtFirst,
    Twice,
    HangsAtTheEnd,
}

struct Faulty {
    inner: Null,
    fault: Fault,
    seen: u64,
}

impl Faulty {
    fn new(fault: Fault) -> Self {
        Self { inner: Null::new(4096, 8), fault, seen: 0 }
    }
}

impl Lane for Faulty {
    fn target(&self) -> &str {
        "the faulty drive"
    }
    fn slots(&self) -> u32 {
        self.inner.slots()
    }
    fn block_size(&self) -> u32 {
        self.inner.block_size()
    }
    fn buffer(&mut self, slot: u32) -> &mut [u8] {
        self.inner.buffer(slot)
    }
    fn submit(&mut self, ops: &[Op]) -> Result<usize, EngineError> {
        match self.fault {
            Fault::TakesOneAtATime => self.inner.submit(&ops[..1]),
            Fault::TakesNothingAtFirst if self.seen < 3 => {
                self.seen += 1;
                Ok(0)
            }
            Fault::FailsEvery(..) | Fault::Never | Fault::TakesNothingAtFirst | Fault::Twice | Fault::HangsAtTheEnd => self.inner.submit(ops),
        }
    }
    fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
        match self.fault {
            Fault::Never => {
                pause(patience);
                Ok(())
            }
            Fault::Twice => {
                self.inner.reap(patience, done)?;
                done.extend_from_within(..1);
                Ok(())
            }
            // Works for a while, then lets operations hang for several times the patience, past the end of the runtime.
            Fault::HangsAtTheEnd => {
                self.seen += 1;
                if (10..15).contains(&self.seen) {
                    pause(patience);
                    return Ok(());
                }
                self.inner.reap(patience, done)
            }
            Fault::TakesOneAtATime | Fault::TakesNothingAtFirst => self.inner.reap(patience, done),
            Fault::FailsEvery(every, errno) => {
                self.inner.reap(patience, done)?;
                for completion in done.iter_mut() {
                    self.seen += 1;
                    if self.seen.is_multiple_of(every) {
                        completion.result = Err(errno);
                    }
                }
                Ok(())
            }
        }
    }
}

fn run(job: &Job, lane: &mut dyn Lane, history: Option<&History>) -> Result<JobResult, EngineError> {
    drive(job, lane, history, &AtomicBool::new(false), None)
}

#[test]
fn a_failed_operation_is_counted_under_its_error_and_is_no_operation() {
    let job = Job { io_size: Some(1000 * 4096), extent: Extent::Runtime(Duration::from_secs(20)), ..job(Rw::RandRead, 4096, 8) };
    let result = run(&job, &mut Faulty::new(Fault::FailsEvery(10, libc::EIO)), None).expect("runs");
    assert_eq!(result.verification.operations, 900);
    let (error, count) = result.verification.failed.first_key_value().expect("failures");
    assert!(error.contains("os error 5") && *count == 100, "{error}: {count}");
}

#[test]
fn a_drive_that_never_answers_is_named_instead_of_waited_for() {
    let job = Job { stall: Duration::from_millis(50), ..job(Rw::RandRead, 4096, 8) };
    let error = run(&job, &mut Faulty::new(Fault::Never), None).expect_err("stalls");
    assert!(error.to_string().contains("the faulty drive") && error.to_string().contains("none of 8"), "{error}");
}

#[test]
fn a_lane_that_takes_part_of_a_submission_gets_the_rest_later() {
    let job = Job { io_size: Some(64 * 4096), extent: Extent::Runtime(Duration::from_secs(20)), ..job(Rw::RandRead, 4096, 8) };
    let result = run(&job, &mut Faulty::new(Fault::TakesOneAtATime), None).expect("runs");
    assert_eq!(result.verification.operations, 64);
}

#[test]
fn jobs_that_make_no_sense_are_refused() {
    let history = History::new(job(Rw::Read, 4096, 1).span);
    let cases = [
        Job { bs: 0.into(), ..job(Rw::Read, 4096, 1) },
        Job { bs: 1000.into(), ..job(Rw::Read, 4096, 1) },
        Job { iodepth: 0, ..job(Rw::Read, 4096, 1) },
        Job { iodepth: 5000, ..job(Rw::Read, 4096, 1) },
        Job { bs: 512.into(), verify: Verify::Stamp, ..job(Rw::Read, 4096, 1) },
        Job { extent: Extent::WholeSpan, ..job(Rw::RandRead, 4096, 1) },
        Job { span: Span { start: 4096, bytes: 4 << 20 }, verify: Verify::Stamp, ..job(Rw::Read, 4096, 1) },
        Job { span: Span { start: 512, bytes: 4096 }, verify: Verify::Stamp, ..job(Rw::Write, 4096, 1) },
        Job { verify: Verify::Off, ..job(Rw::Write, 4096, 1) },
    ];
    for job in cases {
        assert!(run(&job, &mut Null::new(4096, 1), Some(&history)).is_err(), "{job:?}");
    }
    assert!(run(&Job { verify: Verify::Stamp, ..job(Rw::Read, 4096, 1) }, &mut Null::new(4096, 1), None).is_err(), "verification needs a history");
}

/// Makes the content that is planted.
type Content<'a> = &'a dyn Fn(&History) -> Vec<u8>;

fn written() -> (Scratch, History) {
    let scratch = scratch();
    let job = Job { extent: Extent::WholeSpan, verify: Verify::Stamp, ..job(Rw::Write, 65536, 4) };
    let history = History::new(job.span);
    let mut lane =
        Uring::open(&scratch.direct, "the scratch file", job.bs.largest(), job.iodepth, Some(&Leave(job.span)), Options::default()).expect("opens");
    run(&job, &mut lane, Some(&history)).expect("writes");
    (scratch, history)
}

fn read_back(scratch: &Scratch, history: &History) -> JobResult {
    let job = Job { extent: Extent::WholeSpan, verify: Verify::Stamp, ..job(Rw::Read, 4096, 8) };
    let mut lane = Uring::open(&scratch.direct, "the scratch file", job.bs.largest(), job.iodepth, None, Options::default()).expect("opens");
    run(&job, &mut lane, Some(history)).expect("reads")
}

#[test]
fn what_was_written_reads_back_as_right_whatever_the_block_size() {
    let (scratch, history) = written();
    let result = read_back(&scratch, &history);
    assert_eq!((result.verification.operations, result.verification.verified), (1024, 1024));
    assert!(result.verification.corrupt.is_empty(), "{:?}", result.verification.corrupt);
}

#[test]
fn content_that_changed_behind_the_engine_is_found_and_named() {
    let unit = |offset: u64, generation: u64| {
        let mut unit = vec![0x5a; 4096];
        stamp::stamp(&mut unit, 4096, 5, offset, generation);
        unit
    };
    let at = 40 * 4096;
    let torn = |history: &History| {
        let Expected::Generation(now) = history.expected(at) else { panic!("written") };
        let mut torn = unit(at, now);
        torn[2048..].copy_from_slice(&unit(at, now - 1)[2048..]);
        torn
    };
    let kinds: [(&str, Content<'_>); 6] = [
        ("zeroes", &|_| vec![0; 4096]),
        ("garbage", &|_| vec![0xff; 4096]),
        ("misdirected", &|_| unit(41 * 4096, 3)),
        ("unexpected", &|_| unit(at, 1_000_000)),
        ("torn", &torn),
        ("damaged", &|history| {
            let Expected::Generation(now) = history.expected(at) else { panic!("written") };
            let mut damaged = unit(at, now);
            damaged[4000] ^= 4;
            damaged
        }),
    ];
    for (kind, content) in kinds {
        let (scratch, history) = written();
        scratch.plain.as_file().write_all_at(&content(&history), at).expect("writes");
        scratch.plain.as_file().sync_all().expect("syncs");
        let result = read_back(&scratch, &history);
        assert_eq!(result.verification.corrupt, [(kind.to_owned(), 1)].into(), "{kind}");
        assert_eq!(result.corrupt_offsets.first().map(|(_, offset)| *offset), Some(at), "{kind}");
    }
}

#[test]
fn a_lost_write_reads_as_stale() {
    let (scratch, history) = written();
    let mut before = vec![0; 4096];
    scratch.plain.as_file().read_exact_at(&mut before, 0).expect("reads");
    let rewrite = Job { extent: Extent::WholeSpan, verify: Verify::Stamp, ..job(Rw::Write, 4096, 8) };
    let mut lane = Uring::open(&scratch.direct, "the scratch file", 4096, 8, Some(&Leave(rewrite.span)), Options::default()).expect("opens");
    run(&rewrite, &mut lane, Some(&history)).expect("writes");
    scratch.plain.as_file().write_all_at(&before, 0).expect("the drive forgets one write");
    scratch.plain.as_file().sync_all().expect("syncs");
    assert_eq!(read_back(&scratch, &history).verification.corrupt, [("stale".to_owned(), 1)].into());
}

#[test]
fn places_that_were_never_written_are_not_called_verified() {
    let scratch = scratch();
    let history = History::new(job(Rw::Read, 4096, 1).span);
    let result = read_back(&scratch, &history);
    assert_eq!((result.verification.operations, result.verification.verified), (1024, 0));
}

fn eight_writes() -> Job {
    Job { io_size: Some(8 * 4096), verify: Verify::Stamp, extent: Extent::Runtime(Duration::from_secs(20)), ..job(Rw::Write, 4096, 8) }
}

#[test]
fn a_failed_write_leaves_its_place_uncertain() {
    let history = History::new(eight_writes().span);
    let expected = |history: &History| (0..8).map(|block| history.expected(block * 4096)).collect::<Vec<_>>();
    let failing = || Faulty::new(Fault::FailsEvery(8, libc::ENOSPC));
    run(&eight_writes(), &mut failing(), Some(&history)).expect("runs");
    let unwritten = expected(&history).iter().filter(|expected| **expected == Expected::Unwritten).count();
    assert_eq!(unwritten, 1, "of a failed first write nothing can be said: {:?}", expected(&history));
    run(&eight_writes(), &mut Null::new(4096, 8), Some(&history)).expect("runs");
    assert!(expected(&history).iter().all(|expected| matches!(expected, Expected::Generation(9..=16))), "{:?}", expected(&history));
    run(&eight_writes(), &mut failing(), Some(&history)).expect("runs");
    let uncertain = expected(&history).iter().filter(|expected| **expected == Expected::Uncertain).count();
    assert_eq!(uncertain, 1, "the old or the new: {:?}", expected(&history));
    assert_eq!(history.expected(9 * 4096), Expected::Unwritten);
}

#[test]
fn writes_that_never_came_back_are_not_held_against_the_drive_later() {
    let history = History::new(eight_writes().span);
    run(&eight_writes(), &mut Null::new(4096, 8), Some(&history)).expect("runs");
    let job = Job { stall: Duration::from_millis(20), ..eight_writes() };
    run(&job, &mut Faulty::new(Fault::Never), Some(&history)).expect_err("stalls");
    assert!((0..8).all(|block| history.expected(block * 4096) == Expected::Uncertain));
}

#[test]
fn what_a_lane_did_not_take_before_the_end_is_neither_lost_nor_waited_for_in_vain() {
    let job = Job { io_size: Some(4 * 4096), extent: Extent::WholeSpan, ..job(Rw::Read, 4096, 8) };
    let result = run(&job, &mut Faulty::new(Fault::TakesNothingAtFirst), None).expect("runs");
    assert_eq!((result.operations, result.histogram.len()), (4, 4));
}

#[test]
fn a_read_of_which_one_unit_was_never_written_is_not_called_verified() {
    let (scratch, written) = written();
    let history = History::new(job(Rw::Read, 4096, 1).span);
    let Expected::Generation(first) = written.expected(0) else { panic!("written") };
    // All of the first two blocks of 64 KiB but for their last unit.
    history.written(0, 31 * 4096, first);
    let job = Job { extent: Extent::WholeSpan, verify: Verify::Stamp, span: Span { start: 0, bytes: 65536 }, ..job(Rw::Read, 65536, 1) };
    let mut lane = Uring::open(&scratch.direct, "the scratch file", 65536, 1, None, Options::default()).expect("opens");
    assert_eq!(run(&job, &mut lane, Some(&history)).expect("reads").verification.verified, 1);
    let second = Job { span: Span { start: 65536, bytes: 65536 }, ..job };
    assert_eq!(run(&second, &mut lane, Some(&history)).expect("reads").verification.verified, 0);
    assert_eq!(run(&second, &mut lane, Some(&written)).expect("reads").verification.verified, 1);
}

#[test]
fn progress_ends_at_the_number_of_operations() {
    let progress = Progress::default();
    let job = Job { extent: Extent::WholeSpan, ..job(Rw::Read, 4096, 8) };
    let result = drive(&job, &mut Null::new(4096, 8), None, &AtomicBool::new(false), Some(&progress)).expect("runs");
    assert_eq!((progress.operations(), result.operations), (1024, 1024));
}

#[test]
fn a_lane_that_completes_an_operation_twice_is_an_error_and_no_operation() {
    let error = run(&job(Rw::RandRead, 4096, 8), &mut Faulty::new(Fault::Twice), None).expect_err("cannot be believed");
    assert!(matches!(error, EngineError::Completion { .. }) && error.to_string().contains("the faulty drive"), "{error}");
}

#[test]
fn a_hang_at_the_end_of_the_runtime_is_in_the_tail() {
    let job = Job { extent: Extent::Runtime(Duration::from_millis(30)), ..job(Rw::RandRead, 4096, 8) };
    let result = run(&job, &mut Faulty::new(Fault::HangsAtTheEnd), None).expect("runs");
    assert_eq!((result.operations, result.histogram.len()), (72, 80), "nine batches of eight, and the eight that hung");
    assert!(result.histogram.max() >= 90_000_000, "{} ns", result.histogram.max());
}

#[test]
fn the_floor_is_a_rate() {
    assert!(floor(Duration::from_millis(20)).expect("the null engine does not fail") > 1000.0);
}

/// A lane that takes so long for every operation, one after the other, and hangs once for so long before the operation of that number.
struct Server {
    inner: Null,
    service: Duration,
    hangs: Option<(u64, Duration)>,
    queue: std::collections::VecDeque<u32>,
    free_at: Instant,
    served: u64,
}

impl Server {
    fn new(service: Duration, hangs: Option<(u64, Duration)>) -> Self {
        Self { inner: Null::new(4096, 64), service, hangs, queue: [].into(), free_at: Instant::now(), served: 0 }
    }
}

impl Lane for Server {
    fn target(&self) -> &str {
        "the server"
    }
    fn slots(&self) -> u32 {
        self.inner.slots()
    }
    fn block_size(&self) -> u32 {
        self.inner.block_size()
    }
    fn buffer(&mut self, slot: u32) -> &mut [u8] {
        self.inner.buffer(slot)
    }
    fn submit(&mut self, ops: &[Op]) -> Result<usize, EngineError> {
        if self.queue.is_empty() {
            self.free_at = Instant::now() + self.service;
        }
        self.queue.extend(ops.iter().map(|op| op.slot));
        Ok(ops.len())
    }
    fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
        let until = Instant::now() + patience;
        loop {
            let now = Instant::now();
            while self.free_at <= now && !self.queue.is_empty() {
                if let Some((_, time)) = self.hangs.filter(|(number, _)| self.served == *number) {
                    self.hangs = None;
                    self.free_at += time;
                    continue;
                }
                let slot = self.queue.pop_front().expect("not empty");
                self.served += 1;
                self.free_at += self.service;
                done.push(Completion { slot, result: Ok(4096) });
            }
            if !done.is_empty() || now >= until {
                return Ok(());
            }
            std::hint::spin_loop();
        }
    }
}

fn open_loop(rate: u32, arrivals: Arrivals, runtime: Duration) -> Job {
    Job { load: Load::Open { rate, arrivals }, extent: Extent::Runtime(runtime), ..job(Rw::RandRead, 4096, 32) }
}

#[test]
fn an_open_loop_offers_its_rate_whatever_the_target_could_do() {
    for arrivals in [Arrivals::Constant, Arrivals::Poisson] {
        let result = run(&open_loop(2000, arrivals, Duration::from_millis(500)), &mut Null::new(4096, 64), None).expect("runs");
        // Five standard errors of a thousand Poisson arrivals.
        assert!((840..=1160).contains(&result.histogram.len()), "{arrivals:?}: {}", result.histogram.len());
        let open = result.open.expect("an open loop");
        assert_eq!(open.backlog + open.lag.len(), result.histogram.len(), "every arrival began or waits");
    }
    assert!(run(&job(Rw::RandRead, 4096, 8), &mut Null::new(4096, 8), None).expect("runs").open.is_none());
}

#[test]
fn a_stall_is_felt_by_everyone_who_came_during_it() {
    // 1000 a second for half a second, and 100 ms in the middle in which nothing is served: a fifth of all operations waits, up to 100 ms.
    let job = open_loop(1000, Arrivals::Constant, Duration::from_millis(500));
    let result = run(&job, &mut Server::new(Duration::from_micros(50), Some((200, Duration::from_millis(100)))), None).expect("runs");
    let long = result.histogram.count_between(20_000_000, 1 << 40);
    assert!(long >= 60, "{long} of {} waited for 20 ms and more", result.histogram.len());
    assert!(result.histogram.max() >= 95_000_000);
    // What the target made them wait is not the harness's.
    let lag = result.open.expect("an open loop").lag;
    assert!(lag.value_at_quantile(0.5) < 5_000_000, "{}", lag.value_at_quantile(0.5));
    // A closed loop on the same target hardly notices.
    let closed = Job { load: Load::Closed, iodepth: 1, ..job };
    let result = run(&closed, &mut Server::new(Duration::from_micros(50), Some((200, Duration::from_millis(100)))), None).expect("runs");
    assert!(result.histogram.count_between(20_000_000, 1 << 40) <= 10, "{}", result.histogram.count_between(20_000_000, 1 << 40));
}

#[test]
fn what_a_target_cannot_do_waits_and_is_counted() {
    // 1000 a second are offered to who can do 500.
    let result =
        run(&open_loop(1000, Arrivals::Constant, Duration::from_millis(400)), &mut Server::new(Duration::from_millis(2), None), None).expect("runs");
    let open = result.open.expect("an open loop");
    assert!(open.backlog >= 100, "{}", open.backlog);
    assert!((390..=401).contains(&result.histogram.len()), "every arrival has a latency: {}", result.histogram.len());
    assert!(result.operations < 260, "{}", result.operations);
}

#[test]
fn an_open_loop_without_a_rate_or_over_a_whole_span_is_refused() {
    let whole = Job { rw: Rw::Read, extent: Extent::WholeSpan, ..open_loop(5, Arrivals::Constant, Duration::from_millis(1)) };
    for job in [open_loop(0, Arrivals::Constant, Duration::from_millis(1)), whole] {
        assert!(matches!(run(&job, &mut Null::new(4096, 64), None), Err(EngineError::Job { .. })), "{job:?}");
    }
}
