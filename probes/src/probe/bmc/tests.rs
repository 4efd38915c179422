//! The probes before services of several makers and generations. Shapes and property names after: DMTF mockups public-rackmount1 (Power, Thermal, Memory
//! with `DeviceLocator`) and its newer bundle DSP2043 (PowerSubsystem, ThermalSubsystem, Sensors); an iLO 5 (EthernetInterfaces, IML entries), a
//! Supermicro X10 (Memory, log entries without a severity) and an iDRAC 9 (DellAttributes, PSU slots) as recorded in github.com/spyroot/redfish_ctl.

use assay_model::component::Value as Known;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::host::{Host, HostError};

/// A service with these resources; a text in place of a resource is what the snapshot says instead.
fn service(resources: &[(&str, Value)]) -> Host {
    let entry = |(path, resource): &(&str, Value)| match resource.as_str() {
        Some(instead) => format!("redfish:{path} {instead}\n"),
        None => {
            let text: Vec<String> = format!("{resource:#}").lines().map(|line| format!("|{line}\n")).collect();
            format!("redfish:{path}:\n{}", text.concat())
        }
    };
    Host::from_snapshot(&resources.iter().map(entry).collect::<String>()).expect("a fixture")
}

fn link(path: &str) -> Value {
    json!({"@odata.id": path})
}

fn collection(paths: &[&str]) -> Value {
    json!({"Members": paths.iter().map(|path| link(path)).collect::<Vec<_>>(), "Members@odata.count": paths.len()})
}

const ROOT: &str = "/redfish/v1/";

fn root() -> (&'static str, Value) {
    let root = json!({
        "Systems": link("/redfish/v1/Systems"), "Chassis": link("/redfish/v1/Chassis"), "Managers": link("/redfish/v1/Managers"),
        "UpdateService": link("/redfish/v1/UpdateService")
    });
    (ROOT, root)
}

fn ok() -> Value {
    json!({"State": "Enabled", "Health": "OK"})
}

fn found<'a>(components: &'a [Component], kind: Kind, locator: &str) -> &'a Component {
    let names: Vec<String> = components.iter().map(|component| format!("{} {}", component.kind, component.locator)).collect();
    components
        .iter()
        .find(|component| component.kind == kind && component.locator == locator)
        .unwrap_or_else(|| panic!("{kind} {locator} in {names:?}"))
}

fn is_unreadable(reading: &Reading) -> bool {
    matches!(reading, Reading::Unreadable(_))
}

const ALL: &[&dyn Probe] = &[&Bmc, &Inventory, &Sensors, &Log, &Bios];

#[test]
fn without_an_endpoint_there_is_no_source() {
    for probe in ALL {
        let ended = probe.probe(&Host::from_snapshot("unmentioned: absent").expect("a fixture"));
        assert_eq!(ended, Err(HostError::SourceMissing("Redfish service (no BMC endpoint is configured)".into())), "{}", probe.name());
    }
}

#[test]
fn a_service_that_does_not_answer_is_no_missing_one() {
    for (said, word) in
        [("failed: 401 Unauthorized", "401"), ("failed: connection refused", "refused"), ("<html>", "no JSON"), ("[]", "no JSON object")]
    {
        let host = Host::from_snapshot(&format!("redfish:{ROOT}: {said}")).expect("a fixture");
        for probe in ALL {
            let error = probe.probe(&host).expect_err("it could not look");
            assert!(!matches!(error, HostError::SourceMissing(_)) && error.to_string().contains(word), "{error}");
        }
    }
    let refused = Host::from_snapshot(&format!("redfish:{ROOT} error: EIO")).expect("a fixture");
    assert!(matches!(Bmc.probe(&refused), Err(HostError::Refused { .. })));
}

#[test]
fn a_service_with_nothing_in_it_is_empty_and_no_error() {
    for probe in [&Bmc as &dyn Probe, &Inventory, &Sensors, &Log] {
        assert_eq!(probe.probe(&service(&[(ROOT, json!({"Id": "RootService"}))])), Ok(Vec::new()), "{}", probe.name());
    }
    assert!(matches!(Bios.probe(&service(&[(ROOT, json!({}))])), Err(HostError::SourceMissing(_))));
}

