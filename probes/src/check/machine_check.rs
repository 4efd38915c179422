//! Machine check exceptions since boot, from the MCE line of `/proc/interrupts`. That the kernel survived one says nothing good of the hardware.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::inventory::Inventory;
use assay_model::site::Site;

use super::question::Question;

pub(super) const NONE: Question = Question { id: "machine_check.none", expected: "0 since boot" };

pub(super) fn none(inventory: &Inventory, site: &Site) -> Vec<Check> {
    NONE.each(inventory, site, Kind::MachineCheck, "the kernel counts no machine checks", |node| [NONE.zero(site, node, &[Attr::MachineChecks])])
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, unreadable};

    #[test]
    fn machine_checks_are_judged_as_the_table_says() {
        for (count, strictly, generically) in [
            (Reading::from(0_u64), Rank::Pass, Rank::Pass),
            (1_u64.into(), Rank::Fail, Rank::Fail),
            (512_u64.into(), Rank::Fail, Rank::Fail),
            (Reading::Absent, Rank::Inconclusive, Rank::NotApplicable),
            (unreadable(), Rank::Inconclusive, Rank::Inconclusive),
            ("none".into(), Rank::Inconclusive, Rank::Inconclusive),
        ] {
            let node = Node::healthy().plant(Kind::MachineCheck, "node", Attr::MachineChecks, count.clone());
            assert_eq!((node.strictly(none), node.generically(none)), (strictly, generically), "{count}");
        }
    }
}
