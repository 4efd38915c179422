//! Whole block devices from `/sys/block`. Devices with nothing behind them (unbound loop, nbd and zram devices) and RAM disks are left out;
//! NVMe controllers are in `nvme.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::Probe;
use crate::described::Described;
use crate::host::{Host, HostError, reading_from, unanswered};

/// The probe of block devices.
pub(super) struct Block;

const BLOCK: &str = "/sys/block";
/// `size` counts sectors of 512 bytes, whatever the device's own block size.
pub(super) const SECTOR_BYTES: u64 = 512;

impl Probe for Block {
    fn name(&self) -> &'static str {
        "block"
    }

    fn describe(&self) -> &'static str {
        "Whole block devices, their geometry, partitions and holders, from /sys/block."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Block]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let Some(names) = host.list_or_none(BLOCK)? else { return Err(HostError::SourceMissing(BLOCK.into())) };
        let mut found = Vec::new();
        for name in &names {
            if is_disk(host, name)? {
                found.push(disk(host, name)?);
            }
        }
        Ok(found)
    }
}

fn is_disk(host: &Host, name: &str) -> Result<bool, HostError> {
    let is_ram =
        ["ram", "zram"].iter().any(|ram| name.strip_prefix(ram).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit())));
    // The paths of a multipath NVMe namespace are hidden behind its head, which is listed.
    let is_hidden = host.reading(&format!("{BLOCK}/{name}/hidden")) == Reading::from("1");
    if is_ram || is_hidden {
        return Ok(false);
    }
    let is_empty = host.reading(&format!("{BLOCK}/{name}/size")) == Reading::from("0");
    Ok(!is_empty || host.exists(&format!("{BLOCK}/{name}/device"))?)
}

fn disk(host: &Host, name: &str) -> Result<Component, HostError> {
    let folder = format!("{BLOCK}/{name}");
    let partitions: Vec<String> = host.list(&folder)?.into_iter().filter(|entry| is_partition(name, entry)).collect();
    let (serial_path, serial) = serial(host, &folder);
    let described = Described::new(host, Kind::Block, name, folder.as_str())
        .put(Attr::Name, folder.as_str(), name)
        .text(Attr::Vendor, "device/vendor")
        .text(Attr::Model, "device/model")
        .put(Attr::Serial, serial_path, serial)
        .scaled(Attr::Capacity, "size", SECTOR_BYTES)
        .flag(Attr::Rotational, "queue/rotational")
        .count(Attr::LogicalBlockSize, "queue/logical_block_size")
        .count(Attr::PhysicalBlockSize, "queue/physical_block_size")
        .understood(Attr::Scheduler, "queue/scheduler", scheduler)
        .flag(Attr::ReadOnly, "ro")
        .flag(Attr::Removable, "removable")
        .put(Attr::Holders, format!("{folder}/holders"), holders(host, &folder, &partitions))
        .put(Attr::Partitions, folder.as_str(), crate::described::total(partitions.len()));
    Ok(described.done())
}

