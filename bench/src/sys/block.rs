//! Operations on files and block devices as entries of a ring. Invariant: an entry refers to the buffer that it was given and to no other memory; whoever
//! pushes it keeps that alive (see `ring.rs`).

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileTypeExt as _;

use io_uring::types::{Fixed, FsyncFlags};
use io_uring::{cqueue, opcode, squeue};

use super::ring::{Encoded, Encoding};
use crate::engine::{Op, OpKind};

/// `BLOCK_URING_CMD_DISCARD` (linux/blkdev.h, 6.12): `_IO(0x12, 0)`.
const DISCARD: u32 = 0x1200;
/// `BLKDISCARD` (linux/fs.h): `_IO(0x12, 119)`.
const BLKDISCARD: libc::Ioctl = 0x1277;

/// How a target is told what is not needed any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trims {
    /// A hole is punched into a file.
    Hole,
    /// A command of the ring to a block device, of 6.12.
    Command,
    /// ioctl(BLKDISCARD), which waits: an older kernel, and as fio does it.
    Ioctl,
}

/// Reads, writes, trims and flushes of one file or block device.
pub(crate) struct Block {
    file: File,
    trims: Trims,
}

impl Block {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        let trims = match file.metadata()?.file_type().is_block_device() {
            false => Trims::Hole,
            true if knows_discard() => Trims::Command,
            true => Trims::Ioctl,
        };
        Ok(Self { file, trims })
    }

    // The longer way of a trim.
    fn discard(&self, op: &Op) -> Result<u32, i32> {
        let range = [op.offset, u64::from(op.bytes)];
        // SAFETY: the file is open, and the argument points to the two numbers that BLKDISCARD reads.
        let answer = unsafe { libc::ioctl(self.file.as_raw_fd(), BLKDISCARD, range.as_ptr()) };
        if answer == 0 { Ok(op.bytes) } else { Err(io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO)) }
    }
}

fn knows_discard() -> bool {
    let name = rustix::system::uname();
    let mut numbers = name.release().to_str().unwrap_or("").split(['.', '-']).map_while(|part| part.parse::<u32>().ok());
    (numbers.next(), numbers.next()) >= (Some(6), Some(12))
}

impl Encoding for Block {
    type Submission = squeue::Entry;
    type Completed = cqueue::Entry;

    fn file(&self) -> &File {
        &self.file
    }

    fn encode(&self, op: &Op, buffer: *mut u8, fixed: Option<u16>) -> Encoded<squeue::Entry> {
        let file = Fixed(0);
        let flags = if op.kind == OpKind::WriteFua { libc::RWF_DSYNC } else { 0 };
        let entry = match (op.kind, fixed) {
            (OpKind::Read, Some(fixed)) => opcode::ReadFixed::new(file, buffer, op.bytes, fixed).offset(op.offset).build(),
            (OpKind::Read, None) => opcode::Read::new(file, buffer, op.bytes).offset(op.offset).build(),
            (OpKind::Write | OpKind::WriteFua, Some(fixed)) => {
                opcode::WriteFixed::new(file, buffer, op.bytes, fixed).offset(op.offset).rw_flags(flags).build()
            }
            (OpKind::Write | OpKind::WriteFua, None) => opcode::Write::new(file, buffer, op.bytes).offset(op.offset).rw_flags(flags).build(),
            (OpKind::Trim, _) => match self.trims {
                Trims::Ioctl => return Encoded::Done(self.discard(op)),
                Trims::Command => {
                    let mut command = [0; 16];
                    command[..8].copy_from_slice(&u64::from(op.bytes).to_le_bytes());
                    opcode::UringCmd16::new(file, DISCARD).cmd(command).addr(Some(op.offset)).build()
                }
                Trims::Hole => {
                    let hole = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
                    opcode::Fallocate::new(file, op.bytes.into()).offset(op.offset).mode(hole).build()
                }
            },
            (OpKind::Flush, _) => opcode::Fsync::new(file).flags(FsyncFlags::DATASYNC).build(),
        };
        Encoded::Entry(entry.user_data(u64::from(op.slot)))
    }

    fn answer(&mut self, op: &Op, result: i32) -> Result<u32, i32> {
        match (u32::try_from(result), op.kind) {
            // A trim says 0 for all of it.
            (Ok(0), OpKind::Trim) => Ok(op.bytes),
            (Ok(moved), _) => Ok(moved),
            // The command is not built in, or not for this device; whether there is discard at all the longer way says.
            (Err(_), OpKind::Trim) if self.trims == Trims::Command && matches!(-result, libc::EOPNOTSUPP | libc::EINVAL | libc::ENOTTY) => {
                self.trims = Trims::Ioctl;
                self.discard(op)
            }
            (Err(_), _) => Err(result.saturating_neg()),
        }
    }

    fn polls(kind: OpKind) -> bool {
        match kind {
            OpKind::Read | OpKind::Write | OpKind::WriteFua => true,
            OpKind::Trim | OpKind::Flush => false,
        }
    }
}
