//! An io_uring for sockets: plain and zero-copy sends out of registered buffers, single and multishot receives into buffers that are lent to the kernel.
//! Invariant: a buffer that the kernel may touch is neither handed out nor freed. A send buffer is the kernel's from the push until its completion, or until
//! the notification that follows a zero-copy send; a receive buffer is ours from its completion until it is recycled. When operations do not end after they
//! were cancelled, ring and buffers are leaked rather than freed under the kernel's hands.

use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use io_uring::types::{BufRingEntry, CancelBuilder, Fd, SubmitArgs, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};

use super::buffers::Buffers;

/// Entries of the submission queue: more than a thread ever has out.
const ENTRIES: u32 = 256;
const GROUP: u16 = 0;
/// How long a drop waits for what it has cancelled.
const DRAIN: Duration = Duration::from_secs(2);
/// Of a notification: the kernel has copied after all (IORING_NOTIF_USAGE_ZC_COPIED).
const COPIED: u32 = 1 << 31;
const REPORT_USAGE: u16 = 1 << 3;

/// Something that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A send is over. While `kept`, its buffer is still the kernel's, until it is released.
    Sent { stream: usize, slot: usize, result: Result<u32, i32>, kept: bool },
    /// The kernel needs the buffer of a zero-copy send no more; whether it had copied it.
    Released { slot: usize, copied: bool },
    /// Bytes in a buffer that is ours until it is recycled. Without `more` the receive must be asked for again.
    Received { stream: usize, buffer: u16, bytes: usize, more: bool },
    /// A receive brought nothing: the end of the stream (0), or the errno.
    Dry { stream: usize, errno: i32 },
    /// A socket takes bytes again.
    Writable { stream: usize },
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Send,
    Multi,
    Single,
    Poll,
    Alarm,
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Send, Kind::Multi, Kind::Single, Kind::Poll, Kind::Alarm];

    // A stream and a slot are below 2^24.
    fn data(self, stream: usize, slot: usize) -> u64 {
        let number = Self::ALL.iter().position(|kind| *kind == self).expect("every kind is listed");
        [number, slot, stream].iter().fold(0, |data, part| data << 24 | u64::try_from(*part).expect("a small number"))
    }

    fn of(data: u64) -> (Kind, usize, usize) {
        let part = |shift: u32| usize::try_from(data >> shift & 0xff_ffff).expect("24 bits");
        (Self::ALL[part(48)], part(0), part(24))
    }
}

/// What a ring has to send from and to receive into.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) send_bytes: usize,
    pub(crate) send_slots: usize,
    pub(crate) receive_bytes: usize,
    /// A power of two when receives are multishot, otherwise at least as many as there are streams.
    pub(crate) receive_buffers: u16,
    pub(crate) multishot: bool,
}

/// The ring of one thread.
pub(crate) struct NetRing {
    ring: ManuallyDrop<IoUring>,
    send: ManuallyDrop<Buffers>,
    receive: ManuallyDrop<Buffers>,
    lent: ManuallyDrop<Buffers>,
    sizes: Sizes,
    tail: u16,
    registered: bool,
    single_issuer: bool,
    // By send slot: at the kernel.
    sending: Vec<bool>,
    // By receive buffer: ours.
    taken: Vec<bool>,
    in_flight: usize,
    alarm: Box<Timespec>,
    alarm_is_out: bool,
}

impl NetRing {
    /// For the thread that calls, and no other.
    pub(crate) fn new(sizes: Sizes) -> io::Result<Self> {
        let mut builder = IoUring::builder();
        builder.setup_single_issuer().setup_defer_taskrun().setup_coop_taskrun().setup_cqsize(ENTRIES * 16);
        let (ring, single_issuer) = match builder.build(ENTRIES) {
            Ok(ring) => (ring, true),
            // Before 6.1.
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => (IoUring::builder().setup_cqsize(ENTRIES * 16).build(ENTRIES)?, false),
            Err(error) => return Err(error),
        };
        let send = Buffers::new(sizes.send_bytes.max(1), sizes.send_slots.max(1))?;
        let receive = Buffers::new(sizes.receive_bytes.max(1), usize::from(sizes.receive_buffers.max(1)))?;
        let lent = Buffers::new(usize::from(sizes.receive_buffers.max(1)) * size_of::<BufRingEntry>(), 1)?;
        let mut this = Self {
            ring: ManuallyDrop::new(ring),
            send: ManuallyDrop::new(send),
            receive: ManuallyDrop::new(receive),
            lent: ManuallyDrop::new(lent),
            sizes,
            tail: 0,
            registered: false,
            single_issuer,
            sending: vec![false; sizes.send_slots],
            taken: vec![true; usize::from(sizes.receive_buffers)],
            in_flight: 0,
            alarm: Box::new(Timespec::new()),
            alarm_is_out: false,
        };
        this.register_send_buffers()?;
        if sizes.multishot && sizes.receive_buffers > 0 {
            this.lend_all()?;
        }
        Ok(this)
    }

