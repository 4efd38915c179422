//! `assay history`: the figures of stored runs, oldest first. Runs that did not complete are shown as such and damaged ones are named.

use std::fmt::Write as _;

use anyhow::Result;
use assay_model::metric::Metric;
use assay_model::run::Ended;
use assay_reports::printable::Shown;
use assay_reports::scale;
use assay_reports::store::{History, HistoryRow};
use serde::Serialize;

use super::DONE;
use crate::cli::Format;
use crate::context::{Context, Usage};
use crate::present;

/// Confidence of the printed interval, when there are samples enough for it.
const CONFIDENCE: f64 = 0.95;

#[derive(Serialize)]
struct Answer<'a> {
    history: Vec<Row<'a>>,
    damaged: Vec<Damaged<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    run: &'a str,
    started_at: &'a str,
    scenario: &'a str,
    step: &'a str,
    ended: &'a Ended,
    median: f64,
    low: f64,
    high: f64,
    metric: &'a Metric,
}

#[derive(Serialize)]
struct Damaged<'a> {
    run: &'a str,
    error: String,
}

/// Prints the history of one metric or of all.
pub(crate) fn history(context: &Context, metric: Option<&str>) -> Result<u8> {
    let history = context.store()?.history(metric)?;
    if let (Some(metric), true, true) = (metric, history.rows.is_empty(), history.damaged.is_empty()) {
        return Err(Usage(format!("no stored run below {} has a figure {metric}", context.runs.display())).into());
    }
    match context.format {
        Format::Json => present::print_json(&answer(&history))?,
        Format::Text => present::print(&text(&history)?)?,
    }
    Ok(DONE)
}

fn answer(history: &History) -> Answer<'_> {
    Answer {
        history: history.rows.iter().map(row).collect(),
        damaged: history.damaged.iter().map(|(run, error)| Damaged { run, error: present::chain(error) }).collect(),
    }
}

fn row(row: &HistoryRow) -> Row<'_> {
    let interval = row.metric.samples.interval(CONFIDENCE);
    Row {
        run: &row.run,
        started_at: &row.started_at,
        scenario: &row.scenario,
        step: &row.step,
        ended: &row.ended,
        median: row.metric.samples.median(),
        low: interval.low,
        high: interval.high,
        metric: &row.metric,
    }
}

fn text(history: &History) -> Result<String> {
    let mut out = String::new();
    for row in &history.rows {
        let interval = row.metric.samples.interval(CONFIDENCE);
        let figure = |value| scale::scaled(value, row.metric.unit);
        let state = match &row.ended {
            Ended::Completed => String::new(),
            Ended::Interrupted => "  (interrupted: counts for nothing)".into(),
            Ended::Cancelled => "  (cancelled: counts for nothing)".into(),
            Ended::Failed(why) => format!("  (failed: {})", Shown::from(why)),
        };
        writeln!(
            out,
            "{}  {}  {}  [{} .. {}]{state}",
            Shown::from(&row.started_at),
            Shown::from(&row.metric.name.0),
            figure(row.metric.samples.median()),
            figure(interval.low),
            figure(interval.high)
        )?;
    }
    for (run, error) in &history.damaged {
        writeln!(out, "{}: cannot be read: {}", Shown::from(run), Shown::from(present::chain(error)))?;
    }
    if out.is_empty() {
        out.push_str("no stored runs\n");
    }
    Ok(out)
}
