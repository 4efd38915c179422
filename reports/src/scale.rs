//! Figures for people: base units scaled to what a reader expects, with the exact base value beside it. GB is 10^9, GiB is 2^30, and both are
//! printed as what they are. Stored figures never pass through here; only reports scale.

use assay_model::attr::Kind;
use assay_model::component::{Reading, Value};
use assay_model::unit::Unit;

/// A narrow no-break space: between a number and its unit, and between groups of thousands.
pub const NARROW_SPACE: char = '\u{202f}';

/// A figure for people, and the figure as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scaled {
    /// Scaled to four significant digits, with its unit.
    pub text: String,
    /// All digits, with the base unit.
    pub exact: String,
}

impl std::fmt::Display for Scaled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(&self.text)
    }
}

/// How bytes are scaled where the number itself does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bytes {
    /// Powers of 1024: memory and caches.
    Binary,
    /// Powers of 1000, unless the number is whole in powers of 1024: drives, transfers.
    Decimal,
}

impl Bytes {
    /// The scale in which the field speaks of components of `kind`.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::BmcHost | Kind::BmcCpu | Kind::BmcDimm => Bytes::Binary,
            Kind::Bmc | Kind::BmcPort | Kind::BmcFirmware | Kind::BmcSensor | Kind::BmcLog | Kind::BmcLogEntry => Bytes::Decimal,
            Kind::Psu | Kind::Fan | Kind::Redundancy | Kind::BiosSetting => Bytes::Decimal,
            Kind::Cpu | Kind::NumaNode | Kind::MemoryArray | Kind::Dimm | Kind::Memory | Kind::Edac | Kind::EdacDimm | Kind::Gpu => Bytes::Binary,
            Kind::Board
            | Kind::Pci
            | Kind::Nvme
            | Kind::Block
            | Kind::Nic
            | Kind::Os
            | Kind::Clock
            | Kind::Thermal
            | Kind::Throttle
            | Kind::MachineCheck
            | Kind::Bond
            | Kind::BondMember
            | Kind::Package
            | Kind::Subscription
            | Kind::Ceph
            | Kind::CephMonitor
            | Kind::CephOsd
            | Kind::CephPool
            | Kind::Account
            | Kind::Realm
            | Kind::Repository
            | Kind::SshKey
            | Kind::SshServer
            | Kind::Neighbour
            | Kind::Esp
            | Kind::PoolDevice
            | Kind::PoolVdev
            | Kind::Pool
            | Kind::Firewall
            | Kind::GuestNic
            | Kind::Interface => Bytes::Decimal,
        }
    }
}

/// Scales a figure in base units. A figure that is no number says so.
pub fn scaled(value: f64, unit: Unit) -> Scaled {
    scaled_bytes(value, unit, Bytes::Decimal)
}

/// Scales a figure; `bytes` says how sizes are meant.
pub fn scaled_bytes(value: f64, unit: Unit, bytes: Bytes) -> Scaled {
    if value.is_nan() {
        return Scaled { text: "not a number".into(), exact: "NaN".into() };
    }
    if value.is_infinite() {
        return Scaled { text: if value > 0.0 { "infinite".into() } else { "minus infinite".into() }, exact: format!("{value}") };
    }
    Scaled { text: text(value, unit, bytes), exact: joined(&value.to_string(), unit.symbol()) }
}

/// Scales a reading of an attribute; words, absent and unreadable stay as they are.
pub fn reading(reading: &Reading, unit: Unit, bytes: Bytes) -> Scaled {
    match reading {
        Reading::Value(value) => self::value(value, unit, bytes),
        Reading::Absent | Reading::Unreadable(_) => Scaled { text: reading.to_string(), exact: reading.to_string() },
    }
}

/// Scales a value of an attribute; words and truth values stay as they are.
pub fn value(value: &Value, unit: Unit, bytes: Bytes) -> Scaled {
    match value {
        // Not through f64: a serial-like integer must keep its last digits in the exact form.
        Value::Integer(whole) => match value.as_f64() {
            Some(number) => Scaled { text: text(number, unit, bytes), exact: joined(&whole.to_string(), unit.symbol()) },
            None => Scaled { text: whole.to_string(), exact: whole.to_string() },
        },
        Value::Float(number) => scaled_bytes(*number, unit, bytes),
        Value::Bool(_) | Value::Text(_) | Value::List(_) => Scaled { text: value.to_string(), exact: value.to_string() },
    }
}

