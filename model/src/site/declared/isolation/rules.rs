//! What the entries of `[network]` on guests and hosts must say, so that no probe is sent to an address that the site did not mean, and no flow is allowed
//! that no probe could use. Each refusal shows the place.

use std::net::IpAddr;

use super::{GuestVlan, Protected, Service};
use crate::place::Document;
use crate::site::declared::network::{Network, Prefix};
use crate::source::FileError;

/// The largest VLAN ID.
const VLAN_MAX: u16 = 4094;

/// Refuses what contradicts itself or what no probe could be made of.
pub(crate) fn check(doc: Document<'_>, network: &Network) -> Result<(), FileError> {
    if let Some(vlan) = network.host_vlan
        && !(1..=VLAN_MAX).contains(&vlan)
    {
        return Err(doc.refuse(&["network", "host_vlan"], format!("`{vlan}` is no VLAN ID; expected 1-{VLAN_MAX}")));
    }
    let is_declared = !network.guest_vlans.is_empty() || !network.protected.is_empty() || !network.allow.is_empty();
    if is_declared && network.host_vlan.is_none() {
        return Err(doc.refuse(&["network"], "guests and protected hosts are declared, and no VLAN of the hosts; expected `host_vlan`"));
    }
    for (i, address) in network.host_probe_addresses.iter().enumerate() {
        let path = ["network", "host_probe_addresses", &i.to_string()];
        inside(doc, &path, *address, &network.host_networks, "host_networks")?;
        if network.protected.iter().any(|host| host.addresses.contains(address)) {
            return Err(doc.refuse(&path, format!("{address} is the address of a protected host; expected one that nobody has")));
        }
    }
    if is_declared {
        for (i, own) in network.host_networks.iter().enumerate() {
            if !network.host_probe_addresses.iter().any(|address| own.contains(*address)) {
                let message = format!("`host_probe_addresses` has none of {own}; expected an address of it that nobody has");
                return Err(doc.refuse(&["network", "host_networks", &i.to_string()], message));
            }
        }
    }
    for (i, service) in network.management_services.iter().enumerate() {
        if !matches!(service, Service::Tcp(_)) {
            let message = format!("`{service}` is no TCP service: whether another one is offered cannot be told");
            return Err(doc.refuse(&["network", "management_services", &i.to_string()], message));
        }
    }
    for (i, host) in network.protected.iter().enumerate() {
        protected(doc, network, i, host)?;
    }
    for (i, guest) in network.guest_vlans.iter().enumerate() {
        guest_vlan(doc, network, i, guest)?;
    }
    for (i, flow) in network.allow.iter().enumerate() {
        let index = i.to_string();
        let refuse = |key: &str, message: String| Err(doc.refuse(&["network", "allow", &index, key], message));
        if !network.guest_vlans.iter().any(|guest| guest.vlan == flow.from_vlan) {
            return refuse("from_vlan", format!("there is no `[[network.guest_vlan]]` of VLAN {}", flow.from_vlan));
        }
        let reached: Vec<_> = network.protected.iter().filter(|host| host.addresses.iter().any(|address| flow.to.contains(*address))).collect();
        if reached.is_empty() {
            return refuse("to", format!("no address of a `[[network.protected]]` is in {}", flow.to));
        }
        let is_asked = |host: &&Protected| asked(network, host).contains(&flow.service);
        if matches!(flow.service, Service::Tcp(_) | Service::Udp(_)) && !reached.iter().any(is_asked) {
            return refuse(
                "service",
                format!("no host in {} is asked for {}; expected it in `host_services` or in the host's `services`", flow.to, flow.service),
            );
        }
        if flow.why.trim().is_empty() {
            return refuse("why", "expected why guests may reach a host".into());
        }
        if network.allow[..i].iter().any(|other| (other.from_vlan, other.to, other.service) == (flow.from_vlan, flow.to, flow.service)) {
            return refuse("service", "the flow is listed twice; expected one reason".into());
        }
    }
    Ok(())
}

/// The services that a host is asked for besides its hardware address and an echo.
fn asked<'a>(network: &'a Network, host: &'a Protected) -> &'a [Service] {
    if host.services.is_empty() { &network.host_services } else { &host.services }
}

