//! The declared state of the baseboard management controller.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The declared state of the baseboard management controller.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bmc {}
