//! From what a step's repeats found to the facts of the journal: figures with every repeat, merged latency curves, series, verification, and the
//! conditions that make figures doubtful. Nothing is averaged, and nothing is dropped but the step as a whole.

use std::collections::BTreeMap;

use assay_model::attr::Attr;
use assay_model::component::Value;
use assay_model::journal::Event;
use assay_model::metric::{Direction, Metric, Samples};
use assay_model::run::{Condition, CounterSample, LatencyCurve, Series, Verification};
use assay_model::unit::Unit;
use hdrhistogram::Histogram;

use crate::plan::{PlannedIo, PlannedWork};
use crate::scenario::KernelName;

use super::bench::Outcome;
use super::latencies::Latencies;

/// A figure above this share of what the null engine reaches says as much of the harness as of the target.
const FLOOR_SHARE: f64 = 0.5;
/// A latency of which the harness itself makes more than this share is not the target's.
const LAG_SHARE: f64 = 0.1;
/// Quantiles of a latency curve; the last is the longest latency seen.
const QUANTILES: &[f64] =
    &[0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 0.975, 0.99, 0.995, 0.999, 0.9995, 0.9999, 0.99999, 1.0];

const PERCENTILES: &[(&str, f64)] = &[("p50", 0.5), ("p99", 0.99), ("p99_9", 0.999)];

/// All repeats of one piece of work: when each began (seconds since the step began) and what it found.
pub(super) struct Repeats<'a> {
    pub(super) work: &'a PlannedWork,
    pub(super) outcomes: Vec<(f64, Outcome)>,
    // The first whose figures count: those before it were not steady.
    pub(super) counted_from: usize,
    // Why there is none, when this host or device is not set up for it.
    pub(super) not_configured: Option<String>,
}

impl<'a> Repeats<'a> {
    pub(super) fn new(work: &'a PlannedWork) -> Self {
        Self { work, outcomes: Vec::new(), counted_from: 0, not_configured: None }
    }

    /// Those whose figures count.
    pub(super) fn counted(&self) -> &[(f64, Outcome)] {
        self.outcomes.get(self.counted_from..).unwrap_or_default()
    }

    /// The metric family, with what tells its targets from others, when the work is measured.
    pub(super) fn label(&self) -> Option<String> {
        label(self.work)
    }

    fn samples(&self, value: impl Fn(&Outcome) -> f64) -> Samples {
        Samples::new(self.counted().iter().map(|(_, outcome)| value(outcome)).collect())
    }
}

/// The metric family of a piece of work that is measured, with what tells its targets from others.
pub(super) fn label(work: &PlannedWork) -> Option<String> {
    match work {
        PlannedWork::Io(io) => io.spec.extent.is_measured().then(|| io.label()),
        PlannedWork::Triad { .. } => Some(KernelName::Triad.family().to_owned()),
    }
}

#[allow(clippy::cast_precision_loss, reason = "counts of a step are far below 2^53")]
fn float(count: u64) -> f64 {
    count as f64
}

pub(super) fn per_second(count: u64, outcome: &Outcome) -> f64 {
    float(count) / outcome.elapsed.as_secs_f64()
}

fn quantile_of(latencies: Option<&Latencies>, quantile: f64) -> f64 {
    latencies.map_or(f64::NAN, |latencies| latencies.quantile(quantile))
}

/// What tells the drives of a figure from others.
pub(super) fn dimensions_of_drive(io: &PlannedIo) -> BTreeMap<String, String> {
    io.of.iter().map(|of| ("drive".to_owned(), of.clone())).collect()
}

/// What tells a figure from others of its name.
fn dimensions(io: &PlannedIo, target: &str) -> BTreeMap<String, String> {
    let spec = &io.spec;
    let mut dimensions: BTreeMap<String, String> =
        [("engine", spec.engine.clone()), ("rw", spec.rw.name().to_owned()), ("bs", spec.bs.to_string()), ("iodepth", spec.iodepth.to_string())]
            .map(|(name, value)| (name.to_owned(), value))
            .into();
    if let Some(rate) = spec.rate {
        dimensions.insert("rate".to_owned(), rate.per_second.to_string());
    }
    if spec.engine != "null" {
        dimensions.insert("target".to_owned(), target.to_owned());
    }
    dimensions.extend(dimensions_of_drive(io));
    dimensions
}

