//! What the probes fill on the host that runs the tests is what an order can be compared with: an attribute that a probe fills and
//! `check/bom/filled.rs` does not list would be reported as not implemented.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use assay_model::check::CheckId;
use assay_probes::{Host, ProbeOptions, check, take_inventory};

#[test]
fn an_order_can_be_compared_with_every_attribute_that_a_probe_fills_here() {
    let options = ProbeOptions { deadline: Duration::from_secs(30), now: jiff::Timestamp::UNIX_EPOCH };
    let inventory = take_inventory(&Host::live(Path::new("/")), &options);
    let filled: BTreeSet<CheckId> = inventory
        .components
        .iter()
        .flat_map(|component| component.attributes.keys().map(|attr| CheckId(format!("{}.{attr}", component.kind))))
        .collect();
    assert!(filled.len() > 10, "the probes saw next to nothing here: {filled:?}");
    let listed = check::implemented_ids();
    let missing: Vec<&CheckId> = filled.difference(&listed).collect();
    assert!(missing.is_empty(), "not listed in probes/src/check/bom/filled.rs: {missing:?}");
}
