//! What every engine that has operations must do, tried on each of them in [`ENGINES`]: `null`, and `uring` on a real scratch file with O_DIRECT, as
//! newer and older kernels offer it. `rbd` is held to the same in `rbd/tests.rs`, on a real cluster. Lanes that misbehave on purpose are in `driver/tests.rs`.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use super::null::Null;
use super::uring::{Options, Uring, WriteLeave};
use super::{Completion, ENGINES, Lane, Op, OpKind, PATIENCE, Work};
use crate::driver::drive;
use crate::error::EngineError;
use crate::history::History;
use crate::job::{Arrivals, Extent, Job, Load, Rw, Span, Verify};
use crate::sys::ring::{Buffering, Kernel};

pub(crate) const SIZE: u64 = 4 << 20;

pub(crate) struct Leave(pub(crate) Span);

impl WriteLeave for Leave {
    fn span(&self) -> Span {
        self.0
    }
}

/// A file on a disk (not a tmpfs, which has no O_DIRECT everywhere) that is gone at the end of the test.
pub(crate) struct Scratch {
    pub(crate) direct: File,
    pub(crate) plain: NamedTempFile,
}

pub(crate) fn scratch() -> Scratch {
    let plain = NamedTempFile::new_in(env!("CARGO_MANIFEST_DIR")).expect("a file in the source tree");
    plain.as_file().set_len(SIZE).expect("sizes");
    plain.as_file().write_all_at(&vec![0; usize::try_from(SIZE).expect("fits")], 0).expect("writes");
    plain.as_file().sync_all().expect("syncs");
    let direct = OpenOptions::new().read(true).write(true).custom_flags(libc::O_DIRECT).open(plain.path()).expect("opens with O_DIRECT");
    Scratch { direct, plain }
}

pub(crate) fn job(rw: Rw, bs: u32, iodepth: u32) -> Job {
    let span = Span { start: 0, bytes: SIZE };
    let extent = Extent::Runtime(Duration::from_millis(40));
    Job { extent, seed: 11, stamp_seed: 5, stall: Duration::from_secs(5), ..Job::new(rw, bs, iodepth, span) }
}

/// All blocks once, stamped or compared.
pub(crate) fn pass(lane: &mut dyn Lane, history: &History, rw: Rw) -> crate::JobResult {
    let job = Job { extent: Extent::WholeSpan, verify: Verify::Stamp, ..job(rw, 4096, 16) };
    drive(&job, lane, Some(history), &AtomicBool::new(false), None).expect("runs")
}

/// One operation, and what came of it.
pub(crate) fn once(lane: &mut dyn Lane, kind: OpKind, offset: u64, bytes: u32) -> Result<u32, i32> {
    let mut done = Vec::new();
    assert_eq!(lane.submit(&[Op { slot: 0, kind, offset, bytes }]).expect("is taken"), 1);
    while done.is_empty() {
        lane.reap(PATIENCE, &mut done).expect("waits");
    }
    done[0].result
}

/// So many blocks of 4 KiB, however slow the machine is.
fn bounded(blocks: u64, job: Job) -> Job {
    Job { extent: Extent::Runtime(Duration::from_secs(60)), io_size: Some(blocks * 4096), ..job }
}

/// Opens one lane or several, of blocks of some bytes and an iodepth, and calls back with each and its name.
type Lanes<'a> = dyn Fn(u32, u32, &dyn Fn(&mut dyn Lane, &str)) + 'a;

/// Everything that an engine with a target of [`SIZE`] bytes must do.
pub(crate) fn conforms(on: &Lanes<'_>) {
    operations_and_bytes_agree(on);
    an_open_loop_keeps_its_rate(on);
    iodepth_is_kept(on);
    random_offsets_cover_the_span(on);
    one_seed_gives_one_sequence(on);
    a_pass_touches_every_block(on);
    a_stop_is_obeyed(on);
    a_budget_is_kept(on);
    writes_to_one_block_are_apart(on);
}

