//! Corosync: its links against the storage networks and against the physical paths that carry them.

use std::collections::BTreeSet;

use crate::bom::{Bom, Cluster};
use crate::contradiction::ContradictionKind;
use crate::contradiction::rule::{Finding, Rule, counted};
use crate::parts::Parts;

pub(crate) const ON_STORAGE_NETWORK: Rule = Rule {
    name: "corosync.on_storage_network",
    describe: "Every corosync link shares its network with Ceph.",
    kind: ContradictionKind::Conflict,
    blocks: &[3],
    checks: &[],
    find: on_storage_network,
};

pub(crate) const SINGLE_PATH: Rule = Rule {
    name: "corosync.single_path",
    describe: "The corosync links do not run on two different physical paths.",
    kind: ContradictionKind::Conflict,
    blocks: &[3],
    checks: &[],
    find: single_path,
};

fn on_storage_network(bom: &Bom, _: &Parts) -> Option<Finding> {
    let cluster = bom.cluster.as_ref()?;
    let ceph = cluster.ceph.as_ref()?;
    let shares = |link: &String| *link == ceph.public_network || *link == ceph.cluster_network;
    // One link of its own is enough: a shared one may then serve as the fallback of lowest priority.
    (!cluster.corosync_links.is_empty() && cluster.corosync_links.iter().all(shares)).then(|| Finding {
        statement: format!("corosync on {}", cluster.corosync_links.join(", ")),
        why: format!(
            "Ceph runs on it (public {}, cluster {}): recovery traffic delays corosync until nodes lose quorum and reset themselves",
            ceph.public_network, ceph.cluster_network
        ),
    })
}

fn single_path(bom: &Bom, _: &Parts) -> Option<Finding> {
    let cluster = bom.cluster.as_ref()?;
    if cluster.corosync_links.is_empty() {
        return None;
    }
    let known: BTreeSet<&str> = cluster.corosync_links.iter().filter_map(|link| path(cluster, link)).collect();
    let unknown: Vec<&str> = cluster.corosync_links.iter().filter(|link| path(cluster, link).is_none()).map(String::as_str).collect();
    let untold = if unknown.is_empty() { String::new() } else { format!("; nothing says which ports carry {}", unknown.join(", ")) };
    (known.len() < 2).then(|| Finding {
        statement: format!(
            "{} for redundancy: {}",
            counted(u64::try_from(cluster.corosync_links.len()).unwrap_or(u64::MAX), "corosync link"),
            cluster.corosync_links.join(", ")
        ),
        why: format!(
            "they run on {}{untold}; when that path fails every node loses quorum at once",
            known.first().map_or_else(|| "no known path".to_owned(), |path| format!("one physical path ({path})"))
        ),
    })
}

// The BOM line whose ports carry a network: two bonds of the same cards are one path.
fn path<'a>(cluster: &'a Cluster, network: &str) -> Option<&'a str> {
    let bonded = cluster.bond.iter().find(|bond| bond.networks.iter().any(|carried| carried == network)).map(|bond| bond.line.as_str());
    bonded.or_else(|| cluster.networks.get(network).map(String::as_str))
}
