//! PCI functions from `/sys/bus/pci/devices`: identity, link and AER totals. GPUs are those of them that draw or compute over a link of their own.
//! Where a function is stands in `pci/topology.rs`, its configuration space in `pci/express.rs`; what the link should be is for the checks to say.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use super::Probe;
use crate::described::{Described, last_step};
use crate::host::{Host, HostError, whole};

mod express;
mod topology;
mod vgpu;

use self::topology::Ports;

/// The probe of PCI functions.
pub(super) struct Pci;

const DEVICES: &str = "/sys/bus/pci/devices";

impl Probe for Pci {
    fn name(&self) -> &'static str {
        "pci"
    }

    fn describe(&self) -> &'static str {
        "PCI functions, their links and AER counters, and the GPUs among them, from /sys/bus/pci/devices."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Pci, Kind::Gpu]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let Some(addresses) = host.list_or_none(DEVICES)? else { return Err(HostError::SourceMissing(DEVICES.into())) };
        let mut found = Vec::new();
        for address in &addresses {
            let function = function(host, address);
            // A virtual function is a share of a GPU that is listed already.
            let is_virtual = host.exists(&format!("{DEVICES}/{address}/physfn"))?;
            if !is_virtual && is_gpu(&function) {
                found.push(gpu(host, address));
            }
            found.push(function);
        }
        Ok(found)
    }
}

fn function(host: &Host, address: &str) -> Component {
    let folder = format!("{DEVICES}/{address}");
    let ports = Ports::above(host, address);
    let described = Described::new(host, Kind::Pci, address, folder.as_str()).text(Attr::PciClass, "class").leads_to(Attr::Driver, "driver");
    let described = ports.describe_upstream(identity(host, described, &folder), &folder).put(Attr::RootPort, folder.as_str(), ports.root());
    // Of conventional PCI the kernel shows no link, and there is nothing in the configuration space that we look for.
    let is_express = host.exists(&format!("{folder}/max_link_width")).unwrap_or(true);
    let described = if is_express { express::describe(host, described, &folder) } else { described };
    let counted = described
        .put(Attr::IommuGroup, format!("{folder}/iommu_group"), topology::iommu_group(host, &folder))
        .understood(Attr::AerCorrectable, "aer_dev_correctable", |text| aer_total(text, "TOTAL_ERR_COR"))
        .understood(Attr::AerNonfatal, "aer_dev_nonfatal", |text| aer_total(text, "TOTAL_ERR_NONFATAL"))
        .understood(Attr::AerFatal, "aer_dev_fatal", |text| aer_total(text, "TOTAL_ERR_FATAL"))
        // What was signalled to a root port, by whatever is below it.
        .count(Attr::RootAerCorrectable, "aer_rootport_total_err_cor")
        .count(Attr::RootAerNonfatal, "aer_rootport_total_err_nonfatal")
        .count(Attr::RootAerFatal, "aer_rootport_total_err_fatal")
        .done();
    let is_counting = |attr| *counted.reading(attr) != Reading::Absent;
    if !is_counting(Attr::AerCorrectable) && !is_counting(Attr::RootAerCorrectable) {
        return counted;
    }
    let handled = topology::aer_handled(host, address, &ports.root(), is_counting(Attr::RootAerCorrectable));
    counted.with(Attr::AerHandled, topology::PORT_SERVICES, handled)
}

/// What a device is known by and how it is linked, from its PCI function's folder.
pub(super) fn identity<'a>(host: &Host, described: Described<'a>, folder: &str) -> Described<'a> {
    let pair = |vendor: &str, device: &str| id_pair(host, &format!("{folder}/{vendor}"), &format!("{folder}/{device}"));
    // 0 and 255 lanes are the kernel's words for a link that is down or that it cannot tell.
    let lanes = host.reading_as(&format!("{folder}/current_link_width"), |text| whole(text).map(Reading::from));
    let is_up = lanes.value().and_then(Value::as_u64).is_some_and(|lanes| (1..=32).contains(&lanes));
    let speed = move |text: &str| match link_speed(text) {
        Ok(Reading::Absent) if is_up => Err("unknown, although the link has lanes".to_owned()),
        other => other,
    };
    described
        .at(folder)
        .put(Attr::PciId, format!("{folder}/vendor, device"), pair("vendor", "device"))
        .put(Attr::PciSubsystem, format!("{folder}/subsystem_vendor, subsystem_device"), pair("subsystem_vendor", "subsystem_device"))
        .numa_node("numa_node")
        .understood(Attr::LinkSpeed, "current_link_speed", speed)
        .count(Attr::LinkWidth, "current_link_width")
        .understood(Attr::LinkSpeedMax, "max_link_speed", link_speed)
        .count(Attr::LinkWidthMax, "max_link_width")
}

