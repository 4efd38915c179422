//! The ZFS pool of the data drives, where the site chose that for its storage: `[data_pool]` of `declared.toml`. A site that declares none, or that chose
//! another storage, is asked nothing. The pool that the node boots from is judged in `boot_drives.rs`.

use std::collections::{BTreeMap, BTreeSet};

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::site::declared::{DataPool, Draid};
use assay_model::verdict::{Reason, Verdict};

use super::bom::taken_by;
use super::declared::holds;
use super::findings::Findings;
use super::pool::{ONLINE, online, scrubbed, without_errors};
use super::question::Question;
use super::seen::{Seen, count, flag, looked, text};

pub(super) const LAYOUT: Question = Question {
    id: "zfs.data_layout",
    expected: "the data pool is there, made of dRAID vdevs of the declared geometry and of nothing else, trimming as declared",
};
pub(super) const DRIVES: Question =
    Question { id: "zfs.data_drives", expected: "the data pool lies on exactly the drives of the declared line, once on each" };
pub(super) const SPARES: Question =
    Question { id: "zfs.data_spares", expected: "as many distributed spares as the declared geometry has, all of them available" };
pub(super) const ASHIFT: Question =
    Question { id: "zfs.data_ashift", expected: "the smallest block of every vdev of the data pool at least the declared one, and the same on all" };
pub(super) const HEALTH: Question = Question {
    id: "zfs.data_health",
    expected: "the data pool, its vdevs and devices online, without an error counted or a damaged file, and no resilver running",
};
pub(super) const SCRUB: Question =
    Question { id: "zfs.data_scrub", expected: "the last scrub of the data pool found nothing and is no older than declared" };

const NORMAL: &str = "normal";
pub(super) const DISTRIBUTED: &str = "dspare";
const NOTHING_BELOW: &str = "nothing is listed below the pool";

/// The pool that is declared, as it was found.
struct Found<'a> {
    name: &'a str,
    pool: &'a Component,
    vdevs: Vec<&'a Component>,
    devices: Vec<&'a Component>,
}

impl<'a> Found<'a> {
    /// The devices that hold the pool's data, and those that do not tell what they are for; spares, cache and log devices are none of them.
    fn members(&self) -> impl Iterator<Item = &'a Component> {
        let is_beside = |device: &Component| matches!(text(device, Attr::VdevClass), Ok(Some(class)) if class != NORMAL);
        let is_distributed = |device: &Component| text(device, Attr::VdevType) == Ok(Some(DISTRIBUTED));
        self.devices.iter().copied().filter(move |device| !is_beside(device) && !is_distributed(device))
    }

    /// What `zpool` calls a vdev or a device, without the pool's name.
    fn called(&self, component: &'a Component) -> &'a str {
        component.locator.strip_prefix(self.name).map_or(component.locator.as_str(), str::trim_start)
    }
}

/// Asks the pool that is declared. Where it is not there, `missing` says what that means for the question.
fn of_pool(
    question: &Question,
    inventory: &Inventory,
    site: &Site,
    missing: impl Fn(String) -> Verdict,
    ask: impl for<'a> Fn(&DataPool, &Found<'a>, &mut Findings) -> Seen<'a>,
) -> Vec<Check> {
    let looked = || looked(inventory, Kind::Pool);
    let subject = Kind::Pool.name();
    let Some(declared) = &site.declared.data_pool else {
        return vec![Check::not_applicable(question.id, subject, question.expected, "the site declares no data pool", looked())];
    };
    if let Some(when) = &declared.when {
        match holds(site, when) {
            Ok(true) => {}
            Ok(false) => {
                let why = when.not_here(&site.contradictions).unwrap_or_else(|| format!("{} was resolved otherwise", when.contradiction));
                return vec![Check::not_applicable(question.id, subject, question.expected, why, "contradictions.toml")];
            }
            Err(reason) => return vec![Check::inconclusive(question.id, subject, question.expected, reason, looked())],
        }
    }
    let Some(name) = &declared.name else {
        return vec![question.absent(site, subject, "the site does not declare what its data pool is called", looked())];
    };
    let found = |kind| match inventory.of(kind) {
        Observed::Components(found) => Ok(found),
        Observed::SourceMissing(_) | Observed::Unknown(_) => Err(question.subjects(inventory, site, kind).err().unwrap_or_default()),
    };
    let (pools, vdevs, devices) = match (found(Kind::Pool), found(Kind::PoolVdev), found(Kind::PoolDevice)) {
        (Ok(pools), Ok(vdevs), Ok(devices)) => (pools, vdevs, devices),
        (Err(unasked), _, _) | (_, Err(unasked), _) | (_, _, Err(unasked)) => return unasked,
    };
    let Some(pool) = pools.into_iter().find(|pool| pool.locator == *name) else {
        let verdict = missing(format!("there is no pool {name}"));
        return vec![Check::new(question.id, name, verdict, question.expected, "nothing", looked())];
    };
    let is_own = |one: &&Component| text(one, Attr::Pool) == Ok(Some(name.as_str()));
    let (vdevs, devices) = (vdevs.into_iter().filter(is_own).collect(), devices.into_iter().filter(is_own).collect());
    let found = Found { name, pool, vdevs, devices };
    let mut findings = Findings::default();
    let seen = ask(declared, &found, &mut findings);
    let verdict = findings.verdict(site, &seen);
    vec![question.answer(name, &seen, verdict)]
}

