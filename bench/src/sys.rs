//! Everything that needs `unsafe`: aligned buffers, the ring, thread processor time, non-temporal stores.

mod block;
pub(crate) mod buffers;
pub(crate) mod ring;
pub(crate) mod stream;
pub(crate) mod usage;
