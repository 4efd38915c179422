//! The trait of probes and their registry. How they are asked is in `probe/survey.rs`; to add one, see `docs/adding-a-probe.md`.

use std::time::Duration;

use assay_model::attr::Kind;
use assay_model::component::Component;

use crate::host::{Host, HostError};

mod account;
mod block;
mod bmc;
mod board;
mod bond;
mod ceph;
mod clock;
mod cpu;
mod cpu_list;
mod dimm;
mod drive;
mod edac;
mod esp;
mod firewall;
mod firmware_text;
mod guest;
mod interface;
mod lldp;
mod machine_check;
mod memory;
mod nic;
mod numa;
mod nvme;
mod os;
mod package;
mod pci;
mod pool;
mod repository;
mod ssh;
mod subscription;
mod survey;
mod thermal;
mod throttle;

pub(crate) use self::bmc::is_memory_error;
pub(crate) use self::ceph::is_host;
pub(crate) use self::firmware_text::is_placeholder;
pub(crate) use self::lldp::{NOT_LISTENED, frame, neighbours as neighbours_told};
pub(crate) use self::nic::SerialNumber as ModuleSerialNumber;
pub(crate) use self::nvme::is_ocp_page;
pub(crate) use self::survey::survey;
pub use self::survey::{ProbeOptions, take_inventory, take_inventory_of};

/// One way of looking at a node. It changes nothing, reads through [`Host`] only and answers with facts, not with judgements.
pub trait Probe: Sync {
    /// Its name: a word.
    fn name(&self) -> &'static str;
    /// One sentence that says what it looks at, and where.
    fn describe(&self) -> &'static str;
    /// The kinds of component that it answers for. After it completed, a kind without components means "none fitted".
    fn kinds(&self) -> &'static [Kind];
    /// How much longer than others it may take on this host.
    fn patience(&self, _: &Host) -> Duration {
        Duration::ZERO
    }
    /// Everything that it sees. `Err` only when it could not look; an attribute that could not be read is a reading, and a source that this
    /// host does not have is [`HostError::SourceMissing`].
    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError>;
    /// How many times longer than another probe it may take.
    fn slowness(&self) -> u32 {
        1
    }
}

/// Every probe, in the order of reports.
pub const PROBES: &[&dyn Probe] = &[
    &board::Board,
    &cpu::Cpu,
    &numa::Numa,
    &dimm::Dimm,
    &memory::Memory,
    &edac::Edac,
    &pci::Pci,
    &nvme::Nvme,
    &block::Block,
    &nic::Nic,
    &bond::Bond,
    &lldp::Lldp,
    &interface::Interface,
    &guest::GuestNic,
    &firewall::Firewall,
    &os::Os,
    &clock::Clock,
    &thermal::Thermal,
    &throttle::Throttle,
    &machine_check::MachineCheck,
    &bmc::Bmc,
    &bmc::Inventory,
    &bmc::Sensors,
    &bmc::Log,
    &bmc::Bios,
    &package::Package,
    &pool::Pool,
    &esp::Esp,
    &ssh::Ssh,
    &repository::Repository,
    &account::Account,
    &subscription::Subscription,
    &ceph::Ceph,
];

/// Those whose components count faults.
pub(crate) const COUNTING: &[&dyn Probe] = &[&edac::Edac, &pci::Pci, &nvme::Nvme, &nic::Nic, &throttle::Throttle, &machine_check::MachineCheck];
