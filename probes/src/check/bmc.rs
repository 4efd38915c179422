//! What the management controller says of the node by Redfish: its health, its network port, whether it knows the same parts as the operating system,
//! and firmware with its settings. It is a witness, not a judge: a reading that cannot be and a property that is missing prove nothing.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::verdict::Reason;

use super::question::Question;
use super::seen::{looked, text};

mod agreement;
mod firmware;
mod health;
mod log;
mod log_window;
mod network;
mod sensor;

#[cfg(test)]
mod tests;

pub(super) use self::agreement::{AGREES, inventory_agrees};
pub(super) use self::firmware::{CLOCK, FIRMWARE, PROFILE, bios_profile, clock, pinned_firmware};
pub(super) use self::health::{HEALTH, health};
pub(super) use self::log_window::{NEW_ENTRIES, new_entries};
pub(super) use self::network::{NETWORK, dedicated_port};

/// What a part says of its own state (`Status.State` of DSP2046).
#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// It works, or stands by to do so.
    Working,
    /// There is none, or it is switched off: nothing to judge.
    Out,
    /// Another word: it is there and does not work, or is about to.
    Other(String),
    /// It does not say.
    Silent,
}

fn state(component: &Component) -> Result<State, Reason> {
    Ok(match text(component, Attr::State)? {
        None => State::Silent,
        Some(state) => match state.to_ascii_lowercase().as_str() {
            "enabled" | "standbyspare" | "qualified" => State::Working,
            "absent" | "disabled" => State::Out,
            _ => State::Other(state.to_owned()),
        },
    })
}

/// What a part says of its own health.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Health {
    Ok,
    Warning,
    Critical,
    /// It does not say: that is not OK.
    Silent,
}

fn health_of(component: &Component, attr: Attr) -> Result<Health, Reason> {
    match text(component, attr)? {
        None => Ok(Health::Silent),
        Some(health) => match health.to_ascii_lowercase().as_str() {
            "ok" => Ok(Health::Ok),
            "warning" => Ok(Health::Warning),
            "critical" => Ok(Health::Critical),
            _ => Err(Reason::Invalid(format!("{} is `{health}`, which is no health", component.source(attr)))),
        },
    }
}

/// The components of a kind; where there is none, the one answer that says so about `subject`.
fn subjects<'a>(question: &Question, inventory: &'a Inventory, site: &Site, kind: Kind, subject: &str) -> Result<Vec<&'a Component>, Box<Check>> {
    match inventory.of(kind) {
        Observed::Components(found) if found.is_empty() => {
            let why = format!("the management controller names no component of kind {kind}");
            Err(Box::new(question.absent(site, subject, why, looked(inventory, kind))))
        }
        Observed::Components(found) => Ok(found),
        Observed::SourceMissing(source) => Err(Box::new(question.absent(site, subject, format!("{source} does not exist on this host"), source))),
        Observed::Unknown(reason) => Err(Box::new(Check::inconclusive(question.id, subject, question.expected, reason, looked(inventory, kind)))),
    }
}

/// The one answer of a check on a node without a management controller.
fn nobody(question: &Question, inventory: &Inventory, site: &Site, subject: &str) -> Option<Check> {
    match inventory.of(Kind::Bmc) {
        Observed::SourceMissing(source) => Some(question.absent(site, subject, format!("{source} does not exist on this host"), source)),
        Observed::Components(_) | Observed::Unknown(_) => None,
    }
}
