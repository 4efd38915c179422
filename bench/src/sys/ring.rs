//! An io_uring with registered buffers and one registered file. Invariant: a buffer that the kernel may touch is neither handed out nor freed before its
//! operation has completed; when a target never completes, ring and buffers are leaked rather than freed under the kernel's hands.

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileTypeExt as _;
use std::time::{Duration, Instant};

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, opcode};

use super::block;
use super::buffers::Buffers;
use crate::engine::{Completion, Op, OpKind, PATIENCE};

/// Marks the completion of the timeout that ends a wait.
const ALARM: u64 = u64::MAX;
/// How long a drop waits for operations that are out before it leaks them.
const DRAIN: Duration = Duration::from_secs(2);

/// How much of io_uring a kernel knows, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kernel {
    /// 6.1: completions are worked off when the ring's one thread waits, and only then.
    V6_1,
    /// 5.19: no interrupt of the thread for a completion.
    V5_19,
    /// Before that.
    Older,
}

impl Kernel {
    pub(crate) const ALL: &[Self] = &[Self::V6_1, Self::V5_19, Self::Older];

    fn build(self, entries: u32) -> io::Result<IoUring> {
        let mut builder = IoUring::builder();
        match self {
            Self::V6_1 => builder.setup_single_issuer().setup_defer_taskrun().setup_coop_taskrun(),
            Self::V5_19 => builder.setup_coop_taskrun(),
            Self::Older => &mut builder,
        };
        builder.build(entries)
    }

    fn name(self) -> &'static str {
        match self {
            Self::V6_1 => "io_uring of 6.1 (SINGLE_ISSUER, DEFER_TASKRUN)",
            Self::V5_19 => "io_uring of 5.19 (COOP_TASKRUN)",
            Self::Older => "io_uring without flags",
        }
    }
}

/// How the kernel gets at the buffers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Buffering {
    /// Pinned once.
    Registered,
    /// Pinned for every operation: where RLIMIT_MEMLOCK, which binds whoever is not root, does not allow more.
    PerOperation,
}

/// Buffers for each operation that may be out: while one is verified, the other is at the kernel.
const BUFFERS_PER_OPERATION: usize = 2;

/// Memory that the buffers of a ring take.
pub(crate) fn footprint(bs: u64, iodepth: u32) -> u64 {
    bs * u64::from(iodepth) * BUFFERS_PER_OPERATION as u64
}

/// A ring that reads and writes one file.
pub(crate) struct Ring {
    ring: ManuallyDrop<IoUring>,
    buffers: ManuallyDrop<Buffers>,
    // The registered file stays open with the ring.
    _file: File,
    bs: u32,
    kernel: Kernel,
    buffering: Buffering,
    out: Vec<bool>,
    // Bytes of the trim that is out in a slot.
    trims: Vec<u32>,
    is_device: bool,
    in_flight: usize,
    // One timeout operation is kept out instead of a timer for every wait, which costs 5-10 % at 100 000 operations per second.
    alarm: Box<Timespec>,
    alarm_is_out: bool,
}

impl Ring {
    /// Sets up a ring for `iodepth` operations of `bs` bytes on `file`, with twice as many buffers, as the first of `kernels` that this one knows, and
    /// with registered buffers if wanted and allowed.
    pub(crate) fn new(file: File, bs: u32, iodepth: u32, kernels: &[Kernel], wanted: Buffering) -> io::Result<Self> {
        let is_device = file.metadata()?.file_type().is_block_device();
        let slots = usize::try_from(iodepth).map_err(io::Error::other)? * BUFFERS_PER_OPERATION;
        let buffers = Buffers::new(usize::try_from(bs).map_err(io::Error::other)?, slots)?;
        // One entry more for the alarm; what is too much for the kernel it says itself.
        let (kernel, ring) = build(kernels, iodepth.saturating_add(1).checked_next_power_of_two().unwrap_or(u32::MAX))?;
        let buffering = match wanted {
            Buffering::Registered => register(&ring, &buffers)?,
            Buffering::PerOperation => Buffering::PerOperation,
        };
        ring.submitter().register_files(&[file.as_raw_fd()])?;
        Ok(Self {
            ring: ManuallyDrop::new(ring),
            buffers: ManuallyDrop::new(buffers),
            _file: file,
            bs,
            kernel,
            buffering,
            out: vec![false; slots],
            trims: vec![0; slots],
            is_device,
            in_flight: 0,
            alarm: Box::new(Timespec::new()),
            alarm_is_out: false,
        })
    }

    /// What the kernel granted.
    pub(crate) fn describe(&self) -> String {
        let buffers = match self.buffering {
            Buffering::Registered => "registered buffers",
            Buffering::PerOperation => "buffers not registered",
        };
        format!("{}, {buffers}", self.kernel.name())
    }

    /// Number of buffers.
    pub(crate) fn slots(&self) -> u32 {
        u32::try_from(self.out.len()).expect("twice an iodepth that a ring holds")
    }

    /// Bytes of each buffer.
    pub(crate) fn block_size(&self) -> u32 {
        self.bs
    }

