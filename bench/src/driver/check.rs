//! Jobs that make no sense are refused before anything is touched.

use crate::engine::Lane;
use crate::error::EngineError;
use crate::history::History;
use crate::job::{Job, Verify};

/// Whether this job can be done on this lane.
pub(super) fn check(job: &Job, lane: &dyn Lane, history: Option<&History>) -> Result<(), EngineError> {
    match fault(job, lane, history) {
        None => Ok(()),
        Some(why) => Err(EngineError::Job { rw: job.rw.name(), target: lane.target().to_owned(), why }),
    }
}

fn fault(job: &Job, lane: &dyn Lane, history: Option<&History>) -> Option<String> {
    let sizes = || job.bs.shares().iter().map(|(bytes, _)| *bytes);
    let no = |why: &str| Some(why.to_owned());
    if let Some(why) = job.fault() {
        return Some(why);
    }
    if lane.slots() < job.iodepth {
        return no("the lane has fewer buffers than the iodepth");
    }
    if lane.block_size() < job.bs.largest() {
        return no("the lane's buffers are smaller than the largest block");
    }
    match (job.verify, history) {
        (Verify::Off, Some(_)) if job.rw.writes() => no("writes without stamps would make the write history untrue"),
        (Verify::Off, _) => None,
        (Verify::Stamp, None) => no("verification needs a write history"),
        (Verify::Stamp, Some(history)) => {
            let unit = history.unit();
            if sizes().any(|bytes| !u64::from(bytes).is_multiple_of(unit)) {
                return Some(format!("stamped blocks are multiples of the {unit} bytes of the write history"));
            }
            (!history.covers(job.span)).then(|| format!("the span must lie within the write history, in steps of {unit} bytes"))
        }
    }
}
