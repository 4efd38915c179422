//! Waiting for what somebody holds for a moment only: udev looks into new devices for some milliseconds, and a child between fork and exec has every
//! handle of its parent. Only who stays longer is a user.

use std::time::Duration;

const TRIES: u32 = 5;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(60);

/// Does `act` until it is not held up any more, a few times at most; the last answer.
pub(crate) fn patiently<T>(mut act: impl FnMut() -> T, is_held_up: impl Fn(&T) -> bool) -> T {
    let mut answer = act();
    for _ in 1..TRIES {
        if !is_held_up(&answer) {
            break;
        }
        #[allow(clippy::disallowed_methods, reason = "nothing tells when another process closes a handle")]
        std::thread::sleep(PAUSE);
        answer = act();
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_waits_for_a_moment_and_not_for_ever() {
        let mut tries = 0;
        let mut act = |free_after: u32| {
            tries += 1;
            tries > free_after
        };
        assert!(patiently(|| act(2), |free| !free));
        let mut tries = 0;
        let answer = patiently(
            || {
                tries += 1;
                false
            },
            |free| !free,
        );
        assert!(!answer && tries == TRIES);
    }
}
