//! The nodes and pairs of nodes that figures are of, and which of the site's nobody measured: the others do not speak for them.

use std::collections::BTreeSet;

use crate::between::{FROM, NETWORK, TO, is_of_pair};
use crate::judge::figure::Figure;
use crate::site::{Node, Site};

/// Dimensions that a figure of one end has: of the node that sends or breaks, of the one that is named, or of whichever end the switch is at.
const OF_SENDER: [&str; 2] = ["port", "member"];
const OF_NAMED: &str = "at";
const OF_EITHER: &str = "chassis";
/// What is measured on the links of corosync begins so; while nothing is broken of every two nodes, and else from each node.
const ON_LINKS: &str = "corosync.rtt.";
const IDLE: &str = "corosync.rtt.idle.";
/// What somebody breaks by hand is one cable of one node each time.
const BY_HAND: &str = "bond.by_hand.";
/// Drills on a Ceph cluster that are made on every node that takes part: their figures name it.
const OF_NODES: [&str; 6] = ["ceph.host_loss.", "ceph.osd_stop.", "ceph.osd_kill.", "ceph.osd_out.", "ceph.osd_slow.", "ceph.partition."];
const NODE: &str = "node";

/// What has no figure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unmeasured {
    /// The dimensions that it would have.
    pub(super) dimensions: String,
    /// What is missing.
    pub(super) why: String,
}

/// The ends of a figure.
struct Ends<'a> {
    from: &'a str,
    to: &'a str,
    network: Option<&'a str>,
}

/// What a figure speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    /// Both of them.
    Pair,
    /// What goes from one to the other.
    Way,
    /// One node.
    Node,
}

/// Nodes and pairs of nodes of the site without a figure, where any has one. All figures are of one name.
pub(super) fn unmeasured(site: &Site, figures: &[&Figure<'_>]) -> Vec<Unmeasured> {
    let Some(metric) = figures.first().map(|figure| figure.metric.fact.name.0.as_str()) else { return Vec::new() };
    if OF_NODES.iter().any(|drill| metric.starts_with(drill)) {
        return undrilled(site, figures);
    }
    let ends: Vec<Ends<'_>> = figures.iter().filter_map(|figure| ends(figure)).collect();
    if ends.is_empty() || metric.starts_with(BY_HAND) {
        return Vec::new();
    }
    let has = |name: &str| figures.iter().any(|figure| figure.metric.fact.dimensions.contains_key(name));
    let of_one_end = [OF_SENDER[0], OF_SENDER[1], OF_NAMED, OF_EITHER].into_iter().any(has);
    let subject = if of_one_end || metric.starts_with(ON_LINKS) && !metric.starts_with(IDLE) {
        Subject::Node
    } else if is_of_pair(metric) {
        Subject::Pair
    } else {
        Subject::Way
    };
    let spoken_for: BTreeSet<(&str, Option<&str>)> = figures.iter().flat_map(|figure| nodes_of(figure)).collect();
    let cluster = site.bom.as_ref().and_then(|bom| bom.cluster.as_ref());
    let links: Vec<&str> = cluster.map(|cluster| cluster.corosync_links.iter().map(String::as_str).collect()).unwrap_or_default();
    let networks: BTreeSet<Option<&str>> = if links.is_empty() || !metric.starts_with(ON_LINKS) {
        ends.iter().map(|end| end.network).collect()
    } else {
        links.iter().map(|link| Some(*link)).collect()
    };
    let ordered = ordered(site);
    let of_network = |network: Option<&str>| {
        // What goes through no network is asked of the nodes of the cluster.
        let nodes = network.map_or_else(|| nodes_in(site, &links), |network| nodes_in(site, &[network]));
        let within = network.map_or_else(String::new, |network| format!(" in network {network}"));
        let named = |ends: String| network.map_or_else(|| ends.clone(), |network| format!("{ends},network={network}"));
        let mut missing = Vec::new();
        if nodes.len() < ordered {
            let why = format!("{ordered} nodes are ordered, and the site has {}{within}", nodes.len());
            missing.push(Unmeasured { dimensions: named("nodes".to_owned()), why });
        }
        let has = |from: &str, to: &str| ends.iter().any(|end| (end.from, end.to, end.network) == (from, to, network));
        match subject {
            Subject::Node => missing.extend(
                nodes
                    .iter()
                    .filter(|node| !spoken_for.contains(&(**node, network)))
                    .map(|node| Unmeasured { dimensions: named(format!("node={node}")), why: format!("nothing was measured of {node}{within}") }),
            ),
            Subject::Pair => missing.extend(pairs(&nodes).filter(|(one, other)| !has(one, other) && !has(other, one)).map(|(one, other)| {
                Unmeasured { dimensions: named(format!("from={one},to={other}")), why: format!("{one} and {other} were not measured{within}") }
            })),
            Subject::Way => {
                let ways = pairs(&nodes).flat_map(|(one, other)| [(one, other), (other, one)]);
                missing.extend(ways.filter(|(from, to)| !has(from, to)).map(|(from, to)| Unmeasured {
                    dimensions: named(format!("from={from},to={to}")),
                    why: format!("{from} to {to} was not measured{within}"),
                }));
            }
        }
        missing
    };
    networks.into_iter().flat_map(of_network).collect()
}

fn ends<'a>(figure: &Figure<'a>) -> Option<Ends<'a>> {
    let of = |name: &str| figure.metric.fact.dimensions.get(name).map(String::as_str);
    Some(Ends { from: of(FROM)?, to: of(TO)?, network: of(NETWORK) })
}

