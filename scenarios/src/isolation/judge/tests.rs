//! Silence passes only when everything is proven that makes it worth something; each proof is taken away in turn. A leak fails whatever else is missing.

use assay_bench::net::isolation::{Control, Envelope, Heard, Offered, Pace, Sign, Target, Tried, Vantage, Via};
use assay_model::site::declared::AllowedFlow;
use assay_model::verdict::Rank;

use super::*;

const HOST: Mac = Mac([2, 0, 0, 0, 6, 11]);
const GUEST: Mac = Mac([2, 0, 0, 0, 10, 7]);

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn plan() -> IsolationPlan {
    let prefix = |text: &str| text.parse().expect("a network");
    IsolationPlan {
        host_vlan: 6,
        host_networks: vec![prefix("10.6.0.0/24")],
        host_probes: vec![address("10.6.0.250")],
        targets: vec![Target { host: "a".into(), address: address("10.6.0.11"), mac: None, services: vec![Service::Tcp(22), Service::Tcp(9100)] }],
        management: vec![Service::Tcp(8006)],
        guests: vec![GuestVlan {
            vlan: 10,
            networks: vec![prefix("10.10.0.0/24")],
            gateways: vec![address("10.10.0.1")],
            probe_addresses: vec![address("10.10.0.250")],
            control: vec![Service::Tcp(53), Service::Udp(53)],
        }],
        allow: vec![AllowedFlow { from_vlan: 10, to: prefix("10.6.0.11/32"), service: Service::Tcp(9100), why: "asked".into() }],
        pace: Pace { frames_per_s: 1, tries: 1, settle_ns: 1, listen_ns: 600, round_every_ns: 1, beacon_every_ns: 1 },
    }
}

fn health(began: u64, ended: u64) -> Health {
    Health {
        mac: Mac([2, 0, 0, 0, 10, 250]),
        began_unix_ns: began,
        ended_unix_ns: ended,
        listened_ns: 600,
        sent: 10,
        seen_leaving: 10,
        counted_leaving: 10,
        drops: 0,
        refused: 0,
        went_down: false,
        ended: Ended::Complete,
    }
}

/// Every probe that the plan asks for, twice, and all of the VLAN.
fn tried() -> Vec<Tried> {
    let services = [Service::Neighbour, Service::Icmp, Service::Tcp(22), Service::Tcp(9100)];
    let times = || BTreeMap::from([(address("10.6.0.11"), 2)]);
    let of = |envelope| {
        let of = move |source| services.map(|service| Tried { technique: Technique { service, envelope, source, via: Via::Direct }, times: times() });
        [Source::Own, Source::Spoofed].into_iter().flat_map(of)
    };
    let searched = (0..=255).filter(|last| *last != 250).map(|last| IpAddr::from([10, 10, 0, last]));
    let of_the_vlan = [(Service::Neighbour, Via::Broadcast, searched.collect()), (Service::Tcp(8006), Via::Direct, vec![address("10.10.0.1")])];
    let of_the_vlan = of_the_vlan.map(|(service, via, addresses): (_, _, Vec<IpAddr>)| Tried {
        technique: Technique { service, envelope: Envelope::Untagged, source: Source::Own, via },
        times: addresses.into_iter().map(|address| (address, 1)).collect(),
    });
    Envelope::ALL.into_iter().flat_map(of).chain(of_the_vlan).collect()
}

/// What was asked of stations of the VLAN.
fn management(found: &mut GuestFindings) -> &mut BTreeMap<IpAddr, u64> {
    &mut found.tried.iter_mut().find(|one| one.technique.service == Service::Tcp(8006)).expect("it is tried").times
}

fn stations(count: u16) -> impl Iterator<Item = (IpAddr, u64)> {
    (0..count).map(|at| (IpAddr::from([10, 10, 2 + at.to_be_bytes()[0], at.to_be_bytes()[1]]), 1))
}

