//! Memory modules against the processors' channels: how many fit, and how fast they run.

use crate::attr::{Attr, Kind};
use crate::bom::Bom;
use crate::component::Value;
use crate::contradiction::ContradictionKind;
use crate::contradiction::cpu::processors;
use crate::contradiction::rule::{Finding, Rule, counted};
use crate::parts::Parts;

pub(crate) const MODULES_FIT: Rule = Rule {
    name: "memory.modules_fit",
    describe: "More modules, or more memory, are ordered than the sockets take.",
    kind: ContradictionKind::Impossible,
    blocks: &[1],
    checks: &["dimm.quantity"],
    find: modules_fit,
};

pub(crate) const MODULE_SPEED: Rule = Rule {
    name: "memory.module_speed",
    describe: "Modules are expected to run faster than the processor drives that many per channel.",
    kind: ContradictionKind::Impossible,
    blocks: &[1],
    checks: &["dimm.configured_speed"],
    find: module_speed,
};

const GIB: u64 = 1 << 30;

fn modules_fit(bom: &Bom, parts: &Parts) -> Option<Finding> {
    let (cpus, key, part) = processors(bom, parts)?;
    let ordered = modules(bom);
    let per_socket = u64::from(part.memory_channels) * u64::from(part.dimms_per_channel_max);
    let sockets = u64::from(cpus.quantity);
    let slots = sockets * per_socket;
    let bytes = memory_bytes(bom);
    let bytes_max = sockets.saturating_mul(part.memory_bytes_max);

    let mut reasons = Vec::new();
    if ordered > slots {
        reasons.push(format!(
            "at most {slots} modules fit {} of {key} ({} channels x {} modules per socket); the largest node with it, {}, takes {}",
            counted(sockets, "socket"),
            part.memory_channels,
            part.dimms_per_channel_max,
            counted(part.sockets_max.into(), "socket"),
            u64::from(part.sockets_max) * per_socket,
        ));
    }
    if bytes > bytes_max {
        reasons.push(format!("{} GiB exceed the {} GiB that fit {}", bytes / GIB, bytes_max / GIB, counted(sockets, "socket")));
    }
    if reasons.is_empty() {
        return None;
    }
    let nodes = bom.cluster.as_ref().map_or(0, |cluster| u64::from(cluster.nodes));
    if nodes > 1 && ordered.is_multiple_of(nodes) && ordered / nodes <= u64::from(part.sockets_max) * per_socket {
        reasons.push(format!("spread over the {nodes} nodes it would be {} each", ordered / nodes));
    }
    Some(Finding { statement: format!("{ordered} modules{} per node, on {}", each(bom), counted(sockets, "socket")), why: reasons.join("; ") })
}

fn module_speed(bom: &Bom, parts: &Parts) -> Option<Finding> {
    let (cpus, key, part) = processors(bom, parts)?;
    let channels = u64::from(cpus.quantity) * u64::from(part.memory_channels);
    let per_channel = modules(bom).div_ceil(channels.max(1));
    let index = usize::try_from(per_channel.checked_sub(1)?).ok()?;
    // 0 stands for "only the board's table tells": nothing can be derived then.
    let allowed = part.memory_mtps.get(index).copied().filter(|mtps| *mtps > 0)?;
    let wanted = bom.of(Kind::Dimm).filter_map(|line| line.expected(Attr::ConfiguredSpeed).and_then(Value::as_u64)).max()?;
    (wanted > u64::from(allowed)).then(|| Finding {
        statement: format!("modules that run at {wanted} MT/s"),
        why: format!("{key} drives {} per channel at {allowed} MT/s at most, whatever the modules are rated for", counted(per_channel, "module")),
    })
}

fn modules(bom: &Bom) -> u64 {
    bom.of(Kind::Dimm).map(|line| u64::from(line.quantity)).sum()
}

fn memory_bytes(bom: &Bom) -> u64 {
    let of_line = |line: &crate::bom::BomLine| line.expected(Attr::Capacity).and_then(Value::as_u64).unwrap_or(0);
    bom.of(Kind::Dimm).fold(0, |sum, line| sum.saturating_add(u64::from(line.quantity).saturating_mul(of_line(line))))
}

// " of 96 GiB" when every line says the same.
fn each(bom: &Bom) -> String {
    let mut sizes = bom.of(Kind::Dimm).map(|line| line.expected(Attr::Capacity).and_then(Value::as_u64));
    match sizes.next() {
        Some(Some(first)) if sizes.all(|size| size == Some(first)) && first.is_multiple_of(GIB) => format!(" of {} GiB", first / GIB),
        _ => String::new(),
    }
}
