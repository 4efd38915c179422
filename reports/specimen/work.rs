//! Runs: a quick storage scenario and a memory triad, whole, with errors, and interrupted.

use std::collections::BTreeMap;

use assay_model::attr::Attr;
use assay_model::ceiling::Ceiling;
use assay_model::check::Check;
use assay_model::component::Reading;
use assay_model::gate::Severity;
use assay_model::metric::{Direction, Metric, Samples};
use assay_model::outcome::MetricRow;
use assay_model::run::{
    Condition, CounterDelta, Ended, Environment, LatencyCurve, RUN_SCHEMA, Recorded, Run, Series, Step, Verification, with_evidence,
};
use assay_model::unit::Unit;
use assay_model::verdict::{Evidence, Reason, Verdict};

use super::{Asked, asked};

fn environment(command: &str) -> Environment {
    let facts = [
        ("kernel", "6.14.11-2-pve"),
        ("command_line", "BOOT_IMAGE=/vmlinuz-6.14.11-2-pve root=ZFS=rpool/ROOT/pve-1 ro iommu=pt amd_iommu=on quiet"),
        ("microcode", "0xa101148"),
        ("governor", "performance"),
        ("clocksource", "tsc"),
        ("hypervisor", "none"),
    ];
    Environment {
        tool_version: "0.1.0".into(),
        tool_revision: "97bed38".into(),
        command: command.split(' ').map(str::to_owned).collect(),
        facts: facts.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
    }
}

pub(crate) fn run(id: &str, scenario: &str, from: &str, to: &str, steps: Vec<Step>) -> Run {
    Run {
        id: id.into(),
        schema: RUN_SCHEMA,
        hosts: vec!["pve1-node1".into()],
        nodes: vec![],
        boot_ids: vec!["0f1e2d3c".into()],
        scenario: scenario.into(),
        environment: environment(&format!("assay accept --site sites/pve1 --phase 1 --scenario {scenario}")),
        inventory: None,
        steps,
        ended: Ended::Completed,
        started_at: from.into(),
        ended_at: to.into(),
    }
}

fn metric(name: &str, unit: Unit, direction: Direction, samples: &[f64], event: u64) -> Recorded<Metric> {
    Recorded { event, fact: Metric { name: name.into(), unit, direction, dimensions: BTreeMap::new(), samples: Samples::new(samples.to_vec()) } }
}

pub(crate) fn step(name: &str, event: u64, operations: u64) -> Step {
    let quiet = |component: &str, counter: Attr, source: &str| CounterDelta {
        component: component.into(),
        counter,
        source: source.into(),
        before: 0_u64.into(),
        after: 0_u64.into(),
        event,
    };
    Step {
        findings: None,
        name: name.into(),
        hosts: vec!["pve1-node1".into()],
        ended: Ended::Completed,
        metrics: vec![],
        counters: vec![
            quiet("0000:48:00.0", Attr::AerCorrectable, "/sys/bus/pci/devices/0000:48:00.0/aer_dev_correctable"),
            quiet("0000:48:00.0", Attr::AerFatal, "/sys/bus/pci/devices/0000:48:00.0/aer_dev_fatal"),
            quiet("mc0", Attr::CorrectedErrors, "/sys/devices/system/edac/mc/mc0/ce_count"),
            quiet("package 0", Attr::PackageThrottles, "/sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count"),
        ],
        conditions: vec![],
        verification: Some(Recorded { event, fact: Verification { operations, verified: operations, ..Verification::default() } }),
        latencies: vec![],
        series: vec![],
        outages: vec![],
        stalls: vec![],
        notes: BTreeMap::from([("fio".to_owned(), format!("fio --name={name} --ioengine=io_uring --direct=1 --iodepth=32 --bs=4k --runtime=10"))]),
    }
}

// Deterministic noise, so that samples look like samples and the goldens stay.
fn noise(n: u32) -> f64 {
    f64::from(n.wrapping_mul(2_654_435_761) >> 16) / 65_536.0 - 0.5
}

fn curve(name: &str, count: u64, median_us: f64) -> LatencyCurve {
    let quantiles = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99995, 0.99999, 1.0];
    let shape = [0.71, 0.86, 1.0, 1.2, 1.5, 1.8, 2.9, 3.6, 7.9, 11.0, 22.0, 31.0, 58.0, 83.0];
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "made-up nanoseconds")]
    let point = |(quantile, factor): (f64, f64)| (quantile, (median_us * factor * 1000.0).round() as u64);
    LatencyCurve { name: name.into(), count, points: quantiles.into_iter().zip(shape).map(point).collect() }
}

fn series(name: &str, unit: Unit, level: f64, dip_at: u32) -> Series {
    let value = |n: u32| level * (1.0 + 0.05 * noise(n)) * if (dip_at..dip_at + 3).contains(&n) { 0.42 } else { 1.0 };
    Series { name: name.into(), unit, over: Unit::Seconds, points: (1..=100).map(|n| (f64::from(n) / 10.0, value(n))).collect() }
}

