//! `zpool status -Pp` as text for people (zpool-status(8) of OpenZFS before 2.3). The tree of devices is told by indentation; `-P` gives whole paths and
//! `-p` whole numbers.

use assay_model::component::Reading;

use super::status::{Device, Scan, Status, date, state};
use crate::host::whole;

/// Rows that begin a class of devices.
const CLASSES: [(&str, &str); 5] = [("logs", "log"), ("cache", "cache"), ("special", "special"), ("dedup", "dedup"), ("spares", "spare")];
const GROUPS: [&str; 5] = ["mirror", "raidz", "draid", "replacing", "spare"];
/// Blanks by which the root vdev is deeper than the heading of a class: none; its children are deeper by this many.
const STEP: usize = 2;

/// Every pool that is imported.
pub(super) fn parse(text: &str) -> Result<Vec<Status>, String> {
    let mut pools: Vec<Status> = Vec::new();
    let mut table: Option<Table> = None;
    for line in text.lines() {
        let trimmed = line.trim_start();
        if let Some(name) = trimmed.strip_prefix("pool:") {
            pools.push(begun(name.trim()));
            table = None;
            continue;
        }
        let Some(pool) = pools.last_mut() else { continue };
        if let Some(said) = label(line, "state:") {
            pool.state = state(said);
        } else if let Some(said) = label(line, "scan:") {
            pool.scan = scan(said);
        } else if let Some(said) = label(line, "errors:") {
            pool.data_errors = data_errors(said);
            table = None;
        } else if label(line, "config:").is_some() {
            table = Some(Table::default());
        } else if let Some(table) = table.as_mut() {
            table.row(pool, line)?;
        }
    }
    if pools.is_empty() && !text.contains("no pools available") {
        return Err("it names no pool".into());
    }
    Ok(pools)
}

fn begun(name: &str) -> Status {
    Status {
        name: name.to_owned(),
        state: Reading::Absent,
        layout: Vec::new(),
        data_errors: Reading::Absent,
        scan: Ok(Scan::none()),
        devices: Vec::new(),
    }
}

// Labels stand before the tab of the table's rows, right-aligned to a width of eight.
fn label<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    if line.starts_with('\t') { None } else { line.trim_start().strip_prefix(name).map(str::trim) }
}

/// The table of devices, and where in it the reader is.
#[derive(Debug, Default)]
struct Table {
    class: &'static str,
    is_headed: bool,
}

impl Table {
    fn row(&mut self, pool: &mut Status, line: &str) -> Result<(), String> {
        let Some(row) = line.strip_prefix('\t') else { return Ok(()) };
        let depth = row.len() - row.trim_start_matches(' ').len();
        let words: Vec<&str> = row.split_whitespace().collect();
        let [name, rest @ ..] = words.as_slice() else { return Ok(()) };
        if !self.is_headed {
            self.is_headed = *name == "NAME";
            return if self.is_headed { Ok(()) } else { Err("its table has no heading".into()) };
        }
        if let (0, Some((_, class))) = (depth, CLASSES.iter().find(|(heading, _)| heading == name)) {
            self.class = class;
            return Ok(());
        }
        // The root vdev bears the pool's name and counts what its children count.
        if depth == 0 {
            return Ok(());
        }
        // mirror-0, raidz2-0, draid1:2d:6c:1s-0; a path or a GUID is a device.
        let group = GROUPS.iter().find(|group| name.starts_with(**group) && name.contains('-') && !name.starts_with('/'));
        if depth <= STEP {
            let kind = match group {
                Some(&"raidz") => name.split('-').next().unwrap_or(name),
                Some(group) => group,
                None => "disk",
            };
            pool.layout.push(if self.class.is_empty() { kind.to_owned() } else { format!("{}:{kind}", self.class) });
        }
        if group.is_none() {
            pool.devices.push(device(name, rest));
        }
        Ok(())
    }
}

fn device(name: &str, columns: &[&str]) -> Device {
    let count = |at: usize| match columns.get(at) {
        // Spares and cache devices have fewer columns.
        None => Reading::Absent,
        Some(text) => whole(text).map_or_else(|why| Reading::Unreadable(format!("says `{text}`: {why}")), Reading::from),
    };
    Device {
        path: name.to_owned(),
        state: columns.first().map_or(Reading::Absent, |word| state(word)),
        read_errors: count(1),
        write_errors: count(2),
        checksum_errors: count(3),
    }
}

/// `scrub repaired 0B in 00:00:13 with 0 errors on Sun Nov  9 00:24:14 2025`, `resilver in progress since ...`, `none requested`.
fn scan(said: &str) -> Result<Scan, String> {
    if said.starts_with("none requested") {
        return Ok(Scan::none());
    }
    let of = |function: &str, state: &str| Scan { function: function.into(), state: state.into(), errors: Reading::Absent, ended: None };
    let function = match said.split_whitespace().next() {
        Some("scrub") => "scrub",
        Some("resilver" | "resilvered") => "resilver",
        _ => return Err(format!("does not understand `{}`", said.chars().take(40).collect::<String>())),
    };
    if said.contains(" in progress ") {
        return Ok(of(function, "scanning"));
    }
    if said.contains(" paused ") {
        return Ok(of(function, "paused"));
    }
    if said.contains(" canceled ") {
        return Ok(of(function, "canceled"));
    }
    let (errors, ended) = said
        .rsplit_once(" with ")
        .and_then(|(_, rest)| rest.split_once(" errors on "))
        .ok_or_else(|| format!("does not understand `{}`", said.chars().take(40).collect::<String>()))?;
    let errors = whole(errors).map_or_else(Reading::Unreadable, Reading::from);
    Ok(Scan { errors, ended: (function == "scrub").then(|| date(ended)), ..of(function, "finished") })
}

fn data_errors(said: &str) -> Reading {
    if said.starts_with("No known data errors") {
        return 0_u64.into();
    }
    let count = said.strip_suffix(", use '-v' for a list").and_then(|said| said.strip_suffix(" data errors"));
    count.and_then(|count| whole(count).ok()).map_or_else(|| Reading::Unreadable(said.chars().take(60).collect()), Reading::from)
}
