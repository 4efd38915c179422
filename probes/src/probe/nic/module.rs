//! What the EEPROM of a plugged-in module says: SFF-8636 (QSFP+, QSFP28, QSFP56), SFF-8472 (SFP, SFP28) and CMIS (QSFP-DD, OSFP). The bytes are the pages as the
//! kernel gives them one after another: of SFF-8636 the lower half, then the upper halves of pages 0 to 3; of SFF-8472 address A0, then A2.

use assay_model::attr::Attr;
use assay_model::component::Reading;

/// Optical power is counted in 0.1 microwatt.
const PER_WATT: f64 = 1e7;
/// Temperature is counted in 1/256 degree.
const PER_DEGREE: f64 = 256.0;

/// Where the things stand in one kind of EEPROM.
struct Layout {
    /// The bytes whose sum is checked, and where it stands.
    sum: (std::ops::Range<usize>, usize),
    vendor: usize,
    part: usize,
    serial: usize,
    temperature: usize,
    /// High and low alarm limit are neighbours.
    temperature_limits: Option<usize>,
    /// One word for each lane.
    transmit: Vec<usize>,
    transmit_limits: Option<usize>,
    receive: Vec<usize>,
    receive_limits: Option<usize>,
    /// A passive copper cable, or a module that says that it has no sensor: what it has in the place of a reading is nothing when it is zero.
    is_dumb: bool,
}

/// What a module says of itself.
pub(super) fn facts(bytes: &[u8]) -> Result<Vec<(Attr, Reading)>, String> {
    let layout = match byte(bytes, 0)? {
        0x03 | 0x0b => sff8472(bytes)?,
        0x0c | 0x0d | 0x11 => sff8636(bytes)?,
        0x18..=0x1b | 0x1e | 0x1f => cmis(bytes)?,
        other => return Err(format!("identifier 0x{other:02x} is of no known kind of module")),
    };
    let (range, at) = layout.sum.clone();
    let sum = bytes.get(range).ok_or_else(cut)?.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if sum != byte(bytes, at)? {
        return Err(format!("its checksum is 0x{:02x}, its bytes add up to 0x{sum:02x}", byte(bytes, at)?));
    }
    let calibration = Calibration::of(bytes);
    let temperature = |at: usize| Some(calibration.temperature.applied(f64::from(word(bytes, at)?.cast_signed())) / PER_DEGREE);
    let transmit = |at: usize| Some(calibration.transmit.applied(f64::from(word(bytes, at)?)) / PER_WATT);
    let receive = |at: usize| Some(f64::from(word(bytes, at)?) / PER_WATT);

    let mut facts = vec![
        (Attr::ModuleVendor, text(bytes, layout.vendor)),
        (Attr::ModulePart, text(bytes, layout.part)),
        (Attr::ModuleSerial, text(bytes, layout.serial)),
        (Attr::ModuleTemperature, sensed(&layout, temperature(layout.temperature))),
    ];
    facts.extend(limits(&[Attr::ModuleTemperatureHigh, Attr::ModuleTemperatureLow], layout.temperature_limits, temperature));
    facts.extend(limits(&[Attr::ModuleTransmitHigh, Attr::ModuleTransmitLow], layout.transmit_limits, transmit));
    facts.extend(lanes(&layout, &[Attr::ModuleTransmitMin, Attr::ModuleTransmitMax], &layout.transmit, transmit));
    // The received power of an external calibration is a polynomial of floats, which no module of the last fifteen years uses.
    if !calibration.is_external {
        facts.extend(limits(&[Attr::ModuleReceiveHigh, Attr::ModuleReceiveLow], layout.receive_limits, receive));
        facts.extend(lanes(&layout, &[Attr::ModuleReceiveMin, Attr::ModuleReceiveMax], &layout.receive, receive));
    }
    Ok(facts)
}

/// Where the serial number of a module is, and the sum that covers it. For redaction.
pub(crate) struct SerialNumber {
    /// Its 16 characters.
    pub(crate) at: std::ops::Range<usize>,
    /// The bytes that are summed.
    covered: std::ops::Range<usize>,
    /// Where their sum is.
    sum: usize,
}

