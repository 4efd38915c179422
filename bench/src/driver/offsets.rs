//! Where the next operation goes: uniform over the span at random, or one block after the other. Two operations on one block are never out together,
//! so that what must be there afterwards is never a matter of luck.

use crate::job::{Extent, Job};

/// A small fast generator, good enough for offsets and incompressible payload; the same seed gives the same draws.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    /// Starts at `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits (splitmix64, public domain, Steele, Lea and Flood 2014).
    pub(crate) fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number above 0 and up to 1.
    pub(crate) fn unit(&mut self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "53 bits, as many as the number has")]
        let unit = ((self.draw() >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        unit
    }

    /// A number below `bound`, by multiplication instead of division.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let wide = (u128::from(self.draw()) * u128::from(bound)) >> 64;
        u64::try_from(wide).expect("the high half of a product of two 64-bit numbers has 64 bits")
    }
}

pub(super) struct Offsets {
    random: Option<Random>,
    next: u64,
    blocks: u64,
    start: u64,
    bs: u64,
    budget: Option<u64>,
    once: bool,
    // One bit per block that is written right now; empty when nothing is written.
    busy: Vec<u64>,
}

impl Offsets {
    pub(super) fn new(job: &Job, blocks: u64) -> Self {
        let bs = u64::from(job.bs);
        let words = if job.rw.writes() { usize::try_from(blocks.div_ceil(64)).expect("a bit per block fits into memory") } else { 0 };
        Self {
            random: job.rw.is_random().then(|| Random::new(job.seed)),
            next: 0,
            blocks,
            start: job.span.start,
            bs,
            budget: job.io_size.map(|bytes| bytes / bs),
            once: job.extent == Extent::WholeSpan,
            busy: vec![0; words],
        }
    }

    /// Whether no operation will ever come again.
    pub(super) fn is_exhausted(&self) -> bool {
        self.budget == Some(0) || (self.once && self.next >= self.blocks)
    }

    /// The next offset, or none when the budget or the span is used up.
    pub(super) fn draw(&mut self) -> Option<u64> {
        if self.is_exhausted() {
            return None;
        }
        let mut block = self.pick();
        while self.is_busy(block) {
            block = self.pick();
        }
        self.mark(block, true);
        if let Some(budget) = &mut self.budget {
            *budget -= 1;
        }
        Some(self.start + block * self.bs)
    }

    /// The operation at `offset` is over.
    pub(super) fn give_back(&mut self, offset: u64) {
        // Reads mark nothing, and a division costs as much as half of what the driver does otherwise.
        if !self.busy.is_empty() {
            self.mark((offset - self.start) / self.bs, false);
        }
    }

    fn pick(&mut self) -> u64 {
        match &mut self.random {
            Some(random) => random.below(self.blocks),
            None => {
                if self.next >= self.blocks && !self.once {
                    self.next = 0;
                }
                self.next += 1;
                self.next - 1
            }
        }
    }

    fn is_busy(&self, block: u64) -> bool {
        self.busy.get(word(block)).is_some_and(|word| word & bit(block) != 0)
    }

    fn mark(&mut self, block: u64, busy: bool) {
        if let Some(word) = self.busy.get_mut(word(block)) {
            if busy { *word |= bit(block) } else { *word &= !bit(block) }
        }
    }
}

fn word(block: u64) -> usize {
    usize::try_from(block / 64).expect("a bit per block fits into memory")
}

fn bit(block: u64) -> u64 {
    1 << (block % 64)
}
