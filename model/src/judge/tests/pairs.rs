//! Pairs of nodes that nobody measured, against the site's nodes and the links of corosync.

use super::*;
use crate::bom::{Bom, Cluster};
use crate::site::Node;

const RTT: &str = "net.rtt.idle.p99_9";
const RING: &str = "corosync.rtt.idle.p99_9";
const RECOVERY: &str = "corosync.rtt.recovery.p99_9";
const LOST: &str = "bond.failover.outage";

fn node(name: &str) -> Node {
    Node {
        name: name.into(),
        serial: None,
        bmc: None,
        bmc_certificate: None,
        ssh: None,
        ssh_options: Vec::new(),
        assay: None,
        addresses: std::collections::BTreeMap::new(),
    }
}

/// A site of three nodes whose gate bounds `name`, with a figure of each of these pairs, in this network.
fn measured(f: &mut Fixture, name: &str, pairs: &[(&str, &str, &str)], more: &[(&str, &str)]) {
    f.site.nodes = ["a", "b", "c"].map(node).into();
    let limit = Limit { metric: name.into(), bound: Bound::AtMost(5e6), basis: Basis::Policy("test".into()), scenarios: vec!["between".into()] };
    f.require(Requirement { limit: Some(limit), ..requirement(TRIAD, Severity::Gate) });
    let figure = |(from, to, network): &(&str, &str, &str)| {
        let dimensions = [&[("from", *from), ("to", *to), ("network", *network)][..], more].concat();
        let mut figure = metric(name, Unit::Nanoseconds, &dimensions, &[1e6, 1e6, 1e6, 1e6, 1e6, 1e6]);
        figure.fact.direction = Direction::LowerIsBetter;
        figure
    };
    let figures = pairs.iter().map(figure).collect();
    f.gate.scenarios.retain(|scenario| scenario != "memory-triad");
    f.runs.retain(|run| run.scenario != "memory-triad");
    f.gate.requires.retain(|requirement| requirement.id.as_str() != "memory.triad_verified");
    f.gate.scenarios.push("between".into());
    f.runs.push(run("20261120-between", "between", vec![step("pairs", figures, counted(1000, 1000), 60)]));
}

fn links(f: &mut Fixture, links: &[&str]) {
    let cluster = Cluster { corosync_links: links.iter().map(|link| (*link).to_owned()).collect(), ..Cluster::default() };
    f.site.bom =
        Some(Bom { schema: crate::bom::BOM_SCHEMA, node_class: "class".into(), revision: "1".into(), cluster: Some(cluster), lines: Vec::new() });
}

const ALL: &[(&str, &str, &str)] = &[("a", "b", "v6"), ("a", "c", "v6"), ("c", "b", "v6")];
const ALL_OF_TWO: &[(&str, &str, &str)] =
    &[("a", "b", "r0"), ("a", "c", "r0"), ("b", "c", "r0"), ("a", "b", "r1"), ("a", "c", "r1"), ("b", "c", "r1")];

#[test]
fn every_pair_of_nodes_has_to_be_measured_and_on_every_link_of_corosync() {
    admits(&[
        ("all pairs", |f| measured(f, RTT, ALL, &[]), ""),
        ("a pair in two networks", |f| measured(f, RTT, &[ALL, &[("a", "b", "v7")]].concat(), &[]), ""),
        (
            "a site that lists no nodes",
            |f| {
                measured(f, RTT, &ALL[..1], &[]);
                f.site.nodes.clear();
            },
            "",
        ),
        ("each node once", |f| measured(f, LOST, &[("a", "b", "v6"), ("b", "c", "v6"), ("c", "a", "v6")], &[("port", "p0")]), ""),
        ("each node once beside recovery", |f| measured(f, RECOVERY, &ALL[1..], &[]), ""),
        (
            "both links",
            |f| {
                measured(f, RING, ALL_OF_TWO, &[]);
                links(f, &["r0", "r1"]);
            },
            "",
        ),
    ]);
    holds(&[
        ("two of three nodes", |f| measured(f, RTT, &ALL[..1], &[]), 3, "not_run: a and c were not measured"),
        ("a pair is missing", |f| measured(f, RTT, &ALL[..2], &[]), 3, "{from=b,to=c}): not_run: b and c were not measured"),
        ("a node has no part in a drill", |f| measured(f, LOST, &ALL[..1], &[("port", "p0")]), 3, "not_run: nothing was measured of c"),
        ("a node without recovery", |f| measured(f, RECOVERY, &ALL[..1], &[]), 3, "not_run: nothing was measured of c"),
        (
            "one of two links",
            |f| {
                measured(f, RING, &ALL_OF_TWO[..3], &[]);
                links(f, &["r0", "r1"]);
            },
            3,
            "{from=a,network=r1,to=b}): not_run: a and b were not measured in network r1",
        ),
        (
            "a pair of the second link",
            |f| {
                measured(f, RING, &ALL_OF_TWO[..5], &[]);
                links(f, &["r0", "r1"]);
            },
            3,
            "b and c were not measured in network r1",
        ),
    ]);
}
