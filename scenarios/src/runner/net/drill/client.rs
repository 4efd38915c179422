//! What the client of a drill waited for, from the log of its operations. Pure.

use assay_bench::OpKind;
use assay_bench::oplog::{End, Log, Operation};
use assay_model::stall::{Client, Wait};

use super::act::{Acted, MustWait};

/// A silence of the client is told from this on: no cluster is meant to answer later, and a busy machine does not make it.
const THRESHOLD_NS: u64 = 500_000_000;
/// Gaps that are kept of each kind.
const GAPS_KEPT: usize = 32;
/// Operations before the fault that show that the client worked.
const WORKED: usize = 20;

/// Every client knows by then what the cluster says of itself.
const NOTICED_NS: i64 = 2_000_000_000;

/// What a completion takes to be known.
const EDGE_NS: i64 = 20_000_000;

/// Writes that had to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct HeldBack {
    /// Those that did, until it was healed.
    pub(super) waited: u64,
    /// Those that were acknowledged before they might be.
    pub(super) acknowledged: u64,
}

/// The operations of a drill, by times since the log began.
pub(super) struct Waits<'a> {
    pub(super) log: &'a Log,
    /// When the fault began to be injected.
    pub(super) zero: i64,
    /// When the client had ended.
    pub(super) ended_ns: i64,
    /// When the cluster was as before.
    pub(super) until_ns: i64,
}

fn signed(ns: u64) -> i64 {
    i64::try_from(ns).unwrap_or(i64::MAX)
}

