//! Errors that were counted between two looks at a node, by PCIe (AER, at both ends of every link) and by the memory controllers (EDAC).

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Reading};
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::Window;
use super::question::{Question, absent};
use super::seen::{Seen, count, looked};

pub(super) const PCIE: Question = Question { id: "pcie.no_new_errors", expected: "no PCIe error between the two looks, at either end of a link" };
pub(super) const EDAC: Question = Question { id: "edac.no_new_errors", expected: "no memory error between the two looks" };

const AER: [Attr; 6] = [Attr::AerCorrectable, Attr::AerNonfatal, Attr::AerFatal, Attr::RootAerCorrectable, Attr::RootAerNonfatal, Attr::RootAerFatal];
const MEMORY: [Attr; 2] = [Attr::CorrectedErrors, Attr::UncorrectedErrors];

pub(super) fn pcie(window: &Window<'_>, site: &Site) -> Vec<Check> {
    deltas(&PCIE, window, site, &[Kind::Pci], &AER, "no PCI function reports errors (AER)")
}

pub(super) fn edac(window: &Window<'_>, site: &Site) -> Vec<Check> {
    deltas(&EDAC, window, site, &[Kind::Edac, Kind::EdacDimm], &MEMORY, "no memory controller is known to EDAC")
}

fn deltas(question: &Question, window: &Window<'_>, site: &Site, kinds: &[Kind], counters: &[Attr], nobody: &str) -> Vec<Check> {
    let mut checks = Vec::new();
    for kind in kinds {
        // What could not be looked at in either look may have counted anything.
        for inventory in [window.before, window.after] {
            match inventory.of(*kind) {
                Observed::Components(_) => {}
                Observed::SourceMissing(source) => {
                    let seen_in_other = window.before.iter(*kind).chain(window.after.iter(*kind)).next().is_some();
                    let why = format!("{source} does not exist on this host");
                    let verdict = if seen_in_other { Verdict::Inconclusive(Reason::Unreadable(why)) } else { absent(site, why) };
                    return vec![Check::new(question.id, kind.name(), verdict, question.expected, "nothing", source)];
                }
                Observed::Unknown(reason) => {
                    return vec![Check::inconclusive(question.id, kind.name(), question.expected, reason, looked(inventory, *kind))];
                }
            }
        }
        checks.extend(window.after.iter(*kind).filter_map(|component| component_deltas(question, window, site, component, counters)));
        let gone = window.before.iter(*kind).filter(|before| is_counting(before, counters) && counterpart(window.after, before).is_none());
        checks.extend(gone.map(|before| {
            let reason = Reason::Invalid(format!("{} was there in the earlier look and is not in the later one", before.locator));
            Check::inconclusive(question.id, &before.locator, question.expected, reason, Seen::of(before, counters).source())
        }));
    }
    if checks.is_empty() {
        vec![question.absent(site, "node", nobody, kinds.iter().map(|kind| looked(window.after, *kind)).collect::<Vec<_>>().join(", "))]
    } else {
        checks
    }
}

fn is_counting(component: &Component, counters: &[Attr]) -> bool {
    counters.iter().any(|counter| *component.reading(*counter) != Reading::Absent)
}

fn counterpart<'a>(inventory: &'a Inventory, component: &Component) -> Option<&'a Component> {
    inventory.iter(component.kind).find(|other| other.locator == component.locator)
}

/// Nothing for what counts in neither look.
fn component_deltas(question: &Question, window: &Window<'_>, site: &Site, after: &Component, counters: &[Attr]) -> Option<Check> {
    let before = counterpart(window.before, after);
    if !is_counting(after, counters) && !before.is_some_and(|before| is_counting(before, counters)) {
        return None;
    }
    let seen = Seen::of(after, counters);
    let (mut rises, mut unclear) = (Vec::new(), None);
    for &counter in counters {
        match rise(before, after, counter) {
            Ok(0) => {}
            Ok(rise) => rises.push(format!("{counter} rose by {rise}")),
            Err(reason) => unclear = unclear.or(Some(reason)),
        }
    }
    let verdict = match (rises.is_empty(), unclear) {
        (false, _) => Verdict::Fail(format!("{} in {} s", rises.join(", "), window.seconds)),
        (true, Some(reason)) => Verdict::Inconclusive(reason),
        (true, None) => super::pcie::unheard(site, after).unwrap_or_else(|| Verdict::pass_on(seen.evidence())),
    };
    Some(question.answer(&after.locator, &seen, verdict))
}

