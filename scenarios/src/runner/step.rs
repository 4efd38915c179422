//! One step: counters, rounds of work, counters again, and the facts that follow from them. Whatever happens, the step's end is in the journal.

use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use assay_bench::engine::{format, sanitize};
use assay_model::journal::Event;
use assay_model::outage::{self, Outage};
use assay_model::run::{Condition, CounterSample, Ended, Step};
use tokio::sync::oneshot;
use tokio::time::{Instant, interval, sleep_until};

use crate::acks;
use crate::claim::Claim;
use crate::error::{ScenarioError, chain};
use crate::plan::{PlannedStep, PlannedWork};
use crate::scenario::FLOOR_STEP;

use super::bench::{Entry, Fact, Outcome, Targets, Trouble};
use super::facts::{self, Repeats};
use super::histograms::{self, Interval};
use super::load::{Load, Partners, Processes};
use super::watch::Watching;
use super::{LOOK, Progress, Session, TICK, rounds, thinned, together};

/// Work that takes this much longer than planned hangs in the kernel: a drive that is lost answers after minutes, or never.
const HUNG_AFTER: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 180 });
/// A hung thread that was told to stop may take this long.
const STOPS_WITHIN: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });
/// Scratch bytes per second below which a pass over the target counts as hung.
const SLOWEST_PASS: u64 = 1 << 20;

/// How one piece of work came back.
pub(super) enum Answer<T> {
    Done(T),
    Failed(String),
    /// The host or the device is not set up for it.
    NotConfigured(String),
    Cancelled,
}

/// Operations per second of the null engine, from a step that was kept.
pub(super) fn floor_of(step: &Step) -> Option<f64> {
    (step.name == FLOOR_STEP).then(|| step.metrics.first().map(|metric| metric.fact.samples.median())).flatten()
}

/// Whether a step of an earlier process stays as it is.
pub(super) fn is_kept(step: &Step) -> bool {
    match step.ended {
        Ended::Completed | Ended::Failed(_) => true,
        Ended::Cancelled | Ended::Interrupted => false,
    }
}

impl Session<'_, '_> {
    /// Does one step. An error is one of the harness (the journal cannot be written); what happens to the work is in the answer.
    pub(super) async fn step(&mut self, planned: &PlannedStep) -> Result<Ended, ScenarioError> {
        let name = &planned.name;
        self.at_step.clone_from(name);
        self.writer.append(Event::StepStarted { step: name.clone(), hosts: vec![self.surroundings.host.clone()] })?;
        let before = (self.surroundings.counters)();
        self.writer.append(Event::CountersBefore { step: name.clone(), counters: before.clone() })?;

        let mut ailing = self.ailing(planned);
        let mut repeats: Vec<Repeats<'_>> = planned.work.iter().map(Repeats::new).collect();
        let mut load = Load::beside(partners(planned));
        let watching = Watching::start(super::cpus(), LOOK);
        let processes = Processes::now(partners(planned));
        let mut ended = self.rounds(planned, &mut repeats, &mut load).await?;
        let who = Processes::now(partners(planned)).busiest_since(&processes);
        let watch = watching.so_far();
        let later: Vec<String> = self.ailing(planned).into_iter().filter(|what| !ailing.contains(what)).collect();
        ailing.extend(later);
        if let (Ended::Failed(why), false) = (&mut ended, ailing.is_empty()) {
            *why = format!("{why}; {}", ailing.join("; "));
        }

        let after = (self.surroundings.counters)();
        let mut events = Vec::new();
        let outages: Vec<Outage> = repeats.iter().flat_map(|repeats| &repeats.outcomes).flat_map(|(_, outcome)| outcome.outages.clone()).collect();
        let hosts = [self.surroundings.host.clone()];
        let explained = |old: &CounterSample| outage::explains(&outages, &hosts, &old.component, old.counter);
        let mut conditions = facts::risen(&before, &after, explained);
        if ended == Ended::Completed {
            let (settled, doubts) = rounds::settle(planned, &mut repeats, self.target_bytes());
            events.extend(settled.map(|text| Event::Note { step: name.clone(), name: "rounds".to_owned(), text }));
            conditions.extend(doubts);
            let target = self.claims.first().map_or("none", |claim| claim.kind());
            events.extend(repeats.iter().flat_map(|repeats| facts::figures(name, repeats, target)));
            events.extend(together::shares(name, &repeats));
            events.extend(together::peers(name, &repeats));
            if name == FLOOR_STEP {
                self.floor = events.iter().find_map(first_figure);
                conditions.extend(repeats.iter().filter_map(facts::starved));
            }
            conditions.extend(repeats.iter().filter_map(|repeats| facts::at_floor(repeats, self.floor)));
            conditions.extend(repeats.iter().filter_map(facts::cut_short));
            conditions.extend(repeats.iter().filter_map(|repeats| facts::on_cpu(repeats, target)));
            conditions.extend(repeats.iter().filter_map(facts::late));
            conditions.extend(repeats.iter().flat_map(|repeats| repeats.counted()).flat_map(|(_, outcome)| outcome.doubts.clone()));
            conditions.extend(load.conditions(fills_cpus(planned), &who));
            conditions.extend(watch.conditions(fills_cpus(planned)));
            // Only figures are doubtful.
            if planned.work.iter().any(|work| facts::label(work).is_some()) {
                conditions.extend(ailing.into_iter().map(Condition::NeighbourBusy));
            }
            events.extend(watch.series(name));
        }
        if ended == Ended::Cancelled && planned.work.iter().any(is_purge) {
            let text =
                "cancelled while a purge may have been under way: the drive goes on by itself, and is not to be used before it says that it is done";
            events.push(Event::Note { step: name.clone(), name: "purge".to_owned(), text: text.to_owned() });
        }
        // What went wrong is recorded however the step ended.
        let all = repeats.iter().flat_map(|repeats| repeats.outcomes.iter().map(|(_, outcome)| (repeats.work, outcome)));
        events.extend(facts::verification(all).map(|verification| Event::Verification { step: name.clone(), verification }));
        events.extend(conditions.into_iter().map(|condition: Condition| Event::Condition { step: name.clone(), condition }));
        events.extend(self.notes(planned, &repeats));
        histograms::append(&self.directory.histograms(), &intervals(name, &repeats, self.began_of(&repeats)))?;
        for event in events {
            self.writer.append(facts::only_numbers(event))?;
        }
        self.writer.append(Event::CountersAfter { step: name.clone(), counters: after })?;
        self.writer.append(Event::StepEnded { step: name.clone(), ended: ended.clone() })?;
        Ok(ended)
    }