fn one_manager(manager: Value, more: &[(&str, Value)]) -> Vec<Component> {
    let mut resources = vec![root(), ("/redfish/v1/Managers", collection(&["/redfish/v1/Managers/1"])), ("/redfish/v1/Managers/1", manager)];
    resources.extend(more.iter().map(|(path, resource)| (*path, resource.clone())));
    Bmc.probe(&service(&resources)).expect("looked")
}

#[test]
fn managers_systems_and_their_clock_are_read() {
    let manager = json!({"Id": "1", "Model": "ASPEED", "FirmwareVersion": "01.05.02", "DateTime": "2026-11-22T09:30:00Z", "Status": ok()});
    let host = json!({
        "Id": "1", "Manufacturer": "Supermicro", "SerialNumber": "A1", "UUID": "0b5c6a62-5f3c-4c4b-9d7a-6e1ea0a6a0a1", "BiosVersion": "3.4",
        "PowerState": "On", "ProcessorSummary": {"Count": 2}, "MemorySummary": {"TotalSystemMemoryGiB": 2304.5},
        "Status": {"State": "Enabled", "Health": null, "HealthRollup": "Warning"}
    });
    let systems = [("/redfish/v1/Systems", collection(&["/redfish/v1/Systems/1"])), ("/redfish/v1/Systems/1", host), ("clock", "clock".into())];
    let mut components = one_manager(manager.clone(), &systems[..2]);
    let host = found(&components, Kind::BmcHost, "1");
    assert_eq!(host.reading(Attr::Processors), &2_u64.into());
    assert_eq!(host.reading(Attr::Total), &(2304_u64 * (1 << 30) + (1 << 29)).into());
    assert_eq!((host.reading(Attr::Health), host.reading(Attr::HealthRollup)), (&Reading::Absent, &"Warning".into()));
    assert_eq!(host.source(Attr::Firmware), "redfish:/redfish/v1/Systems/1");
    // What the clock said is an answer of its own; this fixture has none.
    assert_eq!(found(&components, Kind::Bmc, "1").reading(Attr::ClockDeviation), &Reading::Absent);
    for (said, reading) in [
        (": node 2026-11-22T09:30:00Z bmc 2026-11-22T10:30:01.5+01:00", Reading::from(1_500_000_000_u64)),
        (": node 2026-11-22T09:30:00Z bmc 1970-01-01T00:00:00Z", 1_795_339_800_000_000_000_u64.into()),
        (": node 2026-11-22T09:30:00Z", Reading::Absent),
    ] {
        let text = format!(
            "redfish:clock{said}\nredfish:{ROOT}: {}\nredfish:/redfish/v1/Managers: {}\nredfish:/redfish/v1/Managers/1: {manager}",
            root().1,
            collection(&["/redfish/v1/Managers/1"])
        );
        components = Bmc.probe(&Host::from_snapshot(&text).expect("a fixture")).expect("looked");
        assert_eq!(found(&components, Kind::Bmc, "1").reading(Attr::ClockDeviation), &reading, "{said}");
        let torn = Host::from_snapshot(&text.replace(said, ": node yesterday bmc 3")).expect("a fixture");
        assert!(is_unreadable(Bmc.probe(&torn).expect("looked")[0].reading(Attr::ClockDeviation)));
    }
}

