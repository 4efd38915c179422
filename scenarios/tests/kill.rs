//! `kill -9` at 200 random moments of a run: the journal always folds, loses at most its last event, is Completed only when the run was, and a resumption
//! finishes it. Also SIGTERM: a cancelled run is journalled as such and can be resumed. The victim is this test itself, started as another process.

use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use assay_model::journal::{Event, Journal};
use assay_model::run::{Ended, Environment, Run};
use assay_scenarios::claim::{ScratchPools, TargetKind};
use assay_scenarios::directory::run_id;
use assay_scenarios::journal::Stamps;
use assay_scenarios::plan::{Permits, Place, PlanContext, plan};
use assay_scenarios::runner::{Surroundings, resume, run};
use assay_scenarios::scenario::Scenario;
use tempfile::TempDir;

const KILLS: u32 = 200;
const KILLS_OF_WRITES: u32 = 20;
/// Writes for ten seconds, unless it is killed before; what was acknowledged is known afterwards.
const WRITES: &str = r#"
schema = 1
name = "writes"
describe = "d"
[target]
size = "16MiB"
ack_log = true
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
[[step.io]]
engine = "uring"
rw = "randwrite"
bssplit = "4k/70:16k/30"
iodepth = 8
runtime = "10s"
io_size = "64GiB"
"#;
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
runtime = "60ms"
io_size = "1GiB"
[[step.io]]
engine = "uring"
rw = "randread"
bs = "4KiB"
iodepth = 8
runtime = "60ms"
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
        probe_deadline: Duration::from_secs(5),
    })
}

/// The victim: begins or resumes a run in the folder that the environment names. As an ordinary test it does nothing.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os("ASSAY_TEST_VICTIM").map(PathBuf::from) else { return };
    let runs = folder.join("runs");
    let ended = surroundings(|surroundings| match the_run(&runs) {
        Some(path) => resume(&path, &ScratchPools::default(), surroundings, &mut |_| {}),
        None => {
            let text = if folder.join("writes").exists() { WRITES } else { SCENARIO };
            let scenario = Scenario::parse("tiny.toml", text, &["null", "uring"]).expect("good");
            let targets = [Place::new(&folder, TargetKind::Folder)];
            let permits = Permits::default();
            let context = PlanContext {
                targets: &targets,
                inventory: None,
                cpus: &[0],
                memory_available: 1 << 30,
                edges: &[],
                permits: &permits,
                nodes: &[],
                rings: &[],
            };
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

/// Kills a run of [`WRITES`] some time after its random writes have begun, and gives its directory.
fn killed_while_writing(folder: &Path, after: Duration) -> PathBuf {
    std::fs::write(folder.join("writes"), "").expect("written");
    let mut victim = start(folder);
    let deadline = Instant::now() + Duration::from_secs(60);
    while !folded(folder).is_some_and(|(_, run)| run.steps.iter().any(|step| step.name == "random")) {
        assert!(Instant::now() < deadline && victim.try_wait().expect("alive").is_none(), "the run never came to its writes");
    }
    #[allow(clippy::disallowed_methods, reason = "a random moment is the point")]
    std::thread::sleep(after);
    victim.kill().and_then(|()| victim.wait()).expect("killed");
    the_run(&folder.join("runs")).expect("a run")
}

fn scratch_of(folder: &Path) -> PathBuf {
    let entries = std::fs::read_dir(folder).expect("a folder").flatten().map(|entry| entry.path());
    let is_scratch = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"assay-scratch-"));
    entries.into_iter().find(is_scratch).expect("the scratch file of the dead")
}

#[test]
fn what_was_acknowledged_before_a_kill_is_there_and_what_is_lost_is_named() {
    let mut dice = Dice(u64::from(std::process::id()) | 1 << 41);
    for kill in 0..KILLS_OF_WRITES {
        let folder = TempDir::new().expect("a folder");
        let run = killed_while_writing(folder.path(), Duration::from_millis(dice.below(150)));
        let writes = assay_scenarios::acks::verify(&run).expect("reads");
        assert_eq!((writes.exit_code(), writes.targets[0].right, writes.targets[0].blocks), (0, 4096, 4096), "kill {kill}: {writes:?}");
    }

    let folder = TempDir::new().expect("a folder");
    let run = killed_while_writing(folder.path(), Duration::from_millis(300));
    use std::os::unix::fs::FileExt as _;
    let scratch = scratch_of(folder.path());
    let file = std::fs::File::options().read(true).write(true).open(&scratch).expect("opens");
    let mut block = vec![0; 4096];
    file.write_all_at(&[0; 4096], 5 * 4096).expect("lost");
    file.read_exact_at(&mut block, 9 * 4096).expect("read");
    file.write_all_at(&block, 700 * 4096).expect("misdirected");
    block[2000] ^= 4;
    file.write_all_at(&block, 9 * 4096).expect("damaged");
    let writes = assay_scenarios::acks::verify(&run).expect("reads");
    let found = &writes.targets[0];
    assert_eq!((writes.exit_code(), found.right), (1, 4093), "{found:?}");
    assert_eq!(found.first, ["zeroes at byte 20480", "damaged at byte 36864", "misdirected at byte 2867200"]);
    // Half of the target is gone.
    file.set_len(8 << 20).expect("cut");
    assert_eq!(assay_scenarios::acks::verify(&run).expect("reads").targets[0].corrupt["zeroes"], 2048 + 1);
}

#[test]
fn an_older_state_of_the_target_is_found() {
    let folder = TempDir::new().expect("a folder");
    std::fs::write(folder.path().join("writes"), "").expect("written");
    let mut victim = start(folder.path());
    let deadline = Instant::now() + Duration::from_secs(60);
    while !folded(folder.path()).is_some_and(|(_, run)| run.steps.iter().any(|step| step.name == "random")) {
        assert!(Instant::now() < deadline && victim.try_wait().expect("alive").is_none(), "the run never came to its writes");
    }
    // A snapshot while it writes, put back behind its back: what a drive without power-loss protection does.
    let scratch = scratch_of(folder.path());
    let older = std::fs::read(&scratch).expect("read");
    #[allow(clippy::disallowed_methods, reason = "it writes on meanwhile")]
    std::thread::sleep(Duration::from_millis(500));
    victim.kill().and_then(|()| victim.wait()).expect("killed");
    std::fs::write(&scratch, older).expect("written");
    let run = the_run(&folder.path().join("runs")).expect("a run");
    let writes = assay_scenarios::acks::verify(&run).expect("reads");
    assert!(writes.exit_code() == 1 && writes.targets[0].corrupt["stale"] > 100, "{writes:?}");
}
