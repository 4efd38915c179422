//! The figures of runs by their labels, and the ceilings that bound them.

use std::collections::BTreeSet;

use crate::ceiling::{self, Ceiling};
use crate::inventory::Inventory;
use crate::metric::{Direction, Metric};
use crate::outcome::MetricRow;
use crate::run::{Recorded, Run, Step};
use crate::site::Site;

/// One figure and where it was measured.
pub(super) struct Figure<'a> {
    /// The metric's name, with the dimensions that tell it from others of that name: `memory.triad.bandwidth{numa_node=1}`.
    pub(super) label: String,
    pub(super) metric: &'a Recorded<Metric>,
    pub(super) step: &'a Step,
    pub(super) run: &'a Run,
}

/// Every figure of `runs`, in the order of their labels.
pub(super) fn figures<'a>(runs: &[&'a Run]) -> Vec<Figure<'a>> {
    let each = |run: &'a Run| run.steps.iter().flat_map(move |step| step.metrics.iter().map(move |metric| (run, step, metric)));
    let all: Vec<(&Run, &Step, &Recorded<Metric>)> = runs.iter().copied().flat_map(each).collect();
    let mut figures: Vec<Figure<'a>> = all
        .iter()
        .map(|(run, step, metric)| {
            let others = all.iter().filter(|(_, _, other)| other.fact.name == metric.fact.name).map(|(_, _, other)| &other.fact);
            Figure { label: label(&metric.fact, others), metric, step, run }
        })
        .collect();
    figures.sort_by(|a, b| (&a.label, &a.run.id, a.metric.event).cmp(&(&b.label, &b.run.id, b.metric.event)));
    figures
}

/// A figure of a run as it is named where others of its name stand beside it.
pub fn label_in(run: &Run, metric: &Metric) -> String {
    let all = run.steps.iter().flat_map(|step| &step.metrics).map(|recorded| &recorded.fact);
    label(metric, all.filter(|other| other.name == metric.name))
}

fn label<'a>(metric: &Metric, others: impl Iterator<Item = &'a Metric>) -> String {
    let mut telling = BTreeSet::new();
    for other in others {
        let names = metric.dimensions.keys().chain(other.dimensions.keys());
        telling.extend(names.filter(|name| metric.dimensions.get(*name) != other.dimensions.get(*name)).cloned());
    }
    let shown: Vec<String> = telling.iter().filter_map(|name| Some(format!("{name}={}", metric.dimensions.get(name)?))).collect();
    if shown.is_empty() { metric.name.to_string() } else { format!("{}{{{}}}", metric.name, shown.join(",")) }
}

/// The ceilings of the node as observed, and of the order those that no node shows (bonds, Ceph). What the node does not tell is not taken from
/// the order: a figure would be judged by hardware that nobody saw.
pub fn ceilings(site: &Site, inventory: Option<&Inventory>) -> Vec<Ceiling> {
    let channels = site.bom.as_ref().and_then(|bom| ceiling::channels_per_socket(bom, &site.parts));
    let mut ceilings = inventory.map(|inventory| ceiling::of_node(inventory, channels)).unwrap_or_default();
    let ordered = site.bom.as_ref().map(|bom| ceiling::of_bom(bom, &site.parts)).unwrap_or_default();
    let unseen: Vec<Ceiling> = ordered.into_iter().filter(|one| !ceilings.iter().any(|known| known.metric == one.metric)).collect();
    ceilings.extend(unseen);
    ceilings.sort_by(|a, b| a.metric.cmp(&b.metric));
    ceilings
}

/// What bounds a figure: the ceiling of its label, else the one of its name.
pub(super) fn ceiling_of<'a>(figure: &Figure<'_>, ceilings: &'a [Ceiling]) -> Option<&'a Ceiling> {
    let named = |name: &str| ceilings.iter().find(|ceiling| ceiling.metric.0 == name);
    named(&figure.label).or_else(|| named(&figure.metric.fact.name.0))
}

/// A figure as it is printed.
pub(super) fn row(figure: &Figure<'_>, ceilings: &[Ceiling]) -> MetricRow {
    let metric = &figure.metric.fact;
    let finite = |value: f64| value.is_finite().then_some(value);
    let value = finite(metric.samples.median());
    let ceiling = match metric.direction {
        Direction::HigherIsBetter => ceiling_of(figure, ceilings).filter(|ceiling| ceiling.unit == metric.unit).and_then(|ceiling| ceiling.value),
        Direction::LowerIsBetter => None,
    };
    let interval = metric.samples.interval(0.95);
    let known = value.is_some() && interval.confidence > 0.0;
    MetricRow {
        name: figure.label.clone(),
        unit: metric.unit,
        value,
        ceiling,
        efficiency: value.zip(ceiling).and_then(|(value, ceiling)| finite(value / ceiling)),
        low: finite(interval.low).filter(|_| known),
        high: finite(interval.high).filter(|_| known),
    }
}
