//! Whether evidence still speaks of this node: of the newest run of each scenario, young enough, on this host and on these components.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::attr::{Attr, Kind};
use crate::component::{Component, Reading};
use crate::inventory::Inventory;
use crate::run::Run;
use crate::verdict::Reason;

/// What makes a component this one and no other. A driver's settings and everything that changes by itself are left out.
const IDENTITY: &[Attr] = &[
    Attr::Vendor,
    Attr::Model,
    Attr::Serial,
    Attr::PartNumber,
    Attr::Firmware,
    Attr::Uuid,
    Attr::Family,
    Attr::ModelNumber,
    Attr::Stepping,
    Attr::Microcode,
    Attr::Populated,
    Attr::Capacity,
    Attr::PciId,
    Attr::PciSubsystem,
    Attr::Mac,
];

/// The newest run of each scenario, by scenario. Runs of this host go before those of others, which are shown only where it has none.
pub(super) fn newest<'a>(runs: &'a [Run], inventory: Option<&Inventory>) -> Vec<&'a Run> {
    let mut newest: BTreeMap<&str, &Run> = BTreeMap::new();
    let own = |run: &Run| inventory.is_some_and(|inventory| run.hosts.contains(&inventory.host));
    // A start that cannot be read sorts first: it never hides a run whose start can.
    let rank = |run: &Run| (own(run), run.started_at.parse::<Timestamp>().ok(), run.id.clone());
    for run in runs {
        let kept = newest.entry(&run.scenario).or_insert(run);
        if rank(run) > rank(kept) {
            *kept = run;
        }
    }
    newest.into_values().collect()
}

/// Why a run no longer, or not yet, speaks of the node.
pub(super) fn stale_run(run: &Run, inventory: Option<&Inventory>, now: Timestamp, max_age_hours: u32) -> Option<Reason> {
    let begun = out_of_time("the run", &run.started_at, now, u32::MAX);
    let ended = || out_of_time("the run", &run.ended_at, now, max_age_hours);
    let other = || match inventory {
        None => Some("there is no inventory of the node to compare with".to_owned()),
        Some(inventory) => other_node(run, inventory),
    };
    begun.or_else(ended).or_else(other).map(Reason::Stale)
}

/// Why the inventory no longer, or not yet, speaks of the node.
pub(super) fn stale_inventory(inventory: &Inventory, now: Timestamp, max_age_hours: u32) -> Option<Reason> {
    out_of_time("the inventory", &inventory.taken_at, now, max_age_hours).map(Reason::Stale)
}

fn out_of_time(what: &str, at: &str, now: Timestamp, max_age_hours: u32) -> Option<String> {
    let Ok(then) = at.parse::<Timestamp>() else { return Some(format!("the time of {what} cannot be read: `{at}`")) };
    let age = now.duration_since(then);
    if age.is_negative() {
        Some(format!("{what} is of {at}, which is yet to come"))
    } else if age > SignedDuration::from_hours(i64::from(max_age_hours)) {
        Some(format!("{what} is of {at}, more than {max_age_hours} h ago"))
    } else {
        None
    }
}

fn other_node(run: &Run, inventory: &Inventory) -> Option<String> {
    if !run.hosts.contains(&inventory.host) {
        return Some(format!("the run is of {}, the node is {}", run.hosts.join(", "), inventory.host));
    }
    match &run.inventory {
        Some(recorded) => changed(&recorded.fact, inventory),
        // Without an inventory of its own a run is of these components only while the machine was not restarted.
        None if run.boot_ids.last() == Some(&inventory.boot_id) => None,
        None => Some("the run recorded no inventory, and the node was restarted since".to_owned()),
    }
}

/// What differs between the components of two inventories; the first few differences.
fn changed(then: &Inventory, now: &Inventory) -> Option<String> {
    let (before, after) = (identities(then), identities(now));
    let mut differences = Vec::new();
    for (at, old) in &before {
        match after.get(at) {
            None => differences.push(format!("{} {} is gone", at.0, at.1)),
            Some(new) => differences.extend(compare(*at, old, new)),
        }
    }
    differences.extend(after.keys().filter(|at| !before.contains_key(*at)).map(|(kind, locator)| format!("{kind} {locator} is new")));
    let more = differences.len().saturating_sub(3);
    let shown = differences.into_iter().take(3).collect::<Vec<_>>().join(", ");
    match (shown.is_empty(), more) {
        (true, _) => None,
        (false, 0) => Some(format!("the node is not the one of the run: {shown}")),
        (false, more) => Some(format!("the node is not the one of the run: {shown} and {more} more")),
    }
}

fn compare(at: (Kind, &str), old: &Component, new: &Component) -> Option<String> {
    let attr = IDENTITY.iter().find(|attr| old.reading(**attr) != new.reading(**attr))?;
    let shown = |reading: &Reading| match reading {
        Reading::Value(value) => value.to_string(),
        Reading::Absent => "none".to_owned(),
        Reading::Unreadable(_) => "unreadable".to_owned(),
    };
    Some(format!("{} {} {attr} was {}, is {}", at.0, at.1, shown(old.reading(*attr)), shown(new.reading(*attr))))
}

fn identities(inventory: &Inventory) -> BTreeMap<(Kind, &str), &Component> {
    let known = inventory.components.iter().filter(|component| has_identity(component));
    known.map(|component| ((component.kind, component.locator.as_str()), component)).collect()
}

fn has_identity(component: &Component) -> bool {
    match component.kind {
        Kind::Board | Kind::Cpu | Kind::MemoryArray | Kind::Dimm | Kind::Pci | Kind::Nvme | Kind::Nic | Kind::Gpu => true,
        // Loop devices and volumes come and go; a drive has a serial number.
        Kind::Block => component.value(Attr::Serial).is_some(),
        // What the management controller says; it may be out of reach in one of the two looks.
        Kind::Bmc
        | Kind::BmcHost
        | Kind::BmcPort
        | Kind::BmcCpu
        | Kind::BmcDimm
        | Kind::BmcFirmware
        | Kind::BmcSensor
        | Kind::BmcLog
        | Kind::BmcLogEntry => false,
        Kind::Psu | Kind::Fan | Kind::Redundancy | Kind::BiosSetting => false,
        Kind::NumaNode
        | Kind::Memory
        | Kind::Edac
        | Kind::EdacDimm
        | Kind::Os
        | Kind::Clock
        | Kind::Thermal
        | Kind::Throttle
        | Kind::MachineCheck
        | Kind::Bond
        | Kind::BondMember
        | Kind::Package
        | Kind::Subscription
        | Kind::Ceph
        | Kind::CephMonitor
        | Kind::CephOsd
        | Kind::CephPool
        | Kind::Account
        | Kind::Realm
        | Kind::Repository
        | Kind::SshKey
        | Kind::SshServer
        | Kind::Neighbour
        | Kind::Esp
        | Kind::PoolDevice
        | Kind::PoolVdev
        | Kind::Pool
        | Kind::Firewall
        | Kind::GuestNic
        | Kind::Interface => false,
    }
}
