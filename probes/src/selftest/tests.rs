//! The corpus bites: without any one check that faults are planted for, the selftest finds one that nobody caught.

use super::*;

#[test]
fn every_planted_fault_is_caught_by_the_right_check_and_nothing_healthy_is_accused() {
    let confusion = answer(&|_| true).expect("a corpus").confusion(None, None);
    let shown = |planted: &Planted| format!("{}: {} expected of {}, seen: {}", planted.id, planted.expected, planted.check, planted.seen);
    let shown: Vec<String> = confusion.not_caught.iter().map(shown).collect();
    assert!(confusion.not_caught.is_empty(), "{}", shown.join("\n"));
    assert!(confusion.alarms.is_empty(), "{:#?}", confusion.alarms);
    assert!(confusion.uncovered.is_empty(), "{:?}", confusion.uncovered);
}

#[test]
fn without_any_one_check_the_selftest_fails() {
    let answered = answer(&|_| true).expect("a corpus");
    for check in answered.tested_checks() {
        let confusion = answered.confusion(Some(&check), None);
        assert!(confusion.caught < confusion.planted, "the corpus does not notice that {check} is off");
        assert_eq!(confusion.exit_code(), 1, "{check}");
    }
}
