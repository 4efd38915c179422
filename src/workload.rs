//! Loading the machine: a scenario becomes a plan for this node, the plan a run, with progress on standard error.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result};
use assay_model::ceiling::rated_bytes;
use assay_model::inventory::Inventory;
use assay_model::judge;
use assay_model::run::{CounterSample, Ended, Environment, Run};
use assay_model::site::{Node, Site};
use assay_model::source::FileError;
use assay_probes::{Host, environment, error_counters};
use assay_scenarios::calibration::{self, Calibrated};
use assay_scenarios::catalog;
use assay_scenarios::claim::{ObjectPlace, ScratchPools, target_kind};
use assay_scenarios::error::ScenarioError;
use assay_scenarios::fio::job_file;
use assay_scenarios::isolation;
use assay_scenarios::journal::Stamps;
use assay_scenarios::plan::{Permits, Place, Plan, PlanContext, plan, this_host};
use assay_scenarios::runner::{self, Progress, Surroundings};
use assay_scenarios::scenario::{CephSpec, Scenario, Work};
use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::{Between, Writes};
use crate::context::{Context as Setting, Usage};
use crate::present;

/// The scenario of that name, or in the file of that path: one of assay's, or a job file of fio, which may name a target.
pub(crate) fn scenario(name: &str) -> Result<(Scenario, Option<PathBuf>)> {
    let kind = Path::new(name).extension().and_then(OsStr::to_str).filter(|kind| ["toml", "fio"].contains(kind));
    let Some(kind) = kind else {
        return catalog::scenario(name).map(|scenario| (scenario, None)).map_err(refusal);
    };
    let text = std::fs::read_to_string(name).with_context(|| Usage(format!("cannot read the scenario {name}")))?;
    let engines = catalog::engines();
    let usage = |error: FileError| Usage(error.to_string());
    if kind == "fio" {
        let file = job_file::read(name, &text, &engines).map_err(usage)?;
        return Ok((file.scenario, file.target));
    }
    Ok((Scenario::parse(name, &text, &engines).map_err(usage)?, None))
}

/// What `scenario` would do on this node with `targets`; touches neither.
pub(crate) fn plan_for(
    scenario: &Scenario,
    targets: &[PathBuf],
    permits: &Permits,
    nodes: &[Node],
    site: &Site,
    inventory: &Inventory,
) -> Result<Plan> {
    let mut places = Vec::new();
    for target in targets.iter().filter(|_| scenario.target.is_some()) {
        let target = &named_by_udev(target)?;
        let place = Place::new(target, target_kind(target).map_err(|error| refusal(error.into()))?);
        places.push(Place { rated_bytes: rated(site, inventory, place.serial.as_deref()), ..place });
    }
    let permits = &Permits { scratch_pools: ScratchPools::of(&site.declared.ceph), ..permits.clone() };
    let (cpus, memory_available) = this_host();
    let edges = judge::edges(site, Some(inventory), &scenario.name);
    let rings = site.bom.as_ref().and_then(|bom| bom.cluster.as_ref()).map_or(&[][..], |cluster| &cluster.corosync_links);
    plan(scenario, &PlanContext { targets: &places, inventory: Some(inventory), cpus: &cpus, memory_available, edges: &edges, permits, nodes, rings })
        .map_err(refusal)
}

/// The nodes of the site that the operator names, all with `all`; none of a scenario that is about this node alone.
pub(crate) fn nodes(scenario: &Scenario, asked: &Between, site: &Site) -> Result<Vec<Node>> {
    if !scenario.needs_nodes() && (asked.nodes.is_empty() || !scenario.takes_nodes()) {
        return if asked.nodes.is_empty() {
            Ok(Vec::new())
        } else {
            Err(Usage(format!("{} is about one node: --nodes does not apply", scenario.name)).into())
        };
    }
    let known = || site.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>().join(", ");
    if asked.nodes.is_empty() {
        return Err(
            Usage(format!("{} needs other nodes: name them by --nodes, or all of the site by --nodes all ({})", scenario.name, known())).into()
        );
    }
    if asked.nodes == ["all"] {
        return Ok(site.nodes.clone());
    }
    let mut nodes: Vec<Node> = Vec::new();
    for name in &asked.nodes {
        let node = site.nodes.iter().find(|node| node.name == *name);
        let node = node.ok_or_else(|| Usage(format!("the site {} has no node {name}; it has {}", site.name, known())))?;
        if nodes.iter().any(|other| other.name == *name) {
            return Err(Usage(format!("the node {name} is named twice")).into());
        }
        nodes.push(node.clone());
    }
    Ok(nodes)
}

