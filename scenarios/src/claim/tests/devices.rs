//! Block devices that are in use, or hold something, in every way that can be made here.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat};
use tempfile::TempDir;

use super::super::device::{Expected, Kernel};
use super::super::mounts;
use super::super::{Cause, GUARD, TargetKind, examine_loop_device, loop_device, target_kind};
use super::lab::{Loop, MEDIUM, Medium, attach, detach, is_root, mbr, mount, run, swap_on};

const WANTED: u64 = 1 << 20;

/// Claims `path`, which must be refused for the reason and in the words given, and must leave the medium as it is.
fn refuses(path: &Path, medium: &Medium, is: fn(&Cause) -> bool, says: &str) {
    run("sync", &["--file-system", &medium.path.display().to_string()]);
    let before = medium.content();
    for attempt in [loop_device(path, WANTED).map(drop), examine_loop_device(path, WANTED)] {
        let refusal = attempt.expect_err("must be refused");
        let message = refusal.to_string();
        assert!(is(&refusal.cause), "{message}: {:?}", refusal.cause);
        let subject = path.display().to_string();
        assert!(
            message.starts_with("cannot claim ") && message.contains(&subject) && message.contains("for writing") && message.contains(says),
            "`{message}` does not say `{says}`"
        );
    }
    assert!(medium.content() == before, "{}: the medium was changed", path.display());
}

#[test]
fn a_blank_unused_loop_device_is_claimed_exclusively_and_stays_blank_at_both_ends() {
    if !is_root() {
        return;
    }
    let device = Loop::over(Medium::blank(), &[]);
    assert_eq!(target_kind(&device.path).expect("a target"), TargetKind::BlockDevice);
    let claim = loop_device(&device.path, MEDIUM - 2 * GUARD).expect("a claim");
    assert_eq!((claim.start(), claim.bytes(), claim.kind()), (GUARD, MEDIUM - 2 * GUARD, "loop_device"));
    let second = loop_device(&device.path, WANTED).expect_err("claimed already");
    assert!(matches!(second.cause, Cause::Busy { .. }), "{second}");
    assert!(
        Command::new("mkfs.ext4").args(["-q", &device.name()]).stderr(Stdio::null()).status().is_ok_and(|status| !status.success()),
        "nobody can make a file system now"
    );
    drop(claim);
    loop_device(&device.path, WANTED).expect("free again").release().expect("released");
    assert!(device.medium.content().iter().all(|byte| *byte == 0), "a claim alone writes nothing");
}

#[test]
fn a_claimed_range_can_be_written_and_the_device_claimed_again() {
    if !is_root() {
        return;
    }
    let device = Loop::over(Medium::blank(), &[]);
    let claim = loop_device(&device.path, WANTED).expect("a claim");
    // O_DIRECT wants an aligned buffer: through the page cache here, the engines are tested in `bench`.
    rustix::fs::fcntl_setfl(claim.on().file().expect("a device"), OFlags::empty()).expect("buffered");
    claim.on().file().expect("a device").write_all_at(&[0xa5; 4096], claim.start()).expect("may be written");
    claim.on().file().expect("a device").sync_all().expect("synced");
    drop(claim);
    assert_eq!(device.medium.content()[usize::try_from(GUARD).expect("small")], 0xa5);
    loop_device(&device.path, WANTED).expect("as unlabelled as before");
}

#[test]
fn a_device_that_holds_something_is_refused() {
    if !is_root() {
        return;
    }
    let made = |program: &str, arguments: &[&str]| {
        let medium = Medium::blank();
        run(program, &[arguments, &[&medium.path.display().to_string()]].concat());
        medium
    };
    let with = |offset: u64, bytes: &[u8]| Medium::with(&[(offset, bytes)]);
    let cases = [
        (made("mkfs.ext4", &["-q", "-F"]), "ext4 file system"),
        (made("mkswap", &["-q"]), "swap space"),
        (with(0, b"XFSB"), "XFS"),
        (with(0x10040, b"_BHRfS_M"), "btrfs"),
        (with(0, b"LUKS\xba\xbe\0\x02"), "LUKS"),
        (with(512 + 24, b"LVM2 001"), "LVM2"),
        (with(0, b"bluestore block device\n"), "BlueStore"),
        (with(128 << 10, b"\x0c\xb1\xba\0\0\0\0\0"), "ZFS"),
        (with(MEDIUM - (128 << 10), b"\x0c\xb1\xba\0\0\0\0\0"), "ZFS"),
        (with(4096, b"\xfc\x4e\x2b\xa9"), "md member"),
        (with(MEDIUM - 512, b"EFI PART"), "GPT partition table (backup)"),
    ];
    for (medium, says) in cases {
        let device = Loop::over(medium, &[]);
        refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::Labelled { .. }), says);
    }
    let device = Loop::over(with(MEDIUM - 1, b"x"), &[]);
    refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::NotBlank { .. }), "12582911");
}