fn protected(doc: Document<'_>, network: &Network, i: usize, host: &Protected) -> Result<(), FileError> {
    let index = i.to_string();
    let refuse = |key: &str, message: String| Err(doc.refuse(&["network", "protected", &index, key], message));
    if host.name.trim().is_empty() {
        return refuse("name", "a host without a name; expected one".into());
    }
    if network.protected[..i].iter().any(|other| other.name == host.name) {
        return refuse("name", format!("a second host `{}`; expected a name of its own", host.name));
    }
    if host.addresses.is_empty() {
        return refuse("addresses", format!("`{}` has no address; expected those that guests must not reach", host.name));
    }
    for (at, address) in host.addresses.iter().enumerate() {
        let is_again = host.addresses[..at].contains(address) || network.protected[..i].iter().any(|other| other.addresses.contains(address));
        let path = ["network", "protected", &index, "addresses", &at.to_string()];
        if !is_of_a_station(*address) {
            return Err(doc.refuse(&path, format!("{address} is no address of a host")));
        }
        if is_again {
            return Err(doc.refuse(&path, format!("{address} is listed twice; expected it once")));
        }
    }
    if host.mac.is_some_and(|mac| !mac.is_of_a_station()) {
        return refuse("mac", "the hardware address of a group or of nobody; expected that of the host".into());
    }
    if asked(network, host).is_empty() {
        return refuse("services", format!("`{}` is asked for no service; expected `services` here or `host_services`", host.name));
    }
    Ok(())
}

fn guest_vlan(doc: Document<'_>, network: &Network, i: usize, guest: &GuestVlan) -> Result<(), FileError> {
    let index = i.to_string();
    let refuse = |key: &str, message: String| Err(doc.refuse(&["network", "guest_vlan", &index, key], message));
    if !(1..=VLAN_MAX).contains(&guest.vlan) {
        return refuse("vlan", format!("`{}` is no VLAN ID; expected 1-{VLAN_MAX}", guest.vlan));
    }
    if network.host_vlan == Some(guest.vlan) {
        return refuse("vlan", format!("VLAN {} is that of the hosts; expected one of guests", guest.vlan));
    }
    if network.guest_vlans[..i].iter().any(|other| other.vlan == guest.vlan) {
        return refuse("vlan", format!("VLAN {} is listed twice; expected it once", guest.vlan));
    }
    if network.protected.is_empty() {
        return refuse("vlan", "no `[[network.protected]]` is declared; expected the hosts that this VLAN must not reach".into());
    }
    if guest.gateways.is_empty() {
        return refuse("gateways", "a VLAN in which nobody is known to answer: silence would prove nothing; expected its gateways".into());
    }
    for (key, addresses) in [("gateways", &guest.gateways), ("probe_addresses", &guest.probe_addresses)] {
        for (at, address) in addresses.iter().enumerate() {
            inside(doc, &["network", "guest_vlan", &index, key, &at.to_string()], *address, &guest.networks, "networks")?;
        }
    }
    for (at, address) in guest.probe_addresses.iter().enumerate() {
        let is_taken = guest.gateways.contains(address) || network.protected.iter().any(|host| host.addresses.contains(address));
        let is_again = network.guest_vlans[..i].iter().any(|other| other.probe_addresses.contains(address));
        if is_taken || is_again {
            let message = format!("{address} is declared for something else; expected an address that nobody has");
            return Err(doc.refuse(&["network", "guest_vlan", &index, "probe_addresses", &at.to_string()], message));
        }
    }
    for (at, own) in guest.networks.iter().enumerate() {
        let path = ["network", "guest_vlan", &index, "networks", &at.to_string()];
        if network.host_networks.iter().any(|hosts| hosts.overlaps(own)) {
            return Err(doc.refuse(&path, format!("{own} has addresses of the hosts' networks; expected one apart")));
        }
        for (key, addresses) in [("probe_addresses", &guest.probe_addresses), ("gateways", &guest.gateways)] {
            if !addresses.iter().any(|address| own.contains(*address)) {
                return Err(doc.refuse(&path, format!("`{key}` has none of {own}; expected one")));
            }
        }
    }
    let has = |is: fn(&Service) -> bool| guest.control.iter().any(is);
    if !has(|service| matches!(service, Service::Tcp(_))) || !has(|service| matches!(service, Service::Udp(_))) {
        return refuse(
            "control",
            "expected a TCP and a UDP service that the gateways answer, `[\"53/tcp\", \"53/udp\"]`: they prove that an answer would be heard".into(),
        );
    }
    Ok(())
}

fn inside(doc: Document<'_>, path: &[&str], address: IpAddr, networks: &[Prefix], named: &str) -> Result<(), FileError> {
    if !is_of_a_station(address) {
        return Err(doc.refuse(path, format!("{address} is no address of a station")));
    }
    if networks.iter().any(|network| network.contains(address)) {
        Ok(())
    } else {
        Err(doc.refuse(path, format!("{address} is in none of `{named}`")))
    }
}

fn is_of_a_station(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    !(address.is_loopback() || address.is_multicast() || address.is_unspecified() || is_broadcast)
}

#[cfg(test)]
mod tests;
