//! A shared mapping of a file as counters: what is stored in it survives the process. Invariant: the mapping has the length of the file when it was made, and
//! lives as long as the value; the file is the caller's, who neither shortens it nor gives it to others while it is mapped.

use std::fs::File;
use std::io;
use std::ptr::NonNull;
use std::sync::atomic::AtomicU32;

use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};

/// Counters in a file.
#[derive(Debug)]
pub(crate) struct Mapped {
    base: NonNull<AtomicU32>,
    count: usize,
}

// SAFETY: atomics are shared between threads by their nature, and the mapping is not bound to one.
unsafe impl Send for Mapped {}
// SAFETY: as above.
unsafe impl Sync for Mapped {}

impl Mapped {
    /// Maps the first `count` counters of a file that holds at least so many.
    pub(crate) fn new(file: &File, count: usize) -> io::Result<Self> {
        let bytes = count.checked_mul(size_of::<AtomicU32>()).filter(|bytes| *bytes > 0).ok_or(io::ErrorKind::InvalidInput)?;
        let length = file.metadata()?.len();
        // A page beyond the end of the file would kill the process that touches it.
        if usize::try_from(length).map_or(true, |length| length < bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        // SAFETY: a null hint lets the kernel choose a place that nobody uses; the length was just compared with the file's.
        let base = unsafe { mmap(std::ptr::null_mut(), bytes, ProtFlags::READ | ProtFlags::WRITE, MapFlags::SHARED, file, 0) }?;
        let base = NonNull::new(base.cast::<AtomicU32>()).ok_or_else(|| io::Error::other("the kernel mapped page 0"))?;
        Ok(Self { base, count })
    }

    pub(crate) fn counters(&self) -> &[AtomicU32] {
        // SAFETY: a mapping is page-aligned and holds `count` counters; any bytes are a counter, and nobody has a plain reference to them.
        unsafe { std::slice::from_raw_parts(self.base.as_ptr(), self.count) }
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: base and length are those of the mapping that new() made, and nobody borrows it any more.
        let unmapped = unsafe { munmap(self.base.as_ptr().cast(), self.count * size_of::<AtomicU32>()) };
        debug_assert!(unmapped.is_ok());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    #[test]
    fn what_is_stored_is_in_the_file_and_a_short_file_is_refused() {
        let file = tempfile::tempfile().expect("a file");
        file.set_len(4096).expect("sizes");
        let first = Mapped::new(&file, 1024).expect("maps");
        first.counters()[1023].store(7, Ordering::Relaxed);
        drop(first);
        let again = Mapped::new(&file, 1024).expect("maps");
        assert_eq!(again.counters()[1023].load(Ordering::Relaxed), 7);
        assert!(Mapped::new(&file, 1025).is_err() && Mapped::new(&file, 0).is_err());
    }
}
