//! The card itself: what its ports speak, whether its firmware is the pinned one and runs, whether all boards are alike, and the error correction of its links.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::site::declared::Fec;
use assay_model::verdict::{Reason, Verdict};

use super::super::question::{Question, absent};
use super::super::seen::{Seen, count, text};
use super::{card, is_ordered, is_strict, is_up};

pub(in super::super) const LINK_LAYER: Question =
    Question { id: "nic.link_layer", expected: "every port speaks the declared link layer, Ethernet where none is declared" };
pub(in super::super) const FIRMWARE: Question =
    Question { id: "nic.firmware_activated", expected: "the firmware that runs is the one that is stored and the one that is pinned" };
pub(in super::super) const PSID: Question = Question { id: "nic.psid_alike", expected: "one board id on all cards of one kind" };
pub(in super::super) const FEC: Question =
    Question { id: "nic.fec", expected: "the declared error correction is active on every link of 25 Gbit/s and more, RS where none is declared" };

/// Slower links run without FEC.
const FEC_FROM: u64 = 25_000_000_000;

pub(in super::super) fn link_layer(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let declared = site.declared.nics.link_layer.as_deref();
    let expected = declared.unwrap_or("Ethernet");
    LINK_LAYER.each(inventory, site, Kind::Nic, "no port says what it speaks", |port| {
        let seen = Seen::of(port, &[Attr::LinkLayer]);
        let verdict = match text(port, Attr::LinkLayer) {
            // A radio is no port of a card that could be set to something else.
            Ok(Some("802.11")) => return None,
            Ok(Some(layer)) if layer == expected => Verdict::pass_on(seen.evidence()),
            Ok(Some(layer)) if is_strict(site) || declared.is_some() => Verdict::Fail(format!("it speaks {layer}, not {expected}")),
            Ok(Some(layer)) => Verdict::NotApplicable(format!("it speaks {layer}, and nothing is declared")),
            Ok(None) => absent(site, format!("{} does not say what it speaks", port.locator)),
            Err(reason) => Verdict::Inconclusive(reason),
        };
        Some(LINK_LAYER.answer(&port.locator, &seen, verdict))
    })
}

pub(in super::super) fn firmware_activated(inventory: &Inventory, site: &Site) -> Vec<Check> {
    FIRMWARE.each(inventory, site, Kind::Nic, "no card tells its firmware", |port| {
        let seen = Seen::of(port, &[Attr::Firmware, Attr::FirmwareStored]);
        Some(FIRMWARE.answer(&port.locator, &seen, firmware(site, port, &seen)?))
    })
}

/// None of a port that has no firmware of which anything is asked.
fn firmware(site: &Site, port: &Component, seen: &Seen<'_>) -> Option<Verdict> {
    let read = || Ok::<_, Reason>((card(port)?, text(port, Attr::Firmware)?, text(port, Attr::FirmwareStored)?));
    let (id, running, stored) = match read() {
        Ok(read) => read,
        Err(reason) => return Some(Verdict::Inconclusive(reason)),
    };
    let pinned = id.and_then(|id| site.declared.nics.firmware.get(id)).map(String::as_str);
    let is_asked = pinned.is_some() || is_ordered(site, port);
    Some(match (running, stored, pinned) {
        (Some(running), Some(stored), _) if running != stored => {
            Verdict::Fail(format!("{running} runs and {stored} is stored: the card was not reset since it was flashed"))
        }
        (Some(running), _, Some(pinned)) if running != pinned => Verdict::Fail(format!("{running} runs, {pinned} is pinned")),
        (Some(_), Some(_), Some(_)) => Verdict::pass_on(seen.evidence()),
        (Some(_), Some(_), None) if is_strict(site) && is_asked => {
            Verdict::Inconclusive(Reason::NotRun(format!("declared.toml pins no firmware of {}", id.unwrap_or("this card"))))
        }
        (Some(_), Some(_), None) => Verdict::pass_on(seen.evidence()),
        (None, _, _) | (_, None, _) if is_asked => absent(site, format!("{} does not tell what runs and what is stored", port.locator)),
        (None, _, _) | (_, None, _) => return None,
    })
}

pub(in super::super) fn psid_alike(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ports = match PSID.subjects(inventory, site, Kind::Nic) {
        Ok(ports) => ports,
        Err(unasked) => return unasked,
    };
    let mut kinds: BTreeMap<&str, Vec<&Component>> = BTreeMap::new();
    for port in ports.into_iter().filter(|port| text(port, Attr::Psid) != Ok(None) || is_ordered(site, port)) {
        kinds.entry(card(port).ok().flatten().unwrap_or("unknown kind")).or_default().push(port);
    }
    if kinds.is_empty() {
        return vec![PSID.absent(site, Kind::Nic.name(), "no card has a board id", "ethtool, devlink and /sys/class/infiniband")];
    }
    kinds.into_iter().map(|(kind, ports)| alike(&PSID, site, &ports, Attr::Psid, kind)).collect()
}

/// Whether the ports of one kind of card have the same attribute. Where nothing was ordered, two boards may well be different ones.
pub(super) fn alike(question: &Question, site: &Site, ports: &[&Component], attr: Attr, kind: &str) -> Check {
    let check = question.alike(site, ports, attr);
    let subject = format!("{} of {kind}", check.subject);
    let verdict = match check.verdict {
        Verdict::Fail(why) if !is_strict(site) => Verdict::NotApplicable(format!("nothing is ordered: {why}")),
        verdict @ (Verdict::Fail(_) | Verdict::Inconclusive(_) | Verdict::Pass(_) | Verdict::NotApplicable(_)) => verdict,
    };
    Check { subject, verdict, ..check }
}

pub(in super::super) fn fec(inventory: &Inventory, site: &Site) -> Vec<Check> {
    FEC.each(inventory, site, Kind::Nic, "no port has a link of 25 Gbit/s or more", |port| {
        let seen = Seen::of(port, &[Attr::FecActive, Attr::FecConfigured, Attr::Speed]);
        let verdict = active_fec(site, port, &seen).unwrap_or_else(|reason| Some(Verdict::Inconclusive(reason)))?;
        Some(FEC.answer(&port.locator, &seen, verdict))
    })
}

fn active_fec(site: &Site, port: &Component, seen: &Seen<'_>) -> Result<Option<Verdict>, Reason> {
    if !is_up(port)? {
        return Ok(None);
    }
    let declared = card(port)?.and_then(|id| site.declared.nics.fec.get(id)).copied();
    match count(port, Attr::Speed)? {
        Some(speed) if speed < FEC_FROM => return Ok(None),
        None if !is_ordered(site, port) => return Ok(None),
        None => return Err(Reason::Unreadable(format!("{} has a link and tells no speed", port.locator))),
        Some(_) => {}
    }
    let expected = declared.unwrap_or(Fec::Rs).name();
    Ok(Some(match text(port, Attr::FecActive)? {
        Some(active) if active == expected => Verdict::pass_on(seen.evidence()),
        // Short cables of 25 Gbit/s and long fibres of 100 Gbit/s run without, and that is for who owns them to say.
        Some(active) if declared.is_none() && !is_strict(site) => Verdict::NotApplicable(format!("{active} is active, and nothing is declared")),
        Some(active) => Verdict::Fail(format!("{active} is active, not {expected}")),
        None => absent(site, format!("{} does not tell its error correction", port.locator)),
    }))
}

#[cfg(test)]
mod tests;
