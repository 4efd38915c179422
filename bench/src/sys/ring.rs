//! An io_uring with registered buffers, one registered file and its own descriptor registered. Invariant: a buffer that the kernel may touch is neither
//! handed out nor freed before its operation has completed; when a target never completes, ring and buffers are leaked rather than freed under the
//! kernel's hands. The ring's queues are borrowed only inside of one method at a time, which `&mut self` of each makes sure of.

use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::AsRawFd;
use std::ptr::NonNull;
use std::time::{Duration, Instant};

use io_uring::types::{SubmitArgs, Timespec};
use io_uring::{IoUring, Submitter, cqueue, opcode, squeue};

use super::buffers::{self, Buffers};
use crate::engine::{Completion, Op, OpKind, PATIENCE};

/// Marks the completion of the timeout that ends a wait.
const ALARM: u64 = u64::MAX;
/// How long a drop waits for operations that are out before it leaks them.
const DRAIN: Duration = Duration::from_secs(2);
/// Milliseconds after which a polling thread of the kernel sleeps when nothing is submitted.
const SQ_IDLE: u32 = 1000;

/// How operations of a kind of target become entries of a ring.
pub(crate) trait Encoding {
    /// What is submitted.
    type Submission: squeue::EntryMarker + 'static;
    /// What comes back.
    type Completed: cqueue::EntryMarker + 'static;

    /// What is registered as file 0.
    fn file(&self) -> &File;

    /// An operation whose buffer is at `buffer`, and registered under `fixed`; its user data is the slot.
    fn encode(&self, op: &Op, buffer: *mut u8, fixed: Option<u16>) -> Encoded<Self::Submission>;

    /// What the kernel's answer to an operation means: bytes moved or the errno.
    fn answer(&mut self, op: &Op, result: i32) -> Result<u32, i32>;

    /// Whether the completion of such an operation can be polled for.
    fn polls(kind: OpKind) -> bool;
}

/// What became of an operation.
pub(crate) enum Encoded<E> {
    /// An entry to submit.
    Entry(E),
    /// It is done already.
    Done(Result<u32, i32>),
}

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

    fn build<E: Encoding>(self, entries: u32, polling: Polling) -> io::Result<IoUring<E::Submission, E::Completed>> {
        let mut builder = IoUring::<E::Submission, E::Completed>::builder();
        match (self, polling.submissions) {
            (Self::V6_1, false) => builder.setup_single_issuer().setup_defer_taskrun().setup_coop_taskrun(),
            // Its completions are the polling thread's: the kernel refuses the other flags with it.
            (Self::V6_1, true) => builder.setup_single_issuer(),
            (Self::V5_19, false) => builder.setup_coop_taskrun(),
            (Self::V5_19, true) | (Self::Older, _) => &mut builder,
        };
        if polling.submissions {
            builder.setup_sqpoll(SQ_IDLE);
        }
        if polling.completions {
            builder.setup_iopoll();
        }
        builder.build(entries)
    }

    fn name(self, polling: Polling) -> &'static str {
        match (self, polling.submissions) {
            (Self::V6_1, false) => "io_uring of 6.1 (SINGLE_ISSUER, DEFER_TASKRUN)",
            (Self::V6_1, true) => "io_uring of 6.1 (SINGLE_ISSUER)",
            (Self::V5_19, false) => "io_uring of 5.19 (COOP_TASKRUN)",
            (Self::V5_19, true) | (Self::Older, _) => "io_uring without flags",
        }
    }
}

/// Who polls instead of being interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Polling {
    /// IOPOLL: the lane's thread polls the device for completions.
    pub(crate) completions: bool,
    /// SQPOLL: a thread of the kernel polls for submissions.
    pub(crate) submissions: bool,
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
    buffers::footprint(bs * u64::from(iodepth) * BUFFERS_PER_OPERATION as u64)
}

