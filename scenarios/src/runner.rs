//! Executes a plan into a run directory: error counters before and after every step, the work on its own thread, what else the machine did meanwhile,
//! and everything into the journal. A signal ends the run cleanly; a death at any moment leaves a journal that folds, and a run that can be resumed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use assay_model::inventory::Inventory;
use assay_model::journal::{Event, unhealed};
use assay_model::run::{CounterSample, Ended, Environment, Run, Step};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::claim::{Claim, Refusal, ScratchPools};
use crate::directory::RunDirectory;
use crate::error::ScenarioError;
use crate::journal::{Stamps, Writer};
use crate::plan::{Plan, digest};
use crate::printable::Printable;
use crate::remote::Identity;

mod bench;
mod ceph;
mod engines;
mod facts;
mod histograms;
mod knee;
mod latencies;
mod load;
mod net;
mod purge;
mod resumption;
mod rounds;
mod step;
#[cfg(test)]
mod tests;
mod thinned;
mod together;
mod watch;

use bench::{Bench, Diary, Entry, Nodes, Worker};
pub(crate) use engines::ENGINES;
use engines::Engines;
pub(crate) use latencies::Latencies;

/// Where a run happens, and what is known of the place.
pub struct Surroundings<'a> {
    /// Name of the host, or its pseudonym.
    pub host: String,
    /// Where and with what it runs.
    pub environment: Environment,
    /// What the probes saw, when they looked.
    pub inventory: Option<Inventory>,
    /// Reads all error counters.
    pub counters: &'a dyn Fn() -> Vec<CounterSample>,
    /// The boot, and the clocks.
    pub stamps: Stamps,
    /// How long a probe of another node may take.
    pub probe_deadline: Duration,
}

/// How far a run is.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress<'a> {
    /// The run begins, or goes on.
    RunStarted {
        /// Its id.
        run: &'a str,
        /// How long all steps that are left take, milliseconds.
        total_ms: u64,
    },
    /// A step begins.
    StepStarted {
        /// Its name.
        step: &'a str,
        /// What it is for.
        describe: &'a str,
    },
    /// Some time has passed.
    Tick {
        /// Milliseconds of the plan that are done.
        done_ms: u64,
        /// How long all steps take, milliseconds.
        total_ms: u64,
    },
    /// A step is over.
    StepEnded {
        /// Its name.
        step: &'a str,
        /// How it ended.
        ended: &'a Ended,
    },
    /// Something of assay's own could not be removed.
    LeftBehind {
        /// What, and why not.
        why: &'a str,
    },
}

/// Takes progress. Called between 1 and 20 times a second, never from a measuring thread.
pub type Observer<'a> = dyn FnMut(&Progress<'_>) + 'a;

/// Runs `plan` as run `id` (from [`crate::directory::run_id`]) below `runs`. The target is claimed before anything else: a refusal leaves no trace.
///
/// Must not be called from inside an async runtime. Handles SIGINT and SIGTERM from now on: the run ends as Cancelled, and can be resumed.
pub fn run(runs: &Path, id: &str, plan: &Plan, surroundings: &Surroundings<'_>, observer: &mut Observer<'_>) -> Result<Run, ScenarioError> {
    run_on(Box::new(Engines::default()), runs, id, plan, surroundings, observer)
}

/// Finishes the run in `path`: completed steps stay, the unfinished one is done anew. Works after `kill -9` and after a reboot; refuses a run of
/// another plan, host, environment or version of assay, and one in a pool that the site does not allow any more.
pub fn resume(path: &Path, allowed: &ScratchPools, surroundings: &Surroundings<'_>, observer: &mut Observer<'_>) -> Result<Run, ScenarioError> {
    resume_on(Box::new(Engines::default()), path, allowed, surroundings, observer)
}

fn run_on(
    bench: Box<dyn Bench>,
    runs: &Path,
    id: &str,
    plan: &Plan,
    surroundings: &Surroundings<'_>,
    observer: &mut Observer<'_>,
) -> Result<Run, ScenarioError> {
    let claims = plan.targets.iter().map(|target| target.claim(id, plan.duration())).collect::<Result<Vec<_>, _>>()?;
    let (directory, writer) = RunDirectory::begin(runs, id, &plan.scenario, &plan.to_json(), plan.step_names(), &plan.nodes, surroundings)?;
    finish(bench, directory, writer, claims, plan, surroundings, observer, &[])
}

