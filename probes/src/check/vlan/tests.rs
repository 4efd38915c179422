//! A node with the hosts' VLAN 6 on a VLAN-aware bridge, guests on 11 to 13, and the ways in which that goes wrong.

use assay_model::inventory::ProbeEnded;
use assay_model::site::declared::{Declared, ExtraAddress, Network};
use assay_model::verdict::Rank;

use super::*;
use crate::check::planted::{Node, component, generic, rank, strict, unreadable};

type Ask = fn(&Inventory, &Site) -> Vec<Check>;
const ALL: [Ask; 3] = [host_addresses, guest_ports, forwarding];

fn declaring() -> Site {
    let network = Network { host_vlan: Some(6), ..Network::default() };
    Site { declared: Declared { network, ..Declared::default() }, ..strict() }
}

fn words(words: &[&str]) -> Reading {
    Value::List(words.iter().map(|&word| word.to_owned()).collect()).into()
}

fn interface(name: &str, kind: &str, attributes: &[(Attr, Reading)]) -> Component {
    let mut all = vec![
        (Attr::InterfaceKind, kind.into()),
        (Attr::Ipv4Forwarding, false.into()),
        (Attr::Ipv6Forwarding, false.into()),
        (Attr::NeighbourProxy, false.into()),
    ];
    all.extend_from_slice(attributes);
    component(Kind::Interface, name, &all)
}

fn nic(name: &str, attributes: &[(Attr, Reading)]) -> Component {
    component(Kind::GuestNic, name, attributes)
}

/// Two virtual machines, the first behind a bridge of its own for the firewall, and a container.
fn node() -> Node {
    Node::healthy()
        .with(interface("lo", "loopback", &[(Attr::Addresses, words(&["127.0.0.1/8", "::1/128"]))]))
        .with(interface("bond0", "bond", &[(Attr::Master, "vmbr0".into()), (Attr::Vlans, words(&["1 pvid untagged", "2-4094"]))]))
        .with(interface("vmbr0", "bridge", &[(Attr::VlanFiltering, true.into()), (Attr::Vlans, words(&["1 pvid untagged", "6"]))]))
        .with(interface(
            "vmbr0.6",
            "vlan",
            &[(Attr::VlanId, 6_u64.into()), (Attr::Parent, "vmbr0".into()), (Attr::Addresses, words(&["10.6.0.11/24", "fe80::1/64"]))],
        ))
        .with(interface("fwbr100i0", "bridge", &[(Attr::VlanFiltering, false.into())]))
        .with(interface("tap100i0", "tun", &[(Attr::Master, "fwbr100i0".into()), (Attr::Vlans, words(&["1 pvid untagged"]))]))
        .with(interface("fwln100i0", "veth", &[(Attr::Master, "fwbr100i0".into()), (Attr::Parent, "fwpr100p0".into())]))
        .with(interface("fwpr100p0", "veth", &[(Attr::Master, "vmbr0".into()), (Attr::Vlans, words(&["11 pvid untagged"]))]))
        .with(interface("tap101i0", "tun", &[(Attr::Master, "vmbr0".into()), (Attr::Vlans, words(&["12 pvid untagged", "20-30"]))]))
        .with(interface("veth201i0", "veth", &[(Attr::Master, "vmbr0".into()), (Attr::Vlans, words(&["13 pvid untagged"]))]))
        .with(nic("100 net0", &[(Attr::Bridge, "vmbr0".into()), (Attr::VlanId, 11_u64.into())]))
        .with(nic("101 net0", &[(Attr::Bridge, "vmbr0".into()), (Attr::VlanId, 12_u64.into()), (Attr::Trunks, words(&["20-30"]))]))
        .with(nic("201 net0", &[(Attr::Bridge, "vmbr0".into()), (Attr::VlanId, 13_u64.into())]))
        .with(component(
            Kind::Firewall,
            "node",
            &[
                (Attr::FirewallEnabled, true.into()),
                (Attr::PolicyIn, "DROP".into()),
                (Attr::FirewallBackend, "pve-firewall".into()),
                (Attr::FirewallService, words(&["pve-firewall"])),
            ],
        ))
}

fn ranked(node: &Node, ask: Ask) -> Rank {
    rank(&ask(&node.0, &declaring()))
}

