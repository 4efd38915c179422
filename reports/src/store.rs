//! The folder of runs: `<dir>/<run id>/journal.jsonl`, folded by `assay_model::journal`, and `<dir>/<acceptance id>/acceptance.json`. Whatever
//! cannot be read is listed with its error and never hidden. Writing journals is the work of `assay-scenarios`.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Component, Path, PathBuf};

use assay_model::journal::{self, JournalError};
use assay_model::metric::Metric;
use assay_model::run::{Acceptance, Ended, Run};
use assay_model::unit::Unit;

const JOURNAL: &str = "journal.jsonl";
const ACCEPTANCE: &str = "acceptance.json";
// A journal holds figures and histograms' quantiles, not samples of every operation: larger than this is not one of ours.
const LARGEST: u64 = 256 * 1024 * 1024;

/// What can go wrong with stored runs. The message names the path and the act.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A folder or file could not be read.
    #[error("cannot read {path}")]
    Read {
        /// What was to be read.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A folder or file could not be written.
    #[error("cannot write {path}")]
    Write {
        /// What was to be written.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A journal that is damaged before its tail.
    #[error("cannot fold {path}")]
    Journal {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: JournalError,
    },
    /// An acceptance that does not parse.
    #[error("cannot parse {path}")]
    Acceptance {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// A folder that holds neither a journal nor an acceptance: it was begun and never written to, or it is none of ours.
    #[error("{path} holds neither {JOURNAL} nor {ACCEPTANCE}")]
    Empty {
        /// The folder.
        path: PathBuf,
    },
    /// A folder whose content says that it is something else: it was renamed or copied.
    #[error("{path} holds {id}, which is not the name of the folder")]
    OtherId {
        /// The folder.
        path: PathBuf,
        /// The id that its content has.
        id: String,
    },
    /// A file that is no regular file, or too large to be one of ours.
    #[error("{path} is {what}, not a file of a run")]
    NotOurs {
        /// The path.
        path: PathBuf,
        /// What it is.
        what: String,
    },
    /// A name that cannot be a run or acceptance.
    #[error("`{0}` cannot be the id of a run: an id is one name without slashes")]
    BadId(String),
    /// No such run or acceptance.
    #[error("no run or acceptance `{id}` in {dir}")]
    Unknown {
        /// The id.
        id: String,
        /// The folder that was searched.
        dir: PathBuf,
    },
}

/// One folder of the store.
#[derive(Debug)]
pub struct Entry {
    /// Name of the folder.
    pub id: String,
    /// The folder.
    pub path: PathBuf,
    /// What it holds, or why that cannot be told.
    pub content: Result<Content, StoreError>,
}

/// What a folder of the store holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// A run, folded from its journal.
    Run(Box<Run>),
    /// An acceptance.
    Acceptance(Acceptance),
}

/// One figure of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    /// Id of the run.
    pub run: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// How it ended: the figures of a run that did not complete count for nothing.
    pub ended: Ended,
    /// Its scenario.
    pub scenario: String,
    /// The step that measured it.
    pub step: String,
    /// The figure with all its samples.
    pub metric: Metric,
}

impl HistoryRow {
    /// The unit of the figure.
    pub fn unit(&self) -> Unit {
        self.metric.unit
    }
}

/// Figures of stored runs, oldest first, and what could not be read.
#[derive(Debug, Default)]
pub struct History {
    /// One row per figure and run.
    pub rows: Vec<HistoryRow>,
    /// Folders whose figures are missing here because they are damaged.
    pub damaged: Vec<(String, StoreError)>,
}

