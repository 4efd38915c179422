//! Temperature sensors from `/sys/class/hwmon` and, where no hwmon driver shows them, thermal zones from `/sys/class/thermal`. Throttling is in `throttle.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::Probe;
use super::cpu_list::numbered;
use crate::described::{Described, last_step};
use crate::host::{Host, HostError};

/// The probe of temperatures.
pub(super) struct Thermal;

const HWMON: &str = "/sys/class/hwmon";
const ZONES: &str = "/sys/class/thermal";
const MILLI: f64 = 1000.0;

impl Probe for Thermal {
    fn name(&self) -> &'static str {
        "thermal"
    }

    fn describe(&self) -> &'static str {
        "Temperatures and their limits, from /sys/class/hwmon and /sys/class/thermal."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Thermal]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let (monitors, zones) = (host.list_or_none(HWMON)?, host.list_or_none(ZONES)?);
        if monitors.is_none() && zones.is_none() {
            return Err(HostError::SourceMissing(format!("{HWMON} and no {ZONES}")));
        }
        let mut found = Vec::new();
        for monitor in monitors.unwrap_or_default() {
            found.extend(sensors(host, &format!("{HWMON}/{monitor}"))?);
        }
        for zone in zones.unwrap_or_default().iter().filter(|name| numbered(name, "thermal_zone").is_some()) {
            found.extend(self::zone(host, zone)?);
        }
        Ok(found)
    }
}

/// `temp*_input` of one monitor.
fn sensors(host: &Host, folder: &str) -> Result<Vec<Component>, HostError> {
    let monitor = monitor(host, folder)?;
    let mut found = Vec::new();
    for entry in host.list(folder)? {
        let Some(sensor) = entry.strip_suffix("_input").filter(|sensor| numbered(sensor, "temp").is_some()) else { continue };
        let label = host.read_or_none(&format!("{folder}/{sensor}_label")).ok().flatten().unwrap_or_else(|| sensor.to_owned());
        let name = format!("{monitor} {}", label.trim());
        let described = Described::new(host, Kind::Thermal, name.as_str(), folder)
            .put(Attr::Name, format!("{folder}/name"), name)
            .understood(Attr::Temperature, &entry, degrees)
            .understood(Attr::TemperatureMax, &format!("{sensor}_max"), degrees)
            .understood(Attr::TemperatureCritical, &format!("{sensor}_crit"), degrees);
        found.push(described.done());
    }
    Ok(found)
}