    fn register_send_buffers(&mut self) -> io::Result<()> {
        if self.sizes.send_slots == 0 {
            return Ok(());
        }
        // SAFETY: the vectors point into `send`, which lives until every operation has completed, or forever (see Drop).
        match unsafe { self.ring.submitter().register_buffers(&self.send.io_vectors()) } {
            Ok(()) => self.registered = true,
            // RLIMIT_MEMLOCK, which binds whoever is not root, does not allow it: they are pinned for every operation.
            Err(error) if error.raw_os_error() == Some(libc::ENOMEM) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn lend_all(&mut self) -> io::Result<()> {
        let address = u64::try_from(self.lent.pointer(0).addr()).map_err(io::Error::other)?;
        // SAFETY: the ring of buffers is page-aligned, has as many entries as are named, and lives until nothing is out, or forever (see Drop).
        unsafe { self.ring.submitter().register_buf_ring_with_flags(address, self.sizes.receive_buffers, GROUP, 0) }?;
        for buffer in 0..self.sizes.receive_buffers {
            self.recycle(buffer);
        }
        Ok(())
    }

    /// What the kernel granted.
    pub(crate) fn describe(&self) -> String {
        let flags = if self.single_issuer { "SINGLE_ISSUER, DEFER_TASKRUN" } else { "without flags" };
        let mut parts = vec![format!("io_uring ({flags})")];
        if self.sizes.send_slots > 0 {
            let registered = if self.registered { "registered" } else { "not registered" };
            parts.push(format!("{} send buffers of {} bytes, {registered}", self.sizes.send_slots, self.sizes.send_bytes));
        }
        if self.sizes.receive_buffers > 0 {
            let how = if self.sizes.multishot { "lent to multishot receives" } else { "of single receives" };
            parts.push(format!("{} buffers of {} bytes {how}", self.sizes.receive_buffers, self.sizes.receive_bytes));
        }
        parts.join(", ")
    }

    /// Whether this kernel sends without copying (SEND_ZC, 6.0).
    pub(crate) fn knows_zero_copy(&self) -> bool {
        let mut probe = io_uring::Probe::new();
        self.ring.submitter().register_probe(&mut probe).is_ok() && probe.is_supported(opcode::SendZc::CODE)
    }

    /// The bytes of a send buffer.
    ///
    /// # Panics
    /// When it is at the kernel.
    pub(crate) fn send_buffer(&mut self, slot: usize) -> &mut [u8] {
        assert!(!self.sending[slot], "send buffer {slot} is the kernel's");
        self.send.slice(slot)
    }

    /// Queues a send of `range` of a send buffer; the kernel goes on until all of it is sent or an error.
    pub(crate) fn push_send(
        &mut self,
        stream: usize,
        socket: impl AsFd,
        slot: usize,
        range: std::ops::Range<usize>,
        zero_copy: bool,
    ) -> io::Result<()> {
        assert!(!self.sending[slot], "send buffer {slot} is the kernel's already");
        assert!(range.start <= range.end && range.end <= self.sizes.send_bytes, "{range:?} of {} bytes", self.sizes.send_bytes);
        let bytes = u32::try_from(range.len()).map_err(io::Error::other)?;
        // SAFETY: the start is inside of the slot.
        let buffer = unsafe { self.send.pointer(slot).add(range.start) };
        let fd = Fd(socket.as_fd().as_raw_fd());
        let flags = libc::MSG_WAITALL | libc::MSG_NOSIGNAL;
        let entry = if zero_copy {
            let index = self.registered.then(|| u16::try_from(slot).expect("few slots"));
            opcode::SendZc::new(fd, buffer, bytes).buf_index(index).flags(flags).zc_flags(REPORT_USAGE).build()
        } else {
            opcode::Send::new(fd, buffer, bytes).flags(flags).build()
        };
        self.push(entry.user_data(Kind::Send.data(stream, slot)))?;
        self.sending[slot] = true;
        self.in_flight += 1;
        Ok(())
    }

    /// Queues receives of a stream into whatever buffers are lent.
    pub(crate) fn push_receive_multi(&mut self, stream: usize, socket: impl AsFd) -> io::Result<()> {
        let entry = opcode::RecvMulti::new(Fd(socket.as_fd().as_raw_fd()), GROUP).build();
        self.push(entry.user_data(Kind::Multi.data(stream, 0)))?;
        self.in_flight += 1;
        Ok(())
    }

    /// Queues one receive of a stream into `buffer`, which becomes the kernel's.
    pub(crate) fn push_receive(&mut self, stream: usize, socket: impl AsFd, buffer: u16) -> io::Result<()> {
        let slot = usize::from(buffer);
        assert!(!self.sizes.multishot && self.taken[slot], "receive buffer {slot} is the kernel's already");
        let bytes = u32::try_from(self.sizes.receive_bytes).map_err(io::Error::other)?;
        let entry = opcode::Recv::new(Fd(socket.as_fd().as_raw_fd()), self.receive.pointer(slot), bytes).build();
        self.push(entry.user_data(Kind::Single.data(stream, slot)))?;
        self.taken[slot] = false;
        self.in_flight += 1;
        Ok(())
    }

    /// Queues the question whether a socket takes bytes.
    pub(crate) fn push_poll_out(&mut self, stream: usize, socket: impl AsFd) -> io::Result<()> {
        let mask = u32::try_from(i32::from(libc::POLLOUT)).expect("a small mask");
        let entry = opcode::PollAdd::new(Fd(socket.as_fd().as_raw_fd()), mask).build();
        self.push(entry.user_data(Kind::Poll.data(stream, 0)))?;
        self.in_flight += 1;
        Ok(())
    }

    /// The first bytes of a receive buffer that is ours.
    ///
    /// # Panics
    /// When it is at the kernel.
    pub(crate) fn received(&mut self, buffer: u16, bytes: usize) -> &[u8] {
        assert!(self.taken[usize::from(buffer)], "receive buffer {buffer} is the kernel's");
        &self.receive.slice(usize::from(buffer))[..bytes]
    }

    /// Lends a buffer to the kernel again; without multishot it just stays ours.
    pub(crate) fn recycle(&mut self, buffer: u16) {
        let slot = usize::from(buffer);
        assert!(self.taken[slot], "receive buffer {buffer} is the kernel's already");
        if !self.sizes.multishot {
            return;
        }
        let base = self.lent.pointer(0).cast::<BufRingEntry>();
        let at = usize::from(self.tail & (self.sizes.receive_buffers - 1));
        // SAFETY: `at` is below the number of entries, which the mapping holds; the kernel does not read an entry at or past the tail.
        let entry = unsafe { &mut *base.add(at) };
        entry.set_addr(u64::try_from(self.receive.pointer(slot).addr()).expect("64-bit addresses"));
        entry.set_len(u32::try_from(self.sizes.receive_bytes).expect("buffers below 4 GiB"));
        entry.set_bid(buffer);
        self.tail = self.tail.wrapping_add(1);
        self.taken[slot] = false;
        // SAFETY: `base` is the first entry of the ring of buffers.
        let tail = unsafe { BufRingEntry::tail(base) };
        // SAFETY: the tail is two aligned bytes of our mapping that both sides access only atomically.
        unsafe { AtomicU16::from_ptr(tail.cast_mut()) }.store(self.tail, Ordering::Release);
    }

    /// Hands in what is queued, waits for something to come back, or until about `patience` is over, and takes all of it.
    pub(crate) fn wait(&mut self, patience: Duration, events: &mut Vec<Event>) -> io::Result<()> {
        if patience.is_zero() {
            tolerate(self.ring.submitter().submit_with_args(0, &SubmitArgs::new().timespec(&Timespec::new())))?;
        } else {
            self.set_alarm(patience)?;
            tolerate(self.ring.submit_and_wait(1))?;
        }
        self.take(events);
        Ok(())
    }

    fn take(&mut self, events: &mut Vec<Event>) {
        loop {
            // Its borrow ends here: what an event means changes the ring.
            let entry = self.ring.completion().next();
            let Some(entry) = entry else { return };
            events.extend(self.event(&entry));
        }
    }

    fn event(&mut self, entry: &cqueue::Entry) -> Option<Event> {
        let (kind, stream, slot) = Kind::of(entry.user_data());
        let more = cqueue::more(entry.flags());
        // Of a notification it is a mask.
        let result = u32::try_from(entry.result()).map_err(|_| entry.result().saturating_neg());
        if kind == Kind::Alarm {
            self.alarm_is_out = false;
            return None;
        }
        if !more {
            self.in_flight -= 1;
        }
        Some(match kind {
            Kind::Alarm => return None,
            Kind::Send if cqueue::notif(entry.flags()) => {
                self.sending[slot] = false;
                Event::Released { slot, copied: entry.result().cast_unsigned() & COPIED != 0 }
            }
            Kind::Send => {
                self.sending[slot] = more;
                Event::Sent { stream, slot, result, kept: more }
            }
            Kind::Poll => Event::Writable { stream },
            Kind::Single => {
                self.taken[slot] = true;
                let buffer = u16::try_from(slot).expect("a buffer's number");
                match result {
                    Ok(bytes) if bytes > 0 => Event::Received { stream, buffer, bytes: length(bytes), more },
                    Ok(_) => Event::Dry { stream, errno: 0 },
                    Err(errno) => Event::Dry { stream, errno },
                }
            }
            Kind::Multi => {
                let buffer = cqueue::buffer_select(entry.flags());
                if let Some(buffer) = buffer {
                    self.taken[usize::from(buffer)] = true;
                }
                match (result, buffer) {
                    (Ok(bytes), Some(buffer)) if bytes > 0 => Event::Received { stream, buffer, bytes: length(bytes), more },
                    (result, buffer) => {
                        if let Some(buffer) = buffer {
                            self.recycle(buffer);
                        }
                        Event::Dry { stream, errno: result.err().unwrap_or(0) }
                    }
                }
            }
        })
    }

    fn set_alarm(&mut self, patience: Duration) -> io::Result<()> {
        if self.alarm_is_out {
            return Ok(());
        }
        *self.alarm = Timespec::from(patience);
        let entry = opcode::Timeout::new(&raw const *self.alarm).build().user_data(Kind::Alarm.data(0, 0));
        self.push(entry)?;
        self.alarm_is_out = true;
        Ok(())
    }

    fn push(&mut self, entry: squeue::Entry) -> io::Result<()> {
        if self.ring.submission().is_full() {
            tolerate(self.ring.submit())?;
        }
        // SAFETY: what the entry points to is a buffer of ours that is marked as the kernel's until its completion, or the boxed time, which changes only
        // while no alarm is out; both live until nothing is out, or forever (see Drop).
        unsafe { self.ring.submission().push(&entry) }.map_err(|_| io::Error::from_raw_os_error(libc::EBUSY))
    }
}

fn length(bytes: u32) -> usize {
    usize::try_from(bytes).expect("32 bits")
}

// EINTR: a signal. ETIME: the time is over. EBUSY/EAGAIN: completions must be taken first. None of them is a failure: what was not taken goes with the next call.
fn tolerate(entered: io::Result<usize>) -> io::Result<()> {
    match entered {
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINTR | libc::ETIME | libc::EBUSY | libc::EAGAIN)) => Ok(()),
        other => other.map(drop),
    }
}

