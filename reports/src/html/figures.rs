//! Every figure against what the hardware allows: value, interval, ceiling, formula with its inputs, and all samples.

use assay_model::ceiling::Ceiling;
use assay_model::component::{Reading, Value};
use assay_model::gate::Requirement;
use assay_model::limit::{Basis, Bound, Limit};
use assay_model::metric::{Direction, Metric};
use assay_model::outcome::MetricRow;
use assay_model::unit::Unit;

use crate::chart::{Svg, bar::Bar};
use crate::dossier::Dossier;
use crate::printable::Shown;
use crate::scale::{self, Scaled};

use super::mark::Mark;
use super::seen::safe;

pub(super) struct Figures {
    /// Figures with a bar, then those without.
    pub(super) barred: Vec<Figure>,
    pub(super) plain: Vec<Figure>,
    /// Ceilings of figures that were not measured.
    pub(super) unused: Vec<Formula>,
    pub(super) none: Shown,
}

pub(super) struct Figure {
    pub(super) name: Shown,
    pub(super) value: Scaled,
    pub(super) interval: Option<Interval>,
    pub(super) ceiling: Option<Scaled>,
    pub(super) efficiency: String,
    pub(super) above: bool,
    pub(super) bar: Option<Svg>,
    pub(super) alt: Shown,
    /// What the gate requires of it: nothing, a bound, or one that holds and one that warns.
    pub(super) required: Vec<Required>,
    /// What the checks on this figure say, the worst of them; of several bounds each has its own.
    pub(super) mark: Option<Mark>,
    pub(super) formula: Option<Formula>,
    /// Why there is no bar.
    pub(super) no_ceiling: Shown,
    pub(super) better: &'static str,
    pub(super) samples: Vec<Scaled>,
}

pub(super) struct Interval {
    pub(super) low: Scaled,
    pub(super) high: Scaled,
    /// `93.8 % confidence`, when the samples are at hand.
    pub(super) confidence: String,
}

pub(super) struct Required {
    pub(super) text: String,
    pub(super) basis: Shown,
    /// What the check of this very bound says, when there are several.
    pub(super) mark: Option<Mark>,
}

pub(super) struct Formula {
    pub(super) metric: Shown,
    pub(super) value: Scaled,
    pub(super) formula: Shown,
    pub(super) inputs: Vec<(Shown, Scaled)>,
}

impl Figures {
    pub(super) fn new(dossier: &Dossier<'_>) -> Self {
        let figures: Vec<Figure> = dossier.judgement.metrics.iter().map(|row| figure(row, dossier)).collect();
        let unused: Vec<Formula> =
            dossier.judgement.ceilings.iter().filter(|c| !dossier.judgement.metrics.iter().any(|row| bounds(c, row))).map(formula).collect();
        let none = match (figures.is_empty(), dossier.runs.is_empty()) {
            (false, _) => Shown::default(),
            (true, true) => Shown::new("No scenario has run, so no figure was measured."),
            (true, false) => Shown::new("The runs ended without a figure."),
        };
        let (barred, plain) = figures.into_iter().partition(|figure| figure.bar.is_some());
        Self { barred, plain, unused, none }
    }

    pub(super) fn total(&self) -> usize {
        self.barred.len() + self.plain.len()
    }
}

fn figure(row: &MetricRow, dossier: &Dossier<'_>) -> Figure {
    let shown = |value: f64| scale::scaled(value, row.unit);
    let metric = measured(row, dossier);
    let ceiling = dossier.judgement.ceilings.iter().find(|ceiling| bounds(ceiling, row));
    let limits = limits(row, dossier);
    let limit = limits.first().map(|(_, limit)| *limit);
    let interval = row.low.zip(row.high);
    let bar = row.value.zip(row.ceiling).and_then(|(value, ceiling)| {
        let required = limit.and_then(|limit| match limit.bound {
            Bound::Efficiency(share) => Some(share * ceiling),
            Bound::AtLeast(low) => Some(low),
            Bound::AtMost(high) => Some(high),
            Bound::Exactly(value) => Some(value),
            // The check has the number; it depends on the drive.
            Bound::Rated { .. } => None,
        });
        Bar { value, interval, ceiling, required }.draw()
    });
    let value = row.value.map_or_else(|| Scaled { text: "not measured".into(), exact: String::new() }, shown);
    let efficiency = row.efficiency.map(scale::percent).unwrap_or_default();
    let required: Vec<Required> = limits
        .iter()
        .map(|(requirement, limit)| {
            let judged = dossier.judgement.judged.iter().filter(|judged| judged.check.subject == row.name && judged.check.id == requirement.id);
            let own = judged.map(|judged| judged.check.verdict.rank()).max().map(Mark::of);
            Required { mark: own.filter(|_| limits.len() > 1), ..required(limit, row.unit) }
        })
        .collect();
    let mut alt = format!("{}: {}", row.name, value.text);
    if let Some(ceiling) = row.ceiling {
        alt.push_str(&format!(", {efficiency} of the ceiling {}", shown(ceiling).text));
    }
    for required in &required {
        alt.push_str(&format!("; required: {}", required.text));
    }
    Figure {
        name: Shown::from(&row.name),
        value,
        interval: interval.map(|(low, high)| Interval { low: shown(low), high: shown(high), confidence: confidence(metric) }),
        ceiling: row.ceiling.map(shown),
        efficiency,
        above: row.value.zip(row.ceiling).is_some_and(|(value, ceiling)| value > ceiling),
        bar,
        alt: Shown::from(alt),
        required,
        mark: dossier
            .judgement
            .judged
            .iter()
            .filter(|judged| judged.check.subject == row.name)
            .map(|judged| judged.check.verdict.rank())
            .max()
            .map(Mark::of),
        formula: ceiling.map(formula),
        no_ceiling: Shown::from(no_ceiling(row, ceiling)),
        better: match metric.map(|metric| metric.direction) {
            Some(Direction::HigherIsBetter) => "higher is better",
            Some(Direction::LowerIsBetter) => "lower is better",
            None => "",
        },
        samples: metric.map(|metric| metric.samples.values().iter().map(|value| shown(*value)).collect()).unwrap_or_default(),
    }
}

