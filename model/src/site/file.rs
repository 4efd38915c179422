//! Puts the files of a site folder together: `site.toml`, `bom.toml`, `declared.toml`, `contradictions.toml`, `waivers.toml` and `gates/*.toml`, with
//! the gates and the parts catalogue that ship with assay. A file that nobody reads is refused: its author believes that it counts.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::bom::{self, Bom};
use crate::check::{Absence, CheckId};
use crate::contradiction::{self, Entry, resolution};
use crate::gate::{self, Gate};
use crate::parts;
use crate::phase::Phase;
use crate::place::Document;
use crate::site::declared::{DECLARED_SCHEMA, Declared, When, check_ceph, check_data_pool, check_network, check_pools};
use crate::site::{Node, NotHere, Site, reach};
use crate::source::FileError;
use crate::spelling;
use crate::waiver;

/// The version of `site.toml`.
pub const SITE_SCHEMA: u32 = 1;

const SITE: &str = "site.toml";
const BOM: &str = "bom.toml";
const CONTRADICTIONS: &str = "contradictions.toml";
const WAIVERS: &str = "waivers.toml";
const DECLARED: &str = "declared.toml";

/// The files of a site folder as read: names relative to it, with `/`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SiteFiles {
    /// For people: the folder that they come from.
    pub origin: String,
    /// Name to text.
    pub files: BTreeMap<String, String>,
}

/// `site.toml` as written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "site.toml", rename = "SiteFile")]
pub(crate) struct SiteFile {
    /// Version of the file format; 1.
    #[allow(dead_code, reason = "looked at before the file is parsed; here so that it is required")]
    schema: u32,
    /// Name of the site.
    name: String,
    /// What an expectation means whose source a host does not have.
    #[serde(default)]
    absence: Absence,
    /// The nodes.
    #[serde(default)]
    node: Vec<Node>,
    /// Checks that do not apply here.
    #[serde(default)]
    not_here: Vec<NotHere>,
}

/// Makes a site of its files. `default_gates` and `parts` are `(name, text)`; a gate of the site replaces the default one of its phase.
pub fn assemble(site: SiteFiles, default_gates: &[(String, String)], parts: &[(String, String)]) -> Result<Site, FileError> {
    for (name, text) in &site.files {
        is_expected(name).map_err(|message| FileError::at(&path(&site, name), text, 0..0, message))?;
    }
    let open = |name: &str| site.files.get(name).map(|text| (path(&site, name), text.as_str()));
    let Some((site_path, site_text)) = open(SITE) else {
        return Err(FileError::at(&path(&site, SITE), "", 0..0, format!("a site without {SITE}; expected it with `schema` and `name`")));
    };
    let head_doc = Document::new(&site_path, site_text);
    let head: SiteFile = head_doc.parse(SITE_SCHEMA)?;
    check_head(head_doc, &head)?;

    let declared_state = open(DECLARED).map_or(Ok(Declared::default()), |(file, text)| declared_of(Document::new(&file, text)))?;
    let catalogue = parts::parse(parts)?;
    let gates = gates(&site, default_gates)?;
    let ordered = open(BOM).map(|(file, text)| bom::parse(&file, text).and_then(|bom| known_parts(&file, text, bom, &catalogue))).transpose()?;
    let declared = open(CONTRADICTIONS);
    let entries = declared.as_ref().map_or(Ok(Vec::new()), |(file, text)| contradiction::parse(file, text))?;
    let (declared_path, declared_text) = declared.unwrap_or_else(|| (path(&site, CONTRADICTIONS), ""));
    let declared_doc = Document::new(&declared_path, declared_text);
    let (bom, contradictions) = match &ordered {
        Some(ordered) => {
            let (resolved, contradictions) = resolution::resolve(declared_doc, ordered, &catalogue, &entries)?;
            (Some(resolved), contradictions)
        }
        None => {
            needs_no_order(declared_doc, &entries)?;
            (None, entries.iter().map(Entry::declared).collect())
        }
    };
    if let Some((file, text)) = open(DECLARED) {
        let clusters = ordered.iter().chain(&bom).filter_map(|bom| bom.cluster.as_ref()?.ceph.as_ref());
        let pools: BTreeSet<&str> = clusters.flat_map(|ceph| ceph.pools.keys().map(String::as_str)).collect();
        check_pools(Document::new(&file, text), &declared_state.ceph, &pools)?;
    }
    let waivers = open(WAIVERS).map_or(Ok(Vec::new()), |(file, text)| waiver::parse(&file, text))?;

    let known = Known::of(&gates, bom.as_ref(), ordered.as_ref());
    for (i, not_here) in head.not_here.iter().enumerate() {
        known.check(head_doc, &["not_here", &i.to_string(), "check"], &not_here.check)?;
    }
    if let Some((file, text)) = open(WAIVERS) {
        for (i, waiver) in waivers.iter().enumerate() {
            if !is_gate_of_a_phase(&waiver.check) {
                known.check(Document::new(&file, text), &["waiver", &i.to_string(), "check"], &waiver.check)?;
            }
        }
    }
    for entry in &entries {
        for (i, check) in entry.named_checks.iter().enumerate() {
            known.check(declared_doc, &["contradiction", &entry.index, "checks", &i.to_string()], check)?;
        }
    }
    for (of, when) in whens(&gates, &declared_state) {
        if let Some(contradiction) = contradictions.iter().find(|contradiction| contradiction.id == when.contradiction)
            && let Some(unknown) = when.candidates.iter().find(|named| contradiction.candidates.iter().all(|candidate| candidate.id != **named))
        {
            let known: Vec<&str> = contradiction.candidates.iter().map(|candidate| candidate.id.as_str()).collect();
            let message = format!("{of}: `{unknown}` is no candidate of {}; it has {}", contradiction.id, known.join(", "));
            return Err(FileError::at(&declared_path, declared_text, 0..0, message));
        }
    }
    let catalogue_files = parts.iter().map(|(name, text)| (format!("parts/{name}"), text.as_str()));
    let own_files = site.files.iter().map(|(name, text)| (name.clone(), text.as_str()));
    Ok(Site {
        name: head.name,
        digest: digest(own_files.chain(catalogue_files)),
        origin: site.origin,
        absence: head.absence,
        nodes: head.node,
        bom,
        contradictions,
        waivers,
        not_here: head.not_here,
        parts: catalogue,
        declared: declared_state,
        gates,
    })
}

