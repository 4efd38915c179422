//! `assay report`: the HTML report of an acceptance or of single runs, written again from the journals.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use assay_model::gate::{Gate, Requirement};
use assay_model::limit::Limit;
use assay_model::phase::Phase;
use assay_model::run::{Acceptance, Run};
use assay_model::site::Site;
use assay_reports::store::{Content, Store};
use assay_scenarios::isolation;

use crate::assessment::Assessment;
use crate::context::{Context, Usage};
use crate::stored::Stored;

/// Name of the report in the folder of an acceptance.
pub(crate) const REPORT: &str = "report.html";

/// Writes the report of what `ids` name, or of the newest acceptance.
pub(crate) fn report(context: &Context, ids: &[String], output: Option<&Path>) -> Result<u8> {
    let store = context.store()?;
    let chosen = choose(&store, ids)?;
    let site = context.site()?;
    if let Some(acceptance) = &chosen.acceptance {
        of_this_site(acceptance, &site, output)?;
    }
    let looks = context.looks()?;
    let phase = chosen.acceptance.as_ref().map_or_else(|| phase_of(&site, &chosen.stored.runs), |acceptance| acceptance.phase);
    let assessment = Assessment::of_phase(&site, phase, &looks, &chosen.stored, chosen.acceptance.as_ref())?;
    let path = match (output, &chosen.acceptance) {
        (Some(path), _) => path.to_owned(),
        (None, Some(acceptance)) => store.path(&acceptance.id)?.join(REPORT),
        (None, None) => PathBuf::from(REPORT),
    };
    let repeat = context.command(&format!("report {}", ids.join(" ")));
    assessment.write_report(&path, &repeat)?;
    assessment.answer(context, Some(&path), &repeat)
}

/// An acceptance speaks for the order that it was made under. Other files of that site judge it anew, and leave the report of then as it is.
fn of_this_site(acceptance: &Acceptance, site: &Site, output: Option<&Path>) -> Result<()> {
    let (id, name) = (&acceptance.id, &acceptance.site_name);
    if *name != site.name {
        return Err(Usage(format!("acceptance {id} was made for site {name}, not {}: name its folder with --site", site.name)).into());
    }
    if acceptance.site != site.digest && output.is_none() {
        return Err(Usage(format!("acceptance {id} was made under other files of site {name}: a report under those of today needs -o FILE")).into());
    }
    Ok(())
}

/// What runs are about: the first phase whose gate asks for the scenario of one, or has a limit on a figure of one.
fn phase_of(site: &Site, runs: &[Run]) -> Phase {
    let measures = |run: &Run, limit: &Limit| {
        let counts = limit.scenarios.is_empty() || limit.scenarios.contains(&run.scenario);
        counts && run.steps.iter().flat_map(|step| &step.metrics).any(|metric| metric.fact.name == limit.metric)
    };
    let asks = |gate: &Gate, run: &Run| {
        let answers = |check: &Requirement| isolation::CHECKS.contains(&check.id.as_str());
        gate.scenarios.contains(&run.scenario)
            || (run.scenario == isolation::SCENARIO && gate.requires.iter().any(answers))
            || gate.requires.iter().filter_map(|check| check.limit.as_ref()).any(|limit| measures(run, limit))
    };
    let about = site.gates.iter().filter(|gate| runs.iter().any(|run| asks(gate, run)));
    about.map(|gate| gate.phase).min().unwrap_or(Phase::FIRST)
}

struct Chosen {
    acceptance: Option<Acceptance>,
    stored: Stored,
}

fn choose(store: &Store, ids: &[String]) -> Result<Chosen> {
    if ids.is_empty() {
        let Some(acceptance) = store.acceptances()?.into_iter().next() else {
            return Err(Usage(format!("there is no acceptance below {} yet: `assay accept` makes one", store.dir().display())).into());
        };
        return Ok(Chosen { stored: Stored::of(store, &acceptance).with_isolation(store)?, acceptance: Some(acceptance) });
    }
    let mut runs = Vec::new();
    for id in ids {
        match store.load(id).with_context(|| Usage("cannot report on that".into()))? {
            Content::Run(run) => runs.push(*run),
            Content::Acceptance(acceptance) if ids.len() == 1 => {
                return Ok(Chosen { stored: Stored::of(store, &acceptance).with_isolation(store)?, acceptance: Some(acceptance) });
            }
            Content::Acceptance(_) => return Err(Usage(format!("{id} is an acceptance: a report is of one acceptance, or of runs")).into()),
        }
    }
    Ok(Chosen { acceptance: None, stored: Stored::named(runs) })
}
