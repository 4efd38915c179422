//! A port that failed, as lanes over time: a lane per flow in each direction, gaps as bars, when it was broken and healed, and where each limit ends. Names of nodes
//! are written beside the lanes by the template, escaped.

use assay_model::outage::{Gap, Outage, Way};

use crate::scale::{self, NARROW_SPACE};

use super::Svg;
use super::axis::round_step;

// Bars of one direction; of more the longest.
const BARS: usize = 400;
// In units of the drawing, which is 1040 wide as all plots are.
pub(super) const LEFT: f64 = 24.0;
pub(super) const RIGHT: f64 = 1016.0;
pub(super) const LABELS: f64 = 34.0;
const LANES: f64 = 208.0;
const THICKEST: f64 = 26.0;
// Narrower bars would not be seen.
pub(super) const THINNEST: f64 = 3.0;
/// From this on, nanoseconds, times are written as seconds.
const SECONDS_FROM: f64 = 20e9;
// A letter of the labels is about so wide.
const LETTER: f64 = 15.5;

/// The drawing, and what the template writes into it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Picture {
    /// What is drawn.
    pub(crate) svg: Svg,
    /// Its height; it is 1040 wide.
    pub(crate) height: u32,
    /// Where the name of each direction is written: the base line.
    pub(crate) names: Vec<u32>,
    /// Gaps that are not drawn because there were too many.
    pub(crate) left_out: usize,
    /// Whether each limit is drawn in every direction.
    pub(crate) drawn: Vec<bool>,
}

/// Where a gap lies on the axis: one end that was not seen is where the silence was known to reach.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Bar {
    from: f64,
    to: f64,
    open_before: bool,
    open_after: bool,
}

pub(super) struct Scale {
    low: f64,
    high: f64,
}

impl Scale {
    /// Around the fault, all gaps and those limits that lie in the time that was listened to.
    fn of(outage: &Outage, limits: &[f64]) -> Self {
        let (mut low, mut high) = (0.0_f64, 1.0_f64);
        for way in &outage.ways {
            let sure = nanoseconds(way.uncertainty_ns);
            low = low.min(-sure);
            high = high.max(signed(way.healed.to_ns) + sure);
            for bar in way.flows.iter().flat_map(|flow| &flow.gaps).map(|gap| bar(gap, way)) {
                (low, high) = (low.min(bar.from), high.max(bar.to));
            }
            let ends = limits.iter().filter_map(|limit| Some(anchor(way)? + limit));
            high = ends.filter(|end| *end <= signed(way.listened.to_ns)).fold(high, f64::max);
        }
        Self::between(low, high)
    }

    /// With some room on both sides.
    pub(super) fn between(low: f64, high: f64) -> Self {
        let around = (high - low) * 0.04;
        Self { low: low - around, high: high + around }
    }

    pub(super) fn place(&self, ns: f64) -> f64 {
        LEFT + (ns.clamp(self.low, self.high) - self.low) / (self.high - self.low) * (RIGHT - LEFT)
    }

    pub(super) fn holds(&self, ns: f64) -> bool {
        (self.low..=self.high).contains(&ns)
    }

    /// What a picture of some seconds and one of a minute are read in.
    fn unit(&self) -> &'static str {
        if self.high - self.low > SECONDS_FROM { "s" } else { "ms" }
    }

    /// Round times and their labels.
    fn ticks(&self) -> Vec<(f64, String)> {
        let one = if self.high - self.low > SECONDS_FROM { 1e9 } else { 1e6 };
        let ms = |ns: f64| ns / one;
        let step = round_step(ms(self.high - self.low) / 6.0);
        let first = (ms(self.low) / step).ceil();
        let all = (0..=14_u32).map(|at| (first + f64::from(at)) * step).take_while(|at| *at <= ms(self.high));
        all.map(|at| (at * one, label(at, step))).collect()
    }
}

