//! What it means that an attribute changed. Attributes that are not listed here are settings when they are stable and volatile otherwise.

use std::cmp::Ordering;

use super::Consequence;
use crate::attr::{Attr, Kind, Volatility};
use crate::component::{Component, Reading, Value};

/// What lies between two inventories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Span {
    /// Time, within one boot of one node: every counter goes on.
    OneBoot,
    /// A boot of one node: what counts since boot began anew.
    TwoBoots,
    /// They are of two nodes.
    TwoNodes,
}

/// Attributes that name one part or one node and no other.
const NAMES: &[Attr] = &[
    Attr::IdentifiedSerial,
    Attr::Subsystem,
    Attr::Serial,
    Attr::ModuleSerial,
    Attr::Uuid,
    Attr::Mac,
    Attr::Hostname,
    Attr::BootId,
    Attr::Addresses,
    Attr::PortId,
];

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
    Attr::CapacityMax,
    Attr::Total,
    Attr::Processors,
    Attr::Cores,
    Attr::Threads,
    Attr::ThreadsPerCore,
    Attr::L2Bytes,
    Attr::L3Bytes,
    Attr::RatedSpeed,
    Attr::ConfiguredSpeed,
    Attr::TotalWidth,
    Attr::DataWidth,
    Attr::Ranks,
    Attr::Namespaces,
    Attr::Slots,
    Attr::AggregatorPorts,
    Attr::RedundancyMembers,
    Attr::PowerCapacity,
    Attr::AvailableSpare,
    Attr::BadUserBlocks,
    Attr::BadSystemBlocks,
    Attr::CapacitorHealth,
];

/// Flags that are better set.
const GOOD_WHEN_SET: &[Attr] = &[Attr::Carrier, Attr::Populated, Attr::Synchronised, Attr::FirewallEnabled, Attr::FirewallHost, Attr::Boost];

/// Words that are right in one way only.
const GOOD_WORDS: &[(Attr, &str)] = &[
    (Attr::State, "live"),
    (Attr::State, "ONLINE"),
    (Attr::State, "Enabled"),
    (Attr::PowerState, "On"),
    (Attr::OperState, "up"),
    (Attr::Duplex, "full"),
    (Attr::LinkMonitor, "up"),
    (Attr::FecActive, "RS"),
    (Attr::LinkLayer, "Ethernet"),
    (Attr::Health, "OK"),
    (Attr::HealthRollup, "OK"),
];

/// What nothing becomes that was better before, whatever it was.
const BAD_WORDS: &[(Attr, &str)] =
    &[(Attr::Health, "Critical"), (Attr::HealthRollup, "Critical"), (Attr::ErrorCorrection, "None"), (Attr::FecActive, "Off"), (Attr::State, "dead")];

/// Counters of which one more is a fault or the trace of one, and which every boot, import or load of a driver begins anew.
const ERRORS_SINCE_BOOT: &[Attr] = &[
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
    Attr::RootAerCorrectable,
    Attr::RootAerNonfatal,
    Attr::RootAerFatal,
    Attr::LinkFailures,
    Attr::PcsSymbolErrors,
    Attr::SymbolErrors,
    Attr::CrcErrors,
    Attr::LinkDownEvents,
    Attr::ModuleBusStuck,
    Attr::ModuleTooHot,
    Attr::ModuleShorted,
    Attr::ReadErrors,
    Attr::WriteErrors,
    Attr::ChecksumErrors,
];

/// Those of them that count when a link comes up or goes down, as it does at every boot: only more of them than before mean something.
const OF_EVERY_BOOT: &[Attr] = &[Attr::CarrierChanges, Attr::LinkDownEvents];

/// The same of which the part itself keeps count as long as it lives.
const ERRORS_OF_A_LIFE: &[Attr] = &[
    Attr::MediaErrors,
    Attr::HotMinutes,
    Attr::CriticalMinutes,
    Attr::UnsafeShutdowns,
    Attr::SelfTestsFailed,
    Attr::UncorrectableReads,
    Attr::EndToEndErrors,
    Attr::ThermalThrottles,
    Attr::IncompleteShutdowns,
    Attr::LinkRetrainings,
    Attr::ThermalExcursions,
    Attr::HardwareErrors,
];

/// How much is wrong now; less is better.
const ERRORS_NOW: &[Attr] = &[Attr::CriticalWarning, Attr::ThreadsOffline, Attr::DataErrors, Attr::ScrubErrors];

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

/// What tells this part from another of its kind, the surest first. A serial number may be that of a card with several ports or controllers.
pub(super) const IDENTITIES: &[Attr] = &[Attr::Serial, Attr::Uuid, Attr::Mac];

/// What tells this part from another of its kind by `attr`.
pub(super) fn identity(component: &Component, attr: Attr) -> Option<String> {
    let name = component.value(attr).map(Value::to_string).filter(|identity| !identity.trim().is_empty())?;
    let controller = component.value(Attr::ControllerId).map(|number| format!(" controller {number}")).unwrap_or_default();
    Some(name + &controller)
}

/// Whether the attribute counts errors.
pub(super) fn counts_errors(attr: Attr) -> bool {
    [ERRORS_SINCE_BOOT, ERRORS_OF_A_LIFE, ERRORS_NOW].iter().any(|errors| errors.contains(&attr))
}

