//! Writes `journal.jsonl`: append only, one `write` per event, `fdatasync` at the boundaries of steps and before anything dangerous. Never called
//! from a measuring thread. Lines and fold are `assay_model::journal`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use assay_model::check::EventSeq;
use assay_model::journal::{Entry, Event, Journal, JournalError};
use rustix::time::{ClockId, clock_gettime};

use crate::error::ScenarioError;

/// The boot and the clocks that stamp every event.
#[derive(Debug, Clone)]
pub struct Stamps {
    boot: String,
}

impl Stamps {
    /// Stamps of this boot, from `/proc/sys/kernel/random/boot_id`.
    pub fn of_this_boot() -> Result<Self, ScenarioError> {
        let path = Path::new("/proc/sys/kernel/random/boot_id");
        let boot = std::fs::read_to_string(path).map_err(ScenarioError::io("read", path))?;
        Ok(Self { boot: boot.trim().to_owned() })
    }

    /// Stamps of a boot with a given name: for tests of resumption after a reboot.
    pub fn of_boot(boot: &str) -> Self {
        Self { boot: boot.to_owned() }
    }

    /// Name of the boot.
    pub fn boot(&self) -> &str {
        &self.boot
    }

    fn entry(&self, seq: EventSeq, event: Event) -> Entry {
        Entry { seq, mono_ns: monotonic_ns(), at: jiff::Timestamp::now().to_string(), boot: self.boot.clone(), event }
    }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let nanoseconds = i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec);
    u64::try_from(nanoseconds).expect("the monotonic clock counts from boot: never negative, 584 years until it overflows")
}

/// Appends events to one journal. Whoever has it also has the lock of the run directory.
#[derive(Debug)]
pub struct Writer {
    file: File,
    path: PathBuf,
    stamps: Stamps,
    next: EventSeq,
    /// Bytes of all events that were written whole.
    intact: u64,
    broken: bool,
}

impl Writer {
    /// Begins a journal with `first`; the file must not exist.
    pub fn create(path: &Path, stamps: Stamps, first: Event) -> Result<Self, ScenarioError> {
        let file = OpenOptions::new().append(true).create_new(true).open(path).map_err(ScenarioError::io("make journal", path))?;
        let mut writer = Self { file, path: path.to_owned(), stamps, next: 0, intact: 0, broken: false };
        writer.append(first)?;
        Ok(writer)
    }

    /// Goes on with a journal: cuts off a torn tail and hands back the events that can be believed.
    pub fn reopen(path: &Path, stamps: Stamps) -> Result<(Self, Journal), ScenarioError> {
        let bytes = std::fs::read(path).map_err(ScenarioError::io("read journal", path))?;
        let journal = Journal::read(&bytes).map_err(ScenarioError::journal("read journal", path))?;
        let file = OpenOptions::new().append(true).open(path).map_err(ScenarioError::io("open journal", path))?;
        let intact = u64::try_from(journal.intact).expect("a file that was read into memory");
        if journal.intact < bytes.len() {
            file.set_len(intact).and_then(|()| file.sync_data()).map_err(ScenarioError::io("cut the torn tail off journal", path))?;
        }
        Ok((Self { file, path: path.to_owned(), stamps, next: journal.next_seq(), intact, broken: false }, journal))
    }

    /// Appends one event; on the disk when it marks a boundary or goes before something dangerous. A write that does not succeed whole (full disk)
    /// leaves the journal as it was before.
    pub fn append(&mut self, event: Event) -> Result<EventSeq, ScenarioError> {
        if self.broken {
            return Err(ScenarioError::io("append to journal", &self.path)(io::Error::other("an earlier write failed and could not be taken back")));
        }
        let boundary = is_boundary(&event);
        let entry = self.stamps.entry(self.next, event);
        let line = entry.encode().map_err(ScenarioError::journal("append to journal", &self.path))?;
        // One `write`; only where the disk is full there is a second one, which says why.
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Part of the line may be there; further lines after it would make it damage in the middle.
            self.broken = self.file.set_len(self.intact).is_err();
            return Err(ScenarioError::io("append to journal", &self.path)(error));
        }
        if boundary && let Err(error) = self.file.sync_data() {
            // After a failed sync nobody knows what is on the disk.
            self.broken = true;
            return Err(ScenarioError::io("sync journal", &self.path)(error));
        }
        self.intact += u64::try_from(line.len()).expect("a line in memory");
        self.next += 1;
        Ok(entry.seq)
    }

    /// Says that the file has another path now.
    pub(crate) fn moved(&mut self, path: &Path) {
        path.clone_into(&mut self.path);
    }

    /// The file that it writes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All events so far, read back from the file: the run is a fold over what is there, not over what was meant.
    pub fn read_back(&self) -> Result<Journal, ScenarioError> {
        let bytes = std::fs::read(&self.path).map_err(ScenarioError::io("read journal", &self.path))?;
        Journal::read(bytes).map_err(ScenarioError::journal("read journal", &self.path))
    }
}

