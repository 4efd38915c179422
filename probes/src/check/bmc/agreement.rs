//! Whether the management controller and the operating system know the same machine: its identity and firmware, processors, and every memory module by
//! slot, size and serial number. Where they differ, one of the two looks at something else, or something changed since it looked.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::{nobody, subjects};
use crate::check::question::{Question, absent};
use crate::check::seen::{Seen, count, flag, guest, text};

pub(in crate::check) const AGREES: Question =
    Question { id: "bmc.inventory_agrees", expected: "the same by the management controller as by the operating system" };

/// Differences named in full; further ones are counted.
const NAMED: usize = 4;

pub(in crate::check) fn inventory_agrees(inventory: &Inventory, site: &Site) -> Vec<Check> {
    if let Some(unasked) = nobody(&AGREES, inventory, site, "management controller") {
        return vec![unasked];
    }
    if let Some(os) = guest(inventory) {
        return vec![AGREES.absent(site, "system", "this is a guest: its parts are made up by the hypervisor", os.source(Attr::Hypervisor))];
    }
    let both = |kinds: [Kind; 2], subject: &str, ask: &dyn Fn(&[&Component], &[&Component]) -> Check| {
        let [bmc, os] = kinds.map(|kind| subjects(&AGREES, inventory, site, kind, subject));
        match (bmc, os) {
            (Err(unasked), _) | (_, Err(unasked)) => *unasked,
            (Ok(bmc), Ok(os)) => ask(&bmc, &os),
        }
    };
    vec![
        both([Kind::BmcHost, Kind::Board], "system", &|bmc, os| system(site, bmc, os)),
        both([Kind::BmcHost, Kind::Board], "firmware", &|bmc, os| firmware(site, bmc, os)),
        both([Kind::BmcCpu, Kind::Cpu], "processors", &|bmc, os| processors(site, bmc, os)),
        both([Kind::BmcDimm, Kind::Dimm], "memory modules", &|bmc, os| modules(site, bmc, os)),
    ]
}

fn known(component: &Component, attr: Attr) -> Result<Option<&str>, Reason> {
    Ok(text(component, attr)?.map(str::trim).filter(|text| !text.is_empty()))
}

/// Whether any system of the controller is this one. Two identities that agree outweigh one that is written in another way.
fn system(site: &Site, bmc: &[&Component], os: &[&Component]) -> Check {
    let seen =
        Seen::across(bmc, Attr::Serial).and(Seen::across(bmc, Attr::Uuid)).and(Seen::across(os, Attr::Serial)).and(Seen::across(os, Attr::Uuid));
    let judge = || -> Result<Verdict, Reason> {
        let (mut same, mut other) = (false, Vec::new());
        if bmc.iter().all(|host| host.value(Attr::PowerState).and_then(|state| state.as_str()) == Some("Off")) {
            return Ok(Verdict::Fail("the management controller manages another machine: its own is switched off".into()));
        }
        for (host, board) in bmc.iter().flat_map(|host| os.iter().map(move |board| (*host, *board))) {
            if let (Some(theirs), Some(ours)) = (known(host, Attr::Serial)?, known(board, Attr::Serial)?) {
                if is_same_serial(theirs, ours) { same = true } else { other.push(format!("serial {theirs} there, {ours} here")) }
            }
            if let (Some(theirs), Some(ours)) = (known(host, Attr::Uuid)?, known(board, Attr::Uuid)?) {
                if is_same_uuid(theirs, ours) { same = true } else { other.push(format!("UUID {theirs} there, {ours} here")) }
            }
        }
        Ok(match (same, other.is_empty()) {
            (true, _) => Verdict::pass_on(seen.evidence()),
            (false, false) => Verdict::Fail(format!("the management controller manages another machine: {}", other.join(", "))),
            (false, true) => absent(site, "the two name no identity that could be compared"),
        })
    };
    AGREES.answer("system", &seen, judge().unwrap_or_else(Verdict::Inconclusive))
}

/// The controller learns the version at boot: another one there was flashed and never booted.
fn firmware(site: &Site, bmc: &[&Component], os: &[&Component]) -> Check {
    let seen = Seen::across(bmc, Attr::Firmware).and(Seen::across(os, Attr::Firmware));
    let judge = || -> Result<Verdict, Reason> {
        let theirs: Vec<&str> = bmc.iter().filter_map(|host| known(host, Attr::Firmware).transpose()).collect::<Result<_, _>>()?;
        let ours: Vec<&str> = os.iter().filter_map(|board| known(board, Attr::Firmware).transpose()).collect::<Result<_, _>>()?;
        if theirs.is_empty() || ours.is_empty() {
            return Ok(absent(site, "one of the two does not name the version of the system firmware"));
        }
        // `U54` here is `U54 v1.50 (08/15/2023)` there.
        let is_same =
            |a: &str, b: &str| a.eq_ignore_ascii_case(b) || a.split_whitespace().any(|word| word == b) || b.split_whitespace().any(|word| word == a);
        if theirs.iter().any(|theirs| ours.iter().any(|ours| is_same(theirs, ours))) {
            return Ok(Verdict::pass_on(seen.evidence()));
        }
        Ok(Verdict::Fail(format!("system firmware {} there, {} here", theirs.join(", "), ours.join(", "))))
    };
    AGREES.answer("firmware", &seen, judge().unwrap_or_else(Verdict::Inconclusive))
}

