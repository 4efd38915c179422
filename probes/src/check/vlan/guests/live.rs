//! Whether the port that a bridge has for a guest is the one that its configuration says. One that is not was made or changed by hand, and nobody knows what for.

use std::collections::BTreeSet;

use assay_model::attr::Attr;
use assay_model::component::Component;
use assay_model::verdict::Reason;

use super::super::{is_aware_bridge, list, within};
use crate::check::findings::Findings;
use crate::check::seen::{count, text};

/// The VLAN of untagged frames where none is configured.
const DEFAULT: u64 = 1;
/// How Proxmox names ports: of a virtual machine, of a container, of the bridge between either and the node's, with what separates guest and interface.
const NAMES: [(&str, char); 3] = [("tap", 'i'), ("veth", 'i'), ("fwpr", 'p')];

/// Compares a port of a bridge with what is configured.
pub(super) fn compare(port: &Component, bridge: Option<&Component>, nics: &[&Component], findings: &mut Findings) {
    let Some((guest, number)) = owner(&port.locator) else { return };
    let mut differs = |what: String| findings.unclear(Reason::Invalid(format!("{} {what}", port.locator)));
    let Some(nic) = nics.iter().find(|nic| nic.locator == format!("{guest} net{number}")) else {
        return differs(format!("is there, and no guest {guest} with net{number} is configured"));
    };
    // What cannot be told of a configuration is said where configurations are judged.
    let (Ok(configured), Ok(tag), Ok(trunks)) = (text(nic, Attr::Bridge), count(nic, Attr::VlanId), list(nic, Attr::Trunks)) else { return };
    let (Some(configured), Some(bridge)) = (configured, bridge) else { return };
    let with_tag = tag.map(|tag| format!("{configured}v{tag}"));
    match bridge.locator.as_str() {
        // The outer end of the pair between the two bridges is compared.
        own if own == format!("fwbr{guest}i{number}") => return,
        own if own == configured || Some(own) == with_tag.as_deref() => {}
        own => return differs(format!("is on {own}, configured is {configured}")),
    }
    // Without tag and trunks it is given every VLAN, and that is a fault already.
    if !is_aware_bridge(bridge) || (tag.is_none() && trunks.is_empty()) {
        return;
    }
    let Ok(rows) = list(port, Attr::Vlans) else { return };
    let untagged = tag.unwrap_or(DEFAULT);
    let (Some(mut expected), Some(found)) = (all(trunks.iter().map(String::as_str)), all(rows.iter().filter_map(|row| row.split(' ').next()))) else {
        return;
    };
    expected.insert(untagged);
    let pvid = rows.iter().find(|row| row.split(' ').any(|word| word == "pvid")).and_then(|row| row.split(' ').next());
    if found != expected || pvid != Some(untagged.to_string().as_str()) {
        differs(format!("carries {}, configured is {}", rows.join(", "), configured_as(tag, trunks)));
    }
}

/// The guest and the number of its interface that a port is for.
fn owner(port: &str) -> Option<(&str, &str)> {
    let is_number = |text: &&str| !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    NAMES.iter().find_map(|&(start, separator)| {
        let (guest, number) = port.strip_prefix(start)?.split_once(separator)?;
        (is_number(&guest) && is_number(&number)).then_some((guest, number))
    })
}

/// The VLANs of several ranges; none where one is not understood.
fn all<'a>(ranges: impl Iterator<Item = &'a str>) -> Option<BTreeSet<u64>> {
    let ranges: Option<Vec<_>> = ranges.map(within).collect();
    ranges.map(|ranges| ranges.into_iter().flatten().collect())
}

fn configured_as(tag: Option<u64>, trunks: &[String]) -> String {
    let tag = tag.map_or_else(|| "no tag".to_owned(), |tag| format!("tag {tag}"));
    if trunks.is_empty() { tag } else { format!("{tag} with trunks {}", trunks.join(", ")) }
}