    /// What is not well now of the targets that the step works on. A drill looks at its cluster by itself.
    fn ailing(&self, planned: &PlannedStep) -> Vec<String> {
        if planned.work.iter().any(|work| needs_target(work) && !is_drill(work)) {
            self.claims.iter().filter_map(Claim::ailing).collect()
        } else {
            Vec::new()
        }
    }

    /// All rounds of a step: every piece of work once in each, so that a slow drift of the machine meets all of them alike.
    async fn rounds(&mut self, planned: &PlannedStep, repeats: &mut [Repeats<'_>], load: &mut Load) -> Result<Ended, ScenarioError> {
        if planned.work.iter().any(needs_target) && !self.ready {
            match self.prepare(planned).await? {
                Answer::Done(()) => {}
                Answer::Failed(why) | Answer::NotConfigured(why) => return Ok(Ended::Failed(why)),
                Answer::Cancelled => return Ok(Ended::Cancelled),
            }
        }
        let began = Instant::now();
        while !rounds::are_enough(planned, repeats, self.target_bytes()) {
            for repeats in repeats.iter_mut().filter(|repeats| repeats.not_measured.is_none()) {
                if self.signals.seen {
                    return Ok(Ended::Cancelled);
                }
                let mark = load.mark();
                let at = began.elapsed().as_secs_f64();
                let answer = match repeats.work {
                    PlannedWork::Io(io) => match io.spec.knee {
                        Some(knee) => self.knee(io, knee).await,
                        None => self.work(repeats.work).await,
                    },
                    PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) | PlannedWork::Drill(_) => self.work(repeats.work).await,
                };
                // In a drill the daemons of the cluster may work on this very node: how late the client was itself is told by its own clock.
                if facts::label(repeats.work).is_some() && !is_drill(repeats.work) {
                    load.add_since(&mark);
                }
                match answer {
                    Answer::Done(mut outcome) => {
                        thinned::thin(&mut outcome.series, planned.rounds.most());
                        let failure = impossible(repeats.work, &outcome);
                        let is_starved = planned.name == FLOOR_STEP && outcome.failed.is_empty();
                        repeats.outcomes.push((at, outcome));
                        match failure {
                            // Nothing can go wrong with operations that do nothing, but that a busy machine gives them no time: what they were to tell is not known.
                            Some(_) if is_starved => repeats.not_measured = Some("no operation that does nothing was done in its time".to_owned()),
                            Some(why) => return Ok(Ended::Failed(why)),
                            None => {}
                        }
                    }
                    // A layout that cannot be is no preparation; a measurement that cannot be has no figure.
                    Answer::NotConfigured(why) if facts::label(repeats.work).is_some() => repeats.not_measured = Some(why),
                    Answer::Failed(why) | Answer::NotConfigured(why) => return Ok(Ended::Failed(why)),
                    Answer::Cancelled => return Ok(Ended::Cancelled),
                }
            }
        }
        Ok(Ended::Completed)
    }

