//! The verdict on what was found: for each guest VLAN of the plan one on answers and one on what was heard. A leak decides, whatever else went wrong; then
//! comes whatever makes the silence worthless; only what is left passes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use assay_bench::net::isolation::{Answer, Ended, GuestFindings, Health, HostFindings, IsolationFindings, IsolationPlan, Source, Strayed, Technique};
use assay_model::check::Check;
use assay_model::component::{Reading, Value};
use assay_model::site::declared::{AllowedFlow, GuestVlan, Mac, Service};
use assay_model::verdict::{Evidence, Reason, Verdict};

use super::coverage;
use super::{ISOLATION, ISOLATION_EXPECTED, NO_FLOODING, NO_FLOODING_EXPECTED};

/// Leaks that are named one by one in a verdict.
const NAMED: usize = 10;
const WITNESS: &str = "the witness on the hosts' VLAN";
const SOURCE: &str = "isolation probe";

/// `vlan.isolation` and `vlan.no_flooding` for each guest VLAN of the plan, in its order.
pub fn judge(plan: &IsolationPlan, findings: &IsolationFindings) -> Vec<Check> {
    plan.guests.iter().flat_map(|guest| of_vlan(plan, findings, guest)).collect()
}

/// How the checks of a VLAN call it.
pub(super) fn subject(vlan: u16) -> String {
    format!("VLAN {vlan}")
}

fn of_vlan(plan: &IsolationPlan, findings: &IsolationFindings, guest: &GuestVlan) -> [Check; 2] {
    let subject = subject(guest.vlan);
    let own: Vec<_> = findings.guests.iter().filter(|found| found.vantage.vlan == guest.vlan).collect();
    let not_run = || Reason::NotRun(format!("nobody probed from VLAN {}", guest.vlan));

    let leaks = answered(plan, findings, guest.vlan, &own);
    let count = leaks.iter().map(Vec::len).sum();
    let verdict = match leaks.is_empty() {
        false => Verdict::Fail(named(leaks)),
        true if own.is_empty() => Verdict::Inconclusive(not_run()),
        true => {
            pass_unless(own.iter().flat_map(|found| doubts(plan, guest, found)).chain(targets_alive(plan, findings)), || probed(plan, guest, &own))
        }
    };
    let isolation = check(ISOLATION, &subject, verdict, ISOLATION_EXPECTED, count);

    let leaks = flooded(plan, findings, &own);
    let count = leaks.iter().map(Vec::len).sum();
    let verdict = match leaks.is_empty() {
        false => Verdict::Fail(named(leaks)),
        true if own.is_empty() => Verdict::Inconclusive(not_run()),
        true => pass_unless(own.iter().flat_map(|found| deafness(plan, findings, found)), || listened(findings, &own)),
    };
    [isolation, check(NO_FLOODING, &subject, verdict, NO_FLOODING_EXPECTED, count)]
}

fn check(id: &str, subject: &str, verdict: Verdict, expected: &str, leaks: usize) -> Check {
    let observed = match &verdict {
        Verdict::Pass(evidence) => evidence.witnessed().iter().map(|it| it.observed.clone()).collect::<Vec<_>>().join("; "),
        Verdict::Fail(_) => {
            if leaks == 1 {
                "1 leak".to_owned()
            } else {
                format!("{leaks} leaks")
            }
        }
        Verdict::Inconclusive(_) | Verdict::NotApplicable(_) => "nothing that proves it".to_owned(),
    };
    Check::new(id, subject, verdict, expected, observed, SOURCE)
}

fn pass_unless(doubts: impl IntoIterator<Item = Reason>, seen: impl FnOnce() -> String) -> Verdict {
    match doubts.into_iter().next() {
        Some(doubt) => Verdict::Inconclusive(doubt),
        None => Verdict::pass_on(Evidence::of_reading(SOURCE, &Reading::Value(Value::Text(seen())))),
    }
}

/// Of many leaks some of each kind: the first of each list, then the second of each, and so on.
fn named(leaks: Vec<Vec<String>>) -> String {
    let all: usize = leaks.iter().map(Vec::len).sum();
    let longest = leaks.iter().map(Vec::len).max().unwrap_or(0);
    let in_turn = (0..longest).flat_map(|at| leaks.iter().filter_map(move |list| list.get(at)));
    let shown: Vec<_> = in_turn.take(NAMED).map(String::as_str).collect();
    let rest = if all > shown.len() { format!("; and {} more", all - shown.len()) } else { String::new() };
    format!("{}{rest}", shown.join("; "))
}

