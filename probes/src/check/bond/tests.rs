//! A healthy bond, the faults of one, and what the order has to do with it.

use assay_model::bom::{Bom, BomLine, Cluster};
use assay_model::component::Reading;
use assay_model::contradiction::{Candidate, Contradiction, ContradictionKind};
use assay_model::inventory::ProbeEnded;
use assay_model::matcher::Matcher;
use assay_model::verdict::Rank;

use super::*;
use crate::check::planted::{Node, component, generic, rank, strict, unreadable};

type Ask = fn(&Inventory, &Site) -> Vec<Check>;
const ALL: [Ask; 5] = [mode, one_aggregator, same_partner, partner_state, switch_diversity];

/// A site that orders bond0 of two ports.
fn ordering(lacp_rate: &str) -> Site {
    let bond = bom::Bond {
        name: "bond0".into(),
        line: "fast ports".into(),
        ports: 2,
        mode: LACP.into(),
        lacp_rate: lacp_rate.into(),
        xmit_hash_policy: "layer3+4".into(),
        ..bom::Bond::default()
    };
    let cluster = Cluster { bond: vec![bond], ..Cluster::default() };
    let line = BomLine {
        name: "fast ports".into(),
        kind: Kind::Nic,
        quantity: 2,
        part: None,
        select: BTreeMap::from([(Attr::LinkLayer, Matcher::Equals("Ethernet".into()))]),
        expect: BTreeMap::new(),
        facts: BTreeMap::new(),
    };
    let bom = Bom { schema: 1, node_class: "a".into(), revision: "1".into(), lines: vec![line], cluster: Some(cluster) };
    Site { bom: Some(bom), ..strict() }
}

fn lacp_slow(resolution: Option<&str>) -> Contradiction {
    Contradiction {
        id: "C-11".into(),
        kind: ContradictionKind::Conflict,
        statement: "slow".into(),
        why: "slow".into(),
        candidates: vec![Candidate { id: FAST.into(), statement: "fast".into(), why: String::new(), set: Vec::new() }],
        resolution: resolution.map(str::to_owned),
        blocks: Vec::new(),
        checks: Vec::new(),
        derived_by: Some("network.lacp_slow".into()),
    }
}

fn ranked(node: &Node, site: &Site, ask: Ask) -> Rank {
    rank(&ask(&node.0, site))
}

/// Asserts that the fault is found by one of the checks, and that the others do not accuse the node.
fn assert_caught(kind: Kind, locator: &str, attr: Attr, planted: impl Into<Reading>, by: Ask) {
    let node = Node::healthy().plant(kind, locator, attr, planted);
    for ask in ALL {
        let expected = if std::ptr::fn_addr_eq(ask, by) { Rank::Fail } else { Rank::Pass };
        let checks = ask(&node.0, &ordering(FAST));
        assert_eq!(rank(&checks), expected, "{attr}: {checks:#?}");
    }
}

#[test]
fn a_bond_of_other_ports_than_those_that_are_ordered_for_it_is_found() {
    assert_caught(Kind::Nic, "eth1", Attr::LinkLayer, "InfiniBand", one_aggregator);
    let untold = Node::healthy().plant(Kind::Nic, "eth1", Attr::LinkLayer, unreadable());
    assert_eq!(ranked(&untold, &ordering(FAST), one_aggregator), Rank::Inconclusive);
}

#[test]
fn a_healthy_bond_passes_as_ordered() {
    for ask in ALL {
        assert_eq!(ranked(&Node::healthy(), &ordering(FAST), ask), Rank::Pass);
    }
}

#[test]
fn each_fault_is_found_by_its_check_alone() {
    assert_caught(Kind::Bond, "bond0", Attr::LacpRate, "slow", mode);
    assert_caught(Kind::Bond, "bond0", Attr::XmitHashPolicy, "layer2", mode);
    assert_caught(Kind::Bond, "bond0", Attr::LinkPolling, 0_u64, mode);
    assert_caught(Kind::Bond, "bond0", Attr::AggregatorPorts, 1_u64, one_aggregator);
    assert_caught(Kind::Bond, "bond0", Attr::Aggregator, 0_u64, one_aggregator);
    assert_caught(Kind::BondMember, "eth1", Attr::Aggregator, 2_u64, one_aggregator);
    assert_caught(Kind::BondMember, "eth1", Attr::Aggregator, NONE, one_aggregator);
    assert_caught(Kind::BondMember, "eth1", Attr::LinkMonitor, "down", one_aggregator);
    assert_caught(Kind::BondMember, "eth1", Attr::PartnerMac, "02:00:00:00:00:f2", same_partner);
    assert_caught(Kind::BondMember, "eth1", Attr::PartnerMac, NOBODY, same_partner);
    assert_caught(Kind::BondMember, "eth1", Attr::PartnerKey, 18_u64, same_partner);
    // One bit of the healthy 0x3f is missing, or one that must not be there is set.
    for state in [0x3d_u64, 0x37, 0x2f, 0x1f, 0x7f, 0xbf, 1] {
        assert_caught(Kind::BondMember, "eth0", Attr::PartnerState, state, partner_state);
    }
    assert_caught(Kind::BondMember, "eth0", Attr::PartnerState, NONE, partner_state);
}

