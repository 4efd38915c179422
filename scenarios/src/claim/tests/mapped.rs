//! Devices over images of Ceph, by a copy of what sysfs says of one: each refusal by what it must not be. What a cluster answers is made up here; with a real kernel and a real cluster
//! `tests/lab/krbd.rs` has it.

use std::fs;
use std::path::{Path, PathBuf};

use assay_bench::engine::rbd::{Features, Seen};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use tempfile::TempDir;

use super::super::Cause;
use super::super::device::{Expected, Kernel};
use super::super::mapped::{Mapped, is_ours, may_be_ours};
use super::lab::is_root;

const WANTED: u64 = 1 << 20;
const FSID: &str = "6f7c9f4e-0b7f-4a5e-9d0c-2b1d0c7f3a11";
const CLIENT: &str = "10.99.0.10:0/1234567";
/// What the driver of Linux 6.1 says of an image of ours.
const OURS: &[(&str, &str)] = &[
    ("major", "400"),
    ("minor", "1"),
    ("pool", "rbd-vms"),
    ("pool_ns", ""),
    ("name", "assay-scratch-r1"),
    ("image_id", "5e3a6b8b4567"),
    ("current_snap", "-"),
    ("cluster_fsid", FSID),
    ("client_addr", CLIENT),
    ("client_id", "client4123"),
    ("features", "0x0000000000000005"),
];

/// What a refusal must be.
type Is = fn(&Cause) -> bool;
/// What the driver says otherwise, and how and in which words it is refused.
type Case<'a> = (&'a [(&'a str, &'a str)], Is, &'a str);

/// A machine that has mapped one image as rbd7.
struct Machine {
    folder: TempDir,
    node: PathBuf,
}

impl Machine {
    /// With some of it said otherwise.
    fn with(other: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let machine = Self { node: folder.path().join("node"), folder };
        for (file, text) in OURS.iter().chain(other) {
            machine.say(&format!("bus/rbd/devices/7/{file}"), text);
        }
        machine.say("devices/rbd/7/block/rbd7/ro", "0");
        machine.say("dev/block/none", "");
        std::os::unix::fs::symlink(machine.sys().join("devices/rbd/7/block/rbd7"), machine.sys().join("dev/block/400:1")).expect("a link");
        fs::create_dir_all(machine.proc().join("self")).expect("folders");
        fs::write(machine.proc().join("self/mountinfo"), "27 1 254:0 / / rw - ext4 /dev/vda rw\n").expect("mounts");
        machine
    }

    fn sys(&self) -> PathBuf {
        self.folder.path().join("sys")
    }

    fn proc(&self) -> PathBuf {
        self.folder.path().join("proc")
    }

    fn say(&self, file: &str, text: &str) {
        let path = self.sys().join(file);
        fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        fs::write(path, format!("{text}\n")).expect("an attribute");
    }

    fn mapped(&self) -> Result<Mapped, Cause> {
        Kernel { sys: &self.sys(), proc: &self.proc() }.mapped(7)
    }

    /// The refusal of this machine's device where `known` was found to be ours.
    fn refusal(&self, known: &Mapped) -> Cause {
        if !self.node.exists() {
            // A number that no driver has.
            mknodat(CWD, &self.node, FileType::BlockDevice, Mode::RUSR | Mode::WUSR, makedev(400, 1)).expect("a node");
        }
        Kernel { sys: &self.sys(), proc: &self.proc() }.examine(&self.node, WANTED, Expected::Image(known)).expect_err("must be refused")
    }
}

fn ours() -> Mapped {
    Machine::with(&[]).mapped().expect("is told")
}

/// What the cluster says of it.
fn seen() -> Seen {
    Seen { id: "5e3a6b8b4567".into(), bytes: 1 << 30, mark: Some("r1".into()), modified: 0, watchers: vec![CLIENT.into()], lockers: Vec::new() }
}

#[test]
fn an_image_of_ours_is_told_by_cluster_pool_name_mark_and_number_and_used_by_nobody_else() {
    let mapped = ours();
    assert_eq!(may_be_ours(&mapped, "rbd-vms", FSID).expect("may be"), "r1");
    is_ours(&mapped, "r1", &seen()).expect("is");
    let within = Machine::with(&[("pool_ns", "tenant")]).mapped().expect("is told");
    assert_eq!(
        (may_be_ours(&within, "rbd-vms/tenant", FSID).expect("may be"), within.name().to_string()),
        ("r1", "rbd-vms/tenant/assay-scratch-r1".to_owned())
    );
}

