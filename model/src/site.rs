//! A site: its BOM, contradictions, waivers and policy, as one value with one digest. Loading files is the CLI's work; this is the parsed form,
//! and `site/file.rs` makes it of the files' text.

use std::collections::BTreeMap;
use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bom::Bom;
use crate::check::{Absence, CheckId};
use crate::contradiction::Contradiction;
use crate::gate::Gate;
use crate::parts::Parts;
use crate::site::declared::Declared;
use crate::waiver::Waiver;

pub mod declared;
mod file;
pub mod reach;

pub(crate) use file::SiteFile;
pub use file::{SITE_SCHEMA, SiteFiles, assemble, digest};

/// Why a check does not apply at this site, written by its operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NotHere {
    /// The check.
    pub check: CheckId,
    /// Why it does not apply.
    pub why: String,
}

/// A node of the site.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// Host name.
    pub name: String,
    /// Serial number of the board; destructive faults run only on a node that is listed by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
    /// Address of its management controller, `https://HOST`; credentials never stand in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bmc: Option<String>,
    /// SHA-256 fingerprint of the controller's certificate, hex; with it exactly that certificate is believed, and no authority asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bmc_certificate: Option<String>,
    /// What ssh is told to reach it, `user@host`, an address or an alias of ssh's configuration; its name without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssh: Option<String>,
    /// Further options for ssh, each `Name=value` as after `-o`: `Port=2222`, `IdentityFile=/root/.ssh/assay`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ssh_options: Vec<String>,
    /// The assay of this node, an absolute path; `assay`, looked for in the PATH of its login, without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assay: Option<String>,
    /// Its addresses for data by the network that they are in: `{ storage = "10.7.0.11" }`. A measurement names a network and uses exactly these addresses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub addresses: BTreeMap<String, IpAddr>,
}

/// Everything that a verdict depends on besides the runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Site {
    /// Its name.
    pub name: String,
    /// For people: where its files were read from.
    pub origin: String,
    /// SHA-256 over its files and the parts catalogue, hex.
    pub digest: String,
    /// What an expectation means whose source this host does not have.
    pub absence: Absence,
    /// The nodes.
    pub nodes: Vec<Node>,
    /// What was ordered, with the changes of the chosen resolutions; the `generic` site orders nothing.
    pub bom: Option<Bom>,
    /// Contradictions, derived and declared, resolved or not.
    pub contradictions: Vec<Contradiction>,
    /// Waivers, expired ones included.
    pub waivers: Vec<Waiver>,
    /// Checks that the site says do not apply.
    pub not_here: Vec<NotHere>,
    /// The parts catalogue.
    pub parts: Parts,
    /// What it declares of its nodes beyond the parts ordered; where it has no such file, nothing.
    pub declared: Declared,
    /// Gates by phase, ascending.
    pub gates: Vec<Gate>,
}
