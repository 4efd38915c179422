//! What must not be heard shows, and what guests do on their own VLAN does not.

use std::net::Ipv4Addr;

use assay_model::site::declared::GuestVlan;

use super::*;
use crate::net::isolation::envelope::frame;
use crate::net::isolation::packet::{ARP, Ask, IPV6, arp, packet, parse};
use crate::net::isolation::{Pace, Target};

const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
const HOST: Mac = Mac([2, 0, 0, 0, 0, 2]);
const GUEST: Mac = Mac([2, 0, 0, 0, 0, 3]);
const GATEWAY: Mac = Mac([2, 0, 0, 0, 0, 4]);
const TO: Mac = Mac([2, 0, 0, 0, 0, 9]);

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn plan() -> IsolationPlan {
    let prefix = |text: &str| text.parse().expect("a network");
    IsolationPlan {
        host_vlan: 6,
        host_networks: vec![prefix("10.6.0.0/24"), prefix("fd00:6::/64")],
        host_probes: vec![address("10.6.0.250")],
        targets: vec![Target { host: "a".into(), address: address("fe80::11"), mac: Some(HOST), services: vec![] }],
        management: vec![],
        guests: vec![GuestVlan {
            vlan: 10,
            networks: vec![prefix("10.10.0.0/24"), prefix("fd00:10::/64")],
            gateways: vec![address("10.10.0.1")],
            probe_addresses: vec![address("10.10.0.250")],
            control: vec![],
        }],
        allow: vec![AllowedFlow { from_vlan: 10, to: prefix("10.6.0.11/32"), service: Service::Udp(9100), why: "asked".into() }],
        pace: Pace { frames_per_s: 1, tries: 1, settle_ns: 1, listen_ns: 1, round_every_ns: 1, beacon_every_ns: 1 },
    }
}

fn sign(session: &Token, bytes: &[u8]) -> Option<Sign> {
    let (plan, gateways) = (plan(), BTreeSet::from([GATEWAY]));
    Place { plan: &plan, session, vlan: 10, mac: OWN, gateways: &gateways }.sign(&parse(bytes).expect("a frame"))
}

fn udp(station: Mac, from: &str, to: &str, from_port: u16, data: &[u8]) -> Vec<u8> {
    let (protocol, bytes) = packet(address(from), address(to), &Ask::Udp { from_port, to_port: 9, data }).expect("a packet");
    frame(TO, station, &[], protocol, &bytes)
}

fn asks(station: Mac, sender: [u8; 4], target: [u8; 4], tags: &[(u16, u16)]) -> Vec<u8> {
    frame(Mac([0xff; 6]), station, tags, ARP, &arp(station, Ipv4Addr::from(sender), Ipv4Addr::from(target), None))
}

