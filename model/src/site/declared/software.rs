//! The declared state of the operating system and its management.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The declared state of the operating system and its management.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Software {}
