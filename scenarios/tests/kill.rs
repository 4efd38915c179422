//! `kill -9` at 200 random moments of a run: the journal always folds, loses at most its last event, is Completed only when the run was, and a resumption
//! finishes it. Also SIGTERM: a cancelled run is journalled as such and can be resumed. The victim is this test itself, started as another process.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assay_model::journal::{Event, Journal};
use assay_model::run::{Ended, Environment, Run};
use assay_scenarios::claim::TargetKind;
use assay_scenarios::directory::run_id;
use assay_scenarios::journal::Stamps;
use assay_scenarios::plan::{Permits, Place, PlanContext, plan};
use assay_scenarios::runner::{Surroundings, resume, run};
use assay_scenarios::scenario::Scenario;
use tempfile::TempDir;

const KILLS: u32 = 200;
const SCENARIO: &str = r#"
schema = 1
name = "tiny"
describe = "half a second"
[target]
size = "4MiB"
[[step]]
name = "layout"
describe = "d"
[[step.io]]
engine = "uring"
rw = "write"
bs = "64KiB"
iodepth = 4
whole = true
[[step]]
name = "random"
describe = "d"
repeats = 3
[[step.io]]
engine = "uring"
rw = "randwrite"
bs = "4KiB"
iodepth = 8
runtime = "30ms"
io_size = "1GiB"
[[step.io]]
engine = "uring"
rw = "randread"
bs = "4KiB"
iodepth = 8
runtime = "30ms"
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

fn surroundings<T>(act: impl FnOnce(&Surroundings<'_>) -> T) -> T {
    act(&Surroundings {
        host: "victim".into(),
        environment: Environment { tool_version: "0".into(), tool_revision: "r".into(), command: Vec::new(), facts: BTreeMap::new() },
        inventory: None,
        counters: &Vec::new,
        stamps: Stamps::of_this_boot().expect("a boot id"),
    })
}

/// The victim: begins or resumes a run in the folder that the environment names. As an ordinary test it does nothing.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os("ASSAY_TEST_VICTIM").map(PathBuf::from) else { return };
    let runs = folder.join("runs");
    let ended = surroundings(|surroundings| match the_run(&runs) {
        Some(path) => resume(&path, surroundings, &mut |_| {}),
        None => {
            let scenario = Scenario::parse("tiny.toml", SCENARIO, &["null", "uring"]).expect("good");
            let targets = [Place::new(&folder, TargetKind::Folder)];
            let permits = Permits::default();
            let context = PlanContext { targets: &targets, inventory: None, cpus: &[0], memory_available: 1 << 30, edges: &[], permits: &permits };
            let plan = plan(&scenario, &context).expect("plans");
            run(&runs, &run_id("tiny", jiff::Timestamp::now()), &plan, surroundings, &mut |_| {})
        }
    });
    let run = ended.expect("runs");
    assert!(matches!(run.ended, Ended::Completed | Ended::Cancelled), "{:?}", run.ended);
}

