//! The pattern of a verified stream: its 64-bit word of number n is a start of the stream's own plus n times an odd constant. So every byte says where it
//! belongs: wrong content is not only noticed but named, as lost, duplicated, misplaced or damaged, with its byte offset.

use std::ops::Range;

use serde::{Deserialize, Serialize};

const WORD: usize = 8;
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// Faults of which the place is kept.
const KEPT: usize = 16;
/// Words that must follow one another before a place is believed.
const WITNESSES: usize = 3;
/// Bytes that are looked at together for the place where they belong.
const STRANGE_MAX: usize = 1 << 20;
/// Ranges that were skipped are remembered up to so many: they may come later.
const GAPS_MAX: usize = 64;

/// What is wrong with bytes of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Bytes did not come.
    Lost,
    /// Bytes came again.
    Duplicated,
    /// Bytes came later than others that belong after them, or belong to another stream.
    Misplaced,
    /// Bytes are not those that were sent.
    Damaged,
}

/// One place of wrong content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamFault {
    /// What is wrong.
    pub kind: FaultKind,
    /// Where: the byte of the stream that was expected there.
    pub offset: u64,
    /// How many bytes.
    pub bytes: u64,
}

/// What was compared, and what was wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// Bytes that were right.
    pub bytes: u64,
    /// Number of faults.
    pub faults: u64,
    /// The first of them.
    pub first: Vec<StreamFault>,
}

/// The content of one stream in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pattern {
    start: u64,
}

impl Pattern {
    pub(super) fn new(seed: u64, stream: u32, reverse: bool) -> Self {
        let mut mixed = seed ^ (u64::from(stream) << 1 | u64::from(reverse)).wrapping_mul(0xd6e8_feb8_6659_fd93);
        // splitmix64: near seeds make far starts.
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        Self { start: mixed ^ mixed >> 31 }
    }

    fn word(self, number: u64) -> u64 {
        self.start.wrapping_add(number.wrapping_mul(STEP))
    }

    fn byte(self, offset: u64) -> u8 {
        self.word(offset / 8).to_le_bytes()[usize::try_from(offset % 8).expect("below 8")]
    }

    /// What a stream has from `offset` on, which is a multiple of eight.
    pub(super) fn fill(self, buffer: &mut [u8], offset: u64) {
        debug_assert!(offset.is_multiple_of(8));
        let mut word = self.word(offset / 8);
        for place in buffer.chunks_mut(WORD) {
            let count = place.len();
            place.copy_from_slice(&word.to_le_bytes()[..count]);
            word = word.wrapping_add(STEP);
        }
    }

    /// How many of `bytes` are what a stream has from `offset` on.
    fn matching(self, bytes: &[u8], offset: u64) -> usize {
        let single = |range: Range<usize>| range.clone().find(|at| bytes[*at] != self.byte(offset + wide(*at))).unwrap_or(range.end);
        let head = (WORD - usize::try_from(offset % 8).expect("below 8")) % WORD;
        let head = head.min(bytes.len());
        let good = single(0..head);
        if good < head {
            return good;
        }
        let mut word = self.word((offset + wide(head)) / 8);
        let mut at = head;
        // Eight words at a time, which the compiler makes vectors of.
        for block in bytes[head..].chunks_exact(8 * WORD) {
            let mut differ = 0;
            for (number, place) in block.chunks_exact(WORD).enumerate() {
                differ |= number_of(place) ^ word.wrapping_add(wide(number).wrapping_mul(STEP));
            }
            if differ != 0 {
                break;
            }
            word = word.wrapping_add(STEP.wrapping_mul(8));
            at += block.len();
        }
        single(at..bytes.len())
    }

    /// Where the words at the beginning of `bytes` belong, when they are of this pattern.
    fn place(self, bytes: &[u8]) -> Option<u64> {
        let first = self.number(number_of(bytes.get(..WORD)?))?;
        let follow = bytes.get(..WITNESSES * WORD)?.chunks_exact(WORD).enumerate();
        follow.into_iter().all(|(after, place)| number_of(place) == self.word(first + wide(after))).then_some(first * 8)
    }

    // The number of a word, as far as a stream can have so many.
    fn number(self, word: u64) -> Option<u64> {
        let number = word.wrapping_sub(self.start).wrapping_mul(inverse(STEP));
        (number < 1 << 56).then_some(number)
    }
}

// Of an odd number modulo 2^64: every round doubles the bits that are right.
const fn inverse(odd: u64) -> u64 {
    let mut inverse = odd;
    let mut round = 0;
    while round < 5 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(inverse)));
        round += 1;
    }
    inverse
}

fn number_of(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).expect("fits")
}