pub(in crate::isolation) fn quiet() -> IsolationFindings {
    let control = |service| Control { address: address("10.10.0.1"), service, before: 1, after: 1 };
    IsolationFindings {
        guests: vec![GuestFindings {
            vantage: Vantage { vlan: 10, netns: None, interface: "eth0".into() },
            health: health(100, 900),
            rounds: 1,
            tried: tried(),
            controls: [Service::Neighbour, Service::Icmp, Service::Tcp(53), Service::Udp(53)].map(control).into(),
            answers: vec![],
            offered: vec![],
            heard: vec![],
            strayed: vec![],
            stations: BTreeMap::from([(GUEST, 3)]),
            unled: Some(0),
            more: 0,
        }],
        hosts: vec![HostFindings {
            vantage: Vantage { vlan: 6, netns: None, interface: "eth0".into() },
            health: health(50, 950),
            beacons: 5,
            alive: BTreeMap::from([(address("10.6.0.11"), Some(HOST))]),
            strayed: vec![],
            more: 0,
        }],
    }
}

fn judged(change: impl FnOnce(&mut IsolationFindings)) -> (Verdict, Verdict) {
    let mut findings = quiet();
    change(&mut findings);
    let [isolation, flooding] = judge(&plan(), &findings).try_into().expect("two checks for one VLAN");
    assert_eq!((isolation.id.as_str(), flooding.id.as_str(), isolation.subject.as_str()), (ISOLATION, NO_FLOODING, "VLAN 10"));
    (isolation.verdict, flooding.verdict)
}

#[test]
fn proven_silence_passes() {
    let (isolation, flooding) = judged(|_| {});
    assert!(matches!((&isolation, &flooding), (Verdict::Pass(_), Verdict::Pass(_))), "{isolation:?} {flooding:?}");
}

