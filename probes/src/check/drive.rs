//! Drives by what their controllers say: SMART, self-tests, firmware slots, formats (NVM Express 2.0) and the OCP page. What every drive must be is judged
//! everywhere; what a new one must be only where the site declares it.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::check::{Absence, Check};
use assay_model::component::{Component, Reading};
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::question::{Question, absent};
use super::seen::{Seen, count, flag, number, text};

pub(super) const HEALTH: Question = Question {
    id: "nvme.health",
    expected: "no critical warning, no media error, spare above its threshold, life left, and as new as the site declares",
};
pub(super) const TEMPERATURE: Question = Question { id: "nvme.temperature_margin", expected: "at least 5 K below the drive's warning temperature" };
pub(super) const SELF_TEST: Question =
    Question { id: "nvme.self_test", expected: "the newest extended self-test passed, and none that is remembered failed" };
pub(super) const FIRMWARE: Question =
    Question { id: "nvme.firmware_slot", expected: "the active firmware is the pinned one, and none waits for a reset" };
pub(super) const SANITIZE: Question = Question { id: "nvme.sanitize_state", expected: "no sanitize operation is running or has failed" };
pub(super) const FORMAT: Question =
    Question { id: "nvme.lba_format", expected: "block size, metadata and protection as declared, and the same on drives of one model" };
pub(super) const SERIALS: Question = Question { id: "nvme.serials_unique", expected: "each drive has a serial number of its own" };
pub(super) const OCP: Question =
    Question { id: "nvme.ocp_health", expected: "no uncorrectable read, no end-to-end error, capacitor and spare blocks as declared" };

pub(super) const ALIKE: Question = Question { id: "nvme.alike", expected: "the drives of one line of the order are one model with one firmware" };

const NOBODY: &str = "this node has no NVMe controller";
/// Kelvin between the composite temperature and where the drive warns.
const MARGIN: f64 = 5.0;

/// A figure of a drive and what is wrong with it, if anything.
type Finding = Result<Option<String>, Reason>;

/// The first fault decides; without one, the first thing that cannot be told.
fn verdict(site: &Site, seen: &Seen<'_>, findings: Vec<Finding>, is_answered: bool) -> Verdict {
    let faults: Vec<&str> = findings.iter().filter_map(|finding| finding.as_ref().ok()?.as_deref()).collect();
    if !faults.is_empty() {
        return Verdict::Fail(faults.join(", "));
    }
    match findings.into_iter().find_map(Result::err) {
        Some(reason) => Verdict::Inconclusive(reason),
        None if is_answered => Verdict::pass_on(seen.evidence()),
        None => absent(site, "the drive does not say"),
    }
}

/// A figure that the drive must have; `None` of a strict site is a reason of its own.
fn must(site: &Site, drive: &Component, attr: Attr, is_wrong: impl FnOnce(u64) -> Option<String>) -> Finding {
    match count(drive, attr)? {
        Some(figure) => Ok(is_wrong(figure)),
        None => match site.absence {
            Absence::NotApplicable => Ok(None),
            Absence::Inconclusive => Err(Reason::Unreadable(format!("{} has no {attr}", drive.locator))),
        },
    }
}

pub(super) fn health(inventory: &Inventory, site: &Site) -> Vec<Check> {
    const READ: &[Attr] =
        &[Attr::CriticalWarning, Attr::MediaErrors, Attr::AvailableSpare, Attr::SpareThreshold, Attr::PercentageUsed, Attr::CriticalMinutes];
    let declared = &site.declared.drives;
    let ask = |drive: &Component| {
        let seen = Seen::of(drive, READ);
        let spare = spare(site, drive);
        let used = must(site, drive, Attr::PercentageUsed, |used| {
            let most = declared.percentage_used_at_most.unwrap_or(99);
            (used > most).then(|| format!("{used} % of its life is used, at most {most} % is allowed"))
        });
        let findings = vec![
            must(site, drive, Attr::CriticalWarning, |bits| (bits != 0).then(|| format!("critical warning: {}", warnings(bits)))),
            must(site, drive, Attr::MediaErrors, |errors| (errors != 0).then(|| format!("{errors} media errors"))),
            spare,
            used,
            hot(site, drive),
        ];
        let is_answered = READ.iter().any(|&attr| drive.value(attr).is_some());
        [HEALTH.answer(&drive.locator, &seen, verdict(site, &seen, findings, is_answered))]
    };
    HEALTH.each(inventory, site, Kind::Nvme, NOBODY, ask)
}

