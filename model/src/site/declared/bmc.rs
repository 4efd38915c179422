//! The declared state of the baseboard management controller.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The declared state of the baseboard management controller. Where each node's controller is reached stands with the nodes in `site.toml`; user and
/// password stand in no file of a site.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bmc {
    /// Certificate authorities that the controllers' certificates are signed by, in PEM; those of the system without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// Days after which an entry of an event log is no longer held against the node; without it none is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_days: Option<u32>,
    /// Entries of event logs that somebody has looked into.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledged: Vec<Acknowledged>,
    /// Power supplies that are fitted and all of them healthy; all but one carry the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_supplies: Option<u32>,
    /// Fans that are fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fans: Option<u32>,
    /// Settings of the system firmware by the names that Redfish gives them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub settings: BTreeMap<String, Setting>,
    /// Pinned firmware by its id or name in the controller's firmware inventory; `BIOS` and `BMC` are known by what they are as well.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub firmware: BTreeMap<String, String>,
    /// Seconds that the controller's clock may differ from the node's; 60 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clock_seconds: Option<u32>,
}

/// An entry of an event log that is no longer held against the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Acknowledged {
    /// Host name of the node.
    pub node: String,
    /// The entry, as reports name it: `1/Log1/17`.
    pub entry: String,
    /// When it was made, as the controller writes it: another entry may get the same number once the log is cleared.
    pub created: String,
    /// What was found.
    pub why: String,
}

/// The value of a firmware setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Setting {
    /// A switch.
    Flag(bool),
    /// A number.
    Number(i64),
    /// A word.
    Text(String),
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Setting::Flag(flag) => flag.fmt(f),
            Setting::Number(number) => number.fmt(f),
            Setting::Text(text) => f.write_str(text.trim()),
        }
    }
}