#[test]
fn the_mode_of_a_port_is_found_in_the_words_of_each_maker() {
    let ports = |port: Value, manager: Value, more: &[(&str, Value)]| {
        let mut manager = manager;
        manager["Id"] = "1".into();
        manager["EthernetInterfaces"] = link("/redfish/v1/Managers/1/EthernetInterfaces");
        let mut resources = vec![
            ("/redfish/v1/Managers/1/EthernetInterfaces", collection(&["/redfish/v1/Managers/1/EthernetInterfaces/1"])),
            ("/redfish/v1/Managers/1/EthernetInterfaces/1", port),
        ];
        resources.extend(more.iter().map(|(path, resource)| (*path, resource.clone())));
        found(&one_manager(manager, &resources), Kind::BmcPort, "1/1").clone()
    };
    let mode = |port: Value| ports(json!({"Id": "1", "Oem": port}), json!({}), &[]).reading(Attr::PortMode).clone();
    assert_eq!(mode(json!({"Hpe": {"InterfaceType": "Shared", "NICEnabled": false}})), "Shared".into());
    assert_eq!(mode(json!({"Lenovo": {"InterfaceNicMode": {"NicMode": "Dedicated"}}})), "Dedicated".into());
    assert_eq!(mode(json!({"Lenovo": {"InterfaceNicMode": "Dedicated"}})), "Dedicated".into());
    assert_eq!(mode(json!({"Supermicro": {"LANInterface": "Failover"}})), "Failover".into());
    assert_eq!(mode(json!({"Supermicro": {"VLAN": 3}})), Reading::Absent);
    assert_eq!(mode(json!(null)), Reading::Absent);
    let linked = |to: &str| ports(json!({"Id": "1", "Links": {"Ports": [link(to)]}}), json!({}), &[]).reading(Attr::PortMode).clone();
    assert_eq!(linked("/redfish/v1/Managers/1/DedicatedNetworkPorts/1"), "Dedicated".into());
    assert_eq!(linked("/redfish/v1/Managers/1/SharedNetworkPorts/1"), "Shared".into());
    assert_eq!(linked("/redfish/v1/Somewhere/1"), Reading::Absent);
    let idrac = json!({"Links": {"Oem": {"Dell": {"DellAttributes": [link("/redfish/v1/Attributes/System"), link("/redfish/v1/Attributes/1")]}}}});
    let attributes = |attributes: Value| ports(json!({"Id": "1"}), idrac.clone(), &[("/redfish/v1/Attributes/1", attributes)]);
    let said = attributes(json!({"Attributes": {"CurrentNIC.1.Selection": "LOM1", "NIC.1.Selection": "Dedicated"}}));
    assert_eq!(said.reading(Attr::PortMode), &"LOM1".into());
    for (current, configured, detects, expected) in [
        ("Dedicated", "Dedicated", "Disabled", "Dedicated"),
        ("Dedicated", "LOM2", "Disabled", "LOM2"),
        ("Dedicated", "Dedicated", "Enabled", "Failover (AutoDetect)"),
    ] {
        let all = json!({"CurrentNIC.1.Selection": current, "NIC.1.Selection": configured, "NIC.1.AutoDetect": detects});
        assert_eq!(attributes(json!({"Attributes": all})).reading(Attr::PortMode), &expected.into());
    }
    assert!(is_unreadable(attributes("error: EIO".into()).reading(Attr::PortMode)));
    let full =
        json!({"Id": "1", "MACAddress": "3c:ec:ef:00:00:01", "InterfaceEnabled": true, "LinkStatus": "LinkUp", "SpeedMbps": 1000, "Status": ok()});
    let full = ports(full, json!({}), &[]);
    assert_eq!((full.reading(Attr::Carrier), full.reading(Attr::PortEnabled)), (&true.into(), &true.into()));
    assert_eq!(full.reading(Attr::Speed), &1_000_000_000_u64.into());
    let down = ports(json!({"Id": "1", "LinkStatus": "LinkDown", "InterfaceEnabled": "yes"}), json!({}), &[]);
    assert_eq!(down.reading(Attr::Carrier), &false.into());
    assert!(is_unreadable(down.reading(Attr::PortEnabled)));
}

fn one_system(system: Value, more: &[(&str, Value)], probe: &dyn Probe) -> Result<Vec<Component>, HostError> {
    let mut resources = vec![root(), ("/redfish/v1/Systems", collection(&["/redfish/v1/Systems/1"])), ("/redfish/v1/Systems/1", system)];
    resources.extend(more.iter().map(|(path, resource)| (*path, resource.clone())));
    probe.probe(&service(&resources))
}

