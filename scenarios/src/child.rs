//! Another tool as a child process: what it said and how it ended, within a time, and killed with whatever it has started when it is to stop.

use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How often a running child is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Bytes of an answer that are read at most; one result with all its intervals takes some ten thousand.
const ANSWER_MAX: u64 = 4 << 20;

/// Why it said nothing.
#[derive(Debug)]
pub(crate) enum ChildError {
    /// It could not be started.
    Missing(io::Error),
    /// It did not end in time, or cannot be waited for.
    Failed(String),
    /// It was told to stop.
    Stopped,
}

/// What it said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) status: ExitStatus,
}

impl Said {
    /// How it failed, with its last words.
    pub(crate) fn failure(&self) -> String {
        format!("it ended with {}: {}", self.status, last_words(&self.err, &self.out))
    }
}

/// Runs it to its end, for `patience` at most.
pub(crate) fn run(command: &mut Command, patience: Duration, stop: &AtomicBool) -> Result<Said, ChildError> {
    let running = Running::start(command).map_err(ChildError::Missing)?;
    running.finish(patience, stop)
}

/// Runs it to its end, for `patience` at most, and reads nothing of it: what it starts may keep its output open for ever.
pub(crate) fn status(command: &mut Command, patience: Duration, stop: &AtomicBool) -> Result<ExitStatus, ChildError> {
    let mut child = command.process_group(0).spawn().map_err(ChildError::Missing)?;
    wait(&mut child, patience, stop).map_err(ChildError::Failed)
}

/// A child that runs; it is killed when nobody waits for its end.
pub(crate) struct Running {
    child: Option<Child>,
    out: std::thread::JoinHandle<String>,
    err: std::thread::JoinHandle<String>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> io::Result<Self> {
        // A signal from the terminal is for us: we tell the child.
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).spawn()?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let out = std::thread::spawn(move || read_all(out));
        let err = std::thread::spawn(move || read_all(err));
        Ok(Self { child: Some(child), out, err })
    }

    pub(crate) fn finish(mut self, patience: Duration, stop: &AtomicBool) -> Result<Said, ChildError> {
        let mut child = self.child.take().expect("it is taken once");
        let status = wait(&mut child, patience, stop);
        let out = std::mem::replace(&mut self.out, std::thread::spawn(String::new)).join().unwrap_or_default();
        let err = std::mem::replace(&mut self.err, std::thread::spawn(String::new)).join().unwrap_or_default();
        match status {
            Ok(status) if !stop.load(Ordering::Relaxed) => Ok(Said { out, err, status }),
            Ok(_) => Err(ChildError::Stopped),
            Err(why) => Err(ChildError::Failed(why)),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = rustix::process::kill_process_group(rustix::process::Pid::from_child(&child), rustix::process::Signal::KILL);
            let _ = child.wait();
        }
    }
}

fn read_all(pipe: Option<impl io::Read>) -> String {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        // What could not be read is missing from the answer, and that is found there.
        let _ = pipe.take(ANSWER_MAX).read_to_end(&mut bytes);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits until it ends, kills it when it is to stop or does not end.
fn wait(child: &mut Child, patience: Duration, stop: &AtomicBool) -> Result<ExitStatus, String> {
    let deadline = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Ok(status),
            Ok(None) => {}
            Err(error) => return Err(format!("cannot wait for it: {error}")),
        }
        let late = Instant::now() >= deadline;
        if late || stop.load(Ordering::Relaxed) {
            // With whatever it has started; it may have ended just now.
            let _ = rustix::process::kill_process_group(rustix::process::Pid::from_child(child), rustix::process::Signal::KILL);
            let status = child.wait().map_err(|error| format!("cannot wait for it: {error}"))?;
            return if late { Err(format!("it did not end within {} s", patience.as_secs())) } else { Ok(status) };
        }
        #[allow(clippy::disallowed_methods, reason = "a child is waited for; nothing is measured here")]
        std::thread::sleep(LOOK);
    }
}

fn last_words(err: &str, out: &str) -> String {
    let said = if err.trim().is_empty() { out } else { err };
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(3)..].join("; ");
    if last.is_empty() { "it said nothing".to_owned() } else { crate::printable::Printable::new(last).to_string() }
}
