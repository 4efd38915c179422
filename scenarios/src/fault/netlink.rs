//! rtnetlink (rtnetlink(7)): requests that are acknowledged, and dumps as the kernel sends them. Messages stay bytes, so that a route is put back with all that it
//! had, also what nobody here knows of.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use netlink_packet_core::{DefaultNla, Emitable as _, NlasIterator};
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with};

/// The kernel answers from memory.
const LIMIT: Duration = Duration::from_secs(5);
/// More than the kernel puts into one datagram.
const DATAGRAM_MAX: usize = 256 << 10;
/// `struct nlmsghdr`.
const HEADER: usize = 16;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const NLM_F_DUMP_INTR: u16 = 0x10;
/// How often a dump is repeated during which something changed.
const ATTEMPTS: usize = 5;

/// Make it, and fail when it is there.
pub(super) const CREATE_NEW: u16 = 0x400 | 0x200;

/// A socket to the kernel.
pub(super) struct Netlink {
    socket: OwnedFd,
    seq: u32,
    buffer: Vec<u8>,
}

struct Message<'a> {
    kind: u16,
    flags: u16,
    seq: u32,
    body: &'a [u8],
}

impl Netlink {
    pub(super) fn open() -> io::Result<Self> {
        // Protocol 0 of netlink is rtnetlink (NETLINK_ROUTE).
        let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
        set_socket_timeout(&socket, Timeout::Recv, Some(LIMIT))?;
        Ok(Self { socket, seq: 0, buffer: vec![0; DATAGRAM_MAX] })
    }

    fn send(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.seq += 1;
        let length = u32::try_from(HEADER + body.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut message = Vec::with_capacity(HEADER + body.len());
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&kind.to_ne_bytes());
        message.extend_from_slice(&(NLM_F_REQUEST | flags).to_ne_bytes());
        message.extend_from_slice(&self.seq.to_ne_bytes());
        message.extend_from_slice(&[0; 4]);
        message.extend_from_slice(body);
        if send(&self.socket, &message, SendFlags::empty())? == message.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
    }

    /// One request, until the kernel has done it.
    pub(super) fn act(&mut self, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
        self.send(kind, flags | NLM_F_ACK, body)?;
        loop {
            let (read, _) = recv(&self.socket, &mut self.buffer[..], RecvFlags::empty())?;
            for message in messages(&self.buffer[..read])? {
                if message.seq == self.seq && message.kind == NLMSG_ERROR {
                    return errno(message.body);
                }
            }
        }
    }

    /// Everything of a kind: the bodies of the answers.
    pub(super) fn dump(&mut self, kind: u16, body: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        for _ in 0..ATTEMPTS {
            if let Some(answers) = self.dump_once(kind, body)? {
                return Ok(answers);
            }
        }
        Err(io::Error::other("it changed during every attempt to read it"))
    }

    fn dump_once(&mut self, kind: u16, body: &[u8]) -> io::Result<Option<Vec<Vec<u8>>>> {
        self.send(kind, NLM_F_DUMP, body)?;
        let (mut answers, mut changed) = (Vec::new(), false);
        loop {
            let (read, _) = recv(&self.socket, &mut self.buffer[..], RecvFlags::empty())?;
            for message in messages(&self.buffer[..read])? {
                if message.seq != self.seq {
                    continue;
                }
                changed |= message.flags & NLM_F_DUMP_INTR != 0;
                match message.kind {
                    NLMSG_DONE | NLMSG_ERROR => {
                        errno(message.body)?;
                        return Ok((!changed).then_some(answers));
                    }
                    _ => answers.push(message.body.to_vec()),
                }
            }
        }
    }
}

/// The result in an acknowledgement, or at the end of a dump.
fn errno(body: &[u8]) -> io::Result<()> {
    match i32_at(body, 0) {
        Some(0) | None => Ok(()),
        Some(negative) => Err(io::Error::from_raw_os_error(negative.saturating_neg())),
    }
}

fn messages(datagram: &[u8]) -> io::Result<Vec<Message<'_>>> {
    let mut found = Vec::new();
    let mut rest = datagram;
    while !rest.is_empty() {
        let length = u32_at(rest, 0).and_then(|length| usize::try_from(length).ok()).filter(|length| (HEADER..=rest.len()).contains(length));
        let Some(length) = length else { return Err(io::Error::other("a message of rtnetlink that is cut off")) };
        let cut = || io::Error::other("a message of rtnetlink that is cut off");
        let (kind, flags) = (u16_at(rest, 4).ok_or_else(cut)?, u16_at(rest, 6).ok_or_else(cut)?);
        found.push(Message { kind, flags, seq: u32_at(rest, 8).ok_or_else(cut)?, body: &rest[HEADER..length] });
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or(&[]);
    }
    Ok(found)
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_ne_bytes)
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes)
}

pub(super) fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..at + 4)?.try_into().ok().map(i32::from_ne_bytes)
}

/// The attributes that follow a fixed part of `fixed` bytes: kind (without its flags) and value.
pub(super) fn attributes(body: &[u8], fixed: usize) -> io::Result<Vec<(u16, Vec<u8>)>> {
    let rest = body.get(fixed.next_multiple_of(4)..).unwrap_or(&[]);
    NlasIterator::new(rest).map(|nla| nla.map(|nla| (nla.kind(), nla.value().to_vec())).map_err(io::Error::other)).collect()
}

/// The value of one attribute.
pub(super) fn attribute(attributes: &[(u16, Vec<u8>)], kind: u16) -> Option<&[u8]> {
    attributes.iter().find(|(own, _)| *own == kind).map(|(_, value)| value.as_slice())
}

/// Appends an attribute.
pub(super) fn put(body: &mut Vec<u8>, kind: u16, value: &[u8]) {
    let nla = DefaultNla::new(kind, value.to_vec());
    let at = body.len();
    body.resize(at + nla.buffer_len(), 0);
    nla.emit(&mut body[at..]);
}

/// A text as the kernel ends it.
pub(super) fn text(value: &[u8]) -> String {
    String::from_utf8_lossy(value.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_that_are_cut_off_are_errors() {
        let mut whole = vec![20, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let found = messages(&whole).expect("whole");
        assert_eq!((found.len(), found[0].kind, found[0].seq, found[0].body.len()), (1, 3, 1, 4));
        assert!(messages(&whole[..19]).is_err() && messages(&[1, 2]).is_err());
        whole[0] = 8;
        assert!(messages(&whole).is_err());
    }

    #[test]
    fn attributes_come_back_as_they_were_put() {
        let mut body = vec![0; 8];
        put(&mut body, 1, b"abc");
        put(&mut body, 2, &7u32.to_ne_bytes());
        assert_eq!(body.len() % 4, 0);
        let read = attributes(&body, 8).expect("sound");
        assert_eq!((attribute(&read, 1), attribute(&read, 2)), (Some(&b"abc"[..]), Some(&7u32.to_ne_bytes()[..])));
        assert_eq!(attribute(&read, 3), None);
    }
}
