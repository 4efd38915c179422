//! Reference nodes: what healthy machines of several kinds answer, as snapshots (`probes/fixtures/<node>/*.snap`) with the site that each was ordered for.
//! A node may be another one with changes (`node.toml`). All of it is embedded.

use std::collections::BTreeMap;

use assay_model::site::{self, Site, SiteFiles};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::host::patch::{Look, Patch};
use crate::host::{Host, Snapshot};

mod embedded {
    include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
}

pub(crate) use self::embedded::CORPUS;

/// What is wrong with the files of the reference nodes or of the corpus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {reason}")]
pub struct BrokenReference {
    /// The file, below `probes`.
    pub file: String,
    /// What is wrong with it.
    pub reason: String,
}

pub(crate) fn broken(file: impl Into<String>, reason: impl ToString) -> BrokenReference {
    BrokenReference { file: file.into(), reason: reason.to_string() }
}

/// When the reference nodes were looked at.
const NOW: Timestamp = Timestamp::constant(1_763_900_000, 0);
/// How long before that the earlier look was.
const WINDOW: SignedDuration = SignedDuration::from_secs(3600);

/// Sections of the earlier look end like this; they name only what was different then.
const EARLIER: &str = ".before.snap";

/// `node.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeFile {
    /// What it is, in words.
    title: String,
    /// The site that it was ordered for.
    site: SiteName,
    /// The node that it is like, but for sections of its own and for the patches.
    of: Option<String>,
    #[serde(default)]
    patch: Vec<Patch>,
}

/// The sites of reference nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SiteName {
    /// Nothing is ordered.
    Generic,
    /// The reference site with its contradictions resolved.
    Reference,
    /// The same with one socket and twelve modules.
    OneSocket,
    /// The same with its products pinned in the order.
    Pinned,
    /// The same with its data in ZFS in place of Ceph.
    Draid,
}

/// A reference node.
#[derive(Debug, Clone)]
pub struct Node {
    /// The name of its folder.
    pub name: String,
    /// What it is, in words.
    pub title: String,
    /// The site that it was ordered for.
    pub site: Site,
    /// What it answers now.
    pub(crate) now: Snapshot,
    /// What it answered an hour before.
    pub(crate) before: Snapshot,
}

impl Node {
    /// The node as a host.
    pub fn host(&self) -> Host {
        Host::of_snapshot(self.now.clone())
    }

    /// The node as a snapshot file, taken at that time, so that it can be looked at.
    pub fn text(&self, at: Timestamp) -> String {
        let mut snapshot = self.now.clone();
        snapshot.header.time = at.to_string();
        snapshot.to_string()
    }
}

/// Every reference node, by name.
pub fn nodes() -> Result<BTreeMap<String, Node>, BrokenReference> {
    let names: std::collections::BTreeSet<&str> =
        embedded::FIXTURES.iter().filter_map(|(file, _)| file.split_once('/')).map(|(node, _)| node).collect();
    let mut nodes = BTreeMap::new();
    for name in names.iter().filter(|name| !matches!(**name, "sites" | "make")) {
        let node = node(name)?;
        nodes.insert(node.name.clone(), node);
    }
    Ok(nodes)
}

/// A section file of a node: its path below `probes`, and its text.
type Sections = BTreeMap<&'static str, (String, &'static str)>;

fn node(name: &str) -> Result<Node, BrokenReference> {
    let (head, sections, patches) = layers(name, 0)?;
    let file = format!("fixtures/{name}/node.toml");
    let mut now = Snapshot::of_a_fixture();
    for (section, (file, text)) in sections.iter().filter(|(section, _)| !section.ends_with(EARLIER)) {
        for (path, asked) in Snapshot::parse(text).map_err(|error| broken(file, error))?.answers {
            if now.answers.insert(path.clone(), asked).is_some() {
                return Err(broken(file, format!("{path} is answered by another section than {section} too")));
            }
        }
    }
    // An earlier look differs in some counters only.
    let mut before = now.clone();
    for (_, (file, text)) in sections.iter().filter(|(section, _)| section.ends_with(EARLIER)) {
        before.answers.extend(Snapshot::parse(text).map_err(|error| broken(file, error))?.answers);
    }
    for (snapshot, look) in [(&mut now, Look::Now), (&mut before, Look::Before)] {
        // What is so at a node was so an hour before, unless a patch says which look it is about.
        let meant = patches.iter().filter(|patch| patch.look.is_none_or(|meant| meant == look || meant == Look::Both));
        for patch in meant {
            snapshot.patch(patch).map_err(|why| broken(&file, why))?;
        }
    }
    let host = now.answers.get("/proc/sys/kernel/hostname").and_then(|asked| asked.values().next()).cloned();
    let host = host.and_then(|answer| answer.into_text().ok()).unwrap_or_else(|| name.to_owned());
    for (snapshot, time) in [(&mut now, NOW), (&mut before, NOW - WINDOW)] {
        snapshot.header.tool = "assay selftest".into();
        snapshot.header.host.clone_from(&host);
        snapshot.header.time = time.to_string();
    }
    Ok(Node { name: name.to_owned(), title: head.title, site: site(head.site)?, now, before })
}

