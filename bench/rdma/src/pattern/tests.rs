//! Every flipped bit is found where it is, in messages of every length; what is old, of another place or never written is named.

use super::*;

const HERE: Place = Place { side: 0, pair: 3, slot: 7 };

fn memory(bytes: usize) -> Vec<AtomicU64> {
    (0..bytes.div_ceil(WORD)).map(|_| AtomicU64::new(0)).collect()
}

fn pattern(message_bytes: usize, verify: Verify) -> Pattern {
    Pattern { seed: 42, packet_bytes: 256, message_bytes, verify }
}

fn flip(words: &[AtomicU64], byte: usize, bit: usize) {
    words[byte / WORD].fetch_xor(1 << (8 * (byte % WORD) + bit), Ordering::Relaxed);
}

#[test]
fn every_flipped_byte_is_found_where_it_is() {
    for bytes in [2, 3, 7, 8, 9, 15, 16, 63, 64, 255, 256, 257, 263, 264, 265, 511, 512, 1000, 4096] {
        for verify in [Verify::Full, Verify::Stamps] {
            let pattern = pattern(bytes, verify);
            let words = memory(bytes);
            pattern.fill(&words, HERE, 11);
            assert_eq!(pattern.check(&words, HERE, 11), Ok(bytes as u64), "{bytes} {verify:?}");
            assert!(pattern.has_arrived(&words, HERE, 11));
            for byte in 0..bytes {
                flip(&words, byte, byte % 8);
                let wrong = pattern.check(&words, HERE, 11).expect_err("caught");
                assert_eq!((wrong.offset, wrong.message, wrong.pair), (byte as u64, 11, 3), "{bytes} {verify:?}");
                assert_eq!(wrong.expected ^ wrong.found, 1 << (byte % 8));
                flip(&words, byte, byte % 8);
            }
        }
    }
}

#[test]
fn bytes_behind_the_message_are_not_its_own() {
    let pattern = pattern(13, Verify::Full);
    let words = memory(13);
    pattern.fill(&words, HERE, 1);
    flip(&words, 13, 0);
    flip(&words, 15, 7);
    assert_eq!(pattern.check(&words, HERE, 1), Ok(13));
}

#[test]
fn a_lost_packet_is_found_by_its_stamp_alone_and_says_what_lies_there() {
    let pattern = pattern(1024, Verify::Stamps);
    let words = memory(1024);
    pattern.fill(&words, HERE, 5);
    pattern.renew(&words, HERE, 13);
    assert_eq!(pattern.check_lightly(&words, HERE, 13), Ok(4 * 8));
    assert_eq!(pattern.check(&words, HERE, 13), Ok(1024));
    let lost = memory(1024);
    pattern.fill(&lost, HERE, 5);
    words[64].store(lost[64].load(Ordering::Relaxed), Ordering::Relaxed);
    let wrong = pattern.check_lightly(&words, HERE, 13).expect_err("caught");
    assert_eq!((wrong.offset / 256, wrong.holds), (2, Some(5)));
    assert!(wrong.to_string().contains("of message 5"), "{wrong}");
}

#[test]
fn what_is_of_another_number_place_end_or_measurement_is_wrong() {
    for verify in [Verify::Full, Verify::Stamps] {
        let pattern = pattern(64, verify);
        let words = memory(64);
        pattern.fill(&words, HERE, 5);
        for other in [Place { side: 1, ..HERE }, Place { pair: 4, ..HERE }, Place { slot: 8, ..HERE }] {
            assert!(pattern.check(&words, other, 5).is_err() && pattern.check_lightly(&words, other, 5).is_err());
        }
        assert!(pattern.check_lightly(&words, HERE, 6).is_err());
        assert!(Pattern { seed: 43, ..pattern }.check_lightly(&words, HERE, 5).is_err());
    }
}

