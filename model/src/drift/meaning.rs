//! What it means that an attribute changed. Attributes that are not listed here are settings when they are stable and volatile otherwise.

use std::cmp::Ordering;

use super::Consequence;
use crate::attr::{Attr, Volatility};
use crate::component::{Component, Value};

/// Attributes that name one part or one node and no other.
const NAMES: &[Attr] =
    &[Attr::IdentifiedSerial, Attr::Subsystem, Attr::Serial, Attr::Uuid, Attr::Mac, Attr::Hostname, Attr::BootId, Attr::Addresses, Attr::PortId];

/// Those of them that a node is given, and that no part brings along.
const GIVEN: &[Attr] = &[Attr::Hostname, Attr::Addresses, Attr::PortId];

/// Attributes of which less is worse.
const DEGREES: &[Attr] = &[
    Attr::LinkSpeed,
    Attr::LinkWidth,
    Attr::LinkSpeedMax,
    Attr::LinkWidthMax,
    Attr::UpstreamLinkSpeedMax,
    Attr::UpstreamLinkWidthMax,
    Attr::Speed,
    Attr::Capacity,
    Attr::Total,
    Attr::Cores,
    Attr::Threads,
    Attr::ThreadsPerCore,
    Attr::L3Bytes,
    Attr::RatedSpeed,
    Attr::ConfiguredSpeed,
    Attr::TotalWidth,
    Attr::Ranks,
    Attr::Namespaces,
    Attr::Slots,
    Attr::AggregatorPorts,
    Attr::RedundancyMembers,
];

/// Flags that are better set.
const GOOD_WHEN_SET: &[Attr] = &[Attr::Carrier, Attr::Populated, Attr::Synchronised, Attr::FirewallEnabled, Attr::FirewallHost];

/// Words that are right in one way only.
const GOOD_WORDS: &[(Attr, &str)] = &[
    (Attr::State, "live"),
    (Attr::OperState, "up"),
    (Attr::Duplex, "full"),
    (Attr::LinkMonitor, "up"),
    (Attr::FecActive, "RS"),
    (Attr::LinkLayer, "Ethernet"),
    (Attr::Health, "OK"),
    (Attr::HealthRollup, "OK"),
];

/// Counters of which one more is a fault, or the trace of one.
const ERRORS: &[Attr] = &[
    Attr::CorrectedErrors,
    Attr::UncorrectedErrors,
    Attr::AerCorrectable,
    Attr::AerNonfatal,
    Attr::AerFatal,
    Attr::CarrierChanges,
    Attr::ReceiveErrors,
    Attr::TransmitErrors,
    Attr::CoreThrottles,
    Attr::PackageThrottles,
    Attr::MachineChecks,
    Attr::ThreadsOffline,
    Attr::RootAerCorrectable,
    Attr::RootAerNonfatal,
    Attr::RootAerFatal,
    Attr::CriticalWarning,
    Attr::MediaErrors,
    Attr::UnsafeShutdowns,
    Attr::SelfTestsFailed,
    Attr::UncorrectableReads,
    Attr::EndToEndErrors,
    Attr::ThermalThrottles,
    Attr::IncompleteShutdowns,
    Attr::LinkRetrainings,
    Attr::LinkFailures,
    Attr::PcsSymbolErrors,
    Attr::SymbolErrors,
    Attr::CrcErrors,
    Attr::LinkDownEvents,
    Attr::ModuleBusStuck,
    Attr::ModuleTooHot,
    Attr::ModuleShorted,
];

const FIRMWARE: &[Attr] = &[Attr::Firmware, Attr::FirmwareDate, Attr::Microcode, Attr::Agesa, Attr::Kernel, Attr::KernelBuild];

const TOPOLOGY: &[Attr] = &[
    Attr::NumaNode,
    Attr::NumaNodes,
    Attr::UpstreamPort,
    Attr::CpuList,
    Attr::Distances,
    Attr::L3Domains,
    Attr::Slot,
    Attr::Bank,
    Attr::Socket,
    Attr::Channel,
    Attr::RootPort,
    Attr::BoardPort,
    Attr::PhysicalSlot,
    Attr::IommuGroup,
    Attr::IommuGroupMembers,
    Attr::Members,
    Attr::Bond,
    Attr::Master,
    Attr::Parent,
    Attr::Bridge,
    Attr::ChassisId,
    Attr::PortId,
];

/// Stable attributes that differ with every boot and say nothing.
const OF_ONE_BOOT: &[Attr] = &[Attr::BootId];

/// Whether the attribute names one part or one node and no other.
pub(super) fn names_one(attr: Attr) -> bool {
    NAMES.contains(&attr)
}

/// What tells this part from another of its kind.
pub(super) fn identity(component: &Component) -> Option<String> {
    let of = |attr| component.value(attr).map(Value::to_string).filter(|identity| !identity.trim().is_empty());
    of(Attr::Serial).or_else(|| of(Attr::Uuid)).or_else(|| of(Attr::Mac))
}

/// Whether a node that no longer has the attribute lost something by it.
pub(super) fn is_worse_without(attr: Attr) -> bool {
    DEGREES.contains(&attr) || GOOD_WHEN_SET.contains(&attr) || GOOD_WORDS.iter().any(|(word, _)| *word == attr)
}

/// What any change of the attribute means, whatever the values are.
pub(super) fn of_change(attr: Attr) -> Consequence {
    if OF_ONE_BOOT.contains(&attr) || attr.volatility() == Volatility::Volatile {
        Consequence::Volatile
    } else if names_one(attr) && !GIVEN.contains(&attr) {
        Consequence::Replaced
    } else if FIRMWARE.contains(&attr) || attr.name().contains("firmware") {
        Consequence::Firmware
    } else if TOPOLOGY.contains(&attr) {
        Consequence::Topology
    } else {
        Consequence::Setting
    }
}

/// What the change from one value to the other means.
pub(super) fn of_values(attr: Attr, before: &Value, after: &Value, is_one_boot: bool) -> Consequence {
    if DEGREES.contains(&attr) && order(before, after) == Some(Ordering::Greater) {
        return Consequence::Degraded;
    }
    if GOOD_WHEN_SET.contains(&attr) && before.as_bool() == Some(true) {
        return Consequence::Degraded;
    }
    if GOOD_WORDS.iter().any(|(word, good)| *word == attr && before.as_str() == Some(good)) {
        return Consequence::Degraded;
    }
    if ERRORS.contains(&attr) {
        return match order(before, after) {
            Some(Ordering::Less) => Consequence::Errors,
            Some(Ordering::Greater) if is_one_boot => Consequence::Reset,
            // Every boot begins to count anew: what is counted then was not there before. A link comes up at every boot.
            Some(Ordering::Greater) if after.as_u64() != Some(0) && attr != Attr::CarrierChanges => Consequence::Errors,
            Some(Ordering::Greater | Ordering::Equal) | None => Consequence::Volatile,
        };
    }
    of_change(attr)
}

fn order(before: &Value, after: &Value) -> Option<Ordering> {
    match (before.as_u64(), after.as_u64()) {
        (Some(before), Some(after)) => Some(before.cmp(&after)),
        (None, _) | (_, None) => before.as_f64()?.partial_cmp(&after.as_f64()?),
    }
}
