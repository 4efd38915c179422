//! What is made is read as what it was, and what is cut short is never more than it is.

use super::*;
use crate::net::isolation::envelope::{Envelope, frame};

const A: Mac = Mac([2, 0, 0, 0, 0, 10]);
const B: Mac = Mac([2, 0, 0, 0, 0, 11]);

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn read(tags: &[(u16, u16)], protocol: u16, bytes: &[u8]) -> Parsed {
    parse(&frame(B, A, tags, protocol, bytes)).expect("a frame")
}

#[test]
fn every_question_is_read_as_it_was_asked_in_every_envelope() {
    let data = [7; 24];
    for (from, to) in [("10.10.0.250", "10.6.0.11"), ("fd00:10::250", "fd00:6::11")].map(|(from, to)| (address(from), address(to))) {
        for envelope in Envelope::ALL {
            let tags = envelope.tags(10, 6);
            let says = |ask: &Ask<'_>| {
                let (protocol, bytes) = packet(from, to, ask).expect("a packet");
                let parsed = read(&tags, protocol, &bytes);
                assert_eq!((parsed.to, parsed.from, &parsed.tags), (B, A, &tags), "{envelope}");
                let Body::Ip { from: seen, to: there, says } = parsed.body else { panic!("{envelope}: {parsed:?}") };
                assert_eq!((seen, there), (from, to), "{envelope}");
                says
            };
            assert_eq!(says(&Ask::Echo { id: 1, seq: 2, data: &data }), Says::Echo { data: data.to_vec() });
            let syn = Says::Tcp { from_port: 40_000, to_port: 22, sequence: 0xdead_beef, acknowledged: None, syn: true, rst: false };
            assert_eq!(says(&Ask::Syn { from_port: 40_000, to_port: 22, sequence: 0xdead_beef }), syn);
            let udp = Says::Udp { from_port: 40_000, to_port: 5405, data: data.to_vec() };
            assert_eq!(says(&Ask::Udp { from_port: 40_000, to_port: 5405, data: &data }), udp);
        }
    }
    assert!(packet(address("10.6.0.1"), address("fd00::1"), &Ask::Echo { id: 1, seq: 1, data: &[] }).is_none());
}

#[test]
fn hardware_addresses_are_asked_for_and_given() {
    let (own, target) = (Ipv4Addr::new(10, 10, 0, 250), Ipv4Addr::new(10, 6, 0, 11));
    let asked = read(&[], ARP, &arp(A, own, target, None));
    assert_eq!(asked.body, Body::Arp { is_request: true, sender_mac: A, sender: own, target_mac: Mac([0; 6]), target });
    let told = read(&[], ARP, &arp(B, target, own, Some(A)));
    assert_eq!(told.body, Body::Arp { is_request: false, sender_mac: B, sender: target, target_mac: A, target: own });
    let target: Ipv6Addr = "fd00:6::1:203:405".parse().expect("an address");
    let (group, mac) = solicited(target);
    assert_eq!((group, mac), ("ff02::1:ff03:405".parse().expect("an address"), Mac([0x33, 0x33, 0xff, 3, 4, 5])));
    let (protocol, bytes) = packet(link_local(A).into(), group.into(), &Ask::Solicit { target, mac: A }).expect("a packet");
    assert!(matches!(read(&[], protocol, &bytes).body, Body::Ip { says: Says::Solicit { target: seen, mac: Some(A) }, .. } if seen == target));
    let (protocol, bytes) = packet(target.into(), link_local(A).into(), &Ask::Advertise { target, mac: B }).expect("a packet");
    assert!(matches!(read(&[], protocol, &bytes).body, Body::Ip { says: Says::Advertise { target: seen }, .. } if seen == target));
    assert_eq!(link_local(Mac([2, 0, 0, 0, 6, 11])).to_string(), "fe80::ff:fe00:60b");
}

#[test]
fn an_error_tells_of_the_packet_that_it_quotes() {
    let (own, host) = (address("10.10.0.250"), address("10.6.0.11"));
    let (_, quoted) = packet(own, host, &Ask::Udp { from_port: 40_000, to_port: 5405, data: &[9; 24] }).expect("a packet");
    let header = etherparse::Ipv4Header { time_to_live: 64, source: [10, 6, 0, 11], destination: [10, 10, 0, 250], ..Default::default() };
    let mut bytes = Vec::new();
    let error = PacketBuilder::ip(etherparse::IpHeaders::Ipv4(header, Default::default())).icmpv4_raw(3, 3, [0; 4]);
    error.write_to_vec(&mut bytes, &quoted).expect("it fits");
    let says = Says::Unreachable { to: host, is_udp: true, from_port: 40_000, to_port: 5405, data: vec![9; 24] };
    assert_eq!(read(&[], IPV4, &bytes).body, Body::Ip { from: host, to: own, says });
}

#[test]
fn a_frame_cut_anywhere_is_read_without_harm() {
    let (protocol, bytes) = packet(address("fd00::1"), address("fd00::2"), &Ask::Solicit { target: Ipv6Addr::LOCALHOST, mac: A }).expect("a packet");
    let whole = frame(B, A, &[(TAG, 6), (SERVICE_TAG, 10)], protocol, &bytes);
    for length in 0..whole.len() {
        let _read = parse(&whole[..length]);
    }
    assert_eq!(parse(&whole[..13]), None);
    assert_eq!(parse(&whole).expect("a frame").vlans, [6, 10]);
}
