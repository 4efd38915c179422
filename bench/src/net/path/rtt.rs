//! How long packets take to a peer and back: requests at a fixed rate by the clock, whatever comes back. The far half says when it received a request and when it
//! answered, by its own clock: the time in its host is taken out, and variations of each way are seen without comparing clocks.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use super::reflector::headers;
use crate::error::EngineError;
use crate::net::clock;
use crate::net::packet::{Kind, PACKET_BYTES, Packet, Rejected};
use crate::net::quantiles::Times;
use crate::net::token::Token;
use crate::net::udp::{self, Arrived, Buffer, Udp};

/// Longest wait without a look at the stop flag.
const WAIT_NS: u64 = 20_000_000;
/// Most requests of one measurement.
const PROBES_MAX: u32 = 10_000_000;
/// Most flows.
const FLOWS_MAX: usize = 256;
/// Clocks of two hosts run apart by so little within a round trip.
const APART_NS: u64 = 1_000;

/// The near half; the far one is `reflector::serve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RttConnect {
    /// What is shown to the far half.
    pub token: Token,
    /// Address of this host; its port is not used.
    pub address: SocketAddr,
    /// What the far half was ready at.
    pub peer: SocketAddr,
    /// A flow from each of these ports, in turn; 0 is any.
    pub source_ports: Vec<u16>,
    /// Requests, of all flows together.
    pub probes: u32,
    /// Requests per second, of all flows together.
    pub rate: u32,
    /// Bytes of the IP packet, headers included.
    pub ip_bytes: u32,
    /// How long after the last request answers are waited for.
    pub patience_ns: u64,
}

/// Variation of the time that one way takes, nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jitter {
    /// Interarrival jitter after the last packet (RFC 3550, section 6.4.1).
    pub last_ns: f64,
    /// The highest that it was.
    pub highest_ns: f64,
    /// Mean difference between packets in a row.
    pub mean_ns: f64,
    /// Of how many differences, 1 or more.
    pub differences: u64,
}

/// One flow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RttFlow {
    /// Own address and port.
    pub source: SocketAddr,
    /// Requests that were due.
    pub sent: u64,
    /// Those that the own kernel refused, by its words; they are among the lost.
    pub refused: BTreeMap<String, u64>,
    /// Those that were answered, each counted once.
    pub answered: u64,
    /// Answers that came again.
    pub duplicated: u64,
    /// Answers that came after a later one.
    pub reordered: u64,
    /// From the request to its answer.
    pub rtt: Times,
    /// The same without the time in the far host.
    pub network: Times,
    /// The time in the far host.
    pub far_host: Times,
    /// Answers whose far times cannot be true; they are in no histogram but the first.
    pub implausible: u64,
    /// Variation on the way there; None without two packets whose times can be believed.
    pub there: Option<Jitter>,
    /// Variation on the way back; None likewise.
    pub back: Option<Jitter>,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rtt {
    /// The far half's address.
    pub peer: SocketAddr,
    /// Every flow.
    pub flows: Vec<RttFlow>,
    /// How late requests were sent: the harness's own lateness, in no round-trip time.
    pub lag: Times,
    /// Packets that show the token and were damaged.
    pub damaged: u64,
    /// Packets of somebody else.
    pub foreign: u64,
    /// Answers that the sockets had no room for: then losses are not the network's.
    pub overflowed: u64,
    /// Answers of which the kernel did not say when they came.
    pub unstamped: u64,
    /// Whether it was told to stop before all was sent.
    pub stopped: bool,
}

impl Rtt {
    /// Round-trip times of all flows.
    pub fn rtt(&self) -> Times {
        self.flows.iter().fold(Times::default(), |mut all, flow| {
            all.add(&flow.rtt);
            all
        })
    }

    /// Requests that were due and that were answered, of all flows.
    pub fn sent_and_answered(&self) -> (u64, u64) {
        self.flows.iter().fold((0, 0), |(sent, answered), flow| (sent + flow.sent, answered + flow.answered))
    }
}

