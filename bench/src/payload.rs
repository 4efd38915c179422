//! What writes carry between their stamps: bytes that do not compress, or as much as a job says, in each 512 bytes (fio's `buffer_compress_percentage`).

use crate::driver::Random;

/// As much fresh payload as a drive may see at once when it compresses or looks for copies.
const POOL: usize = 1 << 20;
const SECTOR: usize = 512;
/// Bytes of a sector that the stamp may take.
const HEAD: usize = 24;

/// Fills a buffer so that about `compressible` percent of every sector compress away.
pub fn fill(buffer: &mut [u8], seed: u64, compressible: u8) {
    let mut random = Random::new(seed);
    for word in buffer.chunks_mut(8) {
        let bytes = random.draw().to_le_bytes();
        let count = word.len();
        word.copy_from_slice(&bytes[..count]);
    }
    // The stamp does not compress: what it takes is not counted among what shall.
    let zeroes = (SECTOR - HEAD) * usize::from(compressible.min(100)) / 100;
    for sector in buffer.chunks_exact_mut(SECTOR) {
        sector[SECTOR - zeroes..].fill(0);
    }
}

/// Payload for the blocks of one job.
pub(crate) struct Payload {
    pool: Vec<u8>,
    next: usize,
    // The buffers together are as much as the pool: what each holds can stay.
    stays: bool,
}

impl Payload {
    pub(crate) fn new(seed: u64, compressible: u8, block: usize, slots: usize) -> Self {
        let mut pool = vec![0; POOL.max(block).next_multiple_of(SECTOR)];
        fill(&mut pool, seed, compressible);
        Self { pool, next: 0, stays: block * slots >= POOL }
    }

    /// Puts payload into a block. `holds` says that the buffer has some already, and nothing was read into it since.
    pub(crate) fn put(&mut self, block: &mut [u8], holds: bool) {
        if holds && self.stays {
            return;
        }
        if self.next + block.len() > self.pool.len() {
            self.next = 0;
        }
        block.copy_from_slice(&self.pool[self.next..self.next + block.len()]);
        self.next += block.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // What zstd makes of stamped blocks one after the other, percent that are gone.
    fn gone(compressible: u8, blocks: u64) -> f64 {
        let mut payload = Payload::new(3, compressible, 4096, 64);
        let mut written = Vec::new();
        for number in 0..blocks {
            let mut block = vec![0; 4096];
            payload.put(&mut block, false);
            crate::stamp::stamp(&mut block, 4096, 7, number * 4096, number + 1);
            written.extend(block);
        }
        let packed = zstd::encode_all(written.as_slice(), 1).expect("compresses");
        #[allow(clippy::cast_precision_loss, reason = "a few megabytes")]
        let left = packed.len() as f64 / written.len() as f64;
        100.0 * (1.0 - left)
    }

    #[test]
    fn stamped_blocks_compress_by_as_much_as_was_asked_for() {
        for compressible in [0, 25, 50, 75, 90] {
            let gone = gone(compressible, 256);
            assert!((gone - f64::from(compressible)).abs() < 6.0, "{compressible} percent asked for, {gone:.1} compress away");
        }
    }

    #[test]
    fn by_default_only_stamps_compress_even_across_a_window_of_blocks() {
        // Place and generation are 16 of 512 bytes.
        assert!(gone(0, 256) < 100.0 * 16.5 / 512.0, "{}", gone(0, 256));
    }

    #[test]
    fn a_buffer_that_was_read_into_gets_payload_again() {
        let mut payload = Payload::new(3, 0, 65536, 64);
        let mut block = vec![0; 65536];
        payload.put(&mut block, true);
        assert!(block.iter().all(|byte| *byte == 0), "it was said to hold some");
        payload.put(&mut block, false);
        assert!(block.iter().filter(|byte| **byte == 0).count() < 1000);
    }
}