fn processors(site: &Site, bmc: &[&Component], os: &[&Component]) -> Check {
    let seen = Seen::across(bmc, Attr::Model).and(Seen::across(bmc, Attr::Populated)).and(Seen::across(os, Attr::Model));
    let judge = || -> Result<Verdict, Reason> {
        let fitted = fitted(bmc)?;
        if fitted.len() != os.len() {
            return Ok(Verdict::Fail(format!("{} processors there, {} here", fitted.len(), os.len())));
        }
        let (mut compared, mut other) = (0, Vec::new());
        for (theirs, ours) in fitted.iter().zip(os) {
            if let (Some(theirs), Some(ours)) = (known(theirs, Attr::Model)?, known(ours, Attr::Model)?) {
                compared += 1;
                if !is_same_model(theirs, ours) {
                    other.push(format!("{theirs} there, {ours} here"));
                }
            }
            if let (Some(theirs), Some(ours)) = (count(theirs, Attr::Cores)?, count(ours, Attr::Cores)?)
                && theirs != ours
            {
                other.push(format!("{theirs} cores there, {ours} here"));
            }
        }
        Ok(match (other.is_empty(), compared == fitted.len() && compared > 0) {
            (false, _) => Verdict::Fail(listed(&other)),
            (true, true) => Verdict::pass_on(seen.evidence()),
            (true, false) => absent(site, "one of the two does not name the model of every processor"),
        })
    };
    AGREES.answer("processors", &seen, judge().unwrap_or_else(Verdict::Inconclusive))
}

/// Those that are fitted; one that does not say is a reason.
fn fitted<'a>(components: &[&'a Component]) -> Result<Vec<&'a Component>, Reason> {
    let mut fitted = Vec::new();
    for component in components {
        match flag(component, Attr::Populated)? {
            Some(true) => fitted.push(*component),
            Some(false) => {}
            None => return Err(Reason::Unreadable(format!("{} does not say whether it is fitted", component.locator))),
        }
    }
    Ok(fitted)
}

fn modules(site: &Site, bmc: &[&Component], os: &[&Component]) -> Check {
    let attrs = [Attr::Populated, Attr::Capacity, Attr::Serial];
    let of = |components| {
        attrs.iter().map(|attr| Seen::across(components, *attr)).reduce(Seen::and).unwrap_or_else(|| Seen::across(components, Attr::Slot))
    };
    let seen = of(bmc).and(of(os));
    let verdict = || -> Result<Verdict, Reason> {
        let (theirs, ours) = (fitted(bmc)?, fitted(os)?);
        if theirs.is_empty() && ours.is_empty() {
            return Ok(absent(site, "neither of the two names a module"));
        }
        let pairs = match paired(&theirs, &ours)? {
            Paired::All(pairs) => pairs,
            Paired::Lonely(lonely) => return Ok(Verdict::Fail(format!("{} modules there, {} here: {}", theirs.len(), ours.len(), listed(&lonely)))),
            Paired::Unknown => return Ok(absent(site, "neither serial numbers nor slots of the two can be compared")),
        };
        let slots_are_alike = labels(&theirs)?.keys().eq(labels(&ours)?.keys());
        let mut other = Vec::new();
        let mut sized = 0;
        for (theirs, ours) in &pairs {
            let place = &ours.locator;
            match (count(theirs, Attr::Capacity)?, count(ours, Attr::Capacity)?) {
                (Some(there), Some(here)) if there != here => other.push(format!("{place}: {there} bytes there, {here} here")),
                (Some(_), Some(_)) => sized += 1,
                (None, _) | (_, None) => {}
            }
            for attr in [Attr::Serial, Attr::PartNumber] {
                if let (Some(there), Some(here)) = (known(theirs, attr)?, known(ours, attr)?)
                    && !is_same_serial(there, here)
                {
                    other.push(format!("{place}: {attr} {there} there, {here} here"));
                }
            }
            if slots_are_alike && label(theirs)? != label(ours)? {
                other.push(format!("{place}: in {} there", theirs.locator));
            }
        }
        Ok(match (other.is_empty(), sized == pairs.len()) {
            (false, _) => Verdict::Fail(listed(&other)),
            (true, true) => Verdict::pass_on(seen.evidence()),
            (true, false) => absent(site, "one of the two does not name the size of every module"),
        })
    };
    AGREES.answer("memory modules", &seen, verdict().unwrap_or_else(Verdict::Inconclusive))
}

/// Modules of the two sides that are the same one.
enum Paired<'a> {
    /// Each has its partner.
    All(Vec<(&'a Component, &'a Component)>),
    /// These have none.
    Lonely(Vec<String>),
    /// Nothing tells which belongs to which.
    Unknown,
}

