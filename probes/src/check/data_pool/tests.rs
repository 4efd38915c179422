//! A dRAID pool of twelve drives on the reference node, what is not declared of it, and every way in which it is another one.

use assay_model::check::Absence;
use assay_model::component::{Reading, Value};
use assay_model::gate::Decision;
use assay_model::inventory::ProbeEnded;
use assay_model::judge::{Case, judge};
use assay_model::phase::Phase;
use assay_model::verdict::Rank;

use super::*;
use crate::check::CHECKS;
use crate::check::planted::{Node, component, generic, rank, strict, unreadable};
use crate::probe::{ProbeOptions, take_inventory};
use crate::reference;

type Asked = fn(&Inventory, &Site) -> Vec<Check>;

const ALL: [(&str, Asked); 6] =
    [("layout", layout), ("drives", drives), ("spares", spares), ("ashift", ashift), ("health", health), ("scrub", scrub)];
const VDEV: &str = "tank draid2:4d:12c:1s-0";
const SPARE: &str = "tank draid2-0-0";
const DEVICE: &str = "tank /dev/disk/by-id/nvme-KIOXIA_KCM7XRUG7T68_63E0A009T5X8-part1";

fn reference(name: &str) -> (Node, Site) {
    let node = reference::nodes().expect("reference nodes").remove(name).expect("it is one");
    let options = ProbeOptions { deadline: std::time::Duration::from_secs(60), now: jiff::Timestamp::UNIX_EPOCH };
    (Node(take_inventory(&node.host(), &options)), node.site)
}

fn resolved(site: &Site, resolution: &str) -> Site {
    let mut site = site.clone();
    let contradiction = site.contradictions.iter_mut().find(|one| one.id == "C-22").expect("it is one of the order's");
    contradiction.resolution = Some(resolution.to_owned());
    site
}

fn declaring(site: &Site, change: impl FnOnce(&mut DataPool)) -> Site {
    let mut site = site.clone();
    change(site.declared.data_pool.as_mut().expect("it is declared"));
    site
}

#[test]
fn the_reference_pool_passes_and_what_is_read_is_evidence() {
    let (node, site) = reference("pve1-draid");
    for (name, asked) in ALL {
        assert_eq!(rank(&asked(&node.0, &site)), Rank::Pass, "{name}: {:#?}", asked(&node.0, &site));
    }
}

#[test]
fn a_site_that_chose_something_else_is_asked_nothing_and_one_that_has_not_chosen_knows_nothing() {
    let (node, site) = reference("pve1-draid");
    let (ceph, of_ceph) = reference("pve1-node1");
    for (name, asked) in ALL {
        assert_eq!(rank(&asked(&node.0, &resolved(&site, "ceph"))), Rank::NotApplicable, "{name}");
        assert_eq!(rank(&asked(&ceph.0, &of_ceph)), Rank::NotApplicable, "{name}");
        for resolution in ["", "tapes, and nothing but tapes"] {
            let answers = asked(&node.0, &resolved(&site, resolution));
            assert!(matches!(&answers[0].verdict, Verdict::Inconclusive(Reason::Blocked(_))), "{name} {resolution}: {answers:?}");
        }
        for nobody in [strict(), generic()] {
            assert_eq!(rank(&asked(&node.0, &nobody)), Rank::NotApplicable, "{name} at {}", nobody.name);
        }
    }
}

#[test]
fn ceph_is_asked_of_a_site_that_chose_it_or_has_not_chosen_and_of_no_other() {
    let (node, site) = reference("pve1-draid");
    let (ceph, of_ceph) = reference("pve1-node1");
    let of_topic = || CHECKS.iter().filter(|entry| entry.topic == "ceph");
    assert_eq!(of_topic().count(), 16);
    for entry in of_topic() {
        for there in [&node, &ceph] {
            assert_eq!(rank(&(entry.check)(&there.0, &site)), Rank::NotApplicable, "{:?}: it chose dRAID", entry.ids);
        }
        for resolution in ["ceph", "", "both, in turns on Sundays"] {
            assert_eq!(rank(&(entry.check)(&ceph.0, &resolved(&of_ceph, resolution))), Rank::Pass, "{:?} {resolution}", entry.ids);
            assert!(rank(&(entry.check)(&node.0, &resolved(&site, resolution))) >= Rank::Inconclusive, "{:?} {resolution}", entry.ids);
        }
    }
    // The order of such a site names no Ceph any more.
    let mut changed = site.clone();
    changed.bom.as_mut().and_then(|bom| bom.cluster.as_mut()).expect("an order of a cluster").ceph = None;
    for entry in of_topic() {
        assert_eq!(rank(&(entry.check)(&node.0, &changed)), Rank::NotApplicable, "{:?}", entry.ids);
    }
}

