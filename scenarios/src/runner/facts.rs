//! From what a step's repeats found to the facts of the journal: figures with every repeat, merged latency curves, series, verification, and the
//! conditions that make figures doubtful. Nothing is averaged, and nothing is dropped but the step as a whole.

use std::collections::BTreeMap;
use std::time::Duration;

use assay_model::attr::Attr;
use assay_model::between::{FROM, NETWORK, TO};
use assay_model::component::{Reading, Value};
use assay_model::error_log;
use assay_model::journal::Event;
use assay_model::metric::{Direction, Metric, Samples};
use assay_model::run::{Condition, CounterSample, LatencyCurve, Series, Verification};
use assay_model::unit::Unit;
use hdrhistogram::Histogram;

use crate::plan::{PlannedIo, PlannedWork};
use crate::scenario::{Extent, KernelName};

use super::bench::{Figure, Outcome};
use super::latencies::Latencies;

/// A figure above this share of what the null engine reaches says as much of the harness as of the target.
const FLOOR_SHARE: f64 = 0.5;
/// Work that ended before this share of its time did not last as long as the scenario says.
const WHOLE_SHARE: f64 = 0.9;
/// A lane that used its processor for more than this share of the time had none left to wait for the target.
const CPU_SHARE: f64 = 0.9;
/// [`Claim::kind`](crate::claim::Claim::kind) of a drive.
const DRIVE: &str = "drive";
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
    // Why there is none: this host or device is not set up for it, or the machine gave it no time.
    pub(super) not_measured: Option<String>,
}

impl<'a> Repeats<'a> {
    pub(super) fn new(work: &'a PlannedWork) -> Self {
        Self { work, outcomes: Vec::new(), counted_from: 0, not_measured: None }
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
        PlannedWork::Net(net) => Some(net.label()),
        PlannedWork::Drill(drill) => Some(drill.label()),
        PlannedWork::Ceph(ceph) => Some(ceph.label()),
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
    let serials = (!io.serials.is_empty()).then(|| io.serials.join(","));
    let named = [("drive", &io.of), ("serial", &io.serial), ("serials", &serials)];
    named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?))).collect()
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
    let Some(label) = repeats.label().filter(|_| repeats.not_measured.is_none()) else { return Vec::new() };
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
        PlannedWork::Net(_) | PlannedWork::Ceph(_) | PlannedWork::Drill(_) => {
            for one in distinct(repeats) {
                let same = |other: &&Figure| (&other.name, &other.dimensions) == (&one.name, &one.dimensions);
                let samples = repeats.samples(|outcome| outcome.figures.iter().find(same).map_or(f64::NAN, |figure| figure.value));
                events.push(metric(&one.name, one.unit, one.direction, &one.dimensions, samples));
            }
            events.extend(curve(&step, &label, repeats));
            if repeats.counted().iter().any(|(_, outcome)| !outcome.series.is_empty()) {
                events.push(series(&step, &format!("{label}.iops"), Unit::OpsPerSecond, repeats));
            }
            let outages = repeats.counted().iter().flat_map(|(_, outcome)| outcome.outages.clone());
            events.extend(outages.map(|outage| Event::Outage { step: step.clone(), outage }));
            let stalls = repeats.counted().iter().flat_map(|(_, outcome)| outcome.stalls.clone());
            events.extend(stalls.map(|stall| Event::Stall { step: step.clone(), stall: Box::new(stall) }));
        }
    }
    events
}

