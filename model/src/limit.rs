//! A bound on a metric with its basis. One without a basis does not load. Judgement is pure: inside, at, outside, above the ceiling, NaN, none.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ceiling::Ceiling;
use crate::check::Absence;
use crate::component::Reading;
use crate::metric::{Direction, Metric, MetricName};
use crate::run::Condition;
use crate::unit::Unit;
use crate::verdict::{Evidence, Reason, Verdict};

/// A figure above its ceiling by more than this factor is an invalid measurement, not a good one.
pub const CEILING_TOLERANCE: f64 = 1.005;

/// The bound that a figure must keep.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Bound {
    /// measured / ceiling of at least this share.
    Efficiency(f64),
    /// An absolute figure of at least this, base unit.
    AtLeast(f64),
    /// An absolute figure of at most this, base unit.
    AtMost(f64),
    /// This very figure, base unit, in every repeat.
    Exactly(f64),
    /// measured / what the data sheet of the ordered part rates, of at least `share`.
    Rated {
        /// What it rates.
        figure: Rating,
        /// The share of it.
        share: f64,
    },
}

/// A figure of a drive's data sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// Sequential reads, bytes/s.
    ReadBandwidth,
    /// Sequential writes in steady state, bytes/s.
    WriteBandwidth,
    /// Random reads of 4 KiB, op/s.
    RandomReadIops,
    /// Random writes of 4 KiB in steady state, op/s.
    RandomWriteIops,
}

impl Rating {
    /// The unit of the figure.
    pub(crate) fn unit(self) -> Unit {
        match self {
            Rating::ReadBandwidth | Rating::WriteBandwidth => Unit::BytesPerSecond,
            Rating::RandomReadIops | Rating::RandomWriteIops => Unit::OpsPerSecond,
        }
    }
}

impl fmt::Display for Rating {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rating::ReadBandwidth => "rated read bandwidth",
            Rating::WriteBandwidth => "rated write bandwidth",
            Rating::RandomReadIops => "rated random read rate",
            Rating::RandomWriteIops => "rated random write rate",
        })
    }
}

/// Why the bound is what it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Basis {
    /// A share of the physical ceiling; says where the share comes from.
    Ceiling(String),
    /// A document of the vendor.
    Datasheet(String),
    /// A recorded baseline.
    Baseline(String),
    /// A decision of ours, with the ADR or note that gives the reason.
    Policy(String),
}

/// A bound on a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Limit {
    /// The metric that it bounds.
    pub metric: MetricName,
    /// The bound.
    pub bound: Bound,
    /// Its basis.
    pub basis: Basis,
    /// The scenarios whose figures count; those of every scenario without any. What another one measures under the same name may be something else: a
    /// short burst, a part of a drive, no steady state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scenarios: Vec<String>,
}

impl Limit {
    /// Whether it is about what a scenario measures.
    pub fn is_of(&self, scenario: &str) -> bool {
        self.scenarios.is_empty() || self.scenarios.iter().any(|meant| meant == scenario)
    }

    /// What is wrong with it as written, with the key at fault.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        if self.metric.0.trim().is_empty() {
            return Err(("metric", "a limit of no metric; expected its name".into()));
        }
        match self.bound {
            Bound::Efficiency(share) | Bound::Rated { share, .. } if !(share > 0.0 && share <= 1.0) => {
                return Err(("bound", format!("an efficiency of {share}; expected a share above 0 and of at most 1")));
            }
            Bound::AtLeast(value) | Bound::AtMost(value) | Bound::Exactly(value) if !(value.is_finite() && value > 0.0) => {
                return Err(("bound", format!("a bound of {value}; expected a figure above 0 in the base unit")));
            }
            Bound::Efficiency(_) | Bound::AtLeast(_) | Bound::AtMost(_) | Bound::Exactly(_) | Bound::Rated { .. } => {}
        }
        let (Basis::Ceiling(why) | Basis::Datasheet(why) | Basis::Baseline(why) | Basis::Policy(why)) = &self.basis;
        if why.trim().is_empty() {
            return Err(("basis", "a basis without words; expected where the bound comes from".into()));
        }
        Ok(())
    }
}

/// What a figure is worth against its bound.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// The bound, for people.
    pub expected: String,
    /// The median with what makes it doubtful, for people.
    pub observed: String,
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::Efficiency(share) => write!(f, "at least {} % of the ceiling", percent(*share)),
            Bound::AtLeast(low) => write!(f, "at least {low}"),
            Bound::AtMost(high) => write!(f, "at most {high}"),
            Bound::Exactly(value) => write!(f, "exactly {value}"),
            Bound::Rated { figure, share } => write!(f, "at least {} % of the {figure}", percent(*share)),
        }
    }
}

