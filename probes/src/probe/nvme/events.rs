//! What the Persistent Event Log (0Dh) says of a drive's own past: which errors of its hardware it remembers, and how often it was too hot.

use std::collections::BTreeMap;

use assay_model::attr::Attr;
use assay_model::component::{Reading, Value};

use super::identify::Controller;
use super::page::Page;
use crate::described::{Described, total};
use crate::host::Host;
use crate::host::nvme::events::{Event, HARDWARE_ERROR, HEADER, THERMAL_EXCURSION, events};

const LID: u8 = 0x0d;

/// Describes it where the controller keeps it.
pub(super) fn describe<'a>(host: &Host, described: Described<'a>, name: &str, controller: &Controller) -> Described<'a> {
    if controller.keeps_events() == Some(false) {
        return described;
    }
    let page = Page::of(host.nvme_events(name), Host::nvme_log_name(name, LID), HEADER);
    let page = if controller.keeps_events() == Some(true) { page.required() } else { page };
    let read = |understand: fn(Vec<Event<'_>>) -> Option<Reading>| {
        let broken = || Reading::Unreadable("the log does not hold what its header says".into());
        page.reading(|fields| Some(events(fields.0).and_then(understand).unwrap_or_else(broken)))
    };
    described.put(Attr::HardwareErrors, page.field("hardware errors"), read(hardware_errors)).put(
        Attr::ThermalExcursions,
        page.field("thermal excursions"),
        read(|events| Some(total(of(events, THERMAL_EXCURSION).len()).into())),
    )
}

fn of(events: Vec<Event<'_>>, kind: u8) -> Vec<Event<'_>> {
    events.into_iter().filter(|event| event.kind == kind).collect()
}

/// Each error with how often it is remembered: `2 x controller fatal status`.
fn hardware_errors(events: Vec<Event<'_>>) -> Option<Reading> {
    let mut errors: BTreeMap<u16, usize> = BTreeMap::new();
    for event in of(events, HARDWARE_ERROR) {
        let code = event.data.get(..2)?.try_into().ok()?;
        *errors.entry(u16::from_le_bytes(code)).or_default() += 1;
    }
    Some(Reading::Value(Value::List(errors.into_iter().map(|(code, times)| format!("{times} x {}", word(code))).collect())))
}

/// NVM Subsystem Hardware Error Event Codes.
fn word(code: u16) -> String {
    match code {
        0x01 => "correctable PCIe error".into(),
        0x02 => "uncorrectable non-fatal PCIe error".into(),
        0x03 => "uncorrectable fatal PCIe error".into(),
        0x04 => "PCIe link status change".into(),
        0x05 => "PCIe link not active".into(),
        0x06 => "critical warning".into(),
        0x07 => "critical warning of an endurance group".into(),
        0x08 => "unsafe shutdown".into(),
        0x09 => "controller fatal status".into(),
        0x0a => "media and data integrity".into(),
        other => format!("code {other:#06x}"),
    }
}
