//! What RDMA between two nodes can do: RC write, read and send over RoCE v2, their bandwidth and latency, with content compared as far as
//! [`Workload::compared`] says. Verbs come through the crate `rdma-sys`, which links libibverbs; they are here only with the feature `verbs`, so that a plain
//! build needs no foreign library.
//!
//! A measurement has two halves, [`serve`] and [`connect`], which meet on a TCP connection that a one-time token opens, exchange there what their queue
//! pairs need, and tell each other what they did and saw. Judges nothing and reads no sysfs: device, port and GID are asked of the verbs.

#![deny(unsafe_code)]

pub mod choice;
pub mod control;
pub mod error;
pub mod pattern;
pub mod perftest;
pub mod result;
pub mod spec;

#[cfg(feature = "verbs")]
mod bandwidth;
#[cfg(feature = "verbs")]
mod halves;
#[cfg(feature = "verbs")]
mod latency;
#[cfg(feature = "verbs")]
mod session;
#[cfg(feature = "verbs")]
#[allow(unsafe_code, reason = "the one place where verbs are called; each file wraps one foreign thing and states its invariant")]
mod sys;

/// Whether this build speaks verbs.
pub const HAS_VERBS: bool = cfg!(feature = "verbs");
/// What there is to say where it does not.
pub const WITHOUT_VERBS: &str = "this assay was built without RDMA; build it with `apt-get install --no-install-recommends libibverbs-dev librdmacm-dev \
    libclang-dev pkg-config` and `cargo build --release --features rdma`";

pub use error::RdmaError;
#[cfg(feature = "verbs")]
pub use halves::{connect, ports, serve};
pub use result::RdmaResult;
pub use spec::{Endpoint, Flow, Measure, Operation, Plant, RdmaConnect, RdmaListen, Verify, Workload};
