use assay_model::component::{Component, Reading};

use super::*;
use crate::catalog::scenario;

const GIB: u64 = 1 << 30;

fn inventory(components: Vec<Component>) -> Inventory {
    Inventory { host: "node1".into(), boot_id: "b".into(), taken_at: String::new(), components, probes: Vec::new() }
}

fn node(number: u32, cpus: impl Into<Reading>) -> Component {
    Component::new(Kind::NumaNode, format!("node{number}")).with(Attr::CpuList, "/sys/devices/system/node", cpus)
}

fn scratch() -> &'static [Place] {
    static SCRATCH: std::sync::LazyLock<[Place; 1]> = std::sync::LazyLock::new(|| [Place::new(Path::new("/scratch"), TargetKind::Folder)]);
    &*SCRATCH
}

fn scratch_pools() -> ScratchPools {
    ScratchPools { names: vec!["rbd-vms".to_owned()], fsid: None }
}

fn permits() -> &'static Permits {
    static NONE: std::sync::LazyLock<Permits> = std::sync::LazyLock::new(Permits::default);
    &NONE
}

fn context(inventory: &Inventory) -> PlanContext<'_> {
    PlanContext {
        targets: scratch(),
        inventory: Some(inventory),
        cpus: &[0, 1, 2, 3],
        memory_available: 64 * GIB,
        edges: &[],
        permits: permits(),
        nodes: &[],
        rings: &[],
    }
}

#[test]
fn storage_quick_is_bounded_in_time_and_bytes_and_begins_with_the_harness_floor() {
    let seen = inventory(Vec::new());
    let plan = plan(&scenario("storage-quick").expect("known"), &context(&seen)).expect("plans");
    assert_eq!(plan.step_names(), ["harness_floor", "layout", "random", "sequential", "verify"]);
    assert_eq!(plan.targets, [PlannedTarget::ScratchFile { folder: "/scratch".into(), bytes: 256 << 20 }]);
    assert_eq!(plan.bytes_written, (256 << 20) + 5 * 4 * GIB + 5 * 16 * GIB);
    assert!((30_000..40_000).contains(&plan.duration_ms), "{} ms", plan.duration_ms);
    // Two buffers of 1 MiB for each of eight operations, and four bytes for each 4 KiB of the target.
    assert_eq!(plan.memory_bytes, (16 << 20) + (256 << 10));
    assert_eq!(plan.cpu, 3);
}

#[test]
fn the_triad_runs_on_each_node_with_arrays_that_no_cache_holds() {
    let cpu = |locator: &str| Component::new(Kind::Cpu, locator).with(Attr::L3Bytes, "/sys", 256_u64 << 20);
    let seen = inventory(vec![cpu("package 0"), cpu("package 1"), node(0, "0-1"), node(1, "2-3,64-80"), node(2, Reading::Absent)]);
    let plan = plan(&scenario("memory-triad").expect("known"), &context(&seen)).expect("plans");
    assert_eq!((plan.targets.len(), plan.bytes_written, plan.memory_bytes), (0, 0, 3 * GIB));
    let [PlannedWork::Triad { node: 0, cpus: first, array_bytes, .. }, PlannedWork::Triad { node: 1, cpus: second, .. }] = &plan.steps[0].work[..]
    else {
        panic!("{:?}", plan.steps[0].work)
    };
    assert_eq!((first.as_slice(), second.as_slice(), *array_bytes), (&[0, 1][..], &[2, 3][..], GIB));
}

