//! When enough rounds are done: a figure that is clear of its limit needs no more of them, one that is near it does. The rule and its error rate are
//! fixed before the first round, and every look at the figures pays its part of that rate.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::judge::SERIAL;
use crate::limit::Bound;
use crate::metric::{Metric, MetricName};

/// Probability, percent, that a figure that is 5 % or more on one side of its limit stops on the other, all looks together; and how much more often stopping
/// early is wrong than all rounds are, for figures nearer to it. Simulated over [`recorded_noise`].
pub const ERROR_PERCENT: f64 = 1.0;
/// What of that rate the looks may use up; the rest is for noise that is not normal.
const LOOKS_SHARE: f64 = 0.5;
/// Clear of a limit is what is this much away from it, beyond the interval. Rounds that follow one another share the state of the machine, and are not as
/// independent as the interval takes them for: without it, recorded noise stopped a figure 2 % outside of its limit on the wrong side in 4 % of the trials.
pub const CLEARANCE_PERCENT: f64 = 5.0;
/// Fewer rounds agree by chance: where noise comes in waves, three of them lay close together and far from the truth in 2 % of the trials.
pub const FEWEST: u32 = 5;

/// A limit as a number, and on which side of it a figure must be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// The metric that it bounds.
    pub metric: MetricName,
    /// The number and the side.
    pub bound: Bound,
    /// The drive whose figure it bounds, by its serial number: what a data sheet rates. The figures of every target without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<String>,
}

impl Edge {
    /// Whether it bounds a figure: that of its metric, and of its drive when it has one.
    pub fn is_of(&self, metric: &Metric) -> bool {
        self.metric == metric.name && self.serial.as_ref().is_none_or(|serial| metric.dimensions.get(SERIAL) == Some(serial))
    }
}

/// Where a figure is, after the rounds so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Inside its limit, well clear of it.
    Inside,
    /// Outside of it, well clear of it.
    Outside,
    /// Too close to it, or too spread out.
    Open,
}

/// Where the figure with these rounds is, when there are `looks` looks in all. Rates and times are compared by their ratio to the limit: their logarithms
/// have the interval (Student), which must be clear of the limit, and the median must lie on the same side.
pub fn side(rounds: &[f64], bound: Bound, looks: u32) -> Side {
    let (limit, higher_is_better) = match bound {
        Bound::AtLeast(limit) => (limit, true),
        Bound::AtMost(limit) => (limit, false),
        // A share is no number before somebody has multiplied it with its ceiling or with the figure of a data sheet.
        Bound::Efficiency(_) | Bound::Rated { .. } | Bound::Exactly(_) => return Side::Open,
    };
    let count = u32::try_from(rounds.len()).unwrap_or(u32::MAX);
    let usable = |value: f64| value.is_finite() && value > 0.0;
    if count < FEWEST || !usable(limit) || !rounds.iter().all(|round| usable(*round)) {
        return Side::Open;
    }
    let logs: Vec<f64> = rounds.iter().map(|round| (round / limit).ln()).collect();
    let n = f64::from(count);
    let mean = logs.iter().sum::<f64>() / n;
    let deviation = (logs.iter().map(|log| (log - mean) * (log - mean)).sum::<f64>() / (n - 1.0)).sqrt();
    let Ok(student) = StudentsT::new(0.0, 1.0, n - 1.0) else { return Side::Open };
    let clearance = (1.0 + CLEARANCE_PERCENT / 100.0).ln();
    let reach = clearance + student.inverse_cdf(1.0 - LOOKS_SHARE * ERROR_PERCENT / 100.0 / f64::from(looks.max(1))) * deviation / n.sqrt();
    let median = crate::metric::Samples::new(logs).median();
    let (above, below) = (mean > reach && median > 0.0, -mean > reach && median < 0.0);
    match (above, below) {
        (true, _) => {
            if higher_is_better {
                Side::Inside
            } else {
                Side::Outside
            }
        }
        (_, true) => {
            if higher_is_better {
                Side::Outside
            } else {
                Side::Inside
            }
        }
        (false, false) => Side::Open,
    }
}