#[test]
fn processors_and_modules_are_read_in_old_and_new_schemas() {
    let system = json!({"Id": "1", "Processors": link("/p"), "Memory": link("/m")});
    let components = one_system(
        system,
        &[
            ("/p", collection(&["/p/1", "/p/2", "/p/gpu"])),
            (
                "/p/1",
                json!({"Id": "1", "Socket": "CPU1", "ProcessorType": "CPU", "Model": "AMD EPYC 9554", "TotalCores": 64, "TotalThreads": 128, "Status": ok()}),
            ),
            ("/p/2", json!({"Id": "2", "Socket": "CPU2", "ProcessorType": "CPU", "Model": null, "Status": {"State": "Absent"}})),
            ("/p/gpu", json!({"Id": "gpu", "ProcessorType": "GPU", "Model": "A16"})),
            ("/m", collection(&["/m/1", "/m/2", "/m/3", "/m/4", "/m/5"])),
            (
                "/m/1",
                json!({"Id": "1", "DeviceLocator": "DIMMA1", "CapacityMiB": 16384, "SerialNumber": "16E1FD76", "PartNumber": "36ASF2G72PZ-2G1B1", "OperatingSpeedMhz": 2133, "RankCount": 1, "Status": ok()}),
            ),
            (
                "/m/2",
                json!({"Id": "2", "Location": {"PartLocation": {"ServiceLabel": "P1-DIMMB1"}}, "DeviceLocator": "old", "CapacityMiB": null, "SerialNumber": "NO DIMM", "Status": {"State": "Absent", "Health": null}}),
            ),
            ("/m/3", json!({"Id": "3", "Name": "P1-DIMMC1", "CapacityMiB": 0})),
            ("/m/4", json!({"Id": "4", "Name": "P1-DIMMD1", "CapacityMiB": "96 GB"})),
            ("/m/5", "error: EIO".into()),
        ],
        &Inventory,
    );
    let components = components.expect("looked");
    assert_eq!(components.iter().filter(|component| component.kind == Kind::BmcCpu).count(), 2, "a GPU is no processor of the host");
    let first = found(&components, Kind::BmcDimm, "DIMMA1");
    assert_eq!((first.reading(Attr::Capacity), first.reading(Attr::ConfiguredSpeed)), (&(16_u64 << 30).into(), &2133_u64.into()));
    assert_eq!((first.reading(Attr::Populated), first.reading(Attr::Ranks)), (&true.into(), &1_u64.into()));
    let empty = found(&components, Kind::BmcDimm, "P1-DIMMB1");
    assert_eq!(
        (empty.reading(Attr::Populated), empty.reading(Attr::Capacity), empty.reading(Attr::Serial)),
        (&false.into(), &Reading::Absent, &Reading::Absent)
    );
    assert_eq!(found(&components, Kind::BmcDimm, "P1-DIMMC1").reading(Attr::Populated), &false.into());
    assert!(is_unreadable(found(&components, Kind::BmcDimm, "P1-DIMMD1").reading(Attr::Capacity)));
    assert!(is_unreadable(found(&components, Kind::BmcDimm, "5").reading(Attr::Populated)), "listed and refused is not absent");
    let second = found(&components, Kind::BmcCpu, "CPU2");
    assert_eq!(second.reading(Attr::Populated), &false.into());
}

#[test]
fn a_collection_that_cannot_be_read_is_not_an_empty_one() {
    let system = json!({"Id": "1", "Memory": link("/m")});
    for broken in [json!("error: EIO"), json!({"Id": "no members"}), json!({"Members": {}})] {
        assert!(one_system(system.clone(), &[("/m", broken)], &Inventory).is_err());
    }
    // A link into nothing is a service that has none; a member into nothing is a member that is lost.
    assert_eq!(one_system(system.clone(), &[], &Inventory), Ok(Vec::new()));
    let lost = one_system(system, &[("/m", collection(&["/m/1"]))], &Inventory).expect("looked");
    assert!(is_unreadable(found(&lost, Kind::BmcDimm, "1").reading(Attr::Capacity)));
}

#[test]
fn pages_are_followed_to_their_end_and_never_in_a_circle() {
    let paged = |pages: &[(&str, Value)]| one_system(json!({"Id": "1", "Memory": link("/m")}), pages, &Inventory);
    let page =
        |member: &str, next: Value| json!({"Members": [{"@odata.id": member, "Id": member, "CapacityMiB": 1}], "Members@odata.nextLink": next});
    let both = paged(&[("/m", page("/a", "/m?$skip=1".into())), ("/m?$skip=1", page("/b", Value::Null))]).expect("looked");
    assert_eq!(both.len(), 2);
    for next in [json!("/m"), json!("/m?$skip=1"), json!("https://evil.example/m"), json!(3)] {
        let error = paged(&[("/m", page("/a", "/m?$skip=1".into())), ("/m?$skip=1", page("/b", next.clone()))]).expect_err("no end");
        assert!(matches!(error, HostError::Malformed { .. }), "{next}: {error}");
    }
    assert!(paged(&[("/m", page("/a", "/gone".into()))]).is_err(), "half of a collection is none");
    let endless: Vec<Value> = (0..5000).map(|n| json!({"Id": n.to_string(), "CapacityMiB": 1})).collect();
    assert!(paged(&[("/m", json!({"Members": endless}))]).is_err());
}

