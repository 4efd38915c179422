//! `assay plan`: what a run would touch, how long it takes and how many bytes it writes. Touches nothing.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use assay_model::unit::Unit;
use assay_reports::scale;
use assay_scenarios::claim::{ObjectPlace, examine_scratch_objects};
use assay_scenarios::plan::{Plan, PlannedCeph, PlannedTarget, PlannedWork};
use assay_scenarios::scenario::{CephSpec, Measure};

use super::DONE;
use crate::cli::{Format, Load};
use crate::context::{Context, Usage};
use crate::present;
use crate::workload;

/// Plans and prints.
pub(crate) fn plan(context: &Context, load: &Load) -> Result<u8> {
    context.require_this_machine("assay plan")?;
    let (scenario, named) = workload::scenario(&load.scenario)?;
    let inventory = context.inventory(&context.host()?);
    let scenario = workload::within(scenario, &load.between)?;
    let scenario = workload::in_pool(scenario, &load.target)?;
    let site = context.site()?;
    let nodes = workload::nodes(&scenario, &load.between, &site)?;
    let targets = targets(&load.target, named, &context.runs);
    let plan = workload::plan_for(&scenario, &targets, &workload::permits(&load.writes), &nodes, &site, &inventory)?;
    for target in &plan.targets {
        target.examine().map_err(|refused| Usage(format!("{:#}", anyhow::Error::new(refused))))?;
    }
    for (place, bytes) in plan.steps.iter().flat_map(|step| &step.work).filter_map(objects_from_here) {
        examine_scratch_objects(place, bytes).map_err(|refused| Usage(format!("{:#}", anyhow::Error::new(refused))))?;
    }
    match context.format {
        Format::Json => present::print_json(&plan)?,
        Format::Text => present::print(&present::tame(&text(&plan)?))?,
    }
    Ok(DONE)
}

/// What the user asked for, what a job file of fio names, or the folder for scratch files.
pub(crate) fn targets(asked: &[PathBuf], named: Option<PathBuf>, runs: &Path) -> Vec<PathBuf> {
    if asked.is_empty() { vec![named.unwrap_or_else(|| default_target(runs))] } else { asked.to_vec() }
}

