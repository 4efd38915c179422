//! Which checks speak for a gate: those of the inventory, those of the runs of its scenarios, and of other runs only what they found wrong. Each is
//! withheld when what it stands on no longer speaks of the node.

use crate::attr::{Attr, Kind};
use crate::ceiling::Ceiling;
use crate::check::Check;
use crate::component::Value;
use crate::gate::Requirement;
use crate::inventory::Observed;
use crate::judge::figure::Figure;
use crate::judge::{Case, block, fresh, run};
use crate::limit::Limit;
use crate::run::Run;
use crate::verdict::{Rank, Reason};

/// Every check besides the limits.
pub(super) fn checks(case: &Case<'_>, runs: &[&Run]) -> Vec<Check> {
    let stale = case.inventory.and_then(|inventory| fresh::stale_inventory(inventory, case.now, case.gate.max_age_hours));
    let mut checks: Vec<Check> = case.inventory_checks.iter().map(|check| block::withhold(check.clone(), stale.clone())).collect();
    for one in runs {
        let of_run = run::checks(one).into_iter().map(|check| block::withhold(check, stale_run(case, one)));
        checks.extend(of_run.filter(|check| counts(case, one, check)));
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
    let bounded: Vec<&Figure<'_>> = figures.iter().filter(|figure| figure.metric.fact.name == limit.metric).collect();
    let has_own = bounded.iter().any(|figure| is_asked(case, figure.run));
    let judged = bounded.iter().map(|figure| {
        let check = run::limit_check(requirement, limit, figure, ceilings, case.site.absence);
        (figure.run, block::withhold(block::withhold(check, stale_run(case, figure.run)), identity.clone()))
    });
    let mut checks: Vec<Check> = judged.filter(|(run, check)| !has_own || counts(case, run, check)).map(|(_, check)| check).collect();
    checks.extend(unmeasured(case, requirement, limit, &bounded));
    checks
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
