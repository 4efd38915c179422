//! Facts of the machine that must be equal before the figures of two runs may be compared. They are read off the inventory: what the probes could
//! not read is said as such, and so differs from what could be read.

use std::collections::{BTreeMap, BTreeSet};

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};
use assay_model::inventory::{Inventory, Observed};

use crate::host::Host;

const TRANSPARENT_HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
const NUMA_BALANCING: &str = "/proc/sys/kernel/numa_balancing";
const ADDRESS_SPACE: &str = "/proc/sys/kernel/randomize_va_space";

/// The name of a fact, and the attribute of which kind it is.
const FACTS: &[(&str, Kind, Attr)] = &[
    ("board", Kind::Board, Attr::Model),
    ("firmware", Kind::Board, Attr::Firmware),
    ("kernel", Kind::Os, Attr::Kernel),
    ("kernel_build", Kind::Os, Attr::KernelBuild),
    ("command_line", Kind::Os, Attr::CommandLine),
    ("distribution", Kind::Os, Attr::Distribution),
    ("distribution_version", Kind::Os, Attr::DistributionVersion),
    ("architecture", Kind::Os, Attr::Architecture),
    ("hypervisor", Kind::Os, Attr::Hypervisor),
    ("clocksource", Kind::Clock, Attr::Clocksource),
    ("cpu", Kind::Cpu, Attr::Model),
    ("cpus", Kind::Cpu, Attr::CpuList),
    ("cores", Kind::Cpu, Attr::Cores),
    ("microcode", Kind::Cpu, Attr::Microcode),
    ("governor", Kind::Cpu, Attr::Governor),
    ("scaling_driver", Kind::Cpu, Attr::ScalingDriver),
    ("boost", Kind::Cpu, Attr::Boost),
    ("memory", Kind::Memory, Attr::Total),
    ("memory_speed", Kind::Dimm, Attr::ConfiguredSpeed),
    ("numa", Kind::NumaNode, Attr::CpuList),
];

/// The facts by name, in the form of reports: `absent` and `unreadable: why` are facts too.
pub fn environment(host: &Host, inventory: &Inventory) -> BTreeMap<String, String> {
    let observed = FACTS.iter().map(|(name, kind, attr)| ((*name).to_owned(), fact(inventory, *kind, *attr)));
    let settings = [("transparent_hugepages", TRANSPARENT_HUGE_PAGES), ("numa_balancing", NUMA_BALANCING), ("randomize_va_space", ADDRESS_SPACE)];
    let set = settings.iter().map(|(name, path)| ((*name).to_owned(), host.reading(path).to_string()));
    observed.chain(set).collect()
}

fn fact(inventory: &Inventory, kind: Kind, attr: Attr) -> String {
    match inventory.of(kind) {
        Observed::Components(components) => said(&components, attr),
        Observed::SourceMissing(_) => Reading::Absent.to_string(),
        Observed::Unknown(reason) => format!("unreadable: {reason}"),
    }
}

/// What all of them say once, in their order; how many of them say it does not matter, which of them do does.
fn said(components: &[&Component], attr: Attr) -> String {
    let mut seen = BTreeSet::new();
    let readings = components.iter().map(|component| component.reading(attr).to_string());
    let different: Vec<String> = readings.filter(|reading| seen.insert(reading.clone())).collect();
    if different.is_empty() { Reading::Absent.to_string() } else { different.join("; ") }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{ProbeOptions, take_inventory};

    fn facts(snapshot: &str) -> BTreeMap<String, String> {
        let host = Host::from_snapshot(snapshot).expect("a fixture");
        let inventory = take_inventory(&host, &ProbeOptions { deadline: Duration::from_secs(10), now: jiff::Timestamp::UNIX_EPOCH });
        environment(&host, &inventory)
    }

    #[test]
    fn facts_are_what_the_probes_saw() {
        let facts = facts(
            "/proc/sys/kernel/osrelease: 6.8.12-4-pve
             /proc/sys/kernel/numa_balancing: 1
             /proc/cmdline: quiet
             /proc/meminfo: MemTotal: 1024 kB
             /sys/devices/system/node/node0/cpulist: 0-1
             /sys/devices/system/node/node1/cpulist: 2-3",
        );
        for (name, value) in [
            ("kernel", "6.8.12-4-pve"),
            ("command_line", "quiet"),
            ("memory", "1048576"),
            ("numa", "0-1; 2-3"),
            ("numa_balancing", "1"),
            ("governor", "absent"),
            ("transparent_hugepages", "absent"),
        ] {
            assert_eq!(facts.get(name).map(String::as_str), Some(value), "{name}");
        }
    }

    #[test]
    fn what_cannot_be_read_differs_from_what_is_not_there() {
        let facts = facts("/proc/sys/kernel/osrelease error: EIO\n/proc/meminfo error: EIO\n/proc/sys/kernel/hostname: a");
        assert!(facts["kernel"].starts_with("unreadable") && facts["memory"].starts_with("unreadable"), "{facts:?}");
    }
}
