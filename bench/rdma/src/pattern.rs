//! What messages contain, so that each byte says where it belongs. A message is packets of the path MTU; the first word of each packet is a stamp that holds
//! the message's number, the words after it depend on end, queue pair, slot and position, and with [`Verify::Full`] on the number too. Memory that a card
//! writes to is read and written as atomic words: another party shares it.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::spec::Verify;

const WORD: usize = 8;
// Odd: multiplying by it loses nothing.
const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
/// The number of what was never sent: what memory holds before.
pub const NEVER: u64 = u64::MAX;
/// Numbers of messages end here; what decodes to more is none.
const NUMBER_END: u64 = 1 << 48;

/// Where a message belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Whose content it is: 0 the connecting end, 1 the listening end.
    pub side: u8,
    /// The queue pair, from 0.
    pub pair: u16,
    /// The slot in its memory, from 0.
    pub slot: u16,
}

/// The first byte that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The queue pair, from 0.
    pub pair: u16,
    /// The message that should be there, from 0.
    pub message: u64,
    /// The byte in the message.
    pub offset: u64,
    /// What it should be.
    pub expected: u8,
    /// What it is.
    pub found: u8,
    /// The message whose packet lies there instead, where its stamp says so.
    pub holds: Option<u64>,
    /// Whether nothing was ever written there.
    pub untouched: bool,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pair, message, offset, expected, found, .. } = self;
        write!(f, "queue pair {pair}, message {message}, byte {offset}: {found:#04x} instead of {expected:#04x}")?;
        match (self.untouched, self.holds) {
            (true, _) => f.write_str(", nothing was written there"),
            (false, Some(other)) => write!(f, ", the packet there is of message {other}"),
            (false, None) => Ok(()),
        }
    }
}

/// How the messages of one measurement are filled and compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pattern {
    /// Of this measurement: what an earlier one left behind is wrong.
    pub seed: u64,
    /// From stamp to stamp: the path MTU.
    pub packet_bytes: usize,
    /// Bytes of a message.
    pub message_bytes: usize,
    /// What depends on the number.
    pub verify: Verify,
}

impl Pattern {
    /// Writes a whole message. `words` begins where it begins and has room for it.
    pub fn fill(&self, words: &[AtomicU64], place: Place, number: u64) {
        self.write(words, place, number, true, 0);
    }

    /// Makes the message of the same place that lies there another one: all of it, or its stamps.
    pub fn renew(&self, words: &[AtomicU64], place: Place, number: u64) {
        self.write(words, place, number, self.verify == Verify::Full, 0);
    }

    /// Makes sure that what will be written there cannot be there already.
    pub fn spoil(&self, words: &[AtomicU64], place: Place, number: u64) {
        self.write(words, place, number, self.verify == Verify::Full, u64::MAX);
    }

    /// Makes memory such that nothing of a message is there yet: stamps of [`NEVER`], and every other word wrong.
    pub fn blank(&self, words: &[AtomicU64], place: Place) {
        self.write(words, place, NEVER, true, u64::MAX);
        self.write(words, place, NEVER, false, 0);
    }

    fn write(&self, words: &[AtomicU64], place: Place, number: u64, whole: bool, inverted: u64) {
        let home = self.home(place);
        let body = self.body(home, number);
        let per_packet = self.packet_bytes / WORD;
        let count = self.message_bytes.div_ceil(WORD);
        for (packet, words) in words[..count].chunks(per_packet).enumerate() {
            let first = count_u64(packet * per_packet);
            words[0].store(stamp(home, first, number) ^ inverted, Ordering::Relaxed);
            if whole {
                let mut expected = body.wrapping_add(first.wrapping_mul(GOLDEN));
                for word in &words[1..] {
                    expected = expected.wrapping_add(GOLDEN);
                    word.store(expected ^ inverted, Ordering::Relaxed);
                }
            }
        }
    }

    /// Compares every byte of a message; how many those are.
    pub fn check(&self, words: &[AtomicU64], place: Place, number: u64) -> Result<u64, Mismatch> {
        self.compare(words, place, number, true)
    }

    /// Compares what [`Verify`] asks for on every message; how many bytes those are.
    pub fn check_lightly(&self, words: &[AtomicU64], place: Place, number: u64) -> Result<u64, Mismatch> {
        self.compare(words, place, number, self.verify == Verify::Full)
    }