    /// Hands the claimed target to the worker; after a resumption it is laid out again, for the file of the dead process is gone.
    async fn prepare(&mut self, planned: &PlannedStep) -> Result<Answer<()>, ScenarioError> {
        if self.claims.is_empty() {
            return Ok(Answer::Failed("there is no claimed target".to_owned()));
        }
        let unit = crate::plan::history_unit(self.plan.steps.iter().flat_map(|step| &step.work));
        // Stamps of an earlier life of the same blocks must not be taken for ours.
        let stamp_seed = u64::from_le_bytes(*uuid::Uuid::now_v7().as_bytes().last_chunk().expect("a UUID has sixteen bytes"));
        let acks = if self.plan.ack_log {
            acks::create(self.directory.path(), &self.claims, unit, stamp_seed, self.surroundings.stamps.boot())?
        } else {
            Vec::new()
        };
        let leaves = self.claims.iter().map(|claim| claim.leave()).collect::<Result<_, _>>()?;
        match self.worker.targets(Targets { leaves, unit, stamp_seed, acks, folder: self.directory.path().to_owned() }).await {
            Ok(Ok(())) => {}
            Ok(Err(Trouble::Failed(why) | Trouble::NotConfigured(why))) => return Ok(Answer::Failed(why)),
            Err(oneshot::error::RecvError { .. }) => return Ok(Answer::Failed("the measuring thread died".to_owned())),
        }
        self.ready = true;
        let earlier = self.plan.steps.iter().take_while(|step| step.name != planned.name).flat_map(|step| &step.work);
        let layouts: Vec<PlannedWork> = earlier.filter(|work| is_layout(work)).cloned().collect();
        for layout in &layouts {
            let text = "the target was laid out again after the run was resumed".to_owned();
            self.writer.append(Event::Note { step: planned.name.clone(), name: "laid_out_again".to_owned(), text })?;
            match self.work(layout).await {
                Answer::Done(outcome) => match impossible(layout, &outcome) {
                    None => {}
                    Some(why) => return Ok(Answer::Failed(why)),
                },
                Answer::Failed(why) | Answer::NotConfigured(why) => return Ok(Answer::Failed(why)),
                Answer::Cancelled => return Ok(Answer::Cancelled),
            }
        }
        Ok(Answer::Done(()))
    }

