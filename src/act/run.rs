//! `assay run`: one scenario, and what it says by itself: whether it completed, whether its data were right, whether it was disturbed.

use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use assay_model::ceiling::Ceiling;
use assay_model::check::Check;
use assay_model::judge;
use assay_model::metric::Samples;
use assay_model::outcome::{CheckRow, MetricRow, Outcome};
use assay_model::run::{Ended, Run};
use assay_model::verdict::{Rank, worst};
use assay_reports::dossier::answer as answer_of;
use assay_reports::printable::Shown;
use assay_reports::scale;
use assay_reports::store::Content;
use assay_scenarios::calibration;
use assay_scenarios::directory::run_id;
use assay_scenarios::isolation;
use assay_scenarios::plan::Permits;

use crate::cli::{self, Format};
use crate::context::{Context, Usage};
use crate::present;
use crate::workload::{self, Machine};

/// Confidence of the printed interval, when there are samples enough for it.
const CONFIDENCE: f64 = 0.95;

/// Runs or resumes, and answers.
pub(crate) fn run(context: &Context, options: &cli::Run) -> Result<u8> {
    context.require_this_machine("assay run")?;
    let host = context.host()?;
    let inventory = context.inventory(&host);
    let machine = Machine::new(&host, &inventory, context);
    let run = match (&options.resume, &options.scenario) {
        (Some(id), _) => machine.resume(&resumable(context, id)?, &context.site()?)?,
        (None, Some(name)) => {
            let (scenario, named) = workload::scenario(name)?;
            if scenario.breaks() {
                return Err(Usage(format!("{name} breaks something on purpose: `assay drill {name}`")).into());
            }
            let scenario = workload::within(scenario, &options.between)?;
            let scenario = workload::in_pool(scenario, &options.target)?;
            let targets = super::plan::targets(&options.target, named, &context.runs);
            let site = context.site()?;
            let nodes = workload::nodes(&scenario, &options.between, &site)?;
            let plan = workload::plan_for(&scenario, &targets, &workload::permits(&options.writes), &nodes, &site, &inventory)?;
            machine.run(&run_id(&scenario.name, jiff::Timestamp::now()), &plan)?
        }
        (None, None) => return Err(Usage("name a scenario, or --resume".into()).into()),
    };
    answer(context, &run)
}

/// Breaks, measures, heals, and answers.
pub(crate) fn drill(context: &Context, options: &cli::Drill) -> Result<u8> {
    context.require_this_machine("assay drill")?;
    let (scenario, _) = workload::scenario(&options.scenario)?;
    if !scenario.breaks() {
        return Err(Usage(format!("{} breaks nothing: `assay run {}`", scenario.name, options.scenario)).into());
    }
    let scenario = workload::within(scenario, &options.between)?;
    let host = context.host()?;
    let inventory = context.inventory(&host);
    let site = context.site()?;
    let nodes = workload::nodes(&scenario, &options.between, &site)?;
    let plan = workload::plan_for(&scenario, &options.target, &Permits::default(), &nodes, &site, &inventory)?;
    let run = Machine::new(&host, &inventory, context).run(&run_id(&scenario.name, jiff::Timestamp::now()), &plan)?;
    answer(context, &run)
}

fn resumable(context: &Context, id: &str) -> Result<PathBuf> {
    let store = context.store()?;
    if !id.is_empty() {
        return match store.load(id).with_context(|| Usage("cannot resume".into()))? {
            Content::Run(run) if run.scenario == isolation::SCENARIO => {
                Err(Usage(format!("{id} is a trial of the isolation, which is one thing as a whole: `assay isolation` makes a new one")).into())
            }
            Content::Run(_) => Ok(store.path(id)?),
            Content::Acceptance(_) => Err(Usage(format!("{id} is an acceptance; `assay accept --resume {id}` finishes it")).into()),
        };
    }
    let unfinished = |content: &Content| match content {
        // A calibration is pairs in one go, and what was tried of the isolation is one thing as a whole: half of one is begun anew.
        Content::Run(run) => {
            ![calibration::SCENARIO, isolation::SCENARIO].contains(&run.scenario.as_str())
                && matches!(run.ended, Ended::Interrupted | Ended::Cancelled)
        }
        Content::Acceptance(_) => false,
    };
    let found = store.entries()?.into_iter().find(|entry| entry.content.as_ref().is_ok_and(unfinished));
    found.map(|entry| entry.path).ok_or_else(|| Usage(format!("no run below {} was interrupted or cancelled", context.runs.display())).into())
}

