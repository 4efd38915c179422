//! What leads a guest to a network around bridges: interfaces stacked on the node's own, network cards passed through, and what its configuration hands to QEMU or LXC past
//! Proxmox. Where such a thing leads is mostly not told, and then it is no pass.

use assay_model::attr::Attr;
use assay_model::component::{Component, Reading};
use assay_model::verdict::Reason;

use super::super::{Stack, VLAN_MAX};
use crate::check::findings::Findings;
use crate::check::seen::{count, text};

/// Settings of an interface of LXC that leave it where Proxmox puts it.
const TUNING: [&str; 6] = ["mtu", "flags", "hwaddr", "name", "ipv4", "ipv6"];

/// An interface of a guest that is no port: what it sends leaves through the one that it is stacked on.
pub(super) fn stacked(stack: &Stack<'_>, interface: &Component, vlan: u64, findings: &mut Findings) {
    let name = &interface.locator;
    match text(interface, Attr::Parent) {
        Ok(Some(parent)) if stack.get(parent).is_none() => {
            findings.unclear(Reason::Unreadable(format!("{name} is stacked on {parent}, of which nothing is told")));
        }
        Ok(Some(parent)) if stack.reaches(parent, vlan) => findings.wrong(format!("{name} is stacked on {parent}, which leads to VLAN {vlan}")),
        Ok(Some(_)) => {}
        Ok(None) => findings.unclear(Reason::Unreadable(format!("what {name} is stacked on is not told"))),
        Err(reason) => findings.unclear(reason),
    }
}

/// Whether what is configured leads around bridges, and then it is judged.
pub(super) fn judged(stack: &Stack<'_>, nic: &Component, vlan: u64, findings: &mut Findings) -> bool {
    let (is_card, is_raw) = (*nic.reading(Attr::PassedThrough) != Reading::Absent, *nic.reading(Attr::RawNetwork) != Reading::Absent);
    if is_card {
        card(stack, nic, vlan, findings);
    } else if is_raw {
        match text(nic, Attr::RawNetwork) {
            Ok(said) => raw(stack, nic, said.unwrap_or_default(), vlan, findings),
            Err(reason) => findings.unclear(reason),
        }
    }
    is_card || is_raw
}

/// A network card of which nobody sets the VLAN lets every tag through that the switch does.
fn card(stack: &Stack<'_>, nic: &Component, vlan: u64, findings: &mut Findings) {
    let name = &nic.locator;
    let read = || Ok::<_, Reason>((text(nic, Attr::PassedThrough)?, count(nic, Attr::VlanId)?, text(nic, Attr::Parent)?));
    match read() {
        Err(reason) => findings.unclear(reason),
        Ok((_, Some(tag), _)) if tag == vlan => findings.wrong(format!("{name} is kept in VLAN {vlan}")),
        Ok((_, Some(tag), _)) if tag > VLAN_MAX => findings.unclear(Reason::Invalid(format!("{name} has the VLAN {tag}, which is none"))),
        Ok((_, Some(_), _)) => {}
        Ok((_, None, Some(parent))) if stack.reaches(parent, vlan) => {
            findings.wrong(format!("{name} is a card of its own at {parent}, which leads to VLAN {vlan}"));
        }
        Ok((_, None, _)) => {
            findings.unclear(Reason::Unreadable(format!("{name} is a card of its own: which VLANs the switch has there is not told")))
        }
    }
}

/// What is handed to QEMU (`-netdev user,id=n`) or LXC (`type=phys link=eth1`) past Proxmox.
fn raw(stack: &Stack<'_>, nic: &Component, said: &str, vlan: u64, findings: &mut Findings) {
    let name = &nic.locator;
    let option = name.split(' ').nth(1).unwrap_or_default();
    let words: Vec<&str> = said.split_whitespace().collect();
    let fact = |wanted: &str| words.iter().filter_map(|word| word.split_once('=')).find(|(key, _)| *key == wanted).map(|(_, value)| value);
    let has_net = words.contains(&"net");
    let kind = fact("type");
    let is_link_of_vlan = |link: &str| matches!(kind, Some("phys" | "macvlan" | "ipvlan")) && stack.reaches(link, vlan);
    let in_vlan = ["vlan.id", "veth.vlan.id", "veth.vlan.tagged.id"].iter().filter_map(|key| fact(key)).any(|id| id.parse() == Ok(vlan));
    match option {
        "lxc.namespace.keep" if has_net => findings.wrong(format!("{name} keeps the network of the node")),
        "lxc.namespace.clone" if !has_net => findings.wrong(format!("{name} leaves it in the network of the node")),
        "lxc.namespace.keep" | "lxc.namespace.clone" => {}
        "args" if matches!(words[..], [_, network, ..] if network == "user" || network.starts_with("user,")) => {
            findings.wrong(format!("{name} says {said}: what it sends leaves with the addresses of the node"));
        }
        "args" if matches!(words[..], [_, "none"]) => {}
        _ if kind == Some("none") => findings.wrong(format!("{name} is in the network of the node")),
        _ if kind == Some("empty") => {}
        _ if in_vlan => findings.wrong(format!("{name} is put into VLAN {vlan}: {said}")),
        _ if fact("link").is_some_and(is_link_of_vlan) => findings.wrong(format!("{name} says {said}, which leads to VLAN {vlan}")),
        _ if option.starts_with("lxc.net") && words.iter().all(|word| TUNING.iter().any(|tuning| is_of(word, tuning))) => {}
        _ => findings.unclear(Reason::Unreadable(format!("{name} says {said}: where that leads is not told"))),
    }
}

/// `mtu=1400` and `ipv4.address=10.0.0.1`.
fn is_of(word: &str, key: &str) -> bool {
    word.strip_prefix(key).is_some_and(|rest| rest.starts_with(['=', '.']))
}
