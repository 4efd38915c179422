//! The taking of an inventory: every probe in a thread of its own, with a deadline, so that one that hangs in the kernel is reported with
//! what it hung on and never stops the others.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use assay_model::attr::{Attr, Kind};
use assay_model::component::Component;
use assay_model::inventory::{Inventory, ProbeEnded, ProbeOutcome};
use jiff::Timestamp;

use super::{PROBES, Probe};
use crate::host::{Host, HostError};

#[cfg(test)]
mod tests;

/// How an inventory is taken.
#[derive(Debug, Clone, Copy)]
pub struct ProbeOptions {
    /// How long one probe may take.
    pub deadline: Duration,
    /// The time that the inventory is dated with.
    pub now: Timestamp,
}

/// Asks every probe at once. Never fails: a probe that could not look is an outcome of the inventory.
pub fn take_inventory(node: &Host, options: &ProbeOptions) -> Inventory {
    taken(node, options, PROBES)
}

/// The same of the probes with these names only: what else there is, nobody knows by it, also not the name of the host.
pub fn take_inventory_of(node: &Host, options: &ProbeOptions, names: &[&str]) -> Inventory {
    let asked: Vec<&'static dyn Probe> = PROBES.iter().copied().filter(|probe| names.contains(&probe.name())).collect();
    taken(node, options, &asked)
}

fn taken(node: &Host, options: &ProbeOptions, asked: &[&'static dyn Probe]) -> Inventory {
    let (components, probes) = survey(node, asked, options.deadline);
    let os = components.iter().find(|component| component.kind == Kind::Os);
    let word = |attr| os.and_then(|os| os.value(attr)).and_then(|value| value.as_str()).unwrap_or("unknown").to_owned();
    let (host, boot_id) = (word(Attr::Hostname), word(Attr::BootId));
    // A snapshot is as old as it is, whenever it is looked at.
    let taken_at = node.taken_at().unwrap_or(options.now).to_string();
    Inventory { host, boot_id, taken_at, components, probes }
}

/// Asks these probes at once: what they saw, ordered by kind and locator, and how each ended.
pub(crate) fn survey(host: &Host, probes: &[&'static dyn Probe], deadline: Duration) -> (Vec<Component>, Vec<ProbeOutcome>) {
    let begun: Vec<Begun> = probes.iter().map(|probe| Begun::begin(*probe, host)).collect();
    let mut components = Vec::new();
    let mut outcomes = Vec::new();
    for begun in begun {
        let (outcome, found) = begun.end(deadline);
        outcomes.push(outcome);
        components.extend(found);
    }
    components.sort_by_cached_key(|component| (component.kind, natural(&component.locator)));
    (components, outcomes)
}

/// The words of a panic.
fn said(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "without words".into())
}

/// What a probe's thread sends: what it found and after how long.
type Found = (Result<Vec<Component>, HostError>, Duration);

/// A probe at work.
struct Begun {
    probe: &'static dyn Probe,
    host: Host,
    at: Instant,
    found: Result<mpsc::Receiver<Found>, std::io::Error>,
}

impl Begun {
    fn begin(probe: &'static dyn Probe, host: &Host) -> Self {
        let host = host.for_probe();
        let at = Instant::now();
        let (sender, found) = mpsc::channel();
        let asked = host.clone();
        let look = move || {
            let found = catch_unwind(AssertUnwindSafe(|| probe.probe(&asked)));
            let found = found.unwrap_or_else(|panic| {
                Err(HostError::Malformed { path: probe.name().into(), reason: format!("the probe panicked: {}", said(&*panic)) })
            });
            // Nobody listens any more once the deadline has passed.
            let _ = sender.send((found, at.elapsed()));
        };
        // Not joined: a thread that the kernel holds cannot be, and it must not hold up the others.
        let thread = thread::Builder::new().name(format!("probe {}", probe.name())).spawn(look);
        Self { probe, host, at, found: thread.map(|_| found) }
    }

    fn end(self, deadline: Duration) -> (ProbeOutcome, Vec<Component>) {
        let time = deadline.saturating_mul(self.probe.slowness()).saturating_add(self.probe.patience(&self.host));
        let left = time.saturating_sub(self.at.elapsed());
        let (ended, elapsed, components) = match self.found.as_ref().map(|found| found.recv_timeout(left)) {
            Ok(Ok((Ok(components), elapsed))) => (ProbeEnded::Completed, elapsed, components),
            Ok(Ok((Err(HostError::SourceMissing(source)), elapsed))) => (ProbeEnded::SourceMissing(source), elapsed, Vec::new()),
            Ok(Ok((Err(error), elapsed))) => (ProbeEnded::Failed(error.chain()), elapsed, Vec::new()),
            Ok(Err(RecvTimeoutError::Timeout)) => {
                let on = self.host.in_flight().unwrap_or_else(|| "nothing that it reads: it was still at work".into());
                (ProbeEnded::Hung(on), self.at.elapsed(), Vec::new())
            }
            Ok(Err(RecvTimeoutError::Disconnected)) => {
                (ProbeEnded::Failed("its thread ended without an answer".into()), self.at.elapsed(), Vec::new())
            }
            Err(error) => (ProbeEnded::Failed(format!("cannot start a thread: {error}")), Duration::ZERO, Vec::new()),
        };
        let outcome = ProbeOutcome {
            probe: self.probe.name().into(),
            kinds: self.probe.kinds().to_vec(),
            ended,
            elapsed_ns: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
        };
        (outcome, components)
    }
}

/// A key under which `package 2` comes before `package 10`: the text before each run of digits, and the run as a number and as it is written.
fn natural(locator: &str) -> Vec<(String, u64, String)> {
    let mut key = Vec::new();
    let mut rest = locator;
    while !rest.is_empty() {
        let (text, after) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
        let (digits, after) = after.split_at(after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len()));
        key.push((text.to_owned(), digits.parse().unwrap_or(u64::MAX), digits.to_owned()));
        rest = after;
    }
    key
}
