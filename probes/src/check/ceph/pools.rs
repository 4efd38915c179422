//! Pools: each that is ordered is there, with as many copies in as many places as ordered, and no other.

use assay_model::attr::{Attr, Kind};
use assay_model::bom;
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::site::declared::PoolClass;
use assay_model::verdict::{Reason, Verdict};

use super::super::declared::holding;
use super::super::findings::Findings;
use super::super::question::Question;
use super::super::seen::{Seen, count, list, looked, number, text};
use super::ordered;

pub(in crate::check) const POOLS: Question = Question {
    id: "ceph.pools",
    expected: "the ordered pools and no others, with the ordered copies, classes, shares and quotas, over enough hosts",
};

const JUDGED: &[Attr] = &[
    Attr::PoolType,
    Attr::ReplicaSize,
    Attr::ReplicaMin,
    Attr::FailureDomain,
    Attr::DeviceClass,
    Attr::RuleTargets,
    Attr::AutoscaleMode,
    Attr::TargetRatio,
    Attr::Quota,
    Attr::ObjectQuota,
    Attr::Applications,
];
/// The pool that managers make for themselves, as releases call it.
const OF_MANAGERS: &[&str] = &[".mgr", "device_health_metrics"];
const REPLICATED: &str = "replicated";
/// Ratios are told with fewer digits than they are set with.
const RATIO_TOLERANCE: f64 = 1e-4;

pub(in crate::check) fn pools(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let Some(ceph) = ordered(site) else {
        return vec![POOLS.absent(site, Kind::CephPool.name(), "no order says which pools there are", "the order")];
    };
    // A cluster that was asked and has no pool lacks every ordered one.
    let found = match POOLS.known(inventory, site, Kind::CephPool) {
        Ok(found) => found,
        Err(unasked) => return unasked,
    };
    if ceph.pools.is_empty() {
        return vec![POOLS.absent(site, Kind::CephPool.name(), "no pool is ordered", "the order")];
    }
    let mut answers = Vec::new();
    for (name, ratio) in &ceph.pools {
        answers.push(match found.iter().find(|pool| pool.locator == *name) {
            Some(pool) => {
                let seen = Seen::of(pool, JUDGED);
                let mut findings = Findings::default();
                as_ordered(&mut findings, site, ceph, pool, *ratio);
                let verdict = findings.verdict(site, &seen);
                POOLS.answer(name, &seen, verdict)
            }
            None => Check::new(
                POOLS.id,
                name,
                Verdict::Fail("there is no such pool".into()),
                POOLS.expected,
                "nothing",
                looked(inventory, Kind::CephPool),
            ),
        });
    }
    for pool in found.iter().filter(|pool| !ceph.pools.contains_key(&pool.locator)) {
        let seen = Seen::of(pool, &[Attr::Applications, Attr::PoolType, Attr::ReplicaSize, Attr::ReplicaMin]);
        let mut findings = Findings::default();
        if OF_MANAGERS.contains(&pool.locator.as_str()) {
            copies(&mut findings, ceph, pool);
        } else {
            findings.wrong("nobody ordered this pool");
        }
        let verdict = findings.verdict(site, &seen);
        answers.push(POOLS.answer(&pool.locator, &seen, verdict));
    }
    answers
}

fn copies(findings: &mut Findings, ceph: &bom::Ceph, pool: &Component) {
    findings.expect("sort of pool", text(pool, Attr::PoolType), &REPLICATED);
    findings.expect("number of copies", count(pool, Attr::ReplicaSize), &ceph.size.into());
    findings.expect("min_size", count(pool, Attr::ReplicaMin), &ceph.min_size.into());
}

fn as_ordered(findings: &mut Findings, site: &Site, ceph: &bom::Ceph, pool: &Component, ratio: f64) {
    let declared = &site.declared.ceph;
    copies(findings, ceph, pool);
    let of_pool: Vec<PoolClass> = declared.pool_classes.iter().filter(|decided| decided.pool == pool.locator).cloned().collect();
    match holding(site, &of_pool, |decided| decided.when.as_ref()) {
        Ok(decided) => {
            let ordered = ceph.pool_classes.get(&pool.locator).unwrap_or(&ceph.device_class);
            class(findings, pool, decided.first().map_or(ordered, |decided| &decided.class));
        }
        Err(reason) => findings.unclear(reason),
    }
    match &declared.failure_domain {
        Some(domain) => findings.expect("failure domain", text(pool, Attr::FailureDomain), &domain.as_str()),
        None => findings.unclear(Reason::NotRun("the site does not declare the failure domain".into())),
    }
    if let Some(targets) = findings.value("number of places that its rule can choose", count(pool, Attr::RuleTargets))
        && targets < u64::from(ceph.size)
    {
        findings.wrong(format!("its rule finds {targets} places for {} copies", ceph.size));
    }
    match &declared.autoscale_mode {
        Some(mode) => findings.expect("mode of the autoscaler", text(pool, Attr::AutoscaleMode), &mode.as_str()),
        None => findings.unclear(Reason::NotRun("the site does not declare the mode of the autoscaler".into())),
    }
    match number(pool, Attr::TargetRatio) {
        Ok(Some(told)) if (told - ratio).abs() <= RATIO_TOLERANCE => {}
        Ok(Some(told)) => findings.wrong(format!("its target ratio is {told}, ordered is {ratio}")),
        Ok(None) if ratio == 0.0 => {}
        Ok(None) => findings.wrong(format!("it has no target ratio, ordered is {ratio}")),
        Err(reason) => findings.unclear(reason),
    }
    match (count(pool, Attr::Quota), ceph.quotas.get(&pool.locator)) {
        (Ok(told), ordered) if told == ordered.copied() => {}
        (Ok(told), ordered) => {
            let bytes = |quota: Option<u64>| quota.map_or_else(|| "none".to_owned(), |bytes| format!("{bytes} bytes"));
            findings.wrong(format!("its quota is {}, ordered is {}", bytes(told), bytes(ordered.copied())));
        }
        (Err(reason), _) => findings.unclear(reason),
    }
    match count(pool, Attr::ObjectQuota) {
        Ok(None) => {}
        Ok(Some(objects)) => findings.wrong(format!("it stops at {objects} objects, and nobody ordered that")),
        Err(reason) => findings.unclear(reason),
    }
    match (declared.applications.get(&pool.locator), list(pool, Attr::Applications)) {
        (Some(application), Ok(told)) => {
            let told = told.unwrap_or_default();
            if !told.contains(application) {
                let used_by = if told.is_empty() { "nothing".into() } else { told.join(", ") };
                findings.wrong(format!("it is used by {used_by}, declared is {application}"));
            }
        }
        (Some(_), Err(reason)) => findings.unclear(reason),
        (None, _) => findings.unclear(Reason::NotRun("the site does not declare what it is used by".into())),
    }
}

fn class(findings: &mut Findings, pool: &Component, wanted: &str) {
    match text(pool, Attr::DeviceClass) {
        Ok(Some(selected)) if selected == wanted => {}
        Ok(Some(selected)) => findings.wrong(format!("its rule selects class {selected}, ordered is {wanted}")),
        Ok(None) => findings.wrong(format!("its rule selects devices of any class, ordered is {wanted}")),
        Err(reason) => findings.unclear(reason),
    }
}
