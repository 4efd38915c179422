//! What may not be gone on with on a real drive.

use assay_model::run::{Ended, Run};

use super::place::{Place, SCENARIO, Scripted};
use crate::plan::{Plan, PlannedTarget};
use crate::runner::resumption::refusal;

/// The steps that were done of a scenario whose target is then said to be a drive, and the plan.
fn on_a_drive(scenario: &str, percent: u32) -> (Plan, Run) {
    let place = Place::new();
    let mut plan = place.plan_with(scenario, &[]);
    let (bench, _) = Scripted::healthy();
    let run = place.run(bench, &plan, &mut |_| {}).expect("runs");
    // 1 % of its life is what the scenario writes itself, a little more than 3 GiB.
    let drive = PlannedTarget::Drive { path: "/dev/nvme9n1".into(), serial: "S1".into(), bytes: 8 << 20, rated_bytes: 100 * plan.written_to(0) };
    (plan.targets, plan.endurance_percent) = (vec![drive], percent);
    (plan, run)
}

fn refused(plan: &Plan, run: &Run, kept: usize, resumptions: usize) -> String {
    let mut steps = run.steps.clone();
    steps.truncate(kept + 1);
    if let Some(last) = steps.get_mut(kept) {
        last.ended = Ended::Interrupted;
    }
    refusal(plan, &steps, resumptions).unwrap_or_default()
}

#[test]
fn a_drive_that_was_purged_or_preconditioned_is_not_gone_on_with() {
    let purge =
        SCENARIO.replace("rw = \"write\"", "rw = \"trim\"").replace("rw = \"randread\"", "rw = \"randwrite\"\nname = \"first\"\nio_size = \"1MiB\"");
    let purge = purge.split("[[step]]\nname = \"verify\"").next().expect("there").to_owned();
    let sprandom = SCENARIO.replacen("rw = \"write\"", "rw = \"randwrite\"", 1).replacen("whole = true", "sprandom = \"7%\"", 1);
    let steady = SCENARIO.replace("repeats = 3", "[step.steady]");
    for (scenario, is_state) in [(purge, true), (sprandom, true), (steady, true), (SCENARIO.to_owned(), false)] {
        let (plan, run) = on_a_drive(&scenario, 5);
        assert_eq!(refused(&plan, &run, 1, 0), "", "nothing was done to the drive yet");
        let why = refused(&plan, &run, 2, 0);
        assert_eq!(why.contains("its step layout has brought /dev/nvme9n1 into a state"), is_state, "{scenario}\n{why}");
        assert_eq!(refused(&plan, &run, run.steps.len(), 0), "", "there is nothing left to do");
    }
}

#[test]
fn what_is_written_again_counts_for_the_drives_life() {
    let (plan, run) = on_a_drive(SCENARIO, 2);
    // Once all of the step and the layout is a little less than 1 %, twice a little more.
    assert_eq!(refused(&plan, &run, 2, 0), "");
    assert!(refused(&plan, &run, 2, 1).contains("more than 2 %"), "{}", refused(&plan, &run, 2, 1));
    // Only the verification is left: the layout again, and nothing else.
    assert_eq!(refused(&plan, &run, 3, 100), "");
}