/// Every figure that any repeat has, once. One that another repeat has not is none, and that is said.
fn distinct<'a>(repeats: &'a Repeats<'_>) -> Vec<&'a Figure> {
    let mut found: Vec<&Figure> = Vec::new();
    for figure in repeats.counted().iter().flat_map(|(_, outcome)| &outcome.figures) {
        if !found.iter().any(|other| (&other.name, &other.dimensions) == (&figure.name, &figure.dimensions)) {
            found.push(figure);
        }
    }
    found
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
    let of = |name: &str| metric.dimensions.get(name);
    // Of two nodes there may be a figure in each of several networks.
    let network = of(NETWORK).map(|network| format!(":{network}")).unwrap_or_default();
    let pair = of(FROM).zip(of(TO)).map(|(from, to)| format!("{from}-{to}{network}"));
    let drive = of("drive").cloned().or(pair).map(|which| format!("@{which}")).unwrap_or_default();
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

/// What all of a step's work proved of its operations. The null engine has none to prove, nor has work between nodes that counts bytes and looks at none.
pub(super) fn verification<'a>(outcomes: impl Iterator<Item = (&'a PlannedWork, &'a Outcome)>) -> Option<Verification> {
    let mut sum: Option<Verification> = None;
    for (work, outcome) in outcomes {
        if is_null(work) || is_only_counted(work, outcome) {
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

fn is_only_counted(work: &PlannedWork, outcome: &Outcome) -> bool {
    match work {
        PlannedWork::Net(_) | PlannedWork::Ceph(_) => outcome.all_operations == 0 && outcome.failed.is_empty() && outcome.corrupt.is_empty(),
        PlannedWork::Io(_) | PlannedWork::Triad { .. } | PlannedWork::Drill(_) => false,
    }
}

pub(super) fn is_null(work: &PlannedWork) -> bool {
    match work {
        PlannedWork::Io(io) => io.spec.engine == "null",
        PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) | PlannedWork::Drill(_) => false,
    }
}

/// Whether the machine had no time for operations that do nothing. Figures are held against what those reach, and [`at_floor`] doubts each without it.
pub(super) fn starved(repeats: &Repeats<'_>) -> Option<Condition> {
    let why = repeats.not_measured.as_ref().filter(|_| is_null(repeats.work))?;
    Some(Condition::HostSaturated(format!("{}: {why}", repeats.label()?)))
}

/// Whether a figure is too close to what the harness itself reaches.
pub(super) fn at_floor(repeats: &Repeats<'_>, floor: Option<f64>) -> Option<Condition> {
    let PlannedWork::Io(io) = repeats.work else { return None };
    if io.spec.engine == "null" {
        return None;
    }
    let label = repeats.label().filter(|_| repeats.not_measured.is_none())?;
    let reached = repeats.samples(|outcome| per_second(outcome.operations, outcome)).median();
    let Some(floor) = floor.filter(|floor| floor.is_finite() && *floor > 0.0) else {
        return Some(Condition::AtHarnessFloor(format!("{label}: what the harness itself can do was not measured")));
    };
    (reached > floor * FLOOR_SHARE).then(|| {
        Condition::AtHarnessFloor(format!("{label}: {reached:.0} op/s is more than half of the {floor:.0} op/s that the harness itself can do"))
    })
}

/// Whether a repeat was over before its time, because the bytes were used up that it may write: what a drive takes into its memory in some milliseconds is not
/// what it does for seconds.
pub(super) fn cut_short(repeats: &Repeats<'_>) -> Option<Condition> {
    let PlannedWork::Io(io) = repeats.work else { return None };
    let Extent::Timed { runtime_ms, io_size: Some(bytes), .. } = io.spec.extent else { return None };
    let label = repeats.label()?;
    let (planned, shortest) = (Duration::from_millis(runtime_ms), repeats.counted().iter().map(|(_, outcome)| outcome.elapsed).min()?);
    (shortest < planned.mul_f64(WHOLE_SHARE)).then(|| {
        Condition::NotSteady(format!(
            "{label}: the {bytes} bytes of io_size were used up after {:.3} s of {:.3} s",
            shortest.as_secs_f64(),
            planned.as_secs_f64()
        ))
    })
}

/// Whether a lane was busy all the time: then the figure is of its processor, and not of the drive. Lanes that poll are always busy, and so are those of an open
/// loop before each operation; of what they can do [`late`] knows. Of a scratch file or a loop device a part of the target is done by the lane itself (what a
/// file system does, the copies of tmpfs), and a busy one does not tell the harness from it.
pub(super) fn on_cpu(repeats: &Repeats<'_>, target: &str) -> Option<Condition> {
    let PlannedWork::Io(io) = repeats.work else { return None };
    let spec = &io.spec;
    if target != DRIVE || spec.hipri || spec.sqthread_poll || spec.rate.is_some() || spec.knee.is_some() || spec.engine == "null" {
        return None;
    }
    let label = repeats.label().filter(|_| repeats.not_measured.is_none())?;
    let share = repeats.samples(|outcome| outcome.cpu_share.unwrap_or(f64::NAN)).median();
    (share >= CPU_SHARE).then(|| {
        Condition::AtHarnessFloor(format!(
            "{label}: a lane used its processor for {:.0} % of the time, and hardly waited for the target",
            share * 100.0
        ))
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

/// Counters that moved between two looks: throttling is one condition, everything else is an error of a device, unless it is `explained`.
pub(super) fn risen(before: &[CounterSample], after: &[CounterSample], explained: impl Fn(&CounterSample) -> bool) -> Vec<Condition> {
    let mut found = Vec::new();
    for old in before.iter().filter(|old| !explained(old)) {
        let same = |new: &&CounterSample| new.component == old.component && new.counter == old.counter && new.source == old.source;
        // What cannot be looked at any more may be what has broken. One that could not be read before either is told by the check of the run.
        let readable = |sample: &CounterSample| sample.reading.value().is_some();
        let Some(new) = after.iter().find(same).filter(|new| readable(new) || !readable(old)) else {
            if readable(old) && counts(old.counter) {
                found.push(Condition::DeviceErrors(format!("{} {} cannot be told any more ({})", old.component, old.counter, old.source)));
            }
            continue;
        };
        let numbers = old.reading.value().and_then(Value::as_f64).zip(new.reading.value().and_then(Value::as_f64));
        if let Some((from, to)) = numbers.filter(|(from, to)| to > from && !only_questions(old, new, after)) {
            let what = format!("{} {} went from {from} to {to} ({})", old.component, old.counter, old.source);
            found.push(if is_throttling(old.counter) { Condition::Throttled(what) } else { Condition::DeviceErrors(what) });
        }
    }
    found
}

/// Whether an error log grew only by questions that the drive does not know.
fn only_questions(old: &CounterSample, new: &CounterSample, after: &[CounterSample]) -> bool {
    let count = |sample: &CounterSample| sample.reading.value().and_then(Value::as_u64);
    let (Attr::ErrorLogEntries, Some((from, to))) = (old.counter, count(old).zip(count(new))) else { return false };
    let unknown = after.iter().find(|sample| sample.component == old.component && sample.counter == Attr::UnknownCommands);
    error_log::faults(from, to, unknown.map_or(&Reading::Absent, |sample| &sample.reading)) == 0
}

// The list of unknown commands only explains entries of an error log.
fn counts(counter: Attr) -> bool {
    counter != Attr::UnknownCommands
}

fn is_throttling(counter: Attr) -> bool {
    matches!(counter, Attr::CoreThrottles | Attr::PackageThrottles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runner::tests::place::good;
    use crate::scenario::{IoSpec, Rate};

    #[test]
    fn a_lane_that_was_busy_all_the_time_is_told_of_a_drive_unless_it_polls() {
        let extent = Extent::Timed { ramp_ms: 0, runtime_ms: 1, io_size: None };
        let plain = || IoSpec::new("uring", assay_bench::Rw::RandRead, 4096, 1, extent);
        let told = |spec: IoSpec, target: &str, share: f64| {
            let work = PlannedWork::Io(PlannedIo { spec, on: vec![0], of: None, serial: None, serials: Vec::new(), cpus: Vec::new() });
            let outcome = Outcome { cpu_share: Some(share), ..good(&work) };
            on_cpu(&Repeats { outcomes: vec![(0.0, outcome)], ..Repeats::new(&work) }, target).is_some()
        };
        assert_eq!([0.89, 0.9, f64::NAN].map(|share| told(plain(), DRIVE, share)), [false, true, false]);
        assert!(!told(plain(), "scratch_file", 1.0) && !told(plain(), "loop_device", 1.0));
        let rate = Some(Rate { per_second: 100, arrivals: assay_bench::Arrivals::Constant });
        for polls in [IoSpec { hipri: true, ..plain() }, IoSpec { sqthread_poll: true, ..plain() }, IoSpec { rate, ..plain() }] {
            assert!(!told(polls.clone(), DRIVE, 1.0), "{polls:?}");
        }
    }

    #[test]
    fn an_error_log_that_grew_by_questions_alone_is_no_condition() {
        let sample = |counter, reading: Reading| CounterSample { component: "0000:41:00.0".into(), counter, source: "log".into(), reading };
        let list = |numbers: &[&str]| Reading::Value(Value::List(numbers.iter().map(|number| (*number).to_owned()).collect()));
        let before = [sample(Attr::ErrorLogEntries, 7_u64.into()), sample(Attr::UnknownCommands, list(&[]))];
        let rose =
            |unknown: Reading| risen(&before, &[sample(Attr::ErrorLogEntries, 9_u64.into()), sample(Attr::UnknownCommands, unknown)], |_| false);
        assert_eq!(rose(list(&["9", "8"])), []);
        for unknown in [list(&["9"]), list(&["7", "6"]), Reading::Unreadable("EIO".into())] {
            let found = rose(unknown);
            assert!(matches!(&found[..], [Condition::DeviceErrors(what)] if what.contains("went from 7 to 9")), "{found:?}");
        }
    }
}