fn one_chassis(chassis: Value, more: &[(&str, Value)]) -> Result<Vec<Component>, HostError> {
    let mut resources = vec![root(), ("/redfish/v1/Chassis", collection(&["/redfish/v1/Chassis/1"])), ("/redfish/v1/Chassis/1", chassis)];
    resources.extend(more.iter().map(|(path, resource)| (*path, resource.clone())));
    Sensors.probe(&service(&resources))
}

fn old_power() -> (&'static str, Value) {
    let power = json!({
        "PowerSupplies": [
            {"MemberId": "0", "Name": "PSU1", "SerialNumber": "P1", "FirmwareVersion": "1.2", "PowerCapacityWatts": 2000, "LastPowerOutputWatts": 310.7, "Status": ok()},
            {"MemberId": "1", "Name": "PSU2", "PowerCapacityWatts": null, "LastPowerOutputWatts": null, "Status": {"State": "Absent"}}
        ],
        "Redundancy": [{"MemberId": "0", "Mode": "N+m", "MinNumNeeded": 1, "RedundancySet": [link("/a"), link("/b")], "Status": ok()}],
        "Voltages": [{"Name": "12V", "ReadingVolts": 12.06, "UpperThresholdCritical": 13.2, "LowerThresholdCritical": 10.8, "Status": ok()}]
    });
    ("/power", power)
}

fn old_thermal() -> (&'static str, Value) {
    let thermal = json!({
        "Temperatures": [
            {"Name": "CPU1 Temp", "ReadingCelsius": 61, "UpperThresholdCritical": 95, "Status": ok()},
            {"Name": "CPU1 Temp", "ReadingCelsius": null, "Status": {"State": "Disabled"}}
        ],
        "Fans": [{"Name": "FAN1", "Reading": 8400, "ReadingUnits": "RPM", "LowerThresholdCritical": 300, "Status": ok()}, {"FanName": "FAN2", "CurrentReading": 30, "Units": "Percent", "Status": ok()}],
        "Redundancy": []
    });
    ("/thermal", thermal)
}

#[test]
fn an_older_chassis_tells_its_power_and_its_temperatures() {
    let found_all =
        one_chassis(json!({"Id": "1", "Power": link("/power"), "Thermal": link("/thermal")}), &[old_power(), old_thermal()]).expect("looked");
    let first = found(&found_all, Kind::Psu, "1/PSU1");
    assert_eq!((first.reading(Attr::PowerCapacity), first.reading(Attr::PowerOutput)), (&2000_u64.into(), &310_u64.into()));
    assert_eq!(found(&found_all, Kind::Psu, "1/PSU2").reading(Attr::State), &"Absent".into());
    let group = found(&found_all, Kind::Redundancy, "1/power 0");
    assert_eq!((group.reading(Attr::RedundancyNeeded), group.reading(Attr::RedundancyMembers)), (&1_u64.into(), &2_u64.into()));
    let fan = found(&found_all, Kind::Fan, "1/FAN1");
    assert_eq!((fan.reading(Attr::SensorReading), fan.reading(Attr::LowerCritical)), (&8400.0.into(), &300.0.into()));
    assert_eq!(found(&found_all, Kind::Fan, "1/FAN2").reading(Attr::SensorUnit), &"Percent".into());
    let hot = found(&found_all, Kind::BmcSensor, "1/CPU1 Temp");
    assert_eq!((hot.reading(Attr::SensorReading), hot.reading(Attr::UpperCritical)), (&61.0.into(), &95.0.into()));
    let second = found(&found_all, Kind::BmcSensor, "1/CPU1 Temp #2");
    assert_eq!((second.reading(Attr::SensorReading), second.reading(Attr::State)), (&Reading::Absent, &"Disabled".into()), "null is not 0");
    assert_eq!(found(&found_all, Kind::BmcSensor, "1/12V").value(Attr::SensorType), Some(&Known::from("Voltage")));
}

