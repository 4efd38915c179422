//! Processor time of the calling thread by getrusage(2), RUSAGE_THREAD. Invariant: the kernel fills the whole structure or says that it did not.

use crate::driver::Cpu;

/// Processor time that the calling thread has used.
pub(crate) fn thread() -> Cpu {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is valid for writes of one rusage for the duration of the call.
    let answer = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    assert_eq!(answer, 0, "getrusage(RUSAGE_THREAD) fails only for a bad pointer");
    // SAFETY: zeroed is a valid rusage, and the call has filled it.
    let usage = unsafe { usage.assume_init() };
    Cpu { user_ns: nanoseconds(usage.ru_utime), system_ns: nanoseconds(usage.ru_stime) }
}

fn nanoseconds(time: libc::timeval) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let micros = u64::try_from(time.tv_usec).unwrap_or(0);
    seconds * 1_000_000_000 + micros * 1_000
}
