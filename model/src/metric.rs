//! A measured figure: name, unit, direction, dimensions and every sample of it. Never an average alone, never the best of N.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::unit::Unit;

/// A permanent name such as `storage.randread_4k_qd32.iops`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct MetricName(pub String);

impl From<&str> for MetricName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for MetricName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Bandwidth, IOPS.
    HigherIsBetter,
    /// Latency, outage.
    LowerIsBetter,
}

/// All repeats of one figure, in the order in which they were taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Samples(Vec<f64>);

/// A distribution-free confidence interval of the median.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Probability that it holds the true median, from order statistics (binomial); 0 for a single sample.
    pub confidence: f64,
}

impl Samples {
    /// All values as measured.
    pub fn new(values: Vec<f64>) -> Self {
        Self(values)
    }

    /// The values in the order in which they were taken.
    pub fn values(&self) -> &[f64] {
        &self.0
    }

    /// The median; NaN when there is no sample or one of them is NaN.
    pub fn median(&self) -> f64 {
        if self.0.is_empty() || self.0.iter().any(|value| value.is_nan()) {
            return f64::NAN;
        }
        let sorted = self.sorted();
        let mid = sorted.len() / 2;
        if sorted.len() % 2 == 1 { sorted[mid] } else { f64::midpoint(sorted[mid - 1], sorted[mid]) }
    }

    /// The narrowest symmetric order-statistic interval of the median with at least `confidence`, or the whole range
    /// with the confidence that it has when the samples are too few for that (5 samples give 0.9375).
    pub fn interval(&self, confidence: f64) -> Interval {
        let sorted = self.sorted();
        let n = sorted.len();
        if n == 0 {
            return Interval { low: f64::NAN, high: f64::NAN, confidence: 0.0 };
        }
        let mut best = Interval { low: sorted[0], high: sorted[n - 1], confidence: coverage(n, 0) };
        for trim in 1..n.div_ceil(2) {
            let covered = coverage(n, trim);
            if covered < confidence {
                break;
            }
            best = Interval { low: sorted[trim], high: sorted[n - 1 - trim], confidence: covered };
        }
        best
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

// P(the median lies between the (trim+1)-th and the (n-trim)-th order statistic) = 1 - 2 * P(Binomial(n, 1/2) <= trim).
fn coverage(n: usize, trim: usize) -> f64 {
    let mut term = 0.5_f64.powi(i32::try_from(n).unwrap_or(i32::MAX));
    let mut tail = term;
    for k in 1..=trim {
        #[allow(clippy::cast_precision_loss, reason = "sample counts are far below 2^53")]
        let factor = (n - k + 1) as f64 / k as f64;
        term *= factor;
        tail += term;
    }
    (1.0 - 2.0 * tail).max(0.0)
}

/// A measured figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Metric {
    /// Its permanent name.
    pub name: MetricName,
    /// The base unit of its samples.
    pub unit: Unit,
    /// Which way is better.
    pub direction: Direction,
    /// Everything that makes it this figure and no other: engine, bs, iodepth, target kind, NUMA node.
    pub dimensions: BTreeMap<String, String>,
    /// Every repeat.
    pub samples: Samples,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_lies_between_the_middle_two() {
        assert_eq!(Samples::new(vec![4.0, 1.0, 3.0, 2.0]).median().to_bits(), 2.5_f64.to_bits());
    }

    #[test]
    fn nothing_measured_has_no_median() {
        assert!(Samples::new(vec![]).median().is_nan());
        assert!(Samples::new(vec![1.0, f64::NAN]).median().is_nan());
    }

    #[test]
    fn five_samples_cover_the_median_with_fifteen_sixteenths() {
        let interval = Samples::new(vec![5.0, 1.0, 2.0, 4.0, 3.0]).interval(0.95);
        assert!((interval.confidence - 0.9375).abs() < 1e-12);
        assert!((interval.low - 1.0).abs() < 1e-12 && (interval.high - 5.0).abs() < 1e-12);
    }

    #[test]
    fn twenty_samples_trim_five_at_each_end_for_95_percent() {
        // Textbook table: n = 20, the 6th and the 15th order statistic give 95.86 %.
        let interval = Samples::new((1..=20).map(f64::from).collect()).interval(0.95);
        assert!((interval.low - 6.0).abs() < 1e-12 && (interval.high - 15.0).abs() < 1e-12);
        assert!((interval.confidence - 0.9586).abs() < 1e-4);
    }
}
