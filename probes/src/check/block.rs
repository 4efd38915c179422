//! Disks that became read-only. The kernel does that to a disk that fails; to a medium it is done by a switch, to a guest's disk by the hypervisor.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::Verdict;

use super::question::{Question, absent};
use super::seen::{Seen, flag, guest};

pub(super) const WRITABLE: Question = Question { id: "block.writable_state", expected: "not read-only" };

pub(super) fn writable_state(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let is_guest = guest(inventory).is_some();
    let ask = |disk: &Component| {
        let seen = Seen::of(disk, &[Attr::ReadOnly, Attr::Removable]);
        let verdict = match (flag(disk, Attr::ReadOnly), flag(disk, Attr::Removable)) {
            _ if is_made_of_others(disk) => return None,
            (_, Ok(Some(true))) => return None,
            (Err(reason), _) => Verdict::Inconclusive(reason),
            (Ok(Some(false)), _) => Verdict::pass_on(seen.evidence()),
            (Ok(None), _) => absent(site, format!("{} does not say whether it is read-only", disk.locator)),
            (Ok(Some(true)), Err(reason)) => Verdict::Inconclusive(reason),
            (Ok(Some(true)), Ok(Some(false) | None)) if is_emmc_boot_area(disk) => return None,
            (Ok(Some(true)), Ok(Some(false) | None)) if is_guest => absent(site, "read-only, which in a guest is the hypervisor's to decide"),
            (Ok(Some(true)), Ok(Some(false) | None)) => Verdict::Fail("the kernel treats it as read-only".into()),
        };
        Some(WRITABLE.answer(&disk.locator, &seen, verdict))
    };
    WRITABLE.each(inventory, site, Kind::Block, "this node has no fixed disk", ask)
}

// Devices made of files, of other disks or of what is far away: whoever made one read-only wanted it so (the loop devices of snaps are).
fn is_made_of_others(disk: &Component) -> bool {
    ["loop", "dm-", "md", "zd", "nbd", "rbd", "drbd"].iter().any(|driver| name(disk).strip_prefix(driver).is_some_and(is_digits))
}

// mmcblk0boot0 and mmcblk0boot1 hold firmware and are read-only from the first moment on.
fn is_emmc_boot_area(disk: &Component) -> bool {
    name(disk).strip_prefix("mmcblk").and_then(|rest| rest.split_once("boot")).is_some_and(|(card, area)| is_digits(card) && is_digits(area))
}

fn name(disk: &Component) -> &str {
    disk.value(Attr::Name).and_then(|name| name.as_str()).unwrap_or(&disk.locator)
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, component, unreadable};

    fn disk(name: &str, read_only: impl Into<Reading>, removable: impl Into<Reading>) -> Node {
        let attributes = [(Attr::ReadOnly, read_only.into()), (Attr::Removable, removable.into())];
        Node::healthy().without(Kind::Block).with(component(Kind::Block, name, &attributes))
    }

    #[test]
    fn a_fixed_disk_that_is_read_only_is_found() {
        assert_eq!(disk("sda", true, false).strictly(writable_state), Rank::Fail);
        assert_eq!(disk("nvme3n1", true, Reading::Absent).generically(writable_state), Rank::Fail);
        assert_eq!(disk("md", true, false).generically(writable_state), Rank::Fail);
        assert_eq!(disk("mmcblk0", true, false).generically(writable_state), Rank::Fail);
        let one_of_two = Node::healthy().with(component(Kind::Block, "sdb", &[(Attr::ReadOnly, true.into()), (Attr::Removable, false.into())]));
        assert_eq!(one_of_two.about("sdb", writable_state).verdict.rank(), Rank::Fail);
        assert_eq!(one_of_two.about("nvme0n1", writable_state).verdict.rank(), Rank::Pass);
    }

    #[test]
    fn media_emmc_boot_areas_and_devices_made_of_others_may_be_read_only_by_design() {
        for node in [disk("sr0", true, true), disk("mmcblk0boot1", true, false), disk("loop7", true, false), disk("dm-0", true, false)] {
            assert_eq!((node.strictly(writable_state), node.generically(writable_state)), (Rank::Inconclusive, Rank::NotApplicable));
        }
    }

    #[test]
    fn a_read_only_disk_of_a_guest_may_be_its_hypervisors_wish() {
        let guest = disk("vdb", true, false).plant(Kind::Os, "node", Attr::Hypervisor, true);
        assert_eq!((guest.strictly(writable_state), guest.generically(writable_state)), (Rank::Inconclusive, Rank::NotApplicable));
        let writable = disk("vda", false, false).plant(Kind::Os, "node", Attr::Hypervisor, true);
        assert_eq!(writable.generically(writable_state), Rank::Pass);
    }

    #[test]
    fn what_cannot_be_read_is_inconclusive() {
        assert_eq!(disk("sda", unreadable(), false).generically(writable_state), Rank::Inconclusive);
        assert_eq!(disk("sda", true, unreadable()).generically(writable_state), Rank::Inconclusive);
        assert_eq!(disk("sda", Reading::Absent, false).strictly(writable_state), Rank::Inconclusive);
    }
}
