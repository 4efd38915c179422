use assay_bench::net::tcp::{Extent, Sending, TcpSampled};
use assay_model::inventory::{ProbeEnded, ProbeOutcome};

use super::*;

const ADDRESS: &str = "10.0.6.1";

type Plant = fn(&mut Component);

/// A node whose VLAN 6 lies on a bond of two ports of one card.
fn node(plant: impl Fn(&mut Component)) -> Inventory {
    let list = |words: &[&str]| Value::List(words.iter().map(|word| (*word).to_owned()).collect());
    let port = |name: &str, function: &str| {
        let folder = format!("/sys/bus/pci/devices/{function}");
        Component::new(Kind::Nic, name)
            .with(Attr::Speed, "sysfs", 200_000_000_000_u64)
            .with(Attr::LinkSpeed, format!("{folder}/current_link_speed"), 16.0)
            .with(Attr::LinkWidth, format!("{folder}/current_link_width"), 16_u64)
    };
    let function = |address: &str| Component::new(Kind::Pci, address).with(Attr::PayloadSize, "config", 512_u64);
    let mut components = vec![
        Component::new(Kind::Interface, "bond0.6").with(Attr::InterfaceKind, "rtnetlink", "vlan").with(Attr::Parent, "rtnetlink", "bond0").with(
            Attr::Addresses,
            "rtnetlink",
            list(&["10.0.6.1/24"]),
        ),
        Component::new(Kind::Interface, "bond0").with(Attr::InterfaceKind, "rtnetlink", "bond"),
        Component::new(Kind::Bond, "bond0").with(Attr::XmitHashPolicy, "sysfs", "layer3+4").with(Attr::Members, "sysfs", list(&["eth0", "eth1"])),
        port("eth0", "0000:41:00.0"),
        port("eth1", "0000:41:00.1"),
        function("0000:41:00.0"),
        function("0000:41:00.1"),
    ];
    components.iter_mut().for_each(plant);
    let kinds = vec![Kind::Interface, Kind::Bond, Kind::Nic];
    let looked = ProbeOutcome { probe: "net".into(), kinds, ended: ProbeEnded::Completed, elapsed_ns: 0 };
    Inventory { host: "n1".into(), boot_id: "b".into(), taken_at: "2026-11-29T00:00:00Z".into(), components, probes: vec![looked] }
}

fn seen(mss: u32) -> TcpDirection {
    TcpDirection {
        goodput: 1.0,
        by_stream: Vec::new(),
        series: Vec::new(),
        retransmits: 0,
        verified_bytes: 0,
        sending: Sending::Plain,
        zero_copy: None,
        mss,
        path_mtu: 9000,
        congestion: ["cubic".to_owned()].into(),
        sampled: TcpSampled {
            rtt_ns: Extent { least: 1.0, median: 1.0, largest: 1.0 },
            cwnd: 1.0,
            delivery_rate: 1.0,
            window_limited: None,
            buffer_limited: None,
        },
    }
}

fn of(inventory: &Inventory, lines: Lines<'_>) -> Ceiling {
    ceiling::of_tcp_path(&path(inventory, ADDRESS.parse().expect("an address"), lines, &seen(8948)).expect("a path").0)
}

fn gbits_of(inventory: &Inventory, lines: Lines<'_>) -> Option<f64> {
    of(inventory, lines).value.map(|bits| (bits / 1e8).round() / 10.0)
}

#[test]
fn one_line_bounds_one_stream_and_the_slot_bounds_both_lines() {
    let healthy = node(|_| {});
    assert_eq!(gbits_of(&healthy, Lines::Only("eth1")), Some(197.9));
    assert_eq!(gbits_of(&healthy, Lines::Streams(1)), Some(197.9));
    // 400 Gbit/s of lines on a slot of 252 before packets.
    assert_eq!(gbits_of(&healthy, Lines::Streams(16)), Some(239.0));
    let two_cards = node(|one| {
        if one.locator == "eth1" {
            *one = one.clone().with(Attr::LinkSpeed, "/sys/bus/pci/devices/0000:81:00.0/current_link_speed", 16.0);
        } else if one.locator == "0000:41:00.1" {
            one.locator = "0000:81:00.0".to_owned();
        }
    });
    assert_eq!(gbits_of(&two_cards, Lines::Streams(16)), Some(395.8));
}

