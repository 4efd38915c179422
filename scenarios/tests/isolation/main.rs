//! The isolation of guests from hosts, tried in network namespaces: every planted leak is found by what it is, and the clean layout is not accused. Needs root
//! and `ip` of iproute2.

use std::net::IpAddr;
use std::sync::Mutex;

use assay_bench::net::isolation::{IsolationPlan, Pace};
use assay_model::check::Check;
use assay_model::site::{Site, SiteFiles, assemble};
use assay_model::verdict::{Rank, Verdict};
use assay_scenarios::isolation::{judge, plan};

use lab::{Lab, VLANS};
use leaks::{CLEAN, Change, LEAKS, Leak};

mod lab;
mod leaks;
mod switch;

/// Labs side by side: a trial mostly waits.
const LABS: usize = 3;

fn site(allow: &str) -> Site {
    let files = [("site.toml", "schema = 1\nname = \"lab\"\n".to_owned()), ("declared.toml", lab::declared(allow))];
    let files = SiteFiles { origin: String::new(), files: files.map(|(name, text)| (name.to_owned(), text)).into() };
    assemble(files, &[], &[]).expect("a sound site")
}

fn plan_of(allow: &str, listen_ms: u64) -> IsolationPlan {
    let mut plan = plan(&site(allow)).expect("a plan");
    plan.pace = Pace {
        frames_per_s: 20_000,
        tries: 1,
        settle_ns: 12_000_000,
        listen_ns: listen_ms * 1_000_000,
        round_every_ns: 300_000_000,
        beacon_every_ns: 50_000_000,
    };
    plan
}

fn of<'a>(checks: &'a [Check], id: &str, vlan: u16) -> &'a Check {
    checks.iter().find(|check| check.id.as_str() == id && check.subject == format!("VLAN {vlan}")).expect("a check for each VLAN")
}

/// What is wrong with how the leak was found, when each probe is sent so often.
#[derive(Default)]
struct Faults {
    wrong: Vec<String>,
    /// It was found, and not all of what it is was said.
    unsaid: Vec<String>,
}

fn faults(leak: &Leak, lab: &Lab, tries: u32) -> Faults {
    let mut plan = plan_of("", leak.listen_ms);
    plan.pace.tries = tries;
    // One VLAN that is apart goes along: it is not accused.
    let mut vlans = leak.vlans.to_vec();
    vlans.extend([40].into_iter().filter(|vlan| !leak.vlans.contains(vlan)));
    vlans.extend([20].into_iter().filter(|_| leak.says.iter().any(|words| words.contains("VLAN 20"))));
    let checks = judge(&plan, &lab.trial(&plan, leak.changes, &vlans));
    let mut faults = Faults::default();
    for vlan in leak.vlans {
        let check = of(&checks, leak.check, *vlan);
        let reason = check.verdict.reason();
        let missing = lab::missing(leak, &reason);
        if check.verdict.rank() != Rank::Fail || !missing.is_empty() {
            let of_its_sort = if check.verdict.rank() == Rank::Fail { &mut faults.unsaid } else { &mut faults.wrong };
            of_its_sort.push(format!("{}: {} of VLAN {vlan} is {}, without {missing:?}: {reason}", leak.name, leak.check, check.verdict.rank()));
        }
    }
    for check in &checks {
        let is_apart = !leak.vlans.iter().chain([&20]).any(|vlan| check.subject == format!("VLAN {vlan}"));
        if is_apart && check.verdict.rank() == Rank::Fail {
            faults.wrong.push(format!("{}: {} is accused by {}: {}", leak.name, check.subject, check.id, check.verdict.reason()));
        }
    }
    faults
}

