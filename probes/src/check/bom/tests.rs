//! Orders against nodes: what is missing, other, too much or unclear is found, and what is as ordered is not accused.

use std::collections::BTreeMap;

use assay_model::bom::Bom;
use assay_model::component::Value;
use assay_model::inventory::ProbeEnded;
use assay_model::verdict::Rank;

use super::*;
use crate::check::planted::{GIB, Node, component, generic, module, rank, strict, unreadable};

type Expected<'a> = &'a [(Attr, Matcher)];

fn is(value: impl Into<Value>) -> Matcher {
    Matcher::Equals(value.into())
}

fn line(name: &str, kind: Kind, quantity: u32, select: Expected<'_>, expect: Expected<'_>) -> BomLine {
    let map = |matchers: Expected<'_>| matchers.iter().cloned().collect::<BTreeMap<_, _>>();
    BomLine { name: name.into(), kind, quantity, part: None, select: map(select), expect: map(expect), facts: BTreeMap::new() }
}

fn ordering(site: Site, lines: &[BomLine]) -> Site {
    let bom = Bom { schema: 1, node_class: "made-up".into(), revision: "1".into(), lines: lines.to_vec(), cluster: None };
    Site { bom: Some(bom), ..site }
}

fn drive(address: &str, pci_id: &str, lanes: u64) -> Component {
    component(Kind::Nvme, address, &[(Attr::PciId, pci_id.into()), (Attr::LinkWidth, lanes.into())])
}

const BOOT: &str = "1344:51c3";
const DATA: &str = "1344:51bb";

/// Two boot drives and three data drives.
fn drives() -> Node {
    let node = Node::bare().with(drive("b0", BOOT, 4)).with(drive("b1", BOOT, 4));
    ["d0", "d1", "d2"].into_iter().fold(node, |node, address| node.with(drive(address, DATA, 4)))
}

fn drives_order() -> Site {
    let boot = line("boot drives", Kind::Nvme, 2, &[(Attr::PciId, is(BOOT))], &[(Attr::LinkWidth, is(4_u64))]);
    let data = line("data drives", Kind::Nvme, 3, &[], &[(Attr::LinkWidth, is(4_u64))]);
    ordering(strict(), &[boot, data])
}

// (id, subject, rank) of every answer, for whole-table comparison.
fn answers(node: &Node, site: &Site) -> Vec<(String, String, Rank)> {
    as_ordered(&node.0, site).into_iter().map(|check| (check.id.0, check.subject, check.verdict.rank())).collect()
}

fn answer(node: &Node, site: &Site, id: &str, subject: &str) -> Rank {
    let found: Vec<Rank> = answers(node, site).into_iter().filter(|(i, s, _)| i == id && s == subject).map(|(_, _, rank)| rank).collect();
    assert_eq!(found.len(), 1, "{id} of {subject}: {:#?}", answers(node, site));
    found[0]
}

#[test]
fn a_node_as_ordered_passes_with_one_answer_for_each_question() {
    let expected = [
        ("nvme.quantity", "boot drives"),
        ("nvme.link_width", "b0"),
        ("nvme.link_width", "b1"),
        ("nvme.quantity", "data drives"),
        ("nvme.link_width", "d0"),
        ("nvme.link_width", "d1"),
        ("nvme.link_width", "d2"),
        ("nvme.unexpected", "nvme"),
    ];
    let expected: Vec<_> = expected.into_iter().map(|(id, subject)| (id.to_owned(), subject.to_owned(), Rank::Pass)).collect();
    assert_eq!(answers(&drives(), &drives_order()), expected);
}

#[test]
fn one_drive_too_few_and_one_too_many_are_found_on_their_own_line() {
    let few = drives().pulled(Kind::Nvme, "d1");
    assert_eq!(answer(&few, &drives_order(), "nvme.quantity", "data drives"), Rank::Fail);
    assert_eq!(answer(&few, &drives_order(), "nvme.quantity", "boot drives"), Rank::Pass);
    let many = drives().with(drive("b2", BOOT, 4));
    assert_eq!(answer(&many, &drives_order(), "nvme.quantity", "data drives"), Rank::Pass);
    assert_eq!(answer(&many, &drives_order(), "nvme.quantity", "boot drives"), Rank::Fail);
}

