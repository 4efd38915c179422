//! `zpool status -Pp` as text for people (zpool-status(8) of OpenZFS before 2.3). The tree of devices is told by indentation; `-P` gives whole paths and
//! `-p` whole numbers.

use assay_model::component::Reading;

use super::draid;
use super::status::{Counters, Device, NORMAL, Scan, Status, Vdev, date, state};
use crate::host::whole;

/// Rows that begin a class of devices.
const CLASSES: [(&str, &str); 5] = [("logs", "log"), ("cache", "cache"), ("special", "special"), ("dedup", "dedup"), ("spares", "spare")];
const GROUPS: [&str; 4] = ["mirror", "raidz", "replacing", "spare"];
/// Blanks by which the root vdev is deeper than the heading of a class: none; its children are deeper by this many.
const STEP: usize = 2;
/// What stands in the column after the name, which may have blanks in it.
const STATES: [&str; 9] = ["ONLINE", "DEGRADED", "FAULTED", "OFFLINE", "UNAVAIL", "REMOVED", "SPLIT", "AVAIL", "INUSE"];

/// Every pool that is imported.
pub(super) fn parse(text: &str) -> Result<Vec<Status>, String> {
    let mut pools: Vec<Status> = Vec::new();
    let mut table: Option<Table> = None;
    for line in text.lines() {
        if let Some(name) = label(line, "pool:") {
            whole_table(&pools, table.as_ref())?;
            pools.push(Status::begun(name));
            table = None;
            continue;
        }
        let Some(pool) = pools.last_mut() else { continue };
        if let Some(said) = label(line, "state:") {
            pool.state = state(said);
        } else if let Some(said) = label(line, "scan:") {
            // A pool that was scrubbed and rebuilt has a line of each.
            match rebuild(said) {
                Some((vdev, state)) => drop(pool.rebuilds.insert(vdev, state)),
                None => pool.scan = scan(said),
            }
        } else if let Some(said) = label(line, "errors:") {
            pool.data_errors = data_errors(said);
            table = None;
        } else if label(line, "config:").is_some() {
            table = Some(Table::default());
        } else if let Some(table) = table.as_mut() {
            table.row(pool, line)?;
        }
    }
    whole_table(&pools, table.as_ref())?;
    if pools.is_empty() && !text.contains("no pools available") {
        return Err("it names no pool".into());
    }
    Ok(pools)
}

/// A line about errors ends every table: without it there may have been more devices.
fn whole_table(pools: &[Status], table: Option<&Table>) -> Result<(), String> {
    match (pools.last(), table) {
        (Some(pool), Some(_)) => Err(format!("the table of {} breaks off", pool.name)),
        (None | Some(_), _) => Ok(()),
    }
}

// Labels stand before the tab of the table's rows, right-aligned to a width of eight.
fn label<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    if line.starts_with('\t') { None } else { line.trim_start().strip_prefix(name).map(str::trim) }
}

/// The table of devices, and where in it the reader is.
#[derive(Debug, Default)]
struct Table {
    is_headed: bool,
    is_rooted: bool,
    class: Option<&'static str>,
    /// The spare group that the reader is in, and how deep it is.
    group: Option<(usize, String)>,
}

impl Table {
    fn row(&mut self, pool: &mut Status, line: &str) -> Result<(), String> {
        let Some(row) = line.strip_prefix('\t') else { return Ok(()) };
        let depth = row.len() - row.trim_start_matches(' ').len();
        let words: Vec<&str> = row.split_whitespace().collect();
        if words.is_empty() {
            return Ok(());
        }
        let at = words.iter().skip(1).position(|word| STATES.contains(word)).map_or(1, |at| at + 1);
        let (name, columns) = (words[..at].join(" "), &words[at..]);
        if !self.is_headed {
            self.is_headed = words.first() == Some(&"NAME");
            return if self.is_headed { Ok(()) } else { Err("its table has no heading".into()) };
        }
        // The root vdev bears the pool's name, which may be that of a class.
        if !self.is_rooted {
            self.is_rooted = depth == 0;
            pool.counters = counters(columns);
            return if self.is_rooted { Ok(()) } else { Err("its table does not begin with the pool".into()) };
        }
        if depth == 0 {
            let class = CLASSES.iter().find(|(heading, _)| *heading == name).map(|(_, class)| *class);
            self.class = Some(class.ok_or_else(|| format!("does not know the class `{}`", name.chars().take(40).collect::<String>()))?);
            self.group = None;
            return Ok(());
        }
        self.below(pool, depth, name, columns);
        Ok(())
    }

    fn below(&mut self, pool: &mut Status, depth: usize, name: String, columns: &[&str]) {
        let class = self.class.unwrap_or(NORMAL);
        let is_beside = matches!(class, "cache" | "spare");
        // mirror-0, raidz2-0, draid2:4d:12c:1s-0; a path, a GUID or draid2-0-0 is a device.
        let group = GROUPS.iter().find(|group| name.starts_with(**group) && name.contains('-') && !name.starts_with('/'));
        let is_group = group.is_some() || draid::is_vdev(&name);
        let kind = match group {
            Some(&"raidz") => name.split('-').next().unwrap_or(&name),
            Some(group) => group,
            None if draid::is_vdev(&name) => "draid",
            None if draid::is_spare(&name) => "dspare",
            None => "disk",
        };
        if self.group.as_ref().is_some_and(|(of, _)| depth <= *of) {
            self.group = None;
        }
        let told = columns.first().map_or(Reading::Absent, |word| state(word));
        // Spares count nothing, and say in words what they are used for.
        let counters = if class == "spare" { Counters::none() } else { counters(columns) };
        if depth <= STEP {
            let (name, kind, state, counters) = (name.clone(), kind.to_owned(), told.clone(), counters.clone());
            pool.top_level(Vdev { name, class, kind, state, counters, children: 0 });
        } else if depth <= 2 * STEP
            && let Some(vdev) = pool.vdevs.last_mut().filter(|_| !is_beside)
        {
            vdev.children += 1;
        }
        let vdev = pool.vdevs.last().filter(|_| !is_beside).map(|vdev| vdev.name.clone());
        if is_group {
            if kind == "spare" {
                self.group = Some((depth, format!("{} {name}", vdev.unwrap_or_default())));
            }
            return;
        }
        let group = self.group.as_ref().map(|(_, group)| group.clone());
        pool.devices.push(Device { kind: Some(kind.to_owned()), path: name, vdev, class, state: told, counters, group });
    }
}

/// READ, WRITE and CKSUM, which follow the state.
fn counters(columns: &[&str]) -> Counters {
    let count = |at: usize| match columns.get(at) {
        // Cache devices have fewer columns.
        None => Reading::Absent,
        Some(text) => whole(text).map_or_else(|why| Reading::Unreadable(format!("says `{text}`: {why}")), Reading::from),
    };
    Counters { read: count(1), write: count(2), checksum: count(3) }
}

/// `resilver (draid2:4d:12c:1s-0) in progress since ...`, `resilvered (draid2:4d:12c:1s-0) 1.21T in ...`: a sequential resilver, which is one of a vdev.
fn rebuild(said: &str) -> Option<(String, String)> {
    let rest = said.strip_prefix("resilvered (").or_else(|| said.strip_prefix("resilver ("))?;
    let (vdev, rest) = rest.split_once(") ")?;
    let state = match rest.split_whitespace().next() {
        Some("in") => "active",
        Some("canceled") => "canceled",
        Some(_) | None => "complete",
    };
    Some((vdev.to_owned(), state.to_owned()))
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
