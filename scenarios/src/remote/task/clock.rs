//! `clock`: the clocks of the node, read once, as near to each other as two calls can be. What is made of many such answers is in `remote/offset.rs`.

use rustix::time::{ClockId, Timespec, clock_gettime};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{TaskContext, TaskError, result, spec};

/// Its name.
pub const NAME: &str = "clock";

/// Nothing to say.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockSpec {}

/// Two clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClockStamps {
    /// `CLOCK_MONOTONIC`.
    pub monotonic_ns: u64,
    /// `CLOCK_REALTIME`, since 1970.
    pub realtime_ns: u64,
}

impl ClockStamps {
    /// Now.
    pub fn now() -> Self {
        Self { monotonic_ns: ns(clock_gettime(ClockId::Monotonic)), realtime_ns: ns(clock_gettime(ClockId::Realtime)) }
    }
}

// Both clocks are positive, and stay within 64 bits for centuries.
fn ns(time: Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(u64::try_from(time.tv_nsec).unwrap_or(0))
}

pub(super) fn run(value: Value, _context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let ClockSpec {} = spec(value)?;
    result(&ClockStamps::now())
}
