//! The Ceph cluster as a whole: its health, daemons, placement groups, clocks, versions and room. What is ordered of it stands in `[cluster.ceph]` of
//! `bom.toml`, what else is expected in `[ceph]` of `declared.toml`. OSDs and their drives are judged in `ceph/osds.rs`, pools in `ceph/pools.rs`.

use std::collections::{BTreeMap, BTreeSet};

use assay_model::attr::{Attr, Kind};
use assay_model::bom;
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::findings::Findings;
use super::question::{Question, absent};
use super::seen::{Seen, count, flag, list, looked, number, text};
use crate::probe::is_host;

pub(super) mod osds;
pub(super) mod pools;
#[cfg(test)]
mod tests;

pub(super) const FSID: Question = Question { id: "ceph.fsid", expected: "the configuration of Ceph leads to the declared cluster" };
pub(super) const HEALTH: Question = Question { id: "ceph.health", expected: "HEALTH_OK, and no health check muted" };
pub(super) const DAEMONS: Question = Question {
    id: "ceph.daemons",
    expected: "every monitor in quorum, managers as declared, the ordered number of OSDs on each host, all up and in, no flag set on them",
};
pub(super) const PGS_CLEAN: Question = Question { id: "ceph.pgs_clean", expected: "every placement group of every pool active and clean" };
pub(super) const SCRUB: Question =
    Question { id: "ceph.scrub", expected: "no inconsistency, no deep scrub older than declared, scrubbing not switched off" };
pub(super) const CLOCK_SKEW: Question =
    Question { id: "ceph.clock_skew", expected: "the clock of every monitor as near to the leader's as declared" };
pub(super) const CRASHES: Question =
    Question { id: "ceph.crashes", expected: "no crash that nobody has looked at, and no device that Ceph expects to fail" };
pub(super) const VERSIONS: Question = Question { id: "ceph.versions", expected: "monitors, managers and OSDs all run one version" };
pub(super) const CAPACITY: Question = Question { id: "ceph.capacity", expected: "with any one host lost no more is used than the nearfull ratio" };

const HEALTH_OK: &str = "HEALTH_OK";
const SCRUBBING_OFF: [&str; 2] = ["noscrub", "nodeep-scrub"];
const FAILING_DEVICES: &str = "DEVICE_HEALTH";
/// What a daemon runs that has not said so.
const UNKNOWN: &str = "unknown";
const SECONDS_PER_DAY: u64 = 86_400;

pub(super) fn fsid(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let Some(declared) = &site.declared.ceph.fsid else {
        return vec![FSID.absent(site, Kind::Ceph.name(), "the site does not declare which cluster it has", looked(inventory, Kind::Ceph))];
    };
    of_cluster(&FSID, inventory, site, |cluster, findings| {
        findings.expect(Attr::Uuid, text(cluster, Attr::Uuid), &declared.as_str());
        Seen::of(cluster, &[Attr::Uuid])
    })
}

pub(super) fn health(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_cluster(&HEALTH, inventory, site, |cluster, findings| {
        if let Some(muted) = findings.value(Attr::HealthMuted, list(cluster, Attr::HealthMuted))
            && !muted.is_empty()
        {
            findings.wrong(format!("muted: {}", muted.join(", ")));
        }
        let status = findings.value(Attr::Health, text(cluster, Attr::Health));
        let raised = findings.value(Attr::HealthChecks, list(cluster, Attr::HealthChecks));
        match (status, raised) {
            (Some(HEALTH_OK), Some([])) | (None, _) | (_, None) => {}
            (Some(status), Some([])) => findings.wrong(status),
            (Some(_), Some(raised)) => findings.wrong(raised.join("; ")),
        }
        Seen::of(cluster, &[Attr::Health, Attr::HealthChecks, Attr::HealthMuted])
    })
}

