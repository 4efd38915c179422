//! Answers of Ceph's monitors and managers, reduced to what is read of them. Shapes of releases 16 to 19; a field that a release may lack is optional.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// `health detail`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Health {
    pub(crate) status: String,
    pub(crate) checks: BTreeMap<String, HealthCheck>,
    #[serde(default)]
    pub(crate) mutes: Vec<Mute>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct HealthCheck {
    pub(crate) severity: String,
    pub(crate) summary: Summary,
    #[serde(default)]
    pub(crate) muted: bool,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Summary {
    pub(crate) message: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Mute {
    pub(crate) code: String,
}

/// `quorum_status`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Quorum {
    pub(crate) quorum_names: Vec<String>,
    pub(crate) monmap: MonMap,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MonMap {
    pub(crate) fsid: String,
    pub(crate) mons: Vec<Monitor>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Monitor {
    pub(crate) name: String,
    pub(crate) public_addrs: Addresses,
}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Addresses {
    #[serde(default)]
    pub(crate) addrvec: Vec<Address>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Address {
    #[serde(rename = "type")]
    pub(crate) protocol: String,
    pub(crate) addr: String,
}

/// `mgr dump`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Managers {
    pub(crate) active_name: String,
    pub(crate) available: bool,
    #[serde(default)]
    pub(crate) active_addrs: Addresses,
    #[serde(default)]
    pub(crate) standbys: Vec<Standby>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Standby {
    pub(crate) name: String,
}

/// `osd dump`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OsdMap {
    pub(crate) flags: String,
    pub(crate) full_ratio: f64,
    pub(crate) nearfull_ratio: f64,
    pub(crate) pools: Vec<Pool>,
    pub(crate) osds: Vec<Osd>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pool {
    pub(crate) pool_name: String,
    /// 1 keeps copies, 3 is erasure-coded.
    #[serde(rename = "type")]
    pub(crate) kind: u64,
    pub(crate) size: u64,
    pub(crate) min_size: u64,
    pub(crate) crush_rule: i64,
    pub(crate) pg_num: u64,
    #[serde(default)]
    pub(crate) pg_autoscale_mode: Option<String>,
    #[serde(default)]
    pub(crate) quota_max_bytes: u64,
    #[serde(default)]
    pub(crate) quota_max_objects: u64,
    #[serde(default)]
    pub(crate) options: PoolOptions,
    #[serde(default)]
    pub(crate) application_metadata: BTreeMap<String, Nothing>,
}

/// Whatever people wrote there.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Nothing {}

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct PoolOptions {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target_size_ratio: Option<f64>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Osd {
    pub(crate) osd: u64,
    pub(crate) up: u8,
    #[serde(rename = "in")]
    pub(crate) is_in: u8,
    #[serde(default)]
    pub(crate) public_addrs: Addresses,
    #[serde(default)]
    pub(crate) cluster_addrs: Addresses,
    #[serde(default)]
    pub(crate) heartbeat_back_addrs: Addresses,
    #[serde(default)]
    pub(crate) heartbeat_front_addrs: Addresses,
}

/// `osd tree`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Tree {
    pub(crate) nodes: Vec<TreeNode>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TreeNode {
    pub(crate) id: i64,
    pub(crate) name: String,
    #[serde(rename = "type")]
    pub(crate) kind: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) children: Vec<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device_class: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) crush_weight: Option<f64>,
}

/// One of `osd crush rule dump`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) rule_id: i64,
    pub(crate) steps: Vec<RuleStep>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RuleStep {
    pub(crate) op: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) item_name: Option<String>,
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
}

/// One of `osd metadata`. What an OSD has never reported is not there.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OsdMetadata {
    pub(crate) id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) hostname: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) device_ids: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) rotational: Option<String>,
}

/// `osd df`.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) nodes: Vec<OsdUsage>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OsdUsage {
    pub(crate) id: u64,
    pub(crate) kb: u64,
    pub(crate) kb_used: u64,
    pub(crate) pgs: u64,
}

/// `pg dump` of placement groups only.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlacementGroups {
    /// Whether a manager that has just begun has heard of all of them.
    #[serde(default = "ready")]
    pub(crate) pg_ready: bool,
    pub(crate) pg_stats: Vec<PlacementGroup>,
}

// Releases that do not say so have no such state.
fn ready() -> bool {
    true
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlacementGroup {
    pub(crate) pgid: String,
    pub(crate) state: String,
    pub(crate) last_deep_scrub_stamp: String,
    pub(crate) stat_sum: PlacementGroupSum,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct PlacementGroupSum {
    pub(crate) num_scrub_errors: u64,
}

/// `time-sync-status`. A single monitor compares with nobody.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct TimeSync {
    #[serde(default)]
    pub(crate) time_skew_status: BTreeMap<String, Skew>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Skew {
    /// Seconds.
    pub(crate) skew: f64,
}

/// `versions`: of each sort of daemon, version to number.
pub(crate) type Versions = BTreeMap<String, BTreeMap<String, u64>>;

/// One of `crash ls-new`. A report of an old release may lack either.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Crash {
    #[serde(default)]
    pub(crate) entity_name: String,
    #[serde(default)]
    pub(crate) timestamp: String,
}

/// `config show`: settings that are not as Ceph has them by itself. Only these are kept: others may be secret.
#[derive(Debug, Serialize, Deserialize)]
#[serde(from = "Vec<Setting>")]
pub(crate) struct Settings(pub(crate) Vec<Setting>);

/// Settings that are kept.
pub(crate) const MEMORY_TARGET: &str = "osd_memory_target";
pub(crate) const MESSENGER_MODES: [&str; 3] = ["ms_cluster_mode", "ms_service_mode", "ms_client_mode"];

impl From<Vec<Setting>> for Settings {
    fn from(mut all: Vec<Setting>) -> Self {
        all.retain(|setting| setting.name == MEMORY_TARGET || MESSENGER_MODES.contains(&setting.name.as_str()));
        Self(all)
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Setting {
    pub(crate) name: String,
    pub(crate) value: String,
}