/// Everything that depends on how a contradiction was resolved, with whose it is. A candidate that nobody knows would never be the chosen one.
fn whens<'a>(gates: &'a [Gate], declared: &'a Declared) -> Vec<(String, &'a When)> {
    let of_gates =
        gates.iter().flat_map(|gate| &gate.requires).filter_map(|required| Some((format!("check {}", required.id), required.when.as_ref()?)));
    let pools = [("[ceph]", declared.ceph.when.as_ref()), ("[data_pool]", declared.data_pool.as_ref().and_then(|pool| pool.when.as_ref()))];
    let of_declared = pools.into_iter().filter_map(|(of, when)| Some((of.to_owned(), when?)));
    let classes = declared.ceph.pool_classes.iter().filter_map(|class| Some((format!("device class of {}", class.pool), class.when.as_ref()?)));
    let software = &declared.software;
    let repositories = software.repositories.iter().flatten().filter_map(|of| Some((format!("repository {}", of.uri), of.when.as_ref()?)));
    let subscriptions = software.subscription.iter().flatten().filter_map(|of| Some((format!("subscription `{}`", of.status), of.when.as_ref()?)));
    let factors =
        software.second_factor.iter().flatten().filter_map(|of| Some((format!("second factor {}", of.factors.join(", ")), of.when.as_ref()?)));
    of_gates.chain(of_declared).chain(classes).chain(repositories).chain(subscriptions).chain(factors).collect()
}

