//! Paths in messages: whatever bytes they hold, the message stays one readable line.

use std::ffi::OsStr;
use std::fmt;

/// Longest path that is shown whole.
const SHOWN: usize = 256;

/// A path as text for people: control characters, quotes and bytes that are no UTF-8 are escaped, very long ones are cut in the middle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Printable(String);

impl Printable {
    /// The printable form of `path`.
    pub fn new(path: impl AsRef<OsStr>) -> Self {
        let mut text = String::new();
        for chunk in path.as_ref().as_encoded_bytes().utf8_chunks() {
            text.extend(chunk.valid().chars().flat_map(char::escape_debug));
            text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
        }
        let count = text.chars().count();
        if count > SHOWN {
            let head: String = text.chars().take(SHOWN / 2).collect();
            let tail: String = text.chars().skip(count - SHOWN / 2).collect();
            text = format!("{head}[{} more]{tail}", count - SHOWN);
        }
        Self(text)
    }
}

impl fmt::Display for Printable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::ffi::OsStrExt as _;

    use super::*;

    #[test]
    fn hostile_names_stay_on_one_line() {
        assert_eq!(Printable::new("/dev/loop0").to_string(), "/dev/loop0");
        assert_eq!(Printable::new("a\nb\u{1b}[2J").to_string(), "a\\nb\\u{1b}[2J");
        assert_eq!(Printable::new(OsStr::from_bytes(b"\xff\xfe")).to_string(), "\\xff\\xfe");
        let long = Printable::new("x".repeat(5000)).to_string();
        assert!(long.len() < 300 && long.contains("[4744 more]"), "{long}");
    }
}
