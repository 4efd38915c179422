//! The checks of the management controller: planted faults that each must catch, healthy controllers of several makers that none may accuse, and answers
//! that prove nothing.

use assay_model::component::Reading;
use assay_model::inventory::ProbeEnded;
use assay_model::site::declared::{Acknowledged, Setting};
use assay_model::verdict::Rank;

use super::*;
use crate::check::planted::{GIB, Node, component, generic, rank, strict, unreadable};

type Ask = fn(&Inventory, &Site) -> Vec<Check>;

const SERIAL: &str = "S452716X3A00001";
const UUID: &str = "3a1f9c00-6b5e-11ee-8000-7cc2555d1a2e";

fn module(kind: Kind, slot: &str, number: u64) -> Component {
    let serial = format!("80AD0122350000{number:02}");
    component(
        kind,
        slot,
        &[
            (Attr::Slot, slot.into()),
            (Attr::Populated, true.into()),
            (Attr::Capacity, (96 * GIB).into()),
            (Attr::Serial, serial.into()),
            (Attr::PartNumber, "HMCGY4MHBRB489N".into()),
        ],
    )
}

fn ok(kind: Kind, locator: &str, more: &[(Attr, Reading)]) -> Component {
    component(kind, locator, &[&[(Attr::State, "Enabled".into()), (Attr::Health, "OK".into())], more].concat())
}

/// A healthy server with a healthy controller.
fn managed() -> Node {
    let mut node = Node::healthy().without(Kind::Dimm);
    let identity = [(Attr::Serial, SERIAL.into()), (Attr::Uuid, UUID.into()), (Attr::Firmware, "3.5".into())];
    node = node.with(component(Kind::Board, "node", &identity));
    let host = [&identity[..], &[(Attr::HealthRollup, "OK".into()), (Attr::PowerState, "On".into())]].concat();
    node = node.with(ok(Kind::BmcHost, "1", &host));
    node = node.with(ok(Kind::Bmc, "1", &[(Attr::Firmware, "01.05.02".into()), (Attr::ClockDeviation, 800_000_000_u64.into())]));
    node = node.with(component(
        Kind::BmcPort,
        "1/1",
        &[(Attr::PortMode, "Dedicated".into()), (Attr::PortEnabled, true.into()), (Attr::Carrier, true.into()), (Attr::State, "Enabled".into())],
    ));
    for number in 1..=24 {
        let slot = format!("P{}-DIMM{}1", (number - 1) / 12 + 1, char::from(b'A' + u8::try_from((number - 1) % 12).expect("small")));
        node = node.with(module(Kind::Dimm, &slot, number)).with(module(Kind::BmcDimm, &slot, number));
    }
    node = node.with(component(Kind::Dimm, "P1-DIMMA2", &[(Attr::Populated, false.into())]));
    for socket in ["CPU1", "CPU2"] {
        let facts = [(Attr::Populated, true.into()), (Attr::Model, "AMD EPYC 9534".into()), (Attr::Cores, 64_u64.into())];
        node = node.with(ok(Kind::BmcCpu, socket, &facts));
        node = node.with(ok(Kind::Psu, &format!("1/PSU{}", &socket[3..]), &[(Attr::PowerCapacity, 2600_u64.into())]));
    }
    for fan in 1..=4 {
        let facts = [(Attr::SensorReading, 8400.0.into()), (Attr::SensorUnit, "RPM".into()), (Attr::LowerCritical, 420.0.into())];
        node = node.with(ok(Kind::Fan, &format!("1/FAN{fan}"), &facts));
    }
    node.with(ok(Kind::Redundancy, "1/power 0", &[(Attr::RedundancyNeeded, 1_u64.into()), (Attr::RedundancyMembers, 2_u64.into())]))
        .with(ok(Kind::BmcSensor, "1/CPU1 Temp", &temperature(61.0)))
        .with(ok(
            Kind::BmcSensor,
            "1/12V",
            &[(Attr::SensorType, "Voltage".into()), (Attr::SensorReading, 12.1.into()), (Attr::LowerCritical, 10.8.into())],
        ))
        .with(component(Kind::BmcSensor, "1/GPU9 Temp", &[(Attr::State, "Absent".into()), (Attr::UpperCritical, 95.0.into())]))
        .with(component(Kind::BmcLog, "1/Log1", &[(Attr::LogEntries, 0_u64.into())]))
        .with(ok(Kind::BmcFirmware, "BIOS", &[(Attr::Firmware, "3.5".into())]))
        .with(component(Kind::BiosSetting, "NPS", &[(Attr::Setting, "NPS1".into()), (Attr::SettingPending, Reading::Absent)]))
        .with(component(Kind::BiosSetting, "SMT", &[(Attr::Setting, "true".into()), (Attr::SettingPending, Reading::Absent)]))
}

