//! The kernel's opinion of the hardware it runs on: taint bits of `/proc/sys/kernel/tainted`, Documentation/admin-guide/tainted-kernels.rst.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::Verdict;

use super::question::{Question, absent};
use super::seen::{Seen, count};

pub(super) const NOT_TAINTED: Question = Question { id: "os.not_tainted_by_hardware", expected: "taint bit 4 (machine check) not set" };

/// Bit 4, letter M: the processor reported a machine check exception.
const MACHINE_CHECK: u64 = 1 << 4;

pub(super) fn not_tainted_by_hardware(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |os: &Component| {
        let seen = Seen::of(os, &[Attr::Tainted]);
        let verdict = match count(os, Attr::Tainted) {
            Ok(Some(taint)) if taint & MACHINE_CHECK != 0 => {
                Verdict::Fail(format!("taint {taint} has bit 4: a machine check was reported since boot"))
            }
            Ok(Some(_)) => Verdict::pass_on(seen.evidence()),
            Ok(None) => absent(site, "the kernel shows no taint bits"),
            Err(reason) => Verdict::Inconclusive(reason),
        };
        [NOT_TAINTED.answer(&os.locator, &seen, verdict)]
    };
    NOT_TAINTED.each(inventory, site, Kind::Os, "nothing is known of the kernel", ask)
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, unreadable};

    #[test]
    fn taint_is_judged_by_the_machine_check_bit_alone() {
        for (taint, strictly, generically) in [
            (Reading::from(0_u64), Rank::Pass, Rank::Pass),
            (16_u64.into(), Rank::Fail, Rank::Fail),
            ((16_u64 + 1 + 4096).into(), Rank::Fail, Rank::Fail),
            // A proprietary and out-of-tree module (12289), a warning (512), everything else but bit 4.
            (12_289_u64.into(), Rank::Pass, Rank::Pass),
            (512_u64.into(), Rank::Pass, Rank::Pass),
            ((u64::MAX - 16).into(), Rank::Pass, Rank::Pass),
            (Reading::Absent, Rank::Inconclusive, Rank::NotApplicable),
            (unreadable(), Rank::Inconclusive, Rank::Inconclusive),
            ("16".into(), Rank::Inconclusive, Rank::Inconclusive),
        ] {
            let node = Node::healthy().plant(Kind::Os, "node", Attr::Tainted, taint.clone());
            assert_eq!((node.strictly(not_tainted_by_hardware), node.generically(not_tainted_by_hardware)), (strictly, generically), "{taint}");
        }
    }
}
