//! What cannot be meant by a job, whatever it is done on.

use super::{BS_MAX, Distribution, Extent, Job, Load, Rw};

impl Job {
    /// Why it can be done on nothing, if that is so.
    pub fn fault(&self) -> Option<String> {
        let no = |why: &str| Some(why.to_owned());
        if self.bs.shares().iter().any(|(bytes, _)| *bytes == 0 || !bytes.is_multiple_of(512) || *bytes > BS_MAX) {
            return no("block sizes are multiples of 512 bytes, up to 16 MiB");
        }
        if self.iodepth == 0 {
            return no("the iodepth must be at least 1");
        }
        if self.span.bytes / u64::from(self.bs.largest()) < u64::from(self.iodepth) {
            return no("the span must hold at least one block per operation in flight");
        }
        if self.rwmixread > 100 || self.compress_percentage > 100 {
            return no("rwmixread and buffer_compress_percentage are percentages");
        }
        if let Some(why) = self.distribution.fault() {
            return Some(why);
        }
        if (self.fua || self.fsync > 0) && !self.rw.fills() {
            return no("fua and fsync mean something for writes only");
        }
        match (self.extent, self.load) {
            (Extent::WholeSpan, _) if self.rw.is_random() => no("a pass over the whole span is sequential"),
            (Extent::Sprandom { .. }, _) if self.rw != Rw::RandWrite || self.bs.single().is_none() || self.distribution != Distribution::Uniform => {
                no("pseudo-random preconditioning is random writes of one block size")
            }
            (Extent::Sprandom { over_provisioning: 0 }, _) => no("no drive is without over-provisioning"),
            (Extent::Sprandom { .. }, _) if self.io_size.is_some() => no("pseudo-random preconditioning is done whole or is none"),
            (Extent::WholeSpan | Extent::Sprandom { .. }, Load::Open { .. }) => no("a pass over the whole span has no rate"),
            (_, Load::Open { rate: 0, .. }) => no("an open loop needs a rate of at least one operation per second"),
            (Extent::Runtime(_) | Extent::WholeSpan | Extent::Sprandom { .. }, Load::Closed | Load::Open { .. }) => None,
        }
    }
}
