//! Every scenario of the catalogue with the real engines, on targets of some MiB and for milliseconds: it is not only read, it runs, every read of it is
//! compared, and every figure that it names comes out.

use assay_bench::Rw;
use assay_bench::engine::rbd::{Connect, Pool};
use assay_model::run::Ended;
use assay_model::steady::Steady;

use super::place::Place;
use crate::claim::{self, TargetKind};
use crate::plan::{self, PlanContext};
use crate::runner::engines::Engines;
use crate::scenario::{Extent, IoSpec, Rounds, Scenario, TargetSize, Work};

const BYTES: u64 = 64 << 20;
/// On a busy machine, an operation of 1 MiB takes some of them.
const SHORT_MS: u64 = 120;
/// And one of 4 MiB, three times over a cluster of the same machine, some hundreds.
const SHORT_OF_IMAGES_MS: u64 = 1500;

fn reduced(mut scenario: Scenario, short_ms: u64) -> Scenario {
    scenario.target = scenario.target.map(|_| TargetSize::Bytes(BYTES));
    for step in &mut scenario.steps {
        step.rounds = match &step.rounds {
            Rounds::Fixed(count) => Rounds::Fixed((*count).min(2)),
            Rounds::Sequential { .. } => Rounds::Sequential { from: 2, to: 2 },
            Rounds::Steady { of, written_min, .. } => {
                let steady = Steady { window: 3, excursion_percent: 100, slope_percent: 100 };
                Rounds::Steady { to: 4, steady, of: of.clone(), written_min: *written_min }
            }
        };
        // Of a matrix, some points and the last one, which is looked at.
        let last = step.work.len() - 1;
        if last > 10 {
            step.work = step.work.iter().enumerate().filter(|(at, _)| at % 6 == 0 || *at == last).map(|(_, work)| work.clone()).collect();
        }
        step.work.iter_mut().for_each(|work| reduce(work, short_ms));
    }
    scenario
}

fn reduce(work: &mut Work, short_ms: u64) {
    match work {
        Work::Io(io) => {
            if let Some(knee) = &mut io.knee {
                knee.range.to = knee.range.from * 2;
            }
            if let Extent::Timed { ramp_ms, runtime_ms, .. } = &mut io.extent {
                (*ramp_ms, *runtime_ms) = ((*ramp_ms).min(1), short_ms);
            }
        }
        Work::Kernel(kernel) => (kernel.ramp_ms, kernel.runtime_ms) = (1, short_ms),
        // Between nodes: tests/remote has it; on a cluster and on its nodes: tests/ceph.
        Work::Net(_) | Work::Ceph(_) | Work::Drill(_) => {}
    }
}

/// The families whose figures a run must have.
fn measured(scenario: &Scenario) -> Vec<(String, &IoSpec)> {
    let works = scenario.steps.iter().flat_map(|step| &step.work);
    let io = works.filter_map(|work| match work {
        Work::Io(io) if io.extent.is_measured() => Some((io.family(), io)),
        Work::Io(_) | Work::Kernel(_) | Work::Net(_) | Work::Ceph(_) | Work::Drill(_) => None,
    });
    io.collect()
}

#[test]
fn every_scenario_of_the_catalogue_runs_and_gives_every_figure_that_it_names() {
    for scenario in crate::catalog::catalog().into_iter().filter(|scenario| !is_on_images(scenario)) {
        let place = Place::new();
        let folders = ["one", "two", "three"].map(|name| place.scratch().join(name));
        folders.iter().for_each(|folder| std::fs::create_dir_all(folder).expect("a folder"));
        let targets = folders.each_ref().map(|folder| plan::Place { node: Some(0), ..plan::Place::new(folder, TargetKind::Folder) });
        // One is enough for what is not about several.
        let targets = if scenario.name.starts_with("nvme-") { &targets[..] } else { &targets[..1] };
        // A machine that is busy with something else gives the shortest of them no time: then a longer one.
        let run = |short_ms: u64| runs(reduced(scenario.clone(), short_ms), &place, targets, &plan::Permits::default());
        assert!(run(SHORT_MS) || run(20 * SHORT_MS), "{}: no operation succeeded", scenario.name);
        assert!(folders.iter().all(|folder| std::fs::read_dir(folder).expect("a folder").next().is_none()));
    }
}

