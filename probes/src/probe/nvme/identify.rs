//! Identify Controller (CNS 01h) and Identify Namespace (CNS 00h), NVM Express Base Specification 2.0, figures 275 and 97 (NVM command set).

use assay_model::attr::Attr;
use assay_model::component::Reading;

use super::page::{Fields, Page};
use crate::described::Described;
use crate::host::{Host, whole};

/// Kelvin of 0 °C, as NVMe counts whole kelvins.
const KELVIN: f64 = 273.0;

const CONTROLLER: u8 = 0x01;
const NAMESPACE: u8 = 0x00;
/// Supported Log Pages: 256 entries of four bytes.
const LIST: u8 = 0x00;
const LIST_BYTES: usize = 1024;
/// Both structures.
const BYTES: usize = 4096;

/// Whether a controller has a page, by what it says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Has {
    No,
    Perhaps,
    Yes,
}

/// Identify Controller.
pub(super) struct Controller(Page);

impl Controller {
    pub(super) fn ask(host: &Host, name: &str) -> Self {
        Self(Page::of(host.nvme_identify(name, CONTROLLER, 0), Host::nvme_identify_name(name, CONTROLLER, 0), BYTES).saying())
    }

    /// Whether the subsystem may have further controllers: the same drive by another port (CMIC bit 1).
    pub(super) fn describe<'a>(&self, described: Described<'a>) -> Described<'a> {
        let page = &self.0;
        let temperature = |fields: Fields<'_>, at| {
            // 0 says that the controller does not report one.
            fields.u16(at).map(|kelvin| if kelvin == 0 { Reading::Absent } else { celsius(kelvin) })
        };
        described
            .put(Attr::IdentifiedSerial, page.field("SN"), page.reading(|fields| fields.text(4, 20).map(Reading::from)))
            .put(Attr::IdentifiedModel, page.field("MN"), page.reading(|fields| fields.text(24, 40).map(Reading::from)))
            .put(Attr::SeveralControllers, page.field("CMIC"), page.reading(|fields| fields.u8(76).map(|cmic| (cmic & 0b10 != 0).into())))
            .put(Attr::ControllerId, page.field("CNTLID"), page.reading(|fields| fields.u16(78).map(Reading::from)))
            .put(Attr::TemperatureMax, page.field("WCTEMP"), page.reading(|fields| temperature(fields, 266)))
            .put(Attr::TemperatureCritical, page.field("CCTEMP"), page.reading(|fields| temperature(fields, 268)))
            .put(Attr::Subsystem, page.field("SUBNQN"), page.reading(|fields| fields.text(768, 256).map(said)))
    }

    /// Whether the controller can sanitize (SANICAP), and so has a log of it. None when it did not answer.
    pub(super) fn can_sanitize(&self) -> Option<bool> {
        self.0.fields()?.u32(328).map(|capabilities| capabilities & 0b111 != 0)
    }

    /// How many entries its error log keeps (ELPE, one less).
    pub(super) fn error_entries(&self) -> Option<usize> {
        let last = self.0.fields()?.u8(262)?;
        usize::try_from(last).ok().map(|last| last + 1)
    }

    /// Whether it has a log page that belongs to vendors. One that is asked for a page which it does not have refuses, and writes that into its error log:
    /// so a page is asked for where the list of pages (00h, LPA bit 5) has it, and without such a list of data-centre drives only, which keep a persistent
    /// event log (LPA bit 4).
    pub(super) fn has(&self, host: &Host, name: &str, lid: u8) -> Has {
        let Some(attributes) = self.0.fields().and_then(|fields| fields.u8(261)) else { return Has::Perhaps };
        if attributes & 1 << 5 == 0 {
            return if attributes & 1 << 4 == 0 { Has::No } else { Has::Perhaps };
        }
        let list = Page::of(host.nvme_log(name, LIST, LIST_BYTES), Host::nvme_log_name(name, LIST), LIST_BYTES);
        match list.fields().and_then(|fields| fields.u32(4 * usize::from(lid))) {
            Some(support) if support & 1 == 0 => Has::No,
            Some(_) => Has::Yes,
            None => Has::Perhaps,
        }
    }

    /// Whether it keeps a persistent event log (LPA bit 4). None when it did not say.
    pub(super) fn keeps_events(&self) -> Option<bool> {
        self.0.fields()?.u8(261).map(|attributes| attributes & 1 << 4 != 0)
    }

    /// Whether it has device self-tests (OACS bit 4).
    pub(super) fn can_test_itself(&self) -> Option<bool> {
        self.0.fields()?.u16(256).map(|commands| commands & 1 << 4 != 0)
    }
}