fn id_pair(host: &Host, vendor: &str, device: &str) -> Reading {
    match (host.reading_as(vendor, id), host.reading_as(device, id)) {
        (Reading::Value(vendor), Reading::Value(device)) => format!("{vendor}:{device}").into(),
        (no @ Reading::Unreadable(_), _) | (_, no @ Reading::Unreadable(_)) => no,
        (Reading::Absent, Reading::Absent | Reading::Value(_)) | (Reading::Value(_), Reading::Absent) => Reading::Absent,
    }
}

/// `0x15b3` as `15b3`.
fn id(text: &str) -> Result<Reading, String> {
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 4 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
    digits.map(|digits| digits.to_ascii_lowercase().into()).ok_or_else(|| "not a PCI id".into())
}

/// `32.0 GT/s PCIe` in GT/s; a link that is down or has no such register is `Unknown`.
fn link_speed(text: &str) -> Result<Reading, String> {
    if text.starts_with("Unknown") {
        return Ok(Reading::Absent);
    }
    let speed = text.split_once(" GT/s").and_then(|(speed, _)| speed.parse::<f64>().ok()).filter(|speed| speed.is_finite() && *speed > 0.0);
    speed.map(Reading::from).ok_or_else(|| "not a speed in GT/s".into())
}

fn aer_total(text: &str, name: &str) -> Result<Reading, String> {
    let total = text.lines().find_map(|line| line.strip_prefix(name)).ok_or_else(|| format!("it has no {name}"))?;
    whole(total.trim()).map(Reading::from)
}

// Class 03 is "display". The display of a BMC is one too: conventional PCI or a single lane; and that of a processor has no link.
fn is_gpu(function: &Component) -> bool {
    let class = function.value(Attr::PciClass).and_then(Value::as_str).unwrap_or_default();
    let has_lanes = match function.reading(Attr::LinkWidthMax) {
        Reading::Value(lanes) => lanes.as_u64().is_some_and(|lanes| (2..=32).contains(&lanes)),
        Reading::Absent => false,
        // What cannot be read must not hide a GPU.
        Reading::Unreadable(_) => true,
    };
    class.starts_with("0x0302") || (class.starts_with("0x03") && has_lanes)
}

fn gpu(host: &Host, address: &str) -> Component {
    let folder = format!("{DEVICES}/{address}");
    let ports = Ports::above(host, address);
    let group = topology::iommu_group(host, &folder);
    let (source, members) = topology::iommu_group_members(host, &group);
    vgpu::describe(host, identity(host, Described::new(host, Kind::Gpu, address, folder.as_str()), &folder), &folder)
        .leads_to(Attr::Driver, "driver")
        .put(Attr::RootPort, folder.as_str(), ports.root())
        .put(Attr::BoardPort, folder.as_str(), ports.of_switch())
        .put(Attr::IommuGroup, format!("{folder}/iommu_group"), group)
        .put(Attr::IommuGroupMembers, source, members)
        .done()
}

/// Where a function is described, whatever else it is seen as.
pub(super) fn folder(address: &str) -> String {
    format!("{DEVICES}/{address}")
}

