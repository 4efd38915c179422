//! A generic question: its id, what is expected in words, and the answers that all questions share. What is wrong is decided by the topic's file.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::check::{Absence, Check};
use assay_model::component::{Component, Reading, Value};
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::seen::{Seen, count, looked};

/// A question that is asked of every node, without an order.
pub(super) struct Question {
    /// Its permanent id.
    pub(super) id: &'static str,
    /// What is expected, for people.
    pub(super) expected: &'static str,
}

impl Question {
    /// The components of `kind`, or the one answer that says why there is none to ask.
    pub(super) fn subjects<'a>(&self, inventory: &'a Inventory, site: &Site, kind: Kind) -> Result<Vec<&'a Component>, Vec<Check>> {
        let found = self.known(inventory, site, kind)?;
        if found.is_empty() {
            return Err(vec![self.absent(site, kind.name(), format!("this node has no component of kind {kind}"), looked(inventory, kind))]);
        }
        Ok(found)
    }

    /// Like `subjects`, where it is an answer that there is none.
    pub(super) fn known<'a>(&self, inventory: &'a Inventory, site: &Site, kind: Kind) -> Result<Vec<&'a Component>, Vec<Check>> {
        let unasked = match inventory.of(kind) {
            Observed::Components(found) => return Ok(found),
            Observed::SourceMissing(source) => self.absent(site, kind.name(), format!("{source} does not exist on this host"), source),
            Observed::Unknown(reason) => Check::inconclusive(self.id, kind.name(), self.expected, reason, looked(inventory, kind)),
        };
        Err(vec![unasked])
    }

    /// Asks every component of `kind`. One that gives no answer is not a subject; where none is, one check says so with `nobody`.
    pub(super) fn each<Answers: IntoIterator<Item = Check>>(
        &self,
        inventory: &Inventory,
        site: &Site,
        kind: Kind,
        nobody: &str,
        ask: impl Fn(&Component) -> Answers,
    ) -> Vec<Check> {
        let subjects = match self.subjects(inventory, site, kind) {
            Ok(subjects) => subjects,
            Err(unasked) => return unasked,
        };
        let answers: Vec<Check> = subjects.into_iter().flat_map(ask).collect();
        if answers.is_empty() { vec![self.absent(site, kind.name(), nobody, looked(inventory, kind))] } else { answers }
    }

    /// A verdict on what was seen.
    pub(super) fn answer(&self, subject: impl Into<String>, seen: &Seen<'_>, verdict: Verdict) -> Check {
        Check::new(self.id, subject, verdict, self.expected, seen.observed(), seen.source())
    }

    /// The answer where the source does not exist: as the site says.
    pub(super) fn absent(&self, site: &Site, subject: impl Into<String>, why: impl Into<String>, source: impl Into<String>) -> Check {
        Check::new(self.id, subject, absent(site, why), self.expected, "nothing", source)
    }

    /// Counters of one component that must all be 0. Of counters that it does not have, those that it has are judged where the site allows for
    /// missing sources.
    pub(super) fn zero(&self, site: &Site, component: &Component, counters: &[Attr]) -> Check {
        let seen = Seen::of(component, counters);
        self.answer(&component.locator, &seen, zero(site, component, counters, &seen))
    }

    /// Whether all `components` have the same `attr`.
    pub(super) fn alike(&self, site: &Site, components: &[&Component], attr: Attr) -> Check {
        let kind = components.first().map_or("nothing", |component| component.kind.name());
        let spread = Spread::of(components, attr);
        let seen = Seen::across(components, attr);
        Check::new(self.id, format!("{kind} {attr}"), spread.verdict(site, attr, &seen), self.expected, spread.observed(), seen.source())
    }
}

/// The verdict where the source does not exist.
pub(super) fn absent(site: &Site, why: impl Into<String>) -> Verdict {
    match site.absence {
        Absence::NotApplicable => Verdict::NotApplicable(why.into()),
        Absence::Inconclusive => Verdict::Inconclusive(Reason::Unreadable(why.into())),
    }
}

