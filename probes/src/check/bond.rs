//! Bonds: their settings against the order, and what LACP says of the ports at the other end. Whether those ports are on different switches only LLDP
//! tells: `bond/diversity.rs`.

use std::collections::BTreeMap;

use assay_model::attr::{Attr, Kind};
use assay_model::bom;
use assay_model::check::Check;
use assay_model::component::{Component, Value};
use assay_model::inventory::{Inventory, Observed};
use assay_model::site::Site;
use assay_model::verdict::{Reason, Verdict};

use super::bom::taken_by;
use super::findings::Findings;
use super::question::{Question, absent};
use super::seen::{Seen, count, looked, text};

pub(super) const MODE: Question = Question { id: "bond.mode", expected: "the declared mode and hash policy, LACP rate fast, miimon 100 ms" };
pub(super) const ONE_AGGREGATOR: Question =
    Question { id: "bond.one_aggregator", expected: "the ports that are ordered for it, every one up and in the active aggregator" };
pub(super) const SAME_PARTNER: Question = Question { id: "bond.same_partner", expected: "every port sees the same LACP partner and key" };
pub(super) const PARTNER_STATE: Question = Question {
    id: "bond.partner_state",
    expected: "every port's partner in sync, collecting and distributing; with a short timeout where LACP is fast",
};

mod diversity;

pub(super) use diversity::{SWITCH_DIVERSITY, switch_diversity};

const LACP: &str = "802.3ad";
const FAST: &str = "fast";
const MIIMON: u64 = 100_000_000;
/// What bonding shows of a partner that it never heard.
const NOBODY: &str = "00:00:00:00:00:00";
/// What the probe writes for a member that belongs to no aggregator.
const NONE: &str = "none";

/// IEEE 802.1AX, 6.4.2.3: the bits of a port's state that must be set for it to carry traffic.
const CARRYING: [(u64, &str); 3] = [(0x08, "in sync"), (0x10, "collecting"), (0x20, "distributing")];
const SHORT_TIMEOUT: u64 = 0x02;
/// Those that say that it has not heard this node: it goes by what it was configured with, or by what it heard too long ago.
const DEAF: [(u64, &str); 2] = [(0x40, "defaulted"), (0x80, "expired")];

/// A bond with its members and what the order says of it.
struct Bundle<'a> {
    bond: &'a Component,
    members: Vec<&'a Component>,
    ordered: Option<&'a bom::Bond>,
}

pub(super) fn mode(inventory: &Inventory, site: &Site) -> Vec<Check> {
    const ATTRS: [Attr; 4] = [Attr::BondMode, Attr::LacpRate, Attr::XmitHashPolicy, Attr::LinkPolling];
    each(&MODE, inventory, site, |bundle| {
        let seen = Seen::of(bundle.bond, &ATTRS);
        let Some(ordered) = bundle.ordered else {
            return MODE.answer(&bundle.bond.locator, &seen, unordered(site));
        };
        let mut findings = Findings::default();
        findings.expect(Attr::BondMode, text(bundle.bond, Attr::BondMode), &ordered.mode.as_str());
        findings.expect(Attr::XmitHashPolicy, text(bundle.bond, Attr::XmitHashPolicy), &ordered.xmit_hash_policy.as_str());
        findings.expect("miimon", count(bundle.bond, Attr::LinkPolling), &MIIMON);
        if ordered.mode == LACP
            && let Some(rate) = findings.value(Attr::LacpRate, text(bundle.bond, Attr::LacpRate))
            && rate != FAST
            && rate != expected_rate(site, ordered)
        {
            findings.wrong(format!("{} is {rate}, expected {FAST}", Attr::LacpRate));
        }
        MODE.answer(&bundle.bond.locator, &seen, findings.verdict(site, &seen))
    })
}

