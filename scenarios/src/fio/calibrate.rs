//! `assay calibrate --against fio`: interleaved pairs of both on the same target with the same parameters, who goes first alternating, so that drift of the
//! machine favours nobody. fio runs with the best of its flags, found out by trials before. Everything goes into the journal of a run of scenario `calibrate`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assay_bench::{History, Verify};
use assay_model::journal::Event;
use assay_model::metric::{Direction, Samples};
use assay_model::run::{Ended, Run, Verification};
use assay_model::unit::Unit;
use serde::Serialize;

use crate::calibration::{self, Agenda, Beside, Calibrated, Comparing, Figures, Ledger, NOT_COMPARED, Rival, SCENARIO, Step, Stop, load_average};
use crate::claim::{self, Refusal, TargetKind};
use crate::error::ScenarioError;
use crate::peer::PeerError;
use crate::plan;
use crate::printable::Printable;
use crate::runner::{Observer, Surroundings};

use super::peer::{Measured, Peer};
use super::place::{self, Place};
use sides::{COMPARISONS, Comparison, Ours, RAMP, Subject};

mod sides;

/// Bytes of each file and device.
const BYTES: u64 = 256 << 20;
/// Trials of each variant of fio's flags, at most.
const TRIALS: u32 = 3;
/// How long one of them measures.
const TRIAL: Duration = Duration::from_millis(500);
/// The comparison whose runs also give user time per operation.
const CPU_FROM: &str = "randread-4k-qd32";
const CPU_NAME: &str = "user-cpu-per-io";
/// The note under which a device stands that outlives a killed process.
const MADE: &str = "made";

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
    /// Bytes that the drive may write in its life, where its part is known.
    pub rated_bytes: Option<u64>,
    /// Most of its life that may be taken of a drive, percent.
    pub endurance_percent: u32,
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

    /// Whether the operator's drive may take what is written to it, by the same budget as a run's.
    pub fn is_affordable(&self) -> Result<(), String> {
        let (Some(device), Some(_)) = (&self.target, &self.serial) else { return Ok(()) };
        let size = plan::Place::new(device, TargetKind::BlockDevice).bytes.unwrap_or(BYTES);
        let rated = self.rated_bytes.unwrap_or_else(|| plan::assumed_life(size));
        let written = self.written();
        if written > rated / 100 * u64::from(self.endurance_percent) {
            return Err(format!(
                "it may write {written} bytes to {}, more than {} % of the {rated} bytes that the drive may write in its life; fewer --pairs write less, \
                 --only leaves comparisons out, and --endurance-percent sets another share",
                Printable::new(device),
                self.endurance_percent
            ));
        }
        Ok(())
    }

    /// Bytes that both sides write to the device at most: the layout, and each side of each pair and each trial of fio's up to its bound, ramp included.
    fn written(&self) -> u64 {
        let on_device = self.comparisons().filter(|comparison| comparison.subject == Subject::Device);
        let count = |comparison: &Comparison| {
            let trials = sides::variants(comparison, None, TRIAL, 0).len() * usize::try_from(self.trials()).expect("few");
            u64::try_from(trials).expect("few") + 2 * u64::from(self.pairs)
        };
        let writes = on_device.filter(|comparison| comparison.rw.writes()).map(|comparison| count(comparison).saturating_mul(sides::WRITTEN_MAX));
        writes.fold(BYTES, u64::saturating_add)
    }

    /// A choice that rests on more than what is compared costs more than it gives.
    fn trials(&self) -> u32 {
        TRIALS.min(self.pairs)
    }

    fn possible(&self) -> impl Iterator<Item = &'static Comparison> {
        let on_a_drive = self.serial.is_some();
        COMPARISONS.iter().filter(move |comparison| comparison.is_made(on_a_drive))
    }

    fn comparisons(&self) -> impl Iterator<Item = &'static Comparison> {
        self.possible().filter(|comparison| self.only.is_empty() || self.only.iter().any(|name| name == comparison.name))
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
    let mut session = Session { calibration, peer, under: None, seed: 0 };
    let steps: Vec<Step<'_>> =
        calibration.comparisons().map(|one| Step { name: one.name, describe: one.describe, duration_ms: session.duration_ms(one) }).collect();
    let agenda = Agenda { steps, rival: Rival { name: "fio", version: peer.version() } };
    calibration::calibrate(runs, id, calibration, &agenda, surroundings, observer, &mut session)
}