#[test]
fn a_mounted_device_is_refused_also_when_a_partition_of_it_is_mounted() {
    if !is_root() {
        return;
    }
    let device = Loop::over(Medium::blank(), &[]);
    run("mkfs.ext4", &["-q", &device.name()]);
    let (on, mounted) = mount(&device.name(), device.medium.folder.path(), &[]);
    refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::Mounted { .. }), &on.display().to_string());
    drop(mounted);

    let table = mbr();
    let pieces: Vec<(u64, &[u8])> = table.iter().map(|(offset, bytes)| (*offset, bytes.as_slice())).collect();
    let device = Loop::over(Medium::with(&pieces), &["--partscan"]);
    let partition = format!("{}p1", device.name());
    if !Path::new(&partition).exists() {
        // This kernel reads no partition tables by itself; it takes partitions all the same.
        run("partx", &["--add", &device.name()]);
    }
    run("mkfs.ext4", &["-q", &partition]);
    refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::Partitioned { partitions: 1 }), "1 partitions");
    refuses(Path::new(&partition), &device.medium, |cause| matches!(cause, Cause::Partition), "partition");
    let (_, _mounted) = mount(&partition, device.medium.folder.path(), &[]);
    refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::Mounted { .. }), "mounted here");
    refuses(Path::new(&partition), &device.medium, |cause| matches!(cause, Cause::Mounted { .. }), "mounted here");
}

#[test]
fn a_partition_table_that_the_kernel_did_not_read_is_refused() {
    if !is_root() {
        return;
    }
    let table = mbr();
    let pieces: Vec<(u64, &[u8])> = table.iter().map(|(offset, bytes)| (*offset, bytes.as_slice())).collect();
    let device = Loop::over(Medium::with(&pieces), &[]);
    refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::Labelled { .. }), "MBR");
}

#[test]
fn swap_space_in_use_is_refused() {
    if !is_root() {
        return;
    }
    let medium = Medium::blank();
    // swapon refuses a file with holes below it.
    medium.open().write_all_at(&vec![0; usize::try_from(MEDIUM).expect("small")], 0).expect("written");
    let device = Loop::over(medium, &[]);
    run("mkswap", &["-q", &device.name()]);
    let _swapping = swap_on(&device.path);
    let refusal = loop_device(&device.path, WANTED).expect_err("in use");
    assert!(matches!(refusal.cause, Cause::Swap) && refusal.to_string().contains("swap"), "{refusal}");
}

#[test]
fn a_device_that_is_open_elsewhere_is_refused() {
    if !is_root() {
        return;
    }
    let device = Loop::over(Medium::blank(), &[]);
    let flags = OFlags::EXCL.bits().cast_signed();
    let exclusive = OpenOptions::new().read(true).custom_flags(flags).open(&device.path).expect("opens");
    refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::Busy { .. }), "exclusive");
    drop(exclusive);

    let mut reader = Command::new("sleep").arg("60").stdin(File::open(&device.path).expect("opens")).spawn().expect("starts");
    refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::Busy { .. }), "sleep");
    reader.kill().and_then(|()| reader.wait()).expect("ends");
    loop_device(&device.path, WANTED).expect("free again");
}

#[test]
fn read_only_small_windowed_doubled_and_unbound_loop_devices_are_refused() {
    if !is_root() {
        return;
    }
    let device = Loop::over(Medium::blank(), &["--read-only"]);
    refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::ReadOnly), "read-only");

    let device = Loop::over(Medium::of_size(2 * GUARD + WANTED - 512), &[]);
    refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::TooSmall { .. }), "9437184");

    let device = Loop::over(Medium::blank(), &["--offset", "1048576"]);
    refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::Backing { .. }), "a part of its file");
    let device = Loop::over(Medium::blank(), &["--sizelimit", "10485760"]);
    refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::Backing { .. }), "a part of its file");

    let device = Loop::over(Medium::blank(), &[]);
    let twin = attach(&device.medium.path, &[]);
    refuses(&device.path, &device.medium, |cause| matches!(cause, Cause::Backing { .. }), "same file");
    detach(&twin);

    let outer = attach(&device.path, &[]);
    refuses(&outer, &device.medium, |cause| matches!(cause, Cause::Backing { .. }), "another block device");
    detach(&outer);

    let link = device.medium.folder.path().join("link");
    std::os::unix::fs::symlink(&device.path, &link).expect("a link");
    refuses(&link, &device.medium, |cause| matches!(cause, Cause::SymbolicLink), "symbolic link");

    fs::rename(&device.medium.path, device.medium.folder.path().join("deleted")).expect("renamed");
    let gone = device.medium.folder.path().join("deleted");
    fs::remove_file(&gone).expect("deleted");
    let refusal = loop_device(&device.path, WANTED).expect_err("its file has no name");
    assert!(matches!(refusal.cause, Cause::Backing { .. }), "{refusal}");
}

