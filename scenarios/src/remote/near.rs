//! The near end: one `ssh` with an agent behind it. A thread of its own keeps the session alive, so that heartbeats do not depend on what the caller does. The
//! first thing that goes wrong ends the session: every task that is waited for fails with it, and ssh is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::error::{RemoteError, shown};
use super::identity::Identity;
use super::message::{Hello, ToAgent};
use super::offset::{ClockOffset, RoundTrip};
use super::target::Target;
use super::task::clock::{self, ClockSpec, ClockStamps};
use super::task::{TaskError, TaskErrorKind};

mod driver;

/// How long one reading of the far clocks may take.
const CLOCK_WITHIN: Duration = Duration::from_secs(10);

/// A session with a node. Dropped together with its tasks, it ends at once; [`Remote::close`] lets the far end finish in order.
pub struct Remote {
    link: Link,
    hello: Hello,
    ended: oneshot::Receiver<Result<(), RemoteError>>,
}

/// A task that was begun. Dropped before its end it is told to stop, and its result is not waited for.
pub struct RemoteTask {
    id: u64,
    name: String,
    link: Link,
    events: mpsc::UnboundedReceiver<Value>,
    untaken: Arc<AtomicUsize>,
    done: Option<oneshot::Receiver<Result<Value, TaskError>>>,
}

#[derive(Clone)]
struct Link {
    shared: Arc<Shared>,
    out: mpsc::UnboundedSender<ToAgent>,
}

struct Shared {
    node: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last id that was given out.
    last: u64,
    waiting: BTreeMap<u64, Waiting>,
    /// Begun, not waited for any more, and not ended.
    abandoned: BTreeSet<u64>,
    /// Why the session is over.
    failed: Option<RemoteError>,
}

struct Waiting {
    task: String,
    events: mpsc::UnboundedSender<Value>,
    /// Events that are on their way to who waits.
    untaken: Arc<AtomicUsize>,
    done: oneshot::Sender<Result<Value, TaskError>>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is going on, for an error.
    fn act(&self) -> String {
        let state = self.state();
        let names: BTreeSet<&str> = state.waiting.values().map(|waiting| waiting.task.as_str()).collect();
        if names.is_empty() { "no task ran".to_owned() } else { format!("{} ran", names.into_iter().collect::<Vec<_>>().join(", ")) }
    }

    /// Ends everything that is waited for; the first reason stays.
    fn fail(&self, error: RemoteError) {
        let mut state = self.state();
        state.failed.get_or_insert(error);
        state.waiting.clear();
    }

    fn failure(&self) -> RemoteError {
        self.state().failed.clone().unwrap_or_else(|| RemoteError::Closed { node: self.node.clone() })
    }
}

impl Remote {
    /// Logs in, starts the agent and makes sure that it is one of this build. Works from within any tokio runtime with time.
    pub async fn open(target: &Target, identity: &Identity) -> Result<Self, RemoteError> {
        let words = target.words()?;
        let shared = Arc::new(Shared { node: target.node.clone(), state: Mutex::default() });
        let (out, commands) = mpsc::unbounded_channel();
        let (opened, opening) = oneshot::channel();
        let (end, ended) = oneshot::channel();
        let driver = driver::Driver { target: target.clone(), words, identity: identity.clone(), shared: Arc::clone(&shared) };
        let started = std::thread::Builder::new().name("remote".to_owned()).spawn(move || driver.run(commands, opened, end));
        let why = |error: std::io::Error| RemoteError::NoSsh {
            node: target.node.clone(),
            program: target.ssh.display().to_string(),
            why: error.to_string(),
        };
        started.map_err(why)?;
        let link = Link { shared, out };
        // The driver always answers: its own deadlines end it.
        let hello = opening.await.map_err(|_| link.shared.failure())??;
        Ok(Self { link, hello, ended })
    }

    /// The name of the node.
    pub fn node(&self) -> &str {
        &self.link.shared.node
    }

    /// What the far end said of itself: host, boot, and which leftover faults it has healed.
    pub fn hello(&self) -> &Hello {
        &self.hello
    }

    /// Begins a task. Several may run at once.
    pub fn start(&self, task: &str, spec: &impl Serialize) -> Result<RemoteTask, RemoteError> {
        let shared = &self.link.shared;
        let spec = serde_json::to_value(spec).map_err(|error| RemoteError::Form {
            node: shared.node.clone(),
            task: task.to_owned(),
            why: error.to_string(),
        })?;
        let mut state = shared.state();
        if let Some(failed) = &state.failed {
            return Err(failed.clone());
        }
        state.last += 1;
        let id = state.last;
        let ((events, heard), (done, end)) = (mpsc::unbounded_channel(), oneshot::channel());
        let untaken = Arc::new(AtomicUsize::new(0));
        state.waiting.insert(id, Waiting { task: task.to_owned(), events, untaken: Arc::clone(&untaken), done });
        // Within the lock, so that ids leave in their order.
        let sent = self.link.out.send(ToAgent::Start { id, task: task.to_owned(), spec });
        drop(state);
        sent.map_err(|_| shared.failure())?;
        Ok(RemoteTask { id, name: task.to_owned(), link: self.link.clone(), events: heard, untaken, done: Some(end) })
    }

