//! A live machine: files below a root, and the calls of `crate::sys`. Below another root than `/` every path is resolved by the kernel inside it
//! (`openat2` with `RESOLVE_IN_ROOT`): absolute links are re-rooted and `..` does not lead out. Calls have no root, so there they are refused.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{CWD, Dir, Mode, OFlags, ResolveFlags, open, openat, openat2, readlinkat};

use super::{Answer, CONTENT_MAX, Call, Question};
use crate::error::HostError;
use crate::sys;

/// The machine, or a tree that looks like one.
#[derive(Debug)]
pub(super) struct Live {
    /// `None` is `/`.
    root: Option<OwnedFd>,
}

impl Live {
    pub(super) fn open(root: &Path) -> Result<Self, HostError> {
        if root == Path::new("/") {
            return Ok(Self { root: None });
        }
        // A root that does not exist must not read as a machine that has nothing.
        match open(root, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()) {
            Ok(root) => Ok(Self { root: Some(root) }),
            Err(errno) => Err(HostError::Io { act: "open the root", path: root.display().to_string(), source: errno.into() }),
        }
    }

    pub(super) fn answer(&self, question: Question, path: &str) -> Answer {
        let call = [Call::Adjtimex, Call::Uname].into_iter().find(|call| call.name() == path);
        let answer = match (call, question) {
            (Some(call), _) => self.call(call).map(Answer::Content),
            (None, Question::Read) => self.content(path).map(Answer::Content),
            (None, Question::List) => self.names(path).map(Answer::Names),
            (None, Question::Link) => self.target(path).map(Answer::Target),
        };
        answer.unwrap_or_else(|error| Answer::Failed(error.raw_os_error().unwrap_or(libc::EIO)))
    }

    fn open_below(&self, path: &str, flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::CLOEXEC | OFlags::NOCTTY;
        let opened = match &self.root {
            None => openat(CWD, path, flags, Mode::empty()),
            Some(root) => openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT),
        };
        Ok(opened?)
    }

    fn content(&self, path: &str) -> io::Result<Vec<u8>> {
        let file = File::from(self.open_below(path, OFlags::RDONLY)?);
        let bound = u64::try_from(CONTENT_MAX).map_err(|_| io::Error::from_raw_os_error(libc::EFBIG))?;
        let mut content = Vec::with_capacity(4096);
        file.take(bound + 1).read_to_end(&mut content)?;
        if content.len() > CONTENT_MAX { Err(io::Error::from_raw_os_error(libc::EFBIG)) } else { Ok(content) }
    }

    fn names(&self, path: &str) -> io::Result<Vec<String>> {
        let folder = self.open_below(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            let entry = entry?;
            // A name that is not UTF-8 could not be asked for later, and would be missing without a word.
            let name = entry.file_name().to_str().map_err(|_| io::Error::from_raw_os_error(libc::EILSEQ))?;
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn target(&self, path: &str) -> io::Result<String> {
        let link = self.open_below(path, OFlags::PATH | OFlags::NOFOLLOW)?;
        let target = readlinkat(link, "", Vec::new()).map_err(|errno| match errno {
            // On a descriptor the kernel says ENOENT for "not a link"; opening it has just shown that it exists.
            rustix::io::Errno::NOENT => rustix::io::Errno::INVAL,
            errno => errno,
        })?;
        target.into_string().map_err(|_| io::Error::from_raw_os_error(libc::EILSEQ))
    }

    fn call(&self, call: Call) -> io::Result<Vec<u8>> {
        if self.root.is_some() {
            return Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP));
        }
        match call {
            Call::Adjtimex => sys::adjtimex::read().map(|state| state.to_string().into_bytes()),
            Call::Uname => {
                let uname = rustix::system::uname();
                let fields = [("machine", uname.machine()), ("nodename", uname.nodename()), ("release", uname.release()), ("sysname", uname.sysname())];
                Ok(fields.iter().map(|(name, value)| format!("{name} {}\n", value.to_string_lossy())).collect::<String>().into_bytes())
            }
        }
    }
}