/// Sends requests and takes their answers.
pub fn connect(spec: &RttConnect, stop: &AtomicBool) -> Result<Rtt, EngineError> {
    let flows = spec.source_ports.len();
    let least = headers(spec.address) + u32::try_from(PACKET_BYTES).expect("a few bytes");
    let refused = |why: String| Err(EngineError::Job { rw: "a round-trip time", target: spec.peer.to_string(), why });
    if spec.address.is_ipv4() != spec.peer.is_ipv4() {
        return refused(format!("{} is of another family", spec.address));
    }
    if spec.probes == 0 || spec.probes > PROBES_MAX || spec.rate == 0 || flows == 0 || flows > FLOWS_MAX {
        return refused(format!("{} requests at {}/s in {flows} flows are none, or too many", spec.probes, spec.rate));
    }
    if !(least..=65_535).contains(&spec.ip_bytes) {
        return refused(format!("packets of {} bytes are not between {least} and 65535", spec.ip_bytes));
    }
    let open = |port: &u16| Udp::open(SocketAddr::new(spec.address.ip(), *port));
    let sockets = spec.source_ports.iter().map(open).collect::<Result<Vec<Udp>, EngineError>>()?;
    let senders = sockets.iter().map(Udp::twin).collect::<Result<Vec<Udp>, EngineError>>()?;
    // When each request was sent; 0 is not yet. What an answer says must be the same.
    let times: Vec<AtomicU64> = (0..spec.probes).map(|_| AtomicU64::new(0)).collect();
    let halt = AtomicBool::new(false);
    let mut near = Near::new(spec, &sockets, &times);
    let (sent, listened) = std::thread::scope(|scope| {
        let sender = scope.spawn(|| send(spec, &senders, &times, &halt));
        let listened = near.listen(stop, &|| sender.is_finished());
        halt.store(true, Ordering::Relaxed);
        (sender.join().expect("the sender does not panic"), listened)
    });
    listened?;
    Ok(near.finish(sent, stop.load(Ordering::Relaxed)))
}

struct Sent {
    probes: usize,
    refused: Vec<BTreeMap<String, u64>>,
    lag: Times,
}

fn send(spec: &RttConnect, sockets: &[Udp], times: &[AtomicU64], halt: &AtomicBool) -> Sent {
    let mut buffer = vec![0; usize::try_from(spec.ip_bytes - headers(spec.address)).expect("a datagram")];
    let mut sent = Sent { probes: 0, refused: vec![BTreeMap::new(); sockets.len()], lag: Times::default() };
    let begin_ns = clock::now() + 1_000_000;
    for (number, time) in (0_u64..).zip(times) {
        let due_ns = begin_ns + number * 1_000_000_000 / u64::from(spec.rate);
        if !clock::sleep_until(due_ns, halt) {
            break;
        }
        let flow = sent.probes % sockets.len();
        let now_ns = clock::now();
        sent.lag.record(now_ns.saturating_sub(due_ns).max(1));
        time.store(now_ns, Ordering::Relaxed);
        let packet = Packet { kind: Kind::Ping, flow: u16::try_from(flow).expect("few flows"), sequence: number, words: [now_ns, 0, 0] };
        packet.write(&spec.token, &mut buffer);
        if let Err(error) = sockets[flow].send(&buffer, spec.peer) {
            *sent.refused[flow].entry(error.to_string()).or_insert(0) += 1;
        }
        sent.probes += 1;
    }
    sent
}

/// The running estimate of RFC 3550, and what it is an estimate of.
#[derive(Debug, Default)]
struct Variation {
    before: Option<i128>,
    sum: f64,
    last_ns: f64,
    highest_ns: f64,
    differences: u64,
}

impl Variation {
    // The offset of the clocks is in every transit, and in no difference of two.
    fn packet(&mut self, sent_ns: u64, received_ns: u64) {
        let transit = i128::from(received_ns) - i128::from(sent_ns);
        let Some(before) = self.before.replace(transit) else { return };
        #[allow(clippy::cast_precision_loss, reason = "differences of transits are far below 2^53 ns")]
        let difference = (transit - before).unsigned_abs() as f64;
        self.last_ns += (difference - self.last_ns) / 16.0;
        self.highest_ns = self.highest_ns.max(self.last_ns);
        self.differences += 1;
        self.sum += difference;
    }

    fn finish(self) -> Option<Jitter> {
        let Self { sum, last_ns, highest_ns, differences, .. } = self;
        #[allow(clippy::cast_precision_loss, reason = "a number of packets")]
        let mean_ns = sum / differences as f64;
        (differences > 0).then_some(Jitter { last_ns, highest_ns, mean_ns, differences })
    }
}

struct Flow {
    result: RttFlow,
    highest: Option<u64>,
    there: Variation,
    back: Variation,
}

struct Near<'a> {
    spec: &'a RttConnect,
    sockets: &'a [Udp],
    times: &'a [AtomicU64],
    answered: Vec<bool>,
    all: usize,
    flows: Vec<Flow>,
    overflowed: Vec<u64>,
    damaged: u64,
    foreign: u64,
    unstamped: u64,
}

