//! What was really tried from a VLAN, held against what the site asks to be tried: every host, for everything, in every envelope and from both kinds of
//! address, and every station of the VLAN for management services. A probe that was never sent has no answer, and that is no silence.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use assay_bench::net::isolation::{Envelope, GuestFindings, IsolationPlan, STATIONS_MAX, Source, Target, Technique, Via};
use assay_model::site::declared::{GuestVlan, Service};

/// Probes that are named one by one.
const NAMED: usize = 3;

/// Which probes of the plan never left the VLAN, in words; none when all did.
pub(super) fn untried(plan: &IsolationPlan, guest: &GuestVlan, found: &GuestFindings) -> Option<String> {
    let was_sent = |target: &Target, service, envelope, source| {
        let alike = |technique: &Technique| technique.service == service && technique.envelope == envelope && technique.source == source;
        found.tried.iter().any(|tried| alike(&tried.technique) && tried.times.get(&target.address).is_some_and(|times| *times > 0))
    };
    let mut missing = Vec::new();
    for target in &plan.targets {
        for envelope in Envelope::ALL {
            for source in [Source::Own, Source::Spoofed].into_iter().filter(|source| has_address(plan, guest, target.address, *source)) {
                let asked = [Service::Neighbour, Service::Icmp].iter().chain(&target.services);
                let asked = asked.filter(|service| has_way(guest, target, **service, envelope));
                let of = asked.filter(|service| !was_sent(target, **service, envelope, source));
                missing.extend(of.map(|service| format!("{service} {envelope} of {} {}", target.address, from(source))));
            }
        }
    }
    match found.unled {
        Some(0) => {}
        Some(unled) => missing.push(format!("by way of {unled} of the other guests")),
        None => missing.push("by way of which other guests was not stored".to_owned()),
    }
    named(missing)
}

fn named(missing: Vec<String>) -> Option<String> {
    let more = missing.len().saturating_sub(NAMED);
    let shown = missing.into_iter().take(NAMED).collect::<Vec<_>>().join("; ");
    (!shown.is_empty()).then(|| if more > 0 { format!("{shown}; and {more} more") } else { shown })
}

/// Where somebody on the VLAN may lead to the hosts or offer management services without having been asked, in words; none when everybody was.
pub(super) fn unsearched(plan: &IsolationPlan, guest: &GuestVlan, found: &GuestFindings) -> Option<String> {
    let asked = |service, via| -> BTreeSet<IpAddr> {
        let technique = Technique { service, envelope: Envelope::Untagged, source: Source::Own, via };
        let tried = found.tried.iter().filter(|tried| tried.technique == technique);
        tried.flat_map(|tried| &tried.times).filter(|(_, times)| **times > 0).map(|(address, _)| *address).collect()
    };
    let sought = asked(Service::Neighbour, Via::Broadcast);
    // Nobody looks for himself.
    let own: BTreeSet<&IpAddr> = guest.probe_addresses.iter().chain(&plan.host_probes).collect();
    let networks = guest.networks.iter().filter(|network| network.address().is_ipv4()).filter_map(|network| {
        let all = 1_usize << 32_u8.saturating_sub(network.length());
        let others = all - own.iter().filter(|address| network.contains(***address)).count();
        let asked = sought.iter().filter(|address| network.contains(**address) && !own.contains(*address)).count();
        (asked < others).then(|| format!("stations of {network}, {asked} of {others} addresses searched"))
    });
    let stations = plan.management.iter().flat_map(|service| {
        let asked = asked(*service, Via::Direct);
        let gateways = guest.gateways.iter().filter(|gateway| !asked.contains(gateway)).map(|gateway| format!("{service} of {gateway}"));
        let is_station = |address: &&IpAddr| !guest.gateways.contains(address) && !plan.targets.iter().any(|target| target.address == **address);
        let is_full = asked.iter().filter(is_station).count() >= STATIONS_MAX;
        gateways.chain(is_full.then(|| format!("{service} of whoever came after {STATIONS_MAX} stations"))).collect::<Vec<_>>()
    });
    named(networks.chain(stations).collect())
}