/// The PCI function behind a device's `device` link: its address and folder; none when it is on another bus.
pub(super) fn behind(host: &Host, folder: &str) -> Result<Option<String>, HostError> {
    let bus = match host.link(&format!("{folder}/device/subsystem")) {
        Ok(bus) => last_step(bus),
        Err(error) if error.is_absent() => return Ok(None),
        Err(error) => return Err(error),
    };
    if bus == "pci" { Ok(Some(last_step(host.link(&format!("{folder}/device"))?))) } else { Ok(None) }
}

/// The addresses of all functions of a class (24 bits, as the kernel writes it); none when there is no PCI bus.
pub(super) fn of_class(host: &Host, class: &str) -> Result<Option<Vec<String>>, HostError> {
    let Some(addresses) = host.list_or_none(DEVICES)? else { return Ok(None) };
    let mut functions = Vec::new();
    for address in addresses {
        if host.read(&format!("{DEVICES}/{address}/class"))?.trim() == class {
            functions.push(address);
        }
    }
    Ok(Some(functions))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: &str = "
        /sys/bus/pci/devices/0000:40:01.1 link: ../../../devices/pci0000:40/0000:40:01.1
        /sys/bus/pci/devices/0000:40:01.1/class: 0x060400
        /sys/bus/pci/devices/0000:40:01.1/max_link_speed: 32.0 GT/s PCIe
        /sys/bus/pci/devices/0000:40:01.1/max_link_width: 4
        /sys/bus/pci/devices/0000:41:00.0 link: ../../../devices/pci0000:40/0000:40:01.1/0000:41:00.0
        /sys/bus/pci/devices/0000:41:00.0/class: 0x010802
        /sys/bus/pci/devices/0000:41:00.0/vendor: 0x144D
        /sys/bus/pci/devices/0000:41:00.0/device: 0xa824
        /sys/bus/pci/devices/0000:41:00.0/driver link: ../../../../bus/pci/drivers/nvme
        /sys/bus/pci/devices/0000:41:00.0/numa_node: 1
        /sys/bus/pci/devices/0000:41:00.0/current_link_speed: 16.0 GT/s PCIe
        /sys/bus/pci/devices/0000:41:00.0/current_link_width: 2
        /sys/bus/pci/devices/0000:41:00.0/max_link_speed: 32.0 GT/s PCIe
        /sys/bus/pci/devices/0000:41:00.0/max_link_width: 4
        /sys/bus/pci/devices/0000:41:00.0/aer_dev_correctable:
          |RxErr 12
          |BadTLP 0
          |TOTAL_ERR_COR 12
        /sys/bus/pci/devices/0000:41:00.0/aer_dev_fatal error: EIO
        /sys/bus/pci/devices/0000:41:00.0/aer_dev_nonfatal: RxErr 0";

    fn found(snapshot: &str) -> Vec<Component> {
        Pci.probe(&Host::from_snapshot(snapshot).expect("a fixture")).expect("looked")
    }

    #[test]
    fn a_function_has_identity_link_port_and_counters() {
        let all = found(NODE);
        let (port, drive) = (&all[0], &all[1]);
        assert_eq!(drive.locator, "0000:41:00.0");
        assert_eq!(drive.reading(Attr::PciId), &"144d:a824".into());
        assert_eq!(drive.reading(Attr::Driver), &"nvme".into());
        assert_eq!(drive.reading(Attr::NumaNode), &1_u64.into());
        assert_eq!((drive.reading(Attr::LinkSpeed), drive.reading(Attr::LinkWidth)), (&16.0.into(), &2_u64.into()));
        assert_eq!(drive.reading(Attr::UpstreamPort), &"0000:40:01.1".into());
        assert_eq!((drive.reading(Attr::UpstreamLinkSpeedMax), drive.reading(Attr::UpstreamLinkWidthMax)), (&32.0.into(), &4_u64.into()));
        assert_eq!(drive.reading(Attr::AerCorrectable), &12_u64.into());
        assert_eq!(port.reading(Attr::UpstreamPort), &Reading::Absent);
        assert_eq!(drive.source(Attr::UpstreamLinkWidthMax), "/sys/bus/pci/devices/0000:40:01.1/max_link_width");
    }

    #[test]
    fn absent_refused_and_torn_counters_are_three_answers() {
        let all = found(NODE);
        assert_eq!(all[0].reading(Attr::AerFatal), &Reading::Absent);
        assert_eq!(all[1].reading(Attr::AerFatal), &Reading::Unreadable("Input/output error (os error 5)".into()));
        assert!(matches!(all[1].reading(Attr::AerNonfatal), Reading::Unreadable(why) if why.contains("TOTAL_ERR_NONFATAL")));
        assert_eq!(all[1].reading(Attr::PciSubsystem), &Reading::Absent);
    }

    #[test]
    fn a_link_that_is_down_is_absent_and_a_device_of_no_numa_node_has_none() {
        let all = found(
            "/sys/bus/pci/devices/0000:00:02.0/current_link_speed: Unknown\n/sys/bus/pci/devices/0000:00:02.0/numa_node: -1\n/sys/bus/pci/devices/0000:00:02.0/max_link_speed: fast",
        );
        assert_eq!(all[0].reading(Attr::LinkSpeed), &Reading::Absent);
        assert_eq!(all[0].reading(Attr::NumaNode), &Reading::Absent);
        assert!(matches!(all[0].reading(Attr::LinkSpeedMax), Reading::Unreadable(_)));
    }

    #[test]
    fn an_unknown_speed_of_a_link_that_is_up_is_no_absence() {
        let all = found("/sys/bus/pci/devices/0000:00:02.0/current_link_speed: Unknown\n/sys/bus/pci/devices/0000:00:02.0/current_link_width: 4");
        assert!(matches!(all[0].reading(Attr::LinkSpeed), Reading::Unreadable(_)));
    }

    #[test]
    fn a_virtual_function_of_a_gpu_is_no_gpu_and_an_unreadable_width_hides_none() {
        let gpus = |text: &str| found(text).iter().filter(|component| component.kind == Kind::Gpu).count();
        assert_eq!(gpus("/sys/bus/pci/devices/0000:c1:00.4/class: 0x030200\n/sys/bus/pci/devices/0000:c1:00.4/physfn link: ../0000:c1:00.0"), 0);
        assert_eq!(gpus("/sys/bus/pci/devices/0000:c1:00.0/class: 0x030000\n/sys/bus/pci/devices/0000:c1:00.0/max_link_width error: EIO"), 1);
    }

    #[test]
    fn a_port_above_that_cannot_be_seen_leaves_nothing_looking_absent() {
        let all = found("/sys/bus/pci/devices/0000:41:00.0/class: 0x010802\n/sys/bus/pci/devices/0000:41:00.0 error: EIO");
        for attr in [Attr::UpstreamPort, Attr::UpstreamLinkSpeedMax, Attr::UpstreamLinkWidthMax] {
            assert!(matches!(all[0].reading(attr), Reading::Unreadable(_)), "{attr}");
        }
    }

    #[test]
    fn a_gpu_is_a_display_with_lanes_and_the_display_of_a_bmc_is_not() {
        let device = |class: &str, lanes: &str| {
            format!("/sys/bus/pci/devices/0000:c1:00.0/class: {class}\n/sys/bus/pci/devices/0000:c1:00.0/max_link_width: {lanes}\n")
        };
        for (class, lanes, gpus) in [("0x030000", "16", 1), ("0x030200", "0", 1), ("0x030000", "1", 0), ("0x030000", "255", 0), ("0x010802", "4", 0)]
        {
            let all = found(&device(class, lanes));
            assert_eq!(all.iter().filter(|component| component.kind == Kind::Gpu).count(), gpus, "{class} {lanes}");
        }
    }

    #[test]
    fn no_pci_bus_is_a_missing_source_an_empty_one_has_no_functions_and_a_refusal_is_a_failure() {
        let ended = |snapshot: &str| Pci.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
        assert_eq!(ended("unmentioned: absent"), Err(HostError::SourceMissing(DEVICES.into())));
        assert_eq!(ended("/sys/bus/pci/devices list:"), Ok(Vec::new()));
        assert!(ended("/sys/bus/pci/devices error: EACCES").is_err_and(|error| error.chain().contains("Permission denied")));
    }
}