/// What holds the gate of phase 4 when earlier phases admit and nothing was run.
fn holding(node: &Node, site: &Site) -> BTreeSet<String> {
    let gate = site.gates.iter().find(|gate| gate.phase.number() == 4).expect("it ships");
    let checks = crate::check::inventory(&node.0, site);
    let implemented: BTreeSet<String> = crate::check::implemented_ids().into_iter().map(|id| id.to_string()).collect();
    let earlier: Vec<(Phase, Decision)> =
        Phase::all().filter(|phase| *phase < gate.phase).map(|phase| (phase, Decision::Admit { warnings: Vec::new() })).collect();
    let judgement = judge(&Case {
        site,
        gate,
        runs: &[],
        inventory: Some(&node.0),
        inventory_checks: &checks,
        run_checks: &BTreeMap::new(),
        implemented: &implemented,
        earlier: &earlier,
        now: node.0.taken_at.parse().expect("a time"),
    });
    judgement.judged.into_iter().filter(|one| one.holds).map(|one| one.check.id.to_string()).collect()
}

#[test]
fn the_gate_asks_for_the_chosen_alternative_only_and_for_neither_less_than_before() {
    let (node, site) = reference("pve1-draid");
    let (ceph, of_ceph) = reference("pve1-node1");
    assert_eq!(holding(&node, &site), BTreeSet::new(), "nothing of Ceph is missed, its measurements neither");
    let of_runs = holding(&ceph, &of_ceph);
    assert!(of_runs.contains("ceph.write_bandwidth") && of_runs.iter().all(|id| id.starts_with("ceph.")), "{of_runs:?}");
    // The other alternative is there, and not what was chosen.
    assert!(holding(&node, &of_ceph).is_superset(&BTreeSet::from(["ceph.health", "ceph.no_zpool_on_data"].map(str::to_owned))));
    let of_zfs: BTreeSet<String> = ALL.iter().map(|(name, _)| format!("zfs.data_{name}")).collect();
    assert_eq!(holding(&ceph, &site), of_zfs);
    let open = holding(&node, &resolved(&site, ""));
    assert!(open.is_superset(&of_zfs) && open.contains("ceph.health") && open.contains("contradiction.C-22"), "{open:?}");
    let undeclared = Site { declared: assay_model::site::declared::Declared { data_pool: None, ..site.declared.clone() }, ..site };
    assert_eq!(holding(&node, &undeclared), of_zfs, "what was chosen has to be declared");
}

#[test]
fn what_is_not_declared_is_open_and_nothing_is_asked_where_no_pool_is_named() {
    let (node, site) = reference("pve1-draid");
    let lenient = |site: &Site| Site { absence: Absence::NotApplicable, ..site.clone() };
    type Change = fn(&mut DataPool);
    let cases: [(Change, &[&str]); 5] = [
        (|pool| pool.name = None, &["layout", "drives", "spares", "ashift", "health", "scrub"]),
        (|pool| pool.draid = None, &["layout", "spares"]),
        (|pool| pool.line = None, &["drives"]),
        (|pool| pool.ashift_at_least = None, &["ashift"]),
        (|pool| pool.scrub_max_age_days = None, &["scrub"]),
    ];
    for (change, touched) in cases {
        let site = declaring(&site, change);
        for (name, asked) in ALL {
            let expected = if touched.contains(&name) { Rank::Inconclusive } else { Rank::Pass };
            assert_eq!(rank(&asked(&node.0, &site)), expected, "{name}: {touched:?}");
            // Where absence is no fault a pool that nobody names is asked nothing, and one that is named passes by nothing that is not declared.
            let elsewhere = rank(&asked(&node.0, &lenient(&site)));
            assert_eq!(
                elsewhere == Rank::Inconclusive,
                touched.contains(&name) && site.declared.data_pool.as_ref().is_some_and(|pool| pool.name.is_some()),
                "{name}: {touched:?}"
            );
        }
    }
    let open = declaring(&site, |pool| pool.autotrim = None);
    assert_eq!(rank(&layout(&node.plant(Kind::Pool, "tank", Attr::Autotrim, unreadable()).0, &open)), Rank::Pass);
}

