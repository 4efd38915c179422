//! The gates against the catalogue of checks of the reference site: each of its codes is listed under its phase and as severe as it says, the ids are
//! unique, and what the reference order asks is graded.

use std::collections::{BTreeMap, BTreeSet};

use assay_model::attr::Kind;
use assay_model::ceiling;
use assay_model::gate::{Requirement, Severity};
use assay_model::judge::RUN_CHECKS;
use assay_model::limit::Bound;
use assay_model::site::Site;

use crate::{gate, site};

/// How many checks the catalogue has for each phase.
const COUNTS: [(u8, usize); 11] = [(1, 41), (2, 23), (3, 10), (4, 18), (5, 12), (6, 7), (7, 11), (8, 7), (9, 8), (10, 9), (11, 10)];

const GATE: &str = "
P1.CPU.01 P1.CPU.02 P1.CPU.03 P1.CPU.06 P1.CPU.07
P1.MEM.01 P1.MEM.02 P1.MEM.03 P1.MEM.04 P1.MEM.05 P1.MEM.06 P1.MEM.08
P1.PCI.01 P1.PCI.03
P1.NVM.01 P1.NVM.02 P1.NVM.03 P1.NVM.04 P1.NVM.06 P1.NVM.07 P1.NVM.09
P1.OS.01 P1.OS.02 P1.OS.03 P1.OS.06 P1.OS.08
P1.BMC.01 P1.BMC.02
P2.LNK.01 P2.LNK.02 P2.LNK.03 P2.LNK.04
P2.BND.01 P2.BND.02 P2.BND.03 P2.BND.04 P2.BND.05 P2.BND.06
P2.PATH.01 P2.PATH.02 P2.PATH.04
P2.VLAN.01 P2.VLAN.02 P2.VLAN.03 P2.VLAN.04 P2.VLAN.05
P3.01 P3.02 P3.03 P3.04 P3.05 P3.06 P3.08 P3.09 P3.10
P4.01 P4.02 P4.03 P4.04 P4.05 P4.08 P4.09 P4.10 P4.12 P4.14 P4.15 P4.17 P4.18
P5.01 P5.02 P5.03 P5.04 P5.05 P5.06 P5.08 P5.10 P5.12
P6.02 P6.03 P6.04 P6.05 P6.06
P7.01 P7.03 P7.04 P7.06 P7.07 P7.08 P7.10 P7.11
P8.01 P8.03 P8.04
P9.01 P9.02 P9.04 P9.05 P9.06 P9.07
P10.01 P10.02 P10.03 P10.04 P10.05 P10.06 P10.07 P10.09
P11.01 P11.02 P11.03 P11.04 P11.08 P11.09 P11.10";

const WARN: &str = "
P1.CPU.04 P1.CPU.05 P1.MEM.07 P1.PCI.02 P1.PCI.04 P1.NVM.05 P1.NVM.08 P1.NVM.10 P1.OS.04 P1.OS.07 P1.OS.09 P1.OS.10
P2.LNK.05 P2.LNK.06 P2.BND.07 P2.PATH.03 P2.PATH.05
P3.07 P4.06 P4.07 P4.11 P4.13 P4.16 P5.07 P5.09 P5.11 P6.01 P6.07 P7.02 P7.05 P7.09 P8.02 P8.05 P8.06 P9.03 P9.08 P11.05 P11.06 P11.07";

const INFO: &str = "P1.OS.05 P8.07 P10.08";

/// What holds on any healthy node, ordered or not.
const HEALTH: &str = "
dimm.alike dimm.speed_alike memory.total_plausible memory.ecc_active edac.no_uncorrected_errors edac.no_corrected_errors machine_check.none
pcie.trained_at_maximum pcie.no_fatal_errors pcie.no_correctable_errors cpu.all_online cpu.microcode_alike cpu.packages_alike cpu.governor_alike
thermal.below_critical throttle.none clock.synchronised nic.no_errors nvme.live nvme.health nvme.persistent_events nvme.sanitize_state block.writable_state os.not_tainted_by_hardware
bmc.health bmc.inventory_agrees
numa_node.memory_alike pcie.payload_size";

