//! The far end: tasks by name, each on its own thread. The end of standard input, a pipe that nobody reads from, and a near end that is silent for too long all
//! mean the same: every task is told to stop (a task that holds a fault heals it), and the agent ends.

use std::any::Any;
use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use super::error::shown;
use super::identity::Identity;
use super::line::Lines;
use super::message::{FromAgent, Hello, TaskEnded, ToAgent, encode, hello_of_any_version};
use super::outbox::Outbox;
use super::stop::Stop;
use super::task::{AgentOptions, TASKS, TaskContext, TaskEntry, TaskError, TaskErrorKind};
use crate::error::chain;
use crate::fault;

/// How long the near end may take to say who it is.
const HELLO_WITHIN: Duration = Duration::from_secs(20);
/// Bounds of the silence that a near end may ask for.
const SILENCE: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(60));
/// How long tasks may take to stop at the end; what is still there then ends with the process, and its watchdog heals.
const STOP_WITHIN: Duration = Duration::from_secs(10);
/// How long the last words may take.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// Tasks at once.
const TASKS_MAX: usize = 64;

/// How a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// The near end said that it is over.
    Bye,
    /// The near end is gone, or will not be heard any more.
    Lost(String),
    /// The near end is none that can be served; it was told why.
    Declined(String),
}

/// Serves one near end until it is over. Leftovers of faults are healed before anything is said. `log` hears one line at a time.
pub fn serve(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    identity: &Identity,
    options: &AgentOptions,
    log: &mut dyn FnMut(&str),
) -> Served {
    serve_with(TASKS, input, output, identity, options, log)
}

pub(super) fn serve_with(
    tasks: &'static [TaskEntry],
    input: impl Read + Send + 'static,
    mut output: impl Write + Send + 'static,
    identity: &Identity,
    options: &AgentOptions,
    log: &mut dyn FnMut(&str),
) -> Served {
    let outbox = Arc::new(Outbox::default());
    let writer = Arc::clone(&outbox);
    thread::spawn(move || writer.write(&mut output));
    let mut session = Session { tasks, outbox, options: Arc::new(options.clone()), running: BTreeMap::new(), last: 0 };
    let served = match fault::heal_leftovers(&options.faults) {
        Ok(healed) => {
            for id in &healed {
                log(&format!("healed fault {id}, which an earlier agent had left"));
            }
            let ours = Hello { healed, ..Hello::of(identity) };
            session.say(&FromAgent::Hello(ours.clone()));
            session.serve(&read(input), &ours)
        }
        Err(error) => Served::Declined(format!("a fault that was left here cannot be healed: {}", chain(&error))),
    };
    log(&match &served {
        Served::Bye => "the near end is done".to_owned(),
        Served::Lost(why) | Served::Declined(why) => why.clone(),
    });
    session.end(&served, log);
    served
}

enum Input {
    Line(String),
    Failed(String),
    End,
}

