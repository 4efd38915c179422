//! Which checks speak for a gate: those of the inventory, those of the runs of its scenarios, and of other runs only what they found wrong. Each is
//! withheld when what it stands on no longer speaks of the node.

use crate::attr::{Attr, Kind};
use crate::ceiling::Ceiling;
use crate::check::Check;
use crate::component::Value;
use crate::gate::Requirement;
use crate::inventory::Observed;
use crate::judge::figure::Figure;
use crate::judge::{Case, block, drive, fresh, pairs, run};
use crate::limit::{Bound, Limit};
use crate::run::Run;
use crate::verdict::{Rank, Reason};

/// Every check besides the limits.
pub(super) fn checks(case: &Case<'_>, runs: &[&Run]) -> Vec<Check> {
    let stale = case.inventory.and_then(|inventory| fresh::stale_inventory(inventory, case.now, case.gate.max_age_hours));
    let mut checks: Vec<Check> = case.inventory_checks.iter().map(|check| block::withhold(check.clone(), stale.clone())).collect();
    for one in runs {
        let of_run = run::checks(one).into_iter().map(|check| block::withhold(check, stale_run(case, one)));
        checks.extend(of_run.filter(|check| counts(case, one, check)));
        let made = case.run_checks.get(&one.id).into_iter().flatten();
        checks.extend(made.map(|check| block::withhold(check.clone(), stale_run(case, one))));
    }
    // A scenario of the gate that has no run is a hole that another scenario's run must not cover.
    for scenario in case.gate.scenarios.iter().filter(|scenario| !runs.iter().any(|run| run.scenario == **scenario)) {
        checks.extend(run::absent(scenario));
    }
    checks
}

/// The checks of the figures that `limit` bounds. Where no run of the gate's scenarios has one, the figures of other runs are all there is.
pub(super) fn limited(case: &Case<'_>, requirement: &Requirement, limit: &Limit, figures: &[Figure<'_>], ceilings: &[Ceiling]) -> Vec<Check> {
    let identity = block::failed_identity(case);
    // A data sheet speaks of one drive, not of a file or of several drives at once.
    let rated = matches!(limit.bound, Bound::Rated { .. });
    let bounded: Vec<&Figure<'_>> = figures
        .iter()
        .filter(|figure| figure.metric.fact.name == limit.metric && (!rated || drive::is_of_one(figure)) && limit.is_of(&figure.run.scenario))
        .collect();
    let has_own = bounded.iter().any(|figure| is_asked(case, figure.run));
    let judged = bounded.iter().map(|figure| {
        let mut check = run::limit_check(requirement, limit, figure, ceilings, case);
        // What a run says of itself stands in a gate that names its scenario; else it would be lost, and its figure would be believed.
        if !case.gate.scenarios.contains(&figure.run.scenario) && check.verdict.rank() != Rank::Fail {
            check = block::withhold(check, run::doubt(figure.run));
        }
        (*figure, block::withhold(block::withhold(check, stale_run(case, figure.run)), identity.clone()))
    });
    let (spoken_for, mut checks): (Vec<&Figure<'_>>, Vec<Check>) =
        judged.filter(|(figure, check)| !has_own || counts(case, figure.run, check)).unzip();
    checks.extend(unmeasured(case, requirement, limit, &spoken_for));
    checks.extend(unmeasured_drives(case, requirement, limit, &spoken_for));
    checks.extend(unmeasured_pairs(case, requirement, limit, &spoken_for));
    checks
}

/// The nodes of the site, and their pairs, that have no figure where others have one: a run between two nodes says nothing of the third.
fn unmeasured_pairs(case: &Case<'_>, requirement: &Requirement, limit: &Limit, figures: &[&Figure<'_>]) -> Vec<Check> {
    let missing = pairs::unmeasured(case.site, figures).into_iter();
    let check = |pairs::Unmeasured { dimensions, why }| {
        let subject = format!("{}{{{dimensions}}}", limit.metric);
        Check::inconclusive(requirement.id.as_str(), subject, limit.bound.to_string(), Reason::NotRun(why), "no run")
    };
    missing.map(check).collect()
}

/// The drives of the order that have no figure where others have one: the others do not speak for them.
fn unmeasured_drives(case: &Case<'_>, requirement: &Requirement, limit: &Limit, figures: &[&Figure<'_>]) -> Vec<Check> {
    let missing = case.inventory.map(|inventory| drive::unmeasured(case.site, inventory, figures)).unwrap_or_default();
    let check = |drive::Unmeasured { serial, why }| {
        let reason = Reason::NotRun(why);
        Check::inconclusive(requirement.id.as_str(), format!("{}{{serial={serial}}}", limit.metric), limit.bound.to_string(), reason, "no run")
    };
    missing.into_iter().map(check).collect()
}

fn stale_run(case: &Case<'_>, run: &Run) -> Option<Reason> {
    fresh::stale_run(run, case.inventory, case.now, case.gate.max_age_hours)
}

// A scenario that the gate does not ask for may be anything, old or unfinished: it proves nothing for the gate, but a fault that it found is one.
fn counts(case: &Case<'_>, run: &Run, check: &Check) -> bool {
    is_asked(case, run) || check.verdict.rank() == Rank::Fail
}

fn is_asked(case: &Case<'_>, run: &Run) -> bool {
    case.gate.scenarios.is_empty() || case.gate.scenarios.contains(&run.scenario)
}

/// The NUMA nodes that have processors and no figure, where the figures are of NUMA nodes: the others do not speak for them.
fn unmeasured(case: &Case<'_>, requirement: &Requirement, limit: &Limit, figures: &[&Figure<'_>]) -> Vec<Check> {
    const DIMENSION: &str = "numa_node";
    let measured: Option<Vec<&String>> = figures.iter().map(|figure| figure.metric.fact.dimensions.get(DIMENSION)).collect();
    let (Some(measured), Some(Observed::Components(nodes))) = (measured, case.inventory.map(|inventory| inventory.of(Kind::NumaNode))) else {
        return Vec::new();
    };
    if measured.is_empty() {
        return Vec::new();
    }
    let number = |locator: &str| locator.trim_start_matches("node").to_owned();
    let works = |list: &Value| list.as_str().is_none_or(|list| !list.trim().is_empty());
    let nodes = nodes.into_iter().filter(|node| node.value(Attr::CpuList).is_some_and(works)).map(|node| number(&node.locator));
    nodes
        .filter(|node| !measured.contains(&node))
        .map(|node| {
            let reason = Reason::NotRun(format!("NUMA node {node} was not measured"));
            Check::inconclusive(requirement.id.as_str(), format!("{}{{{DIMENSION}={node}}}", limit.metric), limit.bound.to_string(), reason, "no run")
        })
        .collect()
}
