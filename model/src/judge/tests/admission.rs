//! What a gate makes of verdicts: severity, missing checks, contradictions, waivers, earlier phases.

use proptest::prelude::*;

use super::*;

#[test]
fn a_healthy_node_is_admitted_without_a_warning() {
    let judgement = Fixture::healthy().judge();
    assert_eq!(warnings(&judgement), "");
    assert!(judgement.judged.iter().all(|one| one.check.verdict.rank() == Rank::Pass && !one.holds && one.excused_by.is_none()), "{judgement:#?}");
    assert_eq!(rows(&judgement, "run.completed").len(), 2, "one row for each scenario");
    assert_eq!((rows(&judgement, "storage.data_verified").len(), rows(&judgement, "memory.triad_verified").len()), (1, 1));
}

#[test]
fn what_does_not_pass_holds_by_its_severity() {
    holds(&[
        ("failed", |f| f.check(LINK).verdict = failed(), 1, "nvme.link_width (0000:41:00.0): expected 4, observed 2"),
        ("unreadable", |f| f.check(LINK).verdict = unreadable(), 3, "EIO"),
        ("not applicable", |f| f.check(LINK).verdict = Verdict::NotApplicable("no PCI".into()), 3, "no PCI"),
        ("did not run", |f| f.checks.retain(|check| check.id.as_str() != LINK), 3, "did not run"),
        ("no code", |f| f.require(requirement(PROMISED, Severity::Gate)), 3, "no code implements this check yet"),
        ("no figure", |f| f.step("triad").metrics.clear(), 3, "memory.triad_bandwidth (memory.triad.bandwidth): not_run: did not run"),
        (
            "a limit of a figure that nothing measures",
            |f| {
                let limit = Limit { metric: "net.rtt".into(), bound: Bound::AtMost(1e6), basis: Basis::Policy("test".into()) };
                f.require(Requirement { limit: Some(limit), ..requirement("path.rtt", Severity::Gate) });
            },
            3,
            "path.rtt (net.rtt): not_run: no code implements this check yet",
        ),
        ("one of two fails", |f| f.checks.push(Check { verdict: failed(), ..passed(LINK, "0000:42:00.0") }), 1, "0000:42:00.0"),
        ("nothing required", |f| f.gate.requires.clear(), 3, "nothing was proved"),
        ("only warnings pass", |f| f.gate.requires.retain(|one| one.severity != Severity::Gate), 3, "nothing was proved"),
    ]);
    admits(&[
        ("warn fails", |f| f.check(WARNED).verdict = failed(), "nvme.firmware (0000:41:00.0): expected 4, observed 2"),
        ("warn unreadable", |f| f.check(WARNED).verdict = unreadable(), "EIO"),
        ("warn did not run", |f| f.checks.retain(|check| check.id.as_str() != WARNED), "did not run"),
        ("warn does not apply", |f| f.check(WARNED).verdict = Verdict::NotApplicable("none".into()), ""),
        ("info fails", |f| f.check(NOTED).verdict = failed(), ""),
        ("a check that no gate lists fails", |f| f.checks.push(Check { verdict: failed(), ..passed("block.scheduler", "sda") }), ""),
    ]);
    assert_eq!(warnings(&Fixture::spoilt(|f| f.check(NOTED).verdict = failed()).judge()), "", "info never warns");
}

#[test]
fn fail_outranks_inconclusive_and_the_worst_stands_first() {
    let judgement = Fixture::spoilt(|f| {
        f.check(LINK).verdict = unreadable();
        f.checks.push(Check { verdict: failed(), ..passed(LINK, "0000:42:00.0") });
    })
    .judge();
    assert_eq!((judgement.verdict, judgement.exit_code()), (Rank::Fail, 1));
    assert_eq!(judgement.judged[0].check.subject, "0000:42:00.0");
    assert!(judgement.judged.windows(2).all(|pair| pair[0].check.verdict.rank() >= pair[1].check.verdict.rank()));
}

