//! The way to a peer: the largest packet that gets there whole, and how long packets take there and back, idle or beside a load that is somebody else's. The
//! far half only reflects; it says when it received a packet and when it answered, so that a busy host is told from a slow network.

pub mod mtu;
pub mod reflector;
pub mod rtt;
