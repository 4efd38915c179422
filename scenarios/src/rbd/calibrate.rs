//! `assay calibrate --against rbd`: assay, fio's engine `rbd` and `rbd bench` in turns on two scratch images of one kind, ours and theirs, with the same parameters and the same
//! cache: it stands in the metadata of the images, and is whoever's that opens them. Who goes first rotates, so that drift of the cluster favours nobody. fio runs with the
//! best of its flags, found out by trials before. Everything goes into the journal of a run of scenario `calibrate`.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::Duration;

use assay_model::journal::Event;
use assay_model::metric::{Direction, Samples};
use assay_model::run::Verification;
use assay_model::unit::Unit;
use serde::Serialize;

use super::peer::Peer;
use super::sides::{self, COMPARISONS, Comparison, Named, Ours, RAMP};
use crate::calibration::{self, Agenda, Beside, Calibrated, Comparing, Figures, Ledger, Rival, Step, Stop, load_average};
use crate::claim::{self, Claim, ImagePlace, Refusal};
use crate::error::ScenarioError;
use crate::fio;
use crate::runner::{Observer, Surroundings};

/// Bytes of each of the two images.
const BYTES: u64 = 128 << 20;
/// Trials of each variant of fio's flags, at most.
const TRIALS: u32 = 3;
/// How long one of them measures.
const TRIAL: Duration = Duration::from_millis(1000);
/// What the figures of `rbd bench` are called.
const BENCH: &str = "rbd_bench";

/// What is compared, and where.
#[derive(Debug, Clone, Serialize)]
pub struct Calibration {
    /// Rounds of each comparison.
    pub pairs: u32,
    /// Measured time of each side.
    pub runtime: Duration,
    /// The pool, and what the images are like.
    pub place: ImagePlace,
    /// Names of the comparisons that are made; all of them without any.
    pub only: Vec<String>,
}

/// The tools that assay is compared with.
#[derive(Debug, Clone)]
pub struct Peers {
    /// fio, with its engine `rbd`.
    pub fio: fio::Peer,
    /// Ceph's own command.
    pub rbd: Peer,
}

impl Calibration {
    /// A name of `only` that nothing here has.
    pub fn unknown(&self) -> Option<&str> {
        self.only.iter().map(String::as_str).find(|name| !Self::names().contains(name))
    }

    /// Names that `only` may have.
    pub fn names() -> Vec<&'static str> {
        COMPARISONS.iter().map(|comparison| comparison.name).collect()
    }

    /// Whether the images may be made, before anything is done.
    pub fn examine(&self) -> Result<(), Refusal> {
        claim::examine_scratch_image(&self.place, 2 * BYTES)
    }

    /// Whether the others can work there, too.
    pub fn is_possible(&self) -> Result<(), String> {
        if self.place.is_mapped() {
            return Err("all of them work by librbd here: --target rbd:POOL/".to_owned());
        }
        match self.place.namespace() {
            Some(namespace) => Err(format!("fio's engine rbd knows no namespaces, and so not {namespace}: name a pool without one")),
            None => Ok(()),
        }
    }

    fn comparisons(&self) -> Vec<&'static Comparison> {
        COMPARISONS.iter().filter(|comparison| self.only.is_empty() || self.only.iter().any(|name| name == comparison.name)).collect()
    }

    fn trials(&self) -> u32 {
        TRIALS.min(self.pairs)
    }

    fn duration_ms(&self, comparison: &Comparison) -> u64 {
        let nobody = Named { pool: String::new(), image: String::new(), bytes: BYTES };
        let variants = u32::try_from(sides::variants(comparison, &nobody, TRIAL).len()).unwrap_or(u32::MAX);
        let time = (TRIAL + RAMP) * (variants * self.trials() + 1) + (self.runtime + RAMP) * 3 * self.pairs;
        u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
    }
}

