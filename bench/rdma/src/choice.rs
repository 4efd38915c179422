//! Which port and GID a measurement uses: the RoCE v2 GID that the local address makes, on an active Ethernet port. What there is was asked of the verbs;
//! here it is only chosen, and every reason for which nothing fits has its own answer.

use std::net::{IpAddr, Ipv6Addr};

use serde::Serialize;

use crate::error::RdmaError;
use crate::spec::Endpoint;

/// A port of an RDMA device, as the verbs describe it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortSeen {
    /// The device, as `mlx5_0`.
    pub device: String,
    /// The port, from 1.
    pub port: u8,
    /// Whether it is active.
    pub is_active: bool,
    /// Its state in the verbs' words.
    pub state: String,
    /// `Ethernet`, `InfiniBand` or another word.
    pub link_layer: String,
    /// Its MTU now, bytes.
    pub active_mtu: u16,
    /// The largest message it takes.
    pub max_message_bytes: u32,
    /// Its GIDs.
    pub gids: Vec<GidSeen>,
}

/// The word for what RoCE runs on.
pub const ETHERNET: &str = "Ethernet";

/// A GID of a port's table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GidSeen {
    /// Its index there.
    pub index: u32,
    /// The GID; IPv4 addresses are mapped.
    pub gid: Ipv6Addr,
    /// What it is for.
    pub kind: GidKind,
}

/// What a GID is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GidKind {
    /// InfiniBand.
    InfiniBand,
    /// RoCE v1: an Ethernet type of its own, which no router takes.
    RoceV1,
    /// RoCE v2: UDP.
    RoceV2,
    /// Something newer.
    Other,
}

impl GidKind {
    fn name(self) -> &'static str {
        match self {
            GidKind::InfiniBand => "InfiniBand",
            GidKind::RoceV1 => "RoCE v1",
            GidKind::RoceV2 => "RoCE v2",
            GidKind::Other => "of an unknown kind",
        }
    }
}

/// The port that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The port.
    pub port: PortSeen,
    /// The GID.
    pub gid: GidSeen,
}

/// Chooses for one end.
pub fn choose(ports: &[PortSeen], wanted: &Endpoint) -> Result<Choice, RdmaError> {
    if ports.is_empty() {
        return Err(RdmaError::NoDevice("the kernel lists none".into()));
    }
    let mut candidates: Vec<&PortSeen> = ports.iter().filter(|port| wanted.device.as_ref().is_none_or(|device| *device == port.device)).collect();
    if let (true, Some(device)) = (candidates.is_empty(), &wanted.device) {
        let present: Vec<&str> = ports.iter().map(|port| port.device.as_str()).collect();
        return Err(RdmaError::UnknownDevice { wanted: device.clone(), present: present.join(", ") });
    }
    if let Some(number) = wanted.port {
        let device = candidates[0].device.clone();
        candidates.retain(|port| port.port == number);
        if candidates.is_empty() {
            return Err(RdmaError::UnknownPort { device, port: number });
        }
    }
    let gid = gid_of(wanted.address);
    let mut found: Vec<Choice> = candidates.iter().filter_map(|port| pick(port, gid, wanted.gid_index)).collect();
    // A port that has the address and is down is named rather than another one taken.
    if let Some(choice) = found.iter().find(|choice| !choice.port.is_active) {
        let PortSeen { device, port, state, .. } = &choice.port;
        return Err(RdmaError::PortDown { device: device.clone(), port: *port, state: state.clone() });
    }
    if found.len() > 1 {
        let devices: Vec<String> = found.iter().map(|choice| format!("{} port {}", choice.port.device, choice.port.port)).collect();
        return Err(RdmaError::Ambiguous { devices: devices.join(" and "), address: wanted.address });
    }
    found.pop().ok_or_else(|| why_not(&candidates, wanted, gid))
}

fn pick(port: &PortSeen, gid: Ipv6Addr, index: Option<u32>) -> Option<Choice> {
    let fits = |seen: &&GidSeen| seen.gid == gid && seen.kind == GidKind::RoceV2 && index.is_none_or(|index| seen.index == index);
    let gid = port.gids.iter().find(fits).filter(|_| port.link_layer == ETHERNET)?;
    Some(Choice { port: port.clone(), gid: gid.clone() })
}

// The most particular reason.
fn why_not(candidates: &[&PortSeen], wanted: &Endpoint, gid: Ipv6Addr) -> RdmaError {
    if let [only] = candidates {
        let (device, port) = (only.device.clone(), only.port);
        if only.link_layer != ETHERNET {
            return RdmaError::NotEthernet { device, port, link_layer: only.link_layer.clone() };
        }
        if !only.is_active {
            return RdmaError::PortDown { device, port, state: only.state.clone() };
        }
        if let Some(index) = wanted.gid_index {
            let found = only.gids.iter().find(|seen| seen.index == index);
            let found = found.map_or_else(|| "empty".to_owned(), |seen| format!("{} of {}", seen.kind.name(), readable(seen.gid)));
            return RdmaError::WrongGid { device, port, index, found, address: wanted.address };
        }
    }
    let of = |port: &PortSeen| -> Vec<String> {
        let seen = |seen: &GidSeen| format!("{} {} {}", port.device, seen.kind.name(), readable(seen.gid));
        port.gids.iter().map(seen).collect()
    };
    let mut present: Vec<String> = candidates.iter().flat_map(|port| of(port)).collect();
    // RoCE v1 of the right address is the reason why it does not work, and comes first.
    present.sort_by_key(|seen| !seen.contains(&readable(gid)));
    present.truncate(8);
    let present = if present.is_empty() { "none".to_owned() } else { present.join(", ") };
    RdmaError::NoGid { address: wanted.address, present }
}

