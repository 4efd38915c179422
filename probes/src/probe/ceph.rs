//! The Ceph cluster that the node belongs to, as its monitors and managers tell it: `health detail`, `quorum_status`, `mgr dump`, `osd dump` and more. Every
//! node of a cluster tells the same of it; what lies below the OSDs of this host is held against its drives by the checks. Monitors and the cluster are here,
//! OSDs in `ceph/osd.rs`, pools in `ceph/pool.rs`, placement groups in `ceph/placement.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::Probe;
use crate::host::ceph::answer::{Addresses, Crash, Health, Managers, OsdMap, Quorum, TimeSync, Tree, Versions};
use crate::host::ceph::{CONFIGURATION, CephCommand};
use crate::host::{Host, HostError, unanswered};

mod osd;
mod placement;
mod pool;
#[cfg(test)]
mod tests;

pub(crate) use self::osd::is_host;

/// The probe of Ceph.
pub(super) struct Ceph;

const QUORUM: CephCommand = CephCommand::monitor("quorum_status");
const MANAGERS: CephCommand = CephCommand::monitor("mgr dump");
const OSD_MAP: CephCommand = CephCommand::monitor("osd dump");
const TREE: CephCommand = CephCommand::monitor("osd tree");
const TIME_SYNC: CephCommand = CephCommand::monitor("time-sync-status");
const VERSIONS: CephCommand = CephCommand::monitor("versions");
const CRASHES: CephCommand = CephCommand::manager("crash ls-new");
/// Flags that every OSD map has; nobody has set them.
const INHERENT_FLAGS: &[&str] = &["sortbitwise", "recovery_deletes", "purged_snapdirs", "pglog_hardlimit"];
/// Questions that may each wait for a daemon that does not answer.
const SLOWNESS: u32 = 4;
const NS_PER_SECOND: f64 = 1e9;

impl Probe for Ceph {
    fn name(&self) -> &'static str {
        "ceph"
    }

    fn describe(&self) -> &'static str {
        "The Ceph cluster of the node: health, monitors, managers, OSDs, pools and placement groups, by librados or the program ceph; where /etc/ceph/ceph.conf is."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Ceph, Kind::CephMonitor, Kind::CephOsd, Kind::CephPool]
    }

    fn slowness(&self) -> u32 {
        SLOWNESS
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        if !host.has_ceph()? {
            return Err(HostError::SourceMissing(CONFIGURATION.into()));
        }
        // Whoever does not tell who the monitors are tells nothing else either.
        let quorum: Quorum = host.ceph(&QUORUM)?;
        let map = host.ceph::<OsdMap>(&OSD_MAP);
        let skew = host.ceph::<TimeSync>(&TIME_SYNC);
        let mut found = vec![cluster(host, &quorum, &map)];
        found.extend(quorum.monmap.mons.iter().map(|monitor| {
            let is_in_quorum = quorum.quorum_names.contains(&monitor.name);
            Component::new(Kind::CephMonitor, monitor.name.as_str())
                .with(Attr::InQuorum, source(&QUORUM), is_in_quorum)
                .with(Attr::Addresses, source(&QUORUM), with_protocols(&[&monitor.public_addrs]))
                .with(Attr::ClockSkew, source(&TIME_SYNC), clock_skew(&skew, &monitor.name))
        }));
        let map = map?;
        let tree = host.ceph::<Tree>(&TREE);
        found.extend(osd::osds(host, &map, &tree));
        found.extend(pool::pools(host, &map, &tree));
        Ok(found)
    }
}

fn source(command: &CephCommand) -> String {
    format!("ceph:{command}")
}

