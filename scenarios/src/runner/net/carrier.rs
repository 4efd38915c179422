//! What carries an address of a node: its interface, and below VLANs and VXLAN the members of a bond or the one port there is.

use std::net::IpAddr;

use assay_model::attr::{Attr, Kind};
use assay_model::ceiling::OuterIp;
use assay_model::component::{Component, Value};
use assay_model::inventory::{Inventory, Observed};

/// Interfaces that are stacked on each other at most.
const DEPTH: usize = 8;

/// What carries an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Carrier {
    /// The interface that has the address.
    pub(super) interface: String,
    /// It and what it is stacked on, down to the bond or the one port: every frame passes each.
    stack: Vec<String>,
    /// The bond below it.
    pub(super) bond: Option<Bond>,
    /// The ports that frames leave by: members of the bond, or the one port.
    pub(super) ports: Vec<String>,
    /// VLAN tags that frames have when they leave.
    pub(super) tags: u8,
    /// The interface in between that wraps packets in VXLAN.
    pub(super) vxlan: Option<Vxlan>,
}

/// An interface that wraps what it sends in VXLAN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vxlan {
    /// Its name.
    pub(super) name: String,
    /// What it wraps packets in, or why that cannot be told.
    pub(super) outer: Result<OuterIp, String>,
}

/// A bond.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bond {
    /// Its name.
    pub(super) name: String,
    /// What decides on the member a frame leaves by, in the kernel's words.
    pub(super) policy: String,
    /// Whether its members are agreed on by LACP.
    pub(super) is_lacp: bool,
}

impl Carrier {
    /// Whether every frame passes `interface`.
    pub(super) fn is_on(&self, interface: &str) -> bool {
        self.stack.iter().any(|passed| passed == interface)
    }

    /// Of `address`, as an inventory shows it.
    pub(super) fn of(inventory: &Inventory, address: IpAddr) -> Result<Self, String> {
        let node = &inventory.host;
        let has = |interface: &&Component| {
            list(interface, Attr::Addresses).iter().any(|own| own.split('/').next().and_then(|own| own.parse::<IpAddr>().ok()) == Some(address))
        };
        for kind in [Kind::Interface, Kind::Bond] {
            // What a probe did not see is not absent.
            if let Observed::Unknown(why) = inventory.of(kind) {
                return Err(format!("nothing is known of each {kind} of {node}: {why}"));
            }
        }
        let interface = inventory.iter(Kind::Interface).find(has).ok_or_else(|| format!("no interface of {node} has the address {address}"))?;
        let named = |name: &str| inventory.iter(Kind::Interface).find(|other| other.locator == name);
        let text = |component: &Component, attr| component.value(attr).and_then(Value::as_str).map(str::to_owned);
        let (mut below, mut tags, mut stack) = (interface, 0, Vec::new());
        let mut vxlan: Option<Vxlan> = None;
        for _ in 0..DEPTH {
            stack.push(below.locator.clone());
            if let Some(bond) = inventory.iter(Kind::Bond).find(|bond| bond.locator == below.locator) {
                let ports = list(bond, Attr::Members).to_vec();
                let policy =
                    text(bond, Attr::XmitHashPolicy).ok_or_else(|| format!("the hash policy of {} on {node} cannot be read", bond.locator))?;
                if ports.is_empty() {
                    return Err(format!("{} on {node} has no members", bond.locator));
                }
                return Ok(Self {
                    interface: interface.locator.clone(),
                    stack,
                    bond: Some(Bond { name: bond.locator.clone(), policy, is_lacp: text(bond, Attr::BondMode).as_deref() == Some("802.3ad") }),
                    ports,
                    tags,
                    vxlan,
                });
            }
            // A VLAN is stacked on its parent. A bridge is stacked on nothing, and what it is the master of cannot be told from a guest's port.
            let kind = text(below, Attr::InterfaceKind);
            if kind.as_deref() == Some("vxlan") {
                vxlan = Some(Vxlan { name: below.locator.clone(), outer: outer(below, vxlan.as_ref()) });
            }
            match (text(below, Attr::Parent), kind.as_deref()) {
                (Some(parent), Some("vxlan")) => {
                    below = named(&parent).ok_or_else(|| format!("{} on {node} is bound to nothing that is there", below.locator))?;
                }
                (Some(parent), Some("vlan")) => {
                    tags += 1;
                    below = named(&parent).ok_or_else(|| format!("{} on {node} is stacked on nothing that is there", below.locator))?;
                }
                (_, Some("bridge")) => {
                    let is_vxlan = |port: &Component| text(port, Attr::InterfaceKind).as_deref() == Some("vxlan");
                    let is_bond = |port: &Component| inventory.iter(Kind::Bond).any(|bond| bond.locator == port.locator);
                    let is_of_a_guest = |port: &Component| matches!(text(port, Attr::InterfaceKind).as_deref(), Some("tun" | "tap" | "veth"));
                    let ports: Vec<&Component> =
                        inventory.iter(Kind::Interface).filter(|port| text(port, Attr::Master).as_ref() == Some(&below.locator)).collect();
                    let leads_out = |port: &&Component| is_bond(port) || is_vxlan(port);
                    let mut ways_out: Vec<&Component> = ports.iter().copied().filter(leads_out).collect();
                    // Beside a VXLAN whatever is no guest's may lead out too.
                    if ways_out.iter().any(|port| is_vxlan(port)) {
                        ways_out = ports.into_iter().filter(|port| !is_of_a_guest(port)).collect();
                    }
                    below = match ways_out.as_slice() {
                        [way_out] => way_out,
                        _ => return Err(format!("which port of the bridge {} on {node} leads out cannot be told", below.locator)),
                    };
                }
                (_, _) => {
                    return Ok(Self { interface: interface.locator.clone(), stack, bond: None, ports: vec![below.locator.clone()], tags, vxlan });
                }
            }
        }
        Err(format!("{} on {node} is stacked deeper than {DEPTH}", interface.locator))
    }
}

