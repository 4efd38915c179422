//! The watchdog of one fault: a process of its own session, which hears from the agent through a pipe. The end of the pipe means that the agent is done or dead,
//! silence that it does not move. Both ends of the arrangement are here.

use std::ffi::OsString;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::setsid;

use super::error::FaultError;
use super::guard::heal_patiently;
use super::record::Record;

/// How long it may take to begin.
const BEGINS_WITHIN: Duration = Duration::from_secs(10);
/// How long it may take to end, once the agent is done.
const ENDS_WITHIN: Duration = Duration::from_secs(12);
/// An agent that says nothing for so long does not move.
const SILENCE: Duration = Duration::from_secs(3);
/// The agent heals at the deadline; the watchdog so long after it.
const GRACE: Duration = Duration::from_millis(500);
const HEARING: &str = "hearing";
const GUARDING: &str = "guarding";
const HEALED: &str = "healed";

/// The agent's end.
#[derive(Debug)]
pub(super) struct Watchdog {
    child: Child,
    pipe: Option<ChildStdin>,
    said: Receiver<String>,
    healed: bool,
}

impl Watchdog {
    /// Starts it, and waits until it hears.
    pub(super) fn start(words: &[OsString], record: &Path, id: &str) -> Result<Self, FaultError> {
        let failed = |why: String| FaultError::Unguarded { id: id.to_owned(), why };
        let (program, rest) = words.split_first().ok_or_else(|| failed("no program is named for its watchdog".to_owned()))?;
        let mut command = Command::new(program);
        // Its standard error would keep the SSH connection open.
        command.args(rest).arg(record).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| failed(format!("cannot start {}: {error}", program.display())))?;
        let (pipe, output) = (child.stdin.take(), child.stdout.take());
        let (sender, said) = mpsc::channel();
        if let Some(output) = output {
            std::thread::spawn(move || {
                for line in BufReader::new(output).lines() {
                    let Ok(line) = line else { return };
                    if sender.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        let watchdog = Self { child, pipe, said, healed: false };
        watchdog.says(HEARING, id)?;
        Ok(watchdog)
    }

    /// Tells it that the record is there, and waits until it guards.
    pub(super) fn guards(&mut self, id: &str) -> Result<(), FaultError> {
        self.feed().map_err(|error| FaultError::Unguarded { id: id.to_owned(), why: format!("its watchdog is gone: {error}") })?;
        self.says(GUARDING, id)
    }

    fn says(&self, word: &str, id: &str) -> Result<(), FaultError> {
        let why = match self.said.recv_timeout(BEGINS_WITHIN) {
            Ok(line) if line == word => return Ok(()),
            Ok(line) => format!("its watchdog says `{}`", crate::remote::shown(&line)),
            Err(_) => "its watchdog did not begin".to_owned(),
        };
        Err(FaultError::Unguarded { id: id.to_owned(), why })
    }

    /// Says that the agent lives.
    pub(super) fn feed(&mut self) -> io::Result<()> {
        self.pipe.as_mut().ok_or(io::ErrorKind::BrokenPipe)?.write_all(b".")
    }

    /// Whether it has healed.
    pub(super) fn has_healed(&mut self) -> bool {
        self.healed |= self.said.try_iter().any(|line| line.starts_with(HEALED));
        self.healed
    }

    /// Lets it go, and waits until it has gone.
    pub(super) fn end(mut self, has_to_heal: bool) {
        self.release(has_to_heal);
    }

    /// One that still has to heal is left at it after a while.
    fn release(&mut self, has_to_heal: bool) {
        if self.pipe.take().is_none() {
            return;
        }
        let end = Instant::now() + ENDS_WITHIN;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() > end && has_to_heal {
                return;
            }
            if Instant::now() > end {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            #[allow(clippy::disallowed_methods, reason = "a child has no wait with a deadline")]
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Whoever drops it unasked knows nothing of what is left.
        self.release(true);
    }
}

/// The watchdog's end: guards the fault of `record` until the agent at the other end of standard input is done or dead. Heals then, at the deadline, and when the
/// agent does not move. An error when it cannot; the kernel's log has it too, for nobody may be left to read it.
pub fn watch(record: &Path) -> Result<(), String> {
    let watched = watch_record(record);
    if let Err(why) = &watched {
        let _ = fs::write("/dev/kmsg", format!("assay: the fault of {} is not healed: {why}\n", record.display()));
    }
    watched
}

fn watch_record(path: &Path) -> Result<(), String> {
    // Nothing that ends the agent's session ends this. It fails only for a leader of a group, which has a session of its own already.
    let _ = setsid();
    say(HEARING);
    let told = matches!(heard_within(Some(BEGINS_WITHIN)), Ok(Heard::Sign));
    let record = Record::open(path).map_err(|error| crate::error::chain(&error))?;
    let Some(record) = record else { return if told { Err("there is no such record".to_owned()) } else { Ok(()) } };
    if !told {
        // The agent died while it wrote it; somebody else's is none of ours.
        return if record.is_left_within(GRACE) { heal_and_remove(&record) } else { Ok(()) };
    }
    record.hold().map_err(|error| crate::error::chain(&error))?;
    say(GUARDING);
    let begin = Instant::now();
    let deadline = begin + Duration::from_millis(record.armed.within_ms) + GRACE;
    let (mut heard, mut healed) = (begin, false);
    loop {
        let next = (!healed).then(|| deadline.min(heard + SILENCE));
        match heard_within(next.map(|next| next.saturating_duration_since(Instant::now()))) {
            Ok(Heard::End) => break,
            Ok(Heard::Sign) => heard = Instant::now(),
            Ok(Heard::Nothing) => {}
            // A pipe that cannot be read is as good as none.
            Err(_) => break,
        }
        let now = Instant::now();
        if !healed && (now >= deadline || now >= heard + SILENCE) {
            heal_patiently(&record)?;
            healed = true;
            // The record stays until the agent is done or dead: one that was stopped in the middle of injecting may still go on with it.
            say(HEALED);
        }
    }
    heal_and_remove(&record)
}

fn heal_and_remove(record: &Record) -> Result<(), String> {
    if record.is_there() {
        heal_patiently(record)?;
        record.remove().map_err(|error| crate::error::chain(&error))?;
    }
    Ok(())
}

enum Heard {
    Sign,
    Nothing,
    End,
}

fn heard_within(most: Option<Duration>) -> io::Result<Heard> {
    let stdin = io::stdin();
    let limit = most.map(|most| Timespec { tv_sec: i64::try_from(most.as_secs()).unwrap_or(i64::MAX), tv_nsec: most.subsec_nanos().into() });
    match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], limit.as_ref()) {
        Ok(0) | Err(Errno::INTR) => return Ok(Heard::Nothing),
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    match rustix::io::read(&stdin, &mut [0; 256][..]) {
        Ok(0) => Ok(Heard::End),
        Ok(_) => Ok(Heard::Sign),
        Err(Errno::INTR) => Ok(Heard::Nothing),
        Err(error) => Err(error.into()),
    }
}

/// Nobody may be left to hear it.
fn say(word: &str) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{word}").and_then(|()| out.flush());
}
