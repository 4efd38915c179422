//! Without a cluster: what is refused. With one, that of the lab (its pool `rbd-vms`, by CEPH_CONF): everything that an engine must do, and what is planted in objects. Those are
//! `#[ignore]`d, for a plain `cargo test` needs no Ceph; the lab runs them by `--ignored`, and there a cluster that is missing is a failure.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::*;
use crate::driver::drive;
use crate::engine::OpKind;
use crate::engine::conformance::{Leave, SIZE, conforms, job, once, pass};
use crate::engine::faulty::{Faulty, Spoil};
use crate::history::History;
use crate::job::{Extent, Job, Rw, Span};

const POOL: &str = "rbd-vms";
const MARK: &str = "assay.test";
/// Several objects in the span of the suite.
const OBJECT: u64 = 1 << 20;

fn told(error: &ClusterError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

fn must<T>(answer: Result<T, ClusterError>) -> T {
    answer.unwrap_or_else(|error| panic!("the lab's cluster: {}", told(&error)))
}

#[test]
fn a_cluster_that_cannot_be_reached_or_a_library_that_is_not_there_is_said() {
    let connect = Connect { conf: Some("/nonexistent/ceph.conf".into()), ..Connect::default() };
    for error in [Pool::connect(POOL, None, &connect).expect_err("none"), Osds::connect(&connect).err().expect("none")] {
        let is_known = matches!(error, ClusterError::Library { package: "librados2", .. }) || told(&error).contains("/nonexistent/ceph.conf");
        assert!(is_known, "{}", told(&error));
    }
}

#[test]
fn a_set_has_as_many_objects_as_its_bytes_need() {
    for (bytes, count) in [(0, 0), (1, 1), (OBJECT, 1), (OBJECT + 1, 2), (10 * OBJECT, 10)] {
        assert_eq!(ObjectSet::new("assay-test.", 7, bytes, OBJECT).count(), count, "{bytes}");
    }
}

/// Objects on the lab's cluster that are gone at the end of the test.
struct Scratch {
    pool: Pool,
    set: ObjectSet,
}

impl Scratch {
    fn new() -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("assay-test-{}-{}.", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let pool = must(Pool::connect(POOL, None, &Connect::default()));
        let set = ObjectSet::new(&prefix, 1000, SIZE, OBJECT);
        must(pool.make(&set, mark("test")));
        Self { pool, set }
    }

    fn lane(&self, bs: u32, iodepth: u32) -> impl Lane + use<> {
        lane(&self.pool, &self.set, bs, iodepth)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        must(self.pool.remove(&self.set, mark("test")));
    }
}

fn mark(value: &str) -> Mark<'_> {
    Mark { name: MARK, value }
}

