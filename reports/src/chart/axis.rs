//! An axis: where a figure lies on it and which round figures are written at it.

use std::ops::Range;

use assay_model::unit::Unit;

use crate::scale;

/// One axis of a plot. Positions are figures, or their decimal logarithms.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Position and label.
    pub(super) ticks: Vec<(f64, String)>,
    logarithmic: bool,
}

impl Axis {
    /// From zero to a round figure at or above `highest`.
    pub(super) fn from_zero(highest: f64, unit: Unit) -> Self {
        let step = round_step(highest.max(f64::MIN_POSITIVE) / 4.0);
        let count = (highest / step).ceil().max(1.0);
        let ticks = (0..=8_u32).map(f64::from).take_while(|at| *at <= count).map(|at| (at * step, scale::scaled(at * step, unit).text)).collect();
        Self { low: 0.0, high: count * step, ticks, logarithmic: false }
    }

    /// From zero to exactly `highest`: time, which need not end on a round figure.
    pub(super) fn elapsed(highest: f64) -> Self {
        let step = round_step(highest.max(f64::MIN_POSITIVE) / 5.0);
        let ticks = (0..=10_u32).map(|at| f64::from(at) * step).take_while(|at| *at <= highest * 1.001);
        Self {
            low: 0.0,
            high: highest.max(f64::MIN_POSITIVE),
            ticks: ticks.map(|at| (at, scale::scaled(at, Unit::Seconds).text)).collect(),
            logarithmic: false,
        }
    }

    /// Logarithmic between round figures (1, 2, 5 of each decade) around `lowest` and `highest`, both above zero.
    pub(super) fn logarithmic(lowest: f64, highest: f64, unit: Unit) -> Self {
        let figures: Vec<f64> = decades().flat_map(|decade| [1.0, 2.0, 5.0].map(|digit| digit * decade)).collect();
        let low = figures.iter().copied().rev().find(|figure| *figure <= lowest).unwrap_or(lowest);
        let high = figures.iter().copied().find(|figure| *figure >= highest && *figure > low).unwrap_or(highest);
        // Beyond two decades, three labels per decade would touch each other.
        let wanted = |figure: f64| high / low <= 100.0 || is_power_of_ten(figure);
        let ticks = figures.iter().filter(|figure| (low..=high).contains(*figure) && wanted(**figure));
        Self {
            low: low.log10(),
            high: high.log10(),
            ticks: ticks.map(|figure| (figure.log10(), scale::scaled(*figure, unit).text)).collect(),
            logarithmic: true,
        }
    }

    /// Quantiles on the scale 1/(1-q), up to `last` = 1/(1-q) of the last point: each step to the right is a tenth of the operations.
    pub(super) fn quantiles(last: f64) -> Self {
        let known = [(2.0, "50"), (10.0, "90"), (100.0, "99"), (1e3, "99.9"), (1e4, "99.99"), (1e5, "99.999"), (1e6, "99.9999")];
        let high = last.max(10.0);
        let ticks = known.iter().filter(|(at, _)| *at <= high * 1.000_001);
        Self { low: 0.0, high: high.log10(), ticks: ticks.map(|(at, label)| (at.log10(), (*label).to_owned())).collect(), logarithmic: true }
    }

    pub(super) fn range(&self) -> Range<f64> {
        self.low..self.high
    }

    /// Where a figure lies; figures outside stick to the border.
    pub(super) fn place(&self, figure: f64) -> f64 {
        let position = if self.logarithmic { figure.max(f64::MIN_POSITIVE).log10() } else { figure };
        position.clamp(self.low, self.high)
    }

    /// Room for the longest label, in the units of the drawing.
    pub(super) fn label_width(&self) -> u32 {
        let longest = self.ticks.iter().map(|(_, label)| label.chars().count()).max().unwrap_or(1);
        // 17 units hold a character of text of 28 units, also in a wide face.
        u32::try_from(longest).unwrap_or(u32::MAX).saturating_mul(17).saturating_add(20).clamp(70, 240)
    }
}

fn decades() -> impl Iterator<Item = f64> + Clone {
    (-3_i32..=18).map(|power| 10_f64.powi(power))
}

fn is_power_of_ten(figure: f64) -> bool {
    (figure.log10() - figure.log10().round()).abs() < 1e-9
}

// The smallest of 1, 2, 2.5, 5, 10 times a power of ten that is at least `rough`.
pub(super) fn round_step(rough: f64) -> f64 {
    let power = 10_f64.powf(rough.log10().floor());
    [1.0, 2.0, 2.5, 5.0, 10.0].into_iter().map(|digit| digit * power).find(|step| *step >= rough * 0.999).unwrap_or(rough)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks.iter().map(|(_, label)| label.replace(['\u{202f}', '\u{a0}'], " ")).collect()
    }

    #[test]
    fn an_axis_from_zero_ends_on_a_round_figure() {
        let axis = Axis::from_zero(312_400.0, Unit::OpsPerSecond);
        assert_eq!(labels(&axis), ["0 op/s", "100 k op/s", "200 k op/s", "300 k op/s", "400 k op/s"]);
        assert!((axis.high - 400_000.0).abs() < 1e-6);
    }

    #[test]
    fn nothing_measured_still_has_an_axis() {
        let axis = Axis::from_zero(0.0, Unit::OpsPerSecond);
        assert!(axis.high > 0.0 && axis.ticks.len() >= 2);
    }

    #[test]
    fn a_short_logarithmic_axis_has_1_2_5_and_a_long_one_only_powers_of_ten() {
        assert_eq!(labels(&Axis::logarithmic(61e3, 480e3, Unit::Nanoseconds)), ["50 µs", "100 µs", "200 µs", "500 µs"]);
        assert_eq!(labels(&Axis::logarithmic(80e3, 12e6, Unit::Nanoseconds)), ["100 µs", "1 ms", "10 ms"]);
    }

    #[test]
    fn equal_figures_still_span_an_axis() {
        let axis = Axis::logarithmic(100e3, 100e3, Unit::Nanoseconds);
        assert!(axis.high > axis.low);
    }

    #[test]
    fn quantiles_lie_a_decade_apart() {
        let axis = Axis::quantiles(1000.0);
        assert_eq!(labels(&axis), ["50", "90", "99", "99.9"]);
        assert!((axis.ticks[2].0 - 2.0).abs() < 1e-9 && (axis.ticks[3].0 - 3.0).abs() < 1e-9);
    }
}
