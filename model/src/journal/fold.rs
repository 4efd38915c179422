//! Events to [`Run`]. Knows what may follow what; a journal that tells an impossible story is an error, never a run.

use std::collections::BTreeMap;

use crate::check::EventSeq;
use crate::component::Reading;
use crate::run::{Condition, CounterDelta, CounterSample, Ended, RUN_SCHEMA, Recorded, Run, Step, Verification};

use super::{Entry, Event, JournalError, unhealed};

pub(super) fn run(entries: &[Entry]) -> Result<Run, JournalError> {
    let (first, rest) = entries.split_first().ok_or(JournalError::Empty)?;
    let mut fold = Fold::begin(first)?;
    for entry in rest {
        fold.take(entry).map_err(|why| JournalError::Disorder { seq: entry.seq, why })?;
        fold.run.ended_at.clone_from(&entry.at);
        if !fold.run.boot_ids.contains(&entry.boot) {
            fold.run.boot_ids.push(entry.boot.clone());
        }
    }
    Ok(fold.finish(entries))
}

struct Fold {
    run: Run,
    plan: String,
    planned: Vec<String>,
    open: Option<Open>,
    /// The error counters with which an abandoned attempt began, and its boot: errors of that attempt are errors of the step.
    earlier: Option<(String, Counters)>,
    ended: Option<Ended>,
    armed: Vec<String>,
}

/// The step that runs. It is always the one at `index` of the run's steps.
struct Open {
    index: usize,
    before: Option<Counters>,
    read_after: bool,
    verified: bool,
}

#[derive(Clone)]
struct Counters {
    boot: String,
    samples: Vec<CounterSample>,
}

impl Fold {
    fn begin(entry: &Entry) -> Result<Self, JournalError> {
        let disorder = |why: String| JournalError::Disorder { seq: entry.seq, why };
        let Event::RunStarted { run, schema, scenario, plan, steps, hosts, nodes, environment } = &entry.event else {
            return Err(disorder("the first event must be run_started".to_owned()));
        };
        if *schema != RUN_SCHEMA {
            return Err(disorder(format!("schema {schema} is not known to this version, which knows {RUN_SCHEMA}")));
        }
        if steps.is_empty() {
            return Err(disorder("a run of no steps".to_owned()));
        }
        if steps.iter().enumerate().any(|(at, step)| steps[..at].contains(step)) {
            return Err(disorder("two planned steps have the same name".to_owned()));
        }
        let run = Run {
            id: run.clone(),
            schema: *schema,
            hosts: hosts.clone(),
            nodes: nodes.clone(),
            boot_ids: vec![entry.boot.clone()],
            scenario: scenario.clone(),
            environment: environment.clone(),
            inventory: None,
            steps: Vec::new(),
            ended: Ended::Interrupted,
            started_at: entry.at.clone(),
            ended_at: entry.at.clone(),
        };
        Ok(Self { run, plan: plan.clone(), planned: steps.clone(), open: None, earlier: None, ended: None, armed: Vec::new() })
    }

