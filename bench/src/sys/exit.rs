//! The end of the process by _exit(2). Invariant: none is needed, the call does not come back.

/// Ends the process at once, with that status: nothing of libraries is taken down. Threads of librados may wait for a cluster, or be about to leave it, for as long as they wish; the
/// destructors of exit(3) take the library away under them, and what they do then ends the program by SIGSEGV or SIGABRT, whatever it found. What is in buffers is lost: whoever writes flushes.
pub fn end_process(status: u8) -> ! {
    // SAFETY: always allowed.
    unsafe { libc::_exit(status.into()) }
}
