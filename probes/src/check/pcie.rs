//! PCIe links against what both their ends are capable of, and AER counters since boot. New errors during a run are judged from the run's counters,
//! payload sizes and power saving in `pcie/settings.rs`, root ports and lanes in `pcie/topology.rs`.

use std::collections::BTreeSet;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::{Component, Reading, Value};
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Rank, Reason, Verdict};

use super::question::{Question, absent};
use super::seen::{Seen, number, text};

mod settings;
mod topology;

pub(super) use self::settings::{PAYLOAD_SIZE, POWER_SAVING, payload_size, power_saving};
pub(super) use self::topology::{LANE_BUDGET, ROOT_PORTS, lane_budget, root_ports_distinct};

pub(super) const TRAINED: Question = Question { id: "pcie.trained_at_maximum", expected: "the smaller of the two ends' maxima" };
pub(super) const NO_FATAL: Question = Question { id: "pcie.no_fatal_errors", expected: "0 fatal and 0 non-fatal since boot" };
pub(super) const NO_CORRECTABLE: Question = Question { id: "pcie.no_correctable_errors", expected: "0 since boot" };

/// The widest link there is; the kernel prints 255 for a maximum that it does not know.
const LANES_MAX: f64 = 32.0;

/// One of the two figures of a link.
struct Figure {
    now: Attr,
    own_max: Attr,
    upstream_max: Attr,
}

const WIDTH: Figure = Figure { now: Attr::LinkWidth, own_max: Attr::LinkWidthMax, upstream_max: Attr::UpstreamLinkWidthMax };
const SPEED: Figure = Figure { now: Attr::LinkSpeed, own_max: Attr::LinkSpeedMax, upstream_max: Attr::UpstreamLinkSpeedMax };

pub(super) fn trained_at_maximum(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let displays: BTreeSet<&str> = inventory.iter(Kind::Pci).filter(|function| has_class(function, "03")).map(device).collect();
    let ask = |function: &Component| {
        // A port without a card in it has a link that is down, and that is no fault: links are judged at their lower end.
        let is_switch = text(function, Attr::PortType) == Ok(Some("upstream port"));
        if (has_class(function, "06") && !is_switch) || !has_link(function) {
            return Vec::new();
        }
        // What is behind a switch may lower the speed of its link as a GPU does, and never the width.
        if is_switch {
            return vec![link(site, function, &WIDTH)];
        }
        // A GPU lowers the speed of its link when idle, and its audio and USB functions share the link. The width stays. What is lower is judged under load
        // (gpu.link_under_load), and is no subject here: a verdict that does not apply would hold the gate of a healthy node.
        let speed = link(site, function, &SPEED);
        let may_idle = displays.contains(device(function)) && matches!(speed.verdict, Verdict::Fail(_));
        let speed = (!may_idle).then_some(speed);
        [link(site, function, &WIDTH)].into_iter().chain(speed).collect()
    };
    TRAINED.each(inventory, site, Kind::Pci, "no function of this node has a link of its own", ask)
}

fn link(site: &Site, function: &Component, figure: &Figure) -> Check {
    let seen = Seen::of(function, &[figure.now, figure.own_max, figure.upstream_max]);
    let verdict = match (number(function, figure.now), maximum(function, figure.own_max)) {
        (Err(reason), _) | (_, Err(reason)) => Verdict::Inconclusive(reason),
        (Ok(None), _) => absent(site, format!("{} has no {}", function.locator, figure.now)),
        (_, Ok(None)) => absent(site, format!("{} has no {}", function.locator, figure.own_max)),
        (Ok(Some(now)), Ok(Some(own))) if now > own => {
            Verdict::Inconclusive(Reason::Invalid(format!("{} {now} is above the function's own maximum {own}", figure.now)))
        }
        (Ok(Some(now)), Ok(Some(own))) if now == own => Verdict::pass_on(seen.evidence()),
        // Below its own maximum: only the port above can be the cause.
        (Ok(Some(now)), Ok(Some(own))) => match maximum(function, figure.upstream_max) {
            Ok(Some(upstream)) if now >= upstream => Verdict::pass_on(seen.evidence()),
            Ok(Some(upstream)) => Verdict::Fail(format!("{} is {now}, and both ends are capable of {}", figure.now, own.min(upstream))),
            Ok(None) => absent(site, format!("{now} is below the function's {own}, and the port above it cannot be seen from here (a guest)")),
            Err(reason) => Verdict::Inconclusive(reason),
        },
    };
    TRAINED.answer(format!("{} {}", function.locator, figure.now), &seen, verdict)
}

