//! Power supplies, fans, their redundancy, and sensors, from every chassis: `PowerSubsystem`, `ThermalSubsystem` and `Sensors`, and from services that
//! do not have those or have nothing in them, the older `Power` and `Thermal`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::resource::{Member, Resource};
use super::service::{Service, read};
use super::{SLOWNESS, described, told_apart};
use crate::host::{Host, HostError, unanswered};
use crate::probe::Probe;

/// The probe of what keeps the node powered and cool.
pub(in crate::probe) struct Sensors;

impl Probe for Sensors {
    fn name(&self) -> &'static str {
        "bmc_sensors"
    }

    fn describe(&self) -> &'static str {
        "Power supplies, fans, their redundancy, and sensors of the management controller, by Redfish."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::BmcSensor, Kind::Psu, Kind::Fan, Kind::Redundancy]
    }

    fn slowness(&self) -> u32 {
        SLOWNESS
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let mut found = Vec::new();
        for chassis in read(Service::of(host)?.chassis(host)?)? {
            found.extend(Chassis { host, id: chassis.id(), resource: chassis }.all()?);
        }
        Ok(told_apart(found))
    }
}

struct Chassis<'a> {
    host: &'a Host,
    id: String,
    resource: Resource,
}

impl Chassis<'_> {
    fn all(&self) -> Result<Vec<Component>, HostError> {
        let mut found = self.sensors()?;
        let has =
            |found: &[Component], kind: &str| found.iter().any(|sensor| sensor.value(Attr::SensorType).and_then(|kind| kind.as_str()) == Some(kind));
        let (temperatures, voltages) = (has(&found, "Temperature"), has(&found, "Voltage"));

        let (supplies, fans) = (self.subsystem("PowerSubsystem", "PowerSupplies")?, self.subsystem("ThermalSubsystem", "Fans")?);
        let power = if supplies.is_empty() || !voltages { self.resource.follow(self.host, "Power")? } else { None };
        let thermal = if fans.is_empty() || !temperatures { self.resource.follow(self.host, "Thermal")? } else { None };

        let is_new = !supplies.is_empty();
        found.extend(supplies);
        if let Some(power) = power {
            if !is_new {
                found.extend(power.parts("PowerSupplies").iter().map(|supply| self.psu(supply, part_name(supply))));
                found.extend(self.groups(&power, "Redundancy", "power"));
            }
            if !voltages {
                found.extend(power.parts("Voltages").iter().map(|sensor| self.old_sensor(sensor, "Voltage", "ReadingVolts", "V")));
            }
        }
        let is_new = !fans.is_empty();
        found.extend(fans);
        if let Some(thermal) = thermal {
            if !is_new {
                found.extend(thermal.parts("Fans").iter().map(|fan| self.old_fan(fan)));
                found.extend(self.groups(&thermal, "Redundancy", "fans"));
            }
            if !temperatures {
                found.extend(thermal.parts("Temperatures").iter().map(|sensor| self.old_sensor(sensor, "Temperature", "ReadingCelsius", "Cel")));
            }
        }
        Ok(found)
    }

    fn named(&self, name: &str) -> String {
        format!("{}/{name}", self.id)
    }

    fn lost(&self, lost: Component) -> Component {
        Component { locator: self.named(&lost.locator), ..lost }
    }

    /// The parts of a newer subsystem with its redundancy; nothing where there is none, or nothing in it.
    fn subsystem(&self, subsystem: &str, collection: &str) -> Result<Vec<Component>, HostError> {
        let Some(subsystem) = self.resource.follow(self.host, subsystem)? else { return Ok(Vec::new()) };
        let members = subsystem.collection(self.host, collection)?.unwrap_or_default();
        if members.is_empty() {
            return Ok(Vec::new());
        }
        let is_power = collection == "PowerSupplies";
        let kind = if is_power { Kind::Psu } else { Kind::Fan };
        let part = |member: Member| match member.or_lost(kind, &[Attr::State, Attr::Health]) {
            Ok(part) if is_power => self.psu(&part, part.id()),
            Ok(part) => self.fan(&part),
            Err(lost) => self.lost(lost),
        };
        let mut found: Vec<Component> = members.into_iter().map(part).collect();
        let (group, name) = if is_power { ("PowerSupplyRedundancy", "power") } else { ("FanRedundancy", "fans") };
        found.extend(self.groups(&subsystem, group, name));
        Ok(found)
    }

    fn psu(&self, supply: &Resource, name: String) -> Component {
        let component = described(supply, Kind::Psu, self.named(&name));
        let component = supply.tell(component, Attr::Firmware, supply.text("FirmwareVersion"));
        let component = supply.tell(component, Attr::PowerCapacity, watts(supply, &["PowerCapacityWatts"]));
        let component = supply.tell(component, Attr::PowerOutput, watts(supply, &["PowerOutputWatts", "LastPowerOutputWatts"]));
        // The newer resource keeps what is measured beside it. What cannot be read there is no input of 0.
        let metrics = supply.follow(self.host, "Metrics");
        let (source, voltage, power) = match &metrics {
            Ok(Some(metrics)) => (&metrics.source, metrics.number("InputVoltage/Reading"), watts(metrics, &["InputPowerWatts/Reading"])),
            Ok(None) => (&supply.source, supply.number("LineInputVoltage"), watts(supply, &["PowerInputWatts"])),
            Err(error) => (&supply.source, unanswered(error), unanswered(error)),
        };
        component.with(Attr::InputVoltage, source.clone(), voltage).with(Attr::PowerInput, source.clone(), power)
    }

    fn fan(&self, fan: &Resource) -> Component {
        let component = described(fan, Kind::Fan, self.named(&fan.id()));
        // The turns of the fan say more than the share of its best that it was told to give.
        let (reading, unit) = match fan.measured("SpeedPercent/SpeedRPM") {
            Reading::Absent => (fan.measured("SpeedPercent/Reading"), "%"),
            turns @ (Reading::Value(_) | Reading::Unreadable(_)) => (turns, "RPM"),
        };
        let component = fan.tell(component, Attr::SensorReading, reading);
        fan.tell(component, Attr::SensorUnit, unit.into())
    }

    fn old_fan(&self, fan: &Resource) -> Component {
        // Thermal 1.0 had FanName and CurrentReading.
        let name = if fan.has("Name") { part_name(fan) } else { fan.word("FanName").to_owned() };
        let component = described(fan, Kind::Fan, self.named(&name));
        let reading = Resource::first([fan.measured("Reading"), fan.measured("CurrentReading")]);
        let component = fan.tell(component, Attr::SensorReading, reading);
        let component = fan.tell(component, Attr::SensorUnit, Resource::first([fan.text("ReadingUnits"), fan.text("Units")]));
        old_limits(component, fan)
    }

    fn old_sensor(&self, sensor: &Resource, kind: &str, reading: &str, unit: &str) -> Component {
        let component = described(sensor, Kind::BmcSensor, self.named(&part_name(sensor)));
        let component = sensor.tell(component, Attr::SensorType, kind.into());
        let component = sensor.tell(component, Attr::SensorReading, sensor.number(reading));
        old_limits(sensor.tell(component, Attr::SensorUnit, unit.into()), sensor)
    }

    fn sensors(&self) -> Result<Vec<Component>, HostError> {
        let members = self.resource.collection(self.host, "Sensors")?.unwrap_or_default();
        let sensor = |sensor: Resource| {
            let component = described(&sensor, Kind::BmcSensor, self.named(&sensor.id()));
            let component = sensor.tell(component, Attr::Name, sensor.text("Name"));
            let component = sensor.tell(component, Attr::SensorType, sensor.text("ReadingType"));
            let component = sensor.tell(component, Attr::SensorReading, sensor.number("Reading"));
            let component = sensor.tell(component, Attr::SensorUnit, sensor.text("ReadingUnits"));
            LIMITS.iter().fold(component, |component, (attr, new, _)| {
                let reading = sensor.number(&format!("Thresholds/{new}/Reading"));
                sensor.tell(component, *attr, reading)
            })
        };
        let attrs = [Attr::State, Attr::SensorReading];
        Ok(members.into_iter().map(|member| member.or_lost(Kind::BmcSensor, &attrs).map_or_else(|lost| self.lost(lost), sensor)).collect())
    }

    /// Groups of parts that stand in for each other.
    fn groups(&self, resource: &Resource, property: &str, name: &str) -> Vec<Component> {
        let group = |(index, group): (usize, Resource)| {
            let component = described(&group, Kind::Redundancy, self.named(&format!("{name} {index}")));
            let component = group.tell(component, Attr::RedundancyMode, Resource::first([group.text("RedundancyType"), group.text("Mode")]));
            let needed = Resource::first([group.count("MinNeededInGroup", 1), group.count("MinNumNeeded", 1)]);
            let component = group.tell(component, Attr::RedundancyNeeded, needed);
            let lists = ["RedundancyGroup", "RedundancySet"];
            let members = lists.iter().find(|list| group.has(list)).map_or(Reading::Absent, |list| {
                group.understood(list, "list of members", |members| members.as_array().map(|members| crate::described::total(members.len()).into()))
            });
            group.tell(component, Attr::RedundancyMembers, members)
        };
        resource.parts(property).into_iter().enumerate().map(group).collect()
    }
}

