//! The declared state of network cards.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The declared state of network cards.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nics {}
