//! Places for scratch images: what is none is refused without any cluster. With that of the lab (`#[ignore]`d, see `bench/src/engine/rbd/tests.rs`): made, left behind, swept, and
//! what is not ours stays as it is.

use std::path::Path;
use std::time::Duration;

use assay_bench::ClusterError;
use assay_bench::engine::rbd::{Connect, Layout, Pool};

use super::super::image::takes_writes;
use super::super::{Cause, ImagePlace, SCRATCH_PREFIX, ScratchPools, Target, TargetKind, examine_scratch_image, scratch_image, target_kind};

const BYTES: u64 = 16 << 20;
/// What its run is to take.
const LASTS: Duration = Duration::from_secs(1);

fn allowed(fsid: Option<&str>) -> ScratchPools {
    ScratchPools { names: vec!["rbd-vms".to_owned(), "rbd-vms/tenant".to_owned()], fsid: fsid.map(str::to_owned) }
}

fn named(target: &str) -> Result<ImagePlace, Cause> {
    ImagePlace::named(Path::new(target), &allowed(None)).map_err(|refusal| refusal.cause)
}

#[test]
fn a_pool_is_told_by_its_spelling_and_a_folder_of_that_name_is_one() {
    assert!(matches!(target_kind(Path::new("rbd:rbd-vms/")), Ok(TargetKind::Pool)));
    assert!(target_kind(Path::new("./rbd:rbd-vms/")).is_err());
    assert!(target_kind(Path::new("rbd/")).is_err());
    assert!(matches!(target_kind(Path::new("krbd:rbd-vms/")), Ok(TargetKind::MappedPool)));
    assert!(target_kind(Path::new("./krbd:rbd-vms/")).is_err());
}

#[test]
fn a_place_says_what_its_images_are_like() {
    let plain = named("rbd:rbd-vms/").expect("a place");
    assert_eq!((plain.name(), plain.path()), ("rbd-vms".to_owned(), "rbd:rbd-vms/".into()));
    assert_eq!(plain.describe(), "cache off, objects of 4194304 bytes, features layering+exclusive-lock+object-map+fast-diff+deep-flatten");
    let other = named("rbd:rbd-vms/tenant/:cache=writeback:object_size=1MiB:features=layering").expect("a place");
    assert_eq!((other.name(), other.path()), ("rbd-vms/tenant".to_owned(), "rbd:rbd-vms/tenant/".into()));
    assert_eq!(other.describe(), "cache writeback, objects of 1048576 bytes, features layering");
    let mapped = named("krbd:rbd-vms/tenant/:object_size=1MiB").expect("a place");
    assert_eq!((mapped.name(), mapped.path()), ("rbd-vms/tenant".to_owned(), "krbd:rbd-vms/tenant/".into()));
    assert_eq!(mapped.describe(), "mapped by the kernel's driver, cache off, objects of 1048576 bytes, features layering+exclusive-lock");
    for (place, is_told) in [(&plain, false), (&other, false), (&mapped, true)] {
        let stored = serde_json::to_string(place).expect("is written");
        assert_eq!(serde_json::from_str::<ImagePlace>(&stored).expect("is read"), *place);
        // Plans of before there were others are read and hashed as they were.
        assert_eq!(stored.contains("client"), is_told, "{stored}");
        assert!(!stored.contains("fsid"), "{stored}");
    }
    let of_a_cluster = ImagePlace::named(Path::new("rbd:rbd-vms/"), &allowed(Some("1-2"))).expect("a place");
    let stored = serde_json::to_string(&of_a_cluster).expect("is written");
    assert!(stored.contains("\"fsid\":\"1-2\"") && of_a_cluster.is_like(&plain), "{stored}");
    assert!(!mapped.is_like(&named("rbd:rbd-vms/tenant/:object_size=1MiB:features=layering+exclusive-lock").expect("a place")));
}

#[test]
fn what_is_no_place_or_not_named_by_the_site_is_refused() {
    for (target, says) in [
        ("rbd:rbd-vms", "names an image"),
        ("rbd:rbd-vms/vm-100-disk-0", "names an image"),
        ("rbd:rbd-vms/tenant/disk", "names an image"),
        ("rbd:", "names an image"),
        ("rbd:/", "no name of a pool"),
        ("rbd://", "no name of a pool"),
        ("rbd:rbd-vms//", "no name of a pool"),
        ("rbd:rbd vms/", "no name of a pool"),
        ("rbd:rbd-vms/a/b/", "no name of a pool"),
        ("rbd:rbd-vms@snap/", "no name of a pool"),
        ("rbd:rbd-vms/:", "no option"),
        ("rbd:rbd-vms/:cache", "no option"),
        ("rbd:rbd-vms/:id=admin", "no option"),
        ("rbd:rbd-vms/:cache=on", "no cache"),
        ("rbd:rbd-vms/:object_size=4M", "expected a size"),
        ("rbd:rbd-vms/:object_size=3MiB", "a power of two"),
        ("rbd:rbd-vms/:features=object-map", "needs exclusive-lock"),
        ("krbd:rbd-vms/vm-100-disk-0", "names an image"),
        ("krbd:rbd-vms", "names an image"),
        ("krbd:rbd-vms/:cache=writeback", "a cache is librbd's"),
        ("krbd:rbd-vms/:secret=x", "no option"),
    ] {
        let cause = named(target).expect_err(target);
        assert!(matches!(cause, Cause::NoPlace { .. }) && cause.to_string().contains(says), "{target}: {cause}");
    }
    for target in ["rbd:rbd/", "krbd:rbd/", "krbd:rbd-vms/other/", "rbd:rbd-vms/other/", "rbd:rbd-vms2/", "rbd:RBD-VMS/"] {
        let cause = named(target).expect_err(target);
        assert!(matches!(cause, Cause::NotNamed { .. }) && cause.to_string().contains("scratch_pools"), "{target}: {cause}");
    }
}