    /// Runs a task to its end, and leaves its events out.
    pub async fn call<T: DeserializeOwned>(&self, task: &str, spec: &impl Serialize, within: Duration) -> Result<T, RemoteError> {
        self.start(task, spec)?.finish(within).await
    }

    /// Measures how far the far clocks are from those of this machine, by so many round trips.
    pub async fn clock_offset(&self, rounds: u32) -> Result<ClockOffset, RemoteError> {
        let mut trips = Vec::new();
        for _ in 0..rounds.max(1) {
            let before = ClockStamps::now();
            let far = self.call(clock::NAME, &ClockSpec {}, CLOCK_WITHIN).await?;
            trips.push(RoundTrip { before, far, after: ClockStamps::now() });
        }
        ClockOffset::of(&trips).map_err(|why| RemoteError::Lies { node: self.node().to_owned(), why })
    }

    /// Ends the session in order: the far end stops its tasks, heals what it holds, and goes. An error when it did not.
    pub async fn close(self) -> Result<(), RemoteError> {
        let Self { link, ended, .. } = self;
        let _ = link.out.send(ToAgent::Bye);
        ended.await.unwrap_or_else(|_| Err(link.shared.failure()))
    }
}

impl RemoteTask {
    /// Its next event; none when there will be no more and the result can be taken.
    pub async fn event<T: DeserializeOwned>(&mut self, within: Duration) -> Result<Option<T>, RemoteError> {
        match timeout(within, self.events.recv()).await {
            Ok(Some(value)) => {
                self.untaken.fetch_sub(1, Ordering::Relaxed);
                serde_json::from_value(value).map(Some).map_err(|error| self.form(&error))
            }
            Ok(None) => Ok(None),
            Err(_) => Err(self.late(within)),
        }
    }

    /// Whether it has ended, or its session has: what is left of it are events that were not taken, and its result.
    pub fn has_ended(&self) -> bool {
        self.events.is_closed()
    }

    /// Tells it to stop. It still has a result.
    pub fn cancel(&self) {
        let _ = self.link.out.send(ToAgent::Cancel { id: self.id });
    }

    /// Its result. One that comes too late is an error, and the task is told to stop.
    pub async fn finish<T: DeserializeOwned>(mut self, within: Duration) -> Result<T, RemoteError> {
        let heard = &mut self.events;
        let untaken = &self.untaken;
        let Some(done) = self.done.as_mut() else { return Err(self.link.shared.failure()) };
        // Events are left out, but never pile up.
        let leave_out = async {
            while heard.recv().await.is_some() {
                untaken.fetch_sub(1, Ordering::Relaxed);
            }
            std::future::pending::<Infallible>().await
        };
        let ended = timeout(within, async {
            tokio::select! {
                ended = done => ended,
                never = leave_out => match never {},
            }
        })
        .await;
        let node = self.link.shared.node.clone();
        let value = match ended {
            Ok(Ok(ended)) => {
                self.done = None;
                ended.map_err(|TaskError { kind, message }| RemoteError::Task { node, task: self.name.clone(), kind, why: shown_lines(&message) })?
            }
            Ok(Err(_)) => return Err(self.link.shared.failure()),
            Err(_) => return Err(self.late(within)),
        };
        serde_json::from_value(value).map_err(|error| self.form(&error))
    }

    fn late(&self, after: Duration) -> RemoteError {
        RemoteError::Late { node: self.link.shared.node.clone(), task: self.name.clone(), after }
    }

    fn form(&self, error: &serde_json::Error) -> RemoteError {
        RemoteError::Form { node: self.link.shared.node.clone(), task: self.name.clone(), why: shown(&error.to_string()) }
    }
}

impl Drop for RemoteTask {
    fn drop(&mut self) {
        if self.done.is_none() {
            return;
        }
        let mut state = self.link.shared.state();
        if state.waiting.remove(&self.id).is_some() {
            state.abandoned.insert(self.id);
            let _ = self.link.out.send(ToAgent::Cancel { id: self.id });
        }
    }
}

impl RemoteError {
    /// Whether the task was told to stop, and nothing else is wrong.
    pub fn is_cancelled(&self) -> bool {
        matches!(self, RemoteError::Task { kind: TaskErrorKind::Cancelled, .. })
    }
}

/// A far end's words, whole, on one line.
fn shown_lines(text: &str) -> String {
    text.chars().take(2000).flat_map(char::escape_debug).collect()
}
