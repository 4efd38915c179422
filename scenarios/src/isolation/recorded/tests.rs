//! What a run is worth: only a whole one of this site, as it is declared now, passes; a leak stays one.

use assay_bench::net::isolation::{Answer, Envelope, Source, Technique, Via};
use assay_model::run::{Environment, RUN_SCHEMA};
use assay_model::site::declared::{Mac, Service};
use assay_model::site::{SiteFiles, assemble};

use super::super::judge::tests::quiet;
use super::super::{ISOLATION, NO_FLOODING};
use super::*;

const DECLARED: &str = r#"schema = 1
[network]
host_vlan = 6
host_networks = ["10.6.0.0/24"]
host_probe_addresses = ["10.6.0.250"]
host_services = ["22/tcp", "9100/tcp"]
management_services = ["8006/tcp"]
[[network.protected]]
name = "a"
addresses = ["10.6.0.11"]
[[network.guest_vlan]]
vlan = 10
networks = ["10.10.0.0/24"]
gateways = ["10.10.0.1"]
probe_addresses = ["10.10.0.250"]
control = ["53/tcp", "53/udp"]
"#;
const ALLOW: &str = "[[network.allow]]\nfrom_vlan = 10\nto = \"10.6.0.11/32\"\nservice = \"9100/tcp\"\nwhy = \"asked\"\n";
const WHOLE_NS: u64 = 600_000_000_000;

fn site(name: &str, declared: &str) -> Site {
    let files = [("site.toml", format!("schema = 1\nname = \"{name}\"\n")), ("declared.toml", declared.to_owned())];
    let files = SiteFiles { origin: String::new(), files: files.map(|(name, text)| (name.to_owned(), text)).into() };
    assemble(files, &[], &[]).expect("a sound site")
}

fn found() -> Found {
    let mut plan = plan(&site("lab", DECLARED)).expect("a plan");
    // However short it was meant to be: today says how long it must be.
    plan.pace.listen_ns = 1;
    let mut findings = quiet();
    findings.guests[0].health.listened_ns = WHOLE_NS;
    Found { trial: Trial { site: "lab".into(), plan, guests: vec![], hosts: vec![] }, findings, failed: vec![] }
}

fn leak(found: &mut Found) {
    let technique = Technique { service: Service::Tcp(9100), envelope: Envelope::Untagged, source: Source::Own, via: Via::Gateway };
    let target = "10.6.0.11".parse().expect("an address");
    let (what, frame) = ("SYN-ACK".to_owned(), "a frame".to_owned());
    found.findings.guests[0].answers.push(Answer { technique, target, what, from: Mac([2; 6]), frame, count: 1, first_ns: 0 });
}

fn run_of(found: Option<serde_json::Value>, ended: Ended) -> Run {
    let step = Step {
        name: STEP.into(),
        hosts: vec!["node1".into()],
        ended: ended.clone(),
        metrics: vec![],
        counters: vec![],
        conditions: vec![],
        verification: None,
        latencies: vec![],
        series: vec![],
        notes: Default::default(),
        outages: Vec::new(),
        stalls: Vec::new(),
        findings: found.map(|fact| Recorded { event: 4, fact }),
    };
    Run {
        id: "r".into(),
        schema: RUN_SCHEMA,
        nodes: Vec::new(),
        hosts: vec!["node1".into()],
        boot_ids: vec!["b".into()],
        scenario: SCENARIO.into(),
        environment: Environment::default(),
        inventory: None,
        steps: vec![step],
        ended,
        started_at: String::new(),
        ended_at: String::new(),
    }
}

/// Ranks of both checks, and the reason of the first.
fn ranks(found: &Found, ended: Ended, site: &Site) -> (Rank, Rank, String) {
    let run = run_of(Some(serde_json::to_value(found).expect("JSON")), ended);
    let checks = checks(&run, site);
    let of = |id: &str| checks.iter().find(|check| check.id.as_str() == id && check.subject == "VLAN 10").expect("a check");
    assert!(checks.iter().all(|check| check.source == "run r, step attempt" && check.evidence == [4]), "{checks:?}");
    (of(ISOLATION).verdict.rank(), of(NO_FLOODING).verdict.rank(), of(ISOLATION).verdict.reason())
}

#[test]
fn a_whole_run_passes_when_it_listened_as_long_as_the_gate_says() {
    use Rank::{Inconclusive, Pass};
    let site = site("lab", DECLARED);
    for (listened, flooding) in [(WHOLE_NS - 1, Inconclusive), (WHOLE_NS, Pass), (WHOLE_NS + 1, Pass)] {
        let mut found = found();
        found.findings.guests[0].health.listened_ns = listened;
        assert_eq!(ranks(&found, Ended::Completed, &site), (Pass, flooding, String::new()), "{listened}");
    }
}

