//! One LLDP frame (IEEE 802.1AB, clause 8): what its sender says of itself. Of the elements that anybody may add (type 127) and of those of later editions nothing is
//! read, only their length.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What a frame says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announcement {
    /// `mac 02:00:00:00:0a:01`: the sort of identity and the identity.
    pub(crate) chassis: String,
    /// `ifname Ethernet7`.
    pub(crate) port: String,
    /// For how many seconds it holds; 0 takes back what was said before.
    pub(crate) seconds: u16,
    pub(crate) system_name: Option<String>,
}

/// Where an element's value stands in a frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) kind: u8,
    pub(crate) value: std::ops::Range<usize>,
}

const ETHERTYPE: [u8; 2] = [0x88, 0xcc];
const ADDRESSES: usize = 12;
const END: u8 = 0;
pub(crate) const CHASSIS: u8 = 1;
pub(crate) const PORT: u8 = 2;
const TIME_TO_LIVE: u8 = 3;
const SYSTEM_NAME: u8 = 5;
/// The identities of chassis (table 8-2) and of ports (table 8-3) that are not text.
const CHASSIS_MAC: u8 = 4;
const CHASSIS_NETWORK: u8 = 5;
const PORT_MAC: u8 = 3;
const PORT_NETWORK: u8 = 4;

impl Announcement {
    /// A frame from its destination on. The first three elements are chassis, port and time to live, as the standard demands, or it is none.
    pub(crate) fn parse(frame: &[u8]) -> Result<Self, String> {
        let elements = elements(frame)?;
        let value = |place: usize, kind: u8, name: &str| {
            let element = elements.get(place).filter(|element| element.kind == kind).ok_or_else(|| format!("element {} is no {name}", place + 1))?;
            frame.get(element.value.clone()).ok_or_else(|| format!("{name} is cut off"))
        };
        let (chassis, port, time) = (value(0, CHASSIS, "chassis id")?, value(1, PORT, "port id")?, value(2, TIME_TO_LIVE, "time to live")?);
        let seconds = time.first_chunk().map(|bytes| u16::from_be_bytes(*bytes)).ok_or("time to live is cut off")?;
        let name = elements.iter().find(|element| element.kind == SYSTEM_NAME).and_then(|element| frame.get(element.value.clone()));
        Ok(Self {
            chassis: identity(chassis, CHASSIS_MAC, CHASSIS_NETWORK, chassis_sort).ok_or("the chassis id is none")?,
            port: identity(port, PORT_MAC, PORT_NETWORK, port_sort).ok_or("the port id is none")?,
            seconds,
            system_name: name.map(words).filter(|name| !name.is_empty()),
        })
    }
}

/// The elements up to the one that ends them; a frame without that one is torn.
pub(crate) fn elements(frame: &[u8]) -> Result<Vec<Element>, String> {
    let protocol = frame.get(ADDRESSES..ADDRESSES + 2).ok_or("shorter than a header")?;
    if protocol != ETHERTYPE {
        return Err("not of the LLDP protocol".into());
    }
    let mut elements = Vec::new();
    let mut at = ADDRESSES + 2;
    loop {
        let header = frame.get(at..).and_then(|rest| rest.first_chunk()).map(|bytes| u16::from_be_bytes(*bytes)).ok_or("it is cut off")?;
        let [kind, _] = (header >> 1).to_be_bytes();
        let (start, length) = (at + 2, usize::from(header & 0x1ff));
        if frame.len() < start + length {
            return Err("an element is cut off".into());
        }
        if kind == END {
            return if length == 0 { Ok(elements) } else { Err("the end has a length".into()) };
        }
        elements.push(Element { kind, value: start..start + length });
        at = start + length;
    }
}

fn chassis_sort(kind: u8) -> &'static str {
    match kind {
        1 => "component",
        2 => "ifalias",
        3 => "port",
        6 => "ifname",
        7 => "local",
        _ => "unknown",
    }
}

fn port_sort(kind: u8) -> &'static str {
    match kind {
        1 => "ifalias",
        2 => "port",
        5 => "ifname",
        6 => "circuit",
        7 => "local",
        _ => "unknown",
    }
}

/// A byte that says of which sort the identity is, and the identity; it must not be empty.
fn identity(value: &[u8], mac: u8, network: u8, sort: fn(u8) -> &'static str) -> Option<String> {
    let (kind, value) = value.split_first()?;
    if value.is_empty() {
        return None;
    }
    let said = if *kind == mac && value.len() == 6 {
        format!("mac {}", pairs(value).join(":"))
    } else if let (true, Some(address)) = (*kind == network, address(value)) {
        format!("ip {address}")
    } else {
        let text = std::str::from_utf8(value)
            .ok()
            .map(|text| text.trim_end_matches('\0'))
            .filter(|text| !text.trim().is_empty() && !text.contains(char::is_control));
        let sort = if *kind == mac {
            "mac"
        } else if *kind == network {
            "network"
        } else {
            sort(*kind)
        };
        text.map_or_else(|| format!("{sort} 0x{}", pairs(value).concat()), |text| format!("{sort} {}", text.trim()))
    };
    Some(said)
}

