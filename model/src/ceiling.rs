//! What the hardware allows at most: a value, the formula that gives it and the inputs that went in. Performance is judged as efficiency against it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::bom::Bom;
use crate::component::Reading;
use crate::inventory::Inventory;
use crate::metric::MetricName;
use crate::parts::Parts;
use crate::unit::Unit;

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

/// The ceilings that the observed node has.
pub fn of_inventory(inventory: &Inventory) -> Vec<Ceiling> {
    let _ = inventory;
    Vec::new()
}

/// The ceilings that follow from the order alone.
pub fn of_bom(bom: &Bom, parts: &Parts) -> Vec<Ceiling> {
    let _ = (bom, parts);
    Vec::new()
}