#[test]
fn where_nobody_could_look_nothing_is_said_of_the_pool() {
    let (node, site) = reference("pve1-draid");
    for (name, asked) in ALL {
        for kind in [Kind::Pool, Kind::PoolVdev, Kind::PoolDevice] {
            for ended in [ProbeEnded::Hung("zpool".into()), ProbeEnded::Failed("EIO".into()), ProbeEnded::SourceMissing("/sys/module/zfs".into())] {
                assert_eq!(rank(&asked(&node.clone().ended(kind, ended.clone()).0, &site)), Rank::Inconclusive, "{name} {kind} {ended:?}");
            }
        }
        let expected = if name == "layout" { Rank::Fail } else { Rank::Inconclusive };
        assert_eq!(rank(&asked(&node.clone().pulled(Kind::Pool, "tank").0, &site)), expected, "{name}: no pool of that name");
    }
}

#[test]
fn a_reading_that_is_gone_or_unreadable_is_neither_a_pass_nor_a_fault() {
    let (node, site) = reference("pve1-draid");
    for reading in [Reading::Absent, unreadable()] {
        let mut planted = node.clone();
        let of_pools = planted.0.components.iter_mut().filter(|one| matches!(one.kind, Kind::Pool | Kind::PoolVdev | Kind::PoolDevice));
        of_pools.flat_map(|one| &mut one.attributes).filter(|(attr, _)| **attr != Attr::Pool).for_each(|(_, old)| *old = reading.clone());
        for (name, asked) in ALL {
            assert_eq!(rank(&asked(&planted.0, &site)), Rank::Inconclusive, "{name} {reading}: {:#?}", asked(&planted.0, &site));
        }
    }
    for (kind, locator, attr, asked) in [
        (Kind::PoolVdev, VDEV, Attr::Parity, layout as Asked),
        (Kind::PoolVdev, VDEV, Attr::Children, layout),
        (Kind::PoolVdev, VDEV, Attr::VdevType, layout),
        (Kind::PoolVdev, VDEV, Attr::VdevClass, layout),
        (Kind::PoolDevice, DEVICE, Attr::VdevClass, layout),
        (Kind::PoolDevice, SPARE, Attr::VdevType, spares),
        (Kind::Pool, "tank", Attr::Autotrim, layout),
        (Kind::PoolDevice, DEVICE, Attr::Drive, drives),
        (Kind::PoolDevice, SPARE, Attr::State, spares),
        (Kind::PoolDevice, DEVICE, Attr::VdevType, spares),
        (Kind::PoolDevice, DEVICE, Attr::Ashift, ashift),
        (Kind::Pool, "tank", Attr::State, health),
        (Kind::Pool, "tank", Attr::DataErrors, health),
        (Kind::Pool, "tank", Attr::Scan, health),
        (Kind::PoolVdev, VDEV, Attr::ChecksumErrors, health),
        (Kind::PoolVdev, VDEV, Attr::Rebuild, health),
        (Kind::PoolDevice, DEVICE, Attr::State, health),
        (Kind::PoolDevice, DEVICE, Attr::ReadErrors, health),
        (Kind::Pool, "tank", Attr::ScrubAge, scrub),
        (Kind::Pool, "tank", Attr::ScrubErrors, scrub),
    ] {
        for reading in [Reading::Absent, unreadable(), Value::List(vec!["what".into()]).into()] {
            assert_eq!(rank(&asked(&node.clone().plant(kind, locator, attr, reading.clone()).0, &site)), Rank::Inconclusive, "{attr} {reading}");
        }
    }
}

