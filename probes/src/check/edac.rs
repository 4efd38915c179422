//! Memory errors since boot that the EDAC drivers counted. New ones during a run are judged from the run's counters.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::inventory::Inventory;
use assay_model::site::Site;

use super::question::Question;

pub(super) const NO_UNCORRECTED: Question = Question { id: "edac.no_uncorrected_errors", expected: "0 since boot" };
pub(super) const NO_CORRECTED: Question = Question { id: "edac.no_corrected_errors", expected: "0 since boot" };

pub(super) fn no_uncorrected_errors(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |controller: &_| [NO_UNCORRECTED.zero(site, controller, &[Attr::UncorrectedErrors])];
    NO_UNCORRECTED.each(inventory, site, Kind::Edac, "no memory controller is known to EDAC", ask)
}

pub(super) fn no_corrected_errors(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |controller: &_| [NO_CORRECTED.zero(site, controller, &[Attr::CorrectedErrors])];
    NO_CORRECTED.each(inventory, site, Kind::Edac, "no memory controller is known to EDAC", ask)
}

#[cfg(test)]
mod tests {
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, unreadable};

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