/// Where scratch files lie without another wish: beside the runs, or where they will be.
pub(crate) fn default_target(runs: &Path) -> PathBuf {
    if runs.is_dir() {
        runs.to_owned()
    } else {
        runs.parent().filter(|parent| !parent.as_os_str().is_empty()).map_or_else(|| ".".into(), Path::to_owned)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share for people")]
fn text(plan: &Plan) -> Result<String> {
    let bytes = |count: u64| scale::reading(&count.into(), Unit::Bytes, scale::Bytes::Binary).to_string();
    let mut out = String::new();
    writeln!(out, "{}: {}", plan.scenario, plan.describe)?;
    let in_cluster: BTreeSet<String> = plan.steps.iter().flat_map(|step| &step.work).filter_map(|work| touched_of_ceph(work, &bytes)).collect();
    if plan.targets.is_empty() && in_cluster.is_empty() {
        writeln!(out, "touches:  no storage")?;
    }
    for touched in in_cluster {
        writeln!(out, "touches:  {touched}")?;
    }
    for (number, target) in plan.targets.iter().enumerate() {
        match target {
            PlannedTarget::ScratchFile { folder, bytes: size } => {
                writeln!(out, "touches:  a scratch file of {} that is made in {} and removed at the end", bytes(*size), folder.display())?;
            }
            PlannedTarget::ScratchImage { path, place, bytes: size } => {
                writeln!(out, "touches:  a scratch image of {} that is made in {} and removed at the end", bytes(*size), path.display())?;
                writeln!(out, "          {}", place.describe())?;
            }
            PlannedTarget::MappedImage { path, pool, bytes: size, .. } => {
                writeln!(out, "touches:  {} of {}, an image of assay's own in the pool {pool}", bytes(*size), path.display())?;
            }
            PlannedTarget::LoopDevice { path, bytes: size } => writeln!(out, "touches:  {} of {}", bytes(*size), path.display())?,
            PlannedTarget::Drive { path, serial, bytes: size, rated_bytes } => {
                writeln!(out, "touches:  {} of {}, the drive with the serial number {serial}", bytes(*size), path.display())?;
                if plan.erases_all_of(number) {
                    writeln!(out, "          erases the whole drive by one NVMe command, not only the range")?;
                }
                let share = plan.written_to(number) as f64 / *rated_bytes as f64 * 100.0;
                writeln!(out, "          writes at most {share:.3} % of the {} that it may write in its life", bytes(*rated_bytes))?;
            }
        }
    }
    writeln!(out, "memory:   at most {}", bytes(plan.memory_bytes))?;
    writeln!(out, "written:  at most {} to the target", bytes(plan.bytes_written))?;
    writeln!(out, "takes:    about {} s", plan.duration_ms.div_ceil(1000))?;
    writeln!(out, "steps:")?;
    for step in &plan.steps {
        writeln!(out, "  {} ({}): {}", step.name, step.rounds, step.describe)?;
        for work in &step.work {
            match work {
                PlannedWork::Io(io) => writeln!(out, "    {}", io.label())?,
                PlannedWork::Triad { node, .. } => writeln!(out, "    memory.triad on NUMA node {node}")?,
                PlannedWork::Drill(drill) => {
                    let nodes: Vec<&str> = drill.nodes.iter().map(|victim| victim.node.as_str()).collect();
                    let (what, seconds) = (drill.spec.fault.name(), drill.spec.hold_ms as f64 / 1e3);
                    writeln!(
                        out,
                        "    {}: breaks {what} on {} for {seconds} s, while {} operations per second are made",
                        drill.spec.family(),
                        nodes.join(" and "),
                        drill.spec.rate
                    )?;
                    for ring in &drill.rings {
                        let (family, from, to) = (drill.spec.fault.ring_family(), &ring.from, &ring.to);
                        writeln!(out, "      {family} from {} ({}) to {} ({}) in {}", from.node, from.address, to.node, to.address, ring.network)?;
                    }
                }
                PlannedWork::Ceph(ceph) => writeln!(out, "    {} {}", ceph.label(), clients_of(ceph))?,
                PlannedWork::Net(net) if net.spec.measure == Measure::Clock => {
                    writeln!(out, "    {} of {} and {}, each asked over its session", net.spec.family(), net.from.node, net.to.node)?;
                }
                PlannedWork::Net(net) => {
                    let (from, to) = (&net.from, &net.to);
                    let beside: String = net.beside.iter().map(|end| format!(" and {} ({})", end.node, end.address)).collect();
                    writeln!(
                        out,
                        "    {} from {} ({}) to {} ({}){beside} in {}",
                        net.spec.family(),
                        from.node,
                        from.address,
                        to.node,
                        to.address,
                        net.network
                    )?;
                }
            }
        }
    }
    Ok(out)
}

fn ceph_of(work: &PlannedWork) -> Option<&PlannedCeph> {
    match work {
        PlannedWork::Ceph(ceph) => Some(ceph),
        PlannedWork::Io(_) | PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Drill(_) => None,
    }
}

/// Where objects are made from this node, and their bytes: what other nodes reach is not known here.
fn objects_from_here(work: &PlannedWork) -> Option<(&ObjectPlace, u64)> {
    let ceph = ceph_of(work).filter(|ceph| ceph.nodes.is_empty())?;
    match &ceph.spec {
        CephSpec::Objects(objects) => Some((ceph.place.as_ref()?, objects.size)),
        CephSpec::OsdBench(_) => None,
    }
}

/// What is touched of a Ceph cluster.
fn touched_of_ceph(work: &PlannedWork, bytes: &dyn Fn(u64) -> String) -> Option<String> {
    let ceph = ceph_of(work)?;
    Some(match &ceph.spec {
        CephSpec::Objects(objects) => {
            let pool = ceph.place.as_ref().map(ObjectPlace::name).unwrap_or_default();
            format!("scratch objects of {} that are made in rados:{pool}/ {} and removed at the end", bytes(objects.size), clients_of(ceph))
        }
        CephSpec::OsdBench(bench) => {
            format!("every OSD that is up, at most {}: each writes {} into objects of its own and removes them", bench.osds_max, bytes(bench.bytes))
        }
    })
}

fn clients_of(ceph: &PlannedCeph) -> String {
    match (&ceph.spec, ceph.nodes.as_slice()) {
        (_, []) => "from this node".to_owned(),
        (CephSpec::OsdBench(_), [first, ..]) => format!("asked for by {first}"),
        (CephSpec::Objects(_), nodes) => format!("by each of {} at the same time", nodes.join(", ")),
    }
}