#[test]
fn a_loop_device_without_a_file_is_refused() {
    if !is_root() {
        return;
    }
    let device = Loop::over(Medium::blank(), &[]);
    let path = device.path.clone();
    drop(device);
    let refusal = loop_device(&path, WANTED).expect_err("nothing bound");
    // Another test may bind it at once; then it is blank or refused for a reason of its own.
    assert!(
        matches!(
            refusal.cause,
            Cause::Unbound | Cause::Io { .. } | Cause::Labelled { .. } | Cause::Busy { .. } | Cause::ReadOnly | Cause::Backing { .. }
        ),
        "{refusal}"
    );
}

/// A copy of what sysfs and procfs would say of a device, to be changed at will.
struct Pretended {
    folder: TempDir,
    node: PathBuf,
}

impl Pretended {
    fn disk(name: &str, attributes: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().expect("a folder");
        let node = folder.path().join("node");
        // 4000 is a number that no driver has.
        mknodat(CWD, &node, FileType::BlockDevice, Mode::RUSR | Mode::WUSR, makedev(400, 1)).expect("a node");
        let real = folder.path().join("sys/block").join(name);
        fs::create_dir_all(&real).expect("folders");
        for (file, text) in attributes {
            let path = real.join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, format!("{text}\n")).expect("an attribute");
        }
        fs::create_dir_all(folder.path().join("sys/dev/block")).expect("folders");
        std::os::unix::fs::symlink(&real, folder.path().join("sys/dev/block/400:1")).expect("a link");
        fs::create_dir_all(folder.path().join("proc/self")).expect("folders");
        fs::write(folder.path().join("proc/self/mountinfo"), "27 1 254:0 / / rw - ext4 /dev/vda rw\n").expect("mounts");
        Self { folder, node }
    }

    fn refusal(&self) -> Cause {
        let (sys, proc) = (self.folder.path().join("sys"), self.folder.path().join("proc"));
        Kernel { sys: &sys, proc: &proc }.examine(&self.node, WANTED, Expected::Loop).expect_err("must be refused")
    }
}

#[test]
fn who_can_send_commands_past_the_block_layer_is_seen() {
    if !is_root() {
        return;
    }
    let disk = Pretended::disk("nvme9n1", &[("device/dev", "1:3"), ("device/nvme9n1/dev", "400:1"), ("device/nvme7/dev", "1:8")]);
    let (sys, proc) = (disk.folder.path().join("sys"), disk.folder.path().join("proc"));
    fs::create_dir_all(sys.join("class/nvme-generic/ng9n1")).expect("folders");
    fs::write(sys.join("class/nvme-generic/ng9n1/dev"), "1:5\n").expect("an attribute");
    let characters = Kernel { sys: &sys, proc: &proc }.characters(&sys.join("dev/block/400:1"));
    // That of the namespace, and those of its controllers; not the number of the block device.
    assert_eq!(characters, ["1:5", "1:3", "1:8"]);
    let process = proc.join("77");
    fs::create_dir_all(process.join("fd")).expect("folders");
    fs::write(process.join("comm"), "nvme\n").expect("a name");
    // As if zero (1:5) were /dev/ng9n1 and null (1:3) /dev/nvme9.
    for (open, is_seen) in [("/dev/zero", true), ("/dev/null", true), ("/dev/full", false)] {
        let _ = fs::remove_file(process.join("fd/3"));
        std::os::unix::fs::symlink(open, process.join("fd/3")).expect("a link");
        let seen = mounts::opener(&proc, "400:1", &characters);
        assert_eq!(seen, is_seen.then(|| "process 77 (nvme)".to_owned()), "{open}");
    }
}