fn cluster(host: &Host, quorum: &Quorum, map: &Result<OsdMap, HostError>) -> Component {
    let asked_health = CephCommand::monitor("health").with("detail", "detail");
    let health = host.ceph::<Health>(&asked_health);
    let managers = host.ceph::<Managers>(&MANAGERS);
    let versions = host.ceph::<Versions>(&VERSIONS);
    let crashes = host.ceph::<Vec<Crash>>(&CRASHES);
    let component = Component::new(Kind::Ceph, quorum.monmap.fsid.as_str())
        .with(Attr::Uuid, source(&QUORUM), quorum.monmap.fsid.as_str())
        .with(Attr::Health, source(&asked_health), told(&health, |health| health.status.clone().into()))
        .with(Attr::HealthChecks, source(&asked_health), told(&health, |health| Value::List(raised(health)).into()))
        .with(Attr::HealthMuted, source(&asked_health), told(&health, |health| Value::List(muted(health)).into()))
        .with(Attr::MonitorsInQuorum, source(&QUORUM), Value::List(quorum.quorum_names.clone()))
        .with(Attr::ManagerActive, source(&MANAGERS), told(&managers, active))
        .with(Attr::ManagersStandby, source(&MANAGERS), told(&managers, standbys))
        .with(Attr::ManagerAddresses, source(&MANAGERS), told(&managers, |managers| with_protocols(&[&managers.active_addrs]).into()))
        .with(Attr::OsdFlags, source(&OSD_MAP), told(map, |map| Value::List(set_flags(map)).into()))
        .with(Attr::FullRatio, source(&OSD_MAP), told(map, |map| share(map.full_ratio)))
        .with(Attr::NearfullRatio, source(&OSD_MAP), told(map, |map| share(map.nearfull_ratio)))
        .with(Attr::DaemonVersions, source(&VERSIONS), told(&versions, |versions| Value::List(each(versions)).into()))
        .with(
            Attr::NewCrashes,
            source(&CRASHES),
            told(&crashes, |crashes| {
                Value::List(crashes.iter().map(|crash| format!("{} at {}", crash.entity_name, crash.timestamp)).collect()).into()
            }),
        );
    placement::described(host, component, map)
}

/// The reading of an answer that was perhaps not given.
fn told<T>(answer: &Result<T, HostError>, tell: impl FnOnce(&T) -> Reading) -> Reading {
    match answer {
        Ok(answer) => tell(answer),
        Err(error) => unasked(error),
    }
}

// That a cluster does not know a command is no absence of what it tells.
fn unasked(error: &HostError) -> Reading {
    match unanswered(error) {
        Reading::Absent => Reading::Unreadable("it was not asked".into()),
        reading @ (Reading::Value(_) | Reading::Unreadable(_)) => reading,
    }
}

/// Ratios are kept in four bytes: 0.85 is told as 0.8500000238418579.
fn share(ratio: f64) -> Reading {
    ((ratio * 1e6).round() / 1e6).into()
}

fn raised(health: &Health) -> Vec<String> {
    let is_muted = |code: &str| health.mutes.iter().any(|mute| mute.code == code);
    let raised = health.checks.iter().filter(|(code, check)| !check.muted && !is_muted(code));
    raised.map(|(code, check)| format!("{} {code}: {}", check.severity, check.summary.message)).collect()
}

fn muted(health: &Health) -> Vec<String> {
    let mut codes: Vec<String> = health.mutes.iter().map(|mute| mute.code.clone()).collect();
    codes.extend(health.checks.iter().filter(|(_, check)| check.muted).map(|(code, _)| code.clone()));
    codes.sort();
    codes.dedup();
    codes
}

fn active(managers: &Managers) -> Reading {
    let is_active = managers.available && !managers.active_name.is_empty();
    Value::List(if is_active { vec![managers.active_name.clone()] } else { Vec::new() }).into()
}

fn standbys(managers: &Managers) -> Reading {
    Value::List(managers.standbys.iter().map(|standby| standby.name.clone()).collect()).into()
}

/// Flags beyond those that every map has.
fn set_flags(map: &OsdMap) -> Vec<String> {
    map.flags.split(',').filter(|flag| !flag.is_empty() && !INHERENT_FLAGS.contains(flag)).map(str::to_owned).collect()
}

/// `osd 3 x ceph version 18.2.4 (...) reef (stable)`.
fn each(versions: &Versions) -> Vec<String> {
    let sorts = versions.iter().filter(|(sort, _)| *sort != "overall");
    sorts.flat_map(|(sort, versions)| versions.iter().map(move |(version, count)| format!("{sort} {count} x {version}"))).collect()
}

fn clock_skew(answer: &Result<TimeSync, HostError>, monitor: &str) -> Reading {
    match answer {
        Ok(answer) => match answer.time_skew_status.get(monitor) {
            Some(status) => (status.skew.abs() * NS_PER_SECOND).round().into(),
            // One that is not in quorum is compared with nobody.
            None => Reading::Unreadable("the leader compares no clock with it".into()),
        },
        Err(error) => unasked(error),
    }
}

/// `v2:10.6.0.11:3300`, each once.
fn with_protocols(addresses: &[&Addresses]) -> Value {
    let all = addresses.iter().flat_map(|addresses| &addresses.addrvec);
    let mut all: Vec<String> = all.map(|address| format!("{}:{}", address.protocol, address.addr)).collect();
    all.sort();
    all.dedup();
    Value::List(all)
}