#[test]
#[ignore = "needs the lab's Ceph cluster"]
fn every_scenario_of_images_runs_on_the_labs_cluster() {
    // A drill needs nodes: tests/ceph has them.
    let scenarios: Vec<Scenario> = crate::catalog::catalog().into_iter().filter(|scenario| is_on_images(scenario) && !scenario.breaks()).collect();
    assert!(!scenarios.is_empty());
    let permits = plan::Permits { scratch_pools: claim::ScratchPools { names: vec!["rbd-vms".to_owned()], fsid: None }, ..plan::Permits::default() };
    for scenario in scenarios {
        // What a cache that writes back owes at the end of a job is written before the next, which may take longer than tests wait for what hangs.
        for target in ["rbd:rbd-vms/", "rbd:rbd-vms/:cache=writethrough:object_size=1MiB"] {
            let places = [plan::Place::new(target.as_ref(), TargetKind::Pool)];
            assert!(
                runs(reduced(scenario.clone(), SHORT_OF_IMAGES_MS), &Place::new(), &places, &permits),
                "{}: no operation succeeded",
                scenario.name
            );
        }
    }
    let pool = Pool::connect("rbd-vms", None, &Connect::default()).expect("the lab's cluster");
    let left: Vec<String> = pool.images().expect("lists").into_iter().filter(|image| image.contains("rbd-quick")).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn is_on_images(scenario: &Scenario) -> bool {
    scenario.steps.iter().flat_map(|step| &step.work).any(|work| matches!(work, Work::Io(io) if io.is_on_an_image()))
}

/// False when there was no time for a single operation.
#[must_use]
fn runs(scenario: Scenario, place: &Place, targets: &[plan::Place], permits: &plan::Permits) -> bool {
    let context = PlanContext { targets, inventory: None, cpus: &[0], memory_available: 8 << 30, edges: &[], permits, nodes: &[], rings: &[] };
    let plan = match plan::plan(&scenario, &context) {
        Ok(plan) => plan,
        // Kernels need an inventory and networks nodes, and both have tests of their own.
        Err(_) if scenario.target.is_none() => return true,
        Err(error) => panic!("{}: {error}", scenario.name),
    };
    let run = place.run(Box::new(Engines::default()), &plan, &mut |_| {}).unwrap_or_else(|error| panic!("{}: {error}", scenario.name));
    if matches!(&run.ended, Ended::Failed(why) if why.contains("no operation succeeded")) {
        return false;
    }
    assert_eq!(run.ended, Ended::Completed, "{}", scenario.name);
    for step in run.steps.iter().filter(|step| step.name != "harness_floor") {
        let verification = &step.verification.as_ref().expect("verified").fact;
        assert!(verification.failed.is_empty() && verification.corrupt.is_empty(), "{} {}: {verification:?}", scenario.name, step.name);
    }
    let names: Vec<&str> = run.steps.iter().flat_map(|step| &step.metrics).map(|metric| metric.fact.name.0.as_str()).collect();
    for (family, io) in measured(&scenario) {
        let figure = if io.knee.is_some() { "rate" } else { "iops" };
        assert!(names.contains(&format!("{family}.{figure}").as_str()), "{}: no figure of {family}", scenario.name);
    }
    // Whoever reads after a purge reads what was written after it.
    let purges = |work: &Work| matches!(work, Work::Io(io) if io.rw == Rw::Trim);
    assert_eq!(scenario.name.starts_with("pts-"), scenario.steps.iter().flat_map(|step| &step.work).any(purges), "{}", scenario.name);
    true
}
