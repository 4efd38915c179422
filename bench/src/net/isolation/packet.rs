//! The packets of probes, made and read: ARP (RFC 826), echoes (RFC 792, 4443), neighbour discovery (RFC 4861), SYN and UDP. `etherparse` knows the headers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use assay_model::site::declared::Mac;
use etherparse::{ArpPacketSlice, LaxNetSlice, LaxSlicedPacket, PacketBuilder, TransportSlice};

use super::envelope::{SERVICE_TAG, TAG};

pub(super) const IPV4: u16 = 0x0800;
pub(super) const IPV6: u16 = 0x86dd;
pub(super) const ARP: u16 = 0x0806;
/// For experiments on one wire (IEEE 802, "Local Experimental Ethertype 1"): nobody but us reads it.
pub(super) const EXPERIMENT: u16 = 0x88b5;
pub(super) const EVERYBODY: Mac = Mac([0xff; 6]);
/// An old double tag that some switches still read.
const OLD_TAG: u16 = 0x9100;
const HOPS: u8 = 64;
/// Neighbour discovery is believed only when no router has passed it on.
const ON_LINK: u8 = 255;
const NS: u8 = 135;
const NA: u8 = 136;
const RA: u8 = 134;
/// An answer to a question, and the last word.
const SOLICITED_OVERRIDE: [u8; 4] = [0x60, 0, 0, 0];

/// What a packet asks or says.
pub(super) enum Ask<'a> {
    Echo { id: u16, seq: u16, data: &'a [u8] },
    Syn { from_port: u16, to_port: u16, sequence: u32 },
    Reset { from_port: u16, to_port: u16, sequence: u32 },
    Udp { from_port: u16, to_port: u16, data: &'a [u8] },
    Solicit { target: Ipv6Addr, mac: Mac },
    Advertise { target: Ipv6Addr, mac: Mac },
}

/// An IP packet and its protocol in the header of the frame; none when the addresses are of two families, or the question not one of theirs.
pub(super) fn packet(from: IpAddr, to: IpAddr, ask: &Ask<'_>) -> Option<(u16, Vec<u8>)> {
    let is_discovery = matches!(ask, Ask::Solicit { .. } | Ask::Advertise { .. });
    let (protocol, start) = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) if !is_discovery => {
            let header = etherparse::Ipv4Header { time_to_live: HOPS, source: from.octets(), destination: to.octets(), ..Default::default() };
            (IPV4, PacketBuilder::ip(etherparse::IpHeaders::Ipv4(header, Default::default())))
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => {
            let hop_limit = if is_discovery { ON_LINK } else { HOPS };
            let header = etherparse::Ipv6Header { hop_limit, source: from.octets(), destination: to.octets(), ..Default::default() };
            (IPV6, PacketBuilder::ip(etherparse::IpHeaders::Ipv6(header, Default::default())))
        }
        (IpAddr::V4(_), IpAddr::V4(_) | IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return None,
    };
    let mut bytes = Vec::with_capacity(128);
    let written = match ask {
        Ask::Echo { id, seq, data } if protocol == IPV4 => start.icmpv4_echo_request(*id, *seq).write_to_vec(&mut bytes, data),
        Ask::Echo { id, seq, data } => start.icmpv6_echo_request(*id, *seq).write_to_vec(&mut bytes, data),
        Ask::Syn { from_port, to_port, sequence } => start.tcp(*from_port, *to_port, *sequence, 1024).syn().write_to_vec(&mut bytes, &[]),
        Ask::Reset { from_port, to_port, sequence } => start.tcp(*from_port, *to_port, *sequence, 0).rst().write_to_vec(&mut bytes, &[]),
        Ask::Udp { from_port, to_port, data } => start.udp(*from_port, *to_port).write_to_vec(&mut bytes, data),
        Ask::Solicit { target, mac } => start.icmpv6_raw(NS, 0, [0; 4]).write_to_vec(&mut bytes, &discovery(*target, 1, *mac)),
        Ask::Advertise { target, mac } => start.icmpv6_raw(NA, 0, SOLICITED_OVERRIDE).write_to_vec(&mut bytes, &discovery(*target, 2, *mac)),
    };
    written.ok().map(|()| (protocol, bytes))
}

fn discovery(target: Ipv6Addr, option: u8, mac: Mac) -> Vec<u8> {
    let mut bytes = target.octets().to_vec();
    // One option of eight bytes: the hardware address of whoever speaks.
    bytes.extend_from_slice(&[option, 1]);
    bytes.extend_from_slice(&mac.0);
    bytes
}

/// A question for the hardware address of `target`, or with `answer_to` the answer that it is `mac`'s.
pub(super) fn arp(mac: Mac, own: Ipv4Addr, target: Ipv4Addr, answer_to: Option<Mac>) -> Vec<u8> {
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, if answer_to.is_some() { 2 } else { 1 }];
    bytes.extend_from_slice(&mac.0);
    bytes.extend_from_slice(&own.octets());
    bytes.extend_from_slice(&answer_to.unwrap_or(Mac([0; 6])).0);
    bytes.extend_from_slice(&target.octets());
    bytes
}

