use super::*;
use crate::bom::{self, BomLine, Ceph, GpuPartition};
use crate::component::Value;
use crate::parts::tests::shipped;

pub(crate) const BOM: &str = include_str!("../../../sites/pve1/bom.toml");
pub(crate) const CONTRADICTIONS: &str = include_str!("../../../sites/pve1/contradictions.toml");

pub(crate) fn ordered() -> Bom {
    bom::parse("bom.toml", BOM).expect("the reference BOM parses")
}

fn entries() -> Vec<Entry> {
    parse("contradictions.toml", CONTRADICTIONS).expect("the reference contradictions parse")
}

fn line<'a>(bom: &'a mut Bom, name: &str) -> &'a mut BomLine {
    bom.lines.iter_mut().find(|line| line.name == name).unwrap_or_else(|| panic!("a line called {name}"))
}

fn bom_cluster(bom: &mut Bom) -> &mut crate::bom::Cluster {
    bom.cluster.as_mut().expect("a cluster")
}

fn ceph(bom: &mut Bom) -> &mut Ceph {
    bom_cluster(bom).ceph.as_mut().expect("ceph")
}

fn partition(bom: &mut Bom) -> &mut GpuPartition {
    bom_cluster(bom).gpu_partition.as_mut().expect("a partition")
}

fn ids(bom: &Bom) -> Vec<String> {
    all(bom, &shipped(), &entries()).into_iter().map(|contradiction| contradiction.id).collect()
}

fn one(bom: &Bom, id: &str) -> Contradiction {
    all(bom, &shipped(), &entries()).into_iter().find(|contradiction| contradiction.id == id).unwrap_or_else(|| panic!("{id} is there"))
}

fn fires(bom: &Bom, rule: &str) -> bool {
    let rule = RULES.iter().find(|known| known.name == rule).unwrap_or_else(|| panic!("a rule called {rule}"));
    (rule.find)(bom, &shipped()).is_some()
}

/// Changes an order so that one contradiction should end.
type Cure = fn(&mut Bom);

/// An order in which every derivable contradiction is settled.
fn sound() -> Bom {
    let mut bom = ordered();
    line(&mut bom, "processors").quantity = 2;
    line(&mut bom, "memory modules").quantity = 24;
    line(&mut bom, "data drives").part = Some("kioxia-cm7-r".into());
    line(&mut bom, "fast ports").facts.insert("cards".into(), 2);
    let gpus = line(&mut bom, "gpus");
    gpus.part = Some("nvidia-a100-80gb".into());
    gpus.quantity = 1;
    partition(&mut bom).profile = "2g.20gb".into();
    let cluster = bom_cluster(&mut bom);
    cluster.nodes = 4;
    cluster.bond[0].lacp_rate = "fast".into();
    cluster.corosync_links = vec!["corosync".into(), "vlan6".into()];
    cluster.networks.insert("corosync".into(), "slow ports".into());
    let ceph = ceph(&mut bom);
    ceph.cluster_network = "vlan7".into();
    ceph.pool_classes.clear();
    ceph.quotas = ceph.pools.keys().map(|pool| (pool.clone(), 1 << 40)).collect();
    bom
}

#[test]
fn the_reference_order_has_all_thirty_seven() {
    let expected: Vec<String> = (1..=37).map(|n| format!("C-{n:02}")).collect();
    assert_eq!(ids(&ordered()), expected);
    for contradiction in all(&ordered(), &shipped(), &entries()) {
        let id = &contradiction.id;
        assert!(!contradiction.statement.is_empty() && !contradiction.why.is_empty(), "{id}");
        assert!(!contradiction.candidates.is_empty() && !contradiction.blocks.is_empty(), "{id}");
        assert!(!contradiction.is_resolved(), "{id}");
    }
}

#[test]
fn the_phases_that_the_reference_contradictions_block_are_those_of_the_facts() {
    // Section 3 of the facts on the reference hardware.
    let table: &[&[u8]] = &[
        &[1],
        &[1],
        &[5],
        &[5],
        &[2],
        &[2],
        &[1],
        &[7],
        &[3],
        &[3],
        &[2, 3],
        &[4],
        &[2, 8, 9],
        &[2],
        &[4],
        &[4, 10],
        &[7, 10],
        &[10],
        &[7, 10],
        &[1, 10],
        &[10],
        &[4],
        &[4],
        &[4],
        &[4, 11],
        &[1],
        &[1],
        &[1],
        &[8],
        &[6],
        &[6],
        &[9],
        &[9],
        &[1, 5],
        &[1],
        &[3],
        &[2],
    ];
    let contradictions = all(&ordered(), &shipped(), &entries());
    for (contradiction, phases) in contradictions.iter().zip(table) {
        let blocks: Vec<u8> = contradiction.blocks.iter().map(|phase| phase.number()).collect();
        assert_eq!(&blocks, phases, "{}", contradiction.id);
    }
}