#[test]
fn one_drive_with_half_its_lanes_is_found_among_the_others() {
    let node = drives().plant(Kind::Nvme, "d2", Attr::LinkWidth, 2_u64);
    assert_eq!(answer(&node, &drives_order(), "nvme.link_width", "d2"), Rank::Fail);
    assert_eq!(answer(&node, &drives_order(), "nvme.link_width", "d1"), Rank::Pass);
    let check = as_ordered(&node.0, &drives_order()).into_iter().find(|check| check.subject == "d2").expect("an answer");
    assert_eq!((check.expected.as_str(), check.observed.as_str(), check.source.as_str()), ("4", "2", "/sys/d2/link_width"));
}

#[test]
fn an_attribute_that_is_unreadable_or_absent_is_never_a_pass() {
    let unread = drives().plant(Kind::Nvme, "d2", Attr::LinkWidth, unreadable());
    assert_eq!(answer(&unread, &drives_order(), "nvme.link_width", "d2"), Rank::Inconclusive);
    let absent = drives().plant(Kind::Nvme, "d2", Attr::LinkWidth, Reading::Absent);
    assert_eq!(answer(&absent, &drives_order(), "nvme.link_width", "d2"), Rank::Inconclusive);
    let lenient = Site { absence: generic().absence, ..drives_order() };
    assert_eq!(answer(&absent, &lenient, "nvme.link_width", "d2"), Rank::NotApplicable);
}

#[test]
fn a_mark_that_cannot_be_read_leaves_both_lines_open() {
    let node = drives().plant(Kind::Nvme, "b1", Attr::PciId, unreadable());
    let of_b1: Vec<_> = answers(&node, &drives_order()).into_iter().filter(|(_, subject, _)| subject == "b1").collect();
    let open = |id: &str| (id.to_owned(), "b1".to_owned(), Rank::Inconclusive);
    assert_eq!(of_b1, [open("nvme.link_width"), open("nvme.link_width"), open("nvme.unexpected")]);
    assert_eq!(answer(&node, &drives_order(), "nvme.quantity", "boot drives"), Rank::Inconclusive);
    assert_eq!(answer(&node, &drives_order(), "nvme.quantity", "data drives"), Rank::Inconclusive);
}

#[test]
fn a_line_of_which_every_component_is_unclear_asks_each_of_them() {
    let node = Node::bare().with(drive("b0", BOOT, 4)).plant(Kind::Nvme, "b0", Attr::PciId, unreadable());
    let lanes: Vec<_> = answers(&node, &drives_order()).into_iter().filter(|(id, _, _)| id == "nvme.link_width").collect();
    let open = ("nvme.link_width".to_owned(), "b0".to_owned(), Rank::Inconclusive);
    assert_eq!(lanes, [open.clone(), open]);
}

#[test]
fn a_quantity_that_no_reading_of_an_unclear_mark_could_meet_fails() {
    let node = drives().plant(Kind::Nvme, "b1", Attr::PciId, unreadable()).pulled(Kind::Nvme, "b0").pulled(Kind::Nvme, "d0").pulled(Kind::Nvme, "d1");
    assert_eq!(answer(&node, &drives_order(), "nvme.quantity", "boot drives"), Rank::Fail);
    assert_eq!(answer(&node, &drives_order(), "nvme.quantity", "data drives"), Rank::Fail);
}

#[test]
fn a_line_with_no_component_at_all_fails_its_quantity_and_leaves_the_rest_open() {
    let answers = answers(&Node::bare(), &drives_order());
    let row = |id: &str, subject: &str, rank| (id.to_owned(), subject.to_owned(), rank);
    let expected = [
        row("nvme.quantity", "boot drives", Rank::Fail),
        row("nvme.link_width", "boot drives", Rank::Inconclusive),
        row("nvme.quantity", "data drives", Rank::Fail),
        row("nvme.link_width", "data drives", Rank::Inconclusive),
        row("nvme.unexpected", "nvme", Rank::Inconclusive),
    ];
    assert_eq!(answers, expected);
}