/// Calibrates as run `id` below `runs`. What is made for it is removed, also after SIGINT and SIGTERM, which end the run as Cancelled; a tool that fails ends it as Failed. Must not
/// be called from inside an async runtime.
pub fn calibrate(
    runs: &Path,
    id: &str,
    calibration: &Calibration,
    peers: &Peers,
    surroundings: &Surroundings<'_>,
    observer: &mut Observer<'_>,
) -> Result<Calibrated, ScenarioError> {
    let comparisons = calibration.comparisons();
    let steps: Vec<Step<'_>> =
        comparisons.iter().map(|one| Step { name: one.name, describe: one.describe, duration_ms: calibration.duration_ms(one) }).collect();
    let agenda = Agenda { steps, rival: Rival { name: "fio", version: peers.fio.version() } };
    let mut session = Session { calibration, peers, comparisons, images: None, seed: 0 };
    calibration::calibrate(runs, id, calibration, &agenda, surroundings, observer, &mut session)
}

/// The image that only we write, and the one of the others.
struct Images {
    ours: Ours,
    theirs: Claim,
    named: Named,
}

struct Session<'a> {
    calibration: &'a Calibration,
    peers: &'a Peers,
    comparisons: Vec<&'static Comparison>,
    images: Option<Images>,
    seed: u64,
}

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours,
    Fio,
    Bench,
}

const SIDES: [Side; 3] = [Side::Ours, Side::Fio, Side::Bench];

impl Session<'_> {
    /// Makes both images, unless they are there from the comparison before, and gives them content.
    fn images(&mut self, ledger: &Ledger<'_, '_>) -> Result<(), Stop> {
        if self.images.is_some() {
            return Ok(());
        }
        let place = &self.calibration.place;
        let make = |whose: &str| {
            claim::scratch_image(place, &format!("{}-{whose}", ledger.id), BYTES, self.calibration.runtime).map_err(|refusal| refusal.to_string())
        };
        let (ours, theirs) = (Ours::new(make("ours")?), make("theirs")?);
        let path = theirs.path().to_string_lossy().into_owned();
        let image = path.rsplit('/').next().unwrap_or_default().to_owned();
        let named = Named { pool: place.name(), image, bytes: BYTES };
        let Images { ours, named, .. } = self.images.insert(Images { ours, theirs, named });
        ours.lay_out(&ledger.stop)?;
        ours.verify(&ledger.stop)?;
        self.peers.fio.run(&sides::fill(named), Duration::from_secs(120), &ledger.stop)?;
        Ok(())
    }

    fn pairs(&mut self, ledger: &mut Ledger<'_, '_>, comparison: &Comparison, tick: &mut dyn FnMut(u64)) -> Result<(), Stop> {
        self.images(ledger)?;
        let runtime = self.calibration.runtime;
        let (peers, pairs) = (self.peers, self.calibration.pairs);
        let Some(Images { ours, theirs, named }) = &self.images else { return Err(Stop::Failed("there are no images".to_owned())) };
        for (name, text) in [
            (
                "target",
                format!(
                    "{BYTES} bytes of {} for assay, the same of {} for the others; {}",
                    ours.claim.path().display(),
                    theirs.path().display(),
                    theirs.describe()
                ),
            ),
            ("ours", ours.describe(comparison)),
            ("load average", load_average()),
        ] {
            ledger.note(comparison.name, name, text)?;
        }
        let best = best(ledger, peers, comparison, named, runtime, self.calibration.trials())?;
        let bench = bench(ledger, peers, comparison, named, runtime, best.iops)?;
        let (mut beside_fio, mut beside_bench, mut verification) = (Figures::default(), Figures::default(), Verification::default());
        for pair in 0..pairs {
            let first = usize::try_from(pair).expect("few pairs") % SIDES.len();
            for side in SIDES.iter().cycle().skip(first).take(SIDES.len()) {
                match side {
                    Side::Ours => {
                        self.seed += 1;
                        let result = ours.measure(comparison, runtime, self.seed, &ledger.stop)?;
                        if ledger.stop.load(Ordering::Relaxed) {
                            return Err(Stop::Cancelled);
                        }
                        beside_fio.ours.push(result.iops());
                        beside_bench.ours.push(result.iops());
                        verification.operations += result.verification.operations;
                        verification.verified += result.verification.verified;
                    }
                    Side::Fio => beside_fio.theirs.push(peers.fio.run(&best.words, RAMP + runtime, &ledger.stop)?.iops),
                    Side::Bench => beside_bench.theirs.push(peers.rbd.run(&bench, runtime, &ledger.stop)?),
                }
            }
            tick(u64::try_from(((runtime + RAMP) * 3 * (pair + 1)).as_millis()).unwrap_or(u64::MAX));
        }
        if comparison.rw.writes() {
            // What was acknowledged is there.
            ours.verify(&ledger.stop)?;
        }
        ledger.append(Event::Verification { step: comparison.name.to_owned(), verification })?;
        let beside = Beside { target: ours.claim.kind(), theirs: None };
        ledger.record(comparison.name, comparison.name, beside, &beside_fio, Unit::OpsPerSecond, Direction::HigherIsBetter)?;
        let beside = Beside { theirs: Some(BENCH), ..beside };
        ledger.record(comparison.name, comparison.beside_bench, beside, &beside_bench, Unit::OpsPerSecond, Direction::HigherIsBetter)?;
        Ok(())
    }
}

