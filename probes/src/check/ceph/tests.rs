use assay_model::check::Absence;
use assay_model::component::{Reading, Value};
use assay_model::inventory::ProbeEnded;
use assay_model::verdict::Rank;

use super::*;
use crate::check::planted::{Node, component, generic, rank, strict, unreadable};
use crate::probe::{ProbeOptions, take_inventory};
use crate::reference;

type Asked = fn(&Inventory, &Site) -> Vec<Check>;

const ALL: &[(&str, Asked)] = &[
    ("fsid", fsid),
    ("health", health),
    ("daemons", daemons),
    ("pgs_clean", pgs_clean),
    ("scrub", scrub),
    ("clock_skew", clock_skew),
    ("crashes", crashes),
    ("versions", versions),
    ("capacity", capacity),
    ("identity", osds::identity),
    ("networks", osds::networks),
    ("memory", osds::memory_targets),
    ("messenger", osds::messenger),
    ("balance", osds::balance),
    ("no_zpool", osds::no_zpool),
    ("pools", pools::pools),
];

fn reference() -> (Inventory, Site) {
    let node = reference::nodes().expect("reference nodes").remove("pve1-node1").expect("it is one");
    let options = ProbeOptions { deadline: std::time::Duration::from_secs(60), now: jiff::Timestamp::UNIX_EPOCH };
    (take_inventory(&node.host(), &options), node.site)
}

fn texts(items: &[&str]) -> Reading {
    Value::List(items.iter().map(|&item| item.to_owned()).collect()).into()
}

#[test]
fn the_reference_cluster_is_accused_of_nothing() {
    let (inventory, site) = reference();
    for (name, asked) in ALL {
        let answers = asked(&inventory, &site);
        assert!(!answers.is_empty() && rank(&answers) == Rank::Pass, "{name}: {answers:?}");
    }
}

#[test]
fn where_nobody_looked_or_nothing_is_declared_nothing_passes() {
    let bare = |site: &Site, ended: Option<ProbeEnded>| {
        let node = ended.map_or_else(Node::bare, |ended| {
            Node::bare()
                .ended(Kind::Ceph, ended.clone())
                .ended(Kind::CephOsd, ended.clone())
                .ended(Kind::CephPool, ended.clone())
                .ended(Kind::CephMonitor, ended.clone())
                .ended(Kind::PoolDevice, ended)
        });
        ALL.iter().map(|(name, asked)| (*name, rank(&asked(&node.0, site)))).collect::<Vec<_>>()
    };
    for (name, rank) in bare(&strict(), None).into_iter().chain(bare(&strict(), Some(ProbeEnded::Hung("ceph:osd dump".into())))) {
        assert_eq!(rank, Rank::Inconclusive, "{name}");
    }
    for (name, rank) in bare(&generic(), Some(ProbeEnded::SourceMissing("/etc/ceph/ceph.conf".into()))) {
        assert_eq!(rank, Rank::NotApplicable, "{name}");
    }
    // Where nobody ordered anything, a cluster is judged by what it says itself.
    let (inventory, mut site) = reference();
    for (name, asked) in ALL {
        let is_of_an_order = ["fsid", "clock_skew", "networks", "memory", "messenger", "balance", "identity", "pools", "no_zpool"].contains(name);
        assert_eq!(rank(&asked(&inventory, &generic())), if is_of_an_order { Rank::NotApplicable } else { Rank::Pass }, "{name}");
    }
    site.declared.ceph = assay_model::site::declared::Ceph::default();
    assert_eq!(site.absence, Absence::Inconclusive);
    for (name, asked) in ALL {
        let undeclared = ["fsid", "daemons", "scrub", "clock_skew", "networks", "memory", "messenger", "balance"].contains(name);
        // Without the decision a pool is held against the order: class ssd, which is nowhere.
        let expected = if *name == "pools" {
            Rank::Fail
        } else if undeclared {
            Rank::Inconclusive
        } else {
            Rank::Pass
        };
        assert_eq!(rank(&asked(&inventory, &site)), expected, "{name}");
    }
}

#[test]
fn no_reading_that_is_gone_or_unreadable_passes() {
    let (inventory, site) = reference();
    let kinds = [Kind::Ceph, Kind::CephMonitor, Kind::CephOsd, Kind::CephPool];
    for reading in [unreadable(), Reading::Value(Value::Bool(true)), Reading::Value(Value::Text("?".into()))] {
        let node = Node(inventory.clone());
        let mut planted = node.0;
        planted
            .components
            .iter_mut()
            .filter(|component| kinds.contains(&component.kind))
            .flat_map(|component| component.attributes.values_mut())
            .for_each(|old| *old = reading.clone());
        for (name, asked) in ALL.iter().filter(|(name, _)| *name != "no_zpool") {
            assert!(rank(&asked(&planted, &site)) > Rank::Pass, "{name} passes on {reading}");
        }
    }
}