#[test]
fn a_probe_that_hung_or_failed_leaves_every_question_of_its_lines_open() {
    for ended in [ProbeEnded::Hung("/sys/class/nvme".into()), ProbeEnded::Failed("EIO".into())] {
        let mut node = drives();
        node.0.probes.iter_mut().filter(|outcome| outcome.kinds == [Kind::Nvme]).for_each(|outcome| outcome.ended = ended.clone());
        for site in [drives_order(), Site { absence: generic().absence, ..drives_order() }] {
            let checks = as_ordered(&node.0, &site);
            assert_eq!(checks.len(), 5);
            for check in checks {
                assert!(matches!(&check.verdict, Verdict::Inconclusive(Reason::Unreadable(_))), "{check:?}");
            }
        }
    }
}

#[test]
fn a_kind_that_this_host_cannot_see_is_open_and_not_missing() {
    let node = drives().ended(Kind::Nvme, ProbeEnded::SourceMissing("/sys/class/nvme".into()));
    assert!(answers(&node, &drives_order()).iter().all(|(_, _, rank)| *rank == Rank::Inconclusive));
    let lenient = Site { absence: generic().absence, ..drives_order() };
    assert!(answers(&node, &lenient).iter().all(|(_, _, rank)| *rank == Rank::NotApplicable));
}

#[test]
fn a_component_that_no_line_takes_is_unexpected() {
    let only_boot = ordering(strict(), &[line("boot drives", Kind::Nvme, 2, &[(Attr::PciId, is(BOOT))], &[(Attr::LinkWidth, is(4_u64))])]);
    let node = drives().pulled(Kind::Nvme, "d1").pulled(Kind::Nvme, "d2");
    assert_eq!(answer(&node, &only_boot, "nvme.unexpected", "d0"), Rank::Fail);
    assert_eq!(answer(&node.pulled(Kind::Nvme, "d0"), &only_boot, "nvme.unexpected", "nvme"), Rank::Pass);
}

#[test]
fn a_kind_of_which_the_order_does_not_speak_is_not_looked_at() {
    let node = drives().with(component(Kind::Block, "sr0", &[]));
    assert!(as_ordered(&node.0, &drives_order()).iter().all(|check| check.id.as_str().starts_with("nvme.")));
}

#[test]
fn two_lines_may_speak_of_the_same_ports() {
    let id = (Attr::PciId, is("15b3:101b"));
    let ports = line("fast ports", Kind::Nic, 2, std::slice::from_ref(&id), &[(Attr::LinkWidth, is(16_u64))]);
    let links = line("fast links", Kind::Nic, 2, &[id, (Attr::Carrier, is(true))], &[(Attr::Speed, is(200_000_000_000_u64))]);
    let site = ordering(strict(), &[ports, links]);
    let port = |name: &str, carrier: bool, speed: Reading| {
        let attributes = [(Attr::PciId, "15b3:101b".into()), (Attr::LinkWidth, 16_u64.into()), (Attr::Carrier, carrier.into()), (Attr::Speed, speed)];
        component(Kind::Nic, name, &attributes)
    };
    let up = || Reading::from(200_000_000_000_u64);
    let both = Node::bare().with(port("p0", true, up())).with(port("p1", true, up()));
    assert_eq!(rank(&as_ordered(&both.0, &site)), Rank::Pass);
    let one = Node::bare().with(port("p0", true, up())).with(port("p1", false, Reading::Absent));
    assert_eq!(answer(&one, &site, "nic.quantity", "fast ports"), Rank::Pass);
    assert_eq!(answer(&one, &site, "nic.quantity", "fast links"), Rank::Fail);
    assert_eq!(answer(&one, &site, "nic.unexpected", "nic"), Rank::Pass);
}

