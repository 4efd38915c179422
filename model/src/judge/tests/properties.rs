//! What holds for any verdicts: a worse one never opens a gate, the order of the parts does not matter, a waiver changes no verdict.

use proptest::prelude::*;

use super::*;

fn any_verdict() -> impl Strategy<Value = Verdict> {
    prop_oneof![Just(passed(LINK, "x").verdict), Just(failed()), Just(unreadable()), Just(Verdict::NotApplicable("none".into()))]
}

fn worse(verdict: &Verdict) -> Vec<Verdict> {
    [passed(LINK, "x").verdict, unreadable(), failed()].into_iter().filter(|other| other.rank() > verdict.rank()).collect()
}

proptest! {
    // One worse verdict never opens a gate that held, and admission needs every gate check to pass.
    #[test]
    fn a_worse_verdict_never_opens_a_gate(verdicts in proptest::collection::vec(any_verdict(), 0..6), index in 0_usize..6) {
        let mut fixture = Fixture::healthy();
        fixture.gate.requires.retain(|one| one.id.as_str() == LINK);
        fixture.checks = verdicts.iter().enumerate().map(|(i, verdict)| Check { verdict: verdict.clone(), ..passed(LINK, &i.to_string()) }).collect();
        let admitted = fixture.judge().exit_code() == 0;
        prop_assert_eq!(admitted, !verdicts.is_empty() && verdicts.iter().all(|verdict| verdict.rank() == Rank::Pass));
        if let Some(verdict) = verdicts.get(index) {
            for worse in worse(verdict) {
                fixture.checks[index].verdict = worse.clone();
                prop_assert!(admitted || verdict.rank() == Rank::NotApplicable || fixture.judge().exit_code() != 0);
            }
        }
    }
    // Neither the order of the parts nor judging twice changes a byte.
    #[test]
    fn the_same_parts_in_any_order_give_the_same_bytes(verdicts in proptest::collection::vec(any_verdict(), 1..8), seed in any::<u64>()) {
        let mut fixture = Fixture::healthy();
        fixture.checks.extend(verdicts.iter().enumerate().map(|(i, verdict)| Check { verdict: verdict.clone(), ..passed(LINK, &(i / 2).to_string()) }));
        fixture.site.waivers = vec![waiver(LINK, "2027-01-01"), Waiver { owner: "dev".into(), ..waiver(LINK, "2027-01-01") }];
        fixture.site.contradictions = vec![contradiction("C-01"), Contradiction { checks: vec![WARNED.into()], ..contradiction("C-02") }];
        fixture.runs.push(Run { id: "20261119-triad".into(), started_at: "2026-11-20T09:00:00Z".into(), ..triad() });
        let json = serde_json::to_string(&fixture.judge()).expect("serialises");
        prop_assert_eq!(&serde_json::to_string(&fixture.judge()).expect("serialises"), &json);
        shuffle(&mut fixture.checks, seed);
        shuffle(&mut fixture.runs, seed);
        shuffle(&mut fixture.site.waivers, seed);
        prop_assert_eq!(&serde_json::to_string(&fixture.judge()).expect("serialises"), &json);
    }

    // Whatever a waiver covers: the verdict stays, and only what holds can be excused.
    #[test]
    fn a_waiver_changes_no_verdict(verdicts in proptest::collection::vec(any_verdict(), 1..6), subject in 0_usize..6) {
        let mut fixture = Fixture::healthy();
        fixture.checks.retain(|check| check.id.as_str() != LINK);
        fixture.checks.extend(verdicts.iter().enumerate().map(|(i, verdict)| Check { verdict: verdict.clone(), ..passed(LINK, &i.to_string()) }));
        let plain = fixture.judge();
        fixture.site.waivers = vec![Waiver { subject: Some(subject.to_string()), ..waiver(LINK, "2027-01-01") }];
        let waived = fixture.judge();
        prop_assert_eq!(plain.judged.len(), waived.judged.len());
        for before in &plain.judged {
            let after = waived.judged.iter().find(|after| after.check == before.check).expect("the same check");
            let excused = before.holds && before.check.id.as_str() == LINK && before.check.subject == subject.to_string();
            prop_assert_eq!((after.holds, after.excused_by.is_some()), (before.holds && !excused, excused));
        }
    }
}

/// A permutation that depends on the seed alone.
fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut state = seed;
    for i in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let range = u64::try_from(i + 1).expect("few items");
        items.swap(i, usize::try_from((state >> 33) % range).expect("few items"));
    }
}