    /// One piece of work on the worker, with progress, signals and an end for what hangs.
    pub(super) async fn work(&mut self, work: &PlannedWork) -> Answer<Outcome> {
        let planned_ms = self.planned_ms(work);
        let (base, began) = (self.done_ms, Instant::now());
        let mut hung_at = began + Duration::from_millis(planned_ms) + HUNG_AFTER + slowest_pass(work, self.target_bytes());
        let mut told_to_stop = false;
        let mut ticks = interval(TICK);
        let mut answer = self.worker.work(work.clone());
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break answer,
                () = self.signals.next() => self.stop.store(true, Ordering::Relaxed),
                Some(entry) = self.entries.recv() => self.write_ahead(entry),
                _ = ticks.tick() => {
                    let passed = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX).min(planned_ms);
                    (self.observer)(&Progress::Tick { done_ms: base + passed, total_ms: self.total_ms });
                }
                () = sleep_until(hung_at) => {
                    if told_to_stop {
                        self.worker.give_up();
                        // A command that erases a drive cannot be taken back, and hangs no more than a drive does that is erased.
                        if self.signals.seen && is_purge(work) {
                            return Answer::Cancelled;
                        }
                        return Answer::Failed(format!("the work hangs in the kernel: no answer for {} s", began.elapsed().as_secs()));
                    }
                    told_to_stop = true;
                    self.stop.store(true, Ordering::Relaxed);
                    hung_at = Instant::now() + STOPS_WITHIN;
                }
            }
            if self.signals.seen && !told_to_stop {
                told_to_stop = true;
                hung_at = Instant::now() + STOPS_WITHIN;
            }
        };
        self.done_ms = base + planned_ms;
        match answer {
            Ok(_) if self.signals.seen => Answer::Cancelled,
            Ok(Ok(_)) if told_to_stop => Answer::Failed(format!("the work did not end by itself within {} s", began.elapsed().as_secs())),
            Ok(Ok(outcome)) => Answer::Done(outcome),
            Ok(Err(Trouble::Failed(why))) => Answer::Failed(why),
            Ok(Err(Trouble::NotConfigured(why))) => Answer::NotConfigured(why),
            Err(oneshot::error::RecvError { .. }) => Answer::Failed("the measuring thread died".to_owned()),
        }
    }

    /// Puts what the worker says into the journal; the worker goes on when it hears how that went.
    fn write_ahead(&mut self, Entry { fact, written }: Entry) {
        let event = match fact {
            Fact::Armed { id, fault, host, armed } => Event::FaultArmed { id, fault, host, step: self.at_step.clone(), armed },
            Fact::Injected { id } => Event::FaultInjected { id },
            Fact::Healed { id } => Event::FaultHealed { id },
        };
        // Who waited and is gone has no use for the answer.
        let _ = written.send(self.writer.append(event).map(|_| ()).map_err(|error| chain(&error)));
    }

    fn target_bytes(&self) -> u64 {
        self.claims.first().map_or(0, |claim| claim.bytes())
    }

    fn planned_ms(&self, work: &PlannedWork) -> u64 {
        crate::plan::duration_of(work, self.target_bytes())
    }

    /// What a person needs to repeat it elsewhere.
    fn notes(&self, planned: &PlannedStep, repeats: &[Repeats<'_>]) -> Vec<Event> {
        let note = |name: String, text: String| Event::Note { step: planned.name.clone(), name, text };
        let own = repeats.iter().flat_map(|repeats| &repeats.outcomes).flat_map(|(_, outcome)| &outcome.notes);
        let mut notes: Vec<Event> = own.map(|(name, text)| note(name.clone(), text.clone())).collect();
        for repeats in repeats {
            if let (Some(why), Some(label)) = (repeats.not_measured.as_ref().filter(|_| planned.name != FLOOR_STEP), repeats.label()) {
                notes.push(note(format!("not configured {label}"), why.clone()));
            }
        }
        let shown = |claim: &Claim| crate::printable::Printable::new(claim.path()).to_string();
        for work in planned.work.iter().filter(|work| needs_target(work)) {
            if let PlannedWork::Io(io) = work {
                // One command for each target; those of several at once are meant to be started together.
                let each = io.on.iter().filter_map(|number| self.claims.get(*number));
                // Of a knee: at the rate that was found.
                let spec = match (io.spec.knee, found_rate(repeats, work)) {
                    (Some(knee), Some(rate)) => super::knee::at(&io.spec, knee, rate),
                    (Some(_), None) | (None, _) => io.spec.clone(),
                };
                let commands: Vec<String> = each.map(|claim| super::engines::fio(&spec, claim)).collect();
                notes.push(note(format!("fio {}", io.label()), commands.join("\n")));
            }
        }
        if planned.work.iter().any(needs_target) {
            for (at, claim) in self.claims.iter().enumerate() {
                let name = if self.claims.len() == 1 { "target".to_owned() } else { format!("target {}", at + 1) };
                notes.push(note(name, format!("{} bytes of {}, {}", claim.bytes(), shown(claim), claim.describe())));
            }
        }
        notes
    }

    /// Wall time at which the first repeat began, as far as it can be told afterwards.
    fn began_of(&self, repeats: &[Repeats<'_>]) -> Duration {
        let last = repeats.iter().flat_map(|repeats| &repeats.outcomes).map(|(at, outcome)| at + outcome.elapsed.as_secs_f64()).fold(0.0, f64::max);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.saturating_sub(Duration::from_secs_f64(last))
    }
}

/// How long a pass may last that is not measured, beyond what was guessed for it.
fn slowest_pass(work: &PlannedWork, target_bytes: u64) -> Duration {
    let bytes = match work {
        PlannedWork::Io(io) if io.spec.purge.is_some() => {
            // One drive after the other, each as long as the command itself is waited for.
            let drives = u32::try_from(io.on.len().max(1)).expect("few drives");
            return format::PATIENCE.max(sanitize::PATIENCE) * drives;
        }
        PlannedWork::Io(io) if !io.spec.extent.is_measured() => target_bytes,
        // How long a cluster recovers is not known before, only how long it is waited for; and each block is read back.
        PlannedWork::Drill(drill) => return Duration::from_millis(drill.spec.settle_ms) + Duration::from_secs(target_bytes / SLOWEST_PASS),
        PlannedWork::Io(_) | PlannedWork::Net(_) => 0,
        PlannedWork::Ceph(ceph) => ceph.passed_bytes(),
        PlannedWork::Triad { array_bytes, .. } => 3 * array_bytes / 16,
    };
    Duration::from_secs(bytes / SLOWEST_PASS)
}

fn intervals<'a>(step: &str, repeats: &'a [Repeats<'_>], began: Duration) -> Vec<Interval<'a>> {
    let mut intervals = Vec::new();
    for repeats in repeats {
        let Some(family) = repeats.label() else { continue };
        for (at, outcome) in &repeats.outcomes {
            if let Some(latencies) = &outcome.latencies {
                intervals.push(Interval {
                    tag: format!("{step}/{family}"),
                    began: began + Duration::from_secs_f64(*at),
                    took: outcome.elapsed,
                    latencies,
                });
            }
        }
    }
    intervals.sort_by_key(|interval| interval.began);
    intervals
}

/// Why an outcome is no result at all, although nothing reported an error.
fn impossible(work: &PlannedWork, outcome: &Outcome) -> Option<String> {
    let errors = || {
        let named: Vec<String> = outcome.failed.iter().chain(&outcome.corrupt).map(|(error, count)| format!("{count} x {error}")).collect();
        if named.is_empty() {
            "no error was reported; none was answered within the measured time, or the bytes of io_size were used up before it".to_owned()
        } else {
            named.join(", ")
        }
    };
    if (outcome.operations == 0 || outcome.elapsed.is_zero()) && outcome.samples.is_empty() && outcome.figures.is_empty() {
        return Some(format!("no operation succeeded: {}", errors()));
    }
    // A layout with holes makes every later read a comparison with nothing.
    if is_layout(work) && !(outcome.failed.is_empty() && outcome.corrupt.is_empty()) {
        return Some(format!("the target could not be laid out: {}", errors()));
    }
    None
}

/// The rate of a knee, if one was found.
fn found_rate(repeats: &[Repeats<'_>], work: &PlannedWork) -> Option<u32> {
    let rate = repeats.iter().find(|one| one.work == work)?.counted().last()?.1.samples.first()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate was a u32 before it was a sample; the check keeps NaN out")]
    (*rate >= 1.0).then_some(*rate as u32)
}

fn needs_target(work: &PlannedWork) -> bool {
    match work {
        PlannedWork::Io(_) => !facts::is_null(work),
        PlannedWork::Drill(_) => true,
        PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) => false,
    }
}

fn is_drill(work: &PlannedWork) -> bool {
    matches!(work, PlannedWork::Drill(_))
}

fn is_purge(work: &PlannedWork) -> bool {
    match work {
        PlannedWork::Io(io) => io.spec.purge.is_some(),
        PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) | PlannedWork::Drill(_) => false,
    }
}

pub(super) fn is_layout(work: &PlannedWork) -> bool {
    match work {
        PlannedWork::Io(io) => io.spec.lays_out(),
        PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) | PlannedWork::Drill(_) => false,
    }
}

