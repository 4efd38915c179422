//! Block sizes of a job: one, or several with their shares, as fio's `bssplit`.

use std::fmt;
use std::str::FromStr;

/// Largest block of an operation.
pub const BS_MAX: u32 = 16 << 20;

/// Block sizes and how many of 100 operations have each. Never empty; shares add up to 100.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockSizes(Vec<(u32, u8)>);

impl BlockSizes {
    /// All operations of one size, in bytes.
    pub fn one(bytes: u32) -> Self {
        Self(vec![(bytes, 100)])
    }

    /// Sizes in bytes with percents; the message says what is wrong with them.
    pub fn split(shares: &[(u32, u8)]) -> Result<Self, String> {
        let sum: u32 = shares.iter().map(|(_, percent)| u32::from(*percent)).sum();
        if sum != 100 {
            return Err(format!("the shares of the block sizes add up to {sum}, not to 100 percent"));
        }
        if let Some((bytes, _)) = shares.iter().find(|(bytes, percent)| *bytes == 0 || *percent == 0) {
            return Err(format!("{bytes} bytes with a share of nothing is no block size"));
        }
        Ok(Self(shares.to_vec()))
    }

    /// The only size, when there is one only.
    pub fn single(&self) -> Option<u32> {
        match self.0.as_slice() {
            [(bytes, _)] => Some(*bytes),
            _ => None,
        }
    }

    /// The largest size: as long as the buffers of a lane must be.
    pub fn largest(&self) -> u32 {
        self.0.iter().map(|(bytes, _)| *bytes).max().unwrap_or(0)
    }

    /// The smallest size, which random offsets are a multiple of (fio's default `blockalign`).
    pub fn smallest(&self) -> u32 {
        self.0.iter().map(|(bytes, _)| *bytes).min().unwrap_or(0)
    }

    /// Sizes with their percents, as they were given.
    pub fn shares(&self) -> &[(u32, u8)] {
        &self.0
    }

    /// As a part of a metric's name: `4k`, or `4k60-64k40` with the percents of each.
    pub fn name(&self) -> String {
        match self.single() {
            Some(bytes) => short(bytes),
            None => self.0.iter().map(|(bytes, percent)| format!("{}{percent}", short(*bytes))).collect::<Vec<_>>().join("-"),
        }
    }
}

impl From<u32> for BlockSizes {
    fn from(bytes: u32) -> Self {
        Self::one(bytes)
    }
}

/// fio's words: `4096`, or `4096/60:65536/40`.
impl fmt::Display for BlockSizes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(bytes) = self.single() {
            return write!(formatter, "{bytes}");
        }
        for (at, (bytes, percent)) in self.0.iter().enumerate() {
            write!(formatter, "{}{bytes}/{percent}", if at == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// fio's `bssplit`: `4k/60:64k/40`; sizes without a percent share what is left over. One split for all directions.
impl FromStr for BlockSizes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut shares = Vec::new();
        for part in text.split(':') {
            let (size, percent) = part.split_once('/').unwrap_or((part, ""));
            let bytes = bytes(size.trim()).ok_or_else(|| format!("`{size}` is no block size"))?;
            let percent = match percent.trim() {
                "" => None,
                digits => {
                    Some(digits.parse::<u8>().ok().filter(|percent| (1..=100).contains(percent)).ok_or(format!("`{digits}` is no percentage"))?)
                }
            };
            shares.push((bytes, percent));
        }
        let given: u32 = shares.iter().filter_map(|(_, percent)| percent.map(u32::from)).sum();
        let open = u32::try_from(shares.iter().filter(|(_, percent)| percent.is_none()).count()).map_err(|error| error.to_string())?;
        let left = 100u32.saturating_sub(given);
        // As fio does: equal parts, what does not divide evenly is nobody's, and so refused below.
        let each = u8::try_from(left.checked_div(open).unwrap_or(0)).map_err(|error| error.to_string())?;
        let shares: Vec<(u32, u8)> = shares.into_iter().map(|(bytes, percent)| (bytes, percent.unwrap_or(each))).collect();
        Self::split(&shares)
    }
}

fn bytes(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let digits = lower.trim_end_matches("ib").trim_end_matches('b');
    let (digits, shift) = match digits.strip_suffix('k') {
        Some(digits) => (digits, 10),
        None => digits.strip_suffix('m').map_or((digits, 0), |digits| (digits, 20)),
    };
    digits.parse::<u32>().ok()?.checked_mul(1 << shift).filter(|bytes| (1..=BS_MAX).contains(bytes))
}

/// `4k`, `1m`, `512`.
fn short(bytes: u32) -> String {
    match bytes {
        _ if bytes.is_multiple_of(1 << 20) => format!("{}m", bytes >> 20),
        _ if bytes.is_multiple_of(1 << 10) => format!("{}k", bytes >> 10),
        _ => bytes.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fios_words_are_read_and_written() {
        for (text, shares, name) in [
            ("4k", &[(4096, 100)][..], "4k"),
            ("512", &[(512, 100)], "512"),
            ("4k/60:64k/40", &[(4096, 60), (65536, 40)], "4k60-64k40"),
            ("4k/50:64k:1MiB", &[(4096, 50), (65536, 25), (1 << 20, 25)], "4k50-64k25-1m25"),
            ("64k/10:4k/90", &[(65536, 10), (4096, 90)], "64k10-4k90"),
        ] {
            let sizes: BlockSizes = text.parse().expect(text);
            assert_eq!((sizes.shares(), sizes.name().as_str()), (shares, name), "{text}");
            assert_eq!(sizes.to_string().parse(), Ok(sizes), "{text}");
        }
    }

    #[test]
    fn what_is_no_split_is_refused() {
        for text in ["", "4k/50", "4k/60:64k/50", "4k/0:8k/100", "0/100", "4x", "4k/50:8k/x", "32m", "4k/100:8k", "4k/101", "4k/50:8k/50,16k/100"] {
            assert!(text.parse::<BlockSizes>().is_err(), "{text}");
        }
    }
}