/// Asserts that one check fails and the others have nothing to say against the node.
fn assert_caught(node: &Node, by: Ask) {
    for ask in ALL {
        let checks = ask(&node.0, &declaring());
        let expected = if std::ptr::fn_addr_eq(ask, by) { Rank::Fail } else { Rank::Pass };
        assert_eq!(rank(&checks), expected, "{checks:#?}");
    }
}

#[test]
fn a_healthy_node_passes_and_one_whose_site_declares_nothing_is_not_judged() {
    for ask in ALL {
        assert_eq!(ranked(&node(), ask), Rank::Pass);
        assert_eq!((rank(&ask(&node().0, &strict())), rank(&ask(&node().0, &generic()))), (Rank::Inconclusive, Rank::NotApplicable));
    }
}

#[test]
fn an_address_outside_of_the_hosts_vlan_is_found_wherever_it_is() {
    for (name, kind, address) in [
        ("enp225s0f0np0", "device", "192.0.2.5/24"),
        ("vmbr0.11", "vlan", "10.11.0.1/24"),
        ("docker0", "bridge", "172.17.0.1/16"),
        ("eth9", "device", "2001:db8::5/64"),
    ] {
        let vlan = if kind == "vlan" { (Attr::VlanId, 11_u64.into()) } else { (Attr::Mtu, 1500_u64.into()) };
        assert_caught(&node().with(interface(name, kind, &[(Attr::Addresses, words(&[address])), vlan])), host_addresses);
    }
    assert_caught(
        &node().plant(Kind::Interface, "vmbr0", Attr::OperState, "up").plant(Kind::Interface, "lo", Attr::Addresses, words(&["10.255.0.1/32"])),
        host_addresses,
    );
    assert_caught(&node().plant(Kind::Interface, "vmbr0.6", Attr::Addresses, Reading::Absent), host_addresses);
}

#[test]
fn an_address_that_is_declared_is_right_on_its_interface_only() {
    let extra = ExtraAddress { interface: "eth9".into(), network: "10.7.0.0/24".parse().expect("a network"), why: "the second corosync link".into() };
    let mut site = declaring();
    site.declared.network.extra_addresses.push(extra);
    let with =
        |name: &str, address: &str| rank(&host_addresses(&node().with(interface(name, "device", &[(Attr::Addresses, words(&[address]))])).0, &site));
    assert_eq!((with("eth9", "10.7.0.11/24"), with("eth8", "10.7.0.11/24"), with("eth9", "10.8.0.11/24")), (Rank::Pass, Rank::Fail, Rank::Fail));
    assert_eq!(with("eth9", "169.254.3.1/24"), Rank::Pass, "link-local, as the BMC's own interface has");
}

#[test]
fn the_hosts_vlan_may_be_a_bridge_over_it_or_untagged_on_an_aware_one() {
    let bare = || node().pulled(Kind::Interface, "vmbr0.6");
    let addresses = (Attr::Addresses, words(&["10.6.0.11/24"]));
    let over = bare()
        .with(interface("bond0.6", "vlan", &[(Attr::VlanId, 6_u64.into()), (Attr::Parent, "bond0".into()), (Attr::Master, "vmbr6".into())]))
        .with(interface("vmbr6", "bridge", &[addresses.clone(), (Attr::VlanFiltering, false.into())]));
    assert_eq!(ranked(&over, host_addresses), Rank::Pass);
    let untagged =
        bare().with(interface("vmbr1", "bridge", &[addresses, (Attr::VlanFiltering, true.into()), (Attr::Vlans, words(&["6 pvid untagged"]))]));
    assert_eq!(ranked(&untagged, host_addresses), Rank::Pass);
    // The same number inside of a guests' VLAN is theirs.
    let inner =
        node().plant(Kind::Interface, "vmbr0.6", Attr::Parent, "vmbr0.11").with(interface("vmbr0.11", "vlan", &[(Attr::VlanId, 11_u64.into())]));
    assert_eq!(ranked(&inner, host_addresses), Rank::Fail);
    // A guest on the bridge over the VLAN is in it.
    let guest = over.with(interface("tap102i0", "tun", &[(Attr::Master, "vmbr6".into())]));
    assert_eq!(ranked(&guest, guest_ports), Rank::Fail);
}