/// A share for people: `82.0 %`, with one decimal so that 99.96 % does not read as the whole.
pub fn percent(share: f64) -> String {
    if !share.is_finite() {
        return "not a number".into();
    }
    let percent = share * 100.0;
    // Rounding must not cross the whole: 99.97 % is not 100.0 %.
    let digits = if percent != 100.0 && format!("{percent:.1}") == "100.0" { 3 } else { 1 };
    format!("{percent:.digits$}{NARROW_SPACE}%")
}

/// A point in time as `2026-11-23 02:06:01 UTC`; a text that is no time stamp stays as it is.
pub fn utc(rfc3339: &str) -> String {
    match rfc3339.parse::<jiff::Timestamp>() {
        Ok(at) => at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        Err(_) => rfc3339.to_owned(),
    }
}

/// The time between two RFC 3339 stamps; none when one of them is no time stamp or the clock went backwards.
pub fn between(from: &str, to: &str) -> Option<String> {
    let (from, to) = (from.parse::<jiff::Timestamp>().ok()?, to.parse::<jiff::Timestamp>().ok()?);
    let seconds = to.duration_since(from).as_secs_f64();
    (seconds >= 0.0).then(|| scaled(seconds, Unit::Seconds).text)
}

/// A whole number with its thousands apart: `1 284 300`.
pub fn grouped(number: u64) -> String {
    group(&number.to_string())
}

