//! The corpus bites: without any one check that faults are planted for, the selftest finds one that nobody caught.

use std::sync::OnceLock;

use super::*;

/// What every check says of every case: it takes a minute.
fn everything() -> &'static Answered {
    static EVERYTHING: OnceLock<Answered> = OnceLock::new();
    EVERYTHING.get_or_init(|| answer(&|_| true).expect("a corpus"))
}

#[test]
fn every_planted_fault_is_caught_by_the_right_check_and_nothing_healthy_is_accused() {
    let confusion = everything().confusion(None, None);
    let shown = |planted: &Planted| format!("{}: {} expected of {}, seen: {}", planted.id, planted.expected, planted.check, planted.seen);
    let shown: Vec<String> = confusion.not_caught.iter().map(shown).collect();
    assert!(confusion.not_caught.is_empty(), "{}", shown.join("\n"));
    assert!(confusion.alarms.is_empty(), "{:#?}", confusion.alarms);
    assert!(confusion.uncovered.is_empty(), "{:?}", confusion.uncovered);
}

#[test]
fn without_any_one_check_the_selftest_fails() {
    let answered = everything();
    for check in answered.tested_checks() {
        let confusion = answered.confusion(Some(&check), None);
        assert!(confusion.caught < confusion.planted, "the corpus does not notice that {check} is off");
        assert_eq!(confusion.exit_code(), 1, "{check}");
    }
}

#[test]
fn a_node_of_which_nothing_can_be_seen_is_no_catch() {
    let answer = |rank| (rank, String::new());
    let said = |ranks: [Rank; 3]| -> Said {
        ["a", "b", "c"].iter().zip(ranks).map(|(id, rank)| (((*id).to_owned(), "s".to_owned()), answer(rank))).collect()
    };
    let healthy = said([Rank::Pass, Rank::Pass, Rank::NotApplicable]);
    assert_eq!(blinded(&said([Rank::Fail, Rank::Pass, Rank::Fail]), &healthy), (1, 2));
    assert_eq!(blinded(&said([Rank::Inconclusive, Rank::NotApplicable, Rank::Pass]), &healthy), (2, 2));
    assert_eq!(blinded(&Said::new(), &healthy), (2, 2));
}