fn temperature(now: f64) -> [(Attr, Reading); 3] {
    [(Attr::SensorType, "Temperature".into()), (Attr::SensorReading, now.into()), (Attr::UpperCritical, 95.0.into())]
}

fn declaring(declare: impl FnOnce(&mut assay_model::site::declared::Bmc)) -> Site {
    let mut site = strict();
    declare(&mut site.declared.bmc);
    site
}

fn pinned() -> Site {
    declaring(|bmc| {
        bmc.settings.insert("NPS".into(), Setting::Text("NPS1".into()));
        bmc.settings.insert("SMT".into(), Setting::Flag(true));
        bmc.firmware.insert("BIOS".into(), "3.5".into());
        bmc.firmware.insert("BMC".into(), "01.05.02".into());
        bmc.power_supplies = Some(2);
        bmc.fans = Some(4);
    })
}

const ALL: &[Ask] = &[health, dedicated_port, inventory_agrees, bios_profile, pinned_firmware, clock];

fn at(node: &Node, site: &Site, ask: Ask) -> Rank {
    rank(&ask(&node.0, site))
}

/// The answers that are not a pass, by subject.
fn accused(node: &Node, site: &Site, ask: Ask) -> Vec<(String, Rank)> {
    let found = ask(&node.0, site).into_iter().filter(|check| check.verdict.rank() != Rank::Pass);
    found.map(|check| (check.subject, check.verdict.rank())).collect()
}

fn only(subject: &str, rank: Rank) -> Vec<(String, Rank)> {
    vec![(subject.to_owned(), rank)]
}

#[test]
fn a_healthy_node_is_not_accused() {
    for ask in ALL {
        assert_eq!(accused(&managed(), &pinned(), *ask), [], "at a site that declares");
    }
    for ask in [health, dedicated_port, inventory_agrees, clock] {
        for site in [strict(), generic()] {
            assert_eq!(accused(&managed(), &site, ask), [], "at {}", site.name);
        }
    }
}

#[test]
fn what_is_not_declared_is_not_judged_and_not_passed() {
    for ask in [bios_profile, pinned_firmware] {
        assert_eq!((at(&managed(), &strict(), ask), at(&managed(), &generic(), ask)), (Rank::Inconclusive, Rank::NotApplicable));
    }
}

#[test]
fn without_a_controller_each_check_has_one_answer_as_the_site_says() {
    let kinds = [
        Kind::Bmc,
        Kind::BmcHost,
        Kind::BmcPort,
        Kind::BmcCpu,
        Kind::BmcDimm,
        Kind::BmcFirmware,
        Kind::BmcSensor,
        Kind::BmcLog,
        Kind::BmcLogEntry,
        Kind::Psu,
        Kind::Fan,
        Kind::Redundancy,
        Kind::BiosSetting,
    ];
    let end = |ended: &ProbeEnded| kinds.iter().fold(managed(), |node, kind| node.ended(*kind, ended.clone()));
    let missing = end(&ProbeEnded::SourceMissing("Redfish service (no BMC endpoint is configured)".into()));
    let failed = end(&ProbeEnded::Failed("401 Unauthorized".into()));
    for ask in ALL {
        let checks = ask(&missing.0, &strict());
        assert!(checks.iter().all(|check| check.verdict.rank() == Rank::Inconclusive), "{checks:#?}");
        assert_eq!(at(&missing, &generic(), *ask), Rank::NotApplicable);
        assert_eq!(at(&failed, &pinned(), *ask), Rank::Inconclusive);
    }
    for ask in [health, dedicated_port, inventory_agrees, clock] {
        assert_eq!(ask(&missing.0, &strict()).len(), 1);
        assert_eq!(at(&failed, &generic(), ask), Rank::Inconclusive);
    }
}

