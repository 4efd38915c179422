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

/// Reads a file of waivers. Each names check, owner and reason, and is there once.
pub fn parse(file: &str, text: &str) -> Result<Vec<Waiver>, FileError> {
    let doc = Document::new(file, text);
    let written: WaiversFile = doc.parse(WAIVERS_SCHEMA)?;
    for (i, waiver) in written.waiver.iter().enumerate() {
        let index = i.to_string();
        let stated = [
            ("check", waiver.check.as_str(), "expected the id of a check"),
            ("owner", waiver.owner.as_str(), "expected who answers for it"),
            ("reason", waiver.reason.as_str(), "expected why it is waived"),
            ("subject", waiver.subject.as_deref().unwrap_or("all"), "expected a subject; leave it out to waive all of them"),
        ];
        for (key, value, message) in stated {
            if value.trim().is_empty() {
                return Err(doc.refuse(&["waiver", &index, key], message));
            }
        }
        if written.waiver[..i].iter().any(|other| (&other.check, &other.subject) == (&waiver.check, &waiver.subject)) {
            return Err(
                doc.refuse(&["waiver", &index, "check"], format!("`{}` is waived twice; expected one owner, reason and expiry", waiver.check))
            );
        }
    }
    Ok(written.waiver)
}

#[cfg(test)]
mod tests;
