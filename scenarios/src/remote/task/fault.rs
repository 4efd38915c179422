//! `fault-arm`, `fault-inject`, `fault-heal`: the three acts of a fault, so that the near end can write each into its journal before the next. An injected fault is
//! a task that runs as long as the fault is in effect.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clock::ClockStamps;
use super::{TaskContext, TaskError, TaskErrorKind, result, spec};
use crate::error::chain;
use crate::fault::{self, Armed, FaultError, FaultSpec, Guard, HealedBy, Lifeline, Watched};

/// Checks and notes.
pub const ARM: &str = "fault-arm";
/// Breaks, and heals when told.
pub const INJECT: &str = "fault-inject";
/// Heals.
pub const HEAL: &str = "fault-heal";

/// Between two looks at a fault in effect.
const TICK: Duration = Duration::from_millis(250);
/// Longest time for which a fault waits for the moment of its injection.
const AHEAD_MAX: Duration = Duration::from_secs(30);

/// What `fault-inject` and `fault-heal` are told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmedSpec {
    /// The answer of `fault-arm`.
    pub armed: Armed,
}

/// What `fault-inject` is told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InjectSpec {
    /// The answer of `fault-arm`.
    pub armed: Armed,
    /// When, by the monotonic clock of the node: so that several nodes break at one moment, whatever their connections take. At once without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_monotonic_ns: Option<u64>,
}

/// The first event of `fault-inject` with a moment: record and watchdog are there, and nothing is broken yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Since when.
    pub since: ClockStamps,
}

/// The event of `fault-inject`: it is broken now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Injected {
    /// Before the injection began.
    pub from: ClockStamps,
    /// After it was done.
    pub to: ClockStamps,
}

/// The result of `fault-inject`: it is whole again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Healed {
    /// When it was broken.
    pub injected: Injected,
    /// Before the healing began.
    pub from: ClockStamps,
    /// After it was done.
    pub to: ClockStamps,
    /// Who healed it.
    pub by: HealedBy,
}

/// The result of `fault-heal`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WasHealed {
    /// After it was done.
    pub at: ClockStamps,
}

fn failed(error: &FaultError) -> TaskError {
    let kind = match error {
        FaultError::Refused { .. } => TaskErrorKind::Refused,
        FaultError::Unknown { .. } | FaultError::Form { .. } => TaskErrorKind::Spec,
        FaultError::Elsewhere { .. }
        | FaultError::Kernel { .. }
        | FaultError::Incomplete { .. }
        | FaultError::Record { .. }
        | FaultError::Distrusted { .. }
        | FaultError::Unguarded { .. } => TaskErrorKind::Failed,
    };
    TaskError { kind, message: chain(error) }
}

pub(super) fn arm(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let asked: FaultSpec = spec(value)?;
    let lifeline = Lifeline::of_this_process().map_err(|error| TaskError { kind: TaskErrorKind::Refused, message: error.to_string() })?;
    let armed = fault::arm(&asked, &lifeline, &context.options().faults).map_err(|error| failed(&error))?;
    result(&armed)
}

pub(super) fn inject(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let InjectSpec { armed, at_monotonic_ns } = spec(value)?;
    let options = context.options();
    let mut guard = Guard::stand(&options.faults, &options.watchdog, &armed).map_err(|error| failed(&error))?;
    if let Some(at) = at_monotonic_ns {
        wait_for(&mut guard, at, context)?;
    }
    let from = ClockStamps::now();
    guard.inject().map_err(|error| failed(&error))?;
    let injected = Injected { from, to: ClockStamps::now() };
    let deadline = Instant::now() + Duration::from_millis(armed.within_ms);
    // A near end that is gone does not hear it; the word to stop comes by itself.
    let _ = context.emit(&injected);
    let by = loop {
        match guard.tick().map_err(|error| failed(&error))? {
            Watched::Healed(by) => break by,
            Watched::InEffect => {}
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            break HealedBy::Deadline;
        }
        if context.stop().wait(TICK.min(left)) {
            break HealedBy::Request;
        }
    };
    let from = ClockStamps::now();
    guard.heal().map_err(|error| failed(&error))?;
    result(&Healed { injected, from, to: ClockStamps::now(), by })
}

/// Says that the guard stands, and waits for the moment. One that is over, or that nobody waits for any more, breaks nothing.
fn wait_for(guard: &mut Guard, at_monotonic_ns: u64, context: &TaskContext<'_>) -> Result<(), TaskError> {
    let refused = |message: String| TaskError { kind: TaskErrorKind::Refused, message };
    let since = ClockStamps::now();
    if at_monotonic_ns < since.monotonic_ns {
        let late = Duration::from_nanos(since.monotonic_ns - at_monotonic_ns);
        return Err(refused(format!("it could have been injected {late:?} after the moment that it was asked for: nothing was broken")));
    }
    if Duration::from_nanos(at_monotonic_ns - since.monotonic_ns) > AHEAD_MAX {
        return Err(refused(format!("a fault waits at most {AHEAD_MAX:?} for its moment")));
    }
    context.emit(&Standing { since })?;
    while let Some(left) = at_monotonic_ns.checked_sub(ClockStamps::now().monotonic_ns).filter(|left| *left > 0) {
        if context.stop().wait(TICK.min(Duration::from_nanos(left))) {
            return Err(TaskError::cancelled());
        }
        match guard.tick().map_err(|error| failed(&error))? {
            Watched::Healed(by) => return Err(refused(format!("it was healed by {by:?} before it was injected"))),
            Watched::InEffect => {}
        }
    }
    Ok(())
}

pub(super) fn heal(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let ArmedSpec { armed } = spec(value)?;
    fault::heal_armed(&context.options().faults, &armed).map_err(|error| failed(&error))?;
    result(&WasHealed { at: ClockStamps::now() })
}
