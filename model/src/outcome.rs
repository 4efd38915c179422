//! The objects that the commands print with `--format json`. Stable: others build on them; their schemas are in `docs/schema/`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ceiling::Ceiling;
use crate::contradiction::Contradiction;
use crate::gate::Severity;
use crate::phase::Phase;
use crate::unit::Unit;
use crate::verdict::Rank;

/// What `accept`, `verify` and `gate` print.
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

/// What `calibrate` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CalibrationOutcome {
    /// The stored run.
    pub run_id: String,
    /// With what assay was compared: `fio-3.33`.
    pub against: String,
    /// The process's exit status.
    pub exit_code: u8,
    /// Every comparison that was finished.
    pub pairs: Vec<PairRow>,
}

/// Interleaved pairs of assay and a peer with the same parameters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PairRow {
    /// Permanent name.
    pub name: String,
    /// Median of assay's figures.
    pub ours: f64,
    /// Median of the peer's.
    pub theirs: f64,
    /// Base unit of both.
    pub unit: Unit,
    /// Median of the pairwise ratios ours / theirs.
    pub ratio: f64,
    /// Number of pairs.
    pub pairs: usize,
    /// Lower end of the interval of the ratio, from order statistics.
    pub low: f64,
    /// Upper end.
    pub high: f64,
    /// Confidence that the interval really has with so few pairs.
    pub confidence: f64,
}

/// What `bom limits` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CeilingList {
    /// Every ceiling, with its formula and inputs.
    pub ceilings: Vec<Ceiling>,
}

/// What `bom lint` prints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BomLint {
    /// Every contradiction of the site, derived and declared.
    pub contradictions: Vec<BomLintRow>,
}

/// One contradiction in full.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BomLintRow {
    /// All of it.
    #[serde(flatten)]
    pub contradiction: Contradiction,
    /// Whether the operator has resolved it.
    pub resolved: bool,
}

impl BomLint {
    /// The contradictions of a site as `bom lint` prints them.
    pub fn of(contradictions: &[Contradiction]) -> Self {
        let row = |contradiction: &Contradiction| BomLintRow { contradiction: contradiction.clone(), resolved: contradiction.is_resolved() };
        Self { contradictions: contradictions.iter().map(row).collect() }
    }

    /// The process's exit status: 3 while one that blocks is unresolved.
    pub fn exit_code(&self) -> u8 {
        if self.contradictions.iter().any(|row| row.contradiction.is_blocking()) { 3 } else { 0 }
    }
}

/// What `list` prints.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Listing {
    /// Every probe.
    pub probes: Vec<ListRow>,
    /// Every check.
    pub checks: Vec<ListRow>,
    /// Every engine.
    pub engines: Vec<ListRow>,
    /// Every scenario.
    pub scenarios: Vec<ListRow>,
    /// Every fault of drills.
    pub faults: Vec<ListRow>,
    /// Everything that an agent on another node can be asked to do.
    pub tasks: Vec<ListRow>,
    /// Every gate.
    pub gates: Vec<ListRow>,
}

/// One entry of a registry.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct ListRow {
    /// Its permanent name.
    pub name: String,
    /// One sentence that says what it is.
    pub describe: String,
    /// The phase of a gate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Whether code exists for a check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub implemented: Option<bool>,
    /// How many checks a gate requires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<usize>,
    /// For how many of them code exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires_implemented: Option<usize>,
}
