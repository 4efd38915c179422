//! What must be on the target: the generation last written to every unit, so that a stale block is told from a good one.
//!
//! A stamp carries 64 bits of the generation, the history keeps the lower 32 of them, 4 bytes per unit. That is enough: generations count up and each is
//! drawn once, so a wrong one passes only where the very place still holds what was written an exact multiple of 2^32 draws before (17 TB of 4 KiB
//! blocks) and every write in between was lost unseen. Only the word for a mismatch, stale or unexpected, takes the lower bits for the latest possible epoch.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::job::Span;
use crate::stamp::{UNIT, UNIT_MIN};
use crate::sys::mapped::Mapped;

/// Never written by us.
const UNWRITTEN: u32 = 0;
/// A write failed: the old or the new content may be there.
const UNCERTAIN: u32 = u32::MAX;

/// The write history of one target during one run. Lanes share it: each place belongs to one of them at a time.
#[derive(Debug)]
pub struct History {
    start: u64,
    unit: u64,
    generations: Kept,
    next: AtomicU64,
    // Whether the process that wrote is dead, so that later writes may have landed.
    died: bool,
}

/// Where generations are kept.
#[derive(Debug)]
enum Kept {
    InMemory(Vec<AtomicU32>),
    /// In a file: what was acknowledged is known after the death of the process.
    InFile(Mapped),
}

impl Kept {
    fn units(&self) -> &[AtomicU32] {
        match self {
            Kept::InMemory(units) => units,
            Kept::InFile(mapped) => mapped.counters(),
        }
    }
}

/// What a unit must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing of ours.
    Unwritten,
    /// Exactly this generation.
    Generation(u64),
    /// This generation, of which the lower 32 bits are known, or a later one: a write may have landed that nobody acknowledged any more.
    AtLeast(u32),
    /// Something of ours at this place, of whatever generation.
    Uncertain,
}

impl History {
    /// Memory that the history of a target of so many bytes takes, in units of so many.
    pub fn footprint(target_bytes: u64, unit: u64) -> u64 {
        target_bytes / unit * u64::from(u32::BITS / 8)
    }

    /// A target of which nothing is written yet, stamped in units of 4 KiB.
    pub fn new(span: Span) -> Self {
        Self::with_unit(span, UNIT)
    }

    /// The same with units of `unit` bytes: 512, which blocks smaller than 4 KiB need, or 4096.
    ///
    /// # Panics
    /// For any other unit.
    pub fn with_unit(span: Span, unit: u64) -> Self {
        assert!(unit == UNIT || unit == UNIT_MIN, "units have 512 or 4096 bytes, not {unit}");
        let units = usize::try_from(span.bytes / unit).expect("the write history of the span fits into memory");
        let generations = Kept::InMemory((0..units).map(|_| AtomicU32::new(UNWRITTEN)).collect());
        Self { start: span.start, unit, generations, next: AtomicU64::new(1), died: false }
    }

    /// The same, kept in a file of [`History::footprint`] bytes, all zero: every acknowledged write is in it at once, whatever becomes of this process. On a
    /// disk it is only when the kernel writes it back.
    ///
    /// # Panics
    /// For another unit than 512 or 4096.
    pub fn in_file(file: &File, span: Span, unit: u64) -> io::Result<Self> {
        assert!(unit == UNIT || unit == UNIT_MIN, "units have 512 or 4096 bytes, not {unit}");
        let units = usize::try_from(span.bytes / unit).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let generations = Kept::InFile(Mapped::new(file, units)?);
        Ok(Self { start: span.start, unit, generations, next: AtomicU64::new(1), died: false })
    }

    /// What a process that died left in such a file: each unit must hold what was acknowledged last, or something later.
    ///
    /// # Panics
    /// For another unit than 512 or 4096.
    pub fn of_the_dead(file: &File, span: Span, unit: u64) -> io::Result<Self> {
        Ok(Self { died: true, ..Self::in_file(file, span, unit)? })
    }

    /// Bytes of one stamped unit.
    pub fn unit(&self) -> u64 {
        self.unit
    }

    /// Whether every unit of `span` is one of the history's.
    pub fn covers(&self, span: Span) -> bool {
        let units = u64::try_from(self.generations.units().len()).expect("a number of units");
        let end = span.start.checked_add(span.bytes);
        span.start >= self.start
            && (span.start - self.start).is_multiple_of(self.unit)
            && end.is_some_and(|end| end <= self.start + units * self.unit)
    }

    /// A generation that was never drawn before.
    pub fn draw(&self) -> u64 {
        loop {
            let drawn = self.next.fetch_add(1, Ordering::Relaxed);
            // Those that would be kept as one of the marks are left out.
            if !matches!(low(drawn), UNWRITTEN | UNCERTAIN) {
                return drawn;
            }
        }
    }

    /// Records an acknowledged write.
    pub fn written(&self, offset: u64, bytes: u64, generation: u64) {
        self.units(offset, bytes).iter().for_each(|unit| unit.store(low(generation), Ordering::Relaxed));
    }

    /// Records a write that failed, came back short or never came back. Of a place without older content of ours nothing can be said then.
    pub fn uncertain(&self, offset: u64, bytes: u64) {
        for unit in self.units(offset, bytes) {
            let mark = match unit.load(Ordering::Relaxed) {
                UNWRITTEN => UNWRITTEN,
                _ => UNCERTAIN,
            };
            unit.store(mark, Ordering::Relaxed);
        }
    }

