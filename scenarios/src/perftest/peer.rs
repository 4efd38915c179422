//! The installed perftest (`ib_write_bw` and its sisters) as two child processes on one device: what one test of it came to by the table that it prints. One that
//! failed or that could not tell how fast the clock runs (0.00, inf) is an error with its words, never a figure.

use std::io;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::child::{self, ChildError, Running, Said};
use crate::peer::PeerError;
use crate::printable::Printable;

const TOOL: &str = "perftest";
/// Setting up and summing up may take perftest this much longer than its time.
const SLOW: Duration = Duration::from_secs(40);
/// How long its server may take until it listens.
const LISTENS: Duration = Duration::from_secs(20);
const TURN: Duration = Duration::from_millis(50);
/// It derives its clock from the processor's, and where that fails it has no figure: then it is asked again.
const TRIES: u32 = 6;

/// An installed perftest.
#[derive(Debug, Clone)]
pub struct Peer {
    version: String,
}

/// What one test came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// The figure in our unit.
    pub(super) figure: f64,
    /// User and system time of both ends together, seconds.
    pub(super) used: f64,
}

impl Peer {
    /// The perftest of this machine; all programs of it are installed together.
    pub fn find() -> Result<Self, PeerError> {
        let program = "ib_write_bw";
        let missing = |source| missing(program, source);
        let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().map_err(missing)?;
        let said = String::from_utf8_lossy(&output.stdout);
        let version = said.trim().strip_prefix("Version: ").map(|version| format!("perftest {version}"));
        version.map(|version| Self { version }).ok_or_else(|| missing(io::Error::other(format!("--version says `{}`", Printable::new(said.trim())))))
    }

    /// `perftest 6.06`, its own count.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Runs one test between the two commands, for `runtime` as they were told, and takes the figure of that name.
    pub(super) fn run(&self, commands: &Commands, name: &str, runtime: Duration, stop: &AtomicBool) -> Result<Measured, PeerError> {
        let failed = |why: String| failed(&commands.connect, why);
        let mut last = String::new();
        for _ in 0..TRIES {
            let (said, before) = one(commands, runtime, stop)?;
            let used = children_seconds().map_err(failed)? - before;
            match super::read(&said.out) {
                Ok(_) if !said.status.success() => return Err(failed(said.failure())),
                Ok(results) => {
                    let found =
                        results.figures.iter().find(|metric| metric.name.0.as_str() == name).and_then(|metric| metric.samples.values().first());
                    let figure = *found.ok_or_else(|| failed(format!("it has no {name}")))?;
                    return Ok(Measured { figure, used });
                }
                Err(why) if said.status.success() => last = why,
                Err(why) => return Err(failed(format!("{why}; {}", said.failure()))),
            }
        }
        Err(failed(format!("{last}, in {TRIES} tries")))
    }
}

/// What is started for one test.
#[derive(Debug, Clone)]
pub(super) struct Commands {
    pub(super) serve: String,
    pub(super) connect: String,
}

/// What the client said, and the time of all children before it was started: clients that came too early are not perftest's work.
fn one(commands: &Commands, runtime: Duration, stop: &AtomicBool) -> Result<(Said, f64), PeerError> {
    let told = |error: ChildError| match error {
        ChildError::Missing(source) => missing(&commands.connect, source),
        ChildError::Failed(why) => failed(&commands.connect, why),
        ChildError::Stopped => PeerError::Stopped { tool: TOOL },
    };
    // It ends when we do.
    let command = |line: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]).args(line.split_whitespace());
        command
    };
    let server = Running::start(&mut command(&commands.serve)).map_err(|source| told(ChildError::Missing(source)))?;
    let begin = Instant::now();
    let (said, before) = loop {
        let before = children_seconds().map_err(|why| failed(&commands.connect, why))?;
        let said = child::run(&mut command(&commands.connect), runtime + SLOW, stop).map_err(told)?;
        let not_yet = said.out.contains("Couldn't connect") || said.err.contains("Couldn't connect");
        if !not_yet || begin.elapsed() >= LISTENS || stop.load(Ordering::Relaxed) {
            break (said, before);
        }
        #[allow(clippy::disallowed_methods, reason = "nothing tells when perftest listens; nothing is measured here")]
        std::thread::sleep(TURN);
    };
    // A server that does not end is killed with its value.
    let server = server.finish(SLOW, stop).map_err(told)?;
    if said.status.success() && !server.status.success() {
        return Err(failed(&commands.serve, server.failure()));
    }
    Ok((said, before))
}

fn failed(command: &str, why: String) -> PeerError {
    PeerError::Failed { tool: TOOL, command: command.to_owned(), why }
}

fn missing(program: &str, source: io::Error) -> PeerError {
    PeerError::Missing { program: program.to_owned(), remedy: format!("install {TOOL}"), source }
}

/// User and system time of all children that have ended.
fn children_seconds() -> Result<f64, String> {
    let cannot = |why: String| format!("cannot read /proc/self/stat: {why}");
    let text = std::fs::read_to_string("/proc/self/stat").map_err(|error| cannot(error.to_string()))?;
    let ticks = of_children(&text).ok_or_else(|| cannot(format!("`{}` has no time of children", text.trim())))?;
    #[allow(clippy::cast_precision_loss, reason = "ticks of some minutes")]
    let seconds = ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
    Ok(seconds)
}

// cutime and cstime, 16 and 17 of proc_pid_stat(5); the name before them may have blanks.
fn of_children(stat: &str) -> Option<u64> {
    let mut after = stat.rsplit_once(')')?.1.split_whitespace().skip(13);
    let mut next = || after.next()?.parse::<u64>().ok();
    Some(next()? + next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_children_is_read_behind_a_name_with_blanks() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194304 10 20 0 0 3 4 50 7 20 0 1 0 99 1000 10";
        assert_eq!(of_children(stat), Some(57));
        assert_eq!(of_children("42 (a) S 1"), None);
        assert!(children_seconds().is_ok());
    }

    #[test]
    fn a_program_that_fails_or_says_no_result_is_an_error_with_its_words() {
        let commands = |connect: &str| Commands { serve: "true".into(), connect: connect.into() };
        let peer = Peer { version: "perftest".into() };
        let stop = AtomicBool::new(false);
        let why = |connect: &str| crate::error::chain(&peer.run(&commands(connect), "x", Duration::ZERO, &stop).expect_err(connect));
        assert!(why("false").contains("it ended with exit status: 1"), "{}", why("false"));
        assert!(why("true").contains("it is no result of perftest, in 6 tries"), "{}", why("true"));
    }
}
