//! Everything that calls verbs: devices and their ports, registered memory, completion queues, queue pairs.

pub(crate) mod completions;
pub(crate) mod device;
pub(crate) mod memory;
pub(crate) mod pair;
