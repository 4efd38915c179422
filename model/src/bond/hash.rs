//! The transmit hash of Linux' bonding driver (`drivers/net/bonding/bond_main.c`, `bond_xmit_hash`), which in modes balance-xor and 802.3ad chooses the
//! member a frame leaves by: the hash modulo the number of usable members, counted in the order in which they were enslaved. What a switch does with frames
//! in the other direction is its own affair and not in here.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `xmit_hash_policy` of a bond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum HashPolicy {
    /// Addresses of the link and the Ethernet type.
    Layer2,
    /// Those and the addresses of the network.
    Layer2Plus3,
    /// Addresses of the network and ports.
    Layer3Plus4,
    /// As layer 2+3, but by the inner addresses of an encapsulated packet.
    Encap2Plus3,
    /// As layer 3+4, but by the inner addresses and ports of an encapsulated packet; and at random where the kernel has hashed a packet already.
    Encap3Plus4,
    /// The VLAN and the source address of the link.
    VlanSrcMac,
}

/// All of them, in the kernel's order.
pub const HASH_POLICIES: [HashPolicy; 6] =
    [HashPolicy::Layer2, HashPolicy::Layer3Plus4, HashPolicy::Layer2Plus3, HashPolicy::Encap2Plus3, HashPolicy::Encap3Plus4, HashPolicy::VlanSrcMac];

/// A frame as the bond is handed it, before its VLAN tag is put into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Source address of the link: that of the bond, or of a guest behind a bridge.
    pub source_mac: [u8; 6],
    /// Destination address of the link: of the peer, or of the router that leads to it.
    pub destination_mac: [u8; 6],
    /// VLAN that it is tagged with, priority bits included.
    pub vlan: Option<u16>,
    /// Source address of the network; the inner one where the policy looks into encapsulation.
    pub source: IpAddr,
    /// Destination address of the network, of the same family.
    pub destination: IpAddr,
    /// What is known of the layer above.
    pub transport: Transport,
}

/// What the driver takes of the layer above IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP, UDP or another protocol with ports, not fragmented.
    Ports {
        /// Source port.
        source: u16,
        /// Destination port.
        destination: u16,
    },
    /// An ICMP echo.
    Echo {
        /// ICMP type.
        kind: u8,
        /// ICMP code.
        code: u8,
        /// Identifier, not 0.
        id: u16,
    },
    /// A fragment, or a protocol without ports.
    Other,
}

/// Which generation of hash: Linux 4.15 began to discard the lowest bit of what layer 3+4 gives, since connect(2) hands out ports that are all even.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LowestBit {
    /// As Linux 5.17 and later have it: discarded by the policies that look at ports, kept by the others.
    Discarded,
    /// As Linux before 4.15 had it, and as a switch may that folds addresses and ports in the same way.
    Kept,
}

const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;

impl HashPolicy {
    /// The kernel's name in `/sys/class/net/*/bonding/xmit_hash_policy`.
    pub fn name(self) -> &'static str {
        match self {
            HashPolicy::Layer2 => "layer2",
            HashPolicy::Layer2Plus3 => "layer2+3",
            HashPolicy::Layer3Plus4 => "layer3+4",
            HashPolicy::Encap2Plus3 => "encap2+3",
            HashPolicy::Encap3Plus4 => "encap3+4",
            HashPolicy::VlanSrcMac => "vlan+srcmac",
        }
    }

    /// Whether ports have a say at all. Where they have not, flows between two hosts go over one member, however many there are.
    pub fn looks_at_ports(self) -> bool {
        match self {
            HashPolicy::Layer3Plus4 | HashPolicy::Encap3Plus4 => true,
            HashPolicy::Layer2 | HashPolicy::Layer2Plus3 | HashPolicy::Encap2Plus3 | HashPolicy::VlanSrcMac => false,
        }
    }

    /// Whether frames of this host's own sockets are hashed by a random number of the kernel's instead of by what they say: under encap3+4 those of connected
    /// sockets (TCP, or UDP after connect(2)), by their socket, and all of IPv6, by the secret that makes its flow labels.
    pub fn is_random(self, is_connected: bool, is_ipv6: bool) -> bool {
        self == HashPolicy::Encap3Plus4 && (is_connected || is_ipv6)
    }

    /// The hash of a frame, on a little-endian host as all of ours are. Of what `is_random` it says nothing.
    pub fn hash(self, frame: &Frame, lowest: LowestBit) -> u32 {
        let ethernet = u32::from(frame.source_mac[5] ^ frame.destination_mac[5]) ^ if frame.source.is_ipv4() { IPV4 } else { IPV6 };
        match self {
            HashPolicy::Layer2 => ethernet,
            HashPolicy::Layer2Plus3 | HashPolicy::Encap2Plus3 => folded(ethernet, frame),
            HashPolicy::Layer3Plus4 | HashPolicy::Encap3Plus4 => {
                let hash = folded(transport(frame.transport), frame);
                match lowest {
                    LowestBit::Discarded => hash >> 1,
                    LowestBit::Kept => hash,
                }
            }
            HashPolicy::VlanSrcMac => {
                let half = |bytes: &[u8]| bytes.iter().fold(0, |sum, byte| (sum << 8) | u32::from(*byte));
                u32::from(frame.vlan.unwrap_or(0)) ^ half(&frame.source_mac[..3]) ^ half(&frame.source_mac[3..])
            }
        }
    }

    /// Which of `members` usable members a frame leaves by, from 0; None without members.
    pub fn member(self, frame: &Frame, lowest: LowestBit, members: u32) -> Option<u32> {
        self.hash(frame, lowest).checked_rem(members)
    }
}

// Words are taken as they lie in memory: the kernel does not swap them.
fn transport(transport: Transport) -> u32 {
    match transport {
        Transport::Ports { source, destination } => {
            let ([a, b], [c, d]) = (source.to_be_bytes(), destination.to_be_bytes());
            u32::from_le_bytes([a, b, c, d])
        }
        Transport::Echo { kind, code, id } => {
            // The identifier lies in the kernel's structure in the host's order.
            let [a, b] = id.to_le_bytes();
            u32::from_le_bytes([kind, code, a, b])
        }
        Transport::Other => 0,
    }
}

fn folded(start: u32, frame: &Frame) -> u32 {
    let mut hash = start ^ address(frame.source) ^ address(frame.destination);
    hash ^= hash >> 16;
    hash ^ (hash >> 8)
}

fn address(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(address) => u32::from_le_bytes(address.octets()),
        IpAddr::V6(address) => {
            let octets = address.octets();
            let (words, _) = octets.as_chunks::<4>();
            words.iter().fold(0, |sum, word| sum ^ u32::from_le_bytes(*word))
        }
    }
}

impl fmt::Display for HashPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<HashPolicy> for String {
    fn from(policy: HashPolicy) -> Self {
        policy.name().to_owned()
    }
}

impl FromStr for HashPolicy {
    type Err = String;

    /// As sysfs says it: the name, perhaps followed by the kernel's number.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let name = words.next().unwrap_or("");
        let policy = HASH_POLICIES.iter().zip(0..).find(|(policy, _)| policy.name() == name);
        let Some((policy, number)) = policy else { return Err(format!("{text:?} is no transmit hash policy of a bond")) };
        match words.next().map(str::parse::<u8>) {
            None => Ok(*policy),
            Some(Ok(said)) if said == number && words.next().is_none() => Ok(*policy),
            Some(_) => Err(format!("{text:?} names a transmit hash policy and a number that is not its own")),
        }
    }
}

impl TryFrom<String> for HashPolicy {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests;