/// What an interface wraps packets in.
fn outer(interface: &Component, before: Option<&Vxlan>) -> Result<OuterIp, String> {
    let name = &interface.locator;
    if let Some(before) = before {
        return Err(format!("{name} wraps what {} has wrapped already", before.name));
    }
    if interface.value(Attr::Parent).is_none() {
        return Err(format!("{name} is VXLAN, and by which interface its packets leave is not told"));
    }
    match interface.value(Attr::OuterIp).and_then(Value::as_str) {
        Some("ipv4") => Ok(OuterIp::V4),
        Some("ipv6") => Ok(OuterIp::V6),
        Some(_) | None => Err(format!("{name} is VXLAN, and whether over IPv4 or over IPv6 is not told")),
    }
}

fn list(component: &Component, attr: Attr) -> &[String] {
    if let Some(Value::List(words)) = component.value(attr) { words } else { &[] }
}

#[cfg(test)]
mod tests {
    use assay_model::inventory::{ProbeEnded, ProbeOutcome};

    use super::*;

    fn inventory(interfaces: &[(&str, &str, &[&str])], bonds: &[(&str, &[&str])]) -> Inventory {
        let list = |words: &[&str]| Value::List(words.iter().map(|word| (*word).to_owned()).collect());
        let mut components = Vec::new();
        for (name, facts, addresses) in interfaces {
            let mut interface = Component::new(Kind::Interface, *name).with(Attr::Addresses, "rtnetlink", list(addresses));
            for fact in facts.split_whitespace() {
                let (key, value) = fact.split_once('=').expect("a fact");
                let attr = match key {
                    "kind" => Attr::InterfaceKind,
                    "parent" => Attr::Parent,
                    "master" => Attr::Master,
                    "outer" => Attr::OuterIp,
                    other => panic!("{other}"),
                };
                interface = interface.with(attr, "rtnetlink", value);
            }
            components.push(interface);
        }
        for (name, members) in bonds {
            components.push(Component::new(Kind::Bond, *name).with(Attr::XmitHashPolicy, "sysfs", "layer3+4").with(
                Attr::Members,
                "sysfs",
                list(members),
            ));
        }
        Inventory {
            host: "n1".into(),
            boot_id: "b".into(),
            taken_at: "2026-11-29T00:00:00Z".into(),
            components,
            probes: vec![looked(ProbeEnded::Completed)],
        }
    }

    fn looked(ended: ProbeEnded) -> ProbeOutcome {
        ProbeOutcome { probe: "net".into(), kinds: vec![Kind::Interface, Kind::Bond], ended, elapsed_ns: 0 }
    }

    #[test]
    fn what_a_probe_did_not_see_is_not_absent() {
        let mut hung = inventory(&[("eth2", "", &["10.9.0.1/24"])], &[]);
        hung.probes = vec![looked(ProbeEnded::Hung("rtnetlink".into()))];
        assert!(carried(&hung, "10.9.0.1").expect_err("unknown").contains("hung on rtnetlink"));
    }

    fn carried(inventory: &Inventory, address: &str) -> Result<(String, Vec<String>), String> {
        Carrier::of(inventory, address.parse().expect("an address")).map(|carrier| (carrier.interface, carrier.ports))
    }

    #[test]
    fn an_address_is_carried_by_the_members_below_its_vlan_and_its_bridge() {
        let node = inventory(
            &[
                ("vmbr0.6", "kind=vlan parent=vmbr0", &["10.0.6.1/24"]),
                ("vmbr0", "kind=bridge", &[]),
                ("bond0", "kind=bond master=vmbr0", &[]),
                ("tap100i0", "kind=tun master=vmbr0", &[]),
                ("eth2", "", &["10.9.0.1/24", "fd00::1/64"]),
            ],
            &[("bond0", &["eth0", "eth1"])],
        );
        assert_eq!(carried(&node, "10.0.6.1").expect("found"), ("vmbr0.6".into(), vec!["eth0".into(), "eth1".into()]));
        assert_eq!(carried(&node, "fd00::1").expect("found"), ("eth2".into(), vec!["eth2".into()]));
        let tags = |address: &str| Carrier::of(&node, address.parse().expect("an address")).expect("found").tags;
        assert_eq!((tags("10.0.6.1"), tags("fd00::1")), (1, 0));
        let is_on = |interface: &str| Carrier::of(&node, "10.0.6.1".parse().expect("an address")).expect("found").is_on(interface);
        // A member is not what every frame passes.
        assert_eq!(["vmbr0.6", "vmbr0", "bond0", "eth0", "eth2", "vmbr0.5"].map(is_on), [true, true, true, false, false, false]);
        assert!(carried(&node, "10.0.6.2").expect_err("nobody's").contains("no interface of n1"));
    }

