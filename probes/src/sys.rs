//! The kernel calls that no crate wraps safely. What they mean is for the probes to say.

use rustix::io::Errno;

pub(crate) mod ethtool;
#[cfg(test)]
pub(crate) mod lab;
pub(crate) mod nvme;
pub(crate) mod packet;
pub(crate) mod rados;

/// What `adjtimex` says of the system clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ClockState {
    /// The call's result: 0 to 4 are states of leap seconds, 5 (`TIME_ERROR`) is "not synchronised".
    pub(crate) state: i64,
    /// `STA_*` bits.
    pub(crate) status: i64,
    /// Maximum error, microseconds.
    pub(crate) max_error: i64,
    /// Offset that is still being corrected; nanoseconds with `STA_NANO`, else microseconds.
    pub(crate) offset: i64,
}

/// Asks the kernel about its clock; changes nothing and needs no privilege.
pub(crate) fn adjtimex() -> Result<ClockState, Errno> {
    // SAFETY: `timex` is a C record of integers only; all zero is a valid value of it, and `modes == 0` means "change nothing".
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live, exclusively borrowed `timex` that outlives the call, which is all that adjtimex asks for.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        return Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO));
    }
    Ok(ClockState { state: i64::from(state), status: i64::from(timex.status), max_error: timex.maxerror, offset: timex.offset })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_answers() {
        let clock = adjtimex().expect("adjtimex without modes needs no privilege");
        assert!((0..=5).contains(&clock.state), "{clock:?}");
    }
}
