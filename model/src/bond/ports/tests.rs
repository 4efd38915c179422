use proptest::prelude::*;

use super::*;

/// What iperf3 did on a real bond: see the head of the file.
const IPERF3: &str = include_str!("../recorded/iperf3.txt");

fn route(policy: HashPolicy, members: usize) -> Route {
    Route {
        policy,
        lowest_bit: LowestBit::Discarded,
        members: (0..members).map(|member| format!("eth{member}")).collect(),
        source_mac: [0x52, 0x54, 0, 0, 1, 0],
        destination_mac: [0x52, 0x54, 0, 0, 2, 0],
        vlan: Some(6),
        source: "10.6.0.11".parse().expect("an address"),
        destination: "10.6.0.12".parse().expect("an address"),
        destination_port: 5201,
        connected: true,
    }
}

#[test]
fn chosen_ports_lie_on_every_member_alike() {
    for members in 2..=8 {
        let route = route(HashPolicy::Layer3Plus4, members);
        let chosen = route.choose(members * 4, 40_000..=40_999, &BTreeSet::new()).expect("ports");
        let ports: Vec<u16> = chosen.iter().map(|chosen| chosen.port).collect();
        assert_eq!(route.spread(&ports), Some(vec![4; members]), "{chosen:?}");
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len(), "each once");
        assert!(chosen.chunks(members).all(|turn| turn.iter().map(|chosen| chosen.member).eq(0..members)), "in turn");
    }
}

#[test]
fn ports_that_are_taken_are_left_alone() {
    let route = route(HashPolicy::Layer3Plus4, 2);
    let first: BTreeSet<u16> = route.choose(8, 40_000..=40_099, &BTreeSet::new()).expect("ports").iter().map(|chosen| chosen.port).collect();
    let second = route.choose(8, 40_000..=40_099, &first).expect("ports");
    assert!(second.iter().all(|chosen| !first.contains(&chosen.port)));
    let short = route.choose(8, 40_000..=40_003, &BTreeSet::new());
    assert!(matches!(short, Err(Unchoosable::Ports { wanted: 4, .. })), "{short:?}");
}

#[test]
fn what_no_port_can_spread_is_said_so() {
    let choose = |route: &Route, flows| route.choose(flows, 40_000..=40_999, &BTreeSet::new());
    for policy in [HashPolicy::Layer2, HashPolicy::Layer2Plus3, HashPolicy::Encap2Plus3, HashPolicy::VlanSrcMac] {
        let unchoosable = choose(&route(policy, 2), 8);
        assert!(matches!(&unchoosable, Err(Unchoosable::Portless { policy: said, .. }) if *said == policy), "{unchoosable:?}");
    }
    let mut encapsulated = route(HashPolicy::Encap3Plus4, 2);
    assert_eq!(choose(&encapsulated, 8), Err(Unchoosable::Random(HashPolicy::Encap3Plus4)));
    assert_eq!(encapsulated.spread(&[40_000]), None);
    encapsulated.connected = false;
    assert_eq!(choose(&encapsulated, 8), choose(&route(HashPolicy::Layer3Plus4, 2), 8), "a socket without a number of its own");
    let six = |address: &str| address.parse().expect("an address");
    let labelled = Route { source: six("fd00::1"), destination: six("fd00::2"), ..encapsulated };
    assert_eq!(choose(&labelled, 8), Err(Unchoosable::Random(HashPolicy::Encap3Plus4)), "by what makes the flow label");
    assert_eq!(choose(&route(HashPolicy::Layer3Plus4, 1), 8), Err(Unchoosable::Members(1)));
    assert_eq!(choose(&route(HashPolicy::Layer3Plus4, 0), 8), Err(Unchoosable::Members(0)));
    for (flows, members) in [(0, 2), (1, 2), (3, 2), (8, 3)] {
        assert_eq!(choose(&route(HashPolicy::Layer3Plus4, members), flows), Err(Unchoosable::Flows { flows, members }));
    }
    let families = Route { source: "fd00::1".parse().expect("an address"), ..route(HashPolicy::Layer3Plus4, 2) };
    assert!(matches!(choose(&families, 8), Err(Unchoosable::Families { .. })));
}

