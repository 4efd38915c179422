//! A small plan, a folder for runs, and a bench that answers from a script.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use assay_model::attr::Attr;
use assay_model::component::Reading;
use assay_model::run::{CounterSample, Environment, Run};
use assay_model::sequential::Edge;
use hdrhistogram::Histogram;
use tempfile::TempDir;

use crate::claim::{Leave, ScratchPools, TargetKind};
use crate::directory::run_id;
use crate::error::ScenarioError;
use crate::journal::Stamps;
use crate::plan::{self, Plan, PlanContext, PlannedWork};
use crate::runner::bench::{Bench, Outcome, Targets, Trouble};
use crate::runner::latencies::Latencies;
use crate::runner::{Observer, Surroundings, resume_on, run_on};
use crate::scenario::Scenario;

pub(super) const SCENARIO: &str = r#"
schema = 1
name = "tiny"
describe = "d"
[target]
size = "8MiB"
[[step]]
name = "layout"
describe = "d"
[[step.io]]
engine = "uring"
rw = "write"
bs = "1MiB"
iodepth = 2
whole = true
[[step]]
name = "random"
describe = "d"
repeats = 3
[[step.io]]
engine = "uring"
rw = "randread"
bs = "4KiB"
iodepth = 8
runtime = "40ms"
[[step.io]]
engine = "uring"
rw = "randwrite"
bs = "4KiB"
iodepth = 8
runtime = "40ms"
io_size = "1GiB"
[[step]]
name = "verify"
describe = "d"
[[step.io]]
engine = "uring"
rw = "read"
bs = "64KiB"
iodepth = 4
whole = true
"#;

pub(super) const STEPS: [&str; 4] = ["harness_floor", "layout", "random", "verify"];

/// Folders, a host that never changes, and counters that can be made to.
pub(super) struct Place {
    pub(super) folder: TempDir,
    pub(super) host: String,
    pub(super) boot: String,
    pub(super) environment: Environment,
    pub(super) counts: Arc<Mutex<Vec<(Attr, u64)>>>,
}

impl Place {
    pub(super) fn new() -> Self {
        let environment = Environment {
            tool_version: "0".into(),
            tool_revision: "r".into(),
            command: vec!["assay".into()],
            facts: BTreeMap::from([("kernel".into(), "6".into())]),
        };
        let counts = Arc::new(Mutex::new(vec![(Attr::AerCorrectable, 7), (Attr::CoreThrottles, 1)]));
        Self { folder: TempDir::new().expect("a folder"), host: "node1".into(), boot: "boot-1".into(), environment, counts }
    }

    pub(super) fn runs(&self) -> PathBuf {
        self.folder.path().join("runs")
    }

    pub(super) fn scratch(&self) -> PathBuf {
        let scratch = self.folder.path().join("scratch");
        std::fs::create_dir_all(&scratch).expect("a folder");
        scratch
    }

    pub(super) fn plan(&self) -> Plan {
        self.plan_on(&self.scratch(), TargetKind::Folder)
    }

    pub(super) fn plan_on(&self, target: &std::path::Path, kind: TargetKind) -> Plan {
        self.plan_of(SCENARIO, &[plan::Place::new(target, kind)], &[])
    }

    /// The plan of another scenario on one folder.
    pub(super) fn plan_with(&self, scenario: &str, edges: &[Edge]) -> Plan {
        self.plan_of(scenario, &[plan::Place::new(&self.scratch(), TargetKind::Folder)], edges)
    }

    /// The same on several folders.
    pub(super) fn plan_on_folders(&self, scenario: &str, folders: &[PathBuf]) -> Plan {
        let places: Vec<plan::Place> = folders.iter().map(|folder| plan::Place::new(folder, TargetKind::Folder)).collect();
        self.plan_of(scenario, &places, &[])
    }

    fn plan_of(&self, scenario: &str, targets: &[plan::Place], edges: &[Edge]) -> Plan {
        let scenario = Scenario::parse("tiny.toml", scenario, crate::runner::ENGINES).expect("good");
        plan::plan(
            &scenario,
            &PlanContext {
                targets,
                inventory: None,
                cpus: &[0],
                memory_available: 1 << 30,
                edges,
                permits: &plan::Permits::default(),
                nodes: &[],
                rings: &[],
            },
        )
        .expect("plans")
    }

