//! The knee of a load: the highest rate that still holds a condition, found by a sweep. Decides which rate is tried next; somebody else tries it.

use serde::{Deserialize, Serialize};

/// Where the knee is sought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Lowest rate, per second.
    pub from: u32,
    /// Highest rate, per second.
    pub to: u32,
}

/// A search in progress.
#[derive(Debug, Clone)]
pub struct Search {
    range: Range,
    // The highest rate that held, and the lowest that did not, as far as told.
    held: Option<u32>,
    broke: Option<u32>,
    // Whether the rate that held last was tried a second time, and held again.
    confirmed: bool,
    tried: u32,
}

/// What a search found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Knee {
    /// Not even the lowest rate of the range holds.
    Below(u32),
    /// This rate held twice, and one a little above it did not.
    At(u32),
    /// The highest rate of the range held twice.
    Above(u32),
}

/// Rates that lie closer together than this, percent, are one: repeats of the same rate differ by as much.
const RESOLUTION: u64 = 3;
/// A target whose answers contradict each other is not tried for ever.
const TRIES: u32 = 40;

impl Search {
    /// A search that has tried nothing.
    pub fn new(range: Range) -> Self {
        Self { range, held: None, broke: None, confirmed: false, tried: 0 }
    }

    /// The rate to be tried next; nothing when the search is over.
    pub fn next(&self) -> Option<u32> {
        let Range { from, to } = self.range;
        if self.tried >= TRIES {
            return None;
        }
        match (self.held, self.broke) {
            (None, None) => Some(from),
            (None, Some(broke)) if broke <= from => None,
            (None, Some(broke)) => Some(between(from, broke).max(from)),
            (Some(held), None) if held >= to => (!self.confirmed).then_some(to),
            (Some(held), None) => Some(held.saturating_mul(2).min(to)),
            (Some(held), Some(broke)) if is_one(held, broke) => (!self.confirmed).then_some(held),
            (Some(held), Some(broke)) => Some(between(held, broke)),
        }
    }

    /// Takes how the rate that [`Search::next`] gave went.
    pub fn tell(&mut self, rate: u32, holds: bool) {
        self.tried += 1;
        match (holds, self.held) {
            (true, Some(held)) if held == rate => self.confirmed = true,
            (true, _) => (self.held, self.confirmed) = (Some(rate), false),
            // What held once and does not hold again was luck: the knee is below it, and sought from the beginning of the range.
            (false, Some(held)) if rate <= held => (self.held, self.broke, self.confirmed) = (None, Some(rate), false),
            (false, _) => self.broke = Some(rate),
        }
    }

    /// What it found, once it is over; nothing when its tries were used up without an answer.
    pub fn found(&self) -> Option<Knee> {
        match (self.held, self.broke) {
            (None, Some(broke)) if broke <= self.range.from => Some(Knee::Below(self.range.from)),
            (Some(held), None) if self.confirmed && held >= self.range.to => Some(Knee::Above(held)),
            (Some(held), Some(_)) if self.confirmed => Some(Knee::At(held)),
            (None | Some(_), None | Some(_)) => None,
        }
    }

    /// How often at most something is tried.
    pub const fn tries() -> u32 {
        TRIES
    }
}

impl Range {
    /// About how many tries a search takes.
    pub fn usual_tries(self) -> u32 {
        let doublings = (self.to / self.from.max(1)).max(1).ilog2() + 1;
        // The highest rate is tried too, halving a factor of two until it is within the resolution takes five, the confirmation one.
        doublings + 7
    }
}

// The geometric middle: rates matter by their ratio.
fn between(low: u32, high: u32) -> u32 {
    let middle = (u64::from(low) * u64::from(high)).isqrt();
    u32::try_from(middle).unwrap_or(high)
}

fn is_one(low: u32, high: u32) -> bool {
    u64::from(high) * 100 <= u64::from(low) * (100 + RESOLUTION) || high <= low + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANGE: Range = Range { from: 1000, to: 1_000_000 };

    fn search(range: Range, mut holds: impl FnMut(u32, u32) -> bool) -> (Option<Knee>, u32) {
        let mut search = Search::new(range);
        while let Some(rate) = search.next() {
            assert!((range.from..=range.to).contains(&rate), "{rate} is outside the range");
            let tried = search.tried;
            search.tell(rate, holds(rate, tried));
        }
        (search.found(), search.tried)
    }

    #[test]
    fn the_knee_is_found_within_its_resolution_wherever_it_is() {
        for knee in [1000, 1001, 1500, 2000, 12_345, 65_536, 300_000, 999_999] {
            let (found, tried) = search(RANGE, |rate, _| rate <= knee);
            let Some(Knee::At(at)) = found else { panic!("{knee}: {found:?}") };
            assert!(at <= knee && u64::from(at) * 104 >= u64::from(knee) * 100, "{at} for {knee}");
            assert!(tried <= RANGE.usual_tries(), "{tried} tries for {knee}");
        }
    }

    #[test]
    fn a_knee_outside_of_the_range_is_said_to_be_there() {
        assert_eq!(search(RANGE, |_, _| false), (Some(Knee::Below(1000)), 1));
        assert_eq!(search(RANGE, |rate, _| rate <= 5_000_000).0, Some(Knee::Above(1_000_000)));
        assert_eq!(search(Range { from: 70, to: 70 }, |_, _| true).0, Some(Knee::Above(70)));
        assert_eq!(search(Range { from: 1, to: 3 }, |rate, _| rate <= 2).0, Some(Knee::At(2)));
    }

    #[test]
    fn a_rate_that_held_by_luck_is_no_knee() {
        // 8000 holds the first time only; the truth is 5000.
        let mut lucky = true;
        let (found, _) = search(RANGE, |rate, _| rate <= 5000 || (rate == 8000 && std::mem::take(&mut lucky)));
        let Some(Knee::At(at)) = found else { panic!("{found:?}") };
        assert!((4800..=5000).contains(&at), "{at}");
    }

    #[test]
    fn a_target_that_contradicts_itself_has_no_knee_and_an_end() {
        let (found, tried) = search(RANGE, |_, tried| tried % 2 == 0);
        assert!(tried <= Search::tries(), "{tried}");
        // Whatever was found held twice.
        assert!(!matches!(found, Some(Knee::Above(_))), "{found:?}");
    }
}