#[test]
fn the_health_of_the_system_is_judged_as_the_table_says() {
    for (health_says, rollup, expected) in [
        (Reading::from("OK"), Reading::from("Warning"), Rank::Fail),
        ("OK".into(), "Critical".into(), Rank::Fail),
        ("Critical".into(), Reading::Absent, Rank::Fail),
        ("OK".into(), Reading::Absent, Rank::Pass),
        (Reading::Absent, "OK".into(), Rank::Pass),
        (Reading::Absent, Reading::Absent, Rank::Inconclusive),
        ("Fine".into(), Reading::Absent, Rank::Inconclusive),
        ("OK".into(), unreadable(), Rank::Inconclusive),
    ] {
        let node =
            managed().plant(Kind::BmcHost, "1", Attr::Health, health_says.clone()).plant(Kind::BmcHost, "1", Attr::HealthRollup, rollup.clone());
        assert_eq!(at(&node, &strict(), health), expected, "{health_says} {rollup}");
    }
}

#[test]
fn power_supplies_are_judged_as_the_table_says() {
    for (state, says, expected) in [
        ("Enabled", Reading::from("Critical"), Rank::Fail),
        ("Enabled", "Warning".into(), Rank::Fail),
        ("UnavailableOffline", "OK".into(), Rank::Fail),
        ("Disabled", "Critical".into(), Rank::Fail),
        ("Enabled", Reading::Absent, Rank::Inconclusive),
        ("Enabled", unreadable(), Rank::Inconclusive),
        ("StandbySpare", "OK".into(), Rank::Pass),
    ] {
        let node = managed().plant(Kind::Psu, "1/PSU2", Attr::State, state).plant(Kind::Psu, "1/PSU2", Attr::Health, says.clone());
        assert_eq!(at(&node, &strict(), health), expected, "{state} {says}");
    }
    // An empty bay is no fault by itself; that none stands in for the other is one.
    let bay = managed().with(component(Kind::Psu, "1/PSU3", &[(Attr::State, "Absent".into())]));
    assert_eq!(accused(&bay, &pinned(), health), []);
    let pulled = managed().plant(Kind::Psu, "1/PSU2", Attr::State, "Absent").plant(Kind::Psu, "1/PSU2", Attr::Health, Reading::Absent);
    assert_eq!(accused(&pulled, &strict(), health), only("power redundancy", Rank::Fail));
    assert_eq!(accused(&pulled, &generic(), health), only("power redundancy", Rank::Fail));
    assert_eq!(accused(&managed().without(Kind::Psu), &strict(), health), only("power supplies", Rank::Inconclusive));
}

#[test]
fn redundancy_needs_somebody_who_says_so() {
    let alone = managed().without(Kind::Redundancy);
    assert_eq!(accused(&alone, &strict(), health), only("power redundancy", Rank::Inconclusive));
    assert_eq!(accused(&alone, &generic(), health), only("power redundancy", Rank::NotApplicable));
    assert_eq!(accused(&alone, &declaring(|bmc| bmc.power_supplies = Some(2)), health), []);
    assert_eq!(at(&alone, &declaring(|bmc| bmc.power_supplies = Some(4)), health), Rank::Fail);
    for (attr, reading, expected) in [
        (Attr::Health, Reading::from("Critical"), Rank::Fail),
        (Attr::Health, "Warning".into(), Rank::Fail),
        (Attr::State, "Disabled".into(), Rank::Fail),
        (Attr::RedundancyNeeded, 2_u64.into(), Rank::Fail),
        (Attr::RedundancyNeeded, Reading::Absent, Rank::Pass),
        (Attr::RedundancyNeeded, 0_u64.into(), Rank::Inconclusive),
        (Attr::RedundancyMembers, Reading::Absent, Rank::Pass),
        (Attr::RedundancyNeeded, unreadable(), Rank::Inconclusive),
    ] {
        let node = managed().plant(Kind::Redundancy, "1/power 0", attr, reading.clone());
        assert_eq!(at(&node, &strict(), health), expected, "{attr} {reading}");
    }
    let off = managed().plant(Kind::Redundancy, "1/power 0", Attr::State, "Enabled");
    let off = off.with(component(Kind::Redundancy, "2/power 0", &[(Attr::RedundancyMode, "NotRedundant".into()), (Attr::Health, "OK".into())]));
    assert_eq!(at(&off, &strict(), health), Rank::Fail);
    let fans = managed().with(component(Kind::Redundancy, "1/fans 0", &[(Attr::Health, "OK".into()), (Attr::RedundancyMembers, 0_u64.into())]));
    assert_eq!(accused(&fans, &strict(), health), []);
}