#[test]
fn a_foreign_image_a_snapshot_another_pool_and_another_cluster_are_refused_by_what_the_kernel_says() {
    let cases: [Case<'_>; 8] = [
        (&[("name", "vm-100-disk-0")], |cause| matches!(cause, Cause::NotOurs { .. }), "whose name is none of assay's"),
        (&[("name", "assay-scratch-")], |cause| matches!(cause, Cause::NotOurs { .. }), "whose name is none of assay's"),
        (&[("name", "x-assay-scratch-r1")], |cause| matches!(cause, Cause::NotOurs { .. }), "rbd-vms/x-assay-scratch-r1"),
        (&[("current_snap", "daily")], |cause| matches!(cause, Cause::Snapshot { .. }), "the snapshot daily of the image rbd-vms/assay-scratch-r1"),
        (&[("pool", "rbd")], |cause| matches!(cause, Cause::NotNamed { .. }), "scratch_pools"),
        (&[("pool_ns", "tenant")], |cause| matches!(cause, Cause::NotNamed { .. }), "rbd-vms/tenant"),
        (&[("cluster_fsid", "00000000-0000-0000-0000-000000000000")], |cause| matches!(cause, Cause::OtherCluster { .. }), FSID),
        (&[("cluster_fsid", "")], |cause| matches!(cause, Cause::OtherCluster { .. }), FSID),
    ];
    for (other, is, says) in cases {
        let mapped = Machine::with(other).mapped().expect("is told");
        let cause = may_be_ours(&mapped, "rbd-vms", FSID).expect_err(says);
        assert!(is(&cause) && cause.to_string().contains(says), "{other:?}: {cause}");
    }
    for missing in ["pool_ns", "current_snap", "cluster_fsid", "image_id", "client_addr"] {
        let machine = Machine::with(&[]);
        fs::remove_file(machine.sys().join("bus/rbd/devices/7").join(missing)).expect("removed");
        let cause = machine.mapped().expect_err("an older driver that says less is not believed");
        assert!(matches!(cause, Cause::Io { .. }), "{missing}: {cause}");
    }
}

#[test]
fn an_image_without_the_mark_of_its_run_or_with_another_user_is_refused_by_what_the_cluster_says() {
    let mark = |mark: Option<&str>| Seen { mark: mark.map(str::to_owned), ..seen() };
    let watched = |by: &[&str]| Seen { watchers: by.iter().map(|&by| by.to_owned()).collect(), ..seen() };
    let cases = [
        (mark(None), "has not the mark"),
        (mark(Some("r2")), "has not the mark"),
        (mark(Some("")), "has not the mark"),
        (Seen { id: "5e3a6b8b4568".into(), ..seen() }, "another image by now"),
        (watched(&[]), "watched by"),
        (watched(&["10.99.0.11:0/1"]), "watched by 10.99.0.11:0/1"),
        (watched(&[CLIENT, "10.99.0.11:0/1"]), "and 10.99.0.11:0/1"),
        // The same kernel has mapped it twice.
        (watched(&[CLIENT, CLIENT]), "watched by"),
        (Seen { lockers: vec!["client.4".into()], ..seen() }, "locked by client.4"),
    ];
    for (seen, says) in cases {
        let cause = is_ours(&ours(), "r1", &seen).expect_err(says);
        assert!(cause.to_string().contains(says), "{cause}");
    }
}

#[test]
fn a_device_that_is_used_read_only_or_another_one_by_now_is_refused_before_it_is_opened() {
    if !is_root() {
        return;
    }
    let refusal = |change: &dyn Fn(&Machine)| {
        let machine = Machine::with(&[]);
        change(&machine);
        machine.refusal(&ours())
    };
    // One that nothing is wrong with gets as far as the device, which is none.
    let right = refusal(&|_| {});
    assert!(matches!(&right, Cause::Io { act: "open it for reading", .. }), "{right:?}");
    let block = |file: &'static str, text: &'static str| move |machine: &Machine| machine.say(&format!("devices/rbd/7/block/rbd7/{file}"), text);
    assert!(matches!(refusal(&block("ro", "1")), Cause::ReadOnly));
    assert!(matches!(refusal(&block("holders/dm-0/dev", "253:0")), Cause::Held { holders } if holders == "dm-0"));
    let mounted = |machine: &Machine| fs::write(machine.proc().join("self/mountinfo"), "30 1 400:1 / /data rw - xfs /dev/rbd7 rw\n").expect("mounts");
    assert!(matches!(refusal(&mounted), Cause::Mounted { .. }));
    let partitioned = |machine: &Machine| {
        block("rbd7p1/partition", "1")(machine);
        block("rbd7p1/dev", "400:2")(machine);
    };
    assert!(matches!(refusal(&partitioned), Cause::Partitioned { .. }));
    let driver = |file: &'static str, text: &'static str| move |machine: &Machine| machine.say(&format!("bus/rbd/devices/7/{file}"), text);
    for other in [
        driver("image_id", "5e3a6b8b4568"),
        driver("name", "vm-100-disk-0"),
        driver("minor", "17"),
        driver("current_snap", "s"),
        driver("cluster_fsid", "x"),
    ] {
        let cause = refusal(&other);
        assert!(matches!(&cause, Cause::Busy { by } if by.contains("another image meanwhile")), "{cause:?}");
    }
    // A client that the cluster has shut out comes back with another address, over the same image.
    let again = refusal(&driver("client_addr", "10.99.0.10:0/7654321"));
    assert!(matches!(&again, Cause::Io { act: "open it for reading", .. }), "{again:?}");
}

