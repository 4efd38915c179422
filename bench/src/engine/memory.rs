//! A target in memory, for selftests: it does at once what it is asked, and can be spoiled by [`super::faulty`].

use std::time::Duration;

use crate::engine::{Completion, Lane, Op, OpKind};
use crate::error::EngineError;

/// A lane over bytes of its own.
pub struct Memory {
    bytes: Vec<u8>,
    bs: u32,
    buffers: Vec<u8>,
    done: Vec<Completion>,
}

impl Memory {
    /// A target of `size` zeroes, and `iodepth` buffers of `bs` bytes.
    pub fn new(size: u64, bs: u32, iodepth: u32) -> Self {
        let fits = |bytes: u64| usize::try_from(bytes).expect("a target that fits into memory");
        Self { bytes: vec![0; fits(size)], bs, buffers: vec![0; fits(u64::from(bs) * u64::from(iodepth))], done: Vec::new() }
    }

    fn done(&mut self, op: &Op) -> Result<u32, i32> {
        let (at, length) = (usize::try_from(op.offset).unwrap_or(usize::MAX), usize::try_from(op.bytes).unwrap_or(usize::MAX));
        let slot = usize::try_from(op.slot).expect("a slot fits") * usize::try_from(self.bs).expect("a block fits");
        let place = at.checked_add(length).and_then(|end| self.bytes.get_mut(at..end)).ok_or(libc::EINVAL)?;
        let buffer = &mut self.buffers[slot..slot + length];
        match op.kind {
            OpKind::Read => buffer.copy_from_slice(place),
            OpKind::Write | OpKind::WriteFua => place.copy_from_slice(buffer),
            OpKind::Trim => place.fill(0),
            OpKind::Flush => {}
        }
        Ok(op.bytes)
    }
}

impl Lane for Memory {
    fn target(&self) -> &str {
        "memory"
    }

    fn slots(&self) -> u32 {
        u32::try_from(self.buffers.len()).expect("few buffers") / self.bs
    }

    fn block_size(&self) -> u32 {
        self.bs
    }

    fn buffer(&mut self, slot: u32) -> &mut [u8] {
        let bs = usize::try_from(self.bs).expect("a block fits");
        let at = usize::try_from(slot).expect("a slot fits") * bs;
        &mut self.buffers[at..at + bs]
    }

    fn submit(&mut self, ops: &[Op]) -> Result<usize, EngineError> {
        for op in ops {
            let result = self.done(op);
            self.done.push(Completion { slot: op.slot, result });
        }
        Ok(ops.len())
    }

    fn reap(&mut self, _patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
        done.append(&mut self.done);
        Ok(())
    }
}
