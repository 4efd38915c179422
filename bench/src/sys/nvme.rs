//! Operations as NVMe commands (`struct nvme_uring_cmd` of linux/nvme_ioctl.h in a 128-byte entry; NVM Command Set Specification 1.0, section 3).
//! Invariant: a command points to the buffer that it was given and to no other memory; whoever pushes it keeps that alive (see `ring.rs`).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

use io_uring::types::Fixed;
use io_uring::{cqueue, opcode, squeue};

use super::admin::{self, Command, IDENTIFY_BYTES};
use super::ring::{Encoded, Encoding};
use crate::engine::status::NVME_STATUS;
use crate::engine::{Op, OpKind};

/// `NVME_URING_CMD_IO`: `_IOWR('N', 0x80, struct nvme_uring_cmd)`, of 72 bytes.
const NVME_URING_CMD_IO: u32 = (3 << 30) | (72 << 16) | (0x4e << 8) | 0x80;
/// `NVME_IOCTL_ID`: `_IO('N', 0x40)`, answers the namespace id.
const NVME_IOCTL_ID: libc::Ioctl = (0x4e << 8) | 0x40;

const FLUSH: u8 = 0x00;
const WRITE: u8 = 0x01;
const READ: u8 = 0x02;
const DATASET_MANAGEMENT: u8 = 0x09;
/// Force Unit Access, of dword 12.
const FUA: u32 = 1 << 30;
/// Attribute Deallocate, of dword 11 of Dataset Management.
const DEALLOCATE: u32 = 1 << 2;
/// Bytes of one range of Dataset Management.
const RANGE: usize = 16;

/// The commands of one namespace.
pub(crate) struct Namespace {
    file: File,
    nsid: u32,
    lba_shift: u32,
}

/// Whether a character device is that of namespace `nsid`; the error says what else it is.
pub(crate) fn is_namespace(file: &File, nsid: u32) -> io::Result<()> {
    // SAFETY: the request takes no argument and touches no memory of ours.
    let answer = unsafe { libc::ioctl(file.as_raw_fd(), NVME_IOCTL_ID) };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    if u32::try_from(answer) != Ok(nsid) {
        return Err(io::Error::other(format!("it is namespace {answer}, not {nsid}")));
    }
    Ok(())
}

impl Namespace {
    /// A namespace by its character device, with blocks of 2^`lba_shift` bytes and without metadata; the error says what else it is.
    pub(crate) fn new(file: File, nsid: u32, lba_shift: u32) -> io::Result<Self> {
        is_namespace(&file, nsid)?;
        let mut page = [0; IDENTIFY_BYTES];
        admin::submit(&file, Command::Identify { cns: IDENTIFY_NAMESPACE, nsid, answer: &mut page })?;
        fits(blocks(&page), lba_shift)?;
        Ok(Self { file, nsid, lba_shift })
    }
}

/// Identify, the data structure of a namespace.
const IDENTIFY_NAMESPACE: u8 = 0;

/// How a namespace is formatted: log2 of the bytes of its blocks, and bytes of metadata of each (NVM Command Set Specification 1.0, figures 97 and 98).
fn blocks(page: &[u8; IDENTIFY_BYTES]) -> (u32, u16) {
    let format = usize::from(page[26] & 0xf | (page[26] >> 5 & 0b11) << 4);
    let at = 128 + 4 * format;
    (page[at + 2].into(), u16::from_le_bytes([page[at], page[at + 1]]))
}

// A command of ours says how many bytes it moves, and has no place for metadata.
fn fits((shift, metadata): (u32, u16), lba_shift: u32) -> io::Result<()> {
    if metadata > 0 {
        return Err(io::Error::other(format!("each of its blocks has {metadata} bytes of metadata, which no command of assay carries")));
    }
    if shift != lba_shift {
        return Err(io::Error::other(format!("its blocks have 2^{shift} bytes, not 2^{lba_shift} as the kernel says")));
    }
    Ok(())
}

