//! CLOCK_MONOTONIC in nanoseconds since the boot: the clock of every time that leaves a half, so that it can be laid beside those of others on its host.

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::thread::clock_nanosleep_absolute;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// Longest sleep without a look at the stop flag.
const NAP_NS: u64 = 20_000_000;
/// Clocks that were read within so long were read together.
const CLOSE_NS: u64 = 2_000;
/// A receive time further from now than this is no receive time.
const OLDEST_NS: u64 = 60_000_000_000;

/// Nanoseconds since the boot.
pub(super) fn now() -> u64 {
    nanoseconds(clock_gettime(ClockId::Monotonic))
}

/// When something happened that the kernel stamped by the wall clock; None when the stamp cannot be: the wall clock was set meanwhile.
pub(super) fn of_realtime(realtime_ns: u64) -> Option<u64> {
    // A thread that is kept from running between the clocks would move the packet.
    let clocks = || {
        let before = now();
        let wall = nanoseconds(clock_gettime(ClockId::Realtime));
        (now() - before, before, wall)
    };
    let (_, now, wall) = std::iter::repeat_with(clocks).take(5).reduce(|best, next| if best.0 <= CLOSE_NS { best } else { best.min(next) })?;
    let ago = wall.checked_sub(realtime_ns).filter(|ago| *ago < OLDEST_NS)?;
    now.checked_sub(ago)
}

/// Sleeps until `until_ns` and says whether it came to that: not when `stop` was set before.
pub(super) fn sleep_until(until_ns: u64, stop: &AtomicBool) -> bool {
    loop {
        if stop.load(Ordering::Relaxed) {
            return false;
        }
        let now = now();
        if now >= until_ns {
            return true;
        }
        let wake = until_ns.min(now + NAP_NS);
        let seconds = i64::try_from(wake / 1_000_000_000).expect("seconds since the boot");
        let nanoseconds = i64::try_from(wake % 1_000_000_000).expect("less than a second");
        // A signal may end it early: the loop looks at the clock.
        let _ = clock_nanosleep_absolute(ClockId::Monotonic, &Timespec { tv_sec: seconds, tv_nsec: nanoseconds });
    }
}

fn nanoseconds(time: Timespec) -> u64 {
    let part = |part: i64| u64::try_from(part).expect("clocks are past their epoch");
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_ends_at_its_time_or_at_the_stop() {
        let stop = AtomicBool::new(false);
        let until = now() + 30_000_000;
        assert!(sleep_until(until, &stop) && now() >= until);
        stop.store(true, Ordering::Relaxed);
        assert!(!sleep_until(now() + 60_000_000_000, &stop));
    }

    #[test]
    fn a_stamp_of_the_wall_clock_is_found_on_the_other_and_an_impossible_one_is_none() {
        let wall = nanoseconds(clock_gettime(ClockId::Realtime));
        let before = now();
        let found = of_realtime(wall - 5_000_000).expect("5 ms ago");
        assert!(found.abs_diff(before - 5_000_000) < 1_000_000_000, "{found} {before}");
        assert_eq!(of_realtime(wall + 10_000_000_000), None, "of the future");
        assert_eq!(of_realtime(0), None);
    }
}
