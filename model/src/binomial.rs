//! Exact binomial bounds (Clopper and Pearson 1934): what a rate may be, given how often something happened in so many trials.

use statrs::distribution::{Beta, ContinuousCDF};

/// The two-sided 95 % interval; everything when there were no trials.
pub fn exact(happened: u64, trials: u64) -> (f64, f64) {
    const TAIL: f64 = 0.025;
    #[allow(clippy::cast_precision_loss, reason = "some hundred cases")]
    let (k, n) = (happened.min(trials) as f64, trials as f64);
    let quantile = |a: f64, b: f64, at: f64| Beta::new(a, b).map_or(f64::NAN, |beta| beta.inverse_cdf(at));
    let low = if happened == 0 || trials == 0 { 0.0 } else { quantile(k, n - k + 1.0, TAIL) };
    let high = if happened >= trials { 1.0 } else { quantile(k + 1.0, n - k, 1.0 - TAIL) };
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_those_of_the_tables() {
        // R: binom.test(k, n)$conf.int
        for (happened, trials, low, high) in [
            (0, 10, 0.0, 0.308_497),
            (10, 10, 0.691_503, 1.0),
            (5, 10, 0.187_086, 0.812_914),
            (1, 200, 0.000_126_6, 0.027_540),
            (0, 60, 0.0, 0.059_628),
        ] {
            let found = exact(happened, trials);
            assert!((found.0 - low).abs() < 2e-5 && (found.1 - high).abs() < 2e-5, "{happened} of {trials}: {found:?}");
        }
        assert_eq!(exact(0, 0), (0.0, 1.0));
    }
}