/// Runs `check` on every engine that has operations. One that is registered and not opened here fails the whole suite.
fn on_every_engine(bs: u32, iodepth: u32, check: &dyn Fn(&mut dyn Lane, &str)) {
    for engine in ENGINES.iter().filter(|engine| engine.work == Work::Operations) {
        match engine.name {
            "null" => check(&mut Null::new(bs, iodepth), "null"),
            "uring" => on_every_kernel(bs, iodepth, check),
            // Needs an NVMe drive; tests/lab drives it on one.
            "uring_cmd" => {}
            // Needs a cluster: `an_image_does_what_every_engine_must` in `rbd/tests.rs`, which the lab runs.
            "rbd" => {}
            // The same: `objects_do_what_every_engine_must` in `rados/tests.rs`.
            "rados" => {}
            other => panic!("the conformance suite does not open `{other}`"),
        }
    }
}

fn on_every_kernel(bs: u32, iodepth: u32, check: &dyn Fn(&mut dyn Lane, &str)) {
    let plain = Options::default();
    let sqthread_poll = Options { sqthread_poll: true, ..plain };
    let kinds = Kernel::ALL.iter().flat_map(|kernel| [(*kernel, plain, Buffering::Registered), (*kernel, sqthread_poll, Buffering::Registered)]);
    for (kernel, options, buffering) in kinds.chain([(Kernel::V6_1, plain, Buffering::PerOperation)]) {
        let scratch = scratch();
        let leave = Leave(Span { start: 0, bytes: SIZE });
        let lane = Uring::open_as(&scratch.direct, "the scratch file", bs, iodepth, Some(&leave), options, &[kernel], buffering);
        let mut lane = lane.expect("the kernel of the test machine is 6.1 or later");
        let name = lane.describe();
        check(&mut lane, &name);
    }
}

/// Passes everything on and writes down what went through.
struct Watched<'a> {
    inner: &'a mut dyn Lane,
    ops: Vec<Op>,
    out: usize,
    most_out: usize,
}

impl<'a> Watched<'a> {
    fn new(inner: &'a mut dyn Lane) -> Self {
        Self { inner, ops: Vec::new(), out: 0, most_out: 0 }
    }
}

impl Lane for Watched<'_> {
    fn target(&self) -> &str {
        self.inner.target()
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
        let taken = self.inner.submit(ops)?;
        self.ops.extend(&ops[..taken]);
        self.out += taken;
        self.most_out = self.most_out.max(self.out);
        Ok(taken)
    }
    fn commit(&mut self) -> Result<(), EngineError> {
        self.inner.commit()
    }
    fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
        let before = done.len();
        self.inner.reap(patience, done)?;
        self.out -= done.len() - before;
        Ok(())
    }
}

#[allow(clippy::disallowed_methods, reason = "the passing of time itself is what is tested")]
pub(crate) fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn run(job: &Job, lane: &mut dyn Lane) -> crate::JobResult {
    drive(job, lane, None, &AtomicBool::new(false), None).expect("runs")
}

#[test]
fn operations_and_bytes_agree_and_every_latency_is_recorded() {
    operations_and_bytes_agree(&on_every_engine);
}

fn operations_and_bytes_agree(on: &Lanes<'_>) {
    on(4096, 8, &|lane, engine| {
        let result = run(&job(Rw::RandRead, 4096, 8), lane);
        assert!(result.operations > 0, "{engine}");
        assert_eq!(result.bytes, result.operations * 4096, "{engine}");
        // Those that are out at the end have a latency, but belong to nobody's second.
        assert!((result.operations..=result.operations + 8).contains(&result.histogram.len()), "{engine}");
        assert!(result.verification.operations >= result.operations && result.verification.failed.is_empty(), "{engine}");
        assert!(result.elapsed >= Duration::from_millis(30) && result.elapsed < Duration::from_secs(2), "{engine}: {:?}", result.elapsed);
    });
}

#[test]
fn an_open_loop_keeps_its_rate_on_every_engine() {
    an_open_loop_keeps_its_rate(&on_every_engine);
}

fn an_open_loop_keeps_its_rate(on: &Lanes<'_>) {
    on(4096, 8, &|lane, engine| {
        let load = Load::Open { rate: 1000, arrivals: Arrivals::Constant };
        let result = run(&Job { load, extent: Extent::Runtime(Duration::from_millis(100)), ..job(Rw::RandRead, 4096, 8) }, lane);
        let open = result.open.expect("an open loop");
        assert_eq!((result.histogram.len(), open.backlog + open.lag.len()), (100, 100), "{engine}");
        assert!(result.verification.failed.is_empty(), "{engine}: {:?}", result.verification.failed);
    });
}

