//! What resolutions make of an order: a chosen candidate changes BOM lines, and the checks compare with the changed ones.

use std::collections::BTreeMap;

use crate::bom::{Bom, BomLine};
use crate::contradiction::{self, Contradiction, Entry, Override, RULES};
use crate::parts::Parts;
use crate::place::Document;
use crate::source::FileError;
use crate::spelling;

/// What is written for a contradiction that nobody resolved and that another one's resolution has settled.
const SETTLED: &str = "no longer holds in the order as resolved";

/// The order as resolved, with its contradictions: those of the order as written, and those that the resolutions bring about.
/// Refuses candidates that change lines which are not there, resolutions that contradict each other and those that leave what they resolve as it was.
pub(crate) fn resolve(doc: Document<'_>, ordered: &Bom, parts: &Parts, entries: &[Entry]) -> Result<(Bom, Vec<Contradiction>), FileError> {
    for entry in entries {
        candidates_apply(doc, ordered, parts, entry)?;
    }
    let mut resolved = ordered.clone();
    let mut contradictions: Vec<Contradiction> = Vec::new();
    let mut changed = BTreeMap::new();
    loop {
        let mut new = contradiction::all(&resolved, parts, entries);
        new.retain(|new| contradictions.iter().all(|old| old.id != new.id));
        if new.is_empty() {
            break;
        }
        for contradiction in &new {
            choose(doc, contradiction, entries, &mut resolved, &mut changed)?;
        }
        contradictions.extend(new);
    }
    for contradiction in &mut contradictions {
        let Some(rule) = RULES.iter().find(|rule| contradiction.derived_by.as_deref() == Some(rule.name)) else { continue };
        match ((rule.find)(&resolved, parts), contradiction.chosen()) {
            (Some(still), Some(candidate)) if !candidate.set.is_empty() => {
                let message = format!(
                    "with candidate `{}` it still holds: {}: {}; expected a candidate that changes that",
                    candidate.id, still.statement, still.why
                );
                return Err(doc.refuse(&resolution_of(entries, &contradiction.id), message));
            }
            (Some(_), _) | (None, Some(_)) => {}
            (None, None) if contradiction.is_resolved() => {}
            (None, None) => contradiction.resolution = Some(SETTLED.to_owned()),
        }
    }
    Ok((resolved, contradictions))
}

/// Who set what of which line to what: `(line, what)` to `(contradiction, value)`.
type Changed = BTreeMap<(String, String), (String, String)>;

fn choose(doc: Document<'_>, contradiction: &Contradiction, entries: &[Entry], resolved: &mut Bom, changed: &mut Changed) -> Result<(), FileError> {
    let Some(candidate) = contradiction.chosen() else { return Ok(()) };
    for change in &candidate.set {
        for (what, to) in spelled_out(change) {
            let earlier = changed.insert((change.line.clone(), what.clone()), (contradiction.id.clone(), to.clone()));
            if let Some((other, before)) = earlier.filter(|(_, before)| *before != to) {
                let message = format!(
                    "candidate `{}` sets {what} of `{}` to {to}, the resolution of {other} sets it to {before}; expected resolutions that agree",
                    candidate.id, change.line
                );
                return Err(doc.refuse(&resolution_of(entries, &contradiction.id), message));
            }
        }
        if let Some(line) = resolved.lines.iter_mut().find(|line| line.name == change.line) {
            apply(line, change);
        }
    }
    Ok(())
}

fn resolution_of<'a>(entries: &'a [Entry], id: &str) -> Vec<&'a str> {
    match entries.iter().find(|entry| entry.id() == id) {
        Some(entry) => vec!["contradiction", &entry.index, "resolution"],
        None => vec![],
    }
}

// Every candidate must fit the order, chosen or not: a slip in it would else show up on the day when it is chosen.
fn candidates_apply(doc: Document<'_>, ordered: &Bom, parts: &Parts, entry: &Entry) -> Result<(), FileError> {
    for (i, candidate) in entry.candidates().iter().enumerate() {
        for (j, change) in candidate.set.iter().enumerate() {
            let (candidate_number, set_number) = (i.to_string(), j.to_string());
            let path = |key| ["contradiction", entry.index.as_str(), "candidates", &candidate_number, "set", &set_number, key];
            let Some(line) = ordered.line(&change.line) else {
                let known = || ordered.lines.iter().map(|line| line.name.as_str());
                let hint = spelling::hint(&change.line, known());
                let message = format!("no line of the BOM is called `{}`; expected {}.{hint}", change.line, spelling::list(known()));
                return Err(doc.refuse(&path("line"), message));
            };
            if let Some(part) = &change.part {
                parts.knows(line.kind, part).map_err(|message| doc.refuse(&path("part"), message))?;
            }
        }
    }
    Ok(())
}

fn spelled_out(change: &Override) -> Vec<(String, String)> {
    let quantity = change.quantity.map(|quantity| ("quantity".to_owned(), quantity.to_string()));
    let part = change.part.as_ref().map(|part| ("part".to_owned(), part.clone()));
    let expect = change.expect.iter().map(|(attr, matcher)| (attr.to_string(), matcher.to_string()));
    let facts = change.facts.iter().map(|(name, value)| (name.clone(), value.to_string()));
    quantity.into_iter().chain(part).chain(expect).chain(facts).collect()
}

fn apply(line: &mut BomLine, change: &Override) {
    line.quantity = change.quantity.unwrap_or(line.quantity);
    if change.part.is_some() {
        line.part.clone_from(&change.part);
    }
    line.expect.extend(change.expect.clone());
    line.facts.extend(change.facts.clone());
}

#[cfg(test)]
mod tests;