#[test]
fn an_order_that_can_be_built_has_no_derived_contradiction() {
    let derived: Vec<_> = all(&sound(), &shipped(), &[]);
    assert_eq!(derived, vec![]);
}

#[test]
fn without_a_sites_words_the_rules_speak_for_themselves() {
    let found = all(&ordered(), &shipped(), &[]);
    assert_eq!(found.len(), 13);
    for contradiction in found {
        assert_eq!(Some(&contradiction.id), contradiction.derived_by.as_ref());
        assert!(!contradiction.blocks.is_empty() && !contradiction.statement.is_empty() && !contradiction.is_resolved());
    }
}

#[test]
fn seventy_two_modules_do_not_fit_one_socket_nor_two() {
    let found = one(&ordered(), "C-01");
    assert_eq!(found.kind, ContradictionKind::Impossible);
    assert!(found.statement.contains("72 modules of 96 GiB"), "{}", found.statement);
    for part in ["at most 24 modules fit 1 socket", "2 sockets, takes 48", "6912 GiB exceed the 6144 GiB", "24 each"] {
        assert!(found.why.contains(part), "{part}: {}", found.why);
    }
    let mut two = ordered();
    line(&mut two, "processors").quantity = 2;
    assert!(ids(&two).contains(&"C-01".into()));
}

#[test]
fn twenty_four_modules_on_two_sockets_end_the_contradiction() {
    let mut bom = ordered();
    line(&mut bom, "memory modules").quantity = 24;
    line(&mut bom, "processors").quantity = 2;
    let left = ids(&bom);
    assert!(!left.contains(&"C-01".into()));
    assert_eq!(left.len(), 36);
}

#[test]
fn forty_nine_modules_are_one_too_many_for_two_sockets() {
    let mut bom = sound();
    line(&mut bom, "memory modules").quantity = 48;
    assert!(!fires(&bom, "memory.modules_fit"));
    line(&mut bom, "memory modules").quantity = 49;
    assert!(fires(&bom, "memory.modules_fit"));
}

#[test]
fn memory_beyond_the_socket_is_found_even_when_the_modules_fit() {
    let mut bom = sound();
    line(&mut bom, "memory modules").quantity = 48;
    line(&mut bom, "memory modules").expect.insert(Attr::Capacity, Matcher::Equals((512_u64 << 30).into()));
    assert!(fires(&bom, "memory.modules_fit"));
}

#[test]
fn modules_run_no_faster_than_the_processor_drives_them() {
    let mut bom = sound();
    line(&mut bom, "memory modules").expect.insert(Attr::ConfiguredSpeed, Matcher::Equals(5600_u64.into()));
    let found = all(&bom, &shipped(), &[]);
    assert!(found.iter().any(|found| found.id == "memory.module_speed" && found.why.contains("4800 MT/s")));
    // Two per channel: only the board's table tells, so nothing is derived.
    line(&mut bom, "memory modules").quantity = 48;
    assert!(!fires(&bom, "memory.module_speed"));
}

#[test]
fn three_sockets_are_one_too_many() {
    let mut bom = sound();
    line(&mut bom, "processors").quantity = 3;
    assert!(fires(&bom, "cpu.sockets"));
}

#[test]
fn an_a16_has_no_mig_and_its_whole_gpus_divide_only_over_the_cluster() {
    let support = one(&ordered(), "C-03");
    assert_eq!(support.kind, ContradictionKind::Unsupported);
    let found = one(&ordered(), "C-04");
    for part in [
        "needs 20 GB",
        "has 16 GB and no MIG",
        "one GPU (1 GPU) it does not fit",
        "one node (4 GPUs) it fits only with 1 left over (2:1)",
        "the cluster (12 GPUs) it fits as 8:4",
    ] {
        assert!(found.why.contains(part), "{part}: {}", found.why);
    }
}

#[test]
fn an_a100_40gb_takes_at_most_two_3g_per_gpu() {
    let mut bom = ordered();
    line(&mut bom, "gpus").part = Some("nvidia-a100-40gb".into());
    let left = ids(&bom);
    assert!(!left.contains(&"C-03".into()), "MIG is supported");
    let found = one(&bom, "C-04");
    for part in [
        "at most two 3g.20gb per GPU",
        "one GPU (2 instances) it does not fit",
        "one node (2 instances) it does not fit",
        "the cluster (6 instances) it fits as 4:2",
    ] {
        assert!(found.why.contains(part), "{part}: {}", found.why);
    }
}