#[test]
fn a_newer_chassis_is_asked_for_its_subsystems_and_not_told_twice() {
    let chassis = json!({
        "Id": "1", "Power": link("/power"), "Thermal": link("/thermal"), "PowerSubsystem": link("/ps"), "ThermalSubsystem": link("/ts"), "Sensors": link("/s")
    });
    let new = [
        (
            "/ps",
            json!({"PowerSupplies": link("/ps/all"), "PowerSupplyRedundancy": [{"RedundancyType": "NPlusM", "MinNeededInGroup": 1, "RedundancyGroup": [link("/ps/1"), link("/ps/2")], "Status": ok()}]}),
        ),
        ("/ps/all", collection(&["/ps/1", "/ps/2"])),
        ("/ps/1", json!({"Id": "1", "PowerCapacityWatts": 2600, "Status": ok()})),
        ("/ps/2", "error: EIO".into()),
        ("/ts", json!({"Fans": link("/ts/all"), "FanRedundancy": [{"MinNeededInGroup": null, "RedundancyGroup": [], "Status": ok()}]})),
        ("/ts/all", collection(&["/ts/1", "/ts/2"])),
        ("/ts/1", json!({"Id": "F1", "SpeedPercent": {"Reading": 45, "SpeedRPM": 8200}, "Status": ok()})),
        ("/ts/2", json!({"Id": "F2", "SpeedPercent": {"Reading": 45}, "Status": ok()})),
        ("/s", collection(&["/s/1", "/s/2"])),
        (
            "/s/1",
            json!({"Id": "t1", "ReadingType": "Temperature", "Reading": 40.5, "ReadingUnits": "Cel", "Thresholds": {"UpperCritical": {"Reading": 95}, "LowerCritical": null}, "Status": ok()}),
        ),
        ("/s/2", json!({"Id": "v1", "ReadingType": "Voltage", "Reading": 12.1, "ReadingUnits": "V", "Status": ok()})),
    ];
    let all: Vec<_> = new.iter().cloned().chain([old_power(), old_thermal()]).collect();
    let found_all = one_chassis(chassis.clone(), &all).expect("looked");
    let count = |components: &[Component], kind| components.iter().filter(|component| component.kind == kind).count();
    assert_eq!([Kind::Psu, Kind::Fan, Kind::BmcSensor, Kind::Redundancy].map(|kind| count(&found_all, kind)), [2, 2, 2, 2]);
    assert!(is_unreadable(found(&found_all, Kind::Psu, "1/2").reading(Attr::Health)));
    assert_eq!(found(&found_all, Kind::Fan, "1/F1").reading(Attr::SensorUnit), &"RPM".into());
    assert_eq!(found(&found_all, Kind::Redundancy, "1/fans 0").reading(Attr::RedundancyMembers), &0_u64.into());
    let sensor = found(&found_all, Kind::BmcSensor, "1/t1");
    assert_eq!((sensor.reading(Attr::UpperCritical), sensor.reading(Attr::LowerCritical)), (&95.0.into(), &Reading::Absent));

    // Subsystems that are there and empty, as on services in between: what the older resources say counts.
    let hollow = [("/ps", json!({"PowerSupplies": link("/none")})), ("/ts", json!({})), ("/s", collection(&[])), old_power(), old_thermal()];
    let found_all = one_chassis(chassis.clone(), &hollow).expect("looked");
    assert_eq!([Kind::Psu, Kind::Fan, Kind::BmcSensor].map(|kind| count(&found_all, kind)), [2, 2, 3]);
    for (broken, _) in [("/ps", 0), ("/ts", 0), ("/s", 0)] {
        let all: Vec<_> = all.iter().map(|(path, resource)| (*path, if *path == broken { "error: EIO".into() } else { resource.clone() })).collect();
        assert!(one_chassis(chassis.clone(), &all).is_err(), "{broken}");
    }
}

