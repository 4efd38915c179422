//! The JSON Schemas of every file that a person writes and of every object that assay prints. `cargo xtask docs` writes them to `docs/schema/`.

use schemars::JsonSchema;
use serde_json::Value;

use crate::bom::file::BomFile;
use crate::contradiction::file::ContradictionsFile;
use crate::drift::Drift;
use crate::gate::Gate;
use crate::inventory::Inventory;
use crate::outcome::{BomLint, CalibrationOutcome, CeilingList, Listing, Outcome};
use crate::parts::PartsFile;
use crate::run::Run;
use crate::selftest::{Confusion, Power};
use crate::site::SiteFile;
use crate::site::declared::Declared;
use crate::waiver::WaiversFile;
use crate::writes::Writes;

/// Every schema by the name of its file, without `.schema.json`.
pub fn all() -> Vec<(&'static str, Value)> {
    vec![
        ("site", of::<SiteFile>()),
        ("bom", of::<BomFile>()),
        ("declared", of::<Declared>()),
        ("contradictions", of::<ContradictionsFile>()),
        ("waivers", of::<WaiversFile>()),
        ("gate", of::<Gate>()),
        ("parts", of::<PartsFile>()),
        ("outcome", of::<Outcome>()),
        ("inventory", of::<Inventory>()),
        ("run", of::<Run>()),
        ("ceilings", of::<CeilingList>()),
        ("list", of::<Listing>()),
        ("bom-lint", of::<BomLint>()),
        ("drift", of::<Drift>()),
        ("calibration", of::<CalibrationOutcome>()),
        ("selftest", of::<Confusion>()),
        ("power", of::<Power>()),
        ("writes", of::<Writes>()),
    ]
}

fn of<T: JsonSchema>() -> Value {
    schemars::schema_for!(T).to_value()
}

#[cfg(test)]
mod tests;