#[test]
fn the_pool_is_judged_as_the_table_says() {
    let (node, site) = reference("pve1-draid");
    for (kind, locator, attr, reading, asked, words) in [
        (Kind::PoolVdev, VDEV, Attr::Parity, Reading::from(1_u64), layout as Asked, "parity of draid2:4d:12c:1s-0 is 1, expected 2"),
        (Kind::PoolVdev, VDEV, Attr::GroupData, 8_u64.into(), layout, "is 8, expected 4"),
        (Kind::PoolVdev, VDEV, Attr::Children, 11_u64.into(), layout, "is 11, expected 12"),
        (Kind::PoolVdev, VDEV, Attr::DistributedSpares, 0_u64.into(), layout, "is 0, expected 1"),
        (Kind::PoolVdev, VDEV, Attr::VdevType, "raidz2".into(), layout, "is a raidz2, declared is draid2:4d:12c:1s"),
        (Kind::PoolVdev, VDEV, Attr::VdevClass, "special".into(), layout, "nobody declared the special vdev"),
        (Kind::Pool, "tank", Attr::Autotrim, false.into(), layout, "does not trim"),
        (Kind::PoolDevice, DEVICE, Attr::Drive, "0000:01:00.0".into(), drives, "on boot drive 0000:01:00.0"),
        (Kind::PoolDevice, DEVICE, Attr::Drive, "sda".into(), drives, "is no drive of `data drives`"),
        (Kind::PoolDevice, DEVICE, Attr::Drive, "0000:21:00.0".into(), drives, "0000:21:00.0 holds two"),
        (Kind::PoolDevice, DEVICE, Attr::VdevType, "file".into(), drives, "is a file"),
        (Kind::PoolDevice, SPARE, Attr::State, "UNAVAIL".into(), spares, "draid2-0-0 is UNAVAIL"),
        (Kind::PoolDevice, SPARE, Attr::State, "INUSE".into(), spares, "a device that is not told"),
        (Kind::PoolDevice, SPARE, Attr::VdevType, "disk".into(), spares, "0 distributed spares are listed, 1 are declared"),
        (Kind::PoolVdev, VDEV, Attr::Ashift, 9_u64.into(), ashift, "has ashift 9, at least 12"),
        (Kind::Pool, "tank", Attr::State, "SUSPENDED".into(), health, "SUSPENDED"),
        (Kind::Pool, "tank", Attr::ChecksumErrors, 1_u64.into(), health, "tank has 1 checksum errors"),
        (Kind::Pool, "tank", Attr::DataErrors, 2_u64.into(), health, "damaged files is 2"),
        (Kind::Pool, "tank", Attr::Scan, "resilver scanning".into(), health, "a resilver is running"),
        (Kind::PoolVdev, VDEV, Attr::State, "DEGRADED".into(), health, "DEGRADED"),
        (Kind::PoolVdev, VDEV, Attr::WriteErrors, 1_u64.into(), health, "1 write errors"),
        (Kind::PoolVdev, VDEV, Attr::Rebuild, "active".into(), health, "sequential resilver of draid2:4d:12c:1s-0 is running"),
        (Kind::PoolDevice, DEVICE, Attr::State, "FAULTED".into(), health, "FAULTED"),
        (Kind::PoolDevice, DEVICE, Attr::ReadErrors, 1_u64.into(), health, "1 read errors"),
        (Kind::Pool, "tank", Attr::ScrubAge, (35 * 86_400 + 1_u64).into(), scrub, "35 days ago"),
        (Kind::Pool, "tank", Attr::ScrubErrors, 1_u64.into(), scrub, "errors of the last scrub"),
        (Kind::Pool, "tank", Attr::Scan, "none".into(), scrub, "never scrubbed"),
    ] {
        let answers = asked(&node.clone().plant(kind, locator, attr, reading.clone()).0, &site);
        assert!(rank(&answers) == Rank::Fail && answers[0].verdict.reason().contains(words), "{attr} {reading}: {answers:?}");
    }
    for (attr, reading) in [(Attr::ScrubAge, Reading::from(35 * 86_400_u64)), (Attr::ScrubAge, 0_u64.into())] {
        assert_eq!(rank(&scrub(&node.clone().plant(Kind::Pool, "tank", attr, reading).0, &site)), Rank::Pass);
    }
}

