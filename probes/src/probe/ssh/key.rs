//! Public keys of `authorized_keys` (sshd(8), AUTHORIZED_KEYS FILE FORMAT): type, length and fingerprint from the key itself (RFC 4253, 6.6; RFC 5656;
//! RFC 8709). The key is never written down.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use crate::host::{Host, HostError, whole};

const UNREADABLE: &str = "unreadable";
const TYPES: [&str; 4] = ["ssh-", "ecdsa-", "sk-", "rsa-"];

/// The keys of a file, by its line; none where there is no file.
pub(super) fn keys(host: &Host, path: &str) -> Result<Vec<Component>, HostError> {
    let text = match host.excerpt(path, |text| Ok(taken(text))) {
        Err(error) if error.is_absent() => return Ok(Vec::new()),
        answer => answer?,
    };
    Ok(text.lines().filter_map(|line| component(path, line)).collect())
}

fn component(path: &str, line: &str) -> Option<Component> {
    let mut words = line.splitn(5, ' ');
    let (number, key_type) = (words.next()?, words.next()?);
    let key = Component::new(Kind::SshKey, format!("{path}:{number}"));
    let source = format!("{path} line {number}");
    if key_type == UNREADABLE {
        return Some(key.with(Attr::KeyType, source, Reading::Unreadable("not a public key".into())));
    }
    let bits = words.next().map_or(Reading::Absent, |bits| whole(bits).map_or(Reading::Absent, Reading::from));
    let fingerprint = words.next().map_or(Reading::Absent, Reading::from);
    let comment = words.next().map_or(Reading::Absent, Reading::from);
    let key = key.with(Attr::KeyType, source.as_str(), key_type).with(Attr::KeyBits, source.as_str(), bits);
    Some(key.with(Attr::Fingerprint, source.as_str(), fingerprint).with(Attr::Comment, source, comment))
}

/// `LINE TYPE BITS FINGERPRINT COMMENT` each; `LINE unreadable` of a line that is none. A length that is not told is `-`.
pub(super) fn taken(text: &str) -> String {
    let lines = text.lines().enumerate().filter_map(|(number, line)| {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        Some(match key(line) {
            Some(key) => {
                format!("{} {} {} {} {}", number + 1, key.name, key.bits.map_or("-".into(), |bits| bits.to_string()), key.fingerprint, key.comment)
                    .trim_end()
                    .to_owned()
            }
            None => format!("{} {UNREADABLE}", number + 1),
        })
    });
    lines.collect::<Vec<_>>().join("\n")
}

struct Key<'a> {
    name: String,
    bits: Option<u64>,
    fingerprint: String,
    comment: &'a str,
}

fn key(line: &str) -> Option<Key<'_>> {
    let is_type = |word: &str| TYPES.iter().any(|start| word.starts_with(start));
    let rest = if is_type(line) { line } else { after_options(line)? };
    let (key_type, rest) = word(rest)?;
    let (blob, comment) = word(rest)?;
    let blob = STANDARD.decode(blob).or_else(|_| STANDARD_NO_PAD.decode(blob)).ok()?;
    let (name, numbers) = string(&blob)?;
    let name = std::str::from_utf8(name).ok()?;
    if name != key_type || !is_type(name) || name.contains(char::is_whitespace) {
        return None;
    }
    let bits = match name {
        // e, then n.
        "ssh-rsa" => Some(length(string(string(numbers)?.1)?.0)),
        "ssh-dss" => Some(length(string(numbers)?.0)),
        "ssh-ed25519" | "sk-ssh-ed25519@openssh.com" => Some(u64::try_from(string(numbers)?.0.len()).ok()? * 8),
        "ecdsa-sha2-nistp256" | "sk-ecdsa-sha2-nistp256@openssh.com" => Some(256),
        "ecdsa-sha2-nistp384" => Some(384),
        "ecdsa-sha2-nistp521" => Some(521),
        _ => None,
    };
    Some(Key {
        name: name.to_owned(),
        bits,
        fingerprint: format!("SHA256:{}", STANDARD_NO_PAD.encode(Sha256::digest(&blob))),
        comment: comment.trim(),
    })
}

/// What follows the options: they end at the first blank outside of quotes.
fn after_options(line: &str) -> Option<&str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    for (at, character) in line.char_indices() {
        match character {
            '"' if !is_escaped => is_quoted = !is_quoted,
            ' ' | '\t' if !is_quoted => return line.get(at..).map(str::trim_start),
            _ => {}
        }
        is_escaped = character == '\\' && !is_escaped;
    }
    None
}

fn word(text: &str) -> Option<(&str, &str)> {
    let text = text.trim_start();
    let (word, rest) = text.split_once([' ', '\t']).unwrap_or((text, ""));
    (!word.is_empty()).then_some((word, rest))
}

/// A length of four bytes, and as many bytes.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

/// Bits of a number, without leading zeros.
fn length(number: &[u8]) -> u64 {
    let mut bytes = number.iter().skip_while(|byte| **byte == 0);
    bytes.next().map_or(0, |first| u64::from(8 - first.leading_zeros()) + 8 * u64::try_from(bytes.count()).unwrap_or(u64::MAX / 16))
}

#[cfg(test)]
mod tests;
