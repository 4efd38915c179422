//! Scratch files: made, bounded, locked, removed, swept.

use std::fs::{self, File};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{FlockOperation, OFlags, fcntl_getfl, flock};
use tempfile::TempDir;

use super::super::scratch::room;
use super::super::{Cause, KEEP_FREE, examine_scratch, scratch};
use super::lab::{is_root, tmpfs};

const SIZE: u64 = 1 << 20;

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn leftover(folder: &Path, name: &str) -> File {
    let file = File::create_new(folder.join(name)).expect("a leftover");
    file.set_permissions(fs::Permissions::from_mode(0o600)).expect("permissions");
    file
}

#[test]
fn a_scratch_file_is_private_recognisable_locked_of_full_size_direct_and_removed_on_drop() {
    let folder = TempDir::new().expect("a folder");
    let claim = scratch(folder.path(), "20261123T020304Z-x-00", SIZE).expect("a claim");
    let data = fs::symlink_metadata(claim.path()).expect("it exists");
    assert_eq!(names(folder.path()), ["assay-scratch-20261123T020304Z-x-00"]);
    assert_eq!((data.mode() & 0o7777, data.len(), claim.start(), claim.bytes(), claim.kind()), (0o600, SIZE, 0, SIZE, "scratch_file"));
    assert!(data.blocks() * 512 >= SIZE, "its space is reserved");
    assert!(fcntl_getfl(claim.on().file().expect("a file")).expect("flags").contains(OFlags::DIRECT));
    let other = File::open(claim.path()).expect("opens");
    assert!(flock(&other, FlockOperation::NonBlockingLockExclusive).is_err(), "it is locked");
    drop(claim);
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_released_claim_is_gone_and_a_file_that_took_its_name_stays() {
    let folder = TempDir::new().expect("a folder");
    scratch(folder.path(), "a", SIZE).expect("a claim").release().expect("removed");
    assert!(names(folder.path()).is_empty());

    let claim = scratch(folder.path(), "a", SIZE).expect("a claim");
    let path = claim.path().to_owned();
    fs::rename(&path, folder.path().join("moved")).expect("moved");
    fs::write(&path, "somebody else's").expect("written");
    let error = claim.release().expect_err("not ours any more").to_string();
    assert!(error.contains("another file has its name"), "{error}");
    assert_eq!(fs::read(&path).expect("still there"), b"somebody else's");
}

#[test]
fn what_a_crash_left_behind_is_removed_and_what_is_in_use_or_foreign_stays() {
    let folder = TempDir::new().expect("a folder");
    let other_run = scratch(folder.path(), "other", SIZE).expect("a claim");
    leftover(folder.path(), "assay-scratch-crashed");
    let held = leftover(folder.path(), "assay-scratch-held");
    flock(&held, FlockOperation::NonBlockingLockExclusive).expect("locked");
    leftover(folder.path(), "assay-scratch-public").set_permissions(fs::Permissions::from_mode(0o644)).expect("permissions");
    leftover(folder.path(), "assay-scratch-linked");
    fs::hard_link(folder.path().join("assay-scratch-linked"), folder.path().join("elsewhere")).expect("linked");
    leftover(folder.path(), "scratch-of-somebody");
    fs::create_dir(folder.path().join("assay-scratch-folder")).expect("a folder");
    std::os::unix::fs::symlink("elsewhere", folder.path().join("assay-scratch-link")).expect("a link");

    let claim = scratch(folder.path(), "mine", SIZE).expect("a claim");
    let left = names(folder.path());
    assert!(!left.contains(&"assay-scratch-crashed".to_owned()), "{left:?}");
    for kept in ["other", "held", "public", "linked", "folder", "link", "mine"] {
        assert!(left.contains(&format!("assay-scratch-{kept}")), "{kept} is gone: {left:?}");
    }
    assert!(left.contains(&"scratch-of-somebody".to_owned()) && other_run.path().exists() && claim.path().exists());
}

#[test]
fn a_file_or_link_that_has_the_name_already_is_not_touched() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("victim"), "precious").expect("a file");
    std::os::unix::fs::symlink("victim", folder.path().join("assay-scratch-a")).expect("a link");
    fs::write(folder.path().join("assay-scratch-b"), "precious").expect("a file");
    for run in ["a", "b"] {
        let refusal = scratch(folder.path(), run, SIZE).expect_err("the name is taken");
        assert!(matches!(refusal.cause, Cause::Io { act: "make the scratch file", .. }) && refusal.to_string().contains("exists"), "{refusal}");
    }
    assert_eq!(fs::read(folder.path().join("victim")).expect("there"), b"precious");
    assert_eq!(fs::read(folder.path().join("assay-scratch-b")).expect("there"), b"precious");
}

#[test]
fn a_run_name_that_leads_elsewhere_is_refused() {
    let folder = TempDir::new().expect("a folder");
    for run in ["", "../x", "a/b", ".", "a b", "a\n", "ä", &"x".repeat(129)] {
        let refusal = scratch(folder.path(), run, SIZE).expect_err("no name");
        assert!(matches!(refusal.cause, Cause::RunName { .. }), "{refusal}");
    }
    assert!(names(folder.path()).is_empty());
}

#[test]
fn a_tenth_of_the_free_space_may_be_used_and_half_a_gib_stays_free() {
    let gib = 1 << 30;
    for (bytes, free, fits) in [
        (gib, 10 * gib, true),
        (gib + 1, 10 * gib, false),
        (1, KEEP_FREE, false),
        (1, KEEP_FREE + 1, true),
        (2, KEEP_FREE + 1, false),
        (1, 0, false),
        (0, 0, true),
        (u64::MAX, u64::MAX, false),
    ] {
        assert_eq!(room(bytes, free).is_ok(), fits, "{bytes} of {free}");
    }
}

#[test]
fn a_full_disk_a_small_disk_and_a_read_only_one_are_refused_and_nothing_is_made() {
    if !is_root() {
        return;
    }
    let small = TempDir::new().expect("a folder");
    let (on, _mounted) = tmpfs(small.path(), "size=16m");
    let refusal = scratch(&on, "a", SIZE).expect_err("small");
    assert!(matches!(refusal.cause, Cause::NoRoom { bytes: SIZE, .. }), "{refusal}");

    let full = TempDir::new().expect("a folder");
    let (on, _mounted) = tmpfs(full.path(), "size=4m");
    fs::write(on.join("filling"), vec![1; 4 << 20]).expect("fills it");
    let refusal = scratch(&on, "a", SIZE).expect_err("full");
    let message = refusal.to_string();
    assert!(
        matches!(refusal.cause, Cause::NoRoom { free: 0, allowed: 0, .. }) && message.contains("mounted here") && message.contains("free"),
        "{message}"
    );
    assert_eq!(names(&on), ["filling"]);

    let sealed = TempDir::new().expect("a folder");
    let (on, _mounted) = tmpfs(sealed.path(), "size=4g,ro");
    for refusal in [scratch(&on, "a", SIZE).map(drop), examine_scratch(&on, SIZE)] {
        assert!(matches!(refusal.expect_err("read-only").cause, Cause::ReadOnly));
    }
}

#[test]
fn looking_makes_nothing() {
    let folder = TempDir::new().expect("a folder");
    examine_scratch(folder.path(), SIZE).expect("would do");
    assert!(matches!(examine_scratch(folder.path(), u64::MAX / 2).expect_err("too much").cause, Cause::NoRoom { .. }));
    assert!(names(folder.path()).is_empty());
}
