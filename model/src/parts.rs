//! The parts catalogue (`sites/parts/*.toml`): what a product allows, from its data sheet. Product constants live there, never in code.
//! `parts/file.rs` reads the files.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attr::Kind;
use crate::spelling;

mod file;

pub(crate) use file::PartsFile;
pub use file::parse;

/// The version of the file format.
pub const PARTS_SCHEMA: u32 = 1;

/// All known parts by their key.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Parts {
    /// Processors.
    pub cpu: BTreeMap<String, CpuPart>,
    /// GPU boards.
    pub gpu: BTreeMap<String, GpuPart>,
    /// Network cards.
    pub nic: BTreeMap<String, NicPart>,
    /// Drives.
    pub nvme: BTreeMap<String, NvmePart>,
}

/// What a processor allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuPart {
    /// Documents that say so.
    pub source: String,
    /// Sockets per node at most.
    pub sockets_max: u32,
    /// Memory channels per socket.
    pub memory_channels: u32,
    /// Modules per channel at most.
    pub dimms_per_channel_max: u32,
    /// Memory per socket at most, bytes.
    pub memory_bytes_max: u64,
    /// Speed with 1, 2, ... modules per channel, MT/s; 0 where only the board's table tells.
    pub memory_mtps: Vec<u32>,
    /// PCIe lanes for one socket, two sockets, ...
    pub pcie_lanes: Vec<u32>,
    /// PCIe speed, GT/s.
    pub pcie_gtps: f64,
}

/// What a GPU board allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuPart {
    /// Documents that say so.
    pub source: String,
    /// GPUs on the board.
    pub gpus: u32,
    /// Memory of one GPU, bytes.
    pub memory_bytes: u64,
    /// PCIe lanes of the board.
    pub pcie_lanes: u32,
    /// PCIe speed of the board, GT/s, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pcie_gtps: Option<f64>,
    /// MIG profiles with where instances of each may begin, memory slices; empty when the GPU has no MIG.
    #[serde(default)]
    pub mig: BTreeMap<String, MigProfile>,
}

/// One MIG profile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MigProfile {
    /// First memory slices at which an instance may begin.
    pub starts: Vec<u32>,
    /// Memory slices of one instance.
    pub slices: u32,
    /// Compute slices of one instance.
    pub compute: u32,
}

/// What a network card allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NicPart {
    /// Documents that say so.
    pub source: String,
    /// Ports on the card.
    pub ports: u32,
    /// Speed of one port, bit/s.
    pub port_bits_per_s: u64,
    /// PCIe lanes.
    pub pcie_lanes: u32,
    /// PCIe speed, GT/s.
    pub pcie_gtps: f64,
}

/// What a drive allows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NvmePart {
    /// Documents that say so.
    pub source: String,
    /// PCIe lanes.
    pub pcie_lanes: u32,
    /// PCIe speed, GT/s.
    pub pcie_gtps: f64,
    /// Sequential read, bytes/s.
    #[serde(default)]
    pub read_bytes_per_s: Option<f64>,
    /// Sequential write, bytes/s.
    #[serde(default)]
    pub write_bytes_per_s: Option<f64>,
    /// Random read 4 KiB, op/s.
    #[serde(default)]
    pub randread_iops: Option<f64>,
    /// Random write 4 KiB, op/s.
    #[serde(default)]
    pub randwrite_iops: Option<f64>,
    /// Drive writes per day over the warranty.
    #[serde(default)]
    pub dwpd: Option<f64>,
}

impl Parts {
    /// Whether the catalogue has `part` for components of `kind`; if not, what was expected.
    pub fn knows(&self, kind: Kind, part: &str) -> Result<(), String> {
        let known: Vec<&str> = match kind {
            Kind::Cpu => self.cpu.keys().map(String::as_str).collect(),
            Kind::Gpu => self.gpu.keys().map(String::as_str).collect(),
            Kind::Nic => self.nic.keys().map(String::as_str).collect(),
            Kind::Nvme => self.nvme.keys().map(String::as_str).collect(),
            Kind::Board
            | Kind::NumaNode
            | Kind::MemoryArray
            | Kind::Dimm
            | Kind::Memory
            | Kind::Edac
            | Kind::EdacDimm
            | Kind::Pci
            | Kind::Block
            | Kind::Os
            | Kind::Clock
            | Kind::Thermal
            | Kind::Throttle
            | Kind::MachineCheck
            | Kind::Bond
            | Kind::BondMember
            | Kind::Package
            | Kind::Subscription
            | Kind::Ceph
            | Kind::CephMonitor
            | Kind::CephOsd
            | Kind::CephPool
            | Kind::Account
            | Kind::Realm
            | Kind::Repository
            | Kind::SshKey
            | Kind::SshServer
            | Kind::Neighbour
            | Kind::Esp
            | Kind::PoolDevice
            | Kind::PoolVdev
            | Kind::Pool
            | Kind::Firewall
            | Kind::GuestNic
            | Kind::Interface
            | Kind::Bmc
            | Kind::BmcHost
            | Kind::BmcPort
            | Kind::BmcCpu
            | Kind::BmcDimm
            | Kind::BmcFirmware
            | Kind::BmcSensor
            | Kind::BmcLog
            | Kind::BmcLogEntry
            | Kind::Psu
            | Kind::Fan
            | Kind::Redundancy
            | Kind::BiosSetting => return Err(format!("the parts catalogue has no {kind}; expected no `part` on this line")),
        };
        if known.contains(&part) {
            return Ok(());
        }
        let hint = spelling::hint(part, known.iter().copied());
        Err(format!("the parts catalogue has no {kind} `{part}`; expected {}.{hint}", spelling::list(known.iter().copied())))
    }
}

impl GpuPart {
    /// The profile that takes the whole GPU: it begins at 0 and holds every slice that any other uses. None without MIG.
    pub fn whole(&self) -> Option<&MigProfile> {
        let end = |profile: &MigProfile| profile.starts.iter().max().map_or(0, |last| last + profile.slices);
        let (slices, compute) = (self.mig.values().map(end).max()?, self.mig.values().map(|profile| profile.compute).max()?);
        self.mig.values().find(|profile| profile.starts.contains(&0) && profile.slices == slices && profile.compute == compute)
    }
}

#[cfg(test)]
pub(crate) mod tests;