#[test]
fn every_planted_leak_is_found_by_what_it_is() {
    let wanted = std::env::var("ISOLATION_LEAK").ok();
    let left: Mutex<Vec<&Leak>> =
        Mutex::new(LEAKS.iter().rev().filter(|leak| wanted.as_deref().is_none_or(|name| leak.name.contains(name))).collect());
    let all = left.lock().expect("no lab has died").len();
    assert!(wanted.is_some() || all >= 40, "{all}");
    let found: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for number in 0..LABS {
            let (left, found) = (&left, &found);
            scope.spawn(move || {
                let lab = Lab::new(number);
                loop {
                    let Some(leak) = left.lock().expect("no lab has died").pop() else { break };
                    let mut faults = faults(leak, &lab, 1);
                    // A single frame can be lost on a machine that is busy with something else.
                    if !faults.unsaid.is_empty() {
                        let again = self::faults(leak, &lab, 3);
                        faults.wrong.extend(again.wrong.into_iter().chain(again.unsaid));
                    }
                    found.lock().expect("no lab has died").extend(faults.wrong);
                }
            });
        }
    });
    let found = found.into_inner().expect("no lab has died");
    assert!(found.is_empty(), "{} faults with {all} leaks:\n{}", found.len(), found.join("\n"));
}

#[test]
fn a_layout_where_only_allowed_flows_are_answered_passes() {
    let lab = Lab::new(10);
    let plan = plan_of("", 500);
    let checks = judge(&plan, &lab.trial(&plan, &[], &VLANS));
    assert_eq!(checks.len(), 10);
    for check in checks {
        assert!(matches!(check.verdict, Verdict::Pass(_)), "{} of {}: {}", check.id, check.subject, check.verdict.reason());
    }

    let allow = "[[network.allow]]\nfrom_vlan = 10\nto = \"10.6.0.0/24\"\nservice = \"9100/tcp\"\nwhy = \"the metrics are fetched\"\n";
    let mut plan = plan_of(allow, 500);
    let without = plan.guests.iter_mut().find(|guest| guest.vlan == 50).expect("VLAN 50");
    without.networks.retain(|network| network.address().is_ipv4());
    without.gateways.retain(IpAddr::is_ipv4);
    without.probe_addresses.retain(IpAddr::is_ipv4);
    let found = lab.trial(&plan, CLEAN, &VLANS);
    let checks = judge(&plan, &found);
    for check in &checks {
        assert!(matches!(check.verdict, Verdict::Pass(_)), "{} of {}: {}", check.id, check.subject, check.verdict.reason());
    }
    assert!(of(&checks, leaks::ISOLATION, 10).observed.contains("9100/tcp of 10.6.0.11"), "{}", of(&checks, leaks::ISOLATION, 10).observed);

    // The same answers, and nobody has allowed them.
    plan.allow.clear();
    let checks = judge(&plan, &found);
    let check = of(&checks, leaks::ISOLATION, 10);
    assert!(check.verdict.rank() == Rank::Fail && check.verdict.reason().contains("9100/tcp untagged"), "{}", check.verdict.reason());
}

#[test]
fn silence_that_is_not_proven_does_not_pass() {
    let lab = Lab::new(11);
    let plan = plan_of("", 300);
    let expect = |name: &str, checks: &[Check], says: [&str; 2]| {
        for (id, words) in [leaks::ISOLATION, leaks::FLOODING].into_iter().zip(says) {
            let check = of(checks, id, 10);
            let reason = check.verdict.reason();
            assert!(
                matches!(check.verdict, Verdict::Inconclusive(_)) && reason.contains(words),
                "{name}: {id} is {}: {reason}",
                check.verdict.rank()
            );
        }
    };
    let checks = judge(&plan, &lab.probe(&plan, &[10], &[], false));
    expect("no witness", &checks, ["nobody on the hosts' VLAN", "nobody sent beacons"]);

    const GATEWAY_GONE: &[Change] = &[Change::Ip("gw", &["link set g10 down"], &["link set g10 up", "-6 addr add fd00:10::1/64 dev g10"])];
    let checks = judge(&plan, &lab.trial(&plan, GATEWAY_GONE, &[10]));
    expect("no gateway", &checks, ["did not answer the control probe", "nobody was heard"]);

    // The witness is not where it believes to be.
    const WITNESS_ASTRAY: &[Change] = &[Change::Port("a", |port| {
        port.pvid = 7;
        port.untagged = vec![7];
    })];
    let checks = judge(&plan, &lab.trial(&plan, WITNESS_ASTRAY, &[10]));
    expect("a witness elsewhere", &checks, ["nobody answers on the hosts' side either", "no witness sent beacons"]);

    let space = lab.space("p10");
    let flap = std::thread::spawn(move || {
        let (_tell, told) = std::sync::mpsc::channel::<()>();
        let _waited = told.recv_timeout(std::time::Duration::from_millis(900));
        for state in ["down", "up"] {
            let done = std::process::Command::new("ip").args(["-n", &space, "link", "set", "eth0", state]).status().expect("ip");
            assert!(done.success());
        }
    });
    let checks = judge(&plan_of("", 1_500), &lab.trial(&plan_of("", 1_500), &[], &[10]));
    flap.join().expect("it ends");
    expect("an interface that went down", &checks, ["was down for a while", "was down for a while"]);
}