/// Compares a stream as it comes.
pub(super) struct Reader {
    pattern: Pattern,
    // Of the other streams, whose bytes might come here.
    others: Vec<Pattern>,
    // Where the next byte belongs.
    at: u64,
    // Bytes since the first one that was wrong: where they belong is not known yet.
    strange: Vec<u8>,
    gaps: Vec<Range<u64>>,
    // What has come before a gap was filled: the way on from there is no loss.
    islands: Vec<Range<u64>>,
    found: Verified,
}

impl Reader {
    pub(super) fn new(pattern: Pattern, others: Vec<Pattern>) -> Self {
        Self { pattern, others, at: 0, strange: Vec::new(), gaps: Vec::new(), islands: Vec::new(), found: Verified::default() }
    }

    /// The next bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        if self.strange.is_empty() {
            let good = self.pattern.matching(bytes, self.at);
            self.at += wide(good);
            self.found.bytes += wide(good);
            self.strange.extend_from_slice(&bytes[good..]);
        } else {
            self.strange.extend_from_slice(bytes);
        }
        while !self.strange.is_empty() && self.settle() {}
    }

    /// What came of it; the stream is over.
    pub(super) fn finish(mut self) -> Verified {
        while !self.strange.is_empty() && self.settle() {}
        if !self.strange.is_empty() {
            let rest = std::mem::take(&mut self.strange);
            self.compare(&rest);
        }
        for gap in std::mem::take(&mut self.gaps) {
            self.fault(FaultKind::Lost, gap.start, gap.end - gap.start);
        }
        self.found.first.sort_by_key(|fault| fault.offset);
        self.found
    }

    // Finds out where the strange bytes belong and goes on from there; false while it takes more of them.
    fn settle(&mut self) -> bool {
        let places = |pattern: Pattern| (0..self.strange.len()).find_map(|from| Some((from, pattern.place(&self.strange[from..])?)));
        let Some((from, place)) = places(self.pattern) else {
            if self.strange.len() < STRANGE_MAX {
                return false;
            }
            // What is of no known place is as wrong as it is long. Its last bytes may be the beginning of a word that is.
            let rest = self.strange.split_off(self.strange.len() - WITNESSES * WORD);
            let garbage = std::mem::replace(&mut self.strange, rest);
            self.compare(&garbage);
            return true;
        };
        let strange = std::mem::take(&mut self.strange);
        // The word before may have come in part.
        let whole =
            (1..=from).take_while(|back| self.pattern.byte(place.wrapping_sub(wide(*back))) == strange[from - back] && wide(*back) <= place).count();
        let in_place = self.at + wide(from) == place;
        let (from, place) = if in_place { (from, place) } else { (from - whole, place - wide(whole)) };
        self.compare(&strange[..from]);
        self.jump(place);
        let good = self.pattern.matching(&strange[from..], self.at);
        self.at += wide(good);
        self.found.bytes += wide(good);
        self.strange = strange[from + good..].to_vec();
        true
    }

    // Bytes that stand where they were expected, some of them wrong.
    fn compare(&mut self, bytes: &[u8]) {
        let foreign = bytes.len() >= WITNESSES * WORD
            && (0..bytes.len()).any(|from| self.others.iter().any(|other| bytes.get(from..).and_then(|rest| other.place(rest)).is_some()));
        let wrong: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != self.pattern.byte(self.at + wide(*at))).collect();
        if let (Some(first), Some(last)) = (wrong.first(), wrong.last()) {
            let kind = if foreign { FaultKind::Misplaced } else { FaultKind::Damaged };
            self.fault(kind, self.at + wide(*first), wide(last - first + 1));
        }
        self.found.bytes += wide(bytes.len() - wrong.len());
        self.at += wide(bytes.len());
    }

    // The next byte belongs to `place` instead of where it was expected.
    fn jump(&mut self, place: u64) {
        let expected = std::mem::replace(&mut self.at, place);
        if place > expected {
            if let Some(passed) = self.islands.iter().position(|island| *island == (expected..place)) {
                self.islands.swap_remove(passed);
            } else if self.gaps.len() < GAPS_MAX {
                // It is lost, unless it comes later.
                self.gaps.push(expected..place);
            } else {
                self.fault(FaultKind::Lost, expected, place - expected);
            }
        } else if place < expected {
            match self.gaps.iter().position(|gap| gap.contains(&place)) {
                Some(found) => {
                    let gap = self.gaps.swap_remove(found);
                    self.fault(FaultKind::Misplaced, place, gap.end - place);
                    if gap.start < place {
                        self.gaps.push(gap.start..place);
                    }
                    self.islands.push(gap.end..expected);
                }
                None => self.fault(FaultKind::Duplicated, place, expected - place),
            }
        }
    }

    fn fault(&mut self, kind: FaultKind, offset: u64, bytes: u64) {
        self.found.faults += 1;
        if self.found.first.len() < KEPT {
            self.found.first.push(StreamFault { kind, offset, bytes });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LENGTH: usize = 100_000;

    fn sent(stream: u32) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH];
        Pattern::new(5, stream, false).fill(&mut bytes, 0);
        bytes
    }

    fn read(bytes: &[u8], pieces: usize) -> Verified {
        let mut reader = Reader::new(Pattern::new(5, 0, false), vec![Pattern::new(5, 1, false), Pattern::new(5, 0, true)]);
        for piece in bytes.chunks(pieces) {
            reader.feed(piece);
        }
        reader.finish()
    }

    fn fault(kind: FaultKind, offset: usize, bytes: usize) -> StreamFault {
        StreamFault { kind, offset: wide(offset), bytes: wide(bytes) }
    }

    #[test]
    fn what_was_sent_is_right_in_pieces_of_any_size() {
        for pieces in [1, 7, 8, 1000, LENGTH] {
            assert_eq!(read(&sent(0), pieces), Verified { bytes: wide(LENGTH), faults: 0, first: Vec::new() }, "{pieces}");
        }
    }

    #[test]
    fn each_kind_of_wrong_content_has_its_name_and_place() {
        let whole = sent(0);
        let mut damaged = whole.clone();
        damaged[40_001] ^= 0x10;
        let lost = [&whole[..30_003], &whole[31_463..]].concat();
        let duplicated = [&whole[..31_463], &whole[30_003..]].concat();
        let swapped = [&whole[..20_000], &whole[21_448..24_000], &whole[20_000..21_448], &whole[24_000..]].concat();
        let mut foreign = whole.clone();
        foreign[50_000..51_000].copy_from_slice(&sent(1)[50_000..51_000]);
        let zeroes = [&whole[..60_000], &[0; 5000], &whole[65_000..]].concat();
        for pieces in [1, 13, 1448, 65_536] {
            for (bytes, expected) in [
                (&damaged, fault(FaultKind::Damaged, 40_001, 1)),
                (&lost, fault(FaultKind::Lost, 30_003, 1460)),
                (&duplicated, fault(FaultKind::Duplicated, 30_003, 1460)),
                (&swapped, fault(FaultKind::Misplaced, 20_000, 1448)),
                (&foreign, fault(FaultKind::Misplaced, 50_000, 1000)),
            ] {
                let found = read(bytes, pieces);
                assert_eq!((found.faults, found.first.as_slice()), (1, [expected].as_slice()), "in pieces of {pieces}");
            }
            let found = read(&zeroes, pieces);
            assert!(found.faults == 1 && found.first[0].kind == FaultKind::Damaged && found.first[0].offset == 60_000, "{found:?}");
        }
    }

    #[test]
    fn another_runs_stream_is_not_ours() {
        let mut other = vec![0; LENGTH];
        Pattern::new(6, 0, false).fill(&mut other, 0);
        let found = read(&other, 1448);
        assert!(found.faults >= 1 && found.bytes < 1000, "{found:?}");
    }

    proptest! {
        #[test]
        fn any_flipped_bit_is_noticed_at_its_byte(at in 0..LENGTH * 8, pieces in 1..5000_usize) {
            let mut bytes = sent(0);
            bytes[at / 8] ^= 1 << (at % 8);
            let found = read(&bytes, pieces);
            prop_assert_eq!(found.faults, 1);
            prop_assert_eq!(found.first[0], fault(FaultKind::Damaged, at / 8, 1));
        }

        #[test]
        fn any_hole_and_any_repetition_is_noticed_at_its_byte(from in 0..LENGTH - 6000, bytes in 1..5000_usize, pieces in 1..5000_usize) {
            let whole = sent(0);
            let holed = read(&[&whole[..from], &whole[from + bytes..]].concat(), pieces);
            prop_assert_eq!((holed.faults, holed.first[0].kind, holed.first[0].bytes), (1, FaultKind::Lost, wide(bytes)));
            let repeated = read(&[&whole[..from + bytes], &whole[from..]].concat(), pieces);
            prop_assert_eq!((repeated.faults, repeated.first[0].kind, repeated.first[0].bytes), (1, FaultKind::Duplicated, wide(bytes)));
            // Where a byte of both sides happens to be the same, the place is that much later.
            prop_assert!(holed.first[0].offset.abs_diff(wide(from)) < 8, "{:?} {}", holed, from);
        }
    }
}
