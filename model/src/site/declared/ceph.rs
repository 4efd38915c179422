//! What is declared of a Ceph cluster beyond what `[cluster.ceph]` of `bom.toml` orders.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Prefix, When};
use crate::place::Document;
use crate::source::FileError;
use crate::spelling;

const AUTOSCALE_MODES: [&str; 3] = ["on", "warn", "off"];

/// What is declared of the Ceph cluster. What is ordered of it (replicas, pools and their shares) stands in `[cluster.ceph]` of `bom.toml`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ceph {
    /// The number of the cluster, as `ceph fsid` says it: nothing is written to another one.
    pub fsid: Option<String>,
    /// Number of monitors.
    pub monitors: Option<u32>,
    /// Managers that there are at least, the active one among them.
    pub managers_at_least: Option<u32>,
    /// Networks that clients reach the daemons on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub public_networks: Vec<Prefix>,
    /// Networks that OSDs reach each other on; the public ones when there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cluster_networks: Vec<Prefix>,
    /// What the messengers do with what they carry.
    pub messenger: Option<Messenger>,
    /// Memory that every OSD is told to keep to at least, bytes.
    pub memory_target_at_least: Option<u64>,
    /// Days after which the next deep scrub of a placement group is overdue.
    pub deep_scrub_max_age_days: Option<u32>,
    /// How far the clock of a monitor may be from the leader's, ns.
    pub clock_skew_max_ns: Option<u64>,
    /// Placement groups of an OSD: the least and the most.
    pub placement_groups_per_osd: Option<[u64; 2]>,
    /// Standard deviation of how full the OSDs are, as a share of an OSD, at most.
    pub use_deviation_max: Option<f64>,
    /// What no two copies of an object may be in one of: `host`.
    pub failure_domain: Option<String>,
    /// Mode of the autoscaler of every ordered pool: `on`, `warn` or `off`.
    pub autoscale_mode: Option<String>,
    /// What each pool is used by: `rbd`, `cephfs`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub applications: BTreeMap<String, String>,
    /// Pools in which assay may make scratch images of its own, `pool` or `pool/namespace` each; in no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scratch_pools: Vec<String>,
    /// Device classes of pools that were decided otherwise than ordered; each when its condition holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pool_classes: Vec<PoolClass>,
    /// The site has Ceph only when this holds: where another candidate was chosen, nothing is asked of a cluster.
    pub when: Option<When>,
}

/// The device class of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PoolClass {
    /// The pool.
    pub pool: String,
    /// The class that its rule selects.
    pub class: String,
    /// It is declared only when this holds.
    pub when: Option<When>,
}

/// What the messengers (version 2) do with what they carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Messenger {
    /// They check it; encryption is not asked for.
    Crc,
    /// They encrypt it, always.
    Secure,
}

/// Refuses figures and words that nothing could be held against: a bound of nan passes all there is.
pub(crate) fn check(doc: Document<'_>, ceph: &Ceph) -> Result<(), FileError> {
    let refuse = |path: &[&str], why: String| Err(doc.refuse(&[&["ceph"], path].concat(), why));
    for (key, number) in [
        ("monitors", ceph.monitors.map(u64::from)),
        ("managers_at_least", ceph.managers_at_least.map(u64::from)),
        ("memory_target_at_least", ceph.memory_target_at_least),
        ("deep_scrub_max_age_days", ceph.deep_scrub_max_age_days.map(u64::from)),
        ("clock_skew_max_ns", ceph.clock_skew_max_ns),
    ] {
        if number == Some(0) {
            return refuse(&[key], format!("`{key}` is 0; expected 1 or more, or leave it out"));
        }
    }
    if let Some(fsid) = &ceph.fsid
        && !is_uuid(fsid)
    {
        return refuse(&["fsid"], format!("`fsid` is `{fsid}`; expected what `ceph fsid` says: a UUID in lower case"));
    }
    if let Some([least, most]) = ceph.placement_groups_per_osd
        && (least > most || most == 0)
    {
        return refuse(&["placement_groups_per_osd"], format!("`placement_groups_per_osd` is {least} to {most}; expected the least and the most"));
    }
    if let Some(deviation) = ceph.use_deviation_max
        && !(deviation > 0.0 && deviation < 1.0)
    {
        return refuse(&["use_deviation_max"], format!("`use_deviation_max` is {deviation}; expected a share of an OSD above 0 and below 1"));
    }
    if let Some(mode) = &ceph.autoscale_mode
        && !AUTOSCALE_MODES.contains(&mode.as_str())
    {
        let hint = spelling::hint(mode, AUTOSCALE_MODES);
        return refuse(&["autoscale_mode"], format!("unknown `autoscale_mode` `{mode}`; expected {}.{hint}", spelling::list(AUTOSCALE_MODES)));
    }
    for (i, name) in ceph.scratch_pools.iter().enumerate() {
        let parts: Vec<&str> = name.split('/').collect();
        if parts.len() > 2 || parts.iter().any(|part| part.trim().is_empty()) {
            return refuse(
                &["scratch_pools", &i.to_string()],
                format!("`{name}` of `scratch_pools` is no pool; expected `pool` or `pool/namespace`"),
            );
        }
    }
    for (path, word) in words(ceph) {
        if word.trim().is_empty() {
            let path: Vec<&str> = path.iter().map(String::as_str).collect();
            return refuse(&path, format!("`{}` is an empty word; leave it out while it is not known", path.join(".")));
        }
    }
    Ok(())
}

