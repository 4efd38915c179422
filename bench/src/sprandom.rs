//! Pseudo-random preconditioning: a stream of block writes, about one physical capacity long, after which a drive's blocks hold as much valid data as they
//! do after days of random writes. Plain filling leaves every block full, so that random writes begin far too fast and take several capacities to settle.
//!
//! The model is P. Desnoyers' (Analytic Models of SSD Write Performance, ACM Transactions on Storage 8(2), 2012): while random writes go on, the share of
//! blocks of validity v is k / v, from the validity v0 of the block that is collected next up to 1. Ordered by age, the block at `x` (0 the oldest, 1 the
//! newest) is valid to v0^(1 - x), and v0 follows from the mean validity: (1 - v0) / ln(1 / v0) = logical / physical capacity. fio calls it sprandom.

use crate::driver::Random;

/// Block numbers in the order in which they are to be written: every block at least once, some of them again one region later.
#[derive(Debug, Clone)]
pub struct Sprandom {
    shape: Shape,
    order: Permutation,
    random: Random,
    // How many blocks of the order have been written.
    fresh: u64,
    region: u64,
    // What is left of the region: blocks that were never written, and blocks of the region before that are written again.
    fresh_left: u64,
    again: Vec<u64>,
    // Blocks of this region that the next one writes again, and how many more are to be chosen.
    marked: Vec<u64>,
    marks_left: u64,
}

#[derive(Debug, Clone, Copy)]
struct Shape {
    blocks: u64,
    regions: u64,
    region_blocks: u64,
    // Validity of the oldest blocks.
    oldest: f64,
}

impl Sprandom {
    /// Regions into which the physical capacity is divided; more of them follow the model more closely and take less memory.
    pub const USUAL_REGIONS: u64 = 200;

    /// A stream over `blocks` blocks of a drive with `over_provisioning` (physical over logical capacity, less 1) in `regions` parts.
    ///
    /// # Panics
    /// When there is no block or region, or the over-provisioning is not a number above 0.
    pub fn new(blocks: u64, over_provisioning: f64, regions: u64, seed: u64) -> Self {
        assert!(blocks > 0 && regions > 0 && over_provisioning > 0.0, "a drive has blocks, and more of them than it shows");
        let region_blocks = scaled(blocks, (1.0 + over_provisioning) / float(regions)).max(1);
        let shape = Shape { blocks, regions, region_blocks, oldest: oldest_validity(over_provisioning) };
        let mut stream = Self {
            shape,
            order: Permutation::new(blocks, seed),
            random: Random::new(!seed),
            fresh: 0,
            region: 0,
            fresh_left: 0,
            again: Vec::new(),
            marked: Vec::new(),
            marks_left: 0,
        };
        stream.begin_region();
        stream
    }

    /// Writes that the whole stream has.
    pub fn writes(blocks: u64, over_provisioning: f64, regions: u64) -> u64 {
        let shape = Self::new(blocks, over_provisioning, regions, 0).shape;
        let again: u64 = (0..regions).map(|region| shape.marks(region)).sum();
        blocks + again
    }

    /// Memory that it takes at most, bytes: the blocks that two regions write again.
    pub fn footprint(blocks: u64, over_provisioning: f64, regions: u64) -> u64 {
        let shape = Self::new(blocks, over_provisioning, regions, 0).shape;
        2 * 8 * shape.marks(0)
    }

    fn begin_region(&mut self) {
        let shape = self.shape;
        self.again = std::mem::take(&mut self.marked);
        shuffle(&mut self.again, &mut self.random);
        let again = length(&self.again);
        let left = shape.blocks - self.fresh;
        let is_last = self.region + 1 >= shape.regions;
        self.fresh_left = if is_last { left } else { left.min(shape.region_blocks.saturating_sub(again)) };
        self.marks_left = shape.marks(self.region).min(self.fresh_left + again);
    }

    // The next of what is left of the region, and whether it was never written before.
    fn pick(&mut self) -> Option<u64> {
        let left = self.fresh_left + length(&self.again);
        if left == 0 {
            return None;
        }
        // Each that is left is equally likely to be next, and to be chosen: both kinds are spread evenly over the region.
        let block = if self.random.below(left) < self.fresh_left {
            self.fresh_left -= 1;
            self.fresh += 1;
            self.order.at(self.fresh - 1)
        } else {
            self.again.pop()?
        };
        if self.random.below(left) < self.marks_left {
            self.marks_left -= 1;
            self.marked.push(block);
        }
        Some(block)
    }
}

impl Iterator for Sprandom {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        loop {
            if let Some(block) = self.pick() {
                return Some(block);
            }
            if self.marked.is_empty() && self.fresh == self.shape.blocks {
                return None;
            }
            self.region += 1;
            self.begin_region();
        }
    }
}

impl Shape {
    // Blocks of a region that must not be valid any more when the last region is written.
    fn marks(self, region: u64) -> u64 {
        if region + 1 >= self.regions {
            return 0;
        }
        let age = 1.0 - (float(region) + 0.5) / float(self.regions);
        scaled(self.region_blocks, 1.0 - self.oldest.powf(age))
    }
}

/// The validity v0 for which (1 - v0) / ln(1 / v0) is the share of the physical capacity that is shown.
fn oldest_validity(over_provisioning: f64) -> f64 {
    let shown = 1.0 / (1.0 + over_provisioning);
    let (mut low, mut high) = (1e-12, 1.0 - 1e-12);
    // The share grows with v0; 60 halvings are more than the number can tell apart.
    for _ in 0..60 {
        let middle: f64 = (low + high) / 2.0;
        if (1.0 - middle) / -middle.ln() < shown { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

fn shuffle(blocks: &mut [u64], random: &mut Random) {
    for last in (1..blocks.len()).rev() {
        let other = random.below(u64::try_from(last + 1).expect("an index"));
        blocks.swap(last, usize::try_from(other).expect("below an index"));
    }
}

fn length(blocks: &[u64]) -> u64 {
    u64::try_from(blocks.len()).expect("a length")
}

#[allow(clippy::cast_precision_loss, reason = "block counts of drives are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count, not below 0")]
fn scaled(count: u64, by: f64) -> u64 {
    (float(count) * by).round() as u64
}

/// Every number below a bound once, in an order that looks random and takes no memory: a Feistel network that is walked until it comes back into range.
#[derive(Debug, Clone, Copy)]
struct Permutation {
    bound: u64,
    half_bits: u32,
    seed: u64,
}

impl Permutation {
    const ROUNDS: u64 = 4;

    fn new(bound: u64, seed: u64) -> Self {
        let bits = 64 - bound.saturating_sub(1).leading_zeros();
        Self { bound, half_bits: bits.div_ceil(2).max(1), seed }
    }

    fn at(self, index: u64) -> u64 {
        let mut at = self.once(index);
        while at >= self.bound {
            at = self.once(at);
        }
        at
    }

    fn once(self, index: u64) -> u64 {
        let mask = (1 << self.half_bits) - 1;
        let (mut left, mut right) = (index >> self.half_bits, index & mask);
        for round in 0..Self::ROUNDS {
            let mixed = Random::new(self.seed ^ (right << 8 | round)).draw() & mask;
            (left, right) = (right, left ^ mixed);
        }
        left << self.half_bits | right
    }
}

#[cfg(test)]
mod tests;
