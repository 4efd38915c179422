//! The network: what travels between two nodes, and how it is measured. Every measurement has two halves, one at each end; how they find each other is the
//! work of `assay-scenarios`.

mod clock;
pub mod isolation;
mod packet;
pub mod path;
pub mod quantiles;
pub mod stream;
pub mod tcp;
pub mod token;
mod udp;
pub mod wire;
