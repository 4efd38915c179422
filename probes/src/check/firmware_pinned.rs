//! Firmware of the board and microcode of the processors against the versions that a site pins. What the management controller says of firmware is
//! judged with the controller.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;

use super::findings::Findings;
use super::question::Question;
use super::seen::{Seen, text};

pub(super) const PINNED: Question = Question { id: "board.firmware_pinned", expected: "one of the pinned versions" };

pub(super) fn pinned(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let pinned = &site.declared.platform.pinned;
    let of_board = [(Attr::Firmware, &pinned.bios), (Attr::Agesa, &pinned.agesa)];
    let of_processor = [(Attr::Microcode, &pinned.microcode)];
    let mut checks = Vec::new();
    for (kind, pins) in [(Kind::Board, &of_board[..]), (Kind::Cpu, &of_processor)] {
        let pins: Vec<_> = pins.iter().filter(|(_, versions)| !versions.is_empty()).collect();
        if !pins.is_empty() {
            let ask = |component: &Component| pins.iter().map(|(attr, versions)| one(site, component, *attr, versions)).collect::<Vec<_>>();
            checks.extend(PINNED.each(inventory, site, kind, "nothing was found that has firmware", ask));
        }
    }
    if checks.is_empty() {
        checks.push(PINNED.absent(site, "node", "the site pins no firmware", site.origin.as_str()));
    }
    checks
}

fn one(site: &Site, component: &Component, attr: Attr, versions: &[String]) -> Check {
    let seen = Seen::of(component, &[attr]);
    let mut findings = Findings::default();
    if let Some(version) = findings.value(attr, text(component, attr))
        && !versions.iter().any(|pinned| pinned == version)
    {
        findings.wrong(format!("{attr} is {version}, pinned is {}", versions.join(" or ")));
    }
    PINNED.answer(format!("{} {} {attr}", component.kind, component.locator), &seen, findings.verdict(site, &seen))
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::inventory::ProbeEnded;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, component, generic, rank, strict, unreadable};

    fn node() -> Node {
        let board = component(Kind::Board, "node", &[(Attr::Firmware, "3.5".into()), (Attr::Agesa, "AGESA!V9 GenoaPI-SP5 1.0.0.H".into())]);
        Node::healthy().without(Kind::Board).with(board)
    }

    fn pinning() -> Site {
        let mut site = strict();
        let pinned = &mut site.declared.platform.pinned;
        pinned.bios = vec!["3.4".into(), "3.5".into()];
        pinned.agesa = vec!["AGESA!V9 GenoaPI-SP5 1.0.0.H".into()];
        pinned.microcode = vec!["0xa101148".into()];
        site
    }

    fn judged(node: &Node) -> Rank {
        rank(&pinned(&node.0, &pinning()))
    }

    #[test]
    fn pinned_versions_pass_and_each_other_one_is_found() {
        assert_eq!((judged(&node()), pinned(&node().0, &pinning()).len()), (Rank::Pass, 4));
        for (kind, place, attr) in
            [(Kind::Board, "node", Attr::Firmware), (Kind::Board, "node", Attr::Agesa), (Kind::Cpu, "package 1", Attr::Microcode)]
        {
            assert_eq!(judged(&node().plant(kind, place, attr, "1.4")), Rank::Fail, "{attr}");
            for reading in [unreadable(), Reading::Absent] {
                assert_eq!(judged(&node().plant(kind, place, attr, reading)), Rank::Inconclusive, "{attr}");
            }
        }
    }

    #[test]
    fn what_is_not_pinned_is_not_judged() {
        let mut site = pinning();
        site.declared.platform.pinned.agesa.clear();
        assert_eq!(rank(&pinned(&node().plant(Kind::Board, "node", Attr::Agesa, "another").0, &site)), Rank::Pass);
        assert_eq!(rank(&pinned(&node().0, &strict())), Rank::Inconclusive);
        assert_eq!(rank(&pinned(&node().0, &generic())), Rank::NotApplicable);
    }

    #[test]
    fn a_board_that_could_not_be_asked_is_inconclusive() {
        assert_eq!(judged(&node().ended(Kind::Board, ProbeEnded::SourceMissing("/sys/class/dmi/id".into()))), Rank::Inconclusive);
        assert_eq!(judged(&node().ended(Kind::Board, ProbeEnded::Failed("EIO".into()))), Rank::Inconclusive);
    }
}
