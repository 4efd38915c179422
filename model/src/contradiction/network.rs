//! Network cards and bonds: how many cards, what their slots carry, and how fast a dead link is noticed.

use crate::attr::Kind;
use crate::bom::{Bom, BomLine, Bond};
use crate::contradiction::ContradictionKind;
use crate::contradiction::pcie::cards;
use crate::contradiction::rule::{Finding, Rule, counted, in_words};
use crate::parts::{NicPart, Parts};

pub(crate) const CARDS_UNSTATED: Rule = Rule {
    name: "network.cards_unstated",
    describe: "Ports of a card with several ports are ordered, and nothing says on how many cards they are.",
    kind: ContradictionKind::Ambiguous,
    blocks: &[2],
    checks: &["nic.quantity"],
    find: cards_unstated,
};

pub(crate) const BOND_PORTS: Rule = Rule {
    name: "network.bond_ports",
    describe: "A bond bundles more ports than are ordered.",
    kind: ContradictionKind::Impossible,
    blocks: &[2],
    checks: &[],
    find: bond_ports,
};

pub(crate) const BOND_BEYOND_SLOT: Rule = Rule {
    name: "network.bond_beyond_slot",
    describe: "A bond is expected to carry more than the PCIe slots of its cards, or its ports, do.",
    kind: ContradictionKind::Impossible,
    blocks: &[2],
    checks: &[],
    find: bond_beyond_slot,
};

pub(crate) const LACP_SLOW: Rule = Rule {
    name: "network.lacp_slow",
    describe: "A bond under corosync notices a silent link only after a node without quorum has reset itself.",
    kind: ContradictionKind::Conflict,
    blocks: &[2, 3],
    checks: &[],
    find: lacp_slow,
};

// IEEE 802.1AX: three LACPDUs missed, one each 30 s or each second.
const LACP_SLOW_TIMEOUT_S: u32 = 90;
const LACP_FAST_TIMEOUT_S: u32 = 3;

fn nic_part<'a>(line: &BomLine, parts: &'a Parts) -> Option<(&'a str, &'a NicPart)> {
    parts.nic.get_key_value(line.part.as_deref()?).map(|(key, part)| (key.as_str(), part))
}

fn cards_unstated(bom: &Bom, parts: &Parts) -> Option<Finding> {
    let unclear: Vec<_> = bom
        .of(Kind::Nic)
        .filter(|line| line.fact("cards").is_none())
        .filter_map(|line| nic_part(line, parts).map(|(key, part)| (line, key, part)))
        .filter(|(line, _, part)| line.quantity > 1 && part.ports > 1)
        .collect();
    let (first, key, part) = unclear.first()?;
    let fewest = u64::from(first.quantity.div_ceil(part.ports));
    let slot = slot_bits_per_s(part) / 1e9;
    Some(Finding {
        statement: unclear.iter().map(|(line, key, _)| format!("{} {} of {key}", line.quantity, line.name)).collect::<Vec<_>>().join("; "),
        why: format!(
            "{key} has {}, so the ports may be on {} or on {}; the slots then move {:.2} or {:.2} Gb/s in one direction",
            counted(part.ports.into(), "port"),
            counted(fewest, "card"),
            first.quantity,
            slot * f64::from(u32::try_from(fewest).unwrap_or(u32::MAX)),
            slot * f64::from(first.quantity),
        ),
    })
}

fn bonds(bom: &Bom) -> impl Iterator<Item = (&Bond, &BomLine)> {
    let bonds = bom.cluster.iter().flat_map(|cluster| &cluster.bond);
    bonds.filter_map(|bond| bom.line(&bond.line).map(|line| (bond, line)))
}

fn joined(findings: Vec<Finding>) -> Option<Finding> {
    let statement = findings.iter().map(|finding| finding.statement.as_str()).collect::<Vec<_>>().join("; ");
    let why = findings.iter().map(|finding| finding.why.as_str()).collect::<Vec<_>>().join("; ");
    (!findings.is_empty()).then_some(Finding { statement, why })
}

fn bond_ports(bom: &Bom, _: &Parts) -> Option<Finding> {
    let short = bonds(bom).filter(|(bond, line)| bond.ports > line.quantity).map(|(bond, line)| Finding {
        statement: format!("{} bundles {} of {}", bond.name, counted(bond.ports.into(), "port"), line.name),
        why: format!("{} are ordered", in_words(line.quantity.into())),
    });
    joined(short.collect())
}

fn bond_beyond_slot(bom: &Bom, parts: &Parts) -> Option<Finding> {
    let beyond = bonds(bom).filter_map(|(bond, line)| {
        let (key, part) = nic_part(line, parts)?;
        let expected = to_f64(bond.expected_bits_per_s?);
        let cards = cards(line, part.ports);
        let (slots, wire) = (to_f64(cards) * slot_bits_per_s(part), f64::from(bond.ports) * to_f64(part.port_bits_per_s));
        let cause = if expected > wire {
            format!("{:.0} Gb/s are expected; {} of {:.0} Gb/s give {:.0} Gb/s", expected / 1e9, counted(bond.ports.into(), "port"), to_f64(part.port_bits_per_s) / 1e9, wire / 1e9)
        } else if expected > slots {
            format!(
                "{:.0} Gb/s are expected; its ports sit on {} ({key}), and PCIe x{} at {} GT/s moves {:.2} Gb/s at most, headers included; one flow uses one port",
                expected / 1e9,
                counted(cards, "card"),
                part.pcie_lanes,
                part.pcie_gtps,
                slots / 1e9,
            )
        } else {
            return None;
        };
        Some(Finding { statement: format!("{} carries {:.0} Gb/s in one direction", bond.name, expected / 1e9), why: cause })
    });
    joined(beyond.collect())
}

// Lanes x transfers x the line code: 8b/10b up to 5 GT/s, 128b/130b above (PCI Express Base Specification).
fn slot_bits_per_s(part: &NicPart) -> f64 {
    let code = if part.pcie_gtps > 5.0 { 128.0 / 130.0 } else { 0.8 };
    f64::from(part.pcie_lanes) * part.pcie_gtps * 1e9 * code
}

#[allow(clippy::cast_precision_loss, reason = "speeds and counts of an order are far below 2^53")]
fn to_f64(n: u64) -> f64 {
    n as f64
}

fn lacp_slow(bom: &Bom, _: &Parts) -> Option<Finding> {
    let cluster = bom.cluster.as_ref()?;
    let timeout = cluster.fencing.as_ref()?.timeout_s;
    let slow = cluster.bond.iter().filter(|bond| {
        let notices_after = match bond.lacp_rate.as_str() {
            "fast" => LACP_FAST_TIMEOUT_S,
            _ => LACP_SLOW_TIMEOUT_S,
        };
        bond.mode == "802.3ad" && notices_after >= timeout && cluster.corosync_links.iter().any(|link| bond.networks.contains(link))
    });
    let findings = slow.map(|bond| Finding {
        statement: format!("{} with LACP rate {} under corosync", bond.name, bond.lacp_rate),
        why: format!(
            "a silent link is noticed after {LACP_SLOW_TIMEOUT_S} s ({LACP_FAST_TIMEOUT_S} s with rate fast), a node without quorum resets itself after {timeout} s; \
             the switches must use the same rate"
        ),
    });
    joined(findings.collect())
}