#[test]
fn an_80gb_gpu_divides_two_to_one_with_2g_and_not_with_3g() {
    let mut bom = ordered();
    line(&mut bom, "gpus").part = Some("nvidia-a100-80gb".into());
    assert!(one(&bom, "C-04").why.contains("has no profile 3g.20gb; per GPU it has 1g.10gb x7"));
    partition(&mut bom).profile = "2g.20gb".into();
    assert!(!ids(&bom).contains(&"C-04".into()));
    partition(&mut bom).profile = "3g.40gb".into();
    assert!(one(&bom, "C-04").why.contains("at most two 3g.40gb per GPU"));
}

#[test]
fn shares_that_leave_instances_over_are_not_the_ordered_shares() {
    let mut bom = sound();
    partition(&mut bom).profile = "1g.10gb".into();
    assert!(all(&bom, &shipped(), &[]).iter().any(|found| found.why.contains("(7 instances) it fits only with 1 left over (4:2)")));
}

#[test]
fn an_a30_has_no_3g_profile() {
    let mut bom = ordered();
    line(&mut bom, "gpus").part = Some("nvidia-a30".into());
    assert!(one(&bom, "C-04").why.contains("1g.6gb x4, 2g.12gb x2, 4g.24gb x1"));
}

#[test]
fn boards_carry_the_ordered_gpus_or_the_order_contradicts_itself() {
    assert!(!fires(&ordered(), "gpu.boards"));
    let mut bom = ordered();
    line(&mut bom, "gpus").quantity = 1;
    assert!(fires(&bom, "gpu.boards"));
}

#[test]
fn vgpu_serves_no_containers() {
    let mut bom = ordered();
    partition(&mut bom).method = "vgpu".into();
    assert!(fires(&bom, "gpu.vgpu_containers") && !fires(&bom, "gpu.mig_support") && !fires(&bom, "gpu.mig_placement"));
    partition(&mut bom).shares.remove("lxc");
    assert!(!fires(&bom, "gpu.vgpu_containers"));
}

#[test]
fn one_card_cannot_carry_both_ports_and_two_can() {
    let found = one(&ordered(), "C-06");
    assert!(
        found.why.contains("1 card (mcx653106a-hdat)") && found.why.contains("252.06 Gb/s at most") && found.why.contains("400 Gb/s"),
        "{}",
        found.why
    );
    let mut bom = ordered();
    line(&mut bom, "fast ports").facts.insert("cards".into(), 2);
    let left = ids(&bom);
    assert!(!left.contains(&"C-05".into()) && !left.contains(&"C-06".into()), "{left:?}");
    line(&mut bom, "fast ports").facts.insert("cards".into(), 1);
    let left = ids(&bom);
    assert!(!left.contains(&"C-05".into()) && left.contains(&"C-06".into()), "{left:?}");
}

#[test]
fn a_bond_is_bounded_by_its_wires_as_well() {
    let mut bom = sound();
    bom_cluster(&mut bom).bond[0].expected_bits_per_s = Some(400_000_000_001);
    assert!(fires(&bom, "network.bond_beyond_slot"));
    bom_cluster(&mut bom).bond[0].ports = 3;
    assert!(fires(&bom, "network.bond_ports"));
    bom_cluster(&mut bom).bond[0].expected_bits_per_s = None;
    assert!(!fires(&bom, "network.bond_beyond_slot"), "nothing expected, nothing contradicted");
}

#[test]
fn lacp_is_too_slow_only_where_corosync_would_lose_quorum_first() {
    assert!(one(&ordered(), "C-11").why.contains("90 s"));
    let cures: [Cure; 4] = [
        |bom| bom_cluster(bom).bond[0].lacp_rate = "fast".into(),
        |bom| bom_cluster(bom).bond[0].mode = "active-backup".into(),
        |bom| bom_cluster(bom).corosync_links = vec!["elsewhere".into()],
        |bom| bom_cluster(bom).fencing.as_mut().expect("fencing").timeout_s = 91,
    ];
    for (i, cure) in cures.iter().enumerate() {
        let mut bom = ordered();
        cure(&mut bom);
        assert!(!ids(&bom).contains(&"C-11".into()), "cure {i}");
    }
}

#[test]
fn corosync_needs_a_link_of_its_own_and_two_paths() {
    let mut bom = ordered();
    assert!(one(&bom, "C-10").why.contains("one physical path (fast ports)"));
    bom_cluster(&mut bom).corosync_links = vec!["vlan5".into(), "vlan6".into()];
    let left = ids(&bom);
    assert!(!left.contains(&"C-09".into()) && left.contains(&"C-10".into()), "another VLAN of the same bond is no other path");
    bom_cluster(&mut bom).corosync_links = vec!["corosync".into(), "vlan6".into()];
    assert!(one(&bom, "C-10").why.contains("nothing says which ports carry corosync"));
    bom_cluster(&mut bom).networks.insert("corosync".into(), "slow ports".into());
    assert!(!ids(&bom).contains(&"C-10".into()));
}

