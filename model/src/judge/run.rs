//! Checks from runs: whether a run did all that it planned, whether its operations were real, whether new errors came up, and its figures
//! against the limits of the gate. Whether a run is fresh enough to count stands in `judge/fresh.rs`.

use crate::attr::Attr;
use crate::ceiling::Ceiling;
use crate::check::{Check, EventSeq};
use crate::component::Reading;
use crate::error_log;
use crate::gate::Requirement;
use crate::judge::figure::{Figure, ceiling_of};
use crate::judge::{Case, drive};
use crate::limit::{self, Bound};
use crate::outage;
use crate::run::{Condition, CounterDelta, Ended, Recorded, Run, Step, Verification, with_evidence};
use crate::site::Site;
use crate::verdict::{Evidence, Rank, Reason, Verdict, Witnessed};

const COMPLETED: &str = "run.completed";
const DATA_VERIFIED: &str = "storage.data_verified";
const NO_FAILED_OPERATIONS: &str = "storage.no_failed_operations";
const NO_NEW_ERRORS: &str = "run.no_new_errors";
const UNDISTURBED: &str = "run.undisturbed";
const TRIAD_VERIFIED: &str = "memory.triad_verified";
const NET_VERIFIED: &str = "net.data_verified";
const CLUSTER_VERIFIED: &str = "ceph.data_verified";
const CLUSTER_NO_FAILED: &str = "ceph.no_failed_operations";

/// What is expected of stored data.
const STORED: &str = "every block that was read holds what was written last";

/// The checks that are judged from runs.
pub const RUN_CHECKS: &[&str] =
    &[COMPLETED, DATA_VERIFIED, NO_FAILED_OPERATIONS, NO_NEW_ERRORS, UNDISTURBED, TRIAD_VERIFIED, NET_VERIFIED, CLUSTER_VERIFIED, CLUSTER_NO_FAILED];

/// What the operations of a step were made on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Medium {
    Storage,
    Memory,
    Network,
    /// A Ceph cluster as a whole.
    Cluster,
}

impl Medium {
    /// Whether what is read of it was written before.
    fn is_stored(self) -> bool {
        match self {
            Medium::Storage | Medium::Cluster => true,
            Medium::Memory | Medium::Network => false,
        }
    }
}

/// The checks of one run, besides its limits.
pub(super) fn checks(run: &Run) -> Vec<Check> {
    let mut checks = vec![completed(run), no_new_errors(run), undisturbed(run)];
    if speaks_of(run, Medium::Storage) {
        checks.push(data_verified(run, Medium::Storage));
        checks.push(no_failed_operations(run, Medium::Storage));
    }
    // OSDs that write by themselves tell nothing of content.
    if speaks_of(run, Medium::Cluster) && !counted(run, Medium::Cluster).is_empty() {
        checks.push(data_verified(run, Medium::Cluster));
        checks.push(no_failed_operations(run, Medium::Cluster));
    }
    // What only counts packets says nothing of their content, and a run of that kind must not hold those that do.
    if speaks_of(run, Medium::Network) && !counted(run, Medium::Network).is_empty() {
        checks.push(data_verified(run, Medium::Network));
    }
    if speaks_of(run, Medium::Memory) {
        checks.push(data_verified(run, Medium::Memory));
    }
    checks
}

/// The checks of a scenario that the gate names and that has no run.
pub(super) fn absent(scenario: &str) -> Vec<Check> {
    let mut ids = vec![COMPLETED, NO_NEW_ERRORS, UNDISTURBED];
    if is_of(scenario, Medium::Storage, '-') {
        ids.extend([DATA_VERIFIED, NO_FAILED_OPERATIONS]);
    }
    if is_of(scenario, Medium::Memory, '-') {
        ids.push(TRIAD_VERIFIED);
    }
    let reason = || Reason::NotRun(format!("there is no run of scenario {scenario}"));
    ids.into_iter().map(|id| Check::inconclusive(id, scenario, "a run of the scenario", reason(), "nothing")).collect()
}

/// Why the figures of a run are not believed although each may look well: it did not end, its data were wrong or not compared, or errors were counted
/// or not looked for. What disturbed a step stands with the step.
pub(super) fn doubt(run: &Run) -> Option<Reason> {
    let worst = checks(run).into_iter().filter(|check| check.id.as_str() != UNDISTURBED).max_by_key(|check| check.verdict.rank())?;
    let why = match &worst.verdict {
        Verdict::Pass(_) | Verdict::NotApplicable(_) => return None,
        Verdict::Fail(why) => why.clone(),
        Verdict::Inconclusive(reason) => reason.detail().to_owned(),
    };
    Some(Reason::Disturbed(format!("{} of run {}: {why}", worst.id, run.id)))
}

