//! The NIC of a half, which watches itself: what was handed over and seen leaving, what was refused or lost, and whether it was down at any look. What it
//! tells in the end says whether the half can be believed.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use assay_model::site::declared::Mac;
use twox_hash::XxHash3_64;

use super::{Ended, Health};
use crate::error::EngineError;
use crate::net::wire::{Frame, Wire};

/// The state of the interface is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Frames that are still taken in at the end.
pub(super) const DRAINED_MAX: usize = 100_000;

// errno(3): the network is down, and the queue of the interface is full.
const DOWN: i32 = 100;
const FULL: i32 = 105;

pub(super) struct Nic {
    wire: Wire,
    began: Instant,
    counter_before: u32,
    next_look: Instant,
    /// Frames that were sent and that the capture has not seen leave, by hash.
    leaving: HashMap<u64, u32>,
    health: Health,
}

impl Nic {
    /// Opens the interface; what is told begins now.
    pub(super) fn open(interface: &str) -> Result<Self, EngineError> {
        let wire = Wire::open(interface)?;
        let station = wire.station().map_err(|source| EngineError::Setup { act: "read the state", target: interface.to_owned(), source })?;
        let health = Health {
            mac: station.mac,
            began_unix_ns: unix_ns(),
            ended_unix_ns: 0,
            listened_ns: 0,
            sent: 0,
            seen_leaving: 0,
            counted_leaving: 0,
            drops: 0,
            refused: 0,
            went_down: !station.running,
            ended: Ended::Complete,
        };
        let now = Instant::now();
        Ok(Self { wire, began: now, counter_before: station.sent, next_look: now, leaving: HashMap::new(), health })
    }

    /// What was prepared is over: the time that is told begins now.
    pub(super) fn begin(&mut self) {
        self.began = Instant::now();
        self.health.began_unix_ns = unix_ns();
    }

    /// When it began.
    pub(super) fn began(&self) -> Instant {
        self.began
    }

    /// Its hardware address.
    pub(super) fn mac(&self) -> Mac {
        self.health.mac
    }

    /// Hands a frame to the interface; whether that took it.
    pub(super) fn hand_over(&mut self, bytes: &[u8]) -> io::Result<bool> {
        match self.wire.send(bytes) {
            Ok(()) => {
                self.health.sent += 1;
                *self.leaving.entry(XxHash3_64::oneshot(bytes)).or_default() += 1;
                Ok(true)
            }
            Err(error) if matches!(error.raw_os_error(), Some(DOWN | FULL)) => {
                self.health.refused += 1;
                self.health.went_down |= error.raw_os_error() == Some(DOWN);
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The next frame of somebody else, waited for until then, or until it is time to look at something else.
    pub(super) fn hear(&mut self, until: Instant) -> io::Result<Option<Frame>> {
        let now = Instant::now();
        if now >= self.next_look {
            self.next_look = now + LOOK_EVERY;
            self.health.went_down |= !self.is_up();
        }
        let until = until.min(self.next_look);
        loop {
            match self.wire.hear(until) {
                Ok(Some(frame)) if frame.outgoing => self.note_leaving(&frame),
                Ok(frame) => return Ok(frame),
                Err(error) if error.raw_os_error() == Some(DOWN) => self.health.went_down = true,
                Err(error) => return Err(error),
            }
        }
    }

    fn note_leaving(&mut self, frame: &Frame) {
        if let Some(count) = self.leaving.get_mut(&XxHash3_64::oneshot(&frame.bytes)).filter(|count| **count > 0) {
            *count -= 1;
            self.health.seen_leaving += 1;
        }
    }

    fn is_up(&self) -> bool {
        self.wire.station().is_ok_and(|station| station.running && station.mac == self.health.mac)
    }

    /// What is told in the end.
    pub(super) fn end(mut self, ended: Ended) -> Health {
        let mut health = self.health.clone();
        health.ended_unix_ns = unix_ns();
        health.listened_ns = nanoseconds(self.began.elapsed());
        health.ended = ended;
        health.went_down |= !self.is_up();
        // What cannot be read is no proof: as if all of it were lost.
        health.drops = self.wire.drops().unwrap_or(u64::MAX);
        health.counted_leaving = self.wire.station().map_or(0, |station| station.sent.wrapping_sub(self.counter_before).into());
        health
    }
}

fn unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, nanoseconds)
}

pub(super) fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
