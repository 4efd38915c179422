//! Planted differences and what they must be called.

use super::*;
use crate::inventory::{ProbeEnded, ProbeOutcome};

fn node(host: &str, components: Vec<Component>) -> Inventory {
    let probes =
        Kind::ALL.iter().map(|kind| ProbeOutcome { probe: kind.name().into(), kinds: vec![*kind], ended: ProbeEnded::Completed, elapsed_ns: 1 });
    Inventory { host: host.into(), boot_id: "boot".into(), taken_at: "2026-11-23T00:00:00Z".into(), components, probes: probes.collect() }
}

fn drive(locator: &str, serial: &str) -> Component {
    Component::new(Kind::Nvme, locator)
        .with(Attr::Serial, "a", serial)
        .with(Attr::Firmware, "a", "1.0")
        .with(Attr::State, "a", "live")
        .with(Attr::LinkSpeed, "a", 32.0)
        .with(Attr::LinkWidth, "a", 4_u64)
        .with(Attr::AerCorrectable, "a", 3_u64)
        .with(Attr::NumaNode, "a", 0_u64)
        .with(Attr::Temperature, "a", 40.0)
}

fn changes(before: Component, after: Component, relation: Relation) -> Vec<(Consequence, Option<Attr>)> {
    let drift = between(&node("n1", vec![before]), &node("n1", vec![after]), relation);
    drift.changes.into_iter().map(|change| (change.consequence, change.attr)).collect()
}

#[test]
fn a_node_does_not_differ_from_itself() {
    let inventory = node("n1", vec![drive("0000:41:00.0", "s1")]);
    assert_eq!(between(&inventory, &inventory, Relation::SameNode).changes, Vec::new());
}

#[test]
fn each_change_is_called_by_its_consequence() {
    let old = || drive("0000:41:00.0", "s1");
    for (attr, value, consequence) in [
        (Attr::LinkSpeed, Reading::from(16.0), Consequence::Degraded),
        (Attr::LinkWidth, 2_u64.into(), Consequence::Degraded),
        (Attr::LinkWidth, 8_u64.into(), Consequence::Setting),
        (Attr::State, "dead".into(), Consequence::Degraded),
        (Attr::State, Reading::Absent, Consequence::Degraded),
        (Attr::AerCorrectable, 4_u64.into(), Consequence::Errors),
        (Attr::AerCorrectable, 2_u64.into(), Consequence::Reset),
        (Attr::Firmware, "1.1".into(), Consequence::Firmware),
        (Attr::NumaNode, 1_u64.into(), Consequence::Topology),
        (Attr::Serial, "s2".into(), Consequence::Replaced),
        (Attr::Firmware, Reading::Unreadable("EIO".into()), Consequence::Unreadable),
        (Attr::Temperature, 50.0.into(), Consequence::Volatile),
    ] {
        let new = old().with(attr, "a", value.clone());
        assert_eq!(changes(old(), new, Relation::SameNode), [(consequence, Some(attr))], "{attr} {value}");
    }
}

#[test]
fn counters_begin_anew_with_a_boot_and_what_they_count_then_is_still_an_error() {
    let old = node("n1", vec![drive("0000:41:00.0", "s1")]);
    for (counted, consequence) in [(0_u64, Consequence::Volatile), (1, Consequence::Errors), (4, Consequence::Errors)] {
        let mut rebooted = node("n1", vec![drive("0000:41:00.0", "s1").with(Attr::AerCorrectable, "a", counted)]);
        rebooted.boot_id = "another".into();
        let all: Vec<Consequence> = between(&old, &rebooted, Relation::SameNode).changes.iter().map(|change| change.consequence).collect();
        assert_eq!(all, [consequence], "{counted}");
    }
}

#[test]
fn parts_that_swap_places_moved_and_were_not_replaced() {
    let before = node("n1", vec![drive("0000:41:00.0", "s1"), drive("0000:42:00.0", "s2")]);
    let after = node("n1", vec![drive("0000:41:00.0", "s2"), drive("0000:42:00.0", "s1")]);
    let all: Vec<Consequence> = between(&before, &after, Relation::SameNode).changes.iter().map(|change| change.consequence).collect();
    assert_eq!(all, [Consequence::Moved, Consequence::Moved]);
}

#[test]
fn a_lost_part_comes_first_and_a_new_one_is_named() {
    let before = node("n1", vec![drive("0000:41:00.0", "s1"), drive("0000:42:00.0", "s2")]);
    let after = node("n1", vec![drive("0000:41:00.0", "s1").with(Attr::Firmware, "a", "2"), drive("0000:43:00.0", "s3")]);
    let drift = between(&before, &after, Relation::SameNode);
    let all: Vec<Consequence> = drift.changes.iter().map(|change| change.consequence).collect();
    assert_eq!(all, [Consequence::Lost, Consequence::Appeared, Consequence::Firmware]);
    assert_eq!((drift.changes[0].locator.as_str(), drift.changes[1].after.as_str()), ("0000:42:00.0", "s3"));
}

#[test]
fn peers_differ_in_their_names_and_are_alike_all_the_same() {
    assert_eq!(changes(drive("0000:41:00.0", "s1"), drive("0000:41:00.0", "s9"), Relation::Peers), []);
    let slower = drive("0000:41:00.0", "s9").with(Attr::LinkSpeed, "a", 16.0);
    assert_eq!(changes(drive("0000:41:00.0", "s1"), slower, Relation::Peers), [(Consequence::Degraded, Some(Attr::LinkSpeed))]);
}

#[test]
fn a_probe_that_could_not_look_is_unreadable_and_not_a_loss() {
    let before = node("n1", vec![drive("0000:41:00.0", "s1")]);
    let mut after = node("n1", Vec::new());
    for outcome in after.probes.iter_mut().filter(|outcome| outcome.kinds == [Kind::Nvme]) {
        outcome.ended = ProbeEnded::Failed("cannot list /sys/class/nvme: EIO".into());
    }
    let drift = between(&before, &after, Relation::SameNode);
    assert_eq!(drift.changes.iter().map(|change| change.consequence).collect::<Vec<_>>(), [Consequence::Unreadable]);
}

#[test]
fn one_node_is_known_by_the_serial_number_of_its_board() {
    let board = |serial: &str| vec![Component::new(Kind::Board, "board").with(Attr::Serial, "a", serial)];
    assert_eq!(Relation::of(&node("n1", board("x")), &node("renamed", board("x"))), Relation::SameNode);
    assert_eq!(Relation::of(&node("n1", board("x")), &node("n1", board("y"))), Relation::Peers);
    assert_eq!(Relation::of(&node("n1", Vec::new()), &node("n1", board("y"))), Relation::SameNode);
    assert_eq!(Relation::of(&node("n1", Vec::new()), &node("n2", Vec::new())), Relation::Peers);
}

#[test]
fn an_answer_is_worse_when_it_accuses_more() {
    let change = |before, after| VerdictChange { id: "a".into(), subject: "b".into(), before, after, why: String::new() };
    assert!(change(Some(Rank::Pass), Some(Rank::Fail)).is_worse());
    assert!(change(None, Some(Rank::Inconclusive)).is_worse());
    assert!(!change(Some(Rank::Fail), Some(Rank::Inconclusive)).is_worse());
    assert!(!change(Some(Rank::Pass), None).is_worse());
}
