//! Event logs between two looks: entries that are new are found by what they say and not by their time, for the clock of a management controller may be lost. A log that
//! was cleared in between, or threw old entries away, may have lost new ones with them.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Reading};
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::log::{is_acknowledged, named};
use super::{State, state};
use crate::check::Window;
use crate::check::question::{Question, absent};
use crate::check::seen::{Seen, count, looked, text};
use crate::probe::is_memory_error;

pub(in crate::check) const NEW_ENTRIES: Question = Question {
    id: "bmc.no_new_entries",
    expected: "no new entry in an event log that is critical, a warning of the hardware or of a memory error, and no log cleared in between",
};

/// Of what warnings say nothing of the hardware, as DSP0268 names the sensors of entries, in lower case.
const NO_HARDWARE: &[&str] = &[
    "physical chassis security",
    "physical security",
    "platform security violation attempt",
    "event log",
    "event logging disabled",
    "session audit",
    "version change",
    "button/switch",
    "button",
    "baseosboot/installationstatus",
    "system acpi powerstate",
];

pub(in crate::check) fn new_entries(window: &Window<'_>, site: &Site) -> Vec<Check> {
    let question = &NEW_ENTRIES;
    let subject = "event logs";
    // Entries come with their logs.
    for inventory in [window.after, window.before] {
        match inventory.of(Kind::BmcLog) {
            Observed::Components(_) => {}
            Observed::SourceMissing(source) => {
                let in_other = window.before.iter(Kind::BmcLog).chain(window.after.iter(Kind::BmcLog)).next().is_some();
                let why = format!("{source} does not exist on this host");
                let verdict = if in_other { Verdict::Inconclusive(Reason::Unreadable(why)) } else { absent(site, why) };
                return vec![Check::new(question.id, subject, verdict, question.expected, "nothing", source)];
            }
            Observed::Unknown(reason) => {
                return vec![Check::inconclusive(question.id, subject, question.expected, reason, looked(inventory, Kind::BmcLog))];
            }
        }
    }
    let before = |log: &Component| window.before.iter(Kind::BmcLog).find(|old| old.locator == log.locator);
    let mut checks: Vec<Check> = window.after.iter(Kind::BmcLog).filter_map(|log| answer(window, site, before(log), log)).collect();
    let is_gone = |old: &&Component| !window.after.iter(Kind::BmcLog).any(|log| log.locator == old.locator);
    checks.extend(window.before.iter(Kind::BmcLog).filter(is_gone).map(|old| {
        let reason = Reason::Invalid("it was there in the earlier look and is not in the later one".into());
        Check::inconclusive(question.id, subject_of(old), question.expected, reason, Seen::of(old, &[Attr::LogEntries]).source())
    }));
    if checks.is_empty() {
        checks.push(question.absent(
            site,
            subject,
            "the management controller has no event log that is switched on",
            looked(window.after, Kind::BmcLog),
        ));
    }
    checks
}

fn subject_of(log: &Component) -> String {
    format!("event log {}", log.locator)
}

fn answer(window: &Window<'_>, site: &Site, before: Option<&Component>, log: &Component) -> Option<Check> {
    let seen = Seen::of(log, &[Attr::LogEntries, Attr::LogFirst, Attr::LogLast]);
    let known = entries(window.before, log);
    let is_new = |entry: &&Component| !known.iter().any(|old| is_same(old, entry));
    let new: Vec<&Component> =
        entries(window.after, log).into_iter().filter(is_new).filter(|entry| !is_acknowledged(window.after, site, entry)).collect();
    let (faults, unclear): (Vec<&Component>, Vec<&Component>) =
        new.iter().filter(|entry| told(entry) != Told::Harmless).partition(|entry| told(entry) == Told::Fault);
    let verdict = if !faults.is_empty() {
        Verdict::Fail(format!("{} new in {} s: {}", faults.len(), window.seconds, named(&faults)))
    } else if !unclear.is_empty() {
        Verdict::Inconclusive(Reason::Unreadable(format!("{} new do not say what they are of, or how severe: {}", unclear.len(), named(&unclear))))
    } else if state(log) == Ok(State::Out) && before.is_some_and(|before| state(before) == Ok(State::Out)) {
        return None;
    } else {
        match before.ok_or_else(|| Reason::Invalid("it was not there in the earlier look".into())).and_then(|before| goes_on(before, log)) {
            Err(reason) => Verdict::Inconclusive(reason),
            Ok(None) => absent(site, "the log has no entries to look at"),
            Ok(Some(())) => Verdict::pass_on(seen.evidence()),
        }
    };
    Some(NEW_ENTRIES.answer(subject_of(log), &seen, verdict))
}

fn entries<'a>(inventory: &'a Inventory, log: &Component) -> Vec<&'a Component> {
    let prefix = format!("{}/", log.locator);
    inventory.iter(Kind::BmcLogEntry).filter(|entry| entry.locator.starts_with(&prefix)).collect()
}

// A number alone is not enough: it is given again after the log was cleared.
fn is_same(old: &Component, new: &Component) -> bool {
    old.locator == new.locator && [Attr::Created, Attr::Message].iter().all(|attr| old.reading(*attr) == new.reading(*attr))
}

#[derive(Debug, PartialEq, Eq)]
enum Told {
    Fault,
    Harmless,
    Unclear,
}

