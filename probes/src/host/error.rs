//! Why the node, or the snapshot of one, did not answer. What an answer means is for the probes to say.

use std::error::Error;
use std::fmt;

use rustix::io::Errno;

/// What was attempted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Act {
    /// Reading a file.
    Read,
    /// Listing a folder.
    List,
    /// Reading where a symbolic link leads.
    Follow,
    /// Looking whether something exists.
    LookFor,
    /// Calling the kernel by name.
    Call,
}

impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Act::Read => "read",
            Act::List => "list",
            Act::Follow => "follow",
            Act::LookFor => "look for",
            Act::Call => "call",
        })
    }
}

/// An answer that was not given; always with the path and the attempted act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// There is no such thing on this node. Often legitimate: see [`HostError::is_absent`].
    #[error("cannot {act} {path}: it does not exist")]
    Absent {
        /// What was attempted.
        act: Act,
        /// On what.
        path: String,
    },
    /// The kernel refused.
    #[error("cannot {act} {path}")]
    Refused {
        /// What was attempted.
        act: Act,
        /// On what.
        path: String,
        /// The kernel's reason.
        #[source]
        source: Errno,
    },
    /// The device itself refused, which is not the kernel's doing.
    #[error("cannot {act} {path}: the device answers with status {status:#05x}")]
    Status {
        /// What was attempted.
        act: Act,
        /// On what.
        path: String,
        /// Status Code Type and Status Code of an NVMe completion: `0x109` is Invalid Log Page.
        status: u16,
    },
    /// It is larger than anything that belongs there.
    #[error("cannot read {path}: larger than {limit} bytes")]
    TooLarge {
        /// The file.
        path: String,
        /// The bound that it exceeds.
        limit: usize,
    },
    /// It was read and says what it must not say.
    #[error("cannot understand {path}: {reason}")]
    Malformed {
        /// The file or call.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The snapshot does not say; that is not the same as absent.
    #[error("cannot {act} {path}: not recorded in the snapshot")]
    NotRecorded {
        /// What was attempted.
        act: Act,
        /// On what.
        path: String,
    },
    /// The whole source of a probe's knowledge is not on this host.
    #[error("no {0} on this host")]
    SourceMissing(String),
    /// The text is not a snapshot, or a torn one.
    #[error("line {line}: {reason}")]
    Snapshot {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
}

impl HostError {
    /// Whether there is simply no such thing.
    pub fn is_absent(&self) -> bool {
        matches!(self, HostError::Absent { .. })
    }

    /// The message with its causes, for people.
    pub fn chain(&self) -> String {
        self.source().map_or_else(|| self.to_string(), |source| format!("{self}: {source}"))
    }

    /// The same without the path, for a reading that names its source already.
    pub(crate) fn cause(&self) -> String {
        match self {
            HostError::Refused { source, .. } => source.to_string(),
            HostError::Status { status, .. } => format!("the device answers with status {status:#05x}"),
            HostError::Absent { .. } => "it does not exist".into(),
            HostError::TooLarge { limit, .. } => format!("larger than {limit} bytes"),
            HostError::Malformed { reason, .. } => reason.clone(),
            HostError::NotRecorded { .. } => "not recorded in the snapshot".into(),
            HostError::SourceMissing(_) | HostError::Snapshot { .. } => self.to_string(),
        }
    }
}

/// The names that snapshots use; a number outside this list is written as `errno 123`.
const ERRNO_NAMES: &[(Errno, &str)] = &[
    (Errno::PERM, "EPERM"),
    (Errno::INTR, "EINTR"),
    (Errno::IO, "EIO"),
    (Errno::NXIO, "ENXIO"),
    (Errno::BADF, "EBADF"),
    (Errno::AGAIN, "EAGAIN"),
    (Errno::NOMEM, "ENOMEM"),
    (Errno::ACCESS, "EACCES"),
    (Errno::FAULT, "EFAULT"),
    (Errno::BUSY, "EBUSY"),
    (Errno::NODEV, "ENODEV"),
    (Errno::NOTDIR, "ENOTDIR"),
    (Errno::ISDIR, "EISDIR"),
    (Errno::INVAL, "EINVAL"),
    (Errno::MFILE, "EMFILE"),
    (Errno::NFILE, "ENFILE"),
    (Errno::NOTTY, "ENOTTY"),
    (Errno::ROFS, "EROFS"),
    (Errno::NAMETOOLONG, "ENAMETOOLONG"),
    (Errno::NOSYS, "ENOSYS"),
    (Errno::LOOP, "ELOOP"),
    (Errno::NODATA, "ENODATA"),
    (Errno::TIME, "ETIME"),
    (Errno::REMOTEIO, "EREMOTEIO"),
    (Errno::STALE, "ESTALE"),
    (Errno::OVERFLOW, "EOVERFLOW"),
    (Errno::OPNOTSUPP, "EOPNOTSUPP"),
    (Errno::NETDOWN, "ENETDOWN"),
    (Errno::TIMEDOUT, "ETIMEDOUT"),
    (Errno::NOMEDIUM, "ENOMEDIUM"),
    (Errno::XDEV, "EXDEV"),
    (Errno::NOTCONN, "ENOTCONN"),
    (Errno::NOKEY, "ENOKEY"),
    (Errno::KEYREJECTED, "EKEYREJECTED"),
];

/// How a snapshot writes an errno.
pub(crate) fn errno_name(errno: Errno) -> String {
    let known = ERRNO_NAMES.iter().find(|(known, _)| *known == errno);
    known.map_or_else(|| format!("errno {}", errno.raw_os_error()), |(_, name)| (*name).to_owned())
}

/// The errno that a snapshot names.
pub(crate) fn errno_of(name: &str) -> Option<Errno> {
    if let Some((errno, _)) = ERRNO_NAMES.iter().find(|(_, known)| *known == name) {
        return Some(*errno);
    }
    let number: i32 = name.strip_prefix("errno ")?.parse().ok()?;
    (1..4096).contains(&number).then(|| Errno::from_raw_os_error(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_errno_survives_its_name() {
        for number in 1..134 {
            let errno = Errno::from_raw_os_error(number);
            assert_eq!(errno_of(&errno_name(errno)), Some(errno), "{number}");
        }
        for hostile in ["", "EWHAT", "errno 0", "errno -1", "errno 4096", "errno 99999999999"] {
            assert_eq!(errno_of(hostile), None, "{hostile}");
        }
    }

    #[test]
    fn a_refusal_names_act_path_and_cause_once() {
        let error = HostError::Refused { act: Act::Read, path: "/sys/class/nvme/nvme0/address".into(), source: Errno::ACCESS };
        assert_eq!(error.chain(), "cannot read /sys/class/nvme/nvme0/address: Permission denied (os error 13)");
    }
}
