//! A store that was killed, copied, renamed and attacked.

use std::collections::BTreeMap;

use assay_model::journal::{Entry as Event, Event as What};
use assay_model::metric::{Direction, Samples};
use assay_model::phase::Phase;
use assay_model::run::{Environment, RUN_SCHEMA};

use super::*;

fn journal(id: &str, iops: f64, ended: bool) -> String {
    let metric = Metric {
        name: "storage.randread_4k_qd32.iops".into(),
        unit: Unit::OpsPerSecond,
        direction: Direction::HigherIsBetter,
        dimensions: BTreeMap::new(),
        samples: Samples::new(vec![iops, iops + 1.0, iops + 2.0]),
    };
    let started = What::RunStarted {
        run: id.into(),
        schema: RUN_SCHEMA,
        scenario: "storage-quick".into(),
        plan: "digest".into(),
        steps: vec!["read".into()],
        hosts: vec!["node".into()],
        nodes: vec![],
        environment: Environment::default(),
    };
    let mut events = vec![
        started,
        What::StepStarted { step: "read".into(), hosts: vec!["node".into()] },
        What::CountersBefore { step: "read".into(), counters: vec![] },
        What::Metric { step: "read".into(), metric },
        What::CountersAfter { step: "read".into(), counters: vec![] },
        What::StepEnded { step: "read".into(), ended: Ended::Completed },
    ];
    if ended {
        events.push(What::RunEnded { ended: Ended::Completed });
    }
    let line = |(seq, event): (u64, What)| {
        Event { seq, mono_ns: seq, at: format!("2026-11-23T02:06:0{seq}Z"), boot: "boot".into(), event }.encode().expect("encodes")
    };
    (0..).zip(events).map(line).collect()
}

fn put(dir: &Path, id: &str, file: &str, content: &str) {
    fs::create_dir_all(dir.join(id)).expect("a folder");
    fs::write(dir.join(id).join(file), content).expect("a file");
}

fn acceptance_of(id: &str) -> Acceptance {
    Acceptance { id: id.into(), site: "s".into(), policy: "p".into(), site_name: "generic".into(), phase: Phase::FIRST, runs: vec![] }
}

#[test]
fn a_folder_that_does_not_exist_is_an_empty_store() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path().join("none")).expect("opens");
    assert!(store.entries().expect("lists").is_empty());
}

#[test]
fn a_file_instead_of_a_folder_is_an_error() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("runs"), "x").expect("a file");
    assert!(matches!(Store::open(dir.path().join("runs")), Err(StoreError::Read { .. })));
}

#[test]
fn runs_and_acceptances_are_listed_newest_first() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).expect("opens");
    put(dir.path(), "20261123-a", JOURNAL, &journal("20261123-a", 10.0, true));
    put(dir.path(), "20261124-b", JOURNAL, &journal("20261124-b", 20.0, true));
    store.save(&acceptance_of("20261125-accept-c")).expect("saves");
    let ids: Vec<String> = store.entries().expect("lists").into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids, ["20261125-accept-c", "20261124-b", "20261123-a"]);
    assert_eq!(store.runs().expect("lists").len(), 2);
    assert_eq!(store.acceptances().expect("lists"), [acceptance_of("20261125-accept-c")]);
}

#[test]
fn a_torn_tail_is_an_interrupted_run_and_damage_before_it_is_an_error_that_is_listed() {
    let dir = tempfile::tempdir().expect("a folder");
    let whole = journal("torn", 10.0, true);
    put(dir.path(), "torn", JOURNAL, &whole[..whole.len() - 7]);
    put(dir.path(), "damaged", JOURNAL, &journal("damaged", 10.0, true).replacen("storage-quick", "storage-quack", 1));
    let store = Store::open(dir.path()).expect("opens");
    match store.load("torn").expect("folds") {
        Content::Run(run) => assert_eq!(run.ended, Ended::Interrupted),
        Content::Acceptance(_) => panic!("a run"),
    }
    assert!(matches!(store.load("damaged"), Err(StoreError::Journal { .. })));
    assert_eq!(store.entries().expect("lists").len(), 2, "the damaged one is listed");
    let history = store.history(None).expect("lists");
    assert_eq!((history.rows.len(), history.damaged.len()), (1, 1));
    assert_eq!(history.rows[0].ended, Ended::Interrupted);
}

