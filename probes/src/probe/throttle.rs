//! Thermal throttle events since boot, per processor package, from `/sys/devices/system/cpu/cpu*/thermal_throttle`. Only some processors count them.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::Probe;
use super::cpu::{CPUS, packages};
use super::cpu_list::CpuList;
use crate::host::{Host, HostError};

/// The probe of throttle counters.
pub(super) struct Throttle;

impl Probe for Throttle {
    fn name(&self) -> &'static str {
        "throttle"
    }

    fn describe(&self) -> &'static str {
        "Thermal throttle events since boot, from /sys/devices/system/cpu/cpu*/thermal_throttle."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Throttle]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let missing = || HostError::SourceMissing(format!("{CPUS}/cpu*/thermal_throttle"));
        let packages = packages(host)?.ok_or_else(missing)?;
        let describe = |(package, cpus): (u64, CpuList)| {
            // Threads of a core share its counter and all of them that of the package, so threads are not added up: the largest is kept.
            Component::new(Kind::Throttle, format!("package {package}"))
                .with(Attr::CoreThrottles, source("core_throttle_count"), core_sum(host, &cpus))
                .with(Attr::PackageThrottles, source("package_throttle_count"), most(host, cpus.iter(), "package_throttle_count"))
        };
        let found: Vec<Component> = packages.into_iter().map(describe).collect();
        let is_counted = |package: &Component| package.attributes.values().any(|reading| *reading != Reading::Absent);
        if found.iter().any(is_counted) { Ok(found) } else { Err(missing()) }
    }
}

fn source(file: &str) -> String {
    format!("{CPUS}/cpu*/thermal_throttle/{file}")
}

/// The sum over cores of what the first thread of each says.
fn core_sum(host: &Host, cpus: &CpuList) -> Reading {
    let mut sum = None;
    let mut counted: Vec<String> = Vec::new();
    for cpu in cpus.iter() {
        let count = match host.reading_u64(&format!("{CPUS}/cpu{cpu}/thermal_throttle/core_throttle_count")) {
            Reading::Value(count) => count.as_u64().unwrap_or_default(),
            Reading::Absent => continue,
            unreadable @ Reading::Unreadable(_) => return unreadable,
        };
        let core = match super::cpu::siblings(host, cpu) {
            Ok(core) => core,
            Err(error) => return Reading::Unreadable(error.chain()),
        };
        if !counted.contains(&core) {
            counted.push(core);
            sum = Some(sum.unwrap_or(0_u64).saturating_add(count));
        }
    }
    sum.map_or(Reading::Absent, Reading::from)
}

fn most(host: &Host, cpus: impl Iterator<Item = u64>, file: &str) -> Reading {
    let mut most = None;
    for cpu in cpus {
        match host.reading_u64(&format!("{CPUS}/cpu{cpu}/thermal_throttle/{file}")) {
            Reading::Value(count) => most = most.max(count.as_u64()),
            Reading::Absent => {}
            unreadable @ Reading::Unreadable(_) => return unreadable,
        }
    }
    most.map_or(Reading::Absent, Reading::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(counters: &str) -> String {
        let topology = |cpu: u8, siblings: &str| {
            format!("{CPUS}/cpu{cpu}/topology/physical_package_id: 0\n{CPUS}/cpu{cpu}/topology/core_cpus_list: {siblings}\n")
        };
        format!("{CPUS}/online: 0-3\n{}{}{}{}{counters}", topology(0, "0,2"), topology(1, "1,3"), topology(2, "0,2"), topology(3, "1,3"))
    }

    fn ended(snapshot: &str) -> Result<Vec<Component>, HostError> {
        Throttle.probe(&Host::from_snapshot(snapshot).expect("a fixture"))
    }

    #[test]
    fn cores_are_added_up_and_neither_threads_nor_the_package_count_twice() {
        let mut counters = String::new();
        for (cpu, core) in [(0, 3), (1, 4), (2, 3), (3, 4)] {
            counters += &format!(
                "{CPUS}/cpu{cpu}/thermal_throttle/core_throttle_count: {core}\n{CPUS}/cpu{cpu}/thermal_throttle/package_throttle_count: 9\n"
            );
        }
        let found = ended(&node(&counters)).expect("looked");
        assert_eq!(found[0].locator, "package 0");
        assert_eq!(found[0].reading(Attr::CoreThrottles), &7_u64.into());
        assert_eq!(found[0].reading(Attr::PackageThrottles), &9_u64.into());
    }

    #[test]
    fn one_counter_that_cannot_be_read_makes_the_sum_unreadable() {
        let counters = format!("{CPUS}/cpu0/thermal_throttle/core_throttle_count: 0\n{CPUS}/cpu1/thermal_throttle/core_throttle_count error: EIO");
        assert!(matches!(ended(&node(&counters)).expect("looked")[0].reading(Attr::CoreThrottles), Reading::Unreadable(_)));
    }

    #[test]
    fn a_processor_that_does_not_count_is_a_missing_source_and_not_zero() {
        assert!(matches!(ended(&node("")), Err(HostError::SourceMissing(_))));
        assert!(matches!(ended("unmentioned: absent"), Err(HostError::SourceMissing(_))));
    }
}
