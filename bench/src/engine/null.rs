//! The `null` engine: every operation is complete as soon as it is submitted. Its rate is the harness floor that is printed beside every result.

use std::time::Duration;

use crate::engine::{Completion, Lane, Op};
use crate::error::EngineError;

/// A lane without a target.
pub struct Null {
    bs: u32,
    iodepth: u32,
    buffers: Vec<u8>,
    done: Vec<Completion>,
}

impl Null {
    /// A lane with `iodepth` buffers of `bs` bytes.
    pub fn new(bs: u32, iodepth: u32) -> Self {
        let bytes = usize::try_from(u64::from(bs) * u64::from(iodepth)).expect("buffers fit into memory");
        Self { bs, iodepth, buffers: vec![0; bytes], done: Vec::with_capacity(usize::try_from(iodepth).expect("a depth fits")) }
    }
}

impl Lane for Null {
    fn target(&self) -> &str {
        "the null engine"
    }

    fn slots(&self) -> u32 {
        self.iodepth
    }

    fn block_size(&self) -> u32 {
        self.bs
    }

    fn buffer(&mut self, slot: u32) -> &mut [u8] {
        let bs = usize::try_from(self.bs).expect("a block fits into memory");
        let at = usize::try_from(slot).expect("a slot fits") * bs;
        &mut self.buffers[at..at + bs]
    }

    fn submit(&mut self, ops: &[Op]) -> Result<usize, EngineError> {
        self.done.extend(ops.iter().map(|op| Completion { slot: op.slot, result: Ok(op.bytes) }));
        Ok(ops.len())
    }

    fn reap(&mut self, _patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
        done.append(&mut self.done);
        Ok(())
    }
}
