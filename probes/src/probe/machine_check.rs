//! Machine check exceptions since boot, summed over all CPUs, from the `MCE` line of `/proc/interrupts`. The file has megabytes on a large
//! node; only this line is kept.

use assay_model::attr::{Attr, Kind};
use assay_model::component::{Component, Reading};

use super::Probe;
use crate::host::{Host, HostError, malformed, whole};

/// The probe of machine checks.
pub(super) struct MachineCheck;

const INTERRUPTS: &str = "/proc/interrupts";

impl Probe for MachineCheck {
    fn name(&self) -> &'static str {
        "machine_check"
    }

    fn describe(&self) -> &'static str {
        "Machine check exceptions since boot, from the MCE line of /proc/interrupts."
    }

    fn kinds(&self) -> &'static [Kind] {
        &[Kind::MachineCheck]
    }

    fn probe(&self, host: &Host) -> Result<Vec<Component>, HostError> {
        let lines = match host.lines(INTERRUPTS, "MCE") {
            Err(error) if error.is_absent() => return Err(HostError::SourceMissing(INTERRUPTS.into())),
            answer => answer?,
        };
        let Some(counts) = lines.lines().find_map(|line| line.trim_start().strip_prefix("MCE:")) else {
            return Err(HostError::SourceMissing(format!("MCE line in {INTERRUPTS}")));
        };
        Ok(vec![Component::new(Kind::MachineCheck, "node").with(Attr::MachineChecks, format!("{INTERRUPTS} MCE"), sum(counts))])
    }
}

/// `0   0   Machine check exceptions`: one number per CPU, then words.
fn sum(counts: &str) -> Reading {
    let numbers: Vec<&str> = counts.split_whitespace().take_while(|word| word.starts_with(|c: char| c.is_ascii_digit())).collect();
    if numbers.is_empty() {
        return malformed(counts, "there is no count");
    }
    let total = numbers.iter().try_fold(0_u64, |sum, number| Ok::<_, String>(sum.saturating_add(whole(number)?)));
    total.map_or_else(|why| malformed(counts, &why), Reading::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(snapshot: &str) -> Result<Component, HostError> {
        MachineCheck.probe(&Host::from_snapshot(snapshot).expect("a fixture")).map(|mut found| found.remove(0))
    }

    #[test]
    fn exceptions_of_all_cpus_are_added_up_and_polls_are_not() {
        let found = ended(
            "/proc/interrupts:
               |            CPU0       CPU1
               |   0:         10          0   IO-APIC   2-edge      timer
               | MCE:          1          2   Machine check exceptions
               | MCP:        300        300   Machine check polls",
        );
        assert_eq!(found.expect("counted").reading(Attr::MachineChecks), &3_u64.into());
    }

    #[test]
    fn a_kernel_without_the_line_does_not_count_and_a_torn_line_is_unreadable() {
        assert!(matches!(ended("/proc/interrupts: CPU0"), Err(HostError::SourceMissing(_))));
        assert!(matches!(ended("unmentioned: absent"), Err(HostError::SourceMissing(_))));
        assert!(matches!(ended("/proc/interrupts error: EIO"), Err(HostError::Refused { .. })));
        for torn in ["MCE: Machine check", "MCE: 1x 2"] {
            assert!(
                matches!(ended(&format!("/proc/interrupts: {torn}")).expect("looked").reading(Attr::MachineChecks), Reading::Unreadable(_)),
                "{torn}"
            );
        }
    }
}
