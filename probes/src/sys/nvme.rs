//! `NVME_IOCTL_ADMIN_CMD` on `/dev/nvmeN` (`linux/nvme_ioctl.h`) with two commands and no other: Identify and Get Log Page, neither of which changes anything
//! that lasts. Another opcode cannot be expressed here.

use std::os::fd::AsFd;

use rustix::io::Errno;
use rustix::ioctl::{ioctl, opcode};

/// What can be asked of a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// Identify: the data structure of that number (CNS), of that namespace or of the controller.
    Identify { cns: u8, nsid: u32 },
    /// Get Log Page, of the controller as a whole.
    LogPage { lid: u8 },
    /// Get Log Page of the Persistent Event Log, from that byte on.
    Events { context: Context, from: u64 },
}

/// What becomes of the drive's reporting context: the log as it was at one moment, which is kept while it is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Context {
    Keep = 0,
    Establish = 1,
    Release = 2,
}

/// Why a controller gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The kernel refused to ask.
    Kernel(Errno),
    /// The controller answered with this status: code type and code, without the bits beside them.
    Controller(u16),
}

const IDENTIFY: u8 = 0x06;
const GET_LOG_PAGE: u8 = 0x02;
/// Logs whose reading takes an asynchronous event away, unless it is to be retained (CDW10, RAE): error, SMART, firmware slots, sanitize. The kernel waits for it.
const WITH_EVENT: &[u8] = &[0x01, 0x02, 0x03, 0x81];
const RETAIN_EVENT: u32 = 1 << 15;
const PERSISTENT_EVENTS: u32 = 0x0d;
/// Where CDW10 has the field that is each log's own (LSP).
const LOG_SPECIFIC: u32 = 8;
const ALL_NAMESPACES: u32 = u32::MAX;
/// Status code type and status code, without "more" and "do not retry".
const STATUS: i32 = 0x7ff;

/// `struct nvme_passthru_cmd`.
#[repr(C)]
#[derive(Debug, Default)]
struct Command {
    opcode: u8,
    flags: u8,
    rsvd1: u16,
    nsid: u32,
    cdw2: u32,
    cdw3: u32,
    metadata: u64,
    addr: u64,
    metadata_len: u32,
    data_len: u32,
    cdw10: u32,
    cdw11: u32,
    cdw12: u32,
    cdw13: u32,
    cdw14: u32,
    cdw15: u32,
    // None of our own: a command that exceeds its time makes the kernel reset the controller.
    timeout_ms: u32,
    result: u32,
}

const NVME_IOCTL_ADMIN_CMD: rustix::ioctl::Opcode = opcode::read_write::<Command>(b'N', 0x41);

/// Asks the controller; the answer fills `answer`, whose length is a multiple of four.
pub(crate) fn ask(controller: impl AsFd, question: Question, answer: &mut [u8]) -> Result<(), Refused> {
    let data_len = u32::try_from(answer.len()).ok().filter(|length| *length >= 4 && length % 4 == 0).ok_or(Refused::Kernel(Errno::INVAL))?;
    let addr = u64::try_from(answer.as_mut_ptr().expose_provenance()).map_err(|_| Refused::Kernel(Errno::INVAL))?;
    // The number of dwords, less one, in two halves.
    let dwords = data_len / 4 - 1;
    let log = Command { opcode: GET_LOG_PAGE, nsid: ALL_NAMESPACES, cdw10: (dwords & 0xffff) << 16, cdw11: dwords >> 16, ..Command::default() };
    let asked = match question {
        Question::Identify { cns, nsid } => Command { opcode: IDENTIFY, nsid, cdw10: u32::from(cns), ..Command::default() },
        Question::LogPage { lid } => {
            let retain = if WITH_EVENT.contains(&lid) { RETAIN_EVENT } else { 0 };
            Command { cdw10: log.cdw10 | u32::from(lid) | retain, ..log }
        }
        Question::Events { context, from } => {
            let [low, high] = [from & u64::from(u32::MAX), from >> 32].map(|half| u32::try_from(half).unwrap_or_default());
            Command { cdw10: log.cdw10 | PERSISTENT_EVENTS | (context as u32) << LOG_SPECIFIC, cdw12: low, cdw13: high, ..log }
        }
    };
    let mut command = Command { addr, data_len, ..asked };
    // SAFETY: the opcode is that of this structure, which is laid out like the kernel's; `addr` and `data_len` name a live buffer that is exclusively
    // borrowed until the call returns, and both commands transfer to the host at most `data_len` bytes, which the kernel copies by itself.
    let status = unsafe { ioctl(controller, Admin(&mut command)) }.map_err(Refused::Kernel)?;
    match u16::try_from(status & STATUS) {
        Ok(0) => Ok(()),
        Ok(status) => Err(Refused::Controller(status)),
        Err(_) => Err(Refused::Kernel(Errno::IO)),
    }
}

/// The ioctl, whose result is the status of the controller.
struct Admin<'a>(&'a mut Command);

// SAFETY: the opcode belongs to the structure that `as_ptr` points to, which lives as long as `self`; the kernel writes within it only.
unsafe impl rustix::ioctl::Ioctl for Admin<'_> {
    type Output = i32;

    const IS_MUTATING: bool = true;

    fn opcode(&self) -> rustix::ioctl::Opcode {
        NVME_IOCTL_ADMIN_CMD
    }

    fn as_ptr(&mut self) -> *mut std::ffi::c_void {
        std::ptr::from_mut(self.0).cast()
    }

    unsafe fn output_from_ptr(out: rustix::ioctl::IoctlOutput, _: *mut std::ffi::c_void) -> rustix::io::Result<i32> {
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_that_of_the_kernel() {
        assert_eq!(std::mem::size_of::<Command>(), 72);
        assert_eq!(std::mem::offset_of!(Command, addr), 24);
        assert_eq!(std::mem::offset_of!(Command, cdw10), 40);
        assert_eq!(NVME_IOCTL_ADMIN_CMD, 0xc048_4e41);
    }

    #[test]
    fn what_is_no_controller_refuses() {
        let null = std::fs::File::open("/dev/null").expect("every machine has it");
        let mut answer = [0; 512];
        assert_eq!(ask(&null, Question::LogPage { lid: 2 }, &mut answer), Err(Refused::Kernel(Errno::NOTTY)));
        assert_eq!(ask(&null, Question::LogPage { lid: 2 }, &mut answer[..3]), Err(Refused::Kernel(Errno::INVAL)));
        assert_eq!(ask(&null, Question::Events { context: Context::Release, from: 0 }, &mut answer), Err(Refused::Kernel(Errno::NOTTY)));
    }
}
