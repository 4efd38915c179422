//! Latency by percentile, on the scale 1/(1-q) on which every nine of the percentile takes the same room, so that the tail is seen.

use assay_model::run::LatencyCurve;
use assay_model::unit::Unit;

use crate::printable::Shown;
use crate::scale::{self, Scaled, grouped};

use super::{Axis, Chart, ChartError, Join, Plot};

/// The curve, or none when it has no point that could be drawn.
pub(crate) fn latency(curve: &LatencyCurve) -> Result<Option<Chart>, ChartError> {
    let points: Vec<(f64, f64)> =
        curve.points.iter().filter(|(quantile, _)| (0.0..=1.0).contains(quantile)).map(|(quantile, ns)| (*quantile, nanoseconds(*ns))).collect();
    let (Some(&first), Some(&last)) = (points.first(), points.last()) else { return Ok(None) };
    // The maximum (quantile 1) has no place on 1/(1-q): it is drawn where the last of `count` operations is. Rarer quantiles than that one
    // are the same operation again.
    let end = nanoseconds(curve.count).clamp(10.0, 1e6);
    let (lowest, highest) = points.iter().fold((f64::INFINITY, 1.0_f64), |(low, high), (_, ns)| (low.min(*ns), high.max(*ns)));
    let plot = Plot {
        x: Axis::quantiles(end),
        y: Axis::logarithmic(lowest.max(1.0), highest, Unit::Nanoseconds),
        points: points
            .iter()
            .filter(|(quantile, _)| *quantile >= 1.0 || rarity(*quantile) < end)
            .map(|(quantile, ns)| (rarity(*quantile).min(end), *ns))
            .collect(),
        join: Join::Line,
        reference: None,
    };
    let said: Vec<String> = [0.5, 0.99, 0.999]
        .into_iter()
        .filter_map(|wanted| {
            points
                .iter()
                .find(|(quantile, _)| (quantile - wanted).abs() < 1e-9)
                .map(|(quantile, ns)| format!("{} {}", name(*quantile), shown(*ns).text))
        })
        .collect();
    let said = if said.is_empty() { format!("{} {}", name(first.0), shown(first.1).text) } else { said.join(", ") };
    Ok(Some(Chart {
        heading: Shown::from(&curve.name),
        axes: "Latency (logarithmic) by percentile (each nine takes the same room)",
        alt: Shown::from(format!(
            "Latency of {} over {} operations: {said}; {} {}.",
            curve.name,
            grouped(curve.count),
            name(last.0),
            shown(last.1).text
        )),
        svg: plot.draw()?,
        columns: vec!["Percentile", "Latency"],
        rows: points.iter().map(|(quantile, ns)| vec![Scaled { text: name(*quantile), exact: format!("quantile {quantile}") }, shown(*ns)]).collect(),
        table_note: Shown::default(),
    }))
}

fn shown(ns: f64) -> Scaled {
    scale::scaled(ns, Unit::Nanoseconds)
}

fn rarity(quantile: f64) -> f64 {
    if quantile >= 1.0 { f64::INFINITY } else { 1.0 / (1.0 - quantile) }
}

/// `p99.9`; the ends are `minimum` and `maximum`.
pub(crate) fn name(quantile: f64) -> String {
    if quantile >= 1.0 {
        return "maximum".into();
    }
    if quantile <= 0.0 {
        return "minimum".into();
    }
    let percent = format!("{:.6}", quantile * 100.0);
    format!("p{}", percent.trim_end_matches('0').trim_end_matches('.'))
}

#[allow(clippy::cast_precision_loss, reason = "drawn and rounded to four digits; the table of the journal keeps the whole number")]
fn nanoseconds(whole: u64) -> f64 {
    whole as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_have_the_names_that_the_field_uses() {
        let names = [0.0, 0.5, 0.9, 0.99, 0.999, 0.9999, 1.0].map(name);
        assert_eq!(names, ["minimum", "p50", "p90", "p99", "p99.9", "p99.99", "maximum"]);
    }

    #[test]
    fn a_curve_says_in_words_what_it_shows_and_has_every_point_in_its_table() {
        let curve = LatencyCurve {
            name: "storage.r".into(),
            count: 12_345,
            points: vec![(0.5, 80_000), (0.99, 210_000), (0.999, 900_000), (1.0, 12_000_000)],
        };
        let chart = latency(&curve).expect("draws").expect("has points");
        let alt = chart.alt.as_str().replace('\u{202f}', " ");
        assert_eq!(alt, "Latency of storage.r over 12 345 operations: p50 80 µs, p99 210 µs, p99.9 900 µs; maximum 12 ms.");
        assert_eq!(chart.rows.len(), 4);
        let svg = chart.svg.to_string();
        assert!(svg.contains("99.9</text>") && svg.contains("var(--series)") && !svg.contains("#0"), "{svg}");
    }

    #[test]
    fn no_point_or_a_hostile_one_is_no_drawing_and_no_panic() {
        assert_eq!(latency(&LatencyCurve { name: "x".into(), count: 0, points: vec![] }).expect("ok"), None);
        assert_eq!(latency(&LatencyCurve { name: "x".into(), count: 0, points: vec![(f64::NAN, 1), (7.0, 1)] }).expect("ok"), None);
        assert!(latency(&LatencyCurve { name: "x".into(), count: u64::MAX, points: vec![(0.5, 0), (1.0, u64::MAX)] }).expect("ok").is_some());
    }
}