fn maximum(function: &Component, attr: Attr) -> Result<Option<f64>, Reason> {
    let is_width = attr == WIDTH.own_max || attr == WIDTH.upstream_max;
    match number(function, attr)? {
        Some(max) if max <= 0.0 || (is_width && max > LANES_MAX) => {
            Err(Reason::Invalid(format!("{} says {max}, which no link has as its maximum", function.source(attr))))
        }
        known => Ok(known),
    }
}

// Virtual functions and functions inside the root complex have the registers and no link: width 0 and an unknown speed.
fn has_link(function: &Component) -> bool {
    let is_there = |attr| *function.reading(attr) != Reading::Absent;
    let is_down = function.value(Attr::LinkWidth) == Some(&Value::Integer(0)) && function.value(Attr::LinkSpeed).is_none();
    !is_down && [WIDTH.now, WIDTH.own_max, SPEED.now, SPEED.own_max].into_iter().any(is_there)
}

pub(super) fn has_class(function: &Component, base: &str) -> bool {
    text(function, Attr::PciClass).ok().flatten().is_some_and(|class| class.trim_start_matches("0x").starts_with(base))
}

// 0000:41:00.0 without its function number.
pub(super) fn device(function: &Component) -> &str {
    function.locator.rsplit_once('.').map_or(function.locator.as_str(), |(device, _)| device)
}

pub(super) fn no_fatal_errors(inventory: &Inventory, site: &Site) -> Vec<Check> {
    no_errors(&NO_FATAL, inventory, site, &[Attr::AerFatal, Attr::AerNonfatal], &[Attr::RootAerFatal, Attr::RootAerNonfatal])
}

pub(super) fn no_correctable_errors(inventory: &Inventory, site: &Site) -> Vec<Check> {
    no_errors(&NO_CORRECTABLE, inventory, site, &[Attr::AerCorrectable], &[Attr::RootAerCorrectable])
}

// Functions without the AER capability are no subjects: most of a node have none. Only root ports count what is signalled to them.
fn no_errors(question: &Question, inventory: &Inventory, site: &Site, own: &[Attr], signalled: &[Attr]) -> Vec<Check> {
    let ask = |function: &Component| {
        let is_counted = |attr: &&Attr| *function.reading(**attr) != Reading::Absent;
        let counters: Vec<Attr> = own.iter().chain(signalled.iter().filter(is_counted)).copied().collect();
        counters.iter().any(|attr| is_counted(&attr)).then(|| {
            let check = question.zero(site, function, &counters);
            match unheard(site, function) {
                Some(verdict) if check.verdict.rank() == Rank::Pass => question.answer(&function.locator, &Seen::of(function, &counters), verdict),
                Some(_) | None => check,
            }
        })
    };
    question.each(inventory, site, Kind::Pci, "no PCI function reports errors (AER)", ask)
}

