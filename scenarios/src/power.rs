//! The power of detection: targets whose truth is known go through the real driver, the real rule of rounds and the real judgement, and what comes out is
//! counted. Needs no disk: the targets are in memory, and what is wrong with them was planted between them and the driver.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use assay_bench::engine::faulty::{Faulty, Pace, Spoil};
use assay_bench::engine::memory::Memory;
use assay_bench::engine::null::Null;
use assay_bench::{Extent, History, Job, JobResult, Lane, Rw, Span, Verify, drive};
use assay_model::binomial;
use assay_model::check::Absence;
use assay_model::limit::{self, Basis, Bound, Limit};
use assay_model::metric::{Direction, Metric, Samples};
use assay_model::selftest::{Bounds, Level, Power, Spoiled};
use assay_model::sequential::{self, Side};
use assay_model::unit::Unit;
use assay_model::verdict::Rank;

use crate::error::chain;

/// What the targets must do, operations per second: far below what any harness can.
const LIMIT: f64 = 20_000.0;
/// A round of a trial; a thousandth of it is half an operation.
const ROUND: Duration = Duration::from_millis(25);
/// Rounds of a trial, as those of the catalogue.
const ROUNDS: (usize, usize) = (5, 15);
/// Truths that are tried, as shares of the limit.
const TRUTHS: [f64; 7] = [0.90, 0.95, 0.98, 1.0, 1.02, 1.05, 1.10];
const BLOCK: u32 = 4096;
const DEPTH: u32 = 8;
const BLOCKS: u64 = 2048;

/// Measures it with so many trials of each truth. `told` hears the share that is done.
pub fn measure(trials: u32, told: &mut dyn FnMut(f64)) -> Result<Power, String> {
    let mut power = Power::default();
    // Of each level: wrong verdicts of figures that were clear of the limit.
    let mut clear_and_wrong = Vec::new();
    let recorded = sequential::recorded_noise();
    let all = f64::from(u32::try_from(TRUTHS.len()).expect("few")) * 2.0 * f64::from(trials);
    let mut done = 0.0;
    for noise in ["none", "recorded"] {
        for truth in TRUTHS {
            let mut level = Level {
                truth,
                noise: noise.to_owned(),
                trials: trials.into(),
                accepted: 0,
                rejected: 0,
                stopped_early: 0,
                rounds: 0.0,
                acceptance: Bounds::default(),
            };
            let mut wrong = 0;
            for trial in 0..trials {
                // Each trial begins somewhere else in one of the recordings.
                let at = usize::try_from(trial).expect("fits");
                let (_, ratios) = &recorded[at % recorded.len()];
                let noise = |round: usize| if noise == "none" { 1.0 } else { ratios[(at * 37 + round) % ratios.len()] };
                let (verdict, rounds) = judged(truth, &noise)?;
                match verdict {
                    Rank::Pass => level.accepted += 1,
                    Rank::Fail => level.rejected += 1,
                    Rank::NotApplicable | Rank::Inconclusive => {}
                }
                level.stopped_early += u64::from(rounds < ROUNDS.1);
                wrong += u64::from(rounds < ROUNDS.1 && if truth < 1.0 { verdict == Rank::Pass } else { verdict == Rank::Fail });
                #[allow(clippy::cast_precision_loss, reason = "a handful of rounds")]
                let rounds = rounds as f64;
                level.rounds += rounds / f64::from(trials);
                done += 1.0;
                told(done / all);
            }
            level.acceptance = Bounds::from(binomial::exact(level.accepted, level.trials));
            power.levels.push(level);
            clear_and_wrong.push(wrong);
        }
    }
    power.faults = spoiled()?;
    power.wrong =
        power.faults.iter().filter(|fault| fault.found < fault.planted || fault.false_alarms > 0).map(|fault| fault.fault.clone()).collect();
    power.wrong.extend(beyond_what_is_said(&power.levels, &clear_and_wrong));
    let clear = |level: &&Level| level.noise == "none" && (level.truth - 1.0).abs() > 0.09;
    for level in power.levels.iter().filter(clear) {
        let right = if level.truth > 1.0 { level.accepted } else { level.rejected };
        if right < level.trials {
            let wrong = level.trials - right;
            power.wrong.push(format!("{wrong} of {} targets at {} of the limit got the wrong verdict", level.trials, level.truth));
        }
    }
    Ok(power)
}