/// A drive that is declared as new was never as hot as its maker forbids.
fn hot(site: &Site, drive: &Component) -> Finding {
    let declared = &site.declared.drives;
    if declared.percentage_used_at_most.is_none() && declared.available_spare_at_least.is_none() {
        return Ok(None);
    }
    must(site, drive, Attr::CriticalMinutes, |minutes| (minutes != 0).then(|| format!("{minutes} minutes at its critical temperature or above")))
}

/// What is left of the spare blocks, against the drive's own threshold and the site's.
fn spare(site: &Site, drive: &Component) -> Finding {
    let threshold = count(drive, Attr::SpareThreshold)?;
    if count(drive, Attr::AvailableSpare)? == Some(0) && threshold == Some(0) {
        // Emulated drives and those of clouds say so: nothing left, and no warning of it. It is no figure of a drive that counts.
        return match site.absence {
            Absence::NotApplicable => Ok(None),
            Absence::Inconclusive => {
                Err(Reason::Invalid("0 % of the spare blocks are left and the drive warns below 0 %: it does not count them".into()))
            }
        };
    }
    let declared = site.declared.drives.available_spare_at_least;
    if let Some(spare) = count(drive, Attr::AvailableSpare)?
        && spare > 100
    {
        return Err(Reason::Invalid(format!("{spare} % of the spare blocks are left, and 100 % is the most")));
    }
    let left = must(site, drive, Attr::AvailableSpare, |spare| match (threshold, declared) {
        (Some(threshold), _) if spare < threshold => Some(format!("{spare} % of the spare blocks are left, the drive warns below {threshold} %")),
        (_, Some(least)) if spare < least => Some(format!("{spare} % of the spare blocks are left, {least} % is declared")),
        (_, _) => None,
    })?;
    if left.is_none() && declared.is_none() {
        return must(site, drive, Attr::SpareThreshold, |_| None);
    }
    Ok(left)
}

/// The bits of the critical warning, NVM Express 2.0, figure 207.
fn warnings(bits: u64) -> String {
    const WORDS: &[&str] = &[
        "spare blocks below their threshold",
        "temperature",
        "reliability degraded",
        "media are read-only",
        "volatile memory backup failed",
        "persistent memory region unreliable",
    ];
    let known = WORDS.iter().enumerate().filter(|(bit, _)| bits >> bit & 1 == 1).map(|(_, word)| (*word).to_owned());
    let rest = bits >> WORDS.len();
    known.chain((rest != 0).then(|| format!("bits {:#x} that no specification knows", rest << WORDS.len()))).collect::<Vec<_>>().join(", ")
}

pub(super) fn temperature(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let ask = |drive: &Component| {
        let seen = Seen::of(drive, &[Attr::Temperature, Attr::TemperatureMax]);
        let verdict = match (number(drive, Attr::Temperature), number(drive, Attr::TemperatureMax)) {
            (Err(reason), _) | (_, Err(reason)) => Verdict::Inconclusive(reason),
            (Ok(Some(now)), Ok(Some(warning))) if now + MARGIN >= warning => {
                Verdict::Fail(format!("{now} °C, and the drive warns from {warning} °C"))
            }
            (Ok(Some(_)), Ok(Some(_))) => Verdict::pass_on(seen.evidence()),
            (Ok(None), _) => absent(site, "the drive reports no temperature"),
            (_, Ok(None)) => absent(site, "the drive reports no warning temperature"),
        };
        [TEMPERATURE.answer(&drive.locator, &seen, verdict)]
    };
    TEMPERATURE.each(inventory, site, Kind::Nvme, NOBODY, ask)
}

