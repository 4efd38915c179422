//! The probes' only door to the node: files, folders, links and named kernel calls, answered by the running kernel, by a snapshot of one,
//! or by the running kernel while every answer is written down. What the answers mean is for the probes to say.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use self::answer::{Answer, Ask};
use self::live::Live;
use self::redact::Redactor;
pub(crate) use self::redact::without_secrets;
pub(crate) use self::snapshot::{Snapshot, patch};
use crate::sys::ClockState;

pub(crate) mod answer;
pub(crate) mod ceph;
mod command;
mod devlink;
mod error;
mod ethtool;
mod excerpt;
mod live;
mod lldp;
mod netlink;
pub(crate) mod nvme;
mod reading;
mod redact;
mod redfish;
mod snapshot;

pub(crate) use self::command::CommandOutput;
pub use self::error::{Act, HostError};
pub(crate) use self::ethtool::EthtoolTopic;
pub(crate) use self::live::Refusal;
pub(crate) use self::netlink::{ADDRESSES, LINKS, VFS, VLANS};
pub(crate) use self::reading::{malformed, reading_from, reading_of, unanswered, whole};
pub use self::redfish::{Bmc, BmcError, Credentials, CredentialsError, Endpoint, EndpointError, Patience, RedfishClient, Trust, TrustError};
pub(crate) use self::redfish::{SERVICE_ROOT, is_not_configured};

/// Largest text file: `/proc/cpuinfo` of 768 threads is 1.4 MB.
const TEXT_MAX: usize = 4 << 20;
/// Largest binary file: a DMI table with room to spare.
const BYTES_MAX: usize = 16 << 20;
/// Largest table of which single lines are taken: `/proc/interrupts` has a line per queue and a column per thread.
const TABLE_MAX: usize = 64 << 20;

pub(crate) const HOSTNAME: &str = "/proc/sys/kernel/hostname";
const MACHINE_ID: &str = "/etc/machine-id";
/// The name under which the call is recorded.
pub(crate) const ADJTIMEX: &str = "syscall:adjtimex";
pub(crate) const WALL_CLOCK: &str = "syscall:clock_gettime";

/// A node that can be asked. Clones share source and recording.
#[derive(Debug, Clone)]
pub struct Host {
    source: Arc<Source>,
    bmc: Option<redfish::Controller>,
    ceph: Arc<ceph::Cluster>,
    in_flight: Arc<Mutex<Option<(Act, String)>>>,
    listening: Duration,
}

#[derive(Debug)]
enum Source {
    Live(Live),
    Snapshot(Snapshot),
    Recording { live: Live, answers: Mutex<BTreeMap<(String, Ask), Answer>> },
}

/// How a recording is written.
#[derive(Debug, Clone)]
pub struct RecordingOptions {
    /// Whether serials, addresses, host names and other identities become pseudonyms.
    pub redact: bool,
    /// Name and version of the program that records.
    pub tool: String,
    /// The time that the header gives.
    pub now: Timestamp,
}

impl Host {
    /// The running kernel, below `root`; `/` for the machine itself.
    pub fn live(root: &Path) -> Self {
        Self::of(Source::Live(Live::new(root)))
    }

    /// A node as written down in a snapshot; see `docs/snapshot-format.md`. A damaged text is refused with its line.
    pub fn from_snapshot(text: &str) -> Result<Self, HostError> {
        Ok(Self::of(Source::Snapshot(Snapshot::parse(text)?)))
    }

    /// When a snapshot was taken; none for a live host and for a fixture without that line.
    pub fn taken_at(&self) -> Option<Timestamp> {
        match &*self.source {
            Source::Snapshot(snapshot) => snapshot.header.time.parse().ok(),
            Source::Live(_) | Source::Recording { .. } => None,
        }
    }

    /// Whether it is a snapshot in which pseudonyms stand for what names one node or one part.
    pub fn is_redacted(&self) -> bool {
        match &*self.source {
            Source::Snapshot(snapshot) => snapshot.header.redacted,
            Source::Live(_) | Source::Recording { .. } => false,
        }
    }

    /// The running kernel, with every answer written down for [`Host::recorded`]. Each question is asked once.
    pub fn recording(root: &Path) -> Self {
        Self::of(Source::Recording { live: Live::new(root), answers: Mutex::default() })
    }

    /// A node as written down already.
    pub(crate) fn of_snapshot(snapshot: Snapshot) -> Self {
        Self::of(Source::Snapshot(snapshot))
    }

    fn of(source: Source) -> Self {
        Self { source: Arc::new(source), bmc: None, ceph: Arc::default(), in_flight: Arc::default(), listening: Duration::ZERO }
    }