impl Drop for NetRing {
    fn drop(&mut self) {
        let begin = Instant::now();
        let mut events = Vec::new();
        if self.in_flight > 0 {
            let patience = Timespec::from(DRAIN);
            // Nothing to cancel is as good; what does not end is found below.
            let _ = self.ring.submitter().register_sync_cancel(Some(patience), CancelBuilder::any());
        }
        while self.in_flight > 0 && begin.elapsed() < DRAIN {
            if self.wait(Duration::from_millis(20), &mut events).is_err() {
                break;
            }
        }
        if self.in_flight == 0 {
            // SAFETY: nothing is out any more but perhaps the alarm, whose time the kernel has read when it was submitted; each is dropped exactly once.
            unsafe {
                ManuallyDrop::drop(&mut self.ring);
                ManuallyDrop::drop(&mut self.send);
                ManuallyDrop::drop(&mut self.receive);
                ManuallyDrop::drop(&mut self.lent);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    const SIZES: Sizes = Sizes { send_bytes: 4096, send_slots: 2, receive_bytes: 1024, receive_buffers: 4, multishot: true };

    fn until(ring: &mut NetRing, events: &mut Vec<Event>, enough: impl Fn(&[Event]) -> bool) {
        let begin = Instant::now();
        while !enough(events) {
            assert!(begin.elapsed() < Duration::from_secs(5), "{events:?}");
            ring.wait(Duration::from_millis(20), events).expect("waits");
        }
    }

    #[test]
    fn what_a_multishot_receive_brings_is_what_was_written_and_its_end_is_told() {
        let (mut far, near) = UnixStream::pair().expect("a pair");
        let mut ring = NetRing::new(SIZES).expect("a ring");
        ring.push_receive_multi(7, &near).expect("queued");
        let text: Vec<u8> = (0..20_000_u32).map(|at| u8::try_from(at % 251).expect("small")).collect();
        let writer = std::thread::spawn({
            let text = text.clone();
            move || far.write_all(&text)
        });
        let (mut got, mut events, begin) = (Vec::new(), Vec::new(), Instant::now());
        'all: loop {
            assert!(begin.elapsed() < Duration::from_secs(5));
            ring.wait(Duration::from_millis(20), &mut events).expect("waits");
            for event in std::mem::take(&mut events) {
                match event {
                    Event::Received { stream, buffer, bytes, more } => {
                        assert_eq!(stream, 7);
                        got.extend_from_slice(ring.received(buffer, bytes));
                        ring.recycle(buffer);
                        if !more {
                            ring.push_receive_multi(7, &near).expect("queued");
                        }
                    }
                    // All buffers were ours for a moment.
                    Event::Dry { errno: libc::ENOBUFS, .. } => ring.push_receive_multi(7, &near).expect("queued"),
                    Event::Dry { errno: 0, .. } => break 'all,
                    Event::Dry { .. } | Event::Sent { .. } | Event::Released { .. } | Event::Writable { .. } => panic!("{event:?}"),
                }
            }
        }
        writer.join().expect("a thread").expect("written");
        assert!(got == text);
    }

    #[test]
    fn a_send_buffer_is_ours_again_when_it_was_sent() {
        let (mut far, near) = UnixStream::pair().expect("a pair");
        let mut ring = NetRing::new(SIZES).expect("a ring");
        ring.send_buffer(1)[..5].copy_from_slice(b"hello");
        ring.push_send(3, &near, 1, 1..5, false).expect("queued");
        let mut events = Vec::new();
        until(&mut ring, &mut events, |events| !events.is_empty());
        assert_eq!(events, [Event::Sent { stream: 3, slot: 1, result: Ok(4), kept: false }]);
        let mut got = [0; 4];
        far.read_exact(&mut got).expect("read");
        assert_eq!(&got, b"ello");
        ring.send_buffer(1).fill(0);
    }

    #[test]
    #[should_panic(expected = "is the kernel's")]
    fn a_buffer_that_is_out_is_not_handed_out() {
        let (_far, near) = UnixStream::pair().expect("a pair");
        let mut ring = NetRing::new(SIZES).expect("a ring");
        ring.push_send(0, &near, 0, 0..4096, false).expect("queued");
        ring.send_buffer(0);
    }

    #[test]
    fn a_ring_with_a_receive_that_never_ends_is_dropped_soon() {
        let (_far, near) = UnixStream::pair().expect("a pair");
        let begin = Instant::now();
        let mut ring = NetRing::new(Sizes { multishot: false, ..SIZES }).expect("a ring");
        ring.push_receive(0, &near, 2).expect("queued");
        ring.wait(Duration::from_millis(1), &mut Vec::new()).expect("waits");
        drop(ring);
        assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    }

    #[test]
    fn user_data_comes_back_as_it_went() {
        for (stream, slot) in [(0, 0), (5, 255), (1 << 20, 3)] {
            for kind in Kind::ALL {
                let (back, of, at) = Kind::of(kind.data(stream, slot));
                assert!(back == kind && (of, at) == (stream, slot));
            }
        }
    }
}