fn answer(context: &Context, run: &Run) -> Result<u8> {
    let checks = judge::checks_of(run);
    let verdict = worst(checks.iter().map(|check| check.verdict.rank()));
    let exit_code = match verdict {
        Rank::Pass => 0,
        Rank::Fail => 1,
        Rank::Inconclusive | Rank::NotApplicable => 3,
    };
    match context.format {
        Format::Json => present::print_json(&outcome(run, &checks, verdict, exit_code))?,
        Format::Text => present::print(&text(context, run, &checks, verdict)?)?,
    }
    Ok(exit_code)
}

fn outcome(run: &Run, checks: &[Check], verdict: Rank, exit_code: u8) -> Outcome {
    let check = |check: &Check| CheckRow {
        id: check.id.to_string(),
        phase: None,
        severity: None,
        subject: check.subject.clone(),
        verdict: check.verdict.rank(),
        reason: check.verdict.reason(),
        expected: check.expected.clone(),
        observed: check.observed.clone(),
        source: check.source.clone(),
    };
    let metrics = run
        .steps
        .iter()
        .flat_map(|step| &step.metrics)
        .map(|metric| row(&judge::label_in(run, &metric.fact), metric.fact.unit, &metric.fact.samples));
    Outcome {
        verdict,
        exit_code,
        phase: None,
        run_id: Some(run.id.clone()),
        report: None,
        checks: checks.iter().map(check).collect(),
        metrics: metrics.collect(),
        contradictions: Vec::new(),
    }
}

fn row(name: &str, unit: assay_model::unit::Unit, samples: &Samples) -> MetricRow {
    let interval = samples.interval(CONFIDENCE);
    let finite = |value: f64| value.is_finite().then_some(value);
    MetricRow {
        name: name.to_owned(),
        unit,
        value: finite(samples.median()),
        ceiling: None,
        efficiency: None,
        low: finite(interval.low),
        high: finite(interval.high),
    }
}

fn text(context: &Context, run: &Run, checks: &[Check], verdict: Rank) -> Result<String> {
    let mut out = String::new();
    for step in &run.steps {
        for metric in &step.metrics {
            let (fact, interval) = (&metric.fact, metric.fact.samples.interval(CONFIDENCE));
            let figure = |value| scale::scaled(value, fact.unit);
            writeln!(
                out,
                "{:<44} {}  [{} .. {}]",
                Shown::from(judge::label_in(run, fact)),
                figure(fact.samples.median()),
                figure(interval.low),
                figure(interval.high)
            )?;
        }
    }
    // What bounds a figure whatever the limits are, as it was computed.
    let is_measured = |ceiling: &Ceiling| run.steps.iter().flat_map(|step| &step.metrics).any(|metric| metric.fact.name == ceiling.metric);
    let ceilings: Vec<Ceiling> = judge::ceilings(&context.site()?, None).into_iter().filter(is_measured).collect();
    if !ceilings.is_empty() {
        writeln!(out, "ceilings:\n{}", present::tame(&present::ceilings(&ceilings)?))?;
    }
    let mut sorted: Vec<&Check> = checks.iter().collect();
    sorted.sort_by_key(|check| std::cmp::Reverse(check.verdict.rank()));
    for check in &sorted {
        let reason = check.verdict.reason();
        let said = if reason.is_empty() { &check.observed } else { &reason };
        writeln!(out, "{:<14} {}: {}", check.verdict.rank().name(), check.id, Shown::from(said))?;
    }
    writeln!(out, "{verdict}: run of {}", Shown::from(&run.scenario))?;
    if let Some(check) = sorted.first().filter(|check| check.verdict.rank() > Rank::Pass) {
        writeln!(out, "worst: {}: {}", check.id, Shown::from(answer_of(check)))?;
    }
    writeln!(out, "run: {}", Shown::from(context.runs.join(&run.id).display().to_string()))?;
    Ok(out)
}
