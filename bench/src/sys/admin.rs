//! `NVME_IOCTL_ADMIN_CMD` (`linux/nvme_ioctl.h`) on the character device of a namespace: Identify, Format NVM and Sanitize, which erase it, and
//! the state of the latter. Another opcode cannot be expressed here.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

/// Bytes of every data structure of Identify.
pub(crate) const IDENTIFY_BYTES: usize = 4096;

/// What a controller is told or asked.
#[derive(Debug)]
pub(crate) enum Command<'a> {
    /// Identify: the data structure of that number (CNS).
    Identify { cns: u8, nsid: u32, answer: &'a mut [u8; IDENTIFY_BYTES] },
    /// Format NVM of that namespace, as dword 10 says.
    Format { nsid: u32, how: u32, timeout: Duration },
    /// Sanitize by that action; the drive works on it by itself after the answer.
    Sanitize { action: u8 },
    /// Log page Sanitize Status.
    SanitizeStatus { answer: &'a mut [u8; SANITIZE_STATUS_BYTES] },
}

/// Bytes of the log page Sanitize Status that are asked for.
pub(crate) const SANITIZE_STATUS_BYTES: usize = 512;

const GET_LOG_PAGE: u8 = 0x02;
const SANITIZE_STATUS: u32 = 0x81;
/// All namespaces: the log page speaks of the whole drive.
const NSID_ALL: u32 = 0xffff_ffff;
const SANITIZE: u8 = 0x84;

const FORMAT_NVM: u8 = 0x80;
const IDENTIFY: u8 = 0x06;
/// Status code type and status code, without "more" and "do not retry".
const STATUS: i32 = 0x7ff;

/// `struct nvme_passthru_cmd`.
#[repr(C)]
#[derive(Debug, Default)]
struct Passthru {
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
    timeout_ms: u32,
    result: u32,
}

const NVME_IOCTL_ADMIN_CMD: libc::Ioctl = (3 << 30) | ((size_of::<Passthru>() as libc::Ioctl) << 16) | (0x4e << 8) | 0x41;

/// Hands a command to the controller of a namespace and waits for its answer; a status other than success is an error.
pub(crate) fn submit(namespace: &File, command: Command<'_>) -> io::Result<()> {
    let mut passthru = match command {
        Command::Identify { cns, nsid, answer } => Passthru {
            opcode: IDENTIFY,
            nsid,
            cdw10: cns.into(),
            addr: answer.as_mut_ptr().expose_provenance() as u64,
            data_len: u32::try_from(answer.len()).expect("a page"),
            ..Passthru::default()
        },
        Command::Format { nsid, how, timeout } => {
            let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
            Passthru { opcode: FORMAT_NVM, nsid, cdw10: how, timeout_ms, ..Passthru::default() }
        }
        // Restricted: a failure leaves the drive locked until another sanitize succeeds, and so does not pass for a success.
        Command::Sanitize { action } => Passthru { opcode: SANITIZE, cdw10: u32::from(action & 0b111), ..Passthru::default() },
        Command::SanitizeStatus { answer } => Passthru {
            opcode: GET_LOG_PAGE,
            nsid: NSID_ALL,
            // Dwords less one.
            cdw10: SANITIZE_STATUS | (u32::try_from(answer.len() / 4 - 1).expect("a page") << 16),
            addr: answer.as_mut_ptr().expose_provenance() as u64,
            data_len: u32::try_from(answer.len()).expect("a page"),
            ..Passthru::default()
        },
    };
    // SAFETY: the opcode is that of this structure, which is laid out like the kernel's. `addr` and `data_len` name a live buffer that was exclusively
    // borrowed for the call, to which Identify and Get Log Page transfer just so many bytes; Format NVM and Sanitize transfer none, and have none.
    let status = unsafe { libc::ioctl(namespace.as_raw_fd(), NVME_IOCTL_ADMIN_CMD, &raw mut passthru) };
    match status {
        0 => Ok(()),
        status if status < 0 => Err(io::Error::last_os_error()),
        status => Err(io::Error::other(format!("the controller answered with status {:#x}", status & STATUS))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_the_kernels() {
        // As <linux/nvme_ioctl.h> gives it on x86-64 and on arm64.
        assert_eq!((NVME_IOCTL_ADMIN_CMD, size_of::<Passthru>()), (0xc048_4e41, 72));
    }
}
