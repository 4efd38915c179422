//! Pseudonyms: keyed hashes in the shape of their originals, so that an address still parses as one and a table keeps its length.

use std::net::{IpAddr, Ipv4Addr};

use sha2::{Digest, Sha256};

/// The key under which pseudonyms are computed.
pub(super) struct Pseudonyms {
    key: [u8; 32],
}

impl Pseudonyms {
    pub(super) fn keyed(secret: &[u8]) -> Self {
        Self { key: Sha256::new().chain_update(b"assay snapshot pseudonyms 1").chain_update(secret).finalize().into() }
    }

    /// A pseudonym of the same length and shape, never the original itself.
    pub(super) fn of(&self, original: &str) -> String {
        // A host name and its fully qualified form agree in the labels that they share.
        if original.contains('.') && super::patterns::is_host_name(original) {
            return original.split('.').map(|label| self.of(label)).collect::<Vec<_>>().join(".");
        }
        let shape = if super::patterns::is_hexadecimal(original) { Shape::Hexadecimal } else { Shape::Word };
        let canonical = match shape {
            // 94:6D:AE:01:02:03 and 946dae010203 are the same address.
            Shape::Hexadecimal => original.chars().filter(char::is_ascii_hexdigit).collect::<String>().to_ascii_lowercase(),
            Shape::Word => original.to_owned(),
        };
        // A short word may by chance be its own pseudonym; the next round gives another.
        let mut rounds = (0..=u8::MAX).map(|round| self.shaped(original, &canonical, &shape, round));
        rounds.find(|pseudonym| pseudonym != original).unwrap_or_else(|| "x".repeat(original.len()))
    }

    /// An IPv4 address whose octets have as many digits as those of the original.
    pub(super) fn of_ipv4(&self, original: &str) -> String {
        let mut stream = Stream::new(&self.key, original, 0);
        let octet = |octet: &str| match octet.len() {
            1 => format!("{}", stream.below(10)),
            2 => format!("{}", 10 + stream.below(90)),
            _ => format!("{}", 100 + stream.below(100)),
        };
        let pseudonym = original.split('.').map(octet).collect::<Vec<_>>().join(".");
        if pseudonym == original { self.of(original) } else { pseudonym }
    }

    /// An IP address as [`Pseudonyms::of`] and [`Pseudonyms::of_ipv4`] give it, but one that reaches no further than the wire stays such a one.
    pub(super) fn of_ip(&self, original: &str) -> String {
        let pseudonym = if original.parse::<Ipv4Addr>().is_ok() { self.of_ipv4(original) } else { self.of(original) };
        let is_local = |address: IpAddr| match address {
            IpAddr::V4(address) => address.is_link_local(),
            IpAddr::V6(address) => address.is_unicast_link_local(),
        };
        let places = if original.contains(':') { 4 } else { "169.254".len() };
        match (original.parse().is_ok_and(is_local), original.get(..places), pseudonym.get(places..)) {
            (true, Some(kept), Some(rest)) => format!("{kept}{rest}"),
            (_, _, _) => pseudonym,
        }
    }

    /// As many bytes.
    pub(super) fn of_bytes(&self, original: &[u8]) -> Vec<u8> {
        let canonical: String = original.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut stream = Stream::new(&self.key, &canonical, 0);
        original.iter().map(|_| stream.next()).collect()
    }

    fn shaped(&self, original: &str, canonical: &str, shape: &Shape, round: u8) -> String {
        let mut stream = Stream::new(&self.key, canonical, round);
        let is_address = matches!(shape, Shape::Hexadecimal) && canonical.len() == 12;
        let is_upper = original.bytes().any(|byte| byte.is_ascii_uppercase());
        let mut digits = 0;
        let substitute = |character: char| {
            let substitute = match shape {
                Shape::Hexadecimal if character.is_ascii_hexdigit() => {
                    digits += 1;
                    let digit = stream.pick(b"0123456789abcdef");
                    // The second digit of a hardware address says that it is not a maker's: locally administered, for one station.
                    let digit = if is_address && digits == 2 { '2' } else { digit };
                    if is_upper { digit.to_ascii_uppercase() } else { digit }
                }
                Shape::Word if character.is_ascii_digit() => stream.pick(b"0123456789"),
                Shape::Word if character.is_ascii_uppercase() => stream.pick(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ"),
                Shape::Word if character.is_ascii_lowercase() => stream.pick(b"abcdefghijklmnopqrstuvwxyz"),
                Shape::Hexadecimal | Shape::Word if character.is_ascii() => character,
                Shape::Hexadecimal | Shape::Word => return "x".repeat(character.len_utf8()),
            };
            substitute.to_string()
        };
        original.chars().map(substitute).collect()
    }
}

enum Shape {
    Hexadecimal,
    Word,
}

/// Bytes that follow from key, original and round.
struct Stream {
    seed: [u8; 32],
    block: [u8; 32],
    at: usize,
    blocks: u64,
}

impl Stream {
    fn new(key: &[u8; 32], original: &str, round: u8) -> Self {
        let seed = Sha256::new().chain_update(key).chain_update([round]).chain_update(original.as_bytes()).finalize().into();
        Self { seed, block: [0; 32], at: 32, blocks: 0 }
    }

    fn next(&mut self) -> u8 {
        if self.at == self.block.len() {
            self.block = Sha256::new().chain_update(self.seed).chain_update(self.blocks.to_le_bytes()).finalize().into();
            self.blocks += 1;
            self.at = 0;
        }
        self.at += 1;
        self.block[self.at - 1]
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.next() % bound
    }

    fn pick(&mut self, alphabet: &[u8]) -> char {
        char::from(alphabet[usize::from(self.next()) % alphabet.len()])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_spelling_of_an_address_has_the_same_pseudonym() {
        let pseudonyms = Pseudonyms::keyed(b"machine");
        let colons = pseudonyms.of("94:6d:ae:01:02:03");
        assert_eq!(colons.replace(':', ""), pseudonyms.of("946dae010203"));
        assert_eq!(colons.to_ascii_uppercase().replace(':', "-"), pseudonyms.of("94-6D-AE-01-02-03"));
        assert_eq!(colons.as_bytes()[1], b'2');
    }

    #[test]
    fn a_qualified_name_agrees_with_its_short_form() {
        let pseudonyms = Pseudonyms::keyed(b"machine");
        assert!(pseudonyms.of("pve1.example.com").starts_with(&format!("{}.", pseudonyms.of("pve1"))));
    }

    #[test]
    fn another_machine_has_other_pseudonyms() {
        assert_ne!(Pseudonyms::keyed(b"a").of("S64HNE0R500001"), Pseudonyms::keyed(b"b").of("S64HNE0R500001"));
    }

    proptest! {
        #[test]
        fn pseudonyms_keep_the_length_and_are_stable(original in "[ -~äß€]{1,40}") {
            let pseudonyms = Pseudonyms::keyed(b"machine");
            let pseudonym = pseudonyms.of(&original);
            prop_assert_eq!(pseudonym.len(), original.len());
            prop_assert_eq!(pseudonyms.of(&original), pseudonym.clone());
            if original.chars().any(|character| character.is_ascii_alphanumeric()) {
                prop_assert_ne!(pseudonym, original);
            }
        }

        #[test]
        fn an_address_of_the_internet_stays_one(octets in any::<[u8; 4]>()) {
            let original = std::net::Ipv4Addr::from(octets).to_string();
            let pseudonym = Pseudonyms::keyed(b"machine").of_ipv4(&original);
            prop_assert_eq!(pseudonym.len(), original.len());
            prop_assert_ne!(pseudonym, original);
        }
    }
}
