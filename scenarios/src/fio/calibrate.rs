//! `assay calibrate --against fio`: interleaved pairs of both on the same target with the same parameters, who goes first alternating, so that drift of the
//! machine favours nobody. fio runs with the best of its flags, found out by trials before. Everything goes into the journal of a run of scenario `calibrate`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assay_bench::{History, Verify};
use assay_model::journal::Event;
use assay_model::metric::{Direction, Metric, Samples};
use assay_model::outcome::PairRow;
use assay_model::run::{Ended, RUN_SCHEMA, Run, Verification};
use assay_model::unit::Unit;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::claim::{self, Refusal};
use crate::directory::RunDirectory;
use crate::error::ScenarioError;
use crate::journal::Writer;
use crate::plan::digest;
use crate::runner::{Observer, Progress, Signals, Surroundings};

use super::peer::{FioError, Measured, Peer};
use super::place::{self, Place};
use sides::{COMPARISONS, Comparison, Ours, RAMP, Subject};

mod sides;

/// Name of the scenario under which calibrations are stored.
pub const SCENARIO: &str = "calibrate";
/// Bytes of each file and device.
const BYTES: u64 = 256 << 20;
/// Trials of each variant of fio's flags, at most.
const TRIALS: u32 = 3;
/// How long one of them measures.
const TRIAL: Duration = Duration::from_millis(500);
/// Confidence of the printed interval, when there are pairs enough for it.
const CONFIDENCE: f64 = 0.95;
/// The comparison whose runs also give user time per operation.
const CPU_FROM: &str = "randread-4k-qd32";
const CPU_NAME: &str = "user-cpu-per-io";
/// The note under which a device stands that outlives a killed process.
const MADE: &str = "made";
/// The note that says why a comparison could not be made here.
pub const NOT_COMPARED: &str = "not compared";

/// What is compared, and where.
#[derive(Debug, Clone, Serialize)]
pub struct Calibration {
    /// Pairs of each comparison.
    pub pairs: u32,
    /// Measured time of each side.
    pub runtime: Duration,
    /// Folder for scratch files, on tmpfs best.
    pub folder: PathBuf,
    /// A device of the operator's in place of a loop device over a scratch file.
    pub target: Option<PathBuf>,
    /// The serial number by which the operator has confirmed that it is a drive on which nothing is kept.
    pub serial: Option<String>,
    /// Names of the comparisons that are made; all of them without any.
    pub only: Vec<String>,
    /// The CPU that our side is pinned to.
    pub cpu: u32,
}

impl Calibration {
    /// A name of `only` that nothing here has.
    pub fn unknown(&self) -> Option<&str> {
        let known = |name: &str| self.possible().any(|comparison| comparison.name == name);
        self.only.iter().map(String::as_str).find(|name| !known(name))
    }

    /// Names that `only` may have.
    pub fn names(&self) -> Vec<&'static str> {
        self.possible().map(|comparison| comparison.name).collect()
    }

    /// Whether the operator's device may be claimed, before anything is done. Opens nothing for writing.
    pub fn examine(&self) -> Result<(), Refusal> {
        match (&self.target, &self.serial) {
            (None, _) => Ok(()),
            (Some(device), None) => claim::examine_loop_device(device, BYTES),
            (Some(device), Some(serial)) => claim::examine_drive(device, serial, BYTES),
        }
    }

    fn possible(&self) -> impl Iterator<Item = &'static Comparison> {
        let on_a_drive = self.serial.is_some();
        COMPARISONS.iter().filter(move |comparison| comparison.is_made(on_a_drive))
    }

    fn comparisons(&self) -> impl Iterator<Item = &'static Comparison> {
        self.possible().filter(|comparison| self.only.is_empty() || self.only.iter().any(|name| name == comparison.name))
    }
}

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
struct Figures {
    ours: Vec<f64>,
    theirs: Vec<f64>,
}

impl Figures {
    fn ratios(&self) -> Samples {
        Samples::new(self.ours.iter().zip(&self.theirs).map(|(ours, theirs)| ours / theirs).collect())
    }