#[test]
fn a_vlan_that_is_not_searched_as_a_whole_does_not_pass() {
    let lab = Lab::new(12);
    let isolation = |network: &str, changes: &[Change]| {
        let mut plan = plan_of("", 400);
        plan.guests[0].networks[0] = network.parse().expect("a network");
        of(&judge(&plan, &lab.trial(&plan, changes, &[10])), leaks::ISOLATION, 10).verdict.clone()
    };
    const SERVICE_AFAR: &[Change] =
        &[Change::Ip("n10", &["addr add 10.10.9.77/20 dev n10"], &["addr del 10.10.9.77/20 dev n10"]), Change::Listen("n10", "10.10.9.77:8006")];
    let afar = isolation("10.10.0.0/20", SERVICE_AFAR);
    assert!(matches!(&afar, Verdict::Inconclusive(_)) && afar.reason().contains("10.10.0.0/20"), "{afar:?}");

    lab.add_addresses("n10", "n10", (0..300_u16).map(|at| format!("10.10.{}.{}/23", at / 200, 2 + at % 200)).filter(|it| it != "10.10.0.77/23"));
    let many = isolation("10.10.0.0/23", &[]);
    assert!(matches!(&many, Verdict::Inconclusive(_)) && many.reason().contains("8006/tcp of whoever came after 256 stations"), "{many:?}");
    const AT_THE_GATEWAY: &[Change] = &[Change::Listen("gw", "10.10.0.1:8006")];
    let offered = isolation("10.10.0.0/23", AT_THE_GATEWAY);
    assert!(offered.rank() == Rank::Fail && offered.reason().contains("10.10.0.1 (02:00:00:00:10:01) offers 8006/tcp"), "{offered:?}");
}

/// A guest that says where it is. Some have an address in common, and each a hardware address of its own.
fn announces(number: u8) -> Change {
    let mac = [2, 0, 0, 0, 0, number];
    let address = [10, 10, 0, 100 + number % 100];
    let question = [&[0, 1, 8, 0, 6, 4, 0, 1][..], &mac, &address, &[0; 6], &address, &[0; 18]].concat();
    Change::Emit("p10", [&[0xff; 6][..], &mac, &[8, 6], &question].concat().leak())
}

#[test]
fn every_other_guest_is_asked_to_lead_to_the_hosts_and_it_is_said_when_some_were_not() {
    let lab = Lab::new(14);
    let routes = LEAKS.iter().find(|leak| leak.name == "another guest routes").expect("that leak");
    let isolation = |others: u8, routes: &[Change], listen_ms| {
        let changes: Vec<Change> = routes.iter().copied().chain((1..=others).map(announces)).collect();
        let plan = plan_of("", listen_ms);
        of(&judge(&plan, &lab.trial(&plan, &changes, &[10])), leaks::ISOLATION, 10).verdict.clone()
    };
    // More than one round asks, and the one that leads is last by its hardware address.
    let found = isolation(40, routes.changes, 2_500);
    assert!(found.rank() == Rank::Fail && found.reason().contains("by way of another guest"), "{found:?}");
    let clean = isolation(40, &[], 2_500);
    assert!(matches!(clean, Verdict::Pass(_)), "{clean:?}");
    // More than there are rounds for, the late ones included.
    let left = isolation(250, &[], 400);
    assert!(matches!(&left, Verdict::Inconclusive(_)) && left.reason().contains("of the other guests"), "{left:?}");
}

#[test]
#[should_panic(expected = "it reports")]
fn a_prober_that_fails_ends_the_trial() {
    let lab = Lab::new(13);
    lab.trial(&plan_of("", 300), &[], &[77]);
}
