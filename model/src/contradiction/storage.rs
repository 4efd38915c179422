//! Drives: an interface is no product. Drives of one interface and class differ twofold in throughput.

use crate::attr::{Attr, Kind};
use crate::bom::Bom;
use crate::contradiction::ContradictionKind;
use crate::contradiction::rule::{Finding, Rule};
use crate::parts::Parts;

pub(crate) const DRIVE_UNNAMED: Rule = Rule {
    name: "storage.drive_unnamed",
    describe: "Drives are ordered by interface and capacity, without a product.",
    kind: ContradictionKind::Ambiguous,
    blocks: &[1],
    checks: &["nvme.model"],
    find: drive_unnamed,
};

fn drive_unnamed(bom: &Bom, parts: &Parts) -> Option<Finding> {
    let unnamed: Vec<_> = bom
        .of(Kind::Nvme)
        .filter(|line| {
            line.part.is_none()
                && ![Attr::Model, Attr::PartNumber].iter().any(|attr| line.expect.contains_key(attr) || line.select.contains_key(attr))
        })
        .collect();
    let first = unnamed.first()?;
    let gtps = first.expected(Attr::LinkSpeed).and_then(crate::component::Value::as_f64);
    let writes: Vec<f64> = parts
        .nvme
        .values()
        .filter(|part| gtps.is_none_or(|gtps| part.pcie_gtps.total_cmp(&gtps).is_eq()))
        .filter_map(|part| part.write_bytes_per_s)
        .collect();
    let (slowest, fastest) = (writes.iter().copied().fold(f64::INFINITY, f64::min), writes.iter().copied().fold(0.0, f64::max));
    let spread = if writes.len() > 1 {
        format!(
            "; the {} drives of that link speed in the parts catalogue write from {:.1} to {:.1} GB/s",
            writes.len(),
            slowest / 1e9,
            fastest / 1e9
        )
    } else {
        String::new()
    };
    Some(Finding {
        statement: unnamed.iter().map(|line| format!("{} {}, no product named", line.quantity, line.name)).collect::<Vec<_>>().join("; "),
        why: format!("interface and capacity do not fix the limits{spread}; until the product is named only the link bounds them"),
    })
}