#[test]
fn a_snapshot_is_refused_also_where_somebody_takes_it_for_ours() {
    if !is_root() {
        return;
    }
    let machine = Machine::with(&[("current_snap", "daily")]);
    let cause = machine.refusal(&machine.mapped().expect("is told"));
    assert!(matches!(&cause, Cause::Snapshot { .. }), "{cause:?}");
}

#[test]
fn a_mapped_image_is_no_loop_device_and_no_drive() {
    if !is_root() {
        return;
    }
    let machine = Machine::with(&[]);
    machine.refusal(&ours());
    let (sys, proc) = (machine.sys(), machine.proc());
    let kernel = Kernel { sys: &sys, proc: &proc };
    for expected in [Expected::Loop, Expected::Drive(""), Expected::Drive("assay-scratch-r1")] {
        let cause = kernel.examine(&machine.node, WANTED, expected).expect_err("never");
        assert!(matches!(&cause, Cause::Nameless { .. }), "{cause:?}");
    }
    assert_eq!(kernel.mapped_at(&machine.node).expect("is told"), Some(ours()));
    // And no loop device is taken for the image that was there a moment ago.
    let target = machine.sys().join("dev/block/400:1");
    fs::remove_file(&target).expect("removed");
    machine.say("block/loop7/ro", "0");
    std::os::unix::fs::symlink(machine.sys().join("block/loop7"), &target).expect("a link");
    let cause = machine.refusal(&ours());
    assert!(matches!(&cause, Cause::NotOurs { .. }), "{cause:?}");
    assert_eq!(kernel.mapped_at(&machine.node).expect("is told"), None);
}

#[test]
fn a_kernel_without_the_driver_or_without_a_feature_is_told_of() {
    let folder = TempDir::new().expect("a folder");
    let (sys, modules) = (folder.path().join("sys"), folder.path().join("modules"));
    let kernel = Kernel { sys: &sys, proc: Path::new("/proc") };
    let none = kernel.can_map(&modules).expect_err("no driver");
    assert!(matches!(&none, Cause::NoDriver { .. }) && none.to_string().contains("modules.dep"), "{none}");
    let list = modules.join(rustix::system::uname().release().to_str().expect("text"));
    fs::create_dir_all(&list).expect("folders");
    let lists = |text: &str| fs::write(list.join("modules.dep"), text).expect("a list");
    lists("kernel/drivers/block/rbdx.ko: kernel/drivers/block/rbd.ko\nkernel/drivers/block/loop.ko:\n");
    assert!(kernel.can_map(&modules).is_err());
    lists("kernel/drivers/block/loop.ko:\nkernel/drivers/block/rbd.ko.xz: kernel/net/ceph/libceph.ko.xz\n");
    kernel.can_map(&modules).expect("can be loaded");

    let plain: Features = "layering+exclusive-lock".parse().expect("features");
    kernel.knows(plain).expect("one that does not tell is asked when it maps");
    fs::create_dir_all(sys.join("bus/rbd")).expect("folders");
    let supports = |text: &str| fs::write(sys.join("bus/rbd/supported_features"), text).expect("an attribute");
    // Linux 6.1, and 4.19.
    supports("0x1bf\n");
    kernel.knows(Features::default()).expect("all that Ceph has by itself");
    supports("0x187\n");
    kernel.knows(plain).expect("the plain ones");
    let old = kernel.knows(Features::default()).expect_err("not these").to_string();
    assert!(old.contains("object-map+fast-diff+deep-flatten"), "{old}");
    supports("all of them\n");
    assert!(matches!(kernel.knows(plain), Err(Cause::Io { .. })));
}
