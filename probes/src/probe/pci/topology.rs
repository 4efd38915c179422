//! Where a PCI function is: the ports above it, which are the steps of where its link in `/sys/bus/pci/devices` leads, and its IOMMU group.

use assay_model::attr::Attr;
use assay_model::component::Reading;

use super::{DEVICES, link_speed};
use crate::described::{Described, last_step};
use crate::host::{Host, HostError, malformed, unanswered, whole};

const GROUPS: &str = "/sys/kernel/iommu_groups";

/// The ports above a function, beginning with the root port.
pub(super) struct Ports(Result<Vec<String>, Reading>);

impl Ports {
    pub(super) fn above(host: &Host, address: &str) -> Self {
        let target = match host.link(&format!("{DEVICES}/{address}")) {
            Ok(target) => target,
            Err(error) => return Self(Err(unanswered(&error))),
        };
        let mut steps: Vec<&str> = target.split('/').collect();
        match steps.pop() {
            Some(own) if own == address => Self(Ok(steps.into_iter().filter(|step| is_address(step)).map(str::to_owned).collect())),
            Some(_) | None => Self(Err(malformed(&target, &format!("does not lead to {address}")))),
        }
    }

    // Directly on the host bridge (`pci0000:00`) there is no port above.
    fn reading(&self, pick: impl FnOnce(&[String]) -> Option<&String>) -> Reading {
        match &self.0 {
            Ok(ports) => pick(ports).map_or(Reading::Absent, |port| port.as_str().into()),
            Err(no) => no.clone(),
        }
    }

    /// The root port that leads to the function.
    pub(super) fn root(&self) -> Reading {
        self.reading(<[String]>::first)
    }

    /// The port right above, and what its end of the link is capable of.
    pub(super) fn describe_upstream<'a>(&self, described: Described<'a>, folder: &str) -> Described<'a> {
        let port = self.reading(<[String]>::last);
        let described = described.put(Attr::UpstreamPort, folder, port.clone());
        match &port {
            Reading::Value(port) => described
                .at(format!("{DEVICES}/{port}"))
                .understood(Attr::UpstreamLinkSpeedMax, "max_link_speed", link_speed)
                .count(Attr::UpstreamLinkWidthMax, "max_link_width")
                .at(folder),
            Reading::Absent => described,
            Reading::Unreadable(_) => described.put(Attr::UpstreamLinkSpeedMax, folder, port.clone()).put(Attr::UpstreamLinkWidthMax, folder, port),
        }
    }

    /// The upstream port of the switch that the function is behind: a root port, it, and the downstream port right above the function.
    pub(super) fn of_switch(&self) -> Reading {
        self.reading(|ports| if ports.len() >= 3 { ports.get(ports.len() - 2) } else { None })
    }
}

/// Services of PCIe ports, named after port, kind of port and service: `0000:20:01.1:pcie002` is error reporting (2) of a root port (0), `pcie602` of an event
/// collector (drivers/pci/pcie/portdrv.c).
pub(super) const PORT_SERVICES: &str = "/sys/bus/pci_express/devices";
const AER_SERVICES: [&str; 2] = ["pcie002", "pcie602"];
const AER_DRIVER: &str = "aer";

/// Whether the kernel's driver serves errors at the root port of a function, or at the function itself where it is one. The kernel makes that service only
/// where the firmware leaves errors to it (_OSC). Of what is integrated into the root complex it does not tell.
pub(super) fn aer_handled(host: &Host, address: &str, root: &Reading, is_root: bool) -> Reading {
    let port = match root {
        Reading::Value(port) => port.as_str().unwrap_or(address),
        Reading::Absent if is_root => address,
        no @ (Reading::Absent | Reading::Unreadable(_)) => return no.clone(),
    };
    for service in AER_SERVICES {
        match host.link(&format!("{PORT_SERVICES}/{port}:{service}/driver")) {
            Ok(driver) => return (last_step(driver) == AER_DRIVER).into(),
            Err(error) if error.is_absent() => {}
            Err(error) => return unanswered(&error),
        }
    }
    false.into()
}

/// The IOMMU group's number.
pub(super) fn iommu_group(host: &Host, folder: &str) -> Reading {
    match host.link(&format!("{folder}/iommu_group")) {
        Ok(target) => {
            let group = last_step(target);
            whole(&group).map_or_else(|why| malformed(&group, &why), Reading::from)
        }
        Err(error) => unanswered(&error),
    }
}

/// All functions of the group, by the kernel's list of them.
pub(super) fn iommu_group_members(host: &Host, group: &Reading) -> (String, Reading) {
    let Reading::Value(number) = group else { return (GROUPS.into(), group.clone()) };
    let folder = format!("{GROUPS}/{number}/devices");
    let members = match host.list(&folder) {
        Ok(members) => members.join(" ").into(),
        // The function is in the group: a list that is not there hides who else is.
        Err(error @ HostError::Absent { .. }) => Reading::Unreadable(error.chain()),
        Err(error) => unanswered(&error),
    };
    (folder, members)
}

