//! `rados-client`: one client of a cluster measurement on this node. When its objects are laid out it says so as its event and waits for the moment, which `rados-begin` brings: every
//! node is ready before any begins. `osd-bench` has every OSD of the cluster write by itself, one after the other.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::clock::ClockStamps;
use super::{TaskContext, TaskError, TaskErrorKind, result, spec};
use crate::client::{self, ClientError, ClientSpec};
use crate::osds::{self, OsdsSpec};

/// The client.
pub const CLIENT: &str = "rados-client";
/// The moment at which it begins.
pub const BEGIN: &str = "rados-begin";
/// The OSDs by themselves.
pub const OSD_BENCH: &str = "osd-bench";

/// Between two looks at whether the moment is known.
const LOOK: Duration = Duration::from_millis(10);
/// A moment is at most so far away.
const AHEAD_MAX: Duration = Duration::from_secs(30);

/// A client, and the word under which its moment will be brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClientTask {
    pub(crate) token: String,
    pub(crate) client: ClientSpec,
}

/// The event of a client: it waits for its moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// Since when.
    pub(crate) since: ClockStamps,
}

/// The moment of a client that waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Moment {
    pub(crate) token: String,
    /// By the monotonic clock of this node.
    pub(crate) at_monotonic_ns: u64,
}

/// Who waits, and the moments that are known.
static MOMENTS: Mutex<BTreeMap<String, Option<u64>>> = Mutex::new(BTreeMap::new());

fn moments() -> MutexGuard<'static, BTreeMap<String, Option<u64>>> {
    MOMENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One who waits, until it does not any more.
struct Place<'a>(&'a str);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        moments().remove(self.0);
    }
}

pub(super) fn client(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let ClientTask { token, client } = spec(value)?;
    let mut unsaid = None;
    let seen = client::run(&client, context.stop().flag(), &mut || {
        let place = Place(&token);
        moments().insert(token.clone(), None);
        if let Err(error) = context.emit(&Waiting { since: ClockStamps::now() }) {
            unsaid = Some(error);
            return Err(ClientError::Stopped);
        }
        loop {
            if let Some(at) = moments().get(place.0).copied().flatten() {
                return Ok(at);
            }
            if context.stop().wait(LOOK) {
                return Err(ClientError::Stopped);
            }
        }
    });
    match (seen, unsaid) {
        (_, Some(error)) => Err(error),
        (Ok(seen), None) => result(&seen),
        (Err(error), None) => Err(failed(&error)),
    }
}

fn failed(error: &ClientError) -> TaskError {
    match error {
        ClientError::Stopped => TaskError::cancelled(),
        ClientError::Refused(_) => TaskError { kind: TaskErrorKind::Refused, message: error.to_string() },
        ClientError::Engine(_) | ClientError::Cluster(_) | ClientError::Failed(_) => {
            TaskError { kind: TaskErrorKind::Failed, message: error.to_string() }
        }
    }
}

pub(super) fn begin(value: Value, _context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let Moment { token, at_monotonic_ns } = spec(value)?;
    let refused = |message: String| TaskError { kind: TaskErrorKind::Refused, message };
    let now = ClockStamps::now();
    let Some(left) = at_monotonic_ns.checked_sub(now.monotonic_ns) else {
        let late = Duration::from_nanos(now.monotonic_ns - at_monotonic_ns);
        return Err(refused(format!("the moment was {late:?} ago when it was said: nothing was begun")));
    };
    if Duration::from_nanos(left) > AHEAD_MAX {
        return Err(refused(format!("a client waits at most {AHEAD_MAX:?} for its moment")));
    }
    match moments().get_mut(&token) {
        Some(moment @ None) => *moment = Some(at_monotonic_ns),
        Some(Some(_)) => return Err(refused("its moment was said already".to_owned())),
        None => return Err(refused("no client waits for a moment of that word".to_owned())),
    }
    result(&now)
}

pub(super) fn osd_bench(value: Value, context: &TaskContext<'_>) -> Result<Value, TaskError> {
    let asked: OsdsSpec = spec(value)?;
    match osds::bench(&asked, context.stop().flag()) {
        Ok(benched) => result(&benched),
        Err(_) if context.stop().is_told() => Err(TaskError::cancelled()),
        Err(message) => Err(TaskError { kind: TaskErrorKind::Failed, message }),
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use serde_json::json;

    use super::*;
    use crate::remote::stop::Stop;
    use crate::remote::task::AgentOptions;

    fn ask(token: &str, at_monotonic_ns: u64) -> Result<Value, TaskError> {
        let options = AgentOptions { faults: PathBuf::new(), watchdog: Vec::new() };
        let stop = Stop::default();
        begin(json!({"token": token, "at_monotonic_ns": at_monotonic_ns}), &TaskContext { stop: &stop, emit: &|_| Ok(()), options: &options })
    }

    #[test]
    fn a_moment_is_brought_once_to_one_who_waits_and_never_too_late() {
        let soon = ClockStamps::now().monotonic_ns + 5_000_000_000;
        assert!(ask("nobody", soon).expect_err("nobody waits").message.contains("no client waits"));
        {
            let _place = Place("somebody");
            moments().insert("somebody".to_owned(), None);
            assert!(ask("somebody", 1).expect_err("is over").message.contains("ago when it was said"));
            assert!(ask("somebody", soon + 60_000_000_000).expect_err("is far").message.contains("at most 30s"));
            ask("somebody", soon).expect("is brought");
            assert_eq!(moments().get("somebody"), Some(&Some(soon)));
            assert!(ask("somebody", soon).expect_err("twice").message.contains("already"));
        }
        assert!(!moments().contains_key("somebody"), "who does not wait any more has no place");
    }
}
