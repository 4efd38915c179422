//! The purge of an NVMe drive by Sanitize (NVM Express Base Specification 2.0, sections 5.22 and 8.21): everything on it, caches and blocks that were taken out of
//! use included, and by the drive itself, which goes on after a reset or a power cut. Of a drive with several namespaces all would go: it is refused.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::format::{is_namespace, others};
use super::uring::{Passthrough, WriteLeave};
use crate::error::EngineError;
use crate::sys::admin::{Command, IDENTIFY_BYTES, SANITIZE_STATUS_BYTES, submit};

/// How long a drive may take. Erasing blocks takes minutes.
pub const PATIENCE: Duration = Duration::from_secs(3600);
/// Between two questions for the state.
const PAUSE: Duration = Duration::from_millis(200);
/// A drive that has accepted the command shows that in its log at once, or soon.
const STARTS_WITHIN: Duration = Duration::from_secs(10);

/// What Sanitize can do that wears a drive little.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Erasure {
    /// Erases the blocks of the medium.
    Blocks,
    /// Throws the key away under which the data were stored.
    Key,
}

impl Erasure {
    /// Sanitize Action of the command.
    fn action(self) -> u8 {
        match self {
            Erasure::Blocks => 0b010,
            Erasure::Key => 0b100,
        }
    }
}

/// Erases the whole of a claimed drive; by what, and how long that took. After `stop` nobody waits for the drive any more, which goes on by itself.
pub fn sanitize(target: &str, namespace: Passthrough<'_>, _leave: &dyn WriteLeave, stop: &AtomicBool) -> Result<(Erasure, Duration), EngineError> {
    is_namespace(target, namespace)?;
    let begun = Instant::now();
    #[allow(clippy::disallowed_methods, reason = "the drive tells nobody when it is done; it is asked again after a pause")]
    let mut pause = || {
        sleep(PAUSE);
        begun.elapsed()
    };
    let erasure = sanitized(target, namespace.nsid, &mut |command| submit(namespace.device, command), &mut pause, stop)?;
    Ok((erasure, begun.elapsed()))
}

/// The same with any controller; `pause` waits and says how long ago it all began.
fn sanitized(
    target: &str,
    nsid: u32,
    admin: &mut dyn FnMut(Command<'_>) -> io::Result<()>,
    pause: &mut dyn FnMut() -> Duration,
    stop: &AtomicBool,
) -> Result<Erasure, EngineError> {
    let failed = |act| move |source| EngineError::Ring { act, target: target.to_owned(), source };
    let (controller, others) = others(target, nsid, admin)?;
    let erasure = may_sanitize(&controller, others).map_err(|why| EngineError::NotConfigured { what: "Sanitize", target: target.to_owned(), why })?;
    let before = status(admin).map_err(failed("ask for the state of sanitizing"))?;
    if before == Status::Working {
        let source = io::Error::other("the drive is sanitizing already, and not on our word");
        return Err(failed("sanitize")(source));
    }
    admin(Command::Sanitize { action: erasure.action() }).map_err(failed("sanitize"))?;
    let mut seen_working = false;
    loop {
        let passed = pause();
        match status(admin).map_err(failed("ask for the state of sanitizing"))? {
            Status::Working => seen_working = true,
            // A drive that has been sanitized before says so until it begins anew.
            Status::Done if seen_working || before != Status::Done || passed >= STARTS_WITHIN => return Ok(erasure),
            Status::Done => {}
            Status::Failed => return Err(failed("sanitize")(io::Error::other("the drive says that sanitizing failed"))),
            Status::Never | Status::Unknown(_) if passed < STARTS_WITHIN => {}
            Status::Never => return Err(failed("sanitize")(io::Error::other("the drive took the command and never began"))),
            Status::Unknown(state) => {
                return Err(failed("sanitize")(io::Error::other(format!("the drive is in state {state}, which no specification knows"))));
            }
        }
        if stop.load(Ordering::Relaxed) {
            return Err(failed("sanitize")(io::Error::other("it was told to stop; the drive goes on by itself")));
        }
        if passed >= PATIENCE {
            return Err(failed("sanitize")(io::Error::other(format!("the drive is not done after {} s; it goes on by itself", passed.as_secs()))));
        }
    }
}

/// Sanitize Capabilities of Identify Controller. What only overwrites is left: it takes hours and a part of the drive's life.
fn may_sanitize(controller: &[u8; IDENTIFY_BYTES], others: usize) -> Result<Erasure, String> {
    let erasure = match controller[328] & 0b111 {
        able if able & 0b010 != 0 => Erasure::Blocks,
        able if able & 0b001 != 0 => Erasure::Key,
        0 => return Err("its controller has no such command".to_owned()),
        _ => return Err("its controller can only overwrite: that takes hours and a part of its life, `purge = \"format\"` does not".to_owned()),
    };
    if others > 0 { Err(format!("its controller would erase {others} other namespaces with it")) } else { Ok(erasure) }
}

/// What the log page Sanitize Status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Never,
    Done,
    Working,
    Failed,
    Unknown(u8),
}

