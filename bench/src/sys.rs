//! Everything that needs `unsafe`: aligned buffers, the rings and what goes through them, socket options, whole frames, datagrams with what the kernel says of them, thread
//! processor time, non-temporal stores, Ceph's libraries, keys for the kernel, the end of the process.

pub(crate) mod admin;
pub(crate) mod block;
pub(crate) mod buffers;
pub(crate) mod datagram;
pub(crate) mod exit;
pub(crate) mod frames;
pub(crate) mod keys;
pub(crate) mod mapped;
pub(crate) mod net_ring;
pub(crate) mod nvme;
pub(crate) mod operations;
pub(crate) mod rados;
pub(crate) mod rbd;
pub(crate) mod ring;
pub(crate) mod socket;
pub(crate) mod stream;
pub(crate) mod usage;