#[test]
fn fans_are_judged_as_the_table_says() {
    for (reading, lower, expected) in [
        (Reading::from(421.0), Reading::from(420.0), Rank::Pass),
        (420.0.into(), 420.0.into(), Rank::Fail),
        (0.0.into(), 420.0.into(), Rank::Fail),
        (0.0.into(), Reading::Absent, Rank::Inconclusive),
        (0.0.into(), 0.0.into(), Rank::Inconclusive),
        (Reading::Absent, Reading::Absent, Rank::Pass),
        (unreadable(), 420.0.into(), Rank::Inconclusive),
        (Reading::from(-1.0), Reading::Absent, Rank::Inconclusive),
    ] {
        let node =
            managed().plant(Kind::Fan, "1/FAN3", Attr::SensorReading, reading.clone()).plant(Kind::Fan, "1/FAN3", Attr::LowerCritical, lower.clone());
        assert_eq!(at(&node, &strict(), health), expected, "{reading} against {lower}");
    }
    let silent = |reading: Reading| {
        managed().plant(Kind::Fan, "1/FAN3", Attr::Health, Reading::Absent).plant(Kind::Fan, "1/FAN3", Attr::SensorReading, reading)
    };
    assert_eq!(at(&silent(8400.0.into()), &strict(), health), Rank::Pass, "it turns within its limit");
    assert_eq!(at(&silent(Reading::Absent), &strict(), health), Rank::Inconclusive, "missing health is not OK");
    for (attr, word) in [(Attr::Health, "Critical"), (Attr::Health, "Warning"), (Attr::State, "UnavailableOffline")] {
        assert_eq!(accused(&managed().plant(Kind::Fan, "1/FAN3", attr, word), &strict(), health), only("fan 1/FAN3", Rank::Fail));
    }
    let gone = managed().plant(Kind::Fan, "1/FAN3", Attr::State, "Absent");
    assert_eq!(accused(&gone, &strict(), health), []);
    assert_eq!(accused(&gone, &pinned(), health), only("fans declared", Rank::Fail));
    assert_eq!(accused(&managed().pulled(Kind::Fan, "1/FAN3"), &pinned(), health), only("fans declared", Rank::Fail));
}

#[test]
fn sensors_are_judged_as_the_table_says() {
    for (reading, expected) in [
        (Reading::from(94.9), Rank::Pass),
        (95.0.into(), Rank::Fail),
        (120.0.into(), Rank::Fail),
        (0.0.into(), Rank::Inconclusive),
        (0_u64.into(), Rank::Inconclusive),
        (255.0.into(), Rank::Inconclusive),
        (Reading::from(-128.0), Rank::Inconclusive),
        (f64::NAN.into(), Rank::Inconclusive),
        (Reading::Absent, Rank::Inconclusive),
        (unreadable(), Rank::Inconclusive),
        ("hot".into(), Rank::Inconclusive),
    ] {
        let node = managed().plant(Kind::BmcSensor, "1/CPU1 Temp", Attr::SensorReading, reading.clone());
        assert_eq!(at(&node, &strict(), health), expected, "{reading}");
    }
    for (volts, expected) in [(10.79, Rank::Fail), (0.0, Rank::Inconclusive), (10.81, Rank::Pass)] {
        let node = managed().plant(Kind::BmcSensor, "1/12V", Attr::SensorReading, volts);
        assert_eq!(at(&node, &strict(), health), expected, "{volts} V");
    }
    let warm = |limit: Reading| {
        managed().plant(Kind::BmcSensor, "1/CPU1 Temp", Attr::Health, "Warning").plant(Kind::BmcSensor, "1/CPU1 Temp", Attr::UpperCritical, limit)
    };
    assert_eq!(at(&warm(95.0.into()), &strict(), health), Rank::Pass, "above what is normal and below what is critical");
    assert_eq!(at(&warm(Reading::Absent), &strict(), health), Rank::Fail);
    assert_eq!(at(&managed().plant(Kind::BmcSensor, "1/CPU1 Temp", Attr::Health, "Critical"), &strict(), health), Rank::Fail);
    let crossed = managed().with(ok(
        Kind::BmcSensor,
        "1/X",
        &[(Attr::SensorReading, 5.0.into()), (Attr::LowerCritical, 9.0.into()), (Attr::UpperCritical, 3.0.into())],
    ));
    assert_eq!(accused(&crossed, &strict(), health), only("sensor 1/X", Rank::Inconclusive));
    // Absent, switched off, and one that only informs: no subjects.
    for state in ["Absent", "Disabled", "StandbyOffline", "UnavailableOffline"] {
        let node =
            managed().plant(Kind::BmcSensor, "1/CPU1 Temp", Attr::State, state).plant(Kind::BmcSensor, "1/CPU1 Temp", Attr::SensorReading, 0.0);
        assert_eq!(accused(&node, &strict(), health), [], "{state}");
    }
    let informs = managed().with(component(Kind::BmcSensor, "1/Power", &[(Attr::SensorReading, 0.0.into()), (Attr::SensorUnit, "W".into())]));
    assert_eq!(accused(&informs, &strict(), health), []);
}