/// A scenario in the networks that the operator names. One that it has no use for is a mistake, and not passed over.
pub(crate) fn within(mut scenario: Scenario, asked: &Between) -> Result<Scenario> {
    let (mut goes_through, mut is_drill) = (false, false);
    for work in scenario.steps.iter_mut().flat_map(|step| &mut step.work) {
        match work {
            Work::Net(net) if !net.has_a_network() => {}
            Work::Net(net) => {
                goes_through = true;
                net.network = asked.network.clone().or(net.network.take());
            }
            Work::Drill(drill) => {
                is_drill = true;
                drill.ring = asked.ring.clone().or(drill.ring.take());
                if drill.fault.has_a_network() {
                    goes_through = true;
                    drill.network = asked.network.clone().or(drill.network.take());
                }
            }
            Work::Ceph(_) | Work::Io(_) | Work::Kernel(_) => {}
        }
    }
    let why = if asked.network.is_some() && !goes_through {
        let hint = if is_drill { "; round trips are measured in that of --ring" } else { "" };
        format!("no network makes a difference: --network does not apply{hint}")
    } else if asked.ring.is_some() && !is_drill {
        "it is no drill on a Ceph cluster: --ring does not apply".to_owned()
    } else {
        return Ok(scenario);
    };
    Err(Usage(format!("{}: {why}", scenario.name)).into())
}

/// A scenario whose objects are made in the pool that the operator names as `rados:POOL/`. What is no pool for objects is no target of it.
pub(crate) fn in_pool(mut scenario: Scenario, targets: &[PathBuf]) -> Result<Scenario> {
    if !scenario.measures_ceph() {
        return Ok(scenario);
    }
    let pool = match targets {
        [] => return Ok(scenario),
        [target] => ObjectPlace::of_target(target).map_err(|refused| refusal(refused.into()))?,
        [_, _, ..] => return Err(Usage(format!("{} is about one pool: expected one --target rados:POOL/", scenario.name)).into()),
    };
    for work in scenario.steps.iter_mut().flat_map(|step| &mut step.work) {
        if let Work::Ceph(CephSpec::Objects(objects)) = work {
            objects.pool = Some(pool.clone());
        }
    }
    Ok(scenario)
}

/// Bytes that a drive may write in its life, where the site knows the part.
pub(crate) fn rated(site: &Site, inventory: &Inventory, serial: Option<&str>) -> Option<u64> {
    let rated = site.bom.as_ref().zip(serial).and_then(|(bom, serial)| rated_bytes(bom, &site.parts, inventory, serial));
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive count of bytes")]
    rated.map(|bytes| bytes as u64)
}

/// The links below /dev/disk and /dev/rbd are names of devices, and the only ones that are followed: they say which drive or image is meant.
fn named_by_udev(target: &Path) -> Result<PathBuf> {
    if target.starts_with("/dev/disk") || target.starts_with("/dev/rbd") {
        return std::fs::canonicalize(target).with_context(|| Usage(format!("cannot find the device {}", target.display())));
    }
    Ok(target.to_owned())
}

/// What the operator allows to be done to drives.
pub(crate) fn permits(writes: &Writes) -> Permits {
    Permits {
        owned: writes.i_own_serial.clone(),
        purged: writes.purge_serial.clone(),
        endurance_percent: writes.endurance_percent,
        ..Permits::default()
    }
}

/// A calibration that only lacks the machine.
pub(crate) type Calibrate<'c> = dyn FnMut(&Path, &Surroundings<'_>, &mut runner::Observer<'_>) -> Result<Calibrated, ScenarioError> + 'c;

/// The machine as a place for runs.
pub(crate) struct Machine<'a> {
    host: &'a Host,
    inventory: &'a Inventory,
    runs: PathBuf,
    probe_deadline: Duration,
}

impl<'a> Machine<'a> {
    /// The probed machine, and where its runs are kept.
    pub(crate) fn new(host: &'a Host, inventory: &'a Inventory, context: &Setting) -> Self {
        Self { host, inventory, runs: context.runs.clone(), probe_deadline: context.probe_deadline }
    }

    /// Runs a plan as run `id`.
    pub(crate) fn run(&self, id: &str, plan: &Plan) -> Result<Run> {
        let counters = || error_counters(self.host);
        let surroundings = self.surroundings(&counters)?;
        let mut bar = Bar::new(&plan.scenario);
        runner::run(&self.runs, id, plan, &surroundings, &mut |progress| bar.show(progress)).map_err(refusal)
    }