fn zero(site: &Site, component: &Component, counters: &[Attr], seen: &Seen<'_>) -> Verdict {
    let counts: Vec<_> = counters.iter().map(|&attr| (attr, count(component, attr))).collect();
    let counted: Vec<String> = counts
        .iter()
        .filter_map(|(attr, count)| count.as_ref().ok().copied().flatten().filter(|&n| n > 0).map(|n| format!("{attr} is {n}")))
        .collect();
    if !counted.is_empty() {
        return Verdict::Fail(counted.join(", "));
    }
    if let Some(reason) = counts.iter().find_map(|(_, count)| count.as_ref().err()) {
        return Verdict::Inconclusive(reason.clone());
    }
    let missing: Vec<&str> = counts.iter().filter(|(_, count)| matches!(count, Ok(None))).map(|(attr, _)| attr.name()).collect();
    match (missing.len(), site.absence) {
        (0, _) => Verdict::pass_on(seen.evidence()),
        (n, Absence::NotApplicable) if n < counters.len() => Verdict::pass_on(seen.evidence()),
        (_, Absence::NotApplicable | Absence::Inconclusive) => absent(site, format!("{} has no {}", component.locator, missing.join(", "))),
    }
}

/// How the readings of one attribute are spread over components.
struct Spread<'a> {
    values: BTreeMap<String, Vec<&'a str>>,
    absent: Vec<&'a str>,
    unclear: Vec<String>,
}

impl<'a> Spread<'a> {
    fn of(components: &[&'a Component], attr: Attr) -> Self {
        let mut spread = Self { values: BTreeMap::new(), absent: Vec::new(), unclear: Vec::new() };
        for component in components {
            let place = component.locator.as_str();
            match component.reading(attr) {
                Reading::Value(Value::Float(x)) if !x.is_finite() => spread.unclear.push(format!("{place}: {attr} is {x}")),
                Reading::Value(Value::Text(text)) if text.trim().is_empty() => spread.absent.push(place),
                Reading::Value(value) => spread.values.entry(value.to_string()).or_default().push(place),
                Reading::Absent => spread.absent.push(place),
                Reading::Unreadable(why) => spread.unclear.push(format!("{place}: {}: {why}", component.source(attr))),
            }
        }
        spread
    }

    fn verdict(&self, site: &Site, attr: Attr, seen: &Seen<'_>) -> Verdict {
        if self.values.len() > 1 {
            return Verdict::Fail(format!("they differ in {attr}: {}", self.observed()));
        }
        if !self.unclear.is_empty() {
            return Verdict::Inconclusive(Reason::Unreadable(self.unclear.join("; ")));
        }
        match (self.values.is_empty(), self.absent.is_empty()) {
            (false, true) => Verdict::pass_on(seen.evidence()),
            // One that does not say, among others that do, may well be the odd one.
            (false, false) => Verdict::Inconclusive(Reason::Unreadable(format!("{} has no {attr}, the others have", self.absent.join(", ")))),
            (true, false) => absent(site, format!("none of them has a {attr}")),
            (true, true) => Verdict::Inconclusive(Reason::NotRun("there was nothing to compare".into())),
        }
    }

    // The value of the few comes first and with its places: that is what somebody has to look for.
    fn observed(&self) -> String {
        let mut groups: Vec<_> = self.values.iter().collect();
        groups.sort_by_key(|(_, places)| places.len());
        let last = groups.len().saturating_sub(1);
        let mut parts: Vec<String> = groups
            .iter()
            .enumerate()
            .map(|(i, (value, places))| if i == last { format!("{} x {value}", places.len()) } else { format!("{value} ({})", places.join(", ")) })
            .collect();
        if !self.absent.is_empty() {
            parts.push(format!("absent ({})", self.absent.join(", ")));
        }
        if !self.unclear.is_empty() {
            parts.push(format!("{} unreadable", self.unclear.len()));
        }
        if parts.is_empty() { "nothing".into() } else { parts.join(", ") }
    }
}
