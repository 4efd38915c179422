//! Whether a run on real drives can be finished by another process: the state that a purge and preconditioning left cannot be made again on the way, and what is
//! laid out again wears the drive again.

use assay_bench::Rw;
use assay_model::run::Step;

use crate::plan::{Plan, PlannedStep, PlannedTarget, PlannedWork};
use crate::printable::Printable;
use crate::scenario::{Extent, Rounds};

use super::step::{is_kept, is_layout};

/// Why the steps that are left must not go on; nothing is said of scratch files and loop devices, which have no state but their content.
pub(super) fn refusal(plan: &Plan, steps: &[Step], resumptions: usize) -> Option<String> {
    let kept = |planned: &&PlannedStep| steps.iter().any(|step| step.name == planned.name && is_kept(step));
    let first = plan.steps.iter().position(|planned| !kept(&planned) && planned.work.iter().any(|work| on(work).next().is_some()))?;
    let is_steady = plan.steps[first..].iter().any(|step| matches!(step.rounds, Rounds::Steady { .. }));
    for (number, target) in plan.targets.iter().enumerate() {
        let PlannedTarget::Drive { path, rated_bytes, bytes, .. } = target else { continue };
        let path = Printable::new(path);
        let conditions = |work: &PlannedWork| on(work).any(|of| of == number) && leaves_a_state(work, is_steady);
        if let Some(step) = plan.steps[..first].iter().find(|step| step.work.iter().any(conditions)) {
            return Some(format!(
                "its step {} has brought {path} into a state, by a purge or by preconditioning, that the steps which are left depend on and that nobody has \
                 watched since: begin a new run",
                step.name
            ));
        }
        let again = plan.written_again(number, first, is_layout, *bytes);
        let times = u64::try_from(resumptions).unwrap_or(u64::MAX).saturating_add(1);
        let written = plan.written_to(number).saturating_add(again.saturating_mul(times));
        let percent = plan.endurance_percent;
        if written > rated_bytes / 100 * u64::from(percent) {
            return Some(format!(
                "what is laid out and done again makes it {written} bytes that it may write to {path}, more than {percent} % of the {rated_bytes} bytes that \
                 the drive may write in its life: begin a new run with another --endurance-percent"
            ));
        }
    }
    None
}

fn on(work: &PlannedWork) -> impl Iterator<Item = usize> {
    let targets: &[usize] = match work {
        PlannedWork::Io(io) => &io.on,
        PlannedWork::Drill(_) => &[0],
        PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) => &[],
    };
    targets.iter().copied()
}

/// Whether it leaves a drive in a state that is more than its content.
fn leaves_a_state(work: &PlannedWork, is_steady: bool) -> bool {
    match work {
        PlannedWork::Io(io) => match io.spec.extent {
            Extent::Whole => io.spec.rw == Rw::Trim || (io.spec.rw.fills() && is_steady),
            Extent::Sprandom { .. } => true,
            Extent::Timed { .. } => false,
        },
        PlannedWork::Triad { .. } | PlannedWork::Net(_) | PlannedWork::Ceph(_) | PlannedWork::Drill(_) => false,
    }
}
