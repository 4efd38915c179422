//! The measuring side of a run: one thread for the whole run that does one piece of work at a time and knows nothing of journals and signals. The
//! real one is `engines.rs`; tests put one in its place that fails in every way.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use assay_model::metric::Direction;
use assay_model::outage::Outage;
use assay_model::run::Condition;
use assay_model::site::Node;
use assay_model::stall::Stall;
use assay_model::unit::Unit;
use rustix::thread::{CpuSet, sched_setaffinity};
use tokio::sync::{mpsc as mpsc_async, oneshot};

use crate::claim::Leave;
use crate::plan::PlannedWork;
use crate::remote::Identity;

use super::latencies::Latencies;

/// What one piece of work found.
#[derive(Debug, Clone, Default)]
pub(crate) struct Outcome {
    /// The measured time, ramp excluded.
    pub(crate) elapsed: Duration,
    /// Share of it for which the busiest lane used a processor; kernels and commands have none.
    pub(crate) cpu_share: Option<f64>,
    /// Operations completed in it.
    pub(crate) operations: u64,
    /// Bytes moved in it.
    pub(crate) bytes: u64,
    /// Latencies, nanoseconds; kernels have none.
    pub(crate) latencies: Option<Latencies>,
    /// Kinds of operations apart, when there were several.
    pub(crate) kinds: Vec<Kind>,
    /// Of an open loop: how late the harness itself began operations, nanoseconds.
    pub(crate) lag: Option<Latencies>,
    /// Of an open loop: operations that were due and had not begun at the end.
    pub(crate) backlog: u64,
    /// Bytes per second of a kernel, or the rate of a knee; one figure per sample. Other operations have none.
    pub(crate) samples: Vec<f64>,
    /// Of a knee: every rate that was tried, and the 99th percentile of the latency at it, nanoseconds.
    pub(crate) sweep: Vec<(f64, f64)>,
    /// Seconds since the beginning of the measured time, and the figure per second (operations, or bytes of a kernel).
    pub(crate) series: Vec<(f64, f64)>,
    /// Operations, ramp included; elements of a kernel.
    pub(crate) all_operations: u64,
    /// Those of them whose data were compared.
    pub(crate) verified: u64,
    /// Operations, ramp included, that failed or came back short, by error.
    pub(crate) failed: BTreeMap<String, u64>,
    /// Blocks with wrong content, ramp included, by kind.
    pub(crate) corrupt: BTreeMap<String, u64>,
    /// Facts for people, by name.
    pub(crate) notes: BTreeMap<String, String>,
    /// Figures of a measurement between nodes, which have names of their own.
    pub(crate) figures: Vec<Figure>,
    /// Timelines of the ports that it let fail.
    pub(crate) outages: Vec<Outage>,
    /// Timelines of its drills on a cluster.
    pub(crate) stalls: Vec<Stall>,
    /// What makes these figures doubtful, besides what the runner sees by itself.
    pub(crate) doubts: Vec<Condition>,
}

/// A figure with a name of its own, of one round.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Figure {
    /// Its name.
    pub(crate) name: String,
    /// Its unit.
    pub(crate) unit: Unit,
    /// Which way is better.
    pub(crate) direction: Direction,
    /// What tells it from others of that name.
    pub(crate) dimensions: BTreeMap<String, String>,
    /// The value, base unit.
    pub(crate) value: f64,
}

/// Does work. Keeps what one piece leaves for the next: what was written where, memory that was touched.
pub(crate) trait Bench: Send {
    /// Takes the targets on which all operations work from now on; nothing is known about their content.
    fn take_targets(&mut self, targets: Targets) -> Result<(), Trouble>;
    /// Takes the id of the run, which what it makes elsewhere is named after.
    fn take_run(&mut self, _run: &str) {}
    /// Takes what measurements between nodes need, before any work of a plan that has nodes.
    fn take_nodes(&mut self, _nodes: Nodes) -> std::io::Result<()> {
        Ok(())
    }
    /// Does one piece of work on this thread, or on threads of its own. Ends soon after `stop` is set.
    fn work(&mut self, work: &PlannedWork, stop: &AtomicBool) -> Result<Outcome, Trouble>;
}

/// What all operations of a run work on.
#[derive(Debug)]
pub(crate) struct Targets {
    /// The claimed targets.
    pub(crate) leaves: Vec<Leave>,
    /// Bytes of a unit of the write history.
    pub(crate) unit: u64,
    /// Seed of stamps.
    pub(crate) stamp_seed: u64,
    /// A file for the write history of each target, where it shall survive the process.
    pub(crate) acks: Vec<File>,
    /// The run directory, for logs of single operations.
    pub(crate) folder: PathBuf,
}

impl Targets {
    /// Nothing any more: who takes them lets go of what he has.
    pub(crate) fn none() -> Self {
        Self { leaves: Vec::new(), unit: 0, stamp_seed: 0, acks: Vec::new(), folder: PathBuf::new() }
    }
}

