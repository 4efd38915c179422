//! With the real engines: small and short, but on a real file and a real loop device.

use std::fs::File;
use std::os::unix::fs::FileExt as _;

use assay_model::metric::Metric;
use assay_model::run::{Ended, Recorded, Run};
use rustix::fs::{FallocateFlags, fallocate};

use super::place::{Place, STEPS};
use crate::claim::{GUARD, TargetKind};
use crate::plan::{self, PlanContext};
use crate::runner::Progress;
use crate::runner::engines::Engines;
use crate::scenario::Scenario;

fn engines() -> Box<Engines> {
    Box::new(Engines::default())
}

fn verified(run: &Run, step: &str) -> (u64, u64, usize, usize) {
    let step = run.steps.iter().find(|found| found.name == step).unwrap_or_else(|| panic!("no step {step}"));
    let verification = &step.verification.as_ref().expect("verified").fact;
    (verification.operations, verification.verified, verification.failed.len(), verification.corrupt.len())
}

#[test]
fn a_scratch_file_is_laid_out_measured_and_verified_to_the_last_block() {
    let place = Place::new();
    let run = place.run(engines(), &place.plan(), &mut |_| {}).expect("runs");
    assert_eq!(run.ended, Ended::Completed);
    assert_eq!(run.steps.iter().map(|step| step.name.as_str()).collect::<Vec<_>>(), STEPS);
    assert_eq!(verified(&run, "verify"), (128, 128, 0, 0));
    let (operations, checked, failed, corrupt) = verified(&run, "random");
    assert!(operations > 0 && checked > 0 && failed == 0 && corrupt == 0);
    for metric in &run.steps[2].metrics {
        assert_eq!(metric.fact.samples.values().len(), 3, "{}", metric.fact.name);
        assert!(metric.fact.samples.values().iter().all(|value| value.is_finite() && *value > 0.0), "{}", metric.fact.name);
    }
    assert_eq!(place.leftovers(), 0);
}

const WORDS: &str = r#"
schema = 1
name = "words"
describe = "d"
[target]
size = "8MiB"
[[step]]
name = "precondition"
describe = "d"
[[step.io]]
engine = "uring"
rw = "trim"
bs = "1MiB"
iodepth = 1
whole = true
[[step.io]]
engine = "uring"
rw = "randwrite"
bs = "4KiB"
iodepth = 8
sprandom = "28%"
targets = "all"
[[step]]
name = "random"
describe = "d"
repeats = 2
[[step.io]]
engine = "uring"
rw = "randrw"
rwmixread = 70
bssplit = "4k/60:64k/40"
random_distribution = "zipf:1.2"
buffer_compress_percentage = 50
fsync = 16
iodepth = 4
runtime = "40ms"
io_size = "1GiB"
[[step.io]]
engine = "uring"
rw = "randread"
bs = "4KiB"
iodepth = 4
runtime = "40ms"
[[step.io]]
engine = "uring"
rw = "randread"
bs = "4KiB"
iodepth = 4
runtime = "40ms"
targets = "all"
[[step.io]]
engine = "uring"
rw = "randwrite"
bs = "512B"
iodepth = 4
numjobs = 2
fua = true
runtime = "40ms"
io_size = "1GiB"
targets = "all"
[[step.io]]
engine = "uring"
rw = "rmw"
bs = "4KiB"
iodepth = 4
sqthread_poll = true
runtime = "40ms"
io_size = "1GiB"
[[step.io]]
engine = "uring"
rw = "randread"
bs = "4KiB"
iodepth = 4
hipri = true
runtime = "40ms"
[[step]]
name = "verify"
describe = "d"
[[step.io]]
engine = "uring"
rw = "read"
bs = "64KiB"
iodepth = 4
whole = true
"#;

