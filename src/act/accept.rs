//! `assay accept`, the main job: probe, check, run the phase's scenarios, judge the gate, write the report. What it will do is written down before it is
//! done, so that `--resume` finishes it after any death.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use assay_model::gate::Gate;
use assay_model::inventory::Inventory;
use assay_model::run::{Acceptance, Ended, PlannedRun, Run};
use assay_model::site::{Site, digest};
use assay_probes::check;
use assay_reports::store::{Content, Store, StoreError};
use assay_scenarios::directory::run_id;
use assay_scenarios::plan::Permits;

use super::report::REPORT;
use crate::assessment::{Assessment, gate_of, phase};
use crate::cli::Accept;
use crate::context::{Context, Looks, Usage, word};
use crate::present;
use crate::stored::Stored;
use crate::workload::{self, Machine};

/// Does the whole job.
pub(crate) fn accept(context: &Context, options: &Accept) -> Result<u8> {
    context.require_this_machine("assay accept")?;
    let site = context.site()?;
    std::fs::create_dir_all(&context.runs).with_context(|| Usage(format!("cannot make the folder of runs {}", context.runs.display())))?;
    let store = context.store()?;
    let acceptance = match &options.resume {
        Some(id) => resumable(&store, &site, id)?,
        None => begin(&site, options)?,
    };
    let folder = store.path(&acceptance.id)?;
    store.save(&acceptance)?;

    present::say(&format!("acceptance {}: probing", acceptance.id));
    // Who is at the other end of a link does not change under load: the look that is judged takes the time to listen, the one before does not.
    let host = context.host()?.listening(Duration::ZERO);
    let since = context.since(&host)?;
    let inventory = context.inventory(&host);
    let begun = Instant::now();
    let machine = Machine::new(&host, &inventory, context);
    let scratch = options.scratch.clone().unwrap_or_else(|| context.runs.clone());
    for planned in &acceptance.runs {
        match make(&store, &machine, planned, &scratch, &site, &inventory) {
            Ok(Some(run)) if run.ended == Ended::Cancelled => {
                present::say(&format!("stopped; `{} --resume {}` finishes it", context.command("accept"), acceptance.id));
                break;
            }
            Ok(_) => {}
            // What could not be run comes out as not_run and holds the gate; the other scenarios still say what they can.
            Err(error) => present::say(&format!("scenario {} was not run: {error:#}", planned.scenario)),
        }
    }

    if since.is_none() {
        wait_for_window(gate_of(&site, acceptance.phase)?, begun, Duration::from_secs(options.window));
    }
    // The load is the window: what changed between the look before and the one after it is judged too.
    let now = context.inventory(&host.clone().listening(context.listening_time()));
    let looks = Looks { before: Some(since.unwrap_or(inventory)), now, from: context.looked() };
    let stored = Stored::of(&store, &acceptance).with_isolation(&store)?;
    let assessment = Assessment::of_phase(&site, acceptance.phase, &looks, &stored, Some(&acceptance))?;
    let report = folder.join(REPORT);
    let elsewhere = options.scratch.as_ref().map(|folder| format!(" --scratch {}", word(folder))).unwrap_or_default();
    let repeat = context.command(&format!("accept --phase {}{elsewhere}", acceptance.phase.number()));
    assessment.write_report(&report, &repeat)?;
    assessment.answer(context, Some(&report), &repeat)
}

/// Where the gate asks what changed between two looks, nothing can have changed in no time.
fn wait_for_window(gate: &Gate, begun: Instant, window: Duration) {
    let is_asked = |id: &&&str| gate.requires.iter().any(|requirement| requirement.id.as_str() == **id);
    let Some(first) = check::WINDOWS.iter().flat_map(|entry| entry.ids).find(is_asked) else { return };
    let left = window.saturating_sub(begun.elapsed());
    if !left.is_zero() {
        present::say(&format!("waiting {} s: {first} and others ask what changes within {} s", left.as_secs().max(1), window.as_secs()));
        #[allow(clippy::disallowed_methods, reason = "the window is a time in which nothing is done")]
        thread::sleep(left);
    }
}

fn begin(site: &Site, options: &Accept) -> Result<Acceptance> {
    let phase = phase(options.phase)?;
    let gate = gate_of(site, phase)?;
    let now = jiff::Timestamp::now();
    Ok(Acceptance {
        id: run_id("accept", now),
        site: site.digest.clone(),
        policy: policy(site, phase)?,
        site_name: site.name.clone(),
        phase,
        runs: gate.scenarios.iter().map(|scenario| PlannedRun { scenario: scenario.clone(), run: run_id(scenario, now) }).collect(),
    })
}

fn policy(site: &Site, phase: assay_model::phase::Phase) -> Result<String> {
    let text = serde_json::to_string(gate_of(site, phase)?).context("cannot serialise the gate")?;
    Ok(digest([("gate".to_owned(), text.as_str())]))
}

fn resumable(store: &Store, site: &Site, id: &str) -> Result<Acceptance> {
    let found = if id.is_empty() {
        store.acceptances()?.into_iter().find(|acceptance| is_unfinished(store, acceptance))
    } else {
        match store.load(id).with_context(|| Usage("cannot resume".into()))? {
            Content::Acceptance(acceptance) => Some(acceptance),
            Content::Run(_) => return Err(Usage(format!("{id} is a run; `assay run --resume {id}` finishes it")).into()),
        }
    };
    let acceptance = found.ok_or_else(|| Usage(format!("no acceptance below {} is unfinished", store.dir().display())))?;
    if acceptance.site != site.digest || acceptance.policy != policy(site, acceptance.phase)? {
        return Err(
            Usage(format!("acceptance {} was begun under other files of site {}; begin a new one", acceptance.id, acceptance.site_name)).into()
        );
    }
    Ok(acceptance)
}

/// Whether a planned run was not begun or not finished; one that is damaged cannot be.
fn is_unfinished(store: &Store, acceptance: &Acceptance) -> bool {
    acceptance.runs.iter().any(|planned| match store.load(&planned.run) {
        Ok(Content::Run(run)) => matches!(run.ended, Ended::Interrupted | Ended::Cancelled),
        Ok(Content::Acceptance(_)) => false,
        Err(error) => matches!(error, StoreError::Unknown { .. }),
    })
}

/// Makes a planned run, finishes it, or leaves it as it is when it is over.
fn make(store: &Store, machine: &Machine<'_>, planned: &PlannedRun, scratch: &Path, site: &Site, inventory: &Inventory) -> Result<Option<Run>> {
    let path = store.path(&planned.run)?;
    if path.exists() {
        return match store.load(&planned.run)? {
            Content::Run(run) if matches!(run.ended, Ended::Interrupted | Ended::Cancelled) => machine.resume(&path, site).map(Some),
            Content::Run(_) | Content::Acceptance(_) => Ok(None),
        };
    }
    let (scenario, _) = workload::scenario(&planned.scenario)?;
    let plan = workload::plan_for(&scenario, &[scratch.to_owned()], &Permits::default(), &[], site, inventory)?;
    machine.run(&planned.run, &plan).map(Some)
}
