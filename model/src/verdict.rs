//! The verdict lattice. `NotApplicable < Pass < Inconclusive < Fail`; the worst decides, an empty set is Inconclusive, and a `Pass` can be built only from evidence.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::component::Reading;
use crate::metric::Samples;

/// What was observed, and where. Never empty: it cannot be built without a reading or a sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Vec<Witnessed>", into = "Vec<Witnessed>")]
#[schemars(with = "Vec<Witnessed>")]
pub struct Evidence(Vec<Witnessed>);

/// One observation with its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Witnessed {
    /// Path, ioctl, counter or metric.
    pub source: String,
    /// What it said.
    pub observed: String,
}

impl Evidence {
    /// Evidence from one reading; an absent or unreadable one is a reason instead.
    pub fn of_reading(source: impl Into<String>, reading: &Reading) -> Result<Self, Reason> {
        let source = source.into();
        match reading {
            Reading::Value(value) => Ok(Self(vec![Witnessed { source, observed: value.to_string() }])),
            Reading::Absent => Err(Reason::Unreadable(format!("{source} is absent"))),
            Reading::Unreadable(why) => Err(Reason::Unreadable(format!("{source}: {why}"))),
        }
    }

    /// Evidence from a measurement; no sample at all, or one that is not a number, is a reason instead.
    pub fn of_samples(source: impl Into<String>, samples: &Samples) -> Result<Self, Reason> {
        let source = source.into();
        if samples.values().is_empty() {
            return Err(Reason::NotRun(format!("{source} has no sample")));
        }
        if samples.values().iter().any(|value| !value.is_finite()) {
            return Err(Reason::Invalid(format!("{source} has a sample that is not a finite number")));
        }
        Ok(Self(vec![Witnessed { source, observed: format!("median of {} samples {}", samples.values().len(), samples.median()) }]))
    }

    /// The evidence of several observations together; none at all is a reason instead.
    pub fn all(parts: impl IntoIterator<Item = Result<Evidence, Reason>>) -> Result<Self, Reason> {
        let mut witnessed = Vec::new();
        for part in parts {
            witnessed.extend(part?.0);
        }
        Self::try_from(witnessed).map_err(|_: NoEvidence| Reason::NotRun("nothing was observed".into()))
    }

    /// The observations.
    pub fn witnessed(&self) -> &[Witnessed] {
        &self.0
    }
}

/// A stored Pass without evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pass without evidence")]
pub struct NoEvidence;

impl TryFrom<Vec<Witnessed>> for Evidence {
    type Error = NoEvidence;
    fn try_from(witnessed: Vec<Witnessed>) -> Result<Self, NoEvidence> {
        if witnessed.is_empty() || witnessed.iter().any(|w| w.source.is_empty()) { Err(NoEvidence) } else { Ok(Self(witnessed)) }
    }
}

impl From<Evidence> for Vec<Witnessed> {
    fn from(evidence: Evidence) -> Self {
        evidence.0
    }
}

/// Why nothing can be concluded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", content = "detail", rename_all = "snake_case")]
pub enum Reason {
    /// An unresolved contradiction or a missing prerequisite stands in the way.
    Blocked(String),
    /// A figure above its physical ceiling, a counter that went backwards, a clock that jumped.
    Invalid(String),
    /// The source exists and could not be read, or a required source is not there.
    Unreadable(String),
    /// The run ended before it was done.
    Interrupted(String),
    /// Nothing was looked at.
    NotRun(String),
    /// Too old, or of another inventory.
    Stale(String),
    /// The instrument itself was the bottleneck.
    AtHarnessFloor(String),
    /// Something else disturbed the measurement: throttling, a busy neighbour, device errors.
    Disturbed(String),
}

impl Reason {
    /// The stable word for machines.
    pub fn name(&self) -> &'static str {
        match self {
            Reason::Blocked(_) => "blocked",
            Reason::Invalid(_) => "invalid",
            Reason::Unreadable(_) => "unreadable",
            Reason::Interrupted(_) => "interrupted",
            Reason::NotRun(_) => "not_run",
            Reason::Stale(_) => "stale",
            Reason::AtHarnessFloor(_) => "at_harness_floor",
            Reason::Disturbed(_) => "disturbed",
        }
    }

    /// The words for people.
    pub fn detail(&self) -> &str {
        match self {
            Reason::Blocked(why)
            | Reason::Invalid(why)
            | Reason::Unreadable(why)
            | Reason::Interrupted(why)
            | Reason::NotRun(why)
            | Reason::Stale(why)
            | Reason::AtHarnessFloor(why)
            | Reason::Disturbed(why) => why,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name(), self.detail())
    }
}

/// What is concluded about one subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", content = "because", rename_all = "snake_case")]
pub enum Verdict {
    /// The question does not arise here; says why.
    NotApplicable(String),
    /// As expected, on this evidence.
    Pass(Evidence),
    /// Could not tell.
    Inconclusive(Reason),
    /// Not as expected; says what is wrong.
    Fail(String),
}

/// A verdict without its grounds: what JSON and exit codes carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    /// The question does not arise.
    NotApplicable,
    /// As expected.
    Pass,
    /// Could not tell.
    Inconclusive,
    /// Not as expected.
    Fail,
}

impl Rank {
    /// The stable word for machines and people.
    pub fn name(self) -> &'static str {
        match self {
            Rank::NotApplicable => "not_applicable",
            Rank::Pass => "pass",
            Rank::Inconclusive => "inconclusive",
            Rank::Fail => "fail",
        }
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Verdict {
    /// The rank in the lattice.
    pub fn rank(&self) -> Rank {
        match self {
            Verdict::NotApplicable(_) => Rank::NotApplicable,
            Verdict::Pass(_) => Rank::Pass,
            Verdict::Inconclusive(_) => Rank::Inconclusive,
            Verdict::Fail(_) => Rank::Fail,
        }
    }

    /// A pass when the evidence is there, otherwise Inconclusive with the reason.
    pub fn pass_on(evidence: Result<Evidence, Reason>) -> Self {
        match evidence {
            Ok(evidence) => Verdict::Pass(evidence),
            Err(reason) => Verdict::Inconclusive(reason),
        }
    }

    /// The words behind the verdict; empty for a pass.
    pub fn reason(&self) -> String {
        match self {
            Verdict::NotApplicable(why) | Verdict::Fail(why) => why.clone(),
            Verdict::Pass(_) => String::new(),
            Verdict::Inconclusive(reason) => reason.to_string(),
        }
    }
}

/// The worst rank of a set; an empty set is Inconclusive.
pub fn worst(ranks: impl IntoIterator<Item = Rank>) -> Rank {
    ranks.into_iter().max().unwrap_or(Rank::Inconclusive)
}

#[cfg(test)]
mod tests;
