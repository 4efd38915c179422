//! Frame errors of network interfaces since boot. Drops are not errors: a full ring is load, not damage.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::inventory::Inventory;
use assay_model::site::Site;

use super::question::Question;

pub(super) const NO_ERRORS: Question = Question { id: "nic.no_errors", expected: "0 received and 0 sent with errors since boot" };

pub(super) fn no_errors(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |port: &_| [NO_ERRORS.zero(site, port, &[Attr::ReceiveErrors, Attr::TransmitErrors])];
    NO_ERRORS.each(inventory, site, Kind::Nic, "no network interface has a device behind it", ask)
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, unreadable};

    #[test]
    fn errors_in_either_direction_are_found_on_the_port_that_has_them() {
        for attr in [Attr::ReceiveErrors, Attr::TransmitErrors] {
            let node = Node::healthy().plant(Kind::Nic, "eth0", attr, 3_u64);
            assert_eq!(node.about("eth0", no_errors).verdict.rank(), Rank::Fail, "{attr}");
            assert_eq!(node.about("eth1", no_errors).verdict.rank(), Rank::Pass, "{attr}");
        }
    }

    #[test]
    fn a_port_without_link_or_with_drops_is_not_accused() {
        let node = Node::healthy().plant(Kind::Nic, "eth0", Attr::Carrier, false).plant(Kind::Nic, "eth0", Attr::ReceiveDropped, 90_u64);
        assert_eq!(node.strictly(no_errors), Rank::Pass);
    }

    #[test]
    fn an_error_beside_an_unreadable_counter_is_still_a_failure() {
        let unread = Node::healthy().plant(Kind::Nic, "eth0", Attr::TransmitErrors, unreadable());
        assert_eq!(unread.generically(no_errors), Rank::Inconclusive);
        assert_eq!(unread.plant(Kind::Nic, "eth0", Attr::ReceiveErrors, 1_u64).generically(no_errors), Rank::Fail);
    }

    #[test]
    fn a_driver_that_counts_one_direction_is_judged_by_it_where_the_site_allows() {
        let half = Node::healthy().plant(Kind::Nic, "eth0", Attr::TransmitErrors, Reading::Absent);
        assert_eq!((half.strictly(no_errors), half.generically(no_errors)), (Rank::Inconclusive, Rank::Pass));
    }
}
