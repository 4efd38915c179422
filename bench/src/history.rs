//! What must be on the target: the generation last written to every 4 KiB unit, so that a stale block is told from a good one.

use crate::job::Span;
use crate::stamp::UNIT;

/// Never written by us.
const UNWRITTEN: u32 = 0;
/// A write failed: the old or the new content may be there.
const UNCERTAIN: u32 = u32::MAX;

/// The write history of one target during one run.
#[derive(Debug, Clone)]
pub struct History {
    start: u64,
    generations: Vec<u32>,
    next: u32,
}

/// What a unit must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Nothing of ours.
    Unwritten,
    /// Exactly this generation.
    Generation(u32),
    /// Something of ours at this place, of whatever generation.
    Uncertain,
}

impl History {
    /// Memory that the history of a target of so many bytes takes.
    pub fn footprint(target_bytes: u64) -> u64 {
        target_bytes / UNIT * u64::from(u32::BITS / 8)
    }

    /// A target of which nothing is written yet.
    pub fn new(span: Span) -> Self {
        let units = usize::try_from(span.bytes / UNIT).expect("the write history of the span fits into memory");
        Self { start: span.start, generations: vec![UNWRITTEN; units], next: UNWRITTEN + 1 }
    }

    /// Whether every unit of `span` is one of the history's.
    pub fn covers(&self, span: Span) -> bool {
        let units = u64::try_from(self.generations.len()).expect("a number of units");
        let end = span.start.checked_add(span.bytes);
        span.start >= self.start && (span.start - self.start).is_multiple_of(UNIT) && end.is_some_and(|end| end <= self.start + units * UNIT)
    }

    /// A generation other than those of the 2^32 - 3 blocks drawn before.
    pub fn draw(&mut self) -> u32 {
        let drawn = self.next;
        // A burn-in gets here: 2^32 blocks of 4 KiB are a few hours of a fast drive.
        self.next = if drawn == UNCERTAIN - 1 { UNWRITTEN + 1 } else { drawn + 1 };
        drawn
    }

    /// Records an acknowledged write.
    pub fn written(&mut self, offset: u64, bytes: u64, generation: u32) {
        self.units(offset, bytes).fill(generation);
    }

    /// Records a write that failed, came back short or never came back. Of a place without older content of ours nothing can be said then.
    pub fn uncertain(&mut self, offset: u64, bytes: u64) {
        for generation in self.units(offset, bytes).iter_mut().filter(|generation| **generation != UNWRITTEN) {
            *generation = UNCERTAIN;
        }
    }

    /// What the unit at `offset` must hold.
    pub fn expected(&self, offset: u64) -> Expected {
        if offset < self.start {
            return Expected::Unwritten;
        }
        match self.generations.get(self.index(offset)).copied() {
            Some(UNCERTAIN) => Expected::Uncertain,
            Some(UNWRITTEN) | None => Expected::Unwritten,
            Some(generation) => Expected::Generation(generation),
        }
    }

    fn units(&mut self, offset: u64, bytes: u64) -> &mut [u32] {
        let from = self.index(offset);
        let units = usize::try_from(bytes / UNIT).expect("a block fits into memory");
        &mut self.generations[from..from + units]
    }

    fn index(&self, offset: u64) -> usize {
        usize::try_from((offset - self.start) / UNIT).expect("the span fits into memory")
    }
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
        let mut history = history();
        history.written(START + 2 * UNIT, 3 * UNIT, 9);
        let held: Vec<Expected> = (0..8).map(|unit| history.expected(START + unit * UNIT)).collect();
        let (none, nine) = (Expected::Unwritten, Expected::Generation(9));
        assert_eq!(held, [none, none, nine, nine, nine, none, none, none]);
    }

    #[test]
    fn a_failed_write_makes_old_content_uncertain_and_claims_nothing_of_the_rest() {
        let mut history = history();
        history.written(START, UNIT, 1);
        history.uncertain(START, 2 * UNIT);
        assert_eq!((history.expected(START), history.expected(START + UNIT)), (Expected::Uncertain, Expected::Unwritten));
        history.written(START, UNIT, 2);
        assert_eq!(history.expected(START), Expected::Generation(2), "the next acknowledged write settles it");
    }

    #[test]
    fn generations_differ_and_are_never_one_of_the_two_marks() {
        let mut history = history();
        assert_eq!([history.draw(), history.draw(), history.draw()], [1, 2, 3]);
        history.next = UNCERTAIN - 2;
        assert_eq!([history.draw(), history.draw(), history.draw()], [UNCERTAIN - 2, UNCERTAIN - 1, 1]);
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
        let mut history = history();
        history.written(START, 8 * UNIT, 1);
        assert_eq!(history.expected(START + 8 * UNIT), Expected::Unwritten);
        assert_eq!(history.expected(START - UNIT), Expected::Unwritten);
    }
}
