//! Answers of the running kernel, below a root folder. With a root other than `/`, the kernel itself keeps every symbolic link inside of it
//! (`openat2` with `RESOLVE_IN_ROOT`), so that absolute links of a copied `/sys` lead into the copy. Calls have no root: below one there are none.

use std::io::Read;
use std::path::{Path, PathBuf};

use rustix::fd::OwnedFd;
use rustix::fs::{Dir, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::sys::{self, ClockState};

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Absent,
    Errno(Errno),
    TooLarge(usize),
    /// The device refused, with its own status.
    Status(u16),
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        if errno == Errno::NOENT || errno == Errno::NOTDIR { Refusal::Absent } else { Refusal::Errno(errno) }
    }
}

/// A node that answers for itself.
#[derive(Debug)]
pub(super) struct Live {
    root: PathBuf,
}

impl Live {
    pub(super) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Whether it is the machine itself and not a copy of its files.
    pub(super) fn is_this_machine(&self) -> bool {
        self.root == Path::new("/")
    }

    /// The content of a file, at most `limit` bytes. The size that `stat` gives is not asked: sysfs and procfs lie.
    pub(super) fn content(&self, path: &str, limit: usize) -> Result<Vec<u8>, Refusal> {
        let mut content = Vec::new();
        let bound = u64::try_from(limit).map_or(u64::MAX, |limit| limit.saturating_add(1));
        let file = std::fs::File::from(self.open(path, OFlags::RDONLY | OFlags::NOCTTY)?);
        file.take(bound).read_to_end(&mut content).map_err(refusal)?;
        if content.len() > limit { Err(Refusal::TooLarge(limit)) } else { Ok(content) }
    }

    /// The first bytes of a file, at most `length`.
    pub(super) fn head(&self, path: &str, length: usize) -> Result<Vec<u8>, Refusal> {
        let mut head = Vec::new();
        let bound = u64::try_from(length).unwrap_or(u64::MAX);
        std::fs::File::from(self.open(path, OFlags::RDONLY | OFlags::NOCTTY)?).take(bound).read_to_end(&mut head).map_err(refusal)?;
        Ok(head)
    }

    /// The lines of a file that begin with `label` and a colon; the file may be as large as `limit`.
    pub(super) fn lines(&self, path: &str, label: &str, limit: usize) -> Result<String, Refusal> {
        let content = self.content(path, limit)?;
        Ok(super::labelled(&String::from_utf8_lossy(&content), label))
    }

    /// The names in a folder, sorted. A name that is not UTF-8 cannot be asked for again; none exists in sysfs.
    pub(super) fn list(&self, path: &str) -> Result<Vec<String>, Refusal> {
        let folder = match self.open(path, OFlags::RDONLY | OFlags::DIRECTORY) {
            // Something is there, and it is no folder.
            Err(Refusal::Absent) if self.exists(path)? => return Err(Refusal::Errno(Errno::NOTDIR)),
            opened => opened?,
        };
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            let name = String::from_utf8_lossy(entry.file_name().to_bytes()).into_owned();
            if name != "." && name != ".." {
                names.push(name);
            }
        }
        names.sort();
        Ok(names)
    }

    /// The text of a symbolic link.
    pub(super) fn link(&self, path: &str) -> Result<String, Refusal> {
        let link = self.open(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        match rustix::fs::readlinkat(link, c"", Vec::new()) {
            Ok(target) => Ok(target.to_string_lossy().into_owned()),
            // The descriptor is open, so ENOENT is the kernel's word for "not a link" here, as EINVAL is for a path.
            Err(Errno::NOENT) => Err(Refusal::Errno(Errno::INVAL)),
            Err(errno) => Err(errno.into()),
        }
    }

    pub(super) fn exists(&self, path: &str) -> Result<bool, Refusal> {
        match self.open(path, OFlags::PATH) {
            Ok(_) => Ok(true),
            Err(Refusal::Absent) => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }

    pub(super) fn clock(&self) -> Result<ClockState, Refusal> {
        if self.is_this_machine() { Ok(sys::adjtimex()?) } else { Err(Refusal::Absent) }
    }

    fn open(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Refusal> {
        let flags = flags | OFlags::CLOEXEC;
        if self.is_this_machine() {
            return Ok(rustix::fs::open(path, flags, Mode::empty())?);
        }
        let root = rustix::fs::open(&self.root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
        Ok(rustix::fs::openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS)?)
    }
}

fn refusal(error: std::io::Error) -> Refusal {
    Errno::from_io_error(&error).map_or(Refusal::Errno(Errno::IO), Refusal::from)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn absolute_links_stay_below_the_root() {
        let root = tempfile::tempdir().expect("a folder");
        fs::create_dir_all(root.path().join("sys/devices/a")).expect("folders");
        fs::write(root.path().join("sys/devices/a/model"), "inside\n").expect("a file");
        symlink("/sys/devices/a", root.path().join("sys/b")).expect("a link");
        symlink("../../../../etc", root.path().join("sys/up")).expect("a link");
        let live = Live::new(root.path());
        assert_eq!(live.content("/sys/b/model", 100), Ok(b"inside\n".to_vec()));
        assert_eq!(live.link("/sys/b"), Ok("/sys/devices/a".into()));
        assert_eq!(live.content("/sys/up/passwd", 1 << 20), Err(Refusal::Absent));
        assert_eq!(live.list("/sys"), Ok(vec!["b".into(), "devices".into(), "up".into()]));
        assert_eq!(live.clock(), Err(Refusal::Absent), "the clock of this machine is not that of the copy");
    }

    #[test]
    fn absent_refused_and_too_large_are_told_apart() {
        let root = tempfile::tempdir().expect("a folder");
        fs::write(root.path().join("long"), [b'x'; 11]).expect("a file");
        let live = Live::new(root.path());
        assert_eq!(live.content("/none", 10), Err(Refusal::Absent));
        assert_eq!(live.content("/long/below", 10), Err(Refusal::Absent));
        assert_eq!(live.content("/long", 10), Err(Refusal::TooLarge(10)));
        assert_eq!(live.content("/long", 11).map(|content| content.len()), Ok(11));
        assert_eq!(live.content("/", 10), Err(Refusal::Errno(Errno::ISDIR)));
        assert_eq!(live.link("/long"), Err(Refusal::Errno(Errno::INVAL)));
        assert_eq!((live.list("/long"), live.list("/none")), (Err(Refusal::Errno(Errno::NOTDIR)), Err(Refusal::Absent)));
        assert_eq!((live.exists("/long"), live.exists("/none")), (Ok(true), Ok(false)));
    }
}
