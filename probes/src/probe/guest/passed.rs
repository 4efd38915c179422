//! PCI devices that guests are given (`hostpci0:`), by address or by a mapping of the cluster (`/etc/pve/mapping/pci.cfg`), and what there is to know of the network cards
//! among them: their interface, or that of the physical function, and the VLAN in which the card keeps a virtual function (`netlink:vfs`).

use assay_model::component::Reading;

use super::{PVE, config};
use crate::host::{Host, HostError, VFS, unanswered, whole};
use crate::probe::pci;

const NET: &str = "/sys/class/net";
const PCI: &str = "/sys/bus/pci/devices";
/// PCI base classes and subclasses of network controllers, and of InfiniBand among the serial buses.
const NETWORK: [&str; 2] = ["0x02", "0x0c06"];

/// A PCI function that a guest is given.
pub(super) struct Passed {
    pub(super) address: String,
    /// Or why that cannot be told.
    pub(super) is_network: Result<bool, String>,
    /// The interface of the function, of the physical one where it is virtual.
    pub(super) parent: Reading,
    /// The VLAN of a virtual function; none where the guest tags its frames itself.
    pub(super) vlan: Reading,
    pub(super) source: String,
}

/// The functions that an option names, or why they cannot be told.
pub(super) fn functions(host: &Host, options: &str) -> Result<Vec<Passed>, String> {
    let first = options.split(',').next().filter(|first| !first.contains('='));
    let devices = match (first.or_else(|| config::suboption(options, "host")), config::suboption(options, "mapping")) {
        (Some(devices), _) => vec![devices.to_owned()],
        (None, Some(mapping)) => mapped(host, mapping)?,
        (None, None) => return Err(format!("`{options}` names no device")),
    };
    let mut found = Vec::new();
    for device in devices.iter().flat_map(|devices| devices.split(';')) {
        found.extend(addresses(host, device.trim())?.into_iter().map(|address| passed(host, address)));
    }
    Ok(found)
}

/// The devices of this node that a mapping has: a guest is given one of them.
fn mapped(host: &Host, mapping: &str) -> Result<Vec<String>, String> {
    let path = format!("{PVE}/mapping/pci.cfg");
    let text = host.read(&path).map_err(|error| format!("mapping {mapping}: {}", error.cause()))?;
    let local = host.link(&format!("{PVE}/local")).map_err(|error| error.cause())?;
    let node = local.rsplit('/').next().unwrap_or_default();
    let mut is_of_it = false;
    let mut devices = Vec::new();
    for line in text.lines() {
        match line.trim().strip_prefix("map ") {
            Some(options) if is_of_it && config::suboption(options, "node") == Some(node) => {
                devices.push(config::suboption(options, "path").ok_or_else(|| format!("mapping {mapping} has no path"))?.to_owned());
            }
            Some(_) => {}
            None if !line.starts_with([' ', '\t']) && !line.trim().is_empty() => is_of_it = line.trim() == mapping,
            None => {}
        }
    }
    if devices.is_empty() { Err(format!("{path} maps {mapping} to no device of this node")) } else { Ok(devices) }
}

/// `0000:61:00.0`, or all functions of `61:00`.
fn addresses(host: &Host, device: &str) -> Result<Vec<String>, String> {
    let is_hex = |text: &str, digits: usize| text.len() == digits && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    let device = device.to_ascii_lowercase();
    let full = if device.matches(':').count() == 1 { format!("0000:{device}") } else { device.clone() };
    let (slot, function) = full.split_once('.').map_or((full.as_str(), None), |(slot, function)| (slot, Some(function)));
    let is_slot = matches!(slot.split(':').collect::<Vec<_>>()[..], [domain, bus, slot] if is_hex(domain, 4) && is_hex(bus, 2) && is_hex(slot, 2));
    match function {
        _ if !is_slot => Err(format!("`{device}` is no PCI address")),
        Some(function) if is_hex(function, 1) => Ok(vec![full]),
        Some(_) => Err(format!("`{device}` is no PCI address")),
        None => {
            let all = host.list(PCI).map_err(|error| error.cause())?;
            let found: Vec<String> = all.into_iter().filter(|address| address.split_once('.').is_some_and(|(other, _)| other == slot)).collect();
            if found.is_empty() { Err(format!("{slot} is not there")) } else { Ok(found) }
        }
    }
}

fn passed(host: &Host, address: String) -> Passed {
    let folder = pci::folder(&address);
    let class = host.read(&format!("{folder}/class")).map_err(|error| error.cause());
    let is_network = class.map(|class| NETWORK.iter().any(|network| class.trim().starts_with(network)));
    let (parent, vlan) = if is_network == Ok(true) { reach(host, &address, &folder) } else { (Reading::Absent, Reading::Absent) };
    Passed { source: format!("{folder}, {VFS}"), is_network, parent, vlan, address }
}

/// The interface through which the function reaches a network, and the VLAN that it is kept in.
fn reach(host: &Host, address: &str, folder: &str) -> (Reading, Reading) {
    match host.link(&format!("{folder}/physfn")) {
        Ok(physical) => {
            let physical = physical.rsplit('/').next().unwrap_or_default();
            (interface(host, physical).unwrap_or_else(|error| unanswered(&error)), vlan(host, address, physical))
        }
        Err(error) if error.is_absent() => (interface(host, address).unwrap_or_else(|error| unanswered(&error)), Reading::Absent),
        Err(error) => (unanswered(&error), Reading::Absent),
    }
}

