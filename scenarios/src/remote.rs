//! Remote nodes over SSH, as rsync and borg do it: `ssh HOST assay agent --stdio`, and one JSON object a line over the connection's standard input and
//! output. The near end is [`Remote`], the far end [`serve`]; what a far end can do is in [`TASKS`]. Nothing listens for commands anywhere.

mod error;
mod identity;
mod line;
mod message;
mod near;
mod offset;
mod outbox;
mod said;
mod serve;
mod stop;
mod target;
pub mod task;

pub use error::RemoteError;
pub(crate) use error::shown;
pub use identity::Identity;
pub(crate) use identity::boot_id;
pub use line::{LINE_MAX, LineError, Lines};
pub use message::{FromAgent, Hello, PROTOCOL, ToAgent};
pub use near::{Remote, RemoteTask};
pub use offset::{ClockOffset, Drift};
pub use serve::{Served, serve};
pub use stop::Stop;
pub use target::{Patience, Target};
pub use task::{AgentOptions, TASKS, TaskContext, TaskEntry, TaskError, TaskErrorKind};

#[cfg(test)]
mod tests;