fn label(ms: f64, step: f64) -> String {
    let sign = if ms < -step / 2.0 { "\u{2212}" } else { "" };
    let ms = ms.abs();
    if step < 1.0 {
        return format!("{sign}{}", format!("{ms:.3}").trim_end_matches('0').trim_end_matches('.'));
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and not negative, far below 2^53")]
    let whole = ms.round() as u64;
    format!("{sign}{}", scale::grouped(whole))
}

/// From where the limits of a direction count: the last good packet before its longest gap, or the fault when there is no gap. None when that packet never came.
fn anchor(way: &Way) -> Option<f64> {
    way.longest().map_or(Some(0.0), |(_, gap)| gap.last_good_ns.map(signed))
}

fn bar(gap: &Gap, way: &Way) -> Bar {
    let silent = nanoseconds(gap.at_least_ns.saturating_add(gap.harness_ns));
    let (from, to) = match (gap.last_good_ns.map(signed), gap.first_good_ns.map(signed)) {
        (Some(last), Some(first)) => (last, first),
        (Some(last), None) => (last, last + silent),
        (None, Some(first)) => (first - silent, first),
        (None, None) => (signed(way.listened.from_ns), signed(way.listened.from_ns) + silent),
    };
    Bar { from, to: to.max(from), open_before: gap.last_good_ns.is_none(), open_after: gap.first_good_ns.is_none() }
}

/// Draws a port; `limits` are the longest gaps that are allowed, nanoseconds, shortest first.
pub(crate) fn picture(outage: &Outage, limits: &[f64]) -> Picture {
    let scale = Scale::of(outage, limits);
    // Words come last, so that no line runs through them.
    let (mut body, mut texts, mut names, mut left_out) = (String::new(), String::new(), Vec::new(), 0);
    let mut drawn = vec![true; limits.len()];
    // Two rows on top: "injected" and "healed" never meet.
    let mut y = 2.0 * LABELS + 6.0;
    for way in &outage.ways {
        names.push(whole(y + 30.0));
        y += 42.0;
        let flows = count(way.flows.len()).max(1.0);
        let lane = (LANES / flows).min(THICKEST);
        let height = lane * flows;
        rect(&mut body, "lanes", (LEFT, y), (RIGHT - LEFT, height));
        let sure = nanoseconds(way.uncertainty_ns);
        for act in [way.injected, way.healed] {
            let (from, to) = (scale.place(signed(act.from_ns) - sure), scale.place(signed(act.to_ns) + sure));
            let wide = (to - from).max(THINNEST);
            rect(&mut body, "act-band", (f64::midpoint(from, to) - wide / 2.0, y), (wide, height));
        }
        left_out += bars(&mut body, way, &scale, (y, lane));
        y += height;
        y += ends((&mut body, &mut texts), (way, limits), &scale, (y - height, y), &mut drawn) + 10.0;
    }
    let bottom = y;
    acts((&mut body, &mut texts), outage, &scale, bottom);
    axis((&mut body, &mut texts), &scale, bottom);
    body.push_str(&texts);
    Picture { svg: Svg(body), height: whole(bottom + 50.0), names, left_out, drawn }
}

/// The gaps of a direction; how many were left out.
fn bars(body: &mut String, way: &Way, scale: &Scale, (top, lane): (f64, f64)) -> usize {
    let mut all: Vec<(usize, &Gap)> =
        way.flows.iter().enumerate().flat_map(|(number, flow)| flow.gaps.iter().map(move |gap| (number, gap))).collect();
    all.sort_by_key(|(_, gap)| std::cmp::Reverse(gap.length_ns()));
    let left_out = all.len().saturating_sub(BARS);
    all.truncate(BARS);
    all.sort_by_key(|(number, gap)| (*number, gap.last_good_ns));
    let thick = if lane > 5.0 { lane - 2.0 } else { lane };
    for (number, gap) in all {
        let bar = bar(gap, way);
        let y = top + lane * count(number) + (lane - thick) / 2.0;
        let (from, to) = (scale.place(bar.from), scale.place(bar.to));
        let wide = (to - from).max(THINNEST);
        // Less of it than not may be the network's.
        let class = if gap.harness_ns > gap.length_ns() / 2 { "gap own" } else { "gap" };
        rect(body, class, (from, y), (wide, thick));
        // An end that was not seen is a point, and no edge.
        let point = (thick / 2.0).clamp(3.0, 9.0);
        if bar.open_after {
            point_to(body, from + wide, from + wide + point, (y, thick));
        }
        if bar.open_before {
            point_to(body, from, from - point, (y, thick));
        }
    }
    left_out
}

pub(super) fn point_to(body: &mut String, base: f64, tip: f64, (y, thick): (f64, f64)) {
    let (middle, end) = (y + thick / 2.0, y + thick);
    body.push_str(&format!("<polygon class=\"gap open\" points=\"{base:.1},{y:.1} {tip:.1},{middle:.1} {base:.1},{end:.1}\"/>"));
}

/// Where the limits of a direction end; the height of their labels, which stand below the lanes and never on each other.
fn ends(
    (body, texts): (&mut String, &mut String),
    (way, limits): (&Way, &[f64]),
    scale: &Scale,
    (top, bottom): (f64, f64),
    drawn: &mut [bool],
) -> f64 {
    let mut rows: Vec<f64> = Vec::new();
    for (limit, drawn) in limits.iter().zip(drawn.iter_mut()) {
        let Some(end) = anchor(way).map(|anchor| anchor + limit).filter(|end| scale.holds(*end)) else {
            *drawn = false;
            continue;
        };
        let x = scale.place(end);
        let text = format!("limit {}", scale::scaled(*limit, assay_model::unit::Unit::Nanoseconds).text);
        let wide = LETTER * count(text.chars().count());
        let from = (x - wide / 2.0).clamp(0.0, 1040.0 - wide);
        let row = rows.iter().position(|taken| *taken + LETTER <= from).unwrap_or(rows.len());
        if row == rows.len() {
            rows.push(0.0);
        }
        rows[row] = from + wide;
        let base = bottom + LABELS * count(row) + 28.0;
        // On a bed of the paper's colour it is seen before a gap as well.
        for class in ["limit-bed", "limit"] {
            let (y1, y2) = (top - 4.0, base - 24.0);
            body.push_str(&format!("<line class=\"{class}\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y1:.1}\" y2=\"{y2:.1}\"/>"));
        }
        text_at(texts, "start", (from, base), &text);
    }
    LABELS * count(rows.len())
}

/// When the port was broken and healed.
fn acts((body, texts): (&mut String, &mut String), outage: &Outage, scale: &Scale, bottom: f64) {
    let Some(way) = outage.ways.first() else { return };
    for (act, word, base) in [(way.injected, "injected", 28.0), (way.healed, "healed", 28.0 + LABELS)] {
        let x = scale.place(signed(act.from_ns));
        let y1 = base - 20.0;
        body.push_str(&format!("<line class=\"act\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y1:.1}\" y2=\"{bottom:.1}\"/>"));
        let (anchor, at) = if x > RIGHT - 150.0 { ("end", x - 8.0) } else { ("start", x + 8.0) };
        text_at(texts, anchor, (at, base), word);
    }
}

pub(super) fn axis((body, texts): (&mut String, &mut String), scale: &Scale, y: f64) {
    body.push_str(&format!("<line class=\"axis\" x1=\"{LEFT:.1}\" x2=\"{RIGHT:.1}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"));
    for (at, text) in scale.ticks() {
        let x = scale.place(at);
        body.push_str(&format!("<line class=\"axis\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{y:.1}\" y2=\"{:.1}\"/>", y + 8.0));
        let text = if at == 0.0 { format!("{text}{NARROW_SPACE}{}", scale.unit()) } else { text };
        let half = LETTER * count(text.chars().count()) / 2.0;
        // A label at the border would stick out.
        text_at(texts, "middle", (x.clamp(half, 1040.0 - half), y + 38.0), &text);
    }
}

pub(super) fn rect(body: &mut String, class: &str, (x, y): (f64, f64), (width, height): (f64, f64)) {
    body.push_str(&format!("<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"));
}

pub(super) fn text_at(body: &mut String, anchor: &str, (x, y): (f64, f64), text: &str) {
    body.push_str(&format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" font-size=\"28\">{text}</text>"));
}

#[allow(clippy::cast_precision_loss, reason = "drawn to a thousandth of the picture")]
fn nanoseconds(ns: u64) -> f64 {
    ns as f64
}

#[allow(clippy::cast_precision_loss, reason = "lanes and letters")]
fn count(things: usize) -> f64 {
    things as f64
}

#[allow(clippy::cast_precision_loss, reason = "drawn to a thousandth of the picture")]
pub(super) fn signed(ns: i64) -> f64 {
    ns as f64
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the drawing: some hundred units")]
pub(super) fn whole(place: f64) -> u32 {
    place.ceil() as u32
}

#[cfg(test)]
mod tests;