#[test]
fn a_device_under_md_dm_or_lvm_is_refused_with_its_holder() {
    if !is_root() {
        return;
    }
    let held = Pretended::disk("loop7", &[("holders/dm-0/dev", "253:0"), ("ro", "0"), ("loop/backing_file", "/x")]).refusal();
    assert!(matches!(&held, Cause::Held { holders } if holders == "dm-0"), "{held:?}");
    let below = Pretended::disk("sdb", &[("sdb1/partition", "1"), ("sdb1/dev", "400:2"), ("sdb1/holders/md127/dev", "9:127")]).refusal();
    assert!(matches!(&below, Cause::Held { holders } if holders == "md127"), "{below:?}");
}

#[test]
fn a_real_disk_is_refused_with_its_serial_number() {
    if !is_root() {
        return;
    }
    let disk = Pretended::disk("nvme0n1", &[("ro", "0"), ("device/serial", "S64HNE0R")]).refusal().to_string();
    assert!(disk.contains("nvme0n1") && disk.contains("S64HNE0R"), "{disk}");
    let nameless = Pretended::disk("zram0", &[("ro", "0")]).refusal();
    assert!(matches!(&nameless, Cause::Nameless { .. }), "{nameless:?}");
}

#[test]
fn a_drive_is_claimed_by_its_own_serial_number_only_and_never_read_only() {
    if !is_root() {
        return;
    }
    let confirmed = |attributes: &[(&str, &str)], serial: &str| {
        let disk = Pretended::disk("nvme0n1", attributes);
        let (sys, proc) = (disk.folder.path().join("sys"), disk.folder.path().join("proc"));
        Kernel { sys: &sys, proc: &proc }.examine(&disk.node, WANTED, Expected::Drive(serial)).expect_err("no driver has this number")
    };
    // The right number gets as far as the device, which is none.
    let right = confirmed(&[("ro", "0"), ("device/serial", "S64HNE0R   ")], "S64HNE0R");
    assert!(matches!(&right, Cause::Io { act: "open it for reading", .. }), "{right:?}");
    for other in ["S64HNE0", "S64HNE0RX", "s64hne0r", ""] {
        let wrong = confirmed(&[("ro", "0"), ("device/serial", "S64HNE0R")], other);
        assert!(matches!(&wrong, Cause::OtherDrive { .. }), "{other}: {wrong:?}");
    }
    assert!(matches!(confirmed(&[("ro", "1"), ("device/serial", "S64HNE0R")], "S64HNE0R"), Cause::ReadOnly));
    assert!(matches!(confirmed(&[("ro", "0"), ("device/serial", "  ")], ""), Cause::Nameless { .. }));
    let held = confirmed(&[("ro", "0"), ("device/serial", "S64HNE0R"), ("holders/dm-0/dev", "253:0")], "S64HNE0R");
    assert!(matches!(&held, Cause::Held { .. }), "{held:?}");
}

#[test]
fn a_mount_named_by_path_or_by_partition_number_is_found_and_an_unreadable_list_is_no_permission() {
    if !is_root() {
        return;
    }
    let disk = || Pretended::disk("sdb", &[("ro", "0"), ("sdb1/partition", "1"), ("sdb1/dev", "400:2")]);
    let write = |disk: &Pretended, text: &str| fs::write(disk.folder.path().join("proc/self/mountinfo"), text).expect("mounts");
    let by_number = disk();
    write(&by_number, "30 1 400:2 / /data\\040one rw shared:1 - xfs /dev/sdb1 rw\n");
    assert!(matches!(by_number.refusal(), Cause::Mounted { on } if on.to_string() == "/data one"));
    let by_path = disk();
    write(&by_path, &format!("30 1 0:31 / /pool rw - btrfs {} rw\n", by_path.node.display()));
    assert!(matches!(by_path.refusal(), Cause::Mounted { .. }));
    let garbled = disk();
    write(&garbled, "30 1 0:31 / /pool rw btrfs\n");
    assert!(matches!(garbled.refusal(), Cause::Io { .. }));
    let missing = disk();
    fs::remove_file(missing.folder.path().join("proc/self/mountinfo")).expect("removed");
    assert!(matches!(missing.refusal(), Cause::Io { .. }));
}

#[test]
fn the_disk_below_the_root_file_system_is_never_claimed() {
    let device = fs::metadata("/").expect("a root").dev();
    let node = fs::read_link(format!("/sys/dev/block/{}:{}", rustix::fs::major(device), rustix::fs::minor(device)));
    // An overlay or a network root has no block device: then there is nothing to protect.
    let Some(name) = node.ok().and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned())) else { return };
    let refusal = examine_loop_device(&Path::new("/dev").join(name), WANTED).expect_err("never");
    assert!(matches!(refusal.cause, Cause::Mounted { .. } | Cause::Missing), "{refusal}");
}
