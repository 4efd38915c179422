//! Why a fault is not armed, injected or healed.

use std::io;

use crate::printable::Printable;

/// A fault that cannot be handled.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// There is no fault of that name.
    #[error("there is no fault `{fault}`; known are {known}")]
    Unknown {
        /// What was asked for.
        fault: String,
        /// All names.
        known: String,
    },
    /// What was asked for, or noted, is not of the form that the fault has.
    #[error("cannot use fault {fault}: {why}")]
    Form {
        /// The fault.
        fault: String,
        /// What does not fit.
        why: String,
    },
    /// It may not be injected there.
    #[error("refused to inject {fault} on {subject}: {why}")]
    Refused {
        /// The fault.
        fault: String,
        /// On what.
        subject: String,
        /// What stands in the way.
        why: String,
    },
    /// It belongs to another boot or another network namespace.
    #[error("cannot handle fault {id} ({fault}) here: it was armed in another boot or in another network namespace")]
    Elsewhere {
        /// Which.
        id: String,
        /// The fault.
        fault: String,
    },
    /// The kernel refuses.
    #[error("cannot {act} {subject}")]
    Kernel {
        /// What was attempted.
        act: &'static str,
        /// On what.
        subject: String,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// It was healed, and not everything is as it was.
    #[error("healed {subject}, but {why}")]
    Incomplete {
        /// What.
        subject: String,
        /// What is missing.
        why: String,
    },
    /// The record of an armed fault cannot be made, read or removed.
    #[error("cannot {act} {path}")]
    Record {
        /// What was attempted.
        act: &'static str,
        /// On what.
        path: Printable,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The record or its folder is none that can be trusted.
    #[error("cannot trust {path}: {why}")]
    Distrusted {
        /// What.
        path: Printable,
        /// Why not.
        why: String,
    },
    /// The watchdog does not guard.
    #[error("cannot guard fault {id}: {why}")]
    Unguarded {
        /// Which.
        id: String,
        /// Why not.
        why: String,
    },
}

impl FaultError {
    pub(super) fn kernel(act: &'static str, subject: &str) -> impl FnOnce(io::Error) -> Self {
        let subject = subject.to_owned();
        move |source| FaultError::Kernel { act, subject, source }
    }
}
