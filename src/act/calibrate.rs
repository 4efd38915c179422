//! `assay calibrate`: how fast assay is beside fio on this machine, as ratios of interleaved pairs. Judges nothing: the ratios are stored as a run and shown.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use assay_model::outcome::{CalibrationOutcome, PairRow};
use assay_model::run::{Ended, Run};
use assay_reports::printable::Shown;
use assay_reports::scale;
use assay_reports::store::Content;
use assay_scenarios::directory::run_id;
use assay_scenarios::fio::Peer;
use assay_scenarios::fio::calibrate::{self, Calibrated, Calibration};
use assay_scenarios::plan::this_host;

use super::DONE;
use crate::cli::{self, Against, Format};
use crate::context::{Context, Usage};
use crate::present;
use crate::workload::Machine;

/// Measures, and prints the ratios.
pub(crate) fn calibrate(context: &Context, options: &cli::Calibrate) -> Result<u8> {
    context.require_this_machine("assay calibrate")?;
    let peer = match options.against {
        Against::Fio => Peer::find(&options.fio).map_err(|error| Usage(format!("{:#}", anyhow::Error::new(error))))?,
    };
    for left in calibrate::leftovers(&stored_runs(context)?) {
        present::say(&format!("an interrupted calibration, or one that runs now, has made {left}"));
    }
    let host = context.host()?;
    let inventory = context.inventory(&host);
    let (cpus, _) = this_host();
    let calibration = Calibration {
        pairs: options.pairs,
        runtime: Duration::from_secs(options.seconds),
        folder: std::path::absolute(&options.scratch)?,
        target: options.target.as_ref().map(std::path::absolute).transpose()?,
        serial: options.i_own_serial.clone(),
        only: options.only.clone(),
        cpu: *cpus.last().ok_or_else(|| Usage("this process may use no CPU at all".into()))?,
    };
    if let Some(unknown) = calibration.unknown() {
        let names = calibration.names().join(", ");
        return Err(Usage(format!("no comparison here is called `{}`; there are {names}", Shown::from(unknown.to_owned()))).into());
    }
    calibration.examine().map_err(|refusal| Usage(refusal.to_string()))?;
    let id = run_id(calibrate::SCENARIO, jiff::Timestamp::now());
    let calibrated = Machine::new(&host, &inventory, &context.runs).calibrate(&id, &calibration, &peer)?;
    answer(context, &peer, &calibrated)
}

fn stored_runs(context: &Context) -> Result<Vec<Run>> {
    let of = |content| if let Ok(Content::Run(run)) = content { Some(*run) } else { None };
    Ok(context.store()?.entries()?.into_iter().filter_map(|entry| of(entry.content)).collect())
}

fn answer(context: &Context, peer: &Peer, calibrated: &Calibrated) -> Result<u8> {
    let (run, pairs) = (&calibrated.run, &calibrated.pairs);
    let exit_code = match &run.ended {
        Ended::Completed => DONE,
        Ended::Interrupted | Ended::Cancelled => 3,
        Ended::Failed(_) => 4,
    };
    match context.format {
        Format::Json => {
            let outcome = CalibrationOutcome { run_id: run.id.clone(), against: peer.version().to_owned(), exit_code, pairs: pairs.clone() };
            present::print_json(&outcome)?;
        }
        Format::Text => present::print(&text(context, peer, run, pairs)?)?,
    }
    match &run.ended {
        Ended::Completed => {}
        Ended::Interrupted | Ended::Cancelled => present::say("the calibration was cancelled; the comparisons that were finished are stored"),
        Ended::Failed(why) => present::say(&format!("the calibration failed: {why}")),
    }
    Ok(exit_code)
}

fn text(context: &Context, peer: &Peer, run: &Run, pairs: &[PairRow]) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "{:<26} {:>14} {:>14}  ratio [interval]", "", "assay", peer.version())?;
    for row in pairs {
        let figure = |value| scale::scaled(value, row.unit);
        let (ours, theirs) = (figure(row.ours), figure(row.theirs));
        let PairRow { name, ratio, low, high, pairs, confidence, .. } = row;
        writeln!(out, "{name:<26} {ours:>14} {theirs:>14}  {ratio:.3} [{low:.3} .. {high:.3}], {pairs} pairs, {:.1} %", confidence * 100.0)?;
    }
    for step in &run.steps {
        if let Some(why) = step.notes.get(calibrate::NOT_COMPARED) {
            writeln!(out, "{:<26} not compared: {}", step.name, Shown::from(why.clone()))?;
        }
    }
    writeln!(out, "run: {}", Shown::from(context.runs.join(&run.id).display().to_string()))?;
    Ok(out)
}