/// Judges `metric` by `limit`. The median decides; `conditions` are those of the step that measured it, `ceiling` is what bounds this very figure.
pub fn judge(limit: &Limit, metric: &Metric, ceiling: Option<&Ceiling>, conditions: &[Condition], absence: Absence) -> Answer {
    let bound = resolve(limit.bound, metric, ceiling, absence);
    let expected = match (&bound, limit.bound) {
        (Ok(low), Bound::Efficiency(_)) => format!("{}, that is {low}{}", limit.bound, unit(metric)),
        (Ok(_) | Err(_), Bound::AtLeast(_) | Bound::AtMost(_) | Bound::Exactly(_)) => format!("{}{}", limit.bound, unit(metric)),
        (_, Bound::Rated { .. }) | (Err(_), Bound::Efficiency(_)) => limit.bound.to_string(),
    };
    let verdict = verdict(limit, metric, ceiling, conditions, &bound);
    Answer { verdict, expected, observed: observed(metric, ceiling, bound.ok()) }
}

fn verdict(limit: &Limit, metric: &Metric, ceiling: Option<&Ceiling>, conditions: &[Condition], bound: &Result<f64, Verdict>) -> Verdict {
    let evidence = match Evidence::of_samples(metric.name.to_string(), &metric.samples) {
        Ok(evidence) => evidence,
        Err(reason) => return Verdict::Inconclusive(reason),
    };
    let median = metric.samples.median();
    if let Some(why) = impossible(metric, median, ceiling) {
        return Verdict::Inconclusive(Reason::Invalid(why));
    }
    if let Some(reason) = doubtful(conditions) {
        return Verdict::Inconclusive(reason);
    }
    let bound = match bound {
        Ok(bound) => *bound,
        Err(verdict) => return verdict.clone(),
    };
    let (inside, word) = match limit.bound {
        Bound::Efficiency(_) | Bound::AtLeast(_) | Bound::Rated { .. } => (median >= bound, "below"),
        Bound::AtMost(_) => (median <= bound, "above"),
        #[allow(clippy::float_cmp, reason = "figures that are whole numbers, as a limit writes them")]
        Bound::Exactly(_) => (metric.samples.values().iter().all(|sample| *sample == bound), "not always"),
    };
    if inside { Verdict::Pass(evidence) } else { Verdict::Fail(format!("the median {median} is {word} {bound}{}", unit(metric))) }
}

/// The bound in the unit of the figure, or why there is none.
fn resolve(bound: Bound, metric: &Metric, ceiling: Option<&Ceiling>, absence: Absence) -> Result<f64, Verdict> {
    let invalid = |why: String| Err(Verdict::Inconclusive(Reason::Invalid(why)));
    match bound {
        Bound::AtLeast(value) | Bound::AtMost(value) | Bound::Exactly(value) if !value.is_finite() => {
            invalid(format!("a limit of {value} bounds nothing"))
        }
        Bound::AtLeast(value) | Bound::AtMost(value) | Bound::Exactly(value) => Ok(value),
        // The judge knows drives and their data sheets; it asks with the product.
        Bound::Rated { figure, .. } => invalid(format!("the {figure} of {} was not looked up", metric.name)),
        Bound::Efficiency(share) if !(share > 0.0 && share <= 1.0) => invalid(format!("a share of {share} bounds nothing")),
        Bound::Efficiency(share) => {
            let Some(ceiling) = ceiling else {
                return Err(Verdict::Inconclusive(Reason::Unreadable(format!("no ceiling is known for {}", metric.name))));
            };
            match (metric.direction, ceiling.value) {
                (Direction::LowerIsBetter, _) => invalid(format!("{} is better when lower, and has no share of a ceiling", metric.name)),
                (Direction::HigherIsBetter, _) if ceiling.unit != metric.unit => {
                    invalid(format!("the ceiling of {} is in another unit", metric.name))
                }
                (Direction::HigherIsBetter, Some(value)) if value.is_finite() && value > 0.0 => Ok(share * value),
                (Direction::HigherIsBetter, Some(value)) => invalid(format!("a ceiling of {value}")),
                (Direction::HigherIsBetter, None) => Err(without_value(ceiling, absence)),
            }
        }
    }
}