    pub(super) fn run(&self, bench: Box<dyn Bench>, plan: &Plan, observer: &mut Observer<'_>) -> Result<Run, ScenarioError> {
        let id = run_id(&plan.scenario, jiff::Timestamp::now());
        self.around(|surroundings| run_on(bench, &self.runs(), &id, plan, surroundings, observer))
    }

    pub(super) fn resume(&self, bench: Box<dyn Bench>, id: &str) -> Result<Run, ScenarioError> {
        let path = self.runs().join(id);
        self.around(|surroundings| resume_on(bench, &path, &ScratchPools::default(), surroundings, &mut |_| {}))
    }

    fn around<T>(&self, act: impl FnOnce(&Surroundings<'_>) -> T) -> T {
        let counters = || {
            let sample = |(counter, count): &(Attr, u64)| CounterSample {
                component: "dev".into(),
                counter: *counter,
                source: "test".into(),
                reading: Reading::from(*count),
            };
            self.counts.lock().expect("not poisoned").iter().map(sample).collect()
        };
        act(&Surroundings {
            host: self.host.clone(),
            environment: self.environment.clone(),
            inventory: None,
            counters: &counters,
            stamps: Stamps::of_boot(&self.boot),
            probe_deadline: Duration::from_secs(5),
        })
    }

    pub(super) fn leftovers(&self) -> usize {
        std::fs::read_dir(self.scratch()).expect("a folder").count()
    }
}

type Script = dyn FnMut(usize, &PlannedWork, &AtomicBool) -> Result<Outcome, Trouble> + Send;

/// Answers every piece of work from a closure that is told how many came before.
pub(super) struct Scripted {
    script: Box<Script>,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    pub(super) fn answering(
        script: impl FnMut(usize, &PlannedWork, &AtomicBool) -> Result<Outcome, Trouble> + Send + 'static,
    ) -> (Box<dyn Bench>, Arc<Mutex<Vec<String>>>) {
        let calls = Arc::new(Mutex::new(Vec::new()));
        (Box::new(Self { script: Box::new(script), calls: Arc::clone(&calls) }), calls)
    }

    /// Everything is well.
    pub(super) fn healthy() -> (Box<dyn Bench>, Arc<Mutex<Vec<String>>>) {
        Self::answering(|_, work, _| Ok(good(work)))
    }
}

impl Bench for Scripted {
    fn take_targets(&mut self, targets: Targets) -> Result<(), Trouble> {
        let named = |target: &Leave| format!("target {}", target.name());
        self.calls.lock().expect("not poisoned").extend(targets.leaves.iter().map(named));
        Ok(())
    }

    fn work(&mut self, work: &PlannedWork, stop: &AtomicBool) -> Result<Outcome, Trouble> {
        let mut calls = self.calls.lock().expect("not poisoned");
        let before = calls.iter().filter(|call| !call.starts_with("target")).count();
        calls.push(match work {
            PlannedWork::Io(io) => io.label(),
            PlannedWork::Triad { .. } => "triad".to_owned(),
            PlannedWork::Net(net) => net.label(),
            PlannedWork::Drill(drill) => drill.label(),
            PlannedWork::Ceph(ceph) => ceph.label(),
        });
        drop(calls);
        (self.script)(before, work, stop)
    }
}

/// A plausible answer.
pub(in crate::runner) fn good(work: &PlannedWork) -> Outcome {
    let null = matches!(work, PlannedWork::Io(io) if io.spec.engine == "null");
    let operations = if null { 1_000_000 } else { 1000 };
    let mut latencies = Histogram::new(3).expect("a histogram");
    latencies.record_n(50_000, operations).expect("recorded");
    Outcome {
        elapsed: Duration::from_secs(1),
        cpu_share: Some(0.5),
        operations,
        bytes: operations * 4096,
        latencies: Some(Latencies::from(&latencies)),
        series: vec![(0.1, 990.0), (0.2, 1010.0)],
        all_operations: operations + 10,
        verified: operations + 10,
        ..Outcome::default()
    }
}
