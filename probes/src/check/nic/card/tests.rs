//! Cards with a fault each, and cards that must not be accused.

use std::collections::BTreeMap;

use assay_model::bom::{Bom, BomLine};
use assay_model::component::Reading;
use assay_model::matcher::Matcher;
use assay_model::verdict::Rank;

use super::*;
use crate::check::planted::{Node, component, generic, rank, strict, unreadable};

const CARD: &str = "15b3:101b";

/// A site that orders cards of this kind and pins nothing.
fn ordering() -> Site {
    let line = BomLine {
        name: "fast ports".into(),
        kind: Kind::Nic,
        quantity: 2,
        part: None,
        select: BTreeMap::from([(Attr::PciId, Matcher::Equals(CARD.into()))]),
        expect: BTreeMap::new(),
        facts: Default::default(),
    };
    let bom = Bom { schema: 1, node_class: "any".into(), revision: "1".into(), lines: vec![line], cluster: None };
    Site { bom: Some(bom), ..strict() }
}

fn pinning(version: &str) -> Site {
    let mut site = ordering();
    site.declared.nics.firmware.insert(CARD.into(), version.into());
    site
}

fn planted(attr: Attr, reading: impl Into<Reading>) -> Node {
    Node::healthy().plant(Kind::Nic, "eth0", attr, reading)
}

#[test]
fn a_port_that_speaks_infiniband_fails_where_ethernet_was_ordered() {
    let node = planted(Attr::LinkLayer, "InfiniBand");
    assert_eq!((node.strictly(link_layer), node.generically(link_layer)), (Rank::Fail, Rank::Pass), "eth1 still passes");
    let alone = node.pulled(Kind::Nic, "eth1");
    assert_eq!(alone.generically(link_layer), Rank::NotApplicable, "InfiniBand is no fault of a machine that nobody ordered");
    let mut site = generic();
    site.declared.nics.link_layer = Some("InfiniBand".into());
    assert_eq!(rank(&link_layer(&alone.0, &site)), Rank::Pass);
}

#[test]
fn an_infiniband_port_without_interface_is_caught_and_a_radio_is_no_port() {
    let node = Node::healthy().with(component(Kind::Nic, "mlx5_1", &[(Attr::LinkLayer, "InfiniBand".into())]));
    assert_eq!(node.about("mlx5_1", link_layer).verdict.rank(), Rank::Fail);
    let laptop = Node::healthy().with(component(Kind::Nic, "wlan0", &[(Attr::LinkLayer, "802.11".into())]));
    assert_eq!((laptop.strictly(link_layer), laptop.generically(link_layer)), (Rank::Pass, Rank::Pass));
    assert_eq!(planted(Attr::LinkLayer, unreadable()).generically(link_layer), Rank::Inconclusive);
}

#[test]
fn firmware_that_is_flashed_and_does_not_run_fails_at_any_site() {
    let node = planted(Attr::FirmwareStored, "20.44.1036");
    assert_eq!((node.strictly(firmware_activated), node.generically(firmware_activated)), (Rank::Fail, Rank::Fail));
    assert!(node.about("eth0", firmware_activated).verdict.reason().contains("20.44.1036 is stored"));
}

#[test]
fn firmware_other_than_the_pinned_one_fails_and_one_that_is_not_pinned_is_no_pass() {
    let asked = |site: &Site, node: &Node| rank(&firmware_activated(&node.0, site));
    assert_eq!(asked(&pinning("20.43.2566"), &Node::healthy()), Rank::Pass);
    assert_eq!(asked(&pinning("20.42.1000"), &Node::healthy()), Rank::Fail);
    assert_eq!(asked(&ordering(), &Node::healthy()), Rank::Inconclusive);
    assert_eq!(asked(&pinning("20.43.2566"), &planted(Attr::FirmwareStored, Reading::Absent)), Rank::Inconclusive);
    assert_eq!(asked(&pinning("20.43.2566"), &planted(Attr::FirmwareStored, unreadable())), Rank::Inconclusive);
    assert_eq!(asked(&pinning("20.42.1000"), &planted(Attr::FirmwareStored, Reading::Absent)), Rank::Fail);
    // A port of the board, of which nothing is ordered and nothing stored is told, is not asked.
    let board = component(Kind::Nic, "eno1", &[(Attr::PciId, "8086:1521".into()), (Attr::Firmware, "1.63".into())]);
    assert_eq!(asked(&pinning("20.43.2566"), &Node::healthy().with(board)), Rank::Pass);
}

#[test]
fn an_odd_board_id_fails_among_cards_of_its_kind_only() {
    let card = |locator: &str, id: &str, psid: &str| component(Kind::Nic, locator, &[(Attr::PciId, id.into()), (Attr::Psid, psid.into())]);
    let lx = Node::healthy().with(card("eth2", "15b3:101f", "MT_0000000547"));
    assert_eq!(lx.strictly(psid_alike), Rank::Pass, "another kind of card has another id");
    let odd = lx.clone().with(card("eth3", CARD, "DEL0000000031"));
    assert_eq!((odd.strictly(psid_alike), odd.generically(psid_alike)), (Rank::Fail, Rank::Pass));
    let failed: Vec<Check> = psid_alike(&odd.0, &strict()).into_iter().filter(|check| check.verdict.rank() == Rank::Fail).collect();
    assert_eq!((failed.len(), failed[0].subject.as_str()), (1, "nic psid of 15b3:101b"));
    let mute = lx.with(component(Kind::Nic, "eth3", &[(Attr::PciId, CARD.into())]));
    assert_eq!(rank(&psid_alike(&mute.0, &ordering())), Rank::Inconclusive, "one that does not say may be the odd one");
}

#[test]
fn a_fast_link_without_rs_fails_where_something_is_ordered() {
    for active in ["Off", "None", "BaseR", "Auto"] {
        let node = planted(Attr::FecActive, active);
        assert_eq!((node.strictly(fec), node.generically(fec)), (Rank::Fail, Rank::NotApplicable), "{active}");
    }
    assert_eq!(planted(Attr::FecActive, unreadable()).generically(fec), Rank::Inconclusive);
    assert_eq!(planted(Attr::FecActive, Reading::Absent).strictly(fec), Rank::Inconclusive);
    assert_eq!(planted(Attr::FecActive, Reading::Absent).generically(fec), Rank::NotApplicable);
}

#[test]
fn slow_and_unplugged_ports_need_no_fec_and_a_declared_one_is_compared() {
    let off = planted(Attr::FecActive, "Off");
    let slow = off.clone().plant(Kind::Nic, "eth0", Attr::Speed, 10_000_000_000_u64);
    assert_eq!((slow.strictly(fec), slow.generically(fec)), (Rank::Inconclusive, Rank::NotApplicable), "nobody is asked");
    let unplugged = off.clone().plant(Kind::Nic, "eth0", Attr::Carrier, false);
    assert_eq!(unplugged.generically(fec), Rank::NotApplicable);
    let mut site = ordering();
    site.declared.nics.fec.insert(CARD.into(), Fec::Off);
    assert_eq!((rank(&fec(&off.0, &site)), rank(&fec(&Node::healthy().0, &site))), (Rank::Pass, Rank::Fail));
    let mute = off.plant(Kind::Nic, "eth0", Attr::Speed, Reading::Absent);
    assert_eq!(rank(&fec(&mute.0, &ordering())), Rank::Inconclusive, "a link without a speed may be any link");
}
