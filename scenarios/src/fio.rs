//! fio: the peer beside which assay is calibrated (`calibrate.rs`, `peer.rs`), whose job files are read (`job_file.rs`) and whose results serve as
//! baselines (`baseline.rs`). fio's own words are kept throughout; <https://fio.readthedocs.io> defines them.

pub mod baseline;
pub mod calibrate;
pub mod job_file;
mod peer;
mod place;

pub use peer::Peer;