/// fio's words with which it is fastest here.
struct Best {
    words: Vec<String>,
    iops: f64,
}

/// The best median of interleaved trials of every variant.
fn best(ledger: &mut Ledger<'_, '_>, peers: &Peers, comparison: &Comparison, named: &Named, runtime: Duration, trials: u32) -> Result<Best, Stop> {
    let variants = sides::variants(comparison, named, TRIAL);
    let mut figures = vec![Vec::new(); variants.len()];
    for _ in 0..trials {
        for (words, figures) in variants.iter().zip(&mut figures) {
            figures.push(peers.fio.run(words, RAMP + TRIAL, &ledger.stop)?.iops);
        }
    }
    let medians: Vec<f64> = figures.into_iter().map(|figures| Samples::new(figures).median()).collect();
    let best = (0..medians.len()).max_by(|a, b| medians[*a].total_cmp(&medians[*b])).ok_or_else(|| "no variant of fio's flags".to_owned())?;
    let words = sides::variants(comparison, named, runtime).swap_remove(best);
    let tried = medians.iter().map(|median| format!("{median:.0}")).collect::<Vec<_>>().join(", ");
    for (name, text) in [
        ("fio", format!("{} ({})", peers.fio.command(&words), peers.fio.version())),
        ("fio's flags", format!("the best of {} variants; op/s of each in trials: {tried}", medians.len())),
    ] {
        ledger.note(comparison.name, name, text)?;
    }
    Ok(Best { words, iops: medians[best] })
}

/// The words of a bench that takes about as long as the other sides, by what it did in a trial of about that length.
fn bench(
    ledger: &mut Ledger<'_, '_>,
    peers: &Peers,
    comparison: &Comparison,
    named: &Named,
    runtime: Duration,
    guess: f64,
) -> Result<Vec<String>, Stop> {
    let of = |rate: f64, time: Duration| sides::bench(comparison, named, operations(rate, time));
    let rate = peers.rbd.run(&of(guess, TRIAL), TRIAL, &ledger.stop)?;
    let words = of(rate, runtime);
    ledger.note(comparison.name, BENCH, format!("{} ({})", peers.rbd.command(&words), peers.rbd.version()))?;
    Ok(words)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a positive count that is far below 2^53")]
fn operations(rate: f64, time: Duration) -> u64 {
    (rate * time.as_secs_f64()) as u64
}

impl Comparing for Session<'_> {
    fn compare(&mut self, ledger: &mut Ledger<'_, '_>, step: usize, tick: &mut dyn FnMut(u64)) -> Result<(), Stop> {
        let comparison = *self.comparisons.get(step).ok_or_else(|| format!("there is no comparison {step}"))?;
        self.pairs(ledger, comparison, tick)
    }

    fn leave(&mut self) -> Result<(), String> {
        let Some(Images { ours, theirs, .. }) = self.images.take() else { return Ok(()) };
        let released = [ours.claim, theirs].map(|claim| claim.release().map_err(|refusal| refusal.to_string()));
        released.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bench_does_about_as_much_as_fits_into_the_time() {
        assert_eq!(operations(1000.4, Duration::from_secs(2)), 2000);
        assert_eq!(operations(0.2, Duration::from_secs(2)), 0);
    }
}