/// Limits by attribute, with their names in `Thresholds` and in the older resources.
const LIMITS: &[(Attr, &str, &str)] = &[
    (Attr::UpperFatal, "UpperFatal", "UpperThresholdFatal"),
    (Attr::UpperCritical, "UpperCritical", "UpperThresholdCritical"),
    (Attr::UpperCaution, "UpperCaution", "UpperThresholdNonCritical"),
    (Attr::LowerCaution, "LowerCaution", "LowerThresholdNonCritical"),
    (Attr::LowerCritical, "LowerCritical", "LowerThresholdCritical"),
    (Attr::LowerFatal, "LowerFatal", "LowerThresholdFatal"),
];

fn old_limits(component: Component, sensor: &Resource) -> Component {
    LIMITS.iter().fold(component, |component, (attr, _, old)| sensor.tell(component, *attr, sensor.number(old)))
}

/// The name of a part within an older resource; `MemberId` is unique, and a number.
fn part_name(part: &Resource) -> String {
    let words = [part.word("Name"), part.word("MemberId")];
    words.into_iter().find(|word| !word.is_empty()).unwrap_or("unnamed").to_owned()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "bounded; watts are counted whole")]
fn watts(supply: &Resource, properties: &[&str]) -> Reading {
    let watts = |property: &&str| {
        supply.understood(property, "power", |value| value.as_f64().filter(|watts| (0.0..=1e7).contains(watts)).map(|watts| (watts as u64).into()))
    };
    Resource::first(properties.iter().map(watts))
}
