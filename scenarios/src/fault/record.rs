//! Records of armed faults: `<id>.json` in a folder of root's, synced before anything is broken and removed when it is whole. Whoever guards a fault holds a
//! shared lock (`flock`) on its record, so that a record without one is a leftover. A record that others could have written is not believed.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, CWD, FlockOperation, OFlags, flock, linkat};
use rustix::io::Errno;

use super::error::FaultError;
use super::{Armed, is_id};
use crate::printable::Printable;
use crate::remote::boot_id;

/// Largest record: many routes and addresses fit.
const RECORD_MAX: u64 = 4 << 20;
/// How long another one may work in the folder.
const LOCK_WITHIN: Duration = Duration::from_secs(2);
/// How long a watchdog may take to heal what a dead agent has left, before that counts as guarded by somebody who lives.
pub(super) const LEAVES_WITHIN: Duration = Duration::from_secs(3);
/// How long one that is armed may still take to be healed, before another one is refused.
pub(super) const FREE_WITHIN: Duration = Duration::from_secs(1);
const PAUSE: Duration = Duration::from_millis(10);

/// A folder of records.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    file: File,
}

/// A record, and the lock on it.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) path: PathBuf,
    pub(super) armed: Armed,
    file: File,
}

/// Held while records are made and removed.
pub(super) struct FolderLock<'a>(&'a File);

impl Drop for FolderLock<'_> {
    fn drop(&mut self) {
        let _ = flock(self.0, FlockOperation::Unlock);
    }
}

fn failed<'a>(act: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> FaultError + 'a {
    move |source| FaultError::Record { act, path: Printable::new(path), source }
}

fn distrusted(path: &Path, why: impl Into<String>) -> FaultError {
    FaultError::Distrusted { path: Printable::new(path), why: why.into() }
}

impl Folder {
    /// Opens it, made if need be. A folder that others can write to is refused.
    pub fn open(path: &Path) -> Result<Self, FaultError> {
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("make the folder", path))?;
        let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC).bits();
        let file =
            OpenOptions::new().read(true).custom_flags(i32::try_from(flags).unwrap_or(0)).open(path).map_err(failed("open the folder", path))?;
        let about = file.metadata().map_err(failed("look at", path))?;
        if about.uid() != rustix::process::geteuid().as_raw() {
            return Err(distrusted(path, format!("it belongs to user {}", about.uid())));
        }
        if about.mode() & 0o022 != 0 {
            return Err(distrusted(path, format!("others can write to it (mode {:04o})", about.mode() & 0o7777)));
        }
        Ok(Self { path: path.to_owned(), file })
    }

    /// Waits for others to be done, for a moment only: one of them may be stopped, and healing must not wait for it.
    pub(super) fn lock(&self) -> Option<FolderLock<'_>> {
        let end = Instant::now() + LOCK_WITHIN;
        loop {
            match flock(&self.file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Some(FolderLock(&self.file)),
                Err(Errno::WOULDBLOCK) if Instant::now() < end => {}
                Err(_) => return None,
            }
            #[allow(clippy::disallowed_methods, reason = "nothing tells when another process lets go")]
            std::thread::sleep(PAUSE);
        }
    }

    /// The paths of everything in it, sorted.
    pub(super) fn paths(&self) -> Result<Vec<PathBuf>, FaultError> {
        let entries = fs::read_dir(&self.path).map_err(failed("list", &self.path))?;
        let mut paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>().map_err(failed("list", &self.path))?;
        paths.sort();
        Ok(paths)
    }

    /// Refuses while any fault is armed here; waits at most so long for watchdogs that are about to heal.
    pub(super) fn none_armed(&self, fault: &str, most: Duration) -> Result<(), FaultError> {
        let end = Instant::now() + most;
        loop {
            let paths: Vec<PathBuf> = fs::read_dir(&self.path)
                .map_err(failed("list", &self.path))?
                .filter_map(|entry| entry.ok().map(|entry| entry.path()))
                .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
                .collect();
            let Some(first) = paths.first() else { return Ok(()) };
            if Instant::now() > end {
                let why = format!("fault {} is armed already; one at a time", Printable::new(first.file_stem().unwrap_or_default()));
                return Err(FaultError::Refused { fault: fault.to_owned(), subject: "this node".to_owned(), why });
            }
            #[allow(clippy::disallowed_methods, reason = "nothing tells when another process removes a file")]
            std::thread::sleep(PAUSE);
        }
    }

    /// Where the record of a fault lies.
    pub(super) fn path_of(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}.json"))
    }

    /// Writes a record and holds it: when this returns it is on the disk.
    pub(super) fn write(&self, armed: &Armed) -> Result<Record, FaultError> {
        if !is_id(&armed.id) {
            return Err(FaultError::Form { fault: armed.fault.clone(), why: "its id is none".to_owned() });
        }
        let path = self.path_of(&armed.id);
        let text = serde_json::to_vec(armed).map_err(|error| distrusted(&path, error.to_string()))?;
        // Without a name until it is whole: whoever is killed in between leaves nothing.
        let flags = i32::try_from(OFlags::TMPFILE.bits()).unwrap_or(0);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .mode(0o600)
            .custom_flags(flags)
            .open(&self.path)
            .map_err(failed("make a record in", &self.path))?;
        let written = file.write_all(&text).and_then(|()| file.sync_all()).and_then(|()| {
            flock(&file, FlockOperation::NonBlockingLockShared)?;
            // Fails where a record of that name is.
            linkat(CWD, format!("/proc/self/fd/{}", file.as_raw_fd()), CWD, &path, AtFlags::SYMLINK_FOLLOW)?;
            self.file.sync_all()
        });
        written.map_err(failed("write", &path))?;
        Ok(Record { path, armed: armed.clone(), file })
    }
}

