//! The node's health by its management controller: the system, power supplies and their redundancy, fans, sensors and event logs.

use assay_model::attr::{Attr, Kind};
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::{Health, State, health_of, log, nobody, sensor, state, subjects};
use crate::check::question::{Question, absent};
use crate::check::seen::{Seen, count, looked, number};

pub(in crate::check) const HEALTH: Question = Question {
    id: "bmc.health",
    expected: "health OK, power supplies redundant, fans and sensors within their limits, no critical entry in an event log",
};

pub(in crate::check) fn health(inventory: &Inventory, site: &Site) -> Vec<Check> {
    if let Some(unasked) = nobody(&HEALTH, inventory, site, "management controller") {
        return vec![unasked];
    }
    let each = |kind: Kind, subject: &str, ask: &dyn Fn(&Component) -> Option<Check>| -> Vec<Check> {
        match subjects(&HEALTH, inventory, site, kind, subject) {
            Err(unasked) => vec![*unasked],
            Ok(found) => {
                let answers: Vec<Check> = found.into_iter().filter_map(ask).collect();
                let nobody =
                    || HEALTH.absent(site, subject, "none of them is at work, or says anything that could be judged", looked(inventory, kind));
                if answers.is_empty() { vec![nobody()] } else { answers }
            }
        }
    };
    let mut checks = each(Kind::BmcHost, "system", &|host| Some(system(site, host)));
    // The system's health should sum these up, and does not with every maker.
    let parts = [(Kind::Bmc, "managers"), (Kind::BmcCpu, "processors"), (Kind::BmcDimm, "memory modules")];
    checks.extend(parts.into_iter().filter_map(|(kind, subject)| parts_health(inventory, kind, subject)));
    checks.extend(each(Kind::Psu, "power supplies", &|supply| power_supply(site, supply)));
    checks.extend(redundancy(inventory, site));
    checks.extend(each(Kind::Fan, "fans", &|fan| sensor::fan(site, fan)));
    checks.extend(fan_count(inventory, site));
    checks.extend(each(Kind::BmcSensor, "sensors", &|sensor| sensor::sensor(site, sensor)));
    checks.extend(log::logs(inventory, site));
    checks
}

fn system(site: &Site, host: &Component) -> Check {
    let attrs = [Attr::Health, Attr::HealthRollup];
    let seen = Seen::of(host, &attrs);
    let said: Vec<_> = attrs.iter().map(|attr| health_of(host, *attr)).collect();
    let is = |health: &Health| said.iter().any(|said| said.as_ref() == Ok(health));
    let verdict = if is(&Health::Critical) || is(&Health::Warning) {
        Verdict::Fail(format!("the management controller says {}", seen.observed()))
    } else if let Some(reason) = said.iter().find_map(|said| said.as_ref().err()) {
        Verdict::Inconclusive(reason.clone())
    } else if is(&Health::Ok) {
        Verdict::pass_on(seen.evidence())
    } else {
        absent(site, "the management controller says nothing of the system's health")
    };
    HEALTH.answer(format!("system {}", host.locator), &seen, verdict)
}

/// The health of all fitted parts of a kind together; nothing where none of them says how it is.
fn parts_health(inventory: &Inventory, kind: Kind, subject: &str) -> Option<Check> {
    let parts: Vec<&Component> = match inventory.of(kind) {
        Observed::Components(parts) => parts.into_iter().filter(|part| state(part) != Ok(State::Out)).collect(),
        Observed::SourceMissing(_) => return None,
        Observed::Unknown(reason) => return Some(Check::inconclusive(HEALTH.id, subject, HEALTH.expected, reason, looked(inventory, kind))),
    };
    let seen = Seen::across(&parts, Attr::Health);
    let said: Vec<(&str, Result<Health, Reason>)> = parts.iter().map(|part| (part.locator.as_str(), health_of(part, Attr::Health))).collect();
    let ill: Vec<&str> =
        said.iter().filter(|(_, health)| matches!(health, Ok(Health::Critical | Health::Warning))).map(|(locator, _)| *locator).collect();
    let verdict = if !ill.is_empty() {
        Verdict::Fail(format!("not well by the management controller: {}", ill.join(", ")))
    } else if let Some(reason) = said.iter().find_map(|(_, health)| health.as_ref().err()) {
        Verdict::Inconclusive(reason.clone())
    } else if said.iter().any(|(_, health)| *health == Ok(Health::Ok)) {
        Verdict::pass_on(seen.evidence())
    } else {
        return None;
    };
    Some(HEALTH.answer(subject, &seen, verdict))
}

