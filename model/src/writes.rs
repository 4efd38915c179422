//! What `assay verify-writes` prints: whether everything that was acknowledged before a death is there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Acknowledged writes of one run, held against its targets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Writes {
    /// The run.
    pub run: String,
    /// Its targets.
    pub targets: Vec<Target>,
    /// Why the log cannot prove that nothing is lost, when it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unproved: Option<String>,
}

/// One target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Target {
    /// The file or device.
    pub path: String,
    /// Blocks of the write history.
    pub blocks: u64,
    /// Those of them of which a write was acknowledged and that hold it, or a later one.
    pub right: u64,
    /// Blocks with wrong content, by kind.
    pub corrupt: BTreeMap<String, u64>,
    /// Blocks that could not be read.
    #[serde(default)]
    pub unreadable: u64,
    /// The first of both: `stale at byte 4096`.
    pub first: Vec<String>,
}

impl Writes {
    /// 0 when every acknowledged write is there, 1 when one is not or a block cannot be read, 3 when there was none or the log cannot prove it.
    pub fn exit_code(&self) -> u8 {
        let right: u64 = self.targets.iter().map(|target| target.right).sum();
        let is_lost = self.targets.iter().any(|target| !target.corrupt.is_empty() || target.unreadable > 0);
        match (is_lost, right, &self.unproved) {
            (true, _, _) => 1,
            (false, 0, _) | (false, _, Some(_)) => 3,
            (false, _, None) => 0,
        }
    }
}
