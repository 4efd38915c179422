//! The bill of materials of a node and of its cluster: what was ordered, line by line. The file form is read in `bom/file.rs`, what may be
//! expected of an attribute in `bom/expectation.rs`, and `bom/draft.rs` writes the BOM of an observed node.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::attr::{Attr, Kind};
use crate::component::{Component, Value};
use crate::matcher::Matcher;

mod cluster;
mod draft;
pub(crate) mod expectation;
pub(crate) mod file;

pub use draft::draft;
pub use file::parse;

/// The version of the file format and of the rules by which it is judged.
pub const BOM_SCHEMA: u32 = 1;

/// The facts that a line can state, with what each means. A closed set: what no rule reads would be believed and never used.
pub const FACTS: &[(&str, &str)] =
    &[("cards", "network cards that carry the ports of the line"), ("boards", "boards that carry the GPUs of the line")];

/// What one node was ordered to be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Bom {
    /// Version of the file format and of its rules.
    pub schema: u32,
    /// Name of this class of nodes.
    pub node_class: String,
    /// Revision of the order.
    pub revision: String,
    /// The lines of the order.
    pub lines: Vec<BomLine>,
    /// What the order says beyond single components: sockets, bonds, partitions, pools. Checked for contradictions.
    pub cluster: Option<Cluster>,
}

/// One line of the order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BomLine {
    /// For people and reports: `data drives`.
    pub name: String,
    /// What kind of component.
    pub kind: Kind,
    /// How many.
    pub quantity: u32,
    /// Key of the part in the parts catalogue, when the order names a product.
    pub part: Option<String>,
    /// Which components of the kind this line speaks of; all that no other line selects when empty.
    pub select: BTreeMap<Attr, Matcher>,
    /// What each of them must be; never empty.
    pub expect: BTreeMap<Attr, Matcher>,
    /// Facts of the order that no probe of this component reads (cards, boards, ports per card), as inputs of ceilings and contradictions.
    pub facts: BTreeMap<String, u64>,
}

/// What the order says of the cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cluster {
    /// Number of nodes.
    pub nodes: u32,
    /// Network bonds.
    pub bond: Vec<Bond>,
    /// Networks that run on no bond, each with the BOM line of the ports that carry it.
    pub networks: BTreeMap<String, String>,
    /// Requested GPU partition.
    pub gpu_partition: Option<GpuPartition>,
    /// Corosync links, by the network that each runs on.
    pub corosync_links: Vec<String>,
    /// Ceph, when it is ordered.
    pub ceph: Option<Ceph>,
    /// How a node that is lost is kept from writing, when high availability is ordered.
    pub fencing: Option<Fencing>,
}

/// How a lost node is fenced.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fencing {
    /// `watchdog` or `redfish`.
    pub method: String,
    /// Seconds without quorum after which the node resets itself.
    pub timeout_s: u32,
}

/// One bond.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bond {
    /// Its name.
    pub name: String,
    /// BOM line whose ports it bundles.
    pub line: String,
    /// Ports bundled.
    pub ports: u32,
    /// Mode, as the kernel names it.
    pub mode: String,
    /// LACP rate, `fast` or `slow`.
    pub lacp_rate: String,
    /// Transmit hash policy.
    pub xmit_hash_policy: String,
    /// Maximum transmission unit, bytes.
    pub mtu: u32,
    /// Networks (VLANs) that run on it.
    pub networks: Vec<String>,
    /// Throughput that the order expects of it in one direction, bit/s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_bits_per_s: Option<u64>,
}

/// A requested partition of the GPUs.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GpuPartition {
    /// BOM line of the GPUs.
    pub line: String,
    /// `mig`, `vgpu` or `passthrough`.
    pub method: String,
    /// MIG profile, `3g.20gb`.
    pub profile: String,
    /// Shares by consumer, as small whole numbers: `{ lxc = 2, vm = 1 }`.
    pub shares: BTreeMap<String, u32>,
}

/// What the order says of Ceph.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ceph {
    /// BOM line of the drives.
    pub line: String,
    /// Replicas.
    pub size: u32,
    /// Replicas that must be there for I/O.
    pub min_size: u32,
    /// Public network.
    pub public_network: String,
    /// Cluster network.
    pub cluster_network: String,
    /// Device class that the CRUSH rules select.
    pub device_class: String,
    /// Target ratio by pool.
    pub pools: BTreeMap<String, f64>,
    /// Device class by pool, where it differs from `device_class`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub pool_classes: BTreeMap<String, String>,
    /// Quota by pool, bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub quotas: BTreeMap<String, u64>,
}

impl Bom {
    /// The line of that name.
    pub fn line(&self, name: &str) -> Option<&BomLine> {
        self.lines.iter().find(|line| line.name == name)
    }

    /// The line that selects a component, else the one that takes what no other selects; or why that cannot be told.
    pub fn line_of(&self, component: &Component) -> Result<&BomLine, String> {
        let mut rest = None;
        for line in self.of(component.kind) {
            if line.select.is_empty() {
                rest = Some(line);
                continue;
            }
            let mut picked = true;
            for (attr, wanted) in &line.select {
                let read = component.value(*attr).ok_or_else(|| {
                    format!("{attr} of {} is {}, and line `{}` selects by it", component.locator, component.reading(*attr), line.name)
                })?;
                picked &= wanted.matches(read);
            }
            if picked {
                return Ok(line);
            }
        }
        rest.ok_or_else(|| format!("no line of the order selects {}", component.locator))
    }

    /// The lines of one kind, in the order of the file.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &BomLine> {
        self.lines.iter().filter(move |line| line.kind == kind)
    }
}

impl BomLine {
    /// A stated fact.
    pub fn fact(&self, name: &str) -> Option<u64> {
        self.facts.get(name).copied()
    }

    /// The one value that the line expects of `attr`, when it leaves no choice.
    pub fn expected(&self, attr: Attr) -> Option<&Value> {
        self.expect.get(&attr).and_then(Matcher::only)
    }
}