/// What a node consists of: the sections of the one that it is like, with its own in place of those of the same name, and all patches.
fn layers(name: &str, depth: usize) -> Result<(NodeFile, Sections, Vec<Patch>), BrokenReference> {
    let folder = format!("{name}/");
    let own = embedded::FIXTURES.iter().filter_map(|(file, text)| Some((file.strip_prefix(folder.as_str())?, (format!("fixtures/{file}"), *text))));
    let mut own: Sections = own.collect();
    let (file, text) = own.remove("node.toml").ok_or_else(|| broken(format!("fixtures/{name}"), "a node without a node.toml"))?;
    let mut head: NodeFile = toml::from_str(text).map_err(|error| broken(&file, error))?;
    let (mut sections, mut patches) = match &head.of {
        Some(_) if depth > 4 => return Err(broken(&file, "nodes that are of each other")),
        Some(of) => layers(of, depth + 1).map(|(_, sections, patches)| (sections, patches))?,
        None => (Sections::new(), Vec::new()),
    };
    sections.extend(own);
    patches.append(&mut head.patch);
    Ok((head, sections, patches))
}

fn site(name: SiteName) -> Result<Site, BrokenReference> {
    let file = "fixtures/sites";
    let (origin, files) = match name {
        SiteName::Generic => ("generic", embedded::GENERIC),
        SiteName::Reference | SiteName::OneSocket | SiteName::Pinned | SiteName::Draid => ("reference", embedded::ORDER),
    };
    let mut files: BTreeMap<String, String> = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    if name != SiteName::Generic {
        let contradictions = files.get("contradictions.toml").cloned().unwrap_or_default();
        files.insert("contradictions.toml".into(), resolved(&contradictions, name)?);
        let declared = files.get("declared.toml").cloned().unwrap_or_default();
        files.insert("declared.toml".into(), completed(&declared)?);
    }
    if name == SiteName::Pinned {
        let order = files.get("bom.toml").cloned().unwrap_or_default();
        files.insert("bom.toml".into(), pinned(&order)?);
    }
    let owned = |embedded: &[(&str, &str)]| embedded.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect::<Vec<_>>();
    site::assemble(SiteFiles { origin: origin.into(), files }, &owned(embedded::GATES), &owned(embedded::PARTS)).map_err(|error| broken(file, error))
}

/// What the order declares with what the operators of the reference site declared besides.
fn completed(declared: &str) -> Result<String, BrokenReference> {
    let own = "sites/declared.toml";
    let text = embedded::FIXTURES.iter().find(|(file, _)| *file == own).map_or("", |(_, text)| *text);
    let besides: toml::Table = toml::from_str(text).map_err(|error| broken(format!("fixtures/{own}"), error))?;
    let mut document: toml::Table = toml::from_str(declared).map_err(|error| broken("sites/pve1/declared.toml", error))?;
    merge(&mut document, besides);
    toml::to_string(&document).map_err(|error| broken("sites/pve1/declared.toml", error))
}

/// The order with the products that were pinned in its lines.
fn pinned(order: &str) -> Result<String, BrokenReference> {
    let own = "sites/pinned.toml";
    let text = embedded::FIXTURES.iter().find(|(file, _)| *file == own).map_or("", |(_, text)| *text);
    let mut pins: toml::Table = toml::from_str(text).map_err(|error| broken(format!("fixtures/{own}"), error))?;
    let mut document: toml::Table = toml::from_str(order).map_err(|error| broken("sites/pve1/bom.toml", error))?;
    let lines = document.get_mut("line").and_then(toml::Value::as_array_mut).ok_or_else(|| broken("sites/pve1/bom.toml", "no line in it"))?;
    for line in lines.iter_mut().filter_map(toml::Value::as_table_mut) {
        let name = line.get("name").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        if let Some(toml::Value::Table(pins)) = pins.remove(&name) {
            merge(line, pins);
        }
    }
    match pins.keys().next() {
        Some(line) => Err(broken(format!("fixtures/{own}"), format!("the order has no line `{line}`"))),
        None => toml::to_string(&document).map_err(|error| broken("sites/pve1/bom.toml", error)),
    }
}

fn merge(into: &mut toml::Table, from: toml::Table) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (Some(toml::Value::Table(into)), toml::Value::Table(from)) => merge(into, from),
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}

/// The contradictions with the resolutions of the reference site.
fn resolved(contradictions: &str, name: SiteName) -> Result<String, BrokenReference> {
    let file = "sites/pve1/contradictions.toml";
    let text = embedded::FIXTURES.iter().find(|(file, _)| *file == "sites/reference.toml").map_or("", |(_, text)| *text);
    let mut chosen: BTreeMap<String, String> = toml::from_str(text).map_err(|error| broken("fixtures/sites/reference.toml", error))?;
    if name == SiteName::OneSocket {
        chosen.insert("C-01".into(), "one-per-channel".into());
        chosen.insert("C-02".into(), "one-socket".into());
    }
    if name == SiteName::Draid {
        chosen.insert("C-22".into(), "draid".into());
    }
    let mut document: toml::Table = toml::from_str(contradictions).map_err(|error| broken(file, error))?;
    let entries = document.get_mut("contradiction").and_then(toml::Value::as_array_mut).ok_or_else(|| broken(file, "no contradiction in it"))?;
    for entry in entries.iter_mut().filter_map(toml::Value::as_table_mut) {
        let id = entry.get("id").and_then(toml::Value::as_str).unwrap_or_default().to_owned();
        if let Some(resolution) = chosen.remove(&id) {
            entry.insert("resolution".into(), resolution.into());
        }
    }
    if let Some(id) = chosen.keys().next() {
        return Err(broken("fixtures/sites/reference.toml", format!("{id} is no contradiction of the order")));
    }
    toml::to_string(&document).map_err(|error| broken(file, error))
}
