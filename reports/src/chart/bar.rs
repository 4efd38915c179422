//! A figure against its ceiling, as a bar: how long it is, where the interval of the median lies, and where the bound is that it must reach.

use super::Svg;

/// What is drawn; all figures in the same unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Bar {
    /// The median.
    pub(crate) value: f64,
    /// Interval of the median.
    pub(crate) interval: Option<(f64, f64)>,
    /// What the hardware allows at most.
    pub(crate) ceiling: f64,
    /// What is required.
    pub(crate) required: Option<f64>,
}

impl Bar {
    /// The drawing, 1000 by 36 units and stretched to the width that there is; none when a figure is no number or the ceiling is none.
    pub(crate) fn draw(&self) -> Option<Svg> {
        let figures = [Some(self.value), Some(self.ceiling), self.required, self.interval.map(|i| i.0), self.interval.map(|i| i.1)];
        if self.ceiling <= 0.0 || figures.into_iter().flatten().any(|figure| !figure.is_finite() || figure < 0.0) {
            return None;
        }
        // A figure above its ceiling is drawn beyond it, not cut off: that is the finding.
        let whole = figures.into_iter().flatten().fold(self.ceiling, f64::max);
        let at = |figure: f64| figure / whole * 1000.0;
        let mut body = format!("<rect class=\"bar-room\" x=\"0\" y=\"8\" width=\"{:.1}\" height=\"20\"/>", at(self.ceiling));
        body.push_str(&format!("<rect class=\"bar-value\" x=\"0\" y=\"8\" width=\"{:.1}\" height=\"20\"/>", at(self.value.min(self.ceiling))));
        if self.value > self.ceiling {
            let beyond = at(self.value) - at(self.ceiling);
            body.push_str(&format!("<rect class=\"bar-beyond\" x=\"{:.1}\" y=\"8\" width=\"{beyond:.1}\" height=\"20\"/>", at(self.ceiling)));
        }
        let mut line = |class: &str, x: f64, y1: u32, y2: u32| {
            // Half a stroke inside, or the border of the drawing cuts it.
            let x = x.clamp(1.5, 998.5);
            body.push_str(&format!("<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y1}\" y2=\"{y2}\"/>"));
        };
        line("bar-ceiling", at(self.ceiling), 2, 34);
        if let Some(required) = self.required {
            line("bar-required", at(required), 0, 36);
        }
        if let Some((low, high)) = self.interval {
            line("bar-end", at(low), 13, 23);
            line("bar-end", at(high), 13, 23);
            body.push_str(&format!("<line class=\"bar-end\" x1=\"{:.1}\" x2=\"{:.1}\" y1=\"18\" y2=\"18\"/>", at(low), at(high)));
        }
        Some(Svg(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_long_as_the_share_of_the_ceiling() {
        let bar = Bar { value: 62.0, interval: Some((60.0, 64.0)), ceiling: 100.0, required: Some(70.0) };
        let svg = bar.draw().expect("draws").to_string();
        assert!(svg.contains("class=\"bar-value\" x=\"0\" y=\"8\" width=\"620.0\"") && svg.contains("class=\"bar-required\" x1=\"700.0\""), "{svg}");
        assert!(!svg.contains("bar-beyond"));
    }

    #[test]
    fn a_figure_above_its_ceiling_is_drawn_beyond_it() {
        let svg = Bar { value: 125.0, interval: None, ceiling: 100.0, required: None }.draw().expect("draws").to_string();
        assert!(
            svg.contains("class=\"bar-room\" x=\"0\" y=\"8\" width=\"800.0\"")
                && svg.contains("class=\"bar-beyond\" x=\"800.0\" y=\"8\" width=\"200.0\""),
            "{svg}"
        );
    }

    #[test]
    fn what_is_no_number_is_not_drawn() {
        for bar in [
            Bar { value: f64::NAN, interval: None, ceiling: 1.0, required: None },
            Bar { value: 1.0, interval: None, ceiling: 0.0, required: None },
            Bar { value: 1.0, interval: Some((f64::NAN, 1.0)), ceiling: 1.0, required: None },
            Bar { value: -1.0, interval: None, ceiling: 1.0, required: None },
        ] {
            assert_eq!(bar.draw(), None, "{bar:?}");
        }
    }
}