#[test]
fn ports_that_lead_to_one_switch_are_found_and_those_of_four_to_two_are_not() {
    assert_caught(Kind::Neighbour, "eth1", Attr::ChassisId, "mac 02:00:00:00:0a:01", switch_diversity);
    let mut site = ordering(FAST);
    if let Some(cluster) = site.bom.as_mut().and_then(|bom| bom.cluster.as_mut()) {
        cluster.bond[0].ports = 3;
    }
    let member = component(Kind::BondMember, "eth2", &[(Attr::Bond, "bond0".into())]);
    let neighbour = component(Kind::Neighbour, "eth2", &[(Attr::ChassisId, "mac 02:00:00:00:0a:01".into())]);
    assert_eq!(ranked(&Node::healthy().with(member).with(neighbour), &site, switch_diversity), Rank::Pass);
}

#[test]
fn a_neighbour_that_was_not_heard_or_not_listened_for_is_no_switch_of_its_own() {
    let several = |ids: [&str; 2]| Reading::from(Value::List(ids.map(str::to_owned).to_vec()));
    for reading in [Reading::Absent, unreadable(), Reading::Unreadable(crate::probe::NOT_LISTENED.into()), 7_u64.into(), several(["mac b", "mac c"])]
    {
        let node = Node::healthy().plant(Kind::Neighbour, "eth1", Attr::ChassisId, reading.clone());
        assert_eq!(ranked(&node, &ordering(FAST), switch_diversity), Rank::Inconclusive, "{reading}");
    }
    let unheard = Node::healthy().plant(Kind::Neighbour, "eth1", Attr::ChassisId, Reading::Unreadable(crate::probe::NOT_LISTENED.into()));
    let checks = switch_diversity(&unheard.0, &ordering(FAST));
    assert!(matches!(&checks[0].verdict, Verdict::Inconclusive(Reason::NotRun(why)) if why.contains("--listen")), "{checks:?}");
    let shared = Node::healthy().plant(Kind::Neighbour, "eth1", Attr::ChassisId, several(["mac 02:00:00:00:0a:01", "mac c"]));
    assert_eq!(ranked(&shared, &ordering(FAST), switch_diversity), Rank::Fail);
    assert_eq!(ranked(&Node::healthy().pulled(Kind::Neighbour, "eth1"), &ordering(FAST), switch_diversity), Rank::Inconclusive);
    let hung = Node::healthy().ended(Kind::Neighbour, ProbeEnded::Hung("call lldp:eth0".into()));
    assert_eq!(ranked(&hung, &ordering(FAST), switch_diversity), Rank::Inconclusive);
    let one = Node::healthy().pulled(Kind::BondMember, "eth1");
    assert_eq!(ranked(&one, &ordering(FAST), switch_diversity), Rank::Inconclusive, "one port leads to one switch");
    assert_eq!(
        (ranked(&Node::healthy(), &strict(), switch_diversity), ranked(&Node::healthy(), &generic(), switch_diversity)),
        (Rank::Inconclusive, Rank::NotApplicable)
    );
}

#[test]
fn a_bond_that_nobody_answers_has_no_partner_on_either_port() {
    let node = Node::healthy().plant(Kind::BondMember, "eth0", Attr::PartnerMac, NOBODY).plant(Kind::BondMember, "eth1", Attr::PartnerMac, NOBODY);
    assert_eq!(ranked(&node, &ordering(FAST), same_partner), Rank::Fail, "both are the same, and nobody");
}

#[test]
fn a_bond_of_another_mode_fails_its_order_and_elsewhere_has_nothing_to_do_with_lacp() {
    let node = Node::healthy().plant(Kind::Bond, "bond0", Attr::BondMode, "active-backup");
    assert_eq!(ranked(&node, &ordering(FAST), mode), Rank::Fail);
    for ask in [one_aggregator, same_partner, partner_state] {
        assert_eq!((ranked(&node, &ordering(FAST), ask), ranked(&node, &generic(), ask)), (Rank::Inconclusive, Rank::NotApplicable));
    }
}

