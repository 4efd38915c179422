//! A named person's written, expiring leave to pass a gate although a check does not pass.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::check::CheckId;
use crate::place::Document;
use crate::source::FileError;

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

/// The version of the file format.
pub const WAIVERS_SCHEMA: u32 = 1;

/// `waivers.toml` as written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "waivers.toml", rename = "WaiversFile")]
pub(crate) struct WaiversFile {
    /// Version of the file format; 1.
    #[allow(dead_code, reason = "looked at before the file is parsed; here so that it is required")]
    schema: u32,
    /// The waivers.
    #[serde(default)]
    waiver: Vec<Waiver>,
}

/// Reads a file of waivers.
pub fn parse(file: &str, text: &str) -> Result<Vec<Waiver>, FileError> {
    let written: WaiversFile = Document::new(file, text).parse(WAIVERS_SCHEMA)?;
    Ok(written.waiver)
}