    /// The buffer of a slot.
    ///
    /// # Panics
    /// When an operation of that slot is out: the kernel may be writing into it.
    pub(crate) fn buffer(&mut self, slot: u32) -> &mut [u8] {
        let slot = index(slot);
        assert!(!self.out[slot], "the buffer of slot {slot} is the kernel's while its operation is out");
        self.buffers.slice(slot)
    }

    /// Hands operations to the kernel and says how many the ring had room for.
    pub(crate) fn push(&mut self, ops: &[Op]) -> io::Result<usize> {
        let mut taken = 0;
        let mut queue = self.ring.submission();
        for op in ops {
            let slot = index(op.slot);
            assert!(!self.out[slot], "slot {slot} is already out");
            assert!(op.bytes <= self.bs, "{} bytes for a buffer of {}", op.bytes, self.bs);
            let fixed = (self.buffering == Buffering::Registered).then(|| u16::try_from(op.slot).expect("a ring has at most 32768 slots"));
            let entry = block::entry(op, self.buffers.pointer(slot), fixed, self.is_device).user_data(u64::from(op.slot));
            // SAFETY: the entry points to at most bs bytes of a buffer of ours that is marked as out until its completion is reaped.
            if unsafe { queue.push(&entry) }.is_err() {
                break;
            }
            taken += 1;
            self.out[slot] = true;
            self.trims[slot] = if op.kind == OpKind::Trim { op.bytes } else { 0 };
            self.in_flight += 1;
        }
        drop(queue);
        // Before the wait and not with it: the device works while the driver verifies.
        tolerate(self.ring.submit())?;
        Ok(taken)
    }

    /// Submits what is still queued, waits for at least one completion or until about `patience` is over, and takes all completions.
    pub(crate) fn wait(&mut self, patience: Duration, done: &mut Vec<Completion>) -> io::Result<()> {
        if self.in_flight == 0 {
            return Ok(());
        }
        let wanted = usize::from(self.ring.completion().is_empty());
        // The usual wait ends by the alarm that is out anyway, at the latest; a shorter one has a timer of its own.
        if patience >= PATIENCE {
            self.set_alarm(patience);
            tolerate(self.ring.submit_and_wait(wanted))?;
        } else {
            // Also without any patience: completions are worked off only when they are asked for.
            let time = Timespec::from(patience);
            tolerate(self.ring.submitter().submit_with_args(wanted, &SubmitArgs::new().timespec(&time)))?;
        }
        for entry in self.ring.completion() {
            if entry.user_data() == ALARM {
                self.alarm_is_out = false;
                continue;
            }
            let slot = u32::try_from(entry.user_data()).expect("user data is a slot");
            self.out[index(slot)] = false;
            self.in_flight -= 1;
            // A trim says 0 for all of it.
            let result = u32::try_from(entry.result()).map(|moved| moved.max(self.trims[index(slot)])).map_err(|_| entry.result().saturating_neg());
            done.push(Completion { slot, result });
        }
        Ok(())
    }

    fn set_alarm(&mut self, patience: Duration) {
        if self.alarm_is_out {
            return;
        }
        *self.alarm = Timespec::from(patience);
        let entry = opcode::Timeout::new(&raw const *self.alarm).build().user_data(ALARM);
        // SAFETY: the time is boxed, lives as long as the ring, and changes only while no alarm is out.
        self.alarm_is_out = unsafe { self.ring.submission().push(&entry) }.is_ok();
    }
}

// EINTR: a signal. ETIME: the time is over. EBUSY/EAGAIN: completions must be taken first. None of them is a failure: what was not taken goes with the next call.
fn tolerate(entered: io::Result<usize>) -> io::Result<()> {
    match entered {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ETIME | libc::EBUSY | libc::EAGAIN)) => Ok(()),
        other => other.map(drop),
    }
}

fn register(ring: &IoUring, buffers: &Buffers) -> io::Result<Buffering> {
    // SAFETY: the vectors point into `buffers`, which lives until every operation has completed, or forever (see Drop).
    match unsafe { ring.submitter().register_buffers(&buffers.io_vectors()) } {
        Ok(()) => Ok(Buffering::Registered),
        Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => Ok(Buffering::PerOperation),
        Err(error) => Err(error),
    }
}

fn build(kernels: &[Kernel], entries: u32) -> io::Result<(Kernel, IoUring)> {
    let mut unknown = io::Error::from_raw_os_error(libc::EINVAL);
    for kernel in kernels {
        match kernel.build(entries) {
            Ok(ring) => return Ok((*kernel, ring)),
            // A flag that it does not know.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => unknown = error,
            Err(error) => return Err(error),
        }
    }
    Err(unknown)
}

fn index(slot: u32) -> usize {
    usize::try_from(slot).expect("a slot fits")
}

impl Drop for Ring {
    fn drop(&mut self) {
        let mut done = Vec::new();
        let begin = Instant::now();
        while self.in_flight > 0 && begin.elapsed() < DRAIN {
            if self.wait(Duration::from_millis(50), &mut done).is_err() {
                break;
            }
        }
        if self.in_flight == 0 {
            // SAFETY: nothing is out, so the kernel touches no buffer any more; both are dropped exactly once, the ring first.
            unsafe {
                ManuallyDrop::drop(&mut self.ring);
                ManuallyDrop::drop(&mut self.buffers);
            }
        }
    }
}
