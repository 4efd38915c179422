//! How this node's guests reach a network by their configuration, running or not: interfaces (`net0:`), network cards passed through (`hostpci0:`) and what is handed to
//! QEMU or LXC past Proxmox, from `/etc/pve/qemu-server/*.conf` and `/etc/pve/lxc/*.conf`. What is taken of those files is in `guest/config.rs`, which devices are
//! network cards in `guest/passed.rs`; what runs is in `interface.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use self::config::Said;
use self::passed::Passed;
use super::Probe;
use crate::host::{Host, HostError, malformed, whole};

mod config;
mod passed;

/// The probe of guests' interfaces.
pub(super) struct GuestNic;

/// Where the cluster's file system is mounted.
pub(super) const PVE: &str = "/etc/pve";
const FOLDERS: [&str; 2] = ["qemu-server", "lxc"];

impl Probe for GuestNic {
    fn name(&self) -> &'static str {
        "guest_nic"
    }

    fn describe(&self) -> &'static str {
        "Network interfaces and network cards in the configuration of this node's guests, from /etc/pve/qemu-server and /etc/pve/lxc."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::GuestNic]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        if !host.exists(PVE)? {
            return Err(HostError::SourceMissing(PVE.into()));
        }
        let mut found = Vec::new();
        let mut looked = false;
        for folder in FOLDERS {
            let folder = format!("{PVE}/{folder}");
            let Some(names) = host.list_or_none(&folder)? else { continue };
            looked = true;
            for guest in names.iter().filter_map(|name| name.strip_suffix(".conf")).filter(|guest| whole(guest).is_ok()) {
                let path = format!("{folder}/{guest}.conf");
                let text = match host.excerpt(&path, |text| Ok(config::taken(text))) {
                    // The guest was removed, or moved to another node, since the folder was listed.
                    Err(error) if error.is_absent() => continue,
                    text => text?,
                };
                for option in config::parse(&text).map_err(|reason| HostError::Malformed { path: path.clone(), reason })? {
                    found.extend(components(host, guest, &path, &option.name, &option.said));
                }
            }
        }
        // The folder is there and empty while the file system is not mounted, and that is not a node without guests.
        if looked {
            Ok(found)
        } else {
            Err(HostError::Malformed { path: PVE.into(), reason: "it has no folder of guests: pmxcfs is not mounted".into() })
        }
    }
}

/// What one option gives to a guest: nothing where it passes through what is no network card, and several where it passes several.
fn components(host: &Host, guest: &str, path: &str, name: &str, said: &Said) -> Vec<Component> {
    let named = |more: &str| Component::new(Kind::GuestNic, format!("{guest} {name}{more}"));
    match said {
        Said::Interface(options) => vec![interface(named(""), path, options)],
        Said::Raw(said) => vec![named("").with(Attr::RawNetwork, path, said.as_str())],
        Said::Device(device) => match passed::functions(host, device) {
            Ok(functions) => {
                let cards = functions.into_iter().filter(|function| function.is_network != Ok(false));
                cards.map(|function| card(named(&format!(" {}", function.address)), path, function)).collect()
            }
            Err(why) => vec![named("").with(Attr::PassedThrough, path, Reading::Unreadable(why))],
        },
    }
}

/// `virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=11,trunks=12;20-30`.
fn interface(component: Component, path: &str, options: &str) -> Component {
    let of = |wanted| config::suboption(options, wanted);
    let tag = |tag: &str| whole(tag).map_or_else(|why| malformed(tag, &why), Reading::from);
    let trunks = |trunks: &str| Value::List(trunks.split(';').map(|range| range.trim().to_owned()).collect()).into();
    component
        .with(Attr::Bridge, path, of("bridge").map_or(Reading::Absent, Reading::from))
        .with(Attr::VlanId, path, of("tag").map_or(Reading::Absent, tag))
        .with(Attr::Trunks, path, of("trunks").filter(|text| !text.is_empty()).map_or(Reading::Absent, trunks))
}

