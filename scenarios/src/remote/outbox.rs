//! What an agent has to say, in order, on its way to the one thread that writes it. Senders wait while too much is on the way, but never for a peer that is
//! given up: a task that holds a fault must always come back to heal it.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that may be on the way before senders wait.
const BYTES_MAX: usize = 8 << 20;

#[derive(Default)]
pub(super) struct Outbox {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lines: VecDeque<String>,
    bytes: usize,
    /// Nothing more is taken; what is in it is still written, unless `broken`.
    closed: bool,
    /// Nobody hears any more.
    broken: bool,
    /// The writer has nothing left and is gone.
    finished: bool,
}

/// Nobody hears any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

impl Outbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a line; waits while the peer does not read.
    pub(super) fn send(&self, line: String) -> Result<(), Gone> {
        let mut state = self.state();
        while state.bytes > BYTES_MAX && !state.closed && !state.broken {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.closed || state.broken {
            return Err(Gone);
        }
        state.bytes += line.len();
        state.lines.push_back(line);
        self.changed.notify_all();
        Ok(())
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        self.state().closed = true;
        self.changed.notify_all();
    }

    /// Gives the peer up.
    pub(super) fn give_up(&self) {
        let mut state = self.state();
        (state.closed, state.broken) = (true, true);
        self.changed.notify_all();
    }

    /// Waits until everything is written, at most so long.
    pub(super) fn finished(&self, most: Duration) -> bool {
        let end = Instant::now() + most;
        let mut state = self.state();
        while !state.finished && !state.broken {
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else { return false };
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.finished
    }

    /// Writes until it is closed and empty, or nobody hears any more.
    pub(super) fn write(&self, out: &mut dyn Write) {
        loop {
            let mut state = self.state();
            let line = loop {
                if state.broken {
                    return;
                }
                if let Some(line) = state.lines.pop_front() {
                    break line;
                }
                if state.closed {
                    state.finished = true;
                    self.changed.notify_all();
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            };
            drop(state);
            if out.write_all(line.as_bytes()).and_then(|()| out.flush()).is_err() {
                return self.give_up();
            }
            self.state().bytes -= line.len();
            self.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Arc;

    use super::*;

    struct Broken;

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_written_in_order_and_a_closed_one_ends_when_it_is_empty() {
        let outbox = Outbox::default();
        for line in ["a\n", "b\n"] {
            outbox.send(line.into()).expect("open");
        }
        outbox.close();
        assert_eq!(outbox.send("c\n".into()), Err(Gone));
        let mut written = Vec::new();
        outbox.write(&mut written);
        assert!(written == b"a\nb\n" && outbox.finished(Duration::ZERO));
    }

    #[test]
    fn a_sender_never_waits_for_a_peer_that_is_given_up() {
        let outbox = Arc::new(Outbox::default());
        outbox.send("x".repeat(BYTES_MAX + 1)).expect("open");
        let sender = std::thread::spawn({
            let outbox = Arc::clone(&outbox);
            move || outbox.send("y".into())
        });
        outbox.give_up();
        assert_eq!(sender.join().expect("ends"), Err(Gone));
    }

    #[test]
    fn a_pipe_that_nobody_reads_from_is_noticed() {
        let outbox = Outbox::default();
        outbox.send("a\n".into()).expect("open");
        outbox.write(&mut Broken);
        assert_eq!(outbox.send("b\n".into()), Err(Gone));
        assert!(!outbox.finished(Duration::ZERO));
    }
}