    #[test]
    fn packets_inside_of_vxlan_leave_by_the_ports_below_and_what_is_around_them_is_told_or_said_to_be_unknown() {
        let node = inventory(
            &[
                ("vx4", "kind=vxlan parent=bond0.6 outer=ipv4", &["10.4.0.1/24"]),
                ("vx6", "kind=vxlan parent=eth2 outer=ipv6", &["10.6.0.1/24"]),
                ("vx4.9", "kind=vlan parent=vx4", &["10.9.0.1/24"]),
                ("vnet", "kind=bridge", &["10.5.0.1/24"]),
                ("vx5", "kind=vxlan parent=eth2 outer=ipv4 master=vnet", &[]),
                ("free", "kind=vxlan", &["10.0.0.1/24"]),
                ("odd", "kind=vxlan parent=eth2", &["10.1.0.1/24"]),
                ("twice", "kind=vxlan parent=vx4 outer=ipv4", &["10.2.0.1/24"]),
                ("bond0.6", "kind=vlan parent=bond0", &[]),
                ("bond0", "kind=bond", &[]),
                ("eth2", "", &["10.7.0.1/24"]),
            ],
            &[("bond0", &["eth0", "eth1"])],
        );
        let of = |address: &str| Carrier::of(&node, address.parse().expect("an address")).expect("found");
        let vxlan = |address: &str| of(address).vxlan.map(|vxlan| vxlan.outer);
        for (address, ports, tags, outer) in [
            ("10.4.0.1", &["eth0", "eth1"][..], 1, Some(Ok(OuterIp::V4))),
            ("10.9.0.1", &["eth0", "eth1"], 2, Some(Ok(OuterIp::V4))),
            ("10.6.0.1", &["eth2"], 0, Some(Ok(OuterIp::V6))),
            ("10.5.0.1", &["eth2"], 0, Some(Ok(OuterIp::V4))),
            ("10.7.0.1", &["eth2"], 0, None),
        ] {
            assert_eq!((of(address).ports, of(address).tags, vxlan(address)), (ports.iter().map(|port| (*port).to_owned()).collect(), tags, outer));
        }
        for (address, why) in
            [("10.0.0.1", "which interface"), ("10.1.0.1", "over IPv4 or over IPv6"), ("10.2.0.1", "vx4 wraps what twice has wrapped")]
        {
            assert!(vxlan(address).expect("VXLAN").expect_err("unknown").contains(why), "{address}");
        }
        assert!(
            carried(&inventory(&[("vx", "kind=vxlan parent=gone", &["10.0.0.1/24"])], &[]), "10.0.0.1")
                .expect_err("gone")
                .contains("bound to nothing")
        );
    }

    #[test]
    fn what_leads_out_of_a_bridge_must_be_one_bond() {
        let two = inventory(
            &[("vmbr0", "kind=bridge", &["10.0.0.1/24"]), ("bond0", "kind=bond master=vmbr0", &[]), ("bond1", "kind=bond master=vmbr0", &[])],
            &[("bond0", &["a"]), ("bond1", &["b"])],
        );
        assert!(carried(&two, "10.0.0.1").expect_err("two").contains("cannot be told"));
        let tunnelled = inventory(
            &[
                ("vmbr0", "kind=bridge", &["10.0.0.1/24"]),
                ("bond0", "kind=bond master=vmbr0", &[]),
                ("vx", "kind=vxlan parent=bond0 master=vmbr0", &[]),
            ],
            &[("bond0", &["a"])],
        );
        assert!(carried(&tunnelled, "10.0.0.1").expect_err("the bond, or inside of VXLAN").contains("cannot be told"));
        // A port of its own leads out as well as VXLAN does; that of a guest does not.
        let beside = |kind: &str| {
            let ports = [
                ("vmbr0", "kind=bridge", &["10.0.0.1/24"][..]),
                ("vx", "kind=vxlan parent=eth2 outer=ipv4 master=vmbr0", &[]),
                ("other", kind, &[]),
                ("eth2", "", &[]),
            ];
            carried(&inventory(&ports, &[]), "10.0.0.1")
        };
        assert!(beside("kind=device master=vmbr0").expect_err("two ways out").contains("cannot be told"));
        assert!(beside("kind=vlan parent=eth2 master=vmbr0").is_err() && beside("kind=tun master=vmbr0").is_ok());
        let empty = inventory(&[("bond0", "kind=bond", &["10.0.0.1/24"])], &[("bond0", &[])]);
        assert!(carried(&empty, "10.0.0.1").expect_err("none").contains("no members"));
    }
}