fn said(text: String) -> Reading {
    if text.is_empty() { Reading::Absent } else { text.into() }
}

/// A temperature in kelvin. At 0 K, or hotter than any drive that still answers, a sensor lies, and a limit is none.
pub(super) fn celsius(kelvin: u64) -> Reading {
    #[allow(clippy::cast_precision_loss, reason = "16 bits")]
    let celsius = kelvin as f64 - KELVIN;
    if (1..=500).contains(&kelvin) { celsius.into() } else { Reading::Unreadable(format!("it says {kelvin} K, which is no temperature of a drive")) }
}

/// The format of every namespace, and one value when they are formatted alike.
pub(super) fn formats<'a>(host: &Host, described: Described<'a>, name: &str, folder: &str, namespaces: &[&String]) -> Described<'a> {
    let mut pages = Vec::new();
    for namespace in namespaces {
        // A path of native multipath has no number of its own in old kernels; the last part of its name is it.
        let number = host.reading_u64(&format!("{folder}/{namespace}/nsid")).value().and_then(|value| value.as_u64());
        let number = number.or_else(|| namespace.rsplit_once('n').and_then(|(_, number)| whole(number).ok()));
        let Some(number) = number.and_then(|number| u32::try_from(number).ok()) else { continue };
        pages.push(Page::of(host.nvme_identify(name, NAMESPACE, number), Host::nvme_identify_name(name, NAMESPACE, number), BYTES));
    }
    let source = pages.first().map_or_else(|| Host::nvme_identify_name(name, NAMESPACE, 1), |page| page.source.clone());
    described
        .put(
            Attr::LogicalBlockSize,
            format!("{source} LBADS"),
            alike(&pages, |fields| {
                Some(format(fields)?.1.map_or_else(|| Reading::Unreadable("the format in use has no size".into()), Reading::from))
            }),
        )
        .put(Attr::MetadataSize, format!("{source} MS"), alike(&pages, |fields| Some(format(fields)?.0.into())))
        .put(Attr::ProtectionType, format!("{source} DPS"), alike(&pages, |fields| fields.u8(29).map(|dps| (dps & 0b111).into())))
}

/// Metadata size and data size of the format in use (FLBAS, LBAF); a size that is none is left out.
fn format(fields: Fields<'_>) -> Option<(u64, Option<u64>)> {
    let flbas = fields.u8(26)?;
    let index = usize::try_from(flbas & 0xf | (flbas >> 5 & 0b11) << 4).ok()?;
    let at = 128 + 4 * index;
    let (metadata, exponent) = (fields.u16(at)?, fields.u8(at + 2)?);
    Some((metadata, u32::try_from(exponent).ok().filter(|exponent| (9..=20).contains(exponent)).map(|exponent| 1 << exponent)))
}

fn alike(pages: &[Page], understand: impl Fn(Fields<'_>) -> Option<Reading>) -> Reading {
    let mut readings: Vec<Reading> = Vec::new();
    for reading in pages.iter().map(|page| page.reading(&understand)) {
        match reading {
            // What one of them does not say may be anything.
            Reading::Unreadable(why) => return Reading::Unreadable(why),
            Reading::Absent if pages.len() > 1 => return Reading::Unreadable("one of its namespaces is not there any more".into()),
            reading if readings.contains(&reading) => {}
            Reading::Value(_) | Reading::Absent => readings.push(reading),
        }
    }
    match (readings.pop(), readings.is_empty()) {
        (None, _) => Reading::Absent,
        (Some(reading), true) => reading,
        (Some(last), false) => {
            let all: Vec<String> = readings.iter().chain([&last]).map(Reading::to_string).collect();
            Reading::from(all.join(", "))
        }
    }
}