#[test]
fn a_live_port_that_reaches_the_hosts_vlan_is_found() {
    for rows in [&["1 pvid untagged", "2-4094"][..], &["6 pvid untagged"], &["11 pvid untagged", "6"], &["11 pvid untagged", "5-7"]] {
        for port in ["fwpr100p0", "tap101i0", "veth201i0"] {
            assert_caught(&node().plant(Kind::Interface, port, Attr::Vlans, words(rows)), guest_ports);
        }
    }
}

#[test]
fn a_configuration_that_reaches_the_hosts_vlan_is_found_though_the_guest_does_not_run() {
    let with = |attributes: &[(Attr, Reading)]| node().with(nic("102 net0", attributes));
    assert_caught(&with(&[(Attr::Bridge, "vmbr0".into())]), guest_ports);
    assert_caught(&with(&[(Attr::Bridge, "vmbr0".into()), (Attr::VlanId, 6_u64.into())]), guest_ports);
    assert_caught(&with(&[(Attr::Bridge, "vmbr0".into()), (Attr::VlanId, 11_u64.into()), (Attr::Trunks, words(&["2", "5-15"]))]), guest_ports);
    assert_caught(&with(&[(Attr::Bridge, "vmbr0".into()), (Attr::Trunks, words(&["6"]))]), guest_ports);
    assert_caught(&with(&[(Attr::Mtu, 1500_u64.into())]), guest_ports);
    assert_eq!(ranked(&with(&[(Attr::Bridge, "vmbr0".into()), (Attr::Trunks, words(&["11", "20-30"]))]), guest_ports), Rank::Pass);
}

#[test]
fn what_leads_around_bridges_is_a_fault_or_no_pass_and_what_leads_nowhere_is_neither() {
    let raw = |option: &str, said: &str| ranked(&node().with(nic(&format!("102 {option}"), &[(Attr::RawNetwork, said.into())])), guest_ports);
    for (option, said, expected) in [
        ("args 1", "-netdev user,id=n", Rank::Fail),
        ("args 1", "-nic user", Rank::Fail),
        ("args 1", "-netdev bridge,br=vmbr0", Rank::Inconclusive),
        ("args 1", "-readconfig /root/x", Rank::Inconclusive),
        ("args 1", "-nic none", Rank::Pass),
        ("lxc.net.1", "type=none", Rank::Fail),
        ("lxc.net.1", "type=empty", Rank::Pass),
        ("lxc.net.1", "type=phys link=bond0", Rank::Fail),
        ("lxc.net.1", "type=macvlan link=vmbr0.6", Rank::Fail),
        ("lxc.net.1", "type=vlan link=bond0 vlan.id=6", Rank::Fail),
        ("lxc.net.1", "type=veth link=vmbr0", Rank::Inconclusive),
        ("lxc.net.0", "mtu=1400 ipv4.address=10.11.0.9/24", Rank::Pass),
        ("lxc.net.0", "mtu=1400 script.up=/root/x", Rank::Inconclusive),
        ("lxc.namespace.keep", "user net", Rank::Fail),
        ("lxc.namespace.clone", "ipc pid", Rank::Fail),
        ("lxc.namespace.clone", "net ipc", Rank::Pass),
        ("lxc.namespace.share.net", "1", Rank::Inconclusive),
        ("lxc.include", "/root/x", Rank::Inconclusive),
    ] {
        assert_eq!(raw(option, said), expected, "{option}: {said}");
    }
    let card = |vlan: Reading, parent: Reading| {
        let card = [(Attr::PassedThrough, "0000:61:00.4".into()), (Attr::VlanId, vlan), (Attr::Parent, parent)];
        ranked(&node().with(nic("102 hostpci0 0000:61:00.4", &card)), guest_ports)
    };
    assert_eq!((card(12_u64.into(), "bond0".into()), card(6_u64.into(), "bond0".into())), (Rank::Pass, Rank::Fail));
    assert_eq!((card(Reading::Absent, "bond0".into()), card(Reading::Absent, Reading::Absent)), (Rank::Fail, Rank::Inconclusive));
    assert_eq!((card(unreadable(), "bond0".into()), card(Reading::Absent, unreadable())), (Rank::Inconclusive, Rank::Inconclusive));
    let macvtap = |parent: Reading| ranked(&node().with(interface("macvtap0", "macvtap", &[(Attr::Parent, parent)])), guest_ports);
    assert_eq!((macvtap("vmbr0.6".into()), macvtap("bond0".into()), macvtap("eth7".into())), (Rank::Fail, Rank::Fail, Rank::Inconclusive));
}

