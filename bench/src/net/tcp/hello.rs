//! How the halves find one another: each connection begins with the token, the number of its stream and a digest of the flow, and is answered by the token
//! inverted, which no echo service says. A connection that shows something else, or nothing, is a stranger: it is counted and closed.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::PollFlags;

use super::socket::ready;
use super::spec::TcpFlow;
use crate::error::EngineError;
use crate::net::token::{TOKEN_BYTES, Token};

const HELLO_BYTES: usize = TOKEN_BYTES + 4 + 8;
/// How long a connection may take to show what it is.
const SHOW: Duration = Duration::from_secs(2);
/// Connections that are waited for at the same time; further ones wait in the kernel.
const PENDING_MAX: usize = 64;

/// As the half that connects begins a stream.
pub(super) fn say(socket: &mut TcpStream, token: &Token, stream: usize, flow: &TcpFlow) -> io::Result<()> {
    let stream = u32::try_from(stream).map_err(io::Error::other)?;
    socket.write_all(&[token.bytes().as_slice(), &stream.to_le_bytes(), &flow.digest().to_le_bytes()].concat())
}

/// As the half that listens answers, when it is ready for data.
pub(super) fn welcome(socket: &mut TcpStream, token: &Token) -> io::Result<()> {
    socket.write_all(&inverted(token))
}

/// Waits for the answer.
pub(super) fn hear(socket: &mut TcpStream, token: &Token, patience: Duration) -> io::Result<()> {
    let mut shown = [0; TOKEN_BYTES];
    socket.set_read_timeout(Some(patience))?;
    let read = socket.read_exact(&mut shown);
    socket.set_read_timeout(None)?;
    match read {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(io::Error::new(error.kind(), "it has closed the connection without an answer"))
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer for {patience:?}")))
        }
        Err(error) => Err(error),
        Ok(()) if shown == inverted(token) => Ok(()),
        Ok(()) => Err(io::Error::new(io::ErrorKind::InvalidData, "its answer does not show the token")),
    }
}

fn inverted(token: &Token) -> [u8; TOKEN_BYTES] {
    token.bytes().map(|byte| !byte)
}

struct Pending {
    socket: TcpStream,
    shown: Vec<u8>,
    since: Instant,
}

enum Shown {
    Stream(usize),
    NotYet,
    Stranger,
    /// One of us that measures something else.
    OtherFlow,
}

impl Pending {
    fn look(&mut self, token: &Token, flow: &TcpFlow) -> Shown {
        let mut rest = [0; HELLO_BYTES];
        let wanted = HELLO_BYTES - self.shown.len();
        match self.socket.read(&mut rest[..wanted]) {
            Ok(0) => return Shown::Stranger,
            Ok(read) => self.shown.extend_from_slice(&rest[..read]),
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => return Shown::Stranger,
        }
        if self.shown.len() < HELLO_BYTES {
            return if self.since.elapsed() < SHOW { Shown::NotYet } else { Shown::Stranger };
        }
        let (shown, rest) = self.shown.split_at(TOKEN_BYTES);
        let (stream, digest) = rest.split_at(4);
        if !token.is(shown) {
            return Shown::Stranger;
        }
        if digest != flow.digest().to_le_bytes() {
            return Shown::OtherFlow;
        }
        let stream = u32::from_le_bytes(stream.try_into().expect("four bytes"));
        if stream < flow.streams { Shown::Stream(usize::try_from(stream).expect("32 bits")) } else { Shown::Stranger }
    }
}

/// Accepts every stream of the flow, and says how many strangers there were.
pub(super) fn accept(listener: &TcpListener, token: &Token, flow: &TcpFlow, stop: &AtomicBool) -> Result<(Vec<TcpStream>, u64), EngineError> {
    let target = listener.local_addr().map_or_else(|_| "a socket".to_owned(), |address| address.to_string());
    let fail = |source| EngineError::Setup { act: "accept connections", target: target.clone(), source };
    let mut streams: Vec<Option<TcpStream>> = (0..flow.streams).map(|_| None).collect();
    let (mut pending, mut strangers, mut last): (Vec<Pending>, u64, _) = (Vec::new(), 0, Instant::now());
    loop {
        let missing = streams.iter().filter(|stream| stream.is_none()).count();
        if missing == 0 {
            strangers += u64::try_from(pending.len()).unwrap_or(0);
            return Ok((streams.into_iter().flatten().collect(), strangers));
        }
        if stop.load(Ordering::Relaxed) {
            return Err(EngineError::Stopped { target });
        }
        if last.elapsed() >= flow.patience() {
            let why = format!("{missing} of {} streams did not come for {:?} ({strangers} strangers did)", flow.streams, flow.patience());
            return Err(EngineError::Peer { act: "wait for the peer at", peer: target, why });
        }
        if ready(listener, PollFlags::IN).map_err(fail)? && pending.len() < PENDING_MAX {
            match listener.accept() {
                Ok((socket, _)) => {
                    socket.set_nonblocking(true).map_err(fail)?;
                    pending.push(Pending { socket, shown: Vec::new(), since: Instant::now() });
                }
                // It was gone again.
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {}
                Err(error) => return Err(fail(error)),
            }
        }
        for mut one in std::mem::take(&mut pending) {
            match one.look(token, flow) {
                Shown::NotYet => pending.push(one),
                Shown::Stream(stream) if streams[stream].is_none() => {
                    one.socket.set_nonblocking(false).map_err(fail)?;
                    streams[stream] = Some(one.socket);
                    last = Instant::now();
                }
                Shown::Stream(_) | Shown::Stranger => strangers += 1,
                Shown::OtherFlow => {
                    let peer = one.socket.peer_addr().map_or_else(|_| "a peer".to_owned(), |address| address.to_string());
                    return Err(EngineError::Peer { act: "measure with", peer, why: "it measures another flow than this half".to_owned() });
                }
            }
        }
    }
}