/// A pool that is not there is a fault of one check; the others have nothing to look at.
fn open(why: String) -> Verdict {
    Verdict::Inconclusive(Reason::NotRun(why))
}

/// Of a pool that the site names everything is to be declared: what nobody expects proves nothing.
fn undeclared(what: &str) -> Reason {
    Reason::NotRun(what.to_owned())
}

pub(super) fn layout(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_pool(&LAYOUT, inventory, site, Verdict::Fail, |declared, found, findings| {
        match &declared.draid {
            Some(draid) => as_declared(findings, found, draid),
            None => findings.unclear(undeclared("the site does not declare how the data pool is made")),
        }
        for device in &found.devices {
            let class = findings.value(format!("class of {}", device.locator), text(device, Attr::VdevClass));
            let is_distributed = text(device, Attr::VdevType) == Ok(Some(DISTRIBUTED));
            if let Some(class @ ("cache" | "spare")) = class
                && !is_distributed
            {
                findings.wrong(format!("nobody declared the {class} device {}", found.called(device)));
            }
        }
        if let Some(wanted) = declared.autotrim
            && let Some(trims) = findings.value("answer whether it trims by itself", flag(found.pool, Attr::Autotrim))
            && trims != wanted
        {
            findings.wrong(format!(
                "it {} by itself, declared is that it {}",
                if trims { "trims" } else { "does not trim" },
                if wanted { "does" } else { "does not" }
            ));
        }
        let seen = Seen::of(found.pool, &[Attr::Layout, Attr::Autotrim]).and(Seen::across(&found.vdevs, Attr::VdevType));
        [Attr::Parity, Attr::GroupData, Attr::Children, Attr::DistributedSpares]
            .into_iter()
            .fold(seen, |seen, attr| seen.and(Seen::across(&found.vdevs, attr)))
    })
}

fn as_declared(findings: &mut Findings, found: &Found<'_>, draid: &Draid) {
    let mut vdevs: u32 = 0;
    // Whether there may be more of them.
    let mut untold = false;
    for vdev in &found.vdevs {
        let name = found.called(vdev);
        match findings.value(format!("class of {name}"), text(vdev, Attr::VdevClass)) {
            Some(NORMAL) => vdevs = vdevs.saturating_add(1),
            Some(class) => {
                findings.wrong(format!("nobody declared the {class} vdev {name}"));
                continue;
            }
            None => {
                untold = true;
                continue;
            }
        }
        match findings.value(format!("type of {name}"), text(vdev, Attr::VdevType)) {
            Some("draid") => {}
            Some(other) => {
                findings.wrong(format!("{name} is a {other}, declared is {draid}"));
                continue;
            }
            None => continue,
        }
        for (attr, what, wanted) in [
            (Attr::Parity, "parity", draid.parity),
            (Attr::GroupData, "number of data devices in a group", draid.data),
            (Attr::Children, "number of devices", draid.children),
            (Attr::DistributedSpares, "number of distributed spares", draid.spares),
        ] {
            findings.expect(format!("{what} of {name}"), count(vdev, attr), &wanted.into());
        }
    }
    if found.vdevs.is_empty() {
        findings.unclear(Reason::NotRun(NOTHING_BELOW.into()));
    } else if vdevs != draid.vdevs && !untold {
        findings.wrong(format!("it has {vdevs} vdevs for data, {} are declared", draid.vdevs));
    }
}

