//! `assay baseline`: results of fio, iperf3 or perftest as requirements for a gate; which it is, their content says.

use std::path::Path;

use anyhow::{Context as _, Result};
use assay_scenarios::fio::baseline;
use assay_scenarios::{iperf, perftest};

use super::DONE;
use crate::cli::Format;
use crate::context::{Context, Usage};
use crate::present;

/// Reads and prints.
pub(crate) fn baseline(context: &Context, file: &Path, share: u32) -> Result<u8> {
    let cannot = || Usage(format!("cannot read the results {}", file.display()));
    let text = std::fs::read_to_string(file).with_context(cannot)?;
    // One that breaks off does not say of which tool it is. What perftest calls JSON has words without quotes.
    if !perftest::is_of_perftest(&text) {
        whole(&text).map_err(|why| Usage(format!("{}: {why}", file.display())))?;
    }
    let read = if iperf::baseline::is_of_iperf3(&text) {
        iperf::baseline::read(&text)
    } else if perftest::is_of_perftest(&text) {
        perftest::baseline(&text)
    } else {
        baseline::read(&text)
    };
    let read = read.map_err(|why| Usage(format!("{}: {why}", file.display())))?;
    match context.format {
        Format::Json => present::print_json(&read.figures)?,
        Format::Text => present::print(&present::tame(&baseline::requirements(&read, share)))?,
    }
    Ok(DONE)
}

/// Whether the JSON of a file is whole; if not, where it breaks. Warnings may stand before it.
fn whole(text: &str) -> std::result::Result<(), String> {
    let Some(begin) = text.find('{') else { return Ok(()) };
    let (before, json) = text.split_at(begin);
    let blank: String = before.chars().map(|one| if one == '\n' { one } else { ' ' }).collect();
    let read = serde_json::from_str::<serde_json::Value>(&(blank + json));
    read.map(drop).map_err(|error| format!("its JSON is broken: {error}"))
}
