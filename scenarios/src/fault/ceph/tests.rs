//! Daemons that are stopped, killed and revived: programs of the test under the names of Ceph's. The real ones fail in `tests/ceph`.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::{Armed, FaultError, FaultSpec, Lifeline, arm, heal, inject, record};
use super::daemon::{Daemon, running};
use super::kill::started;
use super::{Daemons, found};

/// Makes itself a daemon, as Ceph's do, and waits.
const DAEMON: &str = "import os, time\nif os.fork(): os._exit(0)\nos.setsid()\nwhile True: time.sleep(1)\n";

struct Fake {
    _folder: tempfile::TempDir,
    name: String,
}

impl Fake {
    /// Names differ from test to test: all are processes of one machine.
    fn start(id: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let program = folder.path().join("ceph-osd");
        // A script would be known by its interpreter when it is started again; a copy may be held open by what another test forks, and not be started.
        std::os::unix::fs::symlink("/usr/bin/python3", &program).expect("links");
        let started = Command::new(&program).args(["-c", DAEMON, "-i", id]).env("PYTHONHOME", "/usr").status().expect("starts");
        assert!(started.success());
        Self { _folder: folder, name: format!("osd.{id}") }
    }

    fn daemon(&self) -> Option<Daemon> {
        running().expect("listed").into_iter().find(|daemon| daemon.name == self.name)
    }

    /// As `arm` would, which asks the cluster.
    fn armed(&self, fault: &str) -> Result<Armed, FaultError> {
        let daemons = found(fault, &Daemons::Named(vec![self.name.clone()]), running()?)?;
        let state = match fault {
            "ceph-stop" => json!({ "daemons": daemons }),
            _ => json!({ "daemons": daemons.into_iter().map(started).collect::<Result<Vec<_>, _>>()? }),
        };
        Ok(Armed { id: "f1".into(), fault: fault.into(), boot: record::boot()?, netns: record::netns()?, within_ms: 60_000, state })
    }
}

fn armed(fault: &str, on: Value, records: &Path) -> Result<Armed, FaultError> {
    let spec = FaultSpec { id: "f1".into(), fault: fault.into(), on, within_ms: 60_000 };
    arm(&spec, &Lifeline::default(), records)
}

impl Drop for Fake {
    fn drop(&mut self) {
        if let Some(daemon) = self.daemon() {
            let _ = daemon.signal(rustix::process::Signal::KILL);
        }
    }
}

fn becomes(is_so: impl Fn() -> bool) -> bool {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so() {
        if Instant::now() > end {
            return false;
        }
        #[allow(clippy::disallowed_methods, reason = "nothing tells when a process is there")]
        std::thread::sleep(Duration::from_millis(20));
    }
    true
}

#[test]
fn a_daemon_is_stopped_and_goes_on_however_often_it_is_healed() {
    let fake = Fake::start("90001");
    let daemon = fake.daemon().expect("it runs");
    let stop = fake.armed("ceph-stop").expect("armed");
    heal(&stop).expect("before it is broken");
    inject(&stop).expect("stopped");
    assert!(daemon.is_stopped());
    let refused = fake.armed("ceph-stop").expect_err("stopped already").to_string();
    assert!(refused.contains("stopped already"), "{refused}");
    for _ in 0..2 {
        heal(&stop).expect("healed");
    }
    assert!(becomes(|| !daemon.is_stopped()) && fake.daemon() == Some(daemon));
}

#[test]
fn a_daemon_that_was_killed_is_started_with_its_own_words_and_only_once() {
    let fake = Fake::start("90002");
    let before = fake.daemon().expect("it runs");
    let kill = fake.armed("ceph-kill").expect("armed");
    heal(&kill).expect("it runs, and is left alone");
    assert_eq!(fake.daemon().as_ref(), Some(&before));
    inject(&kill).expect("killed");
    assert!(!before.lives() && fake.daemon().is_none());
    heal(&kill).expect("started");
    assert!(becomes(|| fake.daemon().is_some()));
    let after = fake.daemon().expect("it runs");
    heal(&kill).expect("healed again");
    assert!(after != before && fake.daemon() == Some(after));
    // What was armed is of the one that is gone: another process is not touched.
    let refused = inject(&kill).expect_err("another one").to_string();
    assert!(refused.contains("ended since"), "{refused}");
}

#[test]
fn a_daemon_that_is_not_here_or_that_there_are_two_of_is_refused_by_name() {
    let daemon = |name: &str, pid| Daemon { name: name.to_owned(), pid, began: 1 };
    let named = Daemons::Named(vec!["osd.90003".to_owned()]);
    let refused = |here: Vec<Daemon>, daemons: &Daemons| found("ceph-stop", daemons, here).expect_err("refused").to_string();
    let why = refused(vec![daemon("osd.1", 5)], &named);
    assert!(why.contains("osd.90003") && why.contains("does not run") && why.contains("osd.1"), "{why}");
    let why = refused(vec![daemon("osd.1", 5), daemon("osd.1", 6)], &Daemons::All);
    assert!(why.contains("two daemons"), "{why}");
    assert!(refused(vec![daemon("osd.90003", 5), daemon("osd.90003", 6)], &named).contains("two daemons"));
    let other = vec![daemon("osd.1", 5), daemon("osd.1", 6), daemon("osd.90003", 7)];
    assert_eq!(found("ceph-stop", &named, other).expect("others do not matter").len(), 1);
    assert!(refused(Vec::new(), &Daemons::All).contains("no daemon of a Ceph cluster"));
}

#[test]
fn orders_without_a_cluster_or_beyond_their_bounds_are_refused_with_what_was_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    for (fault, on, said) in [
        ("ceph-full", json!({ "fsid": "f", "ratio": 1.5 }), "above 0 and below 1"),
        ("ceph-full", json!({ "fsid": "f", "ratio": 0.0 }), "above 0 and below 1"),
        ("ceph-slow", json!({ "fsid": "f", "osd": 0, "delay_ms": 0 }), "1 to 10000 ms"),
        ("ceph-out", json!({ "fsid": "f", "osd": -1 }), "ceph-out"),
        ("ceph-stop", json!({ "daemons": "all" }), "fsid"),
    ] {
        let refused = armed(fault, on, &folder.path().join("faults")).expect_err(said).to_string();
        assert!(refused.contains(said), "{refused}");
    }
}
