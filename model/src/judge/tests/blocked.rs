//! What stands between a check and its verdict: contradictions, another node than the ordered one, and what the order asks.

use super::*;
use crate::contradiction::Candidate;
use crate::site::declared::When;

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

/// The fixture with C-22 open or resolved, and the link required for one of its candidates.
fn either(resolution: Option<&str>, candidate: &str) -> Fixture {
    let mut fixture = Fixture::healthy();
    let ways = ["ceph", "draid"].map(|id| Candidate { id: id.into(), statement: format!("use {id}"), why: String::new(), set: Vec::new() });
    let resolution = resolution.map(str::to_owned);
    fixture.site.contradictions.push(Contradiction { candidates: ways.to_vec(), resolution, ..contradiction("C-22") });
    let when = Some(When { contradiction: "C-22".into(), candidates: vec![candidate.into()] });
    fixture.require(Requirement { when, ..requirement(LINK, Severity::Gate) });
    fixture
}

#[test]
fn what_is_required_for_another_alternative_does_not_hold_whatever_is_said_of_it() {
    for answers in [vec![failed()], vec![unreadable()], vec![Verdict::NotApplicable("none here".into())], Vec::new()] {
        let mut fixture = either(Some("ceph"), "draid");
        fixture.checks.retain(|check| check.id.as_str() != LINK);
        fixture.checks.extend(answers.iter().map(|verdict| Check { verdict: verdict.clone(), ..passed(LINK, "0000:41:00.0") }));
        let judgement = fixture.judge();
        let row = row(&judgement, LINK);
        assert_eq!((row.check.verdict.rank(), row.holds), (Rank::NotApplicable, false), "{answers:?}");
        assert_eq!(row.excused_by.as_deref(), Some("not here: C-22 was resolved to `ceph`: use ceph"));
        assert_eq!(judgement.exit_code(), 0, "{:?}", judgement.decision);
    }
    let mut limited = either(Some("ceph"), "draid");
    let limit = limited.gate.requires.iter().find(|one| one.id.as_str() == TRIAD).and_then(|one| one.limit.clone());
    let when = Some(When { contradiction: "C-22".into(), candidates: vec!["draid".into()] });
    limited.require(Requirement { when, limit, ..requirement(TRIAD, Severity::Gate) });
    limited.run("memory-triad").steps.clear();
    assert_eq!(row(&limited.judge(), TRIAD).check.verdict.rank(), Rank::NotApplicable, "a figure of the other alternative is not missed");
}

#[test]
fn what_is_required_for_the_chosen_alternative_holds_as_ever_and_so_does_what_is_open() {
    for (resolution, candidate) in [(Some("draid"), "draid"), (None, "draid"), (Some("we shall see next year"), "draid")] {
        let mut fixture = either(resolution, candidate);
        assert_eq!(row(&fixture.judge(), LINK).check.verdict.rank(), Rank::Pass, "{resolution:?}");
        for verdict in [failed(), unreadable(), Verdict::NotApplicable("no pool".into())] {
            fixture.check(LINK).verdict = verdict.clone();
            assert!(row(&fixture.judge(), LINK).holds, "{resolution:?} {verdict:?}");
        }
    }
    let mut elsewhere = either(None, "draid");
    elsewhere.site.contradictions.clear();
    for verdict in [failed(), unreadable()] {
        elsewhere.check(LINK).verdict = verdict;
        assert!(row(&elsewhere.judge(), LINK).holds, "a site without that contradiction is asked");
    }
    elsewhere.check(LINK).verdict = Verdict::NotApplicable("no pool is declared".into());
    assert_eq!(row(&elsewhere.judge(), LINK).excused_by.as_deref(), Some("not here: no pool is declared"), "and has what it orders");
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
        (
            "required by the gate, and the order does not say it",
            |f| {
                orders(f);
                f.checks.retain(|check| check.id.as_str() != LINK);
            },
            3,
            "nvme.link_width (nvme.link_width): not_run: the order does not say what to expect",
        ),
    ]);
}
