//! The installed fio as a child process: which version it is, and what one job of it came to by its JSON output. A fio that failed, that reports an error or
//! that did nothing is an error with its words, never a figure.

use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use serde::Deserialize;

use crate::child;
use crate::peer::{PeerError, Program};

/// Setting up, laying out and summing up may take fio this much longer than its runtime.
const SLOW: Duration = Duration::from_secs(60);

/// An installed fio.
#[derive(Debug, Clone)]
pub struct Peer(Program);

/// What one job came to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Measured {
    /// Operations per second after the ramp.
    pub(crate) iops: f64,
    /// User time per operation, ns, by fio's own getrusage after the ramp.
    pub(crate) user_ns: f64,
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
    pub fn find(program: &str) -> Result<Self, PeerError> {
        Program::find("fio", program, |first| Some(first.trim()).filter(|version| version.starts_with("fio-"))).map(Self)
    }

    /// `fio-3.33`.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// The command line that repeats it.
    pub(crate) fn command(&self, words: &[String]) -> String {
        std::iter::once(self.0.path.as_str()).chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }

    /// Runs one job of operations in one direction and of `bs` bytes; `runtime` is what it was told, ramp included.
    pub(crate) fn run(&self, words: &[String], runtime: Duration, stop: &AtomicBool) -> Result<Measured, PeerError> {
        let failed = |why: String| self.0.failed(self.command(words), why);
        let mut command = Command::new(&self.0.path);
        command.args(words).arg("--output-format=json");
        let said = child::run(&mut command, runtime + SLOW, stop).map_err(|error| self.0.told(error, || self.command(words)))?;
        if !said.status.success() {
            return Err(failed(said.failure()));
        }
        measured(&said.out).map_err(failed)
    }
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
        assert!(crate::error::chain(&Peer::find("/nonexistent/fio").expect_err("missing")).contains("install fio"));
        assert!(crate::error::chain(&Peer::find("true").expect_err("no fio")).contains("it is no fio"));
    }

    #[test]
    fn a_child_that_fails_hangs_or_is_stopped_is_no_figure() {
        // A shell stands in for fio: it takes the words that fio would.
        let peer = Peer(Program { tool: "fio", path: "sh".into(), version: "fio-0".into() });
        let run = |script: &str, stop: bool| peer.run(&["-c".into(), script.into()], Duration::ZERO, &AtomicBool::new(stop));
        let failed = run("echo 'file not found' >&2; exit 3", false).expect_err("failed").to_string();
        assert!(failed.contains("exit status: 3") && failed.contains("file not found"), "{failed}");
        assert!(run("echo '{}'", false).expect_err("empty").to_string().contains("not the JSON"));
        assert!(matches!(run("sleep 600", true), Err(PeerError::Stopped { .. })));
    }
}