#[test]
fn entries_that_are_not_plainly_harmless_are_told() {
    let system = json!({"Id": "1", "LogServices": link("/l")});
    let found_all = one_system(
        system,
        &[
            ("/l", collection(&["/l/Log1", "/l/Journal", "/l/IML"])),
            (
                "/l/Log1",
                json!({"Id": "Log1", "OverWritePolicy": "WrapsWhenFull", "MaxNumberOfRecords": 512, "Entries": link("/l/Log1/Entries"), "Status": ok()}),
            ),
            ("/l/Log1/Entries", collection(&["/e/1", "/e/2", "/e/3", "/e/4", "/e/5"])),
            ("/e/1", json!({"Id": "1", "Severity": "OK", "Message": "System boot"})),
            ("/e/2", json!({"Id": "2", "Severity": "Critical", "Created": "2026-10-01T00:00:00Z", "Message": "PSU2 AC lost", "Resolved": false})),
            // A Supermicro X10 gives entries no severity.
            ("/e/3", json!({"Id": "3", "EntryCode": "Assert", "Created": "2018-08-12T12:46:19+00:00", "Message": "[ OEM ] Correctable ECC @DIMMB1"})),
            ("/e/4", json!({"Id": "4", "Severity": "Warning", "Oem": {"Hpe": {"Repaired": true}}})),
            ("/e/5", "error: EIO".into()),
            ("/l/IML", json!({"Id": "IML", "Entries": link("/l/IML/Entries")})),
            ("/l/IML/Entries", "error: EIO".into()),
            ("/l/Journal", json!({"Id": "Journal", "Entries": link("/never-asked")})),
        ],
        &Log,
    );
    let found_all = found_all.expect("looked");
    let log = found(&found_all, Kind::BmcLog, "1/Log1");
    assert_eq!((log.reading(Attr::LogEntries), log.reading(Attr::LogCapacity)), (&5_u64.into(), &512_u64.into()));
    assert!(is_unreadable(found(&found_all, Kind::BmcLog, "1/IML").reading(Attr::LogEntries)));
    let entries = found_all.iter().filter(|component| component.kind == Kind::BmcLogEntry).count();
    assert_eq!((entries, found_all.len()), (4, 6), "the harmless entry and the journal are not told");
    let lost_power = found(&found_all, Kind::BmcLogEntry, "1/Log1/2");
    assert_eq!((lost_power.reading(Attr::Severity), lost_power.reading(Attr::Resolved)), (&"Critical".into(), &false.into()));
    assert_eq!(found(&found_all, Kind::BmcLogEntry, "1/Log1/3").reading(Attr::Severity), &Reading::Absent);
    assert_eq!(found(&found_all, Kind::BmcLogEntry, "1/Log1/4").reading(Attr::Resolved), &true.into());
    assert!(is_unreadable(found(&found_all, Kind::BmcLogEntry, "1/Log1/5").reading(Attr::Severity)));
}

#[test]
fn of_the_logs_of_a_manager_only_that_of_the_hardware_is_told() {
    let resources = [
        root(),
        ("/redfish/v1/Managers", collection(&["/m/1"])),
        ("/m/1", json!({"Id": "iDRAC", "LogServices": link("/m/l")})),
        ("/m/l", collection(&["/m/l/Sel", "/m/l/Lclog", "/m/l/IEL"])),
        ("/m/l/Sel", json!({"Id": "Sel", "LogEntryType": "SEL", "Entries": link("/m/l/Sel/Entries")})),
        ("/m/l/Sel/Entries", json!({"Members": [{"Id": "1", "Severity": "Critical", "Message": "CPU 1 has a thermal trip."}]})),
        ("/m/l/Lclog", json!({"Id": "Lclog", "Entries": link("/never")})),
        ("/m/l/IEL", json!({"Id": "IEL", "Entries": link("/never")})),
    ];
    let found_all = Log.probe(&service(&resources)).expect("looked");
    assert_eq!(found_all.len(), 2);
    assert_eq!(found(&found_all, Kind::BmcLogEntry, "iDRAC/Sel/1").reading(Attr::Severity), &"Critical".into());
}