#[test]
fn headers_are_those_that_the_connection_had() {
    let (healthy, address) = (node(|_| {}), ADDRESS.parse().expect("an address"));
    let framing = |mss| path(&healthy, address, Lines::Streams(1), &seen(mss)).expect("a path").0.framing;
    assert_eq!(framing(8948), TcpFraming::TAGGED);
    assert_eq!(framing(8960), TcpFraming { timestamps: false, ..TcpFraming::TAGGED });
}

/// The node with its address inside of VXLAN on that VLAN.
fn wrapped(outer: impl Into<Reading>) -> Inventory {
    let mut wrapped = node(|one| {
        if one.locator == "bond0.6" {
            *one = one.clone().with(Attr::Addresses, "rtnetlink", Reading::Absent);
        }
    });
    let address = Value::List(vec!["10.0.6.1/24".to_owned()]);
    let tunnel = Component::new(Kind::Interface, "vx5").with(Attr::InterfaceKind, "rtnetlink", "vxlan").with(Attr::Parent, "rtnetlink", "bond0.6");
    wrapped.components.push(tunnel.with(Attr::Addresses, "rtnetlink", address).with(Attr::OuterIp, "rtnetlink", outer));
    wrapped
}

#[test]
fn what_the_node_itself_wraps_in_vxlan_has_less_room_on_the_line() {
    // 200 x 8948 / (9000 + 42), and with 50 or 70 bytes more around each packet.
    assert_eq!(gbits_of(&node(|_| {}), Lines::Streams(1)), Some(197.9));
    assert_eq!(gbits_of(&wrapped("ipv4"), Lines::Streams(1)), Some(196.8));
    assert_eq!(gbits_of(&wrapped("ipv6"), Lines::Streams(1)), Some(196.4));
    // The slot, 239.0 without it, carries the 50 bytes too: 240.75 x 8948 / (9000 + 64).
    assert_eq!(gbits_of(&wrapped("ipv4"), Lines::Streams(16)), Some(237.7));
    let (_, text) = least(&[("a", Ok(of(&wrapped("ipv4"), Lines::Streams(1))))]);
    assert!(text.contains("VXLAN around each packet, bytes: 50") && text.contains("(MTU + 92 B)") && text.contains("(MTU + 64 B)"), "{text}");
    let (_, text) = least(&[("a", Ok(of(&node(|_| {}), Lines::Streams(1))))]);
    assert!(text.contains("VXLAN around each packet, bytes: 0"), "{text}");
    let unknown = path(&wrapped(Reading::Absent), ADDRESS.parse().expect("an address"), Lines::Streams(1), &seen(8948)).map(|_| ());
    assert!(unknown.expect_err("unknown").contains("vx5 is VXLAN, and whether over IPv4 or over IPv6 is not told"));
}

#[test]
fn error_correction_stands_with_the_inputs_where_it_is_known_and_costs_nothing() {
    let of = |active: [&str; 2]| {
        let planted = node(|one| match (one.locator.as_str(), active) {
            ("eth0", [mode, _]) | ("eth1", [_, mode]) if !mode.is_empty() => *one = one.clone().with(Attr::FecActive, "ethtool", mode),
            _ => {}
        });
        let (path, fec) = path(&planted, ADDRESS.parse().expect("an address"), Lines::Streams(16), &seen(8948)).expect("a path");
        least(&[("a", Ok(with_fec(ceiling::of_tcp_path(&path), fec)))])
    };
    let (value, text) = of(["RS", "RS"]);
    assert!(text.contains("FEC, of which the line speed is net: RS"), "{text}");
    for unknown in [["", ""], ["RS", "Off"]] {
        assert!(of(unknown).0 == value && !of(unknown).1.contains("FEC"), "{unknown:?}");
    }
}