pub(super) fn self_test(inventory: &Inventory, site: &Site) -> Vec<Check> {
    const READ: &[Attr] = &[Attr::SelfTest, Attr::SelfTestsFailed, Attr::SelfTestRunning];
    let ask = |drive: &Component| {
        let seen = Seen::of(drive, READ);
        let newest = text(drive, Attr::SelfTest);
        let verdict = match (count(drive, Attr::SelfTestsFailed), flag(drive, Attr::SelfTestRunning), newest) {
            (Ok(Some(failed)), _, _) if failed > 0 => Verdict::Fail(format!("{failed} of the self-tests that the drive remembers failed")),
            (Err(reason), _, _) | (_, Err(reason), _) | (_, _, Err(reason)) => Verdict::Inconclusive(reason),
            (_, Ok(Some(true)), _) => Verdict::Inconclusive(Reason::NotRun("a self-test is running".into())),
            (_, _, Ok(Some("passed"))) => Verdict::pass_on(seen.evidence()),
            (_, _, Ok(Some(other))) => Verdict::Inconclusive(Reason::NotRun(format!("the newest extended self-test ended so: {other}"))),
            (Ok(Some(_)), _, Ok(None)) if site.declared.drives.self_test => {
                Verdict::Inconclusive(Reason::NotRun("no extended self-test is in the drive's log".into()))
            }
            (Ok(Some(_)), _, Ok(None)) => absent(site, "no extended self-test is in the drive's log, and the site asks for none"),
            (Ok(None), _, _) => absent(site, "the drive has no log of self-tests"),
        };
        [SELF_TEST.answer(&drive.locator, &seen, verdict)]
    };
    SELF_TEST.each(inventory, site, Kind::Nvme, NOBODY, ask)
}

pub(super) fn firmware_slot(inventory: &Inventory, site: &Site) -> Vec<Check> {
    const READ: &[Attr] = &[Attr::Firmware, Attr::FirmwareSlot, Attr::FirmwareSlotNext, Attr::FirmwareStored, Attr::FirmwareNext];
    let ask = |drive: &Component| {
        let seen = Seen::of(drive, READ);
        let running = text(drive, Attr::Firmware);
        let pins = &site.declared.drives.firmware;
        let pinned = text(drive, Attr::Model).ok().flatten().and_then(|model| pins.get(model));
        let next_is = text(drive, Attr::FirmwareNext).ok().flatten();
        let verdict = match (count(drive, Attr::FirmwareSlot), count(drive, Attr::FirmwareSlotNext), running, text(drive, Attr::FirmwareStored)) {
            // Some drives name the slot that is active already.
            (_, Ok(Some(next)), running, _) if next_is.is_none() || running != Ok(next_is) => {
                Verdict::Fail(format!("{} in slot {next} waits for a reset", next_is.unwrap_or("an unknown firmware")))
            }
            (_, _, Ok(Some(running)), _) if pinned.is_some_and(|pinned| pinned != running) => {
                Verdict::Fail(format!("it runs {running}, {} is pinned", pinned.map_or("", String::as_str)))
            }
            (_, _, Ok(Some(running)), Ok(Some(stored))) if running != stored => {
                Verdict::Fail(format!("it runs {running}, and its active slot has {stored}"))
            }
            (Err(reason), ..) | (_, Err(reason), ..) | (_, _, Err(reason), _) | (_, _, _, Err(reason)) => Verdict::Inconclusive(reason),
            (Ok(Some(_)), _, Ok(Some(_)), _) if pinned.is_none() && !pins.is_empty() => {
                Verdict::Inconclusive(Reason::NotRun("the site pins the firmware of other models and none for this one".into()))
            }
            (Ok(Some(_)), _, Ok(Some(_)), _) => Verdict::pass_on(seen.evidence()),
            (Ok(None), ..) => absent(site, "the drive has no log of firmware slots"),
            (_, _, Ok(None), _) => absent(site, "the drive gives no firmware revision"),
        };
        [FIRMWARE.answer(&drive.locator, &seen, verdict)]
    };
    FIRMWARE.each(inventory, site, Kind::Nvme, NOBODY, ask)
}