/// The 80 bytes that a command takes in an entry.
fn command(op: &Op, nsid: u32, lba_shift: u32, buffer: *mut u8) -> [u8; 80] {
    let first = op.offset >> lba_shift;
    // Zero-based; of a flush there are none.
    let last = (op.bytes >> lba_shift).saturating_sub(1);
    let (low, high) = (word(first & 0xffff_ffff), word(first >> 32));
    let (opcode, data, dwords): (u8, u32, [u32; 3]) = match op.kind {
        OpKind::Read => (READ, op.bytes, [low, high, last]),
        OpKind::Write => (WRITE, op.bytes, [low, high, last]),
        OpKind::WriteFua => (WRITE, op.bytes, [low, high, last | FUA]),
        OpKind::Trim => (DATASET_MANAGEMENT, 16, [0, DEALLOCATE, 0]),
        OpKind::Flush => (FLUSH, 0, [0, 0, 0]),
    };
    let address = if data == 0 { 0 } else { buffer.addr() as u64 };
    let mut bytes = [0; 80];
    let mut put = |at: usize, field: &[u8]| bytes[at..at + field.len()].copy_from_slice(field);
    put(0, &[opcode]);
    put(4, &nsid.to_ne_bytes());
    put(24, &address.to_ne_bytes());
    put(36, &data.to_ne_bytes());
    for (dword, at) in dwords.into_iter().zip([40, 44, 48]) {
        put(at, &dword.to_ne_bytes());
    }
    bytes
}

// The one range of a trim: attributes, length in blocks, first block; little-endian, as all that a controller reads.
fn range(op: &Op, lba_shift: u32) -> [u8; RANGE] {
    let mut range = [0; RANGE];
    range[4..8].copy_from_slice(&(op.bytes >> lba_shift).to_le_bytes());
    range[8..].copy_from_slice(&(op.offset >> lba_shift).to_le_bytes());
    range
}

fn word(number: u64) -> u32 {
    u32::try_from(number).expect("half of an LBA")
}

impl Encoding for Namespace {
    type Submission = squeue::Entry128;
    // The driver takes commands from rings of large entries and large completions only.
    type Completed = cqueue::Entry32;

    fn file(&self) -> &File {
        &self.file
    }

    fn encode(&self, op: &Op, buffer: *mut u8, fixed: Option<u16>) -> Encoded<squeue::Entry128> {
        if op.kind == OpKind::Trim {
            let range = range(op, self.lba_shift);
            // SAFETY: buffers are at least a sector long, and this slot's is not out yet.
            unsafe { std::ptr::copy_nonoverlapping(range.as_ptr(), buffer, RANGE) };
        }
        let fixed = fixed.filter(|_| op.kind != OpKind::Flush);
        let command = command(op, self.nsid, self.lba_shift, buffer);
        let entry = opcode::UringCmd80::new(Fixed(0), NVME_URING_CMD_IO).cmd(command).buf_index(fixed).build();
        Encoded::Entry(entry.user_data(u64::from(op.slot)))
    }

    fn answer(&mut self, op: &Op, result: i32) -> Result<u32, i32> {
        answer(op, result)
    }

    fn polls(_kind: OpKind) -> bool {
        true
    }
}

