//! Stamps: every unit (4 KiB, or 512 bytes where blocks are smaller) that assay writes says what it is and where it belongs, so that wrong content is not
//! only noticed but named. Of each 512-byte sector bytes 8-16 are its own offset (mixed with the seed) and 16-24 the generation; the first eight bytes of
//! the unit are the XXH3-64 of all the others, which `twox-hash` computes with AVX2 where the processor has it.

use crate::history::Expected;

/// Bytes of one stamped unit, unless blocks are smaller.
pub const UNIT: u64 = 4096;
/// Bytes of the smallest stamped unit: one sector.
pub const UNIT_MIN: u64 = 512;
const SECTOR: usize = 512;
const CHECKSUM: std::ops::Range<usize> = 0..8;
const PLACE: std::ops::Range<usize> = 8..16;
const GENERATION: std::ops::Range<usize> = 16..24;

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

/// Stamps every unit of a block that begins at `offset`; the rest of each sector stays as it is.
pub fn stamp(block: &mut [u8], unit_bytes: usize, seed: u64, offset: u64, generation: u64) {
    let mut place = offset;
    for unit in block.chunks_exact_mut(unit_bytes) {
        for sector in unit.chunks_exact_mut(SECTOR) {
            sector[PLACE].copy_from_slice(&(seed ^ place).to_le_bytes());
            sector[GENERATION].copy_from_slice(&generation.to_le_bytes());
            place += UNIT_MIN;
        }
        let sum = checksum(unit);
        unit[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
    }
}

/// Compares one unit with what must be at `offset`.
pub fn check(unit: &[u8], seed: u64, offset: u64, expected: Expected) -> Result<(), Corruption> {
    let wanted = match expected {
        // Nothing is claimed about places that were never written.
        Expected::Unwritten => return Ok(()),
        Expected::Generation(generation) => Some(generation),
        Expected::AtLeast(_) | Expected::Uncertain => None,
    };
    let (place, generation) = head(unit);
    if number(unit, CHECKSUM) == checksum(unit) && place == seed ^ offset {
        return match wanted {
            None if is_behind(generation, expected) => Err(Corruption::Stale),
            Some(wanted) if generation < wanted => Err(Corruption::Stale),
            Some(wanted) if generation > wanted => Err(Corruption::Unexpected),
            Some(_) | None => Ok(()),
        };
    }
    Err(name_damage(unit, seed, offset))
}

/// What a unit says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Nothing: all zeroes.
    Zeroes,
    /// It is whole.
    Whole {
        /// The place that it was written for.
        offset: u64,
        /// The generation that it was written with.
        generation: u64,
    },
    /// Its sectors are of this place and of several generations.
    Torn {
        /// The oldest of them.
        oldest: u64,
    },
    /// Its stamp is whole, the rest is not.
    Damaged,
    /// Nothing of ours.
    Garbage,
}

/// What a unit that was read at `offset` says of itself.
pub fn read(unit: &[u8], seed: u64, offset: u64) -> Content {
    let (place, generation) = head(unit);
    let home = place ^ seed;
    if number(unit, CHECKSUM) == checksum(unit) && home.is_multiple_of(UNIT_MIN) {
        return Content::Whole { offset: home, generation };
    }
    match name_damage(unit, seed, offset) {
        Corruption::Zeroes => Content::Zeroes,
        Corruption::Torn => Content::Torn { oldest: unit.chunks_exact(SECTOR).map(|sector| head(sector).1).min().unwrap_or(generation) },
        Corruption::Damaged => Content::Damaged,
        Corruption::Stale | Corruption::Unexpected | Corruption::Misdirected | Corruption::Garbage => Content::Garbage,
    }
}

// Of a generation the lower bits are known: in the order of a circle, as they were drawn.
fn is_behind(generation: u64, expected: Expected) -> bool {
    let Expected::AtLeast(least) = expected else { return false };
    let low = u32::try_from(generation & u64::from(u32::MAX)).expect("32 bits");
    low.wrapping_sub(least).cast_signed() < 0
}

