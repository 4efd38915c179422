//! What a gate makes of verdicts: severity, missing checks, waivers, statements of the site, earlier phases.

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
                let limit = Limit { metric: "net.rtt".into(), bound: Bound::AtMost(1e6), basis: Basis::Policy("test".into()), scenarios: Vec::new() };
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
