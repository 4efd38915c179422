//! NUMA nodes from `/sys/devices/system/node`: CPUs, distances and memory. Nodes without CPUs (memory expanders) are nodes too.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::cpu_list::{CpuList, numbered};
use super::{Probe, memory};
use crate::described::Described;
use crate::host::{Host, HostError, whole};

/// The probe of NUMA nodes.
pub(super) struct Numa;

pub(super) const NODES: &str = "/sys/devices/system/node";

impl Probe for Numa {
    fn name(&self) -> &'static str {
        "numa"
    }

    fn describe(&self) -> &'static str {
        "NUMA nodes with their CPUs, distances and memory, from /sys/devices/system/node."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::NumaNode]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let Some(names) = host.list_or_none(NODES)? else { return Err(HostError::SourceMissing(NODES.into())) };
        Ok(names.iter().filter_map(|name| Some(node(host, numbered(name, "node")?))).collect())
    }
}

fn node(host: &Host, number: u64) -> Component {
    Described::new(host, Kind::NumaNode, format!("node{number}"), format!("{NODES}/node{number}"))
        .put(Attr::CpuList, format!("{NODES}/node{number}/cpulist"), cpus(host, number))
        .understood(Attr::Distances, "distance", |text| {
            text.split_whitespace().try_for_each(|word| whole(word).map(drop))?;
            Ok(text.into())
        })
        // `Node 0 MemTotal:       263845812 kB`
        .understood(Attr::Total, "meminfo", |text| {
            let prefix = format!("Node {number} ");
            let lines: Vec<&str> = text.lines().filter_map(|line| line.trim().strip_prefix(&prefix)).collect();
            Ok(memory::amount(&lines.join("\n"), "MemTotal"))
        })
        .done()
}

// A memory expander's list is empty, and that is a value: it has no CPUs.
fn cpus(host: &Host, number: u64) -> Reading {
    match host.read(&format!("{NODES}/node{number}/cpulist")) {
        Ok(text) => CpuList::parse(&text).map_or_else(|why| crate::host::malformed(&text, &why), |cpus| cpus.to_string().into()),
        Err(error) => crate::host::unanswered(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(snapshot: &str) -> Vec<Component> {
        Numa.probe(&Host::from_snapshot(snapshot).expect("a fixture")).expect("looked")
    }

    #[test]
    fn nodes_have_cpus_distances_and_memory() {
        let nodes = found(
            "/sys/devices/system/node/node0/cpulist: 0-63,128-191
             /sys/devices/system/node/node0/distance: 10 32
             /sys/devices/system/node/node0/meminfo:
               |Node 0 MemTotal:       1188831232 kB
               |Node 0 MemFree:        1100000000 kB
             /sys/devices/system/node/node10/cpulist:
             /sys/devices/system/node/possible: 0-10",
        );
        assert_eq!(nodes.iter().map(|node| node.locator.as_str()).collect::<Vec<_>>(), ["node0", "node10"]);
        assert_eq!(nodes[0].reading(Attr::CpuList), &"0-63,128-191".into());
        assert_eq!(nodes[0].reading(Attr::Distances), &"10 32".into());
        assert_eq!(nodes[0].reading(Attr::Total), &(1_188_831_232_u64 * 1024).into());
        assert_eq!(nodes[1].reading(Attr::CpuList), &"".into(), "a node without CPUs");
        assert_eq!(nodes[1].reading(Attr::Total), &Reading::Absent);
    }

    #[test]
    fn torn_lists_and_refusals_are_unreadable() {
        let nodes = found(
            "/sys/devices/system/node/node0/cpulist: 3-1\n/sys/devices/system/node/node0/distance: 10 x\n/sys/devices/system/node/node0/meminfo error: EIO",
        );
        for attr in [Attr::CpuList, Attr::Distances, Attr::Total] {
            assert!(matches!(nodes[0].reading(attr), Reading::Unreadable(_)), "{attr}");
        }
    }

    #[test]
    fn a_kernel_without_numa_has_no_source() {
        let ended = |snapshot: &str| Numa.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
        assert_eq!(ended("unmentioned: absent"), Err(HostError::SourceMissing(NODES.into())));
        assert!(ended("/sys/devices/system/node error: EACCES").is_err());
    }
}