// `memory.triad.bandwidth{numa_node=0}` and `memory.triad.bandwidth` name the same figure; the dimensions stand behind the name.
fn base(name: &str) -> &str {
    name.split(['{', '[', '(', ' ']).next().unwrap_or(name)
}

fn bounds(ceiling: &Ceiling, row: &MetricRow) -> bool {
    ceiling.metric.0 == row.name || (ceiling.metric.0 == base(&row.name) && (ceiling.value == row.ceiling || ceiling.value.is_none()))
}

// The measurement behind a row: of that name, with that median. Several rows of one name differ in their dimensions, hence in their samples.
fn measured<'a>(row: &MetricRow, dossier: &'a Dossier<'_>) -> Option<&'a Metric> {
    let all = dossier.runs.iter().flat_map(|run| &run.steps).flat_map(|step| &step.metrics).map(|recorded| &recorded.fact);
    // Two pairs of nodes may well have the same median.
    let told: Vec<&str> =
        row.name.split_once('{').and_then(|(_, rest)| rest.strip_suffix('}')).map(|told| told.split(',').collect()).unwrap_or_default();
    let fits = |metric: &Metric| {
        let named = |name: &str| told.iter().any(|one| one.split_once('=').is_some_and(|(known, _)| known == name));
        metric.dimensions.iter().all(|(name, value)| !named(name) || value.contains(',') || told.contains(&format!("{name}={value}").as_str()))
    };
    let is_it =
        |metric: &&Metric| base(&metric.name.0) == base(&row.name) && row.value.is_some_and(|value| metric.samples.median() == value) && fits(metric);
    all.rev().find(is_it)
}

fn confidence(metric: Option<&Metric>) -> String {
    match metric {
        Some(metric) if metric.samples.values().len() > 1 => {
            format!("{} confidence from {} samples", scale::percent(metric.samples.interval(0.95).confidence), metric.samples.values().len())
        }
        Some(_) => "a single sample has no interval".into(),
        None => String::new(),
    }
}

fn limits<'a>(row: &MetricRow, dossier: &'a Dossier<'_>) -> Vec<(&'a Requirement, &'a Limit)> {
    let gate = dossier.site.gates.iter().filter(|gate| gate.phase == dossier.judgement.phase);
    let limits = gate.flat_map(|gate| &gate.requires).filter_map(|requirement| Some((requirement, requirement.limit.as_ref()?)));
    limits.filter(|(_, limit)| limit.metric.0 == row.name || limit.metric.0 == base(&row.name)).collect()
}

pub(super) fn required(limit: &Limit, unit: Unit) -> Required {
    let text = match limit.bound {
        Bound::Efficiency(share) => format!("at least {} of the ceiling", scale::percent(share)),
        Bound::AtLeast(low) => format!("at least {}", scale::scaled(low, unit).text),
        Bound::AtMost(high) => format!("at most {}", scale::scaled(high, unit).text),
        Bound::Exactly(value) => format!("exactly {}", scale::scaled(value, unit).text),
        Bound::Rated { figure, share } => format!("at least {} of the {figure}", scale::percent(share)),
    };
    let basis = match &limit.basis {
        Basis::Ceiling(why) => format!("share of the ceiling: {why}"),
        Basis::Datasheet(document) => format!("data sheet: {document}"),
        Basis::Baseline(id) => format!("baseline {id}"),
        Basis::Policy(note) => format!("policy: {note}"),
    };
    Required { text, basis: Shown::from(basis), mark: None }
}

fn formula(ceiling: &Ceiling) -> Formula {
    let value =
        ceiling.value.map_or_else(|| Scaled { text: "cannot be computed".into(), exact: String::new() }, |value| scale::scaled(value, ceiling.unit));
    let inputs = ceiling.inputs.iter().map(|(name, reading)| (Shown::from(name), input(reading))).collect();
    Formula { metric: Shown::from(&ceiling.metric.0), value, formula: Shown::from(&ceiling.formula), inputs }
}

// The unit of an input stands in its name or in the formula; only long numbers are set in groups.
fn input(reading: &Reading) -> Scaled {
    match reading {
        Reading::Value(Value::Integer(whole)) => Scaled { text: scale::grouped(*whole), exact: whole.to_string() },
        Reading::Value(Value::Float(_) | Value::Bool(_) | Value::Text(_) | Value::List(_)) | Reading::Absent | Reading::Unreadable(_) => {
            safe(Scaled { text: reading.to_string(), exact: reading.to_string() })
        }
    }
}

fn no_ceiling(row: &MetricRow, ceiling: Option<&Ceiling>) -> String {
    match (row.value, ceiling) {
        (None, _) => "nothing was measured".into(),
        (Some(_), None) => "no physical ceiling is known for it".into(),
        (Some(_), Some(ceiling)) => {
            let missing: Vec<&str> = ceiling.inputs.iter().filter(|(_, reading)| reading.value().is_none()).map(|(name, _)| name.as_str()).collect();
            if missing.is_empty() {
                "its ceiling could not be computed".into()
            } else {
                format!("its ceiling lacks an input: {}", missing.join(", "))
            }
        }
    }
}
