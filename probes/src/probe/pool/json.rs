//! `zpool status -j --json-int` (zpool-status(8) of OpenZFS 2.3). With `--json-int` figures are numbers and times seconds since 1970; where a release
//! writes them as text all the same, they are understood too.

use std::collections::BTreeMap;

use assay_model::component::Reading;
use serde_json::{Map, Value};

use super::draid;
use super::status::{Counters, Device, NORMAL, Scan, Status, Vdev, date, state};
use crate::host::whole;

/// Deeper than any pool: pool, top-level, spare or replacing, leaf.
const DEPTH_MAX: usize = 8;
/// Where devices stand that are not of class normal.
const CLASSES: [(&str, &str); 5] = [("logs", "log"), ("l2cache", "cache"), ("special", "special"), ("dedup", "dedup"), ("spares", "spare")];

/// Every pool that is imported.
pub(super) fn parse(text: &str) -> Result<Vec<Status>, String> {
    let root: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
    let pools = root.get("pools").and_then(Value::as_object).ok_or("it has no `pools`")?;
    pools.iter().map(|(name, pool)| status(name, pool)).collect()
}

fn status(key: &str, pool: &Value) -> Result<Status, String> {
    let name = pool.get("name").and_then(Value::as_str).unwrap_or(key);
    let root = pool.get("vdevs").and_then(Value::as_object).and_then(|vdevs| vdevs.get(name)).ok_or_else(|| format!("{name} has no root vdev"))?;
    let scan_stats = pool.get("scan_stats");
    let mut status = Status {
        state: text(pool, "state").map_or(Reading::Absent, state),
        counters: counters(root),
        data_errors: count(pool, "error_count"),
        scan: scan_stats.map_or_else(|| Ok(Scan::none()), scan),
        rebuilds: scan_stats.map_or_else(|| Ok(BTreeMap::new()), rebuilds)?,
        ..Status::begun(name)
    };
    if let Some(normal) = root.get("vdevs").and_then(Value::as_object) {
        top_level(&mut status, normal, NORMAL)?;
    }
    for (key, class) in CLASSES {
        if let Some(vdevs) = pool.get(key).and_then(Value::as_object) {
            top_level(&mut status, vdevs, class)?;
        }
    }
    Ok(status)
}

fn top_level(status: &mut Status, vdevs: &Map<String, Value>, class: &'static str) -> Result<(), String> {
    for (name, vdev) in vdevs {
        let kind = kind(name, vdev).ok_or_else(|| format!("{name} has no vdev_type"))?;
        // A removed device leaves one of these behind: nothing is on it.
        if matches!(kind, "hole" | "indirect") {
            continue;
        }
        let place = Place { vdev: (!matches!(class, "cache" | "spare")).then_some(name), class, group: None };
        status.top_level(Vdev {
            name: name.clone(),
            class,
            kind: kind.to_owned(),
            state: text(vdev, "state").map_or(Reading::Absent, state),
            counters: counters(vdev),
            children: vdev.get("vdevs").and_then(Value::as_object).map_or(0, |children| u64::try_from(children.len()).unwrap_or(u64::MAX)),
        });
        leaves(&mut status.devices, name, vdev, &place, 0)?;
    }
    Ok(())
}

/// What a vdev is. Of a dRAID vdev the releases up to 2.4 at least tell neither type nor state (openzfs/zfs issue 18431).
fn kind<'a>(name: &'a str, vdev: &'a Value) -> Option<&'a str> {
    match text(vdev, "vdev_type") {
        // A raidz of three parities is called `raidz` by its type and `raidz3-0` by its name.
        Some("raidz") => Some(name.split('-').next().unwrap_or("raidz")),
        Some(kind) => Some(kind),
        None if draid::is_vdev(name) => Some("draid"),
        None if draid::is_spare(name) => Some("dspare"),
        None => None,
    }
}

/// Where in a pool a leaf is.
struct Place<'a> {
    vdev: Option<&'a String>,
    class: &'static str,
    group: Option<String>,
}

fn leaves(found: &mut Vec<Device>, name: &str, vdev: &Value, place: &Place<'_>, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err("vdevs are nested too deeply".into());
    }
    let kind = kind(name, vdev);
    if let Some(children) = vdev.get("vdevs").and_then(Value::as_object) {
        // Groups are numbered within their vdev.
        let group = (kind == Some("spare")).then(|| format!("{} {name}", place.vdev.map_or("", String::as_str)));
        let below = Place { group: group.or_else(|| place.group.clone()), ..*place };
        return children.iter().try_for_each(|(name, child)| leaves(found, name, child, &below, depth + 1));
    }
    found.push(Device {
        path: text(vdev, "path").unwrap_or(name).to_owned(),
        vdev: place.vdev.cloned(),
        class: place.class,
        kind: kind.map(str::to_owned),
        state: text(vdev, "state").map_or(Reading::Absent, state),
        counters: counters(vdev),
        group: place.group.clone(),
    });
    Ok(())
}

fn counters(vdev: &Value) -> Counters {
    Counters { read: count(vdev, "read_errors"), write: count(vdev, "write_errors"), checksum: count(vdev, "checksum_errors") }
}

/// States of sequential resilvers by vdev: `{"draid2:4d:12c:1s-0": {"state": "ACTIVE", ...}}`.
fn rebuilds(stats: &Value) -> Result<BTreeMap<String, String>, String> {
    let Some(rebuilds) = stats.get("rebuild_stats") else { return Ok(BTreeMap::new()) };
    let rebuilds = rebuilds.as_object().ok_or("its rebuild_stats are no object")?;
    let state =
        |name: &String, stats: &Value| text(stats, "state").map(str::to_lowercase).ok_or_else(|| format!("the rebuild of {name} has no state"));
    rebuilds.iter().map(|(name, stats)| Ok((name.clone(), state(name, stats)?))).collect()
}

fn scan(stats: &Value) -> Result<Scan, String> {
    let word = |name: &str| text(stats, name).map(str::to_lowercase);
    let function = match word("function") {
        Some(function) => function,
        // A pool that was never scanned, but rebuilt.
        None if stats.get("rebuild_stats").is_some() => return Ok(Scan::none()),
        None => return Err("the last scan has no function".into()),
    };
    if function == "none" {
        return Ok(Scan::none());
    }
    let state = word("state").ok_or("the last scan has no state")?;
    let is_done = function == "scrub" && state == "finished";
    Ok(Scan { function, state, errors: count(stats, "errors"), ended: is_done.then(|| time(stats, "end_time")) })
}

fn time(stats: &Value, name: &str) -> Result<i64, String> {
    match stats.get(name) {
        Some(Value::Number(seconds)) => seconds.as_i64().ok_or_else(|| format!("{name} is {seconds}")),
        Some(Value::String(text)) => text.parse().or_else(|_| date(text)),
        _ => Err(format!("the last scan has no {name}")),
    }
}

fn count(value: &Value, name: &str) -> Reading {
    match value.get(name) {
        None => Reading::Absent,
        Some(Value::Number(count)) => count.as_u64().map_or_else(|| Reading::Unreadable(format!("{name} is {count}")), Reading::from),
        Some(Value::String(text)) => whole(text).map_or_else(|why| Reading::Unreadable(format!("{name}: {why}")), Reading::from),
        Some(_) => Reading::Unreadable(format!("{name} is no number")),
    }
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}