fn from(source: Source) -> &'static str {
    match source {
        Source::Own => "from an own address",
        Source::Spoofed => "from one of the hosts' network",
    }
}

/// Whether the plan has an address to speak to the target from.
fn has_address(plan: &IsolationPlan, guest: &GuestVlan, to: IpAddr, source: Source) -> bool {
    let is_on_link = matches!(to, IpAddr::V6(address) if address.is_unicast_link_local());
    let alike = |addresses: &[IpAddr]| addresses.iter().any(|address| address.is_ipv4() == to.is_ipv4());
    match source {
        // Every station has a link-local address.
        Source::Own => to.is_ipv6() || alike(&guest.probe_addresses),
        Source::Spoofed => !is_on_link && alike(&plan.host_probes),
    }
}

/// Whether there is a station to send it to. All of them take anything but a SYN; for that it takes the host's own, or a gateway.
fn has_way(guest: &GuestVlan, target: &Target, service: Service, envelope: Envelope) -> bool {
    let is_on_link = matches!(target.address, IpAddr::V6(address) if address.is_unicast_link_local());
    let has_gateway = guest.gateways.iter().any(|gateway| gateway.is_ipv4() == target.address.is_ipv4());
    match service {
        Service::Neighbour | Service::Icmp | Service::Udp(_) => true,
        Service::Tcp(_) => target.mac.is_some() || (envelope.is_of_the_own_vlan() && !is_on_link && has_gateway),
    }
}

/// Hosts with a service of TCP to which no SYN can be sent from this VLAN at all, for nobody knows their station and no gateway leads to them.
pub(super) fn without_syn(plan: &IsolationPlan, guest: &GuestVlan) -> Vec<IpAddr> {
    let is_out = |target: &&Target| {
        let mut services = target.services.iter().filter(|service| matches!(service, Service::Tcp(_)));
        services.any(|service| !Envelope::ALL.iter().any(|envelope| has_way(guest, target, *service, *envelope)))
    };
    plan.targets.iter().filter(is_out).map(|target| target.address).collect()
}

/// Hosts to which no SYN can be sent in a tag that is not the VLAN's own.
pub(super) fn without_tagged_syn(plan: &IsolationPlan) -> Vec<IpAddr> {
    let has_tcp = |target: &&Target| target.mac.is_none() && target.services.iter().any(|service| matches!(service, Service::Tcp(_)));
    plan.targets.iter().filter(has_tcp).map(|target| target.address).collect()
}

/// What was tried, in words: how many probes, for what, in which envelopes, from which addresses and to whom.
pub(super) fn tried(found: &GuestFindings) -> String {
    let mut counts: [BTreeMap<String, u64>; 4] = Default::default();
    let mut addresses: BTreeSet<IpAddr> = BTreeSet::new();
    for tried in &found.tried {
        let Technique { service, envelope, source, via } = tried.technique;
        let times: u64 = tried.times.values().sum();
        addresses.extend(tried.times.keys().copied());
        let via = match via {
            Via::Broadcast => "all stations",
            Via::Direct => "the host's station",
            Via::Gateway => "the gateway",
            Via::Neighbour => "another guest",
        };
        for (counts, key) in counts.iter_mut().zip([service.to_string(), envelope.to_string(), from(source).to_owned(), via.to_owned()]) {
            *counts.entry(key).or_default() += times;
        }
    }
    let all: u64 = counts[0].values().sum();
    let listed = |counts: &BTreeMap<String, u64>| counts.iter().map(|(what, times)| format!("{times}x {what}")).collect::<Vec<_>>().join("; ");
    let [services, envelopes, sources, ways] = &counts;
    format!(
        "{all} probes of {} addresses, {}. For: {}. In: {}. Sent: {}. To: {}",
        addresses.len(),
        if found.rounds == 1 { "1 whole round".to_owned() } else { format!("{} whole rounds", found.rounds) },
        listed(services),
        listed(envelopes),
        listed(sources),
        listed(ways)
    )
}
