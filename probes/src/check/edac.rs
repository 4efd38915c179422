//! Memory errors since boot that the EDAC drivers counted, and whether they watch all of the memory. New ones during a run are judged from the run's
//! counters.

use std::collections::BTreeSet;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::Reason;

use super::dimm::Modules;
use super::findings::Findings;
use super::question::{Question, absent};
use super::seen::{Seen, count, looked, text};

const GIB: u64 = 1 << 30;

pub(super) const NO_UNCORRECTED: Question = Question { id: "edac.no_uncorrected_errors", expected: "0 since boot" };
pub(super) const NO_CORRECTED: Question = Question { id: "edac.no_corrected_errors", expected: "0 since boot" };
pub(super) const CONTROLLERS: Question =
    Question { id: "edac.controllers_present", expected: "every channel and all fitted memory watched by a driver" };

pub(super) fn no_uncorrected_errors(inventory: &Inventory, site: &Site) -> Vec<Check> {
    no_errors(&NO_UNCORRECTED, inventory, site, Attr::UncorrectedErrors)
}

pub(super) fn no_corrected_errors(inventory: &Inventory, site: &Site) -> Vec<Check> {
    no_errors(&NO_CORRECTED, inventory, site, Attr::CorrectedErrors)
}

// Controllers count all errors, modules and ranks those of which the place is known. Of the latter, those that have something to say are named.
fn no_errors(question: &Question, inventory: &Inventory, site: &Site, counter: Attr) -> Vec<Check> {
    let ask = |controller: &_| [question.zero(site, controller, &[counter])];
    let mut checks = question.each(inventory, site, Kind::Edac, "no memory controller is known to EDAC", ask);
    let speaks = |module: &&Component| !matches!(count(module, counter), Ok(None | Some(0)));
    checks.extend(inventory.iter(Kind::EdacDimm).filter(speaks).map(|module| {
        let check = question.zero(site, module, &[counter]);
        Check { subject: named(module), ..check }
    }));
    checks
}

// By the label of the slot, when somebody gave it one; the kernel's own names a place and no slot.
fn named(module: &Component) -> String {
    let place = text(module, Attr::Location).ok().flatten().unwrap_or_default();
    match text(module, Attr::Slot) {
        Ok(Some(label)) => format!("{label} ({} {place})", module.locator),
        Ok(None) | Err(_) => format!("{} {place}", module.locator).trim().to_owned(),
    }
}

pub(super) fn controllers_present(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let question = &CONTROLLERS;
    let controllers = match question.subjects(inventory, site, Kind::Edac) {
        Ok(controllers) => controllers,
        Err(unasked) => return unasked,
    };
    let modules = match Modules::fitted(question, inventory, site) {
        Ok(modules) => modules,
        Err(unasked) => return unasked,
    };
    if modules.fitted.is_empty() {
        return modules.unclear(question);
    }
    let watched: Vec<&Component> = inventory.iter(Kind::EdacDimm).collect();
    let seen = Seen::across(&watched, Attr::Capacity).and(Seen::across(&modules.fitted, Attr::Capacity));
    let verdict = match site.bom {
        None => absent(site, "this site orders nothing: which memory somebody must watch is not known"),
        Some(_) => watching(&watched, &modules.fitted).verdict(site, &seen),
    };
    let sum =
        |components: &[&Component]| components.iter().filter_map(|component| count(component, Attr::Capacity).ok().flatten()).sum::<u64>() / GIB;
    let observed = format!(
        "{} controllers watch {} channels and {} GiB of {}",
        controllers.len(),
        channels(&watched).map_or_else(|| "unknown".into(), |channels| channels.to_string()),
        sum(&watched),
        sum(&modules.fitted)
    );
    let source = if watched.is_empty() { looked(inventory, Kind::EdacDimm) } else { seen.source() };
    let check = Check::new(question.id, "node", verdict, question.expected, observed, source);
    std::iter::once(check).chain(modules.unclear(question)).collect()
}

// How many controllers there are depends on the driver: one for each channel, or one for a socket's twelve. What counts is that none is left out.
fn watching(watched: &[&Component], fitted: &[&Component]) -> Findings {
    let mut findings = Findings::default();
    if watched.is_empty() {
        findings.unclear(Reason::Unreadable("EDAC does not say which modules it watches".into()));
        return findings;
    }
    let mut sum = |components: &[&Component]| -> Option<u64> {
        let capacities: Vec<Option<u64>> = components
            .iter()
            .map(|component| findings.value(format!("capacity of {}", component.locator), count(component, Attr::Capacity)))
            .collect();
        capacities.into_iter().try_fold(0_u64, |sum, capacity| sum.checked_add(capacity?))
    };
    let (bytes, all) = (sum(watched), sum(fitted));
    if let (Some(bytes), Some(all)) = (bytes, all)
        && bytes < all
    {
        findings.wrong(format!("{} of {} GiB are watched", bytes / GIB, all / GIB));
    }
    let places: Option<BTreeSet<(u64, &str)>> =
        fitted.iter().map(|module| Some((count(module, Attr::Socket).ok()??, text(module, Attr::Channel).ok()??))).collect();
    if let (Some(channels), Some(places)) = (channels(watched), places)
        && channels < places.len()
    {
        findings.wrong(format!("{channels} of {} channels are watched", places.len()));
    }
    findings
}