/// The codes of the catalogue with the severity that it gives each.
fn catalogue() -> BTreeMap<&'static str, Severity> {
    let graded = [(GATE, Severity::Gate), (WARN, Severity::Warn), (INFO, Severity::Info)];
    let codes: Vec<(&str, Severity)> =
        graded.into_iter().flat_map(|(codes, severity)| codes.split_whitespace().map(move |code| (code, severity))).collect();
    let catalogue: BTreeMap<&str, Severity> = codes.iter().copied().collect();
    assert_eq!(catalogue.len(), codes.len(), "a code is graded twice");
    catalogue
}

fn phase_of(code: &str) -> u8 {
    code.strip_prefix('P')
        .and_then(|rest| rest.split('.').next())
        .and_then(|number| number.parse().ok())
        .unwrap_or_else(|| panic!("a phase in {code}"))
}

/// Every requirement of the gates that ship, with its phase.
fn requirements(site: &Site) -> Vec<(u8, &Requirement)> {
    site.gates.iter().flat_map(|gate| gate.requires.iter().map(|requirement| (gate.phase.number(), requirement))).collect()
}

#[test]
fn each_phase_has_as_many_checks_as_the_catalogue() {
    let catalogue = catalogue();
    for (phase, count) in COUNTS {
        assert_eq!(catalogue.keys().filter(|code| phase_of(code) == phase).count(), count, "phase {phase}");
    }
    assert_eq!(catalogue.len(), 156);
}

#[test]
fn every_check_of_the_catalogue_is_listed_under_its_phase_as_severe_as_it_says() {
    let site = site("pve1");
    let requirements = requirements(&site);
    let catalogue = catalogue();
    for (code, severity) in &catalogue {
        let listed: Vec<_> = requirements.iter().filter(|(_, one)| one.reference.as_deref() == Some(code)).collect();
        assert_eq!(listed.iter().map(|(_, one)| one.severity).max(), Some(*severity), "{code}: {listed:?}");
        assert!(listed.iter().all(|(phase, _)| *phase == phase_of(code)), "{code} is of another phase: {listed:?}");
    }
    for (_, requirement) in &requirements {
        if let Some(code) = &requirement.reference {
            assert!(catalogue.contains_key(code.as_str()), "{}: no check {code} in the catalogue", requirement.id);
        }
    }
}

#[test]
fn no_id_is_listed_twice() {
    let site = site("pve1");
    let mut seen = BTreeSet::new();
    for (phase, requirement) in requirements(&site) {
        assert!(seen.insert(&requirement.id), "{} again in phase {phase}", requirement.id);
    }
    assert!(seen.len() > 230, "{}", seen.len());
}

/// The checks of runs that are about one node; what lies between nodes belongs to phase 2, what a cluster stores to phase 4.
fn of_a_node() -> impl Iterator<Item = &'static str> {
    RUN_CHECKS.iter().copied().filter(|id| !id.starts_with("net.") && !id.starts_with("ceph."))
}

#[test]
fn the_checks_of_any_healthy_node_and_of_runs_are_graded_at_both_sites() {
    for name in ["generic", "pve1"] {
        let site = site(name);
        let first = gate(&site, 1);
        for id in HEALTH.split_whitespace().chain(of_a_node()) {
            assert!(first.requires.iter().any(|one| one.id.as_str() == id), "{name}: {id}");
        }
        assert_eq!(first.scenarios, ["storage-quick", "memory-triad"], "{name}");
    }
    let pve1 = site("pve1");
    let second = gate(&pve1, 2);
    assert!(second.requires.iter().any(|one| one.id.as_str() == "net.data_verified"));
    let fourth = gate(&pve1, 4);
    for id in ["ceph.data_verified", "ceph.no_failed_operations"] {
        assert!(fourth.requires.iter().any(|one| one.id.as_str() == id && one.severity == Severity::Gate), "{id}");
    }
    let generic = site("generic");
    let known: BTreeSet<&str> = HEALTH.split_whitespace().chain(of_a_node()).collect();
    for requirement in &gate(&generic, 1).requires {
        assert!(known.contains(requirement.id.as_str()), "{}: nothing that holds on any host", requirement.id);
        assert!(requirement.blocked_by.is_empty(), "{}: nobody ordered this host", requirement.id);
    }
}

