//! One end of one stream while it is measured: what it sends and from where, what it receives and what that came to so far.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::fs::{MemfdFlags, memfd_create};
use rustix::net::sockopt;
use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_getpipe_size, fcntl_setpipe_size, pipe_with, splice, tee};

use super::pattern::{Pattern, Reader};
use super::result::{TcpReceived, TcpSent, TcpStreamEnd};
use super::sample::TcpSample;
use super::spec::{Sending, TcpHow};
use crate::error::EngineError;
use crate::payload;
use crate::sys::net_ring::NetRing;
use crate::sys::socket::{self as options, TcpInfo};

/// Pages that are sent over and over: few enough that they stay in the second-level cache of whoever copies them.
const PAGES_BYTES: usize = 128 << 10;

/// One end of one stream.
pub(super) struct Lane {
    /// Number of the stream in the whole measurement.
    pub(super) stream: usize,
    pub(super) socket: TcpStream,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) send: Option<Sender>,
    pub(super) receive: Option<Receiver>,
    /// When something last moved.
    pub(super) touched: Instant,
    /// A receive must be asked for again.
    pub(super) ask_again: bool,
    /// What has just come belongs before the window.
    pub(super) opens: bool,
    // The peer has closed its sending side.
    far_is_closed: bool,
    acknowledged: u64,
    samples: Vec<TcpSample>,
    last_info: TcpInfo,
}

/// What a lane sends.
pub(super) struct Sender {
    pattern: Option<Pattern>,
    pub(super) source: Send,
    /// Bytes that the kernel took.
    pub(super) bytes: u64,
    /// An operation is out, or the socket takes nothing now.
    pub(super) waits: bool,
    /// The sending side is shut down.
    pub(super) closed: bool,
    notified: u64,
    copied: u64,
}

/// Where it comes from.
pub(super) enum Send {
    /// Buffers of the ring.
    Slots(Slots),
    /// Pages of a memory file.
    Pages(Pages),
}

/// Send buffers of one stream.
pub(super) struct Slots {
    pub(super) zero_copy: bool,
    own: Range<usize>,
    next: usize,
    // By slot of ours: at the kernel.
    busy: Vec<bool>,
    // What is left of the buffer that was sent last.
    rest: Option<(usize, Range<usize>)>,
    message: usize,
    pattern: Option<Pattern>,
    // Offset in the stream of what is filled next.
    filled: u64,
}

/// Pages of a memory file that hang in a pipe and are sent over and over: copied from pipe to pipe by reference (tee), and on into the socket (splice). Half
/// as dear as sendfile(2), which looks up every page again.
pub(super) struct Pages {
    full: (OwnedFd, OwnedFd),
    way: (OwnedFd, OwnedFd),
    length: usize,
    // Bytes on their way that the socket has not taken yet.
    under_way: usize,
}

/// What a lane receives.
pub(super) struct Receiver {
    reader: Option<Reader>,
    verified: Option<super::pattern::Verified>,
    bytes: u64,
    // Of these the ones that are counted already.
    counted: u64,
    window_bytes: u64,
    window: Option<Duration>,
    series: Vec<u64>,
    /// Since the low-water mark was last looked at.
    pub(super) since_adapted: u64,
    /// SO_RCVLOWAT.
    pub(super) low_water: u32,
}

impl Receiver {
    pub(super) fn new(pattern: Option<Pattern>, others: Vec<Pattern>) -> Self {
        let reader = pattern.map(|pattern| Reader::new(pattern, others));
        Self { reader, verified: None, bytes: 0, counted: 0, window_bytes: 0, window: None, series: Vec::new(), since_adapted: 0, low_water: 1 }
    }
}

impl Sender {
    pub(super) fn new(pattern: Option<Pattern>) -> Self {
        let nothing = Slots { zero_copy: false, own: 0..0, next: 0, busy: Vec::new(), rest: None, message: 0, pattern, filled: 0 };
        Self { pattern, source: Send::Slots(nothing), bytes: 0, waits: false, closed: false, notified: 0, copied: 0 }
    }

    pub(super) fn may_begin(&self) -> bool {
        !self.waits && !self.closed
    }

    /// Nothing is out; what a send has left over is not sent any more.
    pub(super) fn is_idle(&self) -> bool {
        match &self.source {
            Send::Slots(slots) => !self.waits && slots.busy.iter().all(|busy| !busy),
            Send::Pages(_) => true,
        }
    }

    pub(super) fn owns(&self, slot: usize) -> bool {
        matches!(&self.source, Send::Slots(slots) if slots.own.contains(&slot))
    }

    /// A send is over; a zero-copy one may keep its buffer.
    pub(super) fn completed(&mut self, slot: usize, bytes: u32, kept: bool) {
        self.waits = false;
        self.bytes += u64::from(bytes);
        if let Send::Slots(slots) = &mut self.source {
            let own = slot - slots.own.start;
            slots.busy[own] = kept;
            if let Some((_, range)) = &mut slots.rest {
                range.start += usize::try_from(bytes).expect("32 bits");
            }
            if slots.rest.as_ref().is_some_and(|(_, range)| range.is_empty()) {
                slots.rest = None;
            }
        }
    }