#[test]
fn iodepth_is_kept_and_never_exceeded() {
    iodepth_is_kept(&on_every_engine);
}

fn iodepth_is_kept(on: &Lanes<'_>) {
    for depth in [1, 7, 32] {
        on(4096, depth, &|lane, engine| {
            let mut watched = Watched::new(lane);
            run(&job(Rw::RandRead, 4096, depth), &mut watched);
            assert_eq!(watched.most_out, usize::try_from(depth).expect("fits"), "{engine}");
            assert_eq!(watched.out, 0, "{engine}: everything is waited for");
        });
    }
}

#[test]
fn random_offsets_are_aligned_inside_the_span_and_cover_it() {
    random_offsets_cover_the_span(&on_every_engine);
}

fn random_offsets_cover_the_span(on: &Lanes<'_>) {
    on(4096, 16, &|lane, engine| {
        let span = Span { start: 1 << 20, bytes: 64 * 4096 };
        let mut watched = Watched::new(lane);
        run(&Job { span, extent: Extent::Runtime(Duration::from_millis(150)), ..job(Rw::RandRead, 4096, 16) }, &mut watched);
        let mut seen = std::collections::BTreeSet::new();
        for op in &watched.ops {
            assert!(op.offset.is_multiple_of(4096) && op.offset >= span.start && op.offset + 4096 <= span.start + span.bytes, "{engine}: {op:?}");
            seen.insert(op.offset);
        }
        assert_eq!(seen.len(), 64, "{engine}: every block of the span is drawn");
    });
}

#[test]
fn one_seed_gives_one_sequence_and_another_seed_another() {
    one_seed_gives_one_sequence(&on_every_engine);
}

fn one_seed_gives_one_sequence(on: &Lanes<'_>) {
    on(4096, 1, &|lane, engine| {
        let mut offsets = |seed| {
            let mut watched = Watched::new(lane);
            run(&Job { seed, ..bounded(50, job(Rw::RandRead, 4096, 1)) }, &mut watched);
            watched.ops.iter().map(|op| op.offset).collect::<Vec<_>>()
        };
        let (first, again, other) = (offsets(1), offsets(1), offsets(2));
        assert_eq!(first, again, "{engine}");
        assert_ne!(first, other, "{engine}");
    });
}

#[test]
fn a_pass_over_the_whole_span_touches_every_block_once_in_order() {
    a_pass_touches_every_block(&on_every_engine);
}

fn a_pass_touches_every_block(on: &Lanes<'_>) {
    on(65536, 4, &|lane, engine| {
        // A span that is no multiple of the block size: the odd rest is left alone.
        let span = Span { start: 0, bytes: SIZE - 4096 };
        let mut watched = Watched::new(lane);
        let result = run(&Job { span, extent: Extent::WholeSpan, ..job(Rw::Read, 65536, 4) }, &mut watched);
        let offsets: Vec<u64> = watched.ops.iter().map(|op| op.offset).collect();
        assert_eq!(offsets, (0..63).map(|block| block * 65536).collect::<Vec<_>>(), "{engine}");
        assert_eq!(result.operations, 63, "{engine}: the last operations of a pass count");
    });
}

#[test]
fn a_stop_is_obeyed_at_once() {
    a_stop_is_obeyed(&on_every_engine);
}

fn a_stop_is_obeyed(on: &Lanes<'_>) {
    on(4096, 8, &|lane, engine| {
        let long = Job { extent: Extent::Runtime(Duration::from_secs(60)), ..job(Rw::RandRead, 4096, 8) };
        let stop = AtomicBool::new(false);
        let begin = Instant::now();
        let result = std::thread::scope(|scope| {
            scope.spawn(|| {
                pause(Duration::from_millis(30));
                stop.store(true, Ordering::Relaxed);
            });
            drive(&long, lane, None, &stop, None).expect("stops")
        });
        assert!(result.stopped && begin.elapsed() < Duration::from_secs(30), "{engine}: {:?}", begin.elapsed());
    });
}

