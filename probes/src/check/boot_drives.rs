//! The drives that a node boots from: the pool of its root file system and the EFI system partitions on them.

use std::collections::BTreeSet;

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::site::declared::RootPool;
use assay_model::verdict::{Reason, Verdict};

use super::bom::taken_by;
use super::findings::Findings;
use super::pool::{ONLINE, online, scrubbed};
use super::question::Question;
use super::seen::{Seen, count, list, looked, text};

pub(super) const ROOT_MIRROR: Question =
    Question { id: "zfs.root_mirror", expected: "the root pool is a mirror of exactly the boot drives, online, without errors, scrubbed in time" };
pub(super) const BOTH_DRIVES: Question =
    Question { id: "boot.both_drives", expected: "an ESP on each boot drive, configured with the same kernels, the running one among them" };

pub(super) fn root_mirror(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let Some(declared) = &site.declared.software.root_pool else {
        return vec![ROOT_MIRROR.absent(site, Kind::Pool.name(), "the site declares no root pool", looked(inventory, Kind::Pool))];
    };
    let pools = match inventory.of(Kind::Pool) {
        Observed::Components(pools) => pools,
        Observed::SourceMissing(_) | Observed::Unknown(_) => return ROOT_MIRROR.subjects(inventory, site, Kind::Pool).err().unwrap_or_default(),
    };
    let devices = match inventory.of(Kind::PoolDevice) {
        Observed::Components(devices) => devices,
        Observed::SourceMissing(_) | Observed::Unknown(_) => {
            return ROOT_MIRROR.subjects(inventory, site, Kind::PoolDevice).err().unwrap_or_default();
        }
    };
    let Some(pool) = pools.into_iter().find(|pool| pool.locator == declared.name) else {
        let verdict = Verdict::Fail(format!("there is no pool {}", declared.name));
        return vec![Check::new(ROOT_MIRROR.id, &declared.name, verdict, ROOT_MIRROR.expected, "nothing", looked(inventory, Kind::Pool))];
    };
    let devices: Vec<&Component> = devices.into_iter().filter(|device| text(device, Attr::Pool) == Ok(Some(pool.locator.as_str()))).collect();
    let mut findings = Findings::default();
    of_pool(&mut findings, pool, declared);
    devices.iter().for_each(|device| online(&mut findings, device));
    of_drives(&mut findings, inventory, site, &devices);
    let seen = Seen::of(pool, &[Attr::State, Attr::Layout, Attr::DataErrors, Attr::Scan, Attr::ScrubAge, Attr::ScrubErrors])
        .and(Seen::across(&devices, Attr::State))
        .and(Seen::across(&devices, Attr::Drive));
    let verdict = findings.verdict(site, &seen);
    vec![ROOT_MIRROR.answer(&pool.locator, &seen, verdict)]
}

fn of_pool(findings: &mut Findings, pool: &Component, declared: &RootPool) {
    findings.expect(Attr::State, text(pool, Attr::State), &ONLINE);
    if let Some(layout) = findings.value(Attr::Layout, list(pool, Attr::Layout))
        && layout != [declared.layout.as_str()]
    {
        findings.wrong(format!(
            "it is made of {}, declared is one {}",
            if layout.is_empty() { "nothing".into() } else { layout.join(" and ") },
            declared.layout
        ));
    }
    findings.expect("number of damaged files", count(pool, Attr::DataErrors), &0);
    scrubbed(findings, pool, declared.scrub_max_age_days);
}

/// Whether the devices lie on exactly the boot drives, one on each.
fn of_drives(findings: &mut Findings, inventory: &Inventory, site: &Site, devices: &[&Component]) {
    let drives = match boot_drives(inventory, site) {
        Ok(drives) => drives,
        Err(reason) => return findings.unclear(reason),
    };
    let mut used: Vec<&str> = Vec::new();
    for device in devices {
        let Some(drive) = findings.value(format!("drive below {}", device.locator), text(device, Attr::Drive)) else { return };
        if used.contains(&drive) {
            findings.wrong(format!("{drive} holds two of its devices"));
        }
        if !drives.contains(drive) {
            findings.wrong(format!("{} is on {drive}, which is no boot drive", device.locator));
        }
        used.push(drive);
    }
    for drive in drives.iter().filter(|drive| !used.contains(drive)) {
        findings.wrong(format!("boot drive {drive} is not part of it"));
    }
}

