//! NVMe controllers from `/sys/class/nvme`, and the PCIe link of each. A namespace that is reached over several paths counts once. Health logs are
//! read elsewhere; a drive with two ports shows up as two controllers, because it is two.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::{Probe, block, pci};
use crate::described::{Described, total};
use crate::host::{Host, HostError, whole};
use crate::probe::nvme::identify::Controller;

mod events;
mod identify;
mod logs;
mod ocp;
mod page;

pub(crate) use ocp::is_ocp_page;

/// The probe of NVMe controllers.
pub(super) struct Nvme;

/// How long the controllers together may take to answer; less than what the probe may take.
const PATIENCE: Duration = Duration::from_secs(8);
const CONTROLLERS: &str = "/sys/class/nvme";
/// Mass storage, non-volatile memory, NVM Express.
const NVME_CLASS: &str = "0x010802";

impl Probe for Nvme {
    fn name(&self) -> &'static str {
        "nvme"
    }

    fn describe(&self) -> &'static str {
        "NVMe controllers, their namespaces and PCIe links, from /sys/class/nvme."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Nvme]
    }

    fn slowness(&self) -> u32 {
        2
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        match host.list_or_none(CONTROLLERS)? {
            Some(names) => Ok(one_per_drive(all(host, &names)?)),
            None => without_driver(host),
        }
    }
}

/// Every controller, each asked by a thread of its own: a drive that does not answer must not hide the others. Of one that stays silent there is what the driver
/// says, and all that it should have said itself is unreadable.
fn all(host: &Host, names: &[String]) -> Result<Vec<Component>, HostError> {
    let begun = Instant::now();
    let asked: Vec<(&String, mpsc::Receiver<Result<Component, HostError>>)> =
        names.iter().map(|name| (name, ask(host.for_probe(), name.clone()))).collect();
    let answer = |(name, answer): (&String, mpsc::Receiver<_>)| {
        answer.recv_timeout(PATIENCE.saturating_sub(begun.elapsed())).unwrap_or_else(|_| controller(host, &silent(host, name)?, name))
    };
    asked.into_iter().map(answer).collect()
}

fn ask(host: Host, name: String) -> mpsc::Receiver<Result<Component, HostError>> {
    let (sender, answer) = mpsc::channel();
    // Not joined: a thread that the kernel holds cannot be. A thread that could not be started leaves the sender closed, and the controller silent.
    let _ = thread::Builder::new().name(format!("probe {name}")).spawn(move || {
        let _ = sender.send(controller(&host, &host, &name));
    });
    answer
}

/// What a controller answers that does not answer in time.
fn silent(host: &Host, name: &str) -> Result<Host, HostError> {
    const PAGES: &[&str] = &["identify/01/0", "log/01", "log/02", "log/03", "log/06", "log/0d", "log/81", "log/c0"];
    let formats = namespaces(name, &host.list(&format!("{CONTROLLERS}/{name}"))?).into_keys().map(|number| format!("identify/00/{number:x}"));
    let pages = PAGES.iter().map(|page| (*page).to_owned()).chain(formats);
    let refusals: Vec<String> = pages.map(|page| format!("nvme:{name}/{page} error: ETIMEDOUT")).collect();
    Host::from_snapshot(&refusals.join("\n"))
}

/// No driver, no folder. Where the PCI bus has no such controller either, there is none; otherwise nothing is known of those that it has.
fn without_driver(host: &Host) -> Result<Vec<Component>, HostError> {
    let functions = pci::of_class(host, NVME_CLASS)?;
    match functions {
        Some(functions) if functions.is_empty() => Ok(Vec::new()),
        Some(functions) => Err(HostError::SourceMissing(format!("{CONTROLLERS} for {}: no nvme driver", functions.join(", ")))),
        None => Err(HostError::SourceMissing(CONTROLLERS.into())),
    }
}

/// A controller: what the driver says of it, and what it says itself by `voice`.
fn controller(host: &Host, voice: &Host, name: &str) -> Result<Component, HostError> {
    let folder = format!("{CONTROLLERS}/{name}");
    let function = pci::behind(host, &folder)?;
    let namespaces = namespaces(name, &host.list(&folder)?);
    // Of a fabric there is no PCI address: only its name says which it is.
    let described = Described::new(host, Kind::Nvme, function.as_deref().unwrap_or(name), folder.as_str())
        .put(Attr::Name, folder.as_str(), name)
        .text(Attr::Model, "model")
        .text(Attr::Serial, "serial")
        .text(Attr::Firmware, "firmware_rev")
        .text(Attr::Transport, "transport")
        .text(Attr::State, "state")
        .put(Attr::Namespaces, folder.as_str(), total(namespaces.len()))
        .put(Attr::Capacity, format!("{folder}/{name}n*/size"), capacity(host, &folder, &namespaces));
    let described = admin(voice, described, name, &folder, &namespaces);
    let described = match function {
        // By its place on the bus, where every other probe reads it too.
        Some(function) => pci::identity(host, described, &format!("/sys/bus/pci/devices/{function}")),
        None => described.numa_node("numa_node"),
    };
    Ok(described.done())
}

