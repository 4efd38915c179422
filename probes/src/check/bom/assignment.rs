//! Which component belongs to which line. `select` is a filter: two lines may speak of the same component. A line without one takes what no other
//! line of its kind selects. A mark that cannot be read leaves it open whether the line selects the component: that is carried along, never dropped.

use std::borrow::Cow;
use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::bom::BomLine;
use assay_model::component::{Component, Reading};
use assay_model::matcher::Matcher;

/// The components of one kind, by line.
pub(super) struct Assignment<'a> {
    /// One for each line, in the order's order.
    pub(super) lines: Vec<Taken<'a>>,
    /// Each component that the order could speak of, and whether a line does.
    pub(super) claimed: Vec<(&'a Component, Claimants)>,
}

/// What one line takes.
pub(super) struct Taken<'a> {
    /// The line.
    pub(super) line: &'a BomLine,
    /// What it takes.
    pub(super) members: Vec<&'a Component>,
    /// What it may take, and which mark could not be read.
    pub(super) unclear: Vec<(&'a Component, String)>,
}

/// Who speaks of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Claimants {
    /// At least one line.
    Some,
    /// Maybe a line; a mark could not be read.
    Unclear(String),
    /// No line.
    None,
}

/// Whether a line selects a component.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Selected {
    Yes,
    No,
    Unclear(String),
}

impl<'a> Assignment<'a> {
    pub(super) fn of(kind: Kind, lines: &[&'a BomLine], components: &[&'a Component]) -> Self {
        let mut taken: Vec<Taken<'a>> = lines.iter().map(|&line| Taken { line, members: Vec::new(), unclear: Vec::new() }).collect();
        let mut claimed = Vec::new();
        for &component in components {
            let by_marks: Vec<Selected> =
                lines.iter().map(|line| if line.select.is_empty() { Selected::No } else { selected(line, component) }).collect();
            let others = either(&by_marks);
            let verdicts: Vec<Selected> = lines
                .iter()
                .zip(by_marks)
                .map(|(line, by_marks)| if line.select.is_empty() { both(remains(&others), selected(line, component)) } else { by_marks })
                .collect();
            for (taken, verdict) in taken.iter_mut().zip(&verdicts) {
                match verdict {
                    Selected::Yes => taken.members.push(component),
                    Selected::Unclear(why) => taken.unclear.push((component, why.clone())),
                    Selected::No => {}
                }
            }
            match either(&verdicts) {
                Selected::Yes => claimed.push((component, Claimants::Some)),
                Selected::Unclear(why) => claimed.push((component, Claimants::Unclear(why))),
                // An empty slot is nothing that somebody fitted.
                Selected::No if kind == Kind::Dimm && component.reading(Attr::Populated) == &Reading::from(false) => {}
                Selected::No => claimed.push((component, Claimants::None)),
            }
        }
        Self { lines: taken, claimed }
    }
}

fn selected(line: &BomLine, component: &Component) -> Selected {
    let mut answer = Selected::Yes;
    for (attr, matcher) in marks(line).iter() {
        match component.reading(*attr) {
            Reading::Value(value) if matcher.matches(value) => {}
            // One mark that differs settles it, whatever the others say.
            Reading::Value(_) | Reading::Absent => return Selected::No,
            Reading::Unreadable(why) => answer = Selected::Unclear(format!("{}: {why}", component.source(*attr))),
        }
    }
    answer
}

// A line of memory modules speaks of modules and not of empty slots, unless it says so: otherwise a slot whose module is gone would count as one.
fn marks(line: &BomLine) -> Cow<'_, BTreeMap<Attr, Matcher>> {
    if line.kind != Kind::Dimm || line.select.contains_key(&Attr::Populated) {
        return Cow::Borrowed(&line.select);
    }
    let mut marks = line.select.clone();
    marks.insert(Attr::Populated, line.expect.get(&Attr::Populated).cloned().unwrap_or(Matcher::Equals(true.into())));
    Cow::Owned(marks)
}

fn either(verdicts: &[Selected]) -> Selected {
    if verdicts.contains(&Selected::Yes) {
        return Selected::Yes;
    }
    verdicts.iter().find(|verdict| **verdict != Selected::No).cloned().unwrap_or(Selected::No)
}

fn both(one: Selected, other: Selected) -> Selected {
    match (one, other) {
        (Selected::No, _) | (_, Selected::No) => Selected::No,
        (Selected::Unclear(why), _) | (_, Selected::Unclear(why)) => Selected::Unclear(why),
        (Selected::Yes, Selected::Yes) => Selected::Yes,
    }
}

// What the lines with a select leave to the one without.
fn remains(others: &Selected) -> Selected {
    match others {
        Selected::Yes => Selected::No,
        Selected::No => Selected::Yes,
        Selected::Unclear(why) => Selected::Unclear(why.clone()),
    }
}
