//! The declared settings of processor, memory, PCIe and GPUs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The declared settings of processor, memory, PCIe and GPUs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Platform {
    /// NUMA nodes per processor (NPS 1, 2 or 4; 8 with L3 as NUMA).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numa_nodes_per_socket: Option<u64>,
    /// How the processors trade power for latency.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub power_profile: Option<PowerProfile>,
    /// Firmware that every node must have. Each list names all versions that are allowed.
    pub pinned: PinnedFirmware,
    /// Power saving of PCIe links that is allowed (ASPM), by the words of `power_saving`: `off`, `L0s`, `L1`, `L0s L1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link_power_saving: Option<Vec<LinkPowerSaving>>,
    /// Which GPU is whose.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<GpuConsumers>,
}

/// What a processor profile consists of. What is left out is not judged.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PowerProfile {
    /// cpufreq drivers, any of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scaling_drivers: Option<Vec<String>>,
    /// cpufreq governor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub governor: Option<String>,
    /// Energy-performance preference, where the driver has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub energy_preference: Option<String>,
    /// Whether frequency boost is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boost: Option<bool>,
    /// Idle states that are switched off, by name; an empty list says that none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_states_disabled: Option<Vec<String>>,
}

/// Firmware versions, as the node says them. What the management controller says is pinned in the table `bmc`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PinnedFirmware {
    /// System firmware (`bios_version`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bios: Vec<String>,
    /// AMD's part of it, as SMBIOS names it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub agesa: Vec<String>,
    /// Microcode of the processors (`0xa101148`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub microcode: Vec<String>,
}

/// Power saving of a PCIe link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LinkPowerSaving {
    /// None.
    #[serde(rename = "off")]
    Off,
    /// L0s only.
    L0s,
    /// L1 only.
    L1,
    /// Both.
    #[serde(rename = "L0s L1")]
    L0sL1,
}

impl LinkPowerSaving {
    /// The word of the attribute `power_saving`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::L0s => "L0s",
            Self::L1 => "L1",
            Self::L0sL1 => "L0s L1",
        }
    }
}

/// Which GPU is used by whom, by PCI address.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GpuConsumers {
    /// GPUs of virtual machines.
    pub vm: Vec<String>,
    /// How they get there.
    pub vm_by: VmGpu,
    /// Virtual GPU that each of them is divided into, as the manager names it (`NVIDIA A16-4Q`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vgpu_type: Option<String>,
    /// GPUs of containers, which use the host's driver.
    pub container: Vec<String>,
}

/// How a virtual machine gets a GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VmGpu {
    /// The whole GPU by `vfio-pci`.
    #[default]
    Passthrough,
    /// A share of it by the vendor's vGPU manager on the host.
    Vgpu,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_may_be_left_out_and_a_typo_is_refused() {
        assert_eq!(toml::from_str::<Platform>("").expect("nothing declared"), Platform::default());
        let text = r#"
            numa_nodes_per_socket = 1
            link_power_saving = ["off", "L0s L1"]
            [power_profile]
            governor = "performance"
            idle_states_disabled = []
            [pinned]
            bios = ["3.5"]
            [gpus]
            vm = ["0000:83:00.0"]
            vm_by = "vgpu"
        "#;
        let declared: Platform = toml::from_str(text).expect("a declaration");
        let words: Vec<&str> = declared.link_power_saving.iter().flatten().map(|saving| saving.word()).collect();
        assert_eq!(words, ["off", "L0s L1"]);
        assert_eq!(declared.gpus.map(|gpus| gpus.vm_by), Some(VmGpu::Vgpu));
        assert!(toml::from_str::<Platform>("[pinned]\nbois = []").is_err());
    }
}
