//! Asynchronous operations on things of Ceph, each with a buffer of its own and a ticket that its completion points to. Invariants: a buffer is neither handed out nor freed before
//! the completion of its operation was called back; when a cluster never answers, buffers, tickets and target are leaked together rather than freed under its threads.

use std::ffi::{c_char, c_void};
use std::io;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::buffers::Buffers;
use super::rados::{Callback, Handle};
use crate::engine::{Completion, Op, OpKind};

/// How long a drop waits for operations that are out before it leaks them.
const DRAIN: Duration = Duration::from_secs(2);
/// Buffers for each operation that may be out: while one is verified, the other is out.
const BUFFERS_PER_OPERATION: usize = 2;

/// What operations are made on, by calls of a library.
///
/// # Safety
/// The callback of a completion is called once when an operation was begun with it, and never otherwise.
pub(crate) unsafe trait Target {
    /// The functions of the library.
    type Calls: Sync + 'static;

    /// Those of this one.
    fn calls(&self) -> &'static Self::Calls;

    /// Makes a completion that calls `over` with `ticket`.
    ///
    /// # Safety
    /// The ticket lives until `over` was called, or the completion was released without an operation.
    unsafe fn completion(calls: &'static Self::Calls, ticket: *mut c_void, over: Callback) -> io::Result<Handle>;

    /// Begins an operation.
    ///
    /// # Safety
    /// The target and the operation's bytes of the buffer live, and nobody else touches them, until it is over.
    unsafe fn begin(&self, op: &Op, buffer: *mut c_char, completion: Handle) -> io::Result<()>;

    /// What an operation came to: negative an errno.
    ///
    /// # Safety
    /// It is complete.
    unsafe fn answer(calls: &'static Self::Calls, completion: Handle) -> isize;

    /// Gives up a completion.
    ///
    /// # Safety
    /// It is ours, and not used afterwards.
    unsafe fn release(calls: &'static Self::Calls, completion: Handle);
}

/// What has finished and was not taken yet.
#[derive(Default)]
struct Finished {
    state: Mutex<Bell>,
    bell: Condvar,
}

#[derive(Default)]
struct Bell {
    // Slots and answers.
    rung: Vec<(u32, isize)>,
    // Whether anybody sleeps: a bell that nobody hears costs a system call.
    awaited: bool,
}

impl Finished {
    fn lock(&self) -> MutexGuard<'_, Bell> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a completion points to: one for each slot, for as long as operations may be out.
struct Ticket<T: Target> {
    finished: Arc<Finished>,
    slot: u32,
    calls: &'static T::Calls,
}

/// Called by a thread of the library when an operation is over.
unsafe extern "C" fn over<T: Target>(completion: Handle, ticket: *mut c_void) {
    // SAFETY: the ticket is the one that the operation was begun with, and stays until its slot is seen as finished, which is after the last use here.
    let ticket = unsafe { &*ticket.cast::<Ticket<T>>() };
    let (calls, slot, finished) = (ticket.calls, ticket.slot, Arc::clone(&ticket.finished));
    // SAFETY: the completion is the one that calls back, and is complete.
    let answer = unsafe { T::answer(calls, completion) };
    // SAFETY: our reference to it, given up once; the library keeps its own until the call is over.
    unsafe { T::release(calls, completion) };
    let mut state = finished.lock();
    state.rung.push((slot, answer));
    let awaited = std::mem::replace(&mut state.awaited, false);
    drop(state);
    if awaited {
        finished.bell.notify_one();
    }
}

/// Memory that the buffers of operations take.
pub fn footprint(bs: u64, iodepth: u32) -> u64 {
    super::buffers::footprint(bs * u64::from(iodepth) * BUFFERS_PER_OPERATION as u64)
}

/// Operations on one target.
pub(crate) struct Operations<T: Target> {
    target: ManuallyDrop<Arc<T>>,
    buffers: ManuallyDrop<Buffers>,
    tickets: ManuallyDrop<Vec<Ticket<T>>>,
    finished: Arc<Finished>,
    bs: u32,
    out: Vec<Option<Op>>,
    in_flight: usize,
    // Operations that the library did not take.
    refused: Vec<Completion>,
    taken: Vec<(u32, isize)>,
}

impl<T: Target> Operations<T> {
    /// Room for `iodepth` operations of `bs` bytes, with twice as many buffers.
    pub(crate) fn new(target: Arc<T>, bs: u32, iodepth: u32) -> io::Result<Self> {
        let slots = index(iodepth).checked_mul(BUFFERS_PER_OPERATION).and_then(|slots| u32::try_from(slots).ok());
        let slots = slots.ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        let buffers = Buffers::new(index(bs), index(slots))?;
        let finished = Arc::new(Finished::default());
        let calls = target.calls();
        let tickets = (0..slots).map(|slot| Ticket { finished: Arc::clone(&finished), slot, calls }).collect();
        Ok(Self {
            target: ManuallyDrop::new(target),
            buffers: ManuallyDrop::new(buffers),
            tickets: ManuallyDrop::new(tickets),
            finished,
            bs,
            out: vec![None; index(slots)],
            in_flight: 0,
            refused: Vec::new(),
            taken: Vec::new(),
        })
    }

    /// Number of buffers.
    pub(crate) fn slots(&self) -> u32 {
        u32::try_from(self.out.len()).expect("checked when they were made")
    }

    /// Bytes of each buffer.
    pub(crate) fn block_size(&self) -> u32 {
        self.bs
    }

    /// The buffer of a slot.
    ///
    /// # Panics
    /// When an operation of that slot is out: the library may be writing into it.
    pub(crate) fn buffer(&mut self, slot: u32) -> &mut [u8] {
        assert!(self.out[index(slot)].is_none(), "the buffer of slot {slot} is the library's while its operation is out");
        self.buffers.slice(index(slot))
    }

    /// Begins an operation.
    ///
    /// # Panics
    /// When one of that slot is out, or it is larger than a buffer.
    pub(crate) fn begin(&mut self, op: &Op) {
        let slot = index(op.slot);
        assert!(self.out[slot].is_none(), "slot {slot} is already out");
        assert!(op.bytes <= self.bs, "{} bytes for a buffer of {}", op.bytes, self.bs);
        match self.start(op) {
            Ok(()) => {
                self.out[slot] = Some(*op);
                self.in_flight += 1;
            }
            Err(error) => self.refused.push(Completion { slot: op.slot, result: Err(error.raw_os_error().unwrap_or(libc::EIO)) }),
        }
    }

    fn start(&self, op: &Op) -> io::Result<()> {
        let calls = self.target.calls();
        let ticket = (&raw const self.tickets[index(op.slot)]).cast_mut().cast();
        // SAFETY: the ticket lives until the operation is over, or forever (see Drop).
        let completion = unsafe { T::completion(calls, ticket, over::<T>) }?;
        let buffer = self.buffers.pointer(index(op.slot)).cast::<c_char>();
        // SAFETY: target and buffer live until the operation is over, or forever; nobody else touches the buffer meanwhile.
        let begun = unsafe { self.target.begin(op, buffer, completion) };
        if begun.is_err() {
            // SAFETY: the operation was not begun, so nobody else knows the completion.
            unsafe { T::release(calls, completion) };
        }
        begun
    }

    /// Waits for at least one completion or until `patience` is over, and takes all of them.
    pub(crate) fn wait(&mut self, patience: Duration, done: &mut Vec<Completion>) {
        let before = done.len();
        done.append(&mut self.refused);
        if self.in_flight == 0 {
            return;
        }
        let mut state = self.finished.lock();
        if state.rung.is_empty() && done.len() == before && !patience.is_zero() {
            state.awaited = true;
            let waited = self.finished.bell.wait_timeout_while(state, patience, |state| state.rung.is_empty());
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
            state.awaited = false;
        }
        std::mem::swap(&mut state.rung, &mut self.taken);
        drop(state);
        for (slot, answer) in self.taken.drain(..) {
            let op = self.out[index(slot)].take().expect("what is over was out");
            self.in_flight -= 1;
            done.push(Completion { slot, result: result(&op, answer) });
        }
    }
}

// Of a read the bytes, of all others zero; negative an errno.
fn result(op: &Op, answer: isize) -> Result<u32, i32> {
    match (u32::try_from(answer), op.kind) {
        (Ok(bytes), OpKind::Read) => Ok(bytes),
        (Ok(_), OpKind::Write | OpKind::WriteFua | OpKind::Trim | OpKind::Flush) => Ok(op.bytes),
        (Err(_), _) => Err(i32::try_from(answer.saturating_neg()).ok().filter(|errno| *errno > 0).unwrap_or(libc::EIO)),
    }
}

fn index(number: u32) -> usize {
    usize::try_from(number).expect("32 bits fit")
}

impl<T: Target> Drop for Operations<T> {
    fn drop(&mut self) {
        let mut done = Vec::new();
        let begin = Instant::now();
        while self.in_flight > 0 && begin.elapsed() < DRAIN {
            self.wait(Duration::from_millis(50), &mut done);
        }
        if self.in_flight == 0 {
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.tickets) };
            // SAFETY: nothing is out, so the library touches no buffer any more; dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.buffers) };
            // SAFETY: dropped once, here.
            unsafe { ManuallyDrop::drop(&mut self.target) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reads_come_back_short_and_what_is_negative_is_an_errno() {
        let op = |kind| Op { slot: 0, kind, offset: 0, bytes: 4096 };
        for (kind, answer, expected) in [
            (OpKind::Read, 4096, Ok(4096)),
            (OpKind::Read, 512, Ok(512)),
            (OpKind::Read, 0, Ok(0)),
            (OpKind::Read, -5, Err(libc::EIO)),
            (OpKind::Write, 0, Ok(4096)),
            (OpKind::WriteFua, 0, Ok(4096)),
            (OpKind::Trim, 0, Ok(4096)),
            (OpKind::Write, -28, Err(libc::ENOSPC)),
            (OpKind::Write, -108, Err(libc::ESHUTDOWN)),
            (OpKind::Write, isize::MIN, Err(libc::EIO)),
        ] {
            assert_eq!(result(&op(kind), answer), expected, "{kind:?} {answer}");
        }
    }
}