/// The nodes that a figure of one end speaks for, each with its network.
fn nodes_of<'a>(figure: &Figure<'a>) -> Vec<(&'a str, Option<&'a str>)> {
    let of = |name: &str| figure.metric.fact.dimensions.get(name).map(String::as_str);
    let Some(Ends { from, to, network }) = ends(figure) else { return Vec::new() };
    let nodes = match (of(OF_NAMED), of(OF_EITHER)) {
        (Some(named), _) => vec![named],
        (None, Some(_)) => vec![from, to],
        (None, None) => vec![from],
    };
    nodes.into_iter().map(|node| (node, network)).collect()
}

/// Nodes that were in no drill of which each node has one.
fn undrilled(site: &Site, figures: &[&Figure<'_>]) -> Vec<Unmeasured> {
    let named = figures.iter().filter_map(|figure| figure.metric.fact.dimensions.get(NODE));
    let drilled: BTreeSet<&str> = named.flat_map(|nodes| nodes.split(' ')).collect();
    let ceph = site.bom.as_ref().and_then(|bom| bom.cluster.as_ref()?.ceph.as_ref());
    let networks: Vec<&str> = ceph.map(|ceph| vec![ceph.public_network.as_str(), ceph.cluster_network.as_str()]).unwrap_or_default();
    let nodes = nodes_in(site, &networks);
    let missing = nodes.iter().filter(|node| !drilled.contains(**node));
    let mut missing: Vec<Unmeasured> =
        missing.map(|node| Unmeasured { dimensions: format!("node={node}"), why: format!("{node} was in no drill") }).collect();
    if nodes.len() < ordered(site) {
        let why = format!("{} nodes are ordered, and the site has {}", ordered(site), nodes.len());
        missing.push(Unmeasured { dimensions: "nodes".to_owned(), why });
    }
    missing
}

/// How many nodes are ordered; none where nothing is.
fn ordered(site: &Site) -> usize {
    let cluster = site.bom.as_ref().and_then(|bom| bom.cluster.as_ref());
    cluster.map_or(0, |cluster| usize::try_from(cluster.nodes).unwrap_or(usize::MAX))
}

/// The nodes that the site has in one of these networks; where it has none there, all that have an address for data, or all there are. A backup host that is only fenced is none of them.
fn nodes_in<'a>(site: &'a Site, networks: &[&str]) -> Vec<&'a str> {
    let of = |is: &dyn Fn(&Node) -> bool| site.nodes.iter().filter(|node| is(node)).map(|node| node.name.as_str()).collect::<Vec<_>>();
    let known = of(&|node| networks.iter().any(|network| node.address(network).is_some()));
    let known = if known.is_empty() { of(&|node| !node.addresses.is_empty()) } else { known };
    if known.is_empty() { of(&|_| true) } else { known }
}

fn pairs<'a>(nodes: &'a [&'a str]) -> impl Iterator<Item = (&'a str, &'a str)> {
    nodes.iter().enumerate().flat_map(|(at, one)| nodes[at + 1..].iter().map(move |other| (*one, *other)))
}
