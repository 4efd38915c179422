//! OSDs: whether those of this host are the ordered drives, one on each; where all of them listen, what they are told, and how evenly they are used.

use std::collections::BTreeMap;
use std::net::IpAddr;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::site::declared::{Messenger, Prefix};
use assay_model::verdict::{Reason, Verdict};

use super::super::bom::taken_by;
use super::super::data_pool::DISTRIBUTED;
use super::super::findings::Findings;
use super::super::question::Question;
use super::super::seen::{Seen, count, flag, list, looked, number, text};
use super::{of_cluster, ordered};
use crate::probe::is_host;

pub(in crate::check) const IDENTITY: Question = Question {
    id: "ceph.osd_identity",
    expected: "every ordered data drive of this host below exactly one OSD, and no other device; of the ordered class, not rotating",
};
pub(in crate::check) const NETWORKS: Question =
    Question { id: "ceph.networks", expected: "every address of a monitor, manager and OSD in the declared networks" };
pub(in crate::check) const MEMORY: Question = Question {
    id: "ceph.memory_targets",
    expected: "every OSD of this host told to use at least the declared memory, and the host has as much as all of them",
};
pub(in crate::check) const MESSENGER: Question = Question {
    id: "ceph.messenger",
    expected: "every monitor speaks msgr2, and the messengers of every OSD do with what they carry what is declared",
};
pub(in crate::check) const BALANCE: Question =
    Question { id: "ceph.pg_balance", expected: "OSDs as evenly full, and with as many placement groups, as declared" };
pub(in crate::check) const NO_ZPOOL: Question =
    Question { id: "ceph.no_zpool_on_data", expected: "no device of an imported ZFS pool on a data drive" };

/// What an OSD keeps to that is told nothing (osd_memory_target).
const MEMORY_BY_ITSELF: u64 = 4 << 30;

pub(in crate::check) fn identity(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let Some(ceph) = ordered(site) else { return vec![IDENTITY.absent(site, Kind::CephOsd.name(), "no order says where Ceph lies", "the order")] };
    let osds = match IDENTITY.subjects(inventory, site, Kind::CephOsd) {
        Ok(osds) => osds,
        Err(unasked) => return unasked,
    };
    let drives = match taken_by(inventory, site, &ceph.line) {
        Ok(drives) => drives,
        Err(reason) => {
            return vec![Check::inconclusive(IDENTITY.id, &inventory.host, IDENTITY.expected, reason, looked(inventory, Kind::Nvme))];
        }
    };
    let this_host = match this_host(inventory) {
        Ok(name) => name,
        Err(reason) => {
            return vec![Check::inconclusive(IDENTITY.id, &inventory.host, IDENTITY.expected, reason, looked(inventory, Kind::Os))];
        }
    };
    let mut findings = Findings::default();
    let mut of_drive: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut own = Vec::new();
    // Whether an OSD may be on any drive.
    let mut untold = false;
    for osd in &osds {
        let name = &osd.locator;
        let Some(host) = findings.value(format!("host of {name}"), text(osd, Attr::Hostname)) else {
            untold = true;
            continue;
        };
        if !is_host(host, this_host) {
            continue;
        }
        own.push(*osd);
        findings.expect(format!("device class of {name}"), text(osd, Attr::DeviceClass), &ceph.device_class.as_str());
        if findings.value(format!("answer whether {name} rotates"), flag(osd, Attr::Rotational)) == Some(true) {
            findings.wrong(format!("{name} rotates"));
        }
        let Some(ids) = findings.value(format!("device below {name}"), list(osd, Attr::DeviceIds)) else {
            untold = true;
            continue;
        };
        for id in ids {
            let mut below = Vec::new();
            for drive in &drives {
                if let Some(serial) = findings.value(format!("serial number of {}", drive.locator), text(drive, Attr::Serial))
                    && is_of(id, serial)
                {
                    below.push(drive.locator.as_str());
                }
            }
            match below.as_slice() {
                [drive] => of_drive.entry(drive).or_default().push(name),
                [] => findings.wrong(format!("{name} is on {id}, which is no drive of `{}`", ceph.line)),
                several => findings.unclear(Reason::Invalid(format!("{name} is on {id}, which may be any of {}", several.join(", ")))),
            }
        }
    }
    for drive in &drives {
        match of_drive.get(drive.locator.as_str()).map(Vec::as_slice) {
            Some([_]) => {}
            Some(several) => findings.wrong(format!("{} is below {}", drive.locator, several.join(" and "))),
            None if untold => {}
            None => findings.wrong(format!("{} is below no OSD", drive.locator)),
        }
    }
    if drives.is_empty() {
        findings.unclear(Reason::NotRun(format!("this host has no drive of `{}`", ceph.line)));
    }
    let seen = Seen::across(&own, Attr::DeviceIds)
        .and(Seen::across(&own, Attr::DeviceClass))
        .and(Seen::across(&own, Attr::Rotational))
        .and(Seen::across(&drives, Attr::Serial));
    let verdict = findings.verdict(site, &seen);
    vec![IDENTITY.answer(&inventory.host, &seen, verdict)]
}