    /// A zero-copy send needs its buffer no more.
    pub(super) fn released(&mut self, slot: usize, copied: bool) {
        self.notified += 1;
        self.copied += u64::from(copied);
        if let Send::Slots(slots) = &mut self.source {
            slots.busy[slot - slots.own.start] = false;
        }
    }

    fn kind(&self) -> Sending {
        match &self.source {
            Send::Pages(_) => Sending::FilePages,
            Send::Slots(Slots { zero_copy: true, .. }) => Sending::ZeroCopy,
            Send::Slots(_) => Sending::Plain,
        }
    }
}

impl Slots {
    /// The next buffer to send and what of it, filled where it must be; none while all are at the kernel.
    pub(super) fn next(&mut self, ring: &mut NetRing) -> Option<(usize, Range<usize>)> {
        if let Some((slot, range)) = &self.rest {
            // A send that was cut short; its buffer must be ours again before the rest follows.
            return (!self.busy[slot - self.own.start]).then(|| (*slot, range.clone()));
        }
        let own = self.next;
        if self.busy[own] {
            return None;
        }
        self.next = (own + 1) % self.busy.len();
        let slot = self.own.start + own;
        if let Some(pattern) = self.pattern {
            pattern.fill(ring.send_buffer(slot), self.filled);
            self.filled += u64::try_from(self.message).expect("fits");
        }
        self.rest = Some((slot, 0..self.message));
        self.busy[own] = true;
        Some((slot, 0..self.message))
    }
}

impl Pages {
    fn new(wanted: usize) -> io::Result<Self> {
        let (full, way) = (pipe_with(PipeFlags::CLOEXEC)?, pipe_with(PipeFlags::CLOEXEC)?);
        for end in [&full.1, &way.1] {
            // What is more than the kernel allows is not needed: a pipe that holds less is filled with less.
            let _ = fcntl_setpipe_size(end, wanted);
        }
        let room = [&full.1, &way.1].into_iter().map(fcntl_getpipe_size).collect::<rustix::io::Result<Vec<_>>>()?;
        let length = room.into_iter().fold(wanted, usize::min);
        let mut file = std::fs::File::from(memfd_create("assay-tcp", MemfdFlags::CLOEXEC)?);
        let mut content = vec![0; length];
        payload::fill(&mut content, 1, 0);
        io::Write::write_all(&mut file, &content)?;
        let mut at = 0;
        let filled = splice(&file, Some(&mut at), &full.1, None, length, SpliceFlags::empty())?;
        if filled == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        Ok(Self { full, way, length: filled, under_way: 0 })
    }

