//! The installed `rbd` command as a child process: what one `rbd bench` came to by its last line. One that failed or did nothing is an error with its words, never a figure.

use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::child;
use crate::peer::{PeerError, Program};

/// Connecting, opening and summing up may take it this much longer than it was meant to work, and a cluster that was fast a moment ago may be slow now.
const SLOW: Duration = Duration::from_secs(120);

/// An installed `rbd`.
#[derive(Debug, Clone)]
pub struct Peer(Program);

impl Peer {
    /// The `rbd` that `program` starts.
    pub fn find(program: &str) -> Result<Self, PeerError> {
        let version = |first: &str| first.starts_with("ceph version ").then_some(());
        Program::find("rbd", program, |first| version(first).and(first.split(" (").next())).map(Self)
    }

    /// `ceph version 16.2.15`.
    pub fn version(&self) -> &str {
        &self.0.version
    }

    /// The command line that repeats it.
    pub(super) fn command(&self, words: &[String]) -> String {
        std::iter::once(self.0.path.as_str()).chain(words.iter().map(String::as_str)).collect::<Vec<_>>().join(" ")
    }

    /// Runs one `rbd bench`, which is meant to take about `runtime`, and gives its operations per second.
    pub(super) fn run(&self, words: &[String], runtime: Duration, stop: &AtomicBool) -> Result<f64, PeerError> {
        let failed = |why: String| self.0.failed(self.command(words), why);
        let mut command = Command::new(&self.0.path);
        command.args(words);
        let said = child::run(&mut command, runtime * 4 + SLOW, stop).map_err(|error| self.0.told(error, || self.command(words)))?;
        if !said.status.success() {
            return Err(failed(said.failure()));
        }
        measured(&said.out).map_err(failed)
    }
}

// `elapsed: 2   ops: 2048   ops/sec: 1018.04   bytes/sec: 4.0 MiB/s`
fn measured(text: &str) -> Result<f64, String> {
    let line = text.lines().rev().find(|line| line.trim_start().starts_with("elapsed:")).ok_or("it said nothing of what it did")?;
    let mut words = line.split_whitespace().skip_while(|word| *word != "ops/sec:").skip(1);
    let rate: f64 = words.next().and_then(|word| word.parse().ok()).ok_or_else(|| format!("it says no operations per second: `{line}`"))?;
    if rate.is_finite() && rate > 0.0 { Ok(rate) } else { Err(format!("{rate} op/s are no figure")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_line_with_a_rate_is_a_figure() {
        let text = "bench  type write io_size 4096 io_threads 16 bytes 8388608 pattern random\n  SEC       OPS   OPS/SEC   BYTES/SEC\n    1      1072   1084.98   4.2 MiB/s\nelapsed: 1   ops: 2048   ops/sec: 1118.04   bytes/sec: 4.4 MiB/s\n";
        assert_eq!(measured(text), Ok(1118.04));
        for (text, word) in [
            ("", "said nothing"),
            ("    1      1072   1084.98   4.2 MiB/s\n", "said nothing"),
            ("elapsed: 1   ops: 0   ops/sec: 0   bytes/sec: 0 B/s\n", "no figure"),
            ("elapsed: 1   ops: 0   ops/sec: nan   bytes/sec: 0 B/s\n", "no figure"),
            ("elapsed: 1   ops: 0\n", "says no operations"),
        ] {
            let why = measured(text).expect_err(word);
            assert!(why.contains(word), "{why}");
        }
    }

    #[test]
    fn what_is_not_there_or_is_no_rbd_is_named() {
        assert!(crate::error::chain(&Peer::find("/nonexistent/rbd").expect_err("missing")).contains("install rbd"));
        assert!(crate::error::chain(&Peer::find("true").expect_err("no rbd")).contains("it is no rbd"));
    }

    #[test]
    fn a_child_that_fails_is_no_figure() {
        let peer = Peer(Program { tool: "rbd", path: "sh".into(), version: "ceph version 0".into() });
        let run = |script: &str| peer.run(&["-c".into(), script.into()], Duration::ZERO, &AtomicBool::new(false));
        let failed = run("echo 'error opening image x: (2) No such file or directory' >&2; exit 2").expect_err("failed").to_string();
        assert!(failed.contains("exit status: 2") && failed.contains("error opening image"), "{failed}");
    }
}