    /// Compares every byte that reads have left here, the last message of each slot of a queue pair of which `completed` are done. `from` says whose content
    /// it is and `slot` where a slot lies; how many bytes those are.
    pub fn check_reads<'m>(&self, from: Place, completed: u64, depth: u16, slot: impl Fn(u16) -> &'m [AtomicU64]) -> Result<u64, Mismatch> {
        (completed.saturating_sub(depth.into())..completed).try_fold(0, |verified, number| {
            let place = Place { slot: source(number, depth), ..from };
            let right = self.check(slot(remainder(number, depth)), place, 0);
            Ok(verified + right.map_err(|what| Mismatch { message: number, ..what })?)
        })
    }

    fn compare(&self, words: &[AtomicU64], place: Place, number: u64, whole: bool) -> Result<u64, Mismatch> {
        let home = self.home(place);
        let body = self.body(home, number);
        let per_packet = self.packet_bytes / WORD;
        let count = self.message_bytes.div_ceil(WORD);
        // Of the last word only these bytes are the message's.
        let tail = match self.message_bytes % WORD {
            0 => u64::MAX,
            bytes => u64::MAX >> (8 * (WORD - bytes)),
        };
        let mask = |index: usize| if index + 1 == count { tail } else { u64::MAX };
        let mut verified = 0;
        for (packet, words) in words[..count].chunks(per_packet).enumerate() {
            let first = packet * per_packet;
            let found = words[0].load(Ordering::Relaxed);
            let expected = stamp(home, count_u64(first), number);
            if (found ^ expected) & mask(first) != 0 {
                return Err(self.mismatch(place, number, first, expected, found));
            }
            if !whole {
                verified += WORD.min(self.message_bytes - first * WORD);
                continue;
            }
            // One pass without branches over what is nearly always right; the word that is wrong is looked for afterwards.
            let base = body.wrapping_add(count_u64(first).wrapping_mul(GOLDEN));
            let inner = if first + words.len() == count { words.len() - 1 } else { words.len() };
            let mut expected = base;
            let mut differs = 0;
            for word in &words[1..inner.max(1)] {
                expected = expected.wrapping_add(GOLDEN);
                differs |= word.load(Ordering::Relaxed) ^ expected;
            }
            if inner < words.len() && inner > 0 {
                differs |= (words[inner].load(Ordering::Relaxed) ^ expected.wrapping_add(GOLDEN)) & tail;
            }
            if differs != 0 {
                return Err(self.find(words, place, number, first, base, mask));
            }
            verified += (words.len() * WORD).min(self.message_bytes - first * WORD);
        }
        Ok(count_u64(verified))
    }

    fn find(&self, words: &[AtomicU64], place: Place, number: u64, first: usize, base: u64, mask: impl Fn(usize) -> u64) -> Mismatch {
        let mut expected = base;
        for (index, word) in words.iter().enumerate().skip(1) {
            expected = expected.wrapping_add(GOLDEN);
            let found = word.load(Ordering::Relaxed);
            if (found ^ expected) & mask(first + index) != 0 {
                return self.mismatch(place, number, first + index, expected, found);
            }
        }
        // It was wrong when it was looked at first, and is right now: somebody still writes there. That is wrong too, and the place is the packet.
        self.mismatch(place, number, first, 0, 0)
    }

    fn mismatch(&self, place: Place, number: u64, index: usize, expected: u64, found: u64) -> Mismatch {
        let byte = ((expected ^ found).trailing_zeros() / 8).min(7);
        let home = self.home(place);
        let is_stamp = index.is_multiple_of(self.packet_bytes / WORD);
        let held = stamp(home, count_u64(index), found);
        Mismatch {
            pair: place.pair,
            message: number,
            offset: count_u64(index * WORD) + u64::from(byte),
            expected: expected.to_le_bytes()[usize::try_from(byte).unwrap_or(0)],
            found: found.to_le_bytes()[usize::try_from(byte).unwrap_or(0)],
            // A short word does not say which message it is of.
            holds: (is_stamp && self.message_bytes - index * WORD >= WORD && held < NUMBER_END).then_some(held),
            untouched: is_stamp && found == stamp(home, count_u64(index), NEVER),
        }
    }

    /// The message whose first packet lies at a place; none when there is none yet, and where messages are too short to say.
    pub fn number_at(&self, words: &[AtomicU64], place: Place) -> Option<u64> {
        let found = stamp(self.home(place), 0, words[0].load(Ordering::Acquire));
        (self.message_bytes >= WORD && found < NUMBER_END).then_some(found)
    }

    /// Whether the end of a message has arrived, for those who wait for it in memory.
    pub fn has_arrived(&self, words: &[AtomicU64], place: Place, number: u64) -> bool {
        let last = self.message_bytes.div_ceil(WORD) - 1;
        let per_packet = self.packet_bytes / WORD;
        let home = self.home(place);
        let expected = if last.is_multiple_of(per_packet) {
            stamp(home, count_u64(last), number)
        } else {
            self.body(home, number).wrapping_add(count_u64(last).wrapping_mul(GOLDEN))
        };
        let bytes = self.message_bytes - last * WORD;
        (words[last].load(Ordering::Acquire) ^ expected) & (u64::MAX >> (8 * (WORD - bytes))) == 0
    }

    fn home(&self, place: Place) -> u64 {
        mix(self.seed ^ (u64::from(place.side) << 32 | u64::from(place.pair) << 16 | u64::from(place.slot)).wrapping_mul(GOLDEN))
    }

    // What the words between stamps begin with.
    fn body(&self, home: u64, number: u64) -> u64 {
        match self.verify {
            Verify::Full => mix(home ^ mix(number)),
            Verify::Stamps => mix(home),
        }
    }
}

/// The slot of a message.
pub fn remainder(number: u64, slots: u16) -> u16 {
    u16::try_from(number % u64::from(slots)).expect("less than the slots")
}

/// Which slot over there a read takes: another one than the last message in this slot did, so that what is there already is never right.
pub fn source(number: u64, depth: u16) -> u16 {
    remainder(number + number / u64::from(depth), depth)
}

// The number, made unlike that of any other place; applied to a stamp it gives the number back.
fn stamp(home: u64, index: u64, number: u64) -> u64 {
    number ^ mix(home.wrapping_add(index.wrapping_add(1).wrapping_mul(GOLDEN)))
}

// The finaliser of splitmix64: a bijection that spreads every bit.
fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn count_u64(count: usize) -> u64 {
    u64::try_from(count).expect("a count of 64 bits")
}

#[cfg(test)]
mod tests;
