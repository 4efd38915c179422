//! What an agent can be asked to do, by name. A task runs on its own thread, says events while it works, answers with one result, and stops when it is told.

use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stop::Stop;
use crate::error::chain;

pub mod beside;
pub mod bonds;
pub mod clock;
pub mod counters;
pub mod daemons;
pub mod fault;
pub mod halves;
pub mod inventory;
pub mod rados;
pub mod rdma;

/// A task of the registry.
pub struct TaskEntry {
    /// Its name in the protocol.
    pub name: &'static str,
    /// One sentence for people.
    pub describe: &'static str,
    /// Does it: the spec in, the result out.
    pub run: fn(Value, &TaskContext<'_>) -> Result<Value, TaskError>,
}

/// Every task.
pub const TASKS: &[TaskEntry] = &[
    TaskEntry { name: beside::NAME, describe: "The processors beside the cards of named interfaces.", run: beside::run },
    TaskEntry { name: clock::NAME, describe: "The clocks of this node, read once.", run: clock::run },
    TaskEntry { name: counters::NAME, describe: "The statistics of named interfaces, read once.", run: counters::run },
    TaskEntry {
        name: fault::ARM,
        describe: "Checks that a fault may be injected, and says what healing it needs; changes nothing.",
        run: fault::arm,
    },
    TaskEntry {
        name: fault::INJECT,
        describe: "Injects an armed fault, and heals it when told, at its deadline, or when the connection is lost.",
        run: fault::inject,
    },
    TaskEntry { name: fault::HEAL, describe: "Heals an armed fault from what was said when it was armed.", run: fault::heal },
    TaskEntry { name: bonds::NAME, describe: "The bonds of this node and their members, read once.", run: bonds::run },
    TaskEntry { name: daemons::NAME, describe: "The daemons of a Ceph cluster that run on this node.", run: daemons::run },
    TaskEntry { name: inventory::NAME, describe: "What the probes of this node see.", run: inventory::run },
    TaskEntry { name: halves::TCP_SERVE, describe: "TCP, the half that listens.", run: halves::tcp_serve },
    TaskEntry { name: halves::TCP_CONNECT, describe: "TCP, the half that connects.", run: halves::tcp_connect },
    TaskEntry { name: halves::REQUESTS_SERVE, describe: "Requests over TCP, the half that answers.", run: halves::requests_serve },
    TaskEntry { name: halves::REQUESTS_CONNECT, describe: "Requests over TCP, the half that asks.", run: halves::requests_connect },
    TaskEntry { name: halves::STREAM_SERVE, describe: "The probe stream, the half that listens.", run: halves::stream_serve },
    TaskEntry { name: halves::STREAM_CONNECT, describe: "The probe stream, the half that connects.", run: halves::stream_connect },
    TaskEntry { name: halves::REFLECT, describe: "Answers round trips and packets of a size.", run: halves::reflect },
    TaskEntry { name: halves::RTT, describe: "Round trips to a reflector.", run: halves::rtt },
    TaskEntry { name: rdma::SERVE, describe: "RDMA, the half that listens.", run: rdma::serve },
    TaskEntry { name: rdma::PORTS, describe: "What the ports of this node carry and count.", run: rdma::ports },
    TaskEntry { name: rdma::CONNECT, describe: "RDMA, the half that connects.", run: rdma::connect },
    TaskEntry { name: rados::CLIENT, describe: "One client of a Ceph cluster among those of several nodes.", run: rados::client },
    TaskEntry { name: rados::BEGIN, describe: "The moment at which such a client begins.", run: rados::begin },
    TaskEntry { name: rados::OSD_BENCH, describe: "What every OSD of a Ceph cluster writes by itself.", run: rados::osd_bench },
    TaskEntry { name: halves::MTU, describe: "Packets of given sizes to a reflector, unfragmented.", run: halves::mtu },
];

/// What an agent is told at its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentOptions {
    /// Folder of the records of armed faults.
    pub faults: PathBuf,
    /// Program and first words of the watchdog; the path of a record follows.
    pub watchdog: Vec<std::ffi::OsString>,
}

/// What a task can do besides its work.
pub struct TaskContext<'a> {
    pub(super) stop: &'a Stop,
    pub(super) emit: &'a (dyn Fn(Value) -> Result<(), TaskError> + Sync),
    pub(super) options: &'a AgentOptions,
}

impl TaskContext<'_> {
    /// The word to stop.
    pub fn stop(&self) -> &Stop {
        self.stop
    }

    /// Says an event to the near end, in order with all others of this task; waits while the near end does not read.
    pub fn emit(&self, value: &impl Serialize) -> Result<(), TaskError> {
        (self.emit)(serde_json::to_value(value).map_err(|error| TaskError::failed(&error))?)
    }

    /// What the agent was told at its start.
    pub fn options(&self) -> &AgentOptions {
        self.options
    }
}

/// A task that has no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
pub struct TaskError {
    /// What kind of failure.
    pub kind: TaskErrorKind,
    /// Words, with every cause.
    pub message: String,
}

/// The kinds of failure of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskErrorKind {
    /// The agent has no such task.
    Unknown,
    /// The spec is none of this task.
    Spec,
    /// It was told to stop before it had a result.
    Cancelled,
    /// It may not do that here.
    Refused,
    /// It failed.
    Failed,
}

impl TaskError {
    /// An error with its causes.
    pub fn failed(error: &dyn std::error::Error) -> Self {
        Self { kind: TaskErrorKind::Failed, message: chain(error) }
    }

    /// Told to stop before there was a result.
    pub fn cancelled() -> Self {
        Self { kind: TaskErrorKind::Cancelled, message: "told to stop before there was a result".to_owned() }
    }

    pub(super) fn unknown(task: &str) -> Self {
        let known: Vec<&str> = TASKS.iter().map(|entry| entry.name).collect();
        Self { kind: TaskErrorKind::Unknown, message: format!("there is no task `{}`; known are {}", super::error::shown(task), known.join(", ")) }
    }
}

/// The spec as the task knows it.
pub fn spec<T: DeserializeOwned>(value: Value) -> Result<T, TaskError> {
    serde_json::from_value(value).map_err(|error| TaskError { kind: TaskErrorKind::Spec, message: error.to_string() })
}

/// The result as it travels.
pub fn result(value: &impl Serialize) -> Result<Value, TaskError> {
    serde_json::to_value(value).map_err(|error| TaskError::failed(&error))
}