/// SHA-256 over names and contents, hex. The order in which the files come does not matter; where one ends and the next begins does.
pub fn digest<'a>(files: impl IntoIterator<Item = (String, &'a str)>) -> String {
    let sorted: BTreeSet<(String, &str)> = files.into_iter().collect();
    let mut hash = Sha256::new();
    for (name, text) in sorted {
        for part in [name.as_str(), text] {
            hash.update(part.len().to_string());
            hash.update(":");
            hash.update(part);
        }
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn path(site: &SiteFiles, name: &str) -> String {
    if site.origin.is_empty() { name.to_owned() } else { format!("{}/{name}", site.origin.trim_end_matches('/')) }
}

fn is_expected(name: &str) -> Result<(), String> {
    let gate = name.strip_prefix("gates/").is_some_and(|gate| gate.ends_with(".toml") && !gate.contains('/'));
    let own = [SITE, BOM, DECLARED, CONTRADICTIONS, WAIVERS];
    if gate || own.contains(&name) {
        return Ok(());
    }
    let hint = spelling::hint(name, own);
    Err(format!("assay does not read `{name}`; a site consists of {} and `gates/*.toml`.{hint}", spelling::list(own)))
}

fn declared_of(doc: Document<'_>) -> Result<Declared, FileError> {
    let declared: Declared = doc.parse(DECLARED_SCHEMA)?;
    check_network(doc, &declared.network)?;
    check_ceph(doc, &declared.ceph)?;
    declared.data_pool.as_ref().map_or(Ok(()), |pool| check_data_pool(doc, pool))?;
    Ok(declared)
}

fn check_head(doc: Document<'_>, head: &SiteFile) -> Result<(), FileError> {
    if head.name.trim().is_empty() {
        return Err(doc.refuse(&["name"], "a site without a name; expected a word that names it"));
    }
    for (i, node) in head.node.iter().enumerate() {
        let index = i.to_string();
        if node.name.trim().is_empty() {
            return Err(doc.refuse(&["node", &index, "name"], "a node without a name; expected its host name"));
        }
        if node.serial.as_ref().is_some_and(|serial| serial.trim().is_empty()) {
            return Err(doc.refuse(&["node", &index, "serial"], "an empty serial number; leave it out when it is not known"));
        }
        for other in &head.node[..i] {
            if other.name == node.name {
                return Err(doc.refuse(&["node", &index, "name"], format!("a second node `{}`; expected a name of its own", node.name)));
            }
            if node.serial.is_some() && other.serial == node.serial {
                return Err(
                    doc.refuse(&["node", &index, "serial"], format!("node `{}` has the same serial number; expected one of its own", other.name))
                );
            }
        }
        reach::check(node, &head.node[..i]).map_err(|(path, why)| {
            let at: Vec<&str> = ["node", &index].into_iter().chain(path.iter().map(String::as_str)).collect();
            doc.refuse(&at, why)
        })?;
    }
    for (i, not_here) in head.not_here.iter().enumerate() {
        let index = i.to_string();
        if not_here.why.trim().is_empty() {
            return Err(doc.refuse(&["not_here", &index, "why"], "expected why the check does not apply here"));
        }
        if head.not_here[..i].iter().any(|other| other.check == not_here.check) {
            return Err(doc.refuse(&["not_here", &index, "check"], format!("`{}` is listed twice; expected one reason", not_here.check)));
        }
    }
    Ok(())
}

fn known_parts(file: &str, text: &str, bom: Bom, catalogue: &parts::Parts) -> Result<Bom, FileError> {
    bom::file::parts_known(Document::new(file, text), &bom, catalogue)?;
    Ok(bom)
}

// Without an order no rule can fire and no line can be changed: such an entry would be silent for ever.
fn needs_no_order(doc: Document<'_>, entries: &[Entry]) -> Result<(), FileError> {
    for entry in entries {
        if entry.rule().is_some() {
            let message = format!("`{}` is derived from the BOM, and the site has none; expected {BOM} beside this file", entry.id());
            return Err(doc.refuse(&["contradiction", &entry.index, "derived_by"], message));
        }
        if entry.candidates().iter().any(|candidate| !candidate.set.is_empty()) {
            let message = format!("a candidate of `{}` changes the BOM, and the site has none; expected {BOM} beside this file", entry.id());
            return Err(doc.refuse(&["contradiction", &entry.index, "candidates"], message));
        }
    }
    Ok(())
}

fn gates(site: &SiteFiles, defaults: &[(String, String)]) -> Result<Vec<Gate>, FileError> {
    let own = site.files.iter().filter(|(name, _)| name.starts_with("gates/")).map(|(name, text)| (path(site, name), text.as_str()));
    let mut by_phase = BTreeMap::new();
    for (file, text) in defaults {
        add_gate(&mut by_phase, file, text)?;
    }
    let mut replaced = BTreeMap::new();
    for (file, text) in own {
        add_gate(&mut replaced, &file, text)?;
    }
    by_phase.extend(replaced);
    Ok(by_phase.into_values().collect())
}

fn add_gate(gates: &mut BTreeMap<Phase, Gate>, file: &str, text: &str) -> Result<(), FileError> {
    let gate = gate::parse(file, text)?;
    if gates.contains_key(&gate.phase) {
        return Err(Document::new(file, text).refuse(&["phase"], format!("a second gate of {}; expected one for each phase", gate.phase)));
    }
    gates.insert(gate.phase, gate);
    Ok(())
}

// `phase.1` waives that the gate of phase 1 holds the later ones.
fn is_gate_of_a_phase(id: &CheckId) -> bool {
    Phase::all().any(|phase| id.as_str() == format!("phase.{}", phase.number()))
}

/// Every check id that can come up at this site: what the gates list, and what the order's lines are compared by.
struct Known(BTreeSet<CheckId>);

impl Known {
    fn of(gates: &[Gate], resolved: Option<&Bom>, ordered: Option<&Bom>) -> Self {
        let listed = gates.iter().flat_map(|gate| gate.requires.iter().map(|requirement| requirement.id.clone()));
        let lines = resolved.iter().chain(ordered.iter()).flat_map(|bom| &bom.lines);
        let compared = lines.flat_map(|line| {
            let attributes = line.expect.keys().map(|attr| format!("{}.{attr}", line.kind));
            attributes.chain(["quantity", "unexpected"].map(|asked| format!("{}.{asked}", line.kind))).map(CheckId).collect::<Vec<_>>()
        });
        Self(listed.chain(compared).collect())
    }

    fn check(&self, doc: Document<'_>, at: &[&str], id: &CheckId) -> Result<(), FileError> {
        if self.0.contains(id) {
            return Ok(());
        }
        let hint = spelling::hint(id.as_str(), self.0.iter().map(CheckId::as_str));
        Err(doc.refuse(at, format!("no gate lists a check `{id}`, and no line of the BOM leads to one; expected an id of `assay list`.{hint}")))
    }
}

#[cfg(test)]
mod tests;
