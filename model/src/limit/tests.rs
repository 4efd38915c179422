use proptest::prelude::*;

use super::*;
use crate::metric::Samples;
use crate::unit::Unit;
use crate::verdict::Rank;

const NAME: &str = "memory.triad.bandwidth";

fn metric(samples: &[f64]) -> Metric {
    Metric {
        name: NAME.into(),
        unit: Unit::BytesPerSecond,
        direction: Direction::HigherIsBetter,
        dimensions: Default::default(),
        samples: Samples::new(samples.to_vec()),
    }
}

fn latency(samples: &[f64]) -> Metric {
    Metric { name: "storage.randread_4k_qd1.p99_9".into(), unit: Unit::Nanoseconds, direction: Direction::LowerIsBetter, ..metric(samples) }
}

fn outage(samples: &[f64]) -> Metric {
    Metric { name: "bond.failover.outage".into(), ..latency(samples) }
}

fn ceiling(value: Option<f64>, inputs: &[(&str, Reading)]) -> Ceiling {
    let inputs = inputs.iter().map(|(name, reading)| ((*name).to_owned(), reading.clone())).collect();
    Ceiling { metric: NAME.into(), value, unit: Unit::BytesPerSecond, formula: "a x b".into(), inputs }
}

fn limit(bound: Bound) -> Limit {
    Limit { metric: NAME.into(), bound, basis: Basis::Policy("test".into()), scenarios: Vec::new() }
}

/// The rank, and the reason's name when it is Inconclusive.
fn ranked(answer: &Answer) -> (Rank, &'static str) {
    let reason = match &answer.verdict {
        Verdict::Inconclusive(reason) => reason.name(),
        Verdict::Pass(_) | Verdict::Fail(_) | Verdict::NotApplicable(_) => "",
    };
    (answer.verdict.rank(), reason)
}

#[test]
fn the_median_decides_inside_at_and_outside_of_the_bound() {
    let invalid = (Rank::Inconclusive, "invalid");
    let (pass, fail) = ((Rank::Pass, ""), (Rank::Fail, ""));
    let cases: &[(Bound, Metric, (Rank, &str))] = &[
        // The ceiling is 1000.
        (Bound::Efficiency(0.75), metric(&[751.0]), pass),
        (Bound::Efficiency(0.75), metric(&[750.0]), pass),
        (Bound::Efficiency(0.75), metric(&[749.999]), fail),
        (Bound::Efficiency(0.75), metric(&[0.0]), fail),
        (Bound::Efficiency(0.75), metric(&[-800.0]), fail),
        (Bound::Efficiency(0.75), metric(&[700.0, 750.0, 1000.0]), pass),
        (Bound::Efficiency(0.75), metric(&[749.0, 749.0, 5000.0]), fail),
        (Bound::Efficiency(1.0), metric(&[1000.0]), pass),
        (Bound::Efficiency(0.75), metric(&[1000.0]), pass),
        (Bound::Efficiency(0.75), metric(&[1004.99]), pass),
        (Bound::Efficiency(0.75), metric(&[1005.01]), invalid),
        (Bound::Efficiency(0.75), metric(&[2000.0]), invalid),
        (Bound::Efficiency(0.75), metric(&[f64::NAN]), invalid),
        (Bound::Efficiency(0.75), metric(&[800.0, f64::NAN, 800.0]), invalid),
        (Bound::Efficiency(0.75), metric(&[f64::INFINITY]), invalid),
        (Bound::Efficiency(0.75), metric(&[]), (Rank::Inconclusive, "not_run")),
        (Bound::Efficiency(f64::NAN), metric(&[800.0]), invalid),
        (Bound::Efficiency(0.0), metric(&[800.0]), invalid),
        (Bound::Efficiency(1.01), metric(&[800.0]), invalid),
        (Bound::Efficiency(0.75), latency(&[800.0]), invalid),
        (Bound::AtLeast(500.0), metric(&[500.1]), pass),
        (Bound::AtLeast(500.0), metric(&[500.0]), pass),
        (Bound::AtLeast(500.0), metric(&[499.9]), fail),
        (Bound::AtLeast(500.0), metric(&[1006.0]), invalid),
        (Bound::AtLeast(f64::NAN), metric(&[500.0]), invalid),
        (Bound::AtLeast(f64::NEG_INFINITY), metric(&[500.0]), invalid),
        (Bound::AtMost(500.0), latency(&[499.9]), pass),
        (Bound::AtMost(500.0), latency(&[500.0]), pass),
        (Bound::AtMost(500.0), latency(&[500.1]), fail),
        (Bound::AtMost(500.0), latency(&[0.0]), invalid),
        (Bound::AtMost(500.0), outage(&[0.0]), pass),
        (Bound::AtMost(500.0), outage(&[-1.0]), invalid),
        (Bound::AtMost(500.0), latency(&[-1.0]), invalid),
        (Bound::AtMost(500.0), latency(&[f64::NAN]), invalid),
        (Bound::AtMost(500.0), latency(&[]), (Rank::Inconclusive, "not_run")),
        (Bound::AtMost(f64::INFINITY), latency(&[500.0]), invalid),
    ];
    let bound = ceiling(Some(1000.0), &[]);
    for (what, metric, expected) in cases {
        let answer = judge(&limit(*what), metric, Some(&bound), &[], Absence::Inconclusive);
        assert_eq!(ranked(&answer), *expected, "{what} of {:?}: {answer:?}", metric.samples);
    }
}