fn status(admin: &mut dyn FnMut(Command<'_>) -> io::Result<()>) -> io::Result<Status> {
    let mut page = [0; SANITIZE_STATUS_BYTES];
    admin(Command::SanitizeStatus { answer: &mut page })?;
    Ok(match page[2] & 0b111 {
        0 => Status::Never,
        // 4: done, with blocks deallocated that were asked to be kept; none were.
        1 | 4 => Status::Done,
        2 => Status::Working,
        3 => Status::Failed,
        state => Status::Unknown(state),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A controller that can what `capabilities` say, with so many namespaces, and whose states are these, the last one for ever.
    fn scripted(capabilities: u8, namespaces: u32, states: &[u8]) -> (Result<Erasure, EngineError>, Vec<u8>) {
        let never = AtomicBool::new(false);
        scripted_until(&never, capabilities, namespaces, states)
    }

    fn scripted_until(stop: &AtomicBool, capabilities: u8, namespaces: u32, states: &[u8]) -> (Result<Erasure, EngineError>, Vec<u8>) {
        let (mut asked, mut actions, mut passed) = (0, Vec::new(), Duration::ZERO);
        let mut admin = |command: Command<'_>| {
            match command {
                Command::Identify { cns: 1, answer, .. } => answer[328] = capabilities,
                Command::Identify { answer, .. } => {
                    for (place, nsid) in answer.chunks_mut(4).zip(1..=namespaces) {
                        place.copy_from_slice(&nsid.to_le_bytes());
                    }
                }
                Command::SanitizeStatus { answer } => {
                    answer[2] = states[asked.min(states.len() - 1)];
                    asked += 1;
                }
                Command::Sanitize { action } => actions.push(action),
                Command::Format { .. } => panic!("nobody asked for a format"),
            }
            Ok(())
        };
        let mut pause = || {
            passed += Duration::from_secs(1);
            passed
        };
        (sanitized("nvme0n1", 1, &mut admin, &mut pause, stop), actions)
    }

    #[test]
    fn a_drive_is_erased_by_what_wears_it_least_and_is_done_when_it_says_so() {
        for (capabilities, states, erasure, action) in [
            (0b111, &[0, 2, 2, 1][..], Erasure::Blocks, 0b010),
            (0b101, &[0, 0, 2, 1], Erasure::Key, 0b100),
            (0b010, &[1, 1, 2, 1], Erasure::Blocks, 0b010),
            (0b010, &[3, 4], Erasure::Blocks, 0b010),
            // Too fast to be seen at work.
            (0b001, &[1], Erasure::Key, 0b100),
        ] {
            let (done, actions) = scripted(capabilities, 1, states);
            assert_eq!((done.expect("done"), actions), (erasure, vec![action]), "{capabilities:b} {states:?}");
        }
    }

    #[test]
    fn what_cannot_be_sanitized_is_left_as_it_is() {
        for (capabilities, namespaces, states, why) in [
            (0b000, 1, &[0][..], "has no such command"),
            (0b100, 1, &[0], "can only overwrite"),
            (0b010, 2, &[0], "would erase 1 other namespaces"),
            (0b010, 1, &[2], "sanitizing already"),
        ] {
            let (refused, actions) = scripted(capabilities, namespaces, states);
            let said = format!("{:?}", refused.expect_err("refused"));
            assert!(said.contains(why) && actions.is_empty(), "{said} {actions:?}");
        }
    }

    #[test]
    fn who_is_told_to_stop_does_not_wait_for_the_drive_and_says_that_it_goes_on() {
        let stop = AtomicBool::new(true);
        let (stopped, actions) = scripted_until(&stop, 0b010, 1, &[0, 2]);
        let said = format!("{:?}", stopped.expect_err("not done"));
        assert!(said.contains("goes on by itself") && !said.contains("3600") && actions == [0b010], "{said}");
        // What is done already is done.
        assert_eq!(scripted_until(&stop, 0b010, 1, &[0, 1]).0.expect("done"), Erasure::Blocks);
    }

    #[test]
    fn a_drive_that_fails_never_begins_or_never_ends_is_no_purged_one() {
        for (states, why) in [(&[0, 2, 3][..], "failed"), (&[0], "never began"), (&[0, 7], "state 7"), (&[0, 2], "not done after 3600 s")] {
            let (failed, actions) = scripted(0b010, 1, states);
            let said = format!("{:?}", failed.expect_err("no success"));
            assert!(said.contains(why) && actions == [0b010], "{said}");
        }
    }
}