/// Whether the attribute counts errors and found some.
pub(super) fn has_counted(attr: Attr, value: &Value) -> bool {
    counts_errors(attr) && !OF_EVERY_BOOT.contains(&attr) && !matches!(value.to_string().as_str(), "0" | "none" | "")
}

/// Whether a change is one that this part makes by itself: a GPU lowers the speed of its link when idle, and its audio and USB functions share the link.
pub(super) fn changes_by_itself(component: &Component, attr: Attr, before: &Reading, after: &Reading) -> bool {
    let is_speed = attr == Attr::LinkSpeed && before.value().is_some() && after.value().is_some();
    let is_display = || component.value(Attr::PciClass).and_then(Value::as_str).is_some_and(|class| class.starts_with("0x03"));
    is_speed && (component.kind == Kind::Gpu || (component.kind == Kind::Pci && is_display()))
}

/// What it means that a component is gone. An entry of a log is no part: the log was cleared, or threw it away.
pub(super) fn of_loss(kind: Kind, span: Span) -> Consequence {
    match (kind == Kind::BmcLogEntry, span) {
        (false, _) => Consequence::Lost,
        (true, Span::OneBoot | Span::TwoBoots) => Consequence::Reset,
        (true, Span::TwoNodes) => Consequence::Errors,
    }
}

/// What it means that a component is there that was not. Log entries are components only where they are not plainly harmless.
pub(super) fn of_arrival(kind: Kind) -> Consequence {
    if kind == Kind::BmcLogEntry { Consequence::Errors } else { Consequence::Appeared }
}

/// Whether another entry stands in a log under the number of an old one, as after it was cleared.
pub(super) fn is_another_entry(kind: Kind, attr: Attr) -> bool {
    kind == Kind::BmcLogEntry && [Attr::Created, Attr::Message, Attr::Severity].contains(&attr)
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
    } else if attr == Attr::Name {
        // The kernel numbers what it finds.
        Consequence::Moved
    } else if TOPOLOGY.contains(&attr) {
        Consequence::Topology
    } else {
        Consequence::Setting
    }
}

/// What the step from one value to the other means; none when nothing does.
pub(super) fn of_values(attr: Attr, before: &Value, after: &Value, span: Span) -> Option<Consequence> {
    if ERRORS_SINCE_BOOT.contains(&attr) || ERRORS_OF_A_LIFE.contains(&attr) {
        return of_counts(attr, before, after, span);
    }
    if before == after {
        return None;
    }
    if ERRORS_NOW.contains(&attr) {
        return Some(of_faults(attr, before, after));
    }
    let is_less = DEGREES.contains(&attr) && order(before, after) == Some(Ordering::Greater);
    let is_off = GOOD_WHEN_SET.contains(&attr) && before.as_bool() == Some(true);
    let is_on = attr == Attr::ReadOnly && after.as_bool() == Some(true);
    let was_good = GOOD_WORDS.iter().any(|(word, good)| *word == attr && before.as_str() == Some(good));
    let is_bad = BAD_WORDS.iter().any(|(word, bad)| *word == attr && after.as_str() == Some(bad));
    if is_less || is_off || is_on || was_good || is_bad { Some(Consequence::Degraded) } else { Some(of_change(attr)) }
}

fn of_counts(attr: Attr, before: &Value, after: &Value, span: Span) -> Option<Consequence> {
    let begins_anew = span == Span::TwoBoots && ERRORS_SINCE_BOOT.contains(&attr);
    match (order(before, after), span) {
        // Every boot begins to count anew: what is counted then was not there before, even where it is as much. A link comes up at every boot.
        (Some(Ordering::Equal | Ordering::Greater), _) if begins_anew && has_counted(attr, after) => Some(Consequence::Errors),
        (Some(Ordering::Equal), _) => None,
        (Some(Ordering::Less), _) | (Some(Ordering::Greater), Span::TwoNodes) => Some(Consequence::Errors),
        (Some(Ordering::Greater), _) if begins_anew => Some(Consequence::Volatile),
        (Some(Ordering::Greater), Span::OneBoot | Span::TwoBoots) => Some(Consequence::Reset),
        // Errors in words.
        (None, _) if before == after => None,
        (None, _) if has_counted(attr, after) => Some(Consequence::Errors),
        (None, _) => Some(Consequence::Reset),
    }
}

fn of_faults(attr: Attr, before: &Value, after: &Value) -> Consequence {
    let is_worse = match (attr, before.as_u64(), after.as_u64()) {
        // Bits: another warning is one that was not there.
        (Attr::CriticalWarning, Some(before), Some(after)) => after & !before != 0,
        (_, Some(before), Some(after)) => after > before,
        (_, None, _) | (_, _, None) => true,
    };
    if is_worse { Consequence::Errors } else { Consequence::Setting }
}

fn order(before: &Value, after: &Value) -> Option<Ordering> {
    match (before.as_u64(), after.as_u64()) {
        (Some(before), Some(after)) => Some(before.cmp(&after)),
        (None, _) | (_, None) => before.as_f64()?.partial_cmp(&after.as_f64()?),
    }
}