#[test]
fn ports_that_are_all_even_lie_on_one_member_where_the_lowest_bit_is_kept() {
    let consecutive: Vec<u16> = (0..8).map(|stream| 44_160 + 2 * stream).collect();
    let kept = Route { lowest_bit: LowestBit::Kept, ..route(HashPolicy::Layer3Plus4, 2) };
    let mut spread = kept.spread(&consecutive).expect("computed");
    spread.sort_unstable();
    assert_eq!(spread, [0, 8]);
    assert_eq!(route(HashPolicy::Layer3Plus4, 2).spread(&consecutive), Some(vec![4, 4]), "the reason why Linux discards it");
    let chosen: Vec<u16> = kept.choose(8, 40_000..=40_999, &BTreeSet::new()).expect("ports").iter().map(|chosen| chosen.port).collect();
    assert_eq!(kept.spread(&chosen), Some(vec![4, 4]));
}

// Linux 6.1 hands out even ports at random distances: what the members carry is left to chance, and this is what chance did.
#[test]
fn iperf3s_ports_lay_as_dice_fall_on_a_real_bond_and_chosen_ones_would_not() {
    let route = route(HashPolicy::Layer3Plus4, 2);
    let (mut runs, mut on_one, mut uneven) = (0, 0, 0);
    for row in IPERF3.lines().filter(|line| !line.starts_with('#')) {
        let (ports, bytes) = row.split_once(": ").expect("ports and bytes");
        let ports: Vec<u16> = ports.split(' ').map(|port| port.parse().expect("a port")).collect();
        let bytes: Vec<f64> = bytes.split(' ').map(|bytes| bytes.parse().expect("bytes")).collect();
        let spread = route.spread(&ports).expect("computed");
        let share = bytes[0] / (bytes[0] + bytes[1]);
        assert!(ports.iter().all(|port| port.is_multiple_of(2)), "{row}");
        // A member that has no stream has no bytes but acknowledgements and LACP, and the other way round.
        for (streams, share) in spread.iter().zip([share, 1.0 - share]) {
            assert_eq!(*streams == 0, share < 0.01, "{row}: {spread:?}");
        }
        runs += 1;
        on_one += u32::from(spread.contains(&0));
        uneven += u32::from(!(0.35..=0.65).contains(&share));
        let chosen: Vec<u16> =
            route.choose(ports.len(), 40_000..=40_999, &BTreeSet::new()).expect("ports").iter().map(|chosen| chosen.port).collect();
        assert!(route.spread(&chosen).expect("computed").iter().all(|flows| *flows == 1 || *flows == 2));
    }
    assert_eq!((runs, on_one, uneven), (16, 4, 9));
}

proptest! {
    #[test]
    fn whatever_the_addresses_each_member_has_its_part(
        source: [u8; 16], destination: [u8; 16], four: bool, port: u16, members in 2_usize..=4, kept: bool, parts in 1_usize..=8,
    ) {
        let address = |bytes: [u8; 16]| if four { IpAddr::from([bytes[0], bytes[1], bytes[2], bytes[3]]) } else { IpAddr::from(bytes) };
        let lowest_bit = if kept { LowestBit::Kept } else { LowestBit::Discarded };
        let route = Route {
            source: address(source), destination: address(destination), destination_port: port, lowest_bit,
            ..route(HashPolicy::Layer3Plus4, members)
        };
        let chosen = route.choose(parts * members, 32_768..=36_863, &BTreeSet::new()).expect("4096 ports suffice");
        let ports: Vec<u16> = chosen.iter().map(|chosen| chosen.port).collect();
        let wanted = vec![u64::try_from(parts).expect("a few"); members];
        prop_assert_eq!(route.spread(&ports), Some(wanted));
    }
}
