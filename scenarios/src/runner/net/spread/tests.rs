use assay_model::bond::hash::HashPolicy;
use assay_model::bond::ports::Route;
use assay_model::bond::shares::MemberCounter;

use super::*;

fn routed(policy: HashPolicy) -> Routed {
    let address = |text: &str| text.parse().expect("an address");
    Routed::planted(Route {
        policy,
        lowest_bit: LowestBit::Discarded,
        members: vec!["eth0".into(), "eth1".into()],
        source_mac: [0; 6],
        destination_mac: [0; 6],
        vlan: None,
        source: address("10.6.0.11"),
        destination: address("10.6.0.12"),
        destination_port: 0,
        connected: true,
    })
}

fn ends(ports: impl Iterator<Item = u16>) -> Vec<FlowEnd> {
    let end =
        |port| FlowEnd { local: format!("10.6.0.11:{port}").parse().expect("one"), remote: "10.6.0.12:41001".parse().expect("one"), bytes: 1000 };
    ports.map(end).collect()
}

fn counted(bytes: &[u64]) -> Shares {
    let member = |(at, bytes): (usize, &u64)| MemberCounter { member: format!("eth{at}"), before: 5, after: 5 + bytes };
    let counters: Vec<MemberCounter> = bytes.iter().enumerate().map(member).collect();
    Shares::of(&counters, bytes.iter().sum::<u64>() * 97 / 100).expect("shares")
}

/// 64 flows, of which three quarters lie on the first member.
fn uneven(route: &Routed) -> Vec<FlowEnd> {
    let on =
        |member| ends(40_000..50_000).into_iter().filter(move |end| route.of(end, LowestBit::Discarded).member(end.local.port()) == Some(member));
    on(0).take(48).chain(on(1).take(16)).collect()
}

#[test]
fn counters_that_follow_the_policy_are_told_from_those_that_do_not() {
    let route = routed(HashPolicy::Layer3Plus4);
    let predicted = predicted(&route, &uneven(&route), LowestBit::Discarded).expect("told");
    assert_eq!(predicted, [48_000, 16_000]);
    for (bytes, follows) in [
        ([48_900, 16_400], true),
        ([46_000, 18_000], true),
        // Members in another order, a member that is out, and one that carries a tenth.
        ([16_400, 48_900], false),
        ([64_900, 900], false),
        ([32_500, 32_500], false),
    ] {
        let (deviation, text) = against(&route, &counted(&bytes), Some(&predicted));
        assert_eq!(deviation.is_some_and(|deviation| deviation <= FOLLOWS), follows, "{bytes:?}: {deviation:?}");
        assert_eq!(text.contains("DO NOT FOLLOW"), !follows, "{text}");
        assert!(text.contains("layer3+4 says eth0 75.0 %, eth1 25.0 %"), "{text}");
    }
}

#[test]
fn a_policy_that_does_not_look_at_ports_puts_all_on_one_member_and_one_at_random_says_nothing() {
    let portless = routed(HashPolicy::Layer2Plus3);
    assert_eq!(predicted(&portless, &ends(40_000..40_008), LowestBit::Discarded), None);
    assert!(against(&portless, &counted(&[8_100, 20]), None).1.contains("the counters follow it"));
    let (deviation, text) = against(&portless, &counted(&[4_000, 4_000]), None);
    assert!(deviation == Some(0.5) && text.contains("DO NOT FOLLOW"), "{text}");
    let random = routed(HashPolicy::Encap3Plus4);
    assert_eq!(predicted(&random, &ends(40_000..40_008), LowestBit::Discarded), None);
    let (deviation, text) = against(&random, &counted(&[4_000, 4_000]), None);
    assert!(deviation.is_none() && text.contains("at random"), "{text}");
    assert!(few(&random, &ends(40_000..40_008)).contains("at random") && few(&portless, &ends(40_000..40_008)).contains("on one member"));
}

#[test]
fn consecutive_ports_are_as_many_as_flows_and_others_each_time() {
    let route = routed(HashPolicy::Layer3Plus4);
    let one = consecutive(41_001, 256).expect("ports");
    assert!(one.len() == 256 && one.is_sorted() && one.iter().all(|port| PORTS.contains(port)));
    assert_ne!(consecutive(41_003, 256).expect("ports"), one);
    // Every bit of a port that the hash looks at changes about as often as it does not.
    let bytes = predicted(&route, &ends(one.into_iter()), LowestBit::Discarded).expect("told");
    assert!(bytes.iter().all(|bytes| (124_000..=132_000).contains(bytes)), "{bytes:?}");
    assert!(consecutive(1, 100_000).is_err());
}

#[test]
fn flows_that_are_no_equal_weights_are_doubtful() {
    let mut flows = ends(40_000..40_008);
    assert_eq!(unequal(&flows), None);
    flows[3].bytes = 1_240;
    assert_eq!(unequal(&flows), None);
    flows[3].bytes = 700;
    assert!(unequal(&flows).expect("unequal").contains("1 of 8 flows"));
}

// Even ports at random distances, as they were recorded on a real bond (model/src/bond/recorded/iperf3.txt).
#[test]
fn what_iperf3_would_have_made_of_these_ports_is_counted_and_not_claimed() {
    let route = routed(HashPolicy::Layer3Plus4);
    let recorded = [55326, 55330, 55334, 55344, 55358, 55360, 55376, 55388, 55396, 55398, 55404, 55410];
    let text = few(&route, &ends(recorded.into_iter()));
    assert!(text.contains("12 here are even in 12 cases: of 3 runs with 4 streams each"), "{text}");
    assert!(text.contains("where a hash keeps its lowest bit, all lie on one"), "{text}");
    let chosen = few(&route, &ends([40_000, 40_001, 40_002, 40_003].into_iter()));
    assert!(chosen.contains("0 have all on one member and 0 a share outside") && chosen.contains("they lie on several"), "{chosen}");
}
