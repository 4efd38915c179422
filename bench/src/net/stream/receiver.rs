//! The thread that receives, and answers hello and goodbye. What the kernel says of when a packet came is believed before the thread's own clock: a thread that
//! was kept waiting does not make packets late.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use super::arrivals::{Arrival, Arrivals};
use super::meeting::AGAIN_NS;
use super::sender::{self, Sent};
use super::{Blind, Shape, StreamHalf};
use crate::error::EngineError;
use crate::net::clock;
use crate::net::packet::{Kind, PACKET_BYTES, Packet, Rejected};
use crate::net::token::Token;
use crate::net::udp::{self, Arrived, Buffer, Udp};

/// Longest wait for packets.
const WAIT_NS: u64 = 5_000_000;
/// A thread that did not run for so much longer than it waited was kept from it.
const KEPT_NS: u64 = 5_000_000;
/// As many such times are kept.
const BLIND_KEPT: usize = 16_384;
/// How long is listened on after both have said goodbye.
const SETTLE_NS: u64 = 100_000_000;

/// Counts that are of no flow.
#[derive(Debug, Default)]
struct Counts {
    damaged: u64,
    foreign: u64,
    unstamped: u64,
    overflowed: Vec<u64>,
}

/// The receiving thread's state.
pub(super) struct Receiver<'a> {
    pub(super) shape: &'a Shape,
    pub(super) peers: Vec<Option<SocketAddr>>,
    pub(super) welcomed: Vec<bool>,
    token: &'a Token,
    sockets: Vec<Udp>,
    arrivals: Vec<Arrivals>,
    // Flows that have said hello again: their welcome was lost.
    greeted: Vec<usize>,
    goodbyes: Vec<Option<u64>>,
    counts: Counts,
    buffer: Buffer,
    listened_from_ns: u64,
    looked_ns: u64,
    blind: Vec<Blind>,
    blind_beyond_ns: u64,
}

impl<'a> Receiver<'a> {
    /// Of flows whose peers may be known already; one socket for all of them, or one for each.
    pub(super) fn new(token: &'a Token, sockets: Vec<Udp>, peers: Vec<Option<SocketAddr>>, shape: &'a Shape) -> Self {
        let flows = peers.len();
        let arrivals = (0..).take(flows).map(|flow| Arrivals::new(flow, shape.ticks(), shape.gap_ns)).collect();
        let now = clock::now();
        Self {
            shape,
            peers,
            welcomed: vec![false; flows],
            token,
            counts: Counts { overflowed: vec![0; sockets.len()], ..Counts::default() },
            sockets,
            arrivals,
            greeted: Vec::new(),
            goodbyes: vec![None; flows],
            buffer: Buffer::new(),
            listened_from_ns: now,
            looked_ns: now,
            blind: Vec::new(),
            blind_beyond_ns: 0,
        }
    }

    /// Where it listens, for messages.
    pub(super) fn place(&self) -> String {
        match self.peers.first() {
            Some(Some(peer)) => peer.to_string(),
            _ => self.sockets[0].local().to_string(),
        }
    }