/// Everything that is not allowed: what was answered, what is offered, what got into the hosts' VLAN, and what came out on another one.
fn answered(plan: &IsolationPlan, findings: &IsolationFindings, vlan: u16, own: &[&GuestFindings]) -> Vec<Vec<String>> {
    let is_leak = |answer: &&Answer| !is_allowed(plan, vlan, answer.target, &answer.technique);
    let mut answers: Vec<&Answer> = own.iter().flat_map(|found| &found.answers).filter(is_leak).collect();
    let mut seen = BTreeSet::new();
    // One of each way before a second one of any; what came first stays first.
    answers.sort_by_cached_key(|answer| !seen.insert((answer.technique.envelope, kind(answer.technique.service), answer.technique.via)));
    let answers = answers.into_iter().map(|answer| {
        let (target, technique) = (answer.target, answer.technique);
        format!("{target} of {} answered to {technique} from VLAN {vlan}: {} ({}, {}x)", host(plan, target), answer.what, answer.frame, answer.count)
    });
    let offered = own.iter().flat_map(|found| &found.offered).filter(|offered| !is_flow(plan, vlan, offered.address, offered.service));
    let offered = offered.map(|offered| format!("{} ({}) offers {} on VLAN {vlan}", offered.address, offered.mac, offered.service));

    let vlan_of: BTreeMap<Mac, u16> = findings.guests.iter().map(|found| (found.health.mac, found.vantage.vlan)).collect();
    let from_here = |strayed: &&Strayed| strayed.from_vlan.or_else(|| vlan_of.get(&strayed.from).copied()) == Some(vlan);
    let mut got_in: Vec<_> = findings.hosts.iter().flat_map(|found| &found.strayed).filter(from_here).collect();
    got_in.retain(|strayed| !is_allowed_stray(plan, vlan, strayed));
    let got_in = got_in
        .into_iter()
        .map(|strayed| format!("a probe from VLAN {vlan} got into the hosts' VLAN{}: {} ({}x)", how(strayed), strayed.frame, strayed.count));
    let elsewhere = findings.guests.iter().filter(|found| found.vantage.vlan != vlan);
    let came_out = elsewhere.flat_map(|found| found.strayed.iter().filter(from_here).map(|strayed| (found.vantage.vlan, strayed)));
    let came_out = came_out.map(|(there, strayed)| {
        format!("a probe from VLAN {vlan}, or its answer, came out on VLAN {there}{}: {} ({}x)", how(strayed), strayed.frame, strayed.count)
    });
    [answers.collect(), offered.collect(), got_in.collect(), came_out.collect()].into_iter().filter(|list: &Vec<String>| !list.is_empty()).collect()
}

fn how(strayed: &Strayed) -> String {
    strayed.technique.map_or_else(String::new, |technique| format!(" ({technique})"))
}

fn kind(service: Service) -> u8 {
    match service {
        Service::Neighbour => 0,
        Service::Icmp => 1,
        Service::Tcp(_) => 2,
        Service::Udp(_) => 3,
    }
}

pub(super) fn host(plan: &IsolationPlan, address: IpAddr) -> &str {
    plan.targets.iter().find(|target| target.address == address).map_or("an undeclared host", |target| &target.host)
}

fn flow(plan: &IsolationPlan, vlan: u16, to: IpAddr, service: Service) -> Option<&AllowedFlow> {
    plan.allow.iter().find(|flow| flow.from_vlan == vlan && flow.to.contains(to) && flow.service == service)
}

fn is_flow(plan: &IsolationPlan, vlan: u16, to: IpAddr, service: Service) -> bool {
    flow(plan, vlan, to, service).is_some()
}

/// What allows an answer. A flow is allowed to guests as they are: with an address of their own, and in their own VLAN.
pub(super) fn allowing<'p>(plan: &'p IsolationPlan, vlan: u16, to: IpAddr, technique: &Technique) -> Option<&'p AllowedFlow> {
    let is_honest = technique.envelope.is_of_the_own_vlan() && technique.source == Source::Own;
    flow(plan, vlan, to, technique.service).filter(|_| is_honest)
}

fn is_allowed(plan: &IsolationPlan, vlan: u16, to: IpAddr, technique: &Technique) -> bool {
    allowing(plan, vlan, to, technique).is_some()
}

fn is_allowed_stray(plan: &IsolationPlan, vlan: u16, strayed: &Strayed) -> bool {
    let is_honest = strayed.technique.is_none_or(|technique| technique.envelope.is_of_the_own_vlan() && technique.source == Source::Own);
    is_honest && strayed.flow.is_some_and(|(to, service)| is_flow(plan, vlan, to, service))
}

