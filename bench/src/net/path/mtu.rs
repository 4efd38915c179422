//! The largest packet that gets to a peer and back whole: UDP with "don't fragment" and IP_PMTUDISC_PROBE, so that neither fragments nor what the kernel
//! remembers of the path decide. That a packet does not get there is told apart by who says so: this host, a router, or nobody.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::reflector::headers;
use crate::error::EngineError;
use crate::net::clock;
use crate::net::packet::{Kind, PACKET_BYTES, Packet};
use crate::net::token::Token;
use crate::net::udp::{self, Buffer, Udp};
use crate::sys::datagram::{Failure, Origin};

/// Size that every path carries (RFC 8200, section 5): whether the path is there at all.
const CONTROL_IP_BYTES: u32 = 1280;
/// How often that is tried.
const CONTROLS: u32 = 3;
/// How often it is tried before the first size, until it passes.
const GREETINGS: u32 = 8;
/// Longest wait without a look at the stop flag.
const WAIT_NS: u64 = 20_000_000;

/// The near half; the far one is `reflector::serve`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MtuConnect {
    /// What is shown to the far half.
    pub token: Token,
    /// Address of this host; port 0 is any.
    pub address: SocketAddr,
    /// What the far half was ready at.
    pub peer: SocketAddr,
    /// Bytes of IP packets, headers included, that are tried.
    pub ip_bytes: Vec<u32>,
    /// Packets of each size.
    pub probes: u32,
    /// How long an answer is waited for.
    pub patience_ns: u64,
}

/// What became of packets of one size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeTried {
    /// Bytes of the IP packet, headers included.
    pub ip_bytes: u32,
    /// Packets that were tried.
    pub probes: u32,
    /// Those that came back whole and byte for byte.
    pub echoed: u32,
    /// Those that the far half has received, whether they came back or not.
    pub received: u32,
    /// Those that came in fragments, there or here.
    pub fragmented: u32,
    /// Those that the far half's own kernel did not send back, by errno.
    pub not_echoed: BTreeMap<u32, u32>,
    /// Those that somebody refused.
    pub refusals: Vec<Refusal>,
    /// Those of which nobody said anything.
    pub silent: u32,
    /// Whether small packets passed afterwards.
    pub is_alive: bool,
}

/// Who refused packets, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// Who said so: a router or the peer; None is this host itself.
    pub by: Option<IpAddr>,
    /// Why: EMSGSIZE for packets that are too large.
    pub errno: u32,
    /// With EMSGSIZE the largest packet that would pass there, as far as it is said.
    pub mtu: u32,
    /// How many it refused.
    pub probes: u32,
}

/// What packets of one size prove.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// All came back whole.
    Passes,
    /// This host does not send any so large.
    TooLargeHere {
        /// The MTU of its interface.
        mtu: u32,
    },
    /// None got there, and a router says that they are too large.
    TooLargeAt {
        /// The router.
        router: IpAddr,
        /// The MTU of the link that it could not send them to.
        mtu: u32,
    },
    /// None got there, nobody says why, and small ones get there.
    Vanishes,
    /// All got there, and none came back.
    VanishesOnTheWayBack,
    /// All got there, and the peer does not send any so large.
    TooLargeThere,
    /// Some came in fragments in spite of "don't fragment".
    Fragmented,
    /// Some got there and others did not.
    Unreliable,
    /// Nothing gets there, whatever its size.
    Dead,
}

impl SizeTried {
    /// What it proves.
    pub fn fate(&self) -> Fate {
        let too_large = |refusal: &&Refusal| refusal.errno == EMSGSIZE && refusal.probes > 0;
        if self.fragmented > 0 {
            return Fate::Fragmented;
        }
        if self.probes > 0 && self.echoed == self.probes && self.received == self.probes {
            return Fate::Passes;
        }
        if !self.is_alive || self.probes == 0 {
            return Fate::Dead;
        }
        if self.echoed > 0 {
            return Fate::Unreliable;
        }
        if self.received == self.probes {
            let refused: u32 = self.not_echoed.get(&EMSGSIZE).copied().unwrap_or(0);
            return if refused == self.probes { Fate::TooLargeThere } else { Fate::VanishesOnTheWayBack };
        }
        if self.received > 0 {
            return Fate::Unreliable;
        }
        match self.refusals.iter().find(too_large) {
            Some(Refusal { by: None, mtu, probes, .. }) if *probes == self.probes => Fate::TooLargeHere { mtu: *mtu },
            Some(Refusal { by: Some(router), mtu, .. }) => Fate::TooLargeAt { router: *router, mtu: *mtu },
            Some(_) => Fate::Unreliable,
            None if self.silent == self.probes => Fate::Vanishes,
            None => Fate::Unreliable,
        }
    }

