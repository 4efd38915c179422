//! The `rbd` engine: reads, writes, discards and flushes of an image of a Ceph cluster through librbd (`sys/rbd.rs`), by a lane that
//! `operations.rs` has. All lanes on one image share its handle: two handles would take the exclusive lock from one another. Making images and removing them is `rbd/pool.rs`'s;
//! whether that may be done, a claim's.
//! What the kernel's own driver is told to map one (`rbd/kernel.rs`) is worked on as any block device is.

use crate::engine::Lane;
use crate::engine::operations::OperationsLane;
use crate::engine::uring::WriteLeave;
use crate::error::EngineError;

mod image;
mod kernel;
mod pool;
#[cfg(test)]
mod tests;

pub use image::{Cache, Feature, Features, Image, Layout, Objects};
pub use kernel::{KernelClient, unmap};
pub use pool::{Pool, Seen};

pub use super::cluster::Connect;
pub use crate::sys::operations::footprint;

/// A lane for `iodepth` operations of `bs` bytes on an open image. What the client's cache holds of it is written and forgotten first: a job reads what the cluster has.
pub fn open(image: &Image, bs: u32, iodepth: u32, leave: Option<&dyn WriteLeave>) -> Result<impl Lane + use<>, EngineError> {
    let target = image.name().to_owned();
    let handle = image.emptied().map_err(|source| EngineError::Cluster { target: target.clone(), source })?;
    OperationsLane::new(handle, target, bs, iodepth, leave)
}