pub(super) fn drives(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_pool(&DRIVES, inventory, site, open, |declared, found, findings| {
        let members: Vec<&Component> = found.members().collect();
        match &declared.line {
            Some(line) => on_line(findings, inventory, site, found, &members, line),
            None => findings.unclear(undeclared("the site does not declare which drives the data pool lies on")),
        }
        Seen::across(&members, Attr::Drive)
    })
}

fn on_line(findings: &mut Findings, inventory: &Inventory, site: &Site, found: &Found<'_>, members: &[&Component], line: &str) {
    let drives = match taken_by(inventory, site, line) {
        Ok(drives) => drives,
        Err(reason) => return findings.unclear(reason),
    };
    let ordered = site.bom.iter().flat_map(|bom| bom.lines.iter()).find(|of| of.name == *line).map_or(0, |of| of.quantity);
    // Which of them are the right ones is not for this check to guess.
    if u32::try_from(drives.len()) != Ok(ordered) {
        findings.unclear(Reason::NotRun(format!("{} of {ordered} drives of the line `{line}` are there", drives.len())));
    }
    let boot = site.declared.software.boot_line.as_ref().and_then(|line| taken_by(inventory, site, line).ok()).unwrap_or_default();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    // Whether a device may be on any drive.
    let mut untold = members.is_empty();
    for device in members {
        let name = found.called(device);
        if text(device, Attr::VdevType) == Ok(Some("file")) {
            findings.wrong(format!("{name} is a file"));
            continue;
        }
        let Some(drive) = findings.value(format!("drive below {name}"), text(device, Attr::Drive)) else {
            untold = true;
            continue;
        };
        if !used.insert(drive) {
            findings.wrong(format!("{drive} holds two of its devices"));
        }
        if boot.iter().any(|boot| boot.locator == drive) {
            findings.wrong(format!("{name} is on boot drive {drive}"));
        } else if !drives.iter().any(|of| of.locator == drive) {
            findings.wrong(format!("{name} is on {drive}, which is no drive of `{line}`"));
        }
    }
    for drive in drives.iter().filter(|drive| !untold && !used.contains(drive.locator.as_str())) {
        findings.wrong(format!("{} is not part of it", drive.locator));
    }
    if members.is_empty() {
        findings.unclear(Reason::NotRun(NOTHING_BELOW.into()));
    }
}

pub(super) fn spares(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_pool(&SPARES, inventory, site, open, |declared, found, findings| {
        let mut spares: Vec<&Component> = Vec::new();
        let mut untold = found.devices.is_empty();
        for device in &found.devices {
            match findings.value(format!("type of {}", device.locator), text(device, Attr::VdevType)) {
                Some(DISTRIBUTED) => spares.push(device),
                Some(_) => {}
                None => untold = true,
            }
        }
        if found.devices.is_empty() {
            findings.unclear(Reason::NotRun(NOTHING_BELOW.into()));
        }
        match &declared.draid {
            Some(draid) => {
                let wanted = u64::from(draid.spares) * u64::from(draid.vdevs);
                if u64::try_from(spares.len()) != Ok(wanted) && !untold {
                    findings.wrong(format!("{} distributed spares are listed, {wanted} are declared", spares.len()));
                }
            }
            None => findings.unclear(undeclared("the site does not declare how many distributed spares there are")),
        }
        for spare in &spares {
            let name = found.called(spare);
            match findings.value(format!("state of {name}"), text(spare, Attr::State)) {
                Some("AVAIL") | None => {}
                Some("INUSE") => findings.wrong(format!("{name} is in use in the place of {}", replaced(found, spare))),
                Some(state) => findings.wrong(format!("{name} is {state}")),
            }
        }
        Seen::across(&spares, Attr::State).and(Seen::across(&spares, Attr::StandsInFor)).and(Seen::across(&found.vdevs, Attr::DistributedSpares))
    })
}

/// The device that a spare is in the place of, and the drive that this one is on.
fn replaced(found: &Found<'_>, spare: &Component) -> String {
    let Ok(Some(path)) = text(spare, Attr::StandsInFor) else { return "a device that is not told".into() };
    let device = found.devices.iter().find(|device| found.called(device) == path);
    match device.map(|device| text(device, Attr::Drive)) {
        Some(Ok(Some(drive))) => format!("{path} on {drive}"),
        Some(Ok(None) | Err(_)) | None => path.to_owned(),
    }
}

