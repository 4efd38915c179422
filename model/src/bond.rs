//! A bond of network ports: which member a flow is sent on, which source ports put flows on every member, and what members' counters prove of it.

pub mod hash;
pub mod ports;
pub mod shares;
