//! The taking of inventories: one that hangs, one that panics, and a recording that gives the same inventory again.

use std::path::Path;
use std::process::Command;

use assay_model::inventory::Observed;

use super::*;
use crate::host::RecordingOptions;
use crate::probe::memory;

fn options(deadline: Duration) -> ProbeOptions {
    ProbeOptions { deadline, now: Timestamp::UNIX_EPOCH }
}

fn ended<'a>(inventory: &'a Inventory, probe: &str) -> &'a ProbeEnded {
    &inventory.probes.iter().find(|outcome| outcome.probe == probe).expect("the probe is registered").ended
}

#[test]
fn a_probe_that_hangs_is_reported_with_its_path_and_the_others_go_on() {
    let root = tempfile::tempdir().expect("a folder");
    std::fs::create_dir_all(root.path().join("proc/sys/kernel")).expect("folders");
    std::fs::write(root.path().join("proc/sys/kernel/hostname"), "node-1\n").expect("a file");
    // Nobody ever writes to it: opening it for reading waits, as a read from a dead device does.
    assert!(Command::new("mkfifo").arg(root.path().join("proc/meminfo")).status().expect("mkfifo").success());
    let inventory = take_inventory(&Host::live(root.path()), &options(Duration::from_millis(500)));
    assert_eq!(ended(&inventory, "memory"), &ProbeEnded::Hung("read /proc/meminfo".into()));
    assert_eq!(ended(&inventory, "os"), &ProbeEnded::Completed);
    assert_eq!(inventory.host, "node-1");
    assert!(matches!(inventory.of(Kind::Memory), Observed::Unknown(_)), "hung is not none");
}

#[test]
fn a_probe_that_panics_or_fails_is_an_outcome() {
    struct Panics;
    impl Probe for Panics {
        fn name(&self) -> &'static str {
            "panics"
        }
        fn describe(&self) -> &'static str {
            "Panics."
        }
        fn kinds(&self) -> &'static [Kind] {
            &[Kind::Gpu]
        }
        fn probe(&self, _: &Host) -> Result<Vec<Component>, HostError> {
            panic!("on purpose")
        }
    }
    let host = Host::from_snapshot("/proc/meminfo error: EIO").expect("a fixture");
    let (components, outcomes) = survey(&host, &[&Panics, &memory::Memory], Duration::from_secs(5));
    assert!(components.is_empty());
    assert!(matches!(&outcomes[0].ended, ProbeEnded::Failed(why) if why.contains("panicked")));
    assert_eq!(outcomes[1].ended, ProbeEnded::Failed("cannot read /proc/meminfo: Input/output error (os error 5)".into()));
}

#[test]
fn a_probe_that_was_given_time_to_listen_has_it_beyond_the_deadline() {
    struct Listens(Duration);
    impl Probe for Listens {
        fn name(&self) -> &'static str {
            "listens"
        }
        fn describe(&self) -> &'static str {
            "Listens."
        }
        fn kinds(&self) -> &'static [Kind] {
            &[Kind::Neighbour]
        }
        fn patience(&self, _: &Host) -> Duration {
            self.0
        }
        fn probe(&self, _: &Host) -> Result<Vec<Component>, HostError> {
            #[allow(clippy::disallowed_methods, reason = "it listens, and hears nothing")]
            thread::sleep(Duration::from_millis(200));
            Ok(Vec::new())
        }
    }
    let host = Host::from_snapshot("/proc/meminfo error: EIO").expect("a fixture");
    const PATIENT: Listens = Listens(Duration::from_secs(20));
    const HASTY: Listens = Listens(Duration::ZERO);
    let (_, outcomes) = survey(&host, &[&PATIENT], Duration::from_millis(20));
    assert_eq!(outcomes[0].ended, ProbeEnded::Completed);
    let (_, outcomes) = survey(&host, &[&HASTY], Duration::from_millis(20));
    assert!(matches!(outcomes[0].ended, ProbeEnded::Hung(_)), "without it the deadline holds");
}

#[test]
fn an_empty_root_lacks_every_source_and_fails_nowhere() {
    let root = tempfile::tempdir().expect("a folder");
    let inventory = take_inventory(&Host::live(root.path()), &options(Duration::from_secs(10)));
    for outcome in &inventory.probes {
        assert!(matches!(outcome.ended, ProbeEnded::SourceMissing(_)), "{outcome:?}");
    }
    assert!(inventory.components.is_empty());
}

#[test]
fn a_recording_of_this_machine_gives_the_same_inventory_again() {
    let live = Host::recording(Path::new("/"));
    let seen = take_inventory(&live, &options(Duration::from_secs(30)));
    let text = live.recorded(&RecordingOptions { redact: false, tool: "a test".into(), now: Timestamp::UNIX_EPOCH }).expect("a snapshot");
    let again = take_inventory(&Host::from_snapshot(&text).expect("reads back"), &options(Duration::from_secs(30)));
    assert_eq!(again.without_volatile(), seen.without_volatile());
    assert_eq!(again.components, seen.components, "and the values that change by themselves are those of the recording");
    assert!(seen.iter(Kind::Cpu).count() > 0 && seen.iter(Kind::Os).count() == 1, "the test saw something");
}

#[test]
fn every_kind_is_answered_for_by_one_probe() {
    for kind in Kind::ALL {
        assert_eq!(PROBES.iter().filter(|probe| probe.kinds().contains(kind)).count(), 1, "{kind}");
    }
}

#[test]
fn locators_are_ordered_by_their_numbers() {
    let mut locators = vec!["package 10", "package 2", "DIMM_A1", "0000:41:00.0", "0000:5:00.0"];
    locators.sort_by_key(|locator| natural(locator));
    assert_eq!(locators, ["0000:5:00.0", "0000:41:00.0", "DIMM_A1", "package 2", "package 10"]);
}
