//! The attempt as a run: written down as it goes, with everything that was found as the findings of its step, and judged from there, today and later. A run that
//! was cut off has found nothing, or what it found until then: it never passes.

use std::path::Path;
use std::sync::atomic::Ordering;

use assay_bench::net::isolation::{IsolationFindings, IsolationPlan, Vantage};
use assay_model::check::Check;
use assay_model::journal::Event;
use assay_model::run::{Ended, Recorded, Run, Step, with_evidence};
use assay_model::site::Site;
use assay_model::verdict::{Rank, Reason, Verdict};
use serde::{Deserialize, Serialize};

use super::{attempt, attempt::Attempted, judge, not_run, notes, plan};
use crate::calibration::Stopper;
use crate::directory::RunDirectory;
use crate::error::{ScenarioError, chain};
use crate::runner::{Observer, Progress, Surroundings};

/// Name of the scenario under which attempts are stored.
pub const SCENARIO: &str = "vlan-isolation";
const STEP: &str = "attempt";
const DESCRIBE: &str = "probes from every guest VLAN, with witnesses on the hosts'";

/// What is to be tried, and from where.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// Name of the site whose plan it is.
    pub site: String,
    /// The plan.
    pub plan: IsolationPlan,
    /// Interfaces on the guests' VLANs.
    pub guests: Vec<Vantage>,
    /// Interfaces on the hosts' VLAN.
    pub hosts: Vec<Vantage>,
}

/// What a run has found: the findings of its step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Found {
    /// What was tried.
    pub trial: Trial,
    /// What came of it.
    pub findings: IsolationFindings,
    /// From where nothing could be tried.
    pub failed: Vec<Failed>,
}

/// A vantage that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// Where.
    pub vantage: Vantage,
    /// Why.
    pub why: String,
}

/// Tries, as run `id` below `runs`. Signals end it as Cancelled. Must not be called from inside an async runtime.
pub fn run(runs: &Path, id: &str, trial: &Trial, surroundings: &Surroundings<'_>, observer: &mut Observer<'_>) -> Result<Run, ScenarioError> {
    let plan = serde_json::to_vec_pretty(trial).map_err(|error| ScenarioError::io("plan a trial in", runs)(error.into()))?;
    let (directory, mut writer) = RunDirectory::begin(runs, id, SCENARIO, &plan, vec![STEP.to_owned()], &[], surroundings)?;
    let stopper = Stopper::listen().map_err(ScenarioError::io("listen for signals during", directory.path()))?;
    let total_ms = trial.plan.pace.listen_ns / 1_000_000;
    observer(&Progress::RunStarted { run: id, total_ms });
    observer(&Progress::StepStarted { step: STEP, describe: DESCRIBE });
    let step = || STEP.to_owned();
    writer.append(Event::StepStarted { step: step(), hosts: vec![surroundings.host.clone()] })?;
    writer.append(Event::CountersBefore { step: step(), counters: (surroundings.counters)() })?;
    let tick = &mut |done_ms: u64| observer(&Progress::Tick { done_ms: done_ms.min(total_ms), total_ms });
    let ended = match attempt(&trial.plan, &trial.guests, &trial.hosts, &stopper.stop, tick) {
        Ok(Attempted { findings, failed }) => {
            let failed = failed.iter().map(|(vantage, error)| Failed { vantage: vantage.clone(), why: chain(error) }).collect();
            let found = Found { trial: trial.clone(), findings, failed };
            let findings =
                serde_json::to_value(&found).map_err(|error| ScenarioError::io("write down findings in", directory.path())(error.into()))?;
            writer.append(Event::Findings { step: step(), findings })?;
            for (name, text) in notes::notes(&found) {
                writer.append(Event::Note { step: step(), name, text })?;
            }
            if stopper.stop.load(Ordering::Relaxed) { Ended::Cancelled } else { Ended::Completed }
        }
        Err(error) => Ended::Failed(format!("cannot make a token: {error}")),
    };
    writer.append(Event::CountersAfter { step: step(), counters: (surroundings.counters)() })?;
    writer.append(Event::StepEnded { step: step(), ended: ended.clone() })?;
    observer(&Progress::StepEnded { step: STEP, ended: &ended });
    directory.finish(writer, ended)
}

