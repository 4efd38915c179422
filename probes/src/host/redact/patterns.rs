//! What identities look like where no path says that they are some: hardware addresses, UUIDs, IP addresses and names of disks.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Pairs of hex digits in a hardware address, at least: Ethernet has 6, FireWire 8, InfiniBand 20.
const ADDRESS_PAIRS_MIN: usize = 6;
const UUID_GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
/// Names that are the same everywhere, and the words of which excerpts are made.
const NOBODYS_NAMES: &[&str] = &[
    "root",
    "pam",
    "pve",
    "account",
    "password",
    "user",
    "factor",
    "realm",
    "ad",
    "ldap",
    "openid",
    "totp",
    "u2f",
    "webauthn",
    "yubico",
    "recovery",
    "home",
    "ssh",
    "rsa",
    "dss",
    "ed25519",
    "ecdsa",
    "sk",
    "sha2",
    "SHA256",
    "unreadable",
    "authorized_keys",
    "yes",
    "no",
    "none",
];
/// What stands before the fingerprint of a key.
const FINGERPRINT: &str = "SHA256:";
/// Words after which comes the name of one disk, partition or file system.
const DISK_PREFIXES: &[&str] = &["eui.", "naa.", "nguid.", "wwn-0x", "PARTUUID=", "UUID=", "PARTLABEL=", "LABEL="];

/// Hardware addresses, `94:6d:ae:01:02:03` or with dashes.
pub(super) fn addresses(text: &str) -> Vec<&str> {
    words(text, |c| c.is_ascii_hexdigit() || c == ':' || c == '-').filter_map(address).collect()
}

// `BOOTIF=01-94-6d-...` has the type of the hardware in front.
fn address(word: &str) -> Option<&str> {
    let separator = word.chars().find(|c| !c.is_ascii_hexdigit())?;
    let pairs: Vec<&str> = word.split(separator).collect();
    let is_address =
        pairs.len() >= ADDRESS_PAIRS_MIN && pairs.iter().all(|pair| pair.len() == 2 && pair.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let is_nobodys = word.bytes().all(|c| matches!(c, b'0' | b':' | b'-')) || word.bytes().all(|c| matches!(c, b'f' | b'F' | b':' | b'-'));
    let typed = if pairs.len() == ADDRESS_PAIRS_MIN + 1 { word.get(3..) } else { Some(word) };
    if is_address && !is_nobodys { typed } else { None }
}

/// UUIDs.
pub(super) fn uuids(text: &str) -> Vec<&str> {
    words(text, |c| c.is_ascii_hexdigit() || c == '-').flat_map(uuid).collect()
}

// A word may have more groups around the UUID (`disk-...-part1` begins with a hex digit).
fn uuid(word: &str) -> Option<&str> {
    let length = UUID_GROUPS.iter().sum::<usize>() + UUID_GROUPS.len() - 1;
    let starts = std::iter::once(0).chain(word.match_indices('-').map(|(at, _)| at + 1));
    starts.filter_map(|start| word.get(start..start + length)).find(|candidate| {
        let groups: Vec<usize> = candidate.split('-').map(str::len).collect();
        groups == UUID_GROUPS && candidate.bytes().any(|digit| !matches!(digit, b'0' | b'-'))
    })
}

/// IPv4 addresses, without those that are the same everywhere. `vmlinuz-5.10.0.1` is a version.
pub(super) fn ipv4(text: &str) -> Vec<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    words(text, is_part).filter(|word| word.parse::<Ipv4Addr>().is_ok_and(is_someones)).collect()
}

fn is_someones(address: Ipv4Addr) -> bool {
    !matches!(address.octets()[0], 0 | 127 | 255)
}

/// IPv6 addresses, without `::` and `::1`.
pub(super) fn ipv6(text: &str) -> Vec<&str> {
    words(text, |c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'))
        .map(|word| word.strip_suffix(':').filter(|inner| !inner.ends_with(':')).unwrap_or(word))
        .filter(|word| word.parse::<Ipv6Addr>().is_ok_and(|address| !address.is_unspecified() && !address.is_loopback()))
        .collect()
}

/// Names of single disks, partitions and file systems, as the command line gives them.
pub(super) fn disks(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for word in text.split([' ', '\t', '\n', ',', '/', '"', '\'']) {
        for prefix in DISK_PREFIXES {
            found.extend(word.find(prefix).map(|at| &word[at + prefix.len()..]));
        }
    }
    // `by-id/nvme-MODEL_SERIAL-part3`: what follows the last underscore.
    for (at, prefix) in text.match_indices("by-id/") {
        let name = text[at + prefix.len()..].split([' ', '/', '\n']).next().unwrap_or_default();
        let name = name.split("-part").next().unwrap_or_default();
        found.extend(name.rsplit_once('_').map(|(_, serial)| serial));
    }
    found
}

/// GUIDs of ZFS pools and devices in what `zpool` prints, without their first digit: in its place another number might begin with a zero. In JSON they are
/// named; in text and as the name of a device that is gone, one is a word of more digits than any count has.
pub(super) fn guids(text: &str) -> Vec<&str> {
    let after = text.match_indices("guid\":").filter_map(|(at, found)| text.get(at + found.len()..));
    let named = after.filter_map(digits_but_first).filter(|number| !number.is_empty());
    let alone = text.split_whitespace().filter(|word| word.len() >= GUID_DIGITS && word.bytes().all(|byte| byte.is_ascii_digit()));
    named.chain(alone.filter_map(digits_but_first)).collect()
}

/// Of a thousand random numbers of 64 bits one has fewer.
const GUID_DIGITS: usize = 17;

fn digits_but_first(text: &str) -> Option<&str> {
    let number = text.trim_start_matches([' ', '"']).split(|c: char| !c.is_ascii_digit()).next();
    number.and_then(|number| number.get(1..))
}

/// Ids of FAT file systems, `8D5C-1B2F`: short enough to be something else where nobody speaks of file systems.
pub(super) fn volume_ids(text: &str) -> Vec<&str> {
    words(text, |c| c.is_ascii_alphanumeric() || c == '-').filter(|word| is_volume_id(word)).collect()
}

fn is_volume_id(text: &str) -> bool {
    let is_half = |half: &str| half.len() == 4 && half.bytes().all(|digit| digit.is_ascii_digit() || (b'A'..=b'F').contains(&digit));
    text.split_once('-').is_some_and(|(first, second)| is_half(first) && is_half(second))
}

/// Names that people gave in an excerpt of accounts, realms or keys (`probe/account`, `probe/ssh`), and the fingerprints of keys.
pub(super) fn people(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        match words.as_slice() {
            ["account", name, _] | ["password", name] => found.push(*name),
            ["user" | "factor", id, ..] => found.extend(id.split('@')),
            ["realm", _, id, ..] => found.push(*id),
            [_, _, _, fingerprint, comment @ ..] if fingerprint.starts_with(FINGERPRINT) => {
                found.extend(fingerprint.strip_prefix(FINGERPRINT));
                found.extend(comment.iter().flat_map(|word| word.split('@')));
            }
            _ => {}
        }
    }
    // A number in a comment may be a length or a line elsewhere.
    found.retain(|name| name.contains(char::is_alphabetic) && !NOBODYS_NAMES.contains(name));
    found
}