#[test]
fn a_site_says_why_a_check_does_not_apply() {
    fn says(f: &mut Fixture) {
        f.site.not_here.push(NotHere { check: LINK.into(), why: "diskless".into() });
    }
    let excused = Fixture::spoilt(|f| {
        says(f);
        f.check(LINK).verdict = Verdict::NotApplicable("no NVMe".into());
    });
    assert_eq!(row(&excused.judge(), LINK).excused_by.as_deref(), Some("not here: diskless"));
    assert_eq!(excused.judge().exit_code(), 0);
    let missing = Fixture::spoilt(|f| {
        says(f);
        f.checks.retain(|check| check.id.as_str() != LINK);
    });
    assert_eq!((row(&missing.judge(), LINK).check.verdict.rank(), missing.judge().exit_code()), (Rank::NotApplicable, 0));
    holds(&[
        (
            "the statement hides no failure",
            |f| {
                says(f);
                f.check(LINK).verdict = failed();
            },
            1,
            LINK,
        ),
        (
            "nor what could not be read",
            |f| {
                says(f);
                f.check(LINK).verdict = unreadable();
            },
            3,
            LINK,
        ),
    ]);
}

#[test]
fn without_an_order_what_does_not_apply_does_not_hold_but_something_must_pass() {
    admits(&[(
        "not applicable",
        |f| {
            f.site.absence = Absence::NotApplicable;
            f.check(LINK).verdict = Verdict::NotApplicable("no NVMe".into());
        },
        "",
    )]);
    holds(&[
        (
            "nothing applies",
            |f| {
                f.site.absence = Absence::NotApplicable;
                f.gate.requires.retain(|one| one.id.as_str() == LINK);
                f.check(LINK).verdict = Verdict::NotApplicable("no NVMe".into());
            },
            3,
            "nothing was proved",
        ),
        (
            "unreadable",
            |f| {
                f.site.absence = Absence::NotApplicable;
                f.check(LINK).verdict = unreadable();
            },
            3,
            "EIO",
        ),
    ]);
}

#[test]
fn an_unresolved_contradiction_holds_its_phases_and_blocks_its_checks() {
    holds(&[
        (
            "blocks the phase",
            |f| f.site.contradictions.push(Contradiction { blocks: vec![Phase::FIRST], ..contradiction("C-05") }),
            3,
            "contradiction.C-05 (C-05): blocked: the order says both",
        ),
        (
            "names the check",
            |f| f.site.contradictions.push(Contradiction { checks: vec![LINK.into()], ..contradiction("C-05") }),
            3,
            "nvme.link_width (0000:41:00.0): blocked: unresolved contradiction C-05",
        ),
        (
            "named by the requirement",
            |f| {
                f.site.contradictions.push(contradiction("C-05"));
                f.require(Requirement { blocked_by: vec!["C-05".into()], ..requirement(LINK, Severity::Gate) });
            },
            3,
            "unresolved contradiction C-05",
        ),
        (
            "named by its rule",
            |f| {
                f.site.contradictions.push(Contradiction { derived_by: Some("network.cards".into()), ..contradiction("C-05") });
                f.require(Requirement { blocked_by: vec!["network.cards".into()], ..requirement(LINK, Severity::Gate) });
            },
            3,
            "unresolved contradiction C-05",
        ),
        (
            "a failure is blocked, no plain fail",
            |f| {
                f.site.contradictions.push(Contradiction { checks: vec![LINK.into()], ..contradiction("C-05") });
                f.check(LINK).verdict = failed();
            },
            3,
            "blocked",
        ),
        (
            "a blank resolution is none",
            |f| f.site.contradictions.push(Contradiction { blocks: vec![Phase::FIRST], resolution: Some(" ".into()), ..contradiction("C-05") }),
            3,
            "C-05",
        ),
        (
            "no waiver resolves it",
            |f| {
                f.site.contradictions.push(Contradiction { blocks: vec![Phase::FIRST], ..contradiction("C-05") });
                f.site.waivers.push(waiver("contradiction.C-05", "2027-01-01"));
            },
            3,
            "C-05",
        ),
    ]);
    admits(&[
        (
            "resolved",
            |f| {
                let resolution = Some("one".into());
                let checks = vec![LINK.into()];
                f.site.contradictions.push(Contradiction { blocks: vec![Phase::FIRST], checks, resolution, ..contradiction("C-05") });
            },
            "",
        ),
        ("of another phase", |f| f.site.contradictions.push(Contradiction { blocks: vec![phase(2)], ..contradiction("C-05") }), ""),
        ("informs only", |f| f.site.contradictions.push(contradiction("C-05")), ""),
    ]);
    let blocked = Fixture::spoilt(|f| f.site.contradictions.push(Contradiction { checks: vec![LINK.into()], ..contradiction("C-05") })).judge();
    assert_eq!(row(&blocked, LINK).check.observed, "4", "what was observed stays");
    assert_eq!(blocked.contradictions.len(), 1);
}