fn boot_drives<'a>(inventory: &'a Inventory, site: &'a Site) -> Result<BTreeSet<&'a str>, Reason> {
    let Some(line) = &site.declared.software.boot_line else {
        return Err(Reason::NotRun("the site does not declare which drives it boots from".into()));
    };
    let drives: BTreeSet<&str> = taken_by(inventory, site, line)?.into_iter().map(|drive| drive.locator.as_str()).collect();
    let ordered = site.bom.iter().flat_map(|bom| bom.lines.iter()).find(|of| of.name == *line).map_or(0, |of| of.quantity);
    // Which of them are the right ones is not for this check to guess.
    if u32::try_from(drives.len()) == Ok(ordered) {
        Ok(drives)
    } else {
        Err(Reason::NotRun(format!("{} of {ordered} drives of the line `{line}` are there", drives.len())))
    }
}

pub(super) fn both_drives(inventory: &Inventory, site: &Site) -> Vec<Check> {
    if site.declared.software.boot_line.is_none() {
        return vec![BOTH_DRIVES.absent(
            site,
            Kind::Esp.name(),
            "the site does not declare which drives it boots from",
            looked(inventory, Kind::Esp),
        )];
    }
    let esps = match inventory.of(Kind::Esp) {
        Observed::Components(esps) => esps,
        Observed::SourceMissing(_) | Observed::Unknown(_) => return BOTH_DRIVES.subjects(inventory, site, Kind::Esp).err().unwrap_or_default(),
    };
    let drives = match boot_drives(inventory, site) {
        Ok(drives) => drives,
        Err(reason) => {
            return vec![Check::inconclusive(BOTH_DRIVES.id, Kind::Esp.name(), BOTH_DRIVES.expected, reason, looked(inventory, Kind::Esp))];
        }
    };
    let running = inventory.iter(Kind::Os).next();
    let running = running.map_or(Ok(None), |os| text(os, Attr::Kernel));
    drives.into_iter().map(|drive| on_drive(inventory, site, &esps, &running, drive)).collect()
}

fn on_drive(inventory: &Inventory, site: &Site, esps: &[&Component], running: &Result<Option<&str>, Reason>, drive: &str) -> Check {
    let here: Vec<&Component> = esps.iter().copied().filter(|esp| text(esp, Attr::Drive) == Ok(Some(drive))).collect();
    let untold = esps.iter().find_map(|esp| text(esp, Attr::Drive).err());
    let [esp] = here.as_slice() else {
        let verdict = match (here.len(), untold) {
            (0, Some(reason)) => Verdict::Inconclusive(reason),
            (0, None) => Verdict::Fail("no ESP on it is configured".into()),
            (several, _) => Verdict::Fail(format!("{several} ESPs on it are configured")),
        };
        return Check::new(BOTH_DRIVES.id, drive, verdict, BOTH_DRIVES.expected, format!("{} ESPs", here.len()), looked(inventory, Kind::Esp));
    };
    let mut findings = Findings::default();
    let kernels = findings.value("list of kernels on its ESP", list(esp, Attr::BootKernels));
    if let Some(kernels) = kernels {
        if kernels.is_empty() {
            findings.wrong(format!("ESP {} is configured with no kernel", esp.locator));
        } else if let Some(running) = findings.value("running kernel", running.clone())
            && kernels.iter().all(|kernel| kernel != running)
        {
            findings.wrong(format!("ESP {} lacks the running kernel {running}", esp.locator));
        }
        let own: BTreeSet<&String> = kernels.iter().collect();
        // One that is gone keeps its place in the list of the boot tool and tells nothing.
        for other in esps.iter().filter(|other| other.locator != esp.locator && matches!(text(other, Attr::Drive), Ok(Some(_)))) {
            let Some(others) = findings.value("list of kernels on the other ESP", list(other, Attr::BootKernels)) else { continue };
            let lacking: Vec<&str> = others.iter().filter(|kernel| !own.contains(kernel)).map(String::as_str).collect();
            if !lacking.is_empty() {
                findings.wrong(format!("ESP {} lacks {}, which {} has", esp.locator, lacking.join(", "), other.locator));
            }
        }
    }
    let seen = Seen::of(esp, &[Attr::Drive, Attr::BootLoaders, Attr::BootKernels, Attr::BootEntries]);
    let verdict = findings.verdict(site, &seen);
    BOTH_DRIVES.answer(drive, &seen, verdict)
}

#[cfg(test)]
mod tests;
