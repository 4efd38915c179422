//! Sockets for whole frames of one interface (packet(7)), and the state of interfaces (getifaddrs(3)). Invariant: every record that the kernel fills is as long
//! as the length that is handed in with it, and what it did not fill stays zero. What the frames say is for others.

use std::ffi::{CStr, CString};
use std::io;
use std::mem::size_of;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socket_with};

// linux/if_packet.h and linux/if_ether.h; the libc crate has them not for every C library.
const PACKET_STATISTICS: i32 = 6;
const PACKET_AUXDATA: i32 = 8;
const STATUS_VLAN_VALID: u32 = 1 << 4;
const STATUS_VLAN_TPID_VALID: u32 = 1 << 6;
const EVERY_PROTOCOL: u16 = 0x0003;
/// A tag without a protocol of its own is one of IEEE 802.1Q.
const TAG: u16 = 0x8100;
/// Room in the kernel for frames that were not fetched yet.
const ROOM_BYTES: i32 = 8 << 20;

/// `struct tpacket_auxdata`: what the kernel took out of a frame.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Aux {
    status: u32,
    len: u32,
    snaplen: u32,
    mac: u16,
    net: u16,
    vlan_tci: u16,
    vlan_tpid: u16,
}

/// A frame as the socket hands it over.
pub(crate) struct Received {
    /// Bytes in the buffer.
    pub(crate) length: usize,
    /// Whether this host sent it.
    pub(crate) outgoing: bool,
    /// Whether it was longer than the buffer.
    pub(crate) truncated: bool,
    /// The tag that the kernel took out of it: protocol, and priority with VLAN ID.
    pub(crate) tag: Option<(u16, u16)>,
}

/// A packet socket on one interface.
pub(crate) struct FrameSocket {
    socket: OwnedFd,
}

impl FrameSocket {
    /// One that only sends.
    pub(crate) fn mute(interface: &str) -> io::Result<Self> {
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        let own = Self { socket };
        own.bind(index_of(interface)?, 0)?;
        Ok(own)
    }

    /// One that hears every frame of the interface in both directions, also those to other stations and to groups; while it is open the interface is in
    /// promiscuous mode.
    pub(crate) fn hearing(interface: &str) -> io::Result<Self> {
        // Without a protocol it hears nothing until it is bound to its interface.
        let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
        let own = Self { socket };
        let index = index_of(interface)?;
        own.set(libc::SOL_PACKET, PACKET_AUXDATA, &1_i32)?;
        own.set(libc::SOL_SOCKET, libc::SO_RCVBUFFORCE, &ROOM_BYTES)?;
        own.bind(index, EVERY_PROTOCOL)?;
        let kind = u16::try_from(libc::PACKET_MR_PROMISC).map_err(|_| io::ErrorKind::InvalidInput)?;
        own.set(
            libc::SOL_PACKET,
            libc::PACKET_ADD_MEMBERSHIP,
            &libc::packet_mreq { mr_ifindex: index, mr_type: kind, mr_alen: 0, mr_address: [0; 8] },
        )?;
        Ok(own)
    }

    fn bind(&self, index: i32, protocol: u16) -> io::Result<()> {
        // SAFETY: `sockaddr_ll` is a C record of integers and an array of them; all zero is a valid value.
        let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        address.sll_family = u16::try_from(libc::AF_PACKET).map_err(|_| io::ErrorKind::InvalidInput)?;
        address.sll_protocol = protocol.to_be();
        address.sll_ifindex = index;
        // SAFETY: the descriptor is open, and the pointer is to a live `sockaddr_ll` of the length that is given; the kernel reads it and keeps nothing.
        let bound = unsafe { libc::bind(self.socket.as_raw_fd(), (&raw const address).cast(), length::<libc::sockaddr_ll>()) };
        done(bound)
    }