fn phase(number: u8) -> Phase {
    number.try_into().expect("a phase")
}

#[test]
fn a_waiver_excuses_through_its_last_day_and_turns_nothing_into_a_pass() {
    fn fails(f: &mut Fixture) {
        f.check(LINK).verdict = failed();
    }
    fn waived(expires: &str, now: &str) -> Fixture {
        let mut fixture = Fixture::spoilt(fails);
        fixture.site.waivers.push(waiver(LINK, expires));
        let age = time(now).duration_since(fixture.now);
        fixture.now = time(now);
        for run in &mut fixture.runs {
            run.started_at = (time(&run.started_at) + age).to_string();
            run.ended_at = (time(&run.ended_at) + age).to_string();
        }
        let taken_at = time(&fixture.inventory().taken_at) + age;
        fixture.inventory().taken_at = taken_at.to_string();
        fixture
    }
    for (expires, now, code) in [
        ("2026-11-21", "2026-11-20T12:00:00Z", 0),
        ("2026-11-20", "2026-11-20T00:00:00Z", 0),
        ("2026-11-20", "2026-11-20T23:59:59Z", 0),
        ("2026-11-20", "2026-11-21T00:00:00Z", 1),
        ("2020-01-01", "2026-11-20T12:00:00Z", 1),
    ] {
        let judgement = waived(expires, now).judge();
        assert_eq!(judgement.exit_code(), code, "until {expires} at {now}");
        let row = row(&judgement, LINK);
        assert_eq!(
            (row.check.verdict.rank(), row.holds, row.excused_by.is_some(), judgement.waivers.len()),
            (Rank::Fail, code != 0, code == 0, usize::from(code == 0))
        );
    }
    holds(&[
        (
            "of another subject",
            |f| {
                fails(f);
                f.site.waivers.push(Waiver { subject: Some("0000:42:00.0".into()), ..waiver(LINK, "2027-01-01") });
            },
            1,
            LINK,
        ),
        (
            "of another check",
            |f| {
                fails(f);
                f.site.waivers.push(waiver(WARNED, "2027-01-01"));
            },
            1,
            LINK,
        ),
        (
            "everything waived proves nothing",
            |f| {
                fails(f);
                f.gate.requires.retain(|one| one.id.as_str() == LINK);
                f.site.waivers.push(waiver(LINK, "2027-01-01"));
            },
            3,
            "nothing was proved",
        ),
    ]);
    let unused = Fixture::spoilt(|f| f.site.waivers.push(waiver(LINK, "2027-01-01"))).judge();
    assert!(unused.waivers.is_empty(), "a waiver of what passes is not in use");
    let silenced = Fixture::spoilt(|f| {
        f.check(WARNED).verdict = failed();
        f.site.waivers.push(Waiver { subject: Some("0000:41:00.0".into()), ..waiver(WARNED, "2027-01-01") });
    })
    .judge();
    assert_eq!((warnings(&silenced).as_str(), silenced.waivers.len()), ("", 1));
}

