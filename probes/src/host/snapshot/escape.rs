//! Paths, names and link targets as single words of a snapshot: what would break a line is written as percent and two hex digits.

/// The word for `name`. Only a closing colon needs its escape: `0000:41:00.0` stays readable.
pub(super) fn word(name: &str) -> String {
    let mut word = String::with_capacity(name.len());
    for (at, character) in name.char_indices() {
        let closes = character == ':' && at + 1 == name.len();
        if closes || character == '%' || character.is_whitespace() || character.is_control() {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                word.push_str(&format!("%{byte:02X}"));
            }
        } else {
            word.push(character);
        }
    }
    word
}

/// The name that a word stands for.
pub(super) fn name(word: &str) -> Result<String, String> {
    if !word.contains('%') {
        return Ok(word.to_owned());
    }
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        if byte != b'%' {
            bytes.push(byte);
            rest = after;
            continue;
        }
        let digits =
            after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok()).filter(|digits| digits.bytes().all(|d| d.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(value.ok_or_else(|| format!("`%` in `{word}` is not followed by two hex digits"))?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).map_err(|_| format!("`{word}` is not UTF-8 once its escapes are resolved"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn pci_addresses_stay_readable() {
        assert_eq!(word("/sys/bus/pci/devices/0000:41:00.0"), "/sys/bus/pci/devices/0000:41:00.0");
        assert_eq!(word("a b:"), "a%20b%3A");
    }

    #[test]
    fn torn_escapes_are_refused() {
        for hostile in ["%", "%4", "%zz", "a%+1", "%ff"] {
            assert!(name(hostile).is_err(), "{hostile}");
        }
    }

    proptest! {
        #[test]
        fn every_name_survives_its_word(original in ".*") {
            let word = word(&original);
            prop_assert!(!word.contains(char::is_whitespace) && !word.ends_with(':'));
            prop_assert_eq!(name(&word), Ok(original));
        }
    }
}
