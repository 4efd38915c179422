//! On which drive a device node lies: by its link in `/dev/disk` and its place in `/sys/class/block`.

use assay_model::component::Reading;

use crate::described::last_step;
use crate::host::{Host, HostError, unanswered};

const BLOCK: &str = "/sys/class/block";

/// The PCI address of the NVMe controller, or the name of the disk; absent when the device is not there.
pub(super) fn drive_of(host: &Host, device: &str) -> Reading {
    match found(host, device) {
        Ok(drive) => drive.into(),
        Err(error) => unanswered(&error),
    }
}

fn found(host: &Host, device: &str) -> Result<String, HostError> {
    let name = last_step(if device.starts_with("/dev/disk/") { host.link(device)? } else { device.to_owned() });
    let place = host.link(&format!("{BLOCK}/{name}"))?;
    let steps: Vec<&str> = place.split('/').filter(|step| !step.is_empty()).collect();
    let before = |step: &str, offset: isize| {
        let at = steps.iter().rposition(|other| *other == step)?.checked_add_signed(offset)?;
        steps.get(at).copied()
    };
    if let Some(address) = before("nvme", -1).filter(|step| is_pci_address(step)) {
        return Ok(address.to_owned());
    }
    // A drive that may have several paths hangs below its subsystem; the way over one of them is the way to it.
    if let Some(subsystem) = before("nvme-subsystem", 1) {
        return over_subsystem(host, subsystem).map(|address| address.unwrap_or(name));
    }
    Ok(before("block", 1).map_or(name, str::to_owned))
}

/// The address of the only controller of a subsystem; none of one with several, or of one that is not on PCIe.
fn over_subsystem(host: &Host, subsystem: &str) -> Result<Option<String>, HostError> {
    let folder = format!("/sys/class/nvme-subsystem/{subsystem}");
    let is_controller =
        |name: &&String| name.strip_prefix("nvme").is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    let names = host.list(&folder)?;
    let mut addresses = Vec::new();
    for name in names.iter().filter(is_controller) {
        let address = host.read(&format!("/sys/class/nvme/{name}/address"))?;
        addresses.push(address.trim().to_owned());
    }
    Ok(if let [address] = addresses.as_slice() { Some(address.clone()).filter(|address| is_pci_address(address)) } else { None })
}

fn is_pci_address(step: &str) -> bool {
    let is_hex = |text: &str, length: usize| text.len() == length && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let parts: Vec<&str> = step.split([':', '.']).collect();
    matches!(parts.as_slice(), [domain, bus, device, function] if domain.len() >= 4 && is_hex(domain, domain.len()) && is_hex(bus, 2) && is_hex(device, 2) && is_hex(function, 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drive(snapshot: &str, device: &str) -> Reading {
        drive_of(&Host::from_snapshot(snapshot).expect("a fixture"), device)
    }

    #[test]
    fn a_partition_of_a_drive_leads_to_its_controller() {
        let node = "/dev/disk/by-id/nvme-Micron_7450_MTFDKBA480TFR_23244A1B2C3D-part3 link: ../../nvme0n1p3
            /sys/class/block/nvme0n1p3 link: ../../devices/pci0000:00/0000:00:01.1/0000:01:00.0/nvme/nvme0/nvme0n1/nvme0n1p3";
        for device in ["/dev/disk/by-id/nvme-Micron_7450_MTFDKBA480TFR_23244A1B2C3D-part3", "/dev/nvme0n1p3"] {
            assert_eq!(drive(node, device), "0000:01:00.0".into(), "{device}");
        }
        let sata = "/sys/class/block/sda3 link: ../../devices/pci0000:00/0000:00:17.0/ata1/host0/target0:0:0/0:0:0:0/block/sda/sda3";
        assert_eq!(drive(sata, "/dev/sda3"), "sda".into());
    }

    #[test]
    fn a_drive_of_several_possible_paths_is_found_over_its_only_one() {
        let node = "/sys/class/block/nvme0n1p3 link: ../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1/nvme0n1p3
            /sys/class/nvme/nvme0/address: 0000:01:00.0
            /sys/class/nvme/nvme1/address: 0000:02:00.0\n";
        let one = format!("{node}/sys/class/nvme-subsystem/nvme-subsys0 list: nvme0 nvme0n1 subsysnqn");
        assert_eq!(drive(&one, "/dev/nvme0n1p3"), "0000:01:00.0".into());
        let two = format!("{node}/sys/class/nvme-subsystem/nvme-subsys0 list: nvme0 nvme1 nvme0n1 subsysnqn");
        assert_eq!(drive(&two, "/dev/nvme0n1p3"), "nvme0n1p3".into());
    }

    #[test]
    fn a_device_that_is_gone_is_on_no_drive_and_one_that_may_not_be_followed_is_unreadable() {
        assert_eq!(drive("unmentioned: absent", "/dev/disk/by-id/nvme-gone-part3"), Reading::Absent);
        assert!(matches!(drive("/dev/disk/by-id/nvme-x-part3 error: EACCES", "/dev/disk/by-id/nvme-x-part3"), Reading::Unreadable(_)));
    }
}
