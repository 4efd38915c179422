//! The management controller itself by Redfish: its managers with their network ports and clock, and the computer systems that they manage, from
//! `/redfish/v1/Managers` and `/redfish/v1/Systems`. The other files of this folder ask for parts, sensors, logs and firmware settings.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};
use serde_json::Value;

use self::resource::{Resource, last_step};
use self::service::{Service, read};
use super::Probe;
use crate::host::{Host, HostError, unanswered};

mod bios;
mod inventory;
mod log;
mod resource;
mod sensors;
mod service;
#[cfg(test)]
mod tests;

pub(super) use self::bios::Bios;
pub(super) use self::inventory::Inventory;
pub(super) use self::log::Log;
pub(crate) use self::log::is_memory_error;
pub(super) use self::sensors::Sensors;

/// How many times longer than other probes those of the management controller may take: it answers in tenths of a second, resource by resource.
pub(crate) const SLOWNESS: u32 = 10;

/// The probe of managers, their ports, and systems.
pub(super) struct Bmc;

impl Probe for Bmc {
    fn name(&self) -> &'static str {
        "bmc"
    }

    fn describe(&self) -> &'static str {
        "Managers with their network ports and clock, and the systems they manage, by Redfish."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Bmc, Kind::BmcHost, Kind::BmcPort]
    }

    fn slowness(&self) -> u32 {
        SLOWNESS
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let service = Service::of(host)?;
        let managers = read(service.managers(host)?)?;
        let mut found: Vec<Component> = read(service.systems(host)?)?.iter().map(system).collect();
        // One clock is compared: the first that there is.
        let clock = managers.iter().position(|manager| manager.has("DateTime"));
        for (index, manager) in managers.iter().enumerate() {
            let mut component = described(manager, Kind::Bmc, manager.id());
            component = manager.tell(component, Attr::Firmware, manager.text("FirmwareVersion"));
            if clock == Some(index) {
                component = component.with(Attr::ClockDeviation, "redfish:clock", deviation(host, manager));
            }
            found.push(component);
            found.extend(ports(host, manager)?);
        }
        Ok(told_apart(found))
    }
}

/// What every piece of hardware says of itself.
fn described(resource: &Resource, kind: Kind, locator: impl Into<String>) -> Component {
    let facts = [
        (Attr::Vendor, "Manufacturer"),
        (Attr::Model, "Model"),
        (Attr::Serial, "SerialNumber"),
        (Attr::PartNumber, "PartNumber"),
        (Attr::Health, "Status/Health"),
        (Attr::HealthRollup, "Status/HealthRollup"),
    ];
    let component = resource.tell(Component::new(kind, locator), Attr::State, resource.state());
    facts.into_iter().filter(|(_, path)| resource.has(path)).fold(component, |component, (attr, path)| {
        let reading = resource.text(path);
        resource.tell(component, attr, reading)
    })
}