/// The chip and the device that it is in, `nvme 0000:41:00.0`, `k10temp 0000:00:18.3`: the number of a hwmon folder changes from boot to boot.
fn monitor(host: &Host, folder: &str) -> Result<String, HostError> {
    let name = host.read_or_none(&format!("{folder}/name"))?.unwrap_or_else(|| last_step(folder.to_owned()));
    // The hwmon folder of an NVMe drive belongs to its controller, whose own `device` is the PCI function.
    for device in ["device/device", "device"] {
        match host.link(&format!("{folder}/{device}")) {
            Ok(target) => return Ok(format!("{} {}", name.trim(), last_step(target))),
            Err(error) if error.is_absent() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(name.trim().to_owned())
}

/// A zone of the platform (ACPI, a SoC). Zones that a hwmon driver shows as well have a `hwmon` folder of their own and are left out.
fn zone(host: &Host, zone: &str) -> Result<Option<Component>, HostError> {
    let folder = format!("{ZONES}/{zone}");
    let entries = host.list(&folder)?;
    if entries.iter().any(|entry| numbered(entry, "hwmon").is_some()) {
        return Ok(None);
    }
    let kind = host.read_or_none(&format!("{folder}/type"))?.unwrap_or_default();
    let critical = trip(host, &folder, &entries, "critical")?;
    let name = format!("{} {zone}", kind.trim());
    let described = Described::new(host, Kind::Thermal, name.as_str(), folder.as_str())
        .put(Attr::Name, format!("{folder}/type"), name)
        // A zone that is switched off answers EINVAL or EAGAIN; the second is an error that may pass.
        .unless_invalid(Attr::Temperature, "temp", degrees)
        .put(Attr::TemperatureMax, folder.as_str(), Reading::Absent);
    Ok(Some(
        match critical {
            Some(file) => described.understood(Attr::TemperatureCritical, &file, degrees),
            None => described.put(Attr::TemperatureCritical, folder, Reading::Absent),
        }
        .done(),
    ))
}

/// The file with the temperature of the trip point of this type.
fn trip(host: &Host, folder: &str, entries: &[String], kind: &str) -> Result<Option<String>, HostError> {
    for entry in entries {
        let Some(point) = entry.strip_suffix("_type").filter(|point| numbered(point, "trip_point_").is_some()) else { continue };
        if host.read(&format!("{folder}/{entry}"))?.trim() == kind {
            return Ok(Some(format!("{point}_temp")));
        }
    }
    Ok(None)
}

/// Millidegrees, with a sign.
fn degrees(text: &str) -> Result<Reading, String> {
    let milli: i32 = text.parse().map_err(|_| "not a number of millidegrees".to_owned())?;
    Ok((f64::from(milli) / MILLI).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(snapshot: &str) -> Vec<Component> {
        Thermal.probe(&Host::from_snapshot(snapshot).expect("a fixture")).expect("looked")
    }

    #[test]
    fn sensors_are_known_by_chip_device_and_label() {
        let all = found(
            "/sys/class/hwmon/hwmon0/name: k10temp
             /sys/class/hwmon/hwmon0/device link: ../../../0000:00:18.3
             /sys/class/hwmon/hwmon0/temp1_input: 61500
             /sys/class/hwmon/hwmon0/temp1_label: Tctl
             /sys/class/hwmon/hwmon3/name: nvme
             /sys/class/hwmon/hwmon3/device link: ../../nvme0
             /sys/class/hwmon/hwmon3/device/device link: ../../../0000:41:00.0
             /sys/class/hwmon/hwmon3/temp1_input: -4850
             /sys/class/hwmon/hwmon3/temp1_crit: 84850
             /sys/class/hwmon/hwmon3/temp1_max: 81850
             /sys/class/hwmon/hwmon3/fan1_input: 2000",
        );
        assert_eq!(all.iter().map(|sensor| sensor.locator.as_str()).collect::<Vec<_>>(), ["k10temp 0000:00:18.3 Tctl", "nvme 0000:41:00.0 temp1"]);
        assert_eq!(all[0].reading(Attr::Temperature), &61.5.into());
        assert_eq!(all[0].reading(Attr::TemperatureCritical), &Reading::Absent);
        assert_eq!(all[1].reading(Attr::Temperature), &(-4.85).into());
        assert_eq!((all[1].reading(Attr::TemperatureMax), all[1].reading(Attr::TemperatureCritical)), (&81.85.into(), &84.85.into()));
    }

    #[test]
    fn a_zone_gives_its_critical_trip_point_and_is_not_shown_twice() {
        let all = found(
            "/sys/class/thermal/thermal_zone0/type: acpitz
             /sys/class/thermal/thermal_zone0/temp: 27800
             /sys/class/thermal/thermal_zone0/trip_point_0_type: passive
             /sys/class/thermal/thermal_zone0/trip_point_0_temp: 90000
             /sys/class/thermal/thermal_zone0/trip_point_1_type: critical
             /sys/class/thermal/thermal_zone0/trip_point_1_temp: 119000
             /sys/class/thermal/thermal_zone1/type: x86_pkg_temp
             /sys/class/thermal/thermal_zone1/temp error: EINVAL
             /sys/class/thermal/thermal_zone2/hwmon7/name: iwlwifi
             /sys/class/thermal/thermal_zone2/temp: 1
             /sys/class/thermal/cooling_device0/type: Processor",
        );
        assert_eq!(all.iter().map(|zone| zone.locator.as_str()).collect::<Vec<_>>(), ["acpitz thermal_zone0", "x86_pkg_temp thermal_zone1"]);
        assert_eq!(all[0].reading(Attr::TemperatureCritical), &119.0.into());
        assert_eq!(all[1].reading(Attr::Temperature), &Reading::Absent);
    }

    #[test]
    fn a_sensor_that_cannot_be_read_is_not_absent() {
        let all = found("/sys/class/hwmon/hwmon0/name: x\n/sys/class/hwmon/hwmon0/temp1_input error: EIO\n/sys/class/hwmon/hwmon0/temp2_input: hot");
        assert!(all.iter().all(|sensor| matches!(sensor.reading(Attr::Temperature), Reading::Unreadable(_))));
        assert_eq!(all.len(), 2);
    }

    #[test]
    fn no_sysfs_is_a_missing_source_and_no_sensor_an_empty_list() {
        let ended = |snapshot: &str| Thermal.probe(&Host::from_snapshot(snapshot).expect("a fixture"));
        assert!(matches!(ended("unmentioned: absent"), Err(HostError::SourceMissing(_))));
        assert_eq!(ended("/sys/class/hwmon list:"), Ok(Vec::new()));
        assert!(ended("/sys/class/hwmon error: EIO").is_err());
    }
}
