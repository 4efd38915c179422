//! Event logs of the management controller: how many entries each has, and every entry that is not plainly harmless, from the `LogServices` of systems,
//! chassis and managers. Journals, dumps, audit trails and POST codes are not asked: they are long, and say nothing of the hardware.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::resource::{Member, Resource};
use super::service::{Service, read};
use super::{SLOWNESS, told_apart};
use crate::described::total;
use crate::host::{Host, HostError, unanswered};
use crate::probe::Probe;

/// The probe of event logs.
pub(in crate::probe) struct Log;

/// Logs of other things than faults of the hardware, by parts of their names in lower case.
const OTHER_LOGS: &[&str] = &["journal", "dump", "postcode", "hostlogger", "audit", "lclog", "lifecycle", "security", "crashdump", "console"];
/// Logs of managers that are those of the hardware; their others tell who logged in.
const HARDWARE_LOGS: &[&str] = &["sel", "faultlist", "systemeventlog"];

/// Whether a message speaks of a memory error that was corrected or could not be: `Correctable ECC @ P1-DIMMC1`, `Correctable memory error logging limit reached`.
pub(crate) fn is_memory_error(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    message.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "ecc")
        || ["correctable", "corrected", "uncorrected"].iter().any(|word| message.contains(word))
            && ["memory", "dimm"].iter().any(|word| message.contains(word))
}

impl Probe for Log {
    fn name(&self) -> &'static str {
        "bmc_log"
    }

    fn describe(&self) -> &'static str {
        "Event logs of the management controller and their entries that are not plainly harmless, by Redfish."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::BmcLog, Kind::BmcLogEntry]
    }

    fn slowness(&self) -> u32 {
        SLOWNESS
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let service = Service::of(host)?;
        let mut found = Vec::new();
        for owner in read(service.systems(host)?)?.iter().chain(&read(service.chassis(host)?)?) {
            found.extend(logs(host, owner, |_| true)?);
        }
        let is_sel = |log: &Resource| {
            let id = plain(&log.id());
            log.word("LogEntryType").eq_ignore_ascii_case("SEL") || HARDWARE_LOGS.iter().any(|name| id == *name)
        };
        for manager in read(service.managers(host)?)? {
            found.extend(logs(host, &manager, is_sel)?);
        }
        Ok(told_apart(found))
    }
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

fn logs(host: &Host, owner: &Resource, is_wanted: impl Fn(&Resource) -> bool) -> Result<Vec<Component>, HostError> {
    let mut found = Vec::new();
    for member in owner.collection(host, "LogServices")?.unwrap_or_default() {
        let log = match member.or_lost(Kind::BmcLog, &[Attr::LogEntries]) {
            Ok(log) => log,
            Err(lost) => {
                found.push(lost);
                continue;
            }
        };
        let name = plain(&log.id());
        // iLO calls its security log SL.
        if name == "sl" || OTHER_LOGS.iter().any(|other| name.contains(other)) || !is_wanted(&log) {
            continue;
        }
        let locator = format!("{}/{}", owner.id(), log.id());
        let component = log.tell(Component::new(Kind::BmcLog, &locator), Attr::State, log.state());
        let component = log.tell(component, Attr::LogFull, log.text("OverWritePolicy"));
        let mut component = log.tell(component, Attr::LogCapacity, log.count("MaxNumberOfRecords", 1));
        let source = log.link("Entries").map_or_else(|| log.source.clone(), |link| format!("redfish:{link}"));
        // One log that cannot be read says so itself, and leaves the others theirs.
        let count = match log.collection(host, "Entries") {
            Ok(None) => Reading::Absent,
            Err(error) => unanswered(&error),
            Ok(Some(entries)) => {
                let count = total(entries.len());
                component = component.with(Attr::LogFirst, source.clone(), entries.first().map_or(Reading::Absent, mark));
                component = component.with(Attr::LogLast, source.clone(), entries.last().map_or(Reading::Absent, mark));
                found.extend(entries.into_iter().filter_map(|entry| told(&locator, entry)));
                count.into()
            }
        };
        found.push(component.with(Attr::LogEntries, source, count));
    }
    Ok(found)
}

/// What tells an entry from every other one: numbers begin anew when a log is cleared, and a clock that was lost says the same time again.
fn mark(entry: &Member) -> Reading {
    match entry {
        Member::Read(entry) => {
            let word = |reading: Reading| reading.value().map(ToString::to_string).unwrap_or_default();
            format!("{} {} {}", entry.id(), word(created(entry)), word(entry.text("Message"))).trim().into()
        }
        Member::Lost { path, error } => Reading::Unreadable(format!("{path}: {}", error.chain())),
    }
}

fn created(entry: &Resource) -> Reading {
    Resource::first([entry.text("EventTimestamp"), entry.text("Created")])
}

/// What a controller says of a memory error, however harmless it takes it to be.
fn is_of_memory(message: &Reading) -> bool {
    message.value().and_then(|message| message.as_str()).is_some_and(is_memory_error)
}

/// An entry, unless its severity says that it is harmless. Corrected memory errors are told anyhow: where the firmware handles them first, nobody else knows of them.
fn told(log: &str, entry: Member) -> Option<Component> {
    let entry = match entry.or_lost(Kind::BmcLogEntry, &[Attr::Severity]) {
        Ok(entry) => entry,
        Err(lost) => return Some(Component { locator: format!("{log}/{}", lost.locator), ..lost }),
    };
    let severity = entry.text("Severity");
    if severity.value().and_then(|severity| severity.as_str()).is_some_and(|severity| severity.eq_ignore_ascii_case("OK"))
        && !is_of_memory(&entry.text("Message"))
    {
        return None;
    }
    let component = entry.tell(Component::new(Kind::BmcLogEntry, format!("{log}/{}", entry.id())), Attr::Severity, severity);
    let component = entry.tell(component, Attr::SensorType, entry.text("SensorType"));
    let component = entry.tell(component, Attr::Created, created(&entry));
    let component = entry.tell(component, Attr::Message, entry.text("Message"));
    // iLO knew repaired entries before the standard knew resolved ones.
    Some(entry.tell(component, Attr::Resolved, Resource::first([entry.flag("Resolved"), entry.flag("Oem/Hpe/Repaired")])))
}
