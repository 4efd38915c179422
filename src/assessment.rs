//! A gate judged on what is known now: the site, the node and the stored runs put together. The judging itself is `assay_model::judge`, and pure.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use assay_model::check::Check;
use assay_model::gate::{Decision, Gate, Judgement};
use assay_model::inventory::Inventory;
use assay_model::judge::{self, Case};
use assay_model::phase::Phase;
use assay_model::run::{Acceptance, Run};
use assay_model::site::Site;
use assay_probes::check;
use assay_reports::dossier::Dossier;
use assay_reports::{html, text};
use assay_scenarios::catalog;
use assay_scenarios::isolation;
use assay_scenarios::scenario::Scenario;

use crate::cli::Format;
use crate::context::{Context, Looks, Usage, tool};
use crate::output;
use crate::present;
use crate::stored::Stored;

/// How every HTML report begins.
const REPORT_HEAD: &str = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta http-equiv=\"Content-Security-Policy\"";

/// What a gate was judged on, and the judgement.
pub(crate) struct Assessment<'a> {
    site: &'a Site,
    inventory: &'a Inventory,
    runs: Vec<Run>,
    acceptance: Option<&'a Acceptance>,
    judgement: Judgement,
    asked: String,
    looked: String,
}

/// The gate of a phase, or what phases there are.
pub(crate) fn gate_of(site: &Site, phase: Phase) -> Result<&Gate> {
    site.gates.iter().find(|gate| gate.phase == phase).with_context(|| Usage(format!("site {} has no gate for {phase}", site.name)))
}

/// A phase from its number.
pub(crate) fn phase(number: u8) -> Result<Phase> {
    Phase::try_from(number).map_err(|error| Usage(error.to_string()).into())
}

impl<'a> Assessment<'a> {
    /// Judges the gate of `phase`, the gates of the phases before it first.
    pub(crate) fn of_phase(site: &'a Site, phase: Phase, looks: &'a Looks, stored: &Stored, acceptance: Option<&'a Acceptance>) -> Result<Self> {
        let inventory = &looks.now;
        let of_node = of_node(looks, site);
        let implemented = implemented(site);
        let now = jiff::Timestamp::now();
        let of_isolation = || judge::newest_runs(&stored.runs, Some(inventory)).into_iter().filter(|run| run.scenario == isolation::SCENARIO);
        let run_checks: BTreeMap<String, Vec<Check>> = of_isolation().map(|run| (run.id.clone(), isolation::checks(run, site))).collect();
        let untried = if run_checks.is_empty() { isolation::absent(site) } else { Vec::new() };
        let judged = |gate: &Gate, earlier: &[(Phase, Decision)]| {
            let checks: Vec<Check> = of_node.iter().chain(&untried).cloned().chain(stored.unreadable(gate, &inventory.host)).collect();
            judge::judge(&Case {
                site,
                gate,
                runs: &stored.runs,
                inventory: Some(inventory),
                inventory_checks: &checks,
                run_checks: &run_checks,
                implemented: &implemented,
                earlier,
                now,
            })
        };
        let mut earlier: Vec<(Phase, Decision)> = Vec::new();
        for before in site.gates.iter().filter(|gate| gate.phase < phase) {
            let decision = judged(before, &earlier).decision;
            earlier.push((before.phase, decision));
        }
        let judgement = judged(gate_of(site, phase)?, &earlier);
        // What the report shows is what the gate looked at.
        let mut runs: Vec<Run> = judge::newest_runs(&stored.runs, Some(inventory)).into_iter().cloned().collect();
        runs.sort_by(|a, b| a.started_at.cmp(&b.started_at));
        let asked = format!("{phase} ({})", phase.title());
        Ok(Self { site, inventory, runs, acceptance, judgement, asked, looked: looks.from.clone() })
    }