fn gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

impl Record {
    /// Reads a record; none when it is gone. One that others could have written, or that is none, is refused.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, FaultError> {
        let flags = (OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK).bits();
        let file = match OpenOptions::new().read(true).custom_flags(i32::try_from(flags).unwrap_or(0)).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => return Err(distrusted(path, "it is a symbolic link")),
            Err(error) => return Err(failed("open", path)(error)),
        };
        let about = file.metadata().map_err(failed("look at", path))?;
        let why = if !about.is_file() {
            "it is no file".to_owned()
        } else if about.uid() != rustix::process::geteuid().as_raw() {
            format!("it belongs to user {}", about.uid())
        } else if about.mode() & 0o077 != 0 {
            format!("others can read or write it (mode {:04o})", about.mode() & 0o7777)
        } else if about.len() > RECORD_MAX {
            format!("it has {} bytes", about.len())
        } else {
            String::new()
        };
        if !why.is_empty() {
            return Err(distrusted(path, why));
        }
        let mut text = Vec::new();
        (&file).take(RECORD_MAX).read_to_end(&mut text).map_err(failed("read", path))?;
        let armed: Armed = serde_json::from_slice(&text).map_err(|error| distrusted(path, error.to_string()))?;
        let named = path.file_stem().is_some_and(|stem| stem == armed.id.as_str()) && is_id(&armed.id);
        if !named || path.extension().is_none_or(|extension| extension != "json") {
            return Err(distrusted(path, "its name is not the id in it"));
        }
        Ok(Some(Self { path: path.to_owned(), armed, file }))
    }

    /// Guards it from now on.
    pub(super) fn hold(&self) -> Result<(), FaultError> {
        flock(&self.file, FlockOperation::NonBlockingLockShared).map_err(|error| failed("lock", &self.path)(error.into()))
    }

    /// Whether nobody guards it.
    pub(super) fn is_left(&self) -> bool {
        let free = flock(&self.file, FlockOperation::NonBlockingLockExclusive).is_ok();
        if free {
            let _ = flock(&self.file, FlockOperation::Unlock);
        }
        free
    }

    /// Whether nobody guards it, after so long at most.
    pub(super) fn is_left_within(&self, most: Duration) -> bool {
        let end = Instant::now() + most;
        while !self.is_left() {
            if Instant::now() > end || !self.is_there() {
                return false;
            }
            #[allow(clippy::disallowed_methods, reason = "nothing tells when another process lets go")]
            std::thread::sleep(PAUSE);
        }
        true
    }

    /// Whether it still lies where it was.
    pub(super) fn is_there(&self) -> bool {
        let Ok(own) = self.file.metadata() else { return false };
        fs::symlink_metadata(&self.path).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino()))
    }

    /// Removes it, unless another has taken its place.
    pub(super) fn remove(&self) -> Result<(), FaultError> {
        if !self.is_there() {
            return Ok(());
        }
        fs::remove_file(&self.path).or_else(gone).map_err(failed("remove", &self.path))
    }
}

