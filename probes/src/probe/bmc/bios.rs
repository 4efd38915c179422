//! Settings of the system firmware, from `Systems/*/Bios`, and the values that wait for the next boot, from its settings resource.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};
use serde_json::Value;

use super::resource::Resource;
use super::service::{Service, read};
use super::{SLOWNESS, told_apart};
use crate::host::{Host, HostError, unanswered};
use crate::probe::Probe;

/// The probe of firmware settings.
pub(in crate::probe) struct Bios;

impl Probe for Bios {
    fn name(&self) -> &'static str {
        "bios"
    }

    fn describe(&self) -> &'static str {
        "Settings of the system firmware and those that wait for the next boot, by Redfish."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::BiosSetting]
    }

    fn slowness(&self) -> u32 {
        SLOWNESS
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let mut found = Vec::new();
        let mut looked = false;
        for system in read(Service::of(host)?.systems(host)?)? {
            let Some(bios) = system.follow(host, "Bios")? else { continue };
            looked = true;
            found.extend(settings(host, &bios));
        }
        if looked { Ok(told_apart(found)) } else { Err(HostError::SourceMissing("Bios resource of the Redfish service".into())) }
    }
}

fn settings(host: &Host, bios: &Resource) -> Vec<Component> {
    let waiting = bios.part("@Redfish.Settings").map(|settings| settings.follow(host, "SettingsObject"));
    let (waits_at, waiting) = match waiting {
        None | Some(Ok(None)) => (bios.source.clone(), Ok(BTreeMap::new())),
        Some(Ok(Some(settings))) => (settings.source.clone(), Ok(settings.properties("Attributes").into_iter().collect::<BTreeMap<_, _>>())),
        Some(Err(error)) => (bios.source.clone(), Err(unanswered(&error))),
    };
    let setting = |(name, value): (String, Value)| {
        // Most services repeat in there what is in force; only what differs waits.
        let pending = match &waiting {
            Err(unread) => unread.clone(),
            Ok(waiting) => waiting.get(&name).filter(|pending| **pending != value).map_or(Reading::Absent, reading),
        };
        let component = Component::new(Kind::BiosSetting, name);
        component.with(Attr::Setting, bios.source.clone(), reading(&value)).with(Attr::SettingPending, waits_at.clone(), pending)
    };
    bios.properties("Attributes").into_iter().filter(|(_, value)| !value.is_null()).map(setting).collect()
}

/// Settings are words, numbers and switches; all are compared as they are written.
fn reading(value: &Value) -> Reading {
    match value {
        Value::String(text) => text.trim().into(),
        Value::Number(number) => number.to_string().into(),
        Value::Bool(flag) => flag.to_string().into(),
        Value::Null => Reading::Absent,
        Value::Array(_) | Value::Object(_) => Reading::Unreadable("neither word, number nor switch".into()),
    }
}