pub(super) fn daemons(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_cluster(&DAEMONS, inventory, site, |cluster, findings| {
        let monitors: Vec<&Component> = inventory.iter(Kind::CephMonitor).collect();
        let osds: Vec<&Component> = inventory.iter(Kind::CephOsd).collect();
        of_monitors(findings, site, &monitors);
        of_managers(findings, site, cluster);
        of_osds(findings, site, &osds);
        if let Some(flags) = findings.value(Attr::OsdFlags, list(cluster, Attr::OsdFlags))
            && !flags.is_empty()
        {
            findings.wrong(format!("set on all OSDs: {}", flags.join(", ")));
        }
        Seen::of(cluster, &[Attr::MonitorsInQuorum, Attr::ManagerActive, Attr::ManagersStandby, Attr::OsdFlags])
            .and(Seen::across(&monitors, Attr::InQuorum))
            .and(Seen::across(&osds, Attr::IsUp))
            .and(Seen::across(&osds, Attr::IsIn))
            .and(Seen::across(&osds, Attr::Hostname))
            .and(Seen::across(&osds, Attr::HostBucket))
            .and(Seen::across(&osds, Attr::CrushWeight))
    })
}

fn of_monitors(findings: &mut Findings, site: &Site, monitors: &[&Component]) {
    match site.declared.ceph.monitors {
        Some(declared) if u32::try_from(monitors.len()) != Ok(declared) => {
            findings.wrong(format!("{} monitors are known, {declared} are declared", monitors.len()));
        }
        Some(_) => {}
        None => findings.undeclared(site, "the site does not declare how many monitors there are"),
    }
    for monitor in monitors {
        if findings.value(format!("answer whether monitor {} is in quorum", monitor.locator), flag(monitor, Attr::InQuorum)) == Some(false) {
            findings.wrong(format!("monitor {} is not in quorum", monitor.locator));
        }
    }
}

fn of_managers(findings: &mut Findings, site: &Site, cluster: &Component) {
    let standbys = findings.value(Attr::ManagersStandby, list(cluster, Attr::ManagersStandby));
    let active = findings.value(Attr::ManagerActive, list(cluster, Attr::ManagerActive));
    if active.is_some_and(<[String]>::is_empty) {
        findings.wrong("no manager is active");
    }
    match (site.declared.ceph.managers_at_least, active.zip(standbys)) {
        (Some(declared), Some((active, standbys))) => {
            let known = active.len() + standbys.len();
            if u32::try_from(known).is_ok_and(|known| known < declared) {
                findings.wrong(format!("{known} managers run, at least {declared} are declared"));
            }
        }
        (Some(_), None) => {}
        (None, _) => findings.undeclared(site, "the site does not declare how many managers there are"),
    }
}

fn of_osds(findings: &mut Findings, site: &Site, osds: &[&Component]) {
    for osd in osds {
        for (attr, what) in [(Attr::IsUp, "down"), (Attr::IsIn, "out")] {
            if findings.value(format!("{attr} of {}", osd.locator), flag(osd, attr)) == Some(false) {
                findings.wrong(format!("{} is {what}", osd.locator));
            }
        }
    }
    osds.iter().for_each(|osd| in_place(findings, osd));
    if osds.is_empty() {
        findings.unclear(Reason::NotRun("the cluster has no OSD".into()));
    }
    let Some((nodes, per_node)) = ordered_osds(site) else {
        return findings.undeclared(site, "no order says how many OSDs there are");
    };
    let mut by_host: BTreeMap<&str, u64> = BTreeMap::new();
    for osd in osds {
        let Some(host) = findings.value(format!("host of {}", osd.locator), text(osd, Attr::Hostname)) else { return };
        *by_host.entry(host).or_default() += 1;
    }
    let wanted = nodes.saturating_mul(per_node);
    if u64::try_from(osds.len()) != Ok(wanted) {
        findings.wrong(format!("there are {} OSDs, {wanted} are ordered", osds.len()));
    }
    if u64::try_from(by_host.len()) != Ok(nodes) {
        findings.wrong(format!("they are on {} hosts, {nodes} are ordered", by_host.len()));
    }
    for (host, count) in by_host.iter().filter(|(_, count)| **count != per_node) {
        findings.wrong(format!("{host} has {count} OSDs, {per_node} are ordered"));
    }
}

