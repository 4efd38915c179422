//! One measuring thread: its streams over one ring, from the common start to the end of every stream. It has a clock of its own, as there is no driver here:
//! what is received counts by the clock of the thread that receives it.

use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::lane::{Lane, Send};
use super::socket::TURN;
use super::spec::{Receiving, Sending, TcpFlow, TcpHow};
use crate::driver::Cpu;
use crate::error::EngineError;
use crate::sys::net_ring::{Event, NetRing, Sizes};
use crate::sys::{socket as options, usage};

/// Senders go on for so long after their window: the receivers' windows begin a little later.
pub(super) const MARGIN: Duration = Duration::from_millis(250);
/// Buffers that multishot receives have.
const LENT: u16 = 16;
/// A receiver is woken for about as much as comes in this time, so that many small wake-ups do not cost more than the bytes.
const WAKE_EVERY_SECONDS: f64 = 150e-6;
const WAKE_MAX: u32 = 512 << 10;
/// How often that is adapted.
const ADAPT: Duration = Duration::from_millis(100);
/// Rounds of pages in a row for one stream, while it takes all.
const PAGES_ROUND: usize = 8;

/// What a thread has seen besides its streams.
pub(super) struct Seen {
    pub(super) cpu: Cpu,
    pub(super) elapsed: Duration,
    pub(super) engine: String,
}

/// A thread that is ready to start.
pub(super) struct Worker<'a> {
    flow: &'a TcpFlow,
    how: &'a TcpHow,
    ring: NetRing,
    lanes: Vec<Lane>,
    window: Window,
}

#[derive(Default)]
struct Window {
    begin: Option<(Instant, Cpu)>,
    end: Option<(Instant, Cpu)>,
    sampled: Option<Instant>,
    adapted: Option<Instant>,
}

impl<'a> Worker<'a> {
    /// For the thread that calls.
    pub(super) fn new(flow: &'a TcpFlow, how: &'a TcpHow, mut lanes: Vec<Lane>) -> Result<Self, EngineError> {
        let size = |bytes: u32| usize::try_from(bytes).expect("32 bits");
        let senders = lanes.iter().filter(|lane| lane.send.is_some()).count();
        let slots = match how.sending {
            Sending::Plain => 2,
            Sending::ZeroCopy => 4,
            Sending::FilePages => 0,
        };
        let multishot = how.receiving == Receiving::Multishot;
        let singles = u16::try_from(lanes.len()).unwrap_or(u16::MAX);
        // Where a thread only sends, one buffer is enough to see the ends of its streams.
        let lent = if lanes.iter().any(|lane| lane.receive.is_some()) { LENT.max(singles.saturating_mul(2).next_power_of_two()) } else { 1 };
        let sizes = Sizes {
            send_bytes: size(how.message_bytes),
            send_slots: senders * slots,
            receive_bytes: size(how.receive_bytes),
            receive_buffers: if multishot { lent } else { singles },
            multishot,
        };
        let ring = |source| EngineError::Setup { act: "set up an io_uring", target: format!("{} TCP streams", lanes.len()), source };
        let mut ring = NetRing::new(sizes).map_err(ring)?;
        let zero_copy = how.sending == Sending::ZeroCopy && ring.knows_zero_copy();
        for (number, lane) in lanes.iter_mut().filter(|lane| lane.send.is_some()).enumerate() {
            let own = number * slots..(number + 1) * slots;
            lane.prepare_send(&mut ring, own, zero_copy, how)?;
        }
        Ok(Self { flow, how, ring, lanes, window: Window::default() })
    }

    /// The sockets, for the last words before the start.
    pub(super) fn sockets(&mut self) -> impl Iterator<Item = &mut TcpStream> {
        self.lanes.iter_mut().map(|lane| &mut lane.socket)
    }