pub(crate) fn storage_quick(factor: f64) -> Run {
    let iops = 78_450.0 * factor;
    let spread = |level: f64| [0.981, 1.004, 0.996, 1.011, 1.0].map(|f| (level * f * 10.0).round() / 10.0);
    let mut read = step("randread_4k_qd32", 14, 1_284_300);
    read.metrics = vec![
        metric("storage.randread_4k_qd32.iops", Unit::OpsPerSecond, Direction::HigherIsBetter, &spread(iops), 15),
        metric("storage.randread_4k_qd32.p99", Unit::Nanoseconds, Direction::LowerIsBetter, &spread(232_000.0), 16),
        metric("storage.randread_4k_qd32.p99_9", Unit::Nanoseconds, Direction::LowerIsBetter, &spread(633_000.0), 17),
    ];
    read.latencies = vec![curve("storage.randread_4k_qd32", 1_284_300, 80.2)];
    read.series = vec![series("storage.randread_4k_qd32.iops", Unit::OpsPerSecond, iops, 62)];
    let mut write = step("read_1m_qd8", 22, 41_200);
    write.metrics = vec![metric("storage.read_1m_qd8.bandwidth", Unit::BytesPerSecond, Direction::HigherIsBetter, &spread(1.07e9 * factor), 23)];
    write.latencies = vec![curve("storage.read_1m_qd8", 41_200, 1840.0)];
    write.series = vec![series("storage.read_1m_qd8.bandwidth", Unit::BytesPerSecond, 1.07e9 * factor, 400)];
    run("20261123T020601Z-storage-quick-a1b2", "storage-quick", "2026-11-23T02:06:01.02Z", "2026-11-23T02:06:31.5Z", vec![read, write])
}

pub(crate) fn memory_triad(nodes: u32, level: f64) -> Run {
    let mut steps = Vec::new();
    for node in 0..nodes {
        let mut step = step(&format!("triad node {node}"), 30 + u64::from(node) * 4, 400);
        let samples: Vec<f64> = (0..20).map(|n| (level * (1.0 + 0.012 * noise(n + node * 31)) / 1e6).round() * 1e6).collect();
        let mut bandwidth = metric("memory.triad.bandwidth", Unit::BytesPerSecond, Direction::HigherIsBetter, &samples, 31 + u64::from(node) * 4);
        bandwidth.fact.dimensions.insert("numa_node".into(), node.to_string());
        step.metrics = vec![bandwidth];
        step.notes.clear();
        steps.push(step);
    }
    run("20261123T020632Z-memory-triad-c3d4", "memory-triad", "2026-11-23T02:06:32Z", "2026-11-23T02:06:58.25Z", steps)
}

/// New errors on the drive that trained at half width, and a neighbour that used the machine.
pub(crate) fn plant_errors(run: &mut Run) {
    let step = &mut run.steps[0];
    step.counters[0].before = 1_284_u64.into();
    step.counters[0].after = 1_311_u64.into();
    step.counters.push(CounterDelta {
        component: "mc1".into(),
        counter: Attr::CorrectedErrors,
        source: "/sys/devices/system/edac/mc/mc1/ce_count".into(),
        before: 12_u64.into(),
        after: Reading::Unreadable("Input/output error (os error 5)".into()),
        event: 14,
    });
    step.conditions.push(Condition::DeviceErrors("0000:48:00.0 counted 27 correctable PCIe errors during the step".into()));
    run.steps[1].conditions.push(Condition::NeighbourBusy("another process used 31 % of the CPU time".into()));
    if let Some(verification) = &mut run.steps[0].verification {
        verification.fact.failed.insert("EIO".into(), 3);
        verification.fact.operations += 3;
    }
}

pub(crate) fn interrupt(run: &mut Run) {
    run.ended = Ended::Interrupted;
    run.boot_ids.push("99aa88bb".into());
    let last = run.steps.last_mut().expect("the run has steps");
    last.ended = Ended::Interrupted;
    last.metrics.clear();
    last.latencies.clear();
    last.series.clear();
    last.counters.clear();
    last.verification = None;
}

