//! The log of acknowledged writes: which generation every block must have at least, in a file of the run directory that survives the process. After a kill,
//! [`verify`] holds the target against it. After a crash of the host or a power cut the log itself may be older than what was acknowledged: what is lost is found
//! by it still, and that nothing is lost it cannot prove. (To sync it before every acknowledgement would measure the disk of the run directory.)

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use assay_bench::history::Expected;
use assay_bench::{History, Span, stamp};
use assay_model::writes::{Target, Writes};
use serde::{Deserialize, Serialize};

use crate::claim::{self, Claim};
use crate::directory::{RunDirectory, write_whole};
use crate::error::ScenarioError;
use crate::journal::Stamps;
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
    /// The boot in which it was written.
    #[serde(default)]
    boot: String,
    targets: Vec<Logged>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Logged {
    path: PathBuf,
    start: u64,
    bytes: u64,
    /// Of a drive: its name is another's after the next boot.
    #[serde(default)]
    serial: Option<String>,
}

fn log_of(directory: &Path) -> PathBuf {
    directory.join("acks.json")
}

fn counters_of(directory: &Path, number: usize) -> PathBuf {
    directory.join(format!("acks-{number}.bin"))
}

/// Makes an empty log for these targets in this boot, in place of an older one.
pub(crate) fn create(directory: &Path, claims: &[Claim], unit: u64, stamp_seed: u64, boot: &str) -> Result<Vec<File>, ScenarioError> {
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
        targets.push(Logged { path: claim.path().to_owned(), start: claim.start(), bytes: claim.bytes(), serial: claim.serial().map(str::to_owned) });
    }
    let log = serde_json::to_vec_pretty(&Log { unit, stamp_seed, boot: boot.to_owned(), targets }).expect("numbers, and paths that a plan took");
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
    let mut targets = Vec::new();
    for (number, logged) in log.targets.iter().enumerate() {
        if let Some(was) = &logged.serial {
            let is = claim::serial_of(&logged.path)?;
            if is.as_ref() != Some(was) {
                let (was, is) = (Printable::new(was), Printable::new(is.as_deref().unwrap_or("none")));
                return Err(refused(format!("{} was the drive with the serial number {was} and is the one with {is}", Printable::new(&logged.path))));
            }
        }
        let medium = File::open(&logged.path).map_err(ScenarioError::io("open the target", &logged.path))?;
        targets.push(target(&log, logged, &counters_of(directory, number), &|part, at| medium.read_at(part, at))?);
    }
    let unproved = (Stamps::of_this_boot()?.boot() != log.boot).then(|| {
        "the host was booted since: the log of acknowledged writes is not synced with every write, and may be older than what was acknowledged"
            .to_owned()
    });
    let run = directory.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Writes { run, targets, unproved })
}

/// Reads at a place as `pread` does.
type Read<'a> = &'a dyn Fn(&mut [u8], u64) -> io::Result<usize>;

fn target(log: &Log, logged: &Logged, counters: &Path, read: Read<'_>) -> Result<Target, ScenarioError> {
    let span = Span { start: logged.start, bytes: logged.bytes };
    let file = File::options().read(true).write(true).open(counters).map_err(ScenarioError::io("open", counters))?;
    let history = History::of_the_dead(&file, span, log.unit).map_err(ScenarioError::io("map", counters))?;
    let unit = usize::try_from(log.unit).expect("a unit fits into memory");
    let mut found = Target {
        path: Printable::new(&logged.path).to_string(),
        blocks: span.bytes / log.unit,
        right: 0,
        corrupt: Default::default(),
        unreadable: 0,
        first: Vec::new(),
    };
    let name = |found: &mut Target, what: &str, offset: u64| {
        if found.first.len() < NAMED {
            found.first.push(format!("{what} at byte {offset}"));
        }
    };
    let mut chunk = vec![0; usize::try_from(CHUNK).expect("fits")];
    let mut at = span.start;
    while at < span.start + span.bytes {
        let length = usize::try_from(CHUNK.min(span.start + span.bytes - at)).expect("fits");
        let part = &mut chunk[..length];
        let whole = fill(part, at, read);
        for (block, offset) in part.chunks_exact_mut(unit).zip((at..).step_by(unit)) {
            // Of a chunk that cannot be read some blocks can.
            if whole.is_err() && fill(block, offset, read).is_err() {
                found.unreadable += 1;
                name(&mut found, "unreadable", offset);
                continue;
            }
            let expected = history.expected(offset);
            match stamp::check(block, log.stamp_seed, offset, expected) {
                Ok(()) => found.right += u64::from(matches!(expected, Expected::AtLeast(_))),
                Err(kind) => {
                    *found.corrupt.entry(kind.name().to_owned()).or_insert(0) += 1;
                    name(&mut found, kind.name(), offset);
                }
            }
        }
        at += CHUNK;
    }
    Ok(found)
}

