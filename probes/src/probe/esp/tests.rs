//! Statuses in the words of proxmox-boot-tool (proxmox-kernel-helper), entries as the specification of UEFI lays them out.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

const TWO: &str = "/etc/kernel/proxmox-boot-uuids:
    |8D5C-1B2F
    |8D5D-77A0
    /dev/disk/by-uuid/8D5C-1B2F link: ../../nvme0n1p2
    /dev/disk/by-uuid/8D5D-77A0 link: ../../nvme1n1p2
    /dev/disk/by-partuuid/12345678-9abc-def0-0102-030405060708 link: ../../nvme0n1p2
    /sys/class/block/nvme0n1p2 link: ../../devices/pci0000:00/0000:00:01.1/0000:01:00.0/nvme/nvme0/nvme0n1/nvme0n1p2
    /sys/class/block/nvme1n1p2 link: ../../devices/pci0000:00/0000:00:01.2/0000:02:00.0/nvme/nvme1/nvme1n1/nvme1n1p2";

const STATUS: &str = "command:proxmox-boot-tool%20status:
    |exit 0
    |Re-executing '/usr/sbin/proxmox-boot-tool' in new private mount namespace..
    |System currently booted with uefi
    |8D5C-1B2F is configured with: uefi (versions: 6.14.11-2-pve, 6.14.8-2-pve)
    |8D5D-77A0 is configured with: uefi (versions: 6.14.11-2-pve, 6.14.8-2-pve), grub (versions: 6.14.11-2-pve)";

fn found(snapshot: &str) -> Result<Vec<Component>, HostError> {
    Esp.probe(&Host::from_snapshot(snapshot).expect("a fixture"))
}

fn list(items: &[&str]) -> Reading {
    Value::List(items.iter().map(|&item| item.to_owned()).collect()).into()
}

#[test]
fn each_esp_tells_its_drive_and_its_kernels() {
    let found = found(&format!("{TWO}\n{STATUS}")).expect("looked");
    assert_eq!(found.iter().map(|esp| esp.locator.as_str()).collect::<Vec<_>>(), ["8D5C-1B2F", "8D5D-77A0"]);
    assert_eq!((found[0].reading(Attr::Drive), found[1].reading(Attr::Drive)), (&"0000:01:00.0".into(), &"0000:02:00.0".into()));
    assert_eq!((found[0].reading(Attr::BootLoaders), found[1].reading(Attr::BootLoaders)), (&list(&["uefi"]), &list(&["uefi", "grub"])));
    assert_eq!(found[0].reading(Attr::BootKernels), &list(&["6.14.11-2-pve", "6.14.8-2-pve"]));
    // Only one of them can be started by either loader.
    assert_eq!(found[1].reading(Attr::BootKernels), &list(&["6.14.11-2-pve"]));
    assert_eq!(found[0].reading(Attr::BootEntries), &Reading::Absent, "a machine without EFI variables");
}

#[test]
fn the_entries_of_the_firmware_are_found_by_their_partition() {
    let partition = [0x78, 0x56, 0x34, 0x12, 0xbc, 0x9a, 0xf0, 0xde, 1, 2, 3, 4, 5, 6, 7, 8];
    let variable = |name: &str, bytes: &[u8]| {
        format!("/sys/firmware/efi/efivars/{name}-8be4df61-93ca-11d2-aa0d-00e098032b8c bytes:\n|{}\n", STANDARD.encode(bytes))
    };
    let order = variable("BootOrder", &[7, 0, 0, 0, 1, 0, 2, 0, 9, 0]);
    let (on, off) = (boot_entry::made_up(1, "Linux Boot Manager", partition), boot_entry::made_up(0, "off", partition));
    let entries = format!("{order}{}{}", variable("Boot0001", &on), variable("Boot0002", &off));
    let found = found(&format!("{TWO}\n{STATUS}\n{entries}")).expect("looked");
    assert_eq!(found[0].reading(Attr::BootEntries), &list(&["Boot0001 Linux Boot Manager"]));
    assert_eq!(found[1].reading(Attr::BootEntries), &list(&[]));
    let torn = Esp.probe(&Host::from_snapshot(&format!("{TWO}\n{STATUS}\n{order}{}", variable("Boot0001", &on[..20]))).expect("a fixture"));
    assert!(matches!(torn.expect("looked")[0].reading(Attr::BootEntries), Reading::Unreadable(_)));
}

#[test]
fn one_that_the_tool_cannot_mount_is_configured_with_nothing() {
    let status = "command:proxmox-boot-tool%20status:\n|exit 0\n|System currently booted with uefi\n|8D5C-1B2F is configured with: ";
    let found = found(&format!("{TWO}\n{status}")).expect("looked");
    assert_eq!((found[0].reading(Attr::BootKernels), found[1].reading(Attr::BootKernels)), (&list(&[]), &list(&[])));
}

#[test]
fn no_tool_no_list_and_a_torn_list_are_told_apart() {
    assert!(matches!(found("unmentioned: absent"), Err(HostError::SourceMissing(_))));
    assert_eq!(found("/etc/kernel/postinst.d/zz list: a"), Ok(Vec::new()));
    assert!(matches!(found("/etc/kernel/proxmox-boot-uuids error: EIO"), Err(HostError::Refused { .. })));
    assert!(matches!(found("/etc/kernel/proxmox-boot-uuids: 8D5C-1B"), Err(HostError::Malformed { .. })));
    for refused in ["command:proxmox-boot-tool%20status error: EACCES", "command:proxmox-boot-tool%20status: exit 1"] {
        let found = found(&format!("{TWO}\n{refused}")).expect("looked");
        assert!(matches!(found[0].reading(Attr::BootKernels), Reading::Unreadable(_)), "{refused}");
    }
    let gone = TWO.replace("/dev/disk/by-uuid/8D5D-77A0 link: ../../nvme1n1p2", "");
    assert_eq!(found(&format!("{gone}\n{STATUS}")).expect("looked")[1].reading(Attr::Drive), &Reading::Absent);
}
