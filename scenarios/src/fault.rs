//! Breaks one thing on purpose, and repairs it whatever happens. What healing needs is on the disk before anything is broken, a watchdog process of its own
//! session heals when the agent dies, hangs or overstays, and every start of an agent heals first what was left.

use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

mod ceph;
mod error;
mod guard;
mod lacp_slow;
mod lifeline;
mod link_down;
mod link_shape;
mod links;
mod netlink;
mod record;
mod silent_link;
mod switch_loss;
mod traffic;
mod vanish;
mod watchdog;

pub use ceph::{Daemon, Daemons, DaemonsSpec, FullSpec, OutSpec, SlowSpec, running};
pub use error::FaultError;
pub(crate) use guard::{Guard, Watched};
pub use guard::{HealedBy, heal_armed, heal_leftovers};
pub use lacp_slow::LacpSlowSpec;
pub use lifeline::Lifeline;
pub use link_down::LinkDownSpec;
pub use link_shape::LinkShapeSpec;
pub use links::is_interface_name;
pub use record::Folder;
pub use silent_link::{Direction, SilentLinkSpec};
pub use switch_loss::SwitchLossSpec;
pub use watchdog::watch;

/// Where records of armed faults lie: a folder that does not survive a reboot, as the faults do not.
pub const FOLDER: &str = "/run/assay/faults";
/// Longest time that a fault may be in effect.
pub const WITHIN_MAX_MS: u64 = 3_600_000;
/// Longest id.
const ID_MAX: usize = 64;

/// Breaks one thing and repairs it. `heal` works after a crash, from `Armed` alone, and is idempotent.
pub trait Fault: Sync {
    /// Its name in the registry.
    fn name(&self) -> &'static str;
    /// One sentence for people.
    fn describe(&self) -> &'static str;
    /// Checks that it may be injected, and notes all that `heal` needs; changes nothing.
    fn arm(&self, ctx: &FaultCtx<'_>) -> Result<Armed, FaultError>;
    /// Breaks it.
    fn inject(&self, armed: &Armed) -> Result<(), FaultError>;
    /// Makes it whole, whether or not it was broken.
    fn heal(&self, armed: &Armed) -> Result<(), FaultError>;
    /// For how long healing is tried again when it fails: a daemon or a cluster may be away for longer than the kernel is.
    fn patience(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
    /// Whether it is still in effect after a reboot of the node: something else than the node was broken.
    fn outlives_the_boot(&self) -> bool {
        false
    }
}

/// Every fault.
pub const FAULTS: &[&dyn Fault] = &[
    &link_down::LinkDown,
    &silent_link::SilentLink,
    &link_shape::LinkShape,
    &switch_loss::SwitchLoss,
    &lacp_slow::LacpSlow,
    &ceph::Stop,
    &ceph::Kill,
    &ceph::Out,
    &ceph::Full,
    &ceph::Slow,
];

/// What a fault is asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultSpec {
    /// Names this one fault: letters, digits, `-` and `_`, at most 64.
    pub id: String,
    /// Its name in the registry.
    pub fault: String,
    /// What it is done to, in the form that the fault defines: `{"interface": "enp1s0f0np0"}`.
    pub on: Value,
    /// It is healed so many milliseconds after its injection, whatever happens.
    pub within_ms: u64,
}

/// What a fault looks at when it is armed.
pub struct FaultCtx<'a> {
    /// What was asked for.
    pub spec: &'a FaultSpec,
    /// What must not be cut.
    pub lifeline: &'a Lifeline,
}

/// An armed fault: all that `heal` needs. This is the `armed` of the journal's `fault_armed`, and what lies on the disk of the node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Armed {
    /// Names this one fault.
    pub id: String,
    /// Its name in the registry.
    pub fault: String,
    /// The boot during which it was armed: another one has healed it.
    pub boot: String,
    /// The network namespace that it was armed in, by the number of its inode.
    pub netns: u64,
    /// Healed at the latest so many milliseconds after its injection.
    pub within_ms: u64,
    /// What the fault itself has noted.
    pub state: Value,
}

