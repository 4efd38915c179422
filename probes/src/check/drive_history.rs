//! What a drive remembers of its own past (Persistent Event Log). What happened before the drive was delivered counts too: a new drive has no such past.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Reading, Value};
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::question::Question;
use super::seen::Seen;

pub(super) const HISTORY: Question =
    Question { id: "nvme.persistent_events", expected: "the drive remembers no fatal error, critical warning or loss of data integrity of its own" };

/// Errors that a drive which can be trusted never had. Links that come and go, corrected errors and power cuts belong to a life.
const FAULTS: &[&str] = &[
    "uncorrectable fatal PCIe error",
    "critical warning",
    "critical warning of an endurance group",
    "controller fatal status",
    "media and data integrity",
];

pub(super) fn persistent_events(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |drive: &Component| {
        let seen = Seen::of(drive, &[Attr::HardwareErrors, Attr::ThermalExcursions]);
        let verdict = match drive.reading(Attr::HardwareErrors) {
            // Drives without the log are no subjects.
            Reading::Absent => return None,
            Reading::Unreadable(why) => Verdict::Inconclusive(Reason::Unreadable(why.clone())),
            Reading::Value(Value::List(errors)) => {
                let is_fault = |error: &&String| error.split_once(" x ").is_none_or(|(_, word)| FAULTS.contains(&word));
                let faults: Vec<&str> = errors.iter().filter(is_fault).map(String::as_str).collect();
                if faults.is_empty() { Verdict::pass_on(seen.evidence()) } else { Verdict::Fail(faults.join(", ")) }
            }
            Reading::Value(other) => Verdict::Inconclusive(Reason::Invalid(format!("`{other}` is no list of errors"))),
        };
        Some(HISTORY.answer(&drive.locator, &seen, verdict))
    };
    HISTORY.each(inventory, site, Kind::Nvme, "no drive keeps a persistent event log", ask)
}

#[cfg(test)]
mod tests {
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, generic, rank, strict, unreadable};

    const DRIVE: &str = "0000:41:00.0";

    fn judged(reading: impl Into<Reading>, site: &Site) -> Rank {
        let node = Node::healthy().plant(Kind::Nvme, DRIVE, Attr::HardwareErrors, reading);
        rank(&persistent_events(&node.0, site))
    }

    fn errors(words: &[&str]) -> Reading {
        Reading::Value(Value::List(words.iter().map(|&word| word.to_owned()).collect()))
    }

    #[test]
    fn what_belongs_to_a_life_passes_and_what_does_not_fails() {
        for life in [&[][..], &["12 x PCIe link status change", "3 x unsafe shutdown"], &["1 x correctable PCIe error", "1 x code 0x00f0"]] {
            assert_eq!(judged(errors(life), &strict()), Rank::Pass, "{life:?}");
        }
        for fault in FAULTS {
            assert_eq!(judged(errors(&["3 x unsafe shutdown", &format!("1 x {fault}")]), &generic()), Rank::Fail, "{fault}");
        }
        assert_eq!(judged(errors(&["something else"]), &generic()), Rank::Fail, "not in the form of the probe");
    }

    #[test]
    fn drives_without_the_log_are_not_judged_and_a_broken_log_is_no_empty_one() {
        assert_eq!(judged(Reading::Absent, &strict()), Rank::Inconclusive, "no drive has it");
        assert_eq!(judged(Reading::Absent, &generic()), Rank::NotApplicable);
        assert_eq!((judged(unreadable(), &strict()), judged(unreadable(), &generic())), (Rank::Inconclusive, Rank::Inconclusive));
        assert_eq!(judged(7_u64, &generic()), Rank::Inconclusive);
    }
}
