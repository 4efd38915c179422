//! Scratch objects on the lab's cluster (`#[ignore]`d, see `bench/src/engine/rados/tests.rs`): made, left behind, swept, and what is not ours stays as it is.

use std::time::{Duration, Instant};

use assay_bench::engine::rados::{Connect, Mark, ObjectSet, Pool};
use assay_bench::engine::uring::WriteLeave as _;

use super::super::objects::{Wanted, scratch_objects};
use super::super::{Cause, ObjectPlace, ScratchPools, examine_scratch_objects};

const BYTES: u64 = 8 << 20;
const OBJECT: u64 = 1 << 20;
const INDEX: &str = "assay-scratch";

/// A namespace of its own for each test: they look at the index.
fn place(namespace: &str) -> ObjectPlace {
    let name = format!("rbd-vms/{namespace}");
    ObjectPlace::named(Some(&name), &ScratchPools { names: vec![name.clone()], fsid: None }).expect("named")
}

fn pool(namespace: &str) -> Pool {
    Pool::connect("rbd-vms", Some(namespace), &Connect::default()).expect("the lab's cluster")
}

fn wanted(run: &str, node: &str, seconds: u64) -> Wanted {
    Wanted { run: run.into(), node: node.into(), bytes: BYTES, object_bytes: OBJECT, nodes: 1, seconds }
}

fn sets(pool: &Pool) -> usize {
    pool.attributes(INDEX).expect("looks").map_or(0, |all| all.iter().filter(|(name, _)| name.starts_with("assay.set.")).count())
}

/// Where the only set of the index begins.
fn first_of_set(pool: &Pool) -> u64 {
    let index = pool.attributes(INDEX).expect("looks").expect("an index");
    let (_, set) = index.iter().find(|(name, _)| name.starts_with("assay.set.")).expect("a set");
    let entry: serde_json::Value = serde_json::from_str(set).expect("JSON");
    entry["first"].as_u64().expect("a number")
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn scratch_objects_are_made_and_gone_afterwards_and_the_index_with_the_last_of_them() {
    let (place, pool) = (place("objects-1"), pool("objects-1"));
    examine_scratch_objects(&place, BYTES).expect("may be made");
    let one = scratch_objects(&place, &wanted("run-1", "a", 60)).expect("claimed");
    let other = scratch_objects(&place, &wanted("run-1", "b", 60)).expect("claimed");
    assert_eq!((one.span().bytes, one.set().count(), sets(&pool)), (BYTES, 8, 2));
    assert_eq!(pool.remove(&one.set(), Mark { name: "assay.run", value: "run-2" }).expect("nothing of that run"), 0);
    one.release().expect("removed");
    assert_eq!(sets(&pool), 1);
    let set = other.set();
    drop(other);
    assert_eq!(pool.attributes(INDEX).expect("looks"), None);
    assert_eq!(pool.remove(&set, Mark { name: "assay.run", value: "run-1" }).expect("asks"), 0, "nothing is left");
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn what_a_crash_left_is_swept_by_the_same_run_at_once_and_by_others_when_its_time_is_over() {
    let (place, pool) = (place("objects-2"), pool("objects-2"));
    // As a crash leaves it: nothing of it is dropped.
    let left = std::mem::ManuallyDrop::new(scratch_objects(&place, &wanted("left-1", "a", 3)).expect("claimed"));
    scratch_objects(&place, &wanted("other-1", "a", 60)).expect("claimed").release().expect("removed");
    assert_eq!(sets(&pool), 1, "its time is not over");
    let again = scratch_objects(&place, &wanted("left-1", "a", 1)).expect("claimed");
    assert_eq!(sets(&pool), 1);
    assert_ne!(again.set(), left.set());
    let again = std::mem::ManuallyDrop::new(again);
    let end = Instant::now() + Duration::from_secs(15);
    while sets(&pool) > 0 {
        assert!(Instant::now() < end, "it stays");
        scratch_objects(&place, &wanted("other-2", "b", 60)).expect("claimed").release().expect("removed");
    }
    assert_eq!(pool.remove(&again.set(), Mark { name: "assay.run", value: "left-1" }).expect("asks"), 0, "they are gone already");
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn objects_of_others_stay_whatever_their_names_are() {
    let (place, pool) = (place("objects-3"), pool("objects-3"));
    // In the set of a crash, one that somebody else has made meanwhile.
    let left = scratch_objects(&place, &wanted("left-2", "a", 60)).expect("claimed");
    let first = ObjectSet::new("assay-scratch-left-2.a.", first_of_set(&pool), 1, OBJECT);
    assert_eq!(pool.remove(&first, Mark { name: "assay.run", value: "left-2" }).expect("removes"), 1);
    pool.make(&first, Mark { name: "assay.run", value: "somebody" }).expect("made");
    left.release().expect("what is ours is removed");
    assert_eq!(pool.remove(&first, Mark { name: "assay.run", value: "somebody" }).expect("removes"), 1, "it was still there");
    // And an index that is none of ours.
    assert!(pool.make_index(INDEX, &[("assay.turn", "1")]).expect("made"));
    let refused = scratch_objects(&place, &wanted("run-3", "a", 60)).expect_err("is somebody's");
    assert!(matches!(refused.cause, Cause::ForeignObject { .. }), "{refused}");
    assert!(pool.remove_index(INDEX, Mark { name: "assay.turn", value: "1" }).expect("removes"));
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn many_that_begin_and_end_at_the_same_time_lose_nothing_of_the_index() {
    let (place, pool) = (place("objects-4"), pool("objects-4"));
    std::thread::scope(|scope| {
        for node in ["a", "b", "c", "d"] {
            let place = &place;
            scope.spawn(move || {
                for _ in 0..5 {
                    scratch_objects(place, &wanted("run-4", node, 60)).expect("claimed").release().expect("removed");
                }
            });
        }
    });
    assert_eq!(pool.attributes(INDEX).expect("looks"), None);
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn objects_that_would_fill_the_cluster_and_runs_without_a_name_are_refused() {
    let place = place("objects-5");
    let large = Wanted { nodes: 1 << 40, ..wanted("run-5", "a", 60) };
    assert!(matches!(scratch_objects(&place, &large).expect_err("too large").cause, Cause::NoRoom { .. }));
    for (run, node) in [("", "a"), ("run", "a/b"), ("run.1", "a"), ("run", "")] {
        assert!(matches!(scratch_objects(&place, &wanted(run, node, 60)).expect_err("no name").cause, Cause::RunName { .. }), "{run} {node}");
    }
    assert_eq!(pool("objects-5").attributes(INDEX).expect("looks"), None);
}
