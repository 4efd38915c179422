//! A named person's written, expiring leave to pass a gate although a check does not pass.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::CheckId;

/// One waiver. An expired one is as if it were not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// The check that it waives.
    pub check: CheckId,
    /// Restricts it to one subject; all subjects without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// Last day on which it holds, `YYYY-MM-DD`.
    #[schemars(with = "String")]
    pub expires: jiff::civil::Date,
}