fn modules(fitted: usize, empty: usize) -> Node {
    let node = (0..fitted).fold(Node::bare(), |node, slot| node.with(module(&format!("A{slot}"), 96 * GIB)));
    (0..empty).fold(node, |node, slot| node.with(component(Kind::Dimm, &format!("B{slot}"), &[(Attr::Populated, false.into())])))
}

#[test]
fn empty_slots_are_neither_modules_nor_unexpected() {
    let capacity = [(Attr::Capacity, is(96 * GIB))];
    let populated = [(Attr::Populated, is(true))];
    for order in [
        line("modules", Kind::Dimm, 12, &[], &capacity),
        line("modules", Kind::Dimm, 12, &populated, &capacity),
        line("modules", Kind::Dimm, 12, &[], &[capacity.clone(), populated.clone()].concat()),
        line("modules", Kind::Dimm, 12, &capacity, &capacity),
    ] {
        let site = ordering(strict(), &[order]);
        assert_eq!(rank(&as_ordered(&modules(12, 12).0, &site)), Rank::Pass);
        assert_eq!(answer(&modules(11, 13), &site, "dimm.quantity", "modules"), Rank::Fail);
        let unclear = modules(11, 1).plant(Kind::Dimm, "B0", Attr::Populated, unreadable());
        assert!(matches!(answer(&unclear, &site, "dimm.quantity", "modules"), Rank::Inconclusive | Rank::Fail));
        assert_ne!(rank(&as_ordered(&unclear.0, &site)), Rank::Pass);
    }
}

#[test]
fn a_line_that_orders_empty_slots_counts_them() {
    let fitted = line("modules", Kind::Dimm, 12, &[(Attr::Populated, is(true))], &[(Attr::Capacity, is(96 * GIB))]);
    let empty = line("empty slots", Kind::Dimm, 4, &[(Attr::Populated, is(false))], &[(Attr::Populated, is(false))]);
    let site = ordering(strict(), &[fitted, empty]);
    assert_eq!(rank(&as_ordered(&modules(12, 4).0, &site)), Rank::Pass);
    assert_eq!(answer(&modules(12, 3), &site, "dimm.quantity", "empty slots"), Rank::Fail);
}

#[test]
fn a_gpu_that_lowered_its_link_is_asked_again_under_load() {
    let site = ordering(strict(), &[line("gpus", Kind::Gpu, 1, &[], &[(Attr::LinkSpeed, is(16.0)), (Attr::LinkWidth, is(16_u64))])]);
    let gpu =
        |speed: f64, lanes: u64| Node::bare().with(component(Kind::Gpu, "g0", &[(Attr::LinkSpeed, speed.into()), (Attr::LinkWidth, lanes.into())]));
    assert_eq!(answer(&gpu(2.5, 16), &site, "gpu.link_speed", "g0"), Rank::Inconclusive);
    assert_eq!(answer(&gpu(16.0, 16), &site, "gpu.link_speed", "g0"), Rank::Pass);
    assert_eq!(answer(&gpu(2.5, 8), &site, "gpu.link_width", "g0"), Rank::Fail);
    let drives = ordering(strict(), &[line("drives", Kind::Nvme, 1, &[], &[(Attr::LinkSpeed, is(32.0))])]);
    let slow = Node::bare().with(component(Kind::Nvme, "d0", &[(Attr::LinkSpeed, 16.0.into())]));
    assert_eq!(answer(&slow, &drives, "nvme.link_speed", "d0"), Rank::Fail);
}

#[test]
fn an_order_without_lines_is_inconclusive() {
    assert_eq!(rank(&as_ordered(&drives().0, &ordering(generic(), &[]))), Rank::Inconclusive);
}

#[test]
fn no_id_of_an_order_is_listed_twice() {
    let ids: Vec<CheckId> = ids().collect();
    assert_eq!(ids.iter().collect::<std::collections::BTreeSet<_>>().len(), ids.len());
    assert_eq!(filled::FILLED.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), Kind::ALL);
}
