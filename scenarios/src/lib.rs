//! What assay does to a node: the catalogue of scenarios, the plan that says beforehand what will happen, the claim without which nothing is
//! written, the runner, and the crash-safe journal that is the only truth about a run.

pub mod acks;
pub mod calibration;
pub mod catalog;
mod child;
pub mod claim;
mod client;
pub mod directory;
pub mod error;
pub mod fault;
pub mod fio;
pub mod iperf;
pub mod isolation;
pub mod journal;
mod osds;
mod patience;
pub mod peer;
pub mod perftest;
pub mod plan;
pub mod power;
pub mod printable;
mod quantity;
pub mod rbd;
pub mod remote;
pub mod runner;
pub mod scenario;
