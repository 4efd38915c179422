//! Memory modules against each other, from SMBIOS type 17. What they must be is the order's to say; how much memory they are is in `memory.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Reading};
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::Reason;

use super::question::Question;
use super::seen::{Seen, flag, guest, looked};

pub(super) const ALIKE: Question = Question { id: "dimm.alike", expected: "the same in all fitted modules" };
pub(super) const SPEED_ALIKE: Question =
    Question { id: "dimm.speed_alike", expected: "the same in all fitted modules; below their rated speed is normal" };

pub(super) fn alike(inventory: &Inventory, site: &Site) -> Vec<Check> {
    compare(&ALIKE, inventory, site, &[Attr::Capacity, Attr::PartNumber, Attr::RatedSpeed])
}

pub(super) fn speed_alike(inventory: &Inventory, site: &Site) -> Vec<Check> {
    compare(&SPEED_ALIKE, inventory, site, &[Attr::ConfiguredSpeed])
}

fn compare(question: &Question, inventory: &Inventory, site: &Site, attrs: &[Attr]) -> Vec<Check> {
    let modules = match Modules::fitted(question, inventory, site) {
        Ok(modules) => modules,
        Err(unasked) => return unasked,
    };
    let attrs = if modules.fitted.is_empty() { &[] } else { attrs };
    let compared = attrs.iter().map(|&attr| question.alike(site, &modules.fitted, attr));
    compared.chain(modules.unclear(question)).collect()
}

/// The modules of the node.
pub(super) struct Modules<'a> {
    /// Those in slots that are fitted; at least one unless something is unclear.
    pub(super) fitted: Vec<&'a Component>,
    /// Slots that do not say whether they are fitted, and why.
    pub(super) unclear: Vec<(&'a Component, Reason)>,
}

impl<'a> Modules<'a> {
    /// The fitted modules, or the answer that says why there is none to ask.
    pub(super) fn fitted(question: &Question, inventory: &'a Inventory, site: &Site) -> Result<Self, Vec<Check>> {
        let slots = question.subjects(inventory, site, Kind::Dimm)?;
        if let Some(os) = guest(inventory) {
            // QEMU and the clouds cut the memory of a guest into modules of their own making: the last one is often smaller.
            let why = "this is a guest: its memory modules are made up by the hypervisor";
            return Err(vec![question.absent(site, Kind::Dimm.name(), why, os.source(Attr::Hypervisor))]);
        }
        let (mut fitted, mut unclear) = (Vec::new(), Vec::new());
        for slot in slots {
            match flag(slot, Attr::Populated) {
                Ok(Some(true)) => fitted.push(slot),
                Ok(Some(false)) => {}
                Ok(None) => unclear.push((slot, Reason::Unreadable(format!("{} does not say whether a module is fitted", slot.locator)))),
                Err(reason) => unclear.push((slot, reason)),
            }
        }
        let why = match (fitted.is_empty(), unclear.is_empty()) {
            (true, true) => Some("the firmware lists every slot as empty"),
            (true, false) if unclear.iter().all(|(slot, _)| *slot.reading(Attr::Populated) == Reading::Absent) => {
                Some("the firmware does not say which slots are fitted")
            }
            (true | false, _) => None,
        };
        if let Some(why) = why {
            return Err(vec![question.absent(site, Kind::Dimm.name(), why, looked(inventory, Kind::Dimm))]);
        }
        Ok(Self { fitted, unclear })
    }

    /// One answer for each slot that does not say whether it is fitted.
    pub(super) fn unclear(&self, question: &Question) -> Vec<Check> {
        let answer = |(slot, reason): &(&Component, Reason)| {
            let source = Seen::of(slot, &[Attr::Populated]).source();
            Check::inconclusive(question.id, &slot.locator, question.expected, reason.clone(), source)
        };
        self.unclear.iter().map(answer).collect()
    }
}

#[cfg(test)]
mod tests {
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{GIB, Node, module, strict, unreadable};

