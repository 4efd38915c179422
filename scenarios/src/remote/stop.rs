//! The word to stop, as a flag that measuring loops look at and as something that others can wait for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Told once.
#[derive(Debug, Default)]
pub struct Stop {
    flag: AtomicBool,
    told: Mutex<bool>,
    changed: Condvar,
}

impl Stop {
    /// For loops that must not wait.
    pub fn flag(&self) -> &AtomicBool {
        &self.flag
    }

    /// Says it.
    pub fn tell(&self) {
        self.flag.store(true, Ordering::Relaxed);
        *self.told.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Whether it was said.
    pub fn is_told(&self) -> bool {
        self.flag.load(Ordering::Relaxed)
    }

    /// Waits for it, at most so long; whether it was said.
    pub fn wait(&self, most: Duration) -> bool {
        let end = Instant::now() + most;
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        while !*told {
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { return false };
            told = self.changed.wait_timeout(told, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }
}
