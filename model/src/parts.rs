//! The parts catalogue (`sites/parts/*.toml`): what a product allows, from its data sheet. Product constants live there, never in code.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