/// The GID that an address makes.
pub fn gid_of(address: IpAddr) -> Ipv6Addr {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
}

fn readable(gid: Ipv6Addr) -> String {
    gid.to_ipv4_mapped().map_or_else(|| gid.to_string(), |address| address.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(device: &str, gids: &[(&str, GidKind)]) -> PortSeen {
        let gid = |(index, (address, kind)): (usize, &(&str, GidKind))| GidSeen {
            index: u32::try_from(index).expect("few"),
            gid: gid_of(address.parse().expect("an address")),
            kind: *kind,
        };
        PortSeen {
            device: device.into(),
            port: 1,
            is_active: true,
            state: "active".into(),
            link_layer: ETHERNET.into(),
            active_mtu: 4096,
            max_message_bytes: 1 << 30,
            gids: gids.iter().enumerate().map(gid).collect(),
        }
    }

    fn at(address: &str) -> Endpoint {
        Endpoint::at(address.parse().expect("an address"))
    }

    // As a bond of mlx5 ports lists them: v1 before v2.
    fn bond() -> PortSeen {
        let (v1, v2) = (GidKind::RoceV1, GidKind::RoceV2);
        port("mlx5_bond_0", &[("fe80::1", v1), ("fe80::1", v2), ("10.6.0.11", v1), ("10.6.0.11", v2), ("10.8.0.11", v1), ("10.8.0.11", v2)])
    }

    #[test]
    fn the_roce_v2_gid_of_the_address_is_chosen_and_not_the_v1_before_it() {
        let choice = choose(&[port("rocep1", &[("10.1.0.1", GidKind::RoceV2)]), bond()], &at("10.8.0.11")).expect("chosen");
        assert_eq!((choice.port.device.as_str(), choice.gid.index), ("mlx5_bond_0", 5));
        let named = Endpoint { device: Some("mlx5_bond_0".into()), port: Some(1), gid_index: Some(3), ..at("10.6.0.11") };
        assert_eq!(choose(&[bond()], &named).expect("chosen").gid.index, 3);
    }

    #[test]
    fn every_reason_has_its_own_answer() {
        let says = |ports: &[PortSeen], wanted: &Endpoint| choose(ports, wanted).expect_err("nothing fits").to_string();
        assert!(says(&[], &at("10.6.0.11")).contains("no RDMA device"));
        let other = Endpoint { device: Some("mlx5_7".into()), ..at("10.6.0.11") };
        assert_eq!(says(&[bond()], &other), "there is no RDMA device mlx5_7; there are mlx5_bond_0");
        let second = Endpoint { port: Some(2), ..at("10.6.0.11") };
        assert_eq!(says(&[bond()], &second), "mlx5_bond_0 has no port 2");
        let down = PortSeen { is_active: false, state: "down".into(), ..bond() };
        assert_eq!(says(std::slice::from_ref(&down), &at("10.6.0.11")), "port 1 of mlx5_bond_0 is down, not active");
        // Down, and the kernel has taken the address away with it.
        assert_eq!(says(&[PortSeen { gids: vec![], ..down }], &at("10.6.0.11")), "port 1 of mlx5_bond_0 is down, not active");
        let infiniband = PortSeen { link_layer: "InfiniBand".into(), ..bond() };
        assert!(says(&[infiniband], &at("10.6.0.11")).contains("speaks InfiniBand"));
        assert!(
            says(&[bond()], &at("10.9.0.1")).starts_with("no active RDMA port has a RoCE v2 GID of 10.9.0.1; there are mlx5_bond_0 RoCE v1 fe80::1")
        );
        let v1 = port("mlx5_0", &[("10.9.0.1", GidKind::RoceV1)]);
        assert!(says(&[v1], &at("10.9.0.1")).ends_with("there are mlx5_0 RoCE v1 10.9.0.1"));
        let wrong = Endpoint { gid_index: Some(2), ..at("10.6.0.11") };
        assert!(says(&[bond()], &wrong).starts_with("GID 2 of port 1 of mlx5_bond_0 is RoCE v1 of 10.6.0.11"));
        let empty = Endpoint { gid_index: Some(9), ..at("10.6.0.11") };
        assert!(says(&[bond()], &empty).contains("is empty"));
    }

    #[test]
    fn two_devices_with_one_address_are_not_guessed_between() {
        let twice = [bond(), PortSeen { device: "mlx5_2".into(), ..bond() }];
        assert!(matches!(choose(&twice, &at("10.6.0.11")), Err(RdmaError::Ambiguous { .. })));
        assert!(choose(&twice, &Endpoint { device: Some("mlx5_2".into()), ..at("10.6.0.11") }).is_ok());
    }

    #[test]
    fn an_ipv6_address_is_its_own_gid() {
        let six = port("mlx5_0", &[("fd00::11", GidKind::RoceV2)]);
        assert_eq!(choose(&[six], &at("fd00::11")).expect("chosen").gid.index, 0);
    }
}