#[test]
fn what_cannot_be_read_leaves_it_unknown() {
    let planted: [(&str, Plant); 7] = [
        ("a port without a speed", |one| {
            if one.locator == "eth1" {
                *one = one.clone().with(Attr::Speed, "sysfs", Reading::Absent);
            }
        }),
        ("lines of two speeds", |one| {
            if one.locator == "eth1" {
                *one = one.clone().with(Attr::Speed, "sysfs", 100_000_000_000_u64);
            }
        }),
        ("a slot that is not told", |one| {
            if one.kind == Kind::Nic {
                *one = one.clone().with(Attr::LinkWidth, "sysfs", Reading::Unreadable("EIO".into()));
            }
        }),
        ("a card that is behind no port", |one| {
            if one.kind == Kind::Nic {
                one.locator = "other".to_owned();
            }
        }),
        ("a port on another bus", |one| {
            if one.kind == Kind::Nic {
                *one = one.clone().with(Attr::LinkSpeed, "usb", 16.0);
            }
        }),
        ("a payload that is not told", |one| {
            if one.kind == Kind::Pci {
                *one = one.clone().with(Attr::PayloadSize, "config", Reading::Absent);
            }
        }),
        ("functions that are not listed", |one| {
            if one.kind == Kind::Pci {
                one.locator = "0000:99:00.0".to_owned();
            }
        }),
    ];
    for (what, plant) in planted {
        let planted = node(plant);
        let one = path(&planted, ADDRESS.parse().expect("an address"), Lines::Streams(16), &seen(8948)).map(|(path, _)| ceiling::of_tcp_path(&path));
        assert!(one.as_ref().ok().is_none_or(|one| one.value.is_none()), "{what}");
        let (value, text) = least(&[("a", Ok(of(&node(|_| {}), Lines::Streams(16)))), ("b", one)]);
        assert!(value.is_none() && text.starts_with("unknown; a: 239.") && text.contains("; b: unknown"), "{what}: {text}");
    }
    let unknown_mtu = TcpDirection { path_mtu: 0, ..seen(8948) };
    let (path, _) = path(&node(|_| {}), ADDRESS.parse().expect("an address"), Lines::Streams(1), &unknown_mtu).expect("a path");
    assert_eq!(ceiling::of_tcp_path(&path).value, None);
}

#[test]
fn the_worse_end_bounds_the_path_and_the_formula_is_said_with_its_inputs() {
    let narrow = node(|one| {
        if one.kind == Kind::Nic {
            *one = one.clone().with(Attr::Speed, "sysfs", 25_000_000_000_u64);
        }
    });
    let ends = [("a", Ok(of(&node(|_| {}), Lines::Only("eth0")))), ("b", Ok(of(&narrow, Lines::Streams(1))))];
    let (value, text) = least(&ends);
    assert!(value.is_some_and(|bits| (24.7e9..24.8e9).contains(&bits)), "{value:?}");
    for part in ["24.74", "line speed, bit/s: 200000000000", "lanes: 16", "MTU, bytes: 9000", "largest payload, bytes: 512", "min(lines x line speed"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    let (value, text) = least(&[("a", Err("no interface of n1 has the address".to_owned())), ends[1].clone()]);
    assert!(value.is_none() && text.contains("a: unknown: no interface"), "{text}");
}

#[test]
fn more_than_is_possible_is_no_figure_to_believe() {
    assert_eq!(impossible("x", 1.0, 1e9), None);
    assert_eq!(impossible("x", 1.005, 1e9), None);
    assert!(matches!(impossible("x", 1.01, 200e9), Some(Condition::Impossible(why)) if why.contains("1.010 of the 200.000 Gbit/s")));
    assert_eq!(impossible("x", f64::NAN, 1e9), None, "no figure");
}
