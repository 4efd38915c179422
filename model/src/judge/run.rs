//! Checks from runs: whether a run did all that it planned, whether its operations were real, whether new errors came up, and its figures
//! against the limits of the gate. Whether a run is fresh enough to count stands in `judge/fresh.rs`.

use crate::attr::Attr;
use crate::ceiling::Ceiling;
use crate::check::{Absence, Check, EventSeq};
use crate::component::Reading;
use crate::gate::Requirement;
use crate::judge::figure::{Figure, ceiling_of};
use crate::limit;
use crate::run::{Condition, CounterDelta, Ended, Recorded, Run, Step, Verification, with_evidence};
use crate::verdict::{Evidence, Reason, Verdict, Witnessed};

const COMPLETED: &str = "run.completed";
const DATA_VERIFIED: &str = "storage.data_verified";
const NO_FAILED_OPERATIONS: &str = "storage.no_failed_operations";
const NO_NEW_ERRORS: &str = "run.no_new_errors";
const UNDISTURBED: &str = "run.undisturbed";
const TRIAD_VERIFIED: &str = "memory.triad_verified";

/// The checks that are judged from runs.
pub const RUN_CHECKS: &[&str] = &[COMPLETED, DATA_VERIFIED, NO_FAILED_OPERATIONS, NO_NEW_ERRORS, UNDISTURBED, TRIAD_VERIFIED];

/// What the operations of a step were made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    Storage,
    Memory,
}

/// The checks of one run, besides its limits.
pub(super) fn checks(run: &Run) -> Vec<Check> {
    let mut checks = vec![completed(run), no_new_errors(run), undisturbed(run)];
    if speaks_of(run, Medium::Storage) {
        checks.push(data_verified(run, Medium::Storage));
        checks.push(no_failed_operations(run));
    }
    if speaks_of(run, Medium::Memory) {
        checks.push(data_verified(run, Medium::Memory));
    }
    checks
}

/// The checks of a scenario that the gate names and that has no run.
pub(super) fn absent(scenario: &str) -> Vec<Check> {
    let mut ids = vec![COMPLETED, NO_NEW_ERRORS, UNDISTURBED];
    if scenario.starts_with(family(Medium::Storage)) {
        ids.extend([DATA_VERIFIED, NO_FAILED_OPERATIONS]);
    }
    if scenario.starts_with(family(Medium::Memory)) {
        ids.push(TRIAD_VERIFIED);
    }
    let reason = || Reason::NotRun(format!("there is no run of scenario {scenario}"));
    ids.into_iter().map(|id| Check::inconclusive(id, scenario, "a run of the scenario", reason(), "nothing")).collect()
}

/// The check of one figure against the limit of `requirement`.
pub(super) fn limit_check(requirement: &Requirement, limit: &limit::Limit, figure: &Figure<'_>, ceilings: &[Ceiling], absence: Absence) -> Check {
    let answer = limit::judge(limit, &figure.metric.fact, ceiling_of(figure, ceilings), &conditions(figure.step), absence);
    let mut verdict = answer.verdict;
    // A limit says how fast; an unfinished run or step says nothing about that.
    let whole = unfinished(&figure.run.ended).map(|why| format!("the run {why}"));
    if let Some(why) = whole.or_else(|| unfinished(&figure.step.ended).map(|why| format!("its step {why}"))) {
        verdict = Verdict::Inconclusive(Reason::Interrupted(why));
    }
    let source = format!("run {}, step {}", figure.run.id, figure.step.name);
    let check = Check::new(requirement.id.as_str(), figure.label.clone(), verdict, answer.expected, answer.observed, source);
    with_evidence(check, [figure.metric.event])
}

fn completed(run: &Run) -> Check {
    let steps = run.steps.len();
    let (verdict, observed) = match unfinished_run(run) {
        Some(why) => (Verdict::Inconclusive(Reason::Interrupted(why.clone())), why),
        None if steps == 0 => (Verdict::Inconclusive(Reason::NotRun("the run has no step".into())), "no step".to_owned()),
        None => (witnessed(run, format!("completed with {steps} steps")), format!("completed with {steps} steps")),
    };
    check(run, COMPLETED, verdict, "every planned step is done", observed, Vec::new())
}

