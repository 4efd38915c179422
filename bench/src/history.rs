//! What must be on the target: the generation last written to every 4 KiB unit, so that a stale block is told from a good one.

use crate::job::Span;
use crate::stamp::UNIT;

/// Never written by us.
const UNWRITTEN: u32 = 0;
/// A write failed: the old or the new content may be there.
const UNCERTAIN: u32 = u32::MAX;

/// The write history of one target during one run.
#[derive(Debug, Clone)]
pub struct History {
    start: u64,
    generations: Vec<u32>,
    next: u32,
}

/// What a unit must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing of ours.
    Unwritten,
    /// Exactly this generation.
    Generation(u32),
    /// Something of ours at this place, of whatever generation.
    Uncertain,
}

impl History {
    /// A target of which nothing is written yet.
    pub fn new(span: Span) -> Self {
        let units = usize::try_from(span.bytes / UNIT).expect("the write history of the span fits into memory");
        Self { start: span.start, generations: vec![UNWRITTEN; units], next: UNWRITTEN + 1 }
    }

    /// A generation that was never used before.
    pub fn draw(&mut self) -> u32 {
        let drawn = self.next;
        self.next += 1;
        assert!(self.next < UNCERTAIN, "a run writes fewer than 2^32 blocks");
        drawn
    }

    /// Records an acknowledged write.
    pub fn written(&mut self, offset: u64, bytes: u64, generation: u32) {
        self.set(offset, bytes, generation);
    }

    /// Records a write that failed or came back short.
    pub fn uncertain(&mut self, offset: u64, bytes: u64) {
        self.set(offset, bytes, UNCERTAIN);
    }

    /// What the unit at `offset` must hold.
    pub fn expected(&self, offset: u64) -> Expected {
        match self.generations.get(self.index(offset)).copied() {
            Some(UNCERTAIN) => Expected::Uncertain,
            Some(UNWRITTEN) | None => Expected::Unwritten,
            Some(generation) => Expected::Generation(generation),
        }
    }

    /// Forgets generations: what a resumed run may say of a target that an earlier process wrote.
    pub fn assume_written(&mut self) {
        self.generations.fill(UNCERTAIN);
    }

    fn set(&mut self, offset: u64, bytes: u64, generation: u32) {
        let from = self.index(offset);
        let units = usize::try_from(bytes / UNIT).expect("a block fits into memory");
        self.generations[from..from + units].fill(generation);
    }

    fn index(&self, offset: u64) -> usize {
        usize::try_from((offset - self.start) / UNIT).expect("the span fits into memory")
    }
}
