//! Modules with a fault each, and modules that must not be accused.

use assay_model::verdict::Rank;

use super::*;
use crate::check::planted::{Node, component, unreadable};

fn planted(attr: Attr, reading: impl Into<Reading>) -> Node {
    Node::healthy().plant(Kind::Nic, "eth0", attr, reading)
}

/// A second port of the same kind of card.
fn beside(part: &str) -> Node {
    let second =
        Node::healthy().0.components.iter().find(|component| component.kind == Kind::Nic && component.locator == "eth0").cloned().expect("a port");
    let second = Component { locator: "eth2".into(), ..second };
    Node::healthy().with(second).plant(Kind::Nic, "eth2", Attr::ModulePart, part)
}

#[test]
fn a_module_outside_of_its_limits_fails_and_says_which() {
    for (attr, value) in [
        (Attr::ModuleTemperature, 80.5),
        (Attr::ModuleTemperature, -12.0),
        (Attr::ModuleTransmitMin, 1e-5),
        (Attr::ModuleTransmitMax, 4e-3),
        (Attr::ModuleReceiveMin, 0.0),
        (Attr::ModuleReceiveMax, 4e-3),
    ] {
        let node = planted(attr, value);
        assert_eq!((node.strictly(module), node.generically(module)), (Rank::Fail, Rank::Fail), "{attr} {value}");
        assert!(node.about("eth0", module).verdict.reason().contains(attr.name()), "{attr}");
    }
    assert_eq!(planted(Attr::ModuleTemperature, 80.0).strictly(module), Rank::Pass, "at the limit");
}

#[test]
fn a_sensor_that_lies_is_believed_in_no_direction() {
    for lie in [0.0, -128.0, 255.0, 127.996, -60.0] {
        let node = planted(Attr::ModuleTemperature, lie);
        assert_eq!((node.strictly(module), node.generically(module)), (Rank::Inconclusive, Rank::Inconclusive), "{lie}");
    }
    assert_eq!(planted(Attr::ModuleTemperatureHigh, -10.0).strictly(module), Rank::Inconclusive, "limits that leave no room");
}

#[test]
fn a_module_that_cannot_be_read_or_has_no_name_is_no_pass() {
    for attr in [Attr::ModuleVendor, Attr::ModulePart, Attr::ModuleTemperature, Attr::ModuleTemperatureHigh] {
        assert_eq!(planted(attr, unreadable()).strictly(module), Rank::Inconclusive, "{attr}");
    }
    assert_eq!(planted(Attr::ModulePart, "").strictly(module), Rank::Inconclusive);
    let limitless = planted(Attr::ModuleTemperatureHigh, Reading::Absent).plant(Kind::Nic, "eth0", Attr::ModuleTemperatureLow, Reading::Absent);
    assert_eq!((limitless.strictly(module), limitless.generically(module)), (Rank::Inconclusive, Rank::Pass));
}

#[test]
fn modules_of_one_pair_are_alike_where_something_is_ordered() {
    assert_eq!(beside("MMA1T00-VS").strictly(module), Rank::Pass);
    let mixed = beside("MCP1650-H003E26");
    assert_eq!((mixed.strictly(module), mixed.generically(module)), (Rank::Fail, Rank::Pass));
    let unlinked = mixed.plant(Kind::Nic, "eth2", Attr::Carrier, false);
    assert_eq!(unlinked.strictly(module), Rank::Pass, "what is in an unused port is nobody's pair");
}

#[test]
fn copper_cables_and_ports_for_plugs_of_copper_are_not_accused() {
    let cable = FIGURES.iter().fold(Node::healthy(), |node, (least, most, low, high)| {
        [*least, *most, *low, *high].into_iter().fold(node, |node, attr| node.plant(Kind::Nic, "eth0", attr, Reading::Absent))
    });
    assert_eq!((cable.strictly(module), cable.generically(module)), (Rank::Pass, Rank::Pass));
    let plug = component(Kind::Nic, "eno1", &[(Attr::Carrier, true.into())]);
    assert_eq!(Node::healthy().with(plug).strictly(module), Rank::Pass);
    let plug = component(Kind::Nic, "eno2", &[(Attr::Carrier, true.into()), (Attr::Medium, "twisted pair".into()), (Attr::ModulePart, unreadable())]);
    assert_eq!(Node::healthy().with(plug).strictly(module), Rank::Pass);
    let empty = component(Kind::Nic, "eth5", &[(Attr::Carrier, false.into()), (Attr::ModulePart, unreadable())]);
    assert_eq!(Node::healthy().with(empty).strictly(module), Rank::Pass, "an empty cage answers with an error");
}