#[test]
fn every_word_of_a_scenario_runs_on_several_targets_and_what_it_wrote_is_read_back() {
    let place = Place::new();
    let folders = [place.scratch().join("one"), place.scratch().join("two")];
    folders.iter().for_each(|folder| std::fs::create_dir_all(folder).expect("a folder"));
    let scenario = Scenario::parse("words.toml", WORDS, crate::runner::ENGINES).expect("good");
    let targets = folders.each_ref().map(|folder| plan::Place::new(folder, TargetKind::Folder));
    let context = PlanContext {
        targets: &targets,
        inventory: None,
        cpus: &[0],
        memory_available: 1 << 30,
        edges: &[],
        permits: &crate::plan::Permits::default(),
        nodes: &[],
        rings: &[],
    };
    let run = place.run(engines(), &plan::plan(&scenario, &context).expect("plans"), &mut |_| {}).expect("runs");

    assert_eq!(run.ended, Ended::Completed);
    // Both targets, in blocks of 64 KiB.
    assert_eq!(verified(&run, "verify"), (256, 256, 0, 0));
    let (operations, _, failed, corrupt) = verified(&run, "random");
    assert!(operations > 0 && failed == 0 && corrupt == 0, "{:?}", run.steps[2].verification);
    let random = &run.steps[2];
    let metric = |name: &str, drive: &str| {
        let found = random.metrics.iter().find(|metric| metric.fact.name.0 == name && metric.fact.dimensions["drive"] == drive);
        found.unwrap_or_else(|| panic!("no {name} of {drive}")).fact.samples.values().to_vec()
    };
    let mixed = "storage.randrw70_4k60-64k40_qd4_zipf1_2_fsync16_compress50";
    for drive in ["one", "two"] {
        for name in [".iops", ".read.iops", ".write.iops", ".read.p99", ".write.p99"] {
            let samples = metric(&format!("{mixed}{name}"), drive);
            assert!(samples.len() == 2 && samples.iter().all(|value| *value > 0.0), "{name} {samples:?}");
        }
        assert_eq!(metric("storage.rmw_4k_qd4_sqpoll.iops", drive).len(), 2);
    }
    assert_eq!(metric("storage.randwrite_512_qd4_fua_j2.iops", "all").len(), 2);
    assert!(metric("storage.randread_4k_qd4.all_share", "all").iter().all(|share| *share > 0.0 && *share < 10.0));
    // What a device without poll queues cannot do is neither an error nor a figure.
    let hipri = |metric: &Recorded<Metric>| metric.fact.name.0.starts_with("storage.randread_4k_qd4_hipri");
    let told = random.notes.keys().any(|note| note.starts_with("not configured storage.randread_4k_qd4_hipri@one"));
    assert_ne!(random.metrics.iter().any(hipri), told, "{:?}", random.notes);
    assert!(random.notes["fio storage.randread_4k_qd4@all"].lines().count() == 2, "{:?}", random.notes);
    assert_eq!(place.leftovers(), 2, "the two folders, and no file in them");
    assert!(folders.iter().all(|folder| std::fs::read_dir(folder).expect("a folder").next().is_none()));
}

#[test]
fn a_block_that_is_changed_behind_our_back_is_found() {
    let place = Place::new();
    let scratch = place.scratch();
    let run = place
        .run(engines(), &place.plan(), &mut |progress| {
            if matches!(progress, Progress::StepStarted { step: "verify", .. }) {
                let path = std::fs::read_dir(&scratch).expect("a folder").next().expect("a file").expect("an entry").path();
                let file = File::options().write(true).open(path).expect("opens");
                file.write_all_at(b"somebody else was here", 3 * 4096 + 100).and_then(|()| file.sync_all()).expect("written");
            }
        })
        .expect("runs");
    let (operations, checked, failed, corrupt) = verified(&run, "verify");
    assert_eq!((operations, checked, failed, corrupt), (128, 128, 0, 1));
    let verify = run.steps.last().expect("a step");
    assert!(verify.notes["corrupt"].contains("at byte 12288"), "{:?}", verify.notes);
}

