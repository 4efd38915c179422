//! The order against the inventory: `<kind>.quantity` per line, `<kind>.<attribute>` per component and expected attribute, `<kind>.unexpected` for
//! what no line takes. Which component belongs to which line is decided in `bom/assignment.rs`, and which attributes can be compared at all stands
//! in `bom/filled.rs`. What contradicts itself in the order is blocked by `assay_model::judge`, not here.

use assay_model::attr::{Attr, Kind};
use assay_model::bom::BomLine;
use assay_model::check::{Check, CheckId};
use assay_model::component::{Component, Reading};
use assay_model::inventory::{Inventory, Observed};
use assay_model::matcher::Matcher;
use assay_model::site::Site;
use assay_model::verdict::{Evidence, Reason, Verdict};

use super::question::absent;
use super::seen::looked;

mod assignment;
mod filled;

use assignment::{Assignment, Claimants, Taken};

/// Id of the answer where there is no order to compare with.
pub(super) const COMPARED: &str = "bom.compared";

/// Every id to which a line of an order can lead.
pub(super) fn ids() -> impl Iterator<Item = CheckId> {
    filled::FILLED.iter().flat_map(|(kind, attrs)| {
        let compared = attrs.iter().map(|attr| attr_id(*kind, *attr));
        compared.chain([quantity_id(*kind), unexpected_id(*kind)]).map(CheckId)
    })
}

fn attr_id(kind: Kind, attr: Attr) -> String {
    format!("{kind}.{attr}")
}

fn quantity_id(kind: Kind) -> String {
    format!("{kind}.quantity")
}

fn unexpected_id(kind: Kind) -> String {
    format!("{kind}.unexpected")
}

pub(super) fn as_ordered(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let expected = "the components of the node are as ordered";
    let Some(bom) = &site.bom else {
        return vec![Check::not_applicable(COMPARED, site.name.as_str(), expected, "this site orders nothing", site.origin.as_str())];
    };
    let ordered: Vec<Kind> = Kind::ALL.iter().copied().filter(|kind| bom.of(*kind).next().is_some()).collect();
    if ordered.is_empty() {
        let reason = Reason::NotRun("the order has no lines".into());
        return vec![Check::inconclusive(COMPARED, site.name.as_str(), expected, reason, site.origin.as_str())];
    }
    ordered.into_iter().flat_map(|kind| of_kind(inventory, site, kind, &bom.of(kind).collect::<Vec<_>>())).collect()
}

/// The components that the line of that name takes; why that cannot be told. As many as are ordered, or fewer or more.
pub(super) fn taken_by<'a>(inventory: &'a Inventory, site: &'a Site, line: &str) -> Result<Vec<&'a Component>, Reason> {
    let lines = site.bom.iter().flat_map(|bom| bom.lines.iter());
    let Some(kind) = lines.clone().find(|of| of.name == line).map(|of| of.kind) else {
        return Err(Reason::NotRun(format!("the order has no line `{line}`")));
    };
    let components = match inventory.of(kind) {
        Observed::Components(components) => components,
        Observed::SourceMissing(source) => return Err(Reason::Unreadable(format!("{source} does not exist on this host"))),
        Observed::Unknown(reason) => return Err(reason),
    };
    let lines: Vec<&BomLine> = lines.filter(|of| of.kind == kind).collect();
    let assignment = Assignment::of(kind, &lines, &components);
    let taken = assignment.lines.into_iter().find(|taken| taken.line.name == line);
    let Some(taken) = taken else { return Ok(Vec::new()) };
    match taken.unclear.first() {
        Some((component, why)) => Err(Reason::Unreadable(format!("cannot tell whether {} is one of `{line}`: {why}", component.locator))),
        None => Ok(taken.members),
    }
}

fn of_kind(inventory: &Inventory, site: &Site, kind: Kind, lines: &[&BomLine]) -> Vec<Check> {
    let looked = looked(inventory, kind);
    match inventory.of(kind) {
        Observed::Components(components) => compared(site, kind, lines, &components, &looked),
        Observed::SourceMissing(source) => unanswered(kind, lines, &absent(site, format!("{source} does not exist on this host")), &looked),
        Observed::Unknown(reason) => unanswered(kind, lines, &Verdict::Inconclusive(reason), &looked),
    }
}

// Nothing can be said of the kind: every question of every line stays open, for one reason.
fn unanswered(kind: Kind, lines: &[&BomLine], verdict: &Verdict, looked: &str) -> Vec<Check> {
    let open = |id: String, line: &str, expected: String| Check::new(&id, line, verdict.clone(), expected, "nothing", looked);
    let of_line = |line: &&BomLine| {
        let quantity = open(quantity_id(kind), &line.name, line.quantity.to_string());
        let attrs = line.expect.iter().map(|(attr, matcher)| open(attr_id(kind, *attr), &line.name, matcher.to_string()));
        [quantity].into_iter().chain(attrs).collect::<Vec<_>>()
    };
    let unexpected = open(unexpected_id(kind), kind.name(), UNEXPECTED.into());
    lines.iter().flat_map(of_line).chain([unexpected]).collect()
}

