//! Units of figures and attributes. Figures are stored in base units (ns, bytes, bytes/s, ops/s); scaling for people happens only in `reports`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The base unit of a stored figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A plain word, name or list.
    None,
    /// A number of things.
    Count,
    /// Bytes; GB is 10^9, GiB is 2^30.
    Bytes,
    /// Bytes per second.
    BytesPerSecond,
    /// Bits per second.
    BitsPerSecond,
    /// Operations per second.
    OpsPerSecond,
    /// Nanoseconds.
    Nanoseconds,
    /// Seconds.
    Seconds,
    /// Hertz.
    Hertz,
    /// Degrees Celsius.
    Celsius,
    /// Mega-transfers per second (memory modules).
    MegatransfersPerSecond,
    /// Giga-transfers per second (PCIe lanes).
    GigatransfersPerSecond,
    /// Bits (bus widths).
    Bits,
    /// Watts.
    Watts,
    /// A share, 1.0 is the whole.
    Ratio,
}

impl Unit {
    /// The symbol printed after a value in base units; empty for words and counts.
    pub fn symbol(self) -> &'static str {
        match self {
            Unit::None | Unit::Count => "",
            Unit::Bytes => "B",
            Unit::BytesPerSecond => "B/s",
            Unit::BitsPerSecond => "bit/s",
            Unit::OpsPerSecond => "op/s",
            Unit::Nanoseconds => "ns",
            Unit::Seconds => "s",
            Unit::Hertz => "Hz",
            Unit::Celsius => "°C",
            Unit::MegatransfersPerSecond => "MT/s",
            Unit::GigatransfersPerSecond => "GT/s",
            Unit::Bits => "bit",
            Unit::Watts => "W",
            Unit::Ratio => "",
        }
    }
}