/// The group that a question for the hardware address of an address goes to, and the group's own hardware address.
pub(super) fn solicited(target: Ipv6Addr) -> (Ipv6Addr, Mac) {
    let [.., a, b, c] = target.octets();
    let low = u16::from_be_bytes([b, c]);
    (Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | u16::from(a), low), Mac([0x33, 0x33, 0xff, a, b, c]))
}

/// The link-local address that belongs to a hardware address (RFC 4291, appendix A).
pub(super) fn link_local(mac: Mac) -> Ipv6Addr {
    let [a, b, c, d, e, f] = mac.0;
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

/// A frame as read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) to: Mac,
    pub(super) from: Mac,
    /// VLAN IDs, the outer one first.
    pub(super) vlans: Vec<u16>,
    pub(super) tags: Vec<(u16, u16)>,
    /// Of what is in it; for an IEEE 802.3 frame the length of that.
    pub(super) protocol: u16,
    pub(super) body: Body,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Body {
    Arp { is_request: bool, sender_mac: Mac, sender: Ipv4Addr, target_mac: Mac, target: Ipv4Addr },
    Ip { from: IpAddr, to: IpAddr, says: Says },
    Other(Vec<u8>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Says {
    Echo {
        data: Vec<u8>,
    },
    EchoReply {
        data: Vec<u8>,
    },
    Tcp {
        from_port: u16,
        to_port: u16,
        sequence: u32,
        acknowledged: Option<u32>,
        syn: bool,
        rst: bool,
    },
    Udp {
        from_port: u16,
        to_port: u16,
        data: Vec<u8>,
    },
    /// Destination unreachable, with the port numbers of the packet that it speaks of: where it went, protocol, from port, to port.
    Unreachable {
        to: IpAddr,
        is_udp: bool,
        from_port: u16,
        to_port: u16,
        data: Vec<u8>,
    },
    Solicit {
        target: Ipv6Addr,
        mac: Option<Mac>,
    },
    Advertise {
        target: Ipv6Addr,
    },
    /// A router, with the networks that it announces.
    Router {
        prefixes: Vec<(Ipv6Addr, u8)>,
    },
    Other(u8),
}

/// Reads a frame; one shorter than its header is none.
pub(super) fn parse(bytes: &[u8]) -> Option<Parsed> {
    let mac = |at: usize| bytes.get(at..at + 6)?.try_into().ok().map(Mac);
    let number = |at: usize| Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
    let (to, from) = (mac(0)?, mac(6)?);
    let mut at = 12;
    let (mut vlans, mut tags) = (Vec::new(), Vec::new());
    let mut protocol = number(at)?;
    while matches!(protocol, TAG | SERVICE_TAG | OLD_TAG) && vlans.len() < 8 {
        let tag = number(at + 2)?;
        vlans.push(tag & 0x0fff);
        tags.push((protocol, tag));
        at += 4;
        protocol = number(at)?;
    }
    let payload = bytes.get(at + 2..)?;
    let body = match protocol {
        ARP => arp_body(payload),
        IPV4 | IPV6 => ip_body(payload),
        _ => None,
    };
    Some(Parsed { to, from, vlans, tags, protocol, body: body.unwrap_or_else(|| Body::Other(payload.to_vec())) })
}

fn arp_body(payload: &[u8]) -> Option<Body> {
    let arp = ArpPacketSlice::from_slice(payload).ok()?;
    let mac = |bytes: &[u8]| bytes.try_into().ok().map(Mac);
    let address = |bytes: &[u8]| <[u8; 4]>::try_from(bytes).ok().map(Ipv4Addr::from);
    Some(Body::Arp {
        is_request: arp.operation().0 == 1,
        sender_mac: mac(arp.sender_hw_addr())?,
        sender: address(arp.sender_protocol_addr())?,
        target_mac: mac(arp.target_hw_addr())?,
        target: address(arp.target_protocol_addr())?,
    })
}

fn ends(net: &LaxNetSlice<'_>) -> Option<(IpAddr, IpAddr)> {
    match net {
        LaxNetSlice::Ipv4(ip) => Some((ip.header().source_addr().into(), ip.header().destination_addr().into())),
        LaxNetSlice::Ipv6(ip) => Some((ip.header().source_addr().into(), ip.header().destination_addr().into())),
        LaxNetSlice::Arp(_) => None,
    }
}

fn ip_body(payload: &[u8]) -> Option<Body> {
    let sliced = LaxSlicedPacket::from_ip(payload).ok()?;
    let (from, to) = ends(sliced.net.as_ref()?)?;
    let number = sliced.ip_payload().map_or(0, |payload| payload.ip_number.0);
    let says = match &sliced.transport {
        Some(TransportSlice::Tcp(tcp)) => Says::Tcp {
            from_port: tcp.source_port(),
            to_port: tcp.destination_port(),
            sequence: tcp.sequence_number(),
            acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
            syn: tcp.syn(),
            rst: tcp.rst(),
        },
        Some(TransportSlice::Udp(udp)) => Says::Udp { from_port: udp.source_port(), to_port: udp.destination_port(), data: udp.payload().to_vec() },
        Some(TransportSlice::Icmpv4(icmp)) => match icmp.type_u8() {
            8 => Says::Echo { data: icmp.payload().to_vec() },
            0 => Says::EchoReply { data: icmp.payload().to_vec() },
            3 => quoted(icmp.payload()).unwrap_or(Says::Other(number)),
            _ => Says::Other(number),
        },
        Some(TransportSlice::Icmpv6(icmp)) => match icmp.type_u8() {
            // What follows the first eight bytes of the message; etherparse takes more of them for some types.
            128 => Says::Echo { data: icmp.slice().get(8..)?.to_vec() },
            129 => Says::EchoReply { data: icmp.slice().get(8..)?.to_vec() },
            1 => quoted(icmp.slice().get(8..)?).unwrap_or(Says::Other(number)),
            NS => Says::Solicit { target: address(icmp.slice(), 8)?, mac: option(icmp.slice(), 24, 1) },
            NA => Says::Advertise { target: address(icmp.slice(), 8)? },
            RA => Says::Router { prefixes: prefixes(icmp.slice()) },
            _ => Says::Other(number),
        },
        Some(TransportSlice::Igmp(_)) | None => Says::Other(number),
    };
    Some(Body::Ip { from, to, says })
}

fn address(message: &[u8], at: usize) -> Option<Ipv6Addr> {
    message.get(at..at + 16).and_then(|bytes| <[u8; 16]>::try_from(bytes).ok()).map(Ipv6Addr::from)
}

/// The options of a message of neighbour discovery: type and content.
fn options(message: &[u8], at: usize) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    let mut rest = message.get(at..).unwrap_or(&[]);
    while let [kind, eights, ..] = rest {
        let length = 8 * usize::from(*eights);
        let (Some(content), true) = (rest.get(2..length), length > 0) else { break };
        found.push((*kind, content));
        rest = &rest[length..];
    }
    found
}

fn option(message: &[u8], at: usize, kind: u8) -> Option<Mac> {
    options(message, at).into_iter().find(|(found, _)| *found == kind).and_then(|(_, content)| content.get(..6)?.try_into().ok().map(Mac))
}

fn prefixes(message: &[u8]) -> Vec<(Ipv6Addr, u8)> {
    let of_prefix = |(kind, content): (u8, &[u8])| (kind == 3).then(|| Some((address(content, 14)?, *content.first()?))).flatten();
    options(message, 16).into_iter().filter_map(of_prefix).collect()
}

/// What an ICMP error speaks of: the beginning of a packet of ours.
fn quoted(original: &[u8]) -> Option<Says> {
    let sliced = LaxSlicedPacket::from_ip(original).ok()?;
    let (_, to) = ends(sliced.net.as_ref()?)?;
    let rest = sliced.ip_payload()?;
    let is_udp = match rest.ip_number.0 {
        17 => true,
        6 => false,
        _ => return None,
    };
    let port = |at: usize| Some(u16::from_be_bytes(rest.payload.get(at..at + 2)?.try_into().ok()?));
    let data = rest.payload.get(8..).filter(|_| is_udp).unwrap_or(&[]).to_vec();
    Some(Says::Unreachable { to, is_udp, from_port: port(0)?, to_port: port(2)?, data })
}

impl fmt::Display for Parsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} > {}", self.from, self.to)?;
        for (protocol, tag) in &self.tags {
            write!(f, ", tag {protocol:#06x} VLAN {}", tag & 0x0fff)?;
        }
        match &self.body {
            Body::Arp { is_request: true, sender, target, .. } => write!(f, ", ARP {sender} asks for {target}"),
            Body::Arp { sender, sender_mac, .. } => write!(f, ", ARP {sender} is at {sender_mac}"),
            Body::Ip { from, to, says } => {
                write!(f, ", {from} > {to}: ")?;
                match says {
                    Says::Echo { .. } => write!(f, "echo request"),
                    Says::EchoReply { .. } => write!(f, "echo reply"),
                    Says::Tcp { from_port, to_port, syn, rst, acknowledged, .. } => {
                        let flags = [(*syn, "SYN"), (*rst, "RST"), (acknowledged.is_some(), "ACK")];
                        let flags: Vec<_> = flags.iter().filter(|(set, _)| *set).map(|(_, flag)| *flag).collect();
                        write!(f, "TCP {from_port} > {to_port} {}", flags.join("-"))
                    }
                    Says::Udp { from_port, to_port, .. } => write!(f, "UDP {from_port} > {to_port}"),
                    Says::Unreachable { to, to_port, is_udp, .. } => {
                        write!(f, "unreachable: {to} port {to_port}/{}", if *is_udp { "udp" } else { "tcp" })
                    }
                    Says::Solicit { target, .. } => write!(f, "who has {target}"),
                    Says::Advertise { target } => write!(f, "{target} is here"),
                    Says::Router { prefixes } => {
                        write!(f, "router advertisement")?;
                        prefixes.iter().try_for_each(|(prefix, length)| write!(f, " {prefix}/{length}"))
                    }
                    Says::Other(number) => write!(f, "IP protocol {number}"),
                }
            }
            Body::Other(payload) => write!(f, ", protocol {:#06x}, {} bytes", self.protocol, payload.len()),
        }
    }
}

#[cfg(test)]
mod tests;