/// What counters that stay 0 come to where nobody counts; none where the kernel does. What is integrated into the root complex does not tell.
pub(super) fn unheard(site: &Site, function: &Component) -> Option<Verdict> {
    match function.reading(Attr::AerHandled) {
        Reading::Value(Value::Bool(true)) | Reading::Absent => None,
        Reading::Value(_) => {
            Some(absent(site, "the firmware keeps PCIe errors to itself (no AER service at the root port): the kernel's counters stay at 0"))
        }
        Reading::Unreadable(why) => {
            Some(Verdict::Inconclusive(Reason::Unreadable(format!("whether the kernel hears of errors cannot be told: {why}"))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{Node, linked, strict, unreadable};

    const DRIVE: &str = "0000:41:00.0";

    fn only(function: Component) -> Node {
        Node::healthy().without(Kind::Pci).with(function)
    }

    fn width(node: &Node, address: &str) -> Rank {
        node.about(&format!("{address} link_width"), trained_at_maximum).verdict.rank()
    }

    fn speed(node: &Node, address: &str) -> Rank {
        node.about(&format!("{address} link_speed"), trained_at_maximum).verdict.rank()
    }

    #[test]
    fn links_are_judged_by_the_smaller_maximum() {
        let own = (32.0, 16);
        for (now, above, of_speed, of_width) in [
            ((32.0, 16), (32.0, 16), Rank::Pass, Rank::Pass),
            ((16.0, 16), (32.0, 16), Rank::Fail, Rank::Pass),
            ((32.0, 8), (32.0, 16), Rank::Pass, Rank::Fail),
            ((32.0, 0), (32.0, 16), Rank::Pass, Rank::Fail),
            ((16.0, 8), (16.0, 8), Rank::Pass, Rank::Pass),
            ((8.0, 4), (16.0, 8), Rank::Fail, Rank::Fail),
            // More than the port above says, up to the own maximum: an emulated port above a real device.
            ((32.0, 16), (2.5, 1), Rank::Pass, Rank::Pass),
            ((64.0, 63), (64.0, 16), Rank::Inconclusive, Rank::Inconclusive),
        ] {
            let node = only(linked(DRIVE, "0x020000", now, own, above));
            assert_eq!((speed(&node, DRIVE), width(&node, DRIVE)), (of_speed, of_width), "{now:?} below {above:?}");
        }
    }

    #[test]
    fn a_drive_with_half_its_lanes_is_found_among_healthy_ones() {
        let node = Node::healthy().plant(Kind::Pci, DRIVE, Attr::LinkWidth, 2_u64);
        assert_eq!((width(&node, DRIVE), speed(&node, DRIVE), node.generically(trained_at_maximum)), (Rank::Fail, Rank::Pass, Rank::Fail));
    }

    #[test]
    fn counters_that_nobody_counts_are_no_pass_and_not_knowing_is_not_absence() {
        let judged =
            |handled: Reading, site: &Site| {
                let node = only(linked(DRIVE, "0x010802", (32.0, 4), (32.0, 4), (32.0, 4)))
                    .plant(Kind::Pci, DRIVE, Attr::AerCorrectable, 0_u64)
                    .plant(Kind::Pci, DRIVE, Attr::AerHandled, handled);
                crate::check::planted::rank(&no_correctable_errors(&node.0, site))
            };
        let generic = crate::check::planted::generic();
        for (handled, anywhere, ordered) in [
            (Reading::from(true), Rank::Pass, Rank::Pass),
            (false.into(), Rank::NotApplicable, Rank::Inconclusive),
            (unreadable(), Rank::Inconclusive, Rank::Inconclusive),
        ] {
            assert_eq!((judged(handled.clone(), &generic), judged(handled.clone(), &strict())), (anywhere, ordered), "{handled}");
        }
    }

    #[test]
    fn the_link_above_a_switch_is_judged_by_its_width() {
        let switch = |lanes| linked("0000:81:00.0", "0x060400", (2.5, lanes), (16.0, 16), (16.0, 16)).with(Attr::PortType, "config", "upstream port");
        let judged = |lanes| width(&only(switch(lanes)), "0000:81:00.0");
        assert_eq!((judged(16), judged(8)), (Rank::Pass, Rank::Fail));
        assert_eq!(trained_at_maximum(&only(switch(16)).0, &strict()).len(), 1, "not by its speed");
    }

    #[test]
    fn an_idle_gpu_is_not_accused_of_its_speed_but_of_its_width() {
        for address in ["0000:81:00.0", "0000:81:00.1"] {
            let subjects: Vec<String> = trained_at_maximum(&Node::healthy().0, &strict()).into_iter().map(|check| check.subject).collect();
            assert!(!subjects.contains(&format!("{address} link_speed")), "idle: {subjects:?}");
            assert_eq!(width(&Node::healthy(), address), Rank::Pass, "{address}");
            let narrow = Node::healthy().plant(Kind::Pci, address, Attr::LinkWidth, 8_u64);
            assert_eq!(width(&narrow, address), Rank::Fail, "{address}");
        }
        let unread = Node::healthy().plant(Kind::Pci, "0000:81:00.0", Attr::LinkSpeed, unreadable());
        assert_eq!(speed(&unread, "0000:81:00.0"), Rank::Inconclusive);
    }

    #[test]
    fn empty_ports_virtual_functions_and_functions_without_a_link_are_no_subjects() {
        let subjects: BTreeSet<String> =
            trained_at_maximum(&Node::healthy().0, &crate::check::planted::strict()).into_iter().map(|check| check.subject).collect();
        let devices: BTreeSet<&str> = subjects.iter().filter_map(|subject| subject.split(' ').next()).collect();
        assert_eq!(devices, BTreeSet::from([DRIVE, "0000:61:00.0", "0000:81:00.0", "0000:81:00.1"]));
    }

    #[test]
    fn a_device_of_a_guest_whose_port_cannot_be_seen_is_not_accused() {
        let hidden = |node: Node| {
            node.plant(Kind::Pci, DRIVE, Attr::UpstreamLinkSpeedMax, Reading::Absent).plant(
                Kind::Pci,
                DRIVE,
                Attr::UpstreamLinkWidthMax,
                Reading::Absent,
            )
        };
        let slow = hidden(only(linked(DRIVE, "0x010802", (8.0, 4), (16.0, 4), (16.0, 4))));
        assert_eq!((slow.generically(trained_at_maximum), speed(&slow, DRIVE)), (Rank::Pass, Rank::Inconclusive));
        let full = hidden(only(linked(DRIVE, "0x010802", (16.0, 4), (16.0, 4), (16.0, 4))));
        assert_eq!(full.strictly(trained_at_maximum), Rank::Pass);
    }

    #[test]
    fn figures_that_cannot_be_read_or_cannot_be_are_inconclusive() {
        for attr in [Attr::LinkSpeed, Attr::LinkWidth, Attr::LinkSpeedMax, Attr::LinkWidthMax] {
            for reading in [unreadable(), f64::NAN.into(), "Unknown".into()] {
                let node = Node::healthy().plant(Kind::Pci, DRIVE, attr, reading);
                assert_eq!(node.generically(trained_at_maximum), Rank::Inconclusive, "{attr}");
            }
        }
        assert_eq!(width(&Node::healthy().plant(Kind::Pci, DRIVE, Attr::LinkWidthMax, 255_u64), DRIVE), Rank::Inconclusive);
        let zero = Node::healthy().plant(Kind::Pci, DRIVE, Attr::LinkWidthMax, 0_u64).plant(Kind::Pci, DRIVE, Attr::LinkWidth, 0_u64);
        assert_eq!(width(&zero, DRIVE), Rank::Inconclusive);
        let unread_above =
            Node::healthy().plant(Kind::Pci, DRIVE, Attr::LinkWidth, 2_u64).plant(Kind::Pci, DRIVE, Attr::UpstreamLinkWidthMax, unreadable());
        assert_eq!(width(&unread_above, DRIVE), Rank::Inconclusive);
    }

    #[test]
    fn errors_since_boot_are_found_by_the_check_of_their_severity() {
        for (attr, fatal, correctable) in
            [(Attr::AerFatal, Rank::Fail, Rank::Pass), (Attr::AerNonfatal, Rank::Fail, Rank::Pass), (Attr::AerCorrectable, Rank::Pass, Rank::Fail)]
        {
            // On a device, and on the port above it.
            for address in [DRIVE, "0000:40:01.1"] {
                let node = Node::healthy().plant(Kind::Pci, address, attr, 1_u64);
                assert_eq!((node.strictly(no_fatal_errors), node.strictly(no_correctable_errors)), (fatal, correctable), "{attr} of {address}");
            }
        }
    }

    #[test]
    fn errors_signalled_to_a_root_port_are_found() {
        for (attr, fatal, correctable) in [
            (Attr::RootAerFatal, Rank::Fail, Rank::Pass),
            (Attr::RootAerNonfatal, Rank::Fail, Rank::Pass),
            (Attr::RootAerCorrectable, Rank::Pass, Rank::Fail),
        ] {
            let node = Node::healthy().plant(Kind::Pci, "0000:40:01.1", attr, 1_u64);
            assert_eq!((node.strictly(no_fatal_errors), node.strictly(no_correctable_errors)), (fatal, correctable), "{attr}");
        }
    }

    #[test]
    fn an_error_counter_that_cannot_be_read_is_inconclusive() {
        let node = Node::healthy().plant(Kind::Pci, DRIVE, Attr::AerFatal, unreadable()).plant(Kind::Pci, DRIVE, Attr::AerCorrectable, unreadable());
        assert_eq!((node.generically(no_fatal_errors), node.generically(no_correctable_errors)), (Rank::Inconclusive, Rank::Inconclusive));
    }
}
