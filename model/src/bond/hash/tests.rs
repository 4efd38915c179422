use super::*;

/// What a real driver did: see the head of the file.
const FLOWS: &str = include_str!("../recorded/flows.txt");

const NEAR: [u8; 6] = [0x52, 0x54, 0, 0, 1, 0];
const FAR: [u8; 6] = [0x52, 0x54, 0, 0, 2, 0];

fn frame(source: &str, destination: &str, source_port: u16, destination_port: u16) -> Frame {
    Frame {
        source_mac: NEAR,
        destination_mac: FAR,
        vlan: Some(6),
        source: source.parse().expect("an address"),
        destination: destination.parse().expect("an address"),
        transport: Transport::Ports { source: source_port, destination: destination_port },
    }
}

#[test]
fn every_flow_leaves_by_the_member_by_which_it_left_a_real_bond() {
    let (mut members, mut random, mut unlike) = ([0; 2], 0, 0);
    let mut policies = std::collections::BTreeSet::new();
    for row in FLOWS.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = row.split(' ').collect();
        let policy: HashPolicy = words[0].parse().expect("a policy");
        let number = |at: usize| words[at].parse::<u16>().expect("a number");
        let frame = frame(words[1], words[2], number(3), number(4));
        let member = policy.member(&frame, LowestBit::Discarded, 2);
        if policy.is_random(false, frame.source.is_ipv6()) {
            random += 1;
            unlike += u32::from(member != Some(number(5).into()));
            continue;
        }
        assert_eq!(member, Some(number(5).into()), "{row}");
        members[usize::from(number(5))] += 1;
        policies.insert(policy);
    }
    assert!(random > 10 && unlike * 4 > random, "random ones really are: {unlike} of {random}");
    assert!(policies.len() == 6 && members[0] > 100 && members[1] > 100, "the table says something: {members:?}");
}

#[test]
fn the_recorded_flows_tell_the_kept_bit_from_the_discarded_one() {
    let differ = |row: &&str| {
        let words: Vec<&str> = row.split(' ').collect();
        let frame = frame(words[1], words[2], words[3].parse().expect("a port"), words[4].parse().expect("a port"));
        HashPolicy::Layer3Plus4.member(&frame, LowestBit::Kept, 2) != words[5].parse().ok()
    };
    let wrong = FLOWS.lines().filter(|row| row.starts_with("layer3+4")).filter(differ).count();
    assert!(wrong > 30, "{wrong}");
}

// Worked out on paper from the driver's source.
#[test]
fn hashes_are_those_of_the_drivers_arithmetic() {
    let frame = Frame {
        source_mac: [0x02, 0x11, 0x22, 0x33, 0x44, 0x55],
        destination_mac: [0x02, 0xaa, 0xbb, 0xcc, 0xdd, 0xee],
        vlan: Some(0x0006),
        source: "10.1.2.3".parse().expect("an address"),
        destination: "10.1.2.4".parse().expect("an address"),
        transport: Transport::Ports { source: 0x1234, destination: 0x1451 },
    };
    // 0x55 ^ 0xee ^ 0x0800.
    assert_eq!(HashPolicy::Layer2.hash(&frame, LowestBit::Discarded), 0x08bb);
    // Addresses differ in the last byte, 0x03 ^ 0x04, which lies highest: 0x0700_08bb; ^ >> 16: 0x0700_0fbb; ^ >> 8: 0x0707_0fb4.
    assert_eq!(HashPolicy::Layer2Plus3.hash(&frame, LowestBit::Discarded), 0x0707_0fb4);
    assert_eq!(HashPolicy::Encap2Plus3.hash(&frame, LowestBit::Discarded), 0x0707_0fb4);
    // Ports lie as 12 34 14 51: 0x5114_3412 ^ 0x0700_0000 = 0x5614_3412; ^ >> 16: 0x5614_6206; ^ >> 8: 0x5642_7664.
    assert_eq!(HashPolicy::Layer3Plus4.hash(&frame, LowestBit::Kept), 0x5642_7664);
    assert_eq!(HashPolicy::Layer3Plus4.hash(&frame, LowestBit::Discarded), 0x2b21_3b32);
    assert_eq!(HashPolicy::Encap3Plus4.hash(&frame, LowestBit::Discarded), 0x2b21_3b32);
    // 0x021122 ^ 0x334455 ^ 6.
    assert_eq!(HashPolicy::VlanSrcMac.hash(&frame, LowestBit::Discarded), 0x31_5571);
    let untagged = Frame { vlan: None, ..frame };
    assert_eq!(HashPolicy::VlanSrcMac.hash(&untagged, LowestBit::Discarded), 0x31_5577);
    // An echo of type 8, code 0, identifier 0x1234: 0x1234_0008 ^ 0x0700_0000 = 0x1534_0008; ^ >> 16: 0x1534_153c; ^ >> 8: 0x1521_2129.
    let echo = Frame { transport: Transport::Echo { kind: 8, code: 0, id: 0x1234 }, ..frame };
    assert_eq!(HashPolicy::Layer3Plus4.hash(&echo, LowestBit::Kept), 0x1521_2129);
    // A fragment: addresses alone. 0x0700_0000; ^ >> 16: 0x0700_0700; ^ >> 8: 0x0707_0707.
    let fragment = Frame { transport: Transport::Other, ..frame };
    assert_eq!(HashPolicy::Layer3Plus4.hash(&fragment, LowestBit::Kept), 0x0707_0707);
    // IPv6: words are folded together first. fd00::3 ^ fd00::4 leaves 7 in the last byte.
    let six = Frame { source: "fd00::3".parse().expect("an address"), destination: "fd00::4".parse().expect("an address"), ..frame };
    assert_eq!(HashPolicy::Layer3Plus4.hash(&six, LowestBit::Kept), 0x5642_7664);
    assert_eq!(HashPolicy::Layer2.hash(&six, LowestBit::Discarded), 0x8666);
}

#[test]
fn a_policy_is_read_as_sysfs_says_it() {
    for (text, policy) in [
        ("layer2 0\n", HashPolicy::Layer2),
        ("layer3+4 1\n", HashPolicy::Layer3Plus4),
        ("layer2+3 2", HashPolicy::Layer2Plus3),
        ("encap2+3 3", HashPolicy::Encap2Plus3),
        ("encap3+4 4", HashPolicy::Encap3Plus4),
        ("vlan+srcmac 5", HashPolicy::VlanSrcMac),
        ("layer3+4", HashPolicy::Layer3Plus4),
    ] {
        assert_eq!(text.parse(), Ok(policy), "{text}");
    }
    for wrong in ["", "layer3", "layer3+4 2", "layer3+4 1 1", "layer3+4 x", "1"] {
        assert!(wrong.parse::<HashPolicy>().is_err(), "{wrong}");
    }
    assert_eq!(HashPolicy::Layer2.member(&frame("10.0.0.1", "10.0.0.2", 1, 2), LowestBit::Discarded, 0), None);
}
