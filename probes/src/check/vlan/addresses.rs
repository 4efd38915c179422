//! Where the node has IP addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use assay_model::attr::Attr;
use assay_model::check::Check;
use assay_model::component::Reading;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::Reason;

use super::{Stack, host_vlan, is_open_vswitch, list};
use crate::check::findings::Findings;
use crate::check::question::Question;
use crate::check::seen::Seen;

pub(in crate::check) const HOST_ADDRESSES: Question =
    Question { id: "vlan.host_addresses", expected: "addresses on the declared host VLAN only, apart from loopback, link-local and declared ones" };

pub(in crate::check) fn host_addresses(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let question = &HOST_ADDRESSES;
    let (vlan, stack) = match host_vlan(question, site).and_then(|vlan| Ok((vlan, Stack::of(question, inventory, site)?))) {
        Ok(known) => known,
        Err(unasked) => return unasked,
    };
    let mut findings = Findings::default();
    let mut is_there = false;
    for interface in &stack.interfaces {
        let rows = list(interface, Attr::Addresses).unwrap_or_else(|reason| {
            // What was not read may well be there.
            is_there |= stack.is_of_vlan(interface, vlan);
            findings.unclear(reason);
            &[]
        });
        for row in rows {
            let address = row.split('/').next().and_then(|address| address.parse::<IpAddr>().ok());
            let Some(address) = address else {
                findings.unclear(Reason::Invalid(format!("{} has `{row}`, which is no address", interface.locator)));
                continue;
            };
            if is_everywhere(address) {
                continue;
            }
            if stack.is_of_vlan(interface, vlan) {
                is_there = true;
            } else if is_declared(site, &interface.locator, address) {
                continue;
            } else if is_open_vswitch(interface) {
                is_there = true;
                findings.unclear(Reason::Unreadable(format!("{} has {row}, and Open vSwitch does not tell its VLAN", interface.locator)));
            } else {
                findings.wrong(format!("{} has {row}", interface.locator));
            }
        }
    }
    if !is_there {
        findings.wrong(format!("it has no address on VLAN {vlan}"));
    }
    let with_addresses: Vec<_> =
        stack.interfaces.iter().copied().filter(|interface| *interface.reading(Attr::Addresses) != Reading::Absent).collect();
    let seen = Seen::across(&with_addresses, Attr::Addresses);
    let verdict = findings.verdict(site, &seen);
    vec![question.answer("node", &seen, verdict)]
}

/// Addresses that reach no further than the node or the wire.
fn is_everywhere(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_loopback() || address.is_link_local() || address == Ipv4Addr::UNSPECIFIED,
        IpAddr::V6(address) => address.is_loopback() || address.is_unicast_link_local() || address == Ipv6Addr::UNSPECIFIED,
    }
}

fn is_declared(site: &Site, interface: &str, address: IpAddr) -> bool {
    site.declared.network.extra_addresses.iter().any(|extra| extra.interface == interface && extra.network.contains(address))
}
