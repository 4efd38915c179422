//! Drives: what their PCI Express links carry, together and alone, and how much the warranty lets them write.

use crate::attr::{Attr, Kind};
use crate::bom::{Bom, BomLine};
use crate::ceiling::{Ceiling, expected, of_several, pcie};
use crate::component::{Component, Reading, Value};
use crate::inventory::{Inventory, Observed};
use crate::parts::{NvmePart, Parts};
use crate::unit::Unit;

const READ: &str = "nvme.read.bandwidth";
const READ_ALL: &str = "nvme.all.read.bandwidth";
const ENDURANCE: &str = "nvme.endurance.write_bandwidth";
const LINK_FORMULA: &str = "GT/s x encoding x lanes / 8 x payload / (payload + 24 B)";

/// Drives with the same link.
struct Alike {
    which: String,
    count: u64,
    gtps: Reading,
    lanes: Reading,
}

pub(super) fn of_inventory(inventory: &Inventory) -> Vec<Ceiling> {
    let drives = match inventory.of(Kind::Nvme) {
        Observed::Components(drives) => drives,
        Observed::SourceMissing(_) => return Vec::new(),
        Observed::Unknown(reason) => {
            let unknown = Reading::Unreadable(reason.to_string());
            return ceilings(&[Alike { which: "unknown".into(), count: 0, gtps: unknown.clone(), lanes: unknown }]);
        }
    };
    let mut groups: Vec<Alike> = Vec::new();
    for drive in drives.into_iter().filter(|drive| is_pcie(drive)) {
        let (gtps, lanes) = (drive.reading(Attr::LinkSpeed), drive.reading(Attr::LinkWidth));
        match groups.iter_mut().find(|group| group.gtps == *gtps && group.lanes == *lanes) {
            Some(group) => {
                group.count += 1;
                group.which = format!("{},{}", group.which, drive.locator);
            }
            None => groups.push(Alike { which: drive.locator.clone(), count: 1, gtps: gtps.clone(), lanes: lanes.clone() }),
        }
    }
    ceilings(&groups)
}

/// What the link of one drive carries, under the name of the metric of one drive.
pub(super) fn of_one(drive: &Component) -> Option<Ceiling> {
    let (gtps, lanes) = (drive.reading(Attr::LinkSpeed).clone(), drive.reading(Attr::LinkWidth).clone());
    is_pcie(drive).then(|| read(&Alike { which: drive.locator.clone(), count: 1, gtps, lanes }, false))
}

// A drive behind a fabric has no link of its own.
fn is_pcie(drive: &Component) -> bool {
    drive.value(Attr::Transport).and_then(Value::as_str).is_none_or(|transport| transport == "pcie")
}

pub(super) fn of_bom(bom: &Bom, parts: &Parts) -> Vec<Ceiling> {
    let lines: Vec<(&BomLine, Option<&NvmePart>)> =
        bom.of(Kind::Nvme).map(|line| (line, line.part.as_ref().and_then(|part| parts.nvme.get(part)))).collect();
    let groups: Vec<Alike> = lines
        .iter()
        .map(|(line, part)| Alike {
            which: line.name.clone(),
            count: line.quantity.into(),
            gtps: expected(line, Attr::LinkSpeed, part.map(|part| part.pcie_gtps.into())),
            lanes: expected(line, Attr::LinkWidth, part.map(|part| u64::from(part.pcie_lanes).into())),
        })
        .collect();
    let mut all = ceilings(&groups);
    all.extend(lines.iter().map(|(line, part)| endurance(line, *part, lines.len() > 1)));
    all
}

fn ceilings(groups: &[Alike]) -> Vec<Ceiling> {
    let each: Vec<Ceiling> = groups.iter().map(|group| read(group, groups.len() > 1)).collect();
    if each.is_empty() {
        return each;
    }
    let inputs: Vec<(String, Reading)> =
        groups.iter().zip(&each).map(|(group, one)| (format!("{} x {}, bytes/s each", group.count, group.which), one.as_reading())).collect();
    let counted = |(group, one): (&Alike, &Ceiling)| Some(Value::from(group.count).as_f64()? * one.value?);
    let value = groups.iter().zip(&each).map(counted).sum::<Option<f64>>();
    let formula = format!("sum over all drives of {LINK_FORMULA}");
    let all = Ceiling { metric: READ_ALL.into(), value, unit: Unit::BytesPerSecond, formula, inputs };
    each.into_iter().chain([all]).collect()
}

fn read(group: &Alike, several: bool) -> Ceiling {
    let inputs = [("link speed, GT/s", group.gtps.clone()), ("lanes", group.lanes.clone()), pcie::assumed_payload()];
    let value = |[gtps, lanes, payload]: [f64; 3]| pcie::payload(gtps, lanes, payload);
    Ceiling::computed(of_several(READ, several, "drives", &group.which), Unit::BytesPerSecond, LINK_FORMULA, inputs, value)
}

/// What may be written all day long until the warranty ends: no bound of a figure, but of a burn-in that writes.
fn endurance(line: &BomLine, part: Option<&NvmePart>, several: bool) -> Ceiling {
    let dwpd = part.and_then(|part| part.dwpd).map_or(Reading::Absent, Reading::from);
    let inputs = [("drive writes per day", dwpd), ("capacity, bytes", expected(line, Attr::Capacity, None))];
    let name = of_several(ENDURANCE, several, "drives", &line.name);
    Ceiling::computed(name, Unit::BytesPerSecond, "drive writes per day x capacity / 86400 s", inputs, |[dwpd, capacity]| budget(dwpd, capacity))
}

/// Bytes that the warranty of five years lets the drive with this serial number write in all, by the line of the order that selects it and that it is as
/// ordered by: a foreign drive of the same size is another part.
pub(super) fn rated_bytes(bom: &Bom, parts: &Parts, inventory: &Inventory, serial: &str) -> Option<f64> {
    let is_it = |drive: &&Component| drive.value(Attr::Serial).and_then(Value::as_str).is_some_and(|of| of.trim() == serial.trim());
    let drive = inventory.iter(Kind::Nvme).find(is_it)?;
    let line = bom.line_of(drive).ok()?;
    let is_as_ordered = |attr| line.expect.get(&attr).is_none_or(|wanted| drive.value(attr).is_some_and(|read| wanted.matches(read)));
    let dwpd = parts.nvme.get(line.part.as_ref()?)?.dwpd?;
    let size = drive.value(Attr::Capacity).and_then(Value::as_f64)?;
    [Attr::Model, Attr::Capacity].into_iter().all(is_as_ordered).then_some(dwpd * size * 5.0 * 365.0)
}

/// Bytes per second that use up `dwpd` drive writes per day.
pub(super) fn budget(dwpd: f64, capacity: f64) -> f64 {
    dwpd * capacity / 86_400.0
}