/// The name of this host: without it every OSD would seem to be another's.
fn this_host(inventory: &Inventory) -> Result<&str, Reason> {
    let os = inventory.iter(Kind::Os).next();
    let name = os.map_or(Ok(None), |os| text(os, Attr::Hostname))?.map(str::trim).filter(|name| !name.is_empty());
    name.ok_or_else(|| Reason::Unreadable("nothing tells the name of this host, and so which OSDs are its own".into()))
}

/// Whether Ceph's name of a device ends with a serial number, in which it writes `_` for blanks.
fn is_of(id: &str, serial: &str) -> bool {
    let serial = serial.trim().replace(' ', "_");
    !serial.is_empty() && id.strip_suffix(serial.as_str()).is_some_and(|before| before.is_empty() || before.ends_with('_'))
}

pub(in crate::check) fn networks(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let declared = &site.declared.ceph;
    if declared.public_networks.is_empty() {
        return vec![NETWORKS.absent(site, Kind::Ceph.name(), "the site does not declare the networks of Ceph", looked(inventory, Kind::Ceph))];
    }
    let public = declared.public_networks.as_slice();
    let between = if declared.cluster_networks.is_empty() { public } else { declared.cluster_networks.as_slice() };
    of_cluster(&NETWORKS, inventory, site, |cluster, findings| {
        let monitors: Vec<&Component> = inventory.iter(Kind::CephMonitor).collect();
        let osds: Vec<&Component> = inventory.iter(Kind::CephOsd).collect();
        inside(findings, "the active manager", cluster, Attr::ManagerAddresses, public);
        for monitor in &monitors {
            inside(findings, &format!("monitor {}", monitor.locator), monitor, Attr::Addresses, public);
        }
        for osd in listening(findings, &osds) {
            inside(findings, &osd.locator, osd, Attr::PublicAddresses, public);
            inside(findings, &osd.locator, osd, Attr::ClusterAddresses, between);
        }
        if monitors.is_empty() || osds.is_empty() {
            findings.unclear(Reason::NotRun("the cluster has no monitor, or no OSD".into()));
        }
        Seen::of(cluster, &[Attr::ManagerAddresses])
            .and(Seen::across(&monitors, Attr::Addresses))
            .and(Seen::across(&osds, Attr::PublicAddresses))
            .and(Seen::across(&osds, Attr::ClusterAddresses))
    })
}

/// The OSDs that are bound to addresses; where one that is down will listen is open.
fn listening<'a>(findings: &mut Findings, osds: &[&'a Component]) -> Vec<&'a Component> {
    let (down, others): (Vec<&Component>, Vec<&Component>) = osds.iter().partition(|osd| flag(osd, Attr::IsUp) == Ok(Some(false)));
    for osd in down {
        findings.unclear(Reason::NotRun(format!("{} is down and listens nowhere", osd.locator)));
    }
    others
}