/// A drive with two ports has a controller at each, of one subsystem that may have several: it is one drive, found at the first and reached by all of them.
fn one_per_drive(controllers: Vec<Component>) -> Vec<Component> {
    let mut drives: Vec<Component> = Vec::new();
    for controller in controllers {
        match drives.iter_mut().find(|drive| is_another_port(drive, &controller)) {
            Some(drive) => {
                let mut paths = match drive.value(Attr::Paths) {
                    Some(Value::List(paths)) => paths.clone(),
                    Some(_) | None => vec![drive.locator.clone()],
                };
                paths.push(controller.locator.clone());
                drive.attributes.insert(Attr::Paths, Reading::Value(Value::List(paths)));
            }
            None => drives.push(controller),
        }
    }
    drives
}

fn is_another_port(drive: &Component, other: &Component) -> bool {
    let is_alike = |attr| drive.value(attr).is_some() && drive.value(attr) == other.value(attr);
    let may_have_several = |component: &Component| component.value(Attr::SeveralControllers) == Some(&Value::Bool(true));
    let numbers = (drive.value(Attr::ControllerId), other.value(Attr::ControllerId));
    is_alike(Attr::Subsystem)
        && is_alike(Attr::Serial)
        && may_have_several(drive)
        && may_have_several(other)
        && numbers.0.is_some()
        && numbers.0 != numbers.1
}

/// What the controller says of itself.
fn admin<'a>(host: &Host, described: Described<'a>, name: &str, folder: &str, namespaces: &BTreeMap<u64, String>) -> Described<'a> {
    let controller = Controller::ask(host, name);
    let described = controller.describe(described);
    let described = identify::formats(host, described, name, folder, &namespaces.values().collect::<Vec<_>>());
    let described = logs::smart(host, described, name);
    let described = logs::errors(host, described, name, &controller);
    let described = logs::firmware(host, described, name);
    let described = logs::self_test(host, described, name, &controller);
    let described = logs::sanitize(host, described, name, &controller);
    let described = events::describe(host, described, name, &controller);
    ocp::describe(host, described, name, &controller)
}

/// By namespace number: with native multipath the controller's folder has the hidden paths `nvme0c1n1`, otherwise the disks `nvme1n1`.
fn namespaces(controller: &str, entries: &[String]) -> BTreeMap<u64, String> {
    entries.iter().filter_map(|entry| Some((namespace(controller, entry)?, entry.clone()))).collect()
}

fn namespace(controller: &str, entry: &str) -> Option<u64> {
    let instance = controller.strip_prefix("nvme")?;
    let (head, number) = entry.strip_prefix("nvme")?.rsplit_once('n')?;
    let (subsystem, path) = head.split_once('c').unwrap_or((head, head));
    if path == instance && whole(subsystem).is_ok() { whole(number).ok() } else { None }
}