#[test]
fn a_lost_host_counts_for_the_room_that_is_left() {
    let (_, mut site) = reference();
    let osd = |number: usize, host: usize, used: u64| {
        component(
            Kind::CephOsd,
            &format!("osd.{number}"),
            &[(Attr::Hostname, format!("h{host}").into()), (Attr::Used, used.into()), (Attr::Capacity, 100_u64.into())],
        )
    };
    let judged = |hosts: usize, copies: u32, used: u64, site: &mut Site| {
        let ceph = site.bom.as_mut().and_then(|bom| bom.cluster.as_mut()).and_then(|cluster| cluster.ceph.as_mut()).expect("it is ordered");
        ceph.size = copies;
        let node = Node::bare().with(component(Kind::Ceph, "c", &[(Attr::NearfullRatio, 0.85.into())]));
        let node = (0..hosts).fold(node, |node, host| node.with(osd(host, host, used)));
        rank(&capacity(&node.0, site))
    };
    // As many hosts as copies: what is lost is not made up for.
    assert_eq!(judged(3, 3, 85, &mut site), Rank::Pass);
    assert_eq!(judged(3, 3, 86, &mut site), Rank::Fail);
    // A fourth host: its data move to the other three.
    assert_eq!(judged(4, 3, 63, &mut site), Rank::Pass);
    assert_eq!(judged(4, 3, 64, &mut site), Rank::Fail);
    assert_eq!(judged(1, 1, 10, &mut site), Rank::Fail, "nothing is left");
}

#[test]
fn a_cluster_without_osds_passes_nowhere() {
    let (mut inventory, site) = reference();
    inventory.components.retain(|component| component.kind != Kind::CephOsd);
    for (name, asked) in [("daemons", daemons as Asked), ("capacity", capacity)] {
        for at in [&site, &generic()] {
            let found = rank(&asked(&inventory, at));
            assert!(found >= Rank::Inconclusive, "{name} at {}: {found:?}", at.name);
        }
    }
}

#[test]
fn versions_are_compared_over_all_sorts_of_daemons() {
    let of = |told: &[&str]| {
        let node = Node::bare().with(component(Kind::Ceph, "c", &[(Attr::DaemonVersions, texts(told))]));
        let node = node.with(component(Kind::CephMonitor, "m", &[])).with(component(Kind::CephOsd, "osd.0", &[])).with(component(
            Kind::CephOsd,
            "osd.1",
            &[],
        ));
        rank(&versions(&node.0, &strict()))
    };
    assert_eq!(of(&["mon 1 x v19", "mgr 2 x v19", "osd 2 x v19"]), Rank::Pass);
    assert_eq!(of(&["mon 1 x v19", "mgr 2 x v19", "osd 2 x v18"]), Rank::Fail);
    assert_eq!(of(&["mon 1 x v19", "mgr 2 x v19", "osd 1 x v19"]), Rank::Inconclusive);
    assert_eq!(of(&["mon 1 x v19", "mgr 2 x v19", "osd 1 x v19", "osd 1 x unknown"]), Rank::Inconclusive);
    assert_eq!(of(&["mon 1 x v19", "osd 2 x v19"]), Rank::Inconclusive);
    assert_eq!(of(&["mon 1 x v19", "mgr 1 x v19", "mgr 1 x unknown", "osd 2 x v19"]), Rank::Inconclusive);
    assert_eq!(of(&["mon 1 x v19", "mgr 2 x v19", "osd 2 x v19", "mds torn"]), Rank::Inconclusive);
    assert_eq!(of(&["mon 1 x unknown", "mgr 1 x unknown", "osd 2 x unknown"]), Rank::Inconclusive);
    assert_eq!(of(&[]), Rank::Inconclusive);
}

