//! The log of acknowledged writes: which generation every block must have at least, in a file of the run directory that survives the process. After a kill, a
//! crash of the host or a power cut, [`verify`] holds the target against it.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use assay_bench::history::Expected;
use assay_bench::{History, Span, stamp};
use assay_model::writes::{Target, Writes};
use serde::{Deserialize, Serialize};

use crate::claim::Claim;
use crate::directory::{RunDirectory, write_whole};
use crate::error::ScenarioError;
use crate::printable::Printable;

/// Targets larger than this have none: their log would fill the run directory.
pub(crate) const TARGET_MAX: u64 = 64 << 30;
/// What is read at once.
const CHUNK: u64 = 1 << 20;
/// Places of wrong content that are named, of each target.
const NAMED: usize = 16;

/// What the log files are of.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Log {
    unit: u64,
    stamp_seed: u64,
    targets: Vec<Logged>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Logged {
    path: PathBuf,
    start: u64,
    bytes: u64,
}

fn log_of(directory: &Path) -> PathBuf {
    directory.join("acks.json")
}

fn counters_of(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("acks-{number}.bin"))
}

/// Makes an empty log for these targets, in place of an older one.
pub(crate) fn create(directory: &Path, claims: &[Claim], unit: u64, stamp_seed: u64) -> Result<Vec<File>, ScenarioError> {
    let mut files = Vec::new();
    let mut targets = Vec::new();
    for (number, claim) in claims.iter().enumerate() {
        let path = counters_of(directory, number);
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path).map_err(ScenarioError::io("make", &path))?;
        // Room for all of it: a full disk is an error here, and not a signal in the middle of a write.
        let bytes = History::footprint(claim.bytes(), unit);
        rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, bytes)
            .map_err(|error| ScenarioError::io("make room in", &path)(error.into()))?;
        files.push(file);
        targets.push(Logged { path: claim.path().to_owned(), start: claim.start(), bytes: claim.bytes() });
    }
    let log = serde_json::to_vec_pretty(&Log { unit, stamp_seed, targets }).expect("numbers, and paths that a plan took");
    write_whole(&log_of(directory), &log)?;
    Ok(files)
}

/// Reads every block of the targets of a run that did not end, and holds it against what was acknowledged. Nothing is written to them.
pub fn verify(directory: &Path) -> Result<Writes, ScenarioError> {
    // While it goes on, every block is about to change.
    let _held = RunDirectory::open(directory)?;
    let path = log_of(directory);
    let bytes = std::fs::read(&path).map_err(ScenarioError::io("read the log of acknowledged writes", &path))?;
    let refused = |why: String| ScenarioError::Plan { path: Printable::new(&path), why };
    let log: Log = serde_json::from_slice(&bytes).map_err(|error| refused(error.to_string()))?;
    if !matches!(log.unit, stamp::UNIT | stamp::UNIT_MIN) {
        return Err(refused(format!("blocks of {} bytes are none of assay's", log.unit)));
    }
    let targets = log.targets.iter().enumerate().map(|(number, logged)| target(&log, logged, &counters_of(directory, number)));
    let run = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Writes { run, targets: targets.collect::<Result<_, _>>()? })
}

fn target(log: &Log, logged: &Logged, counters: &Path) -> Result<Target, ScenarioError> {
    let span = Span { start: logged.start, bytes: logged.bytes };
    let file = File::options().read(true).write(true).open(counters).map_err(ScenarioError::io("open", counters))?;
    let history = History::of_the_dead(&file, span, log.unit).map_err(ScenarioError::io("map", counters))?;
    let medium = File::open(&logged.path).map_err(ScenarioError::io("open the target", &logged.path))?;
    let unit = usize::try_from(log.unit).expect("a unit fits into memory");
    let mut found = Target {
        path: Printable::new(&logged.path).to_string(),
        blocks: span.bytes / log.unit,
        right: 0,
        corrupt: Default::default(),
        first: Vec::new(),
    };
    let mut chunk = vec![0; usize::try_from(CHUNK).expect("fits")];
    let mut at = span.start;
    while at < span.start + span.bytes {
        let length = usize::try_from(CHUNK.min(span.start + span.bytes - at)).expect("fits");
        let part = &mut chunk[..length];
        let cut = match medium.read_exact_at(part, at) {
            Ok(()) => false,
            // A target that became shorter has lost what was behind its end.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => true,
            Err(error) => return Err(ScenarioError::io("read the target", &logged.path)(error)),
        };
        if cut {
            part.fill(0);
            let _ = medium.read_at(part, at);
        }
        for (block, offset) in part.chunks_exact(unit).zip((at..).step_by(unit)) {
            let expected = history.expected(offset);
            match stamp::check(block, log.stamp_seed, offset, expected) {
                Ok(()) => found.right += u64::from(matches!(expected, Expected::AtLeast(_))),
                Err(kind) => {
                    *found.corrupt.entry(kind.name().to_owned()).or_insert(0) += 1;
                    if found.first.len() < NAMED {
                        found.first.push(format!("{} at byte {offset}", kind.name()));
                    }
                }
            }
        }
        at += CHUNK;
    }
    Ok(found)
}