/// The check of one figure against the limit of `requirement`.
pub(super) fn limit_check(requirement: &Requirement, limit: &limit::Limit, figure: &Figure<'_>, ceilings: &[Ceiling], case: &Case<'_>) -> Check {
    let metric = &figure.metric.fact;
    let judge = |limit: &limit::Limit| limit::judge(limit, metric, ceiling_of(figure, ceilings), &conditions(figure.step), case.site.absence);
    let answer = match limit.bound {
        Bound::Rated { figure: rating, share } => match drive::rated(case.site, case.inventory, metric, rating) {
            Ok(rated) => {
                let bound = limit::Limit { bound: Bound::AtLeast(share * rated.value), ..limit.clone() };
                let link = rated.link.as_ref().filter(|link| link.unit == metric.unit);
                let answer = limit::judge(&bound, metric, link, &conditions(figure.step), case.site.absence);
                limit::Answer { expected: format!("{} of {}, that is {}", limit.bound, rated.part, answer.expected), ..answer }
            }
            Err(why) => limit::Answer { verdict: Verdict::Inconclusive(Reason::Unreadable(why)), ..judge(limit) },
        },
        Bound::Efficiency(_) | Bound::AtLeast(_) | Bound::AtMost(_) | Bound::Exactly(_) => judge(limit),
    };
    let mut verdict = answer.verdict;
    if let (Some(why), false) = (of_another_cluster(figure, case.site), verdict.rank() == Rank::Fail) {
        verdict = Verdict::Inconclusive(Reason::NotRun(why));
    }
    // A limit says how fast; an unfinished run or step says nothing about that.
    let whole = unfinished(&figure.run.ended).map(|why| format!("the run {why}"));
    if let Some(why) = whole.or_else(|| unfinished(&figure.step.ended).map(|why| format!("its step {why}"))) {
        verdict = Verdict::Inconclusive(Reason::Interrupted(why));
    }
    let source = format!("run {}, step {}", figure.run.id, figure.step.name);
    let check = Check::new(requirement.id.as_str(), figure.label.clone(), verdict, answer.expected, answer.observed, source);
    with_evidence(check, [figure.metric.event])
}

/// Why a figure of a cluster is none of the one that was ordered: some of its nodes did not take part, or a pool keeps another number of copies.
fn of_another_cluster(figure: &Figure<'_>, site: &Site) -> Option<String> {
    let cluster = site.bom.as_ref()?.cluster.as_ref()?;
    let metric = &figure.metric.fact;
    let differs = |name: &str, ordered: u32| {
        let told = metric.dimensions.get(name).filter(|told| **told != ordered.to_string())?;
        Some((told.clone(), ordered))
    };
    if !metric.name.0.starts_with("ceph.") {
        return None;
    }
    let nodes = differs("nodes", cluster.nodes).map(|(told, ordered)| format!("clients of {told} nodes made it, and the cluster has {ordered}"));
    let copies = || cluster.ceph.as_ref().and_then(|ceph| differs("copies", ceph.size));
    nodes.or_else(|| copies().map(|(told, ordered)| format!("it is of a pool with {told} copies, and {ordered} are ordered")))
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
        Medium::Storage => (DATA_VERIFIED, STORED),
        Medium::Cluster => (CLUSTER_VERIFIED, STORED),
        Medium::Memory => (TRIAD_VERIFIED, "every element holds the exact result"),
        Medium::Network => (NET_VERIFIED, "all content that was compared is what was sent"),
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
    } else if let Some((step, fact)) =
        counted.iter().find(|(step, fact)| medium.is_stored() && only_reads(step, medium) && fact.fact.verified < fact.fact.operations)
    {
        let (compared, read) = (fact.fact.verified, fact.fact.operations);
        Verdict::Inconclusive(Reason::NotRun(format!("step {} compared {compared} of the {read} operations that it read", step.name)))
    } else {
        witnessed(run, format!("{verified} of {operations} operations compared, none wrong"))
    };
    let observed = if corrupt.is_empty() { format!("{verified} of {operations} operations compared, none wrong") } else { corrupt.join(", ") };
    check(run, id, verdict, expected, observed, events(&counted))
}

fn no_failed_operations(run: &Run, medium: Medium) -> Check {
    let counted = counted(run, medium);
    let operations: u64 = counted.iter().map(|(_, fact)| fact.fact.operations).sum();
    let failed = listed(&counted, |fact| fact.failed.iter());
    let silent = run.steps.iter().find(|step| medium_of(run, step) == Some(medium) && step.verification.is_none() && medium == Medium::Storage);
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
    let id = if medium == Medium::Cluster { CLUSTER_NO_FAILED } else { NO_FAILED_OPERATIONS };
    check(run, id, verdict, "every operation succeeds and moves all its bytes", observed, events(&counted))
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
        for delta in step.counters.iter().filter(|delta| counts_errors(delta.counter)) {
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
            (Some(before), Some(after)) if after > before && (faults(step, delta, before, after) == 0 || is_of_a_drill(step, delta)) => {
                Change::Unchanged
            }
            (Some(before), Some(after)) if after > before => Change::Rose(format!("{what}: +{} ({before} to {after})", after - before)),
            (Some(before), Some(after)) if after < before => Change::Unknown(Reason::Invalid(format!("{what}: went back from {before} to {after}"))),
            (Some(_), Some(_)) => Change::Unchanged,
            (None, _) | (_, None) => Change::Unknown(Reason::Unreadable(format!("{what}: not a whole number: {} and {}", delta.before, delta.after))),
        },
    }
}

