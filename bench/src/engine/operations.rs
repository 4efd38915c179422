//! A lane on what a library of Ceph reads and writes, with completions called back (`sys/operations.rs`). It writes only with a [`WriteLeave`], and touches no byte outside of it.

use std::sync::Arc;
use std::time::Duration;

use crate::engine::uring::WriteLeave;
use crate::engine::{Completion, Lane, Op};
use crate::error::EngineError;
use crate::job::Span;
use crate::sys::operations::{Operations, Target};

pub(super) struct OperationsLane<T: Target> {
    operations: Operations<T>,
    target: String,
    writable: Option<Span>,
}

impl<T: Target> OperationsLane<T> {
    pub(super) fn new(on: Arc<T>, target: String, bs: u32, iodepth: u32, leave: Option<&dyn WriteLeave>) -> Result<Self, EngineError> {
        let operations = Operations::new(on, bs, iodepth);
        let operations = operations.map_err(|source| EngineError::Setup { act: "make buffers", target: target.clone(), source })?;
        Ok(Self { operations, target, writable: leave.map(WriteLeave::span) })
    }

    fn may(&self, op: &Op) -> bool {
        let end = op.offset.saturating_add(op.bytes.into());
        !op.kind.changes() || self.writable.is_some_and(|span| op.offset >= span.start && end <= span.start.saturating_add(span.bytes))
    }
}

impl<T: Target> Lane for OperationsLane<T> {
    fn target(&self) -> &str {
        &self.target
    }

    fn slots(&self) -> u32 {
        self.operations.slots()
    }

    fn block_size(&self) -> u32 {
        self.operations.block_size()
    }

    fn buffer(&mut self, slot: u32) -> &mut [u8] {
        self.operations.buffer(slot)
    }

    fn submit(&mut self, ops: &[Op]) -> Result<usize, EngineError> {
        if let Some(op) = ops.iter().find(|op| !self.may(op)) {
            let why = format!("{} bytes at {} are outside of what may be written", op.bytes, op.offset);
            return Err(EngineError::Job { rw: "write", target: self.target.clone(), why });
        }
        for op in ops {
            self.operations.begin(op);
        }
        Ok(ops.len())
    }

    fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
        self.operations.wait(patience, done);
        Ok(())
    }
}