    /// The snapshot text of all answers so far. Identities are replaced before anything is written. A host that does not record has none.
    pub fn recorded(&self, options: &RecordingOptions) -> Result<String, HostError> {
        let Source::Recording { live, answers } = &*self.source else {
            return Err(HostError::SourceMissing("recording: the host was not opened with Host::recording".into()));
        };
        let answers = locked(answers).clone();
        let hostname = live.content(HOSTNAME, TEXT_MAX).map_or_else(|_| "unknown".into(), |name| String::from_utf8_lossy(&name).trim().to_owned());
        let snapshot = Snapshot::new(options, &hostname, answers);
        if !options.redact {
            return Ok(snapshot.to_string());
        }
        let machine = live.content(MACHINE_ID, TEXT_MAX).unwrap_or_default();
        Ok(Redactor::keyed_by(&machine)?.redact(snapshot).to_string())
    }

    /// A door of its own for one probe, so that what it hangs on can be told.
    pub(crate) fn for_probe(&self) -> Self {
        let bmc = self.bmc.as_ref().map(redfish::Controller::afresh);
        Self { source: Arc::clone(&self.source), bmc, ceph: Arc::default(), in_flight: Arc::default(), listening: self.listening }
    }

    /// What is being asked right now: `read /sys/...`.
    pub(crate) fn in_flight(&self) -> Option<String> {
        locked(&self.in_flight).as_ref().map(|(act, path)| format!("{act} {path}"))
    }

    /// The text of a file without the line end that closes it. What is not UTF-8 or a control character is replaced by U+FFFD.
    pub fn read(&self, path: &str) -> Result<String, HostError> {
        let live = |live: &Live| Ok(Answer::Text(closed(&String::from_utf8_lossy(&live.content(path, TEXT_MAX)?))));
        taken(path, self.ask(Act::Read, path, Ask::Content, live)?.into_text())
    }

    /// The text of a file, or none when there is no such file.
    pub fn read_or_none(&self, path: &str) -> Result<Option<String>, HostError> {
        none_if_absent(self.read(path))
    }

    /// The content of a binary file.
    pub fn bytes(&self, path: &str) -> Result<Vec<u8>, HostError> {
        taken(path, self.ask(Act::Read, path, Ask::Bytes, |live| Ok(Answer::Bytes(live.content(path, BYTES_MAX)?)))?.into_bytes())
    }

    /// The first bytes of a binary file, at most `length`: where the rest costs a device time and nobody asks for it. It is recorded as the content of
    /// the file, so that one file is asked for one length only.
    pub fn head(&self, path: &str, length: usize) -> Result<Vec<u8>, HostError> {
        let live = |live: &Live| Ok(Answer::Bytes(live.head(path, length)?));
        taken(path, self.ask(Act::Read, path, Ask::Bytes, live)?.into_bytes())
    }

    /// The content of a binary file, or none when there is no such file.
    pub fn bytes_or_none(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        none_if_absent(self.bytes(path))
    }

    /// The lines of a large table that begin with `label` and a colon, blanks before it aside; empty when none does.
    pub fn lines(&self, path: &str, label: &str) -> Result<String, HostError> {
        let live = |live: &Live| Ok(Answer::Text(live.lines(path, label, TABLE_MAX)?));
        let lines = taken(path, self.ask(Act::Read, path, Ask::Lines(label.to_owned()), live)?.into_text())?;
        Ok(labelled(&lines, label))
    }

    /// The names in a folder, sorted.
    pub fn list(&self, path: &str) -> Result<Vec<String>, HostError> {
        taken(path, self.ask(Act::List, path, Ask::List, |live| Ok(Answer::List(live.list(path)?)))?.into_list())
    }

    /// The names in a folder, or none when there is no such folder.
    pub fn list_or_none(&self, path: &str) -> Result<Option<Vec<String>>, HostError> {
        none_if_absent(self.list(path))
    }

    /// Where a symbolic link leads, as it is written.
    pub fn link(&self, path: &str) -> Result<String, HostError> {
        taken(path, self.ask(Act::Follow, path, Ask::Link, |live| Ok(Answer::Link(live.link(path)?)))?.into_link())
    }

    /// Whether the path exists.
    pub fn exists(&self, path: &str) -> Result<bool, HostError> {
        let live = |live: &Live| Ok(if live.exists(path)? { Answer::Exists } else { Answer::Absent });
        none_if_absent(self.ask(Act::LookFor, path, Ask::Existence, live)).map(|found| found.is_some())
    }

    fn is_snapshot(&self) -> bool {
        matches!(*self.source, Source::Snapshot(_))
    }

    /// The time that the node's clock shows, in seconds since 1970. What is written down with a date has an age by it, in a snapshot too.
    pub(crate) fn wall_clock(&self) -> Result<i64, HostError> {
        let text = self.call_text(WALL_CLOCK, || Ok(format!("realtime {}", Timestamp::now().as_second())))?;
        let seconds = text.trim().strip_prefix("realtime ").and_then(|seconds| seconds.parse().ok());
        seconds.ok_or_else(|| HostError::Malformed { path: WALL_CLOCK.into(), reason: "not `realtime SECONDS`".into() })
    }

