//! The `uring` engine: O_DIRECT reads and writes on an open file or block device through io_uring (`sys/ring.rs`). It writes only with a [`WriteLeave`],
//! and touches no byte outside of it. Opening the target and making sure that nothing is lost is left to whoever gives the leave.

use std::fs::File;
use std::time::Duration;

use rustix::fs::{OFlags, fcntl_getfl};

use crate::engine::{Completion, Lane, Op};
use crate::error::EngineError;
use crate::job::Span;
use crate::sys::ring::{Buffering, Kernel, Ring};

/// Permission to write, given by whoever made sure that nothing is lost: a claim. Without one a lane only reads.
pub trait WriteLeave {
    /// The bytes that may be written.
    fn span(&self) -> Span;
}

/// A lane on a file or block device.
pub struct Uring {
    ring: Ring,
    target: String,
    writable: Option<Span>,
}

impl Uring {
    /// Memory that the buffers of a lane take.
    pub fn footprint(bs: u64, iodepth: u32) -> u64 {
        crate::sys::ring::footprint(bs, iodepth)
    }

    /// A lane for `iodepth` operations of `bs` bytes on `file`, which the caller has opened with O_DIRECT, on the thread that will drive it. `target`
    /// names it in messages.
    pub fn open(file: &File, target: &str, bs: u32, iodepth: u32, leave: Option<&dyn WriteLeave>) -> Result<Self, EngineError> {
        Self::open_as(file, target, bs, iodepth, leave, Kernel::ALL, Buffering::Registered)
    }

    // What `open` does on a kernel of `kernels`; tests walk through the older ones.
    pub(crate) fn open_as(
        file: &File,
        target: &str,
        bs: u32,
        iodepth: u32,
        leave: Option<&dyn WriteLeave>,
        kernels: &[Kernel],
        buffering: Buffering,
    ) -> Result<Self, EngineError> {
        let setup = |act| move |source| EngineError::Setup { act, target: target.to_owned(), source };
        let flags = fcntl_getfl(file).map_err(|error| setup("read the flags of the open file")(error.into()))?;
        if !flags.contains(OFlags::DIRECT) {
            let why = "it is not open with O_DIRECT: the page cache would be measured".to_owned();
            return Err(EngineError::Job { rw: "operations", target: target.to_owned(), why });
        }
        let file = file.try_clone().map_err(setup("duplicate the file descriptor"))?;
        let ring = Ring::new(file, bs, iodepth, kernels, buffering).map_err(setup("set up io_uring"))?;
        Ok(Self { ring, target: target.to_owned(), writable: leave.map(WriteLeave::span) })
    }

    /// What the kernel granted, for people: `io_uring (6.1), registered buffers`.
    pub fn describe(&self) -> String {
        self.ring.describe()
    }

    fn may(&self, op: &Op) -> bool {
        let end = op.offset.saturating_add(op.bytes.into());
        !op.kind.changes() || self.writable.is_some_and(|span| op.offset >= span.start && end <= span.start.saturating_add(span.bytes))
    }
}

impl Lane for Uring {
    fn target(&self) -> &str {
        &self.target
    }

    fn slots(&self) -> u32 {
        self.ring.slots()
    }

    fn block_size(&self) -> u32 {
        self.ring.block_size()
    }

    fn buffer(&mut self, slot: u32) -> &mut [u8] {
        self.ring.buffer(slot)
    }

    fn submit(&mut self, ops: &[Op]) -> Result<usize, EngineError> {
        if let Some(op) = ops.iter().find(|op| !self.may(op)) {
            let why = format!("{} bytes at {} are outside of what may be written", op.bytes, op.offset);
            return Err(EngineError::Job { rw: "write", target: self.target.clone(), why });
        }
        self.ring.push(ops).map_err(|source| EngineError::Ring { act: "submit operations", target: self.target.clone(), source })
    }

    fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
        self.ring.wait(patience, done).map_err(|source| EngineError::Ring { act: "wait for completions", target: self.target.clone(), source })
    }
}
