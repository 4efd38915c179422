//! The `rados` engine: reads and writes of objects of a Ceph cluster through librados (`sys/rados.rs`), as a range of bytes that goes from one object to the next,
//! by a lane that `operations.rs` has. It never makes an object. Making them and removing them is `rados/pool.rs`'s; whether that may be
//! done, a claim's. What single OSDs do by themselves is in `rados/osds.rs`.

use crate::engine::Lane;
use crate::engine::operations::OperationsLane;
use crate::engine::uring::WriteLeave;
use crate::error::{ClusterError, EngineError};

mod osds;
mod pool;
#[cfg(test)]
mod tests;

pub use super::cluster::{Connect, Health};
pub use crate::sys::operations::footprint;
pub use osds::{OSD_BENCH_BYTES_MAX, OsdBench, Osds};
pub use pool::{Mark, ObjectSet, Pool};

/// A lane for `iodepth` operations of `bs` bytes, on objects of a pool. Lanes on one pool share its connection; more of them need pools of their own.
pub fn open(pool: &Pool, set: &ObjectSet, bs: u32, iodepth: u32, leave: Option<&dyn WriteLeave>) -> Result<impl Lane + use<>, EngineError> {
    let target = set.name(pool);
    if bs == 0 || !set.object_bytes().is_multiple_of(bs.into()) {
        let why = format!("operations of {bs} bytes do not divide objects of {}", set.object_bytes());
        return Err(EngineError::Job { rw: "anything", target, why });
    }
    let objects = pool.objects(set).map_err(|source| {
        let source = ClusterError::Call { act: "name the objects of", subject: target.clone(), source };
        EngineError::Cluster { target: target.clone(), source }
    })?;
    OperationsLane::new(objects, target, bs, iodepth, leave)
}