#[test]
fn a_gate_holds_while_that_of_an_earlier_phase_does() {
    fn third(f: &mut Fixture) {
        f.gate.phase = phase(3);
        f.earlier = vec![(phase(1), admitted()), (phase(2), admitted())];
    }
    fn admitted() -> Decision {
        Decision::Admit { warnings: Vec::new() }
    }
    fn held() -> Decision {
        Decision::Hold { blocking: vec!["nic.speed (eth0): slow".into()] }
    }
    admits(&[
        ("all admit", third, ""),
        (
            "held and waived",
            |f| {
                third(f);
                f.earlier[1].1 = held();
                f.site.waivers.push(waiver("phase.2", "2027-01-01"));
            },
            "",
        ),
        (
            "no order, no phases",
            |f| {
                third(f);
                f.earlier.clear();
                f.site.absence = Absence::NotApplicable;
            },
            "",
        ),
        ("later ones do not matter", |f| f.earlier = vec![(phase(2), held())], ""),
    ]);
    holds(&[
        (
            "held",
            |f| {
                third(f);
                f.earlier[1].1 = held();
            },
            3,
            "phase.2 (phase 2): blocked: the gate of phase 2 holds: nic.speed (eth0): slow",
        ),
        (
            "not judged",
            |f| {
                third(f);
                f.earlier.pop();
            },
            3,
            "the gate of phase 2 was not judged",
        ),
        (
            "judged twice",
            |f| {
                third(f);
                f.earlier.push((phase(1), held()));
            },
            3,
            "the gate of phase 1 holds",
        ),
        (
            "waived and expired",
            |f| {
                third(f);
                f.earlier[1].1 = held();
                f.site.waivers.push(waiver("phase.2", "2026-11-19"));
            },
            3,
            "phase.2",
        ),
    ]);
}

#[test]
fn no_figure_is_judged_on_a_node_that_is_not_the_ordered_one() {
    holds(&[
        ("a module is missing", |f| f.check("dimm.quantity").verdict = failed(), 3, "blocked: identity failed: dimm.quantity of dimm"),
        (
            "another board of the same chip",
            |f| f.checks.push(Check { verdict: failed(), ..passed("gpu.pci_subsystem", "0000:01:00.0") }),
            3,
            "blocked: identity failed: gpu.pci_subsystem of 0000:01:00.0",
        ),
        (
            "waived, and still another node",
            |f| {
                f.check("dimm.quantity").verdict = failed();
                f.require(requirement("dimm.quantity", Severity::Gate));
                f.site.waivers.push(waiver("dimm.quantity", "2027-01-01"));
            },
            3,
            "identity failed",
        ),
    ]);
    let other = Fixture::spoilt(|f| f.checks.push(Check { verdict: failed(), ..passed("nic.speed", "eth0") })).judge();
    assert_eq!(row(&other, TRIAD).check.verdict.rank(), Rank::Pass, "a slow link is no other node");
}

#[test]
fn an_identity_that_waits_for_a_contradiction_has_not_failed() {
    let named_by_the_contradiction = Fixture::spoilt(|f| {
        f.check("dimm.quantity").verdict = failed();
        f.site.contradictions.push(Contradiction { checks: vec!["dimm.quantity".into()], ..contradiction("C-01") });
    });
    let named_by_the_gate = Fixture::spoilt(|f| {
        f.check("dimm.quantity").verdict = failed();
        f.site.contradictions.push(contradiction("C-01"));
        f.require(Requirement { blocked_by: vec!["C-01".into()], ..requirement("dimm.quantity", Severity::Gate) });
    });
    for mut fixture in [named_by_the_contradiction, named_by_the_gate] {
        assert_eq!(row(&fixture.judge(), TRIAD).check.verdict.rank(), Rank::Pass);
        fixture.site.contradictions[0].resolution = Some("24".into());
        assert!(row(&fixture.judge(), TRIAD).check.verdict.reason().contains("identity failed"));
    }
}

