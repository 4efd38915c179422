//! A figure over time, from zero, with its median as a dashed line: a drop, a ramp or a sawtooth is seen where an average would hide it.

use assay_model::metric::Samples;
use assay_model::run::Series;
use assay_model::unit::Unit;

use crate::printable::Shown;
use crate::scale::{self, Scaled};

use super::{Axis, Chart, ChartError, Join, Plot};

// More points than the drawing has units, or than a person reads in a table, are put together by time.
const DRAWN: usize = 500;
const LISTED: usize = 60;

/// The series, or none when it has no point that could be drawn.
pub(crate) fn over_time(series: &Series) -> Result<Option<Chart>, ChartError> {
    let points: Vec<(f64, f64)> = series.points.iter().copied().filter(|(at, value)| at.is_finite() && value.is_finite() && *at >= 0.0).collect();
    let Some(&(end, _)) = points.last() else { return Ok(None) };
    let left_out = series.points.len() - points.len();
    let median = Samples::new(points.iter().map(|(_, value)| *value).collect()).median();
    let (lowest, highest) = points.iter().fold((f64::INFINITY, 0.0_f64), |(low, high), (_, value)| (low.min(*value), high.max(*value)));
    let drawn = points.chunks(points.len().div_ceil(DRAWN)).flat_map(extremes).collect();
    let is_timed = series.over == Unit::Seconds;
    let x = if is_timed { Axis::elapsed(end) } else { Axis::from_zero(end, series.over) };
    // An amount per time has an area; a curve over something else has no median that means anything.
    let join = if is_timed { Join::Area } else { Join::Line };
    let plot = Plot { x, y: Axis::from_zero(highest, series.unit), points: drawn, join, reference: is_timed.then_some(median) };
    let figure = |value: f64| scale::scaled(value, series.unit);
    let mut alt = format!(
        "{} over {}: median {}, lowest {}, highest {}.",
        series.name,
        scale::scaled(end, series.over).text,
        figure(median).text,
        figure(lowest).text,
        figure(highest).text
    );
    if left_out > 0 {
        alt.push_str(&format!(" {left_out} of {} points are no numbers and are left out.", series.points.len()));
    }
    let per_row = points.len().div_ceil(LISTED);
    let rows = points.chunks(per_row).map(|chunk| row(chunk, series)).collect();
    let columns = match (per_row == 1, is_timed) {
        (true, true) => vec!["Time", "Value"],
        (true, false) => vec!["Rate", "Value"],
        (false, _) => vec!["Until", "Lowest", "Median", "Highest"],
    };
    let table_note = if per_row == 1 { Shown::default() } else { Shown::from(format!("{} points, {per_row} to a row.", points.len())) };
    Ok(Some(Chart {
        heading: Shown::from(&series.name),
        axes: if is_timed { "Value by time since the step began; dashed: median" } else { "Value by the rate of operations" },
        alt: Shown::from(alt),
        svg: plot.draw()?,
        columns,
        rows,
        table_note,
    }))
}

fn row(chunk: &[(f64, f64)], series: &Series) -> Vec<Scaled> {
    let unit = series.unit;
    let at = chunk.last().map_or(f64::NAN, |(at, _)| *at);
    let time = scale::scaled(at, series.over);
    match chunk {
        [(_, only)] => vec![time, scale::scaled(*only, unit)],
        _ => {
            let values: Vec<f64> = chunk.iter().map(|(_, value)| *value).collect();
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let median = Samples::new(values).median();
            vec![time, scale::scaled(low, unit), scale::scaled(median, unit), scale::scaled(high, unit)]
        }
    }
}

// Lowest and highest of a chunk in their order, so that a short drop is still seen.
fn extremes(chunk: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let by_value = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
    match (chunk.iter().min_by(by_value), chunk.iter().max_by(by_value)) {
        (Some(low), Some(high)) if low.0 < high.0 => vec![*low, *high],
        (Some(low), Some(high)) if low.0 > high.0 => vec![*high, *low],
        (Some(only), _) => vec![*only],
        (None, _) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(points: Vec<(f64, f64)>) -> Series {
        Series { name: "storage.r.iops".into(), unit: Unit::OpsPerSecond, over: Unit::Seconds, points }
    }

    #[test]
    fn a_series_says_median_lowest_and_highest() {
        let chart = over_time(&series(vec![(1.0, 100e3), (2.0, 300e3), (3.0, 200e3)])).expect("draws").expect("has points");
        let alt = chart.alt.as_str().replace(['\u{202f}', '\u{a0}'], " ");
        assert_eq!(alt, "storage.r.iops over 3 s: median 200 k op/s, lowest 100 k op/s, highest 300 k op/s.");
        assert_eq!((chart.rows.len(), chart.columns.len()), (3, 2));
    }

    #[test]
    fn a_short_drop_among_many_points_is_drawn_and_listed() {
        let mut points: Vec<(f64, f64)> = (0..10_000_u32).map(|at| (f64::from(at) / 100.0, 1000.0)).collect();
        points[5_003].1 = 0.0;
        let chart = over_time(&series(points)).expect("draws").expect("has points");
        assert!(chart.rows.len() <= LISTED && chart.columns.len() == 4);
        assert_eq!(chart.rows.iter().filter(|row| row[1].exact.starts_with("0\u{202f}")).count(), 1, "the drop is the lowest of its row");
        assert!(chart.svg.to_string().len() < 60_000);
    }

    #[test]
    fn points_that_are_no_numbers_are_left_out_and_that_is_said() {
        assert_eq!(over_time(&series(vec![])).expect("ok"), None);
        assert_eq!(over_time(&series(vec![(f64::NAN, 1.0), (1.0, f64::NAN)])).expect("ok"), None);
        let chart = over_time(&series(vec![(1.0, f64::NAN), (2.0, 5.0)])).expect("ok").expect("one point");
        assert!(chart.alt.as_str().ends_with("1 of 2 points are no numbers and are left out."), "{}", chart.alt);
    }
}
