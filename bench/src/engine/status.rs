//! Why an operation failed, for people: an errno, or a status of an NVMe controller where commands go past the block layer, which makes errnos of them.

use std::io;

/// Set in the error of an operation that is no errno but the status of an NVMe completion (NVM Express Base Specification 2.0, figure 94: code in bits
/// 0-7, its type in bits 8-10, do not retry in bit 14).
pub const NVME_STATUS: i32 = 1 << 24;

const NAMES: &[(i32, &str)] = &[
    (0x001, "Invalid Command Opcode"),
    (0x002, "Invalid Field in Command"),
    (0x004, "Data Transfer Error"),
    (0x005, "Commands Aborted due to Power Loss Notification"),
    (0x006, "Internal Error"),
    (0x007, "Command Abort Requested"),
    (0x008, "Command Aborted due to SQ Deletion"),
    (0x00b, "Invalid Namespace or Format"),
    (0x020, "Namespace is Write Protected"),
    (0x080, "LBA Out of Range"),
    (0x081, "Capacity Exceeded"),
    (0x082, "Namespace Not Ready"),
    (0x083, "Reservation Conflict"),
    (0x084, "Format In Progress"),
    (0x280, "Write Fault"),
    (0x281, "Unrecovered Read Error"),
    (0x282, "End-to-end Guard Check Error"),
    (0x283, "End-to-end Application Tag Check Error"),
    (0x284, "End-to-end Reference Tag Check Error"),
    (0x285, "Compare Failure"),
    (0x286, "Access Denied"),
    (0x287, "Deallocated or Unwritten Logical Block"),
    (0x371, "Command Aborted by Host"),
];

/// What an operation's error means.
pub fn describe_error(error: i32) -> String {
    if error < NVME_STATUS {
        return io::Error::from_raw_os_error(error).to_string();
    }
    let status = error & !NVME_STATUS;
    let code = status & 0x7ff;
    let name = NAMES.iter().find(|(known, _)| *known == code).map_or("no name in NVM Express 2.0", |(_, name)| name);
    let retry = if status & 0x4000 == 0 { "" } else { ", do not retry" };
    format!("NVMe status {code:#x} ({name}{retry})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errnos_and_statuses_have_their_names() {
        for (error, told) in [
            (libc::EIO, "Input/output error (os error 5)"),
            (NVME_STATUS | 0x281, "NVMe status 0x281 (Unrecovered Read Error)"),
            (NVME_STATUS | 0x4002, "NVMe status 0x2 (Invalid Field in Command, do not retry)"),
            (NVME_STATUS | 0x7c0, "NVMe status 0x7c0 (no name in NVM Express 2.0)"),
        ] {
            assert_eq!(describe_error(error), told);
        }
    }
}