#[test]
fn what_the_order_asks_and_no_gate_grades_decides_in_the_first_phase() {
    fn orders(f: &mut Fixture) {
        let mut bom = crate::contradiction::tests::ordered();
        bom.lines.retain(|line| line.name == "operating system");
        for attr in bom.lines[0].expect.keys() {
            f.checks.push(passed(&format!("os.{attr}"), "node"));
        }
        f.checks.extend([passed("os.quantity", "operating system"), passed("os.unexpected", "os")]);
        f.site.bom = Some(bom);
    }
    admits(&[
        ("as ordered", orders, ""),
        (
            "in the gate of a later phase it was decided before",
            |f| {
                orders(f);
                f.check("os.hypervisor").verdict = failed();
                f.gate.phase = phase(2);
                f.earlier = vec![(phase(1), Decision::Admit { warnings: Vec::new() })];
            },
            "",
        ),
        (
            "graded as a warning by a gate of the site",
            |f| {
                orders(f);
                f.check("os.hypervisor").verdict = failed();
                f.site.gates.push(Gate { phase: phase(2), requires: vec![requirement("os.hypervisor", Severity::Warn)], ..f.gate.clone() });
            },
            "",
        ),
    ]);
    holds(&[
        (
            "a guest",
            |f| {
                orders(f);
                f.check("os.hypervisor").verdict = failed();
            },
            1,
            "os.hypervisor (node): expected 4, observed 2",
        ),
        (
            "not compared",
            |f| {
                orders(f);
                f.checks.retain(|check| check.id.as_str() != "os.hypervisor");
            },
            3,
            "os.hypervisor (os.hypervisor): not_run",
        ),
    ]);
}

#[test]
fn verify_asks_each_check_of_the_inventory_once_and_no_run() {
    let mut fixture = Fixture::spoilt(|f| f.checks.push(passed(LINK, "0000:42:00.0")));
    let later = Gate { phase: phase(2), requires: vec![requirement("dimm.quantity", Severity::Warn)], ..fixture.gate.clone() };
    fixture.site.gates.push(later);
    fixture.checks.push(passed("block.scheduler", "sda"));
    fixture.gate = verify_gate(&fixture.site, &fixture.checks);
    fixture.runs.clear();
    let judgement = fixture.judge();
    let shown = |id: &str| rows(&judgement, id).iter().map(|row| (row.severity, row.phase.number())).collect::<Vec<_>>();
    assert_eq!(shown(LINK), vec![(Severity::Gate, 1); 2]);
    assert_eq!(shown(WARNED), vec![(Severity::Warn, 1)]);
    assert_eq!(shown("dimm.quantity"), vec![(Severity::Warn, 2)]);
    assert_eq!(shown("block.scheduler"), vec![(Severity::Gate, 1)]);
    assert_eq!((judgement.exit_code(), judgement.judged.len(), phase_of(&fixture.site, &"none".into())), (0, 6, None));
    fixture.check("block.scheduler").verdict = failed();
    assert_eq!(fixture.judge().exit_code(), 1);
    let nothing = Fixture { gate: verify_gate(&fixture.site, &[]), checks: Vec::new(), ..fixture };
    assert_eq!(nothing.judge().exit_code(), 3, "a node that nothing was seen of is not verified");
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(passed(LINK, "x").verdict), Just(failed()), Just(unreadable()), Just(Verdict::NotApplicable("none".into()))]
}

fn worse(verdict: &Verdict) -> Vec<Verdict> {
    [passed(LINK, "x").verdict, unreadable(), failed()].into_iter().filter(|other| other.rank() > verdict.rank()).collect()
}

