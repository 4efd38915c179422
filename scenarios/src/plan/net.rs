//! Between which nodes a measurement is made: each pair of those that take part, in both directions where that makes a difference.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use assay_bench::net::tcp::Way;
use assay_model::site::Node;
use serde::{Deserialize, Serialize};

use crate::scenario::{LinkFault, Measure, NetSpec, Over, TcpSpec};

/// One measurement between two nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedNet {
    /// What is measured.
    pub spec: NetSpec,
    /// In which network.
    pub network: String,
    /// The node that sends, asks or breaks, by its place in [`super::Plan::nodes`].
    pub from: End,
    /// The other one.
    pub to: End,
    /// All others that take part at the same time: what a switch loses, every node loses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub beside: Vec<End>,
}

/// One end of a measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// Name of the node.
    pub node: String,
    /// Its address in the network.
    pub address: IpAddr,
}

impl PlannedNet {
    /// The family of its metrics, with what tells its nodes from others: `net.rtt.idle@a-b`.
    pub fn label(&self) -> String {
        self.label_of(&self.spec.family())
    }

    /// The name of some of its figures, told from those of others in the same way: `net.tcp_4_streams_bidir.reverse@a-b`.
    pub fn label_of(&self, name: &str) -> String {
        let ends = self.ends().map(|end| end.node.as_str()).collect::<Vec<_>>().join("-");
        // Of two nodes there are as many as there are links.
        let link = if matches!(self.spec.measure, Measure::Ring { .. }) { format!(":{}", self.network) } else { String::new() };
        format!("{name}@{ends}{link}")
    }

    /// Everyone who takes part.
    pub fn ends(&self) -> impl Iterator<Item = &End> {
        [&self.from, &self.to].into_iter().chain(&self.beside)
    }

    /// About how long it takes, milliseconds.
    pub(super) fn duration_ms(&self) -> u64 {
        // How many members a bond has is seen when it is begun.
        let members = match &self.spec.measure {
            Measure::Outage { fault: LinkFault::ByHand, .. } => 1,
            Measure::Tcp(TcpSpec { over: Over::EachMember, .. }) | Measure::Outage { .. } => 2,
            Measure::Tcp(_)
            | Measure::Rtt { .. }
            | Measure::Ring { .. }
            | Measure::Clock
            | Measure::Requests { .. }
            | Measure::HashSpread { .. }
            | Measure::Mtu { .. }
            | Measure::Rdma { .. } => 1,
        };
        members * (self.spec.ramp_ms + self.spec.runtime_ms)
    }
}

/// In place of a network: nothing goes between both nodes, and each is asked over its own session.
const SESSIONS: &str = "ssh";

/// What `spec` comes to among `nodes`, of which corosync has these links.
pub(super) fn planned(spec: &NetSpec, nodes: &[Node], rings: &[String]) -> Result<Vec<PlannedNet>, String> {
    if spec.measure == Measure::Clock {
        return planned_in(spec, nodes, Some(SESSIONS));
    }
    if spec.has_a_network() {
        return planned_in(spec, nodes, None);
    }
    if rings.is_empty() {
        return Err("the order names no link of corosync: `corosync_links` of [cluster] in bom.toml".to_owned());
    }
    let links = rings.iter().map(|link| planned_in(spec, nodes, Some(link))).collect::<Result<Vec<_>, _>>()?;
    Ok(links.into_iter().flatten().collect())
}