fn resume_on(
    bench: Box<dyn Bench>,
    path: &Path,
    allowed: &ScratchPools,
    surroundings: &Surroundings<'_>,
    observer: &mut Observer<'_>,
) -> Result<Run, ScenarioError> {
    let directory = RunDirectory::open(path)?;
    let (mut writer, journal) = Writer::reopen(&directory.journal(), surroundings.stamps.clone())?;
    let so_far = journal.run().map_err(ScenarioError::journal("fold journal", &directory.journal()))?;
    let plan = stored_plan(&directory, journal.plan_digest().unwrap_or_default())?;
    let refused = |why: String| ScenarioError::Unresumable { run: so_far.id.clone(), why };
    // However it ended: nothing that it has left armed stays so.
    let mut still_armed = None;
    for fault in unhealed(&journal.entries) {
        let environment = &surroundings.environment;
        // One that cannot be healed keeps none of the others broken.
        if let Err(why) = net::heal(&plan.nodes, &environment.tool_version, &environment.tool_revision, &fault) {
            let why = format!("fault {} ({}) of step {} is armed, and cannot be healed: {why}", fault.id, fault.fault, fault.step);
            still_armed.get_or_insert(why);
        } else {
            writer.append(Event::FaultHealed { id: fault.id.clone() })?;
        }
    }
    if let Some(why) = still_armed {
        return Err(refused(why));
    }
    match &so_far.ended {
        Ended::Interrupted | Ended::Cancelled => {}
        Ended::Completed => return Err(refused("it has completed".to_owned())),
        Ended::Failed(why) => return Err(refused(format!("it has failed, and a second try would hide that: {why}"))),
    }
    if so_far.hosts != [surroundings.host.clone()] {
        return Err(refused(format!("it was begun on {}, this is {}", so_far.hosts.join(", "), surroundings.host)));
    }
    if let Some(difference) = difference(&so_far.environment, &surroundings.environment) {
        return Err(refused(format!("figures from before and after would not be of the same thing: {difference}")));
    }
    if let Some(why) = plan.refused_by(allowed) {
        return Err(refused(why));
    }
    let resumptions = journal.entries.iter().filter(|entry| matches!(entry.event, Event::Resumed { .. })).count();
    if let Some(why) = resumption::refusal(&plan, &so_far.steps, resumptions) {
        return Err(refused(why));
    }
    // Steps that are left may still need the target; the scratch file of the dead process is swept by this.
    let claims = plan.targets.iter().map(|target| target.claim(&directory.id(), plan.duration())).collect::<Result<Vec<_>, _>>()?;
    writer.append(Event::Resumed { plan: plan.digest() })?;
    finish(bench, directory, writer, claims, &plan, surroundings, observer, &so_far.steps)
}

fn stored_plan(directory: &RunDirectory, expected: &str) -> Result<Plan, ScenarioError> {
    let path = directory.plan();
    let bytes = std::fs::read(&path).map_err(ScenarioError::io("read plan", &path))?;
    let refused = |why: String| ScenarioError::Plan { path: Printable::new(&path), why };
    if digest(&bytes) != expected {
        return Err(refused("it is not the plan that the run was begun with".to_owned()));
    }
    let plan: Plan = serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
    if plan.schema != crate::plan::PLAN_SCHEMA || plan.digest() != expected {
        return Err(refused("it was made by another version of assay".to_owned()));
    }
    Ok(plan)
}

/// The first thing in which two environments differ. The command line may: `run` and `run --resume` are the same run.
fn difference(old: &Environment, new: &Environment) -> Option<String> {
    let pair = |what: &str, old: &str, new: &str| (old != new).then(|| format!("{what} was `{old}` and is `{new}`"));
    pair("the version of assay", &old.tool_version, &new.tool_version)
        .or_else(|| pair("the revision of assay", &old.tool_revision, &new.tool_revision))
        .or_else(|| {
            let names = old.facts.keys().chain(new.facts.keys());
            let fact =
                |facts: &std::collections::BTreeMap<String, String>, name: &String| facts.get(name).cloned().unwrap_or_else(|| "absent".to_owned());
            names.into_iter().find_map(|name| pair(name, &fact(&old.facts, name), &fact(&new.facts, name)))
        })
}

#[allow(clippy::too_many_arguments, reason = "the parts of a session, put together in one place")]
fn finish(
    mut bench: Box<dyn Bench>,
    directory: RunDirectory,
    writer: Writer,
    claims: Vec<Claim>,
    plan: &Plan,
    surroundings: &Surroundings<'_>,
    observer: &mut Observer<'_>,
    kept: &[Step],
) -> Result<Run, ScenarioError> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(ScenarioError::io("start the scheduler of", directory.path()))?;
    let stop = Arc::new(AtomicBool::new(false));
    let (diary, entries) = Diary::new();
    bench.take_run(&directory.id());
    if !plan.nodes.is_empty() {
        let environment = &surroundings.environment;
        let identity = Identity::of_this_host(&environment.tool_version, &environment.tool_revision);
        let met = identity
            .and_then(|identity| bench.take_nodes(Nodes { nodes: plan.nodes.clone(), identity, diary, probe_deadline: surroundings.probe_deadline }));
        met.map_err(ScenarioError::io("prepare the sessions of", directory.path()))?;
    }
    let worker = Worker::start(bench, plan.cpu, Arc::clone(&stop)).map_err(ScenarioError::io("start the measuring thread of", directory.path()))?;
    let run = runtime.block_on(async {
        let signals = Signals::listen().map_err(ScenarioError::io("listen for signals during", directory.path()))?;
        let mut session = Session {
            plan,
            directory: &directory,
            writer,
            surroundings,
            observer,
            worker,
            entries,
            at_step: String::new(),
            stop,
            signals,
            claims,
            ready: false,
            floor: None,
            done_ms: 0,
            total_ms: 0,
        };
        session.execute(kept).await
    })?;
    directory.write_run(&run)?;
    Ok(run)
}

