//! `assay plan`: what a run would touch, how long it takes and how many bytes it writes. Touches nothing.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::Result;
use assay_model::unit::Unit;
use assay_reports::scale;
use assay_scenarios::plan::{Plan, PlannedTarget, PlannedWork};

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
    let plan =
        workload::plan_for(&scenario, &targets(&load.target, named, &context.runs), &workload::permits(&load.writes), &context.site()?, &inventory)?;
    for target in &plan.targets {
        target.examine().map_err(|refused| Usage(format!("{:#}", anyhow::Error::new(refused))))?;
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
    let bytes = |count: u64| scale::reading(&count.into(), Unit::Bytes, scale::Bytes::Binary);
    let mut out = String::new();
    writeln!(out, "{}: {}", plan.scenario, plan.describe)?;
    if plan.targets.is_empty() {
        writeln!(out, "touches:  no storage")?;
    }
    for (number, target) in plan.targets.iter().enumerate() {
        match target {
            PlannedTarget::ScratchFile { folder, bytes: size } => {
                writeln!(out, "touches:  a scratch file of {} that is made in {} and removed at the end", bytes(*size), folder.display())?;
            }
            PlannedTarget::LoopDevice { path, bytes: size } => writeln!(out, "touches:  {} of {}", bytes(*size), path.display())?,
            PlannedTarget::Drive { path, serial, bytes: size, rated_bytes } => {
                writeln!(out, "touches:  {} of {}, the drive with the serial number {serial}", bytes(*size), path.display())?;
                if plan.formats(number) {
                    writeln!(out, "          erases the whole drive (Format NVM, user data erase)")?;
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
            }
        }
    }
    Ok(out)
}
