//! `assay bom lint|draft|limits`: the order itself, before any machine is looked at.

use std::fmt::Write as _;

use anyhow::Result;
use assay_model::ceiling;
use assay_model::contradiction::Contradiction;
use assay_model::outcome::{BomLint, CeilingList};

use super::DONE;
use crate::cli::{Bom, Format};
use crate::context::{Context, Usage};
use crate::present;

/// Does one of the three.
pub(crate) fn bom(context: &Context, what: &Bom) -> Result<u8> {
    match what {
        Bom::Lint => lint(context),
        Bom::Draft => draft(context),
        Bom::Limits => limits(context),
    }
}

fn lint(context: &Context) -> Result<u8> {
    let site = context.site()?;
    let lint = BomLint::of(&site.contradictions);
    match context.format {
        Format::Json => present::print_json(&lint)?,
        Format::Text => present::print(&present::tame(&lint_text(&site.name, &site.contradictions)?))?,
    }
    Ok(lint.exit_code())
}

fn lint_text(site: &str, contradictions: &[Contradiction]) -> Result<String> {
    let mut out = String::new();
    for contradiction in contradictions {
        let state = match (&contradiction.resolution, contradiction.is_resolved(), contradiction.blocks.is_empty()) {
            (Some(resolution), true, _) => format!("resolved: {resolution}"),
            (_, _, true) => "unresolved, informs only".to_owned(),
            (_, _, false) => format!("unresolved, blocks {}", contradiction.blocks.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        };
        writeln!(out, "{}  {}\n      why: {}\n      {state}", contradiction.id, contradiction.statement, contradiction.why)?;
        for candidate in &contradiction.candidates {
            writeln!(
                out,
                "      - {}: {}{}",
                candidate.id,
                candidate.statement,
                if candidate.why.is_empty() { String::new() } else { format!(" ({})", candidate.why) }
            )?;
        }
    }
    let open = contradictions.iter().filter(|contradiction| !contradiction.is_resolved()).count();
    let blocking = contradictions.iter().filter(|contradiction| !contradiction.is_resolved() && !contradiction.blocks.is_empty()).count();
    writeln!(out, "site {site}: {} contradictions, {open} unresolved, {blocking} of them block a phase", contradictions.len())?;
    Ok(out)
}

fn draft(context: &Context) -> Result<u8> {
    let inventory = context.inventory(&context.host()?);
    present::print(&assay_model::bom::draft(&inventory))?;
    Ok(DONE)
}

fn limits(context: &Context) -> Result<u8> {
    let site = context.site()?;
    let ceilings = match &site.bom {
        Some(bom) => ceiling::of_bom(bom, &site.parts),
        None if context.site_folder.is_some() => {
            return Err(Usage(format!("site {} has no bom.toml, so there is nothing to compute ceilings from", site.name)).into());
        }
        // Without an order the ceilings are those of the machine at hand.
        None => ceiling::of_inventory(&context.inventory(&context.host()?)),
    };
    match context.format {
        Format::Json => present::print_json(&CeilingList { ceilings })?,
        Format::Text => present::print(&present::tame(&present::ceilings(&ceilings)?))?,
    }
    Ok(DONE)
}
