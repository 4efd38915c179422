//! Sockets that hear whole frames of one protocol on one interface (packet(7)). What the frames say is for others.

use std::ffi::CString;
use std::mem::size_of;

use rustix::fd::{AsRawFd as _, OwnedFd};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

/// The group addresses that LLDP is sent to: nearest bridge, nearest bridge that is no relay of two ports, nearest customer bridge (IEEE 802.1AB, table 7-1).
const GROUPS: [[u8; 6]; 3] = [[0x01, 0x80, 0xc2, 0x00, 0x00, 0x0e], [0x01, 0x80, 0xc2, 0x00, 0x00, 0x03], [0x01, 0x80, 0xc2, 0x00, 0x00, 0x00]];
/// The protocol of LLDP in the header of a frame.
pub(crate) const LLDP: u16 = 0x88cc;

/// A socket that hears the LLDP frames that come in on the interface. While it is open, the interface takes frames to the group addresses of LLDP; nothing else
/// is changed, and closing it takes that back. Needs CAP_NET_RAW.
pub(crate) fn lldp_socket(interface: &str) -> Result<OwnedFd, Errno> {
    let index = index_of(interface)?;
    // Without a protocol it hears nothing until it is bound to its interface.
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK, None)?;
    // SAFETY: `sockaddr_ll` is a C record of integers and an array of them; all zero is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = u16::try_from(libc::AF_PACKET).map_err(|_| Errno::INVAL)?;
    address.sll_protocol = LLDP.to_be();
    address.sll_ifindex = index;
    let length = libc::socklen_t::try_from(size_of::<libc::sockaddr_ll>()).map_err(|_| Errno::INVAL)?;
    // SAFETY: the descriptor is open, and the pointer is to a live `sockaddr_ll` of the length that is given; the kernel reads it and keeps nothing.
    let bound = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    done(bound)?;
    for group in GROUPS {
        let mut place = [0; 8];
        place[..6].copy_from_slice(&group);
        let membership = libc::packet_mreq {
            mr_ifindex: index,
            mr_type: u16::try_from(libc::PACKET_MR_MULTICAST).map_err(|_| Errno::INVAL)?,
            mr_alen: 6,
            mr_address: place,
        };
        let length = libc::socklen_t::try_from(size_of::<libc::packet_mreq>()).map_err(|_| Errno::INVAL)?;
        // SAFETY: as above, with a live `packet_mreq` of the length that is given.
        let joined =
            unsafe { libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, (&raw const membership).cast(), length) };
        done(joined)?;
    }
    Ok(socket)
}

fn index_of(interface: &str) -> Result<i32, Errno> {
    let name = CString::new(interface).map_err(|_| Errno::INVAL)?;
    // SAFETY: the pointer is to a live string that ends in NUL; the call reads it and keeps nothing.
    let index = unsafe { libc::if_nametoindex(name.as_ptr()) };
    if index == 0 { Err(last()) } else { i32::try_from(index).map_err(|_| Errno::INVAL) }
}

fn done(result: i32) -> Result<(), Errno> {
    if result == 0 { Ok(()) } else { Err(last()) }
}

fn last() -> Errno {
    Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO)
}
