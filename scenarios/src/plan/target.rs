//! What a run works on, and whether it may do to it what it plans: drives have an owner, a second key before they are purged, and a life.

use std::path::Path;

use assay_bench::Rw;

use crate::claim::{GUARD, ImagePlace, TargetKind};
use crate::printable::Printable;
use crate::scenario::{Extent, Scenario, TargetSize, Work};

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
                (TargetKind::Pool | TargetKind::MappedPool, _) => {
                    Err(format!("it works on whole devices, and {} is a pool", Printable::new(&place.path)))
                }
            };
            let sizes = places.iter().map(of).collect::<Result<Vec<_>, _>>()?;
            // The areas where labels live are left alone at both ends.
            let least = sizes.into_iter().min().unwrap_or(0).saturating_sub(2 * GUARD) / GRAIN * GRAIN;
            if least == 0 { Err(format!("a device of less than {} bytes is too small", 2 * GUARD + GRAIN)) } else { Ok(least) }
        }
    }
}

/// Whether the engines of a scenario can work on what it was given.
pub(super) fn fits(scenario: &Scenario, places: &[Place]) -> Result<(), String> {
    let image = places.iter().find(|place| place.kind == TargetKind::Pool);
    let other = places.iter().find(|place| place.kind != TargetKind::Pool);
    for work in scenario.steps.iter().flat_map(|step| &step.work) {
        if let (Work::Drill(drill), [first, second, ..]) = (work, places) {
            let [first, second] = [first, second].map(|place| Printable::new(&place.path));
            return Err(format!("{} works on one image, and was given several targets: {first}, {second}", drill.family()));
        }
        if let (Work::Drill(drill), Some(place)) = (work, other) {
            return Err(format!(
                "{} works on an image of a Ceph cluster (--target rbd:POOL/), and not on {}",
                drill.family(),
                Printable::new(&place.path)
            ));
        }
        let Work::Io(io) = work else { continue };
        match (io.is_on_an_image(), image, other) {
            (true, _, Some(place)) => {
                return Err(format!(
                    "its engine {} works on images of a Ceph cluster (--target rbd:POOL/), and not on {}",
                    io.engine,
                    Printable::new(&place.path)
                ));
            }
            (false, Some(place), _) if io.engine != "null" => {
                return Err(format!("its engine {} works on files and devices, and not on an image in {}", io.engine, Printable::new(&place.path)));
            }
            (true | false, _, _) => {}
        }
    }
    // They would be looked for in a file of that name, or on a device that has the number of the one that is gone.
    let is_image = |place: &&Place| matches!(place.kind, TargetKind::Pool | TargetKind::MappedPool) || place.image_pool.is_some();
    match places.iter().find(is_image) {
        Some(place) if scenario.ack_log => {
            Err(format!("acknowledged writes are kept for a death of files and devices, not of an image in {}", Printable::new(&place.path)))
        }
        Some(_) | None => Ok(()),
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
        if let (PlannedTarget::ScratchImage { place, .. }, Some(PlannedTarget::ScratchImage { place: first, .. })) = (&target, targets.first())
            && !place.is_like(first)
        {
            let path = Printable::new(target.path());
            return Err(format!(
                "images in {path} would have another client or cache, other objects or features than the first ones, and figures of both are none"
            ));
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
        (TargetKind::Pool | TargetKind::MappedPool, _) => {
            let image = ImagePlace::named(&place.path, &permits.scratch_pools).map_err(|refusal| refusal.to_string())?;
            PlannedTarget::ScratchImage { path: image.path(), place: image, bytes }
        }
        (TargetKind::Folder, _) => PlannedTarget::ScratchFile { folder: path, bytes },
        (TargetKind::BlockDevice, _) if place.image_pool.is_some() => {
            let pool = place.image_pool.clone().expect("there is one");
            if !permits.scratch_pools.names.contains(&pool) {
                let (path, pool) = (Printable::new(&path), Printable::new(pool));
                return Err(format!(
                    "{path} maps an image of the pool {pool}, which the site does not name among the `scratch_pools` of [ceph] in declared.toml"
                ));
            }
            PlannedTarget::MappedImage { path, pool, fsid: permits.scratch_pools.fsid.clone(), bytes }
        }
        (TargetKind::BlockDevice, None) => PlannedTarget::LoopDevice { path, bytes },
        (TargetKind::BlockDevice, Some(serial)) if permits.owned.contains(serial) => {
            let rated_bytes = place.rated_bytes.unwrap_or_else(|| assumed_life(place.bytes.unwrap_or(bytes)));
            PlannedTarget::Drive { path, serial: serial.clone(), bytes, rated_bytes }
        }
        (TargetKind::BlockDevice, Some(serial)) => {
            let (path, serial) = (Printable::new(&path), Printable::new(serial));
            return Err(format!("{path} is a drive with the serial number {serial}; if everything on it may be lost, say --i-own-serial {serial}"));
        }
    })
}

/// Bytes that a drive of this size may write in its life where nobody knows its part.
pub(crate) fn assumed_life(bytes: u64) -> u64 {
    bytes.saturating_mul(WARRANTY_DAYS) / 1000 * LEAST_WRITES_PER_1000_DAYS
}

/// Whether drives may take what the steps do to them.
pub(super) fn may_be_written(targets: &[PlannedTarget], steps: &[PlannedStep], target_bytes: u64, permits: &Permits) -> Result<(), String> {
    for (number, target) in targets.iter().enumerate() {
        let PlannedTarget::Drive { path, serial, rated_bytes, .. } = target else { continue };
        let path = Printable::new(path);
        let purges = |work: &PlannedWork| match work {
            PlannedWork::Io(io) => io.on.contains(&number) && io.spec.rw == Rw::Trim && io.spec.extent == Extent::Whole,
            PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) | PlannedWork::Drill(_) => false,
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
        // It has one target.
        PlannedWork::Drill(drill) => drill.spec.written(),
        PlannedWork::Io(_) | PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) => 0,
    };
    steps.iter().map(|step| u64::from(step.rounds.most()).saturating_mul(step.work.iter().map(of).sum())).fold(0, u64::saturating_add)
}
