//! What holds for every check of the registry: none is empty, none passes on what was not read, and each answers a missing source as the site says.

use std::collections::BTreeSet;

use assay_model::attr::{Attr, Kind};
use assay_model::bom::{Bom, BomLine};
use assay_model::check::{Absence, CheckId};
use assay_model::component::{Component, Reading, Value};
use assay_model::inventory::{Inventory, ProbeEnded, ProbeOutcome};
use assay_model::matcher::Matcher;
use assay_model::site::Site;
use assay_model::verdict::{Rank, Reason, Verdict};
use proptest::prelude::*;

use super::planted::{Node, generic, rank, strict, unreadable};
use super::{CHECKS, CheckEntry, bom, implemented_ids};

/// The generic checks, each with the kinds without which it cannot answer.
const NEEDS: &[(&str, &[Kind])] = &[
    ("cpu.all_online", &[Kind::Cpu]),
    ("cpu.packages_alike", &[Kind::Cpu]),
    ("cpu.microcode_alike", &[Kind::Cpu]),
    ("cpu.governor_alike", &[Kind::Cpu]),
    ("dimm.alike", &[Kind::Dimm]),
    ("dimm.speed_alike", &[Kind::Dimm]),
    ("numa_node.memory_alike", &[Kind::NumaNode]),
    ("memory.total_plausible", &[Kind::Dimm, Kind::Memory]),
    ("memory.ecc_active", &[Kind::Dimm]),
    ("edac.no_uncorrected_errors", &[Kind::Edac]),
    ("edac.no_corrected_errors", &[Kind::Edac]),
    ("machine_check.none", &[Kind::MachineCheck]),
    ("pcie.trained_at_maximum", &[Kind::Pci]),
    ("pcie.no_fatal_errors", &[Kind::Pci]),
    ("pcie.no_correctable_errors", &[Kind::Pci]),
    ("nvme.live", &[Kind::Nvme]),
    ("nvme.health", &[Kind::Nvme]),
    ("nvme.temperature_margin", &[Kind::Nvme]),
    ("nvme.self_test", &[Kind::Nvme]),
    ("nvme.firmware_slot", &[Kind::Nvme]),
    ("nvme.sanitize_state", &[Kind::Nvme]),
    ("nvme.lba_format", &[Kind::Nvme]),
    ("nvme.serials_unique", &[Kind::Nvme]),
    ("nvme.ocp_health", &[Kind::Nvme]),
    ("nvme.persistent_events", &[Kind::Nvme]),
    ("block.writable_state", &[Kind::Block]),
    ("nic.no_errors", &[Kind::Nic]),
    ("nic.link_layer", &[Kind::Nic]),
    ("nic.firmware_activated", &[Kind::Nic]),
    ("nic.psid_alike", &[Kind::Nic]),
    ("nic.fec", &[Kind::Nic]),
    ("nic.module", &[Kind::Nic]),
    ("thermal.below_critical", &[Kind::Thermal]),
    ("clock.synchronised", &[Kind::Clock]),
    ("os.not_tainted_by_hardware", &[Kind::Os]),
    ("bond.one_aggregator", &[Kind::Bond, Kind::BondMember]),
    ("bond.same_partner", &[Kind::Bond, Kind::BondMember]),
    ("bond.partner_state", &[Kind::Bond, Kind::BondMember]),
];

/// Checks that compare with what a site declares or orders, or that a missing source does not open: without a declaration they answer nothing, and the tests in their own files bring one.
const DECLARED: &[&str] = &[
    "ceph.fsid",
    "ceph.health",
    "ceph.daemons",
    "ceph.pgs_clean",
    "ceph.osd_identity",
    "ceph.networks",
    "ceph.pools",
    "ceph.pg_balance",
    "ceph.memory_targets",
    "ceph.messenger",
    "ceph.scrub",
    "ceph.clock_skew",
    "ceph.crashes",
    "ceph.versions",
    "ceph.capacity",
    "ceph.no_zpool_on_data",
    "bond.mode",
    "nvme.alike",
    "bond.switch_diversity",
    "vlan.host_addresses",
    "vlan.guest_ports",
    "vlan.forwarding",
    "bmc.health",
    "bmc.network",
    "bmc.inventory_agrees",
    "bmc.bios_profile",
    "bmc.firmware",
    "bmc.clock",
    "pve.version",
    "os.kernel_newest",
    "os.command_line",
    "os.installer_leftovers",
    "throttle.none",
    "gpu.board_link",
    "gpu.one_board",
    "gpu.binding",
    "gpu.iommu_groups",
    "gpu.vgpu_types",
    "edac.controllers_present",
    "pcie.payload_size",
    "pcie.power_saving",
    "pcie.root_ports_distinct",
    "pcie.lane_budget",
    "cpu.power_profile",
    "cpu.numa_nodes",
    "board.firmware_pinned",
    "dimm.channels_populated",
    "zfs.root_mirror",
    "zfs.data_layout",
    "zfs.data_drives",
    "zfs.data_spares",
    "zfs.data_ashift",
    "zfs.data_health",
    "zfs.data_scrub",
    "boot.both_drives",
    "ssh.policy",
    "apt.repositories",
    "pve.realm",
    "pve.second_factor",
    "pve.subscription",
    "clock.offset",
];