impl SerialNumber {
    /// The place in an EEPROM; none in one of no known kind.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let (at, covered, sum) = match bytes.first()? {
            0x03 | 0x0b => (68..84, 64..95, 95),
            0x0c | 0x0d | 0x11 => (196..212, 192..223, 223),
            0x18..=0x1b | 0x1e | 0x1f => (166..182, 128..222, 222),
            _ => return None,
        };
        (bytes.len() > sum).then_some(Self { at, covered, sum })
    }

    /// Makes the sum right again; one that was wrong before stays wrong.
    pub(crate) fn settle(&self, before: &[u8], after: &mut [u8]) {
        let total = |bytes: &[u8]| bytes.get(self.covered.clone()).unwrap_or_default().iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let change = total(after).wrapping_sub(total(before));
        if let Some(sum) = after.get_mut(self.sum) {
            *sum = sum.wrapping_add(change);
        }
    }
}

fn sff8636(bytes: &[u8]) -> Result<Layout, String> {
    const FLAT: u8 = 1 << 2;
    const PAGE_3: usize = 512;
    const REVISION_2_8: u8 = 8;
    let has_limits = byte(bytes, 2)? & FLAT == 0 && bytes.len() >= PAGE_3 + 128;
    let disabled = byte(bytes, 86)?;
    let kinds = byte(bytes, 220)?;
    // Since revision 2.8 the module says whether it has a sensor.
    let has_no_sensor = byte(bytes, 1)? >= REVISION_2_8 && kinds & (1 << 5) == 0;
    let limits = |at: usize| has_limits.then_some(PAGE_3 + at);
    Ok(Layout {
        sum: (128..191, 191),
        vendor: 148,
        part: 168,
        serial: 196,
        temperature: 22,
        temperature_limits: limits(0),
        transmit: (0..4).filter(|lane| disabled & (1 << lane) == 0).map(|lane| 50 + 2 * lane).collect(),
        transmit_limits: limits(64),
        receive: (0..4).map(|lane| 34 + 2 * lane).collect(),
        receive_limits: limits(48),
        is_dumb: has_no_sensor || is_passive_copper(byte(bytes, 147)? >> 4),
    })
}

fn sff8472(bytes: &[u8]) -> Result<Layout, String> {
    const A2: usize = 256;
    const HAS_DIAGNOSTICS: u8 = 1 << 6;
    let has_diagnostics = byte(bytes, 92)? & HAS_DIAGNOSTICS != 0;
    let is_given = bytes.len() >= A2 + 128;
    if has_diagnostics && !is_given {
        return Err("it has diagnostics, and the driver does not give them".into());
    }
    let limits = |at: usize| has_diagnostics.then_some(A2 + at);
    // Without diagnostics nothing stands there: no lane, and a temperature of zero that is none.
    let lane = |at: usize| if has_diagnostics { vec![A2 + at] } else { Vec::new() };
    Ok(Layout {
        sum: (0..63, 63),
        vendor: 20,
        part: 40,
        serial: 68,
        temperature: if has_diagnostics { A2 + 96 } else { usize::MAX },
        temperature_limits: limits(0),
        transmit: lane(102),
        transmit_limits: limits(24),
        receive: lane(104),
        receive_limits: limits(32),
        is_dumb: !has_diagnostics,
    })
}

fn cmis(bytes: &[u8]) -> Result<Layout, String> {
    const FLAT: u8 = 1 << 7;
    const PAGE_2: usize = 384;
    let has_limits = byte(bytes, 2)? & FLAT == 0 && bytes.len() >= PAGE_2 + 128;
    let technology = byte(bytes, 212)?;
    Ok(Layout {
        sum: (128..222, 222),
        vendor: 129,
        part: 148,
        serial: 166,
        temperature: 14,
        temperature_limits: has_limits.then_some(PAGE_2),
        // The lanes stand on page 11h, which the ioctl does not reach.
        transmit: Vec::new(),
        transmit_limits: None,
        receive: Vec::new(),
        receive_limits: None,
        is_dumb: is_passive_copper(technology),
    })
}