#[test]
fn a_pool_of_which_nobody_says_that_it_is_not_full_is_not_written_to() {
    assert!(takes_writes("a", Ok(false)).is_ok());
    assert!(matches!(takes_writes("a", Ok(true)), Err(Cause::Full { .. })));
    let refused = std::io::Error::from_raw_os_error(13);
    let errors = [
        (ClusterError::Call { act: "ask for the flags of", subject: "a".into(), source: refused }, "Permission denied"),
        (ClusterError::Call { act: "ask for the flags of", subject: "a".into(), source: std::io::Error::other("expected value") }, "expected value"),
        (
            ClusterError::Silent { act: "ask for the flags of", subject: "a".into(), waited: std::time::Duration::from_secs(20) },
            "no answer within 20s",
        ),
    ];
    for (error, why) in errors {
        let said = takes_writes("a", Err(error)).expect_err("refused").to_string();
        assert!(said.contains("whether the pool a is full cannot be told: cannot ask for the flags of a") && said.contains(why), "{said}");
    }
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn a_scratch_image_is_made_watched_and_gone_afterwards() {
    let (place, pool) = (named("rbd:rbd-vms/:object_size=1MiB").expect("a place"), lab());
    examine_scratch_image(&place, BYTES).expect("may be made");
    let name = format!("{SCRATCH_PREFIX}images-1");
    assert!(!pool.images().expect("lists").contains(&name));
    let claim = scratch_image(&place, "images-1", BYTES, LASTS).expect("claimed");
    assert_eq!((claim.start(), claim.bytes(), claim.kind(), claim.serial()), (0, BYTES, "rbd_image_other", None));
    assert_eq!(claim.path(), Path::new("rbd:rbd-vms/assay-scratch-images-1"));
    assert!(claim.describe().contains("cache off, objects of 1048576 bytes"), "{}", claim.describe());
    let seen = pool.look(&name, "assay.run").expect("is there");
    assert_eq!((seen.bytes, seen.mark.as_deref(), seen.watchers.len()), (BYTES, Some("images-1"), 1));
    // Another start in the same pool leaves it alone.
    let other = scratch_image(&place, "images-2", BYTES, LASTS).expect("claimed");
    assert!(pool.images().expect("lists").contains(&name));
    other.release().expect("removed");
    let leave = claim.leave().expect("a leave");
    assert!(matches!(leave.on(), Target::Image(_)));
    claim.release().expect("removed, although somebody still has the leave");
    let images = pool.images().expect("lists");
    assert!(!images.contains(&name) && !images.contains(&format!("{SCRATCH_PREFIX}images-2")), "{images:?}");
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn what_was_left_behind_is_swept_and_what_is_not_ours_stays() {
    let (place, pool) = (named("rbd:rbd-vms/").expect("a place"), lab());
    // As a crash leaves it: marked and open nowhere. And two of somebody who likes our names, the second with another run in its mark.
    let left = format!("{SCRATCH_PREFIX}left-1");
    let foreign = [format!("{SCRATCH_PREFIX}foreign-1"), format!("{SCRATCH_PREFIX}foreign-2"), "vm-100-disk-0".to_owned()];
    for image in foreign.iter().chain([&left]) {
        pool.create(image, BYTES, Layout::default()).expect("made");
    }
    for (image, mark) in [(&left, "left-1"), (&foreign[1], "foreign-3"), (&foreign[2], "vm-100-disk-0")] {
        let open = pool.open_marked(image, ("assay.run", mark), Default::default()).expect("opens");
        open.close().expect("closes");
    }
    scratch_image(&place, "images-3", BYTES, LASTS).expect("claimed").release().expect("removed");
    assert!(pool.images().expect("lists").contains(&left), "a host that is cut off is not watched either");
    let end = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while pool.images().expect("lists").contains(&left) {
        assert!(std::time::Instant::now() < end, "it stays");
        scratch_image(&place, "images-3", BYTES, LASTS).expect("claimed").release().expect("removed");
    }
    let images = pool.images().expect("lists");
    assert!(foreign.iter().all(|image| images.contains(image)), "{images:?}");
    let refused = scratch_image(&place, "foreign-1", BYTES, LASTS).expect_err("is somebody's");
    assert!(matches!(refused.cause, Cause::Foreign { .. }), "{refused}");
    assert!(pool.images().expect("lists").contains(&foreign[0]));
    for image in &foreign {
        pool.remove(image, BYTES).expect("removed");
    }
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn an_image_that_would_fill_the_cluster_is_refused() {
    let place = named("rbd:rbd-vms/").expect("a place");
    let refused = scratch_image(&place, "images-4", 1 << 50, LASTS).expect_err("too large");
    assert!(matches!(refused.cause, Cause::NoRoom { .. }), "{refused}");
    assert!(!lab().images().expect("lists").contains(&format!("{SCRATCH_PREFIX}images-4")));
}

fn lab() -> Pool {
    Pool::connect("rbd-vms", None, &Connect::default()).expect("the lab's cluster")
}
