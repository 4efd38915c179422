//! Where drives and cards hang: each drive below a root port of its own, and no more lanes in use than the processors have.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::super::findings::Findings;
use super::super::question::{Question, absent};
use super::super::seen::{Seen, count, looked, text};
use super::{device, has_class};

pub(in crate::check) const ROOT_PORTS: Question =
    Question { id: "pcie.root_ports_distinct", expected: "each NVMe drive right below a root port of its own" };
pub(in crate::check) const LANE_BUDGET: Question = Question { id: "pcie.lane_budget", expected: "no more lanes in slots than the processors have" };

pub(in crate::check) fn root_ports_distinct(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let mut below: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for drive in inventory.iter(Kind::Pci).filter(|function| has_class(function, "0108")) {
        if let Ok(Some(port)) = text(drive, Attr::RootPort) {
            below.entry(port).or_default().push(device(drive));
        }
    }
    ROOT_PORTS.each(inventory, site, Kind::Pci, "this node has no NVMe drive", |drive| {
        has_class(drive, "0108").then(|| {
            let seen = Seen::of(drive, &[Attr::RootPort, Attr::UpstreamPort]);
            let verdict = match site.bom {
                Some(_) => placed(drive, &below).verdict(site, &seen),
                // A switch in front of the drives of a server, or a guest's only port, is somebody's choice.
                None => Verdict::NotApplicable("this site orders nothing".into()),
            };
            ROOT_PORTS.answer(&drive.locator, &seen, verdict)
        })
    })
}

fn placed(drive: &Component, below: &BTreeMap<&str, Vec<&str>>) -> Findings {
    let mut findings = Findings::default();
    let root = findings.value(Attr::RootPort, text(drive, Attr::RootPort));
    let above = findings.value(Attr::UpstreamPort, text(drive, Attr::UpstreamPort));
    if let (Some(root), Some(above)) = (root, above) {
        let others: Vec<&str> = below.get(root).into_iter().flatten().copied().filter(|other| *other != device(drive)).collect();
        if !others.is_empty() {
            findings.wrong(format!("{} are below root port {root} as well", others.join(", ")));
        }
        if root != above {
            findings.wrong(format!("between it and root port {root} is a switch, of which {above} is a port"));
        }
    }
    findings
}

pub(in crate::check) fn lane_budget(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let functions = match LANE_BUDGET.subjects(inventory, site, Kind::Pci) {
        Ok(functions) => functions,
        Err(unasked) => return unasked,
    };
    let slots: Vec<&Component> = functions.into_iter().filter(|port| is_slot(port)).collect();
    if slots.is_empty() {
        return vec![LANE_BUDGET.absent(site, Kind::Pci.name(), "no root port says that there is a slot below it", looked(inventory, Kind::Pci))];
    }
    let seen = Seen::across(&slots, Attr::LinkWidth);
    let mut findings = Findings::default();
    let lanes: u64 = slots.iter().filter_map(|slot| findings.value(format!("{} of {}", Attr::LinkWidth, slot.locator), lanes(slot))).sum();
    let sockets = inventory.iter(Kind::Cpu).count();
    let part = site.bom.as_ref().and_then(|bom| bom.of(Kind::Cpu).find_map(|line| site.parts.cpu.get(line.part.as_deref()?)));
    let budget = part.and_then(|part| part.pcie_lanes.get(sockets.checked_sub(1)?)).map(|lanes| u64::from(*lanes));
    let verdict = match budget {
        None => absent(site, "the order names no processor of which the lanes are known"),
        Some(budget) => {
            if lanes > budget {
                findings.unclear(Reason::Invalid(format!("{lanes} lanes are in use, and {sockets} processors have {budget}")));
            }
            findings.verdict(site, &seen)
        }
    };
    let expected = budget.map_or_else(|| LANE_BUDGET.expected.to_owned(), |budget| format!("at most {budget}"));
    let observed = format!("{lanes} lanes in use in {} slots", slots.len());
    vec![Check::new(LANE_BUDGET.id, "node", verdict, expected, observed, seen.source())]
}

fn is_slot(port: &Component) -> bool {
    text(port, Attr::PortType) == Ok(Some("root port")) && count(port, Attr::PhysicalSlot).is_ok_and(|slot| slot.is_some())
}