/// The interface of a PCI function, the first where it has several.
fn interface(host: &Host, address: &str) -> Result<Reading, HostError> {
    for name in host.list(NET)? {
        if host.exists(&format!("{NET}/{name}/device"))? && pci::behind(host, &format!("{NET}/{name}"))?.as_deref() == Some(address) {
            return Ok(name.into());
        }
    }
    Ok(Reading::Absent)
}

/// The VLAN of a virtual function by its number on the physical one. 0 is none: the guest tags as it likes.
fn vlan(host: &Host, address: &str, physical: &str) -> Reading {
    let told = || -> Result<Reading, String> {
        let folder = pci::folder(physical);
        let numbers = host.list(&folder).map_err(|error| error.cause())?;
        let number = numbers
            .iter()
            .filter_map(|name| name.strip_prefix("virtfn"))
            .find(|number| host.link(&format!("{folder}/virtfn{number}")).is_ok_and(|function| function.rsplit('/').next() == Some(address)));
        let number = number.ok_or_else(|| format!("{physical} does not name it among its virtual functions"))?;
        let Ok(Reading::Value(interface)) = interface(host, physical) else { return Err(format!("{physical} has no interface to ask")) };
        let rows = host.virtual_functions().map_err(|error| error.cause())?;
        let start = format!("{interface} {number} vlan ");
        match rows.lines().find_map(|row| row.trim().strip_prefix(&start)).map(whole) {
            Some(Ok(0)) => Ok(Reading::Absent),
            Some(Ok(vlan)) => Ok(vlan.into()),
            Some(Err(why)) => Err(why),
            None => Err(format!("nothing is told of function {number} of {interface}")),
        }
    };
    told().unwrap_or_else(Reading::Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = "
        /sys/bus/pci/devices/0000:61:00.0/class: 0x020000
        /sys/bus/pci/devices/0000:61:00.0/virtfn3 link: ../0000:61:00.4
        /sys/bus/pci/devices/0000:61:00.4/class: 0x020000
        /sys/bus/pci/devices/0000:61:00.4/physfn link: ../0000:61:00.0
        /sys/bus/pci/devices/0000:84:00.0/class: 0x030200
        /sys/class/net/eth0/device link: ../../../0000:61:00.0
        /sys/class/net/eth0/device/subsystem link: ../../../../bus/pci
        /etc/pve/local link: nodes/pve1";

    fn found(more: &str, options: &str) -> Result<Vec<Passed>, String> {
        functions(&Host::from_snapshot(&format!("{CARD}\n{more}")).expect("a fixture"), options)
    }

    #[test]
    fn a_virtual_function_has_the_vlan_that_its_card_says() {
        for (rows, expected) in [("eth0 3 vlan 12", Some(12)), ("eth0 3 vlan 0", None)] {
            let all = found(&format!("netlink:vfs: {rows}"), "61:00.4,pcie=1").expect("found");
            assert_eq!((&all[0].parent, &all[0].vlan), (&"eth0".into(), &expected.map_or(Reading::Absent, |vlan: u64| vlan.into())));
        }
        for rows in ["netlink:vfs: eth0 2 vlan 12", "netlink:vfs error: EPERM", "netlink:vfs: eth0 3 vlan x"] {
            assert!(matches!(found(rows, "61:00.4").expect("found")[0].vlan, Reading::Unreadable(_)), "{rows}");
        }
    }

    #[test]
    fn devices_are_named_by_function_by_slot_and_by_mapping() {
        let addresses = |options: &str, more: &str| found(more, options).map(|all| all.into_iter().map(|one| one.address).collect::<Vec<_>>());
        assert_eq!(addresses("0000:84:00.0;61:00.0,x-vga=1", ""), Ok(vec!["0000:84:00.0".into(), "0000:61:00.0".into()]));
        assert_eq!(addresses("host=61:00", "netlink:vfs: a"), Ok(vec!["0000:61:00.0".into(), "0000:61:00.4".into()]));
        let mapping = "/etc/pve/mapping/pci.cfg:\n|gpu\n|\tmap id=a,node=pve1,path=0000:84:00.0\n|\n|other\n|\tmap id=a,node=pve2,path=0000:61:00.0";
        assert_eq!(addresses("mapping=gpu", mapping), Ok(vec!["0000:84:00.0".into()]));
        assert!(addresses("mapping=other", mapping).is_err() && addresses("mapping=gpu", "").is_err());
        for hostile in ["", "pcie=1", "61", "61:00.9x", "xx:yy.0", "99:00", "::"] {
            assert!(addresses(hostile, "").is_err(), "{hostile}");
        }
    }

    #[test]
    fn what_is_no_network_card_and_what_is_not_there_are_two_answers() {
        assert_eq!(found("", "84:00.0").expect("found")[0].is_network, Ok(false));
        assert!(found("", "99:00.0").expect("found")[0].is_network.is_err());
    }
}