    fn row(&self, name: &str, unit: Unit) -> PairRow {
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

/// Devices that earlier calibrations of `runs` have left behind, each with the command that removes it.
pub fn leftovers(runs: &[Run]) -> Vec<String> {
    let unfinished = runs.iter().filter(|run| run.scenario == SCENARIO && run.ended == Ended::Interrupted);
    let notes = unfinished.flat_map(|run| &run.steps).filter_map(|step| step.notes.get(MADE).cloned());
    place::leftovers(&notes.collect::<Vec<_>>())
}

/// Calibrates as run `id` below `runs`. What is made for it is removed, also after SIGINT and SIGTERM, which end the run as Cancelled; a fio that fails ends it
/// as Failed. Must not be called from inside an async runtime.
pub fn calibrate(
    runs: &Path,
    id: &str,
    calibration: &Calibration,
    peer: &Peer,
    surroundings: &Surroundings<'_>,
    observer: &mut Observer<'_>,
) -> Result<Calibrated, ScenarioError> {
    let plan = serde_json::to_vec_pretty(calibration).map_err(|error| ScenarioError::io("plan a calibration in", runs)(error.into()))?;
    let started = Event::RunStarted {
        run: id.to_owned(),
        schema: RUN_SCHEMA,
        scenario: SCENARIO.to_owned(),
        plan: digest(&plan),
        steps: calibration.comparisons().map(|one| one.name.to_owned()).collect(),
        hosts: vec![surroundings.host.clone()],
        environment: surroundings.environment.clone(),
    };
    let (directory, mut writer) = RunDirectory::create(runs, id, |folder| {
        crate::directory::write_whole(&folder.join("plan.json"), &plan)?;
        Writer::create(&folder.join("journal.jsonl"), surroundings.stamps.clone(), started)
    })?;
    writer.moved(&directory.journal());
    if let Some(inventory) = &surroundings.inventory {
        writer.append(Event::Inventory { inventory: Box::new(inventory.clone()) })?;
    }
    let stopper = Stopper::listen().map_err(ScenarioError::io("listen for signals during", directory.path()))?;
    let mut session =
        Session { id, calibration, peer, surroundings, writer, stop: Arc::clone(&stopper.stop), under: None, seed: 0, rows: Vec::new() };
    let total_ms = calibration.comparisons().map(|one| session.duration_ms(one)).sum();
    observer(&Progress::RunStarted { run: id, total_ms });
    let (mut ended, mut done_ms) = (Ended::Completed, 0);
    for comparison in calibration.comparisons() {
        observer(&Progress::StepStarted { step: comparison.name, describe: comparison.describe });
        ended = session.step(comparison, &mut |part| observer(&Progress::Tick { done_ms: done_ms + part, total_ms }))?;
        done_ms += session.duration_ms(comparison);
        observer(&Progress::StepEnded { step: comparison.name, ended: &ended });
        match &ended {
            Ended::Completed => {}
            Ended::Failed(why) => {
                ended = Ended::Failed(format!("step {}: {why}", comparison.name));
                break;
            }
            Ended::Cancelled | Ended::Interrupted => break,
        }
    }
    if let (Err(why), Ended::Completed) = (session.leave(), &ended) {
        ended = Ended::Failed(why);
    }
    let Session { mut writer, rows, .. } = session;
    writer.append(Event::RunEnded { ended })?;
    let run = writer.read_back()?.run().map_err(ScenarioError::journal("fold journal", writer.path()))?;
    directory.write_run(&run)?;
    Ok(Calibrated { run, pairs: rows })
}

struct Session<'a, 's> {
    id: &'a str,
    calibration: &'a Calibration,
    peer: &'a Peer,
    surroundings: &'a Surroundings<'s>,
    writer: Writer,
    stop: Arc<AtomicBool>,
    /// What is compared on, with what we know of its content.
    under: Option<(Subject, Place, Option<History>)>,
    seed: u64,
    rows: Vec<PairRow>,
}

/// Why a comparison came to nothing.
enum Stop {
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

impl From<FioError> for Stop {
    fn from(error: FioError) -> Self {
        match error {
            FioError::Stopped => Stop::Cancelled,
            FioError::Missing { .. } | FioError::Failed { .. } => Stop::Failed(crate::error::chain(&error)),
        }
    }
}

impl Session<'_, '_> {
    /// A choice that rests on more than what is compared costs more than it gives.
    fn trials(&self) -> u32 {
        TRIALS.min(self.calibration.pairs)
    }

    fn duration_ms(&self, comparison: &Comparison) -> u64 {
        let side = self.calibration.runtime + RAMP;
        let trials = u32::try_from(sides::variants(comparison, None, TRIAL, 0).len()).unwrap_or(u32::MAX) * self.trials() * (TRIAL + RAMP);
        u64::try_from((trials + side * self.calibration.pairs * 2).as_millis()).unwrap_or(u64::MAX)
    }

    fn step(&mut self, comparison: &Comparison, tick: &mut dyn FnMut(u64)) -> Result<Ended, ScenarioError> {
        let step = comparison.name.to_owned();
        self.writer.append(Event::StepStarted { step: step.clone(), hosts: vec![self.surroundings.host.clone()] })?;
        self.writer.append(Event::CountersBefore { step: step.clone(), counters: (self.surroundings.counters)() })?;
        let ended = match self.compare(comparison, tick) {
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

    fn compare(&mut self, comparison: &Comparison, tick: &mut dyn FnMut(u64)) -> Result<(), Stop> {
        let runtime = self.calibration.runtime;
        self.go_to(comparison)?;
        if let Some(why) = self.on_our_side(|ours| ours.not_configured(comparison))? {
            self.note(comparison, NOT_COMPARED, why)?;
            return Ok(());
        }
        let best = self.best(comparison)?;
        let (mut iops, mut user, mut verification) = (Figures::default(), Figures::default(), Verification::default());
        for pair in 0..self.calibration.pairs {
            let theirs_first = pair % 2 == 1;
            let early = if theirs_first { Some(self.theirs(&best, runtime)?) } else { None };
            let result = self.ours(comparison, runtime)?;
            let theirs = match early {
                Some(theirs) => theirs,
                None => self.theirs(&best, runtime)?,
            };
            iops.ours.push(result.iops());
            iops.theirs.push(theirs.iops);
            user.ours.push(result.cpu.user_ns as f64 / result.operations as f64);
            user.theirs.push(theirs.user_ns);
            verification.operations += result.verification.operations;
            verification.verified += result.verification.verified;
            tick(u64::try_from(((runtime + RAMP) * 2 * (pair + 1)).as_millis()).unwrap_or(u64::MAX));
        }
        if comparison.verify == Verify::Stamp {
            self.writer.append(Event::Verification { step: comparison.name.to_owned(), verification })?;
        }
        self.record(comparison, comparison.name, &iops, Unit::OpsPerSecond, Direction::HigherIsBetter)?;
        if comparison.name == CPU_FROM {
            self.record(comparison, CPU_NAME, &user, Unit::Nanoseconds, Direction::LowerIsBetter)?;
        }
        Ok(())
    }

    /// Makes the target of a comparison, unless it is there from the one before.
    fn go_to(&mut self, comparison: &Comparison) -> Result<(), Stop> {
        let (folder, subject) = (&self.calibration.folder, comparison.subject);
        if self.under.as_ref().is_none_or(|(there, ..)| *there != subject) {
            self.leave()?;
            let name = format!("{}-{}", self.id, format!("{subject:?}").to_lowercase());
            let place = match (subject, &self.calibration.target) {
                (Subject::Null, _) => None,
                (Subject::Device, Some(device)) => Some(Place::given(device, self.calibration.serial.as_deref(), BYTES)?),
                (Subject::Device, None) => Some(Place::over_file(folder, &name, BYTES)?),
                (Subject::PageCache, _) => Some(Place::file(folder, &name, BYTES)?),
                (Subject::Zram, _) => Some(Place::zram(BYTES)?),
            };
            self.under = place.map(|place| (subject, place, None));
            if let (Subject::Zram, Some((_, place, _))) = (subject, &self.under) {
                let made = place.path().display().to_string();
                self.writer.append(Event::Note { step: comparison.name.to_owned(), name: MADE.to_owned(), text: made })?;
                self.peer.run(&sides::fill(place), Duration::from_secs(60), &self.stop)?;
            } else if let Some((_, place, history)) = &mut self.under {
                *history = Some(History::new(place.span()));
                self.on_our_side(|ours| ours.lay_out())?;
            }
        }
        let text = self.under.as_ref().map_or_else(|| "none".to_owned(), |(_, place, _)| place.describe());
        let ours = self.on_our_side(|ours| ours.describe(comparison));
        for (name, text) in [("target", text), ("ours", ours), ("load average", load_average())] {
            self.note(comparison, name, text)?;
        }
        Ok(())
    }

    fn leave(&mut self) -> Result<(), String> {
        self.under.take().map_or(Ok(()), |(_, place, _)| place.release())
    }

    /// fio's words with which it is fastest here: the best median of interleaved trials of every variant.
    fn best(&mut self, comparison: &Comparison) -> Result<Vec<String>, Stop> {
        let variants = |runtime| {
            let place = self.under.as_ref().map(|(_, place, _)| place);
            sides::variants(comparison, place, runtime, self.calibration.cpu)
        };
        let (trials, mut figures) = (variants(TRIAL), vec![Vec::new(); variants(TRIAL).len()]);
        for _ in 0..self.trials() {
            for (words, figures) in trials.iter().zip(&mut figures) {
                figures.push(self.peer.run(words, RAMP + TRIAL, &self.stop)?.iops);
            }
        }
        let medians: Vec<f64> = figures.into_iter().map(|figures| Samples::new(figures).median()).collect();
        let best = (0..medians.len()).max_by(|a, b| medians[*a].total_cmp(&medians[*b])).ok_or_else(|| "no variant of fio's flags".to_owned())?;
        let words = variants(self.calibration.runtime).swap_remove(best);
        let tried = medians.iter().map(|median| format!("{median:.0}")).collect::<Vec<_>>().join(", ");
        for (name, text) in [
            ("fio", format!("{} ({})", self.peer.command(&words), self.peer.version())),
            ("fio's flags", format!("the best of {} variants; op/s of each in trials: {tried}", medians.len())),
        ] {
            self.note(comparison, name, text)?;
        }
        Ok(words)
    }

    fn note(&mut self, comparison: &Comparison, name: &str, text: String) -> Result<(), ScenarioError> {
        let note = Event::Note { step: comparison.name.to_owned(), name: name.to_owned(), text };
        self.writer.append(note).map(drop)
    }

    fn theirs(&self, words: &[String], runtime: Duration) -> Result<Measured, FioError> {
        self.peer.run(words, RAMP + runtime, &self.stop)
    }

    fn ours(&mut self, comparison: &Comparison, runtime: Duration) -> Result<assay_bench::JobResult, Stop> {
        self.seed += 1;
        let seed = self.seed;
        let result = self.on_our_side(|ours| ours.measure(comparison, runtime, seed))?;
        if self.stop.load(Ordering::Relaxed) { Err(Stop::Cancelled) } else { Ok(result) }
    }

    fn on_our_side<T>(&self, act: impl FnOnce(&Ours<'_>) -> T) -> T {
        let (place, history) = match &self.under {
            Some((_, place, history)) => (Some(place), history.as_ref()),
            None => (None, None),
        };
        act(&Ours { place, history, stamp_seed: 7, cpu: self.calibration.cpu, stop: &self.stop })
    }

    fn record(&mut self, comparison: &Comparison, name: &str, figures: &Figures, unit: Unit, direction: Direction) -> Result<(), Stop> {
        let row = figures.row(name, unit);
        if !(row.low.is_finite() && row.high.is_finite() && row.ratio > 0.0) {
            return Err(Stop::Failed(format!("{name}: {} and {} make no ratio", row.ours, row.theirs)));
        }
        self.rows.push(row);
        let target = self.under.as_ref().map_or("none", |(_, place, _)| place.kind());
        let dimensions = [("against", self.peer.version().to_owned()), ("target", target.to_owned())];
        for (side, unit, samples) in [
            ("ours", unit, Samples::new(figures.ours.clone())),
            ("fio", unit, Samples::new(figures.theirs.clone())),
            ("ratio", Unit::Ratio, figures.ratios()),
        ] {
            let metric = Metric {
                name: format!("calibrate.{}.{side}", name.replace('-', "_")).as_str().into(),
                unit,
                direction,
                dimensions: dimensions.clone().map(|(name, value)| (name.to_owned(), value)).into(),
                samples,
            };
            self.writer.append(Event::Metric { step: comparison.name.to_owned(), metric })?;
        }
        Ok(())
    }
}

fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").map_or_else(|error| format!("cannot be read: {error}"), |text| text.trim().to_owned())
}

/// Sets `stop` at SIGINT and SIGTERM, for as long as it lives.
struct Stopper {
    stop: Arc<AtomicBool>,
    end: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Stopper {
    fn listen() -> std::io::Result<Self> {
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
