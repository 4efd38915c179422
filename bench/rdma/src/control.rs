//! The connection on which both ends of a measurement talk: TCP, opened by the token, then one JSON object a line. It is bound to exactly the given address,
//! never blocks a measuring thread, says every second that this end is alive, and notices when the other one is gone, silent or failed.

use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use assay_bench::net::token::{TOKEN_BYTES, Token};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::net::sockopt::Timeout;
use rustix::net::{AddressFamily, RecvFlags, SocketType, sockopt};
use serde::{Deserialize, Serialize};

use crate::error::{RdmaError, Seen};
use crate::pattern::Mismatch;
use crate::result::{Port, Window};
use crate::spec::Workload;

/// The version of what is said here.
pub const VERSION: u32 = 1;
/// How often an end says that it is alive.
const BEAT: Duration = Duration::from_secs(1);
/// How long a stranger may take to show the token.
const INTRODUCTION: Duration = Duration::from_secs(5);
/// How long an end that has said its last words waits for the other one to go.
const LEAVING: Duration = Duration::from_secs(2);
/// Longer lines are nothing of ours: the offer of 1024 queue pairs has some 30 kB.
const LINE_MAX: usize = 1 << 20;
/// How long one wait for the other end may keep this one from looking at the stop flag.
const GLANCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

/// What one end says to the other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum Message {
    /// Who it is and what its queue pairs are.
    Hello(Box<Offer>),
    /// Its queue pairs are connected and its memory is prepared.
    Ready,
    /// It measures from now on what it issues.
    Measure,
    /// It measures no longer; what is out still comes.
    Stop,
    /// All that it has issued is complete.
    Done(Issued),
    /// What it has seen of what the other end issued.
    Verdict(Verdict),
    /// It is alive.
    Beat,
    /// It has failed.
    Failed {
        /// Why.
        why: String,
    },
    /// It needs the other end no longer.
    Bye,
}

/// What the other end must know to connect its queue pairs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// [`VERSION`].
    pub version: u32,
    /// What it was told to do.
    pub workload: Workload,
    /// Of the patterns: the connecting end's holds.
    pub seed: u64,
    /// Its port.
    pub port: Port,
    /// Number and first packet number of each queue pair.
    pub pairs: Vec<(u32, u32)>,
    /// Reads that it answers at a time on each.
    pub reads: u8,
    /// Memory that the other end may write to or read from.
    pub memory: Option<Memory>,
}

/// Registered memory at the other end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Where it begins there.
    pub address: u64,
    /// How much it is.
    pub bytes: u64,
    /// What opens it.
    pub rkey: u32,
}

/// What one end has issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Issued {
    /// Successful messages of each queue pair, all of them.
    pub messages: Vec<u64>,
    /// Of these those in the measured time.
    pub completed: Window,
    /// Bytes that it has compared itself (reads).
    pub verified_bytes: u64,
    /// What it has seen arrive itself (reads).
    pub arrived: Option<Window>,
    /// Processor time, ns.
    pub cpu_ns: u64,
}

/// What one end has seen of what the other issued.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// Messages of each queue pair that have arrived; absent at reads, of which the answering end sees nothing.
    pub messages: Option<Vec<u64>>,
    /// Bytes compared and right.
    pub verified_bytes: u64,
    /// What was seen in the measured time.
    pub arrived: Option<Window>,
    /// The first wrong byte.
    pub mismatch: Option<Mismatch>,
}

/// One end's side of the connection.
#[derive(Debug)]
pub struct Control {
    stream: TcpStream,
    peer: SocketAddr,
    read: Vec<u8>,
    heard: Instant,
    said: Instant,
    patience: Duration,
    phase: &'static str,
}