proptest! {
    // One worse verdict never opens a gate that held, and admission needs every gate check to pass.
    #[test]
    fn a_worse_verdict_never_opens_a_gate(verdicts in proptest::collection::vec(any_verdict(), 0..6), index in 0_usize..6) {
        let mut fixture = Fixture::healthy();
        fixture.gate.requires.retain(|one| one.id.as_str() == LINK);
        fixture.checks = verdicts.iter().enumerate().map(|(i, verdict)| Check { verdict: verdict.clone(), ..passed(LINK, &i.to_string()) }).collect();
        let admitted = fixture.judge().exit_code() == 0;
        prop_assert_eq!(admitted, !verdicts.is_empty() && verdicts.iter().all(|verdict| verdict.rank() == Rank::Pass));
        if let Some(verdict) = verdicts.get(index) {
            for worse in worse(verdict) {
                fixture.checks[index].verdict = worse.clone();
                prop_assert!(admitted || verdict.rank() == Rank::NotApplicable || fixture.judge().exit_code() != 0);
            }
        }
    }
    // Neither the order of the parts nor judging twice changes a byte.
    #[test]
    fn the_same_parts_in_any_order_give_the_same_bytes(verdicts in proptest::collection::vec(any_verdict(), 1..8), seed in any::<u64>()) {
        let mut fixture = Fixture::healthy();
        fixture.checks.extend(verdicts.iter().enumerate().map(|(i, verdict)| Check { verdict: verdict.clone(), ..passed(LINK, &(i / 2).to_string()) }));
        fixture.site.waivers = vec![waiver(LINK, "2027-01-01"), Waiver { owner: "dev".into(), ..waiver(LINK, "2027-01-01") }];
        fixture.site.contradictions = vec![contradiction("C-01"), Contradiction { checks: vec![WARNED.into()], ..contradiction("C-02") }];
        fixture.runs.push(Run { id: "20261119-triad".into(), started_at: "2026-11-20T09:00:00Z".into(), ..triad() });
        let json = serde_json::to_string(&fixture.judge()).expect("serialises");
        prop_assert_eq!(&serde_json::to_string(&fixture.judge()).expect("serialises"), &json);
        shuffle(&mut fixture.checks, seed);
        shuffle(&mut fixture.runs, seed);
        shuffle(&mut fixture.site.waivers, seed);
        prop_assert_eq!(&serde_json::to_string(&fixture.judge()).expect("serialises"), &json);
    }

    // Whatever a waiver covers: the verdict stays, and only what holds can be excused.
    #[test]
    fn a_waiver_changes_no_verdict(verdicts in proptest::collection::vec(any_verdict(), 1..6), subject in 0_usize..6) {
        let mut fixture = Fixture::healthy();
        fixture.checks.retain(|check| check.id.as_str() != LINK);
        fixture.checks.extend(verdicts.iter().enumerate().map(|(i, verdict)| Check { verdict: verdict.clone(), ..passed(LINK, &i.to_string()) }));
        let plain = fixture.judge();
        fixture.site.waivers = vec![Waiver { subject: Some(subject.to_string()), ..waiver(LINK, "2027-01-01") }];
        let waived = fixture.judge();
        prop_assert_eq!(plain.judged.len(), waived.judged.len());
        for before in &plain.judged {
            let after = waived.judged.iter().find(|after| after.check == before.check).expect("the same check");
            let excused = before.holds && before.check.id.as_str() == LINK && before.check.subject == subject.to_string();
            prop_assert_eq!((after.holds, after.excused_by.is_some()), (before.holds && !excused, excused));
        }
    }
}

/// A permutation that depends on the seed alone.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for i in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let range = u64::try_from(i + 1).expect("few items");
        items.swap(i, usize::try_from((state >> 33) % range).expect("few items"));
    }
}
