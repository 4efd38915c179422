//! Processors of a two-socket Genoa node, whose L3 ids are not contiguous, and of nodes that hide things.

use std::fmt::Write;

use super::*;

/// Two EPYC 9534: 64 cores each in 8 L3 domains, whose ids leave gaps where the product has fewer CCDs than the die could have.
pub(crate) fn genoa() -> String {
    let mut text = format!(
        "{CPUS}/online: 0-255\n{CPUS}/present: 0-255\n{CPUS}/cpufreq/boost: 1\n{NODES}/node0/cpulist: 0-63,128-191\n{NODES}/node1/cpulist: 64-127,192-255\n{NODES}/has_cpu: 0-1\n"
    );
    let ids = [0, 1, 2, 3, 8, 9, 10, 11];
    let mut info = String::new();
    for cpu in 0..256 {
        let (core, package) = (cpu % 128, cpu % 128 / 64);
        let domain = core / 8;
        let id = ids[domain % 8] + 16 * package;
        let folder = format!("{CPUS}/cpu{cpu}");
        let sharing = format!("{}-{},{}-{}", domain * 8, domain * 8 + 7, domain * 8 + 128, domain * 8 + 135);
        write!(
            text,
            "{folder}/topology/physical_package_id: {package}\n{folder}/topology/core_cpus_list: {core},{}
             {folder}/cache/index2/level: 2\n{folder}/cache/index2/size: 1024K\n{folder}/cache/index2/shared_cpu_list: {core},{}
             {folder}/cache/index3/level: 3\n{folder}/cache/index3/size: 32768K\n{folder}/cache/index3/id: {id}\n{folder}/cache/index3/shared_cpu_list: {sharing}
             {folder}/cpufreq/scaling_driver: amd-pstate-epp\n{folder}/cpufreq/scaling_governor: performance\n{folder}/cpufreq/cpuinfo_max_freq: 3718066\n",
            core + 128,
            core + 128
        )
        .expect("a string");
        write!(
            info,
            "  |processor\t: {cpu}\n  |vendor_id\t: AuthenticAMD\n  |cpu family\t: 25\n  |model\t\t: 17\n  |model name\t: AMD EPYC 9534 64-Core Processor\n  |stepping\t: 1\n  |microcode\t: 0xa101148\n  |cache size\t: 1024 KB\n  |physical id\t: {package}\n  |flags\t\t: fpu svm\n  |\n"
        )
        .expect("a string");
    }
    format!("{text}/proc/cpuinfo:\n{info}")
}

fn found(snapshot: &str) -> Vec<Component> {
    Cpu.probe(&Host::from_snapshot(snapshot).expect("a fixture")).expect("looked")
}

#[test]
fn two_genoa_packages_have_eight_l3_domains_each_whatever_their_ids() {
    let all = found(&genoa());
    assert_eq!(all.iter().map(|package| package.locator.as_str()).collect::<Vec<_>>(), ["package 0", "package 1"]);
    for package in &all {
        for (attr, expected) in [
            (Attr::Vendor, Reading::from("AuthenticAMD")),
            (Attr::Model, "AMD EPYC 9534 64-Core Processor".into()),
            (Attr::Family, 25_u64.into()),
            (Attr::ModelNumber, 17_u64.into()),
            (Attr::Stepping, 1_u64.into()),
            (Attr::Microcode, "0xa101148".into()),
            (Attr::Cores, 64_u64.into()),
            (Attr::Threads, 128_u64.into()),
            (Attr::ThreadsPerCore, 2_u64.into()),
            (Attr::ThreadsOffline, 0_u64.into()),
            (Attr::L2Bytes, (1_u64 << 20).into()),
            (Attr::L3Domains, 8_u64.into()),
            (Attr::L3DomainBytes, (32_u64 << 20).into()),
            (Attr::L3Bytes, (256_u64 << 20).into()),
            (Attr::NumaNodes, 1_u64.into()),
            (Attr::ScalingDriver, "amd-pstate-epp".into()),
            (Attr::Governor, "performance".into()),
            (Attr::FrequencyMax, 3_718_066_000_u64.into()),
            (Attr::FrequencyMin, Reading::Absent),
            (Attr::Boost, true.into()),
        ] {
            assert_eq!(package.reading(attr), &expected, "{} {attr}", package.locator);
        }
    }
    assert_eq!(all[1].reading(Attr::CpuList), &"64-127,192-255".into());
}

