//! State of NVMe controllers as the driver reports it. A controller that resets, connects or is dead answers no I/O.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Value};
use assay_model::inventory::Inventory;
use assay_model::matcher::Matcher;
use assay_model::site::Site;

use super::question::Question;

pub(super) const LIVE: Question = Question { id: "nvme.live", expected: "live" };

pub(super) fn live(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let expected = Matcher::Equals(Value::from(LIVE.expected));
    let ask = |controller: &Component| {
        [Check::compare(LIVE.id, &controller.locator, controller.source(Attr::State), &expected, controller.reading(Attr::State), site.absence)]
    };
    LIVE.each(inventory, site, Kind::Nvme, "this node has no NVMe controller", ask)
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, component, unreadable};

    #[test]
    fn states_are_judged_as_the_table_says() {
        for (state, strictly, generically) in [
            (Reading::from("live"), Rank::Pass, Rank::Pass),
            ("dead".into(), Rank::Fail, Rank::Fail),
            ("resetting".into(), Rank::Fail, Rank::Fail),
            ("connecting".into(), Rank::Fail, Rank::Fail),
            ("".into(), Rank::Fail, Rank::Fail),
            (Reading::Absent, Rank::Inconclusive, Rank::NotApplicable),
            (unreadable(), Rank::Inconclusive, Rank::Inconclusive),
        ] {
            let node = Node::healthy().plant(Kind::Nvme, "0000:41:00.0", Attr::State, state.clone());
            assert_eq!((node.strictly(live), node.generically(live)), (strictly, generically), "{state}");
        }
    }

    #[test]
    fn one_dead_controller_among_living_ones_is_named() {
        let node = Node::healthy().with(component(Kind::Nvme, "0000:42:00.0", &[(Attr::State, "dead".into())]));
        assert_eq!(node.about("0000:42:00.0", live).verdict.rank(), Rank::Fail);
        assert_eq!(node.about("0000:41:00.0", live).verdict.rank(), Rank::Pass);
    }
}