fn entry(number: u32, facts: &[(Attr, Reading)]) -> Component {
    component(Kind::BmcLogEntry, &format!("1/Log1/{number}"), facts)
}

#[test]
fn log_entries_are_held_against_the_node_as_the_table_says() {
    let created = "2026-10-01T08:00:00Z";
    let say = |severity: Reading, more: &[(Attr, Reading)]| {
        let facts = [&[(Attr::Severity, severity), (Attr::Created, created.into()), (Attr::Message, "PSU2 AC lost".into())], more].concat();
        managed().plant(Kind::BmcLog, "1/Log1", Attr::LogEntries, 3_u64).with(entry(7, &facts))
    };
    let critical = say("Critical".into(), &[]);
    assert_eq!(accused(&critical, &strict(), health), only("event log 1/Log1", Rank::Fail));
    let why = health(&critical.0, &strict()).into_iter().find(|check| check.verdict.rank() == Rank::Fail).expect("it fails").verdict.reason();
    assert!(why.contains("1/Log1/7") && why.contains("PSU2 AC lost"), "{why}");
    for (node, expected) in [
        (say("Warning".into(), &[]), Rank::Pass),
        (say("Critical".into(), &[(Attr::Resolved, true.into())]), Rank::Pass),
        (say("Critical".into(), &[(Attr::Resolved, false.into())]), Rank::Fail),
        (say(Reading::Absent, &[]), Rank::Inconclusive),
        (say("Caution?".into(), &[]), Rank::Inconclusive),
        (say(unreadable(), &[]), Rank::Inconclusive),
    ] {
        assert_eq!(at(&node, &strict(), health), expected);
    }
    // 52 days old on the day of the look.
    for (days, expected) in [(51, Rank::Pass), (53, Rank::Fail)] {
        assert_eq!(at(&critical, &declaring(|bmc| bmc.log_days = Some(days)), health), expected, "{days}");
    }
    for deviation in [Reading::from(7 * 365 * 86_400_000_000_000_u64), unreadable()] {
        let node = critical.clone().plant(Kind::Bmc, "1", Attr::ClockDeviation, deviation);
        assert_eq!(at(&node, &declaring(|bmc| bmc.log_days = Some(30)), health), Rank::Fail, "by a clock that is lost every entry is old");
    }
    for never_set in [Reading::from("1970-01-01T00:01:00Z"), "yesterday".into(), Reading::Absent, "2031-01-01T00:00:00Z".into()] {
        let node = critical.clone().plant(Kind::BmcLogEntry, "1/Log1/7", Attr::Created, never_set);
        assert_eq!(at(&node, &declaring(|bmc| bmc.log_days = Some(30)), health), Rank::Fail, "an entry of no known age is not old");
    }
    let known = |node: &str, entry: &str, created: &str| {
        declaring(|bmc| {
            bmc.acknowledged.push(Acknowledged { node: node.into(), entry: entry.into(), created: created.into(), why: "cable moved".into() })
        })
    };
    assert_eq!(accused(&critical, &known("made-up", "1/Log1/7", created), health), []);
    for site in [known("other", "1/Log1/7", created), known("made-up", "1/Log1/8", created), known("made-up", "1/Log1/7", "2026-10-02T08:00:00Z")] {
        assert_eq!(at(&critical, &site, health), Rank::Fail, "another node, entry or time");
    }
}