fn inside(findings: &mut Findings, who: &str, component: &Component, attr: Attr, networks: &[Prefix]) {
    let Some(addresses) = findings.value(format!("{attr} of {who}"), list(component, attr)) else { return };
    if addresses.is_empty() {
        findings.unclear(Reason::Unreadable(format!("{who} has no {attr}")));
    }
    for told in addresses {
        match address(told) {
            Some(address) if networks.iter().any(|network| network.contains(address)) => {}
            Some(_) => findings.wrong(format!("{who} is bound to {told}")),
            None => findings.unclear(Reason::Invalid(format!("{who}: `{told}` is no address"))),
        }
    }
}

/// The address in `v2:10.6.0.11:3300`, `10.6.0.11:6800` and `[fd00::1]:6800`.
fn address(told: &str) -> Option<IpAddr> {
    let told = told.strip_prefix("v2:").or_else(|| told.strip_prefix("v1:")).unwrap_or(told);
    let address = told.rsplit_once(':')?.0;
    address.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

pub(in crate::check) fn memory_targets(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let Some(least) = site.declared.ceph.memory_target_at_least else {
        return vec![MEMORY.absent(site, Kind::Ceph.name(), "the site does not declare the memory of OSDs", looked(inventory, Kind::Ceph))];
    };
    of_cluster(&MEMORY, inventory, site, |_, findings| {
        let osds = own(inventory, findings);
        let mut all: u64 = 0;
        for osd in &osds {
            match count(osd, Attr::MemoryTarget).map(|target| target.unwrap_or(MEMORY_BY_ITSELF)) {
                Ok(target) => {
                    all = all.saturating_add(target);
                    if target < least {
                        findings.wrong(format!("{} keeps to {target} bytes, at least {least} are declared", osd.locator));
                    }
                }
                Err(reason) => findings.unclear(reason),
            }
        }
        let memory: Vec<&Component> = inventory.iter(Kind::Memory).collect();
        let total = memory.first().map_or(Ok(None), |memory| count(memory, Attr::Total));
        if let Some(total) = findings.value("size of this host's memory", total)
            && all > total
        {
            findings.wrong(format!("the OSDs of this host may use {all} bytes, it has {total}"));
        }
        // What is told nothing has no reading; that it runs is what was seen of it.
        Seen::across(&osds, Attr::MemoryTarget).and(Seen::across(&osds, Attr::IsUp)).and(Seen::across(&memory, Attr::Total))
    })
}

/// The OSDs of this host that run; one that does not tells nothing, and a host without any has nothing to be asked.
fn own<'a>(inventory: &'a Inventory, findings: &mut Findings) -> Vec<&'a Component> {
    let this_host = match this_host(inventory) {
        Ok(name) => name,
        Err(reason) => {
            findings.unclear(reason);
            return Vec::new();
        }
    };
    let mut own = Vec::new();
    for osd in inventory.iter(Kind::CephOsd) {
        let Some(host) = findings.value(format!("host of {}", osd.locator), text(osd, Attr::Hostname)) else { continue };
        if !is_host(host, this_host) {
            continue;
        }
        match findings.value(format!("answer whether {} runs", osd.locator), flag(osd, Attr::IsUp)) {
            Some(true) => own.push(osd),
            Some(false) => findings.unclear(Reason::NotRun(format!("{} is down and tells nothing", osd.locator))),
            None => {}
        }
    }
    if own.is_empty() {
        findings.unclear(Reason::NotRun("no OSD runs on this host".into()));
    }
    own
}