fn the_run(runs: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(runs).ok()?.flatten();
    entries.map(|entry| entry.path()).find(|path| !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")))
}

fn start(folder: &Path) -> Child {
    let own = std::env::current_exe().expect("this test");
    let mut command = Command::new(own);
    command
        .args(["--exact", "victim", "--nocapture", "--test-threads=1"])
        .env("ASSAY_TEST_VICTIM", folder)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command.spawn().expect("starts")
}

fn finish(folder: &Path) -> Run {
    let output = start(folder).wait_with_output().expect("ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (_, run) = folded(folder).expect("there is a run");
    run
}

fn folded(folder: &Path) -> Option<(Journal, Run)> {
    let bytes = std::fs::read(the_run(&folder.join("runs"))?.join("journal.jsonl")).expect("a run has a journal");
    let journal = Journal::read(&bytes).expect("the journal can be read");
    assert!(bytes.len() - journal.intact < 64 * 1024, "more than one event is torn");
    assert!(!bytes[journal.intact..].contains(&b'\n'), "at most the last event may be lost");
    let run = journal.run().expect("the journal folds");
    Some((journal, run))
}

/// A small generator of its own: moments need no quality, and a seed that is printed makes a failure repeatable.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn a_run_that_is_killed_at_any_moment_folds_never_lies_and_can_be_finished() {
    let quiet = TempDir::new().expect("a folder");
    let begin = Instant::now();
    let reference = finish(quiet.path());
    let whole = u64::try_from(begin.elapsed().as_micros()).expect("short");
    assert_eq!(reference.ended, Ended::Completed);

    let seed = u64::from(std::process::id()) | 1 << 40;
    println!("seed {seed}, a whole run takes {whole} us");
    // Two at a time: the victims mostly wait.
    let halves = std::thread::scope(|scope| {
        let half = |number: u64| {
            scope.spawn({
                let reference = &reference;
                move || kill_again_and_again(KILLS / 2, seed + number, whole, reference)
            })
        };
        [half(1), half(2)].map(|half| half.join().expect("a half"))
    });
    let sum = |count: fn(&Tally) -> u32| halves.iter().map(count).sum::<u32>();
    let (before, inside, after) = (sum(|tally| tally.before), sum(|tally| tally.inside), sum(|tally| tally.after));
    let steps: Vec<u32> = (1..=4).map(|begun| halves.iter().map(|tally| tally.steps[begun]).sum()).collect();
    println!("{before} before the first event, {inside} inside, {after} after the end; by steps begun {steps:?}");
    assert_eq!(before + inside + after, KILLS);
    assert!(inside > KILLS / 4, "the kills did not meet the run");
    assert!(steps.iter().filter(|count| **count > 0).count() >= 3, "the kills met too few steps");
}

/// Where the kills struck.
#[derive(Default)]
struct Tally {
    before: u32,
    inside: u32,
    after: u32,
    steps: [u32; 5],
}

fn kill_again_and_again(kills: u32, seed: u64, whole: u64, reference: &Run) -> Tally {
    let mut dice = Dice(seed);
    let mut tally = Tally::default();
    let mut folder = TempDir::new().expect("a folder");
    for kill in 0..kills {
        let mut victim = start(folder.path());
        #[allow(clippy::disallowed_methods, reason = "a random moment is the point")]
        std::thread::sleep(Duration::from_micros(dice.below(whole)));
        victim.kill().expect("killed");
        let output = victim.wait_with_output().expect("waited for");
        let ended_by_itself = output.status.success();
        assert!(ended_by_itself || output.status.signal() == Some(9), "kill {kill}: {:?} {}", output.status, String::from_utf8_lossy(&output.stderr));
        let Some((journal, run)) = folded(folder.path()) else {
            assert!(!ended_by_itself, "kill {kill}: a run that ended is there");
            tally.before += 1;
            continue;
        };
        let says_so = journal.entries.iter().any(|entry| entry.event == Event::RunEnded { ended: Ended::Completed });
        assert_eq!(run.ended == Ended::Completed, says_so, "kill {kill}");
        assert!(says_so || !ended_by_itself, "kill {kill}: what ended by itself completed");
        tally.steps[run.steps.len()] += 1;
        if says_so {
            tally.after += 1;
            assert_eq!(run.steps.len(), 4);
        } else {
            tally.inside += 1;
            assert_eq!(run.ended, Ended::Interrupted, "kill {kill}");
            // Some of the interrupted runs are killed again while they are resumed; the others are finished now.
            if dice.below(2) == 0 {
                continue;
            }
            let run = finish(folder.path());
            assert_eq!(run.ended, Ended::Completed, "kill {kill}");
            assert_eq!(
                run.steps.iter().map(|step| &step.name).collect::<Vec<_>>(),
                reference.steps.iter().map(|step| &step.name).collect::<Vec<_>>()
            );
            assert!(run.steps.iter().all(|step| step.ended == Ended::Completed));
            let left = std::fs::read_dir(folder.path())
                .expect("a folder")
                .flatten()
                .filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"assay-scratch-"));
            assert_eq!(left.count(), 0, "kill {kill}: a scratch file is left");
        }
        folder = TempDir::new().expect("a folder");
    }
    tally
}

#[test]
fn a_run_that_is_told_to_end_is_cancelled_and_can_be_finished() {
    let folder = TempDir::new().expect("a folder");
    let mut victim = start(folder.path());
    let deadline = Instant::now() + Duration::from_secs(30);
    while !folded(folder.path()).is_some_and(|(_, run)| run.steps.iter().any(|step| step.name == "random")) {
        assert!(Instant::now() < deadline && victim.try_wait().expect("alive").is_none(), "the run never came to its second step");
    }
    let sent = Command::new("kill").args(["-TERM", &victim.id().to_string()]).status().expect("kill");
    assert!(sent.success());
    let output = victim.wait_with_output().expect("ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let (journal, run) = folded(folder.path()).expect("a run");
    assert_eq!(run.ended, Ended::Cancelled);
    assert_eq!(run.steps.last().map(|step| (step.ended.clone(), step.metrics.len())), Some((Ended::Cancelled, 0)));
    assert_eq!(journal.entries.last().map(|entry| entry.event.clone()), Some(Event::RunEnded { ended: Ended::Cancelled }));
    assert_eq!(finish(folder.path()).ended, Ended::Completed);
}
