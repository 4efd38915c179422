//! `ceph-stop`: daemons of this node stopped with SIGSTOP. They keep their connections and answer nothing, as those of a host do that hangs or has lost its power:
//! the cluster has to notice by itself. SIGCONT makes them go on.

use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use super::super::error::FaultError;
use super::super::{Armed, Fault, FaultCtx};
use super::daemon::Daemon;
use super::{DaemonsSpec, meant};

/// Stops daemons.
pub(in super::super) struct Stop;

/// What goes on again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Noted {
    daemons: Vec<Daemon>,
}

const NAME: &str = "ceph-stop";
/// The kernel stops a process when its threads come by.
const STOPS_WITHIN: Duration = Duration::from_secs(5);

impl Fault for Stop {
    fn name(&self) -> &'static str {
        NAME
    }

    fn describe(&self) -> &'static str {
        "stops daemons of a Ceph cluster (SIGSTOP): they keep their connections and answer nothing"
    }

    fn arm(&self, ctx: &FaultCtx<'_>) -> Result<Armed, FaultError> {
        let on: DaemonsSpec = ctx.spec.on()?;
        ctx.spec.armed(&Noted { daemons: meant(NAME, &on)? })
    }

    fn inject(&self, armed: &Armed) -> Result<(), FaultError> {
        let Noted { daemons } = armed.state()?;
        // All of them at once, and then a look.
        for daemon in &daemons {
            if !daemon.signal(Signal::STOP)? {
                return Err(gone(daemon));
            }
        }
        match daemons.iter().find(|daemon| !daemon.until(STOPS_WITHIN, Daemon::is_stopped)) {
            Some(daemon) => {
                let source = std::io::Error::other(format!("it did not stop within {} s", STOPS_WITHIN.as_secs()));
                Err(FaultError::Kernel { act: "stop", subject: daemon.name.clone(), source })
            }
            None => Ok(()),
        }
    }

    fn heal(&self, armed: &Armed) -> Result<(), FaultError> {
        let Noted { daemons } = armed.state()?;
        let mut first = Ok(());
        for daemon in &daemons {
            // One that is gone has been started anew by somebody, or not: it is not stopped. One that cannot be signalled keeps no other stopped.
            if let Err(error) = daemon.signal(Signal::CONT) {
                first = first.and(Err(error));
            }
        }
        first
    }
}

fn gone(daemon: &Daemon) -> FaultError {
    FaultError::Refused { fault: NAME.to_owned(), subject: daemon.name.clone(), why: "it has ended since it was armed".to_owned() }
}