/// A family of the IANA's list, 1 or 2, and an address of it.
fn address(value: &[u8]) -> Option<String> {
    match value.split_first()? {
        (1, address) => <[u8; 4]>::try_from(address).ok().map(|address| Ipv4Addr::from(address).to_string()),
        (2, address) => <[u8; 16]>::try_from(address).ok().map(|address| Ipv6Addr::from(address).to_string()),
        _ => None,
    }
}

fn pairs(bytes: &[u8]) -> Vec<String> {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).replace(char::is_control, "\u{fffd}").trim().to_owned()
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn frame(elements: &[(u8, &[u8])]) -> Vec<u8> {
        let mut frame = vec![0x01, 0x80, 0xc2, 0, 0, 0x0e, 2, 0, 0, 0, 0x0a, 1, 0x88, 0xcc];
        for (kind, value) in elements.iter().chain([&(END, &[][..])]) {
            let header = (u16::from(*kind) << 9) | u16::try_from(value.len()).expect("short");
            frame.extend(header.to_be_bytes());
            frame.extend(*value);
        }
        frame
    }

    const SWITCH: [(u8, &[u8]); 8] = [
        (CHASSIS, &[4, 2, 0, 0, 0, 0x0a, 1]),
        (PORT, b"\x05Ethernet7"),
        (TIME_TO_LIVE, &[0, 120]),
        (4, b"pve1-node1 port 1"),
        (SYSTEM_NAME, b"leaf-a"),
        (127, &[0, 0x80, 0xc2, 1, 0, 1]),
        (8, &[5, 1, 10, 0, 0, 1, 2, 0, 0, 0, 1, 0]),
        (99, &[]),
    ];

    #[test]
    fn a_switch_says_who_it_is_and_what_others_add_is_passed_over() {
        let said = Announcement::parse(&frame(&SWITCH)).expect("a frame");
        let expected = Announcement {
            chassis: "mac 02:00:00:00:0a:01".into(),
            port: "ifname Ethernet7".into(),
            seconds: 120,
            system_name: Some("leaf-a".into()),
        };
        assert_eq!(said, expected);
        // Ethernet fills a short frame up with zeros.
        let mut padded = frame(&SWITCH[..3]);
        padded.resize(60, 0);
        assert_eq!(Announcement::parse(&padded).map(|said| (said.port, said.system_name)), Ok(("ifname Ethernet7".into(), None)));
    }

    #[test]
    fn identities_of_every_sort_have_their_words() {
        let chassis = |value: &[u8]| Announcement::parse(&frame(&[(CHASSIS, value), SWITCH[1], SWITCH[2]])).map(|said| said.chassis);
        assert_eq!(chassis(&[5, 1, 192, 0, 2, 1]), Ok("ip 192.0.2.1".into()));
        assert_eq!(chassis(&[5, 9, 1]), Ok("network 0x0901".into()));
        assert_eq!(chassis(b"\x07leaf-a"), Ok("local leaf-a".into()));
        assert_eq!(chassis(&[7, 0xff, 0]), Ok("local 0xff00".into()));
        assert_eq!(chassis(b"\x06Ethernet7"), Ok("ifname Ethernet7".into()));
        assert_eq!(chassis(&[200, b'a']), Ok("unknown a".into()));
        assert!(chassis(&[4]).is_err() && chassis(&[]).is_err(), "an identity of nothing would be the same everywhere");
        let port = |value: &[u8]| Announcement::parse(&frame(&[SWITCH[0], (PORT, value), SWITCH[2]])).map(|said| said.port);
        assert_eq!((port(&[3, 2, 0, 0, 0, 0, 9]), port(&[7, b'5', b'1', b'3'])), (Ok("mac 02:00:00:00:00:09".into()), Ok("local 513".into())));
    }

    #[test]
    fn a_frame_cut_off_anywhere_or_in_another_order_is_none() {
        let whole = frame(&SWITCH);
        for length in 0..whole.len() {
            assert!(Announcement::parse(&whole[..length]).is_err(), "{length}");
        }
        for order in [[1, 0, 2], [0, 2, 1], [0, 1, 4]] {
            assert!(Announcement::parse(&frame(&order.map(|i| SWITCH[i]))).is_err(), "{order:?}");
        }
        let mut other = frame(&SWITCH);
        other[13] = 0xcd;
        assert!(Announcement::parse(&other).is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200), is_lldp: bool) {
            if is_lldp && bytes.len() > 14 {
                bytes[12..14].copy_from_slice(&ETHERTYPE);
            }
            let _ = Announcement::parse(&bytes);
        }
    }
}