#[test]
fn ceph_on_two_networks_with_quotas_and_its_own_class_has_nothing_to_say() {
    let cures: [(&str, Cure); 4] = [
        ("C-12", |bom| ceph(bom).cluster_network = "vlan7".into()),
        ("C-23", |bom| ceph(bom).quotas = ceph(bom).pools.keys().map(|pool| (pool.clone(), 1)).collect()),
        ("C-24", |bom| ceph(bom).pool_classes.clear()),
        ("C-25", |bom| bom_cluster(bom).nodes = 4),
    ];
    for (id, cure) in cures {
        let mut bom = ordered();
        assert!(ids(&bom).contains(&id.into()), "{id}");
        cure(&mut bom);
        assert!(!ids(&bom).contains(&id.into()), "{id}");
    }
    let mut bom = ordered();
    ceph(&mut bom).quotas.insert("rbd-vms".into(), 1);
    assert!(one(&bom, "C-23").derived_by.is_some(), "one quota is not all");
}

#[test]
fn more_replicas_than_hosts_or_than_are_kept_are_impossible() {
    let mut bom = ordered();
    ceph(&mut bom).size = 4;
    assert!(fires(&bom, "ceph.replicas_exceed_hosts") && !fires(&bom, "ceph.no_spare_host"));
    ceph(&mut bom).size = 2;
    ceph(&mut bom).min_size = 3;
    assert!(fires(&bom, "ceph.min_size"));
}

#[test]
fn a_named_drive_ends_the_question_of_its_figures() {
    assert!(one(&ordered(), "C-07").why.contains("from 6.0 to 10.0 GB/s"), "{}", one(&ordered(), "C-07").why);
    let mut bom = ordered();
    line(&mut bom, "data drives").expect.insert(Attr::Model, Matcher::Equals(Value::from("KCM71RUG7T68")));
    assert!(!ids(&bom).contains(&"C-07".into()));
}

#[test]
fn the_lanes_of_one_socket_suffice_for_the_order_and_not_for_twice_the_drives() {
    let mut bom = ordered();
    assert!(!fires(&bom, "pcie.lane_budget"), "96 of 128");
    line(&mut bom, "fast ports").facts.insert("cards".into(), 3);
    assert!(!fires(&bom, "pcie.lane_budget"), "128 of 128");
    line(&mut bom, "data drives").quantity = 13;
    let found = one(&bom, "pcie.lane_budget");
    assert!(found.statement.contains("132 PCIe lanes") && found.why.contains("data drives 13 x4") && found.why.contains("128 lanes"), "{found:?}");
    line(&mut bom, "processors").quantity = 2;
    assert!(!fires(&bom, "pcie.lane_budget"), "132 of 160");
}

#[test]
fn links_run_no_faster_than_the_processor() {
    let mut bom = sound();
    line(&mut bom, "data drives").expect.insert(Attr::LinkSpeed, Matcher::Equals(64.0.into()));
    assert!(fires(&bom, "pcie.link_speed"));
}

#[test]
fn hostile_figures_overflow_nothing() {
    let mut bom = ordered();
    for line in &mut bom.lines {
        line.quantity = u32::MAX;
        line.facts.insert("cards".into(), u64::MAX);
        line.facts.insert("boards".into(), u64::MAX);
        line.expect.insert(Attr::Capacity, Matcher::Equals(u64::MAX.into()));
        line.expect.insert(Attr::LinkWidth, Matcher::Equals(u64::MAX.into()));
    }
    line(&mut bom, "processors").quantity = 1;
    bom_cluster(&mut bom).nodes = u32::MAX;
    ceph(&mut bom).size = u32::MAX;
    assert!(!all(&bom, &shipped(), &entries()).is_empty());
}

#[test]
fn a_contradiction_blocks_until_it_is_resolved_unless_it_only_informs() {
    let mut found = one(&ordered(), "C-01");
    assert!(found.is_blocking());
    found.blocks.clear();
    assert!(found.is_blocking(), "it still blocks a check");
    found.checks.clear();
    assert!(!found.is_blocking());
    let mut found = one(&ordered(), "C-01");
    found.resolution = Some("  ".into());
    assert!(found.is_blocking(), "blank is no resolution");
    found.resolution = Some("one-per-channel".into());
    assert!(!found.is_blocking());
}
