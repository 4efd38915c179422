//! The declared state of network cards.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The declared state of network cards. Cards are told apart by their PCI id, `15b3:101b`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nics {
    /// What the ports speak, as `/sys/class/infiniband/*/ports/*/link_layer` says it; `Ethernet` where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_layer: Option<String>,
    /// The firmware that runs and is stored, by PCI id: `"15b3:101b" = "20.43.2566"`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub firmware: BTreeMap<String, String>,
    /// Forward error correction in use on ports of 25 Gbit/s and more, by PCI id; RS where it is left out.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fec: BTreeMap<String, Fec>,
}

/// A forward error correction, spelt as ethtool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Fec {
    /// None in use.
    Off,
    /// Reed-Solomon (clauses 91 and 134 of IEEE 802.3).
    #[serde(rename = "RS")]
    Rs,
    /// Fire code (clause 74 of IEEE 802.3).
    BaseR,
    /// Reed-Solomon of low latency (25G/50G Ethernet Consortium).
    #[serde(rename = "LLRS")]
    Llrs,
}

impl Fec {
    /// The word in files and in ethtool.
    pub fn name(self) -> &'static str {
        match self {
            Fec::Off => "Off",
            Fec::Rs => "RS",
            Fec::BaseR => "BaseR",
            Fec::Llrs => "LLRS",
        }
    }
}
