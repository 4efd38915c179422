//! PCIe: the lanes that the ordered cards and drives need against those that the processors have, and speeds against the processors' generation.

use crate::attr::{Attr, Kind};
use crate::bom::{Bom, BomLine};
use crate::component::Value;
use crate::contradiction::ContradictionKind;
use crate::contradiction::cpu::processors;
use crate::contradiction::rule::{Finding, Rule, counted};
use crate::parts::Parts;

pub(crate) const LANE_BUDGET: Rule = Rule {
    name: "pcie.lane_budget",
    describe: "Cards and drives need more PCIe lanes than the processors have, so some must sit behind a switch or run narrower.",
    kind: ContradictionKind::Conflict,
    blocks: &[1],
    checks: &["nvme.link_width"],
    find: lane_budget,
};

pub(crate) const LINK_SPEED: Rule = Rule {
    name: "pcie.link_speed",
    describe: "A link is expected to run faster than the processor's PCIe generation.",
    kind: ContradictionKind::Impossible,
    blocks: &[1],
    checks: &["nvme.link_speed"],
    find: link_speed,
};

fn lane_budget(bom: &Bom, parts: &Parts) -> Option<Finding> {
    let (cpus, key, part) = processors(bom, parts)?;
    let sockets = usize::try_from(cpus.quantity).ok()?;
    // The lanes of two sockets are not twice those of one: some join the sockets.
    let budget = u64::from(*part.pcie_lanes.get(sockets.checked_sub(1)?)?);
    let needs: Vec<(String, u64)> = bom.lines.iter().filter_map(|line| lanes(line, parts)).collect();
    let sum = needs.iter().fold(0_u64, |sum, (_, lanes)| sum.saturating_add(*lanes));
    (sum > budget).then(|| Finding {
        statement: format!("{sum} PCIe lanes of cards and drives on {}", counted(cpus.quantity.into(), "socket")),
        why: format!(
            "a node with {} of {key} has {budget} lanes; needed are {}",
            counted(cpus.quantity.into(), "socket"),
            needs.iter().map(|(what, _)| what.as_str()).collect::<Vec<_>>().join(" + "),
        ),
    })
}

// What a line needs, spelled out; a line of which nothing is known needs nothing, so the sum is a lower bound.
fn lanes(line: &BomLine, parts: &Parts) -> Option<(String, u64)> {
    let key = line.part.as_deref();
    let (pieces, width) = match line.kind {
        Kind::Nvme => {
            let of_part = key.and_then(|key| parts.nvme.get(key)).map(|part| u64::from(part.pcie_lanes));
            let width = line.expected(Attr::LinkWidth).and_then(Value::as_u64).or(of_part)?;
            (u64::from(line.quantity), width)
        }
        Kind::Nic => {
            let part = parts.nic.get(key?)?;
            (cards(line, part.ports), u64::from(part.pcie_lanes))
        }
        Kind::Gpu => {
            let part = parts.gpu.get(key?)?;
            let boards = line.fact("boards").unwrap_or_else(|| u64::from(line.quantity.div_ceil(part.gpus.max(1))));
            (boards, u64::from(part.pcie_lanes))
        }
        Kind::Board
        | Kind::Cpu
        | Kind::NumaNode
        | Kind::MemoryArray
        | Kind::Dimm
        | Kind::Memory
        | Kind::Edac
        | Kind::EdacDimm
        | Kind::Pci
        | Kind::Block
        | Kind::Os
        | Kind::Clock
        | Kind::Thermal
        | Kind::Throttle
        | Kind::MachineCheck
        | Kind::Bond
        | Kind::BondMember
        | Kind::Package
        | Kind::Subscription
        | Kind::Ceph
        | Kind::CephMonitor
        | Kind::CephOsd
        | Kind::CephPool
        | Kind::Account
        | Kind::Realm
        | Kind::Repository
        | Kind::SshKey
        | Kind::SshServer
        | Kind::Neighbour
        | Kind::Esp
        | Kind::PoolDevice
        | Kind::PoolVdev
        | Kind::Pool
        | Kind::Firewall
        | Kind::GuestNic
        | Kind::Interface
        | Kind::Bmc
        | Kind::BmcHost
        | Kind::BmcPort
        | Kind::BmcCpu
        | Kind::BmcDimm
        | Kind::BmcFirmware
        | Kind::BmcSensor
        | Kind::BmcLog
        | Kind::BmcLogEntry
        | Kind::Psu
        | Kind::Fan
        | Kind::Redundancy
        | Kind::BiosSetting => return None,
    };
    Some((format!("{} {pieces} x{width}", line.name), pieces.saturating_mul(width)))
}

/// Cards that carry the ports of a line: as stated, else as few as can.
pub(crate) fn cards(line: &BomLine, ports_per_card: u32) -> u64 {
    line.fact("cards").unwrap_or_else(|| u64::from(line.quantity.div_ceil(ports_per_card.max(1))))
}

fn link_speed(bom: &Bom, parts: &Parts) -> Option<Finding> {
    let (_, key, part) = processors(bom, parts)?;
    let wanted = |line: &BomLine| {
        let stated = [Attr::LinkSpeed, Attr::LinkSpeedMax].into_iter().find_map(|attr| line.expected(attr).and_then(Value::as_f64));
        // A part that could go faster negotiates down; only what the order expects can be wrong.
        stated.filter(|gtps| *gtps > part.pcie_gtps)
    };
    let slow: Vec<String> = bom.lines.iter().filter_map(|line| wanted(line).map(|gtps| format!("{} at {gtps} GT/s", line.name))).collect();
    (!slow.is_empty()).then(|| Finding {
        statement: format!("PCIe links: {}", slow.join(", ")),
        why: format!("the lanes of {key} run at {} GT/s at most", part.pcie_gtps),
    })
}
