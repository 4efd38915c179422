//! Figures of several targets of one step: what all at once reach of the sum of the singles, and how far each is behind its peers.

use assay_model::journal::Event;
use assay_model::metric::{Direction, Metric, Samples};
use assay_model::spread;
use assay_model::unit::Unit;

use crate::plan::{PlannedIo, PlannedWork};
use crate::scenario::{IoSpec, Targets};

use super::facts::{Repeats, dimensions_of_drive, per_second};

/// Measured operations of one piece of work, and its figure of every round.
struct Measured<'a> {
    io: &'a PlannedIo,
    iops: Vec<f64>,
}

fn measured<'a>(repeats: &'a [Repeats<'a>]) -> Vec<Measured<'a>> {
    let of = |repeats: &'a Repeats<'a>| match repeats.work {
        PlannedWork::Io(io) if io.spec.extent.is_measured() && io.of.is_some() && repeats.not_measured.is_none() => {
            Some(Measured { io, iops: repeats.counted().iter().map(|(_, outcome)| per_second(outcome.operations, outcome)).collect() })
        }
        PlannedWork::Io(_) | PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) | PlannedWork::Drill(_) => None,
    };
    repeats.iter().filter_map(of).collect()
}

/// Figures of operations on several targets at once, each divided by the sum of what the same operations reach on each of them alone, round by round.
pub(super) fn shares(step: &str, repeats: &[Repeats<'_>]) -> Vec<Event> {
    let all = measured(repeats);
    let mut events = Vec::new();
    for together in all.iter().filter(|one| one.io.spec.targets != Targets::Each) {
        let alone = IoSpec { targets: Targets::Each, ..together.io.spec.clone() };
        let singles: Vec<&Measured<'_>> =
            together.io.on.iter().filter_map(|target| all.iter().find(|one| one.io.spec == alone && one.io.on == [*target])).collect();
        // Without each of the singles there is nothing to be compared with.
        if singles.len() != together.io.on.len() {
            continue;
        }
        let sum = |round: usize| singles.iter().map(|single| single.iops.get(round).copied().unwrap_or(f64::NAN)).sum::<f64>();
        let samples = together.iops.iter().enumerate().map(|(round, iops)| iops / sum(round)).collect();
        events.push(metric(step, together.io, "all_share", Direction::HigherIsBetter, samples));
    }
    events
}

/// How far each target is behind its peers, in robust standard deviations and as a share of their median, round by round.
pub(super) fn peers(step: &str, repeats: &[Repeats<'_>]) -> Vec<Event> {
    let all = measured(repeats);
    let mut specs: Vec<&IoSpec> = Vec::new();
    for spec in all.iter().map(|one| &one.io.spec).filter(|spec| spec.targets == Targets::Each) {
        if !specs.contains(&spec) {
            specs.push(spec);
        }
    }
    let mut events = Vec::new();
    for spec in specs {
        let group: Vec<&Measured<'_>> = all.iter().filter(|one| one.io.spec == *spec).collect();
        if group.len() < spread::FEWEST {
            continue;
        }
        let rounds = group.iter().map(|one| one.iops.len()).max().unwrap_or(0);
        let scores: Vec<Option<Vec<f64>>> = (0..rounds)
            .map(|round| spread::behind(&group.iter().map(|one| one.iops.get(round).copied().unwrap_or(f64::NAN)).collect::<Vec<_>>()))
            .collect();
        for (at, one) in group.iter().enumerate() {
            let deviations = scores.iter().map(|round| round.as_ref().map_or(f64::NAN, |round| round[at])).collect();
            events.push(metric(step, one.io, "peer_deviation", Direction::LowerIsBetter, deviations));
            let shares = (0..rounds).map(|round| one.iops.get(round).map_or(f64::NAN, |iops| iops / middle(&group, round))).collect();
            events.push(metric(step, one.io, "peer_share", Direction::HigherIsBetter, shares));
        }
    }
    events
}

/// The median of all of them in one round.
fn middle(group: &[&Measured<'_>], round: usize) -> f64 {
    Samples::new(group.iter().map(|one| one.iops.get(round).copied().unwrap_or(f64::NAN)).collect()).median()
}

fn metric(step: &str, io: &PlannedIo, word: &str, direction: Direction, samples: Vec<f64>) -> Event {
    let name = format!("{}.{word}", io.spec.family());
    let metric =
        Metric { name: name.as_str().into(), unit: Unit::Ratio, direction, dimensions: dimensions_of_drive(io), samples: Samples::new(samples) };
    Event::Metric { step: step.to_owned(), metric }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use assay_bench::Rw;

    use super::*;
    use crate::runner::tests::place::good;
    use crate::scenario::Extent;

    fn work(targets: Targets, on: &[usize], of: &str) -> PlannedWork {
        let timed = Extent::Timed { ramp_ms: 0, runtime_ms: 1, io_size: None };
        let spec = IoSpec { targets, ..IoSpec::new("uring", Rw::RandRead, 4096, 1, timed) };
        PlannedWork::Io(PlannedIo { spec, on: on.to_vec(), of: Some(of.to_owned()), serial: None, serials: Vec::new(), cpus: Vec::new() })
    }

    fn repeats<'a>(work: &'a PlannedWork, operations: &[u64]) -> Repeats<'a> {
        let outcome = |count: &u64| crate::runner::bench::Outcome { operations: *count, elapsed: Duration::from_secs(1), ..good(work) };
        Repeats { outcomes: operations.iter().map(|count| (0.0, outcome(count))).collect(), ..Repeats::new(work) }
    }

    fn samples(events: &[Event]) -> Vec<(String, String, Vec<f64>)> {
        let of = |event: &Event| {
            let Event::Metric { metric, .. } = event else { panic!("{event:?}") };
            (metric.name.0.clone(), metric.dimensions["drive"].clone(), metric.samples.values().to_vec())
        };
        events.iter().map(of).collect()
    }

    #[test]
    fn all_at_once_are_a_share_of_the_sum_of_the_singles_of_the_same_round() {
        let (a, b, all) = (work(Targets::Each, &[0], "a"), work(Targets::Each, &[1], "b"), work(Targets::All, &[0, 1], "all"));
        let events = shares("s", &[repeats(&a, &[100, 200]), repeats(&b, &[300, 200]), repeats(&all, &[300, 100])]);
        assert_eq!(samples(&events), [("storage.randread_4k_qd1.all_share".to_owned(), "all".to_owned(), vec![0.75, 0.25])]);
        let events = shares("s", &[repeats(&a, &[100]), repeats(&all, &[300])]);
        assert!(events.is_empty(), "one of the singles is missing");
        let events = shares("s", &[repeats(&a, &[100]), repeats(&b, &[]), repeats(&all, &[300])]);
        assert!(samples(&events)[0].2[0].is_nan(), "a single without its round");
    }

    #[test]
    fn each_of_several_is_compared_with_its_peers() {
        let drives: Vec<PlannedWork> = ["a", "b", "c"].iter().enumerate().map(|(at, name)| work(Targets::Each, &[at], name)).collect();
        let of = |counts: [u64; 3]| drives.iter().zip(counts).map(|(work, count)| repeats(work, &[count])).collect::<Vec<_>>();
        let (scores, shares): (Vec<_>, Vec<_>) =
            samples(&peers("s", &of([1000, 1001, 700]))).into_iter().partition(|(name, _, _)| name.ends_with(".peer_deviation"));
        assert_eq!(
            shares.iter().map(|(name, _, shares)| (name.as_str(), shares[0])).collect::<Vec<_>>(),
            [1.0, 1.001, 0.7].map(|share| ("storage.randread_4k_qd1.peer_share", share))
        );
        assert_eq!(scores.iter().map(|(_, drive, _)| drive.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
        assert!(scores[2].2[0] > spread::OUTLIER && scores[0].2[0].abs() < 1.0 && scores[1].2[0].abs() < 1.0, "{scores:?}");
        assert!(peers("s", &of([1000, 1001, 700])[..2]).is_empty(), "two have no majority");
    }
}
