//! The gate of a phase: which checks it requires, how severe each is, and whether it admits or holds.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ceiling::Ceiling;
use crate::check::{Check, CheckId};
use crate::contradiction::Contradiction;
use crate::limit::Limit;
use crate::outcome::MetricRow;
use crate::phase::Phase;
use crate::place::Document;
use crate::site::declared::When;
use crate::source::FileError;
use crate::verdict::Rank;
use crate::waiver::Waiver;

/// What a check's verdict does to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Never decides.
    Info,
    /// Admits with a warning in the first three lines.
    Warn,
    /// Holds unless it passes.
    Gate,
}

impl Severity {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warn => "warn",
            Severity::Gate => "gate",
        }
    }
}

/// One check that a gate requires.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Requirement {
    /// The check.
    pub id: CheckId,
    /// Cross-reference to the catalogue of checks (`P1.PCI.01`).
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// What it does to the gate.
    pub severity: Severity,
    /// What is measured and expected, for people.
    pub title: String,
    /// Bound on a metric, when the check is a performance check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Limit>,
    /// Names of contradictions that block it while they are unresolved.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<String>,
    /// It is required only when this holds: where another candidate was chosen it does not apply, and does not hold the gate. A site that has not
    /// resolved the contradiction to one of its candidates is asked; one that does not have it too, and a check that does not apply there does not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
}

/// The gate of one phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Version of the file format and of its rules.
    pub schema: u32,
    /// The phase.
    pub phase: Phase,
    /// For people.
    pub title: String,
    /// Evidence older than this is Stale, hours.
    pub max_age_hours: u32,
    /// Scenarios that `accept` runs for it, in order.
    #[serde(default)]
    pub scenarios: Vec<String>,
    /// What it requires.
    #[serde(rename = "check")]
    pub requires: Vec<Requirement>,
}

/// A check as the gate sees it: the verdict with severity and phase, and what a waiver or site statement did to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judged {
    /// The check.
    #[serde(flatten)]
    pub check: Check,
    /// The phase of the gate.
    pub phase: Phase,
    /// Its severity there.
    pub severity: Severity,
    /// For people: the requirement's title.
    pub title: String,
    /// The waiver in use, or the site's statement why it does not apply.
    pub excused_by: Option<String>,
    /// Whether it holds the gate.
    pub holds: bool,
}

/// What a gate decides.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "decision", rename_all = "snake_case")]
pub enum Decision {
    /// The phase may be entered upon; warnings stand in the first lines of the report.
    Admit {
        /// Failed or inconclusive `warn` checks, one line each.
        warnings: Vec<String>,
    },
    /// It may not.
    Hold {
        /// What holds it, worst first, one line each.
        blocking: Vec<String>,
    },
}

/// Everything that a gate has to say: the judged checks, the decision and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// The phase whose gate it is.
    pub phase: Phase,
    /// Every required check with its verdict, worst first; at least one entry per requirement.
    pub judged: Vec<Judged>,
    /// Admit or hold.
    pub decision: Decision,
    /// The worst rank among what decides (severity `gate`, not excused); `Pass` exactly when the gate admits.
    pub verdict: Rank,
    /// Figures against their ceilings.
    pub metrics: Vec<MetricRow>,
    /// Every ceiling that could be computed, or says which input is missing.
    pub ceilings: Vec<Ceiling>,
    /// Waivers in use.
    pub waivers: Vec<Waiver>,
    /// Contradictions of the site.
    pub contradictions: Vec<Contradiction>,
}

impl Judgement {
    /// The process's exit status: 0 admitted, 1 a check failed, 3 inconclusive or blocked.
    pub fn exit_code(&self) -> u8 {
        match (&self.decision, self.verdict) {
            (Decision::Admit { .. }, _) => 0,
            (Decision::Hold { .. }, Rank::Fail) => 1,
            (Decision::Hold { .. }, Rank::Pass | Rank::Inconclusive | Rank::NotApplicable) => 3,
        }
    }
}

/// The version of the file format.
pub const GATE_SCHEMA: u32 = 1;

/// Reads a gate file. One that would always admit, or that could never be judged, is refused.
pub fn parse(file: &str, text: &str) -> Result<Gate, FileError> {
    let doc = Document::new(file, text);
    let gate: Gate = doc.parse(GATE_SCHEMA)?;
    if gate.title.trim().is_empty() {
        return Err(doc.refuse(&["title"], "a gate without a title; expected what the phase brings up"));
    }
    if gate.max_age_hours == 0 {
        return Err(doc.refuse(&["max_age_hours"], "evidence of age 0 does not exist; expected hours above 0"));
    }
    for (i, scenario) in gate.scenarios.iter().enumerate() {
        let at = ["scenarios", &i.to_string()];
        if scenario.trim().is_empty() {
            return Err(doc.refuse(&at, "a scenario without a name"));
        }
        if gate.scenarios[..i].contains(scenario) {
            return Err(doc.refuse(&at, format!("`{scenario}` is listed twice; its newest run would count for both")));
        }
    }
    for (i, requirement) in gate.requires.iter().enumerate() {
        check_requirement(doc, i, requirement)?;
        if gate.requires[..i].iter().any(|other| other.id == requirement.id) {
            return Err(doc.refuse(&["check", &i.to_string(), "id"], format!("`{}` is required twice; expected one entry", requirement.id)));
        }
    }
    if !gate.requires.iter().any(|requirement| requirement.severity == Severity::Gate) {
        return Err(doc.refuse_key(&["check"], "no check of severity `gate`: such a gate proves nothing; expected at least one"));
    }
    Ok(gate)
}

fn check_requirement(doc: Document<'_>, index: usize, requirement: &Requirement) -> Result<(), FileError> {
    let index = index.to_string();
    let at = |key: &'static str| ["check", index.as_str(), key];
    if !is_check_id(requirement.id.as_str()) {
        let message = format!("`{}` is no check id; expected lower-case words with dots, as `nvme.link_width`", requirement.id);
        return Err(doc.refuse(&at("id"), message));
    }
    if requirement.title.trim().is_empty() {
        return Err(doc.refuse(&at("title"), "a check without a title; expected what is measured and expected"));
    }
    if requirement.reference.as_ref().is_some_and(|reference| reference.trim().is_empty()) {
        return Err(doc.refuse(&at("ref"), "an empty reference; leave it out when there is none"));
    }
    for (i, name) in requirement.blocked_by.iter().enumerate() {
        if name.trim().is_empty() {
            return Err(doc.refuse(&["check", &index, "blocked_by", &i.to_string()], "expected the id of a contradiction"));
        }
    }
    if let Some(when) = &requirement.when
        && (when.contradiction.trim().is_empty() || when.candidates.is_empty())
    {
        return Err(doc.refuse(&at("when"), "expected the id of a contradiction and those of its candidates that it is required for"));
    }
    match &requirement.limit {
        None => Ok(()),
        Some(limit) => limit.check().map_err(|(key, message)| doc.refuse(&["check", &index, "limit", key], message)),
    }
}

fn is_check_id(id: &str) -> bool {
    let word = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    id.contains('.') && id.split('.').all(word)
}

#[cfg(test)]
mod tests;
