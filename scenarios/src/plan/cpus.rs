//! CPUs by NUMA node, from the inventory, as far as this process may use them, and those beside a device, from sysfs.

use std::fs;
use std::path::Path;

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};
use assay_model::inventory::Inventory;
use rustix::thread::{CpuSet, sched_getaffinity};

/// CPUs that this process may use, ascending; none when the kernel does not say.
pub(crate) fn allowed() -> Vec<u32> {
    let Ok(set) = sched_getaffinity(None) else { return Vec::new() };
    (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).filter_map(|cpu| u32::try_from(cpu).ok()).collect()
}

/// Number and usable CPUs of each NUMA node that has any; without NUMA nodes in the inventory everything is node 0.
pub(super) fn by_node(inventory: Option<&Inventory>, allowed: &[u32]) -> Result<Vec<(u32, Vec<u32>)>, String> {
    let nodes: Vec<&Component> = inventory.map(|inventory| inventory.iter(Kind::NumaNode).collect()).unwrap_or_default();
    if nodes.is_empty() {
        return Ok(vec![(0, allowed.to_vec())]);
    }
    let mut found = Vec::new();
    for node in nodes {
        let number = number(&node.locator).ok_or_else(|| format!("NUMA node `{}` has no number", node.locator))?;
        let cpus = match node.reading(Attr::CpuList) {
            Reading::Value(Value::Text(text)) => list(text).ok_or_else(|| format!("the CPU list of NUMA node {number} is `{text}`"))?,
            // A node with memory only.
            Reading::Absent => Vec::new(),
            other @ (Reading::Value(_) | Reading::Unreadable(_)) => return Err(format!("the CPU list of NUMA node {number} is {other}")),
        };
        let usable: Vec<u32> = cpus.into_iter().filter(|cpu| allowed.contains(cpu)).collect();
        if !usable.is_empty() {
            found.push((number, usable));
        }
    }
    if found.is_empty() { Err("no NUMA node has a CPU that this process may use".to_owned()) } else { Ok(found) }
}

/// CPUs beside a device, by the `local_cpulist` of the nearest folder of sysfs above it that has one; none where nothing is known, as of a virtual device.
pub(crate) fn beside(device: &Path) -> Vec<u32> {
    let found = device.ancestors().find_map(|folder| fs::read_to_string(folder.join("local_cpulist")).ok());
    found.as_deref().and_then(list).unwrap_or_default()
}

/// The number at the end of `node0`, `node 0` or `0`.
fn number(locator: &str) -> Option<u32> {
    let digits = locator.trim_start_matches(|letter: char| !letter.is_ascii_digit());
    digits.parse().ok()
}

/// The kernel's list form, `0-63,128-191`; an empty list is none.
pub(super) fn list(text: &str) -> Option<Vec<u32>> {
    let mut cpus = Vec::new();
    for part in text.trim().split(',').filter(|part| !part.is_empty()) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (u32, u32) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        if last < first || last - first > 65_536 {
            return None;
        }
        cpus.extend(first..=last);
    }
    Some(cpus)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_the_kernels_form() {
        assert_eq!(list("0-2,8"), Some(vec![0, 1, 2, 8]));
        assert_eq!(list(""), Some(vec![]));
        for bad in ["a", "3-1", "0-", "0-4294967295"] {
            assert_eq!(list(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_is_below_a_function_has_its_cpus_and_what_is_virtual_has_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let function = folder.path().join("0000:41:00.0");
        let port = function.join("virtio3/net/eth0");
        fs::create_dir_all(&port).expect("makes");
        assert!(beside(&port).is_empty(), "absent");
        fs::write(function.join("local_cpulist"), "16-17,80\n").expect("writes");
        assert_eq!(beside(&port), [16, 17, 80]);
        fs::write(function.join("local_cpulist"), "ff\n").expect("writes");
        assert!(beside(&port).is_empty(), "malformed");
    }

    #[test]
    fn this_process_may_use_a_cpu() {
        assert!(!allowed().is_empty());
    }
}