/// Fills `part`; a target that became shorter has lost what was behind its end, and reads as zeroes there.
fn fill(part: &mut [u8], at: u64, read: Read<'_>) -> io::Result<()> {
    part.fill(0);
    let mut done = 0;
    while done < part.len() {
        match read(&mut part[done..], at + u64::try_from(done).expect("within a chunk")) {
            Ok(0) => break,
            Ok(bytes) => done += bytes,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BLOCKS: u64 = 600;

    /// A run directory with the log of a file of which every block but the last was written once.
    fn written(folder: &Path, boot: &str) -> (Log, PathBuf) {
        let path = folder.join("medium");
        let span = Span { start: 0, bytes: BLOCKS * stamp::UNIT };
        let log = Log {
            unit: stamp::UNIT,
            stamp_seed: 7,
            boot: boot.to_owned(),
            targets: vec![Logged { path: path.clone(), start: span.start, bytes: span.bytes, serial: None }],
        };
        std::fs::write(log_of(folder), serde_json::to_vec(&log).expect("JSON")).expect("written");
        std::fs::write(folder.join("journal.jsonl"), "").expect("written");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(counters_of(folder, 0)).expect("made");
        file.set_len(History::footprint(span.bytes, stamp::UNIT)).expect("sized");
        let history = History::in_file(&file, span, stamp::UNIT).expect("maps");
        let unit = usize::try_from(stamp::UNIT).expect("small");
        let mut content = vec![0; unit * usize::try_from(BLOCKS).expect("few")];
        for (block, at) in content.chunks_exact_mut(unit).zip((0..).step_by(unit)).take(599) {
            let generation = history.draw();
            stamp::stamp(block, unit, 7, at, generation);
            history.written(at, stamp::UNIT, generation);
        }
        std::fs::write(&path, content).expect("written");
        (log, path)
    }

    #[test]
    fn a_log_of_another_boot_proves_no_more_that_nothing_is_lost() {
        let here = Stamps::of_this_boot().expect("a boot");
        for (boot, exit_code) in [(here.boot(), 0), ("another", 3), ("", 3)] {
            let folder = tempfile::tempdir().expect("a folder");
            let (_, path) = written(folder.path(), boot);
            let writes = verify(folder.path()).expect("reads");
            assert_eq!((writes.targets[0].right, writes.exit_code(), writes.unproved.is_some()), (599, exit_code, exit_code == 3), "{boot}");
            // What is lost is lost in any boot.
            let file = File::options().write(true).open(path).expect("opens");
            file.write_all_at(&[0; 4096], 8192).expect("lost");
            assert_eq!(verify(folder.path()).expect("reads").exit_code(), 1, "{boot}");
        }
    }

    #[test]
    fn blocks_that_cannot_be_read_are_counted_and_those_beside_them_compared() {
        let folder = tempfile::tempdir().expect("a folder");
        let (log, path) = written(folder.path(), "b");
        let medium = File::open(path).expect("opens");
        let bad = 300 * stamp::UNIT;
        let read = |part: &mut [u8], at: u64| {
            let end = at + u64::try_from(part.len()).expect("fits");
            if (at..end).contains(&bad) { Err(io::Error::from_raw_os_error(5)) } else { medium.read_at(part, at) }
        };
        let found = target(&log, &log.targets[0], &counters_of(folder.path(), 0), &read).expect("no fault of the harness");
        assert_eq!((found.right, found.unreadable, found.corrupt.len()), (598, 1, 0));
        assert_eq!(found.first, [format!("unreadable at byte {bad}")]);
        let writes = Writes { run: "r".to_owned(), targets: vec![found], unproved: None };
        assert_eq!(writes.exit_code(), 1);
    }

    #[test]
    fn a_name_that_is_another_drives_now_is_not_verified() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut log, _) = written(folder.path(), "b");
        log.targets[0].serial = Some("S1".to_owned());
        std::fs::write(log_of(folder.path()), serde_json::to_vec(&log).expect("JSON")).expect("written");
        let why = verify(folder.path()).expect_err("another").to_string();
        assert!(why.contains("S1") && why.contains("none"), "{why}");
    }
}
