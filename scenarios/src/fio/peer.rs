//! The installed fio as a child process: which version it is, and what one job of it came to by its JSON output. A fio that failed, that reports an error or
//! that did nothing is an error with its words, never a figure.

use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Deserialize;

/// How often a running fio is looked at.
const LOOK: Duration = Duration::from_millis(10);
/// Setting up, laying out and summing up may take fio this much longer than its runtime.
const SLOW: Duration = Duration::from_secs(60);
/// Bytes of an answer that are read at most; one job with all its percentiles takes some ten thousand.
const ANSWER_MAX: u64 = 4 << 20;

/// Why fio gave no figure.
#[derive(Debug, thiserror::Error)]
pub enum FioError {
    /// There is none.
    #[error("cannot start {program} (install fio, or name it with --fio)")]
    Missing {
        /// What was to be started.
        program: String,
        /// Why it was not.
        #[source]
        source: io::Error,
    },
    /// It ran and failed, or did something else than it was asked.
    #[error("fio gave no figure for `{command}`: {why}")]
    Failed {
        /// The command that repeats it.
        command: String,
        /// Exit status and its last words.
        why: String,
    },
    /// It was stopped because the whole calibration was.
    #[error("fio was stopped")]
    Stopped,
}

/// An installed fio.
#[derive(Debug, Clone)]
pub struct Peer {
    program: String,
    version: String,
}

/// What one job came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measured {
    /// Operations per second after the ramp.
    pub(super) iops: f64,
    /// User time per operation, ns, by fio's own getrusage after the ramp.
    pub(super) user_ns: f64,
}

#[derive(Deserialize)]
struct Answer {
    jobs: Vec<JobAnswer>,
}

#[derive(Deserialize)]
struct JobAnswer {
    error: i64,
    job_runtime: u64,
    usr_cpu: f64,
    read: Direction,
    write: Direction,
}

#[derive(Deserialize)]
struct Direction {
    iops: f64,
    total_ios: u64,
    short_ios: u64,
    drop_ios: u64,
}

impl Peer {
    /// The fio that `program` starts.
    pub fn find(program: &str) -> Result<Self, FioError> {
        let missing = |source| FioError::Missing { program: program.to_owned(), source };
        let output = Command::new(program).arg("--version").stdin(Stdio::null()).output().map_err(missing)?;
        let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        if !output.status.success() || !version.starts_with("fio-") {
            return Err(missing(io::Error::other(format!("it is no fio: --version says `{}`", crate::printable::Printable::new(&version)))));
        }
        Ok(Self { program: program.to_owned(), version })
    }

    /// `fio-3.33`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The command line that repeats it.
    pub(super) fn command(&self, words: &[String]) -> String {
        std::iter::once(self.program.as_str()).chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }

