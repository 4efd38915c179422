//! The declared bonds, VLANs and addresses.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::isolation::{AllowedFlow, GuestVlan, Protected, Service};

/// The declared VLANs and addresses. What is ordered of bonds stands in `[[cluster.bond]]` of `bom.toml`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// VLAN ID that the hosts have their addresses on, and that no guest reaches.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4094))]
    pub host_vlan: Option<u16>,
    /// Addresses that a host may have elsewhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extra_addresses: Vec<ExtraAddress>,
    /// The networks of the hosts on their VLAN: what comes from an address of them is not to be seen by guests.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_networks: Vec<Prefix>,
    /// Addresses of those networks that nobody has, one for each: the isolation's prober pretends to be them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_probe_addresses: Vec<IpAddr>,
    /// The services of a host that guests are probed for, `22/tcp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_services: Vec<Service>,
    /// TCP services that nothing on a VLAN of guests may offer, neither host nor guest, such as the web interface of the hypervisor.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub management_services: Vec<Service>,
    /// Hosts and management controllers that guests must not reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub protected: Vec<Protected>,
    /// The VLANs of the guests.
    #[serde(default, rename = "guest_vlan", skip_serializing_if = "Vec::is_empty")]
    pub guest_vlans: Vec<GuestVlan>,
    /// Flows from guests to hosts that are meant to be; nothing else may be answered.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<AllowedFlow>,
}

/// Addresses that a host may have besides those on its VLAN.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExtraAddress {
    /// The one interface that may have them.
    pub interface: String,
    /// The network that they are in, `10.7.0.0/24`.
    pub network: Prefix,
    /// Why.
    pub why: String,
}

/// An IP network: an address and the length of its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Prefix {
    address: IpAddr,
    length: u8,
}

impl Prefix {
    /// The address that it was written with.
    pub fn address(&self) -> IpAddr {
        self.address
    }

    /// The length of its prefix, bits.
    pub fn length(&self) -> u8 {
        self.length
    }

    /// Whether an address is in both.
    pub fn overlaps(&self, other: &Prefix) -> bool {
        if self.length <= other.length { self.contains(other.address) } else { other.contains(self.address) }
    }

    /// Whether the network has this address.
    pub fn contains(&self, address: IpAddr) -> bool {
        // A shift by the whole width is none at all in Rust: every address is in a network of length 0.
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - u32::from(self.length)).is_none_or(|rest| rest == 0)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - u32::from(self.length)).is_none_or(|rest| rest == 0)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

impl FromStr for Prefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("`{text}` is no network; expected an address and a length, `10.7.0.0/24`");
        let (address, length) = text.split_once('/').ok_or_else(refused)?;
        let address: IpAddr = address.parse().map_err(|_| refused())?;
        let length: u8 = length.parse().map_err(|_| refused())?;
        if length > if address.is_ipv4() { 32 } else { 128 } {
            return Err(refused());
        }
        Ok(Self { address, length })
    }
}

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Prefix> for String {
    fn from(prefix: Prefix) -> Self {
        prefix.to_string()
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_the_addresses_that_share_its_prefix() {
        for (network, inside, outside) in [
            ("10.7.0.0/24", "10.7.0.255", "10.7.1.0"),
            ("10.7.0.9/32", "10.7.0.9", "10.7.0.8"),
            ("0.0.0.0/0", "203.0.113.1", "::1"),
            ("fd00:7::/64", "fd00:7::1", "fd00:8::1"),
            ("::/0", "fe80::1", "10.0.0.1"),
        ] {
            let prefix: Prefix = network.parse().expect("a network");
            let has = |address: &str| prefix.contains(address.parse().expect("an address"));
            assert_eq!((has(inside), has(outside)), (true, false), "{network}");
            assert_eq!(prefix.to_string(), network);
        }
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in ["", "10.7.0.0", "10.7.0.0/33", "fd00::/129", "10.7.0/24", "10.7.0.0/-1", "vlan6/24"] {
            assert!(text.parse::<Prefix>().is_err(), "{text}");
        }
    }
}