    fn take(&mut self, entry: &Entry) -> Result<(), String> {
        let seq = entry.seq;
        if let Event::Resumed { plan } = &entry.event {
            return self.resume(plan, entry);
        }
        // What a run has left broken is healed later, also when it has ended.
        if self.ended.is_some() && !matches!(entry.event, Event::FaultHealed { .. }) {
            return Err("the run has ended before it".to_owned());
        }
        match &entry.event {
            Event::RunStarted { .. } => return Err("run_started for the second time".to_owned()),
            Event::Resumed { .. } => {}
            Event::Inventory { inventory } => {
                if self.run.inventory.is_some() {
                    return Err("a second inventory".to_owned());
                }
                self.run.inventory = Some(Recorded { event: seq, fact: (**inventory).clone() });
            }
            Event::StepStarted { step, hosts } => self.start(step, hosts)?,
            Event::CountersBefore { step, counters } => {
                let read = Counters { boot: entry.boot.clone(), samples: counters.clone() };
                let earlier = self.earlier.take().filter(|(name, earlier)| name == step && earlier.boot == read.boot).map(|(_, earlier)| earlier);
                let (_, open) = self.within(step)?;
                if open.before.is_some() {
                    return Err("counters_before for the second time".to_owned());
                }
                open.before = Some(earlier.unwrap_or(read));
            }
            Event::CountersAfter { step, counters } => {
                let (fact, open) = self.within(step)?;
                let before = open.before.as_ref().ok_or("counters_after without counters_before")?;
                if std::mem::replace(&mut open.read_after, true) {
                    return Err("counters_after for the second time".to_owned());
                }
                fact.counters = deltas(&before.samples, counters, seq);
            }
            Event::Metric { step, metric } => self.within(step)?.0.metrics.push(Recorded { event: seq, fact: metric.clone() }),
            Event::Verification { step, verification } => {
                let (fact, open) = self.within(step)?;
                if std::mem::replace(&mut open.verified, true) {
                    return Err("a second verification of the step".to_owned());
                }
                let mut verification = verification.clone();
                if let Some(earlier) = &fact.verification {
                    add(&mut verification.failed, &earlier.fact.failed);
                    add(&mut verification.corrupt, &earlier.fact.corrupt);
                }
                fact.verification = Some(Recorded { event: seq, fact: verification });
            }
            Event::Latency { step, curve } => self.within(step)?.0.latencies.push(curve.clone()),
            Event::Series { step, series } => self.within(step)?.0.series.push(series.clone()),
            Event::Outage { step, outage } => self.within(step)?.0.outages.push(outage.clone()),
            Event::Stall { step, stall } => self.within(step)?.0.stalls.push((**stall).clone()),
            Event::Condition { step, condition } => self.within(step)?.0.conditions.push(condition.clone()),
            Event::Note { step, name, text } => {
                self.within(step)?.0.notes.insert(name.clone(), text.clone());
            }
            Event::Findings { step, findings } => {
                let (fact, _) = self.within(step)?;
                if fact.findings.is_some() {
                    return Err("findings of the step for the second time".to_owned());
                }
                fact.findings = Some(Recorded { event: seq, fact: findings.clone() });
            }
            Event::StepEnded { step, ended } => self.end_step(step, ended, seq)?,
            Event::FaultArmed { id, step, .. } => {
                self.within(step)?;
                if self.armed.contains(id) {
                    return Err(format!("fault {id} is armed for the second time"));
                }
                self.armed.push(id.clone());
            }
            Event::FaultInjected { id } | Event::FaultHealed { id } => {
                if !self.armed.contains(id) {
                    return Err(format!("fault {id} was never armed"));
                }
            }
            Event::RunEnded { ended } => {
                if *ended == Ended::Completed && self.open.is_some() {
                    return Err("the run cannot be completed inside a step".to_owned());
                }
                self.ended = Some(ended.clone());
            }
        }
        Ok(())
    }

    /// The step that `name` says is open.
    fn within(&mut self, name: &str) -> Result<(&mut Step, &mut Open), String> {
        let open = self.open.as_mut().ok_or_else(|| format!("step {name} is not running"))?;
        let step = &mut self.run.steps[open.index];
        if step.name != name {
            return Err(format!("step {name} is not running, {} is", step.name));
        }
        Ok((step, open))
    }

    fn start(&mut self, name: &str, hosts: &[String]) -> Result<(), String> {
        if let Some(open) = &self.open {
            return Err(format!("step {name} begins inside step {}", self.run.steps[open.index].name));
        }
        if !self.planned.iter().any(|planned| planned == name) {
            return Err(format!("step {name} is not in the plan"));
        }
        let index = match self.run.steps.iter().position(|step| step.name == name) {
            Some(index) => match self.run.steps[index].ended {
                Ended::Interrupted => index,
                Ended::Completed | Ended::Cancelled | Ended::Failed(_) => return Err(format!("step {name} has ended before")),
            },
            None => {
                self.run.steps.push(empty_step(name));
                self.run.steps.len() - 1
            }
        };
        self.run.steps[index].hosts = hosts.to_vec();
        self.open = Some(Open { index, before: None, read_after: false, verified: false });
        Ok(())
    }

    fn end_step(&mut self, name: &str, ended: &Ended, seq: EventSeq) -> Result<(), String> {
        let (step, open) = self.within(name)?;
        if let (Some(before), false) = (&open.before, open.read_after) {
            step.counters = deltas(&before.samples, &[], seq);
        }
        // A step whose error counters were not read on both sides has not shown that its figures are sound.
        step.ended = match ended {
            Ended::Completed if !open.read_after => Ended::Failed("the error counters were not read after the step".to_owned()),
            Ended::Completed | Ended::Interrupted | Ended::Cancelled | Ended::Failed(_) => ended.clone(),
        };
        let before = self.open.take().and_then(|open| open.before);
        if *ended == Ended::Cancelled
            && let Some(before) = before
        {
            self.earlier = Some((name.to_owned(), before));
        }
        Ok(())
    }

