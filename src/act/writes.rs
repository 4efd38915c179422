//! `assay verify-writes`: whether everything that was acknowledged before a death is there. Reads only.

use std::fmt::Write as _;

use anyhow::Result;
use assay_model::writes::Writes;
use assay_reports::printable::Shown;
use assay_scenarios::acks;

use crate::cli::Format;
use crate::context::{Context, Usage};
use crate::present;

/// Reads back and answers.
pub(crate) fn verify_writes(context: &Context, run: &str) -> Result<u8> {
    context.require_this_machine("assay verify-writes")?;
    let directory = context.store()?.path(run).map_err(|error| Usage(error.to_string()))?;
    let writes = acks::verify(&directory)?;
    match context.format {
        Format::Json => present::print_json(&writes)?,
        Format::Text => present::print(&text(&writes)?)?,
    }
    Ok(writes.exit_code())
}

fn text(writes: &Writes) -> Result<String> {
    let mut out = String::new();
    for target in &writes.targets {
        writeln!(out, "{}: {} of {} blocks hold what was acknowledged", Shown::from(&target.path), target.right, target.blocks)?;
        for (kind, count) in &target.corrupt {
            writeln!(out, "  {count} {kind}")?;
        }
        if !target.first.is_empty() {
            writeln!(out, "  {}", target.first.join(", "))?;
        }
    }
    match writes.exit_code() {
        0 => writeln!(out, "every acknowledged write is there")?,
        1 => writeln!(out, "acknowledged writes are lost")?,
        _ => writeln!(out, "no write was acknowledged: nothing is proved")?,
    }
    Ok(out)
}