#[test]
fn a_write_job_ends_when_its_budget_is_used_up() {
    a_budget_is_kept(&on_every_engine);
}

fn a_budget_is_kept(on: &Lanes<'_>) {
    on(4096, 8, &|lane, engine| {
        let mut watched = Watched::new(lane);
        run(&bounded(100, job(Rw::RandWrite, 4096, 8)), &mut watched);
        assert_eq!(watched.ops.len(), 100, "{engine}");
    });
}

#[test]
fn two_writes_to_one_block_are_never_out_together() {
    writes_to_one_block_are_apart(&on_every_engine);
}

fn writes_to_one_block_are_apart(on: &Lanes<'_>) {
    on(4096, 32, &|lane, engine| {
        let mut watched = Watched::new(lane);
        // 40 blocks for 32 operations: without care they would collide all the time.
        let span = Span { start: 0, bytes: 40 * 4096 };
        let history = History::new(span);
        // Enough of them that each block is written: what is not must not be counted as verified.
        let job = Job { span, verify: Verify::Stamp, ..bounded(2000, job(Rw::RandWrite, 4096, 32)) };
        drive(&job, &mut watched, Some(&history), &AtomicBool::new(false), None).expect("runs");
        let read = Job { rw: Rw::Read, extent: Extent::WholeSpan, ..job.clone() };
        let result = drive(&read, lane, Some(&history), &AtomicBool::new(false), None).expect("runs");
        if engine != "null" {
            assert!(result.verification.corrupt.is_empty() && result.verification.verified == 40, "{:?}", result.verification);
        }
    });
}

#[test]
fn a_write_outside_of_the_leave_is_refused_and_nothing_is_written() {
    let scratch = scratch();
    for leave in [None, Some(Leave(Span { start: 0, bytes: 4096 * 16 })), Some(Leave(Span { start: 4096, bytes: SIZE }))] {
        let leave = leave.as_ref().map(|leave| leave as &dyn WriteLeave);
        let mut lane = Uring::open(&scratch.direct, "the scratch file", 4096, 4, leave, Options::default()).expect("opens");
        let error = drive(&job(Rw::Write, 4096, 4), &mut lane, None, &AtomicBool::new(false), None);
        let refused = error.is_err();
        assert!(refused, "a write outside of the leave was let through");
    }
    let mut first = vec![1; 4096];
    scratch.plain.as_file().read_exact_at(&mut first, SIZE - 4096).expect("reads");
    assert!(first.iter().all(|byte| *byte == 0), "something was written");
}

#[test]
fn a_file_that_is_not_open_with_o_direct_is_refused() {
    let scratch = scratch();
    let error = Uring::open(scratch.plain.as_file(), "the scratch file", 4096, 4, None, Options::default()).err().expect("is refused");
    assert!(error.to_string().contains("O_DIRECT"), "{error}");
}

#[test]
fn what_the_kernel_granted_is_told() {
    let lane = Uring::open(&scratch().direct, "the scratch file", 4096, 4, None, Options::default()).expect("opens");
    assert_eq!(lane.describe(), "io_uring of 6.1 (SINGLE_ISSUER, DEFER_TASKRUN), registered buffers in 4 KiB pages, ring descriptor registered");
}

#[test]
fn more_operations_than_a_ring_holds_are_refused() {
    for iodepth in [40_000, u32::MAX] {
        assert!(Uring::open(&scratch().direct, "the scratch file", 512, iodepth, None, Options::default()).is_err(), "{iodepth}");
    }
}

#[test]
fn short_reads_of_a_truncated_file_are_no_operations() {
    let scratch = scratch();
    scratch.plain.as_file().set_len(SIZE / 2).expect("truncates");
    let mut lane = Uring::open(&scratch.direct, "the scratch file", 4096, 8, None, Options::default()).expect("opens");
    let result = drive(&Job { extent: Extent::WholeSpan, ..job(Rw::Read, 4096, 8) }, &mut lane, None, &AtomicBool::new(false), None).expect("runs");
    assert_eq!(result.verification.operations, SIZE / 2 / 4096);
    assert_eq!(result.operations, SIZE / 2 / 4096);
    assert_eq!(result.verification.failed.values().sum::<u64>(), SIZE / 2 / 4096, "{:?}", result.verification.failed);
}
