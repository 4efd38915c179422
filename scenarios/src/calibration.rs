//! What every calibration shares, whatever assay is compared with: figures of both sides by pair, the run that they are stored in, and what stops it.
//! What is compared, and how, stands with the other tool (`fio/calibrate.rs`, `iperf/calibrate.rs`).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use assay_model::journal::Event;
use assay_model::metric::{Direction, Metric, Samples};
use assay_model::outcome::PairRow;
use assay_model::run::{Ended, Run};
use assay_model::unit::Unit;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::directory::RunDirectory;
use crate::error::ScenarioError;
use crate::journal::Writer;
use crate::runner::{Observer, Progress, Signals, Surroundings};

/// Name of the scenario under which calibrations are stored.
pub const SCENARIO: &str = "calibrate";
/// The note that says why a comparison could not be made here.
pub const NOT_COMPARED: &str = "not compared";
/// Confidence of the printed interval, when there are pairs enough for it.
const CONFIDENCE: f64 = 0.95;

/// What came of it.
#[derive(Debug)]
pub struct Calibrated {
    /// The stored run.
    pub run: Run,
    /// The pairs of every comparison that was finished.
    pub pairs: Vec<PairRow>,
}

/// One figure of both sides, by pair.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) ours: Vec<f64>,
    pub(crate) theirs: Vec<f64>,
}

impl Figures {
    pub(crate) fn ratios(&self) -> Samples {
        Samples::new(self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs).collect())
    }

    pub(crate) fn row(&self, name: &str, unit: Unit) -> PairRow {
        let (ratios, median) = (self.ratios(), |values: &[f64]| Samples::new(values.to_vec()).median());
        let interval = ratios.interval(CONFIDENCE);
        PairRow {
            name: name.to_owned(),
            ours: median(&self.ours),
            theirs: median(&self.theirs),
            unit,
            ratio: ratios.median(),
            pairs: self.ours.len(),
            low: interval.low,
            high: interval.high,
            confidence: interval.confidence,
        }
    }
}

/// Why a comparison came to nothing.
pub(crate) enum Stop {
    Cancelled,
    Failed(String),
    Harness(ScenarioError),
}

impl From<String> for Stop {
    fn from(why: String) -> Self {
        Stop::Failed(why)
    }
}

impl From<ScenarioError> for Stop {
    fn from(error: ScenarioError) -> Self {
        Stop::Harness(error)
    }
}

/// One comparison as it is announced.
pub(crate) struct Step<'a> {
    pub(crate) name: &'a str,
    pub(crate) describe: &'a str,
    pub(crate) duration_ms: u64,
}

/// The other tool, in names and dimensions of metrics.
pub(crate) struct Rival<'a> {
    /// `fio`, `iperf3`.
    pub(crate) name: &'static str,
    pub(crate) version: &'a str,
}

/// What is compared, and with what.
pub(crate) struct Agenda<'a> {
    pub(crate) steps: Vec<Step<'a>>,
    pub(crate) rival: Rival<'a>,
}

/// What stands beside our figures.
#[derive(Clone, Copy)]
pub(crate) struct Beside<'a> {
    /// What both worked on, in one word.
    pub(crate) target: &'a str,
    /// What gave the other figures, unless it is the rival.
    pub(crate) theirs: Option<&'a str>,
}

/// Compares step after step.
pub(crate) trait Comparing {
    /// Makes one comparison; `tick` is told the milliseconds of it that are done.
    fn compare(&mut self, ledger: &mut Ledger<'_, '_>, step: usize, tick: &mut dyn FnMut(u64)) -> Result<(), Stop>;

    /// Takes away what was made.
    fn leave(&mut self) -> Result<(), String>;
}

/// The run in which it is all written down.
pub(crate) struct Ledger<'a, 's> {
    surroundings: &'a Surroundings<'s>,
    rival: &'a Rival<'a>,
    writer: Writer,
    rows: Vec<PairRow>,
    /// Set at SIGINT and SIGTERM.
    pub(crate) stop: Arc<AtomicBool>,
    /// The id of the run.
    pub(crate) id: &'a str,
}

/// Makes the comparisons of the agenda as run `id` below `runs`. Signals end it as Cancelled, a comparison that fails as Failed; what was made is taken away in
/// every case. Must not be called from inside an async runtime.
pub(crate) fn calibrate(
    runs: &Path,
    id: &str,
    plan: &impl Serialize,
    agenda: &Agenda<'_>,
    surroundings: &Surroundings<'_>,
    observer: &mut Observer<'_>,
    comparing: &mut dyn Comparing,
) -> Result<Calibrated, ScenarioError> {
    let Agenda { steps, rival } = agenda;
    let plan = serde_json::to_vec_pretty(plan).map_err(|error| ScenarioError::io("plan a calibration in", runs)(error.into()))?;
    let names = steps.iter().map(|step| step.name.to_owned()).collect();
    let (directory, writer) = RunDirectory::begin(runs, id, SCENARIO, &plan, names, &[], surroundings)?;
    let stopper = Stopper::listen().map_err(ScenarioError::io("listen for signals during", directory.path()))?;
    let mut ledger = Ledger { surroundings, rival, writer, rows: Vec::new(), stop: Arc::clone(&stopper.stop), id };
    let total_ms = steps.iter().map(|step| step.duration_ms).sum();
    observer(&Progress::RunStarted { run: id, total_ms });
    let (mut ended, mut done_ms) = (Ended::Completed, 0);
    for (number, step) in steps.iter().enumerate() {
        observer(&Progress::StepStarted { step: step.name, describe: step.describe });
        let mut tick = |part| observer(&Progress::Tick { done_ms: done_ms + part, total_ms });
        ended = ledger.step(step.name, &mut |ledger| comparing.compare(ledger, number, &mut tick))?;
        done_ms += step.duration_ms;
        observer(&Progress::StepEnded { step: step.name, ended: &ended });
        match &ended {
            Ended::Completed => {}
            Ended::Failed(why) => {
                ended = Ended::Failed(format!("step {}: {why}", step.name));
                break;
            }
            Ended::Cancelled | Ended::Interrupted => break,
        }
    }
    if let Err(why) = comparing.leave() {
        ended = with_left(ended, &why);
    }
    let Ledger { writer, rows, .. } = ledger;
    let run = directory.finish(writer, ended)?;
    Ok(Calibrated { run, pairs: rows })
}

