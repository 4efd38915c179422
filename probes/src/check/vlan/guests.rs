//! Whether a guest reaches the VLAN of the hosts: through the ports that bridges have for it now, and through those that its configuration will give it when it
//! starts. A port of a VLAN-aware bridge lets through what its list says, and Proxmox gives one without tag and trunks the list 2-4094
//! (`PVE/Network.pm`). A bridge that does not look at VLANs lets every tag through, down to whatever it is attached to. Whether a port is as configured is asked
//! in `guests/live.rs`; what leads around bridges is judged in `guests/around.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::{Stack, VLAN_MAX, has, host_vlan, is_aware_bridge, is_flat_bridge, is_open_vswitch, kind, list};
use crate::check::findings::Findings;
use crate::check::question::Question;
use crate::check::seen::{Seen, count, looked, text};

mod around;
mod live;

pub(in crate::check) const GUEST_PORTS: Question =
    Question { id: "vlan.guest_ports", expected: "no guest reaches the VLAN of the hosts: tagged, trunked or untagged" };

/// The inner end of the pair that Proxmox puts between a guest's own bridge and the node's; the outer end is judged.
const INNER_END: &str = "fwln";
const FIREWALL_BRIDGE: &str = "fwbr";
const PAIRS_AND_TAPS: [&str; 3] = ["tun", "veth", "netkit"];
/// Taps without a master: what they send leaves through the interface that they are stacked on.
const STACKED: [&str; 2] = ["macvtap", "ipvtap"];

pub(in crate::check) fn guest_ports(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let question = &GUEST_PORTS;
    let (vlan, stack) = match host_vlan(question, site).and_then(|vlan| Ok((vlan, Stack::of(question, inventory, site)?))) {
        Ok(known) => known,
        Err(unasked) => return unasked,
    };
    let nics = inventory.of(Kind::GuestNic);
    let known = if let Observed::Components(nics) = &nics { Some(nics.as_slice()) } else { None };
    let mut answers = vec![ports(inventory, site, &stack, vlan, known)];
    match nics {
        Observed::Components(nics) => answers.push(configured(inventory, site, &stack, vlan, &nics)),
        Observed::SourceMissing(_) | Observed::Unknown(_) => {
            answers.extend(question.subjects(inventory, site, Kind::GuestNic).err().unwrap_or_default())
        }
    }
    answers
}

/// The ports that bridges have for guests now; of `nics`, what is configured, only where that is known.
fn ports(inventory: &Inventory, site: &Site, stack: &Stack<'_>, vlan: u64, nics: Option<&[&Component]>) -> Check {
    let mut findings = Findings::default();
    let mut judged = joined(stack, vlan, &mut findings);
    for port in stack.interfaces.iter().copied().filter(|port| is_guest_port(port)) {
        let bridge = match text(port, Attr::Master) {
            Ok(Some(bridge)) => bridge,
            Ok(None) if kind(port).is_some_and(|kind| STACKED.contains(&kind)) => {
                judged.push(port);
                around::stacked(stack, port, vlan, &mut findings);
                continue;
            }
            Ok(None) => continue,
            Err(reason) => {
                findings.unclear(reason);
                continue;
            }
        };
        judged.push(port);
        if let Some(nics) = nics {
            live::compare(port, stack.get(bridge), nics, &mut findings);
        }
        match stack.get(bridge) {
            None => findings.unclear(Reason::Unreadable(format!("{} is a port of {bridge}, of which nothing is told", port.locator))),
            Some(bridge) if is_flat_bridge(bridge) => flat(stack, bridge, vlan, &port.locator, &mut findings),
            Some(bridge) if is_aware_bridge(bridge) => match list(port, Attr::Vlans) {
                // A port without a list passes nothing, and Proxmox makes none: more likely the list was not told.
                Ok([]) => drop(findings.value::<()>(format!("list of VLANs of {}", port.locator), Ok(None))),
                Ok(rows) => rows.iter().for_each(|row| listed(row.split(' ').next().unwrap_or_default(), vlan, &port.locator, &mut findings)),
                Err(reason) => findings.unclear(reason),
            },
            Some(bridge) => {
                findings.unclear(Reason::Unreadable(format!("{} is a port of {}, whose VLANs cannot be told", port.locator, bridge.locator)))
            }
        }
    }
    if judged.is_empty() {
        return question_does_not_arise("ports", "no guest has a port on a bridge now", looked(inventory, Kind::Interface));
    }
    let seen = Seen::across(&judged, Attr::Master).and(Seen::across(&judged, Attr::Parent)).and(Seen::across(&judged, Attr::Vlans));
    let verdict = findings.verdict(site, &seen);
    GUEST_PORTS.answer("ports", &seen, verdict)
}

