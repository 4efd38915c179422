//! On which nodes a drill on a Ceph cluster is made: on each of those that take part, one after the other, or on what several of them have together.

use std::net::IpAddr;

use assay_model::site::Node;
use serde::{Deserialize, Serialize};

use super::{End, PlanContext, PlannedNet};
use crate::scenario::{ClusterFault, DrillSpec, Measure, NetSpec};

/// One drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDrill {
    /// What fails, and what the client does.
    pub spec: DrillSpec,
    /// The nodes on which something fails, or among which what fails is looked for.
    pub nodes: Vec<Victim>,
    /// Round trips on links of corosync, from each of `nodes` to another one: those of the node that fails are measured meanwhile. None where no network is named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rings: Vec<PlannedNet>,
    /// The cluster that is meant, where the site declares it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fsid: Option<String>,
}

/// A node on which something fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Victim {
    /// Its name.
    pub node: String,
    /// Its address in the network that it is cut off from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
}

impl PlannedDrill {
    /// The family of its figures, with what tells it from others: `ceph.host_loss@pve1-node2`.
    pub fn label(&self) -> String {
        let names: Vec<&str> = self.nodes.iter().map(|victim| victim.node.as_str()).collect();
        format!("{}@{}", self.spec.family(), names.join("-"))
    }

    /// About how long it takes, milliseconds: how long a cluster recovers nobody knows before.
    pub(super) fn duration_ms(&self) -> u64 {
        2 * crate::scenario::PEACE_MS + self.spec.hold_ms + self.spec.settle_ms.min(30_000)
    }
}

/// Every link of corosync, in place of the name of a network.
const EVERY_LINK: &str = "all";

/// What `spec` comes to among the nodes, on the one target of the plan.
pub(super) fn planned(spec: &DrillSpec, context: &PlanContext<'_>) -> Result<Vec<PlannedDrill>, String> {
    let nodes = context.nodes;
    if nodes.is_empty() {
        return Err(format!("{} breaks something on a node: name it by --nodes", spec.family()));
    }
    if let Some(node) = nodes.iter().find(|node| node.serial.is_none()) {
        return Err(format!("it breaks something on {}, which the site does not list with the serial number of its board", node.name));
    }
    let victim = |node: &Node| {
        let address = match (spec.fault, &spec.network) {
            (ClusterFault::Partition, None) => return Err("say which network the host is cut off from by --network".to_owned()),
            (ClusterFault::Partition, Some(network)) => {
                let address = node.address(network);
                Some(address.ok_or_else(|| format!("the site says no address of {} in network `{network}`", node.name))?)
            }
            (_, _) => None,
        };
        Ok(Victim { node: node.name.clone(), address })
    };
    let victims = nodes.iter().map(victim).collect::<Result<Vec<_>, String>>()?;
    let links = links(spec, nodes, context.rings)?;
    let rings = links.iter().map(|link| rings(spec, nodes, link)).collect::<Result<Vec<_>, _>>()?;
    let of = |which: std::ops::Range<usize>| PlannedDrill {
        spec: spec.clone(),
        rings: rings.iter().flat_map(|ring| ring[which.clone()].to_vec()).collect(),
        nodes: victims[which].to_vec(),
        fsid: context.permits.scratch_pools.fsid.clone(),
    };
    let all = 0..victims.len();
    match spec.fault {
        // Each of them once.
        ClusterFault::OsdStop
        | ClusterFault::OsdKill
        | ClusterFault::OsdOut
        | ClusterFault::OsdSlow
        | ClusterFault::HostLoss
        | ClusterFault::Partition => Ok(all.map(|at| of(at..at + 1)).collect()),
        // The leader is on one of them.
        ClusterFault::MonLoss => Ok(vec![of(all)]),
        // The whole cluster; any node can give the order.
        ClusterFault::Full => Ok(vec![of(0..1)]),
        ClusterFault::BelowMinSize if victims.len() == 2 => Ok(vec![of(all)]),
        ClusterFault::BelowMinSize => Err("an OSD on each of two hosts stops: name exactly two by --nodes".to_owned()),
    }
}

/// The networks in which round trips are measured meanwhile. Of all links of corosync those that a node is cut off from are none.
fn links(spec: &DrillSpec, nodes: &[Node], known: &[String]) -> Result<Vec<String>, String> {
    match spec.ring.as_deref() {
        None => Ok(Vec::new()),
        Some(EVERY_LINK) if known.is_empty() => Err("the order names no link of corosync: `corosync_links` of [cluster] in bom.toml".to_owned()),
        Some(EVERY_LINK) => {
            let left: Vec<String> = known.iter().filter(|link| nodes.iter().all(|node| !is_cut_off(spec, node, link))).cloned().collect();
            if left.is_empty() { Err("nodes are cut off from every link of corosync, in which nothing comes back then".to_owned()) } else { Ok(left) }
        }
        Some(network) => Ok(vec![network.to_owned()]),
    }
}

/// Whether a node loses what it has in this network, by its name or by its address.
fn is_cut_off(spec: &DrillSpec, node: &Node, network: &str) -> bool {
    spec.network.as_ref().is_some_and(|cut| cut == network || node.address(cut).is_some_and(|address| node.address(network) == Some(address)))
}