#[test]
fn a_spare_in_use_says_whose_place_it_has_and_on_which_drive_that_was() {
    let (node, site) = reference("pve1-draid");
    let path = DEVICE.strip_prefix("tank ").expect("it is of the pool");
    let in_use = node.plant(Kind::PoolDevice, SPARE, Attr::State, "INUSE").plant(Kind::PoolDevice, SPARE, Attr::StandsInFor, path);
    let answers = spares(&in_use.0, &site);
    assert_eq!(answers[0].verdict, Verdict::Fail(format!("draid2-0-0 is in use in the place of {path} on 0000:a2:00.0")));
    let gone = in_use.plant(Kind::PoolDevice, DEVICE, Attr::Drive, Reading::Absent);
    assert_eq!(spares(&gone.0, &site)[0].verdict, Verdict::Fail(format!("draid2-0-0 is in use in the place of {path}")));
}

#[test]
fn several_vdevs_are_each_as_declared_and_all_alike() {
    let (node, site) = reference("pve1-draid");
    let second = |shift: Reading| {
        let mut vdev = node.0.iter(Kind::PoolVdev).find(|vdev| vdev.locator == VDEV).expect("it is there").clone();
        vdev.locator = "tank draid2:4d:12c:1s-1".into();
        vdev.attributes.insert(Attr::Ashift, shift);
        node.clone().with(vdev)
    };
    let two = declaring(&site, |pool| pool.draid.as_mut().expect("declared").vdevs = 2);
    assert_eq!(rank(&layout(&second(12_u64.into()).0, &site)), Rank::Fail, "one is declared");
    assert_eq!(rank(&layout(&second(12_u64.into()).0, &two)), Rank::Pass);
    assert_eq!(rank(&spares(&second(12_u64.into()).0, &two)), Rank::Fail, "a spare of each");
    let told = |first: u64, other: Reading| rank(&ashift(&second(other).plant(Kind::PoolVdev, VDEV, Attr::Ashift, first).0, &two));
    assert_eq!(told(12, 12_u64.into()), Rank::Pass);
    assert_eq!(told(12, 13_u64.into()), Rank::Fail, "they differ");
    assert_eq!(told(12, unreadable()), Rank::Inconclusive);
    assert_eq!(rank(&ashift(&second(12_u64.into()).0, &two)), Rank::Inconclusive, "the first is known by its devices only");
}

#[test]
fn a_pool_below_which_nothing_is_listed_is_not_looked_at() {
    let (node, site) = reference("pve1-draid");
    let bare = Node(Inventory {
        components: node.0.components.iter().filter(|one| !matches!(one.kind, Kind::PoolVdev | Kind::PoolDevice)).cloned().collect(),
        ..node.0.clone()
    });
    for (name, asked) in ALL {
        let expected = if name == "scrub" { Rank::Pass } else { Rank::Inconclusive };
        assert_eq!(rank(&asked(&bare.0, &site)), expected, "{name}");
    }
}

#[test]
fn what_stands_beside_the_pool_is_declared_by_nobody() {
    let (node, site) = reference("pve1-draid");
    for class in ["cache", "spare"] {
        let device = component(
            Kind::PoolDevice,
            "tank /dev/sdz",
            &[(Attr::Pool, "tank".into()), (Attr::VdevClass, class.into()), (Attr::VdevType, "disk".into()), (Attr::State, "AVAIL".into())],
        );
        let beside = node.clone().with(device);
        assert_eq!(rank(&layout(&beside.0, &site)), Rank::Fail, "{class}");
        assert_eq!(rank(&drives(&beside.0, &site)), Rank::Pass, "{class}: it holds none of the data");
        assert_eq!(rank(&spares(&beside.0, &site)), Rank::Pass, "{class}: it is no distributed one");
    }
}
