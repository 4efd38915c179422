//! Sockets of a measurement: made, bound and connected as a spec says, and what the kernel made of it.

use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, listen, socket_with, sockopt};
use rustix::time::Timespec;

use super::spec::{TcpConnect, TcpHow, TcpListen};
use crate::error::EngineError;
use crate::sys::socket as options;

/// How soon a stop is heard.
pub(super) const TURN: Duration = Duration::from_millis(20);

fn refused<E: Into<std::io::Error>>(act: &'static str, target: &str) -> impl Fn(E) -> EngineError {
    move |error| EngineError::Setup { act, target: target.to_owned(), source: error.into() }
}

fn make(family: IpAddr, how: &TcpHow, target: &str) -> Result<OwnedFd, EngineError> {
    let family = if family.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None).map_err(refused("make a socket", target))?;
    if let Some(device) = &how.device {
        let subject = format!("{device} and {target}");
        options::bind_to_device(&socket, device).map_err(refused("bind a socket to the device", &subject))?;
    }
    let buffer = |bytes: u32| usize::try_from(bytes).expect("32 bits");
    if let Some(bytes) = how.send_buffer {
        sockopt::set_socket_send_buffer_size(&socket, buffer(bytes)).map_err(refused("set SO_SNDBUF", target))?;
    }
    if let Some(bytes) = how.receive_buffer {
        sockopt::set_socket_recv_buffer_size(&socket, buffer(bytes)).map_err(refused("set SO_RCVBUF", target))?;
    }
    if let Some(name) = &how.congestion {
        let subject = format!("{name} and {target}");
        sockopt::set_tcp_congestion(&socket, name).map_err(refused("set the congestion control", &subject))?;
    }
    if let Some(bytes) = how.mss {
        options::set_max_segment(&socket, bytes).map_err(refused("set TCP_MAXSEG", target))?;
    }
    if let Some(rate) = how.pacing {
        options::set_max_pacing_rate(&socket, rate).map_err(refused("set SO_MAX_PACING_RATE", target))?;
    }
    if how.nodelay {
        sockopt::set_tcp_nodelay(&socket, true).map_err(refused("set TCP_NODELAY", target))?;
    }
    Ok(socket)
}

/// Bound to exactly the address of the spec; what it accepts has its options.
pub(super) fn listener(spec: &TcpListen) -> Result<TcpListener, EngineError> {
    let address = SocketAddr::new(spec.address, spec.port);
    let target = address.to_string();
    let socket = make(spec.address, &spec.how, &target)?;
    bind(&socket, &address).map_err(refused("bind a socket", &target))?;
    let backlog = i32::try_from(spec.flow.streams).unwrap_or(i32::MAX).max(16);
    listen(&socket, backlog).map_err(refused("listen", &target))?;
    let listener = TcpListener::from(socket);
    listener.set_nonblocking(true).map_err(refused("make non-blocking the socket", &target))?;
    Ok(listener)
}

/// The connection of one stream, from the source address and port that the spec has for it.
pub(super) fn connected(spec: &TcpConnect, stream: usize, stop: &AtomicBool) -> Result<TcpStream, EngineError> {
    let target = spec.peer.to_string();
    let socket = make(spec.peer.ip(), &spec.how, &target)?;
    let port = spec.source_ports.get(stream).copied().unwrap_or(0);
    if spec.source.is_some() || port != 0 {
        let any = if spec.peer.is_ipv4() { IpAddr::from([0; 4]) } else { IpAddr::from([0_u16; 8]) };
        let source = SocketAddr::new(spec.source.unwrap_or(any), port);
        let subject = format!("{source} for stream {stream} to {target}");
        if port == 0 {
            // bind(2) would take one of the ports that connect(2) leaves alone: which members flows fall on would not be as applications have it.
            options::leave_port_to_connect(&socket).map_err(refused("set IP_BIND_ADDRESS_NO_PORT", &subject))?;
        } else {
            // An earlier measurement had the same port, and what is left of its connections waits for minutes.
            sockopt::set_socket_reuseaddr(&socket, true).map_err(refused("set SO_REUSEADDR", &subject))?;
        }
        bind(&socket, &source).map_err(refused("bind a socket", &subject))?;
    }
    let peer = |source| EngineError::Setup { act: "connect", target: format!("{target} (stream {stream})"), source };
    let stream_socket = TcpStream::from(socket);
    stream_socket.set_nonblocking(true).map_err(peer)?;
    match connect(&stream_socket, &spec.peer) {
        Ok(()) => {}
        Err(rustix::io::Errno::INPROGRESS) => finish(&stream_socket, spec.flow.patience(), stop, &peer)?,
        Err(error) => return Err(peer(error.into())),
    }
    stream_socket.set_nonblocking(false).map_err(peer)?;
    Ok(stream_socket)
}

fn finish(socket: &TcpStream, patience: Duration, stop: &AtomicBool, peer: &dyn Fn(std::io::Error) -> EngineError) -> Result<(), EngineError> {
    let begin = Instant::now();
    while !ready(socket, PollFlags::OUT).map_err(peer)? {
        if stop.load(Ordering::Relaxed) {
            return Err(EngineError::Stopped { target: "a connection".to_owned() });
        }
        if begin.elapsed() >= patience {
            return Err(peer(std::io::Error::new(std::io::ErrorKind::TimedOut, format!("no answer for {patience:?}"))));
        }
    }
    match socket.take_error().map_err(peer)? {
        Some(error) => Err(peer(error)),
        None => Ok(()),
    }
}

/// Waits one turn for a socket.
pub(super) fn ready(socket: impl AsFd, flags: PollFlags) -> std::io::Result<bool> {
    let mut fds = [PollFd::from_borrowed_fd(socket.as_fd(), flags)];
    let turn = Timespec { tv_sec: 0, tv_nsec: TURN.subsec_nanos().into() };
    match poll(&mut fds, Some(&turn)) {
        Ok(count) => Ok(count > 0),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
