//! One question asked of a node, with its verdict. Which phase it belongs to and how severe it is stands in the gate files.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::component::Reading;
use crate::matcher::Matcher;
use crate::verdict::{Evidence, Reason, Verdict};

/// A permanent name such as `nvme.link_width`: history is keyed by it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct CheckId(pub String);

impl CheckId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for CheckId {
    fn from(id: &str) -> Self {
        Self(id.to_owned())
    }
}

impl fmt::Display for CheckId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Number of a journal event.
pub type EventSeq = u64;

/// One question about one subject, answered.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// What was asked.
    pub id: CheckId,
    /// What it was asked of: a locator, a host, a metric.
    pub subject: String,
    /// The answer.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What was expected, for people.
    pub expected: String,
    /// What was observed, for people.
    pub observed: String,
    /// Where it was observed.
    pub source: String,
    /// Journal events that carry the observation; filled when the check is part of a run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<EventSeq>,
}

/// What an absent reading means for a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Absence {
    /// The order says it must be there: cannot tell.
    #[default]
    Inconclusive,
    /// The expectation applies only where its source exists (site `generic`).
    NotApplicable,
}

impl Check {
    /// A check with a ready verdict.
    pub fn new(
        id: &str,
        subject: impl Into<String>,
        verdict: Verdict,
        expected: impl Into<String>,
        observed: impl Into<String>,
        source: impl Into<String>,
    ) -> Self {
        Self {
            id: id.into(),
            subject: subject.into(),
            verdict,
            expected: expected.into(),
            observed: observed.into(),
            source: source.into(),
            evidence: Vec::new(),
        }
    }

    /// Compares one reading with a matcher: inside passes on that reading, outside fails, unreadable is Inconclusive, absent as `absence` says.
    pub fn compare(id: &str, subject: impl Into<String>, source: impl Into<String>, matcher: &Matcher, reading: &Reading, absence: Absence) -> Self {
        let source = source.into();
        let verdict = match (reading, absence) {
            (Reading::Value(value), _) if matcher.matches(value) => Verdict::pass_on(Evidence::of_reading(source.clone(), reading)),
            (Reading::Value(value), _) => Verdict::Fail(format!("expected {matcher}, observed {value}")),
            (Reading::Absent, Absence::NotApplicable) => Verdict::NotApplicable(format!("{source} does not exist on this host")),
            (Reading::Absent, Absence::Inconclusive) => Verdict::Inconclusive(Reason::Unreadable(format!("{source} does not exist"))),
            (Reading::Unreadable(why), _) => Verdict::Inconclusive(Reason::Unreadable(format!("{source}: {why}"))),
        };
        Self::new(id, subject, verdict, matcher.to_string(), reading.to_string(), source)
    }

    /// A check that could not be made.
    pub fn inconclusive(id: &str, subject: impl Into<String>, expected: impl Into<String>, reason: Reason, source: impl Into<String>) -> Self {
        Self::new(id, subject, Verdict::Inconclusive(reason), expected, "nothing", source)
    }

    /// A check whose question does not arise here.
    pub fn not_applicable(
        id: &str,
        subject: impl Into<String>,
        expected: impl Into<String>,
        why: impl Into<String>,
        source: impl Into<String>,
    ) -> Self {
        Self::new(id, subject, Verdict::NotApplicable(why.into()), expected, "nothing", source)
    }
}
