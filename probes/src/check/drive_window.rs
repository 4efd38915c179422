//! Drives between two looks: entries of the error log and counters that only a fault moves.

use std::ops::Range;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Reading};
use assay_model::error_log;
use assay_model::inventory::Observed;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::Window;
use super::question::Question;
use super::seen::{Seen, count};

pub(super) const ERROR_LOG: Question =
    Question { id: "nvme.error_log", expected: "no new entry in the error log, but for questions that the drive does not know" };
pub(super) const STABLE: Question = Question {
    id: "nvme.health_stable",
    expected: "no new media error, unsafe shutdown, uncorrectable read, minute above a temperature limit, throttling or link retraining",
};

/// Counters of which one more is a fault.
const COUNTERS: &[Attr] = &[
    Attr::MediaErrors,
    Attr::UnsafeShutdowns,
    Attr::UncorrectableReads,
    Attr::EndToEndErrors,
    Attr::ThermalThrottles,
    Attr::LinkRetrainings,
    Attr::HotMinutes,
    Attr::CriticalMinutes,
];

pub(super) fn error_log(window: &Window<'_>, site: &Site) -> Vec<Check> {
    each(&ERROR_LOG, window, site, |before, after| {
        let seen = Seen::of(after, &[Attr::ErrorLogEntries, Attr::UnknownCommands]);
        let verdict = match rose(before, after, Attr::ErrorLogEntries) {
            Err(reason) => Verdict::Inconclusive(reason),
            Ok(None) => super::question::absent(site, "the drive does not count its errors"),
            Ok(Some(new)) => match error_log::faults(new.start, new.end, after.reading(Attr::UnknownCommands)) {
                0 => Verdict::pass_on(seen.evidence()),
                faults => Verdict::Fail(format!("{faults} new entries in {} s", window.seconds)),
            },
        };
        (seen, verdict)
    })
}

pub(super) fn stable(window: &Window<'_>, site: &Site) -> Vec<Check> {
    each(&STABLE, window, site, |before, after| {
        let seen = Seen::of(after, COUNTERS);
        let delta = |attr| Ok(rose(before, after, attr)?.map(|new| new.end - new.start));
        let deltas: Vec<(Attr, Result<Option<u64>, Reason>)> = COUNTERS.iter().map(|&attr| (attr, delta(attr))).collect();
        let risen: Vec<String> = deltas
            .iter()
            .filter_map(|(attr, delta)| delta.as_ref().ok()?.filter(|new| *new > 0).map(|new| format!("{attr} rose by {new}")))
            .collect();
        let verdict = if !risen.is_empty() {
            Verdict::Fail(format!("{} in {} s", risen.join(", "), window.seconds))
        } else if let Some(reason) = deltas.iter().find_map(|(_, delta)| delta.as_ref().err()) {
            Verdict::Inconclusive(reason.clone())
        } else if deltas.iter().all(|(_, delta)| *delta == Ok(None)) {
            super::question::absent(site, "the drive has none of these counters")
        } else {
            Verdict::pass_on(seen.evidence())
        };
        (seen, verdict)
    })
}

/// From where to where a counter rose; none when the drive has it in neither look. One that fell, came or went says nothing.
fn rose(before: &Component, after: &Component, attr: Attr) -> Result<Option<Range<u64>>, Reason> {
    match (count(before, attr)?, count(after, attr)?) {
        (Some(old), Some(new)) if new < old => Err(Reason::Invalid(format!("{attr} of {} went from {old} back to {new}", after.locator))),
        (Some(old), Some(new)) => Ok(Some(old..new)),
        (None, None) => Ok(None),
        (Some(_), None) => Err(Reason::Unreadable(format!("{} has no {attr} any more", after.locator))),
        (None, Some(_)) => Err(Reason::Unreadable(format!("{} had no {attr} before", after.locator))),
    }
}