/// `vlan.isolation` and `vlan.no_flooding` of a run, by what the site says today. A leak stays a leak; everything else is worth only what the run is: whole, made for
/// this site, and of what is declared now.
pub fn checks(run: &Run, site: &Site) -> Vec<Check> {
    let today = match plan(site) {
        Ok(plan) => plan,
        Err(checks) => return checks,
    };
    let none = |reason: &Reason| not_run(&today, reason);
    let Some((step, findings)) = run.steps.iter().find_map(|step| Some((step, step.findings.as_ref()?))) else {
        let why = unfinished(&run.ended).unwrap_or_else(|| Reason::NotRun("nothing was found, and not even that nothing was".to_owned()));
        return of_run(run, None, none(&why));
    };
    let checks = match serde_json::from_value::<Found>(findings.fact.clone()) {
        Ok(found) if found.trial.site != site.name => {
            none(&Reason::Stale(format!("the run was made for site {}, this is {}", found.trial.site, site.name)))
        }
        Ok(found) => judged(&found, &today, run),
        Err(error) => none(&Reason::Unreadable(format!("what was found is not in the form of this version of assay: {error}"))),
    };
    of_run(run, Some((step, findings)), checks)
}

fn judged(found: &Found, today: &IsolationPlan, run: &Run) -> Vec<Check> {
    // What is allowed, and how long is to be listened, is for today to say.
    let then = IsolationPlan { allow: today.allow.clone(), pace: today.pace, ..found.trial.plan.clone() };
    let mut checks = judge(&then, &found.findings);
    let is_of = |check: &Check, vlan: u16| check.subject == super::judge::subject(vlan);
    // Whoever asked for a vantage wanted to know what is seen from there: another one does not speak for it.
    for failed in &found.failed {
        let Vantage { vlan, interface, .. } = &failed.vantage;
        let why = Reason::NotRun(format!("VLAN {vlan} at {interface} was asked for and could not be taken: {}", failed.why));
        let about = |check: &&mut Check| check.verdict.rank() != Rank::Fail && (*vlan == then.host_vlan || is_of(check, *vlan));
        for check in checks.iter_mut().filter(about) {
            check.verdict = Verdict::Inconclusive(why.clone());
        }
    }
    let gone: Vec<u16> = then.guests.iter().map(|guest| guest.vlan).filter(|vlan| !today.guests.iter().any(|guest| guest.vlan == *vlan)).collect();
    checks.retain(|check| check.verdict.rank() == Rank::Fail || !gone.iter().any(|vlan| is_of(check, *vlan)));
    let new = not_run(today, &Reason::NotRun("the VLAN was declared after the run".to_owned()));
    checks.extend(new.into_iter().filter(|check| !then.guests.iter().any(|guest| is_of(check, guest.vlan))));
    let changed = changed(&then, today).map(|what| Reason::Stale(format!("declared.toml says otherwise now than when it was tried: {what}")));
    if let Some(reason) = unfinished(&run.ended).or(changed) {
        for check in checks.iter_mut().filter(|check| check.verdict.rank() != Rank::Fail) {
            check.verdict = Verdict::Inconclusive(reason.clone());
        }
    }
    checks
}

/// The first part of the declaration in which two plans differ.
fn changed(then: &IsolationPlan, now: &IsolationPlan) -> Option<&'static str> {
    let parts = [
        ("host_vlan", then.host_vlan == now.host_vlan),
        ("host_networks", then.host_networks == now.host_networks),
        ("host_probe_addresses", then.host_probes == now.host_probes),
        ("management_services", then.management == now.management),
        ("[[network.protected]] or host_services", then.targets == now.targets),
        ("[[network.guest_vlan]]", then.guests == now.guests),
    ];
    parts.into_iter().find(|(_, is_same)| !is_same).map(|(what, _)| what)
}

fn unfinished(ended: &Ended) -> Option<Reason> {
    match ended {
        Ended::Completed => None,
        Ended::Interrupted => Some(Reason::Interrupted("the run was interrupted".to_owned())),
        Ended::Cancelled => Some(Reason::Interrupted("the run was cancelled".to_owned())),
        Ended::Failed(why) => Some(Reason::Interrupted(format!("the run failed: {why}"))),
    }
}

fn of_run(run: &Run, found: Option<(&Step, &Recorded<serde_json::Value>)>, checks: Vec<Check>) -> Vec<Check> {
    let source = found.map_or_else(|| format!("run {}", run.id), |(step, _)| format!("run {}, step {}", run.id, step.name));
    let events: Vec<_> = found.iter().map(|(_, findings)| findings.event).collect();
    checks.into_iter().map(|check| with_evidence(Check { source: source.clone(), ..check }, events.clone())).collect()
}

/// From where a run could not try anything.
pub fn failed(run: &Run) -> Vec<Failed> {
    let findings = run.steps.iter().filter_map(|step| step.findings.as_ref());
    findings.filter_map(|findings| serde_json::from_value::<Found>(findings.fact.clone()).ok()).flat_map(|found| found.failed).collect()
}

/// The checks where there is no run at all.
pub fn absent(site: &Site) -> Vec<Check> {
    match plan(site) {
        Ok(plan) => not_run(&plan, &Reason::NotRun(format!("there is no run of scenario {SCENARIO}: `assay isolation` makes one"))),
        Err(checks) => checks,
    }
}

#[cfg(test)]
mod tests;