    /// Bytes that the socket took; 0 when it takes none now.
    pub(super) fn send(&mut self, socket: &TcpStream) -> io::Result<u64> {
        if self.under_way == 0 {
            self.under_way = tee(&self.full.0, &self.way.1, self.length, SpliceFlags::empty())?;
        }
        match splice(&self.way.0, None, socket, None, self.under_way, SpliceFlags::empty()) {
            Ok(0) => Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => {
                self.under_way -= bytes;
                Ok(u64::try_from(bytes).map_err(io::Error::other)?)
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}

impl Lane {
    pub(super) fn new(stream: usize, socket: TcpStream, send: Option<Sender>, receive: Option<Receiver>) -> Result<Self, EngineError> {
        let fail = |source| EngineError::Setup { act: "ask for the addresses of a connection", target: format!("stream {stream}"), source };
        let (local, remote) = (socket.local_addr().map_err(fail)?, socket.peer_addr().map_err(fail)?);
        Ok(Self {
            stream,
            socket,
            local,
            remote,
            send,
            receive,
            touched: Instant::now(),
            ask_again: false,
            opens: false,
            far_is_closed: false,
            acknowledged: 0,
            samples: Vec::new(),
            last_info: TcpInfo::default(),
        })
    }

    /// For messages.
    pub(super) fn name(&self) -> String {
        format!("stream {} from {} to {}", self.stream, self.local, self.remote)
    }

    pub(super) fn errno(&self, act: &'static str, errno: i32) -> EngineError {
        EngineError::Ring { act, target: self.name(), source: io::Error::from_raw_os_error(errno) }
    }

    /// Fills what is sent from, on the thread that sends.
    pub(super) fn prepare_send(&mut self, ring: &mut NetRing, own: Range<usize>, zero_copy: bool, how: &TcpHow) -> Result<(), EngineError> {
        let target = self.name();
        let Some(send) = &mut self.send else { return Ok(()) };
        let message = usize::try_from(how.message_bytes).expect("32 bits");
        if how.sending == Sending::FilePages {
            let pages = Pages::new(message.min(PAGES_BYTES)).map_err(|source| EngineError::Setup {
                act: "fill a memory file",
                target: target.clone(),
                source,
            })?;
            self.socket.set_nonblocking(true).map_err(|source| EngineError::Setup { act: "make non-blocking the socket", target, source })?;
            send.source = Send::Pages(pages);
            return Ok(());
        }
        for slot in own.clone() {
            payload::fill(ring.send_buffer(slot), 1, 0);
        }
        let busy = vec![false; own.len()];
        send.source = Send::Slots(Slots { zero_copy, own, next: 0, busy, rest: None, message, pattern: send.pattern, filled: 0 });
        Ok(())
    }

    /// Bytes have come.
    pub(super) fn received(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let Some(receive) = &mut self.receive else {
            let why = format!("it has sent {} bytes in a direction that carries none", bytes.len());
            return Err(EngineError::Peer { act: "measure with", peer: self.name(), why });
        };
        let count = u64::try_from(bytes.len()).expect("fits");
        receive.bytes += count;
        receive.since_adapted += count;
        if let Some(reader) = &mut receive.reader {
            reader.feed(bytes);
        }
        Ok(())
    }

    /// The peer sends nothing more: an error before its time.
    pub(super) fn ended(&mut self, now: Instant) -> Result<(), EngineError> {
        let early = self.receive.as_ref().is_some_and(|receive| receive.window.is_none())
            || self.send.as_ref().is_some_and(|send| !send.closed) && self.receive.is_none();
        if early {
            let why = "it has closed the stream before the time was over".to_owned();
            return Err(EngineError::Peer { act: "measure with", peer: self.name(), why });
        }
        self.touched = now;
        self.far_is_closed = true;
        if let Some(receive) = &mut self.receive {
            receive.verified = receive.reader.take().map(Reader::finish);
        }
        if self.send.is_none() {
            // The peer waits for it; where it is gone already, everything has come.
            let _ = self.socket.shutdown(std::net::Shutdown::Write);
        }
        Ok(())
    }

    pub(super) fn is_over(&self) -> bool {
        self.far_is_closed && self.send.as_ref().is_none_or(|send| send.closed)
    }

    /// Books what came since the last time into the window, `at` since its beginning.
    pub(super) fn count(&mut self, at: Duration, interval: Duration, open: bool) {
        let opens = std::mem::take(&mut self.opens);
        let Some(receive) = &mut self.receive else { return };
        let fresh = receive.bytes - std::mem::replace(&mut receive.counted, receive.bytes);
        if opens || !open || fresh == 0 {
            return;
        }
        receive.window_bytes += fresh;
        let point = usize::try_from(at.as_nanos() / interval.as_nanos()).unwrap_or(usize::MAX);
        if receive.series.len() <= point {
            receive.series.resize(point + 1, 0);
        }
        receive.series[point] += fresh;
    }

    pub(super) fn close_window(&mut self, window: Duration) {
        if let Some(receive) = &mut self.receive {
            receive.window = Some(window);
        }
    }

    /// Whether data still reaches the peer although nothing new is sent: a long queue drains.
    pub(super) fn still_delivers(&mut self, now: Instant) -> bool {
        let Ok(info) = options::tcp_info(&self.socket) else { return false };
        let moved = self.send.is_some() && info.bytes_acked > self.acknowledged;
        self.acknowledged = info.bytes_acked;
        if moved {
            self.touched = now;
        }
        moved
    }

    pub(super) fn sample(&mut self, at: Duration) {
        // Of a connection that is reset there is none; the reset itself ends the run.
        let Ok(info) = options::tcp_info(&self.socket) else { return };
        let ns = |micros: u64| micros.saturating_mul(1000);
        self.acknowledged = info.bytes_acked;
        self.last_info = info;
        self.samples.push(TcpSample {
            at_ns: u64::try_from(at.as_nanos()).unwrap_or(u64::MAX),
            rtt_ns: ns(info.rtt_us.into()),
            rttvar_ns: ns(info.rttvar_us.into()),
            min_rtt_ns: ns(info.min_rtt_us.into()),
            cwnd: info.snd_cwnd,
            retransmits: info.total_retrans,
            bytes_retransmitted: info.bytes_retrans,
            delivery_rate: info.delivery_rate,
            busy_ns: ns(info.busy_time_us),
            window_limited_ns: ns(info.rwnd_limited_us),
            buffer_limited_ns: ns(info.sndbuf_limited_us),
        });
    }

    /// What it came to.
    pub(super) fn finish(self) -> TcpStreamEnd {
        let size = |answer: rustix::io::Result<usize>| answer.ok().and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
        let sent = self.send.as_ref().map(|send| TcpSent { bytes: send.bytes, sending: send.kind(), notified: send.notified, copied: send.copied });
        let received = self.receive.map(|receive| TcpReceived {
            bytes: receive.bytes,
            window_bytes: receive.window_bytes,
            window_ns: receive.window.map_or(0, |window| u64::try_from(window.as_nanos()).unwrap_or(u64::MAX)),
            series: receive.series,
            verified: receive.verified,
        });
        TcpStreamEnd {
            local: self.local,
            remote: self.remote,
            congestion: sockopt::tcp_congestion(&self.socket).unwrap_or_default(),
            mss: self.last_info.snd_mss,
            path_mtu: self.last_info.pmtu,
            send_buffer: size(sockopt::socket_send_buffer_size(&self.socket)),
            receive_buffer: size(sockopt::socket_recv_buffer_size(&self.socket)),
            sent,
            received,
            samples: self.samples,
        }
    }
}
