//! The driver against lanes that misbehave, and against content that was changed behind its back.

use std::os::unix::fs::FileExt as _;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::drive;
use crate::engine::conformance::{Leave, Scratch, job, scratch};
use crate::engine::null::Null;
use crate::engine::uring::Uring;
use crate::engine::{Completion, Lane, Op};
use crate::error::EngineError;
use crate::history::{Expected, History};
use crate::job::{Extent, Job, Rw, Verify};
use crate::{JobResult, stamp};

/// What a lane does wrong.
enum Fault {
    FailsEvery(u64, i32),
    Never,
    TakesOneAtATime,
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
    fn buffer(&mut self, slot: u32) -> &mut [u8] {
        self.inner.buffer(slot)
    }
    fn submit(&mut self, ops: &[Op]) -> Result<usize, EngineError> {
        match self.fault {
            Fault::TakesOneAtATime => self.inner.submit(&ops[..1]),
            Fault::FailsEvery(..) | Fault::Never => self.inner.submit(ops),
        }
    }
    fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
        match self.fault {
            Fault::Never => Ok(()),
            Fault::TakesOneAtATime => self.inner.reap(patience, done),
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

fn run(job: &Job, lane: &mut dyn Lane, history: Option<&mut History>) -> Result<JobResult, EngineError> {
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
    let mut history = History::new(job(Rw::Read, 4096, 1).span);
    let cases = [
        Job { bs: 0, ..job(Rw::Read, 4096, 1) },
        Job { bs: 1000, ..job(Rw::Read, 4096, 1) },
        Job { iodepth: 0, ..job(Rw::Read, 4096, 1) },
        Job { iodepth: 5000, ..job(Rw::Read, 4096, 1) },
        Job { bs: 512, verify: Verify::Stamp, ..job(Rw::Read, 4096, 1) },
        Job { extent: Extent::WholeSpan, ..job(Rw::RandRead, 4096, 1) },
    ];
    for job in cases {
        assert!(run(&job, &mut Null::new(4096, 1), Some(&mut history)).is_err(), "{job:?}");
    }
    assert!(run(&Job { verify: Verify::Stamp, ..job(Rw::Read, 4096, 1) }, &mut Null::new(4096, 1), None).is_err(), "verification needs a history");
}

fn written() -> (Scratch, History) {
    let scratch = scratch();
    let job = Job { extent: Extent::WholeSpan, verify: Verify::Stamp, ..job(Rw::Write, 65536, 4) };
    let mut history = History::new(job.span);
    let mut lane = Uring::open(&scratch.direct, "the scratch file", job.bs, job.iodepth, Some(&Leave(job.span))).expect("opens");
    run(&job, &mut lane, Some(&mut history)).expect("writes");
    (scratch, history)
}

fn read_back(scratch: &Scratch, history: &mut History) -> JobResult {
    let job = Job { extent: Extent::WholeSpan, verify: Verify::Stamp, ..job(Rw::Read, 4096, 8) };
    let mut lane = Uring::open(&scratch.direct, "the scratch file", job.bs, job.iodepth, None).expect("opens");
    run(&job, &mut lane, Some(history)).expect("reads")
}

#[test]
fn what_was_written_reads_back_as_right_whatever_the_block_size() {
    let (scratch, mut history) = written();
    let result = read_back(&scratch, &mut history);
    assert_eq!((result.verification.operations, result.verification.verified), (1024, 1024));
    assert!(result.verification.corrupt.is_empty(), "{:?}", result.verification.corrupt);
}

#[test]
fn content_that_changed_behind_the_engine_is_found_and_named() {
    let unit = |offset: u64, generation: u32| {
        let mut unit = vec![0x5a; 4096];
        stamp::stamp(&mut unit, 5, offset, generation);
        unit
    };
    let at = 40 * 4096;
    let torn = |history: &History| {
        let Expected::Generation(now) = history.expected(at) else { panic!("written") };
        let mut torn = unit(at, now);
        torn[2048..].copy_from_slice(&unit(at, now - 1)[2048..]);
        torn
    };
    let kinds: [(&str, &dyn Fn(&History) -> Vec<u8>); 6] = [
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
        let (scratch, mut history) = written();
        scratch.plain.as_file().write_all_at(&content(&history), at).expect("writes");
        scratch.plain.as_file().sync_all().expect("syncs");
        let result = read_back(&scratch, &mut history);
        assert_eq!(result.verification.corrupt, [(kind.to_owned(), 1)].into(), "{kind}");
        assert_eq!(result.corrupt_offsets.first().map(|(_, offset)| *offset), Some(at), "{kind}");
    }
}

#[test]
fn a_lost_write_reads_as_stale() {
    let (scratch, mut history) = written();
    let mut before = vec![0; 4096];
    scratch.plain.as_file().read_exact_at(&mut before, 0).expect("reads");
    let rewrite = Job { extent: Extent::WholeSpan, verify: Verify::Stamp, ..job(Rw::Write, 4096, 8) };
    let mut lane = Uring::open(&scratch.direct, "the scratch file", 4096, 8, Some(&Leave(rewrite.span))).expect("opens");
    run(&rewrite, &mut lane, Some(&mut history)).expect("writes");
    scratch.plain.as_file().write_all_at(&before, 0).expect("the drive forgets one write");
    scratch.plain.as_file().sync_all().expect("syncs");
    assert_eq!(read_back(&scratch, &mut history).verification.corrupt, [("stale".to_owned(), 1)].into());
}

#[test]
fn places_that_were_never_written_are_not_called_verified() {
    let scratch = scratch();
    let mut history = History::new(job(Rw::Read, 4096, 1).span);
    let result = read_back(&scratch, &mut history);
    assert_eq!((result.verification.operations, result.verification.verified), (1024, 0));
}

#[test]
fn a_failed_write_leaves_its_place_uncertain() {
    let mut history = History::new(job(Rw::Write, 4096, 8).span);
    let job = Job { io_size: Some(8 * 4096), verify: Verify::Stamp, extent: Extent::Runtime(Duration::from_secs(20)), ..job(Rw::Write, 4096, 8) };
    run(&job, &mut Faulty::new(Fault::FailsEvery(8, libc::ENOSPC)), Some(&mut history)).expect("runs");
    let uncertain = (0..8).filter(|block| history.expected(block * 4096) == Expected::Uncertain).count();
    let written = (0..8).filter(|block| matches!(history.expected(block * 4096), Expected::Generation(_))).count();
    assert_eq!((uncertain, written), (1, 7));
    assert_eq!(history.expected(9 * 4096), Expected::Unwritten);
}