fn lane(pool: &Pool, set: &ObjectSet, bs: u32, iodepth: u32) -> impl Lane + use<> {
    open(pool, set, bs, iodepth, Some(&Leave(Span { start: 0, bytes: SIZE }))).expect("opens")
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn objects_do_what_every_engine_must() {
    let scratch = Scratch::new();
    conforms(&|bs, iodepth, check| check(&mut scratch.lane(bs, iodepth), "rados"));
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn what_was_written_is_read_back_by_another_client() {
    let scratch = Scratch::new();
    let other = must(Pool::connect(POOL, None, &Connect::default()));
    let history = History::new(Span { start: 0, bytes: SIZE });
    let written = pass(&mut scratch.lane(4096, 16), &history, Rw::Write);
    let read = pass(&mut lane(&other, &scratch.set, 4096, 16), &history, Rw::Read);
    assert_eq!((written.operations, read.operations, read.verification.verified), (SIZE / 4096, SIZE / 4096, SIZE / 4096));
    assert!(read.verification.corrupt.is_empty() && read.verification.failed.is_empty(), "{:?}", read.verification);
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn writes_that_must_be_on_the_medium_and_flushes_are_done_and_trims_are_said_not_to_be() {
    let scratch = Scratch::new();
    let mut lane = scratch.lane(4096, 4);
    lane.buffer(0).fill(7);
    assert_eq!(once(&mut lane, OpKind::WriteFua, OBJECT + 8192, 4096), Ok(4096));
    assert_eq!(once(&mut lane, OpKind::Flush, 0, 0), Ok(0));
    lane.buffer(0).fill(0);
    assert_eq!(once(&mut lane, OpKind::Read, OBJECT + 8192, 4096), Ok(4096));
    assert!(lane.buffer(0).iter().all(|byte| *byte == 7));
    // What was never written of an object reads as zeros, and takes no room.
    assert_eq!(once(&mut lane, OpKind::Read, OBJECT + 12288, 4096), Ok(4096));
    assert!(lane.buffer(0).iter().all(|byte| *byte == 0));
    assert_eq!(once(&mut lane, OpKind::Trim, 0, 4096), Err(libc::EOPNOTSUPP));
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn what_is_outside_of_the_leave_is_refused_and_what_is_behind_the_last_object_is_no_operation() {
    let scratch = Scratch::new();
    for leave in [None, Some(Leave(Span { start: 0, bytes: 4096 * 16 })), Some(Leave(Span { start: 4096, bytes: SIZE }))] {
        let leave = leave.as_ref().map(|leave| leave as &dyn WriteLeave);
        let mut lane = open(&scratch.pool, &scratch.set, 4096, 4, leave).expect("opens");
        // Every block, however long it takes.
        let everywhere = Job { extent: Extent::WholeSpan, ..job(Rw::Write, 4096, 4) };
        assert!(drive(&everywhere, &mut lane, None, &AtomicBool::new(false), None).is_err(), "a write outside of the leave was let through");
    }
    let beyond = Job { span: Span { start: SIZE / 2, bytes: SIZE }, extent: Extent::WholeSpan, ..job(Rw::Read, 4096, 8) };
    let result = drive(&beyond, &mut scratch.lane(4096, 8), None, &AtomicBool::new(false), None).expect("runs");
    assert_eq!((result.operations, result.verification.failed.values().sum::<u64>()), (SIZE / 2 / 4096, SIZE / 2 / 4096));
    let mut lane = scratch.lane(4096, 1);
    assert_eq!(once(&mut lane, OpKind::Read, OBJECT - 2048, 4096), Err(libc::EINVAL), "it is in two objects");
    assert!(open(&scratch.pool, &scratch.set, 3 << 20, 1, None).is_err(), "blocks that no object is made of");
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn planted_faults_are_found() {
    let scratch = Scratch::new();
    let history = History::new(Span { start: 0, bytes: SIZE });
    let blocks = SIZE / 4096;
    pass(&mut scratch.lane(4096, 16), &history, Rw::Write);
    let result = pass(&mut Faulty::new(scratch.lane(4096, 16), &[(Spoil::Error(libc::EIO), 100), (Spoil::ShortRead, 99)]), &history, Rw::Read);
    let failed: u64 = result.verification.failed.values().sum();
    assert!(failed >= blocks / 100 + blocks / 101 && result.operations == blocks - failed, "{:?}", result.verification);

    // Behind the back of whoever keeps the history: another client writes one block and loses another.
    let other = must(Pool::connect(POOL, None, &Connect::default()));
    let mut theirs = lane(&other, &scratch.set, 4096, 1);
    theirs.buffer(0).fill(0x5a);
    assert_eq!(once(&mut theirs, OpKind::Write, 40 * 4096, 4096), Ok(4096));
    theirs.buffer(0).fill(0);
    assert_eq!(once(&mut theirs, OpKind::Write, 777 * 4096, 4096), Ok(4096));
    let result = pass(&mut scratch.lane(4096, 16), &history, Rw::Read);
    let mut wrong: Vec<u64> = result.corrupt_offsets.iter().map(|(_, offset)| *offset).collect();
    wrong.sort_unstable();
    assert_eq!(wrong, [40 * 4096, 777 * 4096], "{:?}", result.verification);
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn every_object_is_marked_and_only_those_with_the_mark_are_removed() {
    let scratch = Scratch::new();
    let Scratch { pool, set } = &scratch;
    for number in 0..set.count() {
        assert_eq!(must(pool.mark_of(set, number, MARK)).as_deref(), Some("test"));
    }
    assert!(pool.make(set, mark("another")).expect_err("they are there").is_there_already());
    assert_eq!(must(pool.remove(set, mark("another"))), 0);
    assert_eq!(must(pool.mark_of(set, 0, "assay.none")), None);
    let mut lane = scratch.lane(4096, 1);
    assert_eq!(must(pool.remove(set, mark("test"))), set.count());
    assert_eq!(must(pool.remove(set, mark("test"))), 0, "they are gone");
    // A client that was cut off meanwhile does not bring them back.
    lane.buffer(0).fill(1);
    assert_eq!(once(&mut lane, OpKind::Write, 0, 4096), Err(libc::ENOENT));
    assert_eq!(once(&mut lane, OpKind::Read, 0, 4096), Err(libc::ENOENT));
    assert_eq!(must(pool.remove(set, mark("test"))), 0);
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn an_index_is_changed_only_as_it_was_seen() {
    let pool = must(Pool::connect(POOL, None, &Connect::default()));
    let name = format!("assay-test-index-{}", std::process::id());
    assert_eq!(must(pool.attributes(&name)), None);
    assert!(must(pool.make_index(&name, &[("turn", "1")])));
    assert!(!must(pool.make_index(&name, &[("turn", "9")])), "it is there");
    let turn = |value| Mark { name: "turn", value };
    assert!(must(pool.change_index(&name, turn("1"), &[("turn", "2"), ("run", "x")], &[])));
    assert!(!must(pool.change_index(&name, turn("1"), &[("turn", "3")], &["run"])), "somebody was faster");
    let mut seen = must(pool.attributes(&name)).expect("is there");
    seen.sort();
    assert_eq!(seen, [("run", "x"), ("turn", "2")].map(|(name, value)| (name.to_owned(), value.to_owned())));
    assert!(!must(pool.remove_index(&name, turn("1"))));
    assert!(must(pool.remove_index(&name, turn("2"))));
    assert!(!must(pool.remove_index(&name, turn("2"))) && !must(pool.change_index(&name, turn("2"), &[], &[])), "it is gone");
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn a_namespace_has_objects_of_its_own_and_a_pool_that_is_not_there_is_said() {
    let (default, own) = (must(Pool::connect(POOL, None, &Connect::default())), must(Pool::connect(POOL, Some("tenant"), &Connect::default())));
    let set = ObjectSet::new(&format!("assay-test-ns-{}.", std::process::id()), 0, OBJECT, OBJECT);
    must(own.make(&set, mark("test")));
    assert_eq!(must(default.remove(&set, mark("test"))), 0);
    assert_eq!(must(own.remove(&set, mark("test"))), 1);
    assert_eq!(own.name(), "rbd-vms/tenant");
    let error = Pool::connect("no-such-pool", None, &Connect::default()).expect_err("none");
    assert!(error.is_missing() && told(&error).contains("no-such-pool"), "{}", told(&error));
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn every_osd_benches_itself_and_one_that_is_asked_for_too_much_refuses() {
    let osds = must(Osds::connect(&Connect::default()));
    assert_eq!(must(osds.up()), [0, 1, 2]);
    let bench = must(osds.bench(1, 16 << 20, 4 << 20));
    assert!(bench.bytes == 16 << 20 && bench.block_bytes == 4 << 20 && bench.bandwidth() > 1e6, "{bench:?}");
    let refused = osds.bench(1, OSD_BENCH_BYTES_MAX + (4 << 20), 4 << 20).expect_err("too much");
    assert!(told(&refused).contains("osd.1") && !matches!(refused, ClusterError::Silent { .. }), "{}", told(&refused));
    assert!(osds.bench(77, 16 << 20, 4 << 20).is_err());
}
