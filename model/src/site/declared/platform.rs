//! The declared settings of processor, memory and PCIe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The declared settings of processor, memory and PCIe.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Platform {}
