//! The messages of the protocol, one JSON object a line, a type for each direction. Heartbeats go from the near end to the far end and come back; either
//! end gives the other up when nothing at all has come from it for the time that the near end's hello states.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::shown;
use super::identity::Identity;
use super::task::TaskError;

/// Version of the protocol. It changes with every change of a message or of a task's spec or result.
pub const PROTOCOL: u32 = 1;

/// The first message of either end. Its fields up to `boot_id` stay what they are in every version: an end of another version is still understood that far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Version of the protocol.
    pub protocol: u32,
    /// Version of assay.
    pub assay: String,
    /// Its git revision.
    pub revision: String,
    /// Name of the host.
    pub hostname: String,
    /// The boot.
    pub boot_id: String,
    /// From the near end: milliseconds of silence after which an end is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub silence_ms: Option<u64>,
    /// From the far end: faults that an earlier agent had left armed, healed at this start.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub healed: Vec<String>,
}

/// From the near end to the agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ToAgent {
    /// Who speaks.
    Hello(Hello),
    /// Begin a task. Ids count upwards.
    Start {
        /// Names it from now on.
        id: u64,
        /// Its name in the registry.
        task: String,
        /// What it is to do.
        spec: Value,
    },
    /// Tell a task to stop; it answers with its result all the same.
    Cancel {
        /// The task.
        id: u64,
    },
    /// A sign of life; answered by `pong` with the same number.
    Ping {
        /// Counts upwards.
        n: u64,
    },
    /// It is over: stop everything and end.
    Bye,
}

/// From the agent to the near end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FromAgent {
    /// Who speaks.
    Hello(Hello),
    /// Something that a task says before its result.
    Event {
        /// The task.
        id: u64,
        /// What.
        value: Value,
    },
    /// A task has ended; the last word of it.
    Result {
        /// The task.
        id: u64,
        /// How.
        #[serde(flatten)]
        ended: TaskEnded,
    },
    /// The answer to `ping`.
    Pong {
        /// The number of the ping.
        n: u64,
    },
    /// The last message; why, when it was not asked for.
    Bye {
        /// Why.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskEnded {
    /// With a result.
    Ok(Value),
    /// Without one.
    Error(TaskError),
}

impl Hello {
    pub(crate) fn of(identity: &Identity) -> Self {
        let Identity { assay, revision, hostname, boot_id } = identity.clone();
        Self { protocol: PROTOCOL, assay, revision, hostname, boot_id, silence_ms: None, healed: Vec::new() }
    }

    /// The versions as words.
    pub fn version(&self) -> String {
        format!("protocol {}, assay {} ({})", self.protocol, shown(&self.assay), shown(&self.revision))
    }

    /// Whether two ends with these hellos understand each other: only the same build is sure to mean the same.
    pub(crate) fn is_of_the_same_build(&self, other: &Hello) -> bool {
        (self.protocol, &self.assay, &self.revision) == (other.protocol, &other.assay, &other.revision)
    }
}

/// What the first line of a peer says, whatever its version; `None` when it is no hello.
pub(crate) fn hello_of_any_version(line: &str) -> Option<Hello> {
    let value: Value = serde_json::from_str(line).ok()?;
    if value.get("kind")?.as_str()? != "hello" {
        return None;
    }
    let text = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("unknown").to_owned();
    Some(Hello {
        protocol: u32::try_from(value.get("protocol")?.as_u64()?).ok()?,
        assay: text("assay"),
        revision: text("revision"),
        hostname: text("hostname"),
        boot_id: text("boot_id"),
        silence_ms: value.get("silence_ms").and_then(Value::as_u64),
        healed: value.get("healed").and_then(|healed| serde_json::from_value(healed.clone()).ok()).unwrap_or_default(),
    })
}

/// A message as its line, newline included.
pub(crate) fn encode(message: &impl Serialize) -> Result<String, serde_json::Error> {
    // JSON escapes line breaks within strings: one message never becomes two lines.
    serde_json::to_string(message).map(|line| line + "\n")
}