/// Copies are kept apart by the hosts of the CRUSH map, which somebody may have set otherwise than they are.
fn in_place(findings: &mut Findings, osd: &Component) {
    let name = &osd.locator;
    let host = findings.value(format!("host of {name}"), text(osd, Attr::Hostname));
    match (host, findings.value(format!("place of {name} in the CRUSH map"), list(osd, Attr::HostBucket))) {
        (_, Some([])) => findings.wrong(format!("{name} is on no host of the CRUSH map")),
        (Some(host), Some(buckets)) if !buckets.iter().any(|bucket| is_host(bucket, host)) => {
            findings.wrong(format!("{name} runs on {host}, and the CRUSH map has it on {}", buckets.join(", ")));
        }
        (Some(_) | None, Some(_) | None) => {}
    }
    if let Some(weight) = findings.value(format!("CRUSH weight of {name}"), number(osd, Attr::CrushWeight))
        && weight <= 0.0
    {
        findings.wrong(format!("{name} has CRUSH weight {weight}: nothing is placed on it"));
    }
}

pub(super) fn pgs_clean(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_cluster(&PGS_CLEAN, inventory, site, |cluster, findings| {
        let configured = findings.value(Attr::PlacementGroupsConfigured, count(cluster, Attr::PlacementGroupsConfigured));
        let known = findings.value(Attr::PlacementGroups, count(cluster, Attr::PlacementGroups));
        let states = findings.value(Attr::PlacementGroupStates, list(cluster, Attr::PlacementGroupStates));
        if let (Some(configured), Some(known)) = (configured, known)
            && (known != configured || known == 0)
        {
            findings.wrong(format!("{known} placement groups are known, the pools have {configured}"));
        }
        if let Some(unclean) = findings.value(Attr::PlacementGroupsUnclean, count(cluster, Attr::PlacementGroupsUnclean))
            && unclean > 0
        {
            findings.wrong(format!("{unclean} are not active and clean: {}", states.map_or_else(String::new, |states| states.join(", "))));
        }
        Seen::of(cluster, &[Attr::PlacementGroupsConfigured, Attr::PlacementGroups, Attr::PlacementGroupsUnclean, Attr::PlacementGroupStates])
    })
}

pub(super) fn scrub(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_cluster(&SCRUB, inventory, site, |cluster, findings| {
        if let Some(errors) = findings.value(Attr::ScrubErrors, count(cluster, Attr::ScrubErrors))
            && errors > 0
        {
            findings.wrong(format!("scrubs found {errors} errors"));
        }
        let age = findings.value(Attr::DeepScrubAge, count(cluster, Attr::DeepScrubAge));
        match (site.declared.ceph.deep_scrub_max_age_days, age) {
            (Some(days), Some(age)) if age > u64::from(days) * SECONDS_PER_DAY => {
                findings.wrong(format!("the oldest deep scrub was {} days ago, at most {days} are declared", age / SECONDS_PER_DAY));
            }
            (Some(_), _) => {}
            (None, _) => findings.undeclared(site, "the site does not declare how old a deep scrub may be"),
        }
        if let Some(flags) = findings.value(Attr::OsdFlags, list(cluster, Attr::OsdFlags)) {
            let off: Vec<&str> = flags.iter().map(String::as_str).filter(|flag| SCRUBBING_OFF.contains(flag)).collect();
            if !off.is_empty() {
                findings.wrong(format!("scrubbing is switched off: {}", off.join(", ")));
            }
        }
        Seen::of(cluster, &[Attr::ScrubErrors, Attr::DeepScrubAge, Attr::OsdFlags])
    })
}