    /// Flows that have said hello since the last call.
    pub(super) fn take_greeted(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.greeted)
    }

    /// Sends a word to the peer of a flow. That it is lost is made good by saying it again.
    pub(super) fn say(&self, kind: Kind, flow: usize, ticks: u64) {
        let Some(peer) = self.peers[flow] else { return };
        let mut buffer = [0; PACKET_BYTES];
        let number = u16::try_from(flow).expect("few flows");
        // What both must be told alike is shown, so that halves that were not never begin.
        Packet { kind, flow: number, sequence: ticks, words: [self.shape.period_ns, self.shape.runtime_ns, self.shape.gap_ns] }
            .write(self.token, &mut buffer);
        let _ = self.socket(flow).send(&buffer, peer);
    }

    fn socket(&self, flow: usize) -> &Udp {
        &self.sockets[if self.sockets.len() == 1 { 0 } else { flow }]
    }

    /// Waits for packets, not long, and takes all that there are.
    pub(super) fn wait_and_take(&mut self) -> Result<(), EngineError> {
        udp::wait(&self.sockets, WAIT_NS)?;
        let now = clock::now();
        if now > self.looked_ns + WAIT_NS + KEPT_NS {
            let blind = Blind { from_ns: self.looked_ns + WAIT_NS, to_ns: now };
            if self.blind.len() < BLIND_KEPT {
                self.blind.push(blind);
            } else {
                self.blind_beyond_ns += blind.to_ns - blind.from_ns;
            }
        }
        self.looked_ns = now;
        for socket in 0..self.sockets.len() {
            while let Some(arrived) = self.sockets[socket].take(self.token, &mut self.buffer)? {
                self.counts.overflowed[socket] = self.counts.overflowed[socket].max(arrived.overflowed.into());
                self.counts.unstamped += u64::from(!arrived.is_stamped);
                self.packet(socket, &arrived)?;
            }
        }
        Ok(())
    }

    fn packet(&mut self, socket: usize, arrived: &Arrived) -> Result<(), EngineError> {
        let packet = match arrived.packet {
            Ok(packet) => packet,
            Err(Rejected::Foreign) => {
                self.counts.foreign += 1;
                return Ok(());
            }
            Err(Rejected::Damaged) => {
                self.counts.damaged += 1;
                return Ok(());
            }
        };
        let flow = usize::from(packet.flow);
        let is_ours = flow < self.peers.len()
            && (self.sockets.len() == 1 || socket == flow)
            && self.peers[flow].is_none_or(|peer| peer == arrived.from)
            && (self.peers[flow].is_some() || packet.kind == Kind::Hello);
        if !is_ours {
            self.counts.foreign += 1;
            return Ok(());
        }
        match packet.kind {
            Kind::Hello | Kind::Welcome => {
                if packet.words != [self.shape.period_ns, self.shape.runtime_ns, self.shape.gap_ns] {
                    let why = "it was told of another period, time or gap".to_owned();
                    return Err(EngineError::Peer { act: "begin a probe stream with", peer: arrived.from.to_string(), why });
                }
                if packet.kind == Kind::Hello {
                    self.peers[flow] = Some(arrived.from);
                    self.greeted.push(flow);
                } else {
                    self.welcomed[flow] = true;
                }
            }
            Kind::Probe => {
                self.welcomed[flow] = true;
                self.arrivals[flow].arrived(Arrival { at_ns: arrived.at_ns, sequence: packet.sequence });
            }
            Kind::Bye => self.goodbyes[flow] = Some(packet.sequence),
            Kind::Size | Kind::Receipt | Kind::Echo | Kind::Ping | Kind::Pong => self.counts.foreign += 1,
        }
        Ok(())
    }

    /// The stream itself, from the first packet to the last.
    pub(super) fn run(mut self, stop: &AtomicBool) -> Result<StreamHalf, EngineError> {
        let halt = AtomicBool::new(false);
        let peers: Vec<SocketAddr> = self.peers.iter().map(|peer| peer.expect("all have met")).collect();
        // The sending thread has descriptors of its own for the same sockets.
        let mine = self.sockets.iter().map(Udp::twin).collect::<Result<Vec<Udp>, EngineError>>()?;
        let of = |flow: usize| &mine[if mine.len() == 1 { 0 } else { flow }];
        let flows: Vec<(&Udp, SocketAddr)> = peers.iter().enumerate().map(|(flow, peer)| (of(flow), *peer)).collect();
        let (token, shape) = (self.token, self.shape);
        let (sent, received) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| sender::send(token, &flows, shape, &halt));
            let received = self.listen(stop, &|| sender.is_finished());
            halt.store(true, Ordering::Relaxed);
            (sender.join().expect("the sender does not panic"), received)
        });
        received?;
        let stopped = sent.pace.ticks < shape.ticks();
        self.part(sent.pace.ticks)?;
        Ok(self.finish(sent, peers, stopped))
    }

    fn listen(&mut self, stop: &AtomicBool, is_all_sent: &dyn Fn() -> bool) -> Result<(), EngineError> {
        while !stop.load(Ordering::Relaxed) && !is_all_sent() && !self.goodbyes.iter().all(Option::is_some) {
            self.wait_and_take()?;
            for flow in self.take_greeted() {
                self.say(Kind::Welcome, flow, 0);
            }
        }
        Ok(())
    }

    // Says goodbye until the other has too, and listens for what is still under way.
    fn part(&mut self, ticks: u64) -> Result<(), EngineError> {
        let begin = clock::now();
        let (mut again, mut both) = (begin, None);
        loop {
            let now = clock::now();
            if self.goodbyes.iter().all(Option::is_some) {
                both.get_or_insert(now);
            }
            if now >= begin + self.shape.linger_ns || both.is_some_and(|both| now >= both + SETTLE_NS) {
                return Ok(());
            }
            if now >= again {
                (0..self.peers.len()).for_each(|flow| self.say(Kind::Bye, flow, ticks));
                again = now + AGAIN_NS;
            }
            self.wait_and_take()?;
        }
    }

    fn finish(self, sent: Sent, peers: Vec<SocketAddr>, stopped: bool) -> StreamHalf {
        StreamHalf {
            shape: *self.shape,
            addresses: (0..peers.len()).map(|flow| self.socket(flow).local()).collect(),
            peers,
            begin_ns: sent.begin_ns,
            listened_from_ns: self.listened_from_ns,
            listened_until_ns: self.looked_ns,
            stopped,
            pace: sent.pace,
            refused: sent.refused,
            received: self.arrivals.into_iter().map(Arrivals::finish).collect(),
            damaged: self.counts.damaged,
            foreign: self.counts.foreign,
            overflowed: self.counts.overflowed.iter().sum(),
            unstamped: self.counts.unstamped,
            blind: self.blind,
            blind_beyond_ns: self.blind_beyond_ns,
            peer_ticks: self.goodbyes.into_iter().collect::<Option<Vec<u64>>>().and_then(|ticks| ticks.into_iter().max()),
        }
    }
}