/// The boot of this kernel.
pub(super) fn boot() -> Result<String, FaultError> {
    boot_id().map_err(failed("read", Path::new("/proc/sys/kernel/random/boot_id")))
}

/// The network namespace of this thread.
pub(super) fn netns() -> Result<u64, FaultError> {
    let path = Path::new("/proc/thread-self/ns/net");
    fs::metadata(path).map(|about| about.ino()).map_err(failed("look at", path))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;

    fn armed(id: &str) -> Armed {
        Armed { id: id.into(), fault: "link-down".into(), boot: "b".into(), netns: 1, within_ms: 1, state: serde_json::json!({}) }
    }

    fn folder() -> (tempfile::TempDir, Folder) {
        let temporary = tempfile::tempdir().expect("a folder");
        let folder = Folder::open(&temporary.path().join("faults")).expect("opens");
        (temporary, folder)
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_known_to_be_held() {
        let (_temporary, folder) = folder();
        let written = folder.write(&armed("a-1")).expect("writes");
        let read = Record::open(&written.path).expect("trusted").expect("there");
        assert_eq!(read.armed, written.armed);
        assert_eq!(written.file.metadata().expect("there").mode() & 0o7777, 0o600);
        assert!(!read.is_left() && read.is_there());
        assert!(folder.write(&armed("a-1")).is_err(), "a second one of that name");
        drop(written);
        // What another test forks holds it too, until it becomes another program.
        assert!(read.is_left_within(Duration::from_secs(10)));
        read.remove().expect("removes");
        assert!(Record::open(&read.path).expect("gone").is_none() && folder.paths().expect("lists").is_empty());
    }

    #[test]
    fn a_second_fault_is_refused_while_one_is_armed() {
        let (_temporary, folder) = folder();
        let held = folder.write(&armed("a")).expect("writes");
        let error = folder.none_armed("silent-link", Duration::ZERO).expect_err("armed");
        assert!(error.to_string().contains("fault a is armed already"), "{error}");
        held.remove().expect("removes");
        folder.none_armed("silent-link", Duration::ZERO).expect("none");
    }

    #[test]
    fn what_others_could_have_written_is_not_believed() {
        let (temporary, folder) = folder();
        let record = folder.write(&armed("a")).expect("writes");
        let refused = |path: &Path, part: &str| {
            let error = Record::open(path).expect_err(part);
            assert!(error.to_string().contains(part), "{error}");
        };
        let put = |name: &str, text: &str| {
            let path = folder.path.join(name);
            fs::write(&path, text).expect("writes");
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("sets");
            path
        };
        let sound = serde_json::to_string(&armed("a")).expect("JSON");
        refused(&put("b.json", &sound), "not the id");
        refused(&put("c.json", "{"), "EOF");
        refused(&put("d.json", &sound.replace("\"boot\"", "\"more\": 1, \"boot\"")), "unknown field");
        refused(&put("e.json", ""), "EOF");
        refused(&put("a.txt", &sound), "not the id");
        symlink(&record.path, folder.path.join("f.json")).expect("links");
        refused(&folder.path.join("f.json"), "symbolic link");
        refused(&folder.path, "no file");
        fs::set_permissions(&record.path, fs::Permissions::from_mode(0o644)).expect("sets");
        refused(&record.path, "mode 0644");
        let open = temporary.path().join("open");
        fs::create_dir(&open).expect("makes");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).expect("sets");
        assert!(Folder::open(&open).expect_err("open").to_string().contains("others can write"));
        symlink(temporary.path(), temporary.path().join("link")).expect("links");
        assert!(Folder::open(&temporary.path().join("link")).is_err());
    }
}