/// Round trips in a network from each node to the next one for as long as it is broken.
fn rings(spec: &DrillSpec, nodes: &[Node], network: &str) -> Result<Vec<PlannedNet>, String> {
    if nodes.len() < 2 {
        return Err("round trips are measured to another node: name two at least by --nodes".to_owned());
    }
    let end = |node: &Node| {
        let address = node.address(network).ok_or_else(|| format!("the site says no address of {} in network `{network}`", node.name))?;
        if is_cut_off(spec, node, network) {
            return Err(format!("{} is cut off from network `{network}`, in which nothing comes back then: name another one by --ring", node.name));
        }
        Ok(End { node: node.name.clone(), address })
    };
    let ends = nodes.iter().map(end).collect::<Result<Vec<_>, _>>()?;
    // Whole seconds, and none beyond the healing, to begin takes most of one: what is well again says nothing of what was broken.
    let runtime_ms = (spec.hold_ms.saturating_sub(1000) / 1000 * 1000).max(1000);
    let measure = Measure::Ring { rate: RING_RATE };
    let spec = NetSpec { measure, network: Some(network.to_owned()), ramp_ms: 0, runtime_ms };
    let to = ends.iter().cycle().skip(1).cloned();
    let ring = |(from, to)| PlannedNet { spec: spec.clone(), network: network.to_owned(), from, to, beside: Vec::new() };
    Ok(ends.iter().cloned().zip(to).map(ring).collect())
}

