//! Loop devices, mounts and media for tests. Each is taken down on drop, in whatever way the test ends.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// Size of the media: the label areas and a bit.
pub(super) const MEDIUM: u64 = 12 << 20;

/// Whether this is root; says so when not.
pub(super) fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("not root: devices cannot be made here, nothing is tested");
    }
    root
}

/// Runs a program; panics with its words when it fails.
pub(super) fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
    assert!(output.status.success(), "{program} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text").trim().to_owned()
}

/// A file of zeros.
pub(super) struct Medium {
    pub(super) folder: TempDir,
    pub(super) path: PathBuf,
}

impl Medium {
    pub(super) fn blank() -> Self {
        Self::of_size(MEDIUM)
    }

    pub(super) fn of_size(bytes: u64) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join("medium");
        File::create_new(&path).and_then(|file| file.set_len(bytes)).expect("a medium");
        Self { folder, path }
    }

    pub(super) fn with(bytes: &[(u64, &[u8])]) -> Self {
        let medium = Self::blank();
        for (offset, bytes) in bytes {
            medium.open().write_all_at(bytes, *offset).expect("written");
        }
        medium
    }

    pub(super) fn open(&self) -> File {
        File::options().read(true).write(true).open(&self.path).expect("the medium")
    }

    pub(super) fn content(&self) -> Vec<u8> {
        fs::read(&self.path).expect("the medium")
    }
}

/// A loop device over a medium.
pub(super) struct Loop {
    pub(super) path: PathBuf,
    pub(super) medium: Medium,
}

impl Loop {
    pub(super) fn over(medium: Medium, options: &[&str]) -> Self {
        let path = attach(&medium.path, options);
        Self { path, medium }
    }

    pub(super) fn name(&self) -> String {
        self.path.display().to_string()
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        detach(&self.path);
    }
}

pub(super) fn attach(file: &Path, options: &[&str]) -> PathBuf {
    let file = file.display().to_string();
    PathBuf::from(run("losetup", &[options, &["--find", "--show", file.as_str()]].concat()))
}

pub(super) fn detach(device: &Path) {
    let _ = Command::new("losetup").arg("-d").arg(device).status();
}

/// Anything that must be undone by a command.
pub(super) struct Undo(&'static str, PathBuf);

impl Drop for Undo {
    fn drop(&mut self) {
        let _ = Command::new(self.0).arg(&self.1).status();
    }
}

/// Mounts `what` on a new folder in `folder`.
pub(super) fn mount(what: &str, folder: &Path, options: &[&str]) -> (PathBuf, Undo) {
    let on = folder.join("mounted here");
    fs::create_dir(&on).expect("a mount point");
    run("mount", &[options, &[what, &on.display().to_string()]].concat());
    (on.clone(), Undo("umount", on))
}

/// A tmpfs of `size`.
pub(super) fn tmpfs(folder: &Path, options: &str) -> (PathBuf, Undo) {
    mount("assay-test", folder, &["-t", "tmpfs", "-o", options])
}

/// Switches swapping to `device` on.
pub(super) fn swap_on(device: &Path) -> Undo {
    run("swapon", &[&device.display().to_string()]);
    Undo("swapoff", device.to_owned())
}

/// A partition table of the old kind with one partition that begins at 1 MiB.
pub(super) fn mbr() -> Vec<(u64, Vec<u8>)> {
    let first = u32::try_from((1 << 20) / 512).expect("small").to_le_bytes();
    let count = u32::try_from((8 << 20) / 512).expect("small").to_le_bytes();
    let entry = [&[0, 0, 0, 0, 0x83, 0, 0, 0][..], &first, &count].concat();
    vec![(446, entry), (510, vec![0x55, 0xaa])]
}
