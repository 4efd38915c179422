//! The declared state of drives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The declared state of drives.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Drives {}
