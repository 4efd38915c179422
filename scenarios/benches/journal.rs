//! What the journal costs: encoding an event, appending one (one `write`), appending one with its sync, and folding a whole journal.

use std::collections::BTreeMap;
use std::hint::black_box;

use assay_model::journal::{Entry, Event, fold};
use assay_model::metric::{Direction, Metric, Samples};
use assay_model::run::{Ended, Environment, RUN_SCHEMA};
use assay_model::unit::Unit;
use assay_scenarios::journal::{Stamps, Writer};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn started() -> Event {
    let names = (0..200).map(|step| format!("step_{step}")).collect();
    Event::RunStarted {
        run: "r".into(),
        schema: RUN_SCHEMA,
        scenario: "s".into(),
        plan: "p".into(),
        steps: names,
        hosts: vec!["h".into()],
        nodes: vec![],
        environment: Environment::default(),
    }
}

fn metric(step: &str) -> Event {
    let dimensions =
        [("engine", "uring"), ("rw", "randread"), ("bs", "4096"), ("iodepth", "32")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    Event::Metric {
        step: step.to_owned(),
        metric: Metric {
            name: "storage.randread_4k_qd32.iops".into(),
            unit: Unit::OpsPerSecond,
            direction: Direction::HigherIsBetter,
            dimensions: BTreeMap::from(dimensions),
            samples: Samples::new(vec![101_234.5, 99_876.25, 100_001.125, 98_765.0, 102_345.75]),
        },
    }
}

fn whole() -> String {
    let mut events = vec![started()];
    for step in (0..200).map(|step| format!("step_{step}")) {
        events.push(Event::StepStarted { step: step.clone(), hosts: vec!["h".into()] });
        events.push(Event::CountersBefore { step: step.clone(), counters: Vec::new() });
        events.extend((0..6).map(|_| metric(&step)));
        events.push(Event::CountersAfter { step: step.clone(), counters: Vec::new() });
        events.push(Event::StepEnded { step, ended: Ended::Completed });
    }
    events.push(Event::RunEnded { ended: Ended::Completed });
    let entry = |(seq, event)| Entry { seq, mono_ns: seq, at: "2026-11-23T02:03:04.123456789Z".into(), boot: "b".into(), event };
    (0..).zip(events).map(entry).map(|entry| entry.encode().expect("encodes")).collect()
}

fn journal(criterion: &mut Criterion) {
    let folder = tempfile::TempDir::new().expect("a folder");
    let writer = |name: &str| Writer::create(&folder.path().join(name), Stamps::of_boot("b"), started()).expect("a journal");

    let mut group = criterion.benchmark_group("journal");
    let entry = Entry { seq: 1, mono_ns: 1, at: "2026-11-23T02:03:04.123456789Z".into(), boot: "b".into(), event: metric("step_0") };
    group.bench_function("encode a metric", |bencher| bencher.iter(|| black_box(&entry).encode().expect("encodes")));
    let mut plain = writer("plain");
    group.bench_function("append a metric", |bencher| bencher.iter(|| plain.append(metric("step_0")).expect("appended")));
    let mut synced = writer("synced");
    let boundary = || Event::StepStarted { step: "step_0".into(), hosts: vec!["h".into()] };
    group.sample_size(20).bench_function("append and sync a step boundary", |bencher| bencher.iter(|| synced.append(boundary()).expect("appended")));

    let text = whole();
    group.throughput(Throughput::Bytes(u64::try_from(text.len()).expect("a length")));
    group.bench_function("fold 2000 events", |bencher| bencher.iter(|| fold(black_box(&text)).expect("folds")));
    group.finish();
}

criterion_group!(benches, journal);
criterion_main!(benches);