/// Everything that was heard and does not belong there.
fn flooded(plan: &IsolationPlan, findings: &IsolationFindings, own: &[&GuestFindings]) -> Vec<Vec<String>> {
    // By sign, so that one of each comes before a second one of any.
    let mut leaks: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for found in own {
        let vlan = found.vantage.vlan;
        for heard in &found.heard {
            leaks.entry(heard.sign.name()).or_default().push(format!("VLAN {vlan} hears {}: {} ({}x)", heard.sign, heard.frame, heard.count));
        }
        for (address, mac) in findings.hosts.iter().flat_map(|host| &host.alive) {
            if let Some(mac) = mac
                && let Some(frames) = found.stations.get(mac)
                && !found.heard.iter().any(|heard| heard.from == *mac)
            {
                let text = format!("VLAN {vlan} hears {mac}, which is {address} of {}, {frames}x", host(plan, *address));
                leaks.entry("station").or_default().push(text);
            }
        }
    }
    leaks.into_values().collect()
}

/// Whatever makes a half's report worthless.
fn ill(who: &str, health: &Health) -> Option<Reason> {
    match &health.ended {
        Ended::Complete => {}
        Ended::Stopped => return Some(Reason::Interrupted(format!("{who} was stopped"))),
        Ended::Died(why) => return Some(Reason::Interrupted(format!("{who} could not go on: {why}"))),
    }
    if health.went_down {
        return Some(Reason::Disturbed(format!("the interface of {who} was down for a while")));
    }
    if health.drops > 0 {
        return Some(Reason::Disturbed(format!("the capture of {who} lost {} frames", health.drops)));
    }
    if health.refused > 0 {
        return Some(Reason::Disturbed(format!("the interface of {who} would not take {} frames", health.refused)));
    }
    if health.sent == 0 || health.seen_leaving < health.sent {
        return Some(Reason::Unreadable(format!("the capture of {who} has seen {} of {} own frames leave", health.seen_leaving, health.sent)));
    }
    if health.counted_leaving < health.sent {
        return Some(Reason::Disturbed(format!("{who} sent {} frames, and its interface counts {}", health.sent, health.counted_leaving)));
    }
    None
}

/// Findings that were not kept may be leaks among ones that are allowed.
fn unkept(who: &str, more: u64) -> Option<Reason> {
    (more > 0).then(|| Reason::Invalid(format!("{who} has {more} findings more than it keeps")))
}

fn prober(found: &GuestFindings) -> String {
    format!("the prober on VLAN {}", found.vantage.vlan)
}

/// Why silence on the VLAN proves nothing.
fn doubts(plan: &IsolationPlan, guest: &GuestVlan, found: &GuestFindings) -> Vec<Reason> {
    let mut doubts: Vec<Reason> = ill(&prober(found), &found.health).into_iter().chain(unkept(&prober(found), found.more)).collect();
    if found.rounds == 0 {
        doubts.push(Reason::NotRun(format!("no round of probes was finished on VLAN {}", guest.vlan)));
    }
    let unreached = coverage::without_syn(plan, guest);
    if !unreached.is_empty() {
        doubts.push(Reason::NotRun(format!(
            "no SYN can be sent from VLAN {} to {}: declare the mac of the host, or a gateway of the VLAN",
            guest.vlan,
            words(&unreached)
        )));
    }
    if let Some(missing) = coverage::untried(plan, guest, found) {
        doubts.push(Reason::NotRun(format!("not tried from VLAN {}: {missing}", guest.vlan)));
    }
    for gateway in &guest.gateways {
        for service in [Service::Neighbour, Service::Icmp].iter().chain(&guest.control) {
            let control = found.controls.iter().find(|control| control.address == *gateway && control.service == *service);
            let (before, after) = control.map_or((0, 0), |control| (control.before, control.after));
            if before == 0 || after == 0 {
                let when = if before == 0 { "before" } else { "after" };
                doubts.push(Reason::Unreadable(format!(
                    "{gateway} on VLAN {} did not answer the control probe for {service} {when} the others: an answer of a host would not have been heard either",
                    guest.vlan
                )));
            }
        }
    }
    if let Some(missing) = coverage::unsearched(plan, guest, found) {
        doubts.push(Reason::NotRun(format!("not searched on VLAN {}: {missing}", guest.vlan)));
    }
    let has = |is_ipv4: bool| guest.networks.iter().any(|network| network.address().is_ipv4() == is_ipv4);
    if !has(true) && !has(false) {
        doubts.push(Reason::Blocked(format!("VLAN {} has no network", guest.vlan)));
    }
    for is_ipv4 in [true, false] {
        let is_host = plan.host_networks.iter().any(|network| network.address().is_ipv4() == is_ipv4);
        if is_host && !plan.host_probes.iter().any(|address| address.is_ipv4() == is_ipv4) {
            doubts.push(Reason::Blocked("no address to pretend to be a host with".into()));
        }
    }
    doubts
}