/// The two signals that end a run cleanly.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    seen: bool,
}

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())?, seen: false })
    }

    /// The next of either. Safe to be dropped in a `select!`.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        self.seen = true;
    }
}

/// One process' part of a run.
struct Session<'a, 'o> {
    plan: &'a Plan,
    directory: &'a RunDirectory,
    writer: Writer,
    surroundings: &'a Surroundings<'a>,
    observer: &'a mut Observer<'o>,
    worker: Worker,
    /// What the worker wants written ahead, and the step that it belongs to.
    entries: UnboundedReceiver<Entry>,
    at_step: String,
    stop: Arc<AtomicBool>,
    signals: Signals,
    claims: Vec<Claim>,
    /// Whether the worker has the targets and they have content.
    ready: bool,
    /// Operations per second of the null engine.
    floor: Option<f64>,
    done_ms: u64,
    total_ms: u64,
}

/// Processors of the machine; 1 where nothing says how many.
fn cpus() -> u32 {
    std::thread::available_parallelism().map_or(1, |cpus| u32::try_from(cpus.get()).unwrap_or(u32::MAX))
}

/// How often sensors and the run queue are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// How long the worker may take to let go of the targets.
const LET_GO: Duration = Duration::from_secs(5);
/// How often progress is told.
const TICK: Duration = Duration::from_millis(100);

impl Session<'_, '_> {
    async fn execute(&mut self, kept: &[Step]) -> Result<Run, ScenarioError> {
        let ended = self.steps(kept).await;
        if self.ready {
            // A device that the kernel has mapped is not given back while anybody has it open; a worker that hangs keeps it so.
            let _ = tokio::time::timeout(LET_GO, self.worker.targets(bench::Targets::none())).await;
        }
        // What cannot be removed is found by the operator only when somebody says so.
        let claims = std::mem::take(&mut self.claims).into_iter();
        let left = claims.filter_map(|claim| claim.release().err()).map(|Refusal { subject, cause }| format!("left behind: {subject}: {cause}"));
        let left: Vec<String> = left.collect();
        let ended = match ended {
            Ok(Ended::Completed) if !left.is_empty() => Ended::Failed(left.join("; and ")),
            Ok(Ended::Failed(why)) => Ended::Failed([vec![why], left].concat().join("; and ")),
            // These stay what they are: the one can be resumed, the other is reported as it is.
            other => {
                left.iter().for_each(|why| (self.observer)(&Progress::LeftBehind { why }));
                other?
            }
        };
        self.writer.append(Event::RunEnded { ended })?;
        self.writer.read_back()?.run().map_err(ScenarioError::journal("fold journal", self.writer.path()))
    }

    async fn steps(&mut self, kept: &[Step]) -> Result<Ended, ScenarioError> {
        let is_kept = |name: &str| kept.iter().find(|step| step.name == name).filter(|step| step::is_kept(step));
        self.floor = kept.iter().find_map(step::floor_of);
        let left: Vec<_> = self.plan.steps.iter().filter(|step| is_kept(&step.name).is_none()).collect();
        self.total_ms = left.iter().map(|step| step.duration_ms).sum();
        (self.observer)(&Progress::RunStarted { run: &self.directory.id(), total_ms: self.total_ms });

        // A step that failed before the interruption stays failed.
        if let Some(failed) = kept.iter().map(|step| &step.ended).find(|ended| matches!(ended, Ended::Failed(_))) {
            return Ok(failed.clone());
        }
        for planned in left {
            (self.observer)(&Progress::StepStarted { step: &planned.name, describe: &planned.describe });
            let before = self.done_ms;
            let outcome = self.step(planned).await?;
            self.done_ms = before + planned.duration_ms;
            (self.observer)(&Progress::StepEnded { step: &planned.name, ended: &outcome });
            match outcome {
                Ended::Completed => {}
                Ended::Failed(why) => return Ok(Ended::Failed(format!("step {}: {why}", planned.name))),
                Ended::Cancelled | Ended::Interrupted => return Ok(outcome),
            }
        }
        Ok(Ended::Completed)
    }
}