#[test]
fn what_cannot_be_planned_says_why() {
    let none = inventory(Vec::new());
    let storage = scenario("storage-quick").expect("known");
    let triad = scenario("memory-triad").expect("known");
    let cases = [
        (plan(&storage, &PlanContext { targets: &[], ..context(&none) }), "needs a target"),
        (plan(&storage, &PlanContext { targets: &[scratch()[0].clone(), scratch()[0].clone()], ..context(&none) }), "given twice"),
        (plan(&storage, &PlanContext { cpus: &[], ..context(&none) }), "no CPU"),
        (plan(&triad, &PlanContext { memory_available: 0, ..context(&none) }), "at most half"),
        (plan(&triad, &context(&inventory(vec![node(0, Reading::Unreadable("EIO".into()))]))), "EIO"),
        (plan(&triad, &context(&inventory(vec![node(0, "7-9")]))), "no NUMA node has a CPU"),
    ];
    for (result, says) in cases {
        let error = result.expect_err(says).to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_drill_has_one_target() {
    let drill = scenario("ceph-host-loss").expect("known");
    let [vms, disks] = ["rbd:vms/", "rbd:disks/"].map(|path| Place::new(Path::new(path), TargetKind::Pool));
    target::fits(&drill, std::slice::from_ref(&vms)).expect("one");
    let error = target::fits(&drill, &[vms, disks]).expect_err("two");
    assert!(error.contains("works on one image") && error.contains("rbd:vms/, rbd:disks/"), "{error}");
}

#[test]
fn a_plan_survives_being_stored_and_its_digest_follows_every_change() {
    let seen = inventory(Vec::new());
    let plan = plan(&scenario("storage-quick").expect("known"), &context(&seen)).expect("plans");
    assert_eq!(serde_json::from_slice::<Plan>(&plan.to_json()).expect("reads back"), plan);
    let mut other = plan.clone();
    other.steps[2].rounds = Rounds::Fixed(other.steps[2].rounds.most() + 1);
    assert_ne!(plan.digest(), other.digest());
    assert_eq!(plan.digest().len(), 64);
}

#[test]
fn a_target_that_no_text_can_name_is_refused() {
    use std::os::unix::ffi::OsStrExt as _;
    let seen = inventory(Vec::new());
    let path = Path::new(std::ffi::OsStr::from_bytes(b"/\xff"));
    let error = plan(&scenario("storage-quick").expect("known"), &PlanContext { targets: &[Place::new(path, TargetKind::Folder)], ..context(&seen) })
        .expect_err("no text");
    assert!(error.to_string().contains("/\\xff"), "{error}");
}

#[test]
fn this_host_has_memory_and_cpus() {
    let (cpus, memory) = this_host();
    assert!(!cpus.is_empty() && memory > 0);
}

fn drive(serial: &str, bytes: u64) -> Place {
    let folder = Place::new(std::path::Path::new("/dev/nvme9n1"), TargetKind::Folder);
    Place { kind: TargetKind::BlockDevice, bytes: Some(bytes), serial: Some(serial.to_owned()), ..folder }
}

fn on_a_drive(text: &str, place: &Place, permits: &Permits) -> Result<Plan, String> {
    let seen = inventory(Vec::new());
    let scenario = Scenario::parse("x.toml", text, &crate::catalog::engines()).expect("loads");
    plan(&scenario, &PlanContext { targets: std::slice::from_ref(place), permits, ..context(&seen) }).map_err(|error| error.to_string())
}

const LAYOUT: &str = "schema = 1\nname = \"x\"\ndescribe = \"d\"\n[target]\nsize = \"10GiB\"\n[[step]]\nname = \"a\"\ndescribe = \"d\"\n\
                      [[step.io]]\nengine = \"uring\"\nrw = \"write\"\nbs = \"1MiB\"\niodepth = 8\nwhole = true\n";
const PURGE: &str = "schema = 1\nname = \"x\"\ndescribe = \"d\"\n[target]\nwhole = true\n[[step]]\nname = \"a\"\ndescribe = \"d\"\n\
                     [[step.io]]\nengine = \"uring\"\nrw = \"trim\"\nbs = \"1MiB\"\niodepth = 8\nwhole = true\n";

#[test]
fn a_drive_is_planned_for_by_its_serial_number_only_and_purged_with_two_keys() {
    let place = drive("S1", 480_103_981_056);
    let permits = |owned: &[&str], purged: &[&str]| Permits {
        owned: owned.iter().map(|serial| (*serial).to_owned()).collect(),
        purged: purged.iter().map(|serial| (*serial).to_owned()).collect(),
        ..Permits::default()
    };
    for owned in [&[][..], &["S2"], &["s1", "S11", ""]] {
        let refused = on_a_drive(LAYOUT, &place, &permits(owned, &["S1"])).expect_err("not confirmed");
        assert!(refused.contains("--i-own-serial S1"), "{refused}");
    }
    let planned = on_a_drive(LAYOUT, &place, &permits(&["S2", "S1"], &[])).expect("confirmed");
    assert!(matches!(&planned.targets[..], [PlannedTarget::Drive { serial, bytes, .. }] if serial == "S1" && *bytes == 10 << 30));
    let refused = on_a_drive(PURGE, &place, &permits(&["S1"], &["S2"])).expect_err("one key");
    assert!(refused.contains("--purge-serial S1"), "{refused}");
    let planned = on_a_drive(PURGE, &place, &permits(&["S1"], &["S1"])).expect("two keys");
    let PlannedTarget::Drive { bytes, .. } = planned.targets[0] else { panic!("{planned:?}") };
    assert!(bytes < 480_103_981_056 && bytes > 480_000_000_000 && bytes % (16 << 20) == 0, "{bytes}");
    let folder = Place::new(std::path::Path::new("/tmp"), TargetKind::Folder);
    let refused = on_a_drive(PURGE, &folder, &permits(&[], &[])).expect_err("a folder is no device");
    assert!(refused.contains("whole devices"), "{refused}");
}

#[test]
fn no_more_of_a_drives_life_is_taken_than_was_allowed() {
    // 10 GiB of a drive of 480 GB and 0.3 drive writes per day: 0.004 % of its life.
    let place = drive("S1", 480_103_981_056);
    let permits = |endurance_percent| Permits { owned: vec!["S1".to_owned()], endurance_percent, ..Permits::default() };
    assert!(on_a_drive(LAYOUT, &place, &permits(1)).is_ok());
    let refused = on_a_drive(LAYOUT, &place, &permits(0)).expect_err("nothing");
    assert!(refused.contains("more than 0 %") && refused.contains("--endurance-percent"), "{refused}");
    let worn = Place { rated_bytes: Some(1_073_741_824_000), ..place.clone() };
    assert!(on_a_drive(LAYOUT, &worn, &permits(1)).is_ok(), "exactly one percent");
    let worn = Place { rated_bytes: Some(1_073_741_823_000), ..place };
    assert!(on_a_drive(LAYOUT, &worn, &permits(1)).expect_err("a little more").contains("10737418240 bytes"));
}

#[test]
fn a_plan_is_not_gone_on_with_in_a_pool_or_cluster_that_the_site_does_not_allow_any_more() {
    let pools = |names: &[&str], fsid: Option<&str>| ScratchPools {
        names: names.iter().map(|name| (*name).to_owned()).collect(),
        fsid: fsid.map(str::to_owned),
    };
    let seen = inventory(Vec::new());
    let permits = Permits { scratch_pools: pools(&["rbd-vms"], Some("1-2")), ..Permits::default() };
    let places = [Place::new(Path::new("rbd:rbd-vms/"), TargetKind::Pool)];
    let image = plan(&scenario("rbd-quick").expect("known"), &PlanContext { targets: &places, permits: &permits, ..context(&seen) }).expect("plans");
    let objects = plan(
        &scenario("ceph-cluster").expect("known"),
        &PlanContext { targets: &[], permits: &permits, memory_available: 1 << 40, ..context(&seen) },
    );
    let osds = plan(&scenario("ceph-osd-bench").expect("known"), &PlanContext { targets: &[], permits: &permits, ..context(&seen) }).expect("plans");
    assert_eq!(osds.refused_by(&pools(&["other"], Some("1-2"))), None);
    assert!(osds.refused_by(&pools(&[], Some("1-2"))).is_some_and(|why| why.contains("does not name any")));
    for plan in [image, objects.expect("plans")] {
        for allowed in [pools(&["rbd-vms"], Some("1-2")), pools(&["other", "rbd-vms"], Some("1-2"))] {
            assert_eq!(plan.refused_by(&allowed), None, "{allowed:?}");
        }
        for (allowed, says) in [
            (ScratchPools::default(), "by --site"),
            (pools(&["other"], Some("1-2")), "does not name rbd-vms"),
            (pools(&["rbd-vms/tenant"], Some("1-2")), "does not name rbd-vms"),
            (pools(&["rbd-vms"], Some("3-4")), "declared the cluster 1-2, and it declares the cluster 3-4"),
            (pools(&["rbd-vms"], None), "it declares no cluster"),
        ] {
            let why = plan.refused_by(&allowed).expect(says);
            assert!(why.contains(says), "{why}");
        }
    }
}

#[test]
fn images_are_planned_for_in_pools_that_the_site_names_and_with_the_engine_that_knows_them_only() {
    let seen = inventory(Vec::new());
    let permits = Permits { scratch_pools: scratch_pools(), ..Permits::default() };
    let planned = |name: &str, target: &str, kind: TargetKind| {
        let places = [Place::new(Path::new(target), kind)];
        plan(&scenario(name).expect("known"), &PlanContext { targets: &places, permits: &permits, ..context(&seen) })
            .map_err(|error| error.to_string())
    };
    let plan = planned("rbd-quick", "rbd:rbd-vms/:cache=writeback", TargetKind::Pool).expect("plans");
    let [PlannedTarget::ScratchImage { path, place, bytes }] = &plan.targets[..] else { panic!("{:?}", plan.targets) };
    assert_eq!((path.to_str(), *bytes), (Some("rbd:rbd-vms/"), 256 << 20));
    assert!(place.describe().contains("cache writeback"), "{}", place.describe());
    assert_eq!(serde_json::from_slice::<Plan>(&plan.to_json()).expect("is read"), plan);
    // Two buffers of 4 MiB for each of four operations, in huge pages, and four bytes for each 4 KiB of the image.
    assert_eq!(plan.memory_bytes, (32 << 20) + (256 << 10));
    for (name, target, kind, why) in [
        ("rbd-quick", "rbd:other/", TargetKind::Pool, "scratch_pools"),
        ("rbd-quick", "rbd:rbd-vms/vm-100-disk-0", TargetKind::Pool, "names an image"),
        ("rbd-quick", "/scratch", TargetKind::Folder, "--target rbd:POOL/"),
        ("storage-quick", "rbd:rbd-vms/", TargetKind::Pool, "works on files and devices"),
        ("storage-quick", "krbd:other/", TargetKind::MappedPool, "scratch_pools"),
        ("rbd-quick", "krbd:rbd-vms/", TargetKind::MappedPool, "--target rbd:POOL/"),
    ] {
        let refused = planned(name, target, kind).expect_err(why);
        assert!(refused.contains(why), "{name} on {target}: {refused}");
    }
}

#[test]
fn a_mapped_image_is_planned_for_as_a_device_in_pools_that_the_site_names() {
    let seen = inventory(Vec::new());
    let permits = Permits { scratch_pools: scratch_pools(), ..Permits::default() };
    let planned = |scenario: &Scenario, place: &Place| {
        plan(scenario, &PlanContext { targets: std::slice::from_ref(place), permits: &permits, ..context(&seen) }).map_err(|error| error.to_string())
    };
    let quick = scenario("storage-quick").expect("known");
    let pool = Place::new(Path::new("krbd:rbd-vms/"), TargetKind::MappedPool);
    let plan = planned(&quick, &pool).expect("plans");
    assert!(matches!(&plan.targets[..], [PlannedTarget::ScratchImage { place, .. }] if place.is_mapped()), "{:?}", plan.targets);
    let mapped = |pool: &str| Place {
        kind: TargetKind::BlockDevice,
        image_pool: Some(pool.to_owned()),
        ..Place::new(Path::new("/dev/rbd0"), TargetKind::Folder)
    };
    let plan = planned(&quick, &mapped("rbd-vms")).expect("plans");
    assert_eq!(plan.targets, [PlannedTarget::MappedImage { path: "/dev/rbd0".into(), pool: "rbd-vms".to_owned(), fsid: None, bytes: 256 << 20 }]);
    for foreign in ["rbd", "rbd-vms/tenant", ""] {
        let refused = planned(&quick, &mapped(foreign)).expect_err("not named");
        assert!(refused.contains("/dev/rbd0") && refused.contains("scratch_pools"), "{refused}");
    }
    // The number of the device may mean another image by the time that they are looked for.
    let logged = Scenario { ack_log: true, ..quick };
    for place in [pool, mapped("rbd-vms")] {
        assert!(planned(&logged, &place).expect_err("no log").contains("acknowledged writes"));
    }
}

#[test]
fn every_scenario_between_nodes_is_planned_for_two_and_for_three_of_them() {
    let nodes: Vec<Node> = ["a", "b", "c"]
        .into_iter()
        .map(|name| Node {
            name: name.into(),
            serial: Some(format!("S-{name}")),
            bmc: None,
            bmc_certificate: None,
            ssh: None,
            ssh_options: Vec::new(),
            assay: None,
            addresses: [("storage".to_owned(), format!("10.0.0.{}", name.as_bytes()[0]).parse().expect("an address"))].into(),
        })
        .collect();
    let (seen, rings) = (inventory(Vec::new()), ["storage".to_owned()]);
    let mut planned = 0;
    for scenario in crate::catalog::catalog() {
        let works = || scenario.steps.iter().flat_map(|step| &step.work);
        if !works().any(|work| matches!(work, Work::Net(_))) {
            continue;
        }
        planned += 1;
        let of = |nodes: &[Node]| plan(&scenario, &PlanContext { nodes, targets: &[], rings: &rings, ..context(&seen) });
        if scenario.name == "net-rdma" && !cfg!(feature = "rdma") {
            assert!(of(&nodes).expect_err("without verbs").to_string().contains("built without RDMA"));
            continue;
        }
        assert!(of(&nodes[..1]).expect_err("alone").to_string().contains("--nodes"), "{}", scenario.name);
        for count in [2, 3] {
            let plan = of(&nodes[..count]).unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
            assert!(plan.targets.is_empty() && plan.bytes_written == 0 && plan.duration_ms > 0, "{}", scenario.name);
            let steps: Vec<Vec<String>> = plan
                .steps
                .iter()
                .map(|step| step.work.iter().map(|work| if let PlannedWork::Net(net) = work { net.label() } else { panic!("{work:?}") }).collect())
                .collect();
            for labels in &steps {
                let distinct: std::collections::BTreeSet<&String> = labels.iter().collect();
                assert!(distinct.len() == labels.len() && !labels.is_empty(), "{}: {labels:?}", scenario.name);
                // Every node takes part in every step, and with it every pair; but whoever pulls a cable does so at the first node.
                let taking_part = if scenario.name == "bond-by-hand" { 2 } else { count };
                for (at, one) in nodes[..taking_part].iter().enumerate() {
                    for other in &nodes[..taking_part][at + 1..] {
                        let between = |label: &&String| {
                            let ends = label.rsplit('@').next().and_then(|ends| ends.split(':').next()).expect("ends");
                            ends.contains(&one.name) && ends.contains(&other.name)
                        };
                        assert!(labels.iter().any(|label| between(&label)), "{}: nothing between {} and {}", scenario.name, one.name, other.name);
                    }
                }
            }
            let together: u64 = plan.steps.iter().flat_map(|step| &step.work).map(|work| duration_of(work, 0)).sum();
            assert!(plan.duration_ms >= together, "{}", scenario.name);
        }
    }
    assert!(planned >= 9, "{planned}");
}
