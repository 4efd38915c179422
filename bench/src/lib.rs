//! What a node can do. The driver owns clock, ramp, pacing, verification, statistics and stop; engines only issue operations and reap completions.
//! Nothing here reads sysfs or judges: targets are handed in, figures are handed out.

#![deny(unsafe_code)]

pub mod driver;
pub mod engine;
pub mod error;
pub mod history;
pub mod job;
pub mod kernel;
pub mod net;
pub mod oplog;
pub mod payload;
pub mod sprandom;
pub mod stamp;
#[allow(unsafe_code, reason = "the one place where foreign things are wrapped; each file states its invariant")]
mod sys;

pub use driver::{Direction, JobResult, Open, OpenLoop, Progress, drive, drive_lanes, merge, sum_of_series};
pub use engine::{ENGINES, EngineEntry, Lane, Op, OpKind};
pub use error::{ClusterError, EngineError};
pub use history::History;
pub use job::{Access, Arrivals, BlockSizes, Distribution, Extent, Job, Load, Rw, Span, Verify};
pub use sys::exit::end_process;
