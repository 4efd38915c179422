//! Run directories `runs/<utc>-<scenario>-<short id>/`: made whole or not at all, and worked in by one process at a time. Holds `plan.json`,
//! `journal.jsonl`, `histograms.hlog`, `artifacts/` and the derived `run.json`. What the journal says is the work of `journal.rs`.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use assay_model::journal::Event;
use assay_model::run::{Ended, RUN_SCHEMA, Run};
use assay_model::site::Node;
use rustix::fs::{FlockOperation, OFlags, flock};

use crate::error::ScenarioError;
use crate::journal::Writer;
use crate::patience::patiently;
use crate::plan::digest;
use crate::printable::Printable;
use crate::runner::Surroundings;

/// A run directory is made under a name with this prefix, so that one without a first event never has the name of a run.
const UNFINISHED: &str = ".new-";
/// A half-made directory that is older than this was left by a crash.
const HALF_MADE_AGE: Duration = Duration::from_secs(60);

/// A run directory, locked for this process.
#[derive(Debug)]
pub struct RunDirectory {
    path: PathBuf,
    // Also the lock: it is released when this is closed, by whatever death.
    handle: File,
}

/// A new run id: `20261123T020304Z-storage-quick-0a1b2c3d`.
pub fn run_id(scenario: &str, now: jiff::Timestamp) -> String {
    let unique = uuid::Uuid::now_v7().simple().to_string();
    format!("{}-{scenario}-{}", now.strftime("%Y%m%dT%H%M%SZ"), &unique[unique.len() - 8..])
}

impl RunDirectory {
    /// Makes the directory of run `id` below `runs`. `first` puts into it whatever a run cannot be without; only then it gets its name.
    pub(crate) fn create<T>(runs: &Path, id: &str, first: impl FnOnce(&Path) -> Result<T, ScenarioError>) -> Result<(Self, T), ScenarioError> {
        fs::create_dir_all(runs).map_err(ScenarioError::io("make the folder of runs", runs))?;
        sweep(runs);
        let unfinished = runs.join(format!("{UNFINISHED}{id}"));
        let path = runs.join(id);
        if path.exists() {
            return Err(ScenarioError::Io { act: "make run directory", path: Printable::new(&path), source: io::ErrorKind::AlreadyExists.into() });
        }
        fs::create_dir(&unfinished).map_err(ScenarioError::io("make run directory", &unfinished))?;
        let made = Self::lock(&unfinished).and_then(|mut directory| {
            fs::create_dir(unfinished.join("artifacts")).map_err(ScenarioError::io("make folder in", &unfinished))?;
            let value = first(&unfinished)?;
            sync_directory(&unfinished)?;
            fs::rename(&unfinished, &path).map_err(ScenarioError::io("name run directory", &path))?;
            sync_directory(runs)?;
            directory.path.clone_from(&path);
            Ok((directory, value))
        });
        if made.is_err() {
            // Best effort: what stays is swept by a later start.
            let _ = fs::remove_dir_all(&unfinished);
        }
        made
    }

    /// Begins run `id` of `scenario`: its directory, with the plan and a journal that has started.
    pub(crate) fn begin(
        runs: &Path,
        id: &str,
        scenario: &str,
        plan: &[u8],
        steps: Vec<String>,
        nodes: &[Node],
        surroundings: &Surroundings<'_>,
    ) -> Result<(Self, Writer), ScenarioError> {
        let started = Event::RunStarted {
            run: id.to_owned(),
            schema: RUN_SCHEMA,
            scenario: scenario.to_owned(),
            plan: digest(plan),
            steps,
            hosts: vec![surroundings.host.clone()],
            nodes: nodes.iter().map(|node| node.name.clone()).collect(),
            environment: surroundings.environment.clone(),
        };
        let (directory, mut writer) = Self::create(runs, id, |folder| {
            write_whole(&folder.join("plan.json"), plan)?;
            Writer::create(&folder.join("journal.jsonl"), surroundings.stamps.clone(), started)
        })?;
        writer.moved(&directory.journal());
        if let Some(inventory) = &surroundings.inventory {
            writer.append(Event::Inventory { inventory: Box::new(inventory.clone()) })?;
        }
        Ok((directory, writer))
    }

    /// Ends the run, and derives what its journal comes to.
    pub(crate) fn finish(&self, mut writer: Writer, ended: Ended) -> Result<Run, ScenarioError> {
        writer.append(Event::RunEnded { ended })?;
        let run = writer.read_back()?.run().map_err(ScenarioError::journal("fold journal", writer.path()))?;
        self.write_run(&run)?;
        Ok(run)
    }

    /// Opens the directory of a run that exists, for this process alone.
    pub fn open(path: &Path) -> Result<Self, ScenarioError> {
        Self::lock(path)
    }

