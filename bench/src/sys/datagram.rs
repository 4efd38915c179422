//! Datagrams with what the kernel says beside them: when they came, how many it had to drop, the largest fragment they came in, and errors of those that were
//! sent (recvmsg(2), `linux/errqueue.h`). Invariant: the kernel writes only into buffers whose lengths it is told, and what it wrote is parsed as bytes.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd as _};

const NAME_BYTES: usize = size_of::<libc::sockaddr_storage>();
const CONTROL_BYTES: usize = 512;
/// `struct cmsghdr` with its padding; what follows is aligned alike.
const CONTROL_HEADER: usize = 16;

/// What a socket is told to say of its datagrams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tell {
    /// When the kernel received them.
    Arrival,
    /// How many the socket's buffer had no room for.
    Overflow,
    /// Why a datagram could not be delivered, as far as somebody says so.
    Errors,
    /// The size of the largest fragment, where it came in fragments.
    Fragments,
}

/// A datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Received {
    /// Bytes of it in the buffer.
    pub(crate) bytes: usize,
    /// Whether it was longer than the buffer.
    pub(crate) is_cut: bool,
    /// Who sent it.
    pub(crate) from: Option<SocketAddr>,
    /// When the kernel received it, by CLOCK_REALTIME.
    pub(crate) realtime_ns: Option<u64>,
    /// Datagrams that this socket had no room for since it was opened; not said before the first.
    pub(crate) overflowed: Option<u32>,
    /// Bytes of the largest fragment, headers included, where it came in fragments.
    pub(crate) fragment: Option<u32>,
    /// What became of a datagram that was sent, when the queue of errors is read.
    pub(crate) failure: Option<Failure>,
}

/// What became of a datagram that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    /// The errno.
    pub(crate) errno: u32,
    /// Who says so.
    pub(crate) origin: Origin,
    /// ICMP type.
    pub(crate) kind: u8,
    /// ICMP code.
    pub(crate) code: u8,
    /// With EMSGSIZE the MTU.
    pub(crate) info: u32,
    /// Who sent the ICMP message.
    pub(crate) offender: Option<IpAddr>,
}

/// Who says that a datagram was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// This host.
    Local,
    /// A router or the peer.
    Icmp,
    /// Something else of the kernel's.
    Other(u8),
}

/// Where a message is taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Queue {
    /// Datagrams.
    Data,
    /// Errors of those that were sent.
    Errors,
}

/// Has a socket say more of its datagrams.
pub(crate) fn tell(socket: impl AsFd, what: Tell, is_ipv4: bool) -> io::Result<()> {
    let (level, option) = match (what, is_ipv4) {
        (Tell::Arrival, _) => (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS),
        (Tell::Overflow, _) => (libc::SOL_SOCKET, libc::SO_RXQ_OVFL),
        (Tell::Errors, true) => (libc::IPPROTO_IP, libc::IP_RECVERR),
        (Tell::Errors, false) => (libc::IPPROTO_IPV6, libc::IPV6_RECVERR),
        (Tell::Fragments, true) => (libc::IPPROTO_IP, libc::IP_RECVFRAGSIZE),
        (Tell::Fragments, false) => (libc::IPPROTO_IPV6, libc::IPV6_RECVFRAGSIZE),
    };
    let on: libc::c_int = 1;
    let length = libc::socklen_t::try_from(size_of_val(&on)).expect("four bytes");
    // SAFETY: the descriptor is borrowed and open; the pointer and length name one live int, which the kernel only reads.
    let answer = unsafe { libc::setsockopt(socket.as_fd().as_raw_fd(), level, option, (&raw const on).cast(), length) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[repr(C, align(8))]
struct Aligned<const BYTES: usize>([u8; BYTES]);

/// Takes what is there, without waiting: WouldBlock when there is nothing.
pub(crate) fn receive(socket: impl AsFd, buffer: &mut [u8], queue: Queue) -> io::Result<Received> {
    let mut name = Aligned([0_u8; NAME_BYTES]);
    let mut control = Aligned([0_u8; CONTROL_BYTES]);
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zeroes is a valid msghdr: null pointers with lengths of 0.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = name.0.as_mut_ptr().cast();
    message.msg_namelen = libc::socklen_t::try_from(NAME_BYTES).expect("the size of an address");
    message.msg_iov = &raw mut vector;
    message.msg_iovlen = 1;
    message.msg_control = control.0.as_mut_ptr().cast();
    message.msg_controllen = CONTROL_BYTES;
    let flags = libc::MSG_DONTWAIT
        | match queue {
            Queue::Data => 0,
            Queue::Errors => libc::MSG_ERRQUEUE,
        };
    // SAFETY: name, control and the vector's one buffer are live, exclusively borrowed for the call and as long as the message says.
    let bytes = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &raw mut message, flags) };
    let bytes = usize::try_from(bytes).map_err(|_| io::Error::last_os_error())?;
    if message.msg_flags & libc::MSG_CTRUNC != 0 {
        return Err(io::Error::other("the kernel said more of a datagram than there was room for"));
    }
    let named = usize::try_from(message.msg_namelen).unwrap_or(0).min(NAME_BYTES);
    let controlled = message.msg_controllen.min(CONTROL_BYTES);
    let mut received = Received {
        bytes,
        is_cut: message.msg_flags & libc::MSG_TRUNC != 0,
        from: address(&name.0[..named]),
        realtime_ns: None,
        overflowed: None,
        fragment: None,
        failure: None,
    };
    notes(&control.0[..controlled], &mut received);
    Ok(received)
}