    /// Completed and failed steps stay as they are. Of one that was cut short nothing stays but the errors that it saw.
    fn resume(&mut self, plan: &str, entry: &Entry) -> Result<(), String> {
        if plan != self.plan {
            return Err(format!("resumed with plan {plan}, begun with plan {}", self.plan));
        }
        match &self.ended {
            None | Some(Ended::Interrupted | Ended::Cancelled) => {}
            Some(Ended::Completed | Ended::Failed(_)) => return Err("a run that is over cannot be resumed".to_owned()),
        }
        self.ended = None;
        if let Some(Open { index, before: Some(before), .. }) = self.open.take() {
            self.earlier = Some((self.run.steps[index].name.clone(), before));
        }
        for step in &mut self.run.steps {
            match step.ended {
                Ended::Interrupted | Ended::Cancelled => *step = without_figures(step, entry.seq),
                Ended::Completed | Ended::Failed(_) => {}
            }
        }
        Ok(())
    }

    fn finish(self, entries: &[Entry]) -> Run {
        let Self { mut run, planned, ended, .. } = self;
        let missing = planned.iter().find(|name| !run.steps.iter().any(|step| step.name == **name && step.ended == Ended::Completed));
        run.ended = match (ended, missing, unhealed(entries).first()) {
            (None, _, _) => Ended::Interrupted,
            (Some(Ended::Completed), Some(step), _) => Ended::Failed(format!("the run says that it completed, but step {step} did not")),
            (Some(Ended::Completed), None, Some(fault)) => {
                Ended::Failed(format!("the run says that it completed, but fault {} is not healed", fault.id))
            }
            (Some(ended), _, _) => ended,
        };
        run
    }
}

fn empty_step(name: &str) -> Step {
    Step {
        name: name.to_owned(),
        hosts: Vec::new(),
        ended: Ended::Interrupted,
        metrics: Vec::new(),
        counters: Vec::new(),
        conditions: Vec::new(),
        verification: None,
        latencies: Vec::new(),
        series: Vec::new(),
        outages: Vec::new(),
        stalls: Vec::new(),
        notes: BTreeMap::new(),
        findings: None,
    }
}

/// What stays of an attempt that is begun anew: a second try must not wash away the errors of the first.
fn without_figures(step: &Step, resumed: EventSeq) -> Step {
    let mut kept = empty_step(&step.name);
    kept.hosts.clone_from(&step.hosts);
    let error = |what: String| Condition::DeviceErrors(format!("{what} (in an attempt before event {resumed} resumed the run)"));
    for condition in &step.conditions {
        match condition {
            Condition::DeviceErrors(_) => kept.conditions.push(condition.clone()),
            Condition::Throttled(_)
            | Condition::HostSaturated(_)
            | Condition::AtHarnessFloor(_)
            | Condition::ClockStepped(_)
            | Condition::NeighbourBusy(_)
            | Condition::NotSteady(_)
            | Condition::Cached(_)
            | Condition::Impossible(_) => {}
        }
    }
    // Wrong content stays wrong content, and is judged as such; only what was right is measured again.
    if let Some(Recorded { event, fact }) = &step.verification
        && !(fact.failed.is_empty() && fact.corrupt.is_empty())
    {
        let errors = Verification { operations: 0, verified: 0, failed: fact.failed.clone(), corrupt: fact.corrupt.clone() };
        kept.verification = Some(Recorded { event: *event, fact: errors });
    }
    for delta in step.counters.iter().filter(|delta| delta.before != delta.after && delta.before.value().is_some() && delta.after.value().is_some()) {
        kept.conditions.push(error(format!("{} {} went from {} to {}", delta.component, delta.counter, delta.before, delta.after)));
    }
    kept
}

fn add(sum: &mut BTreeMap<String, u64>, more: &BTreeMap<String, u64>) {
    for (what, count) in more {
        *sum.entry(what.clone()).or_default() += count;
    }
}

/// Pairs the counters of both sides. One that is there on one side only was lost with its component: that is unreadable, not "none".
fn deltas(before: &[CounterSample], after: &[CounterSample], event: EventSeq) -> Vec<CounterDelta> {
    let same = |a: &CounterSample, b: &CounterSample| a.component == b.component && a.counter == b.counter && a.source == b.source;
    let lost = |when: &str| Reading::Unreadable(format!("the counter was not there {when} the step"));
    let delta = |sample: &CounterSample, before: Reading, after: Reading| CounterDelta {
        component: sample.component.clone(),
        counter: sample.counter,
        source: sample.source.clone(),
        before,
        after,
        event,
    };
    let paired = before.iter().map(|old| {
        let new = after.iter().find(|new| same(old, new)).map_or_else(|| lost("after"), |new| new.reading.clone());
        delta(old, old.reading.clone(), new)
    });
    let appeared = after.iter().filter(|new| !before.iter().any(|old| same(old, new))).map(|new| delta(new, lost("before"), new.reading.clone()));
    paired.chain(appeared).collect()
}