    fn set<T>(&self, level: i32, name: i32, value: &T) -> io::Result<()> {
        // SAFETY: the descriptor is open, and the pointer is to a live value of the length that is given; the kernel reads it and keeps nothing.
        let set = unsafe { libc::setsockopt(self.socket.as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), length::<T>()) };
        done(set)
    }

    /// Hands one frame to the interface.
    pub(crate) fn send(&self, frame: &[u8]) -> io::Result<()> {
        let sent = send(&self.socket, frame, SendFlags::empty())?;
        if sent == frame.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// Waits so long for a frame.
    pub(crate) fn wait(&self, timeout: std::time::Duration) -> io::Result<bool> {
        let timeout = Timespec::try_from(timeout).map_err(|_| io::ErrorKind::InvalidInput)?;
        match poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&timeout)) {
            Ok(ready) => Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Fetches a frame that has come in; none when there is none.
    pub(crate) fn receive(&self, buffer: &mut [u8]) -> io::Result<Option<Received>> {
        let mut part = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
        // Aligned for the records in it.
        let mut control = [0_u64; 16];
        // SAFETY: both are C records of integers, arrays and pointers; all zero is a valid value.
        let mut from: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
        // SAFETY: as above.
        let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
        message.msg_name = (&raw mut from).cast();
        message.msg_namelen = length::<libc::sockaddr_ll>();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = std::mem::size_of_val(&control);
        // SAFETY: the descriptor is open; name, buffer and control are live, distinct, writable and as long as the record says, until the call returns.
        let received = unsafe { libc::recvmsg(self.socket.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
        let Ok(length) = usize::try_from(received) else {
            let error = io::Error::last_os_error();
            return if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) { Ok(None) } else { Err(error) };
        };
        let outgoing = from.sll_pkttype == libc::PACKET_OUTGOING;
        let truncated = message.msg_flags & libc::MSG_TRUNC != 0;
        let mut tag = None;
        // SAFETY: the kernel has filled the control buffer and its length in `message`; both are live.
        let mut at = unsafe { libc::CMSG_FIRSTHDR(&raw const message) };
        while !at.is_null() {
            // SAFETY: `at` is not null, so it is a whole header inside the control buffer.
            let header = unsafe { std::ptr::read_unaligned(at) };
            if header.cmsg_level == libc::SOL_PACKET && header.cmsg_type == PACKET_AUXDATA {
                // SAFETY: `at` is a header inside the control buffer.
                let data = unsafe { libc::CMSG_DATA(at) };
                // SAFETY: the kernel writes a whole `tpacket_auxdata` under this type, and the buffer has room for it.
                let aux: Aux = unsafe { std::ptr::read_unaligned(data.cast()) };
                if aux.status & STATUS_VLAN_VALID != 0 {
                    let protocol = if aux.status & STATUS_VLAN_TPID_VALID != 0 { aux.vlan_tpid } else { TAG };
                    tag = Some((protocol, aux.vlan_tci));
                }
            }
            // SAFETY: `message` and `at` are as above.
            at = unsafe { libc::CMSG_NXTHDR(&raw const message, at) };
        }
        Ok(Some(Received { length, outgoing, truncated, tag }))
    }

    /// Frames that did not fit since this was asked last.
    pub(crate) fn drops(&self) -> io::Result<u32> {
        let mut statistics = [0_u32; 2];
        let mut length = length::<[u32; 2]>();
        // SAFETY: the descriptor is open; the pointers are to a live `tpacket_stats` of two integers and to its length.
        let asked = unsafe {
            libc::getsockopt(self.socket.as_raw_fd(), libc::SOL_PACKET, PACKET_STATISTICS, statistics.as_mut_ptr().cast(), &raw mut length)
        };
        done(asked)?;
        Ok(statistics[1])
    }
}

/// An interface as getifaddrs(3) has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) mac: [u8; 6],
    /// Up, and with a carrier.
    pub(crate) running: bool,
    /// Frames sent; wraps.
    pub(crate) sent: u32,
}

/// The state of an interface of the network namespace that the calling thread is in.
pub(crate) fn link(interface: &str) -> io::Result<Link> {
    let mut first: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: the pointer is to a live pointer, which the call fills with a list of its own or leaves.
    done(unsafe { libc::getifaddrs(&raw mut first) })?;
    let found = find(first, interface);
    // SAFETY: the list came from getifaddrs, is freed once, and nothing of it is kept.
    unsafe { libc::freeifaddrs(first) };
    found.ok_or_else(|| io::Error::from_raw_os_error(libc::ENODEV))
}

fn find(first: *const libc::ifaddrs, interface: &str) -> Option<Link> {
    let mut at = first;
    while !at.is_null() {
        // SAFETY: `at` is an item of the live list of getifaddrs.
        let item = unsafe { std::ptr::read(at) };
        at = item.ifa_next;
        if item.ifa_name.is_null() || item.ifa_addr.is_null() || item.ifa_data.is_null() {
            continue;
        }
        // SAFETY: the name of an item is a string that ends in NUL and lives as long as the list.
        let name = unsafe { CStr::from_ptr(item.ifa_name) };
        // SAFETY: the address of an item is at least a family.
        let family = unsafe { std::ptr::read_unaligned(&raw const (*item.ifa_addr).sa_family) };
        if name.to_bytes() != interface.as_bytes() || i32::from(family) != libc::AF_PACKET {
            continue;
        }
        // SAFETY: an address of the family AF_PACKET is a `sockaddr_ll`.
        let address: libc::sockaddr_ll = unsafe { std::ptr::read_unaligned(item.ifa_addr.cast()) };
        // SAFETY: the data of an item of the family AF_PACKET is a `rtnl_link_stats`, which begins with the received and the sent packets.
        let counters: [u32; 2] = unsafe { std::ptr::read_unaligned(item.ifa_data.cast()) };
        let [a, b, c, d, e, f, ..] = address.sll_addr;
        let needed = u32::try_from(libc::IFF_UP | libc::IFF_RUNNING).ok()?;
        return Some(Link { mac: [a, b, c, d, e, f], running: item.ifa_flags & needed == needed, sent: counters[1] });
    }
    None
}

pub(crate) fn index_of(interface: &str) -> io::Result<i32> {
    let name = CString::new(interface).map_err(|_| io::ErrorKind::InvalidInput)?;
    // SAFETY: the pointer is to a live string that ends in NUL; the call reads it and keeps nothing.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 { Err(io::Error::last_os_error()) } else { i32::try_from(index).map_err(|_| io::ErrorKind::InvalidInput.into()) }
}

fn length<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("records of the kernel are short")
}

fn done(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