fn fills_cpus(planned: &PlannedStep) -> bool {
    planned.work.iter().any(|work| match work {
        PlannedWork::Io(_) | PlannedWork::Net(_) | PlannedWork::Ceph(_) => false,
        PlannedWork::Triad { .. } | PlannedWork::Drill(_) => true,
    })
}

/// Who on this node is a part of what is measured.
fn partners(planned: &PlannedStep) -> Partners {
    if planned.work.iter().any(|work| matches!(work, PlannedWork::Ceph(_))) { Partners::Cluster } else { Partners::None }
}

fn first_figure(event: &Event) -> Option<f64> {
    if let Event::Metric { metric, .. } = event { Some(metric.samples.median()) } else { None }
}

#[cfg(test)]
mod tests {
    use assay_bench::Rw;

    use super::*;
    use crate::plan::PlannedIo;
    use crate::scenario::{Extent, IoSpec, Purge};

    #[test]
    fn a_purge_is_waited_for_as_long_as_its_command_on_each_drive() {
        for (purge, drives, seconds) in [(Some(Purge::Sanitize), 1, 3600), (Some(Purge::Format), 3, 3 * 3600), (None, 3, 8)] {
            let spec = IoSpec { purge, ..IoSpec::new("uring_cmd", Rw::Trim, 4096, 1, Extent::Whole) };
            let work = PlannedWork::Io(PlannedIo { spec, on: (0..drives).collect(), of: None, serial: None, serials: Vec::new(), cpus: Vec::new() });
            assert_eq!(slowest_pass(&work, 8 << 20), Duration::from_secs(seconds));
            assert_eq!(is_purge(&work), purge.is_some());
        }
    }
}
