//! Targets that must never be written: each is refused with a clear error and the right exit status, and keeps every byte. Needs root for loop
//! devices and mounts; where those cannot be made the test fails, for a guard that was not tried is no guard.

use std::fs::{self, File, OpenOptions};
use std::hash::Hasher;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command::Assay;

const MIB: u64 = 1 << 20;
const DEVICE: u64 = 96 * MIB;

fn sh(program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program} {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// A loop device over a file; detached when dropped.
struct Loop {
    device: String,
    file: PathBuf,
}

impl Loop {
    fn over(file: &Path, options: &[&str]) -> Self {
        let path = file.display().to_string();
        let mut words = options.to_vec();
        words.extend(["--find", "--show", &path]);
        Self { device: sh("losetup", &words), file: file.to_path_buf() }
    }

    fn blank(folder: &Path, name: &str) -> Self {
        Self::over(&backing(folder, name), &[])
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.device]).status();
    }
}

/// A mount; undone when dropped.
struct Mounted(PathBuf);

impl Mounted {
    fn new(words: &[&str], at: PathBuf) -> Self {
        fs::create_dir_all(&at).expect("makes");
        let mut all = words.to_vec();
        let path = at.display().to_string();
        all.push(&path);
        sh("mount", &all);
        Self(at)
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn backing(folder: &Path, name: &str) -> PathBuf {
    let path = folder.join(name);
    File::create(&path).expect("makes").set_len(DEVICE).expect("sizes");
    path
}

fn digest(path: &Path) -> u64 {
    let mut hasher = std::hash::DefaultHasher::new();
    let mut file = File::open(path).expect("opens");
    let mut block = vec![0; 1 << 20];
    file.seek(SeekFrom::Start(0)).expect("seeks");
    loop {
        match file.read(&mut block).expect("reads") {
            0 => return hasher.finish(),
            n => hasher.write(&block[..n]),
        }
    }
}

/// `(what, offset from the start or, when negative, from the end, bytes)`: from the formats' own documents.
const SIGNATURES: &[(&str, i64, &[u8])] = &[
    ("ext4", 1024 + 56, &[0x53, 0xef]),
    ("xfs", 0, b"XFSB"),
    ("btrfs", 65536 + 64, b"_BHRfS_M"),
    ("vfat", 82, b"FAT32   "),
    ("swap", 4096 - 10, b"SWAPSPACE2"),
    ("luks 1", 0, b"LUKS\xba\xbe\x00\x01"),
    ("luks 2", 0, b"LUKS\xba\xbe\x00\x02"),
    ("luks 2, second header", 16384, b"SKUL\xba\xbe\x00\x02"),
    ("lvm physical volume", 512, b"LABELONE"),
    ("zfs, first label", 128 * 1024, &[0x0c, 0xb1, 0xba, 0x00, 0, 0, 0, 0]),
    ("zfs, last label only", -(128 * 1024), &[0x0c, 0xb1, 0xba, 0x00, 0, 0, 0, 0]),
    ("bluestore", 0, b"bluestore block device\n"),
    ("md 1.2", 4096, &[0xfc, 0x4e, 0x2b, 0xa9]),
    ("md 0.90 at the end", -65536, &[0xfc, 0x4e, 0x2b, 0xa9]),
    ("bcache", 4096 + 24, &[0xc6, 0x85, 0x73, 0xf6, 0x4e, 0x1a, 0x45, 0xca, 0x82, 0x65, 0xf5, 0x7f, 0x48, 0xba, 0x6d, 0x81]),
    ("master boot record", 510, &[0x55, 0xaa]),
    ("gpt", 512, b"EFI PART"),
    ("gpt, backup only", -512, b"EFI PART"),
    ("something unknown at the start", 0, b"my own format, no signature that anybody knows"),
];

struct Tried<'a> {
    assay: &'a Assay,
    count: usize,
}

impl Tried<'_> {
    /// The target is refused with exit status 2, the message holds every word, and `file` keeps its bytes.
    fn refused(&mut self, what: &str, target: &Path, words: &[&str], file: Option<&Path>) {
        let before = file.map(digest);
        let output = self.assay.command(&["run", "short.toml", "--target"]).arg(target).output().expect("starts");
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{what}: {stderr}\n{}", String::from_utf8_lossy(&output.stdout));
        for word in words {
            assert!(stderr.to_lowercase().contains(&word.to_lowercase()), "{what}: the message should say `{word}`: {stderr}");
        }
        assert!(!stderr.contains("panicked"), "{what}: {stderr}");
        assert_eq!(file.map(digest), before, "{what}: the target was written");
        assert!(self.assay.scratch_files().is_empty(), "{what}: a scratch file was left behind");
        self.count += 1;
    }
}