pub(super) fn clock_skew(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let Some(limit) = site.declared.ceph.clock_skew_max_ns else {
        return vec![CLOCK_SKEW.absent(
            site,
            Kind::Ceph.name(),
            "the site does not declare how far clocks may be apart",
            looked(inventory, Kind::Ceph),
        )];
    };
    CLOCK_SKEW.each(inventory, site, Kind::CephMonitor, "the cluster has no monitor", |monitor| {
        let seen = Seen::of(monitor, &[Attr::ClockSkew]);
        let verdict = match number(monitor, Attr::ClockSkew) {
            Ok(Some(skew)) => {
                // A limit of nanoseconds is far below 2^53.
                #[allow(clippy::cast_precision_loss, reason = "documented above")]
                let limit = limit as f64;
                if skew > limit {
                    Verdict::Fail(format!("{} ms, at most {} ms are declared", skew / 1e6, limit / 1e6))
                } else {
                    Verdict::pass_on(seen.evidence())
                }
            }
            Ok(None) => absent(site, "nothing is known of its clock"),
            Err(reason) => Verdict::Inconclusive(reason),
        };
        [CLOCK_SKEW.answer(&monitor.locator, &seen, verdict)]
    })
}

pub(super) fn crashes(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_cluster(&CRASHES, inventory, site, |cluster, findings| {
        if let Some(crashes) = findings.value(Attr::NewCrashes, list(cluster, Attr::NewCrashes))
            && !crashes.is_empty()
        {
            findings.wrong(format!("crashed: {}", crashes.join(", ")));
        }
        if let Some(raised) = findings.value(Attr::HealthChecks, list(cluster, Attr::HealthChecks)) {
            let failing: Vec<&str> = raised.iter().map(String::as_str).filter(|check| check.contains(FAILING_DEVICES)).collect();
            if !failing.is_empty() {
                findings.wrong(failing.join("; "));
            }
        }
        Seen::of(cluster, &[Attr::NewCrashes, Attr::HealthChecks])
    })
}

pub(super) fn versions(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_cluster(&VERSIONS, inventory, site, |cluster, findings| {
        if let Some(told) = findings.value(Attr::DaemonVersions, list(cluster, Attr::DaemonVersions)) {
            let lines: Vec<(&str, u64, &str)> = told.iter().filter_map(|line| version(line)).collect();
            let versions: BTreeSet<&str> = lines.iter().map(|(_, _, version)| *version).filter(|version| *version != UNKNOWN).collect();
            if versions.len() > 1 {
                findings.wrong(told.join("; "));
            }
            if lines.len() != told.len() || lines.iter().any(|(_, _, version)| *version == UNKNOWN) {
                findings.unclear(Reason::Unreadable(format!("not every daemon tells its version: {}", told.join("; "))));
            }
            let known = |kind| u64::try_from(inventory.iter(kind).count()).unwrap_or(u64::MAX);
            // A manager is one at least: how many there are is told elsewhere.
            for (sort, known) in [("mon", known(Kind::CephMonitor)), ("mgr", 1), ("osd", known(Kind::CephOsd))] {
                let told: u64 = lines.iter().filter(|(of, _, version)| *of == sort && *version != UNKNOWN).map(|(_, count, _)| count).sum();
                if told == 0 || told < known {
                    findings.unclear(Reason::Unreadable(format!("{told} of {known} {sort} daemons tell their version")));
                }
            }
        }
        Seen::of(cluster, &[Attr::DaemonVersions])
    })
}

/// `osd 36 x ceph version 19.2.3 (...) squid (stable)`.
fn version(line: &str) -> Option<(&str, u64, &str)> {
    let (who, version) = line.split_once(" x ")?;
    let (sort, count) = who.split_once(' ')?;
    Some((sort, count.parse().ok()?, version))
}