impl Waits<'_> {
    fn of(&self, reads: bool) -> impl Iterator<Item = &Operation> {
        self.log.operations.iter().filter(move |operation| (operation.kind == OpKind::Read) == reads)
    }

    /// When the client began.
    pub(super) fn first_ns(&self) -> i64 {
        self.log.operations.first().map_or(self.zero, |operation| signed(operation.begun_ns))
    }

    /// Whether the client worked before the fault, in both kinds.
    pub(super) fn worked_before(&self) -> bool {
        let before = |operation: &&Operation| operation.done_ns().is_some_and(|at| signed(at) < self.zero);
        [true, false].iter().all(|reads| self.of(*reads).filter(before).count() >= WORKED)
    }

    fn length(&self, operation: &Operation) -> u64 {
        let end = operation.ended_ns().map_or(self.ended_ns, signed);
        u64::try_from(end.saturating_sub(signed(operation.begun_ns))).unwrap_or(0)
    }

    /// Whether an operation was out at some time between the fault and the moment at which all was as before.
    fn concerns(&self, operation: &Operation) -> bool {
        signed(operation.begun_ns) <= self.until_ns && operation.ended_ns().is_none_or(|at| signed(at) >= self.zero)
    }

    /// How long the operation waited that waited longest, with it.
    pub(super) fn longest(&self) -> (u64, Option<&Operation>) {
        let concerned = self.log.operations.iter().filter(|operation| self.concerns(operation));
        let longest = concerned.max_by_key(|operation| self.length(operation));
        (longest.map_or(0, |operation| self.length(operation)), longest)
    }

    /// When that wait was over, since the fault.
    pub(super) fn resumed_ns(&self) -> Option<i64> {
        self.longest().1.and_then(Operation::ended_ns).map(|at| signed(at).saturating_sub(self.zero))
    }

    /// The wait that 99 of 100 operations kept below, before the fault and from it until all was as before, nanoseconds.
    pub(super) fn p99(&self) -> (f64, f64) {
        let before = |operation: &&Operation| operation.ended_ns().is_some_and(|at| signed(at) < self.zero);
        let all = || self.log.operations.iter();
        (self.quantile(all().filter(before)), self.quantile(all().filter(|operation| self.concerns(operation))))
    }

    fn quantile<'b>(&self, operations: impl Iterator<Item = &'b Operation>) -> f64 {
        let mut lengths: Vec<u64> = operations.map(|operation| self.length(operation)).collect();
        lengths.sort_unstable();
        let at = (lengths.len() * 99).div_ceil(100);
        lengths.get(at.saturating_sub(1)).map_or(f64::NAN, |length| super::float(*length))
    }

    /// Of the writes that had to wait until all is healed: those that did, for half of the time at least, and those that were asked for meanwhile and acknowledged before it. One
    /// that was under way when it began is no proof of either.
    pub(super) fn held_back(&self, what: &MustWait, acted: &Acted) -> HeldBack {
        // Neither end is known to more than that.
        let unsure = signed(acted.uncertainty_ns).saturating_add(EDGE_NS);
        let to = acted.healed.from_ns.saturating_sub(unsure);
        let (from, to) = match what {
            MustWait::Nothing => return HeldBack::default(),
            MustWait::Writes(_) => (acted.injected.to_ns.saturating_add(unsure), to),
            // From when on OSDs refuse is not one moment: the cluster says so first.
            MustWait::AllWritesOnceNoticed => match acted.detected_ns {
                Some(noticed) => (noticed.saturating_add(NOTICED_NS), to),
                None => return HeldBack::default(),
            },
        };
        // Nothing can have waited in no time.
        if from >= to {
            return HeldBack::default();
        }
        let concerns = |write: &Operation| match what {
            MustWait::Nothing => false,
            MustWait::AllWritesOnceNoticed => true,
            MustWait::Writes(ranges) => ranges.iter().any(|range| range.contains(&write.offset)),
        };
        let count = |is: &dyn Fn(&Operation) -> bool| {
            let found = self.of(false).filter(|write| concerns(write) && is(write)).count();
            u64::try_from(found).unwrap_or(u64::MAX)
        };
        HeldBack {
            waited: count(&|write| signed(write.begun_ns) <= from.midpoint(to) && write.ended_ns().is_none_or(|at| signed(at) >= to)),
            acknowledged: count(&|write| signed(write.begun_ns) >= from && write.done_ns().is_some_and(|at| signed(at) < to)),
        }
    }

    /// What each kind of operation made of it.
    pub(super) fn clients(&self) -> Vec<Client> {
        [("read", true), ("write", false)].map(|(kind, reads)| self.client(kind, reads)).into()
    }

    fn client(&self, kind: &str, reads: bool) -> Client {
        let count = |is: fn(&End) -> bool| u64::try_from(self.of(reads).filter(|operation| is(&operation.end)).count()).unwrap_or(u64::MAX);
        let relative = |ns: i64| ns.saturating_sub(self.zero);
        let wait = |operation: &Operation| Wait {
            from_ns: relative(signed(operation.begun_ns)),
            to_ns: operation.ended_ns().map(|at| relative(signed(at))),
        };
        let longest = self.of(reads).filter(|operation| self.concerns(operation)).max_by_key(|operation| self.length(operation));
        let mut gaps = self.gaps(reads);
        let gaps_seen = u64::try_from(gaps.len()).unwrap_or(u64::MAX);
        let end = relative(self.ended_ns);
        gaps.sort_by_key(|gap| std::cmp::Reverse(gap.length_ns(end)));
        gaps.truncate(GAPS_KEPT);
        gaps.sort_by_key(|gap| gap.from_ns);
        Client {
            kind: kind.to_owned(),
            acknowledged: count(|end| matches!(end, End::Done { .. })),
            failed: count(|end| matches!(end, End::Failed { .. })),
            unanswered: count(|end| matches!(end, End::Unanswered)),
            longest: longest.map(wait),
            gaps_seen,
            gaps,
            threshold_ns: THRESHOLD_NS,
        }
    }

    /// Times in which some operation was out and none of the kind came back.
    fn gaps(&self, reads: bool) -> Vec<Wait> {
        let relative = |ns: i64| ns.saturating_sub(self.zero);
        let mut events: Vec<(u64, i32)> = Vec::new();
        for operation in self.of(reads) {
            events.push((operation.begun_ns, 1));
            events.extend(operation.ended_ns().map(|at| (at, -1)));
        }
        // What ends and what begins at one moment leaves no gap between them.
        events.sort_unstable();
        let (mut out, mut since, mut found) = (0_i32, None::<u64>, Vec::new());
        for (at, change) in events {
            if change > 0 {
                // The first that is out begins a silence, one that comes to others does not.
                since = since.or(Some(at));
                out += 1;
                continue;
            }
            out -= 1;
            if let Some(from) = since.filter(|from| at.saturating_sub(*from) >= THRESHOLD_NS) {
                found.push(Wait { from_ns: relative(signed(from)), to_ns: Some(relative(signed(at))) });
            }
            since = (out > 0).then_some(at);
        }
        if let Some(from) = since.filter(|from| self.ended_ns.saturating_sub(signed(*from)) >= signed(THRESHOLD_NS)) {
            found.push(Wait { from_ns: relative(signed(from)), to_ns: None });
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn op(kind: OpKind, begun_ms: u64, ended_ms: Option<u64>) -> Operation {
        let end = ended_ms.map_or(End::Unanswered, |at| End::Done { at_ns: at * MS });
        Operation { kind, offset: 0, bytes: 4096, generation: 1, begun_ns: begun_ms * MS, end }
    }

    fn waits(log: &Log) -> Waits<'_> {
        Waits { log, zero: signed(1000 * MS), ended_ns: signed(20_000 * MS), until_ns: signed(15_000 * MS) }
    }

    fn log(operations: &[(OpKind, u64, Option<u64>)]) -> Log {
        Log { operations: operations.iter().map(|(kind, begun, ended)| op(*kind, *begun, *ended)).collect(), seen: Vec::new() }
    }

    #[test]
    fn the_longest_wait_is_that_of_one_operation_and_its_end_is_when_work_resumed() {
        let log = log(&[
            // Before the fault, and after all was clean: neither is of the drill.
            (OpKind::Write, 0, Some(900)),
            (OpKind::Write, 16_000, Some(19_000)),
            (OpKind::Write, 990, Some(7_000)),
            (OpKind::Read, 2_000, Some(7_100)),
        ]);
        let waits = waits(&log);
        assert_eq!((waits.longest().0, waits.resumed_ns()), (6_010 * MS, Some(signed(6_000 * MS))));
        let clients = waits.clients();
        assert_eq!(clients[1].longest, Some(Wait { from_ns: -signed(10 * MS), to_ns: Some(signed(6_000 * MS)) }));
        assert_eq!((clients[0].acknowledged, clients[1].acknowledged), (1, 3));
    }

    #[test]
    fn what_was_never_answered_waits_to_the_end() {
        let log = log(&[(OpKind::Write, 0, Some(1)), (OpKind::Write, 1_500, None)]);
        let waits = waits(&log);
        assert_eq!((waits.longest().0, waits.resumed_ns()), (18_500 * MS, None));
        let client = &waits.clients()[1];
        assert_eq!((client.unanswered, client.gaps.len(), client.gaps[0].to_ns), (1, 1, None));
    }

    #[test]
    fn a_gap_is_a_time_in_which_something_was_out_and_nothing_came_back() {
        let log = log(&[
            (OpKind::Write, 0, Some(10)),
            // Nothing was out for two seconds: no gap.
            (OpKind::Write, 2_000, Some(2_010)),
            // One hangs, others come back beside it: none either.
            (OpKind::Write, 3_000, Some(6_000)),
            (OpKind::Write, 3_100, Some(3_110)),
            (OpKind::Write, 3_400, Some(3_410)),
            (OpKind::Write, 3_800, Some(3_810)),
        ]);
        let gaps = waits(&log).gaps(false);
        assert_eq!(gaps, [Wait { from_ns: signed(2_810 * MS), to_ns: Some(signed(5_000 * MS)) }]);
    }

    #[test]
    fn writes_that_had_to_wait_and_did_not_are_counted() {
        let write = |offset: u64, begun, ended| Operation { offset, ..op(OpKind::Write, begun, ended) };
        let log =
            Log { operations: vec![write(0, 2_000, Some(2_100)), write(8192, 2_200, Some(2_300)), write(0, 3_000, Some(12_000))], seen: Vec::new() };
        let waits = waits(&log);
        let span = |from: u64, to: u64| assay_model::outage::Span { from_ns: signed(from * MS), to_ns: signed(to * MS) };
        let acted = |detected: Option<u64>| Acted {
            injected: span(1_000, 1_001),
            healed: span(10_000, 10_001),
            uncertainty_ns: 0,
            detected_ns: detected.map(|ms| signed(ms * MS)),
            clean_ns: signed(15_000 * MS),
            on: Vec::new(),
            asides: Vec::new(),
        };
        let held = |what: &MustWait, detected| waits.held_back(what, &acted(detected));
        assert_eq!(held(&MustWait::Writes(std::iter::once(0..4096).collect()), None), HeldBack { waited: 1, acknowledged: 1 });
        assert_eq!(held(&MustWait::Writes(std::iter::once(4096..8192).collect()), None), HeldBack::default());
        assert_eq!(held(&MustWait::AllWritesOnceNoticed, Some(100)), HeldBack { waited: 1, acknowledged: 1 });
        // What was under way when all had noticed says nothing when it ends well.
        assert_eq!(held(&MustWait::AllWritesOnceNoticed, Some(900)), HeldBack { waited: 1, acknowledged: 0 });
        // Noticed when it was nearly healed: between the two there is no time, and none waited through it.
        let late = Log { operations: vec![write(0, 9_900, Some(12_000))], seen: Vec::new() };
        let late = self::waits(&late).held_back(&MustWait::AllWritesOnceNoticed, &acted(Some(9_000)));
        assert_eq!(late, HeldBack::default());
        assert_eq!((held(&MustWait::AllWritesOnceNoticed, None), held(&MustWait::Nothing, Some(1))), (HeldBack::default(), HeldBack::default()));
    }

    #[test]
    fn a_client_that_did_little_before_the_fault_says_nothing() {
        let mut operations = Vec::new();
        for at in 0..WORKED as u64 {
            operations.push((OpKind::Read, at, Some(at + 1)));
            operations.push((OpKind::Write, at, Some(at + 1)));
        }
        assert!(waits(&log(&operations)).worked_before());
        operations.pop();
        assert!(!waits(&log(&operations)).worked_before());
    }
}