/// Figures, curves and series of one piece of work, when it is measured.
pub(super) fn figures(step: &str, repeats: &Repeats<'_>, target: &str) -> Vec<Event> {
    let Some(label) = repeats.label().filter(|_| repeats.not_configured.is_none()) else { return Vec::new() };
    let step = step.to_owned();
    let mut events = Vec::new();
    let metric = |name: &str, unit, direction, dimensions: &BTreeMap<String, String>, samples| Event::Metric {
        step: step.clone(),
        metric: Metric { name: name.into(), unit, direction, dimensions: dimensions.clone(), samples },
    };
    match repeats.work {
        PlannedWork::Io(io) => {
            let (family, dimensions) = (io.spec.family(), dimensions(io, target));
            let higher = Direction::HigherIsBetter;
            if io.spec.knee.is_some() {
                let knees = repeats.samples(|outcome| outcome.samples.first().copied().unwrap_or(f64::NAN));
                events.push(metric(&format!("{family}.rate"), Unit::OpsPerSecond, higher, &dimensions, knees));
                events.extend(curve(&step, &label, repeats));
                events.push(sweep(&step, &label, repeats));
                return events;
            }
            events.push(metric(&format!("{family}.iops"), Unit::OpsPerSecond, higher, &dimensions, repeats.samples(|o| per_second(o.operations, o))));
            if io.spec.engine == "null" {
                return events;
            }
            events.push(metric(
                &format!("{family}.bandwidth"),
                Unit::BytesPerSecond,
                higher,
                &dimensions,
                repeats.samples(|o| per_second(o.bytes, o)),
            ));
            let lower = Direction::LowerIsBetter;
            for (word, quantile) in PERCENTILES {
                let samples = repeats.samples(|outcome| quantile_of(outcome.latencies.as_ref(), *quantile));
                events.push(metric(&format!("{family}.{word}"), Unit::Nanoseconds, lower, &dimensions, samples));
            }
            for kind in ["read", "write", "trim"] {
                let of = |outcome: &Outcome| outcome.kinds.iter().find(|of| of.name == kind).cloned();
                // A repeat in which there was none of a kind has no figure of it: it is not left out, and makes the median no number.
                if !repeats.counted().iter().any(|(_, outcome)| of(outcome).is_some()) {
                    continue;
                }
                let samples = repeats.samples(|outcome| of(outcome).map_or(f64::NAN, |of| per_second(of.operations, outcome)));
                events.push(metric(&format!("{family}.{kind}.iops"), Unit::OpsPerSecond, higher, &dimensions, samples));
                for (word, quantile) in PERCENTILES {
                    let samples = repeats.samples(|outcome| quantile_of(of(outcome).as_ref().map(|of| &of.latencies), *quantile));
                    events.push(metric(&format!("{family}.{kind}.{word}"), Unit::Nanoseconds, lower, &dimensions, samples));
                }
            }
            events.extend(curve(&step, &label, repeats));
            events.push(series(&step, &format!("{family}.iops"), Unit::OpsPerSecond, repeats));
            if let Some(Event::Series { series, .. }) = events.last_mut() {
                series.name = io.of.as_ref().map_or_else(|| series.name.clone(), |of| format!("{}@{of}", series.name));
            }
        }
        PlannedWork::Triad { node, cpus, array_bytes, .. } => {
            let dimensions = [("numa_node", node.to_string()), ("threads", cpus.len().to_string()), ("array_bytes", array_bytes.to_string())]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
            let name = format!("{label}.bandwidth");
            let samples = Samples::new(repeats.outcomes.iter().flat_map(|(_, outcome)| outcome.samples.clone()).collect());
            events.push(metric(&name, Unit::BytesPerSecond, Direction::HigherIsBetter, &dimensions, samples));
            events.push(series(&step, &name, Unit::BytesPerSecond, repeats));
        }
    }
    events
}

/// A figure that one of its repeats has not is none: the journal takes numbers only, and says which figure is missing and why.
pub(super) fn only_numbers(mut event: Event) -> Event {
    if let Event::Series { series, .. } = &mut event {
        series.points.retain(|(at, value)| at.is_finite() && value.is_finite());
    }
    let Event::Metric { step, metric } = &event else { return event };
    let samples = metric.samples.values();
    let missing = samples.iter().filter(|sample| !sample.is_finite()).count();
    if missing == 0 {
        return event;
    }
    let drive = metric.dimensions.get("drive").map(|drive| format!("@{drive}")).unwrap_or_default();
    let text = format!("{missing} of {} repeats have no such figure: it is left out as a whole", samples.len());
    Event::Note { step: step.clone(), name: format!("no figure {}{drive}", metric.name), text }
}

/// One curve over all repeats: histograms are added, never percentiles.
fn curve(step: &str, label: &str, repeats: &Repeats<'_>) -> Option<Event> {
    let mut merged: Option<Histogram<u64>> = None;
    for latencies in repeats.counted().iter().filter_map(|(_, outcome)| outcome.latencies.as_ref().map(Latencies::unpacked)) {
        match &mut merged {
            Some(all) => all.add(&latencies).ok()?,
            None => merged = Some(latencies),
        }
    }
    let merged = merged.filter(|all| !all.is_empty())?;
    let points = QUANTILES.iter().map(|quantile| (*quantile, merged.value_at_quantile(*quantile))).collect();
    Some(Event::Latency { step: step.to_owned(), curve: LatencyCurve { name: label.to_owned(), count: merged.len(), points } })
}