/// The data of operations as a whole: a step that only writes is fine when another compares, one that reads without comparing is not.
fn data_verified(run: &Run, medium: Medium) -> Check {
    let (id, expected) = match medium {
        Medium::Storage => (DATA_VERIFIED, "every block that was read holds what was written last"),
        Medium::Memory => (TRIAD_VERIFIED, "every element holds the exact result"),
    };
    let counted = counted(run, medium);
    let operations: u64 = counted.iter().map(|(_, fact)| fact.fact.operations).sum();
    let verified: u64 = counted.iter().map(|(_, fact)| fact.fact.verified).sum();
    let corrupt = listed(&counted, |fact| fact.corrupt.iter());
    let silent = run.steps.iter().find(|step| medium_of(run, step) == Some(medium) && is_unverified(step, medium));
    let verdict = if !corrupt.is_empty() {
        Verdict::Fail(format!("wrong content: {}", corrupt.join(", ")))
    } else if let Some(why) = unfinished_run(run) {
        Verdict::Inconclusive(Reason::Interrupted(why))
    } else if counted.is_empty() || operations == 0 {
        Verdict::Inconclusive(Reason::NotRun("no operation was counted".into()))
    } else if verified == 0 {
        Verdict::Inconclusive(Reason::NotRun(format!("none of {operations} operations was compared with what must be there")))
    } else if let Some(step) = silent {
        Verdict::Inconclusive(Reason::NotRun(format!("step {} compared nothing", step.name)))
    } else {
        witnessed(run, format!("{verified} of {operations} operations compared, none wrong"))
    };
    let observed = if corrupt.is_empty() { format!("{verified} of {operations} operations compared, none wrong") } else { corrupt.join(", ") };
    check(run, id, verdict, expected, observed, events(&counted))
}

fn no_failed_operations(run: &Run) -> Check {
    let counted = counted(run, Medium::Storage);
    let operations: u64 = counted.iter().map(|(_, fact)| fact.fact.operations).sum();
    let failed = listed(&counted, |fact| fact.failed.iter());
    let silent = run.steps.iter().find(|step| medium_of(run, step) == Some(Medium::Storage) && step.verification.is_none());
    let verdict = if !failed.is_empty() {
        Verdict::Fail(format!("operations failed or came back short: {}", failed.join(", ")))
    } else if let Some(why) = unfinished_run(run) {
        Verdict::Inconclusive(Reason::Interrupted(why))
    } else if operations == 0 {
        Verdict::Inconclusive(Reason::NotRun("no operation was counted".into()))
    } else if let Some(step) = silent {
        Verdict::Inconclusive(Reason::NotRun(format!("step {} did not count its operations", step.name)))
    } else {
        witnessed(run, format!("{operations} operations, none failed"))
    };
    let observed = if failed.is_empty() { format!("{operations} operations, none failed") } else { failed.join(", ") };
    check(run, NO_FAILED_OPERATIONS, verdict, "every operation succeeds and moves all its bytes", observed, events(&counted))
}

/// What one pair of readings of a counter says.
enum Change {
    /// The host has no such counter.
    NoCounter,
    Unchanged,
    Rose(String),
    Unknown(Reason),
}

fn no_new_errors(run: &Run) -> Check {
    let (mut rose, mut unknown, mut unchanged, mut events) = (Vec::new(), None, 0_usize, Vec::new());
    for step in &run.steps {
        for delta in step.counters.iter().filter(|delta| !is_throttle(delta.counter)) {
            match change(step, delta) {
                Change::NoCounter => continue,
                Change::Unchanged => unchanged += 1,
                Change::Rose(what) => rose.push(what),
                Change::Unknown(reason) => unknown = unknown.or(Some(reason)),
            }
            events.push(delta.event);
        }
    }
    let counts = |step: &&Step| !step.counters.is_empty();
    let unwatched = run.steps.iter().find(|step| !counts(step)).filter(|_| run.steps.iter().any(|step| counts(&step)));
    let observed = match (rose.is_empty(), unchanged) {
        (false, _) => rose.join(", "),
        (true, 0) => "no error counter".to_owned(),
        (true, _) => format!("{unchanged} comparisons of a counter without a change"),
    };
    let verdict = if !rose.is_empty() {
        Verdict::Fail(format!("new errors: {}", rose.join(", ")))
    } else if let Some(why) = unfinished_run(run) {
        Verdict::Inconclusive(Reason::Interrupted(why))
    } else if let Some(reason) = unknown {
        Verdict::Inconclusive(reason)
    } else if run.steps.is_empty() {
        Verdict::Inconclusive(Reason::NotRun("the run has no step".into()))
    } else if let Some(step) = unwatched {
        Verdict::Inconclusive(Reason::NotRun(format!("no counter was read around step {}", step.name)))
    } else if unchanged == 0 {
        Verdict::NotApplicable("this host has no error counters".into())
    } else {
        witnessed(run, observed.clone())
    };
    events.sort_unstable();
    events.dedup();
    check(run, NO_NEW_ERRORS, verdict, "no error counter rises", observed, events)
}

