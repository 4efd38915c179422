//! Engines: who issues operations. Each is one file below `engine/` and one line in [`ENGINES`].

use std::time::Duration;

use crate::error::EngineError;

mod cluster;
pub mod faulty;
pub mod format;
pub mod memory;
pub mod null;
mod operations;
pub mod rados;
pub mod rbd;
pub mod sanitize;
pub mod status;
pub mod uring;

#[cfg(test)]
pub(crate) mod conformance;

/// How long a driver waits for completions at most; lanes may prepare for waits of this length.
pub(crate) const PATIENCE: Duration = Duration::from_millis(20);

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpKind {
    /// Fills the front of the buffer from the target.
    Read,
    /// Writes the front of the buffer to the target.
    Write,
    /// The same, complete only when it is on the medium (Force Unit Access).
    WriteFua,
    /// Tells the target that the bytes are not needed any more.
    Trim,
    /// Complete when all writes that were completed before are on the medium; offset and bytes are 0.
    Flush,
}

impl OpKind {
    /// Whether bytes of the target may be others afterwards.
    pub fn changes(self) -> bool {
        match self {
            OpKind::Write | OpKind::WriteFua | OpKind::Trim => true,
            OpKind::Read | OpKind::Flush => false,
        }
    }
}

/// One operation. The slot names the buffer, and comes back with the completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Op {
    /// Buffer, 0 up to the lane's number of slots.
    pub slot: u32,
    /// What it does.
    pub kind: OpKind,
    /// Byte offset on the target.
    pub offset: u64,
    /// Bytes from there, at most the lane's block size; 0 of a flush.
    pub bytes: u32,
}

/// One finished operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Completion {
    /// The slot of the operation.
    pub slot: u32,
    /// Bytes moved (of a trim its length, of a flush 0), or the error as [`status::describe_error`] takes it.
    pub result: Result<u32, i32>,
}

/// Issues operations and reaps completions. It never looks at a clock: the driver does.
pub trait Lane {
    /// The target, for messages.
    fn target(&self) -> &str;

    /// Buffers, at least as many as operations may be out. With spare ones a read is verified while the next operations are already out.
    fn slots(&self) -> u32;

    /// Bytes of the largest operation: as long as every buffer.
    fn block_size(&self) -> u32;

    /// The buffer of a slot, `block_size` long. Only while no operation of that slot is out.
    fn buffer(&mut self, slot: u32) -> &mut [u8];

    /// Takes operations from the front of `ops` and says how many; the driver offers the others again. They start with the next `commit` or `reap` at the
    /// latest.
    fn submit(&mut self, ops: &[Op]) -> Result<usize, EngineError>;

    /// Starts what was taken: before something else is done, while the target works. Without such a need `reap` does both in one.
    fn commit(&mut self) -> Result<(), EngineError> {
        Ok(())
    }

    /// Adds finished operations to `done`; waits for at least one of them, or until `patience` is over.
    fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError>;
}

/// An engine as the user sees it.
#[derive(Debug, Clone, Copy)]
pub struct EngineEntry {
    /// Its name in scenarios.
    pub name: &'static str,
    /// What it does.
    pub work: Work,
    /// One sentence.
    pub describe: &'static str,
    /// What it needs.
    pub needs: &'static str,
}

/// What an engine does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Single operations through a [`Lane`]; the conformance suite opens one.
    Operations,
    /// Iterations of a kernel, below `kernel/`.
    Iterations,
}

/// All engines and kernels.
pub const ENGINES: &[EngineEntry] = &[
    EngineEntry {
        name: "null",
        work: Work::Operations,
        describe: "Completes every operation at once: what the harness itself can do",
        needs: "nothing",
    },
    EngineEntry {
        name: "uring",
        work: Work::Operations,
        describe: "io_uring with O_DIRECT, registered buffers and a registered file, on a file or block device",
        needs: "Linux 5.13 or later, 6.1 for its best; io_uring not disabled by sysctl; memory to lock, else buffers stay unregistered",
    },
    EngineEntry {
        name: "uring_cmd",
        work: Work::Operations,
        describe: "NVMe commands through io_uring and the character device of a namespace, past the block layer",
        needs: "Linux 5.19 or later, 6.1 for its best; an NVMe drive with /dev/ngXnY",
    },
    EngineEntry {
        name: "rbd",
        work: Work::Operations,
        describe: "An image of a Ceph cluster through librbd, past the kernel",
        needs: "librados2 and librbd1, which are loaded when they are needed; a configuration and a key as for the command `rbd`",
    },
    EngineEntry {
        name: "rados",
        work: Work::Operations,
        describe: "Objects of a Ceph cluster through librados, without images: what `[[step.ceph]]` measures with, on all nodes at the same time",
        needs: "librados2, which is loaded when it is needed; a configuration and a key as for the command `rados`",
    },
    EngineEntry {
        name: "triad",
        work: Work::Iterations,
        describe: "STREAM triad a[i] = b[i] + s * c[i], pinned per NUMA node, results compared",
        needs: "memory for three arrays per node",
    },
];
