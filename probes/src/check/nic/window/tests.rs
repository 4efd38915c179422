//! Two looks an hour apart at a port that counts, with a fault in between, and at ports that must not be accused.

use std::collections::BTreeMap;

use assay_model::bom::{Bom, BomLine};
use assay_model::inventory::{Inventory, ProbeEnded};
use assay_model::matcher::Matcher;
use assay_model::verdict::Rank;

use super::*;
use crate::check::planted::{Node, component, generic, rank, strict, unreadable};

type Asked = fn(&Window<'_>, &Site) -> Vec<Check>;

const ALL: [Asked; 5] = [carrier_stable, post_fec_errors, pre_fec_rate, pre_fec_rate_expected, drops];
const LATE: [(Attr, u64); 16] = [
    (Attr::CarrierChanges, 2),
    (Attr::InterfaceIndex, 4),
    (Attr::ReceivedPackets, 50_000_000_000),
    (Attr::TransmittedPackets, 40_000_000_000),
    (Attr::ReceivedBits, 900_000_000_000_000),
    (Attr::CorrectedBits, 900_000_000),
    (Attr::PcsSymbolErrors, 7),
    (Attr::SymbolErrors, 3),
    (Attr::CrcErrors, 1),
    (Attr::ReceiveDiscards, 40),
    (Attr::TransmitDiscards, 2),
    (Attr::OutOfBuffer, 100),
    (Attr::SteerMissed, 5),
    (Attr::LinkDownEvents, 1),
    (Attr::ModuleBusStuck, 0),
    (Attr::Mtu, 9000),
];

fn port(attrs: &[(Attr, u64)]) -> Node {
    let counted: Vec<(Attr, Reading)> = attrs.iter().map(|(attr, count)| (*attr, (*count).into())).collect();
    let known = [
        (Attr::Carrier, true.into()),
        (Attr::Speed, 200_000_000_000_u64.into()),
        (Attr::PciId, "15b3:101b".into()),
        (Attr::LinkLayer, "Ethernet".into()),
    ];
    Node::bare().with(component(Kind::Nic, "eth0", &[&counted[..], &known].concat()))
}

/// The later look, with what the port counted in the hour: 7.65e14 bits of a 200G link, 1e-6 of them corrected.
fn after() -> Node {
    const HOUR: [(Attr, u64); 4] = [
        (Attr::ReceivedPackets, 10_000_000_000),
        (Attr::TransmittedPackets, 10_000_000_000),
        (Attr::ReceivedBits, 765_000_000_000_000),
        (Attr::CorrectedBits, 765_000_000),
    ];
    let grown = |(attr, count): &(Attr, u64)| (*attr, count + HOUR.iter().find(|(one, _)| one == attr).map_or(0, |(_, growth)| *growth));
    port(&LATE.iter().map(grown).collect::<Vec<_>>())
}

fn with(attr: Attr, reading: impl Into<Reading>) -> Node {
    after().plant(Kind::Nic, "eth0", attr, reading)
}

/// The first look's count and as much more.
fn risen(attr: Attr, by: u64) -> Node {
    with(attr, LATE.iter().find(|(one, _)| *one == attr).map_or(0, |(_, count)| *count) + by)
}

fn ordering() -> Site {
    let line = BomLine {
        name: "fast ports".into(),
        kind: Kind::Nic,
        quantity: 1,
        part: None,
        select: BTreeMap::from([(Attr::PciId, Matcher::Equals("15b3:101b".into()))]),
        expect: BTreeMap::new(),
        facts: Default::default(),
    };
    let bom = Bom { schema: 1, node_class: "any".into(), revision: "1".into(), lines: vec![line], cluster: None };
    Site { bom: Some(bom), ..strict() }
}

fn asked(check: Asked, before: &Inventory, after: &Inventory, seconds: i64, site: &Site) -> Rank {
    let checks = check(&Window { before, after, seconds }, site);
    assert!(!checks.is_empty());
    rank(&checks)
}

/// The rank after an hour at a site with an order.
fn found(check: Asked, after: &Node) -> Rank {
    asked(check, &port(&LATE).0, &after.0, 3600, &ordering())
}

#[test]
fn an_hour_without_faults_passes_everything_at_any_site() {
    for check in ALL {
        assert_eq!(found(check, &after()), Rank::Pass);
        assert_eq!(asked(check, &port(&LATE).0, &after().0, 3600, &generic()), Rank::Pass);
    }
}

#[test]
fn errors_and_transitions_that_happened_before_the_first_look_are_nobodys_fault_now() {
    // The made-up port has counted some of each: only growth is judged.
    assert_eq!(found(carrier_stable, &after()), Rank::Pass);
    assert_eq!(found(post_fec_errors, &after()), Rank::Pass);
}

#[test]
fn each_fault_is_found_by_its_check() {
    for (check, attr, by) in [
        (carrier_stable as Asked, Attr::CarrierChanges, 2),
        (carrier_stable, Attr::LinkDownEvents, 1),
        (post_fec_errors, Attr::PcsSymbolErrors, 1),
        (post_fec_errors, Attr::SymbolErrors, 1),
        (post_fec_errors, Attr::CrcErrors, 1),
        (pre_fec_rate, Attr::CorrectedBits, 170_000_000_000),
        (pre_fec_rate_expected, Attr::CorrectedBits, 8_000_000_000),
        (drops, Attr::ReceiveDiscards, 30_000),
        (drops, Attr::TransmitDiscards, 30_000),
        (drops, Attr::OutOfBuffer, 30_000),
        (drops, Attr::SteerMissed, 30_000),
    ] {
        assert_eq!(found(check, &risen(attr, by)), Rank::Fail, "{attr}");
        assert_eq!(asked(check, &port(&LATE).0, &risen(attr, by).0, 3600, &generic()), Rank::Fail, "{attr}");
    }
}

#[test]
fn corrected_bits_and_drops_are_judged_by_their_share() {
    // 153e9 of 765e12 bits are 2e-4, 7.65e9 are 1e-5; 20000 of 20e9 packets are 1e-6.
    for (check, attr, at) in [
        (pre_fec_rate as Asked, Attr::CorrectedBits, 153_000_000_000),
        (pre_fec_rate_expected, Attr::CorrectedBits, 7_650_000_000),
        (drops, Attr::OutOfBuffer, 20_000),
    ] {
        assert_eq!(found(check, &risen(attr, at)), Rank::Pass, "{attr} at its limit");
        assert_eq!(found(check, &risen(attr, at + 1)), Rank::Fail, "{attr} just above it");
    }
    assert_eq!(found(pre_fec_rate, &risen(Attr::CorrectedBits, 20_000_000_000)), Rank::Pass, "2.6e-5 is a poor link and no broken one");
}

#[test]
fn counters_that_went_back_vanished_or_cannot_be_read_tell_nothing() {
    for (check, attr) in [
        (carrier_stable as Asked, Attr::CarrierChanges),
        (post_fec_errors, Attr::PcsSymbolErrors),
        (pre_fec_rate, Attr::ReceivedBits),
        (pre_fec_rate_expected, Attr::CorrectedBits),
        (drops, Attr::OutOfBuffer),
    ] {
        for reading in [0_u64.into(), Reading::Absent, unreadable()] {
            for site in [ordering(), generic()] {
                assert_eq!(asked(check, &port(&LATE).0, &with(attr, reading.clone()).0, 3600, &site), Rank::Inconclusive, "{attr} {reading}");
            }
        }
    }
}

#[test]
fn a_driver_that_was_loaded_again_makes_all_counters_begin_anew() {
    for check in ALL {
        assert_eq!(found(check, &with(Attr::InterfaceIndex, 9_u64)), Rank::Inconclusive);
        assert_eq!(found(check, &with(Attr::ReceivedPackets, 12_u64)), Rank::Inconclusive);
    }
    let broken = with(Attr::InterfaceIndex, 9_u64).plant(Kind::Nic, "eth0", Attr::CarrierChanges, 4_u64);
    assert_eq!(found(carrier_stable, &broken), Rank::Fail, "and what rose all the same is a fault");
}

#[test]
fn a_port_that_is_gone_fails_and_one_that_is_new_says_nothing() {
    let none = Node::bare().with(component(Kind::Nic, "eth9", &[(Attr::Carrier, false.into())]));
    let gone = |check, site: &Site| asked(check, &port(&LATE).0, &none.0, 3600, site);
    assert_eq!(gone(carrier_stable, &ordering()), Rank::Fail);
    assert_eq!(gone(drops, &ordering()), Rank::Inconclusive);
    assert_eq!(gone(carrier_stable, &generic()), Rank::Inconclusive, "a card does not go by itself");
    let adapter = component(Kind::Nic, "enx0", &[(Attr::CarrierChanges, 1_u64.into())]);
    assert_eq!(asked(carrier_stable, &port(&LATE).0, &after().with(adapter.clone()).0, 3600, &generic()), Rank::Pass);
    assert_eq!(asked(carrier_stable, &port(&LATE).with(adapter).0, &after().0, 3600, &generic()), Rank::Pass);
}

#[test]
fn a_short_look_finds_errors_and_proves_nothing_where_an_hour_is_asked() {
    let short = |check: Asked, site: &Site| asked(check, &port(&LATE).0, &after().0, 600, site);
    assert_eq!((short(post_fec_errors, &ordering()), short(post_fec_errors, &generic())), (Rank::Inconclusive, Rank::Pass));
    assert_eq!(asked(post_fec_errors, &port(&LATE).0, &risen(Attr::CrcErrors, 1).0, 600, &ordering()), Rank::Fail);
}

#[test]
fn bits_that_cannot_be_are_no_rate() {
    for (attr, by) in [(Attr::ReceivedBits, 1_000), (Attr::ReceivedBits, 3_000_000_000_000_000)] {
        assert_eq!(found(pre_fec_rate, &risen(attr, by)), Rank::Inconclusive, "{by}");
    }
    assert_eq!(found(pre_fec_rate, &risen(Attr::CorrectedBits, 800_000_000_000_000)), Rank::Inconclusive, "more than was received");
}

#[test]
fn without_a_count_of_bits_the_link_is_taken_to_have_carried_them() {
    let uncounted = |node: Node| node.plant(Kind::Nic, "eth0", Attr::ReceivedBits, Reading::Absent);
    let ask = |check: Asked, later: Node| asked(check, &uncounted(port(&LATE)).0, &uncounted(later).0, 3600, &ordering());
    // 200e9 bit/s for 3600 s are 7.2e14 bits: 1.44e11 of them are 2e-4.
    assert_eq!(ask(pre_fec_rate, risen(Attr::CorrectedBits, 144_000_000_000)), Rank::Pass);
    assert_eq!(ask(pre_fec_rate, risen(Attr::CorrectedBits, 144_000_000_001)), Rank::Fail);
    let flapped = risen(Attr::CarrierChanges, 2);
    assert_eq!(ask(pre_fec_rate, flapped), Rank::Inconclusive, "for how long it carried is not known");
    assert_eq!(ask(pre_fec_rate, with(Attr::Speed, 100_000_000_000_u64)), Rank::Inconclusive);
    assert_eq!(ask(pre_fec_rate, with(Attr::Speed, Reading::Absent)), Rank::Inconclusive);
    let pulled = with(Attr::Speed, Reading::Absent).plant(Kind::Nic, "eth0", Attr::Carrier, false);
    let before = uncounted(port(&LATE));
    assert_eq!(asked(pre_fec_rate, &before.0, &uncounted(pulled).0, 3600, &generic()), Rank::NotApplicable, "a link that is down has no rate");
}

#[test]
fn ports_without_a_link_or_without_such_counters_are_not_accused() {
    let plain = |node: Node| {
        let kept = [Attr::CarrierChanges, Attr::Carrier, Attr::LinkLayer];
        let mut node = node;
        node.0.components[0].attributes.retain(|attr, _| kept.contains(attr));
        node
    };
    for check in [post_fec_errors as Asked, pre_fec_rate, pre_fec_rate_expected, drops] {
        assert_eq!(asked(check, &plain(port(&LATE)).0, &plain(after()).0, 3600, &generic()), Rank::NotApplicable);
        let down = |node: Node| node.plant(Kind::Nic, "eth0", Attr::Carrier, false);
        assert_eq!(asked(check, &down(port(&LATE)).0, &down(after()).0, 3600, &generic()), Rank::NotApplicable);
        assert_eq!(asked(check, &down(port(&LATE)).0, &down(after()).0, 3600, &ordering()), Rank::Inconclusive, "no port was asked");
    }
    let radio =
        |node: Node, changes: u64| node.plant(Kind::Nic, "eth0", Attr::LinkLayer, "802.11").plant(Kind::Nic, "eth0", Attr::CarrierChanges, changes);
    assert_eq!(asked(carrier_stable, &radio(port(&LATE), 2).0, &radio(after(), 9).0, 3600, &generic()), Rank::NotApplicable);
}

#[test]
fn counters_that_an_ordered_port_lacks_in_both_looks_are_missed() {
    for (check, attr) in [(post_fec_errors as Asked, Attr::PcsSymbolErrors), (pre_fec_rate, Attr::CorrectedBits), (drops, Attr::SteerMissed)] {
        let without = |node: Node| node.plant(Kind::Nic, "eth0", attr, Reading::Absent);
        assert_eq!(asked(check, &without(port(&LATE)).0, &without(after()).0, 3600, &ordering()), Rank::Inconclusive, "{attr}");
    }
}

#[test]
fn a_look_that_failed_or_found_no_network_is_no_pass() {
    let failed = after().ended(Kind::Nic, ProbeEnded::Failed("EIO".into()));
    let missing = after().ended(Kind::Nic, ProbeEnded::SourceMissing("/sys/class/net".into()));
    for check in ALL {
        assert_eq!(asked(check, &port(&LATE).0, &failed.0, 3600, &generic()), Rank::Inconclusive);
        assert_eq!(asked(check, &failed.0, &after().0, 3600, &generic()), Rank::Inconclusive);
        assert_eq!(asked(check, &port(&LATE).0, &missing.0, 3600, &generic()), Rank::NotApplicable);
        assert_eq!(asked(check, &port(&LATE).0, &missing.0, 3600, &strict()), Rank::Inconclusive);
        let blind = Node::bare().with(component(Kind::Nic, "eth0", &[])).all(&unreadable());
        assert_ne!(asked(check, &blind.0, &blind.0, 3600, &generic()), Rank::Pass);
        let unread = after().all(&unreadable());
        assert_eq!(asked(check, &port(&LATE).0, &unread.0, 3600, &generic()), Rank::Inconclusive);
    }
}
