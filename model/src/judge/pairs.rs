//! The pairs of nodes that figures are of, and which pairs of the site nobody measured: the others do not speak for them.

use crate::judge::figure::Figure;
use crate::site::Site;

const FROM: &str = "from";
const TO: &str = "to";
const NETWORK: &str = "network";
/// Of what tells the ends of one pair apart a node is the subject, and not the pair.
const OF_ONE_END: [&str; 4] = ["port", "member", "chassis", "at"];
/// What is measured on the links of corosync begins so; of every two nodes on each link while nothing is broken, and else of each node.
const ON_A_LINK: &str = "corosync.rtt.";
const ON_EACH_LINK: &str = "corosync.rtt.idle.";

/// What has no figure.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unmeasured {
    /// The dimensions that it would have.
    pub(super) dimensions: String,
    /// What is missing.
    pub(super) why: String,
}

/// Nodes and pairs of nodes of the site without a figure, where any has one.
pub(super) fn unmeasured(site: &Site, figures: &[&Figure<'_>]) -> Vec<Unmeasured> {
    let of = |figure: &Figure<'_>, name: &str| figure.metric.fact.dimensions.get(name).cloned();
    let ends: Vec<(String, String, Option<String>)> =
        figures.iter().filter_map(|figure| Some((of(figure, FROM)?, of(figure, TO)?, of(figure, NETWORK)))).collect();
    if ends.is_empty() {
        return Vec::new();
    }
    let nodes: Vec<&str> = site.nodes.iter().map(|node| node.name.as_str()).collect();
    let begins = |with: &str| figures.iter().any(|figure| figure.metric.fact.name.0.starts_with(with));
    let of_one_end = figures.iter().any(|figure| OF_ONE_END.iter().any(|name| of(figure, name).is_some()));
    if of_one_end || begins(ON_A_LINK) && !begins(ON_EACH_LINK) {
        let is_measured = |node: &str| ends.iter().any(|(from, to, _)| [from, to].iter().any(|end| *end == node));
        let missing = nodes.iter().filter(|node| !is_measured(node));
        return missing.map(|node| Unmeasured { dimensions: format!("node={node}"), why: format!("nothing was measured of {node}") }).collect();
    }
    let pairs = || nodes.iter().enumerate().flat_map(|(at, one)| nodes[at + 1..].iter().map(move |other| (*one, *other)));
    let joins = |(from, to): (&str, &str), (one, other): (&str, &str)| (from, to) == (one, other) || (from, to) == (other, one);
    let is_measured = |pair, link: Option<&String>| {
        ends.iter().any(|(from, to, network)| joins((from, to), pair) && link.is_none_or(|link| network.as_ref() == Some(link)))
    };
    let missing = |link: Option<&String>| {
        let of_link = pairs().filter(|pair| !is_measured(*pair, link)).map(|(one, other)| match link {
            None => Unmeasured { dimensions: format!("from={one},to={other}"), why: format!("{one} and {other} were not measured") },
            Some(link) => Unmeasured {
                dimensions: format!("from={one},network={link},to={other}"),
                why: format!("{one} and {other} were not measured in network {link}"),
            },
        });
        of_link.collect::<Vec<_>>()
    };
    let links = site.bom.as_ref().and_then(|bom| bom.cluster.as_ref()).map(|cluster| cluster.corosync_links.as_slice()).unwrap_or_default();
    if begins(ON_EACH_LINK) && !links.is_empty() {
        return links.iter().flat_map(|link| missing(Some(link))).collect();
    }
    missing(None)
}
