//! `contradictions.toml`: what the site says of each contradiction. An entry with `derived_by` adds id, ways out and resolution to what a rule finds;
//! the reason, with its numbers, is the rule's. An entry without it is the site's own statement, reason included.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::bom::expectation::table_schema;
use crate::bom::file as bom_file;
use crate::check::CheckId;
use crate::contradiction::{CONTRADICTIONS_SCHEMA, Candidate, Contradiction, ContradictionKind, Finding, Override, RULES, Rule};
use crate::phase::Phase;
use crate::place::Document;
use crate::source::FileError;
use crate::spelling;

/// A resolution in the operator's own words says at least this much.
const RESOLUTION_LETTERS: usize = 10;

/// The file as written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "contradictions.toml", rename = "ContradictionsFile")]
pub(crate) struct ContradictionsFile {
    /// Version of the file format; 1.
    #[allow(dead_code, reason = "looked at before the file is parsed; here so that it is required")]
    schema: u32,
    /// The contradictions.
    #[serde(default)]
    contradiction: Vec<EntryFile>,
}

/// One contradiction.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ContradictionsFileEntry")]
struct EntryFile {
    /// `C-01` and so on; unique.
    id: String,
    /// The rule that finds it in the BOM; the entry then exists only while the rule fires.
    derived_by: Option<String>,
    /// What the order says; the rule's words without it.
    statement: Option<String>,
    /// Why it cannot hold; the rule's kind without it.
    kind: Option<ContradictionKind>,
    /// Why that cannot hold; the rule's words when it is derived, and then not allowed here.
    why: Option<String>,
    /// Ways out, most plausible first.
    #[serde(default)]
    candidates: Vec<CandidateFile>,
    /// Id of a candidate, or the operator's own words; empty while it is open.
    #[serde(default)]
    resolution: String,
    /// Phases whose gates it holds; the rule's without it.
    blocks: Option<Vec<Phase>>,
    /// Checks that it blocks; the rule's without it.
    checks: Option<Vec<CheckId>>,
}

/// One way out.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ContradictionsFileCandidate")]
struct CandidateFile {
    /// Short word that a resolution names; unique within its contradiction.
    id: String,
    /// What is chosen.
    statement: String,
    /// Why it is plausible.
    #[serde(default)]
    why: String,
    /// What choosing it changes in the BOM.
    #[serde(default)]
    set: Vec<OverrideFile>,
}

/// A change of one BOM line.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ContradictionsFileOverride")]
struct OverrideFile {
    /// Name of the line.
    line: String,
    /// The quantity instead of the ordered one.
    quantity: Option<u32>,
    /// The part instead of the ordered one.
    part: Option<String>,
    /// Expectations added or replaced.
    #[serde(default)]
    #[schemars(schema_with = "table_schema")]
    expect: BTreeMap<String, toml::Value>,
    /// Facts added or replaced.
    #[serde(default)]
    facts: BTreeMap<String, u64>,
}

/// A contradiction as the site's file has it; `derived` completes it with what the rule found.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// All that the file says; statement and reason of a derived one are still the rule's to give.
    template: Contradiction,
    /// Its number in the file, for errors that are found later.
    pub(crate) index: String,
    /// The checks that the file itself names; the rule's own ones are no statement of the site.
    pub(crate) named_checks: Vec<CheckId>,
}

impl Entry {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.template.id
    }

    /// The rule that it waits for; none when the site declares it.
    pub fn rule(&self) -> Option<&str> {
        self.template.derived_by.as_deref()
    }

    /// The candidates, in the order of the file.
    pub fn candidates(&self) -> &[Candidate] {
        &self.template.candidates
    }

    pub(crate) fn declared(&self) -> Contradiction {
        self.template.clone()
    }

    pub(crate) fn derived(&self, finding: &Finding) -> Contradiction {
        let mut contradiction = self.template.clone();
        contradiction.why = finding.why.clone();
        if contradiction.statement.is_empty() {
            contradiction.statement = finding.statement.clone();
        }
        contradiction
    }
}

/// Reads a file of contradictions.
pub fn parse(file: &str, text: &str) -> Result<Vec<Entry>, FileError> {
    let doc = Document::new(file, text);
    let written: ContradictionsFile = doc.parse(CONTRADICTIONS_SCHEMA)?;
    let mut entries: Vec<Entry> = Vec::new();
    for (i, entry) in written.contradiction.into_iter().enumerate() {
        let index = i.to_string();
        if entries.iter().any(|other| other.id() == entry.id) {
            return Err(doc.refuse(&["contradiction", &index, "id"], format!("a second contradiction `{}`; expected an id of its own", entry.id)));
        }
        if let Some(other) = entries.iter().find(|other| entry.derived_by.is_some() && other.rule() == entry.derived_by.as_deref()) {
            let message = format!("`{}` is derived by the same rule; expected one entry for each", other.id());
            return Err(doc.refuse(&["contradiction", &index, "derived_by"], message));
        }
        entries.push(one_entry(doc, index, entry)?);
    }
    Ok(entries)
}