#[test]
fn what_comes_from_the_hosts_shows() {
    let session = Token::fresh().expect("random numbers");
    let host_address = |text: &str| Some(Sign::HostAddress(address(text)));
    for (bytes, wanted) in [
        (asks(GUEST, [10, 6, 0, 11], [10, 6, 0, 12], &[]), host_address("10.6.0.11")),
        // Whether its own address is free is what a host asks first of all.
        (asks(GUEST, [0; 4], [10, 6, 0, 11], &[]), host_address("10.6.0.11")),
        (asks(GUEST, [10, 10, 0, 7], [10, 10, 0, 1], &[(0x8100, 6)]), Some(Sign::HostTag)),
        (asks(GUEST, [10, 10, 0, 7], [10, 10, 0, 1], &[(0x8100, 10), (0x88a8, 6)]), Some(Sign::HostTag)),
        (asks(OWN, [10, 10, 0, 7], [10, 10, 0, 1], &[(0x8100, 6)]), Some(Sign::Reflected)),
        (asks(HOST, [10, 10, 0, 7], [10, 10, 0, 1], &[]), Some(Sign::HostStation)),
        (udp(GUEST, "fd00:6::11", "ff02::1", 5405, &[]), host_address("fd00:6::11")),
        (udp(GUEST, "fe80::11", "ff02::1", 5353, &[]), host_address("fe80::11")),
        (udp(GUEST, "fe80::99", "ff02::1", 9, &Mark::Beacon(2).bytes(&session)), Some(Sign::Beacon("IPv6 multicast".into()))),
        (frame(TO, GUEST, &[], EXPERIMENT, &Mark::Beacon(3).bytes(&session)), Some(Sign::Beacon("unknown unicast".into()))),
        // What the gateway brings and nobody allowed, and what is allowed and somebody else brings.
        (udp(GATEWAY, "10.6.0.11", "10.10.0.7", 9101, &[]), host_address("10.6.0.11")),
        (udp(GATEWAY, "10.6.0.12", "10.10.0.7", 9100, &[]), host_address("10.6.0.12")),
        (udp(GUEST, "10.6.0.11", "10.10.0.7", 9100, &[]), host_address("10.6.0.11")),
        (frame(Mac([1, 0x80, 0xc2, 0, 0, 0x0e]), GUEST, &[], 0x88cc, &[2, 7]), Some(Sign::LinkControl("LLDP".into()))),
        (frame(Mac([1, 0x80, 0xc2, 0, 0, 0]), GUEST, &[], 38, &[0x42, 0x42, 3]), Some(Sign::LinkControl("spanning tree".into()))),
        (frame(Mac([1, 0, 0x0c, 0xcc, 0xcc, 0xcc]), GUEST, &[], 38, &[0xaa, 0xaa, 3]), Some(Sign::LinkControl("CDP, VTP or PVST+".into()))),
    ] {
        assert_eq!(sign(&session, &bytes), wanted, "{}", parse(&bytes).expect("a frame"));
    }
}

#[test]
fn what_guests_do_does_not() {
    let (session, other) = (Token::fresh().expect("random numbers"), Token::fresh().expect("random numbers"));
    for bytes in [
        asks(GUEST, [10, 10, 0, 7], [10, 10, 0, 1], &[]),
        // It looks for a host, which is no host that is heard.
        asks(GUEST, [10, 10, 0, 7], [10, 6, 0, 11], &[]),
        asks(GUEST, [10, 10, 0, 7], [10, 10, 0, 1], &[(0x8100, 0)]),
        asks(OWN, [10, 10, 0, 250], [10, 10, 0, 1], &[]),
        udp(GUEST, "fe80::99", "ff02::fb", 5353, b"mdns"),
        udp(GATEWAY, "10.6.0.11", "10.10.0.7", 9100, &[]),
        // The beacon of another session, and no beacon at all.
        frame(TO, GUEST, &[], EXPERIMENT, &Mark::Beacon(0).bytes(&other)),
        frame(TO, GUEST, &[], IPV6, &[0x60]),
    ] {
        assert_eq!(sign(&session, &bytes), None, "{}", parse(&bytes).expect("a frame"));
    }
}

fn announces(prefix: [u8; 16]) -> Vec<u8> {
    let mut message = vec![134, 0, 0, 0, 64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0, 3, 4, 64, 0xc0, 0, 1, 0x51, 0x80, 0, 0, 0x38, 0x40, 0, 0, 0, 0];
    message.extend_from_slice(&prefix);
    let mut bytes = vec![0x60, 0, 0, 0, 0, 48, 58, 255];
    bytes.extend_from_slice(&"fe80::99".parse::<std::net::Ipv6Addr>().expect("an address").octets());
    bytes.extend_from_slice(&"ff02::1".parse::<std::net::Ipv6Addr>().expect("an address").octets());
    bytes.extend_from_slice(&message);
    frame(Mac([0x33, 0x33, 0, 0, 0, 1]), GUEST, &[], IPV6, &bytes)
}

#[test]
fn a_router_is_told_by_what_it_announces() {
    let session = Token::fresh().expect("random numbers");
    let octets = |text: &str| text.parse::<std::net::Ipv6Addr>().expect("an address").octets();
    assert_eq!(sign(&session, &announces(octets("fd00:6::"))), Some(Sign::Router("fd00:6::/64".into())));
    assert_eq!(sign(&session, &announces(octets("fd00:20::"))), Some(Sign::Router("fd00:20::/64".into())));
    assert_eq!(sign(&session, &announces(octets("fd00:10::"))), None);
}