/// A ceiling that lacks an input says nothing; on a host that has none of the sources, and where nothing was ordered, the question does not arise.
fn without_value(ceiling: &Ceiling, absence: Absence) -> Verdict {
    let missing: Vec<&(String, Reading)> = ceiling.inputs.iter().filter(|(_, reading)| reading.value().is_none()).collect();
    let named = missing.iter().map(|(name, reading)| format!("{name} is {reading}")).collect::<Vec<_>>().join(", ");
    let all_absent = !missing.is_empty() && missing.iter().all(|(_, reading)| *reading == Reading::Absent);
    match absence {
        Absence::NotApplicable if all_absent => Verdict::NotApplicable(format!("no ceiling for {} on this host: {named}", ceiling.metric)),
        Absence::NotApplicable | Absence::Inconclusive => {
            let named = if named.is_empty() { "it could not be computed".to_owned() } else { named };
            Verdict::Inconclusive(Reason::Unreadable(format!("no ceiling for {}: {named}", ceiling.metric)))
        }
    }
}

fn impossible(metric: &Metric, median: f64, ceiling: Option<&Ceiling>) -> Option<String> {
    match metric.direction {
        // No operation takes no time, and "at most" would let it pass. An outage or a count of errors may well be zero.
        // Behind one's peers is a signed number.
        Direction::LowerIsBetter if (median < 0.0 && metric.unit != Unit::Ratio) || (median == 0.0 && is_latency(metric)) => {
            Some(format!("a median of {median}{} for {} is impossible", unit(metric), metric.name))
        }
        Direction::LowerIsBetter => None,
        Direction::HigherIsBetter => {
            let value = ceiling.filter(|ceiling| ceiling.unit == metric.unit)?.value?;
            (median > value * CEILING_TOLERANCE)
                .then(|| format!("the median {median} is above the physical ceiling {value}: the measurement is wrong"))
        }
    }
}

// `storage.randread_4k_qd32.p99`: a quantile of the times of single operations.
fn is_latency(metric: &Metric) -> bool {
    let quantile = |word: &str| word.strip_prefix('p').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    metric.name.0.rsplit('.').next().is_some_and(quantile)
}

/// The reason that the conditions of a step are against its figures; the harness is blamed only when nothing else is.
pub(crate) fn doubtful(conditions: &[Condition]) -> Option<Reason> {
    let (mut impossible, mut floor, mut disturbed) = (Vec::new(), Vec::new(), Vec::new());
    for condition in conditions {
        match condition {
            Condition::AtHarnessFloor(what) => floor.push(what.clone()),
            Condition::Throttled(what) => disturbed.push(format!("throttled: {what}")),
            Condition::HostSaturated(what) => disturbed.push(format!("host saturated: {what}")),
            Condition::ClockStepped(what) => disturbed.push(format!("clock stepped: {what}")),
            Condition::NeighbourBusy(what) => disturbed.push(format!("neighbour busy: {what}")),
            Condition::DeviceErrors(what) => disturbed.push(format!("device errors: {what}")),
            Condition::NotSteady(what) => disturbed.push(format!("not steady: {what}")),
            Condition::Cached(what) => disturbed.push(format!("cached: {what}")),
            Condition::Impossible(what) => impossible.push(what.clone()),
        }
    }
    if !impossible.is_empty() {
        return Some(Reason::Invalid(impossible.join("; ")));
    }
    match (disturbed.is_empty(), floor.is_empty()) {
        (false, _) => Some(Reason::Disturbed(disturbed.join("; "))),
        (true, false) => Some(Reason::AtHarnessFloor(floor.join("; "))),
        (true, true) => None,
    }
}

fn observed(metric: &Metric, ceiling: Option<&Ceiling>, bound: Option<f64>) -> String {
    let samples = metric.samples.values().len();
    if samples == 0 {
        return "nothing".to_owned();
    }
    let median = metric.samples.median();
    let noun = if samples == 1 { "sample" } else { "samples" };
    let mut text = format!("median {median}{} of {samples} {noun}", unit(metric));
    if let Some(value) = ceiling.filter(|ceiling| ceiling.unit == metric.unit).and_then(|ceiling| ceiling.value) {
        text.push_str(&format!(", {} % of the ceiling {value}{}", percent(median / value), unit(metric)));
    }
    let interval = metric.samples.interval(0.95);
    // A single sample has no interval, and a bound on its end was decided by the median alone.
    if bound.is_some_and(|bound| interval.confidence > 0.0 && interval.low < bound && bound < interval.high) {
        text.push_str(&format!("; the limit lies inside the interval {} to {}", interval.low, interval.high));
    }
    text
}

fn unit(metric: &Metric) -> String {
    match metric.unit.symbol() {
        "" => String::new(),
        symbol => format!(" {symbol}"),
    }
}

// 0.72 * 100.0 is 72.0, 0.07 * 100.0 is 7.000000000000001.
fn percent(share: f64) -> f64 {
    (share * 10_000.0).round() / 100.0
}

#[cfg(test)]
mod tests;
