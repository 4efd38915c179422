//! `bonds`: the bonds of the node and their members, as the probe `bond` sees them, read once. Much quicker than a whole inventory: it is asked again and again while
//! a member leaves and comes back.

use std::path::Path;

use assay_probes::{Host, PROBES};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TaskContext, TaskError, TaskErrorKind, result, spec};

/// Its name.
pub const NAME: &str = "bonds";
/// The probe.
const PROBE: &str = "bond";

/// Nothing to say.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BondsSpec {}

pub(super) fn run(value: Value, _context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let BondsSpec {} = spec(value)?;
    let probe = PROBES.iter().find(|probe| probe.name() == PROBE);
    let probe = probe.ok_or_else(|| TaskError { kind: TaskErrorKind::Failed, message: format!("there is no probe {PROBE}") })?;
    result(&probe.probe(&Host::live(Path::new("/"))).map_err(|error| TaskError::failed(&error))?)
}
