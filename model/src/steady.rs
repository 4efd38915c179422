//! Steady state as the SNIA performance test specification defines it: over a window of rounds, the figures stay together and their trend is flat.

use serde::{Deserialize, Serialize};

/// What counts as steady.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Steady {
    /// Number of rounds that are looked at together.
    pub window: u32,
    /// Most by which the highest and the lowest figure of the window may differ, percent of its average.
    pub excursion_percent: u32,
    /// Most by which the line of best fit may rise or fall over the window, percent of its average.
    pub slope_percent: u32,
}

impl Default for Steady {
    /// The specification's own: five rounds, 20 %, 10 %.
    fn default() -> Self {
        Self { window: 5, excursion_percent: 20, slope_percent: 10 }
    }
}

impl Steady {
    /// Why the last rounds are not steady; nothing when they are. Rounds are in the order in which they were done.
    pub fn fault(&self, rounds: &[f64]) -> Option<String> {
        let window = usize::try_from(self.window).unwrap_or(usize::MAX).max(2);
        let Some(last) = rounds.len().checked_sub(window).map(|from| &rounds[from..]) else {
            return Some(format!("{} of {window} rounds are done", rounds.len()));
        };
        if last.iter().any(|figure| !(figure.is_finite() && *figure > 0.0)) {
            return Some("a round has no figure".to_owned());
        }
        let count = float(window);
        let average = last.iter().sum::<f64>() / count;
        let (low, high) = last.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), figure| (low.min(*figure), high.max(*figure)));
        let excursion = (high - low) / average * 100.0;
        if excursion > f64::from(self.excursion_percent) {
            return Some(format!("the figures of {window} rounds are {excursion:.1} % apart, more than {} %", self.excursion_percent));
        }
        // Least squares on rounds 0, 1, 2...
        let middle = (count - 1.0) / 2.0;
        let places = || (0..window).map(|at| float(at) - middle);
        let slope = places().zip(last).map(|(at, figure)| at * (figure - average)).sum::<f64>() / places().map(|at| at * at).sum::<f64>();
        let drift = slope * (count - 1.0) / average * 100.0;
        (drift.abs() > f64::from(self.slope_percent))
            .then(|| format!("the figures of {window} rounds drift by {drift:+.1} %, more than {} %", self.slope_percent))
    }
}

fn float(count: usize) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a window has few rounds")]
    let float = count as f64;
    float
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After which round it is first steady.
    fn reached(figures: &[f64]) -> Option<usize> {
        (1..=figures.len()).find(|rounds| Steady::default().fault(&figures[..*rounds]).is_none())
    }

    #[test]
    fn steady_is_said_only_where_the_definition_holds() {
        let sawtooth: Vec<f64> = (0..40).map(|at| if at % 2 == 0 { 100.0 } else { 125.0 }).collect();
        let teeth_within: Vec<f64> = (0..40).map(|at| if at % 2 == 0 { 100.0 } else { 119.0 }).collect();
        let drifting: Vec<f64> = (0..30).map(|at| 1000.0 - 30.0 * f64::from(at)).collect();
        let creeping: Vec<f64> = (0..30).map(|at| 1000.0 - 10.0 * f64::from(at)).collect();
        // A drive that is fast until its cache is full: steady before the cliff and after it, not across.
        let cliff: Vec<f64> = (0..12).map(|at| if at < 4 { 500.0 } else { 90.0 + f64::from(at % 2) }).collect();
        // Consumer flash out of a purge, MB/s, as the specification draws it.
        let fresh = [480.0, 410.0, 300.0, 205.0, 150.0, 118.0, 105.0, 101.0, 99.0, 100.0, 98.0, 99.0, 100.0];
        let rows: &[(&str, &[f64], Option<usize>)] = &[
            ("flat", &[100.0; 5], Some(5)),
            ("four rounds are too few", &[100.0; 4], None),
            ("noisy and flat", &[100.0, 108.0, 95.0, 104.0, 99.0, 101.0], Some(5)),
            ("sawtooth of 22 %", &sawtooth, None),
            ("sawtooth within 20 %", &teeth_within, Some(5)),
            ("drifting 13 % and more in a window", &drifting, None),
            ("creeping 4 % in a window", &creeping, Some(5)),
            ("late cliff", &cliff, Some(9)),
            ("out of a purge", &fresh, Some(11)),
            ("one outlier leaves the window", &[100.0, 100.0, 60.0, 100.0, 100.0, 100.0, 100.0, 100.0], Some(8)),
            ("a round without a figure", &[100.0, 100.0, f64::NAN, 100.0, 100.0], None),
            ("nothing at all", &[0.0; 9], None),
        ];
        for (name, figures, expected) in rows {
            assert_eq!(reached(figures), *expected, "{name}");
        }
    }

    #[test]
    fn limits_hold_exactly_on_them() {
        // Average 100, 20 apart, and no slope: symmetric around the middle.
        assert_eq!(Steady::default().fault(&[90.0, 110.0, 100.0, 110.0, 90.0]), None);
        assert!(Steady::default().fault(&[89.0, 111.0, 100.0, 111.0, 89.0]).expect("apart").contains("apart"));
        // A line from 95 to 105 drifts by 10 % of its average.
        assert_eq!(Steady::default().fault(&[95.0, 97.5, 100.0, 102.5, 105.0]), None);
        let falling = Steady::default().fault(&[105.5, 102.5, 100.0, 97.5, 94.5]).expect("drifts");
        assert!(falling.contains("drift by -"), "{falling}");
    }
}