fn planned_in(spec: &NetSpec, nodes: &[Node], link: Option<&str>) -> Result<Vec<PlannedNet>, String> {
    if nodes.len() < 2 {
        return Err(format!("{} is measured between two nodes at least: name them by --nodes", spec.family()));
    }
    if matches!(spec.measure, Measure::Rdma { .. }) && !assay_rdma::HAS_VERBS {
        return Err(assay_rdma::WITHOUT_VERBS.to_owned());
    }
    let network = link.map_or_else(|| network(spec, nodes), |link| Ok(link.to_owned()))?;
    let ends: Vec<End> = nodes
        .iter()
        .map(|node| {
            let known = if spec.measure == Measure::Clock { Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)) } else { node.address(&network) };
            let address = known.ok_or_else(|| format!("the site says no address of {} in network `{network}`", node.name))?;
            Ok(End { node: node.name.clone(), address })
        })
        .collect::<Result<_, String>>()?;
    let by_assay = spec.breaks() && !matches!(spec.measure, Measure::Outage { fault: LinkFault::ByHand, .. });
    if let Some(node) = nodes.iter().find(|node| by_assay && node.serial.is_none()) {
        return Err(format!("it breaks something on {}, which the site does not list with the serial number of its board", node.name));
    }
    let planned = |from: usize, to: usize| PlannedNet {
        spec: spec.clone(),
        network: network.clone(),
        from: ends[from].clone(),
        to: ends[to].clone(),
        beside: Vec::new(),
    };
    let count = ends.len();
    let pairs = (0..count).flat_map(|from| (0..count).map(move |to| (from, to))).filter(|(from, to)| from != to);
    Ok(match &spec.measure {
        // Both ways at once are measured once, whoever connects.
        Measure::Tcp(TcpSpec { way: Way::Both, .. }) => pairs.filter(|(from, to)| from < to).map(|(from, to)| planned(from, to)).collect(),
        Measure::Tcp(_) | Measure::HashSpread { .. } | Measure::Mtu { .. } => pairs.map(|(from, to)| planned(from, to)).collect(),
        // To and fro is one way; who reads is not who is read from.
        Measure::Rdma { workload, .. } if workload.measure == assay_rdma::Measure::Bandwidth || workload.operation == assay_rdma::Operation::Read => {
            pairs.map(|(from, to)| planned(from, to)).collect()
        }
        // There and back is one way.
        Measure::Rtt { .. } | Measure::Ring { .. } | Measure::Clock | Measure::Requests { .. } | Measure::Rdma { .. } => {
            pairs.filter(|(from, to)| from < to).map(|(from, to)| planned(from, to)).collect()
        }
        // A switch fails for all nodes at once.
        Measure::Outage { fault: LinkFault::SwitchLoss, .. } => vec![PlannedNet { beside: ends[2..].to_vec(), ..planned(0, 1) }],
        // Whoever breaks it does so once.
        Measure::Outage { fault: LinkFault::ByHand, .. } => vec![planned(0, 1)],
        // Each node's own members fail once.
        Measure::Outage { .. } => (0..count).map(|from| planned(from, (from + 1) % count)).collect(),
    })
}