/// `sda1`, `nvme0n1p1`, `mmcblk0p2`.
fn is_partition(disk: &str, entry: &str) -> bool {
    let number = entry.strip_prefix(disk).map(|rest| rest.strip_prefix('p').unwrap_or(rest));
    number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

/// NVMe and MMC say it in `device/serial`, virtio in `serial`, SCSI and SATA in VPD page 0x80, whose first four bytes are its header.
fn serial(host: &Host, folder: &str) -> (String, Reading) {
    for file in ["device/serial", "serial"] {
        let path = format!("{folder}/{file}");
        match host.reading(&path) {
            Reading::Absent => {}
            reading @ (Reading::Value(_) | Reading::Unreadable(_)) => return (path, reading),
        }
    }
    let path = format!("{folder}/device/vpd_pg80");
    let page = host.bytes(&path).map(|page| String::from_utf8_lossy(page.get(4..).unwrap_or_default()).trim_matches([' ', '\0']).to_owned());
    let reading = if page.as_deref() == Ok("") { Reading::Absent } else { reading_from(page) };
    (path, reading)
}

/// The one in brackets of `none [mq-deadline] bfq`.
fn scheduler(text: &str) -> Result<Reading, String> {
    let active = text.split_whitespace().find_map(|word| word.strip_prefix('[')?.strip_suffix(']'));
    let only = (!text.contains(char::is_whitespace)).then_some(text);
    active.or(only).map(Reading::from).ok_or_else(|| "none of them is marked as active".into())
}

/// What is stacked on the disk or on one of its partitions.
fn holders(host: &Host, folder: &str, partitions: &[String]) -> Reading {
    let mut all = Vec::new();
    let folders = std::iter::once(folder.to_owned()).chain(partitions.iter().map(|partition| format!("{folder}/{partition}")));
    for folder in folders {
        match host.list_or_none(&format!("{folder}/holders")) {
            Ok(names) => all.extend(names.unwrap_or_default()),
            Err(error) => return unanswered(&error),
        }
    }
    all.sort();
    all.dedup();
    Value::List(all).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(snapshot: &str) -> Vec<Component> {
        Block.probe(&Host::from_snapshot(snapshot).expect("a fixture")).expect("looked")
    }

    #[test]
    fn a_disk_has_geometry_partitions_and_holders() {
        let all = found(
            "
            /sys/block/sda/size: 937703088
            /sys/block/sda/device/vendor: ATA
            /sys/block/sda/device/model: SAMSUNG MZ7LH480
            /sys/block/sda/device/vpd_pg80 bytes: AIAAClM0NUdOWDBSMDE=
            /sys/block/sda/queue/rotational: 0
            /sys/block/sda/queue/logical_block_size: 512
            /sys/block/sda/queue/physical_block_size: 4096
            /sys/block/sda/queue/scheduler: none [mq-deadline] bfq
            /sys/block/sda/ro: 0
            /sys/block/sda/removable: 0
            /sys/block/sda/sda1/partition: 1
            /sys/block/sda/sda3/partition: 3
            /sys/block/sda/sda3/holders list: dm-1 dm-0
            /sys/block/sda/holders list:",
        );
        let disk = &all[0];
        assert_eq!(disk.reading(Attr::Capacity), &480_103_981_056_u64.into());
        assert_eq!(disk.reading(Attr::Serial), &"S45GNX0R01".into());
        assert_eq!(disk.source(Attr::Serial), "/sys/block/sda/device/vpd_pg80");
        assert_eq!(disk.reading(Attr::Scheduler), &"mq-deadline".into());
        assert_eq!(disk.reading(Attr::ReadOnly), &false.into());
        assert_eq!(disk.reading(Attr::Partitions), &2_u64.into());
        assert_eq!(disk.reading(Attr::Holders), &Value::List(vec!["dm-0".into(), "dm-1".into()]).into());
    }

    #[test]
    fn what_has_nothing_behind_it_is_no_disk() {
        let all = found(
            "
            /sys/block/loop0/size: 0
            /sys/block/loop1/size: 2048
            /sys/block/nbd0/size: 0
            /sys/block/ram0/size: 65536
            /sys/block/zram0/size: 65536
            /sys/block/nvme0c0n1/hidden: 1
            /sys/block/nvme0c0n1/size: 100
            /sys/block/nvme0n1/size: 100
            /sys/block/sr0/size: 0
            /sys/block/sr0/device link: ../../../1:0:0:0
            /sys/block/ramdisk/size: 5",
        );
        let names: Vec<&str> = all.iter().map(|disk| disk.locator.as_str()).collect();
        assert_eq!(names, ["loop1", "nvme0n1", "ramdisk", "sr0"]);
    }

    #[test]
    fn absent_and_unreadable_attributes_differ() {
        let all = found("/sys/block/vda/size: 8\n/sys/block/vda/ro error: EIO\n/sys/block/vda/queue/rotational: x\n/sys/block/vda/serial: abc");
        assert_eq!(all[0].reading(Attr::Model), &Reading::Absent);
        assert_eq!(all[0].reading(Attr::Serial), &"abc".into());
        assert!(matches!(all[0].reading(Attr::ReadOnly), Reading::Unreadable(_)));
        assert!(matches!(all[0].reading(Attr::Rotational), Reading::Unreadable(_)));
    }

    #[test]
    fn no_sysfs_is_a_missing_source_and_no_disk_an_empty_list() {
        let ended = |snapshot: &str| Block.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
        assert_eq!(ended("unmentioned: absent"), Err(HostError::SourceMissing(BLOCK.into())));
        assert_eq!(ended("/sys/block list:"), Ok(Vec::new()));
        assert!(ended("/sys/block error: EIO").is_err());
    }
}
