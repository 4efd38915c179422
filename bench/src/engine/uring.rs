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
    /// Bytes of a block of the target, where operations are counted in blocks; 1 otherwise.
    block: u64,
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
        let block = options.passthrough.map_or(1, |passthrough| 1 << passthrough.lba_shift);
        let span = leave.map_or(Span { start: 0, bytes: 0 }, WriteLeave::span);
        if let Some(bytes) = [u64::from(bs), span.start, span.bytes].into_iter().find(|bytes| !bytes.is_multiple_of(block)) {
            let why = format!("{bytes} bytes are no multiple of its blocks of {block} bytes");
            return Err(EngineError::Job { rw: "NVMe commands", target: target.to_owned(), why });
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
        let mut lane = Self { ring, target: target.to_owned(), writable: leave.map(WriteLeave::span), block };
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
        let is_whole = (op.offset | u64::from(op.bytes)) & (self.block - 1) == 0;
        is_whole && (!op.kind.changes() || self.writable.is_some_and(|span| op.offset >= span.start && end <= span.start.saturating_add(span.bytes)))
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
            let why = format!("{} bytes at {} are outside of what may be written, or no whole blocks of {} bytes", op.bytes, op.offset, self.block);
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::OpenOptionsExt as _;

    use super::*;

    struct Leave(Span);

    impl WriteLeave for Leave {
        fn span(&self) -> Span {
            self.0
        }
    }

    #[test]
    fn commands_that_are_no_whole_blocks_are_refused_before_anything_is_sent() {
        let folder = tempfile::tempdir_in("/dev/shm").expect("a folder");
        let direct = OFlags::DIRECT.bits().cast_signed();
        let file =
            File::options().read(true).write(true).create(true).truncate(true).custom_flags(direct).open(folder.path().join("x")).expect("opens");
        let refused = |bs: u32, span: Option<Span>| {
            let leave = span.map(Leave);
            let options = Options { passthrough: Some(Passthrough { device: &file, nsid: 1, lba_shift: 12 }), ..Options::default() };
            let opened = Uring::open(&file, "x", bs, 1, leave.as_ref().map(|leave| leave as &dyn WriteLeave), options);
            opened.err().map(|error| error.to_string()).unwrap_or_default()
        };
        for (bs, span) in [(512, None), (4096, Some(Span { start: 512, bytes: 4096 })), (4096, Some(Span { start: 4096, bytes: 6144 }))] {
            assert!(refused(bs, span).contains("no multiple of its blocks of 4096 bytes"), "{bs} {span:?}: {}", refused(bs, span));
        }
        // Whole blocks get as far as the question which namespace it is.
        assert!(refused(4096, Some(Span { start: 4096, bytes: 8192 })).contains("cannot identify the NVMe namespace"));
    }

    #[test]
    fn an_operation_within_a_block_is_refused() {
        let folder = tempfile::tempdir_in("/dev/shm").expect("a folder");
        let direct = OFlags::DIRECT.bits().cast_signed();
        let file =
            File::options().read(true).write(true).create(true).truncate(true).custom_flags(direct).open(folder.path().join("x")).expect("opens");
        let mut lane = Uring::open(&file, "x", 4096, 2, None, Options::default()).expect("opens");
        lane.block = 4096;
        let read = |offset, bytes| Op { slot: 0, kind: OpKind::Read, offset, bytes };
        for (offset, bytes, allowed) in [(4096, 4096, true), (4096, 512, false), (512, 4096, false), (0, 0, true)] {
            assert_eq!(lane.may(&read(offset, bytes)), allowed, "{offset} {bytes}");
        }
    }
}
