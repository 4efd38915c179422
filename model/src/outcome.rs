//! The object that `accept`, `verify` and `gate` print with `--format json`. Stable: others build on it; its schema is in `docs/schema/`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::gate::Severity;
use crate::phase::Phase;
use crate::unit::Unit;
use crate::verdict::Rank;

/// The answer of one command.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// `pass`, `fail`, `inconclusive` or `not_applicable`.
    pub verdict: Rank,
    /// The process's exit status.
    pub exit_code: u8,
    /// The phase that was judged.
    pub phase: Option<Phase>,
    /// The acceptance or run that it stands on.
    pub run_id: Option<String>,
    /// Path of the report, when one was written.
    pub report: Option<String>,
    /// Every check of the gate.
    pub checks: Vec<CheckRow>,
    /// Every figure.
    pub metrics: Vec<MetricRow>,
    /// Every contradiction of the site.
    pub contradictions: Vec<ContradictionRow>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CheckRow {
    /// Permanent id.
    pub id: String,
    /// The phase of the gate that asks it.
    pub phase: Option<Phase>,
    /// Its severity there.
    pub severity: Option<Severity>,
    /// What it was asked of.
    pub subject: String,
    /// The answer.
    pub verdict: Rank,
    /// Why, unless it passed.
    pub reason: String,
    /// What was expected.
    pub expected: String,
    /// What was observed.
    pub observed: String,
    /// Where.
    pub source: String,
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricRow {
    /// Permanent name.
    pub name: String,
    /// Base unit.
    pub unit: Unit,
    /// Median; null when nothing was measured.
    pub value: Option<f64>,
    /// Physical ceiling, when it is known.
    pub ceiling: Option<f64>,
    /// value / ceiling.
    pub efficiency: Option<f64>,
    /// Lower end of the interval of the median.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

/// One contradiction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ContradictionRow {
    /// `C-01`.
    pub id: String,
    /// What the order says.
    pub statement: String,
    /// Whether the operator has resolved it.
    pub resolved: bool,
}