    /// Runs one job of operations in one direction and of `bs` bytes; `runtime` is what it was told, ramp included.
    pub(super) fn run(&self, words: &[String], runtime: Duration, stop: &AtomicBool) -> Result<Measured, FioError> {
        let failed = |why: String| FioError::Failed { command: self.command(words), why };
        let mut child = Command::new(&self.program)
            .args(words)
            .arg("--output-format=json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // A signal from the terminal is for us: we tell fio.
            .process_group(0)
            .spawn()
            .map_err(|source| FioError::Missing { program: self.program.clone(), source })?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let out = std::thread::spawn(move || read_all(out));
        let err = std::thread::spawn(move || read_all(err));
        let status = wait(&mut child, runtime + SLOW, stop);
        let (out, err) = (out.join().unwrap_or_default(), err.join().unwrap_or_default());
        let status = match status {
            Ok(status) if !stop.load(Ordering::Relaxed) => status,
            Ok(_) => return Err(FioError::Stopped),
            Err(why) => return Err(failed(why)),
        };
        if !status.success() {
            return Err(failed(format!("it ended with {status}: {}", last_words(&err, &out))));
        }
        measured(&out).map_err(failed)
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

/// The figure of fio's answer; warnings may stand before the JSON.
fn measured(text: &str) -> Result<Measured, String> {
    let json = text.find('{').map_or("", |begin| &text[begin..]);
    let answer: Answer = serde_json::from_str(json).map_err(|error| format!("its answer is not the JSON that is expected: {error}"))?;
    let [job] = answer.jobs.as_slice() else { return Err(format!("it answered for {} jobs, not for one", answer.jobs.len())) };
    if job.error != 0 {
        return Err(format!("its job ended with error {}", job.error));
    }
    let direction = match (job.read.total_ios, job.write.total_ios) {
        (0, 0) => return Err("it did no operation".to_owned()),
        (_, 0) => &job.read,
        (0, _) => &job.write,
        (_, _) => return Err("it both read and wrote".to_owned()),
    };
    if direction.short_ios + direction.drop_ios > 0 {
        return Err(format!("{} operations came back short and {} were dropped", direction.short_ios, direction.drop_ios));
    }
    #[allow(clippy::cast_precision_loss, reason = "counts of some seconds are far below 2^53")]
    let user_ns = job.usr_cpu / 100.0 * (job.job_runtime as f64) * 1e6 / (direction.total_ios as f64);
    if !(direction.iops.is_finite() && direction.iops > 0.0 && user_ns.is_finite() && user_ns >= 0.0) {
        return Err(format!("{} op/s with {user_ns} ns of user time each are no figures", direction.iops));
    }
    Ok(Measured { iops: direction.iops, user_ns })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(error: i64, read: u64, write: u64, short: u64) -> String {
        let side = |ios: u64| format!(r#"{{"iops": {}.5, "total_ios": {ios}, "short_ios": {short}, "drop_ios": 0}}"#, ios / 2);
        format!(
            r#"fio: a warning
{{"jobs": [{{"error": {error}, "job_runtime": 2000, "usr_cpu": 25.0, "read": {}, "write": {}}}]}}"#,
            side(read),
            side(write)
        )
    }

    #[test]
    fn only_one_direction_without_any_error_is_a_figure() {
        let good = measured(&answer(0, 1000, 0, 0)).expect("a figure");
        assert_eq!(good, Measured { iops: 500.5, user_ns: 500_000.0 });
        assert!(measured(&answer(0, 0, 1000, 0)).is_ok());
        for (text, word) in [
            (answer(5, 1000, 0, 0), "error 5"),
            (answer(0, 1000, 0, 3), "short"),
            (answer(0, 0, 0, 0), "no operation"),
            (answer(0, 10, 10, 0), "both"),
            (answer(0, 1000, 0, 0).replace("500.5", "0.0"), "no figures"),
            (answer(0, 1000, 0, 0)[..120].to_owned(), "not the JSON"),
            (r#"{"jobs": []}"#.to_owned(), "0 jobs"),
            (String::new(), "not the JSON"),
        ] {
            let why = measured(&text).expect_err(word);
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn what_is_not_there_or_is_no_fio_is_named() {
        let missing = crate::error::chain(&Peer::find("/nonexistent/fio").expect_err("missing"));
        assert!(missing.contains("/nonexistent/fio") && missing.contains("install fio") && missing.contains("No such file"), "{missing}");
        assert!(crate::error::chain(&Peer::find("true").expect_err("no fio")).contains("it is no fio"));
    }

    #[test]
    fn a_child_that_fails_hangs_or_is_stopped_is_no_figure() {
        // A shell stands in for fio: it takes the words that fio would.
        let peer = Peer { program: "sh".into(), version: "fio-0".into() };
        let run = |script: &str, stop: bool| peer.run(&["-c".into(), script.into()], Duration::ZERO, &AtomicBool::new(stop));
        let failed = run("echo 'file not found' >&2; exit 3", false).expect_err("failed").to_string();
        assert!(failed.contains("exit status: 3") && failed.contains("file not found"), "{failed}");
        assert!(run("echo '{}'", false).expect_err("empty").to_string().contains("not the JSON"));
        assert!(matches!(run("sleep 600", true), Err(FioError::Stopped)));
    }
}