    /// Records a trim, however it ended: content or none, nothing can be said.
    pub fn trimmed(&self, offset: u64, bytes: u64) {
        self.units(offset, bytes).iter().for_each(|unit| unit.store(UNWRITTEN, Ordering::Relaxed));
    }

    /// What the unit at `offset` must hold.
    pub fn expected(&self, offset: u64) -> Expected {
        if offset < self.start {
            return Expected::Unwritten;
        }
        match self.generations.units().get(self.index(offset)).map(|unit| unit.load(Ordering::Relaxed)) {
            Some(UNCERTAIN) => Expected::Uncertain,
            Some(UNWRITTEN) | None => Expected::Unwritten,
            Some(kept) if self.died => Expected::AtLeast(kept),
            Some(kept) => Expected::Generation(latest(kept, self.next.load(Ordering::Relaxed))),
        }
    }

    fn index(&self, offset: u64) -> usize {
        usize::try_from((offset - self.start) / self.unit).expect("a unit of a history that fits into memory")
    }

    fn units(&self, offset: u64, bytes: u64) -> &[AtomicU32] {
        let first = self.index(offset);
        let count = usize::try_from(bytes / self.unit).expect("units of one operation");
        &self.generations.units()[first..first + count]
    }
}

// What is kept of a generation.
fn low(generation: u64) -> u32 {
    u32::try_from(generation & u64::from(u32::MAX)).expect("32 bits")
}

// The latest generation before `next` of which this was kept.
fn latest(kept: u32, next: u64) -> u64 {
    let epoch = next & !u64::from(u32::MAX);
    let candidate = epoch | u64::from(kept);
    if candidate < next || epoch == 0 { candidate } else { candidate.saturating_sub(1 << 32) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1 << 20;

    fn history() -> History {
        History::new(Span { start: START, bytes: 8 * UNIT })
    }

    #[test]
    fn a_new_target_is_unwritten() {
        assert!((0..8).all(|unit| history().expected(START + unit * UNIT) == Expected::Unwritten));
    }

    #[test]
    fn a_write_counts_for_exactly_its_units() {
        let history = history();
        history.written(START + 2 * UNIT, 3 * UNIT, 9);
        let held: Vec<Expected> = (0..8).map(|unit| history.expected(START + unit * UNIT)).collect();
        let (none, nine) = (Expected::Unwritten, Expected::Generation(9));
        assert_eq!(held, [none, none, nine, nine, nine, none, none, none]);
    }

    #[test]
    fn a_failed_write_makes_old_content_uncertain_and_claims_nothing_of_the_rest() {
        let history = history();
        history.written(START, UNIT, 1);
        history.uncertain(START, 2 * UNIT);
        assert_eq!((history.expected(START), history.expected(START + UNIT)), (Expected::Uncertain, Expected::Unwritten));
        history.written(START, UNIT, 2);
        assert_eq!(history.expected(START), Expected::Generation(2), "the next acknowledged write settles it");
    }

    #[test]
    fn generations_differ_and_are_never_kept_as_one_of_the_marks() {
        let history = history();
        assert_eq!([history.draw(), history.draw(), history.draw()], [1, 2, 3]);
        history.next.store(u64::from(UNCERTAIN) - 1, Ordering::Relaxed);
        assert_eq!([history.draw(), history.draw(), history.draw()], [u64::from(UNCERTAIN) - 1, (1 << 32) + 1, (1 << 32) + 2]);
    }

    #[test]
    fn a_generation_is_known_in_whole_across_the_end_of_an_epoch() {
        let history = history();
        history.next.store(u64::from(UNCERTAIN) - 1, Ordering::Relaxed);
        let (before, after) = (history.draw(), history.draw());
        history.written(START, UNIT, before);
        history.written(START + UNIT, UNIT, after);
        assert_eq!((history.expected(START), history.expected(START + UNIT)), (Expected::Generation(before), Expected::Generation(after)));
    }

    #[test]
    fn after_a_trim_nothing_is_claimed() {
        let history = history();
        history.written(START, 2 * UNIT, 1);
        history.trimmed(START, UNIT);
        assert_eq!((history.expected(START), history.expected(START + UNIT)), (Expected::Unwritten, Expected::Generation(1)));
        history.uncertain(START, UNIT);
        assert_eq!(history.expected(START), Expected::Unwritten, "trimmed, or a write that failed");
    }

    #[test]
    fn units_of_a_sector_are_told_apart() {
        let history = History::with_unit(Span { start: START, bytes: 4096 }, 512);
        history.written(START + 512, 512, 7);
        let held: Vec<Expected> = (0..3).map(|unit| history.expected(START + unit * 512)).collect();
        assert_eq!(held, [Expected::Unwritten, Expected::Generation(7), Expected::Unwritten]);
        assert!(history.covers(Span { start: START + 512, bytes: 512 }) && !history.covers(Span { start: START + 256, bytes: 512 }));
    }

    #[test]
    fn a_span_is_covered_when_all_of_its_units_are() {
        let span = |start, bytes| Span { start, bytes };
        assert!(history().covers(span(START, 8 * UNIT)) && history().covers(span(START + UNIT, 7 * UNIT)));
        for outside in [span(START - UNIT, UNIT), span(START, 9 * UNIT), span(START + 512, UNIT), span(START, u64::MAX)] {
            assert!(!history().covers(outside), "{outside:?}");
        }
    }

    #[test]
    fn outside_of_the_span_nothing_is_claimed() {
        let history = history();
        history.written(START, 8 * UNIT, 1);
        assert_eq!(history.expected(START + 8 * UNIT), Expected::Unwritten);
        assert_eq!(history.expected(START - UNIT), Expected::Unwritten);
    }
}