/// Whether the text is written in hex digits and separators: an address, a UUID.
pub(super) fn is_hexadecimal(text: &str) -> bool {
    is_volume_id(text) || address(text).is_some() || uuid(text) == Some(text) || text.parse::<Ipv6Addr>().is_ok() || is_plain_address(text)
}

// 946dae010203: without separators, and not all of it decimal, which a serial number could be.
fn is_plain_address(text: &str) -> bool {
    text.len() == 2 * ADDRESS_PAIRS_MIN && text.bytes().all(|digit| digit.is_ascii_hexdigit()) && text.bytes().any(|digit| !digit.is_ascii_digit())
}

/// Whether the text may be the name of a host, qualified or not.
pub(super) fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-');
    text.split('.').all(is_label) && text.bytes().any(|c| c.is_ascii_alphabetic())
}

fn words(text: &str, is_part: impl Fn(char) -> bool) -> impl Iterator<Item = &str> {
    text.split(move |c| !is_part(c)).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_found_in_a_command_line() {
        let text = "BOOT_IMAGE=/boot/vmlinuz-5.10.0.1-amd64 root=UUID=0b5c6a62-5f3c-4c4b-9d7a-6e1ea0a6a0a1 ip=10.20.30.40::10.20.30.1:255.255.255.0:pve1 \
                    BOOTIF=01-94-6d-ae-01-02-03 dns=2001:db8::17 root=/dev/disk/by-id/nvme-SAMSUNG_MZQL2_S64HNE0R500001-part3 rd.luks=PARTUUID=1a2b3c4d-01";
        assert_eq!(addresses(text), ["94-6d-ae-01-02-03"]);
        assert_eq!(uuids(text), ["0b5c6a62-5f3c-4c4b-9d7a-6e1ea0a6a0a1"]);
        assert_eq!(ipv4(text), ["10.20.30.40", "10.20.30.1"]);
        assert_eq!(ipv6(text), ["2001:db8::17"]);
        assert!(disks(text).contains(&"S64HNE0R500001") && disks(text).contains(&"1a2b3c4d-01"), "{:?}", disks(text));
    }

    #[test]
    fn names_of_people_are_found_in_excerpts() {
        let accounts = "account root /root\naccount anna /home/anna\nuser root@pam 1 0\nuser berg@corp 1 0\nfactor berg@corp totp\nrealm ad corp oath\npassword bob";
        assert_eq!(people(accounts), ["anna", "berg", "corp", "berg", "corp", "corp", "bob"]);
        assert_eq!(people("3 ssh-rsa 4096 SHA256:abc/+d carl@desk of the lab\n4 unreadable"), ["abc/+d", "carl", "desk", "of", "the", "lab"]);
        assert_eq!(guids(r#""pool_guid":9183475610293847561,"guid": "12","txg":1845"#), ["183475610293847561", "2"]);
        assert_eq!(guids("\t  5783901234567890123  UNAVAIL      3    21     1  was /dev/sda1\n\t7681501126656"), ["783901234567890123"]);
        assert_eq!(volume_ids("8D5C-1B2F is configured with: uefi (versions: 6.14.11-2-pve) 8d5c-1b2f 0B5C6A62-5F3C"), ["8D5C-1B2F"]);
    }

    #[test]
    fn what_only_looks_like_an_identity_is_left_alone() {
        for text in [
            "0000:41:00.0",
            "/sys/devices/pci0000:40/0000:40:01.1",
            "12:34:56",
            "00:00:00:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "6.8.12-4-pve",
            "127.0.0.1",
            "::",
        ] {
            let found = [addresses(text), uuids(text), ipv4(text), ipv6(text)].concat();
            assert!(found.is_empty(), "{text}: {found:?}");
        }
    }
}