/// A folder of runs. A folder that does not exist yet is an empty store.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// Opens the folder; fails when it exists and cannot be listed.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, StoreError> {
        let store = Self { dir: dir.into() };
        store.names()?;
        Ok(store)
    }

    /// The folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Everything in the store, newest first (ids begin with their UTC time), damaged folders included.
    pub fn entries(&self) -> Result<Vec<Entry>, StoreError> {
        Ok(self.names()?.into_iter().map(|(id, path)| Entry { content: content(&path, &id), id, path }).collect())
    }

    /// All runs that can be read, newest first. For a list that hides nothing use [`Store::entries`].
    pub fn runs(&self) -> Result<Vec<Run>, StoreError> {
        let run = |entry: Entry| match entry.content {
            Ok(Content::Run(run)) => Some(*run),
            Ok(Content::Acceptance(_)) | Err(_) => None,
        };
        Ok(self.entries()?.into_iter().filter_map(run).collect())
    }

    /// All acceptances that can be read, newest first. For a list that hides nothing use [`Store::entries`].
    pub fn acceptances(&self) -> Result<Vec<Acceptance>, StoreError> {
        let acceptance = |entry: Entry| match entry.content {
            Ok(Content::Acceptance(acceptance)) => Some(acceptance),
            Ok(Content::Run(_)) | Err(_) => None,
        };
        Ok(self.entries()?.into_iter().filter_map(acceptance).collect())
    }

    /// The run or acceptance of that id.
    pub fn load(&self, id: &str) -> Result<Content, StoreError> {
        let path = self.path(id)?;
        match fs::metadata(&path) {
            Ok(_) => content(&path, id),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(StoreError::Unknown { id: id.to_owned(), dir: self.dir.clone() }),
            Err(source) => Err(StoreError::Read { path, source }),
        }
    }

    /// The folder of that run or acceptance, whether it exists or not. Refuses ids that would lead out of the store.
    pub fn path(&self, id: &str) -> Result<PathBuf, StoreError> {
        let mut parts = Path::new(id).components();
        match (parts.next(), parts.next()) {
            (Some(Component::Normal(name)), None) if name == id && !id.contains('\0') => Ok(self.dir.join(name)),
            (_, _) => Err(StoreError::BadId(id.to_owned())),
        }
    }

    /// Writes an acceptance, so that a crash leaves the old one, the new one or none, and never a part. Gives the path of its file.
    pub fn save(&self, acceptance: &Acceptance) -> Result<PathBuf, StoreError> {
        let folder = self.path(&acceptance.id)?;
        let file = folder.join(ACCEPTANCE);
        let mut json = serde_json::to_vec_pretty(acceptance).map_err(|source| StoreError::Acceptance { path: file.clone(), source })?;
        json.push(b'\n');
        let written = fs::create_dir_all(&folder).and_then(|()| replace(&folder, &file, &json)).and_then(|()| sync(&self.dir));
        written.map(|()| file.clone()).map_err(|source| {
            // A folder with nothing in it would read as a damaged run ever after; one that holds something stays.
            let _ = fs::remove_dir(&folder);
            StoreError::Write { path: file, source }
        })
    }

    /// Figures of all runs, oldest first; only of the scenario, or of the metric, that is named `only`.
    pub fn history(&self, only: Option<&str>) -> Result<History, StoreError> {
        let mut history = History::default();
        for entry in self.entries()?.into_iter().rev() {
            match entry.content {
                Ok(Content::Run(run)) => history.rows.extend(figures(&run, only)),
                Ok(Content::Acceptance(_)) => {}
                Err(error) => history.damaged.push((entry.id, error)),
            }
        }
        Ok(history)
    }

    // Folders, newest first. Files beside them (a report, a note) are nobody's run; a link that leads nowhere is a damaged one.
    fn names(&self) -> Result<Vec<(String, PathBuf)>, StoreError> {
        let failed = |source| StoreError::Read { path: self.dir.clone(), source };
        let listing = match fs::read_dir(&self.dir) {
            Ok(listing) => listing,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(source)),
        };
        let mut names = Vec::new();
        for entry in listing {
            let entry = entry.map_err(failed)?;
            let path = entry.path();
            if fs::metadata(&path).map_or(true, |metadata| metadata.is_dir()) {
                names.push((entry.file_name().to_string_lossy().into_owned(), path));
            }
        }
        names.sort_by(|(a, _), (b, _)| b.cmp(a));
        Ok(names)
    }
}

fn figures(run: &Run, only: Option<&str>) -> Vec<HistoryRow> {
    let row = |step: &str, metric: &Metric| HistoryRow {
        run: run.id.clone(),
        started_at: run.started_at.clone(),
        ended: run.ended.clone(),
        scenario: run.scenario.clone(),
        step: step.to_owned(),
        metric: metric.clone(),
    };
    let wanted = |metric: &Metric| only.is_none_or(|only| only == run.scenario || only == metric.name.0);
    let of_step = |step: &assay_model::run::Step| -> Vec<HistoryRow> {
        step.metrics.iter().map(|recorded| &recorded.fact).filter(|metric| wanted(metric)).map(|metric| row(&step.name, metric)).collect()
    };
    run.steps.iter().flat_map(of_step).collect()
}

fn content(path: &Path, id: &str) -> Result<Content, StoreError> {
    if let Some(run) = run(&path.join(JOURNAL))? {
        return if run.id == id { Ok(Content::Run(Box::new(run))) } else { Err(StoreError::OtherId { path: path.to_owned(), id: run.id }) };
    }
    match acceptance(&path.join(ACCEPTANCE))? {
        Some(acceptance) if acceptance.id == id => Ok(Content::Acceptance(acceptance)),
        Some(acceptance) => Err(StoreError::OtherId { path: path.to_owned(), id: acceptance.id }),
        None => Err(StoreError::Empty { path: path.to_owned() }),
    }
}

fn run(path: &Path) -> Result<Option<Run>, StoreError> {
    let Some(bytes) = bytes(path)? else { return Ok(None) };
    journal::fold(&bytes).map(Some).map_err(|source| StoreError::Journal { path: path.to_owned(), source })
}

fn acceptance(path: &Path) -> Result<Option<Acceptance>, StoreError> {
    let Some(bytes) = bytes(path)? else { return Ok(None) };
    serde_json::from_slice(&bytes).map(Some).map_err(|source| StoreError::Acceptance { path: path.to_owned(), source })
}

// The content of a regular file, none when it does not exist. A pipe would hang the reader and /dev/zero would never end.
fn bytes(path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
    let failed = |source| StoreError::Read { path: path.to_owned(), source };
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(failed(source)),
    };
    let other = |what: String| Err(StoreError::NotOurs { path: path.to_owned(), what });
    if !metadata.is_file() {
        return other("no regular file".into());
    }
    let mut content = Vec::new();
    // One byte more than allowed: the file may grow between the look and the read.
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut content)).map_err(failed)?;
    if u64::try_from(content.len()).is_ok_and(|length| length > LARGEST) {
        return other(format!("larger than {LARGEST} bytes"));
    }
    Ok(Some(content))
}

fn replace(folder: &Path, file: &Path, content: &[u8]) -> io::Result<()> {
    let partial = folder.join(format!("{ACCEPTANCE}.{}.partial", std::process::id()));
    let written = File::create(&partial).and_then(|mut out| {
        out.write_all(content)?;
        out.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&partial, file));
    if renamed.is_err() {
        // The first error is the one that counts; a left-over partial file is harmless.
        let _ = fs::remove_file(&partial);
    }
    renamed?;
    sync(folder)
}

fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests;
