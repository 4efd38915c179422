//! `zpool status -j --json-int` (zpool-status(8) of OpenZFS 2.3). With `--json-int` figures are numbers and times seconds since 1970; where a release
//! writes them as text all the same, they are understood too.

use assay_model::component::Reading;
use serde_json::{Map, Value};

use super::status::{Device, Scan, Status, date, state};
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
    let mut status = Status {
        name: name.to_owned(),
        state: text(pool, "state").map_or(Reading::Absent, state),
        layout: Vec::new(),
        data_errors: count(pool, "error_count"),
        scan: pool.get("scan_stats").map_or_else(|| Ok(Scan::none()), scan),
        devices: Vec::new(),
    };
    if let Some(normal) = root.get("vdevs").and_then(Value::as_object) {
        top_level(&mut status, normal, "")?;
    }
    for (key, class) in CLASSES {
        if let Some(vdevs) = pool.get(key).and_then(Value::as_object) {
            top_level(&mut status, vdevs, class)?;
        }
    }
    Ok(status)
}

fn top_level(status: &mut Status, vdevs: &Map<String, Value>, class: &str) -> Result<(), String> {
    for (name, vdev) in vdevs {
        // A raidz of three parities is called `raidz` by its type and `raidz3-0` by its name.
        let kind = match text(vdev, "vdev_type") {
            Some("raidz") => name.split('-').next().unwrap_or("raidz"),
            Some(kind) => kind,
            None => return Err(format!("{name} has no vdev_type")),
        };
        // A removed device leaves one of these behind: nothing is on it.
        if !matches!(kind, "hole" | "indirect") {
            status.layout.push(if class.is_empty() { kind.to_owned() } else { format!("{class}:{kind}") });
            leaves(&mut status.devices, name, vdev, 0)?;
        }
    }
    Ok(())
}

fn leaves(found: &mut Vec<Device>, name: &str, vdev: &Value, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err("vdevs are nested too deeply".into());
    }
    if let Some(children) = vdev.get("vdevs").and_then(Value::as_object) {
        return children.iter().try_for_each(|(name, child)| leaves(found, name, child, depth + 1));
    }
    found.push(Device {
        path: text(vdev, "path").unwrap_or(name).to_owned(),
        state: text(vdev, "state").map_or(Reading::Absent, state),
        read_errors: count(vdev, "read_errors"),
        write_errors: count(vdev, "write_errors"),
        checksum_errors: count(vdev, "checksum_errors"),
    });
    Ok(())
}

fn scan(stats: &Value) -> Result<Scan, String> {
    let word = |name: &str| text(stats, name).map(str::to_lowercase);
    let function = word("function").ok_or("the last scan has no function")?;
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
