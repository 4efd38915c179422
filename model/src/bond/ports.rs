//! Source ports that put flows on every member of a bond in equal parts. The kernel's own choice does not: connect(2) hands out ports that are all even, at
//! random distances, so that a few streams lie on the members as dice fall, and under a hash that keeps its lowest bit all on one.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::hash::{Frame, HashPolicy, LowestBit, Transport};

/// Between whom flows run, and what chooses their member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Transmit hash policy of the bond.
    pub policy: HashPolicy,
    /// Generation of the hash.
    pub lowest_bit: LowestBit,
    /// Names of the members that are usable, in the order in which they were enslaved: in 802.3ad those of the active aggregator.
    pub members: Vec<String>,
    /// Address of the bond.
    pub source_mac: [u8; 6],
    /// Address of the next hop.
    pub destination_mac: [u8; 6],
    /// VLAN of the flows.
    pub vlan: Option<u16>,
    /// Own address.
    pub source: IpAddr,
    /// Address of the peer.
    pub destination: IpAddr,
    /// Port of the peer.
    pub destination_port: u16,
    /// Whether the sockets will be connected (TCP, or UDP after connect(2)).
    pub connected: bool,
}

/// A source port and the member that its flow leaves by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcePort {
    /// The port.
    pub port: u16,
    /// The member, from 0, in the route's order.
    pub member: usize,
}

/// Why no source ports put flows on every member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unchoosable {
    /// Nothing to spread over.
    #[error("the bond has {0} usable members: there is nothing to spread over")]
    Members(usize),
    /// Both addresses must be of one family.
    #[error("{from} and {to} are not addresses of one family")]
    Families {
        /// Own address.
        from: IpAddr,
        /// That of the peer.
        to: IpAddr,
    },
    /// All flows between these two hosts leave by one member.
    #[error("the policy {policy} does not look at ports: all flows to this peer leave by {member}")]
    Portless {
        /// The policy.
        policy: HashPolicy,
        /// The member.
        member: String,
    },
    /// The kernel hashes what it sends itself by a random number.
    #[error("under the policy {0} the kernel spreads its own sockets at random, whatever their ports: counters alone tell where they went")]
    Random(HashPolicy),
    /// Not every member can have as many flows as every other.
    #[error("{flows} flows are no equal parts for {members} members")]
    Flows {
        /// Flows asked for.
        flows: usize,
        /// Members of the bond.
        members: usize,
    },
    /// Too few ports to choose from.
    #[error("only {found} of {wanted} ports that lead to {member} were found")]
    Ports {
        /// The member that is short of ports.
        member: String,
        /// How many were found.
        found: usize,
        /// How many it needs.
        wanted: usize,
    },
}

impl Route {
    /// The member that a flow of this source port leaves by; None where that cannot be told.
    pub fn member(&self, source_port: u16) -> Option<usize> {
        if self.policy.is_random(self.connected, self.source.is_ipv6()) {
            return None;
        }
        let frame = Frame {
            source_mac: self.source_mac,
            destination_mac: self.destination_mac,
            vlan: self.vlan,
            source: self.source,
            destination: self.destination,
            transport: Transport::Ports { source: source_port, destination: self.destination_port },
        };
        let members = u32::try_from(self.members.len()).ok()?;
        usize::try_from(self.policy.member(&frame, self.lowest_bit, members)?).ok()
    }

    /// Flows per member, in the route's order, that these source ports make; None where that cannot be told.
    pub fn spread(&self, ports: &[u16]) -> Option<Vec<u64>> {
        let mut flows = vec![0; self.members.len()];
        for port in ports {
            *flows.get_mut(self.member(*port)?)? += 1;
        }
        Some(flows)
    }

    /// Source ports for `flows` flows, as many on each member as on every other, in turn; out of `candidates` without those that are `taken`.
    pub fn choose(&self, flows: usize, candidates: RangeInclusive<u16>, taken: &BTreeSet<u16>) -> Result<Vec<SourcePort>, Unchoosable> {
        let members = self.members.len();
        if members < 2 {
            return Err(Unchoosable::Members(members));
        }
        if self.source.is_ipv4() != self.destination.is_ipv4() {
            return Err(Unchoosable::Families { from: self.source, to: self.destination });
        }
        if flows == 0 || !flows.is_multiple_of(members) {
            return Err(Unchoosable::Flows { flows, members });
        }
        let Some(first) = self.member(*candidates.start()) else { return Err(Unchoosable::Random(self.policy)) };
        if !self.policy.looks_at_ports() {
            return Err(Unchoosable::Portless { policy: self.policy, member: self.members[first].clone() });
        }
        let wanted = flows / members;
        let mut found = vec![Vec::with_capacity(wanted); members];
        for port in candidates.filter(|port| *port != 0 && !taken.contains(port)) {
            let member = self.member(port).expect("told for the first port, hence for all");
            if found[member].len() < wanted {
                found[member].push(port);
            }
        }
        if let Some(short) = found.iter().position(|ports| ports.len() < wanted) {
            return Err(Unchoosable::Ports { member: self.members[short].clone(), found: found[short].len(), wanted });
        }
        let turn = |turn: usize| found.iter().enumerate().map(move |(member, ports)| SourcePort { port: ports[turn], member });
        Ok((0..wanted).flat_map(turn).collect())
    }
}

#[cfg(test)]
mod tests;
