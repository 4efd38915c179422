//! The eleven deployment phases, each with its gate.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A deployment phase, 1 to 11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "u8", into = "u8")]
pub struct Phase(u8);

/// A number that is no phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no phase; phases run from 1 to 11")]
pub struct NoSuchPhase(pub u8);

impl Phase {
    /// The first phase: base OS and hardware identity.
    pub const FIRST: Phase = Phase(1);

    /// All phases in order.
    pub fn all() -> impl Iterator<Item = Phase> {
        (1..=11).map(Phase)
    }

    /// The number, 1 to 11.
    pub fn number(self) -> u8 {
        self.0
    }

    /// What the phase brings up.
    pub fn title(self) -> &'static str {
        match self.0 {
            1 => "base OS and hardware identity",
            2 => "network",
            3 => "cluster and corosync",
            4 => "Ceph",
            5 => "GPU",
            6 => "Ansible and parameters",
            7 => "HA and fencing",
            8 => "monitoring and logging",
            9 => "backup",
            10 => "Weka",
            _ => "testing and validation",
        }
    }
}

impl TryFrom<u8> for Phase {
    type Error = NoSuchPhase;
    fn try_from(number: u8) -> Result<Self, NoSuchPhase> {
        if (1..=11).contains(&number) { Ok(Phase(number)) } else { Err(NoSuchPhase(number)) }
    }
}

impl From<Phase> for u8 {
    fn from(phase: Phase) -> u8 {
        phase.0
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "phase {}", self.0)
    }
}
