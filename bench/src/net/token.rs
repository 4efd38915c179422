//! One-time tokens: what a data socket must show before it is believed to be the other half of a measurement, so that a stray connection is no stream.

use std::fmt;
use std::str::FromStr;

use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};

/// Bytes of a token.
pub const TOKEN_BYTES: usize = 16;

/// Known to both halves of one measurement and to nobody else; as text 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Token([u8; TOKEN_BYTES]);

impl Token {
    /// A new one from the kernel's random numbers.
    pub fn fresh() -> std::io::Result<Self> {
        let mut bytes = [0; TOKEN_BYTES];
        // Requests of up to 256 bytes are never cut short.
        getrandom(&mut bytes, GetRandomFlags::empty())?;
        Ok(Self(bytes))
    }

    /// As it travels.
    pub fn bytes(&self) -> &[u8; TOKEN_BYTES] {
        &self.0
    }

    /// Whether `shown` is this token; takes as long for any answer.
    pub fn is(&self, shown: &[u8]) -> bool {
        shown.len() == TOKEN_BYTES && self.0.iter().zip(shown).fold(0, |differ, (own, other)| differ | (own ^ other)) == 0
    }
}

// A token in a log or an error would be one that others know.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

impl From<Token> for String {
    fn from(token: Token) -> Self {
        token.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl FromStr for Token {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let malformed = || format!("a token has {} hex digits, not {}", 2 * TOKEN_BYTES, text.len());
        let mut bytes = [0; TOKEN_BYTES];
        if text.len() != 2 * TOKEN_BYTES || !text.is_ascii() {
            return Err(malformed());
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).map_err(|_| "a token has hex digits only".to_owned())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Token {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_itself_and_no_other() {
        let token = Token::fresh().expect("random numbers");
        let other = Token::fresh().expect("random numbers");
        assert!(token.is(token.bytes()) && !token.is(other.bytes()) && !token.is(&token.bytes()[..15]) && !token.is(&[]));
        assert_eq!(String::from(token).parse(), Ok(token));
        assert!("0".repeat(31).parse::<Token>().is_err() && "g".repeat(32).parse::<Token>().is_err() && "é".repeat(16).parse::<Token>().is_err());
        assert_eq!(format!("{token:?}"), "Token(..)");
    }
}