#[test]
fn a_run_that_was_cut_off_passes_nothing_and_keeps_its_leak() {
    let site = site("lab", DECLARED);
    for ended in [Ended::Interrupted, Ended::Cancelled, Ended::Failed("no token".into())] {
        let (isolation, flooding, why) = ranks(&found(), ended.clone(), &site);
        assert_eq!((isolation, flooding), (Rank::Inconclusive, Rank::Inconclusive), "{ended:?}");
        assert!(why.starts_with("interrupted: the run "), "{why}");
        let mut leaky = found();
        leak(&mut leaky);
        assert_eq!(ranks(&leaky, ended.clone(), &site).0, Rank::Fail, "{ended:?}");
        let none = checks(&run_of(None, ended.clone()), &site);
        assert!(none.len() == 2 && none.iter().all(|check| check.verdict.rank() == Rank::Inconclusive), "{none:?}");
    }
    let none = checks(&run_of(None, Ended::Completed), &site);
    assert!(none.iter().all(|check| check.verdict.reason().contains("not even that nothing was")), "{none:?}");
    let garbage = checks(&run_of(Some(serde_json::json!({"trial": 1})), Ended::Completed), &site);
    assert!(garbage.len() == 2 && garbage.iter().all(|check| check.verdict.reason().starts_with("unreadable: ")), "{garbage:?}");
}

#[test]
fn a_run_of_another_site_or_of_what_is_not_declared_any_more_proves_nothing() {
    let (isolation, flooding, why) = ranks(&found(), Ended::Completed, &site("other", DECLARED));
    assert!((isolation, flooding) == (Rank::Inconclusive, Rank::Inconclusive) && why.contains("made for site lab, this is other"), "{why}");
    for (from, to, what) in [
        ("host_vlan = 6", "host_vlan = 7", "host_vlan"),
        ("10.6.0.0/24", "10.6.0.0/23", "host_networks"),
        ("10.6.0.250", "10.6.0.251", "host_probe_addresses"),
        ("8006/tcp", "8007/tcp", "management_services"),
        ("\"9100/tcp\"]", "\"9100/tcp\", \"9283/tcp\"]", "[[network.protected]]"),
        ("\"10.6.0.11\"", "\"10.6.0.11\", \"10.6.0.12\"", "[[network.protected]]"),
        ("53/tcp", "54/tcp", "[[network.guest_vlan]]"),
    ] {
        let changed = site("lab", &DECLARED.replacen(from, to, 1));
        let (isolation, flooding, why) = ranks(&found(), Ended::Completed, &changed);
        assert!((isolation, flooding) == (Rank::Inconclusive, Rank::Inconclusive) && why.contains(what), "{to}: {isolation} {flooding}: {why}");
        let mut leaky = found();
        leak(&mut leaky);
        assert_eq!(ranks(&leaky, Ended::Completed, &changed).0, Rank::Fail, "{to}");
    }
    // A VLAN more: the old one is as unproven as the new one.
    let more = DECLARED[DECLARED.find("[[network.guest_vlan]]").expect("a VLAN")..].replace("vlan = 10", "vlan = 20").replace("10.10.", "10.20.");
    let more = site("lab", &format!("{DECLARED}{more}"));
    let run = run_of(Some(serde_json::to_value(found()).expect("JSON")), Ended::Completed);
    let checks = checks(&run, &more);
    assert!(checks.len() == 4 && checks.iter().all(|check| check.verdict.rank() == Rank::Inconclusive), "{checks:?}");
}

#[test]
fn what_may_be_answered_is_for_today_to_say() {
    let mut found = found();
    leak(&mut found);
    assert_eq!(ranks(&found, Ended::Completed, &site("lab", DECLARED)).0, Rank::Fail);
    assert_eq!(ranks(&found, Ended::Completed, &site("lab", &format!("{DECLARED}{ALLOW}"))).0, Rank::Pass);
}

#[test]
fn without_a_run_each_vlan_is_open_and_without_a_declaration_it_is_said_what_is_missing() {
    let none = absent(&site("lab", DECLARED));
    assert!(none.len() == 2 && none.iter().all(|check| check.verdict.reason().contains("there is no run of scenario vlan-isolation")), "{none:?}");
    let undeclared = absent(&site("lab", "schema = 1\n"));
    assert!(undeclared.len() == 2 && undeclared.iter().all(|check| check.verdict.reason().contains("host_vlan")), "{undeclared:?}");
}
