//! Faults of a Ceph cluster: daemons of this node that are stopped or killed, and orders to the cluster that are taken back.

mod daemon;
mod kill;
mod order;
mod stop;

pub(super) use kill::Kill;
pub(super) use order::{Full, Out, Slow};
pub use order::{FullSpec, OutSpec, SlowSpec};
pub(super) use stop::Stop;

use serde::{Deserialize, Serialize};

use super::error::FaultError;
pub use daemon::{Daemon, running};

/// A daemon or a cluster that cannot be healed now is tried again for so long.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(6 * 3600);

/// Which daemons of this node, and of which cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonsSpec {
    /// The cluster that was found to be well; another one that this node may know is not touched.
    pub fsid: String,
    /// Which of its daemons.
    pub daemons: Daemons,
}

/// Which daemons.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Daemons {
    /// Those of these names: `osd.3`, `mon.pve1-node1`.
    Named(Vec<String>),
    /// Every one of the cluster that runs here.
    All,
}

/// The daemons that are meant, running here, of the cluster that is meant.
fn meant(fault: &str, DaemonsSpec { fsid, daemons }: &DaemonsSpec) -> Result<Vec<Daemon>, FaultError> {
    let found = found(fault, daemons, running()?)?;
    order::must_be_cluster(fault, fsid)?;
    Ok(found)
}

/// Those of the daemons `here` that are meant; one that is not there, that is stopped already or that there are two of refuses the whole fault.
fn found(fault: &str, daemons: &Daemons, here: Vec<Daemon>) -> Result<Vec<Daemon>, FaultError> {
    let refused = |subject: &str, why: String| FaultError::Refused { fault: fault.to_owned(), subject: crate::remote::shown(subject), why };
    let known: Vec<String> = here.iter().map(|daemon| daemon.name.clone()).collect();
    let found = match daemons {
        Daemons::All => here,
        Daemons::Named(names) => {
            let one = |name: &String| {
                let found = here.iter().find(|daemon| daemon.name == *name).cloned();
                found.ok_or_else(|| refused(name, format!("it does not run on this node; there are: {}", known.join(", "))))
            };
            names.iter().map(one).collect::<Result<Vec<_>, _>>()?
        }
    };
    let two = |daemon: &&Daemon| known.iter().filter(|name| **name == daemon.name).count() > 1;
    if let Some(daemon) = found.iter().find(two) {
        return Err(refused(&daemon.name, "two daemons of this name run on this node: which cluster each belongs to is not known".to_owned()));
    }
    if found.is_empty() {
        return Err(refused("this node", "no daemon of a Ceph cluster runs here".to_owned()));
    }
    match found.iter().find(|daemon| daemon.is_stopped()) {
        Some(daemon) => Err(refused(&daemon.name, "it is stopped already".to_owned())),
        None => Ok(found),
    }
}

#[cfg(test)]
mod tests;
