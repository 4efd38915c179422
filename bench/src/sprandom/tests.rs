//! The stream on a small page-mapped drive with greedy garbage collection: what its random writes cost directly afterwards, and what they cost in the end.

use super::*;

const PAGES: usize = 64;

/// A page-mapped drive: blocks of 64 pages, one open block, and the emptiest block collected whenever none is free.
struct Drive {
    // Where each logical page is.
    map: Vec<Option<(usize, usize)>>,
    // What each physical page holds; stale pages hold none.
    blocks: Vec<Vec<Option<usize>>>,
    valid: Vec<usize>,
    free: Vec<usize>,
    open: usize,
    programmed: u64,
}

impl Drive {
    fn new(blocks: usize, over_provisioning: f64) -> Self {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a small drive")]
        let logical = ((blocks * PAGES) as f64 / (1.0 + over_provisioning)) as usize;
        let mut free: Vec<usize> = (0..blocks).collect();
        let open = free.pop().expect("a block");
        Self { map: vec![None; logical], blocks: vec![Vec::new(); blocks], valid: vec![0; blocks], free, open, programmed: 0 }
    }

    fn write(&mut self, page: usize) {
        if let Some((block, at)) = self.map[page].take() {
            self.blocks[block][at] = None;
            self.valid[block] -= 1;
        }
        self.program(page);
    }

    fn program(&mut self, page: usize) {
        if self.blocks[self.open].len() == PAGES {
            self.open = self.free.pop().expect("collection keeps one free");
        }
        self.map[page] = Some((self.open, self.blocks[self.open].len()));
        self.blocks[self.open].push(Some(page));
        self.valid[self.open] += 1;
        self.programmed += 1;
        while self.free.is_empty() {
            self.collect();
        }
    }

    fn collect(&mut self) {
        let full = (0..self.blocks.len()).filter(|block| *block != self.open && self.blocks[*block].len() == PAGES);
        let victim = full.min_by_key(|block| self.valid[*block]).expect("a full block");
        let pages: Vec<usize> = std::mem::take(&mut self.blocks[victim]).into_iter().flatten().collect();
        self.valid[victim] = 0;
        self.free.push(victim);
        for page in pages {
            self.program(page);
        }
    }

    /// Pages programmed per page written at random, over a tenth of the drive.
    fn amplification(&mut self, random: &mut Random) -> f64 {
        let before = self.programmed;
        let writes = self.map.len() / 10;
        self.write_at_random(writes, random);
        #[allow(clippy::cast_precision_loss, reason = "small counts")]
        let amplification = (self.programmed - before) as f64 / writes as f64;
        amplification
    }

    fn write_at_random(&mut self, writes: usize, random: &mut Random) {
        for _ in 0..writes {
            let page = random.below(u64::try_from(self.map.len()).expect("a length"));
            self.write(usize::try_from(page).expect("a page"));
        }
    }
}

/// What random writes cost on a drive of 1000 blocks: at once after sprandom, at once after two sequential fills, and after ten capacities of random writes.
fn amplifications(over_provisioning: f64) -> (f64, f64, f64) {
    let mut random = Random::new(11);
    let mut prepared = Drive::new(1000, over_provisioning);
    let logical = u64::try_from(prepared.map.len()).expect("a length");
    for page in Sprandom::new(logical, over_provisioning, Sprandom::USUAL_REGIONS, 5) {
        prepared.write(usize::try_from(page).expect("a page"));
    }
    let mut filled = Drive::new(1000, over_provisioning);
    for page in (0..filled.map.len()).chain(0..filled.map.len()) {
        filled.write(page);
    }
    let mut aged = Drive::new(1000, over_provisioning);
    (0..aged.map.len()).for_each(|page| aged.write(page));
    aged.write_at_random(10 * aged.map.len(), &mut random);
    (prepared.amplification(&mut random), filled.amplification(&mut random), aged.amplification(&mut random))
}

#[test]
fn random_writes_cost_at_once_what_they_cost_in_the_end_and_a_plain_fill_hides_it() {
    for over_provisioning in [0.07, 0.15, 0.28] {
        let (prepared, filled, steady) = amplifications(over_provisioning);
        assert!((prepared / steady - 1.0).abs() < 0.1, "over-provisioning {over_provisioning}: {prepared:.2} at once, {steady:.2} in the end");
        assert!(filled < 0.7 * steady, "over-provisioning {over_provisioning}: a plain fill gives {filled:.2} of {steady:.2}");
    }
}

#[test]
fn every_block_is_written_and_the_whole_is_about_one_physical_capacity() {
    for (blocks, over_provisioning, regions) in [(100_000, 0.07, 200), (100_000, 0.28, 50), (1000, 0.07, 200), (7, 0.5, 3), (1, 0.07, 1)] {
        let written: Vec<u64> = Sprandom::new(blocks, over_provisioning, regions, 3).collect();
        let mut seen = vec![false; usize::try_from(blocks).expect("few")];
        written.iter().for_each(|block| seen[usize::try_from(*block).expect("in range")] = true);
        assert!(seen.iter().all(|seen| *seen), "{blocks} blocks");
        let physical = float(blocks) * (1.0 + over_provisioning);
        let share = float(length(&written)) / physical;
        assert!(blocks < 100_000 || (0.98..1.02).contains(&share), "{blocks} blocks, {over_provisioning}: {share} of the physical capacity");
        assert_eq!(length(&written), Sprandom::writes(blocks, over_provisioning, regions), "the plan knows it before");
    }
}

#[test]
fn the_same_seed_writes_the_same_and_another_does_not() {
    let stream = |seed| Sprandom::new(1000, 0.1, 10, seed).collect::<Vec<u64>>();
    assert_eq!(stream(1), stream(1));
    assert_ne!(stream(1), stream(2));
}

#[test]
fn a_permutation_has_every_number_once() {
    for bound in [1, 2, 3, 100, 4096, 5000] {
        let mut numbers: Vec<u64> = (0..bound).map(|index| Permutation::new(bound, 9).at(index)).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..bound), "{bound}");
    }
}

#[test]
fn the_oldest_validity_is_the_models() {
    // Mean validity over all ages is what is shown of the flash.
    for over_provisioning in [0.07, 0.28, 1.0] {
        let oldest = oldest_validity(over_provisioning);
        let mean: f64 = (0..10_000).map(|at| oldest.powf(1.0 - (f64::from(at) + 0.5) / 10_000.0)).sum::<f64>() / 10_000.0;
        assert!((mean * (1.0 + over_provisioning) - 1.0).abs() < 1e-6, "{mean}");
    }
}
