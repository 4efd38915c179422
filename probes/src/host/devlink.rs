//! What a driver says of its device over devlink (`devlink:pci/0000:61:00.0/info`, `DEVLINK_CMD_INFO_GET` of `linux/devlink.h`): driver, serial numbers and versions, one
//! `name: value` a line, versions as `running fw.version: 20.43.2566`. Asked over generic netlink; it changes nothing and needs no privilege.

use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with};

use super::live::Refusal;
use super::{Host, HostError};

/// The kernel answers from memory of the driver; a firmware that is stuck must not hold the probe.
const LIMIT: Duration = Duration::from_secs(5);
/// More than one answer takes.
const ANSWER_MAX: usize = 64 << 10;
const NLM_F_REQUEST: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_HEADER: usize = 16;
const GENL_HEADER: usize = 4;
const GENL_ID_CTRL: u16 = 0x10;
const CTRL_CMD_GETFAMILY: u8 = 3;
const CTRL_ATTR_FAMILY_ID: u16 = 1;
const CTRL_ATTR_FAMILY_NAME: u16 = 2;
const DEVLINK_CMD_INFO_GET: u8 = 51;
const BUS_NAME: u16 = 1;
const DEV_NAME: u16 = 2;
const DRIVER_NAME: u16 = 98;
const SERIAL_NUMBER: u16 = 99;
const VERSION_FIXED: u16 = 100;
const VERSION_RUNNING: u16 = 101;
const VERSION_STORED: u16 = 102;
const VERSION_NAME: u16 = 103;
const VERSION_VALUE: u16 = 104;
const BOARD_SERIAL_NUMBER: u16 = 146;

impl Host {
    /// How the answer about a PCI function is called.
    pub(crate) fn devlink_name(address: &str) -> String {
        format!("devlink:pci/{address}/info")
    }

    /// What the driver of a PCI function says of it. A driver without devlink, and a kernel without it, has nothing to say.
    pub(crate) fn devlink(&self, address: &str) -> Result<String, HostError> {
        self.call_text(&Self::devlink_name(address), || info(address).map_err(refusal))
    }
}

fn refusal(errno: Errno) -> Refusal {
    if [Errno::NODEV, Errno::OPNOTSUPP, Errno::PROTONOSUPPORT, Errno::AFNOSUPPORT].contains(&errno) { Refusal::Absent } else { errno.into() }
}

fn info(address: &str) -> Result<String, Errno> {
    let family = asked(GENL_ID_CTRL, CTRL_CMD_GETFAMILY, &[(CTRL_ATTR_FAMILY_NAME, "devlink")])?;
    let id = attributes(&family).find(|(kind, _)| *kind == CTRL_ATTR_FAMILY_ID).and_then(|(_, value)| value.get(..2)).ok_or(Errno::PROTO)?;
    let id = u16::from_ne_bytes([id[0], id[1]]);
    let answer = asked(id, DEVLINK_CMD_INFO_GET, &[(BUS_NAME, "pci"), (DEV_NAME, address)])?;
    Ok(facts(&answer))
}

/// The attributes that a family of generic netlink answers to one request.
fn asked(family: u16, command: u8, attributes: &[(u16, &str)]) -> Result<Vec<u8>, Errno> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, Some(netlink::GENERIC))?;
    set_socket_timeout(&socket, Timeout::Recv, Some(LIMIT))?;
    send(&socket, &request(family, command, attributes), SendFlags::empty())?;
    let mut buffer = vec![0; ANSWER_MAX];
    let (_, length) = recv(&socket, buffer.as_mut_slice(), RecvFlags::TRUNC)?;
    if length > buffer.len() {
        return Err(Errno::MSGSIZE);
    }
    buffer.truncate(length);
    payload(&buffer).map(<[u8]>::to_vec)
}

fn request(family: u16, command: u8, attributes: &[(u16, &str)]) -> Vec<u8> {
    let mut payload = vec![command, 1, 0, 0];
    for (kind, text) in attributes {
        let length = u16::try_from(4 + text.len() + 1).unwrap_or(u16::MAX);
        payload.extend(length.to_ne_bytes());
        payload.extend(kind.to_ne_bytes());
        payload.extend(text.bytes());
        payload.push(0);
        payload.resize(payload.len().next_multiple_of(4), 0);
    }
    let length = u32::try_from(NLMSG_HEADER + payload.len()).unwrap_or(u32::MAX);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(family.to_ne_bytes());
    message.extend(NLM_F_REQUEST.to_ne_bytes());
    message.extend([0; 8]);
    message.extend(payload);
    message
}