fn network(spec: &NetSpec, nodes: &[Node]) -> Result<String, String> {
    if let Some(network) = &spec.network {
        return Ok(network.clone());
    }
    let mut common: BTreeSet<&String> = nodes.iter().flat_map(|node| node.addresses.keys()).collect();
    for node in nodes {
        common.retain(|network| node.addresses.contains_key(*network));
    }
    match common.iter().collect::<Vec<_>>().as_slice() {
        [network] => Ok((**network).clone()),
        [] => Err("the site names no network in which all these nodes have an address: `addresses` of [[node]] in site.toml".to_owned()),
        several => {
            let names: Vec<&str> = several.iter().map(|network| network.as_str()).collect();
            Err(format!("these nodes share several networks: say which by --network: {}", names.join(", ")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::scenario::Probing;

    fn node(name: &str, addresses: &[(&str, &str)]) -> Node {
        let addresses: BTreeMap<String, IpAddr> =
            addresses.iter().map(|(network, address)| ((*network).to_owned(), address.parse().expect("an address"))).collect();
        Node { name: name.into(), serial: None, bmc: None, bmc_certificate: None, ssh: None, ssh_options: Vec::new(), assay: None, addresses }
    }

    fn spec(measure: Measure) -> NetSpec {
        NetSpec { measure, network: None, ramp_ms: 0, runtime_ms: 1000 }
    }

    fn pairs(measure: Measure, nodes: &[Node]) -> Result<Vec<String>, String> {
        Ok(planned(&spec(measure), nodes, &[])?.iter().map(|one| format!("{}-{}", one.from.node, one.to.node)).collect())
    }

    #[test]
    fn every_link_of_corosync_is_measured_and_no_other_network() {
        let nodes = ["a", "b", "c"].map(|name| node(name, &[("ring0", "10.0.0.1"), ("ring1", "10.1.0.1"), ("storage", "10.2.0.1")]));
        let ring = spec(Measure::Ring { rate: 500 });
        let links = ["ring0".to_owned(), "ring1".to_owned()];
        let all: Vec<String> = planned(&ring, &nodes, &links).expect("planned").iter().map(PlannedNet::label).collect();
        let expected = ["a-b:ring0", "a-c:ring0", "b-c:ring0", "a-b:ring1", "a-c:ring1", "b-c:ring1"];
        assert_eq!(all, expected.map(|end| format!("corosync.rtt.idle@{end}")));
        assert!(planned(&ring, &nodes, &[]).expect_err("no link").contains("corosync_links"));
        let without = [nodes[0].clone(), node("d", &[("ring0", "10.0.0.4")])];
        assert!(planned(&ring, &without, &links).expect_err("one link only").contains("no address of d in network `ring1`"));
        let clock = planned(&spec(Measure::Clock), &[nodes[0].clone(), node("d", &[])], &[]).expect("planned");
        assert_eq!(clock.iter().map(PlannedNet::label).collect::<Vec<_>>(), ["cluster.clock@a-d"]);
        assert!(planned(&ring, &nodes[..1], &links).expect_err("alone").contains("two nodes at least"));
    }

    #[test]
    fn every_pair_is_measured_and_both_ways_where_that_is_not_the_same() {
        let nodes = ["a", "b", "c"].map(|name| node(name, &[("storage", &format!("10.0.0.{}", name.as_bytes()[0]))]));
        let tcp = Measure::Tcp(TcpSpec::default());
        let reverse = Measure::Tcp(TcpSpec { way: Way::Reverse, ..TcpSpec::default() });
        for one_way in [&tcp, &reverse] {
            assert_eq!(pairs(one_way.clone(), &nodes).expect("planned"), ["a-b", "a-c", "b-a", "b-c", "c-a", "c-b"]);
        }
        let bidir = Measure::Tcp(TcpSpec { way: Way::Both, ..TcpSpec::default() });
        assert_eq!(pairs(bidir, &nodes).expect("planned"), ["a-b", "a-c", "b-c"]);
        assert_eq!(pairs(Measure::Rtt { rate: 1, load_streams: 0 }, &nodes).expect("planned"), ["a-b", "a-c", "b-c"]);
        let outage = Measure::Outage { fault: LinkFault::LinkDown, hold_ms: 100, probing: Probing::default() };
        assert!(pairs(outage.clone(), &nodes).expect_err("no serial").contains("serial number"));
        let listed = nodes.clone().map(|node| Node { serial: Some("S".into()), ..node });
        assert_eq!(pairs(outage, &listed).expect("planned"), ["a-b", "b-c", "c-a"]);
        let switch = spec(Measure::Outage { fault: LinkFault::SwitchLoss, hold_ms: 100, probing: Probing::default() });
        assert!(planned(&switch, &nodes, &[]).expect_err("no serial").contains("serial number"));
        let all: Vec<String> = planned(&switch, &listed, &[]).expect("planned").iter().map(PlannedNet::label).collect();
        assert_eq!(all, ["bond.switch_loss@a-b-c"], "all nodes at once");
        let of = |tcp: TcpSpec, name: &str| planned(&spec(Measure::Tcp(tcp)), &nodes, &[]).expect("planned")[2].label_of(name);
        assert_eq!(of(TcpSpec::default(), "net.tcp_1_stream.reverse"), "net.tcp_1_stream.reverse@b-a");
        assert!(pairs(tcp, &nodes[..1]).expect_err("alone").contains("--nodes"));
    }

    #[test]
    fn the_network_is_said_or_the_only_one_that_all_are_in() {
        let nodes = [node("a", &[("storage", "10.0.0.1"), ("backup", "10.1.0.1")]), node("b", &[("storage", "10.0.0.2")])];
        let rtt = Measure::Rtt { rate: 1, load_streams: 0 };
        assert_eq!(planned(&spec(rtt.clone()), &nodes, &[]).expect("planned")[0].network, "storage");
        let both = [nodes[0].clone(), node("b", &[("storage", "10.0.0.2"), ("backup", "10.1.0.2")])];
        assert!(planned(&spec(rtt.clone()), &both, &[]).expect_err("which").contains("backup, storage"));
        let backup = NetSpec { network: Some("backup".into()), ..spec(rtt.clone()) };
        assert_eq!(planned(&backup, &both, &[]).expect("planned")[0].to.address.to_string(), "10.1.0.2");
        assert!(planned(&backup, &nodes, &[]).expect_err("not in it").contains("no address of b"));
        assert!(planned(&spec(rtt), &[node("a", &[]), node("b", &[])], &[]).expect_err("none").contains("site.toml"));
    }

    #[test]
    fn rdma_is_planned_by_a_build_that_has_it_and_refused_with_its_remedy_by_one_that_has_not() {
        use assay_rdma::{Operation, Workload};
        let nodes = ["a", "b"].map(|name| node(name, &[("storage", &format!("10.0.0.{}", name.as_bytes()[0]))]));
        let runtime = std::time::Duration::from_secs(1);
        let rdma = |workload| pairs(Measure::Rdma { workload, gid_index: None }, &nodes);
        let of = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for (workload, ways) in [
            (Workload::bandwidth(Operation::Send, 4096, runtime), of(&["a-b", "b-a"])),
            (Workload::latency(Operation::Read, 64, runtime), of(&["a-b", "b-a"])),
            (Workload::latency(Operation::Write, 64, runtime), of(&["a-b"])),
        ] {
            if assay_rdma::HAS_VERBS {
                assert_eq!(rdma(workload), Ok(ways));
            } else {
                let why = rdma(workload).expect_err("built without");
                assert!(why.contains("built without RDMA") && why.contains("apt-get install") && why.contains("--features rdma"), "{why}");
            }
        }
    }
}
