//! Processors: how many sockets a part can share a board with.

use crate::attr::Kind;
use crate::bom::{Bom, BomLine};
use crate::contradiction::ContradictionKind;
use crate::contradiction::rule::{Finding, Rule, counted};
use crate::parts::{CpuPart, Parts};

pub(crate) const SOCKETS: Rule = Rule {
    name: "cpu.sockets",
    describe: "More processors are ordered than the part can share a board with.",
    kind: ContradictionKind::Impossible,
    blocks: &[1],
    checks: &["cpu.quantity"],
    find: sockets,
};

/// The processor line and its part, when the order names one.
pub(crate) fn processors<'a>(bom: &'a Bom, parts: &'a Parts) -> Option<(&'a BomLine, &'a str, &'a CpuPart)> {
    bom.of(Kind::Cpu).find_map(|line| {
        let key = line.part.as_deref()?;
        Some((line, key, parts.cpu.get(key)?))
    })
}

fn sockets(bom: &Bom, parts: &Parts) -> Option<Finding> {
    let (line, key, part) = processors(bom, parts)?;
    (line.quantity > part.sockets_max).then(|| Finding {
        statement: format!("{} of {key} in one node", counted(line.quantity.into(), "processor")),
        why: format!("{key} runs in nodes of at most {}", counted(part.sockets_max.into(), "socket")),
    })
}