fn lanes(slot: &Component) -> Result<Option<u64>, Reason> {
    match count(slot, Attr::LinkWidth)? {
        Some(lanes) if lanes > 32 => Err(Reason::Invalid(format!("{} says {lanes}, which no link has", slot.source(Attr::LinkWidth)))),
        lanes => Ok(lanes),
    }
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, component, generic, ordering_processor, rank, strict, unreadable};

    fn drive(address: &str, root: &str, above: &str) -> Component {
        component(Kind::Pci, address, &[(Attr::PciClass, "0x010802".into()), (Attr::RootPort, root.into()), (Attr::UpstreamPort, above.into())])
    }

    fn slot(address: &str, lanes: impl Into<Reading>) -> Component {
        component(
            Kind::Pci,
            address,
            &[
                (Attr::PciClass, "0x060400".into()),
                (Attr::PortType, "root port".into()),
                (Attr::PhysicalSlot, 1_u64.into()),
                (Attr::LinkWidth, lanes.into()),
            ],
        )
    }

    fn drives(drives: &[(&str, &str, &str)]) -> Node {
        drives.iter().fold(Node::healthy().without(Kind::Pci), |node, (address, root, above)| node.with(drive(address, root, above)))
    }

    fn placed_at(node: &Node, site: &Site) -> Rank {
        rank(&root_ports_distinct(&node.0, site))
    }

    #[test]
    fn drives_on_ports_of_their_own_pass_and_shared_ports_are_found() {
        let good = drives(&[("0000:21:00.0", "0000:20:01.1", "0000:20:01.1"), ("0000:22:00.0", "0000:20:01.2", "0000:20:01.2")]);
        assert_eq!((placed_at(&good, &ordering_processor(12)), placed_at(&good, &generic())), (Rank::Pass, Rank::NotApplicable));
        let shared = drives(&[("0000:23:00.0", "0000:20:01.1", "0000:22:00.0"), ("0000:24:00.0", "0000:20:01.1", "0000:22:01.0")]);
        assert_eq!((placed_at(&shared, &ordering_processor(12)), placed_at(&shared, &generic())), (Rank::Fail, Rank::NotApplicable));
        let alone = drives(&[("0000:23:00.0", "0000:20:01.1", "0000:22:00.0")]);
        assert_eq!(placed_at(&alone, &ordering_processor(12)), Rank::Fail, "one drive behind a switch");
        let functions = drives(&[("0000:21:00.0", "0000:20:01.1", "0000:20:01.1"), ("0000:21:00.1", "0000:20:01.1", "0000:20:01.1")]);
        assert_eq!(placed_at(&functions, &ordering_processor(12)), Rank::Pass, "two functions of one drive");
    }

    #[test]
    fn places_that_are_not_known_are_never_a_pass() {
        for reading in [unreadable(), Reading::Absent] {
            let node = drives(&[("0000:21:00.0", "0000:20:01.1", "0000:20:01.1")]).plant(Kind::Pci, "0000:21:00.0", Attr::RootPort, reading);
            assert_eq!(placed_at(&node, &ordering_processor(12)), Rank::Inconclusive);
        }
        assert_eq!(placed_at(&drives(&[]), &strict()), Rank::Inconclusive);
    }

    fn budget(lanes: &[u64]) -> Rank {
        let numbered = lanes.iter().enumerate();
        let node =
            numbered.fold(Node::healthy().without(Kind::Pci), |node, (number, lanes)| node.with(slot(&format!("0000:{number:02x}:01.1"), *lanes)));
        rank(&lane_budget(&node.0, &ordering_processor(12)))
    }

    #[test]
    fn lanes_are_added_up_and_more_than_there_are_cannot_be() {
        assert_eq!(
            (budget(&[16; 10]), budget(&[16, 4, 0]), budget(&[16; 11]), budget(&[255])),
            (Rank::Pass, Rank::Pass, Rank::Inconclusive, Rank::Inconclusive)
        );
        let unread = Node::healthy().without(Kind::Pci).with(slot("0000:20:01.1", unreadable()));
        assert_eq!(rank(&lane_budget(&unread.0, &ordering_processor(12))), Rank::Inconclusive);
        assert_eq!(
            (rank(&lane_budget(&unread.0, &generic())), rank(&lane_budget(&Node::healthy().0, &generic()))),
            (Rank::NotApplicable, Rank::NotApplicable)
        );
    }
}