impl Control {
    /// Listens on an address, says where, and waits for the one that shows the token. Others are turned away.
    pub fn accept(
        address: IpAddr,
        token: &Token,
        patience: Duration,
        stop: &AtomicBool,
        ready: &mut dyn FnMut(SocketAddr),
    ) -> Result<Self, RdmaError> {
        let asked = SocketAddr::new(address, 0);
        let connection = |act, source| RdmaError::Connection { act, address: asked, source };
        let listener = TcpListener::bind(asked).map_err(|error| connection("listen on", error))?;
        let own = listener.local_addr().map_err(|error| connection("listen on", error))?;
        listener.set_nonblocking(true).map_err(|error| connection("listen on", error))?;
        ready(own);
        let begun = Instant::now();
        // Strangers that have connected and not shown a token yet: one that says nothing keeps nobody else out.
        let mut waiting: Vec<Stranger> = Vec::new();
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(RdmaError::Stopped { phase: "waiting for the other end" });
            }
            if begun.elapsed() > patience {
                return Err(RdmaError::Stalled { what: format!("waiting on {own} for the other end"), waited: patience });
            }
            match listener.accept() {
                Ok((stream, peer)) => waiting.push(Stranger { stream, peer, since: Instant::now(), shown: Vec::new() }),
                Err(error) if error.kind() == ErrorKind::WouldBlock => pause(&listener),
                // Who has gone again before it was accepted is no fault of this end.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::Interrupted) => {}
                Err(source) => return Err(connection("accept on", source)),
            }
            let mut found = None;
            waiting.retain_mut(|stranger| match introduced(&stranger.stream, &mut stranger.shown, token) {
                Some(true) => {
                    found = found.take().or_else(|| stranger.stream.try_clone().ok().map(|stream| (stream, stranger.peer)));
                    false
                }
                Some(false) => false,
                None => stranger.since.elapsed() < INTRODUCTION,
            });
            if let Some((stream, peer)) = found {
                return Self::new(stream, peer, patience);
            }
            waiting.truncate(64);
        }
    }

    /// Connects from an address to the one that listens, and shows the token.
    pub fn connect(address: IpAddr, peer: SocketAddr, token: &Token, patience: Duration) -> Result<Self, RdmaError> {
        let stream =
            dial(address, peer, patience).map_err(|error| RdmaError::Connection { act: "connect to", address: peer, source: error.into() })?;
        let mut control = Self::new(stream, peer, patience)?;
        control.write(token.bytes())?;
        Ok(control)
    }

    fn new(stream: TcpStream, peer: SocketAddr, patience: Duration) -> Result<Self, RdmaError> {
        let set = || {
            stream.set_nonblocking(false)?;
            stream.set_nodelay(true)?;
            // What is said fits into any socket's buffer: who cannot take it within this time is stuck.
            stream.set_write_timeout(Some(patience))
        };
        set().map_err(|source| RdmaError::Connection { act: "set up the connection to", address: peer, source })?;
        let now = Instant::now();
        Ok(Self { stream, peer, read: Vec::new(), heard: now, said: now, patience, phase: "connecting" })
    }

    /// What is going on now, for errors.
    pub fn enter(&mut self, phase: &'static str) {
        self.phase = phase;
    }

    /// Who the other end is.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Says something.
    pub fn say(&mut self, message: &Message) -> Result<(), RdmaError> {
        let mut line = serde_json::to_vec(message).expect("what is said has no keys but strings");
        line.push(b'\n');
        self.said = Instant::now();
        self.write(&line)
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), RdmaError> {
        match self.stream.write_all(bytes) {
            Ok(()) => Ok(()),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => Err(self.silent(self.patience)),
            // What it said before it went is the better reason.
            Err(_) => loop {
                if self.hear()?.is_none() {
                    return Err(self.gone());
                }
            },
        }
    }

    /// What the other end has said, if it has; says that this end is alive when it is time. To be called every second at least.
    pub fn listen(&mut self) -> Result<Option<Message>, RdmaError> {
        self.beat()?;
        let heard = self.hear()?;
        if heard.is_none() && self.heard.elapsed() > self.patience {
            return Err(self.silent(self.heard.elapsed()));
        }
        Ok(heard)
    }

    /// Says that this end is alive when it is time, and hears nothing: for an end that is busy for long.
    pub fn beat(&mut self) -> Result<(), RdmaError> {
        if self.said.elapsed() >= BEAT { self.say(&Message::Beat) } else { Ok(()) }
    }

    /// Waits a while, or until the other end says something: for an end that has nothing else to do.
    pub fn rest(&self) {
        pause(&self.stream);
    }

    /// Waits for what the other end says next. Its beats keep the wait alive: what must not take long has a deadline of its own.
    pub fn wait(&mut self, stop: &AtomicBool) -> Result<Message, RdmaError> {
        loop {
            if stop.load(Ordering::Relaxed) {
                return Err(RdmaError::Stopped { phase: self.phase });
            }
            if let Some(message) = self.listen()? {
                return Ok(message);
            }
            pause(&self.stream);
        }
    }

    /// Ends the connection such that the last words are heard: a socket that is closed while something unread lies in it takes back what it has sent. Waits
    /// for the other end to go too, a short time.
    pub fn leave(self) {
        // Both fail only where the other end has gone before.
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        let begun = Instant::now();
        let mut bytes = [0; 4096];
        while begun.elapsed() < LEAVING {
            match rustix::net::recv(&self.stream, &mut bytes, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return,
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => pause(&self.stream),
                Err(_) => return,
            }
        }
    }

    /// What was said is not what is said now.
    pub fn unexpected(&self, message: &Message) -> RdmaError {
        let why: String = format!("{message:?} while {}", self.phase).chars().take(200).collect();
        RdmaError::Protocol { peer: self.peer, why }
    }

    // One message; beats are heard and not handed on.
    fn hear(&mut self) -> Result<Option<Message>, RdmaError> {
        loop {
            while let Some(end) = self.read.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                self.heard = Instant::now();
                let message = serde_json::from_slice(&line).map_err(|error| RdmaError::Protocol { peer: self.peer, why: error.to_string() })?;
                match message {
                    Message::Beat => {}
                    Message::Failed { why } => return Err(RdmaError::PeerFailed { peer: self.peer, why: why.chars().take(2000).collect() }),
                    Message::Verdict(Verdict { mismatch: Some(what), .. }) => return Err(RdmaError::Corrupt { by: Seen::There, what }),
                    Message::Hello(_) | Message::Ready | Message::Measure | Message::Stop | Message::Done(_) | Message::Verdict(_) | Message::Bye => {
                        return Ok(Some(message));
                    }
                }
            }
            if self.read.len() > LINE_MAX {
                return Err(RdmaError::Protocol { peer: self.peer, why: format!("a line of more than {LINE_MAX} bytes") });
            }
            let mut bytes = [0; 16384];
            match rustix::net::recv(&self.stream, &mut bytes, RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(self.gone()),
                Ok((_, count)) => self.read.extend_from_slice(&bytes[..count]),
                Err(rustix::io::Errno::AGAIN) => return Ok(None),
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return Err(self.gone()),
            }
        }
    }

    fn gone(&self) -> RdmaError {
        RdmaError::PeerGone { peer: self.peer, phase: self.phase }
    }

    fn silent(&self, waited: Duration) -> RdmaError {
        RdmaError::PeerSilent { peer: self.peer, phase: self.phase, waited }
    }
}