    /// Runs from the common start until every stream is over.
    pub(super) fn run(mut self, start: Instant, stop: &AtomicBool) -> Result<(Vec<Lane>, Seen), EngineError> {
        let (window_begin, window_end) = (start + self.flow.ramp(), start + self.flow.ramp() + self.flow.runtime());
        let send_until = window_end + MARGIN;
        let at_the_latest = send_until + self.flow.patience() * 3;
        let mut events = Vec::new();
        for number in 0..self.lanes.len() {
            self.lanes[number].touched = start;
            if self.lanes[number].receive.is_some() {
                self.ask(number)?;
            }
        }
        loop {
            let busy = self.send(Instant::now() >= send_until)?;
            let patience = if busy { Duration::ZERO } else { TURN };
            self.ring.wait(patience, &mut events).map_err(|source| self.broken("wait for completions", 0, source))?;
            let now = Instant::now();
            self.open_window(now, window_begin);
            for event in events.drain(..) {
                Self::take(&mut self.lanes, &mut self.ring, self.how, event, now)?;
            }
            for number in 0..self.lanes.len() {
                if std::mem::take(&mut self.lanes[number].ask_again) {
                    self.ask(number)?;
                }
            }
            self.keep_time(now);
            if self.lanes.iter().all(Lane::is_over) {
                break;
            }
            self.look_for_trouble(now, at_the_latest, stop)?;
        }
        self.sum_up()
    }

    fn sum_up(self) -> Result<(Vec<Lane>, Seen), EngineError> {
        let engine = self.ring.describe();
        let (Some((begin, before)), Some((end, after))) = (self.window.begin, self.window.end) else {
            let lane = &self.lanes[0];
            let why = "every stream ended before the time was over".to_owned();
            return Err(EngineError::Peer { act: "measure with", peer: lane.name(), why });
        };
        let cpu = Cpu { user_ns: after.user_ns - before.user_ns, system_ns: after.system_ns - before.system_ns };
        Ok((self.lanes, Seen { cpu, elapsed: end.duration_since(begin), engine }))
    }

    // Bytes that came before the window are not of it: what this wait has brought is not looked at yet.
    fn open_window(&mut self, now: Instant, begin: Instant) {
        if self.window.begin.is_none() && now >= begin {
            // They were brought by this wait, and belong before.
            self.window.begin = Some((now, usage::thread()));
            self.window.sampled = Some(now);
            for lane in &mut self.lanes {
                lane.opens = true;
            }
        }
    }

    fn keep_time(&mut self, now: Instant) {
        let Some((begin, _)) = self.window.begin else { return };
        for lane in &mut self.lanes {
            lane.count(now.duration_since(begin), self.flow.interval(), self.window.end.is_none());
        }
        if self.window.end.is_some() {
            return;
        }
        if self.window.adapted.is_none_or(|last| now.duration_since(last) >= ADAPT) {
            self.adapt(now);
        }
        // A thread that was late at the beginning measures as long.
        let ends = now >= begin + self.flow.runtime();
        if ends || self.window.sampled.is_some_and(|last| now.duration_since(last) >= self.flow.interval()) {
            self.window.sampled = Some(now);
            for lane in &mut self.lanes {
                lane.sample(now.duration_since(begin));
            }
        }
        if ends {
            self.window.end = Some((now, usage::thread()));
            for lane in &mut self.lanes {
                lane.close_window(now.duration_since(begin));
            }
        }
    }

    fn adapt(&mut self, now: Instant) {
        let Some(last) = self.window.adapted.replace(now) else { return };
        let seconds = now.duration_since(last).as_secs_f64();
        for lane in &mut self.lanes {
            let Some(receive) = &mut lane.receive else { continue };
            #[allow(clippy::cast_precision_loss, reason = "bytes of a tenth of a second")]
            let wanted = (receive.since_adapted as f64 / seconds * WAKE_EVERY_SECONDS).min(f64::from(WAKE_MAX));
            receive.since_adapted = 0;
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to WAKE_MAX")]
            let wanted = (wanted as u32).max(1);
            if wanted > receive.low_water * 2 || wanted < receive.low_water / 2 {
                // Where the kernel refuses, it wakes us more often.
                if options::set_receive_low_water(&lane.socket, wanted).is_ok() {
                    receive.low_water = wanted;
                }
            }
        }
    }

