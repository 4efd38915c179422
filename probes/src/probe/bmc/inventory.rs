//! Processors, memory modules and firmware as the management controller knows them: `Systems/*/Processors`, `Systems/*/Memory`,
//! `UpdateService/FirmwareInventory`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};
use serde_json::Value;

use super::resource::Resource;
use super::service::{Service, read};
use super::{SLOWNESS, described, told_apart};
use crate::host::{Host, HostError};
use crate::probe::Probe;

/// The probe of parts.
pub(in crate::probe) struct Inventory;

impl Probe for Inventory {
    fn name(&self) -> &'static str {
        "bmc_inventory"
    }

    fn describe(&self) -> &'static str {
        "Processors, memory modules and firmware as the management controller knows them, by Redfish."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::BmcCpu, Kind::BmcDimm, Kind::BmcFirmware]
    }

    fn slowness(&self) -> u32 {
        SLOWNESS
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let service = Service::of(host)?;
        let mut found = Vec::new();
        for system in read(service.systems(host)?)? {
            for member in system.collection(host, "Processors")?.unwrap_or_default() {
                match member.or_lost(Kind::BmcCpu, &[Attr::Populated, Attr::Model, Attr::Health]) {
                    Ok(processor) => found.extend(cpu(&processor)),
                    Err(lost) => found.push(lost),
                }
            }
            for member in system.collection(host, "Memory")?.unwrap_or_default() {
                let attrs = [Attr::Populated, Attr::Capacity, Attr::PartNumber, Attr::Serial, Attr::Health];
                found.push(member.or_lost(Kind::BmcDimm, &attrs).map_or_else(|lost| lost, |memory| dimm(&memory)));
            }
        }
        if let Some(update) = service.follow(host, "UpdateService")? {
            for member in update.collection(host, "FirmwareInventory")?.unwrap_or_default() {
                found.push(member.or_lost(Kind::BmcFirmware, &[Attr::Firmware]).map_or_else(|lost| lost, |image| firmware(&image)));
            }
        }
        Ok(told_apart(found))
    }
}

/// A processor of the host; accelerators and FPGAs stand in the same collection.
fn cpu(processor: &Resource) -> Option<Component> {
    let kind = processor.word("ProcessorType");
    if !kind.is_empty() && !kind.eq_ignore_ascii_case("CPU") {
        return None;
    }
    let slot = processor.text("Socket");
    let component = described(processor, Kind::BmcCpu, named(&slot, processor));
    let component = processor.tell(component, Attr::Slot, slot);
    let component = processor.tell(component, Attr::Populated, fitted(processor, "Model"));
    let component = processor.tell(component, Attr::Cores, processor.count("TotalCores", 1));
    let component = processor.tell(component, Attr::Threads, processor.count("TotalThreads", 1));
    Some(processor.tell(component, Attr::Microcode, processor.text("ProcessorId/MicrocodeInfo")))
}

fn dimm(memory: &Resource) -> Component {
    // Memory 1.6 moved the label; many services still have it where it was, and some only in the name.
    let label = Resource::first([memory.text("Location/PartLocation/ServiceLabel"), memory.text("DeviceLocator"), memory.text("Name")]);
    let component = described(memory, Kind::BmcDimm, named(&label, memory));
    let component = memory.tell(component, Attr::Slot, label);
    let component = memory.tell(component, Attr::Populated, fitted(memory, "CapacityMiB"));
    let component = memory.tell(component, Attr::Capacity, memory.count("CapacityMiB", 1 << 20));
    // In MHz by its name, in transfers per second by its meaning.
    let component = memory.tell(component, Attr::ConfiguredSpeed, memory.count("OperatingSpeedMhz", 1));
    let component = memory.tell(component, Attr::MemoryType, memory.text("MemoryDeviceType"));
    memory.tell(component, Attr::Ranks, memory.count("RankCount", 1))
}

/// Whether something is fitted: said by the state, and where that is silent, by a property that only a fitted part has.
fn fitted(resource: &Resource, property: &str) -> Reading {
    match resource.word("Status/State") {
        "" => resource.understood(property, "description of a part", |value| match value {
            Value::Number(number) => Some((number.as_f64() != Some(0.0)).into()),
            Value::String(text) => Some((!crate::probe::is_placeholder(text)).into()),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
        }),
        _ => (!resource.is_empty_place()).into(),
    }
}

fn firmware(image: &Resource) -> Component {
    let component = described(image, Kind::BmcFirmware, image.id());
    let component = image.tell(component, Attr::Name, image.text("Name"));
    image.tell(component, Attr::Firmware, image.text("Version"))
}

fn named(label: &Reading, resource: &Resource) -> String {
    label.value().and_then(|label| label.as_str()).map_or_else(|| resource.id(), str::to_owned)
}
