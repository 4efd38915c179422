//! Sizes and times as scenario files write them: `4KiB`, `256MiB`, `200ms`, `1s`. A number without a unit is an error, and so is one that nothing fits.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Millis(pub(crate) u64);

/// A share in whole percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Percent(pub(crate) u32);

/// How many times something, in whole numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Times(pub(crate) u32);

const SIZES: &[(&str, u64)] = &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1)];
const PERCENT: &[(&str, u64)] = &[("%", 1)];
const FACTORS: &[(&str, u64)] = &[("x", 1)];
const TIMES: &[(&str, u64)] = &[("ms", 1), ("min", 60_000), ("s", 1_000), ("h", 3_600_000)];

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(factor)).flatten()
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, SIZES).map(Size).ok_or_else(|| format!("expected a size such as \"4KiB\" or \"256MiB\", found \"{text}\""))
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text, TIMES).map(Millis).ok_or_else(|| de::Error::custom(format!("expected a time such as \"200ms\" or \"1s\", found \"{text}\"")))
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let percent = parse(&text, PERCENT).and_then(|percent| u32::try_from(percent).ok()).filter(|percent| (1..=1000).contains(percent));
        percent.map(Percent).ok_or_else(|| de::Error::custom(format!("expected whole percent such as \"7%\", found \"{text}\"")))
    }
}

impl<'de> Deserialize<'de> for Times {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let times = parse(&text, FACTORS).and_then(|times| u32::try_from(times).ok()).filter(|times| (1..=100).contains(times));
        times.map(Times).ok_or_else(|| de::Error::custom(format!("expected whole times such as \"2x\", found \"{text}\"")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_need_a_unit_and_must_fit() {
        assert_eq!([parse("4KiB", SIZES), parse("512B", SIZES), parse("2TiB", SIZES)], [Some(4096), Some(512), Some(2 << 40)]);
        assert_eq!([parse("200ms", TIMES), parse("1s", TIMES), parse("2min", TIMES)], [Some(200), Some(1000), Some(120_000)]);
        for bad in ["", "4", "4k", "4 KiB", "-1KiB", "+1KiB", "1.5GiB", "KiB", "99999999999TiB", "１KiB"] {
            assert_eq!((parse(bad, SIZES), parse(bad, TIMES)), (None, None), "{bad}");
        }
    }
}
