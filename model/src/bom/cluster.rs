//! The `[cluster]` section of `bom.toml`: names that must lead somewhere and words of closed sets.

use std::collections::BTreeSet;

use crate::bom::{BomLine, Cluster};
use crate::place::Document;
use crate::source::FileError;
use crate::spelling;

const BOND_MODES: [&str; 7] = ["balance-rr", "active-backup", "balance-xor", "broadcast", "802.3ad", "balance-tlb", "balance-alb"];
const LACP_RATES: [&str; 2] = ["fast", "slow"];
const PARTITION_METHODS: [&str; 3] = ["mig", "vgpu", "passthrough"];
const FENCING_METHODS: [&str; 2] = ["watchdog", "redfish"];

/// Refuses words that name nothing and figures that cannot be meant. What contradicts itself is no error here: that is for the rules of `contradiction`.
pub(crate) fn check(doc: Document<'_>, cluster: &Cluster, lines: &[BomLine]) -> Result<(), FileError> {
    let known: Vec<&str> = lines.iter().map(|line| line.name.as_str()).collect();
    let names_line = |path: &[&str], name: &str| {
        if known.contains(&name) {
            return Ok(());
        }
        let message =
            format!("no line is called `{name}`; expected {}.{}", spelling::list(known.iter().copied()), spelling::hint(name, known.iter().copied()));
        Err(doc.refuse(path, message))
    };
    let one_of = |path: &[&str], word: &str, words: &[&str]| {
        if words.contains(&word) {
            return Ok(());
        }
        let hint = spelling::hint(word, words.iter().copied());
        Err(doc.refuse(path, format!("unknown word `{word}`; expected {}.{hint}", spelling::list(words.iter().copied()))))
    };
    if cluster.nodes == 0 {
        return Err(doc.refuse(&["cluster"], "a cluster without nodes; expected `nodes`, at least 1"));
    }
    let mut carried = BTreeSet::new();
    for (i, bond) in cluster.bond.iter().enumerate() {
        let index = i.to_string();
        let path = |key| ["cluster", "bond", index.as_str(), key];
        names_line(&path("line"), &bond.line)?;
        one_of(&path("mode"), &bond.mode, &BOND_MODES)?;
        one_of(&path("lacp_rate"), &bond.lacp_rate, &LACP_RATES)?;
        if bond.ports == 0 {
            return Err(doc.refuse(&path("ports"), "a bond of 0 ports; expected at least 1"));
        }
        for network in &bond.networks {
            if !carried.insert(network.as_str()) {
                return Err(doc.refuse(&path("networks"), format!("network `{network}` runs on two bonds; expected one")));
            }
        }
    }
    for (network, line) in &cluster.networks {
        names_line(&["cluster", "networks", network], line)?;
        if !carried.insert(network.as_str()) {
            return Err(doc.refuse_key(&["cluster", "networks", network], format!("network `{network}` runs on a bond already; expected one place")));
        }
    }
    for (i, link) in cluster.corosync_links.iter().enumerate() {
        if cluster.corosync_links[..i].contains(link) {
            return Err(doc.refuse(&["cluster", "corosync_links", &i.to_string()], format!("corosync has `{link}` twice; expected each link once")));
        }
    }
    if let Some(partition) = &cluster.gpu_partition {
        names_line(&["cluster", "gpu_partition", "line"], &partition.line)?;
        one_of(&["cluster", "gpu_partition", "method"], &partition.method, &PARTITION_METHODS)?;
        if partition.shares.is_empty() || partition.shares.values().any(|share| *share == 0) {
            return Err(
                doc.refuse(&["cluster", "gpu_partition", "shares"], "expected a share of at least 1 for each consumer, `{ lxc = 2, vm = 1 }`")
            );
        }
    }
    if let Some(ceph) = &cluster.ceph {
        names_line(&["cluster", "ceph", "line"], &ceph.line)?;
        if ceph.size == 0 || ceph.min_size == 0 {
            return Err(doc.refuse(&["cluster", "ceph"], "`size` and `min_size` are replicas; expected at least 1"));
        }
        for (pool, ratio) in &ceph.pools {
            if !ratio.is_finite() || *ratio < 0.0 {
                return Err(doc.refuse(&["cluster", "ceph", "pools", pool], format!("{ratio} is no target ratio; expected a number from 0")));
            }
        }
        let pools = || ceph.pools.keys().map(String::as_str);
        for (key, pool) in ceph.quotas.keys().map(|pool| ("quotas", pool)).chain(ceph.pool_classes.keys().map(|pool| ("pool_classes", pool))) {
            if !ceph.pools.contains_key(pool) {
                let message = format!("no pool is called `{pool}`; expected {}.{}", spelling::list(pools()), spelling::hint(pool, pools()));
                return Err(doc.refuse_key(&["cluster", "ceph", key, pool], message));
            }
        }
    }
    if let Some(fencing) = &cluster.fencing {
        one_of(&["cluster", "fencing", "method"], &fencing.method, &FENCING_METHODS)?;
    }
    Ok(())
}
