//! Network bonds and their members, from `/sys/class/net/*/bonding` and `bonding_slave`. What the partner of a member says of itself is in
//! `/proc/net/bonding` only; that text is read in `bond/status.rs`.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading, Value};

use self::status::{Partner, Status};
use super::Probe;
use crate::described::Described;
use crate::host::{Host, HostError, unanswered, whole};

mod status;

/// The probe of bonds.
pub(super) struct Bond;

pub(super) const NET: &str = "/sys/class/net";
const MILLISECOND: u64 = 1_000_000;
/// The kernel writes it where a bond has so many members that their names do not fit into a page.
const CUT_OFF: &str = "++more++";
const LACP: &str = "802.3ad";

impl Probe for Bond {
    fn name(&self) -> &'static str {
        "bond"
    }

    fn describe(&self) -> &'static str {
        "Network bonds and their members: mode, LACP aggregators and partners, from /sys/class/net and /proc/net/bonding."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::Bond, Kind::BondMember]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let Some(names) = host.list_or_none(NET)? else { return Err(HostError::SourceMissing(NET.into())) };
        let mut found = Vec::new();
        for name in names.iter().filter(|name| *name != "bonding_masters") {
            if host.exists(&format!("{NET}/{name}/bonding"))? {
                found.extend(bond(host, name)?);
            }
        }
        Ok(found)
    }
}

/// The members of every bond, in the order of their names.
pub(super) fn members(host: &Host) -> Result<Vec<String>, HostError> {
    let mut members = Vec::new();
    for component in Bond.probe(host)? {
        if component.kind == Kind::BondMember {
            members.push(component.locator);
        }
    }
    members.sort();
    Ok(members)
}

fn bond(host: &Host, name: &str) -> Result<Vec<Component>, HostError> {
    let folder = format!("{NET}/{name}/bonding");
    let members = host.read(&format!("{folder}/slaves"))?;
    let members: Vec<&str> = members.split_whitespace().collect();
    if members.contains(&CUT_OFF) {
        return Err(HostError::Malformed { path: format!("{folder}/slaves"), reason: "there are more members than it names".into() });
    }
    let described = Described::new(host, Kind::Bond, name, folder.as_str())
        .understood(Attr::BondMode, "mode", word)
        .understood(Attr::LacpRate, "lacp_rate", word)
        .understood(Attr::XmitHashPolicy, "xmit_hash_policy", word)
        .scaled(Attr::LinkPolling, "miimon", MILLISECOND)
        .count(Attr::Aggregator, "ad_aggregator")
        .count(Attr::AggregatorPorts, "ad_num_ports")
        .text(Attr::PartnerMac, "ad_partner_mac")
        .put(Attr::Members, format!("{folder}/slaves"), Value::List(members.iter().map(|&member| member.to_owned()).collect()))
        .done();
    let is_lacp = described.value(Attr::BondMode).and_then(Value::as_str) == Some(LACP);
    let path = format!("/proc/net/bonding/{name}");
    let status = host.read(&path).map(|text| Status::parse(&text));
    let mut all = vec![described];
    for member in members {
        let partner = |of: fn(&Partner) -> Reading| match &status {
            Ok(status) => of(&status.partner(member, is_lacp)),
            Err(error) => unanswered(error),
        };
        all.push(
            Described::new(host, Kind::BondMember, member, format!("{NET}/{member}/bonding_slave"))
                .put(Attr::Bond, format!("{folder}/slaves"), name)
                .text(Attr::LinkMonitor, "mii_status")
                .count(Attr::LinkFailures, "link_failure_count")
                .understood(Attr::Aggregator, "ad_aggregator_id", |text| count_or_none(text, is_lacp))
                .understood(Attr::PartnerState, "ad_partner_oper_port_state", |text| count_or_none(text, is_lacp))
                .put(Attr::PartnerMac, path.as_str(), partner(|partner| partner.mac.clone()))
                .put(Attr::PartnerKey, path.as_str(), partner(|partner| partner.key.clone()))
                .done(),
        );
    }
    Ok(all)
}

/// `802.3ad 4`: the name of an option's value, and its number.
fn word(text: &str) -> Result<Reading, String> {
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        [name, number] if whole(number).is_ok() => Ok((*name).into()),
        _ => Err("not a word and its number".into()),
    }
}

/// The kernel writes N/A for a member without an aggregator. In a bond that has some it is the one that was left out; in another there are none.
fn count_or_none(text: &str, is_lacp: bool) -> Result<Reading, String> {
    match (text, is_lacp) {
        ("N/A", true) => Ok("none".into()),
        ("N/A", false) => Ok(Reading::Absent),
        (_, _) => whole(text).map(Reading::from),
    }
}

#[cfg(test)]
mod tests;