    /// Finishes the run in `path`, if the site still allows it.
    pub(crate) fn resume(&self, path: &Path, site: &Site) -> Result<Run> {
        let counters = || error_counters(self.host);
        let surroundings = self.surroundings(&counters)?;
        let mut bar = Bar::new("resumed run");
        runner::resume(path, &ScratchPools::of(&site.declared.ceph), &surroundings, &mut |progress| bar.show(progress)).map_err(refusal)
    }

    /// Measures assay beside another tool; `calibrate` is given where to store it and whom to tell of its progress.
    pub(crate) fn calibrate(&self, calibrate: &mut Calibrate<'_>) -> Result<Calibrated> {
        let counters = || error_counters(self.host);
        let surroundings = self.surroundings(&counters)?;
        let mut bar = Bar::new(calibration::SCENARIO);
        calibrate(&self.runs, &surroundings, &mut |progress| bar.show(progress)).map_err(refusal)
    }

    /// Tries the isolation of guests as run `id`.
    pub(crate) fn isolate(&self, id: &str, trial: &isolation::Trial) -> Result<Run> {
        let counters = || error_counters(self.host);
        let surroundings = self.surroundings(&counters)?;
        let mut bar = Bar::new(isolation::SCENARIO);
        isolation::run(&self.runs, id, trial, &surroundings, &mut |progress| bar.show(progress)).map_err(refusal)
    }

    fn surroundings<'b>(&self, counters: &'b dyn Fn() -> Vec<CounterSample>) -> Result<Surroundings<'b>> {
        Ok(Surroundings {
            host: self.inventory.host.clone(),
            environment: Environment {
                tool_version: env!("CARGO_PKG_VERSION").into(),
                tool_revision: env!("ASSAY_REVISION").into(),
                command: std::env::args().collect(),
                facts: environment(self.host, self.inventory),
            },
            inventory: Some(self.inventory.clone()),
            counters,
            stamps: Stamps::of_this_boot()?,
            probe_deadline: self.probe_deadline,
        })
    }
}

/// What the user asked for and cannot have is usage (2); what failed in our hands is the harness (4).
fn refusal(error: ScenarioError) -> anyhow::Error {
    match error {
        ScenarioError::Refused(_)
        | ScenarioError::Unplannable { .. }
        | ScenarioError::UnknownScenario { .. }
        | ScenarioError::Scenario(_)
        | ScenarioError::Unresumable { .. }
        | ScenarioError::Held { .. } => Usage(format!("{:#}", anyhow::Error::new(error))).into(),
        ScenarioError::Io { .. } | ScenarioError::Journal { .. } | ScenarioError::Plan { .. } => error.into(),
    }
}

/// A bar with the time that is left on a terminal; one line per step elsewhere.
struct Bar {
    bar: Option<ProgressBar>,
    scenario: String,
}

impl Bar {
    fn new(scenario: &str) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{prefix:>16} [{bar:30}] {eta:>4} left  {msg}").expect("a valid template").progress_chars("=> ");
            ProgressBar::new(0).with_style(style).with_prefix(scenario.to_owned())
        });
        Self { bar, scenario: scenario.to_owned() }
    }

    fn show(&mut self, progress: &Progress<'_>) {
        match (&self.bar, progress) {
            (Some(bar), Progress::RunStarted { total_ms, .. }) => bar.set_length(*total_ms),
            (None, Progress::RunStarted { run, total_ms }) => {
                present::progress(&format!("{}: run {run}, about {} s", self.scenario, total_ms.div_ceil(1000)))
            }
            (Some(bar), Progress::StepStarted { step, describe }) => bar.set_message(format!("{step}: {describe}")),
            (None, Progress::StepStarted { step, describe }) => present::progress(&format!("{}: {step}: {describe}", self.scenario)),
            (Some(bar), Progress::Tick { done_ms, total_ms }) => {
                bar.set_length(*total_ms);
                bar.set_position(*done_ms);
            }
            (None, Progress::Tick { .. }) | (_, Progress::StepEnded { ended: Ended::Completed, .. }) => {}
            (Some(bar), Progress::StepEnded { step, ended }) => bar.println(unfinished(step, ended)),
            (Some(bar), Progress::LeftBehind { why }) => bar.println(why),
            (None, Progress::LeftBehind { why }) => present::progress(&format!("{}: {why}", self.scenario)),
            (None, Progress::StepEnded { step, ended }) => present::progress(&format!("{}: {}", self.scenario, unfinished(step, ended))),
        }
    }
}

fn unfinished(step: &str, ended: &Ended) -> String {
    match ended {
        Ended::Completed => format!("{step}: completed"),
        Ended::Interrupted => format!("{step}: interrupted"),
        Ended::Cancelled => format!("{step}: cancelled"),
        Ended::Failed(why) => format!("{step}: failed: {why}"),
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
