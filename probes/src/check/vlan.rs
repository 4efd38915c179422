//! The VLAN of the hosts: their addresses are on it and nowhere else (`vlan/addresses.rs`), no guest reaches it through a bridge (`vlan/guests.rs`), and the
//! kernel routes nothing there (`vlan/forwarding.rs`). Here is which VLAN that is and how interfaces are stacked.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Reading, Value};
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::Reason;

use super::question::Question;
use super::seen::{count, text};

mod addresses;
mod forwarding;
mod guests;

pub(super) use addresses::{HOST_ADDRESSES, host_addresses};
pub(super) use forwarding::{FORWARDING, forwarding};
pub(super) use guests::{GUEST_PORTS, guest_ports};

/// The largest VLAN ID.
const VLAN_MAX: u64 = 4094;
/// More ports of ports than the kernel allows.
const STACKED_MAX: usize = 8;

/// The VLAN that the site declares for its hosts, or the answer that it declares none.
fn host_vlan(question: &Question, site: &Site) -> Result<u64, Vec<Check>> {
    let declared = site.declared.network.host_vlan.map(u64::from);
    declared.ok_or_else(|| {
        vec![question.absent(site, "node", "the site declares no VLAN of its hosts: [network] host_vlan of declared.toml", "the site")]
    })
}

/// The interfaces of the node and how they are stacked.
struct Stack<'a> {
    interfaces: Vec<&'a Component>,
    by_name: BTreeMap<&'a str, &'a Component>,
}

impl<'a> Stack<'a> {
    fn of(question: &Question, inventory: &'a Inventory, site: &Site) -> Result<Self, Vec<Check>> {
        let interfaces = question.subjects(inventory, site, Kind::Interface)?;
        let by_name = interfaces.iter().map(|interface| (interface.locator.as_str(), *interface)).collect();
        Ok(Self { interfaces, by_name })
    }

    fn get(&self, name: &str) -> Option<&'a Component> {
        self.by_name.get(name).copied()
    }

    /// The ports of a bridge.
    fn ports(&self, bridge: &str) -> impl Iterator<Item = &'a Component> {
        self.interfaces.iter().copied().filter(move |port| text(port, Attr::Master) == Ok(Some(bridge)))
    }

    /// Whether frames of the VLAN are the untagged ones of this interface: it is the VLAN's own interface, or a bridge that has it as a port, or a bridge that
    /// takes untagged frames for those of the VLAN.
    fn is_of_vlan(&self, interface: &Component, vlan: u64) -> bool {
        // A VLAN inside of another one is only a number there.
        let is_inner = |interface: &Component| {
            let parent = text(interface, Attr::Parent).ok().flatten().and_then(|parent| self.get(parent));
            parent.and_then(kind) == Some("vlan")
        };
        let is_own =
            |interface: &Component| kind(interface) == Some("vlan") && count(interface, Attr::VlanId) == Ok(Some(vlan)) && !is_inner(interface);
        let is_pvid = |row: &String| row.split(' ').next() == Some(vlan.to_string().as_str()) && row.split(' ').any(|word| word == "pvid");
        is_own(interface)
            || (is_flat_bridge(interface) && self.ports(&interface.locator).any(is_own))
            || (is_aware_bridge(interface) && list(interface, Attr::Vlans).is_ok_and(|rows| rows.iter().any(is_pvid)))
    }

    /// Whether frames of the VLAN pass this interface, or what it is a port of.
    fn reaches(&self, interface: &str, vlan: u64) -> bool {
        let mut at = self.get(interface);
        for _ in 0..STACKED_MAX {
            let Some(here) = at else { return false };
            if self.is_of_vlan(here, vlan) || self.carries(&here.locator, vlan) {
                return true;
            }
            at = text(here, Attr::Master).ok().flatten().and_then(|master| self.get(master));
        }
        false
    }

    /// Whether the VLAN runs tagged on this interface.
    fn carries(&self, interface: &str, vlan: u64) -> bool {
        self.interfaces.iter().any(|above| {
            kind(above) == Some("vlan") && count(above, Attr::VlanId) == Ok(Some(vlan)) && text(above, Attr::Parent) == Ok(Some(interface))
        })
    }
}

fn kind(interface: &Component) -> Option<&str> {
    interface.value(Attr::InterfaceKind).and_then(Value::as_str)
}

/// A bridge that does not look at VLANs. A kernel without them says nothing of filtering.
fn is_flat_bridge(interface: &Component) -> bool {
    kind(interface) == Some("bridge") && matches!(interface.reading(Attr::VlanFiltering), Reading::Absent | Reading::Value(Value::Bool(false)))
}

fn is_aware_bridge(interface: &Component) -> bool {
    kind(interface) == Some("bridge") && *interface.reading(Attr::VlanFiltering) == Reading::Value(Value::Bool(true))
}

/// A port or bridge of Open vSwitch: of its VLANs the kernel tells nothing.
fn is_open_vswitch(interface: &Component) -> bool {
    kind(interface) == Some("openvswitch")
}

/// The texts of a list; none when the node has none.
fn list(component: &Component, attr: Attr) -> Result<&[String], Reason> {
    match component.reading(attr) {
        Reading::Value(Value::List(texts)) => Ok(texts),
        Reading::Absent => Ok(&[]),
        Reading::Unreadable(why) => Err(Reason::Unreadable(format!("{}: {why}", component.source(attr)))),
        Reading::Value(other) => Err(Reason::Invalid(format!("{} says `{other}`, which is no list", component.source(attr)))),
    }
}

/// Whether a range of VLANs, `12` or `20-30`, has this one.
fn has(range: &str, vlan: u64) -> Option<bool> {
    within(range).map(|range| range.contains(&vlan))
}

/// The VLANs of a range, `12` or `20-30`.
fn within(range: &str) -> Option<RangeInclusive<u64>> {
    let number = |text: &str| text.parse::<u64>().ok().filter(|id| (1..=VLAN_MAX).contains(id));
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last) = (number(first.trim())?, number(last.trim())?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests;
