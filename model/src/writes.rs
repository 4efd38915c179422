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
    /// The first of them: `stale at byte 4096`.
    pub first: Vec<String>,
}

impl Writes {
    /// 0 when every acknowledged write is there, 1 when one is not, 3 when there was none.
    pub fn exit_code(&self) -> u8 {
        let right: u64 = self.targets.iter().map(|target| target.right).sum();
        match (self.targets.iter().any(|target| !target.corrupt.is_empty()), right) {
            (true, _) => 1,
            (false, 0) => 3,
            (false, _) => 0,
        }
    }
}
