//! What `zpool status` says of one pool, in whichever form it said it.

use assay_model::component::Reading;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// One pool.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Status {
    pub(super) name: String,
    pub(super) state: Reading,
    /// Its top-level vdevs in order: `mirror`, `raidz1`, `disk`; of another class than normal as `log:mirror`.
    pub(super) layout: Vec<String>,
    pub(super) data_errors: Reading,
    /// Why it is not known, otherwise.
    pub(super) scan: Result<Scan, String>,
    pub(super) devices: Vec<Device>,
}

/// The last scan of a pool, or the one that runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scan {
    /// `scrub`, `resilver`, `none`.
    pub(super) function: String,
    /// `finished`, `scanning`, ...; empty where there was none.
    pub(super) state: String,
    pub(super) errors: Reading,
    /// When a scrub came to its end, seconds since 1970; why that is not known. None of anything but a scrub that did.
    pub(super) ended: Option<Result<i64, String>>,
}

impl Scan {
    /// No scan was ever asked for.
    pub(super) fn none() -> Self {
        Self { function: "none".into(), state: String::new(), errors: Reading::Absent, ended: None }
    }

    /// `scrub finished`.
    pub(super) fn name(&self) -> String {
        [self.function.as_str(), self.state.as_str()].join(" ").trim().to_owned()
    }
}

/// One leaf of a pool.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Device {
    /// Its path, or what the tool calls it when it has none.
    pub(super) path: String,
    pub(super) state: Reading,
    pub(super) read_errors: Reading,
    pub(super) write_errors: Reading,
    pub(super) checksum_errors: Reading,
}

/// A state; some releases of the tool call ONLINE healthy in their JSON.
pub(super) fn state(word: &str) -> Reading {
    match word {
        "" => Reading::Absent,
        "HEALTHY" => "ONLINE".into(),
        word => word.into(),
    }
}

/// `Sun Nov  9 00:24:14 2025` in UTC, in which commands are run: seconds since 1970.
pub(super) fn date(text: &str) -> Result<i64, String> {
    let refuse = || format!("`{}` is no date", text.chars().take(40).collect::<String>());
    // Blanks pad the day of the month.
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_weekday, date @ ..] = words.as_slice() else { return Err(refuse()) };
    let parsed = strtime::parse("%b %d %H:%M:%S %Y", date.join(" ")).and_then(|parsed| parsed.to_datetime());
    let time: DateTime = parsed.map_err(|_| refuse())?;
    time.to_zoned(TimeZone::UTC).map(|time| time.timestamp().as_second()).map_err(|_| refuse())
}
