//! On which OSDs the objects of an image lie, as the monitors map them: what fails is chosen so that the client has something of it, and what has too few copies left is known.

use std::ops::Range;

use assay_bench::engine::rbd::{Image, Pool};
use serde_json::Value;

use super::cluster::Cluster;
use crate::error::chain;

/// Objects that are asked for at most: each is a question, and so many show where an image lies.
const ASKED: u64 = 256;

/// An object of the image and the OSDs that hold it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// Its bytes in the image.
    pub(super) bytes: Range<u64>,
    /// The OSDs, the one that answers first.
    pub(super) acting: Vec<u64>,
}

/// Where an image lies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Placement(pub(super) Vec<Object>);

impl Placement {
    /// Asks for the objects of an image; of a large one for as many as say enough.
    pub(super) fn of(pool: &Pool, image: &Image) -> Result<Self, String> {
        let objects = image.objects().map_err(|error| chain(&error))?;
        let count = image.bytes().div_ceil(objects.bytes).min(ASKED);
        let mut words = image.name().split('/');
        let name = words.next().unwrap_or_default();
        // `pool/image`, or `pool/namespace/image`.
        let namespace = image.name().matches('/').nth(1).and_then(|_| words.next());
        let mut found = Vec::new();
        for number in 0..count {
            let object = format!("{}.{number:016x}", objects.prefix);
            let mut command = serde_json::json!({ "prefix": "osd map", "pool": name, "object": object, "format": "json" });
            if let Some(namespace) = namespace {
                command["nspace"] = namespace.into();
            }
            let answer = pool.ask(&command.to_string()).map_err(|error| chain(&error))?;
            let answer: Value = serde_json::from_str(&answer).map_err(|error| format!("where {object} lies cannot be read: {error}"))?;
            let acting = acting_of(&answer).ok_or_else(|| format!("the monitors do not say where {object} lies"))?;
            found.push(Object { bytes: number * objects.bytes..(number + 1) * objects.bytes, acting });
        }
        Ok(Self(found))
    }

    /// How many objects lie on all of these OSDs.
    pub(super) fn on(&self, osds: &[u64]) -> usize {
        self.0.iter().filter(|object| osds.iter().all(|osd| object.acting.contains(osd))).count()
    }

    /// The bytes of the objects that lie on all of these OSDs.
    pub(super) fn bytes_on(&self, osds: &[u64]) -> Vec<Range<u64>> {
        self.0.iter().filter(|object| osds.iter().all(|osd| object.acting.contains(osd))).map(|object| object.bytes.clone()).collect()
    }

    /// Of some OSDs the one that holds most of it.
    pub(super) fn fullest(&self, osds: &[u64]) -> Option<u64> {
        // Of several that hold as much the first.
        osds.iter().copied().max_by_key(|osd| (self.on(&[*osd]), std::cmp::Reverse(*osd)))
    }

    /// Of two hosts' OSDs the two that hold most of it together.
    pub(super) fn fullest_pair(&self, one: &[u64], other: &[u64]) -> Option<(u64, u64)> {
        let pairs = one.iter().flat_map(|first| other.iter().map(move |second| (*first, *second)));
        pairs.max_by_key(|(first, second)| (self.on(&[*first, *second]), std::cmp::Reverse((*first, *second))))
    }
}

/// Pools of which two copies may lie on one host, by what their CRUSH rules divide: what stops a host would stop them.
pub(super) fn not_by_host(pool: &Pool, cluster: &Cluster) -> Result<Vec<String>, String> {
    let command = serde_json::json!({ "prefix": "osd crush rule dump", "format": "json" });
    let answer = pool.ask(&command.to_string()).map_err(|error| chain(&error))?;
    let rules: Value = serde_json::from_str(&answer).map_err(|error| format!("the CRUSH rules cannot be read: {error}"))?;
    let named = cluster.pools.iter().filter(|(_, facts)| !divides_hosts(&rules, facts.rule));
    Ok(named.map(|(pool, _)| pool.clone()).collect())
}

/// Whether a rule takes each copy from another host, or from another of something larger. One that nobody knows does not.
fn divides_hosts(rules: &Value, number: u64) -> bool {
    let rule = rules.as_array().and_then(|rules| rules.iter().find(|rule| rule.get("rule_id").and_then(Value::as_u64) == Some(number)));
    let steps = rule.and_then(|rule| rule.get("steps")).and_then(Value::as_array);
    let mut types = steps.into_iter().flatten().filter_map(|step| {
        let op = step.get("op").and_then(Value::as_str)?;
        op.starts_with("choose").then(|| step.get("type").and_then(Value::as_str).unwrap_or("osd"))
    });
    // The first choice divides copies; what is chosen within it is one of several.
    types.next().is_some_and(|kind| kind != "osd") && types.all(|kind| kind != "osd")
}

fn acting_of(answer: &Value) -> Option<Vec<u64>> {
    let acting = answer.get("acting")?.as_array()?;
    acting.iter().map(Value::as_u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn placement(acting: &[&[u64]]) -> Placement {
        Placement((0..).zip(acting).map(|(number, acting)| Object { bytes: number * 4..(number + 1) * 4, acting: acting.to_vec() }).collect())
    }

    #[test]
    fn what_holds_most_of_an_image_is_chosen() {
        let image = placement(&[&[0, 12, 24], &[1, 12, 25], &[1, 13, 24], &[1, 12, 24]]);
        assert_eq!((image.fullest(&[0, 1, 2]), image.fullest(&[2, 3]), image.fullest(&[])), (Some(1), Some(2), None));
        assert_eq!(image.fullest_pair(&[0, 1], &[12, 13]), Some((1, 12)));
        assert_eq!((image.on(&[1, 12]), image.bytes_on(&[1, 12])), (2, vec![4..8, 12..16]));
    }

    #[test]
    fn a_rule_that_divides_no_hosts_is_told_from_one_that_does() {
        let step = |op: &str, kind: &str| serde_json::json!({ "op": op, "num": 0, "type": kind });
        let rules = serde_json::json!([
            { "rule_id": 0, "steps": [{ "op": "take", "item": -1 }, step("chooseleaf_firstn", "host"), { "op": "emit" }] },
            { "rule_id": 1, "steps": [step("choose_firstn", "osd")] },
            { "rule_id": 2, "steps": [step("choose_firstn", "rack"), step("chooseleaf_firstn", "host")] },
            { "rule_id": 3, "steps": [{ "op": "take", "item": -1 }] },
            { "rule_id": 4, "steps": [step("choose_indep", "host"), step("choose_indep", "osd")] },
        ]);
        assert_eq!([0, 1, 2, 3, 4, 9].map(|rule| divides_hosts(&rules, rule)), [true, false, true, false, false, false]);
    }

    #[test]
    fn an_answer_without_its_osds_is_none() {
        assert_eq!(acting_of(&serde_json::json!({ "acting": [2, 0, 1] })), Some(vec![2, 0, 1]));
        for answer in [serde_json::json!({}), serde_json::json!({ "acting": ["a"] }), serde_json::json!({ "acting": [-1] })] {
            assert_eq!(acting_of(&answer), None, "{answer}");
        }
    }
}
