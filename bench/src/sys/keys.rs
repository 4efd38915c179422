//! Keys that the kernel keeps for a thread (add_key(2)): what must not stand in a command line, a file or a log. Invariant: the key goes with the thread that has given it.

use std::ffi::CStr;
use std::io;

/// Type of the keys of Ceph's clients in the kernel.
pub(crate) const CEPH: &CStr = c"ceph";

/// Gives the kernel a key for as long as this thread lives, and for this thread only. ENODEV where no module has loaded the type.
pub(crate) fn give(kind: &CStr, name: &CStr, key: &[u8]) -> io::Result<()> {
    // SAFETY: both texts and the bytes live through the call, and the kernel copies them.
    let serial = unsafe { libc::syscall(libc::SYS_add_key, kind.as_ptr(), name.as_ptr(), key.as_ptr(), key.len(), libc::KEY_SPEC_THREAD_KEYRING) };
    if serial < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