/// A proof that is taken away, and the ranks without it.
type Missing = (&'static str, fn(&mut IsolationFindings), Rank, Rank);

#[test]
fn silence_without_a_proof_does_not() {
    use Rank::{Inconclusive, Pass};
    let cases: [Missing; 34] = [
        ("nobody probed", |it| it.guests.clear(), Inconclusive, Inconclusive),
        ("nobody attended", |it| it.hosts.clear(), Inconclusive, Inconclusive),
        ("stopped", |it| it.guests[0].health.ended = Ended::Stopped, Inconclusive, Inconclusive),
        ("died", |it| it.guests[0].health.ended = Ended::Died("of it".into()), Inconclusive, Inconclusive),
        ("down", |it| it.guests[0].health.went_down = true, Inconclusive, Inconclusive),
        ("lost frames", |it| it.guests[0].health.drops = 1, Inconclusive, Inconclusive),
        ("refused", |it| it.guests[0].health.refused = 1, Inconclusive, Inconclusive),
        ("sent nothing", |it| it.guests[0].health.sent = 0, Inconclusive, Inconclusive),
        ("not seen leaving", |it| it.guests[0].health.seen_leaving = 9, Inconclusive, Inconclusive),
        ("not counted leaving", |it| it.guests[0].health.counted_leaving = 9, Inconclusive, Inconclusive),
        ("no round", |it| it.guests[0].rounds = 0, Inconclusive, Pass),
        ("one service was not tried", |it| it.guests[0].tried.retain(|one| one.technique.service != Service::Tcp(9100)), Inconclusive, Pass),
        ("one envelope was not tried", |it| it.guests[0].tried.retain(|one| one.technique.envelope != Envelope::OwnHost), Inconclusive, Pass),
        ("nobody pretended to be a host", |it| it.guests[0].tried.retain(|one| one.technique.source == Source::Own), Inconclusive, Pass),
        ("another guest was not asked to lead to the hosts", |it| it.guests[0].unled = Some(1), Inconclusive, Pass),
        ("who was asked to lead to the hosts was not stored", |it| it.guests[0].unled = None, Inconclusive, Pass),
        ("another host was asked", |it| it.guests[0].tried.iter_mut().for_each(|one| one.times.clear()), Inconclusive, Pass),
        (
            "an address was not searched",
            |it| it.guests[0].tried.iter_mut().for_each(|one| _ = one.times.remove(&address("10.10.0.77"))),
            Inconclusive,
            Pass,
        ),
        ("the gateway was not asked", |it| _ = management(&mut it.guests[0]).remove(&address("10.10.0.1")), Inconclusive, Pass),
        ("as many stations as are asked at most", |it| management(&mut it.guests[0]).extend(stations(256)), Inconclusive, Pass),
        ("one station less", |it| management(&mut it.guests[0]).extend(stations(255)), Pass, Pass),
        ("no control before", |it| it.guests[0].controls[2].before = 0, Inconclusive, Pass),
        ("no control after", |it| it.guests[0].controls[3].after = 0, Inconclusive, Pass),
        ("a control was not asked", |it| it.guests[0].controls.retain(|control| control.service != Service::Icmp), Inconclusive, Pass),
        ("nobody was heard", |it| it.guests[0].controls.iter_mut().for_each(|control| control.after = 0), Inconclusive, Inconclusive),
        ("too short", |it| it.guests[0].health.listened_ns = 599, Pass, Inconclusive),
        ("the hosts are dead", |it| it.hosts[0].alive.clear(), Inconclusive, Inconclusive),
        ("no host was heard on the wire of the beacons", |it| it.hosts[0].alive = BTreeMap::from([(address("10.6.0.11"), None)]), Pass, Inconclusive),
        ("one set of beacons", |it| it.hosts[0].beacons = 1, Pass, Inconclusive),
        ("beacons began too late", |it| it.hosts[0].health.began_unix_ns = 101, Pass, Inconclusive),
        ("beacons ended too early", |it| it.hosts[0].health.ended_unix_ns = 899, Pass, Inconclusive),
        ("more than the prober keeps", |it| it.guests[0].more = 1, Inconclusive, Inconclusive),
        ("more than the witness keeps", |it| it.hosts[0].more = 1, Inconclusive, Pass),
        ("the witness lost frames", |it| it.hosts[0].health.drops = 1, Inconclusive, Inconclusive),
    ];
    for (name, change, isolation, flooding) in cases {
        let seen = judged(change);
        assert_eq!((seen.0.rank(), seen.1.rank()), (isolation, flooding), "{name}: {seen:?}");
    }
}

#[test]
fn a_network_that_is_too_large_to_be_searched_does_not_pass() {
    let isolation = |networks: &[&str], management: Vec<Service>| {
        let mut plan = IsolationPlan { management, ..plan() };
        plan.guests[0].networks = networks.iter().map(|text| text.parse().expect("a network")).collect();
        judge(&plan, &quiet()).swap_remove(0).verdict
    };
    for large in ["10.10.0.0/20", "10.0.0.0/8", "0.0.0.0/0"] {
        let verdict = isolation(&["10.10.0.0/24", large], vec![Service::Tcp(8006)]);
        assert!(verdict.rank() == Rank::Inconclusive && verdict.reason().contains(large), "{verdict:?}");
    }
    // Somebody in it may lead to the hosts, whether services are looked for or not.
    assert_eq!(isolation(&["10.10.0.0/20"], vec![]).rank(), Rank::Inconclusive);
    assert_eq!(isolation(&["10.10.0.0/24", "fd00:10::/64"], vec![Service::Tcp(8006)]).rank(), Rank::Pass);
}

fn answer(service: Service, envelope: Envelope, source: Source, via: Via) -> Answer {
    Answer {
        technique: Technique { service, envelope, source, via },
        target: address("10.6.0.11"),
        what: "SYN-ACK".into(),
        from: HOST,
        frame: "a frame".into(),
        count: 1,
        first_ns: 0,
    }
}

#[test]
fn only_what_is_allowed_may_be_answered_and_only_as_guests_ask() {
    let plain = || answer(Service::Tcp(9100), Envelope::Untagged, Source::Own, Via::Gateway);
    let (isolation, _) = judged(|it| it.guests[0].answers.push(plain()));
    assert_eq!(isolation.rank(), Rank::Pass, "{isolation:?}");
    for leak in [
        answer(Service::Tcp(22), Envelope::Untagged, Source::Own, Via::Gateway),
        answer(Service::Udp(9100), Envelope::Untagged, Source::Own, Via::Gateway),
        answer(Service::Tcp(9100), Envelope::Host, Source::Own, Via::Direct),
        answer(Service::Tcp(9100), Envelope::Untagged, Source::Spoofed, Via::Gateway),
        answer(Service::Neighbour, Envelope::Untagged, Source::Own, Via::Broadcast),
        Answer { target: address("10.6.0.12"), ..plain() },
    ] {
        let named = leak.technique.to_string();
        let (isolation, _) = judged(|it| it.guests[0].answers.push(leak));
        assert!(isolation.rank() == Rank::Fail && isolation.reason().contains(&named) && isolation.reason().contains("VLAN 10"), "{isolation:?}");
    }
}

#[test]
fn a_probe_that_gets_in_is_a_leak_without_an_answer() {
    let strayed = |technique, flow| Strayed { from_vlan: Some(10), from: GUEST, technique, flow, frame: "a frame".into(), count: 1 };
    let flow = |port| Some((address("10.6.0.11"), Service::Tcp(port)));
    let tagged = answer(Service::Tcp(9100), Envelope::Host, Source::Own, Via::Direct).technique;
    for (found, rank) in [
        (strayed(None, flow(9100)), Rank::Pass),
        (strayed(None, flow(22)), Rank::Fail),
        (strayed(None, None), Rank::Fail),
        (strayed(Some(tagged), flow(9100)), Rank::Fail),
        (Strayed { from_vlan: Some(20), ..strayed(None, None) }, Rank::Pass),
        // By the hardware address of its prober.
        (Strayed { from_vlan: None, from: Mac([2, 0, 0, 0, 10, 250]), ..strayed(None, None) }, Rank::Fail),
    ] {
        let (isolation, _) = judged(|it| it.hosts[0].strayed.push(found.clone()));
        assert_eq!(isolation.rank(), rank, "{found:?}: {isolation:?}");
    }
}

#[test]
fn a_leak_fails_whatever_else_is_missing() {
    let (isolation, flooding) = judged(|it| {
        it.hosts.clear();
        it.guests[0].health.ended = Ended::Died("of it".into());
        it.guests[0].offered.push(Offered { address: address("10.10.0.77"), mac: GUEST, service: Service::Tcp(8006) });
        it.guests[0].heard.push(Heard { sign: Sign::HostTag, from: GUEST, frame: "a frame".into(), count: 1, first_ns: 0 });
    });
    assert_eq!((isolation.rank(), flooding.rank()), (Rank::Fail, Rank::Fail), "{isolation:?} {flooding:?}");
    // A host that speaks on the guests' VLAN from a hardware address that only the witness knows.
    let (_, flooding) = judged(|it| it.guests[0].stations = BTreeMap::from([(HOST, 2)]));
    assert!(flooding.rank() == Rank::Fail && flooding.reason().contains("10.6.0.11 of a"), "{flooding:?}");
}

#[test]
fn findings_come_back_from_another_node_as_they_were() {
    let mut findings = quiet();
    findings.guests[0].answers.push(answer(Service::Tcp(22), Envelope::PriorityHost, Source::Spoofed, Via::Neighbour));
    let text = serde_json::to_string(&findings).expect("JSON");
    assert_eq!(serde_json::from_str::<IsolationFindings>(&text).expect("findings"), findings);
    let text = serde_json::to_string(&plan()).expect("JSON");
    assert_eq!(serde_json::from_str::<IsolationPlan>(&text).expect("a plan"), plan());
}