#[test]
fn cpus_of_one_package_that_differ_are_not_averaged() {
    let text = genoa()
        .replacen("microcode\t: 0xa101148", "microcode\t: 0xa101020", 1)
        .replace(&format!("{CPUS}/cpu130/cpufreq/scaling_governor: performance"), &format!("{CPUS}/cpu130/cpufreq/scaling_governor: powersave"));
    let all = found(&text);
    assert!(matches!(all[0].reading(Attr::Microcode), Reading::Unreadable(why) if why.contains("0xa101020")));
    assert_eq!(all[0].reading(Attr::Governor), &"mixed".into());
    assert_eq!(all[1].reading(Attr::Microcode), &"0xa101148".into());
}

#[test]
fn threads_that_are_present_and_not_online_are_counted() {
    let all = found(&genoa().replace("/online: 0-255", "/online: 0-127"));
    assert_eq!(all[0].reading(Attr::ThreadsOffline), &128_u64.into());
    assert_eq!((all[0].reading(Attr::Threads), all[0].reading(Attr::ThreadsPerCore)), (&64_u64.into(), &1_u64.into()));
}

#[test]
fn a_guest_without_cpufreq_caches_or_numa_has_absent_readings() {
    let all = found(&format!("{CPUS}/online: 0\n{CPUS}/cpu0/topology/physical_package_id: -1\n{CPUS}/cpu0/topology/thread_siblings_list: 0"));
    for attr in [
        Attr::Model,
        Attr::L2Bytes,
        Attr::L3Bytes,
        Attr::L3Domains,
        Attr::NumaNodes,
        Attr::Governor,
        Attr::FrequencyMax,
        Attr::Boost,
        Attr::ThreadsOffline,
    ] {
        assert_eq!(all[0].reading(attr), &Reading::Absent, "{attr}");
    }
    assert_eq!(all[0].reading(Attr::Cores), &1_u64.into());
}

#[test]
fn what_cannot_be_read_or_understood_is_never_absent() {
    let all = found(
        &genoa()
            .replace(&format!("{CPUS}/cpu3/cache/index3/size: 32768K"), &format!("{CPUS}/cpu3/cache/index3/size: big"))
            .replace(&format!("{CPUS}/cpu3/cpufreq/scaling_governor: performance"), &format!("{CPUS}/cpu3/cpufreq/scaling_governor error: EIO"))
            .replace("/cpufreq/boost: 1", "/cpufreq/boost: maybe"),
    );
    for attr in [Attr::L3Bytes, Attr::L3Domains, Attr::L3DomainBytes, Attr::Governor, Attr::Boost] {
        assert!(matches!(all[0].reading(attr), Reading::Unreadable(_)), "{attr}: {}", all[0].reading(attr));
    }
    assert_eq!(all[1].reading(Attr::L3Domains), &8_u64.into());
    let all = found(&format!("{CPUS}/online: 0\n{CPUS}/cpu0/topology/physical_package_id: 0\n/proc/cpuinfo error: EACCES"));
    assert!(matches!(all[0].reading(Attr::Model), Reading::Unreadable(_)));
}

#[test]
fn no_cpus_in_sysfs_is_a_missing_source_and_a_torn_list_a_failure() {
    let ended = |snapshot: &str| Cpu.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
    assert_eq!(ended("unmentioned: absent"), Err(HostError::SourceMissing(CPUS.into())));
    assert!(ended(&format!("{CPUS}/online: 3-1")).is_err_and(|error| error.to_string().contains("not a range of CPUs")));
    assert!(ended(&format!("{CPUS}/online error: EIO")).is_err());
}

#[test]
fn numa_nodes_are_those_that_the_package_is_split_into() {
    let nodes = |text: String| found(&text).iter().map(|package| package.reading(Attr::NumaNodes).clone()).collect::<Vec<_>>();
    let split = format!("{NODES}/node0/cpulist: 0-31,128-159\n{NODES}/node2/cpulist: 32-63,160-191");
    assert_eq!(nodes(genoa().replace(&format!("{NODES}/node0/cpulist: 0-63,128-191"), &split)), [2_u64.into(), 1_u64.into()]);
    // An expander has memory and no CPU.
    assert_eq!(nodes(format!("{}\n{NODES}/node2/cpulist:\n", genoa()))[0], 1_u64.into());
    for torn in ["0-31,128-191", "x"] {
        let torn = nodes(genoa().replace("node0/cpulist: 0-63,128-191", &format!("node0/cpulist: {torn}")));
        assert!(matches!(torn[0], Reading::Unreadable(_)), "{torn:?}");
    }
    assert!(matches!(nodes(genoa().replace("node0/cpulist: 0-63,128-191", "node0/cpulist error: EIO"))[0], Reading::Unreadable(_)));
}
