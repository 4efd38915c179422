//! What the hardware allows at most: a value, the formula that gives it and the inputs that went in. Performance is judged as efficiency against it.
//! The formulas stand in `ceiling/`; they take the observed node (`of_inventory`, `of_node`) or the order (`of_bom`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attr::{Attr, Kind};
use crate::bom::{Bom, BomLine};
use crate::component::{Component, Reading, Value};
use crate::inventory::Inventory;
use crate::metric::MetricName;
use crate::parts::Parts;
use crate::unit::Unit;

mod ceph;
mod drive;
mod memory;
mod network;
mod pcie;

pub use network::{OuterIp, TcpFraming, TcpPath};

/// A physical upper bound of a metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ceiling {
    /// The metric that it bounds.
    pub metric: MetricName,
    /// The bound, in `unit`; `None` when an input is missing: then nothing can be judged against it.
    pub value: Option<f64>,
    /// Unit of the bound.
    pub unit: Unit,
    /// The formula in words and symbols.
    pub formula: String,
    /// Its inputs with what was read for each.
    pub inputs: Vec<(String, Reading)>,
}

/// The ceilings that the observed node has. How many memory channels its processors have is not observed: each module counts as a channel of its own.
pub fn of_inventory(inventory: &Inventory) -> Vec<Ceiling> {
    of_node(inventory, None)
}

/// The ceilings that the observed node has, with the memory channels of its processors (per socket) where the parts catalogue knows them.
pub fn of_node(inventory: &Inventory, channels_per_socket: Option<u32>) -> Vec<Ceiling> {
    let mut ceilings = memory::of_node(inventory, channels_per_socket);
    ceilings.extend(drive::of_inventory(inventory));
    ceilings.extend(network::of_inventory(inventory));
    ceilings
}

/// What the link of one drive carries, as it is trained; none of a drive behind a fabric.
pub fn of_drive(drive: &Component) -> Option<Ceiling> {
    drive::of_one(drive)
}

/// What TCP carries over a path in one direction, bit/s.
pub fn of_tcp_path(path: &TcpPath) -> Ceiling {
    network::tcp_path(path)
}

/// Bytes that the warranty lets the drive with this serial number write in all, as far as its part of the order says.
pub fn rated_bytes(bom: &Bom, parts: &Parts, inventory: &Inventory, serial: &str) -> Option<f64> {
    drive::rated_bytes(bom, parts, inventory, serial)
}

/// The ceilings that follow from the order alone.
pub fn of_bom(bom: &Bom, parts: &Parts) -> Vec<Ceiling> {
    let mut ceilings = memory::of_bom(bom, parts);
    ceilings.extend(drive::of_bom(bom, parts));
    ceilings.extend(network::of_bom(bom, parts));
    ceilings.extend(ceph::of_bom(bom, parts));
    ceilings
}

/// The memory channels per socket of the ordered processors, when all lines name one known product.
pub(crate) fn channels_per_socket(bom: &Bom, parts: &Parts) -> Option<u32> {
    let known: Vec<Option<u32>> = bom.of(Kind::Cpu).map(|line| Some(parts.cpu.get(line.part.as_ref()?)?.memory_channels)).collect();
    let (first, rest) = known.split_first()?;
    rest.iter().all(|other| other == first).then_some(*first)?
}

impl Ceiling {
    /// A ceiling of `inputs`, in their order; without a value when one of them is no number, or when the formula gives none.
    fn computed<const N: usize>(
        metric: impl Into<String>,
        unit: Unit,
        formula: &str,
        inputs: [(&str, Reading); N],
        value: impl FnOnce([f64; N]) -> f64,
    ) -> Self {
        let mut numbers = [0.0; N];
        let mut known = true;
        for (number, (_, reading)) in numbers.iter_mut().zip(&inputs) {
            match reading.value().and_then(Value::as_f64) {
                Some(read) => *number = read,
                None => known = false,
            }
        }
        let value = known.then(|| value(numbers)).filter(|value| value.is_finite() && *value > 0.0);
        let inputs = inputs.into_iter().map(|(name, reading)| (name.to_owned(), as_number(reading))).collect();
        Self { metric: MetricName(metric.into()), value, unit, formula: formula.to_owned(), inputs }
    }

    /// Its value as an input of another ceiling, or what it lacks.
    fn as_reading(&self) -> Reading {
        let missing = self.inputs.iter().filter(|(_, reading)| reading.value().is_none());
        let named: Vec<&str> = missing.clone().map(|(name, _)| name.as_str()).collect();
        match self.value {
            Some(value) => value.into(),
            None if named.is_empty() => Reading::Unreadable(format!("{} could not be computed", self.metric)),
            None if missing.clone().all(|(_, reading)| *reading == Reading::Absent) => Reading::Absent,
            None => Reading::Unreadable(format!("{} lacks {}", self.metric, named.join(", "))),
        }
    }
}

fn as_number(reading: Reading) -> Reading {
    match reading {
        Reading::Value(value) if value.as_f64().is_none() => Reading::Unreadable(format!("`{value}` is not a number")),
        Reading::Value(_) | Reading::Absent | Reading::Unreadable(_) => reading,
    }
}

/// One reading for several things that should be alike: the one that all give, otherwise why there is none.
fn common<'a>(what: &str, readings: impl IntoIterator<Item = &'a Reading>) -> Reading {
    let mut seen: Vec<&Reading> = Vec::new();
    for reading in readings {
        if !seen.contains(&reading) {
            seen.push(reading);
        }
    }
    match seen.as_slice() {
        [] => Reading::Absent,
        [one] => (*one).clone(),
        [_, _, ..] => {
            Reading::Unreadable(format!("{what} differ: {}", seen.iter().map(|reading| reading.to_string()).collect::<Vec<_>>().join(", ")))
        }
    }
}

/// What a line expects of `attr`, else what its part says.
fn expected(line: &BomLine, attr: Attr, of_part: Option<Reading>) -> Reading {
    match (line.expected(attr), of_part) {
        (Some(value), _) => Reading::Value(value.clone()),
        (None, Some(part)) => part,
        (None, None) => Reading::Absent,
    }
}

/// A name with what it is of, unless there is only one.
fn of_several(metric: &str, several: bool, kind: &str, which: &str) -> String {
    if several { format!("{metric}{{{kind}={which}}}") } else { metric.to_owned() }
}

#[cfg(test)]
mod tests;
