//! Processor packages: identity and microcode from `/proc/cpuinfo`, topology, caches and cpufreq from `/sys/devices/system/cpu`.
//! NUMA nodes themselves are in `numa.rs`, throttling in `throttle.rs`.

use std::collections::{BTreeMap, BTreeSet};

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::Probe;
use super::cpu_list::{self, CpuList};
use super::numa::NODES;
use crate::described::{Described, total};
use crate::host::{Host, HostError, malformed, reading_from, unanswered, whole};

mod cpuinfo;
mod idle;

#[cfg(test)]
mod tests;

use self::cpuinfo::CpuInfo;

/// The probe of processor packages.
pub(super) struct Cpu;

pub(super) const CPUS: &str = "/sys/devices/system/cpu";
const CPUINFO: &str = "/proc/cpuinfo";

impl Probe for Cpu {
    fn name(&self) -> &'static str {
        "cpu"
    }

    fn describe(&self) -> &'static str {
        "Processor packages: identity, topology, caches, microcode, governor, from /proc/cpuinfo and /sys/devices/system/cpu."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Cpu]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let Some(packages) = packages(host)? else { return Err(HostError::SourceMissing(CPUS.into())) };
        let info = host.read(CPUINFO).map(|text| CpuInfo::parse(&text));
        let offline = offline(host);
        Ok(packages.into_iter().map(|(package, cpus)| describe(host, package, &cpus, &info, &offline)).collect())
    }
}

/// The online CPUs of each package; none when this host shows no CPUs at all.
pub(super) fn packages(host: &Host) -> Result<Option<BTreeMap<u64, CpuList>>, HostError> {
    let Some(text) = host.read_or_none(&format!("{CPUS}/online"))? else { return Ok(None) };
    let online = CpuList::parse(&text).map_err(|reason| HostError::Malformed { path: format!("{CPUS}/online"), reason })?;
    let mut packages: BTreeMap<u64, CpuList> = BTreeMap::new();
    for cpu in online.iter() {
        let path = format!("{CPUS}/cpu{cpu}/topology/physical_package_id");
        let text = host.read(&path)?;
        // Some guests and boards give -1: then there is one package.
        let package = if text.trim() == "-1" { 0 } else { whole(text.trim()).map_err(|reason| HostError::Malformed { path, reason })? };
        packages.entry(package).or_default().insert(cpu);
    }
    Ok(Some(packages))
}

/// Present but not online; the kernel's own `offline` list counts CPUs that could be plugged in as well.
fn offline(host: &Host) -> Reading {
    let list = |file: &str| {
        let path = format!("{CPUS}/{file}");
        CpuList::parse(&host.read(&path)?).map_err(|reason| HostError::Malformed { path, reason })
    };
    match (list("present"), list("online")) {
        (Ok(present), Ok(online)) => total(present.iter().filter(|cpu| !online.contains(*cpu)).count()).into(),
        (Err(error), _) | (_, Err(error)) => unanswered(&error),
    }
}

fn describe(host: &Host, package: u64, cpus: &CpuList, info: &Result<CpuInfo, HostError>, offline: &Reading) -> Component {
    let caches = Caches::read(host, cpus);
    let word = |field| info.as_ref().map_or_else(unanswered, |info| info.common(cpus, field));
    let number = |field| match word(field) {
        Reading::Value(text) => whole(&text.to_string()).map_or_else(|why| malformed(&text.to_string(), &why), Reading::from),
        no @ (Reading::Absent | Reading::Unreadable(_)) => no,
    };
    let from = |field: &str| format!("{CPUINFO} {field}");
    let mut described = Described::new(host, Kind::Cpu, format!("package {package}"), CPUS)
        .put(Attr::Vendor, from("vendor_id"), word("vendor_id"))
        .put(Attr::Model, from("model name"), word("model name"))
        .put(Attr::Family, from("cpu family"), number("cpu family"))
        .put(Attr::ModelNumber, from("model"), number("model"))
        .put(Attr::Stepping, from("stepping"), number("stepping"))
        .put(Attr::Microcode, from("microcode"), word("microcode"));
    let cores = cores(host, cpus);
    let threads = total(cpus.len());
    let per_core = cores.as_ref().map(|cores| threads.checked_div(*cores).unwrap_or_default()).map_err(Clone::clone);
    let topology = format!("{CPUS}/cpu*/topology/core_cpus_list");
    described = described
        .put(Attr::Cores, topology.as_str(), reading_from(cores))
        .put(Attr::Threads, format!("{CPUS}/online"), threads)
        .put(Attr::ThreadsPerCore, topology, reading_from(per_core))
        .put(Attr::ThreadsOffline, format!("{CPUS}/present, online"), offline.clone())
        .put(Attr::CpuList, format!("{CPUS}/online"), cpus.to_string())
        .put(Attr::NumaNodes, format!("{NODES}/node*/cpulist"), numa_nodes(host, cpus));
    described = caches.fill(described);
    let (boost_source, boost) = boost(host);
    let (allowed, disabled) = idle::states(host, cpus);
    described
        .put(Attr::ScalingDriver, cpufreq("scaling_driver"), alike(host, cpus, "scaling_driver"))
        .put(Attr::Governor, cpufreq("scaling_governor"), alike(host, cpus, "scaling_governor"))
        .put(Attr::FrequencyMax, cpufreq("cpuinfo_max_freq"), frequency(host, cpus, "cpuinfo_max_freq"))
        .put(Attr::FrequencyMin, cpufreq("cpuinfo_min_freq"), frequency(host, cpus, "cpuinfo_min_freq"))
        .put(Attr::Boost, boost_source, boost)
        .put(Attr::EnergyPreference, cpufreq("energy_performance_preference"), alike(host, cpus, "energy_performance_preference"))
        .put(Attr::IdleStates, idle::SOURCE, allowed)
        .put(Attr::IdleStatesDisabled, idle::SOURCE, disabled)
        .done()
}

