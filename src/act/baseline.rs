//! `assay baseline`: results of fio as requirements for a gate.

use std::path::Path;

use anyhow::{Context as _, Result};
use assay_scenarios::fio::baseline;

use super::DONE;
use crate::cli::Format;
use crate::context::{Context, Usage};
use crate::present;

/// Reads and prints.
pub(crate) fn baseline(context: &Context, file: &Path, share: u32) -> Result<u8> {
    let cannot = || Usage(format!("cannot read the results {}", file.display()));
    let text = std::fs::read_to_string(file).with_context(cannot)?;
    let read = baseline::read(&text).map_err(|why| Usage(format!("{}: {why}", file.display())))?;
    match context.format {
        Format::Json => present::print_json(&read.figures)?,
        Format::Text => present::print(&present::tame(&baseline::requirements(&read, share)))?,
    }
    Ok(DONE)
}
