use super::*;
use crate::reference;

/// The healthy cluster of the reference node, with lines of its snapshot replaced.
fn cluster(edit: impl Fn(&str) -> String) -> Host {
    let text = include_str!("../../../fixtures/pve1-node1/ceph.snap");
    Host::from_snapshot(&format!("{}\nsyscall:clock_gettime: realtime 1763900100\n/proc/sys/kernel/hostname: pve1-node1", edit(text)))
        .expect("a fixture")
}

fn probed(host: &Host) -> Vec<Component> {
    Ceph.probe(host).expect("a cluster that answers")
}

fn one(found: &[Component], kind: Kind, locator: &str) -> Component {
    found.iter().find(|component| component.kind == kind && component.locator == locator).unwrap_or_else(|| panic!("{kind} {locator}")).clone()
}

fn texts(items: &[&str]) -> Reading {
    Value::List(items.iter().map(|&item| item.to_owned()).collect()).into()
}

#[test]
fn a_cluster_is_its_monitors_osds_and_pools() {
    let found = probed(&cluster(str::to_owned));
    let number = |kind| found.iter().filter(|component| component.kind == kind).count();
    assert_eq!([Kind::Ceph, Kind::CephMonitor, Kind::CephOsd, Kind::CephPool].map(number), [1, 3, 36, 5]);
    let whole = one(&found, Kind::Ceph, "6f1c3a52-7d0e-4b8e-9c1f-2f5b8a7e4d10");
    for (attr, expected) in [
        (Attr::Health, "HEALTH_OK".into()),
        (Attr::HealthChecks, texts(&[])),
        (Attr::HealthMuted, texts(&[])),
        (Attr::MonitorsInQuorum, texts(&["pve1-node1", "pve1-node2", "pve1-node3"])),
        (Attr::ManagerActive, texts(&["pve1-node2"])),
        (Attr::ManagersStandby, texts(&["pve1-node1", "pve1-node3"])),
        (Attr::OsdFlags, texts(&[])),
        (Attr::NearfullRatio, 0.85.into()),
        (Attr::PlacementGroupsConfigured, 865_u64.into()),
        (Attr::PlacementGroups, 865_u64.into()),
        (Attr::PlacementGroupsUnclean, 0_u64.into()),
        (Attr::PlacementGroupStates, texts(&["864 active+clean", "1 active+clean+scrubbing+deep"])),
        (Attr::ScrubErrors, 0_u64.into()),
        (Attr::NewCrashes, texts(&[])),
    ] {
        assert_eq!(*whole.reading(attr), expected, "{attr}");
    }
    let age = whole.value(Attr::DeepScrubAge).and_then(Value::as_u64).expect("an age");
    assert!((6 * 86_400..8 * 86_400).contains(&age), "{age}");
    let osd = one(&found, Kind::CephOsd, "osd.3");
    for (attr, expected) in [
        (Attr::Hostname, "pve1-node1".into()),
        (Attr::IsUp, true.into()),
        (Attr::DeviceClass, "nvme".into()),
        (Attr::DeviceIds, texts(&["KIOXIA_KCMYXRUG7T68_63E0A005T5X8"])),
        (Attr::Rotational, false.into()),
        (Attr::MemoryTarget, (8_u64 << 30).into()),
        (Attr::MessengerModes, texts(&[])),
        (Attr::PublicAddresses, texts(&["v1:10.6.0.11:6827", "v1:10.6.0.11:6831", "v2:10.6.0.11:6826", "v2:10.6.0.11:6830"])),
    ] {
        assert_eq!(*osd.reading(attr), expected, "{attr}");
    }
    let pool = one(&found, Kind::CephPool, "cephfs-metadata");
    for (attr, expected) in [
        (Attr::ReplicaSize, 3_u64.into()),
        (Attr::FailureDomain, "host".into()),
        (Attr::DeviceClass, "nvme".into()),
        (Attr::RuleTargets, 3_u64.into()),
        (Attr::TargetRatio, 0.02.into()),
        (Attr::Quota, Reading::Absent),
        (Attr::Applications, texts(&["cephfs"])),
    ] {
        assert_eq!(*pool.reading(attr), expected, "{attr}");
    }
    assert_eq!(*one(&found, Kind::CephMonitor, "pve1-node3").reading(Attr::ClockSkew), 700_000.0.into(), "magnitude");
}

#[test]
fn a_node_without_a_configuration_belongs_to_no_cluster() {
    let host = Host::from_snapshot("/etc/hostname: alone").expect("a fixture");
    assert_eq!(Ceph.probe(&host), Err(HostError::SourceMissing(CONFIGURATION.into())));
}

