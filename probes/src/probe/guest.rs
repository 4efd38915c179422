//! Network interfaces in the configuration of this node's guests, running or not: the `net0:` lines of `/etc/pve/qemu-server/*.conf` and `/etc/pve/lxc/*.conf`.
//! Nothing else of those files is read. What runs is in `interface.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::Probe;
use crate::host::{Host, HostError, malformed, whole};

/// The probe of guests' interfaces.
pub(super) struct GuestNic;

/// Where the cluster's file system is mounted.
pub(super) const PVE: &str = "/etc/pve";
const FOLDERS: [&str; 2] = ["qemu-server", "lxc"];
/// The sections of what is to be changed at the next start: of a virtual machine, of a container. Others are old states.
const PENDING: [&str; 2] = ["[PENDING]", "[pve:pending]"];

impl Probe for GuestNic {
    fn name(&self) -> &'static str {
        "guest_nic"
    }

    fn describe(&self) -> &'static str {
        "Network interfaces in the configuration of this node's guests, from /etc/pve/qemu-server and /etc/pve/lxc."
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
                let text = match host.lines(&path, "net*") {
                    // The guest was removed, or moved to another node, since the folder was listed.
                    Err(error) if error.is_absent() => continue,
                    text => text?,
                };
                let nics = parse(&text).map_err(|reason| HostError::Malformed { path: path.clone(), reason })?;
                found.extend(nics.into_iter().map(|nic| nic.component(guest, &path)));
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

/// One `netN:` line.
#[derive(Debug, PartialEq)]
struct Nic {
    /// `net0`, or `net0 pending`.
    name: String,
    bridge: Reading,
    tag: Reading,
    trunks: Reading,
}

impl Nic {
    fn component(self, guest: &str, path: &str) -> Component {
        Component::new(Kind::GuestNic, format!("{guest} {}", self.name))
            .with(Attr::Bridge, path, self.bridge)
            .with(Attr::VlanId, path, self.tag)
            .with(Attr::Trunks, path, self.trunks)
    }
}

fn parse(text: &str) -> Result<Vec<Nic>, String> {
    let mut nics: Vec<Nic> = Vec::new();
    let (mut is_now, mut is_pending) = (true, false);
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            (is_now, is_pending) = (false, PENDING.contains(&line));
            continue;
        }
        let Some((key, value)) = line.split_once(':').filter(|_| is_now || is_pending) else { continue };
        if key.strip_prefix("net").is_none_or(|number| whole(number).is_err()) {
            continue;
        }
        let nic = nic(if is_pending { format!("{key} pending") } else { key.to_owned() }, value);
        if nics.iter().any(|other| other.name == nic.name) {
            return Err(format!("{} is there twice", nic.name));
        }
        nics.push(nic);
    }
    Ok(nics)
}

/// `virtio=BC:24:11:00:00:01,bridge=vmbr0,tag=11,trunks=12;20-30`.
fn nic(name: String, value: &str) -> Nic {
    let of = |wanted: &str| {
        let mut options = value.split(',').filter_map(|option| option.trim().split_once('='));
        options.find(|(option, _)| *option == wanted).map(|(_, value)| value.trim())
    };
    let tag = |tag: &str| whole(tag).map_or_else(|why| malformed(tag, &why), Reading::from);
    let trunks = |trunks: &str| Value::List(trunks.split(';').map(|range| range.trim().to_owned()).collect()).into();
    Nic {
        name,
        bridge: of("bridge").map_or(Reading::Absent, Reading::from),
        tag: of("tag").map_or(Reading::Absent, tag),
        trunks: of("trunks").filter(|text| !text.is_empty()).map_or(Reading::Absent, trunks),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn no_configuration_makes_it_panic(text in "(net[0-9]{0,3}|\\[PENDING\\]|.{0,5})(: ?)?.{0,40}(\nnet[0-9]:.{0,30}){0,4}") {
            let _ = parse(&text);
        }
    }
}
