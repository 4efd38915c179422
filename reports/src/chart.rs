//! Charts as inline SVG, drawn by plotters without fonts: text stays text, colours follow the page. Only numbers and labels of our own are
//! drawn; names from the node are put around a chart by the templates, escaped.

use std::fmt;

use askama::filters::HtmlSafe;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use crate::printable::Shown;
use crate::scale::Scaled;

mod axis;
pub(crate) mod bar;
pub(crate) mod latency;
pub(crate) mod outage;
pub(crate) mod over_time;
pub(crate) mod stall;

use axis::Axis;

/// SVG markup of our own making: the only thing that templates print unescaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Svg(String);

impl fmt::Display for Svg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Svg {}

/// A chart with everything that a reader needs who cannot see it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Chart {
    /// What is drawn.
    pub(crate) heading: Shown,
    /// What the axes are.
    pub(crate) axes: &'static str,
    /// What it shows, in a sentence.
    pub(crate) alt: Shown,
    /// The drawing.
    pub(crate) svg: Svg,
    /// Head of the data table.
    pub(crate) columns: Vec<&'static str>,
    /// Its rows.
    pub(crate) rows: Vec<Vec<Scaled>>,
    /// What the table leaves out.
    pub(crate) table_note: Shown,
}

/// A chart could not be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot draw a chart: {0}")]
pub struct ChartError(String);

/// How points are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Join {
    /// A line: the figure exists between the points.
    Line,
    /// A line over a light area down to zero: an amount per time.
    Area,
}

struct Plot {
    x: Axis,
    y: Axis,
    points: Vec<(f64, f64)>,
    join: Join,
    // A horizontal line with the median, for example.
    reference: Option<f64>,
}

// Twice the size at which it is seen, because plotters places everything on whole units.
const SIZE: (u32, u32) = (1040, 520);
const TEXT: f64 = 28.0;
const INK: RGBColor = RGBColor(1, 1, 1);
const RULE: RGBColor = RGBColor(2, 2, 2);
const SERIES: RGBColor = RGBColor(3, 3, 3);
const THEME: [(&str, &str); 4] = [("#010101", "currentColor"), ("#020202", "var(--rule)"), ("#030303", "var(--series)"), (" opacity=\"1\"", "")];

impl Plot {
    fn draw(&self) -> Result<Svg, ChartError> {
        let mut markup = String::new();
        self.draw_into(&mut markup).map_err(|error| ChartError(error.to_string()))?;
        // plotters writes a root element of its own; ours carries role, label and title.
        let body = markup.split_once('>').map_or("", |(_, rest)| rest);
        let mut body = body.trim_end().strip_suffix("</svg>").unwrap_or(body).to_owned();
        for (drawn, themed) in THEME {
            body = body.replace(drawn, themed);
        }
        Ok(Svg(body.replace(" \"", "\"").replace(">\n", ">").replace("\n<", "<")))
    }

    fn draw_into(&self, markup: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let area = SVGBackend::with_string(markup, SIZE).into_drawing_area();
        // plotters divides sizes by 1.24 when it writes them.
        let label = || TextStyle::from(("sans-serif", TEXT * 1.24)).color(&INK);
        let mut chart = ChartBuilder::on(&area)
            .margin_top(18)
            .margin_right(40)
            .x_label_area_size(50)
            .y_label_area_size(self.y.label_width())
            .build_cartesian_2d(self.x.range(), self.y.range())
            .map_err(plain)?;
        for (at, _) in &self.y.ticks {
            chart.draw_series(LineSeries::new([(self.x.low, *at), (self.x.high, *at)], RULE.stroke_width(2))).map_err(plain)?;
        }
        let points = self.points.iter().map(|(x, y)| (self.x.place(*x), self.y.place(*y)));
        match self.join {
            Join::Line => {}
            Join::Area => {
                chart.draw_series(AreaSeries::new(points.clone(), self.y.low, SERIES.mix(0.14))).map_err(plain)?;
            }
        }
        chart.draw_series(LineSeries::new(points, SERIES.stroke_width(5))).map_err(plain)?;
        if let Some(level) = self.reference {
            let level = self.y.place(level);
            chart.draw_series(DashedLineSeries::new([(self.x.low, level), (self.x.high, level)], 12, 12, INK.stroke_width(2))).map_err(plain)?;
        }

        // Labels by hand: plotters would drop or shorten some of them.
        let (left, bottom) = (i32::try_from(self.y.label_width())?, i32::try_from(SIZE.1)? - 50);
        let right = i32::try_from(SIZE.0)? - 40;
        for (at, text) in &self.y.ticks {
            let (_, y) = chart.backend_coord(&(self.x.low, *at));
            area.draw_text(text, &label().pos(Pos::new(HPos::Right, VPos::Center)), (left - 12, y)).map_err(plain)?;
        }
        for (at, text) in &self.x.ticks {
            let (x, _) = chart.backend_coord(&(*at, self.y.low));
            area.draw(&PathElement::new([(x, bottom), (x, bottom + 8)], INK.mix(0.5).stroke_width(2))).map_err(plain)?;
            // A label at the right border would stick out.
            let (anchor, at) = if x > right - 50 { (HPos::Right, right + 38) } else { (HPos::Center, x) };
            area.draw_text(text, &label().pos(Pos::new(anchor, VPos::Top)), (at, bottom + 16)).map_err(plain)?;
        }
        area.draw(&PathElement::new([(left, bottom), (right, bottom)], INK.mix(0.5).stroke_width(2))).map_err(plain)?;
        area.present().map_err(plain)
    }
}

fn plain(error: impl fmt::Debug) -> Box<dyn std::error::Error> {
    format!("{error:?}").into()
}
