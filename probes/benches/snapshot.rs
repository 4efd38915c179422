//! How fast the snapshot of a large node is read: `assay --snapshot` parses it before anything else.

use std::fmt::Write;
use std::hint::black_box;

use assay_probes::Host;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// About as much as a node with two processors and 30 drives answers: thousands of short texts, some long ones, one table of bytes.
fn large_node() -> String {
    let mut text =
        String::from("assay-snapshot 1\ntool: bench\ntime: 2026-11-22T00:00:00Z\nhost: node-1\nredacted: no\nunmentioned: not recorded\n\n");
    let mut entries = 0;
    for cpu in 0..256 {
        for file in ["topology/physical_package_id", "topology/core_cpus_list", "cache/index3/shared_cpu_list", "cpufreq/scaling_governor"] {
            writeln!(text, "/sys/devices/system/cpu/cpu{cpu}/{file}: 0-7,128-135").expect("a string");
            entries += 1;
        }
        writeln!(text, "/sys/devices/system/cpu/cpu{cpu}/thermal_throttle/core_throttle_count absent").expect("a string");
        entries += 1;
    }
    for function in 0..300 {
        writeln!(text, "/sys/bus/pci/devices/0000:{function:02x}:00.0/aer_dev_correctable:\n  |RxErr 0\n  |BadTLP 0\n  |TOTAL_ERR_COR 0")
            .expect("a string");
        entries += 1;
    }
    text.push_str("/proc/cpuinfo:\n");
    for cpu in 0..256 {
        writeln!(text, "  |processor\t: {cpu}\n  |model name\t: AMD EPYC 9534 64-Core Processor\n  |flags\t\t: {}", "avx512f ".repeat(150))
            .expect("a string");
    }
    text.push_str("/sys/firmware/dmi/tables/DMI bytes:\n");
    for _ in 0..200 {
        writeln!(text, "  |{}", "QUJD".repeat(19)).expect("a string");
    }
    writeln!(text, "end {}", entries + 2).expect("a string");
    text
}

fn parse(criterion: &mut Criterion) {
    let text = large_node();
    let mut group = criterion.benchmark_group("snapshot");
    group.throughput(Throughput::Bytes(u64::try_from(text.len()).expect("short")));
    group.bench_function("parse", |bencher| bencher.iter(|| Host::from_snapshot(black_box(&text)).expect("a snapshot")));
    group.finish();
}

criterion_group!(benches, parse);
criterion_main!(benches);