/// The interfaces that configurations give to guests.
fn configured(inventory: &Inventory, site: &Site, stack: &Stack<'_>, vlan: u64, nics: &[&Component]) -> Check {
    if nics.is_empty() {
        return question_does_not_arise("configurations", "no guest has a network interface", looked(inventory, Kind::GuestNic));
    }
    let mut findings = Findings::default();
    for &nic in nics {
        let name = &nic.locator;
        if around::judged(stack, nic, vlan, &mut findings) {
            continue;
        }
        let tag = match count(nic, Attr::VlanId) {
            Ok(Some(tag)) if tag == 0 || tag > VLAN_MAX => {
                findings.unclear(Reason::Invalid(format!("{name} has the tag {tag}, which is no VLAN")));
                Some(tag)
            }
            Ok(tag) => tag,
            Err(reason) => {
                findings.unclear(reason);
                continue;
            }
        };
        if tag == Some(vlan) {
            findings.wrong(format!("{name} has the tag {vlan}"));
        }
        let trunks = match list(nic, Attr::Trunks) {
            Ok(trunks) => trunks,
            Err(reason) => {
                findings.unclear(reason);
                continue;
            }
        };
        trunks.iter().for_each(|range| listed(range, vlan, name, &mut findings));
        match text(nic, Attr::Bridge) {
            Err(reason) => findings.unclear(reason),
            // A container's interface without a bridge leads nowhere. A virtual machine's goes through a process of the node, with the node's own addresses.
            Ok(None) if nic.source(Attr::Bridge).contains("/lxc/") => {}
            Ok(None) => findings.wrong(format!("{name} has no bridge: what it sends leaves with the addresses of the node")),
            Ok(Some(bridge)) if tag.is_some() => tagged(stack, bridge, name, &mut findings),
            Ok(Some(bridge)) => untagged(stack, bridge, vlan, name, !trunks.is_empty(), &mut findings),
        }
    }
    let of_all = |attr| Seen::across(nics, attr);
    let seen =
        of_all(Attr::Bridge).and(of_all(Attr::VlanId)).and(of_all(Attr::Trunks)).and(of_all(Attr::PassedThrough)).and(of_all(Attr::RawNetwork));
    let verdict = findings.verdict(site, &seen);
    GUEST_PORTS.answer("configurations", &seen, verdict)
}

/// A guest's interface with a tag: Proxmox keeps it there, on a bridge of the kernel.
fn tagged(stack: &Stack<'_>, bridge: &str, name: &str, findings: &mut Findings) {
    // On a bridge that is not there it does not start.
    let bridge = stack.get(bridge).filter(|bridge| !is_flat_bridge(bridge) && !is_aware_bridge(bridge));
    if let Some(bridge) = bridge {
        findings.unclear(Reason::Unreadable(format!("{name} is to be on {}, whose VLANs cannot be told", bridge.locator)));
    }
}

/// Bridges that do not look at VLANs and have the hosts' VLAN as a port beside others: whoever is on those is in it.
fn joined<'a>(stack: &Stack<'a>, vlan: u64, findings: &mut Findings) -> Vec<&'a Component> {
    let mut joined = Vec::new();
    for bridge in stack.interfaces.iter().filter(|bridge| is_flat_bridge(bridge) && stack.is_of_vlan(bridge, vlan)) {
        let others: Vec<_> = stack.ports(&bridge.locator).filter(|port| !is_guest_port(port) && !stack.is_of_vlan(port, vlan)).collect();
        for port in &others {
            let what = format!("{} joins {} to VLAN {vlan}", bridge.locator, port.locator);
            if kind(port) == Some("vlan") {
                findings.wrong(what)
            } else {
                findings.unclear(Reason::Unreadable(format!("{what}, and who is there is not told")))
            }
        }
        joined.extend(others);
    }
    joined
}

/// A guest's interface without a tag: what it reaches is up to the bridge.
fn untagged(stack: &Stack<'_>, bridge: &str, vlan: u64, name: &str, has_trunks: bool, findings: &mut Findings) {
    match stack.get(bridge) {
        None => findings.unclear(Reason::Unreadable(format!("{name} is to be on {bridge}, which is not there"))),
        Some(bridge) if is_flat_bridge(bridge) => flat(stack, bridge, vlan, name, findings),
        Some(_) if has_trunks => {}
        Some(bridge) if is_aware_bridge(bridge) || is_open_vswitch(bridge) => {
            findings.wrong(format!("{name} has neither tag nor trunks on {}: it is given every VLAN", bridge.locator));
        }
        Some(bridge) => findings.unclear(Reason::Unreadable(format!("{name} is to be on {}, whose VLANs cannot be told", bridge.locator))),
    }
}

/// Everything that passes through a bridge that does not look at VLANs.
fn flat(stack: &Stack<'_>, bridge: &Component, vlan: u64, name: &str, findings: &mut Findings) {
    let reached = stack.is_of_vlan(bridge, vlan)
        || stack.carries(&bridge.locator, vlan)
        || stack.ports(&bridge.locator).any(|port| !is_guest_port(port) && is_way_out(stack, port, vlan));
    if reached {
        findings.wrong(format!("{name} is on {}, which does not look at VLANs and leads to VLAN {vlan}", bridge.locator));
    }
}

/// Whether the VLAN runs where a port of a bridge leads: on itself, or on what it is only another address of.
fn is_way_out(stack: &Stack<'_>, port: &Component, vlan: u64) -> bool {
    let parent = || text(port, Attr::Parent).ok().flatten().filter(|_| matches!(kind(port), Some("macvlan" | "ipvlan")));
    stack.carries(&port.locator, vlan) || parent().is_some_and(|parent| stack.reaches(parent, vlan))
}

/// A range that a port lets through.
fn listed(range: &str, vlan: u64, name: &str, findings: &mut Findings) {
    match has(range, vlan) {
        Some(true) => findings.wrong(format!("{name} carries {range}")),
        Some(false) => {}
        None => findings.unclear(Reason::Invalid(format!("{name} carries `{range}`, which is no range of VLANs"))),
    }
}

/// Taps of virtual machines, pairs of containers, and the outer ends of firewall bridges.
fn is_guest_port(interface: &Component) -> bool {
    let is_inner = || {
        let master = text(interface, Attr::Master).ok().flatten();
        interface.locator.starts_with(INNER_END) && master.is_some_and(|master| master.starts_with(FIREWALL_BRIDGE))
    };
    kind(interface).is_some_and(|kind| PAIRS_AND_TAPS.contains(&kind) || STACKED.contains(&kind)) && !is_inner()
}

fn question_does_not_arise(subject: &str, why: &str, source: String) -> Check {
    Check::new(GUEST_PORTS.id, subject, Verdict::NotApplicable(why.into()), GUEST_PORTS.expected, "none", source)
}