pub(super) fn sanitize(inventory: &Inventory, site: &Site) -> Vec<Check> {
    // Most drives of other classes cannot sanitize, and have no state of it.
    let ask = |drive: &Component| {
        let seen = Seen::of(drive, &[Attr::Sanitize]);
        let verdict = match text(drive, Attr::Sanitize) {
            Ok(None) => return None,
            Err(reason) => Verdict::Inconclusive(reason),
            Ok(Some(state @ ("running" | "failed"))) => Verdict::Fail(format!("a sanitize operation is in state `{state}`")),
            Ok(Some(_)) => Verdict::pass_on(seen.evidence()),
        };
        Some(SANITIZE.answer(&drive.locator, &seen, verdict))
    };
    SANITIZE.each(inventory, site, Kind::Nvme, "no drive says that it can sanitize", ask)
}

pub(super) fn format(inventory: &Inventory, site: &Site) -> Vec<Check> {
    const READ: &[Attr] = &[Attr::LogicalBlockSize, Attr::MetadataSize, Attr::ProtectionType];
    let drives = match FORMAT.subjects(inventory, site, Kind::Nvme) {
        Ok(drives) => drives,
        Err(unasked) => return unasked,
    };
    let mut by_model: BTreeMap<String, Vec<&Component>> = BTreeMap::new();
    for drive in drives {
        by_model.entry(drive.reading(Attr::Model).to_string()).or_default().push(drive);
    }
    let mut checks = Vec::new();
    for (model, drives) in &by_model {
        for attr in READ {
            let check = FORMAT.alike(site, drives, *attr);
            checks.push(Check { subject: format!("{model} {attr}"), ..check });
        }
        let declared = site.declared.drives.logical_block_size.get(model);
        checks.extend(drives.iter().map(|drive| {
            let seen = Seen::of(drive, &[Attr::LogicalBlockSize]);
            let verdict = match (count(drive, Attr::LogicalBlockSize), declared) {
                (Ok(Some(size)), Some(declared)) if size != *declared => Verdict::Fail(format!("blocks of {size} bytes, {declared} are declared")),
                (Ok(Some(_)), _) => Verdict::pass_on(seen.evidence()),
                (Ok(None), _) => absent(site, "the drive gives no format"),
                (Err(reason), _) => Verdict::Inconclusive(reason),
            };
            FORMAT.answer(&drive.locator, &seen, verdict)
        }));
    }
    checks
}

pub(super) fn alike(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let lines: Vec<&str> = site.bom.iter().flat_map(|bom| bom.of(Kind::Nvme)).map(|line| line.name.as_str()).collect();
    if lines.is_empty() {
        return vec![ALIKE.absent(site, Kind::Nvme.name(), "the site orders no drives", site.origin.as_str())];
    }
    let of_line = |line: &str| match super::bom::taken_by(inventory, site, line) {
        Ok(drives) if drives.is_empty() => vec![ALIKE.absent(site, line, "no drive belongs to this line", site.origin.as_str())],
        Ok(drives) => {
            let named = |check: Check| Check { subject: format!("{line} {}", check.subject), ..check };
            [Attr::Model, Attr::Firmware].map(|attr| named(ALIKE.alike(site, &drives, attr))).into()
        }
        Err(reason) => vec![Check::inconclusive(ALIKE.id, line, ALIKE.expected, reason, site.origin.as_str())],
    };
    lines.into_iter().flat_map(of_line).collect()
}

