//! Images of a Ceph cluster beside the tools that know them: fio's engine `rbd`, and `rbd bench` of Ceph itself.

pub mod calibrate;
mod peer;
mod sides;

pub use peer::Peer;