/// Rounds of real figures, as ratios to their median, in the order in which they came: what stopping early is tried on.
pub fn recorded_noise() -> Vec<(&'static str, Vec<f64>)> {
    let lines = include_str!("sequential/noise.csv").lines().filter(|line| !line.starts_with('#'));
    let of = |line: &'static str| {
        let (name, figures) = line.split_once(',')?;
        let figures: Vec<f64> = figures.split(',').filter_map(|figure| figure.parse().ok()).collect();
        let median = crate::metric::Samples::new(figures.clone()).median();
        Some((name, figures.iter().map(|figure| figure / median).collect()))
    };
    lines.filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOOKS: u32 = 11;
    const FROM: usize = 5;
    const TO: usize = 15;

    #[test]
    fn clear_figures_stop_early_and_close_ones_do_not() {
        let at_least = |rounds: &[f64]| side(rounds, Bound::AtLeast(100.0), LOOKS);
        assert_eq!(at_least(&[150.0, 151.0, 149.0, 150.0, 152.0]), Side::Inside);
        assert_eq!(at_least(&[50.0, 51.0, 49.0, 50.0, 50.5]), Side::Outside);
        assert_eq!(at_least(&[101.0, 99.0, 102.0, 100.0, 101.0]), Side::Open);
        assert_eq!(at_least(&[150.0, 151.0, 149.0, 150.0]), Side::Open, "four rounds");
        assert_eq!(at_least(&[104.0, 104.1, 104.0, 103.9, 104.0]), Side::Open, "clear of the limit, and not by enough");
        assert_eq!(at_least(&[150.0, 30.0, 150.0, 150.0, 150.0]), Side::Open, "one of them far away");
        assert_eq!(side(&[150.0, 151.0, 149.0, 150.0, 151.0], Bound::AtMost(100.0), LOOKS), Side::Outside);
        assert_eq!(side(&[50.0, 51.0, 49.0, 50.0, 51.0], Bound::AtMost(100.0), LOOKS), Side::Inside);
        for broken in [f64::NAN, 0.0, -1.0, f64::INFINITY] {
            assert_eq!(at_least(&[150.0, broken, 150.0, 150.0, 150.0]), Side::Open, "{broken}");
            assert_eq!(side(&[150.0; 6], Bound::AtLeast(broken), LOOKS), Side::Open, "{broken}");
        }
        assert_eq!(side(&[150.0; 6], Bound::Efficiency(0.5), LOOKS), Side::Open);
    }

    /// What becomes of a figure with a truth: how often it stops inside, stops outside and stays open to the end; how often it is accepted in all, with and
    /// without stopping; and after how many rounds on average.
    #[derive(Debug, Default)]
    struct Fate {
        inside: f64,
        outside: f64,
        open: f64,
        accepted: f64,
        accepted_by_all_rounds: f64,
        rounds: f64,
    }

    /// The truth is a share of the limit, of which at least 1 is asked for. The noise is recorded: ratios of real rounds to their median, from a random place
    /// on, in the order in which they came.
    fn simulate(noise: &[f64], truth: f64) -> Fate {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % u64::try_from(below).expect("small")).expect("small")
        };
        const TRIALS: u32 = 4000;
        let share = 1.0 / f64::from(TRIALS);
        let mut fate = Fate::default();
        for _ in 0..TRIALS {
            let from = random(noise.len());
            let figures: Vec<f64> = (0..TO).map(|at| truth * noise[(from + at) % noise.len()]).collect();
            let looks = (FROM..=TO).map(|count| (count, side(&figures[..count], Bound::AtLeast(1.0), LOOKS)));
            let (count, side) = looks.into_iter().find(|(_, side)| *side != Side::Open).unwrap_or((TO, Side::Open));
            let passes = |rounds: &[f64]| if crate::metric::Samples::new(rounds.to_vec()).median() >= 1.0 { share } else { 0.0 };
            *match side {
                Side::Inside => &mut fate.inside,
                Side::Outside => &mut fate.outside,
                Side::Open => &mut fate.open,
            } += share;
            fate.accepted += passes(&figures[..count]);
            fate.accepted_by_all_rounds += passes(&figures);
            #[allow(clippy::cast_precision_loss, reason = "a handful")]
            let count = count as f64;
            fate.rounds += count * share;
        }
        fate
    }

    #[test]
    fn over_recorded_noise_stopping_early_costs_at_most_what_is_said() {
        for (name, noise) in recorded_noise() {
            assert!(noise.len() >= 100, "{}", noise.len());
            for truth in [0.90, 0.95, 0.98, 1.02, 1.05, 1.10] {
                let fate = simulate(&noise, truth);
                println!("{name} at {truth}: {fate:.4?}");
                let error = ERROR_PERCENT / 100.0;
                let stopped_wrong = if truth < 1.0 { fate.inside } else { fate.outside };
                let (wrong, wrong_by_all) =
                    if truth < 1.0 { (fate.accepted, fate.accepted_by_all_rounds) } else { (1.0 - fate.accepted, 1.0 - fate.accepted_by_all_rounds) };
                assert!((truth - 1.0).abs() < 0.04 || stopped_wrong <= error, "{name} at {truth}: {fate:?}");
                assert!(wrong <= wrong_by_all + error, "{name} at {truth}: {fate:?}");
            }
        }
    }
}
