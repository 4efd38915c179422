//! Sizes and times as scenario files write them: `4KiB`, `256MiB`, `200ms`, `1s`. A number without a unit is an error, and so is one that nothing fits.

use serde::{Deserialize, Deserializer, de};

/// Bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Size(pub(crate) u64);

/// Milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Millis(pub(crate) u64);

const SIZES: &[(&str, u64)] = &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40), ("B", 1)];
const TIMES: &[(&str, u64)] = &[("ms", 1), ("min", 60_000), ("s", 1_000), ("h", 3_600_000)];

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, factor) = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(factor)).flatten()
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text, SIZES).map(Size).ok_or_else(|| de::Error::custom(format!("expected a size such as \"4KiB\" or \"256MiB\", found \"{text}\"")))
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        parse(&text, TIMES).map(Millis).ok_or_else(|| de::Error::custom(format!("expected a time such as \"200ms\" or \"1s\", found \"{text}\"")))
    }
}

/// Bytes in fio's short form, as metric names have it: `4k`, `1m`; plain when nothing divides it.
pub(crate) fn short(bytes: u64) -> String {
    match bytes {
        0 => "0".to_owned(),
        bytes if bytes % (1 << 30) == 0 => format!("{}g", bytes >> 30),
        bytes if bytes % (1 << 20) == 0 => format!("{}m", bytes >> 20),
        bytes if bytes % (1 << 10) == 0 => format!("{}k", bytes >> 10),
        bytes => bytes.to_string(),
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

    #[test]
    fn metric_names_have_fios_short_form() {
        assert_eq!([4096, 131_072, 1 << 20, 1 << 30, 4097].map(short), ["4k", "128k", "1m", "1g", "4097"]);
    }
}