/// Each core counts once, whatever the number of its threads.
fn cores(host: &Host, cpus: &CpuList) -> Result<u64, HostError> {
    let cores = cpus.iter().map(|cpu| siblings(host, cpu)).collect::<Result<BTreeSet<_>, _>>()?;
    Ok(total(cores.len()))
}

/// The threads of the core that `cpu` is one of. Kernels before 5.3 call the file by another name.
pub(super) fn siblings(host: &Host, cpu: u64) -> Result<String, HostError> {
    match host.read_or_none(&format!("{CPUS}/cpu{cpu}/topology/core_cpus_list"))? {
        Some(siblings) => Ok(siblings),
        None => host.read(&format!("{CPUS}/cpu{cpu}/topology/thread_siblings_list")),
    }
}

/// Those NUMA nodes that have CPUs of the package.
fn numa_nodes(host: &Host, cpus: &CpuList) -> Reading {
    let names = match host.list_or_none(NODES) {
        Ok(Some(names)) => names,
        // A kernel without NUMA support has no such folder.
        Ok(None) => return Reading::Absent,
        Err(error) => return unanswered(&error),
    };
    let mut nodes = 0_u64;
    let mut placed = CpuList::default();
    for name in names.iter().filter(|name| cpu_list::numbered(name, "node").is_some()) {
        let path = format!("{NODES}/{name}/cpulist");
        let own = match host.read(&path).map(|text| CpuList::parse(&text)) {
            Ok(Ok(own)) => own,
            Ok(Err(why)) => return Reading::Unreadable(format!("{path}: {why}")),
            Err(error) => return unreadable(&error),
        };
        let here: Vec<u64> = cpus.iter().filter(|cpu| own.contains(*cpu)).collect();
        nodes += u64::from(!here.is_empty());
        here.into_iter().for_each(|cpu| placed.insert(cpu));
    }
    match cpus.iter().find(|cpu| !placed.contains(*cpu)) {
        Some(cpu) => Reading::Unreadable(format!("CPU {cpu} is in no NUMA node")),
        None => nodes.into(),
    }
}

/// L2 of one core and L3 domains of a package. Domains are told by the CPUs that share them: their ids are not contiguous on every processor.
struct Caches {
    l2: Reading,
    l3: Result<BTreeMap<String, u64>, Reading>,
}

impl Caches {
    fn read(host: &Host, cpus: &CpuList) -> Self {
        let first = cpus.iter().next().map_or(Ok(None), |cpu| cache(host, cpu, "2"));
        let l2 = first.map_or_else(|no| no, |found| found.map_or(Reading::Absent, |(_, bytes)| bytes.into()));
        let mut domains = BTreeMap::new();
        for cpu in cpus.iter() {
            match cache(host, cpu, "3") {
                Ok(Some((sharing, bytes))) => drop(domains.insert(sharing, bytes)),
                Ok(None) => {}
                Err(no) => return Self { l2, l3: Err(no) },
            }
        }
        Self { l2, l3: Ok(domains) }
    }

