//! A completion queue, polled by ibv_poll_cq(3). Invariant: the queue lives as long as the value; queue pairs that complete into it keep it alive.

use std::ffi::CStr;
use std::io;
use std::ptr::NonNull;
use std::rc::Rc;

use rdma_sys::{ibv_cq, ibv_create_cq, ibv_destroy_cq, ibv_poll_cq, ibv_wc, ibv_wc_status, ibv_wc_status_str};

use super::device::Device;
use crate::error::RdmaError;

/// Completions that one poll takes.
const BATCH: usize = 32;

/// A completion queue.
pub(crate) struct Completions {
    queue: NonNull<ibv_cq>,
    device: Rc<Device>,
}

/// One work completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Completion {
    /// What the request was called.
    pub(crate) id: u64,
    /// Bytes received; nothing else says.
    pub(crate) bytes: u32,
    /// None when it succeeded.
    pub(crate) failure: Option<Failure>,
}

/// Why an operation has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    status: ibv_wc_status::Type,
    vendor: u32,
}

impl Failure {
    /// Whether it fell only because another one before it has failed.
    pub(crate) fn is_flush(self) -> bool {
        self.status == ibv_wc_status::IBV_WC_WR_FLUSH_ERR
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // SAFETY: the function takes any number and answers with a string that lives for ever.
        let words = unsafe { CStr::from_ptr(ibv_wc_status_str(self.status)) };
        write!(f, "{} (status {}, vendor {:#x})", words.to_string_lossy(), self.status, self.vendor)
    }
}

impl Completions {
    /// With room for so many.
    pub(crate) fn new(device: &Rc<Device>, room: u32) -> Result<Rc<Self>, RdmaError> {
        let room = i32::try_from(room).unwrap_or(i32::MAX);
        // SAFETY: the context is open; no completion channel and no context of ours.
        let queue = NonNull::new(unsafe { ibv_create_cq(device.context(), room, std::ptr::null_mut(), std::ptr::null_mut(), 0) });
        let queue = queue.ok_or_else(|| device.refused("create a completion queue", io::Error::last_os_error()))?;
        Ok(Rc::new(Self { queue, device: Rc::clone(device) }))
    }

    /// Takes what is complete, a batch at most, into `done`, which is emptied before.
    pub(crate) fn poll(&self, done: &mut Vec<Completion>) -> Result<(), RdmaError> {
        done.clear();
        // SAFETY: a structure of integers and a union of two, for which zeroes are valid.
        let mut taken: [ibv_wc; BATCH] = unsafe { std::mem::zeroed() };
        // SAFETY: the queue lives; the array has room for as many as are asked for.
        let count = unsafe { ibv_poll_cq(self.queue.as_ptr(), i32::try_from(BATCH).expect("a small number"), taken.as_mut_ptr()) };
        let Ok(count) = usize::try_from(count) else {
            return Err(self.device.refused("poll a completion queue", io::Error::last_os_error()));
        };
        done.extend(taken[..count.min(BATCH)].iter().map(|taken| {
            let failed = taken.status != ibv_wc_status::IBV_WC_SUCCESS;
            let failure = failed.then_some(Failure { status: taken.status, vendor: taken.vendor_err });
            Completion { id: taken.wr_id, bytes: taken.byte_len, failure }
        }));
        Ok(())
    }

    pub(super) fn raw(&self) -> *mut ibv_cq {
        self.queue.as_ptr()
    }
}

impl Drop for Completions {
    fn drop(&mut self) {
        // SAFETY: the queue is the one that was created, and queue pairs that complete into it kept this value alive.
        let _ = unsafe { ibv_destroy_cq(self.queue.as_ptr()) };
    }
}
