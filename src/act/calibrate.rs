//! `assay calibrate`: how fast assay is beside fio, iperf3 or other tools on this machine, as ratios of interleaved pairs. Judges nothing: the ratios are stored as a run and shown.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::Result;
use assay_model::outcome::{CalibrationOutcome, PairRow};
use assay_model::run::{Ended, Run};
use assay_reports::printable::Shown;
use assay_reports::scale;
use assay_reports::store::Content;
use assay_scenarios::calibration::{self, Calibrated};
use assay_scenarios::claim::{ImagePlace, ScratchPools};
use assay_scenarios::directory::run_id;
use assay_scenarios::plan::this_host;
use assay_scenarios::{fio, iperf, perftest, rbd};

use super::DONE;
use crate::cli::{self, Against, Format};
use crate::context::{Context, Usage};
use crate::present;
use crate::workload::{self, Calibrate, Machine};

/// Measures, and prints the ratios.
pub(crate) fn calibrate(context: &Context, options: &cli::Calibrate) -> Result<u8> {
    context.require_this_machine("assay calibrate")?;
    match options.against {
        Against::Fio => against_fio(context, options),
        Against::Iperf3 => against_iperf3(context, options),
        Against::Rbd => against_rbd(context, options),
        Against::Perftest => against_perftest(context, options),
    }
}

fn against_fio(context: &Context, options: &cli::Calibrate) -> Result<u8> {
    let peer = fio::Peer::find(&options.fio).map_err(|error| Usage(format!("{:#}", anyhow::Error::new(error))))?;
    for left in fio::calibrate::leftovers(&stored_runs(context)?) {
        present::say(&format!("an interrupted calibration, or one that runs now, has made {left}"));
    }
    let calibration = fio::calibrate::Calibration {
        pairs: options.pairs,
        runtime: Duration::from_secs(options.seconds),
        folder: std::path::absolute(&options.scratch)?,
        target: options.target.as_ref().map(std::path::absolute).transpose()?,
        serial: options.i_own_serial.clone(),
        rated_bytes: workload::rated(&context.site()?, &context.inventory(&context.host()?), options.i_own_serial.as_deref()),
        endurance_percent: options.endurance_percent,
        only: options.only.clone(),
        cpu: *cpus()?.last().ok_or_else(no_cpu)?,
    };
    known(calibration.unknown(), &calibration.names())?;
    calibration.is_affordable().map_err(Usage)?;
    calibration.examine().map_err(|refusal| Usage(refusal.to_string()))?;
    measure(context, peer.version(), &mut |runs, surroundings, observer| {
        fio::calibrate::calibrate(runs, &new_id(), &calibration, &peer, surroundings, observer)
    })
}

fn against_rbd(context: &Context, options: &cli::Calibrate) -> Result<u8> {
    let told = |error: anyhow::Error| Usage(format!("{error:#}"));
    let Some(target) = &options.target else {
        return Err(Usage("against rbd it must be said in which pool scratch images may be made: --target rbd:POOL/".into()).into());
    };
    let peers = rbd::calibrate::Peers {
        fio: fio::Peer::find(&options.fio).map_err(|error| told(error.into()))?,
        rbd: rbd::Peer::find(&options.rbd).map_err(|error| told(error.into()))?,
    };
    let calibration = rbd::calibrate::Calibration {
        pairs: options.pairs,
        runtime: Duration::from_secs(options.seconds),
        place: ImagePlace::named(target, &ScratchPools::of(&context.site()?.declared.ceph)).map_err(|refusal| Usage(refusal.to_string()))?,
        only: options.only.clone(),
    };
    if !calibration.place.is_without_cache() {
        let why = "what a cache has not written back yet is owed at another time by each of the three; they are compared without one";
        return Err(Usage(why.to_owned()).into());
    }
    known(calibration.unknown(), &rbd::calibrate::Calibration::names())?;
    calibration.is_possible().map_err(Usage)?;
    calibration.examine().map_err(|refusal| Usage(refusal.to_string()))?;
    measure(context, peers.fio.version(), &mut |runs, surroundings, observer| {
        rbd::calibrate::calibrate(runs, &new_id(), &calibration, &peers, surroundings, observer)
    })
}

fn against_iperf3(context: &Context, options: &cli::Calibrate) -> Result<u8> {
    if options.target.is_some() {
        return Err(Usage("against iperf3 nothing is written: there is no --target".into()).into());
    }
    let peer = iperf::Peer::find(&options.iperf3).map_err(|error| Usage(format!("{:#}", anyhow::Error::new(error))))?;
    let calibration =
        iperf::calibrate::Calibration { pairs: options.pairs, seconds: u32::try_from(options.seconds)?, only: options.only.clone(), cpus: cpus()? };
    known(calibration.unknown(), &iperf::calibrate::Calibration::names())?;
    for left in iperf::calibrate::leftovers() {
        present::say(&format!("the network namespace {left} of a calibration that was killed is removed"));
    }
    measure(context, peer.version(), &mut |runs, surroundings, observer| {
        iperf::calibrate::calibrate(runs, &new_id(), &calibration, &peer, surroundings, observer)
    })
}

