//! What a probe is, and how it is recognised again. Packets carry the session, the VLAN and the technique; a SYN carries them as the hash that its sequence
//! number is, and ARP and neighbour discovery can carry nothing: their answers are those to an address that nobody else has.

use std::fmt;
use std::net::IpAddr;

use assay_model::site::declared::Service;
use serde::{Deserialize, Serialize};
use twox_hash::XxHash3_64;

use super::envelope::Envelope;
use crate::net::token::Token;

/// Whom a probe says that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An address of the guest's VLAN, or the link-local one.
    Own,
    /// An address of the hosts' network.
    Spoofed,
}

/// Which station the frame of a probe is addressed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Via {
    /// All of them, or a group.
    Broadcast,
    /// The host's own, declared or learned.
    Direct,
    /// The gateway.
    Gateway,
    /// Another station of the VLAN.
    Neighbour,
}

/// How a probe is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Technique {
    /// What is asked for.
    pub service: Service,
    /// The tags.
    pub envelope: Envelope,
    /// Who asks.
    pub source: Source,
    /// Who is to take it there.
    pub via: Via,
}

impl fmt::Display for Technique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = match self.source {
            Source::Own => "from an own address",
            Source::Spoofed => "from an address of the hosts' network",
        };
        let via = match self.via {
            Via::Broadcast => "to all stations",
            Via::Direct => "to the host's station",
            Via::Gateway => "by way of the gateway",
            Via::Neighbour => "by way of another guest",
        };
        write!(f, "{} {}, {source}, {via}", self.service, self.envelope)
    }
}

/// Bytes of a mark.
pub(super) const MARK_BYTES: usize = 24;
/// Who sent the frame with the mark: a guest's probe, or a beacon on the hosts' VLAN.
const GUEST: u8 = 1;
const BEACON: u8 = 2;
const SESSION_BYTES: usize = 8;

/// What the payload of a frame of ours says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    /// A probe of the guest on this VLAN.
    Probe { vlan: u16, index: u32, technique: Technique },
    /// A beacon.
    Beacon(u8),
}

impl Mark {
    pub(super) fn bytes(self, session: &Token) -> [u8; MARK_BYTES] {
        let mut bytes = [0; MARK_BYTES];
        bytes[..SESSION_BYTES].copy_from_slice(&session.bytes()[..SESSION_BYTES]);
        match self {
            Mark::Probe { vlan, index, technique } => {
                bytes[8] = GUEST;
                bytes[9..11].copy_from_slice(&vlan.to_be_bytes());
                bytes[11..15].copy_from_slice(&index.to_be_bytes());
                bytes[15] = Envelope::ALL.iter().zip(0..).find(|(envelope, _)| **envelope == technique.envelope).map_or(u8::MAX, |(_, at)| at);
                bytes[16] = match technique.source {
                    Source::Own => 0,
                    Source::Spoofed => 1,
                };
                bytes[17] = match technique.via {
                    Via::Broadcast => 0,
                    Via::Direct => 1,
                    Via::Gateway => 2,
                    Via::Neighbour => 3,
                };
                let (kind, port) = match technique.service {
                    Service::Neighbour => (0, 0),
                    Service::Icmp => (1, 0),
                    Service::Tcp(port) => (2, port),
                    Service::Udp(port) => (3, port),
                };
                bytes[18] = kind;
                bytes[19..21].copy_from_slice(&port.to_be_bytes());
            }
            Mark::Beacon(kind) => {
                bytes[8] = BEACON;
                bytes[9] = kind;
            }
        }
        bytes
    }

    /// The mark that a payload begins with, when it is one of this session.
    pub(super) fn read(payload: &[u8], session: &Token) -> Option<Mark> {
        let bytes = payload.get(..MARK_BYTES)?;
        if bytes[..SESSION_BYTES] != session.bytes()[..SESSION_BYTES] {
            return None;
        }
        match bytes[8] {
            GUEST => {
                let envelope = *Envelope::ALL.get(usize::from(bytes[15]))?;
                let source = match bytes[16] {
                    0 => Source::Own,
                    1 => Source::Spoofed,
                    _ => return None,
                };
                let via = match bytes[17] {
                    0 => Via::Broadcast,
                    1 => Via::Direct,
                    2 => Via::Gateway,
                    3 => Via::Neighbour,
                    _ => return None,
                };
                let port = u16::from_be_bytes([bytes[19], bytes[20]]);
                let service = match bytes[18] {
                    0 => Service::Neighbour,
                    1 => Service::Icmp,
                    2 => Service::Tcp(port),
                    3 => Service::Udp(port),
                    _ => return None,
                };
                let index = u32::from_be_bytes([bytes[11], bytes[12], bytes[13], bytes[14]]);
                let vlan = u16::from_be_bytes([bytes[9], bytes[10]]);
                Some(Mark::Probe { vlan, index, technique: Technique { service, envelope, source, via } })
            }
            BEACON => Some(Mark::Beacon(bytes[9])),
            _ => None,
        }
    }
}

/// The sequence number of a SYN: whoever knows the session can tell which VLAN sent it.
pub(super) fn sequence(session: &Token, vlan: u16, to: IpAddr, to_port: u16, from_port: u16) -> u32 {
    let mut bytes = Vec::with_capacity(40);
    bytes.extend_from_slice(session.bytes());
    bytes.extend_from_slice(&vlan.to_be_bytes());
    match to {
        IpAddr::V4(to) => bytes.extend_from_slice(&to.octets()),
        IpAddr::V6(to) => bytes.extend_from_slice(&to.octets()),
    }
    bytes.extend_from_slice(&to_port.to_be_bytes());
    bytes.extend_from_slice(&from_port.to_be_bytes());
    let [a, b, c, d, ..] = XxHash3_64::oneshot(&bytes).to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_says_what_was_sent_and_only_to_its_session() {
        let (session, other) = (Token::fresh().expect("random numbers"), Token::fresh().expect("random numbers"));
        for envelope in Envelope::ALL {
            for (source, via) in
                [(Source::Own, Via::Broadcast), (Source::Spoofed, Via::Direct), (Source::Own, Via::Gateway), (Source::Own, Via::Neighbour)]
            {
                for service in [Service::Neighbour, Service::Icmp, Service::Tcp(22), Service::Udp(5405)] {
                    let mark = Mark::Probe { vlan: 4094, index: 77, technique: Technique { service, envelope, source, via } };
                    let bytes = mark.bytes(&session);
                    assert_eq!(Mark::read(&bytes, &session), Some(mark));
                    assert_eq!(Mark::read(&bytes, &other), None);
                    assert_eq!(Mark::read(&bytes[..MARK_BYTES - 1], &session), None);
                }
            }
        }
        let to = "10.6.0.11".parse().expect("an address");
        let own = sequence(&session, 10, to, 22, 40_000);
        assert_eq!(own, sequence(&session, 10, to, 22, 40_000));
        assert!(
            [sequence(&session, 20, to, 22, 40_000), sequence(&other, 10, to, 22, 40_000), sequence(&session, 10, to, 23, 40_000)]
                .iter()
                .all(|it| *it != own)
        );
    }
}
