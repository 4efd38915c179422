//! What can go wrong between two nodes. Each names the node, what was attempted and the cause; none of them is a verdict on the node.

use std::time::Duration;

use super::task::TaskErrorKind;

/// Longest piece of a peer's words that is shown.
const SHOWN: usize = 200;

/// Why a remote node did not answer as it should.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteError {
    /// What the site says of the node cannot be used.
    #[error("cannot reach node {node}: {why}")]
    Target {
        /// The node.
        node: String,
        /// What is wrong.
        why: String,
    },
    /// There is no ssh on this machine, or it cannot be run.
    #[error("cannot reach node {node}: cannot run {program}: {why}")]
    NoSsh {
        /// The node.
        node: String,
        /// The program.
        program: String,
        /// Why not.
        why: String,
    },
    /// The host is not there, or does not let anybody in at that port.
    #[error("cannot reach node {node}: no connection to {host}: {said}")]
    Unreachable {
        /// The node.
        node: String,
        /// What ssh was told.
        host: String,
        /// What ssh said.
        said: String,
    },
    /// The host key is unknown, or another one than is known.
    #[error(
        "cannot reach node {node}: the host key of {host} is not the one that is known (ssh-keyscan, or one login by hand, makes it known): {said}"
    )]
    HostKey {
        /// The node.
        node: String,
        /// What ssh was told.
        host: String,
        /// What ssh said.
        said: String,
    },
    /// The host does not accept any of the keys.
    #[error("cannot reach node {node}: {host} refuses every key that ssh has, and nobody is asked for a password: {said}")]
    KeyRefused {
        /// The node.
        node: String,
        /// What ssh was told.
        host: String,
        /// What ssh said.
        said: String,
    },
    /// ssh failed otherwise.
    #[error("cannot reach node {node}: ssh to {host} failed ({status}): {said}")]
    Ssh {
        /// The node.
        node: String,
        /// What ssh was told.
        host: String,
        /// How it ended.
        status: String,
        /// What it said.
        said: String,
    },
    /// The host let us in, and has no assay at that place.
    #[error("cannot start the agent on node {node}: there is no program `{program}` on {host}: {said}")]
    NotInstalled {
        /// The node.
        node: String,
        /// What ssh was told.
        host: String,
        /// The program.
        program: String,
        /// What the shell said.
        said: String,
    },
    /// Something other than an agent answers: a login banner, a shell that prints, a program that is no assay.
    #[error("cannot speak with node {node}: {why}")]
    NoProtocol {
        /// The node.
        node: String,
        /// What came.
        why: String,
    },
    /// The two ends are not of one build.
    #[error("cannot speak with node {node}: this end is {ours}, the far end {theirs}; both must be the same")]
    Version {
        /// The node.
        node: String,
        /// This end.
        ours: String,
        /// The far end.
        theirs: String,
    },
    /// No hello came in time.
    #[error("cannot speak with node {node}: no agent answered within {after:?}: {said}")]
    NoAnswer {
        /// The node.
        node: String,
        /// How long it had.
        after: Duration,
        /// What was said meanwhile.
        said: String,
    },
    /// The agent ended the session and said why.
    #[error("cannot go on with node {node}: its agent ended the session: {why}")]
    Declined {
        /// The node.
        node: String,
        /// Why.
        why: String,
    },
    /// The connection ended in the middle.
    #[error("lost node {node}: the connection ended while {act}: {said}")]
    Dropped {
        /// The node.
        node: String,
        /// What was going on.
        act: String,
        /// How ssh ended and what it said.
        said: String,
    },
    /// Nothing comes from the peer any more.
    #[error("lost node {node}: nothing has come from it for {silence:?} while {act}")]
    Hung {
        /// The node.
        node: String,
        /// What was going on.
        act: String,
        /// For how long.
        silence: Duration,
    },
    /// The peer says what cannot be: nothing that it said is believed.
    #[error("cannot believe node {node}: {why}")]
    Lies {
        /// The node.
        node: String,
        /// What it said.
        why: String,
    },
    /// The task failed at the far end.
    #[error("task {task} failed on node {node}: {why}")]
    Task {
        /// The node.
        node: String,
        /// The task.
        task: String,
        /// What kind of failure.
        kind: TaskErrorKind,
        /// Why.
        why: String,
    },
    /// The task had no result in time.
    #[error("task {task} on node {node} has had no result within {after:?}")]
    Late {
        /// The node.
        node: String,
        /// The task.
        task: String,
        /// How long it had.
        after: Duration,
    },
    /// A spec or a result is not of the form that the task has.
    #[error("cannot use task {task} on node {node}: {why}")]
    Form {
        /// The node.
        node: String,
        /// The task.
        task: String,
        /// What does not fit.
        why: String,
    },
    /// The session was closed before.
    #[error("cannot use node {node}: its session was closed")]
    Closed {
        /// The node.
        node: String,
    },
}

/// A peer's words for people: on one line, without anything that acts on a terminal, and not too many.
pub(crate) fn shown(text: &str) -> String {
    let mut said: String = text.trim().chars().take(SHOWN).flat_map(char::escape_debug).collect();
    if text.trim().chars().count() > SHOWN {
        said.push_str("...");
    }
    said
}