/// What a lane needs of a ring, whatever its operations are encoded as.
pub(crate) trait Queue {
    /// What the kernel granted.
    fn describe(&self) -> String;
    /// Number of buffers.
    fn slots(&self) -> u32;
    /// Bytes of each buffer.
    fn block_size(&self) -> u32;
    /// The buffer of a slot.
    ///
    /// # Panics
    /// When an operation of that slot is out: the kernel may be writing into it.
    fn buffer(&mut self, slot: u32) -> &mut [u8];
    /// Queues operations and says how many the ring had room for.
    fn push(&mut self, ops: &[Op]) -> usize;
    /// Hands what is queued to the kernel.
    fn commit(&mut self) -> io::Result<()>;
    /// Submits what is still queued, waits for at least one completion or until about `patience` is over, and takes all completions.
    fn wait(&mut self, patience: Duration, done: &mut Vec<Completion>) -> io::Result<()>;
}

/// A ring whose operations are encoded by `E`.
pub(crate) struct Ring<E: Encoding> {
    ring: NonNull<IoUring<E::Submission, E::Completed>>,
    // Kept, as it knows the number under which the ring's descriptor is registered: a look-up less for every call.
    submitter: ManuallyDrop<Submitter<'static>>,
    descriptor_is_registered: bool,
    buffers: ManuallyDrop<Buffers>,
    // With it the registered file stays open.
    encoding: E,
    bs: u32,
    kernel: Kernel,
    polling: Polling,
    buffering: Buffering,
    out: Vec<Option<Op>>,
    in_flight: usize,
    // Completions that are taken at once: the next operations go out while the rest waits, and the target does not run dry. On a loop device, whose worker is
    // the limit, a quarter of the depth makes a fifth more operations than all that is there.
    batch: usize,
    // Operations that were done when they were encoded.
    ready: Vec<Completion>,
    // One timeout operation is kept out instead of a timer for every wait, which costs 5-10 % at 100 000 operations per second.
    alarm: Box<Timespec>,
    alarm_is_out: bool,
}

impl<E: Encoding> Ring<E> {
    /// Sets up a ring for `iodepth` operations of `bs` bytes, with twice as many buffers, as the first of `kernels` that this one knows, and with
    /// registered buffers if wanted and allowed. For the thread that calls, and no other.
    pub(crate) fn new(encoding: E, bs: u32, iodepth: u32, kernels: &[Kernel], polling: Polling, wanted: Buffering) -> io::Result<Self> {
        let slots = usize::try_from(iodepth).map_err(io::Error::other)? * BUFFERS_PER_OPERATION;
        let buffers = Buffers::new(usize::try_from(bs).map_err(io::Error::other)?, slots)?;
        // One entry more for the alarm; what is too much for the kernel it says itself.
        let entries = iodepth.saturating_add(1).checked_next_power_of_two().unwrap_or(u32::MAX);
        let (kernel, ring) = build::<E>(kernels, entries, polling)?;
        let buffering = match wanted {
            Buffering::Registered => register(&ring.submitter(), &buffers)?,
            Buffering::PerOperation => Buffering::PerOperation,
        };
        ring.submitter().register_files(&[encoding.file().as_raw_fd()])?;
        let ring = NonNull::from(Box::leak(Box::new(ring)));
        // SAFETY: the ring is leaked; `drop` frees it after the submitter.
        let mut submitter = unsafe { ring.as_ref() }.submitter();
        // From 5.18; the descriptor itself is as right.
        let descriptor_is_registered = submitter.register_ring_fd().is_ok();
        Ok(Self {
            ring,
            submitter: ManuallyDrop::new(submitter),
            descriptor_is_registered,
            buffers: ManuallyDrop::new(buffers),
            encoding,
            bs,
            kernel,
            polling,
            buffering,
            out: vec![None; slots],
            in_flight: 0,
            batch: (slots / BUFFERS_PER_OPERATION / 4).max(1),
            ready: Vec::new(),
            alarm: Box::new(Timespec::new()),
            alarm_is_out: false,
        })
    }

