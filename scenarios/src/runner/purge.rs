//! A purge that one command does, and the proof that it was done: blocks that are stamped before must not be there after it, whatever the drive answers.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use assay_bench::engine::uring::{Options, Uring, WriteLeave};
use assay_bench::{EngineError, Extent, History, Job, JobResult, Rw, Span, Verify, drive};

use crate::claim::{Leave, Target};

use super::bench::{Outcome, Trouble};
use super::engines::told;

/// Bytes of one block and of each of the places that are stamped: at the beginning, in the middle and at the end of the claimed range.
const BLOCK: u32 = 4096;
const PLACE: u64 = 64 * BLOCK as u64;

/// What a purge has done to one drive.
#[derive(Debug)]
pub(super) struct Purged {
    target: String,
    bytes: u64,
    how: &'static str,
    took: Duration,
    /// Blocks that were stamped before and looked for after it, those that were still there, those that were not, and those that could
    /// not be read.
    witnesses: u64,
    survived: u64,
    gone: u64,
    failed: BTreeMap<String, u64>,
}

/// Stamps some blocks, erases, and looks for them. `erase` answers by what, and how long it took.
pub(super) fn purge(
    leave: &Leave,
    history: &History,
    stamp_seed: u64,
    stop: &AtomicBool,
    erase: &mut dyn FnMut() -> Result<(&'static str, Duration), EngineError>,
) -> Result<Purged, Trouble> {
    let places: Vec<(Span, History)> = places(leave.span()).into_iter().map(|span| (span, History::new(span))).collect();
    let pass = |rw: Rw| -> Result<Vec<JobResult>, Trouble> {
        let each = places.iter().map(|(span, known)| {
            let job = Job { extent: Extent::WholeSpan, stamp_seed, verify: Verify::Stamp, ..Job::new(rw, BLOCK, 16, *span) };
            let writable = rw.writes().then_some(leave as &dyn WriteLeave);
            let Target::File(file) = leave.on() else {
                let why = "only drives are purged".to_owned();
                return Err(EngineError::Job { rw: "a purge", target: leave.name().to_owned(), why });
            };
            let mut lane = Uring::open(file, leave.name(), BLOCK, job.iodepth, writable, Options::default())?;
            drive(&job, &mut lane, Some(known), stop, None)
        });
        each.collect::<Result<_, EngineError>>().map_err(told)
    };
    // Those that are as they were stamped, and those that are something else.
    let count = |results: &[JobResult]| {
        let compared: u64 = results.iter().map(|result| result.verification.verified).sum();
        let other: u64 = results.iter().flat_map(|result| result.verification.corrupt.values()).sum();
        (compared.saturating_sub(other), other)
    };
    pass(Rw::Write)?;
    let witnesses = places.iter().map(|(span, _)| span.bytes / u64::from(BLOCK)).sum();
    let (seen, _) = count(&pass(Rw::Read)?);
    let purged = |(how, took), survived, gone, failed| {
        let (target, bytes) = (leave.name().to_owned(), leave.span().bytes);
        Purged { target, bytes, how, took, witnesses, survived, gone, failed }
    };
    if stop.load(Ordering::Relaxed) {
        return Ok(purged(("nothing", Duration::ZERO), 0, 0, BTreeMap::new()));
    }
    if seen != witnesses {
        return Err(Trouble::Failed(format!(
            "{} did not give back {witnesses} blocks before its purge, so that they are gone after it proves nothing",
            leave.name()
        )));
    }
    let done = erase().map_err(told)?;
    history.trimmed(leave.span().start, leave.span().bytes);
    let after = pass(Rw::Read)?;
    let (survived, gone) = count(&after);
    let mut failed = BTreeMap::new();
    for (error, count) in after.iter().flat_map(|result| &result.verification.failed) {
        *failed.entry(error.clone()).or_default() += *count;
    }
    Ok(purged(done, survived, gone, failed))
}

fn places(span: Span) -> Vec<Span> {
    let at = |offset: u64| Span { start: span.start + offset / u64::from(BLOCK) * u64::from(BLOCK), bytes: PLACE };
    match span.bytes.checked_sub(PLACE) {
        Some(last) if last >= 2 * PLACE => vec![at(0), at(last / 2), at(last)],
        Some(_) => vec![at(0)],
        None => vec![span],
    }
}

/// Counts as operations the blocks that were looked for: their absence is what was verified.
pub(super) fn outcome(drives: &[Purged]) -> Outcome {
    let sum = |of: fn(&Purged) -> u64| drives.iter().map(of).sum::<u64>();
    let mut failed = BTreeMap::new();
    for (error, count) in drives.iter().flat_map(|drive| &drive.failed) {
        *failed.entry(error.clone()).or_default() += *count;
    }
    let survived = sum(|drive| drive.survived);
    let notes = drives.iter().map(|drive| {
        let Purged { target, how, took, witnesses, survived, .. } = drive;
        let text = format!("{how} took {took:.1?}; {survived} of {witnesses} blocks that were stamped before are still there");
        (format!("purge of {target}"), text)
    });
    Outcome {
        elapsed: drives.iter().map(|drive| drive.took).sum(),
        cpu_share: None,
        operations: sum(|drive| drive.witnesses),
        bytes: sum(|drive| drive.bytes),
        all_operations: sum(|drive| drive.witnesses),
        verified: sum(|drive| drive.gone) + survived,
        failed,
        corrupt: if survived == 0 { BTreeMap::new() } else { BTreeMap::from([("survived the purge".to_owned(), survived)]) },
        notes: notes.collect(),
        ..Outcome::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn purged(erase: &mut dyn FnMut(&Leave) -> std::io::Result<()>) -> Result<Outcome, String> {
        let folder = tempfile::tempdir_in("/dev/shm").expect("a folder");
        let claim = crate::claim::scratch(folder.path(), "purge", 8 << 20).expect("claimed");
        let leave = claim.leave().expect("a leave");
        let history = History::new(leave.span());
        let mut act = || {
            let told = |source| EngineError::Ring { act: "format", target: "it".to_owned(), source };
            erase(&leave).map(|()| ("a hole", Duration::from_millis(5))).map_err(told)
        };
        match purge(&leave, &history, 1, &AtomicBool::new(false), &mut act) {
            Ok(drive) => Ok(outcome(&[drive])),
            Err(Trouble::Failed(why) | Trouble::NotConfigured(why)) => Err(why),
        }
    }

    #[test]
    fn a_drive_that_says_that_it_has_erased_and_has_not_is_found_out() {
        let done = purged(&mut |_| Ok(())).expect("done");
        assert_eq!((done.corrupt.get("survived the purge"), done.verified), (Some(&192), 192));
        // All but its last block.
        let partly =
            |leave: &Leave| rustix::fs::fallocate(leave.on().file().expect("a file"), flags(), 0, leave.span().bytes - 4096).map_err(Into::into);
        let done = purged(&mut |leave| partly(leave)).expect("done");
        assert_eq!((done.corrupt.get("survived the purge"), done.verified), (Some(&1), 192));
    }

    #[test]
    fn an_erased_drive_is_not_accused_and_what_a_failed_command_says_is_told() {
        let whole = |leave: &Leave| rustix::fs::fallocate(leave.on().file().expect("a file"), flags(), 0, leave.span().bytes).map_err(Into::into);
        let done = purged(&mut |leave| whole(leave)).expect("done");
        assert_eq!((done.corrupt.len(), done.failed.len(), done.verified, done.operations), (0, 0, 192, 192));
        let why = purged(&mut |_| Err(std::io::Error::other("the controller answered with status 0x10a"))).expect_err("failed");
        assert!(why.contains("0x10a"), "{why}");
    }

    fn flags() -> rustix::fs::FallocateFlags {
        rustix::fs::FallocateFlags::PUNCH_HOLE | rustix::fs::FallocateFlags::KEEP_SIZE
    }
}
