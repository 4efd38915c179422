//! Sockets for probes: bound to exactly the address that was given, not connected (a bond with the policy encap3+4 spreads connected sockets at random), and
//! with the kernel's receive time beside each datagram, so that a thread that was kept waiting does not make a packet late.

use std::io;
use std::net::{SocketAddr, UdpSocket};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::sockopt::{self, Ipv4PathMtuDiscovery, Ipv6PathMtuDiscovery};

use super::clock;
use super::packet::{Packet, Rejected};
use super::token::Token;
use crate::error::EngineError;
use crate::sys::datagram::{self, Failure, Queue, Tell};

/// What a socket holds until it is read: a second of eight flows of a packet per millisecond.
const BUFFER_BYTES: usize = 8 << 20;
/// The largest datagram that is looked at.
const DATAGRAM_BYTES: usize = 65_536;

/// A socket for probes.
#[derive(Debug)]
pub(super) struct Udp {
    socket: UdpSocket,
    local: SocketAddr,
}

/// A packet that has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived {
    /// What it says, or why it is none of ours.
    pub(super) packet: Result<Packet, Rejected>,
    /// Who sent it.
    pub(super) from: SocketAddr,
    /// When the kernel received it, or when we did where the kernel does not say.
    pub(super) at_ns: u64,
    /// Whether it was the kernel.
    pub(super) is_stamped: bool,
    /// Bytes of the datagram.
    pub(super) bytes: usize,
    /// Bytes of the largest fragment, where it came in fragments.
    pub(super) fragment: Option<u32>,
    /// Datagrams that this socket had no room for so far.
    pub(super) overflowed: u32,
}

impl Udp {
    /// Opens a socket at `address`; port 0 is any.
    pub(super) fn open(address: SocketAddr) -> Result<Self, EngineError> {
        let target = || address.to_string();
        let refused = |act| move |source| EngineError::Setup { act, target: target(), source };
        if address.ip().is_unspecified() {
            let why = "a probe socket is bound to one address of this host, not to all".to_owned();
            return Err(EngineError::Job { rw: "probes", target: target(), why });
        }
        let socket = UdpSocket::bind(address).map_err(refused("bind a socket"))?;
        socket.set_nonblocking(true).map_err(refused("have a socket not wait"))?;
        // Without the right to force it the kernel's own limit holds; what overflows is counted.
        if sockopt::set_socket_recv_buffer_size_force(&socket, BUFFER_BYTES).is_err() {
            sockopt::set_socket_recv_buffer_size(&socket, BUFFER_BYTES).map_err(|errno| refused("size the buffer of a socket")(errno.into()))?;
        }
        for (what, act) in
            [(Tell::Arrival, "have receive times told"), (Tell::Overflow, "have overflows told"), (Tell::Fragments, "have fragments told")]
        {
            datagram::tell(&socket, what, address.is_ipv4()).map_err(refused(act))?;
        }
        let local = socket.local_addr().map_err(refused("read the address of a socket"))?;
        Ok(Self { socket, local })
    }

    /// Another descriptor of the same socket, for another thread.
    pub(super) fn twin(&self) -> Result<Self, EngineError> {
        let refused = |source| EngineError::Setup { act: "share a socket", target: self.local.to_string(), source };
        Ok(Self { socket: self.socket.try_clone().map_err(refused)?, local: self.local })
    }

    /// The address it is bound to.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Has what it sends neither fragmented nor held to what the kernel remembers of the path.
    pub(super) fn never_fragment(&self) -> Result<(), EngineError> {
        let told = if self.local.is_ipv4() {
            sockopt::set_ip_mtu_discover(&self.socket, Ipv4PathMtuDiscovery::PROBE)
        } else {
            sockopt::set_ipv6_mtu_discover(&self.socket, Ipv6PathMtuDiscovery::PROBE)
        };
        told.map_err(|errno| EngineError::Setup { act: "forbid fragments", target: self.local.to_string(), source: errno.into() })
    }

    /// Has the kernel keep what is said of packets that were not delivered.
    pub(super) fn tell_errors(&self) -> Result<(), EngineError> {
        let refused = |source| EngineError::Setup { act: "have errors told", target: self.local.to_string(), source };
        datagram::tell(&self.socket, Tell::Errors, self.local.is_ipv4()).map_err(refused)
    }

    /// What was said of a packet that was not delivered; None when nothing was.
    pub(super) fn failure(&self) -> Result<Option<Failure>, EngineError> {
        let failed = |source| EngineError::Ring { act: "read errors", target: self.local.to_string(), source };
        // Each error in the queue is an error of the next call, too, unless it is taken.
        let _ = self.socket.take_error().map_err(failed)?;
        match datagram::receive(&self.socket, &mut [0; 512], Queue::Errors) {
            Ok(received) => Ok(received.failure),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    /// Sends a datagram; that the kernel did not take it is an answer.
    pub(super) fn send(&self, bytes: &[u8], to: SocketAddr) -> io::Result<()> {
        let sent = self.socket.send_to(bytes, to)?;
        if sent == bytes.len() { Ok(()) } else { Err(io::Error::other("the kernel took a part of a datagram")) }
    }

    /// Takes one packet that has come, into `buffer`; None when there is none.
    pub(super) fn take(&self, token: &Token, buffer: &mut Buffer) -> Result<Option<Arrived>, EngineError> {
        loop {
            let received = match datagram::receive(&self.socket, &mut buffer.0, Queue::Data) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // What a router said of a datagram that we sent; where it matters it is read from the queue of errors.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ECONNREFUSED | libc::EHOSTUNREACH | libc::ENETUNREACH | libc::EMSGSIZE)) => {
                    continue;
                }
                Err(source) => return Err(EngineError::Ring { act: "receive", target: self.local.to_string(), source }),
            };
            let now = clock::now();
            let stamped = received.realtime_ns.and_then(clock::of_realtime).filter(|at| *at <= now);
            let bytes = &buffer.0[..received.bytes];
            let Some(from) = received.from else { continue };
            return Ok(Some(Arrived {
                packet: if received.is_cut { Err(Rejected::Foreign) } else { Packet::read(token, bytes) },
                from,
                at_ns: stamped.unwrap_or(now),
                is_stamped: stamped.is_some(),
                bytes: received.bytes,
                fragment: received.fragment,
                overflowed: received.overflowed.unwrap_or(0),
            }));
        }
    }
}

/// Room for one datagram.
#[derive(Debug)]
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    pub(super) fn new() -> Self {
        Self(vec![0; DATAGRAM_BYTES])
    }

    /// The first bytes of what was taken last.
    pub(super) fn bytes(&mut self, bytes: usize) -> &mut [u8] {
        &mut self.0[..bytes]
    }
}

/// Waits until one of the sockets has something, or for so long.
pub(super) fn wait(sockets: &[Udp], at_most_ns: u64) -> Result<(), EngineError> {
    let mut descriptors: Vec<PollFd<'_>> = sockets.iter().map(|udp| PollFd::new(&udp.socket, PollFlags::IN)).collect();
    let nanoseconds = i64::try_from(at_most_ns.min(999_999_999)).expect("less than a second");
    match poll(&mut descriptors, Some(&Timespec { tv_sec: 0, tv_nsec: nanoseconds })) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(errno) => {
            let target = sockets.first().map(|udp| udp.local.to_string()).unwrap_or_default();
            Err(EngineError::Ring { act: "wait for datagrams", target, source: errno.into() })
        }
    }
}
