//! `assay inventory`: what the probes see, and what they could not see.

use std::fmt::Write as _;

use anyhow::Result;
use assay_model::attr::Kind;
use assay_model::inventory::{Inventory, ProbeEnded};
use assay_reports::printable::Shown;

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
    writeln!(out, "{}, {} components, taken {}", Shown::from(&inventory.host), inventory.components.len(), Shown::from(&inventory.taken_at))?;
    for kind in Kind::ALL {
        for component in inventory.iter(*kind) {
            writeln!(out, "\n{kind} {}", Shown::from(&component.locator))?;
            for (attr, reading) in &component.attributes {
                let unit = if reading.value().is_some() { attr.unit().symbol() } else { "" };
                write!(out, "  {:<24} {} {unit}", attr.name(), Shown::from(reading.to_string()))?;
                if with_sources {
                    write!(out, "  [{}]", Shown::from(component.source(*attr)))?;
                }
                writeln!(out)?;
            }
        }
    }
    for outcome in &inventory.probes {
        match &outcome.ended {
            ProbeEnded::Completed => {}
            ProbeEnded::SourceMissing(source) => writeln!(out, "\nprobe {}: this host has no {}", outcome.probe, Shown::from(source))?,
            ProbeEnded::Failed(why) => writeln!(out, "\nprobe {} failed: {}", outcome.probe, Shown::from(why))?,
            ProbeEnded::Hung(on) => writeln!(out, "\nprobe {} hung on {}", outcome.probe, Shown::from(on))?,
        }
    }
    Ok(out)
}
