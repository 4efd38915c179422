//! Whether the ports of a bond lead to more than one switch, as the switches announce themselves over LLDP.

use std::collections::BTreeSet;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Reading, Value};
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::verdict::Reason;

use super::{Bundle, each, too_few, unordered};
use crate::check::findings::Findings;
use crate::check::question::Question;
use crate::check::seen::Seen;
use crate::probe::NOT_LISTENED;

pub(in crate::check) const SWITCH_DIVERSITY: Question =
    Question { id: "bond.switch_diversity", expected: "the ports lead to different LLDP chassis" };

pub(in crate::check) fn switch_diversity(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let question = &SWITCH_DIVERSITY;
    each(question, inventory, site, |bundle| {
        if bundle.ordered.is_none() {
            return question.answer(&bundle.bond.locator, &Seen::of(bundle.bond, &[Attr::Members]), unordered(site));
        }
        let neighbours = match inventory.of(Kind::Neighbour) {
            Observed::Components(neighbours) => neighbours,
            Observed::SourceMissing(source) => return unknown(bundle, Reason::Unreadable(format!("{source} does not exist on this host"))),
            Observed::Unknown(reason) => return unknown(bundle, reason),
        };
        let mut findings = Findings::default();
        if let Some(reason) = too_few(bundle) {
            findings.unclear(reason);
        }
        let mut chassis = Vec::new();
        let mut of_members = Vec::new();
        for member in &bundle.members {
            match neighbours.iter().copied().find(|neighbour| neighbour.locator == member.locator) {
                None => findings.unclear(Reason::NotRun(format!("nobody looked who is at the other end of {}", member.locator))),
                Some(neighbour) => {
                    of_members.push(neighbour);
                    match heard(neighbour) {
                        Ok(ids) if ids.len() > 1 => {
                            findings.unclear(Reason::Invalid(format!(
                                "{} hears {} chassis, and a link has one other end",
                                neighbour.locator,
                                ids.len()
                            )));
                            chassis.push(ids);
                        }
                        Ok(ids) => chassis.push(ids),
                        Err(reason) => findings.unclear(reason),
                    }
                }
            }
        }
        // Of more than two ports some may share a switch; all of them must not.
        let common: Option<BTreeSet<&str>> = chassis.iter().cloned().reduce(|common, ids| common.intersection(&ids).copied().collect());
        if let Some(shared) = common.as_ref().and_then(|common| common.first()).filter(|_| chassis.len() == bundle.members.len() && chassis.len() > 1)
        {
            findings.wrong(format!("all ports lead to one chassis, {shared}"));
        }
        if let Some((one, other)) = incomparable(&of_members) {
            let what = format!("{} and {} hear chassis of two sorts, and their names do not tell them apart", one.locator, other.locator);
            findings.unclear(Reason::Invalid(what));
        }
        let of_all = |attr| Seen::across(&of_members, attr);
        let seen = of_all(Attr::ChassisId).and(of_all(Attr::PortId)).and(of_all(Attr::SystemName));
        let verdict = findings.verdict(site, &seen);
        question.answer(&bundle.bond.locator, &seen, verdict)
    })
}

/// Two neighbours of which one is known by an address, say, and the other by a name: unless they also differ in what they are called, they may be one.
fn incomparable<'a>(neighbours: &[&'a Component]) -> Option<(&'a Component, &'a Component)> {
    let sorts = |neighbour| heard(neighbour).map(|ids| ids.into_iter().filter_map(|id| id.split(' ').next()).collect::<BTreeSet<_>>());
    let are_told_apart = |one: &Component, other: &Component| match (one.value(Attr::SystemName), other.value(Attr::SystemName)) {
        (Some(one), Some(other)) => one != other,
        (_, _) => false,
    };
    let mut pairs = neighbours.iter().enumerate().flat_map(|(at, one)| neighbours.iter().skip(at + 1).map(move |other| (*one, *other)));
    pairs.find(|(one, other)| match (sorts(one), sorts(other)) {
        (Ok(a), Ok(b)) => a.is_disjoint(&b) && !are_told_apart(one, other),
        (_, _) => false,
    })
}

fn unknown(bundle: &Bundle<'_>, reason: Reason) -> Check {
    Check::inconclusive(SWITCH_DIVERSITY.id, &bundle.bond.locator, SWITCH_DIVERSITY.expected, reason, "probe lldp")
}

/// The chassis that announced themselves on an interface.
fn heard(neighbour: &Component) -> Result<BTreeSet<&str>, Reason> {
    let name = &neighbour.locator;
    match neighbour.reading(Attr::ChassisId) {
        Reading::Value(Value::Text(id)) => Ok(BTreeSet::from([id.as_str()])),
        Reading::Value(Value::List(ids)) if !ids.is_empty() => Ok(ids.iter().map(String::as_str).collect()),
        Reading::Value(other) => Err(Reason::Invalid(format!("{name} hears the chassis `{other}`, which is none"))),
        Reading::Absent => {
            let time = neighbour.value(Attr::Listened).map(|seconds| format!(" in {seconds} s")).unwrap_or_default();
            Err(Reason::Unreadable(format!("nobody announced itself on {name}{time}")))
        }
        Reading::Unreadable(why) if why == NOT_LISTENED => Err(Reason::NotRun(format!("{name}: {why}"))),
        Reading::Unreadable(why) => Err(Reason::Unreadable(format!("{}: {why}", neighbour.source(Attr::ChassisId)))),
    }
}
