//! Ports of network cards: frame errors since boot here, the card in `nic/card.rs`, its module in `nic/module.rs`, what changes while it runs in `nic/window.rs`.
//! Drops are not errors: a full ring is load, not damage.

use assay_model::attr::{Attr, Kind};
use assay_model::check::{Absence, Check};
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::Reason;

use super::question::Question;
use super::seen::{flag, text};

pub(super) mod card;
pub(super) mod module;
pub(super) mod window;

pub(super) const NO_ERRORS: Question = Question { id: "nic.no_errors", expected: "0 received and 0 sent with errors since boot" };

pub(super) fn no_errors(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |port: &_| [NO_ERRORS.zero(site, port, &[Attr::ReceiveErrors, Attr::TransmitErrors])];
    NO_ERRORS.each(inventory, site, Kind::Nic, "no network interface has a device behind it", ask)
}

/// Whether the port has a link; a port without one, or that does not say, has none.
fn is_up(port: &Component) -> Result<bool, Reason> {
    flag(port, Attr::Carrier).map(|carrier| carrier == Some(true))
}

/// The PCI id by which declarations and orders know a card.
fn card(port: &Component) -> Result<Option<&str>, Reason> {
    text(port, Attr::PciId)
}

/// Whether a line of the order asks for cards of this PCI id: of those it is known that they say all that is asked here.
fn is_ordered(site: &Site, port: &Component) -> bool {
    let lines = site.bom.iter().flat_map(|bom| &bom.lines).filter(|line| line.kind == Kind::Nic);
    lines.filter_map(|line| line.select.get(&Attr::PciId)).any(|wanted| port.value(Attr::PciId).is_some_and(|id| wanted.matches(id)))
}

/// Whether the site orders something, so that what is not told counts against the node.
fn is_strict(site: &Site) -> bool {
    match site.absence {
        Absence::Inconclusive => true,
        Absence::NotApplicable => false,
    }
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
