//! The probe stream of drills: a UDP packet per millisecond and flow in both directions, sent by its own clock whatever the network does, so that an outage is
//! seen to the millisecond, with its first and last packet, in each direction by itself. How long an outage was is worked out by `timeline`.
//!
//! The listening half has one socket, the connecting one a socket per flow, whose source port puts the flow on a member of a bond. Both say hello before the
//! stream and goodbye after it; between, neither depends on the other.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::AtomicBool;

use serde::{Deserialize, Serialize};

use super::token::Token;
use super::udp::Udp;
use crate::error::EngineError;

mod arrivals;
mod meeting;
mod pace;
mod receiver;
mod sender;
pub mod timeline;

pub use arrivals::{Arrival, FlowReceived, Sequences, Silence};
pub use pace::{Pace, Stall};

/// Shortest period: a packet per 100 us and flow.
const PERIOD_MIN_NS: u64 = 100_000;
/// Most packets of a flow in a direction: nearly three hours of milliseconds.
const TICKS_MAX: u64 = 10_000_000;
/// Most flows.
const FLOWS_MAX: usize = 256;

/// What both halves must be told alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Time between packets of a flow, nanoseconds.
    pub period_ns: u64,
    /// How long packets are sent, unless stopped before.
    pub runtime_ns: u64,
    /// A silence of at least so long is a gap.
    pub gap_ns: u64,
    /// How long is listened for what is still under way at the end, and for the other's goodbye.
    pub linger_ns: u64,
    /// How long the halves try to meet.
    pub meet_ns: u64,
}

impl Shape {
    /// A packet per period and gaps from five periods on, as drills use it.
    pub fn drill(period_ns: u64, runtime_ns: u64) -> Self {
        Self { period_ns, runtime_ns, gap_ns: 5 * period_ns, linger_ns: 1_000_000_000, meet_ns: 10_000_000_000 }
    }

    fn ticks(&self) -> u64 {
        self.runtime_ns / self.period_ns.max(1)
    }

    fn check(&self, target: SocketAddr, flows: usize) -> Result<(), EngineError> {
        let refused = |why: String| Err(EngineError::Job { rw: "a probe stream", target: target.to_string(), why });
        if self.period_ns < PERIOD_MIN_NS {
            return refused(format!("a period of {} ns is shorter than {PERIOD_MIN_NS} ns", self.period_ns));
        }
        if self.ticks() == 0 || self.ticks() > TICKS_MAX {
            return refused(format!("{} ns in periods of {} ns are not between 1 and {TICKS_MAX} packets", self.runtime_ns, self.period_ns));
        }
        // Within two periods a packet is not missing yet.
        if self.gap_ns < 2 * self.period_ns {
            return refused(format!("a gap of {} ns is less than two periods", self.gap_ns));
        }
        if flows == 0 || flows > FLOWS_MAX {
            return refused(format!("{flows} flows are not between 1 and {FLOWS_MAX}"));
        }
        Ok(())
    }
}

/// The listening half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamListen {
    /// What the other half shows.
    pub token: Token,
    /// Address of this host; port 0 is any.
    pub address: SocketAddr,
    /// Flows that will say hello.
    pub flows: u16,
    /// The stream.
    pub shape: Shape,
}

/// The connecting half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamConnect {
    /// What is shown to the other half.
    pub token: Token,
    /// Address of this host; its port is not used.
    pub address: SocketAddr,
    /// What the listening half was ready at.
    pub peer: SocketAddr,
    /// A flow from each of these ports; 0 is any.
    pub source_ports: Vec<u16>,
    /// The stream.
    pub shape: Shape,
}

/// What one half sent and received. Times are nanoseconds since the boot of its host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StreamHalf {
    /// What it was told to do.
    pub shape: Shape,
    /// Own address of each flow.
    pub addresses: Vec<SocketAddr>,
    /// The other's address of each flow.
    pub peers: Vec<SocketAddr>,
    /// When its first packet was due.
    pub begin_ns: u64,
    /// From when on it listened.
    pub listened_from_ns: u64,
    /// Until when it listened.
    pub listened_until_ns: u64,
    /// Whether it was told to stop before its time was over.
    pub stopped: bool,
    /// How many packets of each flow it sent, and when the harness was late.
    pub pace: Pace,
    /// Packets of each flow that its own kernel refused, by its words.
    pub refused: Vec<BTreeMap<String, u64>>,
    /// What came of each flow.
    pub received: Vec<FlowReceived>,
    /// Packets of this stream whose bytes were not those that were sent; they are among the lost.
    pub damaged: u64,
    /// Packets of somebody else.
    pub foreign: u64,
    /// Packets that came and that its sockets had no room for: then losses are not the network's.
    pub overflowed: u64,
    /// Packets of which the kernel did not say when they came.
    pub unstamped: u64,
    /// Times in which its receiving thread did not run.
    pub blind: Vec<Blind>,
    /// Times of this kind that were not kept, nanoseconds together.
    pub blind_beyond_ns: u64,
    /// How many packets of each flow the other half said goodbye after; None when no goodbye came.
    pub peer_ticks: Option<u64>,
}

/// Time in which the receiving thread did not run: if the whole host stood still, that is no outage of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blind {
    /// From.
    pub from_ns: u64,
    /// To.
    pub to_ns: u64,
}

impl StreamHalf {
    /// How much of a time its receiving thread did not run, at most.
    pub fn blind_ns(&self, from_ns: u64, to_ns: u64) -> u64 {
        let overlap = |blind: &Blind| blind.to_ns.min(to_ns).saturating_sub(blind.from_ns.max(from_ns));
        self.blind.iter().map(overlap).fold(self.blind_beyond_ns, u64::saturating_add)
    }
}

/// Waits for the other half at `spec.address`, of which `ready` is told with its port, and takes part in the stream.
pub fn serve(spec: &StreamListen, stop: &AtomicBool, ready: &mut dyn FnMut(SocketAddr)) -> Result<StreamHalf, EngineError> {
    spec.shape.check(spec.address, spec.flows.into())?;
    let socket = Udp::open(spec.address)?;
    ready(socket.local());
    let mut receiver = receiver::Receiver::new(&spec.token, vec![socket], vec![None; spec.flows.into()], &spec.shape);
    meeting::listen(&mut receiver, stop)?;
    receiver.run(stop)
}

/// Meets the half that listens at `spec.peer`, and takes part in the stream.
pub fn connect(spec: &StreamConnect, stop: &AtomicBool) -> Result<StreamHalf, EngineError> {
    spec.shape.check(spec.peer, spec.source_ports.len())?;
    let open = |port: &u16| Udp::open(SocketAddr::new(spec.address.ip(), *port));
    let sockets = spec.source_ports.iter().map(open).collect::<Result<Vec<Udp>, EngineError>>()?;
    let mut receiver = receiver::Receiver::new(&spec.token, sockets, vec![Some(spec.peer); spec.source_ports.len()], &spec.shape);
    meeting::call(&mut receiver, stop)?;
    receiver.run(stop)
}

#[cfg(test)]
mod tests;
