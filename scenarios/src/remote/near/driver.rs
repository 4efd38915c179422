//! What keeps a session alive: it reads, writes, sends heartbeats and watches for silence, on a thread and a runtime of its own.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::super::error::{RemoteError, shown};
use super::super::identity::Identity;
use super::super::line::Lines;
use super::super::message::{FromAgent, Hello, TaskEnded, ToAgent, encode, hello_of_any_version};
use super::super::said::{Said, before_hello, ended};
use super::super::target::Target;
use super::Shared;

/// How long ssh may take to end once its output has.
const END_WITHIN: Duration = Duration::from_secs(3);
/// How long the far end may take to stop its tasks, heal and go.
const BYE_WITHIN: Duration = Duration::from_secs(20);
/// Events of one task that nobody takes.
const EVENTS_MAX: usize = 100_000;

pub(super) struct Driver {
    pub(super) target: Target,
    pub(super) words: Vec<OsString>,
    pub(super) identity: Identity,
    pub(super) shared: Arc<Shared>,
}

type Opened = oneshot::Sender<Result<Hello, RemoteError>>;

impl Driver {
    pub(super) fn run(self, mut commands: mpsc::UnboundedReceiver<ToAgent>, opened: Opened, end: oneshot::Sender<Result<(), RemoteError>>) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return drop(opened.send(Err(self.no_ssh(&error)))),
        };
        let ended = runtime.block_on(self.session(&mut commands, opened));
        self.shared.fail(ended.clone().err().unwrap_or_else(|| RemoteError::Closed { node: self.target.node.clone() }));
        // Only now: whoever finds nobody to talk to also finds why.
        drop(commands);
        let _ = end.send(ended);
    }

    fn no_ssh(&self, error: &std::io::Error) -> RemoteError {
        RemoteError::NoSsh { node: self.target.node.clone(), program: self.target.ssh.display().to_string(), why: error.to_string() }
    }

    async fn session(&self, commands: &mut mpsc::UnboundedReceiver<ToAgent>, opened: Opened) -> Result<(), RemoteError> {
        let mut command = Command::new(&self.target.ssh);
        command.args(&self.words).env("LC_ALL", "C").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // Ctrl-C is for assay, which then heals in order; ssh must live until that is done.
        command.process_group(0).kill_on_drop(true);
        let spawned = command.spawn().and_then(|mut child| {
            let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
            let (Some(input), Some(output), Some(errors)) = pipes else { return Err(std::io::ErrorKind::BrokenPipe.into()) };
            Ok((child, input, output, errors))
        });
        let (child, input, output, errors) = match spawned {
            Ok(spawned) => spawned,
            Err(error) => {
                let error = self.no_ssh(&error);
                let _ = opened.send(Err(error.clone()));
                return Err(error);
            }
        };
        let said = Arc::new(Said::default());
        let listener = tokio::spawn(listen(errors, Arc::clone(&said)));
        let (lines, written) = mpsc::unbounded_channel();
        tokio::spawn(write(input, written));
        let mut session = Session { driver: self, child, output, lines, said, listener, cut: Lines::default(), pings: VecDeque::new() };
        let ended = match session.open().await {
            Ok(hello) => {
                let _ = opened.send(Ok(hello));
                session.serve(commands).await
            }
            Err(error) => {
                let _ = opened.send(Err(error.clone()));
                Err(error)
            }
        };
        session.kill().await;
        ended
    }
}

/// Keeps what is said on standard error.
async fn listen(mut errors: impl AsyncRead + Unpin, said: Arc<Said>) {
    let mut chunk = [0; 4096];
    while let Ok(count @ 1..) = errors.read(&mut chunk).await {
        said.push(&chunk[..count]);
    }
}

/// Writes lines; a peer that does not read holds up nothing else.
async fn write(mut input: ChildStdin, mut lines: mpsc::UnboundedReceiver<String>) {
    while let Some(line) = lines.recv().await {
        // That nobody reads shows at the other pipe.
        if input.write_all(line.as_bytes()).await.is_err() || input.flush().await.is_err() {
            return;
        }
    }
}