pub(in crate::check) fn messenger(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let Some(declared) = site.declared.ceph.messenger else {
        return vec![MESSENGER.absent(site, Kind::Ceph.name(), "the site does not declare what the messengers do", looked(inventory, Kind::Ceph))];
    };
    of_cluster(&MESSENGER, inventory, site, |_, findings| {
        let monitors: Vec<&Component> = inventory.iter(Kind::CephMonitor).collect();
        let all: Vec<&Component> = inventory.iter(Kind::CephOsd).collect();
        let listening = listening(findings, &all).into_iter().map(|osd| (osd, Attr::PublicAddresses));
        for (daemon, attr) in monitors.iter().map(|monitor| (*monitor, Attr::Addresses)).chain(listening) {
            let Some(addresses) = findings.value(format!("addresses of {}", daemon.locator), list(daemon, attr)) else { continue };
            let speaks = |version: &str| addresses.iter().any(|address| address.starts_with(version));
            if !speaks("v2:") {
                findings.wrong(format!("{} does not speak msgr2", daemon.locator));
            }
            // The first version never encrypts.
            if declared == Messenger::Secure && speaks("v1:") {
                findings.wrong(format!("{} speaks msgr1 too", daemon.locator));
            }
        }
        let osds = own(inventory, findings);
        for osd in &osds {
            if let Some(modes) = findings.value(format!("messenger modes of {}", osd.locator), list(osd, Attr::MessengerModes)) {
                let wrong = modes_wrong(modes, declared);
                if !wrong.is_empty() {
                    findings.wrong(format!("{}: {}", osd.locator, wrong.join(", ")));
                }
            }
        }
        if monitors.is_empty() {
            findings.unclear(Reason::NotRun("the cluster has no monitor".into()));
        }
        Seen::across(&monitors, Attr::Addresses).and(Seen::across(&all, Attr::PublicAddresses)).and(Seen::across(&osds, Attr::MessengerModes))
    })
}

/// By itself each mode is `crc secure`: both are offered, and the first is taken.
fn modes_wrong(set: &[String], declared: Messenger) -> Vec<String> {
    let mut wrong = Vec::new();
    for mode in ["ms_cluster_mode", "ms_service_mode", "ms_client_mode"] {
        let value = set.iter().find_map(|setting| setting.strip_prefix(mode)?.strip_prefix('='));
        let words: Vec<&str> = value.unwrap_or("crc secure").split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let is_right = match declared {
            Messenger::Crc => words.first() == Some(&"crc"),
            // What also offers crc encrypts nothing where the other side prefers that.
            Messenger::Secure => words == ["secure"],
        };
        if !is_right {
            wrong.push(format!("{mode} is {}", words.join(" ")));
        }
    }
    wrong
}

pub(in crate::check) fn balance(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let declared = &site.declared.ceph;
    let (Some([least, most]), Some(deviation_max)) = (declared.placement_groups_per_osd, declared.use_deviation_max) else {
        return vec![BALANCE.absent(site, Kind::Ceph.name(), "the site does not declare how even OSDs are", looked(inventory, Kind::Ceph))];
    };
    of_cluster(&BALANCE, inventory, site, |_, findings| {
        let osds: Vec<&Component> = inventory.iter(Kind::CephOsd).collect();
        let mut shares = Vec::new();
        for osd in &osds {
            if let Some(groups) = findings.value(format!("placement groups of {}", osd.locator), count(osd, Attr::PlacementGroups))
                && !(least..=most).contains(&groups)
            {
                findings.wrong(format!("{} has {groups} placement groups, {least} to {most} are declared", osd.locator));
            }
            let used = findings.value(format!("use of {}", osd.locator), number(osd, Attr::Used));
            let capacity = findings.value(format!("capacity of {}", osd.locator), number(osd, Attr::Capacity));
            match (used, capacity) {
                (Some(_), Some(capacity)) if capacity <= 0.0 => findings.unclear(Reason::Invalid(format!("{} has no capacity", osd.locator))),
                (Some(used), Some(capacity)) => shares.push(used / capacity),
                (_, _) => {}
            }
        }
        if let Some(deviation) = deviation(&shares)
            && deviation > deviation_max
        {
            findings.wrong(format!("how full they are deviates by {deviation:.3}, at most {deviation_max} is declared"));
        }
        if osds.is_empty() {
            findings.unclear(Reason::NotRun("the cluster has no OSD".into()));
        }
        Seen::across(&osds, Attr::PlacementGroups).and(Seen::across(&osds, Attr::Used)).and(Seen::across(&osds, Attr::Capacity))
    })
}

/// Standard deviation of all of them: they are no sample.
fn deviation(shares: &[f64]) -> Option<f64> {
    let number = f64::from(u32::try_from(shares.len()).ok().filter(|number| *number > 0)?);
    let mean = shares.iter().sum::<f64>() / number;
    Some((shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / number).sqrt())
}