fn series(step: &str, name: &str, unit: Unit, repeats: &Repeats<'_>) -> Event {
    let points = repeats.outcomes.iter().flat_map(|(began, outcome)| outcome.series.iter().map(move |(at, value)| (began + at, *value))).collect();
    Event::Series { step: step.to_owned(), series: Series { name: name.to_owned(), unit, over: Unit::Seconds, points } }
}

/// The latency at every rate that was tried, of all searches.
fn sweep(step: &str, label: &str, repeats: &Repeats<'_>) -> Event {
    let mut points: Vec<(f64, f64)> = repeats.counted().iter().flat_map(|(_, outcome)| outcome.sweep.clone()).collect();
    points.sort_by(|(one, _), (other, _)| one.total_cmp(other));
    let series = Series { name: format!("{label}.p99"), unit: Unit::Nanoseconds, over: Unit::OpsPerSecond, points };
    Event::Series { step: step.to_owned(), series }
}

/// What all of a step's work proved of its operations. The null engine has none to prove.
pub(super) fn verification<'a>(outcomes: impl Iterator<Item = (&'a PlannedWork, &'a Outcome)>) -> Option<Verification> {
    let mut sum: Option<Verification> = None;
    for (work, outcome) in outcomes {
        if is_null(work) {
            continue;
        }
        let sum = sum.get_or_insert_default();
        sum.operations += outcome.all_operations;
        sum.verified += outcome.verified;
        for (into, from) in [(&mut sum.failed, &outcome.failed), (&mut sum.corrupt, &outcome.corrupt)] {
            for (what, count) in from {
                *into.entry(what.clone()).or_default() += count;
            }
        }
    }
    sum
}

pub(super) fn is_null(work: &PlannedWork) -> bool {
    match work {
        PlannedWork::Io(io) => io.spec.engine == "null",
        PlannedWork::Triad { .. } => false,
    }
}

/// Whether a figure is too close to what the harness itself reaches.
pub(super) fn at_floor(repeats: &Repeats<'_>, floor: Option<f64>) -> Option<Condition> {
    let PlannedWork::Io(io) = repeats.work else { return None };
    if io.spec.engine == "null" {
        return None;
    }
    let label = repeats.label().filter(|_| repeats.not_configured.is_none())?;
    let reached = repeats.samples(|outcome| per_second(outcome.operations, outcome)).median();
    let Some(floor) = floor.filter(|floor| floor.is_finite() && *floor > 0.0) else {
        return Some(Condition::AtHarnessFloor(format!("{label}: what the harness itself can do was not measured")));
    };
    (reached > floor * FLOOR_SHARE).then(|| {
        Condition::AtHarnessFloor(format!("{label}: {reached:.0} op/s is more than half of the {floor:.0} op/s that the harness itself can do"))
    })
}

/// Whether an open loop began its operations so late that its latencies are the harness's.
pub(super) fn late(repeats: &Repeats<'_>) -> Option<Condition> {
    let label = repeats.label()?;
    let p99 = |of: fn(&Outcome) -> Option<&Latencies>| repeats.samples(|outcome| quantile_of(of(outcome), 0.99)).median();
    repeats.outcomes.iter().find(|(_, outcome)| outcome.lag.is_some())?;
    let (lag, latency) = (p99(|outcome| outcome.lag.as_ref()), p99(|outcome| outcome.latencies.as_ref()));
    // Not "more than": what is no number is no proof either.
    let is_small = lag <= latency * LAG_SHARE;
    (!is_small).then(|| {
        Condition::AtHarnessFloor(format!("{label}: operations began {:.0} us late, of a latency of {:.0} us (p99)", lag / 1e3, latency / 1e3))
    })
}

/// Counters that moved between two looks: throttling is one condition, everything else is an error of a device.
pub(super) fn risen(before: &[CounterSample], after: &[CounterSample]) -> Vec<Condition> {
    let mut found = Vec::new();
    for old in before {
        let same = |new: &&CounterSample| new.component == old.component && new.counter == old.counter && new.source == old.source;
        let Some(new) = after.iter().find(same) else { continue };
        let numbers = old.reading.value().and_then(Value::as_f64).zip(new.reading.value().and_then(Value::as_f64));
        if let Some((from, to)) = numbers.filter(|(from, to)| to > from) {
            let what = format!("{} {} went from {from} to {to} ({})", old.component, old.counter, old.source);
            found.push(if is_throttling(old.counter) { Condition::Throttled(what) } else { Condition::DeviceErrors(what) });
        }
    }
    found
}

fn is_throttling(counter: Attr) -> bool {
    matches!(counter, Attr::CoreThrottles | Attr::PackageThrottles)
}