#[test]
fn a_gate_waits_only_for_contradictions_of_the_reference_order() {
    let site = site("pve1");
    let known: BTreeSet<&str> = site.contradictions.iter().map(|one| one.id.as_str()).collect();
    for (_, requirement) in requirements(&site) {
        for name in &requirement.blocked_by {
            assert!(known.contains(name.as_str()), "{} waits for {name}", requirement.id);
        }
        if let Some(when) = &requirement.when {
            let of = site.contradictions.iter().find(|one| one.id == when.contradiction).unwrap_or_else(|| panic!("{}: no {when:?}", requirement.id));
            for id in &when.candidates {
                assert!(of.candidates.iter().any(|candidate| candidate.id == *id), "{}: {} has no candidate {id}", requirement.id, of.id);
            }
        }
    }
}

#[test]
fn each_check_of_phase_4_belongs_to_one_way_out_of_the_contradiction_about_storage() {
    let site = site("pve1");
    let gate = gate(&site, 4);
    for requirement in &gate.requires {
        let when = requirement.when.as_ref().unwrap_or_else(|| panic!("{} is of neither", requirement.id));
        let expected = if requirement.id.as_str().starts_with("ceph.") { "ceph" } else { "draid" };
        assert_eq!((when.contradiction.as_str(), when.candidates.as_slice()), ("C-22", [expected.to_owned()].as_slice()), "{}", requirement.id);
    }
    let both = ["ceph.", "zfs."].map(|of| gate.requires.iter().filter(|one| one.id.as_str().starts_with(of)).count());
    assert_eq!(both.iter().sum::<usize>(), gate.requires.len());
    assert_eq!(both[1], 6);
}

#[test]
fn what_the_reference_order_asks_is_graded_in_a_gate() {
    let site = site("pve1");
    let listed: BTreeSet<&str> = requirements(&site).into_iter().map(|(_, requirement)| requirement.id.as_str()).collect();
    let bom = site.bom.as_ref().expect("an order");
    assert!(bom.of(Kind::Nvme).count() > 0);
    for line in &bom.lines {
        let asked = line.expect.keys().map(|attr| attr.to_string()).chain(["quantity".to_owned(), "unexpected".to_owned()]);
        for id in asked.map(|asked| format!("{}.{asked}", line.kind)) {
            assert!(listed.contains(id.as_str()), "line {}: {id} is in no gate", line.name);
        }
    }
}

#[test]
fn a_bound_on_what_has_a_ceiling_is_in_its_unit_and_can_be_reached() {
    let site = site("pve1");
    let mut bom = site.bom.clone().expect("an order");
    // One card: contradiction C-05 leaves it open, and most ceilings of the network with it.
    for line in bom.lines.iter_mut().filter(|line| line.kind == Kind::Nic) {
        line.facts.insert("cards".into(), 1);
    }
    let ceilings = ceiling::of_bom(&bom, &site.parts);
    let mut compared = 0;
    for (_, requirement) in requirements(&site) {
        let Some(limit) = &requirement.limit else { continue };
        let of_metric = ceilings.iter().filter(|one| one.metric.0.split('{').next() == Some(limit.metric.0.as_str()));
        let highest =
            of_metric.filter_map(|one| one.value).fold(None, |highest: Option<f64>, value| Some(highest.map_or(value, |old| old.max(value))));
        match (limit.bound, highest) {
            (Bound::Efficiency(_), None) => panic!("{}: no ceiling of {}", requirement.id, limit.metric),
            (Bound::AtLeast(low), Some(ceiling)) => assert!(low < ceiling && low > ceiling / 10.0, "{}: {low} of {ceiling}", requirement.id),
            (Bound::AtMost(_), Some(_)) => panic!("{}: a ceiling is no reason for an upper bound", requirement.id),
            (Bound::Efficiency(_), Some(_)) | (Bound::AtLeast(_) | Bound::AtMost(_) | Bound::Exactly(_) | Bound::Rated { .. }, None) => continue,
            (Bound::Rated { .. } | Bound::Exactly(_), Some(_)) => panic!("{}: what has a ceiling is judged by it", requirement.id),
        }
        compared += 1;
    }
    assert_eq!(compared, 5, "TCP twice, RDMA, Ceph reads and writes");
}
