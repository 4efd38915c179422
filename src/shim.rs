//! Stand-in until assay-probes exports these.
use std::collections::BTreeMap;
use std::time::Duration;
use assay_model::inventory::Inventory;
use assay_model::run::CounterSample;
use assay_probes::{Host, ProbeOptions, take_inventory};
use assay_model::attr::Attr;
pub(crate) fn error_counters(host: &Host) -> Vec<CounterSample> {
    let inventory = take_inventory(host, &ProbeOptions { deadline: Duration::from_secs(5), now: jiff::Timestamp::now() });
    let wanted = [Attr::AerCorrectable, Attr::AerFatal, Attr::AerNonfatal, Attr::CorrectedErrors, Attr::UncorrectedErrors, Attr::MachineChecks, Attr::ReceiveErrors, Attr::TransmitErrors];
    let mut out = Vec::new();
    for c in &inventory.components { for a in wanted { if let Some(r) = c.attributes.get(&a) { out.push(CounterSample { component: c.locator.clone(), counter: a, source: c.source(a).to_owned(), reading: r.clone() }); } } }
    out
}
pub(crate) fn environment(_: &Host, inventory: &Inventory) -> BTreeMap<String, String> {
    [("host".to_owned(), inventory.host.clone())].into()
}
