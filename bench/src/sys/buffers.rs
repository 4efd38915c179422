//! Page-aligned I/O buffers in one anonymous mapping. Invariant: the mapping lives at least as long as the value, and slots do not overlap. Whoever lets
//! the kernel write into a slot must keep the value alive until the kernel is done (see `ring.rs`).

use std::io;
use std::ptr::NonNull;

use rustix::mm::{MapFlags, ProtFlags, mmap_anonymous, munmap};

const PAGE: usize = 4096;

/// `slots` buffers of `bs` bytes each.
pub(crate) struct Buffers {
    base: NonNull<u8>,
    bs: usize,
    stride: usize,
    slots: usize,
}

impl Buffers {
    /// Maps and touches all buffers, so that no page fault falls into a measurement.
    pub(crate) fn new(bs: usize, slots: usize) -> io::Result<Self> {
        let stride = bs.next_multiple_of(PAGE);
        let bytes = stride * slots;
        // SAFETY: a null hint lets the kernel choose a place that nobody uses.
        let base =
            unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | MapFlags::POPULATE) }?;
        let base = NonNull::new(base.cast::<u8>()).ok_or_else(|| io::Error::other("the kernel mapped page 0"))?;
        Ok(Self { base, bs, stride, slots })
    }

    /// Where a slot begins.
    pub(crate) fn pointer(&self, slot: usize) -> *mut u8 {
        assert!(slot < self.slots, "slot {slot} of {}", self.slots);
        // SAFETY: slot < slots, so the offset stays inside the mapping.
        unsafe { self.base.as_ptr().add(slot * self.stride) }
    }

    /// The bytes of a slot.
    pub(crate) fn slice(&mut self, slot: usize) -> &mut [u8] {
        let pointer = self.pointer(slot);
        // SAFETY: bs <= stride bytes from the slot's beginning are inside the mapping, initialised by the kernel, and borrowed with self.
        unsafe { std::slice::from_raw_parts_mut(pointer, self.bs) }
    }

    /// The slots for registration with a ring.
    pub(crate) fn io_vectors(&self) -> Vec<libc::iovec> {
        (0..self.slots).map(|slot| libc::iovec { iov_base: self.pointer(slot).cast(), iov_len: self.bs }).collect()
    }
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: base and length are those of the mapping that new() made, and nobody borrows it any more.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.stride * self.slots) };
        debug_assert!(unmapped.is_ok());
    }
}