    /// Whether it is proven that packets of this size do not get to the peer because of it.
    pub fn is_too_large(&self) -> bool {
        match self.fate() {
            Fate::TooLargeHere { .. } | Fate::TooLargeAt { .. } | Fate::Vanishes => true,
            Fate::Passes | Fate::VanishesOnTheWayBack | Fate::TooLargeThere | Fate::Fragmented | Fate::Unreliable | Fate::Dead => false,
        }
    }
}

const EMSGSIZE: u32 = 90;

/// What became of packets of all sizes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MtuPath {
    /// Own address.
    pub address: SocketAddr,
    /// The far half's.
    pub peer: SocketAddr,
    /// Each size that was tried, in the order that was asked for.
    pub sizes: Vec<SizeTried>,
    /// Packets that show the token and were damaged.
    pub damaged: u64,
    /// Packets of somebody else.
    pub foreign: u64,
    /// Whether it was told to stop before all was tried.
    pub stopped: bool,
}

/// Tries every size.
pub fn connect(spec: &MtuConnect, stop: &AtomicBool) -> Result<MtuPath, EngineError> {
    let refused = |why: String| Err(EngineError::Job { rw: "an MTU path", target: spec.peer.to_string(), why });
    let head = headers(spec.address);
    let least = head + u32::try_from(PACKET_BYTES).expect("a few bytes");
    if spec.address.is_ipv4() != spec.peer.is_ipv4() {
        return refused(format!("{} is of another family", spec.address));
    }
    if spec.probes == 0 || spec.ip_bytes.is_empty() {
        return refused("without sizes and packets nothing is tried".to_owned());
    }
    if let Some(wrong) = spec.ip_bytes.iter().find(|bytes| !(least..=65_535).contains(*bytes)) {
        return refused(format!("packets of {wrong} bytes are not between {least} and 65535"));
    }
    let sockets = [Udp::open(spec.address)?];
    let [socket] = &sockets;
    socket.never_fragment()?;
    socket.tell_errors()?;
    let mut near = Near { spec, sockets: &sockets, buffer: Buffer::new(), sequence: 0, damaged: 0, foreign: 0 };
    // Neighbours may have to be found first: that is no fault of the first size.
    for _ in 0..GREETINGS {
        if near.size(CONTROL_IP_BYTES, 1, stop)?.echoed == 1 {
            break;
        }
        clock::sleep_until(clock::now() + spec.patience_ns, stop);
    }
    let mut sizes = Vec::new();
    for ip_bytes in &spec.ip_bytes {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let mut tried = near.size(*ip_bytes, spec.probes, stop)?;
        for _ in 0..CONTROLS {
            tried.is_alive = tried.is_alive || near.size(CONTROL_IP_BYTES, 1, stop)?.echoed == 1;
        }
        sizes.push(tried);
    }
    let stopped = sizes.len() < spec.ip_bytes.len() || stop.load(Ordering::Relaxed);
    Ok(MtuPath { address: socket.local(), peer: spec.peer, sizes, damaged: near.damaged, foreign: near.foreign, stopped })
}

struct Near<'a> {
    spec: &'a MtuConnect,
    sockets: &'a [Udp; 1],
    buffer: Buffer,
    sequence: u64,
    damaged: u64,
    foreign: u64,
}

/// What has been heard of one packet.
#[derive(Debug, Default)]
struct Heard {
    is_echoed: bool,
    receipt: Option<[u64; 3]>,
    is_fragmented: bool,
    failure: Option<Failure>,
}