fn answer(op: &Op, result: i32) -> Result<u32, i32> {
    match result {
        0 => Ok(op.bytes),
        // A status of the controller, which has no errno.
        1.. => Err(NVME_STATUS | result),
        _ => Err(result.saturating_neg()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `struct nvme_uring_cmd` as the kernel's header has it.
    #[repr(C)]
    struct Kernel {
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
        rsvd2: u32,
    }

    fn as_the_kernel_sees_it(bytes: [u8; 80]) -> Kernel {
        assert_eq!(size_of::<Kernel>(), 72);
        // SAFETY: 80 bytes are more than the structure takes, and any bytes are one of its values.
        unsafe { std::ptr::read_unaligned(bytes.as_ptr().cast()) }
    }

    #[test]
    fn every_operation_is_the_command_that_the_kernels_structure_says() {
        let buffer = 0x1234_5678_9000_usize as *mut u8;
        let op = |kind, offset, bytes| Op { slot: 3, kind, offset, bytes };
        let far = (5_u64 << 32) + 7;
        let cases = [
            (op(OpKind::Read, 8192, 4096), 9, (0x02, 4096, [16, 0, 7])),
            (op(OpKind::Read, far << 12, 4096), 12, (0x02, 4096, [7, 5, 0])),
            (op(OpKind::Write, far << 9, 1 << 20), 9, (0x01, 1 << 20, [7, 5, 2047])),
            (op(OpKind::WriteFua, 4096, 512), 9, (0x01, 512, [8, 0, 1 << 30])),
            (op(OpKind::Trim, 4096, 8192), 12, (0x09, 16, [0, 4, 0])),
            (op(OpKind::Flush, 0, 0), 12, (0x00, 0, [0, 0, 0])),
        ];
        for (op, shift, (opcode, data_len, dwords)) in cases {
            let bytes = command(&op, 7, shift, buffer);
            assert!(bytes[72..].iter().all(|byte| *byte == 0));
            let seen = as_the_kernel_sees_it(bytes);
            assert_eq!((seen.opcode, seen.nsid, seen.data_len), (opcode, 7, data_len), "{op:?}");
            assert_eq!([seen.cdw10, seen.cdw11, seen.cdw12], dwords, "{op:?}");
            assert_eq!(seen.addr, if data_len == 0 { 0 } else { 0x1234_5678_9000 }, "{op:?}");
            let rest = [seen.cdw2, seen.cdw3, seen.cdw13, seen.cdw14, seen.cdw15, seen.timeout_ms, seen.rsvd2, seen.metadata_len];
            assert!(rest == [0; 8] && seen.metadata == 0 && seen.flags == 0 && seen.rsvd1 == 0, "{op:?}");
        }
        let trim = range(&op(OpKind::Trim, far << 12, 8192), 12);
        assert_eq!(trim, [0, 0, 0, 0, 2, 0, 0, 0, 7, 0, 0, 0, 5, 0, 0, 0]);
    }

    #[test]
    fn a_namespace_is_taken_as_it_is_formatted_and_not_with_metadata() {
        let mut page = [0; IDENTIFY_BYTES];
        // Format 18 (its high bits apart): 4 KiB with 8 bytes of metadata; format 0: 512 bytes.
        page[128..132].copy_from_slice(&[0, 0, 9, 0]);
        page[128 + 18 * 4..128 + 19 * 4].copy_from_slice(&[8, 0, 12, 0]);
        assert_eq!(blocks(&page), (9, 0));
        page[26] = 0b011_0010;
        assert_eq!(blocks(&page), (12, 8));
        for (format, lba_shift, says) in [((9, 0), 9, ""), ((12, 8), 12, "8 bytes of metadata"), ((12, 0), 9, "2^12")] {
            let said = fits(format, lba_shift).map_or_else(|error| error.to_string(), |()| String::new());
            assert!(said.contains(says) && said.is_empty() == says.is_empty(), "{said}");
        }
    }

    #[test]
    fn requests_have_the_numbers_of_the_header() {
        // gcc says so: printf("%#lx %#x", NVME_URING_CMD_IO, NVME_IOCTL_ID).
        assert_eq!((NVME_URING_CMD_IO, NVME_IOCTL_ID), (0xc048_4e80, 0x4e40));
    }

    #[test]
    fn a_status_of_the_controller_is_told_from_an_errno() {
        let op = Op { slot: 0, kind: OpKind::Read, offset: 0, bytes: 4096 };
        assert_eq!(answer(&op, 0), Ok(4096));
        assert_eq!(answer(&op, 0x281), Err(NVME_STATUS | 0x281));
        assert_eq!(answer(&op, -libc::EIO), Err(libc::EIO));
    }
}