fn one_entry(doc: Document<'_>, index: String, entry: EntryFile) -> Result<Entry, FileError> {
    let at = |key: &str, message: String| doc.refuse(&["contradiction", &index, key], message);
    if entry.id.trim().is_empty() {
        return Err(at("id", "a contradiction without an id; expected one such as `C-01`".into()));
    }
    let candidates = candidates(doc, &index, entry.candidates)?;
    let resolution = resolution(doc, &index, &entry.resolution, &candidates)?;
    let named_checks = entry.checks.clone().unwrap_or_default();
    let template = match entry.derived_by {
        Some(name) => {
            let rule = rule(&name).map_err(|message| at("derived_by", message))?;
            if entry.why.is_some() {
                return Err(at("why", format!("rule `{name}` gives the reason, with its numbers; expected no `why` beside `derived_by`")));
            }
            Contradiction {
                id: entry.id,
                kind: entry.kind.unwrap_or(rule.kind),
                statement: entry.statement.unwrap_or_default(),
                why: String::new(),
                candidates,
                resolution,
                blocks: entry.blocks.unwrap_or_else(|| rule.phases()),
                checks: entry.checks.unwrap_or_else(|| rule.checks.iter().map(|&id| CheckId::from(id)).collect()),
                derived_by: Some(name),
            }
        }
        None => {
            let missing = |key: &str| doc.refuse(&["contradiction", &index], format!("`{}` is not derived by a rule; expected `{key}`", entry.id));
            let said = |key: &str, words: Option<String>| words.filter(|words| !words.trim().is_empty()).ok_or_else(|| missing(key));
            Contradiction {
                kind: entry.kind.ok_or_else(|| missing("kind"))?,
                statement: said("statement", entry.statement)?,
                why: said("why", entry.why)?,
                candidates,
                resolution,
                blocks: entry.blocks.ok_or_else(|| missing("blocks"))?,
                checks: entry.checks.unwrap_or_default(),
                derived_by: None,
                id: entry.id,
            }
        }
    };
    Ok(Entry { template, index, named_checks })
}

fn rule(name: &str) -> Result<&'static Rule, String> {
    let known = || RULES.iter().map(|rule| rule.name);
    RULES.iter().find(|rule| rule.name == name).ok_or_else(|| {
        let hint = spelling::hint(name, known());
        format!("no rule is called `{name}`; expected {}.{hint}", spelling::list(known()))
    })
}

fn candidates(doc: Document<'_>, index: &str, written: Vec<CandidateFile>) -> Result<Vec<Candidate>, FileError> {
    let mut candidates: Vec<Candidate> = Vec::new();
    for (i, candidate) in written.into_iter().enumerate() {
        let number = i.to_string();
        let path = ["contradiction", index, "candidates", number.as_str()];
        let at = |key: &str, message: String| doc.refuse(&[path.as_slice(), &[key]].concat(), message);
        if candidate.id.is_empty() || candidate.id.contains(char::is_whitespace) {
            return Err(at("id", "expected a short word without spaces, for a resolution to name".into()));
        }
        if candidates.iter().any(|other| other.id == candidate.id) {
            return Err(at("id", format!("a second candidate `{}`; expected a word of its own", candidate.id)));
        }
        if candidate.statement.trim().is_empty() {
            return Err(at("statement", format!("candidate `{}` says nothing; expected what is chosen with it", candidate.id)));
        }
        let set =
            candidate.set.into_iter().enumerate().map(|(j, change)| one_override(doc, &[path.as_slice(), &["set", &j.to_string()]].concat(), change));
        let set = set.collect::<Result<Vec<_>, _>>()?;
        candidates.push(Candidate { id: candidate.id, statement: candidate.statement, why: candidate.why, set });
    }
    Ok(candidates)
}

fn one_override(doc: Document<'_>, path: &[&str], change: OverrideFile) -> Result<Override, FileError> {
    if change.quantity == Some(0) {
        return Err(doc.refuse(&[path, &["quantity"]].concat(), "a line that orders 0 says nothing; expected at least 1"));
    }
    let expect = bom_file::matchers(doc, &[path, &["expect"]].concat(), &change.expect)?;
    let facts = bom_file::facts(doc, &[path, &["facts"]].concat(), &change.facts)?;
    if change.quantity.is_none() && change.part.is_none() && expect.is_empty() && facts.is_empty() {
        return Err(doc.refuse(path, "a change that changes nothing; expected `quantity`, `part`, `expect` or `facts`"));
    }
    Ok(Override { line: change.line, quantity: change.quantity, part: change.part, expect, facts })
}

fn resolution(doc: Document<'_>, index: &str, written: &str, candidates: &[Candidate]) -> Result<Option<String>, FileError> {
    let said = written.trim();
    if said.is_empty() {
        return Ok(None);
    }
    let known = || candidates.iter().map(|candidate| candidate.id.as_str());
    // A single word can only be meant as a candidate: a misspelt one must not pass as the operator's own words.
    let own_words = said.chars().count() >= RESOLUTION_LETTERS && said.contains(char::is_whitespace);
    if known().any(|id| id == said) || own_words {
        return Ok(Some(said.to_owned()));
    }
    let hint = spelling::hint(said, known());
    let message = format!(
        "resolution `{said}` is no candidate; expected {}, or a sentence of at least {RESOLUTION_LETTERS} letters.{hint}",
        spelling::list(known())
    );
    Err(doc.refuse(&["contradiction", index, "resolution"], message))
}

#[cfg(test)]
mod tests;