struct Session<'a> {
    driver: &'a Driver,
    child: Child,
    output: ChildStdout,
    lines: mpsc::UnboundedSender<String>,
    said: Arc<Said>,
    listener: tokio::task::JoinHandle<()>,
    cut: Lines,
    /// Not answered yet, in order.
    pings: VecDeque<u64>,
}

enum Heard {
    Line(String),
    End,
}

impl Session<'_> {
    fn node(&self) -> String {
        self.driver.target.node.clone()
    }

    fn lies(&self, why: String) -> RemoteError {
        RemoteError::Lies { node: self.node(), why }
    }

    fn no_protocol(&self, why: String) -> RemoteError {
        RemoteError::NoProtocol { node: self.node(), why }
    }

    fn say(&self, message: &ToAgent) -> Result<(), RemoteError> {
        let line = encode(message).map_err(|error| self.no_protocol(error.to_string()))?;
        // A writer that is gone shows at the other pipe.
        let _ = self.lines.send(line);
        Ok(())
    }

    /// The next line; cancelled in between, nothing is lost.
    async fn hear(&mut self) -> Result<Heard, RemoteError> {
        let mut chunk = vec![0; 64 << 10];
        loop {
            if let Some(line) = self.cut.line().map_err(|error| self.no_protocol(error.to_string()))? {
                return Ok(Heard::Line(line));
            }
            match self.output.read(&mut chunk).await {
                // A line that was torn is a connection that was: nothing of it counts.
                Ok(0) => return Ok(Heard::End),
                Ok(count) => self.cut.push(&chunk[..count]),
                Err(error) => return Err(self.no_protocol(format!("cannot read from ssh: {error}"))),
            }
        }
    }

    async fn open(&mut self) -> Result<Hello, RemoteError> {
        let patience = self.driver.target.patience;
        let silence_ms = u64::try_from(patience.silence.as_millis()).unwrap_or(u64::MAX);
        let ours = Hello { silence_ms: Some(silence_ms), ..Hello::of(&self.driver.identity) };
        self.say(&ToAgent::Hello(ours.clone()))?;
        let after = patience.connect + patience.hello;
        let heard = timeout(after, self.hear()).await;
        let line = match heard {
            Ok(Ok(Heard::Line(line))) => line,
            Ok(Ok(Heard::End)) => {
                let status = self.status().await;
                return Err(before_hello(&self.driver.target, status, &self.said));
            }
            Ok(Err(error)) => return Err(error),
            Err(_) => return Err(RemoteError::NoAnswer { node: self.node(), after, said: self.said.last() }),
        };
        let Some(theirs) = hello_of_any_version(&line) else {
            return Err(match serde_json::from_str(&line) {
                Ok(FromAgent::Bye { why }) => RemoteError::Declined { node: self.node(), why: shown(&why.unwrap_or_default()) },
                _ => self.no_protocol(format!("expected the hello of an agent, not `{}`; does a login script print something?", shown(&line))),
            });
        };
        if !theirs.is_of_the_same_build(&ours) {
            return Err(RemoteError::Version { node: self.node(), ours: ours.version(), theirs: theirs.version() });
        }
        if theirs.boot_id.is_empty() || theirs.hostname.is_empty() {
            return Err(self.no_protocol("its hello names no host or no boot".to_owned()));
        }
        Ok(theirs)
    }

    async fn serve(&mut self, commands: &mut mpsc::UnboundedReceiver<ToAgent>) -> Result<(), RemoteError> {
        let patience = self.driver.target.patience;
        let mut beat = interval(patience.heartbeat.min(patience.silence / 4).max(Duration::from_millis(20)));
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut heard_at, mut last_ping) = (Instant::now(), 0);
        let mut bye_at: Option<Instant> = None;
        loop {
            tokio::select! {
                heard = self.hear() => {
                    heard_at = Instant::now();
                    match heard? {
                        Heard::Line(line) => if self.take(&line, bye_at.is_some())? { return self.gone().await },
                        Heard::End if bye_at.is_some() => return self.gone().await,
                        Heard::End => return Err(self.dropped().await),
                    }
                }
                command = commands.recv(), if bye_at.is_none() => match command {
                    // Nobody is interested any more: what runs at the far end is stopped by the end of the connection.
                    None => return Ok(()),
                    Some(command) => {
                        if matches!(command, ToAgent::Bye) {
                            bye_at = Some(Instant::now());
                        }
                        self.say(&command)?;
                    }
                },
                _ = beat.tick() => {
                    let limit = if bye_at.is_some() { BYE_WITHIN } else { patience.silence };
                    if heard_at.elapsed() > limit || bye_at.is_some_and(|at| at.elapsed() > BYE_WITHIN) {
                        return Err(RemoteError::Hung { node: self.node(), act: self.driver.shared.act(), silence: limit });
                    }
                    if bye_at.is_none() {
                        last_ping += 1;
                        self.pings.push_back(last_ping);
                        self.say(&ToAgent::Ping { n: last_ping })?;
                    }
                }
            }
        }
    }

    /// Takes a message; whether it was the last one.
    fn take(&mut self, line: &str, closing: bool) -> Result<bool, RemoteError> {
        let message =
            serde_json::from_str(line).map_err(|error| self.no_protocol(format!("`{}` is no message of an agent: {error}", shown(line))))?;
        let mut state = self.driver.shared.state();
        match message {
            FromAgent::Hello(_) => return Err(self.lies("it said hello twice".to_owned())),
            FromAgent::Pong { n } => {
                if self.pings.pop_front() != Some(n) {
                    return Err(self.lies(format!("it answered ping {n}, which is not the one that was sent")));
                }
            }
            FromAgent::Event { id, value } => match state.waiting.get(&id) {
                Some(waiting) => {
                    if waiting.untaken.fetch_add(1, Ordering::Relaxed) >= EVENTS_MAX {
                        return Err(self.lies(format!("it sent more than {EVENTS_MAX} events of task {id} that nobody has taken yet")));
                    }
                    let _ = waiting.events.send(value);
                }
                None if state.abandoned.contains(&id) => {}
                None => return Err(self.lies(format!("it sent an event of task {id}, which does not run"))),
            },
            FromAgent::Result { id, ended } => match state.waiting.remove(&id) {
                Some(waiting) => {
                    let ended = match ended {
                        TaskEnded::Ok(value) => Ok(value),
                        TaskEnded::Error(error) => Err(error),
                    };
                    let _ = waiting.done.send(ended);
                }
                None if state.abandoned.remove(&id) => {}
                None => return Err(self.lies(format!("it sent a result of task {id}, which does not run"))),
            },
            FromAgent::Bye { why: None } if closing => return Ok(true),
            FromAgent::Bye { why } => {
                let why = why.map_or_else(|| "it gave no reason".to_owned(), |why| shown(&why));
                return Err(RemoteError::Declined { node: self.node(), why });
            }
        }
        Ok(false)
    }

    /// How ssh ended, once its output has.
    async fn status(&mut self) -> Option<ExitStatus> {
        let status = timeout(END_WITHIN, self.child.wait()).await.ok().and_then(Result::ok);
        let _ = timeout(END_WITHIN, &mut self.listener).await;
        status
    }

    /// The connection ended in the middle.
    async fn dropped(&mut self) -> RemoteError {
        let act = self.driver.shared.act();
        let status = self.status().await;
        RemoteError::Dropped { node: self.node(), act, said: format!("{}, {}", ended(status), self.said.last()) }
    }

    /// The far end has said its last word.
    async fn gone(&mut self) -> Result<(), RemoteError> {
        // The end of its input lets ssh go.
        let (closed, _) = mpsc::unbounded_channel();
        self.lines = closed;
        match self.status().await {
            Some(status) if status.success() => Ok(()),
            status => Err(RemoteError::Dropped {
                node: self.node(),
                act: "the session was being closed".to_owned(),
                said: format!("{}, {}", ended(status), self.said.last()),
            }),
        }
    }

    async fn kill(&mut self) {
        let _ = self.child.start_kill();
        let _ = timeout(END_WITHIN, self.child.wait()).await;
        self.listener.abort();
    }
}
