//! `inventory`: what the probes of this node see, read once: which board it is, what carries its addresses, how its bonds are.

use std::path::Path;
use std::time::Duration;

use assay_probes::{Host, ProbeOptions, take_inventory};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TaskContext, TaskError, result, spec};

/// Its name.
pub const NAME: &str = "inventory";

/// How it is asked.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InventorySpec {
    /// Milliseconds that one probe may take.
    pub deadline_ms: u64,
    /// How long the members of bonds are listened on for LLDP, milliseconds, where lldpd does not know their neighbours. Ends early when all were heard.
    #[serde(default)]
    pub listen_ms: u64,
}

/// Longest time that can be listened.
const LISTEN_MAX_MS: u64 = 300_000;

pub(super) fn run(value: Value, _context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let InventorySpec { deadline_ms, listen_ms } = spec(value)?;
    let host = Host::live(Path::new("/")).listening(Duration::from_millis(listen_ms.min(LISTEN_MAX_MS)));
    let options = ProbeOptions { deadline: Duration::from_millis(deadline_ms), now: jiff::Timestamp::now() };
    result(&take_inventory(&host, &options))
}