struct Stranger {
    stream: TcpStream,
    peer: SocketAddr,
    since: Instant,
    shown: Vec<u8>,
}

// Whether a stranger has shown the token; none while there is more to come.
fn introduced(stream: &TcpStream, shown: &mut Vec<u8>, token: &Token) -> Option<bool> {
    let mut bytes = [0; TOKEN_BYTES];
    // No more than the token: what follows is for the one who believes it.
    match rustix::net::recv(stream, &mut bytes[..TOKEN_BYTES - shown.len()], RecvFlags::DONTWAIT) {
        Ok((_, 0)) => Some(false),
        Ok((_, count)) => {
            shown.extend_from_slice(&bytes[..count]);
            (shown.len() == TOKEN_BYTES).then(|| token.is(shown))
        }
        Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => None,
        Err(_) => Some(false),
    }
}

fn dial(address: IpAddr, peer: SocketAddr, patience: Duration) -> rustix::io::Result<TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = rustix::net::SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(family, SocketType::STREAM, flags, None)?;
    // connect(2) waits no longer than sends may.
    sockopt::set_socket_timeout(&socket, Timeout::Send, Some(patience))?;
    rustix::net::bind(&socket, &SocketAddr::new(address, 0))?;
    rustix::net::connect(&socket, &peer)?;
    Ok(TcpStream::from(socket))
}

// A while, or until there is something to read.
fn pause(socket: &impl AsFd) {
    // A failure of poll(2) only makes the wait shorter.
    let _ = rustix::event::poll(&mut [PollFd::new(socket, PollFlags::IN)], Some(&GLANCE));
}

#[cfg(test)]
mod tests;