#[test]
fn a_file_that_is_cut_off_while_it_is_read_fails_the_step() {
    let place = Place::new();
    let scratch = place.scratch();
    let run = place
        .run(engines(), &place.plan(), &mut |progress| {
            if matches!(progress, Progress::StepStarted { step: "random", .. }) {
                let path = std::fs::read_dir(&scratch).expect("a folder").next().expect("a file").expect("an entry").path();
                File::options().write(true).open(path).and_then(|file| file.set_len(0)).expect("cut off");
            }
        })
        .expect("ends");
    assert!(matches!(&run.ended, Ended::Failed(why) if why.contains("step random") && why.contains("short")), "{:?}", run.ended);
    assert_eq!(place.leftovers(), 0);
}

#[test]
fn a_loop_device_is_measured_between_its_label_areas_and_is_unlabelled_afterwards() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: devices cannot be made here, nothing is tested");
        return;
    }
    let place = Place::new();
    let (medium, device) = loop_device(&place, "");
    let plan = place.plan_on(&device.path, TargetKind::BlockDevice);
    for _ in 0..2 {
        let run = place.run(engines(), &plan, &mut |_| {}).expect("runs");
        assert_eq!((&run.ended, verified(&run, "verify")), (&Ended::Completed, (128, 128, 0, 0)));
        assert_eq!(run.steps[2].metrics[0].fact.dimensions["target"], "loop_device");
    }
    drop(device);
    let content = std::fs::read(medium).expect("the medium");
    let guard = usize::try_from(GUARD).expect("small");
    assert!(content[..guard].iter().chain(&content[content.len() - guard..]).all(|byte| *byte == 0), "the label areas were not touched");
    assert!(content[guard..guard + (8 << 20)].chunks(4096).all(|block| block.iter().any(|byte| *byte != 0)), "everything between them was written");
}

#[test]
fn a_device_that_runs_out_of_space_below_fails_the_layout_cleanly() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("not root: devices cannot be made here, nothing is tested");
        return;
    }
    let place = Place::new();
    let (medium, device) = loop_device(&place, "size=700m");
    let plan = place.plan_on(&device.path, TargetKind::BlockDevice);
    let filling = medium.with_file_name("filling");
    let run = place
        .run(engines(), &plan, &mut |progress| {
            if matches!(progress, Progress::StepStarted { step: "layout", .. }) {
                let file = File::create_new(&filling).expect("a file");
                let space = rustix::fs::fstatvfs(&file).expect("space");
                fallocate(&file, FallocateFlags::empty(), 0, (space.f_bavail - 256) * space.f_frsize).expect("fills the disk");
            }
        })
        .expect("ends");
    assert!(matches!(&run.ended, Ended::Failed(why) if why.contains("step layout")), "{:?}", run.ended);
    let layout = run.steps.last().expect("a step");
    assert_eq!((layout.name.as_str(), layout.verification.as_ref().expect("counted").fact.failed.len()), ("layout", 1));
    assert_eq!(layout.counters.len(), 2);
}

struct Device {
    path: std::path::PathBuf,
    mounted: Option<std::path::PathBuf>,
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = std::process::Command::new("losetup").arg("-d").arg(&self.path).status();
        if let Some(on) = &self.mounted {
            let _ = std::process::Command::new("umount").arg("--lazy").arg(on).status();
        }
    }
}

/// A loop device over a sparse file of 16 MiB, on a tmpfs when `options` are given.
fn loop_device(place: &Place, options: &str) -> (std::path::PathBuf, Device) {
    let folder = place.folder.path().join("media");
    std::fs::create_dir(&folder).expect("a folder");
    let mounted = (!options.is_empty()).then(|| {
        let status = std::process::Command::new("mount").args(["-t", "tmpfs", "-o", options, "assay-test"]).arg(&folder).status();
        assert!(status.is_ok_and(|status| status.success()), "a tmpfs can be mounted");
        folder.clone()
    });
    let medium = folder.join("medium");
    File::create_new(&medium).and_then(|file| file.set_len(16 << 20)).expect("a medium");
    let output = std::process::Command::new("losetup").args(["--find", "--show"]).arg(&medium).output().expect("losetup starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (medium, Device { path: String::from_utf8(output.stdout).expect("text").trim().into(), mounted })
}