/// The attributes of the first message, or the error that it is.
fn payload(message: &[u8]) -> Result<&[u8], Errno> {
    let length = message.first_chunk().map_or(0, |length| u32::from_ne_bytes(*length));
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    let message = message.get(..length).ok_or(Errno::PROTO)?;
    let kind = message.get(4..6).map_or(0, |kind| u16::from_ne_bytes([kind[0], kind[1]]));
    if kind == NLMSG_ERROR {
        let error = message.get(NLMSG_HEADER..).and_then(|rest| rest.first_chunk()).map_or(0, |error| i32::from_ne_bytes(*error));
        // 0 is "done", to a request that asked for an answer.
        return Err(error.checked_neg().filter(|error| (1..4096).contains(error)).map_or(Errno::PROTO, Errno::from_raw_os_error));
    }
    message.get(NLMSG_HEADER + GENL_HEADER..).ok_or(Errno::PROTO)
}

/// Attributes as kind and value; one that is torn ends the row.
fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    // The two highest bits say that it is nested and in network order.
    const KIND: u16 = 0x3fff;
    std::iter::from_fn(move || {
        let header: &[u8; 4] = bytes.first_chunk()?;
        let length = usize::from(u16::from_ne_bytes([header[0], header[1]]));
        let value = bytes.get(4..length)?;
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((u16::from_ne_bytes([header[2], header[3]]) & KIND, value))
    })
}

fn facts(answer: &[u8]) -> String {
    let mut lines = Vec::new();
    for (kind, value) in attributes(answer) {
        match kind {
            DRIVER_NAME => lines.push(format!("driver: {}", string(value))),
            SERIAL_NUMBER => lines.push(format!("serial_number: {}", string(value))),
            BOARD_SERIAL_NUMBER => lines.push(format!("board.serial_number: {}", string(value))),
            VERSION_FIXED => lines.push(version("fixed", value)),
            VERSION_RUNNING => lines.push(version("running", value)),
            VERSION_STORED => lines.push(version("stored", value)),
            _ => {}
        }
    }
    lines.join("\n")
}

fn version(which: &str, nested: &[u8]) -> String {
    let text = |wanted| attributes(nested).find(|(kind, _)| *kind == wanted).map(|(_, value)| string(value)).unwrap_or_default();
    format!("{which} {}: {}", text(VERSION_NAME), text(VERSION_VALUE))
}

fn string(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).trim().replace(char::is_control, "?")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::*;

    use super::*;

    fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
        let mut bytes = u16::try_from(4 + value.len()).expect("short").to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    fn of_version(kind: u16, name: &str, value: &str) -> Vec<u8> {
        let nested = [attribute(VERSION_NAME, format!("{name}\0").as_bytes()), attribute(VERSION_VALUE, format!("{value}\0").as_bytes())].concat();
        attribute(kind | 0x8000, &nested)
    }

    #[test]
    fn versions_say_whether_they_run_or_are_stored() {
        let answer = [
            attribute(BUS_NAME, b"pci\0"),
            attribute(DRIVER_NAME, b"mlx5_core\0"),
            attribute(BOARD_SERIAL_NUMBER, b"MT2245X00001\0"),
            of_version(VERSION_FIXED, "fw.psid", "MT_0000000223"),
            of_version(VERSION_RUNNING, "fw.version", "20.43.2566"),
            of_version(VERSION_STORED, "fw.version", "20.44.1036"),
        ]
        .concat();
        let expected = "driver: mlx5_core\nboard.serial_number: MT2245X00001\nfixed fw.psid: MT_0000000223\nrunning fw.version: 20.43.2566\nstored fw.version: 20.44.1036";
        assert_eq!(facts(&answer), expected);
    }

    #[test]
    fn an_error_message_is_the_error_that_it_carries() {
        let error = |number: i32| {
            let mut message = 36_u32.to_ne_bytes().to_vec();
            message.extend(NLMSG_ERROR.to_ne_bytes());
            message.extend([0; 10]);
            message.extend(number.to_ne_bytes());
            message.extend([0; 16]);
            message
        };
        assert_eq!(payload(&error(-19)), Err(Errno::NODEV));
        assert_eq!(payload(&error(0)), Err(Errno::PROTO));
        assert_eq!(payload(&error(i32::MIN)), Err(Errno::PROTO));
    }

    // On a kernel without devlink the family is absent, on one with it this function is.
    #[test]
    fn a_function_that_is_not_there_says_nothing() {
        assert!(Host::live(Path::new("/")).devlink("ffff:ff:1f.7").is_err_and(|error| error.is_absent()));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = payload(&bytes).map(facts);
            let _ = facts(&bytes);
        }
    }
}
