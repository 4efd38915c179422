//! A bound on a metric with its basis. One without a basis does not load. Judgement is pure: inside, at, outside, above the ceiling, NaN, none.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::metric::MetricName;

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
}