#[test]
fn a_log_that_cannot_tell_is_not_an_empty_one() {
    let log = |attr, reading: Reading| managed().plant(Kind::BmcLog, "1/Log1", attr, reading);
    assert_eq!(at(&log(Attr::LogEntries, unreadable()), &generic(), health), Rank::Inconclusive);
    assert_eq!(at(&log(Attr::LogEntries, Reading::Absent), &strict(), health), Rank::Inconclusive);
    let full = log(Attr::LogEntries, 512_u64.into()).with(component(
        Kind::BmcLog,
        "1/Log2",
        &[(Attr::LogEntries, 512_u64.into()), (Attr::LogCapacity, 512_u64.into()), (Attr::LogFull, "NeverOverWrites".into())],
    ));
    assert_eq!(accused(&full, &strict(), health), only("event log 1/Log2", Rank::Inconclusive));
    let wraps = full.plant(Kind::BmcLog, "1/Log2", Attr::LogFull, "WrapsWhenFull");
    assert_eq!(accused(&wraps, &strict(), health), []);
    assert_eq!(accused(&managed().without(Kind::BmcLog), &strict(), health), only("event logs", Rank::Inconclusive));
    let off = managed().without(Kind::BmcLog).with(component(Kind::BmcLog, "1/Log1", &[(Attr::State, "Disabled".into())]));
    assert_eq!(accused(&off, &strict(), health), only("event logs", Rank::Inconclusive));
}

#[test]
fn ports_are_judged_as_the_table_says() {
    for (mode, enabled, expected) in [
        (Reading::from("Shared"), Reading::from(true), Rank::Fail),
        ("Failover".into(), true.into(), Rank::Fail),
        ("LOM1".into(), true.into(), Rank::Fail),
        ("Shared".into(), Reading::Absent, Rank::Fail),
        ("Dedicated".into(), Reading::Absent, Rank::Pass),
        ("Shared".into(), false.into(), Rank::Inconclusive),
        (Reading::Absent, true.into(), Rank::Inconclusive),
        ("Blue".into(), true.into(), Rank::Inconclusive),
        (unreadable(), true.into(), Rank::Inconclusive),
        ("Dedicated".into(), unreadable(), Rank::Inconclusive),
    ] {
        let node =
            managed().plant(Kind::BmcPort, "1/1", Attr::PortMode, mode.clone()).plant(Kind::BmcPort, "1/1", Attr::PortEnabled, enabled.clone());
        assert_eq!(at(&node, &strict(), dedicated_port), expected, "{mode} {enabled}");
    }
    let port = |locator: &str, facts: &[(Attr, Reading)]| managed().with(component(Kind::BmcPort, locator, facts));
    // iLO lists both ports, of which one is on, and the one inside the machine.
    let shared = [(Attr::PortMode, "Shared".into()), (Attr::PortEnabled, false.into())];
    assert_eq!(accused(&port("1/2", &shared), &strict(), dedicated_port), []);
    assert_eq!(accused(&port("1/3", &[(Attr::Name, "Virtual NIC to the host".into())]), &strict(), dedicated_port), []);
    assert_eq!(accused(&port("1/usb0", &[(Attr::PortEnabled, true.into())]), &strict(), dedicated_port), []);
    assert_eq!(at(&port("1/2", &[(Attr::PortMode, "Shared".into()), (Attr::PortEnabled, true.into())]), &strict(), dedicated_port), Rank::Fail);
    assert_eq!(at(&port("1/eth1", &[(Attr::PortEnabled, true.into())]), &strict(), dedicated_port), Rank::Inconclusive);
}

#[test]
fn other_parts_than_the_operating_system_knows_are_found() {
    let swap = |attr, reading: Reading| managed().plant(Kind::BmcDimm, "P1-DIMMC1", attr, reading);
    for (node, subject) in [
        (swap(Attr::Capacity, (64 * GIB).into()), "memory modules"),
        (swap(Attr::Serial, "80AD012235999999".into()), "memory modules"),
        (swap(Attr::PartNumber, "M321RYGA0PB0-CWMKH".into()), "memory modules"),
        (managed().pulled(Kind::BmcDimm, "P1-DIMMC1"), "memory modules"),
        (managed().pulled(Kind::Dimm, "P1-DIMMC1"), "memory modules"),
        (swap(Attr::Populated, false.into()), "memory modules"),
        (managed().pulled(Kind::BmcCpu, "CPU2"), "processors"),
        (managed().plant(Kind::BmcCpu, "CPU2", Attr::Populated, false), "processors"),
        (managed().plant(Kind::BmcCpu, "CPU2", Attr::Model, "AMD EPYC 9554"), "processors"),
        (managed().plant(Kind::BmcCpu, "CPU2", Attr::Cores, 32_u64), "processors"),
        (managed().plant(Kind::BmcHost, "1", Attr::Firmware, "3.6"), "firmware"),
    ] {
        assert_eq!(accused(&node, &strict(), inventory_agrees), only(subject, Rank::Fail));
    }
    let other = managed().plant(Kind::BmcHost, "1", Attr::Serial, "S452716X3A00002").plant(
        Kind::BmcHost,
        "1",
        Attr::Uuid,
        "00000000-0000-0000-0000-7cc2555d1a2f",
    );
    assert_eq!(accused(&other, &strict(), inventory_agrees), only("system", Rank::Fail));
    let off = managed().plant(Kind::BmcHost, "1", Attr::PowerState, "Off");
    assert_eq!(accused(&off, &strict(), inventory_agrees), only("system", Rank::Fail), "it runs, as this test does on it");
    // The serial numbers of two modules that changed their places.
    let moved = swap(Attr::Serial, "80AD012235000004".into()).plant(Kind::BmcDimm, "P1-DIMMD1", Attr::Serial, "80AD012235000003");
    assert_eq!(accused(&moved, &strict(), inventory_agrees), only("memory modules", Rank::Fail));
}