#[test]
fn a_bond_that_is_ordered_and_not_there_fails_and_one_that_could_not_be_looked_for_does_not() {
    let none = Node::healthy().without(Kind::Bond).without(Kind::BondMember);
    let hung = Node::healthy().ended(Kind::Bond, ProbeEnded::Hung("read /sys/class/net".into()));
    let no_network = Node::healthy().ended(Kind::Bond, ProbeEnded::SourceMissing("/sys/class/net".into()));
    for ask in ALL {
        assert_eq!((ranked(&none, &ordering(FAST), ask), ranked(&none, &generic(), ask)), (Rank::Fail, Rank::NotApplicable));
        assert_eq!(ranked(&hung, &ordering(FAST), ask), Rank::Inconclusive);
        assert_eq!(ranked(&no_network, &ordering(FAST), ask), Rank::Inconclusive);
    }
}

#[test]
fn a_bond_of_fewer_ports_than_ordered_fails_even_though_those_agree() {
    let node = Node::healthy().pulled(Kind::BondMember, "eth1").plant(Kind::Bond, "bond0", Attr::AggregatorPorts, 1_u64);
    assert_eq!(ranked(&node, &ordering(FAST), one_aggregator), Rank::Fail);
    assert_eq!(ranked(&node, &ordering(FAST), same_partner), Rank::Inconclusive, "one port agrees with itself");
    let empty = node.without(Kind::BondMember);
    assert_eq!((ranked(&empty, &ordering(FAST), one_aggregator), ranked(&empty, &generic(), one_aggregator)), (Rank::Fail, Rank::NotApplicable));
}

#[test]
fn what_cannot_be_read_is_no_pass_and_hides_no_fault() {
    for (attr, ask) in [
        (Attr::Aggregator, ALL[1]),
        (Attr::LinkMonitor, ALL[1]),
        (Attr::PartnerMac, ALL[2]),
        (Attr::PartnerKey, ALL[2]),
        (Attr::PartnerState, ALL[3]),
    ] {
        for (reading, at_generic) in [(unreadable(), Rank::Inconclusive), (Reading::Absent, Rank::NotApplicable)] {
            let node = Node::healthy().plant(Kind::BondMember, "eth1", attr, reading);
            assert_eq!((ranked(&node, &ordering(FAST), ask), ranked(&node, &generic(), ask)), (Rank::Inconclusive, at_generic), "{attr}");
        }
    }
    let node =
        Node::healthy().plant(Kind::BondMember, "eth1", Attr::PartnerMac, unreadable()).plant(Kind::BondMember, "eth0", Attr::PartnerMac, NOBODY);
    assert_eq!(ranked(&node, &ordering(FAST), same_partner), Rank::Fail);
    let beyond = Node::healthy().plant(Kind::BondMember, "eth1", Attr::PartnerState, 0x13f_u64);
    assert_eq!(ranked(&beyond, &ordering(FAST), partner_state), Rank::Inconclusive, "eight bits are a state");
}

#[test]
fn slow_lacp_is_right_only_where_the_operator_insists() {
    let slow = Node::healthy()
        .plant(Kind::Bond, "bond0", Attr::LacpRate, "slow")
        .plant(Kind::BondMember, "eth0", Attr::PartnerState, 0x3d_u64)
        .plant(Kind::BondMember, "eth1", Attr::PartnerState, 0x3d_u64);
    for (resolution, expected) in [(None, Rank::Fail), (Some("fast"), Rank::Fail), (Some("no corosync on it after all"), Rank::Pass)] {
        let site = Site { contradictions: vec![lacp_slow(resolution)], ..ordering("slow") };
        assert_eq!((ranked(&slow, &site, mode), ranked(&slow, &site, partner_state)), (expected, expected), "{resolution:?}");
        assert_eq!(ranked(&Node::healthy(), &site, mode), Rank::Pass, "faster than ordered is no fault");
    }
    assert_eq!(ranked(&slow, &ordering("slow"), mode), Rank::Pass, "nothing speaks against it");
}

#[test]
fn a_bond_that_no_order_names_is_judged_by_what_lacp_says() {
    let second = component(
        Kind::Bond,
        "bond1",
        &[(Attr::BondMode, "active-backup".into()), (Attr::LacpRate, "slow".into()), (Attr::LinkPolling, 0_u64.into())],
    );
    let node = Node::healthy().with(second);
    for ask in ALL {
        assert_eq!(ranked(&node, &ordering(FAST), ask), Rank::Pass, "bond1 is not ordered");
    }
    let faulty = Node::healthy().plant(Kind::BondMember, "eth1", Attr::Aggregator, 2_u64);
    assert_eq!((ranked(&faulty, &generic(), one_aggregator), ranked(&faulty, &generic(), mode)), (Rank::Fail, Rank::NotApplicable));
    assert_eq!(ranked(&Node::healthy(), &strict(), mode), Rank::Inconclusive, "nothing says how it should be set");
}
