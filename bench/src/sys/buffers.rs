//! Page-aligned I/O buffers in one anonymous mapping, of huge pages where there are any. Invariant: the mapping lives at least as long as the value, and
//! slots do not overlap. Whoever lets the kernel write into a slot must keep the value alive until the kernel is done (see `ring.rs`).

use std::io;
use std::ptr::NonNull;

use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous, munmap};

const PAGE: usize = 4096;
const HUGE: usize = 2 << 20;

/// What pages the buffers are made of: fewer entries of the processor's and the device's translation caches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pages {
    /// Reserved huge pages (MAP_HUGETLB).
    Huge,
    /// Huge pages were asked for (MADV_HUGEPAGE); the kernel gives them where it can.
    Advised,
    /// Together they are smaller than one huge page.
    Small,
}

impl Pages {
    /// For people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Pages::Huge => "huge pages",
            Pages::Advised => "huge pages advised",
            Pages::Small => "4 KiB pages",
        }
    }
}

/// Bytes that buffers of these take.
pub(crate) fn footprint(bytes: u64) -> u64 {
    // A mapping that is only advised is aligned within one that is a huge page longer.
    let huge = u64::try_from(HUGE).expect("2 MiB");
    if bytes < huge { bytes } else { bytes.next_multiple_of(huge) }
}

/// Where a mapping begins and its bytes.
type Mapping = (NonNull<u8>, usize);

/// `slots` buffers of `bs` bytes each.
pub(crate) struct Buffers {
    base: NonNull<u8>,
    mapping: Mapping,
    bs: usize,
    stride: usize,
    slots: usize,
    pages: Pages,
}

impl Buffers {
    /// Maps and touches all buffers, so that no page fault falls into a measurement.
    pub(crate) fn new(bs: usize, slots: usize) -> io::Result<Self> {
        let stride = bs.next_multiple_of(PAGE);
        let bytes = stride.checked_mul(slots).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        let (base, mapping, pages) = if bytes < HUGE {
            let base = map(bytes, MapFlags::POPULATE)?;
            (base, (base, bytes), Pages::Small)
        } else {
            let length = bytes.next_multiple_of(HUGE);
            match map(length, MapFlags::POPULATE | MapFlags::HUGETLB) {
                Ok(base) => (base, (base, length), Pages::Huge),
                Err(_) => advised(length)?,
            }
        };
        Ok(Self { base, mapping, bs, stride, slots, pages })
    }

    /// What the kernel gave.
    pub(crate) fn pages(&self) -> Pages {
        self.pages
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

fn map(bytes: usize, flags: MapFlags) -> io::Result<NonNull<u8>> {
    // SAFETY: a null hint lets the kernel choose a place that nobody uses.
    let base = unsafe { mmap_anonymous(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE | flags) }?;
    NonNull::new(base.cast::<u8>()).ok_or_else(|| io::Error::other("the kernel mapped page 0"))
}

// A mapping in which huge pages fit, asked for before it is first touched.
fn advised(length: usize) -> io::Result<(NonNull<u8>, Mapping, Pages)> {
    let whole = map(length + HUGE, MapFlags::empty())?;
    let skip = whole.as_ptr().align_offset(HUGE);
    assert!(skip < HUGE, "an address can be aligned to 2 MiB");
    // SAFETY: skip < HUGE, and the mapping is HUGE longer than what is used of it.
    let base = unsafe { whole.add(skip) };
    // SAFETY: the range is inside the mapping; the advice changes no content. Kernels without it answer with an error, and small pages are as right.
    let huge = unsafe { madvise(base.as_ptr().cast(), length, Advice::LinuxHugepage) };
    for at in (0..length).step_by(PAGE) {
        // SAFETY: at < length bytes from base are inside the mapping, which is writable and nobody else's.
        unsafe { base.as_ptr().add(at).write_volatile(0) };
    }
    Ok((base, (whole, length + HUGE), if huge.is_ok() { Pages::Advised } else { Pages::Small }))
}

impl Drop for Buffers {
    fn drop(&mut self) {
        // SAFETY: base and length are those of the mapping that new() made, and nobody borrows it any more.
        let unmapped = unsafe { munmap(self.mapping.0.as_ptr().cast(), self.mapping.1) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_aligned_apart_and_writable_whatever_their_pages() {
        for (bs, slots, small) in [(512, 8, true), (4096, 64, true), (65536, 64, false), (4 << 20, 2, false), (1 << 20, 3, false)] {
            let mut buffers = Buffers::new(bs, slots).expect("maps");
            assert_eq!(buffers.pages() == Pages::Small, small, "{bs} {slots}");
            for slot in 0..slots {
                assert!(buffers.pointer(slot).addr().is_multiple_of(PAGE));
                buffers.slice(slot).fill(u8::try_from(slot).expect("few"));
            }
            for slot in 0..slots {
                assert!(buffers.slice(slot).iter().all(|byte| usize::from(*byte) == slot) && buffers.slice(slot).len() == bs);
            }
        }
        assert!(Buffers::new(usize::MAX / 2, 4).is_err());
    }
}