#[test]
fn what_holds_something_is_refused_and_keeps_every_byte() {
    let assay = Assay::new();
    let folder = assay.folder().to_path_buf();
    fs::write(folder.join("short.toml"), crate::kill::SCENARIO).expect("writes");
    let mut tried = Tried { assay: &assay, count: 0 };

    for (what, offset, bytes) in SIGNATURES {
        let file = backing(&folder, "signature.img");
        let at = if *offset < 0 { DEVICE - offset.unsigned_abs() } else { offset.unsigned_abs() };
        OpenOptions::new().write(true).open(&file).expect("opens").write_all_at(bytes, at).expect("writes");
        let device = Loop::over(&file, &[]);
        tried.refused(what, Path::new(&device.device), &[&device.device, "at byte"], Some(&file));
    }

    let real = Loop::blank(&folder, "real-ext4.img");
    sh("mkfs.ext4", &["-q", &real.device]);
    tried.refused("a real ext4", Path::new(&real.device), &[&real.device, "ext"], Some(&real.file));
    {
        let mounted = Mounted::new(&[&real.device], folder.join("mnt"));
        let output = assay.command(&["run", "short.toml", "--target", &real.device]).output().expect("starts");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "a mounted file system: {stderr}");
        assert!(stderr.contains("mounted") && stderr.contains(&mounted.0.display().to_string()), "{stderr}");
        tried.count += 1;
    }

    let partitioned = Loop::over(&backing(&folder, "partitioned.img"), &["--partscan"]);
    let mut table = Command::new("sfdisk")
        .args(["--quiet", &partitioned.device])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("sfdisk");
    table.stdin.take().expect("a pipe").write_all(b"label: gpt\n,32M\n,32M\n").expect("writes");
    table.wait().expect("ends");
    tried.refused("a partitioned device", Path::new(&partitioned.device), &[&partitioned.device, "partition"], Some(&partitioned.file));

    let read_only = Loop::over(&backing(&folder, "ro.img"), &["--read-only"]);
    tried.refused("a read-only device", Path::new(&read_only.device), &[&read_only.device, "read-only"], Some(&read_only.file));

    let held = Loop::blank(&folder, "held.img");
    {
        let _holder = OpenOptions::new().read(true).write(true).custom_flags(libc::O_EXCL).open(&held.device).expect("opens");
        tried.refused("a device that somebody holds", Path::new(&held.device), &[&held.device], Some(&held.file));
    }

    let link = folder.join("link");
    std::os::unix::fs::symlink(&held.device, &link).expect("links");
    tried.refused("a link to a device", &link, &["link"], Some(&held.file));
    let small = folder.join("small.img");
    File::create(&small).expect("makes").set_len(512).expect("sizes");
    let tiny = Loop::over(&small, &[]);
    tried.refused("a device of one sector", Path::new(&tiny.device), &[&tiny.device], Some(&small));

    assert!(tried.count >= 25, "{} cases", tried.count);
}

#[test]
fn what_is_no_target_is_refused_with_its_name() {
    let assay = Assay::new();
    let folder = assay.folder().to_path_buf();
    fs::write(folder.join("short.toml"), crate::kill::SCENARIO).expect("writes");
    let mut tried = Tried { assay: &assay, count: 0 };

    let file = folder.join("data.db");
    fs::write(&file, b"precious").expect("writes");
    tried.refused("somebody's file", &file, &["data.db"], Some(&file));
    let read_only = folder.join("ro.db");
    fs::write(&read_only, b"precious").expect("writes");
    fs::set_permissions(&read_only, std::os::unix::fs::PermissionsExt::from_mode(0o444)).expect("sets");
    tried.refused("a read-only file", &read_only, &["ro.db"], Some(&read_only));
    tried.refused("a missing path", &folder.join("nowhere"), &["nowhere"], None);
    tried.refused("a path below a file", &file.join("x"), &["data.db"], None);
    tried.refused("the null device", Path::new("/dev/null"), &["/dev/null"], None);
    sh("mkfifo", &[&folder.join("fifo").display().to_string()]);
    tried.refused("a fifo", &folder.join("fifo"), &["fifo"], None);
    let socket = folder.join("socket");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).expect("binds");
    tried.refused("a socket", &socket, &["socket"], None);
    tried.refused("a name that no file system takes", &folder.join("x".repeat(300)), &["xxx"], None);
    tried.refused("a name with a line break", &folder.join("line\nbreak"), &["break"], None);
    tried.refused("a name that is not UTF-8", &folder.join(std::ffi::OsStr::from_bytes(b"bad\xff")), &["bad"], None);
    std::os::unix::fs::symlink(folder.join("loop"), folder.join("loop")).expect("links");
    tried.refused("a link to itself", &folder.join("loop"), &["loop"], None);

    let full = Mounted::new(&["-t", "tmpfs", "-o", "size=1m", "tmpfs"], folder.join("full"));
    tried.refused("a file system without room", &full.0, &["full", "free"], None);
    let frozen = Mounted::new(&["-t", "tmpfs", "-o", "ro,size=1g", "tmpfs"], folder.join("frozen"));
    tried.refused("a read-only file system", &frozen.0, &["frozen"], None);
    assert!(tried.count >= 13, "{} cases", tried.count);
}

#[test]
fn an_empty_loop_device_is_taken_and_the_blocks_are_really_written() {
    let assay = Assay::new();
    let device = Loop::blank(assay.folder(), "blank.img");
    fs::write(assay.folder().join("short.toml"), crate::kill::SCENARIO).expect("writes");
    let before = digest(&device.file);
    let answer = assay.run(&["run", "short.toml", "--target", &device.device]);
    assert!(answer.code == 0 || answer.code == 3, "{}: {}", answer.code, answer.stderr);
    assert_ne!(digest(&device.file), before, "a write scenario wrote nothing");
}
