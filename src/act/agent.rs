//! `assay agent`: the far end of a measurement, and the watchdog of a fault. Standard output carries the protocol and nothing else.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _};
use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use assay_scenarios::fault;
use assay_scenarios::remote::{AgentOptions, Identity, Served, serve};

use super::DONE;
use crate::cli;
use crate::context::Usage;
use crate::present;

/// The session, or the watch, did not end as it should.
const BROKEN: u8 = 4;

/// Serves until the near end is done or gone.
pub(crate) fn agent(options: &cli::Agent) -> Result<u8> {
    if let Some(record) = &options.watchdog {
        return fault::watch(record).map(|()| DONE).map_err(|why| anyhow!("{why}").context(format!("cannot guard {}", record.display())));
    }
    if io::stdin().is_terminal() || io::stdout().is_terminal() {
        let why = "assay agent is started by another assay over SSH and speaks a protocol that nobody types; name this node in the site of the other one instead";
        return Err(Usage(why.into()).into());
    }
    let identity = identity()?;
    let options = AgentOptions { faults: options.faults.clone(), watchdog: watchdog()? };
    let log = &mut |line: &str| present::say(&format!("agent: {line}"));
    Ok(match serve(io::stdin(), io::stdout(), &identity, &options, log) {
        Served::Bye => DONE,
        Served::Lost(_) | Served::Declined(_) => BROKEN,
    })
}

/// What this build says of itself to other nodes.
pub(crate) fn identity() -> Result<Identity> {
    Identity::of_this_host(env!("CARGO_PKG_VERSION"), env!("ASSAY_REVISION")).context("cannot read the boot of this machine")
}

/// This very binary, also when another one has taken its place meanwhile.
fn watchdog() -> Result<Vec<OsString>> {
    let own = env::current_exe().context("cannot find this binary")?;
    let program = if own.exists() { own } else { Path::new("/proc/self/exe").to_owned() };
    Ok(vec![program.into(), "agent".into(), "--watchdog".into()])
}
