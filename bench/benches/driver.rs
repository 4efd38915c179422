//! What one operation costs the harness: the driver over the null engine, stamp and check of a unit, recording a latency.
//! `cargo bench -p assay-bench`.

use std::hint::black_box;
use std::sync::atomic::AtomicBool;

use assay_bench::engine::null::Null;
use assay_bench::history::Expected;
use assay_bench::{Job, Rw, Span, drive, payload, stamp};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hdrhistogram::Histogram;

const OPERATIONS: u64 = 100_000;

fn driver(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("driver over null, 4k randread");
    group.throughput(Throughput::Elements(OPERATIONS));
    for iodepth in [1, 32, 128] {
        let span = Span { start: 0, bytes: 1 << 30 };
        let job = Job { io_size: Some(OPERATIONS * 4096), ..Job::new(Rw::RandRead, 4096, iodepth, span) };
        let mut lane = Null::new(4096, iodepth);
        let stop = AtomicBool::new(false);
        group.bench_function(format!("qd{iodepth}"), |bencher| {
            bencher.iter(|| drive(&job, &mut lane, None, &stop, None).expect("null does not fail").operations);
        });
    }
    group.finish();
}

fn verification(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verification");
    group.throughput(Throughput::Bytes(stamp::UNIT));
    let mut unit = vec![0; usize::try_from(stamp::UNIT).expect("4096")];
    payload::fill(&mut unit, 1, 0);
    group.bench_function("stamp a unit", |bencher| bencher.iter(|| stamp::stamp(black_box(&mut unit), 4096, 7, 8192, 3)));
    assert_eq!(stamp::check(&unit, 7, 8192, Expected::Generation(3)), Ok(()));
    group.bench_function("check a unit", |bencher| bencher.iter(|| stamp::check(black_box(&unit), 7, 8192, Expected::Generation(3))));
    group.finish();
}

fn histogram(criterion: &mut Criterion) {
    let mut histogram: Histogram<u64> = Histogram::new_with_bounds(1, 64_000_000_000, 3).expect("valid bounds");
    let mut latency = 1u64;
    criterion.bench_function("record a latency", |bencher| {
        bencher.iter(|| {
            latency = latency.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            histogram.saturating_record(black_box(latency >> 40));
        });
    });
}

criterion_group!(benches, driver, verification, histogram);
criterion_main!(benches);
