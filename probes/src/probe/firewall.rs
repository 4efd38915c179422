//! The node's firewall: what the cluster and the node configure (`/etc/pve/firewall/cluster.fw`, `/etc/pve/local/host.fw`, their `[OPTIONS]`) and whether the services that
//! turn it into rules have processes, by their control groups. Of the rules only those are taken that let everything in.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::Probe;
use super::guest::PVE;
use crate::described::Described;
use crate::host::{Host, HostError, reading_of, whole};

/// The probe of the firewall.
pub(super) struct Firewall;

const CLUSTER: &str = "/etc/pve/firewall/cluster.fw";
const HOST: &str = "/etc/pve/local/host.fw";
const SERVICES: &str = "/sys/fs/cgroup/system.slice";
/// The one that writes iptables rules, and the one that writes those of nftables.
const NAMES: [&str; 2] = ["pve-firewall", "proxmox-firewall"];

impl Probe for Firewall {
    fn name(&self) -> &'static str {
        "firewall"
    }

    fn describe(&self) -> &'static str {
        "The firewall as configured in /etc/pve, and whether its services run."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Firewall]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        if !host.exists(PVE)? {
            return Err(HostError::SourceMissing(PVE.into()));
        }
        // Without the cluster's file system there is no such link, and files that are not there would read as options that nobody set.
        if !host.exists("/etc/pve/local")? {
            return Err(HostError::Malformed { path: PVE.into(), reason: "it has no folder of this node: pmxcfs is not mounted".into() });
        }
        let firewall = Described::new(host, Kind::Firewall, "node", PVE)
            .put(Attr::FirewallEnabled, CLUSTER, option(host, CLUSTER, "enable", switch))
            .put(Attr::PolicyIn, CLUSTER, option(host, CLUSTER, "policy_in", |word| Ok(word.into())))
            .put(Attr::FirewallHost, HOST, option(host, HOST, "enable", switch))
            .put(Attr::FirewallBackend, HOST, backend(host))
            .put(Attr::FirewallService, SERVICES, services(host))
            .put(Attr::OpenRules, format!("{CLUSTER}, {HOST}"), open_rules(host));
        Ok(vec![firewall.done()])
    }
}

/// An option that at most one line sets; absent where none does.
fn option(host: &Host, path: &str, name: &str, understand: fn(&str) -> Result<Reading, String>) -> Reading {
    reading_of(host.lines(path, name), |line| {
        let mut lines = line.lines();
        match (lines.next().and_then(|line| line.split_once(':')), lines.next()) {
            (Some((_, value)), None) => understand(value.trim()),
            (_, _) => Err(format!("{name} is set more than once")),
        }
    })
}

/// Any number but 0 switches on.
fn switch(text: &str) -> Result<Reading, String> {
    whole(text).map(|number| (number != 0).into())
}

/// The service that has to run: without `nftables` in the node's options `proxmox-firewall` runs and makes no rules, and with it `pve-firewall` makes none.
fn backend(host: &Host) -> Reading {
    let [iptables, nftables] = NAMES;
    match option(host, HOST, "nftables", switch) {
        Reading::Absent | Reading::Value(Value::Bool(false)) => iptables.into(),
        Reading::Value(_) => nftables.into(),
        unread @ Reading::Unreadable(_) => unread,
    }
}

/// The rules of the cluster and of the node that let everything in.
fn open_rules(host: &Host) -> Reading {
    let mut open = Vec::new();
    for path in [CLUSTER, HOST] {
        match host.excerpt(path, |text| Ok(letting_all_in(text))) {
            Ok(rules) => open.extend(rules.lines().filter(|rule| !rule.is_empty()).map(str::to_owned)),
            Err(error) if error.is_absent() => {}
            Err(error) => return Reading::Unreadable(error.cause()),
        }
    }
    if open.is_empty() { Reading::Absent } else { Value::List(open).into() }
}

/// `IN ACCEPT` of the section `[RULES]` without a word of whom, what or where; a rule behind `|` is switched off (pve-firewall(8)).
fn letting_all_in(text: &str) -> String {
    let mut is_of_rules = false;
    let mut open = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            is_of_rules = line.eq_ignore_ascii_case("[RULES]");
            continue;
        }
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let [direction, action, options @ ..] = words.as_slice() else { continue };
        let is_in = is_of_rules && direction.eq_ignore_ascii_case("IN") && action.eq_ignore_ascii_case("ACCEPT");
        let restricts = |pair: &[&str]| !matches!(pair, ["-log" | "--log", _] | ["-source" | "-dest" | "--source" | "--dest", "0.0.0.0/0" | "::/0"]);
        if is_in && !options.chunks(2).any(restricts) {
            open.push(words.join(" "));
        }
    }
    open.join("\n")
}

