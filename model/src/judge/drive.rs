//! The drives that figures are of: what the data sheet of each rates, and which of their equals nobody measured.

use crate::attr::{Attr, Kind};
use crate::bom::BomLine;
use crate::ceiling::{self, Ceiling};
use crate::component::{Component, Value};
use crate::inventory::Inventory;
use crate::judge::figure::Figure;
use crate::limit::Rating;
use crate::metric::Metric;
use crate::parts::NvmePart;
use crate::site::Site;

/// The dimension of a figure that names its drive by serial number: names of devices change from boot to boot.
pub(crate) const SERIAL: &str = "serial";
/// The same of a figure of several drives at once, separated by commas.
const SERIALS: &str = "serials";

/// What a data sheet rates.
pub(super) struct Rated<'a> {
    /// The figure, in the unit of its [`Rating`].
    pub(super) value: f64,
    /// Key of the part.
    pub(super) part: &'a str,
    /// What the drive's own link carries.
    pub(super) link: Option<Ceiling>,
}

/// A drive without a figure.
pub(super) struct Unmeasured {
    /// Its serial number, or where it is.
    pub(super) serial: String,
    /// What is missing.
    pub(super) why: String,
}

/// Whether a figure is of one drive; others are of several at once, or of files.
pub(super) fn is_of_one(figure: &Figure<'_>) -> bool {
    figure.metric.fact.dimensions.contains_key(SERIAL)
}

/// What the data sheet of the drive of `metric` rates, or why that is not known.
pub(super) fn rated<'a>(site: &'a Site, inventory: Option<&Inventory>, metric: &Metric, rating: Rating) -> Result<Rated<'a>, String> {
    let serial = metric.dimensions.get(SERIAL).ok_or("it is not known of which drive the figure is")?;
    if metric.unit != rating.unit() {
        return Err(format!("{} is in another unit than {rating}", metric.name));
    }
    let drive = inventory
        .into_iter()
        .flat_map(|inventory| inventory.iter(Kind::Nvme))
        .find(|drive| serial_of(drive).is_some_and(|of| of == serial))
        .ok_or_else(|| format!("no drive of the node has the serial number {serial}"))?;
    of_drive(site, drive, rating)
}

/// Each drive that has a serial number and a data sheet with this figure, with what it rates. The others are judged, and are not held against it while a run goes on.
pub(super) fn known(site: &Site, inventory: &Inventory, rating: Rating) -> Vec<(String, f64)> {
    let of = |drive: &Component| Some((serial_of(drive)?.to_owned(), of_drive(site, drive, rating).ok()?.value));
    inventory.iter(Kind::Nvme).filter_map(of).collect()
}

fn of_drive<'a>(site: &'a Site, drive: &Component, rating: Rating) -> Result<Rated<'a>, String> {
    let bom = site.bom.as_ref().ok_or("the site has no order")?;
    let line = bom.line_of(drive)?;
    let part = line.part.as_deref().ok_or_else(|| format!("line `{}` of the order names no product", line.name))?;
    let sheet = site.parts.nvme.get(part).ok_or_else(|| format!("the parts catalogue has no drive {part}"))?;
    let value = figure_of(sheet, rating).ok_or_else(|| format!("the parts catalogue has no {rating} of {part}"))?;
    Ok(Rated { value, part, link: ceiling::of_drive(drive) })
}

fn figure_of(sheet: &NvmePart, rating: Rating) -> Option<f64> {
    match rating {
        Rating::ReadBandwidth => sheet.read_bytes_per_s,
        Rating::WriteBandwidth => sheet.write_bytes_per_s,
        Rating::RandomReadIops => sheet.randread_iops,
        Rating::RandomWriteIops => sheet.randwrite_iops,
    }
}

/// The data drives of the order that have no figure, where any has one: others do not speak for them. Those that the system boots from are no data drives.
/// Where nothing was ordered, any drive may be left out.
pub(super) fn unmeasured(site: &Site, inventory: &Inventory, figures: &[&Figure<'_>]) -> Vec<Unmeasured> {
    let Some(bom) = &site.bom else { return Vec::new() };
    let named = figures.iter().flat_map(|figure| [SERIAL, SERIALS].map(|name| figure.metric.fact.dimensions.get(name)));
    let measured: Vec<&str> = named.flatten().flat_map(|serials| serials.split(',')).collect();
    if measured.is_empty() {
        return Vec::new();
    }
    let is_measured = |drive: &&Component| serial_of(drive).is_some_and(|serial| measured.contains(&serial));
    let boots = |line: &BomLine| site.declared.software.boot_line.as_ref() == Some(&line.name);
    let missing = inventory.iter(Kind::Nvme).filter(|drive| !is_measured(drive)).filter_map(|drive| {
        let serial = serial_of(drive).unwrap_or(&drive.locator).to_owned();
        match bom.line_of(drive) {
            Ok(line) if boots(line) => None,
            Ok(_) => Some(Unmeasured { why: format!("drive {serial} was not measured"), serial }),
            Err(why) => Some(Unmeasured { why: format!("drive {serial} was not measured, and {why}"), serial }),
        }
    });
    missing.collect()
}

fn serial_of(drive: &Component) -> Option<&str> {
    drive.value(Attr::Serial).and_then(Value::as_str).map(str::trim)
}
