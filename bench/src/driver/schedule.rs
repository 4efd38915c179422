//! When operations are due in an open loop: by their own clock, whatever the target does. What is late is still due when it was, so a target that stalls does
//! not thin out the operations that would have shown it (coordinated omission).

use std::time::{Duration, Instant};

use crate::driver::Random;
use crate::job::{Arrivals, Job, Load};

/// The next operation and those after it.
pub(crate) struct Schedule {
    next: Instant,
    interval: f64,
    random: Option<Random>,
}

impl Schedule {
    /// None in a closed loop, where an operation is due when another is over.
    pub(super) fn new(job: &Job, begin: Instant) -> Option<Self> {
        let Load::Open { rate, arrivals } = job.load else { return None };
        Some(Self::of(rate, arrivals, job.seed, begin))
    }

    /// `rate` operations per second.
    pub(crate) fn of(rate: u32, arrivals: Arrivals, seed: u64, begin: Instant) -> Self {
        // A stream of its own: the same seed gives the same places whether the loop is open or closed.
        let random = (arrivals == Arrivals::Poisson).then(|| Random::new(seed.rotate_left(32) ^ 0x0a11));
        let mut schedule = Self { next: begin, interval: 1.0 / f64::from(rate), random };
        schedule.advance();
        schedule
    }

    /// When the next operation is due.
    pub(crate) fn next(&self) -> Instant {
        self.next
    }

    /// The next operation, if it is due.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Instant> {
        let due = self.next;
        if due > now {
            return None;
        }
        self.advance();
        Some(due)
    }

    fn advance(&mut self) {
        let intervals = self.random.as_mut().map_or(1.0, |random| -random.unit().ln());
        self.next += Duration::from_secs_f64(self.interval * intervals);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::conformance::job;
    use crate::job::Rw;

    fn gaps(arrivals: Arrivals, count: usize) -> Vec<f64> {
        let begin = Instant::now();
        let job = Job { load: Load::Open { rate: 1000, arrivals }, ..job(Rw::RandRead, 4096, 1) };
        let mut schedule = Schedule::new(&job, begin).expect("an open loop");
        let mut before = begin;
        let mut gap = || {
            let due = schedule.take(begin + Duration::from_secs(1_000_000)).expect("due");
            let gap = due.duration_since(before).as_secs_f64();
            before = due;
            gap
        };
        (0..count).map(|_| gap()).collect()
    }

    #[test]
    fn nothing_is_due_before_its_time_and_everything_after_it() {
        let begin = Instant::now();
        let job = Job { load: Load::Open { rate: 1000, arrivals: Arrivals::Constant }, ..job(Rw::RandRead, 4096, 1) };
        let mut schedule = Schedule::new(&job, begin).expect("an open loop");
        assert_eq!(schedule.take(begin + Duration::from_micros(999)), None);
        let late = begin + Duration::from_micros(3500);
        let due: Vec<u128> = std::iter::from_fn(|| schedule.take(late)).map(|due| due.duration_since(begin).as_micros()).collect();
        assert_eq!(due, [1000, 2000, 3000], "what is late is due when it was");
        assert_eq!(schedule.next(), begin + Duration::from_millis(4));
        assert!(Schedule::new(&Job { load: Load::Closed, ..job }, begin).is_none());
    }

    #[test]
    fn poisson_arrivals_have_the_mean_the_spread_and_the_independence_of_their_process() {
        let gaps = gaps(Arrivals::Poisson, 200_000);
        let count = 200_000.0;
        let mean = gaps.iter().sum::<f64>() / count;
        let variance = gaps.iter().map(|gap| (gap - mean).powi(2)).sum::<f64>() / count;
        let following = gaps.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / count;
        // Five standard errors: 1/sqrt(n) of the mean and of the correlation, sqrt(8/n) of the variance.
        assert!((mean * 1000.0 - 1.0).abs() < 0.0112, "{mean}");
        assert!((variance * 1e6 - 1.0).abs() < 0.0317, "{variance}");
        assert!((following / variance).abs() < 0.0112, "{following}");
    }

    #[test]
    fn constant_arrivals_are_a_millisecond_apart() {
        assert!(gaps(Arrivals::Constant, 1000).iter().all(|gap| (gap - 0.001).abs() < 1e-9));
    }
}