fn is_of_a_drill(step: &Step, delta: &CounterDelta) -> bool {
    outage::explains(&step.outages, &step.hosts, &delta.component, delta.counter)
}

/// Errors behind a counter that rose: each is one, but for entries of a drive's error log that only say what it does not know.
fn faults(step: &Step, delta: &CounterDelta, before: u64, after: u64) -> u64 {
    if delta.counter != Attr::ErrorLogEntries {
        return after - before;
    }
    let unknown = step.counters.iter().find(|other| other.component == delta.component && other.counter == Attr::UnknownCommands);
    error_log::faults(before, after, unknown.map_or(&Reading::Absent, |list| &list.after))
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

// The list of unknown commands only explains entries of the error log.
fn counts_errors(counter: Attr) -> bool {
    !is_throttle(counter) && counter != Attr::UnknownCommands
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
        Medium::Network => names(run, Medium::Network),
        Medium::Cluster => names(run, Medium::Cluster),
        Medium::Storage => {
            let others = [Medium::Memory, Medium::Network, Medium::Cluster];
            names(run, Medium::Storage) || !others.into_iter().any(|other| names(run, other))
        }
    }
}

/// By the name of its scenario, for a run that was interrupted early has no figure, or by its figures.
fn names(run: &Run, medium: Medium) -> bool {
    is_of(&run.scenario, medium, '-') || run.steps.iter().any(|step| measures(step, medium))
}

/// Whether the name of a scenario or of a metric, whose words are joined by `joint`, begins as those of a medium do.
fn is_of(name: &str, medium: Medium, joint: char) -> bool {
    let words: &[&str] = match medium {
        Medium::Storage => &["storage", "rbd"],
        Medium::Memory => &["memory"],
        Medium::Network => &["net", "nic", "path", "bond", "vlan", "corosync", "cluster"],
        Medium::Cluster => &["ceph"],
    };
    name.split(joint).next().is_some_and(|first| words.contains(&first))
}

fn measures(step: &Step, medium: Medium) -> bool {
    step.metrics.iter().any(|metric| is_of(&metric.fact.name.0, medium, '.'))
}

/// Layout and verification steps have no figure; they belong to the storage steps around them.
fn medium_of(run: &Run, step: &Step) -> Option<Medium> {
    // A drill on a cluster measures round trips besides.
    let known = [Medium::Memory, Medium::Cluster, Medium::Network, Medium::Storage];
    known.into_iter().find(|medium| measures(step, *medium)).or_else(|| {
        let spoken = [Medium::Storage, Medium::Cluster, Medium::Network, Medium::Memory].into_iter().find(|medium| speaks_of(run, *medium));
        spoken.filter(|_| step.verification.is_some())
    })
}

fn counted(run: &Run, medium: Medium) -> Vec<(&Step, &Recorded<Verification>)> {
    run.steps.iter().filter(|step| medium_of(run, step) == Some(medium)).filter_map(|step| Some((step, step.verification.as_ref()?))).collect()
}

/// A step whose figures stand for reads, or for computed results, and which compared none of them.
fn is_unverified(step: &Step, medium: Medium) -> bool {
    let reads = match medium {
        Medium::Storage | Medium::Cluster => step.metrics.iter().any(|metric| reads(&metric.fact.name.0)),
        Medium::Memory => measures(step, medium),
        // What one step sends is compared in another.
        Medium::Network => false,
    };
    reads && step.verification.as_ref().is_none_or(|fact| fact.fact.verified == 0)
}

// `storage.randread_4k_qd32.iops` reads and `storage.rw70_4k_qd8.iops` does, too; `storage.randwrite_..` does not.
fn reads(metric: &str) -> bool {
    metric.split('.').nth(1).is_some_and(|work| ["read", "randread", "rw", "randrw", "rmw"].iter().any(|kind| work.starts_with(kind)))
}

/// Whether everything that a step measured was read.
fn only_reads(step: &Step, medium: Medium) -> bool {
    let mut of_medium = step.metrics.iter().map(|metric| metric.fact.name.0.as_str()).filter(|name| is_of(name, medium, '.')).peekable();
    of_medium.peek().is_some()
        && of_medium.all(|name| name.split('.').nth(1).is_some_and(|work| work.starts_with("read") || work.starts_with("randread")))
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
