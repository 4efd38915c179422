//! Nodes and pairs of nodes that nobody measured, against the site's nodes, the order and the links of corosync.

use super::*;
use crate::bom::{Bom, Cluster};
use crate::site::Node;

const RTT: &str = "net.rtt.idle.p99_9";
const TCP: &str = "net.tcp_1_stream.goodput";
const BOTH_WAYS: &str = "net.tcp_1_stream_bidir.forward.goodput";
const BOTH_COMPARED: &str = "net.tcp_1_stream_bidir_verified.forward.goodput";
const RING: &str = "corosync.rtt.idle.p99_9";
const RECOVERY: &str = "corosync.rtt.recovery.p99_9";
const LOST: &str = "bond.failover.outage";
const SWITCH: &str = "bond.switch_loss.outage";
const CLOCK: &str = "cluster.clock.offset";
const HOST: &str = "ceph.host_loss.stall";
const RDMA: &str = "nic.port.rdma_goodput";

type Way = (&'static str, &'static str, &'static str);

fn node(name: &str, networks: &[&str]) -> Node {
    Node {
        name: name.into(),
        serial: None,
        bmc: None,
        bmc_certificate: None,
        ssh: None,
        ssh_options: Vec::new(),
        assay: None,
        addresses: networks.iter().map(|network| ((*network).to_owned(), "10.0.0.1".parse().expect("an address"))).collect(),
    }
}

/// A site of three nodes whose gate bounds `name`, with a figure of each of these ways.
fn measured(f: &mut Fixture, name: &str, ways: &[Way], more: &[(&str, &str)]) {
    f.site.nodes = ["a", "b", "c"].map(|name| node(name, &["v6", "r0", "r1"])).into();
    let limit = Limit { metric: name.into(), bound: Bound::AtMost(5e6), basis: Basis::Policy("test".into()), scenarios: vec!["between".into()] };
    f.require(Requirement { limit: Some(limit), ..requirement(TRIAD, Severity::Gate) });
    let figure = |(from, to, network): &Way| {
        let dimensions = [&[("from", *from), ("to", *to), ("network", *network)][..], more].concat();
        let mut figure = metric(name, Unit::Nanoseconds, &dimensions, &[1e6, 1e6, 1e6, 1e6, 1e6, 1e6]);
        figure.fact.direction = Direction::LowerIsBetter;
        figure
    };
    let figures = ways.iter().map(figure).collect();
    f.gate.scenarios.retain(|scenario| scenario != "memory-triad");
    f.runs.retain(|run| run.scenario != "memory-triad");
    f.gate.requires.retain(|requirement| requirement.id.as_str() != "memory.triad_verified");
    f.gate.scenarios.push("between".into());
    f.runs.push(run("20261120-between", "between", vec![step("pairs", figures, counted(1000, 1000), 60)]));
}

fn ordered(f: &mut Fixture, nodes: u32, links: &[&str]) {
    let cluster = Cluster { nodes, corosync_links: links.iter().map(|link| (*link).to_owned()).collect(), ..Cluster::default() };
    f.site.bom =
        Some(Bom { schema: crate::bom::BOM_SCHEMA, node_class: "class".into(), revision: "1".into(), cluster: Some(cluster), lines: Vec::new() });
}

/// Two links of corosync, of three nodes.
fn on_links(f: &mut Fixture, name: &str, ways: &[Way]) {
    measured(f, name, ways, &[]);
    ordered(f, 3, &["r0", "r1"]);
}

/// Clocks of these, and a backup host with an address of its own.
fn clocks(f: &mut Fixture, ways: &[Way]) {
    on_links(f, CLOCK, ways);
    f.step("pairs").metrics.iter_mut().for_each(|metric| drop(metric.fact.dimensions.remove("network")));
    f.site.nodes.push(node("pbs", &["backup"]));
}

/// Hosts of a Ceph cluster of three that were lost once.
fn hosts(f: &mut Fixture, nodes: &[&str]) {
    measured(f, HOST, &PAIRS[..nodes.len()], &[]);
    for (metric, node) in f.step("pairs").metrics.iter_mut().zip(nodes) {
        metric.fact.dimensions = [("node".to_owned(), (*node).to_owned())].into();
    }
    ordered(f, 3, &[]);
    f.site.nodes.push(node("pbs", &["backup"]));
    let ceph = crate::bom::Ceph { public_network: "v6".into(), cluster_network: "v6".into(), ..Default::default() };
    f.site.bom.as_mut().and_then(|bom| bom.cluster.as_mut()).expect("a cluster").ceph = Some(ceph);
}

/// Each of these nodes has had a port out of order once.
fn drilled(f: &mut Fixture, ways: &[Way]) {
    measured(f, LOST, ways, &[("port", "p0")]);
}

const PAIRS: &[Way] = &[("a", "b", "v6"), ("a", "c", "v6"), ("c", "b", "v6")];
const WAYS: &[Way] = &[("a", "b", "v6"), ("a", "c", "v6"), ("b", "c", "v6"), ("b", "a", "v6"), ("c", "a", "v6"), ("c", "b", "v6")];
const ROUND: &[Way] = &[("a", "b", "v6"), ("b", "c", "v6"), ("c", "a", "v6")];
const LINKS: &[Way] = &[("a", "b", "r0"), ("a", "c", "r0"), ("b", "c", "r0"), ("a", "b", "r1"), ("a", "c", "r1"), ("b", "c", "r1")];
const LINKS_ROUND: &[Way] = &[("a", "b", "r0"), ("b", "c", "r0"), ("c", "a", "r0"), ("a", "b", "r1"), ("b", "c", "r1"), ("c", "a", "r1")];

#[test]
fn what_is_known_of_every_node_and_pair_passes() {
    admits(&[
        ("all pairs there and back", |f| measured(f, RTT, PAIRS, &[]), ""),
        ("all pairs both ways at once", |f| measured(f, BOTH_WAYS, PAIRS, &[]), ""),
        ("the same, compared", |f| measured(f, BOTH_COMPARED, PAIRS, &[]), ""),
        ("all ways", |f| measured(f, TCP, WAYS, &[]), ""),
        ("clocks of the cluster's nodes", |f| clocks(f, PAIRS), ""),
        ("each host lost once", |f| hosts(f, &["a", "b", "c"]), ""),
        (
            "a backup host that no data goes to",
            |f| {
                measured(f, TCP, WAYS, &[]);
                f.site.nodes.push(node("pbs", &[]));
            },
            "",
        ),
        (
            "nodes that are not in this network",
            |f| {
                measured(f, TCP, WAYS, &[]);
                f.site.nodes.push(node("d", &["other"]));
            },
            "",
        ),
        (
            "a site that lists no nodes",
            |f| {
                measured(f, RTT, &PAIRS[..1], &[]);
                f.site.nodes.clear();
            },
            "",
        ),
        ("each node once", |f| drilled(f, ROUND), ""),
        ("a switch at two of three pairs", |f| measured(f, SWITCH, &ROUND[..2], &[("chassis", "s1")]), ""),
        ("both links", |f| on_links(f, RING, LINKS), ""),
        ("recovery from each node on both links", |f| on_links(f, RECOVERY, LINKS_ROUND), ""),
        ("recovery where no links are ordered", |f| measured(f, RECOVERY, ROUND, &[]), ""),
        ("one cable by hand", |f| measured(f, "bond.by_hand.outage", &ROUND[..1], &[("port", "p0")]), ""),
    ]);
}

#[test]
fn nobody_speaks_for_a_node_or_pair_that_was_not_measured() {
    holds(&[
        ("two of three nodes", |f| measured(f, RTT, &PAIRS[..1], &[]), 3, "not_run: a and c were not measured in network v6"),
        ("a pair is missing", |f| measured(f, RTT, &PAIRS[..2], &[]), 3, "{from=b,to=c,network=v6}): not_run: b and c were not measured"),
        ("one way of a pair is missing", |f| measured(f, TCP, &WAYS[..5], &[]), 3, "not_run: c to b was not measured in network v6"),
        ("both ways at once of two pairs", |f| measured(f, BOTH_WAYS, &PAIRS[..2], &[]), 3, "b and c were not measured"),
        // c was sent to, and its own bond never failed.
        ("a node has no part of its own in a drill", |f| drilled(f, &ROUND[..2]), 3, "not_run: nothing was measured of c"),
        ("a member of a receiver", |f| measured(f, "nic.port.tcp_goodput", &WAYS[..4], &[("member", "m0")]), 3, "nothing was measured of c"),
        ("a figure of the named end", |f| measured(f, RDMA, WAYS, &[("at", "b")]), 3, "nothing was measured of c"),
        ("a switch at one pair", |f| measured(f, SWITCH, &ROUND[..1], &[("chassis", "s1")]), 3, "nothing was measured of c"),
        (
            "fewer nodes than ordered",
            |f| {
                measured(f, RTT, &PAIRS[..1], &[]);
                f.site.nodes.truncate(2);
                ordered(f, 3, &[]);
            },
            3,
            "not_run: 3 nodes are ordered, and the site has 2 in network v6",
        ),
        (
            "a node that the site says no address of",
            |f| {
                measured(f, RTT, &PAIRS[..1], &[]);
                f.site.nodes[2] = node("c", &[]);
                ordered(f, 3, &[]);
            },
            3,
            "3 nodes are ordered, and the site has 2",
        ),
        ("a clock that was not asked", |f| clocks(f, &PAIRS[..1]), 3, "a and c were not measured"),
        ("hosts that were never lost", |f| hosts(f, &["b"]), 3, "{node=a}): not_run: a was in no drill"),
        ("one of two links", |f| on_links(f, RING, &LINKS[..3]), 3, "{from=a,to=b,network=r1}): not_run: a and b were not measured in network r1"),
        ("a pair of the second link", |f| on_links(f, RING, &LINKS[..5]), 3, "b and c were not measured in network r1"),
        ("recovery on one of two links", |f| on_links(f, RECOVERY, &LINKS_ROUND[..3]), 3, "nothing was measured of a in network r1"),
        ("recovery without a node", |f| on_links(f, RECOVERY, &LINKS_ROUND[..5]), 3, "nothing was measured of c in network r1"),
    ]);
}
