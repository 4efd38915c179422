//! Planted differences and what they must be called.

use super::*;
use crate::inventory::{ProbeEnded, ProbeOutcome};

pub(super) fn node(host: &str, components: Vec<Component>) -> Inventory {
    let probes =
        Kind::ALL.iter().map(|kind| ProbeOutcome { probe: kind.name().into(), kinds: vec![*kind], ended: ProbeEnded::Completed, elapsed_ns: 1 });
    Inventory { host: host.into(), boot_id: "boot".into(), taken_at: "2026-11-23T00:00:00Z".into(), components, probes: probes.collect() }
}

pub(super) fn drive(locator: &str, serial: &str) -> Component {
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

fn consequences(before: Vec<Component>, after: Vec<Component>) -> Vec<(Consequence, Kind, String)> {
    let drift = between(&node("n1", before), &node("n1", after), Relation::SameNode);
    drift.changes.into_iter().map(|change| (change.consequence, change.kind, change.locator)).collect()
}

#[test]
fn what_can_be_read_in_neither_is_no_agreement() {
    let blind = || drive("0000:41:00.0", "s1").with(Attr::MediaErrors, "a", Reading::Unreadable("EACCES".into()));
    assert_eq!(changes(blind(), blind(), Relation::SameNode), [(Consequence::Unknown, Some(Attr::MediaErrors))]);
    let failed = |why: &str| {
        let mut inventory = node("n1", Vec::new());
        for outcome in inventory.probes.iter_mut().filter(|outcome| outcome.kinds == [Kind::Dimm]) {
            outcome.ended = ProbeEnded::Failed(why.into());
        }
        inventory
    };
    let drift = between(&failed("EACCES"), &failed("EIO"), Relation::SameNode);
    assert_eq!(drift.changes.iter().map(|change| (change.consequence, change.kind)).collect::<Vec<_>>(), [(Consequence::Unknown, Kind::Dimm)]);
}

#[test]
fn a_bus_that_is_numbered_anew_moves_parts_and_loses_none() {
    let machine = |bus: &str, other: &str, port: &str| {
        let pci = |place: String, id: &str| Component::new(Kind::Pci, place).with(Attr::PciId, "a", id).with(Attr::PciClass, "a", "0x010802");
        vec![
            drive(&format!("0000:{bus}:00.0"), "s1"),
            drive(&format!("0000:{other}:00.0"), "s2"),
            pci(format!("0000:{bus}:00.0"), "1e0f:0011").with(Attr::AerCorrectable, "a", 7_u64),
            pci(format!("0000:{other}:00.0"), "1e0f:0011").with(Attr::AerCorrectable, "a", 0_u64),
            pci(format!("0000:{bus}:01.0"), "10de:2330"),
            Component::new(Kind::Nic, port).with(Attr::Mac, "a", "02:00:00:00:00:01"),
            Component::new(Kind::BondMember, port),
            Component::new(Kind::Thermal, format!("nvme 0000:{bus}:00.0 Composite")),
        ]
    };
    // The one bus takes the number that the other had.
    let found = consequences(machine("41", "42", "enp65s0"), machine("42", "43", "enp66s0"));
    assert_eq!(found.len(), 8, "{found:?}");
    assert!(found.iter().all(|(consequence, _, _)| *consequence == Consequence::Moved), "{found:?}");
}

#[test]
fn ports_of_one_card_are_told_apart_and_so_are_controllers_of_one_drive() {
    let port = |name: &str, mac: &str| Component::new(Kind::Nic, name).with(Attr::Serial, "a", "card").with(Attr::Mac, "a", mac);
    let found = consequences(vec![port("a0", "1"), port("a1", "2")], vec![port("b0", "1"), port("b1", "2")]);
    assert_eq!(found.iter().map(|(one, _, _)| *one).collect::<Vec<_>>(), [Consequence::Moved, Consequence::Moved]);
    let path = |place: &str, number: u64| drive(place, "s1").with(Attr::ControllerId, "a", number);
    let found = consequences(vec![path("0000:41:00.0", 1), path("0000:42:00.0", 2)], vec![path("0000:51:00.0", 1), path("0000:52:00.0", 2)]);
    assert_eq!(found.iter().map(|(one, _, _)| *one).collect::<Vec<_>>(), [Consequence::Moved, Consequence::Moved]);
}

#[test]
fn counters_of_a_life_go_on_over_a_boot_and_those_of_a_boot_do_not() {
    for (attr, was, is, consequence) in [
        // As many again since the boot are new ones.
        (Attr::AerCorrectable, 3_u64, 3_u64, Some(Consequence::Errors)),
        (Attr::LinkDownEvents, 1, 1, None),
        (Attr::LinkDownEvents, 1, 2, Some(Consequence::Errors)),
        (Attr::ChecksumErrors, 0, 2, Some(Consequence::Errors)),
        (Attr::MediaErrors, 7, 7, None),
        (Attr::MediaErrors, 7, 0, Some(Consequence::Reset)),
        (Attr::MediaErrors, 7, 8, Some(Consequence::Errors)),
        (Attr::UncorrectedErrors, 7, 0, Some(Consequence::Volatile)),
        (Attr::CriticalWarning, 8, 4, Some(Consequence::Errors)),
        (Attr::CriticalWarning, 12, 4, Some(Consequence::Setting)),
        (Attr::DataErrors, 0, 1, Some(Consequence::Errors)),
        (Attr::AvailableSpare, 100, 20, Some(Consequence::Degraded)),
    ] {
        let part = |count: u64| Component::new(Kind::Nvme, "0000:41:00.0").with(attr, "a", count);
        let mut after = node("n1", vec![part(is)]);
        after.boot_id = "another".into();
        let found = between(&node("n1", vec![part(was)]), &after, Relation::SameNode).changes;
        assert_eq!(found.first().map(|change| change.consequence), consequence, "{attr} {was} -> {is}");
    }
}

#[test]
fn a_counter_that_comes_with_errors_or_goes_is_not_silent() {
    let part = |count: Reading| Component::new(Kind::Pci, "0000:41:00.0").with(Attr::AerFatal, "a", count);
    for (was, is, consequence) in [
        (Reading::Absent, Reading::from(2_u64), Consequence::Errors),
        (Reading::Unreadable("EIO".into()), 2_u64.into(), Consequence::Errors),
        (2_u64.into(), Reading::Absent, Consequence::Unreadable),
    ] {
        assert_eq!(changes(part(was.clone()), part(is.clone()), Relation::SameNode), [(consequence, Some(Attr::AerFatal))], "{was} {is}");
    }
}

#[test]
fn peers_with_fewer_errors_differ_too() {
    let part = |count: u64| Component::new(Kind::MachineCheck, "node").with(Attr::MachineChecks, "a", count);
    assert_eq!(changes(part(5), part(0), Relation::Peers), [(Consequence::Errors, Some(Attr::MachineChecks))]);
    assert_eq!(changes(part(5), part(5), Relation::Peers), []);
}

#[test]
fn worse_states_are_degraded_and_an_idle_gpu_is_not() {
    for (attr, was, is) in [
        (Attr::State, "ONLINE", "DEGRADED"),
        (Attr::Health, "Warning", "Critical"),
        (Attr::ErrorCorrection, "Multi-bit ECC", "None"),
        (Attr::FecActive, "BaseR", "Off"),
    ] {
        let part = |word: &str| Component::new(Kind::Pool, "rpool").with(attr, "a", word);
        assert_eq!(changes(part(was), part(is), Relation::SameNode), [(Consequence::Degraded, Some(attr))], "{attr}");
    }
    let disk = |is_read_only: bool| Component::new(Kind::Block, "sda").with(Attr::ReadOnly, "a", is_read_only);
    assert_eq!(changes(disk(false), disk(true), Relation::SameNode), [(Consequence::Degraded, Some(Attr::ReadOnly))]);
    let gpu = |speed: f64, width: u64| Component::new(Kind::Gpu, "0000:81:00.0").with(Attr::LinkSpeed, "a", speed).with(Attr::LinkWidth, "a", width);
    assert_eq!(changes(gpu(32.0, 16), gpu(2.5, 16), Relation::SameNode), [(Consequence::Volatile, Some(Attr::LinkSpeed))]);
    assert_eq!(changes(gpu(32.0, 16), gpu(32.0, 8), Relation::SameNode), [(Consequence::Degraded, Some(Attr::LinkWidth))]);
}

#[test]
fn another_board_with_the_same_parts_is_the_same_node() {
    let machine = |board: &str, drives: [&str; 3]| {
        let drives = drives.iter().map(|serial| drive(&format!("0000:4{serial}:00.0"), serial));
        node("n1", drives.chain([Component::new(Kind::Board, "board").with(Attr::Serial, "a", board)]).collect())
    };
    assert_eq!(Relation::of(&machine("x", ["1", "2", "3"]), &machine("y", ["1", "2", "4"])), Relation::Peers);
    assert_eq!(Relation::of(&machine("x", ["1", "2", "3"]), &machine("y", ["1", "2", "3"])), Relation::SameNode);
    assert_eq!(Relation::of(&machine("x", ["1", "2", "3"]), &machine("y", ["4", "5", "6"])), Relation::Peers);
}

#[test]
fn whatever_is_called_an_error_counts_as_one() {
    let called = Attr::ALL.iter().filter(|attr| attr.name().ends_with("_errors"));
    let forgotten: Vec<_> = called.filter(|attr| !super::meaning::counts_errors(**attr)).collect();
    assert!(forgotten.is_empty(), "{forgotten:?}");
    let part = |errors: Reading| Component::new(Kind::Nvme, "0000:41:00.0").with(Attr::HardwareErrors, "a", errors);
    let (none, some) = (|| Reading::Value(Value::List(Vec::new())), Reading::Value(Value::List(vec!["3 x media error".into()])));
    assert_eq!(changes(part(none()), part(some), Relation::SameNode), [(Consequence::Errors, Some(Attr::HardwareErrors))]);
    assert_eq!(changes(part(Reading::Absent), part(none()), Relation::SameNode), [(Consequence::Volatile, Some(Attr::HardwareErrors))]);
    assert_eq!(changes(part(none()), part(none()), Relation::SameNode), []);
}

#[test]
fn a_new_entry_of_the_log_is_an_error_and_a_cleared_log_a_reset() {
    let entry = |number: &str, words: &str| Component::new(Kind::BmcLogEntry, number).with(Attr::Message, "a", words);
    let found =
        |before: Vec<Component>, after: Vec<Component>| -> Vec<_> { consequences(before, after).into_iter().map(|(one, _, _)| one).collect() };
    assert_eq!(found(vec![], vec![entry("1", "PSU lost input")]), [Consequence::Errors]);
    assert_eq!(found(vec![entry("1", "PSU lost input")], vec![]), [Consequence::Reset]);
    assert_eq!(found(vec![entry("1", "PSU lost input")], vec![entry("1", "DIMM A1 uncorrectable")]), [Consequence::Errors]);
}
