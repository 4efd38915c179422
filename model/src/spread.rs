//! Outliers among devices that are meant to be equal: how far one is behind its peers, in robust standard deviations. A mean and a standard deviation of
//! twelve would be pulled along by the very one that is looked for.

/// MAD of a normal distribution to its standard deviation.
const SIGMA: f64 = 1.4826;
/// The least spread that equal devices are granted, as a share of their median: twelve that agree within noise accuse nobody.
pub const LEAST_SPREAD: f64 = 0.02;
/// Fewer than this have no majority that one could be an outlier of.
pub const FEWEST: usize = 3;
/// From here on a device is an outlier (Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993).
pub const OUTLIER: f64 = 3.5;

/// How far each value is from the median of all, in robust standard deviations; below it is positive. None when there are too few of them, or one is
/// no number, or the median is not above 0.
pub fn behind(values: &[f64]) -> Option<Vec<f64>> {
    if values.len() < FEWEST || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let middle = median(values);
    if middle <= 0.0 {
        return None;
    }
    let deviations: Vec<f64> = values.iter().map(|value| (value - middle).abs()).collect();
    let spread = (SIGMA * median(&deviations)).max(LEAST_SPREAD * middle);
    Some(values.iter().map(|value| (middle - value) / spread).collect())
}

fn median(values: &[f64]) -> f64 {
    crate::metric::Samples::new(values.to_vec()).median()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outliers(values: &[f64]) -> Vec<usize> {
        let scores = behind(values).expect("scores");
        (0..values.len()).filter(|at| scores[*at] > OUTLIER).collect()
    }

    #[test]
    fn the_slow_ones_are_found_and_equal_ones_are_not_accused() {
        let equal: Vec<f64> = (0..12).map(|drive| 1_000_000.0 + f64::from(drive * 37 % 12) * 500.0).collect();
        assert_eq!(outliers(&equal), [] as [usize; 0]);
        assert_eq!(outliers(&[1e6; 12]), [] as [usize; 0], "no spread at all");
        for slow in [0.90, 0.7, 0.01, 0.0] {
            let mut one = equal.clone();
            one[7] *= slow;
            assert_eq!(outliers(&one), [7], "{slow}");
            // Two of twelve do not hide each other, as they would behind a mean.
            one[3] *= slow;
            assert_eq!(outliers(&one), [3, 7], "{slow}");
        }
        let mut fast = equal.clone();
        fast[2] *= 1.5;
        assert_eq!(outliers(&fast), [] as [usize; 0], "a fast one is not slow");
        assert_eq!(outliers(&[100.0, 99.0, 80.0]), [2]);
    }

    #[test]
    fn noisy_peers_hide_what_cannot_be_told() {
        let noisy: Vec<f64> = (0..12).map(|drive| 1000.0 + f64::from(drive * 5 % 12) * 40.0).collect();
        assert_eq!(outliers(&noisy), [] as [usize; 0]);
    }

    #[test]
    fn nothing_is_said_of_too_few_or_of_what_is_no_number() {
        for values in [&[][..], &[1.0, 2.0], &[1.0, f64::NAN, 1.0], &[0.0, 0.0, 0.0]] {
            assert_eq!(behind(values), None, "{values:?}");
        }
    }
}
