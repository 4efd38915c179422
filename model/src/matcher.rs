//! The closed set of expectations that a BOM line can state about an attribute. Never evaluated code.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::component::Value;

/// What a value must be. In TOML: a bare value or list is `equals`; the others are tables with one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Matcher {
    /// Exactly this value.
    Equals(Value),
    /// One of these values.
    AnyOf(Vec<Value>),
    /// A number of at least this.
    AtLeast(f64),
    /// A number between the two, both included.
    Within(f64, f64),
}

impl Matcher {
    /// Whether `value` is as expected. A value of another type, or NaN, never matches.
    pub fn matches(&self, value: &Value) -> bool {
        match self {
            Matcher::Equals(expected) => same(expected, value),
            Matcher::AnyOf(expected) => expected.iter().any(|one| same(one, value)),
            Matcher::AtLeast(low) => value.as_f64().is_some_and(|x| x >= *low),
            Matcher::Within(low, high) => value.as_f64().is_some_and(|x| x >= *low && x <= *high),
        }
    }
}

// `4` in a BOM and `4.0` from a probe are the same number.
fn same(expected: &Value, value: &Value) -> bool {
    match (expected.as_u64(), value.as_u64(), expected.as_f64(), value.as_f64()) {
        (Some(a), Some(b), _, _) => a == b,
        (_, _, Some(a), Some(b)) => a == b,
        (_, _, _, _) => expected == value,
    }
}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Matcher::Equals(value) => value.fmt(f),
            Matcher::AnyOf(values) => write!(f, "one of {}", values.iter().map(Value::to_string).collect::<Vec<_>>().join(", ")),
            Matcher::AtLeast(low) => write!(f, "at least {low}"),
            Matcher::Within(low, high) => write!(f, "from {low} to {high}"),
        }
    }
}