fn is_boundary(event: &Event) -> bool {
    match event {
        Event::RunStarted { .. }
        | Event::Resumed { .. }
        | Event::StepStarted { .. }
        | Event::StepEnded { .. }
        | Event::FaultArmed { .. }
        | Event::FaultInjected { .. }
        | Event::FaultHealed { .. }
        | Event::RunEnded { .. } => true,
        Event::Inventory { .. }
        | Event::CountersBefore { .. }
        | Event::CountersAfter { .. }
        | Event::Metric { .. }
        | Event::Verification { .. }
        | Event::Latency { .. }
        | Event::Series { .. }
        | Event::Outage { .. }
        | Event::Stall { .. }
        | Event::Condition { .. }
        | Event::Note { .. }
        | Event::Findings { .. } => false,
    }
}

/// The journal of a run directory that nobody needs to hold: for reading only.
pub fn read(path: &Path) -> Result<Journal, ScenarioError> {
    let bytes = std::fs::read(path).map_err(ScenarioError::io("read journal", path))?;
    Journal::read(bytes).map_err(|source: JournalError| ScenarioError::journal("read journal", path)(source))
}

#[cfg(test)]
mod tests {
    use assay_model::run::{Ended, Environment, RUN_SCHEMA};

    use super::*;

    fn started() -> Event {
        Event::RunStarted {
            run: "r".into(),
            schema: RUN_SCHEMA,
            scenario: "s".into(),
            plan: "p".into(),
            steps: vec!["a".into()],
            hosts: vec!["h".into()],
            nodes: Vec::new(),
            environment: Environment::default(),
        }
    }

    fn begun() -> (tempfile::TempDir, PathBuf, Writer) {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("journal.jsonl");
        let writer = Writer::create(&path, Stamps::of_boot("b"), started()).expect("a journal");
        (folder, path, writer)
    }

    #[test]
    fn a_journal_that_exists_is_not_begun_anew() {
        let (_folder, path, _writer) = begun();
        let before = std::fs::read(&path).expect("there");
        let error = Writer::create(&path, Stamps::of_boot("b"), started()).expect_err("exists");
        assert!(error.to_string().starts_with("cannot make journal "), "{error}");
        assert_eq!(std::fs::read(&path).expect("there"), before);
    }

    #[test]
    fn a_torn_tail_is_cut_off_and_the_numbers_go_on() {
        let (_folder, path, mut writer) = begun();
        writer.append(Event::StepStarted { step: "a".into(), hosts: Vec::new() }).expect("appended");
        let mut file = OpenOptions::new().append(true).open(&path).expect("opens");
        file.write_all(b"01234567 {\"seq\":2,\"mono").expect("torn");
        let (mut again, journal) = Writer::reopen(&path, Stamps::of_boot("c")).expect("reopens");
        assert_eq!((journal.entries.len(), journal.next_seq()), (2, 2));
        assert_eq!(again.append(Event::Resumed { plan: "p".into() }).expect("appended"), 2);
        let entries = again.read_back().expect("reads").entries;
        assert_eq!(entries.iter().map(|entry| (entry.seq, entry.boot.as_str())).collect::<Vec<_>>(), [(0, "b"), (1, "b"), (2, "c")]);
        assert!(entries.windows(2).all(|pair| pair[0].mono_ns <= pair[1].mono_ns && pair[0].at <= pair[1].at));
    }

    #[test]
    fn damage_is_told_with_its_line_and_left_as_it_is() {
        let (_folder, path, mut writer) = begun();
        writer.append(Event::RunEnded { ended: Ended::Cancelled }).expect("appended");
        let mut bytes = std::fs::read(&path).expect("there");
        bytes[30] ^= 1;
        std::fs::write(&path, &bytes).expect("damaged");
        let error = crate::error::chain(&Writer::reopen(&path, Stamps::of_boot("b")).expect_err("damaged"));
        assert!(error.contains("journal line 1") && error.contains("journal.jsonl"), "{error}");
        assert_eq!(std::fs::read(&path).expect("there"), bytes);
    }

    #[test]
    fn an_event_that_no_json_carries_is_refused_and_the_journal_goes_on() {
        let (_folder, _path, mut writer) = begun();
        let series = assay_model::run::Series {
            name: "n".into(),
            unit: assay_model::unit::Unit::Count,
            over: assay_model::unit::Unit::Seconds,
            points: vec![(0.0, f64::NAN)],
        };
        assert!(writer.append(Event::Series { step: "a".into(), series }).is_err());
        assert_eq!(writer.append(Event::RunEnded { ended: Ended::Cancelled }).expect("appended"), 1);
        assert_eq!(writer.read_back().expect("reads").entries.len(), 2);
    }
}
