//! What assay does to a node: the catalogue of scenarios, the plan that says beforehand what will happen, the claim without which nothing is
//! written, the runner, and the crash-safe journal that is the only truth about a run.

pub mod acks;
pub mod catalog;
pub mod claim;
pub mod directory;
pub mod error;
pub mod fio;
pub mod journal;
mod patience;
pub mod plan;
pub mod power;
pub mod printable;
mod quantity;
pub mod runner;
pub mod scenario;