/// By serial number where all have one, by slot otherwise.
fn paired<'a>(theirs: &[&'a Component], ours: &[&'a Component]) -> Result<Paired<'a>, Reason> {
    let serials = |components: &[&Component]| -> Result<Vec<String>, Reason> {
        components.iter().filter_map(|component| known(component, Attr::Serial).transpose()).map(|serial| serial.map(str::to_owned)).collect()
    };
    let (their_labels, our_labels) = (labels(theirs)?, labels(ours)?);
    let has_labels = their_labels.len() == theirs.len() && our_labels.len() == ours.len();
    // Slots that both sides know by one name at least; else they are counted in different ways.
    if has_labels && (our_labels.keys().any(|label| their_labels.contains_key(label)) || theirs.is_empty() || ours.is_empty()) {
        let lonely = |these: &BTreeMap<String, &Component>, those: &BTreeMap<String, &Component>, side: &str| -> Vec<String> {
            these.iter().filter(|(label, _)| !those.contains_key(*label)).map(|(_, component)| format!("{} only {side}", component.locator)).collect()
        };
        let lonely = [lonely(&their_labels, &our_labels, "there"), lonely(&our_labels, &their_labels, "here")].concat();
        if !lonely.is_empty() {
            return Ok(Paired::Lonely(lonely));
        }
        return Ok(Paired::All(their_labels.iter().filter_map(|(label, theirs)| Some((*theirs, *our_labels.get(label)?))).collect()));
    }
    if serials(theirs)?.len() < theirs.len() || serials(ours)?.len() < ours.len() {
        let lonely = vec!["slots are named in different ways".to_owned()];
        return Ok(if theirs.len() == ours.len() { Paired::Unknown } else { Paired::Lonely(lonely) });
    }
    let mut left: Vec<&Component> = theirs.to_vec();
    let (mut pairs, mut lonely) = (Vec::new(), Vec::new());
    for component in ours {
        let serial = known(component, Attr::Serial)?.unwrap_or_default();
        let partner = left.iter().position(|other| known(other, Attr::Serial).ok().flatten().is_some_and(|other| is_same_serial(other, serial)));
        match partner {
            Some(partner) => pairs.push((left.swap_remove(partner), *component)),
            None => lonely.push(format!("{} ({serial}) only here", component.locator)),
        }
    }
    lonely.extend(left.iter().map(|other| format!("{} only there", other.locator)));
    Ok(if lonely.is_empty() { Paired::All(pairs) } else { Paired::Lonely(lonely) })
}

/// Modules by the label of their slot; one without a label, or with one that is there twice, is missing here.
fn labels<'a>(components: &[&'a Component]) -> Result<BTreeMap<String, &'a Component>, Reason> {
    let mut labels = BTreeMap::new();
    for component in components {
        if let Some(label) = label(component)? {
            labels.insert(label, *component);
        }
    }
    Ok(labels)
}

// `P1-DIMMA1`, `P1_DIMMA1` and `P1 DIMM A1` are one slot.
fn label(component: &Component) -> Result<Option<String>, Reason> {
    let slot = known(component, Attr::Slot)?;
    Ok(slot.map(|slot| slot.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase()).filter(|label| !label.is_empty()))
}

/// Whether two texts are one serial number: firmware pads with zeros and cuts to the length of its field.
fn is_same_serial(a: &str, b: &str) -> bool {
    const LEAST: usize = 6;
    let plain = |text: &str| text.trim().trim_start_matches('0').to_ascii_uppercase();
    let (a, b) = (plain(a), plain(b));
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    long == short || (short.len() >= LEAST && (long.starts_with(&short) || long.ends_with(&short)))
}

/// Whether two texts are one UUID: the first three fields are written in either order of bytes.
fn is_same_uuid(a: &str, b: &str) -> bool {
    let digits = |text: &str| text.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_ascii_lowercase();
    let (a, b) = (digits(a), digits(b));
    a == b || (a.len() == 32 && swapped(&a) == b)
}

fn swapped(digits: &str) -> String {
    let turned = |from: usize, to: usize| -> String {
        let pairs: Vec<&str> = (from..to).step_by(2).filter_map(|at| digits.get(at..at + 2)).collect();
        pairs.into_iter().rev().collect()
    };
    [turned(0, 8), turned(8, 12), turned(12, 16), digits.get(16..).unwrap_or_default().to_owned()].concat()
}

/// Whether two texts name one processor: `AMD EPYC 9554` and `AMD EPYC 9554 64-Core Processor`.
fn is_same_model(a: &str, b: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let plain = text.replace("(R)", " ").replace("(TM)", " ").replace("(tm)", " ").replace('@', " ");
        plain.split_whitespace().map(str::to_ascii_lowercase).collect()
    };
    let (a, b) = (words(a), words(b));
    let (long, short) = if a.len() >= b.len() { (a, b) } else { (b, a) };
    !short.is_empty() && long.windows(short.len()).any(|window| window == short.as_slice())
}

fn listed(differences: &[String]) -> String {
    let shown: Vec<&str> = differences.iter().take(NAMED).map(String::as_str).collect();
    let more = differences.len().saturating_sub(NAMED);
    if more > 0 { format!("{} and {more} more", shown.join("; ")) } else { shown.join("; ") }
}