#[test]
fn a_live_port_unlike_its_configuration_is_no_pass() {
    for (port, attr, reading) in [
        ("tap101i0", Attr::Vlans, words(&["14 pvid untagged", "20-30"])),
        ("tap101i0", Attr::Vlans, words(&["12 pvid untagged"])),
        ("tap101i0", Attr::Vlans, words(&["12", "20-30", "20 pvid untagged"])),
        ("fwpr100p0", Attr::Vlans, words(&["12 pvid untagged"])),
        ("veth201i0", Attr::Master, "fwbr100i0".into()),
    ] {
        assert_eq!(ranked(&node().plant(Kind::Interface, port, attr, reading.clone()), guest_ports), Rank::Inconclusive, "{port} {reading}");
    }
    assert_eq!(ranked(&node().pulled(Kind::GuestNic, "201 net0"), guest_ports), Rank::Inconclusive);
}

#[test]
fn a_bridge_that_does_not_look_at_vlans_leads_wherever_its_ports_lead() {
    let flat = |ports: &[Component]| {
        let bridge = node()
            .with(interface("vmbr1", "bridge", &[(Attr::VlanFiltering, false.into())]))
            .with(nic("102 net0", &[(Attr::Bridge, "vmbr1".into())]));
        ports.iter().fold(bridge, |node, port| node.with(port.clone()))
    };
    let port = |name: &str, kind: &str, vlan: Option<u64>| {
        interface(name, kind, &[(Attr::Master, "vmbr1".into()), (Attr::VlanId, vlan.map_or(Reading::Absent, Reading::from))])
    };
    let host_vlan_on = |parent: &str| interface("mgmt", "vlan", &[(Attr::VlanId, 6_u64.into()), (Attr::Parent, parent.into())]);
    assert_eq!(ranked(&flat(&[]), guest_ports), Rank::Pass, "a bridge without a way out");
    assert_eq!(ranked(&flat(&[port("vmbr0.11", "vlan", Some(11))]), guest_ports), Rank::Pass);
    assert_eq!(ranked(&flat(&[port("enp225s0f0np0", "device", None)]), guest_ports), Rank::Pass, "the hosts' VLAN does not run there");
    assert_eq!(ranked(&flat(&[port("bond1.6", "vlan", Some(6))]), guest_ports), Rank::Fail);
    assert_eq!(ranked(&flat(&[port("bond1", "bond", None), host_vlan_on("bond1")]), guest_ports), Rank::Fail);
    assert_eq!(ranked(&flat(&[port("bond1", "bond", None), host_vlan_on("vmbr1")]), guest_ports), Rank::Fail);
}

#[test]
fn guests_of_which_something_cannot_be_told_are_no_pass_and_hide_no_fault() {
    for (kind, name, attr, reading) in [
        (Kind::Interface, "tap101i0", Attr::Vlans, unreadable()),
        (Kind::Interface, "tap101i0", Attr::Vlans, Reading::Absent),
        (Kind::Interface, "tap101i0", Attr::Vlans, words(&["many"])),
        (Kind::Interface, "tap101i0", Attr::Master, unreadable()),
        (Kind::Interface, "tap101i0", Attr::Master, "ovs-system".into()),
        (Kind::Interface, "vmbr0", Attr::VlanFiltering, unreadable()),
        (Kind::GuestNic, "101 net0", Attr::VlanId, unreadable()),
        (Kind::GuestNic, "101 net0", Attr::VlanId, 4095_u64.into()),
        (Kind::GuestNic, "101 net0", Attr::Trunks, words(&["30-20"])),
        (Kind::GuestNic, "101 net0", Attr::Bridge, unreadable()),
    ] {
        let planted = node().plant(kind, name, attr, reading.clone());
        assert_eq!(ranked(&planted, guest_ports), Rank::Inconclusive, "{name} {attr} {reading}");
        assert_eq!(ranked(&planted.with(nic("102 net0", &[(Attr::Bridge, "vmbr0".into()), (Attr::VlanId, 6_u64.into())])), guest_ports), Rank::Fail);
    }
    assert_eq!(ranked(&node().with(nic("102 net0", &[(Attr::Bridge, "vmbr7".into())])), guest_ports), Rank::Inconclusive, "no such bridge");
    assert_eq!(ranked(&node().ended(Kind::GuestNic, ProbeEnded::Failed("EACCES".into())), guest_ports), Rank::Inconclusive);
    assert_eq!(ranked(&node().ended(Kind::Interface, ProbeEnded::Hung("call netlink:links".into())), guest_ports), Rank::Inconclusive);
}