#[test]
fn the_same_parts_written_in_other_ways_are_the_same() {
    let uuid = managed().plant(Kind::BmcHost, "1", Attr::Uuid, "009C1F3A-5E6B-EE11-8000-7CC2555D1A2E").plant(
        Kind::BmcHost,
        "1",
        Attr::Serial,
        Reading::Absent,
    );
    assert_eq!(accused(&uuid, &strict(), inventory_agrees), []);
    let ilo = managed().plant(Kind::BmcHost, "1", Attr::Firmware, "U54 v1.50 (08/15/2023)").plant(Kind::Board, "node", Attr::Firmware, "U54");
    assert_eq!(accused(&ilo, &strict(), inventory_agrees), []);
    let cut = managed().plant(Kind::BmcDimm, "P1-DIMMC1", Attr::Serial, "35000003");
    assert_eq!(accused(&cut, &strict(), inventory_agrees), [], "cut to eight digits");
    let spelled = (1..=24).fold(managed(), |node, number: u64| {
        let slot = format!("P{}-DIMM{}1", (number - 1) / 12 + 1, char::from(b'A' + u8::try_from((number - 1) % 12).expect("small")));
        node.plant(Kind::BmcDimm, &slot, Attr::Slot, slot.replace('-', "_").to_lowercase())
    });
    assert_eq!(accused(&spelled, &strict(), inventory_agrees), []);
    let counted = (1..=24).fold(managed(), |node, number: u64| {
        let slot = format!("P{}-DIMM{}1", (number - 1) / 12 + 1, char::from(b'A' + u8::try_from((number - 1) % 12).expect("small")));
        node.plant(Kind::BmcDimm, &slot, Attr::Slot, format!("proc{number}"))
    });
    assert_eq!(accused(&counted, &strict(), inventory_agrees), [], "slots of other names, and the same serial numbers");
    let lonely = counted.clone().plant(Kind::BmcDimm, "P1-DIMMC1", Attr::Serial, "80AD012235999999");
    assert_eq!(accused(&lonely, &strict(), inventory_agrees), only("memory modules", Rank::Fail));
    let nothing = counted.plant(Kind::BmcDimm, "P1-DIMMC1", Attr::Serial, Reading::Absent);
    assert_eq!(accused(&nothing, &strict(), inventory_agrees), only("memory modules", Rank::Inconclusive));
}

#[test]
fn parts_that_do_not_say_prove_nothing() {
    for (kind, locator, attr, subject) in [
        (Kind::BmcDimm, "P1-DIMMC1", Attr::Populated, "memory modules"),
        (Kind::BmcDimm, "P1-DIMMC1", Attr::Capacity, "memory modules"),
        (Kind::BmcCpu, "CPU1", Attr::Populated, "processors"),
        (Kind::BmcCpu, "CPU1", Attr::Model, "processors"),
        (Kind::BmcHost, "1", Attr::Firmware, "firmware"),
    ] {
        for reading in [Reading::Absent, unreadable()] {
            let node = managed().plant(kind, locator, attr, reading.clone());
            assert_eq!(accused(&node, &strict(), inventory_agrees), only(subject, Rank::Inconclusive), "{kind} {attr} {reading}");
        }
    }
    let nameless = managed().plant(Kind::BmcHost, "1", Attr::Serial, Reading::Absent).plant(Kind::BmcHost, "1", Attr::Uuid, Reading::Absent);
    assert_eq!(accused(&nameless, &strict(), inventory_agrees), only("system", Rank::Inconclusive));
    let guest = managed().plant(Kind::Os, "node", Attr::Hypervisor, true);
    assert_eq!((at(&guest, &strict(), inventory_agrees), at(&guest, &generic(), inventory_agrees)), (Rank::Inconclusive, Rank::NotApplicable));
}