/// Lines of the input, from a thread of their own, so that waiting for one can end.
fn read(mut input: impl Read + Send + 'static) -> Receiver<Input> {
    let (sender, receiver) = mpsc::sync_channel(256);
    thread::spawn(move || {
        let mut lines = Lines::default();
        let mut chunk = vec![0; 64 << 10];
        loop {
            match input.read(&mut chunk) {
                Ok(0) => return drop(sender.send(lines.end().map_or_else(|torn| Input::Failed(torn.to_string()), |()| Input::End))),
                Ok(count) => lines.push(&chunk[..count]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return drop(sender.send(Input::Failed(error.to_string()))),
            }
            if pass_on(&mut lines, &sender).is_none() {
                return;
            }
        }
    });
    receiver
}

fn pass_on(lines: &mut Lines, sender: &SyncSender<Input>) -> Option<()> {
    loop {
        match lines.line() {
            Ok(Some(line)) => sender.send(Input::Line(line)).ok()?,
            Ok(None) => return Some(()),
            Err(error) => {
                let _ = sender.send(Input::Failed(error.to_string()));
                return None;
            }
        }
    }
}

struct Running {
    stop: Arc<Stop>,
    thread: JoinHandle<()>,
}

struct Session {
    tasks: &'static [TaskEntry],
    outbox: Arc<Outbox>,
    options: Arc<AgentOptions>,
    running: BTreeMap<u64, Running>,
    /// Ids count upwards.
    last: u64,
}

impl Session {
    fn serve(&mut self, input: &Receiver<Input>, ours: &Hello) -> Served {
        let silence = match self.hello(input, ours) {
            Ok(silence) => silence,
            Err(served) => return served,
        };
        loop {
            let line = match input.recv_timeout(silence) {
                Ok(Input::Line(line)) => line,
                Ok(Input::Failed(why)) => return Served::Lost(format!("the near end cannot be heard: {why}")),
                Ok(Input::End) | Err(RecvTimeoutError::Disconnected) => return Served::Lost("the connection has ended".to_owned()),
                Err(RecvTimeoutError::Timeout) => return Served::Lost(format!("the near end has been silent for {silence:?}")),
            };
            match serde_json::from_str::<ToAgent>(&line) {
                Ok(ToAgent::Ping { n }) => self.say(&FromAgent::Pong { n }),
                Ok(ToAgent::Start { id, task, spec }) => {
                    if id <= self.last {
                        return Served::Declined(format!("task {id} was begun after task {}", self.last));
                    }
                    self.last = id;
                    self.start(id, &task, spec);
                }
                Ok(ToAgent::Cancel { id }) => {
                    if id > self.last {
                        return Served::Declined(format!("task {id} was cancelled and never begun"));
                    }
                    // One that is not there any more ended while the word was on its way.
                    if let Some(running) = self.running.get(&id) {
                        running.stop.tell();
                    }
                }
                Ok(ToAgent::Bye) => return Served::Bye,
                Ok(ToAgent::Hello(_)) => return Served::Declined("a second hello".to_owned()),
                Err(error) => return Served::Declined(format!("`{}` is no message of this protocol: {error}", shown(&line))),
            }
        }
    }

    /// The near end's hello, and the silence that it asks for.
    fn hello(&self, input: &Receiver<Input>, ours: &Hello) -> Result<Duration, Served> {
        let line = match input.recv_timeout(HELLO_WITHIN) {
            Ok(Input::Line(line)) => line,
            Ok(Input::Failed(why)) => return Err(Served::Lost(format!("the near end cannot be heard: {why}"))),
            Ok(Input::End) | Err(RecvTimeoutError::Disconnected) => return Err(Served::Lost("the connection ended before a hello".to_owned())),
            Err(RecvTimeoutError::Timeout) => return Err(Served::Declined(format!("no hello came within {HELLO_WITHIN:?}"))),
        };
        let Some(theirs) = hello_of_any_version(&line) else {
            return Err(Served::Declined(format!("expected the hello of an assay, not `{}`", shown(&line))));
        };
        if !theirs.is_of_the_same_build(ours) {
            return Err(Served::Declined(format!("this end is {}, the near end {}; both must be the same", ours.version(), theirs.version())));
        }
        Ok(theirs.silence_ms.map_or(SILENCE.1, Duration::from_millis).clamp(SILENCE.0, SILENCE.1))
    }

    fn say(&self, message: &FromAgent) {
        say(&self.outbox, message);
    }

    fn start(&mut self, id: u64, name: &str, spec: Value) {
        self.running.retain(|_, running| !running.thread.is_finished());
        let entry = self.tasks.iter().find(|entry| entry.name == name).ok_or_else(|| TaskError::unknown(name)).and_then(|entry| {
            let too_many = || TaskError { kind: TaskErrorKind::Refused, message: format!("{TASKS_MAX} tasks run already") };
            (self.running.len() < TASKS_MAX).then_some(entry).ok_or_else(too_many)
        });
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => return self.say(&FromAgent::Result { id, ended: TaskEnded::Error(error) }),
        };
        let stop = Arc::new(Stop::default());
        let (told, outbox, options) = (Arc::clone(&stop), Arc::clone(&self.outbox), Arc::clone(&self.options));
        let work = move || {
            let emit = |value| {
                let line = encode(&FromAgent::Event { id, value }).map_err(|error| TaskError::failed(&error))?;
                outbox.send(line).map_err(|_| TaskError { kind: TaskErrorKind::Cancelled, message: "nobody hears the events".to_owned() })
            };
            let context = TaskContext { stop: &told, emit: &emit, options: &options };
            let ended = match catch_unwind(AssertUnwindSafe(|| (entry.run)(spec, &context))) {
                Ok(Ok(value)) => TaskEnded::Ok(value),
                Ok(Err(error)) => TaskEnded::Error(error),
                Err(panic) => TaskEnded::Error(TaskError { kind: TaskErrorKind::Failed, message: format!("the task panicked: {}", words(&*panic)) }),
            };
            say(&outbox, &FromAgent::Result { id, ended });
        };
        match thread::Builder::new().name(name.to_owned()).spawn(work) {
            Ok(thread) => drop(self.running.insert(id, Running { stop, thread })),
            Err(error) => self.say(&FromAgent::Result { id, ended: TaskEnded::Error(TaskError::failed(&error)) }),
        }
    }

    /// Stops everything, waits for it, and says the last words.
    fn end(self, served: &Served, log: &mut dyn FnMut(&str)) {
        let why = match served {
            Served::Bye => None,
            Served::Declined(why) => Some(why.clone()),
            Served::Lost(why) => {
                // Tasks that wait for the peer to read must come back and heal.
                self.outbox.give_up();
                Some(why.clone())
            }
        };
        for running in self.running.values() {
            running.stop.tell();
        }
        let end = Instant::now() + STOP_WITHIN;
        while self.running.values().any(|running| !running.thread.is_finished()) {
            if Instant::now() > end {
                log("a task does not stop; it ends with this process");
                break;
            }
            #[allow(clippy::disallowed_methods, reason = "threads have no join with a deadline")]
            thread::sleep(Duration::from_millis(2));
        }
        self.say(&FromAgent::Bye { why });
        self.outbox.close();
        self.outbox.finished(LAST_WORDS);
    }
}

fn say(outbox: &Outbox, message: &impl Serialize) {
    // What cannot be said is not said by half: the near end misses its result and says so. Values of JSON can always be encoded.
    if let Ok(line) = encode(message) {
        let _ = outbox.send(line);
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without words")
}