    #[test]
    fn a_module_of_another_capacity_part_or_rated_speed_is_found() {
        for (attr, other) in [(Attr::Capacity, (64 * GIB).into()), (Attr::PartNumber, "HMCG94AGBRA181N".into()), (Attr::RatedSpeed, 4800_u64.into())]
            as [(_, Reading); 3]
        {
            let node = Node::healthy().plant(Kind::Dimm, "DIMM_07", attr, other);
            let check = node.about(&format!("dimm {attr}"), alike);
            assert_eq!(check.verdict.rank(), Rank::Fail, "{attr}");
            assert!(check.verdict.reason().contains("DIMM_07") && !check.verdict.reason().contains("DIMM_08"), "{check:?}");
        }
    }

    #[test]
    fn a_module_that_runs_slower_than_the_others_is_found() {
        assert_eq!(Node::healthy().plant(Kind::Dimm, "DIMM_07", Attr::ConfiguredSpeed, 3600_u64).strictly(speed_alike), Rank::Fail);
        assert_eq!(Node::healthy().plant(Kind::Dimm, "DIMM_00", Attr::ConfiguredSpeed, 5600_u64).generically(speed_alike), Rank::Fail);
    }

    #[test]
    fn modules_below_their_rated_speed_are_not_accused() {
        assert_eq!(Node::healthy().strictly(speed_alike), Rank::Pass);
    }

    #[test]
    fn a_single_module_is_like_itself() {
        let node = Node::healthy().without(Kind::Dimm).with(module("A1", 16 * GIB));
        assert_eq!((node.strictly(alike), node.strictly(speed_alike)), (Rank::Pass, Rank::Pass));
    }

    #[test]
    fn one_unreadable_module_among_equal_ones_is_inconclusive_and_among_different_ones_a_failure() {
        let unread = Node::healthy().plant(Kind::Dimm, "DIMM_07", Attr::PartNumber, unreadable());
        assert_eq!(unread.generically(alike), Rank::Inconclusive);
        assert_eq!(unread.plant(Kind::Dimm, "DIMM_08", Attr::PartNumber, "another").generically(alike), Rank::Fail);
    }

    #[test]
    fn figures_that_are_no_numbers_are_not_alike() {
        let nan = (0..24).fold(Node::healthy(), |node, slot| node.plant(Kind::Dimm, &format!("DIMM_{slot:02}"), Attr::RatedSpeed, f64::NAN));
        assert_eq!(nan.generically(alike), Rank::Inconclusive);
    }

    #[test]
    fn one_module_without_a_part_number_may_be_the_odd_one() {
        let node = Node::healthy().plant(Kind::Dimm, "DIMM_07", Attr::PartNumber, "  ");
        assert_eq!(node.generically(alike), Rank::Inconclusive);
    }

    #[test]
    fn firmware_that_gives_no_part_number_at_all_leaves_the_rest_to_compare() {
        let mut node = Node::healthy();
        for slot in 0..24 {
            node = node.plant(Kind::Dimm, &format!("DIMM_{slot:02}"), Attr::PartNumber, Reading::Absent);
        }
        assert_eq!((node.generically(alike), node.strictly(alike)), (Rank::Pass, Rank::Inconclusive));
    }

    #[test]
    fn a_slot_that_does_not_say_whether_it_is_fitted_is_inconclusive() {
        for reading in [unreadable(), Reading::Absent] {
            let node = Node::healthy().plant(Kind::Dimm, "DIMM_24", Attr::Populated, reading);
            assert_eq!((node.generically(alike), node.generically(speed_alike)), (Rank::Inconclusive, Rank::Inconclusive));
        }
    }

    #[test]
    fn a_table_of_empty_slots_is_no_evidence() {
        let empty = Node::healthy().without(Kind::Dimm).with(crate::check::planted::component(Kind::Dimm, "A1", &[(Attr::Populated, false.into())]));
        assert_eq!((empty.strictly(alike), empty.generically(alike)), (Rank::Inconclusive, Rank::NotApplicable));
        assert_eq!(alike(&empty.0, &strict()).len(), 1);
    }
}
