//! iperf3: the peer beside which TCP is calibrated (`calibrate.rs`, `peer.rs`, in network namespaces of `place.rs`), and whose results serve as baselines
//! (`baseline.rs`). iperf3's own words are kept throughout; <https://software.es.net/iperf/> defines them.

mod answer;
pub mod baseline;
pub mod calibrate;
mod peer;
mod place;

pub use peer::Peer;
