use super::*;

fn counters(deltas: &[u64]) -> Vec<MemberCounter> {
    deltas.iter().enumerate().map(|(at, delta)| MemberCounter { member: format!("eth{at}"), before: 1_000, after: 1_000 + delta }).collect()
}

#[test]
fn the_least_share_is_told_as_a_part_of_an_equal_one_whatever_the_number_of_members() {
    for (deltas, expected) in [
        (&[500_000, 500_000][..], 1.0),
        (&[350_000, 650_000], 0.7),
        (&[349_000, 651_000], 0.698),
        (&[0, 1_000_000], 0.0),
        (&[300_000, 300_000, 300_000], 1.0),
        (&[210_000, 345_000, 345_000], 0.7),
        (&[250_000, 250_000, 250_000, 250_000], 1.0),
        (&[170_000, 280_000, 280_000, 270_000], 0.68),
    ] {
        let carried = deltas.iter().sum::<u64>() * 95 / 100;
        let found = Shares::of(&counters(deltas), carried).expect("shares").least_of_equal().expect("members");
        assert!((found - expected).abs() < 1e-9, "{deltas:?}: {found}");
    }
}

#[test]
fn counters_that_prove_nothing_are_no_shares() {
    assert_eq!(Shares::of(&counters(&[10]), 1), Err(Unproven::Members(1)));
    assert_eq!(Shares::of(&[], 1), Err(Unproven::Members(0)));
    assert_eq!(Shares::of(&counters(&[10, 10]), 0), Err(Unproven::Nothing));
    assert_eq!(Shares::of(&counters(&[0, 0]), 10), Err(Unproven::Short { counted: 0, carried: 10 }));
    assert_eq!(Shares::of(&counters(&[500, 499]), 1000), Err(Unproven::Short { counted: 999, carried: 1000 }));
    assert_eq!(Shares::of(&counters(&[601, 600]), 1000), Err(Unproven::Foreign { counted: 1201, carried: 1000 }));
    assert!(Shares::of(&counters(&[600, 600]), 1000).is_ok());
    let mut reset = counters(&[500, 500]);
    reset[1].after = 3;
    assert!(matches!(Shares::of(&reset, 500), Err(Unproven::Reset { before: 1_000, after: 3, .. })));
    let huge = |member: &str| MemberCounter { member: member.to_owned(), before: 0, after: u64::MAX };
    assert!(matches!(Shares::of(&[huge("eth0"), huge("eth1")], 5), Err(Unproven::Reset { .. })), "no counter says that");
    let mut twice = counters(&[500, 500]);
    twice[1].member = "eth0".to_owned();
    assert_eq!(Shares::of(&twice, 500), Err(Unproven::Twice("eth0".to_owned())));
}

#[test]
fn shares_that_are_not_those_of_the_flows_are_noticed() {
    let shares = Shares::of(&counters(&[750_000, 250_000]), 950_000).expect("shares");
    assert_eq!((shares.deviation(&[3, 1]), shares.deviation(&[1, 3]), shares.deviation(&[8, 0])), (Some(0.0), Some(0.5), Some(0.25)));
    assert_eq!((shares.deviation(&[1, 1, 1]), shares.deviation(&[0, 0])), (None, None));
    assert_eq!(shares.least().map(|share| (share.member.as_str(), share.share)), Some(("eth1", 0.25)));
}

#[test]
fn a_member_that_works_worse_than_its_peers_is_found() {
    let found = |goodputs: &[f64]| {
        let goodputs: Vec<(String, f64)> = goodputs.iter().enumerate().map(|(at, goodput)| (format!("eth{at}"), *goodput)).collect();
        degraded(&goodputs).map(|degraded| degraded.iter().map(|degraded| degraded.member.clone()).collect::<Vec<_>>())
    };
    assert_eq!(found(&[100.0, 10.0]), Ok(vec!["eth1".to_owned()]), "a tenth");
    assert_eq!(found(&[100.0, 0.0]), Ok(vec!["eth1".to_owned()]));
    assert_eq!(found(&[100.0, 80.0]), Ok(vec![]), "at the edge");
    assert_eq!(found(&[100.0, 79.9]), Ok(vec!["eth1".to_owned()]));
    assert_eq!(found(&[100.0, 99.0, 10.0, 101.0]), Ok(vec!["eth2".to_owned()]));
    assert_eq!(found(&[100.0]), Err(Unproven::Members(1)));
    assert_eq!(found(&[0.0, 0.0]), Err(Unproven::Nothing));
    assert_eq!(found(&[1.0, f64::NAN]), Err(Unproven::Unmeasured("eth1".to_owned())));
    assert_eq!(found(&[-1.0, 1.0]), Err(Unproven::Unmeasured("eth0".to_owned())));
}
