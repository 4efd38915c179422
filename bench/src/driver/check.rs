//! Jobs that make no sense are refused before anything is touched.

use crate::engine::Lane;
use crate::error::EngineError;
use crate::history::History;
use crate::job::{BS_MAX, Extent, Job, Load, Verify};

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
    if sizes().any(|bytes| bytes == 0 || !bytes.is_multiple_of(512) || bytes > BS_MAX) {
        return no("block sizes are multiples of 512 bytes, up to 16 MiB");
    }
    if job.iodepth == 0 {
        return no("the iodepth must be at least 1");
    }
    if job.span.bytes / u64::from(job.bs.largest()) < u64::from(job.iodepth) {
        return no("the span must hold at least one block per operation in flight");
    }
    if lane.slots() < job.iodepth {
        return no("the lane has fewer buffers than the iodepth");
    }
    if lane.block_size() < job.bs.largest() {
        return no("the lane's buffers are smaller than the largest block");
    }
    if job.rwmixread > 100 || job.compress_percentage > 100 {
        return no("rwmixread and buffer_compress_percentage are percentages");
    }
    if let Some(why) = job.distribution.fault() {
        return Some(why);
    }
    if (job.fua || job.fsync > 0) && !job.rw.fills() {
        return no("fua and fsync mean something for writes only");
    }
    match (job.verify, history) {
        (Verify::Off, Some(_)) if job.rw.writes() => return no("writes without stamps would make the write history untrue"),
        (Verify::Off, _) => {}
        (Verify::Stamp, None) => return no("verification needs a write history"),
        (Verify::Stamp, Some(history)) => {
            let unit = history.unit();
            if sizes().any(|bytes| !u64::from(bytes).is_multiple_of(unit)) {
                return Some(format!("stamped blocks are multiples of the {unit} bytes of the write history"));
            }
            if !history.covers(job.span) {
                return Some(format!("the span must lie within the write history, in steps of {unit} bytes"));
            }
        }
    }
    match (job.extent, job.load) {
        (Extent::WholeSpan, _) if job.rw.is_random() => no("a pass over the whole span is sequential"),
        (Extent::WholeSpan, Load::Open { .. }) => no("a pass over the whole span has no rate"),
        (_, Load::Open { rate: 0, .. }) => no("an open loop needs a rate of at least one operation per second"),
        (Extent::Runtime(_) | Extent::WholeSpan, Load::Closed | Load::Open { .. }) => None,
    }
}