/// The services of which a process runs. A service that is stopped has no control group.
fn services(host: &Host) -> Reading {
    match host.exists(SERVICES) {
        Ok(true) => {}
        Ok(false) => return Reading::Unreadable("the control groups of services are not there".into()),
        Err(error) => return Reading::Unreadable(error.cause()),
    }
    let mut running = Vec::new();
    for name in NAMES {
        match host.read_or_none(&format!("{SERVICES}/{name}.service/cgroup.events")) {
            Ok(Some(events)) if events.lines().any(|line| line.trim() == "populated 1") => running.push(name.to_owned()),
            Ok(_) => {}
            Err(error) => return Reading::Unreadable(error.cause()),
        }
    }
    if running.is_empty() { Reading::Absent } else { Value::List(running).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "
        /etc/pve/local link: nodes/pve1-node1
        /etc/pve/firewall/cluster.fw:
          |[OPTIONS]
          |
          |enable: 1
          |policy_in: DROP
          |
          |[RULES]
          |
          |IN SSH(ACCEPT) -source 10.6.0.0/24
        /sys/fs/cgroup/system.slice/pve-firewall.service/cgroup.events:
          |populated 1
          |frozen 0";

    fn found(snapshot: &str) -> Component {
        Firewall.probe(&Host::from_snapshot(snapshot).expect("a fixture")).expect("looked").remove(0)
    }

    #[test]
    fn what_is_set_and_what_runs_is_told_and_what_is_not_set_is_absent() {
        let firewall = found(NODE);
        assert_eq!(firewall.reading(Attr::FirewallEnabled), &true.into());
        assert_eq!(firewall.reading(Attr::PolicyIn), &"DROP".into());
        assert_eq!(firewall.reading(Attr::FirewallHost), &Reading::Absent);
        assert_eq!(firewall.reading(Attr::FirewallService), &Value::List(vec!["pve-firewall".into()]).into());
        let off = found(&NODE.replace("enable: 1", "enable: 0").replace("populated 1", "populated 0"));
        assert_eq!((off.reading(Attr::FirewallEnabled), off.reading(Attr::FirewallService)), (&false.into(), &Reading::Absent));
        let host = found(&format!("{NODE}\n/etc/pve/local/host.fw:\n  |[OPTIONS]\n  |enable: 0"));
        assert_eq!(host.reading(Attr::FirewallHost), &false.into());
    }

    #[test]
    fn the_service_that_has_to_run_is_the_one_that_the_node_is_set_to() {
        assert_eq!(found(NODE).reading(Attr::FirewallBackend), &"pve-firewall".into());
        for (set, backend) in [("1", "proxmox-firewall"), ("0", "pve-firewall")] {
            let set = format!("{NODE}\n/etc/pve/local/host.fw:\n  |[OPTIONS]\n  |nftables: {set}");
            assert_eq!(found(&set).reading(Attr::FirewallBackend), &backend.into());
        }
        let refused = found(&format!("{NODE}\n/etc/pve/local/host.fw error: EIO"));
        assert!([Attr::FirewallBackend, Attr::OpenRules].iter().all(|attr| matches!(refused.reading(*attr), Reading::Unreadable(_))));
    }

    #[test]
    fn rules_that_let_everything_in_are_told_and_others_are_not() {
        assert_eq!(found(NODE).reading(Attr::OpenRules), &Reading::Absent);
        let rules =
            "[OPTIONS]\nIN ACCEPT\n[RULES]\n|IN ACCEPT\nIN ACCEPT -p tcp\nIN ACCEPT -i vmbr0.6\nOUT ACCEPT\nIN DROP\nIN SSH(ACCEPT)\nGROUP web";
        assert_eq!(letting_all_in(rules), "");
        assert_eq!(
            letting_all_in(&format!("{rules}\nIN ACCEPT # for now\nin accept -log nolog -source 0.0.0.0/0")),
            "IN ACCEPT\nin accept -log nolog -source 0.0.0.0/0"
        );
    }

    #[test]
    fn what_cannot_be_read_or_understood_is_unreadable() {
        for planted in ["enable: yes", "enable: 1\n          |enable: 0"] {
            assert!(matches!(found(&NODE.replace("enable: 1", planted)).reading(Attr::FirewallEnabled), Reading::Unreadable(_)), "{planted}");
        }
        let refused = found("/etc/pve/local link: nodes/a\n/etc/pve/firewall/cluster.fw error: EACCES");
        assert!(matches!(refused.reading(Attr::FirewallEnabled), Reading::Unreadable(_)));
        assert!(matches!(refused.reading(Attr::FirewallService), Reading::Unreadable(_)), "no control groups are no stopped service");
    }

    #[test]
    fn a_node_that_is_no_hypervisor_has_no_such_firewall_and_one_without_its_file_system_cannot_tell() {
        let ended = |snapshot: &str| Firewall.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
        assert_eq!(ended("/etc/hostname: a"), Err(HostError::SourceMissing(PVE.into())));
        assert!(matches!(ended("/etc/pve list:"), Err(HostError::Malformed { .. })));
    }
}