pub(super) fn one_aggregator(inventory: &Inventory, site: &Site) -> Vec<Check> {
    each_lacp(&ONE_AGGREGATOR, inventory, site, |bundle, findings| {
        if let Some(ordered) = bundle.ordered
            && u32::try_from(bundle.members.len()) != Ok(ordered.ports)
        {
            findings.wrong(format!("{} of {} ports are bundled", bundle.members.len(), ordered.ports));
        }
        if let Some(ordered) = bundle.ordered {
            match taken_by(inventory, site, &ordered.line) {
                Ok(ports) => {
                    for stranger in bundle.members.iter().filter(|member| ports.iter().all(|port| port.locator != member.locator)) {
                        findings.wrong(format!("{} is none of the {}", stranger.locator, ordered.line));
                    }
                }
                Err(reason) => findings.unclear(reason),
            }
        }
        if findings.value("active aggregator", count(bundle.bond, Attr::Aggregator)) == Some(0) {
            findings.wrong("it has no active aggregator");
        }
        // All ports in one aggregator, and as many in the active one: then it is that one, whatever its number was when it was read.
        findings.expect(Attr::AggregatorPorts, count(bundle.bond, Attr::AggregatorPorts), &u64::try_from(bundle.members.len()).unwrap_or(u64::MAX));
        let mut aggregators = BTreeMap::new();
        for member in &bundle.members {
            if let Some(link) = findings.value(Attr::LinkMonitor, text(member, Attr::LinkMonitor))
                && link != "up"
            {
                findings.wrong(format!("{} is {link}", member.locator));
            }
            if is_left_out(member, Attr::Aggregator) {
                findings.wrong(format!("{} is in no aggregator", member.locator));
            } else if let Some(own) = findings.value(Attr::Aggregator, count(member, Attr::Aggregator)) {
                aggregators.insert(own, member.locator.as_str());
            }
        }
        if aggregators.len() > 1 {
            let places: Vec<String> = aggregators.iter().map(|(aggregator, member)| format!("{member} in {aggregator}")).collect();
            findings.wrong(format!("the ports are in {} aggregators: {}", aggregators.len(), places.join(", ")));
        }
        Seen::of(bundle.bond, &[Attr::Aggregator, Attr::AggregatorPorts])
            .and(Seen::across(&bundle.members, Attr::Aggregator))
            .and(Seen::across(&bundle.members, Attr::LinkMonitor))
    })
}

pub(super) fn same_partner(inventory: &Inventory, site: &Site) -> Vec<Check> {
    each_lacp(&SAME_PARTNER, inventory, site, |bundle, findings| {
        if let Some(reason) = too_few(bundle) {
            findings.unclear(reason);
        }
        let macs: Vec<&str> = bundle.members.iter().filter_map(|member| findings.value(Attr::PartnerMac, text(member, Attr::PartnerMac))).collect();
        let keys: Vec<u64> = bundle.members.iter().filter_map(|member| findings.value(Attr::PartnerKey, count(member, Attr::PartnerKey))).collect();
        for member in bundle.members.iter().filter(|member| text(member, Attr::PartnerMac) == Ok(Some(NOBODY))) {
            findings.wrong(format!("{} has no LACP partner", member.locator));
        }
        if macs.iter().any(|mac| Some(mac) != macs.first()) {
            findings.wrong(format!("the partners differ: {}", macs.join(", ")));
        }
        if keys.iter().any(|key| Some(key) != keys.first()) {
            findings.wrong(format!("the partner's keys differ: {}", keys.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")));
        }
        Seen::across(&bundle.members, Attr::PartnerMac).and(Seen::across(&bundle.members, Attr::PartnerKey))
    })
}

pub(super) fn partner_state(inventory: &Inventory, site: &Site) -> Vec<Check> {
    each_lacp(&PARTNER_STATE, inventory, site, |bundle, findings| {
        // Where nothing is ordered, what the bond itself asks of its partner is expected of it.
        let is_fast = match bundle.ordered {
            Some(ordered) => expected_rate(site, ordered) == FAST,
            None => text(bundle.bond, Attr::LacpRate) == Ok(Some(FAST)),
        };
        for member in &bundle.members {
            if is_left_out(member, Attr::PartnerState) {
                findings.wrong(format!("{} is in no aggregator", member.locator));
                continue;
            }
            let Some(state) = findings.value(Attr::PartnerState, count(member, Attr::PartnerState)) else { continue };
            if state > 0xff {
                findings.unclear(Reason::Invalid(format!("{} says {state}, which is no LACP state", member.source(Attr::PartnerState))));
                continue;
            }
            let lacking = CARRYING.iter().filter(|(bit, _)| state & bit == 0).map(|(_, name)| format!("not {name}"));
            let deaf = DEAF.iter().filter(|(bit, _)| state & bit != 0).map(|(_, name)| (*name).to_owned());
            let slow = (is_fast && state & SHORT_TIMEOUT == 0).then(|| "on a long timeout".to_owned());
            let faults: Vec<String> = lacking.chain(deaf).chain(slow).collect();
            if !faults.is_empty() {
                findings.wrong(format!("the partner of {} is {}", member.locator, faults.join(", ")));
            }
        }
        Seen::across(&bundle.members, Attr::PartnerState)
    })
}

/// Asks every bond that uses LACP; of one that is ordered to and does not, nothing can be said.
fn each_lacp<'a>(question: &Question, inventory: &'a Inventory, site: &'a Site, ask: impl Fn(&Bundle<'a>, &mut Findings) -> Seen<'a>) -> Vec<Check> {
    each(question, inventory, site, |bundle| {
        let about = |verdict| question.answer(&bundle.bond.locator, &Seen::of(bundle.bond, &[Attr::BondMode]), verdict);
        let is_ordered = bundle.ordered.is_some_and(|ordered| ordered.mode == LACP);
        match text(bundle.bond, Attr::BondMode) {
            Ok(Some(LACP)) => {}
            Ok(Some(mode)) if is_ordered => {
                return about(Verdict::Inconclusive(Reason::NotRun(format!("it is in mode {mode} and does not use LACP"))));
            }
            Ok(Some(mode)) => return about(Verdict::NotApplicable(format!("it is in mode {mode} and does not use LACP"))),
            Ok(None) => return about(absent(site, format!("{} does not exist", bundle.bond.source(Attr::BondMode)))),
            Err(reason) => return about(Verdict::Inconclusive(reason)),
        }
        let mut findings = Findings::default();
        if bundle.members.is_empty() {
            let verdict = if is_ordered { Verdict::Fail("it has no members".into()) } else { absent(site, "it has no members") };
            return question.answer(&bundle.bond.locator, &Seen::of(bundle.bond, &[Attr::Members]), verdict);
        }
        let seen = ask(bundle, &mut findings);
        let verdict = findings.verdict(site, &seen);
        question.answer(&bundle.bond.locator, &seen, verdict)
    })
}

