//! The far half of both measurements: answers packets that show the token, and counts them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use crate::error::EngineError;
use crate::net::clock;
use crate::net::packet::{Kind, PACKET_BYTES, Packet, Rejected};
use crate::net::token::Token;
use crate::net::udp::{self, Arrived, Buffer, Udp};

/// Longest wait for packets without a look at the stop flag.
const WAIT_NS: u64 = 20_000_000;

/// The reflecting half.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReflectListen {
    /// What the near half shows.
    pub token: Token,
    /// Address of this host; port 0 is any.
    pub address: SocketAddr,
    /// It ends by itself when nothing was asked of it for so long.
    pub idle_ns: u64,
}

/// What was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reflected {
    /// Packets for the largest size, by bytes of the IP packet.
    pub sizes: BTreeMap<u32, u64>,
    /// Those of them that came in fragments.
    pub fragmented: BTreeMap<u32, u64>,
    /// Requests for the round-trip time, by flow.
    pub pings: BTreeMap<u16, u64>,
    /// Answers that the own kernel refused, by its words.
    pub refused: BTreeMap<String, u64>,
    /// Packets that show the token and were damaged.
    pub damaged: u64,
    /// Packets of somebody else.
    pub foreign: u64,
    /// Packets that its socket had no room for.
    pub overflowed: u64,
    /// Packets of which the kernel did not say when they came.
    pub unstamped: u64,
}

/// Bytes of the IP and UDP headers before a datagram's payload.
pub(super) fn headers(address: SocketAddr) -> u32 {
    if address.is_ipv4() { 28 } else { 48 }
}

/// Reflects at `spec.address`, of which `ready` is told with its port, until it is told to stop or nothing was asked for too long.
pub fn serve(spec: &ReflectListen, stop: &AtomicBool, ready: &mut dyn FnMut(SocketAddr)) -> Result<Reflected, EngineError> {
    let sockets = [Udp::open(spec.address)?];
    let [socket] = &sockets;
    socket.never_fragment()?;
    ready(socket.local());
    let mut reflected = Reflected::default();
    let mut buffer = Buffer::new();
    let mut peer: Option<IpAddr> = None;
    let mut asked_ns = clock::now();
    while !stop.load(Ordering::Relaxed) && clock::now() < asked_ns.saturating_add(spec.idle_ns) {
        udp::wait(&sockets, WAIT_NS)?;
        while let Some(arrived) = socket.take(&spec.token, &mut buffer)? {
            reflected.overflowed = reflected.overflowed.max(arrived.overflowed.into());
            reflected.unstamped += u64::from(!arrived.is_stamped);
            let packet = match arrived.packet {
                // The token is for one peer.
                Ok(packet) if *peer.get_or_insert(arrived.from.ip()) == arrived.from.ip() => packet,
                Ok(_) | Err(Rejected::Foreign) => {
                    reflected.foreign += 1;
                    continue;
                }
                Err(Rejected::Damaged) => {
                    reflected.damaged += 1;
                    continue;
                }
            };
            asked_ns = clock::now();
            match packet.kind {
                Kind::Ping => pong(spec, socket, &packet, &arrived, &mut reflected, buffer.bytes(arrived.bytes)),
                Kind::Size => echo(spec, socket, &packet, &arrived, &mut reflected, buffer.bytes(arrived.bytes)),
                Kind::Hello | Kind::Welcome | Kind::Probe | Kind::Bye | Kind::Receipt | Kind::Echo | Kind::Pong => reflected.foreign += 1,
            }
        }
    }
    Ok(reflected)
}

fn pong(spec: &ReflectListen, socket: &Udp, packet: &Packet, arrived: &Arrived, reflected: &mut Reflected, buffer: &mut [u8]) {
    *reflected.pings.entry(packet.flow).or_insert(0) += 1;
    let answer = |at_ns| Packet { kind: Kind::Pong, words: [packet.words[0], arrived.at_ns, at_ns], ..*packet };
    answer(clock::now()).write(&spec.token, buffer);
    if let Err(error) = socket.send(buffer, arrived.from) {
        *reflected.refused.entry(error.to_string()).or_insert(0) += 1;
    }
}

// The same bytes back, and in few bytes that they came: if only the latter gets there, it is the way back that is too narrow.
fn echo(spec: &ReflectListen, socket: &Udp, packet: &Packet, arrived: &Arrived, reflected: &mut Reflected, buffer: &mut [u8]) {
    let ip_bytes = u32::try_from(buffer.len()).expect("a datagram") + headers(arrived.from);
    *reflected.sizes.entry(ip_bytes).or_insert(0) += 1;
    if arrived.fragment.is_some() {
        *reflected.fragmented.entry(ip_bytes).or_insert(0) += 1;
    }
    Packet { kind: Kind::Echo, ..*packet }.write(&spec.token, buffer);
    let refusal = socket.send(buffer, arrived.from).err();
    let errno = refusal.as_ref().and_then(std::io::Error::raw_os_error).and_then(|errno| u64::try_from(errno).ok());
    if let Some(error) = refusal {
        *reflected.refused.entry(error.to_string()).or_insert(0) += 1;
    }
    let mut receipt = [0; PACKET_BYTES];
    let words = [ip_bytes.into(), arrived.fragment.map_or(0, u64::from), errno.unwrap_or(0)];
    Packet { kind: Kind::Receipt, words, ..*packet }.write(&spec.token, &mut receipt);
    if let Err(error) = socket.send(&receipt, arrived.from) {
        *reflected.refused.entry(error.to_string()).or_insert(0) += 1;
    }
}