    fn fill<'a>(self, described: Described<'a>) -> Described<'a> {
        let [sum, count, each, threads] = match self.l3 {
            Err(no) => [no.clone(), no.clone(), no.clone(), no],
            Ok(domains) if domains.is_empty() => [Reading::Absent, Reading::Absent, Reading::Absent, Reading::Absent],
            Ok(domains) => {
                let sizes: BTreeSet<u64> = domains.values().copied().collect();
                let each = match sizes.iter().collect::<Vec<_>>().as_slice() {
                    [size] => (**size).into(),
                    _ => Reading::Unreadable(format!("its L3 caches differ: {sizes:?} bytes")),
                };
                [domains.values().sum::<u64>().into(), total(domains.len()).into(), each, fewest_threads(domains.keys())]
            }
        };
        let index = |index: u8| format!("{CPUS}/cpu*/cache/index{index}/size");
        let sharing = format!("{CPUS}/cpu*/cache/index3/shared_cpu_list");
        described
            .put(Attr::L2Bytes, index(2), self.l2)
            .put(Attr::L3Bytes, index(3), sum)
            .put(Attr::L3Domains, sharing.as_str(), count)
            .put(Attr::L3DomainBytes, index(3), each)
            .put(Attr::L3DomainThreads, sharing, threads)
    }
}

/// The threads of the smallest domain.
fn fewest_threads<'a>(domains: impl Iterator<Item = &'a String>) -> Reading {
    let threads = domains.map(|sharing| CpuList::parse(sharing).map(|cpus| total(cpus.len()))).collect::<Result<BTreeSet<u64>, String>>();
    threads.map_or_else(Reading::Unreadable, |threads| threads.first().map_or(Reading::Absent, |threads| (*threads).into()))
}

/// The CPUs that share a cache of this level with `cpu`, and its bytes. Which index has which level is the kernel's to say.
fn cache(host: &Host, cpu: u64, level: &str) -> Result<Option<(String, u64)>, Reading> {
    let folder = format!("{CPUS}/cpu{cpu}/cache");
    let names = host.list_or_none(&folder).map_err(|error| unanswered(&error))?.unwrap_or_default();
    for name in names.iter().filter(|name| cpu_list::numbered(name, "index").is_some()) {
        let read = |file: &str| host.read(&format!("{folder}/{name}/{file}")).map_err(|error| unreadable(&error));
        if read("level")?.trim() != level {
            continue;
        }
        let size = read("size")?;
        let kib = size.trim().strip_suffix('K').and_then(|kib| whole(kib).ok()).and_then(|kib| kib.checked_mul(1024));
        return Ok(Some((read("shared_cpu_list")?, kib.ok_or_else(|| malformed(&size, "not a size in K"))?)));
    }
    Ok(None)
}

// A cache that is listed must say what it is: absence of a part of it is no absence of the cache.
fn unreadable(error: &HostError) -> Reading {
    Reading::Unreadable(error.chain())
}

fn cpufreq(file: &str) -> String {
    format!("{CPUS}/cpu*/cpufreq/{file}")
}

/// What all CPUs of the package say; `mixed` when they do not say the same.
fn alike(host: &Host, cpus: &CpuList, file: &str) -> Reading {
    let mut seen: Option<Reading> = None;
    for cpu in cpus.iter() {
        let reading = host.reading(&format!("{CPUS}/cpu{cpu}/cpufreq/{file}"));
        match (&seen, &reading) {
            (_, Reading::Unreadable(_)) => return reading,
            (Some(first), _) if *first != reading => return "mixed".into(),
            (Some(_) | None, Reading::Value(_) | Reading::Absent) => seen = Some(reading),
        }
    }
    seen.unwrap_or(Reading::Absent)
}

/// The highest of the package in Hz; the kernel writes kHz.
fn frequency(host: &Host, cpus: &CpuList, file: &str) -> Reading {
    let mut highest = None;
    for cpu in cpus.iter() {
        match host.reading_u64(&format!("{CPUS}/cpu{cpu}/cpufreq/{file}")) {
            Reading::Value(value) => highest = highest.max(value.as_u64()),
            Reading::Absent => {}
            unreadable @ Reading::Unreadable(_) => return unreadable,
        }
    }
    highest.and_then(|khz| khz.checked_mul(1000)).map_or(Reading::Absent, Reading::from)
}

/// `boost` of acpi-cpufreq and amd-pstate; `no_turbo` of intel_pstate says the opposite.
fn boost(host: &Host) -> (String, Reading) {
    let no_turbo = format!("{CPUS}/intel_pstate/no_turbo");
    match host.reading_flag(&no_turbo) {
        Reading::Absent => {}
        Reading::Value(value) => return (no_turbo, value.as_bool().map_or(Reading::Absent, |off| (!off).into())),
        unreadable @ Reading::Unreadable(_) => return (no_turbo, unreadable),
    }
    let boost = format!("{CPUS}/cpufreq/boost");
    let reading = host.reading_flag(&boost);
    (boost, reading)
}
