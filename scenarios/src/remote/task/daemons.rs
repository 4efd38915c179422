//! `ceph-daemons`: the daemons of a Ceph cluster that run on this node, with their numbers, so that a fault can name one of them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TaskContext, TaskError, result, spec};
use crate::fault::running;

/// Its name.
pub const NAME: &str = "ceph-daemons";

/// Nothing to say.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DaemonsSpec {}

pub(super) fn run(value: Value, _context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let DaemonsSpec {} = spec(value)?;
    result(&running().map_err(|error| TaskError::failed(&error))?)
}
