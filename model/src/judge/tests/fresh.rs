//! Which evidence still speaks of this node.

use super::*;

#[test]
fn old_future_or_foreign_evidence_proves_nothing() {
    holds(&[
        ("a run too old", |f| f.run("memory-triad").ended_at = "2026-11-19T11:59:59Z".into(), 3, "stale: the run is of 2026-11-19T11:59:59Z"),
        ("a run of tomorrow", |f| f.run("memory-triad").ended_at = "2026-11-21T00:00:00Z".into(), 3, "yet to come"),
        ("a run that begins tomorrow", |f| f.run("memory-triad").started_at = "2026-11-21T00:00:00Z".into(), 3, "yet to come"),
        ("a run of no time", |f| f.run("memory-triad").ended_at = "yesterday".into(), 3, "cannot be read"),
        ("a run of another host", |f| f.run("memory-triad").hosts = vec!["n2".into()], 3, "the run is of n2, the node is n1"),
        ("an inventory too old", |f| f.inventory().taken_at = "2026-11-19T11:59:59Z".into(), 3, "the inventory is of"),
        ("an inventory of tomorrow", |f| f.inventory().taken_at = "2026-11-21T00:00:00Z".into(), 3, "yet to come"),
        ("no inventory", |f| f.inventory = None, 3, "no inventory of the node"),
        (
            "another module",
            |f| f.inventory().components[2].attributes.insert(Attr::Serial, "S-X".into()).map_or((), drop),
            3,
            "dimm A1 serial was S-A1, is S-X",
        ),
        (
            "a serial that is not readable now",
            |f| f.inventory().components[2].attributes.insert(Attr::Serial, Reading::Unreadable("EACCES".into())).map_or((), drop),
            3,
            "is unreadable",
        ),
        ("a module less", |f| drop(f.inventory().components.pop()), 3, "dimm B1 is gone"),
        ("a module more", |f| f.inventory().components.push(Component::new(Kind::Dimm, "C1")), 3, "dimm C1 is new"),
        (
            "a run without inventory before a restart",
            |f| {
                f.run("memory-triad").inventory = None;
                f.inventory().boot_id = "boot-2".into();
            },
            3,
            "restarted since",
        ),
    ]);
}

#[test]
fn what_changes_by_itself_makes_no_other_node() {
    admits(&[
        ("exactly the age that is allowed", |f| f.run("memory-triad").ended_at = "2026-11-19T12:00:00Z".into(), ""),
        ("another boot", |f| f.inventory().boot_id = "boot-7".into(), ""),
        ("a run without inventory in this boot", |f| f.run("memory-triad").inventory = None, ""),
        (
            "a counter, a governor and a loop device",
            |f| {
                f.inventory().components[0].attributes.insert(Attr::Temperature, 70.0.into());
                f.inventory().components[0].attributes.insert(Attr::Governor, "performance".into());
                f.inventory().components.push(Component::new(Kind::Block, "loop0"));
            },
            "",
        ),
    ]);
}

#[test]
fn only_the_newest_run_of_a_scenario_counts() {
    let older = |run: Run| Run { id: "a".into(), started_at: "2026-11-20T09:00:00Z".into(), ..run };
    let broken = |run: Run| Run { ended: Ended::Interrupted, ..run };
    let mut mended = Fixture::healthy();
    mended.runs.push(broken(older(triad())));
    assert_eq!(mended.judge().exit_code(), 0);
    let mut relapsed = Fixture::healthy();
    relapsed.runs = vec![storage(), broken(triad()), older(triad())];
    assert_eq!(relapsed.judge().exit_code(), 3, "an older good run does not stand in for the newest");
}

#[test]
fn a_newer_run_of_another_host_does_not_hide_that_of_this_one() {
    let mut fixture = Fixture::healthy();
    fixture.runs.push(Run {
        id: "z".into(),
        hosts: vec!["n2".into()],
        started_at: "2026-11-20T11:00:00Z".into(),
        ended: Ended::Interrupted,
        ..triad()
    });
    assert_eq!(fixture.judge().exit_code(), 0);
}

#[test]
fn every_check_of_a_stale_run_is_stale() {
    let judgement = Fixture::spoilt(|f| f.run("memory-triad").hosts = vec!["n2".into()]).judge();
    let stale: Vec<&Judged> = judgement.judged.iter().filter(|row| row.check.verdict.reason().starts_with("stale")).collect();
    let mut ids: Vec<&str> = stale.iter().map(|row| row.check.id.as_str()).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["memory.triad_bandwidth", "memory.triad_verified", "run.completed", "run.no_new_errors", "run.undisturbed"]);
}

fn soak(f: &mut Fixture) -> &mut Run {
    f.runs.push(Run { id: "20261120-soak".into(), scenario: "memory-soak".into(), ..triad() });
    f.run("memory-soak")
}

#[test]
fn a_run_that_the_gate_does_not_ask_for_proves_nothing_but_a_fault_that_it_found_is_one() {
    admits(&[
        ("interrupted", |f| soak(f).ended = Ended::Interrupted, ""),
        ("old", |f| soak(f).ended_at = "2026-11-01T00:00:00Z".into(), ""),
        ("disturbed", |f| soak(f).steps[0].conditions.push(Condition::Throttled("x".into())), ""),
        (
            "an old fault on parts that were replaced",
            |f| {
                let soak = soak(f);
                soak.inventory.as_mut().expect("recorded").fact.components.truncate(1);
                soak.steps[0].metrics[0].fact.samples = Samples::new(vec![1e9]);
            },
            "",
        ),
    ]);
    holds(&[
        ("too slow", |f| soak(f).steps[0].metrics[0].fact.samples = Samples::new(vec![1e9]), 1, "the median 1000000000 is below"),
        (
            "wrong content",
            |f| {
                soak(f).steps[0].verification.as_mut().expect("counted").fact.corrupt.insert("stale".into(), 1);
            },
            1,
            "memory.triad_verified (memory-soak): wrong content",
        ),
        (
            "it does not stand in for a scenario of the gate",
            |f| {
                soak(f);
                f.runs.retain(|run| run.scenario != "memory-triad");
            },
            3,
            "there is no run of scenario memory-triad",
        ),
        (
            "an old figure is all there is",
            |f| {
                soak(f).ended_at = "2026-11-01T00:00:00Z".into();
                f.step("triad").metrics.clear();
            },
            3,
            "memory.triad_bandwidth (memory.triad.bandwidth): stale",
        ),
    ]);
}

#[test]
fn a_gate_that_names_no_scenario_judges_every_run() {
    let mut fixture = Fixture::spoilt(|f| soak(f).ended = Ended::Interrupted);
    fixture.gate.scenarios.clear();
    assert!(blocking(&fixture.judge()).contains("run.completed (memory-soak): interrupted"));
}