pub(in crate::check) fn no_zpool(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let Some(ceph) = ordered(site) else {
        return vec![NO_ZPOOL.absent(site, Kind::PoolDevice.name(), "no order says which drives are Ceph's", "the order")];
    };
    let devices = match inventory.of(Kind::PoolDevice) {
        Observed::Components(devices) => devices,
        Observed::SourceMissing(_) | Observed::Unknown(_) => return NO_ZPOOL.subjects(inventory, site, Kind::PoolDevice).err().unwrap_or_default(),
    };
    let drives = match taken_by(inventory, site, &ceph.line) {
        Ok(drives) => drives,
        Err(reason) => {
            return vec![Check::inconclusive(NO_ZPOOL.id, &inventory.host, NO_ZPOOL.expected, reason, looked(inventory, Kind::Nvme))];
        }
    };
    let mut findings = Findings::default();
    if drives.is_empty() {
        findings.unclear(Reason::NotRun(format!("this host has no drive of `{}`", ceph.line)));
    }
    // Spare room that is spread over a vdev's devices is on no drive of its own.
    for device in devices.iter().filter(|device| text(device, Attr::VdevType) != Ok(Some(DISTRIBUTED))) {
        if let Some(below) = findings.value(format!("drive below {}", device.locator), text(device, Attr::Drive))
            && drives.iter().any(|drive| drive.locator == below)
        {
            findings.wrong(format!("{} is on data drive {below}", device.locator));
        }
    }
    let seen = Seen::across(&devices, Attr::Drive);
    let verdict = if devices.is_empty() && !drives.is_empty() {
        Verdict::pass_on(Seen::across(&drives, Attr::Serial).evidence())
    } else {
        findings.verdict(site, &seen)
    };
    vec![NO_ZPOOL.answer(&inventory.host, &seen, verdict)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_by_the_end_of_its_id() {
        for (id, serial, expected) in [
            ("KIOXIA_KCMYXRUG7T68_63E0A006T5X8", "63E0A006T5X8        ", true),
            ("63E0A006T5X8", "63E0A006T5X8", true),
            ("Micron_7450_A_B", "A B", true),
            ("KIOXIA_KCMYXRUG7T68_163E0A006T5X8", "63E0A006T5X8", false),
            ("KIOXIA_KCMYXRUG7T68_63E0A006T5X8", "", false),
            ("", "63E0A006T5X8", false),
        ] {
            assert_eq!(is_of(id, serial), expected, "{id} {serial}");
        }
    }

    #[test]
    fn addresses_are_taken_with_their_ports_and_protocols() {
        for (told, expected) in [
            ("v2:10.6.0.11:3300", Some("10.6.0.11")),
            ("10.6.0.11:6800", Some("10.6.0.11")),
            ("v1:[fd00::1]:6789", Some("fd00::1")),
            (":/0", None),
            ("", None),
            ("-:0", None),
        ] {
            assert_eq!(address(told), expected.map(|text| text.parse().expect("an address")), "{told}");
        }
    }

    #[test]
    fn modes_are_right_or_wrong_as_the_table_says() {
        let all = |value: &str| ["cluster", "service", "client"].map(|mode| format!("ms_{mode}_mode={value}")).to_vec();
        for (set, crc, secure) in [
            (Vec::new(), true, false),
            (all("secure"), false, true),
            (all("crc"), true, false),
            (all("secure crc"), false, false),
            (all("crc secure"), true, false),
            (all("secure")[..2].to_vec(), false, false),
        ] {
            let is_right = |declared| modes_wrong(&set, declared).is_empty();
            assert_eq!((is_right(Messenger::Crc), is_right(Messenger::Secure)), (crc, secure), "{set:?}");
        }
    }

    #[test]
    fn a_deviation_is_that_of_all() {
        assert_eq!(deviation(&[]), None);
        assert_eq!(deviation(&[0.3]), Some(0.0));
        assert!(deviation(&[0.1, 0.3]).is_some_and(|deviation| (deviation - 0.1).abs() < 1e-12));
    }
}