/// A supply that is fitted; a slot without one is a matter of their number.
fn power_supply(site: &Site, supply: &Component) -> Option<Check> {
    let seen = Seen::of(supply, &[Attr::State, Attr::Health, Attr::InputVoltage, Attr::PowerInput]);
    let verdict = match (state(supply), health_of(supply, Attr::Health)) {
        (Ok(State::Out), Ok(Health::Critical | Health::Warning)) => Verdict::Fail("it is switched off and not well".into()),
        (Ok(State::Out), _) => return None,
        (Ok(State::Other(state)), _) => Verdict::Fail(format!("it is {state}")),
        (_, Ok(Health::Critical)) => Verdict::Fail("its health is Critical".into()),
        (_, Ok(Health::Warning)) => Verdict::Fail("its health is Warning".into()),
        (Err(reason), _) | (_, Err(reason)) => Verdict::Inconclusive(reason),
        (Ok(State::Working | State::Silent), Ok(Health::Ok)) if has_no_input(supply) => {
            Verdict::Inconclusive(Reason::Invalid("nothing comes in, and its health is not bad: one of the two is wrong".into()))
        }
        (Ok(State::Working | State::Silent), Ok(Health::Ok)) => Verdict::pass_on(seen.evidence()),
        (Ok(State::Working | State::Silent), Ok(Health::Silent)) => absent(site, "it does not say how it is"),
    };
    Some(HEALTH.answer(format!("power supply {}", supply.locator), &seen, verdict))
}

/// Whether its input is measured as nothing. By power alone only where it is at work and its voltage is not known: one that stands by takes less than many a
/// sensor can tell from nothing.
fn has_no_input(supply: &Component) -> bool {
    let at_work = supply.value(Attr::State).and_then(|state| state.as_str()).is_some_and(|state| state.eq_ignore_ascii_case("Enabled"));
    match (number(supply, Attr::InputVoltage), count(supply, Attr::PowerInput)) {
        (Ok(Some(volts)), _) => volts <= 0.0,
        (Ok(None) | Err(_), Ok(Some(0))) => at_work,
        (_, _) => false,
    }
}

/// How the groups of power supplies are named by the probe.
const POWER_GROUP: &str = "/power ";

fn redundancy(inventory: &Inventory, site: &Site) -> Vec<Check> {
    const SUBJECT: &str = "power redundancy";
    // What is wrong with looking at supplies was said about them.
    let Ok(supplies) = subjects(&HEALTH, inventory, site, Kind::Psu, SUBJECT) else { return Vec::new() };
    let groups: Vec<&Component> = match inventory.of(Kind::Redundancy) {
        Observed::Components(found) => found.into_iter().filter(|group| group.locator.contains(POWER_GROUP)).collect(),
        Observed::SourceMissing(_) => Vec::new(),
        Observed::Unknown(reason) => {
            return vec![Check::inconclusive(HEALTH.id, SUBJECT, HEALTH.expected, reason, looked(inventory, Kind::Redundancy))];
        }
    };
    let seen = groups.iter().fold(Seen::across(&supplies, Attr::Health), |seen, group| {
        seen.and(Seen::of(group, &[Attr::Health, Attr::State, Attr::RedundancyNeeded, Attr::RedundancyMembers]))
    });
    let mut checks = vec![HEALTH.answer(SUBJECT, &seen, redundant(site, &supplies, &groups, &seen))];
    if let Some(declared) = site.declared.bmc.power_supplies {
        let verdict = match Fitted::of(&supplies) {
            Fitted { working, unclear: None, .. } if working >= u64::from(declared) => Verdict::pass_on(seen.evidence()),
            Fitted { working, unclear: None, .. } => Verdict::Fail(format!("{working} of the {declared} declared power supplies work")),
            Fitted { unclear: Some(reason), .. } => Verdict::Inconclusive(reason),
        };
        checks.push(HEALTH.answer("power supplies declared", &seen, verdict));
    }
    checks
}

