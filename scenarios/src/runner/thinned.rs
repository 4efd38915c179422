//! Series of a run of days in the room of one of minutes.

/// Points of all repeats of one piece of work together, at most about so many.
pub(super) const POINTS: usize = 4000;
/// Of a single repeat, never fewer.
const LEAST: usize = 20;

/// Puts neighbouring points of a rate together until there are few enough for one of so many repeats. Each point is `(end, rate since the point before)`,
/// so that what was done stays the sum of what was done.
pub(super) fn thin(series: &mut Vec<(f64, f64)>, repeats: u32) {
    let most = (POINTS / usize::try_from(repeats.max(1)).expect("few repeats")).max(LEAST);
    let together = series.len().div_ceil(most);
    if together < 2 {
        return;
    }
    let mut begin = 0.0;
    let thinned = series.chunks(together).map(|chunk| {
        let (mut at, mut sum, first) = (begin, 0.0, begin);
        for (end, rate) in chunk {
            sum += rate * (end - at);
            at = *end;
        }
        begin = at;
        (at, if at > first { sum / (at - first) } else { 0.0 })
    });
    *series = thinned.collect();
    series.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thinned_series_has_done_the_same() {
        let mut series: Vec<(f64, f64)> = (1..=6000_u32).map(|at| (f64::from(at) / 10.0, f64::from(at % 97))).collect();
        let sum = |series: &[(f64, f64)]| series.iter().fold((0.0, 0.0), |(at, sum), (end, rate)| (*end, sum + rate * (end - at))).1;
        let before = sum(&series);
        thin(&mut series, 100);
        assert!((20..=40).contains(&series.len()), "{}", series.len());
        assert!((sum(&series) - before).abs() < 1e-6 && (series.last().expect("a point").0 - 600.0).abs() < 1e-9);
        let short = vec![(0.1, 7.0), (0.2, 9.0)];
        let mut same = short.clone();
        thin(&mut same, 100);
        assert_eq!(same, short);
    }
}
