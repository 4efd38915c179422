//! On which nodes a drill on a Ceph cluster is made: on each of those that take part, one after the other, or on what several of them have together.

use std::net::IpAddr;

use assay_model::site::Node;
use serde::{Deserialize, Serialize};

use super::{End, PlannedNet};
use crate::scenario::{ClusterFault, DrillSpec, Measure, NetSpec};

/// One drill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedDrill {
    /// What fails, and what the client does.
    pub spec: DrillSpec,
    /// The nodes on which something fails, or among which what fails is looked for.
    pub nodes: Vec<Victim>,
    /// Round trips that are measured meanwhile, from the first node to another one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ring: Option<Box<PlannedNet>>,
}

/// A node on which something fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Victim {
    /// Its name.
    pub node: String,
    /// Its address in the network that it is cut off from, or over which it is measured.
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

/// What `spec` comes to among `nodes`, on the one target of the plan.
pub(super) fn planned(spec: &DrillSpec, nodes: &[Node]) -> Result<Vec<PlannedDrill>, String> {
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
            (ClusterFault::OsdOut, Some(network)) if nodes.len() > 1 => node.address(network),
            (ClusterFault::OsdOut, Some(_)) => return Err("round trips are measured to another node: name two at least by --nodes".to_owned()),
            (_, _) => None,
        };
        Ok(Victim { node: node.name.clone(), address })
    };
    let victims = nodes.iter().map(victim).collect::<Result<Vec<_>, String>>()?;
    let of = |nodes: Vec<Victim>| PlannedDrill { spec: spec.clone(), nodes, ring: None };
    match spec.fault {
        ClusterFault::OsdOut => {
            let count = victims.len();
            let ring = |at: usize| Some(Box::new(ring(spec, &victims[at], &victims[(at + 1) % count])?));
            let out = |at: usize| PlannedDrill { ring: ring(at), ..of(vec![victims[at].clone()]) };
            if let (Some(network), Some(none)) = (&spec.network, victims.iter().find(|victim| victim.address.is_none())) {
                return Err(format!("the site says no address of {} in network `{network}`", none.node));
            }
            Ok((0..count).map(out).collect())
        }
        // Each of them once.
        ClusterFault::OsdStop | ClusterFault::OsdKill | ClusterFault::OsdSlow | ClusterFault::HostLoss | ClusterFault::Partition => {
            Ok(victims.into_iter().map(|victim| of(vec![victim])).collect())
        }
        // The leader is on one of them.
        ClusterFault::MonLoss => Ok(vec![of(victims)]),
        // The whole cluster; any node can give the order.
        ClusterFault::Full => Ok(vec![of(victims.into_iter().take(1).collect())]),
        ClusterFault::BelowMinSize if victims.len() == 2 => Ok(vec![of(victims)]),
        ClusterFault::BelowMinSize => Err("an OSD on each of two hosts stops: name exactly two by --nodes".to_owned()),
    }
}

/// Round trips between two nodes for as long as an OSD is out; none where no network is named.
fn ring(spec: &DrillSpec, from: &Victim, to: &Victim) -> Option<PlannedNet> {
    let network = spec.network.clone()?;
    let end = |victim: &Victim| Some(End { node: victim.node.clone(), address: victim.address? });
    let measure = Measure::Rtt { rate: RING_RATE, load_streams: 0 };
    let spec = NetSpec { measure, network: Some(network.clone()), ramp_ms: 0, runtime_ms: spec.hold_ms };
    Some(PlannedNet { spec, network, from: end(from)?, to: end(to)?, beside: Vec::new() })
}

/// Round trips per second on the network of the cluster's heartbeats: ten thousand in twenty seconds.
const RING_RATE: u32 = 500;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn spec(fault: ClusterFault) -> DrillSpec {
        DrillSpec { fault, network: None, hold_ms: 2_000, settle_ms: 1_000, delay_ms: None, rate: 10, bs: 4096, rwmixread: 50, iodepth: 4 }
    }

    fn node(name: &str) -> Node {
        let addresses: BTreeMap<String, IpAddr> = [("cluster".to_owned(), "10.0.0.1".parse().expect("an address"))].into();
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
    fn round_trips_are_measured_to_the_next_node_while_an_osd_is_out_where_a_network_is_named() {
        let nodes = ["a", "b"].map(node);
        let of = |network: Option<&str>| DrillSpec { network: network.map(str::to_owned), ..spec(ClusterFault::OsdOut) };
        assert!(planned(&of(None), &nodes).expect("planned").iter().all(|drill| drill.ring.is_none()));
        let with = planned(&of(Some("cluster")), &nodes).expect("planned");
        let ends: Vec<String> = with.iter().filter_map(|drill| drill.ring.as_ref().map(|ring| ring.label())).collect();
        assert_eq!(ends, ["net.rtt.idle@a-b", "net.rtt.idle@b-a"]);
        assert!(planned(&of(Some("cluster")), &nodes[..1]).expect_err("alone").contains("two at least"));
        assert!(planned(&of(Some("ring0")), &nodes).expect_err("not in it").contains("no address of a"));
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