pub(super) fn serials_unique(inventory: &Inventory, site: &Site) -> Vec<Check> {
    let drives = match SERIALS.subjects(inventory, site, Kind::Nvme) {
        Ok(drives) => drives,
        Err(unasked) => return unasked,
    };
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for drive in &drives {
        if let Ok(Some(serial)) = text(drive, Attr::Serial) {
            owners.entry(serial).or_default().push(drive.locator.as_str());
        }
    }
    let ask = |drive: &&Component| {
        let seen = Seen::of(drive, &[Attr::Serial, Attr::IdentifiedSerial]);
        let verdict = match (text(drive, Attr::Serial), text(drive, Attr::IdentifiedSerial)) {
            (Err(reason), _) => Verdict::Inconclusive(reason),
            (Ok(None), _) => absent(site, "the drive gives no serial number"),
            (Ok(Some(serial)), _) if owners.get(serial).is_some_and(|owners| owners.len() > 1) => {
                Verdict::Fail(format!("{} have one serial number", owners.get(serial).map(|owners| owners.join(" and ")).unwrap_or_default()))
            }
            (Ok(Some(_)), Err(reason)) => Verdict::Inconclusive(reason),
            (Ok(Some(serial)), Ok(Some(identified))) if serial != identified => {
                Verdict::Fail(format!("the driver says {serial}, Identify Controller says {identified}"))
            }
            (Ok(Some(_)), _) => Verdict::pass_on(seen.evidence()),
        };
        SERIALS.answer(&drive.locator, &seen, verdict)
    };
    drives.iter().map(ask).collect()
}

pub(super) fn ocp(inventory: &Inventory, site: &Site) -> Vec<Check> {
    const READ: &[Attr] = &[Attr::UncorrectableReads, Attr::EndToEndErrors, Attr::CapacitorHealth, Attr::BadUserBlocks, Attr::BadSystemBlocks];
    let declared = &site.declared.drives;
    let ask = |drive: &Component| {
        // Drives without the page are no subjects: it belongs to data-centre drives.
        if READ.iter().all(|&attr| *drive.reading(attr) == Reading::Absent) {
            return None;
        }
        let seen = Seen::of(drive, READ);
        let none = |attr: Attr, what: &str| must(site, drive, attr, |errors| (errors != 0).then(|| format!("{errors} {what}")));
        let least = |attr: Attr, least: Option<u64>, what: &str| match (count(drive, attr)?, least) {
            (Some(figure), least) => {
                Ok(least.filter(|least| figure < *least).map(|least| format!("{what} at {figure}, at least {least} is declared")))
            }
            // The count of system blocks alone may be one with that of the user's.
            (None, Some(least)) if attr != Attr::BadSystemBlocks => {
                Err(Reason::Unreadable(format!("{} has no {attr}, at least {least} is declared", drive.locator)))
            }
            (None, _) => Ok(None),
        };
        let findings = vec![
            none(Attr::UncorrectableReads, "uncorrectable reads"),
            none(Attr::EndToEndErrors, "end-to-end errors"),
            least(Attr::CapacitorHealth, declared.capacitor_health_at_least, "capacitor health"),
            least(Attr::BadUserBlocks, declared.bad_blocks_at_least, "bad user blocks, normalised,"),
            least(Attr::BadSystemBlocks, declared.bad_blocks_at_least, "bad system blocks, normalised,"),
        ];
        let verdict = match (site.absence, verdict(site, &seen, findings, true)) {
            // Another vendor's page under the same number is no fault of a drive that nobody ordered.
            (Absence::NotApplicable, Verdict::Inconclusive(reason)) if matches!(reason, Reason::Unreadable(_)) && is_foreign(drive) => {
                Verdict::NotApplicable(reason.to_string())
            }
            (_, verdict) => verdict,
        };
        Some(OCP.answer(&drive.locator, &seen, verdict))
    };
    OCP.each(inventory, site, Kind::Nvme, "no drive has the OCP log page", ask)
}