fn change(step: &Step, delta: &CounterDelta) -> Change {
    let name = |counter: Attr| format!("{} {counter} during step {}", delta.component, step.name);
    let what = name(delta.counter);
    let number = |reading: &Reading| reading.value().and_then(crate::component::Value::as_u64);
    match (&delta.before, &delta.after) {
        (Reading::Absent, Reading::Absent) => Change::NoCounter,
        (Reading::Unreadable(why), _) | (_, Reading::Unreadable(why)) => Change::Unknown(Reason::Unreadable(format!("{what}: {why}"))),
        (Reading::Absent, Reading::Value(_)) => Change::Unknown(Reason::Invalid(format!("{what}: the counter appeared"))),
        (Reading::Value(_), Reading::Absent) => Change::Unknown(Reason::Invalid(format!("{what}: the counter vanished"))),
        (Reading::Value(_), Reading::Value(_)) => match (number(&delta.before), number(&delta.after)) {
            (Some(before), Some(after)) if after > before => Change::Rose(format!("{what}: +{} ({before} to {after})", after - before)),
            (Some(before), Some(after)) if after < before => Change::Unknown(Reason::Invalid(format!("{what}: went back from {before} to {after}"))),
            (Some(_), Some(_)) => Change::Unchanged,
            (None, _) | (_, None) => Change::Unknown(Reason::Unreadable(format!("{what}: not a whole number: {} and {}", delta.before, delta.after))),
        },
    }
}

/// What makes the figures of a step doubtful: what the runner noticed, and its throttle counters, which count no errors.
fn conditions(step: &Step) -> Vec<Condition> {
    let mut conditions = step.conditions.clone();
    if !conditions.iter().any(|condition| matches!(condition, Condition::Throttled(_))) {
        let throttles = step.counters.iter().filter(|delta| is_throttle(delta.counter));
        conditions.extend(throttles.filter_map(|delta| match change(step, delta) {
            Change::NoCounter | Change::Unchanged => None,
            Change::Rose(what) => Some(Condition::Throttled(what)),
            Change::Unknown(reason) => Some(Condition::Throttled(format!("cannot be told: {}", reason.detail()))),
        }));
    }
    conditions
}

fn is_throttle(counter: Attr) -> bool {
    matches!(counter, Attr::CoreThrottles | Attr::PackageThrottles)
}

fn undisturbed(run: &Run) -> Check {
    let conditions: Vec<Condition> = run.steps.iter().flat_map(conditions).collect();
    let verdict = match (limit::doubtful(&conditions), unfinished_run(run)) {
        (Some(reason), _) => Verdict::Inconclusive(reason),
        (None, Some(why)) => Verdict::Inconclusive(Reason::Interrupted(why)),
        (None, None) if run.steps.is_empty() => Verdict::Inconclusive(Reason::NotRun("the run has no step".into())),
        (None, None) => witnessed(run, format!("no disturbance in {} steps", run.steps.len())),
    };
    let observed = match conditions.len() {
        0 => "no disturbance".to_owned(),
        1 => "1 disturbance".to_owned(),
        n => format!("{n} disturbances"),
    };
    check(run, UNDISTURBED, verdict, "nothing else disturbed the measurement", observed, Vec::new())
}

/// What of a run is not done: the run as a whole, or a step of one that says it completed.
fn unfinished_run(run: &Run) -> Option<String> {
    let whole = unfinished(&run.ended).map(|why| format!("the run {why}"));
    let step = run.steps.iter().find_map(|step| Some(format!("step {} {}", step.name, unfinished(&step.ended)?)));
    let all: Vec<String> = [whole, step].into_iter().flatten().collect();
    (!all.is_empty()).then(|| all.join("; "))
}

