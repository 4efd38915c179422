//! The content of blocks: payload and stamps go in before a write, reads are compared with the stamp and with the write history. What cannot be known
//! afterwards, because an operation failed, is not held against the target.

use super::Outstanding;
use super::record::Recorder;
use crate::engine::{Lane, OpKind};
use crate::history::{Expected, History};
use crate::job::{Job, Verify};
use crate::payload::Payload;
use crate::stamp;

pub(super) struct Content<'a> {
    // None when nothing is stamped and compared.
    stamps: Option<Stamps<'a>>,
    // Kept also of writes without stamps; None when the job fills no block.
    payload: Option<Payload>,
    // By slot: whether the buffer still holds payload of ours.
    holds: Vec<bool>,
}

struct Stamps<'a> {
    history: &'a History,
    seed: u64,
    unit: usize,
}

impl<'a> Content<'a> {
    pub(super) fn new(job: &Job, lane: &mut dyn Lane, history: Option<&'a History>) -> Self {
        let slots = lane.slots();
        let block = usize::try_from(lane.block_size()).expect("a block fits into memory");
        let payload = job.rw.fills().then(|| {
            for slot in 0..slots {
                crate::payload::fill(lane.buffer(slot), job.seed ^ u64::from(slot).rotate_left(32), job.compress_percentage);
            }
            Payload::new(!job.seed, job.compress_percentage, block, super::index(slots))
        });
        let stamps = match (job.verify, history) {
            (Verify::Stamp, Some(history)) => {
                Some(Stamps { history, seed: job.stamp_seed, unit: usize::try_from(history.unit()).expect("a unit fits into memory") })
            }
            (Verify::Off | Verify::Stamp, _) => None,
        };
        Self { stamps, payload, holds: vec![true; super::index(slots)] }
    }

    /// Whether writes carry stamps and reads are compared.
    pub(super) fn is_stamped(&self) -> bool {
        self.stamps.is_some()
    }

    /// A read will be put into this buffer.
    pub(super) fn lose(&mut self, slot: u32) {
        self.holds[super::index(slot)] = false;
    }

    /// Puts into the buffer what is to be written; gives the generation of its stamps.
    pub(super) fn put(&mut self, buffer: &mut [u8], slot: u32, offset: u64) -> u64 {
        if let Some(payload) = &mut self.payload {
            payload.put(buffer, std::mem::replace(&mut self.holds[super::index(slot)], true));
        }
        let Some(stamps) = &self.stamps else { return 0 };
        let generation = stamps.history.draw();
        stamp::stamp(buffer, stamps.unit, stamps.seed, offset, generation);
        generation
    }

    /// An operation was acknowledged.
    pub(super) fn acknowledged(&self, out: &Outstanding) {
        let Some(stamps) = &self.stamps else { return };
        match out.kind {
            OpKind::Read | OpKind::Flush => {}
            OpKind::Write | OpKind::WriteFua => stamps.history.written(out.offset, u64::from(out.bytes), out.generation),
            OpKind::Trim => stamps.history.trimmed(out.offset, u64::from(out.bytes)),
        }
    }

    /// An operation has failed, or it is not known what became of it.
    pub(super) fn doubt(&self, out: &Outstanding) {
        let Some(stamps) = &self.stamps else { return };
        match out.kind {
            OpKind::Read | OpKind::Flush => {}
            OpKind::Write | OpKind::WriteFua => stamps.history.uncertain(out.offset, u64::from(out.bytes)),
            OpKind::Trim => stamps.history.trimmed(out.offset, u64::from(out.bytes)),
        }
    }

    /// Compares a block that was read with what must be there. Nothing is written there meanwhile.
    pub(super) fn look(&self, block: &[u8], offset: u64, recorder: &mut Recorder) {
        let Some(stamps) = &self.stamps else { return };
        let mut at = offset;
        let mut compared = true;
        for unit in block.chunks_exact(stamps.unit) {
            let expected = stamps.history.expected(at);
            compared &= expected != Expected::Unwritten;
            if let Err(corruption) = stamp::check(unit, stamps.seed, at, expected) {
                recorder.corrupt(corruption, at);
            }
            at += stamps.history.unit();
        }
        if compared {
            recorder.verified();
        }
    }
}
