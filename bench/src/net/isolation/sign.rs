//! What tells that a frame does not belong on a guest's VLAN, whoever it was meant for.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use assay_model::site::declared::{AllowedFlow, Mac, Service};
use serde::{Deserialize, Serialize};

use super::IsolationPlan;
use super::packet::{Body, EXPERIMENT, Parsed, Says};
use super::probe::Mark;
use crate::net::token::Token;

const LLDP: u16 = 0x88cc;
const SLOW: u16 = 0x8809;
/// Below, the field is the length of an IEEE 802.3 frame.
const LENGTHS: u16 = 0x0600;
/// Destination, source and control of the spanning tree (IEEE 802.2).
const SPANNING_TREE: [u8; 3] = [0x42, 0x42, 0x03];
const CISCO: [Mac; 2] = [Mac([0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcc]), Mac([0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd])];
/// The kinds of beacons.
pub(super) const BEACONS: [&str; 4] = ["broadcast", "IPv4 multicast", "IPv6 multicast", "unknown unicast"];

/// Why a frame does not belong here.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// A beacon that was sent on the hosts' VLAN; which kind.
    Beacon(String),
    /// A tag of the hosts' VLAN.
    HostTag,
    /// A frame that was sent here with a tag of the hosts' VLAN and came back.
    Reflected,
    /// It comes from an address of the hosts.
    HostAddress(IpAddr),
    /// It comes from the hardware address of a host.
    HostStation,
    /// A router that announces a network of the hosts, or one that is none of this VLAN.
    Router(String),
    /// What switches tell their neighbours.
    LinkControl(String),
}

impl Sign {
    /// Its kind, in one word.
    pub fn name(&self) -> &'static str {
        match self {
            Sign::Beacon(_) => "beacon",
            Sign::HostTag => "host_tag",
            Sign::Reflected => "reflected",
            Sign::HostAddress(_) => "host_address",
            Sign::HostStation => "host_station",
            Sign::Router(_) => "router",
            Sign::LinkControl(_) => "link_control",
        }
    }
}

impl fmt::Display for Sign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sign::Beacon(kind) => write!(f, "a {kind} of the hosts' VLAN"),
            Sign::HostTag => f.write_str("a frame tagged with the hosts' VLAN"),
            Sign::Reflected => f.write_str("an own frame tagged with the hosts' VLAN that came back"),
            Sign::HostAddress(address) => write!(f, "a frame from {address} of the hosts"),
            Sign::HostStation => f.write_str("a frame from the hardware address of a host"),
            Sign::Router(network) => write!(f, "a router that announces {network}"),
            Sign::LinkControl(kind) => write!(f, "{kind} of a switch or host"),
        }
    }
}

/// What is known where the frame was heard.
pub(super) struct Place<'a> {
    pub(super) plan: &'a IsolationPlan,
    pub(super) session: &'a Token,
    pub(super) vlan: u16,
    pub(super) mac: Mac,
    pub(super) gateways: &'a BTreeSet<Mac>,
}

