//! Event logs: an entry is held against the node when it is critical and neither resolved nor acknowledged nor older than the site declares. An entry
//! without a severity may be anything.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};
use jiff::Timestamp;

use super::health::HEALTH;
use super::{State, state, subjects};
use crate::check::question::absent;
use crate::check::seen::{Seen, count, flag, looked, text};

/// Entries named in full; further ones are counted.
const NAMED: usize = 3;

/// One answer for each log.
pub(super) fn logs(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let logs = match subjects(&HEALTH, inventory, site, Kind::BmcLog, "event logs") {
        Ok(logs) => logs,
        Err(unasked) => return vec![*unasked],
    };
    let look = Look { inventory, site, entries: inventory.iter(Kind::BmcLogEntry).collect() };
    let answers: Vec<Check> = logs.iter().filter_map(|log| look.answer(log)).collect();
    if answers.is_empty() { vec![HEALTH.absent(site, "event logs", "every log is switched off", looked(inventory, Kind::BmcLog))] } else { answers }
}

struct Look<'a> {
    inventory: &'a Inventory,
    site: &'a Site,
    entries: Vec<&'a Component>,
}

impl Look<'_> {
    fn answer(&self, log: &Component) -> Option<Check> {
        let prefix = format!("{}/", log.locator);
        let entries: Vec<&Component> = self.entries.iter().copied().filter(|entry| entry.locator.starts_with(&prefix)).collect();
        let seen = entries.iter().fold(Seen::of(log, &[Attr::LogEntries, Attr::State]), |seen, entry| seen.and(Seen::of(entry, &[Attr::Severity])));
        let held: Vec<Held> = entries.iter().map(|entry| self.held(entry)).collect();
        let is =
            |wanted: &Held| -> Vec<&Component> { entries.iter().zip(&held).filter(|(_, held)| *held == wanted).map(|(entry, _)| *entry).collect() };
        let (critical, unclear) = (is(&Held::Critical), is(&Held::Unclear));
        let verdict = if !critical.is_empty() {
            Verdict::Fail(format!("{} critical: {}", critical.len(), named(&critical)))
        } else if !unclear.is_empty() {
            Verdict::Inconclusive(Reason::Unreadable(format!("{} do not say how severe they are: {}", unclear.len(), named(&unclear))))
        } else {
            match (state(log), count(log, Attr::LogEntries)) {
                (Err(reason), _) | (_, Err(reason)) => Verdict::Inconclusive(reason),
                (Ok(State::Out), _) if entries.is_empty() => return None,
                (Ok(_), Ok(None)) => absent(self.site, "the log has no entries to look at"),
                (Ok(_), Ok(Some(entries))) if is_full(log, entries) => {
                    Verdict::Inconclusive(Reason::Invalid(format!("it is full with {entries} entries and takes no new ones")))
                }
                (Ok(_), Ok(Some(_))) => Verdict::pass_on(seen.evidence()),
            }
        };
        // What the entries say stands in the verdict; how many there are is what was seen.
        let observed = Seen::of(log, &[Attr::LogEntries]);
        Some(Check::new(
            HEALTH.id,
            format!("event log {}", log.locator),
            verdict,
            HEALTH.expected,
            format!("{} entries", observed.observed()),
            seen.source(),
        ))
    }

    fn held(&self, entry: &Component) -> Held {
        if flag(entry, Attr::Resolved) == Ok(Some(true)) || self.is_old(entry) || is_acknowledged(self.inventory, self.site, entry) {
            return Held::No;
        }
        match text(entry, Attr::Severity) {
            Ok(Some(severity)) if severity.eq_ignore_ascii_case("Critical") => Held::Critical,
            Ok(Some(severity)) if severity.eq_ignore_ascii_case("Warning") || severity.eq_ignore_ascii_case("OK") => Held::No,
            Ok(Some(_) | None) | Err(_) => Held::Unclear,
        }
    }

    // Of a clock that stands years back, every entry looks old.
    fn clock_is_lost(&self) -> bool {
        let mut deviations = self.inventory.iter(Kind::Bmc).map(|manager| count(manager, Attr::ClockDeviation));
        deviations.any(|deviation| deviation.map_or(true, |deviation| deviation.is_some_and(|ns| ns > DAY_NS)))
    }

    // A clock that was never set says 1970: such an entry may be of today.
    fn is_old(&self, entry: &Component) -> bool {
        let Some(days) = self.site.declared.bmc.log_days else { return false };
        if self.clock_is_lost() {
            return false;
        }
        let created = text(entry, Attr::Created).ok().flatten().and_then(|created| created.parse::<Timestamp>().ok());
        let now = self.inventory.taken_at.parse::<Timestamp>();
        match (created, now) {
            (Some(created), Ok(now)) => created.as_second() > NEVER_SET_SECONDS && now.duration_since(created).as_secs() > i64::from(days) * 86_400,
            (None, _) | (_, Err(_)) => false,
        }
    }
}

/// Whether the site declares that somebody looked into this entry.
pub(super) fn is_acknowledged(inventory: &Inventory, site: &Site, entry: &Component) -> bool {
    let created = text(entry, Attr::Created).ok().flatten().unwrap_or_default();
    let known = &site.declared.bmc.acknowledged;
    known.iter().any(|known| known.node == inventory.host && known.entry == entry.locator && known.created == created && !created.is_empty())
}

const DAY_NS: u64 = 86_400_000_000_000;
/// The end of 2015, before the first service spoke Redfish.
const NEVER_SET_SECONDS: i64 = 1_451_606_399;

#[derive(Debug, PartialEq, Eq)]
enum Held {
    Critical,
    Unclear,
    No,
}

fn is_full(log: &Component, entries: u64) -> bool {
    let throws_old_away = text(log, Attr::LogFull).is_ok_and(|policy| policy.is_none_or(|policy| !policy.eq_ignore_ascii_case("NeverOverWrites")));
    !throws_old_away && count(log, Attr::LogCapacity).is_ok_and(|capacity| capacity.is_some_and(|capacity| capacity > 0 && entries >= capacity))
}

/// The entries in words.
pub(super) fn named(entries: &[&Component]) -> String {
    let name = |entry: &&Component| {
        let word = |attr| entry.value(attr).map(ToString::to_string).unwrap_or_default();
        format!("{} {} {}", entry.locator, word(Attr::Created), word(Attr::Message)).trim().to_owned()
    };
    let shown: Vec<String> = entries.iter().take(NAMED).map(name).collect();
    let more = entries.len().saturating_sub(NAMED);
    if more > 0 { format!("{} and {more} more", shown.join("; ")) } else { shown.join("; ") }
}