    /// What the kernel says of its clock.
    pub(crate) fn adjtimex(&self) -> Result<ClockState, HostError> {
        let live = |live: &Live| Ok(Answer::Text(answer::clock_text(live.clock()?)));
        let text = taken(ADJTIMEX, self.ask(Act::Call, ADJTIMEX, Ask::Content, live)?.into_text())?;
        answer::clock_state(&text).map_err(|reason| HostError::Malformed { path: ADJTIMEX.into(), reason })
    }

    /// The text that a named call gives, such as `ethtool:eth0/fec`; `name` begins with one of `answer::CALLS`. Below a root other than `/` nothing
    /// answers calls.
    pub(crate) fn call_text(&self, name: &str, call: impl FnOnce() -> Result<String, Refusal>) -> Result<String, HostError> {
        debug_assert!(answer::is_call(name), "{name} would not be read back from a snapshot");
        let live = |live: &Live| if live.is_this_machine() { Ok(Answer::Text(closed(&call()?))) } else { Err(Refusal::Absent) };
        taken(name, self.ask(Act::Call, name, Ask::Content, live)?.into_text())
    }

    /// The bytes that a named call gives, such as `nvme:nvme0/log/02`; like [`Host::call_text`] otherwise.
    pub(crate) fn call_bytes(&self, name: &str, call: impl FnOnce() -> Result<Vec<u8>, Refusal>) -> Result<Vec<u8>, HostError> {
        debug_assert!(answer::is_call(name), "{name} would not be read back from a snapshot");
        let live = |live: &Live| if live.is_this_machine() { Ok(Answer::Bytes(call()?)) } else { Err(Refusal::Absent) };
        taken(name, self.ask(Act::Call, name, Ask::Bytes, live)?.into_bytes())
    }

    /// Asks the source; an answer that says "no" becomes the error.
    fn ask(&self, act: Act, path: &str, ask: Ask, of: impl FnOnce(&Live) -> Result<Answer, Refusal>) -> Result<Answer, HostError> {
        let answer = match &*self.source {
            Source::Live(live) => self.watched(act, path, || answered(of(live))),
            Source::Snapshot(snapshot) => snapshot.answer(path, &ask).ok_or_else(|| HostError::NotRecorded { act, path: path.to_owned() })?,
            Source::Recording { live, answers } => {
                // Asked once: who repeats a question gets the answer that the snapshot will give.
                let key = (path.to_owned(), ask);
                let written = locked(answers).get(&key).cloned();
                // The lock is not held while the kernel is asked: a question that hangs must not stop the others.
                let answer = written.unwrap_or_else(|| self.watched(act, path, || answered(of(live))));
                locked(answers).entry(key).or_insert(answer).clone()
            }
        };
        match answer {
            Answer::Absent => Err(HostError::Absent { act, path: path.to_owned() }),
            Answer::Refused(source) => Err(HostError::Refused { act, path: path.to_owned(), source }),
            Answer::TooLarge(limit) => Err(HostError::TooLarge { path: path.to_owned(), limit }),
            Answer::Status(status) => Err(HostError::Status { act, path: path.to_owned(), status }),
            Answer::Text(_) | Answer::Bytes(_) | Answer::List(_) | Answer::Link(_) | Answer::Exists => Ok(answer),
        }
    }

    fn watched<T>(&self, act: Act, path: &str, ask: impl FnOnce() -> T) -> T {
        *locked(&self.in_flight) = Some((act, path.to_owned()));
        let answer = ask();
        *locked(&self.in_flight) = None;
        answer
    }
}

// A panic of another probe leaves what it had written, and that is as true as before.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn answered(answer: Result<Answer, Refusal>) -> Answer {
    answer.unwrap_or_else(|refusal| match refusal {
        Refusal::Absent => Answer::Absent,
        Refusal::Errno(errno) => Answer::Refused(errno),
        Refusal::TooLarge(limit) => Answer::TooLarge(limit),
        Refusal::Status(status) => Answer::Status(status),
    })
}

fn none_if_absent<T>(answer: Result<T, HostError>) -> Result<Option<T>, HostError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(error) if error.is_absent() => Ok(None),
        Err(error) => Err(error),
    }
}

/// An answer of the kind that was asked for; a snapshot made by hand may give another.
fn taken<T>(path: &str, answer: Result<T, &'static str>) -> Result<T, HostError> {
    answer.map_err(|noun| HostError::Malformed { path: path.to_owned(), reason: format!("the snapshot gives {noun} here") })
}

// Kernel texts end with one line end, some with several or with NUL; none of them carries meaning. Control characters never reach a terminal.
fn closed(text: &str) -> String {
    let is_kept = |character: char| matches!(character, '\n' | '\t') || !character.is_control();
    text.trim_end_matches(['\n', '\0']).replace(|character| !is_kept(character), "\u{fffd}")
}

/// The lines of `text` that begin with `label` and a colon, blanks before it aside.
fn labelled(text: &str, label: &str) -> String {
    let is_labelled = |line: &&str| line.trim_start().strip_prefix(label).is_some_and(|rest| rest.starts_with(':'));
    closed(&text.lines().filter(is_labelled).collect::<Vec<_>>().join("\n"))
}