/// Rows and ceilings of what the runs measured.
pub(crate) fn against_ceilings(runs: &[Run], bounds: &[(&str, Option<f64>)]) -> (Vec<MetricRow>, Vec<Ceiling>) {
    let mut rows = Vec::new();
    let mut ceilings: Vec<Ceiling> = Vec::new();
    for recorded in runs.iter().flat_map(|run| &run.steps).flat_map(|step| &step.metrics) {
        let metric = &recorded.fact;
        let bound = bounds.iter().find(|(name, _)| *name == metric.name.0);
        let dimension = metric.dimensions.iter().map(|(name, value)| format!("{name}={value}")).next();
        let name = dimension.map_or_else(|| metric.name.to_string(), |dimension| format!("{}{{{dimension}}}", metric.name));
        let value = metric.samples.median();
        let interval = metric.samples.interval(0.95);
        let ceiling = bound.and_then(|(_, ceiling)| *ceiling);
        rows.push(MetricRow {
            name,
            unit: metric.unit,
            value: Some(value),
            ceiling,
            efficiency: ceiling.map(|ceiling| value / ceiling),
            low: Some(interval.low),
            high: Some(interval.high),
        });
        if let Some((_, value)) = bound
            && !ceilings.iter().any(|known| known.metric == metric.name)
        {
            let memory = metric.name.0.starts_with("memory");
            let channels: Reading = if value.is_some() { 12_u64.into() } else { Reading::Absent };
            ceilings.push(Ceiling {
                metric: metric.name.clone(),
                value: *value,
                unit: metric.unit,
                formula: if memory {
                    "channels × 8 B × configured_speed".into()
                } else {
                    "lanes × link_speed × 128/130 ÷ 8 × payload share".into()
                },
                inputs: if memory {
                    vec![("channels per socket".into(), channels), ("configured_speed, MT/s".into(), 4800_u64.into())]
                } else {
                    vec![
                        ("lanes".into(), 2_u64.into()),
                        ("link_speed, GT/s".into(), 32.0.into()),
                        ("maximum payload, B".into(), Reading::Unreadable("Permission denied (os error 13)".into())),
                    ]
                },
            });
        }
    }
    let known = ceilings.iter().any(|ceiling| ceiling.value.is_some());
    if known {
        ceilings.push(Ceiling {
            metric: "network.tcp_bandwidth".into(),
            value: Some(24.74e9),
            unit: Unit::BytesPerSecond,
            formula: "link × 8948 / 9042".into(),
            inputs: vec![("link, bit/s".into(), 200_000_000_000_u64.into())],
        });
    }
    (rows, ceilings)
}

/// Checks that are judged from runs.
pub(crate) fn checks(runs: &[Run]) -> Vec<Asked> {
    let mut all = Vec::new();
    for run in runs {
        let completed = match run.ended {
            Ended::Completed => Verdict::pass_on(Evidence::of_reading(format!("runs/{}/journal.jsonl", run.id), &"run_ended".into())),
            Ended::Interrupted | Ended::Cancelled | Ended::Failed(_) => {
                Verdict::Inconclusive(Reason::Interrupted(format!("{} has no end; finish it with --resume", run.id)))
            }
        };
        all.push(asked(
            Severity::Gate,
            "the scenario ran to its end",
            Check::new(
                "run.completed",
                &run.scenario,
                completed,
                "completed",
                format!("{:?}", run.ended).to_lowercase(),
                format!("runs/{}/journal.jsonl", run.id),
            ),
        ));
        for step in &run.steps {
            let Some(verification) = &step.verification else { continue };
            let failed: u64 = verification.fact.failed.values().sum();
            let verdict = if failed == 0 {
                Verdict::pass_on(Evidence::of_reading(&run.id, &verification.fact.verified.into()))
            } else {
                Verdict::Fail(format!("{failed} operations failed: EIO"))
            };
            let check = Check::new(
                "storage.no_failed_operations",
                &step.name,
                verdict,
                "0 failed operations",
                format!("{failed} of {}", verification.fact.operations),
                &run.id,
            );
            all.push(asked(Severity::Gate, "every operation succeeded", with_evidence(check, [verification.event])));
            for delta in step.counters.iter().filter(|delta| delta.before != delta.after) {
                let check = Check::new(
                    "run.no_new_errors",
                    &delta.component,
                    Verdict::Fail(format!("{} rose during {}", delta.counter, step.name)),
                    "no new errors",
                    format!("{} → {}", delta.before, delta.after),
                    &delta.source,
                );
                all.push(asked(Severity::Gate, "error counters stood still", with_evidence(check, [delta.event])));
            }
        }
        for recorded in run.steps.iter().flat_map(|step| &step.metrics).filter(|recorded| recorded.fact.name.0 == "storage.read_1m_qd8.bandwidth") {
            let median = recorded.fact.samples.median();
            let verdict = if median > 4.2e9 {
                Verdict::Inconclusive(Reason::Invalid("4.387 GB/s is above the physical ceiling of 4.2 GB/s".into()))
            } else {
                Verdict::pass_on(Evidence::of_samples("storage.read_1m_qd8.bandwidth", &recorded.fact.samples))
            };
            all.push(asked(
                Severity::Gate,
                "sequential reads",
                with_evidence(
                    Check::new(
                        "storage.read_bandwidth",
                        "storage.read_1m_qd8.bandwidth",
                        verdict,
                        "at least 500 MB/s",
                        format!("{median} B/s"),
                        &run.id,
                    ),
                    [recorded.event],
                ),
            ));
        }
    }
    all
}
