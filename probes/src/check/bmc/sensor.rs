//! Fans and sensors against the critical limits that the management controller states for them. A sensor that reads what cannot be says nothing.

use assay_model::attr::Attr;
use assay_model::check::Check;
use assay_model::component::Component;
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::health::HEALTH;
use super::{Health, State, health_of, state};
use crate::check::question::absent;
use crate::check::seen::{Seen, number};

/// Hardware at work is neither this cold nor this hot.
const PLAUSIBLE_CELSIUS: std::ops::RangeInclusive<f64> = -40.0..=150.0;
/// What a sensor reads that is not there: 0, and the largest number of a byte.
const NOT_A_TEMPERATURE: &[f64] = &[0.0, 255.0];

/// What is asked of a fan that is fitted and switched on.
pub(super) fn fan(site: &Site, fan: &Component) -> Option<Check> {
    let seen = Seen::of(fan, &[Attr::SensorReading, Attr::LowerCritical, Attr::State, Attr::Health]);
    let verdict = match state(fan) {
        Ok(State::Out) => return None,
        Ok(State::Other(state)) => Verdict::Fail(format!("it is {state}")),
        Err(reason) => Verdict::Inconclusive(reason),
        Ok(State::Working | State::Silent) => turning(site, fan, &seen),
    };
    Some(HEALTH.answer(format!("fan {}", fan.locator), &seen, verdict))
}

fn turning(site: &Site, fan: &Component, seen: &Seen<'_>) -> Verdict {
    let health = match health_of(fan, Attr::Health) {
        Ok(Health::Critical) => return Verdict::Fail("its health is Critical".into()),
        Ok(Health::Warning) => return Verdict::Fail("its health is Warning".into()),
        Ok(health) => health,
        Err(reason) => return Verdict::Inconclusive(reason),
    };
    let limits = match Limits::of(fan) {
        Ok(limits) => limits,
        Err(reason) => return Verdict::Inconclusive(reason),
    };
    match number(fan, Attr::SensorReading) {
        Err(reason) => Verdict::Inconclusive(reason),
        Ok(Some(reading)) if limits.broken_by(reading).is_some() => Verdict::Fail(limits.broken_by(reading).unwrap_or_default()),
        Ok(Some(reading)) if reading < 0.0 => Verdict::Inconclusive(Reason::Invalid(format!("{reading} is no speed"))),
        Ok(Some(0.0)) => Verdict::Inconclusive(Reason::Invalid("it stands still, and its health is not bad: one of the two is wrong".into())),
        Ok(Some(_)) if health == Health::Ok || limits.has_lower() => Verdict::pass_on(seen.evidence()),
        Ok(Some(_)) => absent(site, "it says neither how it is nor how slow it may turn"),
        Ok(None) if health == Health::Ok => Verdict::pass_on(seen.evidence()),
        Ok(None) => absent(site, "it says neither how it is nor how fast it turns"),
    }
}

/// What is asked of a sensor that is at work and has a limit or a health.
pub(super) fn sensor(site: &Site, sensor: &Component) -> Option<Check> {
    let seen = Seen::of(sensor, &[Attr::SensorReading, Attr::SensorUnit, Attr::LowerCritical, Attr::UpperCritical, Attr::State, Attr::Health]);
    let verdict = match (state(sensor), Limits::of(sensor), health_of(sensor, Attr::Health)) {
        (Ok(State::Out | State::Other(_)), _, Ok(Health::Ok | Health::Silent)) => return None,
        (_, _, Ok(Health::Critical)) => Verdict::Fail("its health is Critical".into()),
        (Err(reason), _, _) | (_, Err(reason), _) | (_, _, Err(reason)) => Verdict::Inconclusive(reason),
        (Ok(_), Ok(limits), Ok(health)) => within(site, sensor, &limits, &health, &seen)?,
    };
    Some(HEALTH.answer(format!("sensor {}", sensor.locator), &seen, verdict))
}

fn within(site: &Site, sensor: &Component, limits: &Limits, health: &Health, seen: &Seen<'_>) -> Option<Verdict> {
    Some(match number(sensor, Attr::SensorReading) {
        Err(reason) => Verdict::Inconclusive(reason),
        Ok(Some(reading)) if cannot_be(sensor, reading) => {
            Verdict::Inconclusive(Reason::Invalid(format!("{reading} is no reading of hardware at work: the sensor does not work")))
        }
        Ok(Some(reading)) => match limits.broken_by(reading) {
            Some(why) => Verdict::Fail(why),
            None if limits.are_known() => Verdict::pass_on(seen.evidence()),
            None if *health == Health::Warning => Verdict::Fail("its health is Warning, and no critical limit says how bad that is".into()),
            None if *health == Health::Ok => Verdict::pass_on(seen.evidence()),
            // Nothing that could be judged: many sensors only inform.
            None => return None,
        },
        Ok(None) if limits.are_known() => absent(site, "it has critical limits and no reading"),
        Ok(None) => return None,
    })
}

// By its unit where the kind is not said.
fn cannot_be(sensor: &Component, reading: f64) -> bool {
    let word = |attr| sensor.value(attr).and_then(|word| word.as_str()).unwrap_or_default().to_ascii_lowercase();
    let (kind, unit) = (word(Attr::SensorType), word(Attr::SensorUnit));
    match (kind.as_str(), unit.as_str()) {
        ("temperature", _) | ("", "cel" | "c" | "celsius") => NOT_A_TEMPERATURE.contains(&reading) || !PLAUSIBLE_CELSIUS.contains(&reading),
        // A rail without a volt carries no node that answers.
        ("voltage", _) | ("", "v" | "volts") => reading == 0.0,
        _ => false,
    }
}

/// The limits beyond which a reading is critical.
struct Limits {
    lower: Option<f64>,
    upper: Option<f64>,
}

impl Limits {
    /// The innermost critical or fatal limit on each side. Limits that cross each other were never set.
    fn of(sensor: &Component) -> Result<Self, Reason> {
        let pick = |attrs: [Attr; 2], inner: fn(f64, f64) -> f64| -> Result<Option<f64>, Reason> {
            let (critical, fatal) = (number(sensor, attrs[0])?, number(sensor, attrs[1])?);
            Ok(match (critical, fatal) {
                (Some(critical), Some(fatal)) => Some(inner(critical, fatal)),
                (critical, fatal) => critical.or(fatal),
            })
        };
        let lower = pick([Attr::LowerCritical, Attr::LowerFatal], f64::max)?;
        // An upper limit of 0 is one that was never set, as firmware writes it.
        let upper = pick([Attr::UpperCritical, Attr::UpperFatal], f64::min)?.filter(|upper| *upper != 0.0);
        match (lower, upper) {
            (Some(lower), Some(upper)) if lower >= upper => {
                Err(Reason::Invalid(format!("its lower limit {lower} is not below its upper limit {upper}")))
            }
            (lower, upper) => Ok(Self { lower, upper }),
        }
    }

    fn are_known(&self) -> bool {
        self.lower.is_some() || self.upper.is_some()
    }

    fn has_lower(&self) -> bool {
        self.lower.is_some()
    }

    fn broken_by(&self, reading: f64) -> Option<String> {
        let above = self.upper.filter(|upper| reading >= *upper).map(|upper| format!("{reading} is not below the critical {upper}"));
        // At a lower limit of 0 nothing is wrong yet: it is what firmware writes for a sensor that cannot go below.
        let below = self.lower.filter(|lower| reading < *lower || (reading == *lower && *lower > 0.0));
        above.or_else(|| below.map(|lower| format!("{reading} is not above the critical {lower}")))
    }
}