#[test]
fn a_ceiling_that_lacks_an_input_judges_nothing() {
    let (absent, unreadable, known) = (Reading::Absent, Reading::Unreadable("EIO".into()), Reading::from(2_u64));
    let unknown = (Rank::Inconclusive, "unreadable");
    type Row<'a> = (Option<Ceiling>, Absence, (Rank, &'a str), &'a str);
    let cases: &[Row<'_>] = &[
        (None, Absence::Inconclusive, unknown, "no ceiling is known"),
        (None, Absence::NotApplicable, unknown, "no ceiling is known"),
        (Some(ceiling(None, &[("a", absent.clone()), ("b", known.clone())])), Absence::Inconclusive, unknown, "a is absent"),
        (Some(ceiling(None, &[("a", absent.clone()), ("b", known.clone())])), Absence::NotApplicable, (Rank::NotApplicable, ""), "a is absent"),
        (Some(ceiling(None, &[("a", absent), ("b", unreadable.clone())])), Absence::NotApplicable, unknown, "b is unreadable"),
        (Some(ceiling(None, &[("b", unreadable)])), Absence::Inconclusive, unknown, "b is unreadable"),
        (Some(ceiling(None, &[("a", known)])), Absence::NotApplicable, unknown, "could not be computed"),
        (Some(ceiling(Some(0.0), &[])), Absence::Inconclusive, (Rank::Inconclusive, "invalid"), ""),
        (Some(ceiling(Some(f64::NAN), &[])), Absence::Inconclusive, (Rank::Inconclusive, "invalid"), ""),
        (
            Some(Ceiling { unit: Unit::BitsPerSecond, ..ceiling(Some(9e9), &[]) }),
            Absence::Inconclusive,
            (Rank::Inconclusive, "invalid"),
            "another unit",
        ),
    ];
    for (ceiling, absence, expected, words) in cases {
        let answer = judge(&limit(Bound::Efficiency(0.5)), &metric(&[800.0]), ceiling.as_ref(), &[], *absence);
        assert_eq!(ranked(&answer), *expected, "{ceiling:?}");
        assert!(answer.verdict.reason().contains(words), "{}", answer.verdict.reason());
    }
}

#[test]
fn an_absolute_bound_needs_no_ceiling() {
    let answer = judge(&limit(Bound::AtLeast(500.0)), &metric(&[600.0]), None, &[], Absence::Inconclusive);
    assert_eq!(answer.verdict.rank(), Rank::Pass);
}

#[test]
fn a_condition_makes_every_figure_inconclusive_good_or_bad() {
    let floor = Condition::AtHarnessFloor("x".into());
    let cases: &[(Vec<Condition>, &str)] = &[
        (vec![floor.clone()], "at_harness_floor"),
        (vec![floor, Condition::Throttled("x".into())], "disturbed"),
        (vec![Condition::HostSaturated("x".into())], "disturbed"),
        (vec![Condition::ClockStepped("x".into())], "disturbed"),
        (vec![Condition::NeighbourBusy("x".into())], "disturbed"),
        (vec![Condition::DeviceErrors("x".into())], "disturbed"),
        (vec![Condition::NotSteady("x".into()), Condition::Impossible("x".into())], "invalid"),
    ];
    for (conditions, reason) in cases {
        for figure in [900.0, 1.0] {
            let answer =
                judge(&limit(Bound::Efficiency(0.5)), &metric(&[figure]), Some(&ceiling(Some(1000.0), &[])), conditions, Absence::Inconclusive);
            assert_eq!(ranked(&answer), (Rank::Inconclusive, *reason), "{conditions:?}");
        }
    }
}

