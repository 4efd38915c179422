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

fn context(inventory: &Inventory) -> PlanContext<'_> {
    PlanContext { targets: scratch(), inventory: Some(inventory), cpus: &[0, 1, 2, 3], memory_available: 64 * GIB }
}

#[test]
fn storage_quick_is_bounded_in_time_and_bytes_and_begins_with_the_harness_floor() {
    let seen = inventory(Vec::new());
    let plan = plan(&scenario("storage-quick").expect("known"), &context(&seen)).expect("plans");
    assert_eq!(plan.step_names(), ["harness_floor", "layout", "random", "sequential", "verify"]);
    assert_eq!(plan.targets, [PlannedTarget::ScratchFile { folder: "/scratch".into(), bytes: 256 << 20 }]);
    assert_eq!(plan.bytes_written, (256 << 20) + 5 * 2 * GIB + 5 * 4 * GIB);
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
fn a_plan_survives_being_stored_and_its_digest_follows_every_change() {
    let seen = inventory(Vec::new());
    let plan = plan(&scenario("storage-quick").expect("known"), &context(&seen)).expect("plans");
    assert_eq!(serde_json::from_slice::<Plan>(&plan.to_json()).expect("reads back"), plan);
    let mut other = plan.clone();
    other.steps[2].repeats += 1;
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