fn entry(id: &str) -> &'static CheckEntry {
    CHECKS.iter().find(|entry| entry.ids.contains(&id)).expect("the id is registered")
}

// Each (id, kind) with the rank of that check alone.
fn assert_ranks(node_of: impl Fn(Kind) -> Node, site: &Site, expected: Rank) {
    for (id, kinds) in NEEDS {
        for kind in *kinds {
            let checks = (entry(id).check)(&node_of(*kind).0, site);
            assert_eq!(rank(&checks), expected, "{id} without {kind} at {}: {checks:#?}", site.name);
        }
    }
}

#[test]
fn every_generic_id_is_covered_by_these_tests() {
    let registered: BTreeSet<&str> = CHECKS.iter().flat_map(|entry| entry.ids).copied().filter(|id| *id != bom::COMPARED).collect();
    assert_eq!(registered, NEEDS.iter().map(|(id, _)| *id).chain(DECLARED.iter().copied()).collect());
}

#[test]
fn no_id_is_registered_twice_and_each_entry_describes_itself() {
    let ids: Vec<&str> = CHECKS.iter().flat_map(|entry| entry.ids).copied().collect();
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
    for entry in CHECKS {
        assert!(!entry.ids.is_empty() && !entry.topic.is_empty() && entry.describe.ends_with('.'), "{entry:?}");
    }
}

#[test]
fn a_healthy_node_passes_every_check_at_any_site() {
    for site in [strict(), generic()] {
        for (id, _) in NEEDS {
            let checks = (entry(id).check)(&Node::healthy().0, &site);
            assert_eq!(rank(&checks), Rank::Pass, "{id} at {}: {checks:#?}", site.name);
        }
    }
}

#[test]
fn a_hung_probe_is_inconclusive_at_any_site() {
    let hung = |kind| Node::healthy().ended(kind, ProbeEnded::Hung("/sys/devices/stuck".into()));
    assert_ranks(hung, &strict(), Rank::Inconclusive);
    assert_ranks(hung, &generic(), Rank::Inconclusive);
    let check = &(entry("nvme.live").check)(&hung(Kind::Nvme).0, &generic())[0];
    assert!(check.verdict.reason().contains("/sys/devices/stuck"), "{check:?}");
}

#[test]
fn a_failed_probe_is_inconclusive_even_when_it_left_something_behind() {
    let failed = |kind| {
        let mut node = Node::healthy();
        node.0.probes.iter_mut().filter(|outcome| outcome.kinds == [kind]).for_each(|outcome| outcome.ended = ProbeEnded::Failed("EIO".into()));
        node
    };
    assert_ranks(failed, &strict(), Rank::Inconclusive);
    assert_ranks(failed, &generic(), Rank::Inconclusive);
}

#[test]
fn a_kind_that_no_probe_looked_for_is_inconclusive() {
    let unasked = |kind| {
        let mut node = Node::healthy().without(kind);
        node.0.probes.retain(|outcome| outcome.kinds != [kind]);
        node
    };
    assert_ranks(unasked, &strict(), Rank::Inconclusive);
    assert_ranks(unasked, &generic(), Rank::Inconclusive);
}

#[test]
fn a_missing_source_is_as_the_site_says() {
    let missing = |kind| Node::healthy().ended(kind, ProbeEnded::SourceMissing("/sys/firmware/dmi/tables/DMI".into()));
    assert_ranks(missing, &strict(), Rank::Inconclusive);
    assert_ranks(missing, &generic(), Rank::NotApplicable);
}