    fn ring(&self) -> &IoUring<E::Submission, E::Completed> {
        // SAFETY: it lives until `drop`, and nobody borrows it mutably.
        unsafe { self.ring.as_ref() }
    }

    fn set_alarm(&mut self, patience: Duration) {
        if self.alarm_is_out {
            return;
        }
        *self.alarm = Timespec::from(patience);
        let entry = opcode::Timeout::new(&raw const *self.alarm).build().user_data(ALARM);
        // SAFETY: the only borrow of the queue; the time is boxed, lives as long as the ring, and changes only while no alarm is out.
        self.alarm_is_out = unsafe { self.ring().submission_shared().push(&entry.into()) }.is_ok();
    }

    // Nothing interrupts a thread that polls, a timeout neither: each call looks once, and the clock ends it.
    fn poll(&mut self, patience: Duration) -> io::Result<()> {
        let begin = Instant::now();
        loop {
            tolerate(self.submitter.submit_and_wait(0))?;
            // SAFETY: the only borrow of the queue.
            if !unsafe { self.ring().completion_shared() }.is_empty() || begin.elapsed() >= patience {
                return Ok(());
            }
        }
    }
}

impl<E: Encoding> Queue for Ring<E> {
    fn describe(&self) -> String {
        let buffers = match self.buffering {
            Buffering::Registered => "registered buffers",
            Buffering::PerOperation => "buffers not registered",
        };
        let mut parts = vec![self.kernel.name(self.polling).to_owned(), format!("{buffers} in {}", self.buffers.pages().name())];
        if self.descriptor_is_registered {
            parts.push("ring descriptor registered".to_owned());
        }
        if self.polling.completions {
            parts.push("completions polled (IOPOLL)".to_owned());
        }
        if self.polling.submissions {
            parts.push("submissions polled by a thread of the kernel (SQPOLL)".to_owned());
        }
        parts.join(", ")
    }

    fn slots(&self) -> u32 {
        u32::try_from(self.out.len()).expect("twice an iodepth that a ring holds")
    }

    fn block_size(&self) -> u32 {
        self.bs
    }

    fn buffer(&mut self, slot: u32) -> &mut [u8] {
        let slot = index(slot);
        assert!(self.out[slot].is_none(), "the buffer of slot {slot} is the kernel's while its operation is out");
        self.buffers.slice(slot)
    }

    fn push(&mut self, ops: &[Op]) -> usize {
        let mut taken = 0;
        // SAFETY: the only borrow of the queue, and it ends with the block; what is called meanwhile does not touch the ring.
        let mut queue = unsafe { self.ring.as_ref().submission_shared() };
        for op in ops {
            let slot = index(op.slot);
            assert!(self.out[slot].is_none(), "slot {slot} is already out");
            assert!(op.bytes <= self.bs, "{} bytes for a buffer of {}", op.bytes, self.bs);
            let fixed = (self.buffering == Buffering::Registered).then(|| u16::try_from(op.slot).expect("a ring has at most 32768 slots"));
            if queue.is_full() {
                break;
            }
            match self.encoding.encode(op, self.buffers.pointer(slot), fixed) {
                Encoded::Done(result) => self.ready.push(Completion { slot: op.slot, result }),
                Encoded::Entry(_) if self.polling.completions && !E::polls(op.kind) => {
                    self.ready.push(Completion { slot: op.slot, result: Err(libc::EOPNOTSUPP) });
                }
                Encoded::Entry(entry) => {
                    // SAFETY: the entry points to at most bs bytes of a buffer of ours that is marked as out until its completion is reaped.
                    unsafe { queue.push(&entry) }.expect("the queue is not full");
                    self.out[slot] = Some(*op);
                    self.in_flight += 1;
                }
            }
            taken += 1;
        }
        taken
    }

    fn commit(&mut self) -> io::Result<()> {
        tolerate(self.submitter.submit())
    }