/// What measurements between nodes need of the run.
pub(crate) struct Nodes {
    /// The nodes of the plan.
    pub(crate) nodes: Vec<Node>,
    /// What this end says of itself.
    pub(crate) identity: Identity,
    /// Where faults are written ahead.
    pub(crate) diary: Diary,
    /// How long a probe of theirs may take.
    pub(crate) probe_deadline: Duration,
}

/// Writes into the journal of the run, from the measuring thread: what is about to be broken stands there before it is.
#[derive(Debug, Clone)]
pub(crate) struct Diary(mpsc_async::UnboundedSender<Entry>);

/// Something that must be in the journal before the work goes on.
#[derive(Debug)]
pub(crate) struct Entry {
    /// What.
    pub(crate) fact: Fact,
    /// Told when it is there, or why it is not.
    pub(crate) written: oneshot::Sender<Result<(), String>>,
}

/// The facts of a fault.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Fact {
    /// It is about to be injected.
    Armed {
        /// Names it within the run.
        id: String,
        /// Its name in the registry.
        fault: String,
        /// The node.
        host: String,
        /// All that healing needs.
        armed: serde_json::Value,
    },
    /// It is injected.
    Injected {
        /// The armed fault.
        id: String,
    },
    /// It is whole again.
    Healed {
        /// The armed fault.
        id: String,
    },
}

impl Diary {
    pub(crate) fn new() -> (Self, mpsc_async::UnboundedReceiver<Entry>) {
        let (sender, receiver) = mpsc_async::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Returns when it is in the journal and on the disk.
    pub(crate) async fn write(&self, fact: Fact) -> Result<(), Trouble> {
        let (written, answer) = oneshot::channel();
        let lost = || Trouble::Failed("the run is over: nobody writes its journal any more".to_owned());
        self.0.send(Entry { fact, written }).map_err(|_| lost())?;
        answer.await.map_err(|_| lost())?.map_err(Trouble::Failed)
    }
}

/// Why there is no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// The harness or an engine failed; says subject, act and cause.
    Failed(String),
    /// This host or device is not set up for it: no fault, and no figure.
    NotConfigured(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Trouble::Failed(why)
    }
}

/// Latencies of one kind of operation of mixed work.
#[derive(Debug, Clone)]
pub(crate) struct Kind {
    /// `read`, `write` or `trim`.
    pub(crate) name: &'static str,
    /// Operations in the measured time.
    pub(crate) operations: u64,
    /// Their latencies, nanoseconds.
    pub(crate) latencies: Latencies,
}

enum Command {
    Targets(Targets, oneshot::Sender<Result<(), Trouble>>),
    Work(Box<PlannedWork>, oneshot::Sender<Result<Outcome, Trouble>>),
}

/// The thread that measures.
pub(crate) struct Worker {
    commands: Option<mpsc::Sender<Command>>,
    thread: Option<thread::JoinHandle<()>>,
    hung: bool,
}

impl Worker {
    pub(crate) fn start(mut bench: Box<dyn Bench>, cpu: u32, stop: Arc<AtomicBool>) -> Result<Self, std::io::Error> {
        let (commands, inbox) = mpsc::channel();
        let serve = move || {
            pin(cpu);
            for command in inbox {
                // Nobody waits any more when the run was given up: the answer may be lost.
                match command {
                    Command::Targets(targets, answer) => drop(answer.send(bench.take_targets(targets))),
                    Command::Work(work, answer) => drop(answer.send(bench.work(&work, &stop))),
                }
            }
        };
        let thread = thread::Builder::new().name("bench".to_owned()).spawn(serve)?;
        Ok(Self { commands: Some(commands), thread: Some(thread), hung: false })
    }

    pub(crate) fn targets(&self, targets: Targets) -> oneshot::Receiver<Result<(), Trouble>> {
        let (answer, receiver) = oneshot::channel();
        self.send(Command::Targets(targets, answer));
        receiver
    }

    pub(crate) fn work(&self, work: PlannedWork) -> oneshot::Receiver<Result<Outcome, Trouble>> {
        let (answer, receiver) = oneshot::channel();
        self.send(Command::Work(Box::new(work), answer));
        receiver
    }

    fn send(&self, command: Command) {
        // A thread that is gone drops the command, and with it the answer's sender: the receiver sees that.
        if let Some(commands) = &self.commands {
            let _ = commands.send(command);
        }
    }

    /// Says that the thread hangs in the kernel: nobody shall wait for it.
    pub(crate) fn give_up(&mut self) {
        self.hung = true;
    }
}

/// Keeps the calling thread on one CPU; where the kernel does not allow it any more, it measures unpinned.
pub(super) fn pin(cpu: u32) {
    let mut set = CpuSet::new();
    if let Some(cpu) = usize::try_from(cpu).ok().filter(|cpu| *cpu < CpuSet::MAX_CPU) {
        set.set(cpu);
        let _ = sched_setaffinity(None, &set);
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.commands.take());
        if let (Some(thread), false) = (self.thread.take(), self.hung) {
            // A panic in there was reported as a lost answer already.
            let _ = thread.join();
        }
    }
}
