//! What `zpool status` says of one pool, in whichever form it said it.

use std::collections::BTreeMap;

use assay_model::component::Reading;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// The class of what holds the pool's data.
pub(super) const NORMAL: &str = "normal";
/// Classes of devices that stand beside the pool and are no part of its vdevs.
const BESIDE: [&str; 2] = ["cache", "spare"];

/// One pool.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Status {
    pub(super) name: String,
    pub(super) state: Reading,
    /// Of the pool as a whole: what no device below is to blame for is in them too.
    pub(super) counters: Counters,
    /// What stands at its top in order: `mirror`, `raidz1`, `disk`; of another class than normal as `log:mirror`.
    pub(super) layout: Vec<String>,
    pub(super) data_errors: Reading,
    /// Why it is not known, otherwise.
    pub(super) scan: Result<Scan, String>,
    /// States of the sequential resilvers that are told, by vdev.
    pub(super) rebuilds: BTreeMap<String, String>,
    pub(super) vdevs: Vec<Vdev>,
    pub(super) devices: Vec<Device>,
}

impl Status {
    /// A pool of which nothing is known yet.
    pub(super) fn begun(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            state: Reading::Absent,
            counters: Counters::none(),
            layout: Vec::new(),
            data_errors: Reading::Absent,
            scan: Ok(Scan::none()),
            rebuilds: BTreeMap::new(),
            vdevs: Vec::new(),
            devices: Vec::new(),
        }
    }

    /// Takes down what stands at the top of the pool. Cache and spare devices are listed there and are no vdevs of it.
    pub(super) fn top_level(&mut self, vdev: Vdev) {
        self.layout.push(if vdev.class == NORMAL { vdev.kind.clone() } else { format!("{}:{}", vdev.class, vdev.kind) });
        if !BESIDE.contains(&vdev.class) {
            self.vdevs.push(vdev);
        }
    }

    /// The devices, a spare that is in use once: it is listed as a spare, and again in the place that it has taken.
    pub(super) fn devices(&self) -> impl Iterator<Item = &Device> {
        let is_listed = |device: &Device| self.spares().any(|spare| spare.path == device.path);
        self.devices.iter().filter(move |device| device.class == "spare" || !is_listed(device))
    }

    /// The devices that a spare has taken the place of: those of its group that are none themselves.
    pub(super) fn in_place_of(&self, spare: &Device) -> Option<String> {
        let is_spare = |device: &Device| device.kind.as_deref() == Some("dspare") || self.spares().any(|spare| spare.path == device.path);
        let group = self.devices.iter().filter(|device| device.path == spare.path).find_map(|device| device.group.as_ref())?;
        let replaced = self.devices.iter().filter(|device| device.group.as_ref() == Some(group) && !is_spare(device));
        let replaced: Vec<&str> = replaced.map(|device| device.path.as_str()).collect();
        (!replaced.is_empty() && is_spare(spare)).then(|| replaced.join(", "))
    }

    fn spares(&self) -> impl Iterator<Item = &Device> {
        self.devices.iter().filter(|device| device.class == "spare")
    }
}

/// What a pool, a vdev or a device counted.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Counters {
    pub(super) read: Reading,
    pub(super) write: Reading,
    pub(super) checksum: Reading,
}

impl Counters {
    pub(super) fn none() -> Self {
        Self { read: Reading::Absent, write: Reading::Absent, checksum: Reading::Absent }
    }
}

/// One vdev at the top of a pool.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Vdev {
    /// As the tool calls it: `mirror-0`, `draid2:4d:12c:1s-0`.
    pub(super) name: String,
    pub(super) class: &'static str,
    /// `mirror`, `raidz2`, `draid`, `disk`.
    pub(super) kind: String,
    pub(super) state: Reading,
    pub(super) counters: Counters,
    /// What is right below it.
    pub(super) children: u64,
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
    /// The vdev at the top that it belongs to; none of cache and spare devices.
    pub(super) vdev: Option<String>,
    pub(super) class: &'static str,
    /// `disk`, `file`, `dspare`; none where that is not told.
    pub(super) kind: Option<String>,
    pub(super) state: Reading,
    pub(super) counters: Counters,
    /// The group in which a spare has taken somebody's place, when it is in one.
    pub(super) group: Option<String>,
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