#[test]
fn a_limit_inside_the_interval_is_said() {
    let bound = ceiling(Some(1000.0), &[]);
    let observed = |samples: &[f64]| judge(&limit(Bound::Efficiency(0.75)), &metric(samples), Some(&bound), &[], Absence::Inconclusive).observed;
    assert!(observed(&[700.0, 740.0, 760.0, 770.0, 780.0]).contains("the limit lies inside the interval 700 to 780"));
    assert!(!observed(&[755.0, 758.0, 760.0, 770.0, 780.0]).contains("interval"));
    assert!(!observed(&[749.0]).contains("interval"));
}

#[test]
fn a_pass_stands_on_its_samples() {
    let answer =
        judge(&limit(Bound::Efficiency(0.75)), &metric(&[800.0, 810.0, 805.0]), Some(&ceiling(Some(1000.0), &[])), &[], Absence::Inconclusive);
    let Verdict::Pass(evidence) = &answer.verdict else { panic!("{answer:?}") };
    assert_eq!(evidence.witnessed()[0].observed, "median of 3 samples 805");
    assert_eq!(
        (answer.expected.as_str(), answer.observed.as_str()),
        ("at least 75 % of the ceiling, that is 750 B/s", "median 805 B/s of 3 samples, 80.5 % of the ceiling 1000 B/s")
    );
}

fn any_bound() -> impl Strategy<Value = Bound> {
    prop_oneof![(0.01_f64..=1.0).prop_map(Bound::Efficiency), (0.1_f64..2000.0).prop_map(Bound::AtLeast)]
}

fn any_sample() -> impl Strategy<Value = f64> {
    prop_oneof![8 => 0.0_f64..1200.0, 1 => Just(f64::NAN), 1 => Just(f64::INFINITY), 1 => Just(f64::NEG_INFINITY)]
}

fn rank(bound: Bound, samples: &[f64]) -> Rank {
    judge(&limit(bound), &metric(samples), Some(&ceiling(Some(1000.0), &[])), &[], Absence::Inconclusive).verdict.rank()
}

#[test]
fn an_exact_bound_is_kept_by_every_repeat_or_by_none() {
    let rank = |samples: &[f64]| judge(&limit(Bound::Exactly(9000.0)), &metric(samples), None, &[], Absence::Inconclusive).verdict.rank();
    assert_eq!(rank(&[9000.0, 9000.0]), Rank::Pass);
    assert_eq!([rank(&[9000.0, 9001.0, 9000.0]), rank(&[1500.0]), rank(&[9001.0])], [Rank::Fail; 3]);
    assert_eq!([rank(&[]), rank(&[f64::NAN])], [Rank::Inconclusive; 2]);
    assert!(limit(Bound::Exactly(0.0)).check().is_err());
}

proptest! {
    #[test]
    fn only_finite_samples_below_the_ceiling_get_a_verdict(bound in any_bound(), samples in proptest::collection::vec(any_sample(), 0..9)) {
        let sound = !samples.is_empty() && samples.iter().all(|sample| sample.is_finite());
        let judged = sound && Samples::new(samples.clone()).median() <= 1000.0 * CEILING_TOLERANCE;
        prop_assert_eq!(matches!(rank(bound, &samples), Rank::Pass | Rank::Fail), judged);
    }

    #[test]
    fn a_pass_is_a_median_that_keeps_the_bound(bound in any_bound(), samples in proptest::collection::vec(0.0_f64..1000.0, 1..9)) {
        let low = match bound {
            Bound::Efficiency(share) => share * 1000.0,
            Bound::AtLeast(low) | Bound::AtMost(low) => low,
            Bound::Rated { .. } | Bound::Exactly(_) => unreachable!("no such bound is drawn"),
        };
        prop_assert_eq!(rank(bound, &samples) == Rank::Pass, Samples::new(samples).median() >= low);
    }

    #[test]
    fn a_higher_figure_is_never_judged_worse_below_the_ceiling(bound in any_bound(), figure in 0.0_f64..1000.0, more in 0.0_f64..1000.0) {
        let better = (figure + more).min(1000.0);
        prop_assert!(rank(bound, &[better]) <= rank(bound, &[figure]));
    }

    #[test]
    fn the_order_of_the_samples_does_not_matter(bound in any_bound(), samples in proptest::collection::vec(any_sample(), 0..9)) {
        let mut reversed = samples.clone();
        reversed.reverse();
        prop_assert_eq!(rank(bound, &samples), rank(bound, &reversed));
    }
}