#[test]
fn a_host_whose_name_nobody_can_read_has_no_osds_that_could_be_judged() {
    let (inventory, site) = reference();
    let mut nameless = Node(inventory);
    nameless.0.host = "unknown".into();
    let named = |name: Reading| nameless.clone().plant(Kind::Os, "node", Attr::Hostname, name);
    for node in [named(unreadable()), named(Reading::Absent), named(" ".into()), nameless.clone().without(Kind::Os)] {
        for (name, asked) in [("identity", osds::identity as Asked), ("memory", osds::memory_targets), ("messenger", osds::messenger)] {
            let answers = asked(&node.0, &site);
            assert!(matches!(&answers[0].verdict, Verdict::Inconclusive(Reason::Unreadable(_))) && answers.len() == 1, "{name}: {answers:?}");
        }
    }
}

#[test]
fn an_osd_that_is_down_listens_nowhere_and_is_not_passed() {
    let (inventory, site) = reference();
    let down = Node(inventory).plant(Kind::CephOsd, "osd.14", Attr::IsUp, false);
    let silent = [Attr::PublicAddresses, Attr::ClusterAddresses];
    let silent = silent.iter().fold(down.clone(), |node, attr| node.plant(Kind::CephOsd, "osd.14", *attr, texts(&[])));
    let elsewhere = down.clone().plant(Kind::CephOsd, "osd.15", Attr::PublicAddresses, texts(&["v1:192.0.2.1:6800"]));
    for (name, asked) in [("networks", osds::networks as Asked), ("messenger", osds::messenger)] {
        assert_eq!(
            [&down, &silent, &elsewhere].map(|node| rank(&asked(&node.0, &site))),
            [Rank::Inconclusive, Rank::Inconclusive, Rank::Fail],
            "{name}"
        );
    }
}

#[test]
fn a_distributed_spare_is_no_device_and_any_other_that_is_nowhere_leaves_it_open() {
    let (inventory, site) = reference();
    let with = |sort: Reading, drive: Reading| {
        let device = component(Kind::PoolDevice, "tank draid2-0-0", &[(Attr::VdevType, sort), (Attr::Drive, drive)]);
        rank(&osds::no_zpool(&Node(inventory.clone()).with(device).0, &site))
    };
    let drive = inventory.iter(Kind::Nvme).find(|drive| drive.locator == "0000:21:00.0").expect("a data drive").locator.as_str();
    assert_eq!(with("dspare".into(), Reading::Absent), Rank::Pass);
    assert_eq!(with("disk".into(), Reading::Absent), Rank::Inconclusive);
    assert_eq!(with(unreadable(), Reading::Absent), Rank::Inconclusive);
    assert_eq!(with("disk".into(), drive.into()), Rank::Fail);
}

#[test]
fn a_cluster_without_any_pool_lacks_each_that_is_ordered() {
    let (inventory, mut site) = reference();
    let none = Node(inventory).without(Kind::CephPool);
    let answers = pools::pools(&none.0, &site);
    let subjects: Vec<&str> = answers.iter().map(|check| check.subject.as_str()).collect();
    assert_eq!(subjects, ["cephfs-data", "cephfs-metadata", "rbd-containers", "rbd-vms"]);
    assert!(answers.iter().all(|check| check.verdict == Verdict::Fail("there is no such pool".into())), "{answers:?}");
    site.absence = Absence::NotApplicable;
    assert_eq!(rank(&pools::pools(&none.0, &site)), Rank::Fail);
    assert_eq!(rank(&pools::pools(&none.clone().ended(Kind::CephPool, ProbeEnded::Hung("ceph:osd dump".into())).0, &site)), Rank::Inconclusive);
    assert_eq!(rank(&pools::pools(&none.0, &generic())), Rank::NotApplicable, "nobody ordered one");
}

#[test]
fn a_pool_must_have_its_application_and_the_site_must_say_which() {
    let (inventory, mut site) = reference();
    let used_by =
        |told: Reading, site: &Site| rank(&pools::pools(&Node(inventory.clone()).plant(Kind::CephPool, "rbd-vms", Attr::Applications, told).0, site));
    let cases = [(texts(&["rbd"]), Rank::Pass), (texts(&["cephfs"]), Rank::Fail), (texts(&[]), Rank::Fail), (Reading::Absent, Rank::Fail)];
    for absence in [Absence::Inconclusive, Absence::NotApplicable] {
        site.absence = absence;
        for (told, expected) in &cases {
            assert_eq!(used_by(told.clone(), &site), *expected, "{told} {absence:?}");
        }
        assert_eq!(used_by(unreadable(), &site), Rank::Inconclusive);
    }
    site.declared.ceph.applications.remove("rbd-vms");
    assert_eq!(used_by(texts(&["rbd"]), &site), Rank::Inconclusive);
}