/// How a calibration ended that has left something behind: whoever finds it hears of it, also after the end was told.
fn with_left(ended: Ended, why: &str) -> Ended {
    Ended::Failed(match ended {
        Ended::Completed => why.to_owned(),
        Ended::Cancelled | Ended::Interrupted => format!("it was cancelled, and {why}"),
        Ended::Failed(first) => format!("{first}; and {why}"),
    })
}

impl Ledger<'_, '_> {
    fn step(&mut self, name: &str, compare: &mut dyn FnMut(&mut Self) -> Result<(), Stop>) -> Result<Ended, ScenarioError> {
        let step = name.to_owned();
        self.writer.append(Event::StepStarted { step: step.clone(), hosts: vec![self.surroundings.host.clone()] })?;
        self.writer.append(Event::CountersBefore { step: step.clone(), counters: (self.surroundings.counters)() })?;
        let ended = match compare(self) {
            Ok(()) => Ended::Completed,
            Err(_) if self.stop.load(Ordering::Relaxed) => Ended::Cancelled,
            Err(Stop::Cancelled) => Ended::Cancelled,
            Err(Stop::Failed(why)) => Ended::Failed(why),
            Err(Stop::Harness(error)) => return Err(error),
        };
        self.writer.append(Event::CountersAfter { step: step.clone(), counters: (self.surroundings.counters)() })?;
        self.writer.append(Event::StepEnded { step, ended: ended.clone() })?;
        Ok(ended)
    }

    /// Writes an event of a comparison.
    pub(crate) fn append(&mut self, event: Event) -> Result<(), ScenarioError> {
        self.writer.append(event).map(drop)
    }

    /// Says something about a comparison.
    pub(crate) fn note(&mut self, step: &str, name: &str, text: String) -> Result<(), ScenarioError> {
        self.append(Event::Note { step: step.to_owned(), name: name.to_owned(), text })
    }

    /// Stores the figures of both sides of a comparison, and keeps their ratio.
    pub(crate) fn record(
        &mut self,
        step: &str,
        name: &str,
        beside: Beside<'_>,
        figures: &Figures,
        unit: Unit,
        direction: Direction,
    ) -> Result<(), Stop> {
        let Beside { target, theirs } = beside;
        let row = figures.row(name, unit);
        if !(row.low.is_finite() && row.high.is_finite() && row.ratio > 0.0) {
            return Err(Stop::Failed(format!("{name}: {} and {} make no ratio", row.ours, row.theirs)));
        }
        self.rows.push(row);
        let against = theirs.unwrap_or(self.rival.version).to_owned();
        let dimensions = [("against", against), ("target", target.to_owned())];
        for (side, unit, samples) in [
            ("ours", unit, Samples::new(figures.ours.clone())),
            (theirs.unwrap_or(self.rival.name), unit, Samples::new(figures.theirs.clone())),
            ("ratio", Unit::Ratio, figures.ratios()),
        ] {
            let metric = Metric {
                name: format!("calibrate.{}.{side}", name.replace('-', "_")).as_str().into(),
                unit,
                direction,
                dimensions: dimensions.clone().map(|(name, value)| (name.to_owned(), value)).into(),
                samples,
            };
            self.append(Event::Metric { step: step.to_owned(), metric })?;
        }
        Ok(())
    }
}

/// As a note beside figures.
pub(crate) fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").map_or_else(|error| format!("cannot be read: {error}"), |text| text.trim().to_owned())
}

/// Sets `stop` at SIGINT and SIGTERM, for as long as it lives.
pub(crate) struct Stopper {
    pub(crate) stop: Arc<AtomicBool>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Stopper {
    pub(crate) fn listen() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut signals = {
            let _entered = runtime.enter();
            Signals::listen()?
        };
        let (stop, (end, ended)) = (Arc::new(AtomicBool::new(false)), oneshot::channel());
        let set = Arc::clone(&stop);
        let listen = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = signals.next() => set.store(true, Ordering::Relaxed),
                    _ = ended => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("signals".to_owned()).spawn(listen)?;
        Ok(Self { stop, end: Some(end), thread: Some(thread) })
    }
}

impl Drop for Stopper {
    fn drop(&mut self) {
        drop(self.end.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests;