impl Near<'_> {
    fn size(&mut self, ip_bytes: u32, probes: u32, stop: &AtomicBool) -> Result<SizeTried, EngineError> {
        let mut tried = SizeTried {
            ip_bytes,
            probes: 0,
            echoed: 0,
            received: 0,
            fragmented: 0,
            not_echoed: BTreeMap::new(),
            refusals: Vec::new(),
            silent: 0,
            is_alive: false,
        };
        while tried.probes < probes && !stop.load(Ordering::Relaxed) {
            let heard = self.probe(ip_bytes, stop)?;
            tried.probes += 1;
            tried.echoed += u32::from(heard.is_echoed);
            // Who sends it back has received it, also when the receipt was lost.
            tried.received += u32::from(heard.is_echoed || heard.receipt.is_some());
            tried.fragmented += u32::from(heard.is_fragmented || heard.receipt.is_some_and(|receipt| receipt[1] != 0));
            if let Some(errno) = heard.receipt.map(|receipt| receipt[2]).filter(|errno| *errno != 0 && !heard.is_echoed) {
                *tried.not_echoed.entry(u32::try_from(errno).unwrap_or(u32::MAX)).or_insert(0) += 1;
            }
            match heard.failure {
                Some(failure) => refusal(&mut tried.refusals, &failure),
                None => tried.silent += u32::from(!heard.is_echoed && heard.receipt.is_none()),
            }
        }
        Ok(tried)
    }

    fn probe(&mut self, ip_bytes: u32, stop: &AtomicBool) -> Result<Heard, EngineError> {
        let [socket] = self.sockets;
        // What came late for another packet says nothing of this one.
        while socket.failure()?.is_some() {}
        let sequence = self.sequence;
        self.sequence += 1;
        let payload = usize::try_from(ip_bytes - headers(self.spec.address)).expect("a datagram");
        let mut packet = vec![0; payload];
        Packet { kind: Kind::Size, flow: 0, sequence, words: [ip_bytes.into(), 0, 0] }.write(&self.spec.token, &mut packet);
        let mut heard = Heard::default();
        if let Err(error) = socket.send(&packet, self.spec.peer) {
            let errno = error.raw_os_error().and_then(|errno| u32::try_from(errno).ok()).unwrap_or(0);
            let said = socket.failure()?.filter(|failure| failure.origin == Origin::Local);
            heard.failure = said.or(Some(Failure { errno, origin: Origin::Local, kind: 0, code: 0, info: 0, offender: None }));
            return Ok(heard);
        }
        let end = clock::now() + self.spec.patience_ns;
        while clock::now() < end && !stop.load(Ordering::Relaxed) && !(heard.is_echoed && heard.receipt.is_some()) && heard.failure.is_none() {
            udp::wait(self.sockets, WAIT_NS.min(end.saturating_sub(clock::now())))?;
            while let Some(arrived) = socket.take(&self.spec.token, &mut self.buffer)? {
                match arrived.packet {
                    Ok(packet) if arrived.from == self.spec.peer && packet.sequence == sequence && packet.kind == Kind::Echo => {
                        // The checksum covers the filling; the length must be the one that was sent.
                        heard.is_echoed = arrived.bytes == payload;
                        heard.is_fragmented = heard.is_fragmented || arrived.fragment.is_some();
                    }
                    Ok(packet) if arrived.from == self.spec.peer && packet.sequence == sequence && packet.kind == Kind::Receipt => {
                        if packet.words[0] != u64::from(ip_bytes) {
                            let why = format!("it says that a packet of {ip_bytes} bytes had {}", packet.words[0]);
                            return Err(EngineError::Peer { act: "believe", peer: self.spec.peer.to_string(), why });
                        }
                        heard.receipt = Some(packet.words);
                    }
                    // An answer to an earlier one.
                    Ok(packet) if arrived.from == self.spec.peer && packet.sequence < sequence => {}
                    Ok(_) | Err(crate::net::packet::Rejected::Foreign) => self.foreign += 1,
                    Err(crate::net::packet::Rejected::Damaged) => self.damaged += 1,
                }
            }
            heard.failure = socket.failure()?;
        }
        Ok(heard)
    }
}

fn refusal(refusals: &mut Vec<Refusal>, failure: &Failure) {
    let by = match failure.origin {
        Origin::Local => None,
        Origin::Icmp | Origin::Other(_) => failure.offender,
    };
    let mtu = if failure.errno == EMSGSIZE { failure.info } else { 0 };
    match refusals.iter_mut().find(|refusal| (refusal.by, refusal.errno, refusal.mtu) == (by, failure.errno, mtu)) {
        Some(refusal) => refusal.probes += 1,
        None => refusals.push(Refusal { by, errno: failure.errno, mtu, probes: 1 }),
    }
}

#[cfg(test)]
mod tests;
