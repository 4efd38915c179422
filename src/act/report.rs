//! `assay report`: the HTML report of an acceptance or of single runs, written again from the journals.

use std::path::{Path, PathBuf};

use anyhow::Result;
use assay_model::phase::Phase;
use assay_model::run::{Acceptance, Run};
use assay_reports::store::{Content, Store};

use crate::assessment::Assessment;
use crate::context::{Context, Usage};

/// Name of the report in the folder of an acceptance.
pub(crate) const REPORT: &str = "report.html";

/// Writes the report of what `ids` name, or of the newest acceptance.
pub(crate) fn report(context: &Context, ids: &[String], output: Option<&Path>) -> Result<u8> {
    let store = Store::open(&context.runs)?;
    let chosen = choose(&store, ids)?;
    let site = context.site()?;
    let inventory = context.inventory(&context.host()?);
    let phase = chosen.acceptance.as_ref().map_or(Phase::FIRST, |acceptance| acceptance.phase);
    let assessment = Assessment::of_phase(&site, phase, &inventory, chosen.runs, chosen.acceptance.as_ref())?;
    let path = match (output, &chosen.acceptance) {
        (Some(path), _) => path.to_owned(),
        (None, Some(acceptance)) => store.path(&acceptance.id)?.join(REPORT),
        (None, None) => PathBuf::from(REPORT),
    };
    let repeat = context.command(&format!("report {}", ids.join(" ")));
    assessment.write_report(&path, &repeat)?;
    assessment.answer(context, Some(&path), &repeat)
}

struct Chosen {
    acceptance: Option<Acceptance>,
    runs: Vec<Run>,
}

fn choose(store: &Store, ids: &[String]) -> Result<Chosen> {
    if ids.is_empty() {
        let Some(acceptance) = store.acceptances()?.into_iter().next() else {
            return Err(Usage(format!("there is no acceptance below {} yet: `assay accept` makes one", store.dir().display())).into());
        };
        return Ok(Chosen { runs: runs_of(store, &acceptance), acceptance: Some(acceptance) });
    }
    let mut chosen = Chosen { acceptance: None, runs: Vec::new() };
    for id in ids {
        match store.load(id).map_err(|error| Usage(format!("{error:#}")))? {
            Content::Run(run) => chosen.runs.push(*run),
            Content::Acceptance(acceptance) if ids.len() == 1 => {
                chosen.runs = runs_of(store, &acceptance);
                chosen.acceptance = Some(acceptance);
            }
            Content::Acceptance(_) => return Err(Usage(format!("{id} is an acceptance: a report is of one acceptance, or of runs")).into()),
        }
    }
    Ok(chosen)
}

/// The runs of an acceptance that were begun; one that was not, or is damaged, is missing, and its checks come out as not run.
pub(crate) fn runs_of(store: &Store, acceptance: &Acceptance) -> Vec<Run> {
    let run = |id: &str| match store.load(id) {
        Ok(Content::Run(run)) => Some(*run),
        Ok(Content::Acceptance(_)) | Err(_) => None,
    };
    acceptance.runs.iter().filter_map(|planned| run(&planned.run)).collect()
}