#[test]
fn firmware_and_firmware_settings_are_read() {
    let resources = [
        root(),
        ("/redfish/v1/UpdateService", json!({"FirmwareInventory": link("/f")})),
        ("/f", collection(&["/f/BIOS", "/f/BMC"])),
        ("/f/BIOS", json!({"Id": "BIOS", "Name": "BIOS Firmware", "Version": "3.4", "Status": ok()})),
        ("/f/BMC", json!({"Id": "BMC", "Version": null})),
    ];
    let found_all = Inventory.probe(&service(&resources)).expect("looked");
    assert_eq!(found(&found_all, Kind::BmcFirmware, "BIOS").reading(Attr::Firmware), &"3.4".into());
    assert_eq!(found(&found_all, Kind::BmcFirmware, "BMC").reading(Attr::Firmware), &Reading::Absent);

    let bios = |more: &[(&str, Value)]| one_system(json!({"Id": "1", "Bios": link("/b")}), more, &Bios).expect("looked");
    let settings = json!({
        "Attributes": {"NumaNodesPerSocket": "NPS1", "SmtControl": true, "Boost": 3, "Nothing": null, "List": []},
        "@Redfish.Settings": {"SettingsObject": link("/b/SD")}
    });
    let waiting = bios(&[("/b", settings.clone()), ("/b/SD", json!({"Attributes": {"NumaNodesPerSocket": "NPS4", "SmtControl": true}}))]);
    let nps = found(&waiting, Kind::BiosSetting, "NumaNodesPerSocket");
    assert_eq!((nps.reading(Attr::Setting), nps.reading(Attr::SettingPending)), (&"NPS1".into(), &"NPS4".into()));
    let smt = found(&waiting, Kind::BiosSetting, "SmtControl");
    assert_eq!((smt.reading(Attr::Setting), smt.reading(Attr::SettingPending)), (&"true".into(), &Reading::Absent));
    assert_eq!(found(&waiting, Kind::BiosSetting, "Boost").reading(Attr::Setting), &"3".into());
    assert!(is_unreadable(found(&waiting, Kind::BiosSetting, "List").reading(Attr::Setting)));
    assert_eq!(waiting.len(), 4);
    let unread = bios(&[("/b", settings), ("/b/SD", "error: EIO".into())]);
    assert!(is_unreadable(found(&unread, Kind::BiosSetting, "SmtControl").reading(Attr::SettingPending)));
    assert!(matches!(one_system(json!({"Id": "1"}), &[], &Bios), Err(HostError::SourceMissing(_))));
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "(OK|Critical|Absent|Enabled|/a|/b|CPU|[ -~äß]{0,8})".prop_map(Value::from),
    ];
    let names = "(@odata\\.id|Members|Members@odata\\.nextLink|Systems|Chassis|Managers|Memory|Processors|Sensors|Power|Thermal|PowerSupplies|Fans|\
                 Temperatures|LogServices|Entries|Bios|Attributes|Status|State|Health|Severity|Reading|ReadingCelsius|CapacityMiB|Id|Name|Oem|Links|\
                 EthernetInterfaces|Redundancy|UpdateService|FirmwareInventory|DateTime)";
    leaf.prop_recursive(6, 60, 6, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((names, inner), 0..6).prop_map(|properties| Value::Object(properties.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_a_service_says_nothing_panics(root in any_json(), a in any_json(), b in any_json()) {
        let host = service(&[(ROOT, json!({"x": root.clone()})), ("/a", json!({"Members": [a, {"@odata.id": "/b"}], "Id": "a"})), ("/b", json!({"b": b.clone()}))]);
        ALL.iter().for_each(|probe| drop(probe.probe(&host)));
        let mut wired = json!({"Systems": {"@odata.id": "/a"}, "Chassis": {"@odata.id": "/a"}, "Managers": {"@odata.id": "/a"}, "UpdateService": {"@odata.id": "/b"}});
        if let Value::Object(more) = root {
            wired.as_object_mut().expect("an object").extend(more);
        }
        let resource = if b.is_object() { b } else { json!({"Memory": {"@odata.id": "/a"}, "LogServices": {"@odata.id": "/a"}, "Sensors": {"@odata.id": "/a"}}) };
        let host = service(&[(ROOT, wired), ("/a", json!({"Members": [{"@odata.id": "/b"}]})), ("/b", resource)]);
        ALL.iter().for_each(|probe| drop(probe.probe(&host)));
    }
}