pub(super) fn ashift(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_pool(&ASHIFT, inventory, site, open, |declared, found, findings| {
        if declared.ashift_at_least.is_none() {
            findings.unclear(undeclared("the site does not declare how small the blocks of its data pool may be"));
        }
        let least = declared.ashift_at_least.map_or(0, u64::from);
        let mut told: BTreeMap<u64, Vec<&str>> = BTreeMap::new();
        let mut untold: Vec<&str> = Vec::new();
        for vdev in &found.vdevs {
            let name = found.called(vdev);
            match count(vdev, Attr::Ashift) {
                Ok(Some(shift)) => {
                    told.entry(shift).or_default().push(name);
                    if shift < least {
                        findings.wrong(format!("{name} has ashift {shift}, at least {least} is declared"));
                    }
                }
                // A vdev has at least what each of its devices has.
                Ok(None) | Err(_) if devices_have(found, name, least) => untold.push(name),
                Ok(None) => findings.unclear(Reason::Unreadable(format!("{name} has no ashift"))),
                Err(reason) => findings.unclear(reason),
            }
        }
        if told.len() > 1 {
            let each: Vec<String> = told.iter().map(|(shift, names)| format!("{shift} on {}", names.join(", "))).collect();
            findings.wrong(format!("they differ in ashift: {}", each.join("; ")));
        }
        if found.vdevs.len() > 1 && !untold.is_empty() {
            findings.unclear(Reason::Unreadable(format!("{} do not tell their ashift, only their devices do: they may differ", untold.join(", "))));
        }
        if found.vdevs.is_empty() {
            findings.unclear(Reason::NotRun(NOTHING_BELOW.into()));
        }
        Seen::across(&found.vdevs, Attr::Ashift).and(Seen::across(&found.devices, Attr::Ashift))
    })
}

/// Whether all devices of a vdev tell, and none has less.
fn devices_have(found: &Found<'_>, vdev: &str, least: u64) -> bool {
    let mut own = found
        .devices
        .iter()
        .filter(|device| text(device, Attr::Vdev) == Ok(Some(vdev)) && text(device, Attr::VdevType) != Ok(Some(DISTRIBUTED)))
        .peekable();
    own.peek().is_some() && own.all(|device| matches!(count(device, Attr::Ashift), Ok(Some(shift)) if shift >= least))
}

pub(super) fn health(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_pool(&HEALTH, inventory, site, open, |_, found, findings| {
        findings.expect(Attr::State, text(found.pool, Attr::State), &ONLINE);
        without_errors(findings, found.pool);
        findings.expect("number of damaged files", count(found.pool, Attr::DataErrors), &0);
        if findings.value(Attr::Scan, text(found.pool, Attr::Scan)) == Some("resilver scanning") {
            findings.wrong("a resilver is running");
        }
        for vdev in &found.vdevs {
            // Of a dRAID vdev some releases tell no state: what is wrong with it, the pool's and its devices' say too.
            match text(vdev, Attr::State) {
                Ok(Some(ONLINE) | None) => {}
                Ok(Some(state)) => findings.wrong(format!("{} is {state}", vdev.locator)),
                Err(reason) => findings.unclear(reason),
            }
            without_errors(findings, vdev);
            if findings.value(format!("sequential resilver of {}", vdev.locator), text(vdev, Attr::Rebuild)) == Some("active") {
                findings.wrong(format!("a sequential resilver of {} is running", found.called(vdev)));
            }
        }
        // Spares have states of their own.
        let counting: Vec<&Component> = found.devices.iter().copied().filter(|device| text(device, Attr::VdevClass) != Ok(Some("spare"))).collect();
        counting.iter().for_each(|device| online(findings, device));
        if counting.is_empty() {
            findings.unclear(Reason::NotRun(NOTHING_BELOW.into()));
        }
        Seen::of(found.pool, &[Attr::State, Attr::ReadErrors, Attr::WriteErrors, Attr::ChecksumErrors, Attr::DataErrors, Attr::Scan])
            .and(Seen::across(&found.vdevs, Attr::Rebuild))
            .and(Seen::across(&counting, Attr::State))
            .and(Seen::across(&counting, Attr::ChecksumErrors))
    })
}

pub(super) fn scrub(inventory: &Inventory, site: &Site) -> Vec<Check> {
    of_pool(&SCRUB, inventory, site, open, |declared, found, findings| {
        match declared.scrub_max_age_days {
            Some(days) => scrubbed(findings, found.pool, days),
            None => findings.unclear(undeclared("the site does not declare how old a scrub of the data pool may be")),
        }
        Seen::of(found.pool, &[Attr::Scan, Attr::ScrubAge, Attr::ScrubErrors])
    })
}

#[cfg(test)]
mod tests;