    /// Judges the node against its order alone: no load, no run, no earlier phase.
    pub(crate) fn of_order(site: &'a Site, looks: &'a Looks) -> Self {
        let inventory = &looks.now;
        // Like a run, a second look is asked for by the gates of phases; here it is judged when there is one.
        let checks = if looks.before.is_some() { of_node(looks, site) } else { check::inventory(inventory, site) };
        let gate = judge::verify_gate(site, &checks);
        let implemented = implemented(site);
        let now = jiff::Timestamp::now();
        let case = Case {
            site,
            gate: &gate,
            runs: &[],
            inventory: Some(inventory),
            inventory_checks: &checks,
            run_checks: &BTreeMap::new(),
            implemented: &implemented,
            earlier: &[],
            now,
        };
        let mut judgement = judge::judge(&case);
        for judged in &mut judgement.judged {
            judged.phase = judge::phase_of(site, &judged.check.id).unwrap_or(judged.phase);
        }
        Self { site, inventory, runs: Vec::new(), acceptance: None, judgement, asked: gate.title, looked: looks.from.clone() }
    }

    /// Checks that were made of one run, judged by themselves.
    pub(crate) fn of_run(site: &'a Site, looks: &'a Looks, run: Run, checks: Vec<Check>, asked: &str) -> Self {
        let judgement = judge::alone(site, checks);
        Self { site, inventory: &looks.now, runs: vec![run], acceptance: None, judgement, asked: asked.to_owned(), looked: looks.from.clone() }
    }

    /// Writes the HTML report.
    pub(crate) fn write_report(&self, path: &Path, repeat: &str) -> Result<()> {
        let page = html::html(&self.dossier(Some(path), repeat)).context("cannot make the report")?;
        output::write_whole(path, REPORT_HEAD, &page)
    }

    /// Prints the answer and gives the exit status.
    pub(crate) fn answer(&self, context: &Context, report: Option<&Path>, repeat: &str) -> Result<u8> {
        let dossier = self.dossier(report, repeat);
        match context.format {
            Format::Json => present::print_json(&dossier.outcome())?,
            Format::Text => present::print(&text::text(&dossier))?,
        }
        Ok(self.judgement.exit_code())
    }

    fn dossier(&self, report: Option<&Path>, repeat: &str) -> Dossier<'_> {
        Dossier {
            judgement: &self.judgement,
            asked: self.asked.clone(),
            site: self.site,
            runs: &self.runs,
            inventory: Some(self.inventory),
            inventory_note: self.looked.clone(),
            acceptance: self.acceptance,
            report: report.map(|path| path.display().to_string()),
            generated_at: jiff::Timestamp::now().to_string(),
            tool: tool(),
            repeat_command: repeat.to_owned(),
        }
    }
}

fn of_node(looks: &Looks, site: &Site) -> Vec<Check> {
    let mut checks = check::inventory(&looks.now, site);
    checks.extend(check::window(looks.before.as_ref(), &looks.now, site));
    checks
}

/// Ids of the checks that code exists for.
pub(crate) fn implemented(site: &Site) -> BTreeSet<String> {
    let of_isolation = isolation::CHECKS.map(str::to_owned);
    check::implemented_ids().into_iter().map(|id| id.to_string()).chain(of_isolation).chain(site.gates.iter().flat_map(limited)).collect()
}

// A limit on a figure that a scenario of the catalogue measures is judged by the model; one on any other figure has nothing behind it yet.
fn limited(gate: &Gate) -> impl Iterator<Item = String> + '_ {
    let families: BTreeSet<String> = catalog::catalog().iter().flat_map(Scenario::families).collect();
    let is_measured = move |name: &str| families.iter().any(|family| name.strip_prefix(family).is_some_and(|rest| rest.starts_with('.')));
    gate.requires
        .iter()
        .filter(move |requirement| requirement.limit.as_ref().is_some_and(|limit| is_measured(&limit.metric.0)))
        .map(|requirement| requirement.id.to_string())
}
