//! Everything that needs `unsafe`: aligned buffers, the ring and what goes through it, thread processor time, non-temporal stores.

pub(crate) mod admin;
pub(crate) mod block;
pub(crate) mod buffers;
pub(crate) mod mapped;
pub(crate) mod nvme;
pub(crate) mod ring;
pub(crate) mod stream;
pub(crate) mod usage;
