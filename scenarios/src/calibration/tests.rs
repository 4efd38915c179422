use super::*;

fn figures(ours: &[f64], theirs: &[f64]) -> Figures {
    Figures { ours: ours.to_vec(), theirs: theirs.to_vec() }
}

#[test]
fn the_ratio_is_the_median_of_the_pairs_and_not_the_ratio_of_the_medians() {
    // Both sides drift by a factor of ten; within each pair ours is twice as fast.
    let row = figures(&[2.0, 20.0, 6.0, 10.0, 14.0], &[1.0, 10.0, 3.0, 5.0, 7.0]).row("x", Unit::OpsPerSecond);
    assert_eq!((row.ratio, row.low, row.high, row.pairs), (2.0, 2.0, 2.0, 5));
    assert!((row.confidence - 0.9375).abs() < 1e-9);
    let row = figures(&[1.0, 1.0, 4.0], &[1.0, 2.0, 1.0]).row("x", Unit::OpsPerSecond);
    assert_eq!((row.ours, row.theirs, row.ratio, row.low, row.high), (1.0, 1.0, 1.0, 0.5, 4.0));
}

#[test]
fn the_interval_of_ten_pairs_leaves_out_the_extremes() {
    let ours: Vec<f64> = (1..=10).map(f64::from).collect();
    let row = figures(&ours, &[1.0; 10]).row("x", Unit::OpsPerSecond);
    assert_eq!((row.ratio, row.low, row.high), (5.5, 2.0, 9.0));
    assert!(row.confidence > 0.95 && row.confidence < 1.0);
}

#[test]
fn what_was_left_behind_is_said_however_it_ended() {
    for (ended, says) in [
        (Ended::Completed, "no such namespace"),
        (Ended::Cancelled, "it was cancelled, and no such namespace"),
        (Ended::Failed("step a: it died".into()), "step a: it died; and no such namespace"),
    ] {
        assert_eq!(with_left(ended, "no such namespace"), Ended::Failed(says.into()));
    }
}
