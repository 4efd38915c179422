//! An installed tool that assay is compared with: which program it is, of which version, and why it gave no figure. What its answers mean stands with the tool
//! (`fio/peer.rs`, `iperf/peer.rs`, `perftest/peer.rs`).

use std::io;
use std::process::{Command, Stdio};

use crate::calibration::Stop;
use crate::child::ChildError;
use crate::error::chain;
use crate::printable::Printable;

/// Why it gave no figure.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// There is none.
    #[error("cannot start {program} ({remedy})")]
    Missing {
        /// What was to be started.
        program: String,
        /// What helps: `install fio`.
        remedy: String,
        /// Why it was not.
        #[source]
        source: io::Error,
    },
    /// It ran and failed, or did something else than it was asked.
    #[error("{tool} gave no figure for `{command}`: {why}")]
    Failed {
        /// The tool: `fio`.
        tool: &'static str,
        /// The command that repeats it.
        command: String,
        /// What it said.
        why: String,
    },
    /// It was stopped because the whole calibration was.
    #[error("{tool} was stopped")]
    Stopped {
        /// The tool.
        tool: &'static str,
    },
}

impl From<PeerError> for Stop {
    fn from(error: PeerError) -> Self {
        match error {
            PeerError::Stopped { .. } => Stop::Cancelled,
            PeerError::Missing { .. } | PeerError::Failed { .. } => Stop::Failed(chain(&error)),
        }
    }
}

/// The program of a tool.
#[derive(Debug, Clone)]
pub(crate) struct Program {
    pub(crate) tool: &'static str,
    pub(crate) path: String,
    pub(crate) version: String,
}

impl Program {
    /// The program that `path` starts. `version` finds the version in the first line that it says when asked for that, and nothing in what another tool says.
    pub(crate) fn find(tool: &'static str, path: &str, version: impl Fn(&str) -> Option<&str>) -> Result<Self, PeerError> {
        let missing = |source| missing(tool, path, source);
        let output = Command::new(path).arg("--version").stdin(Stdio::null()).output().map_err(missing)?;
        let said = String::from_utf8_lossy(&output.stdout);
        let first = said.lines().next().unwrap_or_default();
        match version(first).filter(|_| output.status.success()) {
            Some(version) => Ok(Self { tool, path: path.to_owned(), version: version.to_owned() }),
            None => Err(missing(io::Error::other(format!("it is no {tool}: --version says `{}`", Printable::new(first))))),
        }
    }

    /// What happened to it as a child.
    pub(crate) fn told(&self, error: ChildError, command: impl Fn() -> String) -> PeerError {
        match error {
            ChildError::Missing(source) => missing(self.tool, &self.path, source),
            ChildError::Failed(why) => self.failed(command(), why),
            ChildError::Stopped => PeerError::Stopped { tool: self.tool },
        }
    }

    /// It did not do what it was asked.
    pub(crate) fn failed(&self, command: String, why: String) -> PeerError {
        PeerError::Failed { tool: self.tool, command, why }
    }
}

fn missing(tool: &str, program: &str, source: io::Error) -> PeerError {
    PeerError::Missing { program: program.to_owned(), remedy: format!("install {tool}, or name it with --{tool}"), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_there_or_is_another_one_is_named() {
        let find = |path: &str| chain(&Program::find("fio", path, |first| first.starts_with("fio-").then_some(first)).expect_err(path));
        let missing = find("/nonexistent/fio");
        assert!(missing.contains("/nonexistent/fio") && missing.contains("install fio") && missing.contains("No such file"), "{missing}");
        assert!(find("true").contains("it is no fio"));
    }
}
