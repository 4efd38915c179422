//! What can go wrong with the harness itself. What is wrong with the node is data in the journal, never one of these.

use std::io;
use std::path::Path;

use assay_model::journal::JournalError;
use assay_model::source::FileError;

use crate::claim::Refusal;
use crate::printable::Printable;

/// A fault of the harness, or of what was asked of it.
#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    /// A file or folder of a run cannot be made, read or written.
    #[error("cannot {act} {path}")]
    Io {
        /// What was attempted.
        act: &'static str,
        /// On what.
        path: Printable,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The journal of a run cannot be believed, or cannot take the event.
    #[error("cannot {act} {path}")]
    Journal {
        /// What was attempted.
        act: &'static str,
        /// The journal.
        path: Printable,
        /// Why not.
        #[source]
        source: JournalError,
    },
    /// Another process works in this run directory.
    #[error("cannot work in run {path}: another process holds it")]
    Held {
        /// The run directory.
        path: Printable,
    },
    /// The plan in the run directory is not the one that the run was begun with, or not a plan at all.
    #[error("cannot use the plan {path}: {why}")]
    Plan {
        /// The file.
        path: Printable,
        /// What is wrong with it.
        why: String,
    },
    /// The scenario file does not say what it should.
    #[error(transparent)]
    Scenario(#[from] FileError),
    /// There is no scenario of that name.
    #[error("there is no scenario `{name}`; known are {known}")]
    UnknownScenario {
        /// What was asked for.
        name: String,
        /// All names.
        known: String,
    },
    /// The scenario asks for what this host does not have, or what its target does not allow.
    #[error("cannot plan scenario {scenario}: {why}")]
    Unplannable {
        /// The scenario.
        scenario: String,
        /// What stands in the way.
        why: String,
    },
    /// The run cannot be finished by this process.
    #[error("cannot resume run {run}: {why}")]
    Unresumable {
        /// The run.
        run: String,
        /// What stands in the way.
        why: String,
    },
    /// The target may not be written.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

impl ScenarioError {
    pub(crate) fn io<'a>(act: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| ScenarioError::Io { act, path: Printable::new(path), source }
    }

    pub(crate) fn journal<'a>(act: &'static str, path: &'a Path) -> impl FnOnce(JournalError) -> Self + 'a {
        move |source| ScenarioError::Journal { act, path: Printable::new(path), source }
    }
}

/// The whole chain of causes on one line, for the journal.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