fn card(component: Component, path: &str, function: Passed) -> Component {
    let address = match function.is_network {
        Ok(_) => function.address.as_str().into(),
        Err(why) => Reading::Unreadable(format!("{}: {why}", function.address)),
    };
    component.with(Attr::PassedThrough, path, address).with(Attr::Parent, function.source.as_str(), function.parent).with(
        Attr::VlanId,
        function.source,
        function.vlan,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(snapshot: &str) -> Vec<Component> {
        GuestNic.probe(&Host::from_snapshot(snapshot).expect("a fixture")).expect("looked")
    }

    #[test]
    fn interfaces_of_virtual_machines_and_containers_have_bridge_tag_and_trunks() {
        let all = found(
            "
            /etc/pve/qemu-server/100.conf:
              |#a note: net9: bridge=vmbr9
              |boot: order=scsi0;net0
              |name: gateway
              |net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,firewall=1,tag=11
              |net1: virtio=BC:24:11:00:00:02,bridge=vmbr0,trunks=12;20-30
              |
              |[PENDING]
              |net1: virtio=BC:24:11:00:00:02,bridge=vmbr0
              |
              |[before]
              |net0: virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=6
              |parent: x
            /etc/pve/qemu-server/notes.txt: net0: bridge=vmbr0
            /etc/pve/lxc/201.conf:
              |arch: amd64
              |net0: name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:03,ip=dhcp,tag=twelve,type=veth
              |[pve:pending]
              |net0: name=eth0,type=veth",
        );
        let locators: Vec<&str> = all.iter().map(|nic| nic.locator.as_str()).collect();
        assert_eq!(locators, ["100 net0", "100 net1", "100 net1 pending", "201 net0", "201 net0 pending"]);
        assert_eq!(
            (all[0].reading(Attr::Bridge), all[0].reading(Attr::VlanId), all[0].reading(Attr::Trunks)),
            (&"vmbr0".into(), &11_u64.into(), &Reading::Absent)
        );
        assert_eq!(all[1].reading(Attr::Trunks), &Value::List(vec!["12".into(), "20-30".into()]).into());
        assert_eq!((all[2].reading(Attr::VlanId), all[2].reading(Attr::Trunks)), (&Reading::Absent, &Reading::Absent));
        assert!(matches!(all[3].reading(Attr::VlanId), Reading::Unreadable(_)));
        assert_eq!(all[4].reading(Attr::Bridge), &Reading::Absent);
    }

    #[test]
    fn network_cards_and_networks_past_proxmox_are_interfaces_of_guests_and_other_devices_are_not() {
        let all = found(
            "
            /etc/pve/qemu-server/100.conf:
              |args: -netdev user,id=n
              |hostpci0: 61:00.0,pcie=1
              |hostpci1: 84:00.0
              |hostpci2: 99:00.0
              |hostpci3: mapping=none
            /etc/pve/lxc/201.conf:
              |lxc.net.1.type = phys
              |lxc.net.1.link = eth1
            /sys/class/net/eth0/device link: ../../../0000:61:00.0
            /sys/class/net/eth0/device/subsystem link: ../../../../bus/pci
            /sys/bus/pci/devices/0000:61:00.0/class: 0x020000
            /sys/bus/pci/devices/0000:84:00.0/class: 0x030200",
        );
        let locators: Vec<&str> = all.iter().map(|nic| nic.locator.as_str()).collect();
        assert_eq!(locators, ["100 args 1", "100 hostpci0 0000:61:00.0", "100 hostpci2 0000:99:00.0", "100 hostpci3", "201 lxc.net.1"]);
        assert_eq!(all[0].reading(Attr::RawNetwork), &"-netdev user,id=n".into());
        assert_eq!((all[1].reading(Attr::PassedThrough), all[1].reading(Attr::Parent)), (&"0000:61:00.0".into(), &"eth0".into()));
        assert!(all[2..4].iter().all(|nic| matches!(nic.reading(Attr::PassedThrough), Reading::Unreadable(_))));
        assert_eq!(all[4].reading(Attr::RawNetwork), &"type=phys link=eth1".into());
    }

    #[test]
    fn a_node_without_guests_one_that_is_no_hypervisor_and_one_without_its_file_system_are_three_answers() {
        let ended = |snapshot: &str| GuestNic.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
        assert_eq!(ended("/etc/pve/qemu-server list:\n/etc/pve/lxc list:\n/etc/pve/storage.cfg: x"), Ok(Vec::new()));
        assert_eq!(ended("/etc/hostname: a"), Err(HostError::SourceMissing(PVE.into())));
        assert!(matches!(ended("/etc/pve list:"), Err(HostError::Malformed { .. })));
    }

    #[test]
    fn a_configuration_that_cannot_be_read_or_says_a_thing_twice_is_no_guest_without_interfaces() {
        let ended = |snapshot: &str| GuestNic.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
        assert!(ended("/etc/pve/lxc/201.conf error: EACCES").is_err());
        assert!(ended("/etc/pve/lxc error: EIO").is_err());
        assert!(ended("/etc/pve/lxc/201.conf:\n  |net0: bridge=a\n  |net0: bridge=b").is_err());
    }
}