impl Place<'_> {
    /// The first sign that a frame shows.
    pub(super) fn sign(&self, frame: &Parsed) -> Option<Sign> {
        let has_host_tag = frame.vlans.contains(&self.plan.host_vlan);
        if frame.from == self.mac {
            return has_host_tag.then_some(Sign::Reflected);
        }
        if let Some(kind) = beacon(frame, self.session) {
            return Some(Sign::Beacon(kind));
        }
        if has_host_tag {
            return Some(Sign::HostTag);
        }
        if let Some(kind) = link_control(frame) {
            return Some(Sign::LinkControl(kind.to_owned()));
        }
        if let Some(address) = speaker(frame).filter(|address| self.plan.is_of_a_host(*address))
            && !self.is_allowed(frame)
        {
            return Some(Sign::HostAddress(address));
        }
        if self.plan.targets.iter().any(|target| target.mac == Some(frame.from)) {
            return Some(Sign::HostStation);
        }
        self.router(frame)
    }

    /// The answer of an allowed flow to whichever guest, brought by the gateway.
    fn is_allowed(&self, frame: &Parsed) -> bool {
        let Body::Ip { from, says, .. } = &frame.body else { return false };
        let service = match says {
            Says::Tcp { from_port, .. } => Service::Tcp(*from_port),
            Says::Udp { from_port, .. } => Service::Udp(*from_port),
            Says::EchoReply { .. } => Service::Icmp,
            Says::Echo { .. } | Says::Unreachable { .. } | Says::Solicit { .. } | Says::Advertise { .. } | Says::Router { .. } | Says::Other(_) => {
                return false;
            }
        };
        self.gateways.contains(&frame.from) && allows(&self.plan.allow, self.vlan, *from, service)
    }

    fn router(&self, frame: &Parsed) -> Option<Sign> {
        let Body::Ip { says: Says::Router { prefixes }, .. } = &frame.body else { return None };
        let guest = self.plan.guests.iter().find(|guest| guest.vlan == self.vlan);
        let own = guest.map_or(&[][..], |guest| &guest.networks);
        let is_own = |prefix: IpAddr| own.iter().any(|network| network.contains(prefix));
        let declares = own.iter().any(|network| network.address().is_ipv6());
        prefixes.iter().find_map(|(prefix, length)| {
            let address = IpAddr::V6(*prefix);
            (self.plan.is_of_a_host(address) || (declares && !is_own(address))).then(|| Sign::Router(format!("{prefix}/{length}")))
        })
    }
}

impl IsolationPlan {
    /// Whether an address is one of the hosts', and not one that a prober pretends to be.
    pub fn is_of_a_host(&self, address: IpAddr) -> bool {
        let in_networks = self.host_networks.iter().any(|network| network.contains(address));
        (in_networks && !self.host_probes.contains(&address)) || self.targets.iter().any(|target| target.address == address)
    }
}

/// Whether the site lets guests of the VLAN ask for it.
pub(super) fn allows(flows: &[AllowedFlow], vlan: u16, to: IpAddr, service: Service) -> bool {
    flows.iter().any(|flow| flow.from_vlan == vlan && flow.to.contains(to) && flow.service == service)
}

/// The address that a frame says it comes from; of a host that asks whether an address is free, that address.
pub(super) fn speaker(frame: &Parsed) -> Option<IpAddr> {
    match &frame.body {
        Body::Arp { sender, target, .. } if sender.is_unspecified() => Some(IpAddr::V4(*target)),
        Body::Arp { sender, .. } => Some(IpAddr::V4(*sender)),
        Body::Ip { from, says: Says::Solicit { target, .. }, .. } if from.is_unspecified() => Some(IpAddr::V6(*target)),
        Body::Ip { says: Says::Advertise { target }, .. } => Some(IpAddr::V6(*target)),
        Body::Ip { from, .. } => Some(*from),
        Body::Other(_) => None,
    }
}

/// What we put into a frame of ours.
pub(super) fn mark(frame: &Parsed, session: &Token) -> Option<Mark> {
    let data = match &frame.body {
        Body::Other(payload) if frame.protocol == EXPERIMENT => payload,
        Body::Ip { says: Says::Echo { data } | Says::EchoReply { data } | Says::Udp { data, .. } | Says::Unreachable { data, .. }, .. } => data,
        Body::Other(_) | Body::Arp { .. } | Body::Ip { .. } => return None,
    };
    Mark::read(data, session)
}

fn beacon(frame: &Parsed, session: &Token) -> Option<String> {
    match mark(frame, session)? {
        Mark::Beacon(kind) => Some(BEACONS.get(usize::from(kind)).map_or_else(|| "beacon".to_owned(), |kind| (*kind).to_owned())),
        Mark::Probe { .. } => None,
    }
}

fn link_control(frame: &Parsed) -> Option<&'static str> {
    match (&frame.body, frame.protocol) {
        (_, LLDP) => Some("LLDP"),
        (_, SLOW) => Some("LACP"),
        (Body::Other(payload), length) if length < LENGTHS && payload.starts_with(&SPANNING_TREE) => Some("spanning tree"),
        _ if CISCO.contains(&frame.to) => Some("CDP, VTP or PVST+"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
