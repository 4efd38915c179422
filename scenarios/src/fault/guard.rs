//! A fault in effect, and everything that makes sure that it ends: the record on the disk before it, the watchdog beside it, and the healing after it.

use std::ffi::OsString;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::error::FaultError;
use super::record::{FREE_WITHIN, Folder, LEAVES_WITHIN, Record};
use super::watchdog::Watchdog;
use super::{Armed, heal, inject};
use crate::error::chain;

/// Between two signs of life to the watchdog.
const SIGN: Duration = Duration::from_millis(250);

/// Between two tries to heal what takes somebody else who is away just now.
const AGAIN: Duration = Duration::from_secs(10);

/// Who healed a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealedBy {
    /// The agent, because it was told to.
    Request,
    /// The agent, because its time was over.
    Deadline,
    /// The watchdog, because its time was over or the agent did not move.
    Watchdog,
    /// Somebody else, who removed the record.
    Other,
}

/// A fault in effect. Dropped, it is healed.
#[derive(Debug)]
pub(crate) struct Guard {
    record: Record,
    watchdog: Option<Watchdog>,
}

/// Who has healed a fault without being told by the agent.
pub(crate) enum Watched {
    /// It is in effect, as far as anybody knows.
    InEffect,
    /// It is not any more.
    Healed(HealedBy),
}

impl Guard {
    /// Starts the watchdog and writes the record. When any of it fails, all of it is undone. Nothing is broken yet.
    pub(crate) fn stand(folder: &Path, watchdog: &[OsString], armed: &Armed) -> Result<Self, FaultError> {
        let folder = Folder::open(folder)?;
        folder.none_armed(&armed.fault, FREE_WITHIN)?;
        let lock = folder.lock();
        if lock.is_none() {
            return Err(FaultError::Unguarded {
                id: armed.id.clone(),
                why: "another process works in the folder of records and does not come to an end".to_owned(),
            });
        }
        folder.none_armed(&armed.fault, Duration::ZERO)?;
        // The watchdog first: from the moment at which the record is there, somebody is who removes it.
        let mut watchdog = Watchdog::start(watchdog, &folder.path_of(&armed.id), &armed.id)?;
        let record = folder.write(armed)?;
        if let Err(error) = watchdog.guards(&armed.id) {
            record.remove()?;
            return Err(error);
        }
        Ok(Self { record, watchdog: Some(watchdog) })
    }

    /// Injects. Whatever it has done before it failed is undone with the guard.
    pub(crate) fn inject(&mut self) -> Result<(), FaultError> {
        let armed = &self.record.armed;
        match &mut self.watchdog {
            Some(watchdog) => watched_by(watchdog, || inject(armed)),
            None => inject(armed),
        }
    }

    /// Says to the watchdog that this agent lives, and hears whether the fault still is in effect. An error when nobody watches any more.
    pub(crate) fn tick(&mut self) -> Result<Watched, FaultError> {
        let Some(watchdog) = &mut self.watchdog else { return Ok(Watched::Healed(HealedBy::Other)) };
        if watchdog.has_healed() {
            return Ok(Watched::Healed(HealedBy::Watchdog));
        }
        if !self.record.is_there() {
            return Ok(Watched::Healed(HealedBy::Other));
        }
        watchdog.feed().map_err(|error| FaultError::Unguarded { id: self.record.armed.id.clone(), why: format!("its watchdog is gone: {error}") })?;
        Ok(Watched::InEffect)
    }

    /// Heals, and leaves nothing behind.
    pub(crate) fn heal(mut self) -> Result<(), FaultError> {
        self.end()
    }

    fn end(&mut self) -> Result<(), FaultError> {
        let Some(mut watchdog) = self.watchdog.take() else { return Ok(()) };
        // After an injection that was held up, the watchdog may have healed before it: healed once more, whoever did it.
        let armed = &self.record.armed;
        let healed = watched_by(&mut watchdog, || heal(armed)).and_then(|()| self.record.remove());
        // Its own tries, when this one failed; it goes on with them when it is not waited for any more.
        watchdog.end(self.record.is_there());
        match healed {
            Err(_) if !self.record.is_there() => Ok(()),
            healed => healed,
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The record stays when this fails, and the next start heals.
        let _ = self.end();
    }
}

/// Does it while the watchdog hears that this agent lives: a daemon that is started takes longer than an agent may be silent.
fn watched_by<T: Send>(watchdog: &mut Watchdog, work: impl FnOnce() -> T + Send) -> T {
    std::thread::scope(|scope| {
        let (done, is_done) = mpsc::channel();
        // In the namespaces of this thread: a new one inherits them.
        let worker = scope.spawn(move || {
            let result = work();
            // Nobody waits any more when this one has given up, which it does not.
            let _ = done.send(());
            result
        });
        while let Err(mpsc::RecvTimeoutError::Timeout) = is_done.recv_timeout(SIGN) {
            // A watchdog that is gone is noticed by the next tick.
            let _ = watchdog.feed();
        }
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Heals what earlier agents have left in `folder`; the ids. What somebody guards is left alone.
pub fn heal_leftovers(folder: &Path) -> Result<Vec<String>, FaultError> {
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let folder = Folder::open(folder)?;
    let mut healed = Vec::new();
    for path in folder.paths()? {
        // Without the lock: a watchdog that is about to heal it needs it.
        let Some(record) = Record::open(&path)? else { continue };
        if !record.is_left_within(LEAVES_WITHIN) {
            continue;
        }
        let _lock = folder.lock();
        if record.is_there() {
            heal(&record.armed)?;
            record.remove()?;
            healed.push(record.armed.id);
        }
    }
    Ok(healed)
}

/// Heals a fault from what its journal says of it, and removes the record that it may have here.
pub fn heal_armed(folder: &Path, armed: &Armed) -> Result<(), FaultError> {
    heal(armed)?;
    if !folder.exists() || !super::is_id(&armed.id) {
        return Ok(());
    }
    let folder_of_records = Folder::open(folder)?;
    let _lock = folder_of_records.lock();
    if let Some(record) = Record::open(&folder.join(format!("{}.json", armed.id)))?
        && record.armed == *armed
    {
        record.remove()?;
    }
    Ok(())
}

/// Heals from a record again and again until it works or it is given up; why it was.
pub(super) fn heal_patiently(record: &Record) -> Result<(), String> {
    let mut last = String::new();
    let first = [0, 20, 50, 100, 200, 500, 1000, 1000, 2000, 3000].map(Duration::from_millis);
    let more = super::fault(&record.armed.fault).map_or(0, |fault| fault.patience().as_secs() / AGAIN.as_secs());
    let later = std::iter::repeat_n(AGAIN, usize::try_from(more).unwrap_or(0));
    for pause in first.into_iter().chain(later) {
        #[allow(clippy::disallowed_methods, reason = "nothing tells when the kernel would take it")]
        std::thread::sleep(pause);
        match heal(&record.armed) {
            Ok(()) => return Ok(()),
            Err(error) => last = chain(&error),
        }
    }
    Err(last)
}
