//! What the node is: the host seam, one file per probe, and the checks of what was found. Nothing here changes anything on the node.

pub mod check;
mod counters;
mod debian_version;
mod described;
mod environment;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod host;
mod pci_config;
mod probe;
mod reference;
pub mod selftest;
mod smbios;
mod sys;

pub use counters::error_counters;
pub use environment::environment;
pub use host::{Act, Host, HostError, RecordingOptions};
pub use host::{Bmc, BmcError, Credentials, CredentialsError, Endpoint, EndpointError, Patience, RedfishClient, Trust, TrustError};
pub use probe::{PROBES, Probe, ProbeOptions, take_inventory, take_inventory_of};
pub use reference::{BrokenReference, Node, nodes};