fn compared(site: &Site, kind: Kind, lines: &[&BomLine], components: &[&Component], looked: &str) -> Vec<Check> {
    let assignment = Assignment::of(kind, lines, components);
    let of_line = |taken: &Taken<'_>| [quantity(kind, taken, looked)].into_iter().chain(attributes(site, kind, taken, looked)).collect::<Vec<_>>();
    assignment.lines.iter().flat_map(of_line).chain(unexpected(kind, &assignment, looked)).collect()
}

// How many it is when one or the other unclear component may belong to the line or not.
fn quantity(kind: Kind, taken: &Taken<'_>, looked: &str) -> Check {
    let ordered = usize::try_from(taken.line.quantity).unwrap_or(usize::MAX);
    let (least, most) = (taken.members.len(), taken.members.len() + taken.unclear.len());
    let counted = Reading::from(u64::try_from(least).unwrap_or(u64::MAX));
    let verdict = if least > ordered || most < ordered {
        Verdict::Fail(format!("{} of {ordered} are there", range(least, most)))
    } else if let Some((component, why)) = taken.unclear.first() {
        Verdict::Inconclusive(Reason::Unreadable(format!("cannot tell whether {} is one of them: {why}", component.locator)))
    } else {
        Verdict::pass_on(Evidence::of_reading(looked, &counted))
    };
    let places: Vec<&str> = taken.members.iter().map(|component| component.locator.as_str()).collect();
    let observed = if places.is_empty() { range(least, most) } else { format!("{}: {}", range(least, most), places.join(", ")) };
    Check::new(&quantity_id(kind), &taken.line.name, verdict, ordered.to_string(), observed, looked)
}

fn range(least: usize, most: usize) -> String {
    if least == most { least.to_string() } else { format!("{least} to {most}") }
}

fn attributes(site: &Site, kind: Kind, taken: &Taken<'_>, looked: &str) -> Vec<Check> {
    let line = taken.line;
    let each = |(attr, matcher): (&Attr, &Matcher)| {
        let id = attr_id(kind, *attr);
        if taken.members.is_empty() && taken.unclear.is_empty() {
            let reason = Reason::NotRun("no component to look at".into());
            return vec![Check::inconclusive(&id, &line.name, matcher.to_string(), reason, looked)];
        }
        let members = taken.members.iter().map(|component| one(site, &id, component, *attr, matcher));
        let unclear = taken.unclear.iter().map(|(component, why)| {
            let reason = Reason::Unreadable(format!("cannot tell whether it belongs to `{}`: {why}", line.name));
            Check::inconclusive(&id, &component.locator, matcher.to_string(), reason, component.source(*attr))
        });
        members.chain(unclear).collect()
    };
    line.expect.iter().flat_map(each).collect()
}

fn one(site: &Site, id: &str, component: &Component, attr: Attr, matcher: &Matcher) -> Check {
    let mut check = Check::compare(id, &component.locator, component.source(attr), matcher, component.reading(attr), site.absence);
    if let (Kind::Gpu, Attr::LinkSpeed, Verdict::Fail(why)) = (component.kind, attr, &check.verdict) {
        check.verdict = Verdict::Inconclusive(Reason::Disturbed(format!("{why}, but a GPU lowers it when idle: it has to be read under load")));
    }
    check
}

const UNEXPECTED: &str = "every component belongs to a line of the order";

fn unexpected(kind: Kind, assignment: &Assignment<'_>, looked: &str) -> Vec<Check> {
    let id = unexpected_id(kind);
    let odd = assignment.claimed.iter().filter_map(|(component, claimants)| {
        let verdict = match claimants {
            Claimants::Some => return None,
            Claimants::Unclear(why) => Verdict::Inconclusive(Reason::Unreadable(format!("cannot tell whether a line takes it: {why}"))),
            Claimants::None => Verdict::Fail("no line of the order takes it".into()),
        };
        Some(Check::new(&id, &component.locator, verdict, UNEXPECTED, described(component), looked))
    });
    let odd: Vec<Check> = odd.collect();
    if !odd.is_empty() {
        return odd;
    }
    let seen = assignment.claimed.len();
    if seen == 0 {
        return vec![Check::inconclusive(&id, kind.name(), UNEXPECTED, Reason::NotRun("no component to look at".into()), looked)];
    }
    let counted = Reading::from(u64::try_from(seen).unwrap_or(u64::MAX));
    let verdict = Verdict::pass_on(Evidence::of_reading(looked, &counted));
    vec![Check::new(&id, kind.name(), verdict, UNEXPECTED, format!("all {seen} do"), looked)]
}

// What a person needs to recognise the thing.
fn described(component: &Component) -> String {
    let marks = [Attr::Name, Attr::Vendor, Attr::Model, Attr::PartNumber, Attr::PciId, Attr::Driver];
    let said: Vec<String> = marks.iter().filter_map(|attr| Some(format!("{attr} {}", component.value(*attr)?))).collect();
    if said.is_empty() { "a component without a name".into() } else { said.join(", ") }
}

#[cfg(test)]
mod tests;
