//! What an NVMe controller says of itself (`nvme:nvme0/identify/CNS/NSID`, `nvme:nvme0/log/LID`, numbers in hex): the bytes of Identify and Get Log Page, by an
//! ioctl that needs root. A log or structure that the controller does not have is absent; any other status is a refusal.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::live::Refusal;
use super::{Host, HostError};
use crate::sys::nvme::{Context, Question, Refused, ask};

pub(crate) mod events;

/// Size of every Identify structure.
const IDENTIFY_BYTES: usize = 4096;

/// The Persistent Event Log, how much of it is read at once (what every controller transfers), and how much and for how long at most.
const EVENTS: u8 = 0x0d;
const PIECE: usize = 4096;
const EVENTS_MAX: usize = 4 << 20;
const EVENTS_PATIENCE: Duration = Duration::from_secs(3);

/// Status of a command that the controller does not know: generic, invalid opcode.
const INVALID_OPCODE: u16 = 0x001;
/// Generic, invalid field in command: so many controllers say that they have no such log page or structure.
const INVALID_FIELD: u16 = 0x002;
/// Generic, invalid namespace or format.
const INVALID_NAMESPACE: u16 = 0x00b;
/// Command specific, invalid log page.
const INVALID_LOG_PAGE: u16 = 0x109;

impl Host {
    /// How the answer to Identify is called.
    pub(crate) fn nvme_identify_name(controller: &str, cns: u8, nsid: u32) -> String {
        format!("nvme:{controller}/identify/{cns:02x}/{nsid:x}")
    }

    /// How a log page is called.
    pub(crate) fn nvme_log_name(controller: &str, lid: u8) -> String {
        format!("nvme:{controller}/log/{lid:02x}")
    }

    /// An Identify structure: of the controller (CNS 01h) or of a namespace (CNS 00h).
    pub(crate) fn nvme_identify(&self, controller: &str, cns: u8, nsid: u32) -> Result<Vec<u8>, HostError> {
        let call = || asked(controller, Question::Identify { cns, nsid }, IDENTIFY_BYTES);
        understood(self.call_bytes(&Self::nvme_identify_name(controller, cns, nsid), call))
    }

    /// The first `length` bytes of a log page.
    pub(crate) fn nvme_log(&self, controller: &str, lid: u8, length: usize) -> Result<Vec<u8>, HostError> {
        understood(self.call_bytes(&Self::nvme_log_name(controller, lid), || asked(controller, Question::LogPage { lid }, length)))
    }

    /// What the Persistent Event Log says of hardware and temperature.
    pub(crate) fn nvme_events(&self, controller: &str) -> Result<Vec<u8>, HostError> {
        understood(self.call_bytes(&Self::nvme_log_name(controller, EVENTS), || {
            let device = opened(controller)?;
            let log = persistent_events(&device);
            // Also after a failure: the drive keeps what it established until it is told or reset. That it refuses is no news.
            let _ = answer(&device, Question::Events { context: Context::Release, from: 0 }, events::HEADER);
            events::excerpt(&log?).ok_or(Refusal::Errno(Errno::BADMSG))
        }))
    }
}

/// With some statuses a controller says that there is no such thing; with the others it fails.
fn understood(answer: Result<Vec<u8>, HostError>) -> Result<Vec<u8>, HostError> {
    match answer {
        Err(HostError::Status { act, path, status: INVALID_OPCODE | INVALID_FIELD | INVALID_NAMESPACE | INVALID_LOG_PAGE }) => {
            Err(HostError::Absent { act, path })
        }
        answer => answer,
    }
}

fn asked(controller: &str, question: Question, length: usize) -> Result<Vec<u8>, Refusal> {
    answer(&opened(controller)?, question, length)
}

/// The whole log, as it was when its header was read.
fn persistent_events(device: &OwnedFd) -> Result<Vec<u8>, Refusal> {
    let begun = Instant::now();
    let mut log = answer(device, Question::Events { context: Context::Establish, from: 0 }, events::HEADER)?;
    let length = events::length(&log).ok_or(Refusal::Errno(Errno::BADMSG))?;
    if length > EVENTS_MAX {
        return Err(Refusal::Errno(Errno::FBIG));
    }
    while log.len() < length {
        if begun.elapsed() > EVENTS_PATIENCE {
            return Err(Refusal::Errno(Errno::TIMEDOUT));
        }
        let from = u64::try_from(log.len()).map_err(|_| Refusal::Errno(Errno::FBIG))?;
        let piece = (length - log.len()).min(PIECE).next_multiple_of(4);
        log.extend(answer(device, Question::Events { context: Context::Keep, from }, piece)?);
    }
    Ok(log)
}

fn opened(controller: &str) -> Result<OwnedFd, Refusal> {
    // The kernel made the name; one with a step in it is not its.
    if controller.contains('/') {
        return Err(Refusal::Errno(Errno::INVAL));
    }
    let device = rustix::fs::open(format!("/dev/{controller}"), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
    // The controller is there and its node is not (a container): that says nothing about its logs.
    device.map_err(|errno| Refusal::Errno(if errno == Errno::NOENT { Errno::NODEV } else { errno }))
}

fn answer(device: &OwnedFd, question: Question, length: usize) -> Result<Vec<u8>, Refusal> {
    let mut answer = vec![0; length];
    match ask(device, question, &mut answer) {
        Ok(()) => Ok(answer),
        Err(Refused::Controller(status)) => Err(Refusal::Status(status)),
        Err(Refused::Kernel(errno)) => Err(Refusal::Errno(errno)),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_controller_whose_node_is_missing_is_not_one_without_logs() {
        let host = Host::live(Path::new("/"));
        let error = host.nvme_log("nvme-none", 2, 512).expect_err("no such controller");
        assert!(!error.is_absent(), "{error}");
    }

    #[test]
    fn a_page_that_the_controller_does_not_have_is_absent_and_any_other_refusal_is_not() {
        let host = Host::from_snapshot("nvme:nvme0/log/06 status: 0x109\nnvme:nvme0/log/81 status: 0x002\nnvme:nvme0/log/02 status: 0x006")
            .expect("a fixture");
        let log = |lid| host.nvme_log("nvme0", lid, 512);
        assert!(log(0x06).is_err_and(|error| error.is_absent()) && log(0x81).is_err_and(|error| error.is_absent()));
        assert_eq!(log(0x02).map_err(|error| error.cause()), Err("the device answers with status 0x006".into()));
    }

    #[test]
    fn pages_are_replayed_by_their_names() {
        let host =
            Host::from_snapshot("nvme:nvme0/log/02 bytes: AAEC\nnvme:nvme0/identify/00/1 error: EIO\nnvme:nvme0/log/c0 absent").expect("a fixture");
        assert_eq!(host.nvme_log("nvme0", 2, 512).expect("recorded"), [0, 1, 2]);
        assert!(host.nvme_identify("nvme0", 0, 1).is_err_and(|error| !error.is_absent()));
        assert!(host.nvme_log("nvme0", 0xc0, 512).is_err_and(|error| error.is_absent()));
    }
}