    fn lock(path: &Path) -> Result<Self, ScenarioError> {
        let handle = open_directory(path).map_err(ScenarioError::io("open run directory", path))?;
        let lock = || flock(&handle, FlockOperation::NonBlockingLockExclusive);
        match patiently(lock, |answer| *answer == Err(rustix::io::Errno::WOULDBLOCK)) {
            Ok(()) => Ok(Self { path: path.to_owned(), handle }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(ScenarioError::Held { path: Printable::new(path) }),
            Err(error) => Err(ScenarioError::io("lock run directory", path)(error.into())),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Id of the run: the name of the directory.
    pub fn id(&self) -> String {
        self.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }

    /// The file of the plan.
    pub fn plan(&self) -> PathBuf {
        self.path.join("plan.json")
    }

    /// The file of the journal.
    pub fn journal(&self) -> PathBuf {
        self.path.join("journal.jsonl")
    }

    /// The file of the histograms.
    pub fn histograms(&self) -> PathBuf {
        self.path.join("histograms.hlog")
    }

    /// Writes the derived `run.json`: the old one or the new one is there, never half of one.
    pub(crate) fn write_run(&self, run: &Run) -> Result<(), ScenarioError> {
        let json = serde_json::to_vec_pretty(run).map_err(|error| ScenarioError::io("write", &self.path.join("run.json"))(error.into()))?;
        write_whole(&self.path.join("run.json"), &json)?;
        self.handle.sync_all().map_err(ScenarioError::io("sync run directory", &self.path))
    }
}

/// Writes a file whole: under another name, synced, then renamed.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), ScenarioError> {
    let partial = path.with_extension("partial");
    let write = || {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().map_err(|error| {
        let _ = fs::remove_file(&partial);
        ScenarioError::io("write", path)(error)
    })
}

fn open_directory(path: &Path) -> io::Result<File> {
    // rustix flags are the kernel's own bits; they fit the i32 that std takes.
    let flags = (OFlags::DIRECTORY | OFlags::NOFOLLOW).bits().cast_signed();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn sync_directory(path: &Path) -> Result<(), ScenarioError> {
    open_directory(path).and_then(|directory| directory.sync_all()).map_err(ScenarioError::io("sync folder", path))
}

/// Removes half-made directories that a crash left behind: old, and held by nobody.
fn sweep(runs: &Path) {
    let Ok(entries) = fs::read_dir(runs) else { return };
    for entry in entries.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes())) {
        let old = entry.metadata().and_then(|data| data.modified()).is_ok_and(|at| at.elapsed().is_ok_and(|age| age > HALF_MADE_AGE));
        if old && RunDirectory::lock(&entry.path()).is_ok() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    #[test]
    fn run_ids_sort_by_time_name_their_scenario_and_differ() {
        let now: jiff::Timestamp = "2026-11-23T02:03:04.9Z".parse().expect("a time");
        let (one, two) = (run_id("storage-quick", now), run_id("storage-quick", now));
        assert!(one.starts_with("20261123T020304Z-storage-quick-") && one.len() == "20261123T020304Z-storage-quick-".len() + 8, "{one}");
        assert_ne!(one, two);
    }

    #[test]
    fn a_directory_has_its_name_only_when_it_is_whole() {
        let runs = tempfile::TempDir::new().expect("a folder");
        let names =
            || fs::read_dir(runs.path()).expect("a folder").flatten().map(|entry| entry.file_name().into_string().expect("text")).collect::<Vec<_>>();
        let failed = RunDirectory::create(runs.path(), "a", |folder| {
            assert_eq!(names(), [".new-a"]);
            fs::write(folder.join("half"), "").expect("written");
            Err::<(), _>(ScenarioError::Held { path: Printable::new(folder) })
        });
        assert!(failed.is_err() && names().is_empty());
        let (directory, value) = RunDirectory::create(runs.path(), "a", |_| Ok(7)).expect("made");
        assert_eq!((names(), value, directory.id().as_str(), directory.path()), (vec!["a".to_owned()], 7, "a", runs.path().join("a").as_path()));
        assert!(RunDirectory::create(runs.path(), "a", |_| Ok(())).is_err(), "the name is taken");
    }

    #[test]
    fn one_process_works_in_a_run_directory_at_a_time() {
        let runs = tempfile::TempDir::new().expect("a folder");
        let (directory, ()) = RunDirectory::create(runs.path(), "a", |_| Ok(())).expect("made");
        assert!(matches!(RunDirectory::open(&runs.path().join("a")), Err(ScenarioError::Held { .. })));
        drop(directory);
        RunDirectory::open(&runs.path().join("a")).expect("free again");
        assert!(matches!(RunDirectory::open(&runs.path().join("b")), Err(ScenarioError::Io { .. })));
    }

    #[test]
    fn half_made_directories_of_a_crash_are_swept_once_they_are_old_and_free() {
        let runs = tempfile::TempDir::new().expect("a folder");
        let make = |name: &str, age: u64| {
            let path = runs.path().join(name);
            fs::create_dir(&path).expect("a folder");
            let then = SystemTime::now() - Duration::from_secs(age);
            File::open(&path).and_then(|folder| folder.set_modified(then)).expect("aged");
            path
        };
        let (old, young, held, other) = (make(".new-old", 120), make(".new-young", 1), make(".new-held", 120), make("old-run", 120));
        let _lock = RunDirectory::open(&held).expect("held");
        RunDirectory::create(runs.path(), "a", |_| Ok(())).expect("made");
        assert_eq!([old.exists(), young.exists(), held.exists(), other.exists()], [false, true, true, true]);
    }

    #[test]
    fn a_file_is_replaced_whole_or_not_at_all() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("run.json");
        write_whole(&path, b"one").expect("written");
        write_whole(&path, b"two").expect("written");
        assert_eq!(fs::read(&path).expect("there"), b"two");
        assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1);
        assert!(write_whole(&folder.path().join("missing/run.json"), b"x").is_err());
    }
}