    fn wait(&mut self, patience: Duration, done: &mut Vec<Completion>) -> io::Result<()> {
        let ready = !self.ready.is_empty();
        done.append(&mut self.ready);
        if self.in_flight == 0 {
            return Ok(());
        }
        // SAFETY: the only borrow of each queue.
        let (nothing_is_done, nothing_is_queued) =
            unsafe { (self.ring().completion_shared().is_empty(), self.ring().submission_shared().is_empty()) };
        let wanted = usize::from(!ready && nothing_is_done);
        let patience = if ready { Duration::ZERO } else { patience };
        if self.polling.completions {
            self.poll(patience)?;
        } else if !nothing_is_done && nothing_is_queued {
            // The kernel need not be asked.
        } else if patience >= PATIENCE {
            // The usual wait ends by the alarm that is out anyway, at the latest; a shorter one has a timer of its own.
            self.set_alarm(patience);
            tolerate(self.submitter.submit_and_wait(wanted))?;
        } else {
            // Also without any patience: completions are worked off only when they are asked for.
            let time = Timespec::from(patience);
            tolerate(self.submitter.submit_with_args(wanted, &SubmitArgs::new().timespec(&time)))?;
        }
        // SAFETY: the only borrow of the queue, and it ends with the loop.
        for entry in unsafe { self.ring.as_ref().completion_shared() }.take(self.batch) {
            let entry: cqueue::Entry = entry.into();
            if entry.user_data() == ALARM {
                self.alarm_is_out = false;
                continue;
            }
            let slot = u32::try_from(entry.user_data()).expect("user data is a slot");
            let op = self.out[index(slot)].take().expect("the kernel completes what is out");
            self.in_flight -= 1;
            done.push(Completion { slot, result: self.encoding.answer(&op, entry.result()) });
        }
        Ok(())
    }
}

// EINTR: a signal. ETIME: the time is over. EBUSY/EAGAIN: completions must be taken first. None of them is a failure: what was not taken goes with the next call.
fn tolerate(entered: io::Result<usize>) -> io::Result<()> {
    match entered {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ETIME | libc::EBUSY | libc::EAGAIN)) => Ok(()),
        other => other.map(drop),
    }
}

fn register(submitter: &Submitter<'_>, buffers: &Buffers) -> io::Result<Buffering> {
    // SAFETY: the vectors point into `buffers`, which lives until every operation has completed, or forever (see Drop).
    match unsafe { submitter.register_buffers(&buffers.io_vectors()) } {
        Ok(()) => Ok(Buffering::Registered),
        Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => Ok(Buffering::PerOperation),
        Err(error) => Err(error),
    }
}

type Built<E> = (Kernel, IoUring<<E as Encoding>::Submission, <E as Encoding>::Completed>);

fn build<E: Encoding>(kernels: &[Kernel], entries: u32, polling: Polling) -> io::Result<Built<E>> {
    let mut unknown = io::Error::from_raw_os_error(libc::EINVAL);
    for kernel in kernels {
        match kernel.build::<E>(entries, polling) {
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

impl<E: Encoding> Drop for Ring<E> {
    fn drop(&mut self) {
        let mut done = Vec::new();
        let begin = Instant::now();
        while self.in_flight > 0 && begin.elapsed() < DRAIN {
            if self.wait(Duration::from_millis(50), &mut done).is_err() {
                break;
            }
        }
        if self.in_flight == 0 {
            if self.descriptor_is_registered {
                // Of another thread it is unknown, and goes when that one ends.
                let _ = self.submitter.unregister_ring_fd();
            }
            // SAFETY: nothing is out, so the kernel touches no buffer any more; each is dropped exactly once: the submitter, the ring that it borrows,
            // which was leaked from a box, and the buffers.
            unsafe {
                ManuallyDrop::drop(&mut self.submitter);
                drop(Box::from_raw(self.ring.as_ptr()));
                ManuallyDrop::drop(&mut self.buffers);
            }
        }
    }
}
