//! What a packet is put into: no tag, the tag of IEEE 802.1Q, that of 802.1ad, or two of them.

use std::fmt;

use assay_model::site::declared::Mac;
use serde::{Deserialize, Serialize};

/// The tag of IEEE 802.1Q.
pub(super) const TAG: u16 = 0x8100;
/// The service tag of IEEE 802.1ad.
pub(super) const SERVICE_TAG: u16 = 0x88a8;
/// The VLAN that switches give untagged frames of a trunk when nobody said otherwise.
const DEFAULT_VLAN: u16 = 1;

/// The tags of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Envelope {
    /// None.
    Untagged,
    /// VLAN ID 0: a priority, and no VLAN.
    Priority,
    /// The hosts' VLAN.
    Host,
    /// The hosts' VLAN, as a service tag.
    HostService,
    /// The guest's own VLAN, and the hosts' VLAN in it.
    OwnHost,
    /// The guest's own VLAN as a service tag, and the hosts' VLAN in it.
    OwnServiceHost,
    /// VLAN 1, and the hosts' VLAN in it.
    DefaultHost,
    /// VLAN ID 0, and the hosts' VLAN in it.
    PriorityHost,
}

impl Envelope {
    /// All of them.
    pub const ALL: [Envelope; 8] = [
        Envelope::Untagged,
        Envelope::Priority,
        Envelope::Host,
        Envelope::HostService,
        Envelope::OwnHost,
        Envelope::OwnServiceHost,
        Envelope::DefaultHost,
        Envelope::PriorityHost,
    ];

    /// Whether it is that of an honest guest: a priority tag says nothing of a VLAN (IEEE 802.1Q, 6.9).
    pub fn is_of_the_own_vlan(self) -> bool {
        match self {
            Envelope::Untagged | Envelope::Priority => true,
            Envelope::Host
            | Envelope::HostService
            | Envelope::OwnHost
            | Envelope::OwnServiceHost
            | Envelope::DefaultHost
            | Envelope::PriorityHost => false,
        }
    }

    /// Protocol and VLAN ID of each tag, the outer one first.
    pub(super) fn tags(self, own: u16, host: u16) -> Vec<(u16, u16)> {
        match self {
            Envelope::Untagged => vec![],
            Envelope::Priority => vec![(TAG, 0)],
            Envelope::Host => vec![(TAG, host)],
            Envelope::HostService => vec![(SERVICE_TAG, host)],
            Envelope::OwnHost => vec![(TAG, own), (TAG, host)],
            Envelope::OwnServiceHost => vec![(SERVICE_TAG, own), (TAG, host)],
            Envelope::DefaultHost => vec![(TAG, DEFAULT_VLAN), (TAG, host)],
            Envelope::PriorityHost => vec![(TAG, 0), (TAG, host)],
        }
    }
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Envelope::Untagged => "untagged",
            Envelope::Priority => "priority-tagged",
            Envelope::Host => "tagged with the hosts' VLAN",
            Envelope::HostService => "802.1ad-tagged with the hosts' VLAN",
            Envelope::OwnHost => "double-tagged, hosts' VLAN in the own one",
            Envelope::OwnServiceHost => "double-tagged, hosts' VLAN in an 802.1ad tag of the own one",
            Envelope::DefaultHost => "double-tagged, hosts' VLAN in VLAN 1",
            Envelope::PriorityHost => "double-tagged, hosts' VLAN in a priority tag",
        })
    }
}

/// A whole frame.
pub(super) fn frame(to: Mac, from: Mac, tags: &[(u16, u16)], protocol: u16, packet: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(14 + 4 * tags.len() + packet.len());
    bytes.extend_from_slice(&to.0);
    bytes.extend_from_slice(&from.0);
    for (tag, vlan) in tags {
        bytes.extend_from_slice(&tag.to_be_bytes());
        bytes.extend_from_slice(&vlan.to_be_bytes());
    }
    bytes.extend_from_slice(&protocol.to_be_bytes());
    bytes.extend_from_slice(packet);
    // The shortest frame without its check sum; what is missing is padding (IEEE 802.3).
    let shortest = 60 + 4 * tags.len();
    if bytes.len() < shortest {
        bytes.resize(shortest, 0);
    }
    bytes
}
