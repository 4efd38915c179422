//! Without a cluster: what is refused, and how soon. With one, that of the lab (its pool `rbd-vms`, by CEPH_CONF): everything that an engine must do, and what is planted in an
//! image. Those are `#[ignore]`d, for a plain `cargo test` needs no Ceph; the lab runs them by `--ignored`, and there a cluster that is missing is a failure.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use super::*;
use crate::driver::drive;
use crate::engine::OpKind;
use crate::engine::conformance::{Leave, SIZE, conforms, job, once, pass};
use crate::engine::faulty::{Faulty, Spoil};
use crate::error::ClusterError;
use crate::history::History;
use crate::job::{Extent, Job, Rw, Span};

const POOL: &str = "rbd-vms";
const KEY: &str = "assay";

fn told(error: &ClusterError) -> String {
    let source = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

fn refused(conf: &str, deadline: Duration) -> ClusterError {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(conf.as_bytes()).expect("writes");
    let connect = Connect { conf: Some(file.path().to_owned()), deadline, ..Connect::default() };
    Pool::connect(POOL, None, &connect).expect_err("no cluster")
}

/// What is said where Ceph's libraries are not installed: the package, and nothing else.
fn names_the_package(error: &ClusterError) -> bool {
    matches!(error, ClusterError::Library { package: "librados2" | "librbd1", .. })
}

#[test]
fn a_configuration_that_cannot_be_read_is_named() {
    let connect = Connect { conf: Some("/nonexistent/ceph.conf".into()), ..Connect::default() };
    let error = Pool::connect(POOL, None, &connect).expect_err("no configuration");
    let text = told(&error);
    assert!(names_the_package(&error) || text.contains("/nonexistent/ceph.conf: No such file"), "{text}");
}

#[test]
fn a_monitor_that_does_not_answer_is_given_up_in_time() {
    // Nobody listens at the first; the second is an address for documentation, which nobody has.
    for host in ["127.0.0.1:1", "192.0.2.1:3300"] {
        let begin = Instant::now();
        let error = refused(&format!("[global]\nmon host = {host}\nauth client required = none\n"), Duration::from_secs(1));
        let is_silence = matches!(error, ClusterError::Silent { .. }) || told(&error).contains("connect to the Ceph cluster");
        assert!(names_the_package(&error) || is_silence, "{}", told(&error));
        assert!(begin.elapsed() < Duration::from_secs(10), "{host}: {:?}", begin.elapsed());
    }
}

#[test]
fn a_configuration_without_monitors_is_an_error_of_the_connection() {
    let error = refused("[global]\n", Duration::from_secs(2));
    assert!(names_the_package(&error) || told(&error).contains("cannot connect to the Ceph cluster"), "{}", told(&error));
}

#[test]
fn a_call_that_hangs_is_left_behind() {
    let (hold, held) = std::sync::mpsc::channel::<()>();
    let begin = Instant::now();
    let hang = move || held.recv().map_err(std::io::Error::other);
    let error = crate::engine::cluster::within("open the image", "rbd-vms/x", Duration::from_millis(50), hang).expect_err("hangs");
    assert_eq!(error.to_string(), "cannot open the image rbd-vms/x: no answer within 50ms");
    assert!(begin.elapsed() < Duration::from_secs(5));
    drop(hold);
}

#[test]
fn features_and_caches_have_the_names_of_ceph() {
    assert_eq!(Features::default().to_string(), "layering+exclusive-lock+object-map+fast-diff+deep-flatten");
    let some: Features = "layering+exclusive-lock".parse().expect("features");
    assert_eq!(some.to_string(), "layering+exclusive-lock");
    for (words, why) in [("layring", "no feature"), ("", "no feature"), ("layering+object-map", "object-map needs exclusive-lock")] {
        assert!(words.parse::<Features>().expect_err(words).contains(why), "{words}");
    }
    for cache in Cache::ALL {
        assert_eq!(cache.name().parse(), Ok(*cache));
    }
    assert!("write-back".parse::<Cache>().expect_err("a typo").contains("writeback"));
    assert_eq!(Layout::new(4 << 20, Features::default()), Ok(Layout::default()));
    for bytes in [0, 3 << 20, 2048, 64 << 20] {
        assert!(Layout::new(bytes, Features::default()).is_err(), "{bytes}");
    }
}

/// An image on the lab's cluster that is gone at the end of the test.
struct Scratch {
    pool: Pool,
    name: String,
    image: Option<Image>,
}

impl Scratch {
    fn with(cache: Cache, layout: Layout) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let pool = Pool::connect(POOL, None, &Connect::default()).unwrap_or_else(|error| panic!("the lab's cluster: {}", told(&error)));
        let name = format!("assay-test-{}-{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        pool.create(&name, SIZE, layout).unwrap_or_else(|error| panic!("{}", told(&error)));
        let image = pool.open_marked(&name, (KEY, "test"), cache).unwrap_or_else(|error| panic!("{}", told(&error)));
        assert_eq!((image.bytes(), image.cache()), (SIZE, cache));
        Self { pool, name, image: Some(image) }
    }

    fn new() -> Self {
        Self::with(Cache::Off, Layout::default())
    }

    fn lane(&self, bs: u32, iodepth: u32) -> impl Lane + use<> {
        lane(self.image.as_ref().expect("open"), bs, iodepth)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let image = self.image.take().expect("open");
        image.close().unwrap_or_else(|error| panic!("{}", told(&error)));
        self.pool.remove(&self.name, SIZE).unwrap_or_else(|error| panic!("{}", told(&error)));
    }
}

fn lane(image: &Image, bs: u32, iodepth: u32) -> impl Lane + use<> {
    open(image, bs, iodepth, Some(&Leave(Span { start: 0, bytes: SIZE }))).expect("opens")
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn an_image_does_what_every_engine_must() {
    let scratch = Scratch::new();
    conforms(&|bs, iodepth, check| check(&mut scratch.lane(bs, iodepth), "rbd"));
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn every_cache_reads_back_what_was_written() {
    for cache in Cache::ALL {
        let scratch = Scratch::with(*cache, Layout::new(1 << 20, "layering+exclusive-lock".parse().expect("features")).expect("a layout"));
        let history = History::new(Span { start: 0, bytes: SIZE });
        let written = pass(&mut scratch.lane(4096, 16), &history, Rw::Write);
        let read = pass(&mut scratch.lane(4096, 16), &history, Rw::Read);
        assert_eq!((written.operations, read.operations, read.verification.verified), (SIZE / 4096, SIZE / 4096, SIZE / 4096), "{cache:?}");
        assert!(read.verification.corrupt.is_empty() && read.verification.failed.is_empty(), "{cache:?}: {:?}", read.verification);
    }
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn writes_that_must_be_on_the_medium_flushes_and_trims_are_done() {
    for cache in Cache::ALL {
        let scratch = Scratch::with(*cache, Layout::default());
        let mut lane = scratch.lane(4096, 4);
        lane.buffer(0).fill(7);
        assert_eq!(once(&mut lane, OpKind::WriteFua, 8192, 4096), Ok(4096), "{cache:?}");
        assert_eq!(once(&mut lane, OpKind::Flush, 0, 0), Ok(0), "{cache:?}");
        lane.buffer(0).fill(0);
        assert_eq!(once(&mut lane, OpKind::Read, 8192, 4096), Ok(4096), "{cache:?}");
        assert!(lane.buffer(0).iter().all(|byte| *byte == 7), "{cache:?}");
        // Beyond what librbd discards at least at once.
        let mut large = scratch.lane(1 << 20, 1);
        assert_eq!(once(&mut large, OpKind::Trim, 0, 1 << 20), Ok(1 << 20), "{cache:?}");
        assert_eq!(once(&mut large, OpKind::Read, 0, 1 << 20), Ok(1 << 20), "{cache:?}");
        assert!(large.buffer(0).iter().all(|byte| *byte == 0), "{cache:?}");
    }
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn what_is_outside_of_the_leave_is_refused_and_what_is_behind_the_end_is_no_operation() {
    let scratch = Scratch::new();
    let image = scratch.image.as_ref().expect("open");
    for leave in [None, Some(Leave(Span { start: 0, bytes: 4096 * 16 })), Some(Leave(Span { start: 4096, bytes: SIZE }))] {
        let leave = leave.as_ref().map(|leave| leave as &dyn WriteLeave);
        let mut lane = open(image, 4096, 4, leave).expect("opens");
        // Every block, however long it takes.
        let everywhere = Job { extent: Extent::WholeSpan, ..job(Rw::Write, 4096, 4) };
        assert!(drive(&everywhere, &mut lane, None, &AtomicBool::new(false), None).is_err(), "a write outside of the leave was let through");
    }
    let beyond = Span { start: SIZE / 2, bytes: SIZE };
    let result = drive(
        &Job { span: beyond, extent: Extent::WholeSpan, ..job(Rw::Read, 4096, 8) },
        &mut scratch.lane(4096, 8),
        None,
        &AtomicBool::new(false),
        None,
    );
    let result = result.expect("runs");
    assert_eq!(result.operations, SIZE / 2 / 4096);
    assert_eq!(result.verification.failed.values().sum::<u64>(), SIZE / 2 / 4096, "{:?}", result.verification.failed);
    // The last block that is there is read in half.
    let mut lane = scratch.lane(4096, 1);
    assert_eq!(once(&mut lane, OpKind::Read, SIZE - 2048, 4096), Ok(2048));
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
    {
        let other = scratch.pool.open_again(&scratch.name).unwrap_or_else(|error| panic!("{}", told(&error)));
        let mut lane = lane(&other, 4096, 1);
        lane.buffer(0).fill(0x5a);
        assert_eq!(once(&mut lane, OpKind::Write, 40 * 4096, 4096), Ok(4096));
        lane.buffer(0).fill(0);
        assert_eq!(once(&mut lane, OpKind::Write, 77 * 4096, 4096), Ok(4096));
        drop(lane);
        other.close().unwrap_or_else(|error| panic!("{}", told(&error)));
    }
    let result = pass(&mut scratch.lane(4096, 16), &history, Rw::Read);
    let mut wrong: Vec<u64> = result.corrupt_offsets.iter().map(|(_, offset)| *offset).collect();
    wrong.sort_unstable();
    assert_eq!(wrong, [40 * 4096, 77 * 4096], "{:?}", result.verification);
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn an_image_shows_its_mark_and_who_watches_it_and_is_not_removed_meanwhile() {
    let scratch = Scratch::new();
    let seen = scratch.pool.look(&scratch.name, KEY).expect("is there");
    assert_eq!((seen.bytes, seen.mark.as_deref(), seen.watchers.len(), seen.lockers.len()), (SIZE, Some("test"), 1, 0));
    // The lock that librbd takes for the first write is nobody's.
    assert_eq!(once(&mut scratch.lane(4096, 1), OpKind::Write, 0, 4096), Ok(4096));
    assert!(scratch.pool.look(&scratch.name, KEY).expect("is there").lockers.is_empty());
    assert!(scratch.pool.remove(&scratch.name, SIZE).is_err(), "an image in use was removed");
    assert!(scratch.pool.images().expect("lists").contains(&scratch.name));
    assert!(scratch.pool.look("assay-test-none", KEY).expect_err("none").is_missing());
    assert!(scratch.pool.create(&scratch.name, SIZE, Layout::default()).expect_err("twice").is_there_already());
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn a_pool_or_namespace_that_is_not_there_is_said() {
    let error = Pool::connect("no-such-pool", None, &Connect::default()).expect_err("none");
    assert!(error.is_missing() && told(&error).contains("no-such-pool"), "{}", told(&error));
    let error = Pool::connect(POOL, Some("no-such-namespace"), &Connect::default()).expect_err("none");
    assert!(error.is_missing() && told(&error).contains("no-such-namespace"), "{}", told(&error));
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn a_lane_that_is_open_keeps_its_image() {
    let scratch = Scratch::new();
    let image = scratch.image.clone().expect("open");
    let lane = scratch.lane(4096, 1);
    let again = scratch.pool.open_again(&scratch.name).expect("opens");
    let of_again = super::tests::lane(&again, 4096, 1);
    assert!(told(&again.close().expect_err("a lane is open")).contains("still out"));
    assert!(open(&again, 4096, 1, None).err().expect("closed").to_string().contains("cannot work on"));
    drop((lane, of_again));
    assert_eq!(image.name(), format!("{POOL}/{}", scratch.name));
}
