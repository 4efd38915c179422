//! Identities in LLDP frames (`lldp:eth0`) and in what lldpd says of them. Chassis, ports with addresses, system names and management addresses become pseudonyms
//! of the same length; descriptions and what vendors add is crossed out. That two frames are of one switch can still be told.

use serde_json::{Value, json};

use crate::probe::frame::{CHASSIS, Element, PORT, elements};
use crate::probe::neighbours_told;

const HEADER: usize = 14;
const SENDER: std::ops::Range<usize> = 6..12;
const TIME_TO_LIVE: u8 = 3;
const DESCRIPTIONS: [u8; 2] = [4, 6];
const SYSTEM_NAME: u8 = 5;
const CAPABILITIES: u8 = 7;
/// A port id that is an address, of hardware or of a network, and not the name of a port.
const PORT_ADDRESSES: [u8; 2] = [3, 4];

/// The pseudonym of a text.
type Whole<'a> = &'a dyn Fn(&str) -> String;

/// The frames of a text without identities. Lines that are no frame are crossed out.
pub(super) fn redacted(text: &str, whole: Whole<'_>) -> String {
    let line = |line: &str| if line.trim_start().starts_with("listened ") { line.to_owned() } else { frame(line.trim(), whole) };
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn frame(line: &str, whole: Whole<'_>) -> String {
    let pair = |pair: &[u8]| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    let Some(mut bytes) = line.as_bytes().chunks(2).map(pair).collect::<Option<Vec<u8>>>() else { return "x".repeat(line.len()) };
    let Ok(elements) = elements(&bytes) else {
        // Torn: of what is left nothing is known.
        bytes.truncate(SENDER.start);
        return hex(&bytes);
    };
    let end = elements.last().map_or(HEADER, |last| last.value.end) + 2;
    if let Some(padding) = bytes.get_mut(end..) {
        padding.fill(0);
    }
    if let Some(sender) = bytes.get_mut(SENDER) {
        identity(sender, whole);
    }
    for Element { kind, value } in elements {
        let Some(value) = bytes.get_mut(value) else { continue };
        match (kind, value.split_first_mut()) {
            (TIME_TO_LIVE | CAPABILITIES, _) | (_, None) => {}
            (CHASSIS, Some((_, id))) => identity(id, whole),
            (PORT, Some((sort, id))) if PORT_ADDRESSES.contains(sort) => identity(id, whole),
            (PORT, Some(_)) => {}
            (SYSTEM_NAME, Some(_)) => identity(value, whole),
            (kind, Some(_)) if DESCRIPTIONS.contains(&kind) => value.fill(b'x'),
            (_, Some(_)) => value.fill(0),
        }
    }
    hex(&bytes)
}

/// The pseudonym of a text, or of bytes as their hex digits, in its place.
fn identity(place: &mut [u8], whole: Whole<'_>) {
    let text = std::str::from_utf8(place).ok().filter(|text| text.chars().all(|c| c.is_ascii_graphic() || c == ' '));
    if let Some(pseudonym) = text.map(whole).filter(|pseudonym| pseudonym.len() == place.len()) {
        place.copy_from_slice(pseudonym.as_bytes());
        return;
    }
    // 02:00:00:00:0a:01 has the same pseudonym here as in a text.
    let pseudonym = whole(&place.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"));
    let mut pairs = pseudonym.split(':').map(|pair| u8::from_str_radix(pair, 16).unwrap_or_default());
    place.fill_with(|| pairs.next().unwrap_or_default());
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What `lldpcli -f json0` printed, without anything but who the neighbours are; its exit status stays.
pub(super) fn told(text: &str, whole: Whole<'_>) -> String {
    let (status, printed) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(told) = serde_json::from_str::<Value>(printed) else { return status.to_owned() };
    let id = |said: &str, is_whole: bool| {
        let (sort, value) = said.split_once(' ').unwrap_or(("unknown", said));
        let value = if is_whole || matches!(sort, "mac" | "ip") { whole(value) } else { value.to_owned() };
        json!([{ "type": sort, "value": value }])
    };
    let interfaces: Vec<Value> = neighbours_told(&told)
        .into_iter()
        .map(|(name, said)| {
            let names: Vec<Value> = said.system_name.iter().map(|name| json!({ "value": whole(name) })).collect();
            json!({ "name": name, "chassis": [{ "id": id(&said.chassis, true), "name": names }], "port": [{ "id": id(&said.port, false) }] })
        })
        .collect();
    format!("{status}\n{}", json!({ "lldp": [{ "interface": interfaces }] }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::frame::Announcement;
    use crate::probe::frame::tests::frame as made;

    // Turns every letter and digit by one: a pseudonym of the same length.
    fn turned(text: &str) -> String {
        text.chars().map(|c| if c.is_ascii_alphanumeric() { char::from(b'a' + (u8::try_from(c).unwrap_or(0) % 6)) } else { c }).collect()
    }

    #[test]
    fn who_a_switch_is_becomes_another_and_what_is_said_of_it_is_crossed_out() {
        let secrets: [&[u8]; 4] = [&[2, 0, 0, 0, 0x0a, 1], b"leaf-a.example.net", b"rack 7 of ACME", &[10, 6, 0, 211]];
        let port: &[u8] = b"\x05Ethernet7";
        let management = [&[5, 1][..], secrets[3], &[2, 0, 0, 0, 1, 0]].concat();
        let whole = made(&[
            (1, &[&[4], secrets[0]].concat()),
            (2, port),
            (3, &[0, 120]),
            (4, secrets[2]),
            (5, secrets[1]),
            (8, &management),
            (127, secrets[2]),
        ]);
        let text = format!("listened 31\n{}", hex(&whole));
        let redacted = redacted(&text, &turned);
        assert_eq!(redacted.len(), text.len());
        for secret in secrets {
            assert!(!redacted.contains(&hex(secret)), "{redacted}");
        }
        let line = redacted.lines().nth(1).expect("the frame");
        let bytes: Vec<u8> = (0..line.len() / 2).map(|i| u8::from_str_radix(&line[2 * i..2 * i + 2], 16).expect("hex")).collect();
        let said = Announcement::parse(&bytes).expect("still a frame");
        assert_eq!((said.port.as_str(), said.seconds), ("ifname Ethernet7", 120));
        assert_eq!(said.chassis, format!("mac {}", turned("02:00:00:00:0a:01")));
    }

    #[test]
    fn a_torn_frame_keeps_nothing_and_lldpd_only_who_is_there() {
        assert_eq!(redacted("listened 31\n0180c200000e02000000", &turned), "listened 31\n0180c200000e");
        assert_eq!(redacted("listened 31\nleaf-a", &turned), "listened 31\nxxxxxx");
        let printed = r#"{"lldp":[{"interface":[{"name":"eth0","chassis":[{"id":[{"type":"mac","value":"02:00:00:00:0a:01"}],"name":[{"value":"leaf-a"}],"mgmt-ip":[{"value":"10.6.0.211"}]}],"port":[{"id":[{"type":"ifname","value":"Ethernet7"}],"descr":[{"value":"ACME"}]}]}]}]}"#;
        let redacted = told(&format!("exit 0\n{printed}"), &turned);
        for secret in ["02:00:00:00:0a:01", "leaf-a", "10.6.0.211", "ACME"] {
            assert!(!redacted.contains(secret), "{redacted}");
        }
        assert!(redacted.starts_with("exit 0\n") && redacted.contains("Ethernet7") && redacted.contains("eth0"));
        assert_eq!(told("exit 1\nno lldpd on pve1", &turned), "exit 1");
    }
}
