//! What the site declares of the networks of its guests: the VLANs, what of the hosts they must not reach, and the few flows that they may. The active
//! check of the isolation is made of it; what an entry must say to be believed stands in `isolation/rules.rs`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::Prefix;

mod rules;

pub(crate) use rules::check;

/// A VLAN of guests, `[[network.guest_vlan]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GuestVlan {
    /// Its VLAN ID.
    #[schemars(range(min = 1, max = 4094))]
    pub vlan: u16,
    /// The networks of its guests. One without an IPv6 network is probed over IPv6 all the same, from link-local addresses.
    pub networks: Vec<Prefix>,
    /// The gateways of those networks: they answer the control probes, and are asked to lead to the hosts.
    pub gateways: Vec<IpAddr>,
    /// Addresses of these networks that nobody has: the prober speaks from them, one for each network.
    pub probe_addresses: Vec<IpAddr>,
    /// Services that the gateways answer here, openly or by refusing, such as `53/tcp`: they prove that an answer over that protocol would be heard.
    pub control: Vec<Service>,
}

/// A host or management controller whose addresses guests must not reach, `[[network.protected]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Protected {
    /// Its name.
    pub name: String,
    /// Its addresses, link-local ones too.
    pub addresses: Vec<IpAddr>,
    /// Its hardware address on the hosts' VLAN: what a frame must be addressed to that gets in where ARP does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// The services to ask it for; where none are named, those of `host_services`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<Service>,
}

/// A flow from guests to hosts that is meant to be, `[[network.allow]]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AllowedFlow {
    /// The VLAN that it comes from.
    pub from_vlan: u16,
    /// Where it goes: an address as `10.6.0.11/32`, or a network.
    pub to: Prefix,
    /// What it asks for.
    pub service: Service,
    /// Why.
    pub why: String,
}

/// What a probe asks for: `22/tcp`, `5405/udp`, `icmp` (echo, over IPv4 and IPv6) or `neighbour` (ARP, and neighbour discovery).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Service {
    /// The hardware address of an address.
    Neighbour,
    /// An echo.
    Icmp,
    /// A TCP port.
    Tcp(u16),
    /// A UDP port.
    Udp(u16),
}

impl FromStr for Service {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("`{text}` is no service; expected `22/tcp`, `5405/udp`, `icmp` or `neighbour`");
        match text {
            "icmp" => return Ok(Service::Icmp),
            "neighbour" => return Ok(Service::Neighbour),
            _ => {}
        }
        let (port, protocol) = text.split_once('/').ok_or_else(refused)?;
        let is_number = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
        let port = port.parse::<u16>().ok().filter(|port| is_number && *port > 0).ok_or_else(refused)?;
        match protocol {
            "tcp" => Ok(Service::Tcp(port)),
            "udp" => Ok(Service::Udp(port)),
            _ => Err(refused()),
        }
    }
}

impl TryFrom<String> for Service {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Service> for String {
    fn from(service: Service) -> Self {
        service.to_string()
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Service::Neighbour => f.write_str("neighbour"),
            Service::Icmp => f.write_str("icmp"),
            Service::Tcp(port) => write!(f, "{port}/tcp"),
            Service::Udp(port) => write!(f, "{port}/udp"),
        }
    }
}

/// The hardware address of an Ethernet station, `b8:3f:d2:6a:10:c2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether it is the address of one station, and not of a group or of none.
    pub fn is_of_a_station(self) -> bool {
        self.0[0] & 1 == 0 && self.0 != [0; 6]
    }
}

impl FromStr for Mac {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refused = || format!("`{text}` is no hardware address; expected `b8:3f:d2:6a:10:c2`");
        let mut bytes = [0; 6];
        let mut parts = text.split(':');
        for byte in &mut bytes {
            let part = parts.next().filter(|part| part.len() == 2 && part.bytes().all(|digit| digit.is_ascii_hexdigit())).ok_or_else(refused)?;
            *byte = u8::from_str_radix(part, 16).map_err(|_| refused())?;
        }
        if parts.next().is_some() { Err(refused()) } else { Ok(Self(bytes)) }
    }
}

impl TryFrom<String> for Mac {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Mac> for String {
    fn from(mac: Mac) -> Self {
        mac.to_string()
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_and_hardware_addresses_are_read_as_they_are_written() {
        for text in ["22/tcp", "5405/udp", "icmp", "neighbour"] {
            assert_eq!(text.parse::<Service>().expect("a service").to_string(), text);
        }
        assert_eq!("B8:3F:d2:6a:10:c2".parse::<Mac>().expect("an address").to_string(), "b8:3f:d2:6a:10:c2");
        for text in ["", "22", "0/tcp", "+22/tcp", "65536/tcp", "22/sctp", "tcp/22", "22/tcp/"] {
            assert!(text.parse::<Service>().is_err(), "{text}");
        }
        for text in ["", "b8:3f:d2:6a:10", "b8:3f:d2:6a:10:c2:00", "b8-3f-d2-6a-10-c2", "+8:3f:d2:6a:10:c2", "b:3f:d2:6a:10:c2"] {
            assert!(text.parse::<Mac>().is_err(), "{text}");
        }
        assert!(!"01:80:c2:00:00:0e".parse::<Mac>().expect("an address").is_of_a_station());
    }
}
