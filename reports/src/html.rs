//! The report as one self-contained HTML file: no script, no network, light and dark, for screens from 420 px and for paper. The templates are in
//! `reports/templates`; everything below only prepares what they print. Node data reaches them as [`Shown`], which askama escapes.

use askama::Template;

use crate::chart::{Chart, ChartError};
use crate::dossier::Dossier;
use crate::printable::Shown;
use crate::scale;

mod between;
mod checks;
mod contradictions;
mod figures;
mod glossary;
mod hardware;
mod head;
mod holds;
mod mark;
mod order;
mod outages;
mod runs;
mod seen;
mod stalls;
mod waivers;

/// The report could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReportError {
    /// A chart could not be drawn.
    #[error("cannot draw the report's charts")]
    Chart(#[from] ChartError),
    /// The template could not be filled.
    #[error("cannot fill the report's template")]
    Template(#[from] askama::Error),
}

/// The whole report. The same dossier gives the same bytes.
pub fn html(dossier: &Dossier<'_>) -> Result<String, ReportError> {
    Ok(Report::new(dossier)?.render()?)
}

#[derive(Template)]
#[template(path = "report.html")]
struct Report {
    head: head::Head,
    holds: holds::Holds,
    contradictions: contradictions::Contradictions,
    waivers: waivers::Waivers,
    phases: Vec<checks::Phase>,
    order: order::Order,
    hardware: hardware::Hardware,
    figures: figures::Figures,
    between: between::Between,
    outages: Vec<outages::OutageView>,
    stalls: Vec<stalls::StallView>,
    latencies: Vec<Chart>,
    series: Vec<Chart>,
    no_charts: Shown,
    runs: runs::Runs,
    glossary: &'static [(&'static str, &'static str)],
    repeat_command: Shown,
    tool: Shown,
    generated_at: Shown,
    report: Shown,
}

impl Report {
    fn new(dossier: &Dossier<'_>) -> Result<Self, ReportError> {
        let steps = || dossier.runs.iter().flat_map(|run| run.steps.iter());
        let latencies: Vec<Chart> = steps()
            .flat_map(|step| &step.latencies)
            .filter_map(|curve| crate::chart::latency::latency(curve).transpose())
            .collect::<Result<_, _>>()?;
        let series: Vec<Chart> = steps()
            .flat_map(|step| &step.series)
            .filter_map(|series| crate::chart::over_time::over_time(series).transpose())
            .collect::<Result<_, _>>()?;
        let no_charts = match dossier.runs {
            [] => "No scenario has run, so there is no latency and no throughput to draw.",
            _ => "The runs recorded neither latencies nor figures over time.",
        };
        Ok(Self {
            head: head::Head::new(dossier),
            holds: holds::Holds::new(dossier),
            contradictions: contradictions::Contradictions::new(dossier),
            waivers: waivers::Waivers::new(dossier),
            phases: checks::phases(dossier),
            order: order::Order::new(dossier),
            hardware: hardware::Hardware::new(dossier),
            figures: figures::Figures::new(dossier),
            between: between::Between::new(dossier),
            outages: outages::outages(dossier),
            stalls: stalls::stalls(dossier),
            latencies,
            series,
            no_charts: Shown::new(no_charts),
            runs: runs::Runs::new(dossier),
            glossary: glossary::WORDS,
            repeat_command: Shown::from(&dossier.repeat_command),
            tool: Shown::from(&dossier.tool),
            generated_at: Shown::from(scale::utc(&dossier.generated_at)),
            report: Shown::from(dossier.report.as_deref().unwrap_or("none was written")),
        })
    }
}