#[test]
fn a_tail_that_is_cut_inside_a_character_folds() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut bytes = journal("x", 10.0, false).into_bytes();
    bytes.extend_from_slice(b"00000000 {\"seq\":6,\"at\":\"\xc3");
    fs::create_dir_all(dir.path().join("x")).expect("a folder");
    fs::write(dir.path().join("x").join(JOURNAL), bytes).expect("a file");
    assert!(matches!(Store::open(dir.path()).expect("opens").load("x"), Ok(Content::Run(_))));
}

#[test]
fn half_written_and_foreign_folders_are_listed_with_their_error() {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir(dir.path().join("begun")).expect("a folder");
    put(dir.path(), "partial", "acceptance.json.17.partial", "{\"id\":");
    put(dir.path(), "cut", ACCEPTANCE, "{\"id\":");
    put(dir.path(), "renamed", JOURNAL, &journal("original", 10.0, true));
    put(dir.path(), "empty", JOURNAL, "");
    fs::create_dir_all(dir.path().join("nested").join(JOURNAL)).expect("a folder");
    fs::write(dir.path().join("report.html"), "nobody's run").expect("a file");
    let entries = Store::open(dir.path()).expect("opens").entries().expect("lists");
    let errors: BTreeMap<String, String> = entries.into_iter().map(|entry| (entry.id, entry.content.expect_err("damaged").to_string())).collect();
    assert_eq!(errors.len(), 6, "{errors:?}");
    assert!(errors["begun"].contains("neither") && errors["partial"].contains("neither"), "{errors:?}");
    assert!(errors["renamed"].contains("original"), "{errors:?}");
    assert!(errors["nested"].contains("no regular file"), "{errors:?}");
}

#[cfg(unix)]
#[test]
fn hostile_names_and_files_neither_hang_nor_hide_the_others() {
    use std::os::unix::ffi::OsStrExt;
    let dir = tempfile::tempdir().expect("a folder");
    put(dir.path(), "20261123-good", JOURNAL, &journal("20261123-good", 10.0, true));
    for name in [&b"\xff\xfe"[..], b"new\nline", b"<script>", b"\x1b[2J", b" ", b"..."] {
        fs::create_dir(dir.path().join(std::ffi::OsStr::from_bytes(name))).expect("a folder");
    }
    fs::create_dir(dir.path().join("endless")).expect("a folder");
    std::os::unix::fs::symlink("/dev/zero", dir.path().join("endless").join(JOURNAL)).expect("a link");
    std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).expect("a link");
    std::os::unix::fs::symlink("nowhere", dir.path().join("dangling")).expect("a link");
    let entries = Store::open(dir.path()).expect("opens").entries().expect("lists");
    assert_eq!(entries.len(), 10);
    assert_eq!(entries.iter().filter(|entry| entry.content.is_ok()).count(), 1);
}

#[test]
fn an_id_cannot_lead_out_of_the_store() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path().join("runs")).expect("opens");
    for id in ["", ".", "..", "../x", "a/b", "/etc", "a/", "a\0b"] {
        assert!(matches!(store.load(id), Err(StoreError::BadId(_))), "{id:?}");
        assert!(store.save(&acceptance_of(id)).is_err(), "{id:?}");
    }
    assert!(matches!(store.load("unknown"), Err(StoreError::Unknown { .. })));
}

#[test]
fn saving_again_replaces_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().expect("a folder");
    let store = Store::open(dir.path()).expect("opens");
    let mut acceptance = acceptance_of("a");
    store.save(&acceptance).expect("saves");
    acceptance.site = "changed".into();
    let file = store.save(&acceptance).expect("saves");
    assert_eq!(store.load("a").expect("loads"), Content::Acceptance(acceptance));
    assert_eq!(fs::read_dir(file.parent().expect("a folder")).expect("lists").count(), 1);
}

#[test]
fn history_is_oldest_first_and_can_be_narrowed_to_a_scenario_or_a_metric() {
    let dir = tempfile::tempdir().expect("a folder");
    put(dir.path(), "2", JOURNAL, &journal("2", 20.0, true));
    put(dir.path(), "1", JOURNAL, &journal("1", 10.0, true));
    let store = Store::open(dir.path()).expect("opens");
    let runs = |only| store.history(only).expect("lists").rows.into_iter().map(|row| row.run).collect::<Vec<_>>();
    assert_eq!(runs(None), ["1", "2"]);
    assert_eq!(runs(Some("storage-quick")).len(), 2);
    assert_eq!(runs(Some("storage.randread_4k_qd32.iops")).len(), 2);
    assert!(runs(Some("storage.randread_4k_qd32")).is_empty(), "a part of a name is another name");
}
