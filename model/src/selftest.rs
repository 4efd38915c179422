//! What `assay selftest` prints: how often the checks were wrong about faults that were planted and about nodes that are healthy.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::verdict::Rank;

/// The confusion matrix.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Confusion {
    /// Planted faults.
    pub planted: u64,
    /// Those that the check answered for which they were planted, in the way that was expected.
    pub caught: u64,
    /// Those that only other checks answered.
    pub caught_by_another: u64,
    /// Those that nobody noticed.
    pub missed: u64,
    /// Healthy variations and healthy nodes.
    pub healthy: u64,
    /// Those of them that a check accused.
    pub false_alarms: u64,
    /// Rate of faults that the right check caught: exact binomial 95 % bounds.
    pub detection: Bounds,
    /// Rate of healthy nodes that were accused: exact binomial 95 % bounds.
    pub false_alarm_rate: Bounds,
    /// By phase and check.
    pub rows: Vec<Row>,
    /// Every fault that the right check did not catch.
    pub not_caught: Vec<Planted>,
    /// Every false alarm.
    pub alarms: Vec<FalseAlarm>,
    /// Checks that open or shut a gate and for which no fault is planted.
    pub uncovered: Vec<String>,
}

/// An interval of rates.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Bounds {
    /// From.
    pub low: f64,
    /// To.
    pub high: f64,
}

impl From<(f64, f64)> for Bounds {
    fn from((low, high): (f64, f64)) -> Self {
        Self { low, high }
    }
}

/// What is known of one check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Row {
    /// The phase whose gate asks it.
    pub phase: u8,
    /// Its id.
    pub check: String,
    /// Faults planted for it.
    pub planted: u64,
    /// Those that it caught.
    pub caught: u64,
    /// Those that only others caught.
    pub caught_by_another: u64,
    /// Those that nobody noticed.
    pub missed: u64,
    /// Healthy nodes and variations that it accused.
    pub false_alarms: u64,
    /// Rate of faults that it caught: exact binomial 95 % bounds.
    pub detection: Bounds,
}

impl Row {
    /// A check of which nothing is counted yet.
    pub fn of(phase: u8, check: String) -> Self {
        Self { phase, check, planted: 0, caught: 0, caught_by_another: 0, missed: 0, false_alarms: 0, detection: Bounds::default() }
    }
}

/// How a planted fault was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// By the check for which it was planted, as expected.
    Caught,
    /// By others only.
    CaughtByAnother,
    /// By nobody.
    Missed,
}

/// A planted fault and what was seen of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Planted {
    /// Its id in the corpus.
    pub id: String,
    /// The check that must catch it.
    pub check: String,
    /// How it was answered.
    pub outcome: Outcome,
    /// The verdict that was expected.
    pub expected: String,
    /// What was said instead.
    pub seen: String,
}

/// An accusation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// The check that accused.
    pub check: String,
    /// Whom.
    pub subject: String,
    /// How.
    pub rank: Rank,
    /// Why.
    pub why: String,
}

/// A healthy node that was accused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FalseAlarm {
    /// Its id in the corpus, or the node.
    pub id: String,
    /// Who accused it of what.
    pub answers: Vec<Answer>,
}

impl Confusion {
    /// Counts the accusations of one healthy case, if there are any.
    pub fn alarm(&mut self, id: String, answers: Vec<Answer>, rows: &mut BTreeMap<(u8, String), Row>, phase_of: impl Fn(&str) -> u8) {
        if answers.is_empty() {
            return;
        }
        self.false_alarms += 1;
        let accusers: std::collections::BTreeSet<&str> = answers.iter().map(|answer| answer.check.as_str()).collect();
        for check in accusers {
            let key = (phase_of(check), check.to_owned());
            rows.entry(key.clone()).or_insert_with(|| Row::of(key.0, key.1)).false_alarms += 1;
        }
        self.alarms.push(FalseAlarm { id, answers });
    }

    /// The process's exit status: 0 only when everything was as the corpus says, and something was asked.
    pub fn exit_code(&self) -> u8 {
        let is_right = self.planted + self.healthy > 0 && self.caught == self.planted && self.false_alarms == 0 && self.uncovered.is_empty();
        u8::from(!is_right)
    }
}

/// What `assay selftest --measure` prints: how well the measuring itself tells good from bad.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Power {
    /// Figures at known distances from their limit, and what became of them.
    pub levels: Vec<Level>,
    /// Faults that were planted between the driver and a working target, and what was found.
    pub faults: Vec<Spoiled>,
    /// Faults that were not found, wrong verdicts 10 % beyond the limit without added noise, and more wrong verdicts 5 % beyond it than are said to be.
    pub wrong: Vec<String>,
}

/// Targets of one truth, measured and judged again and again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Level {
    /// What the target does, as a share of the limit, of which at least 1 is asked for.
    pub truth: f64,
    /// `none` beyond what this machine makes now, or `recorded`: the rounds of a virtual machine that was idle and busy in turn.
    pub noise: String,
    /// Trials.
    pub trials: u64,
    /// Those that passed.
    pub accepted: u64,
    /// Those that failed.
    pub rejected: u64,
    /// Those that were clear of the limit before the last round.
    pub stopped_early: u64,
    /// Rounds that a trial took on average.
    pub rounds: f64,
    /// Rate of accepted ones: exact binomial 95 % bounds.
    pub acceptance: Bounds,
}

/// A fault of the target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Spoiled {
    /// Its name.
    pub fault: String,
    /// How often it was planted.
    pub planted: u64,
    /// How often it was found.
    pub found: u64,
    /// What was found where nothing was planted.
    pub false_alarms: u64,
}
