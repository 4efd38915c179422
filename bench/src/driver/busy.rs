//! Which bytes of the span operations are out on: one bit for as much as every block size is a multiple of.

use crate::job::Span;

/// Places that are taken, from the start of the span.
pub(super) struct Busy {
    words: Vec<u64>,
    shift: u32,
}

impl Busy {
    pub(super) fn new(span: Span, shares: &[(u32, u8)]) -> Self {
        // The largest power of two that divides all sizes: a shift instead of a division for every operation.
        let shift = shares.iter().map(|(bytes, _)| bytes.trailing_zeros()).min().unwrap_or(0);
        let bits = span.bytes.div_ceil(1 << shift);
        Self { words: vec![0; usize::try_from(bits.div_ceil(64)).expect("a bit per block fits into memory")], shift }
    }

    /// Takes all of a place, or nothing when a part of it is taken.
    pub(super) fn take(&mut self, at: u64, bytes: u32) -> bool {
        if self.masks(at, bytes).any(|(word, mask)| self.words[word] & mask != 0) {
            return false;
        }
        for (word, mask) in self.masks(at, bytes) {
            self.words[word] |= mask;
        }
        true
    }

    /// Gives a place back.
    pub(super) fn release(&mut self, at: u64, bytes: u32) {
        for (word, mask) in self.masks(at, bytes) {
            self.words[word] &= !mask;
        }
    }

    // Every word of a place with the bits of it that are meant.
    fn masks(&self, at: u64, bytes: u32) -> impl Iterator<Item = (usize, u64)> + use<> {
        let mut bit = at >> self.shift;
        let end = bit + u64::from(bytes >> self.shift);
        std::iter::from_fn(move || {
            if bit >= end {
                return None;
            }
            let within = bit % 64;
            let count = (64 - within).min(end - bit);
            let word = usize::try_from(bit / 64).expect("a bit per block fits into memory");
            bit += count;
            Some((word, (u64::MAX >> (64 - count)) << within))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_taken_whole_or_not_at_all_and_given_back() {
        let mut busy = Busy::new(Span { start: 0, bytes: 4 << 20 }, &[(512, 50), (12288, 50)]);
        assert!(busy.take(0, 1 << 20) && busy.take((2 << 20) - 512, 512) && busy.take(2 << 20, 12288));
        for (at, bytes) in [(0, 512), ((1 << 20) - 512, 1024), ((2 << 20) - 1024, 1024), ((2 << 20) + 12288 - 512, 512), (512, 4096)] {
            assert!(!busy.take(at, bytes), "{at} {bytes}");
        }
        assert!(busy.take(1 << 20, (1 << 20) - 512), "nothing was kept of those that were refused");
        busy.release(0, 1 << 20);
        assert!(busy.take(512, 4096) && busy.take(0, 512));
    }
}
