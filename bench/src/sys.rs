//! Everything that needs `unsafe`: aligned buffers, the ring, thread processor time, non-temporal stores.

pub(crate) mod buffers;
pub(crate) mod ring;
pub(crate) mod stream;
pub(crate) mod usage;
