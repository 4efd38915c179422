//! What a run works on, and whether it may do to it what it plans: drives have an owner, a second key before they are purged, and a life.

use std::path::Path;

use assay_bench::Rw;

use crate::claim::{GUARD, TargetKind};
use crate::printable::Printable;
use crate::scenario::{Extent, TargetSize};

use super::{Permits, Place, PlannedStep, PlannedTarget, PlannedWork, written_by};

/// Whole devices are used down to this, so that every block size divides them.
const GRAIN: u64 = 16 << 20;
/// The warranty of drives, years of 365 days.
const WARRANTY_DAYS: u64 = 5 * 365;
/// What a drive is taken for whose part nobody knows: the least that is sold for servers, 0.3 drive writes per day.
const LEAST_WRITES_PER_1000_DAYS: u64 = 300;

/// Bytes of each target.
pub(super) fn bytes(size: TargetSize, places: &[Place]) -> Result<u64, String> {
    match size {
        TargetSize::Bytes(bytes) => Ok(bytes),
        TargetSize::Whole => {
            let of = |place: &Place| match (place.kind, place.bytes) {
                (TargetKind::BlockDevice, Some(bytes)) => Ok(bytes),
                (TargetKind::BlockDevice, None) => Err(format!("how large {} is the kernel does not say", Printable::new(&place.path))),
                (TargetKind::Folder, _) => Err(format!("it works on whole devices, and {} is a folder", Printable::new(&place.path))),
            };
            let sizes = places.iter().map(of).collect::<Result<Vec<_>, _>>()?;
            // The areas where labels live are left alone at both ends.
            let least = sizes.into_iter().min().unwrap_or(0).saturating_sub(2 * GUARD) / GRAIN * GRAIN;
            if least == 0 { Err(format!("a device of less than {} bytes is too small", 2 * GUARD + GRAIN)) } else { Ok(least) }
        }
    }
}

/// The targets of a plan.
pub(super) fn planned(places: &[Place], bytes: u64, permits: &Permits) -> Result<Vec<PlannedTarget>, String> {
    let mut targets = Vec::new();
    for place in places {
        let target = planned_target(place, bytes, permits)?;
        if targets.iter().any(|known: &PlannedTarget| known.path() == target.path()) {
            return Err(format!("the target {} was given twice", Printable::new(target.path())));
        }
        targets.push(target);
    }
    Ok(targets)
}

fn planned_target(place: &Place, bytes: u64, permits: &Permits) -> Result<PlannedTarget, String> {
    let path: &Path = &place.path;
    if path.to_str().is_none() {
        return Err(format!("the target {} is not valid UTF-8, and a plan is a text", Printable::new(path)));
    }
    let path = std::path::absolute(path).map_err(|error| format!("the target {}: {error}", Printable::new(path)))?;
    Ok(match (place.kind, &place.serial) {
        (TargetKind::Folder, _) => PlannedTarget::ScratchFile { folder: path, bytes },
        (TargetKind::BlockDevice, None) => PlannedTarget::LoopDevice { path, bytes },
        (TargetKind::BlockDevice, Some(serial)) if permits.owned.contains(serial) => {
            let assumed = place.bytes.unwrap_or(bytes).saturating_mul(WARRANTY_DAYS) / 1000 * LEAST_WRITES_PER_1000_DAYS;
            PlannedTarget::Drive { path, serial: serial.clone(), bytes, rated_bytes: place.rated_bytes.unwrap_or(assumed) }
        }
        (TargetKind::BlockDevice, Some(serial)) => {
            let (path, serial) = (Printable::new(&path), Printable::new(serial));
            return Err(format!("{path} is a drive with the serial number {serial}; if everything on it may be lost, say --i-own-serial {serial}"));
        }
    })
}

/// Whether drives may take what the steps do to them.
pub(super) fn may_be_written(targets: &[PlannedTarget], steps: &[PlannedStep], target_bytes: u64, permits: &Permits) -> Result<(), String> {
    for (number, target) in targets.iter().enumerate() {
        let PlannedTarget::Drive { path, serial, rated_bytes, .. } = target else { continue };
        let path = Printable::new(path);
        let purges = |work: &PlannedWork| match work {
            PlannedWork::Io(io) => io.on.contains(&number) && io.spec.rw == Rw::Trim && io.spec.extent == Extent::Whole,
            PlannedWork::Triad { .. } => false,
        };
        if steps.iter().flat_map(|step| &step.work).any(purges) && !permits.purged.contains(serial) {
            let serial = Printable::new(serial);
            return Err(format!("it purges {path}; a second key is asked for that: --purge-serial {serial}"));
        }
        let written = written_to(number, steps, target_bytes);
        let budget = rated_bytes / 100 * u64::from(permits.endurance_percent);
        if written > budget {
            return Err(format!(
                "it may write {written} bytes to {path}, more than {} % of the {rated_bytes} bytes that the drive may write in its life; \
                 --endurance-percent sets another share",
                permits.endurance_percent
            ));
        }
    }
    Ok(())
}

/// Bytes that a run writes to one of its targets at most, trims left out: they wear nothing.
pub(super) fn written_to(number: usize, steps: &[PlannedStep], target_bytes: u64) -> u64 {
    let of = |work: &PlannedWork| match work {
        PlannedWork::Io(io) if io.on.contains(&number) && io.spec.rw.fills() => {
            written_by(work, target_bytes) / u64::try_from(io.on.len()).expect("few targets")
        }
        PlannedWork::Io(_) | PlannedWork::Triad { .. } => 0,
    };
    steps.iter().map(|step| u64::from(step.rounds.most()).saturating_mul(step.work.iter().map(of).sum())).fold(0, u64::saturating_add)
}