/// What a new entry says. That its cause is gone already does not undo that it happened.
fn told(entry: &Component) -> Told {
    if text(entry, Attr::Message).ok().flatten().is_some_and(is_memory_error) {
        return Told::Fault;
    }
    let of = text(entry, Attr::SensorType).ok().flatten().map(str::to_ascii_lowercase);
    match (text(entry, Attr::Severity), of) {
        (Ok(Some(severity)), _) if severity.eq_ignore_ascii_case("Critical") => Told::Fault,
        (Ok(Some(severity)), _) if severity.eq_ignore_ascii_case("OK") => Told::Harmless,
        (Ok(Some(severity)), Some(of)) if severity.eq_ignore_ascii_case("Warning") => {
            if NO_HARDWARE.contains(&of.as_str()) {
                Told::Harmless
            } else {
                Told::Fault
            }
        }
        (Ok(Some(_) | None) | Err(_), _) => Told::Unclear,
    }
}

/// Whether the later log is the earlier one with or without more entries; none where it tells of no entries. Its oldest entry, wherever it is listed, must still be there.
fn goes_on(before: &Component, log: &Component) -> Result<Option<()>, Reason> {
    let (Some(old), Some(now)) = (count(before, Attr::LogEntries)?, count(log, Attr::LogEntries)?) else {
        return if count(before, Attr::LogEntries)? == count(log, Attr::LogEntries)? {
            Ok(None)
        } else {
            Err(Reason::Unreadable("one of the two looks has no number of entries".into()))
        };
    };
    let is_as_it_was = |attr| match (before.reading(attr), log.reading(attr)) {
        (Reading::Value(old), Reading::Value(now)) => old == now,
        (_, _) => false,
    };
    if old == 0 || now >= old && (is_as_it_was(Attr::LogFirst) || is_as_it_was(Attr::LogLast)) {
        return Ok(Some(()));
    }
    let was = format!("{old} entries from `{}` to `{}`", before.reading(Attr::LogFirst), before.reading(Attr::LogLast));
    Err(Reason::Invalid(format!("it was cleared in between or threw old entries away, and new ones may be gone: {was} before, {now} now")))
}

#[cfg(test)]
mod tests {
    use assay_model::inventory::ProbeEnded;
    use assay_model::site::declared::Acknowledged;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, component, generic, rank, strict, unreadable};

    fn node(entries: u64, first: impl Into<Reading>, last: impl Into<Reading>) -> Node {
        let facts = [(Attr::LogEntries, entries.into()), (Attr::LogFirst, first.into()), (Attr::LogLast, last.into())];
        Node::bare().with(component(Kind::BmcLog, "1/Log1", &facts))
    }

    fn judged(before: &Node, after: &Node, site: &Site) -> Rank {
        rank(&new_entries(&Window { before: &before.0, after: &after.0, seconds: 3600 }, site))
    }

    #[test]
    fn a_log_that_goes_on_is_told_from_one_that_was_cleared() {
        let before = node(3, "1 a", "3 c");
        for (after, expected) in [
            (node(3, "1 a", "3 c"), Rank::Pass),
            (node(5, "1 a", "5 e"), Rank::Pass),
            (node(5, "5 e", "3 c"), Rank::Pass),
            (node(1, "1 a", "1 a"), Rank::Inconclusive),
            (node(0, Reading::Absent, Reading::Absent), Rank::Inconclusive),
            (node(3, "2 b", "4 d"), Rank::Inconclusive),
            (node(9, "1 x", "9 y"), Rank::Inconclusive),
            (node(3, unreadable(), unreadable()), Rank::Inconclusive),
            (Node::bare(), Rank::Inconclusive),
        ] {
            assert_eq!(judged(&before, &after, &strict()), expected);
        }
        assert_eq!(judged(&node(0, Reading::Absent, Reading::Absent), &before, &strict()), Rank::Pass);
        assert_eq!(judged(&Node::bare(), &before, &strict()), Rank::Inconclusive);
    }

    #[test]
    fn without_a_controller_the_site_says_and_a_look_that_failed_is_no_pass() {
        let none = || Node::bare().ended(Kind::BmcLog, ProbeEnded::SourceMissing("no BMC endpoint is configured".into()));
        assert_eq!((judged(&none(), &none(), &strict()), judged(&none(), &none(), &generic())), (Rank::Inconclusive, Rank::NotApplicable));
        let log = || node(1, "1 a", "1 a");
        let failed = || log().ended(Kind::BmcLog, ProbeEnded::Failed("ETIMEDOUT".into()));
        for (before, after) in [(none(), log()), (log(), none()), (failed(), log()), (log(), failed())] {
            assert_eq!(judged(&before, &after, &generic()), Rank::Inconclusive);
        }
    }

    #[test]
    fn what_somebody_looked_into_is_not_held_against_the_node() {
        let facts = [(Attr::Severity, "Critical".into()), (Attr::Created, "2026-10-01T08:00:00Z".into())];
        let after = node(2, "1 a", "2 b").with(component(Kind::BmcLogEntry, "1/Log1/2", &facts));
        let mut site = strict();
        assert_eq!(judged(&node(1, "1 a", "1 a"), &after, &site), Rank::Fail);
        let known =
            Acknowledged { node: after.0.host.clone(), entry: "1/Log1/2".into(), created: "2026-10-01T08:00:00Z".into(), why: "moved".into() };
        site.declared.bmc.acknowledged.push(known);
        assert_eq!(judged(&node(1, "1 a", "1 a"), &after, &site), Rank::Pass);
    }
}
