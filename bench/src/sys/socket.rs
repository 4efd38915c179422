//! Socket options that `rustix` does not know: TCP_INFO, TCP_MAXSEG, SO_BINDTODEVICE, SO_RCVLOWAT, SO_MAX_PACING_RATE, IP_BIND_ADDRESS_NO_PORT. Invariant: the
//! kernel is told the true length of what it reads or fills, and what it did not fill is zero.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd};

/// `struct tcp_info` of linux/tcp.h as far as it is used; newer kernels know more, older ones fill less.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct TcpInfo {
    pub(crate) state: u8,
    pub(crate) ca_state: u8,
    retransmits: u8,
    probes: u8,
    backoff: u8,
    pub(crate) options: u8,
    window_scales: u8,
    flags: u8,
    pub(crate) rto_us: u32,
    ato: u32,
    pub(crate) snd_mss: u32,
    pub(crate) rcv_mss: u32,
    unacked: u32,
    sacked: u32,
    pub(crate) lost: u32,
    retrans: u32,
    fackets: u32,
    last_times: [u32; 4],
    pub(crate) pmtu: u32,
    rcv_ssthresh: u32,
    pub(crate) rtt_us: u32,
    pub(crate) rttvar_us: u32,
    snd_ssthresh: u32,
    pub(crate) snd_cwnd: u32,
    pub(crate) advmss: u32,
    reordering: u32,
    rcv_rtt_us: u32,
    pub(crate) rcv_space: u32,
    pub(crate) total_retrans: u32,
    pacing_rate: u64,
    max_pacing_rate: u64,
    pub(crate) bytes_acked: u64,
    pub(crate) bytes_received: u64,
    segs_out: u32,
    segs_in: u32,
    notsent_bytes: u32,
    pub(crate) min_rtt_us: u32,
    data_segs_in: u32,
    data_segs_out: u32,
    pub(crate) delivery_rate: u64,
    pub(crate) busy_time_us: u64,
    pub(crate) rwnd_limited_us: u64,
    pub(crate) sndbuf_limited_us: u64,
    delivered: u32,
    delivered_ce: u32,
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_retrans: u64,
    dsack_dups: u32,
    pub(crate) reord_seen: u32,
}

/// TCP_INFO of a socket.
pub(crate) fn tcp_info(socket: impl AsFd) -> io::Result<TcpInfo> {
    let mut info = MaybeUninit::<TcpInfo>::zeroed();
    let mut length = libc::socklen_t::try_from(size_of::<TcpInfo>()).expect("a small structure");
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the pointer is valid for writes of `length` bytes for the duration of the call.
    let answer = unsafe { libc::getsockopt(fd, libc::IPPROTO_TCP, libc::TCP_INFO, info.as_mut_ptr().cast(), &raw mut length) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: any bytes, also the zeroes that the kernel left, are a TcpInfo.
    Ok(unsafe { info.assume_init() })
}

/// The largest segment that the socket may send, before the connection is made (TCP_MAXSEG).
pub(crate) fn set_max_segment(socket: impl AsFd, bytes: u32) -> io::Result<()> {
    set_int(socket, libc::IPPROTO_TCP, libc::TCP_MAXSEG, bytes)
}

/// How many bytes must be there before a reader is woken (SO_RCVLOWAT); the end of the stream always wakes it.
pub(crate) fn set_receive_low_water(socket: impl AsFd, bytes: u32) -> io::Result<()> {
    set_int(socket, libc::SOL_SOCKET, libc::SO_RCVLOWAT, bytes)
}

/// What the socket may send at most, bytes/s (SO_MAX_PACING_RATE); TCP keeps to it by itself, whatever the queueing discipline.
pub(crate) fn set_max_pacing_rate(socket: impl AsFd, bytes_per_s: u32) -> io::Result<()> {
    set_int(socket, libc::SOL_SOCKET, libc::SO_MAX_PACING_RATE, bytes_per_s)
}

/// bind(2) to port 0 chooses an address only, and connect(2) the port (IP_BIND_ADDRESS_NO_PORT, for IPv6 too).
pub(crate) fn leave_port_to_connect(socket: impl AsFd) -> io::Result<()> {
    set_int(socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)
}

/// Sends and receives through this interface only (SO_BINDTODEVICE).
pub(crate) fn bind_to_device(socket: impl AsFd, name: &str) -> io::Result<()> {
    let length = libc::socklen_t::try_from(name.len()).map_err(io::Error::other)?;
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the pointer is valid for reads of `length` bytes for the duration of the call.
    let answer = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, name.as_ptr().cast(), length) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn set_int(socket: impl AsFd, level: i32, option: i32, value: u32) -> io::Result<()> {
    let value = i32::try_from(value).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))?;
    let length = libc::socklen_t::try_from(size_of::<i32>()).expect("four");
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the pointer is valid for reads of one i32 for the duration of the call.
    let answer = unsafe { libc::setsockopt(fd, level, option, (&raw const value).cast(), length) };
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn tcp_info_says_what_was_sent_and_acknowledged_over_a_known_mss() {
        use std::io::{Read as _, Write as _};
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let mut near = TcpStream::connect(listener.local_addr().expect("an address")).expect("connected");
        let (mut far, _) = listener.accept().expect("accepted");
        near.write_all(&[7; 1000]).expect("written");
        far.read_exact(&mut [0; 1000]).expect("read");
        let (begin, mut info) = (std::time::Instant::now(), tcp_info(&near).expect("info"));
        while info.bytes_acked < 1000 && begin.elapsed() < std::time::Duration::from_secs(2) {
            info = tcp_info(&near).expect("info");
        }
        // The SYN counts as one.
        assert_eq!((info.state, info.bytes_acked, info.bytes_sent), (1, 1001, 1000));
        assert_eq!(tcp_info(&far).expect("info").bytes_received, 1000);
        assert!(info.pmtu == 65535 && info.snd_mss > 30_000 && info.rtt_us > 0 && info.total_retrans == 0, "{info:?}");
    }

    #[test]
    fn what_the_kernel_refuses_is_its_error() {
        let socket = TcpListener::bind("127.0.0.1:0").expect("bound");
        assert_eq!(bind_to_device(&socket, "no-such-device").expect_err("refused").raw_os_error(), Some(libc::ENODEV));
        assert_eq!(set_max_segment(&socket, 1).expect_err("refused").raw_os_error(), Some(libc::EINVAL));
    }
}