fn is_foreign(drive: &Component) -> bool {
    matches!(drive.reading(Attr::UncorrectableReads), Reading::Unreadable(why) if why.contains("GUID"))
}

#[cfg(test)]
mod tests {
    use assay_model::verdict::Rank;

    use super::*;
    use crate::check::planted::{Node, drive, generic, strict, unreadable};

    const DRIVE: &str = "0000:41:00.0";

    fn planted(attr: Attr, reading: impl Into<Reading>) -> Node {
        Node::healthy().plant(Kind::Nvme, DRIVE, attr, reading)
    }

    fn new_drives() -> Site {
        let mut site = strict();
        site.declared.drives.available_spare_at_least = Some(99);
        site.declared.drives.percentage_used_at_most = Some(1);
        site.declared.drives.capacitor_health_at_least = Some(90);
        site.declared.drives.bad_blocks_at_least = Some(100);
        site.declared.drives.self_test = true;
        site.declared.drives.firmware = [("a drive".to_owned(), "0107".to_owned())].into();
        site.declared.drives.logical_block_size = [("a drive".to_owned(), 4096)].into();
        site
    }

    fn rank(check: fn(&Inventory, &Site) -> Vec<Check>, node: &Node, site: &Site) -> Rank {
        super::super::planted::rank(&check(&node.0, site))
    }

    #[test]
    fn figures_are_judged_just_inside_and_just_outside() {
        for (attr, reading, anywhere, declared) in [
            (Attr::CriticalWarning, 0_u64, Rank::Pass, Rank::Pass),
            (Attr::CriticalWarning, 1, Rank::Fail, Rank::Fail),
            (Attr::CriticalWarning, 0x80, Rank::Fail, Rank::Fail),
            (Attr::MediaErrors, 1, Rank::Fail, Rank::Fail),
            (Attr::MediaErrors, u64::MAX, Rank::Fail, Rank::Fail),
            (Attr::AvailableSpare, 10, Rank::Pass, Rank::Fail),
            (Attr::AvailableSpare, 9, Rank::Fail, Rank::Fail),
            (Attr::AvailableSpare, 99, Rank::Pass, Rank::Pass),
            (Attr::PercentageUsed, 1, Rank::Pass, Rank::Pass),
            (Attr::PercentageUsed, 2, Rank::Pass, Rank::Fail),
            (Attr::PercentageUsed, 99, Rank::Pass, Rank::Fail),
            (Attr::PercentageUsed, 100, Rank::Fail, Rank::Fail),
        ] {
            let node = planted(attr, reading);
            assert_eq!((rank(health, &node, &generic()), rank(health, &node, &new_drives())), (anywhere, declared), "{attr} {reading}");
        }
        assert_eq!(rank(health, &planted(Attr::MediaErrors, Reading::Absent), &strict()), Rank::Inconclusive, "one figure is missing");
        assert_eq!(rank(health, &planted(Attr::CriticalWarning, unreadable()), &generic()), Rank::Inconclusive);
    }

    #[test]
    fn the_margin_of_temperature_is_five_kelvin() {
        for (now, expected) in [(71.9, Rank::Pass), (72.0, Rank::Fail), (90.0, Rank::Fail)] {
            assert_eq!(rank(temperature, &planted(Attr::Temperature, now), &generic()), expected, "{now}");
        }
        assert_eq!(rank(temperature, &planted(Attr::TemperatureMax, Reading::Absent), &strict()), Rank::Inconclusive);
    }