/// By how much a counter rose; 0 of one that neither look has.
fn rise(before: Option<&Component>, after: &Component, counter: Attr) -> Result<u64, Reason> {
    let earlier = match before {
        Some(before) => count(before, counter)?,
        None => return Err(Reason::Invalid(format!("{} was not there in the earlier look", after.locator))),
    };
    match (earlier, count(after, counter)?) {
        (None, None) => Ok(0),
        (Some(earlier), Some(now)) => now
            .checked_sub(earlier)
            .ok_or_else(|| Reason::Invalid(format!("{counter} of {} went back from {earlier} to {now}: it was reset", after.locator))),
        (Some(_), None) => Err(Reason::Invalid(format!("{} had {counter} in the earlier look and has none now", after.locator))),
        (None, Some(_)) => Err(Reason::Invalid(format!("{} had no {counter} in the earlier look", after.locator))),
    }
}

#[cfg(test)]
mod tests {
    use assay_model::inventory::ProbeEnded;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, generic, rank, strict, unreadable};

    const DRIVE: &str = "0000:41:00.0";
    const PORT: &str = "0000:40:01.1";

    fn judged(before: &Node, after: &Node, site: &Site) -> (Rank, Rank) {
        let window = Window { before: &before.0, after: &after.0, seconds: 60 };
        (rank(&pcie(&window, site)), rank(&edac(&window, site)))
    }

    fn counted(kind: Kind, place: &str, attr: Attr, reading: impl Into<Reading>) -> Node {
        Node::healthy().plant(kind, place, attr, reading)
    }

    #[test]
    fn a_quiet_hour_passes_whatever_was_counted_before_it() {
        assert_eq!(judged(&Node::healthy(), &Node::healthy(), &strict()), (Rank::Pass, Rank::Pass));
        let noisy = counted(Kind::Pci, DRIVE, Attr::AerCorrectable, 1000_u64).plant(Kind::Edac, "package 0", Attr::CorrectedErrors, 7_u64);
        assert_eq!(judged(&noisy, &noisy, &strict()), (Rank::Pass, Rank::Pass));
    }

    #[test]
    fn a_rise_at_either_end_is_found() {
        for (place, attr) in [(DRIVE, Attr::AerCorrectable), (DRIVE, Attr::AerFatal), (PORT, Attr::AerNonfatal), (PORT, Attr::RootAerCorrectable)] {
            let before = counted(Kind::Pci, place, attr, 3_u64);
            let after = counted(Kind::Pci, place, attr, 4_u64);
            assert_eq!(judged(&before, &after, &generic()), (Rank::Fail, Rank::Pass), "{attr} of {place}");
        }
        let after = counted(Kind::Edac, "package 1", Attr::CorrectedErrors, 1_u64);
        assert_eq!(judged(&Node::healthy(), &after, &strict()), (Rank::Pass, Rank::Fail));
    }

    #[test]
    fn counters_that_went_back_vanished_or_cannot_be_read_are_inconclusive() {
        let before = counted(Kind::Pci, DRIVE, Attr::AerCorrectable, 9_u64);
        assert_eq!(judged(&before, &Node::healthy(), &generic()).0, Rank::Inconclusive);
        for reading in [unreadable(), Reading::Absent] {
            let after = counted(Kind::Pci, DRIVE, Attr::AerCorrectable, reading);
            assert_eq!(judged(&Node::healthy(), &after, &generic()).0, Rank::Inconclusive);
            assert_eq!(judged(&after, &Node::healthy(), &generic()).0, Rank::Inconclusive);
        }
    }

    #[test]
    fn what_disappeared_or_appeared_is_inconclusive() {
        let pulled = Node::healthy().pulled(Kind::Pci, DRIVE);
        assert_eq!(judged(&Node::healthy(), &pulled, &generic()).0, Rank::Inconclusive);
        assert_eq!(judged(&pulled, &Node::healthy(), &generic()).0, Rank::Inconclusive);
        let unloaded = Node::healthy().ended(Kind::Edac, ProbeEnded::SourceMissing("/sys/devices/system/edac/mc".into()));
        assert_eq!(judged(&Node::healthy(), &unloaded, &generic()).1, Rank::Inconclusive);
        assert_eq!(judged(&unloaded, &unloaded, &generic()).1, Rank::NotApplicable);
        assert_eq!(judged(&unloaded, &unloaded, &strict()).1, Rank::Inconclusive);
        let failed = Node::healthy().ended(Kind::Pci, ProbeEnded::Failed("EIO".into()));
        assert_eq!(judged(&Node::healthy(), &failed, &generic()).0, Rank::Inconclusive);
    }
}
