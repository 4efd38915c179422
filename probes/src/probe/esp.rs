//! EFI system partitions that `proxmox-boot-tool` keeps, from its list `/etc/kernel/proxmox-boot-uuids`. What is on them only the tool tells without a
//! mount of our own; what the firmware would start stands in EFI variables, read in `esp/boot_entry.rs`.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use self::boot_entry::BootEntry;
use super::Probe;
use super::drive::drive_of;
use crate::described::last_step;
use crate::host::{Host, HostError, unanswered};

mod boot_entry;

/// The probe of EFI system partitions.
pub(super) struct Esp;

const KERNEL: &str = "/etc/kernel";
const UUIDS: &str = "/etc/kernel/proxmox-boot-uuids";
const STATUS: [&str; 2] = ["proxmox-boot-tool", "status"];

impl Probe for Esp {
    fn name(&self) -> &'static str {
        "esp"
    }

    fn describe(&self) -> &'static str {
        "EFI system partitions of the boot tool: drive, kernels and the firmware's entries, from /etc/kernel, proxmox-boot-tool status and EFI variables."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Esp]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let Some(uuids) = host.read_or_none(UUIDS)? else {
            return if host.exists(KERNEL)? { Ok(Vec::new()) } else { Err(HostError::SourceMissing(UUIDS.into())) };
        };
        let uuids: Vec<&str> = uuids.lines().map(str::trim).filter(|uuid| !uuid.is_empty()).collect();
        if let Some(torn) = uuids.iter().find(|uuid| !is_volume_id(uuid)) {
            let reason = format!("`{}` is no volume id of an ESP", torn.chars().take(20).collect::<String>());
            return Err(HostError::Malformed { path: UUIDS.into(), reason });
        }
        if uuids.is_empty() {
            return Ok(Vec::new());
        }
        let configured = host.command_stdout(&STATUS).map(|text| parse(&text));
        let entries = boot_entry::active(host);
        Ok(uuids.iter().map(|uuid| esp(host, uuid, &configured, &entries)).collect())
    }
}

/// A boot loader and the kernels that it can start.
type Loader = (String, Vec<String>);
/// What is on each ESP.
type Configured = BTreeMap<String, Vec<Loader>>;

fn esp(host: &Host, uuid: &str, configured: &Result<Configured, HostError>, entries: &Result<Vec<BootEntry>, HostError>) -> Component {
    let device = format!("/dev/disk/by-uuid/{uuid}");
    let source = STATUS.join(" ");
    let of = |list: fn(&[Loader]) -> Vec<String>| match configured {
        // The tool leaves out what it cannot mount, and says of one without a loader that it is configured with nothing.
        Ok(configured) => Value::List(configured.get(uuid).map(|on| list(on)).unwrap_or_default()).into(),
        Err(error) => unanswered(error),
    };
    Component::new(Kind::Esp, uuid)
        .with(Attr::Drive, device.as_str(), drive_of(host, &device))
        .with(Attr::BootLoaders, source.as_str(), of(|on| on.iter().map(|(loader, _)| loader.clone()).collect()))
        .with(Attr::BootKernels, source.as_str(), of(kernels))
        .with(Attr::BootEntries, boot_entry::FOLDER, led_to(host, &device, entries))
}

/// The kernels that every loader of an ESP can start.
fn kernels(on: &[Loader]) -> Vec<String> {
    let Some((_, first)) = on.first() else { return Vec::new() };
    first.iter().filter(|kernel| on.iter().all(|(_, kernels)| kernels.contains(kernel))).cloned().collect()
}

/// The names of the firmware's entries that lead to the partition.
fn led_to(host: &Host, device: &str, entries: &Result<Vec<BootEntry>, HostError>) -> Reading {
    let entries = match entries {
        Ok(entries) => entries,
        Err(error) => return unanswered(error),
    };
    let partition = match host.link(device) {
        Ok(target) => last_step(target),
        Err(error) => return unanswered(&error),
    };
    let leads_here = |entry: &&BootEntry| {
        let target = entry.partition.as_ref().and_then(|guid| host.link(&format!("/dev/disk/by-partuuid/{guid}")).ok());
        target.is_some_and(|target| last_step(target) == partition)
    };
    Value::List(entries.iter().filter(leads_here).map(|entry| entry.name.clone()).collect()).into()
}

/// `8D5C-1B2F is configured with: uefi (versions: 6.14.11-2-pve, 6.14.8-2-pve), grub (versions: ...)`
fn parse(text: &str) -> Configured {
    let line = |line: &str| {
        let (uuid, loaders) = line.trim().split_once(" is configured with:")?;
        let loaders = loaders.split("),").filter_map(|part| {
            let (loader, versions) = part.trim().trim_end_matches(')').split_once(" (versions:")?;
            let versions = versions.split(',').map(str::trim).filter(|version| !version.is_empty()).map(str::to_owned).collect();
            Some((loader.trim().to_owned(), versions))
        });
        Some((uuid.trim().to_owned(), loaders.collect()))
    };
    text.lines().filter_map(line).collect()
}

/// `8D5C-1B2F`: of a file system of type vfat.
fn is_volume_id(text: &str) -> bool {
    let is_half = |half: &str| half.len() == 4 && half.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.split_once('-').is_some_and(|(first, second)| is_half(first) && is_half(second))
}

#[cfg(test)]
mod tests;