/// As Ceph writes them, which is as they are compared.
fn is_uuid(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && text.split('-').all(is_hex)
}

/// The words that are compared with what a cluster tells, each with its keys.
fn words(ceph: &Ceph) -> Vec<(Vec<String>, &str)> {
    let path = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect::<Vec<_>>();
    let mut words: Vec<(Vec<String>, &str)> = ceph.failure_domain.iter().map(|domain| (path(&["failure_domain"]), domain.as_str())).collect();
    words.extend(ceph.applications.iter().map(|(pool, application)| (path(&["applications", pool]), application.as_str())));
    for (i, of) in ceph.pool_classes.iter().enumerate() {
        let i = i.to_string();
        words.push((path(&["pool_classes", &i, "pool"]), &of.pool));
        words.push((path(&["pool_classes", &i, "class"]), &of.class));
    }
    words
}

/// Refuses what is declared of a pool that nobody ordered: it would be held against none. `ordered` is empty where no order says which pools there are.
pub(crate) fn check_pools(doc: Document<'_>, ceph: &Ceph, ordered: &BTreeSet<&str>) -> Result<(), FileError> {
    let unknown = |pool: &str| {
        (!ordered.is_empty() && !ordered.contains(pool)).then(|| {
            let known = || ordered.iter().copied();
            format!("no pool is called `{pool}`; expected {}.{}", spelling::list(known()), spelling::hint(pool, known()))
        })
    };
    for pool in ceph.applications.keys() {
        if let Some(why) = unknown(pool) {
            return Err(doc.refuse_key(&["ceph", "applications", pool], why));
        }
    }
    for (i, of) in ceph.pool_classes.iter().enumerate() {
        if let Some(why) = unknown(&of.pool) {
            return Err(doc.refuse(&["ceph", "pool_classes", &i.to_string(), "pool"], why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site::declared::{DECLARED_SCHEMA, Declared};

    fn read(ceph: &str) -> Result<Ceph, FileError> {
        let text = format!("schema = 1\n[ceph]\n{ceph}\n");
        let doc = Document::new("declared.toml", &text);
        let ceph = doc.parse::<Declared>(DECLARED_SCHEMA)?.ceph;
        check(doc, &ceph).map(|()| ceph)
    }

    #[test]
    fn what_can_be_held_is_read_as_written_and_all_of_it_may_be_open() {
        assert_eq!(read(""), Ok(Ceph::default()));
        for text in [
            "monitors = 1",
            "fsid = \"0b5c6a62-5f3c-4c4b-9d7a-6e1ea0a6a0a1\"",
            "use_deviation_max = 0.05",
            "placement_groups_per_osd = [100, 100]",
            "autoscale_mode = \"warn\"",
            "scratch_pools = [\"a\", \"a/b\"]",
            "applications = { a = \"rgw\" }",
        ] {
            read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    #[test]
    fn what_nothing_could_be_held_against_is_refused_at_its_line() {
        for (text, words) in [
            ("monitors = 0", "`monitors` is 0"),
            ("fsid = \"\"", "`ceph fsid`"),
            ("fsid = \"0B5C6A62-5F3C-4C4B-9D7A-6E1EA0A6A0A1\"", "lower case"),
            ("fsid = \"0b5c6a62-5f3c-4c4b-9d7a-6e1ea0a6a0a\"", "`ceph fsid`"),
            ("fsid = \"0b5c6a625f3c4c4b9d7a6e1ea0a6a0a1\"", "`ceph fsid`"),
            ("managers_at_least = 0", "`managers_at_least` is 0"),
            ("memory_target_at_least = 0", "`memory_target_at_least` is 0"),
            ("deep_scrub_max_age_days = 0", "`deep_scrub_max_age_days` is 0"),
            ("clock_skew_max_ns = 0", "`clock_skew_max_ns` is 0"),
            ("placement_groups_per_osd = [200, 50]", "least and the most"),
            ("placement_groups_per_osd = [0, 0]", "least and the most"),
            ("placement_groups_per_osd = [50]", "length"),
            ("use_deviation_max = nan", "NaN"),
            ("use_deviation_max = inf", "inf"),
            ("use_deviation_max = 0.0", "above 0"),
            ("use_deviation_max = -0.1", "above 0"),
            ("use_deviation_max = 1.0", "below 1"),
            ("failure_domain = \" \"", "empty"),
            ("autoscale_mode = \"onn\"", "Did you mean `on`?"),
            ("applications = { rbd-vms = \"\" }", "empty"),
            ("pool_classes = [{ pool = \"a\", class = \"\" }]", "empty"),
            ("pool_classes = [{ pool = \"\", class = \"nvme\" }]", "empty"),
            ("scratch_pools = [\"a\", \"\"]", "`pool/namespace`"),
            ("scratch_pools = [\"/b\"]", "`pool/namespace`"),
            ("scratch_pools = [\"a/\"]", "`pool/namespace`"),
            ("scratch_pools = [\"a/b/c\"]", "`pool/namespace`"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.line == 3 && error.message.contains(words), "`{words}` for {text}: {error}");
        }
    }
}