#[test]
fn a_kind_of_which_none_is_fitted_is_as_the_site_says() {
    let none = |kind| Node::healthy().without(kind);
    assert_ranks(none, &strict(), Rank::Inconclusive);
    assert_ranks(none, &generic(), Rank::NotApplicable);
}

#[test]
fn readings_that_are_all_unreadable_are_inconclusive_at_any_site() {
    assert_ranks(|_| Node::healthy().all(&unreadable()), &strict(), Rank::Inconclusive);
    assert_ranks(|_| Node::healthy().all(&unreadable()), &generic(), Rank::Inconclusive);
}

#[test]
fn readings_that_are_all_absent_are_as_the_site_says() {
    assert_ranks(|_| Node::healthy().all(&Reading::Absent), &strict(), Rank::Inconclusive);
    assert_ranks(|_| Node::healthy().all(&Reading::Absent), &generic(), Rank::NotApplicable);
}

#[test]
fn a_reading_of_another_type_is_never_a_pass() {
    for (id, kinds) in NEEDS {
        let node = Node::healthy().all(&Reading::from(Value::List(vec!["what".into()])));
        // Equality is of any type; what else is asked needs a number, a flag or a word.
        if !id.ends_with("alike") || kinds == &[Kind::Dimm] {
            assert!(node.strictly(entry(id).check) > Rank::Pass, "{id}");
        }
    }
}

#[test]
fn a_guest_with_the_tables_of_its_hypervisor_is_not_judged_by_them() {
    let guest = Node::healthy()
        .plant(Kind::Os, "node", Attr::Hypervisor, true)
        .plant(Kind::Dimm, "DIMM_23", Attr::Capacity, super::planted::GIB)
        .plant(Kind::Cpu, "package 1", Attr::Cores, 1_u64);
    for id in ["dimm.alike", "dimm.speed_alike", "memory.total_plausible", "memory.ecc_active"] {
        assert_eq!(guest.generically(entry(id).check), Rank::NotApplicable, "{id}");
        assert_eq!(guest.strictly(entry(id).check), Rank::Inconclusive, "{id}");
    }
    assert_eq!(guest.generically(entry("cpu.packages_alike").check), Rank::Pass);
}

#[test]
fn a_site_without_an_order_says_so() {
    let checks = bom::as_ordered(&Node::healthy().0, &generic());
    assert_eq!((checks.len(), checks[0].id.as_str(), rank(&checks)), (1, bom::COMPARED, Rank::NotApplicable));
}

#[test]
fn implemented_ids_are_the_registered_ones_and_those_that_an_order_leads_to() {
    let ids = implemented_ids();
    for id in ["nvme.live", "nvme.link_width", "dimm.quantity", "gpu.unexpected", "cpu.model", bom::COMPARED] {
        assert!(ids.contains(&CheckId::from(id)), "{id}");
    }
    for id in ["nvme.cores", "path.mtu", "cpu.temperature"] {
        assert!(!ids.contains(&CheckId::from(id)), "{id}");
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<bool>().prop_map(Value::Bool),
        prop_oneof![0..20_u64, any::<u64>()].prop_map(Value::Integer),
        prop_oneof![any::<f64>(), Just(f64::NAN), Just(2.5)].prop_map(Value::Float),
        "(|live|mixed|0x0[346]0000|Multi-bit ECC|[a-z]{3})".prop_map(Value::Text),
        Just(Value::List(vec!["md0".into()])),
    ]
}

fn no_value() -> impl Strategy<Value = Reading> {
    prop_oneof![Just(Reading::Absent), "[a-z]{0,4}".prop_map(Reading::Unreadable)]
}

fn any_reading() -> impl Strategy<Value = Reading> {
    prop_oneof![4 => any_value().prop_map(Reading::Value), 1 => no_value()]
}

fn any_component(reading: BoxedStrategy<Reading>) -> impl Strategy<Value = Component> {
    let readings = proptest::collection::vec((proptest::sample::select(Attr::ALL), reading), 0..40);
    (proptest::sample::select(Kind::ALL), "[a-z0-9:.]{1,6}", readings).prop_map(|(kind, locator, readings)| {
        readings.into_iter().fold(Component::new(kind, locator), |component, (attr, reading)| component.with(attr, "somewhere", reading))
    })
}