impl<'a> Near<'a> {
    fn new(spec: &'a RttConnect, sockets: &'a [Udp], times: &'a [AtomicU64]) -> Self {
        let flow = |socket: &Udp| Flow {
            result: RttFlow {
                source: socket.local(),
                sent: 0,
                refused: BTreeMap::new(),
                answered: 0,
                duplicated: 0,
                reordered: 0,
                rtt: Times::default(),
                network: Times::default(),
                far_host: Times::default(),
                implausible: 0,
                there: None,
                back: None,
            },
            highest: None,
            there: Variation::default(),
            back: Variation::default(),
        };
        Self {
            spec,
            sockets,
            times,
            answered: vec![false; times.len()],
            all: 0,
            flows: sockets.iter().map(flow).collect(),
            overflowed: vec![0; sockets.len()],
            damaged: 0,
            foreign: 0,
            unstamped: 0,
        }
    }

    // Until all is answered, or nothing more can be.
    fn listen(&mut self, stop: &AtomicBool, is_all_sent: &dyn Fn() -> bool) -> Result<(), EngineError> {
        let (mut buffer, mut end) = (Buffer::new(), None);
        loop {
            if end.is_none() && is_all_sent() {
                end = Some(clock::now() + self.spec.patience_ns);
            }
            if stop.load(Ordering::Relaxed) || self.all == self.times.len() || end.is_some_and(|end| clock::now() >= end) {
                return Ok(());
            }
            udp::wait(self.sockets, WAIT_NS)?;
            for socket in 0..self.sockets.len() {
                while let Some(arrived) = self.sockets[socket].take(&self.spec.token, &mut buffer)? {
                    self.overflowed[socket] = self.overflowed[socket].max(arrived.overflowed.into());
                    self.unstamped += u64::from(!arrived.is_stamped);
                    self.packet(socket, &arrived)?;
                }
            }
        }
    }

    fn packet(&mut self, socket: usize, arrived: &Arrived) -> Result<(), EngineError> {
        let packet = match arrived.packet {
            Ok(packet) if packet.kind == Kind::Pong && arrived.from == self.spec.peer && usize::from(packet.flow) == socket => packet,
            Ok(_) | Err(Rejected::Foreign) => {
                self.foreign += 1;
                return Ok(());
            }
            Err(Rejected::Damaged) => {
                self.damaged += 1;
                return Ok(());
            }
        };
        let number = usize::try_from(packet.sequence).unwrap_or(usize::MAX);
        let sent_ns = self.times.get(number).map_or(0, |time| time.load(Ordering::Relaxed));
        if sent_ns == 0 || sent_ns != packet.words[0] || number % self.sockets.len() != socket {
            let why = format!("it answers request {number}, which was not sent so");
            return Err(EngineError::Peer { act: "believe", peer: self.spec.peer.to_string(), why });
        }
        let flow = &mut self.flows[socket];
        if std::mem::replace(&mut self.answered[number], true) {
            flow.result.duplicated += 1;
            return Ok(());
        }
        self.all += 1;
        flow.result.answered += 1;
        flow.result.reordered += u64::from(flow.highest.is_some_and(|highest| packet.sequence < highest));
        flow.highest = flow.highest.max(Some(packet.sequence));
        let [_, far_received_ns, far_sent_ns] = packet.words;
        let rtt = arrived.at_ns.saturating_sub(sent_ns).max(1);
        flow.result.rtt.record(rtt);
        match far_sent_ns.checked_sub(far_received_ns).filter(|far| *far <= rtt + APART_NS) {
            Some(far) => {
                flow.result.far_host.record(far.max(1));
                flow.result.network.record(rtt.saturating_sub(far).max(1));
                flow.there.packet(sent_ns, far_received_ns);
                flow.back.packet(far_sent_ns, arrived.at_ns);
            }
            None => flow.result.implausible += 1,
        }
        Ok(())
    }

    fn finish(self, sent: Sent, is_stopped: bool) -> Rtt {
        let count = |flow: usize| u64::try_from((sent.probes + self.sockets.len() - 1 - flow) / self.sockets.len()).expect("a number of requests");
        let flows = self.flows.into_iter().zip(sent.refused).enumerate();
        let flow = |(number, (flow, refused)): (usize, (Flow, BTreeMap<String, u64>))| RttFlow {
            sent: count(number),
            refused,
            there: flow.there.finish(),
            back: flow.back.finish(),
            ..flow.result
        };
        Rtt {
            peer: self.spec.peer,
            flows: flows.map(flow).collect(),
            lag: sent.lag,
            damaged: self.damaged,
            foreign: self.foreign,
            overflowed: self.overflowed.iter().sum(),
            unstamped: self.unstamped,
            stopped: is_stopped || sent.probes < self.times.len(),
        }
    }
}

#[cfg(test)]
mod tests;