#[test]
fn a_node_without_guests_has_nothing_to_keep_out() {
    let mut bare = node().without(Kind::GuestNic);
    bare.0.components.retain(|component| {
        component.kind != Kind::Interface
            || !matches!(component.value(Attr::InterfaceKind), Some(Value::Text(kind)) if kind == "tun" || kind == "veth")
    });
    assert_eq!(ranked(&bare, guest_ports), Rank::NotApplicable);
}

#[test]
fn routing_is_found_on_any_interface_and_for_either_protocol() {
    for attr in [Attr::Ipv4Forwarding, Attr::Ipv6Forwarding, Attr::NeighbourProxy] {
        for name in ["vmbr0.6", "vmbr0", "bond0"] {
            assert_caught(&node().plant(Kind::Interface, name, attr, true), forwarding);
        }
        assert_eq!(ranked(&node().plant(Kind::Interface, "lo", attr, true), forwarding), Rank::Pass);
        assert_eq!(ranked(&node().plant(Kind::Interface, "vmbr0", attr, unreadable()), forwarding), Rank::Inconclusive);
    }
    for attr in [Attr::Ipv4Forwarding, Attr::NeighbourProxy] {
        assert_eq!(ranked(&node().plant(Kind::Interface, "vmbr0", attr, Reading::Absent), forwarding), Rank::Inconclusive);
    }
    assert_eq!(
        ranked(&node().plant(Kind::Interface, "bond0", Attr::Ipv6Forwarding, Reading::Absent), forwarding),
        Rank::Pass,
        "a port of a bridge has no IPv6"
    );
}

#[test]
fn a_firewall_that_is_off_open_or_not_at_work_is_found() {
    for (attr, reading) in [
        (Attr::FirewallEnabled, false.into()),
        (Attr::FirewallEnabled, Reading::Absent),
        (Attr::FirewallHost, false.into()),
        (Attr::PolicyIn, "ACCEPT".into()),
        (Attr::PolicyIn, "REJECT".into()),
        (Attr::FirewallService, Reading::Absent),
        (Attr::FirewallService, words(&["proxmox-firewall"])),
        (Attr::OpenRules, words(&["IN ACCEPT"])),
    ] {
        assert_caught(&node().plant(Kind::Firewall, "node", attr, reading), forwarding);
    }
    for attr in [Attr::FirewallEnabled, Attr::FirewallHost, Attr::PolicyIn, Attr::FirewallBackend, Attr::FirewallService, Attr::OpenRules] {
        assert_eq!(ranked(&node().plant(Kind::Firewall, "node", attr, unreadable()), forwarding), Rank::Inconclusive, "{attr}");
    }
    assert_eq!(ranked(&node().plant(Kind::Firewall, "node", Attr::PolicyIn, Reading::Absent), forwarding), Rank::Pass, "the default");
    assert_eq!(ranked(&node().ended(Kind::Firewall, ProbeEnded::SourceMissing("/etc/pve".into())), forwarding), Rank::Inconclusive);
}

#[test]
fn ranges_of_vlans_are_understood_or_refused() {
    assert_eq!((has("6", 6), has("2-4094", 6), has("7", 6), has("7-9", 6)), (Some(true), Some(true), Some(false), Some(false)));
    for hostile in ["", "-", "6-", "0", "4095", "9-7", "six", "1-2-3", "99999999999999999999"] {
        assert_eq!(has(hostile, 6), None, "{hostile}");
    }
}