    // Keeps every sender busy; true while one of them takes more at once.
    fn send(&mut self, over: bool) -> Result<bool, EngineError> {
        let mut busy = false;
        for number in 0..self.lanes.len() {
            let lane = &mut self.lanes[number];
            let Some(send) = &mut lane.send else { continue };
            if send.closed {
                continue;
            }
            if over {
                if send.is_idle() {
                    self.close(number)?;
                }
                continue;
            }
            if !send.may_begin() {
                continue;
            }
            match &mut send.source {
                Send::Pages(pages) => {
                    for _ in 0..PAGES_ROUND {
                        match pages.send(&lane.socket) {
                            Ok(0) => {
                                send.waits = true;
                                break;
                            }
                            Ok(bytes) => {
                                send.bytes += bytes;
                                lane.touched = Instant::now();
                            }
                            Err(source) => return Err(self.broken("send", number, source)),
                        }
                    }
                    if send.waits {
                        self.ring.push_poll_out(number, &lane.socket).map_err(|source| self.broken("send", number, source))?;
                    } else {
                        busy = true;
                    }
                }
                Send::Slots(slots) => {
                    let Some((slot, range)) = slots.next(&mut self.ring) else { continue };
                    let zero_copy = slots.zero_copy;
                    let pushed = self.ring.push_send(number, &lane.socket, slot, range, zero_copy);
                    send.waits = true;
                    pushed.map_err(|source| self.broken("send", number, source))?;
                }
            }
        }
        Ok(busy)
    }

    // Nothing more is sent; the peer is expected to close in its turn.
    fn close(&mut self, number: usize) -> Result<(), EngineError> {
        let lane = &mut self.lanes[number];
        lane.socket.shutdown(Shutdown::Write).map_err(|source| EngineError::Ring { act: "close the sending side", target: lane.name(), source })?;
        lane.touched = Instant::now();
        let Some(send) = &mut lane.send else { return Ok(()) };
        send.closed = true;
        if lane.receive.is_none() {
            self.ask(number)?;
        }
        Ok(())
    }

    fn ask(&mut self, number: usize) -> Result<(), EngineError> {
        let lane = &self.lanes[number];
        let asked = match self.how.receiving {
            Receiving::Multishot => self.ring.push_receive_multi(number, &lane.socket),
            Receiving::Single => self.ring.push_receive(number, &lane.socket, u16::try_from(number).expect("a buffer for each")),
        };
        asked.map_err(|source| self.broken("receive", number, source))
    }

    fn take(lanes: &mut [Lane], ring: &mut NetRing, how: &TcpHow, event: Event, now: Instant) -> Result<(), EngineError> {
        match event {
            Event::Sent { stream, slot, result, kept } => {
                let lane = &mut lanes[stream];
                let bytes = result.map_err(|errno| lane.errno("send", errno))?;
                lane.touched = now;
                if let Some(send) = &mut lane.send {
                    send.completed(slot, bytes, kept);
                }
            }
            Event::Released { slot, copied } => {
                if let Some(send) = lanes.iter_mut().filter_map(|lane| lane.send.as_mut()).find(|send| send.owns(slot)) {
                    send.released(slot, copied);
                }
            }
            Event::Writable { stream } => {
                if let Some(send) = &mut lanes[stream].send {
                    send.waits = false;
                }
            }
            Event::Received { stream, buffer, bytes, more } => {
                let lane = &mut lanes[stream];
                lane.touched = now;
                lane.received(ring.received(buffer, bytes))?;
                ring.recycle(buffer);
                lane.ask_again |= !more || how.receiving == Receiving::Single;
            }
            Event::Dry { stream, errno: libc::ENOBUFS | libc::EINTR | libc::EAGAIN } => lanes[stream].ask_again = true,
            Event::Dry { stream, errno: 0 } => lanes[stream].ended(now)?,
            Event::Dry { stream, errno } => return Err(lanes[stream].errno("receive", errno)),
        }
        Ok(())
    }

    fn look_for_trouble(&mut self, now: Instant, at_the_latest: Instant, stop: &AtomicBool) -> Result<(), EngineError> {
        let patience = self.flow.patience();
        if stop.load(Ordering::Relaxed) {
            return Err(EngineError::Stopped { target: self.lanes[0].name() });
        }
        for lane in self.lanes.iter_mut().filter(|lane| !lane.is_over()) {
            let waited = now.saturating_duration_since(lane.touched);
            if waited >= patience && !lane.still_delivers(now) || now >= at_the_latest {
                return Err(EngineError::Stalled { target: lane.name(), in_flight: 1, waited });
            }
        }
        Ok(())
    }

    fn broken(&self, act: &'static str, number: usize, source: std::io::Error) -> EngineError {
        EngineError::Ring { act, target: self.lanes[number].name(), source }
    }
}
