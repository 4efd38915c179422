//! One piece of hardware or software as observed: kind, locator and what could be read of it.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attr::{Attr, Kind};

/// A value in the base unit of its attribute.
#[derive(Debug, Clone, PartialEq, PartialOrd, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Value {
    /// Yes or no.
    Bool(bool),
    /// A whole number: bytes, counts, speeds.
    Integer(u64),
    /// A number with a fraction or a sign: temperatures, GT/s.
    Float(f64),
    /// A word.
    Text(String),
    /// Several words, in a defined order.
    List(Vec<String>),
}

impl Value {
    /// The value as a number, when it is one.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            // Counters above 2^53 lose their last bits here; they are compared as integers, and only drawn as floats.
            #[allow(clippy::cast_precision_loss, reason = "documented above")]
            Value::Integer(n) => Some(*n as f64),
            Value::Float(x) => Some(*x),
            Value::Bool(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// The value as a whole number, when it is one.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Integer(n) => Some(*n),
            Value::Bool(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => None,
        }
    }

    /// The value as text, when it is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            Value::Bool(_) | Value::Integer(_) | Value::Float(_) | Value::List(_) => None,
        }
    }

    /// The value as a truth value, when it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(flag) => Some(*flag),
            Value::Integer(_) | Value::Float(_) | Value::Text(_) | Value::List(_) => None,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Bool(flag) => f.write_str(if *flag { "yes" } else { "no" }),
            Value::Integer(n) => write!(f, "{n}"),
            Value::Float(x) => write!(f, "{x}"),
            Value::Text(text) => f.write_str(text),
            Value::List(items) if items.is_empty() => f.write_str("none"),
            Value::List(items) => f.write_str(&items.join(" ")),
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text)
    }
}
impl From<u64> for Value {
    fn from(n: u64) -> Self {
        Value::Integer(n)
    }
}
impl From<f64> for Value {
    fn from(x: f64) -> Self {
        Value::Float(x)
    }
}
impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Value::Bool(flag)
    }
}

/// What the node answered for one attribute. `Absent` and `Unreadable` are never the same thing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// It was read.
    Value(Value),
    /// The node legitimately has none: no such file, no link, not populated.
    Absent,
    /// It exists and could not be read or understood; says why.
    Unreadable(String),
}

impl Reading {
    /// The value, when there is one.
    pub fn value(&self) -> Option<&Value> {
        match self {
            Reading::Value(value) => Some(value),
            Reading::Absent | Reading::Unreadable(_) => None,
        }
    }
}

impl<T: Into<Value>> From<T> for Reading {
    fn from(value: T) -> Self {
        Reading::Value(value.into())
    }
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reading::Value(value) => value.fmt(f),
            Reading::Absent => f.write_str("absent"),
            Reading::Unreadable(why) => write!(f, "unreadable: {why}"),
        }
    }
}

/// An observed component. The locator is its address on the node (`0000:41:00.0`, `DIMM_A1`, `eth0`, `package 0`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Component {
    /// What it is.
    pub kind: Kind,
    /// Where it is; unique within its kind.
    pub locator: String,
    /// What could be read of it.
    pub attributes: BTreeMap<Attr, Reading>,
    /// Where each attribute was read from: a path, an ioctl, a table.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sources: BTreeMap<Attr, String>,
}

impl Component {
    /// A component of which nothing is known yet.
    pub fn new(kind: Kind, locator: impl Into<String>) -> Self {
        Self { kind, locator: locator.into(), attributes: BTreeMap::new(), sources: BTreeMap::new() }
    }

    /// Adds one reading and where it came from.
    pub fn with(mut self, attr: Attr, source: impl Into<String>, reading: impl Into<Reading>) -> Self {
        self.attributes.insert(attr, reading.into());
        self.sources.insert(attr, source.into());
        self
    }

    /// The reading of `attr`; an attribute that no probe filled is `Absent`.
    pub fn reading(&self, attr: Attr) -> &Reading {
        self.attributes.get(&attr).unwrap_or(&Reading::Absent)
    }

    /// Where `attr` was read from, or the locator when no source was recorded.
    pub fn source(&self, attr: Attr) -> &str {
        self.sources.get(&attr).map_or(self.locator.as_str(), String::as_str)
    }

    /// The value of `attr`, when it was read.
    pub fn value(&self, attr: Attr) -> Option<&Value> {
        self.reading(attr).value()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_unreadable_survive_serialisation_as_different_things() {
        let component = Component::new(Kind::Nvme, "0000:41:00.0")
            .with(Attr::Serial, "/sys/class/nvme/nvme0/serial", "S123")
            .with(Attr::Firmware, "/sys/class/nvme/nvme0/firmware_rev", Reading::Absent)
            .with(Attr::State, "/sys/class/nvme/nvme0/state", Reading::Unreadable("Input/output error".into()));
        let json = serde_json::to_string(&component).expect("serialises");
        assert_eq!(serde_json::from_str::<Component>(&json).expect("parses"), component);
    }
}
