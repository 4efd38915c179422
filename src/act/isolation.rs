//! `assay isolation`: tries whether guests reach the hosts, from interfaces that the operator has put on the guests' VLANs. What was tried and what came is
//! stored as a run: the gate of the network's phase is judged on the newest.

use std::fmt::Write as _;

use anyhow::Result;
use assay_bench::net::isolation::Vantage;
use assay_model::check::Check;
use assay_model::outcome::{CheckRow, Outcome};
use assay_model::verdict::{Rank, worst};
use assay_reports::printable::Shown;
use assay_scenarios::directory::run_id;
use assay_scenarios::isolation::{self, SCENARIO, Trial};

use super::report::REPORT;
use crate::assessment::Assessment;
use crate::cli::{self, Format};
use crate::context::{Context, Looks, Usage};
use crate::present;
use crate::workload::Machine;

/// Tries, stores, and answers.
pub(crate) fn isolation(context: &Context, options: &cli::Isolation) -> Result<u8> {
    context.require_this_machine("assay isolation")?;
    let site = context.site()?;
    let mut plan = match isolation::plan(&site) {
        Ok(plan) => plan,
        Err(checks) => return refused(context, &checks),
    };
    plan.pace.listen_ns = options.seconds.saturating_mul(1_000_000_000);
    plan.pace.round_every_ns = plan.pace.round_every_ns.min(plan.pace.listen_ns);
    let guests = options.guest.iter().map(|text| vantage(text)).collect::<Result<Vec<_>>>()?;
    let hosts = options.witness.iter().map(|text| vantage(&format!("{}={text}", plan.host_vlan))).collect::<Result<Vec<_>>>()?;
    if let Some(stranger) = guests.iter().find(|guest| !plan.guests.iter().any(|known| known.vlan == guest.vlan)) {
        return Err(Usage(format!("the site declares no guest VLAN {}", stranger.vlan)).into());
    }
    let host = context.host()?;
    let looks = Looks { before: None, now: context.inventory(&host), from: context.looked() };
    let id = run_id(SCENARIO, jiff::Timestamp::now());
    let trial = Trial { site: site.name.clone(), plan, guests, hosts };
    let run = Machine::new(&host, &looks.now, context).isolate(&id, &trial)?;
    for failed in isolation::failed(&run) {
        present::say(&format!("VLAN {} at {}: {}", failed.vantage.vlan, failed.vantage.interface, failed.why));
    }
    let checks = isolation::checks(&run, &site);
    let report = context.runs.join(&id).join(REPORT);
    let repeat = context.command(&words(options));
    let assessment = Assessment::of_run(&site, &looks, run, checks, "the isolation of guests from hosts");
    assessment.write_report(&report, &repeat)?;
    assessment.answer(context, Some(&report), &repeat)
}

fn words(options: &cli::Isolation) -> String {
    let guests = options.guest.iter().map(|guest| format!(" --guest {guest}"));
    let witnesses = options.witness.iter().map(|witness| format!(" --witness {witness}"));
    format!("isolation{} --seconds {}", guests.chain(witnesses).collect::<String>(), options.seconds)
}

/// `VLAN=INTERFACE` or `VLAN=NETNS:INTERFACE`.
fn vantage(text: &str) -> Result<Vantage> {
    let wrong = || Usage(format!("`{text}` is no vantage; expected VLAN=INTERFACE or VLAN=NETNS:INTERFACE"));
    let (vlan, place) = text.split_once('=').ok_or_else(wrong)?;
    let vlan = vlan.parse().ok().filter(|vlan| (1..=4094).contains(vlan)).ok_or_else(wrong)?;
    let (netns, interface) = place.split_once(':').map_or((None, place), |(netns, interface)| (Some(netns.to_owned()), interface));
    if interface.is_empty() || netns.as_ref().is_some_and(String::is_empty) {
        return Err(wrong().into());
    }
    Ok(Vantage { vlan, netns, interface: interface.to_owned() })
}

/// Where the site declares too little to try anything: nothing is stored.
fn refused(context: &Context, checks: &[Check]) -> Result<u8> {
    let verdict = worst(checks.iter().map(|check| check.verdict.rank()));
    let exit_code = match verdict {
        Rank::Pass => 0,
        Rank::Fail => 1,
        Rank::Inconclusive | Rank::NotApplicable => 3,
    };
    if context.format == Format::Json {
        let rows = checks.iter().map(row).collect();
        let outcome =
            Outcome { verdict, exit_code, phase: None, run_id: None, report: None, checks: rows, metrics: Vec::new(), contradictions: Vec::new() };
        present::print_json(&outcome)?;
        return Ok(exit_code);
    }
    let mut out = String::new();
    for check in checks {
        writeln!(out, "{:<14} {} ({}): {}", check.verdict.rank().name(), check.id, Shown::from(&check.subject), Shown::from(check.verdict.reason()))?;
    }
    writeln!(out, "{verdict}: isolation of the guests")?;
    present::print(&present::tame(&out))?;
    Ok(exit_code)
}

fn row(check: &Check) -> CheckRow {
    CheckRow {
        id: check.id.to_string(),
        phase: None,
        severity: None,
        subject: check.subject.clone(),
        verdict: check.verdict.rank(),
        reason: check.verdict.reason(),
        expected: check.expected.clone(),
        observed: check.observed.clone(),
        source: check.source.clone(),
    }
}
