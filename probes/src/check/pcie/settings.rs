//! How drives and network cards talk over PCIe: payload sizes and link power saving, from the configuration space of both ends of the link.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;

use super::super::findings::Findings;
use super::super::question::{Question, absent};
use super::super::seen::{Seen, count, text};
use super::{has_class, has_link};

pub(in crate::check) const PAYLOAD_SIZE: Question =
    Question { id: "pcie.payload_size", expected: "at least 256 bytes on drives and network cards, and no more than the port above takes" };
pub(in crate::check) const POWER_SAVING: Question = Question { id: "pcie.power_saving", expected: "as the site declares, at both ends of the link" };

/// With payloads of 128 bytes a link carries 84 % of what it could.
const PAYLOAD_MIN: u64 = 256;

/// Drives and network cards with a link of their own; virtual functions have none.
fn is_subject(function: &Component) -> bool {
    (has_class(function, "0108") || has_class(function, "02")) && has_link(function)
}

/// The port above, when it can be seen.
fn port<'a>(inventory: &'a Inventory, function: &Component) -> Option<&'a Component> {
    let address = text(function, Attr::UpstreamPort).ok().flatten()?;
    inventory.iter(Kind::Pci).find(|port| port.locator == address)
}

pub(in crate::check) fn payload_size(inventory: &Inventory, site: &Site) -> Vec<Check> {
    PAYLOAD_SIZE.each(inventory, site, Kind::Pci, "no drive and no network card has a PCIe link", |function| {
        is_subject(function).then(|| {
            let port = port(inventory, function);
            let seen = Seen::of(function, &[Attr::PayloadSize, Attr::PayloadSizeMax]);
            let seen = if let Some(port) = port { seen.and(Seen::of(port, &[Attr::PayloadSize])) } else { seen };
            PAYLOAD_SIZE.answer(&function.locator, &seen, payload(site, function, port).verdict(site, &seen))
        })
    })
}

fn payload(site: &Site, function: &Component, port: Option<&Component>) -> Findings {
    let mut findings = Findings::default();
    let Some(own) = findings.value(Attr::PayloadSize, count(function, Attr::PayloadSize)) else { return findings };
    // Where nothing is ordered, 128 bytes are what many a laptop's firmware leaves, and slow but right.
    if site.bom.is_some() && own < PAYLOAD_MIN {
        let able = count(function, Attr::PayloadSizeMax).ok().flatten().map_or_else(String::new, |max| format!(", it is capable of {max}"));
        findings.wrong(format!("{} is {own}{able}", Attr::PayloadSize));
    }
    if let Some(port) = port
        && let Some(above) = findings.value(format!("{} of {}", Attr::PayloadSize, port.locator), count(port, Attr::PayloadSize))
        && own > above
    {
        findings.wrong(format!("it sends up to {own} bytes and {} above it takes {above}", port.locator));
    }
    findings
}

pub(in crate::check) fn power_saving(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let declared: Option<Vec<&str>> =
        site.declared.platform.link_power_saving.as_ref().map(|allowed| allowed.iter().map(|saving| saving.word()).collect());
    POWER_SAVING.each(inventory, site, Kind::Pci, "no drive and no network card has a PCIe link", |function| {
        is_subject(function).then(|| {
            let ends: Vec<&Component> = std::iter::once(function).chain(port(inventory, function)).collect();
            let seen = Seen::across(&ends, Attr::PowerSaving);
            let verdict = match &declared {
                Some(allowed) => saving(allowed, &ends).verdict(site, &seen),
                None => absent(site, "the site declares no power saving of links"),
            };
            POWER_SAVING.answer(&function.locator, &seen, verdict)
        })
    })
}