/// Hosts that nobody answers for are no proof that guests are kept from them.
fn targets_alive(plan: &IsolationPlan, findings: &IsolationFindings) -> Vec<Reason> {
    let is_alive = |address: &IpAddr| findings.hosts.iter().any(|host| host.alive.contains_key(address));
    let dead: Vec<_> =
        plan.targets.iter().filter(|target| !is_alive(&target.address)).map(|target| format!("{} of {}", target.address, target.host)).collect();
    if findings.hosts.is_empty() {
        return vec![Reason::NotRun("nobody on the hosts' VLAN has shown that the hosts are there to be reached".into())];
    }
    if plan.targets.is_empty() {
        return vec![Reason::NotRun("there is nobody to reach".into())];
    }
    let mut doubts: Vec<Reason> = findings.hosts.iter().filter_map(|host| ill(WITNESS, &host.health)).collect();
    doubts.extend(findings.hosts.iter().filter_map(|host| unkept(WITNESS, host.more)));
    if !dead.is_empty() {
        doubts.push(Reason::Unreadable(format!("nobody answers on the hosts' side either: {}", dead.join(", "))));
    }
    doubts
}

/// Why having heard nothing proves nothing.
fn deafness(plan: &IsolationPlan, findings: &IsolationFindings, found: &GuestFindings) -> Vec<Reason> {
    let mut doubts: Vec<Reason> = ill(&prober(found), &found.health).into_iter().chain(unkept(&prober(found), found.more)).collect();
    if found.health.listened_ns < plan.pace.listen_ns {
        doubts.push(Reason::NotRun(format!("listened for {:.1} s of {:.1} s", seconds(found.health.listened_ns), seconds(plan.pace.listen_ns))));
    }
    if found.controls.iter().all(|control| control.before == 0) || found.controls.iter().all(|control| control.after == 0) {
        doubts.push(Reason::Unreadable(format!("nobody was heard on VLAN {}, not even its gateway", found.vantage.vlan)));
    }
    let speaks = |host: &&HostFindings| {
        host.beacons > 1
            && ill("", &host.health).is_none()
            && host.alive.values().any(Option::is_some)
            && host.health.began_unix_ns <= found.health.began_unix_ns
            && host.health.ended_unix_ns >= found.health.ended_unix_ns
    };
    if findings.hosts.is_empty() {
        doubts.push(Reason::NotRun("nobody sent beacons on the hosts' VLAN: there may have been nothing to hear".into()));
    } else if !findings.hosts.iter().any(|host| speaks(&host)) {
        let why = findings.hosts.iter().find_map(|host| ill(WITNESS, &host.health));
        doubts.push(why.unwrap_or_else(|| {
            Reason::Unreadable(
                "no witness sent beacons all the while on an interface on which a host answered: there may have been nothing to hear".into(),
            )
        }));
    }
    doubts
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn probed(plan: &IsolationPlan, guest: &GuestVlan, own: &[&GuestFindings]) -> String {
    let (sent, rounds) = (own.iter().map(|found| found.health.sent).sum::<u64>(), own.iter().map(|found| found.rounds).sum::<u32>());
    let controls: u64 = own.iter().flat_map(|found| &found.controls).map(|control| control.before + control.after).sum();
    let allowed: BTreeSet<String> =
        own.iter().flat_map(|found| &found.answers).map(|answer| format!("{} of {}", answer.technique.service, answer.target)).collect();
    let unasked =
        if guest.networks.iter().any(|network| network.address().is_ipv6()) { "" } else { "; no control over IPv6, which the VLAN does not declare" };
    let untagged = match coverage::without_tagged_syn(plan).as_slice() {
        [] => String::new(),
        hosts => format!("; no SYN in foreign tags to {}, whose mac is not declared", words(hosts)),
    };
    let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.into_iter().collect::<Vec<_>>().join(", ") };
    format!(
        "{sent} frames in {rounds} rounds to {} addresses; allowed answers: {allowed}; {controls} answers of the gateways{unasked}{untagged}",
        plan.targets.len()
    )
}

fn words(addresses: &[IpAddr]) -> String {
    addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn listened(findings: &IsolationFindings, own: &[&GuestFindings]) -> String {
    let shortest = own.iter().map(|found| found.health.listened_ns).min().unwrap_or(0);
    let beacons: u64 = findings.hosts.iter().map(|host| host.beacons).sum();
    let stations: usize = own.iter().map(|found| found.stations.len()).sum();
    format!("listened for {:.1} s, heard {stations} stations of the VLAN and none of {beacons} sets of beacons", seconds(shortest))
}

#[cfg(test)]
pub(super) mod tests;