/// Asks every bond that is there; one that is ordered and is not there fails.
fn each<'a>(question: &Question, inventory: &'a Inventory, site: &'a Site, ask: impl Fn(&Bundle<'a>) -> Check) -> Vec<Check> {
    let ordered = ordered(site);
    let bonds = match inventory.of(Kind::Bond) {
        Observed::Components(found) if !found.is_empty() || !ordered.is_empty() => found,
        Observed::Components(_) | Observed::SourceMissing(_) | Observed::Unknown(_) => {
            return question.subjects(inventory, site, Kind::Bond).err().unwrap_or_default();
        }
    };
    let members = match inventory.of(Kind::BondMember) {
        Observed::Components(members) => members,
        Observed::SourceMissing(_) | Observed::Unknown(_) => return question.subjects(inventory, site, Kind::BondMember).err().unwrap_or_default(),
    };
    let missing = ordered.iter().filter(|bond| bonds.iter().all(|found| found.locator != bond.name)).map(|bond| {
        let verdict = Verdict::Fail(format!("{} is ordered and not there", bond.name));
        Check::new(question.id, &bond.name, verdict, question.expected, "nothing", looked(inventory, Kind::Bond))
    });
    let found = bonds.iter().map(|&bond| {
        let of_it = |member: &&Component| text(member, Attr::Bond) == Ok(Some(bond.locator.as_str()));
        let members = members.iter().copied().filter(of_it).collect();
        ask(&Bundle { bond, members, ordered: ordered.iter().find(|ordered| ordered.name == bond.locator) })
    });
    missing.chain(found).collect()
}

/// Why nothing can be compared in a bond of fewer ports than are ordered.
fn too_few(bundle: &Bundle<'_>) -> Option<Reason> {
    let is_short = bundle.ordered.is_some_and(|ordered| u32::try_from(bundle.members.len()).is_ok_and(|members| members < ordered.ports));
    is_short.then(|| Reason::NotRun(format!("only {} of its ports are bundled: there is nothing to compare", bundle.members.len())))
}

/// The bonds that the order names.
fn ordered(site: &Site) -> &[bom::Bond] {
    site.bom.as_ref().and_then(|bom| bom.cluster.as_ref()).map_or(&[], |cluster| cluster.bond.as_slice())
}

/// The verdict on a bond of which the order says nothing, where the order has to say what is right.
fn unordered(site: &Site) -> Verdict {
    if ordered(site).is_empty() {
        absent(site, "the site orders no bond: nothing says how it should be set")
    } else {
        Verdict::NotApplicable("the order does not name it".into())
    }
}

/// The LACP rate that is expected. A slow one that contradicts what else is ordered is believed only when the operator insisted on it.
fn expected_rate<'a>(site: &Site, ordered: &'a bom::Bond) -> &'a str {
    let questioned = site.contradictions.iter().find(|contradiction| contradiction.derived_by.as_deref() == Some("network.lacp_slow"));
    match questioned {
        Some(contradiction) if !contradiction.is_resolved() || contradiction.chosen().is_some_and(|chosen| chosen.id == FAST) => FAST,
        Some(_) | None => &ordered.lacp_rate,
    }
}

fn is_left_out(member: &Component, attr: Attr) -> bool {
    member.value(attr).and_then(Value::as_str) == Some(NONE)
}

#[cfg(test)]
mod tests;