fn system(system: &Resource) -> Component {
    let component = described(system, Kind::BmcHost, system.id());
    let component = system.tell(component, Attr::Uuid, system.text("UUID"));
    let component = system.tell(component, Attr::Firmware, system.text("BiosVersion"));
    let component = system.tell(component, Attr::PowerState, system.text("PowerState"));
    let component = system.tell(component, Attr::Processors, system.count("ProcessorSummary/Count", 1));
    // In GiB, with a fraction where it does not come out even.
    let total = system.understood("MemorySummary/TotalSystemMemoryGiB", "amount of memory", |gib| gib.as_f64().and_then(gibibytes));
    system.tell(component, Attr::Total, total)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded, and memory is counted in whole bytes")]
fn gibibytes(gib: f64) -> Option<Reading> {
    (0.0..=1e9).contains(&gib).then(|| Reading::from((gib * 1_073_741_824.0) as u64))
}

fn deviation(host: &Host, manager: &Resource) -> Reading {
    match host.redfish_clock(manager.source.trim_start_matches("redfish:")) {
        Ok(None) => Reading::Absent,
        Ok(Some(clocks)) => {
            let nanoseconds = clocks.node.duration_since(clocks.bmc).as_nanos().unsigned_abs();
            u64::try_from(nanoseconds).map_or_else(|_| Reading::Unreadable("centuries apart".into()), Reading::from)
        }
        Err(error) => unanswered(&error),
    }
}

fn ports(host: &Host, manager: &Resource) -> Result<Vec<Component>, HostError> {
    let Some(members) = manager.collection(host, "EthernetInterfaces")? else { return Ok(Vec::new()) };
    let attrs = [Attr::PortMode, Attr::PortEnabled, Attr::Carrier];
    let of_all = mode_of_all(host, manager);
    let port = |port: Resource| {
        let component = Component::new(Kind::BmcPort, format!("{}/{}", manager.id(), port.id()));
        let component = port.tell(component, Attr::Name, port.text("Name"));
        let component = port.tell(component, Attr::Mac, Resource::first([port.text("MACAddress"), port.text("PermanentMACAddress")]));
        let component = port.tell(component, Attr::State, port.state());
        let component = port.tell(component, Attr::PortEnabled, port.flag("InterfaceEnabled"));
        let carrier = |link: &Value| link.as_str().map(|link| link.eq_ignore_ascii_case("LinkUp").into());
        let component = port.tell(component, Attr::Carrier, port.understood("LinkStatus", "link status", carrier));
        let component = port.tell(component, Attr::Speed, port.count("SpeedMbps", 1_000_000));
        let (source, mode) = mode(&port).or_else(|| of_all.clone()).unwrap_or_else(|| (port.source.clone(), Reading::Absent));
        component.with(Attr::PortMode, source, mode)
    };
    let lost = |lost: Component| Component { locator: format!("{}/{}", manager.id(), lost.locator), ..lost };
    Ok(members.into_iter().map(|member| member.or_lost(Kind::BmcPort, &attrs).map_or_else(lost, port)).collect())
}

/// How makers call the property that tells a port of its own from one that is shared with the host.
const MODES: &[&str] = &["InterfaceType", "InterfaceNicMode", "NicMode", "LanMode", "LanInterface", "LanInterfaceMode", "InterfaceMode", "PortMode"];

/// Whether the port is the controller's own, from its link to a port (Manager 1.16 and later) or in the words of its maker, and where that is said.
fn mode(port: &Resource) -> Option<(String, Reading)> {
    let links: Vec<String> = port.parts("Links/Ports").iter().map(|link| link.word("@odata.id").to_owned()).collect();
    if links.iter().any(|link| link.contains("/SharedNetworkPorts/")) {
        return Some((format!("{}#/Links/Ports", port.source), "Shared".into()));
    }
    if !links.is_empty() && links.iter().all(|link| link.contains("/DedicatedNetworkPorts/")) {
        return Some((format!("{}#/Links/Ports", port.source), "Dedicated".into()));
    }
    for (maker, _) in port.properties("Oem") {
        for (name, value) in port.properties(&format!("Oem/{maker}")) {
            if !MODES.iter().any(|mode| mode.eq_ignore_ascii_case(&name)) {
                continue;
            }
            // Lenovo wraps the word once more.
            let word = value.as_str().or_else(|| value.as_object()?.iter().find(|(name, _)| name.eq_ignore_ascii_case("NicMode"))?.1.as_str());
            if let Some(word) = word {
                return Some((format!("{}#/Oem/{maker}/{name}", port.source), word.into()));
            }
        }
    }
    None
}

/// The mode of a controller that has one for all its ports: iDRAC keeps it among its attributes.
fn mode_of_all(host: &Host, manager: &Resource) -> Option<(String, Reading)> {
    for link in manager.parts("Links/Oem/Dell/DellAttributes") {
        let path = link.word("@odata.id").to_owned();
        // The manager's own attributes; those of the system and of the lifecycle controller are beside them.
        if !last_step(&path).eq_ignore_ascii_case(&manager.id()) || !path.starts_with('/') {
            continue;
        }
        let source = format!("redfish:{path}#/Attributes");
        match Resource::at(host, &path) {
            Err(error) => return Some((source, Reading::Unreadable(error.chain()))),
            Ok(attributes) => {
                // What it follows now, what it was told to, and whether it takes a port of the host while its own has no link: the worst of them counts.
                let selection = [attributes.text("Attributes/CurrentNIC.1.Selection"), attributes.text("Attributes/NIC.1.Selection")];
                let is_own = |mode: &Reading| mode.value().and_then(|mode| mode.as_str()).is_some_and(|mode| mode.eq_ignore_ascii_case("Dedicated"));
                let other = selection.iter().find(|mode| **mode != Reading::Absent && !is_own(mode));
                let falls_back = attributes.properties("Attributes").into_iter().any(|(name, value)| {
                    name.eq_ignore_ascii_case("NIC.1.AutoDetect") && value.as_str().is_some_and(|value| value.eq_ignore_ascii_case("Enabled"))
                });
                let mode = match other {
                    Some(other) => other.clone(),
                    None if falls_back => "Failover (AutoDetect)".into(),
                    None => Resource::first(selection),
                };
                return Some((source, mode));
            }
        }
    }
    None
}

/// The components with locators of their own: what comes twice under one name is numbered.
fn told_apart(mut components: Vec<Component>) -> Vec<Component> {
    let mut taken = std::collections::BTreeSet::new();
    for component in &mut components {
        let name = component.locator.clone();
        let mut number = 2;
        while !taken.insert((component.kind, component.locator.clone())) {
            component.locator = format!("{name} #{number}");
            number += 1;
        }
    }
    components
}
