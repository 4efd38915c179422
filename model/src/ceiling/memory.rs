//! Memory bandwidth: channels x 8 bytes x transfers per second. JEDEC DDR5: a channel carries 64 data bits, whatever its two sub-channels do.

use crate::attr::{Attr, Kind};
use crate::bom::Bom;
use crate::ceiling::{Ceiling, channels_per_socket, common};
use crate::component::{Component, Reading, Value};
use crate::inventory::{Inventory, Observed};
use crate::parts::Parts;
use crate::unit::Unit;

const FORMULA: &str = "min(modules, sockets x channels per socket) x 8 B x configured MT/s";

/// Bandwidth of `channels` at `mtps` mega-transfers per second, bytes/s.
pub(super) fn bandwidth(channels: f64, mtps: f64) -> f64 {
    channels * 8.0 * mtps * 1e6
}

pub(super) fn of_node(inventory: &Inventory, channels_per_socket: Option<u32>) -> Vec<Ceiling> {
    let modules = populated(inventory);
    let (count, mtps) = match &modules {
        Ok(modules) => (counted(modules.len()), common("modules", modules.iter().map(|module| module.reading(Attr::ConfiguredSpeed)))),
        Err(missing) => (missing.clone(), missing.clone()),
    };
    let sockets = match inventory.of(Kind::Cpu) {
        Observed::Components(cpus) => counted(cpus.len()),
        Observed::SourceMissing(_) => Reading::Absent,
        Observed::Unknown(reason) => Reading::Unreadable(reason.to_string()),
    };
    // A channel holds at least one module, so their number bounds that of the channels in use.
    let channels = channels_per_socket.map_or_else(|| count.clone(), |channels| u64::from(channels).into());
    ceilings(&Inputs { modules: count, sockets, channels, nodes: numa_nodes(inventory), mtps })
}

pub(super) fn of_bom(bom: &Bom, parts: &Parts) -> Vec<Ceiling> {
    if bom.of(Kind::Dimm).next().is_none() {
        return Vec::new();
    }
    let sum = |kind| match bom.of(kind).map(|line| u64::from(line.quantity)).sum::<u64>() {
        0 => Reading::Absent,
        sum => sum.into(),
    };
    let speeds: Vec<Reading> =
        bom.of(Kind::Dimm).map(|line| line.expected(Attr::ConfiguredSpeed).map_or(Reading::Absent, |value| value.clone().into())).collect();
    let sockets = sum(Kind::Cpu);
    ceilings(&Inputs {
        modules: sum(Kind::Dimm),
        channels: channels_per_socket(bom, parts).map_or(Reading::Absent, |channels| u64::from(channels).into()),
        // The firmware may split a socket into more, which lowers what each reaches; never into less than one.
        nodes: sockets.clone(),
        sockets,
        mtps: common("lines", &speeds),
    })
}

struct Inputs {
    modules: Reading,
    sockets: Reading,
    channels: Reading,
    nodes: Reading,
    mtps: Reading,
}

fn ceilings(inputs: &Inputs) -> Vec<Ceiling> {
    let Inputs { modules, sockets, channels, nodes, mtps } = inputs;
    let ceiling = |metric: &str, share: &str, divisor: (&str, &Reading)| {
        let all = [
            ("modules", modules.clone()),
            ("sockets", sockets.clone()),
            ("channels per socket", channels.clone()),
            ("configured speed, MT/s", mtps.clone()),
            (divisor.0, divisor.1.clone()),
        ];
        let value = |[modules, sockets, channels, mtps, divisor]: [f64; 5]| bandwidth(modules.min(sockets * channels), mtps) / divisor;
        Ceiling::computed(metric, Unit::BytesPerSecond, &format!("{FORMULA}{share}"), all, value)
    };
    vec![
        ceiling("memory.triad.bandwidth", " / NUMA nodes with processors", ("NUMA nodes", nodes)),
        ceiling("memory.socket.bandwidth", " / sockets", ("divided by", sockets)),
        ceiling("memory.node.bandwidth", "", ("divided by", &1_u64.into())),
    ]
}

fn populated(inventory: &Inventory) -> Result<Vec<&Component>, Reading> {
    // The modules of a guest are made up by its hypervisor: what they could carry bounds nothing.
    if inventory.iter(Kind::Os).any(|os| os.value(Attr::Hypervisor).and_then(Value::as_bool) == Some(true)) {
        return Err(Reading::Absent);
    }
    let slots = match inventory.of(Kind::Dimm) {
        Observed::Components(slots) => slots,
        Observed::SourceMissing(_) => return Err(Reading::Absent),
        Observed::Unknown(reason) => return Err(Reading::Unreadable(reason.to_string())),
    };
    let mut modules = Vec::new();
    for slot in slots {
        match slot.reading(Attr::Populated) {
            Reading::Value(Value::Bool(true)) => modules.push(slot),
            Reading::Value(Value::Bool(false)) => {}
            other @ (Reading::Value(_) | Reading::Absent | Reading::Unreadable(_)) => {
                return Err(Reading::Unreadable(format!("whether {} is populated: {other}", slot.locator)));
            }
        }
    }
    if modules.is_empty() { Err(Reading::Absent) } else { Ok(modules) }
}

/// NUMA nodes that have processors: the triad runs on those. Nodes of memory alone are further channels to none of them.
fn numa_nodes(inventory: &Inventory) -> Reading {
    let nodes = match inventory.of(Kind::NumaNode) {
        Observed::Components(nodes) => nodes,
        Observed::SourceMissing(_) => return Reading::Absent,
        Observed::Unknown(reason) => return Reading::Unreadable(reason.to_string()),
    };
    let mut count = 0;
    for node in nodes {
        match node.reading(Attr::CpuList) {
            Reading::Value(list) => count += usize::from(list.as_str().is_none_or(|list| !list.trim().is_empty())),
            Reading::Absent => {}
            Reading::Unreadable(why) => return Reading::Unreadable(format!("processors of NUMA node {}: {why}", node.locator)),
        }
    }
    if count == 0 { Reading::Absent } else { counted(count) }
}

fn counted(count: usize) -> Reading {
    match u64::try_from(count) {
        Ok(0) => Reading::Absent,
        Ok(count) => count.into(),
        Err(_) => Reading::Unreadable("too many".into()),
    }
}