fn any_outcome() -> impl Strategy<Value = ProbeOutcome> {
    let ended = prop_oneof![
        6 => Just(ProbeEnded::Completed),
        1 => Just(ProbeEnded::SourceMissing("/sys/none".into())),
        1 => Just(ProbeEnded::Failed("EIO".into())),
        1 => Just(ProbeEnded::Hung("/sys/stuck".into())),
    ];
    (proptest::collection::vec(proptest::sample::select(Kind::ALL), 1..10), ended).prop_map(|(kinds, ended)| ProbeOutcome {
        probe: "some".into(),
        kinds,
        ended,
        elapsed_ns: 0,
    })
}

fn any_inventory(reading: BoxedStrategy<Reading>) -> impl Strategy<Value = Inventory> {
    let parts = (proptest::collection::vec(any_component(reading), 0..30), proptest::collection::vec(any_outcome(), 0..5));
    parts.prop_map(|(components, probes)| Inventory { components, probes, ..Node::bare().0 })
}

fn any_matchers(least: usize) -> impl Strategy<Value = std::collections::BTreeMap<Attr, Matcher>> {
    let matcher = prop_oneof![any_value().prop_map(Matcher::Equals), Just(Matcher::AtLeast(1.0))];
    proptest::collection::btree_map(proptest::sample::select(Attr::ALL), matcher, least..4)
}

fn any_line() -> impl Strategy<Value = BomLine> {
    let parts = (proptest::sample::select(Kind::ALL), 1..4_u32, any_matchers(0), any_matchers(1));
    parts.prop_map(|(kind, quantity, select, expect)| BomLine {
        name: format!("{kind}s"),
        kind,
        quantity,
        part: None,
        select,
        expect,
        facts: Default::default(),
    })
}

fn any_site() -> impl Strategy<Value = Site> {
    let lines = proptest::option::of(proptest::collection::vec(any_line(), 0..12));
    (prop_oneof![Just(Absence::Inconclusive), Just(Absence::NotApplicable)], lines).prop_map(|(absence, lines)| Site {
        absence,
        bom: lines.map(|lines| Bom { schema: 1, node_class: "any".into(), revision: "1".into(), lines, cluster: None }),
        ..strict()
    })
}

proptest! {
    #[test]
    fn every_entry_answers_for_any_node_and_only_with_its_own_ids(inventory in any_inventory(any_reading().boxed()), site in any_site()) {
        for entry in CHECKS {
            let checks = (entry.check)(&inventory, &site);
            prop_assert!(!checks.is_empty(), "{:?} gave nothing", entry.ids);
            for check in &checks {
                let follows_order = entry.ids == [bom::COMPARED] && site.bom.is_some();
                prop_assert!(follows_order || entry.ids.contains(&check.id.as_str()), "{} is not of {:?}", check.id, entry.ids);
                prop_assert!(follows_order || !check.expected.is_empty(), "{check:?}");
                prop_assert!(!check.source.is_empty() || check.id.as_str() == bom::COMPARED, "{check:?}");
                prop_assert!(matches!(check.verdict, Verdict::Pass(_)) || !check.verdict.reason().is_empty(), "{check:?}");
            }
        }
    }

    #[test]
    fn an_order_leads_only_to_ids_of_its_own_kinds(inventory in any_inventory(any_reading().boxed()), site in any_site()) {
        let Some(bom) = &site.bom else { return Ok(()) };
        for check in bom::as_ordered(&inventory, &site) {
            let of_a_line = bom.lines.iter().any(|line| check.id.as_str().split_once('.').is_some_and(|(kind, _)| kind == line.kind.name()));
            prop_assert!(of_a_line || bom.lines.is_empty(), "{check:?}");
        }
    }

    // Quantities are counted, not read: a component of which nothing else is known is still there.
    #[test]
    fn nothing_passes_where_nothing_could_be_read(inventory in any_inventory(no_value().boxed()), site in any_site()) {
        for check in super::inventory(&inventory, &site) {
            let is_counted = check.id.as_str().ends_with(".quantity") || check.id.as_str().ends_with(".unexpected");
            prop_assert!(is_counted || !matches!(check.verdict, Verdict::Pass(_)), "{check:?}");
        }
    }

    #[test]
    fn unreadable_readings_are_never_a_fault_of_the_node(inventory in any_inventory(Just(unreadable()).boxed())) {
        for check in super::inventory(&inventory, &strict()) {
            prop_assert!(!matches!(check.verdict, Verdict::Fail(_) | Verdict::Pass(_)), "{check:?}");
            if let Verdict::Inconclusive(reason) = &check.verdict {
                prop_assert!(matches!(reason, Reason::Unreadable(_) | Reason::NotRun(_)), "{check:?}");
            }
        }
    }
}