#[cfg(feature = "rdma")]
fn against_perftest(context: &Context, options: &cli::Calibrate) -> Result<u8> {
    if options.target.is_some() {
        return Err(Usage("against perftest nothing is written: there is no --target".into()).into());
    }
    let told = |error: anyhow::Error| Usage(format!("{error:#}"));
    let Some(address) = options.address else {
        return Err(Usage("against perftest it must be said at which --address of this machine".into()).into());
    };
    let peer = perftest::Peer::find().map_err(|error| told(error.into()))?;
    let calibration = perftest::calibrate::Calibration {
        pairs: options.pairs,
        seconds: u32::try_from(options.seconds)?,
        only: options.only.clone(),
        device: options.device.clone(),
        address,
    };
    known(calibration.unknown(), &perftest::calibrate::Calibration::names())?;
    let port = calibration.port().map_err(|error| told(error.into()))?;
    measure(context, peer.version(), &mut |runs, surroundings, observer| {
        perftest::calibrate::calibrate(runs, &new_id(), &calibration, &port, &peer, surroundings, observer)
    })
}

#[cfg(not(feature = "rdma"))]
fn against_perftest(_context: &Context, _options: &cli::Calibrate) -> Result<u8> {
    Err(Usage(perftest::WITHOUT_VERBS.into()).into())
}

fn cpus() -> Result<Vec<u32>> {
    let (cpus, _) = this_host();
    if cpus.is_empty() { Err(no_cpu().into()) } else { Ok(cpus) }
}

fn no_cpu() -> Usage {
    Usage("this process may use no CPU at all".into())
}

fn known(unknown: Option<&str>, names: &[&str]) -> Result<()> {
    let Some(unknown) = unknown else { return Ok(()) };
    let names = names.join(", ");
    Err(Usage(format!("no comparison here is called `{}`; there are {names}", Shown::from(unknown.to_owned()))).into())
}

fn new_id() -> String {
    run_id(calibration::SCENARIO, jiff::Timestamp::now())
}

fn measure(context: &Context, against: &str, calibrate: &mut Calibrate<'_>) -> Result<u8> {
    let host = context.host()?;
    let inventory = context.inventory(&host);
    let calibrated = Machine::new(&host, &inventory, context).calibrate(calibrate)?;
    answer(context, against, &calibrated)
}

fn stored_runs(context: &Context) -> Result<Vec<Run>> {
    let of = |content| if let Ok(Content::Run(run)) = content { Some(*run) } else { None };
    Ok(context.store()?.entries()?.into_iter().filter_map(|entry| of(entry.content)).collect())
}

fn answer(context: &Context, against: &str, calibrated: &Calibrated) -> Result<u8> {
    let (run, pairs) = (&calibrated.run, &calibrated.pairs);
    let exit_code = match &run.ended {
        Ended::Completed => DONE,
        Ended::Interrupted | Ended::Cancelled => 3,
        Ended::Failed(_) => 4,
    };
    match context.format {
        Format::Json => {
            let outcome = CalibrationOutcome { run_id: run.id.clone(), against: against.to_owned(), exit_code, pairs: pairs.clone() };
            present::print_json(&outcome)?;
        }
        Format::Text => present::print(&text(context, against, run, pairs)?)?,
    }
    match &run.ended {
        Ended::Completed => {}
        Ended::Interrupted | Ended::Cancelled => present::say("the calibration was cancelled; the comparisons that were finished are stored"),
        Ended::Failed(why) => present::say(&format!("the calibration failed: {why}")),
    }
    Ok(exit_code)
}

fn text(context: &Context, against: &str, run: &Run, pairs: &[PairRow]) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "{:<36} {:>14} {:>14}  ratio [interval]", "", "assay", against)?;
    for row in pairs {
        let figure = |value| scale::scaled(value, row.unit);
        let (ours, theirs) = (figure(row.ours), figure(row.theirs));
        let PairRow { name, ratio, low, high, pairs, confidence, .. } = row;
        writeln!(out, "{name:<36} {ours:>14} {theirs:>14}  {ratio:.3} [{low:.3} .. {high:.3}], {pairs} pairs, {:.1} %", confidence * 100.0)?;
    }
    for step in &run.steps {
        if let Some(why) = step.notes.get(calibration::NOT_COMPARED) {
            writeln!(out, "{:<36} not compared: {}", step.name, Shown::from(why.clone()))?;
        }
    }
    writeln!(out, "run: {}", Shown::from(context.runs.join(&run.id).display().to_string()))?;
    Ok(out)
}
