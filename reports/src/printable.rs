//! Text from the node made safe to look at: control, bidirectional and invisible characters become visible code points, and endless strings
//! end. Escaping for HTML is the template's work, escaping for JSON is serde's.

use std::fmt;

/// Longer strings are cut, with the number of characters that are left out. A kernel command line (2048) still fits.
pub const LONGEST: usize = 2048;

/// Text that may be shown on a terminal and in a report. Node data reaches both only as this.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shown(String);

impl Shown {
    /// The text with everything visible that would act instead of being read. Line breaks and tabs become spaces.
    pub fn new(text: &str) -> Self {
        let mut out = String::with_capacity(text.len());
        let mut chars = text.trim().chars();
        for c in chars.by_ref().take(LONGEST) {
            match c {
                '\n' | '\r' | '\t' => out.push(' '),
                c if acts(c) => out.push_str(&format!("‹U+{:04X}›", u32::from(c))),
                c => out.push(c),
            }
        }
        let left = chars.count();
        if left > 0 {
            out.push_str(&format!(" … ({left} more characters)"));
        }
        Self(out)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text in parts after each of which a line may break: paths, addresses and names of checks have no spaces to break at.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split_inclusive(['/', '.', '_', ':', '-', ','])
    }

    /// Whether there is nothing to read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<&str> for Shown {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Shown {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<&String> for Shown {
    fn from(text: &String) -> Self {
        Self::new(text)
    }
}

// Characters that move, hide or reorder others: C0 and C1 controls, soft hyphen, bidirectional marks, zero-width characters,
// line and paragraph separators, tags, variation selectors, interlinear marks and noncharacters (Unicode 16, general categories Cc, Cf, Zl, Zp, Cn).
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}'
            | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_escape_sequence_becomes_readable() {
        assert_eq!(Shown::new("\u{1b}[2Jok").as_str(), "‹U+001B›[2Jok");
        assert_eq!(Shown::new("a\u{9b}31m").as_str(), "a‹U+009B›31m");
    }

    #[test]
    fn a_bidirectional_override_becomes_readable() {
        assert_eq!(Shown::new("PASS\u{202e}LIAF").as_str(), "PASS‹U+202E›LIAF");
        assert_eq!(Shown::new("a\u{2066}b\u{200b}c\u{feff}d").as_str(), "a‹U+2066›b‹U+200B›c‹U+FEFF›d");
    }

    #[test]
    fn lines_are_joined_and_ordinary_text_stays() {
        assert_eq!(Shown::new(" two\nlines\twide ").as_str(), "two lines wide");
        assert_eq!(Shown::new("Größe 4 µs – 10 GiB 日本").as_str(), "Größe 4 µs – 10 GiB 日本");
        assert_eq!(Shown::new("a\u{202f}b").as_str(), "a\u{202f}b", "the narrow space of our own figures is no control character");
    }

    #[test]
    fn an_endless_string_ends_and_says_how_much_is_missing() {
        let shown = Shown::new(&"x".repeat(1_000_000));
        assert!(shown.as_str().len() < 2200 && shown.as_str().ends_with("… (997952 more characters)"), "{}", shown.as_str().len());
    }
}