#[test]
fn numbers_are_read_from_memory_and_what_was_never_written_has_none() {
    let pattern = pattern(64, Verify::Full);
    let words = memory(64);
    pattern.fill(&words, HERE, NEVER);
    assert_eq!(pattern.number_at(&words, HERE), None);
    assert!(pattern.check(&words, HERE, 0).expect_err("nothing there").untouched);
    pattern.fill(&words, HERE, 1 << 40);
    assert_eq!(pattern.number_at(&words, HERE), Some(1 << 40));
}

#[test]
fn of_blank_memory_no_byte_is_right_by_itself() {
    for verify in [Verify::Full, Verify::Stamps] {
        let pattern = pattern(600, verify);
        let (words, right) = (memory(600), memory(600));
        pattern.blank(&words, HERE);
        pattern.fill(&right, HERE, 0);
        assert_eq!(pattern.number_at(&words, HERE), None);
        for (index, (word, right)) in words.iter().zip(&right).enumerate() {
            assert_ne!(word.load(Ordering::Relaxed), right.load(Ordering::Relaxed), "{index} {verify:?}");
        }
        // All stamps have come, and one word has not.
        pattern.fill(&words, HERE, 0);
        pattern.blank(&right, HERE);
        words[40].store(right[40].load(Ordering::Relaxed), Ordering::Relaxed);
        assert_eq!(pattern.check(&words, HERE, 0).expect_err("caught").offset, 320);
    }
}

#[test]
fn spoiled_memory_passes_for_nothing() {
    for verify in [Verify::Full, Verify::Stamps] {
        let pattern = pattern(600, verify);
        let words = memory(600);
        pattern.fill(&words, HERE, 0);
        pattern.spoil(&words, HERE, 0);
        assert!(pattern.check_lightly(&words, HERE, 0).is_err());
        // The middle packet alone is written again: the others are still spoiled.
        let right = memory(600);
        pattern.fill(&right, HERE, 0);
        for index in 32..64 {
            words[index].store(right[index].load(Ordering::Relaxed), Ordering::Relaxed);
        }
        assert_eq!(pattern.check_lightly(&words, HERE, 0).expect_err("caught").offset / 256, 0);
    }
}

#[test]
fn a_wrong_byte_anywhere_in_what_reads_have_left_is_found_beside_stamps_that_are_right() {
    const BYTES: usize = 700;
    let pattern = pattern(BYTES, Verify::Stamps);
    for (depth, completed) in [(1, 1), (1, 9), (4, 3), (4, 4), (4, 5), (4, 19)] {
        let far: Vec<_> = (0..depth).map(|_| memory(BYTES)).collect();
        let near: Vec<_> = (0..depth).map(|_| memory(BYTES)).collect();
        let from = |slot| Place { slot, ..HERE };
        for (slot, words) in (0..depth).zip(&far) {
            pattern.fill(words, from(slot), 0);
        }
        for number in 0..completed {
            let (slot, taken) = (usize::from(remainder(number, depth)), source(number, depth));
            pattern.spoil(&near[slot], from(taken), 0);
            for (to, word) in near[slot].iter().zip(&far[usize::from(taken)]) {
                to.store(word.load(Ordering::Relaxed), Ordering::Relaxed);
            }
        }
        let check = || pattern.check_reads(HERE, completed, depth, |slot| &near[usize::from(slot)]);
        let last = completed.min(depth.into());
        assert_eq!(check(), Ok(last * BYTES as u64), "{depth} {completed}");
        for number in completed - last..completed {
            let slot = remainder(number, depth);
            for byte in [8, 255, 264, BYTES - 1] {
                flip(&near[usize::from(slot)], byte, 3);
                assert!(pattern.check_lightly(&near[usize::from(slot)], from(source(number, depth)), 0).is_ok(), "its stamps are right");
                let wrong = check().expect_err("caught");
                assert_eq!((wrong.message, wrong.offset, wrong.pair), (number, byte as u64, HERE.pair), "{depth} {completed}");
                flip(&near[usize::from(slot)], byte, 3);
            }
        }
    }
}
