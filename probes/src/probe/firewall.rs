//! The node's firewall: what the cluster and the node configure (`/etc/pve/firewall/cluster.fw`, `/etc/pve/local/host.fw`, their `[OPTIONS]`) and whether the services that
//! turn it into rules have processes, by their control groups. The rules themselves are not read.

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
            .put(Attr::FirewallService, SERVICES, services(host));
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
