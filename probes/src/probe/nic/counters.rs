//! Counters of a port by the names that drivers give them (`ethtool -S`). The names of `mlx5_core` are those of
//! `Documentation/networking/device_drivers/ethernet/mellanox/mlx5/counters.rst`; where drivers have no common name, the kernel's own counter stands in.

use assay_model::attr::Attr;
use assay_model::component::{Reading, Value};

use super::said::Said;
use crate::described::Described;
use crate::host::{malformed, whole};

struct Counter {
    attr: Attr,
    /// Names of `ethtool -S`, the first that there is counts.
    names: &'static [&'static str],
    /// The counter of `/sys/class/net/IF/` that is asked of a driver none of whose counters is known.
    file: Option<&'static str>,
}

const fn named(attr: Attr, names: &'static [&'static str]) -> Counter {
    Counter { attr, names, file: None }
}

const COUNTERS: &[Counter] = &[
    Counter { attr: Attr::ReceivedPackets, names: &["rx_packets_phy"], file: Some("statistics/rx_packets") },
    Counter { attr: Attr::TransmittedPackets, names: &["tx_packets_phy"], file: Some("statistics/tx_packets") },
    Counter { attr: Attr::OutOfBuffer, names: &["rx_out_of_buffer"], file: Some("statistics/rx_missed_errors") },
    named(Attr::ReceivedBits, &["rx_bits_phy"]),
    named(Attr::CorrectedBits, &["rx_corrected_bits_phy"]),
    named(Attr::PcsSymbolErrors, &["rx_pcs_symbol_err_phy"]),
    named(Attr::SymbolErrors, &["rx_symbol_err_phy"]),
    // mlx5_core; igb, ixgbe, e1000e; i40e; ice.
    named(Attr::CrcErrors, &["rx_crc_errors_phy", "rx_crc_errors", "port.rx_crc_errors", "rx_crc_errors.nic"]),
    named(Attr::OversizePackets, &["rx_oversize_pkts_phy"]),
    named(Attr::ReceiveDiscards, &["rx_discards_phy"]),
    named(Attr::TransmitDiscards, &["tx_discards_phy"]),
    named(Attr::SteerMissed, &["rx_steer_missed_packets"]),
    named(Attr::LinkDownEvents, &["link_down_events_phy"]),
    named(Attr::ModuleBusStuck, &["module_bus_stuck"]),
    named(Attr::ModuleTooHot, &["module_high_temp"]),
    named(Attr::ModuleShorted, &["module_bad_shorted"]),
];

/// The port with its counters.
pub(super) fn counters<'a>(described: Described<'a>, said: &Said) -> Described<'a> {
    let is_known = said.knows(COUNTERS.iter().flat_map(|counter| counter.names.iter().copied()));
    COUNTERS.iter().fold(described, |described, counter| {
        let name = counter.names.iter().copied().find(|name| said.line(name).is_some());
        let first = counter.names.first().copied().unwrap_or_default();
        match (name, said.silence(), counter.file) {
            (Some(name), _, _) => described.put(counter.attr, said.source(name), value(said.line(name).unwrap_or_default())),
            (None, Some(unread @ Reading::Unreadable(_)), _) => described.put(counter.attr, said.source(first), unread),
            // A driver whose counters are known speaks for itself: what it does not count, it does not count.
            (None, _, Some(file)) if !is_known => described.count(counter.attr, file),
            (None, _, _) => described.put(counter.attr, said.source(first), Reading::Absent),
        }
    })
}

/// Priority pause frames of all priorities together: which of the eight carries RoCE is a matter of the site.
pub(super) fn pauses<'a>(described: Described<'a>, said: &Said) -> Described<'a> {
    [(Attr::PriorityPausesReceived, "rx"), (Attr::PriorityPausesSent, "tx")].into_iter().fold(described, |described, (attr, way)| {
        let name = |priority: u8| format!("{way}_prio{priority}_pause");
        let counted: Vec<Reading> = (0..8).filter_map(|priority| said.line(&name(priority)).map(value)).collect();
        let sum = counted.iter().try_fold(0_u64, |sum, counter| counter.value().and_then(Value::as_u64).and_then(|count| sum.checked_add(count)));
        let reading = match (said.silence(), sum) {
            (Some(silence), _) => silence,
            (None, _) if counted.is_empty() => Reading::Absent,
            (None, Some(sum)) => sum.into(),
            (None, None) => counted
                .into_iter()
                .find(|counter| matches!(counter, Reading::Unreadable(_)))
                .unwrap_or(Reading::Unreadable("more than 64 bits".into())),
        };
        described.put(attr, said.source(&name(0)), reading)
    })
}

fn value(text: &str) -> Reading {
    whole(text).map_or_else(|why| malformed(text, &why), Reading::from)
}