/// Asks every drive that either look saw; the same drive is one with the same serial number in the same place.
fn each<'a>(question: &Question, window: &Window<'a>, site: &Site, ask: impl Fn(&'a Component, &'a Component) -> (Seen<'a>, Verdict)) -> Vec<Check> {
    let now = match question.subjects(window.after, site, Kind::Nvme) {
        Ok(now) => now,
        Err(unasked) => return unasked,
    };
    let before = match window.before.of(Kind::Nvme) {
        Observed::Components(before) => before,
        Observed::SourceMissing(_) | Observed::Unknown(_) => Vec::new(),
    };
    let unclear = |locator: &str, why: String| {
        Check::new(question.id, locator, Verdict::Inconclusive(Reason::Invalid(why)), question.expected, "nothing", "both looks")
    };
    let mut checks: Vec<Check> = Vec::new();
    for after in &now {
        let same = before.iter().find(|old| old.locator == after.locator && is_same(old, after));
        match same {
            Some(old) => {
                let (seen, verdict) = ask(old, after);
                checks.push(question.answer(&after.locator, &seen, verdict));
            }
            None => checks.push(unclear(&after.locator, "this drive was not there in the earlier look".into())),
        }
    }
    let is_gone = |old: &&&Component| !now.iter().any(|after| after.locator == old.locator && is_same(old, after));
    checks.extend(before.iter().filter(is_gone).map(|old| unclear(&old.locator, "this drive was there in the earlier look and is gone".into())));
    checks
}

fn is_same(old: &Component, new: &Component) -> bool {
    let serial = |component: &Component| match component.reading(Attr::Serial) {
        Reading::Value(value) => Some(value.to_string()),
        Reading::Absent | Reading::Unreadable(_) => None,
    };
    serial(old) == serial(new)
}

#[cfg(test)]
mod tests {
    use assay_model::component::Value;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, rank, strict, unreadable};

    const DRIVE: &str = "0000:41:00.0";

    fn judged(check: fn(&Window<'_>, &Site) -> Vec<Check>, before: &Node, after: &Node) -> Rank {
        rank(&check(&Window { before: &before.0, after: &after.0, seconds: 3600 }, &strict()))
    }

    fn counted(attr: Attr, reading: impl Into<Reading>) -> Node {
        Node::healthy().plant(Kind::Nvme, DRIVE, attr, reading)
    }

    #[test]
    fn new_entries_are_faults_unless_they_are_unknown_commands() {
        let before = counted(Attr::ErrorLogEntries, 7_u64);
        let unknown = |numbers: &[&str]| Reading::Value(Value::List(numbers.iter().map(ToString::to_string).collect()));
        assert_eq!(judged(error_log, &before, &before), Rank::Pass);
        let two_more = counted(Attr::ErrorLogEntries, 9_u64);
        assert_eq!(judged(error_log, &before, &two_more), Rank::Fail);
        for (numbers, expected) in [(&["9", "8", "7"][..], Rank::Pass), (&["9", "3"], Rank::Fail), (&["7", "6"], Rank::Fail)] {
            let after = two_more.clone().plant(Kind::Nvme, DRIVE, Attr::UnknownCommands, unknown(numbers));
            assert_eq!(judged(error_log, &before, &after), expected, "{numbers:?}");
        }
    }

    #[test]
    fn counters_that_rose_fell_came_or_went_are_told_apart() {
        for attr in [Attr::MediaErrors, Attr::UnsafeShutdowns, Attr::UncorrectableReads] {
            let (few, more) = (counted(attr, 3_u64), counted(attr, 4_u64));
            assert_eq!(
                (judged(stable, &few, &more), judged(stable, &more, &few), judged(stable, &few, &few)),
                (Rank::Fail, Rank::Inconclusive, Rank::Pass),
                "{attr}"
            );
            assert_eq!(judged(stable, &few, &counted(attr, unreadable())), Rank::Inconclusive, "{attr}");
            assert_eq!(judged(stable, &few, &counted(attr, Reading::Absent)), Rank::Inconclusive, "{attr}");
        }
    }

    #[test]
    fn a_drive_that_went_came_or_was_exchanged_is_inconclusive() {
        let (none, one) = (Node::healthy().without(Kind::Nvme), Node::healthy());
        let exchanged = counted(Attr::Serial, "another");
        for (before, after) in [(&one, &none), (&none, &one), (&one, &exchanged)] {
            assert_eq!(judged(error_log, before, after), Rank::Inconclusive);
        }
    }
}
