//! The files of the parts catalogue: several files make one catalogue, and a figure that no part can have is an error with file, line and caret.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::parts::{CpuPart, GpuPart, NicPart, NvmePart, PARTS_SCHEMA, Parts};
use crate::place::Document;
use crate::source::FileError;

/// No GPU is divided into more slices.
const SLICES_MAX: u32 = 64;

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
    part.pcie_gtps.map_or(Ok(()), |gtps| positive(doc, &["gpu", key, "pcie_gtps"], gtps))?;
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
