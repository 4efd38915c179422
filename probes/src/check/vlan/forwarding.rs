//! Whether the kernel routes, and whether the firewall stands.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;

use super::{Stack, host_vlan, kind, list};
use crate::check::findings::Findings;
use crate::check::question::Question;
use crate::check::seen::{Seen, flag, text};

pub(in crate::check) const FORWARDING: Question = Question {
    id: "vlan.forwarding",
    expected: "nothing is routed between interfaces, nor answered there for others; the firewall is on and drops what no rule lets in",
};

const DROP: &str = "DROP";

pub(in crate::check) fn forwarding(inventory: &Inventory, site: &Site) -> Vec<Check> {
    if let Err(undeclared) = host_vlan(&FORWARDING, site) {
        return undeclared;
    }
    let mut answers = match Stack::of(&FORWARDING, inventory, site) {
        Ok(stack) => vec![routing(site, &stack)],
        Err(unasked) => unasked,
    };
    match FORWARDING.subjects(inventory, site, Kind::Firewall) {
        Ok(found) => answers.extend(found.into_iter().map(|found| firewall(site, found))),
        Err(unasked) => answers.extend(unasked),
    }
    answers
}

/// A packet is routed when the interface that it comes in on says so: the way out does not matter, and each of them is one into the hosts' VLAN or out of it.
fn routing(site: &Site, stack: &Stack<'_>) -> Check {
    let mut findings = Findings::default();
    let interfaces: Vec<_> = stack.interfaces.iter().copied().filter(|interface| kind(interface) != Some("loopback")).collect();
    for interface in &interfaces {
        if findings.value(format!("{} of {}", Attr::Ipv4Forwarding, interface.locator), flag(interface, Attr::Ipv4Forwarding)) == Some(true) {
            findings.wrong(format!("IPv4 that comes in on {} is routed", interface.locator));
        }
        // An interface without IPv6 has no such switch.
        match flag(interface, Attr::Ipv6Forwarding) {
            Ok(Some(true)) => findings.wrong(format!("IPv6 that comes in on {} is routed", interface.locator)),
            Ok(Some(false) | None) => {}
            Err(reason) => findings.unclear(reason),
        }
        // It leads packets of others to the node, which has no other use for them than to route them.
        if findings.value(format!("{} of {}", Attr::NeighbourProxy, interface.locator), flag(interface, Attr::NeighbourProxy)) == Some(true) {
            findings.wrong(format!("the node answers for others on {}", interface.locator));
        }
    }
    let of_all = |attr| Seen::across(&interfaces, attr);
    let seen = of_all(Attr::Ipv4Forwarding).and(of_all(Attr::Ipv6Forwarding)).and(of_all(Attr::NeighbourProxy));
    let verdict = findings.verdict(site, &seen);
    FORWARDING.answer("routing", &seen, verdict)
}

fn firewall(site: &Site, firewall: &Component) -> Check {
    let mut findings = Findings::default();
    // What no line sets has the default that pve-firewall(8) gives: off for the cluster, on for a node, DROP.
    match flag(firewall, Attr::FirewallEnabled) {
        Ok(Some(true)) => {}
        Ok(Some(false) | None) => findings.wrong("the firewall of the cluster is off"),
        Err(reason) => findings.unclear(reason),
    }
    match flag(firewall, Attr::FirewallHost) {
        Ok(Some(true) | None) => {}
        Ok(Some(false)) => findings.wrong("the firewall of the node is off"),
        Err(reason) => findings.unclear(reason),
    }
    match text(firewall, Attr::PolicyIn) {
        Ok(Some(DROP) | None) => {}
        Ok(Some(policy)) => findings.wrong(format!("the policy for what comes in is {policy}")),
        Err(reason) => findings.unclear(reason),
    }
    let backend = findings.value(Attr::FirewallBackend, text(firewall, Attr::FirewallBackend));
    match (list(firewall, Attr::FirewallService), backend) {
        (Ok([]), _) => findings.wrong("no service of the firewall runs"),
        (Ok(running), Some(backend)) if running.iter().all(|service| service != backend) => {
            findings.wrong(format!("{backend}, which has to make the rules, does not run"));
        }
        (Ok(_), _) => {}
        (Err(reason), _) => findings.unclear(reason),
    }
    match list(firewall, Attr::OpenRules) {
        Ok([]) => {}
        Ok(rules) => findings.wrong(format!("a rule lets everything in: {}", rules.join("; "))),
        Err(reason) => findings.unclear(reason),
    }
    let seen = Seen::of(
        firewall,
        &[Attr::FirewallEnabled, Attr::FirewallHost, Attr::PolicyIn, Attr::FirewallBackend, Attr::FirewallService, Attr::OpenRules],
    );
    let verdict = findings.verdict(site, &seen);
    FORWARDING.answer("firewall", &seen, verdict)
}
