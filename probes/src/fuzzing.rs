//! Where foreign bytes come in: each door gives the bytes of a fuzzer to one probe as the answer to one question, and asks every check about what it
//! made of them. Whatever the bytes are, nothing panics and nothing runs away; `probes/fuzz` holds the fuzzer, `ci/fuzz` runs it. The tests feed
//! each door bytes at random and look that nothing passes on them.

use assay_model::component::Component;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::host::Host;
use crate::probe::PROBES;

/// A question whose answer is foreign.
#[derive(Debug, Clone, Copy)]
pub struct Door {
    /// Its name: also that of its folder of seeds.
    pub name: &'static str,
    /// The probe that asks; none for the snapshot itself.
    probe: Option<&'static str>,
    /// What is asked.
    question: &'static str,
    /// Whether the answer is text.
    is_text: bool,
    /// What else the node answers, as a snapshot written by hand.
    node: &'static str,
}

const fn bytes(name: &'static str, probe: &'static str, question: &'static str, node: &'static str) -> Door {
    Door { name, probe: Some(probe), question, is_text: false, node }
}

const fn text(name: &'static str, probe: &'static str, question: &'static str, node: &'static str) -> Door {
    Door { name, probe: Some(probe), question, is_text: true, node }
}

/// A port on PCI that says nothing else.
const PORT: &str = "/sys/class/net/eth0/device link: ../../../0000:61:00.0\n/sys/class/net/eth0/device/subsystem link: ../../../../bus/pci";

/// Every door.
pub const DOORS: &[Door] = &[
    Door { name: "snapshot", probe: None, question: "", is_text: true, node: "" },
    bytes("smbios", "dimm", "/sys/firmware/dmi/tables/DMI", "/sys/firmware/dmi/tables/smbios_entry_point bytes: X1NNMzHtGAMCAQAB7CYAAAAAAAAAAAAA"),
    text(
        "cpuinfo",
        "cpu",
        "/proc/cpuinfo",
        "/sys/devices/system/cpu/cpu0/topology/physical_package_id: 0\n/sys/devices/system/cpu/online: 0\n/sys/devices/system/cpu/present: 0",
    ),
    text("meminfo", "memory", "/proc/meminfo", "/proc/version: Linux"),
    bytes("module", "nic", "ethtool:eth0/module", PORT),
    text("ethtool-stats", "nic", "ethtool:eth0/stats", PORT),
    text("ethtool-driver", "nic", "ethtool:eth0/driver", PORT),
    text("devlink", "nic", "devlink:pci/0000:61:00.0/info", PORT),
    text(
        "redfish",
        "bmc_sensors",
        "redfish:/r",
        "redfish:/redfish/v1/: {\"Chassis\": {\"@odata.id\": \"/c\"}}\nredfish:/c: {\"Members\": [{\"@odata.id\": \"/1\"}]}\nredfish:/1: {\"Power\": {\"@odata.id\": \"/r\"}, \
         \"Thermal\": {\"@odata.id\": \"/r\"}, \"PowerSubsystem\": {\"@odata.id\": \"/r\"}, \"ThermalSubsystem\": {\"@odata.id\": \"/r\"}}",
    ),
];

impl Door {
    /// The door of that name.
    pub fn named(name: &str) -> Option<&'static Door> {
        DOORS.iter().find(|door| door.name == name)
    }

    /// Gives the bytes to the probe. What it makes of them is nobody's business here, only that it comes back.
    pub fn feed(&self, bytes: &[u8]) -> Vec<Component> {
        let Some(host) = self.host(bytes) else { return Vec::new() };
        let asked = PROBES.iter().filter(|probe| self.probe.is_none_or(|name| probe.name() == name));
        asked.flat_map(|probe| probe.probe(&host).unwrap_or_default()).collect()
    }

    fn host(&self, bytes: &[u8]) -> Option<Host> {
        if self.probe.is_none() {
            return Host::from_snapshot(&String::from_utf8_lossy(bytes)).ok();
        }
        let answer = if self.is_text {
            let printable = |c: char| if c == '\n' || c == '\t' || !c.is_control() { c } else { '\u{fffd}' };
            let text: String = String::from_utf8_lossy(bytes).chars().map(printable).collect();
            format!("{}:\n{}", self.question, text.split('\n').map(|line| format!("|{line}\n")).collect::<String>())
        } else {
            format!("{} bytes:\n|{}\n", self.question, STANDARD.encode(bytes))
        };
        Host::from_snapshot(&format!("{}\n{answer}", self.node)).ok()
    }
}

#[cfg(test)]
mod tests {
    use assay_model::component::Reading;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_door_has_a_probe_that_asks_its_question() {
        for door in DOORS.iter().filter(|door| door.probe.is_some()) {
            let host = door.host(b"").unwrap_or_else(|| panic!("the node of {} is no snapshot", door.name));
            let probe = PROBES.iter().find(|probe| Some(probe.name()) == door.probe).unwrap_or_else(|| panic!("no probe of {}", door.name));
            // A question that nobody asks lets no bytes in: the probe must see the difference between garbage and a refusal.
            let refused = Host::from_snapshot(&format!("{}\n{} error: EIO", door.node, door.question)).expect("a snapshot");
            assert_ne!(format!("{:?}", probe.probe(&host)), format!("{:?}", probe.probe(&refused)), "{} does not reach {}", door.name, probe.name());
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
        #[test]
        fn random_bytes_come_back(bytes in proptest::collection::vec(any::<u8>(), 0..2048)) {
            for door in DOORS {
                for component in door.feed(&bytes) {
                    let is_sane = |reading: &Reading| !matches!(reading.value().and_then(assay_model::component::Value::as_f64), Some(x) if x.is_nan());
                    prop_assert!(component.attributes.values().all(is_sane), "{}: {component:?}", door.name);
                }
            }
        }
    }
}
