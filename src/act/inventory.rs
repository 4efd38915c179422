//! `assay inventory`: what the probes see, and what they could not see.

use std::fmt::Write as _;

use anyhow::Result;
use assay_model::attr::Kind;
use assay_model::inventory::{Inventory, ProbeEnded};

use super::DONE;
use crate::cli::Format;
use crate::context::Context;
use crate::present;

/// Prints the inventory of the host.
pub(crate) fn inventory(context: &Context) -> Result<u8> {
    let inventory = context.inventory(&context.host()?);
    match context.format {
        Format::Json => present::print_json(&inventory)?,
        Format::Text => present::print(&text(&inventory, context.verbose)?)?,
    }
    Ok(DONE)
}

fn text(inventory: &Inventory, with_sources: bool) -> Result<String> {
    let mut out = String::new();
    writeln!(out, "{}, {} components, taken {}", inventory.host, inventory.components.len(), inventory.taken_at)?;
    for kind in Kind::ALL {
        for component in inventory.iter(*kind) {
            writeln!(out, "\n{kind} {}", component.locator)?;
            for (attr, reading) in &component.attributes {
                let unit = if reading.value().is_some() { attr.unit().symbol() } else { "" };
                write!(out, "  {:<24} {reading} {unit}", attr.name())?;
                if with_sources {
                    write!(out, "  [{}]", component.source(*attr))?;
                }
                writeln!(out)?;
            }
        }
    }
    for outcome in &inventory.probes {
        match &outcome.ended {
            ProbeEnded::Completed => {}
            ProbeEnded::SourceMissing(source) => writeln!(out, "\nprobe {}: this host has no {source}", outcome.probe)?,
            ProbeEnded::Failed(why) => writeln!(out, "\nprobe {} failed: {why}", outcome.probe)?,
            ProbeEnded::Hung(on) => writeln!(out, "\nprobe {} hung on {on}", outcome.probe)?,
        }
    }
    Ok(out)
}