/// Different channels, as controller and the word `channel N` in the place; none where a driver does not speak of channels.
fn channels(watched: &[&Component]) -> Option<usize> {
    let channel = |module: &&Component| {
        let mut words = text(module, Attr::Location).ok()??.split_whitespace();
        words.find(|word| *word == "channel")?;
        Some((module.locator.split_whitespace().next()?.to_owned(), words.next()?.to_owned()))
    };
    watched.iter().map(channel).collect::<Option<BTreeSet<_>>>().map(|channels| channels.len())
}

#[cfg(test)]
mod tests {
    use assay_model::verdict::Rank;

    use assay_model::component::Reading;

    use super::*;
    use crate::check::planted::{Node, component, generic, ordering_processor, rank, strict, unreadable};

    fn module(place: &str, label: impl Into<Reading>) -> Component {
        let attributes = [
            (Attr::Slot, label.into()),
            (Attr::Location, format!("csrow 0 {}", place.split_once(' ').map_or(place, |(_, rank)| rank)).into()),
            (Attr::Capacity, (96 * GIB).into()),
            (Attr::CorrectedErrors, 0_u64.into()),
            (Attr::UncorrectedErrors, 0_u64.into()),
        ];
        component(Kind::EdacDimm, place, &attributes)
    }

    /// Two controllers with twelve channels each, for the 24 modules of the healthy node.
    fn watched() -> Node {
        (0..24).fold(Node::healthy(), |node, n| node.with(module(&format!("mc{} channel {}", n / 12, n % 12), format!("P{}-DIMM{}", n / 12, n % 12))))
    }

    fn present(node: &Node) -> Rank {
        rank(&controllers_present(&node.0, &ordering_processor(12)))
    }

    #[test]
    fn the_module_that_counted_is_named_by_its_label_or_its_place() {
        let node = watched().plant(Kind::EdacDimm, "mc1 channel 3", Attr::CorrectedErrors, 2_u64).plant(
            Kind::Edac,
            "package 1",
            Attr::CorrectedErrors,
            2_u64,
        );
        let check = node.about("P1-DIMM3 (mc1 channel 3 csrow 0 channel 3)", no_corrected_errors);
        assert_eq!((check.verdict.rank(), node.strictly(no_uncorrected_errors)), (Rank::Fail, Rank::Pass));
        let unlabelled = node.plant(Kind::EdacDimm, "mc1 channel 3", Attr::Slot, Reading::Absent);
        assert_eq!(unlabelled.about("mc1 channel 3 csrow 0 channel 3", no_corrected_errors).verdict.rank(), Rank::Fail);
        let unread = watched().plant(Kind::EdacDimm, "mc0 channel 3", Attr::UncorrectedErrors, unreadable());
        assert_eq!(unread.generically(no_uncorrected_errors), Rank::Inconclusive);
    }

    #[test]
    fn all_memory_must_be_watched() {
        assert_eq!(present(&watched()), Rank::Pass);
        assert_eq!(present(&watched().pulled(Kind::EdacDimm, "mc0 channel 3")), Rank::Fail);
        let mut half = watched();
        half.0.components.retain(|component| !component.locator.starts_with("mc1"));
        assert_eq!(present(&half), Rank::Fail);
        // Twice the size on half of the channels: the sizes alone would not tell.
        for channel in 0..12 {
            half = half.plant(Kind::EdacDimm, &format!("mc0 channel {channel}"), Attr::Capacity, 192 * GIB);
        }
        let mut placed = half;
        for slot in 0..24_u64 {
            let name = format!("DIMM_{slot:02}");
            placed = placed.plant(Kind::Dimm, &name, Attr::Socket, slot / 12).plant(Kind::Dimm, &name, Attr::Channel, (slot % 12).to_string());
        }
        assert_eq!(present(&placed), Rank::Fail);
    }

    #[test]
    fn what_edac_does_not_say_is_inconclusive() {
        assert_eq!(present(&Node::healthy()), Rank::Inconclusive);
        assert_eq!(present(&watched().plant(Kind::EdacDimm, "mc0 channel 3", Attr::Capacity, unreadable())), Rank::Inconclusive);
        assert_eq!(present(&watched().without(Kind::Edac)), Rank::Inconclusive);
        assert_eq!(rank(&controllers_present(&watched().0, &strict())), Rank::Inconclusive);
        assert_eq!(rank(&controllers_present(&watched().0, &generic())), Rank::NotApplicable);
    }

    #[test]
    fn each_kind_of_error_is_found_by_its_own_check_on_its_own_controller() {
        let corrected = Node::healthy().plant(Kind::Edac, "package 1", Attr::CorrectedErrors, 1_u64);
        assert_eq!((corrected.strictly(no_corrected_errors), corrected.strictly(no_uncorrected_errors)), (Rank::Fail, Rank::Pass));
        assert_eq!(corrected.about("package 0", no_corrected_errors).verdict.rank(), Rank::Pass);
        let uncorrected = Node::healthy().plant(Kind::Edac, "package 0", Attr::UncorrectedErrors, u64::MAX);
        assert_eq!((uncorrected.generically(no_corrected_errors), uncorrected.generically(no_uncorrected_errors)), (Rank::Pass, Rank::Fail));
    }

    #[test]
    fn one_counter_that_cannot_be_read_is_inconclusive() {
        let node = Node::healthy().plant(Kind::Edac, "package 1", Attr::UncorrectedErrors, unreadable());
        assert_eq!(node.generically(no_uncorrected_errors), Rank::Inconclusive);
    }
}