// SFF-8636 byte 147 and CMIS byte 212 have the same numbers: unequalised and passively equalised copper.
fn is_passive_copper(technology: u8) -> bool {
    matches!(technology, 0x0a | 0x0b)
}

/// SFF-8472 lets a module leave the conversion to the reader.
struct Calibration {
    is_external: bool,
    temperature: Line,
    transmit: Line,
}

struct Line {
    slope: f64,
    offset: f64,
}

impl Line {
    fn applied(&self, raw: f64) -> f64 {
        raw * self.slope + self.offset
    }
}

impl Calibration {
    fn of(bytes: &[u8]) -> Self {
        const A2: usize = 256;
        const EXTERNAL: u8 = 1 << 4;
        const HAS_DIAGNOSTICS: u8 = 1 << 6;
        let is_sfp = matches!(bytes.first(), Some(0x03 | 0x0b));
        let is_external = is_sfp && bytes.get(92).is_some_and(|kinds| kinds & EXTERNAL != 0 && kinds & HAS_DIAGNOSTICS != 0);
        let line = |at: usize| match (is_external, word(bytes, A2 + at), word(bytes, A2 + at + 2)) {
            (true, Some(slope), Some(offset)) => Line { slope: f64::from(slope) / 256.0, offset: f64::from(offset.cast_signed()) },
            (_, _, _) => Line { slope: 1.0, offset: 0.0 },
        };
        Self { is_external, temperature: line(84), transmit: line(80) }
    }
}

fn sensed(layout: &Layout, value: Option<f64>) -> Reading {
    match value {
        None if layout.is_dumb => Reading::Absent,
        None => Reading::Unreadable(cut()),
        Some(value) if value == 0.0 && layout.is_dumb => Reading::Absent,
        Some(value) => value.into(),
    }
}

/// The high and the low alarm limit. Limits that are both zero are none.
fn limits(attrs: &[Attr; 2], at: Option<usize>, value: impl Fn(usize) -> Option<f64>) -> Vec<(Attr, Reading)> {
    let none = || attrs.iter().map(|attr| (*attr, Reading::Absent)).collect();
    let Some(at) = at else { return none() };
    match (value(at), value(at + 2)) {
        (Some(high), Some(low)) if high == 0.0 && low == 0.0 => none(),
        (Some(high), Some(low)) => vec![(attrs[0], high.into()), (attrs[1], low.into())],
        (_, _) => attrs.iter().map(|attr| (*attr, Reading::Unreadable(cut()))).collect(),
    }
}

/// The weakest and the strongest lane.
fn lanes(layout: &Layout, attrs: &[Attr; 2], at: &[usize], value: impl Fn(usize) -> Option<f64>) -> Vec<(Attr, Reading)> {
    let values: Vec<f64> = at.iter().filter_map(|&at| value(at)).collect();
    let least = values.iter().copied().reduce(f64::min);
    let most = values.iter().copied().reduce(f64::max);
    let is_dark = most == Some(0.0) && layout.is_dumb;
    let reading = |value: Option<f64>| value.filter(|_| !is_dark).map_or(Reading::Absent, Reading::from);
    vec![(attrs[0], reading(least)), (attrs[1], reading(most))]
}

/// 16 characters, padded with blanks.
fn text(bytes: &[u8], at: usize) -> Reading {
    let Some(field) = bytes.get(at..at + 16) else { return Reading::Unreadable(cut()) };
    let field = field.trim_ascii_end();
    let field = field.strip_suffix(b"\0").map_or(field, |_| field.split(|&byte| byte == 0).next().unwrap_or_default().trim_ascii_end());
    if !field.iter().all(|byte| (0x20..0x7f).contains(byte)) {
        return Reading::Unreadable("has characters that cannot be printed".into());
    }
    match String::from_utf8_lossy(field).trim() {
        "" => Reading::Absent,
        text => text.into(),
    }
}

fn byte(bytes: &[u8], at: usize) -> Result<u8, String> {
    bytes.get(at).copied().ok_or_else(cut)
}

fn word(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?;
    Some(u16::from_be_bytes([pair[0], pair[1]]))
}

fn cut() -> String {
    "the EEPROM is shorter than its kind of module has".into()
}

#[cfg(test)]
mod tests;