/// `0000:41:00.0`.
fn is_address(step: &str) -> bool {
    let parts: Vec<&str> = step.split([':', '.']).collect();
    parts.len() == 4 && parts.iter().all(|part| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::from_snapshot(text).expect("a fixture")
    }

    const GPU: &str = "/sys/bus/pci/devices/0000:83:00.0 link: ../../../devices/pci0000:80/0000:80:01.1/0000:81:00.0/0000:82:00.0/0000:83:00.0";

    #[test]
    fn ports_are_the_steps_of_the_link() {
        let ports = Ports::above(&host(GPU), "0000:83:00.0");
        assert_eq!((ports.root(), ports.of_switch()), ("0000:80:01.1".into(), "0000:81:00.0".into()));
        let drive = host("/sys/bus/pci/devices/0000:21:00.0 link: ../../../devices/pci0000:20/0000:20:01.1/0000:21:00.0");
        let ports = Ports::above(&drive, "0000:21:00.0");
        assert_eq!((ports.root(), ports.of_switch()), ("0000:20:01.1".into(), Reading::Absent));
        let bridge = host("/sys/bus/pci/devices/0000:00:18.0 link: ../../../devices/pci0000:00/0000:00:18.0");
        assert_eq!(Ports::above(&bridge, "0000:00:18.0").root(), Reading::Absent);
    }

    #[test]
    fn a_drive_behind_a_volume_management_device_has_its_own_domain_and_root_port() {
        let vmd = host("/sys/bus/pci/devices/10000:01:00.0 link: ../../../devices/pci0000:00/0000:00:0e.0/pci10000:00/10000:00:01.0/10000:01:00.0");
        assert_eq!(Ports::above(&vmd, "10000:01:00.0").root(), "0000:00:0e.0".into());
    }

    #[test]
    fn a_link_that_leads_elsewhere_or_cannot_be_read_says_nothing() {
        for text in [
            GPU.replace("/0000:83:00.0", "/0000:86:00.0").replacen("0000:86:00.0", "0000:83:00.0", 1).as_str(),
            "/sys/bus/pci/devices/0000:83:00.0 error: EIO",
        ] {
            let ports = Ports::above(&host(text), "0000:83:00.0");
            assert!(matches!((ports.root(), ports.of_switch()), (Reading::Unreadable(_), Reading::Unreadable(_))), "{text}");
        }
    }

    #[test]
    fn errors_are_the_kernels_where_its_driver_serves_the_root_port() {
        let port = Reading::from("0000:20:01.1");
        let handled = |text: &str| aer_handled(&host(&format!("unmentioned: absent\n{text}")), "0000:21:00.0", &port, false);
        assert_eq!(handled("/sys/bus/pci_express/devices/0000:20:01.1:pcie002/driver link: ../../../../bus/pci_express/drivers/aer"), true.into());
        assert_eq!(handled("/sys/bus/pci_express/devices/0000:20:01.1:pcie002/driver link: ../../../../bus/pci_express/drivers/other"), false.into());
        assert_eq!(
            handled("/sys/bus/pci_express/devices/0000:20:01.1:pcie004/driver link: ../../../../bus/pci_express/drivers/pciehp"),
            false.into()
        );
        assert!(matches!(handled("/sys/bus/pci_express/devices/0000:20:01.1:pcie002/driver error: EIO"), Reading::Unreadable(_)));
        let collector =
            host("unmentioned: absent\n/sys/bus/pci_express/devices/0000:00:00.3:pcie602/driver link: ../../../bus/pci_express/drivers/aer");
        assert_eq!(aer_handled(&collector, "0000:00:00.3", &Reading::Absent, true), true.into());
        assert_eq!(aer_handled(&collector, "0000:00:08.0", &Reading::Absent, false), Reading::Absent, "integrated");
    }

    #[test]
    fn a_group_and_its_members_are_found_absent_or_unreadable() {
        let folder = "/sys/bus/pci/devices/0000:83:00.0";
        let grouped = host(&format!(
            "{folder}/iommu_group link: ../../../../kernel/iommu_groups/84\n/sys/kernel/iommu_groups/84/devices/0000:83:00.0 exists\n/sys/kernel/iommu_groups/84/devices/0000:84:00.0 exists"
        ));
        let group = iommu_group(&grouped, folder);
        assert_eq!(group, 84_u64.into());
        assert_eq!(iommu_group_members(&grouped, &group).1, "0000:83:00.0 0000:84:00.0".into());
        assert_eq!(iommu_group(&host("unmentioned: absent"), folder), Reading::Absent);
        let torn = host(&format!("{folder}/iommu_group link: nowhere"));
        assert!(matches!(iommu_group(&torn, folder), Reading::Unreadable(_)));
        assert!(matches!(iommu_group_members(&torn, &84_u64.into()).1, Reading::Unreadable(_)));
    }
}
