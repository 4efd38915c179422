//! Operations on files and block devices as entries of a ring. Invariant: an entry refers to the buffer that it was given and to no other memory; whoever
//! pushes it keeps that alive (see `ring.rs`).

use io_uring::opcode;
use io_uring::squeue::Entry;
use io_uring::types::{Fixed, FsyncFlags};

use crate::engine::{Op, OpKind};

/// `BLOCK_URING_CMD_DISCARD` (linux/blkdev.h, 6.12): `_IO(0x12, 0)`.
const DISCARD: u32 = 0x1200;

/// The entry of one operation; `fixed` is the number of the registered buffer.
pub(super) fn entry(op: &Op, buffer: *mut u8, fixed: Option<u16>, is_device: bool) -> Entry {
    let file = Fixed(0);
    let flags = if op.kind == OpKind::WriteFua { libc::RWF_DSYNC } else { 0 };
    match (op.kind, fixed) {
        (OpKind::Read, Some(fixed)) => opcode::ReadFixed::new(file, buffer, op.bytes, fixed).offset(op.offset).build(),
        (OpKind::Read, None) => opcode::Read::new(file, buffer, op.bytes).offset(op.offset).build(),
        (OpKind::Write | OpKind::WriteFua, Some(fixed)) => {
            opcode::WriteFixed::new(file, buffer, op.bytes, fixed).offset(op.offset).rw_flags(flags).build()
        }
        (OpKind::Write | OpKind::WriteFua, None) => opcode::Write::new(file, buffer, op.bytes).offset(op.offset).rw_flags(flags).build(),
        (OpKind::Trim, _) if is_device => {
            let mut command = [0; 16];
            command[..8].copy_from_slice(&u64::from(op.bytes).to_le_bytes());
            opcode::UringCmd16::new(file, DISCARD).cmd(command).addr(Some(op.offset)).build()
        }
        (OpKind::Trim, _) => {
            let hole = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
            opcode::Fallocate::new(file, op.bytes.into()).offset(op.offset).mode(hole).build()
        }
        (OpKind::Flush, _) => opcode::Fsync::new(file).flags(FsyncFlags::DATASYNC).build(),
    }
}