fn capacity(host: &Host, folder: &str, namespaces: &BTreeMap<u64, String>) -> Reading {
    if namespaces.is_empty() {
        return Reading::Absent;
    }
    let mut sectors = 0_u64;
    for namespace in namespaces.values() {
        match host.reading_u64(&format!("{folder}/{namespace}/size")) {
            Reading::Value(size) => sectors = sectors.saturating_add(size.as_u64().unwrap_or_default()),
            Reading::Absent => return Reading::Unreadable(format!("namespace {namespace} gives no size")),
            Reading::Unreadable(why) => return Reading::Unreadable(format!("namespace {namespace}: {why}")),
        }
    }
    sectors.checked_mul(block::SECTOR_BYTES).map_or_else(|| Reading::Unreadable("larger than any drive".into()), Reading::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIVES: &str = "
        /sys/class/nvme/nvme0/model: SAMSUNG MZWLO7T6HBLA-00A07
        /sys/class/nvme/nvme0/serial: S7S8NE0W600001
        /sys/class/nvme/nvme0/firmware_rev: OPPA4B5Q
        /sys/class/nvme/nvme0/state: live
        /sys/class/nvme/nvme0/transport: pcie
        /sys/class/nvme/nvme0/device link: ../../../0000:41:00.0
        /sys/class/nvme/nvme0/device/subsystem link: ../../../../bus/pci
        /sys/bus/pci/devices/0000:41:00.0/vendor: 0x144d
        /sys/bus/pci/devices/0000:41:00.0/device: 0xa826
        /sys/bus/pci/devices/0000:41:00.0/current_link_speed: 32.0 GT/s PCIe
        /sys/bus/pci/devices/0000:41:00.0/current_link_width: 2
        /sys/bus/pci/devices/0000:41:00.0/max_link_width: 4
        /sys/class/nvme/nvme0/nvme3c0n1/size: 15002931888
        /sys/class/nvme/nvme0/nvme3c0n2/size: 8
        /sys/class/nvme/nvme0/ng3n1 exists
        /sys/class/nvme/nvme0/hwmon2 exists
        /sys/class/nvme/nvme1/transport: tcp
        /sys/class/nvme/nvme1/state error: EIO
        /sys/class/nvme/nvme1/device link: ../../ctl
        /sys/class/nvme/nvme1/device/subsystem link: ../../../class/nvme-fabrics";

    fn found(snapshot: &str) -> Vec<Component> {
        Nvme.probe(&Host::from_snapshot(snapshot).expect("a fixture")).expect("looked")
    }

    #[test]
    fn a_drive_has_identity_capacity_and_link_and_multipath_does_not_double_it() {
        let all = found(DRIVES);
        let drive = &all[0];
        assert_eq!(drive.locator, "0000:41:00.0");
        assert_eq!(drive.reading(Attr::Name), &"nvme0".into());
        assert_eq!(drive.reading(Attr::Namespaces), &2_u64.into());
        assert_eq!(drive.reading(Attr::Capacity), &(15_002_931_896_u64 * 512).into());
        assert_eq!(drive.reading(Attr::PciId), &"144d:a826".into());
        assert_eq!((drive.reading(Attr::LinkSpeed), drive.reading(Attr::LinkWidth)), (&32.0.into(), &2_u64.into()));
        assert_eq!(drive.source(Attr::LinkWidth), "/sys/bus/pci/devices/0000:41:00.0/current_link_width");
    }

    #[test]
    fn a_controller_of_a_fabric_is_known_by_name_and_what_cannot_be_read_is_not_absent() {
        let fabric = &found(DRIVES)[1];
        assert_eq!(fabric.locator, "nvme1");
        assert_eq!(fabric.reading(Attr::PciId), &Reading::Absent);
        assert_eq!(fabric.reading(Attr::Capacity), &Reading::Absent);
        assert!(matches!(fabric.reading(Attr::State), Reading::Unreadable(_)));
        let torn = found("/sys/class/nvme/nvme0/nvme0n1/wwid: x\n/sys/class/nvme/nvme0/model: y");
        assert!(matches!(torn[0].reading(Attr::Capacity), Reading::Unreadable(_)), "a namespace without a size");
    }

    #[test]
    fn a_drive_that_stays_silent_has_what_its_driver_says_and_nothing_else_is_absent() {
        let host = Host::from_snapshot(DRIVES).expect("a fixture");
        let drive = controller(&host, &silent(&host, "nvme0").expect("a snapshot"), "nvme0").expect("looked");
        assert_eq!((drive.reading(Attr::Serial), drive.reading(Attr::LinkWidth)), (&"S7S8NE0W600001".into(), &2_u64.into()));
        for attr in [
            Attr::CriticalWarning,
            Attr::FirmwareSlot,
            Attr::SelfTest,
            Attr::Sanitize,
            Attr::UncorrectableReads,
            Attr::IdentifiedSerial,
            Attr::LogicalBlockSize,
        ] {
            assert!(matches!(drive.reading(attr), Reading::Unreadable(_)), "{attr}");
        }
    }

    #[test]
    fn a_node_without_nvme_is_an_empty_list() {
        assert!(found("/sys/class/nvme list:").is_empty());
        assert!(found("/sys/bus/pci/devices/0000:00:14.0/class: 0x0c0500").is_empty(), "no driver and no drive");
    }

    #[test]
    fn a_drive_without_a_driver_or_a_refusal_is_never_an_empty_list() {
        let ended = |snapshot: &str| Nvme.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
        let missing = ended("/sys/bus/pci/devices/0000:41:00.0/class: 0x010802");
        assert!(matches!(missing, Err(HostError::SourceMissing(what)) if what.contains("0000:41:00.0")));
        assert!(matches!(ended("unmentioned: absent"), Err(HostError::SourceMissing(_))));
        assert!(matches!(ended("/sys/class/nvme error: EACCES"), Err(HostError::Refused { .. })));
        assert!(matches!(ended("/sys/bus/pci/devices/0000:41:00.0/class error: EIO"), Err(HostError::Refused { .. })));
    }
}