/// Why something that ended did not end well.
fn unfinished(ended: &Ended) -> Option<String> {
    match ended {
        Ended::Completed => None,
        Ended::Interrupted => Some("was interrupted".to_owned()),
        Ended::Cancelled => Some("was cancelled".to_owned()),
        Ended::Failed(why) => Some(format!("failed: {why}")),
    }
}

/// What a run speaks of. One that names no medium is taken at storage's word: it passes only when it compared what it read, never by having ended.
fn speaks_of(run: &Run, medium: Medium) -> bool {
    match medium {
        Medium::Memory => names(run, Medium::Memory),
        Medium::Storage => names(run, Medium::Storage) || !names(run, Medium::Memory),
    }
}

/// By the name of its scenario, for a run that was interrupted early has no figure, or by its figures.
fn names(run: &Run, medium: Medium) -> bool {
    run.scenario.starts_with(family(medium)) || run.steps.iter().any(|step| measures(step, medium))
}

fn family(medium: Medium) -> &'static str {
    match medium {
        Medium::Storage => "storage",
        Medium::Memory => "memory",
    }
}

fn measures(step: &Step, medium: Medium) -> bool {
    step.metrics.iter().any(|metric| metric.fact.name.0.split('.').next() == Some(family(medium)))
}

/// Layout and verification steps have no figure; they belong to the storage steps around them.
fn medium_of(run: &Run, step: &Step) -> Option<Medium> {
    let known = [Medium::Memory, Medium::Storage];
    known.into_iter().find(|medium| measures(step, *medium)).or_else(|| {
        let medium = if speaks_of(run, Medium::Storage) { Medium::Storage } else { Medium::Memory };
        (step.verification.is_some() && speaks_of(run, medium)).then_some(medium)
    })
}

fn counted(run: &Run, medium: Medium) -> Vec<(&Step, &Recorded<Verification>)> {
    run.steps.iter().filter(|step| medium_of(run, step) == Some(medium)).filter_map(|step| Some((step, step.verification.as_ref()?))).collect()
}

/// A step whose figures stand for reads, or for computed results, and which compared none of them.
fn is_unverified(step: &Step, medium: Medium) -> bool {
    let reads = match medium {
        Medium::Storage => step.metrics.iter().any(|metric| is_read(&metric.fact.name.0)),
        Medium::Memory => measures(step, medium),
    };
    reads && step.verification.as_ref().is_none_or(|fact| fact.fact.verified == 0)
}

// `storage.randread_4k_qd32.iops` and `storage.read_128k_qd8.bandwidth` read; `storage.randwrite_..` does not.
fn is_read(metric: &str) -> bool {
    metric.split('.').nth(1).is_some_and(|work| work.starts_with("read") || work.starts_with("randread") || work.starts_with("randrw"))
}

fn listed<'a, I>(counted: &[(&'a Step, &'a Recorded<Verification>)], of: impl Fn(&'a Verification) -> I) -> Vec<String>
where
    I: Iterator<Item = (&'a String, &'a u64)>,
{
    let each = |(step, fact): &(&'a Step, &'a Recorded<Verification>)| {
        let name = step.name.clone();
        of(&fact.fact).map(move |(what, count)| format!("{count} x {what} in step {name}")).collect::<Vec<_>>()
    };
    counted.iter().flat_map(each).collect()
}

fn events(counted: &[(&Step, &Recorded<Verification>)]) -> Vec<EventSeq> {
    counted.iter().map(|(_, fact)| fact.event).collect()
}

fn witnessed(run: &Run, observed: String) -> Verdict {
    let evidence = Evidence::try_from(vec![Witnessed { source: format!("run {}", run.id), observed }]);
    Verdict::pass_on(evidence.map_err(|_| Reason::NotRun("the run observed nothing".into())))
}

fn check(run: &Run, id: &str, verdict: Verdict, expected: &str, observed: String, events: Vec<EventSeq>) -> Check {
    with_evidence(Check::new(id, run.scenario.clone(), verdict, expected, observed, format!("run {}", run.id)), events)
}