    #[test]
    fn self_tests_pass_only_when_one_passed_and_none_failed() {
        for (newest, failed, site, expected) in [
            (Reading::from("passed"), 1_u64, generic(), Rank::Fail),
            ("aborted by a reset".into(), 0, generic(), Rank::Inconclusive),
            (Reading::Absent, 0, generic(), Rank::NotApplicable),
            (Reading::Absent, 0, new_drives(), Rank::Inconclusive),
        ] {
            let node = planted(Attr::SelfTest, newest.clone()).plant(Kind::Nvme, DRIVE, Attr::SelfTestsFailed, failed);
            assert_eq!(rank(self_test, &node, &site), expected, "{newest} {failed}");
        }
        assert_eq!(rank(self_test, &planted(Attr::SelfTestRunning, true), &generic()), Rank::Inconclusive);
    }

    #[test]
    fn a_firmware_that_waits_or_is_not_the_pinned_or_the_stored_one_is_found() {
        for (attr, value) in [(Attr::FirmwareSlotNext, Reading::from(2_u64)), (Attr::FirmwareStored, "0108".into())] {
            assert_eq!(rank(firmware_slot, &planted(attr, value), &generic()), Rank::Fail, "{attr}");
        }
        let other = planted(Attr::Firmware, "0105").plant(Kind::Nvme, DRIVE, Attr::FirmwareStored, "0105");
        assert_eq!((rank(firmware_slot, &other, &new_drives()), rank(firmware_slot, &other, &generic())), (Rank::Fail, Rank::Pass));
        let unpinned = planted(Attr::Model, "another drive");
        assert_eq!((rank(firmware_slot, &unpinned, &new_drives()), rank(firmware_slot, &unpinned, &strict())), (Rank::Inconclusive, Rank::Pass));
    }

    #[test]
    fn states_of_sanitize_formats_and_vendor_pages() {
        for (state, expected) in [("never", Rank::Pass), ("completed", Rank::Pass), ("running", Rank::Fail), ("failed", Rank::Fail)] {
            assert_eq!(rank(sanitize, &planted(Attr::Sanitize, state), &generic()), expected, "{state}");
        }
        let two = Node::healthy().with(drive("0000:42:00.0", "S2"));
        assert_eq!(rank(format, &two, &new_drives()), Rank::Pass);
        for (attr, value) in [(Attr::LogicalBlockSize, 512_u64), (Attr::ProtectionType, 1), (Attr::MetadataSize, 8)] {
            assert_eq!(rank(format, &two.clone().plant(Kind::Nvme, DRIVE, attr, value), &generic()), Rank::Fail, "{attr}");
        }
        assert_eq!(rank(format, &planted(Attr::LogicalBlockSize, 512_u64), &new_drives()), Rank::Fail, "alone, and not as declared");
        for (attr, value, anywhere, declared) in [
            (Attr::UncorrectableReads, 1_u64, Rank::Fail, Rank::Fail),
            (Attr::EndToEndErrors, 1, Rank::Fail, Rank::Fail),
            (Attr::CapacitorHealth, 89, Rank::Pass, Rank::Fail),
            (Attr::BadUserBlocks, 99, Rank::Pass, Rank::Fail),
        ] {
            let node = planted(attr, value);
            assert_eq!((rank(ocp, &node, &generic()), rank(ocp, &node, &new_drives())), (anywhere, declared), "{attr} {value}");
        }
    }

    #[test]
    fn two_drives_with_one_serial_number_are_both_accused_and_a_mislabelled_one_too() {
        let clones = Node::healthy().with(drive("0000:42:00.0", "S1"));
        assert_eq!(clones.about(DRIVE, serials_unique).verdict.rank(), Rank::Fail);
        assert_eq!(clones.about("0000:42:00.0", serials_unique).verdict.rank(), Rank::Fail);
        assert_eq!(rank(serials_unique, &planted(Attr::IdentifiedSerial, "S9"), &generic()), Rank::Fail);
        assert_eq!(rank(serials_unique, &Node::healthy().with(drive("0000:42:00.0", "S2")), &strict()), Rank::Pass);
    }
}
