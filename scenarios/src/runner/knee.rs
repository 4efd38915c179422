//! The search for a knee: one open loop after the other, each at the rate that the search asks for.

use assay_model::knee::{Knee, Search};

use crate::plan::{PlannedIo, PlannedWork};
use crate::scenario::{IoSpec, KneeSpec, Rate};

use super::Session;
use super::bench::Outcome;
use super::step::Answer;

/// Of the operations that were due, at most this share may not have begun at the end: at a rate that cannot be kept, the backlog grows without end.
const BACKLOG_SHARE: f64 = 0.01;

impl Session<'_, '_> {
    /// One search. What comes back is the last try at the knee, with the rate as its sample and every try in the sweep.
    pub(super) async fn knee(&mut self, io: &PlannedIo, knee: KneeSpec) -> Answer<Outcome> {
        let mut search = Search::new(knee.range);
        let mut sweep = Vec::new();
        let mut best: Option<Outcome> = None;
        let mut all = Totals::default();
        while let Some(rate) = search.next() {
            let at_rate = PlannedWork::Io(PlannedIo { spec: at(&io.spec, knee, rate), ..io.clone() });
            let outcome = match self.work(&at_rate).await {
                Answer::Done(outcome) => outcome,
                answer @ (Answer::Failed(_) | Answer::NotConfigured(_) | Answer::Cancelled) => return answer,
            };
            let p99 = p99(&outcome);
            sweep.push((f64::from(rate), p99));
            let holds = holds(&outcome, p99, knee, rate);
            search.tell(rate, holds);
            all.add(&outcome);
            if holds || best.is_none() {
                best = Some(outcome);
            }
        }
        let Some(mut outcome) = best else { return Answer::Failed("no rate was tried".to_owned()) };
        let (rate, text) = match search.found() {
            Some(Knee::At(rate)) => (f64::from(rate), None),
            Some(Knee::Above(rate)) => {
                (f64::from(rate), Some(format!("{rate} op/s, the highest rate of the range, holds: the knee is not below it")))
            }
            // Nothing of the range can be promised.
            Some(Knee::Below(rate)) => (0.0, Some(format!("{rate} op/s, the lowest rate of the range, does not hold"))),
            None => (f64::NAN, Some(format!("{} tries contradict each other: no rate held twice", sweep.len()))),
        };
        if let Some(text) = text {
            outcome.notes.insert(format!("knee {}", io.label()), text);
        }
        sweep.sort_by(|(one, _), (other, _)| one.total_cmp(other));
        all.into_outcome(&mut outcome);
        Answer::Done(Outcome { samples: vec![rate], sweep, series: Vec::new(), ..outcome })
    }
}

/// The operations at one rate.
pub(super) fn at(spec: &IoSpec, knee: KneeSpec, per_second: u32) -> IoSpec {
    IoSpec { rate: Some(Rate { per_second, arrivals: knee.arrivals }), knee: None, ..spec.clone() }
}

fn p99(outcome: &Outcome) -> f64 {
    outcome.latencies.as_ref().map_or(f64::NAN, |latencies| latencies.quantile(0.99))
}

fn holds(outcome: &Outcome, p99: f64, knee: KneeSpec, rate: u32) -> bool {
    #[allow(clippy::cast_precision_loss, reason = "counts of one try are far below 2^53")]
    let (bound, backlog) = (knee.p99_ms as f64 * 1e6, outcome.backlog as f64);
    let due = f64::from(rate) * outcome.elapsed.as_secs_f64();
    p99 <= bound && backlog <= due * BACKLOG_SHARE && outcome.failed.is_empty() && outcome.corrupt.is_empty()
}

/// What all tries together did: a failure at any rate is one of the step.
#[derive(Default)]
struct Totals {
    operations: u64,
    verified: u64,
    failed: std::collections::BTreeMap<String, u64>,
    corrupt: std::collections::BTreeMap<String, u64>,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        self.operations += outcome.all_operations;
        self.verified += outcome.verified;
        for (into, from) in [(&mut self.failed, &outcome.failed), (&mut self.corrupt, &outcome.corrupt)] {
            for (what, count) in from {
                *into.entry(what.clone()).or_default() += count;
            }
        }
    }

    fn into_outcome(self, outcome: &mut Outcome) {
        (outcome.all_operations, outcome.verified, outcome.failed, outcome.corrupt) = (self.operations, self.verified, self.failed, self.corrupt);
    }
}
