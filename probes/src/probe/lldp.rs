//! The devices at the other end of the members of bonds, as they announce themselves over LLDP: from lldpd where it runs, otherwise from frames that
//! the host listened for. What one frame says is read in `lldp/frame.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};
use serde_json::Value as Json;

use self::frame::Announcement;
use super::{Probe, bond};
use crate::host::{Host, HostError, whole};

pub(crate) mod frame;

/// The probe of neighbours.
pub(super) struct Lldp;

/// It is there while lldpd runs.
const DAEMON: &str = "/run/lldpd.socket";
/// What it heard. `json0` has the same shape whatever was heard.
const ASKED: [&str; 5] = ["lldpcli", "-f", "json0", "show", "neighbors"];
/// Why nothing is known of a neighbour for which nobody took the time.
pub(crate) const NOT_LISTENED: &str = "it was not listened for: --listen SECONDS gives the time";

impl Probe for Lldp {
    fn name(&self) -> &'static str {
        "lldp"
    }

    fn describe(&self) -> &'static str {
        "The devices at the other end of bonds' members, from lldpd or from LLDP frames where --listen gives the time for them."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Neighbour]
    }

    fn patience(&self, host: &Host) -> Duration {
        host.listening_time()
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let members = bond::members(host)?;
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let known = told(host);
        let (mut found, mut silent) = (Vec::new(), Vec::new());
        for member in members {
            let of_it: Vec<Announcement> = known.iter().filter(|(interface, _)| *interface == member).map(|(_, said)| said.clone()).collect();
            if of_it.is_empty() {
                silent.push(member)
            } else {
                found.push(component(&member, &format!("command:{}", ASKED.join(" ")), Reading::Absent, Ok(of_it)))
            }
        }
        if host.is_listening() {
            let heard = host.lldp(&silent);
            found.extend(silent.iter().zip(heard).map(|(member, heard)| listened(member, heard)));
        } else {
            let unheard = |member: &String| component(member, &format!("lldp:{member}"), Reading::Absent, Err(NOT_LISTENED.into()));
            found.extend(silent.iter().map(unheard));
        }
        Ok(found)
    }
}

/// What was heard on one interface.
fn listened(member: &str, heard: Result<String, HostError>) -> Component {
    let source = format!("lldp:{member}");
    let heard = match heard {
        Ok(text) => frames(&text),
        Err(HostError::Absent { .. } | HostError::NotRecorded { .. }) => Err(NOT_LISTENED.into()),
        Err(error) => Err(error.cause()),
    };
    let (seconds, frames) = match heard {
        Ok(heard) => heard,
        Err(why) => return component(member, &source, Reading::Absent, Err(why)),
    };
    let mut valid: Vec<Announcement> = Vec::new();
    let mut torn = None;
    for frame in frames {
        match Announcement::parse(&frame) {
            Ok(said) => {
                valid.retain(|other| (&other.chassis, &other.port) != (&said.chassis, &said.port));
                if said.seconds > 0 {
                    valid.push(said);
                }
            }
            Err(why) => torn = Some(format!("a frame is none: {why}")),
        }
    }
    let said = match torn {
        Some(why) if valid.is_empty() => Err(why),
        Some(_) | None => Ok(valid),
    };
    component(member, &source, seconds.into(), said)
}

fn component(member: &str, source: &str, listened: Reading, said: Result<Vec<Announcement>, String>) -> Component {
    let reading = |of: fn(&Announcement) -> Option<&String>| match &said {
        Ok(said) => {
            let distinct: BTreeSet<&String> = said.iter().filter_map(of).collect();
            match distinct.iter().copied().collect::<Vec<_>>().as_slice() {
                [] => Reading::Absent,
                [one] => one.as_str().into(),
                several => Value::List(several.iter().map(|text| (*text).clone()).collect()).into(),
            }
        }
        Err(why) => Reading::Unreadable(why.clone()),
    };
    Component::new(Kind::Neighbour, member)
        .with(Attr::Listened, source, listened)
        .with(Attr::ChassisId, source, reading(|said| Some(&said.chassis)))
        .with(Attr::PortId, source, reading(|said| Some(&said.port)))
        .with(Attr::SystemName, source, reading(|said| said.system_name.as_ref()))
}

/// `listened 35`, then a frame a line in hex.
fn frames(text: &str) -> Result<(u64, Vec<Vec<u8>>), String> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let seconds = lines.next().and_then(|line| line.strip_prefix("listened ")).ok_or("it does not say for how long was listened")?;
    let frames = lines.map(bytes).collect::<Result<_, _>>()?;
    Ok((whole(seconds)?, frames))
}

fn bytes(line: &str) -> Result<Vec<u8>, String> {
    let refused = || format!("`{}` is no frame in hex", line.chars().take(20).collect::<String>());
    let pair = |pair: &[u8]| std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2).and_then(|pair| u8::from_str_radix(pair, 16).ok());
    line.as_bytes().chunks(2).map(|chunk| pair(chunk).ok_or_else(refused)).collect()
}

/// What lldpd knows. Where it does not run or does not answer, nothing: then it is listened for.
fn told(host: &Host) -> Vec<(String, Announcement)> {
    if !host.exists(DAEMON).unwrap_or(false) {
        return Vec::new();
    }
    host.command_stdout(&ASKED).ok().and_then(|text| serde_json::from_str(&text).ok()).map(|told: Json| neighbours(&told)).unwrap_or_default()
}

/// `{"lldp":[{"interface":[{"name":"eth0","chassis":[{"id":[{"type":"mac","value":"..."}],"name":[{"value":"leaf-a"}]}],"port":[{"id":[...]}]}]}]}`.
pub(crate) fn neighbours(told: &Json) -> Vec<(String, Announcement)> {
    let of = |json: &Json, name: &str| json.get(name).and_then(Json::as_array).cloned().unwrap_or_default();
    let first = |json: &Json, name: &str| of(json, name).into_iter().next();
    let word = |json: &Json, name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    let id = |json: &Json| first(json, "id").and_then(|id| Some(format!("{} {}", word(&id, "type")?, word(&id, "value")?)));
    let mut found = Vec::new();
    // By CDP and its like the same device has another name.
    let is_lldp = |interface: &Json| word(interface, "via").is_none_or(|protocol| protocol == "LLDP");
    for interface in of(told, "lldp").iter().flat_map(|lldp| of(lldp, "interface")).filter(is_lldp) {
        let (chassis, port) = (first(&interface, "chassis"), first(&interface, "port"));
        let said = chassis.as_ref().and_then(|chassis| {
            let system_name = first(chassis, "name").and_then(|name| word(&name, "value"));
            // lldpd forgets a neighbour when its time is over.
            Some(Announcement { chassis: id(chassis)?, port: id(port.as_ref()?)?, seconds: 1, system_name })
        });
        if let (Some(name), Some(said)) = (word(&interface, "name"), said) {
            found.push((name, said));
        }
    }
    found
}

#[cfg(test)]
mod tests;
