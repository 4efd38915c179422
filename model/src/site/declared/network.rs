//! The declared bonds, VLANs and addresses.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The declared bonds, VLANs and addresses.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Network {}
