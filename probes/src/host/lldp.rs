//! LLDP frames heard on interfaces (`lldp:eth0`): `listened 35` (seconds), then one frame a line in hex, from its destination on. Switches send one every 30 s, so
//! it is heard only where somebody gave the time for it; all interfaces are listened on at once.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};

use super::live::Refusal;
use super::{Host, HostError, Source};
use crate::sys::packet::lldp_socket;

/// Longer than a frame of any link.
const FRAME_MAX: usize = 10_000;
/// One neighbour is what belongs there; several frames of several are taken, and no more than this.
const FRAMES_MAX: usize = 16;
/// An Ethernet header.
const HEADER: usize = 14;

impl Host {
    /// A host whose interfaces are listened on for LLDP for as long.
    pub fn listening(mut self, time: Duration) -> Self {
        self.listening = time;
        self
    }

    /// How long asking for LLDP frames takes: nothing, where they were written down or are not listened for.
    pub(crate) fn listening_time(&self) -> Duration {
        match &*self.source {
            Source::Snapshot(_) => Duration::ZERO,
            Source::Live(_) | Source::Recording { .. } => self.listening,
        }
    }

    /// Whether LLDP frames can be asked for: somebody gave the time for it, or listened before and wrote them down.
    pub(crate) fn is_listening(&self) -> bool {
        match &*self.source {
            Source::Snapshot(_) => true,
            Source::Live(live) | Source::Recording { live, .. } => live.is_this_machine() && self.listening > Duration::ZERO,
        }
    }

    /// What was heard on each interface. It ends early when something was heard on all of them.
    pub(crate) fn lldp(&self, interfaces: &[String]) -> Vec<Result<String, HostError>> {
        let heard = OnceCell::new();
        let of = |interface: &String| {
            self.call_text(&format!("lldp:{interface}"), || {
                let heard: &BTreeMap<&str, Heard> = heard.get_or_init(|| listen(interfaces, self.listening));
                heard.get(interface.as_str()).ok_or(Refusal::Absent)?.clone().map_err(Refusal::from)
            })
        };
        interfaces.iter().map(of).collect()
    }
}

/// What was heard on one interface, as it is written down.
type Heard = Result<String, Errno>;

struct Ear<'a> {
    interface: &'a str,
    socket: Result<OwnedFd, Errno>,
    frames: Vec<Vec<u8>>,
}

fn listen(interfaces: &[String], time: Duration) -> BTreeMap<&str, Heard> {
    let begun = Instant::now();
    let mut ears: Vec<Ear<'_>> = interfaces.iter().map(|interface| Ear { interface, socket: lldp_socket(interface), frames: Vec::new() }).collect();
    loop {
        let left = time.saturating_sub(begun.elapsed());
        let is_open = |ear: &Ear<'_>| ear.socket.is_ok() && ear.frames.len() < FRAMES_MAX;
        if left.is_zero() || ears.iter().all(|ear| !is_open(ear) || !ear.frames.is_empty()) {
            break;
        }
        let open: Vec<&OwnedFd> = ears.iter().filter(|ear| is_open(ear)).filter_map(|ear| ear.socket.as_ref().ok()).collect();
        let mut waiting: Vec<PollFd<'_>> = open.iter().map(|socket| PollFd::new(*socket, PollFlags::IN)).collect();
        let limit = Timespec { tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX), tv_nsec: left.subsec_nanos().into() };
        if let Err(errno) = poll(&mut waiting, Some(&limit))
            && errno != Errno::INTR
        {
            ears.iter_mut().for_each(|ear| ear.socket = Err(errno));
        }
        ears.iter_mut().for_each(Ear::hear);
    }
    let seconds = begun.elapsed().as_secs();
    ears.into_iter().map(|ear| (ear.interface, ear.written(seconds))).collect()
}

impl Ear<'_> {
    /// Takes every frame that is waiting.
    fn hear(&mut self) {
        let mut frame = vec![0; FRAME_MAX];
        while self.frames.len() < FRAMES_MAX {
            let Ok(socket) = &self.socket else { return };
            match recv(socket, frame.as_mut_slice(), RecvFlags::DONTWAIT) {
                Ok((_, length)) if length >= HEADER => self.frames.push(frame.get(..length).unwrap_or_default().to_vec()),
                Ok(_) => {}
                Err(Errno::AGAIN | Errno::INTR) => return,
                Err(errno) => self.socket = Err(errno),
            }
        }
    }

    /// Frames that were heard are worth more than the error that came after them.
    fn written(self, seconds: u64) -> Heard {
        if let (Err(errno), true) = (&self.socket, self.frames.is_empty()) {
            return Err(*errno);
        }
        let mut text = format!("listened {seconds}");
        for frame in &self.frames {
            text.push('\n');
            for byte in frame {
                let _ = write!(text, "{byte:02x}");
            }
        }
        Ok(text)
    }
}
