//! A histogram that travels between halves: every value that was recorded, to three digits, with its count. Quantiles are read from it, never from others.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Longest time that is told from longer ones: 100 s.
const LONGEST_NS: u64 = 100_000_000_000;

/// Times in nanoseconds.
#[derive(Debug, Clone, PartialEq)]
pub struct Times(Histogram<u64>);

/// As it travels.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    // Pairs of nanoseconds and how often.
    counts: Vec<(u64, u64)>,
}

impl Serialize for Times {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Wire { counts: self.0.iter_recorded().map(|at| (at.value_iterated_to(), at.count_at_value())).collect() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wire = Wire::deserialize(deserializer)?;
        let mut times = Self::default();
        for (value, count) in wire.counts {
            times.0.record_n(value, count).map_err(serde::de::Error::custom)?;
        }
        Ok(times)
    }
}

impl Default for Times {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("three digits from a nanosecond on"))
    }
}

impl Times {
    /// Records a time; what is longer than 100 s is 100 s.
    pub fn record(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    /// Takes in all of another.
    pub fn add(&mut self, other: &Self) {
        self.0.add(&other.0).expect("the same bounds");
    }

    /// How many were recorded.
    pub fn len(&self) -> u64 {
        self.0.len()
    }

    /// Whether none was.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The time that the part `quantile` (0 to 1) of them did not exceed; None when there are too few for it to be told from the longest.
    pub fn at(&self, quantile: f64) -> Option<u64> {
        #[allow(clippy::cast_precision_loss, reason = "counts of one measurement")]
        let beyond = self.0.len() as f64 * (1.0 - quantile);
        (!self.0.is_empty() && beyond > 1.0 - 1e-6).then(|| self.0.value_at_quantile(quantile))
    }

    /// The longest, to three digits; None when there is none.
    pub fn longest(&self) -> Option<u64> {
        (!self.0.is_empty()).then(|| self.0.max())
    }

    /// The histogram.
    pub fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_arrives_as_it_was_sent() {
        let mut times = Times::default();
        (0..10_000_u64).for_each(|number| times.record(number * number));
        times.record(u64::MAX);
        let json = serde_json::to_string(&times).expect("JSON");
        let back: Times = serde_json::from_str(&json).expect("a histogram");
        assert_eq!(back, times);
        assert_eq!((back.len(), back.at(0.5), back.longest()), (10_001, times.at(0.5), times.longest()));
        assert!(serde_json::from_str::<Times>(r#"{"counts":[[18446744073709551615,1]]}"#).is_err(), "what was never recorded so");
    }

    #[test]
    fn a_quantile_needs_as_many_samples_as_it_speaks_of() {
        let mut times = Times::default();
        assert_eq!((times.at(0.5), times.longest()), (None, None));
        (1..=999).for_each(|ns| times.record(ns));
        assert_eq!((times.at(0.999), times.at(0.99)), (None, Some(990)));
        times.record(1000);
        assert_eq!((times.at(0.999), times.longest()), (Some(999), Some(1000)));
    }
}
