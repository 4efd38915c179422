use proptest::prelude::*;

use super::*;

const RANKS: [Rank; 4] = [Rank::NotApplicable, Rank::Pass, Rank::Inconclusive, Rank::Fail];

fn any_rank() -> impl Strategy<Value = Rank> {
    (0_usize..4).prop_map(|index| RANKS[index])
}

#[test]
fn the_ranks_are_ordered_from_not_applicable_to_fail() {
    assert!(RANKS.is_sorted() && RANKS[0] < RANKS[1] && RANKS[1] < RANKS[2] && RANKS[2] < RANKS[3]);
}

#[test]
fn nothing_at_all_is_inconclusive() {
    assert_eq!(worst([]), Rank::Inconclusive);
}

#[test]
fn nothing_absent_unreadable_or_infinite_becomes_evidence() {
    assert_eq!(Evidence::of_reading("x", &Reading::Absent).expect_err("absent").name(), "unreadable");
    assert_eq!(Evidence::of_reading("x", &Reading::Unreadable("EIO".into())).expect_err("unreadable").name(), "unreadable");
    assert_eq!(Evidence::of_samples("x", &Samples::new(vec![])).expect_err("none").name(), "not_run");
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(Evidence::of_samples("x", &Samples::new(vec![1.0, bad])).expect_err("no number").name(), "invalid");
    }
    assert_eq!(Evidence::all([]).expect_err("nothing").name(), "not_run");
    assert!(Evidence::all([Evidence::of_reading("x", &1_u64.into()), Err(Reason::Unreadable("y".into()))]).is_err());
    assert!(serde_json::from_str::<Evidence>("[]").is_err());
    assert!(serde_json::from_str::<Verdict>(r#"{"verdict":"pass","because":[]}"#).is_err());
}

proptest! {
    #[test]
    fn the_worst_is_one_of_them_and_none_is_worse(ranks in proptest::collection::vec(any_rank(), 1..20)) {
        let worst = worst(ranks.iter().copied());
        prop_assert!(ranks.contains(&worst) && ranks.iter().all(|rank| *rank <= worst));
    }

    #[test]
    fn the_worst_depends_neither_on_order_nor_on_grouping(ranks in proptest::collection::vec(any_rank(), 1..20), cut in 0_usize..20) {
        let whole = worst(ranks.iter().copied());
        prop_assert_eq!(worst(ranks.iter().rev().copied()), whole);
        let (left, right) = ranks.split_at(cut.min(ranks.len()));
        let parts = [left, right].into_iter().filter(|part| !part.is_empty()).map(|part| worst(part.iter().copied()));
        prop_assert_eq!(worst(parts), whole);
    }

    #[test]
    fn one_more_rank_never_makes_it_better(ranks in proptest::collection::vec(any_rank(), 1..20), more in any_rank()) {
        prop_assert!(worst(ranks.iter().copied().chain([more])) >= worst(ranks.iter().copied()));
    }
}