struct Session<'a> {
    calibration: &'a Calibration,
    peer: &'a Peer,
    /// What is compared on, with what we know of its content.
    under: Option<(Subject, Place, Option<History>)>,
    seed: u64,
}

impl Session<'_> {
    fn duration_ms(&self, comparison: &Comparison) -> u64 {
        let side = self.calibration.runtime + RAMP;
        let trials =
            u32::try_from(sides::variants(comparison, None, TRIAL, 0).len()).unwrap_or(u32::MAX) * self.calibration.trials() * (TRIAL + RAMP);
        u64::try_from((trials + side * self.calibration.pairs * 2).as_millis()).unwrap_or(u64::MAX)
    }

    fn pairs(&mut self, ledger: &mut Ledger<'_, '_>, comparison: &Comparison, tick: &mut dyn FnMut(u64)) -> Result<(), Stop> {
        let runtime = self.calibration.runtime;
        self.go_to(ledger, comparison)?;
        if let Some(why) = self.on_our_side(&ledger.stop, |ours| ours.not_configured(comparison))? {
            ledger.note(comparison.name, NOT_COMPARED, why)?;
            return Ok(());
        }
        let best = self.best(ledger, comparison)?;
        let (mut iops, mut user, mut verification) = (Figures::default(), Figures::default(), Verification::default());
        for pair in 0..self.calibration.pairs {
            let theirs_first = pair % 2 == 1;
            let early = if theirs_first { Some(self.theirs(&best, runtime, &ledger.stop)?) } else { None };
            let result = self.ours(comparison, runtime, &ledger.stop)?;
            let theirs = match early {
                Some(theirs) => theirs,
                None => self.theirs(&best, runtime, &ledger.stop)?,
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
            ledger.append(Event::Verification { step: comparison.name.to_owned(), verification })?;
        }
        let beside = Beside { target: self.under.as_ref().map_or("none", |(_, place, _)| place.kind()), theirs: None };
        ledger.record(comparison.name, comparison.name, beside, &iops, Unit::OpsPerSecond, Direction::HigherIsBetter)?;
        if comparison.name == CPU_FROM {
            ledger.record(comparison.name, CPU_NAME, beside, &user, Unit::Nanoseconds, Direction::LowerIsBetter)?;
        }
        Ok(())
    }

    /// Makes the target of a comparison, unless it is there from the one before.
    fn go_to(&mut self, ledger: &mut Ledger<'_, '_>, comparison: &Comparison) -> Result<(), Stop> {
        let (folder, subject) = (&self.calibration.folder, comparison.subject);
        if self.under.as_ref().is_none_or(|(there, ..)| *there != subject) {
            self.release()?;
            let name = format!("{}-{}", ledger.id, format!("{subject:?}").to_lowercase());
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
                ledger.note(comparison.name, MADE, made)?;
                self.peer.run(&sides::fill(place), Duration::from_secs(60), &ledger.stop)?;
            } else if let Some((_, place, history)) = &mut self.under {
                *history = Some(History::new(place.span()));
                self.on_our_side(&ledger.stop, |ours| ours.lay_out())?;
            }
        }
        let text = self.under.as_ref().map_or_else(|| "none".to_owned(), |(_, place, _)| place.describe());
        let ours = self.on_our_side(&ledger.stop, |ours| ours.describe(comparison));
        for (name, text) in [("target", text), ("ours", ours), ("load average", load_average())] {
            ledger.note(comparison.name, name, text)?;
        }
        Ok(())
    }

    fn release(&mut self) -> Result<(), String> {
        self.under.take().map_or(Ok(()), |(_, place, _)| place.release())
    }

    /// fio's words with which it is fastest here: the best median of interleaved trials of every variant.
    fn best(&mut self, ledger: &mut Ledger<'_, '_>, comparison: &Comparison) -> Result<Vec<String>, Stop> {
        let variants = |runtime| {
            let place = self.under.as_ref().map(|(_, place, _)| place);
            sides::variants(comparison, place, runtime, self.calibration.cpu)
        };
        let (trials, mut figures) = (variants(TRIAL), vec![Vec::new(); variants(TRIAL).len()]);
        for _ in 0..self.calibration.trials() {
            for (words, figures) in trials.iter().zip(&mut figures) {
                figures.push(self.peer.run(words, RAMP + TRIAL, &ledger.stop)?.iops);
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
            ledger.note(comparison.name, name, text)?;
        }
        Ok(words)
    }

    fn theirs(&self, words: &[String], runtime: Duration, stop: &AtomicBool) -> Result<Measured, PeerError> {
        self.peer.run(words, RAMP + runtime, stop)
    }

    fn ours(&mut self, comparison: &Comparison, runtime: Duration, stop: &AtomicBool) -> Result<assay_bench::JobResult, Stop> {
        self.seed += 1;
        let seed = self.seed;
        let result = self.on_our_side(stop, |ours| ours.measure(comparison, runtime, seed))?;
        if stop.load(Ordering::Relaxed) { Err(Stop::Cancelled) } else { Ok(result) }
    }

    fn on_our_side<T>(&self, stop: &AtomicBool, act: impl FnOnce(&Ours<'_>) -> T) -> T {
        let (place, history) = match &self.under {
            Some((_, place, history)) => (Some(place), history.as_ref()),
            None => (None, None),
        };
        act(&Ours { place, history, stamp_seed: 7, cpu: self.calibration.cpu, stop })
    }
}

impl Comparing for Session<'_> {
    fn compare(&mut self, ledger: &mut Ledger<'_, '_>, step: usize, tick: &mut dyn FnMut(u64)) -> Result<(), Stop> {
        let comparison = self.calibration.comparisons().nth(step).ok_or_else(|| format!("there is no comparison {step}"))?;
        self.pairs(ledger, comparison, tick)
    }

    fn leave(&mut self) -> Result<(), String> {
        self.release()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_of_a_drives_life_is_taken_than_was_allowed() {
        let calibration = |pairs, serial: Option<&str>, rated_bytes, endurance_percent| Calibration {
            pairs,
            runtime: Duration::from_secs(2),
            folder: "/dev/shm".into(),
            target: Some("/dev/nvme9n1".into()),
            serial: serial.map(str::to_owned),
            rated_bytes,
            endurance_percent,
            only: Vec::new(),
            cpu: 0,
        };
        let written = calibration(10, Some("S1"), None, 1).written();
        // Twenty sides and the trials of fio's variants, each with its ramp.
        assert!(written > 20 * (16 << 30) && written < 2_000_000_000_000, "{written}");
        assert!(calibration(10, Some("S1"), Some(100 * written), 1).is_affordable().is_ok());
        let refused = calibration(11, Some("S1"), Some(100 * written), 1).is_affordable().expect_err("too much");
        assert!(refused.contains("/dev/nvme9n1") && refused.contains("more than 1 %") && refused.contains("--endurance-percent"), "{refused}");
        assert!(calibration(11, Some("S1"), Some(100 * written), 2).is_affordable().is_ok());
        // A device that nobody knows has the life of its 256 MiB: nothing.
        assert!(calibration(1, Some("S1"), None, 1).is_affordable().is_err());
        assert!(calibration(1000, None, None, 0).is_affordable().is_ok(), "a loop device has no life");
        let reads = Calibration { only: vec!["randread-4k-qd32".to_owned()], ..calibration(1000, Some("S1"), None, 1) };
        assert_eq!(reads.written(), BYTES);
    }
}
