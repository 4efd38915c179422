//! `assay list`: the registries, as they are compiled in.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use anyhow::Result;
use assay_bench::ENGINES;
use assay_model::judge::RUN_CHECKS;
use assay_model::outcome::{ListRow, Listing};
use assay_model::site::Site;
use assay_probes::PROBES;
use assay_probes::check::CHECKS;
use assay_scenarios::catalog::catalog;
use assay_scenarios::fault::FAULTS;
use assay_scenarios::remote::TASKS;

use super::DONE;
use crate::assessment::implemented;
use crate::cli::Format;
use crate::context::Context;
use crate::present;

/// Prints them.
pub(crate) fn list(context: &Context) -> Result<u8> {
    let listing = listing(&context.site_with_default_gates()?);
    match context.format {
        Format::Json => present::print_json(&listing)?,
        Format::Text => present::print(&present::tame(&text(&listing)?))?,
    }
    Ok(DONE)
}

fn listing(site: &Site) -> Listing {
    let implemented: BTreeSet<String> = implemented(site).into_iter().chain(RUN_CHECKS.iter().map(ToString::to_string)).collect();
    let row = |name: &str, describe: &str| ListRow { name: name.into(), describe: describe.into(), ..ListRow::default() };
    let mut checks: BTreeMap<String, ListRow> = BTreeMap::new();
    for entry in CHECKS {
        for id in entry.ids {
            checks.insert((*id).to_owned(), ListRow { implemented: Some(true), ..row(id, entry.describe) });
        }
    }
    for requirement in site.gates.iter().flat_map(|gate| &gate.requires) {
        let id = requirement.id.to_string();
        let known = implemented.contains(&id);
        checks.entry(id.clone()).or_insert_with(|| ListRow { implemented: Some(known), ..row(&id, &requirement.title) });
    }
    let gates = site.gates.iter().map(|gate| ListRow {
        phase: Some(gate.phase),
        requires: Some(gate.requires.len()),
        requires_implemented: Some(gate.requires.iter().filter(|requirement| implemented.contains(requirement.id.as_str())).count()),
        ..row(&format!("phase-{:02}", gate.phase.number()), &gate.title)
    });
    Listing {
        probes: PROBES.iter().map(|probe| row(probe.name(), probe.describe())).collect(),
        checks: checks.into_values().collect(),
        engines: ENGINES.iter().map(|engine| row(engine.name, &format!("{}; needs {}", engine.describe, engine.needs))).collect(),
        scenarios: catalog().iter().map(|scenario| row(&scenario.name, &scenario.describe)).collect(),
        faults: FAULTS.iter().map(|fault| row(fault.name(), fault.describe())).collect(),
        tasks: TASKS.iter().map(|task| row(task.name, task.describe)).collect(),
        gates: gates.collect(),
    }
}

fn text(listing: &Listing) -> Result<String> {
    let mut out = String::new();
    for (title, rows) in [
        ("probes", &listing.probes),
        ("engines", &listing.engines),
        ("scenarios", &listing.scenarios),
        ("faults", &listing.faults),
        ("tasks of agents", &listing.tasks),
        ("gates", &listing.gates),
        ("checks", &listing.checks),
    ] {
        writeln!(out, "{title}")?;
        for row in rows {
            let note = match (row.implemented, row.requires, row.requires_implemented) {
                (Some(false), _, _) => " (not implemented yet: not_run)".to_owned(),
                (_, Some(all), Some(done)) => format!(" ({done} of {all} checks implemented)"),
                (_, _, _) => String::new(),
            };
            writeln!(out, "  {:<34} {}{note}", row.name, row.describe)?;
        }
        writeln!(out)?;
    }
    Ok(out)
}