/// The fault of that name.
pub fn fault(name: &str) -> Result<&'static dyn Fault, FaultError> {
    FAULTS.iter().copied().find(|fault| fault.name() == name).ok_or_else(|| FaultError::Unknown {
        fault: crate::remote::shown(name),
        known: FAULTS.iter().map(|fault| fault.name()).collect::<Vec<_>>().join(", "),
    })
}

/// Checks that a fault may be injected; changes nothing. None may while another one is armed.
pub fn arm(spec: &FaultSpec, lifeline: &Lifeline, folder: &Path) -> Result<Armed, FaultError> {
    if !is_id(&spec.id) {
        return Err(spec.form("an id has 1 to 64 letters, digits, `-` and `_`, and begins with none of the last two"));
    }
    if spec.within_ms == 0 || spec.within_ms > WITHIN_MAX_MS {
        return Err(spec.form(&format!("it must be healed within 1 to {WITHIN_MAX_MS} ms")));
    }
    let fault = fault(&spec.fault)?;
    Folder::open(folder)?.none_armed(&spec.fault, record::FREE_WITHIN)?;
    fault.arm(&FaultCtx { spec, lifeline })
}

/// Heals an armed fault, whether or not it is in effect. Of what broke the node alone nothing is left after another boot.
pub fn heal(armed: &Armed) -> Result<(), FaultError> {
    let fault = fault(&armed.fault)?;
    if armed.boot != record::boot()? {
        return if fault.outlives_the_boot() { fault.heal(armed) } else { Ok(()) };
    }
    if armed.netns != record::netns()? {
        return Err(FaultError::Elsewhere { id: armed.id.clone(), fault: armed.fault.clone() });
    }
    fault.heal(armed)
}

/// Heals on this host what was broken from another one, where that was no part of the other host itself; false where it was.
pub(crate) fn heal_from_elsewhere(armed: &Armed) -> Result<bool, FaultError> {
    let fault = fault(&armed.fault)?;
    if !fault.outlives_the_boot() {
        return Ok(false);
    }
    fault.heal(armed).map(|()| true)
}

/// Injects what was armed, in the boot and the namespace that it was armed in.
pub(crate) fn inject(armed: &Armed) -> Result<(), FaultError> {
    let fault = fault(&armed.fault)?;
    if armed.boot != record::boot()? || armed.netns != record::netns()? {
        return Err(FaultError::Elsewhere { id: armed.id.clone(), fault: armed.fault.clone() });
    }
    fault.inject(armed)
}

impl FaultSpec {
    /// What it is done to, as the fault knows it.
    fn on<T: DeserializeOwned>(&self) -> Result<T, FaultError> {
        serde_json::from_value(self.on.clone()).map_err(|error| self.form(&error.to_string()))
    }

    fn form(&self, why: &str) -> FaultError {
        FaultError::Form { fault: crate::remote::shown(&self.fault), why: why.to_owned() }
    }

    /// The armed form of this, with what the fault has noted.
    fn armed(&self, state: &impl Serialize) -> Result<Armed, FaultError> {
        let state = serde_json::to_value(state).map_err(|error| self.form(&error.to_string()))?;
        let (boot, netns) = (record::boot()?, record::netns()?);
        Ok(Armed { id: self.id.clone(), fault: self.fault.clone(), boot, netns, within_ms: self.within_ms, state })
    }
}

impl Armed {
    /// What the fault has noted, as the fault knows it.
    fn state<T: DeserializeOwned>(&self) -> Result<T, FaultError> {
        serde_json::from_value(self.state.clone()).map_err(|error| FaultError::Form { fault: self.fault.clone(), why: error.to_string() })
    }
}

/// Whether this can name a fault, and a file.
pub fn is_id(id: &str) -> bool {
    id.len() <= ID_MAX
        && id.bytes().next().is_some_and(|first| first.is_ascii_alphanumeric())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

#[cfg(test)]
mod tests;
