//! Plugged-in modules of ports that have a link: alike on cards of one kind, and their temperature and optical power inside the limits that they state themselves.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Reading};
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::super::question::{Question, absent};
use super::super::seen::{Seen, number, text};
use super::card::alike;
use super::{card, is_ordered, is_strict, is_up};

pub(in super::super) const MODULE: Question = Question {
    id: "nic.module",
    expected: "modules of one vendor and part on cards of one kind, temperature and power inside the module's own alarm limits",
};

/// Colder or hotter than any module that still answers.
const DEGREES: std::ops::RangeInclusive<f64> = -40.0..=125.0;
/// What sensors say that are not there.
const LIES: [f64; 3] = [0.0, -128.0, 255.0];
/// A figure as least and most of its lanes, and its limits.
const FIGURES: &[(Attr, Attr, Attr, Attr)] = &[
    (Attr::ModuleTemperature, Attr::ModuleTemperature, Attr::ModuleTemperatureLow, Attr::ModuleTemperatureHigh),
    (Attr::ModuleTransmitMin, Attr::ModuleTransmitMax, Attr::ModuleTransmitLow, Attr::ModuleTransmitHigh),
    (Attr::ModuleReceiveMin, Attr::ModuleReceiveMax, Attr::ModuleReceiveLow, Attr::ModuleReceiveHigh),
];
const NAMES: [Attr; 2] = [Attr::ModuleVendor, Attr::ModulePart];

pub(in super::super) fn module(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let mut checks = MODULE.each(inventory, site, Kind::Nic, "no port with a link has a module", |port| {
        let attrs: Vec<Attr> = NAMES.into_iter().chain(FIGURES.iter().flat_map(|(least, most, low, high)| [*least, *most, *low, *high])).collect();
        let seen = Seen::of(port, &attrs);
        let verdict = inside(site, port, &seen).unwrap_or_else(|reason| Some(Verdict::Inconclusive(reason)))?;
        Some(MODULE.answer(&port.locator, &seen, verdict))
    });
    checks.extend(pairs(inventory, site));
    checks
}

fn inside(site: &Site, port: &Component, seen: &Seen<'_>) -> Result<Option<Verdict>, Reason> {
    if !is_up(port)? {
        return Ok(None);
    }
    let is_fixed = text(port, Attr::Medium) == Ok(Some("twisted pair"));
    let has_none = NAMES.iter().all(|attr| *port.reading(*attr) == Reading::Absent) && *port.reading(Attr::ModuleTemperature) == Reading::Absent;
    if has_none && is_ordered(site, port) {
        return Ok(Some(absent(site, format!("{} has a link and tells of no module", port.locator))));
    }
    // A socket for a plug of copper has no module; what its driver says of one is nothing.
    if has_none || is_fixed {
        return Ok(None);
    }
    let mut doubt = None;
    let mut faults = Vec::new();
    for attr in NAMES {
        match text(port, attr) {
            Ok(Some(name)) if !name.trim().is_empty() => {}
            Ok(Some(_) | None) => doubt = doubt.or_else(|| Some(Reason::Unreadable(format!("the module has no {attr}")))),
            Err(reason) => doubt = doubt.or(Some(reason)),
        }
    }
    for figure in FIGURES {
        match outside(site, port, figure) {
            Ok(fault) => faults.extend(fault),
            Err(reason) => doubt = doubt.or(Some(reason)),
        }
    }
    Ok(Some(match (faults.is_empty(), doubt) {
        (false, _) => Verdict::Fail(faults.join(", ")),
        (true, Some(reason)) => Verdict::Inconclusive(reason),
        (true, None) => Verdict::pass_on(seen.evidence()),
    }))
}

/// What is outside of its limits.
fn outside(site: &Site, port: &Component, &(least, most, low, high): &(Attr, Attr, Attr, Attr)) -> Result<Option<String>, Reason> {
    let (Some(lowest), Some(highest)) = (number(port, least)?, number(port, most)?) else {
        // Copper has neither temperature nor light; a module that states limits for what it does not measure is another matter.
        return match number(port, high)? {
            Some(_) if is_strict(site) => Err(Reason::Unreadable(format!("the module has limits of {least} and does not tell it"))),
            Some(_) | None => Ok(None),
        };
    };
    if least == Attr::ModuleTemperature && (LIES.contains(&lowest) || !DEGREES.contains(&lowest)) {
        return Err(Reason::Invalid(format!("{} says {lowest} °C, which is what a sensor says that does not measure", port.source(least))));
    }
    match (number(port, low)?, number(port, high)?) {
        (Some(low), Some(high)) if low >= high => Err(Reason::Invalid(format!("the alarm limits of {least} are {low} and {high}"))),
        (Some(low), _) if lowest < low => Ok(Some(format!("{least} is {lowest}, below its alarm limit {low}"))),
        (_, Some(high)) if highest > high => Ok(Some(format!("{most} is {highest}, above its alarm limit {high}"))),
        (Some(_), Some(_)) => Ok(None),
        (_, _) if is_strict(site) => Err(Reason::Unreadable(format!("the module tells {least} and no alarm limits of it"))),
        (_, _) => Ok(None),
    }
}

/// Whether the modules of the linked ports of one kind of card are the same product.
fn pairs(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let mut kinds: BTreeMap<&str, Vec<&Component>> = BTreeMap::new();
    for port in inventory.iter(Kind::Nic).filter(|port| is_up(port) == Ok(true) && *port.reading(Attr::ModulePart) != Reading::Absent) {
        if let Ok(Some(kind)) = card(port) {
            kinds.entry(kind).or_default().push(port);
        }
    }
    let pairs = kinds.into_iter().filter(|(_, ports)| ports.len() > 1);
    pairs.flat_map(|(kind, ports)| NAMES.map(|attr| alike(&MODULE, site, &ports, attr, kind))).collect()
}

#[cfg(test)]
mod tests;