/// How full the cluster is when a host is lost. Where more hosts are left than there are copies, its data move to them; else they stay as they are.
pub(super) fn capacity(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_cluster(&CAPACITY, inventory, site, |cluster, findings| {
        let osds: Vec<&Component> = inventory.iter(Kind::CephOsd).collect();
        let seen = Seen::of(cluster, &[Attr::NearfullRatio]).and(Seen::across(&osds, Attr::Used)).and(Seen::across(&osds, Attr::Capacity));
        let nearfull = findings.value(Attr::NearfullRatio, number(cluster, Attr::NearfullRatio));
        if osds.is_empty() {
            findings.unclear(Reason::NotRun("the cluster has no OSD".into()));
        }
        let mut hosts: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for osd in &osds {
            let host = findings.value(format!("host of {}", osd.locator), text(osd, Attr::Hostname));
            let used = findings.value(format!("use of {}", osd.locator), number(osd, Attr::Used));
            let capacity = findings.value(format!("capacity of {}", osd.locator), number(osd, Attr::Capacity));
            let (Some(host), Some(used), Some(capacity), Some(nearfull)) = (host, used, capacity, nearfull) else { return seen };
            if used > capacity * nearfull {
                findings.wrong(format!("{} is {:.1} % full already", osd.locator, 100.0 * used / capacity));
            }
            let of_host = hosts.entry(host).or_default();
            *of_host = (of_host.0 + used, of_host.1 + capacity);
        }
        let Some(copies) = ordered(site).map(|ceph| ceph.size) else {
            findings.undeclared(site, "no order says how many copies there are");
            return seen;
        };
        let (used, capacity) = hosts.values().fold((0.0, 0.0), |sum, host| (sum.0 + host.0, sum.1 + host.1));
        let data_move = hosts.len() > usize::try_from(copies).unwrap_or(usize::MAX);
        for (host, (own_used, own_capacity)) in &hosts {
            let left = if data_move { used } else { used - own_used };
            let room = capacity - own_capacity;
            if let Some(nearfull) = nearfull
                && (room <= 0.0 || left > room * nearfull)
            {
                findings.wrong(format!("without {host} {:.3e} of {:.3e} bytes are used, more than {nearfull} of them", left, room));
            }
        }
        seen
    })
}

/// Asks about Ceph, unless the site has resolved to use another storage: a cluster that is there all the same, and one that is not, are then no matter.
pub(super) fn unless_elsewhere(question: &Question, inventory: &Inventory, site: &Site, ask: fn(&Inventory, &Site) -> Vec<Check>) -> Vec<Check> {
    match site.declared.ceph.when.as_ref().and_then(|when| when.not_here(&site.contradictions)) {
        Some(why) => vec![Check::not_applicable(question.id, Kind::Ceph.name(), question.expected, why, "contradictions.toml")],
        None => ask(inventory, site),
    }
}

/// Asks the one cluster of the node.
fn of_cluster<'a>(question: &Question, inventory: &'a Inventory, site: &Site, ask: impl Fn(&'a Component, &mut Findings) -> Seen<'a>) -> Vec<Check> {
    let clusters = match question.subjects(inventory, site, Kind::Ceph) {
        Ok(clusters) => clusters,
        Err(unasked) => return unasked,
    };
    let of_one = |cluster: &'a Component| {
        let mut findings = Findings::default();
        let seen = ask(cluster, &mut findings);
        let verdict = findings.verdict(site, &seen);
        question.answer(&cluster.locator, &seen, verdict)
    };
    clusters.into_iter().map(of_one).collect()
}

/// What is ordered of Ceph.
fn ordered(site: &Site) -> Option<&bom::Ceph> {
    site.bom.as_ref()?.cluster.as_ref()?.ceph.as_ref()
}

/// Hosts, and OSDs on each: one on every drive of the ordered line.
fn ordered_osds(site: &Site) -> Option<(u64, u64)> {
    let bom = site.bom.as_ref()?;
    let line = &ordered(site)?.line;
    let quantity = bom.lines.iter().find(|of| of.name == *line)?.quantity;
    Some((bom.cluster.as_ref()?.nodes.into(), quantity.into()))
}