/// Truths 5 % or more beyond the limit of which more were judged wrongly than is said to be ([`sequential::ERROR_PERCENT`]), with 97.5 % confidence. Over recorded
/// noise that is said of figures that are clear of the limit only: those that all rounds leave open are promised nothing.
fn beyond_what_is_said(levels: &[Level], clear_and_wrong: &[u64]) -> Vec<String> {
    let said = sequential::ERROR_PERCENT / 100.0;
    let mut beyond = Vec::new();
    for (level, clear_and_wrong) in levels.iter().zip(clear_and_wrong).filter(|(level, _)| (level.truth - 1.0).abs() > 0.049) {
        let (all, what) = if level.truth < 1.0 { (level.accepted, "accepted") } else { (level.rejected, "rejected") };
        let count = if level.noise == "none" { all } else { *clear_and_wrong };
        let (least, _) = binomial::exact(count, level.trials);
        if least > said {
            let Level { trials, truth, noise, .. } = level;
            beyond.push(format!(
                "{count} of {trials} targets at {truth} of the limit ({noise} noise) were {what}, {:.1} % or more of them; at most {:.0} % are said to be",
                least * 100.0,
                said * 100.0
            ));
        }
    }
    beyond
}

/// One trial: rounds until the figure is clear of its limit, and the judgement of the gate.
fn judged(truth: f64, noise: &dyn Fn(usize) -> f64) -> Result<(Rank, usize), String> {
    let (from, to) = ROUNDS;
    let looks = u32::try_from(to - from + 1).expect("few");
    let job = Job { extent: Extent::Runtime(ROUND), ..Job::new(Rw::RandRead, BLOCK, DEPTH, Span { start: 0, bytes: 1 << 30 }) };
    let mut rounds = Vec::new();
    while rounds.len() < to && (rounds.len() < from || sequential::side(&rounds, Bound::AtLeast(LIMIT), looks) == Side::Open) {
        let pace = Pace { iops: LIMIT * truth * noise(rounds.len()), then: None };
        rounds.push(run(&job, &mut Faulty::paced(Null::new(BLOCK, DEPTH), pace), None)?.iops());
    }
    let count = rounds.len();
    Ok((rank(rounds), count))
}

fn rank(rounds: Vec<f64>) -> Rank {
    let name = "storage.randread_4k_qd8.iops";
    let limit = Limit { metric: name.into(), bound: Bound::AtLeast(LIMIT), basis: Basis::Policy("selftest".to_owned()), scenarios: Vec::new() };
    let samples = Samples::new(rounds);
    let metric = Metric { name: name.into(), unit: Unit::OpsPerSecond, direction: Direction::HigherIsBetter, dimensions: BTreeMap::new(), samples };
    limit::judge(&limit, &metric, None, &[], Absence::Inconclusive).verdict.rank()
}

fn run(job: &Job, lane: &mut dyn Lane, history: Option<&History>) -> Result<JobResult, String> {
    drive(job, lane, history, &AtomicBool::new(false), None).map_err(|error| chain(&error))
}

/// Every fault of content and of single operations, planted in a pass over a target that works.
fn spoiled() -> Result<Vec<Spoiled>, String> {
    let on_write = [
        ("flipped bit", Spoil::FlippedBit),
        ("lost write", Spoil::LostWrite),
        ("torn write", Spoil::TornWrite),
        ("misdirected write", Spoil::MisdirectedWrite),
    ];
    let on_read = [
        ("flipped bit on the way back", Spoil::FlippedBitOnRead),
        ("misdirected read", Spoil::MisdirectedRead),
        ("short read", Spoil::ShortRead),
        ("I/O error", Spoil::Error(EIO)),
    ];
    let mut found = vec![pass("nothing", &[], &[])?];
    for (name, spoil) in on_write {
        found.push(pass(name, &[(spoil, 7)], &[])?);
    }
    for (name, spoil) in on_read {
        found.push(pass(name, &[], &[(spoil, 7)])?);
    }
    Ok(found)
}

/// errno of an I/O error.
const EIO: i32 = 5;

