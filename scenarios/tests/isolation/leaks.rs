//! The leaks that are planted, as data: what is changed in the clean layout, from which VLANs it must be found, and by which words of which check.

use crate::switch::{Port, Seen};

pub(crate) const ISOLATION: &str = "vlan.isolation";
pub(crate) const FLOODING: &str = "vlan.no_flooding";

/// One thing that is wrong.
#[derive(Clone, Copy)]
pub(crate) enum Change {
    /// A port of the switch is set up otherwise.
    Port(&'static str, fn(&mut Port)),
    /// Frames of one VLAN come up in another one as well, those that pass.
    Link(u16, u16, fn(&Seen) -> bool),
    /// `ip` in a namespace, and what takes it back.
    Ip(&'static str, &'static [&'static str], &'static [&'static str]),
    /// A sysctl in a namespace, and its value before.
    Sysctl(&'static str, &'static str, &'static str, &'static str),
    /// A frame that a port sends out every 40 ms.
    Emit(&'static str, &'static [u8]),
    /// Somebody takes connections.
    Listen(&'static str, &'static str),
    /// The hosts know the hardware address of the prober of VLAN 10 under its spoofed addresses.
    Known,
    /// The links of the switch are there only from this moment to that one, milliseconds after the probers began.
    Between(u64, u64),
}

pub(crate) struct Leak {
    pub(crate) name: &'static str,
    /// From where it must be found.
    pub(crate) vlans: &'static [u16],
    pub(crate) changes: &'static [Change],
    pub(crate) check: &'static str,
    /// Words of the verdict.
    pub(crate) says: &'static [&'static str],
    pub(crate) listen_ms: u64,
}

const fn leak(name: &'static str, check: &'static str, says: &'static [&'static str], changes: &'static [Change]) -> Leak {
    Leak { name, vlans: &[10], changes, check, says, listen_ms: 400 }
}

use Change::{Between, Emit, Ip, Known, Link, Listen, Port as Set, Sysctl};

const UNTAGGED: &str = "untagged";
const TAGGED: &str = " tagged with the hosts' VLAN";
const GOT_IN: &str = "got into the hosts' VLAN";

fn all(_: &Seen) -> bool {
    true
}
fn is_arp(it: &Seen) -> bool {
    it.protocol == 0x0806
}
fn is_arp_reply(it: &Seen) -> bool {
    is_arp(it) && it.arp_operation == 2
}
fn is_arp_request(it: &Seen) -> bool {
    is_arp(it) && it.arp_operation == 1
}
fn is_ipv6(it: &Seen) -> bool {
    it.protocol == 0x86dd
}
fn is_link_local(it: &Seen) -> bool {
    is_ipv6(it) && it.is_from_link_local
}
fn is_discovery(it: &Seen) -> bool {
    matches!(it.icmpv6, Some(135 | 136))
}
fn is_icmp(it: &Seen) -> bool {
    it.icmpv4.is_some()
}
fn is_icmpv6_echo(it: &Seen) -> bool {
    matches!(it.icmpv6, Some(128 | 129))
}
fn is_port<const TCP: bool, const PORT: u16>(it: &Seen) -> bool {
    let ports = if TCP { it.tcp } else { it.udp };
    ports.is_some_and(|(from, to)| from == PORT || to == PORT)
}
fn is_5405_or_error(it: &Seen) -> bool {
    is_port::<false, 5405>(it) || it.icmpv4 == Some(3) || it.icmpv6 == Some(1)
}
fn is_broadcast(it: &Seen) -> bool {
    it.to == [0xff; 6]
}
fn is_multicast_v4(it: &Seen) -> bool {
    it.to[..3] == [0x01, 0x00, 0x5e]
}
fn is_multicast_v6(it: &Seen) -> bool {
    it.to[..2] == [0x33, 0x33]
}
fn is_unknown_unicast(it: &Seen) -> bool {
    it.is_unknown && it.to[0] & 1 == 0
}
fn is_to_a_station(it: &Seen) -> bool {
    it.to[0] & 1 == 0
}

/// A router that announces fd00:6::/64: source fe80::bad, to all nodes.
#[rustfmt::skip]
const ROUTER: &[u8] = &[
    0x33, 0x33, 0, 0, 0, 1, 0x02, 0xba, 0xd0, 0, 0, 1, 0x86, 0xdd,
    0x60, 0, 0, 0, 0, 48, 58, 255,
    0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x0b, 0xad, 0xff, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1,
    134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0,
    3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0, 0xfd, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
];
#[rustfmt::skip]
const LLDP: &[u8] = &[
    0x01, 0x80, 0xc2, 0, 0, 0x0e, 0x02, 0xba, 0xd0, 0, 0, 2, 0x88, 0xcc, 2, 7, 4, 2, 0xba, 0xd0, 0, 0, 2, 4, 2, 7, 0x31, 6, 2, 0, 120, 0, 0,
];
#[rustfmt::skip]
const SPANNING_TREE: &[u8] = &[
    0x01, 0x80, 0xc2, 0, 0, 0, 0x02, 0xba, 0xd0, 0, 0, 3, 0, 38, 0x42, 0x42, 3, 0, 0, 2, 2, 0x7c, 0x80, 0, 2, 0xba, 0xd0, 0, 0, 3, 0, 0, 0, 0, 0x80, 0,
    2, 0xba, 0xd0, 0, 0, 3, 0x80, 1, 0, 0, 20, 0, 2, 0, 15, 0, 0, 0,
];
const LACP: &[u8] = &[0x01, 0x80, 0xc2, 0, 0, 2, 0x02, 0xba, 0xd0, 0, 0, 4, 0x88, 0x09, 1, 1, 1, 20, 0, 0, 0, 0];
/// ARP of host-b, tagged with VLAN 6.
#[rustfmt::skip]
const TAGGED_ARP: &[u8] = &[
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 6, 12, 0x81, 0, 0, 6, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 6, 12, 10, 6, 0, 12, 0, 0, 0, 0, 0, 0, 10, 6, 0, 1,
];

/// Every way that is known, the names for people.
pub(crate) const LEAKS: &[Leak] = &[
    // Tags.
    leak("a trunk goes to a guest", ISOLATION, &[TAGGED, "echo reply"], &[Set("p10", |port| port.tagged.push(6))]),
    leak(
        "a trunk goes to a guest, which hears it",
        FLOODING,
        &["a frame tagged with the hosts' VLAN", "broadcast"],
        &[Set("p10", |port| port.tagged.push(6))],
    ),
    leak(
        "service tags are taken for tags",
        ISOLATION,
        &["802.1ad-tagged"],
        &[Set("p10", |port| {
            port.takes_service_tags = true;
            port.only_service_tags = true;
            port.ingress.push(6);
            port.untagged.push(6);
        })],
    ),
    leak(
        "tagged frames are taken in, and answers go out untagged",
        ISOLATION,
        &[TAGGED],
        &[Set("p10", |port| {
            port.ingress.push(6);
            port.untagged.push(6);
        })],
    ),
    leak("tagged frames are taken in, and nothing goes out", ISOLATION, &[GOT_IN], &[Set("p10", |port| port.ingress.push(6))]),
    leak(
        "the second tag counts where the first is the own VLAN",
        ISOLATION,
        &["hosts' VLAN in the own one"],
        &[Set("p10", |port| port.hops_from.push(10)), Link(6, 10, is_to_a_station), Link(6, 10, is_arp)],
    ),
    leak(
        "the second tag counts, and nothing comes back",
        ISOLATION,
        &[GOT_IN, "hosts' VLAN in the own one"],
        &[Set("p10", |port| port.hops_from.push(10))],
    ),
    leak(
        "the second tag counts where the first is a service tag",
        ISOLATION,
        &["802.1ad tag of the own one"],
        &[
            Set("p10", |port| {
                port.takes_service_tags = true;
                port.only_service_tags = true;
                port.hops_from.push(10);
            }),
            Link(6, 10, all),
        ],
    ),
    leak(
        "the second tag counts where the first is the default VLAN",
        ISOLATION,
        &["hosts' VLAN in VLAN 1"],
        &[Set("p10", |port| port.hops_from.push(1)), Link(6, 10, all)],
    ),
    leak(
        "the second tag counts where the first is a priority",
        ISOLATION,
        &["hosts' VLAN in a priority tag"],
        &[Set("p10", |port| port.hops_from.push(0)), Link(6, 10, all)],
    ),
    leak(
        "priority-tagged frames go to the hosts' VLAN",
        ISOLATION,
        &["priority-tagged"],
        &[Set("p10", |port| port.priority = Some(6)), Link(6, 10, all)],
    ),
    leak(
        "priority-tagged frames go to the hosts' VLAN, one way",
        ISOLATION,
        &[GOT_IN, "priority-tagged"],
        &[Set("p10", |port| port.priority = Some(6))],
    ),
    leak("tagged frames are sent back to where they came from", FLOODING, &["came back"], &[Set("p10", |port| port.reflects = true)]),
    // VLANs that are not apart.
    leak("the native VLANs of a trunk differ", ISOLATION, &[UNTAGGED, "ARP reply"], &[Link(10, 6, all), Link(6, 10, all)]),
    leak(
        "a guest's port is in the hosts' VLAN",
        ISOLATION,
        &[UNTAGGED, "ARP reply"],
        &[Set("p10", |port| {
            port.pvid = 6;
            port.untagged = vec![6];
        })],
    ),
    leak("a guest's port is in both VLANs, untagged", FLOODING, &["broadcast of the hosts' VLAN"], &[Set("p10", |port| port.untagged.push(6))]),
    leak("frames of the guest's VLAN get in, and nothing comes back", ISOLATION, &[GOT_IN], &[Link(10, 6, all)]),
    leak("answers come out on another VLAN", ISOLATION, &["came out on VLAN 20"], &[Link(10, 6, all), Link(6, 20, all), Known]),
    Leak { vlans: &[30], ..leak("one VLAN of five is not apart", ISOLATION, &[UNTAGGED], &[Link(30, 6, all), Link(6, 30, all)]) },
    Leak {
        vlans: &[10, 20, 30, 40, 50],
        ..leak(
            "no VLAN is apart",
            ISOLATION,
            &[UNTAGGED],
            &[
                Link(10, 6, all),
                Link(6, 10, all),
                Link(20, 6, all),
                Link(6, 20, all),
                Link(30, 6, all),
                Link(6, 30, all),
                Link(40, 6, all),
                Link(6, 40, all),
                Link(50, 6, all),
                Link(6, 50, all),
            ],
        )
    },
    // Only something gets through.
    leak("ARP only", ISOLATION, &["neighbour untagged", "ARP reply"], &[Link(10, 6, is_arp), Link(6, 10, is_arp)]),
    leak("ARP replies only come back", ISOLATION, &["ARP reply"], &[Link(10, 6, is_arp_request), Link(6, 10, is_arp_reply)]),
    leak("neighbour discovery only", ISOLATION, &["neighbour advertisement"], &[Link(10, 6, is_discovery), Link(6, 10, is_discovery)]),
    leak("IPv6 only", ISOLATION, &["fd00:6::1", "echo reply"], &[Link(10, 6, is_ipv6), Link(6, 10, is_ipv6)]),
    leak("IPv6 between link-local addresses only", ISOLATION, &["fe80::1"], &[Link(10, 6, is_link_local), Link(6, 10, is_link_local)]),
    leak("ICMP only", ISOLATION, &["icmp untagged", "echo reply"], &[Link(10, 6, is_icmp), Link(6, 10, is_icmp), Known]),
    leak("ICMPv6 echoes only", ISOLATION, &["icmp untagged", "echo reply"], &[Link(10, 6, is_icmpv6_echo), Link(6, 10, is_icmpv6_echo), Known]),
    leak("port 22 only", ISOLATION, &["22/tcp untagged", "SYN-ACK"], &[Link(10, 6, is_port::<true, 22>), Link(6, 10, is_port::<true, 22>), Known]),
    leak(
        "port 8006 only",
        ISOLATION,
        &["8006/tcp untagged", "SYN-ACK"],
        &[Link(10, 6, is_port::<true, 8006>), Link(6, 10, is_port::<true, 8006>), Known],
    ),
    leak(
        "port 3300 only",
        ISOLATION,
        &["3300/tcp untagged", "SYN-ACK"],
        &[Link(10, 6, is_port::<true, 3300>), Link(6, 10, is_port::<true, 3300>), Known],
    ),
    leak(
        "port 6789 only",
        ISOLATION,
        &["6789/tcp untagged", "SYN-ACK"],
        &[Link(10, 6, is_port::<true, 6789>), Link(6, 10, is_port::<true, 6789>), Known],
    ),
    leak(
        "a port that nobody listens on",
        ISOLATION,
        &["9283/tcp untagged", "RST"],
        &[Link(10, 6, is_port::<true, 9283>), Link(6, 10, is_port::<true, 9283>), Known],
    ),
    leak(
        "UDP port 5405, and errors",
        ISOLATION,
        &["5405/udp untagged", "ICMP error"],
        &[Link(10, 6, is_5405_or_error), Link(6, 10, is_5405_or_error), Known],
    ),
    leak("UDP port 5405, one way", ISOLATION, &[GOT_IN, "5405/udp"], &[Link(10, 6, is_port::<false, 5405>)]),
    leak(
        "frames to the host's station only, no broadcast",
        ISOLATION,
        &["to the host's station", "SYN-ACK"],
        &[Link(10, 6, is_to_a_station), Link(6, 10, is_to_a_station), Known],
    ),
    // Routers.
    leak("the gateway routes IPv4", ISOLATION, &["by way of the gateway", "10.6.0.1"], &[Sysctl("gw", "net/ipv4/conf/g10/forwarding", "1", "0")]),
    leak(
        "the gateway routes IPv6",
        ISOLATION,
        &["by way of the gateway", "fd00:6::1"],
        &[
            // One switch for all interfaces.
            Ip("gw", &["-6 rule add pref 60 iif g40 to fd00:6::/64 blackhole"], &["-6 rule del pref 60"]),
            Sysctl("gw", "net/ipv6/conf/all/forwarding", "1", "0"),
        ],
    ),
    leak(
        "the gateway routes one port",
        ISOLATION,
        &["22/tcp untagged, from an own address, by way of the gateway"],
        &[
            Ip("gw", &["rule add pref 50 iif g10 ipproto tcp dport 22 lookup main"], &["rule del pref 50"]),
            Sysctl("gw", "net/ipv4/conf/g10/forwarding", "1", "0"),
            Ip("gw", &["rule add pref 60 iif g10 to 10.6.0.0/24 blackhole"], &["rule del pref 60"]),
        ],
    ),
    leak(
        "the gateway routes what pretends to come from the hosts",
        ISOLATION,
        &[GOT_IN, "from an address of the hosts' network, by way of the gateway"],
        &[
            Ip(
                "gw",
                &["rule add pref 50 iif g10 from 10.6.0.0/24 lookup main", "rule add pref 60 iif g10 to 10.6.0.0/24 blackhole"],
                &["rule del pref 50", "rule del pref 60"],
            ),
            Sysctl("gw", "net/ipv4/conf/g10/forwarding", "1", "0"),
        ],
    ),
    leak(
        "another guest routes",
        ISOLATION,
        &["by way of another guest"],
        &[
            Set("n6", |port| {
                port.pvid = 6;
                port.untagged = vec![6];
            }),
            Ip("n10", &["addr add 10.6.0.77/24 dev n6", "link set n6 up"], &["addr del 10.6.0.77/24 dev n6", "link set n6 down"]),
            Sysctl("n10", "net/ipv4/conf/n10/forwarding", "1", "0"),
            Ip("host-a", &["route add 10.10.0.0/24 via 10.6.0.77"], &["route del 10.10.0.0/24"]),
        ],
    ),
    leak(
        "the gateway answers ARP for the hosts",
        ISOLATION,
        &["neighbour untagged", "ARP reply"],
        &[
            Sysctl("gw", "net/ipv4/conf/g10/proxy_arp", "1", "0"),
            Sysctl("gw", "net/ipv4/conf/g10/forwarding", "1", "0"),
            Sysctl("gw", "net/ipv4/neigh/g10/proxy_delay", "0", "80"),
        ],
    ),
    leak(
        "the gateway answers neighbour discovery for a host",
        ISOLATION,
        &["neighbour untagged", "neighbour advertisement"],
        &[
            Sysctl("gw", "net/ipv6/conf/all/forwarding", "1", "0"),
            Ip("gw", &["-6 rule add pref 60 iif g40 to fd00:6::/64 blackhole"], &["-6 rule del pref 60"]),
            Sysctl("gw", "net/ipv6/conf/g10/proxy_ndp", "1", "0"),
            Sysctl("gw", "net/ipv6/neigh/g10/proxy_delay", "0", "80"),
            Ip("gw", &["-6 neigh add proxy fd00:6::11 dev g10"], &["-6 neigh del proxy fd00:6::11 dev g10"]),
        ],
    ),
    // Hosts with a leg in the guests' VLAN.
    leak(
        "a host answers ARP for its address on another interface",
        ISOLATION,
        &["10.6.0.11 of host-a answered to neighbour untagged"],
        &[
            Set("a10", |port| {
                port.pvid = 10;
                port.untagged = vec![10];
            }),
            Ip("host-a", &["link set a10 up"], &["link set a10 down"]),
        ],
    ),
    leak(
        "a host has an address in the guests' network, and answers for its other one",
        ISOLATION,
        &["10.6.0.11 of host-a", "untagged, from an own address"],
        &[
            Set("a10", |port| {
                port.pvid = 10;
                port.untagged = vec![10];
            }),
            Ip("host-a", &["addr add 10.10.0.11/24 dev a10", "link set a10 up"], &["addr del 10.10.0.11/24 dev a10", "link set a10 down"]),
            Sysctl("host-a", "net/ipv4/conf/a10/arp_ignore", "1", "0"),
        ],
    ),
    leak(
        "the web interface of a host is on the guests' VLAN",
        ISOLATION,
        &["10.10.0.11", "offers 8006/tcp"],
        &[
            Set("a10", |port| {
                port.pvid = 10;
                port.untagged = vec![10];
            }),
            Ip("host-a", &["addr add 10.10.0.11/24 dev a10", "link set a10 up"], &["addr del 10.10.0.11/24 dev a10", "link set a10 down"]),
            Sysctl("host-a", "net/ipv4/conf/a10/arp_ignore", "1", "0"),
        ],
    ),
    leak("a hypervisor's web interface on another guest", ISOLATION, &["10.10.0.77", "offers 8006/tcp"], &[Listen("n10", "0.0.0.0:8006")]),
    leak(
        "the management controller is on the guests' VLAN",
        ISOLATION,
        &["10.99.0.11 of bmc-a answered to neighbour untagged"],
        &[
            Set("bmc", |port| {
                port.pvid = 10;
                port.untagged = vec![10, 99];
            }),
            Link(10, 99, is_arp),
        ],
    ),
    leak(
        "the gateway leads to the management controllers",
        ISOLATION,
        &["10.99.0.11 of bmc-a", "443/tcp", "by way of the gateway"],
        &[
            Sysctl("gw", "net/ipv4/conf/g10/forwarding", "1", "0"),
            Ip("gw", &["rule add pref 60 iif g10 to 10.6.0.0/24 blackhole"], &["rule del pref 60"]),
        ],
    ),
    // What is heard.
    leak("broadcasts of the hosts are flooded", FLOODING, &["broadcast of the hosts' VLAN"], &[Link(6, 10, is_broadcast)]),
    leak("IPv4 multicasts of the hosts are flooded", FLOODING, &["IPv4 multicast of the hosts' VLAN"], &[Link(6, 10, is_multicast_v4)]),
    leak("IPv6 multicasts of the hosts are flooded", FLOODING, &["IPv6 multicast of the hosts' VLAN"], &[Link(6, 10, is_multicast_v6)]),
    leak(
        "frames of the hosts to unknown stations are flooded",
        FLOODING,
        &["unknown unicast of the hosts' VLAN"],
        &[Link(6, 10, is_unknown_unicast)],
    ),
    leak("a host's ARP comes tagged", FLOODING, &["a frame tagged with the hosts' VLAN", "10.6.0.12"], &[Emit("p10", TAGGED_ARP)]),
    leak("a router announces the hosts' network", FLOODING, &["announces fd00:6::/64"], &[Emit("p10", ROUTER)]),
    leak("the switch tells its neighbours", FLOODING, &["LLDP"], &[Emit("p10", LLDP)]),
    leak("the spanning tree comes to a guest", FLOODING, &["spanning tree"], &[Emit("p10", SPANNING_TREE)]),
    leak("LACP comes to a guest", FLOODING, &["LACP"], &[Emit("p10", LACP)]),
    // Time.
    Leak {
        listen_ms: 1_600,
        ..leak("it leaks after a while", ISOLATION, &[UNTAGGED, "ARP reply"], &[Link(10, 6, all), Link(6, 10, all), Between(900, 10_000)])
    },
    Leak {
        listen_ms: 1_600,
        ..leak("it floods for a moment", FLOODING, &["broadcast of the hosts' VLAN"], &[Link(6, 10, is_broadcast), Between(700, 900)])
    },
];

/// Another guest looks for a host.
#[rustfmt::skip]
const LOOKS_FOR_A_HOST: &[u8] = &[
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02, 0, 0, 0, 0x10, 0x4d, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0x10, 0x4d, 10, 10, 0, 77, 0, 0, 0, 0, 0, 0, 10, 6, 0, 11,
];
/// Another guest tells that it is there, to a group, with a priority tag.
#[rustfmt::skip]
const NOISE: &[u8] = &[0x33, 0x33, 0, 0, 0, 0xfb, 0x02, 0, 0, 0, 0x10, 0x4d, 0x81, 0, 0xe0, 0, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 4, 59, 255, 0xfe, 0x80];

/// What may be: guests that are noisy and offer what they like, and a gateway that lets one flow through and keeps spoofers out; VLAN 50 has no IPv6.
pub(crate) const CLEAN: &[Change] = &[
    Emit("p10", LOOKS_FOR_A_HOST),
    Emit("p10", NOISE),
    Listen("n10", "0.0.0.0:22"),
    Ip(
        "gw",
        &["rule add pref 50 iif g10 from 10.10.0.0/24 to 10.6.0.0/24 ipproto tcp dport 9100 lookup main", "rule add pref 60 iif g10 blackhole"],
        &["rule del pref 50", "rule del pref 60"],
    ),
    Ip("gw", &["rule add pref 40 iif g10 to 10.10.0.0/24 lookup local"], &["rule del pref 40"]),
    Sysctl("gw", "net/ipv4/conf/g10/forwarding", "1", "0"),
    Ip("gw", &["-6 addr del fd00:50::1/64 dev g50"], &["-6 addr add fd00:50::1/64 dev g50"]),
];
