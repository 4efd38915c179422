//! Firmware as the management controller keeps it against the pinned versions, its settings against the declared profile, and the controller's clock.

use assay_model::attr::{Attr, Kind};
use assay_model::check::{Absence, Check};
use assay_model::component::{Component, Reading, Value};
use assay_model::inventory::Inventory;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::subjects;
use crate::check::question::{Question, absent};
use crate::check::seen::{Seen, count, looked, text};

pub(in crate::check) const PROFILE: Question =
    Question { id: "bmc.bios_profile", expected: "every declared setting of the system firmware in force, and none waiting to change it" };
pub(in crate::check) const FIRMWARE: Question = Question { id: "bmc.firmware", expected: "the pinned versions of BIOS and management controller" };
pub(in crate::check) const CLOCK: Question = Question { id: "bmc.clock", expected: "the clock of the management controller as that of the node" };

/// How far the clock may be off where the site says nothing: an event log must fit the node's own journal.
const CLOCK_SECONDS: u32 = 60;

pub(in crate::check) fn bios_profile(inventory: &Inventory, site: &Site) -> Vec<Check> {
    const SUBJECT: &str = "firmware settings";
    let declared = &site.declared.bmc.settings;
    if declared.is_empty() {
        return vec![undeclared(&PROFILE, site, SUBJECT, "bmc.settings")];
    }
    let settings = match subjects(&PROFILE, inventory, site, Kind::BiosSetting, SUBJECT) {
        Ok(settings) => settings,
        Err(unasked) => return vec![*unasked],
    };
    let answer = |(name, wanted): (&String, &assay_model::site::declared::Setting)| {
        let Some(setting) = settings.iter().find(|setting| setting.locator == *name) else {
            let why = format!("the system firmware has no setting `{name}`, or the management controller does not tell it");
            return Check::inconclusive(PROFILE.id, name, format!("{wanted}"), Reason::Unreadable(why), looked(inventory, Kind::BiosSetting));
        };
        let seen = Seen::of(setting, &[Attr::Setting, Attr::SettingPending]);
        let (wanted, is) = (wanted.to_string(), |value: &str, wanted: &str| value.trim().eq_ignore_ascii_case(wanted));
        let verdict = match (text(setting, Attr::Setting), text(setting, Attr::SettingPending)) {
            (Ok(Some(value)), _) if !is(value, &wanted) => Verdict::Fail(format!("`{value}` is in force")),
            (Ok(_), Ok(Some(pending))) if !is(pending, &wanted) => Verdict::Fail(format!("`{pending}` will be in force after the next boot")),
            (Err(reason), _) | (_, Err(reason)) => Verdict::Inconclusive(reason),
            (Ok(Some(_)), Ok(_)) => Verdict::pass_on(seen.evidence()),
            (Ok(None), Ok(_)) => Verdict::Inconclusive(Reason::Unreadable("the setting has no value".into())),
        };
        Check::new(PROFILE.id, name, verdict, wanted, seen.observed(), seen.source())
    };
    declared.iter().map(answer).collect()
}

pub(in crate::check) fn pinned_firmware(inventory: &Inventory, site: &Site) -> Vec<Check> {
    const SUBJECT: &str = "firmware";
    let declared = &site.declared.bmc.firmware;
    if declared.is_empty() {
        return vec![undeclared(&FIRMWARE, site, SUBJECT, "bmc.firmware")];
    }
    if let Err(unasked) = subjects(&FIRMWARE, inventory, site, Kind::BmcFirmware, SUBJECT) {
        // Without an inventory of firmware, the manager and the system still name theirs.
        if versions(inventory, "BIOS").is_empty() && versions(inventory, "BMC").is_empty() {
            return vec![*unasked];
        }
    }
    let answer = |(name, wanted): (&String, &String)| {
        let found = versions(inventory, name);
        let seen = Seen::across(&found, Attr::Firmware);
        let read: Result<Vec<&str>, Reason> = found.iter().filter_map(|found| text(found, Attr::Firmware).transpose()).collect();
        let verdict = match read {
            Ok(versions) if versions.iter().any(|version| version.trim() != wanted.trim()) => Verdict::Fail(format!("it is {}", versions.join(", "))),
            Err(reason) => Verdict::Inconclusive(reason),
            Ok(versions) if versions.is_empty() => {
                Verdict::Inconclusive(Reason::Unreadable(format!("the management controller names no version of `{name}`")))
            }
            Ok(_) => Verdict::pass_on(seen.evidence()),
        };
        let source = if found.is_empty() { looked(inventory, Kind::BmcFirmware) } else { seen.source() };
        Check::new(FIRMWARE.id, name, verdict, wanted, seen.observed(), source)
    };
    declared.iter().map(answer).collect()
}

/// What the controller names so: an image by its id or name, and the system's and the controller's own firmware by what they are.
fn versions<'a>(inventory: &'a Inventory, name: &str) -> Vec<&'a Component> {
    let is_named = |image: &&Component| {
        let named = image.value(Attr::Name).and_then(Value::as_str).unwrap_or_default();
        image.locator.eq_ignore_ascii_case(name) || named.eq_ignore_ascii_case(name)
    };
    let images = inventory.iter(Kind::BmcFirmware).filter(is_named);
    let own = match name.to_ascii_uppercase().as_str() {
        "BIOS" => Some(Kind::BmcHost),
        "BMC" => Some(Kind::Bmc),
        _ => None,
    };
    let own = own.into_iter().flat_map(|kind| inventory.iter(kind)).filter(|component| *component.reading(Attr::Firmware) != Reading::Absent);
    images.chain(own).collect()
}

/// The answer where the site declares nothing to compare with.
fn undeclared(question: &Question, site: &Site, subject: &str, key: &str) -> Check {
    let why = format!("the site declares no {key}");
    let verdict = match site.absence {
        Absence::NotApplicable => Verdict::NotApplicable(why),
        Absence::Inconclusive => Verdict::Inconclusive(Reason::NotRun(why)),
    };
    Check::new(question.id, subject, verdict, question.expected, "nothing", "declared.toml")
}

pub(in crate::check) fn clock(inventory: &Inventory, site: &Site) -> Vec<Check> {
    const SUBJECT: &str = "clock";
    let managers = match subjects(&CLOCK, inventory, site, Kind::Bmc, SUBJECT) {
        Ok(managers) => managers,
        Err(unasked) => return vec![*unasked],
    };
    let with_clock = managers.iter().find(|manager| manager.attributes.contains_key(&Attr::ClockDeviation));
    let Some(manager) = with_clock else {
        return vec![CLOCK.absent(site, SUBJECT, "no manager tells the time", looked(inventory, Kind::Bmc))];
    };
    let limit = site.declared.bmc.clock_seconds.unwrap_or(CLOCK_SECONDS);
    let seen = Seen::of(manager, &[Attr::ClockDeviation]);
    let verdict = match count(manager, Attr::ClockDeviation) {
        Ok(Some(nanoseconds)) if nanoseconds > u64::from(limit) * 1_000_000_000 => {
            Verdict::Fail(format!("it is {} s from the node's, more than {limit} s", nanoseconds / 1_000_000_000))
        }
        Ok(Some(_)) => Verdict::pass_on(seen.evidence()),
        Ok(None) => absent(site, "the manager does not tell the time"),
        Err(reason) => Verdict::Inconclusive(reason),
    };
    vec![CLOCK.answer(format!("manager {}", manager.locator), &seen, verdict)]
}