#[test]
fn settings_and_versions_other_than_declared_are_found() {
    for (attr, reading, expected) in [
        (Attr::Setting, Reading::from("NPS4"), Rank::Fail),
        (Attr::SettingPending, "NPS4".into(), Rank::Fail),
        (Attr::SettingPending, "NPS1".into(), Rank::Pass),
        (Attr::Setting, unreadable(), Rank::Inconclusive),
        (Attr::SettingPending, unreadable(), Rank::Inconclusive),
        (Attr::Setting, Reading::Absent, Rank::Inconclusive),
    ] {
        let node = managed().plant(Kind::BiosSetting, "NPS", attr, reading.clone());
        assert_eq!(at(&node, &pinned(), bios_profile), expected, "{attr} {reading}");
    }
    assert_eq!(accused(&managed().pulled(Kind::BiosSetting, "NPS"), &pinned(), bios_profile), only("NPS", Rank::Inconclusive));
    for (kind, locator, subject) in [(Kind::BmcFirmware, "BIOS", "BIOS"), (Kind::BmcHost, "1", "BIOS"), (Kind::Bmc, "1", "BMC")] {
        let other = managed().plant(kind, locator, Attr::Firmware, "9.9");
        assert_eq!(accused(&other, &pinned(), pinned_firmware), only(subject, Rank::Fail));
        let unread = managed().plant(kind, locator, Attr::Firmware, unreadable());
        assert_eq!(accused(&unread, &pinned(), pinned_firmware), only(subject, Rank::Inconclusive));
    }
    let mut more = pinned();
    more.declared.bmc.firmware.insert("AGESA".into(), "1.0".into());
    assert_eq!(accused(&managed(), &more, pinned_firmware), only("AGESA", Rank::Inconclusive));
    assert_eq!(accused(&managed().without(Kind::BmcFirmware), &pinned(), pinned_firmware), [], "system and manager name theirs");
}

#[test]
fn a_clock_that_is_off_is_found() {
    for (nanoseconds, expected) in [
        (Reading::from(60_000_000_000_u64), Rank::Pass),
        (60_000_000_001_u64.into(), Rank::Fail),
        (1_795_339_800_000_000_000_u64.into(), Rank::Fail),
        (Reading::Absent, Rank::Inconclusive),
        (unreadable(), Rank::Inconclusive),
    ] {
        let node = managed().plant(Kind::Bmc, "1", Attr::ClockDeviation, nanoseconds.clone());
        assert_eq!(at(&node, &strict(), clock), expected, "{nanoseconds}");
    }
    let node = managed().plant(Kind::Bmc, "1", Attr::ClockDeviation, 3_000_000_000_u64);
    assert_eq!(at(&node, &declaring(|bmc| bmc.clock_seconds = Some(2)), clock), Rank::Fail);
}

#[test]
fn the_reference_node_is_healthy_and_its_faults_are_found() {
    let node = crate::reference::nodes().expect("the fixtures load").remove("pve1-node1").expect("it is one of them");
    let options = crate::ProbeOptions { deadline: std::time::Duration::from_secs(20), now: jiff::Timestamp::UNIX_EPOCH };
    let inventory = Node(crate::take_inventory(&node.host(), &options));
    for ask in [health, dedicated_port, inventory_agrees, clock] {
        assert_eq!(accused(&inventory, &strict(), ask), []);
    }
    let counted = |kind| inventory.0.iter(kind).count();
    assert_eq!([Kind::BmcDimm, Kind::BmcCpu, Kind::Psu, Kind::Fan, Kind::BmcLog].map(counted), [24, 2, 2, 8, 1]);
    let mut site = pinned();
    site.declared.bmc.fans = Some(8);
    site.declared.bmc.settings = [("NUMANodesPerSocket".into(), Setting::Text("NPS1".into())), ("QuietBoot".into(), Setting::Flag(false))].into();
    for ask in ALL {
        assert_eq!(accused(&inventory, &site, *ask), []);
    }
    site.declared.bmc.settings.insert("SMTControl".into(), Setting::Text("Disabled".into()));
    assert_eq!(accused(&inventory, &site, bios_profile), only("SMTControl", Rank::Fail));
}
