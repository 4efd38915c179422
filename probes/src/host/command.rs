//! Programs of the node, for what neither a file nor a call of the kernel tells. A program is run by name, without a shell, with an empty
//! environment in the C locale and in UTC, a time limit and a bound on what it prints; what it said is written down like any other answer, its exit status first.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use std::{io, thread};

use rustix::io::Errno;

use super::live::Refusal;
use super::{Host, HostError, TEXT_MAX};

/// How long a program may take; a probe's own deadline may be shorter.
const LIMIT: Duration = Duration::from_secs(10);
/// How often an unfinished program is looked at.
const PAUSE: Duration = Duration::from_millis(2);
/// Where programs are looked for: the environment of whoever started assay is not asked.
const SEARCH_PATH: &str = "/usr/sbin:/usr/bin:/sbin:/bin";

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommandOutput {
    /// Its exit status; none when a signal ended it.
    pub(crate) status: Option<u8>,
    /// What it printed on standard output.
    pub(crate) stdout: String,
}

impl CommandOutput {
    fn text(&self) -> String {
        let status = self.status.map_or_else(|| "killed".into(), |status| format!("exit {status}"));
        format!("{status}\n{}", self.stdout)
    }

    fn parse(text: &str) -> Result<Self, String> {
        let (first, stdout) = text.split_once('\n').unwrap_or((text, ""));
        let status = match first.trim() {
            "killed" => None,
            said => {
                let status = said.strip_prefix("exit ").and_then(|status| status.parse().ok());
                Some(status.ok_or_else(|| format!("`{}` is not `exit N` or `killed`", first.chars().take(60).collect::<String>()))?)
            }
        };
        Ok(Self { status, stdout: stdout.to_owned() })
    }
}

impl Host {
    /// Runs a program that changes nothing. A program that is not installed is absent; one that does not end in time is refused with ETIMEDOUT.
    pub(crate) fn command(&self, words: &[&str]) -> Result<CommandOutput, HostError> {
        let name = format!("command:{}", words.join(" "));
        let text = self.call_text(&name, || Ok(run(words)?.text()))?;
        CommandOutput::parse(&text).map_err(|reason| HostError::Malformed { path: name, reason })
    }

    /// The standard output of a program that ended with status 0; with another status the answer is malformed, and says which.
    pub(crate) fn command_stdout(&self, words: &[&str]) -> Result<String, HostError> {
        let output = self.command(words)?;
        if output.status == Some(0) {
            return Ok(output.stdout);
        }
        let ended = output.status.map_or_else(|| "was killed".into(), |status| format!("ended with status {status}"));
        Err(HostError::Malformed { path: format!("command:{}", words.join(" ")), reason: format!("it {ended}") })
    }
}

fn run(words: &[&str]) -> Result<CommandOutput, Refusal> {
    run_within(words, LIMIT, TEXT_MAX)
}

/// Runs a program as [`Host::command`] does, for so long and with so much output at most.
pub(super) fn run_within(words: &[&str], limit: Duration, printed_max: usize) -> Result<CommandOutput, Refusal> {
    let [program, arguments @ ..] = words else { return Err(Refusal::Absent) };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().env("PATH", SEARCH_PATH).env("LC_ALL", "C").env("TZ", "UTC0").current_dir("/");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(refusal)?;
    let Some(stdout) = child.stdout.take() else { return Err(Refusal::Errno(Errno::PIPE)) };
    let bound = u64::try_from(printed_max).unwrap_or(u64::MAX);
    // Read beside the waiting: a program that fills its pipe would never end.
    let reader = thread::spawn(move || {
        let mut printed = Vec::new();
        stdout.take(bound.saturating_add(1)).read_to_end(&mut printed).map(|_| printed)
    });
    let status = ended_within(child, limit)?;
    let printed = reader.join().map_err(|_| Refusal::Errno(Errno::IO))?.map_err(refusal)?;
    if printed.len() > printed_max {
        return Err(Refusal::TooLarge(printed_max));
    }
    Ok(CommandOutput { status: status.and_then(|status| u8::try_from(status).ok()), stdout: String::from_utf8_lossy(&printed).into_owned() })
}

/// Takes leave of a child that was killed, so that no zombie is left. One that hangs in the kernel does not even die of a signal: it is not waited for here.
fn bury(mut child: Child) {
    thread::spawn(move || child.wait());
}

/// Its exit status, or none when a signal ended it. One that takes too long is killed.
fn ended_within(mut child: Child, limit: Duration) -> Result<Option<i32>, Refusal> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().map_err(refusal)? {
            return Ok(status.code());
        }
        if begun.elapsed() > limit {
            // Fails only because it has ended in between.
            let _ = child.kill();
            bury(child);
            return Err(Refusal::Errno(Errno::TIMEDOUT));
        }
        #[allow(clippy::disallowed_methods, reason = "nothing tells of the end of a child but asking")]
        thread::sleep(PAUSE);
    }
}

fn refusal(error: io::Error) -> Refusal {
    Errno::from_io_error(&error).map_or(Refusal::Errno(Errno::IO), Refusal::from)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_program_answers_with_its_status_and_its_output() {
        let host = Host::live(Path::new("/"));
        let output = host.command(&["sh", "-c", "echo one; echo two; exit 3"]).expect("a shell");
        assert_eq!(output, CommandOutput { status: Some(3), stdout: "one\ntwo".into() });
        let error = host.command_stdout(&["sh", "-c", "exit 3"]).expect_err("status 3");
        assert!(error.to_string().contains("status 3"), "{error}");
    }

    #[test]
    fn a_program_that_is_not_there_is_absent_and_below_another_root_there_is_none() {
        assert!(Host::live(Path::new("/")).command(&["assay-no-such-program"]).expect_err("no program").is_absent());
        let root = tempfile::tempdir().expect("a folder");
        assert!(Host::live(root.path()).command(&["true"]).expect_err("no calls below a root").is_absent());
    }

    #[test]
    fn what_a_program_said_survives_a_snapshot() {
        let host = Host::from_snapshot("command:zpool%20status%20-P:\n|exit 1\n|  pool: rpool\n|\n| state: ONLINE\ncommand:pveversion error: EACCES")
            .expect("a fixture");
        let output = host.command(&["zpool", "status", "-P"]).expect("it is there");
        assert_eq!(output, CommandOutput { status: Some(1), stdout: "  pool: rpool\n\n state: ONLINE".into() });
        assert!(host.command(&["pveversion"]).is_err_and(|error| !error.is_absent()));
        assert!(host.command(&["ceph"]).is_err_and(|error| error.is_absent()));
    }

    #[test]
    fn a_program_that_takes_too_long_leaves_no_zombie() {
        let child = Command::new("sleep").arg("600").spawn().expect("sleep");
        let of_child = std::path::PathBuf::from(format!("/proc/{}", child.id()));
        assert!(matches!(ended_within(child, Duration::from_millis(20)), Err(Refusal::Errno(Errno::TIMEDOUT))));
        let begun = Instant::now();
        while of_child.exists() && begun.elapsed() < LIMIT {
            thread::yield_now();
        }
        assert!(!of_child.exists(), "it is still there, killed and not waited for");
    }

    #[test]
    fn a_status_that_is_none_is_malformed() {
        for said in ["", "exit", "exit 999", "done"] {
            assert!(CommandOutput::parse(said).is_err(), "{said}");
        }
        assert_eq!(CommandOutput::parse("killed"), Ok(CommandOutput { status: None, stdout: String::new() }));
    }
}