fn name_damage(unit: &[u8], seed: u64, offset: u64) -> Corruption {
    if is_zero(unit) {
        return Corruption::Zeroes;
    }
    let (first_place, first_generation) = head(unit);
    let heads = || unit.chunks_exact(SECTOR).map(head).zip((0u64..).step_by(SECTOR));
    if heads().all(|((place, _), within)| place == seed ^ (offset + within)) {
        return if heads().all(|((_, generation), _)| generation == first_generation) { Corruption::Damaged } else { Corruption::Torn };
    }
    // A unit of ours is whole in itself: its sectors follow one another from wherever it belongs.
    let home = first_place ^ seed;
    let elsewhere =
        home.is_multiple_of(UNIT_MIN) && heads().all(|((place, _), within)| home.checked_add(within).is_some_and(|at| place == seed ^ at));
    if elsewhere { Corruption::Misdirected } else { Corruption::Garbage }
}

fn is_zero(unit: &[u8]) -> bool {
    unit.iter().all(|byte| *byte == 0)
}

fn head(sector: &[u8]) -> (u64, u64) {
    (number(sector, PLACE), number(sector, GENERATION))
}

fn number(bytes: &[u8], at: std::ops::Range<usize>) -> u64 {
    u64::from_le_bytes(bytes[at].try_into().expect("eight bytes"))
}

fn checksum(unit: &[u8]) -> u64 {
    twox_hash::XxHash3_64::oneshot(&unit[CHECKSUM.end..])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UNIT_BYTES: usize = 4096;

    fn unit_of(bytes: usize, offset: u64, generation: u64) -> Vec<u8> {
        let mut unit = vec![0; bytes];
        crate::payload::fill(&mut unit, 9, 0);
        stamp(&mut unit, bytes, 7, offset, generation);
        unit
    }

    fn written(offset: u64, generation: u64) -> Vec<u8> {
        unit_of(UNIT_BYTES, offset, generation)
    }

    #[test]
    fn a_unit_is_what_was_written_there() {
        for bytes in [512, 4096] {
            let unit = unit_of(bytes, 8192, 3 << 32);
            assert_eq!(check(&unit, 7, 8192, Expected::Generation(3 << 32)), Ok(()));
            assert_eq!(check(&unit, 7, 8192, Expected::Uncertain), Ok(()));
            for (least, right) in [(0, true), (u32::MAX, true), (1, false)] {
                let found = check(&unit, 7, 8192, Expected::AtLeast(least));
                assert_eq!(found, if right { Ok(()) } else { Err(Corruption::Stale) }, "{least}");
            }
            assert_eq!(check(&unit, 7, 8192, Expected::Generation(3)), Err(Corruption::Unexpected), "another epoch is another generation");
        }
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
    fn a_sector_of_its_own_has_the_same_names_but_cannot_be_torn() {
        let sector = |offset, generation| unit_of(512, offset, generation);
        let mut damaged = sector(512, 2);
        damaged[300] ^= 1;
        for (unit, corruption) in [
            (vec![0; 512], Corruption::Zeroes),
            (sector(512, 1), Corruption::Stale),
            (sector(1024, 2), Corruption::Misdirected),
            (damaged, Corruption::Damaged),
            (vec![0xa5; 512], Corruption::Garbage),
        ] {
            assert_eq!(check(&unit, 7, 512, Expected::Generation(2)), Err(corruption), "{}", corruption.name());
        }
    }

    #[test]
    fn a_unit_says_what_it_is() {
        let mut torn = written(0, 2);
        torn[2048..].copy_from_slice(&written(0, 1)[2048..]);
        let mut damaged = written(0, 2);
        damaged[3000] ^= 1;
        let cases = [
            (written(0, 2), Content::Whole { offset: 0, generation: 2 }),
            (written(8192, 5), Content::Whole { offset: 8192, generation: 5 }),
            (vec![0; UNIT_BYTES], Content::Zeroes),
            (torn, Content::Torn { oldest: 1 }),
            (damaged, Content::Damaged),
            (vec![0xa5; UNIT_BYTES], Content::Garbage),
        ];
        for (unit, content) in cases {
            assert_eq!(read(&unit, 7, 0), content);
        }
        assert_eq!(read(&written(0, 2), 8, 0), Content::Garbage, "another run's");
    }

    #[test]
    fn another_runs_block_is_not_ours() {
        assert!(check(&written(0, 2), 8, 0, Expected::Generation(2)).is_err());
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed(at in 0..UNIT_BYTES * 8, generation in 1u64..1000) {
            let mut unit = written(4096, generation);
            unit[at / 8] ^= 1 << (at % 8);
            prop_assert!(check(&unit, 7, 4096, Expected::Generation(generation)).is_err());
        }
    }
}
