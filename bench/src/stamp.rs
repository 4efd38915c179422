//! Stamps: every 4 KiB unit that assay writes says what it is and where it belongs, so that wrong content is not only noticed but named. Each 512-byte
//! sector begins with its own offset (mixed with the seed) and the generation; the first also carries the CRC-32C of the whole unit.

use crate::history::Expected;

/// Bytes of one stamped unit.
pub const UNIT: u64 = 4096;
pub(crate) const UNIT_BYTES: usize = 4096;
const SECTOR: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 12..16;

/// What is wrong with a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Corruption {
    /// All zeroes where something was written: the write was lost.
    Zeroes,
    /// An older generation: a later write was lost.
    Stale,
    /// A generation that was not acknowledged yet, or never: a write landed that should not have.
    Unexpected,
    /// Content of another place.
    Misdirected,
    /// Sectors of different generations.
    Torn,
    /// The stamp is right, the rest is not.
    Damaged,
    /// Nothing of ours.
    Garbage,
}

impl Corruption {
    /// The stable word.
    pub fn name(self) -> &'static str {
        match self {
            Corruption::Zeroes => "zeroes",
            Corruption::Stale => "stale",
            Corruption::Unexpected => "unexpected",
            Corruption::Misdirected => "misdirected",
            Corruption::Torn => "torn",
            Corruption::Damaged => "damaged",
            Corruption::Garbage => "garbage",
        }
    }
}

/// Fills a buffer with incompressible bytes once; later stamps change only the sector heads and the checksum.
pub fn fill(buffer: &mut [u8], seed: u64) {
    let mut random = crate::driver::Random::new(seed);
    for word in buffer.chunks_exact_mut(8) {
        word.copy_from_slice(&random.draw().to_le_bytes());
    }
}

/// Stamps every unit of a block that begins at `offset`.
pub fn stamp(block: &mut [u8], seed: u64, offset: u64, generation: u32) {
    let mut at = offset;
    for unit in block.chunks_exact_mut(UNIT_BYTES) {
        let mut place = at;
        for sector in unit.chunks_exact_mut(SECTOR) {
            sector[0..8].copy_from_slice(&(seed ^ place).to_le_bytes());
            sector[8..12].copy_from_slice(&generation.to_le_bytes());
            place += 512;
        }
        let sum = checksum(unit);
        unit[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
        at += UNIT;
    }
}

/// Compares one unit with what must be at `offset`.
pub fn check(unit: &[u8], seed: u64, offset: u64, expected: Expected) -> Result<(), Corruption> {
    let expected = match expected {
        // Nothing is claimed about places that were never written.
        Expected::Unwritten => return Ok(()),
        Expected::Generation(generation) => Some(generation),
        Expected::Uncertain => None,
    };
    let sum = u32::from_le_bytes(unit[CHECKSUM].try_into().expect("four bytes"));
    let (place, generation) = head(unit);
    if sum == checksum(unit) && place == seed ^ offset {
        return match expected {
            Some(wanted) if generation < wanted => Err(Corruption::Stale),
            Some(wanted) if generation > wanted => Err(Corruption::Unexpected),
            Some(_) | None => Ok(()),
        };
    }
    Err(name_damage(unit, seed, offset))
}

fn name_damage(unit: &[u8], seed: u64, offset: u64) -> Corruption {
    if unit.iter().all(|byte| *byte == 0) {
        return Corruption::Zeroes;
    }
    let (first_place, first_generation) = head(unit);
    let heads = || unit.chunks_exact(SECTOR).map(head).zip((0u64..).step_by(SECTOR));
    if heads().all(|((place, _), within)| place == seed ^ (offset + within)) {
        return if heads().all(|((_, generation), _)| generation == first_generation) { Corruption::Damaged } else { Corruption::Torn };
    }
    // A unit of ours is whole in itself: its sectors follow one another from wherever it belongs.
    let home = first_place ^ seed;
    let elsewhere = home.is_multiple_of(UNIT) && heads().all(|((place, _), within)| home.checked_add(within).is_some_and(|at| place == seed ^ at));
    if elsewhere { Corruption::Misdirected } else { Corruption::Garbage }
}

fn head(sector: &[u8]) -> (u64, u32) {
    let place = u64::from_le_bytes(sector[0..8].try_into().expect("eight bytes"));
    (place, u32::from_le_bytes(sector[8..12].try_into().expect("four bytes")))
}

fn checksum(unit: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&unit[..CHECKSUM.start]), &unit[CHECKSUM.end..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(offset: u64, generation: u32) -> Vec<u8> {
        let mut unit = vec![0; UNIT_BYTES];
        fill(&mut unit, 9);
        stamp(&mut unit, 7, offset, generation);
        unit
    }

    #[test]
    fn a_unit_is_what_was_written_there() {
        assert_eq!(check(&written(8192, 3), 7, 8192, Expected::Generation(3)), Ok(()));
        assert_eq!(check(&written(8192, 3), 7, 8192, Expected::Uncertain), Ok(()));
    }

    #[test]
    fn each_kind_of_wrong_content_has_its_name() {
        let mut torn = written(0, 2);
        torn[2048..].copy_from_slice(&written(0, 1)[2048..]);
        let mut damaged = written(0, 2);
        damaged[3000] ^= 1;
        let cases = [
            (vec![0; UNIT_BYTES], Corruption::Zeroes),
            (written(0, 1), Corruption::Stale),
            (written(0, 3), Corruption::Unexpected),
            (written(4096, 2), Corruption::Misdirected),
            (torn, Corruption::Torn),
            (damaged, Corruption::Damaged),
            (vec![0xa5; UNIT_BYTES], Corruption::Garbage),
        ];
        for (unit, corruption) in cases {
            assert_eq!(check(&unit, 7, 0, Expected::Generation(2)), Err(corruption), "{}", corruption.name());
        }
    }

    #[test]
    fn another_runs_block_is_not_ours() {
        assert!(check(&written(0, 2), 8, 0, Expected::Generation(2)).is_err());
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(at in 0..UNIT_BYTES * 8, generation in 1u32..1000) {
            let mut unit = written(4096, generation);
            unit[at / 8] ^= 1 << (at % 8);
            prop_assert!(check(&unit, 7, 4096, Expected::Generation(generation)).is_err());
        }
    }
}