fn saving(allowed: &[&str], ends: &[&Component]) -> Findings {
    let mut findings = Findings::default();
    for end in ends {
        if let Some(enabled) = findings.value(format!("{} of {}", Attr::PowerSaving, end.locator), text(end, Attr::PowerSaving))
            && !allowed.contains(&enabled)
        {
            findings.wrong(format!("{} of {} is {enabled}, declared is {}", Attr::PowerSaving, end.locator, allowed.join(" or ")));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use assay_model::site::declared::LinkPowerSaving;
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, component, generic, linked, ordering_processor, rank, strict, unreadable};

    const DRIVE: &str = "0000:21:00.0";
    const PORT: &str = "0000:20:01.1";

    fn set(component: Component, payload: u64, saving: &str) -> Component {
        component.with(Attr::PayloadSize, "config", payload).with(Attr::PayloadSizeMax, "config", 512_u64).with(Attr::PowerSaving, "config", saving)
    }

    fn node() -> Node {
        let port =
            component(Kind::Pci, PORT, &[(Attr::PciClass, "0x060400".into()), (Attr::LinkWidth, 4_u64.into()), (Attr::LinkSpeed, 32.0.into())]);
        let drive = linked(DRIVE, "0x010802", (32.0, 4), (32.0, 4), (32.0, 4)).with(Attr::UpstreamPort, DRIVE, PORT);
        let display = linked("0000:03:00.0", "0x030000", (5.0, 1), (5.0, 1), (5.0, 1));
        Node::healthy().without(Kind::Pci).with(set(port, 512, "off")).with(set(drive, 512, "off")).with(set(display, 128, "L1"))
    }

    fn payload_at(node: &Node, site: &Site) -> Rank {
        rank(&payload_size(&node.0, site))
    }

    fn saving_at(node: &Node, allowed: &[LinkPowerSaving]) -> Rank {
        let mut site = strict();
        site.declared.platform.link_power_saving = Some(allowed.to_vec());
        rank(&power_saving(&node.0, &site))
    }

    #[test]
    fn small_payloads_of_drives_are_found_where_something_is_ordered() {
        let ordered = ordering_processor(12);
        assert_eq!((payload_at(&node(), &ordered), payload_size(&node().0, &ordered).len()), (Rank::Pass, 1));
        for (payload, expected) in [(128_u64, Rank::Fail), (256, Rank::Pass), (512, Rank::Pass)] {
            let planted = node().plant(Kind::Pci, DRIVE, Attr::PayloadSize, payload);
            assert_eq!((payload_at(&planted, &ordered), payload_at(&planted, &generic())), (expected, Rank::Pass), "{payload}");
        }
    }

    #[test]
    fn payloads_larger_than_the_port_above_takes_are_found_anywhere() {
        let planted = node().plant(Kind::Pci, PORT, Attr::PayloadSize, 256_u64);
        assert_eq!((payload_at(&planted, &ordering_processor(12)), payload_at(&planted, &generic())), (Rank::Fail, Rank::Fail));
        let smaller = node().plant(Kind::Pci, DRIVE, Attr::PayloadSize, 256_u64);
        assert_eq!(payload_at(&smaller, &ordering_processor(12)), Rank::Pass);
    }

    #[test]
    fn a_space_that_only_an_administrator_may_read_is_never_a_pass() {
        for place in [DRIVE, PORT] {
            for attr in [Attr::PayloadSize, Attr::PowerSaving] {
                let unread = node().plant(Kind::Pci, place, attr, unreadable());
                let judged = if attr == Attr::PayloadSize { payload_at(&unread, &generic()) } else { saving_at(&unread, &[LinkPowerSaving::Off]) };
                assert_eq!(judged, Rank::Inconclusive, "{attr} of {place}");
            }
        }
        let none = node().plant(Kind::Pci, DRIVE, Attr::PayloadSize, Reading::Absent);
        assert_eq!((payload_at(&none, &strict()), payload_at(&none, &generic())), (Rank::Inconclusive, Rank::NotApplicable));
    }

    #[test]
    fn power_saving_at_either_end_must_be_as_declared() {
        assert_eq!(saving_at(&node(), &[LinkPowerSaving::Off]), Rank::Pass);
        for place in [DRIVE, PORT] {
            let saving = node().plant(Kind::Pci, place, Attr::PowerSaving, "L1");
            assert_eq!(saving_at(&saving, &[LinkPowerSaving::Off]), Rank::Fail, "{place}");
            assert_eq!(saving_at(&saving, &[LinkPowerSaving::Off, LinkPowerSaving::L1]), Rank::Pass, "{place}");
        }
        assert_eq!(
            (rank(&power_saving(&node().0, &strict())), rank(&power_saving(&node().0, &generic()))),
            (Rank::Inconclusive, Rank::NotApplicable)
        );
    }

    #[test]
    fn a_node_without_such_links_has_no_subject() {
        let bare = Node::healthy().without(Kind::Pci).with(component(Kind::Pci, "0000:00:14.0", &[(Attr::PciClass, "0x0c0500".into())]));
        assert_eq!((payload_at(&bare, &generic()), payload_at(&bare, &strict())), (Rank::NotApplicable, Rank::Inconclusive));
    }
}
