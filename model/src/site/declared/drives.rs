//! The declared state of drives.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The declared state of drives. What is left out is judged by what holds for every drive.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drives {
    /// Firmware revision by model, as the drives spell both.
    #[serde(default)]
    pub firmware: BTreeMap<String, String>,
    /// Least spare blocks, percent of those of a new drive.
    pub available_spare_at_least: Option<u64>,
    /// Most of its life that a drive may have used, percent.
    pub percentage_used_at_most: Option<u64>,
    /// Least health of the power-loss capacitor, percent.
    pub capacitor_health_at_least: Option<u64>,
    /// Least normalised value of bad blocks; 100 is a new drive.
    pub bad_blocks_at_least: Option<u64>,
    /// Whether an extended self-test must have passed.
    #[serde(default)]
    pub self_test: bool,
    /// Bytes of a logical block, by model.
    #[serde(default)]
    pub logical_block_size: BTreeMap<String, u64>,
}