fn text(value: f64, unit: Unit, bytes: Bytes) -> String {
    match unit {
        Unit::None => value.to_string(),
        Unit::Count => plain(value, ""),
        Unit::Bytes => size(value, bytes),
        Unit::BytesPerSecond => stepped(value, &[(1e15, "PB/s"), (1e12, "TB/s"), (1e9, "GB/s"), (1e6, "MB/s"), (1e3, "kB/s"), (1.0, "B/s")]),
        Unit::BitsPerSecond => stepped(value, &[(1e12, "Tbit/s"), (1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s"), (1.0, "bit/s")]),
        Unit::OpsPerSecond => stepped(value, &[(1e9, "G\u{a0}op/s"), (1e6, "M\u{a0}op/s"), (1e3, "k\u{a0}op/s"), (1.0, "op/s")]),
        Unit::Nanoseconds => stepped(value, &[(1e9, "s"), (1e6, "ms"), (1e3, "µs"), (1.0, "ns")]),
        Unit::Seconds => seconds(value),
        Unit::Hertz => stepped(value, &[(1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz")]),
        Unit::Celsius | Unit::MegatransfersPerSecond | Unit::GigatransfersPerSecond | Unit::Bits => plain(value, unit.symbol()),
        Unit::Watts => stepped(value, &[(1e3, "kW"), (1.0, "W"), (1e-3, "mW"), (1e-6, "µW")]),
        Unit::Ratio => percent(value),
    }
}

const BINARY: [(f64, &str); 5] =
    [(1_125_899_906_842_624.0, "PiB"), (1_099_511_627_776.0, "TiB"), (1_073_741_824.0, "GiB"), (1_048_576.0, "MiB"), (1024.0, "KiB")];

fn size(value: f64, bytes: Bytes) -> String {
    let decimal = [(1e15, "PB"), (1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")];
    // A size such as 96 GiB or 1.5 TiB was meant in powers of two, whatever it is the size of.
    let whole_in_binary = BINARY.iter().find(|(step, _)| value.abs() >= *step).is_some_and(|(step, _)| (value / step * 4.0).fract() == 0.0);
    match bytes {
        Bytes::Binary if value.abs() >= 1024.0 => stepped(value, &BINARY),
        Bytes::Decimal if whole_in_binary => stepped(value, &BINARY),
        // 9000 is an MTU, not nine kilobytes.
        Bytes::Decimal if value.abs() >= 10_000.0 => stepped(value, &decimal),
        Bytes::Binary | Bytes::Decimal => plain(value, "B"),
    }
}

fn seconds(value: f64) -> String {
    if value == 0.0 {
        return joined("0", "s");
    }
    if value.abs() < 120.0 {
        return stepped(value, &[(1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns")]);
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let whole = value.abs().round();
    let (days, hours, minutes) = ((whole / 86_400.0).floor(), (whole % 86_400.0 / 3_600.0).floor(), (whole % 3_600.0 / 60.0).floor());
    let (large, small) = if days > 0.0 {
        (joined(&group(&days.to_string()), "d"), joined(&hours.to_string(), "h"))
    } else if hours > 0.0 {
        (joined(&hours.to_string(), "h"), joined(&minutes.to_string(), "min"))
    } else {
        (joined(&minutes.to_string(), "min"), joined(&(whole % 60.0).to_string(), "s"))
    };
    format!("{sign}{large} {small}")
}

// The largest step that leaves at least 1 before the point, judged after rounding, so that 999.96 k is 1 M and not 1000 k.
fn stepped(value: f64, steps: &[(f64, &str)]) -> String {
    let last = steps.len() - 1;
    let (step, symbol) = steps.iter().copied().find(|(step, _)| value.abs() / step >= 0.999_95).unwrap_or(steps[last]);
    joined(&group(&significant(value / step)), symbol)
}

// Four significant digits without trailing zeros; whole numbers keep all their digits.
fn significant(value: f64) -> String {
    let magnitude = value.abs();
    let decimals = if magnitude >= 1000.0 {
        0
    } else if magnitude >= 100.0 {
        1
    } else if magnitude >= 10.0 {
        2
    } else {
        3
    };
    trimmed(format!("{value:.decimals$}"))
}

fn trimmed(number: String) -> String {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.').to_owned() } else { number }
}

fn plain(value: f64, symbol: &str) -> String {
    joined(&group(&trimmed(format!("{value:.3}"))), symbol)
}

fn joined(number: &str, symbol: &str) -> String {
    if symbol.is_empty() { number.to_owned() } else { format!("{number}{NARROW_SPACE}{symbol}") }
}

// Four digits stay together (4800 MT/s), five and more are set in groups of three.
fn group(number: &str) -> String {
    let (sign, rest) = number.strip_prefix('-').map_or(("", number), |rest| ("-", rest));
    let (whole, fraction) = rest.split_once('.').map_or((rest, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) && whole.len() > 4 {
            out.push(NARROW_SPACE);
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(value: f64, unit: Unit) -> String {
        scaled(value, unit).text.replace(['\u{202f}', '\u{a0}'], " ")
    }

    #[test]
    fn figures_are_scaled_to_what_a_reader_expects() {
        let table = [
            (460.8e9, Unit::BytesPerSecond, "460.8 GB/s"),
            (15.754e9, Unit::BytesPerSecond, "15.75 GB/s"),
            (999.96e6, Unit::BytesPerSecond, "1 GB/s"),
            (999.94e6, Unit::BytesPerSecond, "999.9 MB/s"),
            (0.0, Unit::BytesPerSecond, "0 B/s"),
            (0.5, Unit::BytesPerSecond, "0.5 B/s"),
            (-1500.0, Unit::BytesPerSecond, "-1.5 kB/s"),
            (200e9, Unit::BitsPerSecond, "200 Gbit/s"),
            (312_412.7, Unit::OpsPerSecond, "312.4 k op/s"),
            (2_500_000.0, Unit::OpsPerSecond, "2.5 M op/s"),
            (119e6, Unit::OpsPerSecond, "119 M op/s"),
            (850.0, Unit::Nanoseconds, "850 ns"),
            (80_211.0, Unit::Nanoseconds, "80.21 µs"),
            (4_200_000.0, Unit::Nanoseconds, "4.2 ms"),
            (1.5e9, Unit::Nanoseconds, "1.5 s"),
            (0.004, Unit::Seconds, "4 ms"),
            (61.25, Unit::Seconds, "61.25 s"),
            (150.0, Unit::Seconds, "2 min 30 s"),
            (7_260.0, Unit::Seconds, "2 h 1 min"),
            (1_000_000.0, Unit::Seconds, "11 d 13 h"),
            (3_718_066_000.0, Unit::Hertz, "3.718 GHz"),
            (45.5, Unit::Celsius, "45.5 °C"),
            (4800.0, Unit::MegatransfersPerSecond, "4800 MT/s"),
            (32.0, Unit::GigatransfersPerSecond, "32 GT/s"),
            (80.0, Unit::Bits, "80 bit"),
            (0.82, Unit::Ratio, "82.0 %"),
            (1_284_300.0, Unit::Count, "1 284 300"),
            (4800.0, Unit::Count, "4800"),
            (0.125, Unit::Count, "0.125"),
        ];
        for (value, unit, expected) in table {
            assert_eq!(shown(value, unit), expected, "{value} {unit:?}");
        }
    }

    #[test]
    fn sizes_say_whether_they_are_powers_of_two_or_of_ten() {
        let table = [
            (103_079_215_104.0, Bytes::Decimal, "96 GiB"),
            (7_681_501_126_656.0, Bytes::Decimal, "7.682 TB"),
            (480_103_981_056.0, Bytes::Decimal, "480.1 GB"),
            (2_320_123_456_789.0, Bytes::Binary, "2.11 TiB"),
            (4096.0, Bytes::Decimal, "4 KiB"),
            (512.0, Bytes::Decimal, "512 B"),
            (9000.0, Bytes::Decimal, "9000 B"),
            (1500.0, Bytes::Decimal, "1500 B"),
            (33_554_432.0, Bytes::Binary, "32 MiB"),
            (12_345.0, Bytes::Decimal, "12.35 kB"),
        ];
        for (value, bytes, expected) in table {
            assert_eq!(scaled_bytes(value, Unit::Bytes, bytes).text.replace('\u{202f}', " "), expected, "{value}");
        }
    }

    #[test]
    fn what_is_no_number_never_looks_like_one() {
        assert_eq!(shown(f64::NAN, Unit::Bytes), "not a number");
        assert_eq!(shown(f64::INFINITY, Unit::OpsPerSecond), "infinite");
        assert_eq!(shown(f64::NEG_INFINITY, Unit::OpsPerSecond), "minus infinite");
        assert_eq!(percent(f64::NAN), "not a number");
    }

    #[test]
    fn a_share_below_the_whole_never_reads_as_the_whole() {
        assert_eq!(percent(0.9997).replace('\u{202f}', " "), "99.970 %");
        assert_eq!(percent(1.0).replace('\u{202f}', " "), "100.0 %");
        assert_eq!(percent(1.0003).replace('\u{202f}', " "), "100.030 %");
    }

    #[test]
    fn the_exact_value_keeps_every_digit() {
        assert_eq!(value(&Value::Integer(u64::MAX), Unit::Count, Bytes::Decimal).exact, "18446744073709551615");
        assert_eq!(scaled(312_412.7, Unit::OpsPerSecond).exact.replace('\u{202f}', " "), "312412.7 op/s");
    }

    #[test]
    fn absent_and_unreadable_stay_words() {
        assert_eq!(reading(&Reading::Absent, Unit::Bytes, Bytes::Decimal).text, "absent");
        assert_eq!(reading(&Reading::Unreadable("EIO".into()), Unit::Bytes, Bytes::Decimal).text, "unreadable: EIO");
    }

    #[test]
    fn time_stamps_are_utc_and_a_text_that_is_none_stays() {
        assert_eq!(utc("2026-11-23T02:06:01.123456Z"), "2026-11-23 02:06:01 UTC");
        assert_eq!(utc("2026-11-23T03:06:01+01:00"), "2026-11-23 02:06:01 UTC");
        assert_eq!(utc("yesterday"), "yesterday");
        assert_eq!(between("2026-11-23T02:06:01Z", "2026-11-23T02:06:31.5Z").expect("ordered").replace('\u{202f}', " "), "30.5 s");
        assert_eq!(between("2026-11-23T02:06:01Z", "2026-11-23T02:06:00Z"), None);
    }
}