fn pass(name: &str, on_write: &[(Spoil, u64)], on_read: &[(Spoil, u64)]) -> Result<Spoiled, String> {
    let span = Span { start: 0, bytes: BLOCKS * u64::from(BLOCK) };
    let history = History::new(span);
    let kept = usize::try_from(BLOCKS).expect("fits");
    let whole = |rw| Job { extent: Extent::WholeSpan, verify: Verify::Stamp, offsets_kept: kept, ..Job::new(rw, BLOCK, DEPTH, span) };
    // One block more than the job has: the last misdirected write lands there.
    let mut memory = Memory::new(span.bytes + u64::from(BLOCK), BLOCK, DEPTH);
    run(&whole(Rw::Write), &mut memory, Some(&history))?;
    // A second generation: lost writes leave the first behind.
    let mut written = Faulty::new(memory, on_write);
    run(&whole(Rw::Write), &mut written, Some(&history))?;
    let mut spoiled = written.planted().lock().map_err(|error| error.to_string())?.clone();
    let mut read = Faulty::new(written, on_read);
    let result = run(&whole(Rw::Read), &mut read, Some(&history))?;
    spoiled.extend(read.planted().lock().map_err(|error| error.to_string())?.iter().copied());

    let corrupt: BTreeSet<u64> = result.corrupt_offsets.iter().map(|(_, offset)| *offset).collect();
    let failed: u64 = result.verification.failed.values().sum();
    let fails = |spoil: Spoil| matches!(spoil, Spoil::ShortRead | Spoil::Error(_));
    let count = |spoils: BTreeSet<u64>| u64::try_from(spoils.len()).expect("few");
    let expected: BTreeSet<u64> = spoiled.iter().filter(|(spoil, _)| !fails(*spoil)).map(|(_, offset)| *offset).collect();
    let failing = u64::try_from(spoiled.iter().filter(|(spoil, _)| fails(*spoil)).count()).expect("few");
    let neighbour = |offset: &u64| spoiled.contains(&(Spoil::MisdirectedWrite, offset.saturating_sub(u64::from(BLOCK))));
    let stray: BTreeSet<u64> = corrupt.iter().copied().filter(|offset| !expected.contains(offset) && !neighbour(offset)).collect();
    Ok(Spoiled {
        fault: name.to_owned(),
        planted: count(expected.clone()) + failing,
        found: count(expected.intersection(&corrupt).copied().collect()) + failed.min(failing),
        false_alarms: count(stray) + failed.saturating_sub(failing),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_is_found_and_nothing_is_where_none_was_planted() {
        for fault in spoiled().expect("runs") {
            assert_eq!((fault.found, fault.false_alarms), (fault.planted, 0), "{fault:?}");
            assert_eq!(fault.planted > 200, fault.fault != "nothing", "{fault:?}");
        }
    }

    #[test]
    fn a_harness_that_errs_more_often_than_it_says_is_wrong() {
        let level = |truth: f64, accepted: u64, trials: u64| Level {
            truth,
            noise: "none".to_owned(),
            trials,
            accepted,
            rejected: trials - accepted,
            stopped_early: 0,
            rounds: 5.0,
            acceptance: Bounds::default(),
        };
        for (truth, accepted, trials, is_wrong) in [
            (0.95, 20, 20, true),
            (0.95, 2, 20, true),
            // One in twenty can happen to a harness that errs in one of a hundred.
            (0.95, 1, 20, false),
            (0.95, 3, 100, false),
            (0.95, 5, 100, true),
            (0.90, 2, 20, true),
            (1.05, 18, 20, true),
            (1.05, 19, 20, false),
            // Nearer to the limit nothing is promised.
            (0.98, 20, 20, false),
            (1.0, 10, 20, false),
            (1.02, 0, 20, false),
        ] {
            assert_eq!(!beyond_what_is_said(&[level(truth, accepted, trials)], &[0]).is_empty(), is_wrong, "{accepted} of {trials} at {truth}");
        }
        // With noise, what is wrong and was not clear is the noise's.
        for (clear_and_wrong, is_wrong) in [(0, false), (1, false), (2, true)] {
            let noisy = Level { noise: "recorded".to_owned(), ..level(1.05, 10, 20) };
            assert_eq!(!beyond_what_is_said(&[noisy], &[clear_and_wrong]).is_empty(), is_wrong, "{clear_and_wrong}");
        }
    }

    #[test]
    fn the_trials_are_measured_and_judged() {
        let mut shares = Vec::new();
        let power = measure(1, &mut |share| shares.push(share)).expect("measures");
        assert_eq!(power.levels.len(), 14);
        assert!(power.levels.iter().all(|level| level.accepted + level.rejected == 1 && level.rounds >= 5.0), "{power:?}");
        assert!(shares.is_sorted() && (shares.last().expect("told") - 1.0).abs() < 1e-9);
        // However busy this machine is, a target that does nine tenths never does more.
        let slow = power.levels.iter().find(|level| level.noise == "none" && level.truth < 0.91).expect("measured");
        assert_eq!(slow.rejected, 1);
    }
}
