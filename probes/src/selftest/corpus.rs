//! The fault corpus as its files say it: `probes/corpus/*/*.toml`.

use std::collections::{BTreeMap, BTreeSet};

use assay_model::verdict::Rank;
use serde::Deserialize;

use crate::check;
use crate::host::patch::Patch;
use crate::reference::{BrokenReference, CORPUS, Node, broken};

/// The node of a case that names none.
const USUAL: &str = "pve1-node1";

/// One case.
#[derive(Debug, Clone)]
pub(super) struct Case {
    /// Its permanent id.
    pub(super) id: String,
    /// The file that it is in.
    pub(super) file: String,
    /// The node that is changed.
    pub(super) node: String,
    /// What the checks must say.
    pub(super) expected: Expected,
    /// What is changed.
    pub(super) patch: Vec<Patch>,
}

/// What the checks must say of a case.
#[derive(Debug, Clone)]
pub(super) enum Expected {
    /// This check accuses.
    Fault { check: String, answer: Rank, subject: Option<String> },
    /// Nobody does.
    Healthy,
}

impl Case {
    /// The check that must catch it.
    pub(super) fn check(&self) -> Option<&str> {
        match &self.expected {
            Expected::Fault { check, .. } => Some(check),
            Expected::Healthy => None,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CorpusFile {
    #[serde(default)]
    fault: Vec<Fault>,
    #[serde(default)]
    healthy: Vec<Healthy>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    id: String,
    node: Option<String>,
    check: String,
    answer: Accusation,
    subject: Option<String>,
    #[serde(rename = "why")]
    _why: String,
    patch: Vec<Patch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Healthy {
    id: String,
    node: Option<String>,
    #[serde(rename = "why")]
    _why: String,
    patch: Vec<Patch>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Accusation {
    Fail,
    Inconclusive,
}

/// Every case, in the order of the files.
pub(super) fn cases(nodes: &BTreeMap<String, Node>) -> Result<Vec<Case>, BrokenReference> {
    // A check that no code implements yet misses its faults, as it should be seen to; one that nobody ever heard of is a typo.
    let listed = nodes.values().flat_map(|node| &node.site.gates).flat_map(|gate| &gate.requires).map(|requirement| requirement.id.clone());
    let known: BTreeSet<String> = check::implemented_ids().into_iter().chain(listed).map(|id| id.to_string()).collect();
    let mut ids = BTreeSet::new();
    let mut cases = Vec::new();
    for (name, text) in CORPUS {
        let file = format!("corpus/{name}");
        let found: CorpusFile = toml::from_str(text).map_err(|error| broken(&file, error))?;
        let faults = found.fault.into_iter().map(|fault| {
            let answer = match fault.answer {
                Accusation::Fail => Rank::Fail,
                Accusation::Inconclusive => Rank::Inconclusive,
            };
            (fault.id, fault.node, Expected::Fault { check: fault.check, answer, subject: fault.subject }, fault.patch)
        });
        let healthy = found.healthy.into_iter().map(|healthy| (healthy.id, healthy.node, Expected::Healthy, healthy.patch));
        for (id, node, expected, patch) in faults.chain(healthy) {
            let case = Case { id, file: file.clone(), node: node.unwrap_or_else(|| USUAL.into()), expected, patch };
            if !ids.insert(case.id.clone()) {
                return Err(broken(&file, format!("a second case `{}`", case.id)));
            }
            if case.patch.is_empty() {
                return Err(broken(&file, format!("{} changes nothing", case.id)));
            }
            if !nodes.contains_key(&case.node) {
                return Err(broken(&file, format!("{}: there is no node `{}`", case.id, case.node)));
            }
            if let Some(check) = case.check()
                && !known.contains(check)
            {
                return Err(broken(&file, format!("{}: no gate lists a check `{check}`", case.id)));
            }
            cases.push(case);
        }
    }
    Ok(cases)
}