fn notes(mut control: &[u8], received: &mut Received) {
    while control.len() >= CONTROL_HEADER {
        let length = usize::from_ne_bytes(array(control, 0));
        let (level, kind): (i32, i32) = (i32::from_ne_bytes(array(control, 8)), i32::from_ne_bytes(array(control, 12)));
        if length < CONTROL_HEADER || length > control.len() {
            return;
        }
        let data = &control[CONTROL_HEADER..length];
        match (level, kind) {
            (libc::SOL_SOCKET, libc::SO_TIMESTAMPNS) if data.len() >= 16 => {
                let seconds = u64::try_from(i64::from_ne_bytes(array(data, 0))).unwrap_or(0);
                let nanoseconds = u64::try_from(i64::from_ne_bytes(array(data, 8))).unwrap_or(0);
                received.realtime_ns = Some(seconds * 1_000_000_000 + nanoseconds);
            }
            (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) if data.len() >= 4 => received.overflowed = Some(u32::from_ne_bytes(array(data, 0))),
            (libc::IPPROTO_IP, libc::IP_RECVFRAGSIZE) | (libc::IPPROTO_IPV6, libc::IPV6_RECVFRAGSIZE) if data.len() >= 4 => {
                received.fragment = Some(u32::from_ne_bytes(array(data, 0)));
            }
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) if data.len() >= 16 => {
                received.failure = Some(failure(data))
            }
            _ => {}
        }
        let next = length.next_multiple_of(8);
        control = control.get(next..).unwrap_or(&[]);
    }
}

// `struct sock_extended_err`, followed by the address of who sent the ICMP message.
fn failure(data: &[u8]) -> Failure {
    let origin = match data[4] {
        libc::SO_EE_ORIGIN_LOCAL => Origin::Local,
        libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6 => Origin::Icmp,
        other => Origin::Other(other),
    };
    Failure {
        errno: u32::from_ne_bytes(array(data, 0)),
        origin,
        kind: data[5],
        code: data[6],
        info: u32::from_ne_bytes(array(data, 8)),
        offender: address(&data[16..]).map(|address| address.ip()),
    }
}

// `struct sockaddr_in` or `struct sockaddr_in6`.
fn address(name: &[u8]) -> Option<SocketAddr> {
    if name.len() < 8 {
        return None;
    }
    let family = i32::from(u16::from_ne_bytes(array(name, 0)));
    let port = u16::from_be_bytes(array(name, 2));
    if family == libc::AF_INET {
        return Some(SocketAddr::new(Ipv4Addr::from(array::<4>(name, 4)).into(), port));
    }
    if family == libc::AF_INET6 && name.len() >= 28 {
        let scope = u32::from_ne_bytes(array(name, 24));
        return Some(SocketAddrV6::new(Ipv6Addr::from(array::<16>(name, 8)), port, 0, scope).into());
    }
    None
}

fn array<const BYTES: usize>(bytes: &[u8], at: usize) -> [u8; BYTES] {
    bytes[at..at + BYTES].try_into().expect("as many bytes as asked for")
}
