//! Scratch files `assay-scratch-<run id>`: made by us with `O_EXCL`, mode 0600, locked while in use, removed on drop. One that a crash left behind has
//! the name and no lock, and is removed by the next start in the same folder.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{
    AtFlags, FallocateFlags, FlockOperation, Mode, OFlags, StatVfsMountFlags, fallocate, fcntl_setfl, flock, fstatvfs, open, openat, statat, unlinkat,
};
use rustix::io::Errno;

use super::TargetKind;
use super::refusal::{Cause, kind_of};

/// Begin of the name of every scratch file.
pub const SCRATCH_PREFIX: &str = "assay-scratch-";
/// A scratch file takes at most one part in this many of the free space.
pub const SCRATCH_SHARE: u64 = 10;
/// Free space that always stays, bytes.
pub const KEEP_FREE: u64 = 512 << 20;

/// How long the kernel may take to let go of the file of a process that was killed.
const DYING: Duration = Duration::from_secs(5);

/// A scratch file that exists and is ours.
#[derive(Debug)]
pub(super) struct Scratch {
    folder: File,
    folder_path: PathBuf,
    path: PathBuf,
    name: String,
    inode: u64,
    removed: bool,
}

/// Looks whether a scratch file of `bytes` may be made in `folder`; makes nothing.
pub(super) fn examine(folder: &Path, bytes: u64) -> Result<File, Cause> {
    if kind_of(folder)? != TargetKind::Folder {
        return Err(Cause::WrongKind { what: "block device" });
    }
    let handle = open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| Cause::io("open the folder")(error.into()))?;
    let space = fstatvfs(&handle).map_err(|error| Cause::io("read the free space")(error.into()))?;
    if space.f_flag.contains(StatVfsMountFlags::RDONLY) {
        return Err(Cause::ReadOnly);
    }
    room(bytes, space.f_bavail.saturating_mul(space.f_frsize))?;
    Ok(File::from(handle))
}

/// Whether `bytes` may be taken of `free`.
pub(super) fn room(bytes: u64, free: u64) -> Result<(), Cause> {
    let allowed = (free / SCRATCH_SHARE).min(free.saturating_sub(KEEP_FREE));
    if bytes > allowed { Err(Cause::NoRoom { bytes, free, allowed }) } else { Ok(()) }
}

/// Removes leftovers, then makes, locks and allocates the file, and opens it for direct I/O.
pub(super) fn make(folder: &Path, run: &str, bytes: u64) -> Result<(Scratch, File), Cause> {
    if run.is_empty() || run.len() > 128 || !run.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        return Err(Cause::RunName { name: crate::printable::Printable::new(run) });
    }
    if kind_of(folder)? == TargetKind::Folder {
        sweep(folder)?;
    }
    let handle = examine(folder, bytes)?;
    let name = format!("{SCRATCH_PREFIX}{run}");
    let (file, inode) = make_locked(folder, &handle, &name)?;
    let scratch = Scratch { folder: handle, folder_path: folder.to_owned(), path: folder.join(&name), name, inode, removed: false };
    // From here on dropping `scratch` removes the file.
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => {}
        // No way to reserve here: the layout pass will say when the disk is full.
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => file.set_len(bytes).map_err(Cause::io("give the scratch file its size"))?,
        Err(error) => return Err(Cause::io("reserve space for the scratch file")(error.into())),
    }
    match fcntl_setfl(&file, OFlags::DIRECT) {
        Ok(()) => Ok((scratch, file)),
        Err(Errno::INVAL) => Err(Cause::NoDirectIo),
        Err(error) => Err(Cause::io("switch the scratch file to direct I/O")(error.into())),
    }
}

fn make_locked(folder: &Path, handle: &File, name: &str) -> Result<(File, u64), Cause> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let deadline = Instant::now() + DYING;
    loop {
        match openat(handle, name, flags, Mode::RUSR | Mode::WUSR) {
            Ok(file) => {
                let file = File::from(file);
                // Between making and locking, another start may take it for a leftover: then it has the lock, and removes the file.
                let locked = flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
                let data = file.metadata().map_err(Cause::io("look at the scratch file"))?;
                if locked && data.nlink() == 1 {
                    return Ok((file, data.ino()));
                }
            }
            // The file of a process that was just killed: io_uring lets go of it, and of its lock, only some time after the death.
            Err(Errno::EXIST) if Instant::now() < deadline && fs::symlink_metadata(folder.join(name)).is_ok_and(|data| is_ours(&data)) => {}
            Err(Errno::ROFS) => return Err(Cause::ReadOnly),
            Err(error) => return Err(Cause::io("make the scratch file")(error.into())),
        }
        if Instant::now() >= deadline {
            return Err(Cause::Io { act: "make the scratch file", source: io::Error::other("another process removes it again and again") });
        }
        #[allow(clippy::disallowed_methods, reason = "nothing tells when the kernel drops a lock")]
        std::thread::sleep(Duration::from_millis(20));
        sweep(folder)?;
    }
}

/// Whether a file with our name is one that assay made: by kind, owner, mode, and having no other name.
fn is_ours(data: &fs::Metadata) -> bool {
    data.is_file() && data.uid() == rustix::process::geteuid().as_raw() && data.nlink() == 1 && data.mode() & 0o777 == 0o600
}

/// Removes scratch files that nobody holds: ours by name, owner, kind and mode, and without a lock.
fn sweep(folder: &Path) -> Result<(), Cause> {
    let handle = open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())
        .map_err(|error| Cause::io("open the folder")(error.into()))?;
    for entry in fs::read_dir(folder).map_err(Cause::io("list the folder"))?.flatten() {
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(SCRATCH_PREFIX.as_bytes()) || !entry.metadata().is_ok_and(|data| is_ours(&data)) {
            continue;
        }
        let Ok(file) = openat(&handle, &name, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty()) else {
            continue;
        };
        if flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            // A leftover that cannot be removed does no harm to this run.
            let _ = unlinkat(&handle, &name, AtFlags::empty());
        }
    }
    Ok(())
}

impl Scratch {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder_path
    }

    /// Removes the file, if the name still means the file that was made.
    pub(super) fn remove(&mut self) -> Result<(), Cause> {
        if std::mem::replace(&mut self.removed, true) {
            return Ok(());
        }
        match statat(&self.folder, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(data) if data.st_ino == self.inode => {
                unlinkat(&self.folder, &self.name, AtFlags::empty()).map_err(|error| Cause::io("remove the scratch file")(error.into()))
            }
            Ok(_) => Err(Cause::Io { act: "remove the scratch file", source: io::Error::other("another file has its name now") }),
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(Cause::io("look for the scratch file")(error.into())),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // `release` is where an error can be told.
        let _ = self.remove();
    }
}