/// Round trips per second on the network of the cluster's heartbeats: ten thousand in twenty seconds.
const RING_RATE: u32 = 500;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::claim::ScratchPools;
    use crate::plan::Permits;

    const ALL: [ClusterFault; 9] = [
        ClusterFault::OsdStop,
        ClusterFault::OsdKill,
        ClusterFault::OsdOut,
        ClusterFault::OsdSlow,
        ClusterFault::MonLoss,
        ClusterFault::HostLoss,
        ClusterFault::Partition,
        ClusterFault::BelowMinSize,
        ClusterFault::Full,
    ];

    fn spec(fault: ClusterFault) -> DrillSpec {
        DrillSpec {
            fault,
            network: None,
            ring: None,
            hold_ms: 2_000,
            settle_ms: 1_000,
            delay_ms: None,
            rate: 10,
            bs: 4096,
            rwmixread: 50,
            iodepth: 4,
        }
    }

    fn node(name: &str) -> Node {
        let address = |network: &str, words: &str| (network.to_owned(), words.parse().expect("an address"));
        let addresses: BTreeMap<String, IpAddr> = [address("cluster", "10.0.0.1"), address("ring0", "10.0.1.1"), address("same", "10.0.0.1")].into();
        Node {
            name: name.into(),
            serial: Some("S".into()),
            bmc: None,
            bmc_certificate: None,
            ssh: None,
            ssh_options: Vec::new(),
            assay: None,
            addresses,
        }
    }

    fn planned(spec: &DrillSpec, nodes: &[Node]) -> Result<Vec<PlannedDrill>, String> {
        let permits = Permits { scratch_pools: ScratchPools { names: vec!["rbd".into()], fsid: Some("1-2".into()) }, ..Permits::default() };
        let rings = ["ring0".to_owned(), "cluster".to_owned()];
        let context =
            PlanContext { targets: &[], inventory: None, cpus: &[0], memory_available: 0, edges: &[], permits: &permits, nodes, rings: &rings };
        super::planned(spec, &context)
    }

    fn labels(fault: ClusterFault, nodes: &[Node]) -> Result<Vec<String>, String> {
        Ok(planned(&spec(fault), nodes)?.iter().map(PlannedDrill::label).collect())
    }

    #[test]
    fn each_node_fails_once_and_what_they_have_together_once() {
        let nodes = ["a", "b"].map(node);
        assert_eq!(labels(ClusterFault::HostLoss, &nodes).expect("planned"), ["ceph.host_loss@a", "ceph.host_loss@b"]);
        assert_eq!(labels(ClusterFault::MonLoss, &nodes).expect("planned"), ["ceph.mon_loss@a-b"]);
        assert_eq!(labels(ClusterFault::Full, &nodes).expect("planned"), ["ceph.full@a"]);
        assert_eq!(labels(ClusterFault::BelowMinSize, &nodes).expect("planned"), ["ceph.below_min_size@a-b"]);
        assert!(labels(ClusterFault::BelowMinSize, &nodes[..1]).expect_err("one").contains("exactly two"));
        assert!(labels(ClusterFault::OsdStop, &[]).expect_err("none").contains("--nodes"));
        let unlisted = Node { serial: None, ..node("c") };
        assert!(labels(ClusterFault::OsdStop, &[unlisted]).expect_err("no serial").contains("serial number"));
    }

    #[test]
    fn round_trips_go_from_each_node_that_may_fail_to_the_next_one_in_every_drill_where_a_network_is_named() {
        let nodes = ["a", "b"].map(node);
        let network = |fault| (fault == ClusterFault::Partition).then(|| "cluster".to_owned());
        let of = |fault, ring: Option<&str>| DrillSpec { network: network(fault), ring: ring.map(str::to_owned), ..spec(fault) };
        let ends = |fault, ring| -> Vec<Vec<String>> {
            let drills = planned(&of(fault, ring), &nodes).expect("planned");
            drills.iter().map(|drill| drill.rings.iter().map(PlannedNet::label).collect()).collect()
        };
        let (there, back) = ("corosync.rtt.idle@a-b:ring0".to_owned(), "corosync.rtt.idle@b-a:ring0".to_owned());
        for fault in ALL {
            assert!(ends(fault, None).iter().all(Vec::is_empty), "{fault:?}");
            let expected = match fault {
                // Which of them leads is seen when it is made.
                ClusterFault::MonLoss | ClusterFault::BelowMinSize => vec![vec![there.clone(), back.clone()]],
                ClusterFault::Full => vec![vec![there.clone()]],
                ClusterFault::OsdStop
                | ClusterFault::OsdKill
                | ClusterFault::OsdOut
                | ClusterFault::OsdSlow
                | ClusterFault::HostLoss
                | ClusterFault::Partition => vec![vec![there.clone()], vec![back.clone()]],
            };
            assert_eq!(ends(fault, Some("ring0")), expected, "{fault:?}");
            let alone = planned(&of(fault, Some("ring0")), &nodes[..1]).expect_err("alone");
            assert!(alone.contains("two at least"), "{fault:?}: {alone}");
            let nowhere = planned(&of(fault, Some("public")), &nodes).expect_err("not in it");
            assert!(nowhere.contains("no address of a in network `public`"), "{fault:?}: {nowhere}");
        }
    }

    #[test]
    fn round_trips_are_measured_on_every_link_of_corosync_that_is_not_cut_off() {
        let nodes = ["a", "b"].map(node);
        let of = |spec: DrillSpec| -> Result<Vec<Vec<String>>, String> {
            let drills = planned(&DrillSpec { ring: Some("all".into()), ..spec }, &nodes)?;
            let ring = |net: &PlannedNet| format!("{}-{} in {}", net.from.node, net.to.node, net.network);
            Ok(drills.iter().map(|drill| drill.rings.iter().map(ring).collect()).collect())
        };
        let all = [vec!["a-b in ring0", "a-b in cluster"], vec!["b-a in ring0", "b-a in cluster"]];
        assert_eq!(of(spec(ClusterFault::OsdOut)).expect("planned"), all);
        let all_of_both = [vec!["a-b in ring0", "b-a in ring0", "a-b in cluster", "b-a in cluster"]];
        assert_eq!(of(spec(ClusterFault::MonLoss)).expect("planned"), all_of_both);
        let partition = |network: &str| DrillSpec { network: Some(network.into()), ..spec(ClusterFault::Partition) };
        for network in ["cluster", "same"] {
            assert_eq!(of(partition(network)).expect("planned"), [vec!["a-b in ring0"], vec!["b-a in ring0"]], "{network}");
        }
        assert_eq!(planned(&spec(ClusterFault::OsdOut), &nodes).expect("planned")[0].fsid.as_deref(), Some("1-2"));
    }

    #[test]
    fn round_trips_end_when_it_is_healed() {
        let nodes = ["a", "b"].map(node);
        let of = DrillSpec { ring: Some("ring0".into()), hold_ms: 3_900, ..spec(ClusterFault::OsdStop) };
        assert_eq!(planned(&of, &nodes).expect("planned")[0].rings[0].spec.runtime_ms, 2_000);
    }

    #[test]
    fn nothing_comes_back_in_the_network_that_a_host_is_cut_off_from_under_whatever_name() {
        let nodes = ["a", "b"].map(node);
        for ring in ["cluster", "same"] {
            let of = DrillSpec { network: Some("cluster".into()), ring: Some(ring.into()), ..spec(ClusterFault::Partition) };
            let why = planned(&of, &nodes).expect_err("the same");
            assert!(why.contains(&format!("a is cut off from network `{ring}`")) && why.contains("--ring"), "{why}");
        }
    }

    #[test]
    fn no_kind_of_drill_has_the_figures_of_another() {
        let families: std::collections::BTreeSet<&str> = ALL.map(ClusterFault::ring_family).into();
        assert_eq!(families.len(), ALL.len());
        // No name begins another one, either.
        assert!(families.iter().all(|one| families.iter().filter(|other| other.starts_with(one)).count() == 1));
    }

    #[test]
    fn a_partition_is_of_a_network_that_the_node_is_in() {
        let nodes = [node("a")];
        assert!(labels(ClusterFault::Partition, &nodes).expect_err("which").contains("--network"));
        let of = |network: &str| DrillSpec { network: Some(network.into()), ..spec(ClusterFault::Partition) };
        assert!(planned(&of("public"), &nodes).expect_err("not in it").contains("no address of a"));
        assert_eq!(planned(&of("cluster"), &nodes).expect("planned")[0].nodes[0].address, Some("10.0.0.1".parse().expect("an address")));
    }
}