#[test]
fn whoever_does_not_answer_is_not_taken_for_one_that_has_nothing() {
    let unanswered = |command: &str| {
        let line = format!("ceph:{command}:");
        let edit = |text: &str| {
            let mut kept = String::new();
            let mut is_cut = false;
            for row in text.lines() {
                is_cut = row == line || is_cut && row.starts_with("  |");
                if !is_cut {
                    kept += &format!("{row}\n");
                }
            }
            kept + &format!("ceph:{command} error: ETIMEDOUT\n")
        };
        Ceph.probe(&cluster(edit))
    };
    for command in ["quorum_status", "osd%20dump"] {
        let error = unanswered(command).expect_err("nothing is known without it").chain();
        assert!(error.contains("nobody answers in time"), "{command}: {error}");
    }
    for command in [
        "health%20detail",
        "mgr%20dump",
        "time-sync-status",
        "versions",
        "crash%20ls-new",
        "osd%20metadata",
        "osd%20df",
        "osd%20crush%20rule%20dump",
        "pg%20dump%20pgs",
        "config%20show%20osd.7",
    ] {
        let source = format!("ceph:{}", command.replace("%20", " "));
        let mut readings = 0;
        for component in unanswered(command).expect("the rest is known") {
            for (attr, reading) in component.attributes.iter().filter(|(attr, _)| component.source(**attr) == source) {
                readings += 1;
                assert!(
                    matches!(reading, Reading::Unreadable(why) if why.contains("nobody answers in time")),
                    "{attr} of {}: {reading}",
                    component.locator
                );
            }
        }
        assert!(readings > 0, "{command} is the source of nothing");
    }
}

#[test]
fn a_torn_or_foreign_answer_is_unreadable() {
    for torn in ["{\"status\": \"HEALTH_OK\"", "[]", "null", "HEALTH_OK"] {
        let edit = |text: &str| {
            let rest: String = text.lines().skip(7).map(|row| format!("{row}\n")).collect();
            format!("/etc/ceph/ceph.conf exists\nceph:health%20detail: {torn}\n{rest}")
        };
        let found = probed(&cluster(edit));
        let health = found.iter().find(|component| component.kind == Kind::Ceph).expect("the cluster").reading(Attr::Health).clone();
        assert!(matches!(health, Reading::Unreadable(_)), "{torn}: {health}");
    }
}

#[test]
fn a_tree_that_leads_back_into_itself_ends() {
    let found = probed(&cluster(|text| text.replace("\"children\":[0,1,", "\"children\":[-1,0,1,")));
    assert_eq!(*one(&found, Kind::CephPool, "rbd-vms").reading(Attr::RuleTargets), Reading::Absent);
}

#[test]
fn every_reference_node_of_the_site_tells_of_its_cluster() {
    let nodes = reference::nodes().expect("reference nodes");
    for name in ["pve1-node1", "pve1-pinned", "pve1-burn-in", "pve1-one-socket"] {
        assert_eq!(probed(&nodes[name].host()).len(), 45, "{name}");
    }
}

#[test]
fn what_a_real_cluster_of_release_16_answers_is_read_whole() {
    let text = format!("{}\n/proc/sys/kernel/hostname: pve1-node2", include_str!("pacific.snap"));
    let found = probed(&Host::from_snapshot(&text).expect("a recording"));
    assert_eq!(found.len(), 1 + 3 + 3 + 4);
    for component in &found {
        let is_asked_elsewhere = |attr: Attr| [Attr::MemoryTarget, Attr::MessengerModes].contains(&attr) && component.locator != "osd.1";
        for (attr, reading) in component.attributes.iter().filter(|(attr, _)| !is_asked_elsewhere(**attr)) {
            assert!(!matches!(reading, Reading::Unreadable(_)), "{} {attr}: {reading}", component.locator);
        }
    }
    assert_eq!(*one(&found, Kind::CephPool, "rbd-vms").reading(Attr::RuleTargets), 3_u64.into());
    assert_eq!(*one(&found, Kind::CephOsd, "osd.1").reading(Attr::DeviceIds), Reading::Absent, "it is on a file");
    assert_eq!(*one(&found, Kind::CephOsd, "osd.1").reading(Attr::MemoryTarget), 939_524_096_u64.into());
    assert!(matches!(one(&found, Kind::CephOsd, "osd.0").reading(Attr::MemoryTarget), Reading::Unreadable(_)), "another host's");
}

#[test]
fn whose_osds_they_are_is_not_known_without_the_name_of_the_host() {
    let text = include_str!("../../../fixtures/pve1-node1/ceph.snap");
    let found = probed(&Host::from_snapshot(&format!("{text}\n/proc/sys/kernel/hostname error: EIO")).expect("a fixture"));
    for attr in [Attr::MemoryTarget, Attr::MessengerModes] {
        let reading = one(&found, Kind::CephOsd, "osd.0").reading(attr).clone();
        assert!(matches!(&reading, Reading::Unreadable(why) if why.contains("hostname")), "{attr}: {reading}");
    }
}
