//! Memory that a card reads and writes by itself: mapped, locked and registered by ibv_reg_mr(3). Invariant: mapping and registration live as long as the
//! value, and nobody has a plain reference into them: it is seen as atomic words, because the card writes there when it likes.

use std::io;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::AtomicU64;

use rdma_sys::{ibv_access_flags, ibv_dereg_mr, ibv_mr, ibv_reg_mr};
use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};
use rustix::process::{Resource, getrlimit};

use super::device::Domain;
use crate::error::RdmaError;

/// What the other end may do with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Remote {
    /// Nothing.
    Nothing,
    /// Write to it.
    Writes,
    /// Read from it.
    Reads,
}

/// Registered memory.
#[derive(Debug)]
pub(crate) struct Region {
    base: NonNull<AtomicU64>,
    bytes: usize,
    registration: NonNull<ibv_mr>,
    _domain: Rc<Domain>,
}

impl Region {
    /// Of so many bytes, all zero.
    pub(crate) fn new(domain: &Rc<Domain>, bytes: usize, remote: Remote) -> Result<Rc<Self>, RdmaError> {
        let refused = |source| RdmaError::Memory { bytes, device: domain.device().name().to_owned(), limit: limit(), source };
        let bytes_mapped = bytes.next_multiple_of(4096).max(4096);
        // SAFETY: a null hint lets the kernel choose a place that nobody uses.
        let base =
            unsafe { mmap_anonymous(std::ptr::null_mut(), bytes_mapped, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::POPULATE) };
        let base = base.map_err(|error| refused(error.into()))?;
        let access = ibv_access_flags::IBV_ACCESS_LOCAL_WRITE
            | match remote {
                Remote::Nothing => ibv_access_flags(0),
                Remote::Writes => ibv_access_flags::IBV_ACCESS_REMOTE_WRITE,
                Remote::Reads => ibv_access_flags::IBV_ACCESS_REMOTE_READ,
            };
        let access = i32::try_from(access.0).expect("flags of the low bits");
        // SAFETY: the domain is allocated; the mapping of this length is ours and stays until the registration is gone.
        let registration = NonNull::new(unsafe { ibv_reg_mr(domain.raw(), base, bytes_mapped, access) });
        let error = io::Error::last_os_error();
        match (NonNull::new(base.cast::<AtomicU64>()), registration) {
            (Some(base), Some(registration)) => Ok(Rc::new(Self { base, bytes: bytes_mapped, registration, _domain: Rc::clone(domain) })),
            (Some(_) | None, _) => {
                // SAFETY: base and length are those of the mapping above, of which nobody else has heard.
                let _ = unsafe { munmap(base, bytes_mapped) };
                Err(refused(error))
            }
        }
    }

    /// Its content.
    pub(crate) fn words(&self) -> &[AtomicU64] {
        // SAFETY: a mapping is page-aligned and holds so many words; any bytes are a word, and nobody has a plain reference to them.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.bytes / size_of::<AtomicU64>()) }
    }

    /// How much it is.
    pub(crate) fn bytes(&self) -> u64 {
        u64::try_from(self.bytes).expect("a size of 64 bits")
    }

    /// Where it begins.
    pub(crate) fn address(&self) -> u64 {
        u64::try_from(self.base.as_ptr().addr()).expect("an address of 64 bits")
    }

    /// What opens it to the other end.
    pub(crate) fn rkey(&self) -> u32 {
        // SAFETY: the registration lives as long as this value, and its keys never change.
        unsafe { (*self.registration.as_ptr()).rkey }
    }

    pub(super) fn lkey(&self) -> u32 {
        // SAFETY: as above.
        unsafe { (*self.registration.as_ptr()).lkey }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the registration is the one that was made; queue pairs that use it kept this value alive.
        let freed = unsafe { ibv_dereg_mr(self.registration.as_ptr()) };
        // A card that could still write there must not write to whoever gets the memory next.
        if freed == 0 {
            // SAFETY: base and length are those of the mapping that new() made, and nobody borrows it any more.
            let _ = unsafe { munmap(self.base.as_ptr().cast(), self.bytes) };
        }
    }
}

fn limit() -> String {
    getrlimit(Resource::Memlock).current.map_or_else(|| "none".to_owned(), |bytes| format!("{bytes} bytes"))
}