fn redundant(site: &Site, supplies: &[&Component], groups: &[&Component], seen: &Seen<'_>) -> Verdict {
    let Fitted { working, fitted, unclear, unclear_count } = Fitted::of(supplies);
    let mut grounds = 0;
    for group in groups {
        match group_is_whole(group, working + unclear_count) {
            Ok(Some(true)) => grounds += 1,
            Ok(Some(false)) => return Verdict::Fail(format!("{}: {}", group.locator, Seen::of(group, GROUP).observed())),
            Ok(None) => {}
            Err(reason) => return Verdict::Inconclusive(reason),
        }
    }
    if let Some(reason) = unclear {
        return Verdict::Inconclusive(reason);
    }
    if working < 2 && (grounds > 0 || fitted > 1 || site.declared.bmc.power_supplies.is_some_and(|declared| declared > 1)) {
        return Verdict::Fail(format!("{working} of {fitted} power supplies work: none stands in for another"));
    }
    match (grounds, site.declared.bmc.power_supplies) {
        (1.., _) => Verdict::pass_on(seen.evidence()),
        // All but one carry the node: that is what the declaration means.
        (0, Some(declared)) if declared > 1 && working >= u64::from(declared) => Verdict::pass_on(seen.evidence()),
        (_, _) => absent(site, format!("{working} power supplies work, and nothing says how many of them the node needs")),
    }
}

const GROUP: &[Attr] = &[Attr::State, Attr::Health, Attr::RedundancyMode, Attr::RedundancyNeeded, Attr::RedundancyMembers];

/// Whether a group says that it is whole and has more than it needs; `None` when it says nothing.
fn group_is_whole(group: &Component, may_work: u64) -> Result<Option<bool>, Reason> {
    let (state, health) = (state(group)?, health_of(group, Attr::Health)?);
    let (needed, members) = (count(group, Attr::RedundancyNeeded)?, count(group, Attr::RedundancyMembers)?);
    if matches!(health, Health::Critical | Health::Warning) || matches!(state, State::Out | State::Other(_)) {
        return Ok(Some(false));
    }
    if let Some(mode) = group.value(Attr::RedundancyMode).and_then(|mode| mode.as_str())
        && ["notredundant", "nonredundant"].contains(&mode.replace([' ', '-'], "").to_ascii_lowercase().as_str())
    {
        return Ok(Some(false));
    }
    Ok(match (health, needed, members) {
        // 0 needed of 0 members is how a service says that it does not know.
        (_, Some(needed @ 1..), _) => Some(needed < may_work),
        (Health::Ok, None, Some(2..)) => Some(true),
        (Health::Ok | Health::Silent, _, _) => None,
        (Health::Warning | Health::Critical, _, _) => Some(false),
    })
}

/// How many supplies there are, and how many of them work.
struct Fitted {
    working: u64,
    fitted: u64,
    unclear: Option<Reason>,
    unclear_count: u64,
}

impl Fitted {
    fn of(supplies: &[&Component]) -> Self {
        let mut found = Self { working: 0, fitted: 0, unclear: None, unclear_count: 0 };
        for supply in supplies {
            match (state(supply), health_of(supply, Attr::Health)) {
                (Ok(State::Out), _) => {}
                (Ok(State::Working | State::Silent), Ok(Health::Ok)) if has_no_input(supply) => {
                    found.unclear = Some(Reason::Invalid(format!("nothing comes into {}", supply.locator)));
                    found.unclear_count += 1;
                }
                (Ok(State::Working | State::Silent), Ok(Health::Ok)) => {
                    found.working += 1;
                    found.fitted += 1;
                }
                (Ok(State::Other(_)), _) | (Ok(_), Ok(Health::Warning | Health::Critical)) => found.fitted += 1,
                (Ok(State::Working | State::Silent), Ok(Health::Silent)) => {
                    found.unclear = Some(Reason::Unreadable(format!("{} does not say how it is", supply.locator)));
                    found.unclear_count += 1;
                }
                (Err(reason), _) | (_, Err(reason)) => {
                    found.unclear = Some(reason);
                    found.unclear_count += 1;
                }
            }
        }
        found
    }
}

/// Whether as many fans are fitted as the site declares.
fn fan_count(inventory: &Inventory, site: &Site) -> Option<Check> {
    let declared = site.declared.bmc.fans?;
    let fans = subjects(&HEALTH, inventory, site, Kind::Fan, "fans declared").ok()?;
    let fitted: Result<Vec<State>, Reason> = fans.iter().map(|fan| state(fan)).collect();
    let seen = Seen::across(&fans, Attr::State).and(Seen::across(&fans, Attr::SensorReading));
    let verdict = match fitted {
        Err(reason) => Verdict::Inconclusive(reason),
        Ok(states) => {
            let fitted = states.iter().filter(|state| **state != State::Out).count();
            if fitted >= usize::try_from(declared).unwrap_or(usize::MAX) {
                Verdict::pass_on(seen.evidence())
            } else {
                Verdict::Fail(format!("{fitted} of the {declared} declared fans are fitted"))
            }
        }
    };
    Some(HEALTH.answer("fans declared", &seen, verdict))
}
