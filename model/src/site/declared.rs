//! What a site declares of its nodes beyond the parts that it orders: settings, pinned versions, networks and policies (`declared.toml`). A check whose
//! declaration is missing says so; it never makes one up.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

mod bmc;
mod ceph;
mod data_pool;
mod drives;
mod isolation;
mod network;
mod nics;
mod platform;
mod software;
mod when;

pub use bmc::{Acknowledged, Bmc, Setting};
pub use ceph::{Ceph, Messenger, PoolClass};
pub(crate) use ceph::{check as check_ceph, check_pools};
pub(crate) use data_pool::check as check_data_pool;
pub use data_pool::{DataPool, Draid};
pub use drives::Drives;
pub(crate) use isolation::check as check_network;
pub use isolation::{AllowedFlow, GuestVlan, Mac, Protected, Service};
pub use network::{ExtraAddress, Network, Prefix};
pub use nics::{Fec, Nics};
pub use platform::{GpuConsumers, LinkPowerSaving, PinnedFirmware, Platform, PowerProfile, VmGpu};
pub use software::{AllowedKey, ClockLimits, CommandLine, Leftovers, PackageRepository, RootPool, SecondFactor, Software, Ssh, SubscriptionState};
pub use when::When;

/// The version of `declared.toml`.
pub const DECLARED_SCHEMA: u32 = 1;

/// `declared.toml`. Every table and every key of it may be left out: what is not declared is not judged.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "declared.toml")]
pub struct Declared {
    /// Version of the file format; 1.
    pub schema: u32,
    /// Processor, memory and PCIe settings.
    #[serde(default)]
    pub platform: Platform,
    /// Drives: pinned firmware, formats, health of a new one.
    #[serde(default)]
    pub drives: Drives,
    /// Network cards: pinned firmware, FEC, modules.
    #[serde(default)]
    pub nics: Nics,
    /// Bonds, VLANs and addresses.
    #[serde(default)]
    pub network: Network,
    /// Operating system and its management.
    #[serde(default)]
    pub software: Software,
    /// The baseboard management controller.
    #[serde(default)]
    pub bmc: Bmc,
    /// The Ceph cluster.
    #[serde(default)]
    pub ceph: Ceph,
    /// The ZFS pool of the data drives.
    pub data_pool: Option<DataPool>,
}
