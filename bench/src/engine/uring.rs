//! The engines `uring` and `uring_cmd`: reads, writes, trims and flushes on an open file or block device through io_uring (`sys/ring.rs`), with O_DIRECT
//! or as NVMe commands past the block layer. They write only with a [`WriteLeave`], and touch no byte outside of it. Opening the target and making sure
//! that nothing is lost is left to whoever gives the leave.

use std::fs::File;
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_getfl};

use crate::engine::{Completion, Lane, Op, OpKind, PATIENCE};
use crate::error::EngineError;
use crate::job::Span;
use crate::sys::block::Block;
use crate::sys::nvme::Namespace;
use crate::sys::ring::{Buffering, Kernel, Polling, Queue, Ring};

/// How long the trial of polling waits for one read.
const TRIAL: Duration = Duration::from_secs(30);

/// Permission to write, given by whoever made sure that nothing is lost: a claim. Without one a lane only reads.
pub trait WriteLeave {
    /// The bytes that may be written.
    fn span(&self) -> Span;
}

/// The character device of an NVMe namespace, `/dev/ngXnY`, by which commands go past the block layer.
#[derive(Debug, Clone, Copy)]
pub struct Passthrough<'a> {
    /// Open for reading and, to write, for writing.
    pub device: &'a File,
    /// Namespace id; another one behind the device is an error.
    pub nsid: u32,
    /// log2 of the bytes of a logical block.
    pub lba_shift: u32,
}

/// How a lane goes about it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'a> {
    /// The lane's thread polls the device for completions (IOPOLL), for which the device needs poll queues. Only reads and writes can be.
    pub hipri: bool,
    /// A thread of the kernel polls for submissions (SQPOLL), for which a processor must be to spare.
    pub sqthread_poll: bool,
    /// NVMe commands instead of reads and writes of the file.
    pub passthrough: Option<Passthrough<'a>>,
}

/// A lane on a file or block device.
pub struct Uring {
    ring: Box<dyn Queue>,
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
    pub fn open(file: &File, target: &str, bs: u32, iodepth: u32, leave: Option<&dyn WriteLeave>, options: Options<'_>) -> Result<Self, EngineError> {
        Self::open_as(file, target, bs, iodepth, leave, options, Kernel::ALL, Buffering::Registered)
    }

    // What `open` does on a kernel of `kernels`; tests walk through the older ones.
    #[allow(clippy::too_many_arguments, reason = "those of open and two for tests")]
    pub(crate) fn open_as(
        file: &File,
        target: &str,
        bs: u32,
        iodepth: u32,
        leave: Option<&dyn WriteLeave>,
        options: Options<'_>,
        kernels: &[Kernel],
        buffering: Buffering,
    ) -> Result<Self, EngineError> {
        let setup = |act| move |source| EngineError::Setup { act, target: target.to_owned(), source };
        let flags = fcntl_getfl(file).map_err(|error| setup("read the flags of the open file")(error.into()))?;
        if !flags.contains(OFlags::DIRECT) {
            let why = "it is not open with O_DIRECT: the page cache would be measured".to_owned();
            return Err(EngineError::Job { rw: "operations", target: target.to_owned(), why });
        }
        let polling = Polling { completions: options.hipri, submissions: options.sqthread_poll };
        let ring: Box<dyn Queue> = match options.passthrough {
            None => {
                let file = file.try_clone().map_err(setup("duplicate the file descriptor"))?;
                let block = Block::new(file).map_err(setup("look at the open file"))?;
                Box::new(Ring::new(block, bs, iodepth, kernels, polling, buffering).map_err(setup("set up io_uring"))?)
            }
            Some(Passthrough { device, nsid, lba_shift }) => {
                let device = device.try_clone().map_err(setup("duplicate the file descriptor"))?;
                let namespace = Namespace::new(device, nsid, lba_shift).map_err(setup("identify the NVMe namespace of the character device"))?;
                Box::new(Ring::new(namespace, bs, iodepth, kernels, polling, buffering).map_err(setup("set up io_uring for NVMe commands"))?)
            }
        };
        let mut lane = Self { ring, target: target.to_owned(), writable: leave.map(WriteLeave::span) };
        if options.hipri {
            lane.polls(leave.map_or(0, |leave| leave.span().start))?;
        }
        Ok(lane)
    }

    // One read: a device without poll queues says so only when it is asked to poll.
    fn polls(&mut self, offset: u64) -> Result<(), EngineError> {
        let op = Op { slot: 0, kind: OpKind::Read, offset, bytes: self.ring.block_size() };
        let mut done = Vec::new();
        self.submit(&[op])?;
        let begin = Instant::now();
        while done.is_empty() {
            if begin.elapsed() > TRIAL {
                return Err(EngineError::Stalled { target: self.target.clone(), in_flight: 1, waited: TRIAL });
            }
            self.reap(PATIENCE, &mut done)?;
        }
        match done.first().map(|completion| completion.result) {
            Some(Err(libc::EOPNOTSUPP | libc::EINVAL)) => {
                let why = "it has no poll queues (nvme.poll_queues=N on the kernel's command line makes them)".to_owned();
                Err(EngineError::NotConfigured { what: "hipri", target: self.target.clone(), why })
            }
            // What else is wrong with it the job will say.
            _ => Ok(()),
        }
    }

    /// What the kernel granted, for people: `io_uring of 6.1 (SINGLE_ISSUER, DEFER_TASKRUN), registered buffers in 4 KiB pages`.
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
        Ok(self.ring.push(ops))
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        self.ring.commit().map_err(|source| EngineError::Ring { act: "submit operations", target: self.target.clone(), source })
    }

    fn reap(&mut self, patience: Duration, done: &mut Vec<Completion>) -> Result<(), EngineError> {
        self.ring.wait(patience, done).map_err(|source| EngineError::Ring { act: "wait for completions", target: self.target.clone(), source })
    }
}
