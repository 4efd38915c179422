//! `assay snapshot`: everything that the probes read, as one plain-text file.

use anyhow::{Context as _, Result};
use assay_probes::{Host, RecordingOptions, environment, error_counters, take_inventory};

use super::DONE;
use crate::cli::Snapshot;
use crate::context::{Context, SNAPSHOT_HEAD, Usage, tool};
use crate::output;

/// Records the host.
pub(crate) fn snapshot(context: &Context, options: &Snapshot) -> Result<u8> {
    let Some(root) = context.root() else {
        return Err(Usage("a snapshot is taken of a machine or of --root, not of another snapshot".into()).into());
    };
    let host = context.managed(Host::recording(root).listening(context.listening_time()))?;
    let probing = context.probe_options();
    let now = probing.now;
    let inventory = take_inventory(&host, &probing);
    error_counters(&host);
    environment(&host, &inventory);
    let text = host.recorded(&RecordingOptions { redact: options.redact, tool: tool(), now }).context("cannot write down what was read")?;
    output::write_whole(&options.output, SNAPSHOT_HEAD, &text)?;
    Ok(DONE)
}
