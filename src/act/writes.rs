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
        if target.unreadable > 0 {
            writeln!(out, "  {} cannot be read", target.unreadable)?;
        }
        if !target.first.is_empty() {
            writeln!(out, "  {}", target.first.join(", "))?;
        }
    }
    if let Some(why) = &writes.unproved {
        writeln!(out, "{}", Shown::from(why.clone()))?;
    }
    match writes.exit_code() {
        0 => writeln!(out, "every acknowledged write is there")?,
        1 => writeln!(out, "acknowledged writes are lost or cannot be read")?,
        _ if writes.unproved.is_some() => writeln!(out, "nothing that the log knows of is lost; whether it knows of everything is not proved")?,
        _ => writeln!(out, "no write was acknowledged: nothing is proved")?,
    }
    Ok(out)
}
