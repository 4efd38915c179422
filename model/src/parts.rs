//! The parts catalogue (`sites/parts/*.toml`): what a product allows, from its data sheet. Product constants live there, never in code.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attr::Kind;
use crate::place::Document;
use crate::source::FileError;
use crate::spelling;

/// The version of the file format.
pub const PARTS_SCHEMA: u32 = 1;

/// No GPU is divided into more slices.
const SLICES_MAX: u32 = 64;

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

/// One file of the catalogue as written.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "parts/*.toml", rename = "PartsFile")]
pub(crate) struct PartsFile {
    /// Version of the file format; 1.
    #[allow(dead_code, reason = "looked at before the file is parsed; here so that it is required")]
    schema: u32,
    /// Processors.
    #[serde(default)]
    cpu: BTreeMap<String, CpuPart>,
    /// GPU boards.
    #[serde(default)]
    gpu: BTreeMap<String, GpuPart>,
    /// Network cards.
    #[serde(default)]
    nic: BTreeMap<String, NicPart>,
    /// Drives.
    #[serde(default)]
    nvme: BTreeMap<String, NvmePart>,
}

/// Reads the files of the catalogue, `(name, text)`, into one.
pub fn parse(files: &[(String, String)]) -> Result<Parts, FileError> {
    let mut parts = Parts::default();
    for (file, text) in files {
        let doc = Document::new(file, text);
        let written: PartsFile = doc.parse(PARTS_SCHEMA)?;
        for (key, part) in written.cpu {
            cpu_holds(doc, &key, &part)?;
            add(doc, "cpu", key, &part.source.clone(), part, &mut parts.cpu)?;
        }
        for (key, part) in written.gpu {
            gpu_holds(doc, &key, &part)?;
            add(doc, "gpu", key, &part.source.clone(), part, &mut parts.gpu)?;
        }
        for (key, part) in written.nic {
            positive(doc, &["nic", &key, "ports"], f64::from(part.ports))?;
            positive(doc, &["nic", &key, "pcie_lanes"], f64::from(part.pcie_lanes))?;
            positive(doc, &["nic", &key, "pcie_gtps"], part.pcie_gtps)?;
            add(doc, "nic", key, &part.source.clone(), part, &mut parts.nic)?;
        }
        for (key, part) in written.nvme {
            positive(doc, &["nvme", &key, "pcie_lanes"], f64::from(part.pcie_lanes))?;
            positive(doc, &["nvme", &key, "pcie_gtps"], part.pcie_gtps)?;
            let figures = [
                ("read_bytes_per_s", part.read_bytes_per_s),
                ("write_bytes_per_s", part.write_bytes_per_s),
                ("randread_iops", part.randread_iops),
                ("randwrite_iops", part.randwrite_iops),
                ("dwpd", part.dwpd),
            ];
            for (name, figure) in figures {
                figure.map_or(Ok(()), |figure| positive(doc, &["nvme", &key, name], figure))?;
            }
            add(doc, "nvme", key, &part.source.clone(), part, &mut parts.nvme)?;
        }
    }
    Ok(parts)
}

fn add<P>(doc: Document<'_>, table: &str, key: String, source: &str, part: P, into: &mut BTreeMap<String, P>) -> Result<(), FileError> {
    if source.trim().is_empty() {
        return Err(doc.refuse(&[table, &key, "source"], "a part without a source; expected the documents that say so"));
    }
    if into.contains_key(&key) {
        return Err(doc.refuse_key(&[table, &key], format!("a second part `{key}`; expected one in the whole catalogue")));
    }
    into.insert(key, part);
    Ok(())
}

fn positive(doc: Document<'_>, path: &[&str], figure: f64) -> Result<(), FileError> {
    if figure.is_finite() && figure > 0.0 {
        Ok(())
    } else {
        Err(doc.refuse(path, format!("{figure} is no figure of a part; expected a number above 0")))
    }
}

fn cpu_holds(doc: Document<'_>, key: &str, part: &CpuPart) -> Result<(), FileError> {
    let at = |field, message: &str| Err(doc.refuse(&["cpu", key, field], message));
    for (field, figure) in
        [("sockets_max", part.sockets_max), ("memory_channels", part.memory_channels), ("dimms_per_channel_max", part.dimms_per_channel_max)]
    {
        positive(doc, &["cpu", key, field], f64::from(figure))?;
    }
    if usize::try_from(part.dimms_per_channel_max).is_ok_and(|max| max != part.memory_mtps.len()) {
        return at("memory_mtps", "expected one speed for each number of modules per channel, 0 where only the board's table tells");
    }
    if usize::try_from(part.sockets_max).is_ok_and(|max| max != part.pcie_lanes.len()) {
        return at("pcie_lanes", "expected the lanes of a node for each number of sockets");
    }
    positive(doc, &["cpu", key, "pcie_gtps"], part.pcie_gtps)
}

fn gpu_holds(doc: Document<'_>, key: &str, part: &GpuPart) -> Result<(), FileError> {
    positive(doc, &["gpu", key, "gpus"], f64::from(part.gpus))?;
    positive(doc, &["gpu", key, "pcie_lanes"], f64::from(part.pcie_lanes))?;
    for (profile, mig) in &part.mig {
        let counts = mig.starts.iter().chain([&mig.slices, &mig.compute]);
        if mig.starts.is_empty() || mig.slices == 0 || mig.compute == 0 || counts.into_iter().any(|count| *count > SLICES_MAX) {
            return Err(doc.refuse(&["gpu", key, "mig", profile], "a profile that can be placed nowhere; expected starts, slices and compute"));
        }
    }
    match part.whole() {
        Some(_) => Ok(()),
        None if part.mig.is_empty() => Ok(()),
        None => {
            Err(doc.refuse(&["gpu", key, "mig"], "no profile takes the whole GPU; expected one that starts at 0 and holds all slices of the others"))
        }
    }
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
            | Kind::Pci
            | Kind::Block
            | Kind::Os
            | Kind::Clock
            | Kind::Thermal
            | Kind::Throttle
            | Kind::MachineCheck => return Err(format!("the parts catalogue has no {kind}; expected no `part` on this line")),
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
